//! What a signal shows at an instant.

/// What a signal shows at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// A sample.
    Value(f64),
    /// A native histogram: ask for it by its own method.
    Native,
    /// No sample: a failed scrape, a gap.
    Missing,
    /// A stale marker: the series has ended, or ends here.
    Stale,
    /// There is no more.
    Ended,
}

impl Reading {
    /// The sample, if it is a plain one.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Native | Self::Missing | Self::Stale | Self::Ended => None,
        }
    }

    /// The reading with its value changed.
    pub(super) fn map(self, f: impl FnOnce(f64) -> f64) -> Self {
        match self {
            Self::Value(value) => Self::Value(f(value)),
            other => other,
        }
    }
}
