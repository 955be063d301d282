//! From a queue to its destination, round by round, until the destination has answered for good.

use super::backoff::Backoff;
use super::batch::Counts;
use super::metadata::Book;
use super::remote::Outcome;
use super::remote::Remote;
use super::round;
use super::round::Outgoing;
use super::round::Plan;
use super::round::Round;
use super::round::RoundBuilder;
use super::settings::QueueSettings;
use super::shards;
use super::shards::Interval;
use super::shards::Load;
use super::status::Status;
use super::store::Item;
use super::store::Noting;
use super::store::Store;
use crate::wire::Version;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout_at;

/// Requests made to find the bad series of one refused batch, at most.
const ISOLATING_REQUESTS_MAX: usize = 128;

/// What sending needs to know. Shared by the requests of a round.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) store: Arc<Store>,
    pub(super) remote: Remote,
    pub(super) version: Version,
    pub(super) queue: QueueSettings,
    pub(super) isolate_refused: bool,
    pub(super) book: Option<Arc<Mutex<Book>>>,
    pub(super) status: Arc<Status>,
    pub(super) now_ms: fn() -> i64,
    pub(super) random: fn() -> u64,
    /// Whether weir is draining: what fails is left for the next start.
    pub(super) draining: watch::Receiver<bool>,
    /// Whether sending is to end, since the configuration is another.
    pub(super) retired: watch::Receiver<bool>,
    /// The destination turned out to know 1.0 only.
    pub(super) is_v1_only: AtomicBool,
    pub(super) tally: Tally,
}

/// What happened since it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Tally {
    n_in: AtomicU64,
    n_out: AtomicU64,
    busy_micros: AtomicU64,
    has_failed: AtomicBool,
}

impl Tally {
    pub(super) fn came_in(&self, n_points: u64) {
        self.n_in.fetch_add(n_points, Ordering::Relaxed);
    }
}

/// What became of a request that was sent until there was a final answer.
enum End {
    Delivered,
    Refused {
        status: u16,
        message: String,
    },
    Unsupported {
        message: String,
    },
    TooOld,
    /// weir ends before there was an answer.
    GivenUp,
}

/// Sends what a queue holds until weir drains.
pub(super) struct Sender {
    link: Arc<Link>,
    gatherer: Gatherer,
    load: Load,
    decided: Instant,
}

/// Gets records from the queue and makes rounds of them.
struct Gatherer {
    link: Arc<Link>,
    n_shards: usize,
    ahead: VecDeque<Item>,
    reading: Option<oneshot::Receiver<Vec<Item>>>,
    /// For the average size of a record.
    n_points: u64,
    n_records: u64,
}

impl Sender {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let n_shards = link.queue.shards_min;
        let gatherer = Gatherer {
            link: Arc::clone(&link),
            n_shards,
            ahead: VecDeque::new(),
            reading: None,
            n_points: 0,
            n_records: 0,
        };
        Self { link, gatherer, load: Load::default(), decided: Instant::now() }
    }

    /// Send until the queue is closed and empty, weir drains and the destination fails, or this is
    /// retired.
    pub(super) async fn run(mut self) {
        self.link.status.shards_are(self.gatherer.n_shards, 1.0);
        let mut next = self.gatherer.next().await;
        let mut delivered: Option<Noting> = None;
        while let Some(round) = next {
            // What is sent next may come again after a kill; what was delivered is not to.
            if let Some(noting) = delivered.take() {
                self.link.store.noted(noting).await;
            }
            // The next round is made while this one is on its way.
            let (noting, gathered) = tokio::join!(deliver(&self.link, round), self.gatherer.next());
            if noting.is_none() {
                return;
            }
            delivered = noting;
            self.reshard();
            next = gathered;
        }
    }

    fn reshard(&mut self) {
        let elapsed = self.decided.elapsed();
        if elapsed < shards::INTERVAL {
            return;
        }
        self.decided = Instant::now();
        let (tally, gatherer) = (&self.link.tally, &mut self.gatherer);
        let take = |counter: &AtomicU64| to_f64(counter.swap(0, Ordering::Relaxed));
        let n_records = self.link.status.metrics.records.get();
        let points_per_record = to_f64(gatherer.n_points) / to_f64(gatherer.n_records.max(1));
        let interval = Interval {
            n_in: take(&tally.n_in),
            n_out: take(&tally.n_out),
            busy_seconds: take(&tally.busy_micros) / 1e6,
            seconds: elapsed.as_secs_f64(),
            n_pending: n_records * points_per_record,
            has_failed: tally.has_failed.swap(false, Ordering::Relaxed),
        };
        let QueueSettings { shards_min, shards_max, .. } = self.link.queue;
        gatherer.n_shards = self.load.decide(interval, gatherer.n_shards, shards_min, shards_max);
        self.link.status.shards_are(gatherer.n_shards, self.load.desired);
    }
}

