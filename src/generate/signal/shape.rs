//! Shapes with a formula, and its integral.
//!
//! An integral that is to be a counter may not fall, not even by the last digit: Prometheus would
//! see a reset. So integrals are sums of terms of which none falls as time goes on, and rounding,
//! which keeps order, cannot make them fall.

use std::f64::consts::FRAC_PI_2;
use std::f64::consts::PI;

use super::reading::Reading;

/// A straight line that ends.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) length_ms: i64,
    pub(super) left_open: bool,
    pub(super) right_open: bool,
}

impl Line {
    /// The same value for a while, up to but without its end.
    pub(super) fn flat(value: f64, length_ms: i64) -> Self {
        Self { from: value, to: value, length_ms, left_open: false, right_open: true }
    }

    pub(super) fn is_flat(&self) -> bool {
        self.from.to_bits() == self.to.to_bits()
    }

    pub(super) fn at(&self, u: i64) -> Reading {
        if u > self.length_ms || (u == self.length_ms && self.right_open) {
            Reading::Ended
        } else if u == 0 && self.left_open {
            Reading::Missing
        } else if u == self.length_ms || self.is_flat() {
            Reading::Value(self.to)
        } else {
            Reading::Value(self.from + (self.to - self.from) * share(u, self.length_ms))
        }
    }

    pub(super) fn integral(&self, u: i64) -> f64 {
        let u = u.min(self.length_ms);
        let (least, rise) = (self.from.min(self.to), (self.to - self.from).abs());
        let rising = |u: i64| {
            let u_ms = float(u);
            least * u_ms + rise * (u_ms * u_ms / (2.0 * float(self.length_ms)))
        };
        if self.from <= self.to {
            rising(u)
        } else {
            rising(self.length_ms) - rising(self.length_ms - u)
        }
    }
}

/// Steps of the same height that end.
#[derive(Clone, Debug)]
pub(super) struct Stairs {
    pub(super) from: f64,
    /// Value `i` is `from + i * rise / over`.
    pub(super) rise: f64,
    pub(super) over: f64,
    pub(super) count: i64,
    pub(super) width_ms: i64,
}

impl Stairs {
    pub(super) fn length_ms(&self) -> i64 {
        self.count.saturating_mul(self.width_ms)
    }

    pub(super) fn value(&self, i: i64) -> f64 {
        if i == 0 { self.from } else { self.from + float(i) * self.rise / self.over }
    }

    pub(super) fn at(&self, u: i64) -> Reading {
        if u >= self.length_ms() {
            Reading::Ended
        } else {
            Reading::Value(self.value(u / self.width_ms))
        }
    }

    pub(super) fn integral(&self, u: i64) -> f64 {
        let u = u.min(self.length_ms());
        let (i, rest) = (u / self.width_ms, u % self.width_ms);
        let n = float(i);
        let full = self.from * n + self.rise / self.over * (n * (n - 1.0) / 2.0);
        let begun = if rest == 0 { 0.0 } else { self.value(i) * share(rest, self.width_ms) };
        (full + begun) * float(self.width_ms)
    }

    pub(super) fn bounds(&self) -> (f64, f64) {
        let last = self.value(self.count - 1);
        (self.from.min(last), self.from.max(last))
    }
}

/// `base + amplitude * (1 - cos(2π (u - trough) / period))`: a sine, a cosine, a day.
#[derive(Clone, Debug)]
pub(super) struct Wave {
    base: f64,
    /// At least 0.
    amplitude: f64,
    period_ms: i64,
    /// Where it is lowest, in quarters of a millisecond, from 0 up to four periods.
    trough: i64,
}

impl Wave {
    /// `mean + amplitude * sin(2π u / period)`.
    pub(super) fn sine(mean: f64, amplitude: f64, period_ms: i64) -> Self {
        let trough = if amplitude < 0.0 { period_ms } else { 3 * period_ms };
        Self::new(mean, amplitude, period_ms, trough)
    }

    /// `mean + amplitude * cos(2π (u - peak) / period)`.
    pub(super) fn cosine(mean: f64, amplitude: f64, period_ms: i64, peak_ms: i64) -> Self {
        let half = if amplitude < 0.0 { 0 } else { 2 * period_ms };
        Self::new(mean, amplitude, period_ms, half + 4 * peak_ms.rem_euclid(period_ms))
    }

    fn new(mean: f64, amplitude: f64, period_ms: i64, trough: i64) -> Self {
        let amplitude = amplitude.abs();
        let trough = trough.rem_euclid(4 * period_ms);
        Self { base: mean - amplitude, amplitude, period_ms, trough }
    }

    pub(super) fn period_ms(&self) -> i64 {
        self.period_ms
    }

    /// `by` times the wave plus an offset.
    pub(super) fn affine(&self, by: f64, offset: f64) -> Self {
        let (lowest, turned) = if by < 0.0 {
            (self.base + 2.0 * self.amplitude, 2 * self.period_ms)
        } else {
            (self.base, 0)
        };
        Self {
            base: by * lowest + offset,
            amplitude: by.abs() * self.amplitude,
            period_ms: self.period_ms,
            trough: (self.trough + turned) % (4 * self.period_ms),
        }
    }

    pub(super) fn bounds(&self) -> (f64, f64) {
        (self.base, self.base + 2.0 * self.amplitude)
    }

    /// Radians from the trough.
    fn angle(&self, phase: i64) -> f64 {
        float(4 * phase - self.trough) * (FRAC_PI_2 / float(self.period_ms))
    }

    pub(super) fn at(&self, u: i64) -> f64 {
        let cosine = libm::cos(self.angle(u % self.period_ms));
        self.base + self.amplitude * (1.0 - cosine)
    }

