//! Appending, reading, acknowledging, and what happens when a queue is opened.

use std::collections::VecDeque;
use std::io;

use super::config::{Config, WhenFull};
use super::cursor::{self, CURSOR, CURSOR_TMP, CursorFile};
use super::dir::{Dir, DirFile};
use super::error::{AppendError, OpenError, SyncError};
use super::format::{Cursor, HEAD_BYTES, HEADER_BYTES, Header, NewerVersion};
use super::format::{put_record, segment_name, segment_number};
use super::report::{Record, Recovery, Stats};
use super::scan::{Place, Step, Window, behind_unreadable, payload, step};
use super::whole::{start_of, write_all};

/// How often reading one place may fail before it is skipped.
const READ_TRIES: u32 = 3;
/// Numbers kept free for a segment that cannot be read at all: more than it can hold.
const DOUBTFUL_NUMBERS: u64 = 1 << 32;
/// Memory that is kept for the records of the next sync.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Where the records of a segment begin.
const RECORDS_AT: u64 = 2 * HEADER_BYTES as u64;

/// A segment, as far as it is durable.
#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    salt: u64,
    first_sequence: u64,
    /// One less than the first if there is no record.
    last_sequence: u64,
    /// Records from this one on were written again, in the next segment: here they were never
    /// durable, and may be there in part.
    superseded_from: u64,
    last_time_ms: i64,
    n_bytes: u64,
}

impl Segment {
    fn n_unacked(&self, acked: u64) -> u64 {
        let first = self.first_sequence.max(acked.saturating_add(1));
        self.last_sequence.saturating_add(1).saturating_sub(first)
    }
}

/// Records that are in memory only.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    n_records: u64,
    first_sequence: u64,
    last_time_ms: i64,
}

/// A place in the segments.
#[derive(Clone, Copy, Debug, Default)]
struct ReadPlace {
    segment: u64,
    at: u64,
    n_failed: u32,
}

/// A queue of records in a directory. See the documentation of the module.
#[derive(Debug)]
pub struct Queue<D: Dir> {
    dir: D,
    config: Config,
    salt: u64,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The file of the last segment, while that can be appended to.
    writer: Option<D::File>,
    pending: Pending,
    next_segment: u64,
    next_sequence: u64,
    /// All records up to this one are acknowledged.
    acked: u64,
    last_read: u64,
    place: ReadPlace,
    reader: Option<(u64, D::File)>,
    window: Window,
    cursor: CursorFile<D>,
    stats: Stats,
}

impl<D: Dir> Queue<D> {
    /// Open the queue in a directory, which may be empty.
    ///
    /// `salt` must be random; it is used if the directory has none yet. Reads all there is.
    ///
    /// # Errors
    ///
    /// Only if the directory cannot be listed, or was written by a newer program. What cannot be
    /// read is counted in [`Recovery`].
    pub fn open(dir: D, config: Config, salt: u64) -> Result<(Self, Recovery), OpenError> {
        let mut recovery = Recovery::default();
        let mut numbers = Vec::new();
        for name in dir.list().map_err(OpenError::List)? {
            if let Some(number) = segment_number(&name) {
                numbers.push(number);
            } else if name != CURSOR && name != CURSOR_TMP {
                recovery.n_foreign_files += 1;
            }
        }
        numbers.sort_unstable();
        let cursor = cursor::read(&dir)?;
        recovery.is_cursor_lost = cursor.is_none() && !numbers.is_empty();
        let mut queue = Self {
            dir,
            config,
            salt: cursor.map_or(salt, |cursor| cursor.salt),
            segments: VecDeque::new(),
            writer: None,
            pending: Pending::default(),
            next_segment: numbers.last().map_or(0, |last| last.saturating_add(1)),
            next_sequence: 1,
            acked: cursor.map_or(0, |cursor| cursor.acked),
            last_read: 0,
            place: ReadPlace::default(),
            reader: None,
            window: Window::default(),
            cursor: CursorFile::default(),
            stats: Stats::default(),
        };
        queue.recover(&numbers, cursor.is_some(), &mut recovery)?;
        Ok((queue, recovery))
    }

