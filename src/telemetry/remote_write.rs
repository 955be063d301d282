//! What remote write says of itself, under the names Prometheus' users know.
//!
//! `remote_name` and `url` come from the configuration, the other labels from closed sets.

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::family::MetricConstructor;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Metric;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

type Labels = Vec<(&'static str, String)>;
type Number = Gauge<f64, AtomicU64>;

/// Names and help texts.
mod names {
    type Name = (&'static str, &'static str);
    pub(super) const SAMPLES: Name =
        ("weir_remote_storage_samples_total", "Samples that were sent, refused ones included");
    pub(super) const HISTOGRAMS: Name = (
        "weir_remote_storage_histograms_total",
        "Histograms that were sent, refused ones included",
    );
    pub(super) const EXEMPLARS: Name =
        ("weir_remote_storage_exemplars_total", "Exemplars that were sent, refused ones included");
    pub(super) const METADATA: Name =
        ("weir_remote_storage_metadata_total", "Metadata entries that were sent beside series");
    pub(super) const SAMPLES_FAILED: Name = (
        "weir_remote_storage_samples_failed_total",
        "Samples the destination refused for good; they are gone",
    );
    pub(super) const HISTOGRAMS_FAILED: Name = (
        "weir_remote_storage_histograms_failed_total",
        "Histograms the destination refused for good; they are gone",
    );
    pub(super) const EXEMPLARS_FAILED: Name = (
        "weir_remote_storage_exemplars_failed_total",
        "Exemplars the destination refused for good; they are gone",
    );
    pub(super) const SAMPLES_RETRIED: Name = (
        "weir_remote_storage_samples_retried_total",
        "Samples that failed and are sent again, counted each time",
    );
    pub(super) const HISTOGRAMS_RETRIED: Name = (
        "weir_remote_storage_histograms_retried_total",
        "Histograms that failed and are sent again, counted each time",
    );
    pub(super) const EXEMPLARS_RETRIED: Name = (
        "weir_remote_storage_exemplars_retried_total",
        "Exemplars that failed and are sent again, counted each time",
    );
    pub(super) const SAMPLES_DROPPED: Name =
        ("weir_remote_storage_samples_dropped_total", "Samples that were not sent, by reason");
    pub(super) const HISTOGRAMS_DROPPED: Name = (
        "weir_remote_storage_histograms_dropped_total",
        "Histograms that were not sent, by reason",
    );
    pub(super) const EXEMPLARS_DROPPED: Name =
        ("weir_remote_storage_exemplars_dropped_total", "Exemplars that were not sent, by reason");
    pub(super) const START_TIMESTAMPS_DROPPED: Name = (
        "weir_remote_storage_start_timestamps_dropped_total",
        "Start timestamps that were left out, as the version of the message has no place for them",
    );
    pub(super) const SAMPLES_PENDING: Name = (
        "weir_remote_storage_samples_pending",
        "Samples and histograms that were taken from the queue and have no answer yet",
    );
    pub(super) const BYTES: Name =
        ("weir_remote_storage_bytes_total", "Bytes of bodies that were sent, compressed");
    pub(super) const SHARDS: Name =
        ("weir_remote_storage_shards", "Requests that are made at the same time");
    pub(super) const SHARDS_MIN: Name =
        ("weir_remote_storage_shards_min", "The fewest requests at the same time");
    pub(super) const SHARDS_MAX: Name =
        ("weir_remote_storage_shards_max", "The most requests at the same time");
    pub(super) const SHARDS_DESIRED: Name =
        ("weir_remote_storage_shards_desired", "Requests at the same time that the load asks for");
    pub(super) const SAMPLES_PER_SEND_MAX: Name = (
        "weir_remote_storage_max_samples_per_send",
        "The most samples and histograms of a request",
    );
    pub(super) const SENT_BATCH_DURATION: Name =
        ("weir_remote_storage_sent_batch_duration_seconds", "How long requests took, good or bad");
    pub(super) const HIGHEST_TIMESTAMP: Name = (
        "weir_remote_storage_highest_timestamp_in_seconds",
        "The newest timestamp that was appended",
    );
    pub(super) const HIGHEST_SENT: Name = (
        "weir_remote_storage_queue_highest_sent_timestamp_seconds",
        "The newest timestamp that was delivered",
    );
    pub(super) const QUEUE_RECORDS: Name = (
        "weir_remote_storage_queue_records",
        "Records on disk that have not been acknowledged by the destination",
    );
    pub(super) const QUEUE_BYTES: Name =
        ("weir_remote_storage_queue_bytes", "Bytes the queue has on disk");
    pub(super) const QUEUE_OLDEST_AGE: Name = (
        "weir_remote_storage_queue_oldest_age_seconds",
        "How long ago what is being sent was appended; 0 if nothing is",
    );
    pub(super) const QUEUE_REFUSED: Name = (
        "weir_remote_storage_queue_refused_total",
        "Appends that were refused as the queue was full",
    );
    pub(super) const QUEUE_RECORDS_DROPPED: Name = (
        "weir_remote_storage_queue_records_dropped_total",
        "Records of the queue that were lost or given up, by reason",
    );
    pub(super) const QUEUE_COMMITS: Name = (
        "weir_remote_storage_queue_commits_total",
        "Groups of appends that were written and synced together",
    );
    pub(super) const QUEUE_COMMITTED: Name =
        ("weir_remote_storage_queue_commit_appends_total", "Appends in those groups");
    pub(super) const QUEUE_SYNC_DURATION: Name = (
        "weir_remote_storage_queue_fsync_duration_seconds",
        "How long writing and syncing a group took",
    );
    pub(super) const QUEUE_DISK_FAILURES: Name = (
        "weir_remote_storage_queue_disk_failures_total",
        "Times the disk refused to write the queue",
    );
    pub(super) const FALLBACKS: Name = (
        "weir_remote_storage_message_fallbacks_total",
        "Times a destination turned out to know version 1.0 only",
    );
    pub(super) const ISOLATING: Name = (
        "weir_remote_storage_isolating_requests_total",
        "Requests made to find the bad series of a refused batch",
    );
}

/// The metrics of all destinations.
#[derive(Debug)]
pub struct RemoteWriteMetrics {
    registry: Registry,
    families: Families,
}

#[derive(Debug)]
struct Families {
    samples: [Family<Labels, Counter>; 4],
    failed: [Family<Labels, Counter>; 3],
    retried: [Family<Labels, Counter>; 3],
    dropped: [Family<Labels, Counter>; 4],
    queue_counters: [Family<Labels, Counter>; 7],
    records_dropped: Family<Labels, Counter>,
    gauges: [Family<Labels, Number>; 11],
    durations: [Family<Labels, Histogram, Durations>; 2],
}

/// Makes histograms of durations.
#[derive(Clone, Copy, Debug)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ])
    }
}

