//! `aggregate`: how series that become one are merged, where the type of their family is not to
//! decide.

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Kind;
use super::super::node::Node;
use super::super::relabel::RuleSet;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::stream;
use super::value;
use crate::aggregate::choice::Choice;
pub use crate::aggregate::choice::{Gauges, Quantiles};
pub use crate::aggregate::merge::Counters;
use crate::model::LabelSet;
use crate::relabel::Action;
use crate::relabel::RuleSpec;
use crate::relabel::Scratch;
use crate::relabel::Verdict;

/// One item of `aggregate`.
pub(super) static MERGE: Object = Object {
    wanted: "a way of merging",
    keys: &[
        Key {
            name: "match",
            shape: Shape::Either(&[Shape::Text, Shape::Object(&SELECTOR)]),
            about: "A regular expression for the whole metric name, or labels to look at",
        },
        Key {
            name: "gauges",
            shape: Shape::Word(&["sum", "min", "max", "avg", "last", "count", "drop"]),
            about: "What becomes of gauges and of series without a type",
        },
        Key {
            name: "quantiles",
            shape: Shape::Word(&["drop", "max", "avg"]),
            about: "What becomes of the quantiles of summaries",
        },
        Key {
            name: "counters",
            shape: Shape::Word(&["raw", "reset-safe"]),
            about: "Whether counters are summed as they are, or by what they grew",
        },
    ],
    inline: &[],
    required: &["match"],
};

pub(super) static SELECTOR: Object = Object {
    wanted: "a selector",
    keys: &[
        Key {
            name: "source_labels",
            shape: Shape::List(&Shape::Text),
            about: "Labels whose values are looked at, as in relabelling; default [__name__]",
        },
        Key {
            name: "separator",
            shape: Shape::Scalar,
            about: "Stands between the values; default ;",
        },
        Key { name: "regex", shape: Shape::Scalar, about: "Has to match all of it" },
    ],
    inline: &[],
    required: &["regex"],
};

/// How the series that a selector matches are merged; the first rule that matches counts.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeRule {
    selector: RuleSet,
    /// For gauges and series without a type, if it says so.
    pub gauges: Option<Gauges>,
    /// For quantiles, if it says so.
    pub quantiles: Option<Quantiles>,
    /// For counters and histograms, if it says so.
    pub counters: Option<Counters>,
}

impl MergeRule {
    /// The same, for the table of an output.
    pub fn choice(&self) -> Choice {
        Choice {
            selector: self.selector.rules.clone(),
            gauges: self.gauges,
            quantiles: self.quantiles,
            counters: self.counters,
        }
    }

    /// Whether this rule is for the output series with these labels, `__name__` among them.
    pub fn matches(&self, labels: &mut LabelSet, scratch: &mut Scratch) -> bool {
        // One rule that keeps: it changes nothing.
        self.selector.rules.apply(labels, scratch) == Verdict::Keep
    }
}

/// The items of `aggregate`.
pub(super) fn decode(node: &Node, path: &Path, report: &mut Report) -> Vec<MergeRule> {
    let items = decode::items(node, "a list of ways of merging", None, path, report);
    let items = items.unwrap_or_default().iter().enumerate();
    let items = items.filter(|(_, item)| !stream::is_stream(item));
    items.filter_map(|(at, item)| merge_rule(item, &path.item(at), report)).collect()
}

fn merge_rule(node: &Node, path: &Path, report: &mut Report) -> Option<MergeRule> {
    let mut selector = None;
    let (mut gauges, mut quantiles, mut counters) = (None, None, None);
    for entry in MERGE.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "match" => selector = read_selector(value, inner, report),
            "gauges" => gauges = value::word(value, &GAUGES, inner, report),
            "quantiles" => quantiles = value::word(value, &QUANTILES, inner, report),
            "counters" => counters = value::word(value, &COUNTERS, inner, report),
            _ => shape::forgotten(&entry, path, report),
        }
    }
    Some(MergeRule { selector: selector?, gauges, quantiles, counters })
}

const GAUGES: [(&str, Gauges); 7] = [
    ("sum", Gauges::Sum),
    ("min", Gauges::Min),
    ("max", Gauges::Max),
    ("avg", Gauges::Avg),
    ("last", Gauges::Last),
    ("count", Gauges::Count),
    ("drop", Gauges::Drop),
];
const QUANTILES: [(&str, Quantiles); 3] =
    [("drop", Quantiles::Drop), ("max", Quantiles::Max), ("avg", Quantiles::Avg)];
pub(super) const COUNTERS: [(&str, Counters); 2] =
    [("raw", Counters::Raw), ("reset-safe", Counters::ResetSafe)];

pub(super) fn read_selector(node: &Node, path: &Path, report: &mut Report) -> Option<RuleSet> {
    let mut spec = RuleSpec {
        action: Action::Keep,
        source_labels: Some(vec!["__name__".to_owned()]),
        ..RuleSpec::default()
    };
    if let Kind::Map(_) = node.kind {
        for entry in SELECTOR.fields(node, path, report) {
            let (value, inner) = (entry.value, &path.field(&entry.name));
            match &*entry.name {
                "source_labels" => spec.source_labels = Some(value::texts(value, inner, report)),
                "separator" => spec.separator = decode::text(value, inner, report),
                "regex" => spec.regex = decode::text(value, inner, report),
                _ => shape::forgotten(&entry, path, report),
            }
        }
    } else {
        let text = decode::text(node, path, report)?;
        // It would be a good regular expression, and match nothing ever.
        if text.split_once('{').is_some_and(|(_, matchers)| matchers.contains('=')) {
            let message = "a selector of PromQL, write a regular expression for the metric name, or \
                           source_labels and regex as in relabelling";
            report.error(node.at, path, message);
            return None;
        }
        spec.regex = Some(text);
    }
    match RuleSet::compile(spec) {
        Ok(rules) => Some(rules),
        Err(error) => {
            report.error(node.at, path, error.message);
            None
        }
    }
}
