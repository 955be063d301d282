//! `/-/metrics`: weir's own metrics, in what the asker accepts.
//!
//! They are read as a target's body would be, so that one negotiation and one renderer serve both.

use crate::aggregate::choice::Merging;
use crate::aggregate::merge::{Counters, MergePolicy};
use crate::aggregate::snapshot::Snapshot;
use crate::app::gate::expose;
use crate::engine::{Engine, EngineConfig, TargetConfig};
use crate::http::Body;
use crate::http::answer::Problem;
use crate::ledger::{ReadError, ReadLimits};
use crate::model::{FingerprintKey, Format};
use crate::relabel::Rules;
use crate::telemetry::Metrics;
use http::{HeaderMap, Response};
use std::sync::Arc;

/// What weir says of itself is as long as it is.
const UNLIMITED: ReadLimits =
    ReadLimits { line_bytes_max: usize::MAX, series_max: usize::MAX, labels_max: usize::MAX };

/// Answer with what `metrics` say, in the format `asked` prefers.
///
/// # Errors
///
/// They cannot be read, which is a bug, and logged.
pub(in crate::app) fn answer(
    metrics: &Metrics,
    random: fn() -> u64,
    asked: &HeaderMap,
) -> Result<Response<Body>, Problem> {
    let read = snapshot(&metrics.encode(), random).inspect_err(|error| {
        let error = error.to_string();
        tracing::error!(error, "weir's own metrics are malformed, please report this.");
    });
    let snapshot = read.ok().flatten().ok_or(Problem::Internal)?;
    Ok(expose::exposition(snapshot, asked, None))
}

/// Read weir's own metrics, an OpenMetrics document.
///
/// # Errors
///
/// The document is malformed, which is a bug; `None` is one as well.
fn snapshot(document: &str, random: fn() -> u64) -> Result<Option<Arc<Snapshot>>, ReadError> {
    let config = EngineConfig {
        n_outputs: 1,
        limits: UNLIMITED,
        merging: Merging {
            policy: MergePolicy::Typed,
            counters: Counters::Raw,
            ..Merging::default()
        },
    };
    let mut engine = Engine::new(&config, FingerprintKey::new(random));
    let target = engine.add_target(&TargetConfig::new(vec![Rules::default()]));
    let mut reader = engine.reader(target, Format::OpenMetrics);
    reader.push(document.as_bytes())?;
    let read = reader.finish()?;
    engine.commit(target, read);
    Ok(engine.publish().into_iter().next().map(|output| output.snapshot))
}
