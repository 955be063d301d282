//! One request to a destination, and what its answer means.

use super::round::Outgoing;
use crate::http::Client;
use crate::http::Url;
use crate::http::client::Ask;
use crate::http::client::AskFor;
use crate::http::client::ClientBody;
use crate::http::settings::ClientSettings;
use crate::wire::Version;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use http::header::CONTENT_TYPE;
use http::header::RETRY_AFTER;
use http::header::USER_AGENT;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;
use tokio::time::timeout;

/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 1024;
/// Bytes of a good answer that are read so that the connection can be used again.
const DRAINED_BYTES_MAX: usize = 64 * 1024;
/// The longest wait a destination may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
const USER_AGENT_VALUE: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");
const ATTEMPT_HEADER: HeaderName = HeaderName::from_static("retry-attempt");
const WRITTEN_HEADERS: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// What became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// The destination has it. What it says it did not write, if it says so.
    Delivered { missing: Option<[u64; 3]> },
    /// It never will.
    Refused { status: u16, message: String },
    /// It does not know version 2.0.
    Unsupported { message: String },
    /// It may later.
    Retry { message: String, after: Option<Duration> },
}

/// A destination's URL, and how to ask there.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) settings: ClientSettings,
    pub(super) time_max: Duration,
    pub(super) retry_on_http_429: bool,
}

impl Remote {
    /// Make a request; it has been tried `n_tried` times before.
    pub(super) async fn send(&self, request: &Outgoing, n_tried: u32, now_ms: i64) -> Outcome {
        let retry = |message| Outcome::Retry { message, after: None };
        let private = match self.settings.headers().await {
            Ok(private) => private,
            Err(message) => return retry(message),
        };
        let headers = headers(request.version, n_tried);
        let ask = Ask {
            headers: &headers,
            private: &private,
            address: None,
            ask_for: AskFor::Identity,
            follow_redirects: false,
        };
        let exchange = async {
            let body = request.body.clone();
            let response = self.client.post(&self.url, &ask, body).await;
            let response = response.map_err(|e| e.to_string())?;
            let (head, body) = response.into_parts();
            let is_good = head.status.is_success();
            let max = if is_good { DRAINED_BYTES_MAX } else { ANSWER_BYTES_MAX };
            let text = read_text(body, max).await;
            Ok::<_, String>((Response::from_parts(head, ()), text))
        };
        match timeout(self.time_max, exchange).await {
            Ok(Ok((response, text))) => self.judge(request, &response, &text, now_ms),
            Ok(Err(message)) => retry(message),
            Err(_) => retry(format!("no answer within {} s", self.time_max.as_secs_f64())),
        }
    }

    fn judge(&self, sent: &Outgoing, answer: &Response<()>, text: &str, now_ms: i64) -> Outcome {
        let status = answer.status();
        let message = format!("server returned HTTP status {status}: {}", text.trim());
        let is_v2 = sent.version == Version::V2;
        match status {
            _ if status.is_success() => judge_written(sent, answer.headers()),
            StatusCode::UNSUPPORTED_MEDIA_TYPE if is_v2 => Outcome::Unsupported { message },
            StatusCode::TOO_MANY_REQUESTS if !self.retry_on_http_429 => {
                Outcome::Refused { status: status.as_u16(), message }
            }
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                let after = answer.headers().get(RETRY_AFTER);
                let after = after.and_then(|value| value.to_str().ok());
                Outcome::Retry { message, after: after.and_then(|text| wait_of(text, now_ms)) }
            }
            _ => Outcome::Refused { status: status.as_u16(), message },
        }
    }
}

/// A receiver of 2.0 says how much it has written. One that says nothing has read the message as
/// one of 1.0, in which there is nothing.
fn judge_written(sent: &Outgoing, headers: &HeaderMap) -> Outcome {
    let counts = sent.counts;
    let n_sent = [counts.n_samples, counts.n_histograms, counts.n_exemplars].map(u64::from);
    let is_v2 = sent.version == Version::V2;
    let says = WRITTEN_HEADERS.iter().any(|name| headers.contains_key(*name));
    if !is_v2 || n_sent == [0; 3] {
        return Outcome::Delivered { missing: None };
    }
    if !says {
        let message = "the answer to a message of 2.0 says nothing about what was written".into();
        return Outcome::Unsupported { message };
    }
    let written = WRITTEN_HEADERS.map(|name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0)
    });
    let mut missing = n_sent;
    for (n_missing, n_written) in missing.iter_mut().zip(written) {
        *n_missing = n_missing.saturating_sub(n_written);
    }
    Outcome::Delivered { missing: (missing != [0; 3]).then_some(missing) }
}

fn headers(version: Version, n_tried: u32) -> HeaderMap {
    let (content_type, spoken) = match version {
        Version::V1 => ("application/x-protobuf", "0.1.0"),
        Version::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VERSION_HEADER, HeaderValue::from_static(spoken));
    headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
    if n_tried > 0 {
        headers.insert(ATTEMPT_HEADER, HeaderValue::from(n_tried));
    }
    headers
}

/// Read up to `max` bytes; what is beyond is left, and the connection with it.
async fn read_text(mut body: ClientBody, max: usize) -> String {
    let mut bytes = Vec::new();
    while let Some(Ok(chunk)) = std::future::poll_fn(|cx| body.poll_chunk(cx)).await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > max {
            bytes.truncate(max);
            break;
        }
    }
    bytes.truncate(ANSWER_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What `Retry-After` says: seconds, or a date. A date in the past says nothing.
fn wait_of(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let now_ms = u64::try_from(now_ms).unwrap_or(0);
        let now: SystemTime = UNIX_EPOCH + Duration::from_millis(now_ms);
        httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?
    };
    Some(wait.min(RETRY_AFTER_MAX)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote_write::Counts;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now_ms = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT
        for (text, wait) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("0", None),
            ("-1", None),
            ("999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", None),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait_of(text, now_ms), wait.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn written_headers_are_believed() {
        let counts = Counts { n_series: 2, n_samples: 2, n_exemplars: 1, ..Counts::default() };
        let sent = |version| Outgoing { version, counts, body: bytes::Bytes::new() };
        let headers = |texts: [&'static str; 3]| {
            let mut map = HeaderMap::new();
            for (name, text) in WRITTEN_HEADERS.iter().zip(texts) {
                if !text.is_empty() {
                    map.insert(*name, HeaderValue::from_static(text));
                }
            }
            map
        };
        let all = Outcome::Delivered { missing: None };
        assert_eq!(judge_written(&sent(Version::V2), &headers(["2", "0", "1"])), all);
        assert_eq!(judge_written(&sent(Version::V1), &headers(["", "", ""])), all);
        let some = Outcome::Delivered { missing: Some([1, 0, 1]) };
        assert_eq!(judge_written(&sent(Version::V2), &headers(["1", "", "x"])), some);
        let none = judge_written(&sent(Version::V2), &headers(["", "", ""]));
        assert!(matches!(none, Outcome::Unsupported { .. }));
    }
}
