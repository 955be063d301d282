//! What a parsed entry is made of.

use crate::model::{MetricType, Span};

/// One entry of an exposition; borrows from the line it was parsed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry<'a> {
    /// Nothing but blanks.
    Blank,
    /// A `#` line that says nothing to a parser.
    Comment,
    /// `# HELP name text`.
    Help {
        /// The family's name, without quotes, escapes as written.
        name: &'a [u8],
        /// Whether `name` holds backslashes: see [`crate::parse::unescape`].
        name_escaped: bool,
        /// The text, escapes as written: see [`crate::parse::unescape_help`].
        text: &'a [u8],
    },
    /// `# TYPE name type`.
    Type {
        /// The family's name, without quotes, escapes as written.
        name: &'a [u8],
        /// Whether `name` holds backslashes.
        name_escaped: bool,
        /// The type.
        metric_type: MetricType,
    },
    /// `# UNIT name unit` (OpenMetrics only).
    Unit {
        /// The family's name, without quotes, escapes as written.
        name: &'a [u8],
        /// Whether `name` holds backslashes.
        name_escaped: bool,
        /// The unit, as written; may be empty.
        unit: &'a [u8],
    },
    /// A sample; its parts are in the [`SampleTokens`].
    Sample,
    /// The end of the document: `# EOF` in OpenMetrics; in text a NUL byte where an entry would
    /// start, or in certain comments, behind which Prometheus reads nothing.
    Eof,
}

/// One label of a sample, as offsets into the line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LabelToken {
    /// The name, without quotes.
    pub name: Span,
    /// The value, without quotes.
    pub value: Span,
    /// Whether the name holds backslashes and so must go through [`crate::parse::unescape`].
    pub name_escaped: bool,
    /// Whether the value holds backslashes.
    pub value_escaped: bool,
}

/// The parts of a sample, as offsets into the line. Reused from line to line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleTokens {
    /// The metric name, without quotes.
    pub name: Span,
    /// Whether the name holds backslashes.
    pub name_escaped: bool,
    /// Whether any name stands in quotes; only such a name can be empty or not UTF-8.
    pub has_quoted_name: bool,
    /// The labels, in the order in which they are written.
    pub labels: Vec<LabelToken>,
    /// How many of the labels, from the first on, are known to have the same names and values as
    /// those these tokens held before.
    pub n_kept: usize,
    /// Where the value starts: behind the series and the blanks after it.
    pub value_start: usize,
    /// The value.
    pub value: f64,
    /// The timestamp in milliseconds, whatever unit the format writes.
    pub timestamp_ms: Option<i64>,
    /// The exemplar as written: `{…} value [timestamp]`.
    pub exemplar: Option<Span>,
}

impl SampleTokens {
    /// Forget everything but the memory.
    pub fn clear(&mut self) {
        self.labels.clear();
        self.n_kept = 0;
        self.name = Span::default();
        self.name_escaped = false;
        self.has_quoted_name = false;
        self.value_start = 0;
        self.value = 0.0;
        self.timestamp_ms = None;
        self.exemplar = None;
    }
}
