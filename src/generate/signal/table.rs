//! Values one after another, each for the same while.

use super::reading::Reading;
use super::shape::float;
use super::shape::share;

/// Values that end.
#[derive(Clone, Debug)]
pub(super) struct Table {
    width_ms: i64,
    values: Vec<Option<f64>>,
    /// What the cells before this one add up to, in values times cells; one more than values.
    sums: Vec<f64>,
    interpolate: bool,
}

impl Table {
    pub(super) fn new(values: Vec<Option<f64>>, width_ms: i64, interpolate: bool) -> Self {
        let mut table = Self { width_ms, sums: vec![0.0], values, interpolate };
        let mut sum = 0.0;
        for i in 0..table.values.len() {
            sum += table.area(i, 1.0);
            table.sums.push(sum);
        }
        table
    }

    pub(super) fn length_ms(&self) -> i64 {
        i64::try_from(self.values.len()).unwrap_or(i64::MAX).saturating_mul(self.width_ms)
    }

    pub(super) fn is_gapless(&self) -> bool {
        self.values.iter().all(Option::is_some)
    }

    /// The first value that is no finite number.
    pub(super) fn first_odd(&self) -> Option<f64> {
        self.values.iter().copied().flatten().find(|value| !value.is_finite())
    }

    pub(super) fn bounds(&self) -> (f64, f64) {
        let values = self.values.iter().flatten();
        values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
    }

    /// The same with every value changed in a way that keeps straight lines straight.
    pub(super) fn affine(&self, f: impl Fn(f64) -> f64) -> Self {
        let values = self.values.iter().map(|value| value.map(&f)).collect();
        Self::new(values, self.width_ms, self.interpolate)
    }

    /// The same with every value changed; `None` where that is not the same cell by cell.
    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Option<Self> {
        let values = self.values.iter().map(|value| value.map(&f)).collect();
        (!self.interpolate).then(|| Self::new(values, self.width_ms, false))
    }

    pub(super) fn at(&self, u: i64) -> Reading {
        let (i, rest) = self.place(u);
        let Some(value) = self.values.get(i) else { return Reading::Ended };
        match (value, self.next(i)) {
            (None, _) => Reading::Missing,
            (Some(from), Some(to)) => Reading::Value(from + (to - from) * rest),
            (Some(from), None) => Reading::Value(*from),
        }
    }

    /// The value before the end, whenever it was.
    pub(super) fn last(&self) -> Option<f64> {
        self.values.iter().rev().find_map(|value| *value)
    }

    pub(super) fn integral(&self, u: i64) -> f64 {
        let (i, rest) = self.place(u.min(self.length_ms()));
        let begun = if i < self.values.len() { self.area(i, rest) } else { 0.0 };
        (self.sums[i] + begun) * float(self.width_ms)
    }

    /// The cell, and how much of it has passed.
    fn place(&self, u: i64) -> (usize, f64) {
        let i = usize::try_from(u / self.width_ms).unwrap_or(usize::MAX);
        (i, share(u % self.width_ms, self.width_ms))
    }

    /// Where the way from cell `i` leads to, if it is not level.
    fn next(&self, i: usize) -> Option<f64> {
        if self.interpolate { self.values.get(i + 1).copied().flatten() } else { None }
    }

    /// A part of a cell, from its beginning.
    fn area(&self, i: usize, rest: f64) -> f64 {
        match (self.values[i], self.next(i)) {
            (None, _) => 0.0,
            (Some(from), None) => from * rest,
            (Some(from), Some(to)) if from <= to => from * rest + (to - from) * (rest * rest / 2.0),
            (Some(from), Some(to)) => {
                let left = 1.0 - rest;
                let falling = |x: f64| to * x + (from - to) * (x * x / 2.0);
                falling(1.0) - falling(left)
            }
        }
    }
}
