//! Series as 1.0.

use super::encode::{
    Lost, bytes_size, double_size, histogram_size, number_size, put_bytes, put_double, put_head,
    put_histogram, put_number, put_sample, sample_size,
};
use super::histogram::Histogram;
use super::labels::Labels;
use super::series::{Exemplar, MetricMetadata, Series, type_number};

/// Write one series of a request of 1.0 behind those `out` holds.
///
/// A series that came in as 1.0 and was not changed is copied as it is. Otherwise histograms with
/// custom buckets are left out, as 1.0 knows none; so is a series of which nothing is left then.
/// Start timestamps have no place. Both are counted in what is returned. Metadata of the series is
/// left out and not counted: 1.0 has it beside the series ([`put_metadata_v1`]).
pub fn put_series_v1(out: &mut Vec<u8>, series: &Series<'_>) -> Lost {
    if let Some(verbatim) = series.verbatim_v1 {
        put_bytes(out, 1, verbatim);
        return Lost::default();
    }
    if let Some((labels, rest)) = series.spelled_v1 {
        put_head(out, 1, labels.len() + rest.len());
        out.extend_from_slice(labels);
        out.extend_from_slice(rest);
        return Lost::default();
    }
    let mut lost = Lost {
        n_start_timestamps: series.samples.iter().filter(|s| s.start_timestamp_ms != 0).count(),
        ..Lost::default()
    };
    let mut n_histograms_kept = 0;
    for histogram in series.histograms.iter() {
        let is_lost = histogram.has_custom_buckets();
        lost.n_custom_bucket_histograms += usize::from(is_lost);
        lost.n_start_timestamps += usize::from(!is_lost && histogram.start_timestamp_ms != 0);
        n_histograms_kept += usize::from(!is_lost);
    }
    let is_empty = series.samples.is_empty() && n_histograms_kept == 0;
    if is_empty && lost.n_custom_bucket_histograms > 0 {
        lost.n_exemplars = series.exemplars.len();
        return lost;
    }
    put_head(out, 1, series_size(series));
    for (name, value) in &series.labels {
        put_label(out, name, value);
    }
    for sample in series.samples {
        put_sample(out, sample, 0);
    }
    for exemplar in series.exemplars.iter() {
        put_exemplar(out, &exemplar);
    }
    for histogram in carried(series) {
        put_histogram(out, 4, &histogram);
    }
    lost
}

/// Write one label of a series of 1.0, in the fewest bytes.
pub fn put_label_v1(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_label(out, name, value);
}

/// Write metadata of a request of 1.0; Prometheus has it behind the series.
pub fn put_metadata_v1(out: &mut Vec<u8>, metric: &MetricMetadata<'_>) {
    let number = type_number(metric.metadata.metric_type);
    let texts = [(2, metric.family), (4, metric.metadata.help), (5, metric.metadata.unit)];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let size: usize = texts.clone().map(|(_, text)| bytes_size(text.len())).sum();
    put_head(out, 3, number_size(number) + size);
    put_number(out, 1, number);
    for (field, text) in texts {
        put_bytes(out, field, text);
    }
}

/// Its histograms, as far as 1.0 can carry them.
fn carried<'a>(series: &Series<'a>) -> impl Iterator<Item = Histogram<'a>> + use<'a> {
    let all = series.histograms.iter().filter(|histogram| !histogram.has_custom_buckets());
    all.map(|histogram| Histogram { start_timestamp_ms: 0, ..histogram })
}

fn series_size(series: &Series<'_>) -> usize {
    let samples = series.samples.iter().map(|sample| bytes_size(sample_size(sample, 0)));
    let exemplars = series.exemplars.iter().map(|exemplar| bytes_size(exemplar_size(&exemplar)));
    let histograms = carried(series).map(|histogram| bytes_size(histogram_size(&histogram)));
    labels_size(series.labels)
        + samples.sum::<usize>()
        + exemplars.sum::<usize>()
        + histograms.sum::<usize>()
}

pub(super) fn labels_size(labels: Labels<'_>) -> usize {
    labels.iter().map(|(name, value)| bytes_size(label_size(name, value))).sum()
}

/// Size of the inside of a label. A value that is empty is left out.
#[inline]
fn label_size(name: &[u8], value: &[u8]) -> usize {
    let size = |text: &[u8]| if text.is_empty() { 0 } else { bytes_size(text.len()) };
    size(name) + size(value)
}

#[inline]
fn put_label(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put_head(out, 1, label_size(name, value));
    if !name.is_empty() {
        put_bytes(out, 1, name);
    }
    if !value.is_empty() {
        put_bytes(out, 2, value);
    }
}

fn exemplar_size(exemplar: &Exemplar<'_>) -> usize {
    labels_size(exemplar.labels)
        + double_size(exemplar.value)
        + number_size(exemplar.timestamp_ms.cast_unsigned())
}

fn put_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar<'_>) {
    put_head(out, 3, exemplar_size(exemplar));
    for (name, value) in &exemplar.labels {
        put_label(out, name, value);
    }
    put_double(out, 2, exemplar.value);
    put_number(out, 3, exemplar.timestamp_ms.cast_unsigned());
}
