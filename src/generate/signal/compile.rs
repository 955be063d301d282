//! From what was written to a tree: every mistake with its path.

use super::node::Join;
use super::node::Looped;
use super::node::Natives;
use super::node::Node;
use super::node::clamped;
use super::noise::Noise;
use super::op::Op;
use super::rate::N_CELLS_MAX;
use super::shape::Bend;
use super::shape::Curve;
use super::shape::Line;
use super::shape::Stairs;
use super::shape::Tangent;
use super::shape::Wave;
use super::shape::float;
use super::shape::share;
use super::table::Table;
use super::walk::Walk;
use crate::generate::distribution::Distribution;
use crate::generate::notation;
use crate::generate::notation::Item;
use crate::generate::spec::ClockSpec;
use crate::generate::spec::Extent;
use crate::generate::spec::NoiseSpec;
use crate::generate::spec::PeriodicSpec;
use crate::generate::spec::Samples;
use crate::generate::spec::SignalSpec;
use crate::generate::spec::SpecError;

/// How deep signals may nest.
pub const DEPTH_MAX: usize = 64;
/// The longest time anything may take: a million years, so that sums of a few stay in range.
pub(super) const LENGTH_MAX_MS: i64 = 1 << 55;
/// A day.
const DAY_MS: i64 = 86_400_000;
/// The first of January 1970 was a Thursday: three days after a Monday.
const EPOCH_WEEKDAY: i64 = 3;
/// Steps that a walk without bounds is kept within, either way.
const WALK_REACH: f64 = 64.0;

/// What is known and found on the way down.
pub(super) struct Compiler {
    clock: ClockSpec,
    errors: Vec<SpecError>,
    path: Vec<String>,
    n_random: u64,
}

impl Compiler {
    /// Compile a whole signal.
    pub(super) fn compile(spec: &SignalSpec, clock: ClockSpec) -> Result<Node, Vec<SpecError>> {
        let mut compiler = Self { clock, errors: Vec::new(), path: Vec::new(), n_random: 0 };
        if clock.interval_ms <= 0 || clock.interval_ms > LENGTH_MAX_MS {
            compiler.refuse("", "the interval has to be above 0 and below a million years");
            return Err(compiler.errors);
        }
        let node = compiler.node(spec, clock.start_ms);
        if compiler.errors.is_empty() { Ok(node) } else { Err(compiler.errors) }
    }

    /// `origin_ms`: when, in absolute time, the node begins.
    fn node(&mut self, spec: &SignalSpec, origin_ms: i64) -> Node {
        if self.path.len() >= DEPTH_MAX {
            return self.refuse("", &format!("signals nest deeper than {DEPTH_MAX} levels"));
        }
        match spec {
            SignalSpec::Const(value) => Node::Const(self.finite("const", *value)),
            SignalSpec::Linear { from, to, over, left_open, right_open } => {
                self.linear("linear", (*from, *to), *over, (*left_open, *right_open))
            }
            SignalSpec::Ramp { from, to, over } => {
                let rise = self.linear("ramp", (*from, *to), *over, (false, true));
                Join::of(vec![rise, Node::Const(*to)])
            }
            SignalSpec::Exponential { .. } | SignalSpec::Logarithm { .. } => self.curve(spec),
            SignalSpec::Periodic(periodic) => self.periodic(periodic),
            SignalSpec::Diurnal { .. } | SignalSpec::Weekly { .. } => {
                self.calendar(spec, origin_ms)
            }
            SignalSpec::Steps(steps) => self.steps(steps),
            SignalSpec::Values(samples) => self.samples("values", samples),
            SignalSpec::Csv { text, column, every } => self.csv(text, column, *every),
            SignalSpec::Noise(noise) => self.noise(noise),
            SignalSpec::RandomWalk { .. } => self.walk(spec),
            SignalSpec::Notation(text) => self.notation(text),
            SignalSpec::Void(extent) => Node::Void(self.extent("void", *extent)),
            SignalSpec::Join(specs) => self.join(specs, origin_ms),
            SignalSpec::Loop { signal, times } => self.looped(signal, *times, origin_ms),
            SignalSpec::Add(specs) => self.arithmetic(Op::Add, specs, origin_ms),
            SignalSpec::Sub(specs) => self.arithmetic(Op::Sub, specs, origin_ms),
            SignalSpec::Mul(specs) => self.arithmetic(Op::Mul, specs, origin_ms),
            SignalSpec::Div(specs) => self.arithmetic(Op::Div, specs, origin_ms),
            SignalSpec::Mod(specs) => self.arithmetic(Op::Mod, specs, origin_ms),
            SignalSpec::Pow(specs) => self.arithmetic(Op::Pow, specs, origin_ms),
            SignalSpec::Min(specs) => self.arithmetic(Op::Min, specs, origin_ms),
            SignalSpec::Max(specs) => self.arithmetic(Op::Max, specs, origin_ms),
            SignalSpec::Sum(specs) => Node::Sum(self.list("sum", specs, origin_ms)),
            SignalSpec::Take { .. }
            | SignalSpec::Clamp { .. }
            | SignalSpec::Delay { .. }
            | SignalSpec::Scale { .. }
            | SignalSpec::Quantise { .. } => self.wrapper(spec, origin_ms),
        }
    }

