//! A request, walked one series at a time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Version;
use super::alike::{NotedNames, Run};
use super::cursor::{BYTES, Cursor, FIXED64, VARINT, key, short_varint};
use super::error::{RefFault, RefProblem, WireError, WireErrorKind};
use super::histogram::Histogram;
use super::labels::{
    LabelSpans, Labels, REF, REFS, Refs, Symbols, canonical_label, read_label, read_refs, reference,
};
use super::series::{
    Exemplars, Histograms, Metadata, MetricMetadata, Sample, Series, SeriesMetadata, metric_type,
    read_exemplar,
};
use crate::model::MetricType;
use crate::model::Span;

/// Default of [`Limits::series_max`].
pub const SERIES_MAX: usize = 1 << 20;
/// Default of [`Limits::symbols_max`].
pub const SYMBOLS_MAX: usize = 1 << 20;
/// Default of [`Limits::labels_max`].
pub const LABELS_MAX: usize = 1 << 10;
/// Default of [`Limits::points_max`].
pub const POINTS_MAX: usize = 1 << 18;

/// How much of anything one request may hold.
///
/// An empty element takes two bytes of a message and up to 24 in memory, so that a limit on the
/// body alone would not bound memory well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Series of a request.
    pub series_max: usize,
    /// Symbols of a request.
    pub symbols_max: usize,
    /// Labels of a series.
    pub labels_max: usize,
    /// Samples of a series; the same again for histograms, and for exemplars.
    pub points_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series_max: SERIES_MAX,
            symbols_max: SYMBOLS_MAX,
            labels_max: LABELS_MAX,
            points_max: POINTS_MAX,
        }
    }
}

/// What decoding needs of memory, to be used for one request after the other.
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    symbols: Vec<Span>,
    tables: Tables,
}

/// The parts of the series a walk is at.
#[derive(Debug, Default)]
struct Tables {
    labels: Vec<LabelSpans>,
    refs: Vec<u32>,
    samples: Vec<Sample>,
    histograms: Vec<Span>,
    exemplars: Vec<Span>,
    exemplar_refs: Vec<u32>,
    exemplar_faults: Vec<RefFault>,
}

impl Tables {
    fn clear(&mut self) {
        self.labels.clear();
        self.refs.clear();
        self.samples.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.exemplar_faults.clear();
    }
}

/// Tells symbols of one request from those of another. A number, never reused in a process.
static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

impl Decoder {
    /// A decoder that refuses what passes `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Look at a decompressed body from the outside: how many series it has, its symbols and its
    /// metadata. The series themselves are read by [`Request::next_series`].
    ///
    /// # Errors
    ///
    /// When the outer message is not well-formed, metadata of 1.0 is not, the first symbol of 2.0
    /// is not empty, or a limit is passed.
    pub fn open<'a>(
        &'a mut self,
        version: Version,
        body: &'a [u8],
    ) -> Result<Request<'a>, WireError> {
        self.symbols.clear();
        let mut rest = Cursor::new(body, Span::new(0, body.len()));
        if u32::try_from(body.len()).is_err() {
            return Err(rest.error("request", WireErrorKind::TooLong(body.len())));
        }
        let message = rest;
        // Where the walk begins: symbols, which stand before all series, are not walked again.
        let mut walk = Cursor::default();
        let mut counts = Counts::default();
        let mut has_empty = false;
        while !rest.is_at_end() {
            let at = rest;
            let found = rest.key("request")?;
            match (version, found) {
                (Version::V1, SERIES_V1) | (Version::V2, SERIES_V2) => {
                    if counts.n_series == 0 {
                        walk = at;
                    }
                    rest.bytes("timeseries")?;
                    counts.n_series += 1;
                    let max = self.limits.series_max;
                    check_limit(&rest, "timeseries", "series", counts.n_series - 1, max)?;
                }
                (Version::V2, SYMBOLS) => {
                    let max = self.limits.symbols_max;
                    check_limit(&rest, "symbols", "symbols", self.symbols.len(), max)?;
                    let symbol = rest.bytes("symbols")?;
                    if self.symbols.is_empty() && !symbol.is_at_end() {
                        return Err(symbol.error("symbols", WireErrorKind::FirstSymbol));
                    }
                    has_empty |= symbol.is_at_end() && !self.symbols.is_empty();
                    self.symbols.push(symbol.span());
                }
                (Version::V1, METADATA_V1) => {
                    read_metadata_v1(rest.bytes("metadata")?)?;
                    counts.n_metadata += 1;
                }
                (_, other) => {
                    let (known, foreign): (&[_], [u64; 2]) = match version {
                        Version::V1 => (&[(1, BYTES), (3, BYTES)], [4, 5]),
                        Version::V2 => (&[(4, BYTES), (5, BYTES)], [1, 3]),
                    };
                    counts.has_foreign_fields |= foreign.contains(&(other >> 3));
                    rest.other(other, "request", known)?;
                }
            }
        }
        if version == Version::V2 && counts.n_series > 0 && self.symbols.is_empty() {
            return Err(message.error("symbols", WireErrorKind::FirstSymbol));
        }
        let request = NEXT_REQUEST.fetch_add(1, Ordering::Relaxed);
        let symbols = Symbols { body, spans: &self.symbols, request, has_empty };
        let Self { limits, tables, .. } = self;
        Ok(Request {
            version,
            body,
            limits: *limits,
            counts,
            rest: walk,
            symbols,
            tables,
            has_created_timestamps: false,
        })
    }
}

