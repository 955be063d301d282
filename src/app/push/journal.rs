//! The store on disk: a durable queue of changes, and now and then a snapshot in it.
//!
//! A change is appended while the store is locked, so that the order on disk is that of the store,
//! and answered when it is durable. One thread writes: it appends all that wait, syncs once and
//! answers all. A snapshot is a row of records between two marks; once it is durable, what stands
//! before it is acknowledged and goes. Reading stops at a snapshot without its second mark: what was
//! before it is still there then.
//!
//! A record is a line of JSON and a body in text 0.0.4, which is read as the body of a push is.

use crate::app::push::refusal::Refusal;
use crate::buffer;
use crate::buffer::Queue;
use crate::disk::DiskDir;
use crate::model::Format;
use crate::push::Gauges;
use crate::push::GroupingKey;
use crate::push::LabelNames;
use crate::push::body::Families;
use crate::push::body::ReadConfig;
use crate::push::canonical::write_families;
use crate::push::read_text;
use crate::push::store::Change;
use crate::push::store::Group;
use crate::push::store::GroupFamily;
use crate::push::store::Store;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;
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

/// A change of one group.
const CHANGE: u32 = 1;
/// A snapshot begins.
const BEGIN: u32 = 2;
/// A group as it is.
const GROUP: u32 = 3;
/// The snapshot was whole.
const END: u32 = 4;

/// What one push did, to be done again.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    kind: u32,
    payload: Vec<u8>,
    now_ms: i64,
}

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

impl Entry {
    /// A push.
    pub(super) fn push(
        key: &GroupingKey,
        families: &Families,
        (change, owner): (Change, &str),
        time_to_live_ms: Option<i64>,
        now_ms: i64,
    ) -> Self {
        let word = match change {
            Change::Replace => "put",
            Change::Update => "post",
            Change::Aggregate(Gauges::Last) => "last",
            Change::Aggregate(Gauges::Max) => "max",
            Change::Aggregate(Gauges::Min) => "min",
        };
        let head = json!({
            "do": word, "path": path(key), "owner": owner, "time_to_live_ms": time_to_live_ms,
        });
        let body = write_families(families.iter().map(|(name, family)| (&**name, family)));
        Self::new(CHANGE, &head, &body, now_ms)
    }

    /// A group that is forgotten.
    pub(super) fn delete(key: &GroupingKey, now_ms: i64) -> Self {
        Self::new(CHANGE, &json!({ "do": "delete", "path": path(key) }), &[], now_ms)
    }

    /// A push that was refused.
    pub(super) fn fail(key: &GroupingKey, now_ms: i64) -> Self {
        Self::new(CHANGE, &json!({ "do": "fail", "path": path(key) }), &[], now_ms)
    }

    fn new(kind: u32, head: &Value, body: &[u8], now_ms: i64) -> Self {
        let mut payload = head.to_string().into_bytes();
        payload.push(b'\n');
        payload.extend_from_slice(body);
        Self { kind, payload, now_ms }
    }
}

fn path(key: &GroupingKey) -> String {
    key.to_path(LabelNames::Utf8)
}

/// A group as it was when a snapshot began.
struct GroupState {
    key: Arc<GroupingKey>,
    group: Group,
    families: Vec<(String, Arc<GroupFamily>)>,
}

impl GroupState {
    /// All groups. What they hold is shared, not copied.
    fn all(store: &Store) -> Vec<Self> {
        let groups = store.groups().map(|(key, group)| {
            let families = store.families_of(key);
            let families = families.map(|(name, family)| (name.to_owned(), Arc::clone(family)));
            let families = families.collect();
            Self { key: Arc::clone(key), group: group.clone(), families }
        });
        groups.collect()
    }

    fn entry(&self, now_ms: i64) -> Entry {
        let Self { key, group, families } = self;
        let head = json!({
            "do": "put", "path": path(key), "owner": &*group.owner, "pushed_ms": group.pushed_ms,
            "failed_ms": group.failed_ms, "expires_ms": group.expires_ms,
        });
        let body = write_families(families.iter().map(|(name, f)| (&**name, &f.family)));
        Entry::new(GROUP, &head, &body, now_ms)
    }
}