    fn recover(
        &mut self,
        numbers: &[u64],
        has_salt: bool,
        recovery: &mut Recovery,
    ) -> Result<(), OpenError> {
        let mut headers = Vec::new();
        for &number in numbers {
            headers.push(read_header(&self.dir, number)?);
        }
        // One directory has one salt, so that a segment can do without its headers.
        let known = headers.iter().flatten().map(|header| header.salt).next_back();
        if let Some(salt) = known.filter(|_| !has_salt) {
            self.salt = salt;
        }
        let mut last = self.acked;
        let mut seen = 0_u64;
        for (at, (&number, header)) in numbers.iter().zip(&headers).enumerate() {
            recovery.n_headers_lost += u64::from(header.is_none());
            let later = headers.iter().skip(at + 1).flatten();
            let superseded_from = later.map(|header| header.first_sequence).min();
            let salt = header.map_or(self.salt, |header| header.salt);
            let first_sequence =
                header.map_or(seen.saturating_add(1), |header| header.first_sequence);
            let segment = Segment {
                number,
                salt,
                first_sequence,
                last_sequence: first_sequence.saturating_sub(1),
                superseded_from: superseded_from.unwrap_or(u64::MAX),
                last_time_ms: i64::MIN,
                n_bytes: 0,
            };
            let Some(segment) = self.scan(segment, &mut seen, recovery) else {
                recovery.n_unreadable += 1;
                last = last.saturating_add(DOUBTFUL_NUMBERS);
                continue;
            };
            if let (Some(before), Some(_)) = (self.segments.back_mut(), header) {
                before.last_sequence = before.last_sequence.min(first_sequence.saturating_sub(1));
            }
            let is_illegible = header.is_none() && segment.last_sequence < first_sequence;
            if is_illegible && segment.n_bytes > RECORDS_AT {
                continue;
            }
            last = last.max(segment.last_sequence).max(first_sequence.saturating_sub(1));
            self.segments.push_back(segment);
        }
        // Numbers that incomplete bytes may hold are not used again, in case they can be read later.
        let n_doubtful = recovery.n_torn_bytes / HEAD_BYTES as u64;
        self.next_sequence = last.saturating_add(1).saturating_add(n_doubtful);
        self.rewind();
        self.remove_acked();
        Ok(())
    }

    /// Read a segment to its end. `seen` is the highest sequence number so far.
    fn scan(
        &mut self,
        mut segment: Segment,
        seen: &mut u64,
        recovery: &mut Recovery,
    ) -> Option<Segment> {
        let file = self.dir.open(&segment_name(segment.number)).ok()?;
        let n_bytes = file.n_bytes().ok()?;
        segment.n_bytes = n_bytes;
        self.window.clear();
        let (salt, record_bytes_max) = (segment.salt, self.config.record_bytes_max);
        let mut place = Place { at: RECORDS_AT, end: n_bytes, salt, record_bytes_max };
        let mut n_unread = 0;
        loop {
            match step(&file, &mut self.window, place) {
                Ok(Step::Record { head, next }) => {
                    if head.sequence > *seen && head.sequence < segment.superseded_from {
                        *seen = head.sequence;
                        segment.last_sequence = head.sequence;
                        segment.last_time_ms = segment.last_time_ms.max(head.time_ms);
                        recovery.n_records += u64::from(head.sequence > self.acked);
                    }
                    place.at = next;
                }
                Ok(Step::Damaged { next }) => {
                    recovery.n_damaged += 1;
                    place.at = next;
                }
                Ok(Step::End { n_torn }) => {
                    recovery.n_torn_bytes += n_torn;
                    // What cannot be read now may be later: it counts as records until then, so
                    // that the segment is not deleted and their numbers are not used again.
                    let n_doubtful = n_unread / HEAD_BYTES as u64;
                    segment.last_sequence = segment.last_sequence.saturating_add(n_doubtful);
                    return Some(segment);
                }
                Err(_) => {
                    recovery.n_damaged += 1;
                    let next = behind_unreadable(place.at, n_bytes);
                    n_unread += next.saturating_sub(place.at);
                    place.at = next;
                }
            }
        }
    }

    /// Add a record, in memory, and give its number. It is durable after the next
    /// [`Queue::sync`] that succeeds, and can be read then.
    ///
    /// # Errors
    ///
    /// When there is no room, or never could be.
    pub fn append(&mut self, kind: u32, payload: &[u8], now_ms: i64) -> Result<u64, AppendError> {
        self.append_parts(kind, &[payload], now_ms)
    }

