//! The store on disk: a durable queue of changes, and now and then a snapshot in it.
//!
//! A change is appended while the store is locked, so that the order on disk is that of the store,
//! and answered when it is durable. One thread writes: it appends all that wait, syncs once and
//! answers all. Once a snapshot is durable, what stands before it is acknowledged and goes.

use crate::app::push::record::Entry;
use crate::app::push::record::GroupState;
use crate::app::push::record::Replay;
use crate::app::push::refusal::Refusal;
use crate::buffer;
use crate::buffer::Queue;
use crate::disk::DiskDir;
use crate::push::store::Store;
use http::StatusCode;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Changes that may wait to be written; their bytes are bounded by those of open pushes.
const WAITING_MAX: usize = 16 * 1024;
/// Changes that are synced at a time.
const BATCH_MAX: usize = 1024;
/// A record holds a push, whose body was larger than what was sent by the labels of its group.
const RECORD_BYTES_MAX: usize = 1 << 30;
/// A snapshot is synced whenever so much of it waits.
const SYNC_BYTES: u64 = 8 << 20;
/// A log of less than this is not worth a snapshot …
const LOG_BYTES_MIN: u64 = 32 << 20;
/// … and neither is one of less than so many snapshots.
const LOG_PER_SNAPSHOT: u64 = 3;

/// Work for the thread that writes.
enum Work {
    Append(Entry, Option<oneshot::Sender<Result<(), String>>>),
    Snapshot(Vec<GroupState>, i64),
}

/// The way to the thread that writes. When it is dropped, what was sent is written and the
/// directory free for others.
#[derive(Debug)]
pub(super) struct Journal {
    /// There until it is dropped.
    send: Option<mpsc::SyncSender<Work>>,
    wants_snapshot: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.send = None;
        // One that panicked has told so.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Resolves when a change is durable.
pub(super) type Durable = oneshot::Receiver<Result<(), String>>;

impl Journal {
    /// Open the journal in a directory, and do again what it says; the store has no limits yet.
    ///
    /// # Errors
    ///
    /// The directory cannot be had or read, or was written by a newer weir.
    pub(super) fn open(directory: &Path, random: fn() -> u64) -> Result<(Self, Store), String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", directory.display());
        let dir = DiskDir::open(directory).map_err(|e| failed(&e))?;
        let config = buffer::Config { record_bytes_max: RECORD_BYTES_MAX, ..Default::default() };
        let (mut queue, found) = Queue::open(dir, config, random()).map_err(|e| failed(&e))?;
        let mut replay = Replay::new(random);
        replay.read(&mut queue).map_err(|e| failed(&e))?;
        let (store, n_bad) = replay.finish();
        tracing::info!(
            records = found.n_records,
            damaged = found.n_damaged,
            unreadable = n_bad,
            groups = store.n_groups(),
            series = store.n_series(),
            "Read what was pushed before."
        );
        let (send, work) = mpsc::sync_channel(WAITING_MAX);
        let wants_snapshot = Arc::new(AtomicBool::new(false));
        let writer =
            Writer { queue, log_bytes_max: LOG_BYTES_MIN, wants: Arc::clone(&wants_snapshot) };
        let thread = std::thread::Builder::new().name("push-journal".to_owned());
        let thread = thread.spawn(move || writer.run(&work)).map_err(|e| failed(&e))?;
        Ok((Self { send: Some(send), wants_snapshot, thread: Some(thread) }, store))
    }

    /// Append a change. Whoever calls holds the store.
    pub(super) fn append(&self, entry: Entry) -> Result<Durable, Refusal> {
        let (done, durable) = oneshot::channel();
        if self.is_sent(Work::Append(entry, Some(done))) {
            return Ok(durable);
        }
        let line = "too many pushes wait for the disk";
        let refusal = Refusal::later("journal", line, Duration::from_secs(1));
        Err(Refusal { status: StatusCode::SERVICE_UNAVAILABLE, ..refusal })
    }

