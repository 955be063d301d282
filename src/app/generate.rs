//! `weir generate`: synthetic series, served, written, or put into files for a backfill.
//!
//! | what | how |
//! |---|---|
//! | serve | the default: `/metrics`, `/targets/N/metrics`, `/http_sd`, a live interface |
//! | one page | `--output FILE`, or `-` for standard output, of the instant `--at` |
//! | numbers only | `--dry-run` |
//! | history | `weir generate backfill`: OpenMetrics, a file for each two hours |
//! | remote write | `weir generate remote-write`: as time goes by, or history |
//! | a configuration | `weir generate learn FILE|URL`, `weir generate schema` |
//!
//! Whatever is written is a function of configuration, seed and time. What the live interface
//! changes is the exception: it lives in the process and is gone with it.

pub mod backfill;
pub mod dry_run;
pub mod learn;
pub mod live;
mod native;
pub mod page;
pub mod remote_write;
pub mod run;
mod sending;
pub mod serve;
pub mod time;
pub mod write;

use crate::app::check;
use crate::app::exit::Exit;
use crate::app::serve::Failure;
use crate::config::ConfigErrors;
use crate::config::generate::Document;
use crate::config::generate::file_schema;
use crate::generate::generator::Generator;
use crate::generate::generator::Limits;
use crate::generate::invalid;
use crate::generate::presets;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

/// What to generate.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// A file.
    pub config: Option<PathBuf>,
    /// The name of a preset.
    pub preset: Option<String>,
    /// Parameters given by hand.
    pub set: Vec<(String, String)>,
    /// A seed in place of the file's.
    pub seed: Option<u64>,
    /// Virtual targets in place of the file's.
    pub targets: Option<u32>,
    /// Series of all targets.
    pub series_max: u64,
}

/// A configuration that was read and compiled.
#[derive(Debug)]
pub struct Loaded {
    /// As written.
    pub document: Document,
    /// Compiled.
    pub generator: Generator,
}

impl Source {
    /// Read and compile.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, a line each.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let (name, text, folder) = self.text()?;
        let read_file =
            |file: &str| check::read_text(&folder.join(file)).map_err(|e| e.to_string());
        let lines =
            |errors: ConfigErrors| bad_input(errors.iter().map(ToString::to_string).collect());
        let (document, _) = Document::read(&name, &text, &self.set, &read_file).map_err(lines)?;
        let document = self.adjusted(document);
        let generator = compile(&document, self.limits()).map_err(|errors| {
            let mut failure = lines(errors);
            let limit = format!("more than the limit of {}", self.series_max);
            if failure.lines.iter().any(|line| line.contains(&limit)) {
                failure.lines.push("--max-series raises the limit".to_owned());
            }
            failure
        })?;
        Ok(Loaded { document, generator })
    }

    /// The bounds on what is compiled.
    pub fn limits(&self) -> Limits {
        Limits { n_series_max: self.series_max }
    }

    /// Put in what was given on the command line.
    fn adjusted(&self, mut document: Document) -> Document {
        if let Some(seed) = self.seed {
            document = document.with_number("seed", seed);
        }
        if let Some(targets) = self.targets {
            document = document.with_number("targets", u64::from(targets));
        }
        document
    }

    /// Name, text, and the folder in which files named in it are.
    fn text(&self) -> Result<(String, String, PathBuf), Failure> {
        match (&self.config, &self.preset) {
            (Some(_), Some(_)) => Err(one("a file and --preset: give one of them")),
            (Some(path), None) => {
                let name = path.display().to_string();
                let text = check::read_text(path).map_err(|e| one(&e.to_string()))?;
                let folder = path.parent().unwrap_or(Path::new("."));
                Ok((name, text, folder.to_owned()))
            }
            (None, Some(preset)) => {
                let text = presets::text(preset).ok_or_else(|| {
                    let known = presets::NAMES.join(", ");
                    one(&format!("--preset {preset:?}: there are {known}"))
                })?;
                Ok((format!("preset {preset}"), text.to_owned(), PathBuf::new()))
            }
            (None, None) => {
                let known = presets::NAMES.join(", ");
                Err(one(&format!("give a file, or --preset with one of {known}")))
            }
        }
    }
}

/// Compile a document.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn compile(document: &Document, limits: Limits) -> Result<Generator, ConfigErrors> {
    let spec = document.spec()?;
    Generator::new(&spec, &limits).map_err(|errors| document.place(&errors))
}

/// Print the JSON schema of configurations.
///
/// # Errors
///
/// Writing failed.
pub fn schema(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:#}", file_schema())
}

/// Print an exposition that is wrong in one way; `list` prints which ways there are.
///
/// # Errors
///
/// There is no such way, or writing failed.
pub fn print_invalid(name: &str, out: &mut impl Write) -> Result<(), Failure> {
    if name == "list" {
        return printed(out.write_all(invalid_list().as_bytes()));
    }
    let Some(case) = invalid::find(name) else {
        return Err(one(&format!("--invalid {name:?}: `--invalid list` tells what there is")));
    };
    printed(out.write_all(case.text.as_ref()))
}

/// Names of what can be wrong, and what is wrong there, a line each.
fn invalid_list() -> String {
    let lines = invalid::CASES.iter().map(|case| format!("{:40} {}", case.name, case.about));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn bad_input(lines: Vec<String>) -> Failure {
    Failure { exit: Exit::BadInput, lines }
}

/// One line about what was asked for.
pub(crate) fn one(line: &str) -> Failure {
    bad_input(vec![line.to_owned()])
}

/// What was printed to standard output, unless that failed. That nobody reads on is no failure.
pub(crate) fn printed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|e| output_failed("-", &e)),
    }
}

/// Writing somewhere failed.
pub(crate) fn output_failed(name: &str, error: &io::Error) -> Failure {
    let name = if name == "-" { "standard output".to_owned() } else { format!("{name:?}") };
    Failure { exit: Exit::Failure, lines: vec![format!("cannot write {name}: {error}")] }
}
