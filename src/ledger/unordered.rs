//! Targets that write their lines in another order each time.
//!
//! Prediction is of no use there, and keeping the texts would cost as much as the body. Instead
//! each series is known by a keyed 128-bit fingerprint of its bytes, which leads to its slots.
//! Series a scrape did not see are forgotten at once, as their slots may be given to others.

use hashbrown::HashTable;

use crate::ledger::{NEW, is_dropped};
use crate::model::{Fingerprint, FingerprintKey};

/// Scrapes in a row that found most lines out of order, after which order is no longer expected.
const DISORDER: u32 = 2;
/// Scrapes without prediction before order is looked for again; and scrapes that look for it: one
/// to learn the order, one to see whether it holds.
const PATIENCE: u32 = 60;

/// Whether a target keeps its order.
#[derive(Debug, Default)]
pub(super) struct Order {
    n_disordered: u32,
    n_unordered: u32,
}

impl Order {
    /// Note a scrape: how many lines there were and were not predicted, and how many rows before.
    pub(super) fn note(&mut self, n_samples: usize, n_cold: usize, n_rows_before: usize) {
        if self.n_disordered >= DISORDER {
            self.n_unordered += 1;
            if self.n_unordered >= PATIENCE {
                *self = Self::default();
            }
        } else if 2 * n_cold > n_samples && 2 * n_rows_before > n_samples {
            self.n_disordered += 1;
        } else {
            self.n_disordered = 0;
        }
    }

    /// Whether the next body is to be read without prediction.
    pub(super) fn is_lost(&self) -> bool {
        self.n_disordered >= DISORDER
    }
}

/// A known series.
#[derive(Clone, Copy, Debug)]
struct Entry {
    fingerprint: Fingerprint,
    /// Which slots are its.
    row: u32,
    /// The scrape that saw it last.
    seen: u32,
}

/// All series of a target, by fingerprint.
#[derive(Debug, Default)]
pub(super) struct Known {
    entries: HashTable<Entry>,
    /// One slot an output, by row.
    slots: Vec<u32>,
    free: Vec<u32>,
    scrape: u32,
    n_seen: usize,
    has_new: bool,
    /// The row that was found or put in last.
    last_row: u32,
    /// By row: its fingerprint, and up to which value it has been counted, once it has been.
    counted: Vec<(Fingerprint, Option<f64>)>,
    /// What the last commit forgot: fingerprint, up to where it was counted, slots.
    forgotten: Vec<(Fingerprint, f64, Box<[u32]>)>,
}

impl Known {
    /// Start with the next body.
    pub(super) fn begin(&mut self) {
        self.scrape = self.scrape.wrapping_add(1);
        self.n_seen = 0;
    }

    /// The fingerprint of a series as its line spells it.
    pub(super) fn fingerprint(key: &FingerprintKey, text: &[u8]) -> Fingerprint {
        key.of(text)
    }

    /// The slots of a series, which is noted as seen.
    #[inline]
    pub(super) fn find(&mut self, fingerprint: Fingerprint, n_outputs: usize) -> Option<&[u32]> {
        let is_it = |entry: &Entry| entry.fingerprint == fingerprint;
        let entry = self.entries.find_mut(fingerprint.table_hash(), is_it)?;
        if entry.seen != self.scrape {
            entry.seen = self.scrape;
            self.n_seen += 1;
        }
        self.last_row = entry.row;
        let first = entry.row as usize * n_outputs;
        self.slots.get(first..first + n_outputs)
    }

    /// The row of the series that was found or put in last.
    pub(super) fn last_row(&self) -> u32 {
        self.last_row
    }

    /// Up to which value a row has been counted; `None`: it is new.
    pub(super) fn counted(&self, row: u32) -> Option<f64> {
        self.counted.get(row as usize)?.1
    }

    /// The fingerprint of a row.
    pub(super) fn fingerprint_of(&self, row: u32) -> Option<Fingerprint> {
        Some(self.counted.get(row as usize)?.0)
    }

