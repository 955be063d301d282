//! Signals, as written.

use crate::generate::spec::DistributionSpec;

/// How long something lasts.
///
/// A length in points makes a shape *discrete*: it is read at the beginning of each interval and
/// held until the next, index = floor((t - start) / interval). A duration makes it *continuous*.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// Intervals of the clock.
    Points(u64),
    /// Milliseconds.
    Duration(i64),
}

/// A value for every instant: what a series shows, or the rate of a counter.
///
/// Time counts from the start of the signal, which is the clock's start unless `Join`, `Loop` or
/// `Delay` say otherwise. Before it there is nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum SignalSpec {
    /// The same value for ever.
    Const(f64),
    /// From one value to another, then the end. With `n` points the value of point `i` is
    /// `from + i * (to - from) / (n - 1)`.
    Linear {
        /// At the beginning.
        from: f64,
        /// At the end.
        to: f64,
        /// How long it takes.
        over: Extent,
        /// Whether the first instant is left out (durations only).
        left_open: bool,
        /// Whether the last instant is left out (durations only).
        right_open: bool,
    },
    /// From one value to another, which it then keeps for ever.
    Ramp {
        /// At the beginning.
        from: f64,
        /// From `over` on.
        to: f64,
        /// How long the way takes.
        over: Extent,
    },
    /// A wave without end.
    Periodic(PeriodicSpec),
    /// `from * (to / from)^(t / over)`, then the end. `from` and `to` have the same sign.
    Exponential {
        /// At the beginning.
        from: f64,
        /// At the end.
        to: f64,
        /// How long it takes.
        over: Extent,
    },
    /// `from + (to - from) * ln(1 + t) / ln(1 + over)`, time in seconds (or points), then the end:
    /// fast at first, then slower.
    Logarithm {
        /// At the beginning.
        from: f64,
        /// At the end.
        to: f64,
        /// How long it takes.
        over: Extent,
    },
    /// Each value for its own while, then the end.
    Steps(Vec<(f64, Extent)>),
    /// One value after another, then the end.
    Values(Samples),
    /// As `Values`, from a column of a CSV text; the same values, so that a reader of files may
    /// also hand over [`Samples`].
    Csv {
        /// The whole text; the first line is a header where it is not a number.
        text: String,
        /// Name or zero-based number of the column.
        column: String,
        /// How long a row lasts.
        every: Extent,
    },
    /// What stands in it, up to but without this length: the way to end what does not.
    Take {
        /// What is cut off.
        signal: Box<SignalSpec>,
        /// Where.
        over: Extent,
    },
    /// Independent values, one for each cell of time, for ever.
    Noise(NoiseSpec),
    /// Steps up and down between two bounds, for ever.
    RandomWalk {
        /// The value at the beginning; the middle of the bounds by default.
        start: Option<f64>,
        /// How far it typically goes in one cell, above 0.
        step: f64,
        /// The least value; 64 steps below `start` by default.
        min: Option<f64>,
        /// The greatest value; 64 steps above `start` by default.
        max: Option<f64>,
        /// How long a cell lasts; between cells the way is straight.
        every: Extent,
    },
    /// A day: lowest at `peak` plus 12 hours, highest at `peak`.
    Diurnal {
        /// By night.
        low: f64,
        /// At the peak.
        high: f64,
        /// When the peak is, from midnight UTC.
        peak_ms: i64,
    },
    /// A week: `Diurnal` on weekdays, with `weekend` as the factor on Saturday and Sunday (UTC).
    Weekly {
        /// By night.
        low: f64,
        /// At the peak of a weekday.
        high: f64,
        /// When the peak is, from midnight UTC.
        peak_ms: i64,
        /// The factor of the weekend, at least 0.
        weekend: f64,
    },
    /// promtool's series notation: `0+10x100 _x5 stale`.
    Notation(String),
    /// Nothing for a while, then the end.
    Void(Extent),
    /// One after the other.
    Join(Vec<SignalSpec>),
    /// The same again and again, noise included; for ever without `times`.
    Loop {
        /// Which has to end.
        signal: Box<SignalSpec>,
        /// How often, at least once.
        times: Option<u64>,
    },
    /// All added up; where one is missing, so is the sum.
    Add(Vec<SignalSpec>),
    /// The first less all others.
    Sub(Vec<SignalSpec>),
    /// All multiplied.
    Mul(Vec<SignalSpec>),
    /// The first divided by all others.
    Div(Vec<SignalSpec>),
    /// The remainder, with the sign of the first, as in PromQL.
    Mod(Vec<SignalSpec>),
    /// The first to the power of the next, and so on, from the left.
    Pow(Vec<SignalSpec>),
    /// The least.
    Min(Vec<SignalSpec>),
    /// The greatest.
    Max(Vec<SignalSpec>),
    /// `sum`: what there is of them added up; missing ones count as 0 while any is there.
    Sum(Vec<SignalSpec>),
    /// Kept between two bounds.
    Clamp {
        /// What is kept.
        signal: Box<SignalSpec>,
        /// The least value.
        min: Option<f64>,
        /// The greatest value.
        max: Option<f64>,
    },
    /// Later by a while, in which there is nothing.
    Delay {
        /// What is late.
        signal: Box<SignalSpec>,
        /// By how much, at least 0.
        by: Extent,
    },
    /// Multiplied by a number.
    Scale {
        /// What is scaled.
        signal: Box<SignalSpec>,
        /// The factor.
        by: f64,
    },
    /// Rounded to the nearest multiple.
    Quantise {
        /// What is rounded.
        signal: Box<SignalSpec>,
        /// Of this, above 0.
        step: f64,
    },
}

