//! weir between real exporters and a real Prometheus: what Prometheus stores is the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use weir::model::Format;
use weir::parse::{Entry, SampleTokens, parse_entry};

use crate::servers::{Prometheus, Server, StaticServer, eventually, find_or_skip};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Jobs that ask for one format alone.
const ONLY_TEXT: &str = "scrape_protocols: [PrometheusText1.0.0]";
const ONLY_OPEN_METRICS: &str = "scrape_protocols: [OpenMetricsText1.0.0]";

/// Have Prometheus scrape a server directly and through weir; series and metadata must agree.
///
/// Through weir Prometheus asks as it does by default, and also in the format of the server itself:
/// metadata are compared between equal formats, since OpenMetrics names families otherwise.
#[track_caller]
fn check_same(prometheus: PathBuf, target: &Server, format: Format) -> usize {
    let weir = Server::weir(&format!("http://{}/metrics", target.address), &[]);
    let same_format = match format {
        _ if !is_version_3(&prometheus) => "",
        Format::Text => ONLY_TEXT,
        Format::OpenMetrics => ONLY_OPEN_METRICS,
    };
    // The pages are large for a build without optimisation on a busy machine.
    let patiently = |more: &str| format!("scrape_interval: 5s\n  scrape_timeout: 5s\n  {more}");
    let (any, same) = (patiently(""), patiently(same_format));
    let jobs = [("direct", target, &*same), ("weir", &weir, &any), ("same_format", &weir, &same)];
    let prometheus = Prometheus::scraping(prometheus, &jobs);
    let direct = prometheus.series_of("direct");
    assert_same(&direct, &prometheus.series_of("weir"));
    assert_same(&direct, &prometheus.series_of("same_format"));
    if !same_format.is_empty() {
        let metadata = prometheus.metadata_of("same_format");
        let mut lost = prometheus.metadata_of("direct");
        // HELP and TYPE of a family without a sample are not handed on.
        lost.retain(|entry| !metadata.contains(entry) && has_sample(&direct, entry, format));
        assert!(lost.is_empty(), "metadata lost: {lost:#?}");
    }
    direct.len()
}

/// Whether a family of [`Prometheus::metadata_of`] has a series.
///
/// A counter with samples both with and without `_total` does not count: to weir they are one
/// family, and only one of its two names can stand in TYPE.
fn has_sample(series: &BTreeMap<String, String>, metadata: &str, format: Format) -> bool {
    let name = metadata.split('"').nth(1).unwrap();
    let has = |suffix: &str| {
        let named = format!("__name__=\"{name}{suffix}\"");
        series.keys().any(|series| series.contains(&named))
    };
    let suffixes: &[&str] = match format {
        Format::Text => &["", "_bucket", "_sum", "_count"],
        Format::OpenMetrics => &["", "_total", "_bucket", "_sum", "_count", "_info", "_created"],
    };
    suffixes.iter().any(|suffix| has(suffix)) && !(has("") && has("_total"))
}

#[track_caller]
fn assert_same(direct: &BTreeMap<String, String>, through: &BTreeMap<String, String>) {
    let differing = direct.iter().filter(|(series, value)| through.get(*series) != Some(value));
    let differing: Vec<_> =
        differing.map(|(series, value)| (series, value, through.get(series))).take(10).collect();
    assert!(differing.is_empty(), "direct and through weir: {differing:#?}");
    let added: Vec<_> = through.keys().filter(|s| !direct.contains_key(*s)).take(10).collect();
    assert!(added.is_empty(), "only through weir: {added:#?}");
}

#[test]
fn a_node_exporter_is_the_same_through_weir() {
    let (Some(prometheus), Some(exporter)) =
        (find_or_skip("prometheus"), find_or_skip("node_exporter"))
    else {
        return;
    };
    // What it says changes from scrape to scrape, so one answer is kept and served to both.
    let exporter = Server::node_exporter(exporter);
    let kept = StaticServer::start(TEXT, exporter.get("/metrics").into_bytes());
    let n_series = check_same(prometheus, &kept.as_server(), Format::Text);
    assert!(n_series > 200, "{n_series}");
}

