//! What sending costs: CPU seconds for each million samples, 2,000 series of 10 labels a message,
//! from an append to the answer of the destination, with plain snappy of the same bytes beside it.
//!
//! All threads of the process count but those of the destination. The queue is on the disk of the
//! temporary directory, and every append waits for it.

use std::hint::black_box;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use weir::app::clock::system_time_ms;
use weir::http::Url;
use weir::http::proxy::ProxyRules;
use weir::remote_write::Batch;
use weir::remote_write::Counts;
use weir::remote_write::Destinations;
use weir::remote_write::Settings;
use weir::remote_write::Surroundings;
use weir::wire::Labels;
use weir::wire::Sample;
use weir::wire::Series;
use weir::wire::V2Encoder;
use weir::wire::Version;
use weir::wire::put_series_v1;
use weir::wire::snappy::DECODED_BYTES_MAX;
use weir::wire::snappy::Snappy;

const SERIES: u32 = 2000;
const LABELS: u32 = 10;
/// A million samples.
const MESSAGES: usize = 500;
/// Senders at the same time.
const SENDERS: usize = 8;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut out = std::io::stdout();
    let mut say = |line: String| writeln!(out, "{line}").expect("stdout");
    say("| | s of CPU per million samples | × plain snappy | append p50 | p99 |".into());
    say("|---|---|---|---|---|".into());
    for (version, name) in [(Version::V1, "1.0"), (Version::V2, "2.0")] {
        let body = body(version);
        let plain = plain_snappy(&body);
        say(format!("| {name}: plain snappy, decode and encode | {plain:.3} | 1.0 | | |"));
        for (n_shards, what) in [(1, "as it came"), (4, "spread over 4 requests")] {
            let Run { cpu, p50, p99 } = run(version, n_shards, &body).await;
            let times = cpu / plain;
            say(format!(
                "| {name}: queue and send, {what} | {cpu:.3} | {times:.1} | {p50:.1?} | {p99:.1?} |"
            ));
        }
    }
}

struct Run {
    cpu: f64,
    p50: Duration,
    p99: Duration,
}

