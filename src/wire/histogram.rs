//! Native histograms: with exponential buckets (schemas -4 to 8) or custom ones (schema -53), of
//! integers or of floats.
//!
//! Both versions write them alike, but for the last two fields, which 1.0 does not have:
//!
//! ```text
//!  1 count_int uint64 | 2 count_float double      which one is there decides integer or float
//!  3 sum double        4 schema sint32            5 zero_threshold double
//!  6 zero_count_int uint64 | 7 zero_count_float double
//!  8 negative_spans*   9 negative_deltas sint64*  10 negative_counts double*
//! 11 positive_spans*  12 positive_deltas sint64*  13 positive_counts double*
//! 14 reset_hint enum  15 timestamp int64          16 custom_values double*
//! 17 start_timestamp int64                        BucketSpan: 1 offset sint32, 2 length uint32
//! ```
//!
//! Nothing is validated here: spans need not fit the buckets.

use std::slice;

use super::cursor::{BYTES, Cursor, FIXED64, VARINT, key, wire_type, zigzag};
use super::error::{WireError, WireErrorKind};

/// The schema of histograms with custom buckets.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// How many observations, or the part of them in the zero bucket.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// Of an integer histogram.
    Int(u64),
    /// Of a float histogram.
    Float(f64),
}

impl Default for Count {
    fn default() -> Self {
        Self::Int(0)
    }
}

/// Bits are compared: a NaN equals itself.
impl PartialEq for Count {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }
}

/// What the sender knows of resets before this histogram.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ResetHint {
    /// Nothing. Also what numbers no version defines are read as.
    #[default]
    Unknown,
    /// There was one.
    Yes,
    /// There was none.
    No,
    /// A gauge histogram, which knows no resets.
    Gauge,
}

/// A run of buckets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BucketSpan {
    /// Gap to the run before; for the first one, where it starts.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// The buckets of one side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buckets<'a> {
    /// Where they are.
    pub spans: Values<'a, BucketSpan>,
    /// Integer histograms: the difference of each count to the one before.
    pub deltas: Values<'a, i64>,
    /// Float histograms: counts.
    pub counts: Values<'a, f64>,
}

/// One histogram.
#[derive(Clone, Copy, Debug, Default)]
pub struct Histogram<'a> {
    /// How many observations; `None` where the message does not say, which means 0, integer.
    pub count: Option<Count>,
    /// Their sum. With the bits of a stale marker it ends the series.
    pub sum: f64,
    /// Resolution of the buckets.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket; `None` where the message does not say.
    pub zero_count: Option<Count>,
    /// Buckets below zero.
    pub negative: Buckets<'a>,
    /// Buckets above zero, or all custom ones.
    pub positive: Buckets<'a>,
    /// What is known of resets.
    pub reset_hint: ResetHint,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Upper bounds of custom buckets.
    pub custom_values: Values<'a, f64>,
    /// When it began to count, in milliseconds since 1970; 0 if that is not known.
    pub start_timestamp_ms: i64,
}

impl<'a> Histogram<'a> {
    /// Whether counts are floats.
    pub fn is_float(&self) -> bool {
        matches!(self.count, Some(Count::Float(_)))
    }

    /// Whether its buckets are custom ones, which 1.0 cannot carry.
    pub fn has_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Whether the series ends here.
    pub fn is_stale_marker(&self) -> bool {
        self.sum.to_bits() == super::STALE_MARKER_BITS
    }

    /// Read a message `Histogram` to its end; what is borrowed is valid then.
    pub(super) fn read(message: Cursor<'a>) -> Result<Self, WireError> {
        let mut histogram = Self::default();
        let mut rest = message;
        while !rest.is_at_end() {
            let found = rest.key(PATH)?;
            let path = FIELD_PATHS.get(usize::try_from(found >> 3).unwrap_or(0)).unwrap_or(&PATH);
            if !histogram.read_scalar(found, &mut rest, path)?
                && !histogram.read_repeated(found, &mut rest, message, path)?
            {
                rest.other(found, path, &FIELDS)?;
            }
        }
        Ok(histogram)
    }

