//! One push, from the request to the answer.

use crate::app::push::PushProxy;
use crate::app::push::empty;
use crate::app::push::options_of_a_push;
use crate::app::push::receive;
use crate::app::push::receive::Encoding;
use crate::app::push::receive::Held;
use crate::app::push::refusal::Refusal;
use crate::http::Body;
use crate::lint::Report;
use crate::lint::RuleSet;
use crate::model::Format;
use crate::push::GroupingKey;
use crate::push::LabelNames;
use crate::push::body::Families;
use crate::push::body::ReadConfig;
use crate::push::read_protobuf;
use crate::push::read_text;
use crate::push::store::Change;
use http::HeaderMap;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::time::Instant;

/// Who pushes, where nobody has to say so.
pub(super) const ANYBODY: &str = "anybody";

/// What a body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Language {
    Text(Format),
    Protobuf,
}

impl Language {
    /// As the Pushgateway decides it; and OpenMetrics, which the Pushgateway does not know.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let mut parts = value.unwrap_or_default().split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let has = |name: &str, wanted: &str| {
            parts.clone().any(|part| {
                part.split_once('=').is_some_and(|(key, value)| {
                    key.trim().eq_ignore_ascii_case(name)
                        && value.trim().trim_matches('"') == wanted
                })
            })
        };
        match &*media_type {
            "application/vnd.google.protobuf"
                if has("encoding", "delimited")
                    && has("proto", "io.prometheus.client.MetricFamily") =>
            {
                Self::Protobuf
            }
            "application/openmetrics-text" => Self::Text(Format::OpenMetrics),
            _ => Self::Text(Format::Text),
        }
    }
}

/// A method of a path of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Put,
    Post,
    Delete,
}

impl Verb {
    pub(super) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::PUT => Some(Self::Put),
            Method::POST => Some(Self::Post),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

impl PushProxy {
    /// Answer a request whose path is that of a push.
    pub(super) async fn push(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        if request.method() == Method::OPTIONS {
            return options_of_a_push();
        }
        let Some(verb) = Verb::of(request.method()) else {
            let told = "Method Not Allowed";
            return Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", told).answer();
        };
        let began = Instant::now();
        let done = self.take(verb, request).await;
        self.metrics.push.pushed(ANYBODY, verb.word(), began.elapsed());
        match done {
            Ok(status) => empty(status),
            Err(refusal) => {
                self.metrics.push.refused(ANYBODY, refusal.reason);
                let (reason, told) = (refusal.reason, refusal.lines.join("; "));
                tracing::info!(identity = ANYBODY, reason, told, "Refused a push.");
                refusal.answer()
            }
        }
    }

    async fn take(
        self: &Arc<Self>,
        verb: Verb,
        request: Request<Incoming>,
    ) -> Result<StatusCode, Refusal> {
        let key = GroupingKey::from_path(request.uri().path(), self.names())?;
        if verb == Verb::Delete {
            self.store().delete(&key);
            return Ok(StatusCode::ACCEPTED);
        }
        let (parts, body) = request.into_parts();
        let encoding = Encoding::of(&parts.headers)?;
        let language = Language::of(&parts.headers);
        let limits = &self.options.config.limits;
        let mut held = Held::new(&self.open_bytes, limits.open_bytes_max);
        let bytes = receive::read(body, limits, limits.wire_bytes_max, &mut held).await?;
        let proxy = Arc::clone(self);
        let is_large = encoding != Encoding::Identity || bytes.len() > receive::INLINE_BYTES_MAX;
        let work = move || proxy.store_body(verb, &key, encoding, language, bytes, held);
        if !is_large {
            return work();
        }
        let internal =
            |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error");
        tokio::task::spawn_blocking(work).await.map_err(internal)?
    }

    fn names(&self) -> LabelNames {
        if self.options.config.utf8_names { LabelNames::Utf8 } else { LabelNames::Legacy }
    }

    fn store_body(
        &self,
        verb: Verb,
        key: &GroupingKey,
        encoding: Encoding,
        language: Language,
        bytes: Vec<u8>,
        mut held: Held,
    ) -> Result<StatusCode, Refusal> {
        let bytes_max = self.options.config.limits.body_bytes_max;
        let bytes = receive::decode(encoding, bytes, bytes_max, &mut held)?;
        let change = if verb == Verb::Put { Change::Replace } else { Change::Update };
        let read = self.read(language, &bytes, key, RuleSet::NONE);
        let now_ms = (self.options.clock)();
        let mut store = self.store();
        let checked = read.and_then(|(families, _)| {
            store.check(key, &families, change)?;
            Ok(families)
        });
        let time_to_live = self.options.config.time_to_live;
        let time_to_live = time_to_live.and_then(|time| i64::try_from(time.as_millis()).ok());
        match checked {
            Ok(families) => store.apply(key, families, change, now_ms, time_to_live),
            Err(refusal) => {
                if refusal.is_inconsistent() {
                    store.fail(key, now_ms);
                }
                return Err(refusal);
            }
        }
        Ok(StatusCode::OK)
    }

    /// Bytes to families, and what the linter finds in them.
    pub(super) fn read(
        &self,
        language: Language,
        bytes: &[u8],
        key: &GroupingKey,
        rules: RuleSet,
    ) -> Result<(Families, Report), Refusal> {
        let config = ReadConfig {
            names: self.names(),
            series_max: self.options.config.limits.push_series_max,
            line_bytes_max: self.options.line_bytes_max,
        };
        Ok(match language {
            Language::Text(format) => {
                read_text(format, bytes, key, config, rules, self.options.random)?
            }
            Language::Protobuf => (read_protobuf(bytes, key, config)?, Report::default()),
        })
    }
}
