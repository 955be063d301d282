//! `/source`: a target's own answer, as it is.

use crate::app::gate::Gate;
use crate::app::gate::scrapes::problem;
use crate::http::Body;
use crate::http::answer::Problem;
use crate::http::client::AskFor;
use crate::http::gzip;
use crate::http::percent;
use crate::source::scrape::RawBody;
use crate::source::{ScrapeError, ScrapeErrorKind, within};
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use std::future::poll_fn;
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
        let deadline = self.settings().patience.deadline(request.headers());
        let chosen = self.scrapes.choose(target_of(request).as_deref()).await?;
        let [(upstream, target)] = &chosen[..] else {
            let targets = chosen.iter().map(|(_, target)| target.instance()).collect();
            return Err(Problem::WhichTarget { targets });
        };
        let time_left = deadline.saturating_duration_since(Instant::now());
        let asked = async {
            let response = upstream.scraper.ask(target, time_left, AskFor::Identity).await?;
            let (mut head, body) = response.into_parts();
            let is_gzip = is_gzip(&head.headers);
            if is_gzip {
                head.headers.remove(CONTENT_ENCODING);
                head.headers.remove(CONTENT_LENGTH);
            }
            let mut body = PassedOn::new(body, is_gzip, deadline);
            // As long as nothing was passed on, what goes wrong can still be told.
            body.first = poll_fn(|cx| body.poll_piece(cx)).await.transpose()?;
            Ok((head, body))
        };
        let (mut head, body) =
            within(sleep_until(deadline), asked).await.map_err(|e| problem(target, &e))?;
        for name in &HOP_BY_HOP {
            head.headers.remove(name);
        }
        let mut response = Response::new(Body::stream(body));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }
}

/// The target a request names, if it names one.
pub(super) fn target_of(request: &Request<Incoming>) -> Option<String> {
    let mut pairs = request.uri().query()?.split('&');
    let named = pairs.find_map(|pair| pair.strip_prefix("target="))?;
    let name = percent::decode(named)?;
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    encoding.is_some_and(|e| e.eq_ignore_ascii_case("gzip") || e.eq_ignore_ascii_case("x-gzip"))
}

/// The target's body on its way to the client.
struct PassedOn {
    /// The first piece, read before anything was passed on.
    first: Option<Bytes>,
    body: RawBody,
    decoder: Option<gzip::Decoder>,
    deadline: Pin<Box<Sleep>>,
}

impl PassedOn {
    fn new(body: RawBody, is_gzip: bool, deadline: Instant) -> Self {
        let decoder = is_gzip.then(gzip::Decoder::new);
        Self { first: None, body, decoder, deadline: Box::pin(sleep_until(deadline)) }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ScrapeError>>> {
        loop {
            if self.deadline.as_mut().poll(cx).is_ready() {
                let error = ScrapeError::new(ScrapeErrorKind::Timeout, "timed out");
                return Poll::Ready(Some(Err(error)));
            }
            let Some(chunk) = ready!(self.body.poll_chunk(cx)?) else {
                let ended = self.decoder.take().map_or(Ok(()), |decoder| decoder.finish());
                return Poll::Ready(ended.err().map(|e| Err(gzip_error(&e))));
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

fn gzip_error(error: &gzip::DecodeError<()>) -> ScrapeError {
    let (kind, message) = match error {
        gzip::DecodeError::Corrupt => (ScrapeErrorKind::Encoding, "the gzip stream is corrupt"),
        gzip::DecodeError::Truncated => {
            (ScrapeErrorKind::Truncated, "the gzip stream is cut short")
        }
        gzip::DecodeError::Sink(()) => {
            (ScrapeErrorKind::Encoding, "the gzip stream decodes to too much")
        }
    };
    ScrapeError::new(kind, message)
}

impl http_body::Body for PassedOn {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(self.poll_piece(cx)),
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(io::Error::other)))
    }
}
