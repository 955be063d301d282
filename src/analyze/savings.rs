//! How many series would remain without a label.
//!
//! Each sample is kept as the numbers of its values. A series is then the sum, mod 2^128, of keyed
//! hashes of its labels, and the series without a label is that sum less the label's hash: so
//! nothing is hashed twice, and the order of labels does not matter. Whoever does not know the key
//! cannot make two series of one sum.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hasher as _;

use hashbrown::HashTable;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::analyze::tally::{Cell, Column, Label, Metric, Tally};

/// The secret key of one analysis.
#[derive(Clone, Copy)]
pub(super) struct HashKey(pub(super) [u64; 2]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

impl HashKey {
    /// The hash of a tuple of texts.
    pub(super) fn hash<'a>(self, texts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.0[0], self.0[1]);
        for text in texts {
            hasher.write_u64(text.len() as u64);
            hasher.write(text);
        }
        hasher.finish128().as_u128()
    }
}

/// The samples of a metric, as numbers of values.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The values of all samples, one sample behind the other.
    values: Vec<u32>,
    /// Which labels the next `n` samples have.
    runs: Vec<Run>,
    layouts: Vec<Box<[u32]>>,
    by_labels: HashMap<Box<[u32]>, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    layout: usize,
    n_rows: usize,
    /// The first of them.
    row: usize,
    /// Where in `values` it starts.
    value: usize,
}

impl Rows {
    #[inline]
    pub(super) fn push(&mut self, row: &[Cell]) {
        let value = self.values.len();
        self.values.extend(row.iter().map(|cell| cell.value));
        if let Some(run) = self.runs.last_mut() {
            let layout = self.layouts[run.layout].iter();
            if layout.len() == row.len()
                && layout.zip(row).all(|(&label, cell)| label == cell.label)
            {
                run.n_rows += 1;
                return;
            }
        }
        let layout = self.layout(row);
        let first = self.runs.last().map_or(0, |run| run.row + run.n_rows);
        self.runs.push(Run { layout, n_rows: 1, row: first, value });
    }

    fn layout(&mut self, row: &[Cell]) -> usize {
        let labels: Box<[u32]> = row.iter().map(|cell| cell.label).collect();
        match self.by_labels.entry(labels) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(new) => {
                self.layouts.push(new.key().clone());
                *new.insert(self.layouts.len() - 1)
            }
        }
    }

    /// Every sample: its labels and their values.
    fn iter(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        self.runs.iter().flat_map(move |run| {
            let labels = &self.layouts[run.layout][..];
            (0..run.n_rows).map(move |at| (labels, self.row(run, at)))
        })
    }

    /// The values of a sample.
    #[inline]
    fn row(&self, run: &Run, at: usize) -> &[u32] {
        let n_labels = self.layouts[run.layout].len();
        let start = run.value + at * n_labels;
        &self.values[start..start + n_labels]
    }

    /// For each label, the runs in which it occurs, and where in their layout.
    fn places(&self) -> HashMap<u32, Vec<(&Run, usize)>> {
        let mut runs = vec![Vec::new(); self.layouts.len()];
        for run in &self.runs {
            runs[run.layout].push(run);
        }
        let mut places: HashMap<u32, Vec<(&Run, usize)>> = HashMap::new();
        for (layout, runs) in self.layouts.iter().zip(&runs) {
            for (at, &label) in layout.iter().enumerate() {
                places.entry(label).or_default().extend(runs.iter().map(|&run| (run, at)));
            }
        }
        places
    }

    pub(super) fn append(&mut self, other: &Self, translate: impl Fn(Cell) -> Cell) {
        let mut row = Vec::new();
        for (labels, values) in other.iter() {
            row.clear();
            let cells = labels.iter().zip(values);
            row.extend(cells.map(|(&label, &value)| translate(Cell { label, value })));
            self.push(&row);
        }
    }
}

/// How many series there are, and how many without each label.
#[derive(Clone, Debug, Default)]
pub(super) struct Savings {
    pub(super) n_series: usize,
    /// By the columns of the metric.
    pub(super) n_series_without: Vec<usize>,
}

/// The hashes of all label values.
pub(super) struct Hashes {
    by_label: Vec<Vec<u128>>,
}

impl Hashes {
    pub(super) fn new(tally: &Tally, key: HashKey) -> Self {
        let of = |(name, label): (&[u8], &Label)| {
            // A label without a value is no label.
            let hash = |value: &[u8]| if value.is_empty() { 0 } else { key.hash([name, value]) };
            label.values.iter().map(hash).collect()
        };
        Self { by_label: tally.label_names.iter().zip(&tally.labels).map(of).collect() }
    }

    fn of(&self, label: u32, value: u32) -> u128 {
        self.by_label[label as usize][value as usize]
    }

    fn sum(&self, labels: &[u32], values: &[u32]) -> u128 {
        let cells = labels.iter().zip(values);
        cells.fold(0, |sum, (&label, &value)| sum.wrapping_add(self.of(label, value)))
    }

    /// Count the series of a metric.
    ///
    /// Takes time linear in the labels of its samples, however few they have in common.
    pub(super) fn savings(&self, metric: &Metric) -> Savings {
        let sums = metric.rows.iter().map(|(labels, values)| self.sum(labels, values));
        let mut known = Distinct::with_capacity(metric.n_samples);
        // Of samples of one series only the first counts.
        let series: Vec<Option<u128>> = sums.map(|sum| known.insert(sum).then_some(sum)).collect();
        let places = metric.rows.places();
        let without = |column: &Column| {
            let places = places.get(&column.label).map_or(&[][..], Vec::as_slice);
            self.n_without(metric, column, places, &series, &known)
        };
        let n_series_without = metric.columns.iter().map(without).collect();
        Savings { n_series: known.0.len(), n_series_without }
    }

    /// How many series remain without one label: those that never had it, and what becomes of the
    /// others, as far as that is not among the former.
    fn n_without(
        &self,
        metric: &Metric,
        column: &Column,
        places: &[(&Run, usize)],
        series: &[Option<u128>],
        known: &Distinct,
    ) -> usize {
        let with = || {
            places.iter().flat_map(|(run, at)| {
                (0..run.n_rows).filter_map(move |row| {
                    let hash = self.of(column.label, metric.rows.row(run, row)[*at]);
                    series[run.row + row].filter(|_| hash != 0).map(|sum| (sum, hash))
                })
            })
        };
        let (n_series, n_with) = (known.0.len(), with().count());
        if n_with == n_series && column.values.len() == 1 {
            return n_series;
        }
        let mut rest = Distinct::with_capacity(n_with);
        for (sum, hash) in with() {
            let without = sum.wrapping_sub(hash);
            if n_with == n_series || !known.contains(without) {
                rest.insert(without);
            }
        }
        n_series - n_with + rest.0.len()
    }
}

/// A set of hashes.
#[derive(Debug)]
struct Distinct(HashTable<u128>);

impl Distinct {
    fn with_capacity(n: usize) -> Self {
        Self(HashTable::with_capacity(n))
    }

    /// Whether it was not there.
    #[inline]
    fn insert(&mut self, hash: u128) -> bool {
        let n_before = self.0.len();
        self.0.entry(place(&hash), |&known| known == hash, place).or_insert(hash);
        self.0.len() > n_before
    }

    #[inline]
    fn contains(&self, hash: u128) -> bool {
        self.0.find(place(&hash), |&known| known == hash).is_some()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
fn place(hash: &u128) -> u64 {
    *hash as u64
}
