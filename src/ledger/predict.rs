//! Known lines: the bytes are those of the predicted row, so only the value is read.
//!
//! Correct by induction: the lines before, in this block and this body, have been found equal to
//! their rows, so what a row shares with an earlier row may be compared with that earlier line.
//! Every byte of the line is compared with something proved; no hash is trusted.

use crate::ledger::block::{BACK_MAX, Block, RowKind};
use crate::ledger::compare::same_start;
use crate::ledger::staged::Staged;
use crate::model::{Format, number};
use crate::parse::parse_value_part;

/// Where in a block the walk is, and where in the buffer its last 16 lines start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prediction {
    /// The next row.
    pub(super) row: usize,
    /// The next literal byte.
    literal: usize,
    starts: [usize; BACK_MAX],
}

/// Why the walk through a block stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// All rows of the block have been matched.
    BlockEnd,
    /// The next line is not the predicted one, or needs a closer look.
    Mismatch,
    /// The next row is a line other than a sample.
    Meta,
    /// The line is not complete.
    NeedMore,
}

/// A sample's value with what else stands on its line, and where the next line starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValuePart {
    pub(super) value: f64,
    pub(super) timestamp_ms: Option<i64>,
    /// Where the exemplar is, from the start of the value on.
    pub(super) exemplar: Option<(usize, usize)>,
    pub(super) end: usize,
}

impl Prediction {
    /// Offset of the earliest line that a later row may refer to.
    pub(super) fn keep_from(&self, at: usize) -> usize {
        let n_lines = self.row.min(BACK_MAX);
        (self.row - n_lines..self.row).map(|row| self.starts[row % BACK_MAX]).min().unwrap_or(at)
    }

    /// The buffer has lost its first `n_bytes` bytes.
    pub(super) fn shift(&mut self, n_bytes: usize) {
        for start in &mut self.starts {
            *start = start.saturating_sub(n_bytes);
        }
    }

    /// The row at hand has been matched by the line at `at`.
    pub(super) fn advance(&mut self, block: &Block, at: usize) {
        self.starts[self.row % BACK_MAX] = at;
        self.literal += block.heads[self.row].n_literals();
        self.row += 1;
    }

    /// Whether the line at `at` starts with the text of the next row, and how long that is.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the inner loop of a scrape")]
    pub(super) fn matches(&self, block: &Block, buffer: &[u8], at: usize) -> Option<usize> {
        let head = *block.heads.get(self.row)?;
        let (len, prefix) = (usize::from(head.len), usize::from(head.prefix));
        let suffix = usize::from(head.suffix);
        let line = buffer.get(at..)?;
        // Each of the three is compared with all that stands behind it in sight.
        if line.len() < len {
            return None;
        }
        if head.back > 0 {
            let row = self.row.wrapping_sub(usize::from(head.back));
            let start = *self.starts.get(row % BACK_MAX)?;
            let reference_len = usize::from(block.heads.get(row)?.len);
            let reference = buffer.get(start..)?;
            let reference_suffix = reference.get(reference_len.checked_sub(suffix)?..)?;
            if !same_start(line, reference, prefix)
                || !same_start(&line[len - suffix..], reference_suffix, suffix)
            {
                return None;
            }
        }
        let literals = block.literals.get(self.literal..)?;
        same_start(&line[prefix..], literals, len - prefix - suffix).then_some(len)
    }

    /// Walk on through `block` from the line at `at`; values go to `read`.
    ///
    /// Gives where the walk stopped, and why.
    pub(super) fn walk(
        &mut self,
        format: Format,
        line_bytes_max: usize,
        block: &Block,
        buffer: &[u8],
        mut at: usize,
        read: &mut Staged,
    ) -> (usize, Stop) {
        let mut here = *self;
        let stop = loop {
            let Some(head) = block.heads.get(here.row) else { break Stop::BlockEnd };
            match head.kind {
                RowKind::Sample => {}
                RowKind::Meta => break Stop::Meta,
                RowKind::Opaque => break Stop::Mismatch,
            }
            let Some(len) = here.matches(block, buffer, at) else {
                let is_short = buffer.len() - at <= usize::from(head.len);
                break if is_short { Stop::NeedMore } else { Stop::Mismatch };
            };
            let end = if let Some((value, end)) = short_integer(buffer, at + len) {
                read.values.push(value);
                end
            } else {
                let part = match any_value(format, buffer, at + len) {
                    Ok(part) if part.end - at <= line_bytes_max => part,
                    Ok(_) => break Stop::Mismatch,
                    Err(stop) => break stop,
                };
                read.push(&part, buffer, at + len);
                part.end
            };
            here.starts[here.row % BACK_MAX] = at;
            here.literal += head.n_literals();
            here.row += 1;
            at = end;
        };
        *self = here;
        (at, stop)
    }
}

