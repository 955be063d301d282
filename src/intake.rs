//! What becomes of pushed data: a remote-write request in, messages for destinations out.
//!
//! A [`Plan`] says which *ways* lead on: one for each destination, behind its rules. An [`Intake`]
//! takes one request after the other, hands what goes on to the [`SeriesWriter`] of each way, and
//! [tells](Taken) what was accepted, and what was refused and why.
//!
//! ```text
//! body ─ snappy ─► wire ─► judge ─┬─► chain: rules, remembered for each series ─► writer
//!                   refusals ◄────┘                                      (one for each way)
//! ```
//!
//! The rules of judging are those of Prometheus' receiver, with its texts: labels are sorted rather
//! than refused, a series at fault is left out and the rest goes on. Where nothing has to change,
//! the body goes on as it came.
//!
//! This module knows nothing of HTTP, of queues, or of the clock.

pub mod chain;
pub mod histogram;
mod judge;
mod labels;
mod lone;
mod out;
mod report;
mod request;
mod way;

pub use report::{Counts, Points, Reason, Refusals, WayReport};
pub use request::{Intake, IntakeError, IntakeLimits, Plan, Taken};
pub use way::SeriesWriter;
