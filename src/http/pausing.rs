//! A reader that lets small chunks pile up in the socket.
//!
//! A Go exporter sends a large body in chunks of 4 KiB. A reader that wakes for each of them costs
//! both sides a context switch and a system call a chunk. After a short read this one leaves the
//! socket alone for a millisecond: the next read finds more, and the sender is not interrupted.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A read of fewer bytes than this is short. Larger values slow fast senders down.
const SHORT_READ_BYTES: usize = 32 * 1024;
/// How long to leave the socket alone after a short read.
const PAUSE: Duration = Duration::from_millis(1);
/// So much of an answer is read without pauses: small scrapes are not delayed.
const FREE_BYTES: usize = 64 * 1024;

/// Wraps a socket whose small reads cost more than a millisecond of waiting.
///
/// Not for TLS streams: those hand out at most one record of 16 KiB a read, however much is there.
#[derive(Debug)]
pub struct Pausing<S> {
    inner: S,
    /// Bytes read since the last write, that is, of this answer.
    n_read: usize,
    is_paused: bool,
    pause: Pin<Box<Sleep>>,
}

impl<S> Pausing<S> {
    /// Wrap a socket.
    pub fn new(inner: S) -> Self {
        let pause = Box::pin(tokio::time::sleep(PAUSE));
        Self { inner, n_read: 0, is_paused: false, pause }
    }

    /// What is read next belongs to a new answer.
    pub fn begin(&mut self) {
        self.n_read = 0;
        self.is_paused = false;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pausing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.is_paused {
            ready!(this.pause.as_mut().poll(cx));
            this.is_paused = false;
        }
        let (n_before, n_offered) = (buf.filled().len(), buf.remaining());
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let n = buf.filled().len() - n_before;
        this.n_read = this.n_read.saturating_add(n);
        // A read that filled what was offered says nothing about what the socket still holds.
        let is_short = n > 0 && n < SHORT_READ_BYTES && n < n_offered;
        if is_short && this.n_read > FREE_BYTES {
            this.pause.as_mut().reset(Instant::now() + PAUSE);
            this.is_paused = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pausing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        // A request goes out.
        self.begin();
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn small_reads_pause_once_the_answer_is_large() {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        let mut client = Pausing::new(client);
        let mut buf = vec![0; 1 << 18];
        let start = Instant::now();

        server.write_all(&vec![1; FREE_BYTES + 1]).await.unwrap();
        assert_eq!(client.read(&mut buf).await.unwrap(), FREE_BYTES + 1);
        server.write_all(&[2; 10]).await.unwrap();
        assert_eq!(client.read(&mut buf).await.unwrap(), 10);
        assert_eq!(start.elapsed(), Duration::ZERO);

        server.write_all(&[3; 10]).await.unwrap();
        assert_eq!(client.read(&mut buf).await.unwrap(), 10);
        assert!(start.elapsed() >= PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_request_starts_without_pauses() {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        let mut client = Pausing::new(client);
        let mut buf = vec![0; 1 << 18];
        server.write_all(&vec![1; FREE_BYTES + 1]).await.unwrap();
        assert_eq!(client.read(&mut buf).await.unwrap(), FREE_BYTES + 1);
        server.write_all(&[2; 10]).await.unwrap();
        assert_eq!(client.read(&mut buf).await.unwrap(), 10);

        let start = Instant::now();
        client.write_all(b"GET").await.unwrap();
        for _ in 0..3 {
            server.write_all(&[3; 10]).await.unwrap();
            assert_eq!(client.read(&mut buf).await.unwrap(), 10);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
