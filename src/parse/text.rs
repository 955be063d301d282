//! Text 0.0.4 (and 1.0.0, which adds quoted names).

use crate::model::MetricType;
use crate::parse::error::{EntryError, ParseErrorKind};
use crate::parse::grammar::{Cursor, count_while, meta_name};
use crate::parse::token::{Entry, SampleTokens};

/// Parse the entry that starts where the cursor stands; leave it at the newline behind the entry.
pub(super) fn entry<'a>(
    cursor: &mut Cursor<'a>,
    tokens: &mut SampleTokens,
) -> Result<Entry<'a>, EntryError> {
    cursor.eat_blanks();
    match cursor.peek() {
        None | Some(b'\n') => Ok(Entry::Blank),
        // Prometheus' lexer gives the same token for a NUL byte and for the end of the input.
        Some(0) => Ok(Entry::Eof),
        Some(b'#') => meta(cursor),
        Some(_) => sample(cursor, tokens).map(|()| Entry::Sample),
    }
}

fn sample(cursor: &mut Cursor<'_>, tokens: &mut SampleTokens) -> Result<(), EntryError> {
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
    value_part(cursor, tokens)
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
fn meta<'a>(cursor: &mut Cursor<'a>) -> Result<Entry<'a>, EntryError> {
    cursor.at += 1;
    if !cursor.eat_blanks() {
        // Without a blank the lexer's comment state is never entered, and NUL ends the document.
        let text = cursor.eat_line();
        return Ok(if text.contains(&0) { Entry::Eof } else { Entry::Comment });
    }
    if cursor.peek() == Some(0) {
        return Ok(Entry::Eof);
    }
    if eat_word(cursor, b"HELP") {
        let (name, name_escaped) = meta_name(cursor)?;
        let start = cursor.at;
        let text = meta_text(cursor)?;
        if std::str::from_utf8(text).is_err() {
            return cursor.error_at(start + 1, ParseErrorKind::HelpNotUtf8);
        }
        return Ok(Entry::Help { name, name_escaped, text });
    }
    if eat_word(cursor, b"TYPE") {
        let (name, name_escaped) = meta_name(cursor)?;
        let start = cursor.at;
        let Some(metric_type) = metric_type(meta_text(cursor)?) else {
            return cursor.error_at(start, ParseErrorKind::MetricType);
        };
        return Ok(Entry::Type { name, name_escaped, metric_type });
    }
    cursor.eat_line();
    Ok(Entry::Comment)
}

/// Step over `word` and the blanks after it; NUL bytes do not count.
fn eat_word(cursor: &mut Cursor<'_>, word: &[u8]) -> bool {
    let mut ahead = *cursor;
    for &byte in word {
        if !ahead.eat(byte) {
            return false;
        }
        ahead.eat_nuls();
    }
    if !ahead.eat_blanks() {
        return false;
    }
    while ahead.peek() == Some(0) || ahead.eat_blanks() {
        ahead.eat_nuls();
    }
    *cursor = ahead;
    true
}

/// The text behind the name, without the one byte that parts them.
///
/// Prometheus does not look at that byte: `# TYPE a-counter` makes `a` a counter.
fn meta_text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], EntryError> {
    if cursor.peek() == Some(0) {
        return cursor.error(ParseErrorKind::MetaText);
    }
    let rest = cursor.eat_line();
    let is_blank = matches!(rest.first(), Some(b' ' | b'\t'))
        && rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | 0));
    Ok(if is_blank { &[] } else { rest.get(1..).unwrap_or_default() })
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
