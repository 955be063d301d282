//! Users and their passwords, checked without a flood of wrong ones costing more than a share of a
//! core.
//!
//! bcrypt is slow on purpose. So it runs off the worker threads, one check at a time; after one
//! that failed nothing is checked for three times as long as it took; few requests wait for their
//! turn, and others are turned away at once. What was found is remembered, good and bad apart: who
//! is right is not displaced by who is wrong, and is answered without a check.
//!
//! Remembered is a keyed fingerprint of name, hash and password, never the password.

use crate::http::web::User;
use siphasher::sip128::Hasher128 as _;
use siphasher::sip128::SipHasher24;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Requests that may wait for their password to be checked.
const WAITING_MAX: usize = 16;
/// Right credentials to remember; more than there are users with one password each.
const RIGHT_MAX: usize = 256;
/// Wrong credentials to remember.
const WRONG_MAX: usize = 1024;
/// After a check that failed there is none for this many times as long as it took.
const REST_FACTOR: u32 = 3;
/// What a hash costs where nobody has one to compare with; the usual.
const COST_DEFAULT: u32 = 10;
/// The costs bcrypt knows.
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;
/// Salt and digest of no known password.
const NOBODY: &str = "QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// Who may ask.
#[derive(Debug, Default)]
pub struct Users {
    hashes: HashMap<String, String>,
    /// What the password of somebody unknown is compared with, so that it takes as long.
    decoy: String,
}

impl Users {
    /// These, each with a name of its own.
    pub fn new(users: Vec<User>) -> Self {
        let cost = users.iter().filter_map(|user| cost_of(&user.hash)).max();
        let decoy = format!("$2b${:02}${NOBODY}", cost.unwrap_or(COST_DEFAULT));
        Self { hashes: users.into_iter().map(|user| (user.name, user.hash)).collect(), decoy }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// The cost of a bcrypt hash; `None` if the text is none that can be compared with.
pub(super) fn cost_of(hash: &str) -> Option<u32> {
    let rest = hash.strip_prefix("$2")?;
    let (version, rest) = rest.split_once('$')?;
    let (cost, rest) = rest.split_once('$')?;
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    let is_known = ["a", "b", "x", "y"].contains(&version);
    let has_digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost = cost.parse().ok().filter(|cost| COSTS.contains(cost))?;
    (is_known && has_digits && rest.len() == NOBODY.len() && rest.bytes().all(is_base64))
        .then_some(cost)
}

/// What came of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// User and password belong together.
    Right,
    /// They do not, or nobody has that name.
    Wrong,
    /// Too many wait for theirs.
    Busy,
}

/// Checks passwords, and remembers what came of it.
#[derive(Debug)]
pub struct Checks {
    key: [u64; 2],
    known: Mutex<Known>,
    waiting: Semaphore,
    turn: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Known {
    right: Recent,
    wrong: Recent,
}

impl Checks {
    /// `key` makes fingerprints nobody can foresee.
    pub fn new(key: [u64; 2]) -> Self {
        Self {
            key,
            known: Mutex::default(),
            waiting: Semaphore::new(WAITING_MAX),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Whether a password is that of a user.
    pub async fn check(self: &Arc<Self>, users: &Users, name: &str, password: Vec<u8>) -> Verdict {
        let hash = users.hashes.get(name);
        let is_user = hash.is_some();
        let hash = hash.unwrap_or(&users.decoy);
        let digest = self.digest(name, hash, &password);
        if let Some(verdict) = self.remembered(digest) {
            return verdict;
        }
        let Ok(_place) = self.waiting.try_acquire() else { return Verdict::Busy };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Verdict::Busy };
        // Who waited for the same may have it by now.
        if let Some(verdict) = self.remembered(digest) {
            return verdict;
        }
        let (checks, hash) = (Arc::clone(self), hash.clone());
        // Goes on if the client goes away, and holds the turn for as long.
        let checked = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let is_right = bcrypt::verify(password, &hash).unwrap_or(false) && is_user;
            checks.remember(digest, is_right);
            (is_right, began, turn)
        });
        match checked.await {
            Ok((true, ..)) => Verdict::Right,
            Ok((false, began, turn)) => {
                rest(began, turn);
                Verdict::Wrong
            }
            Err(_) => Verdict::Wrong,
        }
    }

