//! What a native histogram must keep to, as Prometheus' `model/histogram` validates it.
//!
//! One thing is left to whoever stores histograms: schemas from 9 to 52 are finer than Prometheus
//! keeps, which reduces them on arrival. They pass.

use crate::wire::BucketSpan;
use crate::wire::Buckets;
use crate::wire::Count;
use crate::wire::Histogram;

/// The coarsest exponential schema.
const SCHEMA_MIN: i32 = -4;
/// The finest schema a receiver knows how to reduce.
const SCHEMA_MAX: i32 = 52;

/// Why a histogram was refused. Texts are the reference receiver's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramFault {
    /// A schema nobody defines.
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets: {0}"
    )]
    Schema(i32),
    /// Spans and buckets do not fit.
    #[error(
        "spans need {wanted} buckets, have {found} buckets: histogram spans specify different number of buckets than provided"
    )]
    Spans {
        /// Buckets the spans speak of.
        wanted: u64,
        /// Buckets there are.
        found: u64,
    },
    /// A span that goes backwards.
    #[error(
        "span number {number} with offset {offset}: histogram has a span whose offset is negative"
    )]
    Offset {
        /// Which span, from 1.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// A bucket with fewer observations than none.
    #[error(
        "{what} has observation count of {count}: histogram has a bucket whose observation count is negative"
    )]
    Bucket {
        /// Which one.
        what: String,
        /// Its count.
        count: f64,
    },
    /// Fewer observations than none.
    #[error("observation count is {0}: histogram's observation count is negative")]
    Count(f64),
    /// The count is not what the buckets hold.
    #[error(
        "{buckets} observations found in buckets, but the Count field is {count}: histogram's observation count should {} the number of observations found in the buckets{}",
        if *at_least { "be at least" } else { "equal" },
        if *at_least { "" } else { " (in absence of NaN)" }
    )]
    Total {
        /// Observations in the buckets.
        buckets: i128,
        /// The count.
        count: u64,
        /// Whether more would have been in order: the sum is NaN.
        at_least: bool,
    },
    /// Exponential buckets with bounds.
    #[error("histogram with exponential schema must not have custom bounds")]
    BoundsOfExponential,
    /// Bounds that do not rise.
    #[error(
        "previous bound is {previous} and current is {current}: histogram custom bounds must be in strictly increasing order"
    )]
    BoundsOrder {
        /// A bound.
        previous: f64,
        /// The one behind it.
        current: f64,
    },
    /// A bound of +Inf.
    #[error(
        "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite"
    )]
    BoundsInfinite,
    /// A bound that is no number.
    #[error("histogram custom bounds must not be NaN")]
    BoundsNaN,
    /// Buckets beyond the bounds.
    #[error(
        "only {n_bounds} custom bounds defined which is insufficient to cover total span length of {length}: histogram custom bounds are too few"
    )]
    BoundsTooFew {
        /// Bounds there are.
        n_bounds: u64,
        /// What the spans reach to.
        length: i64,
    },
    /// Something that custom buckets do not have.
    #[error("custom buckets: must {0}")]
    NotCustom(&'static str),
}

/// Judge a histogram.
///
/// # Errors
///
/// The first rule it breaks. Every stretch is read at most twice.
pub fn validate(histogram: &Histogram<'_>) -> Result<(), HistogramFault> {
    let is_float = histogram.is_float();
    if histogram.has_custom_buckets() {
        check_bounds(histogram, is_float)?;
        check_no_zero_bucket(histogram)?;
    } else if !(SCHEMA_MIN..=SCHEMA_MAX).contains(&histogram.schema) {
        return Err(HistogramFault::Schema(histogram.schema));
    } else {
        check_spans(&histogram.positive, is_float)?;
        check_spans(&histogram.negative, is_float)?;
        if histogram.custom_values.iter().next().is_some() {
            return Err(HistogramFault::BoundsOfExponential);
        }
    }
    if is_float { check_floats(histogram) } else { check_integers(histogram) }
}

fn n_buckets(buckets: &Buckets<'_>, is_float: bool) -> u64 {
    let n = if is_float { buckets.counts.iter().count() } else { buckets.deltas.iter().count() };
    n as u64
}

fn check_spans(buckets: &Buckets<'_>, is_float: bool) -> Result<(), HistogramFault> {
    let mut wanted = 0_u64;
    for (at, BucketSpan { offset, length }) in buckets.spans.iter().enumerate() {
        if at > 0 && offset < 0 {
            return Err(HistogramFault::Offset { number: at + 1, offset });
        }
        wanted = wanted.saturating_add(u64::from(length));
    }
    let found = n_buckets(buckets, is_float);
    if wanted == found { Ok(()) } else { Err(HistogramFault::Spans { wanted, found }) }
}

