//! Scraping all targets: once for all who ask, results swapped whole.

use crate::aggregate::snapshot::Snapshot;
use crate::app::clock::Clock;
use crate::app::gate::config::{GateConfig, UpstreamConfig};
use crate::app::gate::flight::{Deadline, Outcome, SingleFlight};
use crate::app::gate::health::exposition_of;
use crate::app::gate::round;
use crate::app::gate::targets::{Health, Targets, Upstream};
use crate::config::file::Partial;
use crate::config::parse_target_groups;
use crate::discovery;
use crate::discovery::dns::Resolver;
use crate::discovery::{Discovered, Found, Source, Tools};
use crate::engine::{Engine, EngineConfig, Published, TargetConfig};
use crate::http::answer::Problem;
use crate::ledger::{ReadError, ReadLimits, ReadStats};
use crate::model::{FingerprintKey, Format};
use crate::relabel::{Action, NameScheme, Rule, RuleSpec, Rules};
use crate::source::scrape::Transfer;
use crate::source::{Refused, ScrapeError, ScrapeErrorKind, Scraper, Target};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::GoodScrape;
use crate::telemetry::metrics::Instance;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Failed targets that are told one by one.
const LINES_MAX: usize = 20;

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

/// The targets, their ledgers, and what the last good scrape made.
#[derive(Debug)]
pub(super) struct Scrapes {
    /// Changed only while `state` is held.
    plan: ArcSwap<ScrapePlan>,
    flights: SingleFlight<Result<Arc<Scraped>, Problem>>,
    /// Held for the whole of a scrape: there is one at a time.
    state: Mutex<State>,
    last: ArcSwapOption<Scraped>,
    /// How the targets of the last scrape are.
    health: ArcSwap<Vec<Health>>,
    clock: Clock,
    random: fn() -> u64,
    metrics: Arc<Metrics>,
}

/// What is scraped and what is made of it, from one reload to the next.
#[derive(Debug)]
pub(super) struct ScrapePlan {
    pub(super) upstreams: Vec<Arc<Upstream>>,
    resolver: Arc<Resolver>,
    config: GateConfig,
}

impl ScrapePlan {
    /// A plan that takes over from the one before what has not changed: connections, answers of
    /// name servers, lists.
    fn new(config: GateConfig, before: Option<&Self>) -> Self {
        let is_same_way = |old: &&Self| {
            let (old, new) = (&old.config, &config);
            old.dns == new.dns
                && old.ask_for == new.ask_for
                && old.body_bytes_max == new.body_bytes_max
        };
        let before = before.filter(is_same_way);
        let resolver = before.map_or_else(
            || Arc::new(Resolver::system(config.dns)),
            |before| Arc::clone(&before.resolver),
        );
        let tools = Tools {
            resolver: Arc::clone(&resolver),
            parse: parse_target_groups,
            proxies: config.proxies.clone(),
        };
        let upstream = |upstream: &UpstreamConfig| {
            let mut old = before.iter().flat_map(|before| &before.upstreams);
            if let Some(same) = old.find(|old| old.config == *upstream) {
                return Arc::clone(same);
            }
            let (client, proxies) = (upstream.client.clone(), config.proxies.clone());
            let scraper =
                Scraper::with_settings(client, proxies, config.ask_for, config.body_bytes_max);
            Arc::new(Upstream::new(upstream.clone(), scraper, &tools))
        };
        let upstreams = config.upstreams.iter().map(upstream).collect();
        Self { upstreams, resolver, config }
    }

    fn engine(&self, random: fn() -> u64) -> Engine {
        let config = EngineConfig {
            n_outputs: self.config.outputs.len(),
            limits: self.config.read_limits,
            merging: self.config.merging.merging(),
        };
        Engine::new(&config, FingerprintKey::new(random))
    }

    /// Whether the tables of the one are right for the other.
    fn has_same_tables(&self, other: &Self) -> bool {
        let limits = |plan: &Self| {
            let ReadLimits { line_bytes_max, series_max, labels_max } = plan.config.read_limits;
            (line_bytes_max, series_max, labels_max)
        };
        self.config.outputs == other.config.outputs
            && self.config.merging == other.config.merging
            && self.config.target_metrics == other.config.target_metrics
            && limits(self) == limits(other)
    }

