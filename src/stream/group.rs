//! Groups: the series that come out.

use std::hash::BuildHasher as _;

use hashbrown::DefaultHashBuilder;
use hashbrown::HashTable;

use super::rule::Grouping;
use crate::model::label::METRIC_NAME;
use crate::wire::Labels;
use crate::wire::put_label_v1;

/// One group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    /// Its labels with the name of the metric, as remote write 1.0 spells them.
    pub(super) labels: Box<[u8]>,
    /// Input series there are now.
    pub(super) n_inputs: u32,
    /// What counters grew by since it began.
    pub(super) total: f64,
    /// Samples in each bucket since it began.
    pub(super) buckets: Vec<u64>,
    /// Whether something was told of it, which has to be ended then.
    pub(super) is_told: bool,
}

/// All groups of a rule, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    pub(super) all: Vec<Group>,
    /// Numbers that are not in use.
    pub(super) free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    buffer: Vec<u8>,
}

impl Groups {
    /// The group that series with these labels, which are sorted, belong to.
    pub(super) fn of(&mut self, labels: &Labels<'_>, grouping: &Grouping) -> u32 {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        for (name, value) in labels {
            if name == METRIC_NAME || grouping.keeps(name) {
                put_label_v1(&mut buffer, name, value);
            }
        }
        let hash = self.hasher.hash_one(&buffer[..]);
        let is_this = |number: &u32| {
            self.all.get(*number as usize).is_some_and(|group| *group.labels == buffer[..])
        };
        let number = match self.index.find(hash, is_this) {
            Some(number) => *number,
            None => self.add(Group { labels: buffer[..].into(), ..Group::default() }),
        };
        self.buffer = buffer;
        number
    }

    /// Add a group that is not there.
    pub(super) fn add(&mut self, group: Group) -> u32 {
        let hash = self.hasher.hash_one(&*group.labels);
        let number = if let Some(number) = self.free.pop() {
            if let Some(place) = self.all.get_mut(number as usize) {
                *place = group;
            }
            number
        } else {
            self.all.push(group);
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        };
        self.enter(hash, number);
        number
    }

    fn enter(&mut self, hash: u64, number: u32) {
        let Self { all, index, hasher, .. } = self;
        index.insert_unique(hash, number, |number| {
            hasher.hash_one(all.get(*number as usize).map_or(&[][..], |group| &group.labels))
        });
    }

    /// Forget a group.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(group) = self.all.get_mut(number as usize) else { return };
        let group = std::mem::take(group);
        let hash = self.hasher.hash_one(&*group.labels);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
            entry.remove();
            self.free.push(number);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Numbers of those there are.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<_> = self.index.iter().copied().collect();
        numbers.sort_unstable();
        numbers
    }
}
