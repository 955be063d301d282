//! Many rows into one slot: which operation, and carrying it out.

use crate::aggregate::exact::{PairSum, exact_sum};
use crate::aggregate::family::Suffix;
use crate::model::MetricType;
use std::sync::Arc;

/// What stands in a slot that has no value: the bits of Prometheus' stale marker, which neither
/// text nor arithmetic produces (it is a signalling NaN, results are quiet ones).
pub const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is [`ABSENT`].
#[inline]
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// What a counter of the output is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Counters {
    /// The sum of the values of its inputs. Where an input restarts, vanishes or is late it falls.
    #[default]
    Raw,
    /// What its inputs have counted since weir has known them. It starts at 0 and never falls.
    ResetSafe,
}

/// How rows that feed one slot are merged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MergePolicy {
    /// By type: see [`operation`]; quantiles and buckets not all inputs have are left out.
    #[default]
    Typed,
    /// Everything is summed, as metric-gate does.
    Sum,
}

/// How the values of one slot become one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Operation {
    /// Their sum.
    #[default]
    Sum,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// The running total of what their inputs have counted: see [`Counters::ResetSafe`].
    Increase,
    /// Their mean.
    Avg,
    /// The last one, in the order in which rows are walked.
    Last,
    /// How many there are.
    Count,
    /// Nothing: the series is left out.
    Drop,
}

/// The operation for a sample.
///
/// Counters, histograms, `_sum` and `_count`, gauges and what has no type are summed; infos and
/// state sets are the greatest of their values, creation and start times the least. Exporters that
/// write text 0.0.4 have no info type and no creation times of their own; there the name tells.
pub fn operation(
    policy: MergePolicy,
    counters: Counters,
    metric_type: Option<MetricType>,
    family: &[u8],
    suffix: Suffix,
) -> Operation {
    use MetricType as T;
    let of_counter = match counters {
        Counters::Raw => Operation::Sum,
        Counters::ResetSafe => Operation::Increase,
    };
    match (policy, metric_type.unwrap_or_default(), suffix) {
        (MergePolicy::Sum, ..) => Operation::Sum,
        (_, T::Info | T::StateSet, _) => Operation::Max,
        // When a total of weir's own began, no input knows.
        (_, _, Suffix::Created) if counters == Counters::ResetSafe => Operation::Drop,
        (_, _, Suffix::Created) => Operation::Min,
        (_, T::Gauge | T::Unknown, Suffix::None) => {
            if family.ends_with(b"_info") || family.ends_with(b"_timestamp_seconds") {
                Operation::Max
            } else if family.ends_with(b"_created") || family.ends_with(b"_start_time_seconds") {
                Operation::Min
            } else if family.ends_with(b"_total") && metric_type != Some(T::Gauge) {
                of_counter
            } else {
                Operation::Sum
            }
        }
        (_, T::Counter, Suffix::None | Suffix::Total)
        | (_, T::Unknown, Suffix::Total)
        | (_, _, Suffix::Bucket | Suffix::Sum | Suffix::Count) => of_counter,
        _ => Operation::Sum,
    }
}

/// The rows of all targets that feed one output, walked in a fixed order.
pub trait Rows {
    /// Call `visit` with the slot and value of each row; where the slot's operation is
    /// [`Operation::Increase`], with what the row has counted since the last time.
    fn for_each(&self, slots: Slots<'_>, visit: impl FnMut(u32, f64));
    /// Call `visit` with the slot of each row that has no value this time, but may have one again;
    /// and why.
    fn for_each_held(&self, visit: impl FnMut(u32, Held));
    /// Call `visit` with the slot and timestamp (ms) of each row that has a timestamp.
    fn for_each_timestamp(&self, visit: impl FnMut(u32, i64));
    /// Call `visit` with the slot and the exemplar of each row that has one: its text from `{` on.
    fn for_each_exemplar(&self, visit: impl FnMut(u32, &[u8]));
}

/// What rows may know of the slots they feed.
#[derive(Clone, Copy)]
pub struct Slots<'a> {
    /// By slot: what is done with its rows.
    pub operations: &'a [Operation],
    /// By slot: where it stands in its group; asked for only where a counter was reset.
    pub places: &'a dyn Fn() -> Arc<Vec<Place>>,
}

impl std::fmt::Debug for Slots<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

/// Where a slot stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// A number of its group; 0: none.
    pub group: u32,
    /// Its position in the group: bounds ascending, then sum, count and the rest.
    pub position: u16,
    /// Whether it has a bound.
    pub has_bound: bool,
}

