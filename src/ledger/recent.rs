//! New lines that differ from a recent one in the value of one label, as most do.
//!
//! Such a line need not be parsed: its labels are those of the recent line but for the one value.
//! And where no rule looks at that value and every output deletes it, it feeds the same slots.

use crate::ledger::block::{BACK_MAX, Head, Likeness};
use crate::ledger::compare::{common_prefix, same};
use crate::model::Span;
use crate::parse::SampleTokens;

/// Lines that are kept: more than are looked back at, so that none is overwritten while it is read.
const N_LINES: usize = 2 * BACK_MAX;

/// A line of the body.
#[derive(Debug, Default)]
struct Line {
    /// What stands before its value, or all of a line that is no sample.
    text: Vec<u8>,
    /// Its parts and slots are known.
    is_decided: bool,
    tokens: SampleTokens,
    slots: Vec<u32>,
    /// What it was derived from, if it feeds the same slots.
    from: Option<Derived>,
}

/// The last lines, as many as a row may refer back.
#[derive(Debug, Default)]
pub(super) struct Recent {
    lines: Box<[Line; N_LINES]>,
    /// How many there have been.
    n_lines: usize,
}

/// A line that is a recent one with another value in one label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Derived {
    /// What it has in common with that line.
    pub(super) likeness: Likeness,
    /// Which label is another.
    label: usize,
    /// Where that label's value ends now.
    value_end: usize,
    /// How long the text before the sample's value is.
    pub(super) len: usize,
}

impl Recent {
    /// Add a line nothing is to be derived from.
    pub(super) fn push_text(&mut self, text: &[u8]) {
        let line = &mut self.lines[self.n_lines % N_LINES];
        line.text.clear();
        line.text.extend_from_slice(text);
        line.is_decided = false;
        line.from = None;
        self.n_lines += 1;
    }

    /// Say what the parts and slots of the last line are.
    pub(super) fn decide(&mut self, tokens: &SampleTokens, slots: &[u32]) {
        let line = &mut self.lines[self.n_lines.wrapping_sub(1) % N_LINES];
        line.is_decided = !line.text.is_empty();
        copy_parts(tokens, &mut line.tokens);
        line.slots.clear();
        line.slots.extend_from_slice(slots);
    }

    /// The same for a last line that was derived, and feeds the slots of the line it is from.
    pub(super) fn decide_derived(&mut self, derived: &Derived) {
        let to = self.n_lines.wrapping_sub(1);
        let from = to.wrapping_sub(derived.likeness.back) % N_LINES;
        if let Ok([from, to]) = self.lines.get_disjoint_mut([from, to % N_LINES]) {
            to.is_decided = !to.text.is_empty();
            to.from = Some(*derived);
            derived.copy_parts(&from.tokens, &mut to.tokens);
            to.slots.clear();
            to.slots.extend_from_slice(&from.slots);
        }
    }

    /// The text of the line `back` lines before; empty if there is none.
    pub(super) fn text(&self, back: usize) -> &[u8] {
        &self.line(back).text
    }

    /// What the line `text`, which is `derived`, has in common with the line before it, told from
    /// what their originals have in common: `head` is how the one's was written.
    ///
    /// Where a histogram is like the one before it but for a path, each of its lines differs from
    /// the line before as the same two lines differed there. So they need not be compared.
    pub(super) fn likeness_to_previous(
        &self,
        text: &[u8],
        derived: &Derived,
        head: Head,
    ) -> Option<Likeness> {
        let previous = self.line(1);
        let from = previous.from?;
        let original = self.line(derived.likeness.back);
        let value = original.tokens.labels.get(derived.label)?.value;
        let (start, old_end) = (value.start as usize, value.end as usize);
        let is_same_change = from.likeness.back == derived.likeness.back
            && from.label == derived.label
            && from.value_end == derived.value_end
            && previous.tokens.labels.get(derived.label)?.value.start == value.start
            && same(text.get(start..derived.value_end)?, previous.text.get(start..from.value_end)?);
        let prefix = usize::from(head.prefix);
        if !is_same_change || head.back != 1 || prefix < old_end {
            return None;
        }
        let prefix = prefix - old_end + derived.value_end;
        Some(Likeness { back: 1, prefix, suffix: head.suffix.into() })
    }

