//! The page at `/`: what there is, as links.

use crate::http::percent;

/// Write the index. Subsets come in the order of their names.
pub(super) fn index(upstreams: &[&str], subsets: &[String]) -> String {
    let mut names: Vec<&String> = subsets.iter().collect();
    names.sort();
    let subsets: String = names
        .into_iter()
        .map(|name| {
            let path = format!("/metrics/{}", percent::encode_segment(name));
            item(&path, &format!("/metrics/{name}"), "a subset, as of the last scrape")
        })
        .collect();
    let upstreams = escape(&upstreams.join(", "));
    let version = env!("CARGO_PKG_VERSION");
    [
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>weir</title></head>\n<body>\n",
        &format!("<h1>weir {version}</h1>\n<p>In front of {upstreams}.</p>\n<ul>\n"),
        &item("/metrics", "/metrics", "scrape, and show what the rules leave"),
        &subsets,
        &item("/-/targets", "/-/targets", "how the targets are"),
        &item("/source", "/source", "what a target answers"),
        &item("/analyze", "/analyze", "which metrics and labels make up the targets' series"),
        &item("/-/metrics", "/-/metrics", "weir's own metrics"),
        &item("/-/queues", "/-/queues", "how the queues of remote_write are doing"),
        &item("/-/healthy", "/-/healthy", "whether weir runs"),
        &item("/-/ready", "/-/ready", "whether weir takes requests"),
        "</ul>\n</body>\n</html>\n",
    ]
    .concat()
}

fn item(path: &str, text: &str, what: &str) -> String {
    format!("<li><a href=\"{}\">{}</a>: {what}</li>\n", escape(path), escape(text))
}

/// Make text safe between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_escaped() {
        let page = index(&["http://h/<x>"], &["z".to_owned(), "<script>/\"a b".to_owned()]);
        assert!(page.contains("In front of http://h/&lt;x&gt;."), "{page}");
        let odd =
            "<a href=\"/metrics/%3Cscript%3E%2F%22a%20b\">/metrics/&lt;script&gt;/&quot;a b</a>";
        let at = page.find(odd).unwrap();
        assert!(at < page.find("/metrics/z").unwrap());
        assert!(!page.contains("<script>"));
    }
}
