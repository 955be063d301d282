//! What rules say of a family by its name, its type and its HELP line.

use crate::lint::labels::is_camel_case;
use crate::lint::rule::Rule;
use crate::model::MetricType;
use memchr::memmem;
use std::borrow::Cow;

/// Units, and the base unit of each (promlint's `validations/units.go`).
const UNITS: [(&str, &str); 24] = [
    ("amperes", "amperes"),
    ("bytes", "bytes"),
    ("celsius", "celsius"),
    ("grams", "grams"),
    ("joules", "joules"),
    ("kelvin", "kelvin"),
    ("meters", "meters"),
    ("metres", "metres"),
    ("seconds", "seconds"),
    ("volts", "volts"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kelvins", "kelvin"),
    ("fahrenheit", "celsius"),
    ("rankine", "celsius"),
    ("inches", "meters"),
    ("yards", "meters"),
    ("miles", "meters"),
    ("bits", "bytes"),
    ("calories", "joules"),
    ("pounds", "grams"),
    ("ounces", "grams"),
];

/// Prefixes of units; `mibi` is promlint's.
const PREFIXES: [&str; 18] = [
    "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
    "mibi", "giga", "gibi", "tera", "tebi", "peta", "pebi",
];

/// The prefix that promlint means by `mibi`.
const MEBI: &str = "mebi";

const ABBREVIATIONS: [&str; 14] =
    ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"];

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) name: &'a [u8],
    pub(super) metric_type: MetricType,
    pub(super) has_help: bool,
    pub(super) has_type: bool,
}

/// Tell each rule the family breaks, as often as it does, and what is to be said.
pub(super) fn check(named: Named<'_>, mut found: impl FnMut(Rule, Cow<'static, str>)) {
    let Named { name, metric_type, has_help, has_type } = named;
    let mut when = |holds: bool, rule: Rule| {
        if holds {
            found(rule, Cow::Borrowed(rule.text()));
        }
    };
    let is_typed = metric_type != MetricType::Unknown;
    let is_counter = metric_type == MetricType::Counter;
    let is_histogram = metric_type == MetricType::Histogram;
    let has_parts = is_histogram || metric_type == MetricType::Summary;
    let is_total = name.ends_with(b"_total");
    when(!has_help, Rule::HelpMissing);
    when(!has_type, Rule::TypeMissing);
    when(is_counter && !is_total, Rule::CounterTotalSuffix);
    when(is_typed && !is_counter && is_total, Rule::NonCounterTotalSuffix);
    when(is_typed && !is_histogram && name.ends_with(b"_bucket"), Rule::ReservedBucketSuffix);
    when(is_typed && !has_parts && name.ends_with(b"_count"), Rule::ReservedCountSuffix);
    when(is_typed && !has_parts && name.ends_with(b"_sum"), Rule::ReservedSumSuffix);
    when(name.contains(&b':'), Rule::ColonInName);
    when(is_camel_case(name), Rule::CamelCaseMetric);
    let lower = name.to_ascii_lowercase();
    for abbreviation in ABBREVIATIONS {
        when(has_word(&lower, abbreviation), Rule::UnitAbbreviation);
    }
    let word = type_word(metric_type);
    if is_typed && has_word(&lower, word) {
        found(Rule::TypeInName, format!("{} '{word}'", Rule::TypeInName.text()).into());
    }
    units(name, found);
}

fn units(name: &[u8], mut found: impl FnMut(Rule, Cow<'static, str>)) {
    let mut judge = |rule: Rule, (unit, base): (&[u8], &str)| {
        if unit != base.as_bytes() {
            let unit = String::from_utf8_lossy(unit);
            found(rule, format!("{} \"{base}\" instead of \"{unit}\"", rule.text()).into());
        }
    };
    let known = first_unit(name, &PREFIXES);
    if let Some(unit) = known {
        judge(Rule::UnitBase, unit);
    }
    let with_mebi = first_unit(name, &[MEBI]).filter(|(unit, _)| unit.starts_with(MEBI.as_bytes()));
    if let (None, Some(unit)) = (known, with_mebi) {
        judge(Rule::UnitBaseMebi, unit);
    }
}

/// The first word of a name that is a unit, and its base unit.
fn first_unit<'a>(name: &'a [u8], prefixes: &[&str]) -> Option<(&'a [u8], &'static str)> {
    name.split(|byte| *byte == b'_').find_map(|word| {
        let longer = || prefixes.iter().find_map(|p| base(word.strip_prefix(p.as_bytes())?));
        Some((word, base(word).or_else(longer)?))
    })
}

fn base(unit: &[u8]) -> Option<&'static str> {
    UNITS.iter().find(|(known, _)| known.as_bytes() == unit).map(|(_, base)| *base)
}

/// Whether a name holds `_word_` or ends in `_word`.
fn has_word(name: &[u8], word: &str) -> bool {
    let behind = |at: usize| name.get(at + 1 + word.len());
    let found = memmem::find_iter(name, word.as_bytes());
    found
        .filter_map(|at| at.checked_sub(1))
        .any(|at| name.get(at) == Some(&b'_') && behind(at).is_none_or(|byte| *byte == b'_'))
}

/// The type as promlint spells it, and as OpenMetrics spells those promlint does not know.
fn type_word(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::GaugeHistogram => "gauge_histogram",
        other => other.open_metrics_word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(metric_type: MetricType, name: &str, expect: &[&str]) {
        let mut said = Vec::new();
        let named = Named { name: name.as_bytes(), metric_type, has_help: true, has_type: true };
        check(named, |rule, text| {
            assert!(text.starts_with(rule.text()));
            said.push(text);
        });
        said.sort_unstable();
        assert_eq!(said, expect, "{name}");
    }

    #[test]
    fn units_are_words_of_the_name() {
        use MetricType::Gauge;
        check_name(Gauge, "x_kilobits", &[r#"use base unit "bytes" instead of "kilobits""#]);
        check_name(Gauge, "seconds_then_minutes", &[]);
        check_name(Gauge, "x_Minutes", &[]);
        check_name(Gauge, "x_mebibytes", &[r#"use base unit "bytes" instead of "mebibytes""#]);
        check_name(Gauge, "x_seconds_mebibytes", &[]);
        check_name(Gauge, "x_volts", &[]);
        let one = "metric names should not contain abbreviated units";
        check_name(Gauge, "x_b_kb", &[one, one]);
        check_name(Gauge, "x_MB_y", &[one]);
        check_name(Gauge, "s_x_sx_xs", &[]);
        check_name(Gauge, "x_s_s_y", &[one]);
    }

    #[test]
    fn names_do_not_repeat_their_type() {
        use MetricType::{Gauge, GaugeHistogram, Unknown};
        check_name(Gauge, "a_Gauge_x", &["metric name should not include type 'gauge'"]);
        check_name(Gauge, "gauge_x_gauges_counter", &[]);
        check_name(Unknown, "a_unknown", &[]);
        let said = "metric name should not include type 'gauge_histogram'";
        check_name(GaugeHistogram, "a_gauge_histogram", &[said]);
    }
}
