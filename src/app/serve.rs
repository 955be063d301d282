//! The life of a serving process: load, bind, tell, serve, drain.

use crate::app::exit::Exit;
use crate::app::gate;
use crate::app::gate::GateConfig;
use crate::app::options;
use crate::app::options::Options;
use crate::app::push;
use crate::app::push::PushProxy;
use crate::app::reload;
use crate::app::web;
use crate::config::file::Config;
use crate::config::file::limits::Limits;
use crate::config::file::listen::ListenAddress;
use crate::http::server::Drain;
use crate::remote_write::Destinations;
use crate::remote_write::Surroundings;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// At least two, so that one long piece of work holds up nobody's probes.
const WORKERS_MIN: usize = 2;

/// Why a process ended otherwise than by a signal and a full drain.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What to tell, a line each.
    pub lines: Vec<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, line: String) -> Self {
        Self { exit, lines: vec![line] }
    }
}

/// Run the gate until a signal ends it. `config` is what the options say.
///
/// # Errors
///
/// A configuration the gate cannot work with, an address it cannot have, a drain out of time.
pub fn gate(options: &Options, config: Config) -> Result<(), Failure> {
    if config.push.is_some() && config.upstreams.is_empty() && config.receive.is_none() {
        return push::serve::alone(options, config);
    }
    let gate = GateConfig::new(&config, &options.proxies)
        .map_err(|lines| Failure { exit: Exit::BadInput, lines })?;
    options::warn(&config.warnings);
    let runtime = runtime()?;
    let done = runtime.block_on(serve(gate, config, options.clone()));
    // What still runs on threads of its own, such as a read of a dead file system, is left behind.
    runtime.shutdown_background();
    done
}

/// The threads of a serving process.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let n_workers = std::thread::available_parallelism().map_or(WORKERS_MIN, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(n_workers.max(WORKERS_MIN))
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit::Failure, format!("cannot start threads: {e}")))
}

async fn serve(gate: GateConfig, config: Config, options: Options) -> Result<(), Failure> {
    let front = web::front(config.web_config_file.as_deref(), config.open_probes);
    let front = front.await.map_err(|lines| Failure { exit: Exit::BadInput, lines })?;
    let has_tls = front.web.tls().is_some();
    let push = config.push.clone();
    let push = push.map(|settings| push::serve::open(&config, settings, &front.web)).transpose()?;
    let settings = config.push.clone().unwrap_or_default();
    let local = push.as_ref().filter(|_| settings.in_metrics).map(PushProxy::target);
    let gate = match local.clone() {
        Some(local) => gate.with_target(&config, local),
        None => gate,
    };
    let (proxies, receiver, web) = (options.proxies.clone(), push.clone(), Arc::clone(&front.web));
    let make = move |config: &Config| {
        let gate = GateConfig::new(config, &proxies)?;
        if let Some((proxy, settings)) = receiver.as_ref().zip(config.push.clone()) {
            push::serve::take_settings(proxy, settings, &web)?;
        }
        Ok(match local.clone() {
            Some(local) => gate.with_target(config, local),
            None => gate,
        })
    };
    let ListenAddress { host, port } = &config.listen;
    let listener = listen(host.as_deref(), *port).await?;
    let failed = |e: io::Error| Failure::new(Exit::Failure, e.to_string());
    let signals = count_signals().map_err(failed)?;
    announce(&gate, &config.limits, &listener, has_tls).map_err(failed)?;
    let destinations = destinations(&gate, &config).await?;
    let gate = GateConfig { destinations: destinations.clone(), ..gate };
    let drain_time_max = config.limits.drain_time_max;
    let stop = nth_signal(signals.clone(), 1);
    let reloads = reload::watch(options, config.clone(), make).map_err(failed)?;
    let (beside, apart) = match settings.listen {
        None => (push, None),
        Some(address) => (None, push.map(|push| (push, address))),
    };
    let stop_pushing = nth_signal(signals.clone(), 1);
    let pushing = async {
        let Some((push, address)) = apart else { return Ok(Drain::Complete) };
        push::serve::beside(push, &config, &address, stop_pushing).await
    };
    let gating =
        async { Ok(gate::run_reloading(gate, listener, stop, reloads, front, beside).await) };
    let served = async {
        let (gated, pushed) = tokio::try_join!(gating, pushing)?;
        if let Some(destinations) = destinations {
            destinations.drain(drain_time_max).await;
        }
        drained(if gated == Drain::Complete { pushed } else { gated })
    };
    tokio::select! {
        done = served => done,
        () = nth_signal(signals, 2) => Err(second_signal()),
    }
}

