//! Kills a sender again and again and looks for what is lost.
//!
//! `kill9 [ROUNDS [SEED]]`: each round starts a child that takes samples into a durable queue and
//! sends them on, kills it with SIGKILL at a random moment, starts it again on the same queue with
//! a destination that is well, and compares what the child had acknowledged with what arrived.
//! Destinations are well, slow, down, answer 500 and 429 by turns, or are down and then well. Ends
//! with 1 if a sample was lost, or more came twice than one request holds. Queues are made where
//! TMPDIR says: on a small disk that is full most of the time, too.
#![allow(clippy::print_stdout, reason = "it is a program that tells a person something")]

use std::collections::BTreeMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use weir::app::clock::system_time_ms;
use weir::http::Url;
use weir::http::proxy::ProxyRules;
use weir::remote_write::Destinations;
use weir::remote_write::Settings;
use weir::remote_write::Surroundings;
use weir::wire::Decoder;
use weir::wire::Labels;
use weir::wire::Limits;
use weir::wire::Sample;
use weir::wire::Series;
use weir::wire::Version;
use weir::wire::snappy::DECODED_BYTES_MAX;
use weir::wire::snappy::Snappy;

/// Samples of an append.
const SAMPLES: u64 = 50;
/// Appends that wait for their answer at the same time.
const WINDOW: u64 = 64;
/// The most samples of one request.
const SAMPLES_PER_SEND: usize = 500;
const ROUNDS: u64 = 20;
/// How long the destination has to be silent for a round to be over.
const SILENCE: Duration = Duration::from_millis(1500);
/// A child that is well has sent everything long before.
const PATIENCE_MS: i64 = 60_000;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, dir, url] = &args[..]
        && mode == "--child"
    {
        child(Path::new(dir), url)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rounds = args.first().map_or(Ok(ROUNDS), |text| text.parse())?;
    let seed = args.get(1).map_or_else(|| Ok(system_time_ms().cast_unsigned()), |t| t.parse())?;
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut total = Outcome::default();
    for round in 0..rounds {
        let mode = Mode::ALL[usize::try_from(round)? % Mode::ALL.len()];
        let after = Duration::from_millis(100 + random.next() % 2900);
        let outcome = kill_once(mode, after)?;
        println!("round {round:3}, destination {mode:?}, killed after {after:?}: {outcome:?}");
        total.add(&outcome);
    }
    println!(
        "{rounds} rounds: {} samples acknowledged, {} lost, {} duplicated (at most {} in a round; one request holds {SAMPLES_PER_SEND})",
        total.acked, total.lost, total.duplicated, total.worst
    );
    let is_good = total.lost == 0 && total.worst <= SAMPLES_PER_SEND as u64;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Debug, Default)]
struct Outcome {
    acked: u64,
    lost: u64,
    duplicated: u64,
    /// The most duplicates of a round.
    worst: u64,
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.acked += other.acked;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.worst = self.worst.max(other.worst);
    }
}

/// `splitmix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let n = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }
}

/// What the destination does before the kill.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Well,
    Slow,
    Down,
    Failing,
    /// Down at first, then well: where the disk was full, there is space again.
    Recovering,
}

impl Mode {
    const ALL: [Self; 5] = [Self::Well, Self::Slow, Self::Down, Self::Failing, Self::Recovering];
}

fn kill_once(mode: Mode, after: Duration) -> Result<Outcome, Error> {
    let dir = tempfile::tempdir()?;
    let destination = Destination::start(mode)?;
    let acked = Arc::new(Mutex::new(Vec::new()));
    let mut first = Running::start(dir.path(), destination.address, Some(&acked))?;
    thread::sleep(after / 2);
    if matches!(mode, Mode::Recovering) {
        destination.mode.store(Mode::Well as usize, Ordering::Relaxed);
    }
    thread::sleep(after / 2);
    first.child.kill()?;
    first.child.wait()?;
    first.join();
    destination.mode.store(Mode::Well as usize, Ordering::Relaxed);
    let mut second = Running::start(dir.path(), destination.address, None)?;
    let acked = std::mem::take(&mut *acked.lock().map_err(|_| "poisoned")?);
    destination.wait(&acked);
    second.child.kill()?;
    second.child.wait()?;
    let seen = destination.seen.lock().map_err(|_| "poisoned")?;
    let duplicated = seen.values().filter(|n| **n > 1).count() as u64;
    Ok(Outcome {
        acked: acked.len() as u64 * SAMPLES,
        lost: samples_of(&acked).filter(|sample| !seen.contains_key(sample)).count() as u64,
        duplicated,
        worst: duplicated,
    })
}

/// The numbers of the samples of appends.
fn samples_of(appends: &[u64]) -> impl Iterator<Item = u64> {
    appends.iter().flat_map(|append| append * SAMPLES..(append + 1) * SAMPLES)
}

/// A child, and the threads that feed it.
struct Running {
    child: Child,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Running {
    /// Start a child; with a list of what it acknowledges, it is put under load.
    fn start(
        dir: &Path,
        destination: SocketAddr,
        acked: Option<&Arc<Mutex<Vec<u64>>>>,
    ) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--child", &dir.display().to_string(), &format!("http://{destination}/write")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut threads = Vec::new();
        if let (Some(acked), Some(stdin), Some(stdout)) =
            (acked, child.stdin.take(), child.stdout.take())
        {
            let n_acked = Arc::new(AtomicU64::new(0));
            let (acked, counted) = (Arc::clone(acked), Arc::clone(&n_acked));
            threads.push(thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    let Ok(Ok(append)) = line.map(|line| line.parse()) else { return };
                    let Ok(mut acked) = acked.lock() else { return };
                    acked.push(append);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }));
            threads.push(thread::spawn(move || load(stdin, &n_acked)));
        }
        Ok(Self { child, threads })
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // What a thread has to say it has said.
            thread.join().ok();
        }
    }
}

