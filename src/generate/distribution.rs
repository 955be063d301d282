//! Distributions of observed values: how likely, how large, how much of the mean lies below.
//!
//! Everything is a closed form or a bounded search, so that buckets are products of a counter and a
//! constant. Functions beyond arithmetic come from `libm`, which gives the same bits everywhere.

mod normal;

use crate::generate::spec::DistributionSpec;
use crate::generate::spec::SpecError;

/// How deep mixtures may nest.
const DEPTH_MAX: usize = 8;
/// Halvings of an interval of doubles after which its ends are neighbours.
const HALVINGS_MAX: usize = 2100;

/// A distribution, checked; one without drift.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Every value from `min` to `max` alike.
    Uniform {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// Waiting times.
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
    /// The logarithm is normal.
    LogNormal {
        /// The logarithm's mean.
        mu: f64,
        /// The logarithm's standard deviation.
        sigma: f64,
    },
    /// A heavy tail.
    Pareto {
        /// The least value.
        scale: f64,
        /// Above 1.
        shape: f64,
    },
    /// Several at once: shares that add up to 1.
    Mixture(Vec<(f64, Distribution)>),
}

impl Distribution {
    /// Check a distribution.
    ///
    /// # Errors
    /// A parameter is not finite or out of its range, a mixture is empty or nests too deep, or
    /// there is a drift, which only histograms and summaries know.
    pub fn new(spec: &DistributionSpec) -> Result<Self, Vec<SpecError>> {
        let mut errors = Vec::new();
        let distribution = checked(spec, 0, &mut errors);
        match distribution {
            Some(distribution) if errors.is_empty() => Ok(distribution),
            _ => Err(errors),
        }
    }

    /// The share of values up to `x`: from 0 to 1, never falling.
    pub fn cdf(&self, x: f64) -> f64 {
        match self {
            Self::Uniform { min, max } => ((x - min) / (max - min)).clamp(0.0, 1.0),
            Self::Exponential { mean } if x > 0.0 => -libm::expm1(-x / mean),
            Self::Normal { mean, stddev } => normal::cdf((x - mean) / stddev),
            Self::LogNormal { mu, sigma } if x > 0.0 => normal::cdf((libm::log(x) - mu) / sigma),
            Self::Pareto { scale, shape } if x > *scale => 1.0 - libm::pow(scale / x, *shape),
            Self::Exponential { .. } | Self::LogNormal { .. } | Self::Pareto { .. } => 0.0,
            Self::Mixture(parts) => sum(parts, |part| part.cdf(x)).min(1.0),
        }
    }

    /// The value below which the share `p` lies; `p` is kept within 0 and 1, whose values may be
    /// infinite.
    pub fn quantile(&self, p: f64) -> f64 {
        let p = if p >= 0.0 { p.min(1.0) } else { 0.0 };
        match self {
            Self::Uniform { min, max } => (min + p * (max - min)).min(*max),
            Self::Exponential { mean } => -mean * libm::log1p(-p),
            Self::Normal { mean, stddev } => mean + stddev * normal::quantile(p),
            Self::LogNormal { mu, sigma } => libm::exp(mu + sigma * normal::quantile(p)),
            Self::Pareto { scale, shape } => scale * libm::pow(1.0 - p, -1.0 / shape),
            Self::Mixture(parts) => self.quantile_of(parts, p),
        }
    }

    /// The mean of all values.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Uniform { min, max } => min + (max - min) / 2.0,
            Self::Exponential { mean } | Self::Normal { mean, .. } => *mean,
            Self::LogNormal { mu, sigma } => libm::exp(mu + sigma * sigma / 2.0),
            Self::Pareto { scale, shape } => shape * scale / (shape - 1.0),
            Self::Mixture(parts) => sum(parts, Self::mean),
        }
    }

    /// What the values up to `x` contribute to the mean: 0 at the least value, all of it at
    /// `f64::INFINITY`.
    pub fn mean_below(&self, x: f64) -> f64 {
        if x.is_infinite() {
            return if x > 0.0 { self.mean() } else { 0.0 };
        }
        match self {
            Self::Uniform { min, max } => {
                let x = x.clamp(*min, *max);
                (x - min) / (max - min) * (min + (x - min) / 2.0)
            }
            Self::Exponential { mean } if x > 0.0 => {
                -mean * libm::expm1(-x / mean) - x * libm::exp(-x / mean)
            }
            Self::Normal { mean, stddev } => {
                let z = (x - mean) / stddev;
                mean * normal::cdf(z) - stddev * normal::density(z)
            }
            Self::LogNormal { mu, sigma } if x > 0.0 => {
                self.mean() * normal::cdf((libm::log(x) - mu) / sigma - sigma)
            }
            Self::Pareto { scale, shape } if x > *scale => {
                self.mean() * (1.0 - libm::pow(scale / x, shape - 1.0))
            }
            Self::Exponential { .. } | Self::LogNormal { .. } | Self::Pareto { .. } => 0.0,
            Self::Mixture(parts) => sum(parts, |part| part.mean_below(x)),
        }
    }

    /// The means of `n` parts of equal share, from the least to the greatest.
    pub(crate) fn strata(&self, n: u32) -> Vec<f64> {
        let n_parts = f64::from(n);
        let mut values = Vec::with_capacity(n as usize);
        let mut low = self.quantile(0.0);
        for i in 1..=n {
            let high = self.quantile(f64::from(i) / n_parts);
            let mean = n_parts * (self.mean_below(high) - self.mean_below(low));
            values.push(mean.clamp(low, high.max(low)));
            low = high;
        }
        values
    }

    /// Search between the quantiles of the parts, one of which is below and one above.
    fn quantile_of(&self, parts: &[(f64, Self)], p: f64) -> f64 {
        let ends = parts.iter().map(|(_, part)| part.quantile(p));
        let (mut low, mut high) = ends
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if !low.is_finite() || !high.is_finite() {
            return if p <= 0.0 { low } else { high };
        }
        for _ in 0..HALVINGS_MAX {
            let middle = low + (high - low) / 2.0;
            if middle <= low || middle >= high {
                break;
            }
            if self.cdf(middle) < p { low = middle } else { high = middle }
        }
        high
    }
}

