//! Remote-write messages: those of Prometheus' own libraries, laws, and a naive twin.

mod generate;
pub(crate) mod golden;
mod naive;
pub(crate) mod owned;
mod properties;

use weir::model::LabelSet;
use weir::wire::error::RefProblem;
use weir::wire::snappy::{Snappy, SnappyError};
use weir::wire::{
    Decoder, Labels, Limits, Lost, Sample, Series, V2Encoder, Version, WireErrorKind, put_series_v1,
};

use owned::{OwnedExemplar, OwnedHistogram};
pub(crate) use owned::{OwnedMessage, OwnedSeries};

/// A field of bytes, as protobuf has it.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let n_bytes = u8::try_from(bytes.len()).unwrap();
    assert!(n_bytes < 0x80);
    [&[number << 3 | 2, n_bytes], bytes].concat()
}

fn sample_v2() -> Vec<u8> {
    field(2, &[0x10, 5])
}

/// A request of 2.0 with the symbols "", "__name__" and "up", and one series of these fields.
fn request_v2(series: &[Vec<u8>]) -> Vec<u8> {
    let symbols = [&b""[..], b"__name__", b"up"].map(|symbol| field(4, symbol)).concat();
    [symbols, field(5, &series.concat())].concat()
}

#[track_caller]
fn refused(version: Version, body: &[u8]) -> (usize, &'static str, WireErrorKind) {
    let error = OwnedMessage::decode(version, body).unwrap_err();
    assert!(error.offset <= body.len());
    assert_eq!(naive::decode(version, body), None);
    (error.offset, error.field, error.kind)
}

