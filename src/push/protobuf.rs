//! Bodies in protobuf: `io.prometheus.client.MetricFamily` messages, each behind its length.
//!
//! Of native histograms the classic buckets are taken; without any they are refused, since neither
//! text 0.0.4 nor an old Pushgateway can carry them.

use crate::model::MetricType;
use crate::push::body::{BodyError, Builder, Families, ReadConfig};
use crate::push::conflict::{Conflict, type_name};
use crate::push::family::{Histogram, Summary, Value};
use crate::push::path::GroupingKey;

/// Bytes that are no such messages.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("protobuf parsing error at byte {at}: {kind}")]
pub struct ProtobufError {
    /// Where in the body.
    pub at: usize,
    /// What is wrong there.
    pub kind: ProtobufErrorKind,
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtobufErrorKind {
    /// A number or a length is cut off or too long, or a message ends within a field.
    #[error("unexpected end of the message")]
    Truncated,
    /// A field of a type that protobuf does not have.
    #[error("unknown wire type")]
    WireType,
    /// A field with the number 0.
    #[error("illegal field number")]
    FieldNumber,
    /// A string that is no UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
}

type Result<T> = std::result::Result<T, ProtobufError>;

/// Read a body.
///
/// # Errors
///
/// Whatever the Pushgateway would refuse before it looks at what else it has.
pub fn read_protobuf(
    body: &[u8],
    key: &GroupingKey,
    config: ReadConfig,
) -> std::result::Result<Families, BodyError> {
    let mut builder = Builder::new(key, config);
    let mut rest = Message { bytes: body, at: 0 };
    while !rest.bytes.is_empty() {
        let family = rest.message()?;
        read_family(family, &mut builder)?;
    }
    builder.finish()
}

fn read_family(
    message: Message<'_>,
    builder: &mut Builder<'_>,
) -> std::result::Result<(), BodyError> {
    let (mut name, mut help, mut kind) = ("", "", 0);
    let mut fields = message;
    while let Some((number, field)) = fields.field()? {
        match (number, field) {
            (1, Field::Bytes(text)) => name = text.text()?,
            (2, Field::Bytes(text)) => help = text.text()?,
            (3, Field::Number(word)) => kind = word,
            _ => {}
        }
    }
    let metric_type = match kind {
        0 => MetricType::Counter,
        1 => MetricType::Gauge,
        2 => MetricType::Summary,
        4 => MetricType::Histogram,
        _ => MetricType::Unknown,
    };
    builder.family(name, metric_type, help.to_owned());
    let mut fields = message;
    while let Some((number, field)) = fields.field()? {
        if let (4, Field::Bytes(metric)) = (number, field) {
            read_metric(metric, name, metric_type, builder)?;
        }
    }
    Ok(())
}

fn read_metric(
    mut message: Message<'_>,
    name: &str,
    metric_type: MetricType,
    builder: &mut Builder<'_>,
) -> std::result::Result<(), BodyError> {
    let (mut pairs, mut value) = (Vec::new(), None);
    while let Some((number, field)) = message.field()? {
        match (number, field, metric_type) {
            (1, Field::Bytes(pair), _) => pairs.push(read_label(pair)?),
            (2, Field::Bytes(number), MetricType::Gauge)
            | (3, Field::Bytes(number), MetricType::Counter)
            | (5, Field::Bytes(number), MetricType::Unknown) => {
                value = Some(Value::Number(read_number(number)?));
            }
            (4, Field::Bytes(summary), MetricType::Summary) => {
                value = Some(Value::Summary(Box::new(read_summary(summary)?)));
            }
            (7, Field::Bytes(histogram), MetricType::Histogram) => {
                let (histogram, is_native) = read_histogram(histogram)?;
                if is_native && histogram.buckets.is_empty() {
                    builder.conflict(Conflict::Native { metric: format!("{name:?}") });
                }
                value = Some(Value::Histogram(Box::new(histogram)));
            }
            (6, Field::Number(_), _) => builder.conflict(Conflict::Timestamp),
            _ => {}
        }
    }
    let labels = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let labels = builder.labels(name, labels);
    let Some(value) = value else {
        let (metric, wanted) = (format!("{name:?} {labels:?}"), type_name(metric_type));
        builder.conflict(Conflict::Type { metric, wanted });
        return Ok(());
    };
    builder.metric(name, labels, value)
}

fn read_label(mut message: Message<'_>) -> Result<(&str, &str)> {
    let (mut name, mut value) = ("", "");
    while let Some((number, field)) = message.field()? {
        match (number, field) {
            (1, Field::Bytes(text)) => name = text.text()?,
            (2, Field::Bytes(text)) => value = text.text()?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn read_number(mut message: Message<'_>) -> Result<f64> {
    let mut value = 0.0;
    while let Some((number, field)) = message.field()? {
        if let (1, Field::Fixed(bits)) = (number, field) {
            value = f64::from_bits(bits);
        }
    }
    Ok(value)
}

fn read_summary(mut message: Message<'_>) -> Result<Summary> {
    let mut summary = Summary::default();
    while let Some((number, field)) = message.field()? {
        match (number, field) {
            (1, Field::Number(count)) => summary.count = count,
            (2, Field::Fixed(bits)) => summary.sum = f64::from_bits(bits),
            (3, Field::Bytes(mut quantile)) => {
                let (mut at, mut value) = (0.0, 0.0);
                while let Some((number, field)) = quantile.field()? {
                    match (number, field) {
                        (1, Field::Fixed(bits)) => at = f64::from_bits(bits),
                        (2, Field::Fixed(bits)) => value = f64::from_bits(bits),
                        _ => {}
                    }
                }
                summary.quantiles.push((at, value));
            }
            _ => {}
        }
    }
    Ok(summary)
}

/// A histogram, and whether it has native parts.
fn read_histogram(mut message: Message<'_>) -> Result<(Histogram, bool)> {
    let (mut histogram, mut is_native) = (Histogram::default(), false);
    while let Some((number, field)) = message.field()? {
        match (number, field) {
            (1, Field::Number(count)) => histogram.count = count,
            (4, Field::Fixed(bits)) => histogram.count = as_count(f64::from_bits(bits)),
            (2, Field::Fixed(bits)) => histogram.sum = f64::from_bits(bits),
            (3, Field::Bytes(mut bucket)) => {
                let (mut bound, mut count) = (0.0, 0);
                while let Some((number, field)) = bucket.field()? {
                    match (number, field) {
                        (1, Field::Number(number)) => count = number,
                        (4, Field::Fixed(bits)) => count = as_count(f64::from_bits(bits)),
                        (2, Field::Fixed(bits)) => bound = f64::from_bits(bits),
                        _ => {}
                    }
                }
                histogram.buckets.push((bound, count));
            }
            // The schema, the zero bucket, spans and deltas.
            (5..=14, _) => is_native = true,
            _ => {}
        }
    }
    Ok((histogram, is_native))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn as_count(value: f64) -> u64 {
    value as u64
}

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
struct Message<'a> {
    bytes: &'a [u8],
    /// Where in the body that is.
    at: usize,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Field<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(Message<'a>),
    Other,
}

impl<'a> Message<'a> {
    fn error<T>(&self, kind: ProtobufErrorKind) -> Result<T> {
        Err(ProtobufError { at: self.at, kind })
    }

    /// The next field; `None` at the end.
    fn field(&mut self) -> Result<Option<(u64, Field<'a>)>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let start = *self;
        let key = self.varint()?;
        if key >> 3 == 0 {
            return start.error(ProtobufErrorKind::FieldNumber);
        }
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => {
                let bytes = self.take(8)?.bytes.first_chunk::<8>().copied().unwrap_or_default();
                Field::Fixed(u64::from_le_bytes(bytes))
            }
            2 => Field::Bytes(self.message()?),
            5 => self.take(4).map(|_| Field::Other)?,
            _ => return start.error(ProtobufErrorKind::WireType),
        };
        Ok(Some((key >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for (shift, byte) in (0..64).step_by(7).zip(self.bytes) {
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                self.take(shift / 7 + 1)?;
                return Ok(value);
            }
        }
        self.error(ProtobufErrorKind::Truncated)
    }

    /// A length and so many bytes.
    fn message(&mut self) -> Result<Self> {
        let start = *self;
        let n_bytes = self.varint()?;
        match usize::try_from(n_bytes) {
            Ok(n_bytes) => self.take(n_bytes),
            Err(_) => start.error(ProtobufErrorKind::Truncated),
        }
    }

    fn take(&mut self, n_bytes: usize) -> Result<Self> {
        let Some((taken, rest)) = self.bytes.split_at_checked(n_bytes) else {
            return self.error(ProtobufErrorKind::Truncated);
        };
        let taken = Self { bytes: taken, at: self.at };
        *self = Self { bytes: rest, at: self.at + n_bytes };
        Ok(taken)
    }

    fn text(&self) -> Result<&'a str> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) => Ok(text),
            Err(_) => self.error(ProtobufErrorKind::NotUtf8),
        }
    }
}
