//! The bytes of a push: read within limits, decoded within limits.

use crate::app::push::refusal::Refusal;
use crate::config::file::push::PushLimits;
use crate::http::gzip;
use crate::http::gzip::DecodeError;
use crate::http::incoming;
use crate::http::incoming::Bounds;
use crate::http::incoming::ReadError;
use http::HeaderMap;
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use http::header::EXPECT;
use hyper::body::Incoming;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Whoever finds too many bytes open may try again then.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How much of a refused body is read for nothing: four times what may be sent by default.
const DISCARDED: Bounds = Bounds { bytes_max: 64 << 20, time_max: Duration::from_secs(5) };
/// Bytes that are decoded at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// Bodies of more bytes are worked on where nobody waits for the thread.
pub(super) const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Why a body is refused that takes too long.
const TOO_SLOW: &str = "body_time";

/// Bytes of bodies that are being worked on.
#[derive(Debug, Default)]
pub(super) struct OpenBytes(AtomicU64);

/// Bytes counted for one body, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    open: Arc<OpenBytes>,
    n_bytes: u64,
    max: u64,
}

impl Held {
    pub(super) fn new(open: &Arc<OpenBytes>, max: u64) -> Self {
        Self { open: Arc::clone(open), n_bytes: 0, max }
    }

    fn add(&mut self, n_bytes: usize) -> Result<(), Refusal> {
        let n_bytes = n_bytes as u64;
        self.n_bytes += n_bytes;
        let all = self.open.0.fetch_add(n_bytes, Ordering::Relaxed) + n_bytes;
        if all <= self.max {
            return Ok(());
        }
        let mut refusal =
            Refusal::later("open_bytes", "too many bytes are being pushed", RETRY_AFTER);
        refusal.status = StatusCode::SERVICE_UNAVAILABLE;
        Err(refusal)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.0.fetch_sub(self.n_bytes, Ordering::Relaxed);
    }
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    /// Framed, as the Pushgateway has it; a bare block is taken as well.
    Snappy,
    Zstd,
}

impl Encoding {
    /// What `Content-Encoding` says. What is not known is refused, not read as it is.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let (Some(value), more) = (values.next(), values.next()) else {
            return Ok(Self::Identity);
        };
        let word = value.to_str().unwrap_or_default().trim().to_ascii_lowercase();
        match (&*word, more) {
            ("" | "identity", None) => Ok(Self::Identity),
            ("gzip" | "x-gzip", None) => Ok(Self::Gzip),
            ("snappy", None) => Ok(Self::Snappy),
            ("zstd", None) => Ok(Self::Zstd),
            _ => Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encoding",
                format!("unsupported content encoding {word:?}: use gzip, snappy or zstd, or none"),
            )),
        }
    }
}

/// Read a body as it is sent.
pub(super) async fn read(
    body: &mut Incoming,
    limits: &PushLimits,
    bytes_max: u64,
    held: &mut Held,
) -> Result<Vec<u8>, Refusal> {
    let bounds = Bounds { bytes_max, time_max: limits.body_time_max };
    let read = incoming::read(body, bounds, |n_bytes| held.add(n_bytes)).await;
    read.map_err(|error| match error {
        ReadError::TooLong => {
            let line = format!("the body has more than {bytes_max} bytes, which is the limit");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_bytes", line)
        }
        ReadError::TooSlow => {
            let line = "the body did not come in time";
            Refusal::new(StatusCode::REQUEST_TIMEOUT, TOO_SLOW, line)
        }
        ReadError::Cut(why) => Refusal::bad("cut", format!("the body was cut short: {why}")),
        ReadError::NoRoom(refusal) => refusal,
    })
}

/// Read what is left of a body that is refused, unless its sender has asked first or is slow.
pub(super) async fn discard(body: &mut Incoming, headers: &HeaderMap, why: &Refusal) {
    if !headers.contains_key(EXPECT) && why.reason != TOO_SLOW {
        incoming::discard(body, DISCARDED).await;
    }
}

/// Decode a body.
pub(super) fn decode(
    encoding: Encoding,
    bytes: Vec<u8>,
    bytes_max: u64,
    held: &mut Held,
) -> Result<Vec<u8>, Refusal> {
    match encoding {
        Encoding::Identity => Ok(bytes),
        Encoding::Gzip => gunzip(&bytes, bytes_max, held),
        Encoding::Snappy if bytes.starts_with(b"\xff\x06\x00\x00sNaPpY") || bytes.is_empty() => {
            read_all(snap::read::FrameDecoder::new(&bytes[..]), "snappy", bytes_max, held)
        }
        Encoding::Snappy => unblock(&bytes, bytes_max, held),
        Encoding::Zstd => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(&bytes[..]);
            read_all(decoder.map_err(|e| corrupt("zstd", &e.to_string()))?, "zstd", bytes_max, held)
        }
    }
}

fn corrupt(encoding: &str, why: &str) -> Refusal {
    Refusal::bad("encoding", format!("the body is no {encoding}: {why}"))
}

fn too_long(bytes_max: u64) -> Refusal {
    let line = format!("the decoded body has more than {bytes_max} bytes, which is the limit");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_bytes", line)
}

fn gunzip(bytes: &[u8], bytes_max: u64, held: &mut Held) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    let mut decoder = gzip::Decoder::new();
    let done = decoder.push(bytes, |piece| {
        if (out.len() + piece.len()) as u64 > bytes_max {
            return Err(too_long(bytes_max));
        }
        held.add(piece.len())?;
        out.extend_from_slice(piece);
        Ok(())
    });
    match done.and_then(|()| decoder.finish()) {
        Ok(()) => Ok(out),
        Err(DecodeError::Sink(refusal)) => Err(refusal),
        // As Go says it.
        Err(DecodeError::Truncated) => Err(Refusal::bad("encoding", "unexpected EOF")),
        Err(DecodeError::Corrupt) => Err(Refusal::bad("encoding", "gzip: invalid header")),
    }
}

fn unblock(bytes: &[u8], bytes_max: u64, held: &mut Held) -> Result<Vec<u8>, Refusal> {
    let n_bytes =
        snap::raw::decompress_len(bytes).map_err(|e| corrupt("snappy", &e.to_string()))?;
    if n_bytes as u64 > bytes_max {
        return Err(too_long(bytes_max));
    }
    held.add(n_bytes)?;
    let decoded = snap::raw::Decoder::new().decompress_vec(bytes);
    decoded.map_err(|e| corrupt("snappy", &e.to_string()))
}

fn read_all(
    mut from: impl Read,
    encoding: &str,
    bytes_max: u64,
    held: &mut Held,
) -> Result<Vec<u8>, Refusal> {
    let (mut out, mut piece) = (Vec::new(), vec![0; PIECE_BYTES]);
    loop {
        let n_bytes = from.read(&mut piece).map_err(|e| corrupt(encoding, &e.to_string()))?;
        if n_bytes == 0 {
            return Ok(out);
        }
        if (out.len() + n_bytes) as u64 > bytes_max {
            return Err(too_long(bytes_max));
        }
        held.add(n_bytes)?;
        out.extend_from_slice(&piece[..n_bytes]);
    }
}
