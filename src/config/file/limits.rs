//! Bounds on what one scrape or one client may cost. The keys are those of the flags.

use super::super::decode::Entry;
use super::super::decode::Path;
use super::super::decode::Report;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::value;
use std::time::Duration;

/// A body of three million ingress-nginx series.
pub const BODY_BYTES_MAX: u64 = 1 << 30;
/// Label values are paths and messages at times; this is beyond any of them.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// About half a gigabyte of rows.
pub const SERIES_MAX: usize = 5_000_000;
/// As many as anybody uses, several times over.
pub const LABELS_MAX: usize = 256;
/// Far more than the few scrapers a gate has.
pub const CONNECTIONS_MAX: usize = 512;
/// More than any name with many addresses has, and few enough for a file table of 1024.
pub const CONCURRENT_SCRAPES_MAX: usize = 256;
/// Long enough for a connection to be kept between two scrapes.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
/// A client that reads nothing for this long is gone.
pub const STALL_TIME_MAX: Duration = Duration::from_mins(1);
/// Within the 30 s that Kubernetes gives a pod to end.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(20);

/// The keys of the limits.
pub(super) static LIMITS: Object = Object {
    wanted: "limits",
    keys: &[
        Key {
            name: "max_body_bytes",
            shape: Shape::Size,
            about: "Bytes of a body, decoded; default 1GB",
        },
        Key { name: "max_line_bytes", shape: Shape::Size, about: "Bytes of a line; default 1MB" },
        Key { name: "max_series", shape: Shape::Count, about: "Series of a body; default 5000000" },
        Key { name: "max_labels", shape: Shape::Count, about: "Labels of a series; default 256" },
        Key {
            name: "max_connections",
            shape: Shape::Count,
            about: "Connections at the same time; default 512",
        },
        Key {
            name: "max_concurrent_scrapes",
            shape: Shape::Count,
            about: "Targets that are scraped at the same time; default 256",
        },
        Key {
            name: "header_timeout",
            shape: Shape::Duration,
            about: "Time for the head of a request; default 30s",
        },
        Key {
            name: "write_timeout",
            shape: Shape::Duration,
            about: "Time after which a client that takes nothing is cut off; default 1m",
        },
        Key {
            name: "drain_timeout",
            shape: Shape::Duration,
            about: "Time for open requests to finish after SIGTERM; default 20s",
        },
    ],
    inline: &[],
    required: &[],
};

/// Bounds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of a decoded body.
    pub body_bytes_max: u64,
    /// Bytes of a line.
    pub line_bytes_max: usize,
    /// Series of a body.
    pub series_max: usize,
    /// Labels of a series.
    pub labels_max: usize,
    /// Connections at the same time.
    pub connections_max: usize,
    /// Targets that are scraped at the same time.
    pub concurrent_scrapes_max: usize,
    /// Time for the head of a request.
    pub header_time_max: Duration,
    /// Time without progress in sending an answer.
    pub stall_time_max: Duration,
    /// Time for open requests to finish once weir stops.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX,
            line_bytes_max: LINE_BYTES_MAX,
            series_max: SERIES_MAX,
            labels_max: LABELS_MAX,
            connections_max: CONNECTIONS_MAX,
            concurrent_scrapes_max: CONCURRENT_SCRAPES_MAX,
            header_time_max: HEADER_TIME_MAX,
            stall_time_max: STALL_TIME_MAX,
            drain_time_max: DRAIN_TIME_MAX,
        }
    }
}

impl Limits {
    /// Take a field; `false` if it is no limit.
    pub(super) fn field(&mut self, entry: &Entry<'_>, path: &Path, report: &mut Report) -> bool {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "max_body_bytes" => set(&mut self.body_bytes_max, value::size(value, inner, report)),
            "max_line_bytes" => {
                set(&mut self.line_bytes_max, value::size_in_memory(value, inner, report));
            }
            "max_series" => set(&mut self.series_max, value::count(value, inner, report)),
            "max_labels" => set(&mut self.labels_max, value::count(value, inner, report)),
            "max_connections" => set(&mut self.connections_max, value::count(value, inner, report)),
            "max_concurrent_scrapes" => {
                set(&mut self.concurrent_scrapes_max, value::count(value, inner, report));
            }
            "header_timeout" => {
                set(&mut self.header_time_max, value::duration(value, inner, report));
            }
            "write_timeout" => set(&mut self.stall_time_max, value::duration(value, inner, report)),
            "drain_timeout" => set(&mut self.drain_time_max, value::duration(value, inner, report)),
            _ => return false,
        }
        true
    }
}

/// Write what was read, if it could be.
pub(super) fn set<T>(field: &mut T, read: Option<T>) {
    if let Some(value) = read {
        *field = value;
    }
}