    /// For each upstream of `old` which of these it is, if its series are what they were.
    fn becomes(&self, old: &Self) -> Vec<Option<usize>> {
        let is_same = |old: &UpstreamConfig, new: &UpstreamConfig| {
            old.targets == new.targets && old.rules == new.rules
        };
        let new = |old: &Arc<Upstream>| {
            self.upstreams.iter().position(|new| is_same(&old.config, &new.config))
        };
        old.upstreams.iter().map(new).collect()
    }

    /// What is in front of which weir stands, for people.
    pub(super) fn upstream_names(&self) -> Vec<&str> {
        self.upstreams.iter().map(|upstream| upstream.name()).collect()
    }
}

#[derive(Debug)]
struct State {
    engine: Engine,
    targets: Targets,
    /// The number of the target that tells of the others, once there is one.
    teller: Option<usize>,
    /// Samples the rules of each output drop, as of `n_samples`.
    n_dropped: Vec<u64>,
    n_samples: usize,
    /// What could not be found out in the last round.
    problems: Vec<discovery::Problem>,
}

impl State {
    fn new(engine: Engine, n_outputs: usize) -> Self {
        Self {
            engine,
            targets: Targets::default(),
            teller: None,
            n_dropped: vec![0; n_outputs],
            n_samples: 0,
            problems: Vec::new(),
        }
    }
}

impl Scrapes {
    /// Prepare to scrape; nothing is asked yet.
    pub(super) fn new(config: GateConfig, metrics: Arc<Metrics>) -> Self {
        let GateConfig { clock, random, .. } = config;
        let plan = ScrapePlan::new(config, None);
        for instance in fixed_instances(&plan) {
            metrics.declare_target(&Instance::new(&instance));
        }
        Self {
            state: Mutex::new(State::new(plan.engine(random), plan.config.outputs.len())),
            plan: ArcSwap::from_pointee(plan),
            flights: SingleFlight::default(),
            last: ArcSwapOption::empty(),
            health: ArcSwap::default(),
            clock,
            random,
            metrics,
        }
    }

    /// Go on by another configuration, from the next scrape on. The ledger of a target stays if
    /// neither it nor its rules have changed. Subsets of a name that stays show the last scrape by
    /// the old rules until then.
    pub(super) async fn reload(&self, config: GateConfig) {
        let mut state = self.state.lock().await;
        let old = self.plan.load_full();
        let plan = ScrapePlan::new(config, Some(&old));
        let State { engine, targets, .. } = &mut *state;
        if plan.has_same_tables(&old) {
            targets.move_to(&plan.becomes(&old), engine, &self.metrics);
        } else {
            targets.move_to(&[], engine, &self.metrics);
            *state = State::new(plan.engine(self.random), plan.config.outputs.len());
            self.metrics.forget_outputs();
        }
        for instance in fixed_instances(&plan) {
            self.metrics.declare_target(&Instance::new(&instance));
        }
        self.plan.store(Arc::new(plan));
    }

    /// Names of the outputs, the main one first.
    pub(super) fn output_names(&self) -> Vec<String> {
        self.plan.load().config.outputs.clone()
    }

    /// What is scraped, and how.
    pub(super) fn plan(&self) -> Arc<ScrapePlan> {
        self.plan.load_full()
    }

    /// The last good scrape.
    pub(super) fn last(&self) -> Option<Arc<Scraped>> {
        self.last.load_full()
    }

    /// The wall clock.
    pub(super) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Every target there is now, or the one that is named by its instance or its URL.
    pub(super) async fn choose(&self, name: Option<&str>) -> Result<Vec<Chosen>, Problem> {
        let plan = self.plan();
        let mut all = Vec::new();
        for upstream in &plan.upstreams {
            let found = upstream.find().await;
            let of_it = found.targets.into_iter();
            all.extend(of_it.map(|found| (Arc::clone(upstream), found.target)));
        }
        if all.is_empty() {
            let lines = vec![format!("{}: there are no targets", plan.upstream_names().join(", "))];
            return Err(Problem::UpstreamFailed { lines, is_timeout: false });
        }
        let Some(name) = name else { return Ok(all) };
        let names = |target: &Target| [target.instance(), target.to_string()];
        let told = all.iter().map(|(_, target)| target.instance()).collect();
        all.retain(|(_, target)| names(target).iter().any(|known| known == name));
        if all.is_empty() { Err(Problem::UnknownTarget { targets: told }) } else { Ok(all) }
    }

