//! From upstreams to targets: DNS against a server whose answers change, files, lists by HTTP.

mod dnsmasq;
mod server;

use crate::support::{FakeTarget, runtime};
use dnsmasq::Dnsmasq;
use hickory_resolver::proto::op::ResponseCode;
use server::{DnsServer, config_of};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use weir::config::parse_target_groups;
use weir::discovery::dns::Resolver;
use weir::discovery::spec::{FileSource, HttpSource};
use weir::discovery::{
    Discovered, Discovery, DnsFamily, DnsOptions, Found, Plan, Source, TARGETS_MAX, Tools,
};
use weir::http::Url;
use weir::http::proxy::ProxyRules;
use weir::http::settings::ClientSettings;
use weir::source::Target;

/// Short, as some tests wait for it.
const TIME_MAX: Duration = Duration::from_millis(400);

fn discovery(server: &DnsServer, upstream: &str, options: DnsOptions) -> Discovery {
    let (config, system) = server.config(&["ns.test", "test"]);
    let resolver = Resolver::with_config(config, system, options);
    Discovery::new(Plan::one(Source::parse(upstream).unwrap()), &tools(resolver))
}

fn tools(resolver: Resolver) -> Tools {
    let proxies = ProxyRules::default();
    Tools { resolver: Arc::new(resolver), parse: parse_target_groups, proxies }
}

fn options(family: DnsFamily) -> DnsOptions {
    DnsOptions { family, time_max: TIME_MAX, keep: Duration::from_mins(1) }
}

/// Where the targets are: `host:port`, an address in place of the host where one is known.
fn instances(found: &Found) -> Vec<String> {
    found.targets.iter().map(|found| found.target.instance()).collect()
}

fn label<'d>(discovered: &'d Discovered, name: &str) -> &'d str {
    let found = discovered.labels.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}

/// Targets without any problem.
#[track_caller]
fn check(found: &Found, expect: &[&str]) {
    assert_eq!(found.problems, [], "{expect:?}");
    assert_eq!(instances(found), expect);
}

/// FIX-N1: a dual-stack pod is one target.
#[tokio::test]
async fn a_name_with_both_families_counts_once() {
    let server = DnsServer::start().await;
    server.addresses("web.test", &["10.0.0.10", "fd00::10", "10.0.0.9", "fd00::9", "10.0.0.9"], 0);
    server.addresses("six.test", &["fd00::1"], 0);
    let v4 = ["10.0.0.9:81", "10.0.0.10:81"];
    let v6 = ["[fd00::9]:81", "[fd00::10]:81"];
    for (family, expect) in [
        (DnsFamily::Auto, v4.to_vec()),
        (DnsFamily::Ipv4, v4.to_vec()),
        (DnsFamily::Ipv6, v6.to_vec()),
        (DnsFamily::Both, [v4, v6].concat()),
    ] {
        let found = discovery(&server, "dns+http://web.test.:81/m", options(family)).find().await;
        check(&found, &expect);
        assert_eq!(found.n_duplicates, usize::from(family != DnsFamily::Ipv6), "{family:?}");
    }
    let of_six = |family| discovery(&server, "dns+http://six.test.:81/m", options(family));
    check(&of_six(DnsFamily::Auto).find().await, &["[fd00::1]:81"]);
    check(&of_six(DnsFamily::Ipv4).find().await, &[]);
}

#[tokio::test]
async fn what_the_url_says_stays() {
    let server = DnsServer::start().await;
    server.addresses("web.test", &["10.0.0.1"], 0);
    let source = Source::parse("dns+https://u:p@web.test/a%2Fb?x=y").unwrap();
    let params = vec![("m".to_owned(), vec!["1".to_owned()])];
    let plan = Plan { params, ..Plan::one(source) };
    let (config, system) = server.config(&[]);
    let resolver = Resolver::with_config(config, system, options(DnsFamily::Auto));
    let found = Discovery::new(plan, &tools(resolver)).find().await;
    check(&found, &["10.0.0.1:443"]);
    let Target::At(url, address) = &found.targets[0].target else { panic!("{found:?}") };
    assert_eq!((url.host(), url.path_and_query().as_str()), ("web.test", "/a%2Fb?x=y&m=1"));
    assert!(url.basic_auth().is_some());
    assert_eq!(address.port(), 443);
    let labels: Vec<_> = found.targets[0].labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let expect = [
        "__address__=10.0.0.1:443",
        "__meta_dns_name=web.test",
        "__metrics_path__=/a%2Fb",
        "__param_m=1",
        "__param_x=y",
        "__scheme__=https",
    ];
    assert_eq!(labels, expect);
}

