//! weir between senders and a destination, as a process of its own: CPU seconds for each million
//! samples, memory, and how long a sender waits, with plain snappy of the same bytes beside it.
//!
//! Requests hold 2,000 series of 10 labels, one sample each, as real senders compress them or as
//! snappy of literals alone. One sender, which waits for each answer; the queue is on the disk the
//! build is on. The table goes to standard output and to `benches/results`.
//!
//! vmagent, where `target/servers` has it, gets the same requests in the same run.
//!
//! `make bench-proxy`; `WEIR_BENCH_BIN` names another build of weir, `WEIR_BENCH_CASES` a part of
//! the names of those cases that are wanted.
#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::disallowed_types, reason = "a bench, not weir")]

#[path = "support/memory.rs"]
mod memory;
#[path = "support/process.rs"]
mod process;
#[path = "support/push_load.rs"]
mod push_load;
#[path = "support/report.rs"]
mod report;
#[path = "support/scene.rs"]
mod scene;
#[path = "support/vmagent.rs"]
mod vmagent;

use process::CpuTime;
use push_load::Load;
use push_load::Sender;
use push_load::Sink;
use push_load::Snappiness;
use scene::Process;
use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use vmagent::Vmagent;
use weir::generate::hash::mix;
use weir::wire::Version;
use weir::wire::snappy::DECODED_BYTES_MAX;
use weir::wire::snappy::Snappy;

const FEW: u32 = 10_000;
const MANY: u32 = 1_000_000;
/// Samples that are measured, after each series was there once.
const MEASURED: u32 = 4_000_000;
/// Senders at the same time, where their waits are measured.
const SENDERS: usize = 8;
/// Requests of each, and the time from one to the next: half to one and a half of this, as senders
/// know nothing of each other.
const REQUESTS: usize = 200;
const PAUSE: Duration = Duration::from_millis(100);

const RULES: &str = "metric_relabel_configs:\n\
    - {action: drop, source_labels: [__name__], regex: 'debug_.*'}\n\
    - {source_labels: [label_3], regex: 'value-(.*)', target_label: zone, replacement: 'z$1'}\n\
    - {action: labeldrop, regex: label_4}\n";
const AGGREGATE: &str = "aggregate:\n\
    - {match: 'metric_.*', interval: 1m, without: [pod, instance], outputs: [total]}\n";

/// One line of the table.
struct Case {
    name: &'static str,
    from: Version,
    to: Version,
    config: &'static str,
    snappiness: Snappiness,
    n_series: u32,
    must: &'static str,
}

const V1: Version = Version::V1;
const V2: Version = Version::V2;

fn cases() -> Vec<Case> {
    let case = |name, (from, to), config, n_series, must| Case {
        name,
        from,
        to,
        config,
        snappiness: Snappiness::Real,
        n_series,
        must,
    };
    let literal = |case: Case| Case { snappiness: Snappiness::Literal, ..case };
    vec![
        case("1.0 to 1.0", (V1, V1), "", FEW, "≤ 0.45, ≤ 1.5 × plain"),
        literal(case("1.0 to 1.0, literal snappy", (V1, V1), "", FEW, "≤ 0.45")),
        case("1.0 to 1.0, 3 rules", (V1, V1), RULES, FEW, "≤ 0.50"),
        literal(case("1.0 to 1.0, 3 rules, literal snappy", (V1, V1), RULES, FEW, "≤ 0.50")),
        case("2.0 to 2.0", (V2, V2), "", FEW, "≤ 0.20"),
        literal(case("2.0 to 2.0, literal snappy", (V2, V2), "", FEW, "≤ 0.20")),
        case("2.0 to 2.0, 3 rules", (V2, V2), RULES, FEW, ""),
        case("1.0 to 2.0", (V1, V2), "", FEW, ""),
        case("2.0 to 1.0", (V2, V1), "", FEW, ""),
        case("aggregation, total without two labels", (V1, V1), AGGREGATE, FEW, "≤ 0.50"),
        case("1.0 to 1.0, 1 M series", (V1, V1), "", MANY, "≤ 1.3 × 10 k, ≤ 150 MiB"),
        case("1.0 to 1.0, 3 rules, 1 M series", (V1, V1), RULES, MANY, "≤ 1.3 × 10 k, ≤ 150 MiB"),
        case("2.0 to 2.0, 1 M series", (V2, V2), "", MANY, "≤ 1.3 × 10 k, ≤ 150 MiB"),
        case("aggregation, 1 M series", (V1, V1), AGGREGATE, MANY, "≤ 1.3 × 10 k, ≤ 150 MiB"),
    ]
}

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("run it with `make bench-proxy`");
        return;
    }
    let wanted = std::env::var_os("WEIR_BENCH_CASES").unwrap_or_default();
    let wanted = wanted.to_string_lossy().into_owned();
    let mut table = String::from(
        "| case | s of CPU per million samples | × plain snappy | bytes a sample | peak MiB | must |\n\
         |---|---:|---:|---:|---:|---|\n",
    );
    println!("{}", table.trim_end());
    let mut say = |row: &str| {
        println!("{row}");
        writeln!(table, "{row}").expect("a string");
    };
    for case in cases().into_iter().filter(|case| case.name.contains(&wanted)) {
        say(&row(&case));
    }
    let others = others().into_iter().filter(|case| case.name.contains(&wanted));
    for case in others.filter(|_| Vmagent::is_here()) {
        say(&row(&case));
    }
    let waits = if "waits".contains(&wanted) { waits() } else { String::new() };
    println!("{waits}");
    if wanted.is_empty() {
        let tables =
            format!("2,000 series of 10 labels a request, a sample each.\n\n{table}\n{waits}");
        let title = "Remote write through weir";
        report::save(&scene::weir(), "make bench-proxy", title, "remote-write", &tables);
    }
}

