//! One time series, whatever version it came in or will be written in.

use std::slice;

use super::cursor::{BYTES, Cursor, FIXED64, VARINT, key};
use super::error::WireError;
use super::histogram::Histogram;
use super::labels::{Labels, REF, REFS, Symbols, read_label};
use crate::model::MetricType;
use crate::model::Span;

/// One float value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// The value. Its bits are those of the message; see [`super::STALE_MARKER_BITS`].
    pub value: f64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// When the counter began to count, in milliseconds since 1970; 0 if that is not known.
    pub start_timestamp_ms: i64,
}

impl Sample {
    /// Whether the series ends here.
    pub fn is_stale_marker(&self) -> bool {
        self.value.to_bits() == super::STALE_MARKER_BITS
    }
}

/// Bits are compared: a NaN equals itself.
impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        let key = |s: &Self| (s.value.to_bits(), s.timestamp_ms, s.start_timestamp_ms);
        key(self) == key(other)
    }
}

/// An example of what a sample counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exemplar<'a> {
    /// Labels such as `trace_id`; there may be none.
    pub labels: Labels<'a>,
    /// The value.
    pub value: f64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// Type, help and unit of a family.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Metadata<'a> {
    /// The type; unknown also for numbers no version defines.
    pub metric_type: MetricType,
    /// The help text, empty if there is none.
    pub help: &'a [u8],
    /// The unit, empty if there is none.
    pub unit: &'a [u8],
}

/// Metadata as 1.0 sends it: beside the series.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MetricMetadata<'a> {
    /// The family's name.
    pub family: &'a [u8],
    /// What is said of it.
    pub metadata: Metadata<'a>,
}

/// A time series: borrowed from a request, or put together from parts.
///
/// ```
/// use weir::wire::{Labels, Sample, Series, put_series_v1};
///
/// let samples = [Sample { value: 1.0, timestamp_ms: 1_700_000_000_000, ..Sample::default() }];
/// let labels: [(&[u8], &[u8]); 1] = [(b"__name__", b"up")];
/// let series = Series::new(Labels::of_pairs(&labels)).with_samples(&samples);
/// let mut body = Vec::new();
/// put_series_v1(&mut body, &series);
/// // The label takes 16 bytes, the sample 18, their message 2.
/// assert_eq!(body.len(), 36);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Series<'a> {
    pub(super) labels: Labels<'a>,
    pub(super) samples: &'a [Sample],
    pub(super) histograms: Histograms<'a>,
    pub(super) exemplars: Exemplars<'a>,
    pub(super) metadata: SeriesMetadata<'a>,
    /// The message `TimeSeries` of 1.0, if nothing in it is to be left out.
    pub(super) verbatim_v1: Option<&'a [u8]>,
    /// How many bytes the labels take at the beginning of that; 0 if that was not looked at yet.
    pub(super) front_bytes_v1: usize,
    /// That message in two parts: other labels, and what stood behind the old ones.
    pub(super) spelled_v1: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> Series<'a> {
    /// A series of these labels, without any value yet.
    pub fn new(labels: Labels<'a>) -> Self {
        Self { labels, ..Self::default() }
    }

    /// The same values under other labels.
    #[must_use]
    pub fn with_labels(self, labels: Labels<'a>) -> Self {
        Self { labels, ..self.changed() }
    }

    /// The same values under other labels, which are given as 1.0 writes them
    /// ([`super::put_label_v1`]). A series of 1.0 whose labels were in front is then written
    /// without looking at any of it again.
    #[must_use]
    pub fn with_spelled_labels(self, spelled: &'a [u8]) -> Self {
        let spelled_v1 = self.canonical_v1().map(|(_, rest)| (spelled, rest));
        Self { spelled_v1, ..self.with_labels(Labels::of_spelled(spelled)) }
    }

    /// The same series with these samples.
    #[must_use]
    pub fn with_samples(self, samples: &'a [Sample]) -> Self {
        Self { samples, ..self.changed() }
    }

    /// The same series with these histograms.
    #[must_use]
    pub fn with_histograms(self, histograms: &'a [Histogram<'a>]) -> Self {
        Self { histograms: Histograms(Points::Slice(histograms), 0), ..self.changed() }
    }

    /// The same series with these exemplars.
    #[must_use]
    pub fn with_exemplars(self, exemplars: &'a [Exemplar<'a>]) -> Self {
        Self { exemplars: Exemplars(Points::Slice(exemplars), None), ..self.changed() }
    }

    /// The same series with other metadata. 1.0 has no place for it here.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata<'a>) -> Self {
        Self { metadata: SeriesMetadata::Texts(metadata), ..self }
    }

    /// It is no longer what came in.
    fn changed(self) -> Self {
        Self { verbatim_v1: None, spelled_v1: None, ..self }
    }

    /// Its labels, in the order of the message.
    pub fn labels(&self) -> Labels<'a> {
        self.labels
    }

    /// Its samples, in the order of the message.
    pub fn samples(&self) -> &'a [Sample] {
        self.samples
    }

    /// Its histograms, in the order of the message.
    pub fn histograms(&self) -> Histograms<'a> {
        self.histograms
    }

    /// Its exemplars, in the order of the message, but for those whose references lead nowhere.
    pub fn exemplars(&self) -> Exemplars<'a> {
        self.exemplars
    }

    /// The message of 1.0 it came in, cut behind its labels: these, and all else. `None` unless
    /// nothing has been changed and the labels stand first, each in the fewest bytes, so that equal
    /// labels are equal bytes.
    pub fn canonical_v1(&self) -> Option<(&'a [u8], &'a [u8])> {
        let message = self.verbatim_v1?;
        let n_bytes = match self.front_bytes_v1 {
            0 => self.labels.canonical_bytes(message)?,
            n_bytes => {
                debug_assert_eq!(self.labels.canonical_bytes(message), Some(n_bytes));
                n_bytes
            }
        };
        message.split_at_checked(n_bytes)
    }

    /// Its metadata; all empty for a series of 1.0.
    pub fn metadata(&self) -> Metadata<'a> {
        match self.metadata {
            SeriesMetadata::Texts(metadata) => metadata,
            SeriesMetadata::Refs { symbols, metric_type, help, unit } => {
                Metadata { metric_type, help: symbols.text(help), unit: symbols.text(unit) }
            }
        }
    }
}

