//! Bounds of a queue.

/// Default of [`Config::segment_bytes`].
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Default of [`Config::bytes_max`].
pub const BYTES_MAX: u64 = 16 << 30;
/// Default of [`Config::record_bytes_max`].
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// What to do when there is no room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum WhenFull {
    /// Refuse what comes.
    #[default]
    Refuse,
    /// Drop the oldest segment, and count its records.
    DropOldest,
}

/// Bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// A segment that is longer than this gets no more records.
    pub segment_bytes: u64,
    /// Bytes of all segments, and of what waits for the next sync.
    pub bytes_max: u64,
    /// Records older than this are dropped; never if `None`.
    pub age_max_ms: Option<i64>,
    /// The longest payload.
    pub record_bytes_max: usize,
    /// What to do when there is no room.
    pub when_full: WhenFull,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            bytes_max: BYTES_MAX,
            age_max_ms: None,
            record_bytes_max: RECORD_BYTES_MAX,
            when_full: WhenFull::Refuse,
        }
    }
}
