//! History as files.

use super::Config;
use super::run;
use super::said;
use super::weir;
use std::fs;
use std::io::Read;
use std::process::Command;
use std::process::Stdio;

const CONFIG: &str = "\
families:
- {name: requests_total, type: counter, rate: 2, labels: {host: [a, b]}}
- {name: queue, type: gauge, value: {notation: '1 _x3 5 stale'}}
";

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn there_is_a_file_for_each_two_hours() {
    let config = Config::new(CONFIG);
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("history");
    let into = into.to_str().unwrap();
    let args = ["backfill", config.name(), "--output-dir", into, "--step", "30m"];
    let span = ["--start", "1970-01-01T01:00:00Z", "--end", "1970-01-01T04:00:00Z"];
    let told = said(&[&args[..], &span[..]].concat());
    assert!(told.starts_with("3 files, "), "{told}");
    assert_eq!(names(into.as_ref()), ["out-0.om", "out-14400.om", "out-7200.om"]);
    let first = fs::read_to_string(format!("{into}/out-0.om")).unwrap();
    assert!(first.contains("requests_total{host=\"a\"} 7200.0 3600\n"), "{first}");
    assert!(first.contains("requests_total{host=\"a\"} 10800.0 5400\n"), "{first}");
    assert!(first.ends_with("# EOF\n"), "{first}");
    // Series by series.
    let hosts: Vec<_> = first.lines().filter_map(|l| l.strip_prefix("requests_total{")).collect();
    assert!(hosts.is_sorted_by_key(|line| line.get(..8)), "{first}");
    let last = fs::read_to_string(format!("{into}/out-14400.om")).unwrap();
    assert_eq!(last.matches("requests_total{").count(), 2, "{last}");
}

/// A window without samples is no file.
#[test]
fn what_has_ended_leaves_no_file() {
    let config = Config::new("families:\n- {name: a, type: gauge, value: {values: [1, 2]}}\n");
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().to_str().unwrap();
    let told =
        said(&["backfill", config.name(), "--output-dir", into, "--start", "0", "--end", "86400"]);
    assert!(told.starts_with("1 files"), "{told}");
    assert_eq!(names(folder.path()), ["out-0.om"]);
}

#[test]
fn wrong_spans_are_refused() {
    let config = Config::new(CONFIG);
    for span in [
        &["--start", "10", "--end", "5"][..],
        &["--start", "0", "--end", "10", "--target", "1"],
        &["--start", "0", "--end", "10000000000", "--step", "1ms"],
        &["--start", "0", "--end", "10", "--step", "0s"],
    ] {
        let args = ["backfill", config.name(), "--output-dir", "unused"];
        let output = run(&[&args[..], span].concat());
        assert_eq!(output.status.code(), Some(2), "{span:?}: {output:?}");
    }
    assert!(!std::path::Path::new("unused").exists());
}

/// Where the disk is full the file at hand is gone again, and those that are whole stay.
#[test]
fn a_full_disk_leaves_whole_files_only() {
    let config = Config::new(CONFIG);
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().to_str().unwrap();
    // A limit on the size of a file fails in the middle of one as a full disk does.
    let script = format!(
        "trap '' XFSZ; ulimit -f 100; exec {} generate backfill {} --output-dir {into} --start 0 \
         --end 86400 --step 1s",
        env!("CARGO_BIN_EXE_weir"),
        config.name()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("cannot write") && err.contains("out-0.om"), "{err}");
    assert_eq!(names(folder.path()), [""; 0]);
}

/// Ctrl-C leaves whole files only.
#[test]
fn a_signal_leaves_whole_files_only() {
    let config = Config::new(CONFIG);
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().to_str().unwrap();
    let mut child = weir(&["backfill", config.name(), "--output-dir", into, "--step", "10ms"])
        .args(["--start", "0", "--end", "900000"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    crate::servers::eventually("a file is whole", || {
        names(folder.path()).iter().any(|name| name.starts_with("out-")).then_some(())
    });
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let code = child.wait().unwrap().code();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("whole files"), "{err}");
    for name in names(folder.path()) {
        assert!(name.starts_with("out-"), "{name} was left behind");
        let text = fs::read(folder.path().join(name)).unwrap();
        assert!(text.ends_with(b"# EOF\n"));
    }
}
