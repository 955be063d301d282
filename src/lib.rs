//! weir stands between Prometheus exporters and Prometheus and lets less, cleaner, governed data
//! through.
//!
//! The modules in reading order; each level may use those above it in this list, never below.
//!
//! - [`model`]: spans, labels, metric types, numbers: the words.
//! - [`relabel`]: labels × rules → keep or drop, and labels.

pub mod model;
pub mod relabel;
pub mod aggregate;
pub mod render;