    /// How the targets of the last scrape are, in the order in which they were met.
    pub(super) fn health(&self) -> Arc<Vec<Health>> {
        self.health.load_full()
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
                let lines = vec![format!("{}: {message}", self.plan().upstream_names().join(", "))];
                Err(Problem::UpstreamFailed { lines, is_timeout: true })
            }
            Outcome::Broken => Err(Problem::Internal),
        }
    }

    async fn fly(self: Arc<Self>, deadline: Deadline) -> Result<Arc<Scraped>, Problem> {
        // Waits only for a scrape that was given up a moment ago and is being dropped.
        let mut state = self.state.lock().await;
        let plan = self.plan();
        let (started_ms, began) = ((self.clock)(), Instant::now());
        let cancelled = CountIfDropped(Some(&self.metrics));
        self.find(&plan, &mut state, deadline.now()).await;
        let State { engine, targets, .. } = &mut *state;
        engine.begin_round(started_ms);
        for known in targets.all.iter().filter(|known| known.is_found) {
            self.metrics.scrape_begun(&known.health.instance);
        }
        let concurrent_max = plan.config.concurrent_scrapes_max;
        let upstreams = &plan.upstreams;
        let outcomes =
            round::scrape_all(upstreams, targets, engine, deadline, concurrent_max).await;
        cancelled.disarm();
        let mut tally = Tally::default();
        for outcome in outcomes {
            self.note(&mut state, outcome, started_ms, &mut tally);
        }
        let judged = judge(&plan, &state, tally);
        let tally = match judged {
            Ok(tally) => tally,
            Err(problem) => {
                self.health.store(Arc::new(state.targets.health()));
                return Err(problem);
            }
        };
        if plan.config.target_metrics {
            tell(&plan, &mut state);
        }
        Ok(self.publish(&plan, &mut state, &tally, (started_ms, began)))
    }

    /// Find out which targets there are. An upstream that takes too long has those it had.
    async fn find(&self, plan: &ScrapePlan, state: &mut State, deadline: Instant) {
        let now = Instant::now();
        // Half of the time is for scraping what is found.
        let time = deadline.saturating_duration_since(now) / 2;
        let one = |upstream: Arc<Upstream>| async move {
            tokio::time::timeout(time, upstream.find()).await.ok()
        };
        let mut finding = tokio::task::JoinSet::new();
        let mut all: Vec<Arc<[Discovered]>> = vec![Arc::default(); plan.upstreams.len()];
        let mut problems = Vec::new();
        let mut n_duplicates = 0;
        for (number, upstream) in plan.upstreams.iter().enumerate() {
            if let Some((targets, n)) = upstream.fixed() {
                all[number] = targets;
                n_duplicates += n;
                continue;
            }
            let found = one(Arc::clone(upstream));
            finding.spawn(async move { (number, found.await) });
        }
        while let Some(ended) = finding.join_next().await {
            let Ok((number, found)) = ended else { continue };
            let found = found.unwrap_or_else(|| Found {
                targets: state.targets.of(number),
                problems: vec![discovery::Problem {
                    source: plan.upstreams[number].name().to_owned(),
                    reason: "timeout",
                    message: "finding the targets took too long".to_owned(),
                    kept: Some(Duration::ZERO),
                }],
                n_duplicates: 0,
            });
            problems.extend(found.problems);
            n_duplicates += found.n_duplicates;
            all[number] = found.targets.into();
        }
        for problem in &problems {
            self.metrics.discovery_problem(problem.reason);
            let is_new = !state
                .problems
                .iter()
                .any(|known| (&known.source, known.reason) == (&problem.source, problem.reason));
            if is_new {
                let (source, reason) = (problem.source.as_str(), problem.reason);
                let (error, is_kept) = (problem.message.as_str(), problem.kept.is_some());
                tracing::warn!(source, reason, error, is_kept, "Finding targets failed.");
            }
        }
        self.metrics.discovery_kept(problems.iter().filter_map(|problem| problem.kept).max());
        state.problems = problems;
        let State { engine, targets, .. } = state;
        targets.meet(&plan.upstreams, &all, (engine, &self.metrics), now);
        let n_targets = targets.all.iter().filter(|known| known.is_found).count();
        self.metrics.targets_found(n_targets, n_duplicates);
    }

    /// Take note of what became of a target.
    fn note(&self, state: &mut State, outcome: round::Outcome, began_ms: i64, tally: &mut Tally) {
        let State { engine, targets, .. } = state;
        let known = &mut targets.all[outcome.place];
        let number = known.number;
        let health = &mut known.health;
        let was_up = health.is_up.replace(outcome.result.is_ok());
        (health.last_scrape_ms, health.took) = (Some(began_ms), outcome.took);
        let labels = Arc::clone(&health.instance);
        let instance = labels.name();
        match outcome.result {
            Ok((transfer, read)) => {
                let is_changed = read.n_cold > 0 || read.n_samples != health.n_samples;
                if is_changed || was_up.is_none() {
                    health.n_series = engine.n_series_fed(number, 0);
                }
                (health.n_samples, health.body_bytes) = (read.n_samples, transfer.body_bytes);
                health.error = None;
                tally.add(&read, is_changed);
                self.metrics.scrape_succeeded(
                    &labels,
                    outcome.took,
                    good(began_ms, &read, transfer),
                );
                let (bytes, samples) = (transfer.body_bytes, read.n_samples);
                let elapsed_ms = outcome.took.as_millis();
                tracing::debug!(
                    instance,
                    bytes,
                    samples,
                    new = read.n_cold,
                    elapsed_ms,
                    "Scraped."
                );
                if was_up != Some(true) {
                    tracing::info!(instance, bytes, samples, elapsed_ms, "The target is up.");
                }
            }
            Err(error) => {
                let reason = error.kind.reason();
                self.metrics.scrape_failed(&labels, outcome.took, reason);
                if let Some(limit) = limit_of(reason) {
                    self.metrics.limit_refusal(limit);
                }
                let text = error.to_string();
                if was_up == Some(false) {
                    tracing::debug!(instance, reason, error = text, "The target is still down.");
                } else {
                    tracing::warn!(instance, reason, error = text, "The target is down.");
                }
                tally.failed.push((outcome.place, error));
                health.error = Some(text);
            }
        }
    }

    /// Publish all outputs as one.
    fn publish(
        &self,
        plan: &ScrapePlan,
        state: &mut State,
        tally: &Tally,
        (started_ms, began): (i64, Instant),
    ) -> Arc<Scraped> {
        let published = state.engine.publish();
        for known in &mut state.targets.all {
            known.health.n_resets = state.engine.n_resets(known.number);
            if known.is_found {
                self.metrics.target_resets(&known.health.instance, known.health.n_resets);
            }
        }
        self.health.store(Arc::new(state.targets.health()));
        self.count_outputs(plan, state, tally, &published);

        let mut snapshots = published.into_iter().map(|output| output.snapshot);
        let main = snapshots.next();
        let names = plan.config.outputs.iter().skip(1).cloned();
        let subsets: Vec<_> = names.zip(snapshots).collect();
        if !subsets.is_empty() {
            let kept = Scraped { main: None, subsets: subsets.clone(), started_ms, began };
            self.last.store(Some(Arc::new(kept)));
        }
        Arc::new(Scraped { main, subsets, started_ms, began })
    }

    fn count_outputs(
        &self,
        plan: &ScrapePlan,
        state: &mut State,
        tally: &Tally,
        published: &[Published],
    ) {
        // Known lines in the same number are the same lines, and are dropped by the same rules.
        let is_changed = tally.is_changed || tally.n_samples != state.n_samples;
        state.n_samples = tally.n_samples;
        if is_changed {
            self.metrics.forget_rule_drops();
        }
        for (at, (name, output)) in plan.config.outputs.iter().zip(published).enumerate() {
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
                ("chosen", output.stats.n_chosen_dropped),
            ];
            for (kind, n_series) in left_out {
                self.metrics.output_left_out(name, kind, n_series as u64);
            }
        }
        self.metrics.samples_nameless(tally.n_nameless);
    }
}

