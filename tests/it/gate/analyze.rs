//! `/analyze`: metric-gate's report, by the rules of a scrape, and never in its way.

use crate::support::{FakeTarget, Peer, TestGate};
use std::io::Write;
use std::net::TcpStream;

/// The contract's example, section 13, with ties by name and values sorted.
const BODY: &str = "\
a{x=\"1\",y=\"0\"} 1
a{x=\"2\",y=\"1\"} 1
a{x=\"3\",y=\"1\"} 1
a{x=\"4\",y=\"2\"} 1
a{x=\"5\",y=\"2\"} 1
a{x=\"6\",y=\"2\"} 1
a{x=\"7\"} 1
c{z=\"q\\\"uote\"} 1
b 1
b 2
";
const REPORT: &str = "
7 a
  7 x
  3 y [0, 1, 2]

2 b

1 c
  1 z [q\\\"uote]
";

/// Item 8 of the drop-in checklist; FIX-Z1, FIX-Z2.
#[test]
fn item_8_fix_z1_z2_the_report_is_that_of_metric_gate() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(&target.url(), "");
    let reply = gate.get("/analyze");
    assert_eq!((reply.status, reply.text()), (200, REPORT));
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn the_report_can_be_json_with_savings() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(&target.url(), "");
    let reply = gate.get("/analyze?json");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let json: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!(json["totals"]["samples"], 10);
    assert_eq!(json["metrics"][0]["labels"][0]["series_without"], 4);
    assert!(gate.get("/analyze?savings").text().starts_with(REPORT));
}

/// FIX-Z4: the status and the lines are judged as for a scrape.
#[test]
fn fix_z4_analysis_judges_as_a_scrape_does() {
    for (script, status) in [
        ((|peer| peer.answer("404 Not Found", "", BODY)) as fn(&mut Peer), 502),
        (|peer| peer.ok("a 1\nbroken\n"), 502),
        (|peer| peer.ok("foo{a "), 502),
        (|peer| peer.ok(format!("a{{b=\"{}\"}} 1\n", "x".repeat(2 << 20))), 502),
        (|peer| peer.ok(format!("a{{b=\"{}\"}} 1\n", "x".repeat(100_000))), 200),
    ] {
        let target = FakeTarget::start(script);
        let gate = TestGate::new(&target.url(), "");
        assert_eq!(gate.get("/analyze").status, status);
    }
}

/// FIX-H2: a target that hangs does not hang `/analyze`, which ends with its client, too.
#[test]
fn fix_h2_analysis_ends_with_time_or_client() {
    let target = FakeTarget::start(|peer| {
        peer.start_chunks();
        peer.chunk("a 1\n");
        peer.hang();
    });
    let gate = TestGate::new(&target.url(), "");
    let reply = gate.ask("/analyze", "X-Prometheus-Scrape-Timeout-Seconds: 0.2\r\n");
    assert_eq!(reply.status, 504);
    target.wait_until(|seen| seen.n_gone == 1);

    let mut client = TcpStream::connect(gate.address).unwrap();
    client.write_all(b"GET /analyze HTTP/1.1\r\nHost: weir\r\n\r\n").unwrap();
    target.wait_until(|seen| seen.n_active == 1);
    // A scrape goes on meanwhile, and a second analysis is turned away.
    let reply = gate.ask("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.2\r\n");
    assert_eq!(reply.status, 504);
    let reply = gate.get("/analyze");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(gate.own_metric("weir_limit_refusals_total{limit=\"analyses\"}"), "1");
    drop(client);
    target.wait_until(|seen| seen.n_gone == 3);
}
