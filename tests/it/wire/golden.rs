//! Messages made by Prometheus' libraries (`tests/servers/promwrite`), with what is in them.

use serde_json::Value;
use weir::model::MetricType;
use weir::wire::snappy::Snappy;
use weir::wire::{BucketSpan, Count, ResetHint, Sample, Version};

use super::naive;
use super::owned::{
    OwnedBuckets, OwnedExemplar, OwnedHistogram, OwnedLabels, OwnedMessage, OwnedMetadata,
    OwnedSeries,
};

#[test]
fn messages_of_prometheus_are_read_and_written_alike() {
    let text = include_str!("../../data/remote_write/messages.jsonl");
    let mut n_vectors = 0;
    for line in text.lines() {
        check(&serde_json::from_str(line).unwrap());
        n_vectors += 1;
    }
    assert!(n_vectors > 80, "{n_vectors}");
}

#[track_caller]
fn check(vector: &Value) {
    let version = if vector["version"] == 1 { Version::V1 } else { Version::V2 };
    let name = format!("{} {version:?}", vector["name"]);
    let body = hex(&vector["message"]);
    let want = OwnedMessage {
        series: list(&vector["series"]).iter().map(series).collect(),
        metadata: list(&vector["metadata"])
            .iter()
            .map(|m| (m["family"].as_str().unwrap_or_default().into(), metadata(m)))
            .collect(),
    };
    assert_eq!(OwnedMessage::decode(version, &body).as_ref(), Ok(&want), "{name}");
    assert_eq!(naive::decode(version, &body).as_ref(), Some(&want), "{name}, naive");
    assert_eq!(want.encode(version), body, "{name}, encoded");
    let mut snappy = Snappy::new();
    assert_eq!(snappy.decompress(&hex(&vector["snappy"]), body.len()), Ok(&body[..]), "{name}");
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn bits(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn labels(value: &Value) -> OwnedLabels {
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    list(value).iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

pub(crate) fn series(value: &Value) -> OwnedSeries {
    let sample = |value: &Value| Sample {
        value: f64::from_bits(bits(&value[0])),
        timestamp_ms: int(&value[1]),
        start_timestamp_ms: int(&value[2]),
    };
    let exemplar = |value: &Value| OwnedExemplar {
        labels: labels(&value[0]),
        value: bits(&value[1]),
        timestamp_ms: int(&value[2]),
    };
    OwnedSeries {
        labels: labels(&value["labels"]),
        samples: list(&value["samples"]).iter().map(sample).collect(),
        histograms: list(&value["histograms"]).iter().map(histogram).collect(),
        exemplars: list(&value["exemplars"]).iter().map(exemplar).collect(),
        metadata: value.get("metadata").map(metadata).unwrap_or_default(),
    }
}

fn metadata(value: &Value) -> OwnedMetadata {
    use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary, Unknown};
    let types = [Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet, Unknown];
    let named = types.into_iter().find(|t| value["type"] == t.open_metrics_word());
    let text = |name: &str| value[name].as_str().unwrap().as_bytes().to_vec();
    OwnedMetadata { metric_type: named.unwrap(), help: text("help"), unit: text("unit") }
}

fn count(value: &Value) -> Option<Count> {
    match value {
        Value::Null => None,
        Value::String(_) => Some(Count::Float(f64::from_bits(bits(value)))),
        number => Some(Count::Int(number.as_u64().unwrap())),
    }
}

fn buckets(value: &Value) -> OwnedBuckets {
    let span = |value: &Value| BucketSpan {
        offset: i32::try_from(int(&value[0])).unwrap(),
        length: u32::try_from(int(&value[1])).unwrap(),
    };
    OwnedBuckets {
        spans: list(&value["spans"]).iter().map(span).collect(),
        deltas: list(&value["deltas"]).iter().map(int).collect(),
        counts: list(&value["counts"]).iter().map(bits).collect(),
    }
}

fn histogram(value: &Value) -> OwnedHistogram {
    let hints = [ResetHint::Unknown, ResetHint::Yes, ResetHint::No, ResetHint::Gauge];
    OwnedHistogram {
        count: count(&value["count"]),
        sum: bits(&value["sum"]),
        schema: i32::try_from(int(&value["schema"])).unwrap(),
        zero_threshold: bits(&value["zero_threshold"]),
        zero_count: count(&value["zero_count"]),
        negative: buckets(&value["negative"]),
        positive: buckets(&value["positive"]),
        reset_hint: hints[usize::try_from(int(&value["reset_hint"])).unwrap()],
        timestamp_ms: int(&value["timestamp"]),
        custom_values: list(&value["custom_values"]).iter().map(bits).collect(),
        start_timestamp_ms: int(&value["start_timestamp"]),
    }
}
