//! Series as 2.0.

use super::encode::{
    Lost, bytes_size, double_size, histogram_size, number_size, put_double, put_head,
    put_histogram, put_number, put_sample, put_varint, sample_size, varint_size,
};
use super::series::{Exemplar, Exemplars, Histograms, Series, SeriesMetadata, type_number};
use super::symbols::SymbolTable;
use crate::model::MetricType;

/// A request of 2.0 that is being written.
///
/// Symbols stand in front of the series that use them, so both grow apart and are put together by
/// [`V2Encoder::finish`].
#[derive(Clone, Debug, Default)]
pub struct V2Encoder {
    symbols: SymbolTable,
    series: Vec<u8>,
    n_series: usize,
    /// References of the labels of the series pushed last.
    refs: Vec<u32>,
    exemplar_refs: Vec<u32>,
}

impl V2Encoder {
    /// An encoder of an empty request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Add a series. Nothing is lost: 2.0 carries all there is.
    ///
    /// A series with both samples and histograms becomes two, as 2.0 asks for; the exemplars stay
    /// with the samples.
    pub fn push(&mut self, series: &Series<'_>) -> Lost {
        // Prometheus numbers the symbols in this order, too.
        let metadata = self.metadata(series);
        self.refer_to_labels(series);
        let has_samples = !series.samples.is_empty();
        let has_histograms = !series.histograms.is_empty();
        if has_samples && has_histograms {
            self.put(&Series { histograms: Histograms::default(), ..*series }, metadata);
            let rest = Series { samples: &[], exemplars: Exemplars::default(), ..*series };
            self.put(&rest, metadata);
        } else {
            self.put(series, metadata);
        }
        Lost::default()
    }

    /// How many series there are, counting one that was split as two.
    pub fn n_series(&self) -> usize {
        self.n_series
    }

    /// Bytes of the message as it is now.
    pub fn n_bytes(&self) -> usize {
        self.symbols.encoded().len() + self.series.len()
    }

