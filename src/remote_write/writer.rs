//! Series in, messages of the size and version of a destination out.

use super::batch::Batch;
use super::batch::Counts;
use super::metadata::Book;
use super::metadata::Known;
use super::settings::Settings;
use super::spread::Spread;
use crate::wire::Labels;
use crate::wire::Lost;
use crate::wire::Metadata;
use crate::wire::MetricMetadata;
use crate::wire::Series;
use crate::wire::V2Encoder;
use crate::wire::Version;
use crate::wire::put_metadata_v1;
use crate::wire::put_series_v1;
use crate::wire::snappy::Snappy;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

/// What a writer does with series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) version: Version,
    pub(super) points_max: usize,
    pub(super) bytes_max: usize,
    pub(super) has_exemplars: bool,
    pub(super) has_histograms: bool,
    pub(super) has_metadata: bool,
}

impl Shape {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            version: settings.version,
            points_max: settings.queue.samples_per_send_max,
            bytes_max: settings.queue.bytes_per_send_max,
            has_exemplars: settings.send_exemplars,
            has_histograms: settings.send_native_histograms,
            has_metadata: settings.metadata.send,
        }
    }
}

/// What was left out of messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LeftOut {
    /// What the version of the message cannot carry.
    pub lost: Lost,
    /// Exemplars that were not to be sent.
    pub n_exemplars: u64,
    /// Histograms that were not to be sent.
    pub n_histograms: u64,
}

/// Writes series into batches for one destination. Made to be kept and used again.
#[derive(Debug)]
pub struct Writer {
    shape: Shape,
    spread: Arc<Spread>,
    book: Option<Arc<Mutex<Book>>>,
    parts: Vec<Part>,
    snappy: Snappy,
    done: Vec<Batch>,
    left_out: LeftOut,
}

/// The message that is being written for one URL.
#[derive(Debug, Default)]
struct Part {
    body: Vec<u8>,
    v2: V2Encoder,
    counts: Counts,
}

impl Writer {
    pub(super) fn new(shape: Shape, spread: Arc<Spread>, book: Option<Arc<Mutex<Book>>>) -> Self {
        let n_parts = spread.n_queues();
        Self {
            shape,
            spread,
            book,
            parts: std::iter::repeat_with(Part::default).take(n_parts).collect(),
            snappy: Snappy::new(),
            done: Vec::new(),
            left_out: LeftOut::default(),
        }
    }

    /// A writer of messages for so many requests at the same time, which leaves out nothing and
    /// ends no message by itself.
    pub(super) fn sharded(
        version: Version,
        n_shards: usize,
        book: Option<Arc<Mutex<Book>>>,
    ) -> Self {
        let shape = Shape {
            version,
            points_max: usize::MAX,
            bytes_max: usize::MAX,
            has_exemplars: true,
            has_histograms: true,
            has_metadata: true,
        };
        let mut writer = Self::new(shape, Arc::new(Spread::new(&[], &[])), book);
        writer.parts.resize_with(n_shards, Part::default);
        writer
    }

    /// Add a series. What is not to be sent, or not in this version, is left out and counted.
    pub fn push(&mut self, series: &Series<'_>) {
        let queue = self.spread.queue_of(series.labels());
        self.push_to(queue, series);
    }

    /// Add a series to the message of one queue.
    pub(super) fn push_to(&mut self, queue: usize, series: &Series<'_>) {
        let mut series = *series;
        if !self.shape.has_exemplars && !series.exemplars().is_empty() {
            self.left_out.n_exemplars += series.exemplars().len() as u64;
            series = series.with_exemplars(&[]);
        }
        if !self.shape.has_histograms && !series.histograms().is_empty() {
            self.left_out.n_histograms += series.histograms().len() as u64;
            series = series.with_histograms(&[]);
        }
        let n_points = series.samples().len() + series.histograms().len();
        if n_points == 0 && series.exemplars().is_empty() {
            return;
        }
        if let Some(known) = self.metadata_for(&series) {
            series = series.with_metadata(known.borrow());
            self.put_pieces(queue, &series, n_points);
            return;
        }
        self.put_pieces(queue, &series, n_points);
    }

    /// Metadata to send along with a series that has none of its own. What a series says for 1.0
    /// is noted, to be sent beside the series.
    fn metadata_for(&self, series: &Series<'_>) -> Option<Known> {
        let book = self.book.as_ref()?;
        let is_bare = series.metadata() == Metadata::default();
        if is_bare != (self.shape.version == Version::V2) {
            return None;
        }
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        if is_bare {
            return book.of(metric_name(series.labels()));
        }
        book.learn_from(series);
        None
    }

