//! Sending on what passed to the Pushgateway behind weir, and relaying its answer.

use crate::app::push::process::Verb;
use crate::app::push::refusal::Refusal;
use crate::config::file::push::Forward;
use crate::http::connect::Connector;
use crate::http::exchange::Ask;
use crate::http::exchange::ExchangeError;
use crate::http::exchange::exchange;
use crate::http::proxy::ProxyRules;
use crate::http::tls::TlsClient;
use crate::push::GroupingKey;
use crate::push::LabelNames;
use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::header::USER_AGENT;
use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What a Pushgateway has to say takes no more.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Groups are sent one push at a time, in order, by so many lanes.
const LANES: usize = 64;
/// Pushes that may be repeated are sent this often at most.
const ATTEMPTS_MAX: usize = 2;
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The way to a Pushgateway.
#[derive(Debug)]
pub(super) struct Forwarder {
    settings: Forward,
    connector: Connector,
    lanes: Vec<Mutex<()>>,
}

impl Forwarder {
    pub(super) fn new(settings: Forward) -> Self {
        let tls = TlsClient::new(settings.client.tls.clone());
        let connector = Connector::new(ProxyRules::default(), tls);
        Self { settings, connector, lanes: (0..LANES).map(|_| Mutex::new(())).collect() }
    }

    /// Whether weir keeps what the Pushgateway does not take while it is down.
    pub(super) fn falls_back(&self) -> bool {
        self.settings.fallback_to_store
    }

    /// Send a push in its one form; what the Pushgateway says, if it is good.
    pub(super) async fn send(
        &self,
        verb: Verb,
        key: &GroupingKey,
        names: LabelNames,
        body: Vec<u8>,
    ) -> Result<StatusCode, Refusal> {
        let body = Bytes::from(body);
        let mut hasher = DefaultHasher::new();
        key.labels().for_each(|label| label.hash(&mut hasher));
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
        let sending = async {
            let Some(lane) = self.lanes.get(lane) else {
                return self.attempts(verb, key, names, &body).await;
            };
            let _turn = lane.lock().await;
            self.attempts(verb, key, names, &body).await
        };
        match timeout(self.settings.time_max, sending).await {
            Err(_) => {
                let told = "the Pushgateway did not answer in time";
                Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", told))
            }
            Ok(Err(error)) => {
                let told = format!("the Pushgateway cannot be reached: {error}");
                Err(Refusal::new(StatusCode::BAD_GATEWAY, "upstream_down", told))
            }
            Ok(Ok(answer)) => relay(verb, &answer),
        }
    }

    async fn attempts(
        &self,
        verb: Verb,
        key: &GroupingKey,
        names: LabelNames,
        body: &Bytes,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let mut n_attempts = 1;
        loop {
            let error = match self.attempt(verb, key, names, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // PUT and DELETE may be done twice; POST only if the first one was not seen.
            let may_repeat = verb != Verb::Post || !error.is_sent;
            if !may_repeat || n_attempts == ATTEMPTS_MAX {
                return Err(error);
            }
            n_attempts += 1;
        }
    }

    async fn attempt(
        &self,
        verb: Verb,
        key: &GroupingKey,
        names: LabelNames,
        body: Bytes,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let secret = |message| ExchangeError { is_sent: false, message };
        let mut headers = self.settings.client.headers().await.map_err(secret)?;
        headers.insert(USER_AGENT, HeaderValue::from_static("weir"));
        if verb != Verb::Delete {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
        }
        let prefix = self.settings.url.path().trim_end_matches('/').to_owned();
        let method = match verb {
            Verb::Put => Method::PUT,
            Verb::Post => Method::POST,
            Verb::Delete => Method::DELETE,
        };
        let ask = Ask { method, path: prefix + &key.to_path(names), headers, body };
        exchange(&self.connector, &self.settings.url, ask, ANSWER_BYTES_MAX).await
    }
}

fn relay(verb: Verb, answer: &Response<Bytes>) -> Result<StatusCode, Refusal> {
    let status = answer.status();
    if status.is_success() {
        // Clients take nothing else for success.
        return Ok(match (verb, status) {
            (Verb::Delete, _) | (_, StatusCode::ACCEPTED) => StatusCode::ACCEPTED,
            _ => StatusCode::OK,
        });
    }
    let text = String::from_utf8_lossy(answer.body());
    let lines = text.trim_end().lines().map(str::to_owned).collect();
    // A redirect would come back with another method.
    let is_relayed = status.is_client_error() || status.is_server_error();
    let status = if is_relayed { status } else { StatusCode::BAD_GATEWAY };
    Err(Refusal { lines, ..Refusal::new(status, "upstream_refused", String::new()) })
}
