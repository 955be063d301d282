//! Who may push, what pushes have to look like, and what is told of it.

use crate::push::proxy::TestProxy;
use std::io::{Read, Write};

/// SHA-256 of `s3cret`.
const TOKEN_HASH: &str = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

#[test]
fn credentials_tell_who_pushes_and_rights_what_for() {
    let hash = bcrypt::hash("pass", 4).unwrap();
    let mut tokens = tempfile::NamedTempFile::new().unwrap();
    writeln!(tokens, "# of the build\n{TOKEN_HASH}  -").unwrap();
    let tokens = tokens.path().display();
    let proxy = TestProxy::start(&format!(
        "{{identities: [
            {{name: ci, token_hashes_file: '{tokens}', job: 'ci_.*', grouping_labels: {{instance: 'i[0-9]'}}}},
            {{name: ops, basic_auth: {{username: ops, password_hash: '{hash}'}}}},
            {{name: guests, methods: [POST], max_push_series: 2, dry_run: false}},
        ]}}"
    ));
    let send = |method: &str, path: &str, headers: &str, status: u16| {
        let reply = proxy.send_with(method, path, headers, b"a 1\n");
        assert_eq!(reply.status, status, "{method} {path} {headers}: {}", reply.text());
        reply
    };
    let token = "Authorization: Bearer s3cret\r\n";
    send("PUT", "/metrics/job/ci_x/instance/i1", token, 200);
    let reply = send("PUT", "/metrics/job/other/zone/b", token, 403);
    let told =
        "ci may not push for the job \"other\", only for ci_.*\nci may not push for zone=\"b\"\n";
    assert_eq!(reply.text(), told);
    send("PUT", "/metrics/job/ci_x", "Authorization: Bearer wrong\r\n", 401);
    // ops:pass, ops:nopass
    send("DELETE", "/metrics/job/ci_x/instance/i1", "Authorization: Basic b3BzOnBhc3M=\r\n", 202);
    let wrong = "Authorization: Basic b3BzOm5vcGFzcw==\r\n";
    let reply = send("PUT", "/metrics/job/x", wrong, 401);
    assert_eq!(reply.header("www-authenticate"), Some("Basic, Bearer"));
    send("POST", "/metrics/job/x", "", 200);
    assert_eq!(send("PUT", "/metrics/job/x", "", 403).text(), "guests may not PUT\n");
    let reply = proxy.send("POST", "/metrics/job/x", b"a 1\nb 1\nc 1\n");
    assert_eq!((reply.status, reply.text()), (413, "the push has 3 series, guests may push 2\n"));
    let own = proxy.get("/-/metrics");
    for line in [
        "weir_push_refusals_total{identity=\"ci\",reason=\"rights\"} 1\n",
        "weir_push_refusals_total{identity=\"nobody\",reason=\"credentials\"} 2\n",
        "weir_push_refusals_total{identity=\"guests\",reason=\"push_series\"} 1\n",
        "weir_pushes_total{identity=\"ops\",method=\"DELETE\"} 1\n",
    ] {
        assert!(own.text().contains(line), "{line}\n{}", own.text());
    }
}

#[test]
fn rates_are_limited_and_the_client_is_told_when_to_come_again() {
    let proxy = TestProxy::start(
        "{identities: [{name: all, max_requests_per_second: 1000, max_samples_per_second: 2}]}",
    );
    proxy.check("PUT", "/metrics/job/x", "a 1\nb 2\nc 3\nd 4\ne 5\nf 6\n", 200, "");
    let reply = proxy.send("PUT", "/metrics/job/x", b"a 1\n");
    assert_eq!(reply.status, 429);
    assert_eq!(reply.text(), "all sends more than 2 samples a second\n");
    let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&after), "{after}");
}

#[test]
fn the_store_has_bounds_for_all_and_for_each() {
    let proxy = TestProxy::start(
        "{max_group_series: 3, max_series: 5, max_groups: 3, identities: [{name: all, max_series: 4}]}",
    );
    proxy.check(
        "PUT",
        "/metrics/job/x",
        "a 1\nb 1\nc 1\nd 1\n",
        413,
        "not accepting a push of 4 series",
    );
    proxy.check("PUT", "/metrics/job/x", "a 1\nb 1\nc 1\n", 200, "");
    proxy.check("POST", "/metrics/job/x", "d 1\n", 413, "not accepting a push of 1 series");
    proxy.check("POST", "/metrics/job/x", "a 2\n", 200, "");
    let share = "not accepting a push of 2 series: it would overfill the share of the store, whose limit is 4";
    proxy.check("PUT", "/metrics/job/y", "a 1\nb 1\n", 413, share);
    proxy.check("PUT", "/metrics/job/y", "a 1\n", 200, "");
    proxy.check("DELETE", "/metrics/job/x", "", 202, "");
    proxy.check("PUT", "/metrics/job/y", "a 1\nb 1\nc 1\n", 200, "");
    proxy.check("PUT", "/metrics/job/z", "", 200, "");
    proxy.check("PUT", "/metrics/job/u", "", 200, "");
    proxy.check("PUT", "/metrics/job/v", "", 413, "not accepting a push of 0 series");
}

