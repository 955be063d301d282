//! Label names of paths, and how those in UTF-8 are escaped there.

use std::fmt::Write as _;

/// Starts an escaped name.
const PREFIX: &str = "U__";
/// Digits of the largest character.
const HEX_DIGITS_MAX: usize = 6;

/// Which label names are good.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LabelNames {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`.
    #[default]
    Legacy,
    /// Any in UTF-8; those that are none of the above may be escaped (`U__a_2e_b` is `a.b`), as with
    /// the Pushgateway's `--push.enable-utf8-names`.
    Utf8,
}

impl LabelNames {
    /// The name that a component of a path stands for, if it is good.
    ///
    /// [`LabelNames::write`] is the way back.
    pub(super) fn read(self, component: &str) -> Option<String> {
        let name = match self {
            Self::Legacy => component.to_owned(),
            Self::Utf8 => unescape(component).unwrap_or_else(|| component.to_owned()),
        };
        // The second is how a reserved name could be smuggled past the first.
        let is_reserved = component.starts_with("__") || name.starts_with("__");
        let is_good = match self {
            Self::Legacy => is_legacy(&name),
            Self::Utf8 => !name.is_empty(),
        };
        (is_good && !is_reserved).then_some(name)
    }

    /// A component of a path that stands for the name, yet to be percent-encoded.
    pub(super) fn write(self, name: &str) -> String {
        match self {
            Self::Legacy => name.to_owned(),
            Self::Utf8 => escape(name),
        }
    }
}

fn is_legacy(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Undo the escaping; `None` where there is none, or it is wrong.
fn unescape(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix(PREFIX)?;
    let mut out = String::new();
    while let Some((plain, behind)) = rest.split_once('_') {
        out.push_str(plain);
        let (hex, behind) = behind.split_once('_')?;
        rest = behind;
        if hex.is_empty() {
            out.push('_');
            continue;
        }
        if hex.len() >= HEX_DIGITS_MAX || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        out.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
    }
    out.push_str(rest);
    Some(out)
}

fn escape(name: &str) -> String {
    if is_legacy(name) && !name.starts_with(PREFIX) {
        return name.to_owned();
    }
    let mut out = PREFIX.to_owned();
    for c in name.chars() {
        match c {
            '_' => out.push_str("__"),
            // What takes too many digits may stand as it is.
            c if c.is_ascii_alphanumeric() || c > '\u{fffff}' => out.push(c),
            // A string takes anything.
            c => write!(out, "_{:x}_", c as u32).unwrap_or_default(),
        }
    }
    out
}
