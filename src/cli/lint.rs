//! Flags of `weir lint`.

use crate::app::fetch::FetchOptions;
use crate::app::lint::{Options, Output};
use crate::cli::values::{duration, size};
use crate::cli::{FormatFlag, proxy_environment};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Flags of `weir lint`.
#[derive(Args, Debug)]
pub struct LintFlags {
    /// A file, a URL, or - for standard input
    #[arg(value_name = "FILE|URL|-")]
    pub input: String,
    /// Rules to apply, between commas: promlint, all, none, or their names; those behind a - are
    /// left out
    #[arg(
        long,
        value_name = "RULES",
        env = "WEIR_LINT_RULES",
        default_value = "promlint",
        allow_hyphen_values = true
    )]
    pub rules: String,
    /// Findings not to report: lines of a rule (or *) and a metric name (in which * stands for
    /// anything)
    #[arg(long, value_name = "FILE", env = "WEIR_LINT_SILENCE")]
    pub silence: Option<PathBuf>,
    /// Tell also how many series each metric has
    #[arg(long)]
    pub extended: bool,
    /// Report in JSON
    #[arg(long, conflicts_with = "github")]
    pub json: bool,
    /// Report in commands that GitHub shows beside the file
    #[arg(long)]
    pub github: bool,
    /// Format of the input [default: what the content type or the end of the file says; standard
    /// input is text]
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
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = size::<usize>)]
    pub max_line_bytes: usize,
}

impl LintFlags {
    /// How to fetch a URL.
    pub fn fetch_options(&self) -> FetchOptions {
        FetchOptions {
            time_max: self.scrape_timeout,
            body_bytes_max: self.max_body_bytes,
            proxies: proxy_environment(),
        }
    }
}

impl From<LintFlags> for Options {
    fn from(flags: LintFlags) -> Self {
        Self {
            input: flags.input,
            format: flags.format.map(Into::into),
            rules: flags.rules,
            silence: flags.silence,
            extended: flags.extended,
            output: match (flags.json, flags.github) {
                (true, _) => Output::Json,
                (_, true) => Output::GitHub,
                _ => Output::Text,
            },
            line_bytes_max: flags.max_line_bytes,
        }
    }
}
