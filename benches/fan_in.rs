//! Many targets through the gate, as processes of their own: what a sample costs with one target, ten,
//! a hundred and a thousand, with counters as they are and safe from resets.
//!
//! A server holds a body of the preset `ingress-nginx` for each target, of two instants in turn; the
//! pod is another in each and is dropped, so that all become one. Each round scrapes every case once
//! and fetches the same bodies to nowhere with weir's own client; medians of the rounds are compared.
//! Results are asserted before anything is printed. The table goes to standard output and to
//! `benches/results`.
//!
//! `make bench-e2e`; `WEIR_BENCH_BIN` names another build of weir, `WEIR_BENCH_ROUNDS` another number
//! of rounds.
#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a bench, not weir")]
#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]

#[path = "support/body_server.rs"]
mod body_server;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/preset.rs"]
mod preset;
#[path = "support/process.rs"]
mod process;
#[path = "support/report.rs"]
mod report;
#[path = "support/scene.rs"]
mod scene;

use std::fmt::Write as _;
use std::future::poll_fn;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use process::CpuTime;
use report::median;
use scene::{Process, ms, self_command, sums};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use weir::generate::generator::Generator;
use weir::http::client::{Ask, AskFor, Client};
use weir::http::proxy::ProxyRules;
use weir::http::url::Url;

/// The instants of the two bodies: far enough apart for every counter to move.
const TIMES_MS: [i64; 2] = [1_767_229_200_000, 1_767_315_600_000];
/// Samples an ingress of the preset has, with one path.
const N_PER_INGRESS: usize = 84;
/// What stands for the pod in the preset's labels; as long as what replaces it.
const POD: &[u8] = b"7xk2p";
const DROP: &str = "metric_relabel_configs: [{action: labeldrop, regex: 'controller_pod|path'}]";
/// As many as the gate scrapes at the same time.
const CONCURRENT_MAX: usize = 256;
/// How long a thousand targets may take on a machine that is busy.
const TIMEOUT: &str = "60s";

/// Targets, ingresses and paths of each, counters, and what must hold.
const CASES: [(usize, usize, usize, &str, &str); 6] = [
    (1, 860, 10, "raw", "the yardstick"),
    (10, 860, 1, "raw", ""),
    (100, 86, 1, "raw", "≤ 5 ns a sample above one target"),
    (100, 86, 1, "reset-safe", "≤ 1.1 × raw, ≤ 16 B a sample more"),
    (1000, 9, 1, "raw", "≤ 1.3 × ten targets"),
    (1000, 12, 1, "reset-safe", "≤ 1.5 × the wall time of fetching, ≤ 200 MiB"),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse().expect("a number");
    match words[..] {
        ["serve", n_targets, n_ingresses, n_paths] => {
            serve(number(n_targets), number(n_ingresses), number(n_paths));
        }
        ["fetch", ref addresses @ ..] => fetch(addresses),
        ["scrape", address] => scrape(address),
        _ if words.contains(&"--bench") => bench(),
        _ => println!("run it with `make bench-e2e`"),
    }
}

fn generator(n_ingresses: usize, n_paths: usize) -> Generator {
    preset::preset("ingress-nginx", &[("ingresses", n_ingresses), ("paths", n_paths)])
}

/// The two bodies of each target.
fn serve(n_targets: usize, n_ingresses: usize, n_paths: usize) {
    let generator = generator(n_ingresses, n_paths);
    let bodies = TIMES_MS.map(|time_ms| preset::page(&generator, time_ms));
    let of_pod = |body: &Vec<u8>, n: usize| {
        let mut body = body.clone();
        let name = format!("{n:05}");
        let places: Vec<usize> = memchr::memmem::find_iter(&body, POD).collect();
        for at in places {
            body[at..at + POD.len()].copy_from_slice(name.as_bytes());
        }
        body
    };
    let targets = (0..n_targets).map(|n| bodies.iter().map(|body| of_pod(body, n)).collect());
    // A port each, so that each has connections of its own.
    let listen = |_| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let listeners: Vec<_> = (0..n_targets).map(listen).collect();
    for listener in &listeners {
        print!("{} ", listener.local_addr().expect("it is bound"));
    }
    println!();
    std::thread::scope(|scope| {
        for (listener, bodies) in listeners.iter().zip(targets) {
            scope.spawn(|| body_server::serve(listener, bodies).expect("accepting works"));
        }
    });
}

