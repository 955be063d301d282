//! The life of a process that is a push proxy and nothing else.

use crate::app::clock;
use crate::app::exit::Exit;
use crate::app::options;
use crate::app::options::random_word;
use crate::app::push::PushOptions;
use crate::app::push::PushProxy;
use crate::app::push::run;
use crate::app::serve::Failure;
use crate::app::serve::count_signals;
use crate::app::serve::drained;
use crate::app::serve::listen;
use crate::app::serve::nth_signal;
use crate::app::serve::runtime;
use crate::app::serve::second_signal;
use crate::config::file::Config;
use crate::config::file::limits::Limits;
use crate::config::file::listen::ListenAddress;
use crate::http::server::ServerLimits;
use crate::telemetry::Metrics;
use std::io;
use std::sync::Arc;

/// Run until a signal ends it.
///
/// # Errors
///
/// Settings that push cannot work with, an address it cannot have, a drain out of time.
pub(in crate::app) fn alone(config: Config) -> Result<(), Failure> {
    if config.web_config_file.is_some() {
        let line = "web_config_file is not served for push yet: remove it, use push.identities";
        return Err(Failure::new(Exit::BadInput, line.to_owned()));
    }
    options::warn(&config.warnings);
    let runtime = runtime()?;
    let done = runtime.block_on(serve(config));
    // What still runs on threads of its own is left behind.
    runtime.shutdown_background();
    done
}

async fn serve(config: Config) -> Result<(), Failure> {
    let Some(settings) = config.push.clone() else { return Ok(()) };
    let ListenAddress { host, port } = settings.listen.as_ref().unwrap_or(&config.listen);
    let listener = listen(host.as_deref(), *port).await?;
    let failed = |e: io::Error| Failure::new(Exit::Failure, e.to_string());
    let signals = count_signals().map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, address = %address, port = address.port(), "Starting the push proxy.");
    let options = PushOptions {
        config: settings,
        directory: config.data_dir.as_ref().map(|directory| directory.join("push")),
        line_bytes_max: config.limits.line_bytes_max,
        clock: clock::system_time_ms,
        random: random_word,
    };
    let proxy = PushProxy::new(options, Arc::new(Metrics::new()));
    let proxy = proxy.map_err(|lines| Failure { exit: Exit::BadInput, lines })?;
    let proxy = Arc::new(proxy);
    let limits = server_limits(&config.limits);
    let stop = nth_signal(signals.clone(), 1);
    tokio::select! {
        drain = run(proxy, limits, listener, stop) => drained(drain),
        () = nth_signal(signals, 2) => Err(second_signal()),
    }
}

/// The bounds of a server.
pub fn server_limits(limits: &Limits) -> ServerLimits {
    ServerLimits {
        connections_max: limits.connections_max,
        header_time_max: limits.header_time_max,
        stall_time_max: limits.stall_time_max,
        drain_time_max: limits.drain_time_max,
    }
}
