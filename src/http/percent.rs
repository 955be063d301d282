//! Percent-encoding of URL parts (RFC 3986, section 2.1), and base64 for basic authentication.

/// Undo percent-encoding; `None` if an escape is cut short or is not hexadecimal.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

/// Write `text` so that it is one segment of a path: everything but the unreserved is escaped.
pub fn encode_segment(text: &str) -> String {
    encode(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// Write `text` as a name or value of a form: as Go's `url.QueryEscape`, with `+` for a space.
pub fn encode_query(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~ ".contains(&byte);
    encode(text, keep).replace(' ', "+")
}

/// Escape every byte of `text` that `allowed` does not allow.
pub fn encode(text: &str, allowed: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() && allowed(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    out
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Undo base64 with padding; `None` if it is none. Bits behind the last byte do not count, as in Go.
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    let mut out = Vec::with_capacity(groups.len() * 3);
    for (at, group) in groups.iter().enumerate() {
        let is_last = at + 1 == groups.len();
        let n_padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if n_padding > 2 || (n_padding > 0 && !is_last) {
            return None;
        }
        let mut bits = 0_u32;
        for byte in &group[..4 - n_padding] {
            let digit = ALPHABET.iter().position(|known| known == byte)?;
            bits = bits << 6 | u32::try_from(digit).ok()?;
        }
        let [_, bytes @ ..] = (bits << (6 * n_padding)).to_be_bytes();
        out.extend_from_slice(&bytes[..3 - n_padding]);
    }
    rest.is_empty().then_some(out)
}

/// Base64 with padding (RFC 4648, section 4).
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            if at > group.len() {
                out.push('=');
            } else {
                out.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_survive_a_round_trip() {
        for text in ["requests", "we ird/x", "100%", "é?#\"<"] {
            let encoded = encode_segment(text);
            assert!(encoded.bytes().all(|b| b.is_ascii_graphic() && b != b'/'), "{encoded}");
            assert_eq!(decode(&encoded).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%4", "a%zz", "%+1"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in
            ["Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v!m9v", "Zm=v", "Zm9v\n", "é="]
        {
            assert_eq!(base64_decode(text), None, "{text}");
        }
        assert_eq!(base64_decode("Zh=="), Some(b"f".to_vec()));
    }

    proptest::proptest! {
        #[test]
        fn base64_survives_a_round_trip(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(base64_decode(&base64(&bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_base64_or_is_not(text in "[A-Za-z0-9+/= ]{0,16}") {
            if let Some(bytes) = base64_decode(&text) {
                proptest::prop_assert_eq!(base64(&bytes).len(), text.len());
            }
        }
    }

    #[test]
    fn base64_matches_the_rfc() {
        for (text, expect) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), expect);
            assert_eq!(base64_decode(expect).unwrap(), text.as_bytes());
        }
    }
}
