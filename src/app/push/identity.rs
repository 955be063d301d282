//! Who pushes, and whether they may.
//!
//! Passwords are checked as those of the web configuration are: see [`Checks`].

use crate::app::push::process::Verb;
use crate::app::push::refusal::Refusal;
use crate::config::file::push::Identity;
use crate::http::server::ClientNames;
use crate::http::web::Checks;
use crate::http::web::User;
use crate::http::web::Users;
use crate::http::web::Verdict;
use crate::push::GroupingKey;
use crate::push::decode_standard;
use http::HeaderMap;
use http::StatusCode;
use http::header::AUTHORIZATION;
use sha2::Digest as _;
use sha2::Sha256;
use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// When to come again where too many passwords wait to be checked.
const CHECK_AFTER: Duration = Duration::from_secs(1);
/// A file of token hashes: ten thousand of them.
const TOKENS_BYTES_MAX: u64 = 1 << 20;

/// Everybody who may push.
#[derive(Debug)]
pub(super) struct Identities {
    all: Vec<Arc<Who>>,
    users: Users,
    checks: Arc<Checks>,
}

/// Somebody who pushes.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) settings: Identity,
    tokens: Vec<[u8; 32]>,
    requests: Option<Arc<Mutex<Bucket>>>,
    samples: Option<Arc<Mutex<Bucket>>>,
}

/// How much somebody may push in a second, and how much of that is left.
type Limit = fn(&Identity) -> Option<usize>;
type Level = fn(&Who) -> Option<Arc<Mutex<Bucket>>>;

