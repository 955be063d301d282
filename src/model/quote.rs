//! Bytes in quotes, as Go writes them with `%q`.

use regex_syntax::hir::ClassUnicode;
use regex_syntax::hir::HirKind;
use std::fmt;
use std::sync::LazyLock;

/// Bytes of an exposition that an error message quotes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quoted(pub Vec<u8>);

impl From<&[u8]> for Quoted {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|c| write_char(f, c, '"'))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_str("\"")
    }
}

impl From<u8> for QuotedByte {
    fn from(byte: u8) -> Self {
        Self(byte)
    }
}

/// One byte that an error message quotes: for Go the character of the same number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QuotedByte(pub u8);

impl fmt::Display for QuotedByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        write_char(f, char::from(self.0), '\'')?;
        f.write_str("'")
    }
}

fn write_char(f: &mut fmt::Formatter<'_>, c: char, quote: char) -> fmt::Result {
    let short = match c {
        '\x07' => 'a',
        '\x08' => 'b',
        '\x0c' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\x0b' => 'v',
        _ if c == quote || c == '\\' => c,
        ' '..='~' => return write!(f, "{c}"),
        '\0'..='\x7f' => return write!(f, "\\x{:02x}", c as u32),
        _ if is_printable(c) => return write!(f, "{c}"),
        '\u{80}'..='\u{ffff}' => return write!(f, "\\u{:04x}", c as u32),
        _ => return write!(f, "\\U{:08x}", c as u32),
    };
    write!(f, "\\{short}")
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation and symbols.
fn is_printable(c: char) -> bool {
    static PRINTABLE: LazyLock<Option<ClassUnicode>> = LazyLock::new(|| {
        let hir = regex_syntax::parse(r"[\pL\pM\pN\pP\pS]").ok()?;
        match hir.into_kind() {
            HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => Some(class),
            _ => None,
        }
    });
    let ranges = PRINTABLE.as_ref().map(ClassUnicode::ranges).unwrap_or_default();
    let at = ranges.partition_point(|range| range.end() < c);
    ranges.get(at).is_some_and(|range| range.start() <= c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: &str) {
        assert_eq!(Quoted(bytes.to_vec()).to_string(), expect);
    }

    #[test]
    fn strings_are_quoted_as_go_quotes_them() {
        check(b"a", r#""a""#);
        check(b"\"'\\", r#""\"'\\""#);
        check(b"\x07\x08\x0c\n\r\t\x0b\0\x1f\x7f", r#""\a\b\f\n\r\t\v\x00\x1f\x7f""#);
        check(b"\xff\xfe", r#""\xff\xfe""#);
        check("Köln😀\u{a0}\u{200b}\u{e0001}".as_bytes(), r#""Köln😀\u00a0\u200b\U000e0001""#);
        check("\u{fffd}".as_bytes(), "\"\u{fffd}\"");
    }

    #[test]
    fn bytes_are_quoted_as_characters() {
        let quoted = |byte| QuotedByte(byte).to_string();
        assert_eq!(quoted(b'}'), "'}'");
        assert_eq!(quoted(b'\''), r"'\''");
        assert_eq!(quoted(b'"'), "'\"'");
        assert_eq!(quoted(b'\n'), r"'\n'");
        assert_eq!(quoted(0xff), "'ÿ'");
        assert_eq!(quoted(0x80), r"'\u0080'");
        assert_eq!(quoted(0xad), r"'\u00ad'");
    }
}
