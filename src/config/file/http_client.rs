//! How an upstream is asked: `basic_auth`, `authorization`, `tls_config`, `http_headers`,
//! `follow_redirects`, with the meaning and the refusals of Prometheus.

use super::super::decode;
use super::super::decode::Entry;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Node;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::value;
use crate::http::settings::Authorization;
use crate::http::settings::ClientSettings;
use crate::http::settings::HeaderSetting;
use crate::http::settings::Secret;
use crate::http::settings::TlsSettings;
use crate::http::settings::TlsVersion;
use http::HeaderName;
use std::path::Path as FilePath;

/// The keys that say how to ask.
pub(super) static CLIENT: Object = Object {
    wanted: "HTTP client settings",
    keys: &[
        Key { name: "basic_auth", shape: Shape::Object(&BASIC_AUTH), about: "User and password" },
        Key {
            name: "authorization",
            shape: Shape::Object(&AUTHORIZATION),
            about: "The Authorization header",
        },
        Key {
            name: "tls_config",
            shape: Shape::Object(&TLS),
            about: "Whom to trust, and who weir is",
        },
        Key {
            name: "http_headers",
            shape: Shape::MapOf(&Shape::Object(&HEADER)),
            about: "Further headers, by name",
        },
        Key {
            name: "follow_redirects",
            shape: Shape::Bool,
            about: "Whether to follow redirects; default true",
        },
    ],
    inline: &[],
    required: &[],
};

static BASIC_AUTH: Object = Object {
    wanted: "config.BasicAuth",
    keys: &[
        Key { name: "username", shape: Shape::Scalar, about: "The user" },
        Key { name: "username_file", shape: Shape::Text, about: "A file with the user" },
        Key { name: "password", shape: Shape::Scalar, about: "The password" },
        Key { name: "password_file", shape: Shape::Text, about: "A file with the password" },
    ],
    inline: &[],
    required: &[],
};

static AUTHORIZATION: Object = Object {
    wanted: "config.Authorization",
    keys: &[
        Key { name: "type", shape: Shape::Text, about: "The scheme; default Bearer" },
        Key { name: "credentials", shape: Shape::Scalar, about: "What follows the scheme" },
        Key { name: "credentials_file", shape: Shape::Text, about: "A file with the credentials" },
    ],
    inline: &[],
    required: &[],
};

static TLS: Object = Object {
    wanted: "config.TLSConfig",
    keys: &[
        Key { name: "ca", shape: Shape::Text, about: "Certificates to trust, as PEM text" },
        Key { name: "ca_file", shape: Shape::Text, about: "A file of certificates to trust" },
        Key { name: "cert", shape: Shape::Text, about: "weir's certificate, as PEM text" },
        Key { name: "cert_file", shape: Shape::Text, about: "A file with weir's certificate" },
        Key {
            name: "key",
            shape: Shape::Text,
            about: "The key of weir's certificate, as PEM text",
        },
        Key { name: "key_file", shape: Shape::Text, about: "A file with that key" },
        Key {
            name: "server_name",
            shape: Shape::Text,
            about: "The name the other side has to have",
        },
        Key {
            name: "insecure_skip_verify",
            shape: Shape::Bool,
            about: "Take any certificate; default false",
        },
        Key {
            name: "min_version",
            shape: Shape::Word(&["TLS10", "TLS11", "TLS12", "TLS13"]),
            about: "The oldest version to speak; weir speaks none before TLS12",
        },
        Key {
            name: "max_version",
            shape: Shape::Word(&["TLS12", "TLS13"]),
            about: "The newest version to speak",
        },
    ],
    inline: &[],
    required: &[],
};

static HEADER: Object = Object {
    wanted: "config.Header",
    keys: &[
        Key { name: "values", shape: Shape::List(&Shape::Scalar), about: "Values" },
        Key {
            name: "secrets",
            shape: Shape::List(&Shape::Scalar),
            about: "Values not to be shown",
        },
        Key { name: "files", shape: Shape::List(&Shape::Text), about: "Files with a value each" },
    ],
    inline: &[],
    required: &[],
};