    /// What stands around one other signal.
    fn wrapper(&mut self, spec: &SignalSpec, origin_ms: i64) -> Node {
        match spec {
            SignalSpec::Take { signal, over } => {
                let inner = self.inner("take", signal, origin_ms);
                Node::Take(Box::new(inner), self.extent("take.over", *over))
            }
            SignalSpec::Clamp { signal, min, max } => {
                let inner = self.inner("clamp", signal, origin_ms);
                let min = min.map_or(f64::NEG_INFINITY, |min| self.finite("clamp.min", min));
                let max = max.map_or(f64::INFINITY, |max| self.finite("clamp.max", max));
                if min > max {
                    return self
                        .refuse("clamp.max", &format!("{max} is below min, which is {min}"));
                }
                match inner {
                    Node::Const(value) => Node::Const(clamped(value, min, max)),
                    inner => Node::Clamp(Box::new(inner), min, max),
                }
            }
            SignalSpec::Delay { signal, by } => {
                // A delay of nothing is none.
                let none = matches!(by, Extent::Points(0) | Extent::Duration(0));
                let by = if none { 0 } else { self.extent("delay.by", *by) };
                let inner = self.inner("delay", signal, origin_ms.saturating_add(by));
                Join::of(vec![Node::Void(by), inner])
            }
            SignalSpec::Scale { signal, by } => {
                let inner = self.inner("scale", signal, origin_ms);
                Node::Scale(Box::new(inner), self.finite("scale.by", *by))
            }
            SignalSpec::Quantise { signal, step } => {
                let inner = self.inner("quantise", signal, origin_ms);
                Node::Quantise(Box::new(inner), self.above_zero("quantise.step", *step))
            }
            other => self.node(other, origin_ms),
        }
    }

    fn linear(
        &mut self,
        word: &str,
        (from, to): (f64, f64),
        over: Extent,
        (left_open, right_open): (bool, bool),
    ) -> Node {
        self.finite(&format!("{word}.from"), from);
        self.finite(&format!("{word}.to"), to);
        if !(to - from).is_finite() {
            return self.refuse(word, "the way from one end to the other is beyond a double");
        }
        let length_ms = self.extent(&format!("{word}.over"), over);
        let Extent::Points(n) = over else {
            return Node::Line(Line { from, to, length_ms, left_open, right_open });
        };
        let count = i64::try_from(n).unwrap_or(i64::MAX);
        let over = float((count - 1).max(1));
        let width_ms = self.clock.interval_ms;
        Node::Stairs(Stairs { from, rise: to - from, over, count, width_ms })
    }

    fn curve(&mut self, spec: &SignalSpec) -> Node {
        let (word, from, to, over) = match spec {
            SignalSpec::Exponential { from, to, over } => ("exponential", *from, *to, *over),
            SignalSpec::Logarithm { from, to, over } => ("logarithm", *from, *to, *over),
            other => return self.node(other, 0),
        };
        self.finite(&format!("{word}.from"), from);
        self.finite(&format!("{word}.to"), to);
        let length_ms = self.extent(&format!("{word}.over"), over);
        let bend = if word == "exponential" {
            if from == 0.0 || to == 0.0 || from.is_sign_positive() != to.is_sign_positive() {
                let message = "from and to have to be both above or both below 0";
                return self.refuse(word, message);
            }
            Bend::Exponential
        } else {
            match over {
                Extent::Points(n) => Bend::Logarithm(float(i64::try_from(n).unwrap_or(i64::MAX))),
                Extent::Duration(ms) => Bend::Logarithm(float(ms) / 1000.0),
            }
        };
        let curve = Curve { from, to, length_ms, bend };
        match over {
            Extent::Duration(_) => Node::Curve(curve),
            Extent::Points(n) => {
                let last = float(i64::try_from(n).unwrap_or(i64::MAX) - 1).max(1.0);
                self.points(&format!("{word}.over"), n, |i| curve.value(float(i) / last))
            }
        }
    }

