//! Distributions of observed values, as written.

use crate::generate::spec::SignalSpec;

/// What observed values look like.
#[derive(Clone, Debug, PartialEq)]
pub enum DistributionSpec {
    /// Every value from `min` to `max` alike.
    Uniform {
        /// The least value.
        min: f64,
        /// Above `min`.
        max: f64,
    },
    /// Waiting times: many small values, few large ones.
    Exponential {
        /// Above 0.
        mean: f64,
    },
    /// The bell.
    Normal {
        /// The middle.
        mean: f64,
        /// Above 0.
        stddev: f64,
    },
    /// The logarithm is normal: latencies.
    LogNormal {
        /// The logarithm's mean: the median is `e^mu`.
        mu: f64,
        /// The logarithm's standard deviation, above 0.
        sigma: f64,
    },
    /// A heavy tail: sizes.
    Pareto {
        /// The least value, above 0.
        scale: f64,
        /// Above 1, so that there is a mean.
        shape: f64,
    },
    /// Several at once.
    Mixture(Vec<MixturePart>),
    /// One that turns into another.
    Drift {
        /// At share 0.
        from: Box<DistributionSpec>,
        /// At share 1.
        to: Box<DistributionSpec>,
        /// The share of observations that follow `to`, from 0 to 1: a ramp, a slow sine.
        share: Box<SignalSpec>,
    },
}

/// A part of a mixture.
#[derive(Clone, Debug, PartialEq)]
pub struct MixturePart {
    /// Above 0; weights need not add up to 1.
    pub weight: f64,
    /// What this part looks like.
    pub distribution: DistributionSpec,
}
