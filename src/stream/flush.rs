//! Closing windows, and what is told then.

use super::group::Group;
use super::rule::Output;
use super::rule::Rule;
use super::state::Aggregator;
use super::state::RuleState;
use super::window::Window;
use crate::model::LabelSet;
use crate::model::label::METRIC_NAME;
use crate::model::number::write_value;
use crate::wire::STALE_MARKER_BITS;
use crate::wire::Sample;

impl Aggregator {
    /// When there is next something to close, by the clock.
    pub fn next_flush_ms(&self) -> Option<i64> {
        self.rules.iter().map(RuleState::next_flush_ms).min()
    }

    /// Close what is over, and tell what there is to tell: labels with the name, sorted, and one
    /// sample. Series come by window, and by group within it.
    pub fn flush(&mut self, now_ms: i64, mut tell: impl FnMut(&LabelSet, Sample)) {
        for state in &mut self.rules {
            while state.next_flush_ms() <= now_ms {
                if state.groups.len() == 0 && state.windows.is_empty() {
                    // Nothing to tell for however long.
                    let reached_ms = now_ms.saturating_sub(state.rule.parts.delay_ms);
                    let interval_ms = state.rule.parts.interval_ms;
                    let open_ms = state.rule.window_of(reached_ms.saturating_add(1));
                    state.closed_ms = state.closed_ms.max(open_ms.saturating_sub(interval_ms));
                    break;
                }
                state.close(now_ms, &mut tell);
            }
        }
    }
}

impl RuleState {
    fn next_flush_ms(&self) -> i64 {
        let end_ms = self.closed_ms.saturating_add(self.rule.parts.interval_ms);
        end_ms.saturating_add(self.rule.parts.delay_ms)
    }

    /// Close the oldest open window.
    fn close(&mut self, now_ms: i64, tell: &mut impl FnMut(&LabelSet, Sample)) {
        let end_ms = self.closed_ms.saturating_add(self.rule.parts.interval_ms);
        self.closed_ms = end_ms;
        self.counts.n_windows += 1;
        let mut windows = self.windows.remove(&end_ms).unwrap_or_default();
        let mut teller = Teller { set: LabelSet::new(), name: Vec::new(), end_ms, tell };
        for number in self.groups.numbers() {
            let window = windows.get_mut(number as usize).map(std::mem::take).unwrap_or_default();
            let Some(group) = self.groups.all.get_mut(number as usize) else { continue };
            if group.n_inputs > 0 && window.is_empty() && !group.is_told {
                // It began after this window.
                continue;
            }
            if group.n_inputs > 0 || !window.is_empty() {
                group.take(&window);
                teller.tell(group, &window, &self.rule);
                group.is_told = true;
                continue;
            }
            if group.is_told {
                teller.end(group, &self.rule);
            }
            self.groups.remove(number);
            // Its number is another group's from now on.
            for open in self.windows.values_mut() {
                if let Some(window) = open.get_mut(number as usize) {
                    *window = Window::default();
                }
            }
        }
        self.forget_ended(now_ms);
    }

    /// Forget input series that have ended, or paused for too long.
    fn forget_ended(&mut self, now_ms: i64) {
        let staleness_ms = self.rule.parts.staleness_ms;
        let mut ended = Vec::new();
        let mut table = std::mem::take(&mut self.table);
        table.retain(|(_, number)| {
            let seen_ms = self.input(*number).map_or(i64::MAX, |input| input.seen_ms);
            let has_ended = seen_ms.saturating_add(staleness_ms) < now_ms;
            if has_ended {
                ended.push(*number);
            }
            !has_ended
        });
        self.table = table;
        for number in ended {
            self.forget_input(number);
        }
    }
}

impl Group {
    /// Add what a window counted to what is counted for ever.
    fn take(&mut self, window: &Window) {
        self.total += window.increase;
        if let Some(more) = &window.more {
            self.buckets.resize(more.buckets.len(), 0);
            for (sum, n) in self.buckets.iter_mut().zip(&more.buckets) {
                *sum += n;
            }
        }
    }
}

/// Names the series of a group, one after the other.
struct Teller<'t, F> {
    set: LabelSet,
    /// The name of the metric, and what stands behind it.
    name: Vec<u8>,
    end_ms: i64,
    tell: &'t mut F,
}

