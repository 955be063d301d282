//! From a tree to one that has an integral at every instant, in bounded time.
//!
//! Shapes, tables and noise have one, and so have their sums and what joins and repeats them.
//! Arithmetic that is not linear is done away with, in this order:
//!
//! 1. An operation with numbers on something that goes by cells (noise, values, steps) changes the
//!    values of the cells.
//! 2. A shape times a noise becomes a modulated noise: see [`Modulated`].
//! 3. What ends or repeats itself becomes a table: one value for each interval, that of its
//!    beginning.
//!
//! What is left over has none, and is refused.

use super::node::Join;
use super::node::Looped;
use super::node::Modulated;
use super::node::Node;
use super::node::clamped;
use super::node::quantised;
use super::op::Op;
use super::reading::Reading;
use super::shape::Line;
use super::shape::Stairs;
use super::shape::Tangent;
use super::shape::float;
use super::table::Table;

/// The longest table made of something else.
pub(super) const N_CELLS_MAX: i64 = 1 << 17;

/// The same with an integral.
///
/// # Errors
/// A sentence on what has none, and what would have.
pub(super) fn integrable(node: Node, interval_ms: i64) -> Result<Node, String> {
    let all = |nodes: Vec<Node>| -> Result<Vec<Node>, String> {
        nodes.into_iter().map(|node| integrable(node, interval_ms)).collect()
    };
    match node {
        Node::Natives(_) => Err("a native histogram is no rate".to_owned()),
        Node::Stairs(stairs) => {
            let (least, greatest) = stairs.bounds();
            if !(least.is_finite() && greatest.is_finite()) {
                return Err(format!("{greatest} is no rate"));
            }
            if stairs.count > N_CELLS_MAX {
                return Ok(Node::Stairs(stairs));
            }
            let values = (0..stairs.count).map(|i| Some(stairs.value(i))).collect();
            Ok(Node::Table(Table::new(values, stairs.width_ms, false)))
        }
        Node::Table(table) => match table.first_odd() {
            Some(value) => Err(format!("{value} is no rate")),
            None => Ok(Node::Table(table)),
        },
        Node::Join(join) => Ok(Join::of(all(join.parts().cloned().collect())?)),
        Node::Loop(looped) => {
            let Looped { node, pass_ms, times } = *looped;
            let node = integrable(node, interval_ms)?;
            Ok(Node::Loop(Box::new(Looped { node, pass_ms, times })))
        }
        Node::Take(node, length) => {
            Ok(Node::Take(Box::new(integrable(*node, interval_ms)?), length))
        }
        Node::Shift(node, by) => Ok(Node::Shift(Box::new(integrable(*node, interval_ms)?), by)),
        Node::Scale(node, by) => Ok(Node::Scale(Box::new(integrable(*node, interval_ms)?), by)),
        Node::Sum(nodes) => Ok(Node::Sum(all(nodes)?)),
        Node::Pointwise(op, nodes) => arithmetic(op, nodes, interval_ms),
        Node::Clamp(node, min, max) => changed(
            *node,
            interval_ms,
            "clamp",
            |value| clamped(value, min, max),
            |node| Node::Clamp(Box::new(node), min, max),
        ),
        Node::Quantise(node, step) => changed(
            *node,
            interval_ms,
            "quantise",
            |value| quantised(value, step),
            |node| Node::Quantise(Box::new(node), step),
        ),
        other => Ok(other),
    }
}

/// One operand, changed value by value.
fn changed(
    node: Node,
    interval_ms: i64,
    word: &str,
    f: impl Fn(f64) -> f64,
    wrap: impl Fn(Node) -> Node,
) -> Result<Node, String> {
    // What is inside may itself have become cells: a clamp of a scaled noise.
    let inner = integrable(node.clone(), interval_ms).ok();
    match inner.as_ref().and_then(|inner| mapped(inner, &f)) {
        Some(cells) => Ok(cells),
        None => tabled(&wrap(node), interval_ms, word),
    }
}

