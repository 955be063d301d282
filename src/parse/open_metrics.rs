//! OpenMetrics 1.0 (and 0.0.1).

use crate::model::Format;
use crate::model::MetricType;
use crate::model::Span;
use crate::parse::error::{EntryError, ParseErrorKind};
use crate::parse::grammar::{Cursor, Quoted};
use crate::parse::token::{Entry, SampleTokens};

/// Parse one entry.
pub(super) fn entry<'a>(
    line: &'a [u8],
    tokens: &mut SampleTokens,
) -> Result<Entry<'a>, EntryError> {
    let cursor = Cursor::new(Format::OpenMetrics, line);
    match cursor.peek() {
        Some(b'#') => meta(cursor),
        _ => sample(cursor, tokens).map(|()| Entry::Sample),
    }
}

fn sample(mut cursor: Cursor<'_>, tokens: &mut SampleTokens) -> Result<(), EntryError> {
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
    value_part(&mut cursor, tokens)
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
fn meta(mut cursor: Cursor<'_>) -> Result<Entry<'_>, EntryError> {
    cursor.at += 1;
    if !cursor.eat(b' ') {
        return cursor.error(ParseErrorKind::MetaWord);
    }
    if let Some(mut cursor) = behind_word(cursor, b"EOF") {
        cursor.eat(b'\n');
        cursor.eat_nuls();
        return match cursor.peek() {
            None => Ok(Entry::Eof),
            Some(_) => cursor.error(ParseErrorKind::DataAfterEof),
        };
    }
    if let Some(cursor) = behind_word(cursor, b"HELP ") {
        let (name, text, at) = name_and_text(cursor)?;
        if std::str::from_utf8(text).is_err() {
            return cursor.error_at(at, ParseErrorKind::HelpNotUtf8);
        }
        return Ok(Entry::Help {
            name: name.span.of(cursor.line),
            name_escaped: name.escaped,
            text,
        });
    }
    if let Some(cursor) = behind_word(cursor, b"TYPE ") {
        let (name, text, at) = name_and_text(cursor)?;
        let Some(metric_type) = metric_type(text) else {
            return cursor.error_at(at, ParseErrorKind::MetricType);
        };
        let (name, name_escaped) = (name.span.of(cursor.line), name.escaped);
        return Ok(Entry::Type { name, name_escaped, metric_type });
    }
    if let Some(cursor) = behind_word(cursor, b"UNIT ") {
        let (quoted, unit, at) = name_and_text(cursor)?;
        let name = quoted.span.of(cursor.line);
        if !unit.is_empty() && name.strip_suffix(unit).is_none_or(|base| !base.ends_with(b"_")) {
            return cursor.error_at(at, ParseErrorKind::UnitNotInName);
        }
        return Ok(Entry::Unit { name, name_escaped: quoted.escaped, unit });
    }
    cursor.error(ParseErrorKind::MetaWord)
}

/// The place behind `word`; NUL bytes after each of its bytes do not count.
fn behind_word<'a>(mut cursor: Cursor<'a>, word: &[u8]) -> Option<Cursor<'a>> {
    for &byte in word {
        if !cursor.eat(byte) {
            return None;
        }
        cursor.eat_nuls();
    }
    Some(cursor)
}

/// The name, the text behind it and the one space between, and where the text stands.
fn name_and_text(mut cursor: Cursor<'_>) -> Result<(Quoted, &[u8], usize), EntryError> {
    let name = if cursor.peek() == Some(b'"') {
        cursor.quoted_name()?
    } else {
        let Some(span) = cursor.metric_name() else {
            return cursor.error(ParseErrorKind::MetaName);
        };
        Quoted { span, escaped: false }
    };
    if !cursor.eat(b' ') {
        return cursor.error(ParseErrorKind::MetaText);
    }
    let start = cursor.at;
    let text = cursor.eat_line();
    line_end(&cursor)?;
    Ok((name, text, start))
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
