//! Which part of the live interface a path is, and what may be done with it.

use crate::app::explain::parse_series;
use crate::app::generate::live::reply::ApiError;
use crate::http::percent;
use crate::model::label::METRIC_NAME;
use http::Method;
use std::collections::BTreeMap;

/// The labels of a series.
pub(super) type Labels = BTreeMap<String, String>;

/// A part of the live interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Route {
    OpenApi,
    Status,
    Config,
    Families,
    Family(String),
    SeriesList(String),
    Series(String, Labels),
    Overrides,
    Hold,
    Reset,
    Spike,
    Pause,
    Resume,
    Faults,
}

impl Route {
    /// The part behind `/api/v1/`.
    pub(super) fn of(rest: &str) -> Result<Self, ApiError> {
        let missing = || ApiError::missing("such endpoint, see /api/v1/openapi.json");
        let parts: Vec<&str> = rest.split('/').collect();
        Ok(match parts.as_slice() {
            ["openapi.json"] => Self::OpenApi,
            ["status"] => Self::Status,
            ["config"] => Self::Config,
            ["families"] => Self::Families,
            ["families", family] => Self::Family(decoded(family)?),
            ["families", family, "series"] => Self::SeriesList(decoded(family)?),
            ["families", family, "series", labels] => {
                Self::Series(decoded(family)?, labels_of(&decoded(labels)?)?)
            }
            ["overrides"] => Self::Overrides,
            ["hold"] => Self::Hold,
            ["reset"] => Self::Reset,
            ["spike"] => Self::Spike,
            ["pause"] => Self::Pause,
            ["resume"] => Self::Resume,
            ["faults"] => Self::Faults,
            _ => return Err(missing()),
        })
    }

    /// What may be done with it.
    pub(super) fn methods(&self) -> &'static [Method] {
        const READ: &[Method] = &[Method::GET];
        const LIST: &[Method] = &[Method::GET, Method::POST];
        const ITEM: &[Method] = &[Method::GET, Method::PUT, Method::DELETE];
        const DO: &[Method] = &[Method::POST];
        const CLEAR: &[Method] = &[Method::GET, Method::DELETE];
        match self {
            Self::OpenApi | Self::Status | Self::Config => READ,
            Self::Families | Self::SeriesList(_) => LIST,
            Self::Family(_) | Self::Series(..) | Self::Faults => ITEM,
            Self::Overrides => CLEAR,
            Self::Hold | Self::Reset | Self::Spike | Self::Pause | Self::Resume => DO,
        }
    }
}

fn decoded(part: &str) -> Result<String, ApiError> {
    let text = percent::decode(part).and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| ApiError::bad("a part of the path is not UTF-8, percent-encoded"))
}

/// Labels as Prometheus writes them: `{queue="mail"}`.
fn labels_of(text: &str) -> Result<Labels, ApiError> {
    let wrong = |why: &str| {
        ApiError::bad(format!(
            "a series is known by its labels, such as {{queue=\"mail\"}}, percent-encoded: {why}"
        ))
    };
    if !(text.starts_with('{') && text.ends_with('}')) {
        return Err(wrong("there are no braces"));
    }
    let labels = parse_series(&format!("x{text}")).map_err(|why| wrong(&why))?;
    let own = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(own.map(|(name, value)| (text(name), text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_parts() {
        let of = |path: &str| Route::of(path).ok();
        let labels = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            pairs.collect::<Labels>()
        };
        assert_eq!(of("families"), Some(Route::Families));
        assert_eq!(of("families/a%3Ab"), Some(Route::Family("a:b".into())));
        assert_eq!(
            of("families/a/series/%7Bb%3D%22c%2Fd%22%7D"),
            Some(Route::Series("a".into(), labels(&[("b", "c/d")])))
        );
        assert_eq!(of("families/a/series/{}"), Some(Route::Series("a".into(), labels(&[]))));
        for wrong in ["", "x", "families/%zz", "families/a/series/b", "families/a/series/{b=}"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
