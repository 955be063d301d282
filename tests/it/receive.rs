//! Remote write coming in.

mod bad_input;
mod compliance;
mod prometheus;
pub(crate) mod support;
