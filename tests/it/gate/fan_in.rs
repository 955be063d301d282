//! Several targets as one: who counts, who is missed, what is told of them.

use crate::support::{FakeTarget, Peer, TestGate};
use std::time::Duration;
use weir::app::options::Options;
use weir::config::file::Partial;

fn gate(targets: &[&FakeTarget], options: Options) -> TestGate {
    let upstreams = targets.iter().map(|target| target.url()).collect();
    TestGate::start(&Options { upstreams, ..options })
}

/// The lines without metadata.
fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn gauges_are_summed_and_counters_count_from_zero() {
    let body = "# TYPE c_total counter\nc_total{pod=\"a\"} 100\n# TYPE g gauge\ng{pod=\"a\"} 3\n";
    let (a, b) = (FakeTarget::text(body), FakeTarget::text(body));
    let relabel = "metric_relabel_configs: [{action: labeldrop, regex: pod}]".to_owned();
    let gate = gate(&[&a, &b], Options { relabel, ..Options::default() });
    assert_eq!(samples(gate.get("/metrics").text()), ["c_total 0", "g 6"]);
}

#[test]
fn a_replica_that_restarts_or_fails_makes_no_counter_fall() {
    let script = |values: [Option<u64>; 5]| {
        FakeTarget::start(move |peer| match values[peer.nth.min(4)] {
            Some(value) => {
                peer.ok(format!("# TYPE c_total counter\nc_total {value}\n# TYPE g gauge\ng 1\n"));
            }
            None => peer.answer("500 Broken", "", ""),
        })
    };
    // It counts 5, 5 again after a restart, is gone once, and counts 10 meanwhile.
    let a = script([Some(100), Some(105), Some(5), None, Some(15)]);
    // It counts 1 at a time.
    let b = script([Some(7), Some(8), Some(9), Some(10), Some(11)]);
    let gate = gate(&[&a, &b], Options::default());
    let rounds: Vec<String> = (0..5).map(|_| gate.get("/metrics").text().to_owned()).collect();
    let rounds: Vec<_> = rounds.iter().map(|text| samples(text).join(" ")).collect();
    assert_eq!(
        rounds,
        ["c_total 0 g 2", "c_total 6 g 2", "c_total 12 g 2", "c_total 13 g 1", "c_total 24 g 2"]
    );
    let own = gate.get("/-/metrics").text().to_owned();
    let line = format!("weir_target_counter_resets{{instance=\"{}\"}} 1", a.address);
    assert!(own.contains(&line), "{line} is not in\n{own}");
    assert!(own.contains("weir_targets 2\n"), "{own}");
}

#[test]
fn counters_may_be_summed_as_they_are() {
    use weir::aggregate::merge::Counters;
    let body = "# TYPE c_total counter\nc_total 100\n";
    let (a, b) = (FakeTarget::text(body), FakeTarget::text(body));
    let gate = gate(&[&a, &b], Options { counters: Some(Counters::Raw), ..Options::default() });
    assert_eq!(samples(gate.get("/metrics").text()), ["c_total 200"]);
}

#[test]
fn some_may_fail_unless_all_have_to_come() {
    let good = FakeTarget::text("g 1\n");
    let bad = FakeTarget::start(|peer| peer.answer("500 Broken", "", ""));
    let lenient = gate(&[&good, &bad], Options::default());
    let reply = lenient.get("/metrics");
    assert_eq!((reply.status, samples(reply.text())), (200, vec!["g 1"]));
    let up = |target: &FakeTarget, up| {
        format!("weir_target_up{{instance=\"{}\"}} {up}\n", target.address)
    };
    let own = lenient.get("/-/metrics").text().to_owned();
    assert!(own.contains(&up(&good, 1)) && own.contains(&up(&bad, 0)), "{own}");

    let strict = gate(&[&good, &bad], Options { partial: Partial::Fail, ..Options::default() });
    let reply = strict.get("/metrics");
    assert_eq!(reply.status, 502);
    assert!(
        reply.text().contains(&bad.url()) && !reply.text().contains(&good.url()),
        "{}",
        reply.text()
    );
}

