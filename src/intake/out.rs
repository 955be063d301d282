//! All ways on, for one request.

use std::sync::PoisonError;

use super::chain::DecideScratch;
use super::chain::Expected;
use super::chain::Outcome;
use super::report::Counts;
use super::report::Points;
use super::report::WayReport;
use super::request::Plan;
use super::way::Accepted;
use super::way::Pairs;
use super::way::SeriesWriter;
use super::way::Way;
use super::way::rewritten;
use crate::model::Fingerprint;
use crate::model::FingerprintKey;
use crate::stream::Staged;
use crate::wire::Labels;
use crate::wire::Request;
use crate::wire::Run;
use crate::wire::Version;
use crate::wire::put_label_v1;

/// How a request is walked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    /// Where nothing has to change, the body goes on as it is.
    Verbatim,
    /// Every series is written anew.
    Written,
}

/// What is written of one request.
#[derive(Debug)]
pub(super) struct Out {
    ways: Vec<Way>,
    scratch: DecideScratch,
    canonical: Vec<u8>,
    mode: Mode,
    /// Which ways the body may go as it is.
    whole: Vec<bool>,
    version: Version,
    now_ms: i64,
    staged: Staged,
    /// The series that is expected next to be aggregated.
    expected: Expected,
    /// Whether a series was aggregated and does not go on.
    has_held_back: bool,
}

