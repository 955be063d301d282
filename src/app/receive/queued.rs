//! A destination of `remote_write`: its queue, behind its rules.

use super::destination::AppendError;
use super::destination::Destination;
use crate::intake::Counts;
use crate::intake::SeriesWriter;
use crate::relabel::Rules;
use crate::remote_write;
use crate::remote_write::Batch;
use crate::remote_write::Writer;
use crate::wire::MetricMetadata;
use crate::wire::Series;
use crate::wire::Version;
use bytes::Bytes;
use std::sync::Arc;

/// A queue and the rules for what goes into it.
#[derive(Debug)]
pub struct Queued {
    queue: Arc<remote_write::Destination>,
    rules: Rules,
}

impl Queued {
    /// A queue behind rules.
    pub fn new(queue: Arc<remote_write::Destination>, rules: Rules) -> Self {
        Self { queue, rules }
    }
}

/// Writes for one queue.
#[derive(Debug)]
pub struct QueuedWriter {
    queue: Arc<remote_write::Destination>,
    writer: Writer,
}

impl SeriesWriter for QueuedWriter {
    fn takes_whole(&self, version: Version, counts: &Counts) -> bool {
        self.queue.takes_whole(version, &counts_of(counts))
    }

    fn push(&mut self, series: &Series<'_>) {
        self.writer.push(series);
    }

    fn push_metadata(&mut self, metric: &MetricMetadata<'_>) {
        self.writer.push_metadata(metric);
    }

    fn clear(&mut self) {
        self.writer.clear();
    }
}

impl Destination for Queued {
    type Writer = QueuedWriter;
    type Batches = Vec<Batch>;

    fn name(&self) -> &str {
        self.queue.name()
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn writer(&self) -> QueuedWriter {
        QueuedWriter { queue: Arc::clone(&self.queue), writer: self.queue.writer() }
    }

    fn finish(&self, writer: &mut QueuedWriter) -> Option<Vec<Batch>> {
        let batches = writer.writer.finish();
        self.queue.note_left_out(&mut writer.writer);
        (!batches.is_empty()).then_some(batches)
    }

    fn whole(&self, version: Version, counts: &Counts, body: Bytes) -> Vec<Batch> {
        vec![Batch::whole(version, counts_of(counts), body)]
    }

    async fn append(&self, batches: Vec<Batch>) -> Result<(), AppendError> {
        self.queue.append(batches).await.map_err(|error| match error {
            remote_write::AppendError::Full { retry_after, .. } => {
                AppendError::Full { retry_after }
            }
            remote_write::AppendError::Closed => AppendError::Closed,
            remote_write::AppendError::TooLong { .. } => AppendError::TooLong,
            error @ remote_write::AppendError::Disk { .. } => AppendError::Disk(error.to_string()),
        })
    }
}

fn counts_of(counts: &Counts) -> remote_write::Counts {
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    remote_write::Counts {
        n_series: narrow(counts.n_series),
        n_samples: narrow(counts.points.n_samples),
        n_histograms: narrow(counts.points.n_histograms),
        n_exemplars: narrow(counts.points.n_exemplars),
        n_metadata: narrow(counts.n_metadata),
        newest_ms: counts.newest_ms,
    }
}
