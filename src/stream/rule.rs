//! What is aggregated, and how.

use std::fmt::Write as _;

use crate::relabel::Rules;

/// Bounds of `histogram_bucket`, as Prometheus' client libraries have them.
pub const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// How long after its end a window is closed.
pub const DELAY_MS: i64 = 10_000;
/// How long a series may pause; Prometheus looks back as far.
pub const STALENESS_MS: i64 = 300_000;
/// Input series of a rule.
pub const SERIES_MAX: usize = 2_000_000;

/// What is told of a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Output {
    /// The sum of the samples.
    SumSamples,
    /// How many samples there are.
    CountSamples,
    /// The newest sample.
    Last,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The mean.
    Avg,
    /// What the counters grew by since the group began.
    Total,
    /// What they grew by.
    Increase,
    /// Samples below each bound, since the group began.
    HistogramBucket,
    /// Quantiles of the samples.
    Quantiles,
}

impl Output {
    /// Each of them, with its word.
    pub const ALL: [(&'static str, Self); 10] = [
        ("sum_samples", Self::SumSamples),
        ("count_samples", Self::CountSamples),
        ("last", Self::Last),
        ("min", Self::Min),
        ("max", Self::Max),
        ("avg", Self::Avg),
        ("total", Self::Total),
        ("increase", Self::Increase),
        ("histogram_bucket", Self::HistogramBucket),
        ("quantiles", Self::Quantiles),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, output)| *output == self).map_or("", |(word, _)| word)
    }
}

/// Which labels make a group. The metric name always does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Grouping {
    /// These.
    By(Vec<String>),
    /// All but these.
    Without(Vec<String>),
}

impl Grouping {
    /// Whether a label other than the name stays.
    pub(super) fn keeps(&self, name: &[u8]) -> bool {
        match self {
            Self::By(names) => names.iter().any(|other| other.as_bytes() == name),
            Self::Without(names) => !names.iter().any(|other| other.as_bytes() == name),
        }
    }
}

/// A rule as it was written; every part is good by itself.
#[derive(Clone, Debug)]
pub struct RuleParts {
    /// Keeps the series that are meant.
    pub selector: Rules,
    /// That selector as text, for [`Rule::identity`].
    pub selector_text: String,
    /// Length of a window, in milliseconds, above 0.
    pub interval_ms: i64,
    /// The same as it was written: it becomes part of names.
    pub interval_text: String,
    /// Which labels make a group.
    pub grouping: Grouping,
    /// What is told.
    pub outputs: Vec<Output>,
    /// Which quantiles, from 0 to 1.
    pub quantiles: Vec<f64>,
    /// Bounds of the buckets, rising and finite.
    pub buckets: Vec<f64>,
    /// How long after its end a window is closed.
    pub delay_ms: i64,
    /// How long a series may pause.
    pub staleness_ms: i64,
    /// Whether the series that are aggregated go on as well.
    pub keep_input: bool,
    /// Input series at a time; more go on unaggregated.
    pub series_max: usize,
}

/// A rule that can be worked with.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) parts: RuleParts,
    /// What stands between the name of a metric and the word of an output.
    pub(super) infix: String,
    identity: String,
}

/// Rules are equal that do the same.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity && self.parts.keep_input == other.parts.keep_input
    }
}

impl Rule {
    /// Make a rule of its parts.
    pub fn new(parts: RuleParts) -> Self {
        let (word, names) = match &parts.grouping {
            Grouping::By(names) => ("by", names),
            Grouping::Without(names) => ("without", names),
        };
        let mut infix = format!(":{}", parts.interval_text);
        if !names.is_empty() {
            write!(infix, "_{word}_{}", names.join("_")).unwrap_or_default();
        }
        infix.push('_');
        let RuleParts { selector_text, interval_ms, grouping, outputs, quantiles, .. } = &parts;
        let RuleParts { buckets, delay_ms, staleness_ms, series_max, .. } = &parts;
        // Whatever changes what a state means, or how large it may be.
        let identity = format!(
            "{selector_text:?} {interval_ms} {grouping:?} {outputs:?} {quantiles:?} {buckets:?} \
             {delay_ms} {staleness_ms} {series_max} {infix}"
        );
        Self { parts, infix, identity }
    }

    /// Rules with the same identity can go on with each other's state.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether samples are kept as more than sums.
    pub(super) fn has(&self, output: Output) -> bool {
        self.parts.outputs.contains(&output)
    }

    /// The end of the window a time lies in.
    pub(super) fn window_of(&self, timestamp_ms: i64) -> i64 {
        let interval_ms = self.parts.interval_ms;
        let rest = timestamp_ms.rem_euclid(interval_ms);
        if rest == 0 { timestamp_ms } else { timestamp_ms.saturating_add(interval_ms - rest) }
    }
}
