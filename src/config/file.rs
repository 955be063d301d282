//! The configuration file: `weir --config weir.yaml`.
//!
//! Everything the flags can say, several upstreams, and what is too long for a flag. Each part of
//! the file is a module here with its table of keys, from which both the decoder and the JSON
//! schema come. Flags become the same [`Config`], so that whoever serves knows one kind of input.
//!
//! Durations are Prometheus' (`1m30s`), sizes too (`64MB`, in powers of 1024). Names of files are
//! relative to the folder of the configuration file.

pub mod aggregate;
mod http_client;
pub mod limits;
pub mod listen;
mod outputs;
pub mod push;
pub mod receive;
pub mod remote_write;
mod shape;
mod stream;
mod targets;
pub mod upstream;
mod value;
pub mod web;

use super::decode;
use super::decode::Entry;
use super::decode::Path;
use super::decode::Report;
use super::error::ConfigErrors;
use super::error::Finding;
use super::node;
use super::node::Kind;
use super::node::Node;
use super::relabel;
use super::relabel::MAIN_KEY;
use super::relabel::RuleSet;
use crate::discovery::DnsFamily;
use crate::discovery::DnsOptions;
use crate::stream::Rule as StreamRule;
use crate::telemetry::log::LogFormat;
use aggregate::Counters;
use aggregate::MergeRule;
use limits::Limits;
use limits::set;
use listen::ListenAddress;
use push::PushConfig;
use receive::ReceiveSettings;
use remote_write::RemoteWrite;
use shape::Key;
use shape::Object;
use shape::Shape;
use std::path::Path as FilePath;
use std::path::PathBuf;
use std::time::Duration;
use upstream::Upstream;

/// Older subsets are not shown.
pub const SUBSET_MAX_AGE: Duration = Duration::from_mins(5);

/// How series that become one are merged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Merge {
    /// By the type of their family.
    #[default]
    Typed,
    /// Summed, whatever they are, as metric-gate does.
    Sum,
}

/// What a scrape of several targets is worth when some of them failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Partial {
    /// What the others gave.
    #[default]
    Allow,
    /// Nothing: it has failed.
    Fail,
}

/// Which encodings to ask targets for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UpstreamEncoding {
    /// As is on loopback, gzip across a network.
    #[default]
    Auto,
    /// As is.
    Identity,
    /// gzip.
    Gzip,
}

/// What weir is to do. Everything in here has been checked, but for files it names.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// Where to listen.
    pub listen: ListenAddress,
    /// Where queues and state are kept; `None`: nothing is kept on disk.
    pub data_dir: Option<PathBuf>,
    /// How often weir scrapes, where it does so on its own clock.
    pub scrape_interval: Option<Duration>,
    /// How long a scrape may take, unless the upstream says otherwise.
    pub scrape_timeout: Option<Duration>,
    /// A web configuration file: who may ask, and how.
    pub web_config_file: Option<PathBuf>,
    /// Whether `/-/healthy` and `/-/ready` are answered whatever that file says.
    pub open_probes: bool,
    /// What is scraped.
    pub upstreams: Vec<Upstream>,
    /// The rules of the main output.
    pub main: RuleSet,
    /// The rules of each subset, sorted by name.
    pub subsets: Vec<(String, RuleSet)>,
    /// Where series are sent to.
    pub remote_write: Vec<RemoteWrite>,
    /// How series that become one are merged, where their type is not to decide.
    pub aggregate: Vec<MergeRule>,
    /// How pushed series are aggregated while they pass.
    pub streams: Vec<StreamRule>,
    /// How series that become one are merged otherwise.
    pub merge: Merge,
    /// How counters of several targets are merged; `None`: by what they grew if there may be several,
    /// else as they are.
    pub counters: Option<Counters>,
    /// What a scrape is worth when some targets failed.
    pub partial: Partial,
    /// Whether the output tells of each target whether it is up, and more.
    pub target_metrics: bool,
    /// How old a subset may be.
    pub subset_max_age: Duration,
    /// Whether samples of subsets carry the time of their scrape.
    pub subset_timestamps: bool,
    /// Which encodings to ask targets for.
    pub upstream_encoding: UpstreamEncoding,
    /// How names with many addresses are looked up.
    pub dns: DnsOptions,
    /// The push proxy, if there is to be one.
    pub push: Option<PushConfig>,
    /// How remote write is received, if it is.
    pub receive: Option<ReceiveSettings>,
    /// Bounds.
    pub limits: Limits,
    /// Whether `POST /-/reload` is answered.
    pub enable_reload: bool,
    /// Lines to log, if the file says so.
    pub log_level: Option<&'static str>,
    /// How log lines look, if the file says so.
    pub log_format: Option<LogFormat>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Finding>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ListenAddress::default(),
            data_dir: None,
            scrape_interval: None,
            scrape_timeout: None,
            web_config_file: None,
            open_probes: false,
            upstreams: Vec::new(),
            remote_write: Vec::new(),
            main: RuleSet::default(),
            subsets: Vec::new(),
            aggregate: Vec::new(),
            streams: Vec::new(),
            merge: Merge::default(),
            counters: None,
            partial: Partial::default(),
            target_metrics: false,
            subset_max_age: SUBSET_MAX_AGE,
            subset_timestamps: true,
            upstream_encoding: UpstreamEncoding::default(),
            dns: DnsOptions::default(),
            push: None,
            receive: None,
            limits: Limits::default(),
            enable_reload: false,
            log_level: None,
            log_format: None,
            warnings: Vec::new(),
        }
    }
}