/// Why a slot stays that no row feeds.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Held {
    /// It does not.
    #[default]
    No,
    /// A row of it is gone, but may come back.
    Departed,
    /// A target that has it did not answer: its counters stand still.
    Waiting,
}

/// One slot while rows are added.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    sum: PairSum,
    n_rows: u32,
    operation: Operation,
    is_exact: bool,
}

/// The merged values of one output.
#[derive(Debug, Default)]
pub struct Merged {
    /// By slot; [`ABSENT`] where no row feeds it.
    pub values: Vec<f64>,
    /// By slot: how many rows fed it.
    pub n_rows: Vec<u32>,
    /// By slot: why it stays although no row fed it. Empty where all were fed.
    pub held: Vec<Held>,
    /// The most rows that fed one slot.
    pub n_rows_max: u32,
}

/// Merge all rows.
pub fn merge(rows: &impl Rows, of: Slots<'_>) -> Merged {
    let fresh = |&operation| Slot { operation, is_exact: true, ..Slot::default() };
    let mut slots: Vec<Slot> = of.operations.iter().map(fresh).collect();
    rows.for_each(of, |slot, value| {
        let Some(slot) = slots.get_mut(slot as usize) else { return };
        slot.n_rows += 1;
        if slot.n_rows == 1 {
            slot.sum = PairSum::of(value);
        } else if slot.operation.adds() {
            slot.is_exact &= slot.sum.add(value);
        } else {
            slot.sum = PairSum::of(pick(slot.operation, slot.sum.value(), value));
        }
    });
    let value_of = |slot: &Slot| if slot.n_rows == 0 { ABSENT } else { slot.sum.value() };
    let mut merged = Merged {
        values: slots.iter().map(value_of).collect(),
        n_rows: slots.iter().map(|slot| slot.n_rows).collect(),
        held: Vec::new(),
        n_rows_max: slots.iter().map(|slot| slot.n_rows).max().unwrap_or(0),
    };
    if slots.iter().any(|slot| !slot.is_exact) {
        sum_again(rows, of, &slots, &mut merged.values);
    }
    for (slot, value) in slots.iter().zip(&mut merged.values).filter(|(slot, _)| slot.n_rows > 0) {
        match slot.operation {
            Operation::Avg => *value /= f64::from(slot.n_rows),
            Operation::Count => *value = f64::from(slot.n_rows),
            Operation::Drop => *value = ABSENT,
            _ => {}
        }
    }
    rows.for_each_held(|slot, why| {
        if merged.n_rows.get(slot as usize) == Some(&0) {
            merged.held.resize(merged.n_rows.len(), Held::No);
            let held = &mut merged.held[slot as usize];
            *held = why.max(*held);
        }
    });
    merged
}

impl Merged {
    /// Whether anything feeds a slot, or will.
    pub fn is_live(&self, slot: u32) -> bool {
        let at = slot as usize;
        let is_held = self.held.get(at).is_some_and(|&held| held != Held::No);
        is_held || self.n_rows.get(at).is_some_and(|&n| n > 0)
    }
}

impl Operation {
    /// Whether values are added up.
    #[inline]
    fn adds(self) -> bool {
        matches!(self, Self::Sum | Self::Increase | Self::Avg)
    }
}

/// The one of two values that counts; of the greater and the lesser, a number wins over NaN.
fn pick(operation: Operation, a: f64, b: f64) -> f64 {
    match operation {
        Operation::Min => a.min(b),
        Operation::Last => b,
        _ => a.max(b),
    }
}

/// Sum the slots whose running sum was not exact from all their values.
#[cold]
fn sum_again(rows: &impl Rows, of: Slots<'_>, slots: &[Slot], values: &mut [f64]) {
    let mut gathered: Vec<(u32, f64)> = Vec::new();
    rows.for_each(of, |slot, value| {
        if slots.get(slot as usize).is_some_and(|slot| !slot.is_exact) {
            gathered.push((slot, value));
        }
    });
    gathered.sort_by_key(|&(slot, _)| slot);
    for run in gathered.chunk_by(|a, b| a.0 == b.0) {
        let mut summands: Vec<f64> = run.iter().map(|&(_, value)| value).collect();
        values[run[0].0 as usize] = exact_sum(&mut summands);
    }
}