fn check_bounds(histogram: &Histogram<'_>, is_float: bool) -> Result<(), HistogramFault> {
    let (mut previous, mut n_bounds) = (f64::NEG_INFINITY, 0_u64);
    for current in &histogram.custom_values {
        if current.is_nan() {
            return Err(HistogramFault::BoundsNaN);
        }
        if current <= previous {
            return Err(HistogramFault::BoundsOrder { previous, current });
        }
        previous = current;
        n_bounds += 1;
    }
    if previous == f64::INFINITY {
        return Err(HistogramFault::BoundsInfinite);
    }
    let (mut wanted, mut length) = (0_u64, 0_i64);
    for (at, span) in histogram.positive.spans.iter().enumerate() {
        if span.offset < 0 {
            return Err(HistogramFault::Offset { number: at + 1, offset: span.offset });
        }
        wanted = wanted.saturating_add(u64::from(span.length));
        length = length.saturating_add(i64::from(span.length) + i64::from(span.offset));
    }
    let found = n_buckets(&histogram.positive, is_float);
    if wanted != found {
        return Err(HistogramFault::Spans { wanted, found });
    }
    let reach = i64::try_from(n_bounds).unwrap_or(i64::MAX).saturating_add(1);
    if reach < length {
        return Err(HistogramFault::BoundsTooFew { n_bounds, length });
    }
    Ok(())
}

fn check_no_zero_bucket(histogram: &Histogram<'_>) -> Result<(), HistogramFault> {
    let zero_count_is_0 = match histogram.zero_count {
        None | Some(Count::Int(0)) => true,
        Some(Count::Int(_)) => false,
        Some(Count::Float(count)) => count == 0.0,
    };
    let negative = &histogram.negative;
    let has_values =
        negative.deltas.iter().next().is_some() || negative.counts.iter().next().is_some();
    let broken = [
        (!zero_count_is_0, "have zero count of 0"),
        (histogram.zero_threshold != 0.0, "have zero threshold of 0"),
        (negative.spans.iter().next().is_some(), "not have negative spans"),
        (has_values, "not have negative buckets"),
    ];
    match broken.iter().find(|(is_broken, _)| *is_broken) {
        Some((_, must)) => Err(HistogramFault::NotCustom(must)),
        None => Ok(()),
    }
}

fn check_integers(histogram: &Histogram<'_>) -> Result<(), HistogramFault> {
    let int = |count| match count {
        Some(Count::Int(n)) => n,
        // A zero bucket of the other kind is not read.
        _ => 0,
    };
    let mut buckets = i128::from(int(histogram.zero_count));
    for side in [&histogram.negative, &histogram.positive] {
        let mut count = 0_i128;
        for (at, delta) in side.deltas.iter().enumerate() {
            count += i128::from(delta);
            if count < 0 {
                let what = format!("bucket number {}", at + 1);
                #[expect(clippy::cast_precision_loss, reason = "to be shown")]
                return Err(HistogramFault::Bucket { what, count: count as f64 });
            }
            buckets += count;
        }
    }
    let count = int(histogram.count);
    let at_least = histogram.sum.is_nan();
    let is_right =
        if at_least { buckets <= i128::from(count) } else { buckets == i128::from(count) };
    if is_right { Ok(()) } else { Err(HistogramFault::Total { buckets, count, at_least }) }
}