impl Gatherer {
    /// The next round; nothing if there is none, or none is to be sent any more.
    async fn next(&mut self) -> Option<Round> {
        let mut retired = self.link.retired.clone();
        tokio::select! {
            biased;
            _ = retired.wait_for(|is_retired| *is_retired) => None,
            round = self.gather() => round,
        }
    }

    /// The next round, perhaps without requests; nothing if the queue is closed and empty.
    async fn gather(&mut self) -> Option<Round> {
        let link = Arc::clone(&self.link);
        let is_v1_only = link.is_v1_only.load(Ordering::Relaxed);
        let mut builder = RoundBuilder::new(Plan {
            version: if is_v1_only { Version::V1 } else { link.version },
            n_shards: self.n_shards,
            points_max: link.queue.samples_per_send_max,
            bytes_max: link.queue.bytes_per_send_max,
            book: link.book.clone(),
        });
        self.fill(&mut builder).await;
        if builder.is_empty() {
            return None;
        }
        let round = builder.finish();
        self.n_points += round.n_points as u64;
        self.n_records += round.n_records;
        link.status.left_out(&round.left_out);
        if round.n_undecodable > 0 {
            let n_records = round.n_undecodable;
            tracing::error!(remote_name = link.name, n_records, "Records are unreadable.");
            link.status.undecodable(n_records);
        }
        Some(round)
    }

    /// Put records into a round until it is full, its first one has waited long enough, or no more
    /// will come.
    async fn fill(&mut self, builder: &mut RoundBuilder) {
        let mut deadline = None;
        let mut draining = self.link.draining.clone();
        loop {
            while let Some(item) = self.ahead.pop_front() {
                if let Err(item) = builder.offer(item) {
                    self.ahead.push_front(item);
                    return;
                }
                if builder.is_full() {
                    return;
                }
            }
            if !builder.is_empty() && deadline.is_none() {
                deadline = Some(Instant::now() + self.link.queue.batch_send_deadline);
            }
            let points_max = self.link.queue.samples_per_send_max * self.n_shards;
            let store = &self.link.store;
            let reading = self.reading.get_or_insert_with(|| store.read(points_max));
            let far = deadline.unwrap_or_else(|| Instant::now() + Duration::from_hours(1));
            let is_waiting = !*draining.borrow_and_update();
            tokio::select! {
                read = timeout_at(far, reading) => match read {
                    Ok(Ok(items)) => {
                        self.reading = None;
                        if items.is_empty() {
                            return;
                        }
                        self.ahead.extend(items);
                    }
                    // The thread has ended.
                    Ok(Err(_)) => return,
                    Err(_) if deadline.is_some() => return,
                    Err(_) => {}
                },
                // The queue is closed then: what there is comes at once.
                changed = draining.changed(), if is_waiting => if changed.is_err() {
                    return;
                },
            }
        }
    }
}

/// Make the requests of a round; what is to be noted when all have a final answer.
async fn deliver(link: &Arc<Link>, round: Round) -> Option<Noting> {
    let Round { mut requests, last_sequence, oldest_ms, newest_ms, n_points, .. } = round;
    let span = (oldest_ms, newest_ms);
    link.status.sending(n_points, (link.now_ms)().saturating_sub(oldest_ms).max(0));
    let mut is_done = true;
    if requests.len() == 1
        && let Some(request) = requests.pop()
    {
        is_done = finish(link, request, span).await;
    } else {
        let mut all = JoinSet::new();
        for request in requests {
            let link = Arc::clone(link);
            all.spawn(async move { finish(&link, request, span).await });
        }
        while let Some(joined) = all.join_next().await {
            is_done &= joined.unwrap_or(false);
        }
    }
    is_done.then(|| {
        link.status.sending(0, 0);
        link.store.ack(last_sequence)
    })
}

/// Send a request, and what becomes of it, until all has a final answer. `span` says when the oldest
/// and the newest of its records were appended.
async fn finish(link: &Link, request: Outgoing, span: (i64, i64)) -> bool {
    let mut left = vec![request];
    let mut n_isolating = 0;
    while let Some(request) = left.pop() {
        if request.body.is_empty() {
            continue;
        }
        if request.version == Version::V2 && link.is_v1_only.load(Ordering::Relaxed) {
            left.extend(as_v1(link, &request));
            continue;
        }
        match attempt(link, &request, span).await {
            End::Delivered => {
                link.status.sent(&request.counts, request.body.len());
                link.status.delivered(request.counts.newest_ms);
            }
            End::GivenUp => return false,
            End::TooOld => link.status.dropped("too_old", &request.counts),
            End::Unsupported { message } => {
                fall_back(link, &message);
                left.push(request);
            }
            End::Refused { status, message } => {
                let may_isolate = link.isolate_refused
                    && status == 400
                    && request.counts.n_series > 1
                    && n_isolating < ISOLATING_REQUESTS_MAX;
                if let Some([first, second]) = may_isolate.then(|| round::halve(&request)).flatten()
                {
                    n_isolating += 2;
                    link.status.metrics.isolating.inc_by(2);
                    left.extend([second, first]);
                    continue;
                }
                refused(link, &request, status, &message);
            }
        }
    }
    true
}

