//! A list of rules, applied in order.

use crate::model::LabelSet;
use crate::relabel::rule::Rule;
use crate::relabel::rule::Scratch;
use std::sync::Arc;

/// What became of a series.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use = "a dropped series must not go on"]
pub enum Verdict {
    /// It goes on, with its labels as they are now.
    Keep,
    /// It ends here; its labels are whatever the rules before made of them.
    Drop {
        /// The index of the rule that dropped it.
        rule: usize,
    },
}

/// A list of rules. Cheap to clone; the default is no rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Arc<[Rule]>,
}

impl Rules {
    /// Make a list of rules to be applied in this order.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules: rules.into() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// The rules, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Rule> {
        self.rules.iter()
    }

    /// Apply the rules to `labels`, up to the first that drops the series.
    ///
    /// Prometheus' semantics to the bit, but for one thing: `labelmap` to an empty name does
    /// nothing. A rule may delete `__name__` or make a name that is no name; the caller decides
    /// what that means. Allocates nothing once `scratch` and `labels` have grown.
    pub fn apply(&self, labels: &mut LabelSet, scratch: &mut Scratch) -> Verdict {
        match self.rules.iter().position(|rule| !rule.apply(labels, scratch)) {
            None => Verdict::Keep,
            Some(rule) => Verdict::Drop { rule },
        }
    }

    /// Whether what the rules do may depend on the value of a label of this name that they are given.
    pub fn reads(&self, name: &[u8]) -> bool {
        let decisive = self.rules.iter().find(|rule| rule.deletes(name) || rule.reads(name));
        decisive.is_some_and(|rule| rule.reads(name))
    }

    /// Whether a label's value makes no difference as long as it is not empty: it is deleted
    /// before anything reads it. `false` where that is not certain.
    pub fn ignores(&self, name: &[u8]) -> bool {
        let decisive = self.rules.iter().find(|rule| rule.deletes(name) || rule.reads(name));
        decisive.is_some_and(|rule| rule.deletes(name))
    }
}

impl<'r> IntoIterator for &'r Rules {
    type Item = &'r Rule;
    type IntoIter = std::slice::Iter<'r, Rule>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests;
