//! Native buckets for observations of a distribution.

use super::Streams;
use super::cumulative;
use crate::generate::native::Bucket;
use crate::generate::native::NativeHistogram;
use crate::generate::native::SCHEMA_MAX;
use crate::generate::native::SCHEMA_MIN;
use crate::generate::spec::NativeSpec;
use crate::generate::spec::SpecError;

/// The most buckets of one side.
const N_BUCKETS_MAX: i32 = 4096;
/// Values rarer than this are counted in the outermost bucket.
const RARE: f64 = 1e-9;

/// Which buckets there are, and the share of each stream up to the end of each.
#[derive(Clone, Debug)]
pub(super) struct NativeLayout {
    schema: i32,
    zero_threshold: f64,
    /// From the least value to the greatest.
    slots: Vec<(Slot, [f64; 2])>,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Negative(i32),
    Zero,
    Positive(i32),
}

impl NativeLayout {
    pub(super) fn new(spec: &NativeSpec, streams: &Streams) -> Result<Self, SpecError> {
        let refuse = |path: &str, message: String| Err(SpecError::new(path, message));
        let schema = i32::from(spec.schema);
        if !(SCHEMA_MIN..=SCHEMA_MAX).contains(&schema) {
            let message = format!("{schema} is not from {SCHEMA_MIN} to {SCHEMA_MAX}");
            return refuse("buckets.native.schema", message);
        }
        if !(spec.zero_threshold >= 0.0 && spec.zero_threshold.is_finite()) {
            let message = format!("{} has to be at least 0 and finite", spec.zero_threshold);
            return refuse("buckets.native.zero_threshold", message);
        }
        let quantile = |p: &dyn Fn(f64) -> f64, pick: fn(f64, f64) -> f64| {
            let of_end = streams.ends.iter().map(|end| end.quantile(p(end.cdf(0.0))));
            of_end.reduce(pick).unwrap_or(0.0)
        };
        let zero = spec.zero_threshold.max(f64::MIN_POSITIVE);
        let positive = (
            quantile(&|at_zero| at_zero + RARE, f64::min).max(zero),
            quantile(&|_| 1.0 - RARE, f64::max),
        );
        let negative =
            (-quantile(&|at_zero| at_zero - RARE, f64::max), -quantile(&|_| RARE, f64::min));
        let negative = (negative.0.max(zero), negative.1);
        let mut slots = Vec::new();
        if let Some((first, last)) = range(schema, negative)? {
            // Up to the lower end of the bucket, which for negative values is the outer one.
            for index in (first..=last).rev() {
                let end =
                    if index == first { -spec.zero_threshold } else { -bound(schema, index - 1) };
                slots.push((Slot::Negative(index), streams.shares(end)));
            }
        }
        slots.push((Slot::Zero, streams.shares(spec.zero_threshold)));
        if let Some((first, last)) = range(schema, positive)? {
            for index in first..=last {
                let end = if index == last { f64::INFINITY } else { bound(schema, index) };
                slots.push((Slot::Positive(index), streams.shares(end)));
            }
        }
        Ok(Self { schema, zero_threshold: spec.zero_threshold, slots })
    }

    pub(super) fn filled(&self, observed: &[f64; 2], integers: bool) -> NativeHistogram {
        let mut histogram = NativeHistogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            ..NativeHistogram::default()
        };
        let mut before = 0.0;
        for (slot, shares) in &self.slots {
            let up_to = cumulative(shares, observed, integers);
            let count = up_to - before;
            before = up_to;
            match slot {
                Slot::Zero => histogram.zero_count = count,
                _ if count <= 0.0 => {}
                Slot::Negative(index) => histogram.negative.push(Bucket { index: *index, count }),
                Slot::Positive(index) => histogram.positive.push(Bucket { index: *index, count }),
            }
        }
        histogram.negative.reverse();
        histogram
    }
}

/// The indexes of the buckets of values from `low` to `high`; `None` where there are none.
fn range(schema: i32, (low, high): (f64, f64)) -> Result<Option<(i32, i32)>, SpecError> {
    if high <= low {
        return Ok(None);
    }
    let (first, last) = (index(schema, low), index(schema, high));
    if last - first >= N_BUCKETS_MAX {
        let n_buckets = last - first + 1;
        let message = format!(
            "{schema} makes {n_buckets} buckets, and {N_BUCKETS_MAX} is the limit: take a lower one"
        );
        return Err(SpecError::new("buckets.native.schema", message));
    }
    Ok(Some((first, last)))
}

/// Up to and including which value a bucket reaches.
fn bound(schema: i32, index: i32) -> f64 {
    libm::exp2(f64::from(index) * libm::scalbn(1.0, -schema))
}

/// The bucket of a value above 0.
#[expect(clippy::cast_possible_truncation, reason = "the logarithm of a double is below 1100")]
fn index(schema: i32, value: f64) -> i32 {
    let near = (libm::log2(value) * libm::scalbn(1.0, schema)).ceil() as i32;
    // The logarithm may be off by the last digit.
    if bound(schema, near - 1) >= value {
        near - 1
    } else if bound(schema, near) < value {
        near + 1
    } else {
        near
    }
}