/// Ask for appends, `WINDOW` at a time, until the child is gone.
fn load(mut stdin: ChildStdin, n_acked: &AtomicU64) {
    for append in 0.. {
        while append >= n_acked.load(Ordering::Relaxed) + WINDOW {
            if stdin.flush().is_err() || stdin.write_all(b"\n").is_err() {
                return;
            }
            thread::sleep(Duration::from_micros(200));
        }
        if writeln!(stdin, "{append}").is_err() {
            return;
        }
    }
}

/// A destination that counts each sample.
struct Destination {
    address: SocketAddr,
    mode: Arc<AtomicUsize>,
    seen: Arc<Mutex<BTreeMap<u64, u64>>>,
}

impl Destination {
    fn start(mode: Mode) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (mode, seen) = (Arc::new(AtomicUsize::new(mode as usize)), Arc::default());
        let (for_thread, of_thread) = (Arc::clone(&mode), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mode, seen) = (Arc::clone(&for_thread), Arc::clone(&of_thread));
                thread::spawn(move || serve(stream, &mode, &seen).ok());
            }
        });
        Ok(Self { address, mode, seen })
    }

    /// Wait until all of it has come, or nothing comes any more.
    fn wait(&self, acked: &[u64]) {
        let began = system_time_ms();
        let (mut n_before, mut silent) = (0, Duration::ZERO);
        let step = Duration::from_millis(50);
        while silent < SILENCE && system_time_ms() - began < PATIENCE_MS {
            thread::sleep(step);
            let Ok(seen) = self.seen.lock() else { return };
            let n_now: u64 = seen.values().sum();
            let has_all = samples_of(acked).all(|sample| seen.contains_key(&sample));
            silent = if n_now == n_before && (has_all || n_now > 0) {
                silent + step
            } else {
                Duration::ZERO
            };
            n_before = n_now;
        }
    }
}

/// Answer the requests of one connection.
fn serve(
    mut stream: TcpStream,
    mode: &AtomicUsize,
    seen: &Mutex<BTreeMap<u64, u64>>,
) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut nth = 0_usize;
    while let Some(body) = read_request(&mut stream)? {
        nth += 1;
        let status = match mode.load(Ordering::Relaxed) {
            1 => {
                thread::sleep(Duration::from_millis(100));
                "204 No Content"
            }
            2 | 4 => return Ok(()),
            3 if nth.is_multiple_of(3) => "500 Internal Server Error",
            3 if nth % 3 == 1 => "429 Too Many Requests",
            _ => "204 No Content",
        };
        if status.starts_with("204") {
            count(&body, seen)?;
        }
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(())
}

fn read_request(stream: &mut TcpStream) -> Result<Option<Vec<u8>>, Error> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head)?.to_ascii_lowercase();
    let n_bytes = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; n_bytes.unwrap_or("0").trim().parse()?];
    stream.read_exact(&mut body)?;
    Ok(Some(body))
}

fn count(body: &[u8], seen: &Mutex<BTreeMap<u64, u64>>) -> Result<(), Error> {
    let mut snappy = Snappy::new();
    let mut decoder = Decoder::new(Limits::default());
    let body = snappy.decompress(body, DECODED_BYTES_MAX)?;
    let mut request = decoder.open(Version::V1, body)?;
    let mut seen = seen.lock().map_err(|_| "poisoned")?;
    while let Some(series) = request.next_series()? {
        for sample in series.samples() {
            *seen.entry(sample.value.to_bits()).or_default() += 1;
        }
    }
    Ok(())
}

/// Append what the parent asks for, and say when it is durable.
#[tokio::main]
async fn child(dir: &Path, url: &str) -> Result<(), Error> {
    let mut settings = Settings::new(Url::parse(url)?);
    settings.queue.samples_per_send_max = SAMPLES_PER_SEND;
    settings.queue.batch_send_deadline = Duration::from_millis(50);
    settings.queue.max_backoff = Duration::from_millis(200);
    // One request at a time, so that what may come twice is known.
    settings.queue.shards_max = 1;
    let surroundings = Surroundings {
        data_dir: dir.to_owned(),
        proxies: ProxyRules::default(),
        now_ms: system_time_ms,
        random: || 7,
    };
    let all = Destinations::start(vec![settings], surroundings).await?;
    let (send, mut asked) = tokio::sync::mpsc::channel(1024);
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if let Ok(append) = line.parse::<u64>()
                && send.blocking_send(append).is_err()
            {
                return;
            }
        }
    });
    while let Some(append) = asked.recv().await {
        let all = Arc::clone(&all);
        tokio::spawn(async move {
            let destination = &all.list()[0];
            let mut writer = destination.writer();
            for sample in append * SAMPLES..(append + 1) * SAMPLES {
                let of_series = (sample % SAMPLES).to_string();
                let labels: [(&[u8], &[u8]); 2] =
                    [(b"__name__", b"killed"), (b"series", of_series.as_bytes())];
                let samples = [Sample {
                    value: f64::from_bits(sample),
                    timestamp_ms: system_time_ms(),
                    start_timestamp_ms: 0,
                }];
                writer.push(&Series::new(Labels::of_pairs(&labels)).with_samples(&samples));
            }
            let batches = writer.finish();
            // A sender that is answered 429 or 503 tries again.
            while destination.append(batches.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let mut out = std::io::stdout().lock();
            let told = writeln!(out, "{append}").and_then(|()| out.flush());
            // The parent reads until it is gone.
            told.ok();
        });
    }
    // The parent has nothing more to ask; what is queued is still to be sent.
    std::future::pending::<()>().await;
    Ok(())
}
