//! A place in a line, and the tokens of text 0.0.4 as `expfmt` cuts them.

use crate::lint::error::TextErrorKind;
use std::borrow::Cow;

/// A place in a line. The line holds its newline, unless the document ends without one; no token
/// reaches beyond it, so whoever runs into its end has run into the end of the document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    line: &'a [u8],
    pub(super) at: usize,
}

/// Which names are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NameKind {
    Metric,
    Label,
}

/// A name as it was read.
#[derive(Debug)]
pub(super) struct Name<'a> {
    pub(super) text: Cow<'a, [u8]>,
    /// A part of it stands in quotes, and one before it does not.
    pub(super) is_mixed: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// The byte at hand.
    pub(super) fn byte(self) -> Result<u8, TextErrorKind> {
        self.line.get(self.at).copied().ok_or(TextErrorKind::EndOfInput)
    }

    /// What is still to be read.
    pub(super) fn rest(self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// Pass blanks, and give the byte behind them; `None` at the end.
    pub(super) fn skip_blanks_or_end(&mut self) -> Option<u8> {
        self.at += self.rest().iter().take_while(|byte| is_blank(**byte)).count();
        self.byte().ok()
    }

    /// Pass blanks, and give the byte behind them.
    pub(super) fn skip_blanks(&mut self) -> Result<u8, TextErrorKind> {
        self.skip_blanks_or_end().ok_or(TextErrorKind::EndOfInput)
    }

    /// Everything up to a blank or the end of the line.
    pub(super) fn word(&mut self) -> Result<&'a [u8], TextErrorKind> {
        let rest = self.rest();
        let n_bytes = rest
            .iter()
            .position(|byte| is_blank(*byte) || *byte == b'\n')
            .ok_or(TextErrorKind::EndOfInput)?;
        self.at += n_bytes;
        Ok(&rest[..n_bytes])
    }

    /// Everything up to the newline.
    pub(super) fn until_newline(&mut self) -> Result<&'a [u8], TextErrorKind> {
        let text = self.rest().strip_suffix(b"\n").ok_or(TextErrorKind::EndOfInput)?;
        self.at += text.len();
        Ok(text)
    }

    /// A name, bare or in quotes; empty if there is none.
    pub(super) fn name(&mut self, kind: NameKind) -> Result<Name<'a>, TextErrorKind> {
        let rest = self.rest();
        let is_part = |byte: &u8| {
            byte.is_ascii_alphanumeric()
                || *byte == b'_'
                || kind == NameKind::Metric && *byte == b':'
        };
        let starts = rest.first().is_some_and(|byte| is_part(byte) && !byte.is_ascii_digit());
        let n_bytes = if starts { rest.iter().take_while(|byte| is_part(byte)).count() } else { 0 };
        self.at += n_bytes;
        let bare = &rest[..n_bytes];
        match self.byte()? {
            b'"' => Ok(Name {
                text: Cow::Owned(self.quoted_name(kind, bare.to_vec())?),
                is_mixed: n_bytes > 0,
            }),
            _ => Ok(Name { text: Cow::Borrowed(bare), is_mixed: false }),
        }
    }

    fn quoted_name(&mut self, kind: NameKind, mut name: Vec<u8>) -> Result<Vec<u8>, TextErrorKind> {
        loop {
            self.at += 1;
            match self.byte()? {
                b'"' => {
                    self.at += 1;
                    self.byte()?;
                    return Ok(name);
                }
                b'\n' => {
                    let name = name.as_slice().into();
                    return Err(match kind {
                        NameKind::Metric => TextErrorKind::NewlineInMetricName(name),
                        NameKind::Label => TextErrorKind::NewlineInLabelName(name),
                    });
                }
                b'\\' => {
                    self.at += 1;
                    name.push(unescaped(self.byte()?)?);
                }
                byte => name.push(byte),
            }
        }
    }

    /// A label value behind its opening quote: gives it as written, and passes the closing quote.
    pub(super) fn label_value(&mut self) -> Result<&'a [u8], TextErrorKind> {
        let rest = self.rest();
        let mut n_bytes = 0;
        loop {
            let behind = rest.get(n_bytes..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'"', b'\\', behind) else {
                let text = behind.strip_suffix(b"\n").ok_or(TextErrorKind::EndOfInput)?;
                let value = unescape(&rest[..n_bytes + text.len()]);
                return Err(TextErrorKind::NewlineInValue((&*value).into()));
            };
            n_bytes += found;
            if rest[n_bytes] == b'"' {
                break;
            }
            let escaped = rest.get(n_bytes + 1).ok_or(TextErrorKind::EndOfInput)?;
            unescaped(*escaped)?;
            n_bytes += 2;
        }
        self.at += n_bytes + 1;
        let value = &rest[..n_bytes];
        if std::str::from_utf8(value).is_err() {
            return Err(TextErrorKind::LabelValue((&*unescape(value)).into()));
        }
        Ok(value)
    }

    /// The text of a HELP line: says only whether it is one.
    pub(super) fn help_text(&mut self) -> Result<(), TextErrorKind> {
        let rest = self.rest();
        let mut n_bytes = 0;
        while let Some(found) = memchr::memchr(b'\\', rest.get(n_bytes..).unwrap_or_default()) {
            let escaped = rest.get(n_bytes + found + 1).ok_or(TextErrorKind::EndOfInput)?;
            unescaped(*escaped)?;
            n_bytes += found + 2;
        }
        self.until_newline().map(|_| ())
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// The byte that a backslash and this one stand for.
fn unescaped(byte: u8) -> Result<u8, TextErrorKind> {
    match byte {
        b'\\' | b'"' => Ok(byte),
        b'n' => Ok(b'\n'),
        _ => Err(TextErrorKind::Escape(char::from(byte))),
    }
}

/// A label value without its escapes, which are known to be right.
pub(super) fn unescape(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        out.push(match escaped {
            Some(b'n') => b'\n',
            Some(&escaped) => escaped,
            None => byte,
        });
    }
    Cow::Owned(out)
}
