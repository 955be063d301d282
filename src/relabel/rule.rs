//! One rule, compiled: a rule that exists can be applied.

use crate::model::LabelSet;
use crate::relabel::case;
use crate::relabel::hashmod::hashmod;
use crate::relabel::matcher::Matcher;
use crate::relabel::spec::Action;
use crate::relabel::spec::Field;
use crate::relabel::spec::NameScheme;
use crate::relabel::spec::RuleError;
use crate::relabel::spec::RuleSpec;
use crate::relabel::template::Template;
use regex_automata::util::primitives::NonMaxUsize;
use std::io::Write as _;
use std::num::NonZeroU64;

/// One rule, checked and compiled.
#[derive(Clone, Debug)]
pub struct Rule {
    source: Source,
    task: Task,
}

/// Where the value to match comes from.
#[derive(Clone, Debug)]
struct Source {
    labels: Box<[Box<[u8]>]>,
    separator: Box<[u8]>,
}

/// What the rule does, with what it needs for that and nothing else.
#[derive(Clone, Debug)]
enum Task {
    Replace { matcher: Matcher, target: Template, replacement: Template, scheme: NameScheme },
    Keep(Matcher),
    Drop(Matcher),
    KeepEqual(Box<[u8]>),
    DropEqual(Box<[u8]>),
    HashMod { target: Box<[u8]>, modulus: NonZeroU64 },
    LabelMap { matcher: Matcher, replacement: Template },
    LabelDrop(Matcher),
    LabelKeep(Matcher),
    Lowercase(Box<[u8]>),
    Uppercase(Box<[u8]>),
}

/// Memory that rules use while they run, kept from series to series so that none is allocated.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    joined: Vec<u8>,
    target: Vec<u8>,
    result: Vec<u8>,
    slots: Vec<Option<NonMaxUsize>>,
    /// Names and values, one after the other, of labels still to be set; and where each ends.
    pending: Vec<u8>,
    ends: Vec<(usize, usize)>,
}

impl Rule {
    /// Check and compile a rule.
    ///
    /// # Errors
    /// The first thing that is wrong with it, in Prometheus' words.
    pub fn compile(spec: &RuleSpec, scheme: NameScheme) -> Result<Self, RuleError> {
        spec.validate(scheme)?;
        let names = spec.source_labels.as_deref().unwrap_or_default();
        let source = Source {
            labels: names.iter().map(|name| name.as_bytes().into()).collect(),
            separator: spec.separator().as_bytes().into(),
        };
        Ok(Self { source, task: Task::compile(spec, scheme)? })
    }

    /// What the rule does.
    pub fn action(&self) -> Action {
        match self.task {
            Task::Replace { .. } => Action::Replace,
            Task::Keep(_) => Action::Keep,
            Task::Drop(_) => Action::Drop,
            Task::KeepEqual(_) => Action::KeepEqual,
            Task::DropEqual(_) => Action::DropEqual,
            Task::HashMod { .. } => Action::HashMod,
            Task::LabelMap { .. } => Action::LabelMap,
            Task::LabelDrop(_) => Action::LabelDrop,
            Task::LabelKeep(_) => Action::LabelKeep,
            Task::Lowercase(_) => Action::Lowercase,
            Task::Uppercase(_) => Action::Uppercase,
        }
    }

    /// Apply the rule; says whether the series is kept.
    pub(super) fn apply(&self, labels: &mut LabelSet, scratch: &mut Scratch) -> bool {
        let source = &self.source;
        match &self.task {
            Task::Keep(matcher) => return source.matches(matcher, labels, scratch),
            Task::Drop(matcher) => return !source.matches(matcher, labels, scratch),
            Task::KeepEqual(other) => return source.equals(other, labels, scratch),
            Task::DropEqual(other) => return !source.equals(other, labels, scratch),
            Task::Replace { matcher, target, replacement, scheme } => {
                source.replace(matcher, target, replacement, *scheme, labels, scratch);
            }
            Task::HashMod { target, modulus } => {
                let shard = hashmod(source.value(labels, &mut scratch.joined), *modulus);
                scratch.result.clear();
                // Writing to memory cannot fail.
                write!(scratch.result, "{shard}").unwrap_or_default();
                labels.set(target, &scratch.result);
            }
            Task::Lowercase(target) => {
                scratch.result.clear();
                case::lower(source.value(labels, &mut scratch.joined), &mut scratch.result);
                labels.set(target, &scratch.result);
            }
            Task::Uppercase(target) => {
                scratch.result.clear();
                case::upper(source.value(labels, &mut scratch.joined), &mut scratch.result);
                labels.set(target, &scratch.result);
            }
            Task::LabelMap { matcher, replacement } => {
                label_map(matcher, replacement, labels, scratch);
            }
            Task::LabelDrop(matcher) => match matcher.word() {
                Some(name) => labels.delete(name),
                None => labels.retain_names(|name| !matcher.is_match(name)),
            },
            Task::LabelKeep(matcher) => labels.retain_names(|name| matcher.is_match(name)),
        }
        true
    }

