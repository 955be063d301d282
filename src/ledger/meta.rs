//! The lines of an exposition that are no samples, and what they say of families.

use std::collections::HashMap;
use std::sync::Arc;

use crate::aggregate::family::Metadata;
use crate::model::{Format, MetricType};
use crate::parse::{Entry, unescape, unescape_help};

/// The number of every line that says nothing of families.
pub(super) const NOTHING: u32 = u32::MAX;

/// What one line says.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Statement {
    Help { family: Box<[u8]>, help: Box<[u8]> },
    Type { family: Box<[u8]>, metric_type: MetricType },
    Unit { family: Box<[u8]>, unit: Box<[u8]> },
}

/// Lines that are no samples, each with a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct MetaLines {
    numbers: HashMap<Box<[u8]>, u32>,
    statements: Vec<Statement>,
    n_bytes: usize,
}

impl MetaLines {
    /// How many different lines there are.
    pub(super) fn len(&self) -> usize {
        self.statements.len()
    }

    /// How many bytes they have.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// The number of a line, which is put in if it is new. `text` is without its newline. Lines
    /// that say nothing of families are not kept; their number is that of no line.
    pub(super) fn number(
        this: &mut Arc<Self>,
        format: Format,
        text: &[u8],
        entry: Entry<'_>,
    ) -> u32 {
        let Some(statement) = Statement::of(format, entry) else { return NOTHING };
        if let Some(&number) = this.numbers.get(text) {
            return number;
        }
        let this = Arc::make_mut(this);
        let number = u32::try_from(this.statements.len()).unwrap_or(u32::MAX);
        this.numbers.insert(text.into(), number);
        this.n_bytes += text.len();
        this.statements.push(statement);
        number
    }

    /// What the lines with these numbers, in this order, say of families; the last word counts.
    pub(super) fn metadata(&self, numbers: &[u32]) -> Metadata {
        let mut metadata = Metadata::new();
        for statement in numbers.iter().filter_map(|&n| self.statements.get(n as usize)) {
            match statement {
                Statement::Help { family, help } => {
                    metadata.entry(family.clone()).or_default().help = Some(help.clone());
                }
                Statement::Type { family, metric_type } => {
                    metadata.entry(family.clone()).or_default().metric_type = Some(*metric_type);
                }
                Statement::Unit { family, unit } => {
                    metadata.entry(family.clone()).or_default().unit = Some(unit.clone());
                }
            }
        }
        metadata
    }
}

impl Statement {
    fn of(format: Format, entry: Entry<'_>) -> Option<Self> {
        Some(match entry {
            Entry::Help { name, name_escaped, text } => {
                let mut help = Vec::new();
                unescape_help(format, text, &mut help);
                Self::Help { family: decode(name, name_escaped), help: help.into() }
            }
            Entry::Type { name, name_escaped, metric_type } => {
                Self::Type { family: decode(name, name_escaped), metric_type }
            }
            Entry::Unit { name, name_escaped, unit } => {
                Self::Unit { family: decode(name, name_escaped), unit: unit.into() }
            }
            Entry::Blank | Entry::Comment | Entry::Sample | Entry::Eof => return None,
        })
    }
}

fn decode(name: &[u8], is_escaped: bool) -> Box<[u8]> {
    if !is_escaped {
        return name.into();
    }
    let mut decoded = Vec::new();
    unescape(name, &mut decoded);
    decoded.into()
}