    /// Append a change nobody waits for. Where it cannot be, it is done again, or of no importance.
    pub(super) fn note(&self, entry: Entry) {
        self.is_sent(Work::Append(entry, None));
    }

    /// Begin a snapshot if the log has grown long. Whoever calls holds the store.
    pub(super) fn snapshot_if_wanted(&self, store: &Store, now_ms: i64) {
        if self.wants_snapshot.swap(false, Ordering::Relaxed) {
            let work = Work::Snapshot(GroupState::all(store), now_ms);
            if !self.is_sent(work) {
                self.wants_snapshot.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Send work, unless too much waits.
    fn is_sent(&self, work: Work) -> bool {
        self.send.as_ref().is_some_and(|send| send.try_send(work).is_ok())
    }
}

/// Wait until a change is durable.
pub(super) async fn wait(durable: Durable) -> Result<(), Refusal> {
    let error = match durable.await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(_) => "the journal has ended".to_owned(),
    };
    let line = format!("the push cannot be stored: {error}");
    Err(Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "disk", line))
}

/// The thread that writes.
struct Writer {
    queue: Queue<DiskDir>,
    log_bytes_max: u64,
    wants: Arc<AtomicBool>,
}

impl Writer {
    fn run(mut self, work: &mpsc::Receiver<Work>) {
        while let Ok(first) = work.recv() {
            let mut waiting = Vec::new();
            let mut next = Some(first);
            while let Some(work_now) = next.take() {
                match work_now {
                    Work::Append(entry, done) => waiting.push((self.append(&entry), done)),
                    Work::Snapshot(groups, now_ms) => self.snapshot(&groups, now_ms),
                }
                if waiting.len() < BATCH_MAX {
                    next = work.try_recv().ok();
                }
            }
            let synced = self.queue.sync().map_err(|e| told(&e));
            for (appended, done) in waiting {
                if let Some(done) = done {
                    // Who waited may have gone.
                    done.send(appended.and_then(|()| synced.clone())).ok();
                }
            }
            if let Err(error) = synced {
                tracing::error!(error, "Cannot write what was pushed.");
            }
            if self.queue.n_bytes() > self.log_bytes_max {
                self.log_bytes_max = u64::MAX;
                self.wants.store(true, Ordering::Relaxed);
            }
        }
    }

    fn append(&mut self, entry: &Entry) -> Result<(), String> {
        let appended = self.queue.append(entry.kind, &entry.payload, entry.now_ms);
        appended.map(|_| ()).map_err(|e| e.to_string())
    }

    fn snapshot(&mut self, groups: &[GroupState], now_ms: i64) {
        if let Err(error) = self.write_snapshot(groups, now_ms) {
            tracing::error!(error, "Cannot write a snapshot of what was pushed.");
        }
        let n_bytes = self.queue.n_bytes().saturating_mul(LOG_PER_SNAPSHOT);
        self.log_bytes_max = LOG_BYTES_MIN.max(n_bytes);
    }

    fn write_snapshot(&mut self, groups: &[GroupState], now_ms: i64) -> Result<(), String> {
        let begin = Entry::begin(now_ms);
        let appended = self.queue.append(begin.kind, &begin.payload, now_ms);
        let before = appended.map_err(|e| e.to_string())?.saturating_sub(1);
        let mut n_waiting = 0;
        let entries = groups.iter().map(|group| group.entry(now_ms));
        for entry in entries.chain([Entry::end(now_ms)]) {
            self.append(&entry)?;
            n_waiting += entry.payload.len() as u64;
            if n_waiting > SYNC_BYTES {
                self.queue.sync().map_err(|e| told(&e))?;
                n_waiting = 0;
            }
        }
        self.queue.sync().map_err(|e| told(&e))?;
        // Only what was read can be acknowledged.
        while let Some(record) = self.queue.read(0).map_err(|e| e.to_string())? {
            if record.sequence >= before {
                break;
            }
        }
        self.queue.ack(before);
        self.queue.save_cursor().map_err(|e| told(&e))
    }
}

fn told(error: &buffer::SyncError) -> String {
    format!("{error}: {}", error.source)
}
