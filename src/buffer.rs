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
//! cursor.tmp             a cursor that was being made
//!
//! segment = header header record*          (the header twice: one may be damaged)
//! header  = "weirseg" version:u8 number:u64 salt:u64 first_sequence:u64 crc:u32       36 bytes
//! record  = "wREC" length:u32 sequence:u64 time_ms:i64 kind:u32 payload_crc:u32
//!           head_crc:u32 payload                                          36 bytes + length
//! cursor  = slot, zeros up to byte 4096, slot                                   4124 bytes
//! slot    = "weircur" version:u8 salt:u64 acked:u64 crc:u32                       28 bytes
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
//! # The cursor
//!
//! Of the two slots the one with more acknowledged counts. The file is made, synced and given its
//! name before the first record is durable. From then on it is written in place, so that it needs
//! no space: where records are acknowledged while the disk is full, that is known after a restart.
//! (A file system that copies on write needs space all the same; there such records come again.)
//! One slot is durable and left alone; the other takes what is noted, as often as it is, and once
//! that is synced they change places. Each lies in a block of its own, so that a write that is torn
//! costs what was noted since the last sync. A cursor that could not be written is replaced by a
//! new file, under another name until it is durable.
//!
//! Programs before had slots one behind another, up to 1000, without zeros. Such a cursor is read
//! in the same way, and replaced before anything is written.
//!
//! # Recovery
//!
//! [`Queue::open`] reads every byte. A record whose head is whole but whose payload is not is
//! skipped. Where a head is damaged, the next one is searched byte by byte. So damage costs the
//! records it touches and no others. What is incomplete at the end of a segment is a write that
//! was never acknowledged, and ignored. Where a segment was written twice, since the first time was
//! not certain, the second counts: records are skipped whose numbers are not below the first of a
//! later segment. A lost cursor costs
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

mod cursor;
mod format;
mod scan;
mod whole;

pub use config::{Config, WhenFull};
pub use dir::{Dir, DirFile};
pub use error::{AppendError, OpenError, SyncError};
pub use queue::Queue;
pub use report::{Record, Recovery, Stats};
