//! Web configuration files: `--web.config.file`, as Prometheus' exporter-toolkit reads them.
//!
//! A file that weir starts with, exporter-toolkit starts with. What it takes and what would guard
//! nothing is taken with a warning; what cannot be done here is refused: no version of TLS before
//! 1.2, and authorities that hold no certificate.

use super::super::decode;
use super::super::decode::Entry;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::error::ConfigErrors;
use super::super::error::Finding;
use super::super::node;
use super::super::node::Kind;
use super::super::node::Node;
use super::super::relabel;
use super::super::scalar::cut;
use super::shape;
use super::shape::Key;
use super::shape::Object;
use super::shape::Shape;
use super::value;
use crate::http::settings::Secret;
use crate::http::settings::TlsVersion;
use crate::http::web::Rate;
use crate::http::web::User;
use crate::http::web::WebSettings;
use crate::http::web::tls::CIPHER_SUITES;
use crate::http::web::tls::CURVES;
use crate::http::web::tls::ClientAuth;
use crate::http::web::tls::ServerTls;
use http::HeaderName;
use http::HeaderValue;
use std::path::Path as FilePath;

/// A bcrypt cost above which a check takes longer than a second or two.
const COST_MAX: u32 = 15;

static WEB: Object = Object {
    wanted: "a map of web settings",
    keys: &[
        Key { name: "tls_server_config", shape: Shape::Object(&TLS), about: "TLS" },
        Key { name: "http_server_config", shape: Shape::Object(&HTTP), about: "HTTP" },
        Key { name: "rate_limit", shape: Shape::Object(&RATE), about: "How often may be asked" },
        Key {
            name: "basic_auth_users",
            shape: Shape::MapOf(&Shape::Scalar),
            about: "Who may ask: names, and bcrypt hashes of their passwords",
        },
    ],
    inline: &[],
    required: &[],
};

static TLS: Object = Object {
    wanted: "web.TLSConfig",
    keys: &[
        Key { name: "cert", shape: Shape::Text, about: "The certificate, as PEM text" },
        Key { name: "key", shape: Shape::Text, about: "Its key, as PEM text" },
        Key { name: "client_ca", shape: Shape::Text, about: "Clients' authorities, as PEM text" },
        Key { name: "cert_file", shape: Shape::Text, about: "A file with the certificate" },
        Key { name: "key_file", shape: Shape::Text, about: "A file with its key" },
        Key { name: "client_ca_file", shape: Shape::Text, about: "A file of authorities" },
        Key { name: "client_auth_type", shape: Shape::Text, about: "What is asked of clients" },
        Key {
            name: "client_allowed_sans",
            shape: Shape::List(&Shape::Text),
            about: "The names one of which a client has to have",
        },
        Key {
            name: "cipher_suites",
            shape: Shape::List(&Shape::Text),
            about: "The suites of TLS 1.2",
        },
        Key { name: "curve_preferences", shape: Shape::List(&Shape::Text), about: "The curves" },
        Key { name: "min_version", shape: Shape::Text, about: "The oldest version" },
        Key { name: "max_version", shape: Shape::Text, about: "The newest version" },
        Key {
            name: "prefer_server_cipher_suites",
            shape: Shape::Bool,
            about: "Whether the order of suites here counts more than the client's",
        },
    ],
    inline: &[],
    required: &[],
};

static HTTP: Object = Object {
    wanted: "web.HTTPConfig",
    keys: &[
        Key { name: "http2", shape: Shape::Bool, about: "Known, without effect: HTTP/1.1 alone" },
        Key { name: "headers", shape: Shape::MapOf(&Shape::Scalar), about: "Headers of answers" },
    ],
    inline: &[],
    required: &[],
};

static RATE: Object = Object {
    wanted: "web.RateLimiterConfig",
    keys: &[
        Key { name: "interval", shape: Shape::Duration, about: "The time between two requests" },
        Key { name: "burst", shape: Shape::Count, about: "Requests that may come at once" },
    ],
    inline: &[],
    required: &[],
};

