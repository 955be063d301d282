//! Remote write coming in.

mod bad_input;
mod compliance;
mod prometheus;
mod senders;
pub(crate) mod support;
