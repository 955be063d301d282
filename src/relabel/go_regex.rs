//! Go's regular expressions, read into the tree the engines of `regex-automata` are built from.
//!
//! The grammar is that of Go's `regexp/syntax` with its Perl flags: what Go accepts is accepted
//! with Go's meaning, what Go refuses is refused with Go's words. It differs from the grammar of
//! the `regex` crate in many places (ASCII `\d \w \s \b`, literal braces, `\Q…\E`, octal escapes,
//! no set operations in classes, repeat counts up to 1000, duplicate group names), so nothing is
//! rewritten as text: this module has its own parser and builds [`Hir`] itself.
//!
//! Characters come from [`escape`], classes from [`class`], counts and heights from [`tree`].
//! Nothing here knows what a pattern is for.

mod class;
mod escape;
mod tree;

use regex_syntax::hir::Dot;
use regex_syntax::hir::Hir;
use regex_syntax::hir::Look;
use tree::Node;

/// A pattern, read.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// The tree. Its groups have numbers, but no names.
    pub(super) hir: Hir,
    /// The name of group `i`, at `i`; group 0 is the whole match.
    pub(super) names: Vec<Option<String>>,
}

/// Why a pattern was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{fragment}`")]
pub(super) struct SyntaxError {
    /// Go's words.
    reason: &'static str,
    /// The part of the pattern at fault.
    fragment: String,
}

const MISSING_PAREN: &str = "missing closing )";
const UNEXPECTED_PAREN: &str = "unexpected )";
const MISSING_BRACKET: &str = "missing closing ]";
const BAD_RANGE: &str = "invalid character class range";
const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_NAME: &str = "invalid named capture";
const BAD_PERL: &str = "invalid or unsupported Perl syntax";
const BAD_REPEAT: &str = "invalid nested repetition operator";
const BAD_COUNT: &str = "invalid repeat count";
const NO_ARGUMENT: &str = "missing argument to repetition operator";
const TRAILING_BACKSLASH: &str = "trailing backslash at end of expression";
const TOO_DEEP: &str = "expression nests too deeply";
const TOO_LARGE: &str = "expression too large";

/// The highest repeat count, also of nested ones multiplied (Go's `repeatIsValid`).
const REPEAT_MAX: u64 = 1000;

/// Read `pattern`.
///
/// # Errors
/// As Go gives them.
pub(super) fn parse(pattern: &str) -> Result<Pattern, SyntaxError> {
    let mut parser = Parser {
        text: pattern,
        at: 0,
        flags: Flags::default(),
        outer: Vec::new(),
        group: Group::default(),
        names: vec![None],
    };
    parser.run()?;
    if !parser.outer.is_empty() {
        return Err(parser.error_at(MISSING_PAREN, 0, pattern.len()));
    }
    let node = std::mem::take(&mut parser.group).close();
    parser.check_limits(&node)?;
    Ok(Pattern { hir: node.hir, names: parser.names })
}

#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four flags of the grammar, set one by one")]
struct Flags {
    /// `i`: letter case does not matter.
    fold: bool,
    /// `m`: `^` and `$` match at lines too.
    multi_line: bool,
    /// `s`: `.` matches newline.
    dot_newline: bool,
    /// `U`: repetitions prefer less.
    ungreedy: bool,
}

/// What stands between two parentheses, so far.
#[derive(Debug, Default)]
struct Group {
    /// The number, for a group that captures.
    capture: Option<u32>,
    /// The flags to return to behind the closing parenthesis.
    flags: Flags,
    /// Alternatives that are complete.
    alternatives: Vec<Node>,
    /// The alternative that is being read.
    sequence: Vec<Node>,
}

impl Group {
    fn end_alternative(&mut self) {
        let sequence = std::mem::take(&mut self.sequence);
        self.alternatives.push(Node::concat(sequence));
    }

    fn close(mut self) -> Node {
        self.end_alternative();
        Node::alternate(self.alternatives)
    }
}

struct Parser<'p> {
    text: &'p str,
    at: usize,
    flags: Flags,
    /// Groups around the current one.
    outer: Vec<Group>,
    group: Group,
    names: Vec<Option<String>>,
}