/// The headers that may be set, and their values where only some are known.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// Versions by name; `None` for those that weir does not speak.
const VERSIONS: [(&str, Option<TlsVersion>); 4] = [
    ("TLS13", Some(TlsVersion::Tls13)),
    ("TLS12", Some(TlsVersion::Tls12)),
    ("TLS11", None),
    ("TLS10", None),
];

const CLIENT_AUTH: [(&str, ClientAuth); 7] = [
    ("", ClientAuth::None),
    ("NoClientCert", ClientAuth::None),
    ("RequestClientCert", ClientAuth::Request),
    ("RequireAnyClientCert", ClientAuth::RequireAny),
    ("RequireClientCert", ClientAuth::RequireAny),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
];

/// Read a web configuration file; `name` is what to call it in messages, `directory` what the names
/// of files in it are relative to. Besides it gives what is allowed but probably not meant.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(
    name: &str,
    text: &str,
    directory: &FilePath,
) -> Result<(WebSettings, Vec<Finding>), ConfigErrors> {
    relabel::load(name, text, |root, report| {
        let mut settings = WebSettings::default();
        if root.is_null() {
            return settings;
        }
        let top = Path::default();
        for entry in WEB.fields(root, &top, report) {
            let (value, inner) = (entry.value, &top.field(&entry.name));
            match &*entry.name {
                "tls_server_config" => settings.tls = tls(value, directory, inner, report),
                "http_server_config" => settings.headers = http(value, inner, report),
                "rate_limit" => settings.rate = rate(value, inner, report),
                "basic_auth_users" => settings.users = users(value, inner, report),
                _ => shape::forgotten(&entry, &top, report),
            }
        }
        settings
    })
}

/// Whether a text is meant as a web configuration file: it has one of the keys, with a map behind.
pub fn is_web(text: &str) -> bool {
    let Ok(Node { kind: Kind::Map(pairs), .. }) = node::parse(text) else { return false };
    let is_key = |key: &Node| {
        let name = key.as_scalar().map(|scalar| &*scalar.text).unwrap_or_default();
        WEB.keys.iter().any(|known| known.name == name)
    };
    pairs.iter().any(|(key, value)| is_key(key) && !matches!(value.kind, Kind::List(_)))
}

fn users(node: &Node, path: &Path, report: &mut Report) -> Vec<User> {
    let mut users = Vec::new();
    for entry in decode::fields(node, "a map of users", path, report).unwrap_or_default() {
        let inner = path.field(&entry.name);
        let hash = decode::text(entry.value, &inner, report).unwrap_or_default();
        match User::cost_of(&hash) {
            None => {
                let remedy =
                    "write what `htpasswd -nBC 10 NAME` prints behind the colon".to_owned();
                report.error_with_remedy(entry.value.at, &inner, "not a bcrypt hash", Some(remedy));
            }
            Some(cost) if cost > COST_MAX => {
                let message = format!("a cost of {cost} takes seconds or more for each login");
                report.warn(entry.value.at, &inner, message, Some("hash with a cost of 10"));
            }
            Some(_) => {}
        }
        users.push(User { name: entry.name, hash });
    }
    users
}

fn rate(node: &Node, path: &Path, report: &mut Report) -> Option<Rate> {
    let (mut interval, mut burst) = (None, 0);
    for entry in RATE.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "interval" => interval = value::duration_or_zero(value, inner, report),
            "burst" => {
                let number = decode::unsigned(value, inner, report).unwrap_or_default();
                burst = u32::try_from(number).unwrap_or(u32::MAX);
            }
            _ => shape::forgotten(&entry, path, report),
        }
    }
    let interval = interval.filter(|interval| !interval.is_zero())?;
    if burst == 0 {
        let remedy = Some("write burst: 1 or more");
        report.warn(node.at, path, "without a burst every request is refused", remedy);
    }
    Some(Rate { interval, burst })
}

