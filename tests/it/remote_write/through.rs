//! From a real server through weir to a real server: what arrives is what was sent.

use super::receiver::Got;
use super::receiver::Receiver;
use crate::cli::Process;
use crate::servers::Prometheus;
use crate::servers::Server;
use crate::servers::eventually;
use crate::servers::find_or_skip;
use crate::servers::find_rare_or_skip;
use crate::servers::spell_labels;
use crate::support::FakeTarget;
use crate::support::PATIENCE;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";

/// Start weir between senders and `url`, with more in its configuration.
fn start_weir(url: &str, message: &str, more: &str) -> (Process, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "listen_address: 127.0.0.1:0\ndata_dir: {}\nreceive: {{remote_write: {{}}}}\n\
         remote_write:\n- url: {url}\n  protobuf_message: {message}\n  send_exemplars: true\n\
         \x20 send_native_histograms: true\n  queue_config: {{batch_send_deadline: 100ms}}\n{more}",
        folder.path().join("data").display(),
    );
    let file = folder.path().join("weir.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    (Process::start(command.arg("--config").arg(&file)), folder)
}

/// Something whose numbers change, with a series that goes.
fn target() -> FakeTarget {
    FakeTarget::start(|peer| {
        let n = peer.nth + 1;
        let gone = if n < 4 { format!("gone {n}\n") } else { String::new() };
        let body = format!(
            "# HELP requests Requests.\n# TYPE requests counter\n\
             requests_total{{code=\"200\",path=\"/a\"}} {n} # {{trace_id=\"t{n}\"}} 0.5\n\
             requests_total{{code=\"500\",path=\"/b\\\"\"}} 1e-9\n\
             # TYPE temperature gauge\ntemperature NaN\ntemperature{{at=\"inf\"}} -Inf\n{gone}\
             # TYPE latency histogram\nlatency_bucket{{le=\"1.0\"}} {n}\n\
             latency_bucket{{le=\"+Inf\"}} {} # {{trace_id=\"u{n}\"}} 2.5\n\
             latency_sum 5.5\nlatency_count {}\n# EOF\n",
            n + 1,
            n + 1,
        );
        let head = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
        peer.answer("200 OK", head, body);
    })
}

/// The configuration of a Prometheus that scrapes `target` and `more`, and sends to weir.
fn sending(target: &FakeTarget, more: &str, to: &Process, message: &str) -> String {
    format!(
        "scrape_configs:\n- job_name: app\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n\
         \x20 static_configs: [{{targets: ['{}']}}]\n{more}\
         remote_write:\n- url: http://{}/api/v1/write\n  protobuf_message: {message}\n\
         \x20 send_exemplars: true\n  send_native_histograms: true\n\
         \x20 queue_config: {{batch_send_deadline: 200ms}}\n",
        target.address, to.address,
    )
}

/// The lines of a counter of weir's that are not 0.
fn counted(weir: &Process, name: &str) -> Vec<String> {
    let all = weir.get("/-/metrics");
    let lines = all.text().lines().filter(|line| line.starts_with(name));
    let lines: Vec<_> = lines.map(str::to_owned).collect();
    assert!(!lines.is_empty(), "there is no {name}");
    lines.into_iter().filter(|line| !line.ends_with(" 0")).collect()
}