#[inline]
fn check_limit(
    at: &Cursor<'_>,
    field: &'static str,
    what: &'static str,
    n: usize,
    max: usize,
) -> Result<(), WireError> {
    if n < max { Ok(()) } else { Err(at.error(field, WireErrorKind::TooMany { what, max })) }
}

const SERIES_V1: u64 = key(1, BYTES);
const METADATA_V1: u64 = key(3, BYTES);
const SYMBOLS: u64 = key(4, BYTES);
const SERIES_V2: u64 = key(5, BYTES);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    n_series: usize,
    n_metadata: usize,
    has_foreign_fields: bool,
}

/// A body that was opened, and a place in it.
#[derive(Debug)]
pub struct Request<'a> {
    version: Version,
    body: &'a [u8],
    limits: Limits,
    counts: Counts,
    rest: Cursor<'a>,
    symbols: Symbols<'a>,
    tables: &'a mut Tables,
    has_created_timestamps: bool,
}

impl<'a> Request<'a> {
    /// The version it was opened as.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many series there are, refused ones included.
    pub fn n_series(&self) -> usize {
        self.counts.n_series
    }

    /// How many symbols there are; 0 in 1.0.
    pub fn n_symbols(&self) -> usize {
        self.symbols.spans.len()
    }

    /// Whether this looks like a message of the other version: nothing of this one is in it, but
    /// fields which the other one has. Each version reserves the numbers of the other, so that
    /// such a body is well-formed and empty.
    pub fn looks_like_other_version(&self) -> bool {
        self.counts.has_foreign_fields
            && self.counts.n_series + self.counts.n_metadata + self.n_symbols() == 0
    }

    /// Whether a series read so far had the field for start timestamps of release candidates up to
    /// the third, which must not be written.
    pub fn has_created_timestamps(&self) -> bool {
        self.has_created_timestamps
    }

    /// Whether every symbol is UTF-8, and so all text there is; for requests of 2.0.
    pub fn symbols_are_utf8(&self) -> bool {
        let mut texts = self.symbols.spans.iter().map(|span| span.of(self.body));
        texts.all(|text| text.is_ascii() || std::str::from_utf8(text).is_ok())
    }

    /// The metadata of a request of 1.0, from the first one, wherever the walk is.
    pub fn metadata(&self) -> impl Iterator<Item = MetricMetadata<'a>> + use<'a> {
        let n = self.counts.n_metadata;
        let mut rest = Cursor::new(self.body, Span::new(0, self.body.len()));
        std::iter::from_fn(move || {
            while !rest.is_at_end() {
                let found = rest.key("").ok()?;
                if found == METADATA_V1 {
                    return read_metadata_v1(rest.bytes("").ok()?).ok();
                }
                rest.skip(found, "").ok()?;
            }
            None
        })
        .take(n)
    }

