//! Sums that do not depend on the order of what is added: the exact sum, rounded once.
//!
//! A sum is kept as two doubles, `high + low`, by Knuth's and Møller's `TwoSum`. As long as every
//! error term could be added to `low` without rounding, the pair *is* the exact sum, and rounding
//! it gives the same double in whatever order the values came. That holds for practically every
//! real sum, and always for integers. Where `low` had to be rounded once, the slot is marked and
//! summed again by [`exact_sum`], from all its values.

/// The error made by `sum = a + b` in doubles, exactly (`TwoSum`).
#[inline]
fn rounding_error(a: f64, b: f64, sum: f64) -> f64 {
    let b_part = sum - a;
    (a - (sum - b_part)) + (b - b_part)
}

/// A running sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PairSum {
    high: f64,
    low: f64,
}

impl PairSum {
    /// A sum of one value.
    #[inline]
    pub fn of(value: f64) -> Self {
        Self { high: value, low: 0.0 }
    }

    /// Add a value. `false`: the pair is no longer exact, see [`exact_sum`].
    #[inline]
    #[must_use]
    pub fn add(&mut self, value: f64) -> bool {
        let sum = self.high + value;
        let error = rounding_error(self.high, value, sum);
        if error == 0.0 {
            self.high = sum;
            return true;
        }
        self.add_inexact(value, sum, error)
    }

    fn add_inexact(&mut self, value: f64, sum: f64, error: f64) -> bool {
        if !sum.is_finite() {
            // An infinity or a NaN among the values decides the sum in any order; two finite
            // values that add up to an infinity do not.
            let overflow = self.high.is_finite() && value.is_finite();
            *self = Self::of(sum);
            return !overflow;
        }
        let low = self.low + error;
        let exact = rounding_error(self.low, error, low) == 0.0;
        *self = Self { high: sum, low };
        exact
    }

    /// The sum, rounded.
    #[inline]
    pub fn value(self) -> f64 {
        if self.low == 0.0 { self.high } else { self.high + self.low }
    }
}

/// The exact sum of finite and other values, rounded once (Shewchuk's growing expansion).
///
/// The values are sorted, so that even where intermediate results overflow the answer depends on
/// the values alone. Time: the number of values × the parts of the sum, of which there are few.
pub fn exact_sum(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    if values.iter().all(|value| value.is_finite()) {
        let mut parts: Vec<f64> = Vec::new();
        for &value in values.iter() {
            grow(&mut parts, value);
        }
        let sum = round(&parts);
        if sum.is_finite() {
            return sum;
        }
    }
    values.iter().sum()
}

/// Add `value` to an expansion whose parts do not overlap, smallest first.
fn grow(parts: &mut Vec<f64>, value: f64) {
    let mut carry = value;
    let mut kept = 0;
    for at in 0..parts.len() {
        let sum = carry + parts[at];
        let error = rounding_error(carry, parts[at], sum);
        if error != 0.0 {
            parts[kept] = error;
            kept += 1;
        }
        carry = sum;
    }
    parts.truncate(kept);
    parts.push(carry);
}

/// Round an expansion to the nearest double, ties to even over all its parts.
#[expect(clippy::float_cmp, reason = "asks whether an operation was exact")]
fn round(parts: &[f64]) -> f64 {
    let mut rest = parts.iter().rev().copied();
    let Some(mut high) = rest.next() else { return 0.0 };
    let mut low = 0.0;
    for part in rest.by_ref() {
        let sum = high + part;
        low = rounding_error(high, part, sum);
        high = sum;
        if low != 0.0 {
            break;
        }
    }
    // What lies below a tie decides it: if it has the sign of `low`, the tie is no tie.
    if let Some(next) = rest.next()
        && low != 0.0
        && (low < 0.0) == (next < 0.0)
    {
        let doubled = low * 2.0;
        let sum = high + doubled;
        if rounding_error(high, doubled, sum) == 0.0 && sum - high == doubled {
            return sum;
        }
    }
    high
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are the point")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sum the way the tables do: pairwise, and exactly where that did not hold.
    fn sum(values: &[f64]) -> f64 {
        let Some((&first, rest)) = values.split_first() else { return 0.0 };
        let mut sum = PairSum::of(first);
        let mut exact = true;
        for &value in rest {
            exact &= sum.add(value);
        }
        if exact { sum.value() } else { exact_sum(&mut values.to_vec()) }
    }

    #[test]
    fn the_order_of_three_replicas_does_not_matter() {
        assert_eq!(sum(&[0.1, 0.2, 0.3]).to_bits(), sum(&[0.3, 0.2, 0.1]).to_bits());
        assert_eq!(sum(&[0.1, 0.2, 0.3]), 0.6);
    }

    #[test]
    fn small_parts_are_not_lost() {
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[1e16, 1.0, 1.0]), 1e16 + 2.0);
        assert_eq!(sum(&[1e100, 1.0, 1e-100, -1e100, -1.0]), 1e-100);
    }

    #[test]
    fn ties_are_decided_by_what_lies_below_them() {
        let half_ulp = 1.110_223_024_625_156_5e-16;
        assert_eq!(exact_sum(&mut [1.0, half_ulp]), 1.0);
        assert_eq!(exact_sum(&mut [1.0, half_ulp, 1e-300]), 1.000_000_000_000_000_2);
    }

    #[test]
    fn special_values_win() {
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY, 1.0]).is_nan());
        assert!(sum(&[f64::NAN, 1.0]).is_nan());
        assert_eq!(sum(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert_eq!(sum(&[1e308, 1e308]), f64::INFINITY);
        assert_eq!(sum(&[-0.0]).to_bits(), (-0.0_f64).to_bits());
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -1e6..1e6_f64,
            2 => (any::<i32>(), -30..30_i32).prop_map(|(m, e)| f64::from(m) * 2_f64.powi(e)),
            1 => any::<f64>().prop_filter("finite and no overflow", |v| v.abs() < 1e290),
        ]
    }

    proptest! {
        /// Any order gives the same bits.
        #[test]
        fn order_does_not_matter(
            values in proptest::collection::vec(value(), 1..40),
            seed in any::<u64>(),
        ) {
            let mut other = values.clone();
            let mut state = seed;
            for at in (1..other.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                other.swap(at, (state >> 33) as usize % (at + 1));
            }
            // A sum of nothing but zeros keeps its sign by the order; equal is enough there.
            prop_assert_eq!(sum(&values), sum(&other));
        }

        /// Integers add up as integers do.
        #[test]
        fn integers_are_exact(values in proptest::collection::vec(-(1_i64 << 53)..(1 << 53), 1..100)) {
            #[expect(clippy::cast_precision_loss, reason = "rounding once is what is expected")]
            let round = |v: i128| v as f64;
            let floats: Vec<f64> = values.iter().map(|&v| round(v.into())).collect();
            let expect = round(values.iter().map(|&v| i128::from(v)).sum());
            prop_assert_eq!(sum(&floats), expect);
        }
    }
}