/// The whole file.
static CONFIG: Object = Object {
    wanted: "a map of settings",
    keys: &[
        Key {
            name: "listen_address",
            shape: Shape::Text,
            about: "HOST:PORT, [V6]:PORT or :PORT; default :8080",
        },
        Key {
            name: "web_config_file",
            shape: Shape::Text,
            about: "A web configuration file of exporter-toolkit: TLS, users, headers",
        },
        Key {
            name: "open_probes",
            shape: Shape::Bool,
            about: "Whether /-/healthy and /-/ready need neither user nor password; default false",
        },
        Key {
            name: "data_dir",
            shape: Shape::Text,
            about: "Where queues and state are kept; absent: nothing is kept on disk",
        },
        Key {
            name: "scrape_interval",
            shape: Shape::Duration,
            about: "How often weir scrapes, where it does so on its own clock",
        },
        Key {
            name: "scrape_timeout",
            shape: Shape::Duration,
            about: "Time for a scrape, unless the upstream says otherwise; default what Prometheus allows, else 15s",
        },
        Key {
            name: "upstreams",
            shape: Shape::List(&Shape::Object(&upstream::UPSTREAM)),
            about: "What is scraped",
        },
        Key {
            name: "remote_write",
            shape: Shape::List(&Shape::Object(&remote_write::REMOTE_WRITE)),
            about: "Where series are sent to; needs data_dir",
        },
        Key { name: MAIN_KEY, shape: outputs::RULES, about: "The rules of /metrics" },
        Key {
            name: "subsets",
            shape: Shape::MapOf(&Shape::Object(&outputs::SUBSET)),
            about: "Further outputs at /metrics/NAME, by name",
        },
        Key {
            name: "aggregate",
            shape: Shape::List(&Shape::Either(&[
                Shape::Object(&aggregate::MERGE),
                Shape::Object(&stream::STREAM),
            ])),
            about: "How series that become one are merged, the first match counts; with an interval, how pushed series are aggregated",
        },
        Key {
            name: "receive",
            shape: Shape::Object(&receive::RECEIVE),
            about: "What is pushed to weir",
        },
        Key {
            name: "merge",
            shape: Shape::Word(&["typed", "sum"]),
            about: "How they are merged otherwise; default typed",
        },
        Key {
            name: "counters",
            shape: Shape::Word(&["raw", "reset-safe"]),
            about: "Whether counters are summed as they are, or by what they grew; default raw for one target, reset-safe for several",
        },
        Key {
            name: "partial",
            shape: Shape::Word(&["allow", "fail"]),
            about: "Whether a scrape succeeds when some targets failed; default allow",
        },
        Key {
            name: "target_metrics",
            shape: Shape::Bool,
            about: "Whether /metrics has up, scrape_duration_seconds and scrape_samples_scraped of each target; default false",
        },
        Key {
            name: "subset_max_age",
            shape: Shape::Duration,
            about: "Age from which /metrics/NAME answers 503; default 5m",
        },
        Key {
            name: "subset_timestamps",
            shape: Shape::Bool,
            about: "Whether samples of subsets carry the time of their scrape; default true",
        },
        Key {
            name: "upstream_encoding",
            shape: Shape::Word(&["auto", "identity", "gzip"]),
            about: "Encoding to ask for; default auto",
        },
        Key {
            name: "dns_family",
            shape: Shape::Word(&["auto", "ipv4", "ipv6", "both"]),
            about: "Addresses of a name to use; auto is IPv4, and IPv6 where there is none; default auto",
        },
        Key {
            name: "dns_keep",
            shape: Shape::Duration,
            about: "How long the last answer is used while lookups fail; default 5m",
        },
        Key { name: "dns_timeout", shape: Shape::Duration, about: "Time for a lookup; default 5s" },
        Key {
            name: "push",
            shape: Shape::Object(&push::PUSH),
            about: "weir in front of a Pushgateway, or in its place",
        },
        Key {
            name: "enable_reload",
            shape: Shape::Bool,
            about: "Whether POST /-/reload is answered; default false",
        },
        Key {
            name: "log_level",
            shape: Shape::Word(&LOG_LEVELS),
            about: "Lines to log; default info",
        },
        Key {
            name: "log_format",
            shape: Shape::Word(&["logfmt", "json"]),
            about: "How log lines look; default logfmt",
        },
    ],
    inline: &[&limits::LIMITS],
    required: &[],
};