/// The yardstick: every body to nowhere, by weir's client. Prints wall and CPU milliseconds.
fn fetch(addresses: &[&str]) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("it runs");
    let client = Arc::new(Client::new(ProxyRules::default()));
    let once = || runtime.block_on(fetch_all(&client, addresses));
    // Connections are there the second time, as those of the gate are.
    once();
    let (began, cpu) = (Instant::now(), CpuTime::of("self"));
    let n_bytes = once();
    let (wall_ms, cpu_ms) = (ms(began.elapsed()), CpuTime::of("self").ms_since(&cpu));
    println!("{wall_ms} {cpu_ms} {n_bytes} 0 0");
}

async fn fetch_all(client: &Arc<Client>, addresses: &[&str]) -> usize {
    let permits = Arc::new(Semaphore::new(CONCURRENT_MAX));
    let mut tasks = JoinSet::new();
    for address in addresses {
        let url = Url::parse(&format!("http://{address}/metrics?plain")).expect("a URL");
        let (client, permits) = (Arc::clone(client), Arc::clone(&permits));
        tasks.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let nothing = HeaderMap::new();
            let ask = Ask {
                headers: &nothing,
                private: &nothing,
                address: None,
                ask_for: AskFor::Identity,
                follow_redirects: false,
            };
            let mut body = client.get(&url, &ask).await.expect("an answer").into_body();
            let mut n_bytes = 0;
            while let Some(piece) = poll_fn(|cx| body.poll_chunk(cx)).await {
                n_bytes += piece.expect("a whole body").len();
            }
            n_bytes
        });
    }
    tasks.join_all().await.into_iter().sum()
}

/// A scraper. Prints wall milliseconds, 0, bytes, samples and the sum of all `_count`.
fn scrape(address: &str) {
    let mut body = Vec::with_capacity(300 << 20);
    let began = Instant::now();
    let head =
        body_server::download(address, "/metrics", "", |bytes| body.extend_from_slice(bytes))
            .expect("the gate answers");
    let wall_ms = ms(began.elapsed());
    let n_bytes = body.len();
    let body = if head.chunked { body_server::without_chunks(&body) } else { body };
    let (n_samples, total) = sums(&body);
    println!("{wall_ms} 0 {n_bytes} {n_samples} {total}");
}

/// One case: a server of bodies and a gate before all its targets.
struct Case {
    n_targets: usize,
    n_samples: usize,
    n_merged: usize,
    counters: &'static str,
    must: &'static str,
    server: Process,
    gate: Process,
    /// The sums of all `_count` of a target's two bodies.
    totals: [f64; 2],
    n_scrapes: usize,
    /// What the sum through the gate should be.
    total: f64,
    wall_ms: Vec<f64>,
    cpu_ms: Vec<f64>,
    fetch_ms: Vec<f64>,
    fetch_cpu_ms: Vec<f64>,
    /// Bytes of memory before the first scrape, and after it.
    rss: [f64; 2],
    peak_mib: f64,
}

impl Case {
    fn start(weir: &str, case: (usize, usize, usize, &'static str, &'static str)) -> Self {
        let (n_targets, n_ingresses, n_paths, counters, must) = case;
        let generator = generator(n_ingresses, n_paths);
        let bodies = TIMES_MS.map(|time_ms| preset::page(&generator, time_ms));
        let totals = [sums(&bodies[0]).1, sums(&bodies[1]).1];
        assert!(totals[0] < totals[1], "counters have risen");
        let sizes = [n_targets, n_ingresses, n_paths].map(|n| n.to_string());
        let server = Process::start_self(&["serve", &sizes[0], &sizes[1], &sizes[2]]);
        let targets = server.address.split(' ');
        let mut flags: Vec<String> = targets
            .flat_map(|address| ["--upstream".to_owned(), format!("http://{address}/metrics")])
            .collect();
        let more = ["--relabel", DROP, "--counters", counters, "--scrape-timeout", TIMEOUT];
        flags.extend(more.map(str::to_owned));
        let gate = Process::start_weir(weir, &flags);
        let before = memory::rss_bytes(gate.child.id());
        let mut this = Self {
            n_targets,
            n_samples: n_ingresses * n_paths * N_PER_INGRESS,
            n_merged: n_ingresses * N_PER_INGRESS,
            counters,
            must,
            server,
            gate,
            totals,
            n_scrapes: 0,
            total: 0.0,
            wall_ms: Vec::new(),
            cpu_ms: Vec::new(),
            fetch_ms: Vec::new(),
            fetch_cpu_ms: Vec::new(),
            rss: [before; 2],
            peak_mib: 0.0,
        };
        this.scrape();
        this.rss[1] = memory::rss_bytes(this.gate.child.id());
        this.scrape();
        this
    }

