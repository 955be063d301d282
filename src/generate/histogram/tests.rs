use proptest::prelude::*;

use super::*;
use crate::generate::spec::Extent;
use crate::generate::spec::NativeSpec;
use crate::generate::spec::NoiseSpec;
use crate::generate::spec::ResetSpec;

const CLOCK: ClockSpec = ClockSpec { start_ms: 0, interval_ms: 15_000 };
const HOUR_MS: i64 = 3_600_000;

fn leaf() -> impl Strategy<Value = DistributionSpec> {
    prop_oneof![
        (-5.0..5.0, 0.1..10.0)
            .prop_map(|(min, width)| DistributionSpec::Uniform { min, max: min + width }),
        (0.01..10.0).prop_map(|mean| DistributionSpec::Exponential { mean }),
        (-5.0..5.0, 0.1..3.0).prop_map(|(mean, stddev)| DistributionSpec::Normal { mean, stddev }),
        (-3.0..1.0, 0.1..1.2).prop_map(|(mu, sigma)| DistributionSpec::LogNormal { mu, sigma }),
        (0.1..3.0, 1.5..4.0).prop_map(|(scale, shape)| DistributionSpec::Pareto { scale, shape }),
    ]
}

fn distribution() -> impl Strategy<Value = DistributionSpec> {
    let drift = (leaf(), leaf(), 1000_i64..HOUR_MS).prop_map(|(from, to, over)| {
        let share = SignalSpec::Ramp { from: 0.0, to: 1.0, over: Extent::Duration(over) };
        let (from, to, share) = (Box::new(from), Box::new(to), Box::new(share));
        DistributionSpec::Drift { from, to, share }
    });
    prop_oneof![2 => leaf(), 1 => drift]
}

fn observations() -> impl Strategy<Value = CounterSpec> {
    let noise = |mean| {
        let distribution = DistributionSpec::Exponential { mean };
        SignalSpec::Noise(NoiseSpec { distribution, every: Extent::Points(1) })
    };
    let rate = prop_oneof![(0.01..500.0).prop_map(SignalSpec::Const), (0.1..50.0).prop_map(noise)];
    (rate, prop::option::of(60_000..HOUR_MS), any::<bool>()).prop_map(|(rate, every, integers)| {
        let resets = every.map(ResetSpec::Every).into_iter().collect();
        CounterSpec { source: CounterSource::Rate(rate), resets, integers }
    })
}

