//! A real Prometheus that writes to weir.

use std::collections::BTreeSet;

use weir::wire::Version;

use super::support::TestReceiver;
use crate::servers::{Prometheus, StaticServer, find_or_skip};
use crate::wire::owned::OwnedSeries;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const EXPOSITION: &str = "\
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{code=\"200\",path=\"/a\"} 7
requests_total{code=\"500\",path=\"/b\"} 1
# TYPE temperature gauge
temperature NaN
# TYPE latency histogram
latency_bucket{le=\"1\"} 3
latency_bucket{le=\"+Inf\"} 4
latency_sum 5.5
latency_count 4
";

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn label<'s>(series: &'s OwnedSeries, name: &str) -> &'s str {
    let found = series.labels.iter().find(|(other, _)| other == name.as_bytes());
    found.map_or("", |(_, value)| text(value))
}

fn check(version: Version, message: &str) {
    let Some(program) = find_or_skip("prometheus") else { return };
    let target = StaticServer::start(TEXT, EXPOSITION.as_bytes().to_vec());
    let receiver = TestReceiver::new(version);
    let remote = format!(
        "remote_write: [{{url: \"http://{}/api/v1/write\", protobuf_message: {message}, \
         queue_config: {{batch_send_deadline: 500ms}}}}]\n",
        receiver.address
    );
    let jobs = [("app", &target.as_server(), "")];
    let prometheus = Prometheus::with_config(program, &jobs, &remote);
    let keeper = receiver.keeper();
    let wanted: BTreeSet<_> =
        ["requests_total", "temperature", "latency_bucket", "latency_sum", "latency_count", "up"]
            .into();
    keeper.wait_until(|all| {
        let names: BTreeSet<_> = all.iter().map(|series| label(series, "__name__")).collect();
        wanted.is_subset(&names)
    });
    let all = keeper.series();
    let requests: Vec<_> = all.iter().filter(|series| label(series, "path") == "/a").collect();
    for series in &requests {
        assert_eq!(label(series, "job"), "app");
        assert_eq!(series.samples[0].value.to_bits(), 7_f64.to_bits());
        assert!(series.samples[0].timestamp_ms > 1_600_000_000_000);
    }
    assert!(!requests.is_empty());
    let nan = all.iter().find(|series| label(series, "__name__") == "temperature").unwrap();
    assert_eq!(nan.samples[0].value.to_bits(), 0x7ff8_0000_0000_0001, "as Prometheus writes NaN");
    assert_eq!(
        receiver.metric("weir_receive_refused_series_total{reason=\"invalid_labels\"}"),
        "0"
    );
    drop(prometheus);
}

#[test]
fn prometheus_writes_1_0_to_weir() {
    check(Version::V1, "prometheus.WriteRequest");
}

#[test]
fn prometheus_writes_2_0_to_weir() {
    check(Version::V2, "io.prometheus.write.v2.Request");
}
