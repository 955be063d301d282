//! The command line: names, short forms, defaults and environment twins of metric-gate's flags and
//! weir's own.
//!
//! Only what clap needs is here; what the values mean is `app`'s.
#![expect(clippy::doc_markdown, reason = "doc comments are the help text")]

pub mod generate;
mod lint;
mod values;

pub use lint::LintFlags;

use crate::app::analyze;
use crate::app::explain;
use crate::app::fetch::FetchOptions;
use crate::app::options::{self, Merge, Options, Partial, ProxySettings, UpstreamEncoding};
use crate::cli::values::{count, duration, path, size};
use crate::config::file::aggregate::Counters;
use crate::config::file::limits::Limits;
use crate::discovery::DnsFamily;
use crate::discovery::DnsOptions;
use crate::model::Format;
use crate::telemetry::log::LogFormat;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Stand between a Prometheus exporter and Prometheus, and let less, cleaner, governed data through
///
/// Without a command weir is the gate: it serves /metrics, and at each request scrapes the
/// upstream, applies the relabel rules and sums the series they make equal.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    disable_version_flag = true,
    args_override_self = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// A tool other than the gate.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of the gate.
    #[command(flatten)]
    pub gate: GateFlags,
}

/// The tools beside the gate.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Report what metrics and labels an exposition is made of, and what could be saved
    Analyze(AnalyzeFlags),
    /// Check rule and configuration files strictly, and tell every error with file, line, path and remedy
    Check(CheckFlags),
    /// Show step by step what the rules do to a series
    Explain(ExplainFlags),
    /// Find what is wrong, or against a convention, in an exposition, as promtool check metrics does
    Lint(LintFlags),
    /// Generate metrics: counters that reset, pods that come and go, a million series on a laptop
    Generate(Box<generate::GenerateFlags>),
}

/// Flags of `weir analyze`.
#[derive(Args, Debug)]
pub struct AnalyzeFlags {
    /// A file, a URL, or - for standard input
    #[arg(value_name = "FILE|URL|-")]
    pub input: String,
    /// Report in JSON
    #[arg(long)]
    pub json: bool,
    /// Tell for each label how many series would remain without it; JSON always does
    #[arg(long)]
    pub savings: bool,
    /// Rules: report also what they would leave
    #[arg(long, value_name = "FILE")]
    pub relabel_file: Option<PathBuf>,
    /// Rules of this subset instead of those of /metrics
    #[arg(long, value_name = "NAME")]
    pub subset: Option<String>,
    /// Format of the input [default: what the content type or the end of the file says]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatFlag>,
    /// Time for fetching a URL
    #[arg(
        short = 't',
        long,
        value_name = "DURATION",
        default_value = "1m",
        value_parser = duration
    )]
    pub scrape_timeout: Duration,
    /// Bytes of a body, decoded
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = size::<u64>)]
    pub max_body_bytes: u64,
    /// Bytes of a line
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = size::<usize>)]
    pub max_line_bytes: usize,
}

/// Values of `--format`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FormatFlag {
    /// Prometheus text 0.0.4
    Text,
    /// OpenMetrics 1.0
    Openmetrics,
}

impl From<FormatFlag> for Format {
    fn from(flag: FormatFlag) -> Self {
        match flag {
            FormatFlag::Text => Self::Text,
            FormatFlag::Openmetrics => Self::OpenMetrics,
        }
    }
}

impl AnalyzeFlags {
    /// How to fetch a URL.
    pub fn fetch_options(&self) -> FetchOptions {
        FetchOptions {
            time_max: self.scrape_timeout,
            body_bytes_max: self.max_body_bytes,
            proxies: proxy_environment(),
        }
    }
}

impl From<AnalyzeFlags> for analyze::Options {
    fn from(flags: AnalyzeFlags) -> Self {
        Self {
            input: flags.input,
            format: flags.format.map(Into::into),
            relabel_file: flags.relabel_file,
            subset: flags.subset,
            savings: flags.savings,
            json: flags.json,
            line_bytes_max: flags.max_line_bytes,
        }
    }
}

