//! Histograms and summaries as wholes: whether their lines agree.

use crate::lint::families::Families;
use crate::lint::rule::{Rule, RuleSet};
use crate::model::MetricType;

/// One bucket, or one quantile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// `le` or `quantile`.
    pub(super) bound: f64,
    pub(super) value: f64,
    pub(super) line: usize,
}

/// The lines of one histogram or summary.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) family: u32,
    pub(super) line: usize,
    /// As they came.
    buckets: Vec<Bucket>,
    is_sorted: bool,
    pub(super) count: Option<f64>,
    pub(super) has_sum: bool,
}

impl Metric {
    pub(super) fn new(family: u32, line: usize) -> Self {
        Self { family, line, buckets: Vec::new(), is_sorted: true, count: None, has_sum: false }
    }

    pub(super) fn push(&mut self, bucket: Bucket) {
        self.is_sorted &= self.buckets.last().is_none_or(|last| last.bound < bucket.bound);
        self.buckets.push(bucket);
    }

    /// Find out which rules it breaks.
    pub(super) fn check(mut self, families: &mut Families, rules: RuleSet) {
        let Some(family) = families.get_mut(self.family) else { return };
        let is_summary = family.metric_type == Some(MetricType::Summary);
        let mut hit = |rule: Rule, line: usize, n: u64| {
            if n > 0 && rules.contains(rule) {
                family.hit(rule, line, n);
            }
        };
        let lacks = self.count.is_none() || !self.has_sum || !is_summary && self.buckets.is_empty();
        hit(Rule::HistogramMissingParts, self.line, u64::from(lacks));
        if !self.is_sorted {
            self.buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound).then(a.line.cmp(&b.line)));
        }
        let twice = if is_summary { Rule::DuplicateSeries } else { Rule::HistogramDuplicateLe };
        for pair in self.buckets.windows(2) {
            let [before, bucket] = pair else { continue };
            if is_equal(before.bound, bucket.bound) {
                hit(twice, bucket.line, 1);
            } else if !is_summary && bucket.value < before.value {
                hit(Rule::HistogramNotMonotonic, bucket.line, 1);
            }
        }
        let Some(last) = self.buckets.last().filter(|_| !is_summary) else { return };
        if !is_equal(last.bound, f64::INFINITY) {
            hit(Rule::HistogramNoInf, self.line, 1);
        } else if self.count.is_some_and(|count| !is_equal(count, last.value)) {
            hit(Rule::HistogramCountMismatch, self.line, 1);
        }
    }
}

/// Whether two numbers are the same; NaN is NaN.
#[expect(clippy::float_cmp, reason = "asks for exactly the same number")]
fn is_equal(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan()
}
