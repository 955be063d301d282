//! What an output series costs the output table: interned once, merged at each scrape.
//!
//! The series are those of an ingress-nginx body without `path`, so that ten rows feed each slot.
//! Times are CPU time of the thread, per series where they are interned, per row where rows are
//! merged.

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "support/nginx.rs"]
mod nginx;

use std::hint::black_box;
use std::sync::Arc;

use cpu_time::CpuTime;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use weir::aggregate::choice::Merging;
use weir::aggregate::family::{FamilyMeta, Metadata};
use weir::aggregate::merge::{Held, Rows, Slots};
use weir::aggregate::series::{NewSeries, SeriesHasher, SeriesText};
use weir::aggregate::table::Table;
use weir::model::label::METRIC_NAME;
use weir::model::number::parse_value;
use weir::model::{FingerprintKey, Format, LabelSet, MetricType};
use weir::parse::{Entry, SampleTokens, parse_entry};

/// Ingresses: 72,000 rows, 7,200 series.
const N_INGRESSES: usize = 100;

/// Committed rows as a ledger hands them on.
struct Committed(Vec<(u32, f64)>);

impl Rows for Committed {
    fn for_each_held(&self, _: impl FnMut(u32, Held)) {}
    fn for_each(&self, _: Slots<'_>, mut visit: impl FnMut(u32, f64)) {
        self.0.iter().for_each(|&(slot, value)| visit(slot, value));
    }
    fn for_each_timestamp(&self, _: impl FnMut(u32, i64)) {}
    fn for_each_exemplar(&self, _: impl FnMut(u32, &[u8])) {}
}

/// The samples of a body: label sets without `path`, and values.
fn samples(body: &nginx::Body) -> Vec<(LabelSet, f64)> {
    let text = body.bytes();
    let mut tokens = SampleTokens::default();
    let mut samples = Vec::with_capacity(body.n_series());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if parse_entry(Format::Text, line, &mut tokens) != Ok(Entry::Sample) {
            continue;
        }
        let mut labels = LabelSet::new();
        labels.push(METRIC_NAME, tokens.name.of(line));
        for label in tokens.labels.iter().filter(|label| label.name.of(line) != b"path") {
            labels.push(label.name.of(line), label.value.of(line));
        }
        labels.sort();
        let value = line[tokens.value_start..].trim_ascii();
        samples.push((labels, parse_value(value).expect("a value")));
    }
    samples
}

fn key() -> FingerprintKey {
    let mut state = 1_u64;
    FingerprintKey::new(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
        state
    })
}

/// A table that knows what families of the body are histograms.
fn table(samples: &[(LabelSet, f64)]) -> Table {
    let names = samples.iter().filter_map(|(labels, _)| labels.metric_name().strip_suffix(b"_sum"));
    let meta = FamilyMeta { metric_type: Some(MetricType::Histogram), ..FamilyMeta::default() };
    let metadata: Metadata = names.map(|name| (name.into(), meta.clone())).collect();
    assert_eq!(metadata.len(), nginx::N_FAMILIES);
    let mut table = Table::new(Merging::default());
    table.set_metadata(Arc::new(metadata));
    table
}

/// Intern what is new, as a cold scrape does, and give the slot of each sample.
fn intern(table: &mut Table, key: &FingerprintKey, samples: &[(LabelSet, f64)]) -> Vec<u32> {
    let (mut new, mut series) = (NewSeries::default(), SeriesText::default());
    let mut hasher = SeriesHasher::default();
    let numbers: Vec<u32> = samples
        .iter()
        .map(|(labels, _)| {
            series.load(labels);
            let fingerprint = hasher.fingerprint(key, &series);
            new.intern(fingerprint, &series, labels.metric_name())
        })
        .collect();
    let slots = table.intern(&new);
    numbers.into_iter().map(|number| slots[number as usize]).collect()
}

fn interning(c: &mut Criterion<CpuTime>) {
    let body = nginx::Body::new(N_INGRESSES, 7);
    let (samples, key) = (samples(&body), key());
    let slots = intern(&mut table(&samples), &key, &samples);
    assert_eq!(slots.len(), body.n_series());
    let n_slots = slots.iter().max().map_or(0, |&last| last as usize + 1);
    assert_eq!(n_slots, body.n_series_folded());

    let mut group = c.benchmark_group("aggregate");
    group.throughput(cpu_time::lines(body.n_series())).sample_size(10);
    group.bench_function("intern", |b| {
        let run = |mut table: Table| (intern(&mut table, &key, &samples), table);
        b.iter_batched(|| table(&samples), run, BatchSize::PerIteration);
    });
    group.finish();
}

fn merging(c: &mut Criterion<CpuTime>) {
    let body = nginx::Body::new(N_INGRESSES, 7);
    let (samples, key) = (samples(&body), key());
    let mut table = table(&samples);
    let slots = intern(&mut table, &key, &samples);
    let values = samples.iter().map(|(_, value)| *value);
    let rows = Committed(slots.into_iter().zip(values).collect());
    let (snapshot, stats) = table.publish(&rows, None);
    assert_eq!(stats.n_series, body.n_series_folded());
    let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
    let (merged, all) =
        (sum(&mut snapshot.values.iter().copied()), sum(&mut rows.0.iter().map(|row| row.1)));
    assert!((merged / all - 1.0).abs() < 1e-9, "{merged} is not {all}");

    let mut group = c.benchmark_group("aggregate");
    group.throughput(cpu_time::lines(body.n_series())).sample_size(10);
    group.bench_function("merge_ten_to_one", |b| b.iter(|| black_box(table.publish(&rows, None))));
    let mut single = rows.0.clone();
    single.sort_by_key(|&(slot, _)| slot);
    single.dedup_by_key(|&mut (slot, _)| slot);
    let single = Committed(single);
    assert_eq!(table.publish(&single, None).1.n_series, body.n_series_folded());
    group.throughput(cpu_time::lines(single.0.len()));
    group.bench_function("one_row_a_slot", |b| b.iter(|| black_box(table.publish(&single, None))));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = interning, merging
}
criterion_main!(benches);
