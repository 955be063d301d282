//! From the queue's records to the requests that are made at the same time.
//!
//! A round takes records in order, as many as fit into one request for each shard. All its requests
//! have their final answer before the next round begins: so the order of each series is kept
//! whatever becomes of the number of shards, and a process that is killed sends again no more than
//! those requests.

use super::batch::Batch;
use super::batch::Counts;
use super::metadata::Book;
use super::spread::shard_of;
use super::store::Item;
use super::writer::LeftOut;
use super::writer::Writer;
use crate::wire::Decoder;
use crate::wire::Limits;
use crate::wire::Request;
use crate::wire::Series;
use crate::wire::Version;
use crate::wire::snappy::DECODED_BYTES_MAX;
use crate::wire::snappy::Snappy;
use crate::wire::snappy::decoded_len;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::Mutex;

/// What was taken in has passed the limits of the receiver.
const LIMITS: Limits = Limits {
    series_max: usize::MAX,
    symbols_max: usize::MAX,
    labels_max: usize::MAX,
    points_max: usize::MAX,
};
/// Merging may make a message longer than any that came in.
const MESSAGE_BYTES_MAX: usize = 16 * DECODED_BYTES_MAX;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) version: Version,
    pub(super) counts: Counts,
    pub(super) body: Bytes,
}

/// Requests to be made at the same time.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) requests: Vec<Outgoing>,
    /// What can be acknowledged when all have their answer.
    pub(super) last_sequence: u64,
    /// When the oldest record was appended.
    pub(super) oldest_ms: i64,
    /// When the newest was.
    pub(super) newest_ms: i64,
    pub(super) n_points: usize,
    pub(super) n_records: u64,
    pub(super) left_out: LeftOut,
    /// Records that could not be read.
    pub(super) n_undecodable: u64,
}

/// What requests may be like.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) version: Version,
    pub(super) n_shards: usize,
    pub(super) points_max: usize,
    pub(super) bytes_max: usize,
    pub(super) book: Option<Arc<Mutex<Book>>>,
}

/// Gathers the records of a round.
#[derive(Debug)]
pub(super) struct RoundBuilder {
    plan: Plan,
    round: Round,
    /// The records, if there is one shard.
    whole: Vec<Batch>,
    n_bytes: usize,
    /// Their series, if there are several.
    writer: Option<Writer>,
    points_of_shards: Vec<usize>,
    snappy: Snappy,
    decoder: Decoder,
}

