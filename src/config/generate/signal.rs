//! Signals and distributions: from nodes to what `generate` takes.
//!
//! Where something is wrong it is reported and anything at all is returned: nothing that was
//! decoded is used once there is an error.

use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::config::generate::shape::Record;
use crate::config::generate::shape::Shape;
use crate::config::generate::shape::list;
use crate::config::generate::tables;
use crate::config::generate::values;
use crate::config::node::Kind;
use crate::config::node::Node;
use crate::generate::spec::DistributionSpec;
use crate::generate::spec::Extent;
use crate::generate::spec::MixturePart;
use crate::generate::spec::NoiseSpec;
use crate::generate::spec::PeriodicSpec;
use crate::generate::spec::Samples;
use crate::generate::spec::SignalSpec;

/// The hour of the day at which a daily signal is highest, by default.
const PEAK_MS: i64 = 14 * 3_600_000;
/// What a tangent is kept within, by default.
const TANGENT_CLAMP: f64 = 10.0;
/// What a weekend is worth, by default.
const WEEKEND: f64 = 0.5;

/// What stands in for what could not be read.
const NOTHING: SignalSpec = SignalSpec::Const(0.0);

/// A number, or a map with the one name of a signal.
pub(super) fn signal(node: &Node, path: &Path, report: &mut Report) -> Option<SignalSpec> {
    if node.as_scalar().is_some() {
        let value = node.as_scalar().and_then(|scalar| scalar.float().ok());
        if value.is_none() {
            let message = format!("{} is no signal", node.describe());
            let remedy = "write a number, or a map such as {sine: {…}} or {notation: …}";
            report.error_with_remedy(node.at, path, message, Some(remedy.to_owned()));
        }
        return value.map(SignalSpec::Const);
    }
    let (name, node, path) = Record::single(node, &tables::SIGNAL, path, report)?;
    let signals = |report: &mut Report| list(node, "signals", &path, report, signal);
    Some(match name {
        "const" => SignalSpec::Const(values::any_number(node, &path, report)?),
        "notation" => SignalSpec::Notation(values::text(node, &path, report)?),
        "void" => SignalSpec::Void(extent(node, &path, report)?),
        "steps" => SignalSpec::Steps(list(node, "steps", &path, report, step)?),
        "values" => SignalSpec::Values(samples(node, &path, report)?),
        "csv" => csv(node, &path, report)?,
        "join" => SignalSpec::Join(signals(report)?),
        "add" => SignalSpec::Add(signals(report)?),
        "sub" => SignalSpec::Sub(signals(report)?),
        "mul" => SignalSpec::Mul(signals(report)?),
        "div" => SignalSpec::Div(signals(report)?),
        "mod" => SignalSpec::Mod(signals(report)?),
        "pow" => SignalSpec::Pow(signals(report)?),
        "min" => SignalSpec::Min(signals(report)?),
        "max" => SignalSpec::Max(signals(report)?),
        "sum" => SignalSpec::Sum(signals(report)?),
        "linear" | "ramp" | "exponential" | "logarithm" => way(name, node, &path, report)?,
        "noise" => SignalSpec::Noise(noise(node, &path, report)?),
        "random_walk" => random_walk(node, &path, report)?,
        "diurnal" | "weekly" => daily(name, node, &path, report)?,
        "loop" | "clamp" | "delay" | "scale" | "take" | "quantise" => {
            wrapped(name, node, &path, report)?
        }
        _ => SignalSpec::Periodic(wave(name, node, &path, report)?),
    })
}

/// A duration, or a number of points.
pub(super) fn extent(node: &Node, path: &Path, report: &mut Report) -> Option<Extent> {
    let points = node.as_scalar().and_then(|scalar| scalar.unsigned().ok());
    match points {
        Some(points) => Some(Extent::Points(points)),
        None => values::duration_ms(node, path, report).map(Extent::Duration),
    }
}

impl Record<'_> {
    fn signal(&self, report: &mut Report) -> SignalSpec {
        self.read("signal", report, signal).unwrap_or(NOTHING)
    }

    fn extent(&self, name: &str, report: &mut Report) -> Extent {
        self.read(name, report, extent).unwrap_or(Extent::Points(1))
    }

    fn optional(&self, name: &str, report: &mut Report) -> Option<f64> {
        self.read(name, report, values::number)
    }
}