fn spec() -> impl Strategy<Value = HistogramSpec> {
    (observations(), distribution(), 1_u32..15).prop_map(|(observations, distribution, count)| {
        let buckets = BucketSpec::Exponential { start: 0.01, factor: 2.0, count };
        let native = Some(NativeSpec { schema: 2, zero_threshold: 0.001 });
        HistogramSpec { observations, distribution, buckets, native, window_ms: None }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Buckets rise with their bounds, `+Inf` is the count, and none ever falls but at a reset.
    #[test]
    fn buckets_are_cumulative_counters(
        spec in spec(), key: u64, factor in 0.1..3.0, times in
        prop::collection::btree_set(0..3 * HOUR_MS, 2..12), born in prop::option::of(0..HOUR_MS),
    ) {
        let histogram = Histogram::new(&spec, &CLOCK).unwrap();
        let mut before: Option<(Totals, Vec<f64>)> = None;
        for t in times.into_iter().filter(|t| born.is_none_or(|born| born <= *t)) {
            let mut counts = Vec::new();
            let frame = histogram.frame(t);
            let totals = histogram.at_frame(&frame, key, factor, born, &mut counts).unwrap();
            prop_assert_eq!(counts.len(), histogram.bounds().len() + 1);
            prop_assert!(counts.windows(2).all(|pair| pair[0] <= pair[1]), "{counts:?}");
            prop_assert!((counts[counts.len() - 1] - totals.count).abs() < f64::MIN_POSITIVE);
            if spec.observations.integers {
                prop_assert!(counts.iter().all(|count| count.fract() == 0.0));
            }
            if let Some((last, lower)) = before
                && last.created_ms == totals.created_ms
            {
                let rise = counts.iter().zip(&lower).all(|(now, then)| now >= then);
                prop_assert!(rise, "{lower:?} to {counts:?}");
                // Of positive values only.
                let positive = histogram.streams.means.iter().all(|mean| *mean >= 0.0);
                prop_assert!(!positive || totals.sum >= last.sum);
            }
            before = Some((totals, counts));
        }
    }

    /// The sum is the mean times the count, and the buckets are the shares of the distribution.
    #[test]
    fn sums_and_shares_are_those_of_the_distribution(
        distribution in leaf(), rate in 1.0..1000.0, key: u64, t in 1..HOUR_MS,
    ) {
        let observations = CounterSpec::new(SignalSpec::Const(rate));
        let buckets = BucketSpec::List(vec![-1.0, 0.0, 0.5, 2.0]);
        let spec = HistogramSpec {
            observations, distribution: distribution.clone(), buckets, native: None, window_ms: None,
        };
        let histogram = Histogram::new(&spec, &CLOCK).unwrap();
        let distribution = Distribution::new(&distribution).unwrap();
        let mut counts = Vec::new();
        let totals = histogram.at(key, 1.0, t, &mut counts).unwrap();
        prop_assert!((totals.sum - distribution.mean() * totals.count).abs() <= 1e-12 * totals.count);
        for (bound, count) in histogram.bounds().iter().zip(&counts) {
            let expected = distribution.cdf(*bound) * totals.count;
            prop_assert!((count - expected).abs() <= 1e-12 * totals.count);
        }
    }

    /// Native buckets hold the same observations, each in the bucket its value belongs to.
    #[test]
    fn native_buckets_agree_with_classic_ones(spec in spec(), key: u64, t in 1..HOUR_MS) {
        let histogram = Histogram::new(&spec, &CLOCK).unwrap();
        let mut counts = Vec::new();
        let totals = histogram.at(key, 1.0, t, &mut counts).unwrap();
        let native = histogram.native_at(key, 1.0, t).unwrap();
        let positive: f64 = native.positive.iter().map(|bucket| bucket.count).sum();
        let negative: f64 = native.negative.iter().map(|bucket| bucket.count).sum();
        let all = positive + negative + native.zero_count;
        prop_assert!((all - totals.count).abs() <= 1e-9 * totals.count, "{native:?}");
        let rising = |buckets: &[crate::generate::native::Bucket]| {
            buckets.windows(2).all(|pair| pair[0].index < pair[1].index)
        };
        prop_assert!(rising(&native.positive) && rising(&native.negative));
        // 0.01 * 2^i is no bound of schema 2, so compare at powers of 2: bucket 4 i ends at 2^i.
        for power in -3..6_i32 {
            let below = native.positive.iter().filter(|bucket| bucket.index <= 4 * power);
            let below: f64 = below.map(|bucket| bucket.count).sum();
            let last = native.positive.last().is_some_and(|last| last.index <= 4 * power);
            let (observed, _) = histogram.observed(&histogram.frame(t), key, 1.0, None).unwrap();
            let shares = histogram.streams.shares(libm::exp2(f64::from(power)));
            let expected = cumulative(&shares, &observed, spec.observations.integers);
            // Rare values beyond the last bucket are counted in it.
            let tolerance = if last { 1e-8 * totals.count + 1.0 } else { 1e-9 * totals.count };
            let found = below + negative + native.zero_count;
            let is_within = native.positive.first().is_some_and(|first| first.index <= 4 * power);
            if is_within {
                prop_assert!((found - expected).abs() <= tolerance, "{found}, {expected}");
            }
        }
    }

    /// A drift begins as one distribution and ends as the other; the count is that of the rate.
    #[test]
    fn a_drift_goes_from_one_end_to_the_other(from in leaf(), to in leaf(), rate in 1.0..100.0) {
        let share = SignalSpec::Ramp { from: 0.0, to: 1.0, over: Extent::Duration(HOUR_MS) };
        let (first, last) = (Distribution::new(&from).unwrap(), Distribution::new(&to).unwrap());
        let distribution = DistributionSpec::Drift {
            from: Box::new(from), to: Box::new(to), share: Box::new(share),
        };
        let observations = CounterSpec::new(SignalSpec::Const(rate));
        let quantiles = vec![0.5, 0.9];
        let spec = SummarySpec { observations, distribution, quantiles };
        let summary = Summary::new(&spec, &CLOCK).unwrap();
        for (t, end) in [(0, first), (HOUR_MS, last)] {
            let mut values = Vec::new();
            summary.at(1, 1.0, t, &mut values).unwrap();
            for (value, q) in values.iter().zip([0.5, 0.9]) {
                let expected = end.quantile(q);
                prop_assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1.0));
            }
        }
        let totals = summary.at(1, 1.0, 2 * HOUR_MS, &mut Vec::new()).unwrap();
        prop_assert!((totals.count - rate * 7200.0).abs() <= 1e-9 * totals.count);
    }
}

