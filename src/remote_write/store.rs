//! A queue, and the thread that owns it.
//!
//! Reading and writing files blocks, so a thread does it, and whoever wants something puts it into
//! the inbox. All appends that came while the disk was busy are written together, synced once and
//! answered together.

use super::batch::Batch;
use super::batch::KIND;
use super::settings::Durability;
use super::status::Status;
use crate::buffer::AppendError as BufferError;
use crate::buffer::Config;
use crate::buffer::Queue;
use crate::buffer::Record;
use crate::disk::DiskDir;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

/// Bytes that may wait in memory for the disk; what comes then is refused.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Bytes one read gives at most, but for a single record.
const READ_BYTES_MAX: usize = 16 << 20;
/// How often the cursor is made durable, old records are dropped, and what is in memory only is
/// written.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(500);
/// What a client is told to wait when there is no room.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a destination did not take what it was given. Nothing is promised of it then.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// There is no room.
    #[error("the queue of {name} is full; the destination is too slow, or raise max_bytes")]
    Full {
        /// Which destination's.
        name: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// weir is about to end.
    #[error("weir is draining")]
    Closed,
    /// The disk refuses. It is asked again with the next append.
    #[error("the queue of {name} cannot be written: {message}")]
    Disk {
        /// Which destination's.
        name: String,
        /// What the system said of which file.
        message: String,
    },
    /// A message is longer than a record may be.
    #[error("a message of {n_bytes} bytes is longer than the {max} a record may have")]
    TooLong {
        /// How long it is.
        n_bytes: usize,
        /// How long it may be.
        max: usize,
    },
}

/// A batch of the queue.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) sequence: u64,
    pub(super) time_ms: i64,
    /// Nothing if the record is none this program knows.
    pub(super) batch: Option<Batch>,
}

/// What who appended is told.
#[derive(Debug)]
struct Done {
    result: Result<(), AppendError>,
    /// What is sent next, for who sends.
    relay: Option<Relay>,
}

/// What was read, on its way to who asked. It is handed over when it is dropped, whoever does that:
/// a thread that is woken for an append hands over what there is to send, and no other has to be
/// woken for it.
#[derive(Debug)]
struct Relay(Option<(oneshot::Sender<Vec<Item>>, Vec<Item>)>);

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some((answer, items)) = self.0.take() {
            // Who asked is gone: whoever comes next reads again from what was acknowledged.
            answer.send(items).ok();
        }
    }
}

type Answer = oneshot::Sender<Done>;

/// A handle on the queue of one URL.
#[derive(Debug)]
pub(super) struct Store {
    name: String,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    inbox: Mutex<Inbox>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Inbox {
    appends: Vec<Append>,
    waiting_bytes: usize,
    acked: Option<Acked>,
    read: Option<Read>,
    /// Whether there is nothing to read that the thread knows of: who asks waits for an append.
    is_drained: bool,
    take_over: Option<TakeOver>,
    /// No more appends.
    is_closed: bool,
    /// The thread is to end.
    is_ended: bool,
}

/// What a new configuration changes of a queue.
#[derive(Debug)]
pub(super) struct TakeOver {
    pub(super) config: Config,
    pub(super) durability: Durability,
    pub(super) status: Arc<Status>,
}

#[derive(Debug)]
struct Append {
    batches: Vec<Batch>,
    answer: Answer,
}

/// What was acknowledged is about to be noted.
#[derive(Debug)]
pub(super) struct Noting(oneshot::Receiver<()>);

#[derive(Debug)]
struct Acked {
    sequence: u64,
    noted: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Read {
    points_max: usize,
    answer: oneshot::Sender<Vec<Item>>,
}

/// Who a thread works for.
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) queue: Queue<DiskDir>,
    pub(super) durability: Durability,
    pub(super) status: Arc<Status>,
    pub(super) now_ms: fn() -> i64,
}

