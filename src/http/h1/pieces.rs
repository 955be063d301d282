//! An answer without a connection: bytes that come in pieces, for tests and fuzzing.

use crate::http::connect::Io;
use crate::http::h1::{Answer, buffers, send};
use bytes::{Buf as _, Bytes};
use http::{Request, StatusCode};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection over which these pieces come, one a read, before it is closed.
struct Pieces(VecDeque<Bytes>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.front_mut() {
            let n_bytes = piece.len().min(room.remaining());
            room.put_slice(piece.get(..n_bytes).unwrap_or_default());
            piece.advance(n_bytes);
            if piece.is_empty() {
                self.0.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(b.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Io for Pieces {}

/// Read an answer to GET or POST that comes in these pieces, before the connection is closed: its
/// status, its body, and whether another request may follow.
///
/// # Errors
///
/// What is wrong with what came, for people.
pub fn read_answer(
    pieces: impl IntoIterator<Item = Bytes>,
) -> Result<(StatusCode, Vec<u8>, bool), String> {
    let mut io = Pieces(pieces.into_iter().filter(|piece| !piece.is_empty()).collect());
    let request = Request::new(Bytes::new());
    let reading = read_all(&mut io, &request);
    match pin!(reading).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => Err("nothing makes anybody wait here".to_owned()),
    }
}

/// Send a request, and read all of its answer and what comes behind it.
pub(super) async fn read_all(
    io: &mut dyn Io,
    request: &Request<Bytes>,
) -> Result<(StatusCode, Vec<u8>, bool), String> {
    let Answer { head, body: mut incoming, is_reusable } = send(io, request).await?;
    let mut body = Vec::new();
    while let Some(piece) = poll_fn(|cx| incoming.poll_piece(io, cx)).await? {
        debug_assert!(!piece.is_empty());
        body.extend_from_slice(&piece);
    }
    // What comes unasked is noticed when the connection is kept, at the latest.
    let more = poll_fn(|cx| buffers::poll_read(io, cx)).await.map_err(|e| e.to_string())?;
    Ok((head.status(), body, is_reusable && incoming.is_clean() && more.is_empty()))
}
