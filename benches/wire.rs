//! What remote write costs: reading and writing 2,000 series of 10 labels and one sample, beside
//! plain snappy of the same bytes. CPU time; time per element is time per sample.

use std::hint::black_box;

use criterion::Criterion;
use criterion::SamplingMode;
use criterion::criterion_group;
use criterion::criterion_main;
use weir::model::LabelSet;
use weir::wire::snappy::{DECODED_BYTES_MAX, Snappy};
use weir::wire::{Decoder, Labels, Sample, Series, V2Encoder, Version, put_series_v1};

#[path = "support/cpu_time.rs"]
mod cpu_time;
use cpu_time::CpuTime;

const N_SERIES: usize = 2000;
const BOTH: [Version; 2] = [Version::V1, Version::V2];

/// A request as a sender has it: few names and hosts, many pods.
fn body(version: Version) -> Vec<u8> {
    let (mut out, mut encoder) = (Vec::new(), V2Encoder::new());
    for (i, number) in (0..N_SERIES).zip(0_i32..) {
        let owned = [
            ("__name__", format!("http_server_requests_seconds_metric_{}", i / 100)),
            ("cluster", "production-eu-west-1".to_owned()),
            ("container", "application".to_owned()),
            ("endpoint", "http-metrics".to_owned()),
            ("instance", format!("10.42.{}.{}:8080", i % 7, i % 100)),
            ("job", "monitoring/shop-backend".to_owned()),
            ("method", ["GET", "POST", "PUT"][i % 3].to_owned()),
            ("namespace", "shop".to_owned()),
            ("pod", format!("shop-backend-7d4f8c9b6d-{:05x}", i % 100 * 7919)),
            ("status", ["200", "404", "500"][i % 3].to_owned()),
        ];
        let labels: Vec<_> = owned.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let value = f64::from(number * 37 % 1013) * 1.37;
        let timestamp_ms = 1_763_726_400_000 + i64::from(number % 100);
        let samples = [Sample { value, timestamp_ms, start_timestamp_ms: 0 }];
        let series = Series::new(Labels::of_pairs(&labels)).with_samples(&samples);
        match version {
            Version::V1 => put_series_v1(&mut out, &series),
            Version::V2 => encoder.push(&series),
        };
    }
    if version == Version::V2 {
        encoder.finish(&mut out);
    }
    out
}

/// How series are written.
#[derive(Clone, Copy)]
enum How {
    AsTheyAre,
    UnderNewLabels,
}

#[derive(Default)]
struct Translator {
    decoder: Decoder,
    encoder: V2Encoder,
    set: LabelSet,
    out: Vec<u8>,
}

impl Translator {
    fn read(&mut self, version: Version, body: &[u8]) -> usize {
        let mut request = self.decoder.open(version, body).expect("it is well-formed");
        let mut n_bytes = 0;
        while let Some(series) = request.next_series().expect("it is well-formed") {
            n_bytes += series.labels().iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
            n_bytes += series.samples().len();
        }
        n_bytes
    }

    fn write(&mut self, from: Version, body: &[u8], to: Version, how: How) -> &[u8] {
        self.out.clear();
        let mut request = self.decoder.open(from, body).expect("it is well-formed");
        while let Some(series) = request.next_series().expect("it is well-formed") {
            let series = match how {
                How::AsTheyAre => series,
                How::UnderNewLabels => {
                    series.labels().copy_to(&mut self.set);
                    series.with_labels(Labels::of_set(&self.set))
                }
            };
            match to {
                Version::V1 => put_series_v1(&mut self.out, &series),
                Version::V2 => self.encoder.push(&series),
            };
        }
        if to == Version::V2 {
            self.encoder.finish(&mut self.out);
        }
        &self.out
    }
}

fn wire(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("wire");
    group.throughput(cpu_time::lines(N_SERIES)).sample_size(20);
    // The kernel's account moves in ticks: samples have to be much longer.
    group.sampling_mode(SamplingMode::Flat);
    let mut translator = Translator::default();
    for version in BOTH {
        let body = body(version);
        assert!(translator.read(version, &body) > N_SERIES * 100);
        assert_eq!(translator.write(version, &body, version, How::AsTheyAre), body);
        group.bench_function(format!("{version:?} decode"), |bencher| {
            bencher.iter(|| translator.read(version, black_box(&body)));
        });
        for to in BOTH {
            for (how, name) in [(How::AsTheyAre, "as it is"), (How::UnderNewLabels, "new labels")] {
                group.bench_function(format!("{version:?} to {to:?}, {name}"), |bencher| {
                    bencher.iter(|| translator.write(version, black_box(&body), to, how).len());
                });
            }
        }
    }
    group.finish();
}

fn snappy(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("with snappy");
    group.throughput(cpu_time::lines(N_SERIES)).sample_size(20);
    // The kernel's account moves in ticks: samples have to be much longer.
    group.sampling_mode(SamplingMode::Flat);
    let (mut snappy, mut again) = (Snappy::new(), Snappy::new());
    let mut translator = Translator::default();
    let (mut compressed, mut out) = (Vec::new(), Vec::new());
    for version in BOTH {
        let body = body(version);
        snappy.compress(&body, &mut compressed).expect("it is short");
        group.bench_function(format!("{version:?} plain decode and encode"), |bencher| {
            bencher.iter(|| {
                let body = snappy.decompress(&compressed, DECODED_BYTES_MAX).expect("it is fine");
                again.compress(black_box(body), &mut out).expect("it is short");
                out.len()
            });
        });
        for (how, name) in [(How::AsTheyAre, "as it is"), (How::UnderNewLabels, "new labels")] {
            group.bench_function(format!("{version:?} through, {name}"), |bencher| {
                bencher.iter(|| {
                    let body = snappy.decompress(&compressed, DECODED_BYTES_MAX);
                    let body = body.expect("it is fine");
                    let written = translator.write(version, black_box(body), version, how);
                    again.compress(written, &mut out).expect("it is short");
                    out.len()
                });
            });
        }
        assert_eq!(snappy.decompress(&out, DECODED_BYTES_MAX), Ok(&body[..]));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = wire, snappy
}
criterion_main!(benches);