/// Fills with time, and is emptied by what is done; what is done may be more than is in it.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_second: usize) -> Mutex<Self> {
        let per_second = to_f64(per_second);
        Mutex::new(Self { per_second, level: per_second, at: Instant::now() })
    }

    /// Take so much, or say how long to wait.
    fn take(&mut self, n: usize) -> Result<(), Duration> {
        let now = Instant::now();
        let filled = self.level + now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.level = filled.min(self.per_second);
        self.at = now;
        if self.level <= 0.0 {
            return Err(Duration::from_secs_f64(-self.level / self.per_second));
        }
        self.level -= to_f64(n);
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates need no more")]
fn to_f64(n: usize) -> f64 {
    n as f64
}

impl Identities {
    /// `old`: who could push before; of them it is known still which passwords are right, and how
    /// much they have pushed of late.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, a line each.
    pub(super) fn new(
        identities: &[Identity],
        mut random: impl FnMut() -> u64,
        old: Option<&Self>,
    ) -> Result<Self, Vec<String>> {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        for settings in identities {
            let known = |who: &&Arc<Who>| who.name() == settings.name;
            let old = old.and_then(|old| old.all.iter().find(known));
            match Who::new(settings.clone(), old) {
                Ok(who) => all.push(Arc::new(who)),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if all.is_empty() {
            let anybody = Identity { name: "anybody".to_owned(), ..Identity::default() };
            all.extend(Who::new(anybody, None).map(Arc::new));
        }
        let user = |who: &Arc<Who>| {
            let (name, hash) = who.settings.basic.clone()?;
            Some(User { name, hash })
        };
        // Of two with one name the first counts.
        let users = Users::new(all.iter().rev().filter_map(user).collect());
        let checks = old.map(|old| Arc::clone(&old.checks));
        let checks = checks.unwrap_or_else(|| Arc::new(Checks::new([random(), random()])));
        Ok(Self { all, users, checks })
    }

    /// Who sends a request with these headers over a connection with a certificate of these names.
    pub(super) async fn find(
        &self,
        headers: &HeaderMap,
        client: Option<&ClientNames>,
    ) -> Result<Arc<Who>, Refusal> {
        let certified = || {
            let ClientNames(names) = client?;
            let has_name =
                |who: &&Arc<Who>| who.settings.client_names.iter().any(|name| names.contains(name));
            self.all.iter().find(has_name).cloned()
        };
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let found = match value.map(|value| value.split_once(' ').unwrap_or((value, ""))) {
            None => certified()
                .or_else(|| self.all.iter().find(|who| who.is_without_credentials()).cloned()),
            Some((scheme, word)) if scheme.eq_ignore_ascii_case("bearer") => {
                let hash: [u8; 32] = Sha256::digest(word.trim().as_bytes()).into();
                self.all.iter().find(|who| who.tokens.contains(&hash)).cloned()
            }
            Some((scheme, word)) if scheme.eq_ignore_ascii_case("basic") => {
                self.by_password(word.trim()).await?
            }
            Some(_) => None,
        };
        // Where nobody has credentials, whatever a client sends says nothing.
        let is_open = self.all.iter().all(|who| who.is_without_credentials());
        let found = found.or_else(|| self.all.first().filter(|_| is_open).cloned());
        found.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "credentials", "Unauthorized"))
    }

    async fn by_password(&self, word: &str) -> Result<Option<Arc<Who>>, Refusal> {
        let pair = decode_standard(word.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else {
            return Ok(None);
        };
        match self.checks.check(&self.users, user, password.into()).await {
            Verdict::Right => {
                let is_user = |who: &&Arc<Who>| {
                    who.settings.basic.as_ref().is_some_and(|(username, _)| username == user)
                };
                Ok(self.all.iter().find(is_user).cloned())
            }
            Verdict::Wrong => Ok(None),
            Verdict::Busy => {
                let line = "too many passwords wait to be checked";
                let refusal = Refusal::later("password_checks", line, CHECK_AFTER);
                Err(Refusal { status: StatusCode::SERVICE_UNAVAILABLE, ..refusal })
            }
        }
    }
}

impl Who {
    fn new(settings: Identity, old: Option<&Arc<Self>>) -> Result<Self, String> {
        let tokens = match &settings.token_hashes_file {
            None => Vec::new(),
            Some(path) => read_tokens(path).map_err(|why| {
                format!("cannot read the token hashes of {}: {why}", path.display())
            })?,
        };
        let bucket = |limit: Limit, level: Level| {
            let same = old.filter(|old| limit(&old.settings) == limit(&settings));
            let new = || limit(&settings).map(|limit| Arc::new(Bucket::new(limit)));
            same.and_then(|old| level(old)).or_else(new)
        };
        let requests = bucket(|who| who.requests_per_second_max, |who| who.requests.clone());
        let samples = bucket(|who| who.samples_per_second_max, |who| who.samples.clone());
        Ok(Self { settings, tokens, requests, samples })
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    fn is_without_credentials(&self) -> bool {
        !self.settings.has_credentials()
    }

    /// Whether it may do that to the group.
    pub(super) fn may(&self, verb: Verb, key: &GroupingKey) -> Result<(), Refusal> {
        let settings = &self.settings;
        let mut lines = Vec::new();
        if settings.methods.as_ref().is_some_and(|methods| !methods.contains(&verb.word())) {
            lines.push(format!("{} may not {}", settings.name, verb.word()));
        }
        if let Some(job) = settings.job.as_ref().filter(|job| !job.matches(key.job())) {
            let (name, of, pattern) = (&settings.name, key.job(), job.as_str());
            lines.push(format!("{name} may not push for the job {of:?}, only for {pattern}"));
        }
        for (label, value) in key.labels().filter(|(label, _)| *label != "job") {
            let Some(allowed) = &settings.grouping_labels else { break };
            let is_good =
                allowed.iter().any(|(name, pattern)| name == label && pattern.matches(value));
            if !is_good {
                let mut line = String::new();
                // A string takes anything.
                write!(line, "{} may not push for {label}={value:?}", settings.name)
                    .unwrap_or_default();
                lines.push(line);
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        Err(Refusal { lines, ..Refusal::new(StatusCode::FORBIDDEN, "rights", String::new()) })
    }

    /// Count a request.
    pub(super) fn request(&self) -> Result<(), Refusal> {
        let limit = self.settings.requests_per_second_max.unwrap_or_default();
        take(self.requests.as_deref(), 1).map_err(|after| {
            let line = format!("{} sends more than {limit} requests a second", self.name());
            Refusal::later("request_rate", line, after)
        })
    }

    /// Count series.
    pub(super) fn samples(&self, n_samples: usize) -> Result<(), Refusal> {
        let limit = self.settings.samples_per_second_max.unwrap_or_default();
        take(self.samples.as_deref(), n_samples).map_err(|after| {
            let line = format!("{} sends more than {limit} samples a second", self.name());
            Refusal::later("sample_rate", line, after)
        })
    }
}

fn take(bucket: Option<&Mutex<Bucket>>, n: usize) -> Result<(), Duration> {
    let Some(bucket) = bucket else { return Ok(()) };
    bucket.lock().unwrap_or_else(PoisonError::into_inner).take(n)
}

fn read_tokens(path: &std::path::Path) -> Result<Vec<[u8; 32]>, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(TOKENS_BYTES_MAX).read_to_string(&mut text).map_err(|e| e.to_string())?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let lines = lines.enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(at, line)| from_hex(line).ok_or_else(|| not_a_hash(at + 1))).collect()
}

fn not_a_hash(line: usize) -> String {
    format!("line {line} is no SHA-256 in hexadecimal: make one with `printf %s TOKEN | sha256sum`")
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    // What sha256sum writes behind it is the name of a file.
    let text = text.split_whitespace().next()?;
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut hash = [0; 32];
    if pairs.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_fills_with_time() {
        let mut bucket = Bucket::new(10).into_inner().unwrap();
        assert_eq!(bucket.take(4), Ok(()));
        // More than is there is given once, and then there is nothing until it is filled again.
        assert_eq!(bucket.take(16), Ok(()));
        assert_eq!(bucket.take(1), Err(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_millis(1100)).await;
        assert_eq!(bucket.take(1), Ok(()));
    }

    #[test]
    fn hashes_are_read_as_sha256sum_writes_them() {
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -";
        let expect: [u8; 32] = Sha256::digest(b"abc").into();
        assert_eq!(from_hex(hash), Some(expect));
        assert_eq!(from_hex("ba78"), None);
    }
}
