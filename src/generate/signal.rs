//! Signals: a value for every instant, and for rates the area below it.
//!
//! A [`Signal`] is compiled once from a [`SignalSpec`] and then answers for any series and any
//! time, in whatever order. Time counts in whole milliseconds. What is discrete (its lengths are in
//! points) is a staircase of intervals: index = floor((t - start) / interval), so how often somebody
//! asks does not matter.
//!
//! - [`Signal`]: the plain thing: nothing before its start, nothing after its end.
//! - [`Value`]: a signal with what follows its end: a gauge.
//! - [`Rate`]: a signal that is never below 0 and has an [integral](Rate::integral): a counter.
//!
//! A rate has its integral at any instant in bounded time. Shapes (straight and bent lines, waves,
//! days and weeks) have a formula; tables have prefix sums; noise has them through its law, and so
//! have random walks. Arithmetic that is not linear goes by whole intervals. What the laws of
//! noise and walks are is part of what users have, like the hash.

mod compile;
mod csv;
#[cfg(test)]
mod naive;
mod node;
mod noise;
mod op;
mod rate;
mod reading;
mod shape;
mod table;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use crate::generate::native::NativeHistogram;
use crate::generate::spec::ClockSpec;
use crate::generate::spec::EndSpec;
use crate::generate::spec::SignalSpec;
use crate::generate::spec::SpecError;
use crate::generate::spec::ValueSpec;
use compile::Compiler;
use node::Looped;
use node::Node;

pub use compile::DEPTH_MAX;
pub use reading::Reading;

/// A signal, checked and compiled. Cheap to clone.
///
/// ```
/// use weir::generate::signal::{Reading, Signal};
/// use weir::generate::spec::{ClockSpec, SignalSpec};
///
/// let clock = ClockSpec { start_ms: 0, interval_ms: 15_000 };
/// let signal = Signal::new(&SignalSpec::Notation("0+10x3 _ stale".to_owned()), &clock)?;
/// assert_eq!(signal.at(7, 30_000), Reading::Value(20.0));
/// assert_eq!(signal.at(7, 60_000), Reading::Missing);
/// assert_eq!(signal.at(7, 90_000), Reading::Ended);
/// # Ok::<(), Vec<weir::generate::spec::SpecError>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Signal {
    start_ms: i64,
    node: Arc<Node>,
}

impl Signal {
    /// Check and compile a signal.
    ///
    /// # Errors
    /// Every mistake there is, with paths as a YAML file has them: `join[2].sine.period`.
    pub fn new(spec: &SignalSpec, clock: &ClockSpec) -> Result<Self, Vec<SpecError>> {
        let node = Compiler::compile(spec, *clock)?;
        Ok(Self { start_ms: clock.start_ms, node: Arc::new(node) })
    }

    /// What the series with this key shows at a time.
    pub fn at(&self, key: u64, time_ms: i64) -> Reading {
        match self.since_start(time_ms) {
            Some(u) => self.node.at(key, u),
            None => Reading::Missing,
        }
    }

    /// The native histogram at a time for which [`Signal::at`] says that there is one.
    pub fn native_at(&self, time_ms: i64) -> Option<NativeHistogram> {
        self.node.native_at(self.since_start(time_ms)?)
    }

    /// How many milliseconds it lasts; `None` if it never ends.
    pub fn length_ms(&self) -> Option<i64> {
        self.node.length()
    }

    /// Values between which it stays, if it has any: perhaps wider than need be.
    pub fn bounds(&self) -> (f64, f64) {
        self.node.bounds()
    }

    /// Whether series differ.
    pub fn is_random(&self) -> bool {
        self.node.is_random()
    }

    fn since_start(&self, time_ms: i64) -> Option<i64> {
        let u = time_ms.saturating_sub(self.start_ms);
        (u >= 0).then_some(u.min(compile::LENGTH_MAX_MS * 2))
    }
}

/// A signal and what follows its end.
#[derive(Clone, Debug)]
pub struct Value {
    signal: Signal,
    end: EndSpec,
}

