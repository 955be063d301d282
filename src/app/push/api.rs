//! `/api/v1/status` and `/api/v1/metrics`, as the Pushgateway answers them; and deleting by matcher.

use crate::app::push::PushProxy;
use crate::app::push::process::Verb;
use crate::app::push::refusal::Refusal;
use crate::app::push::selector::Selector;
use crate::http::Body;
use crate::http::answer::typed;
use crate::http::percent;
use crate::http::server::ClientNames;
use crate::model::number::write_value;
use crate::push::Family;
use crate::push::GroupingKey;
use crate::push::Labels;
use crate::push::Value as Pushed;
use crate::push::store::Group;
use crate::push::store::GroupFamily;
use crate::push::store::time_families;
use crate::push::type_name;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// On every answer of the API.
const HEADERS: [(&str, &str); 5] = [
    ("access-control-allow-headers", "Accept, Authorization, Content-Type, Origin"),
    ("access-control-allow-methods", "GET, POST, DELETE, OPTIONS"),
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "Date"),
    ("cache-control", "no-cache, no-store, must-revalidate"),
];
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// One group, with what the store holds of it now.
struct Page {
    key: Arc<GroupingKey>,
    group: Group,
    families: Vec<(String, Arc<GroupFamily>)>,
}

impl PushProxy {
    pub(super) fn api_status(&self) -> Response<Body> {
        let live = self.live();
        let data = json!({
            "build_information": {
                "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "flags": {
                "push.enable-utf8-names": live.config.utf8_names.to_string(),
            },
            "start_time": rfc3339(self.started_ms),
        });
        success(&data)
    }

    /// Everything that is stored, a group at a time.
    pub(super) fn api_metrics(self: &Arc<Self>) -> Response<Body> {
        let keys: Vec<_> = self.store().groups().map(|(key, _)| Arc::clone(key)).collect();
        let (proxy, mut keys) = (Arc::clone(self), keys.into_iter());
        let (mut is_begun, mut is_over) = (false, false);
        let body = Body::pieces(move || {
            if is_over {
                return None;
            }
            // A group that is gone by now is passed over.
            let page = keys.by_ref().find_map(|key| proxy.page(key));
            let before = if is_begun { "," } else { r#"{"status":"success","data":["# };
            is_over = page.is_none();
            let json = page.map(|page| page.json().to_string());
            let text = match json {
                Some(json) => [before, &json].concat(),
                None if is_begun => "]}".to_owned(),
                None => [before, "]}"].concat(),
            };
            is_begun = true;
            Some(Bytes::from(text))
        });
        with_headers(Response::new(body))
    }

    /// Delete the groups that the `match[]` parameters of a query mean, if who asks may.
    pub(super) async fn delete_matching(
        &self,
        (headers, client): (&HeaderMap, Option<&ClientNames>),
        query: &str,
    ) -> Result<Response<Body>, Refusal> {
        if self.forwarder.is_some() {
            let line = "the groups are the Pushgateway's: delete them one by one";
            return Err(Refusal::bad("matchers", line));
        }
        let who = self.live().identities.find(headers, client).await?;
        let selectors = selectors(query).map_err(|line| Refusal::bad("matchers", line))?;
        let is_meant = |key: &GroupingKey| selectors.iter().any(|selector| selector.matches(key));
        let keys = self.store().find(is_meant);
        // All of them or none.
        keys.iter().try_for_each(|key| who.may(Verb::Delete, key))?;
        for key in &keys {
            self.forget(key).await?;
        }
        Ok(success(&json!({ "deleted": keys.len() })))
    }

    fn page(&self, key: Arc<GroupingKey>) -> Option<Page> {
        let store = self.store();
        let group = store.group_of(&key)?.clone();
        let families = store.families_of(&key);
        let families = families.map(|(name, family)| (name.to_owned(), Arc::clone(family)));
        let families = families.collect();
        drop(store);
        Some(Page { key, group, families })
    }
}

impl Page {
    fn json(&self) -> Value {
        let labels: Map<_, _> =
            self.key.labels().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let mut all = Map::new();
        all.insert("labels".to_owned(), labels.into());
        all.insert("last_push_successful".to_owned(), self.group.is_last_good.into());
        for (name, family) in time_families(&self.key, &self.group) {
            let at_ms = self.group.pushed_ms.max(self.group.failed_ms);
            all.insert(name.to_owned(), family_json(&family, at_ms));
        }
        for (name, family) in &self.families {
            all.insert(name.clone(), family_json(&family.family, family.pushed_ms));
        }
        all.into()
    }
}

/// The values of `match[]`.
fn selectors(query: &str) -> Result<Vec<Selector>, String> {
    let mut selectors = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| {
            percent::decode(&text.replace('+', " ")).and_then(|bytes| String::from_utf8(bytes).ok())
        };
        if decode(name).as_deref() == Some("match[]") {
            let value = decode(value).ok_or_else(|| format!("{value:?} is not UTF-8"))?;
            selectors.push(Selector::parse(&value)?);
        }
    }
    if selectors.is_empty() {
        return Err("say which groups: ?match[]={job=\"x\"}".to_owned());
    }
    Ok(selectors)
}

