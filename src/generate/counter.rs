//! Counters: the exact integral of a rate since the last reset.
//!
//! A counter that is asked at two instants without a reset between them has risen by the integral
//! of its rate between them, whoever asks and however often. With `integers` the value is rounded
//! down, so its rise is right to 1.
//!
//! What does not depend on the series is computed once for an instant, in a [`Frame`].

mod observed;
mod resets;

use crate::generate::signal::Rate;
use crate::generate::signal::Reading;
use crate::generate::signal::Value;
use crate::generate::spec::ClockSpec;
use crate::generate::spec::CounterSource;
use crate::generate::spec::CounterSpec;
use crate::generate::spec::SpecError;
use crate::generate::spec::within_all;
pub use observed::Frame;
pub(super) use observed::Observed;

/// A counter, checked and compiled.
///
/// ```
/// use weir::generate::counter::Counter;
/// use weir::generate::signal::Reading;
/// use weir::generate::spec::{ClockSpec, CounterSpec, ResetSpec, SignalSpec};
///
/// let clock = ClockSpec { start_ms: 0, interval_ms: 15_000 };
/// let mut spec = CounterSpec::new(SignalSpec::Const(5.0));
/// spec.resets.push(ResetSpec::Every(60_000));
/// let counter = Counter::new(&spec, &clock)?;
/// let reading = counter.at(7, 1.0, 90_000);
/// assert_eq!(reading.reading, Reading::Value(150.0));
/// assert_eq!(reading.created_ms, 60_000);
/// # Ok::<(), Vec<weir::generate::spec::SpecError>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Counter {
    source: Source,
    integers: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Rate(Observed),
    Value(Value, i64),
}

/// A counter at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterReading {
    /// The value; missing before the start.
    pub reading: Reading,
    /// Since when it counts: the start or the last reset.
    pub created_ms: i64,
}

impl Counter {
    /// Check and compile a counter.
    ///
    /// # Errors
    /// Those of [`Rate::new`] and [`Value::new`], and resets that make no sense.
    pub fn new(spec: &CounterSpec, clock: &ClockSpec) -> Result<Self, Vec<SpecError>> {
        let source = match &spec.source {
            CounterSource::Rate(rate) => {
                let rate = Rate::new(rate, clock).map_err(|e| within_all(e, "rate"))?;
                Source::Rate(Observed::new(vec![rate], &spec.resets, clock)?)
            }
            CounterSource::Value(value) => {
                if !spec.resets.is_empty() {
                    let message = "a counter given by its values is reset by its values alone";
                    return Err(vec![SpecError::new("resets", message)]);
                }
                let value = Value::new(value, clock).map_err(|e| within_all(e, "value"))?;
                Source::Value(value, clock.start_ms)
            }
        };
        Ok(Self { source, integers: spec.integers })
    }

    /// What all series have in common at an instant.
    pub fn frame(&self, time_ms: i64) -> Frame {
        match &self.source {
            Source::Rate(observed) => observed.frame(time_ms),
            Source::Value(..) => Frame::empty(time_ms),
        }
    }

    /// The counter of the series with this key, whose rate is `factor` times what it says.
    pub fn at(&self, key: u64, factor: f64, time_ms: i64) -> CounterReading {
        self.at_frame(&self.frame(time_ms), key, factor, None)
    }

    /// The same with what was computed once, for a series that was born at `since_ms` and counts
    /// from there.
    pub fn at_frame(
        &self,
        frame: &Frame,
        key: u64,
        factor: f64,
        since_ms: Option<i64>,
    ) -> CounterReading {
        match &self.source {
            Source::Rate(observed) => {
                let Some(([increase, _], created_ms)) = observed.increases(frame, key, since_ms)
                else {
                    let created_ms = observed.start_ms();
                    return CounterReading { reading: Reading::Missing, created_ms };
                };
                let value = rounded(increase * factor, self.integers);
                CounterReading { reading: Reading::Value(value), created_ms }
            }
            Source::Value(value, start_ms) => {
                let reading = match value.at(key, frame.time_ms()) {
                    Reading::Value(value) => Reading::Value(rounded(value * factor, self.integers)),
                    other => other,
                };
                CounterReading { reading, created_ms: *start_ms }
            }
        }
    }
}

/// Down to an integer, if asked for.
pub(super) fn rounded(value: f64, integers: bool) -> f64 {
    if integers { value.floor() } else { value }
}

#[cfg(test)]
mod tests;
