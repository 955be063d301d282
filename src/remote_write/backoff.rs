//! How long to wait before trying again.

use std::time::Duration;

/// The largest deviation, in thousandths: a later wait is never much shorter than an earlier one.
const JITTER: u64 = 100;

/// Waits that double from a first to a longest one, each a little longer or shorter.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self { next: min.min(max), max }
    }

    /// The next wait. What the other side asked for comes in place of our own, and half of what
    /// comes after it, as in Prometheus.
    pub(super) fn next(&mut self, asked: Option<Duration>, random: u64) -> Duration {
        if let Some(asked) = asked {
            self.next = (asked * 2).min(self.max);
            return asked;
        }
        let base = self.next;
        self.next = (base * 2).min(self.max);
        let thousandths = 1000 - JITTER + random % (2 * JITTER + 1);
        let micros = u64::try_from(base.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros.saturating_mul(thousandths) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_with_little_jitter() {
        let (min, max) = (Duration::from_millis(30), Duration::from_secs(5));
        for random in [0, 100, 200, 7_777_777] {
            let mut backoff = Backoff::new(min, max);
            let waits: Vec<_> = (0..12).map(|at| backoff.next(None, random * at)).collect();
            for pair in waits.windows(2) {
                assert!(pair[1] >= pair[0].mul_f64(0.8), "{waits:?}");
            }
            assert!(waits[0] >= min.mul_f64(0.9) && waits[0] <= min.mul_f64(1.1));
            assert!(waits[11] >= max.mul_f64(0.9) && waits[11] <= max.mul_f64(1.1));
        }
    }

    #[test]
    fn what_is_asked_for_is_done() {
        let mut backoff = Backoff::new(Duration::from_millis(30), Duration::from_secs(5));
        assert_eq!(backoff.next(Some(Duration::from_secs(1)), 0), Duration::from_secs(1));
        assert_eq!(backoff.next(None, 100), Duration::from_secs(2));
        assert_eq!(backoff.next(Some(Duration::from_mins(2)), 0), Duration::from_mins(2));
        assert_eq!(backoff.next(None, 100), Duration::from_secs(5));
    }
}
