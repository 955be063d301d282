//! The same signals, read off the text of their definitions: slowly, and without randomness.

use super::compile::phase_value;
use super::reading::Reading;
use crate::generate::spec::Extent;
use crate::generate::spec::PeriodicSpec;
use crate::generate::spec::SignalSpec;

/// The step of discrete signals in these tests.
pub(super) const INTERVAL_MS: i64 = 1000;

/// What a signal shows `u` milliseconds after its beginning.
#[expect(clippy::too_many_lines, reason = "one arm a signal, as the definition reads")]
pub(super) fn at(spec: &SignalSpec, u: i64) -> Reading {
    if u < 0 {
        return Reading::Missing;
    }
    match spec {
        SignalSpec::Const(value) => Reading::Value(*value),
        SignalSpec::Linear { from, to, over: Extent::Points(n), .. } => {
            let i = u / INTERVAL_MS;
            let last = to_f64(i64::try_from(*n).unwrap() - 1).max(1.0);
            if u < ms(Extent::Points(*n)) {
                Reading::Value(from + to_f64(i) * (to - from) / last)
            } else {
                Reading::Ended
            }
        }
        SignalSpec::Linear { from, to, over, left_open, right_open } => {
            let length = ms(*over);
            let value = from + (to - from) * to_f64(u) / to_f64(length);
            match u {
                0 if *left_open => Reading::Missing,
                u if u > length || (u == length && *right_open) => Reading::Ended,
                _ => Reading::Value(value),
            }
        }
        SignalSpec::Ramp { from, to, over } => {
            let (left_open, right_open) = (false, true);
            let line =
                SignalSpec::Linear { from: *from, to: *to, over: *over, left_open, right_open };
            if u < ms(*over) { at(&line, u) } else { Reading::Value(*to) }
        }
        SignalSpec::Periodic(periodic) => wave(periodic, u),
        SignalSpec::Steps(steps) => {
            let mut begin = 0;
            for (value, extent) in steps {
                begin += ms(*extent);
                if u < begin {
                    return Reading::Value(*value);
                }
            }
            Reading::Ended
        }
        SignalSpec::Values(samples) => {
            let i = usize::try_from(u / ms(samples.every)).unwrap();
            match samples.values.get(i) {
                None => Reading::Ended,
                Some(None) => Reading::Missing,
                Some(Some(value)) => Reading::Value(*value),
            }
        }
        SignalSpec::Void(extent) => {
            if u < ms(*extent) {
                Reading::Missing
            } else {
                Reading::Ended
            }
        }
        SignalSpec::Join(specs) => {
            let mut begin = 0;
            let mut before = Reading::Missing;
            for spec in specs {
                let reading = at(spec, u - begin);
                if u == begin
                    && reading == Reading::Missing
                    && is_open(spec)
                    && let Reading::Value(_) = before
                {
                    return before;
                }
                let Some(length) = length(spec) else { return reading };
                if u - begin < length {
                    return reading;
                }
                before = if u - begin == length { reading } else { Reading::Missing };
                begin += length;
            }
            match before {
                Reading::Value(_) => before,
                _ => Reading::Ended,
            }
        }
        SignalSpec::Loop { signal, times } => {
            let pass = length(signal).unwrap();
            match times {
                Some(times) => {
                    let passes = vec![SignalSpec::clone(signal); usize::try_from(*times).unwrap()];
                    at(&SignalSpec::Join(passes), u)
                }
                None if u % pass == 0 && u > 0 && is_open(signal) => match at(signal, pass) {
                    Reading::Value(value) => Reading::Value(value),
                    _ => at(signal, 0),
                },
                None => at(signal, u % pass),
            }
        }
        SignalSpec::Take { signal, over } => {
            if u < ms(*over) {
                at(signal, u)
            } else {
                Reading::Ended
            }
        }
        SignalSpec::Add(specs) => fold(specs, u, |a, b| a + b),
        SignalSpec::Mul(specs) => fold(specs, u, |a, b| a * b),
        SignalSpec::Max(specs) => fold(specs, u, f64::max),
        SignalSpec::Min(specs) => fold(specs, u, f64::min),
        SignalSpec::Sum(specs) => {
            let readings: Vec<Reading> = specs.iter().map(|spec| at(spec, u)).collect();
            let values: Vec<f64> = readings.iter().filter_map(|reading| reading.value()).collect();
            if !values.is_empty() {
                Reading::Value(values.iter().sum())
            } else if readings.iter().all(|reading| *reading == Reading::Ended) {
                Reading::Ended
            } else {
                Reading::Missing
            }
        }
        SignalSpec::Clamp { signal, min, max } => at(signal, u).map(|value| {
            value.max(min.unwrap_or(f64::NEG_INFINITY)).min(max.unwrap_or(f64::INFINITY))
        }),
        SignalSpec::Delay { signal, by } => at(signal, u - ms(*by)),
        SignalSpec::Scale { signal, by } => at(signal, u).map(|value| value * by),
        SignalSpec::Quantise { signal, step } => {
            at(signal, u).map(|value| (value / step).round() * step)
        }
        other => panic!("{other:?} has no naive twin"),
    }
}

