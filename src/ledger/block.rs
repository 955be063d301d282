//! Rows of a ledger, 128 to a block: the text of each as differences from an earlier one.
//!
//! The text of a row is what stands before the value on a sample's line, or a whole other line.
//! It is kept as: the first `prefix` bytes of the row `back` rows before, then literal bytes, then
//! the last `suffix` bytes of that earlier row. A row refers to one of the 16 rows before it *in
//! its block*, so a block can be read on its own; its first row is all literal. Blocks never change
//! once closed, so that a ledger shares with its successor all blocks a scrape found unchanged.
//!
//! On the lines of a histogram this takes about 20 bytes a row instead of 400.

use std::ops::Range;

use crate::ledger::compare::{SLACK_BYTES, common_prefix, common_suffix};
use crate::ledger::recent::{Derived, Recent};

/// Rows in a block at most.
pub(super) const BLOCK_ROWS: usize = 128;
/// How far back a row may refer.
pub(super) const BACK_MAX: usize = 16;
/// With this few literal bytes no better reference is looked for.
const GOOD_LITERAL_BYTES: usize = 16;
/// With this few the row before is not tried where another is known to be alike.
const FEW_LITERAL_BYTES: usize = 6;
/// How many searches may fail in a row before only each eighth row is searched for.
const CREDIT: u32 = 64;

/// Instead of a distance: the text of the line is not kept.
const UNKNOWN_LINE: u8 = u8::MAX;

/// What a row is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) enum RowKind {
    /// A sample: the text ends where the value starts.
    #[default]
    Sample,
    /// Any other line: the text is all of it.
    Meta,
    /// A sample whose text is not kept (it is too long, or holds a newline): never predicted.
    Opaque,
}

/// How the text of a row is put together.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Head {
    /// Bytes of text.
    pub(super) len: u16,
    /// Bytes it shares with the start of the row it refers to.
    pub(super) prefix: u16,
    /// Bytes it shares with the end of that row.
    pub(super) suffix: u16,
    /// How many rows before; 0: it refers to none.
    pub(super) back: u8,
    /// What the row is.
    pub(super) kind: RowKind,
}

impl Head {
    /// Whether the row is a line without any text.
    pub(super) fn is_blank_line(self) -> bool {
        self.kind == RowKind::Meta && self.len == 0 && self.back != UNKNOWN_LINE
    }

    /// Literal bytes of the row.
    #[inline]
    pub(super) fn n_literals(self) -> usize {
        usize::from(self.len) - usize::from(self.prefix) - usize::from(self.suffix)
    }
}

/// Up to [`BLOCK_ROWS`] rows that follow each other.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Block {
    /// One a row.
    pub(super) heads: Box<[Head]>,
    /// The literal bytes of all rows, one after the other, and [`SLACK_BYTES`] zeros.
    pub(super) literals: Box<[u8]>,
    /// For each sample, one slot an output.
    pub(super) slots: Box<[u32]>,
    /// For each other line, its number.
    pub(super) metas: Box<[u32]>,
    /// The samples that tell when something started, counted from the first of the block.
    pub(super) starts: Box<[Start]>,
}

/// A sample that tells when something started.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Start {
    /// Which sample of the block.
    pub(super) sample: u8,
    /// What started.
    pub(super) what: Started,
}

/// What a sample tells the start of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Started {
    /// The process: `process_start_time_seconds`.
    Process,
    /// One counter, histogram or summary: `…_created`.
    Series,
}

impl Started {
    /// What the sample of this text tells the start of.
    fn of(text: &[u8]) -> Option<Self> {
        let name_end = memchr::memchr2(b'{', b' ', text).unwrap_or(text.len());
        match &text[..name_end] {
            b"process_start_time_seconds" => Some(Self::Process),
            name if name.ends_with(b"_created") => Some(Self::Series),
            _ => None,
        }
    }
}

/// Instead of the number of an old sample: there was none.
pub(super) const NO_ORIGIN: u32 = u32::MAX;

impl Block {
    /// The text of the first row, which is all literal.
    pub(super) fn first_text(&self) -> &[u8] {
        let len = self.heads.first().map_or(0, |head| usize::from(head.len));
        self.literals.get(..len).unwrap_or_default()
    }

