//! The wall clock: the one place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time in milliseconds since the epoch. Tests put another one in its place.
pub type Clock = fn() -> i64;

/// The time of the system.
#[expect(clippy::disallowed_methods, reason = "this is the place where the wall clock enters")]
pub fn system_time_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
