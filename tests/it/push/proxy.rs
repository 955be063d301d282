//! The push proxy as a server, spoken to as clients speak to it.

use crate::support::{NOW_MS, PATIENCE, Reply, get, parse_reply, runtime};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use weir::app::gate::Front;
use weir::app::push::serve::server_limits;
use weir::app::push::{PushOptions, PushProxy, run};
use weir::config::file;
use weir::telemetry::Metrics;

/// A push proxy that runs inside the test.
pub(crate) struct TestProxy {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl TestProxy {
    /// A proxy with these settings of `push`, as they stand in the configuration file.
    #[track_caller]
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_in(None, settings)
    }

    /// The same, with a directory for what is stored.
    #[track_caller]
    pub(crate) fn start_in(directory: Option<&Path>, settings: &str) -> Self {
        Self::try_start(directory, settings).unwrap()
    }

    /// The same, or why it does not start.
    pub(crate) fn try_start(directory: Option<&Path>, settings: &str) -> Result<Self, Vec<String>> {
        Self::try_start_at(|| NOW_MS, directory, settings)
    }

    /// The same, with a clock.
    pub(crate) fn try_start_at(
        clock: fn() -> i64,
        directory: Option<&Path>,
        settings: &str,
    ) -> Result<Self, Vec<String>> {
        let text = format!("push: {settings}\n");
        let config = file::parse("test", &text, Path::new("")).unwrap();
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let options = PushOptions {
            config: config.push.unwrap(),
            directory: directory.map(Path::to_owned),
            line_bytes_max: config.limits.line_bytes_max,
            clock,
            random: || 4,
        };
        let proxy = Arc::new(PushProxy::new(options, Arc::new(Metrics::new()))?);
        let limits = server_limits(&config.limits);
        runtime.spawn(run(proxy, Front::open(), limits, listener, std::future::pending()));
        Ok(Self { address, _runtime: runtime })
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        get(self.address, path)
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        self.send_with(method, path, "", body)
    }

    /// Send with more header lines.
    pub(crate) fn send_with(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        send(self.address, method, path, headers, body).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn check(&self, method: &str, path: &str, body: &str, status: u16, told: &str) {
        let reply = self.send(method, path, body.as_bytes());
        assert_eq!(reply.status, status, "{method} {path} {body}: {}", reply.text());
        assert!(reply.text().starts_with(told), "{method} {path} {body}: {}", reply.text());
    }

    /// What is exposed, without the times of pushes.
    pub(crate) fn series(&self) -> Vec<String> {
        let reply = self.get("/metrics");
        let lines = reply.text().lines();
        let lines = lines.filter(|line| !line.starts_with('#') && !line.starts_with("push_"));
        lines.map(str::to_owned).collect()
    }
}

/// Send a request and read the whole answer; `None` if whoever should answer is gone.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let n_bytes = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\nContent-Length: {n_bytes}\r\n{headers}\r\n"
    );
    // Whoever refuses a body early may not take all of it.
    stream.write_all(&[head.as_bytes(), body].concat()).ok();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    parse_reply(&bytes)
}

#[test]
fn of_a_push_and_a_refusal_in_one_millisecond_the_last_counts() {
    let proxy = TestProxy::start("{}");
    let is_good = |expect: &str| {
        let told = proxy.get("/api/v1/metrics").text().to_owned();
        assert!(told.contains(&format!("\"last_push_successful\":{expect}")), "{told}");
    };
    for _ in 0..2 {
        proxy.check("PUT", "/metrics/job/x", "a 1\n", 200, "");
        is_good("true");
        proxy.check("PUT", "/metrics/job/x", "a 1 5\n", 400, "");
        is_good("false");
    }
}

