//! Rules, with their outcome remembered for each series.
//!
//! What rules make of a series depends on its labels alone, and the same series come again and
//! again. So a series is decided once, and known by a keyed fingerprint of its labels
//! ([`crate::model::fingerprint`]); what is remembered is not its new labels but how they follow
//! from the old ones: which stretches of labels are copied, and which labels are new. Most series
//! share that with others, so that a series costs some 25 bytes.
//!
//! Memory is bounded. Series are spread over shards; a shard that is full forgets all it knows,
//! which costs the decisions of its series once more and changes no result.

use std::hash::BuildHasher as _;
use std::mem::size_of;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;

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
const SHARDS: usize = 64;

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
    shards: Box<[Mutex<Shard>]>,
    series_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    series: HashTable<(Fingerprint, u32)>,
    outcomes: Vec<Outcome>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    n_bytes: usize,
}

impl Chain {
    /// Remember the outcomes of `rules` for about so many series, and so many bytes.
    pub fn new(rules: Rules, series_max: usize, bytes_max: usize) -> Self {
        let n_shards = if rules.is_empty() { 0 } else { SHARDS };
        Self {
            rules,
            shards: (0..n_shards).map(|_| Mutex::default()).collect(),
            series_max: series_max.div_ceil(SHARDS),
            bytes_max: bytes_max.div_ceil(SHARDS),
        }
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
        let shards = self.shards.iter();
        shards.map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).series.len()).sum()
    }

    /// Decide a series, by memory if it is remembered. `labels` are in order; `fingerprint` is
    /// theirs. `then` gets the outcome.
    pub(super) fn decide<R>(
        &self,
        fingerprint: Fingerprint,
        labels: &Labels<'_>,
        scratch: &mut DecideScratch,
        then: impl FnOnce(&Outcome) -> R,
    ) -> R {
        let hash = fingerprint.table_hash();
        let Some(shard) = self.shards.get((hash >> 32) as usize % SHARDS) else {
            return then(&Outcome::Unchanged);
        };
        // A panic while it was held left what was remembered whole: it is only added to.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shard.series.find(hash, |(other, _)| *other == fingerprint).map(|s| s.1);
        let number = found.unwrap_or_else(|| {
            let outcome = decide(&self.rules, labels, scratch);
            if shard.series.len() >= self.series_max || shard.n_bytes >= self.bytes_max {
                *shard = Shard::default();
            }
            shard.remember(fingerprint, outcome)
        });
        then(shard.outcomes.get(number as usize).unwrap_or(&Outcome::Unchanged))
    }
}

impl Shard {
    fn remember(&mut self, fingerprint: Fingerprint, outcome: Outcome) -> u32 {
        let Self { series, outcomes, index, hasher, n_bytes } = self;
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
        let entry = (fingerprint, number);
        series.insert_unique(fingerprint.table_hash(), entry, |(other, _)| other.table_hash());
        number
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
