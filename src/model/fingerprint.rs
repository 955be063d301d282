//! Keyed 128-bit fingerprints: two series never share one by accident or by design.
//!
//! Label values are often chosen by strangers, and series that share a fingerprint would be merged
//! for ever; so the key is secret, random per process, and no fingerprint leaves the process.
//!
//! A text is compressed in blocks of 512 bytes with NH, the universal hash of UMAC (Black, Halevi,
//! Krawczyk, Krovetz, Rogaway, "UMAC: Fast and Secure Message Authentication", 1999; RFC 4418):
//!
//! ```text
//! NH(k, w) = Σ (w[2i] + k[2i] mod 2^64) · (w[2i+1] + k[2i+1] mod 2^64)   mod 2^128
//! ```
//!
//! taken twice, the second time with the key shifted by two words (their "Toeplitz" iteration):
//! two different texts of equal length agree in both with probability at most 2^-128, whoever
//! chose them, as long as the key is not known. The lengths and the compressed blocks then go
//! through SipHash-1-3-128, a keyed pseudo-random function, which makes fingerprints of several
//! parts safe to compare too. The multiplications cost a quarter of that function over the whole.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// Words of text in one block.
const BLOCK_WORDS: usize = 64;
/// Bytes of text in one block.
const BLOCK_BYTES: usize = BLOCK_WORDS * 8;

/// Random words a key is made of.
pub const KEY_WORDS: usize = BLOCK_WORDS + 4;

/// A fingerprint: 128 bits, equal for equal input only.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// Bits to place it in a table by.
    #[inline]
    pub fn table_hash(self) -> u64 {
        self.0[0]
    }

    /// It as two words, to be kept where the key is kept.
    pub fn words(self) -> [u64; 2] {
        self.0
    }

    /// What [`Fingerprint::words`] gave.
    pub fn of_words(words: [u64; 2]) -> Self {
        Self(words)
    }
}

/// A compressed text, to be put together with others into a [`Fingerprint`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Digest([u64; 5]);

/// The secret key of a process.
#[derive(Clone)]
pub struct FingerprintKey {
    nh: [u64; BLOCK_WORDS + 2],
    sip: [u64; 2],
}

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FingerprintKey(secret)")
    }
}

impl FingerprintKey {
    /// Make a key of words from `random`, which must be unpredictable to whoever names series.
    pub fn new(mut random: impl FnMut() -> u64) -> Self {
        Self { nh: std::array::from_fn(|_| random()), sip: [random(), random()] }
    }

    /// Compress one text.
    #[inline]
    pub fn digest(&self, text: &[u8]) -> Digest {
        let len = text.len() as u64;
        if text.len() <= BLOCK_BYTES {
            let [a, b, c, d] = self.compress(text);
            return Digest([a, b, c, d, len]);
        }
        let mut hasher = self.hasher();
        for block in text.chunks(BLOCK_BYTES) {
            for word in self.compress(block) {
                hasher.write(&word.to_le_bytes());
            }
        }
        hasher.write(&len.to_le_bytes());
        let hash = hasher.finish128();
        Digest([hash.h1, hash.h2, 0, 0, len])
    }

    /// The fingerprint of a pair of texts and a pair of words.
    #[inline]
    pub fn fingerprint(&self, parts: [Digest; 2], words: [u64; 2]) -> Fingerprint {
        let mut bytes = [0; 12 * 8];
        let all = parts.iter().flat_map(|part| part.0).chain(words);
        for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(all) {
            *chunk = word.to_le_bytes();
        }
        self.finish(&bytes)
    }

