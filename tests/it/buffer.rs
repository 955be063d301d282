//! The durable queue: damage, faults of the disk, bounds, and a model.

mod faults;
mod model;

use std::collections::BTreeSet;
use std::io::ErrorKind;

use weir::buffer::memory::{Faults, MemoryDir};
use weir::buffer::{AppendError, Config, OpenError, Queue, Record, Recovery, WhenFull};
use weir::disk::DiskDir;

const SALT: u64 = 0x1234_5678_9abc_def0;
const NO_FAULTS: fn() -> Faults = Faults::default;

fn open(dir: &MemoryDir, config: Config) -> (Queue<MemoryDir>, Recovery) {
    Queue::open(dir.clone(), config, SALT).unwrap()
}

fn append(queue: &mut Queue<MemoryDir>, texts: &[&str]) -> Vec<u64> {
    texts.iter().map(|text| queue.append(7, text.as_bytes(), 1000).unwrap()).collect()
}

fn read_all(queue: &mut Queue<MemoryDir>) -> Vec<Record> {
    std::iter::from_fn(|| queue.read(1000).unwrap()).collect()
}

fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| std::str::from_utf8(&record.payload).unwrap()).collect()
}

/// A directory with one segment of these records, and its bytes.
fn segment_of(records: &[&str]) -> (MemoryDir, String, Vec<u8>) {
    let dir = MemoryDir::new();
    let (mut queue, _) = open(&dir, Config::default());
    append(&mut queue, records);
    queue.sync().unwrap();
    let name = dir.names().swap_remove(0);
    let bytes = dir.bytes(&name).unwrap();
    // Without a cursor.
    let dir = MemoryDir::new();
    dir.put(&name, &bytes);
    (dir, name, bytes)
}

const FOUR: [&str; 4] = ["first", "", "the third record, wREC inside", "4"];

#[test]
fn records_come_out_as_they_went_in() {
    let dir = MemoryDir::new();
    let (mut queue, recovery) = open(&dir, Config::default());
    assert_eq!(recovery, Recovery::default());
    assert_eq!(append(&mut queue, &["a", "b"]), [1, 2]);
    assert_eq!(read_all(&mut queue), [], "nothing is durable yet");
    assert_eq!((queue.n_pending(), queue.n_unacked()), (2, 0));
    queue.sync().unwrap();
    assert_eq!((queue.n_pending(), queue.n_unacked()), (0, 2));
    let records = read_all(&mut queue);
    let want = Record { sequence: 1, kind: 7, time_ms: 1000, payload: b"a".to_vec() };
    assert_eq!((&records[0], texts(&records)), (&want, vec!["a", "b"]));
    queue.rewind();
    assert_eq!(read_all(&mut queue), records);
    queue.ack(1);
    queue.rewind();
    assert_eq!(texts(&read_all(&mut queue)), ["b"]);
    queue.save_cursor().unwrap();
    drop(queue);
    let (mut queue, recovery) = open(&dir, Config::default());
    assert_eq!(recovery, Recovery { n_records: 1, ..Recovery::default() });
    assert_eq!(append(&mut queue, &["c"]), [3]);
    queue.sync().unwrap();
    assert_eq!(texts(&read_all(&mut queue)), ["b", "c"]);
    queue.ack(3);
    queue.save_cursor().unwrap();
    drop(queue);
    let (mut queue, recovery) = open(&dir, Config::default());
    assert_eq!((recovery, read_all(&mut queue)), (Recovery::default(), vec![]));
    assert_eq!(dir.names(), ["cursor"], "acknowledged segments are deleted");
    assert_eq!(append(&mut queue, &["d"]), [4], "numbers are not used twice");
}

#[test]
fn what_was_not_read_is_not_acknowledged() {
    let dir = MemoryDir::new();
    let (mut queue, _) = open(&dir, Config::default());
    append(&mut queue, &["a", "b"]);
    queue.sync().unwrap();
    queue.read(0).unwrap();
    queue.ack(u64::MAX);
    assert_eq!(texts(&read_all(&mut queue)), ["b"]);
    assert_eq!(queue.acked(), 1);
}

