//! What a line costs the ledger: known, new, moved, among new ones.
//!
//! Each case reads a whole ingress-nginx body with `labeldrop: path` into a ledger, in pieces of
//! 256 KiB as the network gives them. Times are CPU time of the thread, per line. Beside each case
//! stands what finding the ends of the same lines takes: what a machine in this minute can do.

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "support/nginx.rs"]
mod nginx;

use std::hint::black_box;

use cpu_time::CpuTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use weir::aggregate::choice::Merging;
use weir::aggregate::merge::{Counters, MergePolicy};
use weir::engine::{Engine, EngineConfig, Published, TargetConfig};
use weir::ledger::{ReadLimits, ReadStats};
use weir::model::{FingerprintKey, Format};
use weir::relabel::{Action, NameScheme, Rule, RuleSpec, Rules};

/// Where bodies are, and their ingresses: 720 lines in the cache, 72,000 lines (28 MB) in memory,
/// where the machine's other users are felt.
const PLACES: [(&str, usize); 2] = [("hot", 1), ("streamed", 100)];
const CHUNK_BYTES: usize = 256 << 10;

fn engine() -> Engine {
    let spec =
        RuleSpec { action: Action::LabelDrop, regex: Some("path".into()), ..RuleSpec::default() };
    let rule = Rule::compile(&spec, NameScheme::Utf8).expect("a valid rule");
    let limits =
        ReadLimits { line_bytes_max: 1 << 20, series_max: usize::MAX, labels_max: usize::MAX };
    let mut state = 1_u64;
    let key = FingerprintKey::new(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
        state
    });
    let config = EngineConfig {
        n_outputs: 1,
        limits,
        merging: Merging {
            policy: MergePolicy::Typed,
            counters: Counters::Raw,
            ..Merging::default()
        },
    };
    let mut engine = Engine::new(&config, key);
    engine.add_target(&TargetConfig::new(vec![Rules::new(vec![rule])]));
    engine
}

fn scrape(engine: &mut Engine, body: &[u8]) -> ReadStats {
    let mut reader = engine.reader(0, Format::Text);
    for chunk in body.chunks(CHUNK_BYTES) {
        reader.push(chunk).expect("a valid body");
    }
    let read = reader.finish().expect("a valid body");
    engine.commit(0, read)
}

/// The sum of all `_count` samples of an output.
fn total_count(published: &Published) -> f64 {
    let snapshot = &published.snapshot;
    let samples = snapshot.families.iter().flat_map(|f| &f.groups).flat_map(|g| &g.samples);
    let counts = samples.filter(|s| s.suffix == weir::aggregate::family::Suffix::Count);
    counts.map(|s| snapshot.values[s.slot as usize]).sum()
}

/// Read bodies in turn; before that, check what is read.
fn bench_turns(c: &mut Criterion<CpuTime>, name: &str, bodies: &[nginx::Body]) {
    let texts: Vec<Vec<u8>> = bodies.iter().map(nginx::Body::bytes).collect();
    let mut engine = engine();
    for (body, text) in bodies.iter().zip(&texts).chain(bodies.iter().zip(&texts)) {
        assert_eq!(scrape(&mut engine, text).n_samples, body.n_series());
        let published = engine.publish();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let expect = body.total_count() as f64;
        assert!((total_count(&published[0]) - expect).abs() < 0.5);
    }
    let n_lines: usize = bodies.iter().map(nginx::Body::n_series).sum();
    let mut group = c.benchmark_group("ledger");
    group.throughput(cpu_time::lines(n_lines)).sample_size(10);
    group.bench_function(name, |b| {
        b.iter(|| {
            for text in &texts {
                black_box(scrape(&mut engine, text));
            }
        });
    });
    yardstick(&mut group, name, &texts);
    group.finish();
}

/// Find the ends of all lines, as the least that anything that reads lines does.
fn yardstick(group: &mut BenchmarkGroup<'_, CpuTime>, name: &str, texts: &[Vec<u8>]) {
    let n_lines = |text: &Vec<u8>| memchr::memchr_iter(b'\n', text).fold(0, |n, _| n + 1);
    group.bench_function(format!("{name}/newlines alone"), |b| {
        b.iter(|| texts.iter().map(n_lines).sum::<usize>());
    });
}

fn warm(c: &mut Criterion<CpuTime>) {
    for (place, n_ingresses) in PLACES {
        let body = || nginx::Body::new(n_ingresses, 7);
        bench_turns(c, &format!("warm_{place}"), &[body(), body().scrape_no(1)]);
    }
}

fn changing(c: &mut Criterion<CpuTime>) {
    for (place, n_ingresses) in PLACES {
        let body = || nginx::Body::new(n_ingresses, 7);
        let turns = |make: fn(nginx::Body) -> nginx::Body| {
            (0..4).map(|n| make(body().scrape_no(n))).collect::<Vec<_>>()
        };
        let name = |case: &str| format!("{case}_{place}");
        bench_turns(c, &name("one_percent_replaced"), &turns(|body| body.churn(0.01)));
        bench_turns(c, &name("shuffled"), &turns(nginx::Body::shuffled));
        bench_turns(c, &name("one_pod_inserted"), &[body(), body().inserted(1)]);
    }
}

fn cold(c: &mut Criterion<CpuTime>) {
    for (place, n_ingresses) in PLACES {
        let body = nginx::Body::new(n_ingresses, 7);
        let text = body.bytes();
        let mut group = c.benchmark_group("ledger");
        group.throughput(cpu_time::lines(body.n_series())).sample_size(10);
        group.bench_function(format!("cold_{place}"), |b| {
            let read = |mut engine: Engine| {
                assert_eq!(scrape(&mut engine, &text).n_cold, body.n_series());
                engine
            };
            b.iter_batched(engine, read, BatchSize::PerIteration);
        });
        yardstick(&mut group, &format!("cold_{place}"), &[text]);
        group.finish();
    }
}

fn merge(c: &mut Criterion<CpuTime>) {
    let body = nginx::Body::new(100, 7);
    let mut engine = engine();
    scrape(&mut engine, &body.bytes());
    let mut group = c.benchmark_group("ledger");
    group.throughput(cpu_time::lines(body.n_series())).sample_size(10);
    group.bench_function("merge", |b| b.iter(|| black_box(engine.publish())));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = warm, changing, cold, merge
}
criterion_main!(benches);