    /// One scrape through the gate; what it cost.
    fn scrape(&mut self) -> (f64, f64) {
        let pid = self.gate.child.id().to_string();
        let cpu = CpuTime::of(&pid);
        let (run, n_samples, total) = self_command(&["scrape", &self.gate.address]);
        let cpu_ms = CpuTime::of(&pid).ms_since(&cpu);
        let [first, later] = self.totals;
        let all = |of_one: f64| of_one * self.n_targets as f64;
        self.total = match (self.counters, self.n_scrapes) {
            ("raw", n) => all(self.totals[n % 2]),
            (_, 0) => 0.0,
            // Every other body is that of a process that was started anew.
            (_, n) if n % 2 == 0 => self.total + all(first),
            _ => self.total + all(later - first),
        };
        self.n_scrapes += 1;
        assert_eq!(n_samples, self.n_merged, "samples of {} targets", self.n_targets);
        assert!((total - self.total).abs() < 0.5, "{total} is not {}", self.total);
        (run.wall_ms, cpu_ms)
    }

    fn round(&mut self) {
        let (wall_ms, cpu_ms) = self.scrape();
        self.wall_ms.push(wall_ms);
        self.cpu_ms.push(cpu_ms);
        let fetch: Vec<&str> =
            ["fetch"].into_iter().chain(self.server.address.split(' ')).collect();
        let (run, _, _) = self_command(&fetch);
        self.fetch_ms.push(run.wall_ms);
        self.fetch_cpu_ms.push(run.cpu_ms);
        self.peak_mib = memory::peak_mib(self.gate.child.id());
    }

    fn row(&self) -> String {
        let n_all = (self.n_targets * self.n_samples) as f64;
        let columns = [&self.wall_ms, &self.cpu_ms, &self.fetch_ms, &self.fetch_cpu_ms];
        let [wall_ms, cpu_ms, fetch_ms, fetch_cpu_ms] = columns.map(|values| median(values));
        let ns = |ms: f64| ms * 1e6 / n_all;
        format!(
            "| {} × {}, {} | {wall_ms:.0} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {} |\n",
            self.n_targets,
            self.n_samples,
            self.counters,
            wall_ms / fetch_ms,
            ns(cpu_ms),
            ns(fetch_cpu_ms),
            ns(cpu_ms - fetch_cpu_ms),
            (self.rss[1] - self.rss[0]) / n_all,
            self.peak_mib,
            self.must,
        )
    }
}

fn bench() {
    let n_rounds = std::env::var("WEIR_BENCH_ROUNDS").map_or(9, |n| n.parse().expect("a number"));
    let weir = scene::weir();
    let mut cases: Vec<Case> = CASES.into_iter().map(|case| Case::start(&weir, case)).collect();
    for _ in 0..n_rounds {
        cases.iter_mut().for_each(Case::round);
    }
    let mut table = format!(
        "Targets × samples of each, merged into one target's. {n_rounds} rounds, median.\n\n\
         | case | wall ms | × fetch | CPU ns a sample | of fetch | beyond it | B a sample, idle | peak MiB | must |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---|\n"
    );
    for case in &cases {
        table.write_str(&case.row()).expect("a string takes it");
    }
    println!("\n{table}");
    report::save(&weir, "make bench-e2e", "Many targets", "fan-in", &table);
}