impl Default for RemoteWriteMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl RemoteWriteMetrics {
    /// None counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        let durations = [names::SENT_BATCH_DURATION, names::QUEUE_SYNC_DURATION];
        let families = Families {
            samples: counters(
                r,
                [names::SAMPLES, names::HISTOGRAMS, names::EXEMPLARS, names::METADATA],
            ),
            failed: counters(
                r,
                [names::SAMPLES_FAILED, names::HISTOGRAMS_FAILED, names::EXEMPLARS_FAILED],
            ),
            retried: counters(
                r,
                [names::SAMPLES_RETRIED, names::HISTOGRAMS_RETRIED, names::EXEMPLARS_RETRIED],
            ),
            dropped: counters(
                r,
                [
                    names::SAMPLES_DROPPED,
                    names::HISTOGRAMS_DROPPED,
                    names::EXEMPLARS_DROPPED,
                    names::START_TIMESTAMPS_DROPPED,
                ],
            ),
            queue_counters: counters(
                r,
                [
                    names::BYTES,
                    names::QUEUE_REFUSED,
                    names::QUEUE_COMMITS,
                    names::QUEUE_COMMITTED,
                    names::QUEUE_DISK_FAILURES,
                    names::FALLBACKS,
                    names::ISOLATING,
                ],
            ),
            records_dropped: add(r, names::QUEUE_RECORDS_DROPPED, Family::default()),
            gauges: [
                names::SAMPLES_PENDING,
                names::SHARDS,
                names::SHARDS_MIN,
                names::SHARDS_MAX,
                names::SHARDS_DESIRED,
                names::SAMPLES_PER_SEND_MAX,
                names::HIGHEST_TIMESTAMP,
                names::HIGHEST_SENT,
                names::QUEUE_RECORDS,
                names::QUEUE_BYTES,
                names::QUEUE_OLDEST_AGE,
            ]
            .map(|name| add(r, name, Family::default())),
            durations: durations.map(|name| add(r, name, Family::new_with_constructor(Durations))),
        };
        Self { registry, families }
    }

    /// What is to be written beside weir's other metrics.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All of them as an OpenMetrics document.
    ///
    /// # Panics
    ///
    /// Never: a string takes everything.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("writing to a string cannot fail");
        out
    }

    /// Show a queue no more. What was dropped stays counted.
    pub fn forget(&self, remote_name: &str, url: &str) {
        let labels = labels(remote_name, url);
        let Families { samples, failed, retried, queue_counters, gauges, durations, .. } =
            &self.families;
        for family in samples.iter().chain(failed).chain(retried).chain(queue_counters) {
            family.remove(&labels);
        }
        for family in gauges {
            family.remove(&labels);
        }
        for family in durations {
            family.remove(&labels);
        }
    }

    /// The metrics of one queue, all visible from now on.
    pub fn queue(&self, remote_name: &str, url: &str) -> QueueMetrics {
        let labels = labels(remote_name, url);
        let families = &self.families;
        let counter = |family: &Family<Labels, Counter>| family.get_or_create(&labels).clone();
        let number = |family: &Family<Labels, Number>| family.get_or_create(&labels).clone();
        let [samples, histograms, exemplars, metadata] = families.samples.each_ref().map(counter);
        let [bytes, refused, commits, committed, disk_failures, fallbacks, isolating] =
            families.queue_counters.each_ref().map(counter);
        let [
            samples_pending,
            shards,
            shards_min,
            shards_max,
            shards_desired,
            samples_per_send_max,
            highest_timestamp,
            highest_sent,
            records,
            queue_bytes,
            oldest_age,
        ] = families.gauges.each_ref().map(number);
        let [sent_duration, sync_duration] =
            families.durations.each_ref().map(|family| family.get_or_create(&labels).clone());
        QueueMetrics {
            sent: Points { samples, histograms, exemplars },
            metadata,
            failed: points(families.failed.each_ref().map(counter)),
            retried: points(families.retried.each_ref().map(counter)),
            dropped: families.dropped.clone(),
            records_dropped: families.records_dropped.clone(),
            bytes,
            refused,
            commits,
            committed,
            disk_failures,
            fallbacks,
            isolating,
            samples_pending,
            shards,
            shards_min,
            shards_max,
            shards_desired,
            samples_per_send_max,
            highest_timestamp,
            highest_sent,
            records,
            queue_bytes,
            oldest_age,
            sent_duration,
            sync_duration,
            labels,
        }
    }
}