/// What vmagent can do of it, by the same measure. Its rules are the same, in its own file.
fn others() -> Vec<Case> {
    let case = |name, config, snappiness, n_series| Case {
        name,
        from: V1,
        to: V1,
        config,
        snappiness,
        n_series,
        must: "",
    };
    vec![
        case("vmagent, 1.0 to 1.0", "", Snappiness::Real, FEW),
        case("vmagent, 1.0 to 1.0, literal snappy", "", Snappiness::Literal, FEW),
        case("vmagent, 1.0 to 1.0, 3 rules", RULES, Snappiness::Real, FEW),
        case("vmagent, 1.0 to 1.0, 3 rules, literal snappy", RULES, Snappiness::Literal, FEW),
        case("vmagent, 1.0 to 1.0, 1 M series", "", Snappiness::Real, MANY),
    ]
}

/// A program between the sender and the sink.
trait Proxy {
    fn address(&self) -> &str;
    fn pid(&self) -> u32;
    /// Wait until its queue is empty.
    fn wait_until_sent(&self);
}

/// Measure a case.
fn row(case: &Case) -> String {
    let mut load = Load::new(case.from, case.snappiness, case.n_series);
    let sink = Sink::start();
    let proxy: Box<dyn Proxy> = if case.name.starts_with("vmagent") {
        Box::new(Vmagent::start(case.config, &sink))
    } else {
        Box::new(Weir::start(case, &sink))
    };
    let cpu = || CpuTime::of(&proxy.pid().to_string());
    let mut sender = Sender::new(proxy.address(), case.from);
    let mut body = Vec::new();
    // Each series once: what is new costs more, and is measured nowhere.
    for _ in 0..load.n_requests() {
        load.next(&mut body);
        sender.send(&body);
    }
    proxy.wait_until_sent();
    let before = cpu();
    let n_requests = MEASURED / push_load::SERIES;
    for _ in 0..n_requests {
        load.next(&mut body);
        sender.send(&body);
    }
    proxy.wait_until_sent();
    let millions = f64::from(MEASURED) / 1e6;
    let cpu = cpu().ms_since(&before) / 1e3 / millions;
    assert!(sink.n_requests() > 0 || !case.config.is_empty(), "nothing arrived");
    let plain = plain_snappy(&body);
    let bytes = f64::from(u32::try_from(body.len()).expect("short")) / f64::from(push_load::SERIES);
    let peak = memory::peak_mib(proxy.pid());
    let Case { name, must, .. } = case;
    let times = cpu / plain;
    format!("| {name} | {cpu:.3} | {times:.2} | {bytes:.1} | {peak:.0} | {must} |")
}

/// Seconds of CPU for each million samples: to decode and encode such bodies.
fn plain_snappy(body: &[u8]) -> f64 {
    const ROUNDS: u32 = 200;
    let (mut snappy, mut again) = (Snappy::new(), Snappy::new());
    let mut out = Vec::new();
    let before = CpuTime::of("self");
    for _ in 0..ROUNDS {
        let decoded = snappy.decompress(black_box(body), DECODED_BYTES_MAX).expect("it is whole");
        again.compress(decoded, &mut out).expect("it is short");
        black_box(&out);
    }
    let ms = CpuTime::of("self").ms_since(&before);
    ms / 1e3 * 1e6 / f64::from(ROUNDS * push_load::SERIES)
}

