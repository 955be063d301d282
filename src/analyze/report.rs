//! What was found, in order, and as text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

use crate::analyze::savings::{HashKey, Hashes, Savings};
use crate::analyze::tally::{Column, Metric, Tally};
use crate::model::MetricType;

/// A label with at most this many values has them listed.
const LISTED_MAX: usize = 5;

/// What an exposition is made of.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sums over all metrics.
    pub totals: Totals,
    /// The metrics, those with the most samples first.
    pub metrics: Vec<MetricReport>,
    /// The labels over all metrics, those without which the fewest series would remain first.
    pub labels: Vec<LabelReport>,
    /// What the rules would leave, if there are rules.
    pub preview: Option<PreviewReport>,
}

/// Sums over all metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Samples, that is lines.
    pub n_samples: usize,
    /// Different series, if they were counted.
    pub n_series: Option<usize>,
    /// Metrics.
    pub n_metrics: usize,
    /// Label names.
    pub n_labels: usize,
}

/// One metric.
#[derive(Clone, Debug, Default)]
pub struct MetricReport {
    /// The name, as samples have it.
    pub name: String,
    /// Its type, if TYPE says one.
    pub metric_type: Option<MetricType>,
    /// Its help, if there is one; escapes as written.
    pub help: Option<String>,
    /// Samples.
    pub n_samples: usize,
    /// Different series, if they were counted.
    pub n_series: Option<usize>,
    /// Its labels, those with the most values first.
    pub labels: Vec<LabelReport>,
}

/// A label of a metric, or of all.
#[derive(Clone, Debug, Default)]
pub struct LabelReport {
    /// The name.
    pub name: String,
    /// How many different values it has.
    pub n_values: usize,
    /// The values, sorted and as they are, if they are few.
    pub values: Vec<String>,
    /// How many series would remain without it, if they were counted.
    pub n_series_without: Option<usize>,
}

/// What rules would leave of the same exposition.
#[derive(Clone, Debug, Default)]
pub struct PreviewReport {
    /// Samples the rules drop.
    pub n_dropped: usize,
    /// Samples of which the rules remove the metric name, and which keep it, as in the gate.
    pub n_nameless: usize,
    /// What is left; each series counts once, however many were merged into it.
    pub report: Box<Report>,
    /// Gauges of which the rules merge series, and into how many fewer: sums of gauges seldom mean
    /// anything.
    pub merged_gauges: Vec<(String, usize)>,
}

impl Report {
    pub(super) fn new(tally: &Tally, families: &Families, key: HashKey) -> Self {
        let hashes = tally.has_rows().then(|| Hashes::new(tally, key));
        let savings: Option<Vec<Savings>> = hashes
            .map(|hashes| tally.metrics.iter().map(|metric| hashes.savings(metric)).collect());
        let n_series = savings.as_ref().map(|all| all.iter().map(|s| s.n_series).sum());
        let totals = Totals {
            n_samples: tally.n_samples,
            n_series,
            n_metrics: tally.metrics.len(),
            n_labels: tally.labels.len(),
        };
        let mut metrics: Vec<_> = tally
            .metric_names
            .iter()
            .zip(&tally.metrics)
            .enumerate()
            .map(|(at, (name, metric))| {
                let savings = savings.as_ref().map(|all| &all[at]);
                MetricReport::new(name, metric, tally, families, savings)
            })
            .collect();
        metrics.sort_by(|a, b| b.n_samples.cmp(&a.n_samples).then_with(|| a.name.cmp(&b.name)));
        let labels = labels_of_all(tally, savings.as_deref());
        Self { totals, metrics, labels, preview: None }
    }

