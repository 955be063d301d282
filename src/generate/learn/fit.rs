//! Signals, rates and distributions from the numbers of a scrape.

use crate::generate::learn::ASSUMED_SECONDS;
use crate::generate::learn::Then;
use crate::generate::learn::scrape::LabelSet;
use crate::generate::learn::scrape::ScrapedFamily;
use crate::generate::spec::BucketSpec;
use crate::generate::spec::CounterSource;
use crate::generate::spec::CounterSpec;
use crate::generate::spec::DataSpec;
use crate::generate::spec::DistributionSpec;
use crate::generate::spec::Extent;
use crate::generate::spec::HistogramSpec;
use crate::generate::spec::SignalSpec;
use crate::generate::spec::SummarySpec;
use crate::generate::spec::ValueSpec;
use crate::model::MetricType;

/// Parts of the range a walk goes in a minute.
const STEPS: f64 = 20.0;
/// How often a walk changes its direction.
const WALK_MS: i64 = 60_000;
/// How long a state lasts.
const STATE_MS: i64 = 600_000;
/// How far back a gauge histogram looks.
const WINDOW_MS: i64 = 300_000;
/// Series of one family whose rates are not alike differ by up to this.
const SPREAD: f64 = 0.5;

/// How the values of a family come about, and how much its series differ.
pub(super) fn data(
    family: &ScrapedFamily,
    then: Option<Then<'_>>,
    notes: &mut Vec<String>,
) -> (DataSpec, f64) {
    match family.metric_type {
        MetricType::Counter => {
            let rates = Rates::of(family, then, |set| set.value);
            (DataSpec::Counter(rates.counter()), rates.spread())
        }
        MetricType::Histogram | MetricType::GaugeHistogram => {
            let rates = Rates::of(family, then, |set| set.count);
            let is_gauge = family.metric_type == MetricType::GaugeHistogram;
            let spec = HistogramSpec {
                observations: rates.counter(),
                distribution: distribution_of_buckets(family),
                buckets: BucketSpec::List(family.bounds.clone()),
                native: None,
                window_ms: is_gauge.then_some(WINDOW_MS),
            };
            (DataSpec::Histogram(spec), rates.spread())
        }
        MetricType::Summary => {
            let rates = Rates::of(family, then, |set| set.count);
            let spec = SummarySpec {
                observations: rates.counter(),
                distribution: distribution_of_quantiles(family),
                quantiles: family.bounds.clone(),
            };
            (DataSpec::Summary(spec), rates.spread())
        }
        MetricType::Info => (DataSpec::Info, 0.0),
        MetricType::StateSet => {
            let states = family.states.clone();
            (DataSpec::StateSet { states, every_ms: STATE_MS }, 0.0)
        }
        MetricType::Gauge | MetricType::Unknown => {
            (DataSpec::Gauge(ValueSpec::new(gauge(family, then, notes))), 0.0)
        }
    }
}

