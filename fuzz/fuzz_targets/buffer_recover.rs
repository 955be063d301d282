//! A queue whose only segment, or whose cursor, holds any bytes: it opens, what is read is in
//! order, and what is appended then comes out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::buffer::memory::MemoryDir;
use weir::buffer::{Config, Queue};

/// A segment of three records.
fn segment() -> Vec<u8> {
    let dir = MemoryDir::new();
    let (mut queue, _) = Queue::open(dir.clone(), Config::default(), 1).expect("it is empty");
    for payload in [&b"first"[..], b"", b"the third record"] {
        queue.append(3, payload, 4).expect("there is room");
    }
    queue.sync().expect("memory does not fail");
    dir.bytes(&dir.names()[0]).expect("there is one segment")
}

fuzz_target!(|input: (bool, u16, Vec<u8>)| {
    let (is_cursor, at, bytes) = input;
    let dir = MemoryDir::new();
    let mut segment = segment();
    if is_cursor {
        dir.put("cursor", &bytes);
    } else {
        // Any bytes in the place of some of a segment.
        let at = usize::from(at).min(segment.len());
        let end = (at + bytes.len()).min(segment.len());
        segment.splice(at..end, bytes);
    }
    dir.put("0000000000000000.seg", &segment);
    let Ok((mut queue, _)) = Queue::open(dir, Config::default(), 1) else { return };
    let mut last = queue.acked();
    while let Some(record) = queue.read(0).expect("memory does not fail") {
        assert!(record.sequence > last);
        last = record.sequence;
    }
    let sequence = queue.append(5, b"next", 6).expect("there is room");
    assert!(sequence > last);
    queue.sync().expect("memory does not fail");
    let next = queue.read(0).expect("memory does not fail").expect("it was synced");
    assert_eq!((next.sequence, next.kind, &next.payload[..]), (sequence, 5, &b"next"[..]));
});
