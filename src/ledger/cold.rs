//! Lines not met before: labels, rules, output series.

use std::sync::{Arc, PoisonError, RwLock};

use crate::aggregate::series::{NewSeries, SeriesHasher, SeriesText};
use crate::aggregate::table::Table;
use crate::ledger::{NEW, dropped_by};
use crate::model::label::METRIC_NAME;
use crate::model::{FingerprintKey, LabelSet, Span};
use crate::parse::{SampleTokens, unescape};
use crate::relabel::{Rules, Scratch, Verdict};

/// How many label names are remembered.
const IGNORED_NAMES_MAX: usize = 64;

/// What becomes of a target's series in one output.
#[derive(Clone, Debug)]
pub struct OutputRules {
    rules: Rules,
    /// Labels of the target that the rules look at; they vanish after them unless a rule has
    /// given them another value.
    visible: Arc<[(String, String)]>,
}

impl OutputRules {
    /// Rules for the series of a target of which `labels` are known.
    pub fn new(rules: Rules, labels: &[(String, String)]) -> Self {
        let visible = labels.iter().filter(|(name, _)| rules.reads(name.as_bytes()));
        Self { visible: visible.cloned().collect(), rules }
    }

    /// Apply the rules to the labels of a series.
    fn apply(&self, labels: &mut LabelSet, scratch: &mut Scratch) -> Verdict {
        if self.visible.is_empty() {
            return self.rules.apply(labels, scratch);
        }
        let mut added = Vec::with_capacity(self.visible.len());
        for (name, value) in &*self.visible {
            if labels.get(name.as_bytes()).is_empty() {
                labels.set(name.as_bytes(), value.as_bytes());
                added.push((name.as_bytes(), value.as_bytes()));
            }
        }
        let verdict = self.rules.apply(labels, scratch);
        for (name, value) in added {
            if labels.get(name) == value {
                labels.delete(name);
            }
        }
        verdict
    }
}

/// The table of one output: readers look series up in it, a commit puts them in.
pub type SharedTable = Arc<RwLock<Table>>;

/// What turns a new line into slots.
#[derive(Debug)]
pub(super) struct Cold {
    key: Arc<FingerprintKey>,
    outputs: Vec<Output>,
    /// The labels of the line, for the next output to start from.
    input: LabelSet,
    unescaped: Vec<u8>,
    scratch: Scratch,
    /// Label names, and whether their values make no difference.
    ignored: Vec<(Box<[u8]>, bool)>,
    /// Samples whose name the rules removed; they keep the name they had.
    pub(super) n_nameless: u64,
}

/// One output as the reader sees it.
#[derive(Debug)]
struct Output {
    rules: OutputRules,
    table: SharedTable,
    new: NewSeries,
    hasher: SeriesHasher,
    labels: LabelSet,
    series: SeriesText,
    respelt: Vec<(u32, f64)>,
}

/// What reading brought for one output.
#[derive(Debug)]
pub(super) struct Found {
    /// Series its table does not know.
    pub(super) new: NewSeries,
    /// Slots whose bound is spelt another way here, and the bound.
    pub(super) respelt: Vec<(u32, f64)>,
}

impl Cold {
    pub(super) fn new(
        key: Arc<FingerprintKey>,
        outputs: impl Iterator<Item = (OutputRules, SharedTable)>,
    ) -> Self {
        let outputs = outputs.map(|(rules, table)| Output {
            rules,
            table,
            new: NewSeries::default(),
            hasher: SeriesHasher::default(),
            labels: LabelSet::new(),
            series: SeriesText::default(),
            respelt: Vec::new(),
        });
        Self {
            key,
            outputs: outputs.collect(),
            input: LabelSet::new(),
            unescaped: Vec::new(),
            scratch: Scratch::default(),
            ignored: Vec::new(),
            n_nameless: 0,
        }
    }

    /// Decide a sample: its slot in each output is appended to `slots`.
    pub(super) fn decide(&mut self, line: &[u8], tokens: &SampleTokens, slots: &mut Vec<u32>) {
        self.load(line, tokens);
        for output in &mut self.outputs {
            let slot =
                output.decide(&self.key, &self.input, &mut self.scratch, &mut self.n_nameless);
            slots.push(slot);
        }
    }

    /// Read the labels of a line, decoded, into `input`.
    fn load(&mut self, line: &[u8], tokens: &SampleTokens) {
        let input = &mut self.input;
        input.clear();
        let text = line.get(..tokens.value_start).unwrap_or(line);
        input.load_text(text);
        let mut decode = |input: &mut LabelSet, span: Span, is_escaped: bool| {
            if !is_escaped {
                return span;
            }
            self.unescaped.clear();
            unescape(span.of(line), &mut self.unescaped);
            input.store(&self.unescaped)
        };
        let name = decode(input, tokens.name, tokens.name_escaped);
        let metric_name = input.store(METRIC_NAME);
        input.push_span(metric_name, name);
        // In quotes stand names that may need them; a raw newline must be escaped.
        let is_plain = !tokens.has_quoted_name && memchr::memchr(b'\n', text).is_none();
        for label in &tokens.labels {
            let stands_together = label.name.end + 2 == label.value.start;
            if is_plain && stands_together && !label.value_escaped {
                input.push_verbatim(label.name, label.value);
            } else {
                let name = decode(input, label.name, label.name_escaped);
                let value = decode(input, label.value, label.value_escaped);
                input.push_span(name, value);
            }
        }
        input.sort();
    }

    /// Whether the value of this label makes no difference to any output.
    pub(super) fn ignores(&mut self, name: &[u8]) -> bool {
        if let Some((_, is_ignored)) = self.ignored.iter().find(|(known, _)| **known == *name) {
            return *is_ignored;
        }
        let is_ignored = self.outputs.iter().all(|output| output.rules.rules.ignores(name));
        if self.ignored.len() < IGNORED_NAMES_MAX {
            self.ignored.push((name.into(), is_ignored));
        }
        is_ignored
    }

    /// What was found, output by output.
    pub(super) fn finish(self) -> Vec<Found> {
        let found = |output: Output| Found { new: output.new, respelt: output.respelt };
        self.outputs.into_iter().map(found).collect()
    }

    /// The key of the process.
    pub(super) fn key(&self) -> &Arc<FingerprintKey> {
        &self.key
    }

    /// How many outputs there are.
    pub(super) fn n_outputs(&self) -> usize {
        self.outputs.len()
    }
}

impl Output {
    fn decide(
        &mut self,
        key: &FingerprintKey,
        input: &LabelSet,
        scratch: &mut Scratch,
        n_nameless: &mut u64,
    ) -> u32 {
        let labels = if self.rules.rules.is_empty() {
            input
        } else {
            self.labels.copy_from(input);
            if let Verdict::Drop { rule } = self.rules.apply(&mut self.labels, scratch) {
                return dropped_by(rule);
            }
            if self.labels.metric_name().is_empty() {
                *n_nameless += 1;
                self.labels.set(METRIC_NAME, input.metric_name());
            }
            &self.labels
        };
        self.series.load(labels);
        let fingerprint = self.hasher.fingerprint(key, &self.series);
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        match table.find(fingerprint) {
            Some(slot) => {
                if !self.series.bound_text.is_empty() && table.is_respelt(slot, &self.series) {
                    self.respelt.push((slot, self.series.bound.value));
                }
                slot
            }
            None => NEW | self.new.intern(fingerprint, &self.series, input.metric_name()),
        }
    }
}
