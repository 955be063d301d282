//! Numbers that look random and are a function of their key.
//!
//! Whatever in here turns keys into numbers is part of what users have: the same seed gives the same
//! series for ever. Changing a constant changes every generated page, so vectors pin them.
//!
//! The mixer is `SplitMix64`'s (Steele, Lea and Flood, 2014): a key advanced by multiples of the
//! golden ratio, then an avalanche of shifts and products. It is quick and passes statistical
//! tests; it is no secret, and nothing here has to be.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Derive a key: `mix(mix(key, a), b)` names the cell `b` of the thing `a`.
#[inline]
pub fn mix(key: u64, word: u64) -> u64 {
    let mut bits = key.wrapping_add(word.wrapping_add(1).wrapping_mul(GOLDEN));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Derive a key from text: its bytes, eight at a time, and its length.
pub fn mix_text(key: u64, text: &str) -> u64 {
    let chunks = text
        .as_bytes()
        .chunks(8)
        .map(|chunk| chunk.iter().rev().fold(0, |word: u64, byte| (word << 8) | u64::from(*byte)));
    mix(chunks.fold(mix(key, 0), mix), text.len() as u64)
}

/// The key of a family: everything of its series derives from it.
pub fn family_key(seed: u64, family: &str) -> u64 {
    mix_text(mix(0, seed), family)
}

/// The key of a series of a family, by its number.
#[inline]
pub fn series_key(family_key: u64, series: u64) -> u64 {
    mix(family_key, series)
}

/// A number from 0 up to but without 1, from bits that look random: 53 of them.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// A whole number below `n`, from bits that look random; 0 when `n` is 0.
#[inline]
pub fn below(bits: u64, n: u64) -> u64 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u64
}

/// A seeded rearrangement of the numbers 0 to 15: where number `i` goes.
///
/// Three rounds of an affine map modulo 16, with a shift between them so that the rounds do not
/// collapse into one. All of it is invertible, so it is a permutation for every key.
#[inline]
pub fn permute16(key: u64, i: u64) -> u64 {
    let x = i.wrapping_mul(key | 1).wrapping_add(key >> 4) & 15;
    let x = (x ^ (x >> 2)).wrapping_mul((key >> 8) | 1).wrapping_add(key >> 12) & 15;
    let x = (x ^ (x >> 1)).wrapping_mul((key >> 16) | 1).wrapping_add(key >> 20);
    x & 15
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// These numbers are what users have: they never change.
    #[test]
    fn keys_are_the_same_for_ever() {
        assert_eq!(mix(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(1, 2), 0xf893_a2ee_fb32_555e);
        assert_eq!(mix_text(0, ""), mix(mix(0, 0), 0));
        assert_eq!(family_key(42, "http_requests_total"), 0xbf0b_dca7_432c_d396);
        assert_eq!(series_key(family_key(0, "up"), 7), 0x417c_9fbb_d705_60c2);
        let moved: Vec<u64> = (0..16).map(|i| permute16(mix(42, 0), i)).collect();
        assert_eq!(moved, [8, 13, 4, 12, 2, 0, 14, 10, 11, 6, 7, 5, 15, 1, 3, 9]);
    }

    #[test]
    fn text_counts_with_its_length_and_order() {
        let keys: std::collections::HashSet<u64> =
            ["", "a", "b", "ab", "ba", "a\0", "\0a", "aaaaaaaa", "aaaaaaaaa", "aaaaaaaa\0"]
                .iter()
                .map(|text| mix_text(9, text))
                .collect();
        assert_eq!(keys.len(), 10);
    }

    #[test]
    fn bits_are_spread_evenly() {
        let mut counts = [0_u32; 64];
        for i in 0..64_000 {
            counts[usize::try_from(below(mix(3, i), 64)).unwrap()] += 1;
            assert!((0.0..1.0).contains(&unit(mix(4, i))));
        }
        // Chi-square with 63 degrees of freedom: above 120 about once in 100,000 keys.
        let chi: f64 = counts.iter().map(|n| (f64::from(*n) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 120.0, "chi-square {chi}");
        assert!(unit(u64::MAX) < 1.0);
        assert_eq!(below(u64::MAX, 10), 9);
        assert_eq!(below(u64::MAX, 0), 0);
    }

    proptest! {
        /// Every key rearranges: each of the 16 numbers comes up once.
        #[test]
        fn permutations_lose_nothing(key: u64) {
            let seen = (0..16).fold(0_u32, |seen, i| seen | (1 << permute16(key, i)));
            prop_assert_eq!(seen, 0xffff);
        }
    }

    /// Every number goes everywhere equally often, and neighbours are not tied together.
    #[test]
    fn permutations_are_many_and_even() {
        let mut first = [0_u32; 16];
        let mut pairs = [0_u32; 16];
        for key in 0..16_000 {
            let key = mix(key, 1);
            first[usize::try_from(permute16(key, 5)).unwrap()] += 1;
            let gap = permute16(key, 5).wrapping_sub(permute16(key, 6)) & 15;
            pairs[usize::try_from(gap).unwrap()] += 1;
        }
        assert!(first.iter().all(|n| (850..1150).contains(n)), "{first:?}");
        assert_eq!(pairs[0], 0);
        assert!(pairs[1..].iter().all(|n| (400..1700).contains(n)), "{pairs:?}");
    }
}