    /// Write the report as metric-gate does: series by metric, values by label.
    ///
    /// # Errors
    ///
    /// When `out` fails.
    pub fn write_text(&self, out: &mut impl io::Write) -> io::Result<()> {
        for metric in &self.metrics {
            writeln!(out, "\n{} {}", metric.n_samples, escaped(&metric.name))?;
            for label in &metric.labels {
                write!(out, "  {} {}", label.n_values, escaped(&label.name))?;
                if label.n_values <= LISTED_MAX {
                    let values: Vec<_> = label.values.iter().map(|value| escaped(value)).collect();
                    write!(out, " [{}]", values.join(", "))?;
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }
}

impl MetricReport {
    fn new(
        name: &[u8],
        metric: &Metric,
        tally: &Tally,
        families: &Families,
        savings: Option<&Savings>,
    ) -> Self {
        let mut labels: Vec<_> = metric
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| LabelReport {
                n_series_without: savings.map(|savings| savings.n_series_without[at]),
                ..LabelReport::of_column(column, tally)
            })
            .collect();
        labels.sort_by(|a, b| b.n_values.cmp(&a.n_values).then_with(|| a.name.cmp(&b.name)));
        let family = families.of_sample(name);
        Self {
            name: lossy(name),
            metric_type: family.and_then(|family| family.metric_type),
            help: family.and_then(|family| family.help.clone()),
            n_samples: metric.n_samples,
            n_series: savings.map(|savings| savings.n_series),
            labels,
        }
    }
}

impl LabelReport {
    fn of_column(column: &Column, tally: &Tally) -> Self {
        let n_values = column.values.len();
        let texts = &tally.labels[column.label as usize].values;
        let mut values: Vec<&[u8]> = Vec::new();
        if n_values <= LISTED_MAX {
            values.extend(column.values.iter().map(|value| texts.get(value)));
            values.sort_unstable();
        }
        Self {
            name: lossy(tally.label_names.get(column.label)),
            n_values,
            values: values.into_iter().map(lossy).collect(),
            n_series_without: None,
        }
    }
}

/// Each label in all metrics.
fn labels_of_all(tally: &Tally, savings: Option<&[Savings]>) -> Vec<LabelReport> {
    let n_series: usize = savings.unwrap_or_default().iter().map(|s| s.n_series).sum();
    let mut without = vec![n_series; tally.labels.len()];
    for (metric, savings) in tally.metrics.iter().zip(savings.unwrap_or_default()) {
        for (column, n_without) in metric.columns.iter().zip(&savings.n_series_without) {
            without[column.label as usize] -= savings.n_series - n_without;
        }
    }
    let names = tally.label_names.iter().zip(&tally.labels).zip(without);
    let mut labels: Vec<_> = names
        .map(|((name, label), n_without)| {
            let mut values: Vec<&[u8]> = Vec::new();
            if label.values.len() <= LISTED_MAX {
                values.extend(label.values.iter());
                values.sort_unstable();
            }
            LabelReport {
                name: lossy(name),
                n_values: label.values.len(),
                values: values.into_iter().map(lossy).collect(),
                n_series_without: savings.map(|_| n_without),
            }
        })
        .collect();
    labels.sort_by(|a, b| {
        let by_size = a.n_series_without.cmp(&b.n_series_without);
        by_size.then(b.n_values.cmp(&a.n_values)).then_with(|| a.name.cmp(&b.name))
    });
    labels
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Text on one line, escaped as in an exposition.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return text.into();
    }
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n").into()
}

/// What TYPE and HELP say, by family.
#[derive(Debug, Default)]
pub(super) struct Families(HashMap<Box<[u8]>, Family>);

/// What is known of a family.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) metric_type: Option<MetricType>,
    help: Option<String>,
}

/// What samples of a family may have behind its name.
const SUFFIXES: [&[u8]; 6] = [b"_bucket", b"_sum", b"_count", b"_total", b"_created", b"_info"];

impl Families {
    pub(super) fn help(&mut self, name: &[u8], text: &[u8]) {
        let family = self.family(name);
        family.help.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
    }

    pub(super) fn metric_type(&mut self, name: &[u8], metric_type: MetricType) {
        self.family(name).metric_type.get_or_insert(metric_type);
    }

    fn family(&mut self, name: &[u8]) -> &mut Family {
        self.0.entry(name.into()).or_default()
    }

    pub(super) fn append(&mut self, other: Self) {
        for (name, new) in other.0 {
            let family = self.0.entry(name).or_default();
            family.metric_type = family.metric_type.or(new.metric_type);
            family.help = family.help.take().or(new.help);
        }
    }

    /// The family a sample of this name belongs to.
    pub(super) fn of_sample(&self, name: &[u8]) -> Option<&Family> {
        let of_suffix = |suffix: &&[u8]| self.0.get(name.strip_suffix(*suffix)?);
        self.0.get(name).or_else(|| SUFFIXES.iter().find_map(of_suffix))
    }
}
