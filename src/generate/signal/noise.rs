//! Noise whose sums are known: any prefix in bounded time, without storage for a series.
//!
//! Plain independent values would have to be added up one by one. Here the values of
//! [`N_STRATA`] = 16³ cells in a row are the means of as many parts of equal share of the
//! distribution, each once, in an order that depends on series and place. So every stretch of that
//! many cells has the same sum, and within it the order is made of three levels of 16, each of
//! which is a seeded permutation:
//!
//! ```text
//! cell = ((block3 * 16 + j3) * 16 + j2) * 16 + j1
//! part = π1(j1) * 256 + π2(j2) * 16 + π3(j3)      π1 of block1 = cell / 16, π2 of cell / 256, …
//! ```
//!
//! Neighbours therefore share out the distribution among them: 16 cells in a row visit each
//! sixteenth of it once. A single value has the distribution that was asked for (as a staircase of
//! 4096 steps with its exact mean); neighbours are correlated by -1/15; and a sum over a long
//! time does not wander off as that of independent values does, but stays near its mean.
//!
//! Values are whole multiples of a power of two, and sums are integers, so sums never depend on how
//! they were come by.

use crate::generate::distribution::Distribution;
use crate::generate::hash;

/// Parts of the distribution, and the cells of a stretch with a fixed sum.
pub(super) const N_STRATA: usize = 4096;
/// Values keep this many bits: 4096 of them, times a few, fit into 64.
const VALUE_BITS: i32 = 49;

/// A distribution, prepared; shared by all series of a family.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    /// Tells the noises of one signal apart.
    salt: u64,
    cell_ms: i64,
    /// The values are these, times `unit`.
    values: Box<[i64]>,
    /// By the lower two digits of the part: the sum over the first.
    sums_of_16: Box<[i64]>,
    /// By the last digit: the sum over the first two.
    sums_of_256: [i64; 16],
    total: i64,
    /// A power of two.
    unit: f64,
}

impl Noise {
    pub(super) fn new(distribution: &Distribution, cell_ms: i64, salt: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "4096")]
        let strata = distribution.strata(N_STRATA as u32);
        Self::of_values(&strata, cell_ms, salt)
    }

    #[expect(clippy::cast_possible_truncation, reason = "scaled to fit")]
    fn of_values(strata: &[f64], cell_ms: i64, salt: u64) -> Self {
        let greatest = strata.iter().fold(0.0_f64, |greatest, x| greatest.max(x.abs()));
        let unit = if greatest > 0.0 && greatest.is_finite() {
            libm::scalbn(1.0, libm::ilogb(greatest) + 1 - VALUE_BITS).max(f64::MIN_POSITIVE)
        } else {
            1.0
        };
        let values: Box<[i64]> = strata.iter().map(|x| (x / unit).round() as i64).collect();
        let sums_of_16: Box<[i64]> =
            (0..256).map(|low| values.iter().skip(low).step_by(256).sum()).collect();
        let mut sums_of_256 = [0; 16];
        for (low, sum) in sums_of_256.iter_mut().enumerate() {
            *sum = sums_of_16.iter().skip(low).step_by(16).sum();
        }
        let total = sums_of_256.iter().sum();
        Self { salt, cell_ms, values, sums_of_16, sums_of_256, total, unit }
    }

    /// The same noise with every value changed by `f`, cell by cell; `None` if one is not finite.
    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Option<Self> {
        let strata: Vec<f64> = self.values.iter().map(|x| f(self.value_of(*x))).collect();
        let finite = strata.iter().all(|x| x.is_finite());
        finite.then(|| Self::of_values(&strata, self.cell_ms, self.salt))
    }

    pub(super) fn bounds(&self) -> (f64, f64) {
        let least = self.values.iter().min().copied().unwrap_or(0);
        let greatest = self.values.iter().max().copied().unwrap_or(0);
        (self.value_of(least), self.value_of(greatest))
    }

    pub(super) fn cell_ms(&self) -> i64 {
        self.cell_ms
    }

    /// The value at `u` milliseconds.
    pub(super) fn at(&self, key: u64, u: i64) -> f64 {
        self.cell(key, (u / self.cell_ms).unsigned_abs())
    }

    /// The value of a cell.
    pub(super) fn cell(&self, key: u64, cell: u64) -> f64 {
        self.value_of(self.values[Place::of(hash::mix(key, self.salt), cell).part()])
    }

    /// Value times milliseconds from 0 to `u`, of which `2^shift` make a millisecond.
    pub(super) fn integral(&self, key: u64, u: u64, shift: u32) -> f64 {
        let cell_len = self.cell_ms.unsigned_abs() << shift;
        let (cell, rest) = (u / cell_len, u % cell_len);
        let (sum, value) = self.sum_and_value(key, cell);
        let exact = sum.saturating_mul(i128::from(cell_len)) + i128::from(value) * i128::from(rest);
        #[expect(clippy::cast_precision_loss, reason = "rounded once")]
        let rounded = exact as f64;
        rounded * self.unit * libm::scalbn(1.0, -shift.cast_signed())
    }

    /// The sum of the cells before this one.
    pub(super) fn sum_before(&self, key: u64, cell: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "rounded once")]
        let rounded = self.sum_and_value(key, cell).0 as f64;
        rounded * self.unit
    }

    fn sum_and_value(&self, key: u64, cell: u64) -> (i128, i64) {
        let place = Place::of(hash::mix(key, self.salt), cell);
        let mut sum: i64 = 0;
        for j in 0..place.j3 {
            sum += self.sums_of_256[digit(place.key3, j)];
        }
        let part3 = digit(place.key3, place.j3);
        for j in 0..place.j2 {
            sum += self.sums_of_16[digit(place.key2, j) * 16 + part3];
        }
        let low = digit(place.key2, place.j2) * 16 + part3;
        for j in 0..place.j1 {
            sum += self.values[digit(place.key1, j) * 256 + low];
        }
        let blocks = i128::from(cell / N_STRATA as u64) * i128::from(self.total);
        (blocks + i128::from(sum), self.values[digit(place.key1, place.j1) * 256 + low])
    }

    #[expect(clippy::cast_precision_loss, reason = "49 bits fit")]
    fn value_of(&self, value: i64) -> f64 {
        value as f64 * self.unit
    }
}

