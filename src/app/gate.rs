//! `weir`: the gate. Prometheus scrapes it; it scrapes the targets, applies the rules, answers.
//!
//! | path | answer |
//! |---|---|
//! | `/` | an index of links |
//! | `/metrics` | scrape all targets, and what the rules leave of them; without upstreams weir's own |
//! | `/metrics/<subset>` | the subset as of the last good scrape; 404 unknown, 503 none or too old |
//! | `/source` | a target's own answer; `?target=` says which, if there are several |
//! | `/analyze` | what the series of all targets, or of one, are made of |
//! | `/-/targets` | how the targets are, as a page or (`?json`) as JSON |
//! | `/-/healthy`, `/health`, `/healthz`, `/livez` | 200 while weir runs |
//! | `/-/ready`, `/ready`, `/readyz` | 200, or 503 while weir drains; says what is wrong with the last reload |
//! | `/-/metrics` | weir's own metrics |
//! | `/-/queues` | how the queues of the destinations are doing; `?json` for machines |
//! | `POST /api/v1/write` | remote write, if it is received: see [`crate::app::receive`] |
//! | `POST /-/reload` | read the configuration again, if that is enabled |
//!
//! Otherwise GET and HEAD only; HEAD never scrapes. Everything else is 404. A scrape that failed is 502, or
//! 504 if time ran out.

pub(super) mod admit;
mod analyze;
pub(super) mod config;
mod expose;
mod flight;
mod forward;
mod health;
pub(super) mod own;
mod page;
mod queues;
mod received;
mod round;
mod route;
mod scrapes;
mod source;
mod targets;
mod timing;

use crate::app::gate::forward::Forwarding;
use crate::app::gate::received::Received;
use crate::app::gate::route::Route;
use crate::app::gate::scrapes::Scrapes;
use crate::app::gate::timing::Patience;
use crate::app::pages::wants_json;
use crate::app::push::PushProxy;
use crate::http::Body;
use crate::http::answer::{Problem, answer, text, typed};
use crate::http::server::{ConnectionEvent, Drain, serve};
use crate::http::web::Web;
use crate::remote_write::Destinations;
use crate::telemetry::Metrics;
use arc_swap::{ArcSwap, ArcSwapOption};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use config::GateConfig;
pub use forward::ForwardPlan;
pub use received::ReceivePlan;

/// Analyses at the same time; each costs a scrape and a core.
const ANALYSES_MAX: usize = 1;
/// Every limit that is counted, by the name it is counted under.
const LIMITS: [&str; 9] = [
    "analyses",
    "body_bytes",
    "connections",
    "header_time",
    "labels",
    "line_bytes",
    "password_checks",
    "request_rate",
    "series",
];

/// A running gate.
#[derive(Debug)]
struct Gate {
    settings: ArcSwap<Settings>,
    scrapes: Arc<Scrapes>,
    random: fn() -> u64,
    analyses: Arc<Semaphore>,
    is_draining: AtomicBool,
    metrics: Arc<Metrics>,
    destinations: Option<Arc<Destinations>>,
    /// What is scraped of weir's own accord, and where it goes.
    forward: ArcSwapOption<Forwarding>,
    /// What is pushed, if it is to be received.
    received: Option<Received>,
    /// What was wrong with the configuration that was last read, if anything was.
    reload_errors: ArcSwapOption<Vec<String>>,
    /// Who may ask.
    web: Arc<Web>,
    /// What is pushed to the same address, if anything is.
    push: Option<Arc<PushProxy>>,
    /// Where to ask for a reload, if that is allowed.
    reloader: Option<mpsc::Sender<ReloadReply>>,
}

/// What a reload changes besides the scrapes.
#[derive(Clone, Copy, Debug)]
struct Settings {
    patience: Patience,
    subset_max_age: Duration,
    subset_timestamps: bool,
    /// For `/analyze`, which reads on its own.
    line_bytes_max: usize,
}

impl Settings {
    fn of(config: &GateConfig) -> Self {
        Self {
            patience: Patience::new(config.scrape_timeout),
            subset_max_age: config.subset_max_age,
            subset_timestamps: config.subset_timestamps,
            line_bytes_max: config.read_limits.line_bytes_max,
        }
    }
}

/// Tells whoever asked for a reload what came of it; what is wrong, a line each.
pub type ReloadReply = oneshot::Sender<Result<(), Vec<String>>>;

/// A configuration that was read again.
#[derive(Debug)]
pub struct Reload<T = GateConfig> {
    /// It, or what is wrong with it, a line each.
    pub outcome: Result<T, Vec<String>>,
    /// Who asked for it.
    pub reply: Option<ReloadReply>,
}

