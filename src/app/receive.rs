//! Remote write coming in: one endpoint for 1.0 and 2.0.
//!
//! | what | answer |
//! |---|---|
//! | all of it is accepted, and as durable as was promised | 204 |
//! | something of it is invalid; the rest is accepted | 400, with what and why |
//! | no snappy, no such message, too many series | 400 |
//! | not POST | 405 |
//! | the body took too long to come | 408 |
//! | a body longer than the limit | 413 |
//! | another content type or encoding | 415 |
//! | a queue is full | 429, `Retry-After` |
//! | draining, too many bytes in flight, the disk refuses | 503, `Retry-After` |
//!
//! Answers to 2.0 say what was accepted in `X-Prometheus-Remote-Write-*-Written`. What a rule drops
//! is accepted: nobody has to send it again. No status but these, and none of 5xx for bad input.

pub mod destination;
pub mod queued;

mod aggregation;
mod body;
mod content;
mod handing;
pub(super) mod state_file;

use crate::app::clock::Clock;
use crate::app::receive::aggregation::Aggregation;
use crate::app::receive::destination::AppendError;
use crate::app::receive::destination::Destination;
use crate::app::receive::handing::Mark;
use crate::app::receive::handing::hand_on;
use crate::config::file::receive::ReceiveSettings;
use crate::http::Body;
use crate::http::answer::{Problem, answer, text};
use crate::intake::Intake;
use crate::intake::IntakeError;
use crate::intake::Plan;
use crate::intake::Points;
use crate::intake::Reason;
use crate::intake::Taken;
use crate::relabel::Rules;
use crate::stream;
use crate::telemetry::receive::ReceiveMetrics;
use crate::wire::Version;
use crate::wire::snappy::decoded_len;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// After which time to try again where there is nothing better to say.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// The same while weir drains: somebody else has to take its place first.
const RETRY_AFTER_DRAIN: Duration = Duration::from_secs(5);
/// Bodies that are no longer than this when decoded are worked on where they were read: another
/// thread costs more than they do, about a millisecond.
const INLINE_BYTES_MAX: usize = 1 << 20;
/// Workers whose memory is kept between requests.
const WORKERS_KEPT: usize = 16;

/// What a receiver is made of.
#[derive(Debug)]
pub struct ReceiverConfig<D> {
    /// Path, limits and times.
    pub settings: ReceiveSettings,
    /// Where data go.
    pub destinations: Vec<Arc<D>>,
    /// Rules for all of it, before those of any destination.
    pub rules: Rules,
    /// What is aggregated while it passes.
    pub streams: Vec<stream::Rule>,
    /// The wall clock.
    pub clock: Clock,
    /// Words nobody can foresee, for the keys of fingerprints.
    pub random: fn() -> u64,
}

/// Takes remote write in.
#[derive(Debug)]
pub struct Receiver<D: Destination> {
    state: ArcSwap<State<D>>,
    in_flight: Arc<Semaphore>,
    /// As many requests are worked on at a time.
    processors: Arc<Semaphore>,
    is_draining: AtomicBool,
    metrics: ReceiveMetrics,
    aggregation: Aggregation,
}

/// What a reload replaces.
#[derive(Debug)]
struct State<D: Destination> {
    settings: ReceiveSettings,
    destinations: Vec<Arc<D>>,
    /// One for each of them.
    marks: Vec<Mark>,
    plan: Plan,
    workers: Mutex<Vec<Worker<D>>>,
}

#[derive(Debug)]
struct Worker<D: Destination> {
    intake: Intake,
    writers: Vec<D::Writer>,
}

impl<D: Destination> State<D> {
    fn new(config: ReceiverConfig<D>, aggregation: &Aggregation) -> Self {
        let ReceiverConfig { settings, destinations, rules, .. } = config;
        let all = destinations.iter().map(|destination| {
            let of_destination = destination.rules();
            Rules::new(rules.iter().chain(of_destination.iter()).cloned().collect())
        });
        let mut plan = Plan::new(all.collect(), settings.intake, aggregation.key());
        if let Some(aggregator) = aggregation.shared() {
            plan = plan.with_aggregator(rules, aggregator);
        }
        let marks = destinations.iter().map(|_| Mark::default()).collect();
        Self { settings, destinations, marks, plan, workers: Mutex::default() }
    }

