//! Where data go once they are accepted: the seam between receiving and sending.

use crate::intake::Counts;
use crate::intake::SeriesWriter;
use crate::relabel::Rules;
use crate::wire::Version;
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// Somewhere data go to, by way of a queue.
pub trait Destination: fmt::Debug + Send + Sync + 'static {
    /// Writes what goes there.
    type Writer: SeriesWriter + fmt::Debug + Send;
    /// What was written.
    type Batches: Send + 'static;

    /// What it is called in metrics.
    fn name(&self) -> &str;
    /// Its own rules.
    fn rules(&self) -> &Rules;
    /// Something to write with, again and again.
    fn writer(&self) -> Self::Writer;
    /// Take what was written; `None` if there is nothing.
    fn finish(&self, writer: &mut Self::Writer) -> Option<Self::Batches>;
    /// A request that goes on as it came.
    fn whole(&self, version: Version, counts: &Counts, body: Bytes) -> Self::Batches;
    /// Queue what was written. Done once it is as durable as was promised.
    fn append(
        &self,
        batches: Self::Batches,
    ) -> impl Future<Output = Result<(), AppendError>> + Send;
}

/// Why something was not queued; the later the worse.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AppendError {
    /// It is longer than a record may be.
    TooLong,
    /// The queue is full.
    Full {
        /// When to try again.
        retry_after: Duration,
    },
    /// The queue takes nothing any more, as weir ends.
    Closed,
    /// The disk refuses.
    Disk(String),
}