/// How long senders wait for their answers, against what a sync of the disk takes: one behind the
/// other, and at the pace of the senders, when disk and processors sleep in between.
fn waits() -> String {
    let case = &cases()[0];
    let sink = Sink::start();
    let weir = Weir::start(case, &sink);
    let mut load = Load::new(V1, Snappiness::Real, FEW);
    let mut bodies = vec![Vec::new(); load.n_requests() as usize];
    for body in &mut bodies {
        load.next(body);
    }
    let bodies = Arc::new(bodies);
    let dir = weir.dir.path();
    let mut sync = syncer(dir, SENDERS);
    let mut hot: Vec<_> = (0..REQUESTS).map(|_| time(&mut sync)).collect();
    let mut paced = paced(|nth| syncer(dir, nth));
    let mut answered = self::paced(|nth| {
        let (mut sender, bodies) = (Sender::new(&weir.process.address, V1), Arc::clone(&bodies));
        let mut at = nth;
        move || {
            at += 1;
            sender.send(&bodies[at % bodies.len()]);
        }
    });
    let mut row = |name: &str, took: &mut [Duration], must: &str| {
        let (p50, p99) = (at(took, 50), at(took, 99));
        let times = p99.as_secs_f64() / at(&mut paced, 99).as_secs_f64();
        format!("| {name} | {} | {} | {times:.1} | {must} |\n", ms(p50), ms(p99))
    };
    let mut table = format!(
        "| {SENDERS} senders, 10 requests a second each | p50 | p99 | p99 × a sync at that pace | must |\n\
         |---|---:|---:|---:|---|\n"
    );
    table += &row("syncs of 64 KiB, one behind the other", &mut hot, "");
    table += &row("a request acknowledged", &mut answered, "p99 ≤ 3 × a sync");
    let (p50, p99) = (at(&mut paced, 50), at(&mut paced, 99));
    writeln!(
        table,
        "| syncs of 64 KiB at that pace, a file each | {} | {} | 1.0 | |",
        ms(p50),
        ms(p99)
    )
    .expect("a string");
    table
}

/// How long something takes that each of the senders does at its own pace.
fn paced<F: FnMut() + Send + 'static>(of_sender: impl Fn(usize) -> F) -> Vec<Duration> {
    let threads: Vec<_> = (0..SENDERS)
        .map(|nth| {
            let (mut once, mut pause) = (of_sender(nth), pauses(nth));
            let paused_once = move |_| {
                std::thread::sleep(pause());
                time(&mut once)
            };
            std::thread::spawn(move || (0..REQUESTS).map(paused_once).collect::<Vec<_>>())
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().expect("it ends")).collect()
}

fn time(mut once: impl FnMut()) -> Duration {
    let began = Instant::now();
    once();
    began.elapsed()
}

/// Pauses of a sender, which look random and are the same in each run.
fn pauses(nth_sender: usize) -> impl FnMut() -> Duration {
    let mut nth = 0;
    move || {
        nth += 1;
        let share = u32::try_from(mix(nth_sender as u64, nth) >> 48).expect("sixteen bits");
        PAUSE / 2 + PAUSE * share / (1 << 16)
    }
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn at(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    times[times.len() * percent / 100]
}

/// Makes 64 KiB more of a file durable.
fn syncer(folder: &Path, nth: usize) -> impl FnMut() + Send + 'static {
    let mut file = File::create(folder.join(format!("sync-{nth}"))).expect("a file");
    let bytes = vec![7; 64 << 10];
    move || {
        file.write_all(&bytes).expect("room");
        file.sync_data().expect("a disk");
    }
}

/// weir, running.
struct Weir {
    process: Process,
    dir: tempfile::TempDir,
}

impl Weir {
    fn start(case: &Case, sink: &Sink) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let message = match case.to {
            Version::V1 => "prometheus.WriteRequest",
            Version::V2 => "io.prometheus.write.v2.Request",
        };
        let config = format!(
            "listen_address: 127.0.0.1:0\ndata_dir: {}\nreceive: {{remote_write: {{}}}}\n{}\
             remote_write: [{{url: 'http://{}/', protobuf_message: {message}, \
             queue_config: {{batch_send_deadline: 50ms}}}}]\n",
            dir.path().join("data").display(),
            case.config,
            sink.address
        );
        let process = Process::start_with(&scene::weir(), dir.path(), &config);
        Self { process, dir }
    }
}

impl Proxy for Weir {
    fn address(&self) -> &str {
        &self.process.address
    }

    fn pid(&self) -> u32 {
        self.process.child.id()
    }

    fn wait_until_sent(&self) {
        let mut n_empty = 0;
        while n_empty < 2 {
            std::thread::sleep(Duration::from_millis(100));
            let status = push_load::get(&self.process.address, "/-/queues?json");
            n_empty = if status.contains("\"records\": 0,") { n_empty + 1 } else { 0 };
        }
    }
}
