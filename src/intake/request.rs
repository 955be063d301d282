//! One request: decompressed, judged, put through the rules, written for its destinations.

use std::sync::Arc;
use std::sync::Mutex;

use super::chain::Chain;
use super::judge::Judge;
use super::out::Mode;
use super::out::Out;
use super::report::Points;
use super::report::Reason;
use super::report::Refusals;
use super::report::WayReport;
use super::way::SeriesWriter;
use crate::model::FingerprintKey;
use crate::relabel::Rules;
use crate::stream::Aggregator;
use crate::stream::Staged;
use crate::wire::Decoder;
use crate::wire::Limits;
use crate::wire::Request;
use crate::wire::Version;
use crate::wire::WireError;
use crate::wire::WireErrorKind;
use crate::wire::snappy::Snappy;
use crate::wire::snappy::SnappyError;

/// Memory a worker keeps between requests, for a decompressed body.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Bounds on one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IntakeLimits {
    /// Bytes of the decompressed body.
    pub decoded_bytes_max: usize,
    /// Series of a request.
    pub series_max: usize,
    /// Labels of a series; one with more is refused alone.
    pub labels_max: usize,
    /// Series for which each way remembers the outcome of its rules.
    pub cached_series_max: usize,
    /// Bytes it remembers beside them.
    pub cached_bytes_max: usize,
}

/// What all workers share, until the next reload.
#[derive(Debug)]
pub struct Plan {
    pub(super) ways: Vec<Chain>,
    limits: IntakeLimits,
    pub(super) key: FingerprintKey,
    pub(super) aggregation: Option<Aggregation>,
}

impl Plan {
    /// A plan with a way for each of these lists of rules.
    pub fn new(ways: Vec<Rules>, limits: IntakeLimits, key: FingerprintKey) -> Self {
        let chain = |rules| Chain::new(rules, limits.cached_series_max, limits.cached_bytes_max);
        let ways = ways.into_iter().map(chain).collect();
        Self { ways, limits, key, aggregation: None }
    }

    /// The same plan, which has what `rules` leave aggregated on the way.
    #[must_use]
    pub fn with_aggregator(self, rules: Rules, aggregator: Arc<Mutex<Aggregator>>) -> Self {
        let Self { limits, .. } = &self;
        let rules = Chain::new(rules, limits.cached_series_max, limits.cached_bytes_max);
        Self { aggregation: Some(Aggregation { rules, aggregator }), ..self }
    }

    /// Series remembered by each way.
    pub fn n_remembered(&self) -> impl Iterator<Item = usize> {
        self.ways.iter().map(Chain::n_remembered)
    }
}

/// What is aggregated, and behind which rules.
#[derive(Debug)]
pub(super) struct Aggregation {
    pub(super) rules: Chain,
    pub(super) aggregator: Arc<Mutex<Aggregator>>,
}

/// Why a whole request was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// It cannot be decompressed.
    #[error(transparent)]
    Snappy(#[from] SnappyError),
    /// It is no message, or passes a limit.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It is a message of the other version.
    #[error(
        "the body looks like the other version of the message: send Content-Type application/x-protobuf;proto={0}"
    )]
    OtherVersion(&'static str),
}

impl IntakeError {
    /// What it is counted under: one of [`IntakeError::WORDS`].
    pub fn word(&self) -> &'static str {
        match self {
            Self::Snappy(SnappyError::TooLong { .. }) => "decoded_bytes",
            Self::Snappy(_) => "snappy",
            Self::Wire(WireError { kind: WireErrorKind::TooMany { .. }, .. }) => "too_many",
            Self::Wire(_) => "protobuf",
            Self::OtherVersion(_) => "other_version",
        }
    }

    /// Every word.
    pub const WORDS: [&'static str; 5] =
        ["decoded_bytes", "snappy", "too_many", "protobuf", "other_version"];
}

/// What a request left.
#[derive(Debug, Default)]
pub struct Taken {
    /// What was accepted: what the sender is told was written.
    pub written: Points,
    /// What was refused.
    pub refusals: Refusals,
    /// What goes on, for each way.
    pub ways: Vec<WayReport>,
    /// Samples that are to be aggregated once the request is accepted.
    pub staged: Staged,
    /// What goes on in place of the body where that goes on whole, if it came compressed in name
    /// only.
    pub better: Option<Vec<u8>>,
}

/// A worker: takes one request after the other, in memory it keeps.
#[derive(Debug)]
pub struct Intake {
    snappy: Snappy,
    decoder: Decoder,
    judge: Judge,
    out: Out,
}

impl Intake {
    /// A worker for a plan.
    pub fn new(plan: &Plan) -> Self {
        let limits = Limits { series_max: plan.limits.series_max, ..Limits::default() };
        Self {
            snappy: Snappy::new(),
            decoder: Decoder::new(limits),
            judge: Judge::default(),
            out: Out::new(plan),
        }
    }

