//! What ledgers have in common: replicas write the same lines, whose texts are kept once.
//!
//! Blocks never change once they are in a ledger, and neither do lines that are no samples; so equal
//! ones of several targets can be the same. What is compared is all that is kept of them.

use crate::ledger::block::Block;
use crate::ledger::meta::MetaLines;
use hashbrown::HashTable;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Weak};

/// Of how many kinds of targets the lines that are no samples are known.
const KINDS_MAX: usize = 16;
/// So many blocks may be gone before they are looked for.
const GONE_MAX: usize = 1000;

/// What the ledgers of one engine share. It keeps nothing alive.
#[derive(Debug, Default)]
pub struct Common {
    metas: Vec<Weak<MetaLines>>,
    /// By the hash of their contents.
    blocks: HashTable<(u64, Weak<Block>)>,
    /// How many blocks there were when those that are gone were looked for.
    n_live: usize,
    hasher: RandomState,
}

impl Common {
    /// Put what another ledger has in the place of equal lines.
    pub(super) fn share_metas(&mut self, lines: &mut Arc<MetaLines>) {
        self.metas.retain(|known| known.strong_count() > 0);
        let mut known = self.metas.iter().filter_map(Weak::upgrade);
        if let Some(known) = known.find(|known| *known == *lines) {
            *lines = known;
            return;
        }
        if self.metas.len() == KINDS_MAX {
            self.metas.remove(0);
        }
        self.metas.push(Arc::downgrade(lines));
    }

    /// Put the block of another ledger in the place of an equal one.
    pub(super) fn share_block(&mut self, block: &mut Arc<Block>) {
        let hash = self.hasher.hash_one(&**block);
        let is_equal = |(known_hash, known): &(u64, Weak<Block>)| {
            *known_hash == hash && known.upgrade().is_some_and(|known| known == *block)
        };
        if let Some((_, known)) = self.blocks.find(hash, is_equal) {
            *block = known.upgrade().unwrap_or_else(|| Arc::clone(block));
            return;
        }
        if self.blocks.len() > 2 * self.n_live + GONE_MAX {
            self.blocks.retain(|(_, known)| known.strong_count() > 0);
            self.blocks.shrink_to_fit(|(hash, _)| *hash);
            self.n_live = self.blocks.len();
        }
        self.blocks.insert_unique(hash, (hash, Arc::downgrade(block)), |(hash, _)| *hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::block::BlockBuilder;
    use crate::ledger::recent::Recent;

    fn block(texts: &[&str], slot: u32) -> Arc<Block> {
        let (mut builder, mut recent) = (BlockBuilder::new(), Recent::default());
        for text in texts {
            builder.push_sample(text.as_bytes(), &[slot], None, &mut recent);
        }
        Arc::new(builder.close().0)
    }

    #[test]
    fn equal_blocks_are_one() {
        let mut common = Common::default();
        let first = block(&["a ", "b{c=\"d\"} "], 1);
        let shared = |common: &mut Common, mut other: Arc<Block>| {
            let before = Block::clone(&other);
            common.share_block(&mut other);
            assert_eq!(*other, before, "it says the same");
            Arc::ptr_eq(&first, &other)
        };
        assert!(shared(&mut common, Arc::clone(&first)));
        assert!(shared(&mut common, block(&["a ", "b{c=\"d\"} "], 1)));
        assert!(!shared(&mut common, block(&["a ", "b{c=\"d\"} "], 2)), "another slot");
        assert!(!shared(&mut common, block(&["a ", "b{c=\"e\"} "], 1)), "another text");
        assert!(!shared(&mut common, block(&["a "], 1)), "fewer rows");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut common = Common::default();
        let kept = block(&["kept "], 0);
        common.share_block(&mut Arc::clone(&kept));
        for n in 0..3 * u32::try_from(GONE_MAX).unwrap() {
            common.share_block(&mut block(&["gone "], n));
        }
        assert!(common.blocks.len() <= GONE_MAX + 3, "{} blocks", common.blocks.len());
        let mut again = block(&["kept "], 0);
        common.share_block(&mut again);
        assert!(Arc::ptr_eq(&again, &kept));
    }
}
