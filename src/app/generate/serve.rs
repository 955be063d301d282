//! The generator as a server.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics`, `/targets/<n>/metrics` | the page of a virtual target; `/metrics` is that of target 0, or of the port's own |
//! | `/http_sd` | the targets, for Prometheus' `http_sd_configs` |
//! | `/invalid/<case>` | an exposition that is wrong in one way; `/invalid/` lists them |
//! | `/api/v1/…` | the live interface, see `/api/v1/openapi.json` |
//! | `/-/healthy`, `/-/ready`, `/-/metrics` | as the gate's |

use crate::app::clock::Clock;
use crate::app::gate::own;
use crate::app::generate::invalid_list;
use crate::app::generate::live::Live;
use crate::app::generate::page;
use crate::app::generate::time::Time;
use crate::app::options;
use crate::generate::invalid;
use crate::generate::invalid::Case;
use crate::http::Body;
use crate::http::answer::Problem;
use crate::http::answer::answer;
use crate::http::answer::text;
use crate::http::answer::typed;
use crate::http::server::ConnectionEvent;
use crate::http::server::Drain;
use crate::http::server::ServerLimits;
use crate::http::server::no_tls;
use crate::http::server::serve;
use crate::model::Format;
use crate::telemetry::Metrics;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::header::HOST;
use hyper::body::Incoming;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Every limit that is counted, by the name it is counted under.
const LIMITS: [&str; 3] = ["api_body_bytes", "connections", "header_time"];

/// A running generator.
#[derive(Debug)]
pub struct Server {
    live: Live,
    time: Time,
    /// The port of each target, where they have ports of their own.
    target_ports: Vec<u16>,
    metrics: Arc<Metrics>,
    is_draining: AtomicBool,
}

impl Server {
    /// A server that has not begun.
    pub fn new(live: Live, time: Time) -> Self {
        let metrics = Arc::new(Metrics::new());
        for limit in LIMITS {
            metrics.declare_limit(limit);
        }
        let is_draining = AtomicBool::new(false);
        Self { live, time, target_ports: Vec::new(), metrics, is_draining }
    }

    /// Serve until `shutdown` completes: everything at `listener`, and each target's own page at
    /// the listener of the same place in `targets`.
    pub async fn run(
        mut self,
        listener: TcpListener,
        targets: Vec<TcpListener>,
        limits: ServerLimits,
        shutdown: impl Future<Output = ()>,
    ) -> Drain {
        let ports = targets.iter().filter_map(|listener| listener.local_addr().ok());
        self.target_ports = ports.map(|address| address.port()).collect();
        let server = Arc::new(self);
        let (stop, stopped) = watch::channel(());
        let mut serving = JoinSet::new();
        let listeners =
            targets.into_iter().zip(0..).map(|(listener, target)| (listener, Some(target)));
        for (listener, target) in std::iter::once((listener, None)).chain(listeners) {
            let mut stopped = stopped.clone();
            let observed = Arc::clone(&server.metrics);
            let server = Arc::clone(&server);
            serving.spawn(serve(
                listener,
                limits,
                no_tls,
                move |request| {
                    let server = Arc::clone(&server);
                    async move { server.handle(request, target).await }
                },
                move |event| record(&observed, event),
                async move {
                    // The sender is never dropped before it has sent.
                    stopped.changed().await.ok();
                },
            ));
        }
        shutdown.await;
        server.is_draining.store(true, Ordering::Relaxed);
        stop.send_replace(());
        let mut drain = Drain::Complete;
        while let Some(ended) = serving.join_next().await {
            if let Ok(Drain::OutOfTime { n_connections }) = ended {
                let n_before = match drain {
                    Drain::OutOfTime { n_connections } => n_connections,
                    Drain::Complete => 0,
                };
                drain = Drain::OutOfTime { n_connections: n_before + n_connections };
            }
        }
        drain
    }

    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        target: Option<u32>,
    ) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let (label, response) = if let Some(rest) = path.strip_prefix("/api/v1/") {
            if target.is_some() {
                ("other", answer(&Problem::NotFound))
            } else {
                let now_ms = self.time.now_ms();
                ("/api/v1", self.live.handle(rest, request, now_ms, &self.metrics).await)
            }
        } else {
            let route = Route::of(&path, target);
            let label = route.map_or("other", Route::label);
            let answered = match (route, request.method()) {
                (None, _) => Err(Problem::NotFound),
                (Some(route), &Method::GET | &Method::HEAD) => self.get(route, &request).await,
                _ => Err(Problem::WrongMethod { allowed: "GET, HEAD" }),
            };
            (label, answered.unwrap_or_else(|problem| answer(&problem)))
        };
        self.metrics.http_request(label, response.status().as_u16());
        response
    }

    async fn get(
        &self,
        route: Route,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        Ok(match route {
            Route::Index => text(StatusCode::OK, INDEX.to_owned()),
            Route::Page(target) => return self.page(target, request).await,
            Route::Discovery => self.discovery(request),
            Route::InvalidList => text(StatusCode::OK, invalid_list()),
            Route::Invalid(case) => wrong_page(case),
            Route::Healthy => text(StatusCode::OK, "weir is healthy.\n".to_owned()),
            Route::Ready if self.is_draining.load(Ordering::Relaxed) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "weir is draining.\n".to_owned())
            }
            Route::Ready => text(StatusCode::OK, "weir is ready.\n".to_owned()),
            Route::OwnMetrics => {
                own::answer(&self.metrics, options::random_word, request.headers())?
            }
        })
    }

    async fn page(
        &self,
        target: u32,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let state = self.live.state();
        if target >= state.generator.n_targets() {
            return Err(Problem::NotFound);
        }
        let query = request.uri().query().unwrap_or_default();
        let fault = match state.fault.with_query(query) {
            Ok(fault) => fault,
            Err(message) => return Ok(text(StatusCode::BAD_REQUEST, message + "\n")),
        };
        if request.method() == Method::HEAD {
            return Ok(page::head(request.headers()));
        }
        // Only now: whoever waits sees the values of the moment at which he is answered.
        tokio::time::sleep(fault.latency).await;
        let time_ms = self.time.scraped_ms();
        if let Some(status) = fault.status {
            return Ok(text(status, "a fault that was asked for\n".to_owned()));
        }
        if !state.generator.is_up(target, time_ms) {
            let line = "this target is down for a while, as its configuration wants it\n";
            return Ok(text(StatusCode::SERVICE_UNAVAILABLE, line.to_owned()));
        }
        Ok(page::answer(&state.generator, target, time_ms, request.headers(), &fault))
    }

    /// The targets as Prometheus' HTTP service discovery wants them.
    fn discovery(&self, request: &Request<Incoming>) -> Response<Body> {
        let asked = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = asked.unwrap_or("localhost");
        let n_targets = self.live.state().generator.n_targets();
        let bare_host = match host.rsplit_once(':') {
            Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
            _ => host,
        };
        let group = |target: u32| {
            let port = usize::try_from(target).ok().and_then(|at| self.target_ports.get(at));
            let (address, path) = match port {
                Some(port) => (format!("{bare_host}:{port}"), "/metrics".to_owned()),
                None => (host.to_owned(), format!("/targets/{target}/metrics")),
            };
            json!({
                "targets": [address],
                "labels": {
                    "__metrics_path__": path,
                    "instance": format!("target-{target}"),
                },
            })
        };
        let groups: Vec<_> = (0..n_targets).map(group).collect();
        typed(StatusCode::OK, "application/json", format!("{}\n", json!(groups)))
    }
}