#[test]
fn policies_refuse_or_tell() {
    let proxy = TestProxy::start(
        "{policies: [
            {job: strict, lint: enforce, required_labels: [team], forbidden_labels: [pod], metric_names: '[a-z_]+'},
            {job: warned, lint: warn},
            {job: dry, lint: enforce, metric_names: x, dry_run: true},
            {job: schema, schema: {a_seconds_total: {type: counter, unit: seconds, labels: [l]}, b: {unit: bytes}}},
            {job: rules, metric_relabel_configs: [{action: labeldrop, regex: pod}, {source_labels: [__name__], regex: drop_me, action: drop}]},
        ]}",
    );
    let good = "# HELP a a\n# TYPE a gauge\na{team=\"t\"} 1\n";
    proxy.check("PUT", "/metrics/job/strict", good, 200, "");
    let bad = "# HELP a a\n# TYPE a gauge\na{pod=\"p\"} 1\n# HELP Bb b\n# TYPE Bb gauge\nBb{team=\"t\"} 1\n";
    let told = "the push is against the policy:\nBb: the name does not match [a-z_]+\na: a series has no label \"team\"\na: a series has the forbidden label \"pod\"\n";
    proxy.check("PUT", "/metrics/job/strict", bad, 400, told);
    let told = "the push has lint findings:\na no help text\n";
    proxy.check("PUT", "/metrics/job/strict", "# TYPE a gauge\na{team=\"t\"} 1\n", 400, told);
    let headers = "Accept: application/json\r\n";
    let reply = proxy.send_with("PUT", "/metrics/job/strict", headers, b"a 1");
    let told = "text format parsing error in line 1: unexpected end of input stream";
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let expect = serde_json::json!({
        "status": "error", "reason": "syntax", "error": told,
        "lines": [told, "the last line has no line feed (\\n) at its end: add one"],
    });
    assert_eq!((reply.status, json), (400, expect));
    proxy.check("PUT", "/metrics/job/warned", "w 1\n", 200, "");
    proxy.check("PUT", "/metrics/job/dry", "d 1\n", 200, "");
    let body = "# TYPE a_seconds_total counter\na_seconds_total{l=\"1\"} 1\n";
    proxy.check("PUT", "/metrics/job/schema", body, 200, "");
    let body = "a_seconds_total{m=\"1\"} 1\nb 1\nc 1\n";
    let told = "the push is against the policy:\na_seconds_total: the type is UNTYPED, the schema says COUNTER\na_seconds_total: the schema has no label m=\"1\"\nb: the name does not end in the unit bytes\nc: the schema has no such family\n";
    proxy.check("PUT", "/metrics/job/schema", body, 400, told);
    proxy.check("PUT", "/metrics/job/rules", "r{pod=\"1\"} 1\ndrop_me 1\n", 200, "");
    let kept = "r{instance=\"\",job=\"rules\"} 1".to_owned();
    assert!(proxy.series().contains(&kept), "{:?}", proxy.series());
    let told = "r: the rules make two series equal";
    proxy.check("PUT", "/metrics/job/rules", "r{pod=\"1\"} 1\nr{pod=\"2\"} 1\n", 400, told);
    let own = proxy.get("/-/metrics");
    for line in [
        "weir_push_warnings_total{identity=\"anybody\",reason=\"lint\"} 1\n",
        "weir_push_warnings_total{identity=\"anybody\",reason=\"policy\"} 1\n",
        "weir_push_refusals_total{identity=\"anybody\",reason=\"relabel\"} 1\n",
    ] {
        assert!(own.text().contains(line), "{line}\n{}", own.text());
    }
    let history: serde_json::Value =
        serde_json::from_slice(&proxy.get("/-/push.json").body).unwrap();
    let pushes = history["pushes"].as_array().unwrap();
    assert_eq!(pushes.len(), 7);
    assert_eq!(pushes[0]["reason"], "relabel");
    assert_eq!(pushes[6]["lines"][1], "Bb: the name does not match [a-z_]+");
    assert!(proxy.get("/-/push").text().contains("the schema has no such family"));
}