/// Where reloads come from, and where they are asked for.
#[derive(Debug)]
pub struct Reloads<T = GateConfig> {
    /// Configurations that were read again.
    pub come: mpsc::Receiver<Reload<T>>,
    /// Where `POST /-/reload` asks for one; `None` if it is not to be answered.
    pub ask: Option<mpsc::Sender<ReloadReply>>,
}

/// `POST /-/reload`: read the configuration again, and tell what came of it.
pub(super) async fn ask_for_reload(reloader: Option<&mpsc::Sender<ReloadReply>>) -> Response<Body> {
    let Some(reloader) = reloader else {
        let told = "reloading by request is not enabled, see --enable-reload\n";
        return text(StatusCode::FORBIDDEN, told.to_owned());
    };
    let (reply, outcome) = oneshot::channel();
    let told = match reloader.send(reply).await {
        Ok(()) => outcome.await,
        Err(_) => return answer(&Problem::Internal),
    };
    match told {
        Ok(Ok(())) => text(StatusCode::OK, "reloaded\n".to_owned()),
        Ok(Err(errors)) => {
            let told = format!("failed to reload config:\n{}\n", errors.join("\n"));
            text(StatusCode::INTERNAL_SERVER_ERROR, told)
        }
        Err(_) => answer(&Problem::Internal),
    }
}

/// Say that a new configuration is not taken over.
pub(super) fn tell_bad(errors: &[String]) {
    for error in errors {
        let error = error.as_str();
        tracing::error!(error, "The new configuration is bad, going on with the old one.");
    }
}

/// What stands before a gate.
#[derive(Debug)]
pub struct Front {
    /// It.
    pub web: Arc<Web>,
    /// Whether it could be read again, each time it was.
    pub reloaded: mpsc::Receiver<bool>,
}

impl Front {
    /// Nothing.
    pub fn open() -> Self {
        let (_, reloaded) = mpsc::channel(1);
        Self { web: Arc::new(Web::open()), reloaded }
    }
}

