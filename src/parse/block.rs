//! Sixteen or sixty-four bytes at once.

use wide::u8x16;

/// Bytes in a [`Block`].
pub(super) const BLOCK_BYTES: usize = 64;

/// Where in 64 bytes something stands, a bit a byte, the first byte lowest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    /// The double quotes.
    pub(super) quotes: u64,
    /// Whether there is a control character or a backslash.
    pub(super) any_odd: bool,
    /// Whether there is a byte beyond ASCII.
    pub(super) any_high: bool,
}

impl Block {
    #[inline]
    pub(super) fn of(bytes: &[u8; BLOCK_BYTES]) -> Self {
        let mut quotes = 0;
        let mut lowest = u8x16::splat(0xff);
        let mut highest = u8x16::splat(0);
        let mut backslash = u8x16::splat(0);
        for (at, lane) in lanes(bytes) {
            quotes |= u64::from(lane.simd_eq(u8x16::splat(b'"')).to_bitmask()) << at;
            backslash |= lane.simd_eq(u8x16::splat(b'\\'));
            lowest = lowest.min(lane);
            highest |= lane;
        }
        let odd = backslash | at_most(lowest, 0x1f);
        Self { quotes, any_odd: odd.to_bitmask() != 0, any_high: highest.to_bitmask() != 0 }
    }
}

/// The control characters and backslashes in 64 bytes.
pub(super) fn odd_mask(bytes: &[u8; BLOCK_BYTES]) -> u64 {
    lanes(bytes).fold(0, |mask, (at, lane)| {
        let odd = lane.simd_eq(u8x16::splat(b'\\')) | at_most(lane, 0x1f);
        mask | u64::from(odd.to_bitmask()) << at
    })
}

#[inline]
fn lanes(bytes: &[u8; BLOCK_BYTES]) -> impl Iterator<Item = (usize, u8x16)> {
    let (lanes, _) = bytes.as_chunks::<16>();
    lanes.iter().enumerate().map(|(at, lane)| (at * 16, u8x16::from(*lane)))
}

#[inline]
fn at_most(lane: u8x16, limit: u8) -> u8x16 {
    lane.min(u8x16::splat(limit)).simd_eq(lane)
}

/// Which of 16 bytes may stand in a label name behind its first byte, and which are digits.
#[inline]
pub(super) fn name_masks(bytes: [u8; 16]) -> (u32, u32) {
    let lane = u8x16::from(bytes);
    let letter = at_most((lane | u8x16::splat(0x20)) - u8x16::splat(b'a'), 25);
    let digit = at_most(lane - u8x16::splat(b'0'), 9);
    let names = letter | digit | lane.simd_eq(u8x16::splat(b'_'));
    (names.to_bitmask(), digit.to_bitmask())
}

/// Which of 16 bytes may stand in a metric name behind its first byte.
#[inline]
pub(super) fn metric_name_mask(bytes: [u8; 16]) -> u32 {
    let lane = u8x16::from(bytes);
    let letter = at_most((lane | u8x16::splat(0x20)) - u8x16::splat(b'a'), 25);
    // The colon is the byte behind the nine.
    let digit = at_most(lane - u8x16::splat(b'0'), 10);
    (letter | digit | lane.simd_eq(u8x16::splat(b'_'))).to_bitmask()
}

/// Which of 16 bytes are newlines.
#[inline]
pub(super) fn newline_mask(bytes: [u8; 16]) -> u32 {
    u8x16::from(bytes).simd_eq(u8x16::splat(b'\n')).to_bitmask()
}

/// Which of 32 bytes are the same.
#[inline]
pub(super) fn same_mask(a: &[u8; 32], b: &[u8; 32]) -> u32 {
    let half = |at: usize| {
        let (a, b) = (&a.as_chunks::<16>().0[at], &b.as_chunks::<16>().0[at]);
        u8x16::from(*a).simd_eq(u8x16::from(*b)).to_bitmask()
    };
    half(0) | half(1) << 16
}
