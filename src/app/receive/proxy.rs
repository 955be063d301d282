//! A process that receives remote write and sends it on, and scrapes nothing.
//!
//! | path | answer |
//! |---|---|
//! | `POST /api/v1/write`, or as configured | see [`crate::app::receive`] |
//! | `/-/healthy`, `/health`, `/healthz`, `/livez` | 200 while weir runs |
//! | `/-/ready`, `/ready`, `/readyz` | 200, or 503 while weir drains |
//! | `/-/metrics`, `/metrics` | weir's own metrics |
//! | `/-/queues` | how the queues of the destinations are doing; `?json` for machines |

use super::Receiver;
use super::ReceiverConfig;
use super::queued::Queued;
use super::state_file;
use crate::app::clock;
use crate::app::exit::Exit;
use crate::app::gate::own;
use crate::app::gate::queues;
use crate::app::options;
use crate::app::options::Options;
use crate::app::options::random_word;
use crate::app::push::serve::server_limits;
use crate::app::serve::Failure;
use crate::app::serve::count_signals;
use crate::app::serve::drained;
use crate::app::serve::listen;
use crate::app::serve::nth_signal;
use crate::app::serve::runtime;
use crate::app::serve::second_signal;
use crate::config::file::Config;
use crate::config::file::listen::ListenAddress;
use crate::http::Body;
use crate::http::answer::Problem;
use crate::http::answer::answer;
use crate::http::answer::text;
use crate::http::proxy::ProxyRules;
use crate::http::server::Drain;
use crate::http::server::no_tls;
use crate::http::server::serve;
use crate::remote_write::Destinations;
use crate::remote_write::Surroundings;
use crate::telemetry::Metrics;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use hyper::body::Incoming;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

/// The state of aggregation, below the data directory.
const STATE_FILE: &str = "aggregation";

/// Run until a signal ends it.
///
/// # Errors
///
/// A configuration it cannot work with, an address or a queue it cannot have, a drain out of time.
pub(in crate::app) fn alone(options: &Options, config: Config) -> Result<(), Failure> {
    let errors = impossible(&config);
    if !errors.is_empty() {
        return Err(Failure { exit: Exit::BadInput, lines: errors });
    }
    options::warn(&config.warnings);
    let runtime = runtime()?;
    let done = runtime.block_on(run(options.clone(), config));
    // What still runs on threads of its own is left behind.
    runtime.shutdown_background();
    done
}

/// What is asked for and cannot be done, a line each.
fn impossible(config: &Config) -> Vec<String> {
    let wrong = [
        (config.remote_write.is_empty(), "receive: there is no remote_write to send on to"),
        (!config.aggregate.is_empty(), "aggregate: without upstreams an item needs an interval"),
        (!config.subsets.is_empty(), "subsets: they are made of upstreams, and there are none"),
        (config.web_config_file.is_some(), "web_config_file: it is not served with receive yet"),
        (config.push.is_some(), "push: it is not served together with receive yet"),
    ];
    let wrong = wrong.into_iter().filter(|(is_wrong, _)| *is_wrong);
    wrong.map(|(_, line)| line.to_owned()).collect()
}

async fn run(options: Options, config: Config) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::new(Exit::Failure, e.to_string());
    let ListenAddress { host, port } = &config.listen;
    let listener = listen(host.as_deref(), *port).await?;
    let signals = count_signals().map_err(failed)?;
    let destinations = destinations(&options, &config).await?;
    let state_file = config.data_dir.as_ref().map(|dir| dir.join(STATE_FILE));
    let proxy = Arc::new(Proxy::new(&config, &destinations, state_file.as_ref()).await);
    let address = listener.local_addr().map_err(failed)?;
    let version = env!("CARGO_PKG_VERSION");
    let n_destinations = destinations.list().len();
    tracing::info!(version, address = %address, n_destinations, "Starting to receive.");
    let stop = nth_signal(signals.clone(), 1);
    let served = async {
        let drain = tokio::select! {
            drain = proxy.serve(&config, listener, stop) => drain,
            drain = proxy.reload_for_ever(options) => drain,
            drain = proxy.receiver.aggregate_for_ever() => drain,
        };
        proxy.receiver.flush_aggregates().await;
        if let Some(path) = state_file {
            proxy.save(path).await;
        }
        destinations.drain(config.limits.drain_time_max).await;
        drain
    };
    tokio::select! {
        drain = served => drained(drain),
        () = nth_signal(signals, 2) => Err(second_signal()),
    }
}

async fn destinations(options: &Options, config: &Config) -> Result<Arc<Destinations>, Failure> {
    let proxies = ProxyRules::new(&options.proxies).map_err(|e| {
        let line = format!("HTTP_PROXY or HTTPS_PROXY is no proxy's URL: {e}");
        Failure::new(Exit::BadInput, line)
    })?;
    let surroundings = Surroundings {
        // The file is refused where it has remote_write and no directory.
        data_dir: config.data_dir.clone().unwrap_or_default(),
        proxies,
        now_ms: clock::system_time_ms,
        random: random_word,
    };
    let settings = config.remote_write.iter().map(|one| one.settings.clone()).collect();
    let started = Destinations::start(settings, surroundings).await;
    started.map_err(|e| Failure::new(Exit::Failure, e.to_string()))
}

