//! When a counter begins again.

use crate::generate::hash;
use crate::generate::spec::ResetSpec;
use crate::generate::spec::SpecError;

const HOUR_MS: i64 = 3_600_000;
/// Blocks of hours looked through for the last random reset. Each holds one with a probability
/// above 0.63, so that this many in a row without one come up once in 10^27 questions; such a
/// series counts from the start.
const N_BLOCKS_MAX: i64 = 64;
/// Tells these draws from others of the same series.
const SALT: u64 = 0x7265_7365_7473;

/// Resets, checked.
#[derive(Clone, Debug)]
pub(super) struct Resets {
    start_ms: i64,
    /// Ascending, after the start.
    at_ms: Vec<i64>,
    every_ms: Vec<i64>,
    random: Vec<PerHour>,
}

/// A reset in each hour with a probability, at a moment of that hour.
///
/// Hours are drawn in blocks of `1 / probability` of them, from one reset to the next by geometric
/// gaps, which makes hours independent as if each had been drawn on its own, but takes about one
/// draw a block.
#[derive(Clone, Copy, Debug)]
struct PerHour {
    probability: f64,
    hours_a_block: i64,
    salt: u64,
}

impl Resets {
    pub(super) fn new(specs: &[ResetSpec], start_ms: i64) -> Result<Self, Vec<SpecError>> {
        let mut resets =
            Self { start_ms, at_ms: Vec::new(), every_ms: Vec::new(), random: Vec::new() };
        let mut errors = Vec::new();
        for (i, spec) in specs.iter().enumerate() {
            let mut refuse = |key: &str, message: String| {
                errors.push(SpecError::new(&format!("resets[{i}].{key}"), message));
            };
            match *spec {
                ResetSpec::At(at_ms) => resets.at_ms.push(at_ms),
                ResetSpec::Every(every_ms) if every_ms > 0 => resets.every_ms.push(every_ms),
                ResetSpec::Every(_) => refuse("every", "has to be above 0".to_owned()),
                ResetSpec::PerHour(0.0) => {}
                ResetSpec::PerHour(probability) if probability > 0.0 && probability <= 1.0 => {
                    resets.random.push(PerHour::new(probability, SALT + i as u64));
                }
                ResetSpec::PerHour(probability) => {
                    refuse("per_hour", format!("{probability} is not from 0 to 1"));
                }
            }
        }
        resets.at_ms.retain(|at_ms| *at_ms > start_ms);
        resets.at_ms.sort_unstable();
        if errors.is_empty() { Ok(resets) } else { Err(errors) }
    }

    pub(super) fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// Whether series differ.
    pub(super) fn is_random(&self) -> bool {
        !self.random.is_empty()
    }

    /// The last one up to a time, or the start.
    pub(super) fn last(&self, key: u64, time_ms: i64) -> i64 {
        let since_start = time_ms.saturating_sub(self.start_ms).max(0);
        let n_past = self.at_ms.partition_point(|at_ms| *at_ms <= time_ms);
        let fixed = n_past.checked_sub(1).map(|i| self.at_ms[i]);
        let regular = self.every_ms.iter().map(|every| since_start - since_start % every);
        let random = self.random.iter().filter_map(|random| random.last(key, since_start));
        let last = regular.chain(random).max().unwrap_or(0);
        self.start_ms.saturating_add(last).max(fixed.unwrap_or(self.start_ms))
    }
}

impl PerHour {
    fn new(probability: f64, salt: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "saturates, which is as good as never")]
        let hours_a_block = (1.0 / probability).ceil() as i64;
        Self { probability, hours_a_block: hours_a_block.min(i64::MAX / HOUR_MS / 2), salt }
    }

    /// Milliseconds since the start of the last reset up to `u`.
    fn last(self, key: u64, u: i64) -> Option<i64> {
        let key = hash::mix(key, self.salt);
        let block_ms = self.hours_a_block * HOUR_MS;
        let block = u / block_ms;
        let mut blocks = (0..N_BLOCKS_MAX.min(block + 1)).map(|back| block - back);
        blocks.find_map(|block| self.last_of_block(key, block, u))
    }

    fn last_of_block(self, key: u64, block: i64, u: i64) -> Option<i64> {
        let key = hash::mix(key, block.cast_unsigned());
        let begin = block * self.hours_a_block;
        let mut last = None;
        let mut hour: i64 = -1;
        // At most one an hour, and about one in all.
        for draw in 0..self.hours_a_block.cast_unsigned() {
            hour = hour.saturating_add(self.gap(hash::unit(hash::mix(key, 2 * draw))));
            let moment = hash::below(hash::mix(key, 2 * draw + 1), HOUR_MS.cast_unsigned());
            if hour >= self.hours_a_block {
                break;
            }
            let at = (begin + hour) * HOUR_MS + moment.cast_signed();
            // Resets of later hours are later, whatever the moment.
            if at > u {
                break;
            }
            last = Some(at);
        }
        last
    }

    /// Hours to the next reset, at least 1.
    #[expect(clippy::cast_possible_truncation, reason = "saturates beyond every block")]
    fn gap(self, unit: f64) -> i64 {
        if self.probability >= 1.0 {
            return 1;
        }
        1_i64.saturating_add((libm::log1p(-unit) / libm::log1p(-self.probability)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn resets(specs: &[ResetSpec]) -> Resets {
        Resets::new(specs, 1000).unwrap()
    }

    #[test]
    fn the_latest_of_all_counts() {
        let resets = resets(&[
            ResetSpec::At(5000),
            ResetSpec::At(500),
            ResetSpec::At(2500),
            ResetSpec::Every(3000),
        ]);
        let found: Vec<i64> =
            [0, 1000, 2499, 2500, 4000, 5000, 7000].iter().map(|t| resets.last(1, *t)).collect();
        assert_eq!(found, [1000, 1000, 1000, 2500, 4000, 5000, 7000]);
    }

    #[test]
    fn random_resets_come_as_often_as_asked_and_are_found_from_anywhere() {
        for probability in [0.9, 0.25, 0.01] {
            let resets = resets(&[ResetSpec::PerHour(probability)]);
            let n_hours = 20_000_i64;
            let mut seen = std::collections::BTreeSet::new();
            for hour in 0..n_hours {
                let now = 1000 + (hour + 1) * HOUR_MS - 1;
                let last = resets.last(5, now);
                assert!(last <= now && last >= 1000);
                seen.insert(last);
                // No other is found between.
                assert_eq!(resets.last(5, last), last);
                assert_eq!(resets.last(5, i64::midpoint(last, now)), last);
                if last > 1000 {
                    assert!(resets.last(5, last - 1) < last);
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            let share = seen.len() as f64 / n_hours as f64;
            assert!((share / probability - 1.0).abs() < 0.15, "{share} for {probability}");
        }
    }

    #[test]
    fn rare_ones_take_no_longer() {
        let resets = resets(&[ResetSpec::PerHour(1e-12), ResetSpec::PerHour(f64::MIN_POSITIVE)]);
        assert!(resets.last(3, i64::MAX) >= 1000);
        assert!(Resets::new(&[ResetSpec::PerHour(0.0)], 0).is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        let specs = [ResetSpec::Every(0), ResetSpec::PerHour(f64::NAN), ResetSpec::PerHour(1.5)];
        let errors = Resets::new(&specs, 0).unwrap_err();
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let expected = [
            "resets[0].every: has to be above 0",
            "resets[1].per_hour: NaN is not from 0 to 1",
            "resets[2].per_hour: 1.5 is not from 0 to 1",
        ];
        assert_eq!(said, expected);
    }
}
