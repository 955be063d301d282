//! A random walk that can be read anywhere at once, and integrated.
//!
//! A walk step by step would take as many steps as have passed. This one is drawn the other way
//! round, from far to near (Lévy's construction of Brownian motion): at every 2^H-th cell stands an
//! anchor, drawn evenly from the middle of the range; between two anchors the way is straight; and
//! on each stretch of `2^h` cells, for h = H … 1, sits a tent whose top, in its middle, is drawn
//! from `±a_h`, with `a_h` = `step * sqrt(3 * 2^h) / 2`, which makes neighbouring cells differ by
//! `step` (standard deviation). H is the greatest for which all tents together reach at most
//! two fifths of the range, so that the walk never leaves it and nothing has to be cut off; over times
//! longer than 2^H cells it forgets where it was, as a walk between two walls does.
//!
//! In the first stretch, which begins at `start`, the tents are lower if `start` is near a wall.

use super::noise::Noise;
use crate::generate::distribution::Distribution;

/// As many levels as there may be: a stretch of 2^40 cells.
const N_LEVELS_MAX: i32 = 40;
/// With this much for the tents, what is left for the anchors moves about as far from one to the
/// next as a walk would.
const TENTS_SHARE: f64 = 0.4;

/// A walk, prepared; shared by all series of a family.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) bounds: (f64, f64),
    cell_ms: i64,
    /// `a_1`, `a_2`, …
    heights: Vec<f64>,
    /// Anchor 0.
    start: f64,
    /// The other anchors: the middle of the range, and how far they are from it at most.
    middle: f64,
    reach: f64,
    /// How high the tents of the first stretch are, from 0 to 1.
    first: f64,
    /// From -1 to 1. One stream for each level, the last for the anchors.
    draws: Vec<Noise>,
}

impl Walk {
    /// `min <= start <= max`, `min < max`, `step > 0`, all finite.
    pub(super) fn new(
        start: f64,
        step: f64,
        bounds: (f64, f64),
        cell_ms: i64,
        salt: impl FnMut() -> u64,
    ) -> Self {
        let (min, max) = bounds;
        let range = max - min;
        let mut heights = Vec::new();
        let mut margin = 0.0;
        for h in 1..=N_LEVELS_MAX {
            let height = step * (3.0 * libm::scalbn(1.0, h)).sqrt() / 2.0;
            if margin + height > range * TENTS_SHARE {
                break;
            }
            margin += height;
            heights.push(height);
        }
        let nearest = (start - min).min(max - start);
        let first = if margin > nearest { nearest / margin } else { 1.0 };
        let even = Distribution::Uniform { min: -1.0, max: 1.0 };
        let mut salt = salt;
        let draws = (0..=heights.len()).map(|_| Noise::new(&even, 1, salt())).collect();
        let (middle, reach) = (min + range / 2.0, range / 2.0 - margin);
        Self { bounds, cell_ms, heights, start, middle, reach, first, draws }
    }

    fn anchor(&self, key: u64, block: u64) -> f64 {
        if block == 0 {
            return self.start;
        }
        self.middle + self.reach * self.anchors().cell(key, block)
    }

    fn anchors(&self) -> &Noise {
        &self.draws[self.heights.len()]
    }

    pub(super) fn at(&self, key: u64, u: i64) -> f64 {
        let u = u.unsigned_abs();
        let stretch = self.cell_ms.unsigned_abs() << self.heights.len();
        let (block, rest) = (u / stretch, ratio(u % stretch, stretch));
        let (from, to) = (self.anchor(key, block), self.anchor(key, block + 1));
        let mut value = from + (to - from) * rest;
        let scale = if block == 0 { self.first } else { 1.0 };
        for (h, height) in self.heights.iter().enumerate() {
            let length = self.cell_ms.unsigned_abs() << (h + 1);
            let rest = ratio(u % length, length);
            let tent = 1.0 - (2.0 * rest - 1.0).abs();
            value += scale * height * tent * self.draws[h].cell(key, u / length);
        }
        // The last digit of a sum may be beyond the wall.
        value.clamp(self.bounds.0, self.bounds.1)
    }