impl<'p> Parser<'p> {
    fn run(&mut self) -> Result<(), SyntaxError> {
        // Where the repetition operator just read begins, if one was just read.
        let mut last_repeat = None;
        while let Some(c) = self.peek() {
            let start = self.at;
            last_repeat = if self.piece(c, last_repeat)? { Some(start) } else { None };
        }
        Ok(())
    }

    /// Read one piece; says whether it was a repetition operator.
    fn piece(&mut self, c: char, last_repeat: Option<usize>) -> Result<bool, SyntaxError> {
        let start = self.at;
        match c {
            '(' if self.rest().starts_with("(?") => self.perl_group()?,
            '\\' => self.escaped()?,
            '[' => {
                let set = self.bracketed()?;
                self.push(Node::class(set))?;
            }
            '{' => {
                if let Some((min, max)) = self.counts()? {
                    return self.repeat(min, max, true, start, last_repeat);
                }
                self.bump();
                self.literal('{')?;
            }
            _ => {
                self.bump();
                return self.single(c, start, last_repeat);
            }
        }
        Ok(false)
    }

    /// Read a piece that is one character, which has been taken.
    fn single(
        &mut self,
        c: char,
        start: usize,
        last_repeat: Option<usize>,
    ) -> Result<bool, SyntaxError> {
        match c {
            '*' => return self.repeat(0, None, false, start, last_repeat),
            '+' => return self.repeat(1, None, false, start, last_repeat),
            '?' => return self.repeat(0, Some(1), false, start, last_repeat),
            '(' => {
                let number = self.new_group(None);
                self.open(Some(number));
            }
            ')' => self.close()?,
            '|' => self.group.end_alternative(),
            '^' if self.flags.multi_line => self.push(Node::one(Hir::look(Look::StartLF)))?,
            '^' => self.push(Node::one(Hir::look(Look::Start)))?,
            '$' if self.flags.multi_line => self.push(Node::one(Hir::look(Look::EndLF)))?,
            '$' => self.push(Node::one(Hir::look(Look::End)))?,
            '.' if self.flags.dot_newline => self.push(Node::one(Hir::dot(Dot::AnyChar)))?,
            '.' => self.push(Node::one(Hir::dot(Dot::AnyCharExceptLF)))?,
            c => self.literal(c)?,
        }
        Ok(false)
    }

    /// `\` and what follows it, outside a class.
    fn escaped(&mut self) -> Result<(), SyntaxError> {
        let look = match self.rest().as_bytes().get(1) {
            Some(b'A') => Look::Start,
            Some(b'z') => Look::End,
            Some(b'b') => Look::WordAscii,
            Some(b'B') => Look::WordAsciiNegate,
            Some(b'C') => return Err(self.error_at(BAD_ESCAPE, self.at, self.at + 2)),
            Some(b'Q') => return self.quoted(),
            _ => {
                if let Some(set) = self.class_escape()? {
                    return self.push(Node::class(set));
                }
                let code = self.char_escape()?;
                return self.push(Node::literal(code, self.flags.fold));
            }
        };
        self.at += 2;
        self.push(Node::one(Hir::look(look)))
    }

    /// `\Q…\E`, or to the end of the pattern.
    fn quoted(&mut self) -> Result<(), SyntaxError> {
        self.at += 2;
        let rest = self.rest();
        let (text, len) = match rest.split_once("\\E") {
            Some((text, _)) => (text, text.len() + 2),
            None => (rest, rest.len()),
        };
        self.at += len;
        text.chars().try_for_each(|c| self.literal(c))
    }

    /// `(?…`: a named group, a group without capture, or a change of flags.
    fn perl_group(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        let rest = self.rest();
        if (rest.starts_with("(?<") && rest.len() > 3)
            || (rest.starts_with("(?P<") && rest.len() > 4)
        {
            return self.named_group(start);
        }
        self.at += 2;
        let mut flags = self.flags;
        let (mut value, mut saw_flag) = (true, false);
        while let Some(c) = self.bump() {
            let flag = match c {
                'i' => &mut flags.fold,
                'm' => &mut flags.multi_line,
                's' => &mut flags.dot_newline,
                'U' => &mut flags.ungreedy,
                '-' if value => {
                    (value, saw_flag) = (false, false);
                    continue;
                }
                ':' | ')' if value || saw_flag => {
                    if c == ':' {
                        self.open(None);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            };
            *flag = value;
            saw_flag = true;
        }
        Err(self.error_at(BAD_PERL, start, self.at))
    }

    fn named_group(&mut self, start: usize) -> Result<(), SyntaxError> {
        let rest = self.rest();
        let Some((head, _)) = rest.split_once('>') else {
            return Err(self.error_at(BAD_NAME, start, self.text.len()));
        };
        self.at += head.len() + 1;
        let name = head.split_once('<').map_or("", |(_, name)| name);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err(self.error_at(BAD_NAME, start, self.at));
        }
        let number = self.new_group(Some(name.to_owned()));
        self.open(Some(number));
        Ok(())
    }

    fn new_group(&mut self, name: Option<String>) -> u32 {
        self.names.push(name);
        u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX)
    }

