//! The contract of the command line, through the binary: exit codes, messages, streams, signals.

use crate::support::{FakeTarget, Reply, get, gzip, request};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    // What the machine's environment says must not change what is tested.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_uppercase();
        if text.starts_with("WEIR_") || text.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command
}

fn run(args: &[&str]) -> Output {
    weir().args(args).stdin(Stdio::null()).output().unwrap()
}

/// A run that ends with `code`, says each of `told` on standard error, and nothing elsewhere.
#[track_caller]
fn check_refused(args: &[&str], code: i32, told: &[&str]) {
    let output = run(args);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
    for part in told {
        assert!(err.contains(part), "{part:?} is not in {err}");
    }
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{args:?}");
}

/// A gate of its own process.
pub(crate) struct Process {
    pub(crate) child: Child,
    log: BufReader<std::process::ChildStderr>,
    /// Log lines read so far.
    seen: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = Vec::new();
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended early: {seen:?}");
            let address = line.split("address=").nth(1).map(|rest| rest.split(' ').next().unwrap());
            let address = address.map(str::parse::<SocketAddr>);
            seen.push(line.clone());
            if let Some(address) = address {
                break SocketAddr::new([127, 0, 0, 1].into(), address.unwrap().port());
            }
        };
        Self { child, log, seen, address }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        get(self.address, path)
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Read the log up to a line that contains `text`, and give that.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        while !self.seen.last().is_some_and(|line| line.contains(text)) {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended: {:?}", self.seen);
            self.seen.push(line);
        }
        self.seen.last().cloned().unwrap_or_default()
    }

    /// Wait for the end; the exit code and the whole log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), self.seen.join("") + &rest)
    }
}

/// A failed test leaves no process behind.
impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// FIX-F7: help is no error, and goes to one stream.
#[test]
fn fix_f7_help_and_version_go_to_standard_output() {
    for flag in ["-h", "--help"] {
        let output = run(&[flag]);
        let out = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
        for name in ["--file", "--upstream", "--relabel", "--relabel-file", "--scrape-timeout"] {
            assert!(out.contains(name), "{name} is not in {out}");
        }
        // What the environment holds may be secret.
        let output = weir().arg(flag).env("WEIR_UPSTREAM", "http://u:s3cret@h/").output().unwrap();
        assert!(!String::from_utf8(output.stdout).unwrap().contains("s3cret"));
    }
    for flag in ["-v", "--version"] {
        let output = run(&[flag]);
        let out = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
        assert!(out.starts_with("weir ") && out.contains(env!("CARGO_PKG_VERSION")), "{out}");
    }
}

#[test]
fn bad_flags_end_with_2() {
    check_refused(&["--no-such-flag"], 2, &["--no-such-flag"]);
    check_refused(&["-z"], 2, &["-z"]);
    check_refused(&["--port", "seventy"], 2, &["--port", "seventy"]);
    check_refused(&["positional"], 2, &["positional"]);
    check_refused(&["--listen-address", "a:b:c"], 2, &["--listen-address"]);
    check_refused(&["--listen-address", ":1", "--port", "2"], 2, &["--port"]);
}

/// FIX-F4: a timeout that can never be met.
#[test]
fn fix_f4_timeouts_have_to_be_positive() {
    check_refused(&["-t", "0s"], 2, &["positive"]);
    check_refused(&["-t", "-5s"], 2, &["positive"]);
    check_refused(&["-t", "15"], 2, &["15s"]);
}

/// FIX-F3: a bad upstream is told at the start.
#[test]
fn fix_f3_upstreams_are_checked_at_the_start() {
    check_refused(&["-H", "http://[::1"], 2, &["--upstream", "malformed"]);
    check_refused(&["-H", ""], 2, &["--upstream", "empty"]);
    check_refused(&["-H", "dns+ftp://h:1/m"], 2, &["--upstream"]);
}

#[test]
fn both_relabel_flags_end_with_2() {
    let args = ["--relabel", "metric_relabel_configs: []", "--relabel-file", "rules.yaml"];
    check_refused(&args, 2, &["--relabel and --relabel-file"]);
}