#[test]
fn every_flipped_byte_costs_one_record() {
    let (_, name, bytes) = segment_of(&FOUR);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let dir = MemoryDir::new();
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            dir.put(&name, &damaged);
            let (mut queue, recovery) = open(&dir, Config::default());
            let records = read_all(&mut queue);
            let mut left: BTreeSet<u64> = (1..=4).collect();
            for record in &records {
                let index = usize::try_from(record.sequence - 1).unwrap();
                assert_eq!(record.payload, FOUR[index].as_bytes(), "byte {at}");
                assert!(left.remove(&record.sequence), "byte {at}");
            }
            assert!(records.is_sorted_by_key(|record| record.sequence), "byte {at}");
            assert!(left.len() <= 1, "byte {at}: lost {left:?}");
            let is_last = left.contains(&4);
            assert_eq!(recovery.n_records, records.len() as u64);
            let is_counted = recovery.n_damaged > 0 || (is_last && recovery.n_torn_bytes > 0);
            assert_eq!(is_counted, !left.is_empty(), "byte {at}");
            // What comes next is not held up.
            append(&mut queue, &["next"]);
            queue.sync().unwrap();
            assert_eq!(texts(&read_all(&mut queue)), ["next"]);
        }
    }
}

#[test]
fn every_truncation_costs_what_was_cut_off() {
    let (_, name, bytes) = segment_of(&FOUR);
    let mut ends = vec![72];
    for text in FOUR {
        ends.push(ends.last().unwrap() + 36 + text.len());
    }
    assert_eq!(ends.last(), Some(&bytes.len()));
    for n_bytes in 0..bytes.len() {
        let dir = MemoryDir::new();
        dir.put(&name, &bytes[..n_bytes]);
        let (mut queue, recovery) = open(&dir, Config::default());
        let n_whole = ends[1..].iter().filter(|&&end| end <= n_bytes).count();
        let records = read_all(&mut queue);
        assert_eq!(texts(&records), FOUR[..n_whole], "{n_bytes} bytes");
        assert_eq!(recovery.n_damaged, 0, "{n_bytes} bytes");
        let n_torn = if n_bytes < 72 { 0 } else { n_bytes - ends[n_whole] };
        assert_eq!(recovery.n_torn_bytes, n_torn as u64, "{n_bytes} bytes");
    }
}

#[test]
fn a_zeroed_range_costs_the_records_in_it() {
    let records: Vec<String> = (0..200).map(|i| format!("record {i} {}", "x".repeat(i))).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let (_, name, bytes) = segment_of(&records);
    let dir = MemoryDir::new();
    let mut damaged = bytes;
    damaged[5000..9096].fill(0);
    dir.put(&name, &damaged);
    let (mut queue, recovery) = open(&dir, Config::default());
    let read = read_all(&mut queue);
    let n_lost = 200 - read.len();
    // 4096 bytes hold some 40 of these records, and two are touched at the edges.
    assert!((20..60).contains(&n_lost), "{n_lost}");
    // The first of them has a head: it is skipped first, the others then.
    assert_eq!((recovery.n_damaged, queue.stats().n_damaged), (2, 2));
    assert!(texts(&read).iter().all(|text| records.contains(text)));
}

#[test]
fn both_headers_lost_need_the_salt_from_elsewhere() {
    let (dir, name, mut bytes) = segment_of(&FOUR);
    bytes[..72].fill(0);
    dir.put(&name, &bytes);
    let (mut queue, recovery) = Queue::open(dir.clone(), Config::default(), 99).unwrap();
    assert_eq!((recovery.n_headers_lost, recovery.n_records), (1, 0));
    assert_eq!(read_all(&mut queue), []);
    assert_eq!(dir.bytes(&name), Some(bytes), "it is left for whoever knows more");
    let (mut queue, recovery) = open(&dir, Config::default());
    assert_eq!((recovery.n_headers_lost, recovery.n_records), (1, 4));
    assert_eq!(texts(&read_all(&mut queue)), FOUR);
}

/// A directory of four records, of which one was acknowledged and saved, then another, and its
/// cursor.
fn twice_saved() -> (MemoryDir, Vec<u8>) {
    let (dir, ..) = segment_of(&FOUR);
    let (mut queue, _) = open(&dir, Config::default());
    read_all(&mut queue);
    for acked in [1, 3] {
        queue.ack(acked);
        queue.save_cursor().unwrap();
    }
    let cursor = dir.bytes("cursor").unwrap();
    (dir, cursor)
}