    /// Value times milliseconds from 0 to `u`.
    #[expect(clippy::cast_precision_loss, reason = "rounded once")]
    pub(super) fn integral(&self, key: u64, u: i64) -> f64 {
        let u = u.unsigned_abs();
        let n_levels = self.heights.len();
        let stretch = self.cell_ms.unsigned_abs() << n_levels;
        let (block, rest) = (u / stretch, ratio(u % stretch, stretch));
        let (from, to) = (self.anchor(key, block), self.anchor(key, block + 1));
        let mut stretches = rest * (from + (to - from) * rest / 2.0);
        if block > 0 {
            // Trapezoids: all anchors before this one, the first and this one by half.
            let drawn = self.anchors().sum_before(key, block) - self.anchors().cell(key, 0);
            stretches += self.middle * (block - 1) as f64 + self.reach * drawn;
            stretches += f64::midpoint(self.start, from);
        }
        let mut integral = stretches * stretch as f64;
        for (h, height) in self.heights.iter().enumerate() {
            let length = self.cell_ms.unsigned_abs() << (h + 1);
            let draw = &self.draws[h];
            let tents = |u: u64| {
                let rest = ratio(u % length, length);
                let part = if rest < 0.5 { rest * rest } else { 0.5 - (1.0 - rest).powi(2) };
                draw.sum_before(key, u / length) / 2.0 + part * draw.cell(key, u / length)
            };
            let mut area = tents(u);
            if self.first < 1.0 {
                area -= (1.0 - self.first) * tents(u.min(stretch));
            }
            integral += height * area * length as f64;
        }
        integral
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of a stretch")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn walk(start: f64, step: f64) -> Walk {
        let mut salts = 0..;
        Walk::new(start, step, (0.0, 100.0), 1000, || salts.next().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Wherever it begins and however it steps, it stays between its walls.
        #[test]
        fn it_never_leaves_its_range(
            key: u64, start in 0.0..=100.0, step in 0.001..80.0, u in 0_i64..1 << 44,
        ) {
            let walk = walk(start, step);
            prop_assert!((0.0..=100.0).contains(&walk.at(key, u)));
            prop_assert!((0.0..=100.0).contains(&walk.at(key, u % 5_000_000)));
            prop_assert!((walk.at(key, 0) - start).abs() < 1e-12);
        }

        /// The integral is what adding up small pieces gives, near the beginning and far from it.
        #[test]
        fn the_integral_agrees_with_adding_up(
            key: u64, start in 0.0..=100.0, step in 0.1..30.0, far in 0_i64..1 << 40, n in 1..400,
        ) {
            let walk = walk(start, step);
            for from in [0, far] {
                // Straight within a cell, so that trapezoids of whole cells are exact.
                let from = from / 1000 * 1000;
                let naive: f64 = (0..i64::from(n))
                    .map(|i| from + i * 1000)
                    .map(|u| f64::midpoint(walk.at(key, u), walk.at(key, u + 1000)) * 1000.0)
                    .sum();
                let to = from + i64::from(n) * 1000;
                let exact = walk.integral(key, to) - walk.integral(key, from);
                let tolerance = 1e-9 * naive + 1e-14 * walk.integral(key, to).abs();
                prop_assert!((exact - naive).abs() <= tolerance, "{exact} and {naive}");
            }
        }
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    fn neighbours_differ_by_a_step_and_far_ones_by_more() {
        let walk = walk(50.0, 0.25);
        let spread = |gap: i64| {
            let n = 20_000;
            let square = |i: i64| (walk.at(4, i * 1000) - walk.at(4, (i + gap) * 1000)).powi(2);
            ((0..n).map(square).sum::<f64>() / n as f64).sqrt()
        };
        assert!((0.2..0.3).contains(&spread(1)), "{}", spread(1));
        assert!((0.8..1.2).contains(&spread(16)), "{}", spread(16));
        assert!((3.0..6.0).contains(&spread(256)), "{}", spread(256));
    }
}
