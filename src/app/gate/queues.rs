//! `/-/queues`: how the queues of the destinations are doing, as a page or, with `?json`, as JSON.

use crate::app::gate::Gate;
use crate::app::pages::escape;
use crate::app::pages::head;
use crate::app::pages::wants_json;
use crate::http::Body;
use crate::http::answer::typed;
use crate::remote_write::QueueStatus;
use http::Request;
use http::Response;
use http::StatusCode;
use hyper::body::Incoming;
use serde_json::Value;
use serde_json::json;
use std::fmt::Write as _;

impl Gate {
    /// Tell how each queue is doing.
    pub(super) fn queues(&self, request: &Request<Incoming>) -> Response<Body> {
        let all = self.destinations.as_ref().map(|all| all.status()).unwrap_or_default();
        answer(&all, request.uri().query())
    }
}

/// A page of queues, or JSON if the query asks for it.
fn answer(all: &[QueueStatus], query: Option<&str>) -> Response<Body> {
    if wants_json(query) {
        return typed(StatusCode::OK, "application/json", format!("{:#}\n", to_json(all)));
    }
    typed(StatusCode::OK, "text/html; charset=utf-8", page(all))
}

fn to_json(all: &[QueueStatus]) -> Value {
    let queues = all.iter().map(|queue| {
        json!({
            "remote_name": queue.remote_name,
            "url": queue.url,
            "records": queue.n_records,
            "bytes": queue.n_bytes,
            "oldest_age_seconds": queue.oldest_age_seconds,
            "shards": queue.n_shards,
            "samples_sent": queue.n_sent,
            "samples_failed": queue.n_failed,
            "last_error": queue.last_error,
        })
    });
    json!({ "queues": queues.collect::<Vec<_>>() })
}

fn page(all: &[QueueStatus]) -> String {
    let mut out = head("weir: queues");
    out.push_str("<h1>Queues</h1>\n");
    if all.is_empty() {
        out.push_str("<p>There is no remote_write in the configuration.</p>\n</body>\n</html>\n");
        return out;
    }
    out.push_str("<table>\n<tr><th>name</th><th>URL</th><th>records waiting</th><th>bytes on disk</th><th>age of the oldest</th><th>shards</th><th>samples sent</th><th>refused</th><th>last error</th></tr>\n");
    for queue in all {
        let cells = [
            queue.remote_name.clone(),
            queue.url.clone(),
            queue.n_records.to_string(),
            queue.n_bytes.to_string(),
            format!("{:.1} s", queue.oldest_age_seconds),
            queue.n_shards.to_string(),
            queue.n_sent.to_string(),
            queue.n_failed.to_string(),
            queue.last_error.clone().unwrap_or_default(),
        ];
        out.push_str("<tr>");
        for cell in cells {
            // Writing to a string cannot fail.
            write!(out, "<td>{}</td>", escape(&cell)).ok();
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n<p><a href=\"/-/queues?json\">JSON</a></p>\n</body>\n</html>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_told_and_escaped() {
        let queue = QueueStatus {
            remote_name: "<a>".to_owned(),
            url: "http://h/".to_owned(),
            n_records: 3,
            n_bytes: 400,
            oldest_age_seconds: 1.25,
            n_shards: 1,
            n_sent: 5,
            n_failed: 2,
            last_error: Some("\"no\"".to_owned()),
        };
        let told = page(std::slice::from_ref(&queue));
        for text in ["<td>&lt;a&gt;</td>", "<td>3</td>", "<td>1.2 s</td>", "&quot;no&quot;"] {
            assert!(told.contains(text), "{text}: {told}");
        }
        let json = to_json(&[queue]);
        assert_eq!(json["queues"][0]["records"], 3);
        assert_eq!(json["queues"][0]["last_error"], "\"no\"");
        assert!(page(&[]).contains("no remote_write"));
    }
}