/// Wait until everything that was sent is there; all there is then.
#[track_caller]
fn wait_for_all(
    sent: &BTreeSet<String>,
    points: impl Fn() -> BTreeSet<String>,
) -> BTreeSet<String> {
    let began = Instant::now();
    loop {
        let arrived = points();
        let missing: Vec<_> = sent.difference(&arrived).collect();
        if missing.is_empty() {
            return arrived;
        }
        let n = missing.len();
        assert!(began.elapsed() < PATIENCE, "{n} are missing: {:#?}", &missing[..n.min(20)]);
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn check_prometheus(incoming: &str, outgoing: &str) {
    let Some(program) = find_or_skip("prometheus") else { return };
    let storage = Prometheus::with_remote_write(program.clone(), "scrape_configs: []\n");
    let url = format!("http://{}/api/v1/write", storage.address());
    let (weir, _folder) = start_weir(&url, outgoing, "");
    let target = target();
    // The storage itself has native histograms.
    let native = format!(
        "- job_name: storage\n  scrape_interval: 1s\n  scrape_timeout: 1s\n\
         \x20 scrape_native_histograms: true\n  static_configs: [{{targets: ['{}']}}]\n",
        storage.address()
    );
    let sender =
        Prometheus::with_remote_write(program, &sending(&target, &native, &weir, incoming));
    target.wait_until(|seen| seen.heads.len() > 8);
    let sent = sender.points();
    let has = |what: &str| sent.iter().filter(|point| point.contains(what)).count();
    assert!(has("requests_total") >= 2 * 5, "{}", has("requests_total"));
    assert!(has("\"gone\"") >= 2 && has("trace_id") >= 4 && has("NaN") >= 5);
    assert!(has("\"buckets\"") >= 1, "native histograms");
    let arrived = wait_for_all(&sent, || storage.points());
    let sent = sender.points();
    let made_up: Vec<_> = arrived.difference(&sent).collect();
    assert!(made_up.is_empty(), "{made_up:#?}");
    assert_eq!(storage.value("gone", None), None, "it ended with a stale marker");
    for name in ["weir_receive_refused_requests_total", "weir_remote_storage_samples_failed_total"]
    {
        assert_eq!(counted(&weir, name), [""; 0]);
    }
}

#[test]
fn prometheus_1_0_to_prometheus_1_0() {
    check_prometheus(V1, V1);
}

#[test]
fn prometheus_2_0_to_prometheus_2_0() {
    check_prometheus(V2, V2);
}

#[test]
fn prometheus_1_0_to_prometheus_2_0() {
    check_prometheus(V1, V2);
}

#[test]
fn prometheus_2_0_to_prometheus_1_0() {
    check_prometheus(V2, V1);
}

#[test]
fn rules_and_aggregation_on_the_way() {
    let Some(program) = find_or_skip("prometheus") else { return };
    let storage = Prometheus::with_remote_write(program.clone(), "scrape_configs: []\n");
    let url = format!("http://{}/api/v1/write", storage.address());
    let more = "metric_relabel_configs:\n\
                - {action: drop, source_labels: [__name__], regex: latency_.*}\n\
                - {source_labels: [code], target_label: class, regex: '(.)..', replacement: '${1}xx'}\n\
                aggregate:\n\
                - {match: requests_total, interval: 1s, delay: 1s, without: [path, code], outputs: [total, count_samples]}\n";
    let (weir, _folder) = start_weir(&url, V2, more);
    let target = target();
    let sender = Prometheus::with_remote_write(program, &sending(&target, "", &weir, V2));
    let value = |query: &str| storage.value(query, None);
    eventually("the aggregate grows", || {
        value("requests_total:1s_without_path_code_total{class=\"2xx\"}").filter(|n| *n >= 3.0)
    });
    eventually("what is not aggregated goes on", || value("temperature{at=\"inf\"}"));
    assert_eq!(value("count({__name__=~\"latency_.*\"})"), None);
    assert_eq!(value("count({__name__=\"requests_total\"})"), None, "only the aggregate goes on");
    drop(sender);
}

#[test]
fn weir_to_victoria_metrics() {
    let Some(storage) = find_rare_or_skip("victoria-metrics") else { return };
    let Some(program) = find_or_skip("prometheus") else { return };
    let folder = tempfile::tempdir().unwrap();
    let storage = Server::victoria_metrics(storage, folder.path());
    let (weir, _folder) = start_weir(&format!("http://{}/api/v1/write", storage.address), V1, "");
    let target = target();
    let sender = Prometheus::with_remote_write(program, &sending(&target, "", &weir, V2));
    target.wait_until(|seen| seen.heads.len() > 8);
    // Exemplars it does not keep, and what is no number it writes as null.
    let is_number = |point: &String| !point.contains("trace_id") && !point.contains("NaN");
    let sent: BTreeSet<_> = sender.points().into_iter().filter(is_number).collect();
    assert!(sent.len() > 30, "{}", sent.len());
    let arrived = wait_for_all(&sent, || exported(&storage));
    let sent = sender.points();
    let made_up: Vec<_> = arrived.difference(&sent).collect();
    assert!(made_up.is_empty(), "{made_up:#?}");
}

/// vmagent speaks zstd until it is answered 415, and has other labels first than Prometheus.
#[test]
fn vmagent_to_weir() {
    let Some(program) = find_rare_or_skip("vmagent") else { return };
    for message in [V1, V2] {
        let receiver = Receiver::accepting();
        let (weir, _folder) = start_weir(&receiver.url().to_string(), message, "");
        let target = target();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "scrape_configs:\n- job_name: app\n  scrape_interval: 500ms\n\
             \x20 static_configs: [{{targets: ['{}']}}]\n",
            target.address
        );
        let url = format!("http://{}/api/v1/write", weir.address);
        let _vmagent = Server::vmagent(program.clone(), folder.path(), &config, &url);
        let values_of = |got: &[Got], name: &str| -> Vec<f64> {
            let all = got.iter().flat_map(Got::samples);
            all.filter(|(of, value)| of == name && !value.is_nan()).map(|(_, v)| v).collect()
        };
        // Each scrape has counted one more; the other series of that name is always the same.
        receiver.wait_until(|got| values_of(got, "requests_total").contains(&5.0));
        let values = values_of(&receiver.got(), "requests_total");
        let mut counted: Vec<_> = values.into_iter().filter(|value| *value >= 1.0).collect();
        // It sends several requests at a time, in whatever order.
        counted.sort_by(f64::total_cmp);
        let from_1: Vec<_> = (1_u8..).map(f64::from).take(counted.len()).collect();
        assert_eq!(counted, from_1, "{message}");
        assert_eq!(values_of(&receiver.got(), "up")[..2], [1.0, 1.0]);
        assert!(receiver.got().iter().any(|got| {
            let mut all = got.message.series.iter();
            let job = (b"job".to_vec(), b"app".to_vec());
            all.any(|series| series.labels.contains(&job) && series.labels.is_sorted())
        }));
    }
}

/// Every sample that is a number, spelled as Prometheus does.
fn exported(storage: &Server) -> BTreeSet<String> {
    let lines = storage.get("/api/v1/export?match%5B%5D=%7B__name__%21%3D%22%22%7D");
    let mut points = BTreeSet::new();
    for line in lines.lines() {
        // It writes infinities that are no JSON.
        let line = line.replace("\"-Infinity\"", "-Inf").replace("-Infinity", "-Inf");
        let line = line.replace("-Inf", "\"-Inf\"");
        let series: serde_json::Value = serde_json::from_str(&line).unwrap();
        let times = series["timestamps"].as_array().unwrap();
        for (time, value) in times.iter().zip(series["values"].as_array().unwrap()) {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century")]
            let seconds = time.as_i64().unwrap() as f64 / 1000.0;
            let value = match value {
                serde_json::Value::Number(value) => value.as_f64().unwrap(),
                serde_json::Value::String(text) if text == "-Inf" => f64::NEG_INFINITY,
                _ => continue,
            };
            let mut text = Vec::new();
            weir::model::number::write_value(&mut text, value);
            let text = String::from_utf8(text).unwrap();
            let seconds = serde_json::to_string(&seconds).unwrap();
            let seconds = seconds.strip_suffix(".0").unwrap_or(&seconds);
            points.insert(format!("{} {seconds} \"{text}\"", spell_labels(&series["metric"])));
        }
    }
    points
}
