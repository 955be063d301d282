//! Bad input, and what it gets: an answer that says what is wrong, and nothing half-read.

use crate::support::{FakeTarget, Peer, TestGate};
use weir::app::options::Options;
use weir::config::file::limits::Limits;

const RULES: &str = "{metric_relabel_configs: [], sub: []}";
const GOOD: &str = "good 1\n";

/// A gate in front of a target that answers well once, and then as `script` says. The failure has
/// to be told, counted under `reason`, and to leave the subset as it was.
#[track_caller]
fn check(
    options: Options,
    script: impl Fn(&mut Peer) + Send + Sync + 'static,
    status: u16,
    reason: &str,
    told: &[&str],
) -> TestGate {
    let target =
        FakeTarget::start(move |peer| if peer.nth == 0 { peer.ok(GOOD) } else { script(peer) });
    let gate = TestGate::start(&Options {
        upstreams: vec![target.url()],
        relabel: RULES.to_owned(),
        ..options
    });
    assert_eq!(gate.get("/metrics").text(), GOOD);
    let before = gate.get("/metrics/sub");
    assert_eq!(before.status, 200);

    let reply = gate.ask("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n");
    assert_eq!(reply.status, status, "{}", reply.text());
    let line = reply.text().strip_suffix('\n').unwrap();
    let start = format!("Error getting any metrics from upstream: {}: ", target.url());
    assert!(line.starts_with(&start) && !line.contains('\n'), "{line:?}");
    for part in told {
        assert!(line.contains(part), "{part:?} is not in {line:?}");
    }
    assert!(line.len() < 500, "{} bytes", line.len());

    assert_eq!(gate.get("/metrics/sub").text(), before.text());
    let failures = format!(
        "weir_scrape_failures_total{{instance=\"{}\",reason=\"{reason}\"}}",
        target.address
    );
    assert_eq!(gate.own_metric(&failures), "1", "{failures}");
    gate
}

#[track_caller]
fn check_body(body: impl AsRef<[u8]> + Send + Sync + 'static, reason: &str, told: &[&str]) {
    check(Options::default(), move |peer| peer.ok(&body), 502, reason, told);
}

#[test]
fn a_malformed_line_is_named() {
    check_body("a 1\nb 2\nc{x=\"1\" 3\n", "parse", &["line 3, column "]);
    check_body("a 1\nno_value\n", "parse", &["line 2, column "]);
}

/// FIX-E8: what crashed metric-gate, and what else might.
#[test]
fn fix_e8_odd_bytes_are_errors_and_nothing_worse() {
    check_body("foo{a ", "parse", &["line 1"]);
    check_body("metric{a=\"b\", c ", "parse", &["line 1"]);
    check_body(b"a 1\nb\0 2\n".as_slice(), "parse", &["line 2"]);
    check_body(b"\xff\xfe\xfd".as_slice(), "parse", &["line 1"]);
    check_body("a{b=\"\u{0}\"", "parse", &["line 1"]);
    let mut noise = 1_u32;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    })
    .take(100_000)
    .collect();
    check_body(random, "parse", &["line 1"]);
}

/// FIX-E8: a line of blanks is skipped, as Prometheus skips it.
#[test]
fn fix_e8_blank_lines_are_skipped() {
    let target = FakeTarget::text(" \n\t\na 1\n  \t \n");
    let gate = TestGate::new(&target.url(), "");
    assert_eq!(gate.get("/metrics").text(), "a 1\n");
}

/// FIX-E6: a long line is an error above the limit and fine below it.
#[test]
fn fix_e6_long_lines_fail_loudly_above_the_limit() {
    let long = format!("a 1\nb{{x=\"{}\"}} 2\nc 3\n", "x".repeat(10 << 20));
    let gate =
        check(Options::default(), move |peer| peer.ok(&long), 502, "line_too_long", &["line 2"]);
    assert_eq!(gate.own_metric("weir_limit_refusals_total{limit=\"line_bytes\"}"), "1");

    let target =
        FakeTarget::start(|peer| peer.ok(format!("b{{x=\"{}\"}} 2\nc 3\n", "x".repeat(100_000))));
    let gate = TestGate::new(&target.url(), "");
    let reply = gate.get("/metrics");
    assert_eq!(reply.status, 200);
    assert!(reply.text().ends_with("c 3\n"));
}

