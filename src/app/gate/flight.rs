//! Work done once for everybody who waits for it.
//!
//! The first to ask starts the work; who asks while it is under way waits for the same result. The
//! work is given up when the last who waits goes away.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// At most one piece of work at a time.
#[derive(Debug)]
pub(super) struct SingleFlight<T> {
    current: Mutex<Weak<Flight<T>>>,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { current: Mutex::new(Weak::new()) }
    }
}

/// Work under way, owned together by all who wait for it.
#[derive(Debug)]
struct Flight<T> {
    result: watch::Receiver<Option<T>>,
    deadline: watch::Sender<Instant>,
    task: AbortHandle,
}

impl<T> Drop for Flight<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How waiting ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome<T> {
    /// The work was done.
    Done(T),
    /// This asker's time ran out; the work may go on for others.
    OutOfTime,
    /// The work panicked.
    Broken,
}

/// When work has to be done: the latest deadline of all who wait for it.
#[derive(Clone, Debug)]
pub(super) struct Deadline(watch::Receiver<Instant>);

impl Deadline {
    /// The deadline as it stands now.
    pub(super) fn now(&self) -> Instant {
        *self.0.borrow()
    }

    /// Complete once the deadline, as it then stands, has passed.
    pub(super) async fn passed(mut self) {
        loop {
            let at = *self.0.borrow_and_update();
            tokio::select! {
                () = sleep_until(at) => return,
                changed = self.0.changed() => if changed.is_err() {
                    return sleep_until(at).await;
                },
            }
        }
    }
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    /// Wait for the work under way, or start it, until `deadline`.
    ///
    /// The second value tells whether somebody else had started it.
    pub(super) async fn join<F>(
        &self,
        deadline: Instant,
        start: impl FnOnce(Deadline) -> F,
    ) -> (Outcome<T>, bool)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (flight, is_shared) = self.board(deadline, start);
        (wait(&flight, deadline).await, is_shared)
    }

    fn board<F>(
        &self,
        deadline: Instant,
        start: impl FnOnce(Deadline) -> F,
    ) -> (Arc<Flight<T>>, bool)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = current.upgrade()
            && flight.is_under_way()
        {
            flight.deadline.send_if_modified(|at| {
                let is_later = deadline > *at;
                *at = deadline.max(*at);
                is_later
            });
            return (flight, true);
        }
        let (deadline, deadline_seen) = watch::channel(deadline);
        let (done, result) = watch::channel(None);
        let work = start(Deadline(deadline_seen));
        let task = tokio::spawn(async move {
            let result = work.await;
            done.send_replace(Some(result));
        });
        let flight = Arc::new(Flight { result, deadline, task: task.abort_handle() });
        *current = Arc::downgrade(&flight);
        (flight, false)
    }
}

impl<T> Flight<T> {
    fn is_under_way(&self) -> bool {
        self.result.borrow().is_none() && !self.task.is_finished()
    }
}

async fn wait<T: Clone>(flight: &Flight<T>, deadline: Instant) -> Outcome<T> {
    let mut result = flight.result.clone();
    let done = async { result.wait_for(Option::is_some).await.ok().and_then(|seen| seen.clone()) };
    let mut done = std::pin::pin!(done);
    let result = tokio::select! {
        result = &mut done => result,
        () = sleep_until(deadline) => {
            if *flight.deadline.borrow() > deadline {
                return Outcome::OutOfTime;
            }
            // The work ends now as well, and knows better what it was waiting for.
            done.await
        }
    };
    result.map_or(Outcome::Broken, Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::sync::Semaphore;
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    fn in_seconds(n: u32) -> Instant {
        Instant::now() + SECOND * n
    }

    /// Work that takes so long, or until its deadline.
    async fn work(seconds: u32, deadline: Deadline) -> &'static str {
        tokio::select! {
            () = sleep(SECOND * seconds) => "done",
            () = deadline.passed() => "late",
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_get_the_one_result() {
        let flights = Arc::new(SingleFlight::default());
        let n_started = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let (flights, n_started) = (Arc::clone(&flights), Arc::clone(&n_started));
            tokio::spawn(async move {
                let start = |deadline| {
                    let nth = n_started.fetch_add(1, Ordering::Relaxed);
                    async move { (nth, work(1, deadline).await) }
                };
                flights.join(in_seconds(10), start).await
            })
        };
        let askers: Vec<_> = (0..200).map(|_| ask()).collect();
        let mut n_shared = 0;
        for asker in askers {
            let (outcome, is_shared) = asker.await.unwrap();
            assert_eq!(outcome, Outcome::Done((0, "done")));
            n_shared += usize::from(is_shared);
        }
        assert_eq!(n_shared, 199);
        // What is done is not handed out again.
        assert_eq!(ask().await.unwrap(), (Outcome::Done((1, "done")), false));
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_at_the_latest_deadline() {
        let flights = Arc::new(SingleFlight::default());
        let hasty = Arc::clone(&flights);
        let hasty = tokio::spawn(async move { hasty.join(in_seconds(1), |d| work(3, d)).await.0 });
        tokio::task::yield_now().await;
        let patient = Arc::clone(&flights);
        let patient =
            tokio::spawn(async move { patient.join(in_seconds(5), |d| work(3, d)).await.0 });
        assert_eq!(hasty.await.unwrap(), Outcome::OutOfTime);
        assert_eq!(patient.await.unwrap(), Outcome::Done("done"));
        assert_eq!(flights.join(in_seconds(1), |d| work(3, d)).await.0, Outcome::Done("late"));
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_given_up_when_the_last_asker_goes_away() {
        struct Tell(Arc<Semaphore>);
        impl Drop for Tell {
            fn drop(&mut self) {
                self.0.add_permits(1);
            }
        }
        let flights = Arc::new(SingleFlight::default());
        let dropped = Arc::new(Semaphore::new(0));
        let mut askers = Vec::new();
        for _ in 0..2 {
            let (flights, tell) = (Arc::clone(&flights), Tell(Arc::clone(&dropped)));
            askers.push(tokio::spawn(async move {
                let start = |_| async move {
                    let _tell = tell;
                    std::future::pending::<()>().await;
                };
                flights.join(in_seconds(100), start).await
            }));
        }
        tokio::task::yield_now().await;
        // The start that was not used is dropped at once.
        assert_eq!(dropped.available_permits(), 1);
        askers[0].abort();
        sleep(SECOND).await;
        assert_eq!(dropped.available_permits(), 1);
        askers[1].abort();
        drop(dropped.acquire_many(2).await.unwrap());
    }

    #[tokio::test]
    async fn a_panic_reaches_who_waits() {
        let flights = SingleFlight::<()>::default();
        let outcome = flights.join(in_seconds(100), |_| async { panic!("on purpose") }).await;
        assert_eq!(outcome, (Outcome::Broken, false));
    }
}