fn histogram(buckets: BucketSpec) -> HistogramSpec {
    HistogramSpec {
        observations: CounterSpec::new(SignalSpec::Const(10.0)),
        distribution: DistributionSpec::Uniform { min: 0.0, max: 1.0 },
        buckets,
        native: None,
        window_ms: None,
    }
}

#[test]
fn a_window_forgets() {
    let window_ms = Some(60_000);
    let spec = HistogramSpec { window_ms, ..histogram(BucketSpec::List(vec![0.5])) };
    let histogram = Histogram::new(&spec, &CLOCK).unwrap();
    let counts = |t| {
        let mut counts = Vec::new();
        histogram.at(1, 1.0, t, &mut counts).unwrap();
        counts
    };
    assert_eq!(counts(30_000), [150.0, 300.0]);
    assert_eq!(counts(HOUR_MS), [300.0, 600.0]);
}

#[test]
fn bounds_are_written_in_three_ways() {
    let bounds = |buckets| Histogram::new(&histogram(buckets), &CLOCK).unwrap().bounds().to_vec();
    assert_eq!(bounds(BucketSpec::List(vec![1.0, 5.0])), [1.0, 5.0]);
    let exponential = BucketSpec::Exponential { start: 1.0, factor: 10.0, count: 3 };
    assert_eq!(bounds(exponential), [1.0, 10.0, 100.0]);
    assert_eq!(bounds(BucketSpec::Linear { start: 1.0, width: 2.0, count: 3 }), [1.0, 3.0, 5.0]);
    assert_eq!(bounds(BucketSpec::List(vec![])), [0.0; 0]);
}

#[test]
fn mistakes_are_named() {
    #[track_caller]
    fn refuse(spec: &HistogramSpec, expected: &[&str]) {
        let errors = Histogram::new(spec, &CLOCK).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }
    let list = |bounds: &[f64]| histogram(BucketSpec::List(bounds.to_vec()));
    refuse(&list(&[1.0, 1.0]), &["buckets: 1 does not come after 1: they have to rise"]);
    let infinite = "buckets: inf is not a finite number; +Inf is there anyway";
    refuse(&list(&[1.0, f64::INFINITY]), &[infinite]);
    let many = BucketSpec::Linear { start: 0.0, width: 1.0, count: u32::MAX };
    refuse(&histogram(many), &["buckets: more than 1000"]);
    let overflow = BucketSpec::Exponential { start: 1.0, factor: 1e300, count: 3 };
    refuse(&histogram(overflow), &[infinite]);
    let mut spec = list(&[2.0, 1.0]);
    spec.observations = CounterSpec::new(SignalSpec::Const(-1.0));
    spec.distribution = DistributionSpec::Exponential { mean: 0.0 };
    refuse(
        &spec,
        &[
            "distribution.exponential.mean: 0 has to be above 0",
            "rate: the rate may fall to -1, below 0, and a counter never falls: clamp it at 0",
            "buckets: 1 does not come after 2: they have to rise",
        ],
    );
    let mut spec = list(&[1.0]);
    spec.distribution = DistributionSpec::LogNormal { mu: 0.0, sigma: 3.0 };
    spec.native = Some(NativeSpec { schema: 8, zero_threshold: 0.0 });
    let message = Histogram::new(&spec, &CLOCK).unwrap_err()[0].to_string();
    assert!(message.contains("take a lower one"), "{message}");
    spec.native = Some(NativeSpec { schema: 9, zero_threshold: 0.0 });
    refuse(&spec, &["buckets.native.schema: 9 is not from -4 to 8"]);
    let drift = |share| DistributionSpec::Drift {
        from: Box::new(DistributionSpec::Exponential { mean: 1.0 }),
        to: Box::new(DistributionSpec::Exponential { mean: 2.0 }),
        share: Box::new(share),
    };
    let mut spec = list(&[1.0]);
    spec.distribution = drift(SignalSpec::Const(2.0));
    refuse(&spec, &["distribution.drift.share: goes from 2 to 2, beyond 0 to 1"]);
    let summary = SummarySpec {
        observations: CounterSpec::new(SignalSpec::Const(1.0)),
        distribution: DistributionSpec::Exponential { mean: 1.0 },
        quantiles: vec![0.5, 1.5],
    };
    let errors = Summary::new(&summary, &CLOCK).unwrap_err();
    assert_eq!(errors[0].to_string(), "quantiles: 1.5 is not from 0 to 1");
}
