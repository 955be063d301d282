//! A destination that keeps what it gets, a receiver in front of it, and a client that speaks bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use weir::app::receive::destination::{AppendError, Destination};
use weir::app::receive::{Receiver, ReceiverConfig};
use weir::config::file::receive::ReceiveSettings;
use weir::http::server::{ServerLimits, no_tls, serve};
use weir::intake::{Counts, SeriesWriter as _};
use weir::relabel::Rules;
use weir::telemetry::Metrics;
use weir::wire::Version;
use weir::wire::snappy::Snappy;

use super::message_writer::MessageWriter;
use crate::servers::eventually;
use crate::support::{NOW_MS, PATIENCE, runtime};
use crate::wire::owned::{OwnedMessage, OwnedSeries};

/// Keeps what it gets, or refuses it.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) version: Version,
    pub(crate) rules: Rules,
    pub(crate) takes_whole: bool,
    kept: Mutex<Vec<(Version, Vec<u8>)>>,
    /// What appending fails with.
    pub(crate) fails: Mutex<Option<AppendError>>,
    name: String,
}

impl Keeper {
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version,
            rules: Rules::default(),
            takes_whole: true,
            kept: Mutex::default(),
            fails: Mutex::default(),
            name: "keeper".to_owned(),
        }
    }

    pub(crate) fn kept(&self) -> Vec<(Version, Vec<u8>)> {
        self.kept.lock().unwrap().clone()
    }

    /// All series it got so far.
    pub(crate) fn series(&self) -> Vec<OwnedSeries> {
        let decode = |(version, body): (Version, Vec<u8>)| {
            OwnedMessage::decode(version, &body).unwrap().series
        };
        self.kept().into_iter().flat_map(decode).collect()
    }

    /// Wait until what it has satisfies a condition.
    #[track_caller]
    pub(crate) fn wait_until(&self, condition: impl Fn(&[OwnedSeries]) -> bool) {
        eventually("the destination has what it should", || {
            condition(&self.series()).then_some(())
        });
    }
}

impl Destination for Keeper {
    type Writer = MessageWriter;
    type Batches = (Version, Vec<u8>);

    fn name(&self) -> &str {
        &self.name
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn writer(&self) -> MessageWriter {
        MessageWriter::new(self.version, self.takes_whole)
    }

    fn finish(&self, writer: &mut MessageWriter) -> Option<Self::Batches> {
        Some((self.version, writer.take()?))
    }

    fn whole(&self, version: Version, _: &Counts, body: Bytes) -> Self::Batches {
        let decoded = Snappy::new().decompress(&body, usize::MAX).unwrap().to_vec();
        (version, decoded)
    }

    async fn append(&self, batches: Self::Batches) -> Result<(), AppendError> {
        if let Some(error) = &*self.fails.lock().unwrap() {
            return Err(error.clone());
        }
        self.kept.lock().unwrap().push(batches);
        Ok(())
    }
}

/// A receiver that listens, inside the test.
pub(crate) struct TestReceiver {
    pub(crate) address: SocketAddr,
    pub(crate) keepers: Vec<Arc<Keeper>>,
    pub(crate) receiver: Arc<Receiver<Keeper>>,
    pub(crate) metrics: Arc<Metrics>,
    _runtime: Runtime,
    _stop: oneshot::Sender<()>,
}

impl TestReceiver {
    /// In front of one destination that is sent this version.
    pub(crate) fn new(version: Version) -> Self {
        Self::start(ReceiveSettings::default(), Rules::default(), vec![Keeper::new(version)])
    }

    pub(crate) fn start(settings: ReceiveSettings, rules: Rules, keepers: Vec<Keeper>) -> Self {
        let keepers: Vec<_> = keepers.into_iter().map(Arc::new).collect();
        let config = config(settings, rules, &keepers);
        let metrics = Arc::new(Metrics::new());
        let receiver = Arc::new(Receiver::new(config, None, metrics.receive.clone()));
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ServerLimits {
            connections_max: 64,
            queue_max: 0,
            queue_time_max: Duration::ZERO,
            header_time_max: PATIENCE,
            stall_time_max: PATIENCE,
            drain_time_max: Duration::ZERO,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&receiver);
        let handler = move |request| {
            let receiver = Arc::clone(&serving);
            async move { receiver.handle(request).await }
        };
        let shutdown = async { drop(stopped.await) };
        runtime.spawn(serve(listener, limits, no_tls, handler, |_| (), shutdown));
        Self { address, keepers, receiver, metrics, _runtime: runtime, _stop: stop }
    }

    pub(crate) fn keeper(&self) -> &Keeper {
        &self.keepers[0]
    }

    /// Send a message as its version is sent.
    pub(crate) fn send(&self, version: Version, message: &[u8]) -> Reply {
        self.post(content_type(version), "snappy", &compress(message))
    }

    /// Send a body as it is.
    pub(crate) fn post(&self, content_type: &str, encoding: &str, body: &[u8]) -> Reply {
        let n_bytes = body.len();
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
             Content-Type: {content_type}\r\nContent-Encoding: {encoding}\r\n\
             Content-Length: {n_bytes}\r\n\r\n"
        );
        self.raw(&[head.as_bytes(), body].concat())
    }

    /// Send bytes, and read the answer to its end.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Reply {
        exchange(TcpStream::connect(self.address).unwrap(), bytes)
    }

    /// A value among the metrics, as it is written.
    pub(crate) fn metric(&self, series: &str) -> String {
        let text = self.metrics.encode();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_default().to_owned()
    }
}

pub(crate) fn config(
    settings: ReceiveSettings,
    rules: Rules,
    keepers: &[Arc<Keeper>],
) -> ReceiverConfig<Keeper> {
    ReceiverConfig {
        settings,
        destinations: keepers.to_vec(),
        rules,
        streams: Vec::new(),
        clock: || NOW_MS,
        random: weir::app::options::random_word,
    }
}

/// Send bytes, and read the answer to its end.
fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Reply {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that has answered need not read the rest.
    stream.write_all(bytes).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    Reply::parse(&answer)
}

/// Send series to a weir of its own process, with more headers.
pub(crate) fn push(
    address: SocketAddr,
    version: Version,
    series: &[OwnedSeries],
    headers: &str,
) -> Reply {
    let stream = TcpStream::connect(address).unwrap();
    exchange(stream, &request_of(version, series, headers))
}

/// A request with series, as bytes.
pub(crate) fn request_of(version: Version, series: &[OwnedSeries], headers: &str) -> Vec<u8> {
    let mut writer = MessageWriter::new(version, false);
    for one in series {
        one.borrow(|series| writer.push(series));
    }
    let body = compress(&writer.take().unwrap());
    let (content_type, n_bytes) = (content_type(version), body.len());
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\nContent-Encoding: snappy\r\n{headers}\
         Content-Length: {n_bytes}\r\n\r\n"
    );
    [head.as_bytes(), &body].concat()
}

pub(crate) fn content_type(version: Version) -> &'static str {
    match version {
        Version::V1 => "application/x-protobuf",
        Version::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    }
}

pub(crate) fn compress(message: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    Snappy::new().compress(message, &mut compressed).unwrap();
    compressed
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    #[track_caller]
    fn parse(answer: &[u8]) -> Self {
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Samples, histograms and exemplars that are said to be written; missing is 0.
    pub(crate) fn written(&self) -> [u64; 3] {
        ["samples", "histograms", "exemplars"].map(|what| {
            let header = self.header(&format!("x-prometheus-remote-write-{what}-written"));
            header.map_or(0, |value| value.parse().unwrap())
        })
    }
}
