//! Laws of signals and rates, and known values.

mod known;

use proptest::prelude::*;

use super::*;
use crate::generate::distribution::Distribution;
use crate::generate::signal::naive;
use crate::generate::spec::DistributionSpec;
use crate::generate::spec::Extent;
use crate::generate::spec::NoiseSpec;
use crate::generate::spec::PeriodicSpec;
use crate::generate::spec::Samples;

const CLOCK: ClockSpec = ClockSpec { start_ms: 0, interval_ms: naive::INTERVAL_MS };

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![(1_u64..12).prop_map(Extent::Points), (40_i64..9000).prop_map(Extent::Duration)]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(1.0), 0.0..50.0]
}

fn periodic() -> impl Strategy<Value = PeriodicSpec> {
    let numbers = (number(), number(), extent());
    (numbers, 0..6, 0.0..=1.0).prop_map(|((low, more, period), kind, duty)| {
        let (high, mean, amplitude) = (low + more, low + more, more);
        match kind {
            0 => PeriodicSpec::Sawtooth { low, high, period },
            1 => PeriodicSpec::Triangle { low, high, period: even(period) },
            2 => PeriodicSpec::Square { low, high, period, duty },
            3 => PeriodicSpec::Sine { mean, amplitude, period },
            4 => PeriodicSpec::Cosine { mean, amplitude: -amplitude, period },
            _ => PeriodicSpec::Tangent { mean, amplitude, period, clamp: 1.0 },
        }
    })
}

/// The first half of an odd period is the shorter by a millisecond, which the twin does not know.
fn even(period: Extent) -> Extent {
    match period {
        Extent::Duration(ms) => Extent::Duration(ms / 2 * 2),
        points @ Extent::Points(_) => points,
    }
}

fn linear() -> impl Strategy<Value = SignalSpec> {
    (number(), number(), extent(), any::<bool>(), any::<bool>()).prop_map(
        |(from, to, over, left_open, right_open)| {
            let discrete = matches!(over, Extent::Points(_));
            let left_open = left_open && !discrete;
            SignalSpec::Linear { from, to, over, left_open, right_open }
        },
    )
}

/// What ends.
fn finite() -> impl Strategy<Value = SignalSpec> {
    let values = prop::collection::vec(prop::option::weighted(0.8, number()), 1..6);
    let leaf = prop_oneof![
        3 => linear(),
        1 => extent().prop_map(SignalSpec::Void),
        1 => prop::collection::vec((number(), extent()), 1..4).prop_map(SignalSpec::Steps),
        1 => (values, extent()).prop_map(|(values, every)| {
            SignalSpec::Values(Samples { values, every, interpolate: false })
        }),
        2 => (endless(), extent()).prop_map(|(signal, over)| {
            SignalSpec::Take { signal: Box::new(signal), over }
        }),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(SignalSpec::Join),
            (inner.clone(), 1_u64..4).prop_map(|(signal, times)| {
                SignalSpec::Loop { signal: Box::new(signal), times: Some(times) }
            }),
            prop::collection::vec(inner, 1..4).prop_map(SignalSpec::Sum),
        ]
    })
}

/// What goes on for ever.
fn endless() -> impl Strategy<Value = SignalSpec> {
    prop_oneof![
        number().prop_map(SignalSpec::Const),
        (number(), number(), extent())
            .prop_map(|(from, to, over)| { SignalSpec::Ramp { from, to, over } }),
        periodic().prop_map(SignalSpec::Periodic),
    ]
}

/// Anything that has a naive twin, and is never below 0.
fn any_signal() -> impl Strategy<Value = SignalSpec> {
    let leaf = prop_oneof![
        finite(),
        endless(),
        finite().prop_map(|signal| SignalSpec::Loop { signal: Box::new(signal), times: None }),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        let boxed = inner.prop_map(Box::new);
        prop_oneof![
            several.clone().prop_map(SignalSpec::Add),
            several.clone().prop_map(SignalSpec::Mul),
            several.clone().prop_map(SignalSpec::Max),
            several.clone().prop_map(SignalSpec::Min),
            several.prop_map(SignalSpec::Sum),
            (boxed.clone(), 0.0..20.0, 20.0..60.0).prop_map(|(signal, min, max)| {
                SignalSpec::Clamp { signal, min: Some(min), max: Some(max) }
            }),
            (boxed.clone(), extent()).prop_map(|(signal, by)| SignalSpec::Delay { signal, by }),
            (boxed.clone(), number()).prop_map(|(signal, by)| SignalSpec::Scale { signal, by }),
            (boxed, 0.5..9.0).prop_map(|(signal, step)| SignalSpec::Quantise { signal, step }),
        ]
    })
}