    /// Read the next series; `None` behind the last one.
    ///
    /// # Errors
    ///
    /// When it is not well-formed or passes a limit: the whole request is refused then, and the
    /// walk has ended. When its references lead nowhere
    /// ([`WireError::is_of_one_series`]): the next call goes on with the series behind it.
    #[inline]
    pub fn next_series(&mut self) -> Result<Option<Series<'_>>, WireError> {
        let read = match self.next_message() {
            Ok(None) => return Ok(None),
            Ok(Some(message)) => match self.version {
                Version::V1 => self.read_v1(message),
                Version::V2 => self.read_v2(message),
            },
            Err(error) => Err(error),
        };
        match read {
            Ok(found) => {
                self.has_created_timestamps |= found.created_ms != 0;
                Ok(Some(self.series(found)))
            }
            Err(error) => {
                if !error.is_of_one_series() {
                    self.rest = Cursor::default();
                }
                Err(error)
            }
        }
    }

    /// Skip the series that are next, as long as each has the names noted, a value to each of them
    /// and one sample. For a request of 2.0 whose symbols are UTF-8, or one of 1.0.
    pub(crate) fn skip_alike(&mut self, names: &NotedNames) -> Run {
        let rest = self.rest.rest();
        let (run, n_bytes) = match self.version {
            Version::V1 => names.run_v1(rest),
            Version::V2 => names.run_v2(rest, &self.symbols),
        };
        self.rest.pass(n_bytes);
        run
    }

    /// The next series of a request of 1.0, if it has the names noted, a value to each of them and
    /// one sample. Its labels are not taken apart.
    #[inline]
    pub(crate) fn next_alike(&mut self, names: &NotedNames) -> Option<Series<'_>> {
        if self.version != Version::V1 {
            return None;
        }
        let rest = self.rest.rest();
        let found = names.series_v1(rest, 0)?;
        let (message, labels) =
            (rest.get(found.start..found.end)?, rest.get(found.start..found.labels_end)?);
        self.rest.pass(found.end);
        self.tables.clear();
        self.tables.samples.push(found.sample);
        Some(Series {
            samples: &self.tables.samples,
            verbatim_v1: Some(message),
            front_bytes_v1: labels.len(),
            ..Series::new(Labels::of_spelled(labels))
        })
    }

    /// Exemplars of the series read last that were left out, since their references lead nowhere.
    pub fn refused_exemplars(&self) -> &[RefFault] {
        &self.tables.exemplar_faults
    }

    fn next_message(&mut self) -> Result<Option<Cursor<'a>>, WireError> {
        let wanted = match self.version {
            Version::V1 => SERIES_V1,
            Version::V2 => SERIES_V2,
        };
        while !self.rest.is_at_end() {
            let found = self.rest.key("request")?;
            if found == wanted {
                return self.rest.bytes("timeseries").map(Some);
            }
            self.rest.skip(found, "request")?;
        }
        Ok(None)
    }

    fn series(&self, found: Found<'a>) -> Series<'_> {
        let Self { body, symbols, tables, .. } = self;
        let is_v1 = self.version == Version::V1;
        let labels = if is_v1 {
            Labels::of_spans(body, &tables.labels)
        } else {
            Labels::of_refs(*symbols, &tables.refs)
        };
        let metadata = match found.metadata {
            Some(MetadataRefs { metric_type, help, unit }) => {
                SeriesMetadata::Refs { symbols: *symbols, metric_type, help, unit }
            }
            None => SeriesMetadata::default(),
        };
        Series {
            labels,
            samples: &tables.samples,
            histograms: Histograms::of_spans(body, &tables.histograms, found.created_ms),
            exemplars: Exemplars::of_spans(body, &tables.exemplars, (!is_v1).then_some(*symbols)),
            metadata,
            verbatim_v1: found.verbatim_v1,
            front_bytes_v1: found.front_bytes_v1,
            spelled_v1: None,
        }
    }

    fn read_v1(&mut self, message: Cursor<'a>) -> Result<Found<'a>, WireError> {
        const LABELS: u64 = key(1, BYTES);
        const SAMPLES: u64 = key(2, BYTES);
        const EXEMPLARS: u64 = key(3, BYTES);
        const HISTOGRAMS: u64 = key(4, BYTES);
        let Self { limits, tables, .. } = self;
        tables.clear();
        let mut has_custom_buckets = false;
        let mut rest = message;
        // Nearly every series begins with short labels and nothing odd about them.
        let mut ahead = rest;
        while let Some(label) = ahead.short_bytes(0x0a)
            && let Some((name, value)) = canonical_label(label)
            && tables.labels.len() < limits.labels_max
        {
            tables.labels.push(LabelSpans { name: name.span(), value: value.span() });
            rest = ahead;
        }
        // All of them, unless one follows.
        let mut front_bytes_v1 = message.rest().len() - rest.rest().len();
        while !rest.is_at_end() {
            match rest.key("timeseries")? {
                LABELS => {
                    const FIELD: &str = "timeseries.labels";
                    check_limit(&rest, FIELD, "labels", tables.labels.len(), limits.labels_max)?;
                    let (name, value) = read_label(rest.bytes(FIELD)?, FIELD)?;
                    tables.labels.push(LabelSpans { name: name.span(), value: value.span() });
                    front_bytes_v1 = 0;
                }
                SAMPLES => tables.push_sample(&mut rest, Version::V1, limits)?,
                EXEMPLARS => {
                    let message = tables.next_exemplar(&mut rest, limits)?;
                    read_exemplar(message, None)?;
                    tables.exemplars.push(message.span());
                }
                HISTOGRAMS => {
                    let histogram = tables.push_histogram(&mut rest, limits)?;
                    has_custom_buckets |= histogram.has_custom_buckets();
                }
                other => rest.other(other, "timeseries", &KNOWN_V1)?,
            }
        }
        let verbatim_v1 = (!has_custom_buckets).then_some(message.rest());
        Ok(Found { verbatim_v1, front_bytes_v1, ..Found::default() })
    }

    fn read_v2(&mut self, message: Cursor<'a>) -> Result<Found<'a>, WireError> {
        const SAMPLES: u64 = key(2, BYTES);
        const HISTOGRAMS: u64 = key(3, BYTES);
        const EXEMPLARS: u64 = key(4, BYTES);
        const METADATA: u64 = key(5, BYTES);
        const CREATED: u64 = key(6, VARINT);
        const REFERENCES: &str = "timeseries.labels_refs";
        let Self { limits, tables, symbols, .. } = self;
        tables.clear();
        let refs_max = limits.labels_max.saturating_mul(2);
        let mut found = Found::default();
        let mut metadata = MetadataRefs::default();
        let mut rest = message;
        while !rest.is_at_end() {
            match rest.key("timeseries")? {
                REFS => {
                    read_refs(rest.bytes(REFERENCES)?, REFERENCES, &mut tables.refs, refs_max)?;
                }
                REF => {
                    check_limit(&rest, REFERENCES, "references", tables.refs.len(), refs_max)?;
                    tables.refs.push(reference(rest.varint(REFERENCES)?));
                }
                SAMPLES => tables.push_sample(&mut rest, Version::V2, limits)?,
                HISTOGRAMS => {
                    tables.push_histogram(&mut rest, limits)?;
                }
                EXEMPLARS => tables.push_exemplar_v2(&mut rest, limits, *symbols)?,
                METADATA => {
                    metadata.read(rest.bytes("timeseries.metadata")?)?;
                    found.metadata = Some(metadata);
                }
                CREATED => {
                    let created = rest.varint("timeseries.created_timestamp")?;
                    found.created_ms = created.cast_signed();
                }
                other => rest.other(other, "timeseries", &KNOWN_V2)?,
            }
        }
        let n_symbols = symbols.spans.len();
        let problem = labels_problem(&tables.refs, n_symbols)
            .or_else(|| found.metadata.and_then(|metadata| metadata.problem(n_symbols)));
        if let Some(problem) = problem {
            let fault = RefFault::new(&tables.refs, problem);
            return Err(message.error("timeseries", WireErrorKind::Refs(Box::new(fault))));
        }
        if found.created_ms != 0 {
            for sample in tables.samples.iter_mut().filter(|s| s.start_timestamp_ms == 0) {
                sample.start_timestamp_ms = found.created_ms;
            }
        }
        Ok(found)
    }
}

const KNOWN_V1: [(u64, u8); 4] = [(1, BYTES), (2, BYTES), (3, BYTES), (4, BYTES)];
const KNOWN_V2: [(u64, u8); 6] =
    [(1, BYTES), (2, BYTES), (3, BYTES), (4, BYTES), (5, BYTES), (6, VARINT)];

/// What was found in a series beside what the tables hold.
#[derive(Clone, Copy, Debug, Default)]
struct Found<'a> {
    metadata: Option<MetadataRefs>,
    /// Field 6 of release candidates up to the third.
    created_ms: i64,
    verbatim_v1: Option<&'a [u8]>,
    front_bytes_v1: usize,
}

impl Tables {
    #[inline]
    fn push_sample(
        &mut self,
        rest: &mut Cursor<'_>,
        version: Version,
        limits: &Limits,
    ) -> Result<(), WireError> {
        const FIELD: &str = "timeseries.samples";
        check_limit(rest, FIELD, "samples", self.samples.len(), limits.points_max)?;
        self.samples.push(read_sample(rest.bytes(FIELD)?, version)?);
        Ok(())
    }

    fn push_histogram<'a>(
        &mut self,
        rest: &mut Cursor<'a>,
        limits: &Limits,
    ) -> Result<Histogram<'a>, WireError> {
        const FIELD: &str = "timeseries.histograms";
        check_limit(rest, FIELD, "histograms", self.histograms.len(), limits.points_max)?;
        let message = rest.bytes(FIELD)?;
        let histogram = Histogram::read(message)?;
        self.histograms.push(message.span());
        Ok(histogram)
    }

    fn next_exemplar<'a>(
        &mut self,
        rest: &mut Cursor<'a>,
        limits: &Limits,
    ) -> Result<Cursor<'a>, WireError> {
        const FIELD: &str = "timeseries.exemplars";
        let n = self.exemplars.len() + self.exemplar_faults.len();
        check_limit(rest, FIELD, "exemplars", n, limits.points_max)?;
        rest.bytes(FIELD)
    }

    fn push_exemplar_v2(
        &mut self,
        rest: &mut Cursor<'_>,
        limits: &Limits,
        symbols: Symbols<'_>,
    ) -> Result<(), WireError> {
        let message = self.next_exemplar(rest, limits)?;
        read_exemplar(message, Some(symbols))?;
        self.exemplar_refs.clear();
        self.exemplar_refs.extend(Refs::new(message));
        match labels_problem(&self.exemplar_refs, symbols.spans.len()) {
            None => self.exemplars.push(message.span()),
            Some(problem) => {
                self.exemplar_faults.push(RefFault::new(&self.exemplar_refs, problem));
            }
        }
        Ok(())
    }
}

