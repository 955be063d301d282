//! weir's own metrics: names and help texts, and the one place that counts.
//!
//! `instance` comes from the command line, `subset` from the rules file, the other labels from
//! closed sets: nothing a scraped body or a client says becomes a label.

use crate::telemetry::process::ProcessCollector;
use crate::telemetry::push::PushMetrics;
use crate::telemetry::receive::ReceiveMetrics;
use crate::telemetry::remote_write::RemoteWriteMetrics;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Name and help of each metric, in the order in which they are written.
pub mod names {
    /// What was built.
    pub const BUILD_INFO: (&str, &str) = ("weir_build_info", "The version of weir");
    /// Health of a target.
    pub const TARGET_UP: (&str, &str) =
        ("weir_target_up", "Whether the last scrape of a target succeeded");
    /// Duration of the last scrape of a target.
    pub const TARGET_SCRAPE_DURATION: (&str, &str) = (
        "weir_target_scrape_duration_seconds",
        "How long the last scrape of a target took, good or bad",
    );
    /// Samples of a target.
    pub const TARGET_SAMPLES: (&str, &str) =
        ("weir_target_samples", "Samples in the last good scrape of a target");
    /// Size of a target's body.
    pub const TARGET_BODY_BYTES: (&str, &str) =
        ("weir_target_body_bytes", "Decoded bytes of the last good scrape of a target");
    /// Size of a target's body as sent.
    pub const TARGET_WIRE_BYTES: (&str, &str) =
        ("weir_target_wire_bytes", "Transferred bytes of the last good scrape of a target");
    /// When a target last gave something.
    pub const TARGET_LAST_SUCCESS: (&str, &str) = (
        "weir_target_last_success_timestamp_seconds",
        "When the last good scrape of a target began",
    );
    /// Restarts of a target.
    pub const TARGET_RESETS: (&str, &str) = (
        "weir_target_counter_resets",
        "Scrapes of a target, since it is known, that found counters reset",
    );
    /// Targets there are.
    pub const TARGETS: (&str, &str) = ("weir_targets", "Targets found for the last scrape");
    /// Targets there are more than once.
    pub const TARGETS_DUPLICATE: (&str, &str) = (
        "weir_targets_duplicate",
        "Targets an upstream named more than once for the last scrape; each was scraped once",
    );
    /// What could not be found out.
    pub const DISCOVERY_PROBLEMS: (&str, &str) = (
        "weir_discovery_problems_total",
        "Times that targets could not be found or were refused, by reason",
    );
    /// Answers out of date.
    pub const DISCOVERY_KEPT: (&str, &str) = (
        "weir_discovery_kept_seconds",
        "How long the oldest answer used in place of a failed one has been out of date, 0 if none is",
    );
    /// Attempts.
    pub const SCRAPES: (&str, &str) = ("weir_scrapes_total", "Scrapes begun, by target");
    /// Failures.
    pub const SCRAPE_FAILURES: (&str, &str) =
        ("weir_scrape_failures_total", "Scrapes that failed, by target and reason");
    /// Scrapes nobody waited for.
    pub const SCRAPES_CANCELLED: (&str, &str) = (
        "weir_scrapes_cancelled_total",
        "Scrapes given up because every client that waited went away",
    );
    /// Requests answered by somebody else's scrape.
    pub const SCRAPES_SHARED: (&str, &str) = (
        "weir_scrapes_shared_total",
        "Requests that waited for a scrape another request had begun",
    );
    /// Durations of all scrapes.
    pub const SCRAPE_DURATION: (&str, &str) =
        ("weir_scrape_duration_seconds", "How long scrapes took, good or bad");
    /// Limits that were hit.
    pub const LIMIT_REFUSALS: (&str, &str) =
        ("weir_limit_refusals_total", "Scrapes, requests and connections refused by a limit");
    /// Samples the rules dropped.
    pub const DROPPED_SAMPLES: (&str, &str) =
        ("weir_dropped_samples_total", "Samples dropped by the rules of an output");
    /// What each rule drops.
    pub const RULE_DROPS: (&str, &str) = (
        "weir_rule_dropped_samples",
        "Samples of the last good scrape that a rule of an output dropped, rules counted from 0",
    );
    /// Samples that lost their name.
    pub const NAMELESS_SAMPLES: (&str, &str) = (
        "weir_nameless_samples_total",
        "New samples whose name the rules removed, and which kept it",
    );
    /// Series of an output.
    pub const OUTPUT_SERIES: (&str, &str) =
        ("weir_output_series", "Series in the last snapshot of an output");
    /// Merged series that cannot be merged.
    pub const LEFT_OUT: (&str, &str) = (
        "weir_output_left_out_series",
        "Series left out of the last snapshot of an output because they cannot be merged",
    );
    /// State of the rules.
    pub const RELOAD_SUCCESSFUL: (&str, &str) = (
        "weir_config_last_reload_successful",
        "Whether the last attempt to load the rules succeeded; if not, the ones before are in use",
    );
    /// Attempts to load the rules.
    pub const RELOADS: (&str, &str) =
        ("weir_config_reloads_total", "Attempts to load the rules again");
    /// Requests.
    pub const HTTP_REQUESTS: (&str, &str) =
        ("weir_http_requests_total", "Requests answered, by endpoint and status");
    /// Connections now.
    pub const HTTP_CONNECTIONS: (&str, &str) = ("weir_http_connections", "Open connections");
    /// Clients that stopped reading.
    pub const HTTP_STALLED: (&str, &str) = (
        "weir_http_stalled_connections_total",
        "Connections cut because the client took nothing of an answer for too long",
    );
    /// TLS nobody agreed on.
    pub const TLS_FAILURES: (&str, &str) =
        ("weir_tls_handshake_failures_total", "TLS handshakes that failed, by reason");
    /// Credentials that were wrong.
    pub const AUTH_FAILURES: (&str, &str) =
        ("weir_http_auth_failures_total", "Requests refused for their credentials, by reason");
    /// State of the web configuration.
    pub const WEB_RELOAD_SUCCESSFUL: (&str, &str) = (
        "weir_web_config_last_reload_successful",
        "Whether the last attempt to load the web configuration succeeded",
    );
    /// Attempts to load the web configuration.
    pub const WEB_RELOADS: (&str, &str) =
        ("weir_web_config_reloads_total", "Attempts to load the web configuration again");
    /// Connections the system did not give.
    pub const HTTP_ACCEPT_FAILURES: (&str, &str) =
        ("weir_http_accept_failures_total", "Connections the system could not accept");
}

