//! Findings nobody wants to hear of again.
//!
//! A file of lines `RULE METRIC [# why]`, in which `*` stands for any rule, and in the name of a
//! metric for any characters:
//!
//! ```text
//! # Names that dashboards depend on.
//! counter-total-suffix  legacy_*
//! *                     vendor_appliance_*   # not ours
//! ```

use crate::lint::report::Finding;
use crate::lint::rule::{Rule, UnknownRule};

/// What not to report.
#[derive(Clone, Debug, Default)]
pub struct Silences {
    all: Vec<Silence>,
}

#[derive(Clone, Debug)]
struct Silence {
    /// `None`: every rule.
    rule: Option<Rule>,
    metric: String,
}

/// Why a line of a file of silences is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct SilenceError {
    /// One-based line.
    pub line: usize,
    /// What was wrong.
    pub kind: SilenceErrorKind,
}

/// What was wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SilenceErrorKind {
    /// The first word is no rule.
    #[error(transparent)]
    Rule(#[from] UnknownRule),
    /// Not two words.
    #[error("expected a rule and a metric name, such as: help-missing go_*")]
    Words,
}

impl Silences {
    /// Read a file.
    ///
    /// # Errors
    ///
    /// All lines that are wrong.
    pub fn parse(text: &str) -> Result<Self, Vec<SilenceError>> {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        for (at, line) in text.lines().enumerate() {
            let said = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = said.split_whitespace().collect();
            let silence = match words[..] {
                [] => continue,
                ["*", metric] => Ok(Silence { rule: None, metric: metric.to_owned() }),
                [rule, metric] => rule
                    .parse()
                    .map(|rule| Silence { rule: Some(rule), metric: metric.to_owned() })
                    .map_err(SilenceErrorKind::from),
                _ => Err(SilenceErrorKind::Words),
            };
            match silence {
                Ok(silence) => all.push(silence),
                Err(kind) => errors.push(SilenceError { line: at + 1, kind }),
            }
        }
        if errors.is_empty() { Ok(Self { all }) } else { Err(errors) }
    }

    /// Whether a finding is not to be reported.
    pub fn covers(&self, finding: &Finding) -> bool {
        self.all.iter().any(|silence| {
            silence.rule.is_none_or(|rule| rule == finding.rule)
                && matches(silence.metric.as_bytes(), finding.metric.as_bytes())
        })
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any bytes.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The earliest place for each part leaves most to the others.
    for part in parts {
        match memchr::memmem::find(rest, part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for text in matching {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for text in others {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        check("a", &["a"], &["", "ab", "ba"]);
        check("*", &["", "a"], &[]);
        check("a*", &["a", "ab"], &["ba"]);
        check("*a", &["a", "ba"], &["ab"]);
        check("a*b*c", &["abc", "axbxbc", "abbcc"], &["ac", "acb", "abcx"]);
        check("aa*aa", &["aaaa", "aaxaa"], &["aaa"]);
    }

    #[test]
    fn all_lines_that_are_wrong_are_named() {
        let text = "# comment\n\nhelp-missing go_* # why\nnonsense a\nhelp-missing\n* a b\n* a\n";
        let errors = Silences::parse(text).unwrap_err();
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [4, 5, 6]);
        assert!(errors[0].to_string().starts_with(r#"line 4: unknown rule "nonsense": it is"#));
    }
}