impl<F: FnMut(&LabelSet, Sample)> Teller<'_, F> {
    fn tell(&mut self, group: &Group, window: &Window, rule: &Rule) {
        self.begin(group);
        for output in &rule.parts.outputs {
            match output {
                Output::HistogramBucket => self.buckets(group, rule),
                Output::Quantiles => {
                    let sketch = window.more.as_ref().map(|more| &more.sketch);
                    for q in &rule.parts.quantiles {
                        if let Some(value) = sketch.and_then(|sketch| sketch.quantile(*q)) {
                            self.series(rule, *output, Some(("quantile", *q)), value);
                        }
                    }
                }
                _ => {
                    if let Some(value) = value_of(*output, group, window) {
                        self.series(rule, *output, None, value);
                    }
                }
            }
        }
    }

    /// End every series that can have been told of a group.
    fn end(&mut self, group: &Group, rule: &Rule) {
        self.begin(group);
        let stale = f64::from_bits(STALE_MARKER_BITS);
        for output in &rule.parts.outputs {
            match output {
                Output::HistogramBucket => {
                    for bound in rule.parts.buckets.iter().chain(&[f64::INFINITY]) {
                        self.series(rule, *output, Some(("le", *bound)), stale);
                    }
                }
                Output::Quantiles => {
                    for q in &rule.parts.quantiles {
                        self.series(rule, *output, Some(("quantile", *q)), stale);
                    }
                }
                _ => self.series(rule, *output, None, stale),
            }
        }
    }

    fn begin(&mut self, group: &Group) {
        self.set.clear();
        for (name, value) in spelled(&group.labels) {
            self.set.push(name, value);
        }
        self.set.sort();
        self.name.clear();
        self.name.extend_from_slice(self.set.metric_name());
    }

    fn buckets(&mut self, group: &Group, rule: &Rule) {
        let mut n_below = 0;
        let bounds = rule.parts.buckets.iter().chain(&[f64::INFINITY]);
        for (bound, n) in bounds.zip(&group.buckets) {
            n_below += n;
            #[expect(clippy::cast_precision_loss, reason = "values are doubles")]
            self.series(rule, Output::HistogramBucket, Some(("le", *bound)), n_below as f64);
        }
    }

    fn series(&mut self, rule: &Rule, output: Output, label: Option<(&str, f64)>, value: f64) {
        let mut set = self.set.clone();
        let infix = rule.infix.as_bytes();
        let name = [&self.name[..], infix, output.word().as_bytes()].concat();
        set.set(METRIC_NAME, &name);
        if let Some((name, number)) = label {
            let mut text = Vec::new();
            write_value(&mut text, number);
            set.set(name.as_bytes(), &text);
        }
        (self.tell)(&set, Sample { value, timestamp_ms: self.end_ms, start_timestamp_ms: 0 });
    }
}

#[expect(clippy::cast_precision_loss, reason = "values are doubles")]
fn value_of(output: Output, group: &Group, window: &Window) -> Option<f64> {
    let of_samples = |value| (window.n > 0).then_some(value);
    match output {
        Output::SumSamples => of_samples(window.sum),
        Output::CountSamples => of_samples(window.n as f64),
        Output::Last => of_samples(window.last),
        Output::Min => of_samples(window.min),
        Output::Max => of_samples(window.max),
        Output::Avg => of_samples(window.sum / window.n as f64),
        Output::Total => Some(group.total),
        Output::Increase => Some(window.increase),
        Output::HistogramBucket | Output::Quantiles => None,
    }
}

/// Names and values of labels as remote write 1.0 spells them.
pub(super) fn spelled(labels: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = labels;
    std::iter::from_fn(move || {
        let (_, label) = field(&mut rest)?;
        let mut inner = label;
        let (_, name) = field(&mut inner)?;
        let (_, value) = field(&mut inner).unwrap_or_default();
        Some((name, value))
    })
}

/// Key and bytes of the next field of bytes.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (key, mut tail) = rest.split_first()?;
    let mut n_bytes = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = tail.split_first()?;
        tail = after;
        n_bytes |= usize::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    let (bytes, tail) = tail.split_at_checked(n_bytes)?;
    *rest = tail;
    Some((*key, bytes))
}
