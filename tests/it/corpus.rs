//! Real expositions through the whole pure path: read cold, read again as known, rendered.
//!
//! The bar is a scrape by Prometheus: what its parser refuses is refused, and so is what it
//! refuses when it appends the samples (a label that occurs twice). And a NUL byte is refused, at
//! which Prometheus takes the text for ended.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use weir::aggregate::choice::Merging;
use weir::aggregate::exact::exact_sum;
use weir::aggregate::merge::{Counters, MergePolicy};
use weir::engine::{Engine, EngineConfig, TargetConfig};
use weir::ledger::{ReadError, ReadLimits};
use weir::model::{Escaping, FingerprintKey, Format};
use weir::parse::{Entry, ParseErrorKind, Parser, unescape};
use weir::relabel::Rules;
use weir::render::{RenderOptions, Renderer};

fn engine() -> Engine {
    let limits = ReadLimits { line_bytes_max: 1 << 20, series_max: 1 << 20, labels_max: 1 << 10 };
    let mut state = 5_u64;
    let key = FingerprintKey::new(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(3);
        state
    });
    let (policy, counters) = (MergePolicy::Sum, Counters::Raw);
    let mut engine = Engine::new(
        &EngineConfig {
            n_outputs: 1,
            limits,
            merging: Merging { policy, counters, ..Merging::default() },
        },
        key,
    );
    engine.add_target(&TargetConfig::new(vec![Rules::default()]));
    engine
}

fn read(engine: &mut Engine, body: &[u8], format: Format, n_bytes: usize) -> Result<(), ReadError> {
    let mut reader = engine.reader(0, format);
    for chunk in body.chunks(n_bytes) {
        reader.push(chunk)?;
    }
    let read = reader.finish()?;
    engine.commit(0, read);
    Ok(())
}

fn render(engine: &mut Engine, format: Format) -> Vec<u8> {
    let published = engine.publish();
    let options =
        RenderOptions { format, escaping: Escaping::AllowUtf8, default_timestamp_ms: None };
    let mut renderer = Renderer::new(Arc::clone(&published[0].snapshot), options);
    let mut out = Vec::new();
    while renderer.fill(&mut out, 1000) {}
    out
}

type Labels = Vec<(Vec<u8>, Vec<u8>)>;

/// Series (labels sorted, empty ones left out, `le` and `quantile` as numbers) and values.
fn samples(text: &[u8], format: Format) -> BTreeMap<Labels, u64> {
    let mut all: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
    let mut take = |line: &[u8], entry: Entry<'_>, tokens: &weir::parse::SampleTokens| {
        if entry == Entry::Sample {
            let decode = |span: weir::model::Span| {
                let mut text = Vec::new();
                unescape(span.of(line), &mut text);
                text
            };
            let mut labels = vec![(b"__name__".to_vec(), decode(tokens.name))];
            for label in &tokens.labels {
                let (name, mut value) = (decode(label.name), decode(label.value));
                if (name == b"le" || name == b"quantile")
                    && let Some(number) = weir::model::number::parse_value(&value)
                {
                    value = format!("{number:?}").into_bytes();
                }
                if !value.is_empty() {
                    labels.push((name, value));
                }
            }
            labels.sort();
            all.entry(labels).or_default().push(tokens.value);
        }
        Ok(())
    };
    let mut parser = Parser::new(format);
    parser.push(text, &mut take).unwrap();
    parser.finish(&mut take).unwrap();
    all.into_iter().map(|(labels, mut values)| (labels, exact_sum(&mut values).to_bits())).collect()
}

#[test]
fn real_expositions_come_through_as_prometheus_reads_them() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(index) = std::fs::read_to_string(corpus.join("INDEX.tsv")) else {
        println!("skipped: no corpus at {}", corpus.display());
        return;
    };
    let mut n_files = 0;
    for row in index.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let body = std::fs::read(corpus.join(fields[0])).unwrap();
        for (verdict, format) in [(fields[11], Format::Text), (fields[12], Format::OpenMetrics)] {
            check(fields[0], &body, format, verdict == "pass");
        }
        n_files += 1;
    }
    assert!(n_files > 300, "{n_files} files");
}

#[track_caller]
fn check(file: &str, body: &[u8], format: Format, parses: bool) {
    let mut engine = engine();
    let first = read(&mut engine, body, format, 100);
    if let Err(ReadError::Parse(error)) = &first
        && matches!(error.kind, ParseErrorKind::DuplicateLabel | ParseErrorKind::NulByte)
    {
        assert!(parses, "{file} is refused by the gate only");
        return;
    }
    assert_eq!(first.is_ok(), parses, "{file} as {format:?}: {first:?}");
    assert_eq!(read(&mut engine, body, format, 999), first, "{file} when its lines are known");
    if first.is_err() {
        return;
    }
    let expect = samples(body, format);
    for rendered in [Format::Text, Format::OpenMetrics] {
        let text = render(&mut engine, rendered);
        let got = samples(&text, rendered);
        assert!(got == expect, "{file} as {format:?} rendered as {rendered:?}");
        if (format, rendered) != (Format::OpenMetrics, Format::OpenMetrics) {
            // Text has no words for some types of OpenMetrics.
            continue;
        }
        let mut again = self::engine();
        read(&mut again, &text, rendered, 1 << 20).unwrap();
        // Families are sorted by the name they came with, so their order may differ.
        let lines = |text: &[u8]| {
            let text = String::from_utf8_lossy(text).into_owned();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let (first, again) = (lines(&text), lines(&render(&mut again, rendered)));
        let changed = first.iter().zip(&again).find(|(a, b)| a != b);
        assert_eq!(changed, None, "{file} rendered twice");
    }
}
