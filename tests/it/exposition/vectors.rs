//! Recorded answers of Prometheus: `tests/data/exposition/*.jsonl`.
//!
//! A line is `{"name", "format", "input", …}`; `tests/servers/promparse vectors` adds or renews
//! what Prometheus says. Where weir deviates on purpose, `"weir"` says why and what it does.

use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::json;
use weir::model::Format;

use super::Item;
use super::naive;
use super::prometheus::compare;
use super::read;

#[test]
fn recorded_answers_of_prometheus_are_met() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/exposition");
    let mut n_vectors = 0;
    for file in fs::read_dir(dir).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            check(&serde_json::from_str(line).unwrap());
            n_vectors += 1;
        }
    }
    assert!(n_vectors > 300, "{n_vectors}");
}

#[track_caller]
fn check(vector: &Value) {
    let format = match vector["format"].as_str() {
        Some("text") => Format::Text,
        Some("openmetrics") => Format::OpenMetrics,
        other => panic!("unknown format {other:?}"),
    };
    let input = input(&vector["input"]);
    let name = &vector["name"];
    if let Some(deviation) = vector.get("weir") {
        let found = read(format, &input, &[]);
        assert!(deviation["why"].is_string(), "{name}");
        assert_eq!(json!(found.ok), deviation["ok"], "{name}");
        let entries: Vec<Value> = found.items.iter().map(Item::to_json).collect();
        assert_eq!(json!(entries), deviation["entries"], "{name}");
        return;
    }
    if let Err(difference) = compare(format, &input, vector) {
        panic!("{name}: {difference}");
    }
    assert_eq!(naive::read(format, &input).ok, vector["ok"] == json!(true), "{name}, naive");
    for chunk_bytes in 1..4 {
        let found = read(format, &input, &[chunk_bytes]);
        assert_eq!(found, read(format, &input, &[]), "{name} in chunks of {chunk_bytes}");
    }
}

/// Text as it is, or bytes in hexadecimal.
fn input(described: &Value) -> Vec<u8> {
    if let Some(text) = described.as_str() {
        return text.as_bytes().to_vec();
    }
    let digits = described["hex"].as_str().unwrap();
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
