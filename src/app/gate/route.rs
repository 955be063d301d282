//! Which endpoint a path is.

use crate::http::percent;

/// An endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// `/`: the index.
    Index,
    /// `/metrics`: scrape, and the main output.
    Metrics,
    /// `/metrics/<subset>`: a subset as of the last scrape.
    Subset(Vec<u8>),
    /// `/source`: what the target answers.
    Source,
    /// `/-/targets`: how the targets are.
    Targets,
    /// `/analyze`: what the target's body is made of.
    Analyze,
    /// `/-/healthy` and what probes ask for: whether weir runs.
    Healthy,
    /// `/-/ready` and what probes ask for: whether weir takes requests.
    Ready,
    /// `/-/metrics`: weir's own.
    OwnMetrics,
    /// `/-/queues`: how queues are doing.
    Queues,
    /// `/-/reload`: read the configuration again.
    Reload,
}

impl Route {
    /// The endpoint of a raw path; `None` where there is nothing.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Index,
            "/metrics" | "/metrics/" => Self::Metrics,
            "/source" => Self::Source,
            "/analyze" => Self::Analyze,
            "/-/healthy" | "/health" | "/healthz" | "/livez" => Self::Healthy,
            "/-/ready" | "/ready" | "/readyz" => Self::Ready,
            "/-/metrics" => Self::OwnMetrics,
            "/-/queues" => Self::Queues,
            "/-/targets" => Self::Targets,
            "/-/reload" => Self::Reload,
            _ => {
                // A slash inside a name comes escaped.
                let name = path.strip_prefix("/metrics/").filter(|name| !name.contains('/'))?;
                Self::Subset(percent::decode(name)?)
            }
        })
    }

    /// The value of the `endpoint` label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::Metrics => "/metrics",
            Self::Subset(_) => "/metrics/<subset>",
            Self::Source => "/source",
            Self::Analyze => "/analyze",
            Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
            Self::OwnMetrics => "/-/metrics",
            Self::Queues => "/-/queues",
            Self::Targets => "/-/targets",
            Self::Reload => "/-/reload",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_endpoints() {
        let subset = |name: &str| Some(Route::Subset(name.as_bytes().to_vec()));
        for (path, expect) in [
            ("/", Some(Route::Index)),
            ("/metrics", Some(Route::Metrics)),
            ("/metrics/", Some(Route::Metrics)),
            ("/metrics/requests", subset("requests")),
            ("/metrics/we%20ird%2Fx", subset("we ird/x")),
            ("/metrics/a/b", None),
            ("/metrics/a/", None),
            ("/metrics/%zz", None),
            ("/metricsx", None),
            ("/-/healthy", Some(Route::Healthy)),
            ("/livez", Some(Route::Healthy)),
            ("/readyz", Some(Route::Ready)),
            ("/-/metrics", Some(Route::OwnMetrics)),
            ("/-/queues", Some(Route::Queues)),
            ("/-/targets", Some(Route::Targets)),
            ("/favicon.ico", None),
            ("/debug/pprof/", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Route::of(path), expect, "{path}");
        }
    }
}
