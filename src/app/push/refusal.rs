//! Why a push is refused: status, reason and what the client is told, a line each.

use crate::http::Body;
use crate::http::answer::text;
use crate::http::answer::typed;
use crate::push::PathError;
use crate::push::body::BodyError;
use crate::push::store::StoreError;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header::ALLOW;
use http::header::RETRY_AFTER;
use http::header::WWW_AUTHENTICATE;
use http::header::X_CONTENT_TYPE_OPTIONS;
use serde_json::json;
use std::time::Duration;

/// Why a push is not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    /// What is answered.
    pub(super) status: StatusCode,
    /// One of a closed set, for metrics and logs.
    pub(super) reason: &'static str,
    /// For the client.
    pub(super) lines: Vec<String>,
    /// When it is worth trying again.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, reason: &'static str, line: impl Into<String>) -> Self {
        Self { status, reason, lines: vec![line.into()], retry_after: None }
    }

    /// A bad request.
    pub(super) fn bad(reason: &'static str, line: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason, line)
    }

    /// Too much now.
    pub(super) fn later(reason: &'static str, line: impl Into<String>, after: Duration) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, reason, line);
        Self { retry_after: Some(after), ..refusal }
    }

    /// Whether what the client sent is at fault, so that its group is marked as failed.
    pub(super) fn is_inconsistent(&self) -> bool {
        self.reason == "inconsistent"
    }

    /// Whether the Pushgateway behind weir is the one that failed, and took nothing.
    pub(super) fn is_upstream_down(&self) -> bool {
        matches!(self.reason, "upstream_down" | "upstream_timeout")
    }

    /// The answer in plain text, a line a reason.
    pub(super) fn answer(&self) -> Response<Body> {
        self.with_headers(text(self.status, format!("{}\n", self.lines.join("\n"))))
    }

    /// The same in JSON.
    pub(super) fn json(&self) -> Response<Body> {
        let error = self.lines.first();
        let told = json!({
            "status": "error", "reason": self.reason, "error": error, "lines": self.lines,
        });
        self.with_headers(typed(self.status, "application/json", told.to_string()))
    }

    fn with_headers(&self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(after) = self.retry_after {
            let secs = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(secs.max(1)));
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic, Bearer"));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(ALLOW, HeaderValue::from_static(super::PUSH_METHODS));
            }
            _ => {}
        }
        response
    }
}

impl From<PathError> for Refusal {
    fn from(error: PathError) -> Self {
        let status = match error {
            PathError::NotAPush => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, "path", error.to_string())
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Conflicts(_) => Self::bad("inconsistent", error.to_string()),
            BodyError::TooManySeries(_) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "push_series", error.to_string())
            }
            _ => Self::bad("syntax", error.to_string()),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "store_full", error.to_string())
            }
            _ => Self::bad("inconsistent", error.to_string()),
        }
    }
}
