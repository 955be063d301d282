//! The compiled tree: what to do at an instant, what came before it, how it goes on.
//!
//! Time `u` is milliseconds from the node's own beginning, never negative. A node that ends has a
//! length; at the length itself it is asked only by what stands around it, since a line may include
//! its last instant.

use super::noise::Noise;
use super::op::Op;
use super::reading::Reading;
use super::shape::Curve;
use super::shape::Line;
use super::shape::Stairs;
use super::shape::Tangent;
use super::shape::Wave;
use super::shape::float;
use super::table::Table;
use super::walk::Walk;
use crate::generate::native::NativeHistogram;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Const(f64),
    Line(Line),
    Stairs(Stairs),
    Curve(Curve),
    Wave(Wave),
    Tangent(Tangent),
    Table(Table),
    Noise(Noise),
    Walk(Box<Walk>),
    Natives(Box<Natives>),
    Void(i64),
    Stale(i64),
    Join(Join),
    Loop(Box<Looped>),
    /// Up to but without this many milliseconds.
    Take(Box<Node>, i64),
    /// Begun this many milliseconds ago; the node has no end.
    Shift(Box<Node>, i64),
    Scale(Box<Node>, f64),
    Sum(Vec<Node>),
    Pointwise(Op, Vec<Node>),
    Clamp(Box<Node>, f64, f64),
    Quantise(Box<Node>, f64),
    Modulated(Box<Modulated>),
}

/// Native histograms, one an interval.
#[derive(Clone, Debug)]
pub(super) struct Natives {
    pub(super) base: NativeHistogram,
    pub(super) step: Option<(f64, NativeHistogram)>,
    pub(super) count: i64,
    pub(super) width_ms: i64,
}

/// One after the other.
#[derive(Clone, Debug)]
pub(super) struct Join {
    /// When each begins, ascending from 0, and what it is. All but the last end.
    parts: Vec<(i64, Node)>,
    length: Option<i64>,
    /// What each part brings if it is whole, where that is the same for all series.
    sums: Option<Vec<f64>>,
}

/// The same again and again.
#[derive(Clone, Debug)]
pub(super) struct Looped {
    pub(super) node: Node,
    /// Of one pass, above 0.
    pub(super) pass_ms: i64,
    pub(super) times: Option<i64>,
}

/// Noise on a rate: its cells are laid along what the rate brings, not along time, so that both
/// have an integral. Cell `n` lasts from where the shape has brought `n` cells' worth of its mean
/// rate to where it has brought one more.
#[derive(Clone, Debug)]
pub(super) struct Modulated {
    pub(super) shape: Node,
    /// The shape's mean, above 0.
    pub(super) mean: f64,
    pub(super) noise: Noise,
}

/// Parts of a millisecond in which the way of a modulated noise is counted.
const FINE_BITS: u32 = 16;

impl Join {
    /// Parts with nothing in them are left out.
    pub(super) fn of(nodes: Vec<Node>) -> Node {
        let mut parts = Vec::with_capacity(nodes.len());
        let mut begin: i64 = 0;
        let mut length = Some(0);
        for node in nodes {
            length = node.length();
            if length == Some(0) {
                length = Some(begin);
                continue;
            }
            parts.push((begin, node));
            let Some(lasts) = length else { break };
            begin = begin.saturating_add(lasts);
            length = Some(begin);
        }
        let random = parts.iter().any(|(_, node)| node.is_random());
        let sums = (!random).then(|| {
            let mut sum = 0.0;
            let before = |(_, node): &(i64, Node)| {
                let before = sum;
                sum += node.length().map_or(0.0, |length| node.integral(0, length));
                before
            };
            parts.iter().map(before).collect()
        });
        Node::Join(Self { parts, length, sums })
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Node> {
        self.parts.iter().map(|(_, node)| node)
    }

    /// The part that begins at or before `u`.
    fn part(&self, u: i64) -> usize {
        self.parts.partition_point(|(begin, _)| *begin <= u).saturating_sub(1)
    }

    fn at(&self, key: u64, u: i64) -> Reading {
        let i = self.part(u);
        let Some((begin, node)) = self.parts.get(i) else { return Reading::Ended };
        let reading = node.at(key, u - begin);
        // An open beginning leaves its instant to a closed end before it.
        if u == *begin && i > 0 && node.opens() {
            let (before, node) = &self.parts[i - 1];
            if let Reading::Value(value) = node.at(key, u - before) {
                return Reading::Value(value);
            }
        }
        reading
    }

    fn integral(&self, key: u64, u: i64) -> f64 {
        let i = self.part(u);
        let Some((begin, node)) = self.parts.get(i) else { return 0.0 };
        let whole = |(_, node): &(i64, Node)| node.integral(key, node.length().unwrap_or(0));
        let added_up = || self.parts[..i].iter().map(whole).sum();
        let before = self.sums.as_ref().map_or_else(added_up, |sums| sums[i]);
        before + node.integral(key, u - begin)
    }
}

impl Looped {
    fn length(&self) -> Option<i64> {
        self.times.map(|times| self.pass_ms.saturating_mul(times))
    }

