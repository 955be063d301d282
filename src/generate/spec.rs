//! What to generate, as written: plain data, not yet checked.
//!
//! Times are milliseconds since the epoch (`_ms`), durations milliseconds. Whoever compiles a spec
//! reports every mistake as a [`SpecError`] whose path names the place the way the YAML file
//! spells it (`families[2].value.sine.period`), so that a reader of files can find the line.

pub mod distribution;
pub mod signal;

use std::fmt;

use crate::model::MetricType;

pub use distribution::DistributionSpec;
pub use distribution::MixturePart;
pub use signal::Extent;
pub use signal::NoiseSpec;
pub use signal::PeriodicSpec;
pub use signal::Samples;
pub use signal::SignalSpec;

/// A whole generator: one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What makes two generators of the same spec differ.
    pub seed: u64,
    /// Time 0 of every signal, so that phases and points count from here.
    pub start_ms: i64,
    /// The step of discrete signals.
    pub interval_ms: i64,
    /// Virtual targets. Each has all families; a dimension may be told to differ between them.
    pub n_targets: u32,
    /// Labels on every series.
    pub constant_labels: Vec<(String, String)>,
    /// In the order of the page.
    pub families: Vec<FamilySpec>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            seed: 0,
            start_ms: 0,
            interval_ms: Self::INTERVAL_MS,
            n_targets: 1,
            constant_labels: Vec::new(),
            families: Vec::new(),
        }
    }
}

impl Spec {
    /// The step of discrete signals where none is given.
    pub const INTERVAL_MS: i64 = 15_000;

    /// The clock every signal of this spec runs on.
    pub fn clock(&self) -> ClockSpec {
        ClockSpec { start_ms: self.start_ms, interval_ms: self.interval_ms }
    }
}

/// Where time 0 of a signal is, and how long one of its points lasts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClockSpec {
    /// Time 0; before it there is nothing.
    pub start_ms: i64,
    /// The step of discrete signals, above 0.
    pub interval_ms: i64,
}

/// A metric family and its series.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilySpec {
    /// As the sample lines spell it, `_total` of a counter included.
    pub name: String,
    /// What `# TYPE` says.
    pub metric_type: MetricType,
    /// Unescaped; none is written when empty.
    pub help: String,
    /// None is written when empty.
    pub unit: String,
    /// The series are the product of these; the last varies fastest.
    pub dimensions: Vec<DimensionSpec>,
    /// The share of the product that exists, above 0 up to 1.
    pub keep: f64,
    /// What comes and goes. All apply.
    pub churn: Vec<ChurnSpec>,
    /// How the values of the product's series come about; `None` where `series` says it all.
    pub data: Option<DataSpec>,
    /// Series differ by a seeded factor in `[1 - spread, 1 + spread]`.
    pub spread: f64,
    /// Exemplars on counters and buckets, in OpenMetrics.
    pub exemplars: Option<ExemplarSpec>,
    /// Series with data of their own, after those of the product.
    pub series: Vec<SeriesSpec>,
}

impl FamilySpec {
    /// A family of one series without labels.
    pub fn new(name: &str, metric_type: MetricType, data: DataSpec) -> Self {
        Self {
            name: name.to_owned(),
            metric_type,
            help: String::new(),
            unit: String::new(),
            dimensions: Vec::new(),
            keep: 1.0,
            churn: Vec::new(),
            data: Some(data),
            spread: 0.0,
            exemplars: None,
            series: Vec::new(),
        }
    }
}

/// One series with data of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSpec {
    /// Without `__name__`.
    pub labels: Vec<(String, String)>,
    /// Its values.
    pub data: DataSpec,
}

