//! The output table: which output series there are, and where the value of each is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::aggregate::choice::{Asked, Chooser, Merging};
use crate::aggregate::family::{FamilyMeta, Metadata, Suffix};
use crate::aggregate::family::{possible_families, resolve, sample_names, split_names};
use crate::aggregate::layout::{Arrival, Family, Group, Layout, Sample};
use crate::aggregate::merge::{ABSENT, Held, MergePolicy, Merged, Operation, Place, Rows, Slots};
use crate::aggregate::merge::{is_absent, merge, merge_timestamps};
use crate::aggregate::series::{BoundLabel, NewOne, NewSeries, SeriesText, canonical_bound};
use crate::aggregate::snapshot::Snapshot;
use crate::model::{Fingerprint, MetricType, Span};

/// What publishing an output found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PublishStats {
    /// Series in the output.
    pub n_series: usize,
    /// Quantiles left out because several inputs had them.
    pub n_quantiles_dropped: usize,
    /// Buckets left out because not every merged input had them.
    pub n_buckets_dropped: usize,
    /// Series left out because the configuration says so, or because they tell when a counter of
    /// an input began.
    pub n_chosen_dropped: usize,
    /// Gauges (and families without a type) that are sums of several inputs.
    pub n_gauges_summed: usize,
}

/// Longer spellings of a bound are not kept; such a bound is spelt canonically.
const BOUND_BYTES_MAX: usize = 32;

/// The series of one output.
///
/// A series is known by its fingerprint and has a slot, a small number that stays the same for as
/// long as any row feeds it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    merging: Merging,
    index: HashTable<u32>,
    fingerprints: Vec<Fingerprint>,
    operations: Vec<Operation>,
    /// By slot: what counters have counted so far, see [`Merging::counters`].
    totals: Vec<f64>,
    /// By slot: when that began, in ms.
    began: Vec<Option<i64>>,
    bound_text_of: Vec<u16>,
    free: Vec<u32>,
    layout: Layout,
    /// Spellings of bounds; there are few. Where all numbers are taken, bounds are canonical.
    bound_texts: Arc<Vec<Box<[u8]>>>,
    bound_text_numbers: BTreeMap<Box<[u8]>, u16>,
    /// Family name in the output → family name in the input it was renamed from.
    renames: BTreeMap<Box<[u8]>, Box<[u8]>>,
    metadata: Arc<Metadata>,
}

impl Table {
    /// An empty table.
    pub fn new(merging: Merging) -> Self {
        Self { merging, bound_texts: Arc::new(vec![Box::default()]), ..Self::default() }
    }

    /// The slot of a known series.
    #[inline]
    pub fn find(&self, fingerprint: Fingerprint) -> Option<u32> {
        let is_it = |&slot: &u32| self.fingerprints[slot as usize] == fingerprint;
        self.index.find(fingerprint.table_hash(), is_it).copied()
    }

    /// Whether a series spells its bound otherwise than the slot it feeds does.
    pub fn is_respelt(&self, slot: u32, series: &SeriesText) -> bool {
        let known = self.bound_texts.get(self.bound_text_of[slot as usize] as usize);
        known.is_some_and(|known| {
            **known != *series.bound_text && **known != *canonical_bound(series.bound.value)
        })
    }

    /// Spell the bounds in these slots canonically from now on.
    pub fn respell(&mut self, slots: &[(u32, f64)]) {
        let mut changed = HashMap::new();
        for &(slot, bound) in slots {
            let text = self.intern_bound_text(&canonical_bound(bound));
            if self.bound_text_of[slot as usize] != text {
                self.bound_text_of[slot as usize] = text;
                changed.insert(slot, text);
            }
        }
        if !changed.is_empty() {
            self.layout.respell(&changed);
        }
    }

    /// Put in the series an exposition brought; gives the slot of each.
    pub fn intern(&mut self, new: &NewSeries) -> Vec<u32> {
        let mut slots = Vec::with_capacity(new.len());
        let mut placing = Placing::default();
        let mut known = 0_usize;
        for one in new.all() {
            if let Some(slot) = self.find(one.fingerprint) {
                known += 1;
                slots.push(slot);
                continue;
            }
            let bound_text = self.intern_bound_text(one.bound_text.of(new.text()));
            let slot = self.new_slot(one.fingerprint, bound_text);
            slots.push(slot);
            self.note_rename(one, new.text());
            let name = one.name.of(new.text());
            placing.add(
                name,
                one.labels,
                Sample { slot, bound_text, suffix: Suffix::None, bound: one.bound },
            );
        }
        debug_assert!(known + placing.samples.len() == new.len());
        if !placing.samples.is_empty() {
            self.place(placing, new.text());
        }
        slots
    }