    fn periodic(&mut self, spec: &PeriodicSpec) -> Node {
        let (word, numbers, period) = parameters(spec);
        for (name, number) in numbers {
            self.finite(&format!("{word}.{name}"), number);
        }
        match spec {
            PeriodicSpec::Square { duty, .. } if !(0.0..=1.0).contains(duty) => {
                return self.refuse("square.duty", &format!("{duty} is not from 0 to 1"));
            }
            PeriodicSpec::Tangent { clamp, .. } => {
                self.above_zero("tangent.clamp", *clamp);
            }
            _ => {}
        }
        let path = format!("{word}.period");
        let period_ms = self.extent(&path, period);
        if !self.errors.is_empty() {
            return Node::Void(1);
        }
        if let Extent::Points(n) = period {
            let n_points = float(i64::try_from(n).unwrap_or(i64::MAX));
            let wave = self.points(&path, n, |i| phase_value(spec, float(i) / n_points));
            return forever(wave, period_ms);
        }
        continuous(spec, period_ms)
    }

    /// `n` values of a function, as a table.
    fn points(&mut self, path: &str, n: u64, value: impl Fn(i64) -> f64) -> Node {
        let count = i64::try_from(n).unwrap_or(i64::MAX);
        if count > N_CELLS_MAX {
            let message = format!("{n} points are more than {N_CELLS_MAX}: give a duration");
            return self.refuse(path, &message);
        }
        let values = (0..count).map(|i| Some(value(i))).collect();
        Node::Table(Table::new(values, self.clock.interval_ms, false))
    }

    fn calendar(&mut self, spec: &SignalSpec, origin_ms: i64) -> Node {
        let (word, low, high, peak_ms, weekend) = match spec {
            SignalSpec::Diurnal { low, high, peak_ms } => ("diurnal", low, high, peak_ms, None),
            SignalSpec::Weekly { low, high, peak_ms, weekend } => {
                ("weekly", low, high, peak_ms, Some(*weekend))
            }
            other => return self.node(other, origin_ms),
        };
        self.finite(&format!("{word}.low"), *low);
        self.finite(&format!("{word}.high"), *high);
        let (mean, amplitude) = (low + (high - low) / 2.0, (high - low) / 2.0);
        let peak_ms = peak_ms.rem_euclid(DAY_MS);
        let Some(weekend) = weekend else {
            let midnight = origin_ms.rem_euclid(DAY_MS);
            return Node::Wave(Wave::cosine(mean, amplitude, DAY_MS, peak_ms - midnight));
        };
        if !(weekend >= 0.0 && weekend.is_finite()) {
            let message = format!("{weekend} has to be at least 0 and finite");
            return self.refuse("weekly.weekend", &message);
        }
        let day = Node::Wave(Wave::cosine(mean, amplitude, DAY_MS, peak_ms));
        let weekdays = Node::Take(Box::new(day), 5 * DAY_MS);
        let day = Wave::cosine(mean * weekend, amplitude * weekend, DAY_MS, peak_ms);
        let weekend = Node::Take(Box::new(Node::Wave(day)), 2 * DAY_MS);
        let week = forever(Join::of(vec![weekdays, weekend]), 7 * DAY_MS);
        let since_monday =
            (origin_ms.rem_euclid(7 * DAY_MS) + EPOCH_WEEKDAY * DAY_MS) % (7 * DAY_MS);
        Node::Shift(Box::new(week), since_monday)
    }

