//! What the asker accepts, and what it gets: formats by `Accept`, gzip by `Accept-Encoding`.
//!
//! The answers are those of `expfmt.NegotiateIncludingOpenMetrics` in prometheus/common, with two
//! additions: `q=0` refuses, and text 1.0.0 is spoken as Prometheus 3 does.

use crate::model::Escaping;
use crate::model::Format;

/// What an exposition is answered in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offer {
    /// The grammar.
    pub format: Format,
    /// How names outside the legacy set are written.
    pub escaping: Escaping,
    version: &'static str,
}

impl Offer {
    /// The `Content-Type` that goes with it.
    pub fn content_type(&self) -> String {
        let media = match self.format {
            Format::Text => "text/plain",
            Format::OpenMetrics => "application/openmetrics-text",
        };
        let escaping = match self.escaping {
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        };
        format!("{media}; version={}; charset=utf-8; escaping={escaping}", self.version)
    }
}

/// Choose by the value of an `Accept` header; an absent header is the empty text.
pub fn offer(accept: &str) -> Offer {
    let mut escaping = Escaping::default();
    for range in ranges(accept) {
        // As expfmt does: a range that is skipped still says how to escape.
        if let Some(wish) = range.param("escaping").and_then(read_escaping) {
            escaping = wish;
        }
        if let Some((format, version)) = spoken(&range) {
            return Offer { format, escaping, version };
        }
    }
    Offer { format: Format::Text, escaping, version: "0.0.4" }
}

fn spoken(range: &Range<'_>) -> Option<(Format, &'static str)> {
    let version = range.param("version").unwrap_or_default();
    match (range.media.as_str(), version) {
        ("text/plain", "" | "0.0.4") => Some((Format::Text, "0.0.4")),
        ("text/plain", "1.0.0") => Some((Format::Text, "1.0.0")),
        ("application/openmetrics-text", "" | "0.0.1") => Some((Format::OpenMetrics, "0.0.1")),
        ("application/openmetrics-text", "1.0.0") => Some((Format::OpenMetrics, "1.0.0")),
        _ => None,
    }
}

fn read_escaping(word: &str) -> Option<Escaping> {
    match word {
        "allow-utf-8" => Some(Escaping::AllowUtf8),
        "underscores" => Some(Escaping::Underscores),
        "dots" => Some(Escaping::Dots),
        "values" => Some(Escaping::Values),
        _ => None,
    }
}

/// Whether to answer in gzip, by the value of an `Accept-Encoding` header.
pub fn wants_gzip(accept_encoding: &str) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for item in accept_encoding.split(',') {
        let item = Range::read(item);
        match item.media.as_str() {
            "gzip" | "x-gzip" => gzip = Some(item.quality),
            "identity" => identity = Some(item.quality),
            "*" => any = Some(item.quality),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// One element of an `Accept` header.
struct Range<'a> {
    /// Lower case.
    media: String,
    params: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Self {
        let mut parts = text.split(';');
        let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let params: Vec<_> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
            .collect();
        let quality = params
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("q"))
            .and_then(|(_, value)| value.parse().ok())
            .filter(|quality| (0.0..=1.0).contains(quality))
            .unwrap_or(1.0);
        Self { media, params, quality }
    }

    fn param(&self, name: &str) -> Option<&'a str> {
        self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// A whole type goes before `text/*`, and that before `*/*`.
    fn n_wildcards(&self) -> usize {
        self.media.matches('*').count()
    }
}

/// The elements of an `Accept` header, best first, without those refused by `q=0`.
fn ranges(accept: &str) -> Vec<Range<'_>> {
    let mut ranges: Vec<_> =
        accept.split(',').map(Range::read).filter(|range| range.quality > 0.0).collect();
    ranges.sort_by(|a, b| {
        b.quality.total_cmp(&a.quality).then(a.n_wildcards().cmp(&b.n_wildcards()))
    });
    ranges
}

/// The format of an answer by its `Content-Type`; `None` if it is clearly no exposition.
///
/// Only what cannot be an exposition is refused: many exporters state a type of their own, and a
/// body that is none fails at its first line.
pub fn format_of(content_type: &str) -> Option<Format> {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (class, subtype) = media.split_once('/').unwrap_or((media.as_str(), ""));
    match (class, subtype) {
        ("application", "openmetrics-text") => Some(Format::OpenMetrics),
        ("text", "html" | "xml" | "css" | "javascript")
        | ("image" | "audio" | "video" | "font" | "multipart", _)
        | ("application", "json" | "xml" | "javascript" | "vnd.google.protobuf" | "pdf") => None,
        ("application", subtype) if subtype.ends_with("+json") || subtype.ends_with("+xml") => None,
        _ => Some(Format::Text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, expect: &str) {
        assert_eq!(offer(accept).content_type(), expect, "{accept}");
    }

    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

    #[test]
    fn prometheus_3_gets_open_metrics_with_utf_8_names() {
        check(
            PROMETHEUS_3,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        );
    }

    #[test]
    fn everybody_else_gets_text() {
        for accept in ["", "*/*", "text/*", "application/json", "text/html,*/*;q=0.1", "nonsense"] {
            check(accept, TEXT);
        }
        check("text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT);
        check("text/plain;version=9", TEXT);
    }

    #[test]
    fn the_highest_quality_wins_and_zero_refuses() {
        let open = "application/openmetrics-text";
        check(
            &format!("text/plain;version=0.0.4;q=0.5, {open};version=1.0.0;q=0.4"),
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        );
        check(
            &format!("{open}; version=0.0.1; q=0.4, text/plain; q=0.3"),
            "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores",
        );
        check(&format!("{open};version=1.0.0;q=0, text/plain;q=0.1"), TEXT);
        check(
            "text/plain;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.5",
            "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        );
    }

    #[test]
    fn escaping_is_taken_from_the_accept_header() {
        for word in ["allow-utf-8", "underscores", "dots", "values"] {
            check(
                &format!("text/plain;version=0.0.4;escaping={word}"),
                &format!("text/plain; version=0.0.4; charset=utf-8; escaping={word}"),
            );
        }
        check("text/plain;version=0.0.4;escaping=sideways", TEXT);
    }

    #[test]
    fn gzip_is_used_when_it_is_accepted() {
        for yes in ["gzip", "gzip, deflate", "deflate, gzip;q=0.5", "*", "GZIP;q=1.0, identity"] {
            assert!(wants_gzip(yes), "{yes}");
        }
        for no in
            ["", "identity", "gzip;q=0", "zstd", "*;q=0", "gzip;q=0, *", "gzip;q=0.2,identity"]
        {
            assert!(!wants_gzip(no), "{no}");
        }
    }

    #[test]
    fn formats_are_read_from_content_types() {
        for text in [
            "",
            "text/plain",
            "text/plain; version=0.0.4; charset=utf-8",
            "text/plain;version=1.0.0;escaping=allow-utf-8",
            "TEXT/PLAIN",
            "text/x-unheard-of",
            "application/octet-stream",
        ] {
            assert_eq!(format_of(text), Some(Format::Text), "{text}");
        }
        for text in ["application/openmetrics-text", "application/openmetrics-text; version=0.0.1"]
        {
            assert_eq!(format_of(text), Some(Format::OpenMetrics), "{text}");
        }
        for text in
            ["text/html; charset=utf-8", "application/json", "application/vnd.google.protobuf"]
        {
            assert_eq!(format_of(text), None, "{text}");
        }
    }
}