    /// The metadata in use.
    pub fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// Use this metadata from now on: types, help and units of the families of the input.
    pub fn set_metadata(&mut self, metadata: Arc<Metadata>) {
        let type_in = |metadata: &Metadata, name: &[u8]| metadata.get(name)?.metric_type;
        let changed: BTreeSet<Box<[u8]>> = metadata
            .keys()
            .chain(self.metadata.keys())
            .filter(|name| type_in(&metadata, name) != type_in(&self.metadata, name))
            .cloned()
            .collect();
        self.metadata = metadata;
        if !changed.is_empty() {
            self.regroup(&changed);
        }
        let Self { layout, metadata, renames, .. } = self;
        layout.set_meta(|name| meta_of(metadata, renames, name));
    }

    /// Merge all rows and make what is to be rendered; series no row feeds are forgotten.
    ///
    /// `since_ms`: totals that are new have begun then, if that is known.
    pub fn publish(&mut self, rows: &impl Rows, since_ms: Option<i64>) -> (Snapshot, PublishStats) {
        let places = || self.places();
        let mut merged = merge(rows, Slots { operations: &self.operations, places: &places });
        self.add_up(&mut merged, since_ms);
        self.collect(&merged);
        let mut stats = PublishStats::default();
        if self.merging.policy == MergePolicy::Typed && merged.n_rows_max > 1 {
            self.leave_out(&mut merged, &mut stats);
        }
        let fed = self.operations.iter().zip(&merged.n_rows).filter(|(_, n)| **n > 0);
        stats.n_chosen_dropped = fed.filter(|(o, _)| **o == Operation::Drop).count();
        let n_absent = stats.n_quantiles_dropped + stats.n_buckets_dropped + stats.n_chosen_dropped;
        let held = merged.held.iter().zip(&merged.values);
        let n_hidden = held.filter(|(why, value)| **why != Held::No && is_absent(**value)).count();
        stats.n_series = self.index.len() - n_absent - n_hidden;
        let mut exemplars: BTreeMap<u32, Box<[u8]>> = BTreeMap::new();
        rows.for_each_exemplar(|slot, exemplar| {
            // Any of them will do; the least text makes it the same one every time.
            let kept = exemplars.entry(slot).or_insert_with(|| exemplar.into());
            if *exemplar < **kept {
                *kept = exemplar.into();
            }
        });
        let snapshot = Snapshot {
            families: self.layout.families().to_vec(),
            timestamps: merge_timestamps(rows, &merged.n_rows),
            values: merged.values,
            began: (since_ms.is_some() && self.merging.counts()).then(|| self.began.clone()),
            exemplars,
            bound_texts: Arc::clone(&self.bound_texts),
            n_series: stats.n_series,
        };
        (snapshot, stats)
    }

    /// Turn what rows have counted since the last time into running totals.
    ///
    /// A counter that only waits for a target to come back stands still meanwhile.
    fn add_up(&mut self, merged: &mut Merged, since_ms: Option<i64>) {
        let counters = self.operations.iter().zip(&mut self.totals).enumerate();
        for (slot, (_, total)) in counters.filter(|(_, (o, _))| **o == Operation::Increase) {
            if merged.n_rows[slot] > 0 {
                self.began[slot] = self.began[slot].or(since_ms);
                *total += merged.values[slot];
                merged.values[slot] = *total;
            } else if merged.held.get(slot) == Some(&Held::Waiting) {
                merged.values[slot] = *total;
            }
        }
    }

    /// By slot, where it stands in its group.
    fn places(&self) -> Arc<Vec<Place>> {
        let mut places = vec![Place::default(); self.operations.len()];
        let groups = self.layout.families().iter().flat_map(|family| &family.groups);
        for (group, number) in groups.zip(1..) {
            for (sample, position) in group.samples.iter().zip(0..) {
                let has_bound = sample.bound.label != BoundLabel::None;
                places[sample.slot as usize] = Place { group: number, position, has_bound };
            }
        }
        Arc::new(places)
    }

