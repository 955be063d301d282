//! Native histograms of a generator as remote write has them.

use crate::generate::native::Bucket;
use crate::generate::native::NativeHistogram;
use crate::generate::native::ResetHint;
use crate::wire;
use crate::wire::BucketSpan;
use crate::wire::Buckets;
use crate::wire::Count;
use crate::wire::Histogram;

/// What a message borrows from.
#[derive(Debug)]
pub(super) struct NativeParts {
    is_float: bool,
    positive: Side,
    negative: Side,
}

#[derive(Debug)]
struct Side {
    spans: Vec<BucketSpan>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl Side {
    fn of(buckets: &[Bucket], is_float: bool) -> Self {
        let mut spans: Vec<BucketSpan> = Vec::new();
        // Where the next bucket of a run would be; the first offset counts from 0.
        let mut next = 0;
        for bucket in buckets {
            match spans.last_mut() {
                Some(span) if bucket.index == next => span.length += 1,
                _ => spans.push(BucketSpan { offset: bucket.index - next, length: 1 }),
            }
            next = bucket.index + 1;
        }
        let counts: Vec<f64> = buckets.iter().map(|bucket| bucket.count).collect();
        if is_float {
            return Self { spans, deltas: Vec::new(), counts };
        }
        let mut before = 0;
        let deltas = counts.iter().map(|count| {
            let count = whole(*count);
            let delta = count - before;
            before = count;
            delta
        });
        Self { spans, deltas: deltas.collect(), counts: Vec::new() }
    }

    fn borrow(&self) -> Buckets<'_> {
        Buckets {
            spans: self.spans[..].into(),
            deltas: self.deltas[..].into(),
            counts: self.counts[..].into(),
        }
    }
}

impl NativeParts {
    pub(super) fn of(native: &NativeHistogram) -> Self {
        let buckets = native.positive.iter().chain(&native.negative).map(|bucket| bucket.count);
        let mut counts = buckets.chain([native.count, native.zero_count]);
        let is_float = counts.any(|count| count.fract() != 0.0 || !(0.0..9e15).contains(&count));
        Self {
            is_float,
            positive: Side::of(&native.positive, is_float),
            negative: Side::of(&native.negative, is_float),
        }
    }

    pub(super) fn histogram<'a>(
        &'a self,
        native: &'a NativeHistogram,
        timestamp_ms: i64,
        start_timestamp_ms: i64,
    ) -> Histogram<'a> {
        let count = |count: f64| {
            if self.is_float {
                Count::Float(count)
            } else {
                Count::Int(whole(count).unsigned_abs())
            }
        };
        Histogram {
            count: Some(count(native.count)),
            sum: native.sum,
            schema: native.schema,
            zero_threshold: native.zero_threshold,
            zero_count: Some(count(native.zero_count)),
            negative: self.negative.borrow(),
            positive: self.positive.borrow(),
            reset_hint: match native.reset_hint {
                ResetHint::Unknown => wire::ResetHint::Unknown,
                ResetHint::Reset => wire::ResetHint::Yes,
                ResetHint::NotReset => wire::ResetHint::No,
                ResetHint::Gauge => wire::ResetHint::Gauge,
            },
            timestamp_ms,
            custom_values: native.custom_values[..].into(),
            start_timestamp_ms,
        }
    }
}

/// A count that is known to be whole.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
fn whole(count: f64) -> i64 {
    count as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_become_runs_and_differences() {
        let buckets = [(-2, 3.0), (-1, 5.0), (3, 1.0)];
        let buckets = buckets.map(|(index, count)| Bucket { index, count });
        let side = Side::of(&buckets, false);
        let spans = [(-2, 2), (3, 1)].map(|(offset, length)| BucketSpan { offset, length });
        assert_eq!(side.spans, spans);
        assert_eq!((side.deltas, side.counts.len()), (vec![3, 2, -4], 0));
        let side = Side::of(&buckets, true);
        assert_eq!((side.deltas.len(), side.counts), (0, vec![3.0, 5.0, 1.0]));
        assert_eq!(Side::of(&[], false).spans, []);
    }
}
