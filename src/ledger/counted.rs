//! Up to which value each row has been counted, for counters that never fall.
//!
//! A counter of several targets is not the sum of their values, which falls when one of them
//! restarts, vanishes or is late, but the sum of what their rows have counted: for each row
//! `value - counted`, or `value` after a reset. So each row remembers up to which value it has been
//! counted, wherever in the body it moves:
//!
//! * a row the target had before goes on from there;
//! * a row that comes back after it was gone for some minutes goes on from where it was;
//! * another new row counts from 0, since a known target counts nothing in secret;
//! * the rows of a target weir has not met start with the value they have, unless the process says
//!   that it has started after the last round of scrapes: then they count from 0 as well;
//! * where a process says that it has started since (`process_start_time_seconds`), all its rows
//!   count from 0; where a series does (`…_created`), those of its name and labels do.

use std::collections::HashMap;
use std::collections::HashSet;

use crate::aggregate::merge::{Operation, Place};
use crate::ledger::block::{Block, Decoded, NO_ORIGIN, RowKind, Started};
use crate::ledger::commit::Base;
use crate::ledger::staged::{Origin, Staged};
use crate::ledger::unordered::Known;
use crate::model::{Fingerprint, FingerprintKey, Format};
use crate::parse::{Entry, SampleTokens, parse_entry};

/// How long a row that is gone is remembered.
const KEEP_MS: i64 = 10 * 60 * 1000;
/// Rows that are remembered beyond as many as the target has.
const SPARE_DEPARTED: usize = 10_000;
/// Start times that differ less are the same: some exporters compute theirs anew each time.
const START_JITTER_SECONDS: f64 = 1.0;

/// Not counted yet: counting starts with the value at hand.
const BASELINE: f64 = f64::NAN;

/// When a body was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moment {
    /// The start of this round of scrapes, in ms since 1970.
    pub now_ms: i64,
    /// That of the round before; `None` if this is the first.
    pub previous_ms: Option<i64>,
}

/// A row that is gone.
#[derive(Debug)]
struct Departed {
    counted: f64,
    slots: Box<[u32]>,
    since_ms: i64,
}

/// What the rows of one target have counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By sample. One that is not a number: nothing.
    by_sample: Vec<f64>,
    departed: HashMap<Fingerprint, Departed>,
    /// When the process started, as it says.
    start_time: Option<f64>,
    is_known_target: bool,
    /// It was started again before the body at hand.
    has_restarted: bool,
}

/// What a commit hands over: the body that was, and the one that is.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) old: &'a Base,
    pub(super) old_known: Option<&'a Known>,
    pub(super) n_outputs: usize,
    pub(super) staged: &'a Staged,
    pub(super) known: Option<&'a Known>,
    pub(super) format: Format,
    pub(super) key: &'a FingerprintKey,
    pub(super) moment: Moment,
}

impl Counted {
    /// Carry over what has been counted to the rows of a new body.
    pub(super) fn carry_over(&mut self, change: &Change<'_>) {
        let now_ms = change.moment.now_ms;
        self.departed.retain(|_, departed| now_ms - departed.since_ms < KEEP_MS);
        let mut fresh = Vec::new();
        let next = match change.known {
            Some(known) => self.carried_by_series(known, change, &mut fresh),
            None => self.carried_by_rows(change, &mut fresh),
        };
        let start_time = start_time(change.staged);
        let unmet = self.count_unmet_from(start_time, change.moment);
        self.by_sample = next;
        self.settle_fresh(fresh, unmet, change);
        let has_restarted = self.is_known_target
            && matches!((self.start_time, start_time),
                (Some(old), Some(new)) if new > old + START_JITTER_SECONDS);
        self.has_restarted = has_restarted;
        if has_restarted {
            self.by_sample.fill(0.0);
        } else {
            self.note_created(change);
        }
        self.start_time = start_time.or(self.start_time);
        self.is_known_target = true;
    }

