//! Connections kept for the next scrape.

use crate::http::connect::PlainProxy;
use crate::http::url::{Scheme, Url};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How many idle connections are kept in all.
const IDLE_MAX: usize = 4096;
/// Idle connections to one target.
const IDLE_PER_TARGET_MAX: usize = 2;
/// As Go's transport: a connection unused for this long is not used again.
const IDLE_TIME_MAX: Duration = Duration::from_secs(90);
/// How often connections are looked for that have been idle for too long.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// What the read buffers of all connections hold together, as long as each can have its least.
const BUFFERS_BYTES: usize = 8 << 20;
/// The most that one read takes; measured, larger brings nothing.
const BUFFER_BYTES_MAX: usize = 256 << 10;
/// The least.
const BUFFER_BYTES_MIN: usize = 32 << 10;
/// How long a kept connection may take to become ready again.
const READY_TIME_MAX: Duration = Duration::from_millis(50);

/// Which connections are alike.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    scheme: Scheme,
    host: String,
    port: u16,
    address: Option<SocketAddr>,
}

impl Key {
    /// The key of the connections for `url`, at an address if that is not left to its host.
    pub fn of(url: &Url, address: Option<SocketAddr>) -> Self {
        Self { scheme: url.scheme(), host: url.host().to_owned(), port: url.port(), address }
    }
}

/// Moves the bytes of a connection. It runs in the task of whoever waits for an answer: what was
/// read is parsed on the same core, without a switch between tasks for each piece.
pub struct Driver(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Driver {
    /// Take over the work of a connection, which ends when the connection does.
    pub fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }

    /// Move what can be moved now.
    pub fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(work) = &mut self.0
            && work.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }

    /// Wait for something that happens on the connection.
    pub async fn drive<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = std::pin::pin!(wanted);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(value) = wanted.as_mut().poll(cx) {
                return Poll::Ready(value);
            }
            self.poll(cx);
            wanted.as_mut().poll(cx)
        })
        .await
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Driver(open)" } else { "Driver(closed)" })
    }
}

/// A connection and what requests on it have to know.
#[derive(Debug)]
pub struct Pooled {
    /// Has to be polled for anything to happen.
    pub driver: Driver,
    /// Sends requests.
    pub sender: SendRequest<Full<Bytes>>,
    /// Which URLs it serves.
    pub key: Key,
    /// Whether the other side is this machine.
    pub is_loopback: bool,
    /// The proxy that forwards our requests, if one does.
    pub proxy: Option<PlainProxy>,
    /// That it is open.
    pub place: Place,
}

/// Connections that are open, of all clients: each upstream has its own, and memory is one.
static N_OPEN: AtomicUsize = AtomicUsize::new(0);

/// One of the open connections, counted for as long as it is.
#[derive(Debug)]
pub struct Place(());

impl Place {
    /// A place for a connection that is about to be opened, and how large its read buffer may be:
    /// large where there are few, so that a thousand do not take a thousand times the memory.
    pub fn take() -> (Self, usize) {
        let n_open = 1 + N_OPEN.fetch_add(1, Ordering::Relaxed);
        (Self(()), (BUFFERS_BYTES / n_open).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        N_OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connections that wait for their next use.
#[derive(Debug)]
pub struct Pool {
    idle: Mutex<Idle>,
    per_target_max: usize,
}

/// Idle connections, newest last.
#[derive(Debug)]
struct Idle {
    by_key: HashMap<Key, Vec<(Instant, Pooled)>>,
    n_kept: usize,
    next_sweep: Instant,
}

impl Default for Pool {
    fn default() -> Self {
        Self::keeping(IDLE_PER_TARGET_MAX)
    }
}

impl Pool {
    /// A pool of so many idle connections to one target.
    pub fn keeping(per_target_max: usize) -> Self {
        let idle =
            Idle { by_key: HashMap::new(), n_kept: 0, next_sweep: Instant::now() + SWEEP_INTERVAL };
        Self { idle: Mutex::new(idle), per_target_max }
    }

    /// Keep a connection whose last answer was read to its end.
    pub fn put(&self, connection: Pooled) {
        if connection.sender.is_closed() {
            return;
        }
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = idle.by_key.entry(connection.key.clone()).or_default();
        alike.push((now, connection));
        if alike.len() > self.per_target_max {
            alike.remove(0);
        } else {
            idle.n_kept += 1;
        }
        if idle.n_kept > IDLE_MAX || idle.next_sweep <= now {
            idle.sweep(now);
        }
    }

    /// Take the newest live connection for `key`.
    pub async fn take(&self, key: &Key) -> Option<Pooled> {
        while let Some(mut connection) = self.pop(key) {
            let Pooled { driver, sender, .. } = &mut connection;
            // The driver first: it notices that the other side has closed.
            std::future::poll_fn(|cx| {
                driver.poll(cx);
                Poll::Ready(())
            })
            .await;
            let ready = timeout(READY_TIME_MAX, driver.drive(sender.ready())).await;
            if matches!(ready, Ok(Ok(()))) {
                return Some(connection);
            }
        }
        None
    }

    fn pop(&self, key: &Key) -> Option<Pooled> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (since, connection) = idle.by_key.get_mut(key)?.pop()?;
            idle.n_kept -= 1;
            if since.elapsed() < IDLE_TIME_MAX && !connection.sender.is_closed() {
                return Some(connection);
            }
        }
    }
}

impl Idle {
    /// Let go of what has been idle for too long, and of the oldest while there are too many.
    fn sweep(&mut self, now: Instant) {
        self.next_sweep = now + SWEEP_INTERVAL;
        let is_live = |(since, kept): &(Instant, Pooled)| {
            now.duration_since(*since) < IDLE_TIME_MAX && !kept.sender.is_closed()
        };
        self.by_key.retain(|_, alike| {
            alike.retain(is_live);
            !alike.is_empty()
        });
        self.n_kept = self.by_key.values().map(Vec::len).sum();
        while self.n_kept > IDLE_MAX {
            let oldest = self.by_key.iter().min_by_key(|(_, alike)| alike[0].0);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
            if let Some(alike) = self.by_key.get_mut(&key) {
                alike.remove(0);
                if alike.is_empty() {
                    self.by_key.remove(&key);
                }
            }
            self.n_kept -= 1;
        }
    }
}
