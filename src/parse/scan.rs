//! Where an entry ends.
//!
//! Mostly that is the next newline; but a quoted name may hold newlines, and in text 0.0.4 a label
//! value may too. The scan can be interrupted anywhere and goes on where it stopped, so that its
//! cost is linear in the bytes, in whatever pieces they come.

use crate::model::Format;
use crate::parse::grammar::count_while;

/// A search for the end of one entry; keep it for as long as the entry is incomplete.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryScan {
    /// Bytes already looked at.
    n_scanned: usize,
    inside: Inside,
}

/// What the scan is inside of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Inside {
    /// The first line, of which the end has not been seen.
    #[default]
    FirstLine,
    /// The braces of a sample.
    Braces,
    /// A quote that may hold newlines, or one that may not, in which case a newline ends the entry
    /// (and makes it wrong).
    Quote { newline: bool, back_to: Outer },
    /// The same, behind a backslash.
    Escape { newline: bool, back_to: Outer },
    /// What no quote can extend: the next newline ends the entry.
    Plain,
}

/// Where the closing quote leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outer {
    Braces,
    Plain,
}

impl EntryScan {
    /// Whether nothing of the entry has been looked at.
    pub(super) fn is_fresh(&self) -> bool {
        self.n_scanned == 0
    }

    /// The offset behind the newline that ends the entry `input` starts with.
    ///
    /// `None`: more bytes are needed. Call again with the same bytes and more behind them. After
    /// an offset was found the scan is fresh again, for the next entry.
    ///
    /// Where an entry is malformed the offset may lie behind a later newline than the first.
    pub fn find(&mut self, format: Format, input: &[u8]) -> Option<usize> {
        loop {
            let rest = input.get(self.n_scanned..).unwrap_or_default();
            let found = match self.inside {
                Inside::FirstLine => self.first_line(format, input, rest),
                Inside::Plain => self.plain(rest),
                Inside::Braces => self.braces(format, input, rest),
                Inside::Quote { newline, back_to } => self.quote(rest, newline, back_to),
                Inside::Escape { newline, back_to } => self.escape(rest, newline, back_to),
            };
            match found {
                Step::On => {}
                Step::More => {
                    self.n_scanned = self.n_scanned.max(input.len());
                    return None;
                }
                Step::End => {
                    let end = self.n_scanned;
                    *self = Self::default();
                    return Some(end);
                }
            }
        }
    }

    fn plain(&mut self, rest: &[u8]) -> Step {
        let Some(at) = memchr::memchr(b'\n', rest) else {
            return Step::More;
        };
        self.n_scanned += at + 1;
        Step::End
    }

    /// Nothing is decided before a newline is seen; most often it is the end.
    fn first_line(&mut self, format: Format, input: &[u8], rest: &[u8]) -> Step {
        let Some(at) = memchr::memchr(b'\n', rest) else {
            return Step::More;
        };
        let line = &input[..self.n_scanned + at];
        match first_quote(format, line) {
            Some((at, inside)) => {
                self.n_scanned = at;
                self.inside = inside;
            }
            None => self.inside = Inside::Plain,
        }
        Step::On
    }

    fn braces(&mut self, format: Format, input: &[u8], rest: &[u8]) -> Step {
        let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'}' | b'\n')) else {
            return Step::More;
        };
        let found = self.n_scanned + at;
        self.n_scanned = found + 1;
        match rest[at] {
            b'"' => {
                let is_value = input[..found].ends_with(b"=");
                let newline = format == Format::Text || !is_value;
                self.inside = Inside::Quote { newline, back_to: Outer::Braces };
                Step::On
            }
            b'}' => {
                self.inside = Inside::Plain;
                Step::On
            }
            _ => Step::End,
        }
    }

    fn quote(&mut self, rest: &[u8], newline: bool, back_to: Outer) -> Step {
        let end_at = if newline {
            memchr::memchr2(b'"', b'\\', rest)
        } else {
            memchr::memchr3(b'"', b'\\', b'\n', rest)
        };
        let Some(at) = end_at else {
            return Step::More;
        };
        self.n_scanned += at + 1;
        match (rest[at], back_to) {
            (b'\\', _) => self.inside = Inside::Escape { newline, back_to },
            (b'"', Outer::Braces) => self.inside = Inside::Braces,
            (b'"', Outer::Plain) => self.inside = Inside::Plain,
            _ => return Step::End,
        }
        Step::On
    }

    fn escape(&mut self, rest: &[u8], newline: bool, back_to: Outer) -> Step {
        let at = count_while(rest, |byte| byte == 0);
        let Some(&byte) = rest.get(at) else {
            return Step::More;
        };
        self.n_scanned += at + 1;
        if byte == b'\n' {
            return Step::End;
        }
        self.inside = Inside::Quote { newline, back_to };
        Step::On
    }
}

/// What one step of the scan came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    On,
    More,
    End,
}

/// Where in the first line of an entry to look for quotes, and inside of what.
fn first_quote(format: Format, line: &[u8]) -> Option<(usize, Inside)> {
    let start = count_while(line, |byte| matches!(byte, b' ' | b'\t'));
    if line.get(start) == Some(&b'#') {
        let quote = start + 1 + meta_name(format, &line[start + 1..])?;
        let inside = Inside::Quote { newline: true, back_to: Outer::Plain };
        return (line.get(quote) == Some(&b'"')).then_some((quote + 1, inside));
    }
    memchr::memchr(b'{', line).map(|at| (at + 1, Inside::Braces))
}

/// Where the name of a HELP, TYPE or UNIT line would start, leniently. `line` starts behind the `#`.
fn meta_name(format: Format, line: &[u8]) -> Option<usize> {
    let is_blank = |byte| matches!(byte, b' ' | b'\t' | 0);
    let word = count_while(line, is_blank);
    let behind = word + count_while(&line[word..], |byte| !is_blank(byte) || byte == 0);
    let known: &[&[u8]] = match format {
        Format::Text => &[b"HELP", b"TYPE"],
        Format::OpenMetrics => &[b"HELP", b"TYPE", b"UNIT"],
    };
    let letters = line[word..behind].iter().filter(|&&byte| byte != 0);
    let is_meta = known.iter().any(|known| letters.clone().eq(known.iter()));
    (word > 0 && is_meta).then(|| behind + count_while(&line[behind..], is_blank))
}
