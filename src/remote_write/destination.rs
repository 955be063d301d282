//! Destinations: a queue and a sender for each URL of each block.

use super::batch::Batch;
use super::batch::Counts;
use super::metadata::Book;
use super::remote::Remote;
use super::sender::Link;
use super::sender::Sender;
use super::sender::Tally;
use super::settings::Settings;
use super::spread::Spread;
use super::status::QueueStatus;
use super::status::Status;
use super::store::AppendError;
use super::store::Owner;
use super::store::Store;
use super::writer::Shape;
use super::writer::Writer;
use crate::buffer::OpenError;
use crate::buffer::Queue;
use crate::buffer::Recovery;
use crate::disk::DiskDir;
use crate::http::Client;
use crate::http::Url;
use crate::http::connect::Connector;
use crate::http::proxy::ProxyRules;
use crate::http::tls::TlsClient;
use crate::telemetry::remote_write::RemoteWriteMetrics;
use crate::wire::Version;
use siphasher::sip::SipHasher13;
use std::collections::HashSet;
use std::hash::Hasher;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
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
    #[error("cannot use {path:?} for a queue: {source}")]
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
    list: Vec<Arc<Destination>>,
    metrics: Arc<RemoteWriteMetrics>,
    draining: watch::Sender<bool>,
}

/// One `remote_write` block.
#[derive(Debug)]
pub struct Destination {
    name: String,
    settings: Settings,
    spread: Arc<Spread>,
    book: Option<Arc<Mutex<Book>>>,
    lines: Vec<Line>,
}

/// One URL of a destination.
#[derive(Debug)]
struct Line {
    link: Arc<Link>,
    sending: Mutex<Option<JoinHandle<()>>>,
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
        let metrics = Arc::new(RemoteWriteMetrics::new());
        let (draining, watched) = watch::channel(false);
        let mut names = HashSet::new();
        let mut list = Vec::new();
        for block in settings {
            let name = block.name.clone().unwrap_or_else(|| name_of(&block));
            if !names.insert(name.clone()) {
                return Err(StartError::SameName { name });
            }
            list.push((name, block));
        }
        let mut opened = Vec::new();
        for (name, block) in list {
            let open = Opening {
                name,
                surroundings: &surroundings,
                metrics: &metrics,
                draining: &watched,
            };
            opened.push(Arc::new(open.destination(block).await?));
        }
        Ok(Arc::new(Self { list: opened, metrics, draining }))
    }

    /// Each of them, in the order of their settings.
    pub fn list(&self) -> &[Arc<Destination>] {
        &self.list
    }

    /// What they count.
    pub fn metrics(&self) -> &Arc<RemoteWriteMetrics> {
        &self.metrics
    }

    /// How each queue is doing.
    pub fn status(&self) -> Vec<QueueStatus> {
        let lines = self.list.iter().flat_map(|destination| &destination.lines);
        lines
            .map(|line| {
                let link = &line.link;
                link.status.report(&link.name, &link.remote.url.to_string())
            })
            .collect()
    }

    /// Take no more appends, send what can be sent in time, and make the rest safe. What cannot be
    /// sent is left for the next start.
    pub async fn drain(&self, within: Duration) {
        let deadline = Instant::now() + within;
        for line in self.list.iter().flat_map(|destination| &destination.lines) {
            line.link.store.close();
        }
        self.draining.send_replace(true);
        let mut all = JoinSet::new();
        for line in self.list.iter().flat_map(|destination| &destination.lines) {
            let sending = line.sending.lock().unwrap_or_else(PoisonError::into_inner).take();
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
        while all.join_next().await.is_some() {}
    }
}

impl Drop for Destinations {
    fn drop(&mut self) {
        for line in self.list.iter().flat_map(|destination| &destination.lines) {
            let sending = line.sending.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(sending) = sending {
                sending.abort();
            }
        }
    }
}

impl Destination {
    /// Its name, as metrics have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is asked to do.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a body of this version that holds this much may be appended as it is.
    pub fn takes_whole(&self, version: Version, counts: &Counts) -> bool {
        let settings = &self.settings;
        version == settings.version
            && settings.urls.len() == 1
            && counts.n_points() <= settings.queue.samples_per_send_max
            && (settings.send_exemplars || counts.n_exemplars == 0)
            && (settings.send_native_histograms || counts.n_histograms == 0)
            && (settings.metadata.send || counts.n_metadata == 0)
    }

    /// A writer of batches for it.
    pub fn writer(&self) -> Writer {
        Writer::new(Shape::of(&self.settings), Arc::clone(&self.spread), self.book.clone())
    }

