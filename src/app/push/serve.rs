//! The life of a process that is a push proxy and nothing else.

use crate::app::clock;
use crate::app::exit::Exit;
use crate::app::gate::Reload;
use crate::app::options;
use crate::app::options::Options;
use crate::app::options::random_word;
use crate::app::push::PushOptions;
use crate::app::push::PushProxy;
use crate::app::push::run;
use crate::app::reload;
use crate::app::serve::Failure;
use crate::app::serve::count_signals;
use crate::app::serve::drained;
use crate::app::serve::listen;
use crate::app::serve::nth_signal;
use crate::app::serve::runtime;
use crate::app::serve::second_signal;
use crate::app::web;
use crate::config::file::Config;
use crate::config::file::limits::Limits;
use crate::config::file::listen::ListenAddress;
use crate::config::file::push::PushConfig;
use crate::http::server::Drain;
use crate::http::server::ServerLimits;
use crate::http::web::Web;
use crate::telemetry::Metrics;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Jobs come in crowds and do not come again: so many wait for others to be done and are not refused …
const QUEUE_MAX: usize = 16 * 1024;
/// … if that leaves so many files of those the process may have open, for the journal and the like …
const FILES_LEFT: usize = 256;
/// … for so long.
pub(in crate::app) const QUEUE_TIME_MAX: Duration = Duration::from_secs(5);

/// Run until a signal ends it.
///
/// # Errors
///
/// Settings that push cannot work with, an address it cannot have, a drain out of time.
pub(in crate::app) fn alone(options: &Options, config: Config) -> Result<(), Failure> {
    if !config.remote_write.is_empty() {
        let line = "remote_write: what is pushed is not sent, unless upstreams and push.in_metrics make it part of what is scraped";
        return Err(Failure::new(Exit::BadInput, line.to_owned()));
    }
    options::warn(&config.warnings);
    let runtime = runtime()?;
    let done = runtime.block_on(serve(config, options.clone()));
    // What still runs on threads of its own is left behind.
    runtime.shutdown_background();
    done
}

async fn serve(config: Config, options: Options) -> Result<(), Failure> {
    let Some(settings) = config.push.clone() else { return Ok(()) };
    let front = web::front(config.web_config_file.as_deref(), config.open_probes);
    let front = front.await.map_err(|lines| Failure { exit: Exit::BadInput, lines })?;
    let tls = front.web.tls().is_some();
    let ListenAddress { host, port } = settings.listen.as_ref().unwrap_or(&config.listen);
    let listener = listen(host.as_deref(), *port).await?;
    let failed = |e: io::Error| Failure::new(Exit::Failure, e.to_string());
    let signals = count_signals().map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let version = env!("CARGO_PKG_VERSION");
    let port = address.port();
    tracing::info!(version, address = %address, port, tls, "Starting the push proxy.");
    let proxy = open(&config, settings, &front.web)?;
    let limits = server_limits(&config.limits);
    let stop = nth_signal(signals.clone(), 1);
    let (reloading, web) = (Arc::clone(&proxy), Arc::clone(&front.web));
    let make = move |config: &Config| {
        let gone = || vec!["push: it is gone, and nothing else is served: restart weir".to_owned()];
        take_settings(&reloading, config.push.clone().ok_or_else(gone)?, &web)
    };
    let reloads = reload::watch(options, config, make).map_err(failed)?;
    proxy.answer_reloads(reloads.ask);
    let taken = take_over(Arc::clone(&proxy), reloads.come);
    tokio::select! {
        drain = run(proxy, front, limits, listener, stop) => drained(drain),
        () = nth_signal(signals, 2) => Err(second_signal()),
        () = taken => Ok(()),
    }
}

/// Tell of configurations that were read again; they are in force already. For ever.
async fn take_over(proxy: Arc<PushProxy>, mut come: mpsc::Receiver<Reload<()>>) {
    while let Some(Reload { outcome, reply }) = come.recv().await {
        proxy.tell_reload(&outcome);
        if let Some(reply) = reply {
            // Who asked may have gone.
            reply.send(outcome).ok();
        }
    }
    std::future::pending::<()>().await;
}

/// The push proxy of a configuration, behind what stands before its server.
pub(in crate::app) fn open(
    config: &Config,
    settings: PushConfig,
    web: &Web,
) -> Result<Arc<PushProxy>, Failure> {
    let bad = |lines| Failure { exit: Exit::BadInput, lines };
    check_names(&settings, web).map_err(bad)?;
    let options = PushOptions {
        config: settings,
        directory: config.data_dir.as_ref().map(|directory| directory.join("push")),
        line_bytes_max: config.limits.line_bytes_max,
        clock: clock::system_time_ms,
        random: random_word,
    };
    PushProxy::new(options, Arc::new(Metrics::new())).map(Arc::new).map_err(bad)
}

/// Take over a new configuration, behind what stands before its server.
///
/// # Errors
///
/// What is wrong with it, a line each.
pub(in crate::app) fn take_settings(
    proxy: &PushProxy,
    settings: PushConfig,
    web: &Web,
) -> Result<(), Vec<String>> {
    check_names(&settings, web)?;
    proxy.reload(settings)
}

fn check_names(settings: &PushConfig, web: &Web) -> Result<(), Vec<String>> {
    let names_clients = settings.identities.iter().any(|who| !who.client_names.is_empty());
    if names_clients && !web.tls().is_some_and(|tls| tls.verifies_clients) {
        let line = "push.identities: client_names need a web_config_file whose client_auth_type is VerifyClientCertIfGiven or RequireAndVerifyClientCert";
        return Err(vec![line.to_owned()]);
    }
    Ok(())
}

/// Serve push at an address of its own beside a gate, for ever.
pub(in crate::app) async fn beside(
    proxy: Arc<PushProxy>,
    config: &Config,
    address: &ListenAddress,
    shutdown: impl Future<Output = ()>,
) -> Result<Drain, Failure> {
    let front = web::front(config.web_config_file.as_deref(), config.open_probes);
    let front = front.await.map_err(|lines| Failure { exit: Exit::BadInput, lines })?;
    let listener = listen(address.host.as_deref(), address.port).await?;
    let address = listener.local_addr();
    let address = address.map_err(|e| Failure::new(Exit::Failure, e.to_string()))?;
    tracing::info!(address = %address, "Starting the push proxy.");
    Ok(run(proxy, front, server_limits(&config.limits), listener, shutdown).await)
}

/// How many clients may wait for a connection.
pub(in crate::app) fn queue_max(limits: &Limits) -> usize {
    // Where the system does not tell, there are enough.
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let n_files = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let n_files: usize = n_files.unwrap_or(usize::MAX);
    n_files.saturating_sub(limits.connections_max).saturating_sub(FILES_LEFT).min(QUEUE_MAX)
}

/// The bounds of a server.
pub fn server_limits(limits: &Limits) -> ServerLimits {
    ServerLimits {
        connections_max: limits.connections_max,
        queue_max: queue_max(limits),
        queue_time_max: QUEUE_TIME_MAX,
        header_time_max: limits.header_time_max,
        stall_time_max: limits.stall_time_max,
        drain_time_max: limits.drain_time_max,
    }
}