    /// As [`Queue::append`], of a payload that lies in several places.
    pub fn append_parts(
        &mut self,
        kind: u32,
        payload: &[&[u8]],
        now_ms: i64,
    ) -> Result<u64, AppendError> {
        let max = self.config.record_bytes_max;
        let n_bytes = payload.iter().map(|part| part.len()).sum();
        if n_bytes > max {
            return Err(AppendError::TooLong { n_bytes, max });
        }
        self.make_room((HEAD_BYTES + n_bytes) as u64)?;
        let sequence = self.next_sequence;
        self.next_sequence = sequence.saturating_add(1);
        if self.pending.n_records == 0 {
            self.pending.first_sequence = sequence;
            self.pending.last_time_ms = i64::MIN;
        }
        put_record(&mut self.pending.bytes, self.salt, (sequence, now_ms, kind), payload);
        self.pending.n_records += 1;
        self.pending.last_time_ms = self.pending.last_time_ms.max(now_ms);
        self.stats.n_appended += 1;
        Ok(sequence)
    }

    /// Have other bounds from now on.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// Bytes of all segments and of what is in memory only.
    pub fn n_bytes(&self) -> u64 {
        let segments: u64 = self.segments.iter().map(|segment| segment.n_bytes).sum();
        segments + self.pending.bytes.len() as u64
    }

    /// Durable records that have not been acknowledged, damaged ones included.
    pub fn n_unacked(&self) -> u64 {
        self.segments.iter().map(|segment| segment.n_unacked(self.acked)).sum()
    }

    /// Records in memory only.
    pub fn n_pending(&self) -> u64 {
        self.pending.n_records
    }

    /// Bytes of records in memory only.
    pub fn n_pending_bytes(&self) -> usize {
        self.pending.bytes.len()
    }