    /// Append batches. They are durable when this completes, unless the settings ask for less.
    ///
    /// # Errors
    ///
    /// See [`AppendError`]. Nothing is promised then; some of it may be sent all the same.
    pub async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError> {
        if let [line] = &self.lines[..] {
            return line.append(batches).await;
        }
        let mut parts: Vec<Vec<Batch>> = self.lines.iter().map(|_| Vec::new()).collect();
        for batch in batches {
            if let Some(part) = parts.get_mut(batch.queue) {
                part.push(batch);
            }
        }
        let mut all = Vec::new();
        for (line, part) in self.lines.iter().zip(parts).filter(|(_, part)| !part.is_empty()) {
            all.push(Box::pin(line.append(part)));
        }
        join_all(all).await
    }

    /// Count what a writer left out.
    pub fn note_left_out(&self, writer: &mut Writer) {
        let left_out = writer.take_left_out();
        if let Some(line) = self.lines.first() {
            line.link.status.left_out(&left_out);
        }
    }
}

/// Run all together; the first error, if there is one.
async fn join_all<F: Future<Output = Result<(), AppendError>> + Unpin>(
    mut all: Vec<F>,
) -> Result<(), AppendError> {
    let mut told = Ok(());
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| match std::pin::Pin::new(one).poll(cx) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(done) => {
                if told.is_ok() {
                    told = done;
                }
                false
            }
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    told
}

impl Line {
    async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError> {
        if batches.is_empty() {
            return Ok(());
        }
        let mut counts = Counts::default();
        for batch in &batches {
            counts.add(&batch.counts);
        }
        self.link.store.append(batches).await?;
        self.link.tally.came_in(counts.n_points() as u64);
        self.link.status.appended(counts.newest_ms);
        Ok(())
    }
}

/// What opening a destination takes.
struct Opening<'a> {
    name: String,
    surroundings: &'a Surroundings,
    metrics: &'a RemoteWriteMetrics,
    draining: &'a watch::Receiver<bool>,
}

impl Opening<'_> {
    async fn destination(self, settings: Settings) -> Result<Destination, StartError> {
        let texts: Vec<String> = settings.urls.iter().map(Url::to_string).collect();
        let has_book = settings.metadata.send;
        let book = || Arc::new(Mutex::new(Book::new(settings.metadata.send_interval)));
        let mut lines = Vec::new();
        for (url, text) in settings.urls.iter().zip(&texts) {
            lines.push(self.line(&settings, url, text, has_book.then(book)).await?);
        }
        let Self { name, .. } = self;
        let spread = Arc::new(Spread::new(&texts, &settings.shard_by));
        let book = has_book.then(book);
        Ok(Destination { name, settings, spread, book, lines })
    }

    async fn line(
        &self,
        settings: &Settings,
        url: &Url,
        text: &str,
        book: Option<Arc<Mutex<Book>>>,
    ) -> Result<Line, StartError> {
        let folder = match settings.urls.len() {
            1 => self.name.clone(),
            _ => format!("{}-{:08x}", self.name, short_hash(text)),
        };
        let path = self.surroundings.data_dir.join(QUEUES).join(escape(&folder));
        let Surroundings { now_ms, random, proxies, .. } = self.surroundings;
        let (queue, recovery) = open(path.clone(), settings, random()).await?;
        announce(&self.name, &path, &recovery);
        let status = Arc::new(Status::new(self.metrics.queue(&self.name, text)));
        status.plan(&settings.queue);
        status.queue_is(queue.n_unacked(), queue.n_bytes(), &queue.stats());
        let store = Store::start(Owner {
            name: self.name.clone(),
            queue,
            durability: settings.queue.durability,
            status: Arc::clone(&status),
            now_ms: *now_ms,
        });
        let store = store.map_err(|source| StartError::Directory { path, source })?;
        let tls = TlsClient::new(settings.client.tls.clone());
        let client = Client::with_connector(Connector::new(proxies.clone(), tls));
        let client = client.keeping(settings.queue.shards_max);
        let remote = Remote {
            client,
            url: url.clone(),
            settings: settings.client.clone(),
            time_max: settings.remote_timeout,
            retry_on_http_429: settings.queue.retry_on_http_429,
        };
        let link = Arc::new(Link {
            name: self.name.clone(),
            store: Arc::new(store),
            remote,
            version: settings.version,
            queue: settings.queue.clone(),
            isolate_refused: settings.isolate_refused,
            book,
            status,
            now_ms: *now_ms,
            random: *random,
            draining: self.draining.clone(),
            is_v1_only: AtomicBool::new(false),
            tally: Tally::default(),
        });
        let sending = tokio::spawn(Sender::new(Arc::clone(&link)).run());
        Ok(Line { link, sending: Mutex::new(Some(sending)) })
    }
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
