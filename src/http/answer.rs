//! What weir answers when it cannot answer what was asked: status and one line of text.
//!
//! This is the one place that maps what went wrong to a status. The lines carry no credentials and
//! no paths of the file system; the log has the rest.

use crate::http::Body;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

/// Why a request is not answered with what it asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is nothing at this path.
    #[error("not found")]
    NotFound,
    /// A method that the path does not know.
    #[error("method not allowed, use {}", allowed.replace(", ", " or "))]
    WrongMethod {
        /// The methods it knows.
        allowed: &'static str,
    },
    /// No rules are configured under this name.
    #[error("no such subset is configured")]
    UnknownSubset,
    /// Nothing was scraped yet, so a subset has no data.
    #[error("nothing was scraped yet: request /metrics first")]
    NothingScrapedYet,
    /// The last good scrape is too long ago.
    #[error("the last good scrape was {age_secs} s ago, more than --subset-max-age allows")]
    TooOld {
        /// How long ago.
        age_secs: u64,
    },
    /// No target gave anything: on one line if there is one, else a line each.
    #[error("Error getting any metrics from upstream:{}{}", before(lines), lines.join("\n"))]
    UpstreamFailed {
        /// Target and reason of each.
        lines: Vec<String>,
        /// Whether time ran out.
        is_timeout: bool,
    },
    /// Who asks has not said who it is, or is nobody who may ask.
    #[error("unauthorized")]
    Unauthorized,
    /// Requests come too often.
    #[error("too many requests, ask less often")]
    TooOften,
    /// There are several targets, and none was named.
    #[error("there are {} targets, choose one with ?target=:\n{}", targets.len(), targets.join("\n"))]
    WhichTarget {
        /// All of them.
        targets: Vec<String>,
    },
    /// There is no target of this name.
    #[error("no such target, there are:\n{}", targets.join("\n"))]
    UnknownTarget {
        /// All of them.
        targets: Vec<String>,
    },
    /// A limit on work done at the same time.
    #[error("too many {what} at the same time, try again later")]
    Busy {
        /// Of what there are too many.
        what: &'static str,
    },
    /// A fault of weir's own.
    #[error("internal error")]
    Internal,
}

impl Problem {
    /// The status that goes with it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound | Self::UnknownSubset | Self::UnknownTarget { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::WhichTarget { .. } => StatusCode::BAD_REQUEST,
            Self::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NothingScrapedYet | Self::TooOld { .. } | Self::Busy { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UpstreamFailed { is_timeout: true, .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::UpstreamFailed { .. } => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn before(lines: &[String]) -> &'static str {
    if lines.len() == 1 { " " } else { "\n" }
}

/// Answer a problem.
pub fn answer(problem: &Problem) -> Response<Body> {
    let mut response = text(problem.status(), format!("{problem}\n"));
    let headers = response.headers_mut();
    match problem {
        Problem::WrongMethod { allowed } => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Problem::Unauthorized => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        }
        Problem::Busy { .. } | Problem::TooOften => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

/// Answer with plain text.
pub fn text(status: StatusCode, text: String) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", text)
}

/// Answer with text of some type.
pub fn typed(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_its_status() {
        let lines = vec!["http://h/m: line 1, column 2: no value".to_owned()];
        for (problem, status) in [
            (Problem::NotFound, 404),
            (Problem::WrongMethod { allowed: "GET, HEAD" }, 405),
            (Problem::Unauthorized, 401),
            (Problem::TooOften, 429),
            (Problem::UnknownSubset, 404),
            (Problem::NothingScrapedYet, 503),
            (Problem::TooOld { age_secs: 400 }, 503),
            (Problem::UpstreamFailed { lines: lines.clone(), is_timeout: false }, 502),
            (Problem::UpstreamFailed { lines, is_timeout: true }, 504),
            (Problem::Busy { what: "analyses" }, 503),
            (Problem::WhichTarget { targets: vec!["a:1".to_owned(), "b:1".to_owned()] }, 400),
            (Problem::UnknownTarget { targets: vec!["a:1".to_owned()] }, 404),
            (Problem::Internal, 500),
        ] {
            assert_eq!(answer(&problem).status().as_u16(), status, "{problem}");
        }
    }

    #[test]
    fn a_failed_target_is_told_on_one_line_and_several_on_a_line_each() {
        let told = |lines: &[&str]| {
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            Problem::UpstreamFailed { lines, is_timeout: false }.to_string()
        };
        assert_eq!(told(&["h: x"]), "Error getting any metrics from upstream: h: x");
        let two = "Error getting any metrics from upstream:\nh: x\ni: y";
        assert_eq!(told(&["h: x", "i: y"]), two);
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        assert_eq!(
            answer(&Problem::WrongMethod { allowed: "GET, HEAD" }).headers()[ALLOW],
            "GET, HEAD"
        );
    }
}