/// FIX-E10: limits with names.
#[test]
fn fix_e10_too_many_labels_are_an_error() {
    let labels = (0..100_000).map(|n| format!("l{n}=\"1\",")).collect::<Vec<_>>().concat();
    let line = format!("a{{{labels}}} 1\n");
    let options = Options {
        limits: Limits { line_bytes_max: 4 << 20, ..Limits::default() },
        ..Options::default()
    };
    let gate =
        check(options, move |peer| peer.ok(&line), 502, "too_many_labels", &["--max-labels"]);
    assert_eq!(gate.own_metric("weir_limit_refusals_total{limit=\"labels\"}"), "1");
}

#[test]
fn fix_e10_too_many_series_are_an_error() {
    let lines = (0..101).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect::<Vec<_>>().concat();
    let options =
        Options { limits: Limits { series_max: 100, ..Limits::default() }, ..Options::default() };
    let gate =
        check(options, move |peer| peer.ok(&lines), 502, "too_many_series", &["--max-series"]);
    assert_eq!(gate.own_metric("weir_limit_refusals_total{limit=\"series\"}"), "1");
}

#[test]
fn fix_e10_too_large_a_body_is_an_error() {
    let options = Options {
        limits: Limits { body_bytes_max: 1000, ..Limits::default() },
        ..Options::default()
    };
    let gate = check(
        options,
        |peer| peer.ok("a 1\n".repeat(251)),
        502,
        "body_bytes",
        &["1000 bytes", "--max-body-bytes"],
    );
    assert_eq!(gate.own_metric("weir_limit_refusals_total{limit=\"body_bytes\"}"), "1");
}

/// FIX-E4: nothing of a cut body gets out, least of all a number cut short.
#[test]
fn fix_e4_a_cut_body_is_a_failed_scrape() {
    let options = Options::default;
    check(
        options(),
        |peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ngood 2\nbar_total 123");
            peer.close();
        },
        502,
        "truncated",
        &[],
    );
    check(
        options(),
        |peer| {
            peer.start_chunks();
            peer.chunk("good 2\nbar_total 123");
            peer.reset();
        },
        502,
        "truncated",
        &[],
    );
}

/// FIX-E5: time runs out in the middle of the body.
#[test]
fn fix_e5_a_late_body_is_a_failed_scrape() {
    check(
        Options::default(),
        |peer| {
            peer.start_chunks();
            peer.chunk("good 2\nbar_total 123");
            peer.hang();
        },
        504,
        "timeout",
        &["timed out after 0.9 s"],
    );
}

/// FIX-E1: an error page is no exposition, whatever its status says.
#[test]
fn fix_e1_only_2xx_counts() {
    check(
        Options::default(),
        |peer| peer.answer("503 Busy", "", "error 500\n"),
        502,
        "status",
        &["503"],
    );
    check(
        Options::default(),
        |peer| peer.answer("200 OK", "Content-Type: text/html\r\n", "<html></html>"),
        502,
        "content_type",
        &["text/html"],
    );
}

/// FIX-E7: after a failure the subset is what it was, and without a good scrape it is 503.
#[test]
fn fix_e7_a_failure_empties_no_subset() {
    let target = FakeTarget::start(|peer| peer.answer("500 Oops", "", ""));
    let gate = TestGate::new(&target.url(), RULES);
    assert_eq!(gate.get("/metrics").status, 502);
    assert_eq!(gate.get("/metrics/sub").status, 503);
}

/// FIX-A4, FIX-A5, FIX-P3: escapes are undone before the rules and done again behind them.
#[test]
fn fix_a4_a5_p3_escapes_are_undone_and_done_again() {
    let target = FakeTarget::text("m{path=\"C:\\\\\",text=\"a\\\"b\\\\c\\nd\"} 1\n");
    let rules = r#"
metric_relabel_configs:
- {source_labels: [path], regex: 'C:\\', target_label: drive, replacement: c}
- {source_labels: [text], regex: "a\"b\\\\c\nd", target_label: made, replacement: "x\"y\n"}
"#;
    let gate = TestGate::new(&target.url(), rules);
    let expect = "m{drive=\"c\",made=\"x\\\"y\\n\",path=\"C:\\\\\",text=\"a\\\"b\\\\c\\nd\"} 1\n";
    assert_eq!(gate.get("/metrics").text(), expect);
}

#[test]
fn a_target_that_recovers_is_read_again() {
    let target = FakeTarget::start(|peer| match peer.nth {
        1 => peer.ok("good nonsense\n"),
        _ => peer.ok(GOOD),
    });
    let gate = TestGate::new(&target.url(), "");
    for status in [200, 502, 200] {
        assert_eq!(gate.get("/metrics").status, status);
    }
}
