//! `--web.config.file`: who may ask, and how, read at the start, at SIGHUP, and when it or a file it
//! names has changed.
//!
//! As with the configuration file, what is being written is left alone, and what is bad changes
//! nothing but a metric and the log. Certificates that are renewed are used by the connections that
//! come after.

use crate::app::check;
use crate::app::gate::Front;
use crate::app::options::directory_of;
use crate::app::options::random_word;
use crate::app::reload::LOOK_INTERVAL;
use crate::app::reload::Watched;
use crate::config::Finding;
use crate::config::file::web;
use crate::http::web::Prepared;
use crate::http::web::Web;
use crate::http::web::WebSettings;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

/// Read the file and begin to watch it; without a file anybody may ask, in plain HTTP.
///
/// # Errors
///
/// Everything that is wrong with it, a line each.
pub(super) async fn front(file: Option<&Path>, opens_probes: bool) -> Result<Front, Vec<String>> {
    let Some(path) = file else { return Ok(Front::open()) };
    let text = check::read_text(path).map_err(|e| vec![format!("--web.config.file: {e}")])?;
    let (prepared, warnings) = prepare(path, &text).await?;
    for warning in warnings {
        let warning = warning.to_string();
        tracing::warn!(warning, "The web configuration is allowed but probably not meant.");
    }
    let watched = Watched::new(Some((text, Ok(prepared.clone()))));
    let web = Web::new(prepared, opens_probes, random_word).await.map_err(|e| vec![e])?;
    let web = Arc::new(web);
    let told = |e: io::Error| vec![e.to_string()];
    let hangup = signal(SignalKind::hangup()).map_err(told)?;
    let (tell, reloaded) = mpsc::channel(1);
    let task = Watcher { path: path.to_owned(), web: Arc::clone(&web), tell };
    tokio::spawn(task.run(watched, hangup));
    Ok(Front { web, reloaded })
}

/// What a web configuration and the files it names hold, if it is right.
///
/// # Errors
///
/// Everything that is wrong with it, a line each.
pub(super) async fn prepare(
    path: &Path,
    text: &str,
) -> Result<(Prepared, Vec<Finding>), Vec<String>> {
    let name = path.display().to_string();
    let (settings, warnings) = web::parse(&name, text, directory_of(path))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let prepared = Prepared::read(settings).await.map_err(|e| vec![format!("{name}: {e}")])?;
    Ok((prepared, warnings))
}

/// Read what the settings name, and make of it what a server would.
///
/// # Errors
///
/// A file cannot be read, or does not hold what it should.
pub(super) fn try_out(settings: WebSettings) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let prepared = Prepared::read(settings).await?;
        Web::new(prepared, false, random_word).await.map(drop)
    })
}

/// A text, and what came of reading it.
type Read = (String, Result<Prepared, Vec<String>>);

struct Watcher {
    path: PathBuf,
    web: Arc<Web>,
    /// Whether it could be read again, each time.
    tell: mpsc::Sender<bool>,
}

impl Watcher {
    async fn run(self, mut watched: Watched<Read>, mut hangup: Signal) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                signal = hangup.recv() => if signal.is_none() { return },
                _ = looks.tick() => if !watched.is_changed(self.look().await) { continue },
            }
            let read = self.look().await;
            watched = Watched::new(read.clone());
            let outcome = match read {
                Some((_, Ok(prepared))) => self.web.replace(prepared).await.map_err(|e| vec![e]),
                Some((_, Err(errors))) => Err(errors),
                None => Err(vec![format!("cannot read {:?}", self.path.display())]),
            };
            if let Err(errors) = &outcome {
                for error in errors {
                    let error = error.as_str();
                    tracing::error!(
                        error,
                        "The new web configuration is bad, going on with the old one."
                    );
                }
            } else {
                tracing::info!("Reloaded the web configuration.");
            }
            if self.tell.send(outcome.is_ok()).await.is_err() {
                return;
            }
        }
    }

    /// The file as it is now; `None` if it cannot be read.
    async fn look(&self) -> Option<Read> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || check::read_text(&path).ok());
        let text = read.await.ok()??;
        let prepared = prepare(&self.path, &text).await.map(|(prepared, _)| prepared);
        Some((text, prepared))
    }
}
