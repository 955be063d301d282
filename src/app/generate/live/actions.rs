//! What is done by hand: holding, setting back, spikes, pauses, faults.

use crate::app::generate::live::State;
use crate::app::generate::live::families::parsed;
use crate::app::generate::live::reply::ApiError;
use crate::app::generate::live::reply::done;
use crate::app::generate::live::reply::json;
use crate::app::generate::live::route::Labels;
use crate::app::generate::live::route::Route;
use crate::app::generate::page::Fault;
use crate::config::generate::parse_duration_ms;
use crate::config::generate::write_time_ms;
use crate::generate::overrides::Hold;
use crate::generate::overrides::Overrides;
use crate::generate::overrides::Pause;
use crate::generate::overrides::Reset;
use crate::generate::overrides::Selector;
use crate::generate::overrides::Spike;
use crate::http::Body;
use http::Method;
use http::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

/// Changes by hand at a time.
const OVERRIDES_MAX: usize = 1000;

/// Which series: those of a family that have all these labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    family: String,
    #[serde(default)]
    labels: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    family: String,
    #[serde(default)]
    labels: Labels,
    value: f64,
    #[serde(rename = "for")]
    lasts: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpikeBody {
    family: String,
    #[serde(default)]
    labels: Labels,
    factor: f64,
    #[serde(rename = "for")]
    lasts: String,
}

/// What there is, in a few numbers.
pub(super) fn status(state: &State, now_ms: i64) -> Response<Body> {
    let generator = &state.generator;
    let is_paused = generator.overrides().pauses.iter().any(|pause| pause.until_ms.is_none());
    json(
        StatusCode::OK,
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "persisted": false,
            "seed": state.document.seed(),
            "time": write_time_ms(now_ms),
            "paused": is_paused,
            "n_families": generator.families().len(),
            "n_series": generator.n_series(),
            "n_targets": generator.n_targets(),
        }),
    )
}

/// What was changed by hand.
pub(super) fn overrides(state: &State) -> Response<Body> {
    json(StatusCode::OK, &shown(state.generator.overrides()))
}

fn shown(overrides: &Overrides) -> Value {
    let selector = |selector: &Selector| {
        let labels: Labels = selector.labels.iter().cloned().collect();
        json!({ "family": selector.family, "labels": labels })
    };
    let time = |ms: i64| write_time_ms(ms);
    let holds: Vec<_> = overrides
        .holds
        .iter()
        .map(|hold| {
            json!({
                "series": selector(&hold.selector),
                "value": hold.value,
                "from": time(hold.from_ms),
                "until": time(hold.until_ms),
            })
        })
        .collect();
    let resets: Vec<_> = overrides
        .resets
        .iter()
        .map(|reset| json!({ "series": selector(&reset.selector), "at": time(reset.at_ms) }))
        .collect();
    let spikes: Vec<_> = overrides
        .spikes
        .iter()
        .map(|spike| {
            json!({
                "series": selector(&spike.selector),
                "factor": spike.factor,
                "from": time(spike.from_ms),
                "until": time(spike.until_ms),
            })
        })
        .collect();
    let pauses: Vec<_> = overrides
        .pauses
        .iter()
        .map(|pause| json!({ "at": time(pause.at_ms), "until": pause.until_ms.map(time) }))
        .collect();
    json!({ "holds": holds, "resets": resets, "spikes": spikes, "pauses": pauses })
}

/// Do something by hand.
pub(super) fn change(
    state: &State,
    mut overrides: Overrides,
    route: &Route,
    body: &[u8],
    now_ms: i64,
) -> Result<(Overrides, Response<Body>), ApiError> {
    // What is over has no effect any more, and need not be kept.
    overrides.holds.retain(|hold| hold.until_ms > now_ms);
    match route {
        Route::Overrides => overrides = Overrides::default(),
        Route::Pause => {
            if overrides.pauses.iter().all(|pause| pause.until_ms.is_some()) {
                overrides.pauses.push(Pause { at_ms: now_ms, until_ms: None });
            }
        }
        Route::Resume => {
            overrides.pauses.retain(|pause| pause.until_ms.is_some_and(|until| until > now_ms));
        }
        Route::Hold => {
            let HoldBody { family, labels, value, lasts } = typed(body)?;
            let (selector, until_ms) = (selected(state, family, labels)?, until(now_ms, &lasts)?);
            overrides.holds.push(Hold { selector, value, from_ms: now_ms, until_ms });
        }
        Route::Spike => {
            let SpikeBody { family, labels, factor, lasts } = typed(body)?;
            if factor < 0.0 {
                return Err(ApiError::bad("factor: a spike multiplies by a number of at least 0"));
            }
            let (selector, until_ms) = (selected(state, family, labels)?, until(now_ms, &lasts)?);
            overrides.spikes.push(Spike { selector, factor, from_ms: now_ms, until_ms });
        }
        Route::Reset => {
            let ResetBody { family, labels } = typed(body)?;
            let selector = selected(state, family, labels)?;
            // An older reset of the same series shows nowhere any more.
            overrides.resets.retain(|reset| reset.selector != selector);
            overrides.resets.push(Reset { selector, at_ms: now_ms });
        }
        _ => return Err(ApiError::internal()),
    }
    let n_overrides = overrides.holds.len()
        + overrides.resets.len()
        + overrides.spikes.len()
        + overrides.pauses.len();
    if n_overrides > OVERRIDES_MAX {
        return Err(ApiError::conflict(format!(
            "more than {OVERRIDES_MAX} changes by hand: DELETE /api/v1/overrides first"
        )));
    }
    let response = done(&shown(&overrides));
    Ok((overrides, response))
}

/// What is to be wrong with every page.
pub(super) fn fault(method: &Method, body: &[u8]) -> Result<Fault, ApiError> {
    let mut fault = Fault::default();
    if *method == Method::DELETE {
        return Ok(fault);
    }
    let value = parsed(body)?;
    for (name, value) in value.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        fault.set(name, &text).map_err(ApiError::bad)?;
    }
    Ok(fault)
}

fn typed<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::bad(error.to_string()))
}

fn selected(state: &State, family: String, labels: Labels) -> Result<Selector, ApiError> {
    if state.document.family(&family).is_none() {
        return Err(ApiError::missing(&format!("family {family:?}")));
    }
    Ok(Selector { family, labels: labels.into_iter().collect() })
}

fn until(now_ms: i64, lasts: &str) -> Result<i64, ApiError> {
    let lasts_ms = parse_duration_ms(lasts).filter(|ms| *ms > 0);
    let until_ms = lasts_ms.and_then(|ms| now_ms.checked_add(ms));
    until_ms.ok_or_else(|| ApiError::bad(format!("for: {lasts:?} is not a duration such as 5m")))
}
