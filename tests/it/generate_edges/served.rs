//! The server: pages, targets, discovery, faults, time.

use super::Generator;
use super::said;
use super::value_of;
use crate::support::get;
use flate2::read::MultiGzDecoder;
use std::io::Read;
use weir::config::generate::parse_time_ms;

const CONFIG: &str = "\
targets: 3
families:
- {name: requests_total, type: counter, rate: 2, labels: {host: {template: 'h{n}', count: 2, per: target}}, exemplars: {labels: {trace_id: 16}}}
- {name: up_for_long, type: gauge, value: 1}
";

#[test]
fn a_page_is_what_the_command_prints() {
    let generator = Generator::start(CONFIG, &["--at", "100"]);
    let page = generator.get("/metrics");
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"))
    );
    let printed = said(&[generator.config.name(), "--at", "100", "-o", "-"]);
    assert_eq!(page.text(), printed);
    assert_eq!(value_of(&printed, "requests_total{host=\"h0\"}").to_bits(), 200.0_f64.to_bits());

    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let open = generator.ask("GET", "/metrics", accept, "");
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().ends_with("# EOF\n") && open.text().contains("# {trace_id="));

    let zipped = generator.ask("GET", "/metrics", "Accept-Encoding: gzip\r\n", "");
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    MultiGzDecoder::new(zipped.body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, printed);
    let (code, log) = generator.stop();
    assert_eq!((code, log.as_str()), (Some(0), ""));
}

#[test]
fn targets_are_told_apart_and_discovered() {
    let generator = Generator::start(CONFIG, &["--at", "100", "--target-ports", "0"]);
    let page = |target: u32| generator.get(&format!("/targets/{target}/metrics"));
    assert_ne!(page(0).text(), page(1).text());
    assert_eq!(page(0).text(), generator.get("/metrics").text());
    assert_eq!(page(3).status, 404);
    let discovered = generator.get("/http_sd");
    assert_eq!(discovered.header("content-type"), Some("application/json"));
    let groups: serde_json::Value = serde_json::from_str(discovered.text()).unwrap();
    assert_eq!(groups.as_array().unwrap().len(), 3);
    for (target, group) in groups.as_array().unwrap().iter().enumerate() {
        let address = group["targets"][0].as_str().unwrap().parse().unwrap();
        let own = get(address, group["labels"]["__metrics_path__"].as_str().unwrap());
        assert_eq!(own.text(), page(u32::try_from(target).unwrap()).text());
        assert_eq!(get(address, "/api/v1/status").status, 404);
        assert_eq!(get(address, "/-/healthy").status, 200);
    }
}

#[test]
fn paths_and_methods() {
    let generator = Generator::start(CONFIG, &["--at", "100"]);
    for (path, status) in [
        ("/", 200),
        ("/-/healthy", 200),
        ("/-/ready", 200),
        ("/-/metrics", 200),
        ("/nowhere", 404),
        ("/targets/x/metrics", 404),
    ] {
        assert_eq!(generator.get(path).status, status, "{path}");
    }
    assert_eq!(generator.ask("POST", "/metrics", "", "").status, 405);
    let head = generator.ask("HEAD", "/metrics", "", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn answers_fail_on_demand() {
    let generator = Generator::start(CONFIG, &["--at", "100"]);
    let whole = generator.get("/metrics");
    assert_eq!(generator.get("/metrics?status=503").status, 503);
    let wrong = generator.get("/metrics?status=20");
    assert_eq!((wrong.status, wrong.text().contains("from 400 to 599")), (400, true));
    assert_eq!(generator.get("/metrics?latency=50ms").body, whole.body);
    // The connection ends in the middle: the last chunk is missing.
    let cut = String::from_utf8(generator.raw("/metrics?cut=50")).unwrap();
    assert!(cut.starts_with("HTTP/1.1 200") && !cut.ends_with("0\r\n\r\n"), "{cut}");
    let first = |n| whole.text().get(..n).unwrap();
    assert!(cut.contains(first(50)) && !cut.contains(first(51)), "{cut}");
    let wrong = generator.raw("/metrics?excess_length=7");
    let wrong = String::from_utf8(wrong).unwrap();
    let announced = format!("content-length: {}\r\n", whole.body.len() + 7);
    assert!(wrong.contains(&announced) && wrong.ends_with(whole.text()), "{wrong}");
}

#[test]
fn time_runs_from_the_start_to_the_end_as_fast_as_told() {
    let from = parse_time_ms("2026-01-01").unwrap() / 1000;
    let flags = ["--start", "2026-01-01", "--end", "2026-01-02", "--speed", "40000"];
    let mut generator = Generator::start(CONFIG, &flags);
    let value = || value_of(generator.get("/metrics").text(), "requests_total{host=\"h0\"}");
    let (first, second) = (value(), value());
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let bounds = (from as f64 * 2.0, (from + 86_400) as f64 * 2.0);
    assert!(bounds.0 <= first && first < second && second <= bounds.1, "{first} {second}");
    // A day is over after 2.16 seconds, and with it the server.
    assert_eq!(generator.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_target_that_is_away_answers_503() {
    let config = "families:\n- name: a\n  type: gauge\n  value: 1\n  churn: {missing: {share: 1, every: 1m}}\n";
    let generator = Generator::start(config, &["--at", "100"]);
    assert_eq!(generator.get("/metrics").status, 503);
}

#[test]
fn what_is_wrong_is_served_as_it_stands() {
    use weir::generate::invalid::CASES;
    let generator = Generator::start(CONFIG, &[]);
    let list = generator.get("/invalid/");
    for case in CASES {
        assert!(list.text().contains(case.name), "{} is not in\n{}", case.name, list.text());
        let page = generator.get(&format!("/invalid/{}", case.name));
        assert_eq!((page.status, page.body.as_slice()), (200, case.text), "{}", case.name);
    }
    assert_eq!(generator.get("/invalid/nothing-of-the-kind").status, 404);
}