/// How values come about. It has to fit the family's type.
#[derive(Clone, Debug, PartialEq)]
pub enum DataSpec {
    /// Gauges and families of unknown type: the signal itself.
    Gauge(ValueSpec),
    /// The integral of a rate, or a signal taken as the counter's value.
    Counter(CounterSpec),
    /// Histograms and gauge histograms.
    Histogram(HistogramSpec),
    /// Quantiles, sum and count.
    Summary(SummarySpec),
    /// Always 1.
    Info,
    /// One series a state, of which one is 1 at a time.
    StateSet {
        /// At least one.
        states: Vec<String>,
        /// How long a state lasts.
        every_ms: i64,
    },
}

/// A signal and what follows when it has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueSpec {
    /// The values.
    pub signal: SignalSpec,
    /// What follows.
    pub end: EndSpec,
}

impl ValueSpec {
    /// A signal after which the series is gone.
    pub fn new(signal: SignalSpec) -> Self {
        Self { signal, end: EndSpec::Stale }
    }
}

/// What follows when a signal has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum EndSpec {
    /// `loop`: from the beginning again, for ever.
    Loop,
    /// `last`, `send_last_value`: the last value there was, for ever.
    Last,
    /// `value`, `send_custom_value`: this value for ever.
    Value(f64),
    /// `missing`: the series stays, without samples.
    Missing,
    /// `stale`, `remove_time_series`: the series ends.
    #[default]
    Stale,
}

/// A counter.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterSpec {
    /// What it counts.
    pub source: CounterSource,
    /// When it starts again at 0. All apply.
    pub resets: Vec<ResetSpec>,
    /// Whether the value is rounded down to an integer.
    pub integers: bool,
}

impl CounterSpec {
    /// A counter that is never reset.
    pub fn new(rate: SignalSpec) -> Self {
        Self { source: CounterSource::Rate(rate), resets: Vec::new(), integers: false }
    }
}

/// What a counter counts.
#[derive(Clone, Debug, PartialEq)]
pub enum CounterSource {
    /// Units a second, never below 0; the counter is the integral.
    Rate(SignalSpec),
    /// The counter's own values, taken as they are (test fixtures, the seed's files).
    Value(ValueSpec),
}

/// When a counter starts again at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResetSpec {
    /// Once.
    At(i64),
    /// Whenever this many milliseconds have passed since the start.
    Every(i64),
    /// Each hour with this probability, at a moment of that hour; series differ.
    PerHour(f64),
}

/// A histogram: observations that arrive at a rate and follow a distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSpec {
    /// Observations; `integers` rounds counts down and is the default of YAML files.
    pub observations: CounterSpec,
    /// Of the observed values.
    pub distribution: DistributionSpec,
    /// Classic bounds.
    pub buckets: BucketSpec,
    /// Native buckets beside them, for outputs that carry them.
    pub native: Option<NativeSpec>,
    /// `gaugehistogram`: how far back observations count; `None` for histograms.
    pub window_ms: Option<i64>,
}

/// Upper bounds of classic buckets; `+Inf` is implied.
#[derive(Clone, Debug, PartialEq)]
pub enum BucketSpec {
    /// Ascending.
    List(Vec<f64>),
    /// `start`, `start * factor`, …
    Exponential {
        /// Above 0.
        start: f64,
        /// Above 1.
        factor: f64,
        /// How many, at least 1.
        count: u32,
    },
    /// `start`, `start + width`, …
    Linear {
        /// The first bound.
        start: f64,
        /// Above 0.
        width: f64,
        /// How many, at least 1.
        count: u32,
    },
}

/// Native buckets of one resolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NativeSpec {
    /// -4 to 8; a bucket grows by `2^(2^-schema)`.
    pub schema: i8,
    /// Observations up to this distance of 0 are counted in the zero bucket.
    pub zero_threshold: f64,
}

/// A summary: the quantiles of what is observed, a sum and a count.
#[derive(Clone, Debug, PartialEq)]
pub struct SummarySpec {
    /// Observations.
    pub observations: CounterSpec,
    /// Of the observed values.
    pub distribution: DistributionSpec,
    /// Ascending, each from 0 to 1.
    pub quantiles: Vec<f64>,
}

