//! Sets of characters: `[…]`, `\d` and its kin, `[:alpha:]`, `\p{Greek}`.

use super::BAD_RANGE;
use super::MISSING_BRACKET;
use super::Parser;
use super::SyntaxError;
use crate::relabel::tables;
use regex_syntax::hir::ClassUnicode;
use regex_syntax::hir::ClassUnicodeRange;

impl Parser<'_> {
    /// `[…]`. Inside there are ranges, escapes and named classes; no sets in sets.
    pub(super) fn bracketed(&mut self) -> Result<ClassUnicode, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let is_negated = self.peek() == Some('^');
        if is_negated {
            self.at += 1;
        }
        let mut ranges = Vec::new();
        let mut is_first = true;
        // A bracket that comes first is a character like any other.
        while is_first || self.peek() != Some(']') {
            is_first = false;
            let part = match self.posix_class()? {
                Some(named) => named,
                None => match self.class_escape()? {
                    Some(escape) => escape,
                    None => self.range(start)?,
                },
            };
            ranges.extend_from_slice(part.ranges());
        }
        self.at += 1;
        let mut set = ClassUnicode::new(ranges);
        if is_negated {
            set.negate();
        }
        Ok(set)
    }

    /// One character, or two with `-` between them.
    fn range(&mut self, class_start: usize) -> Result<ClassUnicode, SyntaxError> {
        let start = self.at;
        let low = self.class_char(class_start)?;
        let mut high = low;
        if let [b'-', next, ..] = self.rest().as_bytes()
            && *next != b']'
        {
            self.at += 1;
            high = self.class_char(class_start)?;
            if high < low {
                return Err(self.error_at(BAD_RANGE, start, self.at));
            }
        }
        let mut set = from_codes(&[(low, high)]);
        if self.flags.fold {
            set.case_fold_simple();
        }
        Ok(set)
    }

    fn class_char(&mut self, class_start: usize) -> Result<u32, SyntaxError> {
        match self.peek() {
            None => Err(self.error_at(MISSING_BRACKET, class_start, self.text.len())),
            Some('\\') => self.char_escape(),
            Some(c) => {
                self.bump();
                Ok(u32::from(c))
            }
        }
    }

    /// `\d`, `\p{…}` and their kin; `None` if the escape stands for one character.
    pub(super) fn class_escape(&mut self) -> Result<Option<ClassUnicode>, SyntaxError> {
        let [b'\\', letter, ..] = self.rest().as_bytes() else { return Ok(None) };
        let ranges: &[(u32, u32)] = match letter.to_ascii_lowercase() {
            b'p' => return self.unicode_class().map(Some),
            b'd' => &[(0x30, 0x39)],
            b'w' => WORD,
            // Without the vertical tab, unlike [[:space:]].
            b's' => &[(0x9, 0xA), (0xC, 0xD), (0x20, 0x20)],
            _ => return Ok(None),
        };
        let is_negated = letter.is_ascii_uppercase();
        self.at += 2;
        Ok(Some(self.finish(from_codes(ranges), is_negated)))
    }

    /// `[:alpha:]` and its kin, inside brackets.
    fn posix_class(&mut self) -> Result<Option<ClassUnicode>, SyntaxError> {
        let Some((name, _)) = self.rest().strip_prefix("[:").and_then(|rest| rest.split_once(":]"))
        else {
            return Ok(None);
        };
        let start = self.at;
        self.at += name.len() + 4;
        let (is_negated, name) = match name.strip_prefix('^') {
            Some(name) => (true, name),
            None => (false, name),
        };
        let Some((_, ranges)) = POSIX.iter().find(|(word, _)| *word == name) else {
            return Err(self.error_at(BAD_RANGE, start, self.at));
        };
        Ok(Some(self.finish(from_codes(ranges), is_negated)))
    }

    /// `\pL`, `\p{Greek}`, `\P{^Greek}`.
    fn unicode_class(&mut self) -> Result<ClassUnicode, SyntaxError> {
        let start = self.at;
        let mut is_negated = self.rest().starts_with("\\P");
        self.at += 2;
        let name = if self.peek() == Some('{') {
            let Some((name, _)) = self.rest().split_once('}') else {
                return Err(self.error_at(BAD_RANGE, start, self.text.len()));
            };
            self.at += name.len() + 1;
            name.strip_prefix('{').unwrap_or_default()
        } else {
            let name = self.at;
            self.bump();
            self.text.get(name..self.at).unwrap_or_default()
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                is_negated = !is_negated;
                name
            }
            None => name,
        };
        match table(name) {
            Some(set) => Ok(self.finish(set, is_negated)),
            None => Err(self.error_at(BAD_RANGE, start, self.at)),
        }
    }

    /// Fold first, negate then.
    fn finish(&self, mut set: ClassUnicode, is_negated: bool) -> ClassUnicode {
        if self.flags.fold {
            set.case_fold_simple();
        }
        if is_negated {
            set.negate();
        }
        set
    }
}

/// The characters of a general category or a script, the only tables Go knows.
///
/// Letter case, spaces, `-` and `_` do not matter, as in Go since 1.25. Short names of scripts
/// (`Grek`) are no names to Go: they are the names of four letters, but for scripts whose full name
/// has no more.
fn table(name: &str) -> Option<ClassUnicode> {
    const FOUR_LETTERS: [&str; 9] =
        ["ahom", "cham", "kawi", "lisu", "miao", "modi", "newa", "thai", "toto"];
    if !name.is_ascii() {
        return None;
    }
    let plain: String =
        name.chars().filter(|c| !" -_".contains(*c)).map(|c| c.to_ascii_lowercase()).collect();
    // "is" in front is ignored by the tables' look-up, and unknown to Go.
    if plain.is_empty() || plain.starts_with("is") {
        return None;
    }
    if plain == "cs" || plain == "surrogate" {
        return Some(ClassUnicode::empty());
    }
    tables::characters("gc", &plain).or_else(|| {
        let is_short = plain.len() == 4 && !FOUR_LETTERS.contains(&&*plain);
        if is_short { None } else { tables::characters("sc", &plain) }
    })
}

/// A set from code points; surrogates are left out, as no text has them.
fn from_codes(ranges: &[(u32, u32)]) -> ClassUnicode {
    let mut set = ClassUnicode::empty();
    for (low, high) in ranges {
        for (low, high) in [(*low, (*high).min(0xD7FF)), ((*low).max(0xE000), *high)] {
            if let (true, Some(low), Some(high)) =
                (low <= high, char::from_u32(low), char::from_u32(high))
            {
                set.push(ClassUnicodeRange::new(low, high));
            }
        }
    }
    set
}

const WORD: &[(u32, u32)] = &[(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];

/// The classes POSIX names, all of them ASCII.
const POSIX: &[(&str, &[(u32, u32)])] = &[
    ("alnum", &[(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)]),
    ("alpha", &[(0x41, 0x5A), (0x61, 0x7A)]),
    ("ascii", &[(0x00, 0x7F)]),
    ("blank", &[(0x09, 0x09), (0x20, 0x20)]),
    ("cntrl", &[(0x00, 0x1F), (0x7F, 0x7F)]),
    ("digit", &[(0x30, 0x39)]),
    ("graph", &[(0x21, 0x7E)]),
    ("lower", &[(0x61, 0x7A)]),
    ("print", &[(0x20, 0x7E)]),
    ("punct", &[(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)]),
    ("space", &[(0x09, 0x0D), (0x20, 0x20)]),
    ("upper", &[(0x41, 0x5A)]),
    ("word", WORD),
    ("xdigit", &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]),
];