    fn at(&self, key: u64, u: i64) -> Reading {
        let phase = u % self.pass_ms;
        if let Some(length) = self.length()
            && u >= length
        {
            return if u == length { self.node.at(key, self.pass_ms) } else { Reading::Ended };
        }
        if phase == 0
            && u > 0
            && self.node.opens()
            && let Reading::Value(value) = self.node.at(key, self.pass_ms)
        {
            return Reading::Value(value);
        }
        self.node.at(key, phase)
    }

    fn integral(&self, key: u64, u: i64) -> f64 {
        let u = self.length().map_or(u, |length| u.min(length));
        let (passes, phase) = (u / self.pass_ms, u % self.pass_ms);
        let begun = self.node.integral(key, phase);
        if passes == 0 {
            return begun;
        }
        // Rounded once, so that the end of a pass is never above the beginning of the next.
        float(passes).mul_add(self.node.integral(key, self.pass_ms), begun)
    }
}

impl Modulated {
    pub(super) fn bounds(&self) -> (f64, f64) {
        Op::Mul.bounds(self.shape.bounds(), self.noise.bounds())
    }

    fn way(&self, key: u64, u: i64) -> u64 {
        let way = self.shape.integral(key, u) / self.mean * float(1_i64 << FINE_BITS);
        #[expect(clippy::cast_possible_truncation, reason = "kept within range")]
        #[expect(clippy::cast_sign_loss, reason = "the shape is never below 0")]
        let way = way as u64;
        way
    }

    fn at(&self, key: u64, u: i64) -> Reading {
        let cell = (self.way(key, u) >> FINE_BITS) / self.noise.cell_ms().unsigned_abs();
        self.shape.at(key, u).map(|value| value * self.noise.cell(key, cell))
    }

    fn integral(&self, key: u64, u: i64) -> f64 {
        self.mean * self.noise.integral(key, self.way(key, u), FINE_BITS)
    }
}

impl Natives {
    fn at(&self, u: i64) -> Option<NativeHistogram> {
        let i = u / self.width_ms;
        match &self.step {
            _ if i >= self.count => None,
            Some((sign, step)) if i > 0 => Some(self.base.plus(sign * float(i), step)),
            _ => Some(self.base.clone()),
        }
    }
}

impl Node {
    /// Milliseconds until it has ended; `None` if it never does.
    pub(super) fn length(&self) -> Option<i64> {
        match self {
            Self::Line(line) => Some(line.length_ms),
            Self::Stairs(stairs) => Some(stairs.length_ms()),
            Self::Curve(curve) => Some(curve.length_ms),
            Self::Table(table) => Some(table.length_ms()),
            Self::Natives(natives) => Some(natives.count.saturating_mul(natives.width_ms)),
            Self::Void(length) | Self::Stale(length) => Some(*length),
            Self::Join(join) => join.length,
            Self::Loop(looped) => looped.length(),
            Self::Take(node, length) => Some(node.length().map_or(*length, |l| l.min(*length))),
            Self::Scale(node, _) | Self::Clamp(node, ..) | Self::Quantise(node, _) => node.length(),
            Self::Sum(nodes) => {
                let lengths: Option<Vec<i64>> = nodes.iter().map(Self::length).collect();
                lengths.and_then(|lengths| lengths.into_iter().max())
            }
            Self::Pointwise(_, nodes) => nodes.iter().filter_map(Self::length).min(),
            Self::Modulated(modulated) => modulated.shape.length(),
            Self::Const(_)
            | Self::Wave(_)
            | Self::Tangent(_)
            | Self::Noise(_)
            | Self::Walk(_)
            | Self::Shift(..) => None,
        }
    }