#[test]
fn a_live_node_exporter_has_the_same_series_through_weir() {
    let (Some(prometheus), Some(exporter)) =
        (find_or_skip("prometheus"), find_or_skip("node_exporter"))
    else {
        return;
    };
    let exporter = Server::node_exporter(exporter);
    let weir = Server::weir(&format!("http://{}/metrics", exporter.address), &[]);
    let jobs = [("direct", &exporter, ""), ("weir", &weir, "")];
    let prometheus = Prometheus::scraping(prometheus, &jobs);
    // A series may appear between the two scrapes of a second; then the next second agrees.
    eventually("the series agree", || {
        let series = |job| prometheus.series_of(job).into_keys().collect::<Vec<_>>();
        let (direct, through) = (series("direct"), series("weir"));
        (direct.len() > 200 && direct == through).then_some(())
    });
}

#[test]
fn everything_odd_in_real_expositions_is_the_same_through_weir() {
    let Some(prometheus) = find_or_skip("prometheus").filter(|program| is_version_3(program))
    else {
        return println!("skipped: names in UTF-8 need Prometheus 3");
    };
    for (folder, format, content_type) in [
        ("valid-text", Format::Text, TEXT),
        ("valid-openmetrics", Format::OpenMetrics, OPEN_METRICS),
    ] {
        let folder = corpus().join(folder);
        if !folder.is_dir() {
            return println!("skipped: no corpus at {}", folder.display());
        }
        let body = merged(format, &folder);
        let target = StaticServer::start(content_type, body);
        let n_series = check_same(prometheus.clone(), &target.as_server(), format);
        assert!(n_series > 100, "{n_series}");
    }
}

#[test]
fn promtool_can_read_what_weir_writes() {
    let (Some(promtool), Some(exporter)) =
        (find_or_skip("promtool"), find_or_skip("node_exporter"))
    else {
        return;
    };
    let exporter = Server::node_exporter(exporter);
    let nginx = format!("file:{}/examples/ingress-nginx/metrics.txt", env!("CARGO_MANIFEST_DIR"));
    for (upstream, flags) in [
        (format!("http://{}/metrics", exporter.address), &[][..]),
        (nginx.clone(), &[]),
        (nginx, &["--relabel", "metric_relabel_configs: [{action: labeldrop, regex: path}]"]),
    ] {
        let text = Server::weir(&upstream, flags).get("/metrics");
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // 3 is its code for questions of taste, such as a counter without `_total`.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{upstream}: {said}");
    }
}

