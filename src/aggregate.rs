//! Output series: interning them, merging committed rows into them, keeping them in order.
//!
//! ```text
//! label sets ─► series (text, fingerprint) ─► table (fingerprint → slot) ─► layout (families,
//! groups, samples); rows (slot, value) ─► merge ─► snapshot ─► render
//! ```
//!
//! In: label sets after the rules, and for each commit the rows of all targets as (slot, value).
//! Out: a [`Snapshot`](snapshot::Snapshot), sorted and ready to be rendered.
//!
//! This module must not know where rows come from, what rules there are, nor what exposition text
//! looks like beyond the spelling of one label set.

pub mod choice;
pub mod exact;
pub mod family;
pub mod layout;
pub mod merge;
pub mod series;
pub mod snapshot;
pub mod table;
