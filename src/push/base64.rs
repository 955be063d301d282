//! Base64 of paths: the URL-safe alphabet (RFC 4648, section 5), as Go reads it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Text that is no base64.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Corrupt {
    /// Where.
    pub(super) at: usize,
    /// What was decoded before: whole groups of four.
    pub(super) before: Vec<u8>,
}

/// Decode; padding, however much, is not looked at, nor are line ends, nor bits too many.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let n_bytes = text.iter().rposition(|byte| *byte != b'=').map_or(0, |at| at + 1);
    let (mut out, mut bits, mut n_digits) = (Vec::new(), 0_u32, 0_usize);
    for (at, byte) in text[..n_bytes].iter().enumerate() {
        if matches!(byte, b'\n' | b'\r') {
            continue;
        }
        let Some(digit) = digit(*byte) else { return Err(Corrupt { at, before: out }) };
        bits = bits << 6 | digit;
        n_digits += 1;
        if n_digits == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, n_digits) = (0, 0);
        }
    }
    match n_digits {
        0 => {}
        // Six bits are no byte. Go counts digits back from the end.
        1 => return Err(Corrupt { at: n_bytes - 1, before: out }),
        _ => {
            let bytes = (bits << (6 * (4 - n_digits))).to_be_bytes();
            out.extend_from_slice(&bytes[1..n_digits]);
        }
    }
    Ok(out)
}

/// Decode the standard alphabet (section 4), padded as it should be; `None` where it is not.
pub fn decode_standard(text: &[u8]) -> Option<Vec<u8>> {
    let n_padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = text.get(..text.len() - n_padding)?;
    if !text.len().is_multiple_of(4) || n_padding > 2 || !digits.iter().all(is_good) {
        return None;
    }
    let url_safe: Vec<u8> = digits
        .iter()
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            byte => *byte,
        })
        .collect();
    decode(&url_safe).ok()
}

fn digit(byte: u8) -> Option<u32> {
    let digit = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(digit))
}

/// Encode, without padding but for an empty text, which is `=`.
pub(super) fn encode(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "=".to_owned();
    }
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=group.len() {
            out.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    out
}