    /// From where rows count that have not been met.
    fn count_unmet_from(&self, start_time: Option<f64>, moment: Moment) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
        let is_younger =
            |start: f64| moment.previous_ms.is_some_and(|ms| start * 1000.0 > ms as f64);
        if self.is_known_target || start_time.is_some_and(is_younger) { 0.0 } else { BASELINE }
    }

    /// Rows of a target that keeps its order.
    fn carried_by_rows(&mut self, change: &Change<'_>, fresh: &mut Vec<usize>) -> Vec<f64> {
        let staged = change.staged;
        let mut next = Vec::with_capacity(staged.values.len());
        let mut is_taken = vec![false; self.by_sample.len()];
        for (block, origin) in staged.blocks.iter().zip(&staged.origins) {
            match origin {
                Origin::Block(at) => {
                    let first = change.old.first_samples.get(*at).copied().unwrap_or(0);
                    let numbers = first..first + block.n_samples();
                    next.extend_from_slice(self.by_sample.get(numbers.clone()).unwrap_or(&[]));
                    is_taken.get_mut(numbers).into_iter().for_each(|taken| taken.fill(true));
                }
                Origin::Samples(numbers) => {
                    for &number in numbers {
                        let at = number as usize;
                        let known = self.by_sample.get(at).filter(|_| number != NO_ORIGIN);
                        if let Some(&counted) = known {
                            is_taken[at] = true;
                            next.push(counted);
                        } else {
                            fresh.push(next.len());
                            next.push(BASELINE);
                        }
                    }
                }
            }
        }
        next.resize(staged.values.len(), BASELINE);
        if let Some(known) = change.old_known {
            for (fingerprint, counted, slots) in known.all(change.n_outputs) {
                self.depart(fingerprint, counted, slots, change);
            }
        } else if is_taken.contains(&false) {
            self.depart_rows(&is_taken, change);
        }
        next
    }

    /// Remember the rows of the old body that the new one does not have.
    fn depart_rows(&mut self, is_taken: &[bool], change: &Change<'_>) {
        let mut decoded = Decoded::default();
        for (block, &first) in change.old.blocks.iter().zip(&change.old.first_samples) {
            let Some(of_block) = is_taken.get(first..first + block.n_samples()) else { return };
            if !of_block.contains(&false) {
                continue;
            }
            decoded.load(block);
            for (sample, row) in sample_rows(block).filter(|(sample, _)| !of_block[*sample]) {
                if block.heads[row].kind == RowKind::Sample {
                    let fingerprint = Known::fingerprint(change.key, decoded.text(row));
                    let slots = sample * change.n_outputs..(sample + 1) * change.n_outputs;
                    let slots = block.slots.get(slots).unwrap_or_default();
                    self.depart(fingerprint, self.by_sample[first + sample], slots, change);
                }
            }
        }
    }

    fn depart(&mut self, series: Fingerprint, counted: f64, slots: &[u32], change: &Change<'_>) {
        if self.departed.len() < self.by_sample.len() + SPARE_DEPARTED {
            let since_ms = change.moment.now_ms;
            self.departed.insert(series, Departed { counted, slots: slots.into(), since_ms });
        }
    }

    /// Rows of a target that keeps no order.
    fn carried_by_series(
        &mut self,
        known: &Known,
        change: &Change<'_>,
        fresh: &mut Vec<usize>,
    ) -> Vec<f64> {
        if change.old_known.is_none() {
            self.depart_rows(&vec![false; self.by_sample.len()], change);
        }
        for (fingerprint, counted, slots) in known.forgotten() {
            self.depart(*fingerprint, *counted, slots, change);
        }
        let counted = |(sample, row): (usize, &u32)| {
            known.counted(*row).unwrap_or_else(|| {
                fresh.push(sample);
                BASELINE
            })
        };
        change.staged.known_rows.iter().enumerate().map(counted).collect()
    }

    /// Say from where the rows count that the target did not have in its last body.
    fn settle_fresh(&mut self, fresh: Vec<usize>, unmet: f64, change: &Change<'_>) {
        if self.departed.is_empty() {
            for sample in fresh {
                self.by_sample[sample] = unmet;
            }
            return;
        }
        let mut fresh = fresh.into_iter().peekable();
        let (mut first, mut decoded) = (0, Decoded::default());
        for block in &change.staged.blocks {
            let end = first + block.n_samples();
            if fresh.peek().is_some_and(|&sample| sample < end) {
                decoded.load(block);
                for (sample, row) in sample_rows(block) {
                    if fresh.next_if_eq(&(first + sample)).is_some() {
                        let fingerprint = match change.known {
                            Some(known) => {
                                known.fingerprint_of(change.staged.known_rows[first + sample])
                            }
                            None => (block.heads[row].kind == RowKind::Sample)
                                .then(|| Known::fingerprint(change.key, decoded.text(row))),
                        };
                        let departed = fingerprint.and_then(|known| self.departed.remove(&known));
                        self.by_sample[first + sample] =
                            departed.map_or(unmet, |departed| departed.counted);
                    }
                }
            }
            first = end;
        }
    }

    /// Count from 0 what says that it was created since.
    fn note_created(&mut self, change: &Change<'_>) {
        let is_later = |sample: usize| change.staged.values[sample] > self.by_sample[sample];
        let mut recreated = HashSet::new();
        let mut decoded = Decoded::default();
        let blocks = || {
            let firsts = change.staged.blocks.iter().scan(0, |next, block| {
                let first = *next;
                *next += block.n_samples();
                Some((first, block))
            });
            firsts.collect::<Vec<_>>()
        };
        for (first, block) in blocks().into_iter().filter(|(_, block)| !block.starts.is_empty()) {
            let later = block.starts.iter().filter(|start| {
                start.what == Started::Series && is_later(first + usize::from(start.sample))
            });
            let later: HashSet<usize> = later.map(|start| start.sample.into()).collect();
            if !later.is_empty() {
                decoded.load(block);
                let rows = sample_rows(block).filter(|(sample, _)| later.contains(sample));
                recreated
                    .extend(rows.filter_map(|(_, row)| identity(change.format, decoded.text(row))));
            }
        }
        if recreated.is_empty() {
            return;
        }
        for (first, block) in blocks() {
            decoded.load(block);
            for (sample, row) in sample_rows(block) {
                let identity = identity(change.format, decoded.text(row));
                if identity.is_some_and(|identity| recreated.contains(&identity)) {
                    self.by_sample[first + sample] = 0.0;
                }
            }
        }
    }

    /// Whether the target was started again before the body at hand; tells it once.
    pub(super) fn take_restart(&mut self) -> bool {
        std::mem::take(&mut self.has_restarted)
    }

    /// These values have been counted.
    pub(super) fn settle(&mut self, values: &[f64], known: Option<&mut Known>, known_rows: &[u32]) {
        self.by_sample.clear();
        self.by_sample.extend_from_slice(values);
        if let Some(known) = known {
            known.settle(known_rows, values);
        }
    }

    /// The slots of rows that are gone but may come back.
    pub(super) fn for_each_departed(&self, output: usize, mut visit: impl FnMut(u32)) {
        self.departed
            .values()
            .filter_map(|departed| departed.slots.get(output))
            .for_each(|s| visit(*s));
    }

    /// By sample, up to which value it has been counted.
    pub(super) fn by_sample(&self) -> &[f64] {
        &self.by_sample
    }
}

