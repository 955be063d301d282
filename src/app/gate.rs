//! `weir`: the gate. Prometheus scrapes it; it scrapes the target, applies the rules, answers.
//!
//! | path | answer |
//! |---|---|
//! | `/` | an index of links |
//! | `/metrics` | scrape the target, and what the rules leave of it |
//! | `/metrics/<subset>` | the subset as of the last good scrape; 404 unknown, 503 none or too old |
//! | `/source` | the target's own answer |
//! | `/analyze` | what the target's series are made of |
//! | `/-/healthy`, `/health`, `/healthz`, `/livez` | 200 while weir runs |
//! | `/-/ready`, `/ready`, `/readyz` | 200, or 503 while weir drains |
//! | `/-/metrics` | weir's own metrics |
//!
//! GET and HEAD only; HEAD never scrapes. Everything else is 404. A scrape that failed is 502, or
//! 504 if time ran out.

mod analyze;
mod expose;
mod flight;
mod own;
mod page;
mod route;
mod scrapes;
mod source;
mod timing;

use crate::aggregate::merge::MergePolicy;
use crate::app::clock::Clock;
use crate::app::gate::route::Route;
use crate::app::gate::scrapes::Scrapes;
use crate::app::gate::timing::Patience;
use crate::engine::OutputConfig;
use crate::http::Body;
use crate::http::answer::{Problem, answer, text, typed};
use crate::http::client::AskFor;
use crate::http::proxy::ProxyRules;
use crate::http::server::{ConnectionEvent, Drain, ServerLimits, serve};
use crate::ledger::ReadLimits;
use crate::source::Target;
use crate::telemetry::Metrics;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

/// Analyses at the same time; each costs a scrape and a core.
const ANALYSES_MAX: usize = 1;
/// Every limit that is counted, by the name it is counted under.
const LIMITS: [&str; 7] =
    ["analyses", "body_bytes", "connections", "header_time", "labels", "line_bytes", "series"];

/// What a gate does.
#[derive(Debug)]
pub struct GateConfig {
    /// What to scrape.
    pub target: Target,
    /// The outputs: the main one first, then the subsets.
    pub outputs: Vec<OutputConfig>,
    /// How series that become one are merged.
    pub policy: MergePolicy,
    /// Bounds on lines, series and labels.
    pub read_limits: ReadLimits,
    /// Bound on the decoded body.
    pub body_bytes_max: u64,
    /// How long a scrape may take; `None`: as long as the asker waits, else 15 s.
    pub scrape_timeout: Option<Duration>,
    /// How old a subset may be.
    pub subset_max_age: Duration,
    /// Whether samples of subsets carry the time of their scrape.
    pub subset_timestamps: bool,
    /// Bounds on the server.
    pub server: ServerLimits,
    /// Proxies between here and the target.
    pub proxies: ProxyRules,
    /// Which encodings to ask the target for.
    pub ask_for: AskFor,
    /// The wall clock.
    pub clock: Clock,
    /// Words nobody can foresee, for the keys of fingerprints.
    pub random: fn() -> u64,
}

/// A running gate.
#[derive(Debug)]
struct Gate {
    target: Target,
    patience: Patience,
    subset_max_age: Duration,
    subset_timestamps: bool,
    scrapes: Arc<Scrapes>,
    /// For `/analyze`, which reads on its own.
    line_bytes_max: usize,
    random: fn() -> u64,
    analyses: Arc<Semaphore>,
    is_draining: AtomicBool,
    metrics: Arc<Metrics>,
}

/// New rules, or what is wrong with them, a line each.
pub type Reload = Result<Vec<OutputConfig>, Vec<String>>;

/// Serve until `shutdown` completes, then drain.
pub async fn run(
    config: GateConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Drain {
    let (_, never) = mpsc::channel(1);
    run_reloading(config, listener, shutdown, never).await
}

/// Serve until `shutdown` completes, taking over new rules as they come.
pub async fn run_reloading(
    config: GateConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    mut reloads: mpsc::Receiver<Reload>,
) -> Drain {
    let server = config.server;
    let gate = Arc::new(Gate::new(config));
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
        tracing::info!("Draining.");
    };
    let reloading = async {
        while let Some(reload) = reloads.recv().await {
            gate.reload(reload).await;
        }
        std::future::pending::<Drain>().await
    };
    tokio::select! {
        drain = serve(listener, server, handler, observe, shutdown) => drain,
        drain = reloading => drain,
    }
}

