//! Instants of a generator as batches of remote write.

use crate::app::generate::native::NativeParts;
use crate::app::generate::remote_write::RemoteWrite;
use crate::app::scraped::Alive;
use crate::app::scraped::attach;
use crate::app::scraped::stale;
use crate::generate::generator::Generator;
use crate::generate::sample::Reading;
use crate::generate::sample::SampleView;
use crate::model::LabelSet;
use crate::remote_write::AppendError;
use crate::remote_write::Batch;
use crate::remote_write::Destination;
use crate::remote_write::Destinations;
use crate::remote_write::Writer;
use crate::wire::Exemplar;
use crate::wire::Labels;
use crate::wire::Metadata;
use crate::wire::Sample;
use crate::wire::Series;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Of so many instants one is late.
const LATE_EVERY: u64 = 3;
/// How long to wait at least when the queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// Sends instants.
pub(super) struct Sending {
    generator: Generator,
    destination: Option<Arc<Destination>>,
    writer: Option<Writer>,
    job: Vec<u8>,
    late_ms: Option<i64>,
    has_duplicates: bool,
    alive: Alive,
    nth: u64,
    /// Instants that are late: when they are to be sent, by the time of the instants.
    late: VecDeque<(i64, Vec<Batch>)>,
}

impl Sending {
    pub(super) fn new(generator: Generator, all: &Destinations, plan: &RemoteWrite) -> Self {
        let destination = all.list().first().map(Arc::clone);
        Self {
            generator,
            writer: destination.as_ref().map(|destination| destination.writer()),
            destination,
            job: plan.job.clone().into_bytes(),
            late_ms: plan.late_ms,
            has_duplicates: plan.has_duplicates,
            alive: Alive::default(),
            nth: 0,
            late: VecDeque::new(),
        }
    }

    /// Send an instant, unless it is late; and those that were and whose time has come.
    pub(super) async fn send(&mut self, at_ms: i64) -> Result<(), String> {
        let batches = self.batches(at_ms);
        self.nth += 1;
        match self.late_ms {
            Some(late_ms) if self.nth.is_multiple_of(LATE_EVERY) => {
                self.late.push_back((at_ms.saturating_add(late_ms), batches));
            }
            _ => self.append(batches).await?,
        }
        while let Some((_, batches)) = self.late.pop_front_if(|(due_ms, _)| *due_ms <= at_ms) {
            self.append(batches).await?;
        }
        Ok(())
    }

    /// Send the instants that are still late.
    pub(super) async fn send_late(&mut self) -> Result<(), String> {
        while let Some((_, batches)) = self.late.pop_front() {
            self.append(batches).await?;
        }
        Ok(())
    }

    /// Queue batches, waiting for room.
    async fn append(&self, batches: Vec<Batch>) -> Result<(), String> {
        let Some(destination) = &self.destination else { return Ok(()) };
        for _ in 0..if self.has_duplicates { 2 } else { 1 } {
            for batch in &batches {
                loop {
                    match destination.append(vec![batch.clone()]).await {
                        Ok(()) => break,
                        Err(AppendError::Full { .. }) => sleep(FULL_PAUSE).await,
                        Err(error) => return Err(error.to_string()),
                    }
                }
            }
        }
        Ok(())
    }

    /// All there is at an instant.
    fn batches(&mut self, at_ms: i64) -> Vec<Batch> {
        let Self { generator, writer, job, alive, .. } = self;
        let Some(writer) = writer else { return Vec::new() };
        alive.begin();
        let mut set = LabelSet::new();
        for target in 0..generator.n_targets() {
            let instance = format!("target-{target}").into_bytes();
            if !generator.is_up(target, at_ms) {
                continue;
            }
            generator.for_each_sample(target, at_ms, &mut |view| {
                let Reading::Value(value) = view.reading else { return };
                set.clear();
                for (name, text) in view.labels {
                    set.push(name, text);
                }
                attach(&mut set, job, &instance);
                alive.is_new(set.iter());
                push(writer, &set, view, value, at_ms);
            });
        }
        let ended = [stale(at_ms)];
        alive.end_gone(|labels| {
            writer.push(&Series::new(Labels::of_pairs(labels)).with_samples(&ended));
        });
        writer.finish()
    }
}

/// Write a series with what it has at an instant.
fn push(writer: &mut Writer, set: &LabelSet, view: &SampleView<'_>, value: f64, at_ms: i64) {
    let series = Series::new(Labels::of_set(set));
    let series =
        series.with_metadata(Metadata { metric_type: view.metric_type, ..Metadata::default() });
    let start_timestamp_ms = view.created_ms.unwrap_or(0);
    if let Some(native) = view.native {
        let parts = NativeParts::of(native);
        let histogram = parts.histogram(native, at_ms, start_timestamp_ms);
        writer.push(&series.with_histograms(&[histogram]));
        return;
    }
    let samples = [Sample { value, timestamp_ms: at_ms, start_timestamp_ms }];
    let series = series.with_samples(&samples);
    let Some(exemplar) = &view.exemplar else { return writer.push(&series) };
    let labels = exemplar.labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let labels: Vec<_> = labels.collect();
    let exemplars = [Exemplar {
        labels: Labels::of_pairs(&labels),
        value: exemplar.value,
        timestamp_ms: exemplar.timestamp_ms,
    }];
    writer.push(&series.with_exemplars(&exemplars));
}
