//! The public suites of prometheus/compliance, as they are, against a real weir.

use crate::cli::Process;
use crate::servers::find_rare_or_skip;
use std::process::Command;

/// A suite's verdict: what it printed, and how many of its tests passed and failed.
fn run(command: &mut Command) -> (String, [usize; 2]) {
    let output = command.arg("-test.v").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = |verdict: &str| text.lines().filter(|line| line.starts_with(verdict)).count();
    let counts = ["--- PASS: ", "--- FAIL: "].map(count);
    assert_eq!(output.status.success(), counts[1] == 0, "{text}");
    (text, counts)
}

#[test]
fn the_receiver_suite_passes() {
    let Some(suite) = find_rare_or_skip("compliance-receiver") else { return };
    for message in ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"] {
        let folder = tempfile::tempdir().unwrap();
        // What is accepted stays in the queue: nobody is at the other end.
        let config = format!(
            "listen_address: 127.0.0.1:0\ndata_dir: {}\nreceive: {{remote_write: {{}}}}\n\
             remote_write:\n- url: http://127.0.0.1:1/write\n  protobuf_message: {message}\n\
             \x20 send_exemplars: true\n  send_native_histograms: true\n",
            folder.path().join("data").display(),
        );
        let file = folder.path().join("weir.yaml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        let weir = Process::start(command.arg("--config").arg(&file));
        let config = format!(
            "remote_write: [{{name: weir, url: 'http://{}/api/v1/write'}}]\n",
            weir.address
        );
        let file = folder.path().join("suite.yaml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(&suite);
        let (text, counts) = run(command.env("PROMETHEUS_RW2_COMPLIANCE_CONFIG_FILE", &file));
        assert_eq!(counts, [39, 0], "{text}");
    }
}

#[test]
fn the_sender_suite_passes() {
    let Some(suite) = find_rare_or_skip("compliance-sender") else { return };
    let (text, counts) = run(Command::new(suite).env("WEIR", env!("CARGO_BIN_EXE_weir")));
    assert_eq!(counts, [1, 0], "{text}");
    assert!(text.contains("/start_timestamp_for_histograms"), "{text}");
}
