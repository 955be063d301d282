//! Histograms and summaries: observations at a rate, spread over values by a distribution.
//!
//! A bucket is the share of the distribution below its bound times what was observed, so buckets
//! rise with their bounds, `+Inf` is the count, and all of them are counters. With `integers` each
//! is rounded down, which keeps that order. The sum is the mean of the distribution times the
//! count.
//!
//! A drift is two streams of observations, one for each of its ends: `rate * (1 - share)` and
//! `rate * share`. Each is counted on its own, so nothing is ever taken back.

mod native;

use crate::generate::counter::Frame as CountFrame;
use crate::generate::counter::Observed;
use crate::generate::counter::rounded;
use crate::generate::distribution::Distribution;
use crate::generate::native::NativeHistogram;
use crate::generate::signal::Rate;
use crate::generate::signal::Signal;
use crate::generate::spec::BucketSpec;
use crate::generate::spec::ClockSpec;
use crate::generate::spec::CounterSource;
use crate::generate::spec::CounterSpec;
use crate::generate::spec::DistributionSpec;
use crate::generate::spec::HistogramSpec;
use crate::generate::spec::SignalSpec;
use crate::generate::spec::SpecError;
use crate::generate::spec::SummarySpec;
use crate::generate::spec::within_all;
use native::NativeLayout;

/// The most bounds a histogram may have, and quantiles a summary.
pub const N_BOUNDS_MAX: usize = 1000;

/// A histogram, checked and compiled.
#[derive(Clone, Debug)]
pub struct Histogram {
    streams: Streams,
    bounds: Vec<f64>,
    /// For each bound the share of each stream that is below.
    shares: Vec<[f64; 2]>,
    native: Option<NativeLayout>,
    window_ms: Option<i64>,
}

/// A summary, checked and compiled.
#[derive(Clone, Debug)]
pub struct Summary {
    streams: Streams,
    quantiles: Vec<f64>,
    /// Their values, where there is no drift.
    fixed: Option<Vec<f64>>,
}

/// What a histogram or a summary says beside its buckets or quantiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals {
    /// Observations.
    pub count: f64,
    /// Of the observed values.
    pub sum: f64,
    /// Since when they are counted.
    pub created_ms: i64,
}

/// What all series have in common at an instant.
#[derive(Clone, Debug)]
pub struct Frame {
    now: CountFrame,
    /// The values of the quantiles of a summary, where all series agree.
    quantiles: Option<Vec<f64>>,
}

impl Histogram {
    /// Check and compile.
    ///
    /// # Errors
    /// Those of rates and distributions, bounds that do not rise or are too many, native buckets
    /// that would be too many.
    pub fn new(spec: &HistogramSpec, clock: &ClockSpec) -> Result<Self, Vec<SpecError>> {
        let streams = Streams::new(&spec.observations, &spec.distribution, clock);
        let bounds = bounds(&spec.buckets).map_err(|error| vec![error]);
        let (streams, bounds) = both(streams, bounds)?;
        let shares = bounds.iter().map(|bound| streams.shares(*bound)).collect();
        let native = spec.native.as_ref().map(|native| NativeLayout::new(native, &streams));
        let native = native.transpose().map_err(|error| vec![error])?;
        if let Some(window_ms) = spec.window_ms
            && window_ms <= 0
        {
            return Err(vec![SpecError::new("window", "has to be above 0")]);
        }
        Ok(Self { streams, bounds, shares, native, window_ms: spec.window_ms })
    }

    /// Upper bounds, ascending; `+Inf` is implied.
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// What all series have in common at an instant.
    pub fn frame(&self, time_ms: i64) -> Frame {
        Frame { now: self.streams.observed.frame(time_ms), quantiles: None }
    }

    /// The histogram of the series with this key, observed `factor` times as often.
    ///
    /// Appends the cumulative counts, one a bound and one for `+Inf`, which is the count. `None`
    /// before the start.
    pub fn at(&self, key: u64, factor: f64, time_ms: i64, counts: &mut Vec<f64>) -> Option<Totals> {
        self.at_frame(&self.frame(time_ms), key, factor, None, counts)
    }

    /// The same with what was computed once, for a series that was born at `since_ms` and counts
    /// from there.
    pub fn at_frame(
        &self,
        frame: &Frame,
        key: u64,
        factor: f64,
        since_ms: Option<i64>,
        counts: &mut Vec<f64>,
    ) -> Option<Totals> {
        let (observed, totals) = self.observed(frame, key, factor, since_ms)?;
        let integers = self.streams.integers;
        counts.extend(self.shares.iter().map(|shares| cumulative(shares, &observed, integers)));
        counts.push(totals.count);
        Some(totals)
    }

