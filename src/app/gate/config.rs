//! What a gate does: the part of a configuration it takes.

use crate::aggregate::choice::Merging;
use crate::aggregate::merge::{Counters, MergePolicy};
use crate::app::clock;
use crate::app::clock::Clock;
use crate::app::gate::forward::ForwardPlan;
use crate::app::gate::received::ReceivePlan;
use crate::app::options::random_word;
use crate::app::push::serve::QUEUE_TIME_MAX;
use crate::app::push::serve::queue_max;
use crate::config::RuleSet;
use crate::config::file::aggregate::MergeRule;
use crate::config::file::upstream::Upstream;
use crate::config::file::{Config, Merge, Partial, UpstreamEncoding};
use crate::discovery::{DnsOptions, Plan, Source};
use crate::http::client::AskFor;
use crate::http::proxy::{ProxyRules, ProxySettings};
use crate::http::server::ServerLimits;
use crate::http::settings::ClientSettings;
use crate::ledger::ReadLimits;
use crate::remote_write;
use crate::remote_write::Destinations;
use crate::source::Target;
use std::sync::Arc;
use std::time::Duration;

/// What a gate does.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// What to scrape.
    pub upstreams: Vec<UpstreamConfig>,
    /// The names of the outputs: the main one, without a name, first; then the subsets.
    pub outputs: Vec<String>,
    /// How series that become one are merged.
    pub merging: MergeConfig,
    /// What a scrape is worth when some targets failed.
    pub partial: Partial,
    /// Whether the main output tells of each target whether it is up.
    pub target_metrics: bool,
    /// Targets that are scraped at the same time.
    pub concurrent_scrapes_max: usize,
    /// How names are looked up.
    pub dns: DnsOptions,
    /// Bounds on lines, series and labels.
    pub read_limits: ReadLimits,
    /// Bound on the decoded body.
    pub body_bytes_max: u64,
    /// How long a scrape may take; `None`: as long as the asker waits, else 15 s.
    pub scrape_timeout: Option<Duration>,
    /// How old a subset may be.
    pub subset_max_age: Duration,
    /// Whether samples of subsets carry the time of their scrape.
    pub subset_timestamps: bool,
    /// Bounds on the server.
    pub server: ServerLimits,
    /// Proxies between here and the targets.
    pub proxies: ProxyRules,
    /// Which encodings to ask targets for.
    pub ask_for: AskFor,
    /// The wall clock.
    pub clock: Clock,
    /// Words nobody can foresee, for the keys of fingerprints.
    pub random: fn() -> u64,
    /// Those who send, at the start; a reload has them send to `remote_write`.
    pub destinations: Option<Arc<Destinations>>,
    /// Where series are sent to.
    pub remote_write: Vec<remote_write::Settings>,
    /// When weir scrapes of its own accord, to send what it finds.
    pub forward: Option<ForwardPlan>,
    /// What is pushed, if it is to be received.
    pub receive: Option<ReceivePlan>,
}

/// Targets that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamConfig {
    /// Where they are.
    pub targets: Plan,
    /// How to ask them.
    pub client: ClientSettings,
    /// Time for one scrape, if there is less than for all together.
    pub scrape_timeout: Option<Duration>,
    /// For each output the rules for what comes from here.
    pub rules: Vec<RuleSet>,
}

/// How series that become one are merged.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeConfig {
    /// By type, or not.
    pub policy: MergePolicy,
    /// What counters of several targets become.
    pub counters: Counters,
    /// Where the type is not to decide.
    pub rules: Vec<MergeRule>,
}

impl MergeConfig {
    /// The same, for the table of an output.
    pub fn merging(&self) -> Merging {
        let choices = self.rules.iter().map(MergeRule::choice).collect();
        Merging { policy: self.policy, counters: self.counters, choices }
    }
}

impl GateConfig {
    /// What a configuration asks for and a gate cannot do, a line each.
    pub fn impossible(config: &Config) -> Vec<String> {
        let mut errors = ReceivePlan::impossible(config);
        if config.upstreams.is_empty() && config.receive.is_none() && config.push.is_none() {
            errors.push("there is nothing to do: give upstreams, or receive".to_owned());
        }
        errors
    }

