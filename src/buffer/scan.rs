//! Walking the records of a segment, whatever state it is in.

use std::io;

use memchr::memmem;

use super::dir::DirFile;
use super::format::{HEAD_BYTES, Head, RECORD_MAGIC};

/// Bytes read at once.
const WINDOW_BYTES: usize = 256 << 10;
/// What is skipped where reading fails: the block of most disks.
const BLOCK_BYTES: u64 = 4096;

/// A part of a file in memory.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    start: u64,
}

impl Window {
    /// Forget what was read, as of another file.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Hold what was just written at `start`, so that it need not be read from the file. What was
    /// held is swapped for it.
    pub(super) fn hold(&mut self, start: u64, bytes: &mut Vec<u8>) {
        std::mem::swap(&mut self.bytes, bytes);
        self.start = start;
    }

    /// `n_bytes` of the file from `at`, which lie below `end`; less where the file is shorter.
    pub(super) fn view(
        &mut self,
        file: &impl DirFile,
        at: u64,
        n_bytes: usize,
        end: u64,
    ) -> io::Result<&[u8]> {
        let offset = at.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        let held = offset.filter(|&offset| offset + n_bytes <= self.bytes.len());
        let offset = if let Some(offset) = held {
            offset
        } else {
            self.fill(file, at, n_bytes, end)?;
            0
        };
        let stop = self.bytes.len().min(offset + n_bytes);
        Ok(self.bytes.get(offset..stop).unwrap_or_default())
    }

    fn fill(&mut self, file: &impl DirFile, at: u64, n_bytes: usize, end: u64) -> io::Result<()> {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = n_bytes.max(WINDOW_BYTES).min(left);
        self.start = at;
        self.bytes.resize(wanted, 0);
        let mut n_read = 0;
        while n_read < wanted {
            let rest = self.bytes.get_mut(n_read..).unwrap_or_default();
            match file.read_at(at + n_read as u64, rest) {
                Ok(0) => break,
                Ok(n) => n_read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What has been read may be all that is needed.
                Err(_) if n_read >= n_bytes => break,
                Err(error) => {
                    self.bytes.clear();
                    return Err(error);
                }
            }
        }
        self.bytes.truncate(n_read);
        Ok(())
    }
}

/// What is at a place of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// A record; its payload is in the window, before `next`.
    Record { head: Head, next: u64 },
    /// A range without a whole record; one record and more.
    Damaged { next: u64 },
    /// Nothing more: the end, or what was never written completely.
    End { n_torn: u64 },
}

/// Where and how a segment is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: u64,
    /// Up to where it is read.
    pub(super) end: u64,
    pub(super) salt: u64,
    pub(super) record_bytes_max: usize,
}

/// Look at one place of a segment.
///
/// # Errors
///
/// When the file cannot be read there.
pub(super) fn step(file: &impl DirFile, window: &mut Window, place: Place) -> io::Result<Step> {
    let Place { at, end, .. } = place;
    let n_left = end.saturating_sub(at);
    if n_left < HEAD_BYTES as u64 {
        return Ok(Step::End { n_torn: n_left });
    }
    let head = window.view(file, at, HEAD_BYTES, end)?;
    let Some(head) = head_of(head, place) else { return Ok(resync(file, window, place)) };
    let n_bytes = HEAD_BYTES + head.length as usize;
    let next = at + n_bytes as u64;
    if next > end {
        // Cut off here; only within a segment that was damaged is there anything behind it.
        return Ok(resync(file, window, place));
    }
    let record = window.view(file, at, n_bytes, end)?;
    let is_whole = record.get(HEAD_BYTES..n_bytes).is_some_and(|payload| head.matches(payload));
    Ok(if is_whole { Step::Record { head, next } } else { Step::Damaged { next } })
}

/// The payload of a record that was just found.
pub(super) fn payload(window: &Window, head: &Head, next: u64) -> Option<Vec<u8>> {
    let stop = usize::try_from(next.checked_sub(window.start)?).ok()?;
    window.bytes.get(stop.checked_sub(head.length as usize)?..stop).map(<[u8]>::to_vec)
}

/// Where to go on behind a place that cannot be read.
pub(super) fn behind_unreadable(at: u64, end: u64) -> u64 {
    ((at / BLOCK_BYTES + 1) * BLOCK_BYTES).min(end)
}

fn head_of(bytes: &[u8], place: Place) -> Option<Head> {
    let head = Head::decode(bytes, place.salt)?;
    (head.length as usize <= place.record_bytes_max).then_some(head)
}

/// Search the next head behind a place. What cannot be read has none.
fn resync(file: &impl DirFile, window: &mut Window, place: Place) -> Step {
    let end = place.end;
    let mut at = place.at + 1;
    while at + (HEAD_BYTES as u64) <= end {
        let n_left = usize::try_from(end - at).unwrap_or(usize::MAX);
        let Ok(bytes) = window.view(file, at, n_left.min(WINDOW_BYTES), end) else {
            at = behind_unreadable(at, end);
            continue;
        };
        let mut found = memmem::find_iter(bytes, &RECORD_MAGIC);
        let good = found.find(|&offset| {
            bytes.get(offset..).is_some_and(|bytes| head_of(bytes, place).is_some())
        });
        if let Some(offset) = good {
            return Step::Damaged { next: at + offset as u64 };
        }
        if bytes.len() < HEAD_BYTES {
            break;
        }
        // A head may begin in the last bytes of what was searched.
        at += (bytes.len() - HEAD_BYTES + 1) as u64;
    }
    Step::End { n_torn: end - place.at }
}
