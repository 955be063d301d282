//! Sets of characters by their Unicode properties.

use regex_syntax::hir::Class;
use regex_syntax::hir::ClassUnicode;
use regex_syntax::hir::ClassUnicodeRange;
use regex_syntax::hir::HirKind;

/// The characters whose `property` (`gc`, the general category, or `sc`, the script) is `value`,
/// a word of letters and digits; `None` if there is no such value.
pub(super) fn characters(property: &str, value: &str) -> Option<ClassUnicode> {
    let is_word = value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if value.is_empty() || !is_word {
        return None;
    }
    // The tables are reached through the parser alone.
    let hir = regex_syntax::parse(&format!(r"\p{{{property}={value}}}")).ok()?;
    match hir.kind() {
        HirKind::Class(Class::Unicode(set)) => Some(set.clone()),
        // A set of one character has become text.
        HirKind::Literal(text) => {
            let c = std::str::from_utf8(&text.0).ok()?.chars().next()?;
            Some(ClassUnicode::new([ClassUnicodeRange::new(c, c)]))
        }
        _ => None,
    }
}