    /// Write the request behind what `out` holds, and begin an empty one.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.reserve(self.n_bytes());
        out.extend_from_slice(self.symbols.encoded());
        out.extend_from_slice(&self.series);
        self.clear();
    }

    /// Forget what was pushed, and keep the memory.
    pub fn clear(&mut self) {
        self.symbols.clear();
        self.series.clear();
        self.refs.clear();
        self.n_series = 0;
    }

    /// Leave in `refs` the references of the labels of `series`.
    fn refer_to_labels(&mut self, series: &Series<'_>) {
        let Self { symbols, refs, .. } = self;
        if let Some((of, old)) = series.labels.refs() {
            refs.clear();
            refs.extend(old.iter().map(|&reference| symbols.number_of(of, reference)));
            return;
        }
        // Neighbours have the same names in the same places, and most values in common.
        let mut n_refs = 0;
        for (name, value) in &series.labels {
            for text in [name, value] {
                let guess = refs.get(n_refs).copied().unwrap_or_default();
                let number = symbols.number_near(text, guess);
                match refs.get_mut(n_refs) {
                    Some(reference) => *reference = number,
                    None => refs.push(number),
                }
                n_refs += 1;
            }
        }
        refs.truncate(n_refs);
    }

    fn metadata(&mut self, series: &Series<'_>) -> MetadataRefs {
        match series.metadata {
            SeriesMetadata::Texts(metadata) => MetadataRefs {
                metric_type: metadata.metric_type,
                help: self.symbols.number(metadata.help),
                unit: self.symbols.number(metadata.unit),
            },
            SeriesMetadata::Refs { symbols, metric_type, help, unit } => MetadataRefs {
                metric_type,
                help: self.symbols.number_of(symbols, help),
                unit: self.symbols.number_of(symbols, unit),
            },
        }
    }

    fn put(&mut self, series: &Series<'_>, metadata: MetadataRefs) {
        self.n_series += 1;
        self.refer_to_exemplars(series);
        let refs_size = refs_size(&self.refs);
        let samples =
            series.samples.iter().map(|s| bytes_size(sample_size(s, s.start_timestamp_ms)));
        let histograms = series.histograms.iter().map(|h| bytes_size(histogram_size(&h)));
        let size = some_bytes_size(refs_size)
            + samples.sum::<usize>()
            + histograms.sum::<usize>()
            + self.exemplars_size(series)
            + bytes_size(metadata.size());
        let out = &mut self.series;
        put_head(out, 5, size);
        put_refs(out, &self.refs, refs_size);
        for sample in series.samples {
            put_sample(out, sample, sample.start_timestamp_ms);
        }
        for histogram in series.histograms.iter() {
            put_histogram(out, 3, &histogram);
        }
        let mut exemplar_refs = &self.exemplar_refs[..];
        for exemplar in series.exemplars.iter() {
            let (refs, rest) = next_refs(exemplar_refs);
            exemplar_refs = rest;
            let refs_size = self::refs_size(refs);
            put_head(out, 4, exemplar_size(&exemplar, refs_size));
            put_refs(out, refs, refs_size);
            put_double(out, 2, exemplar.value);
            put_number(out, 3, exemplar.timestamp_ms.cast_unsigned());
        }
        // Prometheus writes this one also where it is empty.
        put_head(out, 5, metadata.size());
        put_number(out, 1, type_number(metadata.metric_type));
        put_number(out, 3, u64::from(metadata.help));
        put_number(out, 4, u64::from(metadata.unit));
    }

    /// Leave in `exemplar_refs`, for each exemplar, how many references it has, and these.
    fn refer_to_exemplars(&mut self, series: &Series<'_>) {
        let Self { symbols, exemplar_refs, .. } = self;
        exemplar_refs.clear();
        for exemplar in series.exemplars.iter() {
            let at = exemplar_refs.len();
            exemplar_refs.push(0);
            for (name, value) in &exemplar.labels {
                exemplar_refs.push(symbols.number(name));
                exemplar_refs.push(symbols.number(value));
            }
            let n_refs = u32::try_from(exemplar_refs.len() - at - 1).unwrap_or(u32::MAX);
            if let Some(first) = exemplar_refs.get_mut(at) {
                *first = n_refs;
            }
        }
    }

    fn exemplars_size(&self, series: &Series<'_>) -> usize {
        let mut refs = &self.exemplar_refs[..];
        let sizes = series.exemplars.iter().map(|exemplar| {
            let (of_this, rest) = next_refs(refs);
            refs = rest;
            bytes_size(exemplar_size(&exemplar, refs_size(of_this)))
        });
        sizes.sum()
    }
}

/// The references of the next exemplar, and what is behind them.
fn next_refs(refs: &[u32]) -> (&[u32], &[u32]) {
    let Some((&n, rest)) = refs.split_first() else { return (&[], &[]) };
    rest.split_at_checked(n as usize).unwrap_or((rest, &[]))
}

fn refs_size(refs: &[u32]) -> usize {
    refs.iter().map(|&reference| varint_size(u64::from(reference))).sum()
}

fn put_refs(out: &mut Vec<u8>, refs: &[u32], size: usize) {
    if size > 0 {
        put_head(out, 1, size);
        for &reference in refs {
            put_varint(out, u64::from(reference));
        }
    }
}

/// Size of a field that is left out where it is empty.
fn some_bytes_size(n_bytes: usize) -> usize {
    if n_bytes == 0 { 0 } else { bytes_size(n_bytes) }
}

fn exemplar_size(exemplar: &Exemplar<'_>, refs_size: usize) -> usize {
    some_bytes_size(refs_size)
        + double_size(exemplar.value)
        + number_size(exemplar.timestamp_ms.cast_unsigned())
}

/// Metadata in the symbols of the request that is written.
#[derive(Clone, Copy, Debug)]
struct MetadataRefs {
    metric_type: MetricType,
    help: u32,
    unit: u32,
}

impl MetadataRefs {
    fn size(self) -> usize {
        number_size(type_number(self.metric_type))
            + number_size(u64::from(self.help))
            + number_size(u64::from(self.unit))
    }
}
