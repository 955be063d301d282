//! Series that come and go: a share per interval, rollouts, explosions, flaps.
//!
//! All of it is a function of the series and the instant. A *slot* is an id of the family's
//! [`Space`]; who lives in it changes. How often is decided without counting what came before:
//!
//! ```text
//! generation(slot, epoch) = floor(epoch × share + phase(slot))      ; phase is seeded, in [0, 1)
//! ```
//!
//! At every epoch `share` of the slots gets a new inhabitant, each slot every `1 / share` epochs;
//! that works for shares far below the number of slots too. A new inhabitant shows in a label, as
//! a number behind its value, and its counters start at 0 when it was born.
//!
//! This module must not know of values.

use crate::generate::hash;
use crate::generate::space::Place;
use crate::generate::space::Space;

/// How shares are counted: 2^32 is 1.
const ONE: u64 = 1 << 32;

/// One way of coming and going.
#[derive(Clone, Debug)]
pub enum Churn {
    /// A share of the slots is taken over at every epoch.
    Share {
        /// Whose value the generation is put behind.
        dimension: usize,
        /// Whether all series with one value of that label change together; else each for itself.
        is_by_value: bool,
        /// The share, of 2^32.
        share: u64,
        /// The length of an epoch.
        every_ms: i64,
        /// Decides which slots.
        key: u64,
    },
    /// All slots are taken over at every epoch, one value of a label after another.
    Rollout {
        /// The label.
        dimension: usize,
        /// The length of an epoch.
        every_ms: i64,
        /// How long a rollout takes; 0: all at once.
        over_ms: i64,
        /// Decides the order.
        key: u64,
    },
    /// For a while each slot has more than one inhabitant.
    Explosion {
        /// The label by which they differ.
        dimension: usize,
        /// From here.
        from_ms: i64,
        /// To here, exclusive.
        to_ms: i64,
        /// How many times the series.
        factor: u64,
    },
    /// Slots are empty now and then.
    Flap {
        /// The share of the time a slot is empty, of 2^32.
        share: u64,
        /// How long it is empty.
        every_ms: i64,
        /// Decides when.
        key: u64,
    },
}

/// The share of `2^32` that comes next to `share`; `None` unless it lies in (0, 1].
pub fn fixed_share(share: f64) -> Option<u64> {
    if !(share > 0.0 && share <= 1.0) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..=2^32")]
    let fixed = (share * 4_294_967_296.0).round() as u64;
    Some(fixed.max(1))
}

/// Who lives in a slot at an instant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Life {
    /// Since when; `None`: since ever.
    pub born_ms: Option<i64>,
    /// What is put behind the values of which dimensions; ascending by dimension.
    pub marks: Vec<Mark>,
}

/// A number behind a label's value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// Which label.
    pub dimension: usize,
    /// The character before the number.
    pub letter: u8,
    /// The number.
    pub number: u64,
}

impl Life {
    fn clear(&mut self) {
        self.born_ms = None;
        self.marks.clear();
    }

    fn born(&mut self, at_ms: i64) {
        self.born_ms = Some(self.born_ms.map_or(at_ms, |before| before.max(at_ms)));
    }

    fn mark(&mut self, dimension: usize, letter: u8, number: u64) {
        self.marks.push(Mark { dimension, letter, number });
    }

    /// Append what stands behind the value of a dimension.
    #[inline]
    pub fn write_marks(&self, dimension: usize, out: &mut Vec<u8>) {
        for mark in &self.marks {
            if mark.dimension == dimension {
                out.push(b'-');
                if mark.letter != 0 {
                    out.push(mark.letter);
                }
                out.extend_from_slice(itoa::Buffer::new().format(mark.number).as_bytes());
            }
        }
    }
}

/// All the ways in which a family's series come and go.
#[derive(Clone, Debug, Default)]
pub struct Churns {
    ways: Vec<Churn>,
    /// Time 0 of the epochs.
    start_ms: i64,
}

impl Churns {
    /// Epochs are counted from `start_ms`; before it nothing changes.
    pub fn new(ways: Vec<Churn>, start_ms: i64) -> Self {
        Self { ways, start_ms }
    }