/// A value between the least and the greatest that were seen.
fn gauge(family: &ScrapedFamily, then: Option<Then<'_>>, notes: &mut Vec<String>) -> SignalSpec {
    let later = then.map_or(&[][..], |then| &then.family.sets);
    let values = family.sets.iter().chain(later).filter_map(|set| set.value);
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    if values.is_empty() {
        notes.push(format!("{}: no value is a finite number; it becomes 0", family.name));
        return SignalSpec::Const(0.0);
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = (high - low) / STEPS;
    if !step.is_finite() || step < f64::MIN_POSITIVE {
        return SignalSpec::Const(low);
    }
    let (min, max) = (Some(low), Some(high));
    let every = Extent::Duration(WALK_MS);
    let walk = SignalSpec::RandomWalk { start: None, step, min, max, every };
    if values.iter().all(|value| value.fract().abs() < f64::MIN_POSITIVE) {
        return SignalSpec::Quantise { signal: Box::new(walk), step: 1.0 };
    }
    walk
}

/// How fast the series of a family count.
struct Rates {
    mean: f64,
    n_series: usize,
    is_integer: bool,
}

impl Rates {
    fn of(
        family: &ScrapedFamily,
        then: Option<Then<'_>>,
        read: impl Fn(&LabelSet) -> Option<f64>,
    ) -> Self {
        let total = |sets: &[LabelSet]| {
            let counts: Vec<f64> =
                sets.iter().filter_map(&read).filter(|count| count.is_finite()).collect();
            let n_counts = f64::from(u32::try_from(counts.len().max(1)).unwrap_or(u32::MAX));
            counts.iter().sum::<f64>() / n_counts
        };
        let before = total(&family.sets);
        let seen = then.map(|then| (total(&then.family.sets) - before) / then.seconds);
        let mean = seen.unwrap_or(before / ASSUMED_SECONDS);
        let is_whole = |value: f64| value.fract().abs() < f64::MIN_POSITIVE;
        Self {
            mean: if mean.is_finite() { mean.max(0.0) } else { 0.0 },
            n_series: family.sets.len(),
            is_integer: family.sets.iter().filter_map(&read).all(is_whole),
        }
    }

    fn counter(&self) -> CounterSpec {
        CounterSpec {
            source: CounterSource::Rate(SignalSpec::Const(self.mean)),
            resets: Vec::new(),
            integers: self.is_integer,
        }
    }

    fn spread(&self) -> f64 {
        if self.n_series > 1 && self.mean > 0.0 { SPREAD } else { 0.0 }
    }
}

/// The normal distribution's quantile at 0.9.
const Z90: f64 = 1.281_551_565_544_600_4;

/// A lognormal distribution with the median and the 0.9 quantile of all buckets together.
fn distribution_of_buckets(family: &ScrapedFamily) -> DistributionSpec {
    let mut counts = vec![0.0; family.bounds.len() + 1];
    for set in &family.sets {
        for (total, (_, count)) in counts.iter_mut().zip(&set.parts) {
            *total += count;
        }
    }
    let quantile = |share: f64| {
        let wanted = share * counts.last()?;
        let at = counts.iter().position(|&count| count >= wanted && count > 0.0)?;
        let high = *family.bounds.get(at)?;
        let low = at.checked_sub(1).map_or(0.0_f64.min(high), |before| family.bounds[before]);
        let before = at.checked_sub(1).map_or(0.0, |before| counts[before]);
        let part = (wanted - before) / (counts[at] - before);
        Some(low + (high - low) * part)
    };
    let fitted = quantile(0.5).zip(quantile(0.9));
    fitted.and_then(|(median, upper)| lognormal(median, upper)).unwrap_or_else(|| mean(family))
}

/// The same from the quantiles of a summary, on average over its label sets.
fn distribution_of_quantiles(family: &ScrapedFamily) -> DistributionSpec {
    let quantile = |wanted: f64| {
        let at = family.bounds.iter().position(|quantile| (quantile - wanted).abs() < 1e-9)?;
        let values = family.sets.iter().filter_map(|set| Some(set.parts.get(at)?.1));
        values.filter(|value| value.is_finite()).reduce(f64::max)
    };
    let fitted = quantile(0.5).zip(quantile(0.9));
    fitted.and_then(|(median, upper)| lognormal(median, upper)).unwrap_or_else(|| mean(family))
}

fn lognormal(median: f64, upper: f64) -> Option<DistributionSpec> {
    let mu = libm::log(median);
    let sigma = (libm::log(upper) - mu) / Z90;
    let is_good = mu.is_finite() && sigma.is_finite() && sigma > 1e-6;
    (median > 0.0 && is_good).then_some(DistributionSpec::LogNormal { mu, sigma })
}

/// An exponential distribution with the mean of all observations.
fn mean(family: &ScrapedFamily) -> DistributionSpec {
    let total = |read: fn(&LabelSet) -> Option<f64>| {
        family.sets.iter().filter_map(read).filter(|value| value.is_finite()).sum::<f64>()
    };
    let mean = total(|set| set.sum) / total(|set| set.count);
    let is_good = mean.is_finite() && mean > f64::MIN_POSITIVE;
    DistributionSpec::Exponential { mean: if is_good { mean } else { 1.0 } }
}
