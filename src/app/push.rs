//! The push proxy: in front of a Pushgateway, or in its place.
//!
//! | path | answer |
//! |---|---|
//! | `PUT`, `POST`, `DELETE /metrics/job/JOB{/LABEL/VALUE}` | push to a group, delete it |
//! | `/metrics`, `/pushed` | what is stored |
//! | `/api/v1/status`, `/api/v1/metrics` | as the Pushgateway answers them |
//! | `DELETE /api/v1/metrics?match[]=SELECTOR` | delete groups by their labels |
//! | `/-/push`, `/-/push.json` | what was refused of late, and why |
//! | `POST /push_metrics` | a push in an envelope of JSON |
//! | `PUT /lint` | lint the body |
//! | `/-/healthy`, `/health`, `/-/ready` | whether weir runs, and takes pushes |
//! | `/-/metrics` | weir's own metrics |
//! | `POST /-/reload` | read the configuration again, where nothing but pushes is served |
//!
//! A push goes one way: path → who may → body, decoded within limits → families → policy → store or
//! Pushgateway. Where a gate has the address too, `/metrics`, `/` and those of health and of weir's own
//! metrics are the gate's. Nothing is redirected, since clients come back with another method.

mod api;
mod envelope;
mod expose;
mod forward;
mod history;
mod identity;
mod journal;
mod live;
mod own;
mod policy;
mod process;
mod receive;
pub mod record;
mod refusal;
mod route;
mod schema;
mod selector;
pub mod serve;

use crate::app::clock::Clock;
use crate::app::gate::Front;
use crate::app::gate::ReloadReply;
use crate::app::gate::admit;
use crate::app::gate::ask_for_reload;
use crate::app::pages::head;
use crate::app::push::forward::Forwarder;
use crate::app::push::history::History;
use crate::app::push::journal::Journal;
use crate::app::push::live::Live;
use crate::app::push::receive::OpenBytes;
use crate::app::push::record::Entry;
use crate::app::push::route::Route;
use crate::config::file::push::PushConfig;
use crate::http::Body;
use crate::http::answer::Problem;
use crate::http::answer::answer;
use crate::http::answer::text;
use crate::http::answer::typed;
use crate::http::server::Drain;
use crate::http::server::ServerLimits;
use crate::http::server::serve;
use crate::http::web::Web;
use crate::push::store::Store;
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use arc_swap::ArcSwapOption;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::ALLOW;
use hyper::body::Incoming;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

/// Methods of paths of pushes, in the Pushgateway's order.
const PUSH_METHODS: &str = "DELETE, OPTIONS, POST, PUT";
/// How often groups are looked at whose time may be over.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

/// What a push proxy needs to know.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// What the configuration says.
    pub config: PushConfig,
    /// Bytes a line may have.
    pub line_bytes_max: usize,
    /// Where what is stored is kept; `None`: in memory alone.
    pub directory: Option<PathBuf>,
    /// The wall clock.
    pub clock: Clock,
    /// Words nobody can foresee.
    pub random: fn() -> u64,
}

/// A running push proxy.
#[derive(Debug)]
pub struct PushProxy {
    options: PushOptions,
    /// What a reload changes.
    live: ArcSwap<Live>,
    store: Mutex<Store>,
    /// Where what is stored outlives the process, if it does.
    journal: Option<Journal>,
    /// The way to the Pushgateway behind weir, if there is one.
    forwarder: Option<Forwarder>,
    history: Mutex<History>,
    open_bytes: Arc<OpenBytes>,
    metrics: Arc<Metrics>,
    started_ms: i64,
    is_draining: AtomicBool,
    /// Where to ask for a reload, if that is allowed.
    reloader: ArcSwapOption<mpsc::Sender<ReloadReply>>,
}

