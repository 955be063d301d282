//! `push.identities`: who may push what.

use super::super::super::decode;
use super::super::super::decode::Entry;
use super::super::super::decode::Path;
use super::super::super::decode::Report;
use super::super::super::node::Node;
use super::super::limits::set;
use super::super::shape;
use super::super::shape::Key;
use super::super::shape::Object;
use super::super::shape::Shape;
use super::super::value;
use super::pattern;
use super::pattern::Pattern;
use std::path::Path as FilePath;
use std::path::PathBuf;

/// Words of `methods`.
const METHODS: [&str; 3] = ["PUT", "POST", "DELETE"];

/// One item of `identities`.
pub(super) static IDENTITY: Object = Object {
    wanted: "an identity",
    keys: &[
        Key { name: "name", shape: Shape::Text, about: "What to call it in metrics and logs" },
        Key {
            name: "basic_auth",
            shape: Shape::Object(&BASIC),
            about: "A user and the bcrypt hash of the password",
        },
        Key {
            name: "token_hashes_file",
            shape: Shape::Text,
            about: "A file with the SHA-256 of a bearer token in hexadecimal a line; read at the start",
        },
        Key {
            name: "client_names",
            shape: Shape::List(&Shape::Text),
            about: "Alternative names one of which is in its certificate, which the web configuration file has checked",
        },
        Key {
            name: "methods",
            shape: Shape::List(&Shape::Word(&METHODS)),
            about: "What may be done; default all",
        },
        Key { name: "job", shape: Shape::Text, about: "A regular expression for the whole job" },
        Key {
            name: "grouping_labels",
            shape: Shape::MapOf(&Shape::Text),
            about: "Labels a group may have besides job, with regular expressions for their values",
        },
        Key { name: "max_requests_per_second", shape: Shape::Count, about: "Requests a second" },
        Key {
            name: "max_samples_per_second",
            shape: Shape::Count,
            about: "Series pushed a second",
        },
        Key { name: "max_body_bytes", shape: Shape::Size, about: "Bytes of a body, decoded" },
        Key { name: "max_push_series", shape: Shape::Count, about: "Series of one push" },
        Key { name: "max_group_series", shape: Shape::Count, about: "Series of one group" },
        Key { name: "max_series", shape: Shape::Count, about: "Series of all its groups" },
        Key {
            name: "dry_run",
            shape: Shape::Bool,
            about: "Whether what it may not do is only counted and told; default false",
        },
    ],
    inline: &[],
    required: &["name"],
};

static BASIC: Object = Object {
    wanted: "a user and a hash",
    keys: &[
        Key { name: "username", shape: Shape::Scalar, about: "The user" },
        Key {
            name: "password_hash",
            shape: Shape::Text,
            about: "The bcrypt hash of the password, as htpasswd -B makes it",
        },
    ],
    inline: &[],
    required: &["username", "password_hash"],
};

/// Somebody who pushes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// What to call it.
    pub name: String,
    /// User and bcrypt hash.
    pub basic: Option<(String, String)>,
    /// A file with hashes of tokens.
    pub token_hashes_file: Option<PathBuf>,
    /// Alternative names of its certificate.
    pub client_names: Vec<String>,
    /// Methods; `None`: all.
    pub methods: Option<Vec<&'static str>>,
    /// Jobs; `None`: all.
    pub job: Option<Pattern>,
    /// Labels besides `job`, and their values; `None`: any.
    pub grouping_labels: Option<Vec<(String, Pattern)>>,
    /// Requests a second.
    pub requests_per_second_max: Option<usize>,
    /// Series a second.
    pub samples_per_second_max: Option<usize>,
    /// Bytes of a decoded body.
    pub body_bytes_max: Option<u64>,
    /// Series of a push.
    pub push_series_max: Option<usize>,
    /// Series of a group.
    pub group_series_max: Option<usize>,
    /// Series of all its groups.
    pub series_max: Option<usize>,
    /// Whether what it may not do is only told.
    pub dry_run: bool,
}