/// Flags of `weir check`.
#[derive(Args, Debug)]
pub struct CheckFlags {
    /// Rule files and configuration files; which one a file is shows by its keys
    #[arg(required_unless_present = "schema", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print the JSON schema of configuration files instead
    #[arg(long, conflicts_with_all = ["files", "json"])]
    pub schema: bool,
    /// One JSON object a file instead of text
    #[arg(long)]
    pub json: bool,
}

/// Flags of `weir explain`.
#[derive(Args, Debug)]
pub struct ExplainFlags {
    /// The rules
    #[arg(long, value_name = "FILE", env = "WEIR_RELABEL_FILE")]
    pub relabel_file: PathBuf,
    /// Rules of this subset instead of those of /metrics
    #[arg(long, value_name = "NAME")]
    pub subset: Option<String>,
    /// JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// A series such as 'metric{a="b"}'; without it JSON labels are read from standard input, one a
    /// line
    pub series: Option<String>,
}

impl From<ExplainFlags> for explain::Options {
    fn from(flags: ExplainFlags) -> Self {
        let ExplainFlags { relabel_file, subset, json, series } = flags;
        Self { relabel_file, subset, series, json }
    }
}

/// What a configuration file says, and flags beside it may not.
const IN_CONFIG_FILE: [&str; 24] = [
    "file",
    "upstream",
    "relabel",
    "relabel_file",
    "scrape_timeout",
    "merge",
    "counters",
    "partial",
    "target_metrics",
    "subset_max_age",
    "subset_timestamps",
    "upstream_encoding",
    "dns_family",
    "dns_keep",
    "dns_timeout",
    "max_body_bytes",
    "max_line_bytes",
    "max_series",
    "max_labels",
    "max_connections",
    "max_concurrent_scrapes",
    "header_timeout",
    "write_timeout",
    "drain_timeout",
];