    /// Write a series, in pieces if it has more samples than one message may.
    fn put_pieces(&mut self, queue: usize, series: &Series<'_>, n_points: usize) {
        let max = self.shape.points_max;
        if n_points <= max || series.samples().len() <= 1 {
            self.put(queue, series, n_points);
            return;
        }
        let bare = Series::new(series.labels()).with_metadata(series.metadata());
        let mut pieces = series.samples().chunks(max);
        if let Some(first) = pieces.next() {
            let n_points = first.len() + series.histograms().len();
            self.put(queue, &series.with_samples(first), n_points);
        }
        for piece in pieces {
            self.put(queue, &bare.with_samples(piece), piece.len());
        }
    }

    fn put(&mut self, queue: usize, series: &Series<'_>, n_points: usize) {
        let Shape { version, points_max, bytes_max, .. } = self.shape;
        let Some(part) = self.parts.get(queue) else { return };
        let n_so_far = part.counts.n_points();
        if n_so_far > 0 && (n_so_far + n_points > points_max || part.n_bytes() >= bytes_max) {
            self.cut(queue);
        }
        let Some(part) = self.parts.get_mut(queue) else { return };
        let before = part.n_bytes();
        let lost = match version {
            Version::V1 => put_series_v1(&mut part.body, series),
            Version::V2 => part.v2.push(series),
        };
        self.left_out.lost += lost;
        if part.n_bytes() == before {
            return;
        }
        let n_histograms = series.histograms().len() - lost.n_custom_bucket_histograms;
        let newest = series.samples().iter().map(|sample| sample.timestamp_ms).max();
        let newest_ms = match newest {
            Some(newest_ms) => newest_ms,
            None => series.histograms().iter().map(|h| h.timestamp_ms).max().unwrap_or(0),
        };
        part.counts.add(&Counts {
            n_series: 1,
            n_samples: count(series.samples().len()),
            n_histograms: count(n_histograms),
            n_exemplars: count(series.exemplars().len()),
            n_metadata: 0,
            newest_ms,
        });
    }

    /// Add metadata of a family. 1.0 carries it beside the series; in 2.0 it goes with the series
    /// of the family that come later.
    pub fn push_metadata(&mut self, metric: &MetricMetadata<'_>) {
        if !self.shape.has_metadata {
            return;
        }
        if self.shape.version == Version::V1 {
            for queue in 0..self.parts.len() {
                // Every URL may have series of the family.
                self.push_metadata_to(queue, metric);
            }
        } else if let Some(book) = &self.book {
            book.lock().unwrap_or_else(PoisonError::into_inner).learn(metric);
        }
    }

    /// Add metadata of a family to the message of one queue, if the version has a place for it.
    pub(super) fn push_metadata_to(&mut self, queue: usize, metric: &MetricMetadata<'_>) {
        if self.shape.version == Version::V1
            && let Some(part) = self.parts.get_mut(queue)
        {
            put_metadata_v1(&mut part.body, metric);
            part.counts.n_metadata += 1;
        }
    }

    fn put_due_metadata(&mut self) {
        let Some(book) = self.book.clone().filter(|_| self.shape.version == Version::V1) else {
            return;
        };
        let due = book.lock().unwrap_or_else(PoisonError::into_inner).take_due();
        for (family, known) in due {
            self.push_metadata(&MetricMetadata { family: &family, metadata: known.borrow() });
        }
    }

    /// End the messages that are being written; gives all batches since the last time.
    pub fn finish(&mut self) -> Vec<Batch> {
        self.put_due_metadata();
        for queue in 0..self.parts.len() {
            self.cut(queue);
        }
        std::mem::take(&mut self.done)
    }

    /// Forget what was added since messages were last ended, and keep the memory.
    pub fn clear(&mut self) {
        for part in &mut self.parts {
            part.body.clear();
            part.v2.clear();
            part.counts = Counts::default();
        }
        self.done.clear();
        self.left_out = LeftOut::default();
    }

    /// What was left out since the last time.
    pub fn take_left_out(&mut self) -> LeftOut {
        std::mem::take(&mut self.left_out)
    }

    fn cut(&mut self, queue: usize) {
        let Some(part) = self.parts.get_mut(queue) else { return };
        if part.n_bytes() == 0 {
            return;
        }
        if self.shape.version == Version::V2 {
            part.v2.finish(&mut part.body);
        }
        let mut body = Vec::new();
        // It fails for messages of 4 GiB, which are far above every limit.
        if self.snappy.compress(&part.body, &mut body).is_ok() {
            let (version, counts) = (self.shape.version, part.counts);
            self.done.push(Batch { version, counts, body: body.into(), queue });
        }
        part.body.clear();
        part.counts = Counts::default();
    }
}

impl Part {
    fn n_bytes(&self) -> usize {
        let has_v2 = self.v2.n_series() > 0;
        self.body.len() + if has_v2 { self.v2.n_bytes() } else { 0 }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The value of `__name__`.
pub(super) fn metric_name(labels: Labels<'_>) -> &[u8] {
    labels.iter().find(|(name, _)| *name == b"__name__").map_or(b"", |(_, value)| value)
}