/// A running proxy.
#[derive(Debug)]
struct Proxy {
    receiver: Receiver<Queued>,
    destinations: Arc<Destinations>,
    metrics: Arc<Metrics>,
}

impl Proxy {
    async fn new(
        config: &Config,
        destinations: &Arc<Destinations>,
        state_file: Option<&PathBuf>,
    ) -> Self {
        let metrics = Arc::new(Metrics::new());
        metrics.show_remote_write(destinations.metrics());
        let saved = match state_file {
            Some(path) => state_file::take(path.clone()).await,
            None => None,
        };
        let receiver_config = receiver_config(config, destinations);
        let receiver = Receiver::new(receiver_config, saved.as_deref(), metrics.receive.clone());
        Self { receiver, destinations: Arc::clone(destinations), metrics }
    }

    async fn serve(
        self: &Arc<Self>,
        config: &Config,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Drain {
        let counted = Arc::clone(&self.metrics);
        let observe = move |event| crate::app::gate::record(&counted, event);
        let serving = Arc::clone(self);
        let handler = move |request: Request<Incoming>| {
            let proxy = Arc::clone(&serving);
            async move { proxy.handle(request).await }
        };
        let stop = async {
            stop.await;
            self.receiver.drain();
            tracing::info!("Draining.");
        };
        serve(listener, server_limits(&config.limits), no_tls, handler, observe, stop).await
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let (label, response) = if self.receiver.is_at(request.uri().path()) {
            ("/api/v1/write", self.receiver.handle(request).await)
        } else {
            self.page(&request)
        };
        self.metrics.http_request(label, response.status().as_u16());
        response
    }

    fn page(&self, request: &Request<Incoming>) -> (&'static str, Response<Body>) {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let ok = |told: &str| text(StatusCode::OK, format!("{told}\n"));
        let (label, response) = match request.uri().path() {
            "/-/healthy" | "/health" | "/healthz" | "/livez" => {
                ("/-/healthy", ok("weir is healthy."))
            }
            "/-/ready" | "/ready" | "/readyz" if self.receiver.is_draining() => {
                let told = "weir is draining.\n".to_owned();
                ("/-/ready", text(StatusCode::SERVICE_UNAVAILABLE, told))
            }
            "/-/ready" | "/ready" | "/readyz" => ("/-/ready", ok("weir is ready.")),
            "/-/metrics" | "/metrics" => {
                let answered = own::answer(&self.metrics, random_word, request.headers());
                ("/-/metrics", answered.unwrap_or_else(|problem| answer(&problem)))
            }
            "/-/queues" => {
                ("/-/queues", queues::answer(&self.destinations.status(), request.uri().query()))
            }
            _ => return ("other", answer(&Problem::NotFound)),
        };
        if is_read {
            (label, response)
        } else {
            (label, answer(&Problem::WrongMethod { allowed: "GET, HEAD" }))
        }
    }

    /// Read the configuration again at each SIGHUP. A wrong one changes nothing.
    async fn reload_for_ever(&self, options: Options) -> Drain {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            return std::future::pending().await;
        };
        let options = Arc::new(options);
        while hangup.recv().await.is_some() {
            let options = Arc::clone(&options);
            let read = tokio::task::spawn_blocking(move || {
                let config = options.config()?;
                let errors = impossible(&config);
                if errors.is_empty() { Ok(config) } else { Err(errors) }
            });
            let read = read.await.map_err(|e| vec![e.to_string()]).flatten();
            self.metrics.reloaded(read.is_ok());
            match read {
                Ok(config) => {
                    options::warn(&config.warnings);
                    self.receiver.reload(receiver_config(&config, &self.destinations));
                    tracing::info!("Reloaded the configuration.");
                }
                Err(errors) => errors.iter().for_each(|error| {
                    tracing::error!(
                        error,
                        "The new configuration is bad, going on with the old one."
                    );
                }),
            }
        }
        std::future::pending().await
    }

    async fn save(&self, path: PathBuf) {
        let state = self.receiver.save_aggregation();
        if let Err(error) = state_file::put(path, state).await {
            let error = error.to_string();
            tracing::error!(error, "The state of aggregation cannot be saved.");
        }
    }
}

/// What is received and where it goes. Destinations stay as they were at the start; their rules
/// are those of the block at the same place.
fn receiver_config(config: &Config, destinations: &Destinations) -> ReceiverConfig<Queued> {
    let of_blocks = config.remote_write.iter().map(|block| block.write_relabel.rules.clone());
    let of_blocks = of_blocks.chain(std::iter::repeat(crate::relabel::Rules::default()));
    let all = destinations.list().iter().zip(of_blocks);
    ReceiverConfig {
        settings: config.receive.clone().unwrap_or_default(),
        destinations: all
            .map(|(queue, rules)| Arc::new(Queued::new(Arc::clone(queue), rules)))
            .collect(),
        rules: config.main.rules.clone(),
        streams: config.streams.clone(),
        clock: clock::system_time_ms,
        random: random_word,
    }
}