/// Flags of the gate, and of the process.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct GateFlags {
    /// Analyze a file of metrics, print the report and exit
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "WEIR_FILE",
        allow_hyphen_values = true,
        value_parser = path()
    )]
    pub file: Option<PathBuf>,
    /// A configuration file; of the other flags only those for logs, the address to listen on and who may
    /// ask go with it
    #[arg(
        long,
        value_name = "FILE",
        env = "WEIR_CONFIG",
        value_parser = path(),
        conflicts_with_all = IN_CONFIG_FILE
    )]
    pub config: Option<PathBuf>,
    /// What to scrape: a URL, HOST:PORT/PATH, file:PATH, or dns+, dnssrv+ or dnssrvnoa+ before a URL;
    /// user and password may stand in the URL. May be repeated; in the variable, one a line
    #[arg(
        short = 'H',
        long,
        value_name = "URL",
        env = "WEIR_UPSTREAM",
        default_value = options::UPSTREAM,
        value_delimiter = '\n',
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub upstream: Vec<String>,
    /// Relabel rules as YAML text: metric_relabel_configs, and further keys as subsets
    #[arg(
        long,
        value_name = "YAML",
        env = "WEIR_RELABEL",
        default_value = "",
        hide_default_value = true,
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub relabel: String,
    /// Relabel rules as a YAML file
    #[arg(
        long,
        value_name = "FILE",
        env = "WEIR_RELABEL_FILE",
        allow_hyphen_values = true,
        value_parser = path()
    )]
    pub relabel_file: Option<PathBuf>,
    /// Time for a scrape, from name resolution to the last byte [default: what Prometheus allows,
    /// less a margin, else 15s]
    #[arg(
        short = 't',
        long,
        value_name = "DURATION",
        env = "WEIR_SCRAPE_TIMEOUT",
        value_parser = duration,
        allow_hyphen_values = true
    )]
    pub scrape_timeout: Option<Duration>,
    /// Port to listen on; 0 takes a free one [default: 8080]
    // Kubernetes puts WEIR_PORT=tcp://… into pods beside a service named weir.
    #[arg(short, long, value_name = "PORT", env = "WEIR_LISTEN_PORT", allow_hyphen_values = true)]
    pub port: Option<u16>,
    /// Address to listen on, with or without a port [default: all addresses]
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        env = "WEIR_LISTEN_ADDRESS",
        default_value = "",
        hide_default_value = true
    )]
    pub listen_address: String,
    /// TLS, users and headers, in a web configuration file of Prometheus' exporter-toolkit
    #[arg(
        long = "web.config.file",
        value_name = "FILE",
        env = "WEIR_WEB_CONFIG_FILE",
        value_parser = path()
    )]
    pub web_config_file: Option<PathBuf>,
    /// Answer /-/healthy and /-/ready without user and password
    #[arg(long, env = "WEIR_OPEN_PROBES")]
    pub open_probes: bool,
    /// How series that the rules make equal are merged
    #[arg(long, value_name = "HOW", env = "WEIR_MERGE", default_value = "typed")]
    pub merge: MergeFlag,
    /// How counters that are merged are summed [default: raw for one target, reset-safe for several]
    #[arg(long, value_name = "HOW", env = "WEIR_COUNTERS")]
    pub counters: Option<CountersFlag>,
    /// Whether a scrape succeeds when some targets failed
    #[arg(long, value_name = "WHAT", env = "WEIR_PARTIAL", default_value = "allow")]
    pub partial: PartialFlag,
    /// Add up, scrape_duration_seconds and scrape_samples_scraped of each target to /metrics
    #[arg(long, env = "WEIR_TARGET_METRICS")]
    pub target_metrics: bool,
    /// Age from which /metrics/SUBSET answers 503
    #[arg(
        long,
        value_name = "DURATION",
        env = "WEIR_SUBSET_MAX_AGE",
        default_value = "5m",
        value_parser = duration
    )]
    pub subset_max_age: Duration,
    /// Whether samples of subsets carry the time of their scrape
    #[arg(
        long,
        value_name = "BOOL",
        env = "WEIR_SUBSET_TIMESTAMPS",
        default_value_t = true,
        action = ArgAction::Set
    )]
    pub subset_timestamps: bool,
    /// Encoding to ask the upstream for; auto is identity on loopback and gzip across a network
    #[arg(long, value_name = "WHAT", env = "WEIR_UPSTREAM_ENCODING", default_value = "auto")]
    pub upstream_encoding: EncodingFlag,
    /// Addresses of a dns+ name to use; auto is IPv4, and IPv6 where there is none
    #[arg(long, value_name = "WHICH", env = "WEIR_DNS_FAMILY", default_value = "auto")]
    pub dns_family: DnsFamilyFlag,
    /// How long the last answer is used after it expired, while lookups of a dns+ name fail
    #[arg(
        long,
        value_name = "DURATION",
        env = "WEIR_DNS_KEEP",
        default_value = "5m",
        value_parser = duration
    )]
    pub dns_keep: Duration,
    /// Time for one lookup of a dns+ name
    #[arg(
        long,
        value_name = "DURATION",
        env = "WEIR_DNS_TIMEOUT",
        default_value = "5s",
        value_parser = duration
    )]
    pub dns_timeout: Duration,
    /// Answer POST /-/reload, which reads the configuration again as SIGHUP does
    #[arg(long, env = "WEIR_ENABLE_RELOAD")]
    pub enable_reload: bool,
    /// Lines to log: debug, info, warn or error [default: info]
    #[arg(long, value_name = "LEVEL", env = "WEIR_LOG_LEVEL", allow_hyphen_values = true)]
    pub log_level: Option<String>,
    /// How log lines look, on standard error [default: logfmt]
    #[arg(long, value_name = "FORMAT", env = "WEIR_LOG_FORMAT")]
    pub log_format: Option<LogFormatFlag>,
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Bounds.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// Flags that bound what one scrape or one client may cost.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Bytes of a body, decoded
    #[arg(
        long,
        value_name = "BYTES",
        env = "WEIR_MAX_BODY_BYTES",
        default_value = "1GiB",
        value_parser = size::<u64>
    )]
    pub max_body_bytes: u64,
    /// Bytes of a line
    #[arg(
        long,
        value_name = "BYTES",
        env = "WEIR_MAX_LINE_BYTES",
        default_value = "1MiB",
        value_parser = size::<usize>
    )]
    pub max_line_bytes: usize,
    /// Series of a body
    #[arg(
        long,
        value_name = "N",
        env = "WEIR_MAX_SERIES",
        default_value_t = options::SERIES_MAX,
        value_parser = count
    )]
    pub max_series: usize,
    /// Labels of a series
    #[arg(
        long,
        value_name = "N",
        env = "WEIR_MAX_LABELS",
        default_value_t = options::LABELS_MAX,
        value_parser = count
    )]
    pub max_labels: usize,
    /// Connections at the same time
    #[arg(
        long,
        value_name = "N",
        env = "WEIR_MAX_CONNECTIONS",
        default_value_t = options::CONNECTIONS_MAX,
        value_parser = count
    )]
    pub max_connections: usize,
    /// Targets that are scraped at the same time
    #[arg(
        long,
        value_name = "N",
        env = "WEIR_MAX_CONCURRENT_SCRAPES",
        default_value_t = options::CONCURRENT_SCRAPES_MAX,
        value_parser = count
    )]
    pub max_concurrent_scrapes: usize,
    /// Time for the head of a request, and for the next one on a kept connection
    #[arg(
        long,
        value_name = "DURATION",
        env = "WEIR_HEADER_TIMEOUT",
        default_value = "30s",
        value_parser = duration
    )]
    pub header_timeout: Duration,
    /// Time after which a client that takes nothing of an answer is cut off
    #[arg(
        long,
        value_name = "DURATION",
        env = "WEIR_WRITE_TIMEOUT",
        default_value = "1m",
        value_parser = duration
    )]
    pub write_timeout: Duration,
    /// Time for open requests to finish after SIGTERM
    #[arg(
        long,
        value_name = "DURATION",
        env = "WEIR_DRAIN_TIMEOUT",
        default_value = "20s",
        value_parser = duration
    )]
    pub drain_timeout: Duration,
}