/// The value at `at`, and what else stands on the line. `Err`: why it was not taken.
#[inline]
pub(super) fn sample_value(format: Format, buffer: &[u8], at: usize) -> Result<ValuePart, Stop> {
    match short_integer(buffer, at) {
        Some((value, end)) => Ok(ValuePart { value, timestamp_ms: None, exemplar: None, end }),
        None => any_value(format, buffer, at),
    }
}

/// Any value, with a timestamp and an exemplar if there are.
#[inline(never)]
fn any_value(format: Format, buffer: &[u8], at: usize) -> Result<ValuePart, Stop> {
    let rest = buffer.get(at..).unwrap_or_default();
    let Some(n_bytes) = memchr::memchr(b'\n', rest) else { return Err(Stop::NeedMore) };
    let end = at + n_bytes + 1;
    if let Some(value) = number::parse_value(&rest[..n_bytes]) {
        return Ok(ValuePart { value, timestamp_ms: None, exemplar: None, end });
    }
    let Ok((value, timestamp_ms, exemplar)) = parse_value_part(format, &rest[..=n_bytes]) else {
        return Err(Stop::Mismatch);
    };
    let exemplar = exemplar.map(|span| (span.start as usize, span.end as usize));
    Ok(ValuePart { value, timestamp_ms, exemplar, end })
}

/// The value `digits newline` of up to seven digits at `at`, and where the next line starts.
///
/// Most values are such. All digits are checked and combined at once, eight bytes in a word
/// (D. Lemire, "Quickly parsing eight digits", 2018).
#[inline]
fn short_integer(buffer: &[u8], at: usize) -> Option<(f64, usize)> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let word = u64::from_le_bytes(*buffer.get(at..)?.first_chunk::<8>()?);
    // The lowest high bit set is that of the first newline.
    let newlines = word ^ (ONES * u64::from(b'\n'));
    let newlines = newlines.wrapping_sub(ONES) & !newlines & HIGHS;
    let n_digits = newlines.trailing_zeros() / 8;
    if n_digits == 0 || n_digits == 8 {
        return None;
    }
    // Digits to the top, zeros below.
    let digits = (word << (64 - 8 * n_digits)) | (ZEROS >> (8 * n_digits));
    let nibbles = digits ^ ZEROS;
    if (nibbles | nibbles.wrapping_add(ONES * 6)) & (ONES * 0xf0) != 0 {
        return None;
    }
    let pairs = nibbles.wrapping_mul(10).wrapping_add(nibbles >> 8);
    let high = (pairs & PAIRS).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & PAIRS).wrapping_mul(0x0000_2710_0000_0001);
    let number = (high.wrapping_add(low) >> 32) as u32;
    Some((f64::from(number), at + n_digits as usize + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_integers_are_read_and_nothing_else() {
        for n in [0_u32, 1, 9, 10, 99, 12_345, 999_999, 1_000_000, 9_999_999] {
            let text = format!("{n}\nfoo{{}} 1\n");
            let end = n.to_string().len() + 1;
            assert_eq!(short_integer(text.as_bytes(), 0), Some((f64::from(n), end)));
        }
        for text in [
            "\n1234567",
            "12345678\n",
            "1.5\n    ",
            "-1\n     ",
            "1 2\n    ",
            "1e3\n    ",
            "1:\n     ",
            "1/\n     ",
            "12\n",
            "1\u{ff}\n     ",
        ] {
            assert_eq!(short_integer(text.as_bytes(), 0), None, "{text:?}");
        }
    }

    proptest! {
        /// The fast way agrees with the parser on any eight bytes.
        #[test]
        fn short_integers_agree_with_the_parser(bytes in "[0-9.:/ e\n+-]{8}") {
            if let Some((value, end)) = short_integer(bytes.as_bytes(), 0) {
                let text = bytes.split('\n').next().unwrap();
                prop_assert_eq!(number::parse_value(text.as_bytes()), Some(value));
                prop_assert_eq!(end, text.len() + 1);
            }
        }
    }
}
