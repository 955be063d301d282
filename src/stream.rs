//! Aggregation of pushed series while they pass: many series in, few out, at an interval.
//!
//! A [`Rule`] chooses series, says which labels their groups keep, and what is told of a group.
//! Time is that of the samples: a window is `(end - interval, end]`, aligned to the epoch, and is
//! closed `delay` after its end. What comes later is late: it is counted, and only what counters
//! grew by is not lost but told with the next window.
//!
//! | output | of a window |
//! |---|---|
//! | `sum_samples`, `count_samples`, `min`, `max`, `avg`, `last` | of its samples; nothing where there is none |
//! | `increase` | what the counters of the group grew by |
//! | `total` | the same since the group began: a counter |
//! | `histogram_bucket` | how many samples lay below each bound, since the group began: counters |
//! | `quantiles` | of its samples, to 1 % |
//!
//! Counters are read for each input series by itself, so that a reset of one is a reset of that one
//! alone. Of a series that is new only what it grew by counts, unless it is known to have begun
//! after the rule: by its start timestamp, or as the rule has run for longer than `staleness`.
//!
//! A group ends with its last input series: by stale markers, or `staleness` after the last sample.
//! Then each of its series ends with a stale marker.
//!
//! A request may be sent again. So nothing counts before [`Aggregator::commit`], and a sample that
//! is there already does not count twice.
//!
//! This module knows nothing of the clock: `now_ms` is an argument.

mod flush;
mod group;
pub mod rule;
mod save;
mod state;
mod window;

pub use rule::{Grouping, Output, Rule, RuleParts};
pub use save::RestoreError;
pub use state::{Aggregator, Staged, StreamCounts};

#[cfg(test)]
mod tests;