#[test]
fn when_all_fail_each_is_told() {
    let bad = || FakeTarget::start(|peer| peer.answer("500 Broken", "", ""));
    let (a, b) = (bad(), bad());
    let reply = gate(&[&a, &b], Options::default()).get("/metrics");
    assert_eq!(reply.status, 502);
    let text = reply.text();
    assert!(text.contains(&a.url()) && text.contains(&b.url()), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn a_slow_target_costs_only_its_own_data() {
    let good = FakeTarget::text("g 1\n");
    let slow = FakeTarget::start(Peer::hang);
    let gate = gate(
        &[&good, &slow],
        Options { scrape_timeout: Some(Duration::from_secs(1)), ..Options::default() },
    );
    let reply = gate.get("/metrics");
    assert_eq!((reply.status, samples(reply.text())), (200, vec!["g 1"]));
    let told = gate.get("/-/targets?json").text().to_owned();
    assert!(told.contains("timed out"), "{told}");
}

/// Two hundred targets that never answer, and one that does.
#[test]
fn targets_that_hang_hold_up_nobody() {
    let hanging: Vec<_> = (0..200).map(|_| FakeTarget::start(Peer::hang)).collect();
    let good = FakeTarget::text("g 1\n");
    let all: Vec<_> = hanging.iter().chain([&good]).collect();
    let options = Options { scrape_timeout: Some(Duration::from_secs(3)), ..Options::default() };
    let reply = gate(&all, options).get("/metrics");
    assert_eq!((reply.status, samples(reply.text())), (200, vec!["g 1"]), "{}", reply.text());
}

#[test]
fn the_output_tells_of_targets_if_asked_to() {
    let good = FakeTarget::text("g 1\nh 2\n");
    let bad = FakeTarget::start(|peer| peer.answer("500 Broken", "", ""));
    let gate = gate(&[&good, &bad], Options { target_metrics: true, ..Options::default() });
    let text = gate.get("/metrics").text().to_owned();
    for line in [
        format!("up{{instance=\"{}\"}} 1\n", good.address),
        format!("up{{instance=\"{}\"}} 0\n", bad.address),
        format!("scrape_samples_scraped{{instance=\"{}\"}} 2\n", good.address),
        "g 1\n".to_owned(),
        "# TYPE up gauge\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

#[test]
fn targets_are_shown_and_can_be_chosen() {
    let a = FakeTarget::text("from_a 1\n");
    let b = FakeTarget::text("from_b 1\nfrom_b_too 1\n");
    let gate = gate(&[&a, &b], Options::default());
    assert!(gate.get("/-/targets").text().contains("Nothing was scraped yet"));
    gate.get("/metrics");
    let told: serde_json::Value = serde_json::from_str(gate.get("/-/targets?json").text()).unwrap();
    let targets = told["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 2);
    for (target, server, n_samples) in [(&targets[0], &a, 1), (&targets[1], &b, 2)] {
        assert_eq!(target["instance"], server.address.to_string());
        assert_eq!(target["health"], "up");
        assert_eq!(
            (&target["samples"], &target["output_series"]),
            (&n_samples.into(), &n_samples.into())
        );
        assert_eq!(target["labels"]["__address__"], server.address.to_string());
    }
    assert!(gate.get("/-/targets").text().contains("2 of 2 up"));

    assert_eq!(gate.get("/source").status, 400);
    let source = format!("/source?target={}", b.address);
    assert_eq!(gate.get(&source).text(), "from_b 1\nfrom_b_too 1\n");
    assert_eq!(gate.get("/source?target=elsewhere:1").status, 404);
    let both = gate.get("/analyze?json").text().to_owned();
    assert!(both.contains("from_a") && both.contains("from_b_too"), "{both}");
    let one = gate.get(&format!("/analyze?json&target={}", a.address)).text().to_owned();
    assert!(one.contains("from_a") && !one.contains("from_b"), "{one}");
}

#[test]
fn open_metrics_output_says_since_when_counters_count() {
    let body = "# TYPE c_total counter\nc_total 100\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
    let (a, b) = (FakeTarget::text(body), FakeTarget::text(body));
    let gate = gate(&[&a, &b], Options::default());
    let accept = "Accept: application/openmetrics-text;version=1.0.0\r\n";
    let text = gate.ask("/metrics", accept).text().to_owned();
    assert!(text.contains("\nc_created "), "{text}");
    assert!(text.contains("\nh_created "), "{text}");
    assert!(!gate.get("/metrics").text().contains("_created"));
}

#[test]
fn a_target_named_twice_is_scraped_once() {
    let target = FakeTarget::text("# TYPE g gauge\ng 1\n");
    let folder = tempfile::tempdir().unwrap();
    let list = format!("[{{\"targets\": [\"{0}\", \"{0}\"]}}]", target.address);
    std::fs::write(folder.path().join("targets.json"), list).unwrap();
    let file = folder.path().join("weir.yaml");
    std::fs::write(&file, "upstreams: [{file_sd_configs: [{files: [targets.json]}]}]\n").unwrap();
    let gate = TestGate::start(&Options { config_file: Some(file), ..Options::default() });
    assert_eq!(samples(gate.get("/metrics").text()), ["g 1"]);
    assert_eq!(target.seen().heads.len(), 1);
    assert_eq!(gate.own_metric("weir_targets"), "1");
    assert_eq!(gate.own_metric("weir_targets_duplicate"), "1");
}