/// FIX-Y1, FIX-Y3: every error of the rules is named.
#[test]
fn fix_y1_y3_bad_rules_end_with_2_and_every_error() {
    let rules = "
metric_relabel_configs:
- {action: drop, source_lables: [__name__], regex: ''}
- null
- {action: keep, source_labels: [a], regex: '('}
";
    check_refused(&["--relabel", rules], 2, &["source_lables", "source_labels", "null", "regex"]);
    check_refused(&["--relabel", "subset: []"], 2, &["metric_relabel_configs"]);
    check_refused(&["--relabel", "metric_relabel_configs:"], 2, &["metric_relabel_configs"]);
    check_refused(&["--relabel-file", "no/such/file.yaml"], 2, &["no/such/file.yaml"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    let path = file.path().to_str().unwrap();
    check_refused(&["--relabel-file", path], 2, &[&format!("{path}:3:"), &format!("{path}:4:")]);
}

#[test]
fn a_port_in_use_ends_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    check_refused(&["--listen-address", &taken.to_string()], 1, &[&taken.to_string()]);
}

/// FIX-F6, FIX-H8: the port is logged, and SIGTERM ends cleanly.
#[test]
fn fix_f6_h8_the_port_is_logged_and_sigterm_is_a_clean_end() {
    let target = FakeTarget::text("a 1\n");
    for signal in ["TERM", "INT"] {
        let process = Process::start(weir().args(["-H", &target.url(), "-p", "0"]));
        assert_eq!(process.get("/metrics").text(), "a 1\n");
        process.signal(signal);
        let (code, log) = process.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("level=info msg=\"Starting server.\""), "{log}");
    }
}

/// FIX-H8: half a request keeps no process from ending well.
#[test]
fn fix_h8_half_a_head_at_sigterm_is_a_clean_end() {
    let target = FakeTarget::text("a 1\n");
    let process = Process::start(weir().args(["-H", &target.url(), "-p", "0"]));
    let mut half = TcpStream::connect(process.address).unwrap();
    half.write_all(b"GET /metrics HT").unwrap();
    // Connections are taken in order: this one's answer tells that the other was taken.
    assert_eq!(process.get("/-/healthy").status, 200);
    process.signal("TERM");
    let (code, log) = process.end();
    assert_eq!(code, Some(0), "{log}");
}

/// FIX-F5: any log level starts; one that is not known is told.
#[test]
fn fix_f5_an_unknown_log_level_is_info_and_a_warning() {
    let target = FakeTarget::text("a 1\n");
    for (level, n_warnings) in [("chatty", 1), ("info", 0), ("debug", 0)] {
        let args = ["-H", &target.url(), "-p0", "--log-level", level];
        let process = Process::start(weir().args(args));
        process.get("/metrics");
        process.signal("TERM");
        let (code, log) = process.end();
        assert_eq!(code, Some(0));
        assert_eq!(log.matches("level=warn").count(), n_warnings, "{log}");
        assert_eq!(log.contains("level=debug"), level == "debug", "{log}");
    }
}

