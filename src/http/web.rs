//! What stands before the server: TLS, users with passwords, a rate, and headers of every answer,
//! as the web configuration file of Prometheus' exporter-toolkit has them.
//!
//! [`Web`] is shared by the server, which asks it for TLS, and the handler, which asks it whether
//! to answer. New settings take the place of the old ones whole; connections that are open keep the
//! TLS they began with, and their next request is judged by the new users.

pub mod tls;
mod users;

use crate::http::percent;
use crate::http::server::Tls;
use crate::http::settings::Secret;
use crate::http::web::tls::ServerTls;
pub use crate::http::web::users::Checks;
pub use crate::http::web::users::Users;
pub use crate::http::web::users::Verdict;
use arc_swap::ArcSwap;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// What a web configuration file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebSettings {
    /// TLS; `None`: none.
    pub tls: Option<ServerTls>,
    /// Who may ask; nobody listed: anybody.
    pub users: Vec<User>,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How often may be asked.
    pub rate: Option<Rate>,
}

/// Someone who may ask. `Debug` does not show the hash.
#[derive(Clone, Eq, PartialEq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The bcrypt hash of the password.
    pub hash: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({:?}, …)", self.name)
    }
}

impl User {
    /// The cost of a bcrypt hash, `None` if the text is none.
    pub fn cost_of(hash: &str) -> Option<u32> {
        users::cost_of(hash)
    }
}

/// How often may be asked: after `burst` requests one in each `interval`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// The time between two requests.
    pub interval: Duration,
    /// Requests that may come at once.
    pub burst: u32,
}

/// Settings with the certificates and keys they name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepared {
    settings: WebSettings,
    material: Option<tls::Material>,
}

impl Prepared {
    /// Read what the settings name.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub async fn read(settings: WebSettings) -> Result<Self, String> {
        let material = match &settings.tls {
            Some(tls) => Some(tls::Material::read(tls).await?),
            None => None,
        };
        Ok(Self { settings, material })
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It says nothing of who asks, or nothing that can be understood.
    NoCredentials,
    /// User or password are wrong.
    BadCredentials,
    /// Too many passwords are being checked.
    TooManyChecks,
    /// Requests come too often.
    TooOften,
}

/// What stands before a server.
#[derive(Debug)]
pub struct Web {
    active: ArcSwap<Active>,
    checks: Arc<Checks>,
    /// Whether probes need neither user nor rate.
    pub opens_probes: bool,
}

/// Settings in force.
#[derive(Debug, Default)]
struct Active {
    tls: Option<Tls>,
    users: Users,
    headers: Vec<(HeaderName, HeaderValue)>,
    limiter: Option<Limiter>,
}

impl Active {
    async fn new(prepared: Prepared) -> Result<Self, String> {
        let Prepared { settings, material } = prepared;
        let tls = match (&settings.tls, &material) {
            (Some(tls), Some(material)) => {
                let config = tls::build(tls, material).await?;
                let acceptor = TlsAcceptor::from(Arc::new(config));
                Some(Tls { acceptor, verifies_clients: tls.verifies_clients() })
            }
            _ => None,
        };
        Ok(Self {
            tls,
            users: Users::new(settings.users),
            headers: settings.headers,
            limiter: settings.rate.map(Limiter::new),
        })
    }
}

impl Web {
    /// Anybody may ask, in plain HTTP.
    pub fn open() -> Self {
        Self {
            active: ArcSwap::default(),
            checks: Arc::new(Checks::new([0; 2])),
            opens_probes: true,
        }
    }

    /// Guard a server by these settings; `random` gives words nobody can foresee.
    ///
    /// # Errors
    ///
    /// Certificate, key or authorities are not what they should be.
    pub async fn new(
        prepared: Prepared,
        opens_probes: bool,
        random: fn() -> u64,
    ) -> Result<Self, String> {
        Ok(Self {
            active: ArcSwap::from_pointee(Active::new(prepared).await?),
            checks: Arc::new(Checks::new([random(), random()])),
            opens_probes,
        })
    }

    /// Go on by other settings.
    ///
    /// # Errors
    ///
    /// As [`Web::new`], and if TLS would be turned on or off: who trusts in it would not notice.
    /// Nothing has changed then.
    pub async fn replace(&self, prepared: Prepared) -> Result<(), String> {
        let new = Active::new(prepared).await?;
        if new.tls.is_some() != self.active.load().tls.is_some() {
            return Err("TLS is turned on and off by a restart alone".to_owned());
        }
        self.active.store(Arc::new(new));
        Ok(())
    }

    /// What makes TLS of a new connection; `None`: it is plain HTTP.
    pub fn tls(&self) -> Option<Tls> {
        self.active.load().tls.clone()
    }

    /// Whether to answer a request with these headers.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let active = self.active.load_full();
        if active.limiter.as_ref().is_some_and(|limiter| !limiter.allow()) {
            return Err(Refusal::TooOften);
        }
        if active.users.is_empty() {
            return Ok(());
        }
        let (name, password) = credentials(headers).ok_or(Refusal::NoCredentials)?;
        match self.checks.check(&active.users, &name, password).await {
            Verdict::Right => Ok(()),
            Verdict::Wrong => Err(Refusal::BadCredentials),
            Verdict::Busy => Err(Refusal::TooManyChecks),
        }
    }

    /// Add to an answer the headers that every answer has.
    pub fn decorate(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.active.load().headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// User and password of basic authentication (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = percent::base64_decode(encoded)?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((name, decoded[colon + 1..].to_vec()))
}

/// A bucket of tokens, of which a request takes one.
#[derive(Debug)]
struct Limiter {
    rate: Rate,
    /// Tokens in the bucket, and when they were counted.
    bucket: Mutex<(f64, Instant)>,
}

impl Limiter {
    fn new(rate: Rate) -> Self {
        Self { rate, bucket: Mutex::new((f64::from(rate.burst), Instant::now())) }
    }

    fn allow(&self) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, counted) = *bucket;
        let now = Instant::now();
        let more = (now - counted).as_secs_f64() / self.rate.interval.as_secs_f64();
        let tokens = (tokens + more).min(f64::from(self.rate.burst));
        let is_allowed = tokens >= 1.0;
        *bucket = (if is_allowed { tokens - 1.0 } else { tokens }, now);
        is_allowed
    }
}

/// The text of a secret's file, or of the secret, for a message: never the secret itself.
fn place(secret: &Secret) -> String {
    match secret {
        Secret::File(path) => format!("{:?}", path.display()),
        Secret::Inline(_) => "the text in the file".to_owned(),
    }
}

#[cfg(test)]
mod tests;
