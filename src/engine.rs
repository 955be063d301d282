//! From the bodies of targets to the snapshots of outputs: the pure heart of the gate.
//!
//! ```text
//! target ─► Reader (bytes) ─► commit ─► ledger ┐
//! target ─► Reader (bytes) ─► commit ─► ledger ┴► publish ─► one snapshot an output ─► Renderer
//! ```
//!
//! In: what the outputs are, and the bytes of each target's body. Out: for each output a snapshot,
//! all of the same moment. Targets are merged in the order of their numbers, whatever finished
//! first. Nothing here knows of clocks, sockets or files; randomness comes in as a key.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use crate::aggregate::choice::Merging;
use crate::aggregate::family::Metadata;
use crate::aggregate::merge::{Counters, Held, Rows, Slots};
use crate::aggregate::snapshot::Snapshot;
use crate::aggregate::table::{PublishStats, Table};
use crate::ledger::{
    CleanRead, Common, Ledger, Moment, Opening, OutputRules, ReadLimits, ReadStats, Reader,
    SharedTable,
};
use crate::model::{FingerprintKey, Format, MetricType};
use crate::relabel::Rules;

/// A target: what becomes of its series.
#[derive(Clone, Debug, Default)]
pub struct TargetConfig {
    /// For each output the rules for this target's series, the main output first.
    pub rules: Arc<[Rules]>,
    /// What is known about the target itself: labels that its rules may look at, and which vanish
    /// after them unless a rule has given them another value. A label of the series hides one of
    /// the same name.
    pub labels: Arc<[(String, String)]>,
}

impl TargetConfig {
    /// A target of which nothing but its series is looked at.
    pub fn new(rules: Vec<Rules>) -> Self {
        Self { rules: rules.into(), labels: Arc::default() }
    }
}

/// What an engine does.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// How many outputs there are; the main one is the first.
    pub n_outputs: usize,
    /// Bounds on each body.
    pub limits: ReadLimits,
    /// How rows that feed one series are merged.
    pub merging: Merging,
}

/// One output after a commit.
#[derive(Clone, Debug)]
pub struct Published {
    /// What to render.
    pub snapshot: Arc<Snapshot>,
    /// What merging found.
    pub stats: PublishStats,
}

/// Ledgers, rules and output tables.
#[derive(Debug)]
pub struct Engine {
    key: Arc<FingerprintKey>,
    limits: ReadLimits,
    outputs: Vec<SharedTable>,
    counters: Counters,
    ledgers: Vec<Ledger>,
    /// For each target what its rules are, output by output.
    rules: Vec<Vec<OutputRules>>,
    /// Numbers of targets that are forgotten.
    free: Vec<usize>,
    moment: Moment,
    /// What all targets say of families.
    metadata: Arc<Metadata>,
    /// What the ledgers share.
    common: Common,
    /// A target was forgotten since that was put together.
    is_metadata_stale: bool,
    /// Bodies were committed that no snapshot shows yet.
    is_unpublished: bool,
}