#[test]
fn prometheus_gets_open_metrics_from_weir() {
    let Some(prometheus) = find_or_skip("prometheus").filter(|program| is_version_3(program))
    else {
        return println!("skipped: choosing the format needs Prometheus 3");
    };
    let text = StaticServer::start(TEXT, include_bytes!("../data/real_servers/odd.txt").to_vec());
    let weir = Server::weir(&format!("http://{}/metrics", text.address), &[]);
    let (head, body) = weir.get_with("/metrics", &format!("Accept: {OPEN_METRICS}\r\n"));
    assert!(head.to_lowercase().contains("content-type: application/openmetrics-text"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    let target = text.as_server();
    let jobs = [("direct", &target, ""), ("weir", &weir, ONLY_OPEN_METRICS)];
    let prometheus = Prometheus::scraping(prometheus, &jobs);
    assert_same(&prometheus.series_of("direct"), &prometheus.series_of("weir"));
}

#[test]
fn prometheus_counts_what_the_rules_leave() {
    let Some(prometheus) = find_or_skip("prometheus") else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ingress-nginx");
    let (upstream, rules) = (format!("file:{folder}/metrics.txt"), format!("{folder}/rules.yaml"));
    let weir = Server::weir(&upstream, &["--relabel-file", &rules]);
    // Until /metrics has been asked for once, a subset has nothing to say.
    weir.get("/metrics");
    let jobs = [("weir", &weir, ""), ("requests", &weir, "metrics_path: /metrics/requests")];
    let prometheus = Prometheus::scraping(prometheus, &jobs);
    let through = prometheus.series_of("weir");
    assert!(through.keys().all(|series| !series.contains("path=") && !series.contains("=go_")));
    let source = std::fs::read_to_string(format!("{folder}/metrics.txt")).unwrap();
    let total = |of: &dyn Fn(&str) -> Option<f64>| source.lines().filter_map(of).sum::<f64>();
    let name = "nginx_ingress_controller_request_duration_seconds_count";
    let before = total(&|line| line.strip_prefix(name)?.rsplit_once(' ')?.1.parse().ok());
    let counts = through.iter().filter(|(series, _)| series.contains(name));
    let after: f64 = counts.map(|(_, v)| v.trim_matches('"').parse::<f64>().unwrap()).sum();
    assert_eq!(before.to_bits(), after.to_bits());
    assert_eq!(prometheus.series_of("requests").len(), 30);
}

/// A longer file repeats itself.
const ODD_FILE_BYTES_MAX: usize = 128 << 10;

fn is_version_3(prometheus: &Path) -> bool {
    let output = Command::new(prometheus).arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).contains("version 3.")
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus")
}

/// One exposition with each family of a folder's files, taken from the first file that has it.
///
/// A series that occurs twice is taken once: Prometheus keeps one of its values, weir their sum.
/// Samples at time 0 are left out: to Prometheus that is 1970, to weir no timestamp.
fn merged(format: Format, folder: &Path) -> Vec<u8> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut taken: HashMap<Vec<u8>, PathBuf> = HashMap::new();
    let mut seen = HashSet::new();
    let mut body = Vec::new();
    for file in files {
        let text = std::fs::read(&file).unwrap();
        // Long files are long, not odd. Entries that span lines do not merge line by line.
        if text.len() > ODD_FILE_BYTES_MAX
            || text.contains(&0)
            || !entries(format, &text).all(|(_, entry)| entry.is_some())
        {
            continue;
        }
        for (line, entry) in entries(format, &text) {
            let Some(Line { family, series, timestamp_ms }) = entry.flatten() else { continue };
            let is_new = series.is_none_or(|series| seen.insert(series));
            let is_new = is_new && timestamp_ms.is_none_or(|timestamp_ms| timestamp_ms > 0);
            if taken.entry(family).or_insert_with(|| file.clone()) == &file && is_new {
                body.extend_from_slice(line);
                body.push(b'\n');
            }
        }
    }
    if format == Format::OpenMetrics {
        body.extend_from_slice(b"# EOF\n");
    }
    body
}

/// What a line belongs to; a sample's labels, sorted, make its series.
struct Line {
    family: Vec<u8>,
    series: Option<Vec<Vec<u8>>>,
    timestamp_ms: Option<i64>,
}

/// Each line with what it is: `None` where it cannot be read, `Some(None)` where it is a comment.
fn entries(format: Format, text: &[u8]) -> impl Iterator<Item = (&[u8], Option<Option<Line>>)> {
    text.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(move |line| {
        let mut tokens = SampleTokens::default();
        let with_newline = [line, b"\n"].concat();
        let entry = match parse_entry(format, &with_newline, &mut tokens) {
            Err(_) => None,
            Ok(Entry::Help { name, .. } | Entry::Type { name, .. } | Entry::Unit { name, .. }) => {
                Some(Some(Line { family: family(name), series: None, timestamp_ms: None }))
            }
            Ok(Entry::Sample) => {
                let mut series: Vec<Vec<u8>> = tokens
                    .labels
                    .iter()
                    .map(|label| [label.name.of(line), b"=", label.value.of(line)].concat())
                    .collect();
                series.sort();
                series.push(tokens.name.of(line).to_vec());
                let family = family(tokens.name.of(line));
                let timestamp_ms = tokens.timestamp_ms;
                Some(Some(Line { family, series: Some(series), timestamp_ms }))
            }
            Ok(_) => Some(None),
        };
        (line, entry)
    })
}

fn family(name: &[u8]) -> Vec<u8> {
    let suffixes = ["_total", "_created", "_bucket", "_gcount", "_gsum", "_count", "_sum", "_info"];
    let suffix = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix.as_bytes()));
    suffix.unwrap_or(name).to_vec()
}
