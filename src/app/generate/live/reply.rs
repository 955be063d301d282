//! Answers of the live interface.

use crate::http::Body;
use crate::http::answer::typed;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header::ALLOW;
use serde_json::Value;
use serde_json::json;

pub(super) type ApiResult = Result<Response<Body>, ApiError>;

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    /// The reasons; at least one.
    errors: Vec<String>,
    allow: Vec<Method>,
}

impl ApiError {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, errors: vec![error.into()], allow: Vec::new() }
    }

    /// 400.
    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// 400 for several reasons.
    pub(super) fn malformed(errors: Vec<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, errors, allow: Vec::new() }
    }

    /// 404.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    /// 405.
    pub(super) fn method(allowed: &[Method]) -> Self {
        let words: Vec<_> = allowed.iter().map(Method::as_str).collect();
        let error = format!("method not allowed, use {}", words.join(" or "));
        let allow = allowed.to_vec();
        Self { allow, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, error) }
    }

    /// 409.
    pub(super) fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    /// 413.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        let error = format!("the body is larger than {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    }

    /// 500.
    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let first = self.errors.first().cloned().unwrap_or_default();
        let mut response = json(self.status, &json!({ "error": first, "errors": self.errors }));
        let allow: Vec<_> = self.allow.iter().map(Method::as_str).collect();
        if let (false, Ok(allow)) = (allow.is_empty(), HeaderValue::from_str(&allow.join(", "))) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    typed(status, "application/json", format!("{value}\n"))
}

/// An answer to a change: what it made, and that it is gone when the process is.
pub(super) fn done(value: &Value) -> Response<Body> {
    changed(StatusCode::OK, value)
}

/// The same with another status.
pub(super) fn changed(status: StatusCode, value: &Value) -> Response<Body> {
    json(status, &json!({ "persisted": false, "data": value }))
}

/// The configuration.
pub(super) fn yaml(text: String) -> Response<Body> {
    typed(StatusCode::OK, "application/yaml", text)
}