#[test]
fn a_damaged_cursor_costs_duplicates_only() {
    let (dir, cursor) = twice_saved();
    assert_eq!(cursor.len(), 4096 + 28);
    let left_of = |bytes: &[u8]| {
        dir.put("cursor", bytes);
        let (mut queue, recovery) = open(&dir, Config::default());
        (texts(&read_all(&mut queue)).len(), recovery.is_cursor_lost)
    };
    assert_eq!(left_of(&cursor), (1, false));
    // What was saved last is in the first slot, what was saved before in the second.
    for at in 0..cursor.len() {
        let mut damaged = cursor.clone();
        damaged[at] ^= 0x10;
        assert_eq!(left_of(&damaged), (if at < 28 { 3 } else { 1 }, false), "byte {at}");
        damaged[4096..].fill(0);
        assert_eq!(left_of(&damaged), if at < 28 { (4, true) } else { (1, false) }, "byte {at}");
        let want = if at < 28 { (4, true) } else { (1, false) };
        assert_eq!(left_of(&cursor[..at]), want, "{at} bytes");
    }
}

/// What the cursor of a directory says.
fn told_by_the_cursor(dir: &MemoryDir) -> u64 {
    let copy = MemoryDir::new();
    copy.put("cursor", &dir.bytes("cursor").unwrap());
    open(&copy, Config::default()).0.acked()
}

#[test]
fn a_cursor_needs_no_space_once_there_are_records() {
    let (dir, cursor) = twice_saved();
    let full = Faults { space: Some(0), ..Faults::default() };
    let (mut queue, _) = open(&dir, Config::default());
    append(&mut queue, &["e"]);
    queue.sync().unwrap();
    for (is_durable, acked) in [(false, 4), (true, 5)] {
        dir.set_faults(full);
        read_all(&mut queue);
        queue.ack(acked);
        if is_durable { queue.save_cursor() } else { queue.note_cursor() }.unwrap();
        assert_eq!(told_by_the_cursor(&dir), acked);
        assert_eq!(dir.bytes("cursor").unwrap().len(), cursor.len());
    }
    // Nor does the next process, which has written nothing.
    dir.set_faults(NO_FAULTS());
    append(&mut queue, &["f"]);
    queue.sync().unwrap();
    let (mut queue, _) = open(&dir, Config::default());
    dir.set_faults(full);
    read_all(&mut queue);
    queue.ack(6);
    queue.note_cursor().unwrap();
    assert_eq!(told_by_the_cursor(&dir), 6);
    // What cannot note that it is acknowledged is not taken.
    let empty = MemoryDir::new();
    let (mut queue, _) = open(&empty, Config::default());
    append(&mut queue, &["a"]);
    empty.set_faults(Faults { space: Some(4000), ..Faults::default() });
    let error = queue.sync().unwrap_err();
    assert_eq!((error.file.as_str(), error.source.kind()), ("cursor", ErrorKind::StorageFull));
    empty.set_faults(NO_FAULTS());
    queue.sync().unwrap();
    assert_eq!(texts(&read_all(&mut queue)), ["a"]);
}

#[test]
fn what_was_saved_survives_what_was_noted() {
    for n_noted in 0..4 {
        for kept in [0..0, 0..5, 5..28, 10..60, 28..100, 0..1000] {
            let (dir, ..) = segment_of(&FOUR);
            let (mut queue, _) = open(&dir, Config::default());
            read_all(&mut queue);
            queue.ack(1);
            queue.save_cursor().unwrap();
            for acked in 2..2 + n_noted {
                queue.ack(acked);
                queue.note_cursor().unwrap();
            }
            dir.crash_keeping(kept.clone());
            let acked = open(&dir, Config::default()).0.acked();
            assert!((1..=1 + n_noted).contains(&acked), "{n_noted} noted, {kept:?}: {acked}");
        }
    }
}

