//! What the official clients push to a real Pushgateway, to one behind weir, and to weir itself:
//! all three have the same afterwards.

use crate::push::proxy::{TestProxy, send};
use crate::servers::{Server, eventually, find_or_skip, java_or_skip, python_or_skip};
use crate::support::{NOW_MS, get};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Steps that the clients take, one after the other.
const STEPS: &str = include_str!("../../data/push/clients.jsonl");
/// Requests as odd as clients send them.
const REQUESTS: &str = include_str!("../../data/push/requests.jsonl");

/// Begins the names of histograms that are native as well, where a client can.
const NATIVE: &str = "native_";

/// How often, and after which time, it is asked again whether all have the same.
const TRIES_MAX: usize = 40;
const PAUSE: Duration = Duration::from_millis(25);

/// A Pushgateway that is pushed to directly, one behind weir, and weir that is the store.
struct Three {
    direct: Server,
    behind: Server,
    forwarding: TestProxy,
    storing: TestProxy,
    is_utf8: bool,
}

impl Three {
    fn start() -> Option<Self> {
        let program = find_or_skip("pushgateway")?;
        let (direct, is_utf8) = Server::pushgateway(program.clone());
        let (behind, _) = Server::pushgateway(program);
        let forward = format!("http://{}", behind.address);
        let forwarding = format!("{{forward: '{forward}', utf8_names: {is_utf8}}}");
        let forwarding = TestProxy::start(&forwarding);
        let storing = format!("{{utf8_names: {is_utf8}}}");
        let storing = TestProxy::try_start_at(now_ms, None, &storing).unwrap();
        Some(Self { direct, behind, forwarding, storing, is_utf8 })
    }

    /// Where to push.
    fn targets(&self) -> [SocketAddr; 3] {
        [self.direct.address.parse().unwrap(), self.forwarding.address, self.storing.address]
    }

    /// What each has.
    fn contents(&self) -> [Vec<Value>; 3] {
        let behind = self.behind.address.parse().unwrap();
        [self.targets()[0], behind, self.storing.address].map(contents)
    }

    /// What all of them have; else what each has.
    fn same(&self) -> Result<Vec<Value>, String> {
        for _ in 0..TRIES_MAX {
            let [direct, behind, stored] = self.contents();
            if pushed(&direct) == pushed(&behind) && direct == stored {
                return Ok(direct);
            }
            // A Pushgateway deletes after it has answered.
            std::thread::sleep(PAUSE);
        }
        let told = self.contents().map(|groups| serde_json::to_string_pretty(&groups).unwrap());
        Err(format!("direct: {}\nbehind weir: {}\nstored by weir: {}", told[0], told[1], told[2]))
    }
}

/// A clock that shows each time once, so that it is known which of two pushes was the last.
fn now_ms() -> i64 {
    static NOW: AtomicI64 = AtomicI64::new(NOW_MS);
    NOW.fetch_add(1, Ordering::Relaxed)
}

/// `/api/v1/metrics` without what depends on the clock, and of histograms that are native as well
/// the lines of `/metrics`.
fn contents(address: SocketAddr) -> Vec<Value> {
    let reply = get(address, "/api/v1/metrics");
    let mut told: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(told["status"], "success");
    let mut groups = std::mem::take(told["data"].as_array_mut().unwrap());
    for group in &mut groups {
        for (name, family) in group.as_object_mut().unwrap() {
            let Some(family) = family.as_object_mut() else { continue };
            let is_time = name.starts_with("push_") || name.ends_with("_created");
            family.remove("time_stamp");
            let metrics = family.get_mut("metrics").and_then(Value::as_array_mut);
            let Some(metrics) = metrics else { continue };
            for metric in metrics.iter_mut() {
                if is_time && metric["value"] != "0" {
                    metric["value"] = "a time".into();
                }
                // Where there are native buckets a Pushgateway tells of them alone.
                if name.starts_with(NATIVE) {
                    metric.as_object_mut().unwrap().remove("buckets");
                }
                // Protobuf may leave out the last bucket; text may not.
                let count = metric["count"].clone();
                if let Some(buckets) = metric.get_mut("buckets").and_then(Value::as_object_mut) {
                    buckets.entry("+Inf").or_insert(count);
                }
            }
            metrics.sort_by_key(ToString::to_string);
        }
    }
    groups.sort_by_key(|group| group["labels"].to_string());
    let reply = get(address, "/metrics");
    let native = reply.text().lines().filter(|line| line.starts_with(NATIVE));
    let native = native.filter(|line| !line.contains("_created"));
    groups.extend(native.map(|line| json!({"labels": line})));
    groups
}

/// The same without what was refused: a Pushgateway behind weir does not hear of it.
fn pushed(groups: &[Value]) -> Vec<Value> {
    let mut groups = groups.to_vec();
    for group in groups.iter_mut().filter_map(Value::as_object_mut) {
        group.remove("last_push_successful");
        group.remove("push_failure_time_seconds");
    }
    groups.retain(|group| group["push_time_seconds"]["metrics"][0]["value"] != "0");
    groups
}