    fn new_slot(&mut self, fingerprint: Fingerprint, bound_text: u16) -> u32 {
        let slot = if let Some(slot) = self.free.pop() {
            self.fingerprints[slot as usize] = fingerprint;
            self.bound_text_of[slot as usize] = bound_text;
            self.totals[slot as usize] = 0.0;
            self.began[slot as usize] = None;
            slot
        } else {
            let slot = u32::try_from(self.fingerprints.len()).unwrap_or(u32::MAX);
            self.fingerprints.push(fingerprint);
            self.bound_text_of.push(bound_text);
            self.operations.push(Operation::Sum);
            self.totals.push(0.0);
            self.began.push(None);
            slot
        };
        let Self { index, fingerprints, .. } = self;
        let hash = |&slot: &u32| fingerprints[slot as usize].table_hash();
        index.insert_unique(fingerprint.table_hash(), slot, hash);
        slot
    }

    fn intern_bound_text(&mut self, text: &[u8]) -> u16 {
        if text.is_empty() {
            return 0;
        }
        if let Some(&at) = self.bound_text_numbers.get(text) {
            return at;
        }
        let number = u16::try_from(self.bound_texts.len()).ok();
        let is_short = text.len() <= BOUND_BYTES_MAX;
        let Some(at) = number.filter(|&number| is_short && number < u16::MAX) else {
            return u16::MAX;
        };
        Arc::make_mut(&mut self.bound_texts).push(text.into());
        self.bound_text_numbers.insert(text.into(), at);
        at
    }

    /// Remember from which family a renamed series gets its metadata.
    fn note_rename(&mut self, one: &NewOne, text: &[u8]) {
        let Some(from) = one.renamed_from else { return };
        // The types may come later, so every way to split the two names alike is remembered.
        for (family, suffix) in split_names(from.of(text)) {
            if let Some(renamed) = one.name.of(text).strip_suffix(suffix.text().as_bytes())
                && !renamed.is_empty()
                && !self.renames.contains_key(renamed)
            {
                self.renames.insert(renamed.into(), family.into());
            }
        }
    }

    /// Find the family of each sample and put it there.
    fn place(&mut self, mut placing: Placing, text: &[u8]) {
        let Self { merging, metadata, renames, operations, .. } = self;
        let mut chooser = Chooser::new(merging);
        let type_of = |name: &[u8]| meta_of(metadata, renames, name)?.metric_type;
        let resolved: Vec<(&[u8], Suffix)> =
            placing.names.iter().map(|name| resolve(name, type_of)).collect();
        let mut families: Vec<&[u8]> = resolved.iter().map(|&(family, _)| family).collect();
        families.sort_unstable();
        families.dedup();
        for (arrival, &name) in placing.samples.iter_mut().zip(&placing.name_of) {
            let (family, suffix) = resolved[name as usize];
            let at = families.binary_search(&family).unwrap_or_default();
            arrival.family = u32::try_from(at).unwrap_or(u32::MAX);
            arrival.sample.suffix = suffix;
            let slot = arrival.sample.slot as usize;
            operations[slot] = chooser.operation(Asked {
                name: &placing.names[name as usize],
                labels: arrival.labels.of(text),
                bound: arrival.sample.bound.label,
                metric_type: type_of(family),
                family,
                suffix,
            });
        }
        self.layout.insert(placing.samples, &families, text);
        let Self { layout, metadata, renames, .. } = self;
        layout.set_meta(|name| meta_of(metadata, renames, name));
    }

    /// Place anew the samples of families that a changed type concerns.
    fn regroup(&mut self, changed: &BTreeSet<Box<[u8]>>) {
        let is_changed = |name: &[u8]| {
            let source = self.renames.get(name);
            changed.contains(name) || source.is_some_and(|name| changed.contains(name))
        };
        let concerns = |family: &Family| {
            possible_families(&family.name).any(is_changed)
                || sample_names(&family.name).any(|name| is_changed(&name))
        };
        let taken = self.layout.take(concerns);
        let mut placing = Placing::default();
        let mut text = Vec::new();
        for family in &taken {
            for group in &family.groups {
                let start = text.len();
                text.extend_from_slice(&group.labels);
                let labels = Span::new(start, text.len());
                for &sample in &group.samples {
                    let name = [&family.name, sample.suffix.text().as_bytes()].concat();
                    placing.add(&name, labels, sample);
                }
            }
        }
        self.place(placing, &text);
    }

