//! Connections kept for the next scrape.

use crate::http::connect::PlainProxy;
use crate::http::url::{Scheme, Url};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How many idle connections are kept in all; a gate has few targets.
const IDLE_MAX: usize = 64;
/// Idle connections to one target.
const IDLE_PER_TARGET_MAX: usize = 2;
/// As Go's transport: a connection unused for this long is not used again.
const IDLE_TIME_MAX: Duration = Duration::from_secs(90);
/// How long a kept connection may take to become ready again.
const READY_TIME_MAX: Duration = Duration::from_millis(50);

/// Which connections are alike.
#[derive(Clone, Debug, Eq, PartialEq)]
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
}

/// Idle connections, newest last.
#[derive(Debug)]
pub struct Pool {
    idle: Mutex<Vec<(Instant, Pooled)>>,
    per_target_max: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self::keeping(IDLE_PER_TARGET_MAX)
    }
}

impl Pool {
    /// A pool of so many idle connections to one target.
    pub fn keeping(per_target_max: usize) -> Self {
        Self { idle: Mutex::default(), per_target_max }
    }

    /// Keep a connection whose last answer was read to its end.
    pub fn put(&self, connection: Pooled) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let n_alike = idle.iter().filter(|(_, kept)| kept.key == connection.key).count();
        let is_alike = |(_, kept): &(Instant, Pooled)| kept.key == connection.key;
        if n_alike >= self.per_target_max {
            let oldest = idle.iter().position(is_alike);
            oldest.map(|at| idle.remove(at));
        } else if idle.len() >= IDLE_MAX {
            idle.remove(0);
        }
        idle.push((Instant::now(), connection));
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
        idle.retain(|(since, kept)| since.elapsed() < IDLE_TIME_MAX && !kept.sender.is_closed());
        let at = idle.iter().rposition(|(_, kept)| kept.key == *key)?;
        Some(idle.remove(at).1)
    }
}
