//! One push, from the request to the answer.

use crate::app::push::PushProxy;
use crate::app::push::empty;
use crate::app::push::history::Entry;
use crate::app::push::identity::Who;
use crate::app::push::journal;
use crate::app::push::live::Live;
use crate::app::push::options_of_a_push;
use crate::app::push::policy;
use crate::app::push::receive;
use crate::app::push::receive::Encoding;
use crate::app::push::receive::Held;
use crate::app::push::record;
use crate::app::push::refusal::Refusal;
use crate::config::file::push::Policy;
use crate::http::Body;
use crate::http::server::ClientNames;
use crate::lint::Report;
use crate::lint::RuleSet;
use crate::model::Format;
use crate::push::GroupingKey;
use crate::push::body::Families;
use crate::push::body::ReadConfig;
use crate::push::canonical::write_families;
use crate::push::read_protobuf;
use crate::push::read_text;
use crate::push::store::Change;
use crate::push::store::PUSH_FAILURE_TIME;
use crate::push::store::PUSH_TIME;
use crate::push::store::Pusher;
use crate::push::store::check_alone;
use http::HeaderMap;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::ACCEPT;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::time::Instant;

/// Who pushes, where that could not be found out.
const NOBODY: &str = "nobody";

/// Where a body comes from.
#[derive(Debug)]
pub(super) enum Source<'a> {
    Stream(&'a mut Incoming),
    Whole(Vec<u8>),
}

/// One push whose path and sender are known.
#[derive(Clone, Debug)]
struct Push {
    live: Arc<Live>,
    who: Arc<Who>,
    verb: Verb,
    path: Arc<str>,
    key: Arc<GroupingKey>,
}

impl Push {
    fn policy(&self) -> Option<&Policy> {
        policy::find(&self.live.config.policies, self.who.name(), self.key.job())
    }
}

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

/// Whether a client asks for answers in JSON.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.to_ascii_lowercase().contains("application/json"))
}

