//! What each path answers, and in what form.

use crate::support::{FakeTarget, Peer, TestGate, gzip, request};
use flate2::read::MultiGzDecoder;
use std::io::Read;

const BODY: &str = "# HELP a Help.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 2\nb 3\n";
const SUM: &str = "# HELP a Help.\n# TYPE a counter\na 3\nb 3\n";
const RULES: &str =
    "{metric_relabel_configs: [{action: labeldrop, regex: x}], requests: [], we ird/x: []}";

#[test]
fn the_endpoints_answer_when_healthy() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(&target.url(), RULES);
    for path in ["/metrics", "/metrics/"] {
        let reply = gate.get(path);
        assert_eq!((reply.status, reply.text()), (200, SUM), "{path}");
    }
    for path in [
        "/",
        "/metrics/requests",
        "/metrics/we%20ird%2Fx",
        "/source",
        "/-/healthy",
        "/-/ready",
        "/-/metrics",
        "/health",
        "/healthz",
        "/livez",
        "/ready",
        "/readyz",
    ] {
        assert_eq!(gate.get(path).status, 200, "{path}");
    }
}

/// FIX-H1, FIX-H3: metric-gate answers 200 to any path, and profiles on the same port.
#[test]
fn fix_h1_h3_other_paths_are_not_found() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(&target.url(), RULES);
    for path in [
        "/metricsx",
        "/favicon.ico",
        "/metrics/a/b",
        "/metrics/requests/",
        "/debug/pprof/",
        "/debug/pprof/cmdline",
        "/metrics/metric_relabel_configs",
        "/metrics/unknown",
        "/-/",
    ] {
        assert_eq!(gate.get(path).status, 404, "{path}");
    }
    assert_eq!(target.seen().heads.len(), 0);
}

/// FIX-H4: only GET and HEAD, and HEAD does not scrape.
#[test]
fn fix_h4_methods_are_limited() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(&target.url(), RULES);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let reply = request(gate.address, method, "/metrics", "Content-Length: 0\r\n");
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    for path in ["/metrics", "/source", "/analyze", "/", "/-/healthy", "/-/metrics"] {
        let reply = request(gate.address, "HEAD", path, "");
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{path}");
    }
    assert_eq!(request(gate.address, "HEAD", "/metrics/unknown", "").status, 404);
    assert_eq!(request(gate.address, "HEAD", "/metrics/requests", "").status, 503);
    assert_eq!(request(gate.address, "HEAD", "/nothing", "").status, 404);
    assert_eq!(target.seen().heads.len(), 0);
    let reply = request(gate.address, "HEAD", "/metrics", "Accept-Encoding: gzip\r\n");
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
}

/// FIX-H5: the content type has a version, and is negotiated.
#[test]
fn fix_h5_formats_are_negotiated() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(&target.url(), RULES);
    let reply = gate.get("/metrics");
    let text = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert_eq!(reply.header("content-type"), Some(text));
    let reply = gate.ask("/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
    assert_eq!(reply.header("content-type"), Some(open));
    assert!(reply.text().ends_with("# EOF\n"), "{}", reply.text());
}

/// FIX-H5: gzip when asked for, and only then.
#[test]
fn fix_h5_answers_are_compressed_when_asked_for() {
    let lines = (0..50_000).map(|n| format!("m{{n=\"{n}\"}} {n}\n")).collect::<Vec<_>>().concat();
    let body: &'static str = Box::leak(lines.into_boxed_str());
    let target = FakeTarget::text(body);
    let gate = TestGate::new(&target.url(), "");
    let plain = gate.get("/metrics");
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.text().lines().filter(|line| !line.starts_with('#')).count(), 50_000);
    let packed = gate.ask("/metrics", "Accept-Encoding: gzip\r\n");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() / 4);
    let mut unpacked = String::new();
    MultiGzDecoder::new(&packed.body[..]).read_to_string(&mut unpacked).unwrap();
    assert!(unpacked == plain.text());
    let reply = gate.ask("/metrics", "Accept-Encoding: gzip;q=0, identity\r\n");
    assert_eq!(reply.header("content-encoding"), None);
}

