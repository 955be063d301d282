//! Why a document cannot be linted.

use crate::model::quote::{Quoted, QuotedByte};
use crate::parse::ParseError;

/// Why reading stopped; nothing is reported then but this.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LintError {
    /// In text 0.0.4; the message is that of `promtool check metrics`.
    #[error(transparent)]
    Text(#[from] TextError),
    /// In OpenMetrics; the message is that of [`crate::parse`].
    #[error(transparent)]
    OpenMetrics(#[from] ParseError),
}

impl LintError {
    /// The line it is on, from 1.
    pub fn line(&self) -> usize {
        match self {
            Self::Text(error) => error.line,
            Self::OpenMetrics(error) => error.line,
        }
    }
}

/// Why a text 0.0.4 was refused, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("text format parsing error in line {line}: {kind}")]
pub struct TextError {
    /// One-based line.
    pub line: usize,
    /// What was wrong.
    pub kind: TextErrorKind,
}

/// What was wrong, in the words of `expfmt` (prometheus/common).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// The text ends anywhere but at the start of a line.
    #[error("unexpected end of input stream")]
    EndOfInput,
    /// A HELP or TYPE line without a proper name.
    #[error("invalid metric name in comment")]
    NameInComment,
    /// A sample without a proper name.
    #[error("invalid metric name")]
    NoName,
    /// A metric name outside the character set.
    #[error("invalid metric name {0}")]
    MetricName(Quoted),
    /// Something else than `,`, `}` or `=` behind a name in braces.
    #[error("unexpected end of metric name {0}")]
    EndOfName(QuotedByte),
    /// Two metric names in braces.
    #[error("multiple metric names for metric {0}")]
    SecondName(Quoted),
    /// No label name where one should be.
    #[error("invalid label name for metric {0}")]
    NoLabelName(Quoted),
    /// A label name outside the character set.
    #[error("invalid label name {0}")]
    LabelName(Quoted),
    /// Something else than `=` behind a label name.
    #[error("expected '=' after label name, found {0}")]
    Equals(QuotedByte),
    /// `__name__` as a label.
    #[error("label name \"__name__\" is reserved")]
    ReservedLabel,
    /// A label twice.
    #[error("duplicate label names for metric {0}")]
    DuplicateLabel(Quoted),
    /// A label value without quotes.
    #[error("expected '\"' at start of label value, found {0}")]
    OpeningQuote(QuotedByte),
    /// A label value that is not UTF-8.
    #[error("invalid label value {0}")]
    LabelValue(Quoted),
    /// A newline in a label value.
    #[error("label value {0} contains unescaped new-line")]
    NewlineInValue(Quoted),
    /// A newline in a quoted label name.
    #[error("label name {0} contains unescaped new-line")]
    NewlineInLabelName(Quoted),
    /// A newline in a quoted metric name.
    #[error("metric name {0} contains unescaped new-line")]
    NewlineInMetricName(Quoted),
    /// A backslash before something that needs none.
    #[error("invalid escape sequence '\\{0}'")]
    Escape(char),
    /// Neither a comma nor `}` behind a label value.
    #[error("unexpected end of label value {0}")]
    EndOfLabelValue(Quoted),
    /// A value that is no number.
    #[error("expected float as value, got {0}")]
    Value(Quoted),
    /// A `quantile` that is no number.
    #[error("expected float as value for 'quantile' label, got {0}")]
    Quantile(Quoted),
    /// An `le` that is no number.
    #[error("expected float as value for 'le' label, got {0}")]
    Le(Quoted),
    /// A histogram that has counted less than nothing.
    #[error("negative count for histogram {0}")]
    NegativeCount(Quoted),
    /// A bucket that has counted less than nothing.
    #[error("negative bucket population for histogram {0}")]
    NegativeBucket(Quoted),
    /// A timestamp that is no integer.
    #[error("expected integer as timestamp, got {0}")]
    Timestamp(Quoted),
    /// Something behind the timestamp.
    #[error("spurious string after timestamp: {0}")]
    BehindTimestamp(Quoted),
    /// HELP twice.
    #[error("second HELP line for metric name {0}")]
    SecondHelp(Quoted),
    /// TYPE twice, or behind samples.
    #[error("second TYPE line for metric name {0}, or TYPE reported after samples")]
    SecondType(Quoted),
    /// A type that is none.
    #[error("unknown metric type {0}")]
    MetricType(Quoted),
    /// A line beyond the limit; promtool has none.
    #[error("line is longer than {0} bytes, which is the limit")]
    LineTooLong(usize),
}