fn way(name: &str, node: &Node, path: &Path, report: &mut Report) -> Option<SignalSpec> {
    let shape = if name == "linear" { &tables::LINEAR } else { &tables::WAY };
    let record = Record::open(node, shape, path, report)?;
    let over = over(&record, report);
    let from = record.number("from", 0.0, report);
    let to = record.number("to", 0.0, report);
    Some(match name {
        "linear" => SignalSpec::Linear {
            from,
            to,
            over,
            left_open: record.boolean("left_open", false, report),
            right_open: record.boolean("right_open", false, report),
        },
        "ramp" => SignalSpec::Ramp { from, to, over },
        "exponential" => SignalSpec::Exponential { from, to, over },
        _ => SignalSpec::Logarithm { from, to, over },
    })
}

/// How long something takes: `over`, or a number of `points`.
fn over(record: &Record<'_>, report: &mut Report) -> Extent {
    let Some(points) = record.read("points", report, values::whole) else {
        return record.extent("over", report);
    };
    if record.has("over") {
        report.error(record.at, &record.path, "over and points: give one of them");
    }
    Extent::Points(points)
}

fn wave(name: &str, node: &Node, path: &Path, report: &mut Report) -> Option<PeriodicSpec> {
    let shape: &Shape = match name {
        "square" => &tables::SQUARE,
        "sine" | "cosine" => &tables::SINE,
        "tangent" => &tables::TANGENT,
        _ => &tables::WAVE,
    };
    let record = Record::open(node, shape, path, report)?;
    let period = record.extent("period", report);
    let low = record.number("low", 0.0, report);
    let high = record.number("high", 1.0, report);
    let mean = record.number("mean", 0.0, report);
    let amplitude = record.number("amplitude", 1.0, report);
    Some(match name {
        "sawtooth" => PeriodicSpec::Sawtooth { low, high, period },
        "triangle" => PeriodicSpec::Triangle { low, high, period },
        "square" => {
            let duty = record.number("duty", 0.5, report);
            PeriodicSpec::Square { low, high, period, duty }
        }
        "sine" => PeriodicSpec::Sine { mean, amplitude, period },
        "cosine" => PeriodicSpec::Cosine { mean, amplitude, period },
        _ => {
            let clamp = record.number("clamp", TANGENT_CLAMP, report);
            PeriodicSpec::Tangent { mean, amplitude, period, clamp }
        }
    })
}

fn step(node: &Node, path: &Path, report: &mut Report) -> Option<(f64, Extent)> {
    let record = Record::open(node, &tables::STEP, path, report)?;
    let value = record.read("value", report, values::any_number);
    Some((value.unwrap_or(0.0), record.extent("for", report)))
}

fn samples(node: &Node, path: &Path, report: &mut Report) -> Option<Samples> {
    if matches!(node.kind, Kind::List(_)) {
        let values = list(node, "values", path, report, sample)?;
        return Some(Samples { values, every: Extent::Points(1), interpolate: false });
    }
    let record = Record::open(node, &tables::VALUES, path, report)?;
    let read =
        |node: &Node, path: &Path, report: &mut Report| list(node, "values", path, report, sample);
    Some(Samples {
        values: record.read("list", report, read).unwrap_or_default(),
        every: record.extent("every", report),
        interpolate: record.boolean("interpolate", false, report),
    })
}

#[expect(clippy::option_option, reason = "a missing sample is something that was read")]
pub(super) fn sample(node: &Node, path: &Path, report: &mut Report) -> Option<Option<f64>> {
    if node.is_null() {
        return Some(None);
    }
    values::any_number(node, path, report).map(Some)
}

fn csv(node: &Node, path: &Path, report: &mut Report) -> Option<SignalSpec> {
    let (shape, record) = Record::choose(node, tables::CSVS, "a CSV", path, report)?;
    if shape.key() == "file" {
        // Files are read before anything is decoded, where reading files is allowed at all.
        report.error(record.at, path, "files are read only at the start");
    }
    Some(SignalSpec::Csv {
        text: record.text("text", report),
        column: record.text("column", report),
        every: record.extent("every", report),
    })
}

fn noise(node: &Node, path: &Path, report: &mut Report) -> Option<NoiseSpec> {
    let record = Record::open(node, &tables::NOISE, path, report)?;
    let mut kinds = tables::NOISE.needs.iter().filter(|kind| record.has(kind));
    let kind = kinds.next()?;
    if let Some(other) = kinds.next() {
        report.error(record.at, path, format!("{kind} and {other}: give one of them"));
    }
    let (node, inner) = record.get(kind)?;
    let distribution = named_distribution(kind, node, &inner, report)?;
    Some(NoiseSpec { distribution, every: record.extent("every", report) })
}

