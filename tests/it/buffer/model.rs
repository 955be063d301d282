//! Random actions on a queue and on a list of records, which have to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::Index;
use weir::buffer::memory::{Faults, MemoryDir};
use weir::buffer::{AppendError, Config, Queue};

#[derive(Clone, Debug)]
enum Action {
    Append(usize),
    Sync,
    SyncFailing {
        space: Option<usize>,
        cleaning_fails: bool,
    },
    Discard,
    Read(usize),
    Ack(Index),
    Rewind,
    SaveCursor,
    NoteCursor,
    /// Note or save the cursor while there is no space for anything.
    CursorOnFullDisk {
        is_durable: bool,
    },
    Reopen,
    /// Lose what was not synced but for these bytes of it, and open again.
    Crash(Range<usize>),
    Flip(Index, Index, u8),
    Truncate(Index, Index),
    LoseCursor,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0_usize..60).prop_map(Action::Append),
        5 => Just(Action::Sync),
        1 => (proptest::option::of(0_usize..300), any::<bool>())
            .prop_map(|(space, cleaning_fails)| Action::SyncFailing { space, cleaning_fails }),
        1 => Just(Action::Discard),
        5 => (1_usize..6).prop_map(Action::Read),
        3 => any::<Index>().prop_map(Action::Ack),
        1 => Just(Action::Rewind),
        1 => Just(Action::SaveCursor),
        1 => Just(Action::NoteCursor),
        1 => any::<bool>().prop_map(|is_durable| Action::CursorOnFullDisk { is_durable }),
        1 => Just(Action::Reopen),
        1 => (0_usize..200).prop_map(|n_kept| Action::Crash(0..n_kept)),
        1 => (0_usize..200, 0_usize..200).prop_map(|(from, n)| Action::Crash(from..from + n)),
        1 => any::<(Index, Index, u8)>().prop_map(|(a, b, c)| Action::Flip(a, b, c)),
        1 => any::<(Index, Index)>().prop_map(|(a, b)| Action::Truncate(a, b)),
        1 => Just(Action::LoseCursor),
    ]
}

const CONFIG: Config = Config {
    segment_bytes: 300,
    bytes_max: 3000,
    age_max_ms: None,
    record_bytes_max: 50,
    when_full: weir::buffer::WhenFull::Refuse,
};

/// What has to be true of the queue.
struct Model {
    dir: MemoryDir,
    queue: Queue<MemoryDir>,
    /// Every record ever appended, by number; of one number the last is the one that counts, but
    /// what was deleted may come back by a crash.
    payloads: BTreeMap<u64, Vec<Vec<u8>>>,
    /// Those a sync has accepted, that are neither acknowledged nor damaged: they must come.
    /// Others may: damage need not be fatal, and what was given up may have reached the disk.
    durable: BTreeSet<u64>,
    pending: Vec<u64>,
    acked: u64,
    /// As far as a crash is survived, and as far as the end of the process is.
    saved: u64,
    noted: u64,
    /// Acknowledged ones that may come again after the next opening.
    last_read: u64,
    n_appended: u8,
}

impl Model {
    fn new() -> Self {
        let dir = MemoryDir::new();
        let queue = Queue::open(dir.clone(), CONFIG, 5).unwrap().0;
        Self {
            dir,
            queue,
            payloads: BTreeMap::new(),
            durable: BTreeSet::new(),
            pending: Vec::new(),
            acked: 0,
            saved: 0,
            noted: 0,
            last_read: 0,
            n_appended: 0,
        }
    }