#[test]
fn texts_with_the_ends_of_lines_of_another_system_are_refused_in_plain_words() {
    let proxy = TestProxy::start("{}");
    let told = |body: &str| {
        let reply = proxy.send("PUT", "/metrics/job/x", body.as_bytes());
        assert_eq!(reply.status, 400);
        reply.text().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = told("a 1\r\n");
    let gateways = "text format parsing error in line 1: ";
    assert_eq!(lines[0], format!("{gateways}expected float as value, got \"1\\r\""));
    assert_eq!(lines[1..], ["lines end in CRLF here (\\r\\n): end them in LF alone (\\n)"]);
    let lines = told("a 1");
    assert_eq!(lines[0], format!("{gateways}unexpected end of input stream"));
    assert_eq!(lines[1..], ["the last line has no line feed (\\n) at its end: add one"]);
    assert_eq!(told("a b\n").len(), 1);
    assert_eq!(told("a 1 5\r\n").len(), 2);
    // Neither is wrong with those.
    assert_eq!(told("a 1 5\n").len(), 1);
}

/// More than the buffers of sockets hold: without it being read, the client would find the connection
/// broken while it writes, and never read why.
#[test]
fn who_sends_much_reads_why_it_is_refused() {
    let proxy = TestProxy::start("{max_wire_bytes: 1MB, envelope_targets: ['a:1']}");
    let body = vec![b'a'; 24 << 20];
    for (method, path, status) in [
        ("PUT", "/metrics/job/x", 413),
        ("PUT", "/metrics/job//x", 400),
        ("POST", "/push_metrics", 413),
    ] {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        let n_bytes = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nContent-Length: {n_bytes}\r\nHost: w\r\n\r\n");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(line, format!("HTTP/1.1 {status}").as_bytes(), "{method} {path}");
    }
}

#[test]
fn put_replaces_a_group_and_post_families() {
    let proxy = TestProxy::start("{}");
    proxy.check("PUT", "/metrics/job/x", "a 1\nb 2\n", 200, "");
    let (a, b) = ("a{instance=\"\",job=\"x\"} 1", "b{instance=\"\",job=\"x\"} 2");
    assert_eq!(proxy.series(), [a, b]);
    proxy.check("POST", "/metrics/job/x", "c 3\n", 200, "");
    assert_eq!(proxy.series(), [a, b, "c{instance=\"\",job=\"x\"} 3"]);
    proxy.check("POST", "/metrics/job/x", "a{l=\"1\"} 4\n", 200, "");
    assert_eq!(proxy.series()[0], "a{instance=\"\",job=\"x\",l=\"1\"} 4");
    proxy.check("PUT", "/metrics/job/x", "c 5\n", 200, "");
    assert_eq!(proxy.series(), ["c{instance=\"\",job=\"x\"} 5"]);
    proxy.check("PUT", "/metrics/job/y", "c 6\n", 200, "");
    proxy.check("DELETE", "/metrics/job/x", "", 202, "");
    assert_eq!(proxy.series(), ["c{instance=\"\",job=\"y\"} 6"]);
    proxy.check("DELETE", "/metrics/job/nobody", "", 202, "");
}

#[test]
fn labels_of_the_group_take_the_place_of_those_pushed() {
    let proxy = TestProxy::start("{}");
    let body = "a{job=\"other\",instance=\"i\"} 1\n";
    proxy.check("PUT", "/metrics/job/x/zone/b", body, 200, "");
    assert_eq!(proxy.series(), ["a{instance=\"i\",job=\"x\",zone=\"b\"} 1"]);
}

#[test]
fn what_does_not_fit_is_refused_and_marks_the_group() {
    let proxy = TestProxy::start("{}");
    let prefix = "pushed metrics are invalid or inconsistent with existing metrics: ";
    let refused = |path: &str, body: &str, told: &str| {
        let reply = proxy.send("POST", path, body.as_bytes());
        assert_eq!(reply.status, 400, "{body}");
        let text = reply.text();
        assert!(text.starts_with(prefix) && text.contains(told), "{body}: {text}");
    };
    proxy.check("PUT", "/metrics/job/x", "# TYPE a counter\na 1\n", 200, "");
    refused("/metrics/job/y", "# TYPE a gauge\na 1\n", "is not a COUNTER");
    refused("/metrics/job/y", "a 1 1000\n", "pushed metrics must not have timestamps");
    refused("/metrics/job/y", "b 1\nb 2\n", "was collected before with the same name");
    refused("/metrics/job/y", "b{job=\"1\"} 1\nb{job=\"2\"} 2\n", "was collected before");
    proxy.check("PUT", "/metrics/job/z/instance/i", "c 1\n", 200, "");
    refused("/metrics/job/z", "c{instance=\"i\"} 1\n", "was collected before");
    let summary = "# TYPE s summary\ns_count 1\ns_sum 1\n";
    proxy.check("PUT", "/metrics/job/s", summary, 200, "");
    let told = "metric named \"s_count\" collides with previously collected summary named \"s\"";
    refused("/metrics/job/y", "s_count 1\n", told);
    proxy.check("PUT", "/metrics/job/t", "t_bucket 1\n", 200, "");
    let told = "collected histogram named \"t\" collides with previously collected metric named \"t_bucket\"";
    let histogram = "# TYPE t histogram\nt_bucket{le=\"1\"} 1\nt_sum 1\nt_count 1\n";
    refused("/metrics/job/y", histogram, told);
    let text = proxy.get("/metrics");
    let failed = "push_failure_time_seconds{instance=\"\",job=\"y\"} 1.700000000123e+09";
    assert!(text.text().contains(failed), "{}", text.text());
    // Another group of the same type is fine, and the type may change with the last who has it.
    proxy.check("PUT", "/metrics/job/y", "# TYPE a counter\na 1\n", 200, "");
    proxy.check("DELETE", "/metrics/job/y", "", 202, "");
    proxy.check("PUT", "/metrics/job/x", "# TYPE a gauge\na 1\n", 200, "");
}

#[test]
fn bad_bodies_get_the_words_of_the_pushgateway() {
    let proxy = TestProxy::start("{max_body_bytes: 1000, max_push_series: 10}");
    let path = "/metrics/job/x";
    let end = "text format parsing error in line 1: unexpected end of input stream";
    proxy.check("PUT", path, "a 1", 400, end);
    let cr = "text format parsing error in line 1: expected float as value, got \"3.14\\r\"";
    proxy.check("PUT", path, "a 3.14\r\n", 400, cr);
    proxy.check("PUT", "/metrics/job@base64/@@@", "a 1\n", 400, "invalid base64 encoding in job");
    proxy.check("PUT", "/metrics/job//a/b", "a 1\n", 400, "empty component in the path");
    proxy.check("PUT", "/metrics/job", "a 1\n", 404, "");
    proxy.check("PATCH", path, "a 1\n", 405, "Method Not Allowed");
    proxy.check("PUT", path, &"a 1\n".repeat(3), 400, "pushed metrics are invalid");
    let lines = (0..11).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect::<Vec<_>>().concat();
    proxy.check("PUT", path, &lines, 413, "the push has more than 10 series");
    let encoded = |encoding: &str, body: &[u8]| {
        proxy.send_with("PUT", path, &format!("Content-Encoding: {encoding}\r\n"), body).status
    };
    assert_eq!(encoded("deflate", b"a 1\n"), 415);
    assert_eq!(encoded("gzip, gzip", b"a 1\n"), 415);
    assert_eq!(encoded("gzip", b"a 1\n"), 400);
    assert_eq!(encoded("gzip", &gzip(b"a 1\n")), 200);
    assert_eq!(encoded("GZIP", &gzip(b"a 1\n")), 200);
    assert_eq!(encoded("gzip", &gzip(b"a 1\n")[..10]), 400);
    // A bomb.
    assert_eq!(encoded("gzip", &gzip(&vec![b' '; 1 << 20])), 413);
    let mut framed = snap::write::FrameEncoder::new(Vec::new());
    framed.write_all(b"a 2\n").unwrap();
    assert_eq!(encoded("snappy", &framed.into_inner().unwrap()), 200);
    let block = snap::raw::Encoder::new().compress_vec(b"a 3\n").unwrap();
    assert_eq!(encoded("snappy", &block), 200);
    assert_eq!(proxy.series(), ["a{instance=\"\",job=\"x\"} 3"]);
    let zstd = ruzstd::encoding::compress_to_vec(
        &b"a 4\n"[..],
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    assert_eq!(encoded("zstd", &zstd), 200);
    assert_eq!(encoded("zstd", &zstd[..6]), 400);
    assert_eq!(proxy.series(), ["a{instance=\"\",job=\"x\"} 4"]);
}

#[test]
fn the_api_tells_what_is_stored() {
    let proxy = TestProxy::start("{}");
    let body = "# HELP a an a\n# TYPE a gauge\na 0.5\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 3\nh_count 4\n";
    proxy.check("PUT", "/metrics/job/x", body, 200, "");
    let reply = proxy.get("/api/v1/metrics");
    let told: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let group = &told["data"][0];
    assert_eq!(group["labels"], serde_json::json!({"job": "x"}));
    assert_eq!(group["last_push_successful"], true);
    assert_eq!(group["push_time_seconds"]["metrics"][0]["value"], "1.700000000123e+09");
    assert_eq!(group["push_failure_time_seconds"]["metrics"][0]["value"], "0");
    assert_eq!(
        group["a"],
        serde_json::json!({"time_stamp": "2023-11-14T22:13:20.123Z", "type": "GAUGE", "help": "an a",
            "metrics": [{"labels": {"instance": "", "job": "x"}, "value": "0.5"}]})
    );
    let metric = &group["h"]["metrics"][0];
    assert_eq!(metric["buckets"], serde_json::json!({"1": "2", "+Inf": "4"}));
    assert_eq!((&metric["count"], &metric["sum"]), (&"4".into(), &"3".into()));
    let status: serde_json::Value =
        serde_json::from_slice(&proxy.get("/api/v1/status").body).unwrap();
    assert_eq!(status["data"]["start_time"], "2023-11-14T22:13:20.123Z");
    proxy.check("DELETE", "/metrics/job/x", "", 202, "");
    assert_eq!(proxy.get("/api/v1/metrics").text(), r#"{"status":"success","data":[]}"#);
}

#[test]
fn groups_are_deleted_by_their_labels() {
    let proxy = TestProxy::start("{}");
    for path in ["/metrics/job/x/instance/a", "/metrics/job/x/instance/b", "/metrics/job/y"] {
        proxy.check("PUT", path, "m 1\n", 200, "");
    }
    let path = "/api/v1/metrics?match[]=%7Bjob=%22x%22,instance=~%22a|c%22%7D";
    proxy.check("DELETE", path, "", 200, r#"{"status":"success","data":{"deleted":1}}"#);
    assert_eq!(proxy.series().len(), 2);
    proxy.check("DELETE", "/api/v1/metrics", "", 400, "say which groups");
    proxy.check("DELETE", "/api/v1/metrics?match[]=x", "", 400, "\"x\" is no selector");
    proxy.check("DELETE", "/api/v1/metrics?match%5B%5D=%7Bjob=~%22.*%22%7D", "", 200, "");
    assert!(proxy.series().is_empty());
}

#[test]
fn openmetrics_is_understood() {
    let proxy = TestProxy::start("{}");
    let body = "# TYPE a counter\n# HELP a all a\na_total 1\na_created 5\n# TYPE b info\nb_info{v=\"1\"} 1\n# EOF\n";
    let headers = "Content-Type: application/openmetrics-text; version=1.0.0\r\n";
    let reply = proxy.send_with("PUT", "/metrics/job/x", headers, body.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = proxy.get("/metrics");
    for line in [
        "# HELP a_total all a\n# TYPE a_total counter\na_total{instance=\"\",job=\"x\"} 1\n",
        "# TYPE a_created gauge\n",
        "# TYPE b_info gauge\nb_info{instance=\"\",job=\"x\",v=\"1\"} 1\n",
    ] {
        assert!(text.text().contains(line), "{}", text.text());
    }
    let reply = proxy.send_with("PUT", "/metrics/job/x", headers, b"a_total 1\n");
    assert_eq!(reply.status, 400);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