/// Headers that say what the client itself knows better.
const RESERVED_HEADERS: [&str; 15] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
];

/// Whether this is a header that nobody may set.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED_HEADERS.contains(&&*name.to_ascii_lowercase())
}

/// Settings that are being read.
pub(super) struct Reading<'d> {
    /// What names of files are relative to.
    pub(super) directory: &'d FilePath,
    settings: ClientSettings,
    basic_auth: Option<Authorization>,
}

impl<'d> Reading<'d> {
    pub(super) fn new(directory: &'d FilePath) -> Self {
        Self { directory, settings: ClientSettings::default(), basic_auth: None }
    }

    /// Take a field; `false` if it says something else than how to ask.
    pub(super) fn field(&mut self, entry: &Entry<'_>, path: &Path, report: &mut Report) -> bool {
        let value = entry.value;
        let inner = &path.field(&entry.name);
        match &*entry.name {
            "basic_auth" => self.basic_auth = Some(self.basic_auth(value, inner, report)),
            "authorization" => {
                self.settings.authorization = self.authorization(value, inner, report);
            }
            "tls_config" => self.settings.tls = self.tls(value, inner, report),
            "http_headers" => self.settings.headers = self.headers(value, inner, report),
            "follow_redirects" => {
                let truth = value::truth(value, inner, report);
                self.settings.follow_redirects = truth.unwrap_or(true);
            }
            _ => return false,
        }
        if entry.name == "basic_auth" || entry.name == "authorization" {
            let both = self.basic_auth.is_some() && self.settings.authorization.is_some();
            if both {
                let message = "at most one of basic_auth & authorization must be configured";
                report.error(entry.at, path, message);
            }
        }
        true
    }

    pub(super) fn finish(self) -> ClientSettings {
        let Self { mut settings, basic_auth, .. } = self;
        settings.authorization = settings.authorization.or(basic_auth);
        settings
    }

    fn file(&self, node: &Node, path: &Path, report: &mut Report) -> Option<Secret> {
        let name = decode::text(node, path, report).filter(|name| !name.is_empty())?;
        Some(Secret::File(self.directory.join(name)))
    }

    fn basic_auth(&self, node: &Node, path: &Path, report: &mut Report) -> Authorization {
        let (mut username, mut password) = (Once::default(), Once::default());
        for entry in BASIC_AUTH.fields(node, path, report) {
            let (value, inner) = (entry.value, &path.field(&entry.name));
            match &*entry.name {
                "username" => username.set(inline(value, inner, report), &entry, path, report),
                "username_file" => {
                    username.set(self.file(value, inner, report), &entry, path, report);
                }
                "password" => password.set(inline(value, inner, report), &entry, path, report),
                "password_file" => {
                    password.set(self.file(value, inner, report), &entry, path, report);
                }
                _ => shape::forgotten(&entry, path, report),
            }
        }
        let username = username.secret.unwrap_or_else(|| Secret::Inline(String::new()));
        Authorization::Basic { username, password: password.secret }
    }

    fn authorization(
        &self,
        node: &Node,
        path: &Path,
        report: &mut Report,
    ) -> Option<Authorization> {
        let (mut scheme, mut credentials) = ("Bearer".to_owned(), Once::default());
        for entry in AUTHORIZATION.fields(node, path, report) {
            let (value, inner) = (entry.value, &path.field(&entry.name));
            match &*entry.name {
                "type" => scheme = decode::text(value, inner, report)?,
                "credentials" => {
                    credentials.set(inline(value, inner, report), &entry, path, report);
                }
                "credentials_file" => {
                    credentials.set(self.file(value, inner, report), &entry, path, report);
                }
                _ => shape::forgotten(&entry, path, report),
            }
        }
        let scheme = scheme.trim().to_owned();
        if scheme.eq_ignore_ascii_case("basic") {
            let message = "authorization type cannot be set to \"basic\"";
            let remedy = Some("use \"basic_auth\" instead".to_owned());
            report.error_with_remedy(node.at, path, message, remedy);
        }
        Some(Authorization::Scheme { scheme, credentials: credentials.secret })
    }

