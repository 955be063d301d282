//! The gate against a plain download of the same bytes, as processes of their own.
//!
//! A body server, the gate and a client run side by side; each round does everything once, so that
//! all variants see the same machine; medians of the rounds are compared. Results are asserted
//! before anything is printed. The table goes to standard output and to `benches/results`.
//!
//! The body is that of the preset `ingress-nginx`, of two instants in turn; `weir generate` itself
//! is measured too, while it serves the same bytes.
//!
//! `make bench-e2e`; `WEIR_BENCH_BIN` names another build of weir, `WEIR_BENCH_INGRESSES` another
//! size (1000 is 720,000 buckets, 840,000 samples), `WEIR_BENCH_ROUNDS` another number of rounds.
#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "a bench, not weir")]

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

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Instant;

use process::CpuTime;
use report::{Case, Report, Run};
use scene::{Process, ms, self_command, sums};

/// The instants of the two bodies, a scrape apart.
const TIMES_MS: [i64; 2] = [1_767_229_200_000, 1_767_229_215_000];
const PRESET: &str = "ingress-nginx";
/// Label sets that become one when `path` is dropped.
const N_PATHS: usize = 10;
const FOLD: &str = "metric_relabel_configs: [{action: labeldrop, regex: path}]";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", n_ingresses] => serve(n_ingresses.parse().expect("a number")),
        ["download", address, path] => plain_client(address, path),
        ["scrape", address, headers] => gate_client(address, headers),
        _ if words.contains(&"--bench") => bench(),
        _ => println!("run it with `make bench-e2e`"),
    }
}

/// The two bodies: the same series with other values.
fn bodies(n_ingresses: usize) -> [Vec<u8>; 2] {
    let generator = preset::preset(PRESET, &[("ingresses", n_ingresses), ("paths", N_PATHS)]);
    TIMES_MS.map(|time_ms| preset::page(&generator, time_ms))
}

/// The body server: two scrapes in turn.
fn serve(n_ingresses: usize) {
    let bodies = bodies(n_ingresses).to_vec();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    println!("{}", listener.local_addr().expect("it is bound"));
    body_server::serve(&listener, bodies).expect("accepting works");
}

/// The yardstick: bytes to nowhere. Prints wall and CPU milliseconds.
fn plain_client(address: &str, path: &str) {
    let (began, cpu) = (Instant::now(), CpuTime::of("self"));
    let mut n_bytes = 0;
    body_server::download(address, path, "", |bytes| n_bytes += bytes.len()).expect("a body");
    let cpu_ms = CpuTime::of("self").ms_since(&cpu);
    println!("{} {cpu_ms} {n_bytes} 0 0", ms(began.elapsed()));
}

/// A scraper. Prints wall milliseconds, 0, bytes, samples and the sum of all `_count`.
fn gate_client(address: &str, headers: &str) {
    let headers = headers.replace("\\r\\n", "\r\n");
    let mut sent = Vec::with_capacity(300 << 20);
    let began = Instant::now();
    let head =
        body_server::download(address, "/metrics", &headers, |bytes| sent.extend_from_slice(bytes))
            .expect("the gate answers");
    let wall_ms = ms(began.elapsed());
    let n_bytes = sent.len();
    let mut body = if head.chunked { body_server::without_chunks(&sent) } else { sent };
    if head.gzip {
        let mut plain = Vec::new();
        flate2::bufread::MultiGzDecoder::new(&body[..]).read_to_end(&mut plain).expect("gzip");
        body = plain;
    }
    let (n_samples, total_count) = sums(&body);
    println!("{wall_ms} 0 {n_bytes} {n_samples} {total_count}");
}

fn bench() {
    let setting = |name: &str, default| match std::env::var(name) {
        Ok(value) => value.parse().expect("a number"),
        Err(_) => default,
    };
    let n_ingresses = setting("WEIR_BENCH_INGRESSES", 1000);
    let n_rounds = setting("WEIR_BENCH_ROUNDS", 9);
    let weir = scene::weir();
    let bench = Bench::start(weir, n_ingresses);
    let report = bench.run(n_rounds);
    println!("\n{report}");
    report::save(&report.weir, "make bench-e2e", "End to end", "", &report.to_string());
}

/// The processes of one run and what they should say.
struct Bench {
    weir: String,
    server: Process,
    /// `weir generate`, which shows the first of the two instants.
    generator: Process,
    first: Vec<u8>,
    n_series: usize,
    n_folded: usize,
    /// The sums of all `_count` of the two scrapes.
    totals: [f64; 2],
}

impl Bench {
    fn start(weir: String, n_ingresses: usize) -> Self {
        let bodies = bodies(n_ingresses);
        let [(n_series, first), (n_later, later)] = [sums(&bodies[0]), sums(&bodies[1])];
        assert_eq!(n_series, n_later, "series of the two scrapes");
        assert!(later > first, "counters have risen");
        let generate = format!(
            "generate --preset {PRESET} --set paths={N_PATHS} --set ingresses={n_ingresses} --at {}",
            TIMES_MS[0] / 1000
        );
        let generator = Process::start_weir(&weir, &words_of(&generate));
        let [first_body, _] = bodies;
        Self {
            weir,
            server: Process::start_self(&["serve", &n_ingresses.to_string()]),
            generator,
            first: first_body,
            n_series,
            n_folded: n_series / N_PATHS,
            totals: [first, later],
        }
    }