    /// Whether the rule's condition holds: its expression matches the value, or any name for the
    /// actions that look at names. Actions without a condition always hold.
    pub(super) fn is_match(&self, labels: &LabelSet, scratch: &mut Scratch) -> bool {
        match &self.task {
            Task::Keep(matcher) | Task::Drop(matcher) | Task::Replace { matcher, .. } => {
                self.source.matches(matcher, labels, scratch)
            }
            Task::KeepEqual(other) | Task::DropEqual(other) => {
                self.source.equals(other, labels, scratch)
            }
            Task::LabelMap { matcher, .. }
            | Task::LabelDrop(matcher)
            | Task::LabelKeep(matcher) => labels.iter().any(|(name, _)| matcher.is_match(name)),
            Task::HashMod { .. } | Task::Lowercase(_) | Task::Uppercase(_) => true,
        }
    }

    /// Whether the rule's expression matches the empty value; true if it has none.
    pub fn matches_empty(&self) -> bool {
        match &self.task {
            Task::Keep(matcher)
            | Task::Drop(matcher)
            | Task::Replace { matcher, .. }
            | Task::LabelMap { matcher, .. }
            | Task::LabelDrop(matcher)
            | Task::LabelKeep(matcher) => matcher.is_match(b""),
            _ => true,
        }
    }

    /// Whether what the rule does may depend on the value of a label of this name.
    pub(super) fn reads(&self, name: &[u8]) -> bool {
        let is_source = self.source.labels.iter().any(|label| **label == *name);
        is_source
            || match &self.task {
                Task::KeepEqual(other) | Task::DropEqual(other) => **other == *name,
                Task::LabelMap { matcher, .. } => matcher.is_match(name),
                _ => false,
            }
    }

    /// Whether the rule deletes a label of this name, whatever its value.
    pub fn deletes(&self, name: &[u8]) -> bool {
        match &self.task {
            Task::LabelDrop(matcher) => matcher.is_match(name),
            Task::LabelKeep(matcher) => !matcher.is_match(name),
            _ => false,
        }
    }
}

impl Task {
    fn compile(spec: &RuleSpec, scheme: NameScheme) -> Result<Self, RuleError> {
        let target = || spec.target_label().as_bytes().into();
        // Compiled for every action: Prometheus refuses a bad expression nobody uses, too.
        let is_template = matches!(spec.action, Action::Replace | Action::LabelMap);
        let needs_groups = is_template
            && (spec.action == Action::LabelMap
                || spec.target_label().contains('$')
                || spec.replacement().contains('$'));
        let matcher = Matcher::new(spec.regex(), needs_groups)
            .map_err(|error| RuleError { field: Field::Regex, message: error.to_string() })?;
        let template = |text| Template::new(text, matcher.names());
        Ok(match spec.action {
            Action::Replace => Self::Replace {
                target: template(spec.target_label()),
                replacement: template(spec.replacement()),
                matcher,
                scheme,
            },
            Action::LabelMap => {
                Self::LabelMap { replacement: template(spec.replacement()), matcher }
            }
            Action::Keep => Self::Keep(matcher),
            Action::Drop => Self::Drop(matcher),
            Action::LabelDrop => Self::LabelDrop(matcher),
            Action::LabelKeep => Self::LabelKeep(matcher),
            Action::KeepEqual => Self::KeepEqual(target()),
            Action::DropEqual => Self::DropEqual(target()),
            Action::Lowercase => Self::Lowercase(target()),
            Action::Uppercase => Self::Uppercase(target()),
            Action::HashMod => Self::HashMod {
                target: target(),
                // A modulus of zero has been refused.
                modulus: NonZeroU64::new(spec.modulus()).unwrap_or(NonZeroU64::MIN),
            },
        })
    }
}

