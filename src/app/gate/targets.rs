//! The targets of all upstreams: which there are, and what became of each.
//!
//! ```text
//! upstreams ─► find ─► Found ─► Targets::meet ─► one state a target ─► health, for the page
//! ```
//!
//! A target is known by its upstream and its address, and has a number in the engine for as long
//! as it is known: until it has not been found for [`KEEP`], so that one that comes back goes on
//! counting where it was. Nothing here scrapes.

use crate::app::gate::config::UpstreamConfig;
use crate::discovery::{Discovered, Discovery, Found, Tools};
use crate::engine::{Engine, TargetConfig};
use crate::relabel::Rules;
use crate::source::{Scraper, Target};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Instance;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a target is remembered that is no longer found; the ledger remembers a series as long.
pub(super) const KEEP: Duration = Duration::from_mins(10);

/// An upstream, ready to be asked.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) config: UpstreamConfig,
    pub(super) scraper: Scraper,
    discovery: Discovery,
    /// Its targets, if they are always the same, and how many were named more than once.
    fixed: Option<(Arc<[Discovered]>, usize)>,
    rules: Arc<[Rules]>,
    /// What it is called in messages.
    name: Arc<str>,
}

impl Upstream {
    pub(super) fn new(config: UpstreamConfig, scraper: Scraper, tools: &Tools) -> Self {
        let discovery = Discovery::new(config.targets.clone(), tools);
        let rules = config.rules.iter().map(|set| set.rules.clone()).collect();
        let names: Vec<String> = config.targets.sources.iter().map(ToString::to_string).collect();
        let fixed = discovery.fixed_targets().filter(|found| found.problems.is_empty());
        let fixed = fixed.map(|found| (found.targets.into(), found.n_duplicates));
        Self { scraper, discovery, fixed, rules, name: names.join(", ").into(), config }
    }

    /// Its URL, or what names its targets. Shows no credentials.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its targets, if they are always the same, and how many were named more than once.
    pub(super) fn fixed(&self) -> Option<(Arc<[Discovered]>, usize)> {
        self.fixed.clone()
    }

    /// Its targets now.
    pub(super) async fn find(&self) -> Found {
        self.discovery.find().await
    }
}

/// What is known about a target. Cheap to clone: all of it is after each scrape.
#[derive(Clone, Debug)]
pub(super) struct Health {
    /// What upstream it is of.
    pub(super) upstream: Arc<str>,
    pub(super) target: Arc<Target>,
    pub(super) instance: Arc<Instance>,
    pub(super) labels: Arc<[(String, String)]>,
    /// Whether the last scrape succeeded; `None` before the first.
    pub(super) is_up: Option<bool>,
    /// When the last scrape began, by the wall clock.
    pub(super) last_scrape_ms: Option<i64>,
    /// How long it took.
    pub(super) took: Duration,
    /// Of the last good scrape.
    pub(super) n_samples: usize,
    /// Of the last good scrape, decoded.
    pub(super) body_bytes: u64,
    /// Series of the main output it feeds.
    pub(super) n_series: usize,
    /// Scrapes that found counters reset.
    pub(super) n_resets: u64,
    /// Why the last scrape failed, if it did.
    pub(super) error: Option<String>,
}

/// A target that is known.
#[derive(Debug)]
pub(super) struct Known {
    /// Its number in the engine.
    pub(super) number: usize,
    /// The number of its upstream.
    pub(super) upstream: usize,
    pub(super) health: Health,
    /// Whether it was found this time.
    pub(super) is_found: bool,
    last_found: Instant,
}

/// All targets that are known, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub(super) all: Vec<Known>,
}