    /// The slots of the line `derived` is derived from.
    pub(super) fn slots(&self, derived: &Derived) -> &[u32] {
        &self.line(derived.likeness.back).slots
    }

    /// The name of the label in which they differ.
    pub(super) fn label_name(&self, derived: &Derived) -> &[u8] {
        let line = self.line(derived.likeness.back);
        line.tokens.labels[derived.label].name.of(&line.text)
    }

    /// Whether `input` starts with the line `back` lines before, but for the value of one label.
    pub(super) fn derive(&self, back: usize, input: &[u8]) -> Option<Derived> {
        if back == 0 || back > BACK_MAX {
            return None;
        }
        let line = self.line(back);
        if !line.is_decided {
            return None;
        }
        let prefix = common_prefix(input, &line.text);
        let is_in = |value: Span| value.start as usize <= prefix && prefix <= value.end as usize;
        let at = line.tokens.labels.iter().position(|label| is_in(label.value))?;
        let label = line.tokens.labels[at];
        if label.value_escaped || label.value.is_empty() {
            return None;
        }
        let value_end = prefix + memchr::memchr(b'"', input.get(prefix..)?)?;
        let value = input.get(label.value.start as usize..value_end)?;
        if !is_plain(value) {
            return None;
        }
        let rest = line.text.get(label.value.end as usize..)?;
        let len = value_end + rest.len();
        let likeness = Likeness { back, prefix, suffix: rest.len() };
        let derived = Derived { likeness, label: at, value_end, len };
        same(input.get(value_end..len)?, rest).then_some(derived)
    }

    /// Write the parts of a derived line to `tokens`, all but what comes from its value on.
    pub(super) fn write_tokens(&self, derived: &Derived, tokens: &mut SampleTokens) {
        derived.copy_parts(&self.line(derived.likeness.back).tokens, tokens);
        tokens.value_start = derived.len;
    }

    #[inline]
    fn line(&self, back: usize) -> &Line {
        &self.lines[self.n_lines.wrapping_sub(back) % N_LINES]
    }
}

/// Whether a value can be taken as it is: it is not empty, valid, and nothing in it is special.
#[inline]
fn is_plain(value: &[u8]) -> bool {
    // Without a branch a byte, so that many are looked at at once.
    let (special, wide) = value.iter().fold((0, 0), |(special, wide), &byte| {
        (special | u8::from(byte < 0x20) | u8::from(byte == b'\\'), wide | (byte & 0x80))
    });
    !value.is_empty() && special == 0 && (wide == 0 || std::str::from_utf8(value).is_ok())
}

/// Copy what `tokens` say of a series.
fn copy_parts(from: &SampleTokens, to: &mut SampleTokens) {
    to.labels.clone_from(&from.labels);
    to.name = from.name;
    to.name_escaped = from.name_escaped;
    to.has_quoted_name = from.has_quoted_name;
}

impl Derived {
    /// Copy the parts of the line this one is derived from, with the one label changed.
    fn copy_parts(&self, from: &SampleTokens, to: &mut SampleTokens) {
        copy_parts(from, to);
        let Some(([.., label], behind)) = to.labels.split_at_mut_checked(self.label + 1) else {
            return;
        };
        let old_end = label.value.end;
        let new_end = Span::new(0, self.value_end).end;
        label.value.end = new_end;
        let moved = |span: Span| Span {
            start: span.start - old_end + new_end,
            end: span.end - old_end + new_end,
        };
        for label in behind {
            label.name = moved(label.name);
            label.value = moved(label.value);
        }
        // A quoted metric name may stand behind labels.
        if to.name.start > old_end {
            to.name = moved(to.name);
        }
    }
}
