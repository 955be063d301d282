//! A destination that counts each sample.

use crate::Error;
use crate::Mode;
use crate::Outcome;
use crate::senders::Request;
use crate::senders::series_of;
use ::weir::app::clock::system_time_ms;
use ::weir::wire::Decoder;
use ::weir::wire::Limits;
use ::weir::wire::Version;
use ::weir::wire::snappy::DECODED_BYTES_MAX;
use ::weir::wire::snappy::Snappy;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// How long it has to be silent for a round to be over.
const SILENCE: Duration = Duration::from_millis(700);
/// A weir that is well has sent everything long before.
const PATIENCE_MS: i64 = 60_000;

#[derive(Default)]
struct Seen {
    /// How often each sample came.
    samples: HashMap<u64, u32>,
    n_samples: u64,
    /// The highest sample of each series.
    highest: BTreeMap<(u64, u64), u64>,
    /// Samples that came for the first time after a higher one of their series.
    n_disordered: u64,
}

/// It.
pub(crate) struct Destination {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mode: AtomicUsize,
    seen: Mutex<Seen>,
}

impl Destination {
    /// Listen.
    pub(crate) fn start(mode: Mode) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Shared { mode: AtomicUsize::new(mode as usize), seen: Mutex::default() };
        let shared = Arc::new(shared);
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                thread::spawn(move || shared.serve(stream).ok());
            }
        });
        Ok(Self { address, shared })
    }

    /// Behave like this from now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.shared.mode.store(mode as usize, Ordering::Relaxed);
    }

    /// Wait until all that was acknowledged has come and nothing comes any more.
    pub(crate) fn wait(&self, requests: &[Request]) {
        let began = system_time_ms();
        let (mut n_before, mut silent) = (0, Duration::ZERO);
        let step = Duration::from_millis(50);
        while silent < SILENCE && system_time_ms() - began < PATIENCE_MS {
            thread::sleep(step);
            let seen = self.shared.seen();
            let mut acked = requests.iter().filter(|request| request.is_acked());
            let has_all = acked
                .all(|request| request.samples().all(|sample| seen.samples.contains_key(&sample)));
            silent =
                if seen.n_samples == n_before && has_all { silent + step } else { Duration::ZERO };
            n_before = seen.n_samples;
        }
    }

    /// What came, beside what was acknowledged.
    pub(crate) fn compare(&self, requests: &[Request], n_kills: u64) -> Result<Outcome, Error> {
        let seen = self.shared.seen();
        let mut outcome = Outcome { n_kills, disordered: seen.n_disordered, ..Outcome::default() };
        let mut n_expected = 0;
        for request in requests {
            let is_acked = request.is_acked();
            outcome.refused += u64::from(request.is_refused());
            for sample in request.samples() {
                let n_seen = seen.samples.get(&sample).copied().unwrap_or(0);
                outcome.acked += u64::from(is_acked);
                outcome.lost += u64::from(is_acked && n_seen == 0);
                outcome.unanswered += u64::from(!is_acked && n_seen > 0);
                outcome.duplicated += u64::from(n_seen > 1);
                n_expected += u64::from(n_seen > 0);
            }
        }
        if n_expected != seen.samples.len() as u64 {
            return Err("samples have come that nobody has sent".into());
        }
        outcome.worst = outcome.duplicated.div_ceil(n_kills);
        Ok(outcome)
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answer the requests of one connection.
    fn serve(&self, stream: TcpStream) -> Result<(), Error> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let mut nth = 0_usize;
        while let Some((version, body)) = read_request(&mut stream)? {
            nth += 1;
            let status = match self.mode.load(Ordering::Relaxed) {
                1 => {
                    thread::sleep(Duration::from_millis(100));
                    "204 No Content"
                }
                2 | 4 => return Ok(()),
                3 if nth.is_multiple_of(3) => "500 Internal Server Error",
                3 if nth % 3 == 1 => "429 Too Many Requests",
                _ => "204 No Content",
            };
            let written = if status.starts_with("204") { self.count(version, &body)? } else { 0 };
            let about = match version {
                Version::V1 => String::new(),
                Version::V2 => format!("X-Prometheus-Remote-Write-Samples-Written: {written}\r\n"),
            };
            let stream = stream.get_mut();
            write!(stream, "HTTP/1.1 {status}\r\n{about}Content-Length: 0\r\n\r\n")?;
        }
        Ok(())
    }

    fn count(&self, version: Version, body: &[u8]) -> Result<u64, Error> {
        let mut snappy = Snappy::new();
        let mut decoder = Decoder::new(Limits::default());
        let body = snappy.decompress(body, DECODED_BYTES_MAX)?;
        let mut request = decoder.open(version, body)?;
        let mut seen = self.seen();
        let mut n_samples = 0;
        while let Some(series) = request.next_series()? {
            for sample in series.samples() {
                n_samples += 1;
                seen.note(sample.value.to_bits());
            }
        }
        Ok(n_samples)
    }
}

impl Seen {
    fn note(&mut self, sample: u64) {
        self.n_samples += 1;
        let n_seen = self.samples.entry(sample).or_default();
        *n_seen += 1;
        if *n_seen == 1 {
            let highest = self.highest.entry(series_of(sample)).or_default();
            self.n_disordered += u64::from(sample < *highest);
            *highest = sample.max(*highest);
        }
    }
}

fn read_request(stream: &mut impl BufRead) -> Result<Option<(Version, Vec<u8>)>, Error> {
    let (mut line, mut n_bytes, mut version) = (String::new(), 0, Version::V1);
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            n_bytes = value.trim().parse()?;
        }
        if line.starts_with("content-type:") && line.contains("write.v2.request") {
            version = Version::V2;
        }
    }
    let mut body = vec![0; n_bytes];
    stream.read_exact(&mut body)?;
    Ok(Some((version, body)))
}
