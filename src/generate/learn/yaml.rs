//! What was learned, as a config file.

use std::fmt::Write as _;

use crate::generate::learn::Learned;
use crate::generate::spec::BucketSpec;
use crate::generate::spec::CounterSource;
use crate::generate::spec::CounterSpec;
use crate::generate::spec::DataSpec;
use crate::generate::spec::DimensionSpec;
use crate::generate::spec::DistributionSpec;
use crate::generate::spec::Extent;
use crate::generate::spec::FamilySpec;
use crate::generate::spec::SignalSpec;
use crate::generate::spec::ValuesSpec;

impl Learned {
    /// The config file. `start_ms` is time 0 of its signals: counters learned from one scrape have
    /// reached what was seen a day later.
    pub fn yaml(&self, start_ms: i64) -> String {
        let mut out = String::new();
        for note in &self.notes {
            line(&mut out, 0, &format!("# {}", note.replace(['\n', '\r'], " ")));
        }
        line(&mut out, 0, &format!("start: {}", rfc3339(start_ms)));
        line(&mut out, 0, &format!("seed: {}", self.spec.seed));
        if self.spec.families.is_empty() {
            line(&mut out, 0, "families: []");
            return out;
        }
        line(&mut out, 0, "families:");
        for family in &self.spec.families {
            write_family(&mut out, family);
        }
        out
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    out.extend(std::iter::repeat_n(' ', depth));
    out.push_str(text);
    out.push('\n');
}

fn write_family(out: &mut String, family: &FamilySpec) {
    line(out, 0, &format!("- name: {}", quoted(&family.name)));
    line(out, 2, &format!("type: {}", family.metric_type.open_metrics_word()));
    if !family.help.is_empty() {
        line(out, 2, &format!("help: {}", quoted(&family.help)));
    }
    if !family.unit.is_empty() {
        line(out, 2, &format!("unit: {}", quoted(&family.unit)));
    }
    if !family.dimensions.is_empty() {
        line(out, 2, "labels:");
        for dimension in &family.dimensions {
            write_dimension(out, dimension);
        }
    }
    if let Some(data) = &family.data {
        write_data(out, data);
    }
    if family.spread > 0.0 {
        line(out, 2, &format!("spread: {}", family.spread));
    }
}

fn write_dimension(out: &mut String, dimension: &DimensionSpec) {
    let ValuesSpec::List(values) = &dimension.values else { return };
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    let list = format!("[{}]", values.join(", "));
    let text = match &dimension.of {
        None => list,
        Some(of) => format!("{{of: {}, list: {list}}}", quoted(of)),
    };
    line(out, 4, &format!("{}: {text}", quoted(&dimension.label)));
}

fn write_data(out: &mut String, data: &DataSpec) {
    match data {
        DataSpec::Gauge(value) => line(out, 2, &format!("value: {}", signal(&value.signal))),
        DataSpec::Counter(counter) => write_counter(out, counter),
        DataSpec::Histogram(histogram) => {
            write_counter(out, &histogram.observations);
            line(out, 2, &format!("distribution: {}", distribution(&histogram.distribution)));
            if let BucketSpec::List(bounds) = &histogram.buckets {
                line(out, 2, &format!("buckets: {}", numbers(bounds)));
            }
            if let Some(window_ms) = histogram.window_ms {
                line(out, 2, &format!("window: {window_ms}ms"));
            }
        }
        DataSpec::Summary(summary) => {
            write_counter(out, &summary.observations);
            line(out, 2, &format!("distribution: {}", distribution(&summary.distribution)));
            line(out, 2, &format!("quantiles: {}", numbers(&summary.quantiles)));
        }
        DataSpec::Info => {}
        DataSpec::StateSet { states, every_ms } => {
            let states: Vec<String> = states.iter().map(|state| quoted(state)).collect();
            line(out, 2, &format!("states: [{}]", states.join(", ")));
            line(out, 2, &format!("every: {every_ms}ms"));
        }
    }
}

fn write_counter(out: &mut String, counter: &CounterSpec) {
    if let CounterSource::Rate(rate) = &counter.source {
        line(out, 2, &format!("rate: {}", signal(rate)));
    }
    line(out, 2, &format!("integers: {}", counter.integers));
}

/// The signals that are learned.
fn signal(spec: &SignalSpec) -> String {
    match spec {
        SignalSpec::Const(value) => number(*value),
        SignalSpec::Quantise { signal: inner, step } => {
            format!("{{quantise: {{signal: {}, step: {}}}}}", signal(inner), number(*step))
        }
        SignalSpec::RandomWalk { step, min, max, every, .. } => {
            let mut text = format!("{{random_walk: {{step: {}", number(*step));
            for (key, bound) in [("min", min), ("max", max)] {
                if let Some(bound) = bound {
                    // Writing to a string cannot fail.
                    write!(text, ", {key}: {}", number(*bound)).unwrap_or_default();
                }
            }
            if let Extent::Duration(every_ms) = every {
                write!(text, ", every: {every_ms}ms").unwrap_or_default();
            }
            text.push_str("}}");
            text
        }
        _ => "0".to_owned(),
    }
}

fn distribution(spec: &DistributionSpec) -> String {
    match spec {
        DistributionSpec::LogNormal { mu, sigma } => {
            format!("{{lognormal: {{mu: {}, sigma: {}}}}}", number(*mu), number(*sigma))
        }
        DistributionSpec::Exponential { mean } => {
            format!("{{exponential: {{mean: {}}}}}", number(*mean))
        }
        _ => "{exponential: {mean: 1}}".to_owned(),
    }
}

fn numbers(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|&value| number(value)).collect();
    format!("[{}]", values.join(", "))
}

/// The shortest text that is read as the same number; with an exponent where that is shorter.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-5..1e15).contains(&magnitude) {
        let text = format!("{value:e}");
        // YAML 1.1 wants a point and a sign in a number with an exponent.
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        return format!("{digits}{point}e{sign}{exponent}");
    }
    format!("{value}")
}

/// A double-quoted scalar; `${` is doubled, since a config file would put a parameter there.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.replace("${", "$${").chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            ' '..='~'
            | '\u{a0}'..='\u{2027}'
            | '\u{202a}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}' => {
                out.push(c);
            }
            // Writing to a string cannot fail.
            c => write!(out, "\\U{:08X}", u32::from(c)).unwrap_or_default(),
        }
    }
    out.push('"');
    out
}

/// A time as RFC 3339 has it, in UTC (H. Hinnant's civil calendar).
fn rfc3339(time_ms: i64) -> String {
    let (days, ms) = (time_ms.div_euclid(86_400_000), time_ms.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(1_709_164_800_000), "2024-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn numbers_are_read_as_the_same() {
        for value in [0.0, -1.5, 1e21, 2.5e-9, 1e15, 0.1, 123_456_789.0, f64::MAX, 5e-324] {
            let text = number(value);
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
        }
        assert_eq!(number(1e21), "1.0e+21");
    }

    #[test]
    fn odd_characters_are_escaped() {
        assert_eq!(quoted("a\"\\\n${x}\u{7}"), r#""a\"\\\n$${x}\U00000007""#);
    }
}
