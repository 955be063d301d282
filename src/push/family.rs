//! What is pushed: families of metrics, each with a number, a summary or a histogram.

use crate::model::MetricType;
use crate::push::labels::Labels;
use std::collections::BTreeMap;

/// A family as somebody pushed it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// Counter, gauge, histogram, summary, or unknown; nothing else.
    pub metric_type: MetricType,
    /// The help text; empty if there is none.
    pub help: String,
    /// Its metrics, by labels; `le` and `quantile` are no labels here.
    pub metrics: BTreeMap<Labels, Value>,
}

/// What a metric says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter, a gauge, or of unknown type.
    Number(f64),
    /// Of a summary.
    Summary(Box<Summary>),
    /// Of a histogram.
    Histogram(Box<Histogram>),
}

/// Quantiles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Quantile and value, by quantile.
    pub quantiles: Vec<(f64, f64)>,
}

/// Buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Upper bound and how many observations are not above it, by bound; `+Inf` may be missing.
    pub buckets: Vec<(f64, u64)>,
}

/// What becomes of gauges that are pushed again and again to be aggregated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Gauges {
    /// The newest.
    #[default]
    Last,
    /// The greatest.
    Max,
    /// The least.
    Min,
}

impl Family {
    /// Lines its metrics take, which is what Prometheus counts as series.
    pub fn n_series(&self) -> usize {
        self.metrics.values().map(Value::n_series).sum()
    }
}

impl Value {
    /// Lines it takes.
    pub fn n_series(&self) -> usize {
        match self {
            Self::Number(_) => 1,
            Self::Summary(summary) => 2 + summary.quantiles.len(),
            Self::Histogram(histogram) => 2 + histogram.all_buckets().count(),
        }
    }

    /// Put buckets and quantiles in order; of two with one bound, the one given last stays.
    pub(super) fn normalize(&mut self) {
        match self {
            Self::Number(_) => {}
            Self::Summary(summary) => sort_by_bound(&mut summary.quantiles),
            Self::Histogram(histogram) => sort_by_bound(&mut histogram.buckets),
        }
    }

    /// Add what was pushed now to what was there; both are of the family's type.
    pub fn add(&mut self, pushed: Self, metric_type: MetricType, gauges: Gauges) {
        match (self, pushed) {
            (Self::Number(old), Self::Number(new)) => {
                *old = match (metric_type, gauges) {
                    (MetricType::Counter, _) => *old + new,
                    (_, Gauges::Last) => new,
                    (_, Gauges::Max) => old.max(new),
                    (_, Gauges::Min) => old.min(new),
                }
            }
            (Self::Summary(old), Self::Summary(new)) => {
                old.count = old.count.saturating_add(new.count);
                old.sum += new.sum;
                // No quantile follows from the quantiles of two.
                old.quantiles.clear();
            }
            (Self::Histogram(old), Self::Histogram(new)) => old.add(&new),
            (old, new) => *old = new,
        }
    }
}

impl Histogram {
    /// The buckets, with the one that holds everything.
    pub fn all_buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let has_last = self.buckets.last().is_some_and(|(bound, _)| *bound == f64::INFINITY);
        let last = (!has_last).then_some((f64::INFINITY, self.count));
        self.buckets.iter().copied().chain(last)
    }

    /// How many observations are known to be not above a bound.
    fn count_up_to(&self, bound: f64) -> u64 {
        let n_below = self.buckets.partition_point(|(other, _)| *other <= bound);
        n_below.checked_sub(1).and_then(|at| self.buckets.get(at)).map_or(0, |(_, count)| *count)
    }

    /// Add another: the bounds become those of both. Between bounds that one of them does not have,
    /// its observations are taken to be as high as they can be, so that buckets never fall.
    fn add(&mut self, other: &Self) {
        let mut bounds: Vec<f64> =
            self.all_buckets().chain(other.all_buckets()).map(|(bound, _)| bound).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup_by(|a, b| a.total_cmp(b).is_eq());
        let count = self.count.saturating_add(other.count);
        let buckets = bounds.into_iter().map(|bound| match bound {
            f64::INFINITY => (bound, count),
            _ => (bound, self.count_up_to(bound).saturating_add(other.count_up_to(bound))),
        });
        self.buckets = buckets.collect();
        self.count = count;
        self.sum += other.sum;
    }
}

fn sort_by_bound<T: Copy>(pairs: &mut Vec<(f64, T)>) {
    pairs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    // The first of equals is the one that is kept.
    pairs.reverse();
    pairs.dedup_by(|a, b| a.0.total_cmp(&b.0).is_eq());
    pairs.reverse();
}

/// The word of a type as text 0.0.4 has it.
pub(super) fn word(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Unknown => "untyped",
        other => other.open_metrics_word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(buckets: &[(f64, u64)]) -> Histogram {
        let count = buckets.last().map_or(0, |(_, count)| *count);
        Histogram { count, sum: 1.0, buckets: buckets.to_vec() }
    }

    #[track_caller]
    fn check_sum(one: &[(f64, u64)], other: &[(f64, u64)], expect: &[(f64, u64)]) {
        for (one, other) in [(one, other), (other, one)] {
            let mut sum = histogram(one);
            sum.add(&histogram(other));
            assert_eq!(sum.buckets, expect);
            assert_eq!(sum.count, expect.last().unwrap().1);
        }
    }

    #[test]
    fn histograms_are_added_bucket_by_bucket() {
        let inf = f64::INFINITY;
        check_sum(&[(1.0, 1), (inf, 3)], &[(1.0, 2), (inf, 2)], &[(1.0, 3), (inf, 5)]);
        check_sum(&[(1.0, 1), (inf, 3)], &[(2.0, 2), (inf, 2)], &[(1.0, 1), (2.0, 3), (inf, 5)]);
        check_sum(&[(1.0, 4)], &[(2.0, 5)], &[(1.0, 4), (2.0, 9), (inf, 9)]);
    }

    #[test]
    fn numbers_are_aggregated_by_type() {
        let check = |metric_type, gauges, expect: f64| {
            let mut value = Value::Number(3.0);
            value.add(Value::Number(2.0), metric_type, gauges);
            assert_eq!(value, Value::Number(expect));
        };
        check(MetricType::Counter, Gauges::Max, 5.0);
        check(MetricType::Gauge, Gauges::Last, 2.0);
        check(MetricType::Gauge, Gauges::Max, 3.0);
        check(MetricType::Unknown, Gauges::Min, 2.0);
    }

    #[test]
    fn of_two_buckets_with_one_bound_the_last_stays() {
        let mut buckets = vec![(2.0, 3), (1.0, 1), (2.0, 4)];
        sort_by_bound(&mut buckets);
        assert_eq!(buckets, [(1.0, 1), (2.0, 4)]);
    }
}