    /// What has happened so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn make_room(&mut self, n_bytes: u64) -> Result<(), AppendError> {
        let max = self.config.bytes_max;
        // A new segment needs its headers, too.
        let wanted = n_bytes + RECORDS_AT;
        while self.n_bytes() + wanted > max {
            let can_drop = self.config.when_full == WhenFull::DropOldest;
            if !can_drop || self.segments.is_empty() {
                self.stats.n_refused += 1;
                return Err(AppendError::Full { n_bytes: self.n_bytes(), max });
            }
            self.stats.n_dropped_full += self.drop_oldest();
        }
        Ok(())
    }

    /// Give up the oldest segment; gives how many of its records were not acknowledged.
    fn drop_oldest(&mut self) -> u64 {
        if self.segments.len() == 1 {
            self.writer = None;
        }
        let Some(oldest) = self.segments.pop_front() else { return 0 };
        let n_dropped = oldest.n_unacked(self.acked);
        self.acked = self.acked.max(oldest.last_sequence);
        self.remove(oldest.number);
        n_dropped
    }

    /// Drop segments all of whose records are too old. Records that are too old in other segments
    /// are dropped when they are read.
    pub fn expire(&mut self, now_ms: i64) {
        while let Some(oldest) = self.segments.front()
            && self.is_too_old(oldest.last_time_ms, now_ms)
            && oldest.last_time_ms != i64::MIN
        {
            self.stats.n_dropped_age += self.drop_oldest();
        }
    }

    fn is_too_old(&self, time_ms: i64, now_ms: i64) -> bool {
        self.config.age_max_ms.is_some_and(|max| now_ms.saturating_sub(time_ms) > max)
    }

    /// Make durable all that was appended.
    ///
    /// # Errors
    ///
    /// When the disk refuses: then nothing of it is durable, all of it is still in memory, and the
    /// next call tries again, in a new segment.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        if self.pending.n_records == 0 {
            return Ok(());
        }
        let segment_bytes = self.config.segment_bytes;
        if self.segments.back().is_some_and(|active| active.n_bytes >= segment_bytes) {
            self.writer = None;
        }
        let is_new = self.writer.is_none();
        if is_new {
            // There is no record before there is room to note that it is acknowledged.
            let reserved = self.cursor.reserve(&self.dir, self.cursor_now());
            reserved.map_err(|source| {
                self.stats.n_sync_errors += 1;
                SyncError { file: CURSOR.to_owned(), source }
            })?;
        }
        let number = if is_new {
            self.next_segment
        } else {
            self.segments.back().map_or(self.next_segment, |active| active.number)
        };
        match self.write(is_new, number) {
            Ok(n_bytes) => {
                self.note_synced(is_new, number, n_bytes);
                Ok(())
            }
            Err(source) => {
                self.stats.n_sync_errors += 1;
                self.give_up(is_new, number);
                Err(SyncError { file: segment_name(number), source })
            }
        }
    }

    /// Write and sync what is pending; gives the length of the segment then.
    fn write(&mut self, is_new: bool, number: u64) -> io::Result<u64> {
        let mut before = self.segments.back().map_or(0, |active| active.n_bytes);
        if is_new {
            self.next_segment = number.saturating_add(1);
            let mut file = self.dir.create(&segment_name(number))?;
            let first_sequence = self.pending.first_sequence;
            let header = Header { number, salt: self.salt, first_sequence }.encode();
            write_all(&mut file, 0, &[&header[..], &header].concat())?;
            before = RECORDS_AT;
            self.writer = Some(file);
        }
        let Some(file) = &mut self.writer else { return Err(io::ErrorKind::NotFound.into()) };
        write_all(file, before, &self.pending.bytes)?;
        file.sync()?;
        if is_new {
            self.dir.sync()?;
        }
        Ok(before + self.pending.bytes.len() as u64)
    }

    fn note_synced(&mut self, is_new: bool, number: u64, n_bytes: u64) {
        let pending = &mut self.pending;
        let last_sequence = pending.first_sequence.saturating_add(pending.n_records - 1);
        if is_new {
            self.segments.push_back(Segment {
                number,
                salt: self.salt,
                first_sequence: pending.first_sequence,
                last_sequence,
                superseded_from: u64::MAX,
                last_time_ms: pending.last_time_ms,
                n_bytes,
            });
        } else if let Some(active) = self.segments.back_mut() {
            active.last_sequence = last_sequence;
            active.last_time_ms = active.last_time_ms.max(pending.last_time_ms);
            active.n_bytes = n_bytes;
        }
        let start = n_bytes.saturating_sub(pending.bytes.len() as u64);
        let is_read_next = self.place.segment == number && self.place.at == start;
        if is_read_next && self.reader.as_ref().is_some_and(|(open, _)| *open == number) {
            self.window.hold(start, &mut pending.bytes);
        }
        pending.bytes.clear();
        pending.bytes.shrink_to(KEPT_BYTES_MAX);
        pending.n_records = 0;
        self.stats.n_syncs += 1;
    }

    /// Leave a segment that could not be written, and clean up as far as the disk lets us.
    fn give_up(&mut self, is_new: bool, number: u64) {
        let writer = self.writer.take();
        if is_new {
            // What cannot be deleted is found again by the next opening, and skipped as seen.
            if self.dir.remove(&segment_name(number)).is_err() {
                self.stats.n_remove_errors += 1;
            }
        } else if let (Some(mut file), Some(segment)) = (writer, self.segments.back()) {
            let is_clean = file.truncate(segment.n_bytes).and_then(|()| file.sync()).is_ok();
            self.stats.n_remove_errors += u64::from(!is_clean);
        }
    }

    /// Give up what is in memory only; gives how many records that were. Their numbers are not
    /// used again.
    pub fn discard_pending(&mut self) -> u64 {
        let n_records = self.pending.n_records;
        self.pending.bytes.clear();
        self.pending.n_records = 0;
        self.stats.n_discarded += n_records;
        n_records
    }

    /// Read the next durable record; `None` if there is none at present.
    ///
    /// # Errors
    ///
    /// When the disk cannot be read. Call again later: the third time in a row, the place is
    /// skipped and counted.
    pub fn read(&mut self, now_ms: i64) -> io::Result<Option<Record>> {
        while let Some(segment) = self.segment_to_read() {
            if self.place.at >= segment.n_bytes {
                if !self.go_behind(segment.number) {
                    return Ok(None);
                }
                continue;
            }
            match self.step(segment) {
                Ok(Step::Record { head, next }) => {
                    self.go_to(next);
                    let is_seen = head.sequence <= self.acked.max(self.last_read);
                    if is_seen || head.sequence >= segment.superseded_from {
                        continue;
                    }
                    if self.is_too_old(head.time_ms, now_ms) {
                        self.stats.n_dropped_age += 1;
                        self.last_read = head.sequence;
                        continue;
                    }
                    if let Some(payload) = payload(&self.window, &head, next) {
                        self.last_read = head.sequence;
                        let (sequence, kind, time_ms) = (head.sequence, head.kind, head.time_ms);
                        return Ok(Some(Record { sequence, kind, time_ms, payload }));
                    }
                }
                Ok(Step::Damaged { next }) => {
                    self.stats.n_damaged += 1;
                    self.go_to(next);
                }
                Ok(Step::End { .. }) => self.go_to(segment.n_bytes),
                Err(error) => {
                    self.reader = None;
                    self.place.n_failed += 1;
                    if self.place.n_failed < READ_TRIES {
                        return Err(error);
                    }
                    self.stats.n_damaged += 1;
                    self.go_to(behind_unreadable(self.place.at, segment.n_bytes));
                }
            }
        }
        Ok(None)
    }

    /// Whether there may be a durable record that has not been read; if not, there is none before
    /// the next [`Queue::sync`].
    pub fn may_have_unread(&self) -> bool {
        let end = self.segments.back().map(|last| (last.number, last.n_bytes));
        end.is_some_and(|end| end > (self.place.segment, self.place.at))
    }

    fn go_to(&mut self, at: u64) {
        self.place = ReadPlace { at, n_failed: 0, ..self.place };
    }

    /// The segment reading is at, or the next one there is.
    fn segment_to_read(&mut self) -> Option<Segment> {
        let found = self.segments.iter().find(|segment| segment.number >= self.place.segment);
        let segment = *found?;
        if segment.number != self.place.segment {
            self.place = ReadPlace { segment: segment.number, at: RECORDS_AT, n_failed: 0 };
        }
        Some(segment)
    }

    /// Go on behind a segment, if there is one.
    fn go_behind(&mut self, number: u64) -> bool {
        let has_next = self.segments.back().is_some_and(|last| last.number > number);
        if has_next {
            self.place =
                ReadPlace { segment: number.saturating_add(1), at: RECORDS_AT, n_failed: 0 };
        }
        has_next
    }

    fn step(&mut self, segment: Segment) -> io::Result<Step> {
        if self.reader.as_ref().is_none_or(|(number, _)| *number != segment.number) {
            self.window.clear();
            self.reader = Some((segment.number, self.dir.open(&segment_name(segment.number))?));
        }
        let Some((_, file)) = &self.reader else { return Err(io::ErrorKind::NotFound.into()) };
        let place = Place {
            at: self.place.at,
            end: segment.n_bytes,
            salt: segment.salt,
            record_bytes_max: self.config.record_bytes_max,
        };
        step(file, &mut self.window, place)
    }

    /// Read again from the oldest record that is not acknowledged.
    pub fn rewind(&mut self) {
        self.last_read = self.acked;
        self.place = ReadPlace { segment: 0, at: RECORDS_AT, n_failed: 0 };
        self.reader = None;
        self.window.clear();
    }

    /// Acknowledge all records up to this one, as far as they have been read. What is acknowledged
    /// is not read again by this process; for the next one, [`Queue::save_cursor`].
    pub fn ack(&mut self, sequence: u64) {
        self.acked = self.acked.max(sequence.min(self.last_read));
        self.remove_acked();
    }

    /// Up to which record all is acknowledged.
    pub fn acked(&self) -> u64 {
        self.acked
    }

    fn remove_acked(&mut self) {
        while let Some(oldest) = self.segments.front().copied()
            && oldest.last_sequence <= self.acked
        {
            let is_active = self.segments.len() == 1 && self.writer.is_some();
            if is_active && oldest.n_bytes < self.config.segment_bytes {
                break;
            }
            self.drop_oldest();
        }
    }

    fn remove(&mut self, number: u64) {
        if self.reader.as_ref().is_some_and(|(open, _)| *open == number) {
            self.reader = None;
        }
        if self.dir.remove(&segment_name(number)).is_err() {
            self.stats.n_remove_errors += 1;
        }
    }

    /// Make durable what is acknowledged. If this is never done, or fails, records are read again
    /// after a restart; none is lost.
    ///
    /// # Errors
    ///
    /// When the disk refuses. The cursor is as it was before, then.
    pub fn save_cursor(&mut self) -> Result<(), SyncError> {
        self.write_cursor(true)
    }

    /// Write down what is acknowledged without waiting for the disk: it survives the end of the
    /// process, but perhaps not that of the machine. If it does not, records are read again.
    ///
    /// # Errors
    ///
    /// When the disk refuses. The cursor is as it was before, then.
    pub fn note_cursor(&mut self) -> Result<(), SyncError> {
        self.write_cursor(false)
    }

    fn cursor_now(&self) -> Cursor {
        Cursor { salt: self.salt, acked: self.acked }
    }

    fn write_cursor(&mut self, is_durable: bool) -> Result<(), SyncError> {
        let written = self.cursor.put(&self.dir, self.cursor_now(), is_durable);
        written.map_err(|source| SyncError { file: CURSOR.to_owned(), source })
    }
}

fn read_header<D: Dir>(dir: &D, number: u64) -> Result<Option<Header>, OpenError> {
    let name = segment_name(number);
    let bytes = start_of(dir, &name, 2 * HEADER_BYTES).unwrap_or_default();
    let header = Header::decode(&bytes)
        .map_err(|NewerVersion(version)| OpenError::Version { file: name, version })?;
    Ok(header.filter(|header| header.number == number))
}
