//! Reading the configuration again: at SIGHUP, at `POST /-/reload`, and when its file has changed:
//! the configuration file, or that of the rules where flags name one.
//!
//! A file counts as changed when it reads differently and has read the same twice in a row: what
//! is being written is left alone, and the way Kubernetes swaps the files of a `ConfigMap` makes no
//! difference. A file that was found bad is not tried again until it reads differently.

use crate::app::check;
use crate::app::gate::Reload;
use crate::app::gate::ReloadReply;
use crate::app::gate::Reloads;
use crate::app::options;
use crate::app::options::Options;
use crate::config::file::Config;
use crate::config::file::push::PushConfig;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::time::Interval;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

/// How often the file is looked at.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Requests for a reload that may wait; who comes then waits to be let in.
const ASKED_MAX: usize = 8;

/// Begin to watch for reasons to read the configuration again. `running` is what it was at first;
/// `make` makes of one what is taken over.
///
/// # Errors
///
/// The system does not give signals.
pub(super) fn watch<T: Send + 'static>(
    options: Options,
    running: Config,
    make: impl Fn(&Config) -> Result<T, Vec<String>> + Send + Sync + 'static,
) -> io::Result<Reloads<T>> {
    let hangup = signal(SignalKind::hangup())?;
    let (send, come) = mpsc::channel(1);
    let (ask, asked) = mpsc::channel(ASKED_MAX);
    let ask = running.enable_reload.then_some(ask);
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let path = options.config_file.clone().or_else(|| options.relabel_file.clone());
    let make = Arc::new(make);
    let reloader = Reloader { options: Arc::new(options), running, make, path, send };
    tokio::spawn(reloader.run(hangup, asked, looks));
    Ok(Reloads { come, ask })
}

/// What makes a reload.
struct Reloader<T, F> {
    options: Arc<Options>,
    running: Config,
    make: Arc<F>,
    /// The file that is watched, if one is.
    path: Option<PathBuf>,
    send: mpsc::Sender<Reload<T>>,
}

impl<T, F> Reloader<T, F>
where
    T: Send + 'static,
    F: Fn(&Config) -> Result<T, Vec<String>> + Send + Sync + 'static,
{
    async fn run(
        mut self,
        mut hangup: Signal,
        mut asked: mpsc::Receiver<ReloadReply>,
        mut looks: Interval,
    ) {
        let mut watched = Watched::new(self.look().await);
        loop {
            let reply = tokio::select! {
                signal = hangup.recv() => match signal {
                    Some(()) => None,
                    None => return,
                },
                Some(reply) = asked.recv() => Some(reply),
                _ = looks.tick(), if self.path.is_some() => {
                    if !watched.is_changed(self.look().await) {
                        continue;
                    }
                    tracing::info!("The configuration file has changed.");
                    None
                }
            };
            watched = Watched::new(self.look().await);
            let outcome = self.load().await;
            if self.send.send(Reload { outcome, reply }).await.is_err() {
                return;
            }
        }
    }

    /// The text of the watched file; `None` if it cannot be read.
    async fn look(&self) -> Option<String> {
        let path = self.path.clone()?;
        tokio::task::spawn_blocking(move || check::read_text(&path).ok()).await.ok()?
    }

    async fn load(&mut self) -> Result<T, Vec<String>> {
        let (options, make) = (Arc::clone(&self.options), Arc::clone(&self.make));
        let read = tokio::task::spawn_blocking(move || {
            let config = options.config()?;
            let new = make(&config)?;
            Ok((config, new))
        });
        let (config, new) = read.await.map_err(|e| vec![e.to_string()]).flatten()?;
        options::warn(&config.warnings);
        for key in changed_for_restart(&self.running, &config) {
            tracing::warn!(key, "A changed setting takes effect after a restart.");
        }
        Ok(new)
    }
}

/// Settings that differ and that a running process does not take over.
fn changed_for_restart(running: &Config, new: &Config) -> Vec<&'static str> {
    let (old_limits, limits) = (&running.limits, &new.limits);
    let differ = [
        ("listen_address", running.listen != new.listen),
        ("web_config_file", running.web_config_file != new.web_config_file),
        ("open_probes", running.open_probes != new.open_probes),
        ("push", running.push.is_some() != new.push.is_some()),
        ("push.listen_address", differs_in(running, new, |push| &push.listen)),
        ("push.utf8_names", differs_in(running, new, |push| &push.utf8_names)),
        ("push.forward", differs_in(running, new, |push| &push.forward)),
        ("push.in_metrics", differs_in(running, new, |push| &push.in_metrics)),
        ("data_dir", running.data_dir != new.data_dir),
        ("scrape_interval", running.scrape_interval != new.scrape_interval),
        ("receive", running.receive.is_some() != new.receive.is_some()),
        ("log_level", running.log_level != new.log_level),
        ("log_format", running.log_format != new.log_format),
        ("enable_reload", running.enable_reload != new.enable_reload),
        ("max_connections", old_limits.connections_max != limits.connections_max),
        ("header_timeout", old_limits.header_time_max != limits.header_time_max),
        ("write_timeout", old_limits.stall_time_max != limits.stall_time_max),
        ("drain_timeout", old_limits.drain_time_max != limits.drain_time_max),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// Whether both have `push` and differ in a setting of it.
fn differs_in<V: PartialEq>(a: &Config, b: &Config, of: impl Fn(&PushConfig) -> &V) -> bool {
    a.push.as_ref().zip(b.push.as_ref()).is_some_and(|(a, b)| of(a) != of(b))
}

/// How a file read when it was taken over, and when it was last looked at.
#[derive(Debug)]
pub(super) struct Watched<T> {
    taken: Option<T>,
    seen: Option<T>,
}

impl<T: Clone + PartialEq> Watched<T> {
    pub(super) fn new(content: Option<T>) -> Self {
        Self { seen: content.clone(), taken: content }
    }

    /// Whether the file has changed and is not just being written.
    pub(super) fn is_changed(&mut self, content: Option<T>) -> bool {
        let is_settled = content == self.seen;
        self.seen = content;
        is_settled && self.seen != self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_changed_once_it_reads_the_same_twice() {
        let mut watched = Watched::new(Some("a".to_owned()));
        let mut look = |text: Option<&str>| watched.is_changed(text.map(str::to_owned));
        assert!(!look(Some("a")));
        // Being written.
        assert!(!look(Some("b")));
        assert!(!look(Some("bc")));
        assert!(look(Some("bc")));
        // Back to what it was.
        assert!(!look(Some("a")));
        assert!(!look(Some("a")));
        // Gone between two versions, and gone for good.
        assert!(!look(None));
        assert!(!look(Some("a")));
        assert!(!look(None));
        assert!(look(None));
    }

    #[test]
    fn settings_that_need_a_restart_are_named() {
        let old = Config::default();
        let mut new = old.clone();
        new.subset_timestamps = false;
        assert!(changed_for_restart(&old, &new).is_empty());
        new.listen.port = 1;
        new.limits.connections_max = 1;
        assert_eq!(changed_for_restart(&old, &new), ["listen_address", "max_connections"]);
    }
}