const SAMPLE_VALUE: u64 = key(1, FIXED64);
const SAMPLE_TIMESTAMP: u64 = key(2, VARINT);
const SAMPLE_START: u64 = key(3, VARINT);

#[inline]
fn read_sample(message: Cursor<'_>, version: Version) -> Result<Sample, WireError> {
    match canonical_sample(message) {
        Some(sample) => Ok(sample),
        None => any_sample(message, version),
    }
}

/// A sample as most are: a value, a timestamp of up to eight bytes, nothing else.
#[inline]
fn canonical_sample(message: Cursor<'_>) -> Option<Sample> {
    let (value, rest) = message.rest().strip_prefix(&[0x09])?.split_first_chunk::<8>()?;
    let timestamp = short_varint(rest.strip_prefix(&[0x10])?)?;
    Some(Sample {
        value: f64::from_bits(u64::from_le_bytes(*value)),
        timestamp_ms: timestamp.cast_signed(),
        start_timestamp_ms: 0,
    })
}

fn any_sample(message: Cursor<'_>, version: Version) -> Result<Sample, WireError> {
    let mut message = message;
    let mut sample = Sample::default();
    while !message.is_at_end() {
        match message.key("timeseries.samples")? {
            SAMPLE_VALUE => sample.value = message.double("timeseries.samples.value")?,
            SAMPLE_TIMESTAMP => {
                let timestamp = message.varint("timeseries.samples.timestamp")?;
                sample.timestamp_ms = timestamp.cast_signed();
            }
            SAMPLE_START if version == Version::V2 => {
                let start = message.varint("timeseries.samples.start_timestamp")?;
                sample.start_timestamp_ms = start.cast_signed();
            }
            other => {
                let known = [(1, FIXED64), (2, VARINT), (3, VARINT)];
                let known = if version == Version::V2 { &known[..] } else { &known[..2] };
                message.other(other, "timeseries.samples", known)?;
            }
        }
    }
    Ok(sample)
}

