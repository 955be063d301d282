//! A Pushgateway behind weir, and the envelopes of the first push proxy.

use crate::push::proxy::TestProxy;
use crate::support::FakeTarget;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A Pushgateway that takes everything.
fn gateway() -> FakeTarget {
    FakeTarget::start(|peer| peer.answer("200 OK", "", b""))
}

#[test]
fn what_passed_is_sent_on_in_its_one_form() {
    let gateway = gateway();
    let proxy = TestProxy::start(&format!("{{forward: 'http://{}/prefix/'}}", gateway.address));
    let path = "/metrics/job/x/b/2/a@base64/L2E=";
    proxy.check("PUT", path, "m{z=\"1\",job=\"y\"} 1\n", 200, "");
    proxy.check("PUT", "/metrics/job@base64/@@@", "m 1\n", 400, "invalid base64 encoding");
    proxy.check("POST", "/metrics/job/x", "m 1", 400, "text format parsing error");
    let told = "pushed metrics are invalid or inconsistent with existing metrics: ";
    let body = "c_sum 0\n# TYPE c histogram\nc_sum 0\n";
    proxy.check("POST", "/metrics/job/x", body, 400, told);
    // Clients take nothing but 202 for success.
    proxy.check("DELETE", path, "", 202, "");
    let heads = gateway.seen().heads;
    assert_eq!(heads.len(), 2, "{heads:?}");
    let expect = "PUT /prefix/metrics/job/x/a@base64/L2E/b/2 HTTP/1.1\r\n";
    assert!(heads[0].starts_with(expect), "{heads:?}");
    assert!(heads[1].starts_with("DELETE /prefix/metrics/job/x/"), "{heads:?}");
    assert!(proxy.series().is_empty());
}

#[test]
fn what_the_pushgateway_says_is_relayed() {
    let gateway = FakeTarget::start(|peer| peer.answer("400 Bad Request", "", b"no such luck\n"));
    let proxy = TestProxy::start(&format!("{{forward: 'http://{}'}}", gateway.address));
    proxy.check("PUT", "/metrics/job/x", "m 1\n", 400, "no such luck\n");
    let gateway =
        FakeTarget::start(|peer| peer.answer("307 Temporary Redirect", "Location: /x\r\n", b""));
    let proxy = TestProxy::start(&format!("{{forward: 'http://{}'}}", gateway.address));
    proxy.check("PUT", "/metrics/job/x", "m 1\n", 502, "");
}

#[test]
fn a_pushgateway_that_is_down_or_hangs_is_502_or_504_or_replaced_by_the_store() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = TestProxy::start(&format!("{{forward: 'http://{nobody}'}}"));
    proxy.check("PUT", "/metrics/job/x", "m 1\n", 502, "the Pushgateway cannot be reached: ");
    let settings = format!("{{forward: {{url: 'http://{nobody}', fallback_to_store: true}}}}");
    let proxy = TestProxy::start(&settings);
    proxy.check("PUT", "/metrics/job/x", "m 1\n", 200, "");
    assert_eq!(proxy.series(), ["m{instance=\"\",job=\"x\"} 1"]);
    // The Pushgateway may have the group, and was not told.
    proxy.check("DELETE", "/metrics/job/x", "", 502, "the Pushgateway cannot be reached: ");
    assert!(proxy.series().is_empty());
    // It listens and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let proxy =
        TestProxy::start(&format!("{{forward: {{url: 'http://{address}', timeout: 100ms}}}}"));
    proxy.check("PUT", "/metrics/job/x", "m 1\n", 504, "the Pushgateway did not answer in time\n");
}

#[test]
fn what_was_kept_goes_when_the_pushgateway_has_all_of_it_anew() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let gateway = FakeTarget::start(move |peer| {
        if up.load(Ordering::Relaxed) {
            // Taken for success; the official clients want another.
            peer.answer("204 No Content", "", b"");
        } else {
            peer.close();
        }
    });
    let forward = format!("{{url: 'http://{}', fallback_to_store: true}}", gateway.address);
    let proxy = TestProxy::start(&format!("{{forward: {forward}}}"));
    let n_kept = || proxy.series().len();
    proxy.check("PUT", "/metrics/job/put", "m 1\nn 2\n", 200, "");
    proxy.check("PUT", "/metrics/job/post", "m 1\nn 2\n", 200, "");
    proxy.check("PUT", "/metrics/job/gone", "m 1\n", 200, "");
    assert_eq!(n_kept(), 5);
    is_up.store(true, Ordering::Relaxed);
    proxy.check("PUT", "/metrics/job/put", "m 2\n", 200, "");
    assert_eq!(n_kept(), 3);
    proxy.check("POST", "/metrics/job/post", "m 2\n", 200, "");
    // The Pushgateway has nothing of the other family.
    assert_eq!(n_kept(), 3);
    proxy.check("POST", "/metrics/job/post", "m 2\nn 3\no 4\n", 200, "");
    assert_eq!(n_kept(), 1);
    proxy.check("DELETE", "/metrics/job/gone", "", 202, "");
    assert_eq!(n_kept(), 0);
}

