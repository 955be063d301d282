//! `upstreams`: what is scraped, and how, in the words of Prometheus' `scrape_config`.

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Node;
use super::super::relabel;
use super::super::relabel::RuleSet;
use super::http_client;
use super::outputs;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::targets;
use super::value;
use crate::discovery::Plan;
use crate::discovery::Source;
use crate::discovery::spec::METRICS_PATH;
use crate::http::settings::ClientSettings;
use crate::http::url::Scheme;
use std::path::Path as FilePath;
use std::time::Duration;

/// One item of `upstreams`.
pub(super) static UPSTREAM: Object = Object {
    wanted: "an upstream",
    keys: &[
        Key {
            name: "url",
            shape: Shape::Text,
            about: "A URL, HOST:PORT/PATH, file:PATH, or dns+, dnssrv+, dnssrvnoa+ and a URL",
        },
        Key {
            name: "file_sd_configs",
            shape: Shape::List(&Shape::Object(&targets::FILE_SD)),
            about: "Files that list targets",
        },
        Key {
            name: "http_sd_configs",
            shape: Shape::List(&Shape::Object(&targets::HTTP_SD)),
            about: "Servers that list targets",
        },
        Key {
            name: "scheme",
            shape: Shape::Word(&["http", "https"]),
            about: "The scheme of listed targets; default http",
        },
        Key {
            name: "metrics_path",
            shape: Shape::Text,
            about: "The path of listed targets; default /metrics",
        },
        Key {
            name: "params",
            shape: Shape::MapOf(&Shape::List(&Shape::Scalar)),
            about: "Parameters of the query, by name",
        },
        Key { name: "scrape_timeout", shape: Shape::Duration, about: "Time for one scrape" },
        Key {
            name: "metric_relabel_configs",
            shape: outputs::RULES,
            about: "Rules for what comes from here, before those of any output",
        },
    ],
    inline: &[&http_client::CLIENT],
    required: &[],
};

/// Something to scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Where its targets are.
    pub targets: Plan,
    /// Time for one scrape, if this upstream has one of its own.
    pub scrape_timeout: Option<Duration>,
    /// How to ask.
    pub client: ClientSettings,
    /// Rules for what comes from here, before those of any output.
    pub rules: RuleSet,
}

impl Upstream {
    /// An upstream with one source, everything else as it is by default.
    pub fn new(source: Source) -> Self {
        Self {
            targets: Plan::one(source),
            scrape_timeout: None,
            client: ClientSettings::default(),
            rules: RuleSet::default(),
        }
    }
}

/// The items of `upstreams`.
pub(super) fn decode(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Vec<Upstream> {
    let remedy = Some("write a list of upstreams, each beginning with `- `");
    let items = decode::items(node, "a list of upstreams", remedy, path, report);
    let items = items.unwrap_or_default().iter().enumerate();
    items.filter_map(|(at, item)| upstream(item, directory, &path.item(at), report)).collect()
}

fn upstream(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Option<Upstream> {
    let mut client = http_client::Reading::new(directory);
    let (mut url, mut listed) = (None, Vec::new());
    let mut targets = Plan {
        sources: Vec::new(),
        scheme: Scheme::Http,
        metrics_path: METRICS_PATH.to_owned(),
        params: Vec::new(),
    };
    let (mut scrape_timeout, mut rules) = (None, RuleSet::default());
    let n_errors = report.errors.len();
    for entry in UPSTREAM.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "url" => url = targets::url(value, inner, report).map(|source| (source, entry.at)),
            "file_sd_configs" => {
                listed.extend(targets::file_sd(value, directory, inner, report));
            }
            "http_sd_configs" => {
                listed.extend(targets::http_sd(value, directory, inner, report));
            }
            "scheme" => {
                let words = [("http", Scheme::Http), ("https", Scheme::Https)];
                targets.scheme = value::word(value, &words, inner, report).unwrap_or(Scheme::Http);
            }
            "metrics_path" => {
                targets.metrics_path = decode::text(value, inner, report).unwrap_or_default();
            }
            "params" => targets.params = params(value, inner, report),
            "scrape_timeout" => scrape_timeout = value::duration(value, inner, report),
            "metric_relabel_configs" => rules = relabel::rules(value, inner, report),
            _ if client.field(&entry, path, report) => {}
            _ => shape::forgotten(&entry, path, report),
        }
    }
    match url {
        Some((_, at)) if !listed.is_empty() => {
            let remedy = Some("make two upstreams of them".to_owned());
            report.error_with_remedy(at, path, "url stands beside lists of targets", remedy);
        }
        Some((source, _)) => targets.sources.push(source),
        None if listed.is_empty() && report.errors.len() == n_errors => {
            let remedy = Some("give url, file_sd_configs or http_sd_configs".to_owned());
            report.error_with_remedy(node.at, path, "the upstream has no targets", remedy);
        }
        None => targets.sources = listed,
    }
    (report.errors.len() == n_errors).then(|| Upstream {
        targets,
        scrape_timeout,
        client: client.finish(),
        rules,
    })
}

fn params(node: &Node, path: &Path, report: &mut Report) -> Vec<(String, Vec<String>)> {
    let entries = decode::fields(node, "a map of parameters", path, report).unwrap_or_default();
    let mut params = Vec::with_capacity(entries.len());
    for entry in entries {
        let values = value::texts(entry.value, &path.field(&entry.name), report);
        params.push((entry.name, values));
    }
    params
}
