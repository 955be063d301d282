//! One way on: to a destination, behind its rules.

use std::ops::Range;

use super::chain::Expected;
use super::chain::Outcome;
use super::chain::Piece;
use super::chain::Rewrite;
use super::report::Counts;
use super::report::Points;
use super::report::WayReport;
use crate::wire::Labels;
use crate::wire::MetricMetadata;
use crate::wire::Run;
use crate::wire::Series;
use crate::wire::Version;

/// Writes what goes to one destination.
pub trait SeriesWriter {
    /// Whether a whole request of this version, with so much in it, can go on as it came.
    fn takes_whole(&self, version: Version, counts: &Counts) -> bool;
    /// Write a series. Metadata that come with it may have to go beside it.
    fn push(&mut self, series: &Series<'_>);
    /// Write metadata of a family, or remember them for its series.
    fn push_metadata(&mut self, metric: &MetricMetadata<'_>);
    /// Forget what was written since it was last taken.
    fn clear(&mut self);
}

/// A series that may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted<'a> {
    /// It, with labels in order.
    pub(super) series: Series<'a>,
    /// Its labels as 1.0 has them, if it came like that.
    pub(super) canonical: Option<&'a [u8]>,
    pub(super) points: Points,
}

/// What went one way so far.
#[derive(Debug, Default)]
pub(super) struct Way {
    report: WayReport,
    /// New labels, as 1.0 writes them.
    spelled: Vec<u8>,
    /// The series that is expected next.
    pub(super) expected: Expected,
}

impl Way {
    pub(super) fn new(n_rules: usize) -> Self {
        let report = WayReport { dropped: vec![0; n_rules], ..WayReport::default() };
        Self { report, spelled: Vec::new(), expected: Expected::default() }
    }

    pub(super) fn clear(&mut self) {
        self.report.clear();
    }

    /// Take what is to be told.
    pub(super) fn finish(&mut self, is_whole: bool) -> WayReport {
        let report = WayReport { is_whole, ..self.report.clone() };
        self.clear();
        report
    }

    /// What went this way.
    pub(super) fn counts(&self) -> &Counts {
        &self.report.counts
    }

    /// Count a series that goes on with the request as a whole.
    pub(super) fn count(&mut self, accepted: &Accepted<'_>) {
        let counts = &mut self.report.counts;
        counts.n_series += 1;
        counts.points += accepted.points;
        let samples = accepted.series.samples().iter().map(|sample| sample.timestamp_ms);
        let histograms = accepted.series.histograms();
        let histograms = histograms.iter().map(|histogram| histogram.timestamp_ms);
        counts.newest_ms = samples.chain(histograms).fold(counts.newest_ms, i64::max);
    }

    /// Count series of a sample each that go on with the request as a whole.
    pub(super) fn count_run(&mut self, run: Run) {
        let counts = &mut self.report.counts;
        counts.n_series += run.n_series;
        counts.points.n_samples += run.n_series;
        counts.newest_ms = counts.newest_ms.max(run.newest_ms);
    }

    pub(super) fn push_metadata(
        &mut self,
        metric: &MetricMetadata<'_>,
        writer: &mut impl SeriesWriter,
    ) {
        self.report.counts.n_metadata += 1;
        writer.push_metadata(metric);
    }

    /// Write a series under the labels its outcome says.
    pub(super) fn put(
        &mut self,
        accepted: &Accepted<'_>,
        outcome: &Outcome,
        writer: &mut impl SeriesWriter,
    ) {
        let Accepted { series, canonical, points } = accepted;
        let rewrite = match outcome {
            Outcome::Dropped { rule } => {
                if let Some(n) = self.report.dropped.get_mut(*rule as usize) {
                    *n += points.n_values();
                }
                return;
            }
            Outcome::Nameless => {
                self.report.n_nameless += points.n_values();
                return;
            }
            Outcome::Unchanged => None,
            Outcome::Rewritten(rewrite) => Some(rewrite),
        };
        self.count(accepted);
        let Some(rewrite) = rewrite else { return writer.push(series) };
        if let Some(canonical) = canonical {
            self.spelled.clear();
            spell(&mut self.spelled, rewrite, canonical);
            return writer.push(&series.with_spelled_labels(&self.spelled));
        }
        let mut new = Pairs::default();
        rewritten(rewrite, &series.labels(), &mut new);
        writer.push(&series.with_labels(Labels::of_pairs(new.all())));
    }
}

/// Labels that a series is written with: few, as a rule, so that they need no memory of their own.
#[derive(Debug, Default)]
pub(super) struct Pairs<'a> {
    few: [(&'a [u8], &'a [u8]); PAIRS_FEW],
    n: usize,
    many: Vec<(&'a [u8], &'a [u8])>,
}

/// Labels that are few.
const PAIRS_FEW: usize = 16;

impl<'a> Pairs<'a> {
    #[inline]
    fn push(&mut self, pair: (&'a [u8], &'a [u8])) {
        if let Some(place) = self.few.get_mut(self.n) {
            *place = pair;
            self.n += 1;
            return;
        }
        if self.many.is_empty() {
            self.many.extend_from_slice(&self.few);
        }
        self.many.push(pair);
    }

    /// Each of them, in order.
    pub(super) fn all(&self) -> &[(&'a [u8], &'a [u8])] {
        if self.many.is_empty() {
            return self.few.get(..self.n).unwrap_or_default();
        }
        &self.many
    }
}

/// Put together new labels, from the old ones.
pub(super) fn rewritten<'a>(rewrite: &'a Rewrite, labels: &Labels<'a>, new: &mut Pairs<'a>) {
    let (mut old, mut n_passed) = (labels.iter(), 0);
    for piece in rewrite.pieces() {
        match piece {
            // Places rise from piece to piece.
            Piece::Copied(range) => {
                for _ in n_passed..range.start {
                    old.next();
                }
                n_passed = range.end;
                for pair in old.by_ref().take(range.len()) {
                    new.push(pair);
                }
            }
            Piece::New { name, value, .. } => new.push((name, value)),
        }
    }
}

/// Write new labels as 1.0 does, from the old ones it wrote.
pub(super) fn spell(out: &mut Vec<u8>, rewrite: &Rewrite, labels: &[u8]) {
    let mut walk = LabelWalk { labels, at: 0, n_passed: 0 };
    for piece in rewrite.pieces() {
        match piece {
            Piece::Copied(range) => out.extend_from_slice(walk.bytes(range)),
            Piece::New { label, .. } => out.extend_from_slice(label),
        }
    }
}

/// A walk over labels as 1.0 has them, each in the fewest bytes.
struct LabelWalk<'a> {
    labels: &'a [u8],
    at: usize,
    n_passed: usize,
}

impl<'a> LabelWalk<'a> {
    /// The bytes of labels at these places, which are not before those asked for last.
    fn bytes(&mut self, places: Range<usize>) -> &'a [u8] {
        let from = self.pass(places.start);
        let to = self.pass(places.end);
        self.labels.get(from..to).unwrap_or_default()
    }

    fn pass(&mut self, place: usize) -> usize {
        while self.n_passed < place {
            let (mut n_bytes, mut at) = (0, self.at + 1);
            // A length takes five bytes at most.
            for shift in [0, 7, 14, 21, 28] {
                let byte = self.labels.get(at).copied().unwrap_or_default();
                at += 1;
                n_bytes |= usize::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            self.at = at + n_bytes;
            self.n_passed += 1;
        }
        self.at
    }
}
