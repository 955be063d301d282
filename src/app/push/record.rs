//! What the journal of the store holds: changes of groups, and snapshots; and what they do to a
//! store when they are read again.
//!
//! A record is of one kind, and has a line of JSON and a body in text 0.0.4, which is read as the
//! body of a push is. A snapshot is a row of records between two marks. Reading stops at a snapshot
//! without its second mark: what was before it is still there then.

use crate::buffer::Dir;
use crate::buffer::Queue;
use crate::lint::RuleSet;
use crate::model::Format;
use crate::push::Gauges;
use crate::push::GroupingKey;
use crate::push::LabelNames;
use crate::push::body::Families;
use crate::push::body::ReadConfig;
use crate::push::canonical::write_families;
use crate::push::read_text;
use crate::push::store::Change;
use crate::push::store::Group;
use crate::push::store::GroupFamily;
use crate::push::store::Pusher;
use crate::push::store::Store;
use crate::push::store::StoreLimits;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// A change of one group.
const CHANGE: u32 = 1;
/// A snapshot begins.
const BEGIN: u32 = 2;
/// A group as it is.
const GROUP: u32 = 3;
/// The snapshot was whole.
const END: u32 = 4;

/// What was taken once is taken again, whatever the limits are now.
const ANYBODY: Pusher<'_> =
    Pusher { name: "", group_series_max: usize::MAX, series_max: usize::MAX };
const LIMITS: StoreLimits =
    StoreLimits { group_series_max: usize::MAX, series_max: usize::MAX, groups_max: usize::MAX };

/// One record.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: u32,
    /// What it says.
    pub payload: Vec<u8>,
    /// When, in milliseconds since the epoch.
    pub now_ms: i64,
}

impl Entry {
    /// A push.
    pub fn push(
        key: &GroupingKey,
        families: &Families,
        (change, owner): (Change, &str),
        time_to_live_ms: Option<i64>,
        now_ms: i64,
    ) -> Self {
        let word = match change {
            Change::Replace => "put",
            Change::Update => "post",
            Change::Aggregate(Gauges::Last) => "last",
            Change::Aggregate(Gauges::Max) => "max",
            Change::Aggregate(Gauges::Min) => "min",
        };
        let head = json!({
            "do": word, "path": path(key), "owner": owner, "time_to_live_ms": time_to_live_ms,
        });
        let body = write_families(families.iter().map(|(name, family)| (&**name, family)));
        Self::new(CHANGE, &head, &body, now_ms)
    }

    /// A group that is forgotten.
    pub fn delete(key: &GroupingKey, now_ms: i64) -> Self {
        Self::new(CHANGE, &json!({ "do": "delete", "path": path(key) }), &[], now_ms)
    }

    /// A push that was refused.
    pub fn fail(key: &GroupingKey, now_ms: i64) -> Self {
        Self::new(CHANGE, &json!({ "do": "fail", "path": path(key) }), &[], now_ms)
    }

    /// Before the groups of a snapshot.
    pub fn begin(now_ms: i64) -> Self {
        Self::new(BEGIN, &json!({}), &[], now_ms)
    }

    /// Behind them.
    pub fn end(now_ms: i64) -> Self {
        Self::new(END, &json!({}), &[], now_ms)
    }

    fn new(kind: u32, head: &Value, body: &[u8], now_ms: i64) -> Self {
        let mut payload = head.to_string().into_bytes();
        payload.push(b'\n');
        payload.extend_from_slice(body);
        Self { kind, payload, now_ms }
    }
}

fn path(key: &GroupingKey) -> String {
    key.to_path(LabelNames::Utf8)
}

/// A group as it was when a snapshot began.
#[derive(Debug)]
pub struct GroupState {
    key: Arc<GroupingKey>,
    group: Group,
    families: Vec<(String, Arc<GroupFamily>)>,
}

impl GroupState {
    /// All groups. What they hold is shared, not copied.
    pub fn all(store: &Store) -> Vec<Self> {
        let groups = store.groups().map(|(key, group)| {
            let families = store.families_of(key);
            let families = families.map(|(name, family)| (name.to_owned(), Arc::clone(family)));
            let families = families.collect();
            Self { key: Arc::clone(key), group: group.clone(), families }
        });
        groups.collect()
    }

    /// As it stands in the snapshot.
    pub fn entry(&self, now_ms: i64) -> Entry {
        let Self { key, group, families } = self;
        let older = families.iter().filter(|(_, family)| family.pushed_ms != group.pushed_ms);
        let older: Map<_, _> =
            older.map(|(name, family)| (name.clone(), family.pushed_ms.into())).collect();
        let head = json!({
            "do": "put", "path": path(key), "owner": &*group.owner, "pushed_ms": group.pushed_ms,
            "failed_ms": group.failed_ms, "is_last_good": group.is_last_good,
            "expires_ms": group.expires_ms, "families_ms": older,
        });
        let body = write_families(families.iter().map(|(name, f)| (&**name, &f.family)));
        Entry::new(GROUP, &head, &body, now_ms)
    }
}