/// A label and the values it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct DimensionSpec {
    /// The label's name.
    pub label: String,
    /// Its values.
    pub values: ValuesSpec,
    /// Scales the rate or value of a series by its value's weight; as many as values.
    pub weights: Option<Vec<f64>>,
    /// Derived: the value is that of this label's index, modulo the number of values, and the
    /// number of series does not grow.
    pub of: Option<String>,
    /// Whether values count on from target to target (`per: target`), so that no two share one.
    pub per_target: bool,
}

/// The values of a label.
#[derive(Clone, Debug, PartialEq)]
pub enum ValuesSpec {
    /// These.
    List(Vec<String>),
    /// Integers, both ends included.
    Range(i64, i64),
    /// `{n}` (or `{n:03}`, zeros in front) stands for a number from 0.
    Template {
        /// The text around it.
        template: String,
        /// How many values.
        count: u64,
    },
    /// `count` values drawn from a pool of `pool` by Zipf's law, the frequent ones weighing more.
    Zipf {
        /// With `{n}`.
        template: String,
        /// How many values there might be.
        pool: u64,
        /// Of the law, above 0.
        exponent: f64,
        /// How many there are at a time, at most `pool`.
        count: u64,
    },
}

/// What comes and goes in a family.
#[derive(Clone, Debug, PartialEq)]
pub enum ChurnSpec {
    /// A share of the series is replaced every so often: the value of `label` moves on.
    Share {
        /// From 0 to 1.
        share: f64,
        /// How often.
        every_ms: i64,
        /// Whose value carries the generation; by default the first with a template.
        label: Option<String>,
    },
    /// All values of a label are replaced, one after the other, over the period.
    Rollout {
        /// The label that carries the generation.
        label: String,
        /// How often.
        every_ms: i64,
        /// How long a rollout takes; at once when 0.
        over_ms: i64,
    },
    /// For a while there are `factor` times as many series.
    Explosion {
        /// From when.
        at_ms: i64,
        /// For how long.
        for_ms: i64,
        /// How many times as many, at least 1.
        factor: u64,
        /// The label that explodes.
        label: String,
    },
    /// Series are gone now and then: each for a share of the time.
    Flap {
        /// The share of the time a series is gone, from 0 to 1.
        share: f64,
        /// How long it is gone.
        every_ms: i64,
    },
    /// The whole target is gone now and then: a scrape fails.
    Missing {
        /// The share of the scrapes that fail, from 0 to 1.
        share: f64,
        /// How long one failure lasts.
        every_ms: i64,
    },
}

/// Exemplars on counters and buckets.
#[derive(Clone, Debug, PartialEq)]
pub struct ExemplarSpec {
    /// Label names, each with the number of hexadecimal digits of its value.
    pub labels: Vec<(String, u32)>,
    /// The share of the lines that carry one, from 0 to 1.
    pub share: f64,
}

/// Why a spec was refused, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct SpecError {
    /// From the outermost key down: `families[2].value.sine.period`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl SpecError {
    /// An error at the place one stands at.
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }

    /// The same error, seen from one level further out: `sine` before `period` is `sine.period`,
    /// `join` before `[2].const` is `join[2].const`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') || outer.is_empty() {
            ""
        } else {
            "."
        };
        self.path = format!("{outer}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// All errors, seen from one level further out.
pub(crate) fn within_all(errors: Vec<SpecError>, outer: &str) -> Vec<SpecError> {
    errors.into_iter().map(|error| error.within(outer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_collects_its_path_from_the_inside_out() {
        let error = SpecError::new("period", "must be above 0").within("sine").within("[1]");
        assert_eq!(error.within("join").to_string(), "join[1].sine.period: must be above 0");
        assert_eq!(SpecError::new("", "what").within("").to_string(), "what");
    }
}
