//! How output series are kept for rendering: families, in them groups, in them samples.
//!
//! A group is what OpenMetrics calls a metric: the series of one family that differ in nothing but
//! suffix and bound, as the buckets, sum and count of one histogram do. Its labels are held once,
//! as text ready to be copied out. Everything is sorted and shared by reference, so that a snapshot
//! of the whole costs one reference a family and changes copy only what they touch.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use crate::aggregate::family::{FamilyMeta, Suffix};
use crate::aggregate::series::{Bound, is_legacy_metric_name};
use crate::model::Span;

/// One output series.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Where its value is.
    pub slot: u32,
    /// The index of the bound's text.
    pub bound_text: u16,
    /// What its name adds to the family's.
    pub suffix: Suffix,
    /// Its bound.
    pub bound: Bound,
}

impl Sample {
    /// The order within a group: bounds ascending, then sum, count and the rest.
    fn order(&self, other: &Self) -> Ordering {
        (self.suffix, self.bound.label)
            .cmp(&(other.suffix, other.bound.label))
            .then(self.bound.value.total_cmp(&other.bound.value))
    }
}

/// The series of a family that share their labels, but for the bound.
#[derive(Clone, Debug)]
pub struct Group {
    /// The shared labels: `name="value",…`, escaped, sorted by name.
    pub labels: Box<[u8]>,
    /// Sorted: bounds ascending, then sum, count and the rest.
    pub samples: Box<[Sample]>,
}

/// A family, its metadata and its series.
#[derive(Clone, Debug)]
pub struct Family {
    /// Its name.
    pub name: Box<[u8]>,
    /// Its metadata.
    pub meta: FamilyMeta,
    /// Its groups, sorted by label text.
    pub groups: Vec<Arc<Group>>,
    /// Whether the name may stand without quotes.
    pub is_legacy_name: bool,
}

/// A sample on its way to its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Which family, as a number that sorts as the names do.
    pub(super) family: u32,
    /// Its labels, as a span of the text given along.
    pub(super) labels: Span,
    /// The sample.
    pub(super) sample: Sample,
}

/// All families, sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    families: Vec<Arc<Family>>,
}

impl Layout {
    /// All families, sorted by name.
    pub fn families(&self) -> &[Arc<Family>] {
        &self.families
    }

    /// Put in samples. `names` has the family names, sorted; `text` what the spans point into.
    pub(super) fn insert(&mut self, mut arrivals: Vec<Arrival>, names: &[&[u8]], text: &[u8]) {
        let by_labels = |a: &Arrival, b: &Arrival| {
            if a.labels == b.labels {
                return Ordering::Equal;
            }
            a.labels.of(text).cmp(b.labels.of(text))
        };
        arrivals.sort_by(|a, b| {
            (a.family.cmp(&b.family))
                .then_with(|| by_labels(a, b))
                .then_with(|| a.sample.order(&b.sample))
        });
        self.make_families(names);
        for run in arrivals.chunk_by(|a, b| a.family == b.family) {
            let groups = run.chunk_by(|a, b| by_labels(a, b).is_eq());
            if let Ok(at) = self.position(names[run[0].family as usize]) {
                merge_groups(&mut Arc::make_mut(&mut self.families[at]).groups, groups, text);
            }
        }
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.families.binary_search_by(|family| (*family.name).cmp(name))
    }

    /// Make the families of these names that are not there, all in one go.
    fn make_families(&mut self, names: &[&[u8]]) {
        let missing = names.iter().filter(|name| self.position(name).is_err());
        let make = |name: &&[u8]| {
            Arc::new(Family {
                name: (*name).into(),
                meta: FamilyMeta::default(),
                groups: Vec::new(),
                is_legacy_name: is_legacy_metric_name(name),
            })
        };
        let new: Vec<Arc<Family>> = missing.map(make).collect();
        if !new.is_empty() {
            self.families.extend(new);
            self.families.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }

    /// Give each family the metadata `meta_of` finds for it.
    pub(super) fn set_meta<'m>(&mut self, meta_of: impl Fn(&[u8]) -> Option<&'m FamilyMeta>) {
        let none = FamilyMeta::default();
        for family in &mut self.families {
            let meta = meta_of(&family.name).unwrap_or(&none);
            if family.meta != *meta {
                Arc::make_mut(family).meta = meta.clone();
            }
        }
    }

    /// Take out the families `wanted` names.
    pub(super) fn take(&mut self, wanted: impl Fn(&Family) -> bool) -> Vec<Arc<Family>> {
        self.families.extract_if(.., |family| wanted(family)).collect()
    }

    /// Keep only the samples `keep` accepts; groups and families without any are gone.
    pub(super) fn retain(&mut self, keep: impl Fn(&Sample) -> bool) {
        for family in &mut self.families {
            if family.groups.iter().all(|group| group.samples.iter().all(&keep)) {
                continue;
            }
            let family = Arc::make_mut(family);
            family.groups.retain_mut(|group| {
                if !group.samples.iter().all(&keep) {
                    let samples = group.samples.iter().copied().filter(&keep).collect();
                    *group = Arc::new(Group { labels: group.labels.clone(), samples });
                }
                !group.samples.is_empty()
            });
        }
        self.families.retain(|family| !family.groups.is_empty());
    }

    /// Change the text of the bounds in some slots.
    pub(super) fn respell(&mut self, texts: &HashMap<u32, u16>) {
        for family in &mut self.families {
            let is_concerned =
                |group: &Group| group.samples.iter().any(|s| texts.contains_key(&s.slot));
            if !family.groups.iter().any(|group| is_concerned(group)) {
                continue;
            }
            let groups = Arc::make_mut(family).groups.iter_mut();
            for group in groups.filter(|group| is_concerned(group)) {
                for sample in &mut Arc::make_mut(group).samples {
                    sample.bound_text =
                        texts.get(&sample.slot).copied().unwrap_or(sample.bound_text);
                }
            }
        }
    }
}

/// Merge sorted arrivals, one run a group, into sorted groups.
fn merge_groups<'a>(
    groups: &mut Vec<Arc<Group>>,
    runs: impl Iterator<Item = &'a [Arrival]>,
    text: &[u8],
) {
    let mut old = std::mem::take(groups).into_iter().peekable();
    for run in runs {
        let labels = run[0].labels.of(text);
        while let Some(group) = old.next_if(|group| *group.labels < *labels) {
            groups.push(group);
        }
        let arrived = run.iter().map(|arrival| arrival.sample);
        match old.next_if(|group| *group.labels == *labels) {
            Some(group) => {
                let mut samples: Vec<Sample> = group.samples.to_vec();
                samples.extend(arrived);
                samples.sort_by(Sample::order);
                let labels = group.labels.clone();
                groups.push(Arc::new(Group { labels, samples: samples.into() }));
            }
            None => {
                groups.push(Arc::new(Group { labels: labels.into(), samples: arrived.collect() }));
            }
        }
    }
    groups.extend(old);
}
