//! What comes out of a queue, and what it says of itself.

/// A record that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its number, for [`super::Queue::ack`].
    pub sequence: u64,
    /// What it was appended as.
    pub kind: u32,
    /// When it was appended, in milliseconds since 1970.
    pub time_ms: i64,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// What was found when a queue was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recovery {
    /// Records that have not been acknowledged.
    pub n_records: u64,
    /// Ranges of bytes in which a record and more was lost.
    pub n_damaged: u64,
    /// Incomplete bytes at the ends of segments.
    pub n_torn_bytes: u64,
    /// Segments neither of whose headers could be read. Where no record could be read either,
    /// since the salt is not known from elsewhere, the file is left as it is.
    pub n_headers_lost: u64,
    /// Segments that could not be opened.
    pub n_unreadable: u64,
    /// Whether there are segments, but no cursor that could be read.
    pub is_cursor_lost: bool,
    /// Files that are none of ours.
    pub n_foreign_files: u64,
}

/// What has happened since the queue was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Records appended.
    pub n_appended: u64,
    /// Records refused since there was no room.
    pub n_refused: u64,
    /// Unacknowledged records dropped to make room.
    pub n_dropped_full: u64,
    /// Unacknowledged records dropped since they were too old.
    pub n_dropped_age: u64,
    /// Records given up before they were durable.
    pub n_discarded: u64,
    /// Ranges skipped while reading, since they were damaged or could not be read.
    pub n_damaged: u64,
    /// Syncs that succeeded.
    pub n_syncs: u64,
    /// Syncs that failed.
    pub n_sync_errors: u64,
    /// Segments that could not be deleted.
    pub n_remove_errors: u64,
}
