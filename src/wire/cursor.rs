//! Reading protobuf: a position in a message that knows where in the body it is.

use super::error::{WireError, WireErrorKind};
use crate::model::Span;

/// Wire type of varints.
pub(super) const VARINT: u8 = 0;
/// Wire type of doubles.
pub(super) const FIXED64: u8 = 1;
/// Wire type of strings, messages and packed numbers.
pub(super) const BYTES: u8 = 2;
const GROUP: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// Depth of groups that is skipped; no sender has written any for a decade.
const GROUPS_MAX: usize = 16;
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

type Result<T> = std::result::Result<T, WireError>;

/// The key in front of a field: its number and its wire type.
pub(super) const fn key(field: u64, wire_type: u8) -> u64 {
    field << 3 | wire_type as u64
}

/// The wire type of a key.
pub(super) const fn wire_type(key: u64) -> u8 {
    (key & 7) as u8
}

/// A position in a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// Where in the body the message ends.
    end: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a message that is a stretch of `body`.
    #[inline]
    pub(super) fn new(body: &'a [u8], span: Span) -> Self {
        let rest = span.of(body);
        Self { rest, end: span.start as usize + rest.len() }
    }

    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is still to be read.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Offset in the body.
    #[inline]
    pub(super) fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    #[cold]
    pub(super) fn error(&self, field: &'static str, kind: WireErrorKind) -> WireError {
        WireError { offset: self.offset(), field, kind }
    }

    /// Take so many bytes that have been looked at.
    #[inline]
    pub(super) fn pass(&mut self, n_bytes: usize) {
        self.rest = self.rest.get(n_bytes..).unwrap_or_default();
    }

    /// Read the key of the next field.
    #[inline]
    pub(super) fn key(&mut self, message: &'static str) -> Result<u64> {
        let at = *self;
        let found = self.varint(message)?;
        if (8..=key(FIELD_NUMBER_MAX, 7)).contains(&found) {
            return Ok(found);
        }
        Err(at.error(message, WireErrorKind::FieldNumber(found >> 3)))
    }

    /// Read a varint.
    #[inline]
    pub(super) fn varint(&mut self, field: &'static str) -> Result<u64> {
        if let [byte, rest @ ..] = self.rest
            && *byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint(field)
    }

    /// Read a varint of one or two bytes, if that is what comes. Takes nothing otherwise.
    #[inline]
    pub(super) fn small_varint(&mut self) -> Option<u32> {
        let (number, rest) = match self.rest {
            [low, rest @ ..] if *low < 0x80 => (u32::from(*low), rest),
            [low, high, rest @ ..] if *high < 0x80 => {
                (u32::from(*low & 0x7f) | u32::from(*high) << 7, rest)
            }
            _ => return None,
        };
        self.rest = rest;
        Some(number)
    }

    /// A varint of up to eight bytes, all at once: timestamps have six.
    #[inline]
    fn long_varint(&mut self, field: &'static str) -> Result<u64> {
        let Some(bytes) = self.rest.first_chunk::<8>() else { return self.any_varint(field) };
        let Some((value, n_bytes)) = varint_in(u64::from_le_bytes(*bytes)) else {
            return self.any_varint(field);
        };
        self.rest = self.rest.get(n_bytes..).unwrap_or_default();
        Ok(value)
    }

    #[cold]
    fn any_varint(&mut self, field: &'static str) -> Result<u64> {
        let mut value = 0_u64;
        for (at, &byte) in self.rest.iter().take(10).enumerate() {
            if at == 9 && byte > 1 {
                return Err(self.error(field, WireErrorKind::Varint));
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(self.error(field, WireErrorKind::Truncated))
    }

    /// Read eight bytes.
    #[inline]
    pub(super) fn fixed64(&mut self, field: &'static str) -> Result<u64> {
        let Some((bytes, rest)) = self.rest.split_first_chunk::<8>() else {
            return Err(self.error(field, WireErrorKind::Truncated));
        };
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Read a double, bit by bit as it stands there.
    #[inline]
    pub(super) fn double(&mut self, field: &'static str) -> Result<f64> {
        self.fixed64(field).map(f64::from_bits)
    }

    /// Read a length and the bytes it speaks of: a string, a message, packed numbers.
    #[inline]
    pub(super) fn bytes(&mut self, field: &'static str) -> Result<Cursor<'a>> {
        let at = *self;
        let length = self.varint(field)?;
        let found = usize::try_from(length).ok().and_then(|n| self.rest.split_at_checked(n));
        let Some((bytes, rest)) = found else {
            let left = self.rest.len();
            return Err(at.error(field, WireErrorKind::Length { length, left }));
        };
        self.rest = rest;
        Ok(Cursor { rest: bytes, end: self.end - rest.len() })
    }

    /// Take a field of less than 128 bytes, if the next one has this key of one byte. Takes nothing
    /// otherwise. Most fields are such, and need none of the care errors take.
    #[inline]
    pub(super) fn short_bytes(&mut self, key: u8) -> Option<Cursor<'a>> {
        let [found, length, rest @ ..] = self.rest else { return None };
        if *found != key || *length >= 0x80 {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(usize::from(*length))?;
        self.rest = rest;
        Some(Cursor { rest: bytes, end: self.end - rest.len() })
    }

    /// Where the rest of this message stands in the body.
    #[inline]
    pub(super) fn span(&self) -> Span {
        // Bodies are shorter than 4 GiB.
        #[expect(clippy::cast_possible_truncation, reason = "checked when the body was opened")]
        let (start, end) = (self.offset() as u32, self.end as u32);
        Span { start, end }
    }

    /// Deal with a field no arm of a match has taken: skip it, unless its number is one of `known`,
    /// which then has the wrong wire type.
    #[cold]
    pub(super) fn other(
        &mut self,
        key: u64,
        message: &'static str,
        known: &[(u64, u8)],
    ) -> Result<()> {
        if let Some((_, expected)) = known.iter().find(|(field, _)| *field == key >> 3) {
            let kind = WireErrorKind::WireType { found: wire_type(key), expected: *expected };
            return Err(self.error(message, kind));
        }
        self.skip(key, message)
    }

    /// Skip a field whose key has been read.
    pub(super) fn skip(&mut self, key: u64, message: &'static str) -> Result<()> {
        let mut open = Vec::new();
        let mut key = key;
        loop {
            match wire_type(key) {
                VARINT => {
                    self.varint(message)?;
                }
                FIXED64 => {
                    self.fixed64(message)?;
                }
                BYTES => {
                    self.bytes(message)?;
                }
                FIXED32 => {
                    let rest = self.rest.get(4..);
                    self.rest =
                        rest.ok_or_else(|| self.error(message, WireErrorKind::Truncated))?;
                }
                GROUP if open.len() < GROUPS_MAX => open.push(key >> 3),
                GROUP => return Err(self.error(message, WireErrorKind::Nesting(GROUPS_MAX))),
                GROUP_END if open.last() == Some(&(key >> 3)) => {
                    open.pop();
                }
                other => return Err(self.error(message, WireErrorKind::UnknownWireType(other))),
            }
            if open.is_empty() {
                return Ok(());
            }
            key = self.key(message)?;
        }
    }
}

/// The number a zigzag varint stands for.
#[inline]
#[expect(clippy::cast_possible_wrap, reason = "that is what zigzag is for")]
pub(super) fn zigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// The varint in the low bytes of a word, and how many it takes; nothing if it takes more than
/// eight.
#[inline]
pub(super) fn varint_in(word: u64) -> Option<(u64, usize)> {
    let stops = !word & 0x8080_8080_8080_8080;
    if stops == 0 {
        return None;
    }
    let n_bits = stops.trailing_zeros() + 1; // a multiple of eight
    let word = word & (u64::MAX >> (64 - n_bits));
    // Close the gaps of one bit, then of two, then of four.
    let word = (word & 0x7f00_7f00_7f00_7f00) >> 1 | word & 0x007f_007f_007f_007f;
    let word = (word & 0x3fff_0000_3fff_0000) >> 2 | word & 0x0000_3fff_0000_3fff;
    let word = (word & 0x0fff_ffff_0000_0000) >> 4 | word & 0x0000_0000_0fff_ffff;
    Some((word, n_bits as usize / 8))
}

/// The varint that all of these bytes, at most eight, are.
#[inline]
pub(super) fn short_varint(bytes: &[u8]) -> Option<u64> {
    let mut word = [0; 8];
    word.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let (value, n_bytes) = varint_in(u64::from_le_bytes(word))?;
    (n_bytes == bytes.len()).then_some(value)
}
