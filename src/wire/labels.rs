//! Labels of a series or an exemplar, wherever they are kept.

use std::slice;

use super::cursor::{BYTES, Cursor, VARINT, key};
use super::encode::bytes_size;
use super::encode_v1::labels_size;
use super::error::{WireError, WireErrorKind};
use crate::model::LabelSet;
use crate::model::Span;

const NAME: u64 = key(1, BYTES);
const VALUE: u64 = key(2, BYTES);

/// Labels in the order in which they stand there: names and values, decoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'a>(Repr<'a>);

#[derive(Clone, Copy, Debug)]
enum Repr<'a> {
    /// In a body of 1.0.
    Spans {
        body: &'a [u8],
        spans: &'a [LabelSpans],
    },
    /// In a body of 2.0.
    Refs {
        symbols: Symbols<'a>,
        refs: &'a [u32],
    },
    /// In a message of exemplars or series, which is valid.
    Message {
        message: Cursor<'a>,
        symbols: Option<Symbols<'a>>,
    },
    Pairs(&'a [(&'a [u8], &'a [u8])]),
    Set(&'a LabelSet),
}

impl Default for Repr<'_> {
    fn default() -> Self {
        Self::Pairs(&[])
    }
}

/// Where a label stands in a body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LabelSpans {
    pub(super) name: Span,
    pub(super) value: Span,
}

/// The symbols of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbols<'a> {
    pub(super) body: &'a [u8],
    pub(super) spans: &'a [Span],
    /// Different for each request that was opened.
    pub(super) request: u64,
    /// Whether one beside the first is empty.
    pub(super) has_empty: bool,
}

impl<'a> Symbols<'a> {
    /// The text of a reference that has been checked.
    #[inline]
    pub(super) fn text(&self, reference: u32) -> &'a [u8] {
        self.spans.get(reference as usize).copied().unwrap_or_default().of(self.body)
    }
}

impl<'a> Labels<'a> {
    /// Labels given as pairs of name and value.
    pub fn of_pairs(pairs: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self(Repr::Pairs(pairs))
    }

    /// The labels of a set, in its order.
    pub fn of_set(set: &'a LabelSet) -> Self {
        Self(Repr::Set(set))
    }

    pub(super) fn of_spans(body: &'a [u8], spans: &'a [LabelSpans]) -> Self {
        Self(Repr::Spans { body, spans })
    }

    pub(super) fn of_refs(symbols: Symbols<'a>, refs: &'a [u32]) -> Self {
        Self(Repr::Refs { symbols, refs })
    }

    /// Labels as 1.0 writes them, one behind the other ([`super::put_label_v1`]).
    pub fn of_spelled(spelled: &'a [u8]) -> Self {
        Self::of_message(Cursor::new(spelled, Span::new(0, spelled.len())), None)
    }

    /// The labels in the message of an exemplar: by reference if there are symbols.
    pub(super) fn of_message(message: Cursor<'a>, symbols: Option<Symbols<'a>>) -> Self {
        Self(Repr::Message { message, symbols })
    }

    /// Name and value of each label.
    #[inline]
    pub fn iter(&self) -> LabelsIter<'a> {
        LabelsIter(match self.0 {
            Repr::Spans { body, spans } => Iter::Spans { body, spans: spans.iter() },
            Repr::Refs { symbols, refs } => Iter::Refs { symbols, pairs: refs.chunks_exact(2) },
            Repr::Message { message, symbols: None } => Iter::Messages(message),
            Repr::Message { message, symbols: Some(symbols) } => {
                Iter::RefsOf { symbols, refs: Refs::new(message) }
            }
            Repr::Pairs(pairs) => Iter::Pairs(pairs.iter()),
            Repr::Set(set) => Iter::Set { set, at: 0 },
        })
    }

    /// How many labels there are. For labels of exemplars they are counted.
    pub fn len(&self) -> usize {
        match self.0 {
            Repr::Spans { spans, .. } => spans.len(),
            Repr::Refs { refs, .. } => refs.len() / 2,
            Repr::Message { .. } => self.iter().count(),
            Repr::Pairs(pairs) => pairs.len(),
            Repr::Set(set) => set.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The value of the first label of this name; empty if there is none.
    pub fn get(&self, name: &[u8]) -> &'a [u8] {
        self.iter().find(|(other, _)| *other == name).map_or(&[], |(_, value)| value)
    }

    /// Make `set` these labels, sorted. Labels without a value are left out; names that occur
    /// twice stay and are for the caller to find ([`LabelSet::duplicate`]).
    pub fn copy_to(&self, set: &mut LabelSet) {
        set.clear();
        for (name, value) in self {
            set.push(name, value);
        }
        set.sort();
    }

    /// How many bytes labels in a body of 1.0 take at the beginning of `message`; `None` unless
    /// that is where they stand, one behind the other, each in the fewest bytes.
    pub(super) fn canonical_bytes(&self, message: &[u8]) -> Option<usize> {
        if let Repr::Message { message: spelled, symbols: None } = self.0 {
            let spelled = spelled.rest();
            let is_first = std::ptr::eq(spelled.as_ptr(), message.as_ptr());
            return Some(spelled.len()).filter(|n| is_first && labels_size(*self) == *n);
        }
        let Repr::Spans { body, spans } = self.0 else { return None };
        let Some(last) = spans.last() else { return Some(0) };
        let mut n_bytes = 0;
        let mut is_in_order = true;
        for LabelSpans { name, value } in spans {
            n_bytes += bytes_size(bytes_size(name.len()) + bytes_size(value.len()));
            is_in_order &= name.end < value.start;
        }
        // No field can be shorter, and nothing is left for anything else.
        let start = (last.value.end as usize).checked_sub(n_bytes)?;
        let is_first = std::ptr::eq(body.get(start..)?.as_ptr(), message.as_ptr());
        (is_in_order && is_first).then_some(n_bytes)
    }

    /// References and symbols of labels that stand in a body of 2.0.
    pub(super) fn refs(&self) -> Option<(Symbols<'a>, &'a [u32])> {
        match self.0 {
            Repr::Refs { symbols, refs } => Some((symbols, refs)),
            _ => None,
        }
    }
}

