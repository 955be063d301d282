//! Expositions that are wrong on purpose: one for each thing a reader can refuse, and one for each
//! thing a linter can complain of.
//!
//! For testing gates: whoever stands between an exporter and Prometheus has to know all of them.

use crate::model::Format;

/// What is wrong with an exposition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Prometheus cannot read it.
    Parse,
    /// Prometheus reads it, and refuses it when it stores the samples.
    Append,
    /// Prometheus takes it; `promtool check metrics` complains, in these words.
    Lint(&'static str),
}

/// An exposition that is wrong on purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The format it is wrong in.
    pub format: Format,
    /// Whose complaint it is.
    pub fault: Fault,
    /// What is wrong, in a few words.
    pub about: &'static str,
    /// The exposition.
    pub text: &'static [u8],
}

/// The exposition of this name.
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

const fn text(name: &'static str, about: &'static str, text: &'static [u8]) -> Case {
    Case { name, format: Format::Text, fault: Fault::Parse, about, text }
}

const fn open_metrics(name: &'static str, about: &'static str, text: &'static [u8]) -> Case {
    Case { name, format: Format::OpenMetrics, fault: Fault::Parse, about, text }
}

const fn append(name: &'static str, about: &'static str, text: &'static [u8]) -> Case {
    Case { name, format: Format::Text, fault: Fault::Append, about, text }
}

const fn lint(name: &'static str, complaint: &'static str, text: &'static [u8]) -> Case {
    let fault = Fault::Lint(complaint);
    Case { name, format: Format::Text, fault, about: complaint, text }
}