/// Values of `--merge`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MergeFlag {
    /// By type: counters, gauges and histograms are summed, info and stateset take the maximum,
    /// creation times the minimum; quantiles are left out
    Typed,
    /// Everything is summed, as metric-gate does
    Sum,
}

/// Values of `--counters`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CountersFlag {
    /// As they are: the sum falls where a target restarts, vanishes or is late
    Raw,
    /// By what each of them grew: the sum starts at 0 with weir, and never falls
    ResetSafe,
}

impl From<CountersFlag> for Counters {
    fn from(flag: CountersFlag) -> Self {
        match flag {
            CountersFlag::Raw => Self::Raw,
            CountersFlag::ResetSafe => Self::ResetSafe,
        }
    }
}

/// Values of `--partial`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PartialFlag {
    /// What the other targets gave is the answer
    Allow,
    /// The scrape has failed
    Fail,
}

impl From<PartialFlag> for Partial {
    fn from(flag: PartialFlag) -> Self {
        match flag {
            PartialFlag::Allow => Self::Allow,
            PartialFlag::Fail => Self::Fail,
        }
    }
}

/// Values of `--upstream-encoding`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EncodingFlag {
    /// Identity on loopback, gzip elsewhere
    Auto,
    /// Never compressed
    Identity,
    /// Always compressed
    Gzip,
}

/// Values of `--dns-family`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DnsFamilyFlag {
    /// IPv4, and IPv6 where a name has no IPv4
    Auto,
    /// IPv4 alone
    Ipv4,
    /// IPv6 alone
    Ipv6,
    /// Every address is a target
    Both,
}

