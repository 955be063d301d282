//! How the targets are: `/-/targets` as a page and as JSON, and `up` and its like for the output.

use crate::aggregate::series::write_escaped;
use crate::app::gate::targets::Health;
use crate::app::pages::escape;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;

/// `up`, `scrape_duration_seconds` and `scrape_samples_scraped` of each target, as text 0.0.4.
///
/// Targets at the same address that differ in their paths have their URLs as instances.
pub(super) fn exposition_of(targets: &[Health]) -> String {
    let mut n_alike: HashMap<&str, usize> = HashMap::new();
    for health in targets {
        *n_alike.entry(health.instance.name()).or_default() += 1;
    }
    let instances: Vec<String> = targets
        .iter()
        .map(|health| {
            let name = if n_alike[health.instance.name()] > 1 {
                format!("{}", health.target)
            } else {
                health.instance.name().to_owned()
            };
            let mut escaped = Vec::new();
            write_escaped(&mut escaped, name.as_bytes());
            String::from_utf8_lossy(&escaped).into_owned()
        })
        .collect();
    let mut text = String::new();
    let mut family = |name: &str, help: &str, value: &dyn Fn(&Health) -> String| {
        // Writing to a string cannot fail.
        write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n").unwrap_or_default();
        for (health, instance) in targets.iter().zip(&instances) {
            let value = value(health);
            writeln!(text, "{name}{{instance=\"{instance}\"}} {value}").unwrap_or_default();
        }
    };
    family("up", "Whether the last scrape of a target succeeded.", &|health| {
        u8::from(health.is_up == Some(true)).to_string()
    });
    family("scrape_duration_seconds", "How long the last scrape of a target took.", &|health| {
        health.took.as_secs_f64().to_string()
    });
    family("scrape_samples_scraped", "Samples in the last scrape of a target.", &|health| {
        let is_up = health.is_up == Some(true);
        if is_up { health.n_samples.to_string() } else { "0".to_owned() }
    });
    text
}

/// The targets as JSON: `{"targets": [{…}]}`, in the order of upstreams and addresses.
pub(super) fn json(targets: &[Health], now_ms: i64) -> String {
    let targets: Vec<Value> = targets.iter().map(|health| target_json(health, now_ms)).collect();
    format!("{}\n", json!({ "targets": targets }))
}

fn target_json(health: &Health, now_ms: i64) -> Value {
    let labels: serde_json::Map<String, Value> =
        health.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "upstream": *health.upstream,
        "url": health.target.to_string(),
        "instance": health.instance.name(),
        "labels": labels,
        "health": state(health),
        "last_scrape_seconds_ago": seconds_ago(health, now_ms),
        "last_scrape_duration_seconds": health.took.as_secs_f64(),
        "last_error": health.error,
        "samples": health.n_samples,
        "body_bytes": health.body_bytes,
        "output_series": health.n_series,
        "counter_resets": health.n_resets,
    })
}

fn state(health: &Health) -> &'static str {
    match health.is_up {
        None => "unknown",
        Some(true) => "up",
        Some(false) => "down",
    }
}

#[expect(clippy::cast_precision_loss, reason = "an age is far below 2^53 ms")]
fn seconds_ago(health: &Health, now_ms: i64) -> Option<f64> {
    health.last_scrape_ms.map(|ms| now_ms.saturating_sub(ms).max(0) as f64 / 1000.0)
}

/// The page of the targets.
pub(super) fn page(targets: &[Health], now_ms: i64) -> String {
    let n_up = targets.iter().filter(|health| health.is_up == Some(true)).count();
    let rows: String = targets.iter().map(|health| row(health, now_ms)).collect();
    let told = if targets.is_empty() {
        "<p>Nothing was scraped yet: targets are found when <a href=\"/metrics\">/metrics</a> is \
         asked for.</p>\n"
    } else {
        ""
    };
    [
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>weir: targets</title>\n",
        "<style>body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}",
        "td,th{border-bottom:1px solid #ccc;padding:.3em .8em;text-align:left;vertical-align:top}",
        "td.n{text-align:right;font-variant-numeric:tabular-nums}.up{color:#176c17}.down{color:#b00020}",
        "small{color:#555;display:block}</style></head>\n<body>\n",
        &format!("<h1>Targets</h1>\n<p>{n_up} of {} up. <a href=\"/-/targets?json\">As JSON</a>, <a href=\"/\">back</a>.</p>\n", targets.len()),
        told,
        "<table>\n<tr><th>Target</th><th>State</th><th>Last scrape</th><th>Took</th><th>Samples</th>",
        "<th>Bytes</th><th>Output series</th><th>Counter resets</th><th>Last error</th></tr>\n",
        &rows,
        "</table>\n</body>\n</html>\n",
    ]
    .concat()
}

fn row(health: &Health, now_ms: i64) -> String {
    let labels: Vec<String> =
        health.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let ago = seconds_ago(health, now_ms).map_or("never".to_owned(), |s| format!("{s:.1} s ago"));
    let state = state(health);
    format!(
        "<tr><td>{}<small>{}</small></td><td class=\"{state}\">{state}</td><td>{ago}</td>\
         <td class=\"n\">{:.3} s</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
        escape(&health.target.to_string()),
        escape(&labels.join(", ")),
        health.took.as_secs_f64(),
        health.n_samples,
        health.body_bytes,
        health.n_series,
        health.n_resets,
        escape(health.error.as_deref().unwrap_or_default()),
    )
}