const LOG_LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];

/// Read a configuration file; `name` is what to call it in messages, `directory` what the names of
/// files in it are relative to.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(name: &str, text: &str, directory: &FilePath) -> Result<Config, ConfigErrors> {
    relabel::load(name, text, |root, report| {
        let mut config = Config::default();
        if !root.is_null() {
            let top = Path::default();
            for entry in CONFIG.fields(root, &top, report) {
                config.field(&entry, directory, &top, report);
            }
            if config.data_dir.is_none() && !config.remote_write.is_empty() {
                let remedy = Some("name a directory, for example /var/lib/weir".to_owned());
                let message = "remote_write needs data_dir for its queues";
                report.error_with_remedy(root.at, &top, message, remedy);
            }
        }
        config
    })
    .map(|(config, warnings)| Config { warnings, ..config })
}

/// The JSON schema of the file.
pub fn schema() -> serde_json::Value {
    shape::schema(&CONFIG, "weir configuration")
}

/// Whether a text is meant as a configuration file rather than as a file of rules.
///
/// It is one if it has a key that only such a file has, or a value that no file of rules has. A
/// set of rules that is called like one of those keys does not count. What can be read either way,
/// or not at all, counts as rules.
pub fn is_config(text: &str) -> bool {
    let Ok(Node { kind: Kind::Map(pairs), .. }) = node::parse(text) else { return false };
    let keys: Vec<_> = CONFIG.all_keys().iter().map(|key| key.name).collect();
    let mut has_main = false;
    let mut has_other_values = false;
    for (key, value) in &pairs {
        let name = key.as_scalar().map(|scalar| &*scalar.text).unwrap_or_default();
        if name == MAIN_KEY {
            has_main = true;
            continue;
        }
        if keys.contains(&name) && !is_rules(value) {
            return true;
        }
        has_other_values |= !matches!(value.kind, Kind::List(_)) && !value.is_null();
    }
    has_other_values && !has_main
}

/// Whether a value looks like relabelling rules: a list with a map that has one of their fields.
fn is_rules(value: &Node) -> bool {
    let Kind::List(items) = &value.kind else { return value.is_null() };
    let has_field = |item: &Node| {
        let Kind::Map(pairs) = &item.kind else { return false };
        let mut names = pairs.iter().filter_map(|(key, _)| key.as_scalar());
        names.any(|name| relabel::FIELDS.contains(&&*name.text))
    };
    items.is_empty() || items.iter().any(has_field)
}

