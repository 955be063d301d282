use proptest::prelude::*;

use super::*;
use crate::generate::spec::DistributionSpec;
use crate::generate::spec::Extent;
use crate::generate::spec::NoiseSpec;
use crate::generate::spec::PeriodicSpec;
use crate::generate::spec::ResetSpec;
use crate::generate::spec::SignalSpec;
use crate::generate::spec::ValueSpec;

const CLOCK: ClockSpec = ClockSpec { start_ms: 1_000_000, interval_ms: 15_000 };
const HOUR_MS: i64 = 3_600_000;

fn rate() -> impl Strategy<Value = SignalSpec> {
    let noise =
        |distribution| SignalSpec::Noise(NoiseSpec { distribution, every: Extent::Points(1) });
    let wave = |period: i64| {
        let period = Extent::Duration(period);
        SignalSpec::Periodic(PeriodicSpec::Sine { mean: 5.0, amplitude: 5.0, period })
    };
    let exponential = |mean| DistributionSpec::Exponential { mean };
    prop_oneof![
        (0.0..1000.0).prop_map(SignalSpec::Const),
        (60_000_i64..HOUR_MS).prop_map(wave),
        (0.1..100.0).prop_map(move |mean| noise(exponential(mean))),
        (60_000_i64..HOUR_MS, 0.1..10.0).prop_map(move |(period, mean)| {
            SignalSpec::Mul(vec![wave(period), noise(exponential(mean))])
        }),
    ]
}

fn reset() -> impl Strategy<Value = ResetSpec> {
    prop_oneof![
        (0..10 * HOUR_MS).prop_map(ResetSpec::At),
        (60_000..HOUR_MS).prop_map(ResetSpec::Every),
        (0.0..1.0).prop_map(ResetSpec::PerHour),
    ]
}

fn value(reading: CounterReading) -> f64 {
    reading.reading.value().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What Prometheus adds up, a fall taken for a reset, is the integral between the resets; and
    /// between two of them a counter never falls.
    #[test]
    fn the_increase_is_the_integral(
        rate in rate(),
        resets in prop::collection::vec(reset(), 0..3),
        key: u64,
        integers: bool,
        times in prop::collection::btree_set(0_i64..20 * HOUR_MS, 2..30),
    ) {
        let source = CounterSource::Rate(rate.clone());
        let counter = Counter::new(&CounterSpec { source, resets, integers }, &CLOCK).unwrap();
        let rate = Rate::new(&rate, &CLOCK).unwrap();
        let times: Vec<i64> = times.into_iter().map(|t| CLOCK.start_ms + t).collect();
        for pair in times.windows(2) {
            let (before, after) = (counter.at(key, 1.0, pair[0]), counter.at(key, 1.0, pair[1]));
            prop_assert!(before.created_ms <= pair[0] && after.created_ms <= pair[1]);
            prop_assert!(before.created_ms <= after.created_ms);
            let begin = if before.created_ms == after.created_ms {
                prop_assert!(value(before) <= value(after));
                value(before)
            } else {
                prop_assert!(after.created_ms > pair[0]);
                0.0
            };
            let from = if before.created_ms == after.created_ms { pair[0] } else { after.created_ms };
            let integral = rate.integral(key, pair[1]) - rate.integral(key, from);
            // Two roundings of values as large as what there has been since the start.
            let digits = 4.0 * f64::EPSILON * rate.integral(key, pair[1]);
            let tolerance = if integers { 1.0 + digits } else { digits };
            prop_assert!((value(after) - begin - integral).abs() <= tolerance);
            prop_assert!(!integers || value(after).fract() == 0.0);
        }
    }

    /// A factor scales, a birth shifts, and frames change nothing.
    #[test]
    fn factors_and_births(
        rate in rate(), key: u64, factor in 0.0..10.0, t in 0..HOUR_MS, born in 0..HOUR_MS,
    ) {
        let (t, born) = (CLOCK.start_ms + t, CLOCK.start_ms + born);
        let counter = Counter::new(&CounterSpec::new(rate), &CLOCK).unwrap();
        let plain = value(counter.at(key, 1.0, t));
        prop_assert!((value(counter.at(key, factor, t)) - factor * plain).abs() <= 1e-12 * plain);
        let reading = counter.at_frame(&counter.frame(t), key, 1.0, Some(born));
        prop_assert_eq!(reading.created_ms, born);
        let expected = (plain - value(counter.at(key, 1.0, born))).max(0.0);
        prop_assert!((value(reading) - expected).abs() <= 1e-12 * plain);
    }
}

#[test]
fn before_the_start_there_is_nothing() {
    let counter = Counter::new(&CounterSpec::new(SignalSpec::Const(1.0)), &CLOCK).unwrap();
    assert_eq!(counter.at(1, 1.0, 999_999).reading, Reading::Missing);
    assert_eq!(counter.at(1, 1.0, 1_000_000).reading, Reading::Value(0.0));
    assert_eq!(counter.at(1, 1.0, i64::MIN).reading, Reading::Missing);
}

#[test]
fn given_values_are_shown_as_they_are() {
    let value = ValueSpec::new(SignalSpec::Notation("5+2.5x1 1".to_owned()));
    let source = CounterSource::Value(value);
    let spec = CounterSpec { source, resets: Vec::new(), integers: true };
    let counter = Counter::new(&spec, &CLOCK).unwrap();
    let found: Vec<Reading> =
        (0..4).map(|i| counter.at(1, 1.0, CLOCK.start_ms + i * 15_000).reading).collect();
    let expected = [Reading::Value(5.0), Reading::Value(7.0), Reading::Value(1.0), Reading::Stale];
    assert_eq!(found, expected);
    let resets = vec![ResetSpec::Every(1)];
    let errors = Counter::new(&CounterSpec { resets, ..spec }, &CLOCK).unwrap_err();
    assert_eq!(errors[0].path, "resets");
}

#[test]
fn errors_say_where_the_rate_is_wrong() {
    let rate = SignalSpec::Add(vec![SignalSpec::Const(f64::NAN)]);
    let errors = Counter::new(&CounterSpec::new(rate), &CLOCK).unwrap_err();
    assert_eq!(errors[0].to_string(), "rate.add[0].const: NaN is not a finite number");
}
