//! How to ask one upstream: who weir says it is, whom it trusts, what else it sends.
//!
//! The words are Prometheus' own (`basic_auth`, `authorization`, `tls_config`, `http_headers`,
//! `follow_redirects`). Secrets in files are read when they are used, so that they can be changed
//! under a running process.

use crate::http::percent;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;

/// The largest secret, certificate bundles included.
const SECRET_BYTES_MAX: u64 = 4 << 20;

/// Something that is not to be shown, or the file it is in. `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub enum Secret {
    /// The secret itself.
    Inline(String),
    /// A file that holds it; white space around it is not part of it.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

impl Secret {
    /// The secret as it is now.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no text, or is too large.
    pub async fn read(&self) -> Result<String, String> {
        let path = match self {
            Self::Inline(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let error = |message: String| format!("cannot read {:?}: {message}", path.display());
        let file = tokio::fs::File::open(path).await.map_err(|e| error(e.to_string()))?;
        let mut text = String::new();
        let read = file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).await;
        read.map_err(|e| error(e.to_string()))?;
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err(error(format!("larger than {SECRET_BYTES_MAX} bytes")));
        }
        Ok(text.trim().to_owned())
    }
}

/// What stands in the `Authorization` header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authorization {
    /// User and password.
    Basic {
        /// The user.
        username: Secret,
        /// The password; none is the empty one.
        password: Option<Secret>,
    },
    /// A scheme such as `Bearer`, and what it asks for.
    Scheme {
        /// The scheme.
        scheme: String,
        /// What follows it.
        credentials: Option<Secret>,
    },
}

/// A version of TLS that weir speaks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Whom weir trusts, and who it says it is. PEM everywhere.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsSettings {
    /// Certificates to trust, in place of the system's.
    pub ca: Option<Secret>,
    /// weir's own certificate and its key.
    pub identity: Option<(Secret, Secret)>,
    /// The name the other side has to have, in place of the URL's host.
    pub server_name: Option<String>,
    /// Whether to take any certificate.
    pub insecure_skip_verify: bool,
    /// The oldest version to speak.
    pub min_version: Option<TlsVersion>,
    /// The newest version to speak.
    pub max_version: Option<TlsVersion>,
}

/// One header to send, with each of its values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderSetting {
    /// Its name.
    pub name: HeaderName,
    /// Its values, some of which may be secret.
    pub values: Vec<Secret>,
}

/// How to ask one upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientSettings {
    /// Who weir says it is.
    pub authorization: Option<Authorization>,
    /// Whom weir trusts.
    pub tls: TlsSettings,
    /// What else to send.
    pub headers: Vec<HeaderSetting>,
    /// Whether to follow redirects.
    pub follow_redirects: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            authorization: None,
            tls: TlsSettings::default(),
            headers: Vec::new(),
            follow_redirects: true,
        }
    }
}

impl ClientSettings {
    /// The headers for one request, secrets read anew. They are for the upstream alone: a redirect
    /// to another host does not get them.
    ///
    /// # Errors
    ///
    /// A secret cannot be read, or holds what no header may.
    pub async fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for HeaderSetting { name, values } in &self.headers {
            for value in values {
                headers.append(name, header_value(&value.read().await?, name.as_str())?);
            }
        }
        if let Some(authorization) = &self.authorization {
            let value = header_value(&authorization.read().await?, "authorization")?;
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

impl Authorization {
    async fn read(&self) -> Result<String, String> {
        match self {
            Self::Basic { username, password } => {
                let password = read(password.as_ref()).await?;
                let both = format!("{}:{password}", username.read().await?);
                Ok(format!("Basic {}", percent::base64(both.as_bytes())))
            }
            Self::Scheme { scheme, credentials } => {
                Ok(format!("{scheme} {}", read(credentials.as_ref()).await?))
            }
        }
    }
}

async fn read(secret: Option<&Secret>) -> Result<String, String> {
    match secret {
        Some(secret) => secret.read().await,
        None => Ok(String::new()),
    }
}

fn header_value(text: &str, name: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| format!("the value of the header {name} has characters no header may have"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn secrets_are_read_when_they_are_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "one\n").unwrap();
        let settings = ClientSettings {
            authorization: Some(Authorization::Basic {
                username: Secret::Inline("bob".to_owned()),
                password: Some(Secret::File(path.clone())),
            }),
            headers: vec![HeaderSetting {
                name: HeaderName::from_static("x-tenant"),
                values: vec![Secret::Inline("a".to_owned()), Secret::Inline("b".to_owned())],
            }],
            ..ClientSettings::default()
        };
        let sent = settings.headers().await.unwrap();
        assert_eq!(sent["authorization"], format!("Basic {}", percent::base64(b"bob:one")));
        assert_eq!(sent.get_all("x-tenant").iter().count(), 2);
        std::fs::write(&path, "two").unwrap();
        let sent = settings.headers().await.unwrap();
        assert_eq!(sent["authorization"], format!("Basic {}", percent::base64(b"bob:two")));
        std::fs::remove_file(&path).unwrap();
        let error = settings.headers().await.unwrap_err();
        assert!(error.contains("password"), "{error}");
        assert!(!format!("{settings:?}").contains("bob"));
    }

    #[tokio::test]
    async fn other_schemes_are_sent_as_they_are() {
        let settings = ClientSettings {
            authorization: Some(Authorization::Scheme {
                scheme: "Bearer".to_owned(),
                credentials: Some(Secret::Inline("t0ken".to_owned())),
            }),
            ..ClientSettings::default()
        };
        assert_eq!(settings.headers().await.unwrap()["authorization"], "Bearer t0ken");
        let broken = ClientSettings {
            authorization: Some(Authorization::Scheme {
                scheme: "Bearer".to_owned(),
                credentials: Some(Secret::Inline("a\nb".to_owned())),
            }),
            ..ClientSettings::default()
        };
        assert!(!broken.headers().await.unwrap_err().contains("a\n"));
    }
}
