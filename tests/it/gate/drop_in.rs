//! The drop-in checklist, section 18 of the contract: what metric-gate's users rely on. Flags and
//! exit codes (item 1) are in `cli`, analysis (item 8) beside the analyzer.

use crate::support::{FakeTarget, NOW_MS, TestGate};
use std::collections::BTreeMap;
use weir::app::options::Options;

/// Item 2: ways to write an upstream.
#[test]
fn item_2_upstreams_without_scheme_and_with_credentials() {
    let target = FakeTarget::text("a 1\n");
    for upstream in [
        format!("{}/metrics", target.address),
        format!("http://user:pass@{}/metrics", target.address),
        format!("http://{}/path?x=y", target.address),
    ] {
        let gate = TestGate::new(&upstream, "");
        assert_eq!(gate.get("/metrics").text(), "a 1\n", "{upstream}");
    }
    let heads = target.seen().heads;
    assert!(heads[0].starts_with("GET /metrics HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[1].contains("authorization: Basic dXNlcjpwYXNz\r\n"), "{}", heads[1]);
    assert!(heads[2].starts_with("GET /path?x=y HTTP/1.1\r\n"), "{}", heads[2]);
}

/// Item 3: rules as an argument of several lines, and as a file.
#[test]
fn item_3_rules_as_text_and_as_a_file() {
    let target = FakeTarget::text("a{x=\"1\"} 1\na{x=\"2\"} 2\n");
    let rules = "\n    metric_relabel_configs:\n    - action: labeldrop\n      regex: x\n";
    assert_eq!(TestGate::new(&target.url(), rules).get("/metrics").text(), "a 3\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    let gate = TestGate::start(&Options {
        upstreams: vec![target.url()],
        relabel_file: Some(file.path().to_owned()),
        ..Options::default()
    });
    assert_eq!(gate.get("/metrics").text(), "a 3\n");
}

const INGRESS: &str = "\
# TYPE requests counter
requests{ingress=\"test\",path=\"/a\",status=\"2xx\"} 1
requests{ingress=\"test\",path=\"/b\",status=\"2xx\"} 2
requests{ingress=\"test\",path=\"/a\",status=\"5xx\"} 4
requests{ingress=\"other\",path=\"/a\",status=\"2xx\"} 8
# TYPE took histogram
took_bucket{path=\"/a\",status=\"2xx\",le=\"1\"} 1
took_bucket{path=\"/a\",status=\"2xx\",le=\"+Inf\"} 2
took_sum{path=\"/a\",status=\"2xx\"} 1.5
took_count{path=\"/a\",status=\"2xx\"} 2
took_bucket{path=\"/b\",status=\"5xx\",le=\"1\"} 3
took_bucket{path=\"/b\",status=\"5xx\",le=\"+Inf\"} 5
took_sum{path=\"/b\",status=\"5xx\"} 2.5
took_count{path=\"/b\",status=\"5xx\"} 5
go_threads 7
process_open_fds 9
";

#[track_caller]
fn check_idiom(rules: &str, path: &str, expect: &[(&str, f64)]) {
    let target = FakeTarget::text(INGRESS);
    let gate = TestGate::new(&target.url(), rules);
    let mut reply = gate.get("/metrics");
    if path != "/metrics" {
        reply = gate.get(path);
    }
    let samples: BTreeMap<&str, f64> = reply
        .text()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.strip_suffix(&format!(" {NOW_MS}")).unwrap_or(line))
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, value)| (series, value.parse().unwrap()))
        .collect();
    assert_eq!(samples, expect.iter().copied().collect());
}

/// Item 4: the four idioms of metric-gate's README.
#[test]
fn item_4_drop_a_label_everywhere() {
    check_idiom(
        "metric_relabel_configs: [{action: labeldrop, regex: path|status|ingress}]",
        "/metrics",
        &[
            ("requests", 15.0),
            ("took_bucket{le=\"1\"}", 4.0),
            ("took_bucket{le=\"+Inf\"}", 7.0),
            ("took_sum", 4.0),
            ("took_count", 7.0),
            ("go_threads", 7.0),
            ("process_open_fds", 9.0),
        ],
    );
}

#[test]
fn item_4_drop_a_label_on_chosen_series() {
    check_idiom(
        "
metric_relabel_configs:
- {action: replace, source_labels: [ingress, __name__], regex: test;requests, target_label: path, replacement: ''}
- {action: keep, source_labels: [__name__], regex: requests}
",
        "/metrics",
        &[
            ("requests{ingress=\"other\",path=\"/a\",status=\"2xx\"}", 8.0),
            ("requests{ingress=\"test\",status=\"2xx\"}", 3.0),
            ("requests{ingress=\"test\",status=\"5xx\"}", 4.0),
        ],
    );
}

#[test]
fn item_4_drop_series() {
    check_idiom(
        "
metric_relabel_configs:
- {action: drop, source_labels: [status, __name__], regex: '[^2]xx;took_.*'}
- {action: keep, source_labels: [__name__], regex: took_.*}
- {action: labeldrop, regex: path}
",
        "/metrics",
        &[
            ("took_bucket{le=\"1\",status=\"2xx\"}", 1.0),
            ("took_bucket{le=\"+Inf\",status=\"2xx\"}", 2.0),
            ("took_sum{status=\"2xx\"}", 1.5),
            ("took_count{status=\"2xx\"}", 2.0),
        ],
    );
}

#[test]
fn item_4_split_process_metrics_from_requests() {
    let rules = "
metric_relabel_configs:
- {action: keep, source_labels: [__name__], regex: (go|process)_.*}
requests:
- {action: drop, source_labels: [__name__], regex: (go|process)_.*}
- {action: labeldrop, regex: path|ingress|status}
";
    check_idiom(rules, "/metrics", &[("go_threads", 7.0), ("process_open_fds", 9.0)]);
    check_idiom(
        rules,
        "/metrics/requests",
        &[
            ("requests", 15.0),
            ("took_bucket{le=\"1\"}", 4.0),
            ("took_bucket{le=\"+Inf\"}", 7.0),
            ("took_sum", 4.0),
            ("took_count", 7.0),
        ],
    );
}

/// FIX-R1: the same input gives the same bytes, whatever its order. FIX-A1 is about several
/// targets; within one, sums do not depend on the order either.
#[test]
fn fix_r1_a1_the_order_of_lines_does_not_matter() {
    let values = ["0.1", "0.2", "0.3", "1e16", "-1e16", "0.7"];
    let target = FakeTarget::start(move |peer| {
        let mut values = values;
        values.rotate_left(peer.nth % 6);
        let lines = values.iter().enumerate().map(|(n, value)| format!("g{{n=\"{n}\"}} {value}\n"));
        peer.ok(lines.collect::<String>());
    });
    let gate =
        TestGate::new(&target.url(), "metric_relabel_configs: [{action: labeldrop, regex: n}]");
    let first = gate.get("/metrics");
    for _ in 0..12 {
        assert_eq!(gate.get("/metrics").text(), first.text());
    }
}

/// FIX-R2: metadata is kept, once a family and before its samples; FIX-A6: under the new name.
#[test]
fn fix_r2_a6_metadata_is_kept_and_follows_a_new_name() {
    let target = FakeTarget::text("# HELP a Some help.\n# TYPE a gauge\na 1\n");
    let gate = TestGate::new(
        &target.url(),
        "metric_relabel_configs: [{source_labels: [__name__], target_label: __name__, replacement: new_$1}]",
    );
    let expect = "# HELP new_a Some help.\n# TYPE new_a gauge\nnew_a 1\n";
    assert_eq!(gate.get("/metrics").text(), expect);
}

/// FIX-A7: a sample whose name the rules remove keeps it. FIX-A8: labels Prometheus would refuse
/// never get out.
#[test]
fn fix_a7_a8_rules_cannot_make_what_prometheus_refuses() {
    let target = FakeTarget::text("a{x=\"1\"} 1\nb{y=\"2\"} 2\n");
    let gate =
        TestGate::new(&target.url(), "metric_relabel_configs: [{action: labelkeep, regex: x}]");
    assert_eq!(gate.get("/metrics").text(), "a{x=\"1\"} 1\nb 2\n");
}

/// FIX-A9: merged samples have the newest timestamp if all have one, and none otherwise.
#[test]
fn fix_a9_merged_timestamps_do_not_depend_on_the_order() {
    for (body, expect) in [
        ("a{x=\"1\"} 1 100\na{x=\"2\"} 2 200\n", "a 3 200\n"),
        ("a{x=\"1\"} 1 200\na{x=\"2\"} 2 100\n", "a 3 200\n"),
        ("a{x=\"1\"} 1\na{x=\"2\"} 2 100\n", "a 3\n"),
        ("a{x=\"1\"} 1 100\na{x=\"2\"} 2\n", "a 3\n"),
    ] {
        let target = FakeTarget::text(body);
        let gate =
            TestGate::new(&target.url(), "metric_relabel_configs: [{action: labeldrop, regex: x}]");
        assert_eq!(gate.get("/metrics").text(), expect, "{body}");
    }
}

/// FIX-P7: OpenMetrics is read by its own grammar.
#[test]
fn fix_p7_open_metrics_is_read_as_open_metrics() {
    const HEADERS: &str = "Content-Type: application/openmetrics-text; version=1.0.0\r\n";
    let body = "# TYPE foo counter\nfoo_total 1 1751041454.5 # {trace_id=\"x\"} 1\n# EOF\n";
    let target = FakeTarget::start(move |peer| peer.answer("200 OK", HEADERS, body));
    let gate = TestGate::new(&target.url(), "");
    assert!(gate.get("/metrics").text().contains("foo_total 1 1751041454500\n"));
    let reply = gate.ask("/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(
        reply.text().contains("foo_total 1.0 1751041454.5 # {trace_id=\"x\"} 1"),
        "{}",
        reply.text()
    );

    let target = FakeTarget::start(|peer| peer.answer("200 OK", HEADERS, "foo 1\n"));
    assert_eq!(TestGate::new(&target.url(), "").get("/metrics").status, 502);
}

/// FIX-P1, FIX-P2, FIX-P5, FIX-P6: accepted and refused as by Prometheus.
#[test]
fn fix_p1_p2_p5_p6_lines_are_read_as_prometheus_reads_them() {
    for (body, expect) in [
        ("m\t1\n", Some("m 1\n")),
        ("m{\ta=\"b\"} 1\n", Some("m{a=\"b\"} 1\n")),
        ("{\"m\",a=\"b\"} 1\n", Some("m{a=\"b\"} 1\n")),
        ("m{a=\"b\",} 1", Some("m{a=\"b\"} 1\n")),
        ("m{a=\"b\",,c=\"d\"} 1\n", None),
        ("m{a=\"1\",a=\"2\"} 1\n", None),
        ("my.metric 1\n", None),
        ("m 0x1p4\n", None),
        ("m 1_000\n", None),
        ("m 1 5 garbage\n", None),
        ("503 1\n", None),
        ("{} 1\n", None),
        ("10\n", None),
        ("m{a=\"\u{fffd}\"} 1\n", Some("m{a=\"\u{fffd}\"} 1\n")),
    ] {
        let target = FakeTarget::text(body);
        let reply = TestGate::new(&target.url(), "").get("/metrics");
        match expect {
            Some(expect) => assert_eq!((reply.status, reply.text()), (200, expect), "{body:?}"),
            None => assert_eq!(reply.status, 502, "{body:?}"),
        }
    }
}

/// FIX-A10: bounds are numbers. One that two inputs have spelt differently is spelt canonically for
/// as long as the series lives, so that it does not change its name at every other scrape.
#[test]
fn fix_a10_a_bound_has_one_spelling() {
    let body = |a: &str, b: &str| {
        format!(
            "# TYPE h histogram\n\
             h_bucket{{x=\"1\",le=\"{a}\"}} 1\nh_bucket{{x=\"1\",le=\"+Inf\"}} 1\n\
             h_bucket{{x=\"2\",le=\"{b}\"}} 1\nh_bucket{{x=\"2\",le=\"+Inf\"}} 1\n"
        )
    };
    let target = FakeTarget::start(move |peer| match peer.nth {
        1 => peer.ok(body("1", "1.0")),
        3 => peer.ok("other 1\n"),
        _ => peer.ok(body("1", "1")),
    });
    let gate =
        TestGate::new(&target.url(), "metric_relabel_configs: [{action: labeldrop, regex: x}]");
    for spelling in ["le=\"1\"} 2\n", "le=\"1.0\"} 2\n", "le=\"1.0\"} 2\n", "", "le=\"1\"} 2\n"] {
        let reply = gate.get("/metrics");
        assert!(reply.text().contains(spelling), "{spelling:?} is not in {}", reply.text());
    }
}
