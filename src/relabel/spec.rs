//! A rule as somebody wrote it, and what can be wrong with it.

use crate::relabel::case;
use crate::relabel::matcher::Matcher;
use std::fmt;

/// The eleven things a rule can do.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Action {
    /// Set a label to a template filled from what the regular expression matched.
    #[default]
    Replace,
    /// Drop the series unless the value matches.
    Keep,
    /// Drop the series if the value matches.
    Drop,
    /// Drop the series unless the value equals that of the target label.
    KeepEqual,
    /// Drop the series if the value equals that of the target label.
    DropEqual,
    /// Set a label to the number of the shard the value falls into.
    HashMod,
    /// Copy every label whose name matches to a name made from a template.
    LabelMap,
    /// Delete every label whose name matches.
    LabelDrop,
    /// Delete every label whose name does not match.
    LabelKeep,
    /// Set a label to the value in lower case.
    Lowercase,
    /// Set a label to the value in upper case.
    Uppercase,
}

impl Action {
    /// All of them, in Prometheus' order.
    pub const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// The word configurations use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is none of the eleven actions.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown relabel action {0:?}")]
pub struct UnknownAction(
    /// The word, as it was written.
    pub String,
);

impl std::str::FromStr for Action {
    type Err = UnknownAction;

    /// Read an action; letter case does not matter.
    fn from_str(word: &str) -> Result<Self, UnknownAction> {
        let mut lower = Vec::with_capacity(word.len());
        case::lower(word.as_bytes(), &mut lower);
        let found = Self::ALL.into_iter().find(|action| action.word().as_bytes() == lower);
        found.ok_or_else(|| UnknownAction(word.to_owned()))
    }
}

/// Which names labels may have.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum NameScheme {
    /// Any non-empty UTF-8 text: the default of Prometheus 3.
    #[default]
    Utf8,
    /// `[a-zA-Z_][a-zA-Z0-9_]*`.
    Legacy,
}

impl NameScheme {
    /// Whether a label may be called `name`.
    pub fn accepts(self, name: &[u8]) -> bool {
        match self {
            Self::Utf8 => !name.is_empty() && std::str::from_utf8(name).is_ok(),
            Self::Legacy => match name {
                [first, rest @ ..] => {
                    !first.is_ascii_digit() && is_word(*first) && rest.iter().copied().all(is_word)
                }
                [] => false,
            },
        }
    }

    /// Whether `template`, once filled, may give a name:
    /// `^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$` under the legacy scheme.
    fn accepts_template(self, template: &str) -> bool {
        if self == Self::Utf8 {
            return !template.is_empty();
        }
        let mut rest = template.as_bytes();
        if rest.first().is_none_or(u8::is_ascii_digit) {
            return false;
        }
        while let [first, tail @ ..] = rest {
            rest = match (first, tail) {
                (b'$', [b'{', tail @ ..]) => match skip_word(tail) {
                    Some([b'}', tail @ ..]) => tail,
                    _ => return false,
                },
                (b'$', tail) => match skip_word(tail) {
                    Some(tail) => tail,
                    None => return false,
                },
                (byte, tail) if is_word(*byte) => tail,
                _ => return false,
            };
        }
        true
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What follows the word at the front of `text`; `None` if there is none.
fn skip_word(text: &[u8]) -> Option<&[u8]> {
    let n = text.iter().take_while(|byte| is_word(**byte)).count();
    if n == 0 { None } else { text.get(n..) }
}

/// A field of a rule, by its name in a configuration.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is the field of RuleSpec of the same name")]
pub enum Field {
    Action,
    SourceLabels,
    Separator,
    Regex,
    Modulus,
    TargetLabel,
    Replacement,
}

impl Field {
    /// The field's name in a configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::SourceLabels => "source_labels",
            Self::Separator => "separator",
            Self::Regex => "regex",
            Self::Modulus => "modulus",
            Self::TargetLabel => "target_label",
            Self::Replacement => "replacement",
        }
    }
}

/// Why a rule cannot be used: Prometheus' words, and the field to look at.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// The field at fault; it may be one that is missing.
    pub field: Field,
    /// What is wrong with it.
    pub message: String,
}

/// A rule as somebody wrote it. `None` is a field that was not written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RuleSpec {
    /// What to do; `replace` unless stated.
    pub action: Action,
    /// The labels whose values are joined and matched.
    pub source_labels: Option<Vec<String>>,
    /// What joins them: `;` unless stated.
    pub separator: Option<String>,
    /// Go syntax, matched against the whole value: `(.*)` unless stated.
    pub regex: Option<String>,
    /// The number of shards `hashmod` sorts into.
    pub modulus: Option<u64>,
    /// The label to set or to compare with; a template for `replace`.
    pub target_label: Option<String>,
    /// The value to set, a template: `$1` unless stated.
    pub replacement: Option<String>,
}

impl RuleSpec {
    /// What joins source labels that state nothing else.
    pub const SEPARATOR: &'static str = ";";
    /// The regular expression of a rule that states none.
    pub const REGEX: &'static str = "(.*)";
    /// The template of a rule that states none.
    pub const REPLACEMENT: &'static str = "$1";