/// How a process ends that a second signal hurries.
pub(super) fn second_signal() -> Failure {
    let line = "stopped by a second signal, without waiting for open requests";
    Failure::new(Exit::Failure, line.to_owned())
}

/// How a process ends whose server has.
pub(super) fn drained(drain: Drain) -> Result<(), Failure> {
    match drain {
        Drain::Complete => {
            tracing::info!("Stopped.");
            Ok(())
        }
        Drain::OutOfTime { n_connections } => {
            let line = format!("{n_connections} connections were still busy when time ran out");
            Err(Failure::new(Exit::Failure, line))
        }
    }
}

/// The same, or the failure that it is not to have the address.
pub(super) async fn listen(host: Option<&str>, port: u16) -> Result<TcpListener, Failure> {
    bind(host, port).await.map_err(|e| {
        let host = host.unwrap_or_default();
        Failure::new(Exit::Failure, format!("cannot listen on {host}:{port}: {e}"))
    })
}

/// Open the queues of `remote_write` and begin to send what they hold; nothing without a place for
/// queues. There may be none yet: a reload may bring some.
async fn destinations(
    gate: &GateConfig,
    config: &Config,
) -> Result<Option<Arc<Destinations>>, Failure> {
    let Some(data_dir) = config.data_dir.clone() else { return Ok(None) };
    let surroundings = Surroundings {
        data_dir,
        proxies: gate.proxies.clone(),
        now_ms: gate.clock,
        random: gate.random,
    };
    let started = Destinations::start(gate.remote_write.clone(), surroundings).await;
    started.map(Some).map_err(|e| Failure::new(Exit::Failure, e.to_string()))
}

/// Listen on a host's addresses, or on all there are, IPv6 and IPv4 alike.
pub(super) async fn bind(host: Option<&str>, port: u16) -> io::Result<TcpListener> {
    match host {
        Some(host) => TcpListener::bind((host, port)).await,
        None => match TcpListener::bind(("::", port)).await {
            // A system without IPv6.
            Err(e) if e.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(("0.0.0.0", port)).await
            }
            bound => bound,
        },
    }
}

fn announce(
    config: &GateConfig,
    limits: &Limits,
    listener: &TcpListener,
    tls: bool,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let version = env!("CARGO_PKG_VERSION");
    let sources = config.upstreams.iter().flat_map(|upstream| &upstream.targets.sources);
    let upstreams: Vec<String> = sources.map(ToString::to_string).collect();
    tracing::info!(
        version,
        address = %address,
        port = address.port(),
        tls,
        upstream = upstreams.join(", "),
        subsets = config.outputs.len() - 1,
        max_body_bytes = limits.body_bytes_max,
        max_line_bytes = limits.line_bytes_max,
        max_series = limits.series_max,
        max_labels = limits.labels_max,
        max_connections = limits.connections_max,
        "Starting server."
    );
    Ok(())
}

/// Counts SIGTERM and SIGINT.
pub(super) fn count_signals() -> io::Result<watch::Receiver<usize>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            count.send_modify(|n| *n += 1);
        }
    });
    Ok(counted)
}

/// Completes once so many signals have come.
pub(super) async fn nth_signal(mut counted: watch::Receiver<usize>, nth: usize) {
    if counted.wait_for(|n| *n >= nth).await.is_err() {
        std::future::pending::<()>().await;
    }
}