    /// The fingerprint of one text.
    pub fn of(&self, text: &[u8]) -> Fingerprint {
        let mut bytes = [0; 5 * 8];
        for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.digest(text).0) {
            *chunk = word.to_le_bytes();
        }
        self.finish(&bytes)
    }

    #[inline]
    fn finish(&self, bytes: &[u8]) -> Fingerprint {
        let mut hasher = self.hasher();
        hasher.write(bytes);
        let hash = hasher.finish128();
        Fingerprint([hash.h1, hash.h2])
    }

    fn hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.sip[0], self.sip[1])
    }

    /// NH, twice, of at most one block; a short last word is filled with zeros.
    #[inline]
    fn compress(&self, block: &[u8]) -> [u64; 4] {
        let (mut first, mut second) = (0_u128, 0_u128);
        let (pairs, rest) = block.as_chunks::<16>();
        let mut key = &self.nh[..];
        let mut add = |pair: &[u8; 16], key: &[u64; 4]| {
            let words = u128::from_le_bytes(*pair);
            #[expect(clippy::cast_possible_truncation, reason = "the low word is wanted")]
            let (low, high) = (words as u64, (words >> 64) as u64);
            first = first.wrapping_add(product(low, key[0], high, key[1]));
            second = second.wrapping_add(product(low, key[2], high, key[3]));
        };
        for pair in pairs {
            if let Some(four) = key.first_chunk::<4>() {
                add(pair, four);
            }
            key = key.get(2..).unwrap_or_default();
        }
        if !rest.is_empty()
            && let Some(four) = key.first_chunk::<4>()
        {
            let mut padded = [0; 16];
            padded[..rest.len()].copy_from_slice(rest);
            add(&padded, four);
        }
        #[expect(clippy::cast_possible_truncation, reason = "split into words")]
        let split = |sum: u128| (sum as u64, (sum >> 64) as u64);
        let ((a, b), (c, d)) = (split(first), split(second));
        [a, b, c, d]
    }
}

#[inline]
fn product(a: u64, key_a: u64, b: u64, key_b: u64) -> u128 {
    u128::from(a.wrapping_add(key_a)) * u128::from(b.wrapping_add(key_b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn key(seed: u64) -> FingerprintKey {
        let mut state = seed;
        FingerprintKey::new(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state ^ (state >> 29)
        })
    }

    /// NH computed the slow way, straight from the definition.
    fn nh(key: &[u64], text: &[u8]) -> u128 {
        let mut padded = text.to_vec();
        padded.resize(text.len().div_ceil(16) * 16, 0);
        let words: Vec<u64> =
            padded.chunks(8).map(|c| u64::from_le_bytes(c.try_into().unwrap())).collect();
        words.chunks(2).enumerate().fold(0, |sum: u128, (i, pair)| {
            let a = pair[0].wrapping_add(key[2 * i]);
            let b = pair[1].wrapping_add(key[2 * i + 1]);
            sum.wrapping_add(u128::from(a) * u128::from(b))
        })
    }

    #[test]
    fn compression_follows_the_definition() {
        let key = key(7);
        let text: Vec<u8> = (0..512_u32).map(|i| (i * 31 % 251) as u8).collect();
        for n in [0, 1, 7, 8, 15, 16, 17, 100, 511, 512] {
            let [a, b, c, d] = key.compress(&text[..n]);
            let join = |low: u64, high: u64| u128::from(low) | u128::from(high) << 64;
            assert_eq!(join(a, b), nh(&key.nh, &text[..n]), "{n}");
            assert_eq!(join(c, d), nh(&key.nh[2..], &text[..n]), "{n}, shifted");
        }
    }

    #[test]
    fn near_texts_differ_and_keys_matter() {
        let mut seen = HashSet::new();
        for n in 0..1500 {
            assert!(seen.insert(key(1).of(&vec![0; n])), "{n} zeros");
            assert!(seen.insert(key(2).of(&vec![0; n])), "{n} zeros, other key");
        }
        for at in 0..600 {
            let mut text = vec![b'a'; 600];
            text[at] = b'b';
            assert!(seen.insert(key(1).of(&text)), "changed at {at}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = key(3);
        let pair = |a: &[u8], b: &[u8]| key.fingerprint([key.digest(a), key.digest(b)], [0, 0]);
        assert_ne!(pair(b"ab", b"c"), pair(b"a", b"bc"));
        assert_ne!(pair(b"a", b"b"), pair(b"b", b"a"));
        assert_eq!(pair(b"a", b"b"), pair(b"a", b"b"));
    }
}