impl Store {
    /// Give a queue to a thread of its own.
    pub(super) fn start(owner: Owner) -> io::Result<Self> {
        let name = owner.name.clone();
        let shared = Arc::new(Shared { inbox: Mutex::default(), wake: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("weir-queue".to_owned())
            .spawn(move || Worker::new(owner).run(&of_thread))?;
        Ok(Self { name, shared, thread: Mutex::new(Some(thread)) })
    }

    /// Append batches; completes when they are durable, or taken if that is enough.
    pub(super) async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError> {
        let n_bytes: usize = batches.iter().map(|batch| batch.body.len()).sum();
        let (answer, answered) = oneshot::channel();
        {
            let mut inbox = self.lock();
            if inbox.is_closed {
                return Err(AppendError::Closed);
            }
            if inbox.waiting_bytes > 0 && inbox.waiting_bytes + n_bytes > WAITING_BYTES_MAX {
                return Err(self.full());
            }
            inbox.waiting_bytes += n_bytes;
            inbox.appends.push(Append { batches, answer });
        }
        self.shared.wake.notify_one();
        let Ok(Done { result, relay }) = answered.await else { return Err(AppendError::Closed) };
        drop(relay);
        result
    }

    fn full(&self) -> AppendError {
        AppendError::Full { name: self.name.clone(), retry_after: RETRY_AFTER }
    }

    /// Ask for the next batches, of `points_max` samples or a little more. They come once there
    /// are any; none come once the queue is closed and has no more. One read at a time.
    pub(super) fn read(&self, points_max: usize) -> oneshot::Receiver<Vec<Item>> {
        let (answer, items) = oneshot::channel();
        let mut inbox = self.lock();
        inbox.read = Some(Read { points_max, answer });
        let is_to_wait = inbox.is_drained && !inbox.is_closed;
        drop(inbox);
        if !is_to_wait {
            self.shared.wake.notify_one();
        }
        items
    }

    /// All up to here has got its final answer. It is noted with what the thread does next, so
    /// that it need not be woken for it: before a read is served, or when time has passed.
    pub(super) fn ack(&self, sequence: u64) -> Noting {
        let (answer, noted) = oneshot::channel();
        self.lock().acked = Some(Acked { sequence, noted: answer });
        Noting(noted)
    }

    /// Completes once what was acknowledged is noted, so that it does not come again after a
    /// kill; or could not be.
    pub(super) async fn noted(&self, Noting(mut noted): Noting) {
        if noted.try_recv() == Err(TryRecvError::Empty) {
            self.shared.wake.notify_one();
            // A thread that has ended notes nothing.
            noted.await.ok();
        }
    }

    /// Go on like this, and read again from what was not acknowledged. Nobody reads at the time.
    pub(super) fn take_over(&self, take_over: TakeOver) {
        let mut inbox = self.lock();
        inbox.read = None;
        inbox.take_over = Some(take_over);
        drop(inbox);
        self.shared.wake.notify_one();
    }

    /// Take no more appends.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.shared.wake.notify_one();
    }

    /// End the thread, once the cursor is safe.
    pub(super) async fn end(&self) {
        {
            let mut inbox = self.lock();
            inbox.is_closed = true;
            inbox.is_ended = true;
        }
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has said so.
            tokio::task::spawn_blocking(move || thread.join().is_ok()).await.ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.lock().is_ended = true;
        self.shared.wake.notify_one();
    }
}

/// The thread's side.
struct Worker {
    owner: Owner,
    reads: VecDeque<Read>,
    housekeeping_at: Instant,
    /// The cursor on disk may be lost with the machine.
    is_cursor_soft: bool,
    is_disk_bad: bool,
    is_closed: bool,
}

impl Worker {
    fn new(owner: Owner) -> Self {
        Self {
            owner,
            reads: VecDeque::new(),
            housekeeping_at: Instant::now() + HOUSEKEEPING_INTERVAL,
            is_cursor_soft: false,
            is_disk_bad: false,
            is_closed: false,
        }
    }