    fn steps(&mut self, steps: &[(f64, Extent)]) -> Node {
        if steps.is_empty() {
            return self.refuse("steps", "there are none: give at least one");
        }
        let mut parts = Vec::with_capacity(steps.len());
        for (i, (value, extent)) in steps.iter().enumerate() {
            let value = self.finite(&format!("steps[{i}].value"), *value);
            let length = self.extent(&format!("steps[{i}].for"), *extent);
            parts.push(Node::Line(Line::flat(value, length)));
        }
        let node = Join::of(parts);
        self.bounded("steps", node)
    }

    fn samples(&mut self, word: &str, samples: &Samples) -> Node {
        if samples.values.is_empty() {
            return self.refuse(word, "there are none: give at least one");
        }
        // What is no number is a sample as any other; Prometheus knows NaN and infinities.
        let width_ms = self.extent(&format!("{word}.every"), samples.every);
        let table = Table::new(samples.values.clone(), width_ms, samples.interpolate);
        self.bounded(word, Node::Table(table))
    }

    fn csv(&mut self, text: &str, column: &str, every: Extent) -> Node {
        match super::csv::column(text, column) {
            Ok(values) => self.samples("csv", &Samples { values, every, interpolate: false }),
            Err(message) => self.refuse("csv", &message),
        }
    }

    fn noise(&mut self, spec: &NoiseSpec) -> Node {
        let cell_ms = self.extent("noise.every", spec.every);
        match Distribution::new(&spec.distribution) {
            Ok(distribution) => Node::Noise(Noise::new(&distribution, cell_ms, self.salt())),
            Err(errors) => {
                let path = self.here("noise");
                self.errors.extend(errors.into_iter().map(|error| error.within(&path)));
                Node::Void(1)
            }
        }
    }

    fn walk(&mut self, spec: &SignalSpec) -> Node {
        let SignalSpec::RandomWalk { start, step, min, max, every } = spec else {
            return self.node(spec, 0);
        };
        let step = self.above_zero("random_walk.step", *step);
        for (name, number) in [("start", start), ("min", min), ("max", max)] {
            number.map(|number| self.finite(&format!("random_walk.{name}"), number));
        }
        let reach = WALK_REACH * step;
        let around = start.unwrap_or_else(|| match (min, max) {
            (Some(min), Some(max)) => min + (max - min) / 2.0,
            (Some(min), None) => min + reach,
            (None, Some(max)) => max - reach,
            (None, None) => 0.0,
        });
        let bounds = (min.unwrap_or(around - reach), max.unwrap_or(around + reach));
        let cell_ms = self.extent("random_walk.every", *every);
        if !(bounds.0 < bounds.1 && (bounds.1 - bounds.0).is_finite()) {
            let message = format!("{} has to be above min, which is {}", bounds.1, bounds.0);
            return self.refuse("random_walk.max", &message);
        }
        if !(bounds.0..=bounds.1).contains(&around) {
            let message = format!("{around} is not from {} to {}", bounds.0, bounds.1);
            return self.refuse("random_walk.start", &message);
        }
        if cell_ms > 1 << 20 << 10 {
            return self.refuse("random_walk.every", "has to be below 12 days");
        }
        Node::Walk(Box::new(Walk::new(around, step, bounds, cell_ms, || self.salt())))
    }

    fn notation(&mut self, text: &str) -> Node {
        let items = match notation::parse(text) {
            Ok(items) if items.is_empty() => {
                return self.refuse("notation", "stands for no sample: give at least one");
            }
            Ok(items) => items,
            Err(e) => return self.refuse("notation", &e.to_string()),
        };
        let width_ms = self.clock.interval_ms;
        let length = |count: u64| i64::try_from(count).ok()?.checked_mul(width_ms);
        let mut parts = Vec::with_capacity(items.len());
        let mut total: i64 = 0;
        for item in items {
            let sum = length(item.n_samples()).and_then(|length| total.checked_add(length));
            let Some(sum) = sum.filter(|sum| *sum <= LENGTH_MAX_MS) else {
                return self.refuse("notation", "takes longer than a million years");
            };
            let lasts = sum - total;
            total = sum;
            let count = lasts / width_ms;
            parts.push(match item {
                Item::Values { from, step, .. } => {
                    Node::Stairs(Stairs { from, rise: step, over: 1.0, count, width_ms })
                }
                Item::Missing(_) => Node::Void(lasts),
                Item::Stale => Node::Stale(lasts),
                Item::Natives { base, step, .. } => {
                    let step = step.map(|(sign, step)| (sign, *step));
                    Node::Natives(Box::new(Natives { base: *base, step, count, width_ms }))
                }
            });
        }
        Join::of(parts)
    }

