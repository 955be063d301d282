//! `metric_relabel_configs` and `subsets`: what is shown, and where.

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Node;
use super::super::relabel;
use super::super::relabel::RuleSet;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use crate::relabel::Action;

/// A list of relabelling rules.
pub(super) const RULES: Shape = Shape::List(&Shape::Object(&RULE));

/// One subset.
pub(super) static SUBSET: Object = Object {
    wanted: "a subset",
    keys: &[Key {
        name: "metric_relabel_configs",
        shape: RULES,
        about: "The rules of /metrics/NAME",
    }],
    inline: &[],
    required: &["metric_relabel_configs"],
};

/// One relabelling rule. It is decoded together with those of rule files.
pub(super) static RULE: Object = Object {
    wanted: "relabel.Config",
    keys: &[
        Key { name: "action", shape: Shape::Word(&ACTIONS), about: "What to do; default replace" },
        Key {
            name: "source_labels",
            shape: Shape::List(&Shape::Scalar),
            about: "Labels whose values are looked at",
        },
        Key {
            name: "separator",
            shape: Shape::Scalar,
            about: "Stands between the values; default ;",
        },
        Key { name: "regex", shape: Shape::Scalar, about: "Has to match all of it; default (.*)" },
        Key { name: "modulus", shape: Shape::Count, about: "The number of hashmod" },
        Key { name: "target_label", shape: Shape::Scalar, about: "The label to write" },
        Key { name: "replacement", shape: Shape::Scalar, about: "What to write; default $1" },
    ],
    inline: &[],
    required: &[],
};

const ACTIONS: [&str; Action::ALL.len()] = {
    let mut words = [""; Action::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Action::ALL[at].word();
        at += 1;
    }
    words
};

/// The map of subsets, sorted by name.
pub(super) fn subsets(node: &Node, path: &Path, report: &mut Report) -> Vec<(String, RuleSet)> {
    let entries = decode::fields(node, "a map of subsets", path, report).unwrap_or_default();
    let mut subsets = Vec::with_capacity(entries.len());
    for entry in entries {
        let inner = path.field(&entry.name);
        if entry.name.is_empty() {
            report.error(entry.at, path, "a subset needs a name");
        }
        let mut rules = RuleSet::default();
        for field in SUBSET.fields(entry.value, &inner, report) {
            match &*field.name {
                "metric_relabel_configs" => {
                    rules = relabel::rules(field.value, &inner.field(&field.name), report);
                }
                _ => shape::forgotten(&field, &inner, report),
            }
        }
        subsets.push((entry.name, rules));
    }
    subsets.sort_by(|(a, _), (b, _)| a.cmp(b));
    subsets
}
