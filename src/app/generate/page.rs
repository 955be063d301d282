//! Pages as answers: streamed a piece at a time, in gzip if asked for, and with faults on demand.

use crate::config::generate::parse_duration_ms;
use crate::config::generate::write_duration_ms;
use crate::generate::generator::Generator;
use crate::http::Body;
use crate::http::gzip;
use crate::http::negotiate;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header::ACCEPT;
use http::header::ACCEPT_ENCODING;
use http::header::CONTENT_ENCODING;
use http::header::CONTENT_LENGTH;
use http::header::CONTENT_TYPE;
use http::header::HeaderName;
use http_body::Frame;
use serde_json::Value;
use serde_json::json;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;
use tokio::time::Sleep;
use tokio::time::sleep;

/// Text is made in pieces of about this size: small enough to stay in the cache, and to cost a
/// worker thread well below a millisecond.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that may go into one piece of gzip.
const PIECES_PER_GZIP_PIECE: usize = 4;
/// How long what was sent before a cut has to reach the socket.
const CUT_PAUSE: Duration = Duration::from_millis(20);
/// The longest an answer is held back.
const LATENCY_MAX: Duration = Duration::from_mins(10);

/// What is wrong with an answer, on demand.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Fault {
    /// How long the answer is held back.
    pub latency: Duration,
    /// A status in place of 200; the answer has no page.
    pub status: Option<StatusCode>,
    /// After so many bytes the connection is cut.
    pub cut: Option<u64>,
    /// By how many bytes more than there are the answer announces.
    pub excess_length: Option<u64>,
}

impl Fault {
    /// Every name a fault is asked for by.
    pub const NAMES: [&str; 4] = ["latency", "status", "cut", "excess_length"];

    /// Set one of the faults.
    ///
    /// # Errors
    ///
    /// No such fault, or a value it cannot have.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = || {
            let number = value.parse::<u64>();
            number.map_err(|_| format!("{name}: {value:?} is not a whole number of at least 0"))
        };
        match name {
            "latency" => {
                let ms = parse_duration_ms(value).and_then(|ms| u64::try_from(ms).ok());
                let latency = ms.map(Duration::from_millis);
                self.latency =
                    latency.filter(|latency| *latency <= LATENCY_MAX).ok_or_else(|| {
                        format!("latency: {value:?} is not a duration such as 2s, at most 10m")
                    })?;
            }
            "status" => {
                let status = value.parse::<u16>().ok().filter(|code| (400..600).contains(code));
                let status = status.and_then(|code| StatusCode::from_u16(code).ok());
                self.status =
                    Some(status.ok_or_else(|| {
                        format!("status: {value:?} is not a number from 400 to 599")
                    })?);
            }
            "cut" => self.cut = Some(number()?),
            "excess_length" => self.excess_length = Some(number()?),
            _ => {
                return Err(format!(
                    "there is no fault {name:?}, use one of {}",
                    Self::NAMES.join(", ")
                ));
            }
        }
        Ok(())
    }

    /// The fault with those of a query over it. Other parameters are not asked about.
    ///
    /// # Errors
    ///
    /// A value a fault cannot have.
    pub fn with_query(mut self, query: &str) -> Result<Self, String> {
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if Self::NAMES.contains(&name) {
                self.set(name, value)?;
            }
        }
        Ok(self)
    }

    /// As the live interface shows it.
    pub fn to_json(self) -> Value {
        let latency = i64::try_from(self.latency.as_millis()).unwrap_or(i64::MAX);
        json!({
            "latency": write_duration_ms(latency),
            "status": self.status.map(|status| status.as_u16()),
            "cut": self.cut,
            "excess_length": self.excess_length,
        })
    }
}