    fn tls(&self, node: &Node, path: &Path, report: &mut Report) -> TlsSettings {
        let mut tls = TlsSettings::default();
        let (mut ca, mut cert, mut key) = (Once::default(), Once::default(), Once::default());
        for entry in TLS.fields(node, path, report) {
            let (value, inner) = (entry.value, &path.field(&entry.name));
            match &*entry.name {
                "ca" => ca.set(inline(value, inner, report), &entry, path, report),
                "ca_file" => ca.set(self.file(value, inner, report), &entry, path, report),
                "cert" => cert.set(inline(value, inner, report), &entry, path, report),
                "cert_file" => cert.set(self.file(value, inner, report), &entry, path, report),
                "key" => key.set(inline(value, inner, report), &entry, path, report),
                "key_file" => key.set(self.file(value, inner, report), &entry, path, report),
                "server_name" => tls.server_name = decode::text(value, inner, report),
                "insecure_skip_verify" => {
                    tls.insecure_skip_verify =
                        value::truth(value, inner, report).unwrap_or_default();
                }
                "min_version" => tls.min_version = version(value, inner, report),
                "max_version" => {
                    tls.max_version = version(value, inner, report);
                    if tls.max_version.is_none() {
                        report.error(value.at, inner, "weir speaks TLS12 and TLS13");
                    }
                }
                _ => shape::forgotten(&entry, path, report),
            }
        }
        if tls.max_version.is_some() && tls.min_version > tls.max_version {
            report.error(node.at, path, "min_version is newer than max_version");
        }
        tls.ca = ca.secret;
        tls.identity = match (cert.secret, key.secret) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => {
                report.error(node.at, path, "a client certificate needs both cert and key");
                None
            }
        };
        tls
    }

    fn headers(&self, node: &Node, path: &Path, report: &mut Report) -> Vec<HeaderSetting> {
        let mut headers = Vec::new();
        let wanted = "a map of headers";
        for entry in decode::fields(node, wanted, path, report).unwrap_or_default() {
            let inner = path.field(&entry.name);
            if is_reserved(&entry.name) {
                let message = format!("setting header {:?} is not allowed", entry.name);
                report.error(entry.at, path, message);
                continue;
            }
            let Ok(name) = HeaderName::try_from(&*entry.name) else {
                report.error(entry.at, path, "this cannot be the name of a header");
                continue;
            };
            let mut values = Vec::new();
            for field in HEADER.fields(entry.value, &inner, report) {
                let deeper = &inner.field(&field.name);
                let texts = value::texts(field.value, deeper, report).into_iter();
                match &*field.name {
                    "values" | "secrets" => values.extend(texts.map(Secret::Inline)),
                    "files" => {
                        values.extend(texts.map(|name| Secret::File(self.directory.join(name))));
                    }
                    _ => shape::forgotten(&field, &inner, report),
                }
            }
            headers.push(HeaderSetting { name, values });
        }
        headers
    }
}

fn inline(node: &Node, path: &Path, report: &mut Report) -> Option<Secret> {
    decode::text(node, path, report).map(Secret::Inline)
}

/// A version that weir speaks; `None` for an older one, and for a word that is reported.
fn version(node: &Node, path: &Path, report: &mut Report) -> Option<TlsVersion> {
    const WORDS: [(&str, Option<TlsVersion>); 4] = [
        ("TLS10", None),
        ("TLS11", None),
        ("TLS12", Some(TlsVersion::Tls12)),
        ("TLS13", Some(TlsVersion::Tls13)),
    ];
    value::word(node, &WORDS, path, report)?
}

/// A secret that may be given in one of two ways.
#[derive(Default)]
struct Once {
    secret: Option<Secret>,
    name: String,
}

impl Once {
    fn set(&mut self, secret: Option<Secret>, entry: &Entry<'_>, path: &Path, report: &mut Report) {
        if self.secret.is_some() {
            let message =
                format!("at most one of {} & {} must be configured", self.name, entry.name);
            report.error(entry.at, path, message);
        }
        self.name.clone_from(&entry.name);
        self.secret = secret.or(self.secret.take());
    }
}
