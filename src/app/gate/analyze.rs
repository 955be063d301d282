//! `/analyze`: what the series of all targets, or of one, are made of. Never in the way of a scrape.
//!
//! It asks the targets itself, on requests of its own, and counts on a thread of its own. With
//! `?json` the answer is JSON and tells also what each label costs; `?savings` adds that to the
//! text.

use crate::analyze::{Analyzer, Extent, Report};
use crate::app::analyze::to_json;
use crate::app::gate::Gate;
use crate::app::gate::scrapes::{Chosen, problem, refused};
use crate::app::gate::source::target_of;
use crate::http::Body;
use crate::http::answer::{Problem, typed};
use crate::ledger::ReadError;
use crate::parse::Document;
use crate::source::ScrapeError;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// In what form to report.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Wish {
    json: bool,
    savings: bool,
}

impl Wish {
    fn of(query: &str) -> Self {
        let has = |name: &str| {
            let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.any(|(known, value)| known == name && !matches!(value, "0" | "false"))
        };
        Self { json: has("json"), savings: has("savings") }
    }

    fn extent(self) -> Extent {
        if self.json || self.savings { Extent::Savings } else { Extent::Counts }
    }
}

impl Gate {
    /// Read the target's body on a request of its own and report on it.
    pub(super) async fn analyze(
        &self,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let Ok(slot) = Arc::clone(&self.analyses).try_acquire_owned() else {
            self.metrics.limit_refusal("analyses");
            return Err(Problem::Busy { what: "analyses" });
        };
        let wish = Wish::of(request.uri().query().unwrap_or_default());
        let deadline = self.settings().patience.deadline(request.headers());
        let targets = self.scrapes.choose(target_of(request).as_deref()).await?;
        let (line_bytes_max, random) = (self.settings().line_bytes_max, self.random);
        // Dropped with this request, which is how the thread learns that nobody waits any more.
        let (_waiting, gone) = oneshot::channel::<()>();
        let work = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let over = async {
                tokio::select! {
                    () = sleep_until(deadline) => {}
                    _ = gone => {}
                }
            };
            let counted = count(&targets, deadline, line_bytes_max, wish.extent(), random);
            let within = async {
                tokio::select! {
                    counted = counted => counted,
                    () = over => Err(out_of_time(&targets)),
                }
            };
            let report = Handle::current().block_on(within)?;
            Ok(written(&report, wish))
        });
        let text = work.await.map_err(|_| Problem::Internal)??;
        let content_type = if wish.json { "application/json" } else { "text/plain; charset=utf-8" };
        Ok(typed(StatusCode::OK, content_type, text))
    }
}

fn out_of_time(targets: &[Chosen]) -> Problem {
    let lines = match targets {
        [(_, target)] => vec![format!("{target}: timed out")],
        _ => vec!["timed out before all targets were read".to_owned()],
    };
    Problem::UpstreamFailed { lines, is_timeout: true }
}

/// Read one target after the other. A target that fails is a failure: a report without it would
/// mislead.
async fn count(
    targets: &[Chosen],
    deadline: Instant,
    line_bytes_max: usize,
    extent: Extent,
    random: fn() -> u64,
) -> Result<Report, Problem> {
    let mut analyzer: Option<Analyzer> = None;
    let mut failed = None;
    for (upstream, target) in targets {
        failed = Some(target);
        let one = async {
            let time_left = deadline.saturating_duration_since(Instant::now());
            let exposition = upstream.scraper.open(target, time_left).await?;
            let document = Document::new(exposition.format).with_line_bytes_max(line_bytes_max);
            let refused = |e| refused(&ReadError::from(e));
            let analyzer = match &mut analyzer {
                Some(analyzer) => {
                    analyzer.begin(document).map_err(refused)?;
                    analyzer
                }
                none => none.insert(Analyzer::new(document, extent, random)),
            };
            exposition.read(|piece| analyzer.push(piece).map_err(refused)).await?;
            Ok::<_, ScrapeError>(())
        };
        one.await.map_err(|e| problem(target, &e))?;
    }
    let (Some(analyzer), Some(last)) = (analyzer, failed) else { return Err(Problem::Internal) };
    let refused = |e| ScrapeError::from(refused(&ReadError::from(e)));
    analyzer.finish().map_err(|e| problem(last, &refused(e)))
}

fn written(report: &Report, wish: Wish) -> String {
    if wish.json {
        return format!("{}\n", to_json(report));
    }
    let mut text = Vec::new();
    let written = if wish.savings {
        crate::app::analyze::write_text(report, &mut text)
    } else {
        report.write_text(&mut text)
    };
    debug_assert!(written.is_ok(), "memory takes everything");
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_choose_the_form() {
        for (query, json, savings) in [
            ("", false, false),
            ("json", true, false),
            ("json=true&x=y", true, false),
            ("json=false", false, false),
            ("savings=1", false, true),
            ("jsonx", false, false),
        ] {
            assert_eq!(Wish::of(query), Wish { json, savings }, "{query}");
        }
    }
}
