//! `weir analyze FILE|URL|-`: what an exposition is made of, and what could be saved.
//!
//! The text is metric-gate's: series by metric, values by label. With savings or rules, what could
//! be saved and what the rules would leave follows. With `--json` there is one object instead:
//!
//! ```text
//! {"totals": {"samples", "series", "metrics", "labels"},
//!  "metrics": [{"name", "type", "help", "samples", "series",
//!               "labels": [{"name", "values", "listed", "series_without"}]}],
//!  "labels": [{"name", "values", "listed", "series_without"}],
//!  "after_rules": {"dropped", "nameless", "totals", "metrics", "labels", "merged_gauges"}}
//! ```
//!
//! Names and values are as they are, not escaped as in an exposition; `help` is as it was written,
//! `type` and `help` are null where there is none. `listed` is empty where a label has more than
//! five values. `after_rules` is there with rules only, its parts have the shape of the whole, and
//! a sample there is a series: `nameless` counts those whose name the rules remove, and which keep
//! it, as in the gate.

mod parts;

use crate::analyze::{Analyzer, Extent, LabelReport, PreviewReport, Report, escaped};
use crate::app::check;
use crate::app::exit::Exit;
use crate::app::explain::rules_of;
use crate::app::options::shown;
use crate::config::parse_relabel_file;
use crate::model::{Format, MetricType};
use crate::parse::{Document, LINE_BYTES_MAX, ParseError};
use crate::relabel::Rules;
use serde_json::Value;
use serde_json::json;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes that are read at a time; they stay in the processor's cache.
pub(super) const READ_BYTES: usize = 256 << 10;

/// What to analyze, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// A file, a URL (`http://…`, `https://…`), or `-` for the standard input.
    pub input: String,
    /// The format; without it a file's end tells, a URL's content type, and the standard input is
    /// text.
    pub format: Option<Format>,
    /// A file of rules: show what they would leave.
    pub relabel_file: Option<PathBuf>,
    /// Whose rules: those of this subset, or else of the main output.
    pub subset: Option<String>,
    /// Count how many series would remain without each label; always so in JSON.
    pub savings: bool,
    /// Answer in JSON.
    pub json: bool,
    /// Refuse longer lines.
    pub line_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            input: "-".to_owned(),
            format: None,
            relabel_file: None,
            subset: None,
            savings: false,
            json: false,
            line_bytes_max: LINE_BYTES_MAX,
        }
    }
}

/// What a target answered, with status 200.
pub struct Fetched {
    /// The format of its content type.
    pub format: Format,
    /// The body, decompressed.
    pub body: Box<dyn Read>,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched").field("format", &self.format).finish_non_exhaustive()
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum AnalyzeError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Parse(#[from] ParseError),
}

/// Analyze as `options` say, to `out`; what is wrong goes to `err`. `fetch` asks a URL, `stdin` is
/// the standard input, `random` makes the key of the hashes.
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
    let rules = match rules(options) {
        Ok(rules) => rules,
        Err((exit, message)) => {
            writeln!(err, "{message}")?;
            return Ok(exit);
        }
    };
    let report = match analyze(options, rules, stdin, fetch, random) {
        Ok(report) => report,
        Err(error) => {
            writeln!(err, "cannot analyze {}: {error}", shown(&options.input))?;
            return Ok(Exit::Failure);
        }
    };
    if options.json {
        writeln!(out, "{}", to_json(&report))?;
    } else {
        write_text(&report, out)?;
    }
    for (name, n_fewer) in report.preview.iter().flat_map(|preview| &preview.merged_gauges) {
        writeln!(
            err,
            "warning: the rules merge series of the gauge {name:?} into {n_fewer} fewer; \
             say in the config what their merged value should be"
        )?;
    }
    Ok(Exit::Clean)
}

fn rules(options: &Options) -> Result<Option<Rules>, (Exit, String)> {
    let Some(path) = &options.relabel_file else { return Ok(None) };
    let name = path.display().to_string();
    let text = check::read_text(path).map_err(|error| (Exit::BadInput, error.to_string()))?;
    let file =
        parse_relabel_file(&name, &text).map_err(|errors| (Exit::BadInput, errors.to_string()))?;
    let rules = rules_of(&file, options.subset.as_deref());
    rules.map(|rules| Some(rules.clone())).map_err(|message| (Exit::BadInput, message))
}

fn analyze(
    options: &Options,
    rules: Option<Rules>,
    stdin: impl Read,
    fetch: impl FnOnce(&str) -> io::Result<Fetched>,
    random: impl FnMut() -> u64,
) -> Result<Report, AnalyzeError> {
    let mut plan = Plan::new(options, rules, random);
    if options.input == "-" {
        return plan.read(stdin);
    }
    if options.input.starts_with("http://") || options.input.starts_with("https://") {
        let Fetched { format, body } = fetch(&options.input)?;
        plan.format = options.format.unwrap_or(format);
        return plan.read(body);
    }
    let path = Path::new(&options.input);
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return plan.read(file);
    }
    if options.format.is_none() {
        plan.format = format_of(&mut file)?;
    }
    if plan.rules.is_some() {
        return plan.read(file);
    }
    Ok(parts::read(&plan, path, &file)?.finish()?)
}

