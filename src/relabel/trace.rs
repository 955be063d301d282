//! What each rule did to a series, step by step. For people: slow, and allocates.

use crate::model::LabelSet;
use crate::relabel::rule::Scratch;
use crate::relabel::rules::Rules;
use crate::relabel::spec::Action;

/// What one rule did.
#[derive(Clone, Debug)]
pub struct Step {
    /// The index of the rule.
    pub rule: usize,
    /// What the rule is for.
    pub action: Action,
    /// Whether its condition held: the expression matched the value (or any name, for actions on
    /// names), or the values were equal. True for actions without a condition.
    pub matched: bool,
    /// Whether the series was kept. If not, this is the last step.
    pub kept: bool,
    /// The labels it changed, by name.
    pub changes: Vec<Change>,
    /// All labels after it.
    pub labels: LabelSet,
}

/// A label that is not what it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The label.
    pub name: Vec<u8>,
    /// Its value before; `None` if it was absent.
    pub old: Option<Vec<u8>>,
    /// Its value after; `None` if it is deleted.
    pub new: Option<Vec<u8>>,
}

impl Rules {
    /// Apply the rules to a copy of `labels` and tell what each did, up to the first that drops.
    pub fn trace(&self, labels: &LabelSet) -> Vec<Step> {
        let mut scratch = Scratch::default();
        let mut labels = labels.clone();
        let mut steps = Vec::new();
        for (index, rule) in self.iter().enumerate() {
            let before = labels.clone();
            let matched = rule.is_match(&before, &mut scratch);
            let kept = rule.apply(&mut labels, &mut scratch);
            let changes = changes(&before, &labels);
            let after = labels.clone();
            let action = rule.action();
            steps.push(Step { rule: index, action, matched, kept, changes, labels: after });
            if !kept {
                break;
            }
        }
        steps
    }
}

fn changes(before: &LabelSet, after: &LabelSet) -> Vec<Change> {
    let value = |labels: &LabelSet, name: &[u8]| {
        let value = labels.get(name);
        (!value.is_empty()).then(|| value.to_vec())
    };
    let mut names: Vec<&[u8]> = before.iter().chain(after.iter()).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    let changes = names.into_iter().map(|name| Change {
        name: name.to_vec(),
        old: value(before, name),
        new: value(after, name),
    });
    changes.filter(|change| change.old != change.new).collect()
}