fn http(node: &Node, path: &Path, report: &mut Report) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for entry in HTTP.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            // Read for its errors alone.
            "http2" => drop(value::truth(value, inner, report)),
            "headers" => {
                let fields = decode::fields(value, "a map of headers", inner, report);
                let fields = fields.unwrap_or_default();
                headers.extend(fields.iter().filter_map(|field| header(field, inner, report)));
            }
            _ => shape::forgotten(&entry, path, report),
        }
    }
    headers
}

fn header(
    field: &Entry<'_>,
    path: &Path,
    report: &mut Report,
) -> Option<(HeaderName, HeaderValue)> {
    let inner = &path.field(&field.name);
    let Some((_, values)) = HEADERS.iter().find(|(name, _)| *name == field.name) else {
        let message = format!("HTTP header {:?} can not be configured", cut(&field.name));
        let names = HEADERS.map(|(name, _)| name);
        report.error_with_remedy(
            field.at,
            path,
            message,
            Some(format!("use one of {}", names.join(", "))),
        );
        return None;
    };
    let text = decode::text(field.value, inner, report).unwrap_or_default();
    if !values.is_empty() && !values.contains(&text.as_str()) {
        let message = format!("invalid value {:?}", cut(&text));
        let remedy = Some(format!("use one of {}", values.join(", ")));
        report.error_with_remedy(field.value.at, inner, message, remedy);
    }
    let both = (HeaderName::try_from(&*field.name), HeaderValue::try_from(&text));
    let (Ok(name), Ok(value)) = both else {
        report.error(field.value.at, inner, "this cannot be the value of a header");
        return None;
    };
    Some((name, value))
}

/// What `tls_server_config` says, in the order of the file's keys.
struct Reading<'d> {
    directory: &'d FilePath,
    cert: Option<Secret>,
    key: Option<Secret>,
    client_ca: Option<Secret>,
    client_auth: Option<ClientAuth>,
    /// Whether anything is there that asks for TLS.
    is_enabled: bool,
    tls: ServerTls,
}

fn tls(node: &Node, directory: &FilePath, path: &Path, report: &mut Report) -> Option<ServerTls> {
    let nothing = || Secret::Inline(String::new());
    let mut reading = Reading {
        directory,
        cert: None,
        key: None,
        client_ca: None,
        client_auth: None,
        is_enabled: false,
        tls: ServerTls {
            identity: (nothing(), nothing()),
            client_ca: None,
            client_auth: ClientAuth::None,
            client_allowed_sans: None,
            min_version: TlsVersion::Tls12,
            max_version: TlsVersion::Tls13,
            cipher_suites: Vec::new(),
            curves: Vec::new(),
            prefers_own_order: true,
        },
    };
    for entry in TLS.fields(node, path, report) {
        reading.field(&entry, path, report);
    }
    reading.finish(node, path, report)
}