fn noise(distribution: DistributionSpec, every: Extent) -> SignalSpec {
    SignalSpec::Noise(NoiseSpec { distribution, every })
}

/// Rates in which series differ.
fn random_rate() -> impl Strategy<Value = SignalSpec> {
    let distribution = prop_oneof![
        (0.0..5.0, 0.1..50.0)
            .prop_map(|(min, width)| DistributionSpec::Uniform { min, max: min + width }),
        (0.1..50.0).prop_map(|mean| DistributionSpec::Exponential { mean }),
        (-1.0..2.0, 0.1..1.5).prop_map(|(mu, sigma)| DistributionSpec::LogNormal { mu, sigma }),
    ];
    let plain = (distribution, extent())
        .prop_map(|(distribution, every)| noise(distribution, every))
        .boxed();
    let walk = (0.1..9.0, extent())
        .prop_map(|(step, every)| SignalSpec::RandomWalk {
            start: None,
            step,
            min: Some(1.0),
            max: Some(40.0),
            every,
        })
        .boxed();
    prop_oneof![
        plain.clone(),
        walk.clone(),
        (plain.clone(), endless()).prop_map(|(noise, shape)| SignalSpec::Mul(vec![shape, noise])),
        (plain.clone(), 0.1..5.0)
            .prop_map(|(noise, min)| SignalSpec::Max(vec![SignalSpec::Const(min), noise])),
        (plain, walk, any_signal()).prop_map(|(a, b, c)| SignalSpec::Sum(vec![a, b, c])),
    ]
}

/// The same but for the last digits.
fn is_near(a: Reading, b: Reading, scale: f64) -> bool {
    match (a, b) {
        (Reading::Value(a), Reading::Value(b)) => (a - b).abs() <= 1e-9 * scale.max(1.0),
        (a, b) => a == b,
    }
}

