//! The exposition parser against Prometheus: recorded answers, real files, a naive twin, and
//! Prometheus itself where it is at hand.

mod corpus;
mod fuzz;
mod generate;
mod naive;
mod prometheus;
mod properties;
mod vectors;

use serde_json::Value;
use serde_json::json;
use weir::model::Format;
use weir::model::MetricType;
use weir::model::number;
use weir::parse::Entry;
use weir::parse::ParseError;
use weir::parse::Parser;
use weir::parse::SampleTokens;

/// What a parser made of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub ok: bool,
    pub items: Vec<Item>,
}

/// An entry with everything decoded, but for the names of meta lines.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Comment,
    Help(Vec<u8>, Vec<u8>),
    Type(Vec<u8>, MetricType),
    Unit(Vec<u8>, Vec<u8>),
    Sample(Sample),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub name: Vec<u8>,
    pub labels: Vec<(Vec<u8>, Vec<u8>)>,
    pub value: String,
    pub timestamp_ms: Option<i64>,
    pub exemplar_value: Option<String>,
}

/// What weir makes of a document that comes in chunks of these sizes, the last one repeated.
pub(crate) fn read(format: Format, document: &[u8], chunk_bytes: &[usize]) -> Reading {
    let mut items = Vec::new();
    let result = parse(format, document, chunk_bytes, |line, entry, tokens| {
        items.extend(item(format, line, entry, tokens));
    });
    if let Err(error) = &result {
        check_error(document, error);
    }
    Reading { ok: result.is_ok(), items }
}

fn parse(
    format: Format,
    mut document: &[u8],
    chunk_bytes: &[usize],
    mut visit: impl FnMut(&[u8], Entry<'_>, &SampleTokens),
) -> Result<(), ParseError> {
    let mut visit = |line: &[u8], entry: Entry<'_>, tokens: &SampleTokens| {
        visit(line, entry, tokens);
        Ok(())
    };
    let mut parser = Parser::new(format);
    let mut sizes =
        chunk_bytes.iter().copied().chain(chunk_bytes.last().copied().into_iter().cycle());
    while !document.is_empty() {
        let n_bytes = sizes.next().unwrap_or(usize::MAX).clamp(1, document.len());
        let (chunk, rest) = document.split_at(n_bytes);
        parser.push(chunk, &mut visit)?;
        document = rest;
    }
    parser.finish(&mut visit)?;
    Ok(())
}

/// An error lies in its document, and quotes what stands there.
fn check_error(document: &[u8], error: &ParseError) {
    let lines: Vec<&[u8]> = document.split(|&byte| byte == b'\n').collect();
    assert!(error.line >= 1 && error.line <= lines.len() + 1, "{error} in {document:?}");
    let line = lines.get(error.line - 1).copied().unwrap_or_default();
    assert!(error.column >= 1 && error.column <= line.len() + 1, "{error} in {document:?}");
    assert!(error.to_string().len() < 400, "{error}");
}

fn item(format: Format, line: &[u8], entry: Entry<'_>, tokens: &SampleTokens) -> Option<Item> {
    Some(match entry {
        Entry::Blank | Entry::Eof => return None,
        Entry::Comment => Item::Comment,
        Entry::Help { name, name_escaped, text } => {
            assert_eq!(name_escaped, name.contains(&b'\\'));
            let mut decoded = Vec::new();
            weir::parse::unescape_help(format, text, &mut decoded);
            Item::Help(name.to_vec(), decoded)
        }
        Entry::Type { name, metric_type, .. } => Item::Type(name.to_vec(), metric_type),
        Entry::Unit { name, unit, .. } => Item::Unit(name.to_vec(), unit.to_vec()),
        Entry::Sample => Item::Sample(sample(format, line, tokens)),
    })
}

fn sample(format: Format, line: &[u8], tokens: &SampleTokens) -> Sample {
    let rest = &line[tokens.value_start..];
    let (value, timestamp_ms, exemplar) = weir::parse::parse_value_part(format, rest).unwrap();
    assert_eq!(value.to_bits(), tokens.value.to_bits());
    assert_eq!(timestamp_ms, tokens.timestamp_ms);
    let exemplar = exemplar.map(|span| span.of(rest));
    assert_eq!(exemplar, tokens.exemplar.map(|span| span.of(line)));
    Sample {
        name: decode(tokens.name.of(line), tokens.name_escaped),
        labels: tokens
            .labels
            .iter()
            .map(|label| {
                (
                    decode(label.name.of(line), label.name_escaped),
                    decode(label.value.of(line), label.value_escaped),
                )
            })
            .collect(),
        value: text(tokens.value),
        timestamp_ms,
        exemplar_value: exemplar.map(exemplar_value),
    }
}

fn decode(raw: &[u8], escaped: bool) -> Vec<u8> {
    assert_eq!(escaped, raw.contains(&b'\\'));
    let mut out = Vec::new();
    weir::parse::unescape(raw, &mut out);
    out
}

/// The value of `{…} value [timestamp]`: the word behind the last one that ends in a brace.
fn exemplar_value(exemplar: &[u8]) -> String {
    let mut words = exemplar.rsplit(|&byte| byte == b' ');
    let (last, before) = (words.next().unwrap(), words.next().unwrap());
    let word = if before.ends_with(b"}") { last } else { before };
    text(number::parse_value(word).unwrap())
}

pub(crate) fn text(value: f64) -> String {
    let mut out = Vec::new();
    number::write_value(&mut out, value);
    String::from_utf8(out).unwrap()
}

impl Item {
    /// As the recorded answers have it.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Comment => json!(["comment"]),
            Self::Help(name, text) => json!(["help", bytes(name), bytes(text)]),
            Self::Type(name, kind) => json!(["type", bytes(name), kind.open_metrics_word()]),
            Self::Unit(name, unit) => json!(["unit", bytes(name), bytes(unit)]),
            Self::Sample(sample) => json!([
                "sample",
                bytes(&sample.name),
                sample.labels.iter().map(|(n, v)| json!([bytes(n), bytes(v)])).collect::<Vec<_>>(),
                sample.value,
                sample.timestamp_ms,
                sample.exemplar_value,
            ]),
        }
    }
}

/// Text, or the hexadecimal digits of what is not UTF-8.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return json!(text);
    }
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap();
    let digits = bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]);
    json!({ "hex": digits.collect::<String>() })
}