/// A client that is told step by step what to do.
struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Take a step; whether it went well, and what the client says otherwise.
    fn take(&mut self, step: &str) -> (bool, String) {
        writeln!(self.input, "{step}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        (answer["ok"].as_bool().unwrap(), answer["error"].as_str().unwrap().to_owned())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[track_caller]
fn check_client(start: impl Fn(&str) -> Command) {
    let Some(three) = Three::start() else { return };
    let mut clients = three.targets().map(|target| Client::start(&mut start(&target.to_string())));
    let (mut n_good, mut n_bad, mut wrong) = (0, 0, Vec::new());
    for step in STEPS.lines() {
        if !three.is_utf8 && step.contains("U__") {
            continue;
        }
        let answers = clients.each_mut().map(|client| client.take(step));
        let [direct, forwarded, stored] = &answers;
        if direct.0 != forwarded.0 || direct.0 != stored.0 {
            wrong.push(format!("{step}\n{answers:#?}"));
        }
        wrong.extend(three.same().err().map(|told| format!("after {step}:\n{told}")));
        *(if direct.0 { &mut n_good } else { &mut n_bad }) += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let groups = three.same().unwrap();
    assert!(groups.iter().any(|group| group["labels"].is_string()), "{groups:#?}");
    assert!(groups.len() > 8 && n_good > 20 && n_bad > 1, "{n_good} {n_bad} {groups:#?}");
}

#[test]
fn the_official_python_client_finds_weir_to_be_a_pushgateway() {
    let Some(python) = python_or_skip() else { return };
    check_client(|address| {
        let mut command = Command::new(&python);
        command.arg(root().join("tests/clients/push.py")).arg(address);
        command
    });
}

#[test]
fn the_official_go_client_finds_weir_to_be_a_pushgateway() {
    let Some(program) = find_or_skip("promclient") else { return };
    check_client(|address| {
        let mut command = Command::new(&program);
        command.arg(format!("http://{address}"));
        command
    });
}

#[test]
fn the_official_java_client_finds_weir_to_be_a_pushgateway() {
    check_java_client("Push");
}

#[test]
fn the_java_client_before_1_0_finds_weir_to_be_a_pushgateway() {
    check_java_client("OldPush");
}

#[track_caller]
fn check_java_client(class: &str) {
    if java_or_skip(class).is_none() {
        return;
    }
    check_client(|address| {
        let mut command = java_or_skip(class).unwrap();
        command.arg(address);
        command
    });
}

/// Each request: status and words are the Pushgateway's, and so is what is there afterwards.
#[test]
fn odd_requests_get_the_answers_of_a_pushgateway() {
    let Some(three) = Three::start().filter(|three| three.is_utf8) else { return };
    let mut wrong = Vec::new();
    for line in REQUESTS.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let headers = match text("type") {
            "" => String::new(),
            media_type => format!("Content-Type: {media_type}\r\n"),
        };
        let answers = three.targets().map(|target| {
            let body = text("body").as_bytes();
            let reply = send(target, text("method"), text("path"), &headers, body).unwrap();
            (reply.status, words(reply.status, reply.text()).to_owned())
        });
        if answers[0] != answers[1] || answers[0] != answers[2] {
            wrong.push(format!("{line}\n{answers:#?}"));
        }
        wrong.extend(three.same().err().map(|told| format!("after {line}:\n{told}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Where several metrics do not fit, which of them is told first is chance, and what Go's protobuf
/// library writes of them is different every time; paths that are none have no words worth keeping.
fn words(status: u16, text: &str) -> &str {
    const INCONSISTENT: &str = "pushed metrics are invalid or inconsistent with existing metrics: ";
    match status {
        404 | 405 => "",
        _ if text.starts_with(INCONSISTENT) => INCONSISTENT,
        // weir says in plain words what is meant, on a line of its own.
        _ => text.split_inclusive('\n').next().unwrap_or_default(),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_examples_push() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("{hash}  -\n")).unwrap();
    let proxy = TestProxy::start(&format!(
        "{{identities: [{{name: ci, token_hashes_file: '{}'}}], policies: [{{lint: enforce}}]}}",
        tokens.display()
    ));
    let run = |command: &mut Command, token: &str| {
        let weir = format!("http://{}", proxy.address);
        command.env("WEIR", weir).env("WEIR_TOKEN", token).output().unwrap()
    };
    if let Some(python) = python_or_skip() {
        let mut command = Command::new(python);
        command.arg(root().join("examples/push/handler.py"));
        let output = run(&mut command, "test");
        assert!(output.status.success(), "{output:?}");
        eventually("it is there", || {
            let there = "job_last_success_unixtime{instance=\"db/1\",job=\"nightly\"}";
            proxy.get("/metrics").text().contains(there).then_some(())
        });
        let output = run(&mut command, "wrong");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("push refused with 401: Unauthorized"), "{told}");
    }
    if find_or_skip("curl").is_some() {
        let mut command = Command::new("sh");
        command.arg(root().join("examples/push/push.sh"));
        let output = run(&mut command, "test");
        assert!(output.status.success(), "{output:?}");
        let output = run(&mut command, "wrong");
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Unauthorized\n");
    }
}
