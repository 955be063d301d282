//! Known values, ends and mistakes.

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What a signal shows at each interval, for a glance: `_` missing, `s` stale, `.` ended.
#[track_caller]
fn check(spec: &SignalSpec, expected: &str) {
    let signal = Signal::new(spec, &CLOCK).unwrap();
    let n = i64::try_from(expected.split(' ').count()).unwrap();
    let found: Vec<String> = (0..n).map(|i| spelt(signal.at(7, i * 1000))).collect();
    assert_eq!(found.join(" "), expected);
}

fn spelt(reading: Reading) -> String {
    match reading {
        Reading::Value(value) => value.to_string(),
        Reading::Native => "n".to_owned(),
        Reading::Missing => "_".to_owned(),
        Reading::Stale => "s".to_owned(),
        Reading::Ended => ".".to_owned(),
    }
}

fn notation(text: &str) -> SignalSpec {
    SignalSpec::Notation(text.to_owned())
}

fn boxed(spec: SignalSpec) -> Box<SignalSpec> {
    Box::new(spec)
}

fn points(from: f64, to: f64, n: u64) -> SignalSpec {
    let over = Extent::Points(n);
    SignalSpec::Linear { from, to, over, left_open: false, right_open: false }
}

fn line(from: f64, to: f64, ms: i64, left_open: bool, right_open: bool) -> SignalSpec {
    SignalSpec::Linear { from, to, over: Extent::Duration(ms), left_open, right_open }
}

#[test]
fn discrete_lines_have_their_points() {
    check(&points(10.0, 30.0, 3), "10 20 30 .");
    check(&points(10.0, 30.0, 1), "10 .");
    check(&points(5.0, 5.0, 2), "5 5 .");
}

#[test]
fn continuous_lines_have_open_or_closed_ends() {
    check(&line(0.0, 4.0, 2000, false, false), "0 2 4 .");
    check(&line(0.0, 4.0, 2000, true, false), "_ 2 4 .");
    check(&line(0.0, 4.0, 2000, false, true), "0 2 . .");
    let joined = |left_open, right_open| {
        let first = line(0.0, 4.0, 2000, false, right_open);
        SignalSpec::Join(vec![first, line(9.0, 9.0, 1000, left_open, false)])
    };
    check(&joined(false, false), "0 2 9 9 .");
    check(&joined(true, false), "0 2 4 9 .");
    check(&joined(true, true), "0 2 _ 9 .");
}

#[test]
fn notation_is_played_as_promtool_plays_it() {
    check(&notation("-2+4x3 _x2 1x1 stale 7"), "-2 2 6 10 _ _ 1 1 s 7 .");
    check(&notation("{{sum:1}}+{{sum:2}}x1 3"), "n n 3 .");
    let signal = Signal::new(&notation("{{sum:1}}+{{sum:2}}x2"), &CLOCK).unwrap();
    let sums: Vec<Option<f64>> =
        (0..4).map(|i| signal.native_at(i * 1000).map(|histogram| histogram.sum)).collect();
    assert_eq!(sums, [Some(1.0), Some(3.0), Some(5.0), None]);
    assert_eq!(signal.native_at(-1), None);
}

#[test]
fn what_is_inside_may_end_and_begin_again() {
    let pulse = SignalSpec::Join(vec![points(1.0, 2.0, 2), SignalSpec::Void(Extent::Points(1))]);
    check(&SignalSpec::Loop { signal: boxed(pulse.clone()), times: Some(2) }, "1 2 _ 1 2 _ . .");
    check(&SignalSpec::Loop { signal: boxed(pulse.clone()), times: None }, "1 2 _ 1 2 _ 1 2");
    check(
        &SignalSpec::Delay { signal: boxed(pulse.clone()), by: Extent::Points(2) },
        "_ _ 1 2 _ .",
    );
    let cut = SignalSpec::Take { signal: boxed(SignalSpec::Const(3.0)), over: Extent::Points(2) };
    check(&cut, "3 3 .");
    check(&SignalSpec::Add(vec![SignalSpec::Const(1.0), pulse.clone()]), "2 3 _ . .");
    check(&SignalSpec::Sum(vec![SignalSpec::Const(1.0), pulse]), "2 3 1 1 1");
}

