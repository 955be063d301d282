//! New lines that differ from a recent one in the value of one label, as most do.
//!
//! Such a line need not be parsed: its labels are those of the recent line but for the one value.
//! And where no rule looks at that value and every output deletes it, it feeds the same slots.

use crate::ledger::block::{BACK_MAX, Likeness};
use crate::ledger::compare::{common_prefix, same};
use crate::model::Span;
use crate::parse::SampleTokens;

/// A line that has been decided.
#[derive(Debug, Default)]
struct Line {
    /// What stands before its value; empty: there is nothing to compare with.
    text: Vec<u8>,
    tokens: SampleTokens,
    slots: Vec<u32>,
}

/// The last lines, as many as a row may refer back.
#[derive(Debug, Default)]
pub(super) struct Recent {
    lines: [Line; BACK_MAX],
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
    /// Add a line.
    pub(super) fn push(&mut self, text: &[u8], tokens: &SampleTokens, slots: &[u32]) {
        let line = &mut self.lines[self.n_lines % BACK_MAX];
        line.text.clear();
        line.text.extend_from_slice(text);
        line.tokens.labels.clone_from(&tokens.labels);
        line.tokens.name = tokens.name;
        line.tokens.name_escaped = tokens.name_escaped;
        line.tokens.has_quoted_name = tokens.has_quoted_name;
        line.slots.clear();
        line.slots.extend_from_slice(slots);
        self.n_lines += 1;
    }

    /// Add a line nothing is to be derived from.
    pub(super) fn skip(&mut self) {
        self.lines[self.n_lines % BACK_MAX].text.clear();
        self.n_lines += 1;
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
        if back == 0 || back > BACK_MAX || back > self.n_lines {
            return None;
        }
        let line = self.line(back);
        if line.text.is_empty() {
            return None;
        }
        let prefix = common_prefix(input, &line.text);
        let is_in = |value: Span| value.start as usize <= prefix && prefix <= value.end as usize;
        let at = line.tokens.labels.iter().position(|label| is_in(label.value))?;
        let label = line.tokens.labels[at];
        if label.value_escaped || label.value.is_empty() {
            return None;
        }
        // Up to the closing quote nothing may need a closer look.
        let is_special = |b: &u8| matches!(b, b'"' | b'\\' | 0..=0x1f);
        let value_end = prefix + input.get(prefix..)?.iter().position(is_special)?;
        let value = input.get(label.value.start as usize..value_end)?;
        let rest = line.text.get(label.value.end as usize..)?;
        let len = value_end + rest.len();
        let is_valid = !value.is_empty() && std::str::from_utf8(value).is_ok();
        (is_valid && same(input.get(value_end..len)?, rest)).then(|| Derived {
            likeness: Likeness { back, prefix, suffix: rest.len() },
            label: at,
            value_end,
            len,
        })
    }

    /// Write the parts of a derived line to `tokens`, all but what comes from its value on.
    pub(super) fn write_tokens(&self, derived: &Derived, tokens: &mut SampleTokens) {
        let line = self.line(derived.likeness.back);
        tokens.labels.clone_from(&line.tokens.labels);
        tokens.name = line.tokens.name;
        tokens.name_escaped = line.tokens.name_escaped;
        tokens.has_quoted_name = line.tokens.has_quoted_name;
        tokens.value_start = derived.len;
        let (_, from) = tokens.labels.split_at_mut(derived.label);
        let [label, behind @ ..] = from else { return };
        let old_end = label.value.end as usize;
        label.value = Span::new(label.value.start as usize, derived.value_end);
        let moved = |at: u32| at as usize - old_end + derived.value_end;
        for label in behind {
            label.name = Span::new(moved(label.name.start), moved(label.name.end));
            label.value = Span::new(moved(label.value.start), moved(label.value.end));
        }
        // A quoted metric name may stand behind labels.
        if tokens.name.start as usize > old_end {
            tokens.name = Span::new(moved(tokens.name.start), moved(tokens.name.end));
        }
    }

    fn line(&self, back: usize) -> &Line {
        &self.lines[(self.n_lines - back) % BACK_MAX]
    }
}