impl RoundBuilder {
    pub(super) fn new(plan: Plan) -> Self {
        let n_shards = plan.n_shards;
        let sharded = || Writer::sharded(plan.version, n_shards, plan.book.clone());
        Self {
            writer: (n_shards > 1).then(sharded),
            plan,
            round: Round::default(),
            whole: Vec::new(),
            n_bytes: 0,
            points_of_shards: vec![0; n_shards],
            snappy: Snappy::new(),
            decoder: Decoder::new(LIMITS),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.round.n_records == 0
    }

    /// Whether there is no sense in waiting for more. One record that fills half a request goes
    /// alone: it need not be encoded again then.
    pub(super) fn is_full(&self) -> bool {
        let max = self.plan.points_max * self.plan.n_shards;
        let is_one = self.plan.n_shards == 1 && self.round.n_records == 1;
        let enough = if is_one { max.div_ceil(2) } else { max };
        self.round.n_points >= enough || self.n_bytes >= self.plan.bytes_max * self.plan.n_shards
    }

    /// Take a record into the round, or give it back: it belongs into the next one.
    pub(super) fn offer(&mut self, item: Item) -> Result<(), Item> {
        let Some(batch) = &item.batch else {
            self.round.n_undecodable += 1;
            self.note(&item, 0, 0);
            return Ok(());
        };
        let n_points = batch.counts.n_points();
        let n_bytes = decoded_len(&batch.body);
        if self.writer.is_some() {
            match self.spread(batch) {
                Some(true) => {}
                Some(false) => return Err(item),
                None => self.round.n_undecodable += 1,
            }
            self.note(&item, n_points, n_bytes);
            return Ok(());
        }
        let too_many = self.round.n_points + n_points > self.plan.points_max;
        let too_long = self.n_bytes + n_bytes > self.plan.bytes_max;
        if !self.is_empty() && (too_many || too_long) {
            return Err(item);
        }
        self.note(&item, n_points, n_bytes);
        self.whole.extend(item.batch);
        Ok(())
    }

    fn note(&mut self, item: &Item, n_points: usize, n_bytes: usize) {
        if self.is_empty() {
            self.round.oldest_ms = item.time_ms;
        }
        self.round.newest_ms = item.time_ms;
        self.round.n_records += 1;
        self.round.last_sequence = item.sequence;
        self.round.n_points += n_points;
        self.n_bytes += n_bytes;
    }

    /// Write the series of a batch to their shards; `false` if one of these has no room, and
    /// nothing if the batch cannot be read.
    fn spread(&mut self, batch: &Batch) -> Option<bool> {
        let (n_shards, max) = (self.plan.n_shards, self.plan.points_max);
        let is_first = self.round.n_records == 0;
        let body = self.snappy.decompress(&batch.body, MESSAGE_BYTES_MAX).ok()?;
        let mut shards = Vec::new();
        let mut points = self.points_of_shards.clone();
        let mut request = self.decoder.open(batch.version, body).ok()?;
        while let Some(series) = request.next_series().ok()? {
            let shard = shard_of(series.labels(), n_shards);
            let n_points = series.samples().len() + series.histograms().len();
            *points.get_mut(shard)? += n_points;
            shards.push(shard);
        }
        if !is_first && points.iter().any(|n| *n > max) {
            return Some(false);
        }
        let writer = self.writer.as_mut()?;
        let mut request = self.decoder.open(batch.version, body).ok()?;
        let mut shards = shards.into_iter();
        write_all(&mut request, writer, |_| shards.next().unwrap_or_default());
        self.points_of_shards = points;
        Some(true)
    }

    /// The requests.
    pub(super) fn finish(mut self) -> Round {
        match &mut self.writer {
            Some(writer) => {
                let batches = writer.finish();
                self.round.left_out = writer.take_left_out();
                self.round.requests = batches.into_iter().map(Outgoing::from).collect();
            }
            None => self.merge(),
        }
        self.round
    }

    /// All records as one request. Messages of 1.0 behind each other are one message.
    fn merge(&mut self) {
        let version = self.plan.version;
        let mut whole = std::mem::take(&mut self.whole);
        if let [one] = &whole[..]
            && one.version == version
        {
            self.round.requests = whole.drain(..).map(Outgoing::from).collect();
            return;
        }
        let is_v1 = version == Version::V1 && whole.iter().all(|one| one.version == version);
        let mut writer = Writer::sharded(version, 1, self.plan.book.clone());
        let (mut all, mut counts) = (Vec::new(), Counts::default());
        for batch in &whole {
            let body = self.snappy.decompress(&batch.body, MESSAGE_BYTES_MAX);
            let Ok(body) = body else {
                self.round.n_undecodable += 1;
                continue;
            };
            if is_v1 {
                all.extend_from_slice(body);
                counts.add(&batch.counts);
            } else if let Ok(mut request) = self.decoder.open(batch.version, body) {
                write_all(&mut request, &mut writer, |_| 0);
            } else {
                self.round.n_undecodable += 1;
            }
        }
        if is_v1 {
            let mut body = Vec::new();
            // It fails for messages of 4 GiB, which are far above every limit.
            if !all.is_empty() && self.snappy.compress(&all, &mut body).is_ok() {
                self.round.requests.push(Outgoing { version, counts, body: body.into() });
            }
        } else {
            self.round.requests = writer.finish().into_iter().map(Outgoing::from).collect();
            self.round.left_out = writer.take_left_out();
        }
    }
}

impl From<Batch> for Outgoing {
    fn from(batch: Batch) -> Self {
        Self { version: batch.version, counts: batch.counts, body: batch.body }
    }
}

/// Write the series of a request, each to the part `part_of` says, and its metadata to the first.
fn write_all(
    request: &mut Request<'_>,
    writer: &mut Writer,
    mut part_of: impl FnMut(&Series<'_>) -> usize,
) {
    for metric in request.metadata() {
        writer.push_metadata_to(0, &metric);
    }
    // What was stored has been read before: there is nothing wrong with it.
    while let Ok(Some(series)) = request.next_series() {
        let part = part_of(&series);
        writer.push_to(part, &series);
    }
}

/// A request as one of another version, with what that version cannot carry.
pub(super) fn translate(
    request: &Outgoing,
    version: Version,
    book: Option<Arc<Mutex<Book>>>,
) -> Option<(Outgoing, LeftOut)> {
    let mut snappy = Snappy::new();
    let mut decoder = Decoder::new(LIMITS);
    let body = snappy.decompress(&request.body, MESSAGE_BYTES_MAX).ok()?;
    let mut opened = decoder.open(request.version, body).ok()?;
    let mut writer = Writer::sharded(version, 1, book);
    write_all(&mut opened, &mut writer, |_| 0);
    let left_out = writer.take_left_out();
    let outgoing = writer.finish().pop().map_or_else(
        || Outgoing { version, counts: Counts::default(), body: Bytes::new() },
        Outgoing::from,
    );
    Some((outgoing, left_out))
}

/// The two halves of a request, by its series; nothing if it cannot be halved.
pub(super) fn halve(request: &Outgoing) -> Option<[Outgoing; 2]> {
    let n_first = request.counts.n_series / 2;
    if n_first == 0 {
        return None;
    }
    let mut snappy = Snappy::new();
    let mut decoder = Decoder::new(LIMITS);
    let body = snappy.decompress(&request.body, MESSAGE_BYTES_MAX).ok()?;
    let mut opened = decoder.open(request.version, body).ok()?;
    let mut writer = Writer::sharded(request.version, 2, None);
    let mut n_seen = 0;
    write_all(&mut opened, &mut writer, |_| {
        n_seen += 1;
        usize::from(n_seen > n_first)
    });
    let mut halves = writer.finish().into_iter().map(Outgoing::from);
    Some([halves.next()?, halves.next()?])
}
