//! What the command line promises: exit codes, messages, files that are whole or not there.

use super::Config;
use super::run;
use super::said;
use super::weir;
use std::net::TcpListener;
use std::process::Stdio;

/// A run that ends with `code` and says each of `told` on standard error.
#[track_caller]
fn check_refused(args: &[&str], code: i32, told: &[&str]) {
    let output = run(args);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
    for part in told {
        assert!(err.contains(part), "{part:?} is not in {err}");
    }
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{args:?}");
}

#[test]
fn every_error_of_a_configuration_is_told_with_line_and_path() {
    let config = Config::new(
        "families:\n- {name: a, type: gauge, value: {sine: {period: 0s}}}\n- {name: b, type: counter, rate: x}\n- {name: c, typ: gauge}\n",
    );
    check_refused(
        &[config.name()],
        2,
        &[
            ":2:49: families[0].value.sine.period: the duration has to be positive",
            ":3:34: families[1].rate: !!str `x` is no signal",
            ":4:3: families[2]: the field \"type\" is missing",
        ],
    );
}

/// What would be a loop without an end, or nonsense, is refused with its place.
#[test]
fn what_would_spin_is_refused() {
    for value in [
        "{loop: {signal: {values: []}}}",
        "{loop: {signal: {void: 0}}}",
        "{loop: {signal: {join: []}}}",
        "{loop: {signal: {values: [1]}, times: 0}}",
        "{sine: {period: 0}}",
        "{square: {period: 5m, duty: 2}}",
        "{noise: {uniform: {min: 0, max: 1}, every: 0}}",
        "{noise: {normal: {mean: 0, stddev: .inf}}}",
        "{random_walk: {step: 1, every: 0}}",
        "{values: {list: [1], every: 0}}",
        "{ramp: {from: 0, to: .nan, over: 5m}}",
        "{notation: '1x'}",
        "{csv: {text: '', column: a}}",
    ] {
        let config =
            Config::new(&format!("families:\n- {{name: a, type: gauge, value: {value}}}\n"));
        check_refused(&[config.name(), "--dry-run"], 2, &[":2:", "families[0].value"]);
    }
    for (top, path) in [("interval: 0s", "interval"), ("targets: 0", "targets")] {
        let config = Config::new(&format!("{top}\nfamilies: []\n"));
        check_refused(&[config.name(), "--dry-run"], 2, &[":1:", path]);
    }
}

#[test]
fn a_space_too_large_is_refused_with_its_number() {
    let config = Config::new(
        "families:\n- name: a\n  type: gauge\n  value: 1\n  labels:\n    x: {template: 'x{n}', count: 1000000}\n    y: {range: [1, 1000000]}\n",
    );
    let told = ["1000000000000 series", "20000000", "--max-series"];
    check_refused(&[config.name(), "--dry-run"], 2, &told);
    let config =
        Config::new("families:\n- {name: a, type: gauge, value: 1, labels: {x: [a, b]}}\n");
    check_refused(&[config.name(), "--max-series", "1", "--dry-run"], 2, &["2 series"]);
    said(&[config.name(), "--max-series", "2", "--dry-run"]);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let config = Config::new("families: []\n");
    check_refused(&[], 2, &["--preset"]);
    check_refused(&["--preset", "nginx"], 2, &["ingress-nginx"]);
    check_refused(&[config.name(), "--preset", "go-process"], 2, &["one of them"]);
    check_refused(&[config.name(), "--at", "0", "--start", "0"], 2, &["--at"]);
    check_refused(&[config.name(), "--start", "2", "--end", "1"], 2, &["--end is before"]);
    check_refused(&[config.name(), "--speed", "0"], 2, &["--speed"]);
    check_refused(&[config.name(), "--output", "-", "--target", "1"], 2, &["--target 1"]);
    check_refused(&[config.name(), "--set", "x=1"], 2, &["--set x"]);
    check_refused(&[config.name(), "--listen-address", "a:b:c"], 2, &["--listen-address"]);
    check_refused(&[config.name(), "--at", "soon"], 2, &["2026-01-01T00:00:00Z"]);
    check_refused(&["nowhere.yaml"], 2, &["cannot read \"nowhere.yaml\""]);
}

