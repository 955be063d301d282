//! Why a message, or one series of it, was refused.

use std::fmt;

/// References named in an error; more are left out.
const REFS_SHOWN: usize = 64;

/// What is wrong with a message, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("byte {offset}, {field}: {kind}")]
pub struct WireError {
    /// Offset in the decompressed body.
    pub offset: usize,
    /// The field, by its path in the message.
    pub field: &'static str,
    /// What was wrong.
    pub kind: WireErrorKind,
}

impl WireError {
    /// Whether only one series is at fault, so that the walk can go on behind it.
    pub fn is_of_one_series(&self) -> bool {
        matches!(self.kind, WireErrorKind::Refs(_))
    }
}

/// What was wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// The message ends in the middle of a number.
    #[error("the message ends within a number")]
    Truncated,
    /// A length that reaches beyond the message it stands in.
    #[error("a length of {length} where {left} bytes are left")]
    Length {
        /// What was said.
        length: u64,
        /// What there is.
        left: usize,
    },
    /// A varint of more than ten bytes, or of more than 64 bits.
    #[error("a number of more than 64 bits")]
    Varint,
    /// Field number 0, or one above 2^29 - 1.
    #[error("field number {0} does not exist")]
    FieldNumber(u64),
    /// A known field with another wire type than its own.
    #[error("wire type {found} where {expected} belongs")]
    WireType {
        /// The type in the message.
        found: u8,
        /// The type the field has.
        expected: u8,
    },
    /// Wire type 6 or 7, or the end of a group that did not begin.
    #[error("wire type {0} has no meaning here")]
    UnknownWireType(u8),
    /// Groups (long deprecated) within groups within groups.
    #[error("groups are nested deeper than {0}")]
    Nesting(usize),
    /// Packed doubles whose length is no multiple of eight.
    #[error("{0} bytes are no whole number of doubles")]
    PackedDoubles(usize),
    /// A limit of the walk was passed.
    #[error("more than {max} {what}; send smaller requests")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A body whose offsets need more than 32 bits.
    #[error("{0} bytes are more than 4 GiB")]
    TooLong(usize),
    /// The first symbol is not the empty string.
    #[error("the first symbol must be empty")]
    FirstSymbol,
    /// References of one series that lead nowhere. Other series are not concerned.
    #[error("{0}")]
    Refs(Box<RefFault>),
}

/// References into the symbols that lead nowhere, in the reference receiver's words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefFault {
    /// The label references of the series, at most 64 of them.
    pub refs: Vec<u32>,
    /// What is wrong with them, or with others of the series.
    pub problem: RefProblem,
}

/// What is wrong with references.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RefProblem {
    /// Names and values come in pairs.
    #[error("invalid labelRefs length {0}")]
    Odd(usize),
    /// A pair with a part beyond the symbols.
    #[error(
        "labelRefs {name} (name) = {value} (value) outside of symbols table (size {n_symbols})"
    )]
    Label {
        /// Reference of the name.
        name: u32,
        /// Reference of the value.
        value: u32,
        /// How many symbols there are.
        n_symbols: usize,
    },
    /// A help or unit beyond the symbols.
    #[error("metadata {field} {reference} outside of symbols table (size {n_symbols})")]
    Metadata {
        /// `help_ref` or `unit_ref`.
        field: &'static str,
        /// The reference.
        reference: u32,
        /// How many symbols there are.
        n_symbols: usize,
    },
}

impl RefFault {
    /// A fault of a series with these label references.
    pub(super) fn new(refs: &[u32], problem: RefProblem) -> Self {
        Self { refs: refs.iter().copied().take(REFS_SHOWN).collect(), problem }
    }
}

impl fmt::Display for RefFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.problem {
            RefProblem::Odd(_) | RefProblem::Label { .. } => "labels",
            RefProblem::Metadata { .. } => "metadata",
        };
        write!(f, "parsing {part} for series [")?;
        for (at, reference) in self.refs.iter().enumerate() {
            write!(f, "{}{reference}", if at == 0 { "" } else { " " })?;
        }
        write!(f, "]: {}", self.problem)
    }
}
