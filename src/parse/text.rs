//! Text 0.0.4 (and 1.0.0, which adds quoted names).

use crate::model::Format;
use crate::model::MetricType;
use crate::parse::error::{EntryError, ParseErrorKind};
use crate::parse::grammar::{Cursor, Quoted, count_while};
use crate::parse::token::{Entry, SampleTokens};

/// Parse one entry.
pub(super) fn entry<'a>(
    line: &'a [u8],
    tokens: &mut SampleTokens,
) -> Result<Entry<'a>, EntryError> {
    let mut cursor = Cursor::new(Format::Text, line);
    cursor.eat_blanks();
    match cursor.peek() {
        None | Some(b'\n') => Ok(Entry::Blank),
        // Prometheus' lexer gives the same token for a NUL byte and for the end of the input.
        Some(0) => Ok(Entry::Eof),
        Some(b'#') => meta(cursor),
        Some(_) => sample(cursor, tokens).map(|()| Entry::Sample),
    }
}

fn sample(mut cursor: Cursor<'_>, tokens: &mut SampleTokens) -> Result<(), EntryError> {
    tokens.clear();
    if let Some(name) = cursor.metric_name() {
        tokens.name = name;
        cursor.eat_blanks();
    } else if cursor.peek() != Some(b'{') {
        return cursor.error(ParseErrorKind::EntryStart);
    }
    if cursor.eat(b'{') {
        cursor.labels(tokens)?;
        cursor.eat_blanks();
    }
    value_part(&mut cursor, tokens)
}

/// Value and timestamp, to the end of the line.
pub(super) fn value_part(
    cursor: &mut Cursor<'_>,
    tokens: &mut SampleTokens,
) -> Result<(), EntryError> {
    tokens.value_start = cursor.at;
    tokens.value = cursor.number(|byte| matches!(byte, b'{' | b' ' | b'\t' | b'\n' | 0))?;
    cursor.eat_blanks();
    if cursor.at_end() {
        return Ok(());
    }
    tokens.timestamp_ms = Some(timestamp(cursor)?);
    cursor.eat_blanks();
    if cursor.at_end() { Ok(()) } else { cursor.error(ParseErrorKind::LineEnd) }
}

/// Digits alone: a timestamp has no sign.
fn timestamp(cursor: &mut Cursor<'_>) -> Result<i64, EntryError> {
    let rest = cursor.rest();
    let digits = &rest[..count_while(rest, |byte| byte.is_ascii_digit())];
    if digits.is_empty() {
        return cursor.error(ParseErrorKind::TimestampOrEnd);
    }
    let value = digits
        .iter()
        .try_fold(0_i64, |sum, digit| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0')));
    let Some(value) = value else {
        return cursor.error(ParseErrorKind::BadTimestamp);
    };
    cursor.at += digits.len();
    Ok(value)
}

/// A line that starts with `#`.
fn meta(mut cursor: Cursor<'_>) -> Result<Entry<'_>, EntryError> {
    cursor.at += 1;
    if !cursor.eat_blanks() {
        // Without a blank the lexer's comment state is never entered, and NUL ends the document.
        let text = cursor.eat_line();
        return Ok(if text.contains(&0) { Entry::Eof } else { Entry::Comment });
    }
    if cursor.peek() == Some(0) {
        return Ok(Entry::Eof);
    }
    if let Some(behind) = behind_word(cursor, b"HELP") {
        let (name, text, at) = name_and_text(behind)?;
        if std::str::from_utf8(text).is_err() {
            return cursor.error_at(at, ParseErrorKind::HelpNotUtf8);
        }
        return Ok(Entry::Help {
            name: name.span.of(cursor.line),
            name_escaped: name.escaped,
            text,
        });
    }
    if let Some(behind) = behind_word(cursor, b"TYPE") {
        let (name, text, at) = name_and_text(behind)?;
        let Some(metric_type) = metric_type(text) else {
            return cursor.error_at(at, ParseErrorKind::MetricType);
        };
        let (name, name_escaped) = (name.span.of(cursor.line), name.escaped);
        return Ok(Entry::Type { name, name_escaped, metric_type });
    }
    Ok(Entry::Comment)
}

/// The place behind `word` and the blanks after it; NUL bytes do not count.
fn behind_word<'a>(mut cursor: Cursor<'a>, word: &[u8]) -> Option<Cursor<'a>> {
    for &byte in word {
        if !cursor.eat(byte) {
            return None;
        }
        cursor.eat_nuls();
    }
    if !cursor.eat_blanks() {
        return None;
    }
    while cursor.peek() == Some(0) || cursor.eat_blanks() {
        cursor.eat_nuls();
    }
    Some(cursor)
}

/// The name, the text behind it without the one byte that parts them, and where the text stands.
///
/// Prometheus does not look at that byte: `# TYPE a-counter` makes `a` a counter.
fn name_and_text(mut cursor: Cursor<'_>) -> Result<(Quoted, &[u8], usize), EntryError> {
    let name = if cursor.peek() == Some(b'"') {
        cursor.quoted_name()?
    } else {
        let Some(span) = cursor.metric_name() else {
            return cursor.error(ParseErrorKind::MetaName);
        };
        Quoted { span, escaped: false }
    };
    if cursor.peek() == Some(0) {
        return cursor.error(ParseErrorKind::MetaText);
    }
    let start = (cursor.at + 1).min(cursor.line.len());
    let rest = cursor.eat_line();
    let is_blank = matches!(rest.first(), Some(b' ' | b'\t'))
        && rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | 0));
    let text = if is_blank { &[] } else { rest.get(1..).unwrap_or_default() };
    Ok((name, text, start))
}

fn metric_type(word: &[u8]) -> Option<MetricType> {
    Some(match word {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"summary" => MetricType::Summary,
        b"untyped" => MetricType::Unknown,
        _ => return None,
    })
}
