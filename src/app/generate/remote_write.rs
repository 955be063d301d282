//! `weir generate remote-write`: series sent by remote write, through the queue and the sender of
//! the gate.
//!
//! Targets are told apart by `job` and `instance`, as if they were scraped. Without `--start` and
//! `--end` an instant is sent at a time, as time goes by; with them all instants as fast as they
//! are taken. Two ways of disorder test who receives: `--duplicates` sends all of an instant twice,
//! `--out-of-order` sends every third instant late, behind newer ones. What is sent is the same
//! function of seed and time as everywhere.

use crate::app::exit::Exit;
use crate::app::generate::Loaded;
use crate::app::generate::one;
use crate::app::generate::sending::Sending;
use crate::app::generate::serve::CLOCK;
use crate::app::generate::write::Progress;
use crate::app::options::random_word;
use crate::app::serve::Failure;
use crate::http::Url;
use crate::http::proxy::ProxyRules;
use crate::http::proxy::ProxySettings;
use crate::http::settings::HeaderSetting;
use crate::http::settings::Secret;
use crate::remote_write::Destinations;
use crate::remote_write::QueueStatus;
use crate::remote_write::Settings;
use crate::remote_write::Surroundings;
use crate::remote_write::settings::Durability;
use crate::wire::Version;
use http::HeaderName;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio::time::interval;

/// More instants than this are a mistake: three years every second.
const INSTANTS_MAX: i64 = 100_000_000;
/// Bytes that wait on disk; beyond them generating waits.
const QUEUE_BYTES_MAX: u64 = 256 << 20;
/// How long sending may go on after the last instant: as long as it takes.
const DRAIN_TIME_MAX: Duration = Duration::from_hours(24 * 365);
/// The same once a signal has asked to stop.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// What to send, and where to.
#[derive(Clone, Debug)]
pub struct RemoteWrite {
    /// Where to.
    pub url: String,
    /// In which version: `1.0`, `2.0`, or as Prometheus calls their messages.
    pub protocol: String,
    /// What else to send along, names and values.
    pub headers: Vec<(String, String)>,
    /// The value of `job`.
    pub job: String,
    /// First and last instant; now, and on and on, if there is none.
    pub span_ms: Option<(i64, i64)>,
    /// From instant to instant; by default the interval of the generator.
    pub step_ms: Option<i64>,
    /// By how much every third instant is late.
    pub late_ms: Option<i64>,
    /// Whether all is sent twice.
    pub has_duplicates: bool,
    /// Requests at the same time, at most.
    pub shards_max: usize,
    /// Samples of a request.
    pub samples_per_send_max: usize,
    /// Where the queue is kept; a temporary folder if there is none.
    pub data_dir: Option<PathBuf>,
    /// Proxies between here and there.
    pub proxies: ProxySettings,
}

impl RemoteWrite {
    fn settings(&self) -> Result<Settings, String> {
        let url = Url::parse(&self.url).map_err(|e| format!("--url {:?}: {e}", self.url))?;
        let version = match &*self.protocol {
            "1.0" | "prometheus.WriteRequest" => Version::V1,
            "2.0" | "io.prometheus.write.v2.Request" => Version::V2,
            other => return Err(format!("--protocol {other:?}: write 1.0 or 2.0")),
        };
        let mut settings = Settings {
            version,
            send_exemplars: true,
            send_native_histograms: true,
            ..Settings::new(url)
        };
        for (name, value) in &self.headers {
            let wrong = |_| format!("--header {name:?}: this is no name of a header");
            let name = HeaderName::try_from(name).map_err(wrong)?;
            let values = vec![Secret::Inline(value.clone())];
            settings.client.headers.push(HeaderSetting { name, values });
        }
        settings.queue.bytes_max = QUEUE_BYTES_MAX;
        settings.queue.durability = Durability::Relaxed;
        settings.queue.shards_max = self.shards_max;
        settings.queue.samples_per_send_max = self.samples_per_send_max;
        Ok(settings)
    }

