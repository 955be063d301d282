//! Messages that own what they hold, to be compared and generated.

use weir::model::MetricType;
use weir::wire::{
    BucketSpan, Buckets, Count, Decoder, Exemplar, Histogram, Labels, Limits, Metadata,
    MetricMetadata, ResetHint, Sample, Series, V2Encoder, Version, WireError, put_metadata_v1,
    put_series_v1,
};

pub(crate) type OwnedLabels = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnedMessage {
    pub(crate) series: Vec<OwnedSeries>,
    pub(crate) metadata: Vec<(Vec<u8>, OwnedMetadata)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnedSeries {
    pub(crate) labels: OwnedLabels,
    pub(crate) samples: Vec<Sample>,
    pub(crate) histograms: Vec<OwnedHistogram>,
    pub(crate) exemplars: Vec<OwnedExemplar>,
    pub(crate) metadata: OwnedMetadata,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnedMetadata {
    pub(crate) metric_type: MetricType,
    pub(crate) help: Vec<u8>,
    pub(crate) unit: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnedExemplar {
    pub(crate) labels: OwnedLabels,
    /// Bits, as all doubles here.
    pub(crate) value: u64,
    pub(crate) timestamp_ms: i64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnedBuckets {
    pub(crate) spans: Vec<BucketSpan>,
    pub(crate) deltas: Vec<i64>,
    pub(crate) counts: Vec<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnedHistogram {
    pub(crate) count: Option<Count>,
    pub(crate) sum: u64,
    pub(crate) schema: i32,
    pub(crate) zero_threshold: u64,
    pub(crate) zero_count: Option<Count>,
    pub(crate) negative: OwnedBuckets,
    pub(crate) positive: OwnedBuckets,
    pub(crate) reset_hint: ResetHint,
    pub(crate) timestamp_ms: i64,
    pub(crate) custom_values: Vec<u64>,
    pub(crate) start_timestamp_ms: i64,
}

impl OwnedMessage {
    /// What the walk makes of a body. Series that are refused alone are left out.
    pub(crate) fn decode(version: Version, body: &[u8]) -> Result<Self, WireError> {
        let mut decoder = Decoder::new(Limits::default());
        let mut request = decoder.open(version, body)?;
        let n_series = request.n_series();
        let metadata = request
            .metadata()
            .map(|metric| (metric.family.to_vec(), OwnedMetadata::of(&metric.metadata)));
        let metadata = metadata.collect();
        let mut series = Vec::new();
        let mut n_walked = 0;
        loop {
            match request.next_series() {
                Ok(Some(found)) => series.push(OwnedSeries::of(&found)),
                Ok(None) => break,
                Err(error) if error.is_of_one_series() => {}
                Err(error) => return Err(error),
            }
            n_walked += 1;
        }
        assert_eq!(n_walked, n_series);
        Ok(Self { series, metadata })
    }

    pub(crate) fn encode(&self, version: Version) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = V2Encoder::new();
        for series in &self.series {
            series.borrow(|series| match version {
                Version::V1 => put_series_v1(&mut out, series),
                Version::V2 => encoder.push(series),
            });
        }
        match version {
            Version::V1 => {
                for (family, metadata) in &self.metadata {
                    let metadata = metadata.borrow();
                    put_metadata_v1(&mut out, &MetricMetadata { family, metadata });
                }
            }
            Version::V2 => encoder.finish(&mut out),
        }
        out
    }
}

fn borrow_labels(labels: &OwnedLabels) -> Vec<(&[u8], &[u8])> {
    labels.iter().map(|(name, value)| (&name[..], &value[..])).collect()
}

fn own_labels(labels: Labels<'_>) -> OwnedLabels {
    let owned: OwnedLabels = labels.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
    assert_eq!(labels.len(), owned.len());
    assert_eq!(labels.is_empty(), owned.is_empty());
    for (name, _) in &owned {
        let first = owned.iter().find(|(other, _)| other == name);
        assert_eq!(labels.get(name), first.unwrap().1);
    }
    owned
}

fn doubles(bits: &[u64]) -> Vec<f64> {
    bits.iter().map(|&bits| f64::from_bits(bits)).collect()
}

impl OwnedSeries {
    pub(crate) fn of(series: &Series<'_>) -> Self {
        assert_eq!(series.histograms().len(), series.histograms().iter().count());
        assert_eq!(series.exemplars().len(), series.exemplars().iter().count());
        let exemplar = |exemplar: Exemplar<'_>| OwnedExemplar {
            labels: own_labels(exemplar.labels),
            value: exemplar.value.to_bits(),
            timestamp_ms: exemplar.timestamp_ms,
        };
        Self {
            labels: own_labels(series.labels()),
            samples: series.samples().to_vec(),
            histograms: series.histograms().iter().map(|h| OwnedHistogram::of(&h)).collect(),
            exemplars: series.exemplars().iter().map(exemplar).collect(),
            metadata: OwnedMetadata::of(&series.metadata()),
        }
    }

    pub(crate) fn borrow<R>(&self, look: impl FnOnce(&Series<'_>) -> R) -> R {
        let labels = borrow_labels(&self.labels);
        let texts: Vec<_> = self.exemplars.iter().map(|e| borrow_labels(&e.labels)).collect();
        let exemplars: Vec<_> = self
            .exemplars
            .iter()
            .zip(&texts)
            .map(|(exemplar, labels)| Exemplar {
                labels: Labels::of_pairs(labels),
                value: f64::from_bits(exemplar.value),
                timestamp_ms: exemplar.timestamp_ms,
            })
            .collect();
        let numbers: Vec<_> = self.histograms.iter().map(OwnedHistogram::doubles).collect();
        let histograms: Vec<_> =
            self.histograms.iter().zip(&numbers).map(|(h, numbers)| h.borrow(numbers)).collect();
        let series = Series::new(Labels::of_pairs(&labels))
            .with_samples(&self.samples)
            .with_histograms(&histograms)
            .with_exemplars(&exemplars)
            .with_metadata(self.metadata.borrow());
        look(&series)
    }
}

impl OwnedMetadata {
    pub(crate) fn of(metadata: &Metadata<'_>) -> Self {
        let Metadata { metric_type, help, unit } = *metadata;
        Self { metric_type, help: help.to_vec(), unit: unit.to_vec() }
    }

    fn borrow(&self) -> Metadata<'_> {
        Metadata { metric_type: self.metric_type, help: &self.help, unit: &self.unit }
    }
}

impl OwnedBuckets {
    fn of(buckets: &Buckets<'_>) -> Self {
        Self {
            spans: buckets.spans.iter().collect(),
            deltas: buckets.deltas.iter().collect(),
            counts: buckets.counts.iter().map(f64::to_bits).collect(),
        }
    }

    fn borrow<'a>(&'a self, counts: &'a [f64]) -> Buckets<'a> {
        Buckets {
            spans: self.spans[..].into(),
            deltas: self.deltas[..].into(),
            counts: counts.into(),
        }
    }
}

impl OwnedHistogram {
    pub(crate) fn of(histogram: &Histogram<'_>) -> Self {
        Self {
            count: histogram.count,
            sum: histogram.sum.to_bits(),
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold.to_bits(),
            zero_count: histogram.zero_count,
            negative: OwnedBuckets::of(&histogram.negative),
            positive: OwnedBuckets::of(&histogram.positive),
            reset_hint: histogram.reset_hint,
            timestamp_ms: histogram.timestamp_ms,
            custom_values: histogram.custom_values.iter().map(f64::to_bits).collect(),
            start_timestamp_ms: histogram.start_timestamp_ms,
        }
    }

    fn doubles(&self) -> [Vec<f64>; 3] {
        [&self.negative.counts, &self.positive.counts, &self.custom_values].map(|v| doubles(v))
    }

    fn borrow<'a>(&'a self, [negative, positive, custom]: &'a [Vec<f64>; 3]) -> Histogram<'a> {
        Histogram {
            count: self.count,
            sum: f64::from_bits(self.sum),
            schema: self.schema,
            zero_threshold: f64::from_bits(self.zero_threshold),
            zero_count: self.zero_count,
            negative: self.negative.borrow(negative),
            positive: self.positive.borrow(positive),
            reset_hint: self.reset_hint,
            timestamp_ms: self.timestamp_ms,
            custom_values: custom[..].into(),
            start_timestamp_ms: self.start_timestamp_ms,
        }
    }
}