#[test]
fn envelopes_are_opened_and_no_host_but_those_configured_is_named() {
    let proxy = TestProxy::start(
        "{envelope_targets: ['localhost:9091'], policies: [{job: strict, lint: enforce}]}",
    );
    let send = |json: &str, status: u16, told: &str| {
        let reply = proxy.send("POST", "/push_metrics", json.as_bytes());
        assert_eq!(reply.status, status, "{json}: {}", reply.text());
        assert!(reply.text().contains(told), "{json}: {}", reply.text());
    };
    let url = "http://localhost:9091/metrics/job/x";
    // m 1
    let data = "bSAxCg==";
    let told = format!(
        r#"{{"success":true,"message":"Successfully forwarded to {url}","status_code":200}}"#
    );
    send(&format!(r#"{{"target_url":"{url}","method":"PUT","data":"{data}"}}"#), 200, &told);
    assert_eq!(proxy.series(), ["m{instance=\"\",job=\"x\"} 1"]);
    send(&format!(r#"{{"target_url":"{url}","method":"DELETE"}}"#), 200, r#""status_code":202"#);
    assert!(proxy.series().is_empty());
    send("{}", 400, r#"{"error":"No data provided"}"#);
    send("{", 400, "Invalid JSON");
    send(r#"{"data":"x"}"#, 400, r#"{"error":"Missing 'target_url' parameter"}"#);
    send(&format!(r#"{{"target_url":"{url}"}}"#), 400, r#"{"error":"Missing 'data' parameter"}"#);
    send(&format!(r#"{{"target_url":"{url}","data":"bSAx Cg=="}}"#), 400, "Invalid base64 data: ");
    send(
        &format!(r#"{{"target_url":"{url}","method":"GET","data":"{data}"}}"#),
        400,
        "none of PUT",
    );
    for other in [
        "file:///etc/passwd",
        "http://localhost:9092/metrics/job/x",
        "http://localhost:9091@evil/metrics/job/x",
        "http://u:p@localhost:9091/metrics/job/x",
        "http://169.254.169.254/metrics/job/x",
        "gopher://localhost:9091/metrics/job/x",
        "http://localhost.:9091/metrics/job/x",
        "http://localhost:9091\\\\@evil/metrics/job/x",
        "http://[::1]:9091/metrics/job/x",
        "http://[::ffff:127.0.0.1]:9091/metrics/job/x",
    ] {
        send(
            &format!(r#"{{"target_url":"{other}","data":"{data}"}}"#),
            403,
            "target_url may only name",
        );
    }
    // What stands behind a query or a fragment is no path.
    for path in ["?/metrics/job/x", "#@evil/metrics/job/x", "/%2e%2e/metrics/job/x"] {
        let json = format!(r#"{{"target_url":"http://localhost:9091{path}","data":"{data}"}}"#);
        send(&json, 404, "not a path of a push");
    }
    send(&format!(r#"{{"target_url":"{url}","method":5,"data":"{data}"}}"#), 400, "none of PUT");
    let headers = format!(r#"{{"target_url":"{url}","data":"{data}","headers":[1]}}"#);
    send(&headers, 400, "'headers' is no object of names and values");
    let headers =
        format!(r#"{{"target_url":"{url}","data":"{data}","headers":{{"Content-Type":1}}}}"#);
    send(&headers, 400, "the header content-type has no value of a header");
    let json =
        format!(r#"{{"target_url":"http://localhost:9091/metrics/job/strict","data":"{data}"}}"#);
    send(
        &json,
        400,
        r#""error":"Invalid metrics data","reasons":["the push has lint findings:","m no help text""#,
    );
    assert_eq!(TestProxy::start("{}").send("POST", "/push_metrics", b"{}").status, 404);
}

#[test]
fn the_first_proxys_linter_and_health_are_there() {
    let proxy = TestProxy::start("{}");
    let lint = |body: &[u8], status: u16, told: &str| {
        let reply = proxy.send("PUT", "/lint", body);
        assert_eq!((reply.status, reply.text()), (status, told));
    };
    let text = b"# HELP a b\n# TYPE a gauge\na 1\n";
    lint(
        text,
        200,
        r#"{"status":"success","message":"Input has been parsed successfully. No issues found."}"#,
    );
    lint(
        b"a 1\n",
        200,
        r#"{"status":"warning","message":"The input can be parsed but there are linting issues","problems":[{"metric":"a","text":"no help text"}]}"#,
    );
    lint(
        b"a 1",
        400,
        r#"{"status":"error","message":"Failed to parse metrics","error":"text format parsing error in line 1: unexpected end of input stream"}"#,
    );
    assert_eq!(proxy.get("/lint").status, 405);
    assert_eq!(proxy.get("/health").text(), r#"{"status":"healthy"}"#);
}
