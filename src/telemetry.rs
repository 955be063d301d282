//! What weir says about itself: log lines, metrics, panics.
//!
//! Set up once by `main`; the rest of the program logs through `tracing` and counts through
//! [`Metrics`]. Nothing here knows what the numbers are for.

pub mod log;
pub mod metrics;
pub mod panic;
pub mod process;
pub mod push;
pub mod receive;
pub mod remote_write;

pub use metrics::Metrics;
