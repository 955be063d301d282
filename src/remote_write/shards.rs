//! How many requests at the same time the load asks for: Prometheus' rule.

use std::time::Duration;

/// How often it is decided anew.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);
/// A smaller change is none.
const TOLERANCE: f64 = 0.3;
/// Weight of the newest interval in the averages.
const WEIGHT: f64 = 0.2;
/// Which part of what waits is to be sent each second beyond what comes.
const CATCH_UP: f64 = 0.05;

/// What happened in an interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interval {
    /// Samples that were appended.
    pub(super) n_in: f64,
    /// Samples that were sent.
    pub(super) n_out: f64,
    /// Seconds all requests took together.
    pub(super) busy_seconds: f64,
    /// How long the interval was, in seconds.
    pub(super) seconds: f64,
    /// Samples that wait now.
    pub(super) n_pending: f64,
    /// Whether a request failed and was tried again: more of them would not help then.
    pub(super) has_failed: bool,
}

/// Averages so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Load {
    rate_in: Option<f64>,
    rate_out: Option<f64>,
    busy: Option<f64>,
    /// What the load asked for last.
    pub(super) desired: f64,
}

impl Load {
    /// The number of shards from now on, which are `n` now.
    pub(super) fn decide(&mut self, now: Interval, n: usize, min: usize, max: usize) -> usize {
        let seconds = now.seconds.max(0.001);
        let rate_in = average(&mut self.rate_in, now.n_in / seconds);
        let rate_out = average(&mut self.rate_out, now.n_out / seconds);
        let busy = average(&mut self.busy, now.busy_seconds / seconds);
        if rate_out <= 0.0 || now.has_failed {
            return n;
        }
        let seconds_per_sample = busy / rate_out;
        self.desired = seconds_per_sample * (rate_in + CATCH_UP * now.n_pending);
        let has_n = to_f64(n);
        let is_about_the_same =
            self.desired >= has_n * (1.0 - TOLERANCE) && self.desired <= has_n * (1.0 + TOLERANCE);
        if is_about_the_same {
            return n;
        }
        to_usize(self.desired.ceil()).clamp(min, max.max(min))
    }
}

fn average(so_far: &mut Option<f64>, now: f64) -> f64 {
    let average = so_far.map_or(now, |before| WEIGHT * now + (1.0 - WEIGHT) * before);
    *so_far = Some(average);
    average
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn to_f64(n: usize) -> f64 {
    n as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn to_usize(n: f64) -> usize {
    n as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: Interval = Interval {
        n_in: 10_000.0,
        n_out: 10_000.0,
        busy_seconds: 5.0,
        seconds: 10.0,
        n_pending: 0.0,
        has_failed: false,
    };

    #[test]
    fn it_grows_under_load_only() {
        let mut load = Load::default();
        assert_eq!(load.decide(EVEN, 1, 1, 50), 1);
        let slow = Interval { n_in: 80_000.0, n_out: 20_000.0, busy_seconds: 10.0, ..EVEN };
        let mut n = 1;
        for _ in 0..20 {
            n = load.decide(slow, n, 1, 50);
        }
        assert!((3..=5).contains(&n), "{n}");
        let backlog = Interval { n_pending: 1_000_000.0, ..slow };
        assert_eq!(load.decide(backlog, n, 1, 20), 20);
        for _ in 0..40 {
            n = load.decide(EVEN, n, 1, 50);
        }
        assert_eq!(n, 1);
    }

    #[test]
    fn a_destination_that_fails_is_not_pressed() {
        let mut load = Load::default();
        let failing = Interval { n_pending: 1e9, has_failed: true, ..EVEN };
        assert_eq!(load.decide(failing, 2, 1, 50), 2);
        let nothing = Interval { n_out: 0.0, n_pending: 1e9, ..EVEN };
        assert_eq!(Load::default().decide(nothing, 2, 1, 50), 2);
    }
}
