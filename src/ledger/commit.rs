//! What a target's ledger holds between scrapes, and how a clean body gets in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::aggregate::family::Metadata;
use crate::aggregate::table::Table;
use crate::ledger::block::Block;
use crate::ledger::cold::{Cold, OutputRules};
use crate::ledger::meta::MetaLines;
use crate::ledger::reader::{CleanRead, ReadLimits, Reader};
use crate::ledger::unordered::{Known, Order};
use crate::ledger::{DROPPED, NEW, is_dropped};
use crate::model::{FingerprintKey, Format};

/// Lines other than samples that are remembered beyond those the target writes now. An exporter
/// whose HELP changes at every scrape must not fill the memory.
const SPARE_METAS_MAX: usize = 1000;

/// Bytes of such lines that are remembered.
const META_BYTES_MAX: usize = 32 << 20;

/// The rows of the last clean body.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// The format rows were read from; `None`: they cannot be compared with.
    pub(super) format: Option<Format>,
    pub(super) blocks: Vec<Arc<Block>>,
    pub(super) metas: Arc<MetaLines>,
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
    order: Order,
    /// The series of a target that keeps no order.
    known: Option<Known>,
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
    pub fn new() -> Self {
        Self::default()
    }

    /// Start reading a body. `outputs`: the rules of each output and its table.
    pub fn reader(
        &mut self,
        key: Arc<FingerprintKey>,
        outputs: impl Iterator<Item = (OutputRules, Arc<Table>)>,
        limits: ReadLimits,
        format: Format,
    ) -> Reader {
        let base =
            if self.base.format == Some(format) { Arc::clone(&self.base) } else { Arc::default() };
        let values = std::mem::take(&mut self.spare);
        let known = self.order.is_lost().then(|| self.known.take().unwrap_or_default());
        Reader::new(base, Cold::new(key, outputs), limits, format, values, known)
    }

    /// Take over what a clean body says of families. First half of a commit.
    pub fn take_metadata(&mut self, read: &mut CleanRead) {
        let numbers = std::mem::take(&mut read.staged.meta_numbers);
        if numbers == self.meta_numbers && Arc::ptr_eq(&read.staged.metas, &self.base.metas) {
            return;
        }
        let metadata = read.staged.metas.metadata(&numbers);
        if metadata != *self.metadata {
            self.metadata = Arc::new(metadata);
        }
        self.meta_numbers = numbers;
    }

    /// Take over the rows of a clean body, the second half; `tables` are those the reader was given, in the same order.
    pub fn commit<'t>(
        &mut self,
        read: CleanRead,
        tables: impl Iterator<Item = &'t mut Table>,
    ) -> ReadStats {
        let CleanRead { format, mut staged, found, n_lines, n_nameless, is_unchanged, known } =
            read;
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
        self.known = known;
        if let Some(known) = &mut self.known {
            known.commit(&new_slots);
        }
        self.order.note(stats.n_samples, stats.n_cold, self.values.len());
        let spent = std::mem::replace(&mut self.values, staged.values);
        self.spare = spent;
        self.timestamps = staged.timestamps;
        self.exemplars = staged.exemplars;
        if !is_unchanged {
            let metas_max = 2 * self.meta_numbers.len() + SPARE_METAS_MAX;
            let has_few =
                staged.metas.len() <= metas_max && staged.metas.n_bytes() <= META_BYTES_MAX;
            // Where they are too many, the next body is read as if it were the first.
            let format = has_few.then_some(format);
            self.base = Arc::new(Base { format, blocks: staged.blocks, metas: staged.metas });
        }
        stats
    }

    /// Forget the target: it has no rows any more.
    pub fn clear(&mut self) {
        *self = Self::default();
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

    /// Call `visit` with the slot and value of each row, in order.
    #[inline]
    pub fn for_each(&self, output: usize, mut visit: impl FnMut(u32, f64)) {
        let mut values = &self.values[..];
        for block in &self.base.blocks {
            let Some((of_block, rest)) = values.split_at_checked(block.n_samples()) else { return };
            values = rest;
            if self.n_outputs == 1 {
                block.slots.iter().zip(of_block).for_each(|(&slot, &value)| visit(slot, value));
            } else {
                let slots = block.slots.iter().skip(output).step_by(self.n_outputs.max(1));
                slots.zip(of_block).for_each(|(&slot, &value)| visit(slot, value));
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
        if some.is_empty() {
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
