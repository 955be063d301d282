//! The naive twin of the decoder: any message to a list of fields first, then to what they mean.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "protobuf cuts numbers off"
)]

use weir::model::MetricType;
use weir::wire::{BucketSpan, Count, ResetHint, Sample, Version};

use super::owned::{
    OwnedBuckets, OwnedExemplar, OwnedHistogram, OwnedLabels, OwnedMessage, OwnedMetadata,
    OwnedSeries,
};

#[derive(Clone, Debug)]
enum Value {
    Varint(u64),
    Fixed64(u64),
    Bytes(Vec<u8>),
    Other,
}

use Value::{Bytes, Fixed64, Varint};

struct Bad;

type Fields = Vec<(u64, Value)>;

fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, Bad> {
    let mut value = 0_u128;
    for i in 0..10 {
        let byte = *bytes.get(*at).ok_or(Bad)?;
        *at += 1;
        value |= u128::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return u64::try_from(value).map_err(|_| Bad);
        }
    }
    Err(Bad)
}

fn take<'a>(bytes: &'a [u8], at: &mut usize, n: u64) -> Result<&'a [u8], Bad> {
    let end = at.checked_add(usize::try_from(n).map_err(|_| Bad)?).ok_or(Bad)?;
    let found = bytes.get(*at..end).ok_or(Bad)?;
    *at = end;
    Ok(found)
}

/// One field, its number and its value; `depth` counts the groups around it.
fn field(bytes: &[u8], at: &mut usize, depth: usize) -> Result<(u64, Value), Bad> {
    let key = varint(bytes, at)?;
    let number = key >> 3;
    if number == 0 || number >= 1 << 29 {
        return Err(Bad);
    }
    let value = match key & 7 {
        0 => Varint(varint(bytes, at)?),
        1 => Fixed64(u64::from_le_bytes(take(bytes, at, 8)?.try_into().map_err(|_| Bad)?)),
        2 => {
            let n = varint(bytes, at)?;
            Bytes(take(bytes, at, n)?.to_vec())
        }
        3 if depth < 16 => {
            loop {
                let mut ahead = *at;
                if varint(bytes, &mut ahead)? == number << 3 | 4 {
                    *at = ahead;
                    break;
                }
                field(bytes, at, depth + 1)?;
            }
            Value::Other
        }
        5 => {
            take(bytes, at, 4)?;
            Value::Other
        }
        _ => return Err(Bad),
    };
    Ok((number, value))
}

fn fields(bytes: &[u8]) -> Result<Fields, Bad> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        all.push(field(bytes, &mut at, 0)?);
    }
    Ok(all)
}

/// `None` where the message is refused; series that are refused alone are left out.
pub(crate) fn decode(version: Version, body: &[u8]) -> Option<OwnedMessage> {
    let decoded = match version {
        Version::V1 => decode_v1(body),
        Version::V2 => decode_v2(body),
    };
    decoded.ok()
}

fn decode_v1(body: &[u8]) -> Result<OwnedMessage, Bad> {
    let mut message = OwnedMessage::default();
    for (number, value) in fields(body)? {
        match (number, value) {
            (1, Bytes(series)) => message.series.push(series_v1(&series)?),
            (3, Bytes(metadata)) => message.metadata.push(metadata_v1(&metadata)?),
            (1 | 3, _) => return Err(Bad),
            _ => {}
        }
    }
    Ok(message)
}

fn series_v1(bytes: &[u8]) -> Result<OwnedSeries, Bad> {
    let mut series = OwnedSeries::default();
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, Bytes(bytes)) => series.labels.push(label(&bytes)?),
            (2, Bytes(bytes)) => series.samples.push(sample(&bytes, Version::V1)?),
            (3, Bytes(bytes)) => {
                let mut exemplar = OwnedExemplar::default();
                for (number, value) in fields(&bytes)? {
                    match (number, value) {
                        (1, Bytes(bytes)) => exemplar.labels.push(label(&bytes)?),
                        (2, Fixed64(bits)) => exemplar.value = bits,
                        (3, Varint(n)) => exemplar.timestamp_ms = n as i64,
                        (1..=3, _) => return Err(Bad),
                        _ => {}
                    }
                }
                series.exemplars.push(exemplar);
            }
            (4, Bytes(bytes)) => series.histograms.push(histogram(&bytes)?),
            (1..=4, _) => return Err(Bad),
            _ => {}
        }
    }
    Ok(series)
}

