//! The protocol of the first push proxy: `POST /push_metrics`, a push in an envelope of JSON, and
//! `PUT /lint`.
//!
//! Of `target_url` the path is taken; its host has to be one the configuration names, and where a
//! push goes is the configuration's to say.

use crate::app::push::PushProxy;
use crate::app::push::process::Source;
use crate::app::push::process::Verb;
use crate::app::push::receive;
use crate::app::push::receive::Held;
use crate::app::push::refusal::Refusal;
use crate::http::Body;
use crate::http::Url;
use crate::http::answer::Problem;
use crate::http::answer::answer;
use crate::http::answer::text;
use crate::http::answer::typed;
use crate::lint::LintConfig;
use crate::lint::LintError;
use crate::lint::Linter;
use crate::lint::Report;
use crate::push::decode_standard;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::header::CONTENT_ENCODING;
use http::header::CONTENT_TYPE;
use http::header::RETRY_AFTER;
use hyper::body::Incoming;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// Headers of an envelope that say what its data is; the others are left out.
const HEADERS: [http::HeaderName; 2] = [CONTENT_TYPE, CONTENT_ENCODING];

/// What an envelope asks for.
struct Envelope {
    verb: Verb,
    url: String,
    path: String,
    headers: HeaderMap,
    data: Vec<u8>,
}

/// Why an envelope is not opened.
type Wrong = (StatusCode, String);

impl PushProxy {
    /// Answer a push in an envelope.
    pub(super) async fn envelope(self: &Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let live = self.live();
        if live.config.envelope_targets.is_empty() {
            return answer(&Problem::NotFound);
        }
        if request.method() != Method::POST {
            return answer(&Problem::WrongMethod { allowed: "POST" });
        }
        let (parts, mut body) = request.into_parts();
        let limits = &live.config.limits;
        let mut held = Held::new(&self.open_bytes, limits.open_bytes_max);
        // Base64 takes four bytes for three.
        let bytes_max = limits.wire_bytes_max.saturating_mul(2);
        let bytes = match receive::read(&mut body, limits, bytes_max, &mut held).await {
            Ok(bytes) => bytes,
            Err(refusal) => {
                receive::discard(&mut body, &parts.headers, &refusal).await;
                return error(&refusal, &refusal.lines.join("\n"));
            }
        };
        let mut envelope = match self.open(&bytes) {
            Ok(envelope) => envelope,
            Err((status, told)) => {
                return typed(status, "application/json", json!({ "error": told }).to_string());
            }
        };
        if let Some(value) = parts.headers.get(AUTHORIZATION) {
            envelope.headers.insert(AUTHORIZATION, value.clone());
        }
        let Envelope { verb, url, path, headers, data } = envelope;
        match self
            .accept(verb, &path, (&headers, parts.extensions.get()), Source::Whole(data))
            .await
        {
            Ok(status) => {
                let message = format!("Successfully forwarded to {url}");
                let status = status.as_u16();
                let told = json!({"success": true, "message": message, "status_code": status});
                typed(StatusCode::OK, "application/json", told.to_string())
            }
            Err(refusal) => {
                let told = match refusal.reason {
                    "syntax" | "lint" | "policy" | "inconsistent" => {
                        "Invalid metrics data".to_owned()
                    }
                    _ if refusal.is_upstream_down() => {
                        format!("Error connecting to Pushgateway: {}", refusal.lines.join("; "))
                    }
                    _ => refusal.lines.join("; "),
                };
                error(&refusal, &told)
            }
        }
    }

    fn open(&self, bytes: &[u8]) -> Result<Envelope, Wrong> {
        let bad = |told: String| (StatusCode::BAD_REQUEST, told);
        let read: Value =
            serde_json::from_slice(bytes).map_err(|e| bad(format!("Invalid JSON: {e}")))?;
        let fields = read.as_object().filter(|fields| !fields.is_empty());
        let fields = fields.ok_or_else(|| bad("No data provided".to_owned()))?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let url = text("target_url").filter(|url| !url.is_empty());
        let url = url.ok_or_else(|| bad("Missing 'target_url' parameter".to_owned()))?;
        let method = match fields.get("method") {
            None | Some(Value::Null) => "POST",
            Some(method) => method.as_str().unwrap_or_default(),
        };
        let verb = Method::from_bytes(method.to_ascii_uppercase().as_bytes());
        let verb = verb.ok().as_ref().and_then(Verb::of);
        let verb =
            verb.ok_or_else(|| bad(format!("Method {method:?} is none of PUT, POST, DELETE")))?;
        let path = self.path_of(url)?;
        let data = match text("data").unwrap_or_default() {
            "" if verb != Verb::Delete => {
                return Err(bad("Missing 'data' parameter".to_owned()));
            }
            _ if verb == Verb::Delete => Vec::new(),
            data => decode_standard(data.as_bytes()).ok_or_else(|| {
                bad("Invalid base64 data: not standard, padded base64".to_owned())
            })?,
        };
        let headers = headers_of(fields.get("headers")).map_err(bad)?;
        Ok(Envelope { verb, url: url.to_owned(), path, headers, data })
    }

