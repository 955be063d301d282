//! Comparing stretches of a line without `memcmp`.
//!
//! `==` on slices calls the C library, whose `memcmp` is a byte loop in musl: there it would cost
//! ten times the rest of a warm line. Arrays of a fixed size are compared inline.

/// Whether two texts are equal.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a.len() < 32 {
        return same_short(a, b);
    }
    let (chunks_a, chunks_b) = (a.as_chunks::<32>().0, b.as_chunks::<32>().0);
    for (a, b) in chunks_a.iter().zip(chunks_b) {
        if a != b {
            return false;
        }
    }
    // The last 32 bytes overlap what has been compared.
    a.last_chunk::<32>() == b.last_chunk::<32>()
}

/// Below 32 bytes: two overlapping pieces.
#[inline]
fn same_short(a: &[u8], b: &[u8]) -> bool {
    if a.len() >= 16 {
        return a.first_chunk::<16>() == b.first_chunk::<16>()
            && a.last_chunk::<16>() == b.last_chunk::<16>();
    }
    if a.len() >= 8 {
        return a.first_chunk::<8>() == b.first_chunk::<8>()
            && a.last_chunk::<8>() == b.last_chunk::<8>();
    }
    if a.len() >= 4 {
        return a.first_chunk::<4>() == b.first_chunk::<4>()
            && a.last_chunk::<4>() == b.last_chunk::<4>();
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// How many bytes two texts have in common at their start.
#[inline]
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let n_bytes = a.len().min(b.len());
    let (a, b) = (&a[..n_bytes], &b[..n_bytes]);
    let mut at = 0;
    for (a, b) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0) {
        if a != b {
            break;
        }
        at += 32;
    }
    for (a, b) in a[at..].as_chunks::<8>().0.iter().zip(b[at..].as_chunks::<8>().0) {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return at + difference.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + a[at..].iter().zip(&b[at..]).take_while(|(a, b)| a == b).count()
}

/// How many bytes two texts have in common at their end.
#[inline]
pub(super) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let n_bytes = a.len().min(b.len());
    let (a, b) = (&a[a.len() - n_bytes..], &b[b.len() - n_bytes..]);
    let mut n_same = 0;
    let (rest_a, chunks_a) = a.as_rchunks::<8>();
    let (rest_b, chunks_b) = b.as_rchunks::<8>();
    for (a, b) in chunks_a.iter().zip(chunks_b).rev() {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return n_same + difference.leading_zeros() as usize / 8;
        }
        n_same += 8;
    }
    n_same + rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(a, b)| a == b).count()
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
