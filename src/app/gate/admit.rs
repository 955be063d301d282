//! Whether a request is answered at all.

use crate::http::answer::Problem;
use crate::http::server::TlsFailure;
use crate::http::web::Refusal;
use crate::http::web::Web;
use crate::telemetry::Metrics;
use http::HeaderMap;

/// Why credentials are refused, as it is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AuthFailure {
    /// There are none.
    Missing,
    /// They are wrong.
    Wrong,
}

impl AuthFailure {
    /// Every reason.
    pub(super) const ALL: [Self; 2] = [Self::Missing, Self::Wrong];

    /// The reason in a word.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "no_credentials",
            Self::Wrong => "bad_credentials",
        }
    }
}

/// Ask what stands before a server; what is refused is counted.
pub(in crate::app) async fn admit(
    web: &Web,
    metrics: &Metrics,
    is_probe: bool,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if is_probe && web.opens_probes {
        return Ok(());
    }
    let unauthorized = |failure: AuthFailure| {
        metrics.auth_failed(failure.reason());
        Problem::Unauthorized
    };
    web.admit(headers).await.map_err(|refusal| match refusal {
        Refusal::NoCredentials => unauthorized(AuthFailure::Missing),
        Refusal::BadCredentials => unauthorized(AuthFailure::Wrong),
        Refusal::TooManyChecks => {
            metrics.limit_refusal("password_checks");
            Problem::Busy { what: "passwords to check" }
        }
        Refusal::TooOften => {
            metrics.limit_refusal("request_rate");
            Problem::TooOften
        }
    })
}

/// Show everything that is counted here from the start.
pub(in crate::app) fn declare(metrics: &Metrics) {
    for failure in TlsFailure::ALL {
        metrics.declare_tls_failure(failure.reason());
    }
    for failure in AuthFailure::ALL {
        metrics.declare_auth_failure(failure.reason());
    }
}
