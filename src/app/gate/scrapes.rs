//! Scraping the target: once for all who ask, all or nothing, results swapped whole.

use crate::aggregate::merge::MergePolicy;
use crate::aggregate::snapshot::Snapshot;
use crate::app::clock::Clock;
use crate::app::gate::GateConfig;
use crate::app::gate::flight::{Deadline, Outcome, SingleFlight};
use crate::engine::{Engine, EngineConfig, OutputConfig, Published};
use crate::http::Client;
use crate::http::answer::Problem;
use crate::ledger::{CleanRead, ReadError, ReadLimits, ReadStats};
use crate::model::FingerprintKey;
use crate::source::scrape::Transfer;
use crate::source::{Refused, ScrapeError, ScrapeErrorKind, Scraper, Target, within};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::GoodScrape;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The number of the one target.
const TARGET: usize = 0;
/// How many there are.
const N_TARGETS: usize = 1;

/// What one good scrape made: all outputs, of the same moment.
#[derive(Debug)]
pub(super) struct Scraped {
    /// `None` for the one kept for subsets: the main output is not held beyond its requests.
    main: Option<Arc<Snapshot>>,
    subsets: Vec<(String, Arc<Snapshot>)>,
    /// When the request went out, by the wall clock.
    pub(super) started_ms: i64,
    /// The same moment, for ages.
    pub(super) began: Instant,
}

impl Scraped {
    /// The main output.
    pub(super) fn main(&self) -> Option<Arc<Snapshot>> {
        self.main.clone()
    }

    /// A subset, by its name.
    pub(super) fn subset(&self, name: &[u8]) -> Option<Arc<Snapshot>> {
        let mut subsets = self.subsets.iter();
        subsets
            .find(|(known, _)| known.as_bytes() == name)
            .map(|(_, snapshot)| Arc::clone(snapshot))
    }
}

/// The target, its ledger, and what the last good scrape made.
#[derive(Debug)]
pub(super) struct Scrapes {
    target: Target,
    instance: String,
    /// Names of the outputs, the main one first.
    output_names: ArcSwap<Vec<String>>,
    scraper: Scraper,
    flights: SingleFlight<Result<Arc<Scraped>, Problem>>,
    /// Held for the whole of a scrape: there is one at a time.
    state: Mutex<State>,
    last: ArcSwapOption<Scraped>,
    clock: Clock,
    limits: ReadLimits,
    policy: MergePolicy,
    random: fn() -> u64,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    engine: Engine,
    /// Whether the last scrape succeeded; `None` before the first.
    is_up: Option<bool>,
    /// Samples the rules of each output drop, as of `n_samples`.
    n_dropped: Vec<u64>,
    n_samples: usize,
}

impl State {
    fn new(engine: Engine, n_outputs: usize) -> Self {
        Self { engine, is_up: None, n_dropped: vec![0; n_outputs], n_samples: 0 }
    }
}

impl Scrapes {
    /// Prepare to scrape; nothing is asked yet.
    pub(super) fn new(config: GateConfig, metrics: Arc<Metrics>) -> Self {
        let names = names_of(&config.outputs);
        let GateConfig { read_limits: limits, policy, random, .. } = config;
        let engine = EngineConfig {
            outputs: config.outputs,
            limits,
            policy,
            counters: crate::aggregate::merge::Counters::Raw,
        };
        let engine = Engine::new(engine, FingerprintKey::new(random), N_TARGETS);
        let client = Client::new(config.proxies);
        Self {
            instance: config.target.instance(),
            target: config.target,
            state: Mutex::new(State::new(engine, names.len())),
            output_names: ArcSwap::from_pointee(names),
            scraper: Scraper::new(client, config.ask_for, config.body_bytes_max),
            flights: SingleFlight::default(),
            last: ArcSwapOption::empty(),
            clock: config.clock,
            limits,
            policy,
            random,
            metrics,
        }
    }

