//! Finding a line among the old rows when it is not the predicted one.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use crate::ledger::block::Block;
use crate::ledger::compare::same;

/// The first row of each block, by its text.
#[derive(Debug, Default)]
pub(super) struct Index {
    blocks: HashMap<u64, u32, hashbrown::DefaultHashBuilder>,
}

impl Index {
    /// Index these blocks. Of first rows with equal hashes only one is found, which does no harm:
    /// what is found is compared.
    pub(super) fn new(blocks: &[Arc<Block>]) -> Self {
        let mut index = Self::default();
        for (block, at) in blocks.iter().zip(0..) {
            let hash = index.hash(block.first_text());
            index.blocks.entry(hash).or_insert(at);
        }
        index
    }

    /// The block that starts with this text.
    pub(super) fn find(&self, blocks: &[Arc<Block>], text: &[u8]) -> Option<usize> {
        let at = *self.blocks.get(&self.hash(text))? as usize;
        let is_it = !text.is_empty() && same(blocks.get(at)?.first_text(), text);
        is_it.then_some(at)
    }

    fn hash(&self, text: &[u8]) -> u64 {
        let mut hasher = self.blocks.hasher().build_hasher();
        hasher.write(text);
        hasher.finish()
    }
}
