//! All destinations: started, changed by a reload, drained.

use super::destination::Destination;
use super::destination::Line;
use super::destination::Making;
use super::destination::Opened;
use super::destination::Origin;
use super::settings::Settings;
use super::status::QueueStatus;
use super::status::Status;
use super::store::Owner;
use super::store::Store;
use crate::buffer::OpenError;
use crate::buffer::Queue;
use crate::buffer::Recovery;
use crate::disk::DiskDir;
use crate::http::Url;
use crate::http::proxy::ProxyRules;
use crate::telemetry::remote_write::RemoteWriteMetrics;
use arc_swap::ArcSwap;
use siphasher::sip::SipHasher13;
use std::collections::HashSet;
use std::hash::Hasher;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::timeout_at;

/// Where queues are, below the data directory.
const QUEUES: &str = "queues";

/// What destinations need from outside.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where queues are kept.
    pub data_dir: PathBuf,
    /// Proxies between here and the destinations.
    pub proxies: ProxyRules,
    /// The wall clock, in milliseconds since 1970.
    pub now_ms: fn() -> i64,
    /// Words nobody can foresee.
    pub random: fn() -> u64,
}

/// Why sending cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Two queues would be the same.
    #[error("two remote_write blocks are called {name:?}: give each a name of its own")]
    SameName {
        /// The name.
        name: String,
    },
    /// The directory cannot be used.
    #[error("cannot use {path:?}, below data_dir, for a queue: {source}")]
    Directory {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The queue cannot be opened.
    #[error("cannot open the queue in {path:?}: {source}")]
    Open {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
}

/// All destinations.
#[derive(Debug)]
pub struct Destinations {
    list: ArcSwap<Vec<Arc<Destination>>>,
    surroundings: Surroundings,
    metrics: Arc<RemoteWriteMetrics>,
    draining: watch::Sender<bool>,
    /// Those that are gone from the list and still end what is under way, by folder.
    leaving: Mutex<Vec<(String, JoinHandle<()>)>>,
}

/// A destination that is kept, or how one is made.
enum Planned {
    Kept(Arc<Destination>),
    Made { name: String, settings: Box<Settings>, queues: Vec<(String, Option<Opened>)> },
}

impl Destinations {
    /// Open the queues and begin to send.
    ///
    /// # Errors
    ///
    /// A queue cannot be opened, or two have the same name.
    pub async fn start(
        settings: Vec<Settings>,
        surroundings: Surroundings,
    ) -> Result<Arc<Self>, StartError> {
        let (draining, _) = watch::channel(false);
        let all = Self {
            list: ArcSwap::default(),
            surroundings,
            metrics: Arc::new(RemoteWriteMetrics::new()),
            draining,
            leaving: Mutex::default(),
        };
        all.reload(settings).await?;
        Ok(Arc::new(all))
    }

    /// Have these destinations from now on; one reload at a time.
    ///
    /// Those whose settings are the same go on undisturbed. Where other settings have the same
    /// queue, what is under way is ended with the old ones, then sending goes on with the new.
    /// Gives those there were, for [`Destinations::dismiss`] once nobody appends to them.
    ///
    /// # Errors
    ///
    /// A queue cannot be opened, or two have the same name. Then nothing has changed.
    pub async fn reload(
        &self,
        settings: Vec<Settings>,
    ) -> Result<Arc<Vec<Arc<Destination>>>, StartError> {
        let before = self.list();
        let mut planned = Vec::new();
        // What may fail comes first.
        for (name, settings) in named(settings)? {
            planned.push(self.plan(&before, name, settings).await?);
        }
        let draining = self.draining.subscribe();
        let make = |planned| match planned {
            Planned::Kept(destination) => destination,
            Planned::Made { name, settings, queues } => {
                let making = Making {
                    name,
                    surroundings: &self.surroundings,
                    metrics: &self.metrics,
                    draining: &draining,
                };
                let origin = |(folder, opened): (String, Option<Opened>)| {
                    let origin = match (opened, line_of(&before, &folder)) {
                        (Some(opened), _) => Origin::Opened(opened),
                        (None, line) => Origin::Before(line?),
                    };
                    Some((folder, origin))
                };
                let origins = queues.into_iter().filter_map(origin).collect();
                Arc::new(making.destination(*settings, origins))
            }
        };
        let list: Vec<_> = planned.into_iter().map(make).collect();
        self.list.store(Arc::new(list));
        Ok(before)
    }

    /// Let those of before that are gone end what is under way; what they have not sent stays on
    /// disk.
    pub fn dismiss(&self, before: &[Arc<Destination>]) {
        let list = self.list();
        for line in before.iter().flat_map(|destination| &destination.lines) {
            if line_of(&list, &line.folder).is_none() {
                self.leave(line);
            }
        }
    }

    async fn plan(
        &self,
        before: &[Arc<Destination>],
        name: String,
        settings: Settings,
    ) -> Result<Planned, StartError> {
        let is_same = |old: &&Arc<Destination>| old.name() == name && *old.settings() == settings;
        if let Some(kept) = before.iter().find(is_same) {
            return Ok(Planned::Kept(Arc::clone(kept)));
        }
        let mut queues = Vec::new();
        for url in &settings.urls {
            let folder = match settings.urls.len() {
                1 => name.clone(),
                _ => format!("{name}-{:08x}", short_hash(&url.to_string())),
            };
            let opened = match line_of(before, &folder) {
                Some(_) => None,
                None => Some(self.open(&name, &folder, url, &settings).await?),
            };
            queues.push((folder, opened));
        }
        Ok(Planned::Made { name, settings: Box::new(settings), queues })
    }

    async fn open(
        &self,
        name: &str,
        folder: &str,
        url: &Url,
        settings: &Settings,
    ) -> Result<Opened, StartError> {
        self.settle(folder).await;
        let Surroundings { data_dir, now_ms, random, .. } = &self.surroundings;
        let path = data_dir.join(QUEUES).join(escape(folder));
        let (queue, recovery) = open(path.clone(), settings, random()).await?;
        announce(name, &path, &recovery);
        let status = Arc::new(Status::new(self.metrics.queue(name, &url.to_string())));
        status.queue_is(queue.n_unacked(), queue.n_bytes(), &queue.stats());
        let store = Store::start(Owner {
            name: name.to_owned(),
            queue,
            durability: settings.queue.durability,
            status: Arc::clone(&status),
            now_ms: *now_ms,
        });
        let store = store.map_err(|source| StartError::Directory { path, source })?;
        Ok(Opened { store: Arc::new(store), status })
    }

    /// Wait until who had a folder before has left it.
    async fn settle(&self, folder: &str) {
        let leaving = {
            let mut all = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|(_, leaving)| !leaving.is_finished());
            let at = all.iter().position(|(left, _)| left == folder);
            at.map(|at| all.swap_remove(at).1)
        };
        if let Some(leaving) = leaving {
            // It ends by itself, as requests do.
            leaving.await.ok();
        }
    }

    /// Let a line end what is under way and leave its queue as it is then.
    fn leave(&self, old: &Line) {
        let retired = old.retire();
        let link = Arc::clone(&old.link);
        let metrics = Arc::clone(&self.metrics);
        link.store.close();
        let leaving = tokio::spawn(async move {
            retired.await;
            link.store.end().await;
            let (remote_name, url) = (link.name.as_str(), link.remote.url.to_string());
            let n_records = link.status.n_records();
            metrics.forget(remote_name, &url);
            tracing::info!(
                remote_name,
                url,
                n_records,
                "The destination is gone; what was not sent stays in its queue on disk."
            );
        });
        let mut all = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((old.folder.clone(), leaving));
    }

    /// Each of them as of now, in the order of their settings.
    pub fn list(&self) -> Arc<Vec<Arc<Destination>>> {
        self.list.load_full()
    }

    /// What they count.
    pub fn metrics(&self) -> &Arc<RemoteWriteMetrics> {
        &self.metrics
    }

    /// How each queue is doing.
    pub fn status(&self) -> Vec<QueueStatus> {
        self.list().iter().flat_map(|destination| destination.status()).collect()
    }

    /// Take no more appends, send what can be sent in time, and make the rest safe. What cannot be
    /// sent is left for the next start.
    pub async fn drain(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let list = self.list();
        for line in list.iter().flat_map(|destination| &destination.lines) {
            line.link.store.close();
        }
        self.draining.send_replace(true);
        let mut all = JoinSet::new();
        for line in list.iter().flat_map(|destination| &destination.lines) {
            let sending = line.take_sending();
            let store = Arc::clone(&line.link.store);
            all.spawn(async move {
                if let Some(mut sending) = sending
                    && timeout_at(deadline, &mut sending).await.is_err()
                {
                    sending.abort();
                }
                store.end().await;
            });
        }
        let leaving =
            std::mem::take(&mut *self.leaving.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, leaving) in leaving {
            // What does not end in time ends with the process; its cursor is noted all the same.
            all.spawn(async move { drop(timeout_at(deadline, leaving).await) });
        }
        while all.join_next().await.is_some() {}
    }
}

