//! `/source`: the target's own answer, as it is.

use crate::app::gate::Gate;
use crate::app::gate::scrapes::problem;
use crate::http::Body;
use crate::http::answer::Problem;
use crate::http::client::AskFor;
use crate::http::gzip;
use crate::source::scrape::RawBody;
use crate::source::within;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// Headers that are about one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

impl Gate {
    /// Pass on what the target answers: status, headers, body, decoded. Bounded by the time a
    /// scrape may take, and by the client's life.
    pub(super) async fn source(
        &self,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let deadline = self.patience.deadline(request.headers());
        let target = self.scrapes.target();
        let time_left = deadline.saturating_duration_since(Instant::now());
        let asked = self.scrapes.scraper().ask(target, time_left, AskFor::Identity);
        let response =
            within(sleep_until(deadline), asked).await.map_err(|e| problem(target, &e))?;
        let (mut head, body) = response.into_parts();
        let is_gzip = is_gzip(&head.headers);
        if is_gzip {
            head.headers.remove(CONTENT_ENCODING);
            head.headers.remove(CONTENT_LENGTH);
        }
        for name in &HOP_BY_HOP {
            head.headers.remove(name);
        }
        let body = PassedOn {
            body,
            decoder: is_gzip.then(gzip::Decoder::new),
            deadline: Box::pin(sleep_until(deadline)),
        };
        let mut response = Response::new(Body::stream(body));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    encoding.is_some_and(|e| e.eq_ignore_ascii_case("gzip") || e.eq_ignore_ascii_case("x-gzip"))
}

/// The target's body on its way to the client.
struct PassedOn {
    body: RawBody,
    decoder: Option<gzip::Decoder>,
    deadline: Pin<Box<Sleep>>,
}

impl PassedOn {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if self.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
            }
            let chunk = match ready!(self.body.poll_chunk(cx)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(e)) => return Poll::Ready(Some(Err(io::Error::other(e)))),
                None => {
                    let ended = self.decoder.take().map_or(Ok(()), |decoder| decoder.finish());
                    return Poll::Ready(ended.err().map(|e| Err(gzip_error(&e))));
                }
            };
            let Some(decoder) = &mut self.decoder else {
                return Poll::Ready(Some(Ok(chunk)));
            };
            let mut out = Vec::new();
            let pushed = decoder.push(&chunk, |piece| {
                out.extend_from_slice(piece);
                if out.len() > DECODED_BYTES_MAX { Err(()) } else { Ok(()) }
            });
            if let Err(e) = pushed {
                return Poll::Ready(Some(Err(gzip_error(&e))));
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Bytes::from(out))));
            }
        }
    }
}

/// What one chunk may decode to; gzip of text never comes near.
const DECODED_BYTES_MAX: usize = 64 << 20;

fn gzip_error(error: &gzip::DecodeError<()>) -> io::Error {
    io::Error::other(match error {
        gzip::DecodeError::Corrupt => "the gzip stream is corrupt",
        gzip::DecodeError::Truncated => "the gzip stream is cut short",
        gzip::DecodeError::Sink(()) => "the gzip stream decodes to too much",
    })
}

impl http_body::Body for PassedOn {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