    fn open(&mut self, capture: Option<u32>) {
        let inner = Group { capture, flags: self.flags, ..Group::default() };
        self.outer.push(std::mem::replace(&mut self.group, inner));
    }

    fn close(&mut self) -> Result<(), SyntaxError> {
        let Some(outer) = self.outer.pop() else {
            return Err(self.error_at(UNEXPECTED_PAREN, 0, self.text.len()));
        };
        let inner = std::mem::replace(&mut self.group, outer);
        self.flags = inner.flags;
        let capture = inner.capture;
        let node = inner.close();
        self.push(match capture {
            Some(number) => node.capture(number),
            None => node,
        })
    }

    /// Repeat the last piece: the operator, which begins at `start`, has been taken.
    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        is_counted: bool,
        start: usize,
        last_repeat: Option<usize>,
    ) -> Result<bool, SyntaxError> {
        let is_lazy = self.rest().starts_with('?');
        if is_lazy {
            self.at += 1;
        }
        if let Some(last) = last_repeat {
            return Err(self.error_at(BAD_REPEAT, last, self.at));
        }
        let Some(node) = self.group.sequence.pop() else {
            return Err(self.error_at(NO_ARGUMENT, start, self.at));
        };
        let greedy = is_lazy == self.flags.ungreedy;
        let node = node.repeat(min, max, greedy, is_counted);
        let is_many = min >= 2 || max.is_some_and(|max| max >= 2);
        let too_many = is_counted && is_many && node.repeats > REPEAT_MAX;
        self.push(node)?;
        if too_many { Err(self.error_at(BAD_COUNT, start, self.at)) } else { Ok(true) }
    }

    /// `{n}`, `{n,}` or `{n,m}`; anything else that begins with a brace is literal text.
    fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, SyntaxError> {
        let start = self.at;
        let Some((min, max, len)) = counts(self.rest()) else { return Ok(None) };
        self.at += len;
        let limit = 1000;
        if min > limit || max.is_some_and(|max| max > limit || min > max) {
            return Err(self.error_at(BAD_COUNT, start, self.at));
        }
        Ok(Some((min, max)))
    }

    fn literal(&mut self, c: char) -> Result<(), SyntaxError> {
        self.push(Node::literal(u32::from(c), self.flags.fold))
    }

    fn push(&mut self, node: Node) -> Result<(), SyntaxError> {
        self.check_limits(&node)?;
        self.group.sequence.push(node);
        Ok(())
    }

    fn check_limits(&self, node: &Node) -> Result<(), SyntaxError> {
        let reason = if node.size > tree::SIZE_MAX {
            TOO_LARGE
        } else if node.height > tree::HEIGHT_MAX {
            TOO_DEEP
        } else {
            return Ok(());
        };
        Err(self.error_at(reason, 0, self.text.len()))
    }

    fn rest(&self) -> &'p str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Take one character.
    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn error_at(&self, reason: &'static str, start: usize, end: usize) -> SyntaxError {
        let fragment = self.text.get(start..end).unwrap_or_default().to_owned();
        SyntaxError { reason, fragment }
    }
}

/// The counts at the front of `text`, and how many bytes they take. A number too big for Go is
/// `u32::MAX`.
fn counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let (min, rest) = integer(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = integer(rest)?;
            (Some(max), rest)
        }
    };
    let rest = rest.strip_prefix('}')?;
    Some((min, max, text.len() - rest.len()))
}

/// A decimal number without leading zeros, and what follows it.
fn integer(text: &str) -> Option<(u32, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(len)?;
    if digits.is_empty() || (len > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}

#[cfg(test)]
mod tests;
