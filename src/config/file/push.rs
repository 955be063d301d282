//! `push`: weir in front of a Pushgateway, or in its place.

mod forward;
mod identity;
mod pattern;
mod policy;

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Node;
use super::limits::set;
use super::listen::ListenAddress;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::value;
pub use forward::Forward;
pub use identity::Identity;
pub use pattern::Pattern;
pub use policy::FamilyRule;
pub use policy::LintLevel;
pub use policy::Policy;
use std::path::Path as FilePath;
use std::time::Duration;

/// A body, decoded: a push of half a million series.
pub const BODY_BYTES_MAX: u64 = 64 << 20;
/// A body as it is sent.
pub const WIRE_BYTES_MAX: u64 = 16 << 20;
/// Bodies of all pushes that are being read, decoded.
pub const OPEN_BYTES_MAX: u64 = 512 << 20;
/// Time for a client to send its body.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// Series of one push.
pub const PUSH_SERIES_MAX: usize = 500_000;
/// Series of one group.
pub const GROUP_SERIES_MAX: usize = 500_000;
/// Series of the whole store.
pub const STORE_SERIES_MAX: usize = 5_000_000;
/// Groups of the whole store.
pub const GROUPS_MAX: usize = 500_000;

/// The keys of `push`.
pub(super) static PUSH: Object = Object {
    wanted: "settings of the push proxy",
    keys: &[
        Key {
            name: "listen_address",
            shape: Shape::Text,
            about: "HOST:PORT, [V6]:PORT or :PORT of its own; absent: where everything else is",
        },
        Key {
            name: "utf8_names",
            shape: Shape::Bool,
            about: "Whether names may be any in UTF-8, and U__ escapes label names of paths; default false",
        },
        Key {
            name: "forward",
            shape: Shape::Either(&[Shape::Text, Shape::Object(&forward::FORWARD)]),
            about: "The Pushgateway behind weir; absent: weir is the store",
        },
        Key {
            name: "in_metrics",
            shape: Shape::Bool,
            about: "Whether /metrics of the gate holds what is stored too, as what one more target says; default false",
        },
        Key {
            name: "envelope_targets",
            shape: Shape::List(&Shape::Text),
            about: "HOST:PORT that target_url of /push_metrics may name; absent: /push_metrics is not served",
        },
        Key {
            name: "identities",
            shape: Shape::List(&Shape::Object(&identity::IDENTITY)),
            about: "Who may push what; absent: anybody anything",
        },
        Key {
            name: "policies",
            shape: Shape::List(&Shape::Object(&policy::POLICY)),
            about: "What pushes have to look like; the first that matches counts",
        },
        Key {
            name: "time_to_live",
            shape: Shape::Duration,
            about: "How long a group stays after the last push to it; absent: for ever",
        },
    ],
    inline: &[&LIMITS],
    required: &[],
};

static LIMITS: Object = Object {
    wanted: "limits of the push proxy",
    keys: &[
        Key {
            name: "max_body_bytes",
            shape: Shape::Size,
            about: "Bytes of a body, decoded; default 64MB",
        },
        Key {
            name: "max_wire_bytes",
            shape: Shape::Size,
            about: "Bytes of a body as it is sent; default 16MB",
        },
        Key {
            name: "max_open_bytes",
            shape: Shape::Size,
            about: "Bytes of all bodies that are being read, decoded; default 512MB",
        },
        Key {
            name: "body_timeout",
            shape: Shape::Duration,
            about: "Time for a client to send its body; default 30s",
        },
        Key {
            name: "max_push_series",
            shape: Shape::Count,
            about: "Series of one push; default 500000",
        },
        Key {
            name: "max_group_series",
            shape: Shape::Count,
            about: "Series of one group; default 500000",
        },
        Key {
            name: "max_series",
            shape: Shape::Count,
            about: "Series of all groups; default 5000000",
        },
        Key { name: "max_groups", shape: Shape::Count, about: "Groups; default 500000" },
    ],
    inline: &[],
    required: &[],
};

