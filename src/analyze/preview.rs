//! What rules would leave of an exposition.

use std::collections::HashMap;

use hashbrown::HashTable;

use crate::analyze::report::{Families, PreviewReport, Report};
use crate::analyze::savings::HashKey;
use crate::analyze::tally::Tally;
use crate::model::label::METRIC_NAME;
use crate::model::{LabelSet, MetricType};
use crate::parse::{SampleTokens, unescape};
use crate::relabel::{Rules, Scratch, Verdict};

/// Applies rules to samples and counts what comes out.
#[derive(Debug)]
pub(super) struct Preview {
    rules: Rules,
    scratch: Scratch,
    labels: LabelSet,
    text: Vec<u8>,
    key: HashKey,
    /// The hashes of the series that came out.
    seen: HashTable<u128>,
    tally: Tally,
    n_dropped: usize,
    n_nameless: usize,
    /// How many samples of each metric went into a series that was there already.
    merged: HashMap<Box<[u8]>, usize>,
}

impl Preview {
    pub(super) fn new(rules: Rules, key: HashKey, is_with_savings: bool) -> Self {
        Self {
            rules,
            scratch: Scratch::default(),
            labels: LabelSet::new(),
            text: Vec::new(),
            key,
            seen: HashTable::new(),
            tally: Tally::new(is_with_savings),
            n_dropped: 0,
            n_nameless: 0,
            merged: HashMap::new(),
        }
    }

    pub(super) fn sample(&mut self, line: &[u8], tokens: &SampleTokens) {
        self.load(line, tokens);
        let Verdict::Keep = self.rules.apply(&mut self.labels, &mut self.scratch) else {
            self.n_dropped += 1;
            return;
        };
        if self.labels.metric_name().is_empty() {
            // As the gate does.
            self.n_nameless += 1;
            self.text.clear();
            unescape(tokens.name.of(line), &mut self.text);
            self.labels.set(METRIC_NAME, &self.text);
        }
        if self.is_new() {
            self.tally.series(&self.labels);
            return;
        }
        self.text.clear();
        unescape(tokens.name.of(line), &mut self.text);
        match self.merged.get_mut(&self.text[..]) {
            Some(n_merged) => *n_merged += 1,
            None => drop(self.merged.insert(self.text[..].into(), 1)),
        }
    }

    fn load(&mut self, line: &[u8], tokens: &SampleTokens) {
        let Self { labels, text, .. } = self;
        labels.clear();
        let mut push = |name: &[u8], value: &[u8]| {
            text.clear();
            unescape(name, text);
            let n_name = text.len();
            unescape(value, text);
            let (name, value) = text.split_at(n_name);
            labels.push(name, value);
        };
        push(METRIC_NAME, tokens.name.of(line));
        for label in &tokens.labels {
            push(label.name.of(line), label.value.of(line));
        }
        labels.sort();
    }

    /// Whether no series with these labels came out before.
    #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
    fn is_new(&mut self) -> bool {
        let hash = self.key.hash(self.labels.iter().flat_map(|(name, value)| [name, value]));
        let place = |&hash: &u128| hash as u64;
        let n_before = self.seen.len();
        self.seen.entry(place(&hash), |&known| known == hash, place).or_insert(hash);
        self.seen.len() > n_before
    }

    pub(super) fn report(self, families: &Families) -> PreviewReport {
        let is_gauge = |name: &[u8]| {
            let family = families.of_sample(name);
            family.is_some_and(|family| family.metric_type == Some(MetricType::Gauge))
        };
        let mut merged_gauges: Vec<_> = self
            .merged
            .into_iter()
            .filter(|(name, _)| is_gauge(name))
            .map(|(name, n)| (String::from_utf8_lossy(&name).into_owned(), n))
            .collect();
        merged_gauges.sort();
        PreviewReport {
            n_dropped: self.n_dropped,
            n_nameless: self.n_nameless,
            report: Box::new(Report::new(&self.tally, families, self.key)),
            merged_gauges,
        }
    }
}