    /// Read a field that occurs once; says whether it was one.
    fn read_scalar(
        &mut self,
        found: u64,
        rest: &mut Cursor<'a>,
        path: &'static str,
    ) -> Result<bool, WireError> {
        match found {
            COUNT_INT => self.count = Some(Count::Int(rest.varint(path)?)),
            COUNT_FLOAT => self.count = Some(Count::Float(rest.double(path)?)),
            SUM => self.sum = rest.double(path)?,
            SCHEMA => self.schema = sint32(rest.varint(path)?),
            ZERO_THRESHOLD => self.zero_threshold = rest.double(path)?,
            ZERO_COUNT_INT => self.zero_count = Some(Count::Int(rest.varint(path)?)),
            ZERO_COUNT_FLOAT => self.zero_count = Some(Count::Float(rest.double(path)?)),
            RESET_HINT => {
                self.reset_hint = match rest.varint(path)? {
                    1 => ResetHint::Yes,
                    2 => ResetHint::No,
                    3 => ResetHint::Gauge,
                    _ => ResetHint::Unknown,
                }
            }
            TIMESTAMP => self.timestamp_ms = rest.varint(path)?.cast_signed(),
            START_TIMESTAMP => self.start_timestamp_ms = rest.varint(path)?.cast_signed(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Read a field that may repeat; says whether it was one.
    fn read_repeated(
        &mut self,
        found: u64,
        rest: &mut Cursor<'a>,
        message: Cursor<'a>,
        path: &'static str,
    ) -> Result<bool, WireError> {
        let field = found >> 3;
        let sides = [(&mut self.negative, 8), (&mut self.positive, 11)];
        for (side, first) in sides {
            if field == first && BucketSpan::check(found, rest, path)? {
                side.spans = Values::wire(message, field);
                return Ok(true);
            }
            if field == first + 1 && i64::check(found, rest, path)? {
                side.deltas = Values::wire(message, field);
                return Ok(true);
            }
            if field == first + 2 && f64::check(found, rest, path)? {
                side.counts = Values::wire(message, field);
                return Ok(true);
            }
        }
        if field == 16 && f64::check(found, rest, path)? {
            self.custom_values = Values::wire(message, field);
            return Ok(true);
        }
        Ok(false)
    }
}

const COUNT_INT: u64 = key(1, VARINT);
const COUNT_FLOAT: u64 = key(2, FIXED64);
const SUM: u64 = key(3, FIXED64);
const SCHEMA: u64 = key(4, VARINT);
const ZERO_THRESHOLD: u64 = key(5, FIXED64);
const ZERO_COUNT_INT: u64 = key(6, VARINT);
const ZERO_COUNT_FLOAT: u64 = key(7, FIXED64);
const RESET_HINT: u64 = key(14, VARINT);
const TIMESTAMP: u64 = key(15, VARINT);
const START_TIMESTAMP: u64 = key(17, VARINT);

const PATH: &str = "timeseries.histograms";

/// What errors call each field.
const FIELD_PATHS: [&str; 18] = [
    PATH,
    "timeseries.histograms.count_int",
    "timeseries.histograms.count_float",
    "timeseries.histograms.sum",
    "timeseries.histograms.schema",
    "timeseries.histograms.zero_threshold",
    "timeseries.histograms.zero_count_int",
    "timeseries.histograms.zero_count_float",
    "timeseries.histograms.negative_spans",
    "timeseries.histograms.negative_deltas",
    "timeseries.histograms.negative_counts",
    "timeseries.histograms.positive_spans",
    "timeseries.histograms.positive_deltas",
    "timeseries.histograms.positive_counts",
    "timeseries.histograms.reset_hint",
    "timeseries.histograms.timestamp",
    "timeseries.histograms.custom_values",
    "timeseries.histograms.start_timestamp",
];

/// Every field and its wire type, as errors name it.
const FIELDS: [(u64, u8); 17] = [
    (1, VARINT),
    (2, FIXED64),
    (3, FIXED64),
    (4, VARINT),
    (5, FIXED64),
    (6, VARINT),
    (7, FIXED64),
    (8, BYTES),
    (9, BYTES),
    (10, BYTES),
    (11, BYTES),
    (12, BYTES),
    (13, BYTES),
    (14, VARINT),
    (15, VARINT),
    (16, BYTES),
    (17, VARINT),
];

/// A `sint32`: more bits than 32 are cut off, as every protobuf library does.
#[expect(clippy::cast_possible_truncation, reason = "what protobuf prescribes")]
fn sint32(n: u64) -> i32 {
    zigzag(n & 0xffff_ffff) as i32
}

/// What a repeated field of a histogram holds.
pub trait Value: sealed::Value {}

impl Value for f64 {}
impl Value for i64 {}
impl Value for BucketSpan {}

mod sealed {
    use super::{Cursor, WireError};

    pub trait Value: Copy {
        /// The wire type of one value.
        const WIRE_TYPE: u8;
        /// Read one value.
        #[expect(private_interfaces, reason = "the trait is sealed")]
        fn read(rest: &mut Cursor<'_>, path: &'static str) -> Result<Self, WireError>;
    }
}

#[expect(private_interfaces, reason = "the trait is sealed")]
impl sealed::Value for f64 {
    const WIRE_TYPE: u8 = FIXED64;
    fn read(rest: &mut Cursor<'_>, path: &'static str) -> Result<Self, WireError> {
        rest.double(path)
    }
}

#[expect(private_interfaces, reason = "the trait is sealed")]
impl sealed::Value for i64 {
    const WIRE_TYPE: u8 = VARINT;
    fn read(rest: &mut Cursor<'_>, path: &'static str) -> Result<Self, WireError> {
        rest.varint(path).map(zigzag)
    }
}

#[expect(private_interfaces, reason = "the trait is sealed")]
impl sealed::Value for BucketSpan {
    const WIRE_TYPE: u8 = BYTES;
    #[expect(clippy::cast_possible_truncation, reason = "what protobuf prescribes")]
    fn read(rest: &mut Cursor<'_>, path: &'static str) -> Result<Self, WireError> {
        let mut message = rest.bytes(path)?;
        let mut span = Self::default();
        while !message.is_at_end() {
            match message.key(path)? {
                SPAN_OFFSET => span.offset = sint32(message.varint(path)?),
                SPAN_LENGTH => span.length = message.varint(path)? as u32,
                other => message.other(other, path, &[(1, VARINT), (2, VARINT)])?,
            }
        }
        Ok(span)
    }
}

const SPAN_OFFSET: u64 = key(1, VARINT);
const SPAN_LENGTH: u64 = key(2, VARINT);

/// Reading a repeated field for the first time.
trait Check: Value + Sized {
    /// Read one occurrence to its end; says whether it has a wire type the field may have.
    fn check(found: u64, rest: &mut Cursor<'_>, path: &'static str) -> Result<bool, WireError> {
        let found = wire_type(found);
        if found == Self::WIRE_TYPE {
            Self::read(rest, path)?;
        } else if found == BYTES {
            let mut packed = rest.bytes(path)?;
            let n_bytes = packed.rest().len();
            if Self::WIRE_TYPE == FIXED64 && !n_bytes.is_multiple_of(8) {
                return Err(packed.error(path, WireErrorKind::PackedDoubles(n_bytes)));
            }
            while !packed.is_at_end() {
                Self::read(&mut packed, path)?;
            }
        }
        Ok(found == Self::WIRE_TYPE || found == BYTES)
    }
}

impl<T: Value> Check for T {}

/// The values of a repeated field: in a message, or in a slice.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a, T>(Repr<'a, T>);

#[derive(Clone, Copy, Debug)]
enum Repr<'a, T> {
    /// A field of a message that has been read to its end once.
    Wire {
        message: Cursor<'a>,
        field: u64,
    },
    Slice(&'a [T]),
}

impl<T> Default for Values<'_, T> {
    fn default() -> Self {
        Self(Repr::Slice(&[]))
    }
}

impl<'a, T> From<&'a [T]> for Values<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Self(Repr::Slice(values))
    }
}

