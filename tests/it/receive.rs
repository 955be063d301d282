//! Remote write coming in.

mod bad_input;
mod compliance;
mod message_writer;
mod prometheus;
mod senders;
pub(crate) mod support;
mod whole;
