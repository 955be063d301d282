//! Flags of `weir generate`.

use crate::app::analyze;
use crate::app::exit::Exit;
use crate::app::fetch;
use crate::app::generate::Source;
use crate::app::generate::backfill::Backfill;
use crate::app::generate::learn::Learn;
use crate::app::generate::remote_write::RemoteWrite;
use crate::app::generate::run::Plan;
use crate::app::generate::run::Task;
use crate::app::generate::time::TimeControl;
use crate::cli::FormatFlag;
use crate::cli::LogFormatFlag;
use crate::cli::proxy_environment;
use crate::cli::values::duration;
use crate::config::generate::parse_duration_ms;
use crate::config::generate::parse_time_ms;
use crate::generate::generator::Limits;
use crate::model::Format;
use clap::Args;
use clap::Subcommand;
use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  weir generate --preset ingress-nginx --set ingresses=50     serve at :9001/metrics
  weir generate shop.yaml --dry-run                           what would there be?
  weir generate shop.yaml --at 2026-01-01T12:00:00Z -o -      one page, of that instant
  weir generate learn http://localhost:9100/metrics           a file from a real exporter";

/// Flags of `weir generate`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct GenerateFlags {
    /// Other things to do than to serve or print pages.
    #[command(subcommand)]
    pub command: Option<GenerateCommand>,
    /// What to generate.
    #[command(flatten)]
    pub source: SourceFlags,
    /// Address to listen on; a port of 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = ":9001")]
    pub listen_address: String,
    /// Give each target a port of its own, from this one on
    #[arg(long, value_name = "PORT")]
    pub target_ports: Option<u16>,
    /// Write one page to a file instead of serving; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Which target to write
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub target: u32,
    /// Format of the page to write
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: FormatFlag,
    /// Print families, series, bytes, samples a second and label cardinalities, and start nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print an exposition that is wrong in one way; list tells which ways there are
    #[arg(long, value_name = "CASE")]
    pub invalid: Option<String>,
    /// Show this instant, and no other: 2026-01-01T00:00:00Z or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<i64>,
    /// The instant at which time begins to run [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub start: Option<i64>,
    /// The instant at which the server ends
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub end: Option<i64>,
    /// Seconds that pass in one
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub speed: f64,
    /// By how much the instant of a scrape may be off
    #[arg(long, value_name = "DURATION", value_parser = prometheus_duration)]
    pub jitter: Option<i64>,
    /// Lines to log: debug, info, warn or error
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
    /// How log lines look, on standard error
    #[arg(long, value_name = "FORMAT", default_value = "logfmt")]
    pub log_format: LogFormatFlag,
}

/// What is generated.
#[derive(Args, Clone, Debug)]
pub struct SourceFlags {
    /// A file that says what to generate; `weir generate schema` describes it
    #[arg(value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What comes with weir, in place of a file: ingress-nginx, node-exporter, kube-state-metrics,
    /// cadvisor or go-process
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Give one of the file's parameters another value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Seed in place of the file's
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Virtual targets in place of the file's
    #[arg(long, value_name = "N")]
    pub targets: Option<u32>,
    /// Refuse more series than this, of all targets together
    #[arg(long, value_name = "N", default_value_t = Limits::N_SERIES_MAX)]
    pub max_series: u64,
}

/// The words behind `weir generate`.
#[derive(Debug, Subcommand)]
pub enum GenerateCommand {
    /// Write a configuration from a real scrape, or two
    Learn(LearnFlags),
    /// Print the JSON schema of configurations
    Schema,
    /// Write history as OpenMetrics for promtool, a file for each two hours
    Backfill(BackfillFlags),
    /// Send by remote write, as time goes by or history as fast as it is taken
    RemoteWrite(RemoteWriteFlags),
}

/// Flags of `weir generate learn`.
#[derive(Args, Debug)]
pub struct LearnFlags {
    /// A scrape
    #[arg(value_name = "FILE|URL")]
    pub first: String,
    /// A later scrape of the same, to learn rates from
    #[arg(long, value_name = "FILE|URL")]
    pub second: Option<String>,
    /// How much later; a URL is asked again after this
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub after: Duration,
    /// Format of both [default: what the content type or the end of the file says]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatFlag>,
}

/// Flags of `weir generate backfill`.
#[derive(Args, Debug)]
pub struct BackfillFlags {
    /// What to generate.
    #[command(flatten)]
    pub source: SourceFlags,
    /// The first instant: 2026-01-01T00:00:00Z or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub start: i64,
    /// The last instant
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub end: i64,
    /// From instant to instant
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = prometheus_duration)]
    pub step: i64,
    /// Which target
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub target: u32,
    /// Folder for the files; it is created
    #[arg(long, value_name = "DIR")]
    pub output_dir: PathBuf,
}

