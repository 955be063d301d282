//! A regular expression for a whole text, in Go's grammar.

use super::super::super::decode;
use super::super::super::decode::Path;
use super::super::super::decode::Report;
use super::super::super::node::Node;
use super::super::super::relabel::RuleSet;
use crate::model::LabelSet;
use crate::relabel::Action;
use crate::relabel::RuleSpec;
use crate::relabel::Scratch;
use crate::relabel::Verdict;

/// The label a text stands in while it is matched.
const TEXT: &str = "text";

/// A pattern that has to match all of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    text: String,
    rules: RuleSet,
}

impl Pattern {
    /// Compile one.
    ///
    /// # Errors
    ///
    /// Why it is none, as Go says it.
    pub fn new(text: &str) -> Result<Self, String> {
        let spec = RuleSpec {
            action: Action::Keep,
            source_labels: Some(vec![TEXT.to_owned()]),
            regex: Some(text.to_owned()),
            ..RuleSpec::default()
        };
        let rules = RuleSet::compile(spec).map_err(|error| error.message)?;
        Ok(Self { text: text.to_owned(), rules })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches.
    pub fn matches(&self, text: &str) -> bool {
        let mut labels = LabelSet::new();
        labels.push(TEXT.as_bytes(), text.as_bytes());
        self.rules.rules.apply(&mut labels, &mut Scratch::default()) == Verdict::Keep
    }
}

/// Read a pattern; what is wrong with it is reported.
pub(super) fn decode(node: &Node, path: &Path, report: &mut Report) -> Option<Pattern> {
    let text = decode::text(node, path, report)?;
    match Pattern::new(&text) {
        Ok(pattern) => Some(pattern),
        Err(wrong) => {
            report.error(node.at, path, wrong);
            None
        }
    }
}
