//! `/metrics/<subset>`: the last good scrape, whole, dated, and not for ever.

use crate::support::{FakeTarget, NOW_MS, Peer, TestGate};
use std::time::Duration;
use weir::app::options::Options;

const RULES: &str = "
metric_relabel_configs:
- {action: keep, source_labels: [__name__], regex: 'go_.*'}
requests:
- {action: drop, source_labels: [__name__], regex: 'go_.*'}
- {action: labeldrop, regex: path}
all:
";
const BODY: &str =
    "go_goroutines 7\nhits{path=\"/a\"} 1\nhits{path=\"/b\"} 2\nold 5 1600000000000\n";

#[test]
fn one_scrape_feeds_all_outputs() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(&target.url(), RULES);
    assert_eq!(gate.get("/metrics").text(), "go_goroutines 7\n");
    // Explicit timestamps: the upstream request's, but own ones win.
    assert_eq!(
        gate.get("/metrics/requests").text(),
        format!("hits 3 {NOW_MS}\nold 5 1600000000000\n")
    );
    assert_eq!(gate.get("/metrics/all").text().lines().count(), 4);
    assert_eq!(target.seen().heads.len(), 1);
}

#[test]
fn timestamps_of_subsets_can_be_left_out() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::start(&Options {
        upstreams: vec![target.url()],
        relabel: RULES.to_owned(),
        subset_timestamps: false,
        ..Options::default()
    });
    gate.get("/metrics");
    assert_eq!(gate.get("/metrics/requests").text(), "hits 3\nold 5 1600000000000\n");
}

/// FIX-S5: unknown is 404, not yet filled is 503.
#[test]
fn fix_s5_unknown_and_not_yet_filled_differ() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::new(&target.url(), RULES);
    let reply = gate.get("/metrics/requests");
    assert_eq!((reply.status, reply.text().lines().count()), (503, 1));
    let reply = gate.get("/metrics/nothing");
    assert_eq!((reply.status, reply.text().lines().count()), (404, 1));
    // A subset never asks the target.
    assert_eq!(target.seen().heads.len(), 0);
}

/// FIX-S2: what is too old is not shown.
#[test]
fn fix_s2_old_data_is_not_served() {
    let target = FakeTarget::text(BODY);
    let gate = TestGate::start(&Options {
        upstreams: vec![target.url()],
        relabel: RULES.to_owned(),
        subset_max_age: Duration::from_nanos(1),
        ..Options::default()
    });
    assert_eq!(gate.get("/metrics").status, 200);
    let reply = gate.get("/metrics/requests");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("--subset-max-age"), "{}", reply.text());
}

/// FIX-S1: values and timestamp change together, and before `/metrics` has been read.
#[test]
fn fix_s1_a_subset_is_of_one_scrape() {
    let target = FakeTarget::start(|peer| peer.ok(format!("cnt {}\n", peer.nth)));
    let gate = TestGate::new(&target.url(), RULES);
    for nth in 0..3 {
        assert_eq!(gate.get("/metrics").status, 200);
        assert_eq!(gate.get("/metrics/all").text(), format!("cnt {nth} {NOW_MS}\n"));
    }
}

/// FIX-S4: a failed scrape leaves what the last good one made.
#[test]
fn fix_s4_a_failed_scrape_leaves_the_last_good_data() {
    let target = FakeTarget::start(|peer: &mut Peer| match peer.nth {
        0 => peer.ok("cnt 1\n"),
        _ => peer.ok("cnt 2\nbroken\n"),
    });
    let gate = TestGate::new(&target.url(), RULES);
    assert_eq!(gate.get("/metrics").status, 200);
    assert_eq!(gate.get("/metrics").status, 502);
    assert_eq!(gate.get("/metrics/all").text(), format!("cnt 1 {NOW_MS}\n"));
}

#[test]
fn timestamps_of_open_metrics_are_seconds() {
    let target = FakeTarget::text("a 1\n");
    let gate = TestGate::new(&target.url(), RULES);
    gate.get("/metrics");
    let reply = gate.ask("/metrics/all", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(reply.text().contains("a 1.0 1700000000.123\n"), "{}", reply.text());
}