fn label(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Bad> {
    let mut label = (Vec::new(), Vec::new());
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, Bytes(text)) => label.0 = text,
            (2, Bytes(text)) => label.1 = text,
            (1 | 2, _) => return Err(Bad),
            _ => {}
        }
    }
    Ok(label)
}

fn sample(bytes: &[u8], version: Version) -> Result<Sample, Bad> {
    let mut sample = Sample::default();
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, Fixed64(bits)) => sample.value = f64::from_bits(bits),
            (2, Varint(n)) => sample.timestamp_ms = n as i64,
            (3, _) if version == Version::V1 => {}
            (3, Varint(n)) => sample.start_timestamp_ms = n as i64,
            (1..=3, _) => return Err(Bad),
            _ => {}
        }
    }
    Ok(sample)
}

fn metric_type(number: u64) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

fn metadata_v1(bytes: &[u8]) -> Result<(Vec<u8>, OwnedMetadata), Bad> {
    let (mut family, mut metadata) = (Vec::new(), OwnedMetadata::default());
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, Varint(n)) => metadata.metric_type = metric_type(n),
            (2, Bytes(text)) => family = text,
            (4, Bytes(text)) => metadata.help = text,
            (5, Bytes(text)) => metadata.unit = text,
            (1 | 2 | 4 | 5, _) => return Err(Bad),
            _ => {}
        }
    }
    Ok((family, metadata))
}

fn unpack(value: &Value, all: &mut Vec<u64>) -> Result<(), Bad> {
    match value {
        Varint(n) => all.push(*n),
        Bytes(packed) => {
            let mut at = 0;
            while at < packed.len() {
                all.push(varint(packed, &mut at)?);
            }
        }
        _ => return Err(Bad),
    }
    Ok(())
}

fn unpack_doubles(value: &Value, all: &mut Vec<u64>) -> Result<(), Bad> {
    match value {
        Fixed64(bits) => all.push(*bits),
        Bytes(packed) if packed.len() % 8 == 0 => {
            all.extend(packed.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)));
        }
        _ => return Err(Bad),
    }
    Ok(())
}

fn zigzag(n: u64) -> i64 {
    if n.is_multiple_of(2) { (n / 2) as i64 } else { -((n / 2) as i64) - 1 }
}

fn histogram(bytes: &[u8]) -> Result<OwnedHistogram, Bad> {
    let mut h = OwnedHistogram::default();
    let (mut negative_deltas, mut positive_deltas) = (Vec::new(), Vec::new());
    for (number, value) in fields(bytes)? {
        match (number, &value) {
            (1, Varint(n)) => h.count = Some(Count::Int(*n)),
            (2, Fixed64(bits)) => h.count = Some(Count::Float(f64::from_bits(*bits))),
            (3, Fixed64(bits)) => h.sum = *bits,
            (4, Varint(n)) => h.schema = zigzag(*n & 0xffff_ffff) as i32,
            (5, Fixed64(bits)) => h.zero_threshold = *bits,
            (6, Varint(n)) => h.zero_count = Some(Count::Int(*n)),
            (7, Fixed64(bits)) => h.zero_count = Some(Count::Float(f64::from_bits(*bits))),
            (8, Bytes(bytes)) => h.negative.spans.push(span(bytes)?),
            (9, _) => unpack(&value, &mut negative_deltas)?,
            (10, _) => unpack_doubles(&value, &mut h.negative.counts)?,
            (11, Bytes(bytes)) => h.positive.spans.push(span(bytes)?),
            (12, _) => unpack(&value, &mut positive_deltas)?,
            (13, _) => unpack_doubles(&value, &mut h.positive.counts)?,
            (14, Varint(n)) => {
                let hints = [ResetHint::Unknown, ResetHint::Yes, ResetHint::No, ResetHint::Gauge];
                h.reset_hint = hints.get(*n as usize).copied().unwrap_or_default();
            }
            (15, Varint(n)) => h.timestamp_ms = *n as i64,
            (16, _) => unpack_doubles(&value, &mut h.custom_values)?,
            (17, Varint(n)) => h.start_timestamp_ms = *n as i64,
            (1..=17, _) => return Err(Bad),
            _ => {}
        }
    }
    let signed = |deltas: Vec<u64>| deltas.into_iter().map(zigzag).collect();
    h.negative = OwnedBuckets { deltas: signed(negative_deltas), ..h.negative };
    h.positive = OwnedBuckets { deltas: signed(positive_deltas), ..h.positive };
    Ok(h)
}