fn arithmetic(op: Op, nodes: Vec<Node>, interval_ms: i64) -> Result<Node, String> {
    let whole = Node::Pointwise(op, nodes.clone());
    let is_const = |node: &Node| matches!(node, Node::Const(_));
    let n_moving = nodes.iter().filter(|node| !is_const(node)).count();
    let gapless = nodes.iter().all(Node::is_gapless);
    if matches!(op, Op::Add | Op::Sub) && n_moving == 1 {
        let moving = nodes.iter().position(|node| !is_const(node)).unwrap_or(0);
        let numbers = nodes.iter().enumerate().filter(|(i, _)| *i != moving);
        let sign = |i: usize| if op == Op::Sub && i > 0 { -1.0 } else { 1.0 };
        let offset: f64 = numbers.map(|(i, node)| sign(i) * node.bounds().0).sum();
        let inner = integrable(nodes[moving].clone(), interval_ms)?;
        if let Some(node) = affine(&inner, sign(moving), offset) {
            return Ok(node);
        }
    }
    if matches!(op, Op::Add | Op::Sub) && gapless {
        let nodes: Result<Vec<Node>, String> =
            nodes.into_iter().map(|node| integrable(node, interval_ms)).collect();
        return nodes.map(|nodes| Node::Pointwise(op, nodes));
    }
    if n_moving == 0 {
        return match whole.at(0, 0) {
            Reading::Value(value) => Ok(Node::Const(value)),
            _ => Ok(whole),
        };
    }
    if n_moving == 1 {
        let moving = nodes.iter().position(|node| !is_const(node)).unwrap_or(0);
        let numbers: Vec<f64> = nodes.iter().map(|node| node.bounds().0).collect();
        let linear = op == Op::Mul || (op == Op::Div && moving == 0);
        let inner = integrable(nodes[moving].clone(), interval_ms);
        if linear {
            let others = numbers.iter().enumerate().filter(|(i, _)| *i != moving);
            let factor: f64 = others.map(|(_, number)| number).product();
            let by = if op == Op::Mul { factor } else { 1.0 / factor };
            return Ok(Node::Scale(Box::new(inner?), by));
        }
        let f = |value: f64| {
            let operand = |i: usize| if i == moving { value } else { numbers[i] };
            (1..numbers.len()).fold(operand(0), |result, i| op.apply(result, operand(i)))
        };
        if let Some(cells) = inner.ok().and_then(|inner| mapped(&inner, &f)) {
            return Ok(cells);
        }
    }
    if op == Op::Mul && nodes.iter().filter(|node| node.is_random()).count() == 1 {
        return modulated(nodes, interval_ms);
    }
    tabled(&whole, interval_ms, op.word())
}

/// A noise on the product of the others.
fn modulated(nodes: Vec<Node>, interval_ms: i64) -> Result<Node, String> {
    let (noises, shapes): (Vec<_>, Vec<_>) = nodes.into_iter().partition(Node::is_random);
    let noise = noises.into_iter().next().map(|node| integrable(node, interval_ms)).transpose()?;
    let (noise, by) = match noise {
        Some(Node::Noise(noise)) => (noise, 1.0),
        Some(Node::Scale(node, by)) if matches!(*node, Node::Noise(_)) => match *node {
            Node::Noise(noise) => (noise, by),
            _ => return Err(refusal("mul")),
        },
        _ => return Err(refusal("mul")),
    };
    let shape = match <[Node; 1]>::try_from(shapes) {
        Ok([shape]) => integrable(shape, interval_ms)?,
        Err(shapes) => arithmetic(Op::Mul, shapes, interval_ms)?,
    };
    let (least, _) = shape.bounds();
    if least < 0.0 {
        return Err(format!(
            "what a noise is multiplied with may fall to {least}, below 0: a rate cannot"
        ));
    }
    let mean = mean(&shape);
    if !(mean > 0.0 && mean.is_finite()) {
        return Ok(Node::Scale(Box::new(shape), 0.0));
    }
    let noise = Node::Modulated(Box::new(Modulated { shape, mean, noise }));
    Ok(Node::Scale(Box::new(noise), by))
}

/// Over its length or period; 1 or the greatest value where neither says anything.
fn mean(shape: &Node) -> f64 {
    if let Some(length) = shape.length() {
        return shape.integral(0, length) / float(length.max(1));
    }
    match settles(shape) {
        Some((begin, period)) => {
            (shape.integral(0, begin + period) - shape.integral(0, begin)) / float(period)
        }
        None => shape.bounds().1,
    }
}

/// Change the values of something that goes by cells; `None` where it does not.
fn mapped(node: &Node, f: &dyn Fn(f64) -> f64) -> Option<Node> {
    let boxed = |node: &Node| mapped(node, f).map(Box::new);
    Some(match node {
        Node::Const(value) => Node::Const(f(*value)),
        Node::Line(line) if line.is_flat() => {
            let value = f(line.to);
            Node::Line(Line { from: value, to: value, ..line.clone() })
        }
        Node::Table(table) => Node::Table(table.map(f)?),
        Node::Noise(noise) => Node::Noise(noise.map(f)?),
        Node::Void(length) => Node::Void(*length),
        Node::Stale(length) => Node::Stale(*length),
        Node::Join(join) => {
            let parts: Option<Vec<Node>> = join.parts().map(|node| mapped(node, f)).collect();
            Join::of(parts?)
        }
        Node::Loop(looped) => {
            let Looped { node, pass_ms, times } = &**looped;
            let node = mapped(node, f)?;
            Node::Loop(Box::new(Looped { node, pass_ms: *pass_ms, times: *times }))
        }
        Node::Take(node, length) => Node::Take(boxed(node)?, *length),
        Node::Shift(node, by) => Node::Shift(boxed(node)?, *by),
        Node::Scale(node, by) => mapped(node, &|value: f64| f(value * by))?,
        _ => return None,
    })
}

