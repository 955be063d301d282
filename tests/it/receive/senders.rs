//! Requests as senders sent them that no test can run: headers and bodies, byte by byte.

use serde_json::Value;
use weir::wire::Version;

use super::support::TestReceiver;
use crate::wire::owned::OwnedSeries;

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
    let mut arrived: Vec<String> = receiver.keeper().series().iter().map(shown).collect();
    arrived.sort();
    assert_eq!(arrived, all("series"), "{}", vector["sender"]);
}

/// A series with one value: its labels, the value, and when it was.
fn shown(series: &OwnedSeries) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let labels =
        series.labels.iter().map(|(name, value)| format!("{}={}", text(name), text(value)));
    let labels: Vec<_> = labels.collect();
    let samples = series.samples.iter().map(|s| format!("{}@{}", s.value, s.timestamp_ms));
    let histograms = series.histograms.iter().map(|h| format!("histogram@{}", h.timestamp_ms));
    let values: Vec<_> = samples.chain(histograms).collect();
    format!("{} {}", labels.join(","), values.join(","))
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let pairs = pairs.iter().map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