    /// Whether series ever come or go.
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty()
    }

    /// Whose values get a number behind them.
    pub fn dimensions(&self) -> impl Iterator<Item = usize> {
        self.ways.iter().filter_map(|way| match way {
            Churn::Share { dimension, .. }
            | Churn::Rollout { dimension, .. }
            | Churn::Explosion { dimension, .. } => Some(*dimension),
            Churn::Flap { .. } => None,
        })
    }

    /// How many inhabitants each slot has: more than 1 while there is an explosion.
    pub fn n_copies(&self, time_ms: i64) -> u64 {
        let factors = self.ways.iter().map(|way| match way {
            Churn::Explosion { from_ms, to_ms, factor, .. }
                if (*from_ms..*to_ms).contains(&time_ms) =>
            {
                *factor
            }
            _ => 1,
        });
        factors.max().unwrap_or(1)
    }

    /// The most inhabitants a slot ever has.
    pub fn n_copies_max(&self) -> u64 {
        let factors = self.ways.iter().map(|way| match way {
            Churn::Explosion { factor, .. } => *factor,
            _ => 1,
        });
        factors.max().unwrap_or(1)
    }

    /// Say who lives in a slot, in `life`; `false`: nobody.
    ///
    /// `copy` is 0 but for the additional inhabitants of an explosion.
    pub fn life(
        &self,
        space: &Space,
        place: Place,
        copy: u64,
        time_ms: i64,
        life: &mut Life,
    ) -> bool {
        life.clear();
        let elapsed = time_ms.saturating_sub(self.start_ms);
        let mut is_present = true;
        for way in &self.ways {
            match *way {
                Churn::Share { dimension, is_by_value, share, every_ms, key } => {
                    let slot = if is_by_value {
                        space.index(dimension, place)
                    } else {
                        hash::mix(u64::from(place.target), place.id)
                    };
                    let phase = hash::mix(key, slot) & (ONE - 1);
                    if let Some((generation, epoch)) = generation(share, phase, elapsed, every_ms) {
                        life.born(self.start_ms.saturating_add(epoch.saturating_mul(every_ms)));
                        life.mark(dimension, 0, generation);
                    }
                }
                Churn::Rollout { dimension, every_ms, over_ms, key } => {
                    let bits = hash::mix(key, space.index(dimension, place));
                    let delay = scaled(bits, over_ms);
                    let epoch = elapsed.saturating_sub(delay).div_euclid(every_ms);
                    if epoch > 0 {
                        let at = epoch.saturating_mul(every_ms).saturating_add(delay);
                        life.born(self.start_ms.saturating_add(at));
                        life.mark(dimension, 0, epoch.unsigned_abs());
                    }
                }
                Churn::Explosion { dimension, from_ms, to_ms, factor } => {
                    if copy > 0 && copy < factor && (from_ms..to_ms).contains(&time_ms) {
                        life.born(from_ms);
                        life.mark(dimension, b'x', copy);
                    }
                }
                Churn::Flap { share, every_ms, key } => {
                    let slot = hash::mix(u64::from(place.target), place.id);
                    is_present &= !is_away(hash::mix(key, slot), share, elapsed, every_ms);
                }
            }
        }
        life.marks.sort_by_key(|mark| mark.dimension);
        is_present
    }
}

/// The inhabitant's number and the epoch in which it came; `None`: the first.
///
/// Whole numbers only, so that the epoch it came in and the one it is counted in always agree.
fn generation(share: u64, phase: u64, elapsed_ms: i64, every_ms: i64) -> Option<(u64, i64)> {
    let epoch = u64::try_from(elapsed_ms.div_euclid(every_ms)).ok()?;
    let wide = (u128::from(epoch) * u128::from(share) + u128::from(phase)) >> 32;
    let generation = u64::try_from(wide).ok().filter(|&generation| generation > 0)?;
    let needed = (u128::from(generation) << 32).saturating_sub(u128::from(phase));
    let born = needed.div_ceil(u128::from(share));
    Some((generation, i64::try_from(born).ok()?))
}

/// A number in `0..below` from 64 random bits; 0 if `below` is 0.
fn scaled(bits: u64, below: i64) -> i64 {
    let wide = (u128::from(bits) * u128::from(below.unsigned_abs())) >> 64;
    i64::try_from(wide).unwrap_or_default()
}

/// Whether someone is away in this cell of time, which is so for `share` of the cells.
pub fn is_away(key: u64, share: u64, elapsed_ms: i64, every_ms: i64) -> bool {
    let cell = elapsed_ms.div_euclid(every_ms).cast_unsigned();
    hash::mix(key, cell) & (ONE - 1) < share
}
