//! What became of a request, in numbers and in the texts its sender gets.

use std::fmt;

/// Refusals that are told in full; of more only the number is.
const TEXTS_MAX: usize = 10;

/// Samples, histograms and exemplars of a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Points {
    /// Float samples.
    pub n_samples: u64,
    /// Native histograms.
    pub n_histograms: u64,
    /// Exemplars.
    pub n_exemplars: u64,
}

impl Points {
    /// Samples and histograms.
    pub fn n_values(&self) -> u64 {
        self.n_samples + self.n_histograms
    }
}

impl std::ops::AddAssign for Points {
    fn add_assign(&mut self, other: Self) {
        self.n_samples += other.n_samples;
        self.n_histograms += other.n_histograms;
        self.n_exemplars += other.n_exemplars;
    }
}

/// Why a part of a request was refused. A closed set, to be counted by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// No metric name, an empty label name, or text that is not UTF-8.
    Labels,
    /// A label name that occurs twice.
    DuplicateLabel,
    /// More labels than is allowed.
    TooManyLabels,
    /// References of a series that lead nowhere.
    References,
    /// A series of 2.0 without a value.
    Empty,
    /// A series of 2.0 with both samples and histograms.
    Mixed,
    /// A histogram that is not one.
    Histogram,
    /// References of an exemplar that lead nowhere.
    Exemplar,
}

impl Reason {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Labels,
        Self::DuplicateLabel,
        Self::TooManyLabels,
        Self::References,
        Self::Empty,
        Self::Mixed,
        Self::Histogram,
        Self::Exemplar,
    ];

    /// What it is counted under.
    pub fn word(self) -> &'static str {
        match self {
            Self::Labels => "invalid_labels",
            Self::DuplicateLabel => "duplicate_label",
            Self::TooManyLabels => "too_many_labels",
            Self::References => "invalid_references",
            Self::Empty => "empty_series",
            Self::Mixed => "mixed_series",
            Self::Histogram => "invalid_histogram",
            Self::Exemplar => "invalid_exemplar",
        }
    }
}

/// What was refused of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refusals {
    counts: [u64; Reason::ALL.len()],
    texts: Vec<String>,
}

impl Refusals {
    /// Note one. The text is made only if it is going to be told.
    pub(super) fn add(&mut self, reason: Reason, text: impl FnOnce() -> String) {
        self.counts[reason as usize] += 1;
        if self.texts.len() < TEXTS_MAX {
            self.texts.push(text());
        }
    }

    pub(super) fn clear(&mut self) {
        self.counts = Default::default();
        self.texts.clear();
    }

    /// Whether nothing was refused.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// How often each reason occurred: series, or histograms or exemplars of one.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().zip(self.counts).filter(|(_, n)| *n > 0)
    }
}

/// A line for each, as the reference receiver has it.
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, text) in self.texts.iter().enumerate() {
            write!(f, "{}{text}", if at == 0 { "" } else { "\n" })?;
        }
        let n: u64 = self.counts.iter().sum();
        let n_more = n - self.texts.len() as u64;
        if n_more > 0 {
            write!(f, "\nand {n_more} more")?;
        }
        Ok(())
    }
}

/// What is in a message, or in what went one way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Series.
    pub n_series: u64,
    /// What they hold.
    pub points: Points,
    /// Metadata beside the series.
    pub n_metadata: u64,
    /// The newest timestamp of a sample or histogram, in milliseconds since 1970; 0 if there is
    /// none.
    pub newest_ms: i64,
}

impl Counts {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.n_series == 0 && self.n_metadata == 0
    }
}

/// What a request left for one way.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WayReport {
    /// The request goes on as it came; nothing was written.
    pub is_whole: bool,
    /// What goes on.
    pub counts: Counts,
    /// Values each rule dropped, by its index among all rules of the way.
    pub dropped: Vec<u64>,
    /// Values of series that lost their name to a rule, and were dropped.
    pub n_nameless: u64,
}

impl WayReport {
    pub(super) fn clear(&mut self) {
        self.is_whole = false;
        self.counts = Counts::default();
        self.dropped.fill(0);
        self.n_nameless = 0;
    }
}