fn record(metrics: &Metrics, event: ConnectionEvent) {
    match event {
        ConnectionEvent::Opened => metrics.connection_opened(),
        ConnectionEvent::Closed => metrics.connection_closed(),
        ConnectionEvent::Refused => metrics.limit_refusal("connections"),
        ConnectionEvent::HeaderTimeout => metrics.limit_refusal("header_time"),
        ConnectionEvent::AcceptFailed => metrics.accept_failed(),
        ConnectionEvent::Stalled => metrics.client_stalled(),
    }
}

impl Gate {
    fn new(config: GateConfig) -> Self {
        let metrics = Arc::new(Metrics::new());
        metrics.declare_target(&config.target.instance());
        for limit in LIMITS {
            metrics.declare_limit(limit);
        }
        Self {
            target: config.target.clone(),
            patience: Patience::new(config.scrape_timeout),
            subset_max_age: config.subset_max_age,
            subset_timestamps: config.subset_timestamps,
            line_bytes_max: config.read_limits.line_bytes_max,
            random: config.random,
            scrapes: Arc::new(Scrapes::new(config, Arc::clone(&metrics))),
            analyses: Arc::new(Semaphore::new(ANALYSES_MAX)),
            is_draining: AtomicBool::new(false),
            metrics,
        }
    }

    /// Take over new rules; if they are bad, go on with the old ones and say so.
    async fn reload(&self, reload: Reload) {
        self.metrics.reloaded(reload.is_ok());
        match reload {
            Ok(outputs) => {
                let subsets = outputs.len() - 1;
                self.scrapes.reload(outputs).await;
                tracing::info!(subsets, "Reloaded the rules.");
            }
            Err(errors) => {
                for error in errors {
                    tracing::error!(error, "The new rules are bad, going on with the old ones.");
                }
            }
        }
    }

    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let route = Route::of(request.uri().path());
        let label = route.as_ref().map_or("other", Route::label);
        let answered = match route {
            None => Err(Problem::NotFound),
            Some(route) => match *request.method() {
                Method::GET => self.get(route, &request).await,
                Method::HEAD => self.head(&route, &request),
                _ => Err(Problem::MethodNotAllowed),
            },
        };
        let response = answered.unwrap_or_else(|problem| answer(&problem));
        let status = response.status().as_u16();
        self.metrics.http_request(label, status);
        tracing::debug!(endpoint = label, status, "Answered a request.");
        response
    }

    async fn get(
        &self,
        route: Route,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        match route {
            Route::Index => Ok(self.index()),
            Route::Metrics => {
                let scraped =
                    self.scrapes.scrape(self.patience.deadline(request.headers())).await?;
                let snapshot = scraped.main().ok_or(Problem::Internal)?;
                Ok(expose::exposition(snapshot, request.headers(), None))
            }
            Route::Subset(name) => self.subset(&name, request),
            Route::Source => self.source(request).await,
            Route::Analyze => self.analyze(request).await,
            Route::Healthy => Ok(text(StatusCode::OK, "weir is healthy.\n".to_owned())),
            Route::Ready => Ok(self.ready()),
            Route::OwnMetrics => self.own_metrics(request),
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
            Route::Source | Route::Analyze | Route::Healthy => {
                Ok(text(StatusCode::OK, String::new()))
            }
            Route::Ready => Ok(self.ready()),
        }
    }

    fn own_metrics(&self, request: &Request<Incoming>) -> Result<Response<Body>, Problem> {
        let read = own::snapshot(&self.metrics.encode(), self.random);
        let snapshot = read.inspect_err(|error| {
            let error = error.to_string();
            tracing::error!(error, "weir's own metrics are malformed, please report this.");
        });
        let snapshot = snapshot.ok().flatten().ok_or(Problem::Internal)?;
        Ok(expose::exposition(snapshot, request.headers(), None))
    }

    fn index(&self) -> Response<Body> {
        let names = self.scrapes.output_names();
        let page = page::index(&self.target.to_string(), &names[1..]);
        typed(StatusCode::OK, "text/html; charset=utf-8", page)
    }

    fn ready(&self) -> Response<Body> {
        if self.is_draining.load(Ordering::Relaxed) {
            text(StatusCode::SERVICE_UNAVAILABLE, "weir is draining.\n".to_owned())
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
        if age > self.subset_max_age {
            return Err(Problem::TooOld { age_secs: age.as_secs() });
        }
        // A subset that came with a reload has not been filled either.
        let snapshot = last.subset(name).ok_or(Problem::NothingScrapedYet)?;
        let timestamp_ms = self.subset_timestamps.then_some(last.started_ms);
        Ok(expose::exposition(snapshot, request.headers(), timestamp_ms))
    }
}
