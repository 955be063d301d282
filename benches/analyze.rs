//! What a line costs to analyze: counted, with savings, with a preview of rules.
//!
//! The body is that of ingress-nginx, in pieces of 256 KiB on one thread; `weir analyze FILE` reads
//! parts of a large file at the same time. Times are CPU time of the thread, per line.

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "support/nginx.rs"]
mod nginx;

use std::hint::black_box;

use cpu_time::CpuTime;
use criterion::{Criterion, criterion_group, criterion_main};
use weir::analyze::{Analyzer, Extent, Report};
use weir::model::Format;
use weir::parse::Document;
use weir::relabel::{Action, NameScheme, Rule, RuleSpec, Rules};

/// Ingresses: 72,000 lines, 28 MB.
const N_INGRESSES: usize = 100;
const CHUNK_BYTES: usize = 256 << 10;

fn analyzer(extent: Extent) -> Analyzer {
    let mut state = 1_u64;
    Analyzer::new(Document::new(Format::Text), extent, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
        state
    })
}

fn labeldrop_path() -> Rules {
    let spec =
        RuleSpec { action: Action::LabelDrop, regex: Some("path".into()), ..RuleSpec::default() };
    Rules::new(vec![Rule::compile(&spec, NameScheme::Utf8).expect("a valid rule")])
}

fn report(mut analyzer: Analyzer, text: &[u8]) -> Report {
    for chunk in text.chunks(CHUNK_BYTES) {
        analyzer.push(chunk).expect("a valid body");
    }
    analyzer.finish().expect("a valid body")
}

fn bodies(c: &mut Criterion<CpuTime>) {
    let body = nginx::Body::new(N_INGRESSES, 7);
    let (text, n) = (body.bytes(), body.n_series());
    let counts = report(analyzer(Extent::Counts), &text);
    assert_eq!((counts.totals.n_samples, counts.totals.n_series), (n, None));
    let savings = report(analyzer(Extent::Savings), &text);
    assert_eq!(savings.totals.n_series, Some(n));
    let path = savings.labels.iter().find(|label| label.name == "path").expect("it has paths");
    assert_eq!(path.n_series_without, Some(body.n_series_folded()));
    let rules = labeldrop_path();
    let preview = report(analyzer(Extent::Counts).with_rules(rules.clone()), &text).preview;
    let n_left = preview.map(|preview| preview.report.totals.n_samples);
    assert_eq!(n_left, Some(body.n_series_folded()));

    let mut group = c.benchmark_group("analyze");
    group.throughput(cpu_time::lines(n)).sample_size(10);
    for (name, extent) in [("counts", Extent::Counts), ("savings", Extent::Savings)] {
        group.bench_function(name, |b| b.iter(|| black_box(report(analyzer(extent), &text))));
    }
    group.bench_function("preview", |b| {
        b.iter(|| black_box(report(analyzer(Extent::Counts).with_rules(rules.clone()), &text)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = bodies
}
criterion_main!(benches);