async fn run(version: Version, n_shards: usize, body: &[u8]) -> Run {
    let dir = tempfile::tempdir().expect("a directory");
    let destination = Destination::start();
    let mut settings = Settings { version, ..Settings::new(destination.url.clone()) };
    settings.queue.shards_min = n_shards;
    settings.queue.batch_send_deadline = Duration::from_millis(50);
    let surroundings = Surroundings {
        data_dir: dir.path().to_owned(),
        proxies: ProxyRules::default(),
        now_ms: system_time_ms,
        random: || 1,
    };
    let all = Destinations::start(vec![settings], surroundings).await.expect("it starts");
    let counts = Counts { n_series: SERIES, n_samples: SERIES, ..Counts::default() };
    let batch = Batch::whole(version, counts, body.to_vec().into());
    assert!(all.list()[0].takes_whole(version, &counts), "it goes through as it is");
    let began = cpu_of_process().saturating_sub(destination.cpu());
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..SENDERS {
        let (all, batch) = (Arc::clone(&all), batch.clone());
        senders.spawn(async move {
            let mut took = Vec::new();
            for _ in 0..MESSAGES / SENDERS {
                let began = tokio::time::Instant::now();
                all.list()[0].append(vec![batch.clone()]).await.expect("there is room");
                took.push(began.elapsed());
            }
            took
        });
    }
    let mut took = Vec::new();
    while let Some(of_one) = senders.join_next().await {
        took.extend(of_one.expect("it ends"));
    }
    let n_samples = took.len() as u64 * u64::from(SERIES);
    while all.status()[0].n_sent < n_samples {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let cpu = cpu_of_process().saturating_sub(destination.cpu() + began);
    // Only now: the time of threads that have ended does not count.
    all.drain(Duration::from_mins(1)).await;
    took.sort();
    let at = |share: usize| took[took.len() * share / 100];
    let millions = f64::from(u32::try_from(n_samples).expect("few")) / 1e6;
    Run { cpu: cpu.as_secs_f64() / millions, p50: at(50), p99: at(99) }
}

fn body(version: Version) -> Vec<u8> {
    let (mut message, mut v2) = (Vec::new(), V2Encoder::new());
    for series in 0..SERIES {
        let labels: Vec<(Vec<u8>, Vec<u8>)> = (0..LABELS)
            .map(|at| match at {
                0 => (b"__name__".to_vec(), format!("metric_{}_total", series % 40).into_bytes()),
                9 => (b"pod".to_vec(), format!("web-7d4b9c-{series:05}").into_bytes()),
                _ => (
                    format!("label_{at}").into_bytes(),
                    format!("value-{}", series % (at * 7)).into_bytes(),
                ),
            })
            .collect();
        let pairs: Vec<(&[u8], &[u8])> = labels.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        let samples = [Sample {
            value: f64::from(series) * 1.5,
            timestamp_ms: 1_700_000_000_000,
            start_timestamp_ms: 0,
        }];
        let series = Series::new(Labels::of_pairs(&pairs)).with_samples(&samples);
        match version {
            Version::V1 => drop(put_series_v1(&mut message, &series)),
            Version::V2 => drop(v2.push(&series)),
        }
    }
    if version == Version::V2 {
        v2.finish(&mut message);
    }
    let mut body = Vec::new();
    Snappy::new().compress(&message, &mut body).expect("it is short");
    body
}

/// CPU seconds for each million samples.
fn plain_snappy(body: &[u8]) -> f64 {
    let (mut snappy, mut again) = (Snappy::new(), Snappy::new());
    let mut out = Vec::new();
    let began = cpu_of_thread("/proc/thread-self/schedstat");
    for _ in 0..MESSAGES {
        let decoded = snappy.decompress(black_box(body), DECODED_BYTES_MAX).expect("it is whole");
        again.compress(decoded, &mut out).expect("it is short");
        black_box(&out);
    }
    let took = cpu_of_thread("/proc/thread-self/schedstat").saturating_sub(began);
    took.as_secs_f64() * 1e6 / (500.0 * f64::from(SERIES))
}

fn cpu_of_thread(path: &str) -> Duration {
    // A thread may have ended a moment ago.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

/// CPU time of all threads there are.
fn cpu_of_process() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("needs Linux");
    tasks.flatten().map(|t| cpu_of_thread(&t.path().join("schedstat").display().to_string())).sum()
}

/// Answers 204 and counts the CPU time it takes itself.
struct Destination {
    url: Url,
    nanos: Arc<AtomicU64>,
}

impl Destination {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let nanos = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&nanos);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || serve(stream, &counted));
            }
        });
        Self { url: Url::parse(&format!("http://{address}/write")).expect("a URL"), nanos }
    }

    fn cpu(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

fn serve(mut stream: TcpStream, counted: &AtomicU64) {
    stream.set_nodelay(true).ok();
    let mut buffer = vec![0; 1 << 20];
    let mut before = Duration::ZERO;
    loop {
        let (mut n, mut wanted) = (0, usize::MAX);
        while n < wanted {
            match stream.read(&mut buffer[n..]) {
                Ok(read) if read > 0 => n += read,
                _ => return,
            }
            if wanted == usize::MAX
                && let Some(end) = buffer[..n].windows(4).position(|w| w == b"\r\n\r\n")
            {
                let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
                wanted = end + 4 + length.and_then(|l| l.parse::<usize>().ok()).unwrap_or(0);
            }
        }
        let written =
            b"HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: 2000\r\n\r\n";
        let now = cpu_of_thread("/proc/thread-self/schedstat");
        let spent = u64::try_from(now.saturating_sub(before).as_nanos()).unwrap_or(0);
        counted.fetch_add(spent, Ordering::Relaxed);
        before = now;
        if stream.write_all(written).is_err() {
            return;
        }
    }
}
