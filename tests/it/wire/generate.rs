//! Messages of any content, and of any spelling protobuf allows.
#![expect(clippy::cast_possible_truncation, reason = "low bytes are wanted")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use weir::model::MetricType;
use weir::wire::{BucketSpan, Count, ResetHint, STALE_MARKER_BITS, Sample, Version};

use super::owned::{
    OwnedBuckets, OwnedExemplar, OwnedHistogram, OwnedLabels, OwnedMessage, OwnedMetadata,
    OwnedSeries,
};

fn bits() -> impl Strategy<Value = u64> {
    let some = [0.0, -0.0, 1.0, 0.1, f64::INFINITY, f64::NEG_INFINITY].map(f64::to_bits);
    prop_oneof![
        any::<u64>(),
        prop::sample::select(some.to_vec()),
        Just(STALE_MARKER_BITS),
        Just(0x7ff8_0000_0000_0001),
        0_u64..1 << 52, // subnormal
    ]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -3_i64..3,
        1_700_000_000_000_i64..1_800_000_000_000,
        (0_u32..63).prop_map(|bit| 1 << bit)
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec!["", "job", "node", "__name__", "up", "trace_id"])
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => vec(any::<u8>(), 0..12),
        1 => vec(any::<u8>(), 120..140),
    ]
}

fn labels() -> impl Strategy<Value = OwnedLabels> {
    vec((text(), text()), 0..5)
}

fn sample(version: Version) -> impl Strategy<Value = Sample> {
    (bits(), number(), number()).prop_map(move |(bits, timestamp_ms, start)| Sample {
        value: f64::from_bits(bits),
        timestamp_ms,
        start_timestamp_ms: if version == Version::V2 { start } else { 0 },
    })
}

fn exemplar() -> impl Strategy<Value = OwnedExemplar> {
    (labels(), bits(), number()).prop_map(|(labels, value, timestamp_ms)| OwnedExemplar {
        labels,
        value,
        timestamp_ms,
    })
}

fn count() -> impl Strategy<Value = Option<Count>> {
    option::of(prop_oneof![
        any::<u64>().prop_map(Count::Int),
        bits().prop_map(|bits| Count::Float(f64::from_bits(bits))),
    ])
}

fn buckets() -> impl Strategy<Value = OwnedBuckets> {
    let span = (any::<i32>(), 0_u32..9).prop_map(|(offset, length)| BucketSpan { offset, length });
    (vec(span, 0..3), vec(number(), 0..4), vec(bits(), 0..4))
        .prop_map(|(spans, deltas, counts)| OwnedBuckets { spans, deltas, counts })
}

fn histogram(version: Version) -> impl Strategy<Value = OwnedHistogram> {
    let hints = vec![ResetHint::Unknown, ResetHint::Yes, ResetHint::No, ResetHint::Gauge];
    let numbers = (count(), bits(), -4_i32..9, bits(), count());
    let rest = (prop::sample::select(hints), number(), vec(bits(), 0..4), number());
    (numbers, buckets(), buckets(), rest, any::<bool>()).prop_map(
        move |(
            (count, sum, schema, zero_threshold, zero_count),
            negative,
            positive,
            rest,
            custom,
        )| {
            let is_v2 = version == Version::V2;
            let (reset_hint, timestamp_ms, custom_values, start) = rest;
            OwnedHistogram {
                count,
                sum,
                schema: if custom && is_v2 { -53 } else { schema },
                zero_threshold,
                zero_count,
                negative,
                positive,
                reset_hint,
                timestamp_ms,
                custom_values,
                start_timestamp_ms: if is_v2 { start } else { 0 },
            }
        },
    )
}

fn metadata() -> impl Strategy<Value = OwnedMetadata> {
    let types = vec![MetricType::Unknown, MetricType::Counter, MetricType::StateSet];
    (prop::sample::select(types), text(), text())
        .prop_map(|(metric_type, help, unit)| OwnedMetadata { metric_type, help, unit })
}

fn series(version: Version) -> impl Strategy<Value = OwnedSeries> {
    let points = prop_oneof![
        3 => (vec(sample(version), 0..4), Just(Vec::new())),
        1 => (Just(Vec::new()), vec(histogram(version), 0..3)),
    ];
    (labels(), points, vec(exemplar(), 0..3), metadata()).prop_map(
        move |(labels, (samples, histograms), exemplars, metadata)| OwnedSeries {
            labels,
            samples,
            histograms,
            exemplars,
            metadata: if version == Version::V2 { metadata } else { OwnedMetadata::default() },
        },
    )
}

/// A message that `version` can carry, and in 2.0 no series of both samples and histograms.
pub(crate) fn message(version: Version) -> impl Strategy<Value = OwnedMessage> {
    let n_beside = if version == Version::V1 { 4 } else { 1 };
    (vec(series(version), 0..6), vec((text(), metadata()), 0..n_beside))
        .prop_map(|(series, metadata)| OwnedMessage { series, metadata })
}

/// Bytes that are more or less a message: right pieces in odd places.
pub(crate) fn odd_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => any::<u8>().prop_map(|byte| vec![byte]),
        3 => (1_u8..18, 0_u8..6).prop_map(|(field, wire_type)| {
            let key = u16::from(field) << 3 | u16::from(wire_type);
            if key < 0x80 { vec![key as u8] } else { vec![key as u8 | 0x80, 1] }
        }),
        1 => vec(any::<u8>(), 8),
        1 => any::<u64>().prop_map(|n| { let mut out = Vec::new(); varint(&mut out, n); out }),
    ];
    let leaf = vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    leaf.prop_recursive(4, 64, 6, |inner| {
        vec((1_u8..8, inner), 0..6).prop_map(|fields| {
            let mut out = Vec::new();
            for (field, bytes) in fields {
                out.push(field << 3 | 2);
                varint(&mut out, bytes.len() as u64);
                out.extend(bytes);
            }
            out
        })
    })
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
