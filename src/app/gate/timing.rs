//! How long a scrape may take: as long as the asker waits, less what the answer needs.

use http::HeaderMap;
use std::time::Duration;
use tokio::time::Instant;

/// What Prometheus says it will wait, in seconds.
const HEADER: &str = "x-prometheus-scrape-timeout-seconds";
/// When neither the asker nor the command line says anything; metric-gate's default.
const DEFAULT: Duration = Duration::from_secs(15);
/// What is kept back of the asker's time, to answer in: at most this …
const MARGIN_MAX: Duration = Duration::from_millis(500);
/// … and at most this part of it.
const MARGIN_PART: u32 = 10;
/// More is not believed.
const ASKED_MAX: Duration = Duration::from_mins(10);

/// Decides how long a scrape may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// As set on the command line, if it is.
    limit: Option<Duration>,
}

impl Patience {
    /// With a limit of the user's, or without.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { limit }
    }

    /// By when a request with these headers has to be answered.
    pub(super) fn deadline(&self, headers: &HeaderMap) -> Instant {
        Instant::now() + self.time(headers)
    }

    fn time(self, headers: &HeaderMap) -> Duration {
        match (asked(headers), self.limit) {
            (Some(asked), Some(limit)) => asked.min(limit),
            (Some(asked), None) => asked,
            (None, limit) => limit.unwrap_or(DEFAULT),
        }
    }
}

/// The asker's time less the margin, if it states one that makes sense.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(HEADER)?.to_str().ok()?.trim().parse().ok()?;
    let asked = Duration::try_from_secs_f64(seconds).ok()?.min(ASKED_MAX);
    let left = asked.saturating_sub(MARGIN_MAX.min(asked / MARGIN_PART));
    (left > Duration::ZERO).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[track_caller]
    fn check(header: Option<&str>, limit: Option<u64>, expect_millis: u64) {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(HEADER, HeaderValue::from_str(header).unwrap());
        }
        let patience = Patience::new(limit.map(Duration::from_secs));
        assert_eq!(patience.time(&headers), Duration::from_millis(expect_millis), "{header:?}");
    }

    /// FIX-H6 and FIX-F4: the asker's time less a margin, within the limit of the command line.
    #[test]
    fn the_asker_decides_within_the_limit() {
        check(None, None, 15_000);
        check(None, Some(3), 3_000);
        check(Some("10"), None, 9_500);
        check(Some("10"), Some(3), 3_000);
        check(Some("10"), Some(30), 9_500);
        check(Some("60.000000"), None, 59_500);
        check(Some("1"), None, 900);
        check(Some("0.01"), None, 9);
        check(Some("1e12"), None, 599_500);
    }

    #[test]
    fn nonsense_is_ignored() {
        for header in ["", "soon", "-1", "0", "NaN", "inf", "1e400"] {
            check(Some(header), None, 15_000);
        }
    }
}
