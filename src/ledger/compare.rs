//! Comparing stretches of a line without `memcmp`.
//!
//! `==` on slices calls the C library, whose `memcmp` is a byte loop in musl: there it would cost
//! ten times the rest of a warm line. Arrays of a fixed size are compared inline.

use wide::u8x16;

/// Bytes that [`same_start`] likes to see behind what it compares.
pub(super) const SLACK_BYTES: usize = 16;

/// Whether two texts are equal.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && same_start(a, b, a.len())
}

/// Whether two texts are equal in their first `n_bytes` bytes, which both have.
///
/// On known lines these comparisons are most of the work, and their lengths change from line to
/// line: every branch on a length is guessed wrong now and then, which costs as much as comparing
/// 400 bytes. So there are few, and bytes are rather compared twice: pieces overlap, and short
/// texts are compared with what stands behind them, masked.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the call and its checks cost as much as the work")]
pub(super) fn same_start(a: &[u8], b: &[u8], n_bytes: usize) -> bool {
    if n_bytes <= 16 {
        return match (a.first_chunk(), b.first_chunk()) {
            (Some(a), Some(b)) => {
                ((u8x16::new(*a) ^ u8x16::new(*b)) & mask(n_bytes)) == u8x16::ZERO
            }
            _ => same_short(a, b, n_bytes),
        };
    }
    let (Some(a), Some(b)) = (a.get(..n_bytes), b.get(..n_bytes)) else { return false };
    if n_bytes <= 64 { same_medium(a, b) } else { same_long(a, b) }
}

/// Ones in the first `n_bytes` bytes, 16 at most.
#[inline]
fn mask(n_bytes: usize) -> u8x16 {
    const ONES_THEN_ZEROS: [u8; 32] = {
        let mut bytes = [0; 32];
        let mut at = 0;
        while at < 16 {
            bytes[at] = u8::MAX;
            at += 1;
        }
        bytes
    };
    ONES_THEN_ZEROS[16 - n_bytes.min(16)..].first_chunk().map_or(u8x16::ZERO, |m| u8x16::new(*m))
}

/// At the end of a buffer, where there are no 16 bytes to be had.
#[cold]
fn same_short(a: &[u8], b: &[u8], n_bytes: usize) -> bool {
    match (a.get(..n_bytes), b.get(..n_bytes)) {
        (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| a == b),
        _ => false,
    }
}

/// From 16 to 64 bytes: four pieces of 16, wherever they overlap.
#[inline(always)]
#[expect(clippy::inline_always, reason = "no branch that is not always taken")]
fn same_medium(a: &[u8], b: &[u8]) -> bool {
    let last = a.len() - 16;
    let second = last.min(16);
    let piece = |at: usize| match (a[at..].first_chunk(), b[at..].first_chunk()) {
        (Some(a), Some(b)) => u8x16::new(*a) ^ u8x16::new(*b),
        _ => u8x16::MAX,
    };
    (piece(0) | piece(second) | piece(last - second) | piece(last)) == u8x16::ZERO
}

/// From 64 bytes on: pieces of 64, of which the last overlaps the one before.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn same_long(a: &[u8], b: &[u8]) -> bool {
    let mut difference = u8x16::ZERO;
    for (a, b) in a.as_chunks::<64>().0.iter().zip(b.as_chunks::<64>().0) {
        difference |= difference_of(a, b);
    }
    match (a.last_chunk(), b.last_chunk()) {
        (Some(a), Some(b)) => (difference | difference_of(a, b)) == u8x16::ZERO,
        _ => false,
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "twelve instructions")]
fn difference_of(a: &[u8; 64], b: &[u8; 64]) -> u8x16 {
    let (a, b) = (a.as_chunks::<16>().0, b.as_chunks::<16>().0);
    a.iter().zip(b).fold(u8x16::ZERO, |all, (a, b)| all | (u8x16::new(*a) ^ u8x16::new(*b)))
}

/// How many bytes two texts have in common at their start.
#[inline]
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let n_bytes = a.len().min(b.len());
    let (a, b) = (&a[..n_bytes], &b[..n_bytes]);
    let ((chunks_a, rest_a), (chunks_b, rest_b)) = (a.as_chunks::<64>(), b.as_chunks::<64>());
    for (at, (a, b)) in chunks_a.iter().zip(chunks_b).enumerate() {
        if difference_of(a, b) != u8x16::ZERO {
            return at * 64 + unequal(a, b).trailing_zeros() as usize;
        }
    }
    if let (Some(a), Some(b)) = (a.last_chunk(), b.last_chunk()) {
        // The last 64 bytes, of which those compared already are equal.
        return (n_bytes - 64 + unequal(a, b).trailing_zeros() as usize).min(n_bytes);
    }
    let ((words_a, bytes_a), (words_b, bytes_b)) = (rest_a.as_chunks(), rest_b.as_chunks());
    for (at, (a, b)) in words_a.iter().zip(words_b).enumerate() {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return at * 8 + difference.trailing_zeros() as usize / 8;
        }
    }
    words_a.len() * 8 + bytes_a.iter().zip(bytes_b).take_while(|(a, b)| a == b).count()
}

/// How many bytes two texts have in common at their end.
#[inline]
pub(super) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let n_bytes = a.len().min(b.len());
    let (a, b) = (&a[a.len() - n_bytes..], &b[b.len() - n_bytes..]);
    let ((rest_a, chunks_a), (rest_b, chunks_b)) = (a.as_rchunks::<64>(), b.as_rchunks::<64>());
    for (at, (a, b)) in chunks_a.iter().zip(chunks_b).rev().enumerate() {
        if difference_of(a, b) != u8x16::ZERO {
            return at * 64 + unequal(a, b).leading_zeros() as usize;
        }
    }
    if let (Some(a), Some(b)) = (a.first_chunk(), b.first_chunk()) {
        return (n_bytes - 64 + unequal(a, b).leading_zeros() as usize).min(n_bytes);
    }
    let ((bytes_a, words_a), (bytes_b, words_b)) = (rest_a.as_rchunks(), rest_b.as_rchunks());
    for (at, (a, b)) in words_a.iter().zip(words_b).rev().enumerate() {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return at * 8 + difference.leading_zeros() as usize / 8;
        }
    }
    let bytes = bytes_a.iter().rev().zip(bytes_b.iter().rev());
    words_a.len() * 8 + bytes.take_while(|(a, b)| a == b).count()
}

/// A bit for each byte: 1 where they differ. The lowest bit is that of the first byte.
#[inline]
fn unequal(a: &[u8; 64], b: &[u8; 64]) -> u64 {
    let (a, b) = (a.as_chunks::<16>().0, b.as_chunks::<16>().0);
    a.iter().zip(b).rev().fold(0, |bits, (a, b)| {
        let equal = u8x16::new(*a).simd_eq(u8x16::new(*b)).to_bitmask();
        bits << 16 | u64::from(!equal & 0xffff)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// All three agree with the obvious way.
        #[test]
        fn comparing_is_comparing(
            a in proptest::collection::vec(0..3_u8, 0..150),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_u8), 0..3),
            cut in 0..3_usize,
        ) {
            let mut b = a.clone();
            for (at, byte) in edits {
                if !b.is_empty() {
                    let at = at.index(b.len());
                    b[at] = byte;
                }
            }
            b.truncate(b.len().saturating_sub(cut));
            prop_assert_eq!(same(&a, &b), a == b);
            let prefix = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(common_prefix(&a, &b), prefix);
            let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(common_suffix(&a, &b), suffix);
        }
    }
}
