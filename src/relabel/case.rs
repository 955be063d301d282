//! Upper and lower case as Go maps them: rune by rune, one code point to one code point.
//!
//! Rust's own mappings may give several characters (`ß` to `SS`) and look at the context (final
//! sigma); Go's `strings.ToLower` and `strings.ToUpper` do neither.

/// Append the lower case of `text` to `out`.
pub(super) fn lower(text: &[u8], out: &mut Vec<u8>) {
    map(text, out, |byte| byte.to_ascii_lowercase(), lower_char);
}

/// Append the upper case of `text` to `out`.
pub(super) fn upper(text: &[u8], out: &mut Vec<u8>) {
    map(text, out, |byte| byte.to_ascii_uppercase(), upper_char);
}

fn map(
    text: &[u8],
    out: &mut Vec<u8>,
    ascii: impl Fn(u8) -> u8 + Copy,
    wide: impl Fn(char) -> char,
) {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match u8::try_from(c) {
                Ok(byte) if byte.is_ascii() => out.push(ascii(byte)),
                _ => push(wide(c), out),
            }
        }
        for _ in chunk.invalid() {
            push(char::REPLACEMENT_CHARACTER, out);
        }
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn lower_char(c: char) -> char {
    // The one character whose full mapping is longer than its simple one.
    if c == '\u{130}' { 'i' } else { c.to_lowercase().next().unwrap_or(c) }
}

fn upper_char(c: char) -> char {
    let mut full = c.to_uppercase();
    if let (Some(only), None) = (full.next(), full.next()) {
        return only;
    }
    // Of the characters with a longer full mapping, 27 have a simple one; the others stay.
    let offset = match c {
        '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => 8,
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(c) + offset).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want_lower: &str, want_upper: &str) {
        let (mut low, mut up) = (Vec::new(), Vec::new());
        lower(text.as_bytes(), &mut low);
        upper(text.as_bytes(), &mut up);
        assert_eq!(std::str::from_utf8(&low).unwrap(), want_lower);
        assert_eq!(std::str::from_utf8(&up).unwrap(), want_upper);
    }

    #[test]
    fn letters_map_one_to_one_and_without_context() {
        check("aB9-é", "ab9-é", "AB9-É");
        check("İΣß", "iσß", "İΣß");
        check("ΟΔΟΣ", "οδοσ", "ΟΔΟΣ");
        check("ŉǰΐﬁև", "ŉǰΐﬁև", "ŉǰΐﬁև");
    }

    #[test]
    fn greek_with_iota_subscript_has_a_simple_upper_case() {
        check("\u{1F80}\u{1F97}\u{1FA7}", "\u{1F80}\u{1F97}\u{1FA7}", "\u{1F88}\u{1F9F}\u{1FAF}");
        check("\u{1FB3}\u{1FC3}\u{1FF3}", "\u{1FB3}\u{1FC3}\u{1FF3}", "\u{1FBC}\u{1FCC}\u{1FFC}");
        check("\u{1F88}\u{1FBC}", "\u{1F80}\u{1FB3}", "\u{1F88}\u{1FBC}");
    }

    #[test]
    fn a_bad_byte_becomes_the_replacement_character() {
        let mut out = Vec::new();
        lower(b"A\xffB", &mut out);
        assert_eq!(out, "a\u{fffd}b".as_bytes());
    }
}