impl Journal {
    /// Open the journal in a directory, and do again what it says.
    ///
    /// # Errors
    ///
    /// The directory cannot be had or read, or was written by a newer weir.
    pub(super) fn open(
        directory: &Path,
        store: &mut Store,
        new_store: impl Fn() -> Store,
        random: fn() -> u64,
    ) -> Result<Self, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", directory.display());
        let dir = DiskDir::open(directory).map_err(|e| failed(&e))?;
        let config = buffer::Config { record_bytes_max: RECORD_BYTES_MAX, ..Default::default() };
        let (mut queue, found) = Queue::open(dir, config, random()).map_err(|e| failed(&e))?;
        let n_bad = replay(&mut queue, store, new_store, random).map_err(|e| failed(&e))?;
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
        Ok(Self { send: Some(send), wants_snapshot, thread: Some(thread) })
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
        let mark = |kind| Entry::new(kind, &json!({}), &[], now_ms);
        let begin = mark(BEGIN);
        let appended = self.queue.append(begin.kind, &begin.payload, now_ms);
        let before = appended.map_err(|e| e.to_string())?.saturating_sub(1);
        let mut n_waiting = 0;
        let entries = groups.iter().map(|group| group.entry(now_ms));
        for entry in entries.chain([mark(END)]) {
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

/// Do again what the records say; how many could not be understood.
fn replay(
    queue: &mut Queue<DiskDir>,
    store: &mut Store,
    new_store: impl Fn() -> Store,
    random: fn() -> u64,
) -> std::io::Result<u64> {
    let mut n_bad = 0;
    // A snapshot that is being read.
    let mut fresh: Option<Store> = None;
    while let Some(record) = queue.read(0)? {
        let is_good = match record.kind {
            BEGIN => {
                fresh = Some(new_store());
                true
            }
            END => fresh.take().map(|fresh| *store = fresh).is_some(),
            GROUP => match &mut fresh {
                Some(fresh) => redo(fresh, &record, random).is_some(),
                // What stands before the end of an older snapshot was acknowledged.
                None => true,
            },
            CHANGE => redo(store, &record, random).is_some(),
            _ => false,
        };
        n_bad += u64::from(!is_good);
    }
    Ok(n_bad)
}

fn redo(store: &mut Store, record: &buffer::Record, random: fn() -> u64) -> Option<()> {
    let end = memchr::memchr(b'\n', &record.payload)?;
    let (head, body) = record.payload.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let head: Value = serde_json::from_slice(head).ok()?;
    let key = GroupingKey::from_path(head.get("path")?.as_str()?, LabelNames::Utf8).ok()?;
    let change = match head.get("do")?.as_str()? {
        "put" => Change::Replace,
        "post" => Change::Update,
        "last" => Change::Aggregate(Gauges::Last),
        "max" => Change::Aggregate(Gauges::Max),
        "min" => Change::Aggregate(Gauges::Min),
        "delete" => {
            store.delete(&key);
            return Some(());
        }
        "fail" => {
            store.fail(&key, record.time_ms);
            return Some(());
        }
        _ => return None,
    };
    let config =
        ReadConfig { names: LabelNames::Utf8, series_max: usize::MAX, line_bytes_max: usize::MAX };
    let rules = crate::lint::RuleSet::NONE;
    let (families, _) = read_text(Format::Text, body, &key, config, rules, random).ok()?;
    let number = |name: &str| head.get(name).and_then(Value::as_i64);
    let owner = head.get("owner").and_then(Value::as_str).unwrap_or_default();
    if record.kind == GROUP {
        let pushed_ms = number("pushed_ms")?;
        let time_to_live_ms = number("expires_ms").map(|at| at.saturating_sub(pushed_ms));
        store.apply(&key, families, change, owner, pushed_ms, time_to_live_ms);
        if let Some(failed_ms) = number("failed_ms").filter(|at| *at > 0) {
            store.fail(&key, failed_ms);
        }
    } else {
        let time_to_live_ms = number("time_to_live_ms");
        store.apply(&key, families, change, owner, record.time_ms, time_to_live_ms);
    }
    Some(())
}