fn labels(remote_name: &str, url: &str) -> Labels {
    vec![("remote_name", remote_name.to_owned()), ("url", url.to_owned())]
}

/// Counters of what messages hold.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Points {
    pub samples: Counter,
    pub histograms: Counter,
    pub exemplars: Counter,
}

impl Points {
    /// Count.
    pub fn add(&self, n_samples: u64, n_histograms: u64, n_exemplars: u64) {
        self.samples.inc_by(n_samples);
        self.histograms.inc_by(n_histograms);
        self.exemplars.inc_by(n_exemplars);
    }
}

fn points([samples, histograms, exemplars]: [Counter; 3]) -> Points {
    Points { samples, histograms, exemplars }
}

/// The metrics of one queue. Their names are in [`RemoteWriteMetrics`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is a metric, and has a help text")]
pub struct QueueMetrics {
    pub sent: Points,
    pub metadata: Counter,
    pub failed: Points,
    pub retried: Points,
    pub bytes: Counter,
    pub refused: Counter,
    pub commits: Counter,
    pub committed: Counter,
    pub disk_failures: Counter,
    pub fallbacks: Counter,
    pub isolating: Counter,
    pub samples_pending: Number,
    pub shards: Number,
    pub shards_min: Number,
    pub shards_max: Number,
    pub shards_desired: Number,
    pub samples_per_send_max: Number,
    pub highest_timestamp: Number,
    pub highest_sent: Number,
    pub records: Number,
    pub queue_bytes: Number,
    pub oldest_age: Number,
    pub sent_duration: Histogram,
    pub sync_duration: Histogram,
    dropped: [Family<Labels, Counter>; 4],
    records_dropped: Family<Labels, Counter>,
    labels: Labels,
}

impl QueueMetrics {
    /// Samples, histograms, exemplars and start timestamps that were not sent.
    pub fn drop_points(&self, reason: &'static str, n: [u64; 4]) {
        for (family, n) in self.dropped.iter().zip(n).filter(|(_, n)| *n > 0) {
            family.get_or_create(&self.with_reason(reason)).inc_by(n);
        }
    }

    /// Records of the queue that were lost or given up: as many as there are now.
    pub fn drop_records(&self, reason: &'static str, n_in_all: u64) {
        let counter = self.records_dropped.get_or_create(&self.with_reason(reason));
        counter.inc_by(n_in_all.saturating_sub(counter.get()));
    }

    /// More records of the queue that were given up.
    pub fn add_dropped_records(&self, reason: &'static str, n: u64) {
        self.records_dropped.get_or_create(&self.with_reason(reason)).inc_by(n);
    }

    fn with_reason(&self, reason: &'static str) -> Labels {
        let mut labels = self.labels.clone();
        labels.push(("reason", reason.to_owned()));
        labels
    }
}

fn counters<const N: usize>(
    registry: &mut Registry,
    names: [(&'static str, &'static str); N],
) -> [Family<Labels, Counter>; N] {
    names.map(|name| add(registry, name, Family::default()))
}

/// Register a metric and keep a handle on it.
fn add<M: Metric + Clone>(registry: &mut Registry, (name, help): (&str, &str), metric: M) -> M {
    // The encoder adds the suffix itself.
    registry.register(name.trim_end_matches("_total"), help, metric.clone());
    metric
}