#[test]
fn names_beyond_the_legacy_set_are_escaped_as_asked() {
    let target = FakeTarget::text("{\"my.metric\",\"label.x\"=\"1\"} 1\n");
    let gate = TestGate::new(&target.url(), "");
    assert!(gate.get("/metrics").text().contains("my_metric{label_x=\"1\"} 1\n"));
    let reply = gate.ask("/metrics", "Accept: text/plain;version=1.0.0;escaping=allow-utf-8\r\n");
    assert!(reply.text().contains("{\"my.metric\",\"label.x\"=\"1\"} 1\n"), "{}", reply.text());
}

#[test]
fn the_index_links_to_everything_in_order_and_escaped() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(
        &format!("http://bob:s3cret@{}/metrics?token=hush", target.address),
        "{metric_relabel_configs: [], zebra: [], '<b>': []}",
    );
    let reply = gate.get("/");
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    let page = reply.text();
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not in {page}"));
    assert!(at("\"/metrics\"") < at("/metrics/%3Cb%3E"));
    assert!(at("/metrics/%3Cb%3E") < at("/metrics/zebra"));
    assert!(at("\"/source\"") < at("\"/analyze\""));
    assert!(!page.contains("s3cret") && !page.contains("hush") && !page.contains("<b>"));
}

#[test]
fn source_passes_on_status_headers_and_body() {
    let target = FakeTarget::start(|peer| {
        peer.answer(
            "418 Teapot",
            "Content-Type: text/odd\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n",
            "short and stout",
        );
    });
    let gate = TestGate::new(&target.url(), "");
    let reply = gate.get("/source");
    assert_eq!((reply.status, reply.text()), (418, "short and stout"));
    assert_eq!(reply.header("content-type"), Some("text/odd"));
    assert_eq!(reply.header("x-mine"), Some("1"));
    assert_eq!(reply.header("keep-alive"), None);
}

#[test]
fn source_decodes_gzip_that_was_not_asked_for() {
    let target = FakeTarget::start(|peer| {
        peer.answer("200 OK", "Content-Encoding: gzip\r\n", gzip("a 1\n".repeat(1000)));
    });
    let gate = TestGate::new(&target.url(), "");
    let reply = gate.get("/source");
    assert_eq!(reply.text(), "a 1\n".repeat(1000));
    assert_eq!(reply.header("content-encoding"), None);
}

/// FIX-H2: a target that hangs does not hang `/source`.
#[test]
fn fix_h2_source_ends_with_the_askers_time() {
    let target = FakeTarget::start(Peer::hang);
    let gate = TestGate::new(&target.url(), "");
    let reply = gate.ask("/source", "X-Prometheus-Scrape-Timeout-Seconds: 0.2\r\n");
    assert_eq!(reply.status, 504);
    target.wait_until(|seen| seen.n_gone == 1);
}

/// As long as nothing of it was passed on, what is wrong with a body is told.
#[test]
fn source_tells_what_is_wrong_before_the_first_byte() {
    for (script, status, told) in [
        (
            (|peer| peer.answer("200 OK", "Content-Encoding: gzip\r\n", "a 1\n")) as fn(&mut Peer),
            502,
            "gzip",
        ),
        (
            |peer| peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            502,
            "chunk",
        ),
        (
            |peer| {
                peer.start_chunks();
                peer.hang();
            },
            504,
            "timed out",
        ),
    ] {
        let target = FakeTarget::start(script);
        let gate = TestGate::new(&target.url(), "");
        let reply = gate.ask("/source", "X-Prometheus-Scrape-Timeout-Seconds: 0.5\r\n");
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.text().contains(told), "{told} is not in {}", reply.text());
    }
}

