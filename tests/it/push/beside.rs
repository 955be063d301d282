//! A gate and a push proxy in one process.

use crate::cli::Process;
use crate::push::proxy::{TestProxy, send};
use crate::servers::{Prometheus, Server, eventually, find_or_skip};
use crate::support::{Reply, get};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

/// A weir of its own process, killed when dropped.
pub(crate) struct Weir {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Weir {
    /// Start it with this configuration, which is written into the folder, at any port.
    pub(crate) fn start(folder: &Path, text: &str) -> Self {
        let config = folder.join("weir.yaml");
        std::fs::write(&config, format!("listen_address: 127.0.0.1:0\n{text}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        let process = Process::start(command.arg("--config").arg(&config));
        let address = process.address;
        Self { process, address }
    }

    #[track_caller]
    fn check(&self, method: &str, path: &str, body: &str, status: u16, told: &str) {
        check(self.address, method, path, body, status, told);
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        // SIGKILL; it may have ended by itself.
        self.process.child.kill().ok();
        self.process.child.wait().ok();
    }
}

#[track_caller]
fn check(address: SocketAddr, method: &str, path: &str, body: &str, status: u16, told: &str) {
    let reply = send(address, method, path, "", body.as_bytes()).unwrap();
    assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
    assert!(reply.text().contains(told), "{method} {path}: {}", reply.text());
}

/// Series without comments, times and what tells of targets.
fn series(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let lines = reply.text().lines();
    lines.filter(|line| !line.starts_with('#') && !line.starts_with("push_")).collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.prom"), "# TYPE a gauge\na 1\nsecret 2\n").unwrap();
    folder
}

fn upstream(folder: &Path) -> String {
    let file = folder.join("a.prom");
    format!(
        "upstreams: [{{url: 'file:{}'}}]\nmetric_relabel_configs: [{{source_labels: [__name__], regex: secret, action: drop}}]\n",
        file.display()
    )
}

#[test]
fn what_is_pushed_is_beside_what_is_scraped_or_in_it() {
    let folder = folder();
    let gate = upstream(folder.path());
    let weir = Weir::start(folder.path(), &format!("{gate}push: {{}}\n"));
    weir.check("PUT", "/metrics/job/x", "# TYPE m gauge\nm 3\nsecret 4\n", 200, "");
    assert_eq!(series(&get(weir.address, "/metrics")), ["a 1"]);
    let (m, secret) = ("m{instance=\"\",job=\"x\"} 3", "secret{instance=\"\",job=\"x\"} 4");
    assert_eq!(series(&get(weir.address, "/pushed")), [m, secret]);
    weir.check("GET", "/metrics/job", "", 404, "");
    weir.check("GET", "/metrics/job/x", "", 405, "");
    weir.check("GET", "/api/v1/metrics", "", 200, "\"job\":\"x\"");
    weir.check("GET", "/-/healthy", "", 200, "weir is healthy.");
    weir.check("PUT", "/metrics/job//a", "", 400, "empty component");
    weir.check("GET", "/-/push", "", 200, "empty component");
    let own = get(weir.address, "/-/metrics");
    for series in ["weir_pushes_total{identity=\"anybody\",method=\"PUT\"} 2", "weir_scrapes_total"]
    {
        assert!(own.text().contains(series), "{}", own.text());
    }
    drop(weir);
    // As one more target, whose series go through the same rules.
    let weir = Weir::start(folder.path(), &format!("{gate}push: {{in_metrics: true}}\n"));
    assert_eq!(series(&get(weir.address, "/metrics")), ["a 1"]);
    weir.check("PUT", "/metrics/job/x", "# TYPE m gauge\nm 3\nsecret 4\n", 200, "");
    // To rules, a label without a value is none.
    assert_eq!(series(&get(weir.address, "/metrics")), ["a 1", "m{job=\"x\"} 3"]);
    weir.check("GET", "/-/targets", "", 200, "push");
    weir.check("DELETE", "/metrics/job/x", "", 202, "");
    assert_eq!(series(&get(weir.address, "/metrics")), ["a 1"]);
}

/// A series whose group has no instance gets none from Prometheus, as from a Pushgateway.
#[test]
fn prometheus_keeps_the_labels_of_what_was_pushed() {
    let programs = (find_or_skip("prometheus"), find_or_skip("pushgateway"));
    let (Some(prometheus), Some(pushgateway)) = programs else { return };
    let folder = folder();
    let weir = Weir::start(folder.path(), &format!("{}push: {{}}\n", upstream(folder.path())));
    let (pushgateway, _) = Server::pushgateway(pushgateway);
    for (address, name) in [(weir.address, "weir"), (pushgateway.address.parse().unwrap(), "other")]
    {
        check(address, "PUT", &format!("/metrics/job/{name}"), "m 1\n", 200, "");
        let path = format!("/metrics/job/{name}/instance/own");
        check(address, "PUT", &path, "n 1\n", 200, "");
    }
    let server = Server::at(weir.address.to_string());
    let jobs = [
        ("a", &server, "honor_labels: true\n  metrics_path: /pushed"),
        ("b", &pushgateway, "honor_labels: true"),
    ];
    let prometheus = Prometheus::scraping(prometheus, &jobs);
    for name in ["weir", "other"] {
        for query in ["m{job=\"NAME\",instance=\"\"}", "n{job=\"NAME\",instance=\"own\"}"] {
            let query = query.replace("NAME", name);
            eventually(&query, || prometheus.value(&query, None));
        }
    }
    assert_eq!(prometheus.value("m{instance!=\"\"} or n{instance!=\"own\"}", None), None);
}

/// Many more than there are connections for; and then where those there are come to no end.
#[test]
fn a_crowd_waits_and_none_of_it_is_lost() {
    let folder = folder();
    let push = "push: {policies: [{job: sum, aggregate: last}]}";
    let weir = Weir::start(folder.path(), &format!("max_connections: 4\n{push}\n"));
    let address = weir.address;
    let crowd: Vec<_> = (0..200)
        .map(|_| {
            let body = b"# TYPE c counter\nc 1\n";
            std::thread::spawn(move || send(address, "POST", "/metrics/job/sum", "", body))
        })
        .collect();
    for client in crowd {
        assert_eq!(client.join().unwrap().map(|reply| reply.status), Some(200));
    }
    assert_eq!(series(&get(address, "/metrics")), ["c{instance=\"\",job=\"sum\"} 200"]);
    let holders: Vec<_> = (0..4).map(|_| TcpStream::connect(address).unwrap()).collect();
    eventually("there is no connection left", || {
        (send(address, "POST", "/metrics/job/sum", "", b"g 1\n")?.status == 503).then_some(())
    });
    drop(holders);
    eventually("there is one again", || {
        (send(address, "POST", "/metrics/job/sum", "", b"g 1\n")?.status == 200).then_some(())
    });
}

/// A configuration in which one token may push, and a limit.
fn with_token(folder: &Path, token: &str, gate: &str) -> String {
    let hash = match token {
        "one" => "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
        _ => "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
    };
    let tokens = folder.join("tokens");
    std::fs::write(&tokens, format!("{hash}\n")).unwrap();
    let identities = format!("[{{name: ci, token_hashes_file: '{}'}}]", tokens.display());
    format!("{gate}enable_reload: true\npush: {{identities: {identities}}}\n")
}

/// Alone, beside a gate, and apart from it: whoever may push is read again, and what is stored stays.
#[test]
fn who_may_push_is_read_again() {
    let folder = folder();
    for gate in ["", &*upstream(folder.path())] {
        let path = folder.path();
        let weir = Weir::start(path, &with_token(path, "one", gate));
        let push = |token: &str| {
            let headers = format!("Authorization: Bearer {token}\r\n");
            send(weir.address, "PUT", &format!("/metrics/job/{token}"), &headers, b"a 1\n")
                .unwrap()
                .status
        };
        assert_eq!([push("one"), push("two")], [200, 401]);
        let rewrite = |text: &str| {
            let text = format!("listen_address: 127.0.0.1:0\n{text}");
            std::fs::write(path.join("weir.yaml"), text).unwrap();
        };
        rewrite(&with_token(path, "two", gate));
        weir.check("POST", "/-/reload", "", 200, "reloaded");
        assert_eq!([push("one"), push("two")], [401, 200]);
        weir.check("GET", "/api/v1/metrics", "", 200, "\"job\":\"one\"");
        std::fs::write(path.join("tokens"), "no hash\n").unwrap();
        weir.check("POST", "/-/reload", "", 500, "line 1 is no SHA-256 in hexadecimal");
        assert_eq!([push("one"), push("two")], [401, 200]);
        rewrite(&with_token(path, "one", gate));
        weir.process.signal("HUP");
        eventually("it is read again", || (push("one") == 200).then_some(()));
        assert_eq!(push("two"), 401);
    }
}

#[test]
fn push_may_have_an_address_of_its_own() {
    let folder = folder();
    let gate = upstream(folder.path());
    let push = "push: {listen_address: '127.0.0.1:0', in_metrics: true}";
    let mut weir = Weir::start(folder.path(), &format!("{gate}{push}\n"));
    let line = weir.process.wait_for_log("Starting the push proxy.");
    let address = line.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
    let address: SocketAddr = address.parse().unwrap();
    check(address, "PUT", "/metrics/job/x", "# TYPE m gauge\nm 3\n", 200, "");
    let m = "m{instance=\"\",job=\"x\"} 3";
    assert_eq!(series(&get(address, "/metrics")), [m]);
    assert_eq!(series(&get(weir.address, "/metrics")), ["a 1", "m{job=\"x\"} 3"]);
    weir.check("PUT", "/metrics/job/x", "m 1\n", 404, "");
    weir.process.signal("TERM");
    assert!(weir.process.child.wait().unwrap().success());
}

#[test]
fn what_is_not_stored_is_in_no_metrics() {
    let settings = "{forward: 'http://127.0.0.1:1', in_metrics: true}";
    let errors = TestProxy::try_start(None, settings).map(|_| ()).unwrap_err();
    assert_eq!(errors, ["push.in_metrics: weir stores nothing, remove it or push.forward"]);
}
