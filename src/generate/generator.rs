//! A generator: a spec, compiled, to be asked for any target at any instant.

use std::sync::Arc;

use crate::generate::churn::fixed_share;
use crate::generate::churn::is_away;
use crate::generate::family::Family;
use crate::generate::family::Surroundings;
use crate::generate::hash;
use crate::generate::history::History;
use crate::generate::overrides::Overrides;
use crate::generate::page::Page;
use crate::generate::sample::SampleView;
use crate::generate::sample::visit_set;
use crate::generate::spec::ChurnSpec;
use crate::generate::spec::Spec;
use crate::generate::spec::SpecError;
use crate::generate::walk::Walk;
use crate::model::Format;

/// What a spec may ask for at most.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Sample lines of all targets, at the height of an explosion.
    pub n_series_max: u64,
}

impl Limits {
    /// Sample lines where no other limit is given.
    pub const N_SERIES_MAX: u64 = 20_000_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self { n_series_max: Self::N_SERIES_MAX }
    }
}

/// A spec, checked and compiled. A clone shares what was compiled.
#[derive(Clone, Debug)]
pub struct Generator {
    compiled: Arc<Compiled>,
    overrides: Arc<Overrides>,
}

#[derive(Debug)]
struct Compiled {
    families: Vec<Family>,
    n_targets: u32,
    start_ms: i64,
    interval_ms: i64,
    absences: Vec<Absence>,
}

/// Whole targets that are away now and then.
#[derive(Clone, Copy, Debug)]
struct Absence {
    share: u64,
    every_ms: i64,
    key: u64,
}

impl Generator {
    /// Check and compile.
    ///
    /// # Errors
    ///
    /// All that is wrong with the spec, with the paths of a YAML file.
    pub fn new(spec: &Spec, limits: &Limits) -> Result<Self, Vec<SpecError>> {
        let mut errors = Vec::new();
        if spec.interval_ms <= 0 {
            errors.push(SpecError::new("interval", "must be above 0"));
        }
        if spec.n_targets == 0 {
            errors.push(SpecError::new("targets", "must be above 0"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut taken: Vec<&str> = spec.families.iter().map(|family| &*family.name).collect();
        taken.sort_unstable();
        let around = Surroundings {
            seed: spec.seed,
            clock: spec.clock(),
            constant_labels: &spec.constant_labels,
            n_series_max: limits.n_series_max,
            taken: &taken,
        };
        let mut families = Vec::with_capacity(spec.families.len());
        let mut absences = Vec::new();
        for (nth, family) in spec.families.iter().enumerate() {
            let within = |error: SpecError| error.within(&format!("families[{nth}]"));
            if spec.families[..nth].iter().any(|other| other.name == family.name) {
                let message = format!("there is a family {:?} already", family.name);
                errors.push(within(SpecError::new("name", message)));
            }
            match Family::new(family, &around) {
                Ok(family) => families.push(family),
                Err(found) => errors.extend(found.into_iter().map(within)),
            }
            absences.extend(family.churn.iter().filter_map(|churn| absence(churn, spec.seed)));
        }
        let per_target = families.iter().map(Family::n_series_max).fold(0, u64::saturating_add);
        let n_series = per_target.saturating_mul(u64::from(spec.n_targets));
        if errors.is_empty() && n_series > limits.n_series_max {
            let message = format!(
                "all targets together have {n_series} series, more than the limit of {}; lower a \
                 count or raise the limit",
                limits.n_series_max
            );
            errors.push(SpecError::new("families", message));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let compiled = Compiled {
            families,
            n_targets: spec.n_targets,
            start_ms: spec.start_ms,
            interval_ms: spec.interval_ms,
            absences,
        };
        Ok(Self { compiled: Arc::new(compiled), overrides: Arc::default() })
    }

    /// The same generator with these changes by hand, in place of those it had.
    #[must_use]
    pub fn with_overrides(&self, overrides: Overrides) -> Self {
        Self { compiled: Arc::clone(&self.compiled), overrides: Arc::new(overrides) }
    }

    /// What was changed by hand.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// The families, in the order of the page.
    pub fn families(&self) -> &[Family] {
        &self.compiled.families
    }

    pub(super) fn family(&self, at: usize) -> Option<&Family> {
        self.compiled.families.get(at)
    }

    /// Virtual targets, numbered from 0.
    pub fn n_targets(&self) -> u32 {
        self.compiled.n_targets
    }

    /// Time 0 of every signal.
    pub fn start_ms(&self) -> i64 {
        self.compiled.start_ms
    }

    /// The step of discrete signals.
    pub fn interval_ms(&self) -> i64 {
        self.compiled.interval_ms
    }

    /// Sample lines of all targets, as long as nothing comes or goes.
    pub fn n_series(&self) -> u64 {
        let per_target: u64 = self.families().iter().map(Family::n_series).sum();
        per_target * u64::from(self.n_targets())
    }

    /// The exposition of a target at an instant.
    pub fn page(&self, target: u32, time_ms: i64, format: Format) -> Page {
        Page::new(self.clone(), target, time_ms, format)
    }

    /// All samples of a target from `from_ms` to `to_ms`, both included, every `step_ms`: label set
    /// by label set, as OpenMetrics with timestamps, ready for a backfill.
    ///
    /// A step below 1 is taken as 1.
    pub fn history(&self, target: u32, from_ms: i64, to_ms: i64, step_ms: i64) -> History {
        History::new(self.clone(), target, from_ms, to_ms, step_ms)
    }

    /// Hand over every sample of a target at an instant, in the order of the page.
    ///
    /// Series that have ended are handed over as stale, at every instant behind their end.
    pub fn for_each_sample(
        &self,
        target: u32,
        time_ms: i64,
        visit: &mut dyn FnMut(&SampleView<'_>),
    ) {
        let mut walk = Walk::new(self.clone(), target, time_ms);
        let mut labels = Vec::new();
        while let Some((family, block)) = walk.next() {
            let Some(family) = self.family(family) else { return };
            let Some(block) = family.blocks.get(block) else { return };
            visit_set(family, block, &walk, &mut labels, visit);
        }
    }

    /// Whether a target answers; if not, a scrape at this instant fails.
    pub fn is_up(&self, target: u32, time_ms: i64) -> bool {
        let elapsed = time_ms.saturating_sub(self.compiled.start_ms);
        let is_away = |absence: &Absence| {
            let key = hash::mix(absence.key, u64::from(target));
            is_away(key, absence.share, elapsed, absence.every_ms)
        };
        !self.compiled.absences.iter().any(is_away)
    }
}

/// What keeps the absences of targets apart from other random numbers.
const ABSENCE: u64 = 0x6162_7365_6e74;

fn absence(churn: &ChurnSpec, seed: u64) -> Option<Absence> {
    let ChurnSpec::Missing { share, every_ms } = churn else { return None };
    let share = fixed_share(*share)?;
    Some(Absence { share, every_ms: *every_ms, key: hash::mix(seed, ABSENCE) })
}

#[cfg(test)]
mod tests;
