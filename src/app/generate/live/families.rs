//! Families and series: reading and changing them.

use crate::app::generate::live::State;
use crate::app::generate::live::compile;
use crate::app::generate::live::reply::ApiError;
use crate::app::generate::live::reply::ApiResult;
use crate::app::generate::live::reply::changed;
use crate::app::generate::live::reply::done;
use crate::app::generate::live::reply::json;
use crate::app::generate::live::route::Labels;
use crate::app::generate::live::route::Route;
use crate::config::generate::Document;
use crate::config::generate::EditError;
use crate::generate::generator::Generator;
use crate::generate::generator::Limits;
use crate::http::Body;
use crate::model::Format;
use http::Method;
use http::Response;
use http::StatusCode;
use memchr::memchr_iter;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Sample lines of an answer unless fewer or more are asked for.
const SAMPLES: usize = 100;
/// The most sample lines of an answer.
const SAMPLES_MAX: usize = 10_000;
const PIECE_BYTES: usize = 64 * 1024;

/// A document that was changed, and the answer to whoever changed it.
pub(super) struct Change {
    pub(super) document: Document,
    pub(super) response: Response<Body>,
}

/// All families.
pub(super) fn list(state: &State) -> Response<Body> {
    let families = state.document.families();
    let families: Vec<_> = families
        .into_iter()
        .filter_map(|(name, written)| described(state, &name, &written))
        .collect();
    json(StatusCode::OK, &json!({ "families": families }))
}

/// One family.
pub(super) fn read(state: &State, name: &str) -> ApiResult {
    let written = state.document.family(name);
    let described = written.and_then(|written| described(state, name, &written));
    described
        .map(|family| json(StatusCode::OK, &family))
        .ok_or_else(|| ApiError::missing(&format!("family {name:?}")))
}

fn described(state: &State, name: &str, written: &Value) -> Option<Value> {
    // A counter is known by the name of its samples or of its family.
    let family = state.generator.families().iter().find(|family| {
        family.name() == name || name.strip_suffix("_total") == Some(family.name())
    })?;
    let labels = family.cardinalities().iter().map(|(label, n)| (label.clone(), json!(n)));
    Some(json!({
        "name": name,
        "type": family.metric_type().open_metrics_word(),
        "n_series": family.n_series(),
        "cardinalities": labels.collect::<Map<_, _>>(),
        "config": written,
    }))
}

/// The series a family lists, and samples of all it has.
pub(super) async fn series_list(
    state: &State,
    family: &str,
    query: &str,
    now_ms: i64,
    limits: Limits,
) -> ApiResult {
    let series = state.document.series(family).map_err(refused)?;
    let limit = limit_of(query)?;
    // Only this family, so that what stands before it is not made.
    let alone = compile(state.document.only_family(family), limits).await?;
    let alone = alone.with_overrides(state.generator.overrides().clone());
    let n_series = alone.n_series() / u64::from(alone.n_targets()).max(1);
    let work = tokio::task::spawn_blocking(move || samples(&alone, now_ms, limit));
    let samples = work.await.map_err(|_| ApiError::internal())?;
    Ok(json(StatusCode::OK, &json!({ "series": series, "n_series": n_series, "samples": samples })))
}

fn limit_of(query: &str) -> Result<usize, ApiError> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    match pairs.find(|(name, _)| *name == "limit") {
        None => Ok(SAMPLES),
        Some((_, value)) => value.parse().ok().filter(|n| *n <= SAMPLES_MAX).ok_or_else(|| {
            ApiError::bad(format!("limit: {value:?} is not a number from 0 to {SAMPLES_MAX}"))
        }),
    }
}

/// The first sample lines of target 0.
fn samples(generator: &Generator, now_ms: i64, limit: usize) -> Vec<String> {
    let mut page = generator.page(0, now_ms, Format::Text);
    let (mut text, mut n_lines, mut is_more) = (Vec::new(), 0, true);
    while is_more && n_lines < limit {
        let n_before = text.len();
        is_more = page.fill(&mut text, PIECE_BYTES);
        n_lines += memchr_iter(b'\n', &text[n_before..]).count();
    }
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.take(limit).map(str::to_owned).collect()
}

/// One series a family lists.
pub(super) fn read_series(state: &State, family: &str, labels: &Labels) -> ApiResult {
    let series = state.document.one_series(family, labels).map_err(refused)?;
    Ok(json(StatusCode::OK, &series))
}

/// Create, change or delete.
pub(super) fn change(
    document: &Document,
    route: &Route,
    method: &Method,
    body: &[u8],
) -> Result<Change, ApiError> {
    let is_removal = *method == Method::DELETE;
    let value = if is_removal { Value::Null } else { parsed(body)? };
    let changed_document = match route {
        Route::Families => document.with_family(&value),
        Route::Family(name) if is_removal => document.without_family(name),
        Route::Family(name) => document.with_family_changed(name, &value),
        Route::SeriesList(family) => document.with_series(family, &value),
        Route::Series(family, labels) if is_removal => document.without_series(family, labels),
        Route::Series(family, labels) => document.with_series_changed(family, labels, &value),
        _ => return Err(ApiError::internal()),
    };
    let document = changed_document.map_err(refused)?;
    let response = match *method {
        Method::POST => changed(StatusCode::CREATED, &value),
        _ => done(&value),
    };
    Ok(Change { document, response })
}

/// A body as JSON: an object.
pub(super) fn parsed(body: &[u8]) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad(format!("the body is not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(ApiError::bad("the body is no JSON object")) }
}

fn refused(error: EditError) -> ApiError {
    match error {
        EditError::Missing(what) => ApiError::missing(&what),
        EditError::Exists(_) => ApiError::conflict(error.to_string()),
        _ => ApiError::bad(error.to_string()),
    }
}