#[test]
fn errors_say_where() {
    use WireErrorKind as Kind;
    let cases: [(&[u8], usize, &str, Kind); 10] = [
        (&[0x0a, 5, 1], 1, "timeseries", Kind::Length { length: 5, left: 1 }),
        (&[0x0a], 1, "timeseries", Kind::Truncated),
        (&[0x02, 0], 0, "request", Kind::FieldNumber(0)),
        (&[0x08, 1], 1, "request", Kind::WireType { found: 0, expected: 2 }),
        (&[0x47], 1, "request", Kind::UnknownWireType(7)),
        (&[0x44], 1, "request", Kind::UnknownWireType(4)),
        (&[0x0a, 4, 0x12, 2, 0x09, 1], 5, "timeseries.samples.value", Kind::Truncated),
        (&[0x0a, 4, 0x0a, 2, 0x0a, 9], 5, "timeseries.labels", Kind::Length { length: 9, left: 0 }),
        (
            &[0x0a, 5, 0x22, 3, 0x52, 1, 0],
            6,
            "timeseries.histograms.negative_counts",
            Kind::PackedDoubles(1),
        ),
        (
            &[0x0a, 13, 0x12, 11, 0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
            5,
            "timeseries.samples.timestamp",
            Kind::Varint,
        ),
    ];
    for (body, offset, field, kind) in cases {
        assert_eq!(refused(Version::V1, body), (offset, field, kind), "{body:x?}");
    }
    let error = OwnedMessage::decode(Version::V1, &[0x0a, 5, 1]).unwrap_err();
    assert_eq!(error.to_string(), "byte 1, timeseries: a length of 5 where 1 bytes are left");
    let nested = [[0x43; 20], [0x44; 20]].concat();
    assert_eq!(refused(Version::V1, &nested), (17, "request", Kind::Nesting(16)));
    let nested = [[0x43; 16], [0x44; 16]].concat();
    assert_eq!(OwnedMessage::decode(Version::V1, &nested), Ok(OwnedMessage::default()));
}

#[test]
fn the_first_symbol_is_empty() {
    let body = [field(4, b"a"), field(5, &sample_v2())].concat();
    assert_eq!(refused(Version::V2, &body), (2, "symbols", WireErrorKind::FirstSymbol));
    let without = field(5, &sample_v2());
    assert_eq!(refused(Version::V2, &without), (0, "symbols", WireErrorKind::FirstSymbol));
    assert_eq!(OwnedMessage::decode(Version::V2, b""), Ok(OwnedMessage::default()));
}

#[test]
fn references_that_lead_nowhere_concern_one_series() {
    let good = field(5, &[field(1, &[1, 2]), sample_v2()].concat());
    let check = |series: &[u8], text: &str| {
        let body = [request_v2(&[series.to_vec()]), good.clone()].concat();
        let mut decoder = Decoder::new(Limits::default());
        let mut request = decoder.open(Version::V2, &body).unwrap();
        let error = request.next_series().unwrap_err();
        assert!(error.is_of_one_series());
        assert_eq!(error.kind.to_string(), text);
        let next = request.next_series().unwrap().unwrap();
        assert_eq!(next.labels().get(b"__name__"), b"up");
        assert!(request.next_series().unwrap().is_none());
        assert_eq!(
            OwnedMessage::decode(Version::V2, &body).ok(),
            naive::decode(Version::V2, &body)
        );
    };
    check(
        &[field(1, &[1, 2, 1]), sample_v2()].concat(),
        "parsing labels for series [1 2 1]: invalid labelRefs length 3",
    );
    check(
        &[field(1, &[1, 2, 1, 3]), sample_v2()].concat(),
        "parsing labels for series [1 2 1 3]: \
         labelRefs 1 (name) = 3 (value) outside of symbols table (size 3)",
    );
    check(
        &[field(1, &[1, 2]), sample_v2(), field(5, &[0x18, 9])].concat(),
        "parsing metadata for series [1 2]: metadata help_ref 9 outside of symbols table (size 3)",
    );
}

#[test]
fn an_exemplar_with_bad_references_is_left_out_alone() {
    let (good, bad) = (field(4, &field(1, &[1, 2])), field(4, &field(1, &[1, 7])));
    let body = request_v2(&[field(1, &[1, 2]), sample_v2(), bad, good]);
    let mut decoder = Decoder::new(Limits::default());
    let mut request = decoder.open(Version::V2, &body).unwrap();
    let series = request.next_series().unwrap().unwrap();
    assert_eq!((series.samples().len(), series.exemplars().len()), (1, 1));
    let problem = RefProblem::Label { name: 1, value: 7, n_symbols: 3 };
    assert_eq!(request.refused_exemplars()[0].problem, problem);
    assert_eq!(OwnedMessage::decode(Version::V2, &body).ok(), naive::decode(Version::V2, &body));
}

#[test]
fn created_timestamps_of_early_candidates_are_read_and_never_written() {
    let own_start = field(2, &[0x10, 9, 0x18, 3]);
    let histogram = field(3, &[0x78, 9]);
    let body = request_v2(&[field(1, &[1, 2]), sample_v2(), own_start, histogram, vec![0x30, 4]]);
    let message = OwnedMessage::decode(Version::V2, &body).unwrap();
    let starts: Vec<_> = message.series[0].samples.iter().map(|s| s.start_timestamp_ms).collect();
    assert_eq!(starts, [4, 3]);
    assert_eq!(message.series[0].histograms[0].start_timestamp_ms, 4);
    assert_eq!(Some(&message), naive::decode(Version::V2, &body).as_ref());
    // Samples and histograms go out as two series.
    let written = OwnedMessage::decode(Version::V2, &message.encode(Version::V2)).unwrap();
    assert_eq!(written.series.len(), 2);
    assert_eq!(written.series[0].samples, message.series[0].samples);
    assert_eq!(written.series[1].histograms, message.series[0].histograms);
    assert_eq!(written.series[0].labels, written.series[1].labels);
}

#[test]
fn a_body_of_the_other_version_is_noticed() {
    let (mut v1, mut v2) = (Vec::new(), Vec::new());
    let series = Series::new(Labels::of_pairs(&[(b"__name__", b"up")]));
    put_series_v1(&mut v1, &series);
    let mut encoder = V2Encoder::new();
    encoder.push(&series);
    encoder.finish(&mut v2);
    let mut decoder = Decoder::new(Limits::default());
    let mut looks = |version, body: &[u8]| {
        let request = decoder.open(version, body).unwrap();
        (request.looks_like_other_version(), request.n_series())
    };
    assert_eq!(looks(Version::V1, &v2), (true, 0));
    assert_eq!(looks(Version::V2, &v1), (true, 0));
    assert_eq!(looks(Version::V1, &v1), (false, 1));
    assert_eq!(looks(Version::V2, &v2), (false, 1));
    assert_eq!(looks(Version::V1, b""), (false, 0));
}

#[test]
fn limits_are_held() {
    let limits = Limits { series_max: 2, symbols_max: 3, labels_max: 2, points_max: 2 };
    let outcome = |version, body: &[u8]| {
        let mut decoder = Decoder::new(limits);
        let mut request = decoder.open(version, body).map_err(|error| error.kind)?;
        while request.next_series().map_err(|error| error.kind)?.is_some() {}
        Ok(())
    };
    let too_many = |what, max| Err(WireErrorKind::TooMany { what, max });
    let of = |n: usize, part: &[u8]| part.repeat(n);
    let cases = [
        (Version::V1, field(1, b""), vec![], "series", 2),
        (Version::V2, field(4, b""), vec![], "symbols", 3),
        (Version::V1, field(1, b""), vec![1], "labels", 2),
        (Version::V1, field(2, b""), vec![1], "samples", 2),
        (Version::V1, field(3, b""), vec![1], "exemplars", 2),
        (Version::V1, field(4, b""), vec![1], "histograms", 2),
        (Version::V2, vec![0x08, 0], vec![5], "references", 4),
        (Version::V2, field(1, &[0]), vec![5], "references", 4),
        (Version::V2, field(4, &field(1, &[9, 9])), vec![5], "exemplars", 2),
    ];
    for (version, part, inside, what, max) in cases {
        let body = |n| match inside[..] {
            [number] => [field(4, b""), field(number, &of(n, &part))].concat(),
            _ => of(n, &part),
        };
        assert_eq!(outcome(version, &body(max)), Ok(()), "{what}");
        assert_eq!(outcome(version, &body(max + 1)), too_many(what, max), "{what}");
    }
}

#[test]
fn what_a_version_cannot_carry_is_counted() {
    let custom = OwnedHistogram { schema: -53, ..OwnedHistogram::default() };
    let plain = OwnedHistogram { start_timestamp_ms: 7, ..OwnedHistogram::default() };
    let sample = Sample { value: 1.0, timestamp_ms: 2, start_timestamp_ms: 1 };
    let write = |series: &OwnedSeries| {
        let mut out = Vec::new();
        let lost = series.borrow(|series| put_series_v1(&mut out, series));
        (OwnedMessage::decode(Version::V1, &out).unwrap().series, lost)
    };
    let (written, lost) = write(&OwnedSeries {
        samples: vec![sample],
        histograms: vec![custom.clone(), plain.clone()],
        ..OwnedSeries::default()
    });
    let want = Lost { n_custom_bucket_histograms: 1, n_start_timestamps: 2, ..Lost::default() };
    assert_eq!(lost, want);
    assert_eq!(written[0].histograms, [OwnedHistogram { start_timestamp_ms: 0, ..plain }]);
    assert_eq!(written[0].samples, [Sample { start_timestamp_ms: 0, ..sample }]);
    let (written, lost) = write(&OwnedSeries {
        histograms: vec![custom],
        exemplars: vec![OwnedExemplar::default(); 3],
        ..OwnedSeries::default()
    });
    let want = Lost { n_custom_bucket_histograms: 1, n_exemplars: 3, ..Lost::default() };
    assert_eq!((written, lost), (vec![], want));
}

#[test]
fn labels_can_be_replaced() {
    let old = OwnedSeries {
        labels: vec![(b"__name__".to_vec(), b"up".to_vec())],
        samples: vec![Sample { value: 3.0, timestamp_ms: 4, start_timestamp_ms: 0 }],
        ..OwnedSeries::default()
    };
    let message = OwnedMessage { series: vec![old.clone()], ..OwnedMessage::default() };
    let mut set = LabelSet::new();
    set.push(b"job", b"node");
    set.push(b"__name__", b"down");
    set.sort();
    for from in [Version::V1, Version::V2] {
        let body = message.encode(from);
        let mut decoder = Decoder::new(Limits::default());
        let mut request = decoder.open(from, &body).unwrap();
        let series = request.next_series().unwrap().unwrap().with_labels(Labels::of_set(&set));
        let (mut v1, mut v2, mut encoder) = (Vec::new(), Vec::new(), V2Encoder::new());
        put_series_v1(&mut v1, &series);
        encoder.push(&series);
        encoder.finish(&mut v2);
        let labels = set.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let want = [OwnedSeries { labels, ..old.clone() }];
        assert_eq!(OwnedMessage::decode(Version::V1, &v1).unwrap().series, want);
        assert_eq!(OwnedMessage::decode(Version::V2, &v2).unwrap().series, want);
    }
}

#[test]
fn symbols_of_several_requests_are_not_mixed_up() {
    let message = |names: &[&str]| {
        let series = names.iter().map(|name| OwnedSeries {
            labels: vec![(b"__name__".to_vec(), name.as_bytes().to_vec())],
            ..OwnedSeries::default()
        });
        OwnedMessage { series: series.collect(), ..OwnedMessage::default() }
    };
    let bodies = [message(&["a", "b"]), message(&["b", "c", "a"])].map(|m| m.encode(Version::V2));
    let (mut decoder, mut encoder) = (Decoder::new(Limits::default()), V2Encoder::new());
    for body in &bodies {
        let mut request = decoder.open(Version::V2, body).unwrap();
        while let Some(series) = request.next_series().unwrap() {
            encoder.push(&series);
        }
    }
    assert_eq!(encoder.n_series(), 5);
    let (mut out, n_bytes) = (b"before".to_vec(), encoder.n_bytes());
    encoder.finish(&mut out);
    assert_eq!(out.len(), n_bytes + 6);
    let all = OwnedMessage::decode(Version::V2, &out[6..]).unwrap();
    assert_eq!(all, message(&["a", "b", "b", "c", "a"]));
    // Once more with the same encoder.
    encoder.push(&Series::new(Labels::of_pairs(&[(b"__name__", b"c")])));
    out.clear();
    encoder.finish(&mut out);
    assert_eq!(OwnedMessage::decode(Version::V2, &out).unwrap(), message(&["c"]));
}

#[test]
fn snappy_lengths_are_judged_before_decoding() {
    let mut snappy = Snappy::new();
    let body = vec![b'a'; 100_000];
    let mut compressed = b"left over".to_vec();
    snappy.compress(&body, &mut compressed).unwrap();
    assert_eq!(snappy.decompress(&compressed, 100_000), Ok(&body[..]));
    let too_long = SnappyError::TooLong { n_bytes: 100_000, max: 99_999 };
    assert_eq!(snappy.decompress(&compressed, 99_999), Err(too_long));
    // 4 GiB - 1, and nothing behind it.
    let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let impossible = SnappyError::Impossible { compressed: 5, n_bytes: u32::MAX as usize };
    assert_eq!(snappy.decompress(&bomb, usize::MAX), Err(impossible));
    for bad in [&[0xff; 10][..], b"0aaaaaaaa", &compressed[..compressed.len() - 1]] {
        assert!(matches!(snappy.decompress(bad, 1 << 20), Err(SnappyError::Corrupt(_))));
    }
    assert_eq!(snappy.decompress(&[0], 1), Ok(&[][..]));
    assert_eq!(snappy.decompress(b"", 1), Err(SnappyError::Corrupt(snap::Error::Empty)));
    // A short body behind a long one leaves nothing of that to be seen.
    snappy.compress(b"short", &mut compressed).unwrap();
    assert_eq!(snappy.decompress(&compressed, 5), Ok(&b"short"[..]));
    snappy.shrink_to(2);
    assert_eq!(snappy.decompress(&compressed, 5), Ok(&b"short"[..]));
}
