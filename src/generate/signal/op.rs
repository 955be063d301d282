//! Arithmetic on two values, as `PromQL` does it.

/// What is done with two values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Min,
    Max,
}

impl Op {
    pub(super) fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Mod => a % b,
            Self::Pow => libm::pow(a, b),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }

    /// The key of a file.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Mod => "mod",
            Self::Pow => "pow",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// Between which values the result stays, given the bounds of both.
    pub(super) fn bounds(self, a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
        const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
        match self {
            Self::Add => (a.0 + b.0, a.1 + b.1),
            Self::Sub => (a.0 - b.1, a.1 - b.0),
            Self::Min => (a.0.min(b.0), a.1.min(b.1)),
            Self::Max => (a.0.max(b.0), a.1.max(b.1)),
            Self::Mul => corners(|x, y| x * y, a, b),
            Self::Div if b.0 > 0.0 || b.1 < 0.0 => corners(|x, y| x / y, a, b),
            Self::Mod if a.0 >= 0.0 => (0.0, a.1),
            Self::Div | Self::Mod | Self::Pow => ALL,
        }
    }
}

fn corners(f: impl Fn(f64, f64) -> f64, a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let all = [f(a.0, b.0), f(a.0, b.1), f(a.1, b.0), f(a.1, b.1)];
    let fold = |f: fn(f64, f64) -> f64| all.into_iter().reduce(f).unwrap_or(f64::NAN);
    (fold(f64::min), fold(f64::max))
}
