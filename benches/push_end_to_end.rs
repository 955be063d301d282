//! Pushes to a weir of its own process: what one costs with nothing and with much stored, how many a
//! second are durable, what a stored series takes; and what it takes to lint large expositions.
//!
//! The table goes to standard output and to `benches/results`. What is on disk is kept below
//! `target/tmp`, so that a disk is measured and not memory. `WEIR_BENCH_BIN` names another build.
#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::disallowed_types, reason = "a bench, not weir")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "support/memory.rs"]
mod memory;
#[path = "support/process.rs"]
mod process;
#[path = "support/report.rs"]
mod report;
#[path = "support/scene.rs"]
mod scene;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scene::Process;

/// Pushes of one sample that are measured, after as many that are not.
const N_PUSHES: usize = 3000;
/// Groups that are stored, and series of each.
const N_GROUPS: usize = 1000;
const N_SERIES: usize = 100;
/// Groups for what a series takes.
const N_GROUPS_MEMORY: usize = 10_000;
const N_CLIENTS: usize = 8;
const DURABLE_TIME: Duration = Duration::from_secs(4);
/// The round in the middle counts, as the time to sync changes with what else the disk does.
const N_DURABLE_ROUNDS: usize = 7;
const N_SYNCS: usize = 1000;
const N_LINTS: usize = 5;

fn main() {
    if std::env::args().any(|arg| arg == "--bench") {
        bench();
    } else {
        println!("run it with `make bench-push`");
    }
}

fn bench() {
    let weir = scene::weir();
    let mut table = String::from("| case | figure | CPU | must |\n|---|---:|---:|---|\n");
    let mut row = |case: &str, figure: String, cpu: String, must: &str| {
        println!("{case}: {figure}, {cpu}");
        writeln!(table, "| {case} | {figure} | {cpu} | {must} |").expect("a string takes it");
    };
    let (empty, full) = one_sample(&weir);
    let us = |(us, _): (f64, f64)| format!("{us:.0} µs");
    let cpu = |(_, us): (f64, f64)| format!("{us:.0} µs");
    row("push of one sample, 0 series stored", us(empty), cpu(empty), "");
    let ratio = format!("{}, {:.2} ×", us(full), full.0 / empty.0);
    row("push of one sample, 100,000 series stored", ratio, cpu(full), "≤ 1.2 ×");
    let mut rounds: Vec<_> = (0..N_DURABLE_ROUNDS).map(|_| durable(&weir)).collect();
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    println!("{rounds:?}");
    let durable = &rounds[N_DURABLE_ROUNDS / 2];
    let figure = format!("{:.2} ms, p99 {:.2} ms", durable.sync_ms, durable.sync_p99_ms);
    row("one fsync of 4 KiB", figure, "–".to_owned(), "");
    let figure = format!("{:.0} a second", durable.per_second);
    let cpu = format!("{:.0} µs each", durable.cpu_us);
    row("durable pushes, 8 clients", figure, cpu, "≥ 5,000 a second");
    let ratio = durable.p99_ms / durable.sync_ms;
    let of_p99 = durable.p99_ms / durable.sync_p99_ms;
    let figure = format!("{:.2} ms, {ratio:.1} × one fsync, {of_p99:.1} × its p99", durable.p99_ms);
    row("p99 of a durable push", figure, "–".to_owned(), "≤ 3 × one fsync");
    let bytes = format!("{:.0} B", memory(&weir));
    row("memory of a stored series", bytes, "–".to_owned(), "≤ 400 B");
    lint(&weir, &mut row);
    report::save(&weir, "make bench-push", "Pushes", "push", &table);
}