#[tokio::test]
async fn answers_count_as_long_as_they_are_valid() {
    let server = DnsServer::start().await;
    let web = discovery(&server, "dns+http://web.test.:81/m", options(DnsFamily::Auto));
    // Nothing is kept of an answer that is not to be kept.
    server.addresses("web.test", &["10.0.0.1"], 0);
    check(&web.find().await, &["10.0.0.1:81"]);
    server.addresses("web.test", &["10.0.0.2", "10.0.0.1"], 30);
    check(&web.find().await, &["10.0.0.1:81", "10.0.0.2:81"]);
    assert_eq!(server.asked().len(), 2);
    // This one is valid for half a minute.
    server.addresses("web.test", &["10.0.0.3"], 30);
    check(&web.find().await, &["10.0.0.1:81", "10.0.0.2:81"]);
    assert_eq!(server.asked(), [""; 0]);
    pass(Duration::from_secs(31)).await;
    check(&web.find().await, &["10.0.0.3:81"]);
}

/// Let time pass at once; answers on sockets take as long as they take.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// FIX-N2: what nobody can tell is not taken for nothing.
#[tokio::test]
async fn that_there_is_nothing_is_an_answer_and_a_failure_is_none() {
    let server = DnsServer::start().await;
    let web = discovery(&server, "dns+http://web.test.:81/m", options(DnsFamily::Auto));
    // Before anything is known.
    server.status("web.test", ResponseCode::ServFail);
    let found = web.find().await;
    assert_eq!((instances(&found), found.problems[0].kept), (vec![], None));
    assert_eq!(found.problems[0].reason, "dns");

    for failure in [ResponseCode::ServFail, ResponseCode::Refused] {
        server.addresses("web.test", &["10.0.0.1"], 0);
        check(&web.find().await, &["10.0.0.1:81"]);
        server.status("web.test", failure);
        let found = web.find().await;
        assert_eq!(instances(&found), ["10.0.0.1:81"]);
        assert!(found.problems[0].kept.is_some(), "{found:?}");
        assert!(found.problems[0].message.contains("web.test"), "{found:?}");
        // Kept for a minute, not for ever.
        pass(Duration::from_secs(61)).await;
        let found = web.find().await;
        assert_eq!((instances(&found), found.problems[0].kept), (vec![], None));
    }

    server.addresses("web.test", &["10.0.0.1"], 0);
    check(&web.find().await, &["10.0.0.1:81"]);
    server.status("web.test", ResponseCode::NXDomain);
    check(&web.find().await, &[]);
    server.addresses("web.test", &["10.0.0.1"], 0);
    check(&web.find().await, &["10.0.0.1:81"]);
    // The name is there and has no address.
    server.addresses("web.test", &[], 0);
    check(&web.find().await, &[]);
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let server = DnsServer::start().await;
    let web = discovery(&server, "dns+http://web.test.:81/m", options(DnsFamily::Auto));
    server.addresses("web.test", &["10.0.0.1"], 0);
    check(&web.find().await, &["10.0.0.1:81"]);
    server.silence("web.test");
    let began = tokio::time::Instant::now();
    let found = web.find().await;
    assert!(began.elapsed() < 10 * TIME_MAX, "{:?}", began.elapsed());
    assert_eq!(instances(&found), ["10.0.0.1:81"]);
    assert_eq!(found.problems[0].reason, "dns_timeout");
}

