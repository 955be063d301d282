//! Metric types, and which family a sample name belongs to.

/// The type of a metric family, as `# TYPE` states it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MetricType {
    /// Nothing is known: `untyped` in text 0.0.4, `unknown` in OpenMetrics.
    #[default]
    Unknown,
    /// Only ever rises, but for resets.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, a sum and a count.
    Histogram,
    /// A histogram whose buckets may fall (OpenMetrics).
    GaugeHistogram,
    /// Quantiles, a sum and a count.
    Summary,
    /// Text carried in labels, value 1 (OpenMetrics).
    Info,
    /// One series per state, value 0 or 1 (OpenMetrics).
    StateSet,
}

impl MetricType {
    /// The word OpenMetrics uses.
    pub fn open_metrics_word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}
