//! `remote_write`: where to send to, in the words of Prometheus, so that a block of its file can be
//! pasted.

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Node;
use super::super::relabel;
use super::super::relabel::RuleSet;
use super::http_client;
use super::limits::set;
use super::outputs;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::value;
use crate::buffer::WhenFull;
use crate::http::Url;
use crate::http::settings::HeaderSetting;
use crate::http::settings::Secret;
use crate::remote_write::Settings;
use crate::remote_write::settings::Durability;
use crate::remote_write::settings::MetadataSettings;
use crate::remote_write::settings::QueueSettings;
use crate::wire::Version;
use http::HeaderName;
use std::collections::HashMap;
use std::path::Path as FilePath;

/// The messages by their names.
const MESSAGES: [(&str, Version); 2] =
    [("prometheus.WriteRequest", Version::V1), ("io.prometheus.write.v2.Request", Version::V2)];

/// One item of `remote_write`.
pub(super) static REMOTE_WRITE: Object = Object {
    wanted: "config.RemoteWriteConfig",
    keys: &[
        Key { name: "url", shape: Shape::Text, about: "Where to send to" },
        Key {
            name: "urls",
            shape: Shape::List(&Shape::Text),
            about: "Several URLs, over which series are spread; each has a queue of its own",
        },
        Key {
            name: "shard_by",
            shape: Shape::List(&Shape::Text),
            about: "Labels by which series are spread over urls; default all",
        },
        Key {
            name: "name",
            shape: Shape::Text,
            about: "What it is called in metrics and on disk; default made from the URL",
        },
        Key {
            name: "protobuf_message",
            shape: Shape::Word(&["prometheus.WriteRequest", "io.prometheus.write.v2.Request"]),
            about: "The message to send; default prometheus.WriteRequest",
        },
        Key {
            name: "remote_timeout",
            shape: Shape::Duration,
            about: "Time for one request; default 30s",
        },
        Key {
            name: "headers",
            shape: Shape::MapOf(&Shape::Scalar),
            about: "Further headers, by name",
        },
        Key {
            name: "write_relabel_configs",
            shape: outputs::RULES,
            about: "Rules for what is sent here, after all others",
        },
        Key {
            name: "send_exemplars",
            shape: Shape::Bool,
            about: "Whether exemplars are sent; default false",
        },
        Key {
            name: "send_native_histograms",
            shape: Shape::Bool,
            about: "Whether native histograms are sent; default false",
        },
        Key {
            name: "isolate_refused",
            shape: Shape::Bool,
            about: "Whether a batch refused with 400 is cut up until its bad series stand alone, though the specification forbids to send again; default false",
        },
        Key {
            name: "queue_config",
            shape: Shape::Object(&QUEUE),
            about: "Queue, batches and retries",
        },
        Key { name: "metadata_config", shape: Shape::Object(&METADATA), about: "Metadata" },
        Key { name: "enable_http2", shape: Shape::Bool, about: "weir speaks HTTP/1.1 only" },
        Key {
            name: "round_robin_dns",
            shape: Shape::Bool,
            about: "weir tries the addresses of a name in their order",
        },
    ],
    inline: &[&http_client::CLIENT],
    required: &[],
};

static QUEUE: Object = Object {
    wanted: "config.QueueConfig",
    keys: &[
        Key {
            name: "capacity",
            shape: Shape::Count,
            about: "Means nothing here: the queue is on disk, see max_bytes",
        },
        Key {
            name: "max_shards",
            shape: Shape::Count,
            about: "Requests at the same time, at most; default 50",
        },
        Key {
            name: "min_shards",
            shape: Shape::Count,
            about: "Requests at the same time, at least; default 1",
        },
        Key {
            name: "max_samples_per_send",
            shape: Shape::Count,
            about: "Samples and histograms of a request; default 2000",
        },
        Key {
            name: "max_bytes_per_send",
            shape: Shape::Size,
            about: "Bytes of a request before compression; default 16MB",
        },
        Key {
            name: "batch_send_deadline",
            shape: Shape::Duration,
            about: "How long a sample may wait for others; default 5s",
        },
        Key {
            name: "min_backoff",
            shape: Shape::Duration,
            about: "The first wait after a failure; default 30ms",
        },
        Key {
            name: "max_backoff",
            shape: Shape::Duration,
            about: "The longest wait after a failure; default 5s",
        },
        Key {
            name: "retry_on_http_429",
            shape: Shape::Bool,
            about: "Whether 429 is tried again, as 5xx is; default true",
        },
        Key {
            name: "sample_age_limit",
            shape: Shape::Duration,
            about: "What has waited longer is dropped; default 0s, never",
        },
        Key {
            name: "max_bytes",
            shape: Shape::Size,
            about: "Bytes the queue may have on disk; default 16GB",
        },
        Key {
            name: "when_full",
            shape: Shape::Word(&["refuse", "drop_oldest"]),
            about: "What to do when there is no room: answer senders 429, or drop the oldest; default refuse",
        },
        Key {
            name: "durability",
            shape: Shape::Word(&["durable", "relaxed"]),
            about: "When senders are answered: once the disk has it, or before, which may lose half a second; default durable",
        },
    ],
    inline: &[],
    required: &[],
};

