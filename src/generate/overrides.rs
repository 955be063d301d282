//! What was changed by hand: the one exception to the rule that a value is a function of seed,
//! series and time.
//!
//! Plain data, applied by the generator that was given it and kept by nobody else.

/// All that was changed by hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Values that were fixed.
    pub holds: Vec<Hold>,
    /// Counters that were set back.
    pub resets: Vec<Reset>,
    /// Rates and values that were multiplied.
    pub spikes: Vec<Spike>,
    /// While time stands still.
    pub pauses: Vec<Pause>,
}

/// Which series are meant: those of a family that have all these labels.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Selector {
    /// The family's name, as its spec has it.
    pub family: String,
    /// Labels, without `__name__`; none: all series of the family.
    pub labels: Vec<(String, String)>,
}

/// Gauges and counters have a value for a while. Histograms and summaries are not held.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// Which.
    pub selector: Selector,
    /// The value.
    pub value: f64,
    /// From here.
    pub from_ms: i64,
    /// To here, exclusive.
    pub until_ms: i64,
}

/// Counters, histograms and summaries start again at 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Reset {
    /// Which.
    pub selector: Selector,
    /// When.
    pub at_ms: i64,
}

/// Gauges are multiplied for a while; what counts, counts that many times as fast.
#[derive(Clone, Debug, PartialEq)]
pub struct Spike {
    /// Which.
    pub selector: Selector,
    /// How many times.
    pub factor: f64,
    /// From here.
    pub from_ms: i64,
    /// To here, exclusive.
    pub until_ms: i64,
}

/// All values stay what they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pause {
    /// From here.
    pub at_ms: i64,
    /// To here, exclusive; then all is as if there had been no pause.
    pub until_ms: Option<i64>,
}

/// What was changed of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The value it has.
    pub hold: Option<f64>,
    /// When it was last set back.
    pub reset_ms: Option<i64>,
    /// Its spikes.
    pub spikes: Vec<SpikeAt>,
}

/// A spike of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpikeAt {
    /// How many times.
    pub factor: f64,
    /// From here.
    pub from_ms: i64,
    /// To here, exclusive.
    pub until_ms: i64,
}

impl Overrides {
    /// The instant whose values are shown at `time_ms`.
    pub fn shown_ms(&self, time_ms: i64) -> i64 {
        let holds = |pause: &&Pause| {
            time_ms >= pause.at_ms && pause.until_ms.is_none_or(|until_ms| time_ms < until_ms)
        };
        self.pauses.iter().filter(holds).map(|pause| pause.at_ms).min().unwrap_or(time_ms)
    }

    /// Whether anything of a family was changed.
    pub fn touches(&self, family: &str) -> bool {
        let holds = self.holds.iter().map(|hold| &hold.selector);
        let resets = self.resets.iter().map(|reset| &reset.selector);
        let spikes = self.spikes.iter().map(|spike| &spike.selector);
        holds.chain(resets).chain(spikes).any(|selector| selector.family == family)
    }

    /// What was changed of the series of which `has` knows the family and the labels; `None`:
    /// nothing.
    pub fn change(&self, time_ms: i64, has: impl Fn(&Selector) -> bool) -> Option<Change> {
        let is_on = |hold: &&Hold| (hold.from_ms..hold.until_ms).contains(&time_ms);
        let hold = self.holds.iter().rev().filter(is_on).find(|hold| has(&hold.selector));
        let resets = self.resets.iter().filter(|reset| reset.at_ms <= time_ms);
        let resets = resets.filter(|reset| has(&reset.selector)).map(|reset| reset.at_ms);
        let spikes = self.spikes.iter().filter(|spike| has(&spike.selector));
        let change = Change {
            hold: hold.map(|hold| hold.value),
            reset_ms: resets.max(),
            spikes: spikes
                .map(|&Spike { factor, from_ms, until_ms, .. }| SpikeAt {
                    factor,
                    from_ms,
                    until_ms,
                })
                .collect(),
        };
        (change != Change::default()).then_some(change)
    }
}
