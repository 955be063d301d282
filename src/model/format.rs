//! Exposition formats, and how names beyond the legacy set are written.

/// The two text formats weir reads and writes.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Format {
    /// Prometheus text, version 0.0.4 (and 1.0.0, which allows quoted UTF-8 names).
    #[default]
    Text,
    /// OpenMetrics text, version 1.0.0 (and 0.0.1).
    OpenMetrics,
}

/// How a metric or label name outside `[a-zA-Z_:][a-zA-Z0-9_:]*` is written, as the `escaping`
/// parameter of a content type states it (prometheus/common `model/metric.go`).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Escaping {
    /// `allow-utf-8`: as it is, in quotes.
    AllowUtf8,
    /// `underscores`: every bad character becomes `_`.
    #[default]
    Underscores,
    /// `dots`: `.` becomes `_dot_`, `_` becomes `__`, every other bad character `__`.
    Dots,
    /// `values`: prefix `U__`, bad characters as `_HEX_`, `_` as `__`.
    Values,
}
