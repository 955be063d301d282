//! Templates with `$1`, `${name}` and `$$`, as Go's `Regexp.Expand` reads them.
//!
//! A template is read once, when a rule is compiled, against the names of the groups of the rule's
//! regular expression. Nothing in a template can be wrong: what is no reference stays as it is.

use crate::relabel::tables;
use regex_automata::util::primitives::NonMaxUsize;
use regex_syntax::hir::ClassUnicode;
use std::sync::LazyLock;

/// Where the groups of a match lie: start and end of group `i` at `2i` and `2i + 1`.
pub(super) type Slots = [Option<NonMaxUsize>];

/// A template, read.
#[derive(Clone, Debug)]
pub(super) struct Template {
    parts: Box<[Part]>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Box<[u8]>),
    Group(usize),
    /// Groups that share a name: the first that took part in the match counts.
    AnyOf(Box<[usize]>),
}

impl Template {
    /// Read `text`; `names[i]` is the name of group `i`, group 0 being the whole match.
    pub(super) fn new(text: &str, names: &[Option<String>]) -> Self {
        let mut parts = Parts::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            parts.text(before);
            if let Some(after) = after.strip_prefix('$') {
                parts.text("$");
                rest = after;
            } else if let Some((name, after)) = reference(after) {
                parts.reference(name, names);
                rest = after;
            } else {
                parts.text("$");
                rest = after;
            }
        }
        parts.text(rest);
        Self { parts: parts.done.into() }
    }

    /// The text, if it is the same whatever was matched.
    pub(super) fn fixed(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(&[]),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Append the template, filled from the groups of a match in `value`, to `out`.
    pub(super) fn expand(&self, value: &[u8], slots: &Slots, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Group(index) => {
                    out.extend_from_slice(group(*index, value, slots).unwrap_or_default());
                }
                Part::AnyOf(indexes) => {
                    let first = indexes.iter().find_map(|index| group(*index, value, slots));
                    out.extend_from_slice(first.unwrap_or_default());
                }
            }
        }
    }
}

fn group<'v>(index: usize, value: &'v [u8], slots: &Slots) -> Option<&'v [u8]> {
    let start = slots.get(2 * index).copied()??;
    let end = slots.get(2 * index + 1).copied()??;
    value.get(start.get()..end.get())
}

/// The parts so far; neighbouring texts are joined.
#[derive(Default)]
struct Parts {
    done: Vec<Part>,
}

impl Parts {
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Part::Text(last)) = self.done.last_mut() {
            *last = [last, text.as_bytes()].concat().into();
        } else {
            self.done.push(Part::Text(text.as_bytes().into()));
        }
    }

    /// A reference to no group stands for nothing.
    fn reference(&mut self, name: &str, names: &[Option<String>]) {
        if let Some(index) = number(name) {
            if index < names.len() {
                self.done.push(Part::Group(index));
            }
            return;
        }
        let is_named = |(_, found): &(usize, &Option<String>)| found.as_deref() == Some(name);
        let indexes: Vec<_> =
            names.iter().enumerate().filter(is_named).map(|(index, _)| index).collect();
        if !indexes.is_empty() {
            self.done.push(Part::AnyOf(indexes.into()));
        }
    }
}

/// The name at the front of `text`, which follows a `$`, and what comes after it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (braced, body) = match text.strip_prefix('{') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let len = body.find(|c| !is_name(c)).unwrap_or(body.len());
    let (name, after) = body.split_at_checked(len)?;
    if name.is_empty() {
        return None;
    }
    Some((name, if braced { after.strip_prefix('}')? } else { after }))
}

/// The number a name made of digits stands for: at most nine digits, no leading zero.
fn number(name: &str) -> Option<usize> {
    let is_number = name.len() <= 9
        && name.bytes().all(|byte| byte.is_ascii_digit())
        && (name == "0" || !name.starts_with('0'));
    if is_number { name.parse().ok() } else { None }
}

/// Letters, decimal digits (not other numbers) and `_`; combining marks end a name.
fn is_name(c: char) -> bool {
    static WIDE: LazyLock<ClassUnicode> = LazyLock::new(|| {
        let category = |value| tables::characters("gc", value).unwrap_or_else(ClassUnicode::empty);
        let mut both = category("L");
        both.union(&category("Nd"));
        both
    });
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    let ranges = WIDE.ranges();
    let after = ranges.partition_point(|range| range.start() <= c);
    after > 0 && c <= ranges[after - 1].end()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fill `template` from `(?P<na>a+)-(b)?(.*)` on `aa-bX`.
    #[track_caller]
    fn check(template: &str, want: &str) {
        let names = [None, Some("na".to_owned()), None, None];
        let slots: Vec<_> = [0, 5, 0, 2, 3, 4, 4, 5].into_iter().map(NonMaxUsize::new).collect();
        let mut out = Vec::new();
        Template::new(template, &names).expand(b"aa-bX", &slots, &mut out);
        assert_eq!(std::str::from_utf8(&out).unwrap(), want, "{template:?}");
    }

    #[test]
    fn a_name_is_the_longest_run_of_letters_digits_and_underscores() {
        check("$1x", "");
        check("${1}x", "aax");
        check("$1-$2", "aa-b");
        check("$1$2", "aab");
        check("$na", "aa");
        check("${na}_", "aa_");
        check("$na$1", "aaaa");
        check("$0", "aa-bX");
        for unknown in ["$1_", "$_", "$é", "${é}", "$naé", "$٣"] {
            check(unknown, "");
        }
        check("$1\u{301}", "aa\u{301}");
        check("$1\u{903}", "aa\u{903}");
    }

    #[test]
    fn a_number_out_of_range_or_with_a_leading_zero_stands_for_nothing() {
        for none in ["$9", "${4}", "$10", "$99999999999", "$18446744073709551617"] {
            check(none, "");
        }
        for name in ["$01", "$00", "${00}"] {
            check(name, "");
        }
    }

    #[test]
    fn two_dollars_are_one() {
        check("$$1", "$1");
        check("$$$1", "$aa");
        check("$$", "$");
        check("$$$", "$$");
    }

    #[test]
    fn what_is_no_reference_stays() {
        for same in
            ["$", "$-", "x$", "$ 1", "${", "${}", "${a-b}", "${ 1}", "${1", "${na", "${{1}}"]
        {
            check(same, same);
        }
        check("${1}}", "aa}");
        check("\\$1", "\\aa");
        check("\\1", "\\1");
    }

    #[test]
    fn of_groups_with_one_name_the_first_that_matched_counts() {
        let names = [None, Some("n".to_owned()), Some("n".to_owned())];
        let slots = [NonMaxUsize::new(0), NonMaxUsize::new(1), None, None]
            .into_iter()
            .chain([NonMaxUsize::new(0), NonMaxUsize::new(1)])
            .collect::<Vec<_>>();
        let mut out = Vec::new();
        Template::new("[$n]", &names).expand(b"b", &slots, &mut out);
        assert_eq!(out, b"[b]");
    }
}
