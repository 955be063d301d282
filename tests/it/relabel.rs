//! Vectors of relabelling: label sets, rules as YAML, and the label set Prometheus makes of them.
//!
//! A line of a file is `{"name", "labels", "rules", "want"}`; `want` is null where the series is
//! dropped, and where the rules are refused there is an `"error"` instead, which the message holds.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use weir::config::parse_rules_list;
use weir::model::LabelSet;
use weir::relabel::Scratch;
use weir::relabel::Verdict;

type Labels = BTreeMap<String, String>;

#[test]
fn every_vector_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/relabel");
    let mut n_vectors = 0;
    for file in fs::read_dir(folder).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            check(&serde_json::from_str(line).unwrap());
            n_vectors += 1;
        }
    }
    assert!(n_vectors > 200, "only {n_vectors} vectors");
}

#[track_caller]
fn check(case: &Value) {
    let name = case["name"].as_str().unwrap();
    let rules: Vec<&str> =
        case["rules"].as_array().unwrap().iter().map(|rule| rule.as_str().unwrap()).collect();
    let text = format!("- {}\n", rules.join("\n- "));
    let rules = match (parse_rules_list(name, &text), case["error"].as_str()) {
        (Ok(list), None) => list.rules,
        (Err(errors), Some(error)) => {
            assert!(errors.to_string().contains(error), "{name}: {errors}");
            return;
        }
        (result, error) => panic!("{name}: {result:?} instead of {error:?}"),
    };
    let mut labels = LabelSet::new();
    for (name, value) in labels_of(&case["labels"]) {
        labels.push(name.as_bytes(), value.as_bytes());
    }
    labels.sort();
    let steps = rules.trace(&labels);
    let is_kept = rules.apply(&mut labels, &mut Scratch::default()) == Verdict::Keep;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let pairs = |labels: &LabelSet| -> Labels {
        labels.iter().map(|(name, value)| (text(name), text(value))).collect()
    };
    let want = &case["want"];
    let want = (!want.is_null()).then(|| labels_of(want));
    assert_eq!(is_kept.then(|| pairs(&labels)), want, "{name}");
    // What is explained is what is done.
    let last = steps.last().unwrap();
    assert_eq!((last.kept, pairs(&last.labels)), (is_kept, pairs(&labels)), "{name}");
}

fn labels_of(value: &Value) -> Labels {
    serde_json::from_value(value.clone()).unwrap()
}
