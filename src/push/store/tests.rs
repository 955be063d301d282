//! The store against one that looks at everything for every push, and by itself.

use super::*;
use crate::lint::RuleSet;
use crate::model::Format;
use crate::push::LabelNames;
use crate::push::body::ReadConfig;
use crate::push::read_text;
use crate::push::store::naive::Naive;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const LIMITS: StoreLimits =
    StoreLimits { group_series_max: usize::MAX, series_max: usize::MAX, groups_max: usize::MAX };
const ANYBODY: Pusher<'_> =
    Pusher { name: "anybody", group_series_max: usize::MAX, series_max: usize::MAX };

fn key(path: &str) -> GroupingKey {
    GroupingKey::from_path(path, LabelNames::Legacy).unwrap()
}

/// The families of a body, unless it is refused by itself.
fn read(key: &GroupingKey, body: &str) -> Option<Families> {
    let config = ReadConfig {
        names: LabelNames::Legacy,
        series_max: usize::MAX,
        line_bytes_max: usize::MAX,
    };
    let random = || 4;
    let read = read_text(Format::Text, body.as_bytes(), key, config, RuleSet::NONE, random);
    read.ok().map(|(families, _)| families)
}

/// What stands in a store, to be compared.
fn contents(store: &Store) -> BTreeMap<GroupingKey, BTreeMap<String, Family>> {
    store
        .groups()
        .map(|(key, _)| {
            let families = store.families_of(key);
            let families = families.map(|(name, family)| (name.to_owned(), family.family.clone()));
            ((**key).clone(), families.collect())
        })
        .collect()
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![Just(Change::Replace), Just(Change::Update), Just(Change::Aggregate(Gauges::Max)),]
}

/// Bodies with few names, so that much of it collides.
fn body() -> impl Strategy<Value = String> {
    let family = (
        select(vec!["a", "b", "a_sum", "a_count", "a_bucket", "push_time_seconds"]),
        select(vec!["counter", "gauge", "summary", "histogram", "untyped"]),
        vec(select(vec!["", "{l=\"1\"}", "{instance=\"i\"}"]), 1..3),
    );
    vec(family, 0..4).prop_map(|families| {
        let mut text = String::new();
        for (name, metric_type, series) in families {
            text += &["# TYPE ", name, " ", metric_type, "\n"].concat();
            for labels in series {
                let has_parts = matches!(metric_type, "summary" | "histogram");
                let suffix = if has_parts { "_sum" } else { "" };
                text += &[name, suffix, labels, " 1\n"].concat();
            }
        }
        text
    })
}

fn path() -> impl Strategy<Value = &'static str> {
    select(vec![
        "/metrics/job/x",
        "/metrics/job/x/instance/i",
        "/metrics/job/x/instance@base64/=",
        "/metrics/job/y",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The verdicts, the contents and the counts are those of the store that looks at everything.
    #[test]
    fn the_index_says_what_a_look_at_everything_says(
        steps in vec((path(), proptest::option::weighted(0.85, (change(), body()))), 1..12),
    ) {
        let (mut store, mut naive) = (Store::new(LIMITS, || 4), Naive::default());
        for (path, step) in steps {
            let key = key(path);
            let Some((change, body)) = step else {
                prop_assert_eq!(store.delete(&key), naive.delete(&key));
                continue;
            };
            let Some(families) = read(&key, &body) else { continue };
            let verdict = store.check(&key, &families, change, ANYBODY);
            let expect = naive.push(&key, families.clone(), change);
            prop_assert_eq!(verdict.is_ok(), expect, "{} {:?}\n{}\n{:?}", path, change, body, verdict);
            if expect {
                store.apply(&key, families, change, "anybody", 1, None);
            }
            prop_assert_eq!(contents(&store), naive.groups.clone());
            let n_series: usize = naive.groups.values().flat_map(BTreeMap::values).map(Family::n_series).sum();
            prop_assert_eq!(store.n_series(), n_series);
            let n_metrics: usize =
                naive.groups.values().flat_map(BTreeMap::values).map(|f| f.metrics.len()).sum();
            prop_assert_eq!(store.owners.len(), n_metrics);
        }
    }
}

#[test]
fn groups_are_forgotten_when_their_time_is_over() {
    let mut store = Store::new(LIMITS, || 4);
    let (x, y) = (key("/metrics/job/x"), key("/metrics/job/y"));
    let push = |store: &mut Store, key: &GroupingKey, now_ms, time| {
        let families = read(key, "a 1\n").unwrap();
        store.apply(key, families, Change::Replace, "anybody", now_ms, time);
    };
    push(&mut store, &x, 100, Some(50));
    push(&mut store, &y, 100, None);
    assert!(store.expired(149).is_empty());
    push(&mut store, &x, 120, Some(50));
    assert!(store.expired(150).is_empty());
    let expired = store.expired(170);
    assert_eq!(expired.len(), 1);
    assert!(store.delete(&expired[0]));
    assert!(store.expired(i64::MAX).is_empty());
    assert_eq!((store.n_groups(), store.n_series()), (1, 1));
}
