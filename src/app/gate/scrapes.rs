//! Scraping the target: once for all who ask, all or nothing, results swapped whole.

use crate::aggregate::choice::Merging;
use crate::aggregate::merge::{Counters, MergePolicy};
use crate::aggregate::snapshot::Snapshot;
use crate::app::clock::Clock;
use crate::app::gate::GateConfig;
use crate::app::gate::flight::{Deadline, Outcome, SingleFlight};
use crate::config::RuleSet;
use crate::engine::{Engine, EngineConfig, Published, TargetConfig};
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
    /// Changed only while `state` is held.
    plan: ArcSwap<ScrapePlan>,
    flights: SingleFlight<Result<Arc<Scraped>, Problem>>,
    /// Held for the whole of a scrape: there is one at a time.
    state: Mutex<State>,
    last: ArcSwapOption<Scraped>,
    clock: Clock,
    random: fn() -> u64,
    metrics: Arc<Metrics>,
}

/// What is scraped and what is made of it, from one reload to the next.
#[derive(Debug)]
pub(super) struct ScrapePlan {
    /// What is scraped.
    pub(super) target: Target,
    /// Asks the target.
    pub(super) scraper: Scraper,
    instance: String,
    /// The outputs by name, the main one first.
    outputs: Vec<(String, RuleSet)>,
    limits: ReadLimits,
    policy: MergePolicy,
}

impl ScrapePlan {
    fn new(config: GateConfig) -> Self {
        let GateConfig { client, proxies, ask_for, body_bytes_max, .. } = config;
        Self {
            instance: config.target.instance(),
            target: config.target,
            scraper: Scraper::with_settings(client, proxies, ask_for, body_bytes_max),
            outputs: config.outputs,
            limits: config.read_limits,
            policy: config.policy,
        }
    }

    fn engine(&self, random: fn() -> u64) -> Engine {
        let (limits, policy) = (self.limits, self.policy);
        let (n_outputs, counters) = (self.outputs.len(), Counters::Raw);
        let config = EngineConfig {
            n_outputs,
            limits,
            merging: Merging { policy, counters, ..Merging::default() },
        };
        let mut engine = Engine::new(&config, FingerprintKey::new(random));
        let rules = self.outputs.iter().map(|(_, set)| set.rules.clone()).collect();
        engine.add_target(&TargetConfig::new(rules));
        engine
    }

    /// Whether a ledger of the one is right for the other.
    fn has_same_ledger(&self, other: &Self) -> bool {
        let limits = |plan: &Self| {
            let ReadLimits { line_bytes_max, series_max, labels_max } = plan.limits;
            (line_bytes_max, series_max, labels_max)
        };
        self.target == other.target
            && self.outputs == other.outputs
            && self.policy == other.policy
            && limits(self) == limits(other)
    }
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
        let GateConfig { clock, random, .. } = config;
        let plan = ScrapePlan::new(config);
        Self {
            state: Mutex::new(State::new(plan.engine(random), plan.outputs.len())),
            plan: ArcSwap::from_pointee(plan),
            flights: SingleFlight::default(),
            last: ArcSwapOption::empty(),
            clock,
            random,
            metrics,
        }
    }

    /// Go on by another configuration, from the next scrape on. The ledger stays if neither target
    /// nor rules have changed. Subsets of a name that stays show the last scrape by the old rules
    /// until then.
    pub(super) async fn reload(&self, config: GateConfig) {
        let plan = ScrapePlan::new(config);
        let mut state = self.state.lock().await;
        let old = self.plan.load_full();
        if !plan.has_same_ledger(&old) {
            let engine = plan.engine(self.random);
            let is_up = state.is_up.filter(|_| plan.target == old.target);
            *state = State { is_up, ..State::new(engine, plan.outputs.len()) };
            self.metrics.forget_outputs();
        }
        if plan.instance != old.instance {
            self.metrics.forget_target(&old.instance);
            self.metrics.declare_target(&plan.instance);
        }
        self.plan.store(Arc::new(plan));
    }

    /// Names of the outputs, the main one first.
    pub(super) fn output_names(&self) -> Vec<String> {
        self.plan.load().outputs.iter().map(|(name, _)| name.clone()).collect()
    }

    /// What is scraped, and how.
    pub(super) fn plan(&self) -> Arc<ScrapePlan> {
        self.plan.load_full()
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
            Outcome::OutOfTime => {
                let message = "timed out waiting for the scrape another client has begun";
                let error = ScrapeError::new(ScrapeErrorKind::Timeout, message);
                Err(problem(&self.plan().target, &error))
            }
            Outcome::Broken => Err(Problem::Internal),
        }
    }

    async fn fly(self: Arc<Self>, deadline: Deadline) -> Result<Arc<Scraped>, Problem> {
        // Waits only for a scrape that was given up a moment ago and is being dropped.
        let mut state = self.state.lock().await;
        let plan = self.plan();
        let (started_ms, began) = ((self.clock)(), Instant::now());
        self.metrics.scrape_begun(&plan.instance);
        let cancelled = CountIfDropped(Some(&self.metrics));
        let time_left = deadline.now().saturating_duration_since(began);
        let read = within(deadline.passed(), async {
            let exposition = plan.scraper.open(&plan.target, time_left).await?;
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
                Ok(self.succeed(&plan, &mut state, transfer, clean, (started_ms, began)))
            }
            Err(error) => {
                self.fail(&plan, &mut state, &error, began);
                Err(problem(&plan.target, &error))
            }
        }
    }

    /// Commit a clean body and publish all outputs as one.
    fn succeed(
        &self,
        plan: &ScrapePlan,
        state: &mut State,
        transfer: Transfer,
        clean: CleanRead,
        (started_ms, began): (i64, Instant),
    ) -> Arc<Scraped> {
        let read = state.engine.commit(TARGET, clean);
        let published = state.engine.publish();
        self.count_outputs(plan, state, &read, &published);

        let mut snapshots = published.into_iter().map(|output| output.snapshot);
        let main = snapshots.next();
        let names = plan.outputs.iter().skip(1).map(|(name, _)| name.clone());
        let subsets: Vec<_> = names.zip(snapshots).collect();
        if !subsets.is_empty() {
            let kept = Scraped { main: None, subsets: subsets.clone(), started_ms, began };
            self.last.store(Some(Arc::new(kept)));
        }

        let took = began.elapsed();
        let instance = plan.instance.as_str();
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

    fn count_outputs(
        &self,
        plan: &ScrapePlan,
        state: &mut State,
        read: &ReadStats,
        published: &[Published],
    ) {
        // Known lines in the same number are the same lines, and are dropped by the same rules.
        let is_changed = read.n_cold > 0 || read.n_samples != state.n_samples;
        state.n_samples = read.n_samples;
        if is_changed {
            self.metrics.forget_rule_drops();
        }
        for (at, ((name, _), output)) in plan.outputs.iter().zip(published).enumerate() {
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

    fn fail(&self, plan: &ScrapePlan, state: &mut State, error: &ScrapeError, began: Instant) {
        let (instance, reason) = (plan.instance.as_str(), error.kind.reason());
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