/// FIX-Y4: SIGHUP loads the rules again; bad ones change nothing.
#[test]
fn fix_y4_sighup_loads_the_rules_again() {
    let target = FakeTarget::text("a{x=\"1\",y=\"2\"} 1\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |rules: &str| std::fs::write(file.path(), rules).unwrap();
    write("{metric_relabel_configs: [{action: labeldrop, regex: x}], old: []}");
    let path = file.path().to_str().unwrap();
    let mut process =
        Process::start(weir().args(["-H", &target.url(), "-p0", "--relabel-file", path]));
    assert_eq!(process.get("/metrics").text(), "a{y=\"2\"} 1\n");
    assert_eq!(process.get("/metrics/old").status, 200);

    write("{metric_relabel_configs: [{action: labeldrop, regex: y}], new: []}");
    process.signal("HUP");
    process.wait_for_log("Reloaded the configuration.");
    assert_eq!(process.get("/metrics/old").status, 404);
    assert_eq!(process.get("/metrics/new").status, 503);
    assert_eq!(process.get("/metrics").text(), "a{x=\"1\"} 1\n");
    assert_eq!(process.get("/metrics/new").status, 200);

    write("{metric_relabel_configs: [{action: dorp}]}");
    process.signal("HUP");
    process.wait_for_log("going on with the old one");
    assert_eq!(process.get("/metrics").text(), "a{x=\"1\"} 1\n");
    let own = process.get("/-/metrics");
    assert!(own.text().contains("weir_config_last_reload_successful 0\n"));
    // The file may have been read again for its own sake besides.
    assert!(!own.text().contains("weir_config_reloads_total 1\n"));
}

/// The configuration file: everything from it, reloads by signal, by request and by themselves.
#[test]
fn a_configuration_file_is_served_and_reloaded() {
    let target = FakeTarget::text("a{x=\"1\",y=\"2\"} 1\nb 2\n");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |label: &str, more: &str| {
        let text = format!(
            "upstreams:\n- url: {}\n  params: {{q: [z]}}\n  authorization: {{credentials_file: token}}\n  \
             metric_relabel_configs: [{{action: drop, source_labels: [__name__], regex: b}}]\n\
             metric_relabel_configs: [{{action: labeldrop, regex: {label}}}]\n\
             log_format: logfmt\nlog_level: debug\n{more}",
            target.url()
        );
        // As editors and Kubernetes do: the whole file at once.
        std::fs::write(at("new"), text).unwrap();
        std::fs::rename(at("new"), at("weir.yaml")).unwrap();
    };
    std::fs::write(at("token"), "t0ken\n").unwrap();
    write("x", "subsets: {old: {metric_relabel_configs: []}}\n");
    let file = at("weir.yaml");
    let args = ["--config", file.to_str().unwrap(), "-p0", "--enable-reload"];
    let mut process = Process::start(weir().args(args));
    assert_eq!(process.get("/metrics").text(), "a{y=\"2\"} 1\n");
    let head = target.seen().heads[0].clone();
    assert!(head.starts_with("GET /metrics?q=z HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer t0ken\r\n"), "{head}");

    let reload = |process: &Process| request(process.address, "POST", "/-/reload", "");
    // What is known of the series survives a reload that does not touch their rules.
    write("x", "subsets: {old: {metric_relabel_configs: []}}\nsubset_max_age: 1m\n");
    assert_eq!(reload(&process).status, 200);
    process.get("/metrics");
    process.wait_for_log("new=2");
    process.wait_for_log("new=0");
    write("y", "");
    let told = reload(&process);
    assert_eq!((told.status, told.text()), (200, "reloaded\n"));
    assert_eq!(process.get("/metrics").text(), "a{x=\"1\"} 1\n");
    assert_eq!(process.get("/metrics/old").status, 404);
    assert_eq!(process.get("/-/reload").status, 405);

    write("y", "max_serie: 1\n");
    let told = reload(&process);
    assert_eq!(told.status, 500);
    assert!(told.text().contains("did you mean \"max_series\""), "{}", told.text());
    let ready = process.get("/-/ready");
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("max_serie"), "{}", ready.text());
    assert_eq!(process.get("/metrics").text(), "a{x=\"1\"} 1\n");
    assert!(process.get("/-/metrics").text().contains("weir_config_last_reload_successful 0\n"));

    // Nobody asks for this one.
    write("z", "");
    process.wait_for_log("The configuration file has changed.");
    process.wait_for_log("Reloaded the configuration.");
    assert_eq!(process.get("/metrics").text(), "a{x=\"1\",y=\"2\"} 1\n");
    assert_eq!(process.get("/-/ready").text(), "weir is ready.\n");
}

#[test]
fn reloading_by_request_is_off_unless_enabled() {
    let target = FakeTarget::text("a 1\n");
    let process = Process::start(weir().args(["-H", &target.url(), "-p0"]));
    assert_eq!(request(process.address, "POST", "/-/reload", "").status, 403);
}