/// Records that are read again.
#[derive(Debug)]
pub struct Replay {
    store: Store,
    random: fn() -> u64,
    /// A snapshot that is being read.
    fresh: Option<Store>,
    n_bad: u64,
}

impl Replay {
    /// Begin with nothing. `random` must be unpredictable to whoever pushes.
    pub fn new(random: fn() -> u64) -> Self {
        Self { store: Store::new(LIMITS, random), random, fresh: None, n_bad: 0 }
    }

    /// Do again what a queue says.
    ///
    /// # Errors
    ///
    /// Of the disk.
    pub fn read<D: Dir>(&mut self, queue: &mut Queue<D>) -> std::io::Result<()> {
        while let Some(record) = queue.read(0)? {
            self.take(record.kind, record.time_ms, &record.payload);
        }
        Ok(())
    }

    /// Do again what one record says.
    pub fn take(&mut self, kind: u32, time_ms: i64, payload: &[u8]) {
        let is_good = match kind {
            BEGIN => {
                self.fresh = Some(Store::new(LIMITS, self.random));
                true
            }
            END => self.fresh.take().map(|fresh| self.store = fresh).is_some(),
            GROUP => match &mut self.fresh {
                Some(fresh) => redo_group(fresh, payload, self.random).is_some(),
                // What stands before the end of an older snapshot was acknowledged.
                None => true,
            },
            CHANGE => redo(&mut self.store, time_ms, payload, self.random).is_some(),
            _ => false,
        };
        self.n_bad += u64::from(!is_good);
    }

    /// What is there then, without limits, and how many records could not be understood.
    pub fn finish(self) -> (Store, u64) {
        (self.store, self.n_bad)
    }
}

/// The two parts of a record: what its line says, whose it is, and the body.
fn open(payload: &[u8]) -> Option<(Value, GroupingKey, &[u8])> {
    let end = memchr::memchr(b'\n', payload)?;
    let (head, body) = payload.split_at(end);
    let head: Value = serde_json::from_slice(head).ok()?;
    let key = GroupingKey::from_path(head.get("path")?.as_str()?, LabelNames::Utf8).ok()?;
    Some((head, key, body.get(1..).unwrap_or_default()))
}

fn read(body: &[u8], key: &GroupingKey, random: fn() -> u64) -> Option<Families> {
    let config =
        ReadConfig { names: LabelNames::Utf8, series_max: usize::MAX, line_bytes_max: usize::MAX };
    let read = read_text(Format::Text, body, key, config, RuleSet::NONE, random);
    read.ok().map(|(families, _)| families)
}

fn owner(head: &Value) -> &str {
    head.get("owner").and_then(Value::as_str).unwrap_or_default()
}

fn redo(store: &mut Store, time_ms: i64, payload: &[u8], random: fn() -> u64) -> Option<()> {
    let (head, key, body) = open(payload)?;
    let change = match head.get("do")?.as_str()? {
        "put" => Change::Replace,
        "post" => Change::Update,
        "last" => Change::Aggregate(Gauges::Last),
        "max" => Change::Aggregate(Gauges::Max),
        "min" => Change::Aggregate(Gauges::Min),
        "delete" => {
            store.delete(&key);
            return Some(());
        }
        "fail" => {
            store.fail(&key, time_ms);
            return Some(());
        }
        _ => return None,
    };
    let time_to_live_ms = head.get("time_to_live_ms").and_then(Value::as_i64);
    let families = read(body, &key, random)?;
    store.check(&key, &families, change, ANYBODY).ok()?;
    store.apply(&key, families, change, owner(&head), time_ms, time_to_live_ms);
    Some(())
}

