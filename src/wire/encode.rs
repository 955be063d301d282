//! Writing protobuf, and what both versions write alike.
//!
//! Lengths stand in front of what they measure, so everything is measured first: sizes are sums of
//! a few additions, and nothing is written twice or moved.

use std::ops::AddAssign;

use super::cursor::{BYTES, FIXED64, VARINT, key};
use super::histogram::{BucketSpan, Buckets, Count, Histogram, ResetHint, Value, Values};
use super::series::Sample;

/// What a version could not carry and was left out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lost {
    /// Histograms with custom buckets.
    pub n_custom_bucket_histograms: usize,
    /// Start timestamps of samples and histograms that were written without.
    pub n_start_timestamps: usize,
    /// Exemplars of series of which nothing else was left.
    pub n_exemplars: usize,
}

impl AddAssign for Lost {
    fn add_assign(&mut self, other: Self) {
        self.n_custom_bucket_histograms += other.n_custom_bucket_histograms;
        self.n_start_timestamps += other.n_start_timestamps;
        self.n_exemplars += other.n_exemplars;
    }
}

/// Bytes a varint takes.
#[inline]
pub(super) fn varint_size(n: u64) -> usize {
    // One byte for each seven bits begun, and one for 0.
    let n_bits = 64 - (n | 1).leading_zeros();
    (n_bits as usize).div_ceil(7)
}

#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, n: u64) {
    if n < 0x80 {
        out.push(low_byte(n));
    } else {
        put_long_varint(out, n);
    }
}

