//! Relabelling as Prometheus does it: rules that keep, drop and rewrite label sets.
//!
//! In goes a [`LabelSet`](crate::model::LabelSet) with decoded values, out comes the same set
//! changed, and a [`Verdict`]. The result depends on nothing but the labels and the rules, bit for
//! bit as `model/relabel` of Prometheus 3 gives it.
//!
//! A [`RuleSpec`] is a rule as somebody wrote it; [`Rule::compile`] checks it and makes a [`Rule`],
//! in which nothing can be wrong any more. Regular expressions are Go's: `go_regex` reads their
//! grammar, `matcher` finds the cheapest way to decide each.
//!
//! This module does not know where labels come from, that rules are written in YAML, nor what
//! becomes of a series without a name; it neither logs nor counts.

mod case;
mod go_regex;
mod hashmod;
mod matcher;
mod rule;
mod rules;
mod spec;
mod tables;
mod template;
mod trace;

pub use rule::{Rule, Scratch};
pub use rules::{Rules, Verdict};
pub use spec::{Action, Field, NameScheme, RuleError, RuleSpec, UnknownAction};
pub use trace::{Change, Step};