    /// How many of the first `row` rows are no samples.
    pub(super) fn n_metas_before(&self, row: usize) -> usize {
        self.heads[..row].iter().filter(|head| head.kind == RowKind::Meta).count()
    }

    /// How many rows are samples.
    pub(super) fn n_samples(&self) -> usize {
        self.heads.len() - self.metas.len()
    }
}

/// The rows of a block with their texts written out.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    text: Vec<u8>,
    /// Where the text of each row ends.
    ends: Vec<u32>,
}

impl Decoded {
    /// Write out all rows of a block.
    pub(super) fn load(&mut self, block: &Block) {
        self.text.clear();
        self.ends.clear();
        let mut literals = &block.literals[..];
        for (row, head) in block.heads.iter().enumerate() {
            let reference = row.checked_sub(usize::from(head.back)).map(|row| self.range(row));
            let (literal, rest) =
                literals.split_at_checked(head.n_literals()).unwrap_or((literals, &[]));
            literals = rest;
            match reference {
                Some(range) if head.back > 0 => {
                    debug_assert!(range.len() >= usize::from(head.prefix.max(head.suffix)));
                    let prefix_end = (range.start + usize::from(head.prefix)).min(range.end);
                    let suffix_start = range.end.saturating_sub(head.suffix.into());
                    self.text.extend_from_within(range.start..prefix_end);
                    self.text.extend_from_slice(literal);
                    self.text.extend_from_within(suffix_start..range.end);
                }
                _ => self.text.extend_from_slice(literal),
            }
            self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a row.
    #[inline]
    pub(super) fn text(&self, row: usize) -> &[u8] {
        &self.text[self.range(row)]
    }

    #[inline]
    fn range(&self, row: usize) -> Range<usize> {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(row).copied();
        start.unwrap_or(0) as usize..end.unwrap_or(0) as usize
    }
}

/// What the text of a line has in common with that of an earlier one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likeness {
    /// How many rows before.
    pub(super) back: usize,
    /// Bytes in common at the start.
    pub(super) prefix: usize,
    /// Bytes in common at the end, none of them among those at the start.
    pub(super) suffix: usize,
}

impl Likeness {
    /// Whether it is so.
    fn holds(self, text: &[u8], reference: &[u8]) -> bool {
        self.prefix + self.suffix <= text.len().min(reference.len())
            && text[..self.prefix] == reference[..self.prefix]
            && text[text.len() - self.suffix..] == reference[reference.len() - self.suffix..]
    }

    fn head(self, text: &[u8]) -> Head {
        let narrow = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Head {
            len: narrow(text.len()),
            prefix: narrow(self.prefix),
            suffix: narrow(self.suffix),
            back: u8::try_from(self.back).unwrap_or(0),
            kind: RowKind::Sample,
        }
    }
}

/// A block being built.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    heads: Vec<Head>,
    literals: Vec<u8>,
    slots: Vec<u32>,
    metas: Vec<u32>,
    starts: Vec<Start>,
    /// For each sample, the number it had in the body before.
    origins: Vec<u32>,
    /// The distance that served last; in a histogram, its number of lines.
    last_back: usize,
    /// How often a search through all 16 rows may still fail before it is hardly tried any more.
    credit: u32,
}

