//! Which series of a request may go on, and what is said of the others.

use super::histogram;
use super::labels::Checker;
use super::labels::Form;
use super::labels::LabelFault;
use super::labels::Shown;
use super::lone::Lone;
use super::lone::LoneExemplars;
use super::report::Points;
use super::report::Reason;
use super::report::Refusals;
use super::way::Accepted;
use crate::wire::Labels;
use crate::wire::NotedNames;
use crate::wire::Request;
use crate::wire::Run;
use crate::wire::Series;
use crate::wire::Version;
use crate::wire::WireError;

/// Judges the series of one request after the other.
#[derive(Debug, Default)]
pub(super) struct Judge {
    checker: Checker,
    labels_max: usize,
    /// Whether all text of the request is known to be UTF-8.
    is_utf8: bool,
    state: State,
}

/// What has been found so far.
#[derive(Debug, Default)]
struct State {
    /// Whether everything may go on as it is.
    is_clean: bool,
    refusals: Refusals,
    written: Points,
    /// Whether exemplars came without a value of their series.
    has_lone_exemplars: bool,
    /// Those, once they have been collected.
    lone: Option<LoneExemplars>,
}

impl Judge {
    pub(super) fn begin(&mut self, labels_max: usize, request: &Request<'_>) {
        self.labels_max = labels_max;
        self.state.lone = None;
        self.begin_again(request);
    }

    /// Begin with the same request once more.
    pub(super) fn begin_again(&mut self, request: &Request<'_>) {
        self.is_utf8 = request.version() == Version::V2 && request.symbols_are_utf8();
        self.state.is_clean = true;
        self.state.has_lone_exemplars = false;
        self.state.refusals.clear();
        self.state.written = Points::default();
    }

    /// Whether everything so far may go on as it is.
    pub(super) fn is_clean(&self) -> bool {
        self.state.is_clean
    }

    /// The names of series that may go on without being looked at any closer.
    pub(super) fn names_of_run(&self, version: Version) -> Option<&NotedNames> {
        let may_skip = (version == Version::V1 || self.is_utf8) && self.state.lone.is_none();
        may_skip.then(|| self.checker.noted())
    }

    /// Accept such a series.
    #[inline]
    pub(super) fn accept_alike<'a>(&mut self, series: &Series<'a>) -> Accepted<'a> {
        let points = Points { n_samples: 1, ..Points::default() };
        self.state.written += points;
        let canonical = series.canonical_v1().map(|(labels, _)| labels);
        Accepted { series: *series, canonical, points }
    }

    /// Accept a run of such series.
    pub(super) fn accept(&mut self, run: Run) {
        self.state.written.n_samples += run.n_series;
    }

    /// What was accepted.
    pub(super) fn written(&self) -> Points {
        self.state.written
    }

    pub(super) fn take_refusals(&mut self) -> Refusals {
        std::mem::take(&mut self.state.refusals)
    }

    #[cold]
    pub(super) fn refuse(&mut self, reason: Reason, text: impl FnOnce() -> String) {
        self.state.refuse(reason, text);
    }

    /// Whether exemplars came without a value of their series.
    pub(super) fn has_lone_exemplars(&self) -> bool {
        self.state.has_lone_exemplars
    }

    /// Walk over a request for the exemplars that came without a value of their series.
    pub(super) fn collect_lone_exemplars(
        &mut self,
        request: &mut Request<'_>,
    ) -> Result<(), WireError> {
        let mut lone = LoneExemplars::default();
        loop {
            match request.next_series() {
                Ok(None) => break,
                Ok(Some(series)) => {
                    let points = points_of(&series);
                    let labels = series.labels();
                    if points.n_values() == 0
                        && points.n_exemplars > 0
                        && self.checker.check(&labels, self.is_utf8, self.labels_max).is_ok()
                    {
                        lone.add(&series);
                    }
                }
                Err(error) if error.is_of_one_series() => {}
                Err(error) => return Err(error),
            }
        }
        self.state.lone = Some(lone);
        Ok(())
    }

    /// Those exemplars that found no value.
    pub(super) fn take_lone_exemplars(&mut self) -> impl Iterator<Item = Lone> + use<> {
        self.state.lone.take().into_iter().flat_map(LoneExemplars::into_all)
    }

    /// Judge a series, and hand it on if it may.
    #[inline]
    pub(super) fn judge(
        &mut self,
        series: &Series<'_>,
        version: Version,
        then: impl FnOnce(&Accepted<'_>),
    ) {
        let Self { checker, labels_max, state, .. } = self;
        let canonical = series.canonical_v1().map(|(labels, _)| labels);
        let is_utf8 = self.is_utf8 || canonical.is_some_and(<[u8]>::is_ascii);
        let labels = series.labels();
        let form = match checker.check(&labels, is_utf8, *labels_max) {
            Ok(form) => form,
            Err(fault) => return state.refuse_labels(&labels, fault, *labels_max),
        };
        let mut accepted = Accepted { series: *series, canonical, points: points_of(series) };
        if let Form::Sorted(set) = form {
            state.is_clean = false;
            accepted.series = series.with_labels(Labels::of_set(set));
            accepted.canonical = None;
        }
        let has_histograms = accepted.points.n_histograms > 0;
        let is_empty_v1 = version == Version::V1 && accepted.points.n_exemplars == 0;
        let is_plain = !has_histograms && (accepted.points.n_samples > 0 || is_empty_v1);
        if is_plain && state.lone.is_none() {
            state.written += accepted.points;
            then(&accepted);
        } else {
            state.judge_points(&accepted, version, then);
        }
    }
}