/// Metadata of a series, as it was given or as it stands in a body of 2.0.
#[derive(Clone, Copy, Debug)]
pub(super) enum SeriesMetadata<'a> {
    Texts(Metadata<'a>),
    Refs { symbols: Symbols<'a>, metric_type: MetricType, help: u32, unit: u32 },
}

impl Default for SeriesMetadata<'_> {
    fn default() -> Self {
        Self::Texts(Metadata::default())
    }
}

/// Histograms or exemplars: in a body, one span each, or in a slice.
#[derive(Clone, Copy, Debug)]
enum Points<'a, T> {
    Wire { body: &'a [u8], spans: &'a [Span] },
    Slice(&'a [T]),
}

impl<T> Default for Points<'_, T> {
    fn default() -> Self {
        Self::Slice(&[])
    }
}

impl<T> Points<'_, T> {
    fn len(&self) -> usize {
        match self {
            Self::Wire { spans, .. } => spans.len(),
            Self::Slice(points) => points.len(),
        }
    }
}

/// The histograms of a series.
#[derive(Clone, Copy, Debug, Default)]
pub struct Histograms<'a>(Points<'a, Histogram<'a>>, i64);

impl<'a> Histograms<'a> {
    /// Messages in a body, and the start timestamp of those that have none of their own.
    pub(super) fn of_spans(body: &'a [u8], spans: &'a [Span], start_timestamp_ms: i64) -> Self {
        Self(Points::Wire { body, spans }, start_timestamp_ms)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Histogram<'a>> + use<'a> {
        let Self(points, start_timestamp_ms) = *self;
        let (body, spans, slice) = match points {
            Points::Wire { body, spans } => (body, spans, [].iter()),
            Points::Slice(slice) => (&[][..], &[][..], slice.iter()),
        };
        let read = spans.iter().filter_map(move |&span| {
            let mut histogram = Histogram::read(Cursor::new(body, span)).ok()?;
            if histogram.start_timestamp_ms == 0 {
                histogram.start_timestamp_ms = start_timestamp_ms;
            }
            Some(histogram)
        });
        read.chain(slice.copied())
    }
}

/// The exemplars of a series.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exemplars<'a>(Points<'a, Exemplar<'a>>, Option<Symbols<'a>>);

impl<'a> Exemplars<'a> {
    pub(super) fn of_spans(
        body: &'a [u8],
        spans: &'a [Span],
        symbols: Option<Symbols<'a>>,
    ) -> Self {
        Self(Points::Wire { body, spans }, symbols)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Exemplar<'a>> + use<'a> {
        let Self(points, symbols) = *self;
        let (body, spans, slice): (_, _, slice::Iter<'a, _>) = match points {
            Points::Wire { body, spans } => (body, spans, [].iter()),
            Points::Slice(slice) => (&[][..], &[][..], slice.iter()),
        };
        let read = spans
            .iter()
            .filter_map(move |&span| read_exemplar(Cursor::new(body, span), symbols).ok());
        read.chain(slice.copied())
    }
}

const EXEMPLAR_VALUE: u64 = key(2, FIXED64);
const EXEMPLAR_TIMESTAMP: u64 = key(3, VARINT);

/// Read a message `Exemplar`: of 2.0 if there are symbols, of 1.0 otherwise.
///
/// References are read, but not checked.
pub(super) fn read_exemplar<'a>(
    message: Cursor<'a>,
    symbols: Option<Symbols<'a>>,
) -> Result<Exemplar<'a>, WireError> {
    const VALUE: &str = "timeseries.exemplars.value";
    const TIMESTAMP: &str = "timeseries.exemplars.timestamp";
    const LABELS: &str = "timeseries.exemplars.labels";
    const REFERENCES: &str = "timeseries.exemplars.labels_refs";
    let labels = Labels::of_message(message, symbols);
    let mut exemplar = Exemplar { labels, ..Exemplar::default() };
    let mut message = message;
    while !message.is_at_end() {
        match (message.key("timeseries.exemplars")?, symbols) {
            (EXEMPLAR_VALUE, _) => exemplar.value = message.double(VALUE)?,
            (EXEMPLAR_TIMESTAMP, _) => {
                exemplar.timestamp_ms = message.varint(TIMESTAMP)?.cast_signed();
            }
            (REFS, Some(_)) => {
                let mut packed = message.bytes(REFERENCES)?;
                while !packed.is_at_end() {
                    packed.varint(REFERENCES)?;
                }
            }
            (REF, Some(_)) => {
                message.varint(REFERENCES)?;
            }
            (LABEL, None) => {
                read_label(message.bytes(LABELS)?, LABELS)?;
            }
            (other, _) => {
                let known = [(1, BYTES), (2, FIXED64), (3, VARINT)];
                message.other(other, "timeseries.exemplars", &known)?;
            }
        }
    }
    Ok(exemplar)
}

const LABEL: u64 = key(1, BYTES);

/// The type a number of the messages stands for; both versions number alike.
pub(super) fn metric_type(number: u64) -> MetricType {
    TYPES.iter().find(|(of_type, _)| *of_type == number).map_or_else(Default::default, |t| t.1)
}

/// The number of a type.
pub(super) fn type_number(metric_type: MetricType) -> u64 {
    TYPES.iter().find(|(_, of_number)| *of_number == metric_type).map_or(0, |t| t.0)
}

const TYPES: [(u64, MetricType); 8] = [
    (0, MetricType::Unknown),
    (1, MetricType::Counter),
    (2, MetricType::Gauge),
    (3, MetricType::Histogram),
    (4, MetricType::GaugeHistogram),
    (5, MetricType::Summary),
    (6, MetricType::Info),
    (7, MetricType::StateSet),
];
