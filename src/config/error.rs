//! What was found in a configuration file, and where.

use std::fmt;

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Position {
    /// One-based.
    pub(super) line: usize,
    /// One-based, in characters.
    pub(super) column: usize,
}

/// An error or a warning: `file:line:column: path.to.field: message, remedy`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The file, as it was called.
    pub file: String,
    /// The line; the first is 1.
    pub line: usize,
    /// The column in characters; the first is 1.
    pub column: usize,
    /// The field, from the top of the file; empty where there is none.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it, if that is known.
    pub remedy: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, path, message, remedy } = self;
        write!(f, "{file}:{line}:{column}: ")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)?;
        match remedy {
            Some(remedy) => write!(f, ", {remedy}"),
            None => Ok(()),
        }
    }
}

impl Finding {
    /// The same without the place, for what stands in no file: path, message, remedy.
    pub fn without_place(&self) -> String {
        let Self { path, message, remedy, .. } = self;
        let colon = if path.is_empty() { "" } else { ": " };
        let remedy = remedy.as_ref().map(|remedy| format!(", {remedy}")).unwrap_or_default();
        format!("{path}{colon}{message}{remedy}")
    }
}

/// Everything that is wrong with a file, in the order of its lines. Displays as one line each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors {
    errors: Vec<Finding>,
}

impl ConfigErrors {
    pub(super) fn new(errors: Vec<Finding>) -> Self {
        Self { errors }
    }

    /// The errors; at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.errors.iter()
    }
}

impl<'e> IntoIterator for &'e ConfigErrors {
    type Item = &'e Finding;
    type IntoIter = std::slice::Iter<'e, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
