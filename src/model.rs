//! The words every stage speaks: spans, label sets, metric types, numbers.
//!
//! Nothing here knows of exposition text as a whole, of rules, of files or of sockets.

pub mod family;
pub mod fingerprint;
pub mod format;
pub mod label;
pub mod number;
pub mod quote;
pub mod span;

pub use family::MetricType;
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use format::{Escaping, Format};
pub use label::LabelSet;
pub use span::Span;