/// A target, and how to ask it.
pub(super) type Chosen = (Arc<Upstream>, Target);

/// What a round brought.
#[derive(Debug, Default)]
struct Tally {
    n_up: usize,
    n_samples: usize,
    n_nameless: u64,
    /// Some target has other series than before.
    is_changed: bool,
    /// Places of targets, and why they gave nothing.
    failed: Vec<(usize, ScrapeError)>,
}

impl Tally {
    fn add(&mut self, read: &ReadStats, is_changed: bool) {
        self.n_up += 1;
        self.n_samples += read.n_samples;
        self.n_nameless += read.n_nameless;
        self.is_changed |= is_changed;
    }
}

/// Whether a round is worth anything: not if nothing came, and not if everything had to come.
fn judge(plan: &ScrapePlan, state: &State, mut tally: Tally) -> Result<Tally, Problem> {
    let is_worth = match plan.config.partial {
        Partial::Allow => tally.n_up > 0,
        Partial::Fail => tally.n_up > 0 && tally.failed.is_empty(),
    };
    if is_worth {
        return Ok(tally);
    }
    tally.failed.sort_by_key(|(place, _)| *place);
    let failed = tally.failed.iter();
    let mut lines: Vec<String> = failed
        .map(|(place, error)| format!("{}: {error}", state.targets.all[*place].health.target))
        .take(LINES_MAX)
        .collect();
    if tally.failed.len() > LINES_MAX {
        lines.push(format!("and {} more", tally.failed.len() - LINES_MAX));
    }
    if lines.is_empty() {
        lines = state.problems.iter().map(|p| format!("{}: {}", p.source, p.message)).collect();
    }
    if lines.is_empty() {
        lines.push(format!("{}: there are no targets", plan.upstream_names().join(", ")));
    }
    let mut kinds = tally.failed.iter().map(|(_, error)| error.kind);
    let is_timeout = !tally.failed.is_empty() && kinds.all(|k| k == ScrapeErrorKind::Timeout);
    Err(Problem::UpstreamFailed { lines, is_timeout })
}

