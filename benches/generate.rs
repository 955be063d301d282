//! What it costs to generate: pages, backfills, values after a year of noise.
//!
//! The bounds are: a page of the ingress-nginx preset at 1.5 GB/s in 32 MiB, ten million series in
//! the same memory and in linear time, a day of 1,000 series every 15 s in 3 s, and 2 µs a value
//! whatever came before. Memory is asserted; times are for the reader.
#![expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]

use std::hint::black_box;

use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use weir::generate::generator::Generator;
use weir::generate::sample::Reading;

#[path = "support/cpu_time.rs"]
mod cpu_time;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/preset.rs"]
mod preset;

use cpu_time::CpuTime;
use preset::compile;
use preset::for_each_piece;

/// 2026-01-01, 01:00.
const TIME_MS: i64 = 1_767_229_200_000;
/// Of the whole process.
const MEMORY_MIB_MAX: f64 = 32.0;
/// Lines of an ingress of the preset: ten paths, six histograms of fourteen lines.
const N_PER_INGRESS: usize = 840;

/// Make a page and forget it; how many bytes and lines it has.
fn discard(generator: &Generator, time_ms: i64, piece: &mut Vec<u8>) -> (u64, usize) {
    let (mut n_bytes, mut n_lines) = (0, 0);
    for_each_piece(generator, time_ms, piece, |piece| {
        n_bytes += piece.len() as u64;
        n_lines += memchr::memchr_iter(b'\n', piece).count();
    });
    (n_bytes, n_lines)
}

fn pages(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("generate ingress-nginx");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    let mut piece = Vec::new();
    for (name, n_ingresses) in [("720,000 buckets", 1000), ("10,000,000 series", 11_905)] {
        let generator = preset::preset("ingress-nginx", &[("ingresses", n_ingresses)]);
        let n_series = n_ingresses * N_PER_INGRESS;
        assert_eq!(generator.n_series(), n_series as u64);
        let (n_bytes, n_lines) = discard(&generator, TIME_MS, &mut piece);
        // HELP and TYPE of six families.
        assert_eq!(n_lines, n_series + 12);
        let memory_mib = memory::peak_mib(std::process::id());
        assert!(memory_mib <= MEMORY_MIB_MAX, "{memory_mib} MiB for {name}");
        group.throughput(Throughput::Bytes(n_bytes));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for_each_piece(black_box(&generator), TIME_MS, &mut piece, |piece| {
                    black_box(piece);
                });
            });
        });
    }
    group.finish();
}

/// Counters whose rate is noise, one a series.
const NOISE: &str = "
start: 2025-01-01T00:00:00Z
families:
- name: noise_total
  type: counter
  labels: {n: {template: '{n}', count: '${n}'}}
  rate: {noise: {uniform: {min: 0, max: 10}, every: 15s}}
parameters: {n: 1000}
";

/// A sum of all counters of a generator.
fn sum(generator: &Generator, time_ms: i64) -> f64 {
    let mut sum = 0.0;
    generator.for_each_sample(0, time_ms, &mut |sample| {
        if let Reading::Value(value) = sample.reading {
            sum += value;
        }
    });
    sum
}

fn any_instant(criterion: &mut Criterion<CpuTime>) {
    // Enough for the clock of CPU time, which moves in milliseconds.
    const N_SERIES: usize = 20_000;
    let generator = compile(NOISE, &[("n", N_SERIES)]);
    let mut group = criterion.benchmark_group("generate any instant");
    group.throughput(cpu_time::lines(N_SERIES));
    // A rate of 5 on average, for a year.
    let mean = sum(&generator, TIME_MS) / N_SERIES as f64;
    assert!((mean / 5.0 / 365.0 / 86_400.0 - 1.0).abs() < 0.01, "{mean}");
    let mut time_ms = TIME_MS;
    group.bench_function("noise counters after a year", |bencher| {
        bencher.iter(|| {
            // Never the same instant, and none near the one before.
            time_ms = TIME_MS - (TIME_MS - time_ms + 7_654_321_987) % 2_000_000_000;
            sum(black_box(&generator), time_ms)
        });
    });
    group.finish();
}

/// Half counters and half gauges, as a server has them.
const SERVER: &str = "
start: 2025-01-01T00:00:00Z
families:
- name: requests_total
  type: counter
  labels: {pod: {template: 'web-{n}', count: 50}, code: {range: [0, 9]}}
  rate: {diurnal: {low: 1, high: 9}}
  integers: true
  spread: 0.5
- name: temperature_celsius
  type: gauge
  labels: {rack: {template: 'rack-{n}', count: 500}}
  value: {add: [{sine: {mean: 20, amplitude: 3, period: 1h}}, {noise: {normal: {mean: 0, stddev: 1}, every: 15s}}]}
";

fn backfill(criterion: &mut Criterion<CpuTime>) {
    const WINDOW_MS: i64 = 2 * 3_600_000;
    const STEP_MS: i64 = 15_000;
    let generator = compile(SERVER, &[]);
    assert_eq!(generator.n_series(), 1000);
    let from_ms = TIME_MS / WINDOW_MS * WINDOW_MS;
    let mut piece = Vec::new();
    let mut day = |take: &mut dyn FnMut(&[u8])| {
        for window in 0..12 {
            let begin_ms = from_ms + window * WINDOW_MS;
            let mut history =
                generator.history(0, begin_ms, begin_ms + WINDOW_MS - STEP_MS, STEP_MS);
            let mut is_more = true;
            while is_more {
                piece.clear();
                is_more = history.fill(&mut piece, 64 << 10);
                take(&piece);
            }
        }
    };
    let mut n_lines = 0;
    day(&mut |piece| n_lines += memchr::memchr_iter(b'\n', piece).count());
    // Each file has the types of two families, and ends in a line.
    assert_eq!(n_lines, 1000 * 24 * 240 + 12 * 3);
    let mut group = criterion.benchmark_group("generate backfill");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(cpu_time::lines(1000 * 24 * 240));
    group.bench_function("24 h of 1,000 series every 15 s", |bencher| {
        bencher.iter(|| {
            day(&mut |piece| {
                black_box(piece);
            });
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = pages, any_instant, backfill
}
criterion_main!(benches);
