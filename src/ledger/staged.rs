//! What has been read of a body, until it is committed.

use std::sync::Arc;

use crate::ledger::block::Block;
use crate::ledger::meta::MetaLines;
use crate::ledger::predict::ValuePart;

/// Which samples of the body before a block has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// Those of this block, all of them in their order.
    Block(usize),
    /// For each sample the number it had; [`NO_ORIGIN`](crate::ledger::block::NO_ORIGIN): none.
    Samples(Box<[u32]>),
}

/// Rows read so far, in the order of the body.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) blocks: Vec<Arc<Block>>,
    /// For each block, which samples it has of the body before.
    pub(super) origins: Vec<Origin>,
    /// One a sample.
    pub(super) values: Vec<f64>,
    /// Which samples have a timestamp, in ms.
    pub(super) timestamps: Vec<(u32, i64)>,
    /// Which samples have an exemplar, and it.
    pub(super) exemplars: Vec<(u32, Box<[u8]>)>,
    pub(super) metas: Arc<MetaLines>,
    /// Numbers of the lines that are no samples, in order.
    pub(super) meta_numbers: Vec<u32>,
    /// For each sample of a target that keeps no order, its row among the known series.
    pub(super) known_rows: Vec<u32>,
    /// Samples that had to be decided anew.
    pub(super) n_cold: usize,
}

impl Staged {
    /// Take a new block.
    pub(super) fn push_block(&mut self, (block, origins): (Block, Box<[u32]>)) {
        self.blocks.push(Arc::new(block));
        self.origins.push(Origin::Samples(origins));
    }

    /// Take what stands behind the series of a sample, at `value_at`.
    #[inline]
    pub(super) fn push(&mut self, part: &ValuePart, buffer: &[u8], value_at: usize) {
        if part.timestamp_ms.is_some() || part.exemplar.is_some() {
            let exemplar =
                part.exemplar.and_then(|(from, to)| buffer.get(value_at + from..value_at + to));
            self.note(part.timestamp_ms, exemplar);
        }
        self.values.push(part.value);
    }

    /// Note what else the next sample has.
    #[cold]
    pub(super) fn note(&mut self, timestamp_ms: Option<i64>, exemplar: Option<&[u8]>) {
        let row = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.timestamps.extend(timestamp_ms.map(|timestamp_ms| (row, timestamp_ms)));
        self.exemplars.extend(exemplar.map(|exemplar| (row, exemplar.into())));
    }
}
