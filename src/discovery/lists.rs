//! `http_sd_configs`: a server that lists targets.

use crate::discovery::ParseGroups;
use crate::discovery::Problem;
use crate::discovery::Syntax;
use crate::discovery::TargetGroup;
use crate::discovery::spec::HttpSource;
use crate::http::Client;
use crate::http::client::Ask;
use crate::http::client::AskFor;
use crate::http::client::ClientBody;
use crate::http::connect::Connector;
use crate::http::gzip;
use crate::http::proxy::ProxyRules;
use crate::http::tls::TlsClient;
use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::StatusCode;
use http::header::ACCEPT;
use http::header::CONTENT_ENCODING;
use http::header::CONTENT_TYPE;
use http::header::USER_AGENT;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio::time::timeout;

/// Time for one fetch: a scrape waits for it.
const LIST_TIME_MAX: Duration = Duration::from_secs(5);
/// The largest list, decoded.
const LIST_BYTES_MAX: usize = 32 << 20;
const USER_AGENT_VALUE: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
const INTERVAL_HEADER: HeaderName =
    HeaderName::from_static("x-prometheus-refresh-interval-seconds");

/// One list, and what it said when it was last good.
#[derive(Debug)]
pub(super) struct HttpList {
    source: HttpSource,
    client: Client,
    parse: ParseGroups,
    /// Held while the list is fetched: who comes then waits for it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    asked_at: Option<Instant>,
    good_at: Option<Instant>,
    groups: Vec<TargetGroup>,
    problem: Option<String>,
}

impl HttpList {
    pub(super) fn new(source: HttpSource, proxies: ProxyRules, parse: ParseGroups) -> Self {
        let tls = TlsClient::new(source.client.tls.clone());
        let client = Client::with_connector(Connector::new(proxies, tls));
        Self { source, client, parse, state: Mutex::default() }
    }

    /// What the list says: as of now, or of at most one refresh interval ago.
    pub(super) async fn groups(&self, problems: &mut Vec<Problem>) -> Vec<TargetGroup> {
        let mut state = self.state.lock().await;
        let is_due = state.asked_at.is_none_or(|at| at.elapsed() >= self.source.refresh_interval);
        // While nothing is known there is nothing to lose by asking again.
        if is_due || state.good_at.is_none() {
            state.asked_at = Some(Instant::now());
            let fetched = timeout(LIST_TIME_MAX, self.fetch()).await;
            let fetched = fetched.unwrap_or_else(|_| Err("timed out".to_owned()));
            match fetched {
                Ok(groups) => {
                    (state.groups, state.problem) = (groups, None);
                    state.good_at = Some(Instant::now());
                }
                Err(message) => state.problem = Some(message),
            }
        }
        if let Some(message) = &state.problem {
            problems.push(Problem {
                source: self.source.url.to_string(),
                reason: "http",
                message: message.clone(),
                kept: state.good_at.map(|at| at.elapsed()),
            });
        }
        state.groups.clone()
    }

    async fn fetch(&self) -> Result<Vec<TargetGroup>, String> {
        let HttpSource { url, refresh_interval, client } = &self.source;
        let interval = HeaderValue::from_str(&refresh_interval.as_secs_f64().to_string());
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
        headers.insert(INTERVAL_HEADER, interval.map_err(|e| e.to_string())?);
        let ask = Ask {
            headers: &headers,
            private: &client.headers().await?,
            address: None,
            ask_for: AskFor::Auto,
            follow_redirects: client.follow_redirects,
        };
        let response = self.client.get(url, &ask).await.map_err(|e| e.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("server returned HTTP status {}", response.status()));
        }
        let (head, body) = response.into_parts();
        let header = |name| {
            let value = head.headers.get(name);
            String::from_utf8_lossy(value.map_or(&[][..], HeaderValue::as_bytes)).into_owned()
        };
        let content_type = header(CONTENT_TYPE);
        if !is_json(&content_type) {
            return Err(format!("unsupported content type {content_type:?}"));
        }
        let is_gzip = match &*header(CONTENT_ENCODING).to_ascii_lowercase() {
            "" | "identity" => false,
            "gzip" | "x-gzip" => true,
            other => return Err(format!("the content encoding {other:?} was not asked for")),
        };
        let body = read(body, is_gzip).await?;
        let text = String::from_utf8(body).map_err(|_| "the list is not UTF-8 text".to_owned())?;
        let name = url.to_string();
        let mut groups = (self.parse)(&name, &text, Syntax::Json)?;
        for group in &mut groups {
            group.labels.retain(|(label, _)| label != "__meta_url");
            group.labels.push(("__meta_url".to_owned(), name.clone()));
        }
        Ok(groups)
    }
}

/// Prometheus: `^(?i:application\/json(;\s*charset=("utf-8"|utf-8))?)$`.
fn is_json(content_type: &str) -> bool {
    let lower = content_type.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("application/json") else { return false };
    let Some(rest) = rest.strip_prefix(';') else { return rest.is_empty() };
    matches!(rest.trim_start(), "charset=utf-8" | "charset=\"utf-8\"")
}

async fn read(mut body: ClientBody, is_gzip: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut decoder = is_gzip.then(gzip::Decoder::new);
    let too_large = || format!("the list is longer than {LIST_BYTES_MAX} bytes");
    let push = |out: &mut Vec<u8>, piece: &[u8]| {
        if out.len() + piece.len() > LIST_BYTES_MAX {
            return Err(too_large());
        }
        out.extend_from_slice(piece);
        Ok(())
    };
    let mut n_sent = 0;
    while let Some(chunk) = std::future::poll_fn(|cx| body.poll_chunk(cx)).await {
        let chunk = chunk.map_err(|e| e.to_string())?;
        // Bounded as well: a gzip stream may be long and decode to nothing.
        n_sent += chunk.len();
        if n_sent > LIST_BYTES_MAX {
            return Err(too_large());
        }
        match &mut decoder {
            None => push(&mut out, &chunk)?,
            Some(decoder) => {
                decoder.push(&chunk, |piece| push(&mut out, piece)).map_err(|e| e.to_string())?;
            }
        }
    }
    decoder.map_or(Ok(()), |decoder| {
        decoder.finish().map_err(|e: gzip::DecodeError<String>| e.to_string())
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn only_json_is_a_list() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonx",
            "application/json; charset=latin1",
            "application/json;",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