/// What is probably wrong with a text that is none, where a Pushgateway says it in its own way.
fn hint(bytes: &[u8]) -> Option<String> {
    if memchr::memmem::find(bytes, b"\r\n").is_some() {
        let told = "lines end in CRLF here (\\r\\n): end them in LF alone (\\n)";
        return Some(told.to_owned());
    }
    let has_end = bytes.is_empty() || bytes.ends_with(b"\n");
    (!has_end).then(|| "the last line has no line feed (\\n) at its end: add one".to_owned())
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
        let (parts, mut body) = request.into_parts();
        let source = Source::Stream(&mut body);
        let sender = (&parts.headers, parts.extensions.get());
        let refusal = match self.accept(verb, parts.uri.path(), sender, source).await {
            Ok(status) => return empty(status),
            Err(refusal) => refusal,
        };
        receive::discard(&mut body, &parts.headers, &refusal).await;
        if wants_json(&parts.headers) { refusal.json() } else { refusal.answer() }
    }

    /// Take a push, and count and note what comes of it. The sender is known by headers and
    /// certificate.
    pub(super) async fn accept(
        self: &Arc<Self>,
        verb: Verb,
        path: &str,
        (headers, client): (&HeaderMap, Option<&ClientNames>),
        source: Source<'_>,
    ) -> Result<StatusCode, Refusal> {
        let began = Instant::now();
        let live = self.live();
        let who = live.identities.find(headers, client).await;
        let name = who.as_ref().map_or(NOBODY, |who| who.name()).to_owned();
        let done = match who {
            Ok(who) => self.take((live, who), verb, path, headers, source).await,
            Err(refusal) => Err(refusal),
        };
        self.metrics.push.pushed(&name, verb.word(), began.elapsed());
        if let Err(refusal) = &done {
            self.metrics.push.refused(&name, refusal.reason);
            let (reason, told) = (refusal.reason, refusal.lines.join("; "));
            tracing::info!(identity = name, path, reason, told, "Refused a push.");
            self.note((&name, verb.word(), path), refusal.status, refusal);
        }
        done
    }

    /// Count and note something that is wrong with a push that is taken all the same.
    fn warn(&self, push: &Push, refusal: &Refusal) {
        let name = push.who.name();
        self.metrics.push.warned(name, refusal.reason);
        self.note((name, push.verb.word(), &push.path), StatusCode::OK, refusal);
    }

    fn note(&self, push: (&str, &'static str, &str), status: StatusCode, why: &Refusal) {
        let entry = Entry::new((self.options.clock)(), push, status, why);
        self.history().push(entry);
    }

    /// Refuse what somebody may not do, unless that is only to be told.
    fn allow(&self, push: &Push, allowed: Result<(), Refusal>) -> Result<(), Refusal> {
        match allowed {
            Err(refusal) if push.who.settings.dry_run => {
                self.warn(push, &refusal);
                Ok(())
            }
            allowed => allowed,
        }
    }

    async fn take(
        self: &Arc<Self>,
        (live, who): (Arc<Live>, Arc<Who>),
        verb: Verb,
        path: &str,
        headers: &HeaderMap,
        source: Source<'_>,
    ) -> Result<StatusCode, Refusal> {
        let key = Arc::new(GroupingKey::from_path(path, live.names())?);
        let push = Push { live: Arc::clone(&live), who, verb, path: path.into(), key };
        self.allow(&push, push.who.may(verb, &push.key))?;
        self.allow(&push, push.who.request())?;
        if verb == Verb::Delete {
            return self.delete(&push).await;
        }
        let encoding = Encoding::of(headers)?;
        let language = Language::of(headers);
        let limits = &live.config.limits;
        let own_max = push.who.settings.body_bytes_max.unwrap_or(u64::MAX);
        let mut held = Held::new(&self.open_bytes, limits.open_bytes_max);
        let bytes = match source {
            Source::Whole(bytes) => bytes,
            Source::Stream(body) => {
                let bytes_max = limits.wire_bytes_max.min(own_max);
                receive::read(body, limits, bytes_max, &mut held).await?
            }
        };
        let (proxy, reading) = (Arc::clone(self), push.clone());
        let is_large = encoding != Encoding::Identity || bytes.len() > receive::INLINE_BYTES_MAX;
        let work = move || {
            let bytes_max = reading.live.config.limits.body_bytes_max.min(own_max);
            let decoded = receive::decode(encoding, bytes, bytes_max, &mut held);
            (decoded.and_then(|bytes| proxy.judge(&reading, language, &bytes)), held)
        };
        // What is held counts until the push is delivered, since its families and its entry in the
        // journal take about as much.
        let (judged, _held) = if is_large {
            let internal = "internal error";
            let internal =
                |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", internal);
            tokio::task::spawn_blocking(work).await.map_err(internal)?
        } else {
            work()
        };
        let families = judged.inspect_err(|refusal| self.mark(&push.key, refusal))?;
        self.deliver(&push, families).await
    }

    /// Where what is pushed is at fault, its group says so, as that of a Pushgateway does.
    fn mark(&self, key: &GroupingKey, refusal: &Refusal) {
        if !refusal.is_inconsistent() || self.forwarder.is_some() {
            return;
        }
        let now_ms = (self.options.clock)();
        let mut store = self.store();
        store.fail(key, now_ms);
        if let Some(journal) = &self.journal {
            journal.note(record::Entry::fail(key, now_ms));
        }
    }

    /// Read a body, and hold it against what its sender may push and the policy.
    fn judge(&self, push: &Push, language: Language, bytes: &[u8]) -> Result<Families, Refusal> {
        let policy = push.policy();
        let rules = policy::lint_rules(policy);
        let (mut families, report) = self.read(language, bytes, push, rules)?;
        if let Some(policy) = policy {
            families = policy::relabel(policy, &push.key, families)?;
            let judgement = policy::judge(policy, &push.key, &families, &report);
            if let Some(warning) = judgement.warning {
                self.warn(push, &warning);
            }
            judgement.refusal.map_or(Ok(()), Err)?;
        }
        let n_series = families.values().map(crate::push::Family::n_series).sum();
        let max = push.who.settings.push_series_max.unwrap_or(usize::MAX);
        if n_series > max {
            let line =
                format!("the push has {n_series} series, {} may push {max}", push.who.name());
            let refusal = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "push_series", line);
            self.allow(push, Err(refusal))?;
        }
        self.allow(push, push.who.samples(n_series))?;
        Ok(families)
    }

    /// Bytes to families, and what the linter finds in them.
    fn read(
        &self,
        language: Language,
        bytes: &[u8],
        push: &Push,
        rules: RuleSet,
    ) -> Result<(Families, Report), Refusal> {
        let key = &push.key;
        let config = ReadConfig {
            names: push.live.names(),
            series_max: push.live.config.limits.push_series_max,
            line_bytes_max: self.options.line_bytes_max,
        };
        let random = self.options.random;
        match language {
            Language::Text(format) => {
                let read = read_text(format, bytes, key, config, rules, random);
                read.map_err(|error| {
                    let mut refusal = Refusal::from(error);
                    refusal.lines.extend(hint(bytes).filter(|_| refusal.reason == "syntax"));
                    refusal
                })
            }
            Language::Protobuf => {
                let families = read_protobuf(bytes, key, config)?;
                if rules.is_empty() {
                    return Ok((families, Report::default()));
                }
                // The linter reads text.
                let text = write_families(families.iter().map(|(name, f)| (&**name, f)));
                Ok(read_text(Format::Text, &text, key, config, rules, random)?)
            }
        }
    }

    /// Send a push on, or store it.
    async fn deliver(&self, push: &Push, mut families: Families) -> Result<StatusCode, Refusal> {
        let Some(forwarder) = &self.forwarder else { return self.keep(push, families).await };
        // A Pushgateway takes them in place of its own, and then refuses whatever else is pushed.
        families.retain(|name, _| name != PUSH_TIME && name != PUSH_FAILURE_TIME);
        // In its one form such a push would be no text at all.
        check_alone(&push.key, &families, self.options.random)?;
        let body = write_families(families.iter().map(|(name, family)| (&**name, family)));
        let sent = forwarder.send(push.verb, &push.key, push.live.names(), body).await;
        match sent {
            Err(refusal) if refusal.is_upstream_down() && forwarder.falls_back() => {
                self.warn(push, &refusal);
                self.keep(push, families).await
            }
            Ok(status) => {
                self.forget_replaced(push, &families).await?;
                Ok(status)
            }
            refused => refused,
        }
    }

    /// What was kept of a group while the Pushgateway was down goes once that has all of it anew.
    async fn forget_replaced(&self, push: &Push, families: &Families) -> Result<(), Refusal> {
        let is_replaced = {
            let store = self.store();
            let mut kept = store.families_of(&push.key);
            push.verb == Verb::Put || kept.all(|(name, _)| families.contains_key(name))
        };
        if is_replaced { self.forget(&push.key).await } else { Ok(()) }
    }

    /// Store a push, and wait until it is on disk, if that is where it goes.
    async fn keep(&self, push: &Push, families: Families) -> Result<StatusCode, Refusal> {
        let policy = push.policy();
        let change = match (policy.and_then(|policy| policy.aggregate), push.verb) {
            (Some(gauges), _) => Change::Aggregate(gauges),
            (None, Verb::Put) => Change::Replace,
            (None, _) => Change::Update,
        };
        let time_to_live = policy.and_then(|policy| policy.time_to_live);
        let time_to_live = time_to_live.or(push.live.config.time_to_live);
        let time_to_live = time_to_live.and_then(|time| i64::try_from(time.as_millis()).ok());
        let settings = &push.who.settings;
        let pusher = Pusher {
            name: push.who.name(),
            group_series_max: settings.group_series_max.unwrap_or(usize::MAX),
            series_max: settings.series_max.unwrap_or(usize::MAX),
        };
        let now_ms = (self.options.clock)();
        let entry = self.journal.as_ref().map(|journal| {
            let what = (change, pusher.name);
            (journal, record::Entry::push(&push.key, &families, what, time_to_live, now_ms))
        });
        let durable = {
            let mut store = self.store();
            if let Err(error) = store.check(&push.key, &families, change, pusher) {
                drop(store);
                let refusal = Refusal::from(error);
                self.mark(&push.key, &refusal);
                return Err(refusal);
            }
            let durable = entry.map(|(journal, entry)| journal.append(entry)).transpose()?;
            store.apply(&push.key, families, change, pusher.name, now_ms, time_to_live);
            durable
        };
        if let Some(durable) = durable {
            journal::wait(durable).await?;
        }
        Ok(StatusCode::OK)
    }

    /// Delete a group, behind weir or here.
    async fn delete(&self, push: &Push) -> Result<StatusCode, Refusal> {
        let key = &push.key;
        let deleted = match &self.forwarder {
            None => Ok(StatusCode::ACCEPTED),
            Some(forwarder) => {
                forwarder.send(Verb::Delete, key, push.live.names(), Vec::new()).await
            }
        };
        // Even if the Pushgateway could not be told; who deletes hears of that, and comes again.
        self.forget(key).await?;
        deleted
    }

    /// Forget a group, and wait until that is on disk.
    pub(super) async fn forget(&self, key: &GroupingKey) -> Result<(), Refusal> {
        let now_ms = (self.options.clock)();
        let durable = {
            let mut store = self.store();
            if store.group_of(key).is_none() {
                return Ok(());
            }
            let entry = self.journal.as_ref().map(|journal| {
                let entry = record::Entry::delete(key, now_ms);
                journal.append(entry)
            });
            let durable = entry.transpose()?;
            store.delete(key);
            durable
        };
        match durable {
            Some(durable) => journal::wait(durable).await,
            None => Ok(()),
        }
    }
}