#[test]
fn cursors_of_programs_before_are_read_and_replaced() {
    let (dir, cursor) = twice_saved();
    let (newer, older) = (&cursor[..28], &cursor[4096..]);
    let many = [&older.repeat(999)[..], newer].concat();
    let torn = [older, newer, &newer[..20]].concat();
    for (bytes, acked) in [(older, 1), (newer, 3), (&many, 3), (&torn, 3)] {
        dir.put("cursor", bytes);
        let (mut queue, recovery) = open(&dir, Config::default());
        assert_eq!((queue.acked(), recovery.is_cursor_lost), (acked, false));
        assert_eq!(texts(&read_all(&mut queue)), FOUR[usize::try_from(acked).unwrap()..]);
        queue.note_cursor().unwrap();
        assert_eq!(dir.bytes("cursor").unwrap().len(), cursor.len());
        assert_eq!(open(&dir, Config::default()).0.acked(), acked);
    }
}

#[test]
fn a_newer_version_is_left_alone() {
    let (dir, name, mut bytes) = segment_of(&FOUR);
    bytes[7] = 2;
    let crc = crc32c::crc32c(&bytes[..32]).to_le_bytes();
    bytes[32..36].copy_from_slice(&crc);
    dir.put(&name, &bytes);
    let error = Queue::open(dir.clone(), Config::default(), SALT).unwrap_err();
    assert!(matches!(&error, OpenError::Version { file, version: 2 } if *file == name));
    assert!(error.to_string().contains("use a newer one"), "{error}");
    assert_eq!(dir.bytes(&name), Some(bytes));
}

#[test]
fn missing_and_foreign_files_are_passed_over() {
    let dir = MemoryDir::new();
    let (mut queue, _) = open(&dir, Config { segment_bytes: 1, ..Config::default() });
    for text in ["a", "b", "c"] {
        append(&mut queue, &[text]);
        queue.sync().unwrap();
    }
    drop(queue);
    let names = dir.names();
    assert_eq!((names.len(), names[3].as_str()), (4, "cursor"));
    weir::buffer::Dir::remove(&dir, &names[1]).unwrap();
    for name in ["notes.txt", "12.seg", "000000000000000G.seg"] {
        dir.put(name, b"keep me");
    }
    let (mut queue, recovery) = open(&dir, Config::default());
    assert_eq!((recovery.n_foreign_files, recovery.n_records), (3, 2));
    assert_eq!(texts(&read_all(&mut queue)), ["a", "c"]);
    assert_eq!(append(&mut queue, &["d"]), [4]);
    queue.ack(3);
    assert_eq!(dir.bytes("notes.txt").as_deref(), Some(&b"keep me"[..]));
}

#[test]
fn a_full_disk_heals_when_there_is_space() {
    for cleaning_fails in [false, true] {
        for space in 0..330 {
            let dir = MemoryDir::new();
            let (mut queue, _) = open(&dir, Config::default());
            append(&mut queue, &["a"]);
            queue.sync().unwrap();
            let space = dir.n_bytes() + space;
            append(&mut queue, &["b", &"long".repeat(80)]);
            let full = Faults { space: Some(space), cleaning_fails, ..Faults::default() };
            dir.set_faults(full);
            let error = queue.sync().unwrap_err();
            assert_eq!(error.source.kind(), ErrorKind::StorageFull);
            queue.sync().unwrap_err();
            assert_eq!(queue.n_pending(), 2);
            dir.set_faults(NO_FAULTS());
            queue.sync().unwrap();
            append(&mut queue, &["d"]);
            queue.sync().unwrap();
            let want = ["a", "b", &"long".repeat(80), "d"];
            assert_eq!(texts(&read_all(&mut queue)), want);
            dir.crash(0);
            let (mut queue, recovery) = open(&dir, Config::default());
            assert_eq!((texts(&read_all(&mut queue)), recovery.n_damaged), (want.to_vec(), 0));
            assert_eq!(queue.append(0, b"", 0), Ok(5));
        }
    }
}