#[test]
fn shapes_go_where_they_should() {
    let discrete = |spec| check_all(&SignalSpec::Periodic(spec));
    let period = Extent::Points(4);
    let (low, high) = (0.0, 8.0);
    assert_eq!(discrete(PeriodicSpec::Sawtooth { low, high, period }), "0 2 4 6 0 2");
    assert_eq!(discrete(PeriodicSpec::Triangle { low, high, period }), "0 4 8 4 0 4");
    assert_eq!(discrete(PeriodicSpec::Square { low, high, period, duty: 0.25 }), "8 0 0 0 8 0");
    let ramp = SignalSpec::Ramp { from: 1.0, to: 3.0, over: Extent::Duration(2000) };
    check(&ramp, "1 2 3 3 3");
    let values = vec![Some(1.0), Some(3.0), None, Some(5.0)];
    let samples =
        |interpolate| Samples { values: values.clone(), every: Extent::Points(2), interpolate };
    check(&SignalSpec::Values(samples(false)), "1 1 3 3 _ _ 5 5 .");
    check(&SignalSpec::Values(samples(true)), "1 2 3 3 _ _ 5 5 .");
    let exponential = SignalSpec::Exponential { from: 1.0, to: 16.0, over: Extent::Points(5) };
    let signal = Signal::new(&exponential, &CLOCK).unwrap();
    for (i, expected) in (0..).zip([1.0, 2.0, 4.0, 8.0, 16.0]) {
        assert!((signal.at(0, i * 1000).value().unwrap() - expected).abs() < 1e-12);
    }
    let csv = SignalSpec::Csv {
        text: "t,v\n0,5\n1,\n2,7".to_owned(),
        column: "v".to_owned(),
        every: Extent::Points(1),
    };
    check(&csv, "5 _ 7 .");
}

fn check_all(spec: &SignalSpec) -> String {
    let signal = Signal::new(spec, &CLOCK).unwrap();
    (0..6).map(|i| spelt(signal.at(7, i * 1000))).collect::<Vec<_>>().join(" ")
}

#[test]
fn days_and_weeks_follow_the_calendar() {
    // A Thursday at 06:00 UTC.
    let clock = ClockSpec { start_ms: 6 * HOUR, interval_ms: 15_000 };
    let peak_ms = 14 * HOUR;
    let diurnal = SignalSpec::Diurnal { low: 10.0, high: 30.0, peak_ms };
    let signal = Signal::new(&diurnal, &clock).unwrap();
    let at = |signal: &Signal, t: i64| (signal.at(1, t).value().unwrap() * 1e6).round() / 1e6;
    assert!((at(&signal, 14 * HOUR) - 30.0).abs() < 1e-9);
    assert!((at(&signal, 8 * DAY + 2 * HOUR) - 10.0).abs() < 1e-9);
    assert!((at(&signal, 8 * HOUR) - 20.0).abs() < 1e-9);
    let weekly = SignalSpec::Weekly { low: 10.0, high: 30.0, peak_ms, weekend: 0.5 };
    let signal = Signal::new(&weekly, &clock).unwrap();
    let peaks: Vec<f64> = (0..9).map(|day| at(&signal, day * DAY + 14 * HOUR)).collect();
    // Thursday, Friday, Saturday, Sunday, Monday …
    assert_eq!(peaks, [30.0, 30.0, 15.0, 15.0, 30.0, 30.0, 30.0, 30.0, 30.0]);
    // Delayed by a day it is the same: the calendar does not move.
    let by = Extent::Duration(DAY);
    let delayed = SignalSpec::Delay { signal: boxed(weekly.clone()), by };
    let signal = Signal::new(&delayed, &clock).unwrap();
    assert!((at(&signal, 2 * DAY + 14 * HOUR) - 15.0).abs() < 1e-9);
    let rate = Rate::new(&weekly, &clock).unwrap();
    let week = rate.integral(1, clock.start_ms + 7 * DAY);
    assert!((week - 20.0 * 86_400.0 * 6.0).abs() < 1e-3, "{week}");
}

