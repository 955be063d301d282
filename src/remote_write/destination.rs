//! A destination: a queue and a sender for each of its URLs.

use super::batch::Batch;
use super::batch::Counts;
use super::destinations::Surroundings;
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
use super::store::Store;
use super::store::TakeOver;
use super::writer::Shape;
use super::writer::Writer;
use crate::http::Client;
use crate::http::Url;
use crate::http::connect::Connector;
use crate::http::tls::TlsClient;
use crate::telemetry::remote_write::RemoteWriteMetrics;
use crate::wire::Version;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One `remote_write` block.
#[derive(Debug)]
pub struct Destination {
    name: String,
    settings: Settings,
    spread: Arc<Spread>,
    book: Option<Arc<Mutex<Book>>>,
    pub(super) lines: Vec<Line>,
}

/// One URL of a destination.
#[derive(Debug)]
pub(super) struct Line {
    /// The folder of its queue.
    pub(super) folder: String,
    pub(super) link: Arc<Link>,
    /// Nothing once somebody has taken over what there is to wait for.
    sending: Mutex<Option<JoinHandle<()>>>,
    /// Whether sending is to end after what is under way.
    is_retired: watch::Sender<bool>,
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

    pub(super) fn status(&self) -> impl Iterator<Item = QueueStatus> {
        self.lines.iter().map(|line| {
            let link = &line.link;
            link.status.report(&link.name, &link.remote.url.to_string())
        })
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
    /// Who sends, to be waited for or to be stopped.
    pub(super) fn take_sending(&self) -> Option<JoinHandle<()>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Send no more after what is under way; completes then.
    pub(super) fn retire(&self) -> impl Future<Output = ()> + Send + 'static {
        self.is_retired.send_replace(true);
        let sending = self.take_sending();
        async move {
            if let Some(sending) = sending {
                // A sender that panicked has said so.
                sending.await.ok();
            }
        }
    }

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

/// What making a destination takes, once its queues are there.
pub(super) struct Making<'a> {
    pub(super) name: String,
    pub(super) surroundings: &'a Surroundings,
    pub(super) metrics: &'a Arc<RemoteWriteMetrics>,
    pub(super) draining: &'a watch::Receiver<bool>,
}

/// A queue that was just opened.
pub(super) struct Opened {
    pub(super) store: Arc<Store>,
    pub(super) status: Arc<Status>,
}

/// Where a line has its queue from.
pub(super) enum Origin<'a> {
    /// It was just opened.
    Opened(Opened),
    /// A line before has it, which sends until it has ended what is under way.
    Before(&'a Line),
}

impl Making<'_> {
    /// Make it, and begin to send.
    pub(super) fn destination(
        self,
        settings: Settings,
        origins: Vec<(String, Origin<'_>)>,
    ) -> Destination {
        let texts: Vec<String> = settings.urls.iter().map(Url::to_string).collect();
        let has_book = settings.metadata.send;
        let book = || Arc::new(Mutex::new(Book::new(settings.metadata.send_interval)));
        let lines = settings.urls.iter().zip(origins).map(|(url, (folder, origin))| {
            self.line(&settings, url, has_book.then(book), (folder, origin))
        });
        let lines = lines.collect();
        let spread = Arc::new(Spread::new(&texts, &settings.shard_by));
        let book = has_book.then(book);
        Destination { name: self.name, settings, spread, book, lines }
    }

    fn line(
        &self,
        settings: &Settings,
        url: &Url,
        book: Option<Arc<Mutex<Book>>>,
        (folder, origin): (String, Origin<'_>),
    ) -> Line {
        let Surroundings { now_ms, random, proxies, .. } = self.surroundings;
        let (store, status) = match &origin {
            Origin::Opened(Opened { store, status }) => (Arc::clone(store), Arc::clone(status)),
            Origin::Before(old) => {
                let metrics = self.metrics.queue(&self.name, &url.to_string());
                (Arc::clone(&old.link.store), Arc::new(Status::new(metrics)))
            }
        };
        status.plan(&settings.queue);
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
        let (is_retired, retired) = watch::channel(false);
        let link = Arc::new(Link {
            name: self.name.clone(),
            store,
            remote,
            version: settings.version,
            queue: settings.queue.clone(),
            isolate_refused: settings.isolate_refused,
            book,
            status,
            now_ms: *now_ms,
            random: *random,
            draining: self.draining.clone(),
            retired,
            is_v1_only: AtomicBool::new(false),
            tally: Tally::default(),
        });
        let sender = Sender::new(Arc::clone(&link));
        let sending = match origin {
            Origin::Opened(_) => tokio::spawn(sender.run()),
            Origin::Before(old) => {
                let (before, url_before) = (old.retire(), old.link.remote.url.to_string());
                let (link, metrics) = (Arc::clone(&link), Arc::clone(self.metrics));
                tokio::spawn(async move {
                    before.await;
                    if url_before != link.remote.url.to_string() {
                        metrics.forget(&link.name, &url_before);
                    }
                    link.store.take_over(TakeOver {
                        config: link.queue.buffer(),
                        durability: link.queue.durability,
                        status: Arc::clone(&link.status),
                    });
                    sender.run().await;
                })
            }
        };
        Line { folder, link, sending: Mutex::new(Some(sending)), is_retired }
    }
}
