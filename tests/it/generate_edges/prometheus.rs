//! A real Prometheus takes what is generated for what it says it is.

use super::Config;
use super::Generator;
use super::said;
use crate::servers::Prometheus;
use crate::servers::eventually;
use crate::servers::find_or_skip;
use std::process::Command;

#[test]
fn promtool_accepts_a_backfill_and_prometheus_answers_from_it() {
    let (Some(promtool), Some(prometheus)) = (find_or_skip("promtool"), find_or_skip("prometheus"))
    else {
        return;
    };
    let config = Config::new(
        "families:\n- {name: requests_total, type: counter, rate: 2, labels: {host: [a, b]}, resets: [{every: 3h}]}\n- {name: heat, type: gauge, value: {triangle: {low: 0, high: 60, period: 2h}}}\n- name: took_seconds\n  type: histogram\n  rate: 10\n  integers: false\n  distribution: {uniform: {min: 0, max: 1}}\n  buckets: [0.25, 0.5]\n",
    );
    let folder = tempfile::tempdir().unwrap();
    let (files, data) = (folder.path().join("om"), folder.path().join("data"));
    // Far from the head of a server that starts now.
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-01T06:00:00Z");
    said(&[
        "backfill",
        config.name(),
        "--start",
        start,
        "--end",
        end,
        "--step",
        "30s",
        "--output-dir",
        files.to_str().unwrap(),
    ]);
    let mut n_files = 0;
    for entry in std::fs::read_dir(&files).unwrap() {
        let made = Command::new(&promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .arg(entry.unwrap().path())
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        n_files += 1;
    }
    assert_eq!(n_files, 4);
    let prometheus = Prometheus::on_blocks(prometheus, folder, &data);
    for (query, time, want) in [
        ("requests_total{host=\"a\"}", "2026-01-01T02:00:00Z", 14_400.0),
        // Counted from 1970, resets fall on multiples of three hours.
        ("requests_total{host=\"a\"}", "2026-01-01T04:00:00Z", 7_200.0),
        ("rate(requests_total{host=\"b\"}[1h])", "2026-01-01T03:30:00Z", 2.0),
        ("heat", "2026-01-01T01:00:00Z", 60.0),
        ("heat", "2026-01-01T01:30:00Z", 30.0),
        ("rate(took_seconds_count[1h])", "2026-01-01T05:00:00Z", 10.0),
        ("rate(took_seconds_bucket{le=\"0.25\"}[1h])", "2026-01-01T05:00:00Z", 2.5),
        ("rate(took_seconds_sum[1h])", "2026-01-01T05:00:00Z", 5.0),
        ("count({__name__!=\"\"})", "2026-01-01T05:59:00Z", 8.0),
    ] {
        let got = prometheus.value(query, Some(time)).unwrap_or_else(|| panic!("no {query}"));
        let allowed = if query.contains("rate(requests") { 0.03 } else { 0.000_001 };
        assert!((got - want).abs() <= allowed * want.abs(), "{query} at {time}: {got}, not {want}");
    }
}

/// Prometheus sees through resets: the rate of a counter that counts 40 a second is 40.
#[test]
fn prometheus_scrapes_it_and_the_rate_is_the_rate() {
    let Some(program) = find_or_skip("prometheus") else { return };
    let generator = Generator::start(
        "families:\n- {name: requests_total, type: counter, rate: 40, resets: [{every: 5s}]}\n",
        &[],
    );
    let server = generator.as_server();
    let jobs = [("generated", &server, "scrape_interval: 200ms\n  scrape_timeout: 200ms")];
    let prometheus = Prometheus::scraping(program, &jobs);
    let value = |query: &str| prometheus.value(query, None);
    // What was counted between the last scrape before a reset and the reset is lost to any scraper:
    // a tenth of a second in five. A machine that is busy elsewhere loses more now and then.
    eventually("the rate over two resets is 40", || {
        let resets = value("resets(requests_total[10s])")?;
        let rate = value("rate(requests_total[10s])")?;
        let is_whole = value("count_over_time(requests_total[10s])")? > 45.0;
        (is_whole && resets >= 1.0 && (37.0..=40.5).contains(&rate)).then_some(())
    });
}