    fn run(&self, n_rounds: usize) -> Report {
        let [mut plain, mut plain_chunked] =
            ["plain download", "plain download, 4 KiB chunks"].map(|name| Case::new(name, ""));
        let mut warm = Case::new("weir, warm", "≤ 1.5 × wall, ≤ 3.5 × CPU, ≤ 64 MiB");
        let mut chunked = Case::new("weir, warm, 4 KiB chunks", "≤ 1.0 × wall, ≤ 3.5 × CPU");
        let mut gzip = Case::new("weir, warm, gzip out", "≤ 2.3 × wall");
        let mut cold = Case::new("weir, first scrape", "≤ 4 × wall");
        let mut through = Case::new("weir, no rules", "≤ 4 × wall, memory ≤ 1.5 × body");
        let mut generate = Case::new("weir generate", "≤ 1.3 × wall, ≤ 32 MiB");
        assert_eq!(self.generated(), self.first.len(), "bytes generated");

        let gates = [
            self.start_gate("/metrics", FOLD),
            self.start_gate("/chunked", FOLD),
            self.start_gate("/metrics", FOLD),
            self.start_gate("/metrics", ""),
        ];
        for (at, gate) in gates.iter().enumerate() {
            self.scrape(gate, "", if at < 3 { self.n_folded } else { self.n_series });
        }
        for round in 0..n_rounds {
            let body_bytes = plain.add(self.download("/metrics?plain"));
            warm.add(self.scrape(&gates[0], "", self.n_folded));
            plain_chunked.add(self.download("/chunked?plain"));
            chunked.add(self.scrape(&gates[1], "", self.n_folded));
            gzip.add(self.scrape(&gates[2], "Accept-Encoding: gzip\\r\\n", self.n_folded));
            through.add(self.scrape(&gates[3], "", self.n_series));
            generate.add(self.generate());
            let fresh = self.start_gate("/metrics", FOLD);
            cold.add(self.scrape(&fresh, "", self.n_folded));
            // The first scrape was before the rounds: this is after the third.
            if round == 1 {
                cold.peak_mib = Some(memory::peak_mib(fresh.child.id()));
                for (case, gate) in
                    [&mut warm, &mut chunked, &mut gzip, &mut through].into_iter().zip(&gates)
                {
                    case.peak_mib = Some(memory::peak_mib(gate.child.id()));
                }
                generate.peak_mib = Some(memory::peak_mib(self.generator.child.id()));
                println!("body of {body_bytes} bytes, {} samples", self.n_series);
            }
        }
        let analyze = self.analyze(n_rounds);
        Report {
            weir: self.weir.clone(),
            n_rounds,
            n_series: self.n_series,
            n_folded: self.n_folded,
            groups: vec![
                (plain, vec![warm, gzip, cold, through, analyze, generate]),
                (plain_chunked, vec![chunked]),
            ],
        }
    }

    fn start_gate(&self, path: &str, rules: &str) -> Process {
        let mut flags = words_of(&format!("--upstream http://{}{path}", self.server.address));
        if !rules.is_empty() {
            flags.extend(["--relabel".to_owned(), rules.to_owned()]);
        }
        Process::start_weir(&self.weir, &flags)
    }

    fn download(&self, path: &str) -> Run {
        self_command(&["download", &self.server.address, path]).0
    }

    /// One page of `weir generate`, downloaded to nowhere.
    fn generate(&self) -> Run {
        let pid = self.generator.child.id().to_string();
        let cpu = CpuTime::of(&pid);
        let (mut run, _, _) = self_command(&["download", &self.generator.address, "/metrics"]);
        run.cpu_ms = CpuTime::of(&pid).ms_since(&cpu);
        run
    }

    /// How many bytes `weir generate` serves; the bytes are those of the body.
    fn generated(&self) -> usize {
        let mut sent = Vec::with_capacity(300 << 20);
        let take = |bytes: &[u8]| sent.extend_from_slice(bytes);
        let address = &self.generator.address;
        let head = body_server::download(address, "/metrics", "", take).expect("it answers");
        let body = if head.chunked { body_server::without_chunks(&sent) } else { sent };
        assert!(body == self.first, "what is served is what is made");
        body.len()
    }

    /// One `GET /metrics`, with what it cost the gate.
    fn scrape(&self, gate: &Process, headers: &str, n_expected: usize) -> Run {
        let pid = gate.child.id().to_string();
        let cpu = CpuTime::of(&pid);
        let (mut run, n_samples, total) = self_command(&["scrape", &gate.address, headers]);
        run.cpu_ms = CpuTime::of(&pid).ms_since(&cpu);
        assert_eq!(n_samples, n_expected, "series through the gate");
        assert!(self.totals.iter().any(|t| t.to_bits() == total.to_bits()), "counts: {total}");
        run
    }

    fn analyze(&self, n_rounds: usize) -> Case {
        let mut case = Case::new("weir analyze FILE", "≤ 400 ms");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.as_file().write_all(&self.first).expect("it takes the body");
        for _ in 0..n_rounds {
            let (began, cpu) = (Instant::now(), process::children_cpu_ms());
            let output =
                Command::new(&self.weir).arg("analyze").arg(file.path()).output().expect("it runs");
            let wall_ms = ms(began.elapsed());
            let report = String::from_utf8_lossy(&output.stdout);
            assert!(report.contains("nginx_ingress_controller_request_size_bucket"), "{report}");
            let cpu_ms = process::children_cpu_ms() - cpu;
            case.add(Run { wall_ms, cpu_ms, n_bytes: output.stdout.len() });
        }
        case
    }
}

fn words_of(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