fn span(bytes: &[u8]) -> Result<BucketSpan, Bad> {
    let mut span = BucketSpan::default();
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, Varint(n)) => span.offset = zigzag(n & 0xffff_ffff) as i32,
            (2, Varint(n)) => span.length = n as u32,
            (1 | 2, _) => return Err(Bad),
            _ => {}
        }
    }
    Ok(span)
}

fn decode_v2(body: &[u8]) -> Result<OwnedMessage, Bad> {
    let fields = fields(body)?;
    let mut symbols = Vec::new();
    let mut n_series = 0;
    for (number, value) in &fields {
        match (number, value) {
            (4, Bytes(text)) => symbols.push(text.clone()),
            (5, Bytes(_)) => n_series += 1,
            (4 | 5, _) => return Err(Bad),
            _ => {}
        }
    }
    if symbols.first().map_or(n_series > 0, |first| !first.is_empty()) {
        return Err(Bad);
    }
    let mut message = OwnedMessage::default();
    for (number, value) in fields {
        if let (5, Bytes(bytes)) = (number, value) {
            message.series.extend(series_v2(&bytes, &symbols)?);
        }
    }
    Ok(message)
}

fn resolve(refs: &[u64], symbols: &[Vec<u8>]) -> Option<OwnedLabels> {
    if !refs.len().is_multiple_of(2) {
        return None;
    }
    let text = |reference: u64| symbols.get(usize::try_from(reference).ok()?).cloned();
    refs.chunks(2).map(|pair| Some((text(pair[0])?, text(pair[1])?))).collect()
}

/// A series, or nothing where its references lead nowhere.
fn series_v2(bytes: &[u8], symbols: &[Vec<u8>]) -> Result<Option<OwnedSeries>, Bad> {
    let mut series = OwnedSeries::default();
    let (mut refs, mut created, mut help, mut unit) = (Vec::new(), 0, 0, 0);
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, value) => unpack(&value, &mut refs)?,
            (2, Bytes(bytes)) => series.samples.push(sample(&bytes, Version::V2)?),
            (3, Bytes(bytes)) => series.histograms.push(histogram(&bytes)?),
            (4, Bytes(bytes)) => series.exemplars.extend(exemplar_v2(&bytes, symbols)?),
            (5, Bytes(bytes)) => {
                for (number, value) in fields(&bytes)? {
                    match (number, value) {
                        (1, Varint(n)) => series.metadata.metric_type = metric_type(n),
                        (3, Varint(n)) => help = n,
                        (4, Varint(n)) => unit = n,
                        (1 | 3 | 4, _) => return Err(Bad),
                        _ => {}
                    }
                }
            }
            (6, Varint(n)) => created = n as i64,
            (1..=6, _) => return Err(Bad),
            _ => {}
        }
    }
    for sample in &mut series.samples {
        if sample.start_timestamp_ms == 0 {
            sample.start_timestamp_ms = created;
        }
    }
    for histogram in &mut series.histograms {
        if histogram.start_timestamp_ms == 0 {
            histogram.start_timestamp_ms = created;
        }
    }
    let (Some(labels), Some(mut texts)) =
        (resolve(&refs, symbols), resolve(&[help, unit], symbols))
    else {
        return Ok(None);
    };
    series.labels = labels;
    (series.metadata.help, series.metadata.unit) = texts.remove(0);
    Ok(Some(series))
}

fn exemplar_v2(bytes: &[u8], symbols: &[Vec<u8>]) -> Result<Option<OwnedExemplar>, Bad> {
    let (mut exemplar, mut refs) = (OwnedExemplar::default(), Vec::new());
    for (number, value) in fields(bytes)? {
        match (number, value) {
            (1, value) => unpack(&value, &mut refs)?,
            (2, Fixed64(bits)) => exemplar.value = bits,
            (3, Varint(n)) => exemplar.timestamp_ms = n as i64,
            (2 | 3, _) => return Err(Bad),
            _ => {}
        }
    }
    Ok(resolve(&refs, symbols).map(|labels| OwnedExemplar { labels, ..exemplar }))
}
