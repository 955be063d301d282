//! Rules, with their outcome remembered for each series.
//!
//! What rules make of a series depends on its labels alone, and the same series come again and
//! again. So a series is decided once, and known by a keyed fingerprint of its labels
//! ([`crate::model::fingerprint`]); what is remembered is not its new labels but how they follow
//! from the old ones: which stretches of labels are copied, and which labels are new. Most series
//! share that with others, so that a series costs some 25 bytes.
//!
//! Series come in the order in which they came before, so the one that followed last time is
//! tried first: memory is then read in order, however many series there are.
//!
//! Memory is bounded. When it is full all of it is forgotten, which costs the decisions of all
//! series once more and changes no result.

use std::hash::BuildHasher as _;
use std::mem::size_of;
use std::ops::Range;
use std::sync::PoisonError;
use std::sync::RwLock;

use hashbrown::DefaultHashBuilder;
use hashbrown::HashTable;

use crate::model::Fingerprint;
use crate::model::LabelSet;
use crate::model::Span;
use crate::model::label::METRIC_NAME;
use crate::relabel::Rules;
use crate::relabel::Scratch;
use crate::relabel::Verdict;
use crate::wire::Labels;
use crate::wire::put_label_v1;

/// Default number of series a chain remembers.
pub const CACHED_SERIES_MAX: usize = 2_000_000;
/// Default number of bytes it remembers beside them.
pub const CACHED_BYTES_MAX: usize = 64 << 20;

/// What rules make of a series.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It goes on as it is.
    Unchanged,
    /// A rule dropped it.
    Dropped {
        /// Its index.
        rule: u32,
    },
    /// Rules took its name.
    Nameless,
    /// It goes on under new labels.
    Rewritten(Rewrite),
}

/// How new labels follow from old ones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rewrite {
    parts: Box<[Part]>,
    text: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    /// Labels of the old set, by their places.
    Copied { from: u16, to: u16 },
    /// A label that is not in the old set: as 1.0 writes it, its name and its value in there.
    New { label: Span, name: Span, value: Span },
}

impl Part {
    fn new(text: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Self {
        let start = text.len();
        put_label_v1(text, name, value);
        let end = text.len();
        let name_end = end - value.len() - head_bytes(value.len());
        Self::New {
            label: Span::new(start, end),
            name: Span::new(name_end - name.len(), name_end),
            value: Span::new(end - value.len(), end),
        }
    }
}

/// A piece of new labels.
#[derive(Clone, Debug)]
pub enum Piece<'r> {
    /// Old labels, by their places.
    Copied(Range<usize>),
    /// A new label.
    New {
        /// As 1.0 writes it.
        label: &'r [u8],
        /// Its name.
        name: &'r [u8],
        /// Its value.
        value: &'r [u8],
    },
}

impl Rewrite {
    /// The new labels in their order; each is in one piece.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> + Clone {
        self.parts.iter().map(|part| match *part {
            Part::Copied { from, to } => Piece::Copied(from.into()..to.into()),
            Part::New { label, name, value } => Piece::New {
                label: label.of(&self.text),
                name: name.of(&self.text),
                value: value.of(&self.text),
            },
        })
    }

    /// How `after` follows from `before`.
    fn between(before: &LabelSet, after: &LabelSet) -> Self {
        let (mut parts, mut text) = (Vec::new(), Vec::new());
        let mut old = before.iter().enumerate().peekable();
        for (name, value) in after.iter() {
            while old.peek().is_some_and(|(_, (other, _))| *other < name) {
                old.next();
            }
            let same = old.peek().filter(|(_, (n, v))| *n == name && *v == value);
            let Some(at) = same.and_then(|(at, _)| u16::try_from(*at).ok()) else {
                parts.push(Part::new(&mut text, name, value));
                continue;
            };
            match parts.last_mut() {
                Some(Part::Copied { to, .. }) if *to == at => *to = at.saturating_add(1),
                _ => parts.push(Part::Copied { from: at, to: at.saturating_add(1) }),
            }
        }
        Self { parts: parts.into(), text: text.into() }
    }

    fn n_bytes(&self) -> usize {
        self.parts.len() * size_of::<Part>() + self.text.len()
    }
}

/// Bytes in front of a text: its key and its length.
fn head_bytes(n_bytes: usize) -> usize {
    let n_bits = usize::BITS - (n_bytes | 1).leading_zeros();
    1 + (n_bits as usize).div_ceil(7)
}

/// What deciding needs of memory.
#[derive(Debug, Default)]
pub(super) struct DecideScratch {
    rules: Scratch,
    before: LabelSet,
    after: LabelSet,
}

/// Rules and what is remembered of their outcomes.
#[derive(Debug)]
pub struct Chain {
    rules: Rules,
    memory: RwLock<Memory>,
    series_max: usize,
    bytes_max: usize,
}

/// Which series is expected next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected(usize);

#[derive(Debug, Default)]
struct Memory {
    /// Series in the order in which they first came, each with the number of its outcome.
    series: Vec<(Fingerprint, u32)>,
    /// Their places.
    places: HashTable<u32>,
    outcomes: Vec<Outcome>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    n_bytes: usize,
}

