//! What a target's ledger holds between scrapes, and how a clean body gets in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::aggregate::family::Metadata;
use crate::aggregate::merge::{Counters, Held, Slots};
use crate::aggregate::table::Table;
use crate::ledger::block::Block;
use crate::ledger::cold::{Cold, OutputRules, SharedTable};
use crate::ledger::common::Common;
use crate::ledger::counted::{Change, Counted, Moment, Run, increase, is_counter, is_reset};
use crate::ledger::meta::MetaLines;
use crate::ledger::reader::{CleanRead, ReadLimits, Reader};
use crate::ledger::staged::Origin;
use crate::ledger::unordered::{Known, Order};
use crate::ledger::{DROPPED, NEW, is_dropped};
use crate::model::{FingerprintKey, Format};

/// Lines other than samples that are remembered beyond those the target writes now. An exporter
/// whose HELP changes at every scrape must not fill the memory.
const SPARE_METAS_MAX: usize = 1000;

/// Bytes of such lines that are remembered.
const META_BYTES_MAX: usize = 32 << 20;

/// So many values of the scrape before are worth keeping the memory of; less is had for nothing.
const SPARE_VALUES_MIN: usize = 8 << 10;

/// The rows of the last clean body.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// The format rows were read from; `None`: they cannot be compared with.
    pub(super) format: Option<Format>,
    pub(super) blocks: Vec<Arc<Block>>,
    /// For each block, how many samples are before it.
    pub(super) first_samples: Vec<usize>,
    pub(super) metas: Arc<MetaLines>,
}

impl Base {
    /// How many samples it has.
    pub(super) fn n_samples(&self) -> usize {
        let last = self.first_samples.last().zip(self.blocks.last());
        last.map_or(0, |(first, block)| first + block.n_samples())
    }
}

/// One target's series, in its order, with their last values.
#[derive(Debug, Default)]
pub struct Ledger {
    base: Arc<Base>,
    meta_numbers: Vec<u32>,
    metadata: Arc<Metadata>,
    values: Vec<f64>,
    timestamps: Vec<(u32, i64)>,
    exemplars: Vec<(u32, Box<[u8]>)>,
    /// The values before, whose memory the next scrape uses.
    spare: Vec<f64>,
    n_outputs: usize,
    /// What the rows have counted, if that is asked for.
    counted: Option<Counted>,
    known_rows: Vec<u32>,
    /// Whether the rows are of the round of scrapes at hand.
    is_fresh: bool,
    order: Order,
    /// The series of a target that keeps no order.
    known: Option<Known>,
    /// A counter of the body at hand was reset, as whoever walked the rows noticed.
    has_reset: AtomicBool,
    /// Bodies in which something was reset.
    n_resets: u64,
}

/// What reading a body needs, before its format is known.
#[derive(Debug)]
pub struct Opening {
    base: Arc<Base>,
    cold: Cold,
    limits: ReadLimits,
    values: Vec<f64>,
    known: Option<Known>,
}

impl Opening {
    /// Start reading a body.
    pub fn reader(self, format: Format) -> Reader {
        let Self { mut base, cold, limits, values, known } = self;
        if base.format != Some(format) {
            base = Arc::default();
        }
        Reader::new(base, cold, limits, format, values, known)
    }
}

