//! Read buffers, shared by all connections: each is in use only while what was read is looked at.

use crate::http::connect::Io;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// The most that one read takes; measured, larger brings nothing.
const BUFFER_BYTES: usize = 256 << 10;
/// How many are kept while nobody needs them. As many are in use as threads read at a time.
const FREE_MAX: usize = 32;
/// What is no longer than this is copied, so that whoever keeps it does not keep a whole buffer.
const COPIED_BYTES_MAX: usize = 2 << 10;

/// Buffers nobody uses now, the one used last on top: its memory is still in the caches.
static FREE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer in use; it is given back when it is dropped.
struct Buffer {
    room: Box<[u8]>,
    n_filled: usize,
}

impl Buffer {
    fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let room = free.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        Self { room, n_filled: 0 }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < FREE_MAX {
            free.push(std::mem::take(&mut self.room));
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.room.get(..self.n_filled).unwrap_or_default()
    }
}

/// Read what there is; nothing at the end of the stream.
///
/// What is read should be used and dropped soon: it holds a buffer that others could use.
pub(super) fn poll_read(io: &mut dyn Io, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    poll_read_some(io, cx, |read| read.len())
}

/// The same, but of what was read only the first bytes count, as many as `keep` says, which may
/// change them.
pub(super) fn poll_read_some(
    io: &mut dyn Io,
    cx: &mut Context<'_>,
    keep: impl FnOnce(&mut [u8]) -> usize,
) -> Poll<io::Result<Bytes>> {
    let mut buffer = Buffer::take();
    let mut room = ReadBuf::new(&mut buffer.room);
    ready!(Pin::new(io).poll_read(cx, &mut room))?;
    let n_read = room.filled().len();
    let n_kept = keep(buffer.room.get_mut(..n_read).unwrap_or_default());
    if n_kept <= COPIED_BYTES_MAX {
        let kept = buffer.room.get(..n_kept).unwrap_or_default();
        return Poll::Ready(Ok(Bytes::copy_from_slice(kept)));
    }
    buffer.n_filled = n_kept.min(n_read);
    Poll::Ready(Ok(Bytes::from_owner(buffer)))
}