#[test]
fn what_a_failed_sync_wrote_is_not_trusted() {
    for kept in [0, 10, 50, 1000] {
        for dir_sync_fails in [false, true] {
            let dir = MemoryDir::new();
            let (mut queue, _) = open(&dir, Config::default());
            if !dir_sync_fails {
                append(&mut queue, &["a"]);
                queue.sync().unwrap();
            }
            append(&mut queue, &["b"]);
            let faults = Faults {
                sync_fails: !dir_sync_fails,
                dir_sync_fails,
                cleaning_fails: true,
                ..Faults::default()
            };
            dir.set_faults(faults);
            queue.sync().unwrap_err();
            assert_eq!(queue.discard_pending(), 1);
            dir.set_faults(NO_FAULTS());
            append(&mut queue, &["c"]);
            queue.sync().unwrap();
            let mut want = if dir_sync_fails { vec!["c"] } else { vec!["a", "c"] };
            assert_eq!(texts(&read_all(&mut queue)), want, "given up records are not delivered");
            dir.crash(kept);
            let (mut queue, _) = open(&dir, Config::default());
            let records = read_all(&mut queue);
            let mut found = texts(&records);
            // It may come back by a crash, in its place: it was never said to be lost, either.
            found.retain(|text| *text != "b");
            want.retain(|text| *text != "b");
            assert_eq!(found, want);
            assert!(records.is_sorted_by_key(|record| record.sequence));
        }
    }
}

#[test]
fn what_a_failed_sync_left_does_not_hide_what_was_written_again() {
    for kept in (0..250).map(|from| from..from + 80) {
        let dir = MemoryDir::new();
        let (mut queue, _) = open(&dir, Config::default());
        queue.save_cursor().unwrap();
        append(&mut queue, &["a", "b", "c"]);
        let broken = Faults { sync_fails: true, cleaning_fails: true, ..Faults::default() };
        dir.set_faults(broken);
        queue.sync().unwrap_err();
        dir.set_faults(NO_FAULTS());
        queue.sync().unwrap();
        // Of the first segment any part may be there, such as the second record alone.
        dir.crash_keeping(kept.clone());
        let (mut queue, recovery) = open(&dir, Config::default());
        assert_eq!(texts(&read_all(&mut queue)), ["a", "b", "c"], "{kept:?}");
        assert_eq!(recovery.n_records, 3, "{kept:?}");
    }
}

#[test]
fn short_writes_are_continued() {
    let dir = MemoryDir::new();
    dir.set_faults(Faults { write_bytes_max: Some(3), ..Faults::default() });
    let (mut queue, _) = open(&dir, Config::default());
    append(&mut queue, &FOUR);
    queue.sync().unwrap();
    assert_eq!(texts(&read_all(&mut queue)), FOUR);
    queue.ack(2);
    queue.save_cursor().unwrap();
    let (mut queue, _) = open(&dir, Config::default());
    assert_eq!(texts(&read_all(&mut queue)), FOUR[2..]);
}

#[test]
fn what_cannot_be_read_is_tried_again_and_then_skipped() {
    let (dir, ..) = segment_of(&FOUR);
    let (mut queue, _) = open(&dir, Config::default());
    let broken = Faults { read_fails: true, ..Faults::default() };
    dir.set_faults(broken);
    queue.read(0).unwrap_err();
    queue.read(0).unwrap_err();
    dir.set_faults(NO_FAULTS());
    assert_eq!(texts(&read_all(&mut queue)), FOUR, "it was only for a moment");
    queue.rewind();
    dir.set_faults(broken);
    queue.read(0).unwrap_err();
    queue.read(0).unwrap_err();
    assert_eq!(queue.read(0).unwrap(), None);
    assert_eq!(queue.stats().n_damaged, 1);
    // A queue that cannot be read at all can still be opened and written to.
    let (mut queue, recovery) = open(&dir, Config::default());
    assert_eq!((recovery.n_records, recovery.n_damaged), (0, 1));
    dir.set_faults(NO_FAULTS());
    append(&mut queue, &["next"]);
    queue.sync().unwrap();
    assert!(texts(&read_all(&mut queue)).contains(&"next"));
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let dir = MemoryDir::new();
    let config = Config { segment_bytes: 100, bytes_max: 600, ..Config::default() };
    let (mut queue, _) = open(&dir, config);
    let mut n = 0;
    let error = loop {
        match queue.append(0, &[b'x'; 64], 0) {
            Ok(_) => queue.sync().unwrap(),
            Err(error) => break error,
        }
        n += 1;
        assert!(queue.n_bytes() <= 600);
    };
    assert_eq!(error, AppendError::Full { n_bytes: queue.n_bytes(), max: 600 });
    assert_eq!((n, queue.stats().n_refused), (3, 1));
    let first = queue.read(0).unwrap().unwrap();
    queue.ack(first.sequence);
    queue.append(0, &[b'x'; 64], 0).unwrap();
    let too_long = Config { record_bytes_max: 9, ..config };
    let (mut queue, _) = open(&MemoryDir::new(), too_long);
    let refused = AppendError::TooLong { n_bytes: 10, max: 9 };
    assert_eq!(queue.append(0, &[0; 10], 0), Err(refused));
}

