//! What an output line costs to write: text and OpenMetrics, with times, with names in quotes.
//!
//! An ingress-nginx body passes through without rules and is rendered in pieces of 64 KiB, as the
//! gate does. Times are CPU time of the thread, per line.

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "support/nginx.rs"]
mod nginx;

use std::hint::black_box;
use std::sync::Arc;

use cpu_time::CpuTime;
use criterion::{Criterion, criterion_group, criterion_main};
use weir::aggregate::choice::Merging;
use weir::aggregate::merge::{Counters, MergePolicy};
use weir::aggregate::snapshot::Snapshot;
use weir::engine::{Engine, EngineConfig, TargetConfig};
use weir::ledger::ReadLimits;
use weir::model::{Escaping, FingerprintKey, Format};
use weir::parse::Document;
use weir::parse::SampleTokens;
use weir::relabel::Rules;
use weir::render::{RenderOptions, Renderer};

/// Ingresses: 72,000 lines, 28 MB.
const N_INGRESSES: usize = 100;
const PIECE_BYTES: usize = 64 << 10;

fn snapshot(text: &[u8]) -> Arc<Snapshot> {
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
    engine.add_target(&TargetConfig::new(vec![Rules::default()]));
    let mut reader = engine.reader(0, Format::Text);
    reader.push(text).expect("a valid body");
    let read = reader.finish().expect("a valid body");
    engine.commit(0, read);
    engine.publish().remove(0).snapshot
}

/// Render in pieces; each is handed to `take`, and its room used again.
fn render(snapshot: &Arc<Snapshot>, options: RenderOptions, mut take: impl FnMut(&[u8])) {
    let mut renderer = Renderer::new(Arc::clone(snapshot), options);
    let mut piece = Vec::with_capacity(PIECE_BYTES + (8 << 10));
    loop {
        piece.clear();
        let is_more = renderer.fill(&mut piece, PIECE_BYTES);
        take(&piece);
        if !is_more {
            return;
        }
    }
}

/// How many samples a text has, read as its format says.
fn n_samples(format: Format, text: &[u8]) -> usize {
    let (mut document, mut tokens, mut at) = (Document::new(format), SampleTokens::default(), 0);
    while let Some((_, n_bytes)) =
        document.next_at(text, at, true, &mut tokens).expect("what is rendered can be read")
    {
        at += n_bytes;
    }
    document.stats().n_samples
}

fn bench(c: &mut Criterion<CpuTime>, name: &str, body: &[u8], n: usize, options: RenderOptions) {
    let snapshot = snapshot(body);
    assert_eq!(snapshot.n_series, n);
    let mut text = Vec::new();
    render(&snapshot, options, |piece| text.extend_from_slice(piece));
    assert_eq!(n_samples(options.format, &text), n);
    let mut group = c.benchmark_group("render");
    group.throughput(cpu_time::lines(n)).sample_size(10);
    group.bench_function(name, |b| {
        b.iter(|| render(&snapshot, options, |piece| _ = black_box(piece)));
    });
    group.finish();
}

fn formats(c: &mut Criterion<CpuTime>) {
    let body = nginx::Body::new(N_INGRESSES, 7);
    let (text, n) = (body.bytes(), body.n_series());
    let plain = RenderOptions::default();
    let with_times = RenderOptions { default_timestamp_ms: Some(1_751_041_454_000), ..plain };
    let open_metrics = RenderOptions { format: Format::OpenMetrics, ..plain };
    bench(c, "text", &text, n, plain);
    bench(c, "text_with_timestamps", &text, n, with_times);
    bench(c, "openmetrics", &text, n, open_metrics);
}

fn names(c: &mut Criterion<CpuTime>) {
    const N: usize = 20_000;
    let line =
        |n: usize| format!("{{\"http.requests\",\"service.name\"=\"s{n}\",\"köln\"=\"x\"}} {n}\n");
    let text = (0..N).map(line).collect::<Vec<_>>().concat().into_bytes();
    for (name, escaping) in
        [("names_in_quotes", Escaping::AllowUtf8), ("names_escaped", Escaping::Underscores)]
    {
        bench(c, name, &text, N, RenderOptions { escaping, ..RenderOptions::default() });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = formats, names
}
criterion_main!(benches);