/// Let the main output tell how the targets are, as Prometheus does: as what one more target says.
fn tell(plan: &ScrapePlan, state: &mut State) {
    let text = exposition_of(&state.targets.health());
    let number = *state.teller.get_or_insert_with(|| {
        let n_subsets = plan.config.outputs.len() - 1;
        let mut rules = vec![Rules::default()];
        rules.extend(std::iter::repeat_n(drop_all(), n_subsets));
        state.engine.add_target(&TargetConfig::new(rules))
    });
    let mut reader = state.engine.reader(number, Format::Text);
    let read = reader.push(text.as_bytes()).and_then(|()| reader.finish());
    match read {
        Ok(clean) => {
            state.engine.commit(number, clean);
        }
        Err(error) => {
            let error = error.to_string();
            tracing::error!(error, "The targets' metrics are malformed, please report this.");
        }
    }
}

/// Rules that keep nothing.
fn drop_all() -> Rules {
    let spec = RuleSpec { action: Action::Drop, ..RuleSpec::default() };
    Rule::compile(&spec, NameScheme::Utf8)
        .map_or_else(|_| Rules::default(), |rule| Rules::new(vec![rule]))
}

/// The addresses that are known before anything is asked.
fn fixed_instances(plan: &ScrapePlan) -> Vec<String> {
    let sources = plan.config.upstreams.iter().flat_map(|upstream| &upstream.targets.sources);
    let fixed = sources.filter_map(|source| match source {
        Source::Fixed(target) => Some(target.instance()),
        _ => None,
    });
    fixed.collect()
}

fn good(began_ms: i64, read: &ReadStats, transfer: Transfer) -> GoodScrape {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
    let started_seconds = began_ms as f64 / 1000.0;
    GoodScrape {
        started_seconds,
        n_samples: read.n_samples as u64,
        body_bytes: transfer.body_bytes,
        wire_bytes: transfer.wire_bytes,
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