/// The push proxy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PushConfig {
    /// An address of its own.
    pub listen: Option<ListenAddress>,
    /// Whether names may be any in UTF-8.
    pub utf8_names: bool,
    /// The Pushgateway behind weir.
    pub forward: Option<Forward>,
    /// Whether what is stored is a target of the gate.
    pub in_metrics: bool,
    /// Hosts that the envelopes of `/push_metrics` may name.
    pub envelope_targets: Vec<String>,
    /// Who may push what.
    pub identities: Vec<Identity>,
    /// What pushes have to look like.
    pub policies: Vec<Policy>,
    /// How long a group stays after the last push to it.
    pub time_to_live: Option<Duration>,
    /// Bounds.
    pub limits: PushLimits,
}

/// Bounds on pushes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PushLimits {
    /// Bytes of a decoded body.
    pub body_bytes_max: u64,
    /// Bytes of a body as it is sent.
    pub wire_bytes_max: u64,
    /// Bytes of all bodies that are being read.
    pub open_bytes_max: u64,
    /// Time for a body.
    pub body_time_max: Duration,
    /// Series of one push.
    pub push_series_max: usize,
    /// Series of one group.
    pub group_series_max: usize,
    /// Series of all groups.
    pub series_max: usize,
    /// Groups.
    pub groups_max: usize,
}

impl Default for PushLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX,
            wire_bytes_max: WIRE_BYTES_MAX,
            open_bytes_max: OPEN_BYTES_MAX,
            body_time_max: BODY_TIME_MAX,
            push_series_max: PUSH_SERIES_MAX,
            group_series_max: GROUP_SERIES_MAX,
            series_max: STORE_SERIES_MAX,
            groups_max: GROUPS_MAX,
        }
    }
}

/// Read `push`.
pub(super) fn decode(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> PushConfig {
    let mut push = PushConfig::default();
    for entry in PUSH.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "listen_address" => push.listen = listen(value, inner, report),
            "utf8_names" => set(&mut push.utf8_names, value::truth(value, inner, report)),
            "forward" => push.forward = forward::decode(value, directory, inner, report),
            "in_metrics" => set(&mut push.in_metrics, value::truth(value, inner, report)),
            "envelope_targets" => push.envelope_targets = value::texts(value, inner, report),
            "identities" => {
                push.identities = identity::decode(value, directory, inner, report);
            }
            "policies" => push.policies = policy::decode(value, directory, inner, report),
            "time_to_live" => push.time_to_live = value::duration(value, inner, report),
            _ if push.limits.field(&entry, inner, report) => {}
            _ => shape::forgotten(&entry, path, report),
        }
    }
    push
}

/// Read an address; what is wrong with it is reported.
pub(super) fn listen(node: &Node, path: &Path, report: &mut Report) -> Option<ListenAddress> {
    let text = decode::text(node, path, report)?;
    match ListenAddress::parse(&text, None) {
        Ok(listen) => Some(listen),
        Err(wrong) => {
            report.error(node.at, path, format!("{text:?}: {wrong}"));
            None
        }
    }
}

impl PushLimits {
    /// Take a field; `false` if it is no limit.
    fn field(&mut self, entry: &decode::Entry<'_>, inner: &Path, report: &mut Report) -> bool {
        let value = entry.value;
        match &*entry.name {
            "max_body_bytes" => set(&mut self.body_bytes_max, value::size(value, inner, report)),
            "max_wire_bytes" => set(&mut self.wire_bytes_max, value::size(value, inner, report)),
            "max_open_bytes" => set(&mut self.open_bytes_max, value::size(value, inner, report)),
            "body_timeout" => set(&mut self.body_time_max, value::duration(value, inner, report)),
            "max_push_series" => set(&mut self.push_series_max, value::count(value, inner, report)),
            "max_group_series" => {
                set(&mut self.group_series_max, value::count(value, inner, report));
            }
            "max_series" => set(&mut self.series_max, value::count(value, inner, report)),
            "max_groups" => set(&mut self.groups_max, value::count(value, inner, report)),
            _ => return false,
        }
        true
    }
}
