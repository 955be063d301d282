//! The processes of an end-to-end bench, and what their clients print.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::report::Run;

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
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = free.local_addr().expect("it is bound").to_string();
        drop(free);
        let child = Command::new(weir)
            .args(args)
            .args(["--listen-address", &address, "--log-level", "warn"])
            .spawn()
            .expect("weir starts");
        let process = Self { child, address };
        let began = Instant::now();
        while TcpStream::connect(&process.address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "weir does not listen");
            std::thread::sleep(Duration::from_millis(2));
        }
        process
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