impl State {
    #[cold]
    fn refuse(&mut self, reason: Reason, text: impl FnOnce() -> String) {
        self.is_clean = false;
        self.refusals.add(reason, text);
    }

    #[cold]
    fn refuse_labels(&mut self, labels: &Labels<'_>, fault: LabelFault, labels_max: usize) {
        let shown = Shown(labels);
        let mut names: Vec<_> = labels.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]).map_or(&b""[..], |p| p[0]);
        let twice = String::from_utf8_lossy(twice);
        match fault {
            LabelFault::Invalid => {
                self.refuse(Reason::Labels, || {
                    format!("invalid metric name or labels, got {shown}")
                });
            }
            LabelFault::Duplicate => self.refuse(Reason::DuplicateLabel, || {
                format!("invalid labels for series, labels {shown}, duplicated label {twice}")
            }),
            LabelFault::TooMany => self.refuse(Reason::TooManyLabels, || {
                let n = labels.len();
                format!("{n} labels, more than the limit of {labels_max}, for series {shown}")
            }),
        }
    }

    /// Judge a series that is more than samples alone.
    fn judge_points(
        &mut self,
        accepted: &Accepted<'_>,
        version: Version,
        then: impl FnOnce(&Accepted<'_>),
    ) {
        let Points { n_samples, n_histograms, n_exemplars } = accepted.points;
        let series = accepted.series;
        let labels = series.labels();
        let shown = Shown(&labels);
        if version == Version::V2 && n_samples > 0 && n_histograms > 0 {
            return self.refuse(Reason::Mixed, || {
                format!(
                    "TimeSeries must contain samples or histograms, not both, for series {shown}"
                )
            });
        }
        if accepted.points.n_values() == 0 && n_exemplars > 0 {
            self.has_lone_exemplars = true;
            if version == Version::V2 || self.lone.is_some() {
                self.is_clean = false;
                // They are written with a value, or behind all others.
                self.written.n_exemplars += n_exemplars;
                return;
            }
        } else if version == Version::V2 && accepted.points.n_values() == 0 {
            return self.refuse(Reason::Empty, || {
                format!(
                    "TimeSeries must contain at least one sample or histogram for series {shown}"
                )
            });
        }
        let mut good = Vec::new();
        for histogram in series.histograms().iter() {
            // 1.0 has no custom buckets: they are left out where it is written.
            self.is_clean &= version == Version::V2 || !histogram.has_custom_buckets();
            match histogram::validate(&histogram) {
                Ok(()) => good.push(histogram),
                Err(fault) => {
                    let text = || format!("{fault} for series {shown}");
                    self.refuse(Reason::Histogram, text);
                }
            }
        }
        if good.len() as u64 == n_histograms {
            self.hand_on(accepted, then);
            return;
        }
        if good.is_empty() && n_samples == 0 {
            return;
        }
        let points = Points { n_histograms: good.len() as u64, ..accepted.points };
        let series = series.with_histograms(&good);
        self.hand_on(&Accepted { series, canonical: None, points }, then);
    }

    /// Hand a series on, together with exemplars of it that came without a value.
    fn hand_on(&mut self, accepted: &Accepted<'_>, then: impl FnOnce(&Accepted<'_>)) {
        self.written += accepted.points;
        let labels = accepted.series.labels();
        match self.lone.as_mut().and_then(|lone| lone.take(&labels)) {
            Some(lone) => lone.with(accepted, then),
            None => then(accepted),
        }
    }
}

fn points_of(series: &Series<'_>) -> Points {
    Points {
        n_samples: series.samples().len() as u64,
        n_histograms: series.histograms().len() as u64,
        n_exemplars: series.exemplars().len() as u64,
    }
}
