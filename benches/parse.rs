//! What it costs to tokenise: the ingress-nginx body in cache and larger than it, chunks, odd lines.

use std::hint::black_box;

use criterion::BatchSize;
use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;
use weir::model::Format;
use weir::parse::Document;
use weir::parse::Entry;
use weir::parse::Parser;
use weir::parse::SampleTokens;
use weir::parse::parse_entry;

#[path = "support/nginx.rs"]
mod nginx;

/// Read a whole document; gives samples and labels.
fn read(format: Format, input: &[u8]) -> (usize, usize) {
    let mut document = Document::new(format);
    let mut tokens = SampleTokens::default();
    let (mut at, mut n_labels) = (0, 0);
    while let Some((entry, n_bytes)) =
        document.next_at(input, at, true, &mut tokens).expect("the document is fine")
    {
        n_labels += if entry == Entry::Sample { tokens.labels.len() } else { 0 };
        at += n_bytes;
    }
    (document.stats().n_samples, n_labels)
}

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for n_ingresses in [2, 140, 1000] {
        let body = nginx::Body::new(n_ingresses, 1);
        let bytes = body.bytes();
        let (n_samples, n_labels) = read(Format::Text, &bytes);
        assert_eq!(n_samples, body.n_series());
        assert!(n_labels > 10 * n_samples);
        group.throughput(Throughput::Elements(n_samples as u64)).sample_size(20);
        group.bench_function(format!("text {n_samples} samples"), |bencher| {
            bencher.iter(|| read(Format::Text, black_box(&bytes)));
        });
    }
    let body = nginx::Body::new(2, 1);
    let bytes = [&body.bytes()[..], b"# EOF\n"].concat();
    group.throughput(Throughput::Elements(body.n_series() as u64));
    group.bench_function("OpenMetrics 1440 samples", |bencher| {
        bencher.iter(|| read(Format::OpenMetrics, black_box(&bytes)));
    });
    group.bench_function("text 1440 samples in chunks of 16 KiB", |bencher| {
        bencher.iter_batched(
            || Parser::new(Format::Text),
            |mut parser| {
                let mut n_samples = 0;
                let mut visit = |_: &[u8], entry: Entry<'_>, _: &SampleTokens| {
                    n_samples += usize::from(entry == Entry::Sample);
                    Ok(())
                };
                for chunk in black_box(&bytes).chunks(16 << 10) {
                    parser.push(chunk, &mut visit).expect("the document is fine");
                }
                n_samples
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// One line at a time, as the ledger's cold path has it.
fn lines(criterion: &mut Criterion) {
    let body = nginx::Body::new(1, 1).bytes();
    let nginx = body.split_inclusive(|&byte| byte == b'\n').nth(20).expect("it has more lines");
    let odd: &[u8] = b"a_total{path=\"C:\\\\dir\\\\file\", code = \"200\", host=\"example.org\", } 1.5\t1751041454000\n";
    let non_ascii = "a_total{city=\"Köln\",street=\"Große Straße\",code=\"200\"} 17\n".as_bytes();
    let mut group = criterion.benchmark_group("line");
    for (name, line, n_labels) in [
        ("ingress-nginx", nginx, 12),
        ("escapes and blanks", odd, 3),
        ("not ASCII", non_ascii, 3),
        ("no labels", b"process_resident_memory_bytes 1.234e+07\n", 0),
    ] {
        let mut tokens = SampleTokens::default();
        assert_eq!(parse_entry(Format::Text, line, &mut tokens), Ok(Entry::Sample));
        assert_eq!(tokens.labels.len(), n_labels, "{name}");
        group.bench_function(format!("{name}, {} bytes", line.len()), |bencher| {
            bencher.iter(|| {
                assert!(parse_entry(Format::Text, black_box(line), &mut tokens).is_ok());
                tokens.labels.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, documents, lines);
criterion_main!(benches);