#[test]
fn source_of_a_dead_target_is_a_bad_gateway() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gate = TestGate::new(&format!("http://bob:s3cret@{free}/m"), "");
    let reply = gate.get("/source");
    assert_eq!(reply.status, 502);
    assert!(reply.text().contains(&free.to_string()) && !reply.text().contains("s3cret"));
}

#[test]
fn a_file_is_a_target_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.prom");
    std::fs::write(&path, BODY).unwrap();
    let gate = TestGate::new(&format!("file:{}", path.display()), RULES);
    assert_eq!(gate.get("/metrics").text(), SUM);
    assert_eq!(gate.get("/source").text(), BODY);
    std::fs::write(&path, "c 1\n").unwrap();
    assert!(gate.get("/metrics").text().contains("c 1\n"));
}

/// FIX-O1: weir's own metrics tell what it did, apart from what passes through.
#[test]
fn fix_o1_own_metrics_tell_what_was_done() {
    let target = FakeTarget::start(|peer| match peer.nth {
        0 => peer.ok(BODY),
        _ => peer.answer("500 Oops", "", ""),
    });
    let gate = TestGate::new(
        &target.url(),
        "{metric_relabel_configs: [{action: drop, source_labels: [__name__], regex: b}], s: []}",
    );
    let instance = format!("{{instance=\"{}\"}}", target.address);
    let up = format!("weir_target_up{instance}");
    assert_eq!(gate.own_metric(&up), "0");
    assert_eq!(gate.get("/metrics").status, 200);
    for (series, value) in [
        (up.as_str(), "1"),
        (&format!("weir_target_samples{instance}"), "3"),
        (&format!("weir_target_body_bytes{instance}"), &format!("{}", BODY.len())),
        (&format!("weir_scrapes_total{instance}"), "1"),
        (&format!("weir_target_last_success_timestamp_seconds{instance}"), "1.700000000123e+09"),
        ("weir_dropped_samples_total", "1"),
        ("weir_rule_dropped_samples{rule=\"0\"}", "1"),
        ("weir_output_series", "2"),
        ("weir_output_series{subset=\"s\"}", "3"),
        ("weir_http_requests_total{code=\"200\",endpoint=\"/metrics\"}", "1"),
    ] {
        assert_eq!(gate.own_metric(series), value, "{series}");
    }
    assert_eq!(gate.get("/metrics").status, 502);
    assert_eq!(gate.own_metric(&up), "0");
    let failures =
        format!("weir_scrape_failures_total{{instance=\"{}\",reason=\"status\"}}", target.address);
    assert_eq!(gate.own_metric(&failures), "1");
    assert!(!gate.get("/metrics").text().contains("weir_"));
}

/// Own metrics are negotiated like any others, and an odd subset name is no trouble.
#[test]
fn own_metrics_are_negotiated() {
    let target = FakeTarget::text(BODY);
    let gate =
        TestGate::new(&target.url(), "{metric_relabel_configs: [], \"a\\\"b\\\\\\n{}é\": []}");
    assert_eq!(gate.get("/metrics").status, 200);
    let reply = gate.get("/-/metrics");
    let text = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert_eq!((reply.status, reply.header("content-type")), (200, Some(text)));
    for line in [
        "# TYPE weir_scrapes_total counter\n",
        "# TYPE weir_build_info gauge\n",
        "weir_scrape_duration_seconds_bucket{le=\"+Inf\"} 1\n",
        "weir_output_series{subset=\"a\\\"b\\\\\\n{}é\"} 3\n",
    ] {
        assert!(reply.text().contains(line), "{line:?} is not in {}", reply.text());
    }
    assert!(!reply.text().contains("# EOF"));

    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let reply = gate.ask("/-/metrics", accept);
    assert_eq!(reply.header("content-type"), Some(open));
    assert!(reply.text().contains("# TYPE weir_scrapes counter\n"), "{}", reply.text());
    assert!(reply.text().ends_with("# EOF\n"));
    let head = request(gate.address, "HEAD", "/-/metrics", accept);
    assert_eq!((head.header("content-type"), head.body.len()), (Some(open), 0));
}