    fn run(mut self, shared: &Shared) {
        loop {
            let work = self.wait(shared);
            let is_ended = work.is_ended;
            self.is_closed = work.is_closed;
            // First, since sending waits for it, and it does not wait for the disk.
            if let Some(acked) = work.acked {
                self.note_acked(acked);
            }
            if let Some(TakeOver { config, durability, status }) = work.take_over {
                self.owner.queue.set_config(config);
                self.owner.queue.rewind();
                (self.owner.durability, self.owner.status) = (durability, status);
                self.reads.clear();
            }
            let answers = self.commit(work.appends);
            if self.is_closed && self.owner.queue.n_pending() > 0 {
                // Only what is on disk is read, and who reads now is told that there is no more.
                self.sync().ok();
            }
            self.reads.extend(work.read);
            let mut relay = self.serve_read();
            for (answer, result) in answers {
                // Who asked may have gone.
                answer.send(Done { result, relay: relay.take() }).ok();
            }
            drop(relay);
            if is_ended || Instant::now() >= self.housekeeping_at {
                self.keep_house();
            }
            if is_ended {
                return;
            }
        }
    }

    /// Take what is in the inbox, once there is anything, or time has passed.
    fn wait(&self, shared: &Shared) -> Inbox {
        let mut inbox = shared.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.is_drained = !self.owner.queue.may_have_unread();
        let left = self.housekeeping_at.saturating_duration_since(Instant::now());
        let is_idle = |inbox: &mut Inbox| {
            let is_empty = inbox.appends.is_empty() && inbox.acked.is_none();
            let is_open = !inbox.is_ended && inbox.is_closed == self.is_closed;
            let is_read = inbox.read.is_none() || inbox.is_drained && !inbox.is_closed;
            is_empty && is_read && is_open && inbox.take_over.is_none()
        };
        let waited = shared.wake.wait_timeout_while(inbox, left, is_idle);
        let (mut inbox, _) = waited.unwrap_or_else(PoisonError::into_inner);
        inbox.waiting_bytes = 0;
        Inbox {
            appends: std::mem::take(&mut inbox.appends),
            acked: inbox.acked.take(),
            read: inbox.read.take(),
            take_over: inbox.take_over.take(),
            waiting_bytes: 0,
            is_drained: inbox.is_drained,
            is_closed: inbox.is_closed,
            is_ended: inbox.is_ended,
        }
    }

    fn note_acked(&mut self, Acked { sequence, noted: answer }: Acked) {
        self.owner.queue.ack(sequence);
        self.is_cursor_soft = true;
        let noted = self.owner.queue.note_cursor().map_err(|e| describe(&e));
        self.note_disk(noted);
        // Who sends may have gone.
        answer.send(()).ok();
    }

    /// Write all of them and sync once; gives what each is to be told.
    fn commit(&mut self, appends: Vec<Append>) -> Vec<(Answer, Result<(), AppendError>)> {
        if appends.is_empty() {
            return Vec::new();
        }
        let now_ms = (self.owner.now_ms)();
        let is_relaxed = self.owner.durability == Durability::Relaxed;
        if is_relaxed && self.owner.queue.n_pending_bytes() > WAITING_BYTES_MAX {
            // What was taken stays in memory until the disk has it; there may be no more of it.
            if let Err(message) = self.sync() {
                let error = self.disk_error(message);
                return appends.into_iter().map(|one| (one.answer, Err(error.clone()))).collect();
            }
        }
        let put = |Append { batches, answer }| (answer, self.put(&batches, now_ms));
        let mut answers: Vec<_> = appends.into_iter().map(put).collect();
        let n_put = answers.iter().filter(|(_, result)| result.is_ok()).count();
        self.owner.status.group_committed(n_put as u64);
        let written = if is_relaxed { Ok(()) } else { self.sync() };
        if let Err(message) = written {
            self.owner.queue.discard_pending();
            let error = self.disk_error(message);
            for (_, result) in answers.iter_mut().filter(|(_, result)| result.is_ok()) {
                *result = Err(error.clone());
            }
        }
        answers
    }

