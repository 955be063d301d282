//! `/-/metrics` of a push proxy that has its address to itself.

use crate::app::push::PushProxy;
use crate::http::Body;
use crate::http::answer::typed;
use http::Response;
use http::StatusCode;

/// What the encoder writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl PushProxy {
    pub(super) fn own_metrics(&self) -> Response<Body> {
        typed(StatusCode::OK, OPEN_METRICS, self.metrics.encode())
    }
}
