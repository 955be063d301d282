//! What is known of families, for the version that sends it in another place.

use super::writer::metric_name;
use crate::model::MetricType;
use crate::wire::Metadata;
use crate::wire::MetricMetadata;
use crate::wire::Series;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Families that are remembered; others are sent without metadata.
const FAMILIES_MAX: usize = 100_000;
/// Bytes of help and unit that are remembered of a family.
const TEXT_BYTES_MAX: usize = 4096;
/// What names of series have that the family has not.
const SUFFIXES: [&[u8]; 4] = [b"_total", b"_bucket", b"_count", b"_sum"];

/// Metadata of a family.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Known {
    metric_type: MetricType,
    help: Vec<u8>,
    unit: Vec<u8>,
}

impl Known {
    pub(super) fn borrow(&self) -> Metadata<'_> {
        Metadata { metric_type: self.metric_type, help: &self.help, unit: &self.unit }
    }

    fn new(metadata: &Metadata<'_>) -> Self {
        let cut = |text: &[u8]| text.get(..TEXT_BYTES_MAX).unwrap_or(text).to_vec();
        let Metadata { metric_type, help, unit } = *metadata;
        Self { metric_type, help: cut(help), unit: cut(unit) }
    }
}

/// Metadata by the name of the family, and when it was last sent.
#[derive(Debug)]
pub(super) struct Book {
    families: HashMap<Vec<u8>, Known>,
    /// Families that are new or came with other metadata since [`Book::take_due`].
    due: Vec<Vec<u8>>,
    /// When all were sent last, and how often they are to be.
    all_sent: Instant,
    interval: Duration,
}

impl Book {
    /// Nothing known yet; all of it is due each `interval`.
    pub(super) fn new(interval: Duration) -> Self {
        Self { families: HashMap::new(), due: Vec::new(), all_sent: Instant::now(), interval }
    }

    /// Remember what a request said of a family.
    pub(super) fn learn(&mut self, metric: &MetricMetadata<'_>) {
        self.note(metric.family, &metric.metadata);
    }

    /// Remember what a series says of its family.
    pub(super) fn learn_from(&mut self, series: &Series<'_>) {
        let metadata = series.metadata();
        if metadata == Metadata::default() {
            return;
        }
        let name = metric_name(series.labels());
        self.note(family_of(name, metadata.metric_type), &metadata);
    }

    fn note(&mut self, family: &[u8], metadata: &Metadata<'_>) {
        if let Some(known) = self.families.get_mut(family) {
            if known.borrow() != *metadata && *known != Known::new(metadata) {
                *known = Known::new(metadata);
                self.due.push(family.to_vec());
            }
        } else if self.families.len() < FAMILIES_MAX && !family.is_empty() {
            self.families.insert(family.to_vec(), Known::new(metadata));
            self.due.push(family.to_vec());
        }
    }

    /// What is known of the family of a series.
    pub(super) fn of(&self, name: &[u8]) -> Option<Known> {
        if self.families.is_empty() {
            return None;
        }
        if let Some(known) = self.families.get(name) {
            return Some(known.clone());
        }
        let family = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(*suffix))?;
        self.families.get(family).cloned()
    }

    /// Metadata to be sent beside the series of 1.0: what is new, or all of it if it is time.
    pub(super) fn take_due(&mut self) -> Vec<(Vec<u8>, Known)> {
        let due = std::mem::take(&mut self.due);
        if self.all_sent.elapsed() >= self.interval {
            self.all_sent = Instant::now();
            let all = self.families.iter();
            return all.map(|(family, known)| (family.clone(), known.clone())).collect();
        }
        let found = due.into_iter().filter_map(|family| {
            let known = self.families.get(&family)?.clone();
            Some((family, known))
        });
        found.collect()
    }
}

/// The family a series of this type belongs to.
fn family_of(name: &[u8], metric_type: MetricType) -> &[u8] {
    let suffixes: &[&[u8]] = match metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => &[b"_bucket", b"_count", b"_sum"],
        MetricType::Summary => &[b"_count", b"_sum"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn families_are_found_by_the_names_of_their_series() {
        let mut book = Book::new(Duration::from_mins(1));
        let metadata =
            Metadata { metric_type: MetricType::Histogram, help: b"Durations", unit: b"" };
        book.learn(&MetricMetadata { family: b"took", metadata });
        for name in ["took", "took_bucket", "took_sum", "took_count"] {
            assert_eq!(book.of(name.as_bytes()).unwrap().borrow(), metadata);
        }
        assert_eq!(book.of(b"other"), None);
        assert_eq!(book.take_due().len(), 1);
        assert_eq!(book.take_due().len(), 0);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(book.take_due().len(), 1);
    }

    #[tokio::test]
    async fn series_of_a_histogram_name_their_family() {
        let mut book = Book::new(Duration::from_mins(1));
        let metadata = Metadata { metric_type: MetricType::Histogram, help: b"h", unit: b"" };
        let labels: [(&[u8], &[u8]); 1] = [(b"__name__", b"took_bucket")];
        let series = Series::new(crate::wire::Labels::of_pairs(&labels)).with_metadata(metadata);
        book.learn_from(&series);
        assert_eq!(book.take_due()[0].0, b"took");
    }
}
