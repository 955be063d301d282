//! promtool's series notation: `0+10x100 _x5 stale {{schema:1 buckets:[1 2]}}x3`.
//!
//! The referee is `ParseSeriesDesc` of Prometheus 3 (`promql/parser`, `generated_parser.y`): what
//! that accepts is accepted, with the same values, and what it refuses is refused, with the column.
//! That includes what few people know: `010` is octal, `1_000` a thousand, and `nanx3` no number.
//!
//! Differences, all on purpose:
//! - Increments are multiplied (`a + k * b`) where promtool adds `k` times, so that any value can
//!   be had without its predecessors. The last digits may differ.
//! - An increment of a stale marker makes no sense and is refused.
//! - A native histogram whose schema does not exist, or whose increment needs other zero buckets
//!   or other custom bounds than the base, is refused; promtool reads it.

mod histogram;
mod number;

use crate::generate::native::NativeHistogram;
use number::Number;

/// How many samples one text may stand for.
pub const N_SAMPLES_MAX: u64 = 1 << 40;

/// A run of samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Sample `k` is `from + k * step`.
    Values {
        /// Sample 0.
        from: f64,
        /// The increment.
        step: f64,
        /// How many samples, at least 1.
        count: u64,
    },
    /// This many missing samples, at least 1.
    Missing(u64),
    /// One stale marker.
    Stale,
    /// Sample `k` is the base and `k * sign` times the increment.
    Natives {
        /// Sample 0.
        base: Box<NativeHistogram>,
        /// What is added (1.0) or subtracted (-1.0).
        step: Option<(f64, Box<NativeHistogram>)>,
        /// How many samples, at least 1.
        count: u64,
    },
}

impl Item {
    /// How many samples it stands for.
    pub fn n_samples(&self) -> u64 {
        match self {
            Self::Values { count, .. } | Self::Missing(count) | Self::Natives { count, .. } => {
                *count
            }
            Self::Stale => 1,
        }
    }
}

/// Why a text is no series notation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct NotationError {
    /// One-based byte column.
    pub column: usize,
    /// What was expected, or what is wrong.
    pub message: String,
}

/// Read a whole text; an empty one stands for no sample.
///
/// # Errors
/// The first place at which the text is no notation, or at which it stands for more than
/// [`N_SAMPLES_MAX`] samples.
///
/// ```
/// use weir::generate::notation;
///
/// let items = notation::parse("0+10x2 _ stale")?;
/// assert_eq!(items.iter().map(notation::Item::n_samples).sum::<u64>(), 5);
/// assert_eq!(notation::parse("1+-1x2").unwrap_err().column, 3);
/// # Ok::<(), notation::NotationError>(())
/// ```
pub fn parse(text: &str) -> Result<Vec<Item>, NotationError> {
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    let mut items = Vec::new();
    let mut n_samples: u64 = 0;
    reader.skip_blanks();
    while !reader.is_at_end() {
        let begin = reader.at;
        if let Some(item) = reader.item()? {
            n_samples = n_samples.saturating_add(item.n_samples());
            items.push(item);
        }
        if n_samples > N_SAMPLES_MAX {
            reader.at = begin;
            return Err(reader.error(format!("more than {N_SAMPLES_MAX} samples")));
        }
        if !reader.skip_blanks() && !reader.is_at_end() {
            return Err(reader.expected("a blank"));
        }
    }
    Ok(items)
}

/// A place in the text.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn item(&mut self) -> Result<Option<Item>, NotationError> {
        if self.take(b"{{") {
            return self.natives().map(Some);
        }
        if self.take(b"_") {
            let count = if self.take(b"x") { self.count()? } else { 1 };
            return Ok((count > 0).then_some(Item::Missing(count)));
        }
        if self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            let word = self.word();
            match word {
                b"stale" => return self.stale(),
                _ if Number::of_word(word).is_none() => {
                    self.at -= word.len();
                    return Err(self.error(format!(
                        "{:?} is no value: expected a number or \"stale\"",
                        shortened(word)
                    )));
                }
                _ => self.at -= word.len(),
            }
        }
        let from = self.signed_or_unsigned()?;
        let step = match self.peek() {
            Some(b'+' | b'-') => Some(self.signed_or_unsigned()?),
            _ => None,
        };
        if self.take(b"x") {
            let count = self.repetitions()?;
            return Ok(Some(Item::Values { from, step: step.unwrap_or(0.0), count }));
        }
        if step.is_some() {
            return Err(self.expected("\"x\" and how often"));
        }
        Ok(Some(Item::Values { from, step: 0.0, count: 1 }))
    }

    fn stale(&mut self) -> Result<Option<Item>, NotationError> {
        // To promtool's grammar it is a NaN: `stale+1x2` is a marker and two ordinary NaNs.
        match self.peek() {
            Some(b'+' | b'-') => Err(self.error("a stale marker takes no increment".to_owned())),
            _ => Ok(Some(Item::Stale)),
        }
    }

    fn natives(&mut self) -> Result<Item, NotationError> {
        let base = Box::new(self.histogram()?);
        let begin = self.at;
        let sign = match self.peek() {
            Some(b'+') => 1.0,
            Some(b'-') => -1.0,
            Some(b'x') => {
                self.at += 1;
                let count = self.repetitions()?;
                return Ok(Item::Natives { base, step: None, count });
            }
            _ => return Ok(Item::Natives { base, step: None, count: 1 }),
        };
        self.at += 1;
        if !self.take(b"{{") {
            return Err(self.expected("\"{{\""));
        }
        let step = Box::new(self.histogram()?);
        if !self.take(b"x") {
            return Err(self.expected("\"x\" and how often"));
        }
        let count = self.repetitions()?;
        if count > 1
            && let Err(e) = base.check_increment(&step)
        {
            self.at = begin;
            return Err(self.error(e.to_string()));
        }
        Ok(Item::Natives { base, step: Some((sign, step)), count })
    }

    /// `axn` stands for `n + 1` samples.
    fn repetitions(&mut self) -> Result<u64, NotationError> {
        self.count().map(|n| n.saturating_add(1))
    }

    /// Digits alone.
    fn count(&mut self) -> Result<u64, NotationError> {
        let begin = self.at;
        let text = self.number_text()?;
        let digits =
            std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
        let count = digits.and_then(|digits| digits.parse().ok());
        count.ok_or_else(|| {
            let message = format!("{:?} is no number of repetitions", shortened(text));
            NotationError { column: begin + 1, message }
        })
    }

    /// `+1`, `-1` or `1`.
    fn signed_or_unsigned(&mut self) -> Result<f64, NotationError> {
        let negative = self.take(b"-");
        if !negative {
            self.take(b"+");
        }
        let value = self.number()?;
        Ok(if negative { -value } else { value })
    }

    fn skip_blanks(&mut self) -> bool {
        let begin = self.at;
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.at > begin
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn take(&mut self, word: &[u8]) -> bool {
        let found = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        if found {
            self.at += word.len();
        }
        found
    }

    fn error(&self, message: String) -> NotationError {
        NotationError { column: self.at + 1, message }
    }

    fn expected(&self, what: &str) -> NotationError {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = match rest {
            [] => "the end".to_owned(),
            _ => format!("{:?}", shortened(rest)),
        };
        self.error(format!("expected {what}, found {found}"))
    }
}

/// At most 20 characters for a message.
fn shortened(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(20).collect()
}

#[cfg(test)]
mod tests;