/// How every part of a document is analyzed.
struct Plan {
    format: Format,
    extent: Extent,
    rules: Option<Rules>,
    line_bytes_max: usize,
    key: [u64; 2],
}

impl Plan {
    fn new(options: &Options, rules: Option<Rules>, mut random: impl FnMut() -> u64) -> Self {
        let with_savings = options.savings || options.json;
        Self {
            format: options.format.unwrap_or_default(),
            extent: if with_savings { Extent::Savings } else { Extent::Counts },
            rules,
            line_bytes_max: options.line_bytes_max,
            key: [random(), random()],
        }
    }

    fn analyzer(&self) -> Analyzer {
        let document = Document::new(self.format).with_line_bytes_max(self.line_bytes_max);
        let mut key = self.key.into_iter().cycle();
        let analyzer = Analyzer::new(document, self.extent, || key.next().unwrap_or_default());
        match &self.rules {
            Some(rules) => analyzer.with_rules(rules.clone()),
            None => analyzer,
        }
    }

    /// Analyze all there is to read.
    fn read(&self, input: impl Read) -> Result<Report, AnalyzeError> {
        let mut analyzer = self.analyzer();
        push_all(&mut analyzer, input)?;
        Ok(analyzer.finish()?)
    }
}

fn push_all(analyzer: &mut Analyzer, mut input: impl Read) -> Result<(), AnalyzeError> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n_bytes) => analyzer.push(&buffer[..n_bytes])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn format_of(file: &mut File) -> io::Result<Format> {
    const LOOK_AT: u64 = 16;
    let n_bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(n_bytes.saturating_sub(LOOK_AT)))?;
    let mut end = Vec::new();
    file.take(LOOK_AT).read_to_end(&mut end)?;
    file.rewind()?;
    Ok(Format::guess(&end))
}

pub(super) fn write_text(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    report.write_text(&mut out)?;
    if report.totals.n_series.is_some() {
        write_savings(report, &mut out)?;
    }
    if let Some(preview) = &report.preview {
        write_preview(report, preview, &mut out)?;
    }
    writeln!(out)?;
    out.flush()
}

fn write_savings(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let totals = report.totals;
    let n_series = totals.n_series.unwrap_or_default();
    writeln!(
        out,
        "\n{n_series} series in {} samples, {} metrics, {} labels; without the label there are",
        totals.n_samples, totals.n_metrics, totals.n_labels
    )?;
    for label in &report.labels {
        let n_without = label.n_series_without.unwrap_or_default();
        writeln!(out, "  {n_without} {}", escaped(&label.name))?;
    }
    Ok(())
}

fn write_preview(report: &Report, preview: &PreviewReport, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\nThe rules make {} series of {} samples; {} are dropped, {} keep a name the rules remove.",
        preview.report.totals.n_samples,
        report.totals.n_samples,
        preview.n_dropped,
        preview.n_nameless
    )?;
    preview.report.write_text(out)?;
    if preview.report.totals.n_series.is_some() {
        write_savings(&preview.report, out)?;
    }
    Ok(())
}

pub(super) fn to_json(report: &Report) -> Value {
    let mut json = report_json(report);
    if let Some(preview) = &report.preview {
        let mut after = report_json(&preview.report);
        after["dropped"] = json!(preview.n_dropped);
        after["nameless"] = json!(preview.n_nameless);
        let merged = preview.merged_gauges.iter();
        let merged = merged.map(|(name, n)| json!({"name": name, "fewer_series": n}));
        after["merged_gauges"] = merged.collect();
        json["after_rules"] = after;
    }
    json
}

fn report_json(report: &Report) -> Value {
    let totals = report.totals;
    let metrics = report.metrics.iter().map(|metric| {
        json!({
            "name": metric.name,
            "type": metric.metric_type.map(MetricType::open_metrics_word),
            "help": metric.help,
            "samples": metric.n_samples,
            "series": metric.n_series,
            "labels": metric.labels.iter().map(label_json).collect::<Value>(),
        })
    });
    json!({
        "totals": {
            "samples": totals.n_samples,
            "series": totals.n_series,
            "metrics": totals.n_metrics,
            "labels": totals.n_labels,
        },
        "metrics": metrics.collect::<Value>(),
        "labels": report.labels.iter().map(label_json).collect::<Value>(),
    })
}

fn label_json(label: &LabelReport) -> Value {
    json!({
        "name": label.name,
        "values": label.n_values,
        "listed": label.values,
        "series_without": label.n_series_without,
    })
}

#[cfg(test)]
mod tests;
