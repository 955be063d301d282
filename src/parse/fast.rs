//! The common sample, quickly: names without quotes, values without escapes, one space before the
//! value.
//!
//! Whatever is not so is left to the grammar, which is also the only one to report errors. What is
//! taken here the grammar would take as well, with the same result.

use crate::model::Format;
use crate::model::Span;
use crate::model::number;
use crate::parse::block::{BLOCK_BYTES, Block};
use crate::parse::block::{metric_name_mask, name_masks, newline_mask, odd_mask, same_mask};
use crate::parse::grammar::Cursor;
use crate::parse::open_metrics;
use crate::parse::text;
use crate::parse::token::{LabelToken, SampleTokens};

/// Read the sample `input` starts with; gives the bytes it takes, newline included.
///
/// `None`: not a plain sample, or its end has not come. `whole`: the input ends where the entry
/// ends, so that the newline may be missing.
#[inline]
pub(super) fn sample(
    format: Format,
    input: &[u8],
    whole: bool,
    tokens: &mut SampleTokens,
) -> Option<usize> {
    let input = &input[..input.len().min(INPUT_BYTES_MAX)];
    let name_end = metric_name_end(input)?;
    tokens.labels.clear();
    tokens.n_kept = 0;
    let series_end = match input.get(name_end)? {
        b'{' => labels(input, name_end + 1, tokens)?,
        _ => name_end,
    };
    rest(format, input, whole, name_end, series_end, tokens)
}

/// Read the sample `input` starts with, as [`sample`] does, with the help of the line before.
///
/// `tokens` are those of `before`, which was a plain sample as well. Neighbours mostly have the
/// same labels but for the last ones; what is the same bytes is the same tokens.
#[inline]
pub(super) fn sample_after(
    format: Format,
    before: &[u8],
    input: &[u8],
    tokens: &mut SampleTokens,
) -> Option<usize> {
    let input = &input[..input.len().min(INPUT_BYTES_MAX)];
    let old_name_end = tokens.name.end as usize;
    let mut name_end = old_name_end;
    let mut n_same = n_same_bytes(before, input);
    if n_same <= name_end {
        name_end = metric_name_end(input)?;
        n_same = n_same_bytes(&before[old_name_end..], &input[name_end..]) + old_name_end;
    }
    let is_same = |label: &LabelToken| (label.value.end as usize) + 1 < n_same;
    let n_same_labels = tokens.labels.iter().rposition(is_same).map_or(0, |at| at + 1);
    if n_same_labels == 0 || n_same <= old_name_end {
        return sample(format, input, false, tokens);
    }
    tokens.labels.truncate(n_same_labels);
    tokens.n_kept = n_same_labels;
    if name_end != old_name_end {
        shift(&mut tokens.labels, name_end, old_name_end);
    }
    let value_end = tokens.labels[n_same_labels - 1].value.end as usize;
    let series_end = match input.get(value_end + 1)? {
        b',' => labels(input, value_end + 2, tokens)?,
        _ => value_end + 2,
    };
    rest(format, input, false, name_end, series_end, tokens)
}

/// What follows the series.
#[inline]
fn rest(
    format: Format,
    input: &[u8],
    whole: bool,
    name_end: usize,
    series_end: usize,
    tokens: &mut SampleTokens,
) -> Option<usize> {
    if input.get(series_end)? != &b' ' {
        return None;
    }
    tokens.name = span(0, name_end);
    tokens.name_escaped = false;
    tokens.has_quoted_name = false;
    tokens.value_start = series_end + 1;
    tokens.timestamp_ms = None;
    tokens.exemplar = None;
    let end = value(format, input, tokens)?;
    (input.get(end) == Some(&b'\n') || (whole && format == Format::Text)).then_some(end + 1)
}

/// Move tokens by as much as the name before them has grown.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "offsets of one line; wraps both ways")]
fn shift(labels: &mut [LabelToken], name_end: usize, old_name_end: usize) {
    let by = (name_end as u32).wrapping_sub(old_name_end as u32);
    let moved =
        |span: Span| Span { start: span.start.wrapping_add(by), end: span.end.wrapping_add(by) };
    for label in labels {
        label.name = moved(label.name);
        label.value = moved(label.value);
    }
}

