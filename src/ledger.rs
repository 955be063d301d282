//! One target's series in the order in which it writes them: a known line costs a comparison.
//!
//! Exporters write the same series in the same order at every scrape; only the numbers change.
//! What is expensive (tokenising, relabelling, finding the output series) depends on the series
//! alone, so its result is kept, one *row* a line: the text before the value, and for each output
//! the slot it feeds, or that the rules drop it.
//!
//! ```text
//!            known line: same bytes as the predicted row ─► value
//! bytes ──► <                                                        ─► commit ─► rows (slot, value)
//!            other line: parse ─► relabel ─► find or note the series ─► new row
//! ```
//!
//! A [`Reader`] walks the body and the rows of the last scrape together and never changes either
//! the [`Ledger`] or the output tables; only [`Ledger::commit`] does, after a body that ended
//! cleanly. So a body that is cut, late or malformed leaves no trace, and targets can be read side
//! by side.
//!
//! Where a line is not the predicted one, the rest of the block of 128 rows is written out and
//! searched, then the first rows of all blocks; what is found there is a known series that has
//! moved. Blocks that come through unchanged are shared between the old rows and the new.
//!
//! A row is known by its exact bytes, never by a hash of them. The ledger is built on `parse`,
//! `relabel` and `aggregate`; it must not know of sockets, files, clocks or how text is rendered.

mod block;
mod cold;
mod commit;
mod common;
mod compare;
mod counted;
mod meta;
mod predict;
mod reader;
mod recent;
mod resync;
mod staged;
mod unordered;

pub use cold::{OutputRules, SharedTable};
pub use commit::{Ledger, Opening, ReadStats};
pub use common::Common;
pub use counted::Moment;
pub use reader::{CleanRead, ReadError, ReadLimits, Reader};

/// A slot that is none: bits that say so, and the number of the rule that dropped the series.
const DROPPED: u32 = 0xffff_0000;
/// Set in a slot that is the number of a series no table knows yet.
const NEW: u32 = 0x8000_0000;

/// The slot of a series that rule number `rule` drops.
fn dropped_by(rule: usize) -> u32 {
    DROPPED | u32::from(u16::try_from(rule).unwrap_or(u16::MAX))
}

/// Whether the slot says that the series is dropped.
fn is_dropped(slot: u32) -> bool {
    slot >= DROPPED
}

#[cfg(test)]
mod tests;
