//! `/analyze`: what the target's series are made of. Never in the way of a scrape.

use crate::app::gate::Gate;
use crate::http::Body;
use crate::http::answer::Problem;
use http::{Request, Response};
use hyper::body::Incoming;

impl Gate {
    /// Read the target's body on its own request and report on it.
    pub(super) async fn analyze(
        &self,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        Err(Problem::Internal)
    }
}
