//! Why an exposition was refused, and where.

/// Bytes of input an error message quotes at most.
const QUOTE_BYTES_MAX: usize = 60;

/// What was wrong with an entry: mostly, what was expected where something else stood.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// A line starts with something no entry starts with.
    #[error("expected a metric name, `{{` or `#`")]
    EntryStart,
    /// OpenMetrics knows no comments and no blank lines.
    #[error("expected `# HELP`, `# TYPE`, `# UNIT` or `# EOF`")]
    MetaWord,
    /// No metric name behind HELP, TYPE or UNIT.
    #[error("expected a metric name")]
    MetaName,
    /// Nothing (or a NUL byte) behind the name of a HELP, TYPE or UNIT line.
    #[error("expected a space and the text of the line")]
    MetaText,
    /// A TYPE that is none of the format's.
    #[error("expected a metric type")]
    MetricType,
    /// A HELP text that is not UTF-8.
    #[error("help text is not valid UTF-8")]
    HelpNotUtf8,
    /// A UNIT the metric name does not end in.
    #[error("unit is not the last part of the metric name")]
    UnitNotInName,
    /// Neither a label name nor the closing brace.
    #[error("expected a label name or `}}`")]
    LabelName,
    /// No `=` behind a label name.
    #[error("expected `=`")]
    Equals,
    /// No quoted value behind `=`.
    #[error("expected a label value in quotes")]
    LabelValue,
    /// A quote is not closed, or holds what may not stand in it.
    #[error("expected a closing quote")]
    ClosingQuote,
    /// A label value that is not UTF-8.
    #[error("label value is not valid UTF-8")]
    ValueNotUtf8,
    /// Neither a comma nor the closing brace behind a label.
    #[error("expected `,` or `}}`")]
    CommaOrBrace,
    /// A quoted metric name where the metric has a name already.
    #[error("expected `=`: the metric has a name already")]
    SecondName,
    /// Labels without a metric name.
    #[error("expected a metric name before the labels or, in quotes, among them")]
    NoName,
    /// No value behind the series.
    #[error("expected a value")]
    Value,
    /// A value that is not a number, or one beyond the range of a double.
    #[error("expected a number")]
    BadNumber,
    /// A timestamp that is not one.
    #[error("expected a timestamp")]
    BadTimestamp,
    /// Something stands behind a complete entry.
    #[error("expected a timestamp or the end of the line")]
    TimestampOrEnd,
    /// Something stands behind the timestamp, or an exemplar.
    #[error("expected the end of the line")]
    LineEnd,
    /// The document ends in the middle, or without `# EOF`.
    #[error("expected `# EOF` at the end of the document")]
    NoEof,
    /// Something stands behind `# EOF`.
    #[error("expected nothing after `# EOF`")]
    DataAfterEof,
    /// A line longer than the limit.
    #[error("line is longer than the limit")]
    LineTooLong,
    /// A NUL byte, at which Prometheus would stop reading as if the text ended there. The parser
    /// does the same; a scrape does not ([`crate::ledger`]).
    #[error("expected text, not a NUL byte")]
    NulByte,
    /// The same label twice ([`crate::parse::check_labels`]).
    #[error("label name occurs twice")]
    DuplicateLabel,
    /// A metric or label name that is empty ([`crate::parse::check_labels`]).
    #[error("name is empty")]
    EmptyName,
    /// A metric or label name that is not UTF-8 ([`crate::parse::check_labels`]).
    #[error("name is not valid UTF-8")]
    NameNotUtf8,
}

/// What was wrong with an entry, as [`crate::parse::parse_entry`] tells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("column {column}: {kind}")]
pub struct EntryError {
    /// One-based byte column, counted from the start of the entry.
    pub column: usize,
    /// What was wrong.
    pub kind: ParseErrorKind,
}

/// Why an exposition was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}, found {found:?}")]
pub struct ParseError {
    /// One-based line.
    pub line: usize,
    /// One-based byte column.
    pub column: usize,
    /// What was wrong.
    pub kind: ParseErrorKind,
    /// The first bytes of what stood there instead, to the end of the line.
    pub found: String,
}

impl EntryError {
    /// Place the error in its document: the entry `text` starts on line `line` (one-based).
    pub fn locate(self, line: usize, text: &[u8]) -> ParseError {
        let (before, from) = text.split_at((self.column - 1).min(text.len()));
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        ParseError {
            line: line + memchr::memchr_iter(b'\n', before).count(),
            column: before.len() - line_start + 1,
            kind: self.kind,
            found: quote(from),
        }
    }
}

/// The rest of a line, cut.
fn quote(from: &[u8]) -> String {
    let line = from.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if line.len() <= QUOTE_BYTES_MAX {
        return String::from_utf8_lossy(line).into_owned();
    }
    let mut cut = String::from_utf8_lossy(&line[..QUOTE_BYTES_MAX]).into_owned();
    cut.push('…');
    cut
}