const INDEX: &str = "\
weir generate

/metrics               the page of target 0
/targets/N/metrics     the page of target N
/http_sd               the targets, for http_sd_configs
/invalid/CASE          an exposition that is wrong in one way; /invalid/ lists them
/api/v1/openapi.json   what can be changed while it runs; none of that is persisted
/-/healthy, /-/ready, /-/metrics

?latency=2s, ?status=503, ?cut=1000 and ?excess_length=10 make a page fail on demand.
";

/// An endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Route {
    Index,
    Page(u32),
    Discovery,
    InvalidList,
    Invalid(&'static Case),
    Healthy,
    Ready,
    OwnMetrics,
}

impl Route {
    fn of(path: &str, target: Option<u32>) -> Option<Self> {
        Some(match path {
            "/metrics" => Self::Page(target.unwrap_or(0)),
            "/-/healthy" => Self::Healthy,
            "/-/ready" => Self::Ready,
            // A target of its own port has its page there, and nothing else.
            _ if target.is_some() => return None,
            "/" => Self::Index,
            "/http_sd" => Self::Discovery,
            "/invalid/" => Self::InvalidList,
            "/-/metrics" => Self::OwnMetrics,
            _ => {
                if let Some(case) = path.strip_prefix("/invalid/") {
                    return invalid::find(case).map(Self::Invalid);
                }
                let number = path.strip_prefix("/targets/")?.strip_suffix("/metrics")?;
                let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
                Self::Page(number.parse().ok().filter(|_| is_plain)?)
            }
        })
    }

    fn label(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Page(_) => "/metrics",
            Self::Discovery => "/http_sd",
            Self::InvalidList | Self::Invalid(_) => "/invalid",
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
            Self::OwnMetrics => "/-/metrics",
        }
    }
}

/// A page that is wrong on purpose, as it stands.
fn wrong_page(case: &Case) -> Response<Body> {
    let mut response = Response::new(Body::whole(case.text));
    let content_type = match case.format {
        Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn record(metrics: &Metrics, event: ConnectionEvent) {
    match event {
        // There is no TLS here.
        ConnectionEvent::TlsFailed(_) => {}
        ConnectionEvent::Opened => metrics.connection_opened(),
        ConnectionEvent::Closed => metrics.connection_closed(),
        ConnectionEvent::Refused => metrics.limit_refusal("connections"),
        ConnectionEvent::HeaderTimeout => metrics.limit_refusal("header_time"),
        ConnectionEvent::AcceptFailed => metrics.accept_failed(),
        ConnectionEvent::Stalled => metrics.client_stalled(),
    }
}

/// The clock of the system, for whoever starts a server.
pub const CLOCK: Clock = crate::app::clock::system_time_ms;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_endpoints() {
        for (path, target, want) in [
            ("/metrics", None, Some(Route::Page(0))),
            ("/metrics", Some(3), Some(Route::Page(3))),
            ("/targets/17/metrics", None, Some(Route::Page(17))),
            ("/targets/17/metrics", Some(3), None),
            ("/targets/+1/metrics", None, None),
            ("/targets//metrics", None, None),
            ("/targets/99999999999/metrics", None, None),
            ("/http_sd", None, Some(Route::Discovery)),
            ("/-/ready", Some(0), Some(Route::Ready)),
            ("/metrics/x", None, None),
            ("", None, None),
        ] {
            assert_eq!(Route::of(path, target), want, "{path}");
        }
    }
}