impl Source {
    /// The values of the labels joined; `joined` is where, if there are several.
    fn value<'v>(&self, labels: &'v LabelSet, joined: &'v mut Vec<u8>) -> &'v [u8] {
        match &*self.labels {
            [] => &[],
            [label] => labels.get(label),
            [first, rest @ ..] => {
                joined.clear();
                joined.extend_from_slice(labels.get(first));
                for label in rest {
                    joined.extend_from_slice(&self.separator);
                    joined.extend_from_slice(labels.get(label));
                }
                joined
            }
        }
    }

    fn matches(&self, matcher: &Matcher, labels: &LabelSet, scratch: &mut Scratch) -> bool {
        if self.labels.len() > 1 {
            let values = self.labels.iter().map(|label| labels.get(label));
            if let Some(is_match) = matcher.is_match_joined(values, &self.separator) {
                return is_match;
            }
        }
        matcher.is_match(self.value(labels, &mut scratch.joined))
    }

    fn equals(&self, other: &[u8], labels: &LabelSet, scratch: &mut Scratch) -> bool {
        self.value(labels, &mut scratch.joined) == labels.get(other)
    }

    fn replace(
        &self,
        matcher: &Matcher,
        target: &Template,
        replacement: &Template,
        scheme: NameScheme,
        labels: &mut LabelSet,
        scratch: &mut Scratch,
    ) {
        if let (Some(target), Some(result)) = (target.fixed(), replacement.fixed()) {
            if self.matches(matcher, labels, scratch) && scheme.accepts(target) {
                labels.set(target, result);
            }
            return;
        }
        let value = self.value(labels, &mut scratch.joined);
        if !matcher.find(value, 0, &mut scratch.slots) {
            return;
        }
        scratch.result.clear();
        replacement.expand(value, &scratch.slots, &mut scratch.result);
        scratch.target.clear();
        target.expand(value, &scratch.slots, &mut scratch.target);
        if scheme.accepts(&scratch.target) {
            labels.set(&scratch.target, &scratch.result);
        }
    }
}

/// Copy labels whose names match to the names the template gives.
///
/// An empty name is no label; Prometheus would make it one and then refuse the whole scrape.
fn label_map(
    matcher: &Matcher,
    replacement: &Template,
    labels: &mut LabelSet,
    scratch: &mut Scratch,
) {
    let Scratch { slots, pending, ends, .. } = scratch;
    pending.clear();
    ends.clear();
    labels.visit_in_map_order(|name, value| {
        let start = pending.len();
        if replace_all(matcher, replacement, name, slots, pending) && pending.len() > start {
            let name_end = pending.len();
            pending.extend_from_slice(value);
            ends.push((name_end, pending.len()));
        }
    });
    // Only now: what the rule sets is not visited.
    let mut start = 0;
    for (name_end, end) in ends.drain(..) {
        let name = pending.get(start..name_end).unwrap_or_default();
        labels.set(name, pending.get(name_end..end).unwrap_or_default());
        start = end;
    }
}

/// Append `name` with every match replaced to `out`; false, and nothing, if there is none.
///
/// An expression that is anchored at both ends matches once, and then all of the name. One whose
/// anchors leak (`a)|(b`) may match several times. As in Go, an empty match right behind a match
/// does not count.
fn replace_all(
    matcher: &Matcher,
    replacement: &Template,
    name: &[u8],
    slots: &mut Vec<Option<NonMaxUsize>>,
    out: &mut Vec<u8>,
) -> bool {
    let (mut from, mut copied, mut last_end) = (0, 0, None);
    while from <= name.len() && matcher.find(name, from, slots) {
        let [Some(start), Some(end), ..] = slots[..] else { break };
        let (start, end) = (start.get(), end.get());
        if start < end || last_end != Some(start) {
            out.extend_from_slice(name.get(copied..start).unwrap_or_default());
            replacement.expand(name, slots, out);
            (copied, last_end) = (end, Some(end));
        }
        // Behind an empty match the search goes on one character further.
        from = if start < end { end } else { next_char(name, end) };
    }
    if last_end.is_none() {
        return false;
    }
    out.extend_from_slice(name.get(copied..).unwrap_or_default());
    true
}

/// Where the character after `at` begins.
fn next_char(text: &[u8], at: usize) -> usize {
    let is_inside = |byte: &&u8| **byte & 0b1100_0000 == 0b1000_0000;
    let rest = text.get(at + 1..).unwrap_or_default();
    at + 1 + rest.iter().take_while(is_inside).count()
}