    fn run(&mut self, action: &Action) {
        match action {
            Action::Append(n_bytes) => self.append(*n_bytes),
            Action::Sync => {
                self.queue.sync().unwrap();
                self.durable.extend(self.pending.drain(..));
            }
            Action::SyncFailing { space, cleaning_fails } => {
                self.sync_failing(*space, *cleaning_fails);
            }
            Action::Discard => {
                assert_eq!(self.queue.discard_pending(), self.pending.len() as u64);
                self.pending.clear();
            }
            Action::Read(n) => {
                for _ in 0..*n {
                    self.read();
                }
            }
            Action::Ack(index) => {
                let of = usize::try_from(self.last_read + 1).unwrap();
                self.ack(index.index(of) as u64);
            }
            Action::Rewind => {
                self.queue.rewind();
                self.last_read = self.acked;
            }
            Action::SaveCursor => {
                self.queue.save_cursor().unwrap();
                self.saved = self.acked;
                self.noted = self.acked;
            }
            Action::NoteCursor => {
                self.queue.note_cursor().unwrap();
                self.noted = self.acked;
            }
            Action::CursorOnFullDisk { is_durable } => self.cursor_on_full_disk(*is_durable),
            Action::Reopen => {
                self.reopen();
                assert!(self.acked >= self.noted);
            }
            Action::Crash(kept) => {
                self.dir.crash_keeping(kept.clone());
                self.noted = self.saved;
                self.reopen();
            }
            Action::Flip(file, at, flip) => self.damage(*file, |bytes| {
                // One header at a time is tried elsewhere; a second flip would lose the salt.
                let at = 72 + at.index(bytes.len() - 72);
                bytes[at] ^= flip | 1;
                at..at + 1
            }),
            Action::Truncate(file, at) => self.damage(*file, |bytes| {
                let range = at.index(bytes.len())..bytes.len();
                bytes.truncate(range.start);
                range
            }),
            Action::LoseCursor => {
                let is_there = weir::buffer::Dir::remove(&self.dir, "cursor").is_ok();
                if is_there {
                    weir::buffer::Dir::sync(&self.dir).unwrap();
                }
                (self.saved, self.noted) = (0, 0);
                self.reopen();
            }
        }
    }

