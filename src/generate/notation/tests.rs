use std::fs;

use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::json;

use super::*;
use crate::generate::native::Bucket;
use crate::generate::native::ResetHint;
use crate::model::number;

/// What Prometheus makes of each text, and where weir differs on purpose. `promnotation` in
/// `tests/servers` renews the answers.
#[test]
fn every_text_is_read_as_prometheus_reads_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/generate/notation.jsonl");
    let vectors = fs::read_to_string(path).unwrap();
    let mut wrong = Vec::new();
    for line in vectors.lines() {
        let vector: Json = serde_json::from_str(line).unwrap();
        let input = vector["input"].as_str().unwrap();
        let expected_ok = vector["ok"] == json!(true) && vector["weir"]["ok"] != json!(false);
        match parse(input) {
            Ok(items) if expected_ok => {
                let found: Vec<Json> = items.iter().flat_map(expanded).collect();
                let expected = vector["values"].as_array().unwrap();
                let same = found.len() == expected.len()
                    && found.iter().zip(expected).all(|(a, b)| is_near(a, b));
                if !same {
                    wrong.push(format!("{input:?}: {found:?}\n   is not {expected:?}"));
                }
            }
            Ok(items) => wrong.push(format!("{input:?} is read as {items:?}")),
            Err(e) if expected_ok => wrong.push(format!("{input:?} is refused: {e}")),
            Err(e) => assert!((1..=input.len() + 1).contains(&e.column), "{input:?}: {e}"),
        }
    }
    assert!(vectors.lines().count() > 500);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The samples of an item, as the vectors spell them.
fn expanded(item: &Item) -> Vec<Json> {
    #[expect(clippy::cast_precision_loss, reason = "a few samples")]
    (0..item.n_samples())
        .map(|k| match item {
            Item::Values { from, step, .. } => spelt(from + k as f64 * step),
            Item::Missing(_) => json!("_"),
            Item::Stale => json!("stale"),
            Item::Natives { base, step: None, .. } => described(base),
            Item::Natives { base, step: Some(_), .. } if k == 0 => described(base),
            Item::Natives { base, step: Some((sign, step)), .. } => {
                described(&base.plus(sign * k as f64, step))
            }
        })
        .collect()
}

fn spelt(value: f64) -> Json {
    let mut text = Vec::new();
    number::write_value(&mut text, value);
    json!(String::from_utf8(text).unwrap())
}

fn described(histogram: &NativeHistogram) -> Json {
    let buckets = |buckets: &[Bucket]| {
        let filled = buckets.iter().filter(|bucket| bucket.count != 0.0);
        filled.map(|bucket| json!([bucket.index, spelt(bucket.count)])).collect::<Vec<_>>()
    };
    let hint = match histogram.reset_hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NotReset => 2,
        ResetHint::Gauge => 3,
    };
    json!({
        "schema": histogram.schema,
        "count": spelt(histogram.count),
        "sum": spelt(histogram.sum),
        "zero_threshold": spelt(histogram.zero_threshold),
        "zero_count": spelt(histogram.zero_count),
        "positive": buckets(&histogram.positive),
        "negative": buckets(&histogram.negative),
        "custom_values": histogram.custom_values.iter().map(|x| spelt(*x)).collect::<Vec<_>>(),
        "reset_hint": hint,
    })
}

/// The same, but for the last digits of numbers: promtool adds where weir multiplies.
fn is_near(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::String(a), Json::String(b)) => {
            let numbers = (number::parse_value(a.as_bytes()), number::parse_value(b.as_bytes()));
            let (Some(x), Some(y)) = numbers else { return a == b };
            a == b || (x - y).abs() <= 1e-12 * x.abs().max(y.abs())
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_near(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_near(a, b)))
        }
        _ => a == b,
    }
}

#[track_caller]
fn refuse(text: &str, expected: &str) {
    assert_eq!(parse(text).unwrap_err().to_string(), expected);
}

#[test]
fn an_error_says_where_and_what() {
    refuse("1 2 foo", "column 5: \"foo\" is no value: expected a number or \"stale\"");
    refuse("1+2", "column 4: expected \"x\" and how often, found the end");
    refuse("1x2,3", "column 4: expected a blank, found \",3\"");
    refuse("5 1x1.5", "column 5: \"1.5\" is no number of repetitions");
    refuse("{{schema:9}}", "column 3: there is no schema 9: it is -53 or from -4 to 8");
    refuse("{{sum:1 sum:2}}", "column 9: \"sum\" is given twice");
    refuse(
        "{{schema:1}}+{{schema:0}}x2",
        "column 13: cannot merge from schema 0 to 1: the increment has to be at least as fine",
    );
    refuse("0x1 1x9999999999999", "column 5: more than 1099511627776 samples");
}

proptest! {
    /// Whatever the bytes: an answer, and a column within the text.
    #[test]
    fn any_text_is_read_or_refused_in_place(text in "[0-9x+\\-_. estalinf{}:\\[\\]c]{0,40}") {
        if let Err(e) = parse(&text) {
            prop_assert!((1..=text.len() + 1).contains(&e.column));
        }
    }
}