/// Median wall and mean CPU time of a push, in microseconds, with nothing and with much stored.
fn one_sample(weir: &str) -> ((f64, f64), (f64, f64)) {
    let [empty, full] = [0, N_GROUPS].map(|n_groups| {
        let server = Server::start(weir, None);
        let mut client = Client::connect(&server.process.address);
        fill(&mut client, n_groups);
        let (server, mut client) = (server, client);
        move || {
            let mut times = Vec::with_capacity(N_PUSHES);
            let cpu = process::CpuTime::of(&server.pid());
            for n in 0..N_PUSHES {
                let began = Instant::now();
                client.push("/metrics/job/one", &format!("a_gauge {n}\n"));
                times.push(began.elapsed());
            }
            let cpu_ms = process::CpuTime::of(&server.pid()).ms_since(&cpu);
            (median(&mut times).as_secs_f64() * 1e6, cpu_ms * 1e3 / N_PUSHES as f64)
        }
    });
    let (mut empty, mut full) = (empty, full);
    // In turns, so that both see the same machine; the first round warms up.
    let mut rounds: Vec<_> = (0..6).map(|_| (empty(), full())).skip(1).collect();
    rounds.sort_by(|a, b| (a.1.0 / a.0.0).total_cmp(&(b.1.0 / b.0.0)));
    rounds[rounds.len() / 2]
}

/// Pushes that are answered once they are on disk.
#[derive(Debug)]
struct Durable {
    sync_ms: f64,
    sync_p99_ms: f64,
    per_second: f64,
    p99_ms: f64,
    cpu_us: f64,
}

fn durable(weir: &str) -> Durable {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let directory = tempfile::tempdir_in(folder).expect("a folder on disk");
    let server = Server::start(weir, Some(directory.path()));
    let before = one_sync(directory.path());
    let cpu = process::CpuTime::of(&server.pid());
    let began = Instant::now();
    let clients: Vec<_> = (0..N_CLIENTS)
        .map(|number| {
            let mut client = Client::connect(&server.process.address);
            std::thread::spawn(move || {
                let (mut times, began) = (Vec::new(), Instant::now());
                let path = format!("/metrics/job/batch/instance/{number}");
                while began.elapsed() < DURABLE_TIME {
                    let pushed = Instant::now();
                    client.push(&path, &format!("a_gauge {}\n", times.len()));
                    times.push(pushed.elapsed());
                }
                times
            })
        })
        .collect();
    let times = clients.into_iter().flat_map(|thread| thread.join().expect("it pushes"));
    let mut times: Vec<Duration> = times.collect();
    let seconds = began.elapsed().as_secs_f64();
    let cpu_ms = process::CpuTime::of(&server.pid()).ms_since(&cpu);
    let after = one_sync(directory.path());
    times.sort();
    Durable {
        sync_ms: f64::midpoint(before.0, after.0),
        sync_p99_ms: f64::midpoint(before.1, after.1),
        per_second: times.len() as f64 / seconds,
        p99_ms: times[times.len() * 99 / 100].as_secs_f64() * 1e3,
        cpu_us: cpu_ms * 1e3 / times.len() as f64,
    }
}

/// The median and the 99th percentile of the time to write 4 KiB to the end of a file and sync them, in
/// milliseconds.
fn one_sync(directory: &Path) -> (f64, f64) {
    let path = directory.join("sync");
    let mut file = File::create(&path).expect("a file");
    let mut times = Vec::with_capacity(N_SYNCS);
    for _ in 0..N_SYNCS {
        let began = Instant::now();
        file.write_all(&[0; 4096]).expect("room");
        file.sync_data().expect("a disk");
        times.push(began.elapsed());
    }
    std::fs::remove_file(path).expect("it was there");
    let median = median(&mut times).as_secs_f64() * 1e3;
    (median, times[N_SYNCS * 99 / 100].as_secs_f64() * 1e3)
}

/// Bytes of memory a stored series takes.
fn memory(weir: &str) -> f64 {
    let server = Server::start(weir, None);
    let mut client = Client::connect(&server.process.address);
    fill(&mut client, 1);
    let before = server.resident_bytes();
    fill(&mut client, N_GROUPS_MEMORY);
    (server.resident_bytes() - before) / ((N_GROUPS_MEMORY - 1) * N_SERIES) as f64
}

