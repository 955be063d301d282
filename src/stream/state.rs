//! What has come in so far, for each rule.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::group::Groups;
use super::rule::Output;
use super::rule::Rule;
use super::window::Window;
use crate::model::Fingerprint;
use crate::model::LabelSet;
use crate::relabel::Scratch;
use crate::relabel::Verdict;
use crate::wire::Labels;
use crate::wire::Sample;

/// Samples further ahead of the clock do not count.
const AHEAD_MS_MAX: i64 = 600_000;
/// Inputs in one piece of memory: growing moves none of them.
const CHUNK: usize = 4096;
/// The number of inputs a rule does not want.
const NOT_MEANT: u32 = u32::MAX;

/// What became of samples. All but the first are not part of what is told, or not where they
/// belong.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StreamCounts {
    /// Samples that count.
    pub n_samples: u64,
    /// Samples of a window that is closed.
    pub n_late: u64,
    /// Samples older than one of the same series before; they count where order does not matter.
    pub n_out_of_order: u64,
    /// Samples that are there already.
    pub n_duplicate: u64,
    /// Samples too far ahead of the clock.
    pub n_future: u64,
    /// Samples that are no number.
    pub n_nan: u64,
    /// Counters that began anew.
    pub n_resets: u64,
    /// Series that went on unaggregated, as there are too many.
    pub n_refused_series: u64,
    /// Windows that were closed.
    pub n_windows: u64,
}

/// Samples that count once they are committed.
#[derive(Debug, Default)]
pub struct Staged {
    samples: Vec<StagedSample>,
    /// Of which rules the numbers speak.
    epoch: u64,
}

impl Staged {
    /// Forget all of them.
    pub fn clear(&mut self) {
        self.samples.clear();
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

/// A sample of an input series of a rule, both by number.
#[derive(Clone, Copy, Debug)]
struct StagedSample {
    rule: u32,
    input: u32,
    /// The number may be that of another series by now.
    fingerprint: Fingerprint,
    sample: Sample,
}

/// One input series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Input {
    /// Of its labels; that of nothing where the number is free.
    pub(super) fingerprint: Fingerprint,
    pub(super) group: u32,
    /// Whether there was a sample.
    pub(super) has_value: bool,
    /// The newest sample.
    pub(super) value: f64,
    pub(super) timestamp_ms: i64,
    /// When something last came, by the clock.
    pub(super) seen_ms: i64,
}

/// One rule and what has come in for it.
#[derive(Debug)]
pub(super) struct RuleState {
    pub(super) rule: Rule,
    pub(super) groups: Groups,
    pub(super) table: HashTable<(Fingerprint, u32)>,
    inputs: Vec<Vec<Input>>,
    free: Vec<u32>,
    n_inputs: usize,
    /// The input that is likely to come next, as it followed when they came first.
    expected: u32,
    /// Open windows by their end, each with its groups by number.
    pub(super) windows: BTreeMap<i64, Vec<Window>>,
    /// The end of the window that was closed last.
    pub(super) closed_ms: i64,
    pub(super) began_ms: i64,
    pub(super) counts: StreamCounts,
}

impl RuleState {
    pub(super) fn new(rule: Rule, now_ms: i64) -> Self {
        let reached_ms = now_ms.saturating_sub(rule.parts.delay_ms);
        let open_ms = rule.window_of(reached_ms.saturating_add(1));
        let closed_ms = open_ms.saturating_sub(rule.parts.interval_ms);
        Self {
            rule,
            groups: Groups::default(),
            table: HashTable::new(),
            inputs: Vec::new(),
            free: Vec::new(),
            n_inputs: 0,
            expected: 0,
            windows: BTreeMap::new(),
            closed_ms,
            began_ms: now_ms,
            counts: StreamCounts::default(),
        }
    }

    pub(super) fn input(&self, number: u32) -> Option<&Input> {
        let number = number as usize;
        self.inputs.get(number / CHUNK)?.get(number % CHUNK)
    }

