//! Senders of remote write, and a destination that takes everything and looks at nothing.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use weir::app::clock::system_time_ms;
use weir::wire::Labels;
use weir::wire::Sample;
use weir::wire::Series;
use weir::wire::V2Encoder;
use weir::wire::Version;
use weir::wire::put_series_v1;
use weir::wire::snappy::Snappy;

/// Series of a request.
pub(crate) const SERIES: u32 = 2000;

/// How bodies are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Snappiness {
    /// As every sender does.
    Real,
    /// In name only.
    Literal,
}

/// Requests, one after the other, with each series in turn.
pub(crate) struct Load {
    version: Version,
    snappiness: Snappiness,
    /// Requests until each series was there.
    n_requests: u32,
    nth: u32,
    v2: V2Encoder,
    snappy: Snappy,
    message: Vec<u8>,
}

type LabelPairs = Vec<(Box<[u8]>, Box<[u8]>)>;

impl Load {
    pub(crate) fn new(version: Version, snappiness: Snappiness, n_series: u32) -> Self {
        let (v2, snappy) = (V2Encoder::new(), Snappy::new());
        let n_requests = n_series / SERIES;
        Self { version, snappiness, n_requests, nth: 0, v2, snappy, message: Vec::new() }
    }

    /// Requests until each series was there.
    pub(crate) fn n_requests(&self) -> u32 {
        self.n_requests
    }

    /// Make the next body.
    pub(crate) fn next(&mut self, body: &mut Vec<u8>) {
        let first = self.nth % self.n_requests * SERIES;
        self.nth += 1;
        self.message.clear();
        let timestamp_ms = system_time_ms();
        let value = f64::from(self.nth);
        for nth in first..first + SERIES {
            let labels = labels(nth);
            let pairs: Vec<(&[u8], &[u8])> = labels.iter().map(|(n, v)| (&**n, &**v)).collect();
            let value = value * f64::from(nth % 7 + 1) + f64::from(nth);
            let samples = [Sample { value, timestamp_ms, start_timestamp_ms: 0 }];
            let series = Series::new(Labels::of_pairs(&pairs)).with_samples(&samples);
            match self.version {
                Version::V1 => drop(put_series_v1(&mut self.message, &series)),
                Version::V2 => drop(self.v2.push(&series)),
            }
        }
        if self.version == Version::V2 {
            self.v2.finish(&mut self.message);
        }
        match self.snappiness {
            Snappiness::Real => self.snappy.compress(&self.message, body).expect("it is short"),
            Snappiness::Literal => literal(&self.message, body),
        }
    }
}

/// The labels of a series, sorted: 10, two of which tell it from others of its group.
fn labels(nth: u32) -> LabelPairs {
    let of = |name: &str, value: String| (name.as_bytes().into(), value.into_bytes().into());
    let group = nth / 50;
    let [_, a, b, c] = nth.to_be_bytes();
    let mut labels = vec![
        of("__name__", format!("metric_{}_total", group % 40)),
        of("instance", format!("10.{a}.{b}.{c}:9090")),
        of("job", format!("job-{}", group % 13)),
    ];
    labels
        .extend((3..8).map(|at| of(&format!("label_{at}"), format!("value-{}", group % (at * 7)))));
    labels.push(of("namespace", format!("team-{group}")));
    labels.push(of("pod", format!("web-7d4b9c-{nth:07}")));
    labels
}

/// Snappy that copies everything.
fn literal(message: &[u8], body: &mut Vec<u8>) {
    body.clear();
    let mut n = message.len();
    while n >= 0x80 {
        body.push(u8::try_from(n & 0x7f).expect("seven bits") | 0x80);
        n >>= 7;
    }
    body.push(u8::try_from(n).expect("seven bits"));
    // A literal whose length takes three bytes.
    body.push(62 << 2);
    let length = u32::try_from(message.len() - 1).expect("short").to_le_bytes();
    body.extend_from_slice(&length[..3]);
    body.extend_from_slice(message);
}

/// A connection to weir.
pub(crate) struct Sender {
    stream: BufReader<TcpStream>,
    head: String,
    request: Vec<u8>,
}

impl Sender {
    pub(crate) fn new(address: &str, version: Version) -> Self {
        let stream = TcpStream::connect(address).expect("weir listens");
        stream.set_nodelay(true).expect("it is a socket");
        let content = match version {
            Version::V1 => "application/x-protobuf",
            Version::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        };
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: weir\r\nContent-Type: {content}\r\n\
             Content-Encoding: snappy\r\nContent-Length: "
        );
        Self { stream: BufReader::new(stream), head, request: Vec::new() }
    }

    /// Send a body, and wait until it is acknowledged.
    pub(crate) fn send(&mut self, body: &[u8]) {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        self.request.extend_from_slice(format!("{}\r\n\r\n", body.len()).as_bytes());
        self.request.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.request).expect("weir reads");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("weir answers");
        assert!(line.starts_with("HTTP/1.1 204"), "{line}");
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).expect("a whole head");
        }
    }
}

/// The body of `GET path`.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("weir listens");
    let head = format!("GET {path} HTTP/1.0\r\nHost: weir\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("weir reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("weir answers");
    answer
}

/// Takes everything.
pub(crate) struct Sink {
    pub(crate) address: String,
    n_requests: Arc<AtomicU64>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let n_requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&n_requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || take(stream, &counted));
            }
        });
        Self { address, n_requests }
    }

    pub(crate) fn n_requests(&self) -> u64 {
        self.n_requests.load(Ordering::Relaxed)
    }
}

/// Answer all requests of a connection; its end is the peer's affair.
fn take(stream: TcpStream, counted: &AtomicU64) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let mut body = Vec::new();
    loop {
        let mut n_bytes = 0;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(length) = lower.strip_prefix("content-length:") {
                n_bytes = length.trim().parse().ok()?;
            }
        }
        body.resize(n_bytes, 0);
        stream.read_exact(&mut body).ok()?;
        counted.fetch_add(1, Ordering::Relaxed);
        let answer =
            "HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: 2000\r\n\r\n";
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}
