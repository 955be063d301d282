//! One round: all targets are scraped side by side, and their bodies committed as they end.
//!
//! ```text
//! target ─► task: open, read, finish ┐
//! target ─► task: open, read, finish ┴► commit, one after the other ─► what became of each
//! ```
//!
//! Each task reads on a worker thread of its own into what the engine has given it; only commits
//! need the engine. Whoever is not done at the deadline is cut off and counts as failed. Nothing
//! here decides what the round is worth.

use crate::app::gate::flight::Deadline;
use crate::app::gate::scrapes::refused;
use crate::app::gate::targets::{Targets, Upstream};
use crate::engine::Engine;
use crate::ledger::{CleanRead, Opening, ReadStats};
use crate::source::scrape::Transfer;
use crate::source::{ScrapeError, ScrapeErrorKind, Target, within};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What became of one target.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Its place among the targets.
    pub(super) place: usize,
    pub(super) took: Duration,
    pub(super) result: Result<(Transfer, ReadStats), ScrapeError>,
}

/// A body that was read, or not.
struct Done {
    place: usize,
    took: Duration,
    result: Result<(Transfer, CleanRead), ScrapeError>,
    /// What no body came for.
    unused: Option<Opening>,
}

/// Scrape every target that was found.
pub(super) async fn scrape_all(
    upstreams: &[Arc<Upstream>],
    targets: &Targets,
    engine: &mut Engine,
    deadline: Deadline,
    concurrent_max: usize,
) -> Vec<Outcome> {
    let (began, ends) = (Instant::now(), deadline.now());
    let mut tasks = JoinSet::new();
    let mut is_open: Vec<bool> = targets.all.iter().map(|known| known.is_found).collect();
    let mut waiting = (0..is_open.len()).filter(|&place| targets.all[place].is_found);
    let mut outcomes = Vec::with_capacity(targets.all.len());
    let mut over = std::pin::pin!(deadline.passed());
    loop {
        // Whoever waits for its turn has nothing yet: no task, no buffers.
        for place in waiting.by_ref().take(concurrent_max.max(1).saturating_sub(tasks.len())) {
            let known = &targets.all[place];
            let upstream = Arc::clone(&upstreams[known.upstream]);
            let target = Arc::clone(&known.health.target);
            let opening = engine.open(known.number);
            tasks.spawn(Job { place, upstream, target, opening, ends }.run());
        }
        let done = tokio::select! {
            biased;
            done = tasks.join_next() => done,
            () = &mut over => break,
        };
        match done {
            None => break,
            // A task that panicked is missed below.
            Some(Err(_)) => {}
            Some(Ok(done)) => {
                is_open[done.place] = false;
                outcomes.push(settle(done, targets, engine));
            }
        }
    }
    let has_time = tasks.is_empty() && waiting.next().is_none();
    for place in (0..is_open.len()).filter(|&place| is_open[place]) {
        let (kind, message) = if has_time {
            (ScrapeErrorKind::Internal, "the scrape broke, please report this".to_owned())
        } else {
            let seconds = began.elapsed().as_secs_f64();
            (ScrapeErrorKind::Timeout, format!("timed out after {seconds:.1} s"))
        };
        let result = Err(ScrapeError::new(kind, message));
        outcomes.push(Outcome { place, took: began.elapsed(), result });
    }
    outcomes
}

fn settle(done: Done, targets: &Targets, engine: &mut Engine) -> Outcome {
    let Done { place, took, result, unused } = done;
    let number = targets.all[place].number;
    if let Some(opening) = unused {
        engine.close(number, opening);
    }
    let result = result.map(|(transfer, clean)| (transfer, engine.commit(number, clean)));
    Outcome { place, took, result }
}

/// The scrape of one target.
struct Job {
    place: usize,
    upstream: Arc<Upstream>,
    target: Arc<Target>,
    opening: Opening,
    /// When the round ends, as it was when it began.
    ends: Instant,
}

impl Job {
    async fn run(self) -> Done {
        let Self { place, upstream, target, opening, ends } = self;
        let began = Instant::now();
        let own = upstream.config.scrape_timeout;
        let time_left = ends.saturating_duration_since(began);
        let time_left = own.map_or(time_left, |own| own.min(time_left));
        let mut unused = Some(opening);
        let work = async {
            let exposition = upstream.scraper.open(&target, time_left).await?;
            let Some(opening) = unused.take() else {
                return Err(ScrapeError::new(ScrapeErrorKind::Internal, "read twice"));
            };
            let mut reader = opening.reader(exposition.format);
            let pushed = |piece: &[u8]| reader.push(piece).map_err(|e| refused(&e));
            let transfer = exposition.read(pushed).await?;
            let clean = reader.finish().map_err(|e| refused(&e))?;
            Ok((transfer, clean))
        };
        let result = match own {
            // The round's own deadline may move and is the round's to keep.
            None => work.await,
            Some(own) => within(sleep_until(began + own), work).await,
        };
        Done { place, took: began.elapsed(), result, unused }
    }
}