impl Chain {
    /// Remember the outcomes of `rules` for so many series, and so many bytes of outcomes.
    pub fn new(rules: Rules, series_max: usize, bytes_max: usize) -> Self {
        Self { rules, memory: RwLock::default(), series_max, bytes_max }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether there are no rules: every series goes on as it is.
    pub fn is_identity(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many series are remembered.
    pub fn n_remembered(&self) -> usize {
        self.memory.read().unwrap_or_else(PoisonError::into_inner).series.len()
    }

    /// Decide a series, by memory if it is remembered. `labels` are in order; `fingerprint` is
    /// theirs. `then` gets the outcome.
    pub(super) fn decide<R>(
        &self,
        fingerprint: Fingerprint,
        labels: &Labels<'_>,
        expected: &mut Expected,
        scratch: &mut DecideScratch,
        then: impl FnOnce(&Outcome) -> R,
    ) -> R {
        if self.is_identity() {
            return then(&Outcome::Unchanged);
        }
        {
            // A panic while it was held left what was remembered whole: it is only added to.
            let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = memory.find(fingerprint, *expected) {
                *expected = Expected(place + 1);
                return then(memory.outcome(place));
            }
        }
        let outcome = decide(&self.rules, labels, scratch);
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        if memory.series.len() >= self.series_max || memory.n_bytes >= self.bytes_max {
            *memory = Memory::default();
        }
        // Another request may have brought it meanwhile.
        let place = memory.find(fingerprint, *expected);
        let place = place.unwrap_or_else(|| memory.remember(fingerprint, outcome));
        *expected = Expected(place + 1);
        then(memory.outcome(place))
    }
}

impl Memory {
    /// Where a series is.
    #[inline]
    fn find(&self, fingerprint: Fingerprint, Expected(place): Expected) -> Option<usize> {
        let is_it =
            |place: usize| self.series.get(place).is_some_and(|(other, _)| *other == fingerprint);
        if is_it(place) {
            return Some(place);
        }
        let found = self.places.find(fingerprint.table_hash(), |&place| is_it(place as usize));
        found.map(|&place| place as usize)
    }

    fn outcome(&self, place: usize) -> &Outcome {
        let number = self.series.get(place).map_or(0, |(_, number)| *number);
        self.outcomes.get(number as usize).unwrap_or(&Outcome::Unchanged)
    }

    /// Remember a series that is not there; gives its place.
    fn remember(&mut self, fingerprint: Fingerprint, outcome: Outcome) -> usize {
        let Self { series, places, outcomes, index, hasher, n_bytes } = self;
        let hash_of = |outcome: &Outcome| hasher.hash_one(HashedOutcome(outcome));
        let of = |number: u32| outcomes.get(number as usize);
        let hash = hash_of(&outcome);
        let known = index.find(hash, |&number| of(number) == Some(&outcome)).copied();
        let number = known.unwrap_or_else(|| {
            let number = u32::try_from(outcomes.len()).unwrap_or(u32::MAX);
            *n_bytes += size_of::<Outcome>() + 5;
            if let Outcome::Rewritten(rewrite) = &outcome {
                *n_bytes += rewrite.n_bytes();
            }
            outcomes.push(outcome);
            let of = |number: u32| outcomes.get(number as usize).unwrap_or(&Outcome::Unchanged);
            index.insert_unique(hash, number, |&number| hash_of(of(number)));
            number
        });
        let place = series.len();
        series.push((fingerprint, number));
        let hash_at = |&place: &u32| {
            series.get(place as usize).map_or(0, |(fingerprint, _)| fingerprint.table_hash())
        };
        let entry = u32::try_from(place).unwrap_or(u32::MAX);
        places.insert_unique(fingerprint.table_hash(), entry, hash_at);
        place
    }
}

/// An outcome, to be found among others.
struct HashedOutcome<'a>(&'a Outcome);

impl std::hash::Hash for HashedOutcome<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self.0 {
            Outcome::Unchanged => state.write_u8(0),
            Outcome::Nameless => state.write_u8(1),
            Outcome::Dropped { rule } => state.write_u32(*rule),
            Outcome::Rewritten(rewrite) => {
                for part in &rewrite.parts {
                    if let Part::Copied { from, to } = part {
                        state.write_u16(*from);
                        state.write_u16(*to);
                    }
                }
                state.write(&rewrite.text);
            }
        }
    }
}

/// What rules make of labels that are in order.
fn decide(rules: &Rules, labels: &Labels<'_>, scratch: &mut DecideScratch) -> Outcome {
    let DecideScratch { rules: of_rules, before, after } = scratch;
    labels.copy_to(before);
    after.copy_from(before);
    match rules.apply(after, of_rules) {
        Verdict::Drop { rule } => {
            Outcome::Dropped { rule: u32::try_from(rule).unwrap_or(u32::MAX) }
        }
        Verdict::Keep if after.get(METRIC_NAME).is_empty() => Outcome::Nameless,
        Verdict::Keep => {
            let rewrite = Rewrite::between(before, after);
            let is_same = match &*rewrite.parts {
                [Part::Copied { from: 0, to }] => usize::from(*to) == before.len(),
                _ => false,
            };
            if is_same { Outcome::Unchanged } else { Outcome::Rewritten(rewrite) }
        }
    }
}

#[cfg(test)]
mod tests;
