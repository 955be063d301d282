//! `make run`: weir on an example, from beginning to end.
//!
//! Starts `weir generate` with the ingress-nginx preset in the place of a controller and the release
//! binary's gate in front of it, asks that as Prometheus would, compares what went in with what came
//! out, and leaves both running until Ctrl-C. Where there is no terminal it ends both, checks that
//! they ended well, and returns.
#![expect(clippy::print_stdout, reason = "a demonstration talks to its user")]

use std::io::{self, IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread::sleep;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How the controller is stood in for, and how it would be asked for on the command line.
const PRESET: [&str; 5] = ["generate", "--preset", "ingress-nginx", "--set", "ingresses=20"];
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
    let weir = weir(root);
    let source = free_address(9001)?;
    let mut controller = start(&weir, root, &PRESET, &source)?;
    let outcome =
        wait_until_ready(&mut controller, &source).and_then(|()| gate(&weir, root, &source));
    if let Ok(Ended::ByKeyboard) = outcome {
        // Ctrl-C reached it too; a second signal would be one too many.
        return well(controller.wait()?);
    }
    let ended = stop(&mut controller);
    outcome.map(|_| ()).and(ended)
}

/// Who ended the gate.
enum Ended {
    ByKeyboard,
    ByThis,
}

/// The gate in front of what stands in for the controller.
fn gate(weir: &Path, root: &Path, source: &str) -> io::Result<Ended> {
    let address = free_address(8080)?;
    let upstream = format!("http://{source}/metrics");
    let flags = ["--upstream", &upstream, "--relabel-file", RULES];
    let mut gate = start(weir, root, &flags, &address)?;
    let outcome = wait_until_ready(&mut gate, &address).and_then(|()| show(&address, source));
    if outcome.is_ok() && io::stdin().is_terminal() && io::stdout().is_terminal() {
        go_on(&mut gate, &address)?;
        return Ok(Ended::ByKeyboard);
    }
    let ended = stop(&mut gate);
    if outcome.is_ok() && ended.is_ok() {
        println!("\nNo terminal, so the gate was ended again.");
    }
    outcome.and(ended).map(|()| Ended::ByThis)
}

/// Leave the gate running until Ctrl-C, which reaches the gate as well as this.
fn go_on(gate: &mut Child, address: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    // From here on Ctrl-C does not end this program, which thus sees how the gate ends.
    let _interrupts = signal(SignalKind::interrupt())?;
    println!("\nThe gate goes on at http://{address}/ until Ctrl-C.");
    well(gate.wait()?)?;
    println!("\nThe gate has ended.");
    Ok(())
}

fn show(address: &str, source: &str) -> io::Result<()> {
    let before = get(address, "/source")?;
    let after = get(address, "/metrics")?;
    let requests = get(address, "/metrics/requests")?;

    println!("An ingress-nginx controller says (it is `weir {}`):\n", PRESET.join(" "));
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
         \x20 curl http://{source}/                       what made the metrics, and can be changed\n\
         \x20 weir analyze http://{source}/metrics\n\
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

/// This port of loopback if it is free, any other if not.
fn free_address(port: u16) -> io::Result<String> {
    let listener =
        TcpListener::bind(("127.0.0.1", port)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.to_string())
}

/// The binary that was built with this example.
fn weir(root: &Path) -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    let folder = this.parent().and_then(Path::parent).unwrap_or(root);
    folder.join("weir")
}

fn start(weir: &Path, root: &Path, flags: &[&str], address: &str) -> io::Result<Child> {
    Command::new(weir)
        .current_dir(root)
        .args(flags)
        .args(["--listen-address", address, "--log-level", "warn"])
        .spawn()
        .map_err(|e| io::Error::other(format!("{}: {e}; run `make build` first", weir.display())))
}

fn wait_until_ready(child: &mut Child, address: &str) -> io::Result<()> {
    for _ in 0..500 {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("weir ended: {status}")));
        }
        sleep(Duration::from_millis(20));
    }
    Err(io::Error::other("weir does not listen"))
}

/// End it as an orchestrator would, with SIGTERM, and see that it drains and exits 0.
fn stop(child: &mut Child) -> io::Result<()> {
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
    well(child.wait()?)
}

fn well(status: ExitStatus) -> io::Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("weir did not end well: {status}")))
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