impl Config {
    fn field(&mut self, entry: &Entry<'_>, directory: &FilePath, path: &Path, report: &mut Report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "data_dir" => {
                self.data_dir = decode::text(value, inner, report).map(|dir| directory.join(dir));
            }
            "web_config_file" => {
                let name = decode::text(value, inner, report).filter(|name| !name.is_empty());
                self.web_config_file = name.map(|name| directory.join(name));
            }
            "open_probes" => set(&mut self.open_probes, value::truth(value, inner, report)),
            "scrape_interval" => self.scrape_interval = value::duration(value, inner, report),
            "scrape_timeout" => self.scrape_timeout = value::duration(value, inner, report),
            "upstreams" => self.upstreams = upstream::decode(value, directory, inner, report),
            "remote_write" => {
                self.remote_write = remote_write::decode(value, directory, inner, report);
            }
            MAIN_KEY => self.main = relabel::rules(value, inner, report),
            "subsets" => self.subsets = outputs::subsets(value, inner, report),
            "aggregate" => {
                self.aggregate = aggregate::decode(value, inner, report);
                self.streams = stream::decode(value, inner, report);
            }
            "target_metrics" => {
                set(&mut self.target_metrics, value::truth(value, inner, report));
            }
            "push" => self.push = Some(push::decode(value, directory, inner, report)),
            "receive" => self.receive = receive::decode(value, inner, report),
            "subset_max_age" => {
                set(&mut self.subset_max_age, value::duration(value, inner, report));
            }
            "subset_timestamps" => {
                set(&mut self.subset_timestamps, value::truth(value, inner, report));
            }
            "dns_keep" => set(&mut self.dns.keep, value::duration_or_zero(value, inner, report)),
            "dns_timeout" => set(&mut self.dns.time_max, value::duration(value, inner, report)),
            "enable_reload" => set(&mut self.enable_reload, value::truth(value, inner, report)),
            _ if self.word(entry, inner, report) => {}
            _ if self.limits.field(entry, path, report) => {}
            _ => shape::forgotten(entry, path, report),
        }
    }

    /// Take a field whose value is one of a few words; `false` if it is none of those.
    fn word(&mut self, entry: &Entry<'_>, path: &Path, report: &mut Report) -> bool {
        let value = entry.value;
        match &*entry.name {
            "listen_address" => {
                let Some(text) = decode::text(value, path, report) else { return true };
                match ListenAddress::parse(&text, None) {
                    Ok(listen) => self.listen = listen,
                    Err(wrong) => report.error(value.at, path, format!("{text:?}: {wrong}")),
                }
            }
            "merge" => {
                let words = [("typed", Merge::Typed), ("sum", Merge::Sum)];
                set(&mut self.merge, value::word(value, &words, path, report));
            }
            "counters" => self.counters = value::word(value, &aggregate::COUNTERS, path, report),
            "partial" => {
                let words = [("allow", Partial::Allow), ("fail", Partial::Fail)];
                set(&mut self.partial, value::word(value, &words, path, report));
            }
            "upstream_encoding" => {
                let words = [
                    ("auto", UpstreamEncoding::Auto),
                    ("identity", UpstreamEncoding::Identity),
                    ("gzip", UpstreamEncoding::Gzip),
                ];
                set(&mut self.upstream_encoding, value::word(value, &words, path, report));
            }
            "dns_family" => {
                let words = DnsFamily::ALL.map(|family| (family.word(), family));
                set(&mut self.dns.family, value::word(value, &words, path, report));
            }
            "log_level" => {
                let words = LOG_LEVELS.map(|level| (level, level));
                self.log_level = value::word(value, &words, path, report);
            }
            "log_format" => {
                let words = [("logfmt", LogFormat::Logfmt), ("json", LogFormat::Json)];
                self.log_format = value::word(value, &words, path, report);
            }
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests;
