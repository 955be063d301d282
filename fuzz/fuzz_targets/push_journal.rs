//! Records of the push journal: whatever they hold, they are read to the end; and what is there then
//! is read again from its own snapshot.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::app::push::record::{Entry, GroupState, Replay};
use weir::push::store::Store;

fn replay(entries: &[Entry]) -> (Store, u64) {
    let mut replay = Replay::new(|| 4);
    for entry in entries {
        replay.take(entry.kind, entry.now_ms, &entry.payload);
    }
    replay.finish()
}

fn snapshot(store: &Store) -> Vec<Entry> {
    let groups = GroupState::all(store);
    let groups = groups.iter().map(|group| group.entry(9));
    [Entry::begin(9)].into_iter().chain(groups).chain([Entry::end(9)]).collect()
}

// A record begins with its kind and the time, in a byte each; records are apart by a byte that no
// text has.
fuzz_target!(|input: &[u8]| {
    let entry = |record: &[u8]| {
        let (kind, rest) = record.split_first()?;
        let (now_ms, payload) = rest.split_first()?;
        Some(Entry {
            kind: (*kind % 8).into(),
            payload: payload.to_vec(),
            now_ms: (*now_ms).into(),
        })
    };
    let entries: Vec<Entry> = input.split(|&byte| byte == 0xff).filter_map(entry).collect();
    let (store, n_bad) = replay(&entries);
    assert!(n_bad <= entries.len() as u64);
    let made = snapshot(&store);
    let (again, n_bad) = replay(&made);
    assert_eq!(n_bad, 0);
    assert_eq!((again.n_groups(), again.n_series()), (store.n_groups(), store.n_series()));
    let text = |entries: &[Entry]| -> Vec<String> {
        entries.iter().map(|entry| String::from_utf8_lossy(&entry.payload).into_owned()).collect()
    };
    assert_eq!(text(&snapshot(&again)), text(&made));
});