    /// The same observations in native buckets; `None` where there are to be none.
    pub fn native_at_frame(
        &self,
        frame: &Frame,
        key: u64,
        factor: f64,
        since_ms: Option<i64>,
    ) -> Option<NativeHistogram> {
        let layout = self.native.as_ref()?;
        let (observed, totals) = self.observed(frame, key, factor, since_ms)?;
        let mut histogram = layout.filled(&observed, self.streams.integers);
        histogram.count = totals.count;
        histogram.sum = totals.sum;
        Some(histogram)
    }

    /// As [`Histogram::native_at_frame`].
    pub fn native_at(&self, key: u64, factor: f64, time_ms: i64) -> Option<NativeHistogram> {
        self.native_at_frame(&self.frame(time_ms), key, factor, None)
    }

    fn observed(
        &self,
        frame: &Frame,
        key: u64,
        factor: f64,
        since_ms: Option<i64>,
    ) -> Option<([f64; 2], Totals)> {
        let window = self.window_ms.map(|window| frame.now.time_ms().saturating_sub(window));
        self.streams.totals(&frame.now, key, factor, since_ms.max(window))
    }
}

impl Summary {
    /// Check and compile.
    ///
    /// # Errors
    /// Those of rates and distributions, quantiles that do not rise from 0 to 1 or are too many.
    pub fn new(spec: &SummarySpec, clock: &ClockSpec) -> Result<Self, Vec<SpecError>> {
        let streams = Streams::new(&spec.observations, &spec.distribution, clock);
        let quantiles = ascending("quantiles", &spec.quantiles).and_then(|()| {
            let outside = spec.quantiles.iter().find(|q| !(0.0..=1.0).contains(*q));
            outside.map_or(Ok(()), |q| {
                Err(SpecError::new("quantiles", format!("{q} is not from 0 to 1")))
            })
        });
        let (streams, ()) = both(streams, quantiles.map_err(|error| vec![error]))?;
        let quantiles = spec.quantiles.clone();
        let fixed = match &streams.ends[..] {
            [only] => Some(quantiles.iter().map(|q| only.quantile(*q)).collect()),
            _ => None,
        };
        Ok(Self { streams, quantiles, fixed })
    }

    /// The quantiles, ascending.
    pub fn quantiles(&self) -> &[f64] {
        &self.quantiles
    }

    /// What all series have in common at an instant.
    pub fn frame(&self, time_ms: i64) -> Frame {
        let all_agree = self.fixed.is_none() && !self.streams.is_random();
        let quantiles = all_agree.then(|| self.values(0, time_ms));
        Frame { now: self.streams.observed.frame(time_ms), quantiles }
    }

    /// The summary of the series with this key, observed `factor` times as often.
    ///
    /// Appends the values of the quantiles: those of the distribution at that instant. `None`
    /// before the start.
    pub fn at(&self, key: u64, factor: f64, time_ms: i64, values: &mut Vec<f64>) -> Option<Totals> {
        self.at_frame(&self.frame(time_ms), key, factor, None, values)
    }

    /// The same with what was computed once, for a series that was born at `since_ms` and counts
    /// from there.
    pub fn at_frame(
        &self,
        frame: &Frame,
        key: u64,
        factor: f64,
        since_ms: Option<i64>,
        values: &mut Vec<f64>,
    ) -> Option<Totals> {
        let (_, totals) = self.streams.totals(&frame.now, key, factor, since_ms)?;
        match self.fixed.as_ref().or(frame.quantiles.as_ref()) {
            Some(known) => values.extend(known),
            None => values.extend(self.values(key, frame.now.time_ms())),
        }
        Some(totals)
    }

    fn values(&self, key: u64, time_ms: i64) -> Vec<f64> {
        let share = self.streams.share.as_ref().and_then(|share| share.at(key, time_ms).value());
        let share = share.unwrap_or(0.0).clamp(0.0, 1.0);
        let ends = self.streams.ends.iter().cloned();
        let now = Distribution::Mixture([1.0 - share, share].into_iter().zip(ends).collect());
        self.quantiles.iter().map(|q| now.quantile(*q)).collect()
    }
}

/// One stream of observations, or the two of a drift.
#[derive(Clone, Debug)]
struct Streams {
    observed: Observed,
    ends: Vec<Distribution>,
    means: [f64; 2],
    share: Option<Signal>,
    integers: bool,
}

