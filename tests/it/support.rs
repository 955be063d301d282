//! Fake targets, a plain client, and a gate that runs inside the test.
//!
//! Targets and client are blocking code on threads of their own: what they do does not depend on
//! the runtime under test.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weir::app::gate;
use weir::app::options::Options;
use weir::http::server::Drain;

/// Long enough for anything that is going to happen at all, on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server that answers as its script says.
pub(crate) struct FakeTarget {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// What a fake target has seen so far.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Request heads, in order.
    pub(crate) heads: Vec<String>,
    pub(crate) n_connections: usize,
    /// Requests being answered now, and the most there were at a time.
    pub(crate) n_active: usize,
    pub(crate) n_active_max: usize,
    /// Clients that went away while [`Peer::hang`] waited for it.
    pub(crate) n_gone: usize,
}

/// One request to a fake target, to be answered.
pub(crate) struct Peer {
    stream: TcpStream,
    /// Which request to this target it is, from 0.
    pub(crate) nth: usize,
    /// Request line and headers.
    pub(crate) head: String,
    shared: Arc<Shared>,
    is_over: bool,
}

impl FakeTarget {
    /// Start a server. The script answers each request; requests on one connection come in order.
    pub(crate) fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (script, for_threads) = (Arc::new(script), Arc::clone(&shared));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, shared) = (Arc::clone(&script), Arc::clone(&for_threads));
                shared.update(|seen| seen.n_connections += 1);
                std::thread::spawn(move || serve(stream.unwrap(), &*script, &shared));
            }
        });
        Self { address, shared }
    }

    /// A server that always answers 200 with this text.
    pub(crate) fn text(body: &'static str) -> Self {
        Self::start(move |peer| peer.ok(body))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Wait until what was seen satisfies `condition`.
    #[track_caller]
    pub(crate) fn wait_until(&self, condition: impl Fn(&Seen) -> bool) {
        let seen = self.shared.seen.lock().unwrap();
        let wait = self.shared.changed.wait_timeout_while(seen, PATIENCE, |seen| !condition(seen));
        assert!(!wait.unwrap().1.timed_out(), "the target has not seen what it should");
    }
}

impl Shared {
    fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }
}

fn serve(mut stream: TcpStream, script: &(impl Fn(&mut Peer) + ?Sized), shared: &Arc<Shared>) {
    while let Some(head) = read_head(&mut stream) {
        let mut nth = 0;
        shared.update(|seen| {
            nth = seen.heads.len();
            seen.heads.push(head.clone());
            seen.n_active += 1;
            seen.n_active_max = seen.n_active_max.max(seen.n_active);
        });
        let stream = stream.try_clone().unwrap();
        let mut peer = Peer { stream, nth, head, shared: Arc::clone(shared), is_over: false };
        script(&mut peer);
        shared.update(|seen| seen.n_active -= 1);
        if peer.is_over {
            return;
        }
    }
}

/// Read up to the empty line; `None` if the connection ends before it.
fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}

impl Peer {
    /// The value of a header of the request.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Read the body of the request, as long as it says it is.
    pub(crate) fn body(&mut self) -> Vec<u8> {
        let n_bytes = self.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; n_bytes];
        match self.stream.read_exact(&mut body) {
            Ok(()) => body,
            Err(_) => Vec::new(),
        }
    }

    /// Send bytes as they are. That the client may have gone is no error.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        match self.stream.write_all(bytes.as_ref()) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(e) => panic!("{e}"),
        }
    }

    /// Answer 200 with a whole text body.
    pub(crate) fn ok(&mut self, body: impl AsRef<[u8]>) {
        self.answer("200 OK", "Content-Type: text/plain; version=0.0.4\r\n", body);
    }

    /// Answer with a status, header lines and a whole body.
    pub(crate) fn answer(&mut self, status: &str, headers: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat());
    }

    /// Begin a chunked answer.
    pub(crate) fn start_chunks(&mut self) {
        self.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
    }

    /// Send one chunk; the empty one ends the body.
    pub(crate) fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let size = format!("{:x}\r\n", bytes.len());
        self.send([size.as_bytes(), bytes, b"\r\n"].concat());
    }

    /// Close the connection as one does who is finished.
    pub(crate) fn close(&mut self) {
        drop(self.stream.shutdown(Shutdown::Both));
        self.is_over = true;
    }

    /// Break the connection off: once the script returns, the client gets a reset.
    pub(crate) fn reset(&mut self) {
        let socket = tokio::net::TcpSocket::from_std_stream(self.stream.try_clone().unwrap());
        socket.set_zero_linger().unwrap();
        self.is_over = true;
    }

    /// Say nothing more until the client goes away.
    pub(crate) fn hang(&mut self) {
        let mut rest = [0; 1024];
        while matches!(self.stream.read(&mut rest), Ok(n) if n > 0) {}
        self.shared.update(|seen| seen.n_gone += 1);
    }
}

pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// An answer to [`get`].
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// GET a path and read the whole answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    request(address, "GET", path, "")
}

/// Send a request with more header lines, and read the whole answer.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, headers: &str) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    read_reply(&mut stream)
}

/// Read an answer up to the end of the connection.
#[track_caller]
pub(crate) fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    parse_reply(&bytes).expect("a whole head")
}

/// Take an answer apart; `None` if its head is not whole.
#[track_caller]
pub(crate) fn parse_reply(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if header(&head, "transfer-encoding") == Some("chunked") {
        dechunk(&bytes[end..])
    } else {
        bytes[end..].to_vec()
    };
    Some(Reply { status, head, body })
}

/// Undo chunking; a missing last chunk is a failed test.
#[track_caller]
fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let line_end = bytes.windows(2).position(|w| w == b"\r\n").expect("a whole chunk");
        let size = std::str::from_utf8(&bytes[..line_end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        bytes = &bytes[line_end + 2..];
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&bytes[..size]);
        bytes = &bytes[size + 2..];
    }
}

/// A runtime as `main` makes it.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What weir's wall clock shows in tests.
pub(crate) const NOW_MS: i64 = 1_700_000_000_123;

/// A gate that runs inside the test.
pub(crate) struct TestGate {
    pub(crate) address: SocketAddr,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Drain>,
}

impl TestGate {
    /// A gate in front of `upstream` with these rules.
    pub(crate) fn new(upstream: &str, rules: &str) -> Self {
        Self::start(&Options {
            upstreams: vec![upstream.to_owned()],
            relabel: rules.to_owned(),
            ..Options::default()
        })
    }

    /// A gate with any options; it listens on a port of its own.
    pub(crate) fn start(options: &Options) -> Self {
        let mut config = options.load().unwrap();
        config.clock = || NOW_MS;
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let ended = runtime.spawn(gate::run(config, listener, shutdown));
        Self { address, runtime, stop: Some(stop), ended }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        get(self.address, path)
    }

    /// Ask with more header lines.
    pub(crate) fn ask(&self, path: &str, headers: &str) -> Reply {
        request(self.address, "GET", path, headers)
    }

    /// A value among weir's own metrics, as it is written; empty for a series that is not there.
    pub(crate) fn own_metric(&self, series: &str) -> String {
        let reply = self.get("/-/metrics");
        let mut lines = reply.text().lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_default().to_owned()
    }

    /// Wait until one of weir's own metrics has a value.
    #[track_caller]
    pub(crate) fn wait_for_metric(&self, series: &str, value: &str) {
        for _ in 0..1000 {
            if self.own_metric(series) == value {
                return;
            }
            std::thread::yield_now();
        }
        panic!("{series} is {}, not {value}", self.own_metric(series));
    }

    /// Ask the gate to stop, and do not wait.
    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Wait until the gate has stopped.
    pub(crate) fn stop(mut self) -> Drain {
        self.begin_stop();
        self.runtime.block_on(&mut self.ended).unwrap()
    }
}