impl<'a, T: Value> Values<'a, T> {
    fn wire(message: Cursor<'a>, field: u64) -> Self {
        Self(Repr::Wire { message, field })
    }

    /// Each value.
    pub fn iter(&self) -> ValuesIter<'a, T> {
        match self.0 {
            Repr::Wire { message, field } => {
                ValuesIter { message, packed: Cursor::default(), field, slice: [].iter() }
            }
            Repr::Slice(values) => ValuesIter {
                message: Cursor::default(),
                packed: Cursor::default(),
                field: 0,
                slice: values.iter(),
            },
        }
    }
}

impl<'a, T: Value> IntoIterator for &Values<'a, T> {
    type Item = T;
    type IntoIter = ValuesIter<'a, T>;

    fn into_iter(self) -> ValuesIter<'a, T> {
        self.iter()
    }
}

/// What [`Values::iter`] gives.
#[derive(Clone, Debug)]
pub struct ValuesIter<'a, T> {
    message: Cursor<'a>,
    packed: Cursor<'a>,
    field: u64,
    slice: slice::Iter<'a, T>,
}

impl<T: Value> Iterator for ValuesIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Some(value) = self.slice.next() {
            return Some(*value);
        }
        loop {
            if !self.packed.is_at_end() {
                return T::read(&mut self.packed, "").ok();
            }
            if self.message.is_at_end() {
                return None;
            }
            let found = self.message.key("").ok()?;
            if found == key(self.field, T::WIRE_TYPE) {
                return T::read(&mut self.message, "").ok();
            } else if found == key(self.field, BYTES) {
                self.packed = self.message.bytes("").ok()?;
            } else {
                self.message.skip(found, "").ok()?;
            }
        }
    }
}