    fn input_mut(&mut self, number: u32) -> Option<&mut Input> {
        let number = number as usize;
        self.inputs.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    /// Remember an input series, and count it for its group.
    pub(super) fn add_input(&mut self, input: Input) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            let number = self.n_inputs;
            self.n_inputs += 1;
            if self.inputs.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.inputs.push(Vec::with_capacity(CHUNK));
            }
            if let Some(chunk) = self.inputs.last_mut() {
                chunk.push(input);
            }
            u32::try_from(number).unwrap_or(NOT_MEANT)
        });
        if let Some(place) = self.input_mut(number) {
            *place = input;
        }
        if let Some(group) = self.groups.all.get_mut(input.group as usize) {
            group.n_inputs += 1;
        }
        self.enter(input.fingerprint, number);
        number
    }

    fn enter(&mut self, fingerprint: Fingerprint, number: u32) {
        let entry = (fingerprint, number);
        self.table.insert_unique(fingerprint.table_hash(), entry, |(other, _)| other.table_hash());
    }

    fn find(&self, fingerprint: Fingerprint) -> Option<u32> {
        let hash = fingerprint.table_hash();
        if self.is_at(self.expected, fingerprint) {
            return Some(self.expected);
        }
        self.table.find(hash, |(other, _)| *other == fingerprint).map(|entry| entry.1)
    }

    /// Whether a number is that of a series.
    fn is_at(&self, number: u32, fingerprint: Fingerprint) -> bool {
        self.input(number).is_some_and(|input| input.fingerprint == fingerprint)
    }

    /// Forget a number of [`RuleState::input`] and its place in its group.
    pub(super) fn forget_input(&mut self, number: u32) {
        let Some(input) = self.input_mut(number) else { return };
        input.fingerprint = Fingerprint::default();
        let group = input.group;
        self.free.push(number);
        if let Some(group) = self.groups.all.get_mut(group as usize) {
            group.n_inputs = group.n_inputs.saturating_sub(1);
        }
    }

    /// The number of a series, which is remembered, if the rule aggregates it.
    fn means(
        &mut self,
        fingerprint: Fingerprint,
        labels: &Labels<'_>,
        now_ms: i64,
        scratch: &mut (Scratch, LabelSet),
    ) -> Option<u32> {
        if let Some(number) = self.find(fingerprint) {
            let input = self.input_mut(number)?;
            input.seen_ms = now_ms;
            self.expected = number.saturating_add(1);
            return Some(number);
        }
        if self.table.len() >= self.rule.parts.series_max {
            self.table.retain(|(_, number)| *number != NOT_MEANT);
            if self.table.len() >= self.rule.parts.series_max {
                self.counts.n_refused_series += 1;
                return None;
            }
        }
        let (scratch, set) = scratch;
        labels.copy_to(set);
        if self.rule.parts.selector.apply(set, scratch) != Verdict::Keep {
            self.enter(fingerprint, NOT_MEANT);
            return None;
        }
        let group = self.groups.of(labels, &self.rule.parts.grouping);
        let number = self.add_input(Input {
            fingerprint,
            group,
            has_value: false,
            value: 0.0,
            timestamp_ms: i64::MIN,
            seen_ms: now_ms,
        });
        self.expected = number.saturating_add(1);
        Some(number)
    }

    fn take(&mut self, staged: &StagedSample, now_ms: i64) {
        let StagedSample { input: number, fingerprint, sample, .. } = staged;
        let number = *number;
        // Where there is none, it has ended since it was staged, which takes longer than requests.
        let Some(mut input) =
            self.input(number).copied().filter(|input| input.fingerprint == *fingerprint)
        else {
            return;
        };
        if sample.is_stale_marker() {
            input.seen_ms = i64::MIN;
            return self.put(number, input);
        }
        if sample.value.is_nan() {
            self.counts.n_nan += 1;
            return;
        }
        let mut end_ms = self.rule.window_of(sample.timestamp_ms);
        if sample.timestamp_ms > now_ms.saturating_add(AHEAD_MS_MAX) {
            self.counts.n_future += 1;
            return;
        }
        if input.has_value && sample.timestamp_ms == input.timestamp_ms {
            self.counts.n_duplicate += 1;
            return;
        }
        let is_newest = !input.has_value || sample.timestamp_ms > input.timestamp_ms;
        self.counts.n_out_of_order += u64::from(!is_newest);
        let is_late = end_ms <= self.closed_ms;
        self.counts.n_late += u64::from(is_late);
        if is_late {
            end_ms = self.closed_ms.saturating_add(self.rule.parts.interval_ms);
        }
        if is_late && !is_newest {
            return;
        }
        let increase = if is_newest { self.increase(&input, sample) } else { 0.0 };
        self.window(end_ms, input.group, |window, rule| {
            window.increase += increase;
            if !is_late {
                window.add(sample.value, sample.timestamp_ms);
                let bounds = rule.has(Output::HistogramBucket).then_some(&*rule.parts.buckets);
                let has_quantiles = rule.has(Output::Quantiles);
                if bounds.is_some() || has_quantiles {
                    window.add_more(sample.value, bounds, has_quantiles);
                }
            }
        });
        self.counts.n_samples += u64::from(!is_late);
        if is_newest {
            (input.has_value, input.value) = (true, sample.value);
            input.timestamp_ms = sample.timestamp_ms;
            self.put(number, input);
        }
    }

    fn put(&mut self, number: u32, input: Input) {
        if let Some(place) = self.input_mut(number) {
            *place = input;
        }
    }

    /// What a counter grew by.
    fn increase(&mut self, input: &Input, sample: &Sample) -> f64 {
        let start_ms = sample.start_timestamp_ms;
        if !input.has_value {
            let is_known_new = start_ms != 0 && start_ms >= self.began_ms;
            let is_taken_for_new = start_ms == 0
                && input.seen_ms.saturating_sub(self.began_ms) > self.rule.parts.staleness_ms;
            return if is_known_new || is_taken_for_new { sample.value } else { 0.0 };
        }
        let is_reset = sample.value < input.value || start_ms > input.timestamp_ms;
        self.counts.n_resets += u64::from(is_reset);
        if is_reset { sample.value } else { sample.value - input.value }
    }

    fn window(&mut self, end_ms: i64, group: u32, change: impl FnOnce(&mut Window, &Rule)) {
        let windows = self.windows.entry(end_ms).or_default();
        let group = group as usize;
        if windows.len() <= group {
            windows.resize_with(self.groups.all.len().max(group + 1), Window::default);
        }
        if let Some(window) = windows.get_mut(group) {
            change(window, &self.rule);
        }
    }
}