fn put_long_varint(out: &mut Vec<u8>, n: u64) {
    let mut bytes = [0; 10];
    let (mut n, mut n_bytes) = (n, 0);
    for byte in &mut bytes {
        n_bytes += 1;
        *byte = low_byte(n) & 0x7f;
        n >>= 7;
        if n == 0 {
            break;
        }
        *byte |= 0x80;
    }
    out.extend_from_slice(bytes.get(..n_bytes).unwrap_or_default());
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low byte is wanted")]
fn low_byte(n: u64) -> u8 {
    n as u8
}

/// Bytes of a field of a length, with its key, which is below 16.
#[inline]
pub(super) fn bytes_size(n_bytes: usize) -> usize {
    1 + varint_size(n_bytes as u64) + n_bytes
}

/// The key and the length of a field.
#[inline]
pub(super) fn put_head(out: &mut Vec<u8>, field: u64, n_bytes: usize) {
    put_varint(out, key(field, BYTES));
    put_varint(out, n_bytes as u64);
}

/// A string or bytes.
#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_head(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Size of a number that is left out where it is 0.
#[inline]
pub(super) fn number_size(n: u64) -> usize {
    if n == 0 { 0 } else { 1 + varint_size(n) }
}

#[inline]
pub(super) fn put_number(out: &mut Vec<u8>, field: u64, n: u64) {
    if n != 0 {
        put_varint(out, key(field, VARINT));
        put_varint(out, n);
    }
}

/// Size of a double that is left out where all its bits are 0.
#[inline]
pub(super) fn double_size(value: f64) -> usize {
    if value.to_bits() == 0 { 0 } else { 9 }
}

#[inline]
pub(super) fn put_double(out: &mut Vec<u8>, field: u64, value: f64) {
    if value.to_bits() != 0 {
        put_present_double(out, field, value);
    }
}

#[inline]
fn put_present_double(out: &mut Vec<u8>, field: u64, value: f64) {
    put_varint(out, key(field, FIXED64));
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Size of the inside of a sample. `start_timestamp_ms` is 0 in 1.0.
#[inline]
pub(super) fn sample_size(sample: &Sample, start_timestamp_ms: i64) -> usize {
    double_size(sample.value)
        + number_size(sample.timestamp_ms.cast_unsigned())
        + number_size(start_timestamp_ms.cast_unsigned())
}

#[inline]
pub(super) fn put_sample(out: &mut Vec<u8>, sample: &Sample, start_timestamp_ms: i64) {
    put_head(out, 2, sample_size(sample, start_timestamp_ms));
    put_double(out, 1, sample.value);
    put_number(out, 2, sample.timestamp_ms.cast_unsigned());
    put_number(out, 3, start_timestamp_ms.cast_unsigned());
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

fn count_size(count: Option<Count>) -> usize {
    match count {
        None => 0,
        Some(Count::Int(n)) => 1 + varint_size(n),
        Some(Count::Float(_)) => 9,
    }
}

/// A count: one of two fields. Written even where it is 0, since which one it is says something.
fn put_count(out: &mut Vec<u8>, int_field: u64, count: Option<Count>) {
    match count {
        None => {}
        Some(Count::Int(n)) => {
            put_varint(out, key(int_field, VARINT));
            put_varint(out, n);
        }
        Some(Count::Float(value)) => put_present_double(out, int_field + 1, value),
    }
}

fn span_size(span: BucketSpan) -> usize {
    number_size(zigzag32(span.offset)) + number_size(u64::from(span.length))
}

fn zigzag32(n: i32) -> u64 {
    zigzag(i64::from(n))
}

/// Size of packed numbers with their key; nothing where there are none.
fn packed_size<T: Value>(field: u64, values: Values<'_, T>, size: impl Fn(T) -> usize) -> usize {
    let n_bytes: usize = values.iter().map(size).sum();
    if n_bytes == 0 {
        0
    } else {
        varint_size(key(field, BYTES)) + varint_size(n_bytes as u64) + n_bytes
    }
}

fn put_deltas(out: &mut Vec<u8>, field: u64, deltas: Values<'_, i64>) {
    let n_bytes: usize = deltas.iter().map(|delta| varint_size(zigzag(delta))).sum();
    if n_bytes > 0 {
        put_head(out, field, n_bytes);
        deltas.iter().for_each(|delta| put_varint(out, zigzag(delta)));
    }
}

fn put_doubles(out: &mut Vec<u8>, field: u64, values: Values<'_, f64>) {
    let n_values = values.iter().count();
    if n_values > 0 {
        put_head(out, field, 8 * n_values);
        values.iter().for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
    }
}

fn buckets_size(buckets: &Buckets<'_>) -> usize {
    let spans: usize = buckets.spans.iter().map(|span| bytes_size(span_size(span))).sum();
    spans
        + packed_size(9, buckets.deltas, |delta| varint_size(zigzag(delta)))
        + packed_size(10, buckets.counts, |_| 8)
}

fn put_buckets(out: &mut Vec<u8>, first_field: u64, buckets: &Buckets<'_>) {
    for span in &buckets.spans {
        put_head(out, first_field, span_size(span));
        put_number(out, 1, zigzag32(span.offset));
        put_number(out, 2, u64::from(span.length));
    }
    put_deltas(out, first_field + 1, buckets.deltas);
    put_doubles(out, first_field + 2, buckets.counts);
}

fn hint_number(hint: ResetHint) -> u64 {
    match hint {
        ResetHint::Unknown => 0,
        ResetHint::Yes => 1,
        ResetHint::No => 2,
        ResetHint::Gauge => 3,
    }
}

/// Size of the inside of a histogram.
pub(super) fn histogram_size(histogram: &Histogram<'_>) -> usize {
    let start = histogram.start_timestamp_ms.cast_unsigned();
    count_size(histogram.count)
        + double_size(histogram.sum)
        + number_size(zigzag32(histogram.schema))
        + double_size(histogram.zero_threshold)
        + count_size(histogram.zero_count)
        + buckets_size(&histogram.negative)
        + buckets_size(&histogram.positive)
        + number_size(hint_number(histogram.reset_hint))
        + number_size(histogram.timestamp_ms.cast_unsigned())
        + packed_size(16, histogram.custom_values, |_| 8)
        + if start == 0 { 0 } else { 2 + varint_size(start) }
}

/// A histogram as field `field` of a series.
pub(super) fn put_histogram(out: &mut Vec<u8>, field: u64, histogram: &Histogram<'_>) {
    put_head(out, field, histogram_size(histogram));
    put_count(out, 1, histogram.count);
    put_double(out, 3, histogram.sum);
    put_number(out, 4, zigzag32(histogram.schema));
    put_double(out, 5, histogram.zero_threshold);
    put_count(out, 6, histogram.zero_count);
    put_buckets(out, 8, &histogram.negative);
    put_buckets(out, 11, &histogram.positive);
    put_number(out, 14, hint_number(histogram.reset_hint));
    put_number(out, 15, histogram.timestamp_ms.cast_unsigned());
    put_doubles(out, 16, histogram.custom_values);
    put_number(out, 17, histogram.start_timestamp_ms.cast_unsigned());
}
