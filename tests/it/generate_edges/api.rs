//! The live interface does what its `OpenAPI` file says: every path, method and status of it.

#[path = "../json_schema.rs"]
mod json_schema;

use super::Config;
use super::Generator;
use super::said;
use super::value_of;
use crate::support::Reply;
use json_schema::misfit;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;

const CONFIG: &str = "\
seed: 5
families:
- {name: requests_total, type: counter, rate: 2, labels: {host: [a, b]}}
- name: queue
  type: gauge
  series:
  - {labels: {queue: mail}, value: 7}
";

const MAIL: &str = "/api/v1/families/queue/series/%7Bqueue%3D%22mail%22%7D";
const FAX: &str = "/api/v1/families/queue/series/%7Bqueue=%22fax%22%7D";
const ABSENT: &str = "/api/v1/families/queue/series/%7Bqueue=%22none%22%7D";

/// Path in the description, method, status, and a request that gets it, in an order in which each
/// finds what it needs.
const WALK: &[(&str, &str, u16, &str, &str)] = &[
    ("/api/v1/openapi.json", "get", 200, "/api/v1/openapi.json", ""),
    ("/api/v1/status", "get", 200, "/api/v1/status", ""),
    ("/api/v1/config", "get", 200, "/api/v1/config", ""),
    ("/api/v1/families", "get", 200, "/api/v1/families", ""),
    (
        "/api/v1/families",
        "post",
        201,
        "/api/v1/families",
        r#"{"name":"temperature","type":"gauge","value":{"sine":{"period":"1h"}}}"#,
    ),
    (
        "/api/v1/families",
        "post",
        409,
        "/api/v1/families",
        r#"{"name":"temperature","type":"gauge","value":1}"#,
    ),
    (
        "/api/v1/families",
        "post",
        400,
        "/api/v1/families",
        r#"{"name":"x","type":"gauge","value":{"sinus":{}}}"#,
    ),
    ("/api/v1/families", "post", 413, "/api/v1/families", "LARGE"),
    ("/api/v1/families/{family}", "get", 200, "/api/v1/families/temperature", ""),
    ("/api/v1/families/{family}", "get", 404, "/api/v1/families/nothing", ""),
    (
        "/api/v1/families/{family}",
        "put",
        200,
        "/api/v1/families/temperature",
        r#"{"name":"temperature","type":"gauge","value":5}"#,
    ),
    (
        "/api/v1/families/{family}",
        "put",
        400,
        "/api/v1/families/temperature",
        r#"{"name":"temperature","type":"gauge"}"#,
    ),
    (
        "/api/v1/families/{family}",
        "put",
        404,
        "/api/v1/families/nothing",
        r#"{"name":"nothing","type":"gauge","value":5}"#,
    ),
    (
        "/api/v1/families/{family}",
        "put",
        409,
        "/api/v1/families/temperature",
        r#"{"name":"queue","type":"gauge","value":5}"#,
    ),
    ("/api/v1/families/{family}", "delete", 200, "/api/v1/families/temperature", ""),
    ("/api/v1/families/{family}", "delete", 404, "/api/v1/families/temperature", ""),
    (
        "/api/v1/families/{family}/series",
        "get",
        200,
        "/api/v1/families/requests_total/series?limit=1",
        "",
    ),
    (
        "/api/v1/families/{family}/series",
        "get",
        400,
        "/api/v1/families/requests_total/series?limit=many",
        "",
    ),
    ("/api/v1/families/{family}/series", "get", 404, "/api/v1/families/nothing/series", ""),
    (
        "/api/v1/families/{family}/series",
        "post",
        201,
        "/api/v1/families/queue/series",
        r#"{"labels":{"queue":"fax"},"value":8}"#,
    ),
    (
        "/api/v1/families/{family}/series",
        "post",
        409,
        "/api/v1/families/queue/series",
        r#"{"labels":{"queue":"fax"},"value":8}"#,
    ),
    (
        "/api/v1/families/{family}/series",
        "post",
        400,
        "/api/v1/families/queue/series",
        r#"{"labels":{"queue":"sms"}}"#,
    ),
    (
        "/api/v1/families/{family}/series",
        "post",
        404,
        "/api/v1/families/nothing/series",
        r#"{"labels":{},"value":8}"#,
    ),
    ("/api/v1/families/{family}/series/{series}", "get", 200, FAX, ""),
    (
        "/api/v1/families/{family}/series/{series}",
        "get",
        400,
        "/api/v1/families/queue/series/fax",
        "",
    ),
    ("/api/v1/families/{family}/series/{series}", "get", 404, ABSENT, ""),
    (
        "/api/v1/families/{family}/series/{series}",
        "put",
        200,
        FAX,
        r#"{"labels":{"queue":"fax"},"value":9}"#,
    ),
    ("/api/v1/families/{family}/series/{series}", "put", 400, FAX, "nonsense"),
    (
        "/api/v1/families/{family}/series/{series}",
        "put",
        404,
        ABSENT,
        r#"{"labels":{"queue":"none"},"value":9}"#,
    ),
    (
        "/api/v1/families/{family}/series/{series}",
        "put",
        409,
        FAX,
        r#"{"labels":{"queue":"mail"},"value":9}"#,
    ),
    ("/api/v1/families/{family}/series/{series}", "delete", 200, FAX, ""),
    ("/api/v1/families/{family}/series/{series}", "delete", 404, FAX, ""),
    ("/api/v1/hold", "post", 200, "/api/v1/hold", r#"{"family":"queue","value":1,"for":"1h"}"#),
    (
        "/api/v1/hold",
        "post",
        400,
        "/api/v1/hold",
        r#"{"family":"queue","value":1,"for":"a while"}"#,
    ),
    ("/api/v1/hold", "post", 404, "/api/v1/hold", r#"{"family":"nothing","value":1,"for":"1h"}"#),
    (
        "/api/v1/reset",
        "post",
        200,
        "/api/v1/reset",
        r#"{"family":"requests_total","labels":{"host":"a"}}"#,
    ),
    ("/api/v1/reset", "post", 400, "/api/v1/reset", r#"{"family":"queue","value":1}"#),
    ("/api/v1/reset", "post", 404, "/api/v1/reset", r#"{"family":"nothing"}"#),
    ("/api/v1/spike", "post", 200, "/api/v1/spike", r#"{"family":"queue","factor":3,"for":"1m"}"#),
    ("/api/v1/spike", "post", 400, "/api/v1/spike", r#"{"family":"queue","factor":-3,"for":"1m"}"#),
    (
        "/api/v1/spike",
        "post",
        404,
        "/api/v1/spike",
        r#"{"family":"nothing","factor":3,"for":"1m"}"#,
    ),
    ("/api/v1/pause", "post", 200, "/api/v1/pause", ""),
    ("/api/v1/resume", "post", 200, "/api/v1/resume", ""),
    ("/api/v1/hold", "post", 409, "/api/v1/hold", "MANY"),
    ("/api/v1/overrides", "get", 200, "/api/v1/overrides", ""),
    ("/api/v1/overrides", "delete", 200, "/api/v1/overrides", ""),
    ("/api/v1/faults", "put", 200, "/api/v1/faults", r#"{"latency":"5ms","cut":100}"#),
    ("/api/v1/faults", "put", 400, "/api/v1/faults", r#"{"status":200}"#),
    ("/api/v1/faults", "get", 200, "/api/v1/faults", ""),
    ("/api/v1/faults", "delete", 200, "/api/v1/faults", ""),
];

fn asked(generator: &Generator, method: &str, path: &str, body: &str) -> Reply {
    let body = match body {
        "LARGE" => " ".repeat((1 << 20) + 1),
        "MANY" => {
            let hold = r#"{"family":"queue","value":1,"for":"1h"}"#;
            // As many as there may be, and that is one less than it takes.
            while generator.ask("POST", path, "", hold).status == 200 {}
            hold.to_owned()
        }
        body => body.to_owned(),
    };
    generator.ask(&method.to_uppercase(), path, "", &body)
}

#[test]
fn every_path_method_and_status_of_the_description_is_so() {
    let generator = Generator::start(CONFIG, &["--at", "100"]);
    let description: Value =
        serde_json::from_str(generator.get("/api/v1/openapi.json").text()).unwrap();
    let mut walked = BTreeSet::new();
    for &(described, method, status, path, body) in WALK {
        let reply = asked(&generator, method, path, body);
        let shown = format!("{method} {path} {body}: {} {}", reply.status, reply.text());
        assert_eq!(reply.status, status, "{shown}");
        let answer = &description["paths"][described][method]["responses"][status.to_string()];
        let content = answer["content"].as_object().unwrap_or_else(|| panic!("not so: {shown}"));
        let (media, content) = content.iter().next().unwrap();
        assert_eq!(reply.header("content-type"), Some(media.as_str()), "{shown}");
        if media == "application/json" {
            let said: Value = serde_json::from_str(reply.text()).unwrap();
            let why = misfit(&description, &content["schema"], &said);
            assert_eq!(why, None, "{shown}");
        }
        walked.insert((described.to_owned(), method.to_owned(), status.to_string()));
    }
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for status in operation["responses"].as_object().into_iter().flat_map(|r| r.keys()) {
                let described = (path.clone(), method.clone(), status.clone());
                assert!(walked.remove(&described), "nothing here asks for {described:?}");
            }
        }
    }
    assert_eq!(walked, BTreeSet::new());
}

/// Methods the description does not have are refused, and it is told which there are.
#[test]
fn other_methods_and_paths_are_refused() {
    let generator = Generator::start(CONFIG, &["--at", "100"]);
    let description: Value =
        serde_json::from_str(generator.get("/api/v1/openapi.json").text()).unwrap();
    for (path, operations) in description["paths"].as_object().unwrap() {
        let known: BTreeSet<String> = operations
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
            .map(|method| method.to_uppercase())
            .collect();
        let path = path.replace("{family}", "queue").replace("{series}", "%7B%7D");
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            if !known.contains(method) {
                let reply = generator.ask(method, &path, "", "");
                assert_eq!(reply.status, 405, "{method} {path}");
                let allowed = reply.header("allow").unwrap().split(", ").map(str::to_owned);
                assert_eq!(allowed.collect::<BTreeSet<_>>(), known);
            }
        }
    }
    for path in ["/api/v1/", "/api/v1/nothing", "/api/v1/families/a/b"] {
        assert_eq!(generator.get(path).status, 404, "{path}");
    }
}

#[test]
fn what_is_changed_is_shown_and_is_not_persisted() {
    let generator = Generator::start(CONFIG, &["--at", "100"]);
    let written = std::fs::read_to_string(&generator.config.path).unwrap();
    let family = r#"{"name":"depth","type":"gauge","labels":{"x":["a","b"]},"value":{"scale":{"signal":3,"by":2}}}"#;
    let reply = generator.ask("POST", "/api/v1/families", "", family);
    let said: Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!(said["persisted"], false);
    let page = generator.get("/metrics");
    assert_eq!(value_of(page.text(), "depth{x=\"b\"}").to_bits(), 6.0_f64.to_bits());
    // What is read back starts a generator that says the same.
    let yaml = generator.get("/api/v1/config");
    let config = Config::new(yaml.text());
    assert_eq!(super::said(&[config.name(), "--at", "100", "-o", "-"]), page.text());
    assert_eq!(std::fs::read_to_string(&generator.config.path).unwrap(), written);
    generator.ask("PUT", MAIL, "", r#"{"labels":{"queue":"mail"},"value":70}"#);
    let page = generator.get("/metrics");
    assert_eq!(value_of(page.text(), "queue{queue=\"mail\"}").to_bits(), 70.0_f64.to_bits());
}

#[test]
fn values_are_held_reset_and_multiplied() {
    // A second of the test is an hour here.
    let generator = Generator::start(CONFIG, &["--start", "10000", "--speed", "0.000001"]);
    let value = |series: &str| value_of(generator.get("/metrics").text(), series);
    let change = |path: &str, body: Value| {
        let reply = generator.ask("POST", path, "", &body.to_string());
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text());
    };
    assert!((value("requests_total{host=\"a\"}") - 20_000.0).abs() < 1.0);
    change("/api/v1/hold", json!({"family": "queue", "value": 1.5, "for": "1h"}));
    assert_eq!(value("queue{queue=\"mail\"}").to_bits(), 1.5_f64.to_bits());
    change("/api/v1/reset", json!({"family": "requests_total", "labels": {"host": "a"}}));
    assert!(value("requests_total{host=\"a\"}") < 1.0);
    assert!(value("requests_total{host=\"b\"}") > 19_000.0);
    generator.ask("DELETE", "/api/v1/overrides", "", "");
    change("/api/v1/spike", json!({"family": "queue", "factor": 3, "for": "1h"}));
    assert_eq!(value("queue{queue=\"mail\"}").to_bits(), 21.0_f64.to_bits());
    assert!((value("requests_total{host=\"a\"}") - 20_000.0).abs() < 1.0);
}

#[test]
fn time_stands_still_while_paused() {
    let generator = Generator::start(CONFIG, &["--start", "0", "--speed", "1000"]);
    let value = || value_of(generator.get("/metrics").text(), "requests_total{host=\"a\"}");
    let status =
        || -> Value { serde_json::from_str(generator.get("/api/v1/status").text()).unwrap() };
    generator.ask("POST", "/api/v1/pause", "", "");
    assert_eq!(status()["paused"], true);
    let paused = value();
    assert_eq!(value().to_bits(), paused.to_bits());
    generator.ask("POST", "/api/v1/resume", "", "");
    assert_eq!(status()["paused"], false);
    crate::servers::eventually("time goes on", || (value() > paused).then_some(()));
}

#[test]
fn faults_of_every_page_are_set_and_lifted() {
    let generator = Generator::start(CONFIG, &["--at", "100"]);
    generator.ask("PUT", "/api/v1/faults", "", r#"{"status":500}"#);
    assert_eq!(generator.get("/metrics").status, 500);
    generator.ask("DELETE", "/api/v1/faults", "", "");
    assert_eq!(generator.get("/metrics").status, 200);
}

/// Random bytes get 400 with a reason, whatever they are.
#[test]
fn junk_is_refused_with_the_reason() {
    let generator = Generator::start(CONFIG, &["--at", "100"]);
    for junk in [
        "",
        "{",
        "null",
        "[]",
        "5",
        "\"x\"",
        "{}",
        "\u{0}\u{1}\u{7f}",
        "{\"name\":5}",
        r#"{"name":"a"}"#,
        r#"{"name":"a","type":"gauge","value":1e999}"#,
        r#"{"name":"a","type":"gauge","value":{"loop":{"signal":{"values":[]}}}}"#,
        r#"{"name":"a","type":"gauge","value":1,"labels":{"x":{"template":"{n}","count":1000000000000}}}"#,
        r#"{"name":"0 a\n","type":"gauge","value":1,"labels":{"":["b"]}}"#,
    ] {
        for path in ["/api/v1/families", "/api/v1/families/queue/series", "/api/v1/hold"] {
            let reply = generator.ask("POST", path, "", junk);
            let said: Value = serde_json::from_str(reply.text()).unwrap();
            assert_eq!(reply.status, 400, "{path} {junk:?}: {said}");
            assert!(said["error"].as_str().is_some_and(|why| !why.is_empty()), "{junk:?}: {said}");
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(generator.ask("POST", "/api/v1/families", "", &deep).status, 400);
    assert_eq!(
        said(&[generator.config.name(), "--at", "100", "-o", "-"]),
        generator.get("/metrics").text()
    );
}