    pub(super) fn at(&self, key: u64, u: i64) -> Reading {
        match self {
            Self::Const(value) => Reading::Value(*value),
            Self::Line(line) => line.at(u),
            Self::Stairs(stairs) => stairs.at(u),
            Self::Curve(curve) => curve.at(u),
            Self::Wave(wave) => Reading::Value(wave.at(u)),
            Self::Tangent(tangent) => Reading::Value(tangent.at(u)),
            Self::Table(table) => table.at(u),
            Self::Noise(noise) => Reading::Value(noise.at(key, u)),
            Self::Walk(walk) => Reading::Value(walk.at(key, u)),
            Self::Natives(natives) if u / natives.width_ms < natives.count => Reading::Native,
            Self::Void(length) if u < *length => Reading::Missing,
            // One marker, at the beginning.
            Self::Stale(length) if u < *length => Reading::Stale,
            Self::Natives(_) | Self::Void(_) | Self::Stale(_) => Reading::Ended,
            Self::Join(join) => join.at(key, u),
            Self::Loop(looped) => looped.at(key, u),
            Self::Take(_, length) if u >= *length => Reading::Ended,
            Self::Take(node, _) => node.at(key, u),
            Self::Shift(node, by) => node.at(key, u.saturating_add(*by)),
            Self::Scale(node, by) => node.at(key, u).map(|value| value * by),
            Self::Sum(nodes) => sum(nodes.iter().map(|node| node.at(key, u))),
            Self::Pointwise(op, nodes) => pointwise(*op, nodes.iter().map(|node| node.at(key, u))),
            Self::Clamp(node, min, max) => node.at(key, u).map(|value| clamped(value, *min, *max)),
            Self::Quantise(node, step) => node.at(key, u).map(|value| quantised(value, *step)),
            Self::Modulated(modulated) => modulated.at(key, u),
        }
    }

    /// The native histogram where `at` says there is one.
    pub(super) fn native_at(&self, u: i64) -> Option<NativeHistogram> {
        match self {
            Self::Natives(natives) => natives.at(u),
            Self::Join(join) => {
                let (begin, node) = join.parts.get(join.part(u))?;
                node.native_at(u - begin)
            }
            Self::Loop(looped) => looped.node.native_at(u % looped.pass_ms),
            Self::Take(node, length) if u < *length => node.native_at(u),
            Self::Shift(node, by) => node.native_at(u.saturating_add(*by)),
            _ => None,
        }
    }

    /// Value times milliseconds from 0 to `u`; what is missing counts as 0. Right for what `rate`
    /// has made integrable.
    pub(super) fn integral(&self, key: u64, u: i64) -> f64 {
        match self {
            Self::Const(value) => value * float(u),
            Self::Line(line) => line.integral(u),
            Self::Stairs(stairs) => stairs.integral(u),
            Self::Curve(curve) => curve.integral(u),
            Self::Wave(wave) => wave.integral(u),
            Self::Tangent(tangent) => tangent.integral(u),
            Self::Table(table) => table.integral(u),
            Self::Noise(noise) => noise.integral(key, u.unsigned_abs(), 0),
            Self::Walk(walk) => walk.integral(key, u),
            Self::Join(join) => join.integral(key, u),
            Self::Loop(looped) => looped.integral(key, u),
            Self::Take(node, length) => node.integral(key, u.min(*length)),
            Self::Shift(node, by) => {
                node.integral(key, u.saturating_add(*by)) - node.integral(key, *by)
            }
            Self::Scale(node, by) => node.integral(key, u) * by,
            Self::Sum(nodes) => nodes.iter().map(|node| node.integral(key, u)).sum(),
            Self::Pointwise(op, nodes) => {
                let u = self.length().map_or(u, |length| u.min(length));
                let sign = if *op == Op::Sub { -1.0 } else { 1.0 };
                let mut parts = nodes.iter().map(|node| node.integral(key, u));
                let first = parts.next().unwrap_or(0.0);
                parts.fold(first, |sum, part| sum + sign * part)
            }
            Self::Modulated(modulated) => modulated.integral(key, u),
            Self::Natives(_)
            | Self::Void(_)
            | Self::Stale(_)
            // `rate` has made cells or tables of these.
            | Self::Clamp(..)
            | Self::Quantise(..) => 0.0,
        }
    }

    /// The last value before the end; nothing where there was none, or no end.
    pub(super) fn last(&self, key: u64) -> Option<f64> {
        match self {
            Self::Table(table) => table.last(),
            Self::Line(line) => Some(line.to),
            Self::Join(join) => join.parts.iter().rev().find_map(|(_, node)| node.last(key)),
            Self::Loop(looped) => looped.node.last(key),
            Self::Scale(node, by) => node.last(key).map(|value| value * by),
            Self::Clamp(node, min, max) => node.last(key).map(|x| clamped(x, *min, *max)),
            Self::Quantise(node, step) => node.last(key).map(|value| quantised(value, *step)),
            _ => {
                let length = self.length()?;
                let at_end = self.at(key, length).value();
                at_end.or_else(|| self.at(key, (length - 1).max(0)).value())
            }
        }
    }

    /// Whether it leaves its first instant to what is before it.
    fn opens(&self) -> bool {
        match self {
            Self::Line(line) => line.left_open,
            Self::Join(_) | Self::Loop(_) | Self::Take(..) | Self::Scale(..) | Self::Clamp(..) => {
                self.children().first().is_some_and(|node| node.opens())
            }
            _ => false,
        }
    }

    /// Whether series differ.
    pub(super) fn is_random(&self) -> bool {
        matches!(self, Self::Noise(_) | Self::Walk(_) | Self::Modulated(_))
            || self.children().iter().any(|node| node.is_random())
    }

