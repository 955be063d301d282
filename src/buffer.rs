//! The durable queue: records that survive until they are acknowledged.
//!
//! One queue is one directory. Bytes go in as records, are durable once [`Queue::sync`] has
//! returned, come out in order, and are gone when they have been acknowledged. Many appenders share
//! one `sync`: append all that wait, sync once, answer all.
//!
//! # The files
//!
//! All numbers are little endian. A directory holds segments, a cursor and nothing else of ours;
//! other files are left alone.
//!
//! ```text
//! 0123456789abcdef.seg   a segment; its name is its number, 16 hexadecimal digits
//! cursor                 up to which record all is acknowledged
//! cursor.tmp             a cursor that was being written
//!
//! segment = header header record*          (the header twice: one may be damaged)
//! header  = "weirseg" version:u8 number:u64 salt:u64 first_sequence:u64 crc:u32       36 bytes
//! record  = "wREC" length:u32 sequence:u64 time_ms:i64 kind:u32 payload_crc:u32
//!           head_crc:u32 payload                                          36 bytes + length
//! cursor  = ("weircur" version:u8 salt:u64 acked:u64 crc:u32)*          28 bytes; the last counts
//! ```
//!
//! Checksums are CRC32C: of a header and of the cursor over all bytes before, `payload_crc` over
//! the payload, `head_crc` over the salt and the 32 bytes of the record before it. The salt is
//! random, chosen once for a directory and not known to whoever writes payloads: a payload cannot
//! hold what looks like a record. The version is 1. A newer one stops the opening, and nothing is
//! touched.
//!
//! Sequence numbers start at 1, rise by one with each record, and are never used twice. A record
//! lies in one segment. A segment is written by one process from its beginning; after a restart or
//! an error of the disk the next record begins a new one.
//!
//! # Recovery
//!
//! [`Queue::open`] reads every byte. A record whose head is whole but whose payload is not is
//! skipped. Where a head is damaged, the next one is searched byte by byte. So damage costs the
//! records it touches and no others. What is incomplete at the end of a segment is a write that
//! was never acknowledged, and ignored. Records with numbers seen before (a segment that was
//! written twice, since the first time was not certain) are skipped. A lost cursor costs
//! duplicates, never records: reading starts at the oldest record there is.
//!
//! # Errors of the disk
//!
//! When writing or syncing fails, [`Queue::sync`] says so, and what it was to write stays in
//! memory. The segment is given up from its last good sync on, since nobody knows what is there;
//! the next `sync` writes all of it to a new one. Nothing is durable before that has succeeded. So
//! a queue heals when there is space again. What should not wait is given up by
//! [`Queue::discard_pending`].
//!
//! A range that cannot be read is tried again, then counted and skipped like a damaged one.
//!
//! This module knows nothing of what records mean, of threads, or of the clock. The disk is a
//! [`Dir`], the time an argument.

pub mod config;
pub mod dir;
pub mod error;
pub mod memory;
pub mod queue;
pub mod report;

mod format;
mod scan;

pub use config::{Config, WhenFull};
pub use dir::{Dir, DirFile};
pub use error::{AppendError, OpenError, SyncError};
pub use queue::Queue;
pub use report::{Record, Recovery, Stats};