    fn worker(&self) -> Worker<D> {
        let kept = self.workers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Worker {
            intake: Intake::new(&self.plan),
            writers: self.destinations.iter().map(|destination| destination.writer()).collect(),
        })
    }

    fn keep(&self, worker: Worker<D>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if workers.len() < WORKERS_KEPT {
            workers.push(worker);
        }
    }

    /// Judge a request, apply the rules, and write what goes to each destination.
    fn prepare(
        &self,
        version: Version,
        body: &Bytes,
        now_ms: i64,
    ) -> Result<Prepared<D>, IntakeError> {
        // A worker that panics is not used again.
        let mut worker = self.worker();
        let Worker { intake, writers } = &mut worker;
        let taken = intake.take(&self.plan, writers, version, body, now_ms);
        let prepared = taken.map(|mut taken| {
            let whole = taken.better.take().map_or_else(|| body.clone(), Bytes::from);
            let ways = taken.ways.iter().zip(&self.destinations).zip(writers);
            let batches = ways.map(|((way, destination), writer)| {
                if way.is_whole {
                    let is_empty = way.counts.is_empty();
                    (!is_empty).then(|| destination.whole(version, &way.counts, whole.clone()))
                } else {
                    destination.finish(writer)
                }
            });
            Prepared { batches: batches.collect(), taken }
        });
        self.keep(worker);
        prepared
    }
}

/// What a worker made of a request.
struct Prepared<D: Destination> {
    taken: Taken,
    /// What goes to each destination; `None`: nothing.
    batches: Vec<Option<D::Batches>>,
}

impl<D: Destination> Receiver<D> {
    /// A receiver that takes requests at once. `saved` is what [`Receiver::save_aggregation`] gave.
    pub fn new(config: ReceiverConfig<D>, saved: Option<&[u8]>, metrics: ReceiveMetrics) -> Self {
        let ReceiverConfig { streams, clock, random, .. } = &config;
        let aggregation = Aggregation::new(streams.clone(), saved, *clock, *random);
        metrics.declare(Reason::ALL.map(Reason::word));
        let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            in_flight: Arc::new(Semaphore::new(config.settings.in_flight_bytes_max)),
            processors: Arc::new(Semaphore::new(n_processors)),
            state: ArcSwap::from_pointee(State::new(config, &aggregation)),
            aggregation,
            is_draining: AtomicBool::new(false),
            metrics,
        }
    }

    /// Whether this is where remote write is received.
    pub fn is_at(&self, path: &str) -> bool {
        self.state.load().settings.path == path
    }

    /// Take over a new configuration; requests under way end with the old one. The bound on all
    /// bodies at a time stays as it was.
    pub fn reload(&self, config: ReceiverConfig<D>) {
        self.aggregation.reload(config.streams.clone());
        self.state.store(Arc::new(State::new(config, &self.aggregation)));
    }

    /// Whether 503 is answered.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// From now on, answer 503.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Answer a request.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        if self.is_draining() {
            return self.refuse(Refusal::Draining);
        }
        if request.method() != Method::POST {
            return answer(&Problem::WrongMethod { allowed: "POST" });
        }
        let version = match content::version_of(request.headers()) {
            Ok(version) => version,
            Err(told) => return self.refuse(Refusal::ContentType(told)),
        };
        let (mut response, written) = match self.take(version, request).await {
            Ok(taken) => (answer_taken(&taken), taken.written),
            Err(refusal) => (self.refuse(refusal), Points::default()),
        };
        if version == Version::V2 {
            tell_written(response.headers_mut(), written);
        }
        response
    }

    async fn take<B>(&self, version: Version, request: Request<B>) -> Result<Taken, Refusal>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Display,
    {
        let state = self.state.load_full();
        let body = body::read(request, &state.settings, &self.in_flight).await?;
        // Closed never: nobody closes it.
        let permit = Arc::clone(&self.processors).acquire_owned().await;
        let (worked, bytes) = (Arc::clone(&state), body.bytes.clone());
        let now_ms = self.aggregation.now_ms();
        let prepared = if decoded_len(&bytes) <= INLINE_BYTES_MAX {
            worked.prepare(version, &bytes, now_ms)
        } else {
            let work = spawn_blocking(move || worked.prepare(version, &bytes, now_ms));
            work.await.map_err(|_| Refusal::Fault)?
        };
        drop(permit);
        let Prepared { mut taken, batches } = prepared.map_err(Refusal::Intake)?;
        let handed = hand_on(&state.destinations, &state.marks, batches).await;
        handed.map_err(Refusal::Append)?;
        self.aggregation.commit(&mut taken.staged);
        self.count(version, &taken, &state.destinations);
        Ok(taken)
    }

    fn count(&self, version: Version, taken: &Taken, destinations: &[Arc<D>]) {
        let Points { n_samples, n_histograms, n_exemplars } = taken.written;
        let version = match version {
            Version::V1 => "1.0",
            Version::V2 => "2.0",
        };
        self.metrics.taken(version, [n_samples, n_histograms, n_exemplars]);
        for (reason, n) in taken.refusals.counts() {
            self.metrics.series_refused(reason.word(), n);
        }
        for (way, destination) in taken.ways.iter().zip(destinations) {
            let name = destination.name();
            self.metrics.forwarded(name, way.counts.points.n_values());
            for (rule, n) in way.dropped.iter().enumerate().filter(|(_, n)| **n > 0) {
                self.metrics.dropped(name, Some(rule), *n);
            }
            if way.n_nameless > 0 {
                self.metrics.dropped(name, None, way.n_nameless);
            }
        }
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        self.metrics.request_refused(refusal.word());
        refusal.answer()
    }
}

