//! Why what was pushed cannot stand beside what is there, in the Pushgateway's words.
//!
//! The Pushgateway writes the metric in the text form of protobuf, which changes from one build of
//! it to the next on purpose; nobody may compare it.

use crate::model::MetricType;
use crate::push::family::Value;
use crate::push::labels::Labels;
use std::fmt;
use std::fmt::Write as _;

/// More conflicts of one push are counted, not told.
const CONFLICTS_MAX: usize = 20;

/// One thing that does not fit.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// A sample that says when it was taken.
    #[error("pushed metrics must not have timestamps")]
    Timestamp,
    /// Another type than the family has elsewhere, or than its own samples have.
    #[error("collected metric {metric} is not a {wanted}")]
    Type {
        /// The metric.
        metric: String,
        /// The type it should have.
        wanted: &'static str,
    },
    /// The same name and labels twice.
    #[error(
        "collected metric {metric} was collected before with the same name and label values{}",
        owner.as_ref().map(|group| format!(", by the group {group}")).unwrap_or_default()
    )]
    Duplicate {
        /// The metric.
        metric: String,
        /// The group that has it, if that is another one.
        owner: Option<String>,
    },
    /// The name is that of a part of a summary or histogram.
    #[error(
        "collected metric named {name:?} collides with previously collected {word} named {base:?}"
    )]
    PartOf {
        /// The name that is pushed.
        name: String,
        /// `summary` or `histogram`.
        word: &'static str,
        /// The summary or histogram.
        base: String,
    },
    /// A part of the summary or histogram has the name of another family.
    #[error(
        "collected {word} named {base:?} collides with previously collected metric named {name:?}"
    )]
    HasPart {
        /// The name that is there.
        name: String,
        /// `histogram or summary`, or `histogram`.
        word: &'static str,
        /// The summary or histogram that is pushed.
        base: String,
    },
    /// A label twice.
    #[error("collected metric {metric} has two or more labels with the same name: {label}")]
    LabelTwice {
        /// The metric.
        metric: String,
        /// The label.
        label: String,
    },
    /// A name that is none.
    #[error("collected metric {metric} has a label with an invalid name: {label}")]
    LabelName {
        /// The metric.
        metric: String,
        /// The label.
        label: String,
    },
    /// A summary that says `quantile` itself.
    #[error("collected metric {metric} must not have an explicit \"quantile\" label")]
    Quantile {
        /// The metric.
        metric: String,
    },
    /// A histogram whose buckets are native, which text 0.0.4 cannot carry.
    #[error(
        "collected metric {metric} is a native histogram without classic buckets, which is not supported: expose classic buckets as well"
    )]
    Native {
        /// The metric.
        metric: String,
    },
    /// A family name that is none.
    #[error("invalid metric name {name:?}")]
    MetricName {
        /// The name.
        name: String,
    },
}

/// Everything that does not fit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conflicts {
    first: Vec<Conflict>,
    n_more: usize,
}

impl Conflicts {
    /// One more.
    pub(super) fn push(&mut self, conflict: Conflict) {
        if self.first.len() < CONFLICTS_MAX {
            self.first.push(conflict);
        } else {
            self.n_more += 1;
        }
    }

    /// Whether everything fits.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Whether no more will be told, so that no more need be looked for.
    pub(super) fn is_full(&self) -> bool {
        self.first.len() == CONFLICTS_MAX
    }
}

impl From<Conflict> for Conflicts {
    fn from(conflict: Conflict) -> Self {
        Self { first: vec![conflict], n_more: 0 }
    }
}

impl std::error::Error for Conflicts {}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pushed metrics are invalid or inconsistent with existing metrics: ")?;
        if let ([only], 0) = (&self.first[..], self.n_more) {
            return only.fmt(f);
        }
        write!(f, "{} error(s) occurred:", self.first.len() + self.n_more)?;
        self.first.iter().try_for_each(|conflict| write!(f, "\n* {conflict}"))?;
        if self.n_more > 0 {
            write!(f, "\n* and {} more", self.n_more)?;
        }
        Ok(())
    }
}

/// A metric as the Pushgateway's messages show it.
pub(super) fn describe(
    name: &str,
    labels: &Labels,
    metric_type: MetricType,
    value: &Value,
) -> String {
    let mut out = format!("{name:?} {{ ");
    for (label, value) in labels.iter() {
        let (label, value) = (String::from_utf8_lossy(label), String::from_utf8_lossy(value));
        // A string takes anything.
        write!(out, "label:{{name:{label:?} value:{value:?}}} ").unwrap_or_default();
    }
    let word = crate::push::family::word(metric_type);
    let value = match value {
        Value::Number(number) => format!("value:{number}"),
        Value::Summary(summary) => format!("sample_count:{}", summary.count),
        Value::Histogram(histogram) => format!("sample_count:{}", histogram.count),
    };
    write!(out, "{word}:{{{value}}} }}").unwrap_or_default();
    out
}

/// The type as protobuf writes it.
pub fn type_name(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Counter => "COUNTER",
        MetricType::Gauge => "GAUGE",
        MetricType::Summary => "SUMMARY",
        MetricType::Histogram => "HISTOGRAM",
        _ => "UNTYPED",
    }
}
