//! Connections kept for the next scrape.

use crate::http::connect::PlainProxy;
use crate::http::url::{Scheme, Url};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1::SendRequest;
use std::sync::{Mutex, PoisonError};
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
}

impl Key {
    /// The key of the connections for `url`.
    pub fn of(url: &Url) -> Self {
        Self { scheme: url.scheme(), host: url.host().to_owned(), port: url.port() }
    }
}

/// A connection and what requests on it have to know.
#[derive(Debug)]
pub struct Pooled {
    /// Sends requests. Dropping it ends the connection once no answer is outstanding.
    pub sender: SendRequest<Empty<Bytes>>,
    /// Which URLs it serves.
    pub key: Key,
    /// Whether the other side is this machine.
    pub is_loopback: bool,
    /// The proxy that forwards our requests, if one does.
    pub proxy: Option<PlainProxy>,
}

/// Idle connections, newest last.
#[derive(Debug, Default)]
pub struct Pool {
    idle: Mutex<Vec<(Instant, Pooled)>>,
}

impl Pool {
    /// Keep a connection whose last answer was read to its end.
    pub fn put(&self, connection: Pooled) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let n_alike = idle.iter().filter(|(_, kept)| kept.key == connection.key).count();
        let is_alike = |(_, kept): &(Instant, Pooled)| kept.key == connection.key;
        if n_alike >= IDLE_PER_TARGET_MAX {
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
            let ready = timeout(READY_TIME_MAX, connection.sender.ready()).await;
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
