//! The page at `/`: what there is, as links.

use crate::app::pages::escape;
use crate::app::pages::head;
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
    let mut page = head("weir");
    page.extend(["<h1>weir ", env!("CARGO_PKG_VERSION"), "</h1>\n<p>"]);
    page.push_str(&escape(&in_front_of(upstreams)));
    page.push_str(".</p>\n<ul>\n");
    if upstreams.is_empty() {
        page.push_str(&item("/metrics", "/metrics", "weir's own metrics"));
    } else {
        page.push_str(&item("/metrics", "/metrics", "scrape, and show what the rules leave"));
        page.push_str(&subsets);
        for (path, what) in OF_TARGETS {
            page.push_str(&item(path, path, what));
        }
    }
    for (path, what) in OF_WEIR {
        page.push_str(&item(path, path, what));
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    page
}

/// What there is where there are targets.
const OF_TARGETS: [(&str, &str); 3] = [
    ("/-/targets", "how the targets are"),
    ("/source", "what a target answers"),
    ("/analyze", "which metrics and labels make up the targets' series"),
];

/// What there always is.
const OF_WEIR: [(&str, &str); 4] = [
    ("/-/metrics", "weir's own metrics"),
    ("/-/queues", "how the queues of remote_write are doing"),
    ("/-/healthy", "whether weir runs"),
    ("/-/ready", "whether weir takes requests"),
];

/// Upstreams that are named before the rest is counted.
const NAMED_MAX: usize = 5;

fn in_front_of(upstreams: &[&str]) -> String {
    let named = upstreams.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match (upstreams.len(), upstreams.len().saturating_sub(NAMED_MAX)) {
        (0, _) => "Takes what is sent to it; no upstream is scraped".to_owned(),
        (_, 0) => format!("In front of {named}"),
        (_, n_more) => format!("In front of {named} and {n_more} more"),
    }
}

fn item(path: &str, text: &str, what: &str) -> String {
    format!("<li><a href=\"{}\">{}</a>: {what}</li>\n", escape(path), escape(text))
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

    #[test]
    fn many_upstreams_are_counted_and_none_is_said() {
        #[track_caller]
        fn check(upstreams: &[&str], told: &str, has_targets: bool) {
            let page = index(upstreams, &[]);
            assert!(page.contains(told), "{page}");
            assert_eq!(page.contains("/-/targets"), has_targets, "{page}");
        }
        check(&["a"; 7], "<p>In front of a, a, a, a, a and 2 more.</p>", true);
        check(&["a"; 5], "<p>In front of a, a, a, a, a.</p>", true);
        check(&[], "no upstream is scraped", false);
    }
}
