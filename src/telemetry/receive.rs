//! What is counted of remote write that comes in.

use crate::telemetry::metrics::add;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Name and help of each metric.
pub mod names {
    /// Requests.
    pub const REQUESTS: (&str, &str) =
        ("weir_receive_requests_total", "Remote-write requests taken, by version");
    /// Samples.
    pub const SAMPLES: (&str, &str) =
        ("weir_receive_samples_total", "Float samples accepted from remote write");
    /// Histograms.
    pub const HISTOGRAMS: (&str, &str) =
        ("weir_receive_histograms_total", "Native histograms accepted from remote write");
    /// Exemplars.
    pub const EXEMPLARS: (&str, &str) =
        ("weir_receive_exemplars_total", "Exemplars accepted from remote write");
    /// Requests refused.
    pub const REFUSED_REQUESTS: (&str, &str) = (
        "weir_receive_refused_requests_total",
        "Remote-write requests of which nothing was taken, by reason",
    );
    /// Parts refused.
    pub const REFUSED_SERIES: (&str, &str) = (
        "weir_receive_refused_series_total",
        "Series, or histograms or exemplars of one, that were refused, by reason",
    );
    /// What goes on.
    pub const FORWARDED: (&str, &str) = (
        "weir_receive_forwarded_samples_total",
        "Samples and histograms handed on to a destination behind its rules",
    );
    /// Samples that were aggregated.
    pub const AGGREGATED: (&str, &str) = (
        "weir_aggregate_samples_total",
        "Samples of pushed series a rule of aggregation met, by what became of them",
    );
    /// Input series.
    pub const AGGREGATE_SERIES: (&str, &str) =
        ("weir_aggregate_series", "Pushed series a rule of aggregation knows now");
    /// Groups.
    pub const AGGREGATE_GROUPS: (&str, &str) =
        ("weir_aggregate_groups", "Groups of a rule of aggregation now");
    /// What could not be queued.
    pub const AGGREGATE_LOST: (&str, &str) = (
        "weir_aggregate_lost_samples_total",
        "Samples that aggregation made and that a queue could not take",
    );
    /// What rules dropped.
    pub const DROPPED: (&str, &str) = (
        "weir_receive_dropped_samples_total",
        "Samples and histograms dropped on the way to a destination: by the rule of this number, \
         metric_relabel_configs before write_relabel_configs, or as rules took their name",
    );
}

/// Every reason for refusing a whole request.
pub const REFUSALS: [&str; 15] = [
    "body_broken",
    "body_bytes",
    "content_type",
    "decoded_bytes",
    "disk",
    "draining",
    "fault",
    "in_flight_bytes",
    "other_version",
    "protobuf",
    "queue_full",
    "read_time",
    "record_bytes",
    "snappy",
    "too_many",
];

type Labels = Vec<(&'static str, String)>;

/// Counters of what comes in. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ReceiveMetrics {
    requests: Family<Labels, Counter>,
    samples: Counter,
    histograms: Counter,
    exemplars: Counter,
    refused_requests: Family<Labels, Counter>,
    refused_series: Family<Labels, Counter>,
    forwarded: Family<Labels, Counter>,
    dropped: Family<Labels, Counter>,
    aggregated: Family<Labels, Counter>,
    aggregate_series: Family<Labels, Gauge>,
    aggregate_groups: Family<Labels, Gauge>,
    aggregate_lost: Counter,
}

/// Points of a request: samples, histograms, exemplars.
pub type PointCounts = [u64; 3];

impl ReceiveMetrics {
    /// All at zero, to be written with all that is in `registry`.
    pub fn registered(registry: &mut Registry) -> Self {
        let r = registry;
        Self {
            requests: add(r, names::REQUESTS, Family::default()),
            samples: add(r, names::SAMPLES, Counter::default()),
            histograms: add(r, names::HISTOGRAMS, Counter::default()),
            exemplars: add(r, names::EXEMPLARS, Counter::default()),
            refused_requests: add(r, names::REFUSED_REQUESTS, Family::default()),
            refused_series: add(r, names::REFUSED_SERIES, Family::default()),
            forwarded: add(r, names::FORWARDED, Family::default()),
            dropped: add(r, names::DROPPED, Family::default()),
            aggregated: add(r, names::AGGREGATED, Family::default()),
            aggregate_series: add(r, names::AGGREGATE_SERIES, Family::default()),
            aggregate_groups: add(r, names::AGGREGATE_GROUPS, Family::default()),
            aggregate_lost: add(r, names::AGGREGATE_LOST, Counter::default()),
        }
    }

    /// Make what can be refused visible before it is.
    pub fn declare(&self, series_reasons: impl IntoIterator<Item = &'static str>) {
        for reason in REFUSALS {
            drop(self.refused_requests.get_or_create(&one("reason", reason)));
        }
        for reason in series_reasons {
            drop(self.refused_series.get_or_create(&one("reason", reason)));
        }
    }

    /// A request was taken: its version, and what of it was accepted.
    pub fn taken(&self, version: &'static str, [samples, histograms, exemplars]: PointCounts) {
        self.requests.get_or_create(&one("version", version)).inc();
        self.samples.inc_by(samples);
        self.histograms.inc_by(histograms);
        self.exemplars.inc_by(exemplars);
    }

    /// Parts of a request were refused.
    pub fn series_refused(&self, reason: &'static str, n: u64) {
        self.refused_series.get_or_create(&one("reason", reason)).inc_by(n);
    }

    /// A whole request was refused, for one of [`REFUSALS`].
    pub fn request_refused(&self, reason: &'static str) {
        self.refused_requests.get_or_create(&one("reason", reason)).inc();
    }

    /// So many samples and histograms went to a destination.
    pub fn forwarded(&self, destination: &str, n: u64) {
        self.forwarded.get_or_create(&one("destination", destination)).inc_by(n);
    }

    /// What a rule of aggregation, by its number, did since the last time, and what it knows now.
    pub fn aggregated(
        &self,
        rule: usize,
        outcomes: &[(&'static str, u64)],
        n_series: usize,
        n_groups: usize,
    ) {
        let rule = rule.to_string();
        for (outcome, n) in outcomes {
            let labels = vec![("rule", rule.clone()), ("outcome", (*outcome).to_owned())];
            self.aggregated.get_or_create(&labels).inc_by(*n);
        }
        let narrow = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.aggregate_series.get_or_create(&one("rule", &rule)).set(narrow(n_series));
        self.aggregate_groups.get_or_create(&one("rule", &rule)).set(narrow(n_groups));
    }

    /// What aggregation made could not be queued.
    pub fn aggregates_lost(&self, n_samples: u64) {
        self.aggregate_lost.inc_by(n_samples);
    }

    /// So many were dropped on the way to a destination, by a rule or for want of a name.
    pub fn dropped(&self, destination: &str, rule: Option<usize>, n: u64) {
        let rule = rule.map_or_else(|| "nameless".to_owned(), |rule| rule.to_string());
        let labels = vec![("destination", destination.to_owned()), ("rule", rule)];
        self.dropped.get_or_create(&labels).inc_by(n);
    }
}

fn one(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}
