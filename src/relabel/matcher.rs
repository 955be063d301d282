//! Deciding whether a value matches a regular expression, as cheaply as the expression allows.
//!
//! Most expressions in rules are words, words with `.*` around them, or choices of words. Those are
//! recognised in the parsed tree and compared directly ([`shape`]); everything else is given to an
//! automaton ([`engine`]). The two agree on all UTF-8 text, which a property checks.
//!
//! Nothing here knows of labels.

mod engine;
mod shape;

use crate::relabel::go_regex;
use crate::relabel::go_regex::Pattern;
use engine::Engine;
use regex_automata::util::primitives::NonMaxUsize;
use shape::Shape;

/// Why an expression cannot be used, in Go's words where Go refuses it too.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum MatcherError {
    /// It is not an expression of Go's grammar.
    #[error(transparent)]
    Syntax(#[from] go_regex::SyntaxError),
    /// It is one, but its automaton would not fit into memory.
    #[error("regular expression needs an automaton of more than {bytes} bytes, simplify it")]
    TooLarge {
        /// The limit.
        bytes: usize,
    },
}

/// An expression, anchored as Prometheus anchors it, ready to match.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    way: Way,
    /// Names of the groups; group 0 is the whole match.
    names: Vec<Option<String>>,
    /// How to find groups; absent unless asked for.
    groups: Option<Groups>,
}

#[derive(Clone, Debug)]
enum Way {
    Shape(Shape),
    Engine(Engine),
}

#[derive(Clone, Debug)]
enum Groups {
    /// The match is the whole value, and group 1 all of it but so many bytes at either end.
    Gap { before: usize, behind: usize },
    /// Only an engine can tell.
    Engine(Engine),
}

impl Matcher {
    /// Compile `regex`; with `needs_groups`, so that [`Matcher::find`] works.
    ///
    /// The anchors are pasted around the text unchecked, as Prometheus does: `a)|(b` is an
    /// expression, and anchored at one end only.
    pub(super) fn new(regex: &str, needs_groups: bool) -> Result<Self, MatcherError> {
        let Pattern { hir, names } = go_regex::parse(&format!("^(?s:{regex})$"))?;
        let way = match Shape::new(&hir) {
            Some(shape) => Way::Shape(shape),
            None => Way::Engine(Engine::new(&hir)?),
        };
        let groups = match shape::gap(&hir) {
            _ if !needs_groups => None,
            Some((before, behind)) => Some(Groups::Gap { before, behind }),
            None => Some(Groups::Engine(Engine::with_groups(&hir)?)),
        };
        Ok(Self { way, names, groups })
    }

    /// The names of the groups, for [`Template::new`](super::template::Template::new).
    pub(super) fn names(&self) -> &[Option<String>] {
        &self.names
    }

    /// The one value the expression matches, if there is only one.
    #[inline]
    pub(super) fn word(&self) -> Option<&[u8]> {
        match &self.way {
            Way::Shape(Shape::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Whether the expression matches `value`.
    #[inline]
    pub(super) fn is_match(&self, value: &[u8]) -> bool {
        match &self.way {
            Way::Shape(shape) => shape.is_match(value),
            Way::Engine(engine) => engine.is_match(value),
        }
    }

    /// Whether the expression matches the values joined by `separator`, if that can be told
    /// without joining them.
    #[inline]
    pub(super) fn is_match_joined<'v>(
        &self,
        values: impl Iterator<Item = &'v [u8]>,
        separator: &[u8],
    ) -> Option<bool> {
        match &self.way {
            Way::Shape(_) => None,
            Way::Engine(engine) => engine.is_match_joined(values, separator),
        }
    }

    /// Find the first match in `value` from byte `from` on, and say in `slots` where its groups
    /// lie. Never true for a matcher made without groups.
    pub(super) fn find(
        &self,
        value: &[u8],
        from: usize,
        slots: &mut Vec<Option<NonMaxUsize>>,
    ) -> bool {
        let Some(groups) = &self.groups else { return false };
        // The cheap way first: most values do not match.
        if from == 0 && !self.is_match(value) {
            return false;
        }
        slots.clear();
        slots.resize(2 * self.names.len(), None);
        match groups {
            Groups::Gap { before, behind } => {
                let ends = [0, value.len(), *before, value.len() - *behind];
                for (slot, at) in slots.iter_mut().zip(ends) {
                    *slot = NonMaxUsize::new(at);
                }
                from == 0
            }
            Groups::Engine(engine) => engine.find(value, from, slots),
        }
    }
}

#[cfg(test)]
mod tests;
