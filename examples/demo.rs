//! What weir does, shown on the exposition of an ingress-nginx controller: `make run`.
//!
//! Starts the weir executable beside this one as the gate in front of a file, asks it as
//! Prometheus would, compares what went in with what came out, and leaves the gate running until
//! Ctrl-C. Where there is no terminal it ends the gate, checks that it ended well, and returns.
#![expect(clippy::print_stdout, reason = "a demonstration talks to its user")]

use std::io::{self, IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const METRICS: &str = "examples/ingress-nginx/metrics.txt";
const RULES: &str = "examples/ingress-nginx/rules.yaml";
/// The series shown to the user, before and after.
const SHOWN: &str = "nginx_ingress_controller_request_duration_seconds_count";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let address = free_address()?;
    let mut gate = start_gate(root, &address)?;
    let outcome = wait_until_ready(&mut gate, &address).and_then(|()| show(&address));
    if outcome.is_ok() && io::stdin().is_terminal() && io::stdout().is_terminal() {
        return go_on(&mut gate, &address);
    }
    let ended = stop(&mut gate);
    outcome.and(ended)
}

/// Leave the gate running until Ctrl-C, which reaches the gate as well as this.
fn go_on(gate: &mut Child, address: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    // From here on Ctrl-C does not end this program, which thus sees how the gate ends.
    let _interrupts = signal(SignalKind::interrupt())?;
    println!("\nThe gate goes on at http://{address}/ until Ctrl-C.");
    let status = gate.wait()?;
    if status.success() {
        println!("\nThe gate has ended.");
        return Ok(());
    }
    Err(io::Error::other(format!("the gate did not end well: {status}")))
}

fn show(address: &str) -> io::Result<()> {
    let before = get(address, "/source")?;
    let after = get(address, "/metrics")?;
    let requests = get(address, "/metrics/requests")?;

    println!("An ingress-nginx controller says ({METRICS}):\n");
    print_some(&before, 4);
    println!("\nweir, told to drop the label `path` and the Go runtime ({RULES}), lets through:\n");
    print_some(&after, 3);
    println!("\n{:28} {:>8} {:>10}", "", "series", "bytes");
    for (what, body) in [
        ("from the controller", &before),
        ("weir at /metrics", &after),
        ("weir at /metrics/requests", &requests),
    ] {
        println!("{what:28} {:>8} {:>10}", n_series(body), body.len());
    }
    println!(
        "\nTo try next (weir is target/release/weir):\n\
         \x20 curl http://{address}/metrics                the same again, as often as you like\n\
         \x20 curl http://{address}/-/metrics              what weir says of itself\n\
         \x20 weir analyze {METRICS}\n\
         \x20                                               which metric and which label costs most\n\
         \x20 weir explain --relabel-file {RULES} 'go_threads{{a=\"b\"}}'\n\
         \x20                                               which rule does what to a series\n\
         \x20 weir check {RULES}\n\
         \x20                                               whether rules are right\n\
         Change the rules and run it again; or put weir beside an exporter of yours:\n\
         \x20 weir --upstream http://localhost:10254/metrics --relabel-file rules.yaml"
    );
    Ok(())
}

/// The first few of the series shown, cut to the width of a terminal in the middle.
fn print_some(body: &str, n: usize) {
    for line in body.lines().filter(|line| line.starts_with(SHOWN)).take(n) {
        let chars: Vec<char> = line.chars().collect();
        let head: String = chars.iter().take(60).collect();
        let tail: String = chars[chars.len().saturating_sub(60)..].iter().collect();
        println!("  {head} … {tail}");
    }
    println!("  …");
}

fn n_series(body: &str) -> usize {
    body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

/// Port 8080 if it is free, any other if not.
fn free_address() -> io::Result<String> {
    let listener =
        TcpListener::bind("127.0.0.1:8080").or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
    Ok(listener.local_addr()?.to_string())
}

fn start_gate(root: &Path, address: &str) -> io::Result<Child> {
    let this = std::env::current_exe()?;
    let folder = this.parent().and_then(Path::parent).unwrap_or(root);
    let weir: PathBuf = folder.join("weir");
    Command::new(&weir)
        .current_dir(root)
        .args(["--upstream", &format!("file:{METRICS}"), "--relabel-file", RULES])
        .args(["--listen-address", address, "--log-level", "warn"])
        .spawn()
        .map_err(|e| io::Error::other(format!("{}: {e}; run `make build` first", weir.display())))
}

fn wait_until_ready(gate: &mut Child, address: &str) -> io::Result<()> {
    for _ in 0..500 {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        if let Some(status) = gate.try_wait()? {
            return Err(io::Error::other(format!("the gate ended: {status}")));
        }
        sleep(Duration::from_millis(20));
    }
    Err(io::Error::other("the gate does not listen"))
}

/// End the gate as an orchestrator would, with SIGTERM, and see that it drains and exits 0.
fn stop(gate: &mut Child) -> io::Result<()> {
    Command::new("kill").args(["-TERM", &gate.id().to_string()]).status()?;
    let status = gate.wait()?;
    if status.success() {
        println!("\nNo terminal, so the gate was ended again.");
        return Ok(());
    }
    Err(io::Error::other(format!("the gate did not end well: {status}")))
}

/// One request; the body of a 200.
fn get(address: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    // HTTP/1.0, so that the answer comes in one piece and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => Err(io::Error::other(format!(
            "{path}: {}",
            answer.lines().next().unwrap_or("no answer")
        ))),
    }
}
