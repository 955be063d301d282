//! What `--upstream` names: an http or https URL, or a file.

use crate::http::Url;
use crate::http::url::UrlError;
use crate::source::local::Local;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Something that can be scraped. `Display` shows neither credentials nor query.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Target {
    /// A server.
    Http(Url),
    /// A server at an address its name was found to have.
    At(Url, SocketAddr),
    /// A file that is read anew for each scrape.
    File(PathBuf),
    /// This process.
    Local(Local),
}

/// Why a text names no target.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Nothing was given.
    #[error("the upstream is empty, give a URL such as http://localhost:10254/metrics")]
    Empty,
    /// `dns+` and the like: several targets behind one name.
    #[error("a name with several targets cannot stand here, give the URL of one target")]
    Dns,
    /// The URL is malformed.
    #[error("the upstream is no http or https URL: {0}")]
    Url(#[from] UrlError),
}

impl Target {
    /// Read an upstream as metric-gate does: without a scheme it is plain http.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if ["dns+", "dnssrv+", "dnssrvnoa+"].iter().any(|prefix| text.starts_with(prefix)) {
            return Err(TargetError::Dns);
        }
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(TargetError::Empty)
            } else {
                Ok(Self::File(path.into()))
            };
        }
        let url = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("http://{text}"))
        };
        Ok(Self::Http(url?))
    }

    /// What the `instance` label says: `host:port`, or `file:NAME` without the directory.
    pub fn instance(&self) -> String {
        match self {
            Self::Http(url) => url.host_port(),
            Self::At(_, address) => address.to_string(),
            Self::File(path) => {
                format!("file:{}", path.file_name().unwrap_or_default().to_string_lossy())
            }
            Self::Local(local) => local.name().to_owned(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => url.fmt(f),
            Self::At(url, address) => write!(f, "{url} at {address}"),
            Self::File(_) | Self::Local(_) => f.write_str(&self.instance()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_read_as_metric_gate_reads_them() {
        for (text, shown, instance) in [
            ("http://localhost:10254/metrics", "http://localhost:10254/metrics", "localhost:10254"),
            ("localhost:8081/metrics", "http://localhost:8081/metrics", "localhost:8081"),
            ("localhost/m?a=b", "http://localhost/m", "localhost:80"),
            ("https://u:p@h/m", "https://h/m", "h:443"),
            ("file:/var/lib/secret/node.prom", "file:node.prom", "file:node.prom"),
            ("file:///x/node.prom", "file:node.prom", "file:node.prom"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.to_string().as_str(), target.instance().as_str()),
                (shown, instance)
            );
        }
        assert_eq!(Target::parse("file://x/y").unwrap(), Target::File("x/y".into()));
    }

    /// FIX-F3: a bad upstream is refused at the start, not at each scrape.
    #[test]
    fn bad_upstreams_are_refused() {
        for text in ["", "http://[::1", "ftp://h/", "file:", "http://", ":80/x"] {
            Target::parse(text).unwrap_err();
        }
        for text in ["dns+http://h:1/m", "dns+h:1/m"] {
            assert_eq!(Target::parse(text).unwrap_err(), TargetError::Dns);
        }
    }
}
