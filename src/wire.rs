//! Remote-Write messages: bytes of a request to time series, and time series to bytes.
//!
//! Both versions: 1.0 (`prometheus.WriteRequest`) and 2.0 (`io.prometheus.write.v2.Request`, as of
//! its fourth release candidate). What goes in is the decompressed body, or the compressed one to
//! [`snappy`]; what comes out borrows from it. A request is walked one series at a time, and every
//! series looks the same ([`Series`]) whatever version it came in, so that it can be written in
//! either: [`put_series_v1`], [`V2Encoder`].
//!
//! ```text
//! body ─ Decoder::open ─► Request ─ next_series ─► Series ─┬─ put_series_v1 ─► bytes of 1.0
//!                                                          └─ V2Encoder::push ► bytes of 2.0
//! ```
//!
//! Series that need not be seen, since a body goes on as it came, are skipped in runs (`alike`).
//!
//! The messages are protobuf 3. Numbers of fields and their types:
//!
//! ```text
//! 1.0 WriteRequest  1 timeseries*  3 metadata*          (2: reserved)
//!     TimeSeries    1 labels*  2 samples*  3 exemplars*  4 histograms*
//!     Label         1 name  2 value
//!     Sample        1 value double  2 timestamp int64
//!     Exemplar      1 labels*  2 value double  3 timestamp int64
//!     Metadata      1 type enum  2 metric_family_name  4 help  5 unit
//! 2.0 Request       4 symbols*  5 timeseries*           (1 to 3: reserved)
//!     TimeSeries    1 labels_refs uint32*  2 samples*  3 histograms*  4 exemplars*  5 metadata
//!                   6 created_timestamp int64, up to rc.3: read where a sample has none, never
//!                   written
//!     Sample        1 value double  2 timestamp int64  3 start_timestamp int64
//!     Exemplar      1 labels_refs uint32*  2 value double  3 timestamp int64
//!     Metadata      1 type enum  3 help_ref uint32  4 unit_ref uint32
//! ```
//!
//! Histograms are in [`histogram`]. Unknown fields are skipped, repeated numbers are read packed,
//! unpacked and mixed, and of a field that must not repeat the last one counts.
//!
//! Values are never touched: a stale marker is one pattern of bits among the NaNs, and every bit
//! that comes in goes out.
//!
//! This module knows nothing of HTTP, and does not judge what the messages say: order of labels,
//! UTF-8, duplicate names and the consistency of histograms are the business of whoever receives.

pub mod error;
pub mod histogram;
pub mod labels;
pub mod request;
pub mod series;
pub mod snappy;

mod alike;
mod cursor;
mod encode;
mod encode_v1;
mod encode_v2;
mod symbols;

pub(crate) use alike::{NotedNames, Run};
pub use encode::Lost;
pub use encode_v1::{put_label_v1, put_metadata_v1, put_series_v1};
pub use encode_v2::V2Encoder;
pub use error::{RefFault, WireError, WireErrorKind};
pub use histogram::{BucketSpan, Buckets, Count, Histogram, ResetHint};
pub use labels::Labels;
pub use request::{Decoder, Limits, Request};
pub use series::{Exemplar, Metadata, MetricMetadata, Sample, Series};

/// The bits of a stale marker: this series has ended.
///
/// A signalling NaN of its own, as Prometheus' `model/value` defines it. Compare bits, never
/// values.
pub const STALE_MARKER_BITS: u64 = 0x7ff0_0000_0000_0002;

/// A version of the message.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}
