//! Why a scrape failed.

use crate::http::client::FetchError;
use crate::http::connect::ConnectError;

/// Why a scrape gave nothing. Contributes nothing to any output.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ScrapeError {
    /// What class of failure it is.
    pub kind: ScrapeErrorKind,
    /// One line for people; no credentials, no query.
    pub message: String,
}

/// Classes of failure; the closed set behind the `reason` label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ScrapeErrorKind {
    /// The name does not resolve, nobody listens, or the proxy refuses.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// What came is not HTTP.
    Http,
    /// A redirect leads nowhere.
    Redirect,
    /// The deadline passed.
    Timeout,
    /// The status is not 2xx.
    Status,
    /// The content type is clearly not that of an exposition.
    ContentType,
    /// The body is in an encoding weir did not ask for and does not know, or it is corrupt.
    Encoding,
    /// The transfer did not end cleanly.
    Truncated,
    /// The decoded body is longer than the limit.
    BodyBytes,
    /// A file cannot be read.
    File,
    /// A password, a token or a certificate cannot be read.
    Secret,
    /// The reader of the bytes refused them, for a reason of its own closed set.
    Refused(&'static str),
    /// A fault of weir's own.
    Internal,
}

impl ScrapeErrorKind {
    /// The value of the `reason` label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Redirect => "redirect",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::ContentType => "content_type",
            Self::Encoding => "encoding",
            Self::Truncated => "truncated",
            Self::BodyBytes => "body_bytes",
            Self::File => "file",
            Self::Secret => "secret",
            Self::Refused(reason) => reason,
            Self::Internal => "internal",
        }
    }
}

impl ScrapeError {
    /// An error with a message of its own.
    pub fn new(kind: ScrapeErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What a sink says when it does not want the bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// One of a closed set of words.
    pub reason: &'static str,
    /// One line for people.
    pub message: String,
}

impl From<Refused> for ScrapeError {
    fn from(refused: Refused) -> Self {
        Self::new(ScrapeErrorKind::Refused(refused.reason), refused.message)
    }
}

impl From<FetchError> for ScrapeError {
    fn from(error: FetchError) -> Self {
        let kind = match &error {
            FetchError::Connect(ConnectError::Tls { .. }) => ScrapeErrorKind::Tls,
            FetchError::Connect(_) => ScrapeErrorKind::Connect,
            FetchError::TooManyRedirects | FetchError::BadRedirect(_) => ScrapeErrorKind::Redirect,
            FetchError::Http(_) => ScrapeErrorKind::Http,
            FetchError::Truncated(_) => ScrapeErrorKind::Truncated,
        };
        Self::new(kind, error.to_string())
    }
}
