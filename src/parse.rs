//! Exposition text to entries: Prometheus text 0.0.4 and OpenMetrics 1.0.
//!
//! In go bytes, in chunks of any size; out come entries that borrow from them. What is accepted
//! and refused, and what an entry then holds, is what Prometheus 3 makes of the same bytes (its
//! `model/textparse`), so the rules here are its lexers' rules, odd corners included:
//!
//! ```text
//! text         = *( [blanks] ( meta | comment | sample ) newline / NUL ends the document )
//! meta         = "#" blanks ("HELP" / "TYPE") blanks name [ANY rest]
//! sample       = series [blanks] value [blanks digits] [blanks]
//! series       = name [blanks] [labels] / labels        ; a name in quotes stands among the labels
//! labels       = "{" *( label-name "=" quoted [","] / quoted-name ("," / "}") ) "}"
//!
//! OpenMetrics  = *( meta / sample ) "# EOF" [newline]     ; one space exactly where one may stand
//! meta         = "# " ("HELP" / "TYPE" / "UNIT") " " name " " rest newline
//! sample       = series " " value [" " seconds] [" # {" exemplar-labels "} " value [" " seconds]] newline
//! ```
//!
//! A quoted name may hold a raw newline, and in text 0.0.4 a label value may too; so an entry is
//! not always a line. NUL bytes are skipped or end the document as in Prometheus.
//!
//! One deviation is on purpose: blanks before a metric name are stripped, where Prometheus makes
//! them part of the name.
//!
//! The parser's verdict is that of Prometheus' parser. What Prometheus checks later, when it
//! appends a sample (a name twice, names that are not UTF-8), is [`check_labels`].
//!
//! Nothing here knows of rules, of sockets or of what a family is.

mod block;
mod check;
mod document;
mod error;
mod escape;
mod fast;
mod grammar;
mod open_metrics;
mod scan;
mod text;
mod token;

pub use check::check_labels;
pub use document::{Document, LINE_BYTES_MAX, ParseStats, Parser};
pub use error::{EntryError, ParseError, ParseErrorKind};
pub use escape::{unescape, unescape_help};
pub use scan::EntryScan;
pub use token::{Entry, LabelToken, SampleTokens};

use crate::model::Format;
use crate::model::Span;

/// Parse one entry: a logical line, with or without its final newline.
///
/// The entry borrows from `line`; a sample's parts are written to `tokens`, as offsets into
/// `line`. Where a line ends is [`EntryScan`]'s to say. Bytes behind the first entry are ignored.
///
/// # Errors
///
/// Where Prometheus refuses the line.
pub fn parse_entry<'a>(
    format: Format,
    line: &'a [u8],
    tokens: &mut SampleTokens,
) -> Result<Entry<'a>, EntryError> {
    parse_first(format, line, tokens).map(|(entry, _)| entry)
}

/// Parse the entry `line` starts with, and say how many bytes it takes, its newline included.
fn parse_first<'a>(
    format: Format,
    line: &'a [u8],
    tokens: &mut SampleTokens,
) -> Result<(Entry<'a>, usize), EntryError> {
    if let Some(n_bytes) = fast::sample(format, line, true, tokens) {
        return Ok((Entry::Sample, n_bytes.min(line.len())));
    }
    let mut cursor = grammar::Cursor::new(format, line);
    let entry = match format {
        Format::Text => text::entry(&mut cursor, tokens)?,
        Format::OpenMetrics => open_metrics::entry(&mut cursor, tokens)?,
    };
    Ok((entry, (cursor.at + 1).min(line.len())))
}

/// Parse what stands behind a series and the blanks after it: value, timestamp, exemplar.
///
/// Gives the value, the timestamp in milliseconds, and where in `rest` the exemplar stands.
///
/// # Errors
///
/// Where Prometheus refuses the text; columns count from the start of `rest`.
pub fn parse_value_part(
    format: Format,
    rest: &[u8],
) -> Result<(f64, Option<i64>, Option<Span>), EntryError> {
    let mut tokens = SampleTokens::default();
    let mut cursor = grammar::Cursor::new(format, rest);
    match format {
        Format::Text => text::value_part(&mut cursor, &mut tokens)?,
        Format::OpenMetrics => open_metrics::value_part(&mut cursor, &mut tokens)?,
    }
    Ok((tokens.value, tokens.timestamp_ms, tokens.exemplar))
}

#[cfg(test)]
mod tests;