impl BlockBuilder {
    /// An empty block.
    pub(super) fn new() -> Self {
        Self { credit: CREDIT, ..Self::default() }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The distance at which a similar row was found last; 0: none was.
    pub(super) fn last_back(&self) -> usize {
        self.last_back
    }

    /// Whether another row would be one too many.
    pub(super) fn is_full(&self) -> bool {
        self.heads.len() >= BLOCK_ROWS
    }

    /// Start with the first rows of a closed block, whose samples were numbered from `origin` on.
    pub(super) fn resume(&mut self, block: &Block, n_rows: usize, n_outputs: usize, origin: usize) {
        debug_assert!(self.is_empty());
        let heads = &block.heads[..n_rows];
        let n_literals: usize = heads.iter().map(|head| head.n_literals()).sum();
        let n_metas = block.n_metas_before(n_rows);
        self.heads.extend_from_slice(heads);
        self.literals.extend_from_slice(&block.literals[..n_literals]);
        self.slots.extend_from_slice(&block.slots[..(n_rows - n_metas) * n_outputs]);
        self.metas.extend_from_slice(&block.metas[..n_metas]);
        let n_samples = n_rows - n_metas;
        let starts = block.starts.iter().filter(|start| usize::from(start.sample) < n_samples);
        self.starts.extend(starts);
        let number = |n| u32::try_from(n).unwrap_or(NO_ORIGIN);
        self.origins.extend((origin..origin + n_samples).map(number));
    }

    /// Add a sample, which may be known to be derived from one of the recent lines.
    ///
    /// Every row goes to `recent` too, with the text that is kept of it, since later rows are
    /// written as differences from there.
    pub(super) fn push_sample(
        &mut self,
        text: &[u8],
        slots: &[u32],
        derived: Option<&Derived>,
        recent: &mut Recent,
    ) {
        let is_kept = u16::try_from(text.len()).is_ok() && memchr::memchr(b'\n', text).is_none();
        if is_kept {
            let head = self.encode_derived(text, derived, recent);
            self.push(Head { kind: RowKind::Sample, ..head }, text, recent);
            if let (Some(what), Ok(sample)) = (Started::of(text), u8::try_from(self.origins.len()))
            {
                self.starts.push(Start { sample, what });
            }
            self.slots.extend_from_slice(slots);
            self.origins.push(NO_ORIGIN);
        } else {
            self.push_opaque(slots, recent);
        }
    }

    /// Add a sample whose text is not kept.
    pub(super) fn push_opaque(&mut self, slots: &[u32], recent: &mut Recent) {
        self.push(Head { kind: RowKind::Opaque, ..Head::default() }, &[], recent);
        self.slots.extend_from_slice(slots);
        self.origins.push(NO_ORIGIN);
    }

    /// Say which number the last sample had in the body before.
    pub(super) fn set_origin(&mut self, number: usize) {
        if let (Some(last), Ok(number)) = (self.origins.last_mut(), u32::try_from(number)) {
            *last = number;
        }
    }

    /// Add another line.
    pub(super) fn push_meta(&mut self, text: &[u8], number: u32, recent: &mut Recent) {
        if u16::try_from(text.len()).is_ok() {
            let head = self.encode(text, recent);
            self.push(Head { kind: RowKind::Meta, ..head }, text, recent);
        } else {
            // A line too long to be kept must not be taken for a blank one.
            let head = Head { kind: RowKind::Meta, back: UNKNOWN_LINE, ..Head::default() };
            self.push(head, &[], recent);
        }
        self.metas.push(number);
    }

    fn push(&mut self, head: Head, text: &[u8], recent: &mut Recent) {
        let literal = usize::from(head.prefix)..text.len() - usize::from(head.suffix);
        self.literals.extend_from_slice(&text[literal]);
        self.heads.push(head);
        recent.push_text(text);
    }

    /// Find a row to refer to where one is known to be alike.
    fn encode_derived(&mut self, text: &[u8], derived: Option<&Derived>, recent: &Recent) -> Head {
        let known = derived.and_then(|derived| {
            let original = *self.heads.get(self.len().checked_sub(derived.likeness.back)?)?;
            Some((derived, original))
        });
        let Some((derived, original)) = known else { return self.encode(text, recent) };
        let mut best = derived.likeness.head(text);
        if best.n_literals() > FEW_LITERAL_BYTES {
            match recent.likeness_to_previous(text, derived, original) {
                Some(likeness) => {
                    let head = likeness.head(text);
                    debug_assert!(likeness.holds(text, recent.text(1)));
                    if head.n_literals() < best.n_literals() {
                        best = head;
                    }
                }
                None => {
                    self.try_back(recent, text, 1, &mut best);
                }
            }
        }
        best
    }

    /// Find a row to refer to: the one before, the distance that served last, or the best of 16.
    fn encode(&mut self, text: &[u8], recent: &Recent) -> Head {
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        let mut best = Head { len, ..Head::default() };
        if text.is_empty() || !self.try_back(recent, text, 1, &mut best) {
            return best;
        }
        if best.n_literals() <= GOOD_LITERAL_BYTES {
            return best;
        }
        self.try_back(recent, text, self.last_back, &mut best);
        if best.n_literals() > GOOD_LITERAL_BYTES
            && (self.credit > 0 || self.len().is_multiple_of(8))
        {
            let before = best.n_literals();
            for back in 2..=BACK_MAX {
                self.try_back(recent, text, back, &mut best);
            }
            let is_better = best.n_literals() + GOOD_LITERAL_BYTES < before;
            self.credit = if is_better { CREDIT } else { self.credit.saturating_sub(1) };
        }
        if best.back > 1 {
            self.last_back = usize::from(best.back);
        }
        best
    }

    /// Take the row `back` rows before if it saves more; `false` if there is none.
    fn try_back(&self, recent: &Recent, text: &[u8], back: usize, best: &mut Head) -> bool {
        if back == 0 || back > self.len() {
            return false;
        }
        let reference = recent.text(back);
        let prefix = common_prefix(text, reference);
        let suffix = common_suffix(&text[prefix..], &reference[prefix..]);
        if text.len() - prefix - suffix < best.n_literals() {
            *best = Likeness { back, prefix, suffix }.head(text);
        }
        true
    }

    /// The finished block, and for each sample its number in the body before; the builder is empty
    /// again.
    pub(super) fn close(&mut self) -> (Block, Box<[u32]>) {
        self.literals.extend_from_slice(&[0; SLACK_BYTES]);
        let block = Block {
            heads: self.heads.as_slice().into(),
            literals: self.literals.as_slice().into(),
            slots: self.slots.as_slice().into(),
            metas: self.metas.as_slice().into(),
            starts: self.starts.as_slice().into(),
        };
        let origins = self.origins.as_slice().into();
        self.heads.clear();
        self.literals.clear();
        self.slots.clear();
        self.metas.clear();
        self.starts.clear();
        self.origins.clear();
        (block, origins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn build(texts: &[Vec<u8>]) -> Block {
        let mut builder = BlockBuilder::new();
        let mut recent = Recent::default();
        for (text, n) in texts.iter().zip(0..) {
            if n % 7 == 3 {
                builder.push_meta(text, n, &mut recent);
            } else {
                builder.push_sample(text, &[n, n + 1000], None, &mut recent);
            }
        }
        builder.close().0
    }

    #[test]
    fn neighbours_cost_little() {
        let texts: Vec<Vec<u8>> = (0..64)
            .map(|n| {
                let bucket = n % 12;
                format!("requests_bucket{{a=\"{}\",le=\"{bucket}\",z=\"long tail here\"}} ", n / 12)
            })
            .map(String::into_bytes)
            .collect();
        let block = build(&texts);
        assert!(block.literals.len() < 64 * 3 + 60, "{} literal bytes", block.literals.len());
    }

    proptest! {
        /// What was put in comes out, and a block can be taken up again anywhere.
        #[test]
        fn texts_survive(
            parts in proptest::collection::vec("[ab]{0,3}(xxxxxxxxxxxxxxxxxxxx){0,3}[abc]{0,2}", 1..128),
            cut in any::<prop::sample::Index>(),
        ) {
            let texts: Vec<Vec<u8>> = parts.into_iter().map(String::into_bytes).collect();
            let block = build(&texts);
            let mut decoded = Decoded::default();
            decoded.load(&block);
            prop_assert_eq!(decoded.len(), texts.len());
            for (row, text) in texts.iter().enumerate() {
                prop_assert_eq!(decoded.text(row), &text[..]);
            }
            prop_assert_eq!(block.first_text(), &texts[0][..]);

            let cut = cut.index(texts.len());
            let mut builder = BlockBuilder::default();
            builder.resume(&block, cut, 2, 0);
            let mut recent = Recent::default();
            for text in &texts[..cut] {
                recent.push_text(text);
            }
            builder.push_sample(b"new{} ", &[7, 8], None, &mut recent);
            let (resumed, origins) = builder.close();
            prop_assert_eq!(origins.len(), resumed.n_samples());
            decoded.load(&resumed);
            for (row, text) in texts[..cut].iter().enumerate() {
                prop_assert_eq!(decoded.text(row), &text[..]);
            }
            prop_assert_eq!(decoded.text(cut), b"new{} ");
            prop_assert_eq!(&resumed.slots[resumed.slots.len() - 2..], &[7, 8]);
            prop_assert_eq!(resumed.slots.len() / 2 + resumed.metas.len(), cut + 1);
        }
    }
}
