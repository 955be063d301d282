//! What is known of a group's samples in one window.

use std::collections::BTreeMap;

/// Width of the steps by which samples are told apart for quantiles.
const STEP: f64 = 1.02;
/// Steps that are kept for a group; beyond them the values nearest to 0 become one.
const STEPS_MAX: usize = 1024;

/// The samples of one group in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Window {
    pub(super) n: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) last: f64,
    pub(super) last_ms: i64,
    /// What counters grew by.
    pub(super) increase: f64,
    /// What only some outputs need.
    pub(super) more: Option<Box<More>>,
}

/// What `histogram_bucket` and `quantiles` need.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct More {
    /// Samples in each bucket, the one without bound last.
    pub(super) buckets: Vec<u64>,
    pub(super) sketch: Sketch,
}

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.n == 0 && self.increase == 0.0
    }

    /// Take a sample that is a number.
    pub(super) fn add(&mut self, value: f64, timestamp_ms: i64) {
        if self.n == 0 {
            (self.min, self.max, self.sum) = (value, value, 0.0);
            self.last_ms = i64::MIN;
        }
        self.n += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let is_newer = timestamp_ms > self.last_ms
            // Whatever order they come in, the same one wins.
            || timestamp_ms == self.last_ms && value > self.last;
        if is_newer {
            (self.last, self.last_ms) = (value, timestamp_ms);
        }
    }

    /// Take it for buckets (with these bounds) and for quantiles.
    pub(super) fn add_more(&mut self, value: f64, bounds: Option<&[f64]>, has_quantiles: bool) {
        let more = self.more.get_or_insert_default();
        if let Some(bounds) = bounds {
            more.buckets.resize(bounds.len() + 1, 0);
            let at = bounds.partition_point(|bound| *bound < value);
            if let Some(n) = more.buckets.get_mut(at) {
                *n += 1;
            }
        }
        if has_quantiles {
            more.sketch.add(value);
        }
    }
}

/// Counts of values by steps of 2 %, so that a quantile is off by 1 % at most.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sketch {
    /// By step; see [`step_of`].
    pub(super) counts: BTreeMap<i32, u64>,
}

/// The step of a value: 0 around 0, further out the larger the value, negative below 0.
fn step_of(value: f64) -> i32 {
    // The least normal double is step 1.
    let size = (value.abs().ln() - f64::MIN_POSITIVE.ln()) / STEP.ln();
    if size < 0.0 || value == 0.0 {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 100,000, or infinite")]
    let step = size.min(1e5).ceil() as i32 + 1;
    if value < 0.0 { -step } else { step }
}

/// A value in the middle of a step.
fn value_of(step: i32) -> f64 {
    if step == 0 {
        return 0.0;
    }
    if step.abs() >= 100_000 {
        return f64::INFINITY.copysign(f64::from(step));
    }
    let log_of_top = f64::MIN_POSITIVE.ln() + f64::from(step.abs() - 1) * STEP.ln();
    let middle = log_of_top.exp() * 2.0 / (1.0 + STEP);
    middle.min(f64::MAX).copysign(f64::from(step))
}

impl Sketch {
    fn add(&mut self, value: f64) {
        *self.counts.entry(step_of(value)).or_default() += 1;
        if self.counts.len() > STEPS_MAX {
            self.merge_nearest_to_0();
        }
    }

    /// Make one of the two steps nearest to 0 on the side with more of them.
    fn merge_nearest_to_0(&mut self) {
        let n_positive = self.counts.range(1..).count();
        let is_positive = n_positive * 2 >= self.counts.len();
        let nearest: Vec<_> = if is_positive {
            self.counts.range(1..).take(2).map(|(step, n)| (*step, *n)).collect()
        } else {
            self.counts.range(..0).rev().take(2).map(|(step, n)| (*step, *n)).collect()
        };
        if let [(step, n), (next, _)] = nearest[..] {
            self.counts.remove(&step);
            *self.counts.entry(next).or_default() += n;
        }
    }

    /// The value below which a part of all lies; `None` if there is none.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let n: u64 = self.counts.values().sum();
        let last = n.checked_sub(1)?;
        #[expect(clippy::cast_precision_loss, reason = "a rank need not be exact")]
        let rank = q.clamp(0.0, 1.0) * last as f64;
        let mut n_below = 0;
        for (step, n) in &self.counts {
            n_below += n;
            #[expect(clippy::cast_precision_loss, reason = "a rank need not be exact")]
            if n_below as f64 > rank {
                return Some(value_of(*step));
            }
        }
        self.counts.last_key_value().map(|(step, _)| value_of(*step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A quantile is within 1 % of the value that has its rank.
        #[test]
        fn quantiles_are_near(
            values in proptest::collection::vec(-1e6_f64..1e6, 1..200),
            q in 0.0_f64..=1.0,
        ) {
            let mut sketch = Sketch::default();
            for value in &values {
                sketch.add(*value);
            }
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index"
            )]
            let exact = sorted[(q * (sorted.len() - 1) as f64).floor() as usize];
            let found = sketch.quantile(q).unwrap();
            prop_assert!((found - exact).abs() <= exact.abs() * 0.0101 + 1e-300, "{found} {exact}");
        }
    }

    #[test]
    fn odd_values_have_quantiles_too() {
        let of = |values: &[f64], q: f64| {
            let mut sketch = Sketch::default();
            for value in values {
                sketch.add(*value);
            }
            sketch.quantile(q)
        };
        assert_eq!(of(&[], 0.5), None);
        assert_eq!(of(&[0.0, -0.0], 0.5), Some(0.0));
        assert_eq!(of(&[f64::INFINITY, f64::NEG_INFINITY], 0.0), Some(f64::NEG_INFINITY));
        assert_eq!(of(&[f64::INFINITY, f64::NEG_INFINITY], 1.0), Some(f64::INFINITY));
        assert!(of(&[f64::MAX], 0.5).is_some_and(|v| v > 1e308));
    }

    #[test]
    fn memory_is_bounded() {
        let mut sketch = Sketch::default();
        for exponent in -300..300 {
            for part in 1..10 {
                let value = f64::from(part) * 10_f64.powi(exponent);
                sketch.add(value);
                sketch.add(-value);
            }
        }
        assert!(sketch.counts.len() <= STEPS_MAX);
        assert!(sketch.quantile(1.0).is_some_and(|v| v > 8.9e299));
        assert!(sketch.quantile(0.0).is_some_and(|v| v < -8.9e299));
    }

    #[test]
    fn windows_do_not_depend_on_the_order_of_samples() {
        let samples = [(3.0, 30), (1.0, 10), (7.0, 30), (2.0, 20)];
        let mut orders = [samples, samples];
        orders[1].reverse();
        let [a, b] = orders.map(|samples| {
            let mut window = Window::default();
            for (value, timestamp_ms) in samples {
                window.add(value, timestamp_ms);
                window.add_more(value, Some(&[1.0, 2.5]), true);
            }
            window
        });
        assert_eq!(a, b);
        assert_eq!((a.n, a.sum, a.min, a.max, a.last), (4, 13.0, 1.0, 7.0, 7.0));
        assert_eq!(a.more.unwrap().buckets, [1, 1, 2]);
    }
}