fn labels_problem(refs: &[u32], n_symbols: usize) -> Option<RefProblem> {
    if !refs.len().is_multiple_of(2) {
        return Some(RefProblem::Odd(refs.len()));
    }
    let leads_nowhere = |reference: u32| reference as usize >= n_symbols;
    if !refs.iter().any(|&reference| leads_nowhere(reference)) {
        return None;
    }
    let (pairs, _) = refs.as_chunks::<2>();
    let bad = pairs.iter().find(|pair| pair.iter().any(|&reference| leads_nowhere(reference)));
    bad.map(|&[name, value]| RefProblem::Label { name, value, n_symbols })
}

/// A message `Metadata` of 2.0.
#[derive(Clone, Copy, Debug, Default)]
struct MetadataRefs {
    metric_type: MetricType,
    help: u32,
    unit: u32,
}

impl MetadataRefs {
    /// Read one occurrence; where there are several, later fields replace earlier ones.
    fn read(&mut self, message: Cursor<'_>) -> Result<(), WireError> {
        const TYPE: u64 = key(1, VARINT);
        const HELP: u64 = key(3, VARINT);
        const UNIT: u64 = key(4, VARINT);
        let mut message = message;
        while !message.is_at_end() {
            match message.key("timeseries.metadata")? {
                TYPE => {
                    self.metric_type = metric_type(message.varint("timeseries.metadata.type")?);
                }
                HELP => self.help = reference(message.varint("timeseries.metadata.help_ref")?),
                UNIT => self.unit = reference(message.varint("timeseries.metadata.unit_ref")?),
                other => {
                    let known = [(1, VARINT), (3, VARINT), (4, VARINT)];
                    message.other(other, "timeseries.metadata", &known)?;
                }
            }
        }
        Ok(())
    }