/// Why a request is refused as a whole.
#[derive(Debug)]
enum Refusal {
    Draining,
    ContentType(String),
    BodyTooLong { max: usize },
    BodyTooSlow,
    BodyBroken(String),
    InFlight,
    Intake(IntakeError),
    Append(AppendError),
    Fault,
}

impl Refusal {
    /// What it is counted under: one of [`crate::telemetry::receive::REFUSALS`].
    fn word(&self) -> &'static str {
        match self {
            Self::Draining | Self::Append(AppendError::Closed) => "draining",
            Self::ContentType(_) => "content_type",
            Self::BodyTooLong { .. } => "body_bytes",
            Self::BodyTooSlow => "read_time",
            Self::BodyBroken(_) => "body_broken",
            Self::InFlight => "in_flight_bytes",
            Self::Intake(error) => error.word(),
            Self::Append(AppendError::Full { .. }) => "queue_full",
            Self::Append(AppendError::Disk(_)) => "disk",
            Self::Append(AppendError::TooLong) => "record_bytes",
            Self::Fault => "fault",
        }
    }

    fn answer(self) -> Response<Body> {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let (status, told, retry) = match self {
            Self::Draining | Self::Append(AppendError::Closed) => {
                let told = "weir is draining, try again later".to_owned();
                (unavailable, told, Some(RETRY_AFTER_DRAIN))
            }
            Self::ContentType(told) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, told, None),
            Self::BodyTooLong { max } => {
                let told = format!("the body is longer than the limit of {max} bytes");
                (StatusCode::PAYLOAD_TOO_LARGE, told, None)
            }
            Self::BodyTooSlow => {
                let told = "the body did not come in time".to_owned();
                (StatusCode::REQUEST_TIMEOUT, told, None)
            }
            Self::BodyBroken(why) => {
                (StatusCode::BAD_REQUEST, format!("the body ended early: {why}"), None)
            }
            Self::InFlight => {
                let told = "too many bytes in flight, try again later".to_owned();
                (unavailable, told, Some(RETRY_SOON))
            }
            Self::Intake(error) => (StatusCode::BAD_REQUEST, error.to_string(), None),
            Self::Append(AppendError::Full { retry_after }) => {
                let told = "the queue is full, try again later".to_owned();
                (StatusCode::TOO_MANY_REQUESTS, told, Some(retry_after))
            }
            Self::Append(AppendError::TooLong) => {
                let told = "a series is longer than a record of the queue may be".to_owned();
                (StatusCode::PAYLOAD_TOO_LARGE, told, None)
            }
            Self::Append(AppendError::Disk(_)) => {
                let told = "the queue cannot be written, try again later".to_owned();
                (unavailable, told, Some(RETRY_SOON))
            }
            Self::Fault => return answer(&Problem::Internal),
        };
        let mut response = text(status, format!("{told}\n"));
        if let Some(retry) = retry {
            let seconds = retry.as_secs_f64().ceil().max(1.0);
            let seconds = HeaderValue::try_from(seconds.to_string());
            response.headers_mut().extend(seconds.ok().map(|value| (RETRY_AFTER, value)));
        }
        response
    }
}

fn answer_taken(taken: &Taken) -> Response<Body> {
    if taken.refusals.is_empty() {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return response;
    }
    text(StatusCode::BAD_REQUEST, format!("{}\n", taken.refusals))
}

fn tell_written(headers: &mut HeaderMap, written: Points) {
    const SAMPLES: HeaderName =
        HeaderName::from_static("x-prometheus-remote-write-samples-written");
    const HISTOGRAMS: HeaderName =
        HeaderName::from_static("x-prometheus-remote-write-histograms-written");
    const EXEMPLARS: HeaderName =
        HeaderName::from_static("x-prometheus-remote-write-exemplars-written");
    headers.insert(SAMPLES, written.n_samples.into());
    headers.insert(HISTOGRAMS, written.n_histograms.into());
    headers.insert(EXEMPLARS, written.n_exemplars.into());
}
