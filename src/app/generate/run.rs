//! One run of `weir generate`: what was asked for, done, and how it ended.

use crate::app::analyze::Fetched;
use crate::app::exit::Exit;
use crate::app::generate::Source;
use crate::app::generate::backfill;
use crate::app::generate::backfill::Backfill;
use crate::app::generate::dry_run;
use crate::app::generate::learn;
use crate::app::generate::learn::Learn;
use crate::app::generate::live::Live;
use crate::app::generate::one;
use crate::app::generate::output_failed;
use crate::app::generate::print_invalid;
use crate::app::generate::printed;
use crate::app::generate::remote_write;
use crate::app::generate::remote_write::RemoteWrite;
use crate::app::generate::schema;
use crate::app::generate::serve::CLOCK;
use crate::app::generate::serve::Server;
use crate::app::generate::time::Time;
use crate::app::generate::time::TimeControl;
use crate::app::generate::write::Draft;
use crate::app::generate::write::Progress;
use crate::app::generate::write::write_page;
use crate::app::serve;
use crate::app::serve::Failure;
use crate::config::file::limits::CONNECTIONS_MAX;
use crate::config::file::limits::Limits;
use crate::config::file::listen::ListenAddress;
use crate::http::server::Drain;
use crate::http::server::ServerLimits;
use crate::model::Format;
use std::io;
use std::io::IsTerminal as _;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;

/// A run.
#[derive(Clone, Debug)]
pub enum Task {
    /// Serve until a signal comes, or the end.
    Serve {
        /// What.
        plan: Plan,
        /// `HOST:PORT`.
        listen_address: String,
        /// The port of target 0, if targets have ports of their own.
        target_ports: Option<u16>,
    },
    /// Write one page.
    Write {
        /// What.
        plan: Plan,
        /// A file, or `-`.
        output: PathBuf,
    },
    /// Tell what there would be.
    DryRun(Plan),
    /// Write history.
    Backfill {
        /// What.
        source: Source,
        /// From when to when, and where to.
        backfill: Backfill,
    },
    /// Send by remote write.
    RemoteWrite {
        /// What.
        source: Source,
        /// Which instants, where to and how.
        plan: Box<RemoteWrite>,
    },
    /// Write a configuration.
    Learn(Learn),
    /// Print the JSON schema.
    Schema,
    /// Print something wrong.
    Invalid(String),
}

/// What to show, and of which instant.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What.
    pub source: Source,
    /// Which instant.
    pub time: TimeControl,
    /// Which target, where one is written.
    pub target: u32,
    /// In what format, where it is written.
    pub format: Format,
}

/// Run to the end, telling what went wrong to `err`.
///
/// # Errors
///
/// Telling it failed.
pub fn run(
    task: Task,
    fetch: impl Fn(&str) -> io::Result<Fetched>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let done = match task {
        Task::Serve { plan, listen_address, target_ports } => {
            serve_plan(&plan, &listen_address, target_ports)
        }
        Task::Write { plan, output } => write(&plan, &output, out, err),
        Task::DryRun(plan) => dry(&plan, out),
        Task::Backfill { source, backfill } => fill(&source, &backfill, out, err),
        Task::RemoteWrite { source, plan } => send(&source, *plan, out, err),
        Task::Learn(learn) => learn::run(&learn, fetch, CLOCK(), out),
        Task::Schema => printed(schema(out)),
        Task::Invalid(case) => print_invalid(&case, out),
    };
    let Err(failure) = done else { return Ok(Exit::Clean) };
    for line in &failure.lines {
        writeln!(err, "weir: {line}")?;
    }
    Ok(failure.exit)
}

fn checked(plan: &Plan) -> Result<(), Failure> {
    plan.time.problem().map_or(Ok(()), |problem| Err(one(problem)))
}

