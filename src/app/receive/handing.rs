//! What was accepted is handed on to its destinations.

use super::destination::AppendError;
use super::destination::Destination;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often the log tells of a queue that is full.
const TOLD_INTERVAL: Duration = Duration::from_mins(1);

/// Whether a destination refused the last it was given.
#[derive(Debug, Default)]
pub(super) struct Mark {
    is_refusing: AtomicBool,
    /// When the log told of it.
    told_at: Mutex<Option<Instant>>,
}

impl Mark {
    fn is_refusing(&self) -> bool {
        self.is_refusing.load(Ordering::Relaxed)
    }

    fn note(&self, name: &str, appended: Result<(), &AppendError>) {
        match appended {
            Ok(()) if self.is_refusing() => self.is_refusing.store(false, Ordering::Relaxed),
            // These say nothing about what comes next.
            Ok(()) | Err(AppendError::Closed | AppendError::TooLong) => {}
            // The queue itself says when its disk begins to fail, and when it is well again.
            Err(AppendError::Disk(_)) => self.is_refusing.store(true, Ordering::Relaxed),
            Err(AppendError::Full { .. }) => {
                self.is_refusing.store(true, Ordering::Relaxed);
                let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
                if told_at.is_none_or(|at| at.elapsed() >= TOLD_INTERVAL) {
                    *told_at = Some(Instant::now());
                    tracing::warn!(
                        remote_name = name,
                        "A queue is full, and senders are answered 429: its destination is down or \
                         too slow, or max_bytes too low."
                    );
                }
            }
        }
    }
}

/// Hand on what its sender will send again if it is refused. Destinations that refused the last are
/// asked first: while they go on refusing, the others are not given the same again and again.
pub(super) async fn hand_on<D: Destination>(
    destinations: &[Arc<D>],
    marks: &[Mark],
    mut batches: Vec<Option<D::Batches>>,
) -> Result<(), AppendError> {
    for ((to, mark), batches) in destinations.iter().zip(marks).zip(&mut batches) {
        if mark.is_refusing()
            && let Some(batches) = batches.take()
        {
            let appended = to.append(batches).await;
            mark.note(to.name(), appended.as_ref().copied());
            appended?;
        }
    }
    hand_to_all(destinations, marks, batches).await
}

/// Hand on to all destinations at once; of several errors the worst is told.
pub(super) async fn hand_to_all<D: Destination>(
    destinations: &[Arc<D>],
    marks: &[Mark],
    batches: Vec<Option<D::Batches>>,
) -> Result<(), AppendError> {
    let all = destinations.iter().zip(marks).zip(batches).enumerate();
    let mut all = all.filter_map(|(nth, ((to, mark), batches))| Some((nth, to, mark, batches?)));
    let Some((_, first, mark, batches)) = all.next() else { return Ok(()) };
    let mut rest = JoinSet::new();
    for (nth, destination, _, batches) in all {
        let destination = Arc::clone(destination);
        rest.spawn(async move { (nth, destination.append(batches).await) });
    }
    let appended = first.append(batches).await;
    mark.note(first.name(), appended.as_ref().copied());
    let mut worst = appended.err();
    while let Some(joined) = rest.join_next().await {
        let error = match joined {
            Ok((nth, appended)) => {
                if let (Some(to), Some(mark)) = (destinations.get(nth), marks.get(nth)) {
                    mark.note(to.name(), appended.as_ref().copied());
                }
                appended.err()
            }
            Err(panicked) => Some(AppendError::Disk(panicked.to_string())),
        };
        worst = worst.max(error);
    }
    worst.map_or(Ok(()), Err)
}