static METADATA: Object = Object {
    wanted: "config.MetadataConfig",
    keys: &[
        Key { name: "send", shape: Shape::Bool, about: "Whether it is sent; default true" },
        Key {
            name: "send_interval",
            shape: Shape::Duration,
            about: "How often all of it is sent beside series of 1.0; default 1m",
        },
        Key {
            name: "max_samples_per_send",
            shape: Shape::Count,
            about: "Means nothing here: metadata goes with series",
        },
    ],
    inline: &[],
    required: &[],
};

/// A destination.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWrite {
    /// Where and how to send.
    pub settings: Settings,
    /// Rules for what is sent there, after all others.
    pub write_relabel: RuleSet,
}

/// The items of `remote_write`.
pub(super) fn decode(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Vec<RemoteWrite> {
    let remedy = Some("write a list of destinations, each beginning with `- `");
    let items = decode::items(node, "a list of destinations", remedy, path, report);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for (at, item) in items.unwrap_or_default().iter().enumerate() {
        let path = &path.item(at);
        let Some(one) = destination(item, directory, path, report) else { continue };
        if let Some(first) = seen.insert(identity(&one.settings), at) {
            let message = format!("this is item {first} again");
            let remedy = Some("give each a name of its own".to_owned());
            report.error_with_remedy(item.at, path, message, remedy);
        }
        found.push(one);
    }
    found
}

/// What may be there once only: a queue on disk is found by it.
fn identity(settings: &Settings) -> String {
    settings.name.clone().unwrap_or_else(|| format!("{:?}", settings.urls))
}

fn destination(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Option<RemoteWrite> {
    let n_errors = report.errors.len();
    let mut client = http_client::Reading::new(directory);
    let mut reading = Reading { urls: Vec::new(), headers: Vec::new(), rules: RuleSet::default() };
    // The URL is filled in below.
    let mut settings = Settings::new(Url::parse("http://localhost").ok()?);
    for entry in REMOTE_WRITE.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "enable_http2" | "round_robin_dns" => {
                if value::truth(value, inner, report) == Some(true) {
                    report.warn(value.at, inner, "weir does not do this", Some("remove it"));
                }
            }
            _ if reading.field(&entry.name, value, inner, report) => {}
            _ if field(&mut settings, &entry.name, value, inner, report) => {}
            _ if client.field(&entry, path, report) => {}
            _ => shape::forgotten(&entry, path, report),
        }
    }
    if reading.urls.is_empty() && report.errors.len() == n_errors {
        report.error(node.at, path, "url for remote_write is empty");
    }
    if !settings.shard_by.is_empty() && reading.urls.len() < 2 {
        report.warn(node.at, path, "shard_by has no meaning with one URL", Some("give urls"));
    }
    settings.urls = reading.urls;
    settings.client = client.finish();
    settings.client.headers.extend(reading.headers);
    (report.errors.len() == n_errors)
        .then_some(RemoteWrite { settings, write_relabel: reading.rules })
}

/// What is put together from several fields.
struct Reading {
    urls: Vec<Url>,
    headers: Vec<HeaderSetting>,
    rules: RuleSet,
}

impl Reading {
    /// Take a field; `false` if it is another.
    fn field(&mut self, name: &str, value: &Node, path: &Path, report: &mut Report) -> bool {
        match name {
            "url" => {
                let text = decode::text(value, path, report);
                self.urls.extend(text.and_then(|text| url(&text, value, path, report)));
            }
            "urls" => {
                for text in value::texts(value, path, report) {
                    self.urls.extend(url(&text, value, path, report));
                }
            }
            "headers" => self.headers = headers(value, path, report),
            "write_relabel_configs" => self.rules = relabel::rules(value, path, report),
            _ => return false,
        }
        true
    }
}

fn url(text: &str, node: &Node, path: &Path, report: &mut Report) -> Option<Url> {
    // The text may hold a password.
    Url::parse(text).map_err(|error| report.error(node.at, path, error.to_string())).ok()
}

