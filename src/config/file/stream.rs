//! `aggregate` for pushed data: the items that have an interval.

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Kind;
use super::super::node::Node;
use super::aggregate;
use super::limits::set;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::value;
use crate::stream::Grouping;
use crate::stream::Output;
use crate::stream::Rule;
use crate::stream::RuleParts;
use crate::stream::rule;
use std::time::Duration;

/// One item of `aggregate` with an interval.
pub(super) static STREAM: Object = Object {
    wanted: "a rule of aggregation",
    keys: &[
        Key {
            name: "match",
            shape: Shape::Either(&[Shape::Text, Shape::Object(&aggregate::SELECTOR)]),
            about: "A regular expression for the whole metric name, or labels to look at",
        },
        Key { name: "interval", shape: Shape::Duration, about: "How often something is told" },
        Key {
            name: "by",
            shape: Shape::List(&Shape::Scalar),
            about: "The labels that stay, beside the name",
        },
        Key { name: "without", shape: Shape::List(&Shape::Scalar), about: "The labels that go" },
        Key {
            name: "outputs",
            shape: Shape::List(&Shape::Word(&WORDS)),
            about: "What is told of a group",
        },
        Key {
            name: "quantiles",
            shape: Shape::List(&Shape::Scalar),
            about: "Which ones, from 0 to 1; for the output quantiles",
        },
        Key {
            name: "buckets",
            shape: Shape::List(&Shape::Scalar),
            about: "Bounds, rising, for the output histogram_bucket; default those of client libraries",
        },
        Key {
            name: "delay",
            shape: Shape::Duration,
            about: "How long samples are waited for after an interval; default 10s",
        },
        Key {
            name: "staleness",
            shape: Shape::Duration,
            about: "How long a series may pause, at least an interval; default 5m",
        },
        Key {
            name: "keep_input",
            shape: Shape::Bool,
            about: "Whether what is aggregated goes on as well; default false",
        },
        Key {
            name: "max_series",
            shape: Shape::Count,
            about: "Series at a time; more go on unaggregated; default 2000000",
        },
    ],
    inline: &[],
    required: &["match", "interval", "outputs"],
};

const WORDS: [&str; Output::ALL.len()] = {
    let mut words = [""; Output::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Output::ALL[at].0;
        at += 1;
    }
    words
};

/// Whether an item of `aggregate` is one of these.
pub(super) fn is_stream(node: &Node) -> bool {
    let Kind::Map(pairs) = &node.kind else { return false };
    let mut names = pairs.iter().filter_map(|(key, _)| key.as_scalar());
    names.any(|name| name.text == "interval" || name.text == "outputs")
}

/// The items with an interval.
pub(super) fn decode(node: &Node, path: &Path, report: &mut Report) -> Vec<Rule> {
    // What is no list is told by those who read the other items.
    let Kind::List(items) = &node.kind else { return Vec::new() };
    let items = items.iter().enumerate().filter(|(_, item)| is_stream(item));
    items.filter_map(|(at, item)| stream(item, &path.item(at), report)).collect()
}

fn stream(node: &Node, path: &Path, report: &mut Report) -> Option<Rule> {
    let n_errors = report.errors.len();
    let (mut selector, mut interval) = (None, None);
    let (mut by, mut without) = (None, None);
    let (mut outputs, mut quantiles) = (Vec::new(), Vec::new());
    let mut buckets = rule::BUCKETS.to_vec();
    let (mut delay_ms, mut staleness_ms) = (rule::DELAY_MS, None);
    let (mut keep_input, mut series_max) = (false, rule::SERIES_MAX);
    for entry in STREAM.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "match" => selector = aggregate::read_selector(value, inner, report),
            "interval" => {
                let read = value::duration(value, inner, report);
                interval = read.zip(decode::text(value, inner, report));
            }
            "by" => by = Some(value::texts(value, inner, report)),
            "without" => without = Some(value::texts(value, inner, report)),
            "outputs" => outputs = words(value, inner, report),
            "quantiles" => quantiles = numbers(value, 0.0..=1.0, inner, report),
            "buckets" => buckets = numbers(value, f64::MIN..=f64::MAX, inner, report),
            "delay" => {
                let read = value::duration_or_zero(value, inner, report);
                set(&mut delay_ms, read.map(millis));
            }
            "staleness" => staleness_ms = value::duration(value, inner, report).map(millis),
            "keep_input" => set(&mut keep_input, value::truth(value, inner, report)),
            "max_series" => set(&mut series_max, value::count(value, inner, report)),
            _ => shape::forgotten(&entry, path, report),
        }
    }
    let interval_ms = interval.as_ref().map_or(1, |(duration, _)| millis(*duration));
    let staleness_ms = staleness_ms.unwrap_or(rule::STALENESS_MS.max(interval_ms));
    let wrong = [
        (by.is_some() && without.is_some(), "by and without exclude each other"),
        (staleness_ms < interval_ms, "staleness is shorter than interval"),
        (!buckets.is_sorted_by(|a, b| a < b), "buckets do not rise"),
        (
            outputs.contains(&Output::Quantiles) && quantiles.is_empty(),
            "the output quantiles needs quantiles",
        ),
    ];
    for (_, message) in wrong.iter().filter(|(is_wrong, _)| *is_wrong) {
        report.error(node.at, path, *message);
    }
    let (selector, (_, interval_text)) = (selector?, interval?);
    let parts = RuleParts {
        selector_text: selector.text(),
        selector: selector.rules,
        interval_ms,
        interval_text,
        grouping: by.map_or_else(|| Grouping::Without(without.unwrap_or_default()), Grouping::By),
        outputs,
        quantiles,
        buckets,
        delay_ms,
        staleness_ms,
        keep_input,
        series_max,
    };
    (report.errors.len() == n_errors).then(|| Rule::new(parts))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn words(node: &Node, path: &Path, report: &mut Report) -> Vec<Output> {
    let items = decode::items(node, "a list of outputs", None, path, report);
    if items.is_some_and(<[_]>::is_empty) {
        report.error(node.at, path, "the list is empty, write for example [total]");
    }
    let items = items.unwrap_or_default().iter().enumerate();
    items.filter_map(|(at, item)| value::word(item, &Output::ALL, &path.item(at), report)).collect()
}

fn numbers(
    node: &Node,
    range: std::ops::RangeInclusive<f64>,
    path: &Path,
    report: &mut Report,
) -> Vec<f64> {
    let items = decode::items(node, "a list of numbers", None, path, report).unwrap_or_default();
    let mut numbers = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let text = decode::text(item, &path.item(at), report).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number) if range.contains(&number) => numbers.push(number),
            _ => {
                let (from, to) = (range.start(), range.end());
                let message = format!("not a number from {from} to {to}: {text:?}");
                report.error(item.at, &path.item(at), message);
            }
        }
    }
    numbers
}
