//! Findings as people and machines read them.

use super::{Options, Output};
use crate::app::options::shown;
use crate::lint::{LintError, Report, RuleSet};
use serde_json::Value;
use serde_json::json;
use std::io;
use std::io::BufWriter;
use std::io::Write;

/// Blanks between the columns of the table.
const PADDING: usize = 4;

/// What promtool prints.
pub(super) fn text(
    options: &Options,
    report: &Report,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    let mut err = BufWriter::new(err);
    for finding in &report.findings {
        // promlint says a thing once for each series; what it would not say is said once.
        let n_lines = if finding.rule.is_promlint() { finding.n } else { 1 };
        let line = format!("{finding}\n");
        for _ in 0..n_lines {
            err.write_all(line.as_bytes())?;
        }
    }
    err.flush()?;
    if options.extended { table(report, out) } else { Ok(()) }
}

fn table(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let n_series = report.n_series();
    let header = ["Metric", "Cardinality", "Percentage"].map(str::to_owned);
    let rows = report.cardinality.iter().map(|row| {
        #[expect(clippy::cast_precision_loss, reason = "a percentage with two decimals")]
        let share = row.n_series as f64 / n_series as f64 * 100.0;
        [row.metric.clone(), row.n_series.to_string(), format!("{share:.2}%")]
    });
    let total = ["Total".to_owned(), n_series.to_string(), "100%".to_owned()];
    let rows: Vec<[String; 3]> = std::iter::once(header).chain(rows).chain([total]).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default() + PADDING
    };
    let widths = [width(0), width(1), width(2)];
    let mut out = BufWriter::new(out);
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            write!(out, "{cell:width$}")?;
        }
        writeln!(out)?;
    }
    out.flush()
}

/// What is told of a document that cannot be read.
pub(super) fn failure(
    options: &Options,
    rules: RuleSet,
    error: &LintError,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    match options.output {
        Output::Text if rules.is_empty() => {
            writeln!(err, "error while parsing text to metric families: {error}")
        }
        Output::Text => writeln!(err, "error while linting: {error}"),
        Output::Json => {
            let mut json = json(options, &Report::default());
            json["error"] = json!({"line": error.line(), "message": error.to_string()});
            writeln!(out, "{json}")
        }
        Output::GitHub => {
            annotation(options, "error", error.line(), "parse-error", &error.to_string(), out)
        }
    }
}

pub(super) fn json(options: &Options, report: &Report) -> Value {
    let findings = report.findings.iter().map(|finding| {
        json!({
            "rule": finding.rule.name(),
            "level": finding.rule.level().name(),
            "metric": finding.metric,
            "text": finding.text,
            "line": finding.line,
            "count": finding.n,
        })
    });
    let rows = report.cardinality.iter();
    let rows = rows.map(|row| json!({"metric": row.metric, "series": row.n_series}));
    json!({
        "input": shown(&options.input).trim_matches('"'),
        "error": Value::Null,
        "samples": report.n_samples,
        "series": report.n_series(),
        "silenced": report.n_silenced,
        "findings": findings.collect::<Value>(),
        "cardinality": rows.collect::<Value>(),
    })
}

pub(super) fn github(options: &Options, report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    for finding in &report.findings {
        let rule = finding.rule;
        let text = match finding.n {
            2.. if rule.is_promlint() => format!("{finding} ({} times)", finding.n),
            _ => finding.to_string(),
        };
        annotation(options, rule.level().name(), finding.line, rule.name(), &text, &mut out)?;
    }
    if options.extended {
        table(report, &mut out)?;
    }
    out.flush()
}

/// `::error file=…,line=…,title=…::text`, escaped as GitHub's toolkit does.
fn annotation(
    options: &Options,
    level: &str,
    line: usize,
    title: &str,
    text: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let place = if options.input == "-" || options.input.contains("://") {
        String::new()
    } else {
        format!("file={},line={line},", property(&options.input))
    };
    writeln!(out, "::{level} {place}title={}::{}", property(title), escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Cardinality, LintConfig, Linter};

    fn report(text: &str, rules: &str) -> Report {
        let config = LintConfig { rules: rules.parse().unwrap(), ..LintConfig::default() };
        let mut linter = Linter::new(config, || 4);
        linter.push(text.as_bytes()).unwrap();
        linter.finish().unwrap()
    }

    #[test]
    fn the_table_is_promtools() {
        let row = |metric: &str, n_series| Cardinality { metric: metric.to_owned(), n_series };
        let cardinality = vec![row("h", 4), row("s", 3), row("a_total", 2)];
        let mut out = Vec::new();
        table(&Report { cardinality, ..Report::default() }, &mut out).unwrap();
        let expect = concat!(
            "Metric     Cardinality    Percentage    \n",
            "h          4              44.44%        \n",
            "s          3              33.33%        \n",
            "a_total    2              22.22%        \n",
            "Total      9              100%          \n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn annotations_name_place_and_rule() {
        let options = Options { input: "a,b:100%.txt".to_owned(), ..Options::default() };
        let text = "# HELP a_total x\n# TYPE a_total counter\na_total{aB=\"1\"} -1\na_total -2\n";
        let mut out = Vec::new();
        github(&options, &report(text, "all"), &mut out).unwrap();
        let expect = concat!(
            "::error file=a%2Cb%3A100%25.txt,line=3,title=counter-negative",
            "::a_total counter value is negative (line 3, the first of 2)\n",
            "::warning file=a%2Cb%3A100%25.txt,line=3,title=camel-case-label",
            "::a_total label names should be written in 'snake_case' not 'camelCase'\n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn a_url_is_no_file_and_keeps_its_secrets() {
        let input = "http://user:secret@host/metrics".to_owned();
        let options = Options { input, ..Options::default() };
        let report = report("a 1\n", "promlint");
        let mut out = Vec::new();
        github(&options, &report, &mut out).unwrap();
        assert_eq!(out, b"::warning title=help-missing::a no help text\n");
        assert!(!json(&options, &report).to_string().contains("secret"));
    }
}