/// What a row has counted, where it was not reset.
#[inline]
pub(super) fn increase(value: f64, counted: f64) -> f64 {
    let increase = value - counted;
    if increase.is_finite() && increase >= 0.0 { increase } else { after_reset(value, counted) }
}

/// What a row has counted that was reset, or is new.
#[cold]
fn after_reset(value: f64, counted: f64) -> f64 {
    let is_reset = value < counted && value.is_finite() && value > 0.0;
    if is_reset { value } else { 0.0 }
}

/// Whether a row of a counter was reset.
#[inline]
pub(super) fn is_reset(value: f64, counted: f64) -> bool {
    value < counted
}

/// The rows of a histogram or summary, gathered, since all of them are reset or none.
#[derive(Debug, Default)]
pub(super) struct Run {
    rows: Vec<(u32, f64, f64)>,
    group: u32,
    last_bound: Option<u16>,
}

impl Run {
    /// Add a row of a counter; those before it are visited if it does not belong to them.
    pub(super) fn push(
        &mut self,
        (slot, value, counted): (u32, f64, f64),
        place: Place,
        visit: &mut impl FnMut(u32, f64),
    ) {
        let goes_on = place.group == self.group
            && !self.rows.iter().any(|&(other, ..)| other == slot)
            && (!place.has_bound || self.last_bound.is_none_or(|last| place.position > last));
        if !goes_on {
            self.flush(visit);
            self.group = place.group;
        }
        if place.has_bound {
            self.last_bound = Some(place.position);
        }
        self.rows.push((slot, value, counted));
    }

