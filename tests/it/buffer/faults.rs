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

/// Append, sync, read, acknowledge and save, going on whatever fails; what was promised.
fn use_queue(dir: &MemoryDir) -> Option<(BTreeSet<u64>, u64)> {
    let (mut queue, _) = Queue::open(dir.clone(), CONFIG, 5).ok()?;
    let (mut durable, mut waiting, mut acked) = (BTreeSet::new(), Vec::new(), 0);
    for n in 0..RECORDS {
        waiting.push(queue.append(1, &[n; 40], 0).unwrap());
        if queue.sync().is_ok() {
            durable.extend(waiting.drain(..));
        }
        if n % 3 == 2 {
            if let Ok(Some(record)) = queue.read(0) {
                acked = record.sequence;
                queue.ack(acked);
            }
            let is_soft = n % 2 == 0;
            // A cursor that is not saved costs duplicates.
            let saved = if is_soft { queue.note_cursor() } else { queue.save_cursor() };
            saved.ok();
        }
    }
    Some((durable, acked))
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
                let Some((durable, acked)) = use_queue(&dir) else { continue };
                dir.set_faults(Faults::default());
                if has_power_cut {
                    dir.crash(0);
                }
                let found = recover(&dir);
                let lost: Vec<_> =
                    durable.iter().filter(|n| **n > acked && !found.contains(n)).collect();
                assert!(lost.is_empty(), "call {at} fails with {kind:?}: {lost:?} are lost");
            }
        }
    }
}

#[test]
fn any_call_of_the_opening_may_fail() {
    let dir = MemoryDir::new();
    let (durable, acked) = use_queue(&dir).unwrap();
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
        let found = recover(&dir);
        let lost: Vec<_> = durable.iter().filter(|n| **n > acked && !found.contains(n)).collect();
        assert!(lost.is_empty(), "call {at} of the opening fails: {lost:?} are lost");
    }
}