    fn append(&mut self, n_bytes: usize) {
        self.n_appended = self.n_appended.wrapping_add(1);
        let payload = vec![self.n_appended; n_bytes];
        match self.queue.append(u32::from(self.n_appended), &payload, 0) {
            Ok(sequence) => {
                assert!(n_bytes <= 50);
                // Only numbers of records that nothing is left of may be used again.
                let taken = self.durable.last().max(self.pending.last());
                assert!(Some(&sequence) > taken && sequence > self.acked, "{sequence}");
                self.payloads.entry(sequence).or_default().push(payload);
                self.pending.push(sequence);
            }
            Err(AppendError::TooLong { .. }) => assert!(n_bytes > 50),
            Err(AppendError::Full { n_bytes: used, .. }) => {
                assert!(used + n_bytes as u64 + 36 + 72 > CONFIG.bytes_max);
                assert_eq!(used, self.queue.n_bytes());
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// A cursor that is there can be written, whatever the space.
    fn cursor_on_full_disk(&mut self, is_durable: bool) {
        let is_there = self.dir.names().iter().any(|name| name == "cursor");
        self.dir.set_faults(Faults { space: Some(0), ..Faults::default() });
        let queue = &mut self.queue;
        let put = if is_durable { queue.save_cursor() } else { queue.note_cursor() };
        self.dir.set_faults(Faults::default());
        assert_eq!(put.is_ok(), is_there);
        if put.is_ok() {
            self.noted = self.acked;
            if is_durable {
                self.saved = self.acked;
            }
        }
    }

    fn sync_failing(&mut self, space: Option<usize>, cleaning_fails: bool) {
        let sync_fails = space.is_none();
        // Beyond what is there, so that there is room for a part of what comes.
        let space = space.map(|space| self.dir.n_bytes() + space);
        let faults = Faults { space, sync_fails, cleaning_fails, ..Faults::default() };
        self.dir.set_faults(faults);
        let is_synced = self.queue.sync().is_ok();
        self.dir.set_faults(Faults::default());
        assert!(!is_synced || space.is_some() || self.pending.is_empty());
        if is_synced {
            self.durable.extend(self.pending.drain(..));
        }
    }

    fn read(&mut self) -> Option<u64> {
        let may_have_unread = self.queue.may_have_unread();
        let record = self.queue.read(0).unwrap()?;
        assert!(may_have_unread, "there was nothing to read, and then a record");
        let sequence = record.sequence;
        let appended = &self.payloads[&sequence];
        let is_last = appended.last() == Some(&record.payload);
        assert!(is_last || appended.contains(&record.payload), "record {sequence}");
        assert!(is_last || !self.durable.contains(&sequence), "record {sequence} is another");
        assert!(sequence > self.last_read && sequence > self.acked, "{sequence} came twice");
        assert!(!self.pending.contains(&sequence), "{sequence} is not durable");
        let missed: Vec<_> = self.durable.range(self.last_read + 1..sequence).collect();
        assert_eq!(missed, [&0; 0], "jumped over by {sequence}");
        self.last_read = sequence;
        Some(sequence)
    }

    fn ack(&mut self, sequence: u64) {
        self.queue.ack(sequence);
        self.acked = self.acked.max(sequence.min(self.last_read));
        assert_eq!(self.queue.acked(), self.acked);
        self.durable.retain(|durable| *durable > sequence);
    }

    fn reopen(&mut self) {
        // What is in memory is gone with the process; some of it may have reached the disk.
        self.pending.clear();
        self.queue = Queue::open(self.dir.clone(), CONFIG, 6).unwrap().0;
        assert!(self.queue.acked() >= self.saved);
        self.acked = self.queue.acked();
        self.last_read = self.acked;
    }

    /// Damage a segment, note what that may cost, and open again.
    fn damage(&mut self, file: Index, damage: impl FnOnce(&mut Vec<u8>) -> Range<usize>) {
        let names = self.dir.names();
        let segments: Vec<_> = names.iter().filter(|name| !name.contains("cursor")).collect();
        if segments.is_empty() {
            return;
        }
        let name = segments[file.index(segments.len())];
        let mut bytes = self.dir.bytes(name).unwrap();
        if bytes.len() <= 72 {
            return;
        }
        let before = bytes.clone();
        let touched = touched(&before, &self.payloads, damage(&mut bytes));
        self.dir.put(name, &bytes);
        for sequence in touched {
            self.durable.remove(&sequence);
        }
        self.reopen();
    }

    /// Every durable record comes, in order, and then nothing.
    fn finish(mut self) {
        self.queue.sync().unwrap();
        self.durable.extend(self.pending.drain(..));
        self.queue.rewind();
        self.last_read = self.acked;
        while let Some(sequence) = self.read() {
            self.durable.remove(&sequence);
        }
        assert!(self.durable.is_empty(), "lost: {:?}", self.durable);
        self.queue.ack(u64::MAX);
        assert_eq!(self.queue.acked(), self.last_read);
    }
}

/// The records of a segment that a range of its bytes belongs to, found the slow way.
fn touched(bytes: &[u8], payloads: &BTreeMap<u64, Vec<Vec<u8>>>, range: Range<usize>) -> Vec<u64> {
    let mut found = Vec::new();
    for at in 72..bytes.len() {
        let Some(head) = bytes.get(at..at + 36) else { break };
        let n_bytes = u32::from_le_bytes(head[4..8].try_into().unwrap()) as usize;
        let sequence = u64::from_le_bytes(head[8..16].try_into().unwrap());
        if head.starts_with(b"wREC")
            && payloads.contains_key(&sequence)
            && at < range.end
            && range.start < at + 36 + n_bytes
        {
            found.push(sequence);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// No record that is durable is lost but by damage to itself; order is kept; nothing that is
    /// acknowledged comes again in one process, nor after the cursor was saved.
    #[test]
    fn the_queue_agrees_with_a_list(actions in prop::collection::vec(action(), 1..60)) {
        let mut model = Model::new();
        for action in &actions {
            model.run(action);
        }
        model.finish();
    }
}