pub(super) type Labels = Vec<(&'static str, String)>;
type Number = Gauge<f64, AtomicU64>;

/// All counters and gauges. Shared; every method is cheap beside the event it counts.
#[derive(Debug)]
pub struct Metrics {
    /// Those of the push proxy.
    pub push: PushMetrics,
    registry: Registry,
    /// Those of remote write, if there is any.
    remote_write: OnceLock<Arc<RemoteWriteMetrics>>,
    target_up: Family<Labels, Gauge>,
    target_scrape_duration: Family<Labels, Number>,
    target_samples: Family<Labels, Number>,
    target_body_bytes: Family<Labels, Number>,
    target_wire_bytes: Family<Labels, Number>,
    target_last_success: Family<Labels, Number>,
    target_resets: Family<Labels, Number>,
    targets: Gauge,
    targets_duplicate: Gauge,
    discovery_problems: Family<Labels, Counter>,
    discovery_kept: Number,
    scrapes: Family<Labels, Counter>,
    scrape_failures: Family<Labels, Counter>,
    scrapes_cancelled: Counter,
    scrapes_shared: Counter,
    scrape_duration: Histogram,
    limit_refusals: Family<Labels, Counter>,
    dropped_samples: Family<Labels, Counter>,
    rule_drops: Family<Labels, Number>,
    nameless_samples: Counter,
    output_series: Family<Labels, Number>,
    left_out: Family<Labels, Number>,
    reload_successful: Gauge,
    reloads: Counter,
    http_requests: Family<Labels, Counter>,
    http_connections: Gauge,
    http_stalled: Counter,
    http_accept_failures: Counter,
    tls_failures: Family<Labels, Counter>,
    auth_failures: Family<Labels, Counter>,
    web_reload_successful: Gauge,
    web_reloads: Counter,
    /// What comes in by remote write.
    pub receive: ReceiveMetrics,
}

/// What a target is told from others by, ready to be counted under.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Instance(Labels);

impl Instance {
    /// The target of this name.
    pub fn new(name: &str) -> Self {
        Self(one("instance", name))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.first().map_or("", |(_, name)| name)
    }
}

/// A good scrape, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GoodScrape {
    /// When it began, in seconds since the epoch.
    pub started_seconds: f64,
    /// Samples read.
    pub n_samples: u64,
    /// Bytes, decoded.
    pub body_bytes: u64,
    /// Bytes, as sent.
    pub wire_bytes: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register(
            names::BUILD_INFO.0.trim_end_matches("_info"),
            names::BUILD_INFO.1,
            version,
        );
        registry.register_collector(Box::new(ProcessCollector));
        let r = &mut registry;
        Self {
            push: PushMetrics::new(r),
            target_up: add(r, names::TARGET_UP, Family::default()),
            target_scrape_duration: add(r, names::TARGET_SCRAPE_DURATION, Family::default()),
            target_samples: add(r, names::TARGET_SAMPLES, Family::default()),
            target_body_bytes: add(r, names::TARGET_BODY_BYTES, Family::default()),
            target_wire_bytes: add(r, names::TARGET_WIRE_BYTES, Family::default()),
            target_last_success: add(r, names::TARGET_LAST_SUCCESS, Family::default()),
            target_resets: add(r, names::TARGET_RESETS, Family::default()),
            targets: add(r, names::TARGETS, Gauge::default()),
            targets_duplicate: add(r, names::TARGETS_DUPLICATE, Gauge::default()),
            discovery_problems: add(r, names::DISCOVERY_PROBLEMS, Family::default()),
            discovery_kept: add(r, names::DISCOVERY_KEPT, Number::default()),
            scrapes: add(r, names::SCRAPES, Family::default()),
            scrape_failures: add(r, names::SCRAPE_FAILURES, Family::default()),
            scrapes_cancelled: add(r, names::SCRAPES_CANCELLED, Counter::default()),
            scrapes_shared: add(r, names::SCRAPES_SHARED, Counter::default()),
            scrape_duration: add(r, names::SCRAPE_DURATION, duration_histogram()),
            limit_refusals: add(r, names::LIMIT_REFUSALS, Family::default()),
            dropped_samples: add(r, names::DROPPED_SAMPLES, Family::default()),
            rule_drops: add(r, names::RULE_DROPS, Family::default()),
            nameless_samples: add(r, names::NAMELESS_SAMPLES, Counter::default()),
            output_series: add(r, names::OUTPUT_SERIES, Family::default()),
            left_out: add(r, names::LEFT_OUT, Family::default()),
            reload_successful: add(r, names::RELOAD_SUCCESSFUL, loaded()),
            reloads: add(r, names::RELOADS, Counter::default()),
            http_requests: add(r, names::HTTP_REQUESTS, Family::default()),
            http_connections: add(r, names::HTTP_CONNECTIONS, Gauge::default()),
            http_stalled: add(r, names::HTTP_STALLED, Counter::default()),
            http_accept_failures: add(r, names::HTTP_ACCEPT_FAILURES, Counter::default()),
            tls_failures: add(r, names::TLS_FAILURES, Family::default()),
            auth_failures: add(r, names::AUTH_FAILURES, Family::default()),
            web_reload_successful: add(r, names::WEB_RELOAD_SUCCESSFUL, loaded()),
            web_reloads: add(r, names::WEB_RELOADS, Counter::default()),
            receive: ReceiveMetrics::registered(r),
            registry,
            remote_write: OnceLock::new(),
        }
    }

    /// Write those of remote write, too, from now on.
    pub fn show_remote_write(&self, metrics: &Arc<RemoteWriteMetrics>) {
        // A second one would be of the same destinations.
        self.remote_write.set(Arc::clone(metrics)).ok();
    }

    /// All of them as an OpenMetrics document.
    ///
    /// # Panics
    ///
    /// Never: a string takes everything.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        let more = self.remote_write.get().map(|metrics| metrics.registry());
        for registry in std::iter::once(&self.registry).chain(more) {
            text::encode_registry(&mut out, registry).expect("writing to a string cannot fail");
        }
        text::encode_eof(&mut out).expect("writing to a string cannot fail");
        out
    }

    /// Make a limit visible before it is hit.
    pub fn declare_limit(&self, limit: &'static str) {
        drop(self.limit_refusals.get_or_create(&one("limit", limit)));
    }

    /// Something was refused by a limit.
    pub fn limit_refusal(&self, limit: &'static str) {
        self.limit_refusals.get_or_create(&one("limit", limit)).inc();
    }

    /// Make a target visible before it is scraped.
    pub fn declare_target(&self, Instance(labels): &Instance) {
        self.target_up.get_or_create(labels).set(0);
        drop(self.scrapes.get_or_create(labels));
    }

    /// Forget a target that is no longer scraped; what was counted for it stays.
    pub fn forget_target(&self, Instance(labels): &Instance) {
        self.target_up.remove(labels);
        self.target_scrape_duration.remove(labels);
        self.target_samples.remove(labels);
        self.target_body_bytes.remove(labels);
        self.target_wire_bytes.remove(labels);
        self.target_last_success.remove(labels);
        self.target_resets.remove(labels);
    }

    /// How many targets there are now, and how many were named beside them once more.
    pub fn targets_found(&self, n_targets: usize, n_duplicates: usize) {
        self.targets.set(i64::try_from(n_targets).unwrap_or(i64::MAX));
        self.targets_duplicate.set(i64::try_from(n_duplicates).unwrap_or(i64::MAX));
    }

    /// Scrapes of a target that found counters reset.
    pub fn target_resets(&self, Instance(labels): &Instance, n_resets: u64) {
        self.target_resets.get_or_create(labels).set(to_f64(n_resets));
    }

    /// Something about targets could not be found out. The reason comes from a closed set.
    pub fn discovery_problem(&self, reason: &'static str) {
        self.discovery_problems.get_or_create(&one("reason", reason)).inc();
    }

    /// For how long the oldest answer that is still used has been out of date.
    pub fn discovery_kept(&self, oldest: Option<Duration>) {
        self.discovery_kept.set(oldest.unwrap_or_default().as_secs_f64());
    }

    /// A scrape begins.
    pub fn scrape_begun(&self, Instance(labels): &Instance) {
        self.scrapes.get_or_create(labels).inc();
    }

    /// A scrape succeeded.
    pub fn scrape_succeeded(
        &self,
        Instance(labels): &Instance,
        took: Duration,
        scrape: GoodScrape,
    ) {
        self.target_up.get_or_create(labels).set(1);
        self.scrape_took(labels, took);
        self.target_samples.get_or_create(labels).set(to_f64(scrape.n_samples));
        self.target_body_bytes.get_or_create(labels).set(to_f64(scrape.body_bytes));
        self.target_wire_bytes.get_or_create(labels).set(to_f64(scrape.wire_bytes));
        self.target_last_success.get_or_create(labels).set(scrape.started_seconds);
    }

    /// A scrape failed.
    pub fn scrape_failed(&self, instance: &Instance, took: Duration, reason: &'static str) {
        let Instance(labels) = instance;
        self.target_up.get_or_create(labels).set(0);
        self.scrape_took(labels, took);
        let labels = vec![("instance", instance.name().to_owned()), ("reason", reason.to_owned())];
        self.scrape_failures.get_or_create(&labels).inc();
    }

    fn scrape_took(&self, instance: &Labels, took: Duration) {
        self.target_scrape_duration.get_or_create(instance).set(took.as_secs_f64());
        self.scrape_duration.observe(took.as_secs_f64());
    }

    /// A scrape was given up as nobody waited for it any more.
    pub fn scrape_cancelled(&self) {
        self.scrapes_cancelled.inc();
    }

    /// A request joined a scrape that was already under way.
    pub fn scrape_shared(&self) {
        self.scrapes_shared.inc();
    }

    /// What the rules of an output dropped of one scrape.
    pub fn samples_dropped(&self, subset: &str, n_samples: u64) {
        self.dropped_samples.get_or_create(&one("subset", subset)).inc_by(n_samples);
    }

    /// What one rule of an output dropped of the last scrape.
    pub fn rule_drops(&self, subset: &str, rule: usize, n_samples: u64) {
        let labels = vec![("subset", subset.to_owned()), ("rule", rule.to_string())];
        self.rule_drops.get_or_create(&labels).set(to_f64(n_samples));
    }

    /// Forget which rules dropped something, before they are counted anew.
    pub fn forget_rule_drops(&self) {
        self.rule_drops.clear();
    }

    /// Forget the outputs, as others take their place.
    pub fn forget_outputs(&self) {
        self.rule_drops.clear();
        self.output_series.clear();
        self.left_out.clear();
    }

    /// The rules were loaded again, or could not be.
    pub fn reloaded(&self, is_ok: bool) {
        self.reloads.inc();
        self.reload_successful.set(i64::from(is_ok));
    }

    /// Samples that kept their name although the rules removed it.
    pub fn samples_nameless(&self, n_samples: u64) {
        self.nameless_samples.inc_by(n_samples);
    }

    /// An output was published.
    pub fn output_published(&self, subset: &str, n_series: u64) {
        self.output_series.get_or_create(&one("subset", subset)).set(to_f64(n_series));
    }

    /// Series of an output that could not be merged, by kind.
    pub fn output_left_out(&self, subset: &str, kind: &'static str, n_series: u64) {
        let labels = vec![("subset", subset.to_owned()), ("kind", kind.to_owned())];
        self.left_out.get_or_create(&labels).set(to_f64(n_series));
    }

    /// A request was answered. Both arguments come from closed sets.
    pub fn http_request(&self, endpoint: &'static str, status: u16) {
        let labels = vec![("endpoint", endpoint.to_owned()), ("code", status.to_string())];
        self.http_requests.get_or_create(&labels).inc();
    }

    /// A connection was opened.
    pub fn connection_opened(&self) {
        self.http_connections.inc();
    }

    /// A connection ended.
    pub fn connection_closed(&self) {
        self.http_connections.dec();
    }

    /// A client took nothing of an answer for too long.
    pub fn client_stalled(&self) {
        self.http_stalled.inc();
    }

    /// A TLS handshake failed, for one of a closed set of reasons.
    pub fn tls_failed(&self, reason: &'static str) {
        self.tls_failures.get_or_create(&one("reason", reason)).inc();
    }

    /// Make a reason for failed handshakes visible before there is one.
    pub fn declare_tls_failure(&self, reason: &'static str) {
        drop(self.tls_failures.get_or_create(&one("reason", reason)));
    }

    /// Credentials were missing or wrong; the reason is out of a closed set.
    pub fn auth_failed(&self, reason: &'static str) {
        self.auth_failures.get_or_create(&one("reason", reason)).inc();
    }

    /// Make a reason for refused credentials visible before there is one.
    pub fn declare_auth_failure(&self, reason: &'static str) {
        drop(self.auth_failures.get_or_create(&one("reason", reason)));
    }

    /// The web configuration was loaded again, or could not be.
    pub fn web_reloaded(&self, is_ok: bool) {
        self.web_reloads.inc();
        self.web_reload_successful.set(i64::from(is_ok));
    }

    /// The system could not accept a connection.
    pub fn accept_failed(&self) {
        self.http_accept_failures.inc();
    }
}