/// All rules and what has come in for them.
#[derive(Debug, Default)]
pub struct Aggregator {
    pub(super) rules: Vec<RuleState>,
    /// How often the rules were replaced.
    epoch: u64,
    scratch: (Scratch, LabelSet),
}

impl Aggregator {
    /// Begin with these rules.
    pub fn new(rules: Vec<Rule>, now_ms: i64) -> Self {
        let rules = rules.into_iter().map(|rule| RuleState::new(rule, now_ms)).collect();
        Self { rules, ..Self::default() }
    }

    /// Go on with other rules. Those that were there before keep what they have.
    pub fn reload(&mut self, rules: Vec<Rule>, now_ms: i64) {
        self.epoch += 1;
        let mut old = std::mem::take(&mut self.rules);
        self.rules = rules
            .into_iter()
            .map(|rule| {
                let same = |state: &RuleState| state.rule.identity() == rule.identity();
                match old.iter().position(same) {
                    // Whether the input goes on is not part of the identity.
                    Some(at) => RuleState { rule, ..old.swap_remove(at) },
                    None => RuleState::new(rule, now_ms),
                }
            })
            .collect();
    }

    /// Whether there is nothing to aggregate.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Note the samples of a series for every rule that means it. `fingerprint` is that of its
    /// labels, which are sorted. Says whether the series goes on as it is.
    #[must_use = "a series that is aggregated may not go on"]
    pub fn stage(
        &mut self,
        fingerprint: Fingerprint,
        labels: &Labels<'_>,
        samples: &[Sample],
        now_ms: i64,
        staged: &mut Staged,
    ) -> bool {
        let mut goes_on = true;
        staged.epoch = self.epoch;
        for (number, state) in self.rules.iter_mut().enumerate() {
            let Some(input) = state.means(fingerprint, labels, now_ms, &mut self.scratch) else {
                continue;
            };
            goes_on &= state.rule.parts.keep_input;
            let rule = u32::try_from(number).unwrap_or(u32::MAX);
            let samples = samples.iter().copied();
            let samples = samples.map(|sample| StagedSample { rule, input, fingerprint, sample });
            staged.samples.extend(samples);
        }
        goes_on
    }

    /// From now on, what was staged counts. What was staged for rules that have been replaced
    /// since does not; says how many samples those are.
    pub fn commit(&mut self, staged: &mut Staged, now_ms: i64) -> usize {
        if staged.epoch != self.epoch {
            let n_samples = staged.samples.len();
            staged.clear();
            return n_samples;
        }
        for sample in staged.samples.drain(..) {
            if let Some(state) = self.rules.get_mut(sample.rule as usize) {
                state.take(&sample, now_ms);
            }
        }
        0
    }

    /// What became of samples, for each rule, since the last time.
    pub fn take_counts(&mut self) -> impl Iterator<Item = StreamCounts> {
        self.rules.iter_mut().map(|state| std::mem::take(&mut state.counts))
    }

    /// Input series and groups of each rule.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.rules.iter().map(|state| (state.n_inputs - state.free.len(), state.groups.len()))
    }
}