/// Push so many groups.
fn fill(client: &mut Client, n_groups: usize) {
    let lines = (0..N_SERIES).map(|n| {
        format!("batch_records_processed{{stage=\"stage-{}\",shard=\"{n}\"}} {n}\n", n % 7)
    });
    let head = "# HELP batch_records_processed Records.\n# TYPE batch_records_processed gauge\n";
    let body = head.to_owned() + &lines.collect::<Vec<_>>().concat();
    for group in 0..n_groups {
        client.push(&format!("/metrics/job/batch/instance/host-{group}:9100"), &body);
    }
}

fn lint(weir: &str, row: &mut impl FnMut(&str, String, String, &str)) {
    let page = tempfile::NamedTempFile::new().expect("a temporary file");
    // 840,000 samples, of which 720,000 are buckets.
    let status = Command::new(weir)
        .args(["generate", "--preset", "ingress-nginx", "--at", "1767229200", "--output"])
        .arg(page.path())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("it runs").success());
    let (wall_ms, cpu_ms, peak_mib) = lint_file(weir, page.path());
    let figure = format!("{wall_ms:.0} ms, peak {peak_mib:.0} MiB");
    let cpu = format!("{cpu_ms:.0} ms");
    row("lint of the ingress-nginx page, 840,000 samples", figure, cpu, "≤ 1 s, ≤ 64 MiB");
    let mut family = tempfile::NamedTempFile::new().expect("a temporary file");
    let lines = (0..20_000).map(|n| format!("a{{n=\"{n}\",l=\"{}\"}} {n}\n", n % 10));
    let text = "# HELP a x\n# TYPE a gauge\n".to_owned() + &lines.collect::<Vec<_>>().concat();
    family.write_all(text.as_bytes()).expect("room");
    let (wall_ms, cpu_ms, peak_mib) = lint_file(weir, family.path());
    let figure = format!("{wall_ms:.0} ms, peak {peak_mib:.0} MiB");
    row("lint of one family of 20,000 series", figure, format!("{cpu_ms:.0} ms"), "≤ 20 ms");
}

/// Wall and CPU milliseconds (median and mean), and peak memory in MiB of `weir lint FILE`.
fn lint_file(weir: &str, file: &Path) -> (f64, f64, f64) {
    let (mut times, mut peak_mib, cpu) = (Vec::new(), 0.0_f64, process::children_cpu_ms());
    for _ in 0..N_LINTS {
        let began = Instant::now();
        let mut child = Command::new(weir)
            .arg("lint")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        while child.try_wait().expect("it is ours").is_none() {
            peak_mib = peak_mib.max(memory::peak_mib(child.id()));
            std::thread::sleep(Duration::from_micros(500));
        }
        times.push(began.elapsed());
    }
    let cpu_ms = (process::children_cpu_ms() - cpu) / N_LINTS as f64;
    (median(&mut times).as_secs_f64() * 1e3, cpu_ms, peak_mib)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A weir that takes pushes.
struct Server {
    process: Process,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(weir: &str, data_dir: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data_dir = data_dir.map(|path| format!("data_dir: {}\n", path.display()));
        let text =
            format!("listen_address: 127.0.0.1:0\npush: {{}}\n{}", data_dir.unwrap_or_default());
        let process = Process::start_with(weir, folder.path(), &text);
        Self { process, _folder: folder }
    }

    fn pid(&self) -> String {
        self.process.child.id().to_string()
    }

    fn resident_bytes(&self) -> f64 {
        memory::rss_bytes(self.process.child.id())
    }
}

/// A client that keeps its connection.
struct Client(TcpStream);

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("weir listens");
        stream.set_nodelay(true).expect("it is TCP");
        Self(stream)
    }

    /// Push, and wait for the 200 without a body.
    fn push(&mut self, path: &str, body: &str) {
        let n_bytes = body.len();
        let text =
            format!("PUT {path} HTTP/1.1\r\nHost: weir\r\nContent-Length: {n_bytes}\r\n\r\n{body}");
        self.0.write_all(text.as_bytes()).expect("weir reads");
        let (mut answer, mut n_read) = ([0; 1024], 0);
        while !answer[..n_read].ends_with(b"\r\n\r\n") {
            let n = self.0.read(&mut answer[n_read..]).expect("weir answers");
            assert!(n > 0, "weir hung up");
            n_read += n;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
}
