//! The receiver suite of prometheus/compliance: its 39 tests, as data.
//!
//! A success must be 204 with exact numbers; a refusal 400 (or what the vector says) with exact
//! numbers of what is good; and what was accepted has to arrive.

use std::collections::BTreeSet;

use serde_json::Value;
use weir::wire::Version;

use super::support::{Reply, TestReceiver, compress, content_type};
use crate::wire::golden;
use crate::wire::owned::OwnedMessage;

#[test]
fn the_suite_passes() {
    let text = include_str!("../../data/remote_write/compliance.jsonl");
    // To a destination of the same version bodies go as they are; to the other one rewritten.
    let receivers = [Version::V2, Version::V1].map(TestReceiver::new);
    let mut tests = BTreeSet::new();
    for line in text.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        for receiver in &receivers {
            check(receiver, &vector);
        }
        tests.insert(vector["test"].as_str().unwrap().to_owned());
    }
    assert_eq!(tests.len(), 39);
}

#[track_caller]
fn check(receiver: &TestReceiver, vector: &Value) {
    let name = format!("{}, {}", vector["test"], vector["case"]);
    let version = if vector["version"] == 1 { Version::V1 } else { Version::V2 };
    let n_before = receiver.keeper().series().len();
    let reply = send(receiver, version, vector);
    assert_eq!(vector["status"], reply.status, "{name}: {}", reply.body);
    let header = reply.header("x-prometheus-remote-write-samples-written");
    // Only for 2.0, and only once the type is known.
    let is_told = version == Version::V2 && reply.status != 415;
    assert_eq!(header.is_some(), is_told, "{name}");
    let want = vector["written"]
        .as_array()
        .map_or([0; 3], |written| [0, 1, 2].map(|at| written[at].as_u64().unwrap()));
    assert_eq!(reply.written(), want, "{name}: {}", reply.body);
    if reply.status == 204 {
        assert_eq!(reply.body, "", "{name}");
    } else {
        assert!(!reply.body.trim().is_empty(), "{name}");
    }
    if is_told {
        check_arrived(receiver, vector, n_before, want, &name);
    }
}

/// What arrived is what was accepted, bit by bit.
#[track_caller]
fn check_arrived(
    receiver: &TestReceiver,
    vector: &Value,
    n_before: usize,
    [n_samples, n_histograms, n_exemplars]: [u64; 3],
    name: &str,
) {
    let arrived = &receiver.keeper().series()[n_before..];
    let count = |n: usize| n as u64;
    let sum = |of: fn(&crate::wire::owned::OwnedSeries) -> usize| {
        arrived.iter().map(|series| count(of(series))).sum::<u64>()
    };
    assert_eq!(sum(|series| series.samples.len()), n_samples, "{name}");
    let is_v1 = receiver.keeper().version == Version::V1;
    let has_custom = vector.to_string().contains("\"schema\":-53");
    if !(is_v1 && has_custom) {
        assert_eq!(sum(|series| series.histograms.len()), n_histograms, "{name}");
        assert_eq!(sum(|series| series.exemplars.len()), n_exemplars, "{name}");
    }
    let sent: BTreeSet<_> = vector["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(golden::series)
        .flat_map(|series| series.samples)
        .map(|sample| (sample.timestamp_ms, sample.value.to_bits()))
        .collect();
    for series in arrived {
        assert!(series.labels.is_sorted(), "{name}: {:?}", series.labels);
        for sample in &series.samples {
            assert!(sent.contains(&(sample.timestamp_ms, sample.value.to_bits())), "{name}");
        }
    }
}

fn send(receiver: &TestReceiver, version: Version, vector: &Value) -> Reply {
    let series = vector["series"].as_array().unwrap();
    let message =
        OwnedMessage { series: series.iter().map(golden::series).collect(), metadata: Vec::new() };
    let mut message = message.encode(version);
    let created: Vec<_> = series.iter().map(|series| series["created"].as_i64()).collect();
    if created.iter().any(Option::is_some) {
        message = with_created(&message, &created);
    }
    let mut body = compress(&message);
    if let Some(byte) = vector["first_byte"].as_u64() {
        body[0] = u8::try_from(byte).unwrap();
    }
    let content_type = vector["content_type"].as_str().unwrap_or(content_type(version));
    receiver.post(content_type, vector["encoding"].as_str().unwrap_or("snappy"), &body)
}

/// A message of 2.0 with field 6 of early release candidates in its series, which weir never
/// writes.
fn with_created(message: &[u8], created: &[Option<i64>]) -> Vec<u8> {
    let (mut out, mut rest, mut n_series) = (Vec::new(), message, 0);
    while let [key, tail @ ..] = rest {
        let (length, tail) = varint(tail);
        let (bytes, tail) = tail.split_at(usize::try_from(length).unwrap());
        let mut bytes = bytes.to_vec();
        if *key == 0x2a {
            if let Some(created) = created[n_series] {
                bytes.push(0x30);
                put_varint(&mut bytes, created.cast_unsigned());
            }
            n_series += 1;
        }
        out.push(*key);
        put_varint(&mut out, bytes.len() as u64);
        out.extend(bytes);
        rest = tail;
    }
    assert_eq!(n_series, created.len());
    out
}

fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let n_bytes = 1 + bytes.iter().position(|byte| *byte < 0x80).unwrap();
    let (number, rest) = bytes.split_at(n_bytes);
    let value = number.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
    (value, rest)
}

fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}
