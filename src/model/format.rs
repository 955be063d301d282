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

impl Format {
    /// Which format a document most likely has, by how it ends: only OpenMetrics ends in `# EOF`.
    pub fn guess(end: &[u8]) -> Self {
        let end = end.strip_suffix(b"\n").unwrap_or(end);
        let is_open_metrics = end == b"# EOF" || end.ends_with(b"\n# EOF");
        if is_open_metrics { Self::OpenMetrics } else { Self::Text }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_openmetrics_if_it_ends_so() {
        for (end, format) in [
            ("a 1\n# EOF\n", Format::OpenMetrics),
            ("# EOF", Format::OpenMetrics),
            ("a 1\n# EOF", Format::OpenMetrics),
            ("a # EOF\n", Format::Text),
            ("# EOF\n\n", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(Format::guess(end.as_bytes()), format, "{end:?}");
        }
    }
}