fn random_walk(node: &Node, path: &Path, report: &mut Report) -> Option<SignalSpec> {
    let record = Record::open(node, &tables::RANDOM_WALK, path, report)?;
    Some(SignalSpec::RandomWalk {
        start: record.optional("start", report),
        step: record.number("step", 1.0, report),
        min: record.optional("min", report),
        max: record.optional("max", report),
        every: record.extent("every", report),
    })
}

fn daily(name: &str, node: &Node, path: &Path, report: &mut Report) -> Option<SignalSpec> {
    let shape = if name == "diurnal" { &tables::DIURNAL } else { &tables::WEEKLY };
    let record = Record::open(node, shape, path, report)?;
    let low = record.number("low", 0.0, report);
    let high = record.number("high", 1.0, report);
    let peak_ms = record.read("peak", report, values::any_duration_ms).unwrap_or(PEAK_MS);
    Some(if name == "diurnal" {
        SignalSpec::Diurnal { low, high, peak_ms }
    } else {
        let weekend = record.number("weekend", WEEKEND, report);
        SignalSpec::Weekly { low, high, peak_ms, weekend }
    })
}

fn wrapped(name: &str, node: &Node, path: &Path, report: &mut Report) -> Option<SignalSpec> {
    let shape = match name {
        "loop" => &tables::LOOP,
        "clamp" => &tables::CLAMP,
        "delay" => &tables::DELAY,
        "scale" => &tables::SCALE,
        "take" => &tables::TAKE,
        _ => &tables::QUANTISE,
    };
    let record = Record::open(node, shape, path, report)?;
    let signal = Box::new(record.signal(report));
    Some(match name {
        "loop" => SignalSpec::Loop { signal, times: record.read("times", report, values::whole) },
        "clamp" => {
            let (min, max) = (record.optional("min", report), record.optional("max", report));
            SignalSpec::Clamp { signal, min, max }
        }
        "delay" => SignalSpec::Delay { signal, by: record.extent("by", report) },
        "scale" => SignalSpec::Scale { signal, by: record.number("by", 1.0, report) },
        "take" => SignalSpec::Take { signal, over: over(&record, report) },
        _ => SignalSpec::Quantise { signal, step: record.number("step", 1.0, report) },
    })
}

/// A map with the one name of a distribution.
pub(super) fn distribution(
    node: &Node,
    path: &Path,
    report: &mut Report,
) -> Option<DistributionSpec> {
    let (name, node, path) = Record::single(node, &tables::DISTRIBUTION, path, report)?;
    named_distribution(name, node, &path, report)
}

fn named_distribution(
    name: &str,
    node: &Node,
    path: &Path,
    report: &mut Report,
) -> Option<DistributionSpec> {
    let shape = match name {
        "uniform" => &tables::UNIFORM,
        "exponential" => &tables::EXPONENTIAL,
        "normal" => &tables::NORMAL,
        "lognormal" => &tables::LOG_NORMAL,
        "pareto" => &tables::PARETO,
        "mixture" => {
            let parts = list(node, "parts", path, report, mixture_part)?;
            return Some(DistributionSpec::Mixture(parts));
        }
        _ => return drift(node, path, report),
    };
    let record = Record::open(node, shape, path, report)?;
    let mut number = |name: &str| record.number(name, 1.0, report);
    Some(match name {
        "uniform" => DistributionSpec::Uniform { min: number("min"), max: number("max") },
        "exponential" => DistributionSpec::Exponential { mean: number("mean") },
        "normal" => DistributionSpec::Normal { mean: number("mean"), stddev: number("stddev") },
        "lognormal" => DistributionSpec::LogNormal { mu: number("mu"), sigma: number("sigma") },
        _ => DistributionSpec::Pareto { scale: number("scale"), shape: number("shape") },
    })
}

fn mixture_part(node: &Node, path: &Path, report: &mut Report) -> Option<MixturePart> {
    let record = Record::open(node, &tables::MIXTURE_PART, path, report)?;
    let weight = record.number("weight", 1.0, report);
    let distribution = record.read("distribution", report, distribution)?;
    Some(MixturePart { weight, distribution })
}

fn drift(node: &Node, path: &Path, report: &mut Report) -> Option<DistributionSpec> {
    let record = Record::open(node, &tables::DRIFT, path, report)?;
    let from = record.read("from", report, distribution);
    let to = record.read("to", report, distribution);
    let share = record.read("share", report, signal);
    Some(DistributionSpec::Drift {
        from: Box::new(from?),
        to: Box::new(to?),
        share: Box::new(share?),
    })
}
