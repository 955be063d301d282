//! What is wrong, or against a convention, in an exposition.
//!
//! In go the bytes of a document, in chunks of any size; out comes a [`Report`]. The rules of
//! promlint (client_golang `testutil/promlint`) are here with their exact texts, and so are the
//! verdicts and messages of the parser in front of it, so that `promtool check metrics` would say
//! the same; then come rules of weir's own ([`Rule`]). promtool is the referee.
//!
//! Time is linear in the bytes, where promlint compares every two series of a family. Memory is
//! that of the names and 16 bytes a series; if rules look at histograms as wholes, 24 bytes a
//! bucket too. The order of families, and of the series in them, makes no difference to what is
//! found, but for the rules that are about order.
//!
//! ```
//! use weir::lint::{LintConfig, Linter};
//! let mut linter = Linter::new(LintConfig::default(), || 4);
//! linter.push(b"# TYPE a_ms gauge\na_ms 1\n").unwrap();
//! let report = linter.finish().unwrap();
//! let said: Vec<String> = report.findings.iter().map(|finding| finding.to_string()).collect();
//! assert_eq!(said, ["a_ms metric names should not contain abbreviated units", "a_ms no help text"]);
//! ```
//!
//! Nothing here knows of files, of HTTP or of JSON.

mod core;
mod cursor;
mod error;
mod families;
mod histogram;
mod labels;
mod names;
mod open_metrics;
mod report;
mod rule;
mod silence;
mod text;

pub use error::{LintError, TextError, TextErrorKind};
pub use report::{Cardinality, Finding, Report};
pub use rule::{Level, Rule, RuleSet, UnknownRule};
pub use silence::{SilenceError, SilenceErrorKind, Silences};
pub use text::{Comment, name_in_braces, read_comment};

use crate::lint::core::Core;
use crate::lint::open_metrics::OpenMetricsReader;
use crate::lint::text::{Names, TextReader};
use crate::model::FingerprintKey;
use crate::model::Format;
use crate::parse::LINE_BYTES_MAX;

/// How to lint.
#[derive(Clone, Copy, Debug)]
pub struct LintConfig {
    /// What the document is.
    pub format: Format,
    /// What to look for.
    pub rules: RuleSet,
    /// Whether names may be any in UTF-8, as for promtool with `--lint=none`.
    pub utf8_names: bool,
    /// Refuse longer lines.
    pub line_bytes_max: usize,
}

impl Default for LintConfig {
    fn default() -> Self {
        Self {
            format: Format::Text,
            rules: RuleSet::default(),
            utf8_names: false,
            line_bytes_max: LINE_BYTES_MAX,
        }
    }
}

/// Reads a document and looks for what is wrong.
#[derive(Debug)]
pub struct Linter {
    reading: Reading,
    core: Core,
}

#[derive(Debug)]
enum Reading {
    Text(Lines),
    OpenMetrics(Box<OpenMetricsReader>),
}

impl Linter {
    /// The start of a document. `random` must be unpredictable to whoever names series.
    pub fn new(config: LintConfig, random: impl FnMut() -> u64) -> Self {
        let LintConfig { format, rules, utf8_names, line_bytes_max } = config;
        let names = if utf8_names { Names::Utf8 } else { Names::Legacy };
        let reading = match format {
            Format::Text => Reading::Text(Lines {
                reader: TextReader::new(names),
                n_whole: 0,
                unfinished: Vec::new(),
                line_bytes_max,
            }),
            Format::OpenMetrics => {
                Reading::OpenMetrics(Box::new(OpenMetricsReader::new(line_bytes_max)))
            }
        };
        Self { reading, core: Core::new(format, rules, FingerprintKey::new(random)) }
    }

    /// Read the next bytes of the document, cut anywhere.
    ///
    /// # Errors
    ///
    /// Where promtool refuses a text, or Prometheus a document in OpenMetrics; and at a line that
    /// is too long. Do not push anything then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), LintError> {
        match &mut self.reading {
            Reading::Text(lines) => Ok(lines.push(&mut self.core, chunk)?),
            Reading::OpenMetrics(reader) => Ok(reader.push(&mut self.core, chunk)?),
        }
    }

    /// End the document.
    ///
    /// # Errors
    ///
    /// When the last line is wrong or the document may not end here.
    pub fn finish(mut self) -> Result<Report, LintError> {
        match self.reading {
            Reading::Text(lines) => lines.finish(&mut self.core)?,
            Reading::OpenMetrics(reader) => reader.finish(&mut self.core)?,
        }
        Ok(Report::new(self.core))
    }
}

/// Cuts a text into lines.
#[derive(Debug)]
struct Lines {
    reader: TextReader,
    /// Whole lines so far.
    n_whole: usize,
    /// The start of a line.
    unfinished: Vec<u8>,
    line_bytes_max: usize,
}

impl Lines {
    fn push(&mut self, core: &mut Core, chunk: &[u8]) -> Result<(), TextError> {
        let mut rest = chunk;
        if !self.unfinished.is_empty()
            && let Some(end) = memchr::memchr(b'\n', rest)
        {
            let (line, behind) = rest.split_at(end + 1);
            let mut whole = std::mem::take(&mut self.unfinished);
            self.check_length(whole.len() + line.len())?;
            whole.extend_from_slice(line);
            self.line(core, &whole)?;
            whole.clear();
            self.unfinished = whole;
            rest = behind;
        }
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end + 1);
            self.line(core, line)?;
            rest = behind;
        }
        self.check_length(self.unfinished.len() + rest.len())?;
        self.unfinished.extend_from_slice(rest);
        Ok(())
    }

    fn line(&mut self, core: &mut Core, line: &[u8]) -> Result<(), TextError> {
        self.check_length(line.len())?;
        let number = self.n_whole + 1;
        self.reader.line(core, line, number).map_err(|kind| TextError { line: number, kind })?;
        self.n_whole = number;
        Ok(())
    }

    fn check_length(&self, n_bytes: usize) -> Result<(), TextError> {
        if n_bytes <= self.line_bytes_max {
            return Ok(());
        }
        let kind = TextErrorKind::LineTooLong(self.line_bytes_max);
        Err(TextError { line: self.n_whole + 1, kind })
    }

    /// The text ends; where anything stands behind the last newline, only blanks may.
    fn finish(mut self, core: &mut Core) -> Result<(), TextError> {
        let last = std::mem::take(&mut self.unfinished);
        self.line(core, &last)
    }
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
