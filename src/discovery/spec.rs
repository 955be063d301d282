//! What an upstream may be: a URL, a name with many addresses, documents that list targets.

use crate::http::Url;
use crate::http::settings::ClientSettings;
use crate::http::url::{Scheme, UrlError};
use crate::source::Target;
use crate::source::target::TargetError;
use std::fmt;
use std::time::Duration;

/// Where the path of a target is unless something says otherwise.
pub const METRICS_PATH: &str = "/metrics";
/// As Prometheus.
pub const FILE_REFRESH_INTERVAL: Duration = Duration::from_mins(5);
/// As Prometheus.
pub const HTTP_REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// Where the targets of one upstream come from, and what their URLs are made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// All of them count.
    pub sources: Vec<Source>,
    /// For targets of documents that do not name one.
    pub scheme: Scheme,
    /// The same.
    pub metrics_path: String,
    /// Parameters of the query of every target, by name.
    pub params: Vec<(String, Vec<String>)>,
}

impl Plan {
    /// A plan with one source and nothing else.
    pub fn one(source: Source) -> Self {
        Self {
            sources: vec![source],
            scheme: Scheme::Http,
            metrics_path: METRICS_PATH.to_owned(),
            params: Vec::new(),
        }
    }
}

/// Something that names targets. `Display` shows neither credentials nor query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// One target.
    Fixed(Target),
    /// A name that is looked up for each scrape.
    Dns(DnsSource),
    /// Files that list targets.
    Files(FileSource),
    /// A server that lists targets.
    Http(Box<HttpSource>),
}

/// A name that stands for many addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DnsSource {
    /// Which records name the targets.
    pub kind: DnsKind,
    /// The URL of each target, its host being the name to look up.
    pub url: Url,
}

/// Which records name targets. The words are those of Thanos.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DnsKind {
    /// `dns+`: A or AAAA.
    Address,
    /// `dnssrv+`: SRV, then A or AAAA of each host they name.
    Srv,
    /// `dnssrvnoa+`: SRV; the hosts they name are resolved by whoever connects.
    SrvNoAddress,
}

/// `file_sd_configs`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileSource {
    /// Files; the last part of a path may have one `*`.
    pub files: Vec<String>,
    /// A file that looks unchanged is read again after this long.
    pub refresh_interval: Duration,
}

/// `http_sd_configs`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpSource {
    /// Where the list is.
    pub url: Url,
    /// How often it is fetched.
    pub refresh_interval: Duration,
    /// How to ask for it.
    pub client: ClientSettings,
}

impl Source {
    /// Read what `--upstream` and `url` may say: `dns+`, `dnssrv+` or `dnssrvnoa+` and a URL, or
    /// whatever [`Target::parse`] takes.
    ///
    /// # Errors
    ///
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        for (prefix, kind) in [
            ("dns+", DnsKind::Address),
            ("dnssrv+", DnsKind::Srv),
            ("dnssrvnoa+", DnsKind::SrvNoAddress),
        ] {
            let Some(rest) = text.strip_prefix(prefix) else { continue };
            return match Target::parse(rest)? {
                Target::Http(url) => Ok(Self::Dns(DnsSource { kind, url })),
                _ => Err(TargetError::Url(UrlError::Scheme)),
            };
        }
        Target::parse(text).map(Self::Fixed)
    }
}

impl DnsKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Address => "dns+",
            Self::Srv => "dnssrv+",
            Self::SrvNoAddress => "dnssrvnoa+",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(target) => target.fmt(f),
            Self::Dns(DnsSource { kind, url }) => write!(f, "{}{url}", kind.prefix()),
            Self::Files(FileSource { files, .. }) => write!(f, "file_sd {}", files.join(", ")),
            Self::Http(list) => write!(f, "http_sd {}", list.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_told_apart() {
        for (text, shown) in [
            ("localhost:8081/m", "http://localhost:8081/m"),
            ("dns+http://web:9/m?x=y", "dns+http://web:9/m"),
            ("dns+https://u:p@web/a%2Fb", "dns+https://web/a%2Fb"),
            ("dns+web:9/m", "dns+http://web:9/m"),
            ("dnssrv+http://_m._tcp.web/m", "dnssrv+http://_m._tcp.web/m"),
            ("dnssrvnoa+https://_m._tcp.web", "dnssrvnoa+https://_m._tcp.web/"),
            ("file:/a/b.prom", "file:b.prom"),
        ] {
            assert_eq!(Source::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "dns+", "dns+ftp://x", "dns+file:/x", "dnssrv+http://", "dns+dns+http://h"]
        {
            Source::parse(text).unwrap_err();
        }
    }
}