/// Clients that push at the same time, and how often each does.
const N_CLIENTS: u32 = 50;
const N_PUSHES: u32 = 40;

#[test]
fn of_pushes_to_one_group_at_once_none_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "{policies: [{aggregate: last}]}";
    let expect = format!("c{{instance=\"\",job=\"one\"}} {}", N_CLIENTS * N_PUSHES);
    {
        let proxy = TestProxy::start_in(Some(directory.path()), settings);
        std::thread::scope(|scope| {
            for _ in 0..N_CLIENTS {
                scope.spawn(|| {
                    for _ in 0..N_PUSHES {
                        let body = "# TYPE c counter\nc 1\n";
                        proxy.check("POST", "/metrics/job/one", body, 200, "");
                    }
                });
            }
        });
        assert_eq!(proxy.series(), [&*expect]);
    }
    assert_eq!(TestProxy::start_in(Some(directory.path()), settings).series(), [&*expect]);
}

/// A client that sends its body a byte now and then, or not at all, is not waited for.
#[test]
fn a_slow_body_has_its_time_and_others_do_not_wait() {
    let proxy = TestProxy::start("{body_timeout: 300ms}");
    let mut slow = std::net::TcpStream::connect(proxy.address).unwrap();
    let head = "PUT /metrics/job/slow HTTP/1.1\r\nHost: weir\r\nContent-Length: 100\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(b"a").unwrap();
    proxy.check("PUT", "/metrics/job/x", "a 1\n", 200, "");
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    proxy.check("PUT", "/metrics/job/x", "a 2\n", 200, "");
}

#[test]
fn a_schema_is_learned_from_an_example() {
    let mut example = tempfile::NamedTempFile::new().unwrap();
    let text = "# TYPE a counter\na{l=\"1\",instance=\"i\"} 1\na{m=\"1\"} 1\nb 1\n# TYPE h histogram\nh_sum 1\n";
    example.write_all(text.as_bytes()).unwrap();
    let proxy = TestProxy::start(&format!(
        "{{policies: [{{schema_example: '{}', schema: {{b: {{type: gauge}}, c: {{}}}}}}]}}",
        example.path().display()
    ));
    let good = "# TYPE a counter\na{l=\"2\",m=\"3\"} 4\n# TYPE b gauge\nb{any=\"1\"} 1\nc 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n";
    proxy.check("PUT", "/metrics/job/x/zone/z", good, 200, "");
    let bad = "# TYPE a gauge\na{n=\"1\"} 1\nd 1\n";
    let told = "the push is against the policy:\na: the type is GAUGE, the schema says COUNTER\na: the schema has no label n=\"1\"\nd: the schema has no such family\n";
    proxy.check("PUT", "/metrics/job/x", bad, 400, told);
    example.write_all(b"a 1").unwrap();
    let settings = format!("{{policies: [{{schema_example: '{}'}}]}}", example.path().display());
    let errors = TestProxy::try_start(None, &settings).map(|_| ()).unwrap_err();
    assert!(errors[0].contains("unexpected end of input stream"), "{errors:?}");
    let settings = "{policies: [{schema_example: /nowhere/at/all}]}";
    let errors = TestProxy::try_start(None, settings).map(|_| ()).unwrap_err();
    assert!(errors[0].starts_with("schema_example: /nowhere/at/all: "), "{errors:?}");
}

#[test]
fn a_policy_may_aggregate() {
    let proxy = TestProxy::start("{policies: [{job: sum, aggregate: max}]}");
    let body = "# TYPE c counter\nc 2\n# TYPE g gauge\ng 5\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 2\n";
    proxy.check("PUT", "/metrics/job/sum", body, 200, "");
    let body = "# TYPE c counter\nc 3\nc{l=\"1\"} 1\n# TYPE g gauge\ng 4\n# TYPE h histogram\nh_bucket{le=\"2\"} 3\nh_sum 2\nh_count 3\n";
    proxy.check("POST", "/metrics/job/sum", body, 200, "");
    let labels = "instance=\"\",job=\"sum\"";
    assert_eq!(
        proxy.series(),
        [
            format!("c{{{labels}}} 5"),
            format!("c{{{labels},l=\"1\"}} 1"),
            format!("g{{{labels}}} 5"),
            format!("h_bucket{{{labels},le=\"1\"}} 1"),
            format!("h_bucket{{{labels},le=\"2\"}} 4"),
            format!("h_bucket{{{labels},le=\"+Inf\"}} 5"),
            format!("h_sum{{{labels}}} 3"),
            format!("h_count{{{labels}}} 5"),
        ]
    );
}