/// `by` times the node plus an offset, inside of it: what never falls below 0 then has no part that
/// does. `None` where that has no form.
fn affine(node: &Node, by: f64, offset: f64) -> Option<Node> {
    let f = |value: f64| value * by + offset;
    let boxed = |node: &Node| affine(node, by, offset).map(Box::new);
    Some(match node {
        Node::Line(line) => Node::Line(Line { from: f(line.from), to: f(line.to), ..line.clone() }),
        Node::Stairs(stairs) => {
            Node::Stairs(Stairs { from: f(stairs.from), rise: by * stairs.rise, ..stairs.clone() })
        }
        Node::Wave(wave) => Node::Wave(wave.affine(by, offset)),
        Node::Tangent(tangent) => Node::Tangent(Tangent {
            mean: f(tangent.mean),
            amplitude: by * tangent.amplitude,
            ..tangent.clone()
        }),
        Node::Table(table) => Node::Table(table.affine(f)),
        Node::Join(join) => {
            let parts: Option<Vec<Node>> =
                join.parts().map(|node| affine(node, by, offset)).collect();
            Join::of(parts?)
        }
        Node::Loop(looped) => {
            let Looped { node, pass_ms, times } = &**looped;
            let node = affine(node, by, offset)?;
            Node::Loop(Box::new(Looped { node, pass_ms: *pass_ms, times: *times }))
        }
        Node::Take(node, length) => Node::Take(boxed(node)?, *length),
        Node::Shift(node, shift) => Node::Shift(boxed(node)?, *shift),
        Node::Scale(node, scale) => affine(node, by * scale, offset)?,
        other => mapped(other, &f)?,
    })
}

/// One value for each interval, where that is a bounded number.
fn tabled(node: &Node, interval_ms: i64, word: &str) -> Result<Node, String> {
    if node.is_random() {
        return Err(refusal(word));
    }
    let part = |from: i64, to: i64| -> Result<Node, String> {
        let n_cells = (to - from + interval_ms - 1) / interval_ms;
        if n_cells > N_CELLS_MAX {
            return Err(format!(
                "the integral of {word} takes a table of {n_cells} intervals, and {N_CELLS_MAX} is \
                 the limit: give shorter periods or a longer interval"
            ));
        }
        let cell = |i: i64| match node.at(0, from + i * interval_ms) {
            Reading::Value(value) if value.is_finite() => Ok(Some(value)),
            Reading::Value(value) => Err(format!("{word} gives {value}, which is no rate")),
            _ => Ok(None),
        };
        let values: Result<Vec<_>, String> = (0..n_cells).map(cell).collect();
        Ok(Node::Take(Box::new(Node::Table(Table::new(values?, interval_ms, false))), to - from))
    };
    if let Some(length) = node.length() {
        return part(0, length);
    }
    let Some((begin, period)) = settles(node) else { return Err(refusal(word)) };
    // Both have to go by whole intervals, so that a cell is the same in every period.
    let intervals = begin / interval_ms + i64::from(begin % interval_ms > 0);
    let begin = intervals.checked_mul(interval_ms);
    let period = multiple_of_both(period, interval_ms);
    let (Some(begin), Some(period)) = (begin, period) else { return Err(refusal(word)) };
    let end = begin.checked_add(period).ok_or_else(|| refusal(word))?;
    let repeated = Looped { node: part(begin, end)?, pass_ms: period, times: None };
    let repeated = Node::Loop(Box::new(repeated));
    Ok(if begin == 0 { repeated } else { Join::of(vec![part(0, begin)?, repeated]) })
}

fn refusal(word: &str) -> String {
    format!(
        "the integral of this {word} is known at no instant without those before it: multiply one \
         noise with shapes, do arithmetic on noise with numbers, or on what ends or repeats itself"
    )
}

/// From when on it repeats itself, and how often, for what has no end and is the same for all.
fn settles(node: &Node) -> Option<(i64, i64)> {
    match node {
        Node::Const(_) => Some((0, 1)),
        Node::Wave(wave) => Some((0, wave.period_ms())),
        Node::Tangent(tangent) => Some((0, tangent.period_ms)),
        Node::Loop(looped) if looped.times.is_none() => Some((0, looped.pass_ms)),
        Node::Join(join) => {
            let last = join.parts().last()?;
            let begin = join.parts().filter_map(Node::length).try_fold(0, i64::checked_add)?;
            let (after, period) = settles(last)?;
            Some((begin.checked_add(after)?, period))
        }
        Node::Shift(node, by) => settles(node).map(|(begin, period)| ((begin - by).max(0), period)),
        Node::Scale(node, _) | Node::Clamp(node, ..) | Node::Quantise(node, _) => settles(node),
        Node::Pointwise(_, nodes) | Node::Sum(nodes) => {
            nodes.iter().try_fold((0, 1), |(begin, period), node| {
                // In a sum, what has ended no longer counts.
                let ended = node.length().map(|length| (length, 1));
                let (after, own) = ended.or_else(|| settles(node))?;
                Some((begin.max(after), multiple_of_both(period, own)?))
            })
        }
        _ => None,
    }
}

fn multiple_of_both(a: i64, b: i64) -> Option<i64> {
    let (mut divisor, mut rest) = (a, b);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (a / divisor).checked_mul(b)
}