#[test]
fn ends_are_followed_by_what_was_asked_for() {
    let data = SignalSpec::Join(vec![points(1.0, 2.0, 2), SignalSpec::Void(Extent::Points(1))]);
    let after = |end| {
        let value = Value::new(&ValueSpec { signal: data.clone(), end }, &CLOCK).unwrap();
        (0..6).map(|i| spelt(value.at(7, i * 1000))).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(after(EndSpec::Loop), "1 2 _ 1 2 _");
    assert_eq!(after(EndSpec::Last), "1 2 _ 2 2 2");
    assert_eq!(after(EndSpec::Value(9.0)), "1 2 _ 9 9 9");
    assert_eq!(after(EndSpec::Missing), "1 2 _ _ _ _");
    assert_eq!(after(EndSpec::Stale), "1 2 _ s s s");
    let nothing = ValueSpec { signal: SignalSpec::Void(Extent::Points(1)), end: EndSpec::Last };
    assert_eq!(Value::new(&nothing, &CLOCK).unwrap().at(7, 5000), Reading::Missing);
}

#[track_caller]
fn refuse(spec: &SignalSpec, expected: &[&str]) {
    let errors = Signal::new(spec, &CLOCK).unwrap_err();
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(said, expected);
}

#[test]
fn mistakes_are_all_named_with_their_place() {
    let sine = |period| PeriodicSpec::Sine { mean: f64::NAN, amplitude: 1.0, period };
    let zero = SignalSpec::Periodic(sine(Extent::Points(0)));
    refuse(
        &SignalSpec::Join(vec![points(0.0, f64::INFINITY, 2), zero]),
        &[
            "join[0].linear.to: inf is not a finite number",
            "join[0].linear: the way from one end to the other is beyond a double",
            "join[1].sine.mean: NaN is not a finite number",
            "join[1].sine.period: has to be above 0",
        ],
    );
    let endless = SignalSpec::Join(vec![SignalSpec::Const(1.0), points(0.0, 1.0, 2)]);
    refuse(&endless, &["join[0]: never ends, so what follows never begins"]);
    refuse(&SignalSpec::Join(vec![]), &["join: is empty: give at least one signal"]);
    refuse(&SignalSpec::Add(vec![]), &["add: is empty: give at least one signal"]);
    let looped = |signal, times| SignalSpec::Loop { signal: boxed(signal), times };
    refuse(
        &looped(SignalSpec::Const(1.0), None),
        &["loop.signal: never ends, so it cannot begin again"],
    );
    refuse(&looped(points(0.0, 1.0, 2), Some(0)), &["loop.times: has to be at least 1"]);
    refuse(
        &looped(points(0.0, 1.0, 2), Some(u64::MAX)),
        &["loop.times: takes longer than a million years"],
    );
    refuse(
        &looped(notation(""), None),
        &["loop.signal.notation: stands for no sample: give at least one"],
    );
    refuse(
        &looped(notation("_x0"), None),
        &["loop.signal.notation: stands for no sample: give at least one"],
    );
    refuse(
        &notation("1 x"),
        &["notation: column 3: \"x\" is no value: expected a number or \"stale\""],
    );
    let negative = Extent::Duration(-1);
    refuse(&SignalSpec::Void(negative), &["void: has to be above 0"]);
    let many = Extent::Points(u64::MAX);
    refuse(&SignalSpec::Void(many), &["void: is longer than a million years"]);
    refuse(
        &noise(DistributionSpec::Exponential { mean: 0.0 }, Extent::Points(1)),
        &["noise.exponential.mean: 0 has to be above 0"],
    );
    let clamp =
        SignalSpec::Clamp { signal: boxed(SignalSpec::Const(1.0)), min: Some(2.0), max: Some(1.0) };
    refuse(&clamp, &["clamp.max: 1 is below min, which is 2"]);
    let exponential = SignalSpec::Exponential { from: -1.0, to: 1.0, over: Extent::Points(3) };
    refuse(&exponential, &["exponential: from and to have to be both above or both below 0"]);
}

#[test]
fn a_tower_of_signals_is_refused_not_climbed() {
    let tower = (0..100_u32).fold(SignalSpec::Const(1.0), |signal, _| SignalSpec::Scale {
        signal: boxed(signal),
        by: 1.0,
    });
    let errors = Signal::new(&tower, &CLOCK).unwrap_err();
    assert!(errors[0].message.contains("nest deeper"), "{errors:?}");
}

#[track_caller]
fn refuse_rate(spec: &SignalSpec, expected: &str) {
    let errors = Rate::new(spec, &CLOCK).unwrap_err();
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn rates_without_an_integral_are_refused() {
    let wave = |mean| PeriodicSpec::Sine { mean, amplitude: 3.0, period: Extent::Duration(9000) };
    let wave = |mean| SignalSpec::Periodic(wave(mean));
    refuse_rate(
        &wave(1.0),
        "the rate may fall to -2, below 0, and a counter never falls: clamp it at 0",
    );
    let clamped = SignalSpec::Clamp { signal: boxed(wave(1.0)), min: Some(0.0), max: None };
    assert!(Rate::new(&clamped, &CLOCK).is_ok());
    refuse_rate(&notation("{{}}"), "a native histogram is no rate");
    refuse_rate(&notation("1 NaN"), "NaN is no rate");
    refuse_rate(&notation("1 inf"), "inf is no rate");
    let values = vec![Some(1.0), Some(f64::NAN)];
    let samples = Samples { values, every: Extent::Points(1), interpolate: false };
    refuse_rate(&SignalSpec::Values(samples), "NaN is no rate");
    let even = || noise(DistributionSpec::Uniform { min: 1.0, max: 2.0 }, Extent::Points(1));
    let errors = Rate::new(&SignalSpec::Mul(vec![even(), even()]), &CLOCK).unwrap_err();
    assert!(errors[0].message.contains("one noise"), "{errors:?}");
    let slow = |ms| PeriodicSpec::Sine { mean: 5.0, amplitude: 1.0, period: Extent::Duration(ms) };
    let slow = |ms| SignalSpec::Periodic(slow(ms));
    let product = SignalSpec::Mul(vec![slow(999_983), slow(7_999_993)]);
    let errors = Rate::new(&product, &CLOCK).unwrap_err();
    assert!(errors[0].message.contains("is the limit"), "{errors:?}");
}

#[test]
fn questions_beyond_time_are_answered() {
    let clock = ClockSpec { start_ms: i64::MIN, interval_ms: 1000 };
    for spec in [SignalSpec::Const(1.0), notation("1x5")] {
        let (signal, rate) =
            (Signal::new(&spec, &clock).unwrap(), Rate::new(&spec, &clock).unwrap());
        for t in [i64::MIN, -1, 0, i64::MAX] {
            assert_ne!(signal.at(1, t), Reading::Missing);
            assert!(rate.integral(1, t).is_finite());
        }
    }
    let late = ClockSpec { start_ms: i64::MAX, interval_ms: 1000 };
    let signal = Signal::new(&SignalSpec::Const(1.0), &late).unwrap();
    assert_eq!(signal.at(1, i64::MIN), Reading::Missing);
    let still = ClockSpec { start_ms: 0, interval_ms: 0 };
    assert!(Signal::new(&SignalSpec::Const(1.0), &still).is_err());
}
