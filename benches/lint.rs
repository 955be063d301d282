//! What it costs to lint: the ingress-nginx body, one large family, many small ones.
//!
//! promtool 2.42 took 12.8 s and 1.43 GB for the first; with the rule against duplicates, which
//! came later, promlint takes more than two minutes for the second.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;
use weir::lint::LintConfig;
use weir::lint::Linter;
use weir::lint::Report;
use weir::lint::RuleSet;

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "support/nginx.rs"]
mod nginx;

use cpu_time::CpuTime;

/// Bytes of a chunk, as `weir lint` reads them.
const CHUNK_BYTES: usize = 256 << 10;

fn lint(rules: RuleSet, body: &[u8]) -> Report {
    let mut word = 1_u64;
    let random = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        word
    };
    let mut linter = Linter::new(LintConfig { rules, ..LintConfig::default() }, random);
    for chunk in body.chunks(CHUNK_BYTES) {
        linter.push(chunk).expect("the document is fine");
    }
    linter.finish().expect("the document is fine")
}

fn nginx_body(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("lint ingress-nginx");
    for n_ingresses in [2, 140, 1000] {
        let body = nginx::Body::new(n_ingresses, 1);
        let bytes = body.bytes();
        group.throughput(cpu_time::lines(body.n_series())).sample_size(10);
        for (name, rules) in [("promlint", RuleSet::promlint()), ("all", RuleSet::all())] {
            let report = lint(rules, &bytes);
            assert_eq!(report.n_samples, body.n_series() as u64);
            assert_eq!(report.cardinality.len(), nginx::N_FAMILIES);
            group.bench_function(format!("{} samples, {name}", body.n_series()), |bencher| {
                bencher.iter(|| lint(rules, black_box(&bytes)));
            });
        }
    }
    group.finish();
}

fn families(criterion: &mut Criterion<CpuTime>) {
    const N_SERIES: usize = 20_000;
    let (mut one, mut many) = (String::from("# HELP a x\n# TYPE a gauge\n"), String::new());
    for n in 0..N_SERIES {
        let labels =
            format!("code=\"200\",instance=\"10.0.{}.{}\",path=\"/{n}\"", n / 256, n % 256);
        writeln!(one, "a{{{labels}}} {n}").expect("a string takes anything");
        writeln!(many, "# TYPE a{n} gauge\na{n}{{{labels}}} 1").expect("a string takes anything");
    }
    let mut group = criterion.benchmark_group("lint families");
    group.throughput(cpu_time::lines(N_SERIES)).sample_size(20);
    for (name, body, n_findings) in [("one", one, 0), ("20,000", many, N_SERIES)] {
        let report = lint(RuleSet::promlint(), body.as_bytes());
        assert_eq!((report.n_samples, report.findings.len()), (N_SERIES as u64, n_findings));
        group.bench_function(format!("20,000 samples in {name}"), |bencher| {
            bencher.iter(|| lint(RuleSet::promlint(), black_box(body.as_bytes())));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = nginx_body, families
}
criterion_main!(benches);
