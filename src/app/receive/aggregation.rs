//! Aggregation of what passes: telling at the end of each interval.

use super::Receiver;
use super::destination::Destination;
use super::handing::hand_to_all;
use crate::app::clock::Clock;
use crate::http::server::Drain;
use crate::intake::SeriesWriter as _;
use crate::model::FingerprintKey;
use crate::model::LabelSet;
use crate::model::fingerprint::KEY_WORDS;
use crate::relabel::Scratch;
use crate::relabel::Verdict;
use crate::stream;
use crate::stream::Aggregator;
use crate::stream::Staged;
use crate::wire::Labels;
use crate::wire::Series;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked at the longest whether there is something to tell: rules may change.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often at most.
const LOOK_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// What is aggregated, and the key by which series are known.
pub(super) struct Aggregation {
    aggregator: Arc<Mutex<Aggregator>>,
    words: Box<[u64; KEY_WORDS]>,
    clock: Clock,
}

impl std::fmt::Debug for Aggregation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aggregation(secret)")
    }
}

impl Aggregation {
    pub(super) fn new(
        rules: Vec<stream::Rule>,
        saved: Option<&[u8]>,
        clock: Clock,
        random: fn() -> u64,
    ) -> Self {
        let restored = saved.and_then(|saved| {
            let restored = Aggregator::restore(rules.clone(), saved, clock());
            let restored = restored.inspect_err(|error| {
                let error = error.to_string();
                tracing::error!(error, "The saved state is of no use, beginning anew.");
            });
            restored.ok()
        });
        let (aggregator, words) = restored.unwrap_or_else(|| {
            (Aggregator::new(rules, clock()), std::array::from_fn(|_| random()))
        });
        let aggregator = Arc::new(Mutex::new(aggregator));
        Self { aggregator, words: Box::new(words), clock }
    }

    pub(super) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    pub(super) fn key(&self) -> FingerprintKey {
        let mut words = self.words.iter();
        FingerprintKey::new(|| words.next().copied().unwrap_or_default())
    }

    /// It, if there is something to aggregate.
    pub(super) fn shared(&self) -> Option<Arc<Mutex<Aggregator>>> {
        (!self.lock().is_empty()).then(|| Arc::clone(&self.aggregator))
    }

    pub(super) fn reload(&self, rules: Vec<stream::Rule>) {
        self.lock().reload(rules, self.now_ms());
    }

    /// What was noted of a request counts, now that it is accepted.
    pub(super) fn commit(&self, staged: &mut Staged) {
        if !staged.is_empty() {
            self.lock().commit(staged, self.now_ms());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Aggregator> {
        self.aggregator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long there is nothing to tell.
    fn pause(&self) -> Duration {
        let next_ms = self.lock().next_flush_ms().unwrap_or(i64::MAX);
        let pause_ms = next_ms.saturating_sub(self.now_ms());
        let pause = Duration::from_millis(u64::try_from(pause_ms).unwrap_or(0));
        pause.clamp(LOOK_INTERVAL_MIN, LOOK_INTERVAL)
    }
}

impl<D: Destination> Receiver<D> {
    /// Tell what was aggregated at the end of each interval.
    pub async fn aggregate_for_ever(&self) -> Drain {
        loop {
            sleep(self.aggregation.pause()).await;
            self.flush_aggregates().await;
        }
    }

    /// Tell what there is to tell now.
    pub async fn flush_aggregates(&self) {
        let state = self.state.load_full();
        let now_ms = self.aggregation.now_ms();
        let mut writers: Vec<_> = state.destinations.iter().map(|to| to.writer()).collect();
        let mut n_samples = 0;
        {
            let mut aggregator = self.aggregation.lock();
            if aggregator.next_flush_ms().is_none_or(|next_ms| next_ms > now_ms) {
                return;
            }
            let (mut set, mut scratch) = (LabelSet::new(), Scratch::default());
            aggregator.flush(now_ms, |labels, sample| {
                n_samples += 1;
                for (to, writer) in state.destinations.iter().zip(&mut writers) {
                    set.copy_from(labels);
                    let verdict = to.rules().apply(&mut set, &mut scratch);
                    if verdict == Verdict::Keep && !set.metric_name().is_empty() {
                        let samples = [sample];
                        writer.push(&Series::new(Labels::of_set(&set)).with_samples(&samples));
                    }
                }
            });
            let sizes: Vec<_> = aggregator.sizes().collect();
            for (rule, counts) in aggregator.take_counts().enumerate() {
                let (n_inputs, n_groups) = sizes.get(rule).copied().unwrap_or_default();
                self.metrics.aggregated(rule, &outcomes(&counts), n_inputs, n_groups);
            }
        }
        let all = state.destinations.iter().zip(&mut writers);
        let batches = all.map(|(to, writer)| to.finish(writer)).collect();
        if let Err(error) = hand_to_all(&state.destinations, &state.marks, batches).await {
            tracing::error!(?error, "What was aggregated could not be queued.");
            self.metrics.aggregates_lost(n_samples);
        }
    }

    /// What has been aggregated so far, for the next start.
    pub fn save_aggregation(&self) -> Vec<u8> {
        self.aggregation.lock().save(&self.aggregation.words)
    }
}

fn outcomes(counts: &stream::StreamCounts) -> [(&'static str, u64); 8] {
    [
        ("taken", counts.n_samples),
        ("late", counts.n_late),
        ("out_of_order", counts.n_out_of_order),
        ("duplicate", counts.n_duplicate),
        ("future", counts.n_future),
        ("nan", counts.n_nan),
        ("reset", counts.n_resets),
        ("refused_series", counts.n_refused_series),
    ]
}