impl Targets {
    /// Take note of what was found: `found[n]` by upstream `n`.
    pub(super) fn meet(
        &mut self,
        upstreams: &[Arc<Upstream>],
        found: &[Arc<[Discovered]>],
        (engine, metrics): (&mut Engine, &Metrics),
        now: Instant,
    ) {
        for (upstream, discovered, place) in self.places_of(found) {
            let known = place.and_then(|at| self.all.get_mut(at));
            if let Some(known) = known.filter(|known| *known.health.labels == *discovered.labels) {
                (known.is_found, known.last_found) = (true, now);
            } else {
                let known = introduce(upstream, &upstreams[upstream], discovered, engine, now);
                self.all.push(known);
            }
        }
        self.keep(engine, metrics, |known| {
            known.is_found || now.duration_since(known.last_found) < KEEP
        });
        for known in self.all.iter().filter(|known| known.last_found == now) {
            if known.health.is_up.is_none() {
                metrics.declare_target(&known.health.instance);
            }
        }
    }

    /// What was found, by which upstream, and its place if it is known. From here on, none of those
    /// that are known counts as found.
    fn places_of<'f>(
        &mut self,
        found: &'f [Arc<[Discovered]>],
    ) -> Vec<(usize, &'f Discovered, Option<usize>)> {
        self.all.iter_mut().for_each(|known| known.is_found = false);
        let places = self.all.iter().enumerate();
        let places: HashMap<(usize, &Target), usize> =
            places.map(|(at, known)| ((known.upstream, &*known.health.target), at)).collect();
        let mut all = Vec::with_capacity(self.all.len());
        for (upstream, found) in found.iter().enumerate() {
            for discovered in &**found {
                let place = places.get(&(upstream, &discovered.target)).copied();
                all.push((upstream, discovered, place));
            }
        }
        all
    }

    /// Go over to other upstreams, of which `becomes[n]` is what upstream `n` is now, if it is
    /// still there and its series are what they were.
    pub(super) fn move_to(
        &mut self,
        becomes: &[Option<usize>],
        engine: &mut Engine,
        metrics: &Metrics,
    ) {
        let of = |known: &Known| becomes.get(known.upstream).copied().flatten();
        self.keep(engine, metrics, |known| of(known).is_some());
        for known in &mut self.all {
            known.upstream = of(known).unwrap_or(known.upstream);
        }
    }

    /// Forget all others.
    fn keep(&mut self, engine: &mut Engine, metrics: &Metrics, is_kept: impl Fn(&Known) -> bool) {
        if self.all.iter().all(&is_kept) {
            return;
        }
        let before = self.instances();
        self.all.retain(|known| {
            let is_kept = is_kept(known);
            if !is_kept {
                engine.forget(known.number);
            }
            is_kept
        });
        for gone in before.difference(&self.instances()) {
            metrics.forget_target(gone);
        }
    }

    /// Those of an upstream that were found the last time.
    pub(super) fn of(&self, upstream: usize) -> Vec<Discovered> {
        let of_it = self.all.iter().filter(|known| known.is_found && known.upstream == upstream);
        let discovered = of_it.map(|known| Discovered {
            target: (*known.health.target).clone(),
            labels: known.health.labels.to_vec(),
        });
        discovered.collect()
    }

    fn instances(&self) -> HashSet<Arc<Instance>> {
        self.all.iter().map(|known| Arc::clone(&known.health.instance)).collect()
    }

    /// What is known about those that were found this time.
    pub(super) fn health(&self) -> Vec<Health> {
        let found = self.all.iter().filter(|known| known.is_found);
        found.map(|known| known.health.clone()).collect()
    }
}

fn introduce(
    number_of_upstream: usize,
    upstream: &Upstream,
    discovered: &Discovered,
    engine: &mut Engine,
    now: Instant,
) -> Known {
    let Discovered { target, labels } = discovered;
    let labels: Arc<[_]> = labels.as_slice().into();
    let config = TargetConfig { rules: Arc::clone(&upstream.rules), labels: Arc::clone(&labels) };
    let health = Health {
        upstream: Arc::clone(&upstream.name),
        instance: Arc::new(Instance::new(&target.instance())),
        target: Arc::new(target.clone()),
        labels,
        is_up: None,
        last_scrape_ms: None,
        took: Duration::ZERO,
        n_samples: 0,
        body_bytes: 0,
        n_series: 0,
        n_resets: 0,
        error: None,
    };
    let number = engine.add_target(&config);
    Known { number, upstream: number_of_upstream, health, is_found: true, last_found: now }
}