impl Out {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            ways: plan.ways.iter().map(|chain| Way::new(chain.rules().len())).collect(),
            scratch: DecideScratch::default(),
            canonical: Vec::new(),
            mode: Mode::Verbatim,
            whole: Vec::new(),
            version: Version::V1,
            now_ms: 0,
            staged: Staged::default(),
            expected: Expected::default(),
            has_held_back: false,
        }
    }

    /// Begin with a request.
    pub(super) fn begin<W: SeriesWriter>(
        &mut self,
        plan: &Plan,
        writers: &mut [W],
        request: &Request<'_>,
        now_ms: i64,
    ) {
        (self.version, self.now_ms) = (request.version(), now_ms);
        let n_series = request.n_series() as u64;
        // What is known so far: a series has a sample as a rule.
        let points = Points { n_samples: n_series, ..Points::default() };
        let counts = Counts { n_series, points, ..Counts::default() };
        let ways = plan.ways.iter().zip(&*writers);
        let whole = ways.map(|(chain, writer)| {
            chain.is_identity() && writer.takes_whole(request.version(), &counts)
        });
        self.whole = whole.collect();
        self.begin_again(Mode::Verbatim, writers);
    }

    /// Forget what was written.
    pub(super) fn begin_again<W: SeriesWriter>(&mut self, mode: Mode, writers: &mut [W]) {
        self.mode = mode;
        self.staged.clear();
        self.has_held_back = false;
        self.ways.iter_mut().for_each(Way::clear);
        writers.iter_mut().for_each(SeriesWriter::clear);
        if mode == Mode::Written {
            self.whole.fill(false);
        }
    }

    /// Whether a request in which something is not in order has to be walked again.
    pub(super) fn is_to_be_redone(&self, has_lone_exemplars: bool) -> bool {
        self.mode == Mode::Verbatim && (has_lone_exemplars || self.whole.contains(&true))
    }

    /// Whether, at the end of the walk, the body can go as it is where it was to.
    pub(super) fn is_taken_whole<W: SeriesWriter>(&self, writers: &[W]) -> bool {
        let mut ways = self.ways.iter().zip(&self.whole).zip(writers);
        ways.all(|((way, is_whole), writer)| {
            !is_whole || writer.takes_whole(self.version, way.counts())
        })
    }

    /// Whether the body goes on as it is, wherever it goes.
    pub(super) fn is_whole_everywhere(&self) -> bool {
        self.whole.iter().all(|is_whole| *is_whole)
    }

    /// Whether nothing has to be known of series but how many they are.
    pub(super) fn counts_only(&self, plan: &Plan) -> bool {
        plan.aggregation.is_none() && self.is_whole_everywhere()
    }

    /// Count a run of series of a sample each, every way.
    pub(super) fn count(&mut self, run: Run) {
        self.ways.iter_mut().for_each(|way| way.count_run(run));
    }

    /// Write a series every way.
    pub(super) fn put<W: SeriesWriter>(
        &mut self,
        plan: &Plan,
        writers: &mut [W],
        accepted: &Accepted<'_>,
    ) {
        if plan.aggregation.is_some() && !self.aggregate(plan, accepted) {
            self.has_held_back = true;
            return;
        }
        let Self { ways, scratch, canonical, whole, .. } = self;
        let labels = accepted.series.labels();
        let mut fingerprint = None;
        let all = ways.iter_mut().zip(&plan.ways).zip(writers).zip(whole);
        for (((way, chain), writer), is_whole) in all {
            if *is_whole {
                way.count(accepted);
                continue;
            }
            if chain.is_identity() {
                way.put(accepted, &Outcome::Unchanged, writer);
                continue;
            }
            let fingerprint = *fingerprint.get_or_insert_with(|| {
                fingerprint_of(&plan.key, accepted.canonical, &labels, canonical)
            });
            let mut expected = way.expected;
            chain.decide(fingerprint, &labels, &mut expected, scratch, |outcome| {
                way.put(accepted, outcome, writer);
            });
            way.expected = expected;
        }
    }

    /// Note the samples of a series for aggregation; says whether it goes on all the same.
    fn aggregate(&mut self, plan: &Plan, accepted: &Accepted<'_>) -> bool {
        let Some(aggregation) = &plan.aggregation else { return true };
        let samples = accepted.series.samples();
        if samples.is_empty() || accepted.points.n_histograms > 0 {
            return true;
        }
        let Self { scratch, canonical, staged, now_ms, expected, .. } = self;
        let labels = accepted.series.labels();
        let fingerprint = fingerprint_of(&plan.key, accepted.canonical, &labels, canonical);
        let mut stage = |fingerprint, labels: &Labels<'_>| {
            // A panic while it was held left no sample half counted.
            let aggregator = aggregation.aggregator.lock();
            let mut aggregator = aggregator.unwrap_or_else(PoisonError::into_inner);
            aggregator.stage(fingerprint, labels, samples, *now_ms, staged)
        };
        if aggregation.rules.is_identity() {
            return stage(fingerprint, &labels);
        }
        let mut buffer = Vec::new();
        let rules = &aggregation.rules;
        rules.decide(fingerprint, &labels, expected, scratch, |outcome| match outcome {
            Outcome::Unchanged => stage(fingerprint, &labels),
            // Every way begins with the same rules, and counts what they drop.
            Outcome::Dropped { .. } | Outcome::Nameless => true,
            Outcome::Rewritten(rewrite) => {
                let mut new = Pairs::default();
                rewritten(rewrite, &labels, &mut new);
                let labels = Labels::of_pairs(new.all());
                stage(fingerprint_of(&plan.key, None, &labels, &mut buffer), &labels)
            }
        })
    }

    /// Whether a series was aggregated and does not go on.
    pub(super) fn has_held_back(&self) -> bool {
        self.has_held_back
    }

    /// Take what is to be aggregated.
    pub(super) fn take_staged(&mut self) -> Staged {
        std::mem::take(&mut self.staged)
    }

    /// Hand on the metadata of a request of 1.0, and take what is to be told.
    pub(super) fn finish<W: SeriesWriter>(
        &mut self,
        writers: &mut [W],
        request: &Request<'_>,
    ) -> Vec<WayReport> {
        let Self { ways, whole, .. } = self;
        let ways = ways.iter_mut().zip(writers).zip(whole);
        ways.map(|((way, writer), is_whole)| {
            for metric in request.metadata() {
                way.push_metadata(&metric, writer);
            }
            if *is_whole {
                // Writers remember metadata for later requests, but have nothing to write now.
                writer.clear();
            }
            way.finish(*is_whole)
        })
        .collect()
    }
}

/// The fingerprint of labels that are in order: of their bytes as 1.0 writes them.
pub(super) fn fingerprint_of(
    key: &FingerprintKey,
    canonical: Option<&[u8]>,
    labels: &Labels<'_>,
    buffer: &mut Vec<u8>,
) -> Fingerprint {
    if let Some(bytes) = canonical {
        return key.of(bytes);
    }
    buffer.clear();
    for (name, value) in labels {
        put_label_v1(buffer, name, value);
    }
    key.of(buffer)
}