    /// Whether there is a value at every instant before the end.
    pub(super) fn is_gapless(&self) -> bool {
        match self {
            Self::Natives(_) | Self::Void(_) | Self::Stale(_) => false,
            Self::Line(line) => !line.left_open,
            Self::Table(table) => table.is_gapless(),
            // Where the longest of a sum goes on alone it is still a value.
            _ => self.children().iter().all(|node| node.is_gapless()),
        }
    }

    /// What it is made of.
    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Join(join) => join.parts().collect(),
            Self::Loop(looped) => vec![&looped.node],
            Self::Modulated(modulated) => vec![&modulated.shape],
            Self::Take(node, _)
            | Self::Shift(node, _)
            | Self::Scale(node, _)
            | Self::Quantise(node, _)
            | Self::Clamp(node, ..) => vec![node],
            Self::Sum(nodes) | Self::Pointwise(_, nodes) => nodes.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Between which values it stays; wider rather than narrower. Infinite where there is none.
    pub(super) fn bounds(&self) -> (f64, f64) {
        match self {
            Self::Const(value) => (*value, *value),
            Self::Line(line) => (line.from.min(line.to), line.from.max(line.to)),
            Self::Stairs(stairs) => stairs.bounds(),
            Self::Curve(curve) => (curve.from.min(curve.to), curve.from.max(curve.to)),
            Self::Wave(wave) => wave.bounds(),
            Self::Tangent(tangent) => tangent.bounds(),
            Self::Table(table) => table.bounds(),
            Self::Noise(noise) => noise.bounds(),
            Self::Walk(walk) => walk.bounds,
            Self::Natives(_) | Self::Void(_) | Self::Stale(_) => NOTHING,
            Self::Join(join) => join.parts().map(Self::bounds).fold(NOTHING, wider),
            Self::Loop(looped) => looped.node.bounds(),
            Self::Take(node, _) | Self::Shift(node, _) => node.bounds(),
            Self::Scale(node, by) => Op::Mul.bounds(node.bounds(), (*by, *by)),
            Self::Sum(nodes) => {
                // Any of them may be missing.
                let zero = |(low, high): (f64, f64)| (low.min(0.0), high.max(0.0));
                let all_there =
                    nodes.iter().all(|node| node.is_gapless() && node.length().is_none());
                let bounds = nodes.iter().map(Self::bounds);
                let bounds = bounds.map(|bounds| if all_there { bounds } else { zero(bounds) });
                bounds.reduce(|a, b| Op::Add.bounds(a, b)).unwrap_or(NOTHING)
            }
            Self::Pointwise(op, nodes) => {
                let bounds = nodes.iter().map(Self::bounds);
                bounds.reduce(|a, b| op.bounds(a, b)).unwrap_or(NOTHING)
            }
            Self::Clamp(node, min, max) => {
                let (low, high) = node.bounds();
                (clamped(low, *min, *max), clamped(high, *min, *max))
            }
            Self::Quantise(node, step) => {
                let (low, high) = node.bounds();
                (low - step, high + step)
            }
            Self::Modulated(modulated) => modulated.bounds(),
        }
    }
}

const NOTHING: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

fn wider(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// As `PromQL`'s clamp: what is no number stays none.
pub(super) fn clamped(value: f64, min: f64, max: f64) -> f64 {
    if value.is_nan() { value } else { value.max(min).min(max) }
}

/// The nearest multiple; halves away from 0.
pub(super) fn quantised(value: f64, step: f64) -> f64 {
    (value / step).round() * step
}

/// The end of one is the end; a gap of one is a gap.
fn pointwise(op: Op, readings: impl Iterator<Item = Reading>) -> Reading {
    let mut result = None;
    let mut other = None;
    for reading in readings {
        match reading {
            Reading::Value(value) => {
                result = Some(result.map_or(value, |before| op.apply(before, value)));
            }
            Reading::Ended => return Reading::Ended,
            Reading::Stale => other = Some(Reading::Stale),
            Reading::Native | Reading::Missing => {
                other = other.or(Some(Reading::Missing));
            }
        }
    }
    other.or(result.map(Reading::Value)).unwrap_or(Reading::Ended)
}

/// What there is of them, added up.
fn sum(readings: impl Iterator<Item = Reading>) -> Reading {
    let mut result = Reading::Ended;
    for reading in readings {
        result = match (result, reading) {
            (Reading::Value(a), Reading::Value(b)) => Reading::Value(a + b),
            (Reading::Value(a), _) => Reading::Value(a),
            (_, Reading::Value(b)) => Reading::Value(b),
            (Reading::Stale, _) | (_, Reading::Stale) => Reading::Stale,
            (Reading::Ended, Reading::Ended) => Reading::Ended,
            _ => Reading::Missing,
        };
    }
    result
}