/// How many bytes two texts have in common at their start.
#[inline]
fn n_same_bytes(a: &[u8], b: &[u8]) -> usize {
    let (blocks_a, rest_a) = a.as_chunks::<32>();
    let (blocks_b, rest_b) = b.as_chunks::<32>();
    let mut n_same = 0;
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        let same = same_mask(a, b);
        if same != u32::MAX {
            return n_same + same.trailing_ones() as usize;
        }
        n_same += 32;
    }
    let (rest_a, rest_b) = match blocks_a.len().cmp(&blocks_b.len()) {
        std::cmp::Ordering::Equal => (rest_a, rest_b),
        std::cmp::Ordering::Less => (rest_a, &b[n_same..]),
        std::cmp::Ordering::Greater => (&a[n_same..], rest_b),
    };
    n_same + rest_a.iter().zip(rest_b).take_while(|(a, b)| a == b).count()
}

/// Where the metric name ends that `input` starts with.
#[inline]
fn metric_name_end(input: &[u8]) -> Option<usize> {
    let first = *input.first()?;
    if first.is_ascii_digit() {
        return None;
    }
    let mut at = 0;
    while let Some(bytes) = chunk::<16>(input, at) {
        let n_name = metric_name_mask(*bytes).trailing_ones() as usize;
        at += n_name;
        if n_name < 16 {
            return (at > 0).then_some(at);
        }
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    at += input[at..].iter().position(|byte| !is_part(byte))?;
    (at > 0).then_some(at)
}

/// Tokenise the labels from `start` on, which is behind the brace; gives the offset behind the
/// closing brace.
#[inline]
fn labels(input: &[u8], start: usize, tokens: &mut SampleTokens) -> Option<usize> {
    let mut quotes = Quotes::new(input, start)?;
    let mut name_start = start;
    loop {
        let open = quotes.next()?;
        let close = quotes.next()?;
        if input[open - 1] != b'=' || !is_label_name(input, name_start, open - 1) {
            return None;
        }
        tokens.labels.push(LabelToken {
            name: span(name_start, open - 1),
            value: span(open + 1, close),
            name_escaped: false,
            value_escaped: false,
        });
        match input.get(close + 1)? {
            b',' => name_start = close + 2,
            b'}' => return quotes.are_plain_until(close, start).then_some(close + 2),
            _ => return None,
        }
    }
}

/// Inputs whose offsets fit a [`Span`].
const INPUT_BYTES_MAX: usize = u32::MAX as usize;

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "inputs are no longer than INPUT_BYTES_MAX")]
fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}

/// The double quotes in a stretch of text, one after the other.
struct Quotes<'a> {
    input: &'a [u8],
    bytes: &'a [u8; BLOCK_BYTES],
    /// Where `bytes` starts.
    block_start: usize,
    /// The quotes of this block that are not given out yet.
    rest: u64,
    any_odd: bool,
    any_high: bool,
}

impl<'a> Quotes<'a> {
    #[inline]
    fn new(input: &'a [u8], start: usize) -> Option<Self> {
        let (bytes, block_start) = block(input, start)?;
        let Block { quotes, any_odd, any_high } = Block::of(bytes);
        let rest = quotes & (u64::MAX << (start - block_start));
        Some(Self { input, bytes, block_start, rest, any_odd, any_high })
    }

    /// The next quote; `None` behind a control character or a backslash, or at the end.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.rest == 0 {
            if self.any_odd {
                return None;
            }
            let start = self.block_start + BLOCK_BYTES;
            let any_high = self.any_high;
            *self = Self::new(self.input, start)?;
            self.any_high |= any_high;
        }
        let at = self.rest.trailing_zeros() as usize;
        self.rest &= self.rest - 1;
        Some(self.block_start + at)
    }

    /// Whether there is nothing but text before `end`, in this block, and all of it from `start`
    /// on is UTF-8.
    #[inline]
    fn are_plain_until(&self, end: usize, start: usize) -> bool {
        let n_bytes = end - self.block_start;
        let odd = self.any_odd && odd_mask(self.bytes) << (BLOCK_BYTES - 1 - n_bytes) != 0;
        !odd && (!self.any_high || is_utf8(&self.input[start..end]))
    }
}

