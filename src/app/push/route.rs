//! Which endpoint of the push proxy a path is.

/// An endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// `/metrics/job/…`: push and delete.
    Push,
    /// `/metrics` and `/pushed`: what is stored.
    Metrics,
    /// `/api/v1/status`.
    ApiStatus,
    /// `/api/v1/metrics`.
    ApiMetrics,
    /// `/-/push`: what was refused of late.
    Page,
    /// `/-/push.json`: the same.
    History,
    /// `/push_metrics`: a push in an envelope.
    Envelope,
    /// `/lint`: only look.
    Lint,
    /// `/health`.
    Health,
    /// `/-/healthy`.
    Healthy,
    /// `/-/ready`.
    Ready,
    /// `/-/metrics`: weir's own.
    OwnMetrics,
    /// `/-/reload`.
    Reload,
    /// `/`: an index.
    Index,
}

/// Starts the paths of pushes.
const PUSH_PREFIXES: [&str; 2] = ["/metrics/job/", "/metrics/job@base64/"];

impl Route {
    /// The endpoint of a raw path, where the push proxy has the address to itself.
    pub(super) fn of(path: &str) -> Option<Self> {
        Self::beside_the_gate(path).or(match path {
            "/" => Some(Self::Index),
            "/metrics" | "/metrics/" => Some(Self::Metrics),
            "/health" => Some(Self::Health),
            "/-/healthy" => Some(Self::Healthy),
            "/-/ready" => Some(Self::Ready),
            "/-/metrics" => Some(Self::OwnMetrics),
            "/-/reload" => Some(Self::Reload),
            _ => None,
        })
    }

    /// The endpoint of a raw path, where the gate has the address too.
    pub(super) fn beside_the_gate(path: &str) -> Option<Self> {
        Some(match path {
            "/pushed" => Self::Metrics,
            "/api/v1/status" => Self::ApiStatus,
            "/api/v1/metrics" => Self::ApiMetrics,
            "/-/push" => Self::Page,
            "/-/push.json" => Self::History,
            "/push_metrics" => Self::Envelope,
            "/lint" => Self::Lint,
            // A percent-encoded word is still that word.
            _ if PUSH_PREFIXES.iter().any(|prefix| path.starts_with(prefix))
                || path.starts_with("/metrics/") && path.matches('/').count() > 2 =>
            {
                Self::Push
            }
            _ => return None,
        })
    }

    /// The value of the `endpoint` label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Push => "/metrics/job",
            Self::Metrics => "/metrics",
            Self::ApiStatus => "/api/v1/status",
            Self::ApiMetrics => "/api/v1/metrics",
            Self::Page | Self::History => "/-/push",
            Self::Envelope => "/push_metrics",
            Self::Lint => "/lint",
            Self::Health | Self::Healthy => "/-/healthy",
            Self::Ready => "/-/ready",
            Self::OwnMetrics => "/-/metrics",
            Self::Reload => "/-/reload",
            Self::Index => "/",
        }
    }
}
