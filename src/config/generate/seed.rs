//! The older shape of a file (`metrics`, `timeseries`, `data`), turned into today's.
//!
//! Its points are those of the interval, so index 0 is the start time. Positions are kept, so that
//! what is found later still has the right line.

use crate::config::decode;
use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::config::generate::shape::Record;
use crate::config::generate::shape::list;
use crate::config::generate::signal;
use crate::config::generate::tables;
use crate::config::generate::text::map;
use crate::config::generate::text::plain;
use crate::config::generate::values;
use crate::config::node::Kind;
use crate::config::node::Node;
use std::collections::BTreeSet;

/// Today's file for an older one.
pub(super) fn translate(root: &Node, report: &mut Report) -> Option<Node> {
    let top = Path::default();
    let record = Record::open(root, &tables::seed::FILE, &top, report)?;
    let mut pairs = Vec::new();
    if let Some((node, path)) = record.get("remoteWriter") {
        let writer = Record::open(node, &tables::seed::WRITER, &path, report)?;
        if let Some((node, path)) = writer.get("scraper") {
            let scraper = Record::open(node, &tables::seed::SCRAPER, &path, report)?;
            if scraper.read("startTime", report, values::time_ms).is_some() {
                pairs.extend(scraper.get("startTime").map(|(node, _)| ("start", node.clone())));
            }
            if scraper.read("scrapeInterval", report, values::duration_ms).is_some() {
                let interval = scraper.get("scrapeInterval");
                pairs.extend(interval.map(|(node, _)| ("interval", node.clone())));
            }
            scraper.read("scrapesCount", report, values::whole);
        }
    }
    let (node, path) = record.get("metrics")?;
    let families = list(node, "metrics", &path, report, metric)?;
    pairs.push(("families", Node::made(node.at, Kind::List(families))));
    Some(map(root.at, pairs))
}

fn metric(node: &Node, path: &Path, report: &mut Report) -> Option<Node> {
    let record = Record::open(node, &tables::seed::METRIC, path, report)?;
    let texts = |node: &Node, path: &Path, report: &mut Report| {
        list(node, "label names", path, report, values::text)
    };
    let names = record.read("labels", report, texts).unwrap_or_default();
    let series = |node: &Node, path: &Path, report: &mut Report| {
        list(node, "time series", path, report, |node, path, report| {
            time_series(node, &names, path, report)
        })
    };
    let series = record.read("timeseries", report, series)?;
    let mut pairs = Vec::new();
    for field in ["name", "help", "type"] {
        pairs.extend(record.get(field).map(|(node, _)| (field, node.clone())));
    }
    let (node, _) = record.get("timeseries")?;
    pairs.push(("series", Node::made(node.at, Kind::List(series))));
    Some(map(record.at, pairs))
}

fn time_series(node: &Node, names: &[String], path: &Path, report: &mut Report) -> Option<Node> {
    let record = Record::open(node, &tables::seed::SERIES, path, report)?;
    let given: BTreeSet<String> = record
        .get("labels")
        .and_then(|(node, path)| decode::fields(node, "a map of labels", &path, report))
        .unwrap_or_default()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    let wanted: BTreeSet<String> = names.iter().cloned().collect();
    for name in given.symmetric_difference(&wanted) {
        let message = if wanted.contains(name) {
            format!("label mismatch: {name:?} has no value")
        } else {
            format!("label mismatch: {name:?} is not among the labels of the metric")
        };
        report.error(record.at, &path.field("labels"), message);
    }
    let labels = match record.get("labels") {
        Some((labels, _)) => labels.clone(),
        None => Node::made(record.at, Kind::Map(Vec::new())),
    };
    let (data, data_path) = record.get("data")?;
    let nodes = list(data, "nodes", &data_path, report, piece)?;
    let value = map(data.at, vec![("join", Node::made(data.at, Kind::List(nodes)))]);
    let end = end(&record, report);
    Some(map(record.at, vec![("labels", labels), ("value", value), ("end", end)]))
}

fn end(record: &Record<'_>, report: &mut Report) -> Node {
    let word = |node: &Node, path: &Path, report: &mut Report| {
        values::word(node, tables::seed::ENDS, path, report)
    };
    let strategy = record.read("endStrategy", report, word);
    let value = record.read("endValue", report, values::any_number);
    if value.is_some() && strategy != Some("send_custom_value") {
        report.error(record.at, &record.path, "endValue belongs to send_custom_value");
    }
    match strategy {
        Some("loop") => plain(record.at, "loop"),
        Some("send_last_value") => plain(record.at, "last"),
        Some("send_custom_value") => {
            let value = record.get("endValue").map(|(node, _)| node.clone());
            map(record.at, vec![("value", value.unwrap_or_else(|| plain(record.at, "0")))])
        }
        _ => plain(record.at, "stale"),
    }
}

/// One node of the data as a signal.
fn piece(node: &Node, path: &Path, report: &mut Report) -> Option<Node> {
    let (name, node, path) = Record::single(node, &tables::seed::NODE, path, report)?;
    let at = node.at;
    let open = |shape, report: &mut Report| Record::open(node, shape, &path, report);
    let field = |record: &Record<'_>, name: &str| record.get(name).map(|(node, _)| node.clone());
    let (signal, of) = match name {
        "LinearSegment" => {
            let record = open(&tables::seed::LINEAR, report)?;
            (
                "linear",
                map(
                    at,
                    vec![
                        ("from", field(&record, "amplitudeStart")?),
                        ("to", field(&record, "amplitudeEnd")?),
                        ("points", field(&record, "iterationCount")?),
                    ],
                ),
            )
        }
        "CustomValues" => {
            let record = open(&tables::seed::VALUES, report)?;
            let (values, path) = record.get("values")?;
            list(values, "values", &path, report, signal::sample)?;
            ("values", values.clone())
        }
        "Random" => return random(&open(&tables::seed::RANDOM, report)?),
        "Void" => ("void", field(&open(&tables::seed::VOID, report)?, "count")?),
        "Join" => ("join", joined(&open(&tables::seed::JOIN, report)?, report)?),
        _ => {
            let record = open(&tables::seed::LOOP, report)?;
            let pieces = joined(&record, report)?;
            let pieces = map(at, vec![("join", pieces)]);
            ("loop", map(at, vec![("signal", pieces), ("times", field(&record, "count")?)]))
        }
    };
    Some(map(at, vec![(signal, of)]))
}

/// `data`, which is one node or a list of them.
fn joined(record: &Record<'_>, report: &mut Report) -> Option<Node> {
    let (node, path) = record.get("data")?;
    let pieces = match node.kind {
        Kind::List(_) => list(node, "nodes", &path, report, piece)?,
        _ => vec![piece(node, &path, report)?],
    };
    Some(Node::made(node.at, Kind::List(pieces)))
}

/// Noise has no end of its own, so its beginning is taken.
fn random(record: &Record<'_>) -> Option<Node> {
    let at = record.at;
    let field = |name: &str| record.get(name).map(|(node, _)| node.clone());
    let uniform = map(at, vec![("min", field("amplitudeMin")?), ("max", field("amplitudeMax")?)]);
    let noise = map(at, vec![("noise", map(at, vec![("uniform", uniform)]))]);
    let taken = map(at, vec![("signal", noise), ("points", field("iterationCount")?)]);
    Some(map(at, vec![("take", taken)]))
}