/// Quantising turns the last digit into a step, so it is not compared with another way of reckoning.
fn is_steady(spec: &SignalSpec) -> bool {
    !format!("{spec:?}").contains("Quantise")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What a signal shows is what its definition says, in any order of questions.
    #[test]
    fn a_signal_agrees_with_its_naive_twin(
        spec in any_signal().prop_filter("steady", is_steady),
        times in prop::collection::vec(-10_i64..80_000, 1..40),
    ) {
        let signal = Signal::new(&spec, &CLOCK).unwrap();
        let (least, greatest) = signal.bounds();
        let scale = least.abs().max(greatest.abs());
        for u in times {
            for u in [u, u / 1000 * 1000] {
                let (found, expected) = (signal.at(7, u), naive::at(&spec, u));
                prop_assert!(is_near(found, expected, scale), "{found:?}, {expected:?} at {u}");
                if let Reading::Value(value) = found {
                    prop_assert!((least..=greatest).contains(&value), "{value}: {least}…{greatest}");
                }
            }
        }
        prop_assert_eq!(signal.length_ms(), naive::length(&spec));
    }

    /// An integral never falls, and rises by what the rate says, millisecond by millisecond.
    #[test]
    fn an_integral_is_that_of_its_rate(
        spec in prop_oneof![any_signal(), random_rate()],
        key: u64,
        near in 0_i64..60_000,
        far in 0_i64..1 << 41,
    ) {
        // Not all arithmetic has an integral; what has none says so.
        let Ok(rate) = Rate::new(&spec, &CLOCK) else { return Ok(()) };
        for from in [near, far] {
            let (mut naive, mut variation) = (0.0, 0.0);
            let begin = rate.integral(key, from);
            let (mut before, mut last) = (begin, rate.at(key, from).value().unwrap_or(0.0));
            for u in from..from + 2500 {
                let value = rate.at(key, u + 1).value().unwrap_or(0.0);
                naive += last / 1000.0;
                variation += (value - last).abs() / 1000.0;
                last = value;
                let integral = rate.integral(key, u + 1);
                prop_assert!(integral >= before, "{before} falls to {integral} at {u}");
                before = integral;
            }
            let rise = before - begin;
            // A modulated noise counts its way in parts of a millisecond.
            let part = 2e-8 * rate.node.bounds().1.max(0.0);
            let tolerance = 1.001 * variation + 1e-9 * naive + part + 4.0 * f64::EPSILON * before;
            prop_assert!((rise - naive).abs() <= tolerance, "{rise} is not {naive} from {from}");
        }
    }

    /// A rate that goes by cells has the integral of its cells, to the last digits.
    #[test]
    fn cells_are_exact(
        values in prop::collection::vec(prop::option::of(number()), 1..9),
        every in extent(),
        passes in 0_i64..1_000_000,
        rest in 0_i64..60_000,
    ) {
        let samples = Samples { values: values.clone(), every, interpolate: false };
        let signal = Box::new(SignalSpec::Values(samples));
        let rate = Rate::new(&SignalSpec::Loop { signal, times: None }, &CLOCK).unwrap();
        let width = naive::ms(every);
        let pass = width * i64::try_from(values.len()).unwrap();
        let u = passes * pass + rest % pass;
        let cells = values.iter().map(|value| value.unwrap_or(0.0)).enumerate();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of some years")]
        let begun = |i: usize| {
            let begin = i64::try_from(i).unwrap() * width;
            let part = (u % pass - begin).clamp(0, width);
            (passes * width + part) as f64
        };
        let naive: f64 = cells.map(|(i, value)| value * begun(i)).sum::<f64>() / 1000.0;
        let found = rate.integral(1, u);
        prop_assert!((found - naive).abs() <= 1e-14 * naive, "{found} is not {naive}");
    }

    /// Two processes, two orders, one answer: nothing is remembered.
    #[test]
    fn questions_may_come_in_any_order(
        spec in random_rate(),
        times in prop::collection::vec(0_i64..1 << 42, 1..20),
        key: u64,
    ) {
        let ask = |signal: &Signal, rate: Option<&Rate>, t: i64| {
            let integral = rate.map(|rate| rate.integral(key, t).to_bits());
            (format!("{:?}", signal.at(key, t)), integral)
        };
        let (one, other) = (Signal::new(&spec, &CLOCK).unwrap(), Signal::new(&spec, &CLOCK).unwrap());
        let (rate, again) = (Rate::new(&spec, &CLOCK).ok(), Rate::new(&spec, &CLOCK).ok());
        let forwards: Vec<_> = times.iter().map(|t| ask(&one, rate.as_ref(), *t)).collect();
        let mut backwards: Vec<_> =
            times.iter().rev().map(|t| ask(&other, again.as_ref(), *t)).collect();
        backwards.reverse();
        prop_assert_eq!(forwards, backwards);
    }

    /// A wave that touches 0 does not fall there, whatever its period.
    #[test]
    fn waves_do_not_fall_where_they_hardly_rise(
        period in 10_i64..1 << 42,
        amplitude in 0.001..1e6,
        waves in 0_i64..10_000,
        around in -400_i64..400,
        kind in 0..4,
    ) {
        let (mean, period) = (amplitude, period * 4);
        let (wave, trough) = match kind {
            0 => (shape::Wave::sine(mean, amplitude, period), period / 4 * 3),
            1 => (shape::Wave::sine(mean, -amplitude, period), period / 4),
            2 => (shape::Wave::cosine(mean, amplitude, period, 0), period / 2),
            _ => (shape::Wave::cosine(mean, amplitude, period, 17), period / 2 + 17),
        };
        for begin in [trough, 0] {
            let u = (waves * period + begin + around).max(0);
            let integrals = [0, 1, 2, 5, 100].map(|step| wave.integral(u + step));
            prop_assert!(integrals.windows(2).all(|pair| pair[0] <= pair[1]), "{integrals:?}");
            prop_assert!(wave.at(u) >= 0.0);
        }
    }
}

/// The laws of noise hold for what reaches a counter: mean and spread over a long time.
#[test]
fn a_noise_brings_its_mean() {
    let distribution = DistributionSpec::LogNormal { mu: 0.5, sigma: 1.0 };
    let mean = Distribution::new(&distribution).unwrap().mean();
    let rate = Rate::new(&noise(distribution, Extent::Points(1)), &CLOCK).unwrap();
    let year_s = 31_536_000.0;
    let brought = rate.integral(3, 31_536_000_000) / year_s;
    assert!((brought / mean - 1.0).abs() < 1e-5, "{brought} is not {mean}");
}