    /// Visit all rows.
    pub(super) fn flush(&mut self, visit: &mut impl FnMut(u32, f64)) {
        let was_reset = self.rows.iter().any(|&(_, value, counted)| is_reset(value, counted));
        for (slot, value, counted) in self.rows.drain(..) {
            visit(slot, increase(value, if was_reset { 0.0 } else { counted }));
        }
        self.last_bound = None;
    }
}

/// Whether the slot is one of a counter.
#[inline]
pub(super) fn is_counter(operations: &[Operation], slot: u32) -> bool {
    operations.get(slot as usize) == Some(&Operation::Increase)
}

/// The samples of a block: their number in it, and their row.
fn sample_rows(block: &Block) -> impl Iterator<Item = (usize, usize)> {
    let rows = block.heads.iter().enumerate().filter(|(_, head)| head.kind != RowKind::Meta);
    rows.map(|(row, _)| row).enumerate()
}

/// When the process says that it started: the latest of what it says.
fn start_time(staged: &Staged) -> Option<f64> {
    let mut first = 0;
    let mut latest: Option<f64> = None;
    for block in &staged.blocks {
        for start in block.starts.iter().filter(|start| start.what == Started::Process) {
            let value = staged.values.get(first + usize::from(start.sample)).copied();
            latest = value.map(|value| latest.map_or(value, |latest| latest.max(value))).or(latest);
        }
        first += block.n_samples();
    }
    latest
}

/// What a sample and its `_created` have in common: name without suffix, labels without bound.
fn identity(format: Format, text: &[u8]) -> Option<Vec<u8>> {
    let line = [text, b"0\n"].concat();
    let mut tokens = SampleTokens::default();
    let Ok(Entry::Sample) = parse_entry(format, &line, &mut tokens) else { return None };
    let name = tokens.name.of(&line);
    let suffixes: [&[u8]; 5] = [b"_created", b"_total", b"_bucket", b"_count", b"_sum"];
    let base = suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix)).unwrap_or(name);
    let is_bound = |name: &[u8]| name == b"le" || name == b"quantile";
    let labels = tokens.labels.iter().map(|label| (label.name.of(&line), label.value.of(&line)));
    let mut labels: Vec<_> = labels.filter(|(name, _)| !is_bound(name)).collect();
    labels.sort_unstable();
    let labels = labels.into_iter().flat_map(|(name, value)| [name, b"=", value, b"\n"]);
    Some(std::iter::once(base).chain([&b"\n"[..]]).chain(labels).flatten().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increases_are_what_was_counted() {
        #[track_caller]
        fn check(value: f64, counted: f64, expect: f64) {
            assert_eq!(increase(value, counted).to_bits(), expect.to_bits(), "{value} {counted}");
        }
        check(5.0, 3.0, 2.0);
        check(3.0, 3.0, 0.0);
        check(2.0, 3.0, 2.0);
        check(2.0, f64::NAN, 0.0);
        check(f64::NAN, 3.0, 0.0);
        check(f64::INFINITY, 3.0, 0.0);
        check(7.0, f64::INFINITY, 7.0);
        check(-1.0, 3.0, 0.0);
    }

    #[test]
    fn a_sample_and_its_creation_have_one_identity() {
        let of = |text: &str| identity(Format::Text, text.as_bytes()).unwrap();
        let created = of("a_created{x=\"1\",y=\"2\"} ");
        for text in ["a_total{y=\"2\",x=\"1\"} ", "a_bucket{x=\"1\",le=\"5\",y=\"2\"} "] {
            assert_eq!(of(text), created, "{text}");
        }
        assert_ne!(of("a_total{x=\"1\"} "), created);
        assert_ne!(of("b_total{x=\"1\",y=\"2\"} "), created);
    }
}
