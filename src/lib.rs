//! weir stands between Prometheus exporters and Prometheus and lets less, cleaner, governed data
//! through.
//!
//! The modules in reading order; each level may use those above it in this list, never below.
//!
//! - [`model`]: spans, labels, metric types, numbers: the words.
//! - [`parse`]: exposition text to entries.

pub mod model;
pub mod parse;
pub mod aggregate;
pub mod render;