pub(super) fn decode(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Vec<Identity> {
    let items = decode::items(node, "a list of identities", None, path, report);
    let mut identities: Vec<Identity> = Vec::new();
    for (at, item) in items.unwrap_or_default().iter().enumerate() {
        let path = path.item(at);
        let identity = identity(item, directory, &path, report);
        if identities.iter().any(|other| other.name == identity.name) {
            report.error(item.at, &path, format!("the name {:?} is taken", identity.name));
        }
        if !identity.has_credentials() && !identities.iter().all(Identity::has_credentials) {
            report.error(item.at, &path, "only one identity may be without credentials");
        }
        identities.push(identity);
    }
    identities
}

fn identity(node: &Node, directory: &FilePath, path: &Path, report: &mut Report) -> Identity {
    let mut identity = Identity::default();
    for entry in IDENTITY.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "name" => set(&mut identity.name, decode::text(value, inner, report)),
            "basic_auth" => identity.basic = basic(value, inner, report),
            "token_hashes_file" => {
                let name = decode::text(value, inner, report);
                identity.token_hashes_file = name.map(|name| directory.join(name));
            }
            "client_names" => identity.client_names = value::texts(value, inner, report),
            "methods" => identity.methods = Some(methods(value, inner, report)),
            "job" => identity.job = pattern::decode(value, inner, report),
            "grouping_labels" => {
                let labels = decode::fields(value, "a map of labels", inner, report);
                let labels = labels.unwrap_or_default().into_iter().filter_map(|label| {
                    let inner = inner.field(&label.name);
                    Some((label.name.clone(), pattern::decode(label.value, &inner, report)?))
                });
                identity.grouping_labels = Some(labels.collect());
            }
            "dry_run" => set(&mut identity.dry_run, value::truth(value, inner, report)),
            _ if identity.limit(&entry, inner, report) => {}
            _ => shape::forgotten(&entry, path, report),
        }
    }
    identity
}

impl Identity {
    /// Whether it has to show who it is.
    pub fn has_credentials(&self) -> bool {
        self.basic.is_some() || self.token_hashes_file.is_some() || !self.client_names.is_empty()
    }

    /// Take a field; `false` if it is no limit.
    fn limit(&mut self, entry: &Entry<'_>, inner: &Path, report: &mut Report) -> bool {
        let limit = match &*entry.name {
            "max_body_bytes" => {
                self.body_bytes_max = value::size(entry.value, inner, report);
                return true;
            }
            "max_requests_per_second" => &mut self.requests_per_second_max,
            "max_samples_per_second" => &mut self.samples_per_second_max,
            "max_push_series" => &mut self.push_series_max,
            "max_group_series" => &mut self.group_series_max,
            "max_series" => &mut self.series_max,
            _ => return false,
        };
        *limit = value::count(entry.value, inner, report);
        true
    }
}

fn basic(node: &Node, path: &Path, report: &mut Report) -> Option<(String, String)> {
    let (mut username, mut hash) = (None, None);
    for entry in BASIC.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "username" => username = decode::text(value, inner, report),
            "password_hash" => {
                hash = decode::text(value, inner, report);
                let is_good = hash.as_ref().is_none_or(|hash| {
                    ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix))
                        && hash.len() == 60
                });
                if !is_good {
                    let remedy = Some("make one with `htpasswd -nBC 10 USER`".to_owned());
                    report.error_with_remedy(value.at, inner, "not a bcrypt hash", remedy);
                }
            }
            _ => shape::forgotten(&entry, path, report),
        }
    }
    username.zip(hash)
}

fn methods(node: &Node, path: &Path, report: &mut Report) -> Vec<&'static str> {
    let items = decode::items(node, "a list of methods", None, path, report);
    let items = items.unwrap_or_default().iter().enumerate();
    let words = METHODS.map(|method| (method, method));
    items.filter_map(|(at, item)| value::word(item, &words, &path.item(at), report)).collect()
}
