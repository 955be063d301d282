//! Backslash escapes of label values, quoted names and HELP texts.
//!
//! Three pairs mean one character; every other backslash stands for itself, and so does the
//! character behind it.

use crate::model::Format;

/// Append `raw`, the text between the quotes of a label value or name, decoded to `out`.
///
/// `\\`, `\"` and `\n` are decoded.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    decode(raw, out, true);
}

/// Append the decoded text of a HELP entry to `out`.
///
/// Text 0.0.4 knows `\\` and `\n` there; OpenMetrics also `\"`.
pub fn unescape_help(format: Format, raw: &[u8], out: &mut Vec<u8>) {
    decode(raw, out, format == Format::OpenMetrics);
}

fn decode(mut raw: &[u8], out: &mut Vec<u8>, quotes: bool) {
    while let Some(at) = memchr::memchr(b'\\', raw) {
        let (plain, escape) = raw.split_at(at);
        out.extend_from_slice(plain);
        let (byte, n_read) = match escape.get(1) {
            Some(b'\\') => (b'\\', 2),
            Some(b'n') => (b'\n', 2),
            Some(b'"') if quotes => (b'"', 2),
            _ => (b'\\', 1),
        };
        out.push(byte);
        raw = &escape[n_read..];
    }
    out.extend_from_slice(raw);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_pairs_are_decoded_and_others_kept() {
        for (raw, expect) in [
            (r"", ""),
            (r"plain", "plain"),
            (r#"a\"b"#, "a\"b"),
            (r"a\\", "a\\"),
            (r"a\nb", "a\nb"),
            (r"\t\x\\n", r"\t\x\n"),
            (r"\\\n", "\\\n"),
            (r"\", r"\"),
        ] {
            let mut out = Vec::new();
            unescape(raw.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect, "{raw:?}");
        }
    }

    #[test]
    fn an_escaped_quote_is_text_in_help_of_text_0_0_4_only() {
        for (format, expect) in [(Format::Text, r#"\"x"#), (Format::OpenMetrics, r#""x"#)] {
            let mut out = Vec::new();
            unescape_help(format, br#"\"x"#, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
    }
}
