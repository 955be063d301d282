//! Native histograms as values.

/// Upper bounds are given one by one rather than by a formula.
pub const SCHEMA_CUSTOM: i32 = -53;
/// The coarsest standard schema.
pub const SCHEMA_MIN: i32 = -4;
/// The finest standard schema.
pub const SCHEMA_MAX: i32 = 8;

/// One value of a native histogram, with counts that need not be whole.
///
/// Bucket `i` of schema `s` reaches from `2^((i - 1) * 2^-s)` up to and including `2^(i * 2^-s)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NativeHistogram {
    /// [`SCHEMA_CUSTOM`], or from [`SCHEMA_MIN`] to [`SCHEMA_MAX`].
    pub schema: i32,
    /// Of all observations.
    pub count: f64,
    /// Of all observed values.
    pub sum: f64,
    /// Observations this close to 0 are in the zero bucket.
    pub zero_threshold: f64,
    /// How many there are.
    pub zero_count: f64,
    /// Buckets of positive values by index, ascending; those left out are empty.
    pub positive: Vec<Bucket>,
    /// Buckets of negative values by index, ascending.
    pub negative: Vec<Bucket>,
    /// Ascending upper bounds for [`SCHEMA_CUSTOM`]; `+Inf` is implied.
    pub custom_values: Vec<f64>,
    /// Whether the counter began again with this value.
    pub reset_hint: ResetHint,
}

/// A bucket and how many observations are in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its number.
    pub index: i32,
    /// Not cumulative.
    pub count: f64,
}

/// What a native histogram says about counter resets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ResetHint {
    /// Find out.
    #[default]
    Unknown,
    /// There was one just before this value.
    Reset,
    /// There was none.
    NotReset,
    /// It is a gauge histogram, which may fall.
    Gauge,
}

impl ResetHint {
    /// What the sum of two histograms says (`adjustCounterReset` of Prometheus'
    /// `model/histogram`).
    fn combined(self, other: Self) -> Self {
        match (self, other) {
            _ if self == other => self,
            (Self::Gauge, _) | (_, Self::Gauge) => Self::Gauge,
            _ => Self::Unknown,
        }
    }
}

/// Why two native histograms cannot be added.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CombineError {
    /// As promtool: the increment may not be coarser.
    #[error("cannot merge from schema {from} to {to}: the increment has to be at least as fine")]
    Coarser {
        /// The increment's schema.
        from: i32,
        /// The base's schema.
        to: i32,
    },
    /// Custom and standard buckets.
    #[error("custom buckets and exponential ones cannot be combined")]
    Mixed,
    /// Custom bounds differ.
    #[error("custom_values differ: the increment has to have the same")]
    Bounds,
    /// Zero buckets differ.
    #[error("z_bucket_w differs: the increment has to have the same")]
    ZeroThreshold,
}

impl NativeHistogram {
    /// Whether `increment` can be added to `self`.
    pub fn check_increment(&self, increment: &Self) -> Result<(), CombineError> {
        if self.schema > increment.schema {
            let (from, to) = (increment.schema, self.schema);
            return Err(CombineError::Coarser { from, to });
        }
        let custom = self.schema == SCHEMA_CUSTOM;
        if custom != (increment.schema == SCHEMA_CUSTOM) {
            return Err(CombineError::Mixed);
        }
        if custom && self.custom_values != increment.custom_values {
            return Err(CombineError::Bounds);
        }
        if !custom && self.zero_threshold.to_bits() != increment.zero_threshold.to_bits() {
            return Err(CombineError::ZeroThreshold);
        }
        Ok(())
    }

    /// This histogram and `times` that one, which has passed [`Self::check_increment`].
    #[must_use]
    pub fn plus(&self, times: f64, increment: &Self) -> Self {
        let shift = u32::try_from(increment.schema - self.schema).unwrap_or(0);
        let add = |base: &[Bucket], more: &[Bucket]| added(base, times, more, shift);
        Self {
            schema: self.schema,
            count: self.count + times * increment.count,
            sum: self.sum + times * increment.sum,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count + times * increment.zero_count,
            positive: add(&self.positive, &increment.positive),
            negative: add(&self.negative, &increment.negative),
            custom_values: self.custom_values.clone(),
            reset_hint: self.reset_hint.combined(increment.reset_hint),
        }
    }
}

/// The index in a schema that is `shift` coarser: each coarse bucket holds `2^shift` fine ones.
fn coarser(index: i32, shift: u32) -> i32 {
    (index.saturating_sub(1) >> shift.min(31)) + 1
}

/// Merge two ascending lists.
fn added(base: &[Bucket], times: f64, more: &[Bucket], shift: u32) -> Vec<Bucket> {
    let mut sum: Vec<Bucket> = Vec::with_capacity(base.len() + more.len());
    let mut base = base.iter().peekable();
    for bucket in more {
        let index = if shift == 0 { bucket.index } else { coarser(bucket.index, shift) };
        while let Some(before) = base.next_if(|bucket| bucket.index <= index) {
            sum.push(*before);
        }
        match sum.last_mut() {
            Some(last) if last.index == index => last.count += times * bucket.count,
            _ => sum.push(Bucket { index, count: times * bucket.count }),
        }
    }
    sum.extend(base);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(schema: i32, buckets: &[(i32, f64)]) -> NativeHistogram {
        let positive = buckets.iter().map(|(index, count)| Bucket { index: *index, count: *count });
        NativeHistogram { schema, positive: positive.collect(), ..NativeHistogram::default() }
    }

    #[test]
    fn a_finer_increment_is_made_coarser() {
        let base = histogram(0, &[(0, 1.0), (2, 1.0)]);
        let finer = histogram(1, &[(-1, 1.0), (0, 1.0), (1, 1.0), (3, 1.0), (4, 5.0), (9, 1.0)]);
        assert_eq!(base.check_increment(&finer), Ok(()));
        let sum = base.plus(2.0, &finer);
        let expected = histogram(0, &[(0, 5.0), (1, 2.0), (2, 13.0), (5, 2.0)]);
        assert_eq!(sum, expected);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let base = NativeHistogram::default();
        let coarser = histogram(-1, &[]);
        assert_eq!(base.check_increment(&coarser), Err(CombineError::Coarser { from: -1, to: 0 }));
        let wider = NativeHistogram { zero_threshold: 1.0, ..base.clone() };
        assert_eq!(base.check_increment(&wider), Err(CombineError::ZeroThreshold));
        let custom = NativeHistogram { schema: SCHEMA_CUSTOM, ..base.clone() };
        assert_eq!(custom.check_increment(&base), Err(CombineError::Mixed));
        let other = NativeHistogram { custom_values: vec![1.0], ..custom.clone() };
        assert_eq!(custom.check_increment(&other), Err(CombineError::Bounds));
    }
}
