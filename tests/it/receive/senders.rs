//! Requests as senders sent them that no test can run: headers and bodies, byte by byte.

use std::collections::BTreeSet;

use serde_json::Value;
use weir::wire::{Count, Version};

use super::support::TestReceiver;
use crate::wire::owned::{OwnedHistogram, OwnedLabels, OwnedMetadata, OwnedSeries};

#[test]
fn requests_of_other_senders_are_taken() {
    for line in include_str!("../../data/remote_write/senders.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        for version in [Version::V1, Version::V2] {
            check(version, &vector);
        }
    }
}

/// A request, on its way to a destination that is sent `version`.
#[track_caller]
fn check(version: Version, vector: &Value) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = |name: &str| vector[name].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    let body = unhex(&text(&vector["body"]));
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: weir\r\n{}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        all("headers").join("\r\n"),
        body.len()
    );
    let receiver = TestReceiver::new(version);
    let reply = receiver.raw(&[head.as_bytes(), &body].concat());
    assert_eq!(reply.status, 204, "{}: {}", vector["sender"], reply.body);
    let series = receiver.keeper().series();
    let mut arrived: Vec<String> = series.iter().flat_map(shown).collect();
    arrived.sort();
    let mut sent = all("series");
    // 1.0 has no buckets of one's own choice.
    sent.retain(|line| version == Version::V2 || !line.contains(" schema=-53 "));
    assert_eq!(arrived, sent, "{} to {version:?}", vector["sender"]);
    // In 1.0 it stands beside the series, and is sent by the clock.
    if version == Version::V2 {
        let described: BTreeSet<_> = series.iter().filter_map(described).collect();
        let sent: BTreeSet<_> = all("metadata").into_iter().collect();
        assert_eq!(described, sent, "{}", vector["sender"]);
    }
}

/// The values of a series, each with the labels and when it was.
fn shown(series: &OwnedSeries) -> Vec<String> {
    let labels = shown_labels(&series.labels);
    let samples = series.samples.iter().map(|sample| {
        let is_stale = sample.is_stale_marker();
        let value = if is_stale { "stale".to_owned() } else { sample.value.to_string() };
        format!("{labels} {value}@{}", sample.timestamp_ms)
    });
    let histograms = series.histograms.iter().map(|histogram| {
        let count = match histogram.count {
            Some(Count::Int(count)) => count.to_string(),
            Some(Count::Float(count)) => count.to_string(),
            None => "none".to_owned(),
        };
        let sum = f64::from_bits(histogram.sum);
        let OwnedHistogram { schema, timestamp_ms, .. } = histogram;
        format!("{labels} histogram schema={schema} count={count} sum={sum}@{timestamp_ms}")
    });
    let exemplars = series.exemplars.iter().map(|exemplar| {
        let (own, value) = (shown_labels(&exemplar.labels), f64::from_bits(exemplar.value));
        format!("{labels} exemplar {own} {value}@{}", exemplar.timestamp_ms)
    });
    samples.chain(histograms).chain(exemplars).collect()
}

fn shown_labels(labels: &OwnedLabels) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{}={}", text(name), text(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// Name, type and help, if it has any.
fn described(series: &OwnedSeries) -> Option<String> {
    let OwnedMetadata { metric_type, help, .. } = &series.metadata;
    let name = series.labels.iter().find(|(name, _)| name == b"__name__")?;
    (series.metadata != OwnedMetadata::default())
        .then(|| format!("{} {} {}", text(&name.1), metric_type.open_metrics_word(), text(help)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let pairs = pairs.iter().map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