impl Drop for Destinations {
    fn drop(&mut self) {
        for line in self.list().iter().flat_map(|destination| &destination.lines) {
            if let Some(sending) = line.take_sending() {
                sending.abort();
            }
        }
    }
}

/// The line that has the queue of this folder.
fn line_of<'a>(list: &'a [Arc<Destination>], folder: &str) -> Option<&'a Line> {
    list.iter().flat_map(|destination| &destination.lines).find(|line| line.folder == folder)
}

/// Each with its name.
fn named(settings: Vec<Settings>) -> Result<Vec<(String, Settings)>, StartError> {
    let mut names = HashSet::new();
    let mut list = Vec::new();
    for block in settings {
        let name = block.name.clone().unwrap_or_else(|| name_of(&block));
        if !names.insert(name.clone()) {
            return Err(StartError::SameName { name });
        }
        list.push((name, block));
    }
    Ok(list)
}

/// Open a queue, which reads all of it, beside other work.
async fn open(
    path: PathBuf,
    settings: &Settings,
    salt: u64,
) -> Result<(Queue<DiskDir>, Recovery), StartError> {
    let config = settings.queue.buffer();
    let of_task = path.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let path = of_task;
        let dir = DiskDir::open(&path)
            .map_err(|source| StartError::Directory { path: path.clone(), source })?;
        Queue::open(dir, config, salt).map_err(|source| StartError::Open { path, source })
    });
    opened.await.unwrap_or_else(|error| {
        Err(StartError::Directory { path, source: io::Error::other(error) })
    })
}

fn announce(name: &str, path: &Path, recovery: &Recovery) {
    let Recovery { n_records, n_damaged, n_torn_bytes, is_cursor_lost, .. } = *recovery;
    tracing::info!(
        remote_name = name,
        path = %path.display(),
        n_records,
        n_damaged,
        n_torn_bytes,
        is_cursor_lost,
        "Opened a queue."
    );
}

/// A name for a block without one: the same as long as its URLs are.
fn name_of(settings: &Settings) -> String {
    let all: Vec<String> = settings.urls.iter().map(Url::to_string).collect();
    format!("{:08x}", short_hash(&all.join(" ")))
}

fn short_hash(text: &str) -> u32 {
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    u32::try_from(hasher.finish() >> 32).unwrap_or(0)
}

/// A name of a folder that leads nowhere else.
fn escape(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let all_plain = name.chars().all(is_plain) && !name.is_empty();
    if all_plain {
        return name.to_owned();
    }
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{plain}-{:08x}", short_hash(name))
}