/// All of them: what cannot be read, what cannot be stored, what is bad style.
pub const CASES: &[Case] = &[
    text("entry-start", "a line starts with a digit", b"ok 1\n2xx 1\n"),
    text("meta-name", "`# TYPE` without a name", b"# TYPE \na 1\n"),
    text("meta-text", "`# TYPE` without a type", b"# TYPE a\na 1\n"),
    text("metric-type", "a type nobody knows", b"# TYPE a speedometer\na 1\n"),
    text("help-not-utf8", "help that is not UTF-8", b"# HELP a caf\xe9\na 1\n"),
    text("label-name", "a label name that starts with a digit", b"a{1b=\"x\"} 1\n"),
    text("equals", "no `=` behind a label name", b"a{b \"x\"} 1\n"),
    text("label-value", "a label value without quotes", b"a{b=x} 1\n"),
    text("closing-quote", "a label value that does not end", b"a{b=\"x} 1\n"),
    text("value-not-utf8", "a label value that is not UTF-8", b"a{b=\"caf\xe9\"} 1\n"),
    text("comma-or-brace", "no comma between labels", b"a{b=\"x\";c=\"y\"} 1\n"),
    text("second-name", "a second metric name, in quotes", b"a{\"b\"} 1\n"),
    text("no-name", "labels without a metric name", b"{b=\"x\"} 1\n"),
    text("missing-value", "a series without a value", b"a{b=\"x\"}\n"),
    text("bad-number", "a value that is no number", b"a fast\n"),
    text("number-too-large", "a value beyond a double", b"a 1e999\n"),
    text("bad-timestamp", "a timestamp that is no integer", b"a 1 1.5\n"),
    text("timestamp-too-large", "a timestamp beyond 64 bits", b"a 1 99999999999999999999\n"),
    text("line-end", "something behind the timestamp", b"a 1 1700000000000 2\n"),
    text("carriage-return", "lines that end as on Windows", b"a 1\r\n"),
    text("byte-order-mark", "a byte order mark in front", b"\xef\xbb\xbfa 1\n"),
    text("cut", "a body that was cut in the middle", b"a 1\nb{c=\"x"),
    text("html", "a page of a proxy", b"<html><body>502 Bad Gateway</body></html>\n"),
    text("exemplar-in-text", "an exemplar, which text has not", b"a_total 1 # {id=\"x\"} 1\n"),
    open_metrics("om-no-eof", "no `# EOF` at the end", b"# TYPE a gauge\na 1\n"),
    open_metrics("om-data-after-eof", "lines behind `# EOF`", b"a 1\n# EOF\na 2\n"),
    open_metrics("om-comment", "a comment, which OpenMetrics has not", b"# hello\na 1\n# EOF\n"),
    open_metrics("om-blank-line", "a blank line", b"a 1\n\nb 1\n# EOF\n"),
    open_metrics("om-two-blanks", "two blanks where one may stand", b"a  1\n# EOF\n"),
    open_metrics(
        "om-untyped",
        "the type `untyped` of text 0.0.4",
        b"# TYPE a untyped\na 1\n# EOF\n",
    ),
    open_metrics(
        "om-unit-not-in-name",
        "a unit the name does not end in",
        b"# TYPE a_bytes gauge\n# UNIT a_bytes seconds\na_bytes 1\n# EOF\n",
    ),
    open_metrics("om-bad-timestamp", "a timestamp that is no number", b"a 1 now\n# EOF\n"),
    open_metrics("om-cut", "a body that was cut behind a line", b"# TYPE a counter\na_total 1\n"),
    open_metrics(
        "om-bad-exemplar",
        "an exemplar whose labels do not end",
        b"# TYPE a counter\na_total 1 # {id=\"x\" 1\n# EOF\n",
    ),
    open_metrics(
        "om-exemplar-without-value",
        "an exemplar without a value",
        b"# TYPE a counter\na_total 1 # {id=\"x\"}\n# EOF\n",
    ),
    append("duplicate-label", "a label twice", b"a{b=\"x\",b=\"y\"} 1\n"),
    append("empty-name", "a metric name that is empty", b"{\"\"} 1\n"),
    append("name-label", "`__name__` among the labels", b"a{__name__=\"b\"} 1\n"),
    lint("lint-no-help", "no help text", b"# TYPE a_bytes gauge\na_bytes 1\n"),
    lint(
        "lint-counter-total",
        "counter metrics should have \"_total\" suffix",
        b"# HELP a_seconds Help.\n# TYPE a_seconds counter\na_seconds 1\n",
    ),
    lint(
        "lint-gauge-total",
        "non-counter metrics should not have \"_total\" suffix",
        b"# HELP a_total Help.\n# TYPE a_total gauge\na_total 1\n",
    ),
    lint(
        "lint-bucket",
        "non-histogram metrics should not have \"_bucket\" suffix",
        b"# HELP a_bucket Help.\n# TYPE a_bucket gauge\na_bucket 1\n",
    ),
    lint(
        "lint-count",
        "non-histogram and non-summary metrics should not have \"_count\" suffix",
        b"# HELP a_count Help.\n# TYPE a_count gauge\na_count 1\n",
    ),
    lint(
        "lint-sum",
        "non-histogram and non-summary metrics should not have \"_sum\" suffix",
        b"# HELP a_sum Help.\n# TYPE a_sum gauge\na_sum 1\n",
    ),
    lint(
        "lint-le",
        "non-histogram metrics should not have \"le\" label",
        b"# HELP a_bytes Help.\n# TYPE a_bytes gauge\na_bytes{le=\"1\"} 1\n",
    ),
    lint(
        "lint-quantile",
        "non-summary metrics should not have \"quantile\" label",
        b"# HELP a_bytes Help.\n# TYPE a_bytes gauge\na_bytes{quantile=\"0.5\"} 1\n",
    ),
    lint(
        "lint-base-unit",
        "use base unit \"seconds\" instead of \"milliseconds\"",
        b"# HELP a_milliseconds Help.\n# TYPE a_milliseconds gauge\na_milliseconds 1\n",
    ),
    lint(
        "lint-abbreviated-unit",
        "metric names should not contain abbreviated units",
        b"# HELP a_ms Help.\n# TYPE a_ms gauge\na_ms 1\n",
    ),
    lint(
        "lint-type-in-name",
        "metric name should not include type 'gauge'",
        b"# HELP a_gauge Help.\n# TYPE a_gauge gauge\na_gauge 1\n",
    ),
    lint(
        "lint-colon",
        "metric names should not contain ':'",
        b"# HELP a:b Help.\n# TYPE a:b gauge\na:b 1\n",
    ),
    lint(
        "lint-camel-case",
        "metric names should be written in 'snake_case' not 'camelCase'",
        b"# HELP aB_bytes Help.\n# TYPE aB_bytes gauge\naB_bytes 1\n",
    ),
    lint(
        "lint-camel-case-label",
        "label names should be written in 'snake_case' not 'camelCase'",
        b"# HELP a_bytes Help.\n# TYPE a_bytes gauge\na_bytes{bC=\"x\"} 1\n",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Entry;
    use crate::parse::Parser;
    use crate::parse::check_labels;

    /// Whether the parser refuses it, or else the check behind it.
    fn is_refused(case: &Case) -> (bool, bool) {
        let mut is_bad_label = false;
        let mut parser = Parser::new(case.format);
        let mut visit = |line: &[u8], entry: Entry<'_>, tokens: &_| {
            is_bad_label |= entry == Entry::Sample && check_labels(line, tokens).is_err();
            Ok(())
        };
        let pushed = parser.push(case.text, &mut visit);
        let refused = pushed.is_err() || parser.finish(&mut visit).is_err();
        (refused, is_bad_label)
    }

    #[test]
    fn each_case_is_refused_where_it_says() {
        let wrong: Vec<_> = CASES
            .iter()
            .filter(|case| {
                let expect = match case.fault {
                    Fault::Parse => (true, false),
                    Fault::Append => (false, true),
                    Fault::Lint(_) => (false, false),
                };
                is_refused(case) != expect
            })
            .map(|case| case.name)
            .collect();
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn names_are_unique_and_found() {
        for case in CASES {
            assert_eq!(find(case.name), Some(case));
        }
        assert_eq!(find("fine"), None);
    }
}