#[tokio::test]
async fn a_thousand_addresses_come_by_tcp() {
    let server = DnsServer::start().await;
    let addresses: Vec<_> = (0..1000).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect();
    let texts: Vec<_> = addresses.iter().rev().map(String::as_str).collect();
    server.addresses("web.test", &texts, 0);
    let found = discovery(&server, "dns+http://web.test.:81/m", DnsOptions::default()).find().await;
    let expect: Vec<_> = addresses.iter().map(|address| format!("{address}:81")).collect();
    check(&found, &expect.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(server.asked(), ["A web.test.", "A web.test./tcp"]);
}

#[tokio::test]
async fn services_are_found_by_srv_records() {
    let server = DnsServer::start().await;
    let name = "_metrics._tcp.web.test";
    server.services(name, &[("b.test.", 82), ("a.test.", 81), ("gone.test.", 83), (".", 0)]);
    server.addresses("a.test", &["10.0.0.2", "10.0.0.1"], 0);
    server.addresses("b.test", &["10.0.0.3", "fd00::3"], 0);
    let of = |prefix: &str, port: &str| {
        let upstream = format!("{prefix}+https://u:p@{name}.{port}/m");
        discovery(&server, &upstream, options(DnsFamily::Auto))
    };
    let found = of("dnssrv", "").find().await;
    check(&found, &["10.0.0.1:81", "10.0.0.2:81", "10.0.0.3:82"]);
    let Target::At(url, _) = &found.targets[2].target else { panic!("{found:?}") };
    // The host that the record names is who is asked for.
    assert_eq!((url.authority().as_str(), url.path_and_query().as_str()), ("b.test:82", "/m"));
    assert!(url.basic_auth().is_some());
    assert_eq!(label(&found.targets[2], "__meta_dns_srv_record_target"), "b.test.");
    assert_eq!(label(&found.targets[2], "__meta_dns_srv_record_port"), "82");
    assert_eq!(label(&found.targets[2], "__meta_dns_name"), format!("{name}."));

    check(&of("dnssrv", ":9").find().await, &["10.0.0.1:9", "10.0.0.2:9", "10.0.0.3:9"]);
    let found = of("dnssrvnoa", "").find().await;
    check(&found, &["a.test:81", "b.test:82", "gone.test:83"]);
    assert!(found.targets.iter().all(|found| matches!(found.target, Target::Http(_))));

    // One host whose address nobody can tell does not hide the others.
    server.status("a.test", ResponseCode::ServFail);
    let found = of("dnssrv", "").find().await;
    assert_eq!(instances(&found), ["10.0.0.3:82"]);
    assert_eq!(found.problems.len(), 1);
}

#[tokio::test]
async fn search_domains_are_searched() {
    let server = DnsServer::start().await;
    let of = |name: &str| {
        let upstream = format!("dns+http://{name}:81/m");
        discovery(&server, &upstream, options(DnsFamily::Ipv4))
    };
    server.addresses("web.ns.test", &["10.0.0.1"], 0);
    server.addresses("db.test", &["10.0.0.2"], 0);
    check(&of("web").find().await, &["10.0.0.1:81"]);
    assert_eq!(server.asked(), ["A web.ns.test."]);
    check(&of("db").find().await, &["10.0.0.2:81"]);
    assert_eq!(server.asked(), ["A db.ns.test.", "A db.test."]);
    check(&of("none").find().await, &[]);
    assert_eq!(server.asked(), ["A none.ns.test.", "A none.test.", "A none."]);
    // As many dots as resolv.conf says: the name itself first.
    check(&of("db.test").find().await, &["10.0.0.2:81"]);
    assert_eq!(server.asked(), ["A db.test."]);

    // One domain fails and the others have nothing: nobody knows.
    server.status("half.ns.test", ResponseCode::ServFail);
    assert_eq!(of("half").find().await.problems.len(), 1);
    server.addresses("half.test", &["10.0.0.3"], 0);
    check(&of("half").find().await, &["10.0.0.3:81"]);
}

#[tokio::test]
async fn addresses_need_no_lookup() {
    let server = DnsServer::start().await;
    for (upstream, instance) in [
        ("dns+http://10.0.0.1:81/m", "10.0.0.1:81"),
        ("dns+https://[fd00::1]/m", "[fd00::1]:443"),
        ("web.test:81/m", "web.test:81"),
        ("file:/a/node.prom", "file:node.prom"),
    ] {
        check(&discovery(&server, upstream, DnsOptions::default()).find().await, &[instance]);
    }
    assert_eq!(server.asked(), [""; 0]);
}

fn of_files(files: &[&Path]) -> Discovery {
    let files = files.iter().map(|path| path.display().to_string()).collect();
    let refresh_interval = Duration::from_hours(1);
    let source = Source::Files(FileSource { files, refresh_interval });
    Discovery::new(Plan::one(source), &tools(Resolver::system(DnsOptions::default())))
}

#[test]
fn files_list_targets_until_they_are_good_again() {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    let discovery = of_files(&[&at("t*.json"), &at("one.yml"), &at("one.y*l")]);
    let find = || runtime.block_on(discovery.find());

    let found = find();
    assert_eq!(instances(&found), [""; 0]);
    assert!(found.problems[0].source.ends_with("one.yml"), "{found:?}");
    write("t1.json", r#"[{"targets": ["b:1", "10.0.0.9:1"], "labels": {"job": "x"}}]"#);
    write("t2.json", r#"[{"targets": ["10.0.0.10:1", "b:1"]}]"#);
    write("other.json", r#"[{"targets": ["not:1"]}]"#);
    write(
        "one.yml",
        "- targets: ['a:2']\n  labels: {__scheme__: https, __metrics_path__: /x, __param_q: 1}\n",
    );
    let found = find();
    check(&found, &["10.0.0.9:1", "10.0.0.10:1", "b:1", "a:2"]);
    assert_eq!(found.n_duplicates, 1);
    assert!(label(&found.targets[0], "__meta_filepath").ends_with("t1.json"));
    assert_eq!(label(&found.targets[0], "job"), "x");

    // Half written: the last good list of that file counts, and the others go on changing.
    write("t1.json", r#"[{"targets": ["c:1""#);
    write("t2.json", r#"[{"targets": ["d:1", "h/m"]}]"#);
    let found = find();
    assert_eq!(instances(&found), ["10.0.0.9:1", "b:1", "d:1", "a:2"]);
    assert_eq!(found.problems.len(), 2, "{found:?}");
    assert!(found.problems[0].kept.is_some() && found.problems[1].reason == "bad_target");
    // Not read again, and told again.
    assert_eq!(find().problems.len(), 2);
    std::fs::remove_file(at("t1.json")).unwrap();
    write("t2.json", "[]");
    check(&find(), &["a:2"]);
}

/// Kubernetes swaps a folder by a symbolic link.
#[test]
fn files_behind_links_are_noticed() {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, target) in [("v1", "a:1"), ("v2", "b:1")] {
        std::fs::create_dir(at(version)).unwrap();
        let text = format!("- targets: ['{target}']\n");
        std::fs::write(at(version).join("t.yaml"), text).unwrap();
    }
    std::os::unix::fs::symlink("v1", at("data")).unwrap();
    std::os::unix::fs::symlink("data/t.yaml", at("t.yaml")).unwrap();
    let discovery = of_files(&[&at("t.yaml")]);
    check(&runtime.block_on(discovery.find()), &["a:1"]);
    std::os::unix::fs::symlink("v2", at("new")).unwrap();
    std::fs::rename(at("new"), at("data")).unwrap();
    check(&runtime.block_on(discovery.find()), &["b:1"]);
}

fn of_list(url: &str, refresh_interval: Duration, client: ClientSettings) -> Discovery {
    let source = HttpSource { url: Url::parse(url).unwrap(), refresh_interval, client };
    let plan = Plan { metrics_path: "/m".to_owned(), ..Plan::one(Source::Http(Box::new(source))) };
    Discovery::new(plan, &tools(Resolver::system(DnsOptions::default())))
}

#[test]
fn servers_list_targets() {
    let list = FakeTarget::start(|peer| {
        let json = "Content-Type: application/json; charset=utf-8\r\n";
        match peer.nth {
            0 => peer.answer(
                "200 OK",
                json,
                r#"[{"targets": ["b:1", "a:1"], "labels": {"__meta_x": "y"}}]"#,
            ),
            1 => peer.answer("200 OK", "Content-Type: text/html\r\n", "[]"),
            2 => peer.answer("500 Internal Server Error", json, "[]"),
            3 => peer.answer("200 OK", json, r#"[{"targets": ["#),
            _ => peer.answer("200 OK", json, "[]"),
        }
    });
    let runtime = runtime();
    let no_time = Duration::from_nanos(1);
    let discovery = of_list(&list.url(), no_time, ClientSettings::default());
    let find = || runtime.block_on(discovery.find());
    let found = find();
    check(&found, &["a:1", "b:1"]);
    assert_eq!(label(&found.targets[0], "__meta_url"), list.url());
    assert_eq!(label(&found.targets[0], "__meta_x"), "y");
    assert_eq!(found.targets[0].target.to_string(), "http://a:1/m");
    for part in ["content type", "500", "line 1"] {
        let found = find();
        assert_eq!(instances(&found), ["a:1", "b:1"]);
        let problem = &found.problems[0];
        assert!(problem.message.contains(part) && problem.kept.is_some(), "{problem:?}");
    }
    check(&find(), &[]);
    let head = &list.seen().heads[0];
    assert!(head.contains("accept: application/json\r\n"), "{head}");
    assert!(head.contains("x-prometheus-refresh-interval-seconds: "), "{head}");
}

#[test]
fn a_list_is_asked_for_once_an_interval() {
    let list = FakeTarget::start(|peer| {
        peer.answer("200 OK", "Content-Type: application/json\r\n", r#"[{"targets": ["a:1"]}]"#);
    });
    let runtime = runtime();
    let hour = Duration::from_hours(1);
    let discovery = of_list(&list.url(), hour, ClientSettings::default());
    for _ in 0..3 {
        check(&runtime.block_on(discovery.find()), &["a:1"]);
    }
    assert_eq!(list.seen().heads.len(), 1);
    // Until it was good once it is asked for each time.
    let nobody = of_list("http://127.0.0.1:1/", hour, ClientSettings::default());
    let found = runtime.block_on(nobody.find());
    assert_eq!((found.problems[0].reason, found.problems[0].kept), ("http", None));
}

#[test]
fn targets_have_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.json");
    let names: Vec<_> = (0..TARGETS_MAX + 5).map(|n| format!("\"h{n}:1\"")).collect();
    std::fs::write(&path, format!("[{{\"targets\": [{}]}}]", names.join(","))).unwrap();
    let found = runtime().block_on(of_files(&[&path]).find());
    assert_eq!(found.targets.len(), TARGETS_MAX);
    assert_eq!(found.problems[0].reason, "too_many_targets");
}

/// A real DNS server, whose answers change from scrape to scrape.
#[tokio::test]
async fn dnsmasq_is_followed_from_scrape_to_scrape() {
    let hosts = "10.0.0.1 web.ns.test\n10.0.0.2 web.ns.test\nfd00::2 web.ns.test\n\
                 10.0.0.7 db-0.test\n10.0.0.8 db-1.test\n";
    let services = [
        "--srv-host=_metrics._tcp.db.test,db-0.test,9187",
        "--srv-host=_metrics._tcp.db.test,db-1.test,9188",
    ];
    let Some(mut dnsmasq) = Dnsmasq::start(hosts, &services) else { return };
    let discovery = |upstream: &str| {
        let (config, system) = config_of(dnsmasq.address, &["ns.test", "test"]);
        // Patient: how long an answer takes is not what is tested.
        let options = DnsOptions { time_max: Duration::from_secs(10), ..options(DnsFamily::Auto) };
        let resolver = Resolver::with_config(config, system, options);
        Discovery::new(Plan::one(Source::parse(upstream).unwrap()), &tools(resolver))
    };
    // By search domain; the address of the other family is not another target.
    let web = discovery("dns+http://web:81/m");
    check(&web.find().await, &["10.0.0.1:81", "10.0.0.2:81"]);
    let db = discovery("dnssrv+http://_metrics._tcp.db.test/metrics");
    check(&db.find().await, &["10.0.0.7:9187", "10.0.0.8:9188"]);
    let named = discovery("dnssrvnoa+http://_metrics._tcp.db.test/metrics");
    check(&named.find().await, &["db-0.test:9187", "db-1.test:9188"]);
    // A whole name from here on: of the bare one this server knows nothing, and refuses to tell.
    let web = discovery("dns+http://web.ns.test.:81/m");
    let nobody = discovery("dns+http://nobody.test.:81/m");
    check(&nobody.find().await, &[]);

    dnsmasq.rewrite("10.0.0.2 web.ns.test\n10.0.0.3 web.ns.test\n10.0.0.9 nobody.test\n");
    until(&web, &["10.0.0.2:81", "10.0.0.3:81"]).await;
    check(&nobody.find().await, &["10.0.0.9:81"]);
    dnsmasq.rewrite("");
    until(&web, &[]).await;

    dnsmasq.rewrite("10.0.0.4 web.ns.test\n");
    until(&web, &["10.0.0.4:81"]).await;
    dnsmasq.stop();
    // Nobody answers: the last answer stands, and it is said.
    let found = web.find().await;
    assert_eq!(instances(&found), ["10.0.0.4:81"]);
    assert!(!found.problems.is_empty());
}

/// Ask until the answer is this one, as what a server reads again it reads when it likes.
async fn until(discovery: &Discovery, expect: &[&str]) {
    let patience = tokio::time::Instant::now() + crate::support::PATIENCE;
    loop {
        let found = discovery.find().await;
        if instances(&found) == expect {
            return check(&found, expect);
        }
        assert!(tokio::time::Instant::now() < patience, "{found:?} is not {expect:?}");
        tokio::task::yield_now().await;
    }
}