    fn problem(&self, step_ms: i64) -> Option<String> {
        let (start_ms, end_ms) = self.span_ms?;
        if end_ms < start_ms {
            return Some("--end is before --start".to_owned());
        }
        let too_many = (end_ms - start_ms) / step_ms > INSTANTS_MAX;
        too_many.then(|| format!("more than {INSTANTS_MAX} instants: use a longer --step"))
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sent {
    /// Samples and histograms the destination has taken.
    pub n_sent: u64,
    /// Those it has refused for good.
    pub n_refused: u64,
    /// Records that are left in the queue.
    pub n_left: u64,
}

/// Send until the last instant is answered, or `stop` completes.
///
/// # Errors
///
/// A span that makes no sense, a queue that cannot be had, a destination that refused something.
pub async fn run(
    loaded: Loaded,
    plan: RemoteWrite,
    stop: impl Future<Output = ()>,
    progress: &mut Progress<impl Write>,
) -> Result<Sent, Failure> {
    let step_ms = plan.step_ms.unwrap_or(loaded.generator.interval_ms()).max(1);
    if let Some(problem) = plan.problem(step_ms) {
        return Err(one(&problem));
    }
    let settings = plan.settings().map_err(|line| one(&line))?;
    let proxies = ProxyRules::new(&plan.proxies)
        .map_err(|e| one(&format!("HTTP_PROXY or HTTPS_PROXY is no proxy's URL: {e}")))?;
    let folder = Folder::new(plan.data_dir.clone());
    let surroundings =
        Surroundings { data_dir: folder.path.clone(), proxies, now_ms: CLOCK, random: random_word };
    let failed = |line: String| Failure::new(Exit::Failure, line);
    let started = Destinations::start(vec![settings], surroundings).await;
    let all = started.map_err(|error| failed(error.to_string()))?;
    let sent = |all: &Destinations| all.status().first().map(sent_of).unwrap_or_default();
    let is_stopped = {
        let mut sending = Sending::new(loaded.generator, &all, &plan);
        let mut tell = |instant_ms: i64| {
            let Sent { n_sent, .. } = sent(&all);
            progress.tell(|| format!("at {}, {n_sent} samples sent", instant_ms / 1000));
        };
        let instants = async {
            match plan.span_ms {
                Some((start_ms, end_ms)) => {
                    let mut at_ms = start_ms;
                    while at_ms <= end_ms {
                        sending.send(at_ms).await?;
                        tell(at_ms);
                        at_ms = at_ms.saturating_add(step_ms);
                    }
                    sending.send_late().await
                }
                None => go_on(&mut sending, step_ms, &mut tell).await,
            }
        };
        tokio::pin!(stop);
        let told = tokio::select! {
            told = instants => told.map(|()| false),
            () = &mut stop => Ok(true),
        };
        let is_stopped = told.map_err(failed)?;
        if !is_stopped {
            tokio::select! {
                () = all.drain(DRAIN_TIME_MAX) => {}
                () = stop => {}
            }
        }
        is_stopped
    };
    if is_stopped {
        all.drain(STOP_TIME_MAX).await;
    }
    progress.end();
    finish(&all, sent(&all))
}

/// Send each instant when its time has come, for ever.
async fn go_on(
    sending: &mut Sending,
    step_ms: i64,
    tell: &mut impl FnMut(i64),
) -> Result<(), String> {
    let step = Duration::from_millis(u64::try_from(step_ms).unwrap_or(1));
    let mut ticks = interval(step);
    // Instants that were missed while the destination took nothing are left out.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let now_ms = CLOCK();
        sending.send(now_ms).await?;
        tell(now_ms);
    }
}

fn sent_of(status: &QueueStatus) -> Sent {
    Sent { n_sent: status.n_sent, n_refused: status.n_failed, n_left: status.n_records }
}

fn finish(all: &Arc<Destinations>, sent: Sent) -> Result<Sent, Failure> {
    let last_error = all.status().into_iter().find_map(|status| status.last_error);
    let why = last_error.map(|error| format!(": {error}")).unwrap_or_default();
    let line = match sent {
        Sent { n_refused: 0, n_left: 0, .. } => return Ok(sent),
        Sent { n_refused: 0, n_left, .. } => format!("{n_left} records were not sent{why}"),
        Sent { n_refused, .. } => format!("{n_refused} samples were refused{why}"),
    };
    Err(Failure::new(Exit::Failure, line))
}

/// Where the queue is; what is temporary is removed.
struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    fn new(given: Option<PathBuf>) -> Self {
        let is_temporary = given.is_none();
        let path = given.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("weir-generate-{:016x}", random_word()))
        });
        Self { path, is_temporary }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            // What cannot be removed is the system's to clean up.
            fs::remove_dir_all(&self.path).ok();
        }
    }
}