impl Reading<'_> {
    fn field(&mut self, entry: &Entry<'_>, path: &Path, report: &mut Report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "cert" => self.secret(|all| &mut all.cert, false, value, inner, report),
            "key" => self.secret(|all| &mut all.key, false, value, inner, report),
            "client_ca" => self.secret(|all| &mut all.client_ca, false, value, inner, report),
            "cert_file" => self.secret(|all| &mut all.cert, true, value, inner, report),
            "key_file" => self.secret(|all| &mut all.key, true, value, inner, report),
            "client_ca_file" => self.secret(|all| &mut all.client_ca, true, value, inner, report),
            "client_auth_type" => {
                self.client_auth = value::word(value, &CLIENT_AUTH, inner, report);
                self.is_enabled |= decode::text(value, inner, report) != Some(String::new());
            }
            "client_allowed_sans" => {
                self.tls.client_allowed_sans = Some(value::texts(value, inner, report));
            }
            "cipher_suites" => {
                let known = CIPHER_SUITES.map(|(name, is_spoken)| (name, (name, is_spoken)));
                self.tls.cipher_suites = spoken(value, &known, inner, report);
            }
            "curve_preferences" => {
                let known = CURVES.map(|(name, spoken)| (name, (name, spoken.is_some())));
                self.tls.curves = spoken(value, &known, inner, report);
            }
            "min_version" => {
                if let Some(version) = value::word(value, &VERSIONS, inner, report) {
                    self.tls.min_version = version.unwrap_or(TlsVersion::Tls12);
                }
            }
            "max_version" => match value::word(value, &VERSIONS, inner, report) {
                Some(None) => report.error(value.at, inner, "weir speaks TLS12 and TLS13"),
                Some(Some(version)) => self.tls.max_version = version,
                None => {}
            },
            "prefer_server_cipher_suites" => {
                let truth = value::truth(value, inner, report);
                self.tls.prefers_own_order = truth.unwrap_or(true);
            }
            _ => shape::forgotten(entry, path, report),
        }
    }

    /// Take a PEM text or the name of a file, of which the file counts where both are given.
    fn secret(
        &mut self,
        field: impl Fn(&mut Self) -> &mut Option<Secret>,
        is_file: bool,
        value: &Node,
        path: &Path,
        report: &mut Report,
    ) {
        let text = decode::text(value, path, report).filter(|text| !text.is_empty());
        let Some(text) = text else { return };
        self.is_enabled = true;
        let new =
            if is_file { Secret::File(self.directory.join(text)) } else { Secret::Inline(text) };
        let old = field(self).take();
        if old.is_some() {
            report.warn(value.at, path, "of a file and a text the file is used", None);
        }
        *field(self) = if is_file { Some(new) } else { old.or(Some(new)) };
    }

    fn finish(self, node: &Node, path: &Path, report: &mut Report) -> Option<ServerTls> {
        let Self { cert, key, client_ca, client_auth, is_enabled, mut tls, .. } = self;
        if !is_enabled {
            let remedy = Some("give cert_file and key_file");
            report.warn(node.at, path, "without a certificate there is no TLS", remedy);
            return None;
        }
        tls.client_auth = client_auth.unwrap_or_default();
        if client_ca.is_some() && tls.client_auth == ClientAuth::None {
            let message = "client CA's have been configured without a Client Auth Policy";
            let remedy = Some("give client_auth_type: RequireAndVerifyClientCert".to_owned());
            report.error_with_remedy(node.at, path, message, remedy);
        } else if tls.client_allowed_sans.is_some() && tls.client_auth == ClientAuth::None {
            let message = "client_allowed_sans is not looked at: no certificate is asked for";
            let remedy = Some("give client_auth_type: RequireAndVerifyClientCert");
            report.warn(node.at, path, message, remedy);
        }
        let verifies =
            matches!(tls.client_auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify);
        if verifies && client_ca.is_none() {
            let message = "without client_ca any authority that the system trusts is good enough";
            report.warn(node.at, path, message, Some("give client_ca_file"));
        }
        if tls.min_version > tls.max_version {
            report.error(node.at, path, "min_version is newer than max_version");
        }
        tls.client_ca = client_ca;
        match (cert, key) {
            (Some(cert), Some(key)) => tls.identity = (cert, key),
            (cert, key) => {
                for (name, is_there) in [("cert", cert.is_some()), ("key", key.is_some())] {
                    if !is_there {
                        let message = format!("missing one of {name} or {name}_file");
                        report.error(node.at, path, message);
                    }
                }
            }
        }
        Some(tls)
    }
}

/// A list of words, with a warning for each that is known and not spoken here.
fn spoken(
    node: &Node,
    known: &[(&'static str, (&'static str, bool))],
    path: &Path,
    report: &mut Report,
) -> Vec<&'static str> {
    let items = decode::items(node, "a list of names", None, path, report).unwrap_or_default();
    let mut names = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let inner = path.item(at);
        let Some((name, is_spoken)) = value::word(item, known, &inner, report) else { continue };
        if !is_spoken {
            report.warn(item.at, &inner, format!("weir does not speak {name}"), None);
        }
        names.push(name);
    }
    names
}