/// Register a metric and keep a handle on it.
pub(super) fn add<M: Metric + Clone>(
    registry: &mut Registry,
    (name, help): (&str, &str),
    metric: M,
) -> M {
    // The encoder adds the suffix itself.
    registry.register(name.trim_end_matches("_total"), help, metric.clone());
    metric
}

pub(super) fn one(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

/// The rules a process starts with are good, or it does not start.
fn loaded() -> Gauge {
    let gauge = Gauge::default();
    gauge.set(1);
    gauge
}

pub(super) fn duration_histogram() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn to_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_written() {
        let metrics = Metrics::new();
        let instance = Instance::new("h:1");
        metrics.declare_target(&instance);
        metrics.declare_limit("series");
        metrics.scrape_begun(&instance);
        let took = Duration::from_millis(250);
        let good =
            GoodScrape { n_samples: 7, body_bytes: 100, wire_bytes: 50, started_seconds: 5.0 };
        metrics.scrape_succeeded(&instance, took, good);
        metrics.scrape_failed(&instance, took, "timeout");
        metrics.http_request("/metrics", 502);
        metrics.samples_dropped("requests", 3);
        let text = metrics.encode();
        for line in [
            concat!("weir_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
            "# TYPE weir_target_up gauge\n",
            "weir_target_up{instance=\"h:1\"} 0\n",
            "weir_target_samples{instance=\"h:1\"} 7.0\n",
            "weir_scrapes_total{instance=\"h:1\"} 1\n",
            "weir_scrape_failures_total{instance=\"h:1\",reason=\"timeout\"} 1\n",
            "weir_limit_refusals_total{limit=\"series\"} 0\n",
            "weir_scrape_duration_seconds_count 2\n",
            "weir_dropped_samples_total{subset=\"requests\"} 3\n",
            "weir_http_requests_total{endpoint=\"/metrics\",code=\"502\"} 1\n",
            "weir_panics_total 0",
            "process_resident_memory_bytes ",
            "# EOF\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
    }
}
