//! `weir generate remote-write`: what is sent, in which order, and how it ends.

use super::Config;
use super::run;
use super::said;
use super::weir;
use crate::remote_write::receiver::Receiver;
use crate::remote_write::receiver::Reply;
use crate::servers::Prometheus;
use crate::servers::find_or_skip;
use std::collections::BTreeMap;
use std::process::Stdio;
use weir::wire::STALE_MARKER_BITS;
use weir::wire::Version;

const CONFIG: &str = "\
interval: 15s
targets: 2
families:
- {name: requests_total, type: counter, rate: 2, labels: {host: [a, b], job: [theirs]}}
- {name: queue, type: gauge, value: {notation: '1+1x5 stale'}}
- {name: size, type: histogram, rate: 3, buckets: [1, 10], distribution: {exponential: {mean: 4}}}
";

/// For each series, spelled `name{labels}`, its samples in order of arrival: seconds and value.
type Series = BTreeMap<String, Vec<(i64, f64)>>;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn series(receiver: &Receiver) -> Series {
    let mut all = Series::new();
    for got in receiver.got() {
        for series in &got.message.series {
            let labels: Vec<String> =
                series.labels.iter().map(|(n, v)| format!("{}={}", text(n), text(v))).collect();
            let samples = all.entry(labels.join(" ")).or_default();
            samples.extend(series.samples.iter().map(|s| (s.timestamp_ms / 1000, s.value)));
        }
    }
    all
}

/// Send two minutes of history, with more flags, and give what came.
fn sent(flags: &[&str]) -> (Receiver, String) {
    let receiver = Receiver::accepting();
    let config = Config::new(CONFIG);
    let url = receiver.url().to_string();
    let args = ["remote-write", config.name(), "--url", &url, "--start", "0", "--end", "120"];
    let told = said(&[&args[..], flags].concat());
    (receiver, told)
}

#[test]
fn history_is_sent_once_and_in_order() {
    for (protocol, version) in [("1.0", Version::V1), ("2.0", Version::V2)] {
        let (receiver, told) = sent(&["--protocol", protocol, "--job", "mine"]);
        assert!(receiver.got().iter().all(|got| got.version == version));
        let all = series(&receiver);
        let n_samples: usize = all.values().map(Vec::len).sum();
        assert_eq!(told, format!("{n_samples} samples sent\n"));
        // Two hosts, a queue, and five lines of a histogram, for each of two targets.
        assert_eq!(all.len(), 2 * 8, "{all:?}");
        let of = |labels: &str| all.get(labels).unwrap_or_else(|| panic!("{labels}: {all:?}"));
        let counter =
            of("__name__=requests_total exported_job=theirs host=a instance=target-1 job=mine");
        let want: Vec<_> = (0_i32..=8).map(|n| (i64::from(n * 15), f64::from(n * 30))).collect();
        assert_eq!(*counter, want);
        let queue = of("__name__=queue instance=target-0 job=mine");
        let want: Vec<_> = (0_i32..6).map(|n| (i64::from(n * 15), f64::from(n + 1))).collect();
        assert_eq!(queue[..6], want);
        assert_eq!((queue.len(), queue[6].0), (7, 90), "{queue:?}");
        assert_eq!(queue[6].1.to_bits(), STALE_MARKER_BITS, "it ends once");
    }
}

/// The same samples, whatever disorder they come in.
#[test]
fn disorder_changes_no_sample() {
    let sorted = |receiver: &Receiver| {
        let mut all = series(receiver);
        for samples in all.values_mut() {
            samples.sort_by_key(|(seconds, _)| *seconds);
        }
        format!("{all:?}")
    };
    let (plain, _) = sent(&[]);
    let (late, _) = sent(&["--out-of-order", "40s"]);
    assert_eq!(sorted(&late), sorted(&plain));
    let all = series(&late);
    let (_, counter) = all.iter().find(|(labels, _)| labels.contains("host=a")).unwrap();
    let seconds: Vec<_> = counter.iter().map(|(seconds, _)| *seconds).collect();
    // Every third instant comes once there is one that is 40 s later, or the last.
    assert_eq!(seconds, [0, 15, 45, 60, 30, 90, 105, 75, 120]);
    let (twice, _) = sent(&["--duplicates"]);
    let mut all = series(&twice);
    for samples in all.values_mut() {
        samples.sort_by_key(|(seconds, _)| *seconds);
        let n = samples.len();
        samples.dedup_by(|a, b| a.0 == b.0 && a.1.to_bits() == b.1.to_bits());
        assert_eq!(samples.len() * 2, n, "all of it twice");
    }
    assert_eq!(format!("{all:?}"), sorted(&plain));
}

#[test]
fn native_histograms_and_exemplars_are_sent() {
    let receiver = Receiver::accepting();
    let config = Config::new(
        "families:\n- {name: size, type: histogram, rate: 3, native: {schema: 3}, \
         distribution: {exponential: {mean: 4}}}\n",
    );
    let url = receiver.url().to_string();
    let args = ["remote-write", config.name(), "--url", &url, "--start", "0", "--end", "60"];
    said(&args);
    let got = receiver.got();
    let all = got.iter().flat_map(|got| &got.message.series);
    let n_histograms: usize = all.map(|series| series.histograms.len()).sum();
    assert_eq!(n_histograms, 5);
}

#[test]
fn what_is_refused_ends_in_failure() {
    let receiver = Receiver::start(|_, _| Reply::Status("400 Bad Request", ""));
    let config = Config::new(CONFIG);
    let url = receiver.url().to_string();
    let output =
        run(&["remote-write", config.name(), "--url", &url, "--start", "0", "--end", "15"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("were refused") && err.contains("because"), "{err}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let config = Config::new(CONFIG);
    for flags in [
        &["--url", "ftp://h/"][..],
        &["--url", "http://h/", "--protocol", "3.0"],
        &["--url", "http://h/", "--header", "a b=c"],
        &["--url", "http://h/", "--start", "10"],
        &["--url", "http://h/", "--start", "10", "--end", "5"],
        &["--url", "http://h/", "--start", "0", "--end", "10000000000", "--step", "1ms"],
    ] {
        let output = run(&[&["remote-write", config.name()], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {output:?}");
    }
}

/// As time goes by, until a signal; what was sent is what Prometheus has.
#[test]
fn prometheus_takes_what_is_sent_live() {
    let Some(program) = find_or_skip("prometheus") else { return };
    let storage = Prometheus::with_remote_write(program, "scrape_configs: []\n");
    let config = Config::new(CONFIG);
    let url = format!("http://{}/api/v1/write", storage.address());
    let args = ["remote-write", config.name(), "--url", &url, "--step", "200ms"];
    let mut child = weir(&args).stdout(Stdio::null()).spawn().unwrap();
    let query = "count(count_over_time(requests_total{instance=\"target-1\"}[1m]) > 3)";
    crate::servers::eventually("there are samples", || {
        storage.value(query, None).filter(|n| *n >= 2.0)
    });
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
