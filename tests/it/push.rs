//! Paths of pushes, and what a real Pushgateway makes of them.

mod behind;
mod beside;
mod clients;
mod durable;
mod proxy;
mod rights;

use std::collections::BTreeMap;

use serde_json::Value;
use weir::push::{GroupingKey, LabelNames, PathError};

/// Each line: whether UTF-8 names are on, a path, the Pushgateway's status and words, and the labels
/// of the group if there is one. Where it redirects (307), or takes an encoded slash for one, weir refuses.
#[test]
fn paths_are_read_as_a_pushgateway_reads_them() {
    let vectors = include_str!("../data/push/paths.jsonl");
    for line in vectors.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| vector[key].as_str().unwrap();
        let names = if text("mode") == "utf8" { LabelNames::Utf8 } else { LabelNames::Legacy };
        let path = text("path").split('?').next().unwrap();
        let read = GroupingKey::from_path(path, names);
        let told = read.as_ref().map_err(ToString::to_string);
        match vector["status"].as_u64().unwrap() {
            200 if path.to_ascii_lowercase().contains("%2f") => {
                assert_eq!(read, Err(PathError::EncodedSlash), "{line}");
            }
            200 => {
                let labels: BTreeMap<String, String> =
                    serde_json::from_value(vector["labels"].clone()).unwrap();
                let expect = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                assert!(told.unwrap().labels().eq(expect), "{line}\n{read:?}");
            }
            404 if path.ends_with('/') => assert_eq!(read, Err(PathError::NoJob), "{line}"),
            404 => assert_eq!(read, Err(PathError::NotAPush), "{line}"),
            307 => assert!(
                matches!(
                    read,
                    Err(PathError::EmptyComponent | PathError::DotComponent(_) | PathError::NoJob)
                ),
                "{line}\n{read:?}"
            ),
            // It reads the path, and then does not like the labels.
            400 if text("body") == "pushed metrics are invalid" => assert!(
                matches!(read, Err(PathError::NotUtf8(_) | PathError::LabelName(_))),
                "{line}"
            ),
            400 if text("body") == "400 Bad Request" => {
                assert!(matches!(read, Err(PathError::Escape(_))), "{line}");
            }
            400 => assert_eq!(told.unwrap_err(), text("body").trim_end(), "{line}"),
            status => panic!("{status}: {line}"),
        }
    }
    assert!(vectors.lines().count() > 150);
}