impl Value {
    /// Check and compile.
    ///
    /// # Errors
    /// Those of [`Signal::new`], and `loop` on nothing, or a value that is not finite.
    pub fn new(spec: &ValueSpec, clock: &ClockSpec) -> Result<Self, Vec<SpecError>> {
        let mut signal = Signal::new(&spec.signal, clock)?;
        if let EndSpec::Loop = spec.end
            && let Some(pass_ms) = signal.length_ms()
        {
            if pass_ms == 0 {
                let message = "the signal is empty: it would begin again for ever";
                return Err(vec![SpecError::new("end", message)]);
            }
            let node = Node::clone(&signal.node);
            signal.node = Arc::new(Node::Loop(Box::new(Looped { node, pass_ms, times: None })));
        }
        Ok(Self { signal, end: spec.end })
    }

    /// What the series with this key shows at a time; never [`Reading::Ended`].
    ///
    /// Where the series ends with its signal, every instant after it reads [`Reading::Stale`].
    pub fn at(&self, key: u64, time_ms: i64) -> Reading {
        match self.signal.at(key, time_ms) {
            Reading::Ended => match self.end {
                EndSpec::Last => {
                    self.signal.node.last(key).map_or(Reading::Missing, Reading::Value)
                }
                EndSpec::Value(value) => Reading::Value(value),
                EndSpec::Missing => Reading::Missing,
                EndSpec::Loop | EndSpec::Stale => Reading::Stale,
            },
            reading => reading,
        }
    }

    /// The native histogram at a time for which [`Value::at`] says that there is one.
    pub fn native_at(&self, time_ms: i64) -> Option<NativeHistogram> {
        self.signal.native_at(time_ms)
    }

    /// The signal alone.
    pub fn signal(&self) -> &Signal {
        &self.signal
    }
}

/// A signal that is never below 0 and has an integral. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rate {
    start_ms: i64,
    node: Arc<Node>,
}

impl Rate {
    /// Check and compile a signal as a rate a second.
    ///
    /// # Errors
    /// Those of [`Signal::new`], a rate that may fall below 0 or is not finite, and arithmetic
    /// without an integral.
    pub fn new(spec: &SignalSpec, clock: &ClockSpec) -> Result<Self, Vec<SpecError>> {
        let node = Compiler::compile(spec, *clock)?;
        let refuse = |message: String| vec![SpecError::new("", message)];
        let node = rate::integrable(node, clock.interval_ms).map_err(refuse)?;
        let (least, greatest) = node.bounds();
        if least < 0.0 {
            return Err(refuse(format!(
                "the rate may fall to {least}, below 0, and a counter never falls: clamp it at 0"
            )));
        }
        if least.is_nan() || greatest == f64::INFINITY || greatest.is_nan() {
            return Err(refuse("the rate may grow beyond all numbers".to_owned()));
        }
        Ok(Self { start_ms: clock.start_ms, node: Arc::new(node) })
    }

    /// The rate at a time, of which [`Rate::integral`] is the integral.
    ///
    /// It differs from that of the [`Signal`] where arithmetic goes by whole intervals, or where a
    /// noise goes by what the shape it is multiplied with has brought.
    pub fn at(&self, key: u64, time_ms: i64) -> Reading {
        let u = time_ms.saturating_sub(self.start_ms);
        if u < 0 { Reading::Missing } else { self.node.at(key, u.min(compile::LENGTH_MAX_MS * 2)) }
    }

    /// What the rate has brought from the start to a time: value times seconds.
    ///
    /// Never falls as time goes on, but for sums of signals below and above 0 that come to 0. What
    /// is missing, and what comes after the end, brings nothing.
    pub fn integral(&self, key: u64, time_ms: i64) -> f64 {
        let u = time_ms.saturating_sub(self.start_ms);
        if u <= 0 {
            return 0.0;
        }
        let u = u.min(compile::LENGTH_MAX_MS * 2);
        let u = self.node.length().map_or(u, |length| u.min(length));
        self.node.integral(key, u) / 1000.0
    }

    /// Whether series differ.
    pub fn is_random(&self) -> bool {
        self.node.is_random()
    }

    /// When it starts.
    pub fn start_ms(&self) -> i64 {
        self.start_ms
    }
}
