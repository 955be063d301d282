//! Numbers as the lexer of `PromQL` finds them and Go's `strconv` reads them.

use super::NotationError;
use super::Reader;
use super::shortened;
use crate::model::number;

/// A number that is spelt as a word.
pub(super) struct Number;

impl Number {
    /// `inf` and `nan`, in any case.
    pub(super) fn of_word(word: &[u8]) -> Option<f64> {
        if word.eq_ignore_ascii_case(b"inf") {
            Some(f64::INFINITY)
        } else if word.eq_ignore_ascii_case(b"nan") {
            number::parse_value(b"NaN")
        } else {
            None
        }
    }
}

impl<'a> Reader<'a> {
    /// A number without a sign.
    pub(super) fn number(&mut self) -> Result<f64, NotationError> {
        let begin = self.at;
        if self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            let word = self.word();
            return Number::of_word(word).ok_or_else(|| Self::no_number(begin, word));
        }
        let text = self.number_text()?;
        integer(text).or_else(|| decimal(text)).ok_or_else(|| Self::no_number(begin, text))
    }

    /// What the lexer takes for a number (`scanNumber`): digits, one dot, one exponent, underscores
    /// between them; no letter follows but the `x` of a repetition.
    pub(super) fn number_text(&mut self) -> Result<&'a [u8], NotationError> {
        let begin = self.at;
        let (mut dots, mut exponents) = (0, 0);
        if self.take(b".") {
            dots += 1;
        }
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at = begin;
            return Err(self.expected("a number"));
        }
        while let Some(byte) = self.peek() {
            match byte {
                b'0'..=b'9' | b'_' => {}
                b'.' => dots += 1,
                b'e' | b'E' => {
                    exponents += 1;
                    if let Some(b'+' | b'-') = self.text.get(self.at + 1) {
                        self.at += 1;
                    }
                }
                _ => break,
            }
            self.at += 1;
        }
        let text = self.text.get(begin..self.at).unwrap_or_default();
        let ends_well =
            self.peek().is_none_or(|byte| byte == b'x' || !byte.is_ascii_alphanumeric());
        if dots > 1 || exponents > 1 || !ends_well {
            let end = (self.at + 1).min(self.text.len());
            let text = self.text.get(begin..end).unwrap_or_default();
            return Err(Self::no_number(begin, text));
        }
        Ok(text)
    }

    /// Letters, digits, underscores and colons.
    pub(super) fn word(&mut self) -> &'a [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'));
        let word = rest.get(..rest.iter().position(ends).unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }

    fn no_number(begin: usize, text: &[u8]) -> NotationError {
        let message = format!("{:?} is no number", shortened(text));
        NotationError { column: begin + 1, message }
    }
}

/// `strconv.ParseInt(text, 0, 64)`: a leading 0 makes it octal, underscores stand between digits.
#[expect(clippy::cast_precision_loss, reason = "Go rounds as well")]
fn integer(text: &[u8]) -> Option<f64> {
    let digits = without_underscores(text)?;
    let radix = if digits.len() > 1 && digits.starts_with('0') { 8 } else { 10 };
    i64::from_str_radix(&digits, radix).ok().map(|value| value as f64)
}

/// `strconv.ParseFloat`; a number beyond the doubles is none.
fn decimal(text: &[u8]) -> Option<f64> {
    number::parse_value(without_underscores(text)?.as_bytes())
}

/// The text without its underscores, if each stands between two digits.
fn without_underscores(text: &[u8]) -> Option<String> {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let separates = |at: usize| at > 0 && is_digit(at - 1) && is_digit(at + 1);
    let mut kept = String::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'_' if separates(at) => {}
            b'_' => return None,
            _ => kept.push(char::from(*byte)),
        }
    }
    Some(kept)
}