impl From<DnsFamilyFlag> for DnsFamily {
    fn from(flag: DnsFamilyFlag) -> Self {
        match flag {
            DnsFamilyFlag::Auto => Self::Auto,
            DnsFamilyFlag::Ipv4 => Self::Ipv4,
            DnsFamilyFlag::Ipv6 => Self::Ipv6,
            DnsFamilyFlag::Both => Self::Both,
        }
    }
}

/// Values of `--log-format`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormatFlag {
    /// key=value
    Logfmt,
    /// One JSON object a line
    Json,
}

impl From<LogFormatFlag> for LogFormat {
    fn from(flag: LogFormatFlag) -> Self {
        match flag {
            LogFormatFlag::Logfmt => Self::Logfmt,
            LogFormatFlag::Json => Self::Json,
        }
    }
}

impl GateFlags {
    /// Whether to analyze a file instead of serving.
    pub fn names_a_file(&self) -> bool {
        self.file.as_ref().is_some_and(|path| !path.as_os_str().is_empty())
    }

    /// What `--file` asks for.
    pub fn into_analyze_options(self) -> analyze::Options {
        // Joined to a folder it is a file, whatever its name looks like.
        let path = std::path::Path::new(".").join(self.file.unwrap_or_default());
        analyze::Options {
            input: path.to_string_lossy().into_owned(),
            line_bytes_max: self.limits.max_line_bytes,
            ..analyze::Options::default()
        }
    }
}

impl From<GateFlags> for Options {
    fn from(flags: GateFlags) -> Self {
        let limits = flags.limits;
        Self {
            config_file: flags.config,
            web_config_file: flags.web_config_file.filter(|path| !path.as_os_str().is_empty()),
            open_probes: flags.open_probes,
            upstreams: flags.upstream,
            relabel: flags.relabel,
            // As with metric-gate, an empty name is no file.
            relabel_file: flags.relabel_file.filter(|path| !path.as_os_str().is_empty()),
            scrape_timeout: flags.scrape_timeout,
            listen_address: flags.listen_address,
            port: flags.port,
            merge: match flags.merge {
                MergeFlag::Typed => Merge::Typed,
                MergeFlag::Sum => Merge::Sum,
            },
            counters: flags.counters.map(Into::into),
            partial: flags.partial.into(),
            target_metrics: flags.target_metrics,
            subset_max_age: flags.subset_max_age,
            subset_timestamps: flags.subset_timestamps,
            upstream_encoding: match flags.upstream_encoding {
                EncodingFlag::Auto => UpstreamEncoding::Auto,
                EncodingFlag::Identity => UpstreamEncoding::Identity,
                EncodingFlag::Gzip => UpstreamEncoding::Gzip,
            },
            dns: DnsOptions {
                family: flags.dns_family.into(),
                keep: flags.dns_keep,
                time_max: flags.dns_timeout,
            },
            enable_reload: flags.enable_reload,
            limits: Limits {
                body_bytes_max: limits.max_body_bytes,
                line_bytes_max: limits.max_line_bytes,
                series_max: limits.max_series,
                labels_max: limits.max_labels,
                connections_max: limits.max_connections,
                concurrent_scrapes_max: limits.max_concurrent_scrapes,
                header_time_max: limits.header_timeout,
                stall_time_max: limits.write_timeout,
                drain_time_max: limits.drain_timeout,
            },
            proxies: proxy_environment(),
        }
    }
}

/// The proxy settings every Go program knows, the upper-case names first.
#[expect(clippy::disallowed_methods, reason = "the environment enters here")]
fn proxy_environment() -> ProxySettings {
    let any = |names: [&str; 2]| {
        let mut values = names.into_iter().filter_map(|name| std::env::var(name).ok());
        values.find(|value| !value.is_empty()).unwrap_or_default()
    };
    ProxySettings {
        http: any(["HTTP_PROXY", "http_proxy"]),
        https: any(["HTTPS_PROXY", "https_proxy"]),
        none: any(["NO_PROXY", "no_proxy"]),
    }
}

#[cfg(test)]
mod tests;