/// Serve a push proxy alone until `shutdown` completes, then drain.
pub async fn run(
    proxy: Arc<PushProxy>,
    front: Front,
    limits: ServerLimits,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Drain {
    let Front { web, mut reloaded } = front;
    admit::declare(&proxy.metrics);
    let counted = Arc::clone(&proxy.metrics);
    let observe = move |event| crate::app::gate::record(&counted, event);
    let serving = Arc::clone(&proxy);
    let guard = Arc::clone(&web);
    let handler = move |request: Request<Incoming>| {
        let (proxy, web) = (Arc::clone(&serving), Arc::clone(&guard));
        async move { proxy.answer_guarded(&web, request).await }
    };
    let reloading = async {
        while let Some(is_ok) = reloaded.recv().await {
            proxy.metrics.web_reloaded(is_ok);
        }
        std::future::pending::<Drain>().await
    };
    let tls = || web.tls();
    let shutdown = async {
        shutdown.await;
        proxy.drain();
        tracing::info!("Draining.");
    };
    tokio::select! {
        drain = serve(listener, limits, tls, handler, observe, shutdown) => drain,
        drain = proxy.expire_for_ever() => drain,
        drain = reloading => drain,
    }
}

impl PushProxy {
    /// A proxy with nothing stored.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, and settings that do not go together; a line each.
    pub fn new(options: PushOptions, metrics: Arc<Metrics>) -> Result<Self, Vec<String>> {
        let live = Live::new(options.config.clone(), &options, None)?;
        let forward = options.config.forward.clone();
        let is_store = forward.as_ref().is_none_or(|forward| forward.fallback_to_store);
        let directory = options.directory.as_ref().filter(|_| is_store);
        let opened = directory.map(|directory| Journal::open(directory, options.random));
        let limits = live.store_limits();
        let (journal, store) = match opened.transpose().map_err(|line| vec![line])? {
            Some((journal, mut store)) => {
                store.set_limits(limits);
                (Some(journal), store)
            }
            None => (None, Store::new(limits, options.random)),
        };
        Ok(Self {
            store: Mutex::new(store),
            journal,
            forwarder: forward.map(Forwarder::new),
            history: Mutex::default(),
            open_bytes: Arc::default(),
            metrics,
            started_ms: (options.clock)(),
            is_draining: AtomicBool::new(false),
            reloader: ArcSwapOption::empty(),
            live: ArcSwap::from_pointee(live),
            options,
        })
    }

    /// Where it counts.
    pub(super) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Whether a path is that of an endpoint, where a gate has the address too.
    pub(super) fn is_beside(path: &str) -> bool {
        Route::beside_the_gate(path).is_some()
    }

    /// Be ready for nothing more.
    pub(super) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Answer a request, if what stands before lets it through.
    pub(super) async fn answer_guarded(
        self: Arc<Self>,
        web: &Web,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let route = Route::of(request.uri().path());
        let is_probe = matches!(route, Some(Route::Health | Route::Healthy | Route::Ready));
        let admitted = admit::admit(web, &self.metrics, is_probe, request.headers()).await;
        let mut response = match admitted {
            Ok(()) => self.handle(route, request).await,
            Err(problem) => {
                let response = answer(&problem);
                let label = route.map_or("other", Route::label);
                self.metrics.http_request(label, response.status().as_u16());
                response
            }
        };
        web.decorate(response.headers_mut());
        response
    }

    /// Answer a request whose endpoint is known.
    async fn handle(
        self: Arc<Self>,
        route: Option<Route>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let label = route.map_or("other", Route::label);
        let response = match route {
            None => answer(&Problem::NotFound),
            Some(Route::Push) => Arc::clone(&self).push(request).await,
            Some(Route::Envelope) => self.envelope(request).await,
            Some(Route::Lint) => self.lint(request).await,
            Some(Route::ApiMetrics) if request.method() == Method::DELETE => {
                let query = request.uri().query().unwrap_or_default();
                let deleted = self
                    .delete_matching((request.headers(), request.extensions().get()), query)
                    .await;
                deleted.unwrap_or_else(|refusal| refusal.answer())
            }
            Some(Route::Reload) => match *request.method() {
                Method::POST | Method::PUT => {
                    ask_for_reload(self.reloader.load_full().as_deref()).await
                }
                _ => answer(&Problem::WrongMethod { allowed: "POST, PUT" }),
            },
            Some(route) => self.other(route, &request),
        };
        let status = response.status().as_u16();
        self.metrics.http_request(label, status);
        tracing::debug!(endpoint = label, status, "Answered a request.");
        response
    }

    fn other(self: &Arc<Self>, route: Route, request: &Request<Incoming>) -> Response<Body> {
        if matches!(route, Route::ApiStatus | Route::ApiMetrics)
            && request.method() == Method::OPTIONS
        {
            return api::with_headers(empty(StatusCode::NO_CONTENT));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let allowed = match route {
                Route::ApiMetrics => "DELETE, GET, HEAD, OPTIONS",
                Route::ApiStatus => "GET, HEAD, OPTIONS",
                _ => "GET, HEAD",
            };
            return answer(&Problem::WrongMethod { allowed });
        }
        match route {
            Route::ApiStatus => self.api_status(),
            Route::ApiMetrics => self.api_metrics(),
            Route::Metrics => self.expose(request.headers()),
            Route::OwnMetrics => self.own_metrics(),
            Route::Ready if self.is_draining.load(Ordering::Relaxed) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "weir is draining.\n".to_owned())
            }
            Route::Health => {
                let told = r#"{"status":"healthy"}"#.to_owned();
                typed(StatusCode::OK, "application/json", told)
            }
            Route::Healthy | Route::Ready => text(StatusCode::OK, "OK\n".to_owned()),
            Route::Index => typed(StatusCode::OK, "text/html; charset=utf-8", head("weir") + INDEX),
            Route::Page => self.history_page(),
            Route::History => self.history_json(),
            // Answered before, as they are no GET.
            Route::Push | Route::Envelope | Route::Lint | Route::Reload => {
                answer(&Problem::NotFound)
            }
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // Whatever panicked had checked before it changed anything.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forget groups when their time is over.
    pub(super) async fn expire_for_ever(&self) -> Drain {
        let mut ticks = interval(EXPIRY_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.expire();
        }
    }

    fn expire(&self) {
        let mut store = self.store();
        let now_ms = (self.options.clock)();
        let expired = store.expired(now_ms);
        for key in &expired {
            store.delete(key);
            if let Some(journal) = &self.journal {
                journal.note(Entry::delete(key, now_ms));
            }
        }
        if let Some(journal) = &self.journal {
            journal.snapshot_if_wanted(&store, now_ms);
        }
        self.metrics.push.expired(expired.len() as u64);
        self.metrics.push.stored(store.n_series(), store.n_groups());
    }
}

/// An empty answer, as the Pushgateway gives it.
fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// What may be done with a path of a push.
fn options_of_a_push() -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(PUSH_METHODS));
    response
}

const INDEX: &str = "<h1>weir: pushed metrics</h1>\n<ul>\n<li><a href=\"/metrics\">/metrics</a>: what is stored</li>\n<li><a href=\"/-/push\">/-/push</a>: what was refused of late</li>\n<li><a href=\"/api/v1/metrics\">/api/v1/metrics</a>: what is stored, as JSON</li>\n<li><a href=\"/-/metrics\">/-/metrics</a>: weir's own metrics</li>\n<li><a href=\"/-/healthy\">/-/healthy</a>, <a href=\"/-/ready\">/-/ready</a>: whether weir runs, and takes pushes</li>\n</ul>\n</body>\n</html>\n";