    /// Take a request: `body` as it was sent, `now_ms` the time. What goes each way is given to its writer.
    ///
    /// # Errors
    ///
    /// When all of it is refused. What is wrong with single series is in [`Taken::refusals`].
    pub fn take<W: SeriesWriter>(
        &mut self,
        plan: &Plan,
        writers: &mut [W],
        version: Version,
        body: &[u8],
        now_ms: i64,
    ) -> Result<Taken, IntakeError> {
        let Self { snappy, decoder, judge, out } = self;
        let message = snappy.decompress(body, plan.limits.decoded_bytes_max)?;
        let mut walk = Walk { plan, judge, out, writers };
        let taken = walk.all(decoder, version, message, now_ms).and_then(|mut taken| {
            if taken.ways.iter().any(|way| way.is_whole) {
                taken.better = snappy.improve(body)?.map(<[u8]>::to_vec);
            }
            Ok(taken)
        });
        snappy.shrink_to(KEPT_BYTES_MAX);
        taken
    }
}

/// What a walk over a request works with.
struct Walk<'w, W> {
    plan: &'w Plan,
    judge: &'w mut Judge,
    out: &'w mut Out,
    writers: &'w mut [W],
}

impl<W: SeriesWriter> Walk<'_, W> {
    fn all(
        &mut self,
        decoder: &mut Decoder,
        version: Version,
        message: &[u8],
        now_ms: i64,
    ) -> Result<Taken, IntakeError> {
        let mut request = decoder.open(version, message)?;
        if request.looks_like_other_version() {
            return Err(IntakeError::OtherVersion(match version {
                Version::V1 => "io.prometheus.write.v2.Request",
                Version::V2 => "prometheus.WriteRequest",
            }));
        }
        self.judge.begin(self.plan.limits.labels_max, &request);
        self.out.begin(self.plan, self.writers, &request, now_ms);
        let walked = self.series(&mut request)?;
        // 1.0 may have them alone, 2.0 may not.
        let has_lone = self.judge.has_lone_exemplars() && !self.out.is_whole_everywhere();
        if walked == Walked::Again || has_lone || !self.out.is_taken_whole(self.writers) {
            request = decoder.open(version, message)?;
            if self.judge.has_lone_exemplars() {
                self.judge.collect_lone_exemplars(&mut request)?;
                request = decoder.open(version, message)?;
            }
            self.judge.begin_again(&request);
            self.out.begin_again(Mode::Written, self.writers);
            self.series(&mut request)?;
        }
        let Self { plan, judge, out, writers } = self;
        for lone in judge.take_lone_exemplars() {
            lone.alone(|accepted| out.put(plan, writers, accepted));
        }
        Ok(Taken {
            ways: self.out.finish(self.writers, &request),
            staged: self.out.take_staged(),
            written: self.judge.written(),
            refusals: self.judge.take_refusals(),
            better: None,
        })
    }

    /// Judge each series, and write those that may go on.
    fn series(&mut self, request: &mut Request<'_>) -> Result<Walked, WireError> {
        let version = request.version();
        loop {
            self.alike(request);
            if self.is_in_vain(request) {
                return Ok(Walked::Again);
            }
            let Self { plan, judge, out, writers } = self;
            match request.next_series() {
                Ok(None) => return Ok(Walked::Through),
                Ok(Some(series)) => {
                    judge.judge(&series, version, |accepted| {
                        out.put(plan, writers, accepted);
                    });
                }
                Err(error) if error.is_of_one_series() => {
                    judge.refuse(Reason::References, || match &error.kind {
                        WireErrorKind::Refs(fault) => fault.to_string(),
                        kind => kind.to_string(),
                    });
                }
                Err(error) => return Err(error),
            }
            for fault in request.refused_exemplars() {
                let text = || fault.to_string().replacen("parsing labels", "parsing exemplar", 1);
                judge.refuse(Reason::Exemplar, text);
            }
        }
    }

    /// Take the series that are like the one before, as long as there are any.
    fn alike(&mut self, request: &mut Request<'_>) {
        let version = request.version();
        if self.out.counts_only(self.plan) {
            let names = self.judge.names_of_run(version);
            let run = names.map(|names| request.skip_alike(names)).unwrap_or_default();
            if run.n_series > 0 {
                self.judge.accept(run);
                self.out.count(run);
            }
            return;
        }
        while !self.is_in_vain(request)
            && let Some(names) = self.judge.names_of_run(version)
            && let Some(series) = request.next_alike(names)
        {
            let accepted = self.judge.accept_alike(&series);
            self.out.put(self.plan, self.writers, &accepted);
        }
    }

    /// Whether the request has to be walked again, since its body cannot go on as it came.
    fn is_in_vain(&self, request: &Request<'_>) -> bool {
        let Self { judge, out, .. } = self;
        let is_clean =
            judge.is_clean() && !out.has_held_back() && !request.has_created_timestamps();
        !is_clean && out.is_to_be_redone(judge.has_lone_exemplars())
    }
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Walked {
    Through,
    /// The body cannot go on as it is after all.
    Again,
}