fn sum(parts: &[(f64, Distribution)], of: impl Fn(&Distribution) -> f64) -> f64 {
    parts.iter().map(|(share, part)| share * of(part)).sum()
}

fn checked(
    spec: &DistributionSpec,
    depth: usize,
    errors: &mut Vec<SpecError>,
) -> Option<Distribution> {
    let n_before = errors.len();
    let mut refuse = |path: &str, message: String| errors.push(SpecError::new(path, message));
    let mut finite = |path: &str, value: f64| {
        if !value.is_finite() {
            refuse(path, format!("{value} is not a finite number"));
        }
    };
    match spec {
        DistributionSpec::Uniform { min, max } => {
            finite("uniform.min", *min);
            finite("uniform.max", *max);
            if min >= max {
                refuse("uniform.max", format!("{max} has to be above min, which is {min}"));
            }
        }
        DistributionSpec::Exponential { mean } => finite("exponential.mean", *mean),
        DistributionSpec::Normal { mean, stddev } => {
            finite("normal.mean", *mean);
            finite("normal.stddev", *stddev);
        }
        DistributionSpec::LogNormal { mu, sigma } => {
            finite("lognormal.mu", *mu);
            finite("lognormal.sigma", *sigma);
        }
        DistributionSpec::Pareto { scale, shape } => {
            finite("pareto.scale", *scale);
            finite("pareto.shape", *shape);
        }
        DistributionSpec::Mixture(_) | DistributionSpec::Drift { .. } => {}
    }
    let mut above = |path: &str, value: f64, limit: f64| {
        if value <= limit {
            errors.push(SpecError::new(path, format!("{value} has to be above {limit}")));
        }
    };
    match spec {
        DistributionSpec::Exponential { mean } => above("exponential.mean", *mean, 0.0),
        DistributionSpec::Normal { stddev, .. } => above("normal.stddev", *stddev, 0.0),
        DistributionSpec::LogNormal { sigma, .. } => above("lognormal.sigma", *sigma, 0.0),
        DistributionSpec::Pareto { scale, shape } => {
            above("pareto.scale", *scale, 0.0);
            above("pareto.shape", *shape, 1.0);
        }
        DistributionSpec::Drift { .. } => errors.push(SpecError::new(
            "drift",
            "only the distribution of a histogram or a summary can drift, and only at the top",
        )),
        DistributionSpec::Uniform { .. } | DistributionSpec::Mixture(_) => {}
    }
    let distribution = match spec {
        DistributionSpec::Uniform { min, max } => Distribution::Uniform { min: *min, max: *max },
        DistributionSpec::Exponential { mean } => Distribution::Exponential { mean: *mean },
        DistributionSpec::Normal { mean, stddev } => {
            Distribution::Normal { mean: *mean, stddev: *stddev }
        }
        DistributionSpec::LogNormal { mu, sigma } => {
            Distribution::LogNormal { mu: *mu, sigma: *sigma }
        }
        DistributionSpec::Pareto { scale, shape } => {
            Distribution::Pareto { scale: *scale, shape: *shape }
        }
        DistributionSpec::Mixture(parts) => mixture(parts, depth, errors)?,
        DistributionSpec::Drift { .. } => return None,
    };
    if errors.len() == n_before && !distribution.mean().is_finite() {
        errors.push(SpecError::new("", "the mean is beyond the range of a double"));
    }
    Some(distribution)
}

fn mixture(
    parts: &[crate::generate::spec::MixturePart],
    depth: usize,
    errors: &mut Vec<SpecError>,
) -> Option<Distribution> {
    if parts.is_empty() {
        errors.push(SpecError::new("mixture", "has no part: give at least one"));
        return None;
    }
    if depth >= DEPTH_MAX {
        let message = format!("mixtures nest deeper than {DEPTH_MAX} levels");
        errors.push(SpecError::new("mixture", message));
        return None;
    }
    let total: f64 = parts.iter().map(|part| part.weight).sum();
    let mut shares = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        if !(part.weight > 0.0 && total.is_finite()) {
            let message = format!("{} has to be above 0 and finite", part.weight);
            errors.push(SpecError::new(&format!("mixture[{i}].weight"), message));
        }
        let mut inner = Vec::new();
        let distribution = checked(&part.distribution, depth + 1, &mut inner);
        errors.extend(inner.into_iter().map(|e| e.within(&format!("mixture[{i}].distribution"))));
        shares.push((part.weight / total, distribution?));
    }
    Some(Distribution::Mixture(shares))
}

#[cfg(test)]
mod tests;