    pub(super) fn separator(&self) -> &str {
        self.separator.as_deref().unwrap_or(Self::SEPARATOR)
    }

    pub(super) fn regex(&self) -> &str {
        self.regex.as_deref().unwrap_or(Self::REGEX)
    }

    pub(super) fn replacement(&self) -> &str {
        self.replacement.as_deref().unwrap_or(Self::REPLACEMENT)
    }

    pub(super) fn target_label(&self) -> &str {
        self.target_label.as_deref().unwrap_or_default()
    }

    pub(super) fn modulus(&self) -> u64 {
        self.modulus.unwrap_or_default()
    }

    /// Check the fields against each other, as Prometheus does when it loads a configuration, in
    /// its order and words. The regular expression is not looked into.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self, scheme: NameScheme) -> Result<(), RuleError> {
        let action = self.action;
        if action == Action::HashMod && self.modulus() == 0 {
            return fault(
                Field::Modulus,
                "relabel configuration for hashmod requires non-zero modulus".into(),
            );
        }
        match action {
            Action::Replace => {
                self.need_target()?;
                let target = self.target_label();
                let fits = if target.contains('$') {
                    scheme.accepts_template(target)
                } else {
                    scheme.accepts(target.as_bytes())
                };
                if fits { Ok(()) } else { self.bad_target() }
            }
            Action::HashMod => {
                self.need_target()?;
                self.need_target_name(scheme)
            }
            Action::Lowercase | Action::Uppercase => {
                self.need_target()?;
                self.need_target_name(scheme)?;
                self.need_no_replacement()
            }
            Action::KeepEqual | Action::DropEqual => {
                self.need_target()?;
                self.need_target_name(scheme)?;
                self.need_no_replacement()?;
                self.need_no_more_than_two_fields()
            }
            Action::LabelMap => {
                if scheme.accepts_template(self.replacement()) {
                    return Ok(());
                }
                let text = self.replacement();
                let message = format!("{text:?} is invalid 'replacement' for {action} action");
                fault(Field::Replacement, message)
            }
            Action::LabelDrop | Action::LabelKeep => self.need_regex_only(),
            Action::Keep | Action::Drop => Ok(()),
        }
    }

    /// Everything that is wrong: what [`RuleSpec::validate`] finds first, and the regular
    /// expression.
    pub fn problems(&self, scheme: NameScheme) -> Vec<RuleError> {
        let regex = Matcher::new(self.regex(), false)
            .map_err(|error| RuleError { field: Field::Regex, message: error.to_string() });
        [self.validate(scheme).err(), regex.err()].into_iter().flatten().collect()
    }

    fn need_target(&self) -> Result<(), RuleError> {
        if !self.target_label().is_empty() {
            return Ok(());
        }
        let action = self.action;
        let message =
            format!("relabel configuration for {action} action requires 'target_label' value");
        fault(Field::TargetLabel, message)
    }

    fn need_target_name(&self, scheme: NameScheme) -> Result<(), RuleError> {
        if scheme.accepts(self.target_label().as_bytes()) { Ok(()) } else { self.bad_target() }
    }

    fn bad_target(&self) -> Result<(), RuleError> {
        let (target, action) = (self.target_label(), self.action);
        let message = format!("{target:?} is invalid 'target_label' for {action} action");
        fault(Field::TargetLabel, message)
    }

    fn need_no_replacement(&self) -> Result<(), RuleError> {
        if self.replacement() == Self::REPLACEMENT {
            return Ok(());
        }
        let message = format!("'replacement' can not be set for {} action", self.action);
        fault(Field::Replacement, message)
    }

    fn need_no_more_than_two_fields(&self) -> Result<(), RuleError> {
        // Even the default regular expression may not be written out.
        let extra = if self.regex.is_some() { Some(Field::Regex) } else { self.not_default() };
        let Some(field) = extra else { return Ok(()) };
        let message = format!(
            "{} action requires only 'source_labels' and `target_label`, and no other fields",
            self.action
        );
        fault(field, message)
    }

    fn need_regex_only(&self) -> Result<(), RuleError> {
        // An empty list counts as written.
        let extra = if self.source_labels.is_some() {
            Some(Field::SourceLabels)
        } else if !self.target_label().is_empty() {
            Some(Field::TargetLabel)
        } else {
            self.not_default()
        };
        let Some(field) = extra else { return Ok(()) };
        let message = format!("{} action requires only 'regex', and no other fields", self.action);
        fault(field, message)
    }

    fn not_default(&self) -> Option<Field> {
        if self.modulus() != 0 {
            Some(Field::Modulus)
        } else if self.separator() != Self::SEPARATOR {
            Some(Field::Separator)
        } else if self.replacement() != Self::REPLACEMENT {
            Some(Field::Replacement)
        } else {
            None
        }
    }
}

fn fault(field: Field, message: String) -> Result<(), RuleError> {
    Err(RuleError { field, message })
}
