//! `{{schema:1 sum:-0.3 count:3.1 buckets:[5.1 10 7] offset:-3}}`.

use super::NotationError;
use super::Reader;
use super::number::Number;
use super::shortened;
use crate::generate::native::Bucket;
use crate::generate::native::NativeHistogram;
use crate::generate::native::ResetHint;
use crate::generate::native::SCHEMA_CUSTOM;
use crate::generate::native::SCHEMA_MAX;
use crate::generate::native::SCHEMA_MIN;

/// What may be said about a histogram; each once.
const KEYS: [&[u8]; 11] = [
    b"schema",
    b"sum",
    b"count",
    b"z_bucket",
    b"z_bucket_w",
    b"custom_values",
    b"buckets",
    b"offset",
    b"n_buckets",
    b"n_offset",
    b"counter_reset_hint",
];

/// What has been read so far.
#[derive(Default)]
struct Parts {
    histogram: NativeHistogram,
    positive: Vec<f64>,
    offset: i32,
    negative: Vec<f64>,
    negative_offset: i32,
    seen: [bool; KEYS.len()],
}

impl<'a> Reader<'a> {
    /// Everything behind `{{`, including `}}`.
    pub(super) fn histogram(&mut self) -> Result<NativeHistogram, NotationError> {
        let begin = self.at;
        let mut parts = Parts::default();
        if self.skip_blanks() {
            return self.close(begin, parts);
        }
        while !self.take(b"}}") {
            self.key(&mut parts)?;
            if !self.skip_blanks() {
                return self.close(begin, parts);
            }
        }
        Self::finish(begin, parts)
    }

    fn close(&mut self, begin: usize, parts: Parts) -> Result<NativeHistogram, NotationError> {
        if self.take(b"}}") {
            return Self::finish(begin, parts);
        }
        Err(self.expected("a blank or \"}}\""))
    }

    fn key(&mut self, parts: &mut Parts) -> Result<(), NotationError> {
        let begin = self.at;
        let word = self.letters();
        let Some(key) = KEYS.iter().position(|key| key.eq_ignore_ascii_case(word)) else {
            let known = KEYS.map(|key| String::from_utf8_lossy(key).into_owned()).join(", ");
            let found = shortened(word);
            let message = format!("unknown histogram key {found:?}: there are {known}");
            return Err(NotationError { column: begin + 1, message });
        };
        if std::mem::replace(&mut parts.seen[key], true) {
            let message = format!("{:?} is given twice", shortened(word));
            return Err(NotationError { column: begin + 1, message });
        }
        if !self.take(b":") {
            return Err(self.expected("\":\""));
        }
        let histogram = &mut parts.histogram;
        match KEYS[key] {
            b"schema" => histogram.schema = self.integer()?,
            b"sum" => histogram.sum = self.value()?,
            b"count" => histogram.count = self.value()?,
            b"z_bucket" => histogram.zero_count = self.value()?,
            b"z_bucket_w" => histogram.zero_threshold = self.plain_value()?,
            b"custom_values" => histogram.custom_values = self.list()?,
            b"buckets" => parts.positive = self.list()?,
            b"offset" => parts.offset = self.integer()?,
            b"n_buckets" => parts.negative = self.list()?,
            b"n_offset" => parts.negative_offset = self.integer()?,
            _ => histogram.reset_hint = self.reset_hint()?,
        }
        Ok(())
    }

    /// `[1 2 3]`: at least one number, blanks between them and, if need be, before the end.
    fn list(&mut self) -> Result<Vec<f64>, NotationError> {
        if !self.take(b"[") {
            return Err(self.expected("\"[\""));
        }
        let mut values = vec![self.bucket()?];
        loop {
            let blank = self.skip_blanks();
            if self.take(b"]") {
                return Ok(values);
            }
            if !blank {
                return Err(self.expected("a blank or \"]\""));
            }
            values.push(self.bucket()?);
        }
    }

    /// In brackets a minus goes with digits only.
    fn bucket(&mut self) -> Result<f64, NotationError> {
        if let Some([b'-', next, ..]) = self.text.get(self.at..)
            && !next.is_ascii_digit()
        {
            self.at += 1;
            return Err(self.expected("a digit"));
        }
        self.value()
    }

    /// A number, negative if need be; here nothing begins with `+` or a dot.
    fn value(&mut self) -> Result<f64, NotationError> {
        let negative = self.take(b"-");
        let value = self.plain_value()?;
        Ok(if negative { -value } else { value })
    }

    fn plain_value(&mut self) -> Result<f64, NotationError> {
        if self.peek() == Some(b'.') {
            return Err(self.expected("a number that begins with a digit"));
        }
        let begin = self.at;
        let word = self.letters();
        if let Some(value) = Number::of_word(word) {
            return Ok(value);
        }
        self.at = begin;
        self.number()
    }

    fn integer(&mut self) -> Result<i32, NotationError> {
        let begin = self.at;
        let negative = self.take(b"-");
        let count = i64::try_from(self.count()?).unwrap_or(i64::MAX);
        i32::try_from(if negative { -count } else { count }).map_err(|_| NotationError {
            column: begin + 1,
            message: format!("{count} is beyond the range of 32 bits"),
        })
    }

    fn reset_hint(&mut self) -> Result<ResetHint, NotationError> {
        let begin = self.at;
        let word = self.letters().to_ascii_lowercase();
        match word.as_slice() {
            b"unknown" => Ok(ResetHint::Unknown),
            b"reset" => Ok(ResetHint::Reset),
            b"not_reset" => Ok(ResetHint::NotReset),
            b"gauge" => Ok(ResetHint::Gauge),
            _ => {
                let found = shortened(&word);
                let message = format!("{found:?} is none of unknown, reset, not_reset, gauge");
                Err(NotationError { column: begin + 1, message })
            }
        }
    }

    /// Letters and underscores.
    fn letters(&mut self) -> &'a [u8] {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
            self.at += 1;
        }
        self.text.get(begin..self.at).unwrap_or_default()
    }

    fn finish(begin: usize, parts: Parts) -> Result<NativeHistogram, NotationError> {
        let refuse = |message: String| NotationError { column: begin + 1, message };
        let mut histogram = parts.histogram;
        let schema = histogram.schema;
        if schema != SCHEMA_CUSTOM && !(SCHEMA_MIN..=SCHEMA_MAX).contains(&schema) {
            let range = format!("{SCHEMA_CUSTOM} or from {SCHEMA_MIN} to {SCHEMA_MAX}");
            return Err(refuse(format!("there is no schema {schema}: it is {range}")));
        }
        let buckets = |counts: &[f64], offset: i32| {
            let numbered = counts.iter().zip(0..).map(|(count, i)| {
                let index = offset.checked_add(i)?;
                Some(Bucket { index, count: *count })
            });
            let all: Option<Vec<_>> = numbered.collect();
            all.ok_or_else(|| refuse("a bucket's index is beyond 32 bits".to_owned()))
        };
        histogram.positive = buckets(&parts.positive, parts.offset)?;
        histogram.negative = buckets(&parts.negative, parts.negative_offset)?;
        Ok(histogram)
    }
}
