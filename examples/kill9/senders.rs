//! Senders of remote write, which go on until they are told to end, whatever becomes of weir.

use crate::Error;
use ::weir::app::clock::system_time_ms;
use ::weir::wire::Labels;
use ::weir::wire::Sample;
use ::weir::wire::Series;
use ::weir::wire::V2Encoder;
use ::weir::wire::Version;
use ::weir::wire::put_series_v1;
use ::weir::wire::snappy::Snappy;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

/// Senders at the same time; every other one speaks 2.0.
const SENDERS: u64 = 6;
/// Samples of a request, each of a series of its own.
pub(crate) const SAMPLES: u64 = 100;
/// How long a sender waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it waits after what was not 2xx.
const PAUSE: Duration = Duration::from_millis(5);

/// Numbers of samples below this are of one sender.
const NUMBERS: u64 = 1 << 40;

/// A request that was made.
pub(crate) struct Request {
    /// The number of its first sample.
    first: u64,
    /// The status of its answer; 0 if there was none.
    status: u16,
}

impl Request {
    pub(crate) fn is_acked(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether weir could not take it at the time, as where the disk is full.
    pub(crate) fn is_refused(&self) -> bool {
        [429, 503].contains(&self.status)
    }

    /// The numbers of its samples.
    pub(crate) fn samples(&self) -> Range<u64> {
        self.first..self.first + SAMPLES
    }
}

/// Which series a sample is of.
pub(crate) fn series_of(sample: u64) -> (u64, u64) {
    (sample / NUMBERS, sample % SAMPLES)
}

struct Shared {
    address: Mutex<SocketAddr>,
    is_ended: AtomicBool,
}

/// They.
pub(crate) struct Senders {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<Request>>>,
}

impl Senders {
    /// Begin to push.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let shared = Shared { address: Mutex::new(address), is_ended: AtomicBool::new(false) };
        let shared = Arc::new(shared);
        let start = |sender| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || Sender::new(sender).run(&shared))
        };
        Self { threads: (0..SENDERS).map(start).collect(), shared }
    }

    /// weir is somewhere else now.
    pub(crate) fn go_to(&self, address: SocketAddr) {
        *self.shared.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Stop, each after one more request that was acknowledged; all that were made.
    pub(crate) fn end(self) -> Result<Vec<Request>, Error> {
        self.shared.is_ended.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for thread in self.threads {
            all.extend(thread.join().map_err(|_| "a sender panicked")?);
        }
        Ok(all)
    }
}

struct Sender {
    number: u64,
    version: Version,
    snappy: Snappy,
    v2: V2Encoder,
    body: Vec<u8>,
}

impl Sender {
    fn new(number: u64) -> Self {
        let version = if number.is_multiple_of(2) { Version::V1 } else { Version::V2 };
        let (snappy, v2) = (Snappy::new(), V2Encoder::new());
        Self { number, version, snappy, v2, body: Vec::new() }
    }

    fn run(mut self, shared: &Shared) -> Vec<Request> {
        let mut made = Vec::new();
        let mut connection = None;
        let began = system_time_ms();
        for nth in 0.. {
            let first = self.number * NUMBERS + nth * SAMPLES;
            self.encode(first);
            // What the answer is, if there is any, is all that counts.
            let status = self.send(&mut connection, shared).unwrap_or(0);
            let request = Request { first, status };
            let is_acked = request.is_acked();
            made.push(request);
            let is_late = i128::from(system_time_ms() - began) > PATIENCE.as_millis().cast_signed();
            if shared.is_ended.load(Ordering::Relaxed) && (is_acked || is_late) {
                break;
            }
            if !is_acked {
                connection = connection.filter(|_| status > 0);
                thread::sleep(PAUSE);
            }
        }
        made
    }

    fn encode(&mut self, first: u64) {
        let mut message = Vec::new();
        let (sender, timestamp_ms) = (self.number.to_string(), system_time_ms());
        for nth in 0..SAMPLES {
            let series = nth.to_string();
            let labels: [(&[u8], &[u8]); 3] = [
                (b"__name__", b"killed"),
                (b"sender", sender.as_bytes()),
                (b"series", series.as_bytes()),
            ];
            let value = f64::from_bits(first + nth);
            let samples = [Sample { value, timestamp_ms, start_timestamp_ms: 0 }];
            let series = Series::new(Labels::of_pairs(&labels)).with_samples(&samples);
            match self.version {
                Version::V1 => drop(put_series_v1(&mut message, &series)),
                Version::V2 => drop(self.v2.push(&series)),
            }
        }
        if self.version == Version::V2 {
            self.v2.finish(&mut message);
        }
        self.snappy.compress(&message, &mut self.body).expect("it is short");
    }

    /// Send the body; the status of the answer.
    fn send(
        &self,
        connection: &mut Option<BufReader<TcpStream>>,
        shared: &Shared,
    ) -> io::Result<u16> {
        let address = *shared.address.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |stream: &BufReader<TcpStream>| {
            stream.get_ref().peer_addr().is_ok_and(|peer| peer == address)
        };
        let mut stream = if let Some(stream) = connection.take().filter(is_there) {
            stream
        } else {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            BufReader::new(stream)
        };
        let content = match self.version {
            Version::V1 => "application/x-protobuf",
            Version::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        };
        let mut request = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: weir\r\nContent-Type: {content}\r\n\
             Content-Encoding: snappy\r\nContent-Length: {}\r\n\r\n",
            self.body.len()
        )
        .into_bytes();
        request.extend_from_slice(&self.body);
        stream.get_mut().write_all(&request)?;
        let status = read_answer(&mut stream)?;
        *connection = Some(stream);
        Ok(status)
    }
}

fn read_answer(stream: &mut impl BufRead) -> io::Result<u16> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status =
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(invalid)?;
    let mut n_bytes = 0;
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(invalid());
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            n_bytes = value.trim().parse().map_err(|_| invalid())?;
        }
    }
    io::copy(&mut stream.take(n_bytes), &mut io::sink())?;
    Ok(status)
}
