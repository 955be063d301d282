//! Which groups are meant: `{job="x",instance=~"i.*"}`, in PromQL's words.

use crate::config::file::push::Pattern;
use crate::push::GroupingKey;

/// Matchers that all have to match.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selector(Vec<Matcher>);

#[derive(Clone, Debug, PartialEq)]
struct Matcher {
    label: String,
    is_negated: bool,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Text(String),
    Pattern(Pattern),
}

impl Selector {
    /// Read a selector.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no selector: {why}");
        let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let mut rest = inner.ok_or_else(|| wrong("write {job=\"x\"}"))?.trim();
        let mut matchers = Vec::new();
        while !rest.is_empty() {
            let end = rest.find(['=', '!']).ok_or_else(|| wrong("a label has no value"))?;
            let (label, behind) = rest.split_at(end);
            let operators = [("=~", false, true), ("!~", true, true), ("!=", true, false)];
            let operators = operators.into_iter().chain([("=", false, false)]);
            let mut found = operators.filter_map(|(word, is_negated, is_pattern)| {
                Some((behind.strip_prefix(word)?, is_negated, is_pattern))
            });
            let (behind, is_negated, is_pattern) =
                found.next().ok_or_else(|| wrong("use =, !=, =~ or !~"))?;
            let (value, behind) =
                quoted(behind.trim_start()).ok_or_else(|| wrong("a value is not in quotes"))?;
            let wanted = if is_pattern {
                Wanted::Pattern(Pattern::new(&value).map_err(|why| wrong(&why))?)
            } else {
                Wanted::Text(value)
            };
            matchers.push(Matcher { label: label.trim().to_owned(), is_negated, wanted });
            let behind = behind.trim_start();
            rest = match behind.strip_prefix(',') {
                Some(behind) => behind.trim_start(),
                None if behind.is_empty() => behind,
                None => return Err(wrong("expected a comma")),
            };
        }
        if matchers.is_empty() {
            return Err(wrong("it would mean every group"));
        }
        Ok(Self(matchers))
    }

    /// Whether a group is meant. A label that is not there is as one without a value.
    pub(super) fn matches(&self, key: &GroupingKey) -> bool {
        self.0.iter().all(|matcher| {
            let value = key.get(&matcher.label).unwrap_or_default();
            let is_equal = match &matcher.wanted {
                Wanted::Text(text) => text == value,
                Wanted::Pattern(pattern) => pattern.matches(value),
            };
            is_equal != matcher.is_negated
        })
    }
}

/// A text in quotes, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut out, mut chars) = (String::new(), text.strip_prefix('"')?.chars());
    loop {
        match chars.next()? {
            '"' => return Some((out, chars.as_str())),
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::LabelNames;

    #[track_caller]
    fn check(selector: &str, expect: bool) {
        let key = GroupingKey::from_path("/metrics/job/x%22/instance/i1", LabelNames::Legacy);
        assert_eq!(Selector::parse(selector).unwrap().matches(&key.unwrap()), expect, "{selector}");
    }

    #[test]
    fn groups_are_found_by_their_labels() {
        check(r#"{job="x\""}"#, true);
        check(r#" { job = "x\"" , instance=~"i." , } "#, true);
        check(r#"{job="x\"",instance!="i1"}"#, false);
        check(r#"{zone=""}"#, true);
        check(r#"{zone!=""}"#, false);
        check(r#"{instance=~"i"}"#, false);
        check(r#"{instance!~"i"}"#, true);
    }

    #[test]
    fn what_is_no_selector_is_told() {
        for (text, told) in [
            ("", "write {job"),
            ("{}", "it would mean every group"),
            ("{job}", "a label has no value"),
            ("{job=x}", "a value is not in quotes"),
            (r#"{job="x" instance="y"}"#, "expected a comma"),
            (r#"{job=~"("}"#, "missing closing )"),
        ] {
            let error = Selector::parse(text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