/// Serve until `shutdown` completes, then drain.
pub async fn run(
    config: GateConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Drain {
    let (_, come) = mpsc::channel(1);
    let reloads = Reloads { come, ask: None };
    run_reloading(config, listener, shutdown, reloads, Front::open(), None).await
}

/// Serve until `shutdown` completes, taking over new configurations as they come; `push` has the
/// same address.
pub async fn run_reloading(
    config: GateConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    reloads: Reloads,
    front: Front,
    push: Option<Arc<PushProxy>>,
) -> Drain {
    let Front { web, mut reloaded } = front;
    let Reloads { mut come, ask } = reloads;
    let server = config.server;
    let (now_ms, random) = (config.clock, config.random);
    let saved = Received::saved(&config).await;
    let gate = Arc::new(Gate::new(config, saved.as_deref(), ask, Arc::clone(&web), push));
    let metrics = Arc::clone(&gate.metrics);
    let observe = move |event| record(&metrics, event);
    let serving = Arc::clone(&gate);
    let handler = move |request| {
        let gate = Arc::clone(&serving);
        async move { gate.handle(request).await }
    };
    let shutdown = async {
        shutdown.await;
        gate.is_draining.store(true, Ordering::Relaxed);
        if let Some(push) = &gate.push {
            push.drain();
        }
        gate.received.iter().for_each(Received::drain);
        tracing::info!("Draining.");
    };
    let reloading = async {
        loop {
            tokio::select! {
                Some(reload) = come.recv() => gate.reload(reload).await,
                Some(is_ok) = reloaded.recv() => gate.metrics.web_reloaded(is_ok),
                else => break std::future::pending::<Drain>().await,
            }
        }
    };
    let forwarding = async {
        forward::run(&gate.forward, Arc::clone(&gate.scrapes), (now_ms, random)).await;
        std::future::pending::<Drain>().await
    };
    let expiring = async {
        match &gate.push {
            Some(push) => push.expire_for_ever().await,
            None => std::future::pending().await,
        }
    };
    let aggregating = async {
        match &gate.received {
            Some(received) => received.aggregate_for_ever().await,
            None => std::future::pending().await,
        }
    };
    let tls = || web.tls();
    let drain = tokio::select! {
        drain = forwarding => drain,
        drain = aggregating => drain,
        drain = serve(listener, server, tls, handler, observe, shutdown) => drain,
        drain = reloading => drain,
        drain = expiring => drain,
    };
    if let Some(received) = &gate.received {
        received.end().await;
    }
    drain
}

pub(super) fn record(metrics: &Metrics, event: ConnectionEvent) {
    match event {
        ConnectionEvent::Opened => metrics.connection_opened(),
        ConnectionEvent::Closed => metrics.connection_closed(),
        ConnectionEvent::Refused => metrics.limit_refusal("connections"),
        ConnectionEvent::HeaderTimeout => metrics.limit_refusal("header_time"),
        ConnectionEvent::AcceptFailed => metrics.accept_failed(),
        ConnectionEvent::Stalled => metrics.client_stalled(),
        ConnectionEvent::TlsFailed(failure) => metrics.tls_failed(failure.reason()),
    }
}

/// What is scraped of weir's own accord, and where it goes.
fn forwarding(config: &GateConfig, destinations: Option<&Destinations>) -> Option<Arc<Forwarding>> {
    let (plan, destinations) = config.forward.clone().zip(destinations)?;
    Some(Arc::new(Forwarding::new(plan, destinations)))
}

impl Gate {
    fn new(
        config: GateConfig,
        saved: Option<&[u8]>,
        reloader: Option<mpsc::Sender<ReloadReply>>,
        web: Arc<Web>,
        push: Option<Arc<PushProxy>>,
    ) -> Self {
        let metrics = push.as_ref().map(|push| push.metrics()).unwrap_or_default();
        for limit in LIMITS {
            metrics.declare_limit(limit);
        }
        admit::declare(&metrics);
        let destinations = config.destinations.clone();
        if let Some(all) = &destinations {
            metrics.show_remote_write(all.metrics());
        }
        Self {
            forward: ArcSwapOption::new(forwarding(&config, destinations.as_deref())),
            destinations,
            received: Received::start(&config, saved, &metrics),
            settings: ArcSwap::from_pointee(Settings::of(&config)),
            random: config.random,
            scrapes: Arc::new(Scrapes::new(config, Arc::clone(&metrics))),
            analyses: Arc::new(Semaphore::new(ANALYSES_MAX)),
            is_draining: AtomicBool::new(false),
            metrics,
            reload_errors: ArcSwapOption::empty(),
            web,
            push,
            reloader,
        }
    }

    fn settings(&self) -> Settings {
        **self.settings.load()
    }

    /// Take over a good configuration; what cannot be had of it, a line each, and then nothing is
    /// taken over.
    async fn take_over(&self, config: GateConfig) -> Result<(), Vec<String>> {
        let subsets = config.outputs.len() - 1;
        let settings = Arc::new(Settings::of(&config));
        // First, as it is what may fail; boxed, since it is seldom needed.
        let before = match &self.destinations {
            Some(all) => Some(Box::pin(all.reload(config.remote_write.clone())).await),
            None => None,
        };
        let before = before.transpose().map_err(|error| vec![error.to_string()])?;
        if let Some(received) = &self.received {
            received.reload(&config, self.destinations.as_ref());
        }
        self.forward.store(forwarding(&config, self.destinations.as_deref()));
        if let Some((all, before)) = self.destinations.as_ref().zip(before) {
            all.dismiss(&before);
        }
        self.scrapes.reload(config).await;
        self.settings.store(settings);
        self.reload_errors.store(None);
        tracing::info!(subsets, "Reloaded the configuration.");
        Ok(())
    }

    /// Take over a new configuration; if it is bad, go on with the old one and say so.
    async fn reload(&self, reload: Reload) {
        let Reload { outcome, reply } = reload;
        let outcome = match outcome {
            Ok(config) => self.take_over(config).await,
            Err(errors) => Err(errors),
        };
        self.metrics.reloaded(outcome.is_ok());
        if let Err(errors) = &outcome {
            tell_bad(errors);
            self.reload_errors.store(Some(Arc::new(errors.clone())));
        }
        if let Some(reply) = reply {
            // Who asked may have gone.
            reply.send(outcome).ok();
        }
    }

    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        if let Some(push) =
            self.push.as_ref().filter(|_| PushProxy::is_beside(request.uri().path()))
        {
            return Arc::clone(push).answer_guarded(&self.web, request).await;
        }
        if let Some(received) = self.received_at(request.uri().path()) {
            return self.receive(received, request).await;
        }
        let route = Route::of(request.uri().path());
        let label = route.as_ref().map_or("other", Route::label);
        let is_probe = matches!(route, Some(Route::Healthy | Route::Ready));
        let admitted = admit::admit(&self.web, &self.metrics, is_probe, request.headers()).await;
        let answered = match admitted {
            Ok(()) => self.answer(route, &request).await,
            Err(problem) => Err(problem),
        };
        let mut response = answered.unwrap_or_else(|problem| answer(&problem));
        self.web.decorate(response.headers_mut());
        let status = response.status().as_u16();
        self.metrics.http_request(label, status);
        tracing::debug!(endpoint = label, status, "Answered a request.");
        response
    }

    async fn answer(
        &self,
        route: Option<Route>,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        match route {
            None => Err(Problem::NotFound),
            Some(Route::Reload) => match *request.method() {
                Method::POST | Method::PUT => Ok(ask_for_reload(self.reloader.as_ref()).await),
                _ => Err(Problem::WrongMethod { allowed: "POST, PUT" }),
            },
            Some(route) => match *request.method() {
                Method::GET => self.get(route, request).await,
                Method::HEAD => self.head(&route, request),
                _ => Err(Problem::WrongMethod { allowed: "GET, HEAD" }),
            },
        }
    }

    async fn get(
        &self,
        route: Route,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        match route {
            Route::Index => Ok(self.index()),
            // What only receives has no other metrics.
            Route::Metrics if self.scrapes.plan().upstream_names().is_empty() => {
                own::answer(&self.metrics, self.random, request.headers())
            }
            Route::Metrics => {
                let scraped = self
                    .scrapes
                    .scrape(self.settings().patience.deadline(request.headers()))
                    .await?;
                let snapshot = scraped.main().ok_or(Problem::Internal)?;
                Ok(expose::exposition(snapshot, request.headers(), None))
            }
            Route::Subset(name) => self.subset(&name, request),
            Route::Source => self.source(request).await,
            Route::Analyze => self.analyze(request).await,
            Route::Healthy => Ok(text(StatusCode::OK, "weir is healthy.\n".to_owned())),
            Route::Ready => Ok(self.ready()),
            Route::Queues => Ok(self.queues(request)),
            // Answered before, as it is the one that is no GET.
            Route::Reload => Err(Problem::NotFound),
            Route::Targets => Ok(self.targets(request)),
            Route::OwnMetrics => own::answer(&self.metrics, self.random, request.headers()),
        }
    }

    /// Answer HEAD without asking the target: only what is known anyway can be told.
    fn head(&self, route: &Route, request: &Request<Incoming>) -> Result<Response<Body>, Problem> {
        match route {
            Route::Metrics | Route::OwnMetrics => Ok(expose::head(request.headers())),
            Route::Subset(name) => {
                self.subset(name, request)?;
                Ok(expose::head(request.headers()))
            }
            Route::Index => Ok(self.index()),
            Route::Targets => Ok(self.targets(request)),
            Route::Source | Route::Analyze | Route::Healthy | Route::Queues => {
                Ok(text(StatusCode::OK, String::new()))
            }
            Route::Ready => Ok(self.ready()),
            Route::Reload => Err(Problem::NotFound),
        }
    }

    fn index(&self) -> Response<Body> {
        let names = self.scrapes.output_names();
        let page = page::index(&self.scrapes.plan().upstream_names(), &names[1..]);
        typed(StatusCode::OK, "text/html; charset=utf-8", page)
    }

    fn targets(&self, request: &Request<Incoming>) -> Response<Body> {
        let (health, now_ms) = (self.scrapes.health(), self.scrapes.now_ms());
        if wants_json(request.uri().query()) {
            return typed(StatusCode::OK, "application/json", health::json(&health, now_ms));
        }
        typed(StatusCode::OK, "text/html; charset=utf-8", health::page(&health, now_ms))
    }

    fn ready(&self) -> Response<Body> {
        if self.is_draining.load(Ordering::Relaxed) {
            text(StatusCode::SERVICE_UNAVAILABLE, "weir is draining.\n".to_owned())
        } else if let Some(errors) = &*self.reload_errors.load() {
            let told = "weir is ready, with the configuration before the last, which is bad:";
            text(StatusCode::OK, format!("{told}\n{}\n", errors.join("\n")))
        } else {
            text(StatusCode::OK, "weir is ready.\n".to_owned())
        }
    }

    /// Show a subset as of the last good scrape; never asks the target.
    fn subset(&self, name: &[u8], request: &Request<Incoming>) -> Result<Response<Body>, Problem> {
        let names = self.scrapes.output_names();
        if !names[1..].iter().any(|known| known.as_bytes() == name) {
            return Err(Problem::UnknownSubset);
        }
        let last = self.scrapes.last().ok_or(Problem::NothingScrapedYet)?;
        let age = last.began.elapsed();
        let settings = self.settings();
        if age > settings.subset_max_age {
            return Err(Problem::TooOld { age_secs: age.as_secs() });
        }
        // A subset that came with a reload has not been filled either.
        let snapshot = last.subset(name).ok_or(Problem::NothingScrapedYet)?;
        let timestamp_ms = settings.subset_timestamps.then_some(last.started_ms);
        Ok(expose::exposition(snapshot, request.headers(), timestamp_ms))
    }
}
