//! Why the queue refuses something.

use std::io;

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// There is no room: the sender has to wait.
    #[error("the queue is full: {n_bytes} of {max} bytes")]
    Full {
        /// Bytes in use.
        n_bytes: u64,
        /// The limit.
        max: u64,
    },
    /// It is longer than any record may be.
    #[error("a record of {n_bytes} bytes is longer than the limit of {max}")]
    TooLong {
        /// Length of the payload.
        n_bytes: usize,
        /// The limit.
        max: usize,
    },
}

/// Why records are not durable. They are still in memory.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {file:?}")]
pub struct SyncError {
    /// The file.
    pub file: String,
    /// What the system said.
    pub source: io::Error,
}

/// Why a queue was not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory cannot be listed.
    #[error("cannot list the directory of the queue")]
    List(#[source] io::Error),
    /// A file was written by a newer program.
    #[error("{file:?} has format version {version}, this program reads version 1: use a newer one")]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u8,
    },
}
