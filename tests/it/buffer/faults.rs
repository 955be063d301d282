//! Every call to the disk fails once, in every way, and nothing that is durable is lost.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use weir::buffer::Config;
use weir::buffer::Queue;
use weir::buffer::memory::Faults;
use weir::buffer::memory::MemoryDir;

const CONFIG: Config = Config {
    segment_bytes: 250,
    bytes_max: 100_000,
    age_max_ms: None,
    record_bytes_max: 100,
    when_full: weir::buffer::WhenFull::Refuse,
};
const KINDS: [ErrorKind; 5] = [
    ErrorKind::StorageFull,
    ErrorKind::QuotaExceeded,
    ErrorKind::PermissionDenied,
    ErrorKind::ReadOnlyFilesystem,
    ErrorKind::Other,
];
const RECORDS: u8 = 12;

/// What was promised of a queue.
#[derive(Default)]
struct Promised {
    durable: BTreeSet<u64>,
    acked: u64,
    /// As far as the cursor was made durable, and noted.
    saved: u64,
    noted: u64,
}

/// Append, sync, read, acknowledge and save, going on whatever fails.
fn use_queue(dir: &MemoryDir) -> Option<Promised> {
    let (mut queue, _) = Queue::open(dir.clone(), CONFIG, 5).ok()?;
    let mut waiting = Vec::new();
    let mut promised = Promised::default();
    for n in 0..RECORDS {
        waiting.push(queue.append(1, &[n; 40], 0).unwrap());
        if queue.sync().is_ok() {
            promised.durable.extend(waiting.drain(..));
        }
        if n % 3 == 2 {
            if let Ok(Some(record)) = queue.read(0) {
                promised.acked = record.sequence;
                queue.ack(record.sequence);
            }
            // A cursor that is not saved costs duplicates.
            if n % 2 == 0 {
                if queue.note_cursor().is_ok() {
                    promised.noted = promised.acked;
                }
            } else if queue.save_cursor().is_ok() {
                promised.saved = promised.acked;
                promised.noted = promised.acked;
            }
        }
    }
    Some(promised)
}

impl Promised {
    /// Nothing durable is lost, and nothing comes again but what the cursor may not tell.
    #[track_caller]
    fn check(&self, dir: &MemoryDir, has_power_cut: bool, what: &str) {
        let found = recover(dir);
        let is_lost = |n: &&u64| **n > self.acked && !found.contains(n);
        let lost: Vec<_> = self.durable.iter().filter(is_lost).collect();
        assert!(lost.is_empty(), "{what}: {lost:?} are lost");
        let told = if has_power_cut { self.saved } else { self.noted };
        let again: Vec<_> = found.range(..=told).collect();
        assert!(again.is_empty(), "{what}: {again:?} come again");
    }
}

/// All that comes out of a directory.
fn recover(dir: &MemoryDir) -> BTreeSet<u64> {
    let (mut queue, _) = Queue::open(dir.clone(), CONFIG, 6).unwrap();
    std::iter::from_fn(|| queue.read(0).unwrap()).map(|record| record.sequence).collect()
}

#[test]
fn any_call_may_fail() {
    let dir = MemoryDir::new();
    use_queue(&dir).unwrap();
    let n_calls = dir.n_calls();
    assert!(n_calls > 50, "{n_calls}");
    for kind in KINDS {
        for at in 0..n_calls {
            for has_power_cut in [false, true] {
                let dir = MemoryDir::new();
                dir.set_faults(Faults { call_fails: Some((at, kind)), ..Faults::default() });
                // The queue may be refused at the start.
                let Some(promised) = use_queue(&dir) else { continue };
                dir.set_faults(Faults::default());
                if has_power_cut {
                    dir.crash(0);
                }
                promised.check(&dir, has_power_cut, &format!("call {at} fails with {kind:?}"));
            }
        }
    }
}

#[test]
fn the_process_may_die_at_any_call() {
    let dir = MemoryDir::new();
    use_queue(&dir).unwrap();
    for at in 0..=dir.n_calls() {
        // Without a power cut the disk gets it all; with one, what was not synced comes in parts.
        let power_cuts = [None, Some(0..0), Some(0..20), Some(20..50), Some(30..2000)];
        for kept in power_cuts {
            let dir = MemoryDir::new();
            dir.set_faults(Faults { dead_from: Some(at), ..Faults::default() });
            let promised = use_queue(&dir).unwrap_or_default();
            dir.set_faults(Faults::default());
            if let Some(kept) = kept.clone() {
                dir.crash_keeping(kept);
            }
            promised.check(&dir, kept.is_some(), &format!("dead from call {at}, {kept:?}"));
            // Who comes next goes on, and says the truth, too.
            let next = use_queue(&dir).unwrap();
            next.check(&dir, false, &format!("after death at call {at}, {kept:?}"));
        }
    }
}

#[test]
fn any_call_of_the_opening_may_fail() {
    let dir = MemoryDir::new();
    let promised = use_queue(&dir).unwrap();
    let n_before = dir.n_calls();
    recover(&dir);
    let n_calls = dir.n_calls();
    for at in n_before..n_calls {
        let dir = MemoryDir::new();
        use_queue(&dir).unwrap();
        let faults = Faults { call_fails: Some((at, ErrorKind::Other)), ..Faults::default() };
        dir.set_faults(faults);
        // It may be refused, or miss what it could not read; it may not delete that.
        if let Ok((mut queue, _)) = Queue::open(dir.clone(), CONFIG, 6) {
            queue.read(0).ok();
        }
        dir.set_faults(Faults::default());
        promised.check(&dir, false, &format!("call {at} of the opening fails"));
    }
}