#[test]
fn log_lines_can_be_json() {
    let target = FakeTarget::text("a 1\n");
    let mut command = weir();
    command.args(["-H", &target.url(), "--listen-address", "127.0.0.1:0", "--log-format=json"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["level"], "INFO");
    assert_eq!(value["message"], "Starting server.");
    assert!(value["address"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn a_failing_target_is_logged_when_its_state_changes_and_without_secrets() {
    let target = FakeTarget::start(|peer| match peer.nth {
        0 | 1 => peer.answer("500 Oops", "", ""),
        _ => peer.ok("a 1\n"),
    });
    let upstream = format!("http://bob:s3cret@{}/m?token=hush", target.address);
    let process = Process::start(weir().args(["-H", &upstream, "-p", "0"]));
    for status in [502, 502, 200] {
        assert_eq!(process.get("/metrics").status, status);
    }
    process.signal("TERM");
    let log = process.end().1;
    assert_eq!(log.matches("The target is down.").count(), 1, "{log}");
    assert_eq!(log.matches("The target is up.").count(), 1, "{log}");
    assert!(!log.contains("s3cret") && !log.contains("hush"), "{log}");
}

#[test]
fn flags_have_environment_twins() {
    let target = FakeTarget::text("a{x=\"1\"} 1\na{x=\"2\"} 2\n");
    let process = Process::start(
        weir()
            .env("WEIR_UPSTREAM", target.url())
            .env("WEIR_LISTEN_ADDRESS", "127.0.0.1:0")
            // What Kubernetes puts beside a service of this name is no flag.
            .env("WEIR_PORT", "tcp://10.0.0.1:8080")
            .env("WEIR_RELABEL", "metric_relabel_configs: [{action: labeldrop, regex: x}]"),
    );
    assert_eq!(process.get("/metrics").text(), "a 3\n");
    process.signal("TERM");
    assert_eq!(process.end().0, Some(0));
    let output = weir().env("WEIR_SCRAPE_TIMEOUT", "never").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn merging_can_be_that_of_metric_gate() {
    let target = FakeTarget::text(
        "# TYPE s summary\ns{x=\"1\",quantile=\"0.5\"} 1\ns{x=\"2\",quantile=\"0.5\"} 1\n",
    );
    for (merge, expect) in [("typed", ""), ("sum", "# TYPE s summary\ns{quantile=\"0.5\"} 2\n")] {
        let rules = "metric_relabel_configs: [{action: labeldrop, regex: x}]";
        let args = ["-H", &target.url(), "-p0", "--merge", merge, "--relabel", rules];
        let process = Process::start(weir().args(args));
        assert_eq!(process.get("/metrics").text(), expect, "{merge}");
    }
}

#[test]
fn proxies_of_the_environment_are_used() {
    let proxy = FakeTarget::text("through_proxy 1\n");
    let process =
        Process::start(weir().env("HTTP_PROXY", format!("http://{}", proxy.address)).args([
            "-H",
            "http://exporter.invalid/m",
            "-p0",
        ]));
    assert_eq!(process.get("/metrics").text(), "through_proxy 1\n");
    process.signal("TERM");
    process.end();
}

/// FIX-F1: the report on standard output, what is wrong on standard error with exit code 1.
#[test]
fn fix_f1_a_file_is_analyzed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(file.path(), "a{x=\"1\"} 1\na{x=\"2\"} 1\nb 1\n").unwrap();
    for args in [&["-f", path][..], &[&format!("-f{path}")], &["--file", path], &["analyze", path]]
    {
        let output = run(args);
        let out = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{args:?}");
        assert_eq!(out.trim_end(), "\n2 a\n  2 x [1, 2]\n\n1 b", "{args:?}");
    }
    check_refused(&["-f", "no/such/file"], 1, &["no/such/file"]);
    for broken in ["a 1\nbroken\n", "foo{a "] {
        std::fs::write(file.path(), broken).unwrap();
        check_refused(&["-f", path], 1, &["line "]);
    }
    std::fs::write(file.path(), " \n\t\n").unwrap();
    assert_eq!(run(&["-f", path]).stdout, b"\n");
}

#[test]
fn analyze_reads_urls_and_standard_input() {
    let target = FakeTarget::start(|peer| match peer.nth {
        0 => peer.ok("a{x=\"1\"} 1\n"),
        1 => peer.answer("200 OK", "Content-Encoding: gzip\r\n", gzip("a{x=\"1\"} 1\n")),
        2 => peer.answer("500 Oops", "", ""),
        _ => {
            peer.start_chunks();
            peer.chunk("a 1\n");
            peer.close();
        }
    });
    for _ in 0..2 {
        let output = run(&["analyze", &target.url()]);
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), "\n1 a\n  1 x [1]");
    }
    check_refused(&["analyze", &target.url()], 1, &["500"]);
    let url = format!("http://bob:s3cret@{}/m?token=hush", target.address);
    let output = run(&["analyze", &url]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("cut short") && !err.contains("s3cret") && !err.contains("hush"), "{err}");

    let mut child = weir()
        .args(["analyze", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a 1\nb 1\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["totals"]["series"], 2);
}

#[test]
fn check_and_explain_are_commands() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "metric_relabel_configs: [{action: labeldrop, regex: b}]").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(run(&["check", path]).status.code(), Some(0));
    let output = run(&["explain", "--relabel-file", path, "--json", "m{a=\"1\",b=\"2\"}"]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(out.starts_with("{\"keep\":true,"), "{out}");
    std::fs::write(file.path(), "metric_relabel_configs: [{action: dorp}]").unwrap();
    assert_eq!(run(&["check", path]).status.code(), Some(2));
    check_refused(&["check"], 2, &["FILE"]);
    check_refused(&["explain", "m"], 2, &["--relabel-file"]);
}
