//! The values of a label set at an instant: one number for each of its lines.
//!
//! Here meet the two halves of a family: its series, which come and go ([`crate::generate::churn`]), and
//! its numbers, which know nothing of that. A series that was born counts from 0 then, whatever its
//! counter would have reached.

use crate::generate::counter;
use crate::generate::counter::Counter;
use crate::generate::hash;
use crate::generate::histogram;
use crate::generate::histogram::Histogram;
use crate::generate::histogram::Summary;
use crate::generate::histogram::Totals;
use crate::generate::layout::Bound;
use crate::generate::layout::Line;
use crate::generate::native::NativeHistogram;
use crate::generate::overrides::Change;
use crate::generate::signal;
use crate::generate::signal::Value;
use crate::generate::spec::ClockSpec;
use crate::generate::spec::DataSpec;
use crate::generate::spec::SpecError;
use crate::model::MetricType;

/// How the values of a block of series come about.
#[derive(Debug)]
pub(super) enum Data {
    /// A signal.
    Gauge(Value),
    /// Counts.
    Counter(Counter),
    /// Buckets, sum, count.
    Histogram(Histogram),
    /// Quantiles, sum, count.
    Summary(Summary),
    /// Always 1.
    Info,
    /// One of the states is 1.
    StateSet {
        /// How many.
        n_states: usize,
        /// Time 0.
        start_ms: i64,
        /// How long one lasts.
        every_ms: i64,
    },
}

/// Whose values are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeriesAt<'a> {
    /// The series.
    pub(super) key: u64,
    /// Of its rate or value.
    pub(super) factor: f64,
    /// Since when there is this series; `None`: ever.
    pub(super) born_ms: Option<i64>,
    /// What was changed by hand.
    pub(super) change: Option<&'a Change>,
}

/// The values of a label set.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// One a line; none where the value is a native histogram.
    pub(super) values: Vec<f64>,
    /// Since when it counts, where that has a meaning.
    pub(super) created_ms: Option<i64>,
    /// What there is.
    pub(super) presence: Presence,
    /// The native histogram, for outputs that carry it.
    pub(super) native: Option<NativeHistogram>,
}

/// What all series of a block have in common at an instant.
#[derive(Debug)]
pub(super) struct Frame {
    time_ms: i64,
    counts: Counts,
}

#[derive(Debug)]
enum Counts {
    None,
    Counter(counter::Frame),
    Histogram(histogram::Frame),
}

impl Frame {
    pub(super) fn time_ms(&self) -> i64 {
        self.time_ms
    }
}

/// Whether a label set has samples.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Presence {
    /// It has.
    Here,
    /// Not at this instant.
    #[default]
    Missing,
    /// Not any more.
    Stale,
}

impl Data {
    /// Check and compile; the data has to fit the family's type.
    ///
    /// # Errors
    ///
    /// All that is wrong, with paths from the family inwards.
    pub(super) fn new(
        spec: &DataSpec,
        metric_type: MetricType,
        clock: &ClockSpec,
    ) -> Result<Self, Vec<SpecError>> {
        use MetricType as T;
        let fits = match spec {
            DataSpec::Gauge(_) => matches!(metric_type, T::Gauge | T::Unknown),
            DataSpec::Counter(_) => matches!(metric_type, T::Counter | T::Unknown),
            DataSpec::Histogram(_) => matches!(metric_type, T::Histogram | T::GaugeHistogram),
            DataSpec::Summary(_) => metric_type == T::Summary,
            DataSpec::Info => metric_type == T::Info,
            DataSpec::StateSet { .. } => metric_type == T::StateSet,
        };
        if !fits {
            let word = metric_type.open_metrics_word();
            let message = format!("the values given are not those of a {word}");
            return Err(vec![SpecError::new("type", message)]);
        }
        Ok(match spec {
            DataSpec::Gauge(spec) => Self::Gauge(Value::new(spec, clock).map_err(in_value)?),
            DataSpec::Counter(spec) => Self::Counter(Counter::new(spec, clock)?),
            DataSpec::Histogram(spec) => Self::Histogram(Histogram::new(spec, clock)?),
            DataSpec::Summary(spec) => Self::Summary(Summary::new(spec, clock)?),
            DataSpec::Info => Self::Info,
            DataSpec::StateSet { states, every_ms } => {
                if states.is_empty() {
                    return Err(vec![SpecError::new("states", "must hold at least one state")]);
                }
                if *every_ms <= 0 {
                    return Err(vec![SpecError::new("every", "must be above 0")]);
                }
                let n_states = states.len();
                Self::StateSet { n_states, start_ms: clock.start_ms, every_ms: *every_ms }
            }
        })
    }

    /// The lines of a label set.
    pub(super) fn lines(&self, spec: &DataSpec, name: &str, metric_type: MetricType) -> Vec<Line> {
        let plain = |suffix| Line { suffix, bound: None };
        let bounded =
            |suffix, label, value| Line { suffix, bound: Some(Bound::number(label, value)) };
        match self {
            Self::Gauge(_) | Self::Counter(_) | Self::Info => vec![plain("")],
            Self::Histogram(histogram) => {
                let bounds = histogram.bounds().iter().copied().chain([f64::INFINITY]);
                let mut lines: Vec<Line> =
                    bounds.map(|bound| bounded("_bucket", "le", bound)).collect();
                if metric_type == MetricType::GaugeHistogram {
                    lines.extend([plain("_gsum"), plain("_gcount")]);
                } else {
                    lines.extend([plain("_sum"), plain("_count")]);
                }
                lines
            }
            Self::Summary(summary) => {
                let quantiles = summary.quantiles().iter();
                let mut lines: Vec<Line> =
                    quantiles.map(|&quantile| bounded("", "quantile", quantile)).collect();
                lines.extend([plain("_sum"), plain("_count")]);
                lines
            }
            Self::StateSet { .. } => {
                let DataSpec::StateSet { states, .. } = spec else { return Vec::new() };
                let bound = |state: &String| Some(Bound::word(name, state));
                states.iter().map(|state| Line { suffix: "", bound: bound(state) }).collect()
            }
        }
    }