    fn digest(&self, name: &str, hash: &str, password: &[u8]) -> u128 {
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        for part in [name.as_bytes(), hash.as_bytes(), password] {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    fn remembered(&self, digest: u128) -> Option<Verdict> {
        let known = self.known();
        if known.right.has(digest) {
            Some(Verdict::Right)
        } else if known.wrong.has(digest) {
            Some(Verdict::Wrong)
        } else {
            None
        }
    }

    fn remember(&self, digest: u128, is_right: bool) {
        let mut known = self.known();
        if is_right {
            known.right.add(digest, RIGHT_MAX);
        } else {
            known.wrong.add(digest, WRONG_MAX);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hold the turn for a while after a check that failed.
fn rest(began: Instant, turn: OwnedSemaphorePermit) {
    let pause = began.elapsed() * REST_FACTOR;
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        drop(turn);
    });
}

/// The last few of many; the oldest goes first.
#[derive(Debug, Default)]
struct Recent {
    members: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Recent {
    fn has(&self, member: u128) -> bool {
        self.members.contains(&member)
    }

    fn add(&mut self, member: u128, max: usize) {
        if !self.members.insert(member) {
            return;
        }
        self.order.push_back(member);
        if self.order.len() > max
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(password: &str) -> Users {
        let hash = bcrypt::hash(password, 4).unwrap();
        Users::new(vec![User { name: "alice".to_owned(), hash }])
    }

    #[test]
    fn hashes_are_told_from_other_texts() {
        let hash = format!("$2y$10${NOBODY}");
        for (text, cost) in [
            (hash.as_str(), Some(10)),
            (&hash.replace("2y", "2a"), Some(10)),
            (&hash.replace("$10$", "$31$"), Some(31)),
            (&hash.replace("$10$", "$32$"), None),
            (&hash.replace("$10$", "$03$"), None),
            (&hash.replace("$10$", "$+9$"), None),
            (&hash.replace("2y", "1y"), None),
            (&hash.replace("2y", "2"), None),
            (hash.get(..59).unwrap(), None),
            ("", None),
            ("secret", None),
        ] {
            assert_eq!(cost_of(text), cost, "{text}");
        }
    }

    #[tokio::test]
    async fn passwords_are_checked_once() {
        let (checks, users) = (Arc::new(Checks::new([1, 2])), users("s3cret"));
        let ask = async |name: &str, password: &str| {
            checks.check(&users, name, password.as_bytes().to_vec()).await
        };
        assert_eq!(ask("alice", "s3cret").await, Verdict::Right);
        assert_eq!(ask("alice", "wrong").await, Verdict::Wrong);
        assert_eq!(ask("nobody", "s3cret").await, Verdict::Wrong);
        // All turns are taken, and what is known needs none.
        checks.turn.forget_permits(1);
        assert_eq!(ask("alice", "s3cret").await, Verdict::Right);
        assert_eq!(ask("alice", "wrong").await, Verdict::Wrong);
        assert_eq!(ask("nobody", "s3cret").await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_changed_hash_is_another_password() {
        let checks = Arc::new(Checks::new([1, 2]));
        let password = b"s3cret".to_vec();
        assert_eq!(checks.check(&users("s3cret"), "alice", password.clone()).await, Verdict::Right);
        assert_eq!(checks.check(&users("other"), "alice", password).await, Verdict::Wrong);
    }

    /// While wrong passwords come in masses, each new one is checked in its turn or turned away,
    /// and who is known to be right does not notice.
    #[tokio::test]
    async fn a_flood_is_turned_away() {
        let (checks, users) = (Arc::new(Checks::new([1, 2])), Arc::new(users("s3cret")));
        let right = checks.check(&users, "alice", b"s3cret".to_vec()).await;
        assert_eq!(right, Verdict::Right);
        let held = Arc::clone(&checks.turn).acquire_owned().await.unwrap();
        let mut floods = Vec::new();
        for n in 0..WAITING_MAX {
            let (checks, users) = (Arc::clone(&checks), Arc::clone(&users));
            floods.push(tokio::spawn(async move {
                checks.check(&users, "alice", format!("wrong {n}").into_bytes()).await
            }));
        }
        while checks.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(checks.check(&users, "alice", b"more".to_vec()).await, Verdict::Busy);
        assert_eq!(checks.check(&users, "alice", b"s3cret".to_vec()).await, Verdict::Right);
        drop(held);
        for flood in floods {
            assert_eq!(flood.await.unwrap(), Verdict::Wrong);
        }
        assert_eq!(checks.waiting.available_permits(), WAITING_MAX);
    }

    #[test]
    fn only_the_last_are_remembered() {
        let mut recent = Recent::default();
        for member in [1, 2, 2, 3, 4] {
            recent.add(member, 3);
        }
        assert_eq!([1, 2, 3, 4].map(|member| recent.has(member)), [false, true, true, true]);
        assert_eq!((recent.members.len(), recent.order.len()), (3, 3));
    }
}
