//! One request over a connection, and its answer, as RFC 9112 has them.
//!
//! ```text
//! request ─► send ─► head, framing ─► Incoming: pieces of the body where they were read
//! ```
//!
//! A connection has no memory of its own: what is read lies in one of few buffers that all share,
//! and which are hot when the next answer is read into them. So a connection that waits for its
//! next use is a socket and nothing more, and a thousand of them cost no more than that. Heads are
//! parsed by `httparse`. Nothing here knows of URLs, redirects or reuse.

mod buffers;
pub(super) mod framing;
mod pieces;

pub use pieces::read_answer;

use crate::http::connect::Io;
use crate::http::h1::buffers::poll_read;
use crate::http::h1::framing::{Chunks, Framing, Incoming};
use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A head of an answer may be so long.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// And have so many headers.
const HEADERS_MAX: usize = 100;
/// So many answers of the kind "go on" (1xx) may come before the one that counts.
const INTERIM_MAX: usize = 8;
/// A body up to this size goes out together with its head.
const TOGETHER_BYTES_MAX: usize = 16 << 10;

/// An answer whose body is still to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Response<()>,
    pub(super) body: Incoming,
    /// Whether another request may follow on the connection.
    pub(super) is_reusable: bool,
}

/// Send a request and read the head of its answer.
///
/// The answer may come before the request is sent, and counts then.
///
/// # Errors
///
/// What is wrong with the connection or with what came, for people.
pub(super) async fn send(io: &mut dyn Io, request: &Request<Bytes>) -> Result<Answer, String> {
    let mut out = Out::new(request);
    let mut heads = Heads::default();
    poll_fn(|cx| {
        let sent = out.poll(io, cx);
        loop {
            let read = match poll_read(io, cx) {
                Poll::Ready(read) => read,
                Poll::Pending => {
                    return match &sent {
                        Poll::Ready(Err(e)) => Poll::Ready(Err(e.to_string())),
                        _ => Poll::Pending,
                    };
                }
            };
            let piece = read.map_err(|e| e.to_string())?;
            if piece.is_empty() {
                let message = "the connection was closed before the answer's head had come";
                return Poll::Ready(Err(message.to_owned()));
            }
            if let Some(mut answer) = heads.push(piece)? {
                answer.is_reusable &= matches!(sent, Poll::Ready(Ok(())));
                return Poll::Ready(Ok(answer));
            }
        }
    })
    .await
}

/// A request on its way out: its head, with the body if that is short, and the rest of the body.
struct Out([Bytes; 2]);

impl Out {
    fn new(request: &Request<Bytes>) -> Self {
        let (method, uri, body) = (request.method(), request.uri(), request.body());
        let mut head = format!("{method} {uri} HTTP/1.1\r\n").into_bytes();
        for (name, value) in request.headers() {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        if body.len() > TOGETHER_BYTES_MAX {
            return Self([head.into(), body.clone()]);
        }
        head.extend_from_slice(body);
        Self([head.into(), Bytes::new()])
    }

    fn poll(&mut self, io: &mut dyn Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for piece in &mut self.0 {
            while !piece.is_empty() {
                let n_bytes = ready!(Pin::new(&mut *io).poll_write(cx, piece))?;
                if n_bytes == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                piece.advance(n_bytes);
            }
        }
        Pin::new(io).poll_flush(cx)
    }
}

/// The heads that come, up to the one that counts.
#[derive(Default)]
struct Heads {
    /// What has come of the next, if it did not come in one piece.
    so_far: Vec<u8>,
    n_interim: usize,
}

impl Heads {
    /// Take what was read; gives the answer once its head is there.
    fn push(&mut self, mut piece: Bytes) -> Result<Option<Answer>, String> {
        if !self.so_far.is_empty() {
            self.so_far.extend_from_slice(&piece);
            piece = std::mem::take(&mut self.so_far).into();
        }
        loop {
            let parsed = parse(&piece)?;
            if parsed.as_ref().map_or(piece.len(), |(n_bytes, _)| *n_bytes) > HEAD_BYTES_MAX {
                return Err(format!("its head is longer than {HEAD_BYTES_MAX} bytes"));
            }
            let Some((n_bytes, head)) = parsed else {
                self.so_far = piece.into();
                return Ok(None);
            };
            piece.advance(n_bytes);
            if head.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Err("it switches to a protocol nobody asked for".to_owned());
            }
            if !head.status().is_informational() {
                return answer(head, piece).map(Some);
            }
            self.n_interim += 1;
            if self.n_interim > INTERIM_MAX {
                return Err(format!("more than {INTERIM_MAX} interim answers"));
            }
        }
    }
}

/// The head at the start of `bytes` and its length; `None` if not all of it is there.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Response<()>)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut read = httparse::Response::new(&mut headers);
    let n_bytes = match read.parse(bytes).map_err(|e| e.to_string())? {
        httparse::Status::Complete(n_bytes) => n_bytes,
        httparse::Status::Partial => return Ok(None),
    };
    let mut head = Response::new(());
    let status = StatusCode::from_u16(read.code.unwrap_or_default());
    *head.status_mut() = status.map_err(|e| e.to_string())?;
    *head.version_mut() = match read.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    for header in &*read.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|e| e.to_string())?;
        let value = HeaderValue::from_bytes(header.value).map_err(|e| e.to_string())?;
        head.headers_mut().append(name, value);
    }
    Ok(Some((n_bytes, head)))
}

/// Where the body of an answer to GET or POST ends (RFC 9112, section 6.3).
fn answer(head: Response<()>, rest: Bytes) -> Result<Answer, String> {
    let (headers, is_new) = (head.headers(), head.version() == Version::HTTP_11);
    let stays = if is_new { !says(headers, "close") } else { says(headers, "keep-alive") };
    let length = content_length(headers)?;
    let (framing, is_clear) = match head.status() {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => (Framing::Length(0), true),
        _ if headers.contains_key(TRANSFER_ENCODING) => {
            if !is_new {
                return Err("an answer of HTTP/1.0 has a transfer encoding".to_owned());
            }
            let last = tokens(headers, &TRANSFER_ENCODING).last();
            if last.is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")) {
                // A length beside it may come from someone who wants to be read in two ways.
                (Framing::Chunked(Chunks::default()), length.is_none())
            } else {
                (Framing::Close, false)
            }
        }
        _ => length.map_or((Framing::Close, false), |length| (Framing::Length(length), true)),
    };
    Ok(Answer { body: Incoming::new(framing, rest), is_reusable: stays && is_clear, head })
}

/// The length the headers agree on.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, String> {
    let mut all = tokens(headers, &CONTENT_LENGTH).map(|text| {
        let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(text).ok().filter(|_| is_number);
        text.and_then(|text| text.parse().ok())
    });
    let Some(first) = all.next() else { return Ok(None) };
    if first.is_none() || all.any(|other| other != first) {
        return Err("its content length is invalid".to_owned());
    }
    Ok(first)
}

/// Whether `Connection` has this word.
fn says(headers: &HeaderMap, word: &str) -> bool {
    tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(word.as_bytes()))
}

/// The members of a list that headers of one name are.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii))
}

#[cfg(test)]
mod tests;
