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
    rules: Arc<[Rules]>,
    /// What it is called in messages.
    name: String,
}

impl Upstream {
    pub(super) fn new(config: UpstreamConfig, scraper: Scraper, tools: &Tools) -> Self {
        let discovery = Discovery::new(config.targets.clone(), tools);
        let rules = config.rules.iter().map(|set| set.rules.clone()).collect();
        let names: Vec<String> = config.targets.sources.iter().map(ToString::to_string).collect();
        Self { scraper, discovery, rules, name: names.join(", "), config }
    }

    /// Its URL, or what names its targets. Shows no credentials.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its targets now.
    pub(super) async fn find(&self) -> Found {
        self.discovery.find().await
    }
}

/// What is known about a target.
#[derive(Clone, Debug)]
pub(super) struct Health {
    /// What upstream it is of.
    pub(super) upstream: String,
    pub(super) target: Target,
    pub(super) instance: String,
    pub(super) labels: Vec<(String, String)>,
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
        found: Vec<Vec<Discovered>>,
        (engine, metrics): (&mut Engine, &Metrics),
        now: Instant,
    ) {
        let places = self.all.iter().enumerate();
        let key = |upstream: usize, target: &Target| format!("{upstream} {target:?}");
        let places: HashMap<String, usize> =
            places.map(|(at, known)| (key(known.upstream, &known.health.target), at)).collect();
        self.all.iter_mut().for_each(|known| known.is_found = false);
        for (upstream, found) in found.into_iter().enumerate() {
            for discovered in found {
                let place = places.get(&key(upstream, &discovered.target));
                let known = place.and_then(|&at| self.all.get_mut(at));
                if let Some(known) = known.filter(|known| known.health.labels == discovered.labels)
                {
                    (known.is_found, known.last_found) = (true, now);
                } else {
                    let known = introduce(upstream, &upstreams[upstream], discovered, engine, now);
                    self.all.push(known);
                }
            }
        }
        let instances = self.instances();
        self.all.retain(|known| {
            let is_kept = known.is_found || now.duration_since(known.last_found) < KEEP;
            if !is_kept {
                engine.forget(known.number);
            }
            is_kept
        });
        let still = self.instances();
        for gone in instances.difference(&still) {
            metrics.forget_target(gone);
        }
        for known in self.all.iter().filter(|known| known.last_found == now) {
            if known.health.is_up.is_none() {
                metrics.declare_target(&known.health.instance);
            }
        }
    }

    /// Go over to other upstreams, of which `becomes[n]` is what upstream `n` is now, if it is
    /// still there and its series are what they were.
    pub(super) fn move_to(
        &mut self,
        becomes: &[Option<usize>],
        engine: &mut Engine,
        metrics: &Metrics,
    ) {
        let instances = self.instances();
        self.all.retain_mut(|known| {
            let Some(upstream) = becomes.get(known.upstream).copied().flatten() else {
                engine.forget(known.number);
                return false;
            };
            known.upstream = upstream;
            true
        });
        for gone in instances.difference(&self.instances()) {
            metrics.forget_target(gone);
        }
    }

    /// Those of an upstream that were found the last time.
    pub(super) fn of(&self, upstream: usize) -> Vec<Discovered> {
        let of_it = self.all.iter().filter(|known| known.is_found && known.upstream == upstream);
        let discovered = of_it.map(|known| Discovered {
            target: known.health.target.clone(),
            labels: known.health.labels.clone(),
        });
        discovered.collect()
    }

    fn instances(&self) -> HashSet<String> {
        self.all.iter().map(|known| known.health.instance.clone()).collect()
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
    discovered: Discovered,
    engine: &mut Engine,
    now: Instant,
) -> Known {
    let Discovered { target, labels } = discovered;
    let config = TargetConfig { rules: Arc::clone(&upstream.rules), labels: labels.clone().into() };
    let health = Health {
        upstream: upstream.name.clone(),
        instance: target.instance(),
        target,
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