fn refused(link: &Link, request: &Outgoing, status: u16, message: &str) {
    let Counts { n_series, n_samples, n_histograms, .. } = request.counts;
    link.status.sent(&request.counts, request.body.len());
    link.status.failed(&request.counts, message);
    tracing::error!(
        remote_name = link.name,
        url = %link.remote.url,
        status,
        n_series,
        n_samples,
        n_histograms,
        error = message,
        "The destination refused a batch, which is gone."
    );
}

/// The destination gets 1.0 from now on.
fn fall_back(link: &Link, message: &str) {
    if !link.is_v1_only.swap(true, Ordering::Relaxed) {
        link.status.metrics.fallbacks.inc();
        tracing::warn!(
            remote_name = link.name,
            url = %link.remote.url,
            reason = message,
            "The destination does not know Remote-Write 2.0: it gets 1.0 from now on."
        );
    }
}

/// The request as one of 1.0.
fn as_v1(link: &Link, request: &Outgoing) -> Option<Outgoing> {
    let translated = round::translate(request, Version::V1, link.book.clone());
    let Some((translated, left_out)) = translated else {
        link.status.undecodable(1);
        return None;
    };
    link.status.left_out(&left_out);
    Some(translated)
}

/// Send one request until there is a final answer.
async fn attempt(link: &Link, request: &Outgoing, (oldest_ms, newest_ms): (i64, i64)) -> End {
    let QueueSettings { min_backoff, max_backoff, sample_age_limit, .. } = link.queue;
    let mut backoff = Backoff::new(min_backoff, max_backoff);
    let (mut draining, mut retired) = (link.draining.clone(), link.retired.clone());
    let mut n_tried = 0_u32;
    loop {
        let now_ms = (link.now_ms)();
        let age = u64::try_from(now_ms.saturating_sub(newest_ms)).unwrap_or(0);
        if sample_age_limit.is_some_and(|max| Duration::from_millis(age) > max) {
            return End::TooOld;
        }
        let began = Instant::now();
        let outcome = link.remote.send(request, n_tried, now_ms).await;
        note(link, request, began.elapsed());
        let (message, after) = match outcome {
            Outcome::Delivered { missing } => {
                if let Some(missing) = missing {
                    not_written(link, missing);
                }
                return End::Delivered;
            }
            Outcome::Refused { status, message } => return End::Refused { status, message },
            Outcome::Unsupported { message } => return End::Unsupported { message },
            Outcome::Retry { message, after } => (message, after),
        };
        link.status.retried(&request.counts, &message);
        link.tally.has_failed.store(true, Ordering::Relaxed);
        if n_tried == 0 {
            let (remote_name, error) = (link.name.as_str(), message.as_str());
            tracing::warn!(remote_name, url = %link.remote.url, error, "Sending failed, trying again.");
        }
        n_tried = n_tried.saturating_add(1);
        link.status.sending(request.counts.n_points(), now_ms.saturating_sub(oldest_ms).max(0));
        let wait = backoff.next(after, (link.random)());
        tokio::select! {
            () = sleep(wait) => {}
            _ = draining.wait_for(|is_draining| *is_draining) => return End::GivenUp,
            _ = retired.wait_for(|is_retired| *is_retired) => return End::GivenUp,
        }
    }
}

/// The answer was good, but not all was written.
fn not_written(link: &Link, [samples, histograms, exemplars]: [u64; 3]) {
    let message = "the destination answered well, but says it has not written all of it";
    let to_u32 = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let counts = Counts {
        n_samples: to_u32(samples),
        n_histograms: to_u32(histograms),
        n_exemplars: to_u32(exemplars),
        ..Counts::default()
    };
    link.status.failed(&counts, message);
    tracing::error!(remote_name = link.name, url = %link.remote.url, samples, histograms, exemplars,
        "{message}.");
}

fn note(link: &Link, request: &Outgoing, took: Duration) {
    link.status.metrics.sent_duration.observe(took.as_secs_f64());
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    link.tally.busy_micros.fetch_add(micros, Ordering::Relaxed);
    link.tally.n_out.fetch_add(request.counts.n_points() as u64, Ordering::Relaxed);
}

#[expect(clippy::cast_precision_loss, reason = "rates are about right anyway")]
fn to_f64(n: u64) -> f64 {
    n as f64
}