    /// What all series have in common at an instant.
    pub(super) fn frame(&self, time_ms: i64) -> Frame {
        let counts = match self {
            Self::Counter(counter) => Counts::Counter(counter.frame(time_ms)),
            Self::Histogram(histogram) => Counts::Histogram(histogram.frame(time_ms)),
            Self::Summary(summary) => Counts::Histogram(summary.frame(time_ms)),
            Self::Gauge(_) | Self::Info | Self::StateSet { .. } => Counts::None,
        };
        Frame { time_ms, counts }
    }

    /// Write the values of a label set to `row`.
    pub(super) fn read(&self, frame: &Frame, series: SeriesAt<'_>, row: &mut Row) {
        row.created_ms = None;
        let reset_ms = series.change.and_then(|change| change.reset_ms);
        self.read_at(frame, series, series.born_ms.max(reset_ms), row);
        if row.presence == Presence::Here
            && let Some(change) = series.change
        {
            self.change(frame.time_ms, series, change, row);
        }
    }

    /// The values a series has on its own; what counts, counts since an instant if that is later
    /// than its last reset.
    #[inline]
    fn read_at(&self, frame: &Frame, series: SeriesAt<'_>, since_ms: Option<i64>, row: &mut Row) {
        let SeriesAt { key, factor, .. } = series;
        row.presence = Presence::Here;
        row.values.clear();
        row.native = None;
        match (self, &frame.counts) {
            (Self::Gauge(value), _) => match value.at(key, frame.time_ms) {
                signal::Reading::Value(value) => row.values.push(value * factor),
                signal::Reading::Native => row.native = value.native_at(frame.time_ms),
                other => row.presence = absence(other),
            },
            (Self::Counter(counter), Counts::Counter(counts)) => {
                let count = counter.at_frame(counts, key, factor, since_ms);
                row.created_ms = Some(count.created_ms);
                match count.reading {
                    signal::Reading::Value(value) => row.values.push(value),
                    other => row.presence = absence(other),
                }
            }
            (Self::Histogram(histogram), Counts::Histogram(counts)) => {
                let values = &mut row.values;
                let totals = histogram.at_frame(counts, key, factor, since_ms, values);
                row.add_totals(totals);
                row.native = histogram.native_at_frame(counts, key, factor, since_ms);
            }
            (Self::Summary(summary), Counts::Histogram(counts)) => {
                let values = &mut row.values;
                let totals = summary.at_frame(counts, key, factor, since_ms, values);
                row.add_totals(totals);
            }
            (Self::Info, _) => row.values.push(1.0),
            (Self::StateSet { n_states, start_ms, every_ms }, _) => {
                let cell = frame.time_ms.saturating_sub(*start_ms).div_euclid(*every_ms);
                let bits = hash::mix(key, cell.cast_unsigned());
                let state = hash::below(bits, *n_states as u64);
                let is_on = |at| if at as u64 == state { 1.0 } else { 0.0 };
                row.values.extend((0..*n_states).map(is_on));
            }
            // The frame is another's.
            _ => row.presence = Presence::Missing,
        }
    }

    /// Apply what was changed by hand, but for the reset.
    fn change(&self, time_ms: i64, series: SeriesAt<'_>, change: &Change, row: &mut Row) {
        for spike in change.spikes.iter().filter(|spike| spike.from_ms <= time_ms) {
            let until_ms = spike.until_ms.min(time_ms);
            match self {
                Self::Gauge(_) if time_ms < spike.until_ms => {
                    row.values.iter_mut().for_each(|value| *value *= spike.factor);
                }
                // What was counted before the last reset is forgotten.
                _ if row.created_ms.is_some_and(|created_ms| created_ms < until_ms) => {
                    let since_ms = row.created_ms.max(Some(spike.from_ms));
                    let mut more = Row::default();
                    self.read_at(&self.frame(until_ms), series, since_ms, &mut more);
                    if more.presence == Presence::Here {
                        self.add(&more, spike.factor - 1.0, row);
                    }
                }
                _ => {}
            }
        }
        if let Some(value) = change.hold
            && matches!(self, Self::Gauge(_) | Self::Counter(_))
        {
            row.values.clear();
            row.values.push(value);
            row.native = None;
        }
    }

    /// Add `factor` times what was counted in `other`: everything but quantiles.
    fn add(&self, other: &Row, factor: f64, row: &mut Row) {
        let n_skipped = match self {
            Self::Summary(summary) => summary.quantiles().len(),
            _ => 0,
        };
        for (value, other) in row.values.iter_mut().zip(&other.values).skip(n_skipped) {
            *value += factor * other;
        }
    }
}

impl Row {
    #[inline]
    fn add_totals(&mut self, totals: Option<Totals>) {
        match totals {
            Some(totals) => {
                self.created_ms = Some(totals.created_ms);
                self.values.extend([totals.sum, totals.count]);
            }
            None => self.presence = Presence::Missing,
        }
    }
}

/// The place of errors of a signal, in a file; what follows its end stands beside it.
fn in_value(errors: Vec<SpecError>) -> Vec<SpecError> {
    let within = |error: SpecError| if error.path == "end" { error } else { error.within("value") };
    errors.into_iter().map(within).collect()
}

fn absence(reading: signal::Reading) -> Presence {
    match reading {
        signal::Reading::Stale | signal::Reading::Ended => Presence::Stale,
        _ => Presence::Missing,
    }
}
