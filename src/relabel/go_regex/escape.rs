//! Escapes that stand for one character: octal, hexadecimal, C's, and punctuation.

use super::BAD_ESCAPE;
use super::Parser;
use super::SyntaxError;
use super::TRAILING_BACKSLASH;

impl Parser<'_> {
    /// `\` and what follows it, as the code point it stands for; that may be a surrogate.
    pub(super) fn char_escape(&mut self) -> Result<u32, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.bump() else {
            return Err(self.error_at(TRAILING_BACKSLASH, start, start));
        };
        let code = match c {
            // A single digit would be a back reference, which Go does not have.
            '1'..='7' if self.peek().and_then(octal).is_none() => None,
            '0'..='7' => Some(self.octal_rest(c)),
            'x' => self.hexadecimal(),
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        code.ok_or_else(|| self.error_at(BAD_ESCAPE, start, self.at))
    }

    /// Up to two more octal digits.
    fn octal_rest(&mut self, first: char) -> u32 {
        let mut code = octal(first).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(octal) else { break };
            self.at += 1;
            code = code * 8 + digit;
        }
        code
    }

    /// Two hexadecimal digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        let first = self.bump()?;
        if first != '{' {
            let second = self.bump();
            return Some(first.to_digit(16)? * 16 + second?.to_digit(16)?);
        }
        let mut code = None;
        loop {
            let c = self.bump()?;
            if c == '}' {
                return code;
            }
            let next = code.unwrap_or_default() * 16 + c.to_digit(16)?;
            if next > u32::from(char::MAX) {
                return None;
            }
            code = Some(next);
        }
    }
}

fn octal(c: char) -> Option<u32> {
    c.to_digit(8)
}