    /// The part of a configuration that a gate takes.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, a line each.
    pub fn new(config: &Config, proxies: &ProxySettings) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let proxies = ProxyRules::new(proxies).map_err(|e| {
            errors.push(format!("HTTP_PROXY or HTTPS_PROXY is no proxy's URL: {e}"));
        });
        errors.extend(Self::impossible(config));
        let (Ok(proxies), true) = (proxies, errors.is_empty()) else {
            return Err(errors);
        };
        let limits = &config.limits;
        let names = config.subsets.iter().map(|(name, _)| name.clone());
        Ok(Self {
            upstreams: config.upstreams.iter().map(|upstream| taken(upstream, config)).collect(),
            outputs: std::iter::once(String::new()).chain(names).collect(),
            merging: MergeConfig {
                policy: match config.merge {
                    Merge::Typed => MergePolicy::Typed,
                    Merge::Sum => MergePolicy::Sum,
                },
                counters: config.counters.unwrap_or(counters_for(&config.upstreams)),
                rules: config.aggregate.clone(),
            },
            partial: config.partial,
            target_metrics: config.target_metrics,
            concurrent_scrapes_max: limits.concurrent_scrapes_max,
            dns: config.dns,
            read_limits: ReadLimits {
                line_bytes_max: limits.line_bytes_max,
                series_max: limits.series_max,
                labels_max: limits.labels_max,
            },
            body_bytes_max: limits.body_bytes_max,
            scrape_timeout: match &config.upstreams[..] {
                [only] => only.scrape_timeout.or(config.scrape_timeout),
                _ => config.scrape_timeout,
            },
            subset_max_age: config.subset_max_age,
            subset_timestamps: config.subset_timestamps,
            server: ServerLimits {
                connections_max: limits.connections_max,
                // Jobs that push wait; who scrapes comes again anyway.
                queue_max: if config.push.is_some() { queue_max(limits) } else { 0 },
                queue_time_max: QUEUE_TIME_MAX,
                header_time_max: limits.header_time_max,
                stall_time_max: limits.stall_time_max,
                drain_time_max: limits.drain_time_max,
            },
            proxies,
            ask_for: match config.upstream_encoding {
                UpstreamEncoding::Auto => AskFor::Auto,
                UpstreamEncoding::Identity => AskFor::Identity,
                UpstreamEncoding::Gzip => AskFor::Gzip,
            },
            clock: clock::system_time_ms,
            random: random_word,
            destinations: None,
            remote_write: config.remote_write.iter().map(|one| one.settings.clone()).collect(),
            forward: ForwardPlan::of(config),
            receive: ReceivePlan::of(config),
        })
    }
}

impl GateConfig {
    /// The same with one more target, whose series go through the rules of all outputs.
    #[must_use]
    pub fn with_target(mut self, config: &Config, target: Target) -> Self {
        let subsets = config.subsets.iter().map(|(_, rules)| rules);
        self.upstreams.push(UpstreamConfig {
            targets: Plan::one(Source::Fixed(target)),
            client: ClientSettings::default(),
            scrape_timeout: None,
            rules: std::iter::once(&config.main).chain(subsets).cloned().collect(),
        });
        self
    }
}

/// An upstream with the rules of all outputs.
fn taken(upstream: &Upstream, config: &Config) -> UpstreamConfig {
    let subsets = config.subsets.iter().map(|(_, rules)| rules);
    let outputs = std::iter::once(&config.main).chain(subsets);
    UpstreamConfig {
        targets: upstream.targets.clone(),
        client: upstream.client.clone(),
        scrape_timeout: upstream.scrape_timeout,
        rules: outputs.map(|output| upstream.rules.followed_by(output)).collect(),
    }
}

/// What counters become unless somebody says: with one target they are what the target says, as
/// if weir were not there; with several a sum of such would fall whenever one of them restarts.
fn counters_for(upstreams: &[Upstream]) -> Counters {
    let is_one = |upstream: &Upstream| matches!(&upstream.targets.sources[..], [Source::Fixed(_)]);
    match upstreams {
        [upstream] if is_one(upstream) => Counters::Raw,
        _ => Counters::ResetSafe,
    }
}
