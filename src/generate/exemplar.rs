//! Exemplars: of which observation a counter or a bucket is an example.

use crate::generate::data::Row;
use crate::generate::family::Block;
use crate::generate::family::Family;
use crate::generate::hash;
use crate::generate::layout::is_legacy_name;
use crate::generate::layout::write_name;
use crate::generate::spec::ExemplarSpec;
use crate::model::MetricType;
use crate::model::number;

/// An exemplar of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exemplar {
    /// Names and values.
    pub labels: Vec<(String, String)>,
    /// What was observed.
    pub value: f64,
    /// When.
    pub timestamp_ms: i64,
}

/// Whose exemplars, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExemplarAt<'a> {
    pub(super) spec: &'a ExemplarSpec,
    pub(super) key: u64,
    pub(super) time_ms: i64,
    pub(super) interval_ms: i64,
}

/// The exemplar of a line, if it has one: on counters, and on buckets with observations of their
/// own.
///
/// It stays the same for an interval, and lies in the interval before.
pub(super) fn exemplar(
    at: &ExemplarAt<'_>,
    family: &Family,
    block: &Block,
    row: &Row,
    line: usize,
) -> Option<Exemplar> {
    let cell = at.time_ms.div_euclid(at.interval_ms);
    let bits = hash::mix(hash::mix(at.key, EXEMPLAR ^ line as u64), cell.cast_unsigned());
    if hash::unit(bits) >= at.spec.share {
        return None;
    }
    let value = match family.metric_type {
        MetricType::Counter if block.has_created => 1.0,
        MetricType::Histogram | MetricType::GaugeHistogram => {
            bucket_value(block, row, line, hash::unit(hash::mix(bits, 1)))?
        }
        _ => return None,
    };
    let since = hash::below(hash::mix(bits, 2), at.interval_ms.unsigned_abs());
    let timestamp_ms = cell.saturating_mul(at.interval_ms).saturating_sub_unsigned(since);
    let labels = at.spec.labels.iter().enumerate().map(|(nth, (name, digits))| {
        (name.clone(), hex(hash::mix(bits, 3 + nth as u64), *digits as usize))
    });
    Some(Exemplar { labels: labels.collect(), value, timestamp_ms })
}

/// What keeps the random numbers of exemplars apart from others.
const EXEMPLAR: u64 = 0x6578_656d_0000_0000;

/// A value that this bucket counts and the one before does not.
fn bucket_value(block: &Block, row: &Row, line: usize, unit: f64) -> Option<f64> {
    let bound = block.lines.get(line)?.bound.as_ref()?.value;
    let before = line.checked_sub(1);
    let count_before = before.map_or(0.0, |before| row.values[before]);
    if row.values[line] <= count_before {
        return None;
    }
    let low = before.and_then(|at| block.lines[at].bound.as_ref()).map(|bound| bound.value);
    Some(match (low, bound) {
        (Some(low), bound) if bound.is_finite() => bound - (bound - low) * unit,
        (None, bound) if bound.is_finite() && bound > 0.0 => bound * (1.0 - unit),
        (Some(low), _) => low + low.abs() * (unit + f64::EPSILON),
        (None, bound) if bound.is_finite() => bound,
        (None, _) => unit,
    })
}

/// Hexadecimal digits, as many as asked for.
fn hex(bits: u64, n_digits: usize) -> String {
    let word = |nth: u64| format!("{:016x}", hash::mix(bits, nth));
    let mut text: String = (0..).map(word).take(n_digits.div_ceil(16)).collect();
    text.truncate(n_digits);
    text
}

/// Append a line's exemplar, if it has one.
pub(super) fn write(
    at: &ExemplarAt<'_>,
    family: &Family,
    block: &Block,
    row: &Row,
    line: usize,
    out: &mut Vec<u8>,
) {
    let Some(exemplar) = exemplar(at, family, block, row, line) else { return };
    out.extend_from_slice(b" # {");
    for (nth, (name, value)) in exemplar.labels.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        write_name(out, name, is_legacy_name(name) && !name.contains(':'));
        out.extend_from_slice(b"=\"");
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"} ");
    number::write_value_open_metrics(out, exemplar.value);
    out.push(b' ');
    number::write_seconds(out, exemplar.timestamp_ms);
}