    fn disk_error(&self, message: String) -> AppendError {
        AppendError::Disk { name: self.owner.name.clone(), message }
    }

    fn put(&mut self, batches: &[Batch], now_ms: i64) -> Result<(), AppendError> {
        let queue = &mut self.owner.queue;
        for batch in batches {
            match queue.append_parts(KIND, &[&batch.head(), &batch.body], now_ms) {
                Ok(_) => {}
                Err(BufferError::TooLong { n_bytes, max }) => {
                    return Err(AppendError::TooLong { n_bytes, max });
                }
                Err(_) => {
                    self.owner.status.refused_full();
                    let name = self.owner.name.clone();
                    return Err(AppendError::Full { name, retry_after: RETRY_AFTER });
                }
            }
        }
        Ok(())
    }

    /// Sync; after a failure once more, in a new segment.
    fn sync(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let queue = &mut self.owner.queue;
        let synced = queue.sync().or_else(|_| queue.sync()).map_err(|e| describe(&e));
        self.owner.status.synced(began.elapsed());
        self.note_disk(synced.clone());
        synced
    }

    /// Say once when the disk begins to fail, and once when it is well again.
    fn note_disk(&mut self, done: Result<(), String>) {
        let name = self.owner.name.as_str();
        match done {
            Ok(()) if self.is_disk_bad => {
                tracing::info!(remote_name = name, "The queue can be written again.");
                self.is_disk_bad = false;
            }
            Err(error) => {
                self.owner.status.disk_failed();
                if !self.is_disk_bad {
                    tracing::error!(remote_name = name, error, "The queue cannot be written.");
                }
                self.is_disk_bad = true;
            }
            Ok(()) => {}
        }
    }

    /// What who waits for records is to get, if there is anything.
    fn serve_read(&mut self) -> Option<Relay> {
        while self.reads.front().is_some_and(|read| read.answer.is_closed()) {
            self.reads.pop_front();
        }
        let items = self.read_some(self.reads.front()?.points_max);
        if items.is_empty() && !self.is_closed {
            return None;
        }
        let read = self.reads.pop_front()?;
        Some(Relay(Some((read.answer, items))))
    }

    fn read_some(&mut self, points_max: usize) -> Vec<Item> {
        let now_ms = (self.owner.now_ms)();
        let (mut items, mut n_points, mut n_bytes) = (Vec::new(), 0, 0);
        while n_points < points_max && n_bytes < READ_BYTES_MAX {
            match self.owner.queue.read(now_ms) {
                Ok(Some(Record { sequence, kind, time_ms, payload })) => {
                    n_bytes += payload.len();
                    let batch = Some(payload).filter(|_| kind == KIND).and_then(Batch::decode);
                    n_points += batch.as_ref().map_or(1, |batch| batch.counts.n_points().max(1));
                    items.push(Item { sequence, time_ms, batch });
                }
                Ok(None) => break,
                // It is tried again with the next work, and skipped the third time.
                Err(error) => {
                    let error = error.to_string();
                    let remote_name = self.owner.name.as_str();
                    tracing::error!(remote_name, error, "The queue cannot be read.");
                    break;
                }
            }
        }
        items
    }

    fn keep_house(&mut self) {
        self.housekeeping_at = Instant::now() + HOUSEKEEPING_INTERVAL;
        if self.owner.queue.n_pending() > 0 {
            // It stays in memory if this fails, and is tried again.
            self.sync().ok();
        }
        self.owner.queue.expire((self.owner.now_ms)());
        if self.is_cursor_soft {
            let saved = self.owner.queue.save_cursor().map_err(|e| describe(&e));
            self.is_cursor_soft = saved.is_err();
            self.note_disk(saved);
        }
        let queue = &self.owner.queue;
        self.owner.status.queue_is(queue.n_unacked(), queue.n_bytes(), &queue.stats());
    }
}

fn describe(error: &crate::buffer::SyncError) -> String {
    format!("{error}: {}", error.source)
}
