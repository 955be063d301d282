//! What one or two rates have brought since the last reset.

use super::resets::Resets;
use crate::generate::signal::Rate;
use crate::generate::spec::ClockSpec;
use crate::generate::spec::ResetSpec;
use crate::generate::spec::SpecError;

/// How many rates there may be: those of the two ends of a drift.
const N_RATES_MAX: usize = 2;

/// Rates that start and are reset together.
#[derive(Clone, Debug)]
pub(in crate::generate) struct Observed {
    rates: Vec<Rate>,
    resets: Resets,
}

/// What all series have in common at an instant.
#[derive(Clone, Debug)]
pub struct Frame {
    time_ms: i64,
    /// Since when they count, where all agree.
    created_ms: Option<i64>,
    /// The integrals now and then, where all agree.
    now: [Option<f64>; N_RATES_MAX],
    then: [Option<f64>; N_RATES_MAX],
}

impl Frame {
    pub(super) fn empty(time_ms: i64) -> Self {
        Self { time_ms, created_ms: None, now: [None; 2], then: [None; 2] }
    }

    /// The instant.
    pub fn time_ms(&self) -> i64 {
        self.time_ms
    }
}

impl Observed {
    /// At most two rates.
    pub(in crate::generate) fn new(
        rates: Vec<Rate>,
        resets: &[ResetSpec],
        clock: &ClockSpec,
    ) -> Result<Self, Vec<SpecError>> {
        Ok(Self { rates, resets: Resets::new(resets, clock.start_ms)? })
    }

    pub(in crate::generate) fn start_ms(&self) -> i64 {
        self.resets.start_ms()
    }

    pub(in crate::generate) fn frame(&self, time_ms: i64) -> Frame {
        let mut frame = Frame::empty(time_ms);
        let created_ms = (!self.resets.is_random()).then(|| self.resets.last(0, time_ms));
        frame.created_ms = created_ms;
        for (i, rate) in self.rates.iter().enumerate().filter(|(_, rate)| !rate.is_random()) {
            frame.now[i] = Some(rate.integral(0, time_ms));
            frame.then[i] = created_ms.map(|created_ms| rate.integral(0, created_ms));
        }
        frame
    }

    /// What each rate has brought since the last reset, or since `since_ms` if that is later, and
    /// since when; `None` before the start.
    #[inline]
    pub(in crate::generate) fn increases(
        &self,
        frame: &Frame,
        key: u64,
        since_ms: Option<i64>,
    ) -> Option<([f64; N_RATES_MAX], i64)> {
        if frame.time_ms < self.resets.start_ms() {
            return None;
        }
        let reset_ms = frame.created_ms.unwrap_or_else(|| self.resets.last(key, frame.time_ms));
        let since_ms = since_ms.filter(|since_ms| *since_ms > reset_ms);
        let created_ms = since_ms.unwrap_or(reset_ms);
        let mut increases = [0.0; N_RATES_MAX];
        for (i, rate) in self.rates.iter().enumerate() {
            let now = frame.now[i].unwrap_or_else(|| rate.integral(key, frame.time_ms));
            let then = frame.then[i].filter(|_| since_ms.is_none());
            let then = then.unwrap_or_else(|| rate.integral(key, created_ms));
            increases[i] = (now - then).max(0.0);
        }
        Some((increases, created_ms))
    }
}