/// By slot the newest timestamp, where all rows have one; `None` if no slot has one.
pub fn merge_timestamps(rows: &impl Rows, n_rows: &[u32]) -> Option<Vec<Option<i64>>> {
    let mut newest: Vec<(u32, i64)> = Vec::new();
    rows.for_each_timestamp(|slot, timestamp| {
        // As metric-gate has it, 0 means none.
        if timestamp <= 0 {
            return;
        }
        if newest.is_empty() {
            newest.resize(n_rows.len(), (0, i64::MIN));
        }
        if let Some((n_stamped, newest)) = newest.get_mut(slot as usize) {
            *n_stamped += 1;
            *newest = timestamp.max(*newest);
        }
    });
    if newest.is_empty() {
        return None;
    }
    let complete = |(&(n_stamped, newest), &n_rows): (&(u32, i64), &u32)| {
        (n_stamped > 0 && n_stamped == n_rows).then_some(newest)
    };
    Some(newest.iter().zip(n_rows).map(complete).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Listed(Vec<(u32, f64)>, Vec<(u32, i64)>);

    impl Rows for Listed {
        fn for_each_held(&self, _: impl FnMut(u32, Held)) {}
        fn for_each(&self, _: Slots<'_>, mut visit: impl FnMut(u32, f64)) {
            self.0.iter().for_each(|&(slot, value)| visit(slot, value));
        }
        fn for_each_timestamp(&self, mut visit: impl FnMut(u32, i64)) {
            self.1.iter().for_each(|&(slot, timestamp)| visit(slot, timestamp));
        }
        fn for_each_exemplar(&self, _: impl FnMut(u32, &[u8])) {}
    }

    fn merge_by(rows: &impl Rows, operations: &[Operation]) -> Merged {
        merge(rows, Slots { operations, places: &Arc::default })
    }

    #[test]
    fn each_slot_has_its_operation() {
        let rows = Listed(
            vec![(0, 0.1), (1, 3.0), (2, 3.0), (0, 0.2), (1, 5.0), (2, 5.0), (0, 0.3)],
            vec![],
        );
        let merged =
            merge_by(&rows, &[Operation::Sum, Operation::Max, Operation::Min, Operation::Sum]);
        assert_eq!(merged.values[..3], [0.6, 5.0, 3.0]);
        assert!(is_absent(merged.values[3]));
        assert_eq!(merged.n_rows, [3, 2, 2, 0]);
    }

    #[test]
    fn what_a_pair_cannot_hold_is_summed_again() {
        let rows = Listed(vec![(0, 1e100), (0, 1.0), (0, 1e-100), (0, -1e100), (0, -1.0)], vec![]);
        assert_eq!(merge_by(&rows, &[Operation::Sum]).values, [1e-100]);
    }

    #[test]
    fn the_newest_timestamp_counts_if_all_have_one() {
        let rows = Listed(vec![], vec![(0, 5), (0, 9), (0, 7), (1, 5)]);
        let stamps = merge_timestamps(&rows, &[3, 2, 1]);
        assert_eq!(stamps, Some(vec![Some(9), None, None]));
        assert_eq!(merge_timestamps(&Listed(vec![], vec![]), &[1]), None);
    }

    #[test]
    fn operations_follow_type_then_name() {
        use MetricType as T;
        #[track_caller]
        fn check(metric_type: Option<T>, family: &str, suffix: Suffix, expect: Operation) {
            let typed = operation(
                MergePolicy::Typed,
                Counters::Raw,
                metric_type,
                family.as_bytes(),
                suffix,
            );
            assert_eq!(typed, expect, "{family}");
            let sum = operation(
                MergePolicy::Sum,
                Counters::ResetSafe,
                metric_type,
                family.as_bytes(),
                suffix,
            );
            assert_eq!(sum, Operation::Sum, "{family}");
        }
        check(Some(T::Counter), "a_info", Suffix::None, Operation::Sum);
        check(Some(T::Gauge), "a", Suffix::None, Operation::Sum);
        check(Some(T::Gauge), "a_info", Suffix::None, Operation::Max);
        check(None, "a_created", Suffix::None, Operation::Min);
        check(Some(T::Gauge), "process_start_time_seconds", Suffix::None, Operation::Min);
        check(Some(T::Gauge), "last_run_timestamp_seconds", Suffix::None, Operation::Max);
        check(Some(T::Histogram), "h", Suffix::Created, Operation::Min);
        check(Some(T::StateSet), "s", Suffix::None, Operation::Max);
        check(Some(T::Info), "i", Suffix::Info, Operation::Max);
        check(None, "x", Suffix::None, Operation::Sum);
    }
}
