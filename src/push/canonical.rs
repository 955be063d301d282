//! Families as text 0.0.4, in one way: what is forwarded, stored and exposed.

use crate::model::number::write_value;
use crate::push::family::{Family, Value, word};
use crate::push::labels::Labels;

/// Write the HELP and the TYPE line of a family.
pub fn write_head(out: &mut Vec<u8>, name: &str, family: &Family) {
    if !family.help.is_empty() {
        out.extend_from_slice(b"# HELP ");
        write_family_name(out, name);
        out.push(b' ');
        for byte in family.help.bytes() {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                byte => out.push(byte),
            }
        }
        out.push(b'\n');
    }
    out.extend_from_slice(b"# TYPE ");
    write_family_name(out, name);
    out.push(b' ');
    out.extend_from_slice(word(family.metric_type).as_bytes());
    out.push(b'\n');
}

/// Write one metric: a line, or as many as a summary or a histogram takes.
pub fn write_metric(out: &mut Vec<u8>, name: &str, labels: &Labels, value: &Value) {
    let mut line = |suffix: &str, extra: Option<(&str, f64)>, value: f64| {
        write_series(out, name, suffix, labels, extra);
        write_value(out, value);
        out.push(b'\n');
    };
    match value {
        Value::Number(number) => line("", None, *number),
        Value::Summary(summary) => {
            for (quantile, value) in &summary.quantiles {
                line("", Some(("quantile", *quantile)), *value);
            }
            line("_sum", None, summary.sum);
            line("_count", None, as_float(summary.count));
        }
        Value::Histogram(histogram) => {
            for (bound, count) in histogram.all_buckets() {
                line("_bucket", Some(("le", bound)), as_float(count));
            }
            line("_sum", None, histogram.sum);
            line("_count", None, as_float(histogram.count));
        }
    }
}

/// Write whole families.
pub fn write_families<'a>(families: impl IntoIterator<Item = (&'a str, &'a Family)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, family) in families {
        write_head(&mut out, name, family);
        for (labels, value) in &family.metrics {
            write_metric(&mut out, name, labels, value);
        }
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "text holds doubles")]
fn as_float(count: u64) -> f64 {
    count as f64
}

fn write_series(
    out: &mut Vec<u8>,
    name: &str,
    suffix: &str,
    labels: &Labels,
    extra: Option<(&str, f64)>,
) {
    let is_plain = is_legacy(name.as_bytes(), true);
    if is_plain {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
    }
    out.push(b'{');
    if !is_plain {
        write_quoted(out, &[name.as_bytes(), suffix.as_bytes()].concat());
        out.push(b',');
    }
    for (label, value) in labels.iter() {
        if is_legacy(label, false) {
            out.extend_from_slice(label);
        } else {
            write_quoted(out, label);
        }
        out.push(b'=');
        write_quoted(out, value);
        out.push(b',');
    }
    if let Some((label, bound)) = extra {
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(b"=\"");
        write_value(out, bound);
        out.extend_from_slice(b"\",");
    }
    if out.last() == Some(&b',') {
        out.pop();
        out.extend_from_slice(b"} ");
    } else {
        // There was no label at all.
        out.pop();
        out.push(b' ');
    }
}

fn write_family_name(out: &mut Vec<u8>, name: &str) {
    if is_legacy(name.as_bytes(), true) {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_quoted(out, name.as_bytes());
    }
}

fn write_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            byte => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// Whether a name needs no quotes; colons are for metric names.
pub(super) fn is_legacy(name: &[u8], is_metric: bool) -> bool {
    let is_good =
        |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || is_metric && *byte == b':';
    name.first().is_some_and(|first| !first.is_ascii_digit()) && name.iter().all(is_good)
}
