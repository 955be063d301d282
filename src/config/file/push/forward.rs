//! `push.forward`: the Pushgateway behind weir.

use super::super::super::decode;
use super::super::super::decode::Path;
use super::super::super::decode::Report;
use super::super::super::node::Kind;
use super::super::super::node::Node;
use super::super::http_client;
use super::super::limits::set;
use super::super::shape;
use super::super::shape::Key;
use super::super::shape::Object;
use super::super::shape::Shape;
use super::super::value;
use crate::http::Url;
use crate::http::settings::ClientSettings;
use std::path::Path as FilePath;
use std::time::Duration;

/// As the Pushgateway's clients.
const FORWARD_TIME_MAX: Duration = Duration::from_secs(10);

/// `forward`, if it is more than a URL.
pub(super) static FORWARD: Object = Object {
    wanted: "a URL, or settings with a url",
    keys: &[
        Key { name: "url", shape: Shape::Text, about: "The Pushgateway, without /metrics" },
        Key {
            name: "timeout",
            shape: Shape::Duration,
            about: "Time for it to answer; default 10s",
        },
        Key {
            name: "fallback_to_store",
            shape: Shape::Bool,
            about: "Whether weir keeps what a Pushgateway that is down does not take; default false",
        },
    ],
    inline: &[&http_client::CLIENT],
    required: &["url"],
};

/// The Pushgateway behind weir.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// Where it is.
    pub url: Url,
    /// How to ask it.
    pub client: ClientSettings,
    /// Time for it to answer.
    pub time_max: Duration,
    /// Whether weir keeps what it does not take while it is down.
    pub fallback_to_store: bool,
}

pub(super) fn decode(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Option<Forward> {
    let mut client = http_client::Reading::new(directory);
    let (mut url, mut time_max, mut fallback_to_store) = (None, FORWARD_TIME_MAX, false);
    if let Kind::Map(_) = node.kind {
        for entry in FORWARD.fields(node, path, report) {
            let (value, inner) = (entry.value, &path.field(&entry.name));
            match &*entry.name {
                "url" => url = read_url(value, inner, report),
                "timeout" => set(&mut time_max, value::duration(value, inner, report)),
                "fallback_to_store" => {
                    set(&mut fallback_to_store, value::truth(value, inner, report));
                }
                _ if client.field(&entry, path, report) => {}
                _ => shape::forgotten(&entry, path, report),
            }
        }
    } else {
        url = read_url(node, path, report);
    }
    Some(Forward { url: url?, client: client.finish(), time_max, fallback_to_store })
}

fn read_url(node: &Node, path: &Path, report: &mut Report) -> Option<Url> {
    let text = decode::text(node, path, report)?;
    let text = if text.contains("://") { text } else { format!("http://{text}") };
    match Url::parse(text.trim_end_matches('/')) {
        Ok(url) => Some(url),
        Err(wrong) => {
            report.error(node.at, path, format!("{text:?} is no URL: {wrong}"));
            None
        }
    }
}