/// Answer with the page of an instant, in what the asker accepts.
pub fn answer(
    generator: &Generator,
    target: u32,
    time_ms: i64,
    asked: &HeaderMap,
    fault: &Fault,
) -> Response<Body> {
    let offer = negotiate::offer(&joined(asked, &ACCEPT));
    let is_gzip = negotiate::wants_gzip(&joined(asked, &ACCEPT_ENCODING));
    let pieces = || Pieces::new(generator, target, time_ms, offer.format, is_gzip);
    let body = pieces().into_body();
    let mut response = Response::new(match (fault.cut, fault.excess_length) {
        (None, None | Some(0)) => body,
        // An announced length that is too large cuts the answer at its end.
        (n_bytes, _) => {
            Body::stream(Cut { inner: body, n_left: n_bytes.unwrap_or(u64::MAX), pause: None })
        }
    });
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&offer.content_type()) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(excess) = fault.excess_length {
        // Made twice rather than kept: a page may be larger than memory.
        let mut pieces = pieces();
        let mut n_bytes = 0_u64;
        while let Some(piece) = pieces.next() {
            n_bytes += piece.len() as u64;
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(n_bytes.saturating_add(excess)));
    }
    response
}

/// What the headers of [`answer`] would be.
pub fn head(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let content_type = negotiate::offer(&joined(asked, &ACCEPT)).content_type();
    if let Ok(content_type) = HeaderValue::from_str(&content_type) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// All values of a header; several lines mean the same as one with commas (RFC 9110, 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// Makes a page, encoded, a piece at a time.
struct Pieces {
    page: crate::generate::page::Page,
    encoder: Option<gzip::Encoder>,
    is_done: bool,
    text: Vec<u8>,
}

impl Pieces {
    fn new(
        generator: &Generator,
        target: u32,
        time_ms: i64,
        format: crate::model::Format,
        is_gzip: bool,
    ) -> Self {
        let page = generator.page(target, time_ms, format);
        let encoder = is_gzip.then(gzip::Encoder::new);
        Self { page, encoder, is_done: false, text: Vec::new() }
    }

    fn into_body(mut self) -> Body {
        Body::pieces(move || self.next())
    }

    /// The next piece, never an empty one.
    fn next(&mut self) -> Option<Bytes> {
        if self.is_done {
            return None;
        }
        let mut piece = Vec::new();
        let mut n_made = 0;
        let n_wanted = if self.encoder.is_some() { PIECES_PER_GZIP_PIECE } else { 1 };
        // The encoder may hold back all it was given.
        while !self.is_done && (n_made < n_wanted || piece.is_empty()) {
            n_made += 1;
            if let Some(encoder) = &mut self.encoder {
                self.text.clear();
                self.is_done = !self.page.fill(&mut self.text, PIECE_BYTES);
                encoder.push(&self.text, &mut piece);
                if self.is_done {
                    encoder.finish(&mut piece);
                }
            } else {
                piece.reserve(PIECE_BYTES + PIECE_BYTES / 4);
                self.is_done = !self.page.fill(&mut piece, PIECE_BYTES);
            }
        }
        (!piece.is_empty()).then(|| Bytes::from(piece))
    }
}

/// A body that fails after so many bytes, or at its end, so that the client sees the connection cut.
struct Cut {
    inner: Body,
    n_left: u64,
    /// Until it fails. Without a pause what came before would not be sent either.
    pause: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.n_left == 0 {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(CUT_PAUSE)));
            ready!(pause.as_mut().poll(cx));
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(cx)) else {
            self.n_left = 0;
            return self.poll_frame(cx);
        };
        let frame = frame.map(|frame| match frame.into_data() {
            Ok(mut data) => {
                data.truncate(usize::try_from(self.n_left).unwrap_or(usize::MAX));
                self.n_left -= data.len() as u64;
                Frame::data(data)
            }
            Err(frame) => frame,
        });
        Poll::Ready(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_queries() {
        let fault = Fault::default().with_query("latency=2s&status=503&x=y&cut=10").unwrap();
        assert_eq!(fault.latency, Duration::from_secs(2));
        assert_eq!(fault.status, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!((fault.cut, fault.excess_length), (Some(10), None));
        assert_eq!(Fault::default().with_query(""), Ok(Fault::default()));
        for wrong in ["latency=soon", "latency=11m", "status=200", "status=x", "cut=-1", "cut="] {
            assert!(Fault::default().with_query(wrong).is_err(), "{wrong}");
        }
    }
}