    fn join(&mut self, specs: &[SignalSpec], origin_ms: i64) -> Node {
        if specs.is_empty() {
            return self.refuse("join", "is empty: give at least one signal");
        }
        let mut begin = origin_ms;
        let mut parts = Vec::with_capacity(specs.len());
        for (i, spec) in specs.iter().enumerate() {
            let path = format!("join[{i}]");
            let node = self.at_path(&path, |compiler| compiler.node(spec, begin));
            match node.length() {
                Some(length) => begin = begin.saturating_add(length),
                None if i + 1 < specs.len() => {
                    return self.refuse(&path, "never ends, so what follows never begins");
                }
                None => {}
            }
            parts.push(node);
        }
        let node = Join::of(parts);
        self.bounded("join", node)
    }

    fn looped(&mut self, signal: &SignalSpec, times: Option<u64>, origin_ms: i64) -> Node {
        let node = self.inner("loop", signal, origin_ms);
        if times == Some(0) {
            return self.refuse("loop.times", "has to be at least 1");
        }
        let times = times.map(|times| i64::try_from(times).unwrap_or(i64::MAX));
        match node.length() {
            None => self.refuse("loop.signal", "never ends, so it cannot begin again"),
            Some(0) => self.refuse("loop.signal", "is empty: it would begin again for ever"),
            Some(pass_ms) => {
                let node = Node::Loop(Box::new(Looped { node, pass_ms, times }));
                self.bounded("loop.times", node)
            }
        }
    }

    fn arithmetic(&mut self, op: Op, specs: &[SignalSpec], origin_ms: i64) -> Node {
        Node::Pointwise(op, self.list(op.word(), specs, origin_ms))
    }

    fn list(&mut self, word: &str, specs: &[SignalSpec], origin_ms: i64) -> Vec<Node> {
        if specs.is_empty() {
            self.refuse(word, "is empty: give at least one signal");
        }
        let node = |(i, spec): (usize, &SignalSpec)| {
            self.at_path(&format!("{word}[{i}]"), |compiler| compiler.node(spec, origin_ms))
        };
        specs.iter().enumerate().map(node).collect()
    }

    fn inner(&mut self, word: &str, spec: &SignalSpec, origin_ms: i64) -> Node {
        self.at_path(&format!("{word}.signal"), |compiler| compiler.node(spec, origin_ms))
    }

    fn at_path(&mut self, path: &str, f: impl FnOnce(&mut Self) -> Node) -> Node {
        self.path.push(path.to_owned());
        let node = f(self);
        self.path.pop();
        node
    }

    fn salt(&mut self) -> u64 {
        self.n_random += 1;
        self.n_random
    }

    /// A length that is not beyond what the rest can reckon with.
    fn bounded(&mut self, path: &str, node: Node) -> Node {
        match node.length() {
            Some(length) if length > LENGTH_MAX_MS => {
                self.refuse(path, "takes longer than a million years")
            }
            _ => node,
        }
    }

    /// Milliseconds, above 0.
    fn extent(&mut self, path: &str, extent: Extent) -> i64 {
        let ms = match extent {
            Extent::Duration(ms) => Some(ms),
            Extent::Points(n) => {
                i64::try_from(n).ok().and_then(|n| n.checked_mul(self.clock.interval_ms))
            }
        };
        match ms {
            Some(ms) if ms > 0 && ms <= LENGTH_MAX_MS => return ms,
            Some(ms) if ms <= 0 => self.refuse(path, "has to be above 0"),
            _ => self.refuse(path, "is longer than a million years"),
        };
        1
    }

    fn finite(&mut self, path: &str, value: f64) -> f64 {
        if !value.is_finite() {
            self.refuse(path, &format!("{value} is not a finite number"));
        }
        value
    }

    fn above_zero(&mut self, path: &str, value: f64) -> f64 {
        self.finite(path, value);
        if value <= 0.0 {
            self.refuse(path, &format!("{value} has to be above 0"));
        }
        value
    }

    /// Note a mistake; the node stands in for the one that could not be made.
    fn refuse(&mut self, path: &str, message: &str) -> Node {
        let path = self.here(path);
        self.errors.push(SpecError { path, message: message.to_owned() });
        Node::Void(1)
    }

