//! Names for readers who do not take UTF-8 (prometheus/common `model/metric.go`, `EscapeName`).

use std::fmt::Write as _;

use memchr::memmem;

use crate::aggregate::series::{LabelTexts, is_legacy_label_name, is_legacy_metric_name};
use crate::model::Escaping;

/// A name as a reader with this escaping wants it. Legacy names stay as they are.
pub fn escape_name(name: &[u8], escaping: Escaping) -> Vec<u8> {
    if escaping == Escaping::AllowUtf8 || is_legacy_metric_name(name) {
        return name.to_vec();
    }
    let mut out = String::with_capacity(name.len() + 8);
    if escaping == Escaping::Values {
        out.push_str("U__");
    }
    for (at, c) in String::from_utf8_lossy(name).char_indices() {
        let is_legacy =
            c.is_ascii_alphabetic() || matches!(c, '_' | ':') || (c.is_ascii_digit() && at > 0);
        match escaping {
            Escaping::Dots | Escaping::Values if c == '_' => out.push_str("__"),
            Escaping::Dots if c == '.' => out.push_str("_dot_"),
            _ if is_legacy => out.push(c),
            Escaping::Dots => out.push_str("__"),
            Escaping::Values => {
                // Writing to a string cannot fail.
                write!(out, "_{:x}_", u32::from(c)).unwrap_or_default();
            }
            Escaping::Underscores | Escaping::AllowUtf8 => out.push('_'),
        }
    }
    out.into_bytes()
}

/// The labels `name="value",…` with quoted names escaped; `None` if no name is in quotes.
pub fn escape_label_names(labels: &[u8], escaping: Escaping) -> Option<Vec<u8>> {
    // A name in quotes is the first thing, or stands behind the quote and comma of the value before.
    // Few have any, so nothing is copied before one may be there.
    if !labels.starts_with(b"\"") && memmem::find(labels, b"\",\"").is_none() {
        return None;
    }
    let mut out = Vec::new();
    let mut has_quoted = false;
    // Two names may become one; a label that occurs twice would cost the reader the whole scrape.
    let mut names: Vec<Vec<u8>> = Vec::new();
    for label in LabelTexts::of(labels) {
        has_quoted |= label.is_name_quoted;
        let name = label.name();
        let name = if label.is_name_quoted { escape_label_name(&name, escaping) } else { name };
        if !names.contains(&name) {
            for part in [&name[..], b"=\"", label.value, b"\","] {
                out.extend_from_slice(part);
            }
            names.push(name);
        }
    }
    out.pop();
    has_quoted.then_some(out)
}

/// A label name may not hold a colon, which a metric name may.
fn escape_label_name(name: &[u8], escaping: Escaping) -> Vec<u8> {
    if is_legacy_label_name(name) {
        return name.to_vec();
    }
    let mut escaped = escape_name(name, escaping);
    for byte in &mut escaped {
        if *byte == b':' {
            *byte = b'_';
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::series::write_escaped;

    #[track_caller]
    fn check(name: &str, escaping: Escaping, expect: &str) {
        let escaped = String::from_utf8(escape_name(name.as_bytes(), escaping)).unwrap();
        assert_eq!(escaped, expect, "{name}");
    }

    #[test]
    fn names_are_escaped_as_prometheus_common_does() {
        check("my.metric_a", Escaping::Underscores, "my_metric_a");
        check("my.metric_a", Escaping::Dots, "my_dot_metric__a");
        check("my.metric_a", Escaping::Values, "U__my_2e_metric__a");
        check("my.metric_a", Escaping::AllowUtf8, "my.metric_a");
        check("9é x", Escaping::Underscores, "___x");
        check("9é x", Escaping::Values, "U___39__e9__20_x");
        check("plain_name:x", Escaping::Dots, "plain_name:x");
    }

    #[test]
    fn only_quoted_label_names_change() {
        let labels = br#"a="x,\"y",b="1","c.d"="q=\\","e\"f"="2",z="" "#;
        let labels = labels.trim_ascii_end();
        let escaped = escape_label_names(labels, Escaping::Underscores).unwrap();
        assert_eq!(
            String::from_utf8(escaped).unwrap(),
            r#"a="x,\"y",b="1",c_d="q=\\",e_f="2",z="""#
        );
        assert_eq!(escape_label_names(br#"a="x",b="1""#, Escaping::Underscores), None);
        assert_eq!(escape_label_names(br#"a=",",b="\",\"""#, Escaping::Underscores), None);
        assert_eq!(escape_label_names(b"", Escaping::Underscores), None);
        let equal = br#""a.b"="1",a_b="2""#;
        let escaped = escape_label_names(equal, Escaping::Underscores).unwrap();
        assert_eq!(escaped, br#"a_b="1""#);
    }

    proptest::proptest! {
        #[test]
        fn a_name_in_quotes_is_never_overlooked(
            pairs in proptest::collection::vec(("[a-b,.\"\\\\]{1,3}", "[a,=\"\\\\]{0,4}"), 0..5),
        ) {
            let mut labels = Vec::new();
            for (at, (name, value)) in pairs.iter().enumerate() {
                if at > 0 {
                    labels.push(b',');
                }
                let is_plain = is_legacy_label_name(name.as_bytes());
                let quote: &[u8] = if is_plain { b"" } else { b"\"" };
                labels.extend_from_slice(quote);
                write_escaped(&mut labels, name.as_bytes());
                labels.extend_from_slice(quote);
                labels.extend_from_slice(b"=\"");
                write_escaped(&mut labels, value.as_bytes());
                labels.push(b'"');
            }
            let has_quoted = LabelTexts::of(&labels).any(|label| label.is_name_quoted);
            let escaped = escape_label_names(&labels, Escaping::Underscores);
            proptest::prop_assert_eq!(escaped.is_some(), has_quoted);
        }
    }
}