/// The 64 bytes from `at` on, or the last 64 of `input`, and where they start.
#[inline]
fn block(input: &[u8], at: usize) -> Option<(&[u8; BLOCK_BYTES], usize)> {
    if let Some(bytes) = chunk(input, at) {
        return Some((bytes, at));
    }
    let last = input.len().checked_sub(BLOCK_BYTES)?;
    (at < input.len()).then(|| Some((chunk(input, last)?, last)))?
}

#[inline]
fn chunk<const N: usize>(input: &[u8], at: usize) -> Option<&[u8; N]> {
    input.get(at..)?.first_chunk()
}

#[inline]
fn is_label_name(input: &[u8], start: usize, end: usize) -> bool {
    let Some(n_bytes @ 1..) = end.checked_sub(start) else {
        return false;
    };
    let Some(first) = chunk(input, start) else {
        // Close to the end of the input.
        return !input[start].is_ascii_digit() && is_name_rest(&input[start..end]);
    };
    let (names, digits) = name_masks(*first);
    let n_names = names.trailing_ones() as usize;
    let fine = digits & 1 == 0 && n_names >= n_bytes.min(16);
    fine && (n_bytes <= 16 || is_name_rest(&input[start + 16..end]))
}

/// The part of a name behind its first sixteen bytes.
fn is_name_rest(rest: &[u8]) -> bool {
    rest.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cold]
fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}

/// Read the value and what follows it; gives where the newline stands, or the input ends.
#[inline]
fn value(format: Format, input: &[u8], tokens: &mut SampleTokens) -> Option<usize> {
    let start = tokens.value_start;
    if let Some(bytes) = chunk::<16>(input, start) {
        let n_bytes = newline_mask(*bytes).trailing_zeros() as usize;
        if n_bytes <= 8
            && let Some(value) = digits(bytes, n_bytes)
        {
            tokens.value = value;
            return Some(start + n_bytes);
        }
        if n_bytes < 16
            && let Some(value) = number::parse_value(&bytes[..n_bytes])
        {
            tokens.value = value;
            return Some(start + n_bytes);
        }
    }
    let mut cursor = Cursor::new(format, input);
    cursor.at = start;
    match format {
        Format::Text => text::value_part(&mut cursor, tokens).ok()?,
        Format::OpenMetrics => open_metrics::value_part(&mut cursor, tokens).ok()?,
    }
    Some(cursor.at)
}

/// The number that the first `n_bytes`, of at most eight, say, if they are digits.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "eight digits are far below 2^53")]
fn digits(bytes: &[u8; 16], n_bytes: usize) -> Option<f64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const HIGH_HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    if n_bytes == 0 {
        return None;
    }
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    // Leading zeros take the place of the bytes that are missing.
    let n_bits = 64 - 8 * n_bytes;
    let word = if n_bits == 0 { word } else { word << n_bits | ZEROS >> (64 - n_bits) };
    let is_digits =
        word & HIGH_HALVES == ZEROS && (word + 0x0606_0606_0606_0606) & HIGH_HALVES == ZEROS;
    if !is_digits {
        return None;
    }
    // Neighbours are combined to pairs, pairs to fours, fours to the whole.
    let word = word - ZEROS;
    let pairs = (word * 10 + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let whole = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
    Some(whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_and_anything_else_is_not() {
        for text in
            ["0", "7", "10", "123", "0042", "99999", "123456", "1234567", "12345678", "00000000"]
        {
            let mut bytes = [b'\n'; 16];
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            assert_eq!(digits(&bytes, text.len()), text.parse().ok(), "{text}");
        }
        for text in ["", "-1", "1.5", "1e5", "12:4", "12/4", "abc", "1 2", "\u{ff11}"] {
            let mut bytes = [b'\n'; 16];
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            assert_eq!(digits(&bytes, text.len()), None, "{text}");
        }
    }
}
