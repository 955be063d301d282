//! Connections kept for the next scrape.

use crate::http::connect::Io;
use crate::http::connect::PlainProxy;
use crate::http::url::{Scheme, Url};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::Instant;

/// How many idle connections are kept in all.
const IDLE_MAX: usize = 4096;
/// Idle connections to one target.
const IDLE_PER_TARGET_MAX: usize = 2;
/// As Go's transport: a connection unused for this long is not used again.
const IDLE_TIME_MAX: Duration = Duration::from_secs(90);
/// How often connections are looked for that have been idle for too long.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
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

/// A connection and what requests on it have to know.
pub struct Pooled {
    /// The connection.
    pub io: Box<dyn Io>,
    /// Which URLs it serves.
    pub key: Key,
    /// Whether the other side is this machine.
    pub is_loopback: bool,
    /// The proxy that forwards our requests, if one does.
    pub proxy: Option<PlainProxy>,
}

impl Pooled {
    /// Whether the other side neither has closed the connection nor says anything unasked.
    ///
    /// Whoever waited for the connection before is told nothing from here on.
    fn is_quiet(&mut self) -> bool {
        let mut room = [0];
        let mut room = ReadBuf::new(&mut room);
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.io).poll_read(&mut cx, &mut room).is_pending()
    }
}

impl fmt::Debug for Pooled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").field("key", &self.key).finish_non_exhaustive()
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
    pub fn put(&self, mut connection: Pooled) {
        connection.io.rest();
        if !connection.is_quiet() {
            return;
        }
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = idle.by_key.entry(connection.key.clone());
        // Mostly there is one.
        let alike = alike.or_insert_with(|| Vec::with_capacity(1));
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
    pub fn take(&self, key: &Key) -> Option<Pooled> {
        while let Some(mut connection) = self.pop(key) {
            if connection.is_quiet() {
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
            if since.elapsed() < IDLE_TIME_MAX {
                return Some(connection);
            }
        }
    }
}

impl Idle {
    /// Let go of what has been idle for too long, and of the oldest while there are too many.
    fn sweep(&mut self, now: Instant) {
        self.next_sweep = now + SWEEP_INTERVAL;
        let is_live = |(since, kept): &mut (Instant, Pooled)| {
            now.duration_since(*since) < IDLE_TIME_MAX && kept.is_quiet()
        };
        self.by_key.retain(|_, alike| {
            alike.retain_mut(is_live);
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