/// Values one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// `None` is a missing sample.
    pub values: Vec<Option<f64>>,
    /// How long a value lasts.
    pub every: Extent,
    /// Whether the way from one value to the next is straight rather than a step. The last value
    /// lasts as long as the others, and a value beside a missing one is held.
    pub interpolate: bool,
}

impl Samples {
    /// One value an interval.
    pub fn points(values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().map(Some).collect();
        Self { values, every: Extent::Points(1), interpolate: false }
    }
}

/// A wave. The period in points makes it discrete.
#[derive(Clone, Debug, PartialEq)]
pub enum PeriodicSpec {
    /// Up in a straight line, then back at once.
    Sawtooth {
        /// At the beginning of a period.
        low: f64,
        /// Where it turns.
        high: f64,
        /// How long it takes.
        period: Extent,
    },
    /// Up in half the period, down in the other.
    Triangle {
        /// At the beginning of a period.
        low: f64,
        /// In its middle.
        high: f64,
        /// How long it takes.
        period: Extent,
    },
    /// High for `duty` of the period, then low.
    Square {
        /// The second part.
        low: f64,
        /// The first part.
        high: f64,
        /// How long both take.
        period: Extent,
        /// The share of the first part, from 0 to 1.
        duty: f64,
    },
    /// `mean + amplitude * sin(2π t / period)`.
    Sine {
        /// The middle.
        mean: f64,
        /// Half the height.
        amplitude: f64,
        /// How long a wave takes.
        period: Extent,
    },
    /// `mean + amplitude * cos(2π t / period)`.
    Cosine {
        /// The middle.
        mean: f64,
        /// Half the height.
        amplitude: f64,
        /// How long a wave takes.
        period: Extent,
    },
    /// `mean + amplitude * tan(π t / period)`, the tangent kept within `±clamp`.
    Tangent {
        /// The middle.
        mean: f64,
        /// The factor of the tangent.
        amplitude: f64,
        /// From pole to pole.
        period: Extent,
        /// Above 0.
        clamp: f64,
    },
}

/// Independent values, one a cell of time.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSpec {
    /// What the values look like; no drift.
    pub distribution: DistributionSpec,
    /// How long a cell lasts.
    pub every: Extent,
}
