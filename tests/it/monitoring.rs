//! The alert rules and the dashboard under `examples/monitoring` are right, and ask for what there is.

use crate::servers::find_or_skip;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring")
}

/// Every name of weir's that a text has.
fn names_in(text: &str) -> BTreeSet<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_word(c)).filter(|word| word.starts_with("weir_")).collect()
}

#[test]
fn every_metric_they_name_exists() {
    let telemetry = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/telemetry");
    let files = std::fs::read_dir(telemetry).unwrap();
    let source: String =
        files.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let known = names_in(&source);
    for file in ["alerts.yaml", "dashboard.json"] {
        let text = std::fs::read_to_string(folder().join(file)).unwrap();
        let asked = names_in(&text);
        assert!(asked.len() > 8, "{file}: {asked:?}");
        for name in asked {
            let family = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
            let is_known = known.contains(name) || family.is_some_and(|name| known.contains(name));
            assert!(is_known, "{file} asks for {name}, which there is not");
        }
    }
}

#[test]
fn the_dashboard_is_json_with_panels() {
    let text = std::fs::read_to_string(folder().join("dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 8);
    assert!(panels.iter().all(|panel| panel["targets"][0]["expr"].is_string()));
}

#[test]
fn promtool_accepts_the_alerts() {
    let Some(promtool) = find_or_skip("promtool") else { return };
    let file = folder().join("alerts.yaml");
    let output = Command::new(promtool).args(["check", "rules"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
