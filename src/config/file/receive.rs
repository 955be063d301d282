//! `receive`: what is pushed to weir.

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Node;
use super::limits::set;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::value;
use crate::intake::IntakeLimits;
use crate::intake::chain;
use crate::wire::request;
use crate::wire::snappy;
use std::time::Duration;

/// The path every sender uses by default.
pub const PATH: &str = "/api/v1/write";
/// As the reference receiver has it.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// As the gate has it.
pub const LABELS_MAX: usize = 256;
/// Bodies of all requests at a time.
pub const IN_FLIGHT_BYTES_MAX: usize = 256 << 20;
/// Long enough for the largest body across a slow link.
pub const READ_TIME_MAX: Duration = Duration::from_secs(30);

/// All of `receive`.
pub(super) static RECEIVE: Object = Object {
    wanted: "what to receive",
    keys: &[Key {
        name: "remote_write",
        shape: Shape::Object(&REMOTE_WRITE),
        about: "Remote write, 1.0 and 2.0; {} for the defaults",
    }],
    inline: &[],
    required: &[],
};

static REMOTE_WRITE: Object = Object {
    wanted: "how to receive remote write",
    keys: &[
        Key {
            name: "path",
            shape: Shape::Text,
            about: "Where it is received; default /api/v1/write",
        },
        Key {
            name: "max_body_size",
            shape: Shape::Size,
            about: "Bytes of a body as it comes; default 32MB",
        },
        Key {
            name: "max_decoded_size",
            shape: Shape::Size,
            about: "Bytes of a body, decompressed; default 32MB",
        },
        Key {
            name: "max_series",
            shape: Shape::Count,
            about: "Series of a request; default 1048576",
        },
        Key {
            name: "max_labels",
            shape: Shape::Count,
            about: "Labels of a series; default 256, at most 1024",
        },
        Key {
            name: "max_in_flight_size",
            shape: Shape::Size,
            about: "Bytes of all bodies at a time; default 256MB",
        },
        Key { name: "read_timeout", shape: Shape::Duration, about: "Time for a body; default 30s" },
        Key {
            name: "max_cached_series",
            shape: Shape::Count,
            about: "Series for which the outcome of the rules is remembered; default 2000000",
        },
    ],
    inline: &[],
    required: &[],
};

/// How remote write is received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReceiveSettings {
    /// Where.
    pub path: String,
    /// Bytes of a body as it comes.
    pub body_bytes_max: usize,
    /// Bytes of all bodies at a time.
    pub in_flight_bytes_max: usize,
    /// Time for a body.
    pub read_time_max: Duration,
    /// Bounds on what is in a body.
    pub intake: IntakeLimits,
}

impl Default for ReceiveSettings {
    fn default() -> Self {
        Self {
            path: PATH.to_owned(),
            body_bytes_max: BODY_BYTES_MAX,
            in_flight_bytes_max: IN_FLIGHT_BYTES_MAX,
            read_time_max: READ_TIME_MAX,
            intake: IntakeLimits {
                decoded_bytes_max: snappy::DECODED_BYTES_MAX,
                series_max: request::SERIES_MAX,
                labels_max: LABELS_MAX,
                cached_series_max: chain::CACHED_SERIES_MAX,
                cached_bytes_max: chain::CACHED_BYTES_MAX,
            },
        }
    }
}

/// `receive`: how remote write is received, if it is.
pub(super) fn decode(node: &Node, path: &Path, report: &mut Report) -> Option<ReceiveSettings> {
    let mut settings = None;
    for entry in RECEIVE.fields(node, path, report) {
        let inner = path.field(&entry.name);
        match &*entry.name {
            "remote_write" => settings = Some(remote_write(entry.value, &inner, report)),
            _ => shape::forgotten(&entry, path, report),
        }
    }
    settings
}

fn remote_write(node: &Node, path: &Path, report: &mut Report) -> ReceiveSettings {
    let mut settings = ReceiveSettings::default();
    for entry in REMOTE_WRITE.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        let intake = &mut settings.intake;
        match &*entry.name {
            "path" => set(&mut settings.path, url_path(value, inner, report)),
            "max_body_size" => {
                set(&mut settings.body_bytes_max, value::size_in_memory(value, inner, report));
            }
            "max_decoded_size" => {
                set(&mut intake.decoded_bytes_max, value::size_in_memory(value, inner, report));
            }
            "max_series" => set(&mut intake.series_max, value::count(value, inner, report)),
            "max_labels" => {
                let count = value::count(value, inner, report);
                if count.is_some_and(|count| count > request::LABELS_MAX) {
                    let message = format!("more than {}", request::LABELS_MAX);
                    report.error(value.at, inner, message);
                }
                set(&mut intake.labels_max, count);
            }
            "max_in_flight_size" => {
                set(&mut settings.in_flight_bytes_max, value::size_in_memory(value, inner, report));
            }
            "read_timeout" => {
                set(&mut settings.read_time_max, value::duration(value, inner, report));
            }
            "max_cached_series" => {
                set(&mut intake.cached_series_max, value::count(value, inner, report));
            }
            _ => shape::forgotten(&entry, path, report),
        }
    }
    settings
}

fn url_path(node: &Node, path: &Path, report: &mut Report) -> Option<String> {
    let text = decode::text(node, path, report)?;
    let is_path = text.len() > 1
        && text.starts_with('/')
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#');
    if !is_path {
        let remedy = Some(format!("write for example {PATH}"));
        report.error_with_remedy(node.at, path, format!("not a path: {text:?}"), remedy);
        return None;
    }
    Some(text)
}
