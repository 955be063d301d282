//! What the push proxy says about itself.
//!
//! `identity` comes from the configuration, `method`, `reason` and `outcome` from closed sets.

use crate::telemetry::metrics::Labels;
use crate::telemetry::metrics::add;
use crate::telemetry::metrics::duration_histogram;
use crate::telemetry::metrics::one;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Name and help of each metric, in the order in which they are written.
pub mod names {
    /// Attempts.
    pub const PUSHES: (&str, &str) =
        ("weir_pushes_total", "Requests to push or to delete, by identity and method");
    /// What was refused.
    pub const REFUSALS: (&str, &str) =
        ("weir_push_refusals_total", "Pushes refused, by identity and reason");
    /// What would have been refused.
    pub const WARNINGS: (&str, &str) = (
        "weir_push_warnings_total",
        "Pushes accepted although something is wrong with them, by identity and reason",
    );
    /// Durations.
    pub const DURATION: (&str, &str) =
        ("weir_push_duration_seconds", "How long pushes took, refused ones included");
    /// Size of the store.
    pub const SERIES: (&str, &str) = ("weir_push_stored_series", "Series in the store");
    /// Size of the store.
    pub const GROUPS: (&str, &str) = ("weir_push_stored_groups", "Groups in the store");
    /// Forgotten groups.
    pub const EXPIRED: (&str, &str) =
        ("weir_push_expired_groups_total", "Groups forgotten since nothing was pushed to them");
}

/// Counters and gauges of the push proxy.
#[derive(Debug)]
pub struct PushMetrics {
    pushes: Family<Labels, Counter>,
    refusals: Family<Labels, Counter>,
    warnings: Family<Labels, Counter>,
    duration: Histogram,
    series: Gauge,
    groups: Gauge,
    expired: Counter,
}

impl PushMetrics {
    pub(super) fn new(r: &mut Registry) -> Self {
        Self {
            pushes: add(r, names::PUSHES, Family::default()),
            refusals: add(r, names::REFUSALS, Family::default()),
            warnings: add(r, names::WARNINGS, Family::default()),
            duration: add(r, names::DURATION, duration_histogram()),
            series: add(r, names::SERIES, Gauge::default()),
            groups: add(r, names::GROUPS, Gauge::default()),
            expired: add(r, names::EXPIRED, Counter::default()),
        }
    }

    /// A push was answered.
    pub fn pushed(&self, identity: &str, method: &'static str, took: Duration) {
        let labels = vec![("identity", identity.to_owned()), ("method", method.to_owned())];
        self.pushes.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// A push was refused.
    pub fn refused(&self, identity: &str, reason: &'static str) {
        self.refusals.get_or_create(&by_reason(identity, reason)).inc();
    }

    /// A push was accepted that might have been refused.
    pub fn warned(&self, identity: &str, reason: &'static str) {
        self.warnings.get_or_create(&by_reason(identity, reason)).inc();
    }

    /// What the store holds now.
    pub fn stored(&self, n_series: usize, n_groups: usize) {
        self.series.set(i64::try_from(n_series).unwrap_or(i64::MAX));
        self.groups.set(i64::try_from(n_groups).unwrap_or(i64::MAX));
    }

    /// Groups were forgotten.
    pub fn expired(&self, n_groups: u64) {
        self.expired.inc_by(n_groups);
    }
}

fn by_reason(identity: &str, reason: &'static str) -> Labels {
    let mut labels = one("identity", identity);
    labels.push(("reason", reason.to_owned()));
    labels
}