fn redo_group(store: &mut Store, payload: &[u8], random: fn() -> u64) -> Option<()> {
    let (head, key, body) = open(payload)?;
    let number = |name: &str| head.get(name).and_then(Value::as_i64);
    let (pushed_ms, failed_ms) = (number("pushed_ms")?, number("failed_ms").unwrap_or_default());
    let time_to_live_ms = number("expires_ms").map(|at| at.saturating_sub(pushed_ms));
    // A journal that was written before this was noted.
    let is_last_good = head.get("is_last_good").and_then(Value::as_bool);
    let is_last_good = is_last_good.unwrap_or(pushed_ms > 0 && pushed_ms >= failed_ms);
    let families = read(body, &key, random)?;
    store.check(&key, &families, Change::Replace, ANYBODY).ok()?;
    if failed_ms > 0 && is_last_good {
        store.fail(&key, failed_ms);
    }
    store.apply(&key, families, Change::Replace, owner(&head), pushed_ms, time_to_live_ms);
    // Families that were pushed before the group was pushed to last.
    let older = head.get("families_ms").and_then(Value::as_object);
    for (name, pushed_ms) in older.into_iter().flatten() {
        store.set_pushed(&key, name, pushed_ms.as_i64()?);
    }
    if !is_last_good {
        store.fail(&key, failed_ms);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn replay<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> (Store, u64) {
        let mut replay = Replay::new(|| 4);
        for entry in entries {
            replay.take(entry.kind, entry.now_ms, &entry.payload);
        }
        replay.finish()
    }

    /// All that is told of a store.
    fn contents(store: &Store) -> BTreeMap<String, String> {
        let group = |state: GroupState| {
            let families: Vec<_> = state.families.iter().map(|(_, family)| family).collect();
            (path(&state.key), format!("{:?} {families:?}", state.group))
        };
        GroupState::all(store).into_iter().map(group).collect()
    }

    fn key(path: &str) -> GroupingKey {
        GroupingKey::from_path(path, LabelNames::Utf8).unwrap()
    }

    fn push(path: &str, body: &str, change: Change, time_to_live_ms: Option<i64>) -> Entry {
        let key = key(path);
        let families = read(body.as_bytes(), &key, || 4).unwrap();
        Entry::push(&key, &families, (change, "me"), time_to_live_ms, 1000)
    }

    /// Changes in which a push and a refusal are in one millisecond, in either order.
    fn changes() -> Vec<Entry> {
        let (good, bad) = ("/metrics/job/good", "/metrics/job/bad/U__a_2e_b/%C3%BC");
        let histogram = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 2\nh_count 3\n";
        vec![
            push(good, "a 1\n", Change::Replace, None),
            Entry::fail(&key(good), 1000),
            push(good, "# HELP b h\\n\n# TYPE b counter\nb{l=\"\\\"\"} 2\n", Change::Update, None),
            push(bad, histogram, Change::Replace, Some(50)),
            Entry::fail(&key(bad), 1000),
            push("/metrics/job/sum", histogram, Change::Aggregate(Gauges::Last), None),
            push("/metrics/job/sum", histogram, Change::Aggregate(Gauges::Max), None),
            push("/metrics/job/gone", "a 1\n", Change::Replace, Some(50)),
            Entry::delete(&key("/metrics/job/gone"), 1000),
            Entry::fail(&key("/metrics/job/never"), 1000),
            // The other families of the group are older then.
            Entry { now_ms: 1500, ..push(good, "c 1\n", Change::Update, None) },
        ]
    }

    fn snapshot(store: &Store) -> Vec<Entry> {
        let groups = GroupState::all(store);
        let groups = groups.iter().map(|group| group.entry(2000));
        [Entry::begin(2000)].into_iter().chain(groups).chain([Entry::end(2000)]).collect()
    }

    #[test]
    fn a_snapshot_is_read_as_what_it_was_made_of() {
        let (store, n_bad) = replay(&changes());
        assert_eq!((store.n_groups(), n_bad), (4, 0));
        let is_good = |path: &str| store.group_of(&key(path)).unwrap().is_last_good;
        assert!(is_good("/metrics/job/good") && is_good("/metrics/job/sum"));
        assert!(!is_good("/metrics/job/bad/U__a_2e_b/%C3%BC") && !is_good("/metrics/job/never"));
        let (again, n_bad) = replay(&snapshot(&store));
        assert_eq!((contents(&again), n_bad), (contents(&store), 0));
        assert_eq!(again.n_series(), store.n_series());
    }

    #[test]
    fn a_snapshot_that_is_not_whole_changes_nothing() {
        let (store, _) = replay(&changes());
        let other = replay(&[push("/metrics/job/other", "a 1\n", Change::Replace, None)]).0;
        let mut entries = changes();
        entries.extend(snapshot(&other));
        assert_eq!(contents(&replay(&entries).0), contents(&other));
        entries.pop();
        assert_eq!(contents(&replay(&entries).0), contents(&store));
    }

    /// Found by fuzzing: one family with values of two types.
    #[test]
    fn a_record_that_does_not_fit_is_none() {
        let (summary, untyped) = ("# TYPE s summary\ns_sum 1\n", "s{quantile=\"0.5\"} 1\n");
        let push = |body| push("/metrics/job/x", body, Change::Aggregate(Gauges::Last), None);
        let (store, n_bad) = replay(&[push(untyped), push(summary)]);
        assert_eq!((store.n_series(), n_bad), (1, 1));
    }

    #[test]
    fn what_cannot_be_understood_is_counted() {
        let entry = |kind, payload: &str| Entry { kind, payload: payload.into(), now_ms: 1 };
        for bad in [
            entry(9, "{}\n"),
            entry(CHANGE, "{}"),
            entry(CHANGE, "{\"do\":\"put\",\"path\":\"/metrics/job/\"}\n"),
            entry(CHANGE, "{\"do\":\"put\",\"path\":\"/metrics/job/x\"}\na b\n"),
            entry(CHANGE, "{\"do\":\"pot\",\"path\":\"/metrics/job/x\"}\na 1\n"),
            entry(END, "{}\n"),
        ] {
            let (store, n_bad) = replay([&bad]);
            assert_eq!((store.n_groups(), n_bad), (0, 1), "{bad:?}");
        }
    }
}
