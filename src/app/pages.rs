//! What weir's pages have in common.

/// The top of a page with this title; `</body>` and `</html>` are whoever's who goes on.
pub(in crate::app) fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n"
    )
}

/// Make text safe between tags and in quoted attributes.
pub(in crate::app) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Whether a query asks for JSON in place of the page: `?json`.
pub(in crate::app) fn wants_json(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|part| part == "json" || part.starts_with("json="))
}