impl Streams {
    fn new(
        observations: &CounterSpec,
        distribution: &DistributionSpec,
        clock: &ClockSpec,
    ) -> Result<Self, Vec<SpecError>> {
        let CounterSource::Rate(rate) = &observations.source else {
            let message = "observations are given by their rate";
            return Err(vec![SpecError::new("rate", message)]);
        };
        let checked = |path: &str, spec: &DistributionSpec| {
            Distribution::new(spec).map_err(|errors| within_all(errors, path))
        };
        let of_rate =
            |spec: &SignalSpec| Rate::new(spec, clock).map_err(|errors| within_all(errors, "rate"));
        let (ends, rates, share) = match distribution {
            DistributionSpec::Drift { from, to, share } => {
                let ends = both(
                    checked("distribution.drift.from", from),
                    checked("distribution.drift.to", to),
                )?;
                let signal = Signal::new(share, clock)
                    .map_err(|errors| within_all(errors, "distribution.drift.share"))?;
                let (least, greatest) = signal.bounds();
                if !(least >= 0.0 && greatest <= 1.0) {
                    let message = format!("goes from {least} to {greatest}, beyond 0 to 1");
                    return Err(vec![SpecError::new("distribution.drift.share", message)]);
                }
                // The rate has to be right on its own, or errors would have odd paths.
                of_rate(rate)?;
                let share = SignalSpec::clone(share);
                let rest = SignalSpec::Sub(vec![SignalSpec::Const(1.0), share.clone()]);
                let from = of_rate(&SignalSpec::Mul(vec![rate.clone(), rest]));
                let to = of_rate(&SignalSpec::Mul(vec![rate.clone(), share]));
                let (from, to) = both(from, to)?;
                (vec![ends.0, ends.1], vec![from, to], Some(signal))
            }
            other => {
                let (end, rate) = both(checked("distribution", other), of_rate(rate))?;
                (vec![end], vec![rate], None)
            }
        };
        let mut means = [0.0; 2];
        means.iter_mut().zip(&ends).for_each(|(mean, end)| *mean = end.mean());
        let observed = Observed::new(rates, &observations.resets, clock)?;
        Ok(Self { observed, ends, means, share, integers: observations.integers })
    }

    fn is_random(&self) -> bool {
        self.share.as_ref().is_some_and(Signal::is_random)
    }

    fn shares(&self, bound: f64) -> [f64; 2] {
        let mut shares = [0.0; 2];
        shares.iter_mut().zip(&self.ends).for_each(|(share, end)| *share = end.cdf(bound));
        shares
    }

    fn totals(
        &self,
        frame: &CountFrame,
        key: u64,
        factor: f64,
        since_ms: Option<i64>,
    ) -> Option<([f64; 2], Totals)> {
        let (increases, created_ms) = self.observed.increases(frame, key, since_ms)?;
        let observed = increases.map(|increase| increase * factor);
        let counted = observed.map(|observed| rounded(observed, self.integers));
        let sum = self.means[0] * counted[0] + self.means[1] * counted[1];
        Some((observed, Totals { count: counted[0] + counted[1], sum, created_ms }))
    }
}

/// Observations of both streams below a bound.
#[inline]
fn cumulative(shares: &[f64; 2], observed: &[f64; 2], integers: bool) -> f64 {
    rounded(shares[0] * observed[0], integers) + rounded(shares[1] * observed[1], integers)
}

fn bounds(spec: &BucketSpec) -> Result<Vec<f64>, SpecError> {
    let refuse = |path: &str, message: &str| Err(SpecError::new(path, message));
    let too_many = format!("more than {N_BOUNDS_MAX}");
    let bounds: Vec<f64> = match *spec {
        BucketSpec::List(ref bounds) => bounds.clone(),
        BucketSpec::Exponential { count, .. } | BucketSpec::Linear { count, .. }
            if count as usize > N_BOUNDS_MAX =>
        {
            return refuse("buckets", &too_many);
        }
        BucketSpec::Exponential { start, factor, count } => {
            if !(start > 0.0 && factor > 1.0) {
                let message = "start has to be above 0 and factor above 1";
                return refuse("buckets.exponential", message);
            }
            (0..count)
                .scan(start, |next, _| Some(std::mem::replace(next, *next * factor)))
                .collect()
        }
        BucketSpec::Linear { start, width, count } => {
            if width <= 0.0 || width.is_nan() {
                return refuse("buckets.linear", "width has to be above 0");
            }
            (0..count).map(|i| start + f64::from(i) * width).collect()
        }
    };
    ascending("buckets", &bounds).map(|()| bounds)
}

/// Finite numbers, each above the one before, and not too many.
fn ascending(path: &str, values: &[f64]) -> Result<(), SpecError> {
    let refuse = |message: String| Err(SpecError::new(path, message));
    if values.len() > N_BOUNDS_MAX {
        return refuse(format!("more than {N_BOUNDS_MAX}"));
    }
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return refuse(format!("{value} is not a finite number; +Inf is there anyway"));
    }
    match values.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => {
            refuse(format!("{} does not come after {}: they have to rise", pair[1], pair[0]))
        }
        None => Ok(()),
    }
}

/// Both, or the errors of both.
fn both<A, B>(
    a: Result<A, Vec<SpecError>>,
    b: Result<B, Vec<SpecError>>,
) -> Result<(A, B), Vec<SpecError>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut a), Err(b)) => {
            a.extend(b);
            Err(a)
        }
        (Err(errors), _) | (_, Err(errors)) => Err(errors),
    }
}

#[cfg(test)]
mod tests;