fn wave(spec: &PeriodicSpec, u: i64) -> Reading {
    let (PeriodicSpec::Sawtooth { period, .. }
    | PeriodicSpec::Triangle { period, .. }
    | PeriodicSpec::Square { period, .. }
    | PeriodicSpec::Sine { period, .. }
    | PeriodicSpec::Cosine { period, .. }
    | PeriodicSpec::Tangent { period, .. }) = spec;
    let u = if let Extent::Points(_) = period { u / INTERVAL_MS * INTERVAL_MS } else { u };
    let x = to_f64(u % ms(*period)) / to_f64(ms(*period));
    let turn = 2.0 * std::f64::consts::PI * x;
    Reading::Value(match spec {
        PeriodicSpec::Sine { mean, amplitude, .. } => mean + amplitude * turn.sin(),
        PeriodicSpec::Cosine { mean, amplitude, .. } => mean + amplitude * turn.cos(),
        PeriodicSpec::Tangent { mean, amplitude, clamp, .. } => {
            let tangent = if (x - 0.5).abs() < 1e-12 { *clamp } else { (turn / 2.0).tan() };
            mean + amplitude * tangent.clamp(-clamp, *clamp)
        }
        // The turn is at a whole millisecond.
        PeriodicSpec::Square { low, high, duty, period: Extent::Duration(period) } => {
            let first = (to_f64(*period) * duty).round();
            if to_f64(u % period) < first { *high } else { *low }
        }
        straight => phase_value(straight, x),
    })
}

fn fold(specs: &[SignalSpec], u: i64, f: impl Fn(f64, f64) -> f64) -> Reading {
    let readings: Vec<Reading> = specs.iter().map(|spec| at(spec, u)).collect();
    if readings.contains(&Reading::Ended) {
        return Reading::Ended;
    }
    let values: Option<Vec<f64>> = readings.iter().map(|reading| reading.value()).collect();
    values.and_then(|values| values.into_iter().reduce(f)).map_or(Reading::Missing, Reading::Value)
}

pub(super) fn length(spec: &SignalSpec) -> Option<i64> {
    match spec {
        SignalSpec::Linear { over, .. } => Some(ms(*over)),
        SignalSpec::Steps(steps) => Some(steps.iter().map(|(_, extent)| ms(*extent)).sum()),
        SignalSpec::Values(samples) => {
            Some(i64::try_from(samples.values.len()).unwrap() * ms(samples.every))
        }
        SignalSpec::Void(extent) => Some(ms(*extent)),
        SignalSpec::Join(specs) => specs.iter().map(length).sum(),
        SignalSpec::Loop { signal, times } => {
            times.map(|times| i64::try_from(times).unwrap() * length(signal).unwrap())
        }
        SignalSpec::Take { signal, over } => {
            Some(length(signal).map_or(ms(*over), |length| length.min(ms(*over))))
        }
        SignalSpec::Add(specs)
        | SignalSpec::Mul(specs)
        | SignalSpec::Max(specs)
        | SignalSpec::Min(specs) => specs.iter().filter_map(length).min(),
        SignalSpec::Sum(specs) => {
            let lengths: Option<Vec<i64>> = specs.iter().map(length).collect();
            lengths?.into_iter().max()
        }
        SignalSpec::Clamp { signal, .. }
        | SignalSpec::Scale { signal, .. }
        | SignalSpec::Quantise { signal, .. } => length(signal),
        SignalSpec::Delay { signal, by } => length(signal).map(|length| length + ms(*by)),
        _ => None,
    }
}

/// Whether the first instant is left to what is before it.
fn is_open(spec: &SignalSpec) -> bool {
    match spec {
        SignalSpec::Linear { left_open, over: Extent::Duration(_), .. } => *left_open,
        SignalSpec::Join(specs) => specs.first().is_some_and(is_open),
        SignalSpec::Loop { signal, .. }
        | SignalSpec::Take { signal, .. }
        | SignalSpec::Scale { signal, .. }
        | SignalSpec::Clamp { signal, .. } => is_open(signal),
        _ => false,
    }
}

pub(super) fn ms(extent: Extent) -> i64 {
    match extent {
        Extent::Points(n) => i64::try_from(n).unwrap() * INTERVAL_MS,
        Extent::Duration(ms) => ms,
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn to_f64(x: i64) -> f64 {
    x as f64
}