    /// These rows have been counted up to these values.
    pub(super) fn settle(&mut self, rows: &[u32], values: &[f64]) {
        for (&row, &value) in rows.iter().zip(values) {
            if let Some((_, counted)) = self.counted.get_mut(row as usize) {
                *counted = Some(value);
            }
        }
    }

    /// What the last commit forgot.
    pub(super) fn forgotten(&self) -> &[(Fingerprint, f64, Box<[u32]>)] {
        &self.forgotten
    }

    /// All series that have been counted: fingerprint, up to where, slots.
    pub(super) fn all(&self, n_outputs: usize) -> impl Iterator<Item = (Fingerprint, f64, &[u32])> {
        self.entries.iter().filter_map(move |entry| {
            let first = entry.row as usize * n_outputs;
            let slots = self.slots.get(first..first + n_outputs)?;
            Some((entry.fingerprint, self.counted(entry.row)?, slots))
        })
    }

    /// Put in a series that is not there.
    pub(super) fn insert(&mut self, fingerprint: Fingerprint, slots: &[u32]) {
        let row = if let Some(row) = self.free.pop() {
            let first = row as usize * slots.len();
            self.slots[first..first + slots.len()].copy_from_slice(slots);
            row
        } else {
            let row = self.slots.len() / slots.len().max(1);
            self.slots.extend_from_slice(slots);
            u32::try_from(row).unwrap_or(u32::MAX)
        };
        let at = row as usize;
        if self.counted.len() <= at {
            self.counted.resize(at + 1, (fingerprint, None));
        }
        self.counted[at] = (fingerprint, None);
        self.last_row = row;
        self.has_new |= slots.iter().any(|&slot| slot & NEW != 0 && !is_dropped(slot));
        self.n_seen += 1;
        let entry = Entry { fingerprint, row, seen: self.scrape };
        let hash = |entry: &Entry| entry.fingerprint.table_hash();
        self.entries.insert_unique(fingerprint.table_hash(), entry, hash);
    }

    /// End the body: forget what it did not have, put in the slots of new series.
    pub(super) fn commit(&mut self, new_slots: &[Vec<u32>]) {
        self.forgotten.clear();
        if self.n_seen < self.entries.len() {
            let n_outputs = new_slots.len();
            let Self { entries, free, scrape, slots, counted, forgotten, .. } = self;
            entries.retain(|entry| {
                let is_seen = entry.seen == *scrape;
                if !is_seen {
                    free.push(entry.row);
                    let first = entry.row as usize * n_outputs;
                    let slots = slots.get(first..first + n_outputs).unwrap_or_default();
                    if let Some((fingerprint, Some(counted))) = counted.get(entry.row as usize) {
                        forgotten.push((*fingerprint, *counted, slots.into()));
                    }
                }
                is_seen
            });
        }
        if self.has_new {
            super::commit::replace_new_slots(&mut self.slots, new_slots);
            self.has_new = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_lost_after_two_scrapes_and_looked_for_again() {
        let mut order = Order::default();
        order.note(100, 100, 0);
        assert!(!order.is_lost(), "the first scrape is all new");
        order.note(100, 90, 100);
        order.note(100, 10, 100);
        order.note(100, 90, 100);
        assert!(!order.is_lost());
        order.note(100, 90, 100);
        assert!(order.is_lost());
        for _ in 0..PATIENCE {
            assert!(order.is_lost());
            order.note(100, 100, 100);
        }
        assert!(!order.is_lost());
    }

    #[test]
    fn series_not_seen_are_forgotten() {
        let key = FingerprintKey::new(|| 5);
        let mut known = Known::default();
        let [a, b] = [b"a ", b"b "].map(|text| Known::fingerprint(&key, text));
        known.begin();
        known.insert(a, &[NEW]);
        known.insert(b, &[7]);
        known.commit(&[vec![3]]);
        known.begin();
        assert_eq!(known.find(b, 1), Some(&[7][..]));
        known.commit(&[vec![]]);
        known.begin();
        assert_eq!(known.find(a, 1), None);
        known.insert(a, &[NEW]);
        known.commit(&[vec![9]]);
        known.begin();
        assert_eq!(known.find(a, 1), Some(&[9][..]));
    }
}
