//! How a queue is doing: counted, and told on a page.

use super::batch::Counts;
use super::settings::QueueSettings;
use super::writer::LeftOut;
use crate::buffer::Stats;
use crate::telemetry::remote_write::QueueMetrics;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Counters of one queue. Shared by those who append and those who send.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) metrics: QueueMetrics,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    newest_appended_ms: i64,
    last_error: Option<String>,
}

/// How a queue is doing, for a page.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueStatus {
    /// The destination's name.
    pub remote_name: String,
    /// Where to, without secrets.
    pub url: String,
    /// Records that wait.
    pub n_records: u64,
    /// Bytes on disk.
    pub n_bytes: u64,
    /// How long ago what is being sent was appended.
    pub oldest_age_seconds: f64,
    /// Requests at the same time.
    pub n_shards: u64,
    /// Samples and histograms that were sent.
    pub n_sent: u64,
    /// Of these, those refused for good.
    pub n_failed: u64,
    /// What went wrong with the last request, if it did.
    pub last_error: Option<String>,
}

impl Status {
    pub(super) fn new(metrics: QueueMetrics) -> Self {
        Self { metrics, told: Mutex::default() }
    }

    pub(super) fn report(&self, remote_name: &str, url: &str) -> QueueStatus {
        let metrics = &self.metrics;
        let (sent, failed) = (&metrics.sent, &metrics.failed);
        QueueStatus {
            remote_name: remote_name.to_owned(),
            url: url.to_owned(),
            n_records: to_u64(metrics.records.get()),
            n_bytes: to_u64(metrics.queue_bytes.get()),
            oldest_age_seconds: metrics.oldest_age.get(),
            n_shards: to_u64(metrics.shards.get()),
            n_sent: sent.samples.get() + sent.histograms.get(),
            n_failed: failed.samples.get() + failed.histograms.get(),
            last_error: self.told().last_error.clone(),
        }
    }

    /// Records that wait.
    pub(super) fn n_records(&self) -> u64 {
        to_u64(self.metrics.records.get())
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn appended(&self, newest_ms: i64) {
        let mut told = self.told();
        told.newest_appended_ms = told.newest_appended_ms.max(newest_ms);
        self.metrics.highest_timestamp.set(seconds(told.newest_appended_ms));
    }

    pub(super) fn left_out(&self, left_out: &LeftOut) {
        let LeftOut { lost, n_exemplars, n_histograms } = *left_out;
        self.metrics.drop_points("not_asked_for", [0, n_histograms, n_exemplars, 0]);
        let n_custom = lost.n_custom_bucket_histograms as u64;
        let reason = "nhcb_in_rw1_not_supported";
        self.metrics.drop_points(reason, [0, n_custom, lost.n_exemplars as u64, 0]);
        let n_starts = lost.n_start_timestamps as u64;
        self.metrics.drop_points("not_in_rw1", [0, 0, 0, n_starts]);
    }

    pub(super) fn dropped(&self, reason: &'static str, counts: &Counts) {
        let [samples, histograms, exemplars] = points(counts);
        self.metrics.drop_points(reason, [samples, histograms, exemplars, 0]);
    }

    /// A request got its final answer.
    pub(super) fn sent(&self, counts: &Counts, n_bytes: usize) {
        let [samples, histograms, exemplars] = points(counts);
        self.metrics.sent.add(samples, histograms, exemplars);
        self.metrics.metadata.inc_by(u64::from(counts.n_metadata));
        self.metrics.bytes.inc_by(n_bytes as u64);
    }

    pub(super) fn delivered(&self, newest_ms: i64) {
        let newest = seconds(newest_ms).max(self.metrics.highest_sent.get());
        self.metrics.highest_sent.set(newest);
        self.told().last_error = None;
    }

    pub(super) fn failed(&self, counts: &Counts, error: &str) {
        let [samples, histograms, exemplars] = points(counts);
        self.metrics.failed.add(samples, histograms, exemplars);
        self.told().last_error = Some(error.to_owned());
    }

    pub(super) fn retried(&self, counts: &Counts, error: &str) {
        let [samples, histograms, exemplars] = points(counts);
        self.metrics.retried.add(samples, histograms, exemplars);
        self.told().last_error = Some(error.to_owned());
    }

    pub(super) fn group_committed(&self, n_appends: u64) {
        self.metrics.commits.inc();
        self.metrics.committed.inc_by(n_appends);
    }

    pub(super) fn synced(&self, took: Duration) {
        self.metrics.sync_duration.observe(took.as_secs_f64());
    }

    pub(super) fn refused_full(&self) {
        self.metrics.refused.inc();
    }

    pub(super) fn disk_failed(&self) {
        self.metrics.disk_failures.inc();
    }

    /// How the queue on disk is now.
    pub(super) fn queue_is(&self, n_records: u64, n_bytes: u64, stats: &Stats) {
        self.metrics.records.set(to_f64(n_records));
        self.metrics.queue_bytes.set(to_f64(n_bytes));
        self.metrics.drop_records("full", stats.n_dropped_full);
        self.metrics.drop_records("too_old", stats.n_dropped_age);
        self.metrics.drop_records("damaged", stats.n_damaged);
    }

    /// What is being sent: how many samples and histograms, and how old the oldest record is.
    pub(super) fn sending(&self, n_points: usize, oldest_age_ms: i64) {
        self.metrics.samples_pending.set(to_f64(n_points as u64));
        self.metrics.oldest_age.set(seconds(oldest_age_ms));
    }

    /// Records whose contents make no sense to this program.
    pub(super) fn undecodable(&self, n_records: u64) {
        self.metrics.add_dropped_records("undecodable", n_records);
    }

    /// The bounds that were set.
    pub(super) fn plan(&self, queue: &QueueSettings) {
        self.metrics.shards_min.set(to_f64(queue.shards_min as u64));
        self.metrics.shards_max.set(to_f64(queue.shards_max as u64));
        self.metrics.samples_per_send_max.set(to_f64(queue.samples_per_send_max as u64));
    }

    pub(super) fn shards_are(&self, n: usize, n_desired: f64) {
        self.metrics.shards.set(to_f64(n as u64));
        self.metrics.shards_desired.set(n_desired);
    }
}

fn points(counts: &Counts) -> [u64; 3] {
    [counts.n_samples, counts.n_histograms, counts.n_exemplars].map(u64::from)
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn to_f64(n: u64) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "they were set from u64"
)]
fn to_u64(n: f64) -> u64 {
    n as u64
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