/// Where a cell is: its digits, and the key of the permutation of each level.
struct Place {
    j1: u64,
    j2: u64,
    j3: u64,
    key1: u64,
    key2: u64,
    key3: u64,
}

impl Place {
    #[inline]
    fn of(key: u64, cell: u64) -> Self {
        Self {
            j1: cell & 15,
            j2: (cell >> 4) & 15,
            j3: (cell >> 8) & 15,
            // The levels are told apart by the lowest two bits.
            key1: hash::mix(key, (cell >> 4) << 2),
            key2: hash::mix(key, ((cell >> 8) << 2) | 1),
            key3: hash::mix(key, ((cell >> 12) << 2) | 2),
        }
    }

    #[inline]
    fn part(&self) -> usize {
        digit(self.key1, self.j1) * 256 + digit(self.key2, self.j2) * 16 + digit(self.key3, self.j3)
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "below 16")]
fn digit(key: u64, j: u64) -> usize {
    hash::permute16(key, j) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(distribution: &Distribution) -> Noise {
        Noise::new(distribution, 1000, 3)
    }

    const BELL: Distribution = Distribution::Normal { mean: 5.0, stddev: 2.0 };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The sum of the cells before one is what adding them up gives, to the last bit.
        #[test]
        fn sums_agree_with_adding_cell_by_cell(key: u64, first in 0_u64..1 << 40, n in 0_u64..9000) {
            let noise = noise(&BELL);
            let exact = |cell| noise.sum_and_value(key, cell);
            let naive: i128 = (first..first + n).map(|cell| i128::from(exact(cell).1)).sum();
            prop_assert_eq!(exact(first + n).0 - exact(first).0, naive);
            let value = noise.value_of(exact(first).1);
            prop_assert!((noise.cell(key, first) - value).abs() < f64::MIN_POSITIVE);
        }

        /// An integral is additive, whatever unit time is counted in.
        #[test]
        fn integrals_agree_with_sums(key: u64, u in 0_u64..1 << 45) {
            let noise = noise(&BELL);
            let (cell, rest) = (u / 1000, u % 1000);
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let naive = noise.sum_before(key, cell) * 1000.0 + noise.cell(key, cell) * rest as f64;
            let integral = noise.integral(key, u, 0);
            prop_assert!((integral - naive).abs() <= 1e-15 * naive.abs());
            let finer = noise.integral(key, u << 10, 10);
            prop_assert!((integral - finer).abs() <= 1e-15 * naive.abs());
        }
    }

    #[test]
    fn a_stretch_visits_every_part_once() {
        let noise = noise(&BELL);
        let mut seen: Vec<i64> =
            (0..4096).map(|cell| noise.sum_and_value(9, 4096 * 77 + cell).1).collect();
        seen.sort_unstable();
        assert_eq!(seen, noise.values.to_vec());
    }

    /// Mean, spread, correlation of neighbours, and series that have nothing to do with each other.
    #[test]
    fn values_look_like_the_distribution() {
        let noise = noise(&BELL);
        let of = |key, cell| noise.cell(key, cell) - 5.0;
        let mean = |f: &dyn Fn(u64) -> f64| (0..40_960).map(f).sum::<f64>() / 40_960.0;
        assert!(mean(&|cell| of(1, cell)).abs() < 1e-6);
        assert!((mean(&|cell| of(1, cell).powi(2)) - 4.0).abs() < 0.01);
        let neighbours = mean(&|cell| of(1, cell) * of(1, cell + 1)) / 4.0;
        assert!((-0.1..-0.03).contains(&neighbours), "{neighbours}");
        assert!((mean(&|cell| of(1, cell) * of(2, cell)) / 4.0).abs() < 0.03);
        assert!((mean(&|cell| of(1, cell) * of(1, cell + 4096)) / 4.0).abs() < 0.03);
    }

    #[test]
    fn changed_values_stay_in_their_cells() {
        let noise = noise(&BELL);
        let kept = noise.map(|x| x.max(4.0)).unwrap();
        for cell in 0..100 {
            let expected = noise.cell(8, cell).max(4.0);
            assert!((kept.cell(8, cell) - expected).abs() < 1e-12);
        }
        assert!(kept.bounds().0 >= 4.0);
        assert!(noise.map(|x| 1.0 / (x - x)).is_none());
    }
}