fn write(
    plan: &Plan,
    output: &Path,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    checked(plan)?;
    let generator = plan.source.load()?.generator;
    let (target, n_targets) = (plan.target, generator.n_targets());
    if target >= n_targets {
        return Err(one(&format!("--target {target}: there are {n_targets}, counted from 0")));
    }
    let time_ms = Time::new(plan.time, CLOCK, 0).now_ms();
    let name = output.display().to_string();
    if name == "-" {
        let sink = |piece: &[u8]| out.write_all(piece);
        let written = write_page(&generator, target, time_ms, plan.format, sink);
        return printed(written.and_then(|()| out.flush()));
    }
    let stop = backfill::stop_on_signal().map_err(|e| failed(&e.to_string()))?;
    let mut progress = Progress::new(err, io::stderr().is_terminal());
    let mut n_bytes = 0;
    let written = Draft::create(output).and_then(|mut draft| {
        write_page(&generator, target, time_ms, plan.format, |piece| {
            draft.write(piece)?;
            n_bytes += piece.len();
            progress.tell(|| format!("{} MiB", n_bytes >> 20));
            let is_stopped = stop.load(Ordering::Relaxed);
            if is_stopped { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
        })?;
        draft.finish()
    });
    progress.end();
    written.map_err(|e| match e.kind() {
        io::ErrorKind::Interrupted => failed(&format!("stopped; {name:?} is as it was")),
        _ => output_failed(&name, &e),
    })
}

fn dry(plan: &Plan, out: &mut impl Write) -> Result<(), Failure> {
    checked(plan)?;
    let generator = plan.source.load()?.generator;
    let time_ms = Time::new(plan.time, CLOCK, 0).now_ms();
    printed(dry_run::run(&generator, plan.format, time_ms, out))
}

fn fill(
    source: &Source,
    backfill: &Backfill,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let loaded = source.load()?;
    let stop = backfill::stop_on_signal().map_err(|e| failed(&e.to_string()))?;
    let mut progress = Progress::new(err, io::stderr().is_terminal());
    let written = backfill::run(&loaded, backfill, &stop, &mut progress)?;
    let (n_files, n_bytes) = (written.n_files, written.n_bytes);
    let folder = backfill.output_dir.display();
    printed(writeln!(out, "{n_files} files, {n_bytes} bytes in {folder}"))
}

fn send(
    source: &Source,
    plan: RemoteWrite,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let loaded = source.load()?;
    let mut progress = Progress::new(err, io::stderr().is_terminal());
    let runtime = serve::runtime()?;
    let sent = runtime.block_on(async {
        let signals = serve::count_signals().map_err(|e| failed(&e.to_string()))?;
        let stop = serve::nth_signal(signals, 1);
        remote_write::run(loaded, plan, stop, &mut progress).await
    });
    runtime.shutdown_background();
    printed(writeln!(out, "{} samples sent", sent?.n_sent))
}

fn failed(line: &str) -> Failure {
    Failure { exit: Exit::Failure, lines: vec![line.to_owned()] }
}

fn serve_plan(plan: &Plan, listen_address: &str, target_ports: Option<u16>) -> Result<(), Failure> {
    checked(plan)?;
    let loaded = plan.source.load()?;
    let ListenAddress { host, port } = ListenAddress::parse(listen_address, None)
        .map_err(|wrong| one(&format!("--listen-address {listen_address:?}: {wrong}")))?;
    let runtime = serve::runtime()?;
    let ended = runtime.block_on(async {
        let listener = bound(host.as_deref(), port).await?;
        let mut targets = Vec::new();
        if let Some(first) = target_ports {
            let n_targets = loaded.generator.n_targets();
            for target in 0..n_targets {
                // 0 asks for free ports, as elsewhere.
                let step = if first == 0 { Some(0) } else { u16::try_from(target).ok() };
                let port = step.and_then(|step| first.checked_add(step)).ok_or_else(|| {
                    one(&format!("--target-ports {first}: {n_targets} targets need more ports"))
                })?;
                targets.push(bound(host.as_deref(), port).await?);
            }
        }
        let time = Time::new(plan.time, CLOCK, loaded.document.seed());
        announce(&listener, &loaded.generator);
        let live = Live::new(loaded, plan.source.limits());
        serve_until(Server::new(live, time), listener, targets, time).await
    });
    runtime.shutdown_background();
    ended
}

async fn serve_until(
    server: Server,
    listener: TcpListener,
    targets: Vec<TcpListener>,
    time: Time,
) -> Result<(), Failure> {
    let signals = serve::count_signals().map_err(|e| failed(&e.to_string()))?;
    let limits = Limits::default();
    let limits = ServerLimits {
        connections_max: limits.connections_max,
        queue_max: 0,
        queue_time_max: Duration::ZERO,
        header_time_max: limits.header_time_max,
        stall_time_max: limits.stall_time_max,
        drain_time_max: limits.drain_time_max,
    };
    let first_signal = serve::nth_signal(signals.clone(), 1);
    let over = async {
        tokio::select! {
            () = first_signal => {}
            () = end_of(time) => tracing::info!("The end was reached."),
        }
    };
    tokio::select! {
        drain = server.run(listener, targets, limits, over) => match drain {
            Drain::Complete => Ok(()),
            Drain::OutOfTime { n_connections } => {
                Err(failed(&format!("{n_connections} connections were still busy when time ran out")))
            }
        },
        () = serve::nth_signal(signals, 2) => {
            Err(failed("stopped by a second signal, without waiting for open requests"))
        }
    }
}

/// Completes when there is nothing left to show.
async fn end_of(time: Time) {
    loop {
        match time.left_ms() {
            None => std::future::pending().await,
            Some(0) => return,
            // The clock of the system may be set meanwhile.
            Some(left_ms) => tokio::time::sleep(Duration::from_millis(left_ms.min(1000))).await,
        }
    }
}

async fn bound(host: Option<&str>, port: u16) -> Result<TcpListener, Failure> {
    serve::bind(host, port)
        .await
        .map_err(|e| failed(&format!("cannot listen on {}:{port}: {e}", host.unwrap_or_default())))
}

fn announce(listener: &TcpListener, generator: &crate::generate::generator::Generator) {
    let Ok(address) = listener.local_addr() else { return };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %address,
        port = address.port(),
        families = generator.families().len(),
        series = generator.n_series(),
        targets = generator.n_targets(),
        max_connections = CONNECTIONS_MAX,
        "Starting server."
    );
}
