//! Merging by choice: what the configuration says where a family's type is not to decide.

use crate::aggregate::family::Suffix;
use crate::aggregate::merge::{Counters, MergePolicy, Operation, operation};
use crate::aggregate::series::{BoundLabel, LabelTexts};
use crate::model::label::METRIC_NAME;
use crate::model::{LabelSet, MetricType};
use crate::relabel::{Rules, Scratch, Verdict};
use std::sync::Arc;

/// What becomes of gauges that become one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gauges {
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The mean.
    Avg,
    /// That of the last target, in the order of addresses.
    Last,
    /// How many there are.
    Count,
    /// Nothing.
    Drop,
}

/// What becomes of quantiles that become one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quantiles {
    /// Nothing: quantiles cannot be merged.
    Drop,
    /// The greatest.
    Max,
    /// The mean.
    Avg,
}

/// How the series that a selector matches are merged.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Keeps the labels of the series this is for, `__name__` among them, and changes nothing.
    pub selector: Rules,
    /// For gauges and series without a type, if it says so.
    pub gauges: Option<Gauges>,
    /// For quantiles, if it says so.
    pub quantiles: Option<Quantiles>,
    /// For counters and histograms, if it says so.
    pub counters: Option<Counters>,
}

/// How rows that feed one series are merged.
#[derive(Clone, Debug, Default)]
pub struct Merging {
    /// By type, or not.
    pub policy: MergePolicy,
    /// What a counter of several inputs is, where no choice says otherwise.
    pub counters: Counters,
    /// The first that matches a series counts.
    pub choices: Arc<[Choice]>,
}

impl Merging {
    /// Whether what counters have counted has to be known.
    pub fn counts(&self) -> bool {
        let is_safe = |counters| counters == Counters::ResetSafe;
        is_safe(self.counters)
            || self.choices.iter().any(|choice| choice.counters.is_some_and(is_safe))
    }
}

/// Finds the operations of samples.
#[derive(Debug)]
pub(super) struct Chooser<'a> {
    merging: &'a Merging,
    labels: LabelSet,
    scratch: Scratch,
}

/// A sample whose operation is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Its name.
    pub(super) name: &'a [u8],
    /// Its labels as they are written, without a bound.
    pub(super) labels: &'a [u8],
    /// What its bound is, if it has one.
    pub(super) bound: BoundLabel,
    /// What its family is.
    pub(super) metric_type: Option<MetricType>,
    /// The name of its family.
    pub(super) family: &'a [u8],
    /// What its name adds to that.
    pub(super) suffix: Suffix,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(merging: &'a Merging) -> Self {
        let (labels, scratch) = (LabelSet::new(), Scratch::default());
        Self { merging, labels, scratch }
    }

    /// The operation for a sample.
    pub(super) fn operation(&mut self, of: Asked<'_>) -> Operation {
        let choice = if self.merging.choices.is_empty() { None } else { self.choice(of) };
        let counters = choice.and_then(|choice| choice.counters).unwrap_or(self.merging.counters);
        if of.bound == BoundLabel::Quantile {
            match choice.and_then(|choice| choice.quantiles) {
                Some(Quantiles::Max) => return Operation::Max,
                Some(Quantiles::Avg) => return Operation::Avg,
                Some(Quantiles::Drop) | None => {}
            }
        }
        let by_type =
            operation(self.merging.policy, counters, of.metric_type, of.family, of.suffix);
        if by_type == Operation::Increase || !is_gauge(of) {
            return by_type;
        }
        choice.and_then(|choice| choice.gauges).map_or(by_type, |gauges| match gauges {
            Gauges::Sum => Operation::Sum,
            Gauges::Min => Operation::Min,
            Gauges::Max => Operation::Max,
            Gauges::Avg => Operation::Avg,
            Gauges::Last => Operation::Last,
            Gauges::Count => Operation::Count,
            Gauges::Drop => Operation::Drop,
        })
    }

    fn choice(&mut self, of: Asked<'_>) -> Option<&'a Choice> {
        self.labels.clear();
        self.labels.push(METRIC_NAME, of.name);
        for label in LabelTexts::of(of.labels) {
            self.labels.push(&label.name(), &label.unescaped_value());
        }
        self.labels.sort();
        let Self { merging, labels, scratch, .. } = self;
        merging.choices.iter().find(|c| c.selector.apply(labels, scratch) == Verdict::Keep)
    }
}

fn is_gauge(of: Asked<'_>) -> bool {
    let is_type = matches!(of.metric_type, None | Some(MetricType::Gauge | MetricType::Unknown));
    is_type && of.suffix == Suffix::None && of.bound != BoundLabel::Quantile
}