/// Flags of `weir generate remote-write`.
#[derive(Args, Debug)]
pub struct RemoteWriteFlags {
    /// What to generate.
    #[command(flatten)]
    pub source: SourceFlags,
    /// Where to send to
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Version to send: 1.0 or 2.0
    #[arg(long, value_name = "VERSION", default_value = "2.0")]
    pub protocol: String,
    /// Send a header along, for example X-Scope-OrgID=team-a; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub header: Vec<(String, String)>,
    /// The label job of all series
    #[arg(long, value_name = "NAME", default_value = "weir-generate")]
    pub job: String,
    /// The first instant of history: 2026-01-01T00:00:00Z or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time, requires = "end")]
    pub start: Option<i64>,
    /// The last instant of history
    #[arg(long, value_name = "TIME", value_parser = time, requires = "start")]
    pub end: Option<i64>,
    /// From instant to instant [default: the interval of the file]
    #[arg(long, value_name = "DURATION", value_parser = prometheus_duration)]
    pub step: Option<i64>,
    /// Send every third instant so much later, behind newer ones
    #[arg(long, value_name = "DURATION", value_parser = prometheus_duration)]
    pub out_of_order: Option<i64>,
    /// Send everything twice
    #[arg(long)]
    pub duplicates: bool,
    /// Requests at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count)]
    pub max_shards: usize,
    /// Samples of a request
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = count)]
    pub max_samples_per_send: usize,
    /// Folder for what waits to be sent, which a later run goes on with [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

fn count(text: &str) -> Result<usize, String> {
    let n = text.parse().ok().filter(|n| *n > 0);
    n.ok_or_else(|| "write a number above 0".to_owned())
}

fn time(text: &str) -> Result<i64, String> {
    parse_time_ms(text).ok_or_else(|| "write 2026-01-01T00:00:00Z or seconds since 1970".to_owned())
}

fn prometheus_duration(text: &str) -> Result<i64, String> {
    let ms = parse_duration_ms(text).filter(|ms| *ms > 0);
    ms.ok_or_else(|| "write a duration above 0, for example 15s or 1h30m".to_owned())
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

fn format(flag: FormatFlag) -> Format {
    match flag {
        FormatFlag::Text => Format::Text,
        FormatFlag::Openmetrics => Format::OpenMetrics,
    }
}

impl From<SourceFlags> for Source {
    fn from(flags: SourceFlags) -> Self {
        let SourceFlags { config, preset, set, seed, targets, max_series } = flags;
        Self { config, preset, set, seed, targets, series_max: max_series }
    }
}

impl From<BackfillFlags> for Task {
    fn from(flags: BackfillFlags) -> Self {
        Self::Backfill {
            source: flags.source.into(),
            backfill: Backfill {
                start_ms: flags.start,
                end_ms: flags.end,
                step_ms: flags.step,
                target: flags.target,
                output_dir: flags.output_dir,
            },
        }
    }
}

impl From<RemoteWriteFlags> for Task {
    fn from(flags: RemoteWriteFlags) -> Self {
        let plan = RemoteWrite {
            url: flags.url,
            protocol: flags.protocol,
            headers: flags.header,
            job: flags.job,
            span_ms: flags.start.zip(flags.end),
            step_ms: flags.step,
            late_ms: flags.out_of_order,
            has_duplicates: flags.duplicates,
            shards_max: flags.max_shards,
            samples_per_send_max: flags.max_samples_per_send,
            data_dir: flags.data_dir,
            proxies: proxy_environment(),
        };
        Self::RemoteWrite { source: flags.source.into(), plan: Box::new(plan) }
    }
}

impl From<LearnFlags> for Task {
    fn from(flags: LearnFlags) -> Self {
        Self::Learn(Learn {
            first: flags.first,
            second: flags.second,
            after: flags.after,
            format: flags.format.map(format),
        })
    }
}

impl From<GenerateFlags> for Task {
    fn from(flags: GenerateFlags) -> Self {
        match flags.command {
            Some(GenerateCommand::Learn(learn)) => return learn.into(),
            Some(GenerateCommand::Schema) => return Self::Schema,
            Some(GenerateCommand::Backfill(backfill)) => return backfill.into(),
            Some(GenerateCommand::RemoteWrite(remote_write)) => return remote_write.into(),
            None => {}
        }
        if let Some(case) = flags.invalid {
            return Self::Invalid(case);
        }
        let plan = Plan {
            source: flags.source.into(),
            time: TimeControl {
                at_ms: flags.at,
                start_ms: flags.start,
                end_ms: flags.end,
                speed: flags.speed,
                jitter_ms: flags.jitter.unwrap_or(0),
            },
            target: flags.target,
            format: format(flags.format),
        };
        match flags.output {
            _ if flags.dry_run => Self::DryRun(plan),
            Some(output) => Self::Write { plan, output },
            None => Self::Serve {
                plan,
                listen_address: flags.listen_address,
                target_ports: flags.target_ports,
            },
        }
    }
}

/// Run `weir generate`.
///
/// # Errors
///
/// What went wrong could not be told.
pub fn run(flags: GenerateFlags, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let fetch_options = fetch::FetchOptions {
        time_max: analyze_timeout(),
        body_bytes_max: 1 << 30,
        proxies: proxy_environment(),
    };
    let fetch = |url: &str| -> io::Result<analyze::Fetched> { fetch::fetch(url, &fetch_options) };
    crate::app::generate::run::run(flags.into(), fetch, out, err)
}

/// Time for fetching what is learned from.
const fn analyze_timeout() -> Duration {
    Duration::from_mins(1)
}