impl<'a> IntoIterator for &Labels<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = LabelsIter<'a>;

    fn into_iter(self) -> LabelsIter<'a> {
        self.iter()
    }
}

/// Names and values: what [`Labels::iter`] gives.
#[derive(Clone, Debug)]
pub struct LabelsIter<'a>(Iter<'a>);

#[derive(Clone, Debug)]
enum Iter<'a> {
    Spans { body: &'a [u8], spans: slice::Iter<'a, LabelSpans> },
    Refs { symbols: Symbols<'a>, pairs: slice::ChunksExact<'a, u32> },
    Messages(Cursor<'a>),
    RefsOf { symbols: Symbols<'a>, refs: Refs<'a> },
    Pairs(slice::Iter<'a, (&'a [u8], &'a [u8])>),
    Set { set: &'a LabelSet, at: usize },
}

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Iter::Spans { body, spans } => {
                spans.next().map(|label| (label.name.of(body), label.value.of(body)))
            }
            Iter::Refs { symbols, pairs } => match pairs.next()? {
                [name, value] => Some((symbols.text(*name), symbols.text(*value))),
                _ => None,
            },
            Iter::Messages(message) => next_label(message),
            Iter::RefsOf { symbols, refs } => {
                let (name, value) = (refs.next()?, refs.next()?);
                Some((symbols.text(name), symbols.text(value)))
            }
            Iter::Pairs(pairs) => pairs.next().copied(),
            Iter::Set { set, at } => {
                *at += 1;
                set.at(*at - 1)
            }
        }
    }
}

/// The next label among the fields of a message of 1.0, which is valid.
fn next_label<'a>(message: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
    while !message.is_at_end() {
        let found = message.key("").ok()?;
        if found == key(1, BYTES) {
            let label = message.bytes("").ok()?;
            let texts = read_label(label, "").ok()?;
            return Some((texts.0.rest(), texts.1.rest()));
        }
        message.skip(found, "").ok()?;
    }
    None
}

/// Read a message `Label`: where its name and its value are.
#[inline]
pub(super) fn read_label<'a>(
    message: Cursor<'a>,
    field: &'static str,
) -> Result<(Cursor<'a>, Cursor<'a>), WireError> {
    match canonical_label(message) {
        Some(found) => Ok(found),
        None => any_label(message, field),
    }
}

/// A label as every sender writes it: the name, then the value, nothing else, both short.
#[inline]
pub(super) fn canonical_label(message: Cursor<'_>) -> Option<(Cursor<'_>, Cursor<'_>)> {
    let mut message = message;
    let name = message.short_bytes(0x0a)?;
    let value = message.short_bytes(0x12)?;
    message.is_at_end().then_some((name, value))
}

#[cold]
fn any_label<'a>(
    message: Cursor<'a>,
    field: &'static str,
) -> Result<(Cursor<'a>, Cursor<'a>), WireError> {
    let mut message = message;
    let (mut name, mut value) = (Cursor::default(), Cursor::default());
    while !message.is_at_end() {
        match message.key(field)? {
            NAME => name = message.bytes(field)?,
            VALUE => value = message.bytes(field)?,
            other => message.other(other, field, &[(1, BYTES), (2, BYTES)])?,
        }
    }
    Ok((name, value))
}

/// The references in field 1 of a message, packed or not. Ends at what is not valid.
#[derive(Clone, Debug)]
pub(super) struct Refs<'a> {
    message: Cursor<'a>,
    packed: Cursor<'a>,
}

impl<'a> Refs<'a> {
    pub(super) fn new(message: Cursor<'a>) -> Self {
        Self { message, packed: Cursor::default() }
    }
}

impl Iterator for Refs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            if !self.packed.is_at_end() {
                return self.packed.varint("").ok().map(reference);
            }
            if self.message.is_at_end() {
                return None;
            }
            match self.message.key("").ok()? {
                REFS => self.packed = self.message.bytes("").ok()?,
                REF => return self.message.varint("").ok().map(reference),
                other => self.message.skip(other, "").ok()?,
            }
        }
    }
}

/// Key of packed references.
pub(super) const REFS: u64 = key(1, BYTES);
/// Key of one reference.
pub(super) const REF: u64 = key(1, VARINT);

/// A number as a reference; what does not fit leads nowhere, as no table has so many symbols.
#[inline]
pub(super) fn reference(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Read packed references.
#[inline]
pub(super) fn read_refs(
    packed: Cursor<'_>,
    field: &'static str,
    refs: &mut Vec<u32>,
    max: usize,
) -> Result<(), WireError> {
    let mut packed = packed;
    while !packed.is_at_end() {
        let number = match packed.small_varint() {
            Some(number) => number,
            None => reference(packed.varint(field)?),
        };
        if refs.len() >= max {
            return Err(packed.error(field, WireErrorKind::TooMany { what: "references", max }));
        }
        refs.push(number);
    }
    Ok(())
}