/// What a commit brought.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReadStats {
    /// Lines in the body.
    pub n_lines: usize,
    /// Samples in it.
    pub n_samples: usize,
    /// Samples that had to be parsed and relabelled, as they were not in the last body.
    pub n_cold: usize,
    /// Of these, samples whose name the rules removed, which keep the name they had.
    pub n_nameless: u64,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(counters: Counters) -> Self {
        let counted = (counters == Counters::ResetSafe).then(Counted::default);
        Self { counted, ..Self::default() }
    }

    /// A new round of scrapes begins: until it is read anew, the target contributes nothing.
    pub fn begin_round(&mut self) {
        self.is_fresh = false;
    }

    /// Get ready to read a body. `outputs`: the rules of each output and its table.
    pub fn open(
        &mut self,
        key: Arc<FingerprintKey>,
        outputs: impl Iterator<Item = (OutputRules, SharedTable)>,
        limits: ReadLimits,
    ) -> Opening {
        let values = std::mem::take(&mut self.spare);
        let known = self.order.is_lost().then(|| self.known.take().unwrap_or_default());
        let cold = Cold::new(key, outputs);
        Opening { base: Arc::clone(&self.base), cold, limits, values, known }
    }

    /// Take back what no body came for.
    pub fn close(&mut self, opening: Opening) {
        self.spare = opening.values;
        self.known = opening.known.or(self.known.take());
    }

    /// Take over what a clean body says of families, and tell whether that is something else than
    /// before. First half of a commit. What says the same as `known` shares it.
    pub fn take_metadata(&mut self, read: &mut CleanRead, known: &Arc<Metadata>) -> bool {
        let numbers = std::mem::take(&mut read.staged.meta_numbers);
        if numbers == self.meta_numbers && Arc::ptr_eq(&read.staged.metas, &self.base.metas) {
            return false;
        }
        self.meta_numbers = numbers;
        let metadata = read.staged.metas.metadata(&self.meta_numbers);
        if metadata == *self.metadata {
            return false;
        }
        self.metadata = if metadata == **known { Arc::clone(known) } else { Arc::new(metadata) };
        true
    }

    /// Take over the rows of a clean body, the second half; `tables` are those the reader was given,
    /// in the same order, and `common` is what all ledgers share.
    pub fn commit<'t>(
        &mut self,
        read: CleanRead,
        moment: Moment,
        tables: impl Iterator<Item = &'t mut Table>,
        common: &mut Common,
    ) -> ReadStats {
        let CleanRead { format, mut staged, found, n_lines, n_nameless, is_unchanged, .. } = read;
        let (mut known, key) = (read.known, read.key);
        let stats = ReadStats {
            n_lines,
            n_samples: staged.values.len(),
            n_cold: staged.n_cold,
            n_nameless,
        };
        self.n_outputs = found.len();
        let mut new_slots = Vec::with_capacity(found.len());
        for (found, table) in found.into_iter().zip(tables) {
            new_slots.push(table.intern(&found.new));
            table.respell(&found.respelt);
        }
        if new_slots.iter().any(|slots| !slots.is_empty()) {
            for block in &mut staged.blocks {
                replace_new(block, &new_slots);
            }
        }
        if let Some(known) = &mut known {
            known.commit(&new_slots);
        }
        // Where nothing moved, nothing has to be carried over, but for what started anew.
        if let Some(counted) = &mut self.counted {
            counted.carry_over(&Change {
                old: &self.base,
                old_known: self.known.as_ref(),
                n_outputs: self.n_outputs,
                staged: &staged,
                known: known.as_ref(),
                format,
                key: &key,
                moment,
            });
        }
        self.known = known;
        self.known_rows = staged.known_rows;
        self.is_fresh = true;
        self.order.note(stats.n_samples, stats.n_cold, self.values.len());
        // A body that is read for the first time grows its values by doubling.
        staged.values.shrink_to_fit();
        let spent = std::mem::replace(&mut self.values, staged.values);
        self.spare = if spent.len() < SPARE_VALUES_MIN { Vec::new() } else { spent };
        self.timestamps = staged.timestamps;
        self.exemplars = staged.exemplars;
        if !is_unchanged {
            let metas_max = 2 * self.meta_numbers.len() + SPARE_METAS_MAX;
            let has_few =
                staged.metas.len() <= metas_max && staged.metas.n_bytes() <= META_BYTES_MAX;
            // Where they are too many, the next body is read as if it were the first.
            let format = has_few.then_some(format);
            let (mut blocks, mut metas) = (staged.blocks, staged.metas);
            if !Arc::ptr_eq(&metas, &self.base.metas) {
                common.share_metas(&mut metas);
            }
            let is_new = |origin: &Origin| matches!(origin, Origin::Samples(_));
            let new = blocks.iter_mut().zip(&staged.origins).filter(|(_, at)| is_new(at));
            new.for_each(|(block, _)| common.share_block(block));
            let first_samples = first_samples(&blocks);
            self.base = Arc::new(Base { format, blocks, first_samples, metas });
        }
        stats
    }

    /// Forget the target: it has no rows any more.
    pub fn clear(&mut self) {
        let counters = if self.counted.is_some() { Counters::ResetSafe } else { Counters::Raw };
        *self = Self::new(counters);
    }

    /// What the rows say has been counted.
    pub fn settle(&mut self) {
        if let Some(counted) = self.counted.as_mut().filter(|_| self.is_fresh) {
            counted.settle(&self.values, self.known.as_mut(), &self.known_rows);
            let has_reset = std::mem::take(self.has_reset.get_mut());
            self.n_resets += u64::from(has_reset || counted.take_restart());
        }
    }

    /// Bodies in which a counter was found to have been reset.
    pub fn n_resets(&self) -> u64 {
        self.n_resets
    }

    /// How many series of an output the rows feed.
    pub fn n_slots(&self, output: usize) -> usize {
        let mut slots = Vec::with_capacity(self.values.len());
        self.for_each_slot(output, |_, slot| {
            if !is_dropped(slot) {
                slots.push(slot);
            }
        });
        slots.sort_unstable();
        slots.dedup();
        slots.len()
    }

    /// What the target says of its families. The same `Arc` as long as it says the same.
    pub fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// How many samples the last clean body had.
    pub fn n_samples(&self) -> usize {
        self.values.len()
    }

    /// How many rows each rule of an output drops.
    pub fn dropped_by_rule(&self, output: usize) -> BTreeMap<usize, usize> {
        let mut dropped = BTreeMap::new();
        self.for_each_slot(output, |_, slot| {
            if is_dropped(slot) {
                *dropped.entry((slot & !DROPPED) as usize).or_default() += 1;
            }
        });
        dropped
    }

    /// Call `visit` with the slot and value of each row, in order; where the slot is a counter's
    /// and weir counts itself, with what the row has counted since.
    #[inline]
    pub fn for_each(&self, output: usize, of: Slots<'_>, mut visit: impl FnMut(u32, f64)) {
        if !self.is_fresh {
            return;
        }
        match &self.counted {
            None => self.for_each_value(output, &self.values, |slot, &value| visit(slot, value)),
            Some(counted) => self.for_each_increase(output, of, counted.by_sample(), visit),
        }
    }

    fn for_each_increase(
        &self,
        output: usize,
        of: Slots<'_>,
        counted: &[f64],
        mut visit: impl FnMut(u32, f64),
    ) {
        let mut was_reset = false;
        let pairs = || self.values.iter().zip(counted);
        let mut pair = pairs();
        self.for_each_value(output, &self.values, |slot, _| {
            if let Some((&value, &counted)) = pair.next() {
                was_reset |= is_reset(value, counted) && is_counter(of.operations, slot);
            }
        });
        if was_reset {
            self.has_reset.store(true, Ordering::Relaxed);
        }
        let places = if was_reset { (of.places)() } else { Arc::default() };
        let (mut run, mut pair) = (Run::default(), pairs());
        self.for_each_value(output, &self.values, |slot, _| {
            let Some((&value, &counted)) = pair.next() else { return };
            if !is_counter(of.operations, slot) {
                visit(slot, value);
            } else if let Some(&place) = places.get(slot as usize) {
                run.push((slot, value, counted), place, &mut visit);
            } else {
                visit(slot, increase(value, counted));
            }
        });
        run.flush(&mut visit);
    }

    /// Call `visit` with the slot of each row that has no value now but may have one again.
    pub fn for_each_held(&self, output: usize, mut visit: impl FnMut(u32, Held)) {
        if !self.is_fresh {
            self.for_each_slot(output, |_, slot| visit(slot, Held::Waiting));
        }
        if let Some(counted) = &self.counted {
            counted.for_each_departed(output, |slot| visit(slot, Held::Departed));
        }
    }

    #[inline]
    fn for_each_value<T>(&self, output: usize, values: &[T], mut visit: impl FnMut(u32, &T)) {
        let mut values = values;
        for block in &self.base.blocks {
            let Some((of_block, rest)) = values.split_at_checked(block.n_samples()) else { return };
            values = rest;
            if self.n_outputs == 1 {
                block.slots.iter().zip(of_block).for_each(|(&slot, value)| visit(slot, value));
            } else {
                let slots = block.slots.iter().skip(output).step_by(self.n_outputs.max(1));
                slots.zip(of_block).for_each(|(&slot, value)| visit(slot, value));
            }
        }
    }

    /// Call `visit` with the slot and timestamp of each row that has one.
    pub fn for_each_timestamp(&self, output: usize, mut visit: impl FnMut(u32, i64)) {
        self.for_each_of(output, &self.timestamps, |slot, &timestamp| visit(slot, timestamp));
    }

    /// Call `visit` with the slot and exemplar of each row that has one.
    pub fn for_each_exemplar(&self, output: usize, mut visit: impl FnMut(u32, &[u8])) {
        self.for_each_of(output, &self.exemplars, |slot, exemplar| visit(slot, exemplar));
    }

    fn for_each_of<T>(&self, output: usize, some: &[(u32, T)], mut visit: impl FnMut(u32, &T)) {
        if some.is_empty() || !self.is_fresh {
            return;
        }
        let mut some = some.iter().peekable();
        self.for_each_slot(output, |row, slot| {
            while let Some((_, of_row)) = some.next_if(|(at, _)| *at == row) {
                if !is_dropped(slot) {
                    visit(slot, of_row);
                }
            }
        });
    }

    fn for_each_slot(&self, output: usize, mut visit: impl FnMut(u32, u32)) {
        let mut row = 0;
        for block in &self.base.blocks {
            for &slot in block.slots.iter().skip(output).step_by(self.n_outputs.max(1)) {
                visit(row, slot);
                row += 1;
            }
        }
    }
}

/// For each block, how many samples are before it.
fn first_samples(blocks: &[Arc<Block>]) -> Vec<usize> {
    let starts = blocks.iter().scan(0, |next, block| {
        let first = *next;
        *next += block.n_samples();
        Some(first)
    });
    starts.collect()
}

/// Put in the slots that series the tables did not know have got by now.
fn replace_new(block: &mut Arc<Block>, new_slots: &[Vec<u32>]) {
    if block.slots.iter().any(|&slot| is_new(slot)) {
        replace_new_slots(&mut Arc::make_mut(block).slots, new_slots);
    }
}

/// The same for slots of rows, one an output each.
pub(super) fn replace_new_slots(slots: &mut [u32], new_slots: &[Vec<u32>]) {
    for (at, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| is_new(**slot)) {
        let number = (*slot & !NEW) as usize;
        *slot = new_slots[at % new_slots.len()].get(number).copied().unwrap_or(u32::MAX);
    }
}

fn is_new(slot: u32) -> bool {
    slot & NEW != 0 && !is_dropped(slot)
}