fn write(table: &SharedTable) -> RwLockWriteGuard<'_, Table> {
    // A table is changed by code that does not panic half-way.
    table.write().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// An engine without targets. The key must be secret; see [`FingerprintKey`].
    pub fn new(config: &EngineConfig, key: FingerprintKey) -> Self {
        let table = |_| Arc::new(RwLock::new(Table::new(config.merging.clone())));
        Self {
            key: Arc::new(key),
            limits: config.limits,
            outputs: (0..config.n_outputs).map(table).collect(),
            counters: if config.merging.counts() { Counters::ResetSafe } else { Counters::Raw },
            ledgers: Vec::new(),
            rules: Vec::new(),
            free: Vec::new(),
            moment: Moment::default(),
            metadata: Arc::default(),
            common: Common::default(),
            is_metadata_stale: false,
            is_unpublished: false,
        }
    }

    /// One more target; gives its number.
    ///
    /// # Panics
    ///
    /// If it does not have rules for each output.
    pub fn add_target(&mut self, config: &TargetConfig) -> usize {
        assert_eq!(config.rules.len(), self.outputs.len(), "rules for each output");
        let rules = config.rules.iter();
        let rules = rules.map(|rules| OutputRules::new(rules.clone(), &config.labels)).collect();
        if let Some(number) = self.free.pop() {
            self.rules[number] = rules;
            return number;
        }
        self.ledgers.push(Ledger::new(self.counters));
        self.rules.push(rules);
        self.ledgers.len() - 1
    }

    /// A new round of scrapes begins. Until it is read anew a target contributes nothing, but for
    /// what its counters have counted; its series are kept for it.
    pub fn begin_round(&mut self, now_ms: i64) {
        if self.is_unpublished {
            // What was read must be counted, although nobody waited for the end of the round.
            self.publish();
        }
        let has_begun = self.moment != Moment::default();
        let previous_ms = has_begun.then_some(self.moment.now_ms);
        self.moment = Moment { now_ms, previous_ms };
        self.ledgers.iter_mut().for_each(Ledger::begin_round);
    }

    /// Get ready to read a body of a target.
    ///
    /// Several may be read side by side, and committed as they end; nothing is published meanwhile.
    ///
    /// # Panics
    ///
    /// If there is no such target.
    pub fn open(&mut self, target: usize) -> Opening {
        let tables = self.outputs.iter().map(Arc::clone);
        let outputs = self.rules[target].iter().cloned().zip(tables);
        self.ledgers[target].open(Arc::clone(&self.key), outputs, self.limits)
    }

    /// Take back what no body came for.
    ///
    /// # Panics
    ///
    /// If there is no such target.
    pub fn close(&mut self, target: usize, opening: Opening) {
        self.ledgers[target].close(opening);
    }

    /// Start reading a body of a target: both steps in one.
    ///
    /// # Panics
    ///
    /// If there is no such target.
    pub fn reader(&mut self, target: usize, format: Format) -> Reader {
        self.open(target).reader(format)
    }

    /// Take over a body that ended cleanly.
    ///
    /// # Panics
    ///
    /// If there is no such target.
    pub fn commit(&mut self, target: usize, mut read: CleanRead) -> ReadStats {
        let is_new = self.ledgers[target].take_metadata(&mut read, &self.metadata);
        if is_new | std::mem::take(&mut self.is_metadata_stale) {
            self.metadata = self.merged_metadata();
        }
        let metadata = Arc::clone(&self.metadata);
        let mut tables: Vec<_> = self.outputs.iter().map(write).collect();
        for table in tables.iter_mut().filter(|table| !Arc::ptr_eq(table.metadata(), &metadata)) {
            table.set_metadata(Arc::clone(&metadata));
        }
        self.is_unpublished = true;
        let tables = tables.iter_mut().map(|table| &mut **table);
        self.ledgers[target].commit(read, self.moment, tables, &mut self.common)
    }

    /// Forget a target; its number may be given to another one.
    ///
    /// # Panics
    ///
    /// If there is no such target.
    pub fn forget(&mut self, target: usize) {
        self.ledgers[target].clear();
        self.is_metadata_stale = true;
        self.free.push(target);
    }

    /// Merge what is committed: one snapshot an output, in the order of the configuration.
    pub fn publish(&mut self) -> Vec<Published> {
        let ledgers = &self.ledgers;
        let has_begun = self.moment != Moment::default();
        let since_ms = has_begun.then(|| self.moment.previous_ms.unwrap_or(self.moment.now_ms));
        let publish = |(number, table): (usize, &SharedTable)| {
            let rows = RowsOf { ledgers, output: number };
            let (snapshot, stats) = write(table).publish(&rows, since_ms);
            Published { snapshot: Arc::new(snapshot), stats }
        };
        let published = self.outputs.iter().enumerate().map(publish).collect();
        self.ledgers.iter_mut().for_each(Ledger::settle);
        self.is_unpublished = false;
        published
    }

    /// How many series of an output a target feeds.
    ///
    /// # Panics
    ///
    /// If there is no such target.
    pub fn n_series_fed(&self, target: usize, output: usize) -> usize {
        self.ledgers[target].n_slots(output)
    }

    /// How many restarts of the target have been noticed in its counters.
    ///
    /// # Panics
    ///
    /// If there is no such target.
    pub fn n_resets(&self, target: usize) -> u64 {
        self.ledgers[target].n_resets()
    }

    /// How many rows of all targets each rule of an output drops, by the rule's number.
    pub fn dropped_by_rule(&self, output: usize) -> Vec<(usize, usize)> {
        let mut sums = std::collections::BTreeMap::new();
        for ledger in &self.ledgers {
            for (rule, n_rows) in ledger.dropped_by_rule(output) {
                *sums.entry(rule).or_default() += n_rows;
            }
        }
        sums.into_iter().collect()
    }

    /// What all targets say of families; where they contradict each other the type is unknown.
    fn merged_metadata(&self) -> Arc<Metadata> {
        let mut ledgers = self.ledgers.iter().filter(|ledger| !ledger.metadata().is_empty());
        let Some(first) = ledgers.next() else { return Arc::default() };
        let mut all = Arc::clone(first.metadata());
        for ledger in ledgers.filter(|ledger| !Arc::ptr_eq(ledger.metadata(), first.metadata())) {
            let all = Arc::make_mut(&mut all);
            for (name, meta) in ledger.metadata().iter() {
                let known = all.entry(name.clone()).or_default();
                if known.metric_type.is_some_and(|t| meta.metric_type.is_some_and(|m| m != t)) {
                    known.metric_type = Some(MetricType::Unknown);
                }
                known.metric_type = known.metric_type.or(meta.metric_type);
                known.help = known.help.take().or_else(|| meta.help.clone());
                known.unit = known.unit.take().or_else(|| meta.unit.clone());
            }
        }
        all
    }
}

/// The rows of all ledgers that feed one output.
struct RowsOf<'a> {
    ledgers: &'a [Ledger],
    output: usize,
}

impl Rows for RowsOf<'_> {
    #[inline]
    fn for_each(&self, slots: Slots<'_>, mut visit: impl FnMut(u32, f64)) {
        self.ledgers.iter().for_each(|ledger| ledger.for_each(self.output, slots, &mut visit));
    }

    fn for_each_held(&self, mut visit: impl FnMut(u32, Held)) {
        self.ledgers.iter().for_each(|ledger| ledger.for_each_held(self.output, &mut visit));
    }

    fn for_each_timestamp(&self, mut visit: impl FnMut(u32, i64)) {
        self.ledgers.iter().for_each(|ledger| ledger.for_each_timestamp(self.output, &mut visit));
    }

    fn for_each_exemplar(&self, mut visit: impl FnMut(u32, &[u8])) {
        self.ledgers.iter().for_each(|ledger| ledger.for_each_exemplar(self.output, &mut visit));
    }
}

#[cfg(test)]
mod tests;
