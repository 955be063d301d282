//! The processes of an end-to-end bench, and what their clients print.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::report::Run;

/// The weir to measure.
pub(crate) fn weir() -> String {
    let other = std::env::var_os("WEIR_BENCH_BIN").and_then(|path| path.into_string().ok());
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_weir").to_owned())
}

/// A process that listens, ended when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Process {
    /// This executable again, in a role in which it prints its address first.
    pub(crate) fn start_self(args: &[&str]) -> Self {
        let this = std::env::current_exe().expect("it runs");
        let mut child =
            Command::new(this).args(args).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut address = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut address).expect("it prints its address");
        Self { child, address: address.trim().to_owned() }
    }

    /// weir, on a free port.
    pub(crate) fn start_weir(weir: &str, args: &[String]) -> Self {
        Self::start(Command::new(weir).args(args).args(["--listen-address", "127.0.0.1:0"]))
    }

    /// weir with a configuration, which is written into a folder.
    pub(crate) fn start_with(weir: &str, folder: &Path, config: &str) -> Self {
        let file = folder.join("weir.yaml");
        std::fs::write(&file, config).expect("room");
        Self::start(Command::new(weir).arg("--config").arg(file))
    }

    /// A command that says in its log where it listens; the rest of the log is shown.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("weir starts");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).expect("weir's log is text") > 0, "weir has ended");
            if let Some((_, rest)) = line.split_once(" address=") {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
        };
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::stderr()));
        Self { child, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// This executable again, as a client; the cost, samples and total it prints.
pub(crate) fn self_command(args: &[&str]) -> (Run, usize, f64) {
    let this = std::env::current_exe().expect("it runs");
    let output = Command::new(this).args(args).stderr(Stdio::inherit()).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [wall_ms, cpu_ms, n_bytes, n_samples, total] = numbers[..] else {
        panic!("{args:?} printed {text:?}")
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are counts")]
    let (n_bytes, n_samples) = (n_bytes as usize, n_samples as usize);
    (Run { wall_ms, cpu_ms, n_bytes }, n_samples, total)
}

/// How many samples a page has, and the sum of all `_count`.
pub(crate) fn sums(body: &[u8]) -> (usize, f64) {
    let text = std::str::from_utf8(body).expect("UTF-8");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.fold((0, 0.0), |(n_samples, total), line| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect("a number");
        (n_samples + 1, if series.contains("_count{") { total + value } else { total })
    })
}

/// Milliseconds of a duration.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
