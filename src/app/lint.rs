//! `weir lint FILE|URL|-`: what is wrong, or against a convention, in an exposition.
//!
//! The text is that of `promtool check metrics`, to the byte: findings and errors on standard
//! error, the table of `--extended` on standard output. With `--json` there is one object on
//! standard output instead:
//!
//! ```text
//! {"input", "error": {"line", "message"} or null, "samples", "series", "silenced",
//!  "findings": [{"rule", "level", "metric", "text", "line", "count"}],
//!  "cardinality": [{"metric", "series"}]}
//! ```
//!
//! and with `--github` there is a line a finding that GitHub shows beside the file.

mod output;

use crate::app::analyze::{self, Fetched, READ_BYTES};
use crate::app::check;
use crate::app::exit::Exit;
use crate::app::options::shown;
use crate::lint::{LintConfig, LintError, Linter, Report, RuleSet, Silences};
use crate::model::Format;
use crate::parse::LINE_BYTES_MAX;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::PathBuf;

/// How findings are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Output {
    /// As promtool does.
    #[default]
    Text,
    /// One object.
    Json,
    /// Commands of GitHub's workflows.
    GitHub,
}

/// What to lint, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// A file, a URL (`http://…`, `https://…`), or `-` for the standard input.
    pub input: String,
    /// The format; without it a file's end tells, a URL's content type, and the standard input is
    /// text.
    pub format: Option<Format>,
    /// Names of rules and of sets of them, between commas.
    pub rules: String,
    /// A file of findings not to report.
    pub silence: Option<PathBuf>,
    /// Tell how many series each metric has.
    pub extended: bool,
    /// How to tell.
    pub output: Output,
    /// Refuse longer lines.
    pub line_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            input: "-".to_owned(),
            format: None,
            rules: "promlint".to_owned(),
            silence: None,
            extended: false,
            output: Output::Text,
            line_bytes_max: LINE_BYTES_MAX,
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Lint(#[from] LintError),
}

/// Lint as `options` say. Findings and what is wrong go to `err`, or findings to `out` if they are
/// for machines. `fetch` asks a URL, `stdin` is the standard input, `random` makes the key of the
/// hashes.
///
/// # Errors
/// Writing failed.
pub fn run(
    options: &Options,
    stdin: impl Read,
    fetch: impl FnOnce(&str) -> io::Result<Fetched>,
    random: impl FnMut() -> u64,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let (rules, silences) = match settings(options) {
        Ok(settings) => settings,
        Err((exit, message)) => {
            writeln!(err, "{message}")?;
            return Ok(exit);
        }
    };
    let mut report = match lint(options, rules, stdin, fetch, random) {
        Ok(report) => report,
        Err(Failure::Io(error)) => {
            writeln!(err, "cannot lint {}: {error}", shown(&options.input))?;
            return Ok(Exit::Failure);
        }
        Err(Failure::Lint(error)) => {
            output::failure(options, rules, &error, out, err)?;
            return Ok(Exit::Failure);
        }
    };
    report.silence(&silences);
    match options.output {
        Output::Text => output::text(options, &report, out, err)?,
        Output::Json => writeln!(out, "{}", output::json(options, &report))?,
        Output::GitHub => output::github(options, &report, out)?,
    }
    Ok(if report.findings.is_empty() { Exit::Clean } else { Exit::Findings })
}

fn settings(options: &Options) -> Result<(RuleSet, Silences), (Exit, String)> {
    let rules: RuleSet = options
        .rules
        .parse()
        .map_err(|error| (Exit::BadInput, format!("--rules {:?}: {error}", options.rules)))?;
    if rules.is_empty() && !options.extended {
        let message = "nothing to do: there are no --rules and no --extended";
        return Err((Exit::BadInput, message.to_owned()));
    }
    let Some(path) = &options.silence else { return Ok((rules, Silences::default())) };
    let name = path.display().to_string();
    let text = check::read_text(path).map_err(|error| (Exit::Failure, error.to_string()))?;
    let silences = Silences::parse(&text).map_err(|errors| {
        let lines: Vec<_> =
            errors.iter().map(|error| format!("{name}:{}: {}", error.line, error.kind)).collect();
        (Exit::BadInput, lines.join("\n"))
    })?;
    Ok((rules, silences))
}

fn lint(
    options: &Options,
    rules: RuleSet,
    stdin: impl Read,
    fetch: impl FnOnce(&str) -> io::Result<Fetched>,
    random: impl FnMut() -> u64,
) -> Result<Report, Failure> {
    let linter = |format: Format| {
        let format = options.format.unwrap_or(format);
        let line_bytes_max = options.line_bytes_max;
        let utf8_names = rules.is_empty();
        Linter::new(LintConfig { format, rules, utf8_names, line_bytes_max }, random)
    };
    if options.input == "-" {
        return read(linter(Format::Text), stdin);
    }
    if options.input.starts_with("http://") || options.input.starts_with("https://") {
        let Fetched { format, body } = fetch(&options.input)?;
        return read(linter(format), body);
    }
    let mut file = File::open(&options.input)?;
    let is_regular = file.metadata()?.is_file();
    let format = if is_regular { analyze::format_of(&mut file)? } else { Format::Text };
    read(linter(format), file)
}

fn read(mut linter: Linter, mut input: impl Read) -> Result<Report, Failure> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(linter.finish()?),
            Ok(n_bytes) => linter.push(&buffer[..n_bytes])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