    fn problem(&self, n_symbols: usize) -> Option<RefProblem> {
        let refs = [("unit_ref", self.unit), ("help_ref", self.help)];
        let found = refs.into_iter().find(|(_, reference)| *reference as usize >= n_symbols);
        found.map(|(field, reference)| RefProblem::Metadata { field, reference, n_symbols })
    }
}

/// Read a message `MetricMetadata` of 1.0.
fn read_metadata_v1(message: Cursor<'_>) -> Result<MetricMetadata<'_>, WireError> {
    const TYPE: u64 = key(1, VARINT);
    const FAMILY: u64 = key(2, BYTES);
    const HELP: u64 = key(4, BYTES);
    const UNIT: u64 = key(5, BYTES);
    let mut message = message;
    let (mut family, mut metadata) = (&[][..], Metadata::default());
    while !message.is_at_end() {
        match message.key("metadata")? {
            TYPE => metadata.metric_type = metric_type(message.varint("metadata.type")?),
            FAMILY => family = message.bytes("metadata.metric_family_name")?.rest(),
            HELP => metadata.help = message.bytes("metadata.help")?.rest(),
            UNIT => metadata.unit = message.bytes("metadata.unit")?.rest(),
            other => {
                let known = [(1, VARINT), (2, BYTES), (4, BYTES), (5, BYTES)];
                message.other(other, "metadata", &known)?;
            }
        }
    }
    Ok(MetricMetadata { family, metadata })
}