fn headers(node: &Node, path: &Path, report: &mut Report) -> Vec<HeaderSetting> {
    let mut headers = Vec::new();
    let entries = decode::fields(node, "a map of headers", path, report);
    for entry in entries.unwrap_or_default() {
        let inner = path.field(&entry.name);
        if http_client::is_reserved(&entry.name) {
            let message = format!("{:?} is a reserved header, it must not be changed", entry.name);
            report.error(entry.at, path, message);
            continue;
        }
        let Ok(name) = HeaderName::try_from(&*entry.name) else {
            report.error(entry.at, path, "this cannot be the name of a header");
            continue;
        };
        let text = decode::text(entry.value, &inner, report);
        headers.extend(text.map(|text| HeaderSetting { name, values: vec![Secret::Inline(text)] }));
    }
    headers
}

/// Take a field that stands for itself; `false` if it is another.
fn field(
    settings: &mut Settings,
    name: &str,
    value: &Node,
    path: &Path,
    report: &mut Report,
) -> bool {
    match name {
        "name" => {
            settings.name = decode::text(value, path, report).filter(|name| !name.is_empty());
        }
        "shard_by" => settings.shard_by = value::texts(value, path, report),
        "protobuf_message" => {
            set(&mut settings.version, value::word(value, &MESSAGES, path, report));
        }
        "remote_timeout" => {
            set(&mut settings.remote_timeout, value::duration(value, path, report));
        }
        "send_exemplars" => set(&mut settings.send_exemplars, value::truth(value, path, report)),
        "send_native_histograms" => {
            set(&mut settings.send_native_histograms, value::truth(value, path, report));
        }
        "isolate_refused" => set(&mut settings.isolate_refused, value::truth(value, path, report)),
        "queue_config" => settings.queue = queue(value, path, report),
        "metadata_config" => settings.metadata = metadata(value, path, report),
        _ => return false,
    }
    true
}

fn queue(node: &Node, path: &Path, report: &mut Report) -> QueueSettings {
    let mut queue = QueueSettings::default();
    for entry in QUEUE.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        let q = &mut queue;
        match &*entry.name {
            "capacity" => drop(value::count(value, inner, report)),
            "max_shards" => set(&mut q.shards_max, value::count(value, inner, report)),
            "min_shards" => set(&mut q.shards_min, value::count(value, inner, report)),
            "max_samples_per_send" => {
                set(&mut q.samples_per_send_max, value::count(value, inner, report));
            }
            "max_bytes_per_send" => {
                set(&mut q.bytes_per_send_max, value::size_in_memory(value, inner, report));
            }
            "batch_send_deadline" => {
                set(&mut q.batch_send_deadline, value::duration(value, inner, report));
            }
            "min_backoff" => set(&mut q.min_backoff, value::duration(value, inner, report)),
            "max_backoff" => set(&mut q.max_backoff, value::duration(value, inner, report)),
            "retry_on_http_429" => {
                set(&mut q.retry_on_http_429, value::truth(value, inner, report));
            }
            "sample_age_limit" => {
                let limit = value::duration_or_zero(value, inner, report);
                q.sample_age_limit = limit.filter(|limit| !limit.is_zero());
            }
            "max_bytes" => set(&mut q.bytes_max, value::size(value, inner, report)),
            "when_full" => {
                let words = [("refuse", WhenFull::Refuse), ("drop_oldest", WhenFull::DropOldest)];
                set(&mut q.when_full, value::word(value, &words, inner, report));
            }
            "durability" => {
                let words = [("durable", Durability::Durable), ("relaxed", Durability::Relaxed)];
                set(&mut q.durability, value::word(value, &words, inner, report));
            }
            _ => shape::forgotten(&entry, path, report),
        }
    }
    if queue.shards_min > queue.shards_max {
        report.error(node.at, path, "min_shards is greater than max_shards");
    }
    if queue.min_backoff > queue.max_backoff {
        report.error(node.at, path, "min_backoff is longer than max_backoff");
    }
    queue
}

fn metadata(node: &Node, path: &Path, report: &mut Report) -> MetadataSettings {
    let mut metadata = MetadataSettings::default();
    for entry in METADATA.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "send" => set(&mut metadata.send, value::truth(value, inner, report)),
            "send_interval" => {
                set(&mut metadata.send_interval, value::duration(value, inner, report));
            }
            "max_samples_per_send" => drop(value::count(value, inner, report)),
            _ => shape::forgotten(&entry, path, report),
        }
    }
    metadata
}
