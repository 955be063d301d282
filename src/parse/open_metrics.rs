//! OpenMetrics 1.0 (and 0.0.1).

use crate::model::MetricType;
use crate::model::Span;
use crate::parse::error::{EntryError, ParseErrorKind};
use crate::parse::grammar::{Cursor, meta_name};
use crate::parse::token::{Entry, SampleTokens};

/// Parse the entry that starts where the cursor stands; leave it at the newline behind the entry.
pub(super) fn entry<'a>(
    cursor: &mut Cursor<'a>,
    tokens: &mut SampleTokens,
) -> Result<Entry<'a>, EntryError> {
    match cursor.peek() {
        Some(b'#') => meta(cursor),
        _ => sample(cursor, tokens).map(|()| Entry::Sample),
    }
}

fn sample(cursor: &mut Cursor<'_>, tokens: &mut SampleTokens) -> Result<(), EntryError> {
    tokens.clear();
    if let Some(name) = cursor.metric_name() {
        tokens.name = name;
    } else if cursor.peek() != Some(b'{') {
        return cursor.error(ParseErrorKind::EntryStart);
    }
    if cursor.eat(b'{') {
        cursor.labels(tokens)?;
    }
    if !cursor.eat(b' ') {
        return cursor.error(ParseErrorKind::Value);
    }
    value_part(cursor, tokens)
}

/// Value, timestamp and exemplar, to the end of the line. The space before has been read.
pub(super) fn value_part(
    cursor: &mut Cursor<'_>,
    tokens: &mut SampleTokens,
) -> Result<(), EntryError> {
    tokens.value_start = cursor.at;
    tokens.value = cursor.number(is_end)?;
    if cursor.peek() == Some(b' ') && !at_exemplar(cursor) {
        tokens.timestamp_ms = Some(seconds(cursor)?);
    }
    if at_exemplar(cursor) {
        cursor.at += 3;
        let start = cursor.at;
        exemplar(cursor)?;
        tokens.exemplar = Some(Span::new(start, cursor.at));
    }
    line_end(cursor)
}

fn at_exemplar(cursor: &Cursor<'_>) -> bool {
    cursor.rest().starts_with(b" # {")
}

fn exemplar(cursor: &mut Cursor<'_>) -> Result<(), EntryError> {
    cursor.at += 1;
    cursor.exemplar_labels()?;
    if !cursor.eat(b' ') {
        return cursor.error(ParseErrorKind::Value);
    }
    cursor.number(is_end)?;
    if cursor.peek() == Some(b' ') {
        seconds(cursor)?;
    }
    Ok(())
}

/// A timestamp in seconds, as milliseconds. The space before it has not been read.
#[expect(clippy::cast_possible_truncation, reason = "what a 64-bit time cannot hold saturates")]
fn seconds(cursor: &mut Cursor<'_>) -> Result<i64, EntryError> {
    cursor.at += 1;
    let start = cursor.at;
    match cursor.number(is_end) {
        Ok(seconds) if seconds.is_finite() => Ok((seconds * 1000.0) as i64),
        _ => cursor.error_at(start, ParseErrorKind::BadTimestamp),
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | 0)
}

fn line_end(cursor: &Cursor<'_>) -> Result<(), EntryError> {
    match cursor.peek() {
        Some(b'\n') => Ok(()),
        None => cursor.error(ParseErrorKind::NoEof),
        Some(_) => cursor.error(ParseErrorKind::LineEnd),
    }
}

/// A line that starts with `#`.
fn meta<'a>(cursor: &mut Cursor<'a>) -> Result<Entry<'a>, EntryError> {
    cursor.at += 1;
    if !cursor.eat(b' ') {
        return cursor.error(ParseErrorKind::MetaWord);
    }
    if eat_word(cursor, b"HELP ") {
        let (name, name_escaped) = meta_name(cursor)?;
        let (text, start) = meta_text(cursor)?;
        if std::str::from_utf8(text).is_err() {
            return cursor.error_at(start, ParseErrorKind::HelpNotUtf8);
        }
        return Ok(Entry::Help { name, name_escaped, text });
    }
    if eat_word(cursor, b"TYPE ") {
        let (name, name_escaped) = meta_name(cursor)?;
        let (text, start) = meta_text(cursor)?;
        let Some(metric_type) = metric_type(text) else {
            return cursor.error_at(start, ParseErrorKind::MetricType);
        };
        return Ok(Entry::Type { name, name_escaped, metric_type });
    }
    if eat_word(cursor, b"UNIT ") {
        let (name, name_escaped) = meta_name(cursor)?;
        let (unit, start) = meta_text(cursor)?;
        if !unit.is_empty() && name.strip_suffix(unit).is_none_or(|base| !base.ends_with(b"_")) {
            return cursor.error_at(start, ParseErrorKind::UnitNotInName);
        }
        return Ok(Entry::Unit { name, name_escaped, unit });
    }
    if eat_word(cursor, b"EOF") {
        return eof(cursor);
    }
    cursor.error(ParseErrorKind::MetaWord)
}

/// Behind the last entry only NUL bytes may stand.
fn eof<'a>(cursor: &mut Cursor<'a>) -> Result<Entry<'a>, EntryError> {
    let mut ahead = *cursor;
    ahead.eat(b'\n');
    ahead.eat_nuls();
    if ahead.peek().is_none() { Ok(Entry::Eof) } else { ahead.error(ParseErrorKind::DataAfterEof) }
}

/// Step over `word`; NUL bytes after each of its bytes do not count.
fn eat_word(cursor: &mut Cursor<'_>, word: &[u8]) -> bool {
    let mut ahead = *cursor;
    for &byte in word {
        if !ahead.eat(byte) {
            return false;
        }
        ahead.eat_nuls();
    }
    *cursor = ahead;
    true
}

/// The text behind the name and one space, and where it starts.
fn meta_text<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], usize), EntryError> {
    if !cursor.eat(b' ') {
        return cursor.error(ParseErrorKind::MetaText);
    }
    let start = cursor.at;
    let text = cursor.eat_line();
    line_end(cursor)?;
    Ok((text, start))
}

fn metric_type(word: &[u8]) -> Option<MetricType> {
    Some(match word {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"gaugehistogram" => MetricType::GaugeHistogram,
        b"summary" => MetricType::Summary,
        b"info" => MetricType::Info,
        b"stateset" => MetricType::StateSet,
        b"unknown" => MetricType::Unknown,
        _ => return None,
    })
}
