//! Whether a request is answered at all.

use crate::app::gate::Gate;
use crate::app::gate::route::Route;
use crate::http::answer::Problem;
use crate::http::web::Refusal;
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

impl Gate {
    /// Ask what stands before the gate; what is refused is counted.
    pub(super) async fn admit(
        &self,
        route: Option<&Route>,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        let is_probe = matches!(route, Some(Route::Healthy | Route::Ready));
        if is_probe && self.web.opens_probes {
            return Ok(());
        }
        self.web.admit(headers).await.map_err(|refusal| match refusal {
            Refusal::NoCredentials => self.unauthorized(AuthFailure::Missing),
            Refusal::BadCredentials => self.unauthorized(AuthFailure::Wrong),
            Refusal::TooManyChecks => {
                self.metrics.limit_refusal("password_checks");
                Problem::Busy { what: "passwords to check" }
            }
            Refusal::TooOften => {
                self.metrics.limit_refusal("request_rate");
                Problem::TooOften
            }
        })
    }

    fn unauthorized(&self, failure: AuthFailure) -> Problem {
        self.metrics.auth_failed(failure.reason());
        Problem::Unauthorized
    }
}