#[test]
fn the_oldest_can_be_dropped_for_room() {
    let dir = MemoryDir::new();
    let config = Config {
        segment_bytes: 100,
        bytes_max: 1000,
        when_full: WhenFull::DropOldest,
        ..Config::default()
    };
    let (mut queue, _) = open(&dir, config);
    for i in 0..50_u8 {
        queue.append(0, &[i; 64], 0).unwrap();
        queue.sync().unwrap();
        assert!(queue.n_bytes() <= 1000);
    }
    let records = read_all(&mut queue);
    let n_dropped = queue.stats().n_dropped_full;
    assert_eq!(n_dropped + records.len() as u64, 50);
    assert_eq!(records[0].sequence, n_dropped + 1);
    assert_eq!(records.last().unwrap().payload, [49; 64]);
    // What can never fit is refused, whatever is dropped.
    assert!(matches!(queue.append(0, &[0; 1000], 0), Err(AppendError::Full { .. })));
}

#[test]
fn old_records_are_dropped_and_counted() {
    let dir = MemoryDir::new();
    let config = Config { segment_bytes: 1, age_max_ms: Some(100), ..Config::default() };
    let (mut queue, _) = open(&dir, config);
    for (time_ms, text) in [(0, "a"), (50, "b"), (200, "c")] {
        queue.append(0, text.as_bytes(), time_ms).unwrap();
        queue.sync().unwrap();
    }
    queue.expire(120);
    assert_eq!((queue.stats().n_dropped_age, queue.n_unacked()), (1, 2));
    let record = queue.read(210).unwrap().unwrap();
    assert_eq!((record.payload, queue.stats().n_dropped_age), (b"c".to_vec(), 2));
    queue.ack(record.sequence);
    assert_eq!(queue.n_unacked(), 0);
}

#[test]
fn a_payload_cannot_pass_for_a_record() {
    // A whole record of another queue, and of this one as far as can be known from outside.
    let (_, _, foreign) = segment_of(&["forged"]);
    let dir = MemoryDir::new();
    let (mut queue, _) = Queue::open(dir.clone(), Config::default(), 42).unwrap();
    let payload = foreign[72..].to_vec();
    queue.append(0, &payload, 0).unwrap();
    queue.append(0, b"last", 0).unwrap();
    queue.sync().unwrap();
    let name = dir.names().swap_remove(0);
    let mut bytes = dir.bytes(&name).unwrap();
    bytes[72 + 5] ^= 1;
    dir.put(&name, &bytes);
    let (mut queue, _) = Queue::open(dir, Config::default(), 42).unwrap();
    assert_eq!(texts(&read_all(&mut queue)), ["last"]);
}

#[test]
fn a_queue_lives_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue");
    let config = Config { segment_bytes: 200, ..Config::default() };
    let mut queue = Queue::open(DiskDir::open(&path).unwrap(), config, SALT).unwrap().0;
    let busy = DiskDir::open(&path).unwrap_err();
    assert!(busy.to_string().contains("another process has this queue"), "{busy}");
    for i in 0..100_u32 {
        queue.append(i, &i.to_le_bytes(), 0).unwrap();
        queue.sync().unwrap();
    }
    let mut n_read = 0;
    while n_read < 60 {
        n_read = queue.read(0).unwrap().unwrap().sequence;
    }
    queue.ack(60);
    queue.save_cursor().unwrap();
    drop(queue);
    let (mut queue, recovery) = Queue::open(DiskDir::open(&path).unwrap(), config, SALT).unwrap();
    assert_eq!(recovery, Recovery { n_records: 40, ..Recovery::default() });
    let mut next = 60_u32;
    while let Some(record) = queue.read(0).unwrap() {
        assert_eq!((record.kind, &record.payload[..]), (next, &next.to_le_bytes()[..]));
        next += 1;
    }
    queue.ack(u64::MAX);
    assert_eq!((next, queue.n_unacked()), (100, 0));
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2, "the lock and the cursor");
}