    fn path_of(&self, url: &str) -> Result<String, Wrong> {
        let live = self.live();
        let allowed = &live.config.envelope_targets;
        let forbidden = || {
            let told = format!("target_url may only name {}", allowed.join(", "));
            (StatusCode::FORBIDDEN, told)
        };
        let lower = url.to_ascii_lowercase();
        if !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Err(forbidden());
        }
        let parsed = Url::parse(url).map_err(|_| forbidden())?;
        let is_allowed = parsed.basic_auth().is_none()
            && allowed.iter().any(|target| {
                target.eq_ignore_ascii_case(&parsed.authority())
                    || target.eq_ignore_ascii_case(&parsed.host_port())
            });
        // The parser may have changed the path; what was sent is what is judged.
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
        if is_allowed { Ok(path.to_owned()) } else { Err(forbidden()) }
    }

    /// Lint a body and do nothing with it.
    pub(super) async fn lint(self: &Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        if request.method() != Method::PUT {
            let told = "Method not allowed. Use PUT.\n".to_owned();
            return text(StatusCode::METHOD_NOT_ALLOWED, told);
        }
        let live = self.live();
        let limits = &live.config.limits;
        let mut held = Held::new(&self.open_bytes, limits.open_bytes_max);
        let (parts, mut body) = request.into_parts();
        let bytes = match receive::read(&mut body, limits, limits.body_bytes_max, &mut held).await {
            Ok(bytes) => bytes,
            Err(refusal) => {
                receive::discard(&mut body, &parts.headers, &refusal).await;
                return refusal.answer();
            }
        };
        let proxy = Arc::clone(self);
        let work = move || lint(&bytes, proxy.options.line_bytes_max, proxy.options.random);
        let linted = tokio::task::spawn_blocking(work).await;
        let Ok((status, told)) = linted else { return answer(&Problem::Internal) };
        typed(status, "application/json", told.to_string())
    }
}

/// The headers that count; others are passed over.
fn headers_of(fields: Option<&Value>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let fields = match fields {
        None | Some(Value::Null) => return Ok(headers),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err("'headers' is no object of names and values".to_owned()),
    };
    for (name, value) in fields {
        let known = HEADERS.iter().find(|known| name.eq_ignore_ascii_case(known.as_str()));
        let Some(known) = known else { continue };
        let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
        let value = value.ok_or_else(|| format!("the header {known} has no value of a header"))?;
        headers.insert(known, value);
    }
    Ok(headers)
}

fn error(refusal: &Refusal, told: &str) -> Response<Body> {
    let told =
        json!({"error": told, "reasons": refusal.lines, "status_code": refusal.status.as_u16()});
    let mut response = typed(refusal.status, "application/json", told.to_string());
    if let Some(value) = refusal.answer().headers().get(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, value.clone());
    }
    response
}

fn lint(bytes: &[u8], line_bytes_max: usize, random: fn() -> u64) -> (StatusCode, Value) {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        let message = "No input provided. Please send metrics in the request body.";
        return (StatusCode::BAD_REQUEST, json!({"status": "error", "message": message}));
    }
    let config = LintConfig { line_bytes_max, ..LintConfig::default() };
    let read = || -> Result<Report, LintError> {
        let mut linter = Linter::new(config, random);
        linter.push(bytes)?;
        linter.finish()
    };
    match read() {
        Err(error) => {
            let (message, error) = ("Failed to parse metrics", error.to_string());
            let told = json!({"status": "error", "message": message, "error": error});
            (StatusCode::BAD_REQUEST, told)
        }
        Ok(report) if report.findings.is_empty() => {
            let message = "Input has been parsed successfully. No issues found.";
            (StatusCode::OK, json!({"status": "success", "message": message}))
        }
        Ok(report) => {
            let message = "The input can be parsed but there are linting issues";
            let problems: Vec<_> = report
                .findings
                .iter()
                .map(|found| json!({"metric": found.metric, "text": found.text}))
                .collect();
            let told = json!({"status": "warning", "message": message, "problems": problems});
            (StatusCode::OK, told)
        }
    }
}
