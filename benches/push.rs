//! Pushes: one sample into an empty store and into one of 100,000 series, which should cost the
//! same; and a body of 100,000 series.
//!
//! `weir::push` alone: reading, checking, storing. No socket, no disk.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use weir::lint::RuleSet;
use weir::model::Format;
use weir::push::body::{Families, ReadConfig};
use weir::push::store::{Change, Pusher, Store, StoreLimits};
use weir::push::{GroupingKey, LabelNames, read_text};

const LIMITS: StoreLimits =
    StoreLimits { group_series_max: 1 << 30, series_max: 1 << 30, groups_max: 1 << 30 };
const PUSHER: Pusher<'_> = Pusher { name: "bench", group_series_max: 1 << 30, series_max: 1 << 30 };
const CONFIG: ReadConfig =
    ReadConfig { names: LabelNames::Legacy, series_max: 1 << 30, line_bytes_max: 1 << 20 };
/// Groups of a full store, and series of each.
const N_GROUPS: usize = 1000;
const N_SERIES: usize = 100;

fn random() -> u64 {
    4
}

fn read(key: &GroupingKey, body: &str) -> Families {
    let rules = RuleSet::NONE;
    let read = read_text(Format::Text, body.as_bytes(), key, CONFIG, rules, random);
    read.expect("a good body").0
}

fn push(store: &mut Store, path: &str, body: &str) {
    let key = GroupingKey::from_path(path, LabelNames::Legacy).expect("a good path");
    let families = read(&key, body);
    store.check(&key, &families, Change::Update, PUSHER).expect("a push that fits");
    store.apply(&key, families, Change::Update, PUSHER.name, 1, None);
}

fn body(n_series: usize) -> String {
    let lines = (0..n_series).map(|n| {
        format!("batch_records_processed{{stage=\"stage-{}\",shard=\"{n}\"}} {n}\n", n % 7)
    });
    "# HELP batch_records_processed Records.\n# TYPE batch_records_processed gauge\n".to_owned()
        + &lines.collect::<Vec<_>>().concat()
}

fn filled(n_groups: usize) -> Store {
    let mut store = Store::new(LIMITS, random);
    let body = body(N_SERIES);
    for group in 0..n_groups {
        push(&mut store, &format!("/metrics/job/batch/instance/host-{group}:9100"), &body);
    }
    assert_eq!(store.n_series(), n_groups * N_SERIES);
    store
}

fn pushes(c: &mut Criterion) {
    let mut group = c.benchmark_group("push");
    group.throughput(Throughput::Elements(1));
    for n_groups in [0, N_GROUPS] {
        let mut store = filled(n_groups);
        let n_series = n_groups * N_SERIES;
        group.bench_function(format!("one sample, {n_series} series stored"), |bencher| {
            bencher.iter(|| push(black_box(&mut store), "/metrics/job/one", "a_gauge 3.14\n"));
        });
        assert_eq!(store.n_series(), n_series + 1);
    }
    let many = body(N_GROUPS * N_SERIES);
    group.throughput(Throughput::Elements((N_GROUPS * N_SERIES) as u64));
    group.sample_size(10);
    group.bench_function("a body of 100000 series", |bencher| {
        bencher
            .iter(|| push(&mut Store::new(LIMITS, random), "/metrics/job/one", black_box(&many)));
    });
    group.finish();
}

criterion_group!(benches, pushes);
criterion_main!(benches);