fn family_json(family: &Family, at_ms: i64) -> Value {
    let metrics = family.metrics.iter().map(|(labels, value)| metric_json(labels, value));
    let mut out = Map::new();
    out.insert("time_stamp".to_owned(), rfc3339(at_ms).into());
    out.insert("type".to_owned(), type_name(family.metric_type).into());
    if !family.help.is_empty() {
        out.insert("help".to_owned(), family.help.as_str().into());
    }
    out.insert("metrics".to_owned(), metrics.collect());
    out.into()
}

fn metric_json(labels: &Labels, value: &Pushed) -> Value {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let labels: Map<_, _> =
        labels.iter().map(|(name, value)| (text(name), text(value).into())).collect();
    match value {
        Pushed::Number(value) => json!({"labels": labels, "value": number(*value)}),
        Pushed::Summary(summary) => {
            let quantiles: Map<_, _> = summary
                .quantiles
                .iter()
                .map(|(quantile, value)| (number(*quantile), number(*value).into()))
                .collect();
            let (count, sum) = (summary.count.to_string(), number(summary.sum));
            json!({"labels": labels, "quantiles": quantiles, "count": count, "sum": sum})
        }
        Pushed::Histogram(histogram) => {
            let buckets: Map<_, _> = histogram
                .all_buckets()
                .map(|(bound, count)| (number(bound), count.to_string().into()))
                .collect();
            let (count, sum) = (histogram.count.to_string(), number(histogram.sum));
            json!({"labels": labels, "buckets": buckets, "count": count, "sum": sum})
        }
    }
}

fn number(value: f64) -> String {
    let mut out = Vec::new();
    write_value(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

fn success(data: &Value) -> Response<Body> {
    let text = json!({"status": "success", "data": data}).to_string();
    with_headers(typed(StatusCode::OK, "application/json", text))
}

/// Add the headers that every answer of the API has.
pub(super) fn with_headers(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let json = HeaderValue::from_static("application/json");
    headers.entry(http::header::CONTENT_TYPE).or_insert(json);
    response
}

/// A time as RFC 3339 has it, in UTC.
pub(super) fn rfc3339(ms: i64) -> String {
    let (days, ms) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = date(days);
    let (secs, ms) = (ms / 1000, ms % 1000);
    let (hour, minute, sec) = (secs / 3600, secs / 60 % 60, secs % 60);
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{sec:02}{fraction}Z")
}

/// Year, month and day of a number of days since 1970. Years begin in March here, so that the day
/// that may be missing is the last one.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        for (ms, expect) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(ms), expect);
        }
    }
}
