//! Which instant a generator shows: now, another one, or a time that runs faster.

use crate::app::clock::Clock;

/// How the time of the generator follows that of the system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeControl {
    /// Always this instant.
    pub at_ms: Option<i64>,
    /// The instant at which time starts to run; by default now.
    pub start_ms: Option<i64>,
    /// The instant at which it is over.
    pub end_ms: Option<i64>,
    /// How many seconds pass in one.
    pub speed: f64,
    /// By how much an instant may be off; 0 for not at all.
    pub jitter_ms: i64,
}

impl Default for TimeControl {
    fn default() -> Self {
        Self { at_ms: None, start_ms: None, end_ms: None, speed: 1.0, jitter_ms: 0 }
    }
}

impl TimeControl {
    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<&'static str> {
        if self.at_ms.is_some() && (self.start_ms.is_some() || self.end_ms.is_some()) {
            return Some("--at is one instant: it goes with neither --start nor --end");
        }
        match (self.start_ms, self.end_ms) {
            (Some(start), Some(end)) if end < start => Some("--end is before --start"),
            _ if !(self.speed.is_finite() && self.speed > 0.0) => {
                Some("--speed is a number above 0")
            }
            _ => None,
        }
    }
}

/// The running time of a generator.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    control: TimeControl,
    clock: Clock,
    launched_ms: i64,
    seed: u64,
}

impl Time {
    /// Time that starts to run now.
    pub fn new(control: TimeControl, clock: Clock, seed: u64) -> Self {
        Self { control, clock, launched_ms: clock(), seed }
    }

    /// The instant to show.
    pub fn now_ms(&self) -> i64 {
        let now_ms = self.running_ms();
        self.control.end_ms.map_or(now_ms, |end_ms| now_ms.min(end_ms))
    }

    fn running_ms(&self) -> i64 {
        if let Some(at_ms) = self.control.at_ms {
            return at_ms;
        }
        let passed = (self.clock)().saturating_sub(self.launched_ms);
        let start_ms = self.control.start_ms.unwrap_or(self.launched_ms);
        start_ms.saturating_add(scaled(passed, self.control.speed))
    }

    /// The instant whose values a scrape shows: now, but for the jitter.
    ///
    /// It depends on now alone and never goes back, so counters do not fall.
    pub fn scraped_ms(&self) -> i64 {
        let (now_ms, cell_ms) = (self.now_ms(), self.control.jitter_ms);
        if cell_ms <= 1 {
            return now_ms;
        }
        let cell = now_ms.div_euclid(cell_ms);
        let bits = crate::generate::hash::mix(self.seed, cell.cast_unsigned());
        #[expect(clippy::cast_possible_truncation, reason = "less than the jitter")]
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a jitter")]
        let offset = (crate::generate::hash::unit(bits) * cell_ms as f64) as i64;
        cell * cell_ms + offset
    }

    /// How long, in time of the system, until it is over; `None` if that never is.
    pub fn left_ms(&self) -> Option<u64> {
        let left = self.control.end_ms?.saturating_sub(self.running_ms());
        Some(u64::try_from(scaled(left, 1.0 / self.control.speed)).unwrap_or(0))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is wanted")]
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a process' life")]
#[expect(clippy::float_cmp, reason = "asks whether it is the number 1 that was given")]
fn scaled(ms: i64, factor: f64) -> i64 {
    if factor == 1.0 { ms } else { (ms as f64 * factor).round() as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(control: TimeControl, clock: Clock) -> Time {
        Time { control, clock, launched_ms: 1_000_000, seed: 7 }
    }

    #[test]
    fn time_runs_as_it_is_told() {
        let control = TimeControl::default();
        assert_eq!(time(control, || 1_010_000).now_ms(), 1_010_000);
        let faster = TimeControl { start_ms: Some(0), speed: 60.0, ..control };
        assert_eq!(time(faster, || 1_010_000).now_ms(), 600_000);
        let ending = TimeControl { end_ms: Some(300_000), ..faster };
        assert_eq!(time(ending, || 1_010_000).now_ms(), 300_000);
        assert_eq!(time(ending, || 1_002_000).left_ms(), Some(3000));
        assert_eq!(time(ending, || 1_010_000).left_ms(), Some(0));
        let frozen = TimeControl { at_ms: Some(5), ..control };
        assert_eq!(time(frozen, || 1_010_000).now_ms(), 5);
    }

    #[test]
    fn jitter_is_bounded_and_never_goes_back() {
        let clock: [Clock; 5] =
            [|| 1_000_000, || 1_000_400, || 1_000_999, || 1_001_000, || 1_002_500];
        let control = TimeControl { jitter_ms: 1000, ..TimeControl::default() };
        let shown: Vec<i64> = clock.map(|clock| time(control, clock).scraped_ms()).to_vec();
        assert!(shown.is_sorted(), "{shown:?}");
        for (shown, clock) in shown.iter().zip(clock) {
            assert!((shown - clock()).abs() < 1000);
        }
        assert_ne!(shown[0], shown[3]);
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let control = TimeControl::default();
        assert_eq!(control.problem(), None);
        for wrong in [
            TimeControl { at_ms: Some(1), start_ms: Some(1), ..control },
            TimeControl { start_ms: Some(2), end_ms: Some(1), ..control },
            TimeControl { speed: 0.0, ..control },
            TimeControl { speed: f64::NAN, ..control },
            TimeControl { speed: f64::INFINITY, ..control },
        ] {
            assert!(wrong.problem().is_some(), "{wrong:?}");
        }
    }
}