    /// Forget the series no row feeds.
    fn collect(&mut self, merged: &Merged) {
        let n_fed = merged.n_rows.iter().filter(|&&n| n > 0).count();
        let n_held = merged.held.iter().filter(|&&held| held != Held::No).count();
        if n_fed + n_held == self.index.len() {
            return;
        }
        let is_live = |slot: u32| merged.is_live(slot);
        let Self { index, free, layout, .. } = self;
        index.retain(|&mut slot| {
            let keep = is_live(slot);
            if !keep {
                free.push(slot);
            }
            keep
        });
        // A freed slot is handed out again in the same order, whatever order the index has.
        free.sort_unstable_by(|a, b| b.cmp(a));
        layout.retain(|sample| is_live(sample.slot));
        if !self.renames.is_empty() {
            let families = layout.families().iter();
            let names: BTreeSet<&[u8]> =
                families.flat_map(|family| possible_families(&family.name)).collect();
            self.renames.retain(|name, _| names.contains(&**name));
        }
    }

    /// Leave out what cannot be merged: quantiles, and buckets not every merged input has.
    fn leave_out(&self, merged: &mut Merged, stats: &mut PublishStats) {
        for family in self.layout.families() {
            let is_gauge = matches!(
                family.meta.metric_type.unwrap_or_default(),
                MetricType::Gauge | MetricType::Unknown
            );
            for group in &family.groups {
                self.leave_out_of(family, group, merged, stats);
                if is_gauge {
                    stats.n_gauges_summed += self.count_summed(group, merged);
                }
            }
        }
    }

    /// See [`Table::leave_out`].
    fn leave_out_of(
        &self,
        family: &Family,
        group: &Group,
        merged: &mut Merged,
        stats: &mut PublishStats,
    ) {
        // A counter or gauge may have a label of that name, too.
        let has_quantiles = matches!(family.meta.metric_type, None | Some(MetricType::Summary));
        let n_rows = |merged: &Merged, sample: &Sample| merged.n_rows[sample.slot as usize];
        // How many inputs there are, the last bucket tells, which each has, else their count.
        let is_last = |sample: &&Sample| {
            sample.bound.label == BoundLabel::Le && sample.bound.value == f64::INFINITY
        };
        let is_count = |sample: &&Sample| sample.suffix == Suffix::Count;
        let samples = || group.samples.iter();
        let telling = samples().find(is_last).or_else(|| samples().find(is_count));
        let n_inputs = telling.map_or(0, |sample| n_rows(merged, sample));
        for sample in &group.samples {
            let dropped = match sample.bound.label {
                BoundLabel::Quantile
                    if has_quantiles
                        && n_rows(merged, sample) > 1
                        && self.operations[sample.slot as usize] == Operation::Sum =>
                {
                    &mut stats.n_quantiles_dropped
                }
                BoundLabel::Le if n_rows(merged, sample) < n_inputs => &mut stats.n_buckets_dropped,
                _ => continue,
            };
            *dropped += 1;
            merged.values[sample.slot as usize] = ABSENT;
        }
    }

    fn count_summed(&self, group: &Group, merged: &Merged) -> usize {
        let is_summed = |sample: &&Sample| {
            let slot = sample.slot as usize;
            sample.bound.label == BoundLabel::None
                && merged.n_rows[slot] > 1
                && self.operations[slot] == Operation::Sum
        };
        group.samples.iter().filter(is_summed).count()
    }
}

/// The metadata of a family of the output: its own, else that of the one it was renamed from.
fn meta_of<'m>(
    metadata: &'m Metadata,
    renames: &BTreeMap<Box<[u8]>, Box<[u8]>>,
    name: &[u8],
) -> Option<&'m FamilyMeta> {
    metadata.get(name).or_else(|| metadata.get(renames.get(name)?))
}

/// Samples whose family is not known yet.
#[derive(Debug, Default)]
struct Placing {
    names: Vec<Box<[u8]>>,
    number_of: BTreeMap<Box<[u8]>, u32>,
    name_of: Vec<u32>,
    samples: Vec<Arrival>,
}

impl Placing {
    fn add(&mut self, name: &[u8], labels: Span, sample: Sample) {
        let number = match self.name_of.last() {
            // Neighbours mostly have the same name, or one of the few a family has.
            Some(&last) if *self.names[last as usize] == *name => last,
            _ => self.number(name),
        };
        self.name_of.push(number);
        self.samples.push(Arrival { family: 0, labels, sample });
    }

    fn number(&mut self, name: &[u8]) -> u32 {
        if let Some(&number) = self.number_of.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.number_of.insert(name.into(), number);
        number
    }
}

#[cfg(test)]
mod tests;