#[test]
fn a_port_in_use_and_a_full_disk_are_clear_errors() {
    let config = Config::new("families:\n- {name: a, type: gauge, value: 1}\n");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check_refused(&[config.name(), "--listen-address", &address], 1, &["cannot listen", "in use"]);
    check_refused(&[config.name(), "--output", "/dev/full"], 1, &["No space left"]);
    check_refused(&[config.name(), "--output", "/nowhere/page.txt"], 1, &["cannot write"]);
}

/// Who reads no further is no error.
#[test]
fn a_pipe_that_is_closed_ends_it_cleanly() {
    let mut child = weir(&["--preset", "node-exporter", "--at", "0", "--output", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// The one rule, between processes.
#[test]
fn two_processes_say_the_same() {
    for preset in ["node-exporter", "go-process"] {
        for format in ["text", "openmetrics"] {
            let args = ["--preset", preset, "--at", "2026-03-01T12:34:56.789Z"];
            let page = || said(&[&args[..], &["--format", format, "--output", "-"]].concat());
            let first = page();
            assert!(first.len() > 1000, "{first}");
            assert_eq!(first, page(), "{preset}");
            let other = said(&[&args[..], &["--seed", "7", "-o", "-"]].concat());
            assert_ne!(first, other, "{preset} does not care for its seed");
        }
    }
}

#[test]
fn a_page_goes_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.txt");
    let args = ["--preset", "go-process", "--at", "0", "--output"];
    said(&[&args[..], &[path.to_str().unwrap()]].concat());
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, said(&[&args[..], &["-"]].concat()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_dry_run_tells_what_there_would_be() {
    let config = Config::new(
        "targets: 2\ninterval: 10s\nfamilies:\n- {name: a_total, type: counter, rate: 1, labels: {x: [a, b], y: {range: [1, 3]}}}\n- {name: b, type: gauge, value: 1}\n",
    );
    let said = said(&[config.name(), "--dry-run", "--at", "60"]);
    for line in [
        "families             2",
        "series               14",
        "targets              2, 7 series each",
        "samples a second     1.4 at an interval of 10s",
        "           6  counter         a_total",
        "           3  y",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
    let page = super::said(&[config.name(), "--at", "60", "-o", "-"]);
    assert!(said.contains(&format!("bytes a page         {}\n", page.len())), "{said}");
}

#[test]
fn every_preset_starts() {
    for preset in ["ingress-nginx", "node-exporter", "kube-state-metrics", "cadvisor", "go-process"]
    {
        let said = said(&["--preset", preset, "--dry-run"]);
        assert!(said.starts_with("families"), "{said}");
    }
}

#[test]
fn the_schema_is_printed() {
    let schema: serde_json::Value = serde_json::from_str(&said(&["schema"])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn what_was_learned_generates_the_same_families() {
    let scrape = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ingress-nginx/metrics.txt");
    let learned = said(&["learn", scrape, "--second", scrape, "--after", "1m"]);
    let config = Config::new(&learned);
    let page = said(&[config.name(), "--output", "-"]);
    let types = |text: &str| {
        let mut lines: Vec<_> =
            text.lines().filter(|line| line.starts_with("# TYPE")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let source = std::fs::read_to_string(scrape).unwrap();
    assert!(types(&page).len() > 10);
    assert_eq!(types(&page), types(&source));
    check_refused(&["learn", "Cargo.toml"], 1, &["is no exposition"]);
}

/// Each invalid exposition is printed, and is refused by whoever reads it.
#[test]
fn invalid_expositions_are_printed() {
    let list = said(&["--invalid", "list"]);
    assert!(list.lines().count() > 10, "{list}");
    let first = list.split(' ').next().unwrap();
    assert!(!run(&["--invalid", first]).stdout.is_empty());
    check_refused(&["--invalid", "nonsense"], 2, &["--invalid list"]);
}

#[test]
fn the_older_shape_of_a_file_is_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/generate/seed.yaml");
    let page = said(&[path, "--at", "2026-01-01T00:01:00Z", "-o", "-"]);
    // Point 2 of a line from 0 to 70 in 8 points.
    assert!(page.contains("\nqueue_depth{queue=\"mail\"} 20\n"), "{page}");
    assert!(page.contains("\nqueue_depth{queue=\"fax\"} 7\n"), "{page}");
}
