//! What a destination is asked to do, in the words of Prometheus' `remote_write`.

use crate::buffer::Config;
use crate::buffer::WhenFull;
use crate::buffer::config::BYTES_MAX;
use crate::http::Url;
use crate::http::settings::ClientSettings;
use crate::wire::Version;
use std::time::Duration;

/// Default of [`Settings::remote_timeout`].
pub const REMOTE_TIMEOUT: Duration = Duration::from_secs(30);
/// Default of [`QueueSettings::samples_per_send_max`].
pub const SAMPLES_PER_SEND_MAX: usize = 2000;
/// Default of [`QueueSettings::bytes_per_send_max`], before compression: half of what receivers
/// take.
pub const BYTES_PER_SEND_MAX: usize = 16 << 20;
/// Default of [`QueueSettings::shards_max`].
pub const SHARDS_MAX: usize = 50;
/// Default of [`QueueSettings::batch_send_deadline`].
pub const BATCH_SEND_DEADLINE: Duration = Duration::from_secs(5);
/// Default of [`QueueSettings::min_backoff`].
pub const MIN_BACKOFF: Duration = Duration::from_millis(30);
/// Default of [`QueueSettings::max_backoff`].
pub const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// Default of [`MetadataSettings::send_interval`].
pub const METADATA_INTERVAL: Duration = Duration::from_mins(1);

/// When an append is answered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// Once the disk has it.
    #[default]
    Durable,
    /// Once it is in memory: a crash of the machine or a kill loses what was not written yet, up to
    /// about half a second.
    Relaxed,
}

/// How a destination's data is queued, batched and sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueueSettings {
    /// Requests at the same time, at least.
    pub shards_min: usize,
    /// Requests at the same time, at most.
    pub shards_max: usize,
    /// Samples and histograms of a request.
    pub samples_per_send_max: usize,
    /// Bytes of a request before compression.
    pub bytes_per_send_max: usize,
    /// How long a sample may wait for others to be sent with it.
    pub batch_send_deadline: Duration,
    /// The first wait after a failure.
    pub min_backoff: Duration,
    /// The longest wait after a failure.
    pub max_backoff: Duration,
    /// Whether a 429 is tried again, as a 5xx is.
    pub retry_on_http_429: bool,
    /// Records older than this are dropped.
    pub sample_age_limit: Option<Duration>,
    /// Bytes the queue may have on disk.
    pub bytes_max: u64,
    /// What to do when there is no room.
    pub when_full: WhenFull,
    /// When an append is answered.
    pub durability: Durability,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            shards_min: 1,
            shards_max: SHARDS_MAX,
            samples_per_send_max: SAMPLES_PER_SEND_MAX,
            bytes_per_send_max: BYTES_PER_SEND_MAX,
            batch_send_deadline: BATCH_SEND_DEADLINE,
            min_backoff: MIN_BACKOFF,
            max_backoff: MAX_BACKOFF,
            retry_on_http_429: true,
            sample_age_limit: None,
            bytes_max: BYTES_MAX,
            when_full: WhenFull::Refuse,
            durability: Durability::Durable,
        }
    }
}

impl QueueSettings {
    /// The bounds of the queue on disk.
    pub(super) fn buffer(&self) -> Config {
        let age = self.sample_age_limit;
        Config {
            bytes_max: self.bytes_max,
            age_max_ms: age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
            when_full: self.when_full,
            ..Config::default()
        }
    }
}

/// Whether metadata goes along.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetadataSettings {
    /// Whether it is sent at all.
    pub send: bool,
    /// How often that of a family is sent beside the series of 1.0.
    pub send_interval: Duration,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        Self { send: true, send_interval: METADATA_INTERVAL }
    }
}

/// One `remote_write` block.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What it is called in metrics, on pages and on disk; by default made from the URL.
    pub name: Option<String>,
    /// Where to send to. Each has a queue of its own; series are spread over them.
    pub urls: Vec<Url>,
    /// By which labels series are spread; by all of them if there is none.
    pub shard_by: Vec<String>,
    /// The message to send.
    pub version: Version,
    /// Time for one request.
    pub remote_timeout: Duration,
    /// How to ask.
    pub client: ClientSettings,
    /// Whether exemplars are sent.
    pub send_exemplars: bool,
    /// Whether native histograms are sent.
    pub send_native_histograms: bool,
    /// Whether a batch refused with 400 is cut up until the bad series stand alone. The
    /// specification forbids to send again after a 400.
    pub isolate_refused: bool,
    /// Queue, batches, retries.
    pub queue: QueueSettings,
    /// Metadata.
    pub metadata: MetadataSettings,
}

impl Settings {
    /// To one URL, everything else as it is by default.
    pub fn new(url: Url) -> Self {
        Self {
            name: None,
            urls: vec![url],
            shard_by: Vec::new(),
            version: Version::V1,
            remote_timeout: REMOTE_TIMEOUT,
            client: ClientSettings::default(),
            send_exemplars: false,
            send_native_histograms: false,
            isolate_refused: false,
            queue: QueueSettings::default(),
            metadata: MetadataSettings::default(),
        }
    }
}
