//! Exemplars that come without a value of their series.
//!
//! Prometheus sends them like that, as a series of their own, and its receiver refuses a series
//! without a value in 2.0. So they go on with a value of their series, if the request has one;
//! where a request of 1.0 goes on as it came they stay as they are.

use std::collections::HashMap;

use super::report::Points;
use super::way::Accepted;
use crate::model::LabelSet;
use crate::wire::Exemplar;
use crate::wire::Labels;
use crate::wire::Series;
use crate::wire::put_label_v1;

/// Exemplars of a request that have no value, by the labels of their series.
#[derive(Debug, Default)]
pub(super) struct LoneExemplars {
    by_labels: HashMap<Vec<u8>, Lone>,
    /// Labels in order, in one spelling.
    key: Vec<u8>,
    set: LabelSet,
}

/// Exemplars of one series.
#[derive(Debug, Default)]
pub(super) struct Lone {
    labels: LabelSet,
    exemplars: Vec<OwnedExemplar>,
}

#[derive(Debug)]
struct OwnedExemplar {
    labels: LabelSet,
    value: f64,
    timestamp_ms: i64,
}

impl LoneExemplars {
    /// Keep the exemplars of a series.
    pub(super) fn add(&mut self, series: &Series<'_>) {
        self.spell(&series.labels());
        let lone = self.by_labels.entry(self.key.clone()).or_default();
        lone.labels.copy_from(&self.set);
        for exemplar in series.exemplars().iter() {
            let mut labels = LabelSet::new();
            exemplar.labels.copy_to(&mut labels);
            let Exemplar { value, timestamp_ms, .. } = exemplar;
            lone.exemplars.push(OwnedExemplar { labels, value, timestamp_ms });
        }
    }

    /// Take the exemplars of the series with these labels.
    pub(super) fn take(&mut self, labels: &Labels<'_>) -> Option<Lone> {
        if self.by_labels.is_empty() {
            return None;
        }
        self.spell(labels);
        self.by_labels.remove(&self.key)
    }

    /// All that were not taken, in no order.
    pub(super) fn into_all(self) -> impl Iterator<Item = Lone> {
        self.by_labels.into_values()
    }

    fn spell(&mut self, labels: &Labels<'_>) {
        labels.copy_to(&mut self.set);
        self.key.clear();
        for (name, value) in self.set.iter() {
            put_label_v1(&mut self.key, name, value);
        }
    }
}

impl Lone {
    /// A series with its own exemplars and these.
    pub(super) fn with(&self, accepted: &Accepted<'_>, then: impl FnOnce(&Accepted<'_>)) {
        let exemplars: Vec<_> = accepted.series.exemplars().iter().chain(self.iter()).collect();
        let series = accepted.series.with_exemplars(&exemplars);
        let points = Points { n_exemplars: exemplars.len() as u64, ..accepted.points };
        then(&Accepted { series, canonical: None, points });
    }

    /// A series of these alone.
    pub(super) fn alone(&self, then: impl FnOnce(&Accepted<'_>)) {
        let series = Series::new(Labels::of_set(&self.labels));
        self.with(&Accepted { series, canonical: None, points: Points::default() }, then);
    }

    fn iter(&self) -> impl Iterator<Item = Exemplar<'_>> {
        self.exemplars.iter().map(|exemplar| {
            let OwnedExemplar { labels, value, timestamp_ms } = exemplar;
            Exemplar { labels: Labels::of_set(labels), value: *value, timestamp_ms: *timestamp_ms }
        })
    }
}
