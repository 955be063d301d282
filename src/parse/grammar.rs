//! The parts of the grammar both formats share: names, labels, quotes.
//!
//! A [`Cursor`] walks one entry and is the only place that builds errors. It is the slow, full
//! grammar.

use crate::model::Format;
use crate::model::Span;
use crate::model::number;
use crate::parse::error::{EntryError, ParseErrorKind};
use crate::parse::token::{LabelToken, SampleTokens};

/// A place in an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    format: Format,
    pub(super) line: &'a [u8],
    pub(super) at: usize,
}

/// Text in quotes: where it stands, without the quotes, and whether it holds backslashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted {
    pub(super) span: Span,
    pub(super) escaped: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(format: Format, line: &'a [u8]) -> Self {
        Self { format, line, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// Step over `byte` if it stands here.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    /// Step over spaces and tabs; whether there were any.
    pub(super) fn eat_blanks(&mut self) -> bool {
        let start = self.at;
        self.at += count_while(self.rest(), |byte| matches!(byte, b' ' | b'\t'));
        self.at > start
    }

    pub(super) fn eat_nuls(&mut self) {
        self.at += count_while(self.rest(), |byte| byte == 0);
    }

    /// Step over everything up to the newline.
    pub(super) fn eat_line(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let text = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        self.at += text.len();
        text
    }

    /// At a newline, or where the input ends.
    pub(super) fn at_end(&self) -> bool {
        matches!(self.peek(), None | Some(b'\n'))
    }

    pub(super) fn error<T>(&self, kind: ParseErrorKind) -> Result<T, EntryError> {
        Err(EntryError { column: self.at + 1, kind })
    }

    pub(super) fn error_at<T>(&self, at: usize, kind: ParseErrorKind) -> Result<T, EntryError> {
        Cursor { at, ..*self }.error(kind)
    }

    /// Blanks between tokens, which only text 0.0.4 has.
    fn skip_blanks(&mut self) {
        if self.format == Format::Text {
            self.eat_blanks();
        }
    }

    /// A metric name without quotes; `None` if none starts here.
    pub(super) fn metric_name(&mut self) -> Option<Span> {
        self.plain_name(|byte| is_name_byte(byte) || byte == b':')
    }

    fn label_name(&mut self) -> Option<Span> {
        self.plain_name(is_name_byte)
    }

    fn plain_name(&mut self, is_part: impl Fn(u8) -> bool) -> Option<Span> {
        let start = self.at;
        if !self.peek()?.is_ascii_digit() {
            self.at += count_while(self.rest(), is_part);
        }
        (self.at > start).then(|| Span::new(start, self.at))
    }

    /// A name in quotes, which stand here. It may hold a raw newline, but no NUL.
    pub(super) fn quoted_name(&mut self) -> Result<Quoted, EntryError> {
        self.quoted(Rules { newline: true, nul: Nul::Refused })
    }

    /// The quoted text that starts here.
    fn quoted(&mut self, rules: Rules) -> Result<Quoted, EntryError> {
        let open = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            let rest = self.rest();
            self.at += rest.iter().position(|&b| is_special_in_quotes(b)).unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    if rules.nul == Nul::Transparent {
                        self.eat_nuls();
                    }
                    if matches!(self.peek(), None | Some(b'\n' | 0)) {
                        return self.error(ParseErrorKind::ClosingQuote);
                    }
                }
                Some(b'\n') if rules.newline => {}
                Some(0) if rules.nul == Nul::Transparent => {}
                _ => return self.error(ParseErrorKind::ClosingQuote),
            }
            self.at += 1;
        }
        let mut close = self.at;
        self.at += 1;
        if rules.nul == Nul::Transparent {
            // Prometheus' lexer skips NULs here as well, and then takes the last byte it has seen
            // for the closing quote.
            self.eat_nuls();
            close = self.at - 1;
        }
        Ok(Quoted { span: Span::new(open + 1, close), escaped })
    }

    /// The label value behind `=`, which has been read.
    fn label_value(&mut self, place: Place) -> Result<Quoted, EntryError> {
        if self.format == Format::Text && self.eat_blanks() {
            while self.peek() == Some(0) || self.eat_blanks() {
                self.eat_nuls();
            }
        }
        if self.peek() != Some(b'"') {
            return self.error(ParseErrorKind::LabelValue);
        }
        let open = self.at;
        let value = self.quoted(Rules {
            newline: self.format == Format::Text,
            nul: if place == Place::Sample { Nul::Transparent } else { Nul::Refused },
        })?;
        if std::str::from_utf8(value.span.of(self.line)).is_err() {
            return self.error_at(open, ParseErrorKind::ValueNotUtf8);
        }
        Ok(value)
    }

    /// The labels of a sample. The opening brace has been read.
    pub(super) fn labels(&mut self, tokens: &mut SampleTokens) -> Result<(), EntryError> {
        let mut has_name = !tokens.name.is_empty();
        loop {
            self.skip_blanks();
            let start = self.at;
            if self.eat(b'}') {
                break;
            }
            let (name, name_escaped) = if self.peek() == Some(b'"') {
                let quoted = self.quoted_name()?;
                tokens.has_quoted_name = true;
                self.skip_blanks();
                if matches!(self.peek(), Some(b',' | b'}')) {
                    if has_name {
                        return self.error_at(start, ParseErrorKind::SecondName);
                    }
                    has_name = true;
                    tokens.name = quoted.span;
                    tokens.name_escaped = quoted.escaped;
                    self.eat(b',');
                    continue;
                }
                (quoted.span, quoted.escaped)
            } else {
                let Some(name) = self.label_name() else {
                    return self.error(ParseErrorKind::LabelName);
                };
                self.skip_blanks();
                (name, false)
            };
            let value = self.equals_value(Place::Sample)?;
            tokens.labels.push(LabelToken {
                name,
                value: value.span,
                name_escaped,
                value_escaped: value.escaped,
            });
            self.separator()?;
        }
        if has_name { Ok(()) } else { self.error_at(0, ParseErrorKind::NoName) }
    }

    /// The labels of an exemplar, only checked. The opening brace has been read.
    pub(super) fn exemplar_labels(&mut self) -> Result<(), EntryError> {
        while !self.eat(b'}') {
            if self.peek() == Some(b'"') {
                self.quoted(Rules { newline: false, nul: Nul::Refused })?;
            } else if self.label_name().is_none() {
                return self.error(ParseErrorKind::LabelName);
            }
            self.equals_value(Place::Exemplar)?;
            self.separator()?;
        }
        Ok(())
    }

    fn equals_value(&mut self, place: Place) -> Result<Quoted, EntryError> {
        if !self.eat(b'=') {
            return self.error(ParseErrorKind::Equals);
        }
        self.label_value(place)
    }

    /// What follows a label: a comma, which may be the last and in text 0.0.4 may be missing.
    fn separator(&mut self) -> Result<(), EntryError> {
        self.skip_blanks();
        let fine = self.eat(b',') || self.format == Format::Text || self.peek() == Some(b'}');
        if fine { Ok(()) } else { self.error(ParseErrorKind::CommaOrBrace) }
    }

    /// A number up to one of `ends`.
    pub(super) fn number(&mut self, is_end: impl Fn(u8) -> bool) -> Result<f64, EntryError> {
        let start = self.at;
        let text = &self.rest()[..count_while(self.rest(), |byte| !is_end(byte))];
        if text.is_empty() {
            return self.error(ParseErrorKind::Value);
        }
        self.at += text.len();
        match number::parse_value(text) {
            Some(value) => Ok(value),
            None => self.error_at(start, ParseErrorKind::BadNumber),
        }
    }
}

/// The name of a HELP, TYPE or UNIT line, without quotes, and whether it holds backslashes.
pub(super) fn meta_name<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], bool), EntryError> {
    if cursor.peek() == Some(b'"') {
        let quoted = cursor.quoted_name()?;
        return Ok((quoted.span.of(cursor.line), quoted.escaped));
    }
    match cursor.metric_name() {
        Some(span) => Ok((span.of(cursor.line), false)),
        None => cursor.error(ParseErrorKind::MetaName),
    }
}

/// What may stand in quotes besides text.
#[derive(Clone, Copy, Debug)]
struct Rules {
    newline: bool,
    nul: Nul,
}

/// How a lexer meets NUL bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Nul {
    Refused,
    /// As if they were not there, though they are part of the text.
    Transparent,
}

/// Whose labels are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Sample,
    Exemplar,
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_special_in_quotes(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b'\n' | 0)
}

pub(super) fn count_while(text: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|&byte| !is_part(byte)).unwrap_or(text.len())
}