    fn here(&self, path: &str) -> String {
        let outer = self.path.iter().rev();
        outer.fold(SpecError::new(path, ""), |error, outer| error.within(outer)).path
    }
}

fn forever(node: Node, pass_ms: i64) -> Node {
    Node::Loop(Box::new(Looped { node, pass_ms, times: None }))
}

/// The name of a wave, its numbers and its period.
fn parameters(spec: &PeriodicSpec) -> (&'static str, [(&'static str, f64); 2], Extent) {
    match spec {
        PeriodicSpec::Sawtooth { low, high, period } => {
            ("sawtooth", [("low", *low), ("high", *high)], *period)
        }
        PeriodicSpec::Triangle { low, high, period } => {
            ("triangle", [("low", *low), ("high", *high)], *period)
        }
        PeriodicSpec::Square { low, high, period, .. } => {
            ("square", [("low", *low), ("high", *high)], *period)
        }
        PeriodicSpec::Sine { mean, amplitude, period } => {
            ("sine", [("mean", *mean), ("amplitude", *amplitude)], *period)
        }
        PeriodicSpec::Cosine { mean, amplitude, period } => {
            ("cosine", [("mean", *mean), ("amplitude", *amplitude)], *period)
        }
        PeriodicSpec::Tangent { mean, amplitude, period, .. } => {
            ("tangent", [("mean", *mean), ("amplitude", *amplitude)], *period)
        }
    }
}

fn continuous(spec: &PeriodicSpec, period_ms: i64) -> Node {
    let line = |from: f64, to: f64, length_ms: i64| {
        Node::Line(Line { from, to, length_ms, left_open: false, right_open: true })
    };
    match spec {
        PeriodicSpec::Sawtooth { low, high, .. } => {
            forever(line(*low, *high, period_ms), period_ms)
        }
        PeriodicSpec::Triangle { low, high, .. } => {
            let half = period_ms / 2;
            let up = if half > 0 { line(*low, *high, half) } else { Node::Void(0) };
            forever(Join::of(vec![up, line(*high, *low, period_ms - half)]), period_ms)
        }
        PeriodicSpec::Square { low, high, duty, .. } => {
            #[expect(clippy::cast_possible_truncation, reason = "a share of the period")]
            let first = ((float(period_ms) * duty).round() as i64).min(period_ms);
            let flat = |value: f64, length: i64| match length {
                0 => Node::Void(0),
                length => Node::Line(Line::flat(value, length)),
            };
            forever(Join::of(vec![flat(*high, first), flat(*low, period_ms - first)]), period_ms)
        }
        PeriodicSpec::Sine { mean, amplitude, .. } => {
            Node::Wave(Wave::sine(*mean, *amplitude, period_ms))
        }
        PeriodicSpec::Cosine { mean, amplitude, .. } => {
            Node::Wave(Wave::cosine(*mean, *amplitude, period_ms, 0))
        }
        PeriodicSpec::Tangent { mean, amplitude, clamp, .. } => {
            Node::Tangent(Tangent { mean: *mean, amplitude: *amplitude, period_ms, clamp: *clamp })
        }
    }
}

/// The value at a share of the period: what the points of a discrete wave are.
pub(super) fn phase_value(spec: &PeriodicSpec, x: f64) -> f64 {
    /// Fine enough for a share, and far from the limits.
    const PERIOD: i64 = 1 << 40;
    match spec {
        PeriodicSpec::Sawtooth { low, high, .. } => low + (high - low) * x,
        PeriodicSpec::Triangle { low, high, .. } => {
            low + (high - low) * (1.0 - (2.0 * x - 1.0).abs())
        }
        PeriodicSpec::Square { low, high, duty, .. } => {
            if x < *duty {
                *high
            } else {
                *low
            }
        }
        PeriodicSpec::Sine { .. } | PeriodicSpec::Cosine { .. } | PeriodicSpec::Tangent { .. } => {
            #[expect(clippy::cast_possible_truncation, reason = "below the period")]
            let u = (x * float(PERIOD)).round() as i64;
            debug_assert!((share(u, PERIOD) - x).abs() < 1e-9);
            continuous(spec, PERIOD).at(0, u).value().unwrap_or(f64::NAN)
        }
    }
}