    /// Go on with other rules, from the next scrape on. Subsets of a name that stays show the last
    /// scrape by the old rules until then.
    pub(super) async fn reload(&self, outputs: Vec<OutputConfig>) {
        let names = names_of(&outputs);
        let engine = EngineConfig {
            outputs,
            limits: self.limits,
            policy: self.policy,
            counters: crate::aggregate::merge::Counters::Raw,
        };
        let engine = Engine::new(engine, FingerprintKey::new(self.random), N_TARGETS);
        let mut state = self.state.lock().await;
        *state = State { is_up: state.is_up, ..State::new(engine, names.len()) };
        self.metrics.forget_outputs();
        self.output_names.store(Arc::new(names));
    }

    /// Names of the outputs, the main one first.
    pub(super) fn output_names(&self) -> Arc<Vec<String>> {
        self.output_names.load_full()
    }

    /// What is scraped.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Asks the target, for requests that go past the rules.
    pub(super) fn scraper(&self) -> &Scraper {
        &self.scraper
    }

    /// The last good scrape.
    pub(super) fn last(&self) -> Option<Arc<Scraped>> {
        self.last.load_full()
    }

    /// Scrape, or wait for the scrape under way.
    pub(super) async fn scrape(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Arc<Scraped>, Problem> {
        let start = |deadline: Deadline| Arc::clone(self).fly(deadline);
        let (outcome, is_shared) = self.flights.join(deadline, start).await;
        if is_shared {
            self.metrics.scrape_shared();
        }
        match outcome {
            Outcome::Done(result) => result,
            Outcome::OutOfTime => Err(self.problem(&ScrapeError::new(
                ScrapeErrorKind::Timeout,
                "timed out waiting for the scrape another client has begun",
            ))),
            Outcome::Broken => Err(Problem::Internal),
        }
    }

    async fn fly(self: Arc<Self>, deadline: Deadline) -> Result<Arc<Scraped>, Problem> {
        // Waits only for a scrape that was given up a moment ago and is being dropped.
        let mut state = self.state.lock().await;
        let (started_ms, began) = ((self.clock)(), Instant::now());
        self.metrics.scrape_begun(&self.instance);
        let cancelled = CountIfDropped(Some(&self.metrics));
        let time_left = deadline.now().saturating_duration_since(began);
        let read = within(deadline.passed(), async {
            let exposition = self.scraper.open(&self.target, time_left).await?;
            let mut reader = state.engine.reader(TARGET, exposition.format);
            let pushed = |piece: &[u8]| reader.push(piece).map_err(|e| refused(&e));
            let transfer = exposition.read(pushed).await?;
            let clean = reader.finish().map_err(|e| refused(&e))?;
            Ok((transfer, clean))
        });
        let read = read.await;
        cancelled.disarm();
        match read {
            Ok((transfer, clean)) => {
                Ok(self.succeed(&mut state, transfer, clean, (started_ms, began)))
            }
            Err(error) => {
                self.fail(&mut state, &error, began);
                Err(self.problem(&error))
            }
        }
    }

    /// Commit a clean body and publish all outputs as one.
    fn succeed(
        &self,
        state: &mut State,
        transfer: Transfer,
        clean: CleanRead,
        (started_ms, began): (i64, Instant),
    ) -> Arc<Scraped> {
        let read = state.engine.commit(TARGET, clean);
        let published = state.engine.publish();
        self.count_outputs(state, &read, &published);

        let mut snapshots = published.into_iter().map(|output| output.snapshot);
        let main = snapshots.next();
        let subsets: Vec<_> = self.output_names().iter().skip(1).cloned().zip(snapshots).collect();
        if !subsets.is_empty() {
            let kept = Scraped { main: None, subsets: subsets.clone(), started_ms, began };
            self.last.store(Some(Arc::new(kept)));
        }

        let took = began.elapsed();
        let instance = self.instance.as_str();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
        let started_seconds = started_ms as f64 / 1000.0;
        let good = GoodScrape {
            started_seconds,
            n_samples: read.n_samples as u64,
            body_bytes: transfer.body_bytes,
            wire_bytes: transfer.wire_bytes,
        };
        self.metrics.scrape_succeeded(instance, took, good);
        let elapsed_ms = took.as_millis();
        let (bytes, samples) = (transfer.body_bytes, read.n_samples);
        tracing::debug!(instance, bytes, samples, new = read.n_cold, elapsed_ms, "Scraped.");
        if state.is_up.replace(true) != Some(true) {
            tracing::info!(instance, bytes, samples, elapsed_ms, "The target is up.");
        }
        Arc::new(Scraped { main, subsets, started_ms, began })
    }

    fn count_outputs(&self, state: &mut State, read: &ReadStats, published: &[Published]) {
        // Known lines in the same number are the same lines, and are dropped by the same rules.
        let is_changed = read.n_cold > 0 || read.n_samples != state.n_samples;
        state.n_samples = read.n_samples;
        if is_changed {
            self.metrics.forget_rule_drops();
        }
        for (at, (name, output)) in self.output_names().iter().zip(published).enumerate() {
            if is_changed {
                let by_rule = state.engine.dropped_by_rule(at);
                for &(rule, n_samples) in &by_rule {
                    self.metrics.rule_drops(name, rule, n_samples as u64);
                }
                state.n_dropped[at] = by_rule.iter().map(|(_, n)| *n as u64).sum();
            }
            self.metrics.samples_dropped(name, state.n_dropped[at]);
            self.metrics.output_published(name, output.stats.n_series as u64);
            let left_out = [
                ("quantile", output.stats.n_quantiles_dropped),
                ("bucket", output.stats.n_buckets_dropped),
            ];
            for (kind, n_series) in left_out {
                self.metrics.output_left_out(name, kind, n_series as u64);
            }
        }
        self.metrics.samples_nameless(read.n_nameless);
    }

    fn fail(&self, state: &mut State, error: &ScrapeError, began: Instant) {
        let (instance, reason) = (self.instance.as_str(), error.kind.reason());
        self.metrics.scrape_failed(instance, began.elapsed(), reason);
        if let Some(limit) = limit_of(reason) {
            self.metrics.limit_refusal(limit);
        }
        let error = error.to_string();
        if state.is_up.replace(false) == Some(false) {
            tracing::debug!(instance, reason, error, "The target is still down.");
        } else {
            tracing::warn!(instance, reason, error, "The target is down.");
        }
    }

    fn problem(&self, error: &ScrapeError) -> Problem {
        problem(&self.target, error)
    }
}

fn names_of(outputs: &[OutputConfig]) -> Vec<String> {
    outputs.iter().map(|output| output.name.clone()).collect()
}

/// A failed request to the target, as it is answered.
pub(super) fn problem(target: &Target, error: &ScrapeError) -> Problem {
    Problem::UpstreamFailed {
        lines: vec![format!("{target}: {error}")],
        is_timeout: error.kind == ScrapeErrorKind::Timeout,
    }
}

/// A body refused by its reader, as a failed scrape.
pub(super) fn refused(error: &ReadError) -> Refused {
    Refused { reason: error.reason(), message: error.to_string() }
}

/// The limit behind a failure, as it is counted.
fn limit_of(reason: &str) -> Option<&'static str> {
    match reason {
        "body_bytes" => Some("body_bytes"),
        "line_too_long" => Some("line_bytes"),
        "too_many_series" => Some("series"),
        "too_many_labels" => Some("labels"),
        _ => None,
    }
}

/// Counts a scrape that is dropped before its end: nobody waits for it any more.
struct CountIfDropped<'a>(Option<&'a Metrics>);

impl CountIfDropped<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CountIfDropped<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0 {
            metrics.scrape_cancelled();
        }
    }
}
