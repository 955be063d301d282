//! What was refused of late, and what was only complained about: `/-/push` and `/-/push.json`.

use crate::app::pages::escape;
use crate::app::pages::head;
use crate::app::push::PushProxy;
use crate::app::push::api::rfc3339;
use crate::app::push::refusal::Refusal;
use crate::http::Body;
use crate::http::answer::typed;
use http::Response;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;
use std::collections::VecDeque;

/// Older entries are forgotten.
const ENTRIES_MAX: usize = 200;
/// Lines of one entry …
const LINES_MAX: usize = 20;
/// … and characters of one line.
const LINE_CHARS_MAX: usize = 400;

/// One push that something was wrong with.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at_ms: i64,
    pub(super) identity: String,
    pub(super) method: &'static str,
    pub(super) path: String,
    /// What was answered; 200 for what was only complained about.
    pub(super) status: u16,
    pub(super) reason: &'static str,
    lines: Vec<String>,
}

/// Such pushes, newest last.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Entry>);

impl Entry {
    pub(super) fn new(
        at_ms: i64,
        (identity, method, path): (&str, &'static str, &str),
        status: StatusCode,
        why: &Refusal,
    ) -> Self {
        let cut = |line: &String| line.chars().take(LINE_CHARS_MAX).collect();
        Self {
            at_ms,
            identity: identity.to_owned(),
            method,
            path: path.chars().take(LINE_CHARS_MAX).collect(),
            status: status.as_u16(),
            reason: why.reason,
            lines: why.lines.iter().take(LINES_MAX).map(cut).collect(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "time": rfc3339(self.at_ms), "identity": self.identity, "method": self.method,
            "path": self.path, "status": self.status, "reason": self.reason, "lines": self.lines,
        })
    }
}

impl History {
    pub(super) fn push(&mut self, entry: Entry) {
        if self.0.len() == ENTRIES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }
}

impl PushProxy {
    pub(super) fn history_json(&self) -> Response<Body> {
        let entries: Vec<_> = self.history().0.iter().rev().map(Entry::json).collect();
        typed(StatusCode::OK, "application/json", json!({ "pushes": entries }).to_string())
    }

    pub(super) fn history_page(&self) -> Response<Body> {
        let rows: String = self.history().0.iter().rev().map(row).collect();
        let page = [
            &head("weir: pushes"),
            "<h1>Pushes with something wrong, newest first</h1>\n<table>\n<tr><th>time</th><th>identity</th><th>push</th><th>answer</th><th>reason</th><th>what is wrong</th></tr>\n",
            &rows,
            "</table>\n<p><a href=\"/-/push.json\">as JSON</a></p>\n</body>\n</html>\n",
        ];
        typed(StatusCode::OK, "text/html; charset=utf-8", page.concat())
    }
}

fn row(entry: &Entry) -> String {
    let lines = entry.lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br>");
    format!(
        "<tr><td>{}</td><td>{}</td><td>{} {}</td><td>{}</td><td>{}</td><td>{lines}</td></tr>\n",
        rfc3339(entry.at_ms),
        escape(&entry.identity),
        entry.method,
        escape(&entry.path),
        entry.status,
        entry.reason,
    )
}