    pub(super) fn integral(&self, u: i64) -> f64 {
        let (waves, phase) = (u / self.period_ms, u % self.period_ms);
        let period = float(self.period_ms);
        let whole = (self.base + self.amplitude) * period;
        let swing = above_trough(self.angle(phase)) - above_trough(self.angle(0));
        let begun = self.base * float(phase) + self.amplitude * (period / (2.0 * PI)) * swing;
        // Rounded once, so that the end of a wave is never above the beginning of the next.
        let begun = if self.base >= 0.0 { begun.min(whole) } else { begun };
        float(waves).mul_add(whole, begun)
    }
}

/// `x - sin x`, the integral of `1 - cos x`: never falls, also where it hardly rises.
fn above_trough(x: f64) -> f64 {
    if x.abs() >= 0.5 {
        return x - libm::sin(x);
    }
    let square = x * x;
    let tail = [156.0, 110.0, 72.0, 42.0, 20.0].iter().fold(1.0, |sum, n| 1.0 - square / n * sum);
    x * square / 6.0 * tail
}

/// `mean + amplitude * tan(π u / period)`, the tangent kept within `±clamp`.
#[derive(Clone, Debug)]
pub(super) struct Tangent {
    pub(super) mean: f64,
    pub(super) amplitude: f64,
    pub(super) period_ms: i64,
    pub(super) clamp: f64,
}

impl Tangent {
    pub(super) fn bounds(&self) -> (f64, f64) {
        let reach = self.amplitude.abs() * self.clamp;
        (self.mean - reach, self.mean + reach)
    }

    pub(super) fn at(&self, u: i64) -> f64 {
        let phase = u % self.period_ms;
        // The pole itself is reached from below.
        let tangent = if 2 * phase == self.period_ms {
            self.clamp
        } else {
            libm::tan(PI * share(phase, self.period_ms)).clamp(-self.clamp, self.clamp)
        };
        self.mean + self.amplitude * tangent
    }

    pub(super) fn integral(&self, u: i64) -> f64 {
        let (periods, phase) = (u / self.period_ms, u % self.period_ms);
        let whole = self.mean * float(self.period_ms);
        // Turned round in time, a falling tangent is a rising one.
        let begun = if self.amplitude >= 0.0 {
            self.rising(phase)
        } else {
            whole - self.rising(self.period_ms - phase)
        };
        float(periods).mul_add(whole, begun)
    }

    /// From the beginning of a period, for an amplitude of the other sign where that is negative.
    fn rising(&self, phase: i64) -> f64 {
        let (clamp, limit) = (self.clamp, libm::atan(self.clamp));
        let scale = self.amplitude.abs() * (float(self.period_ms) / PI);
        let base = self.mean - self.amplitude.abs() * clamp;
        // What is left of the tangent where it is clamped from above, and from below.
        let missing = |z: f64| {
            let half = libm::sin(z / 2.0);
            clamp * z - libm::log1p(clamp * libm::sin(z) - 2.0 * half * half)
        };
        if 2 * phase <= self.period_ms {
            let x = PI * share(phase, self.period_ms);
            let free = -libm::log(libm::cos(x.min(limit))) + clamp * (x - limit).max(0.0);
            base * float(phase) + scale * (clamp * x + free)
        } else {
            let left = self.period_ms - phase;
            let y = PI * share(left, self.period_ms);
            let below = missing(limit) - missing((limit - y).max(0.0));
            self.mean * float(self.period_ms) - (base * float(left) + scale * below)
        }
    }
}

/// A bent line that ends.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) length_ms: i64,
    pub(super) bend: Bend,
}

/// How it is bent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bend {
    /// `from * (to / from)^x`.
    Exponential,
    /// `ln(1 + x * unit) / ln(1 + unit)`, `unit` being the length in seconds or points.
    Logarithm(f64),
}

impl Curve {
    pub(super) fn at(&self, u: i64) -> Reading {
        match u.cmp(&self.length_ms) {
            std::cmp::Ordering::Less => Reading::Value(self.value(share(u, self.length_ms))),
            std::cmp::Ordering::Equal => Reading::Value(self.to),
            std::cmp::Ordering::Greater => Reading::Ended,
        }
    }

    /// At a share of the way.
    pub(super) fn value(&self, x: f64) -> f64 {
        match self.bend {
            _ if x <= 0.0 => self.from,
            _ if x >= 1.0 => self.to,
            Bend::Exponential => self.from * libm::exp(libm::log(self.to / self.from) * x),
            Bend::Logarithm(unit) => {
                let x = libm::log1p(x * unit) / libm::log1p(unit);
                self.from + (self.to - self.from) * x
            }
        }
    }

    pub(super) fn integral(&self, u: i64) -> f64 {
        let length = float(self.length_ms);
        let x = share(u.min(self.length_ms), self.length_ms);
        match self.bend {
            Bend::Exponential => {
                let k = libm::log(self.to / self.from);
                if k.abs() < 1e-12 {
                    return self.from * x * length;
                }
                self.from * (libm::expm1(k * x) / k) * length
            }
            Bend::Logarithm(unit) => {
                let y = x * unit;
                let area = (1.0 + y) * libm::log1p(y) - y;
                let bent = (self.to - self.from) * (area / (unit * libm::log1p(unit)));
                (self.from * x + bent) * length
            }
        }
    }
}

/// A share, from 0 to 1.
pub(super) fn share(part: i64, whole: i64) -> f64 {
    float(part) / float(whole)
}

/// Milliseconds or counts as a number.
#[expect(clippy::cast_precision_loss, reason = "below 2^53 but for spans of 285,000 years")]
pub(super) fn float(x: i64) -> f64 {
    x as f64
}