fn check_floats(histogram: &Histogram<'_>) -> Result<(), HistogramFault> {
    if let Some(Count::Float(count)) = histogram.zero_count
        && count < 0.0
    {
        return Err(HistogramFault::Bucket { what: "zero bucket".to_owned(), count });
    }
    for side in [&histogram.negative, &histogram.positive] {
        let found = side.counts.iter().enumerate().find(|(_, count)| *count < 0.0);
        if let Some((at, count)) = found {
            return Err(HistogramFault::Bucket {
                what: format!("bucket number {}", at + 1),
                count,
            });
        }
    }
    match histogram.count {
        Some(Count::Float(count)) if count < 0.0 => Err(HistogramFault::Count(count)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two spans of which the second goes backwards.
    const BACK: [BucketSpan; 2] =
        [BucketSpan { offset: -3, length: 1 }, BucketSpan { offset: -1, length: 1 }];
    const BACK_AT_FIRST: [BucketSpan; 1] = [BucketSpan { offset: -1, length: 2 }];

    /// A histogram of one span of buckets above zero.
    #[track_caller]
    fn check(change: impl Fn(&mut Histogram<'_>), wrong: Option<&str>) {
        let spans = [BucketSpan { offset: 0, length: 2 }];
        let deltas = [1, 1];
        let mut histogram = Histogram {
            count: Some(Count::Int(4)),
            sum: 5.0,
            schema: 3,
            zero_count: Some(Count::Int(1)),
            ..Histogram::default()
        };
        histogram.positive.spans = spans[..].into();
        histogram.positive.deltas = deltas[..].into();
        change(&mut histogram);
        let told = validate(&histogram).map_err(|fault| fault.to_string());
        match wrong {
            None => assert_eq!(told, Ok(())),
            Some(text) => assert!(told.as_ref().is_err_and(|told| told.contains(text)), "{told:?}"),
        }
    }

    #[test]
    fn integer_histograms_are_judged() {
        check(|_| (), None);
        check(|h| *h = Histogram::default(), None);
        check(|h| h.count = Some(Count::Int(5)), Some("observation count should equal"));
        check(|h| h.sum = f64::NAN, None);
        let more = |h: &mut Histogram<'_>, n| (h.sum, h.count) = (f64::NAN, Some(Count::Int(n)));
        check(|h| more(h, 9), None);
        check(|h| more(h, 3), Some("should be at least"));
        for (schema, wrong) in [(-4, false), (8, false), (52, false), (53, true), (-5, true)] {
            check(|h| h.schema = schema, wrong.then_some("invalid schema"));
        }
        check(|h| h.positive.deltas = [1_i64, -2][..].into(), Some("bucket number 2 has"));
        check(|h| h.positive.deltas = [4_i64][..].into(), Some("spans need 2 buckets, have 1"));
        check(|h| h.positive.deltas = [i64::MAX, i64::MAX][..].into(), Some("should equal"));
        check(|h| h.positive.spans = BACK[..].into(), Some("span number 2 with offset -1"));
        check(|h| h.negative.spans = BACK[..1].into(), Some("spans need 1 buckets, have 0"));
        check(|h| h.custom_values = [1.0][..].into(), Some("must not have custom bounds"));
    }

    #[test]
    fn float_histograms_are_judged() {
        let float = |h: &mut Histogram<'_>| {
            h.count = Some(Count::Float(40.5));
            h.zero_count = Some(Count::Float(0.5));
            h.positive.counts = [1.0, 2.0][..].into();
        };
        check(float, None);
        check(|h| (float(h), h.count = Some(Count::Float(-1.0))).1, Some("count is negative"));
        check(|h| (float(h), h.zero_count = Some(Count::Float(-1.0))).1, Some("zero bucket has"));
        let negative = [1.0, -2.0];
        check(
            |h| {
                float(h);
                h.positive.counts = Box::leak(Box::new(negative))[..].into();
            },
            Some("bucket number 2"),
        );
    }

    #[test]
    fn custom_buckets_are_judged() {
        let custom = |h: &mut Histogram<'_>, bounds: &'static [f64]| {
            (h.schema, h.custom_values) = (-53, bounds.into());
            (h.zero_count, h.count) = (None, Some(Count::Int(3)));
        };
        check(|h| custom(h, &[1.0, 2.0]), None);
        check(|h| custom(h, &[1.0]), None);
        check(|h| custom(h, &[]), Some("too few"));
        check(|h| custom(h, &[2.0, 1.0]), Some("strictly increasing"));
        check(|h| custom(h, &[1.0, 1.0]), Some("strictly increasing"));
        check(|h| custom(h, &[f64::NEG_INFINITY, 1.0]), Some("strictly increasing"));
        check(|h| custom(h, &[1.0, f64::INFINITY]), Some("must be finite"));
        check(|h| custom(h, &[1.0, f64::NAN]), Some("must not be NaN"));
        check(|h| (custom(h, &[1.0]), h.zero_threshold = 0.1).1, Some("zero threshold of 0"));
        check(|h| (custom(h, &[1.0]), h.zero_count = Some(Count::Int(1))).1, Some("zero count"));
        check(
            |h| (custom(h, &[1.0]), h.negative.spans = BACK[..1].into()).1,
            Some("negative spans"),
        );
        check(
            |h| (custom(h, &[1.0]), h.positive.spans = BACK_AT_FIRST[..].into()).1,
            Some("offset -1"),
        );
    }
}
