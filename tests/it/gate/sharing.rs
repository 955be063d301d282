//! Many clients, one target: one scrape at a time, all answered alike, none left running.

use crate::support::{FakeTarget, PATIENCE, Peer, TestGate, get, request};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use weir::app::options::Options;
use weir::config::file::limits::Limits;
use weir::http::server::Drain;

/// Holds fake targets back until the test lets them go on.
#[derive(Default)]
struct Latch {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Latch {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let is_open = self.is_open.lock().unwrap();
        let waited = self.opened.wait_timeout_while(is_open, PATIENCE, |is_open| !*is_open);
        assert!(!waited.unwrap().1.timed_out());
    }
}

/// A target that answers once the latch opens, each time with the number of the request.
fn held_back() -> (FakeTarget, Arc<Latch>) {
    let latch = Arc::new(Latch::default());
    let held = Arc::clone(&latch);
    let target = FakeTarget::start(move |peer| {
        held.wait();
        peer.ok(format!("nth {}\n", peer.nth));
    });
    (target, latch)
}

/// FIX-H7: requests at the same time cost one scrape, and get the same answer.
#[test]
fn fix_h7_concurrent_requests_share_one_scrape() {
    let (target, latch) = held_back();
    let gate = TestGate::new(&target.url(), "");
    let address = gate.address;
    let askers: Vec<_> =
        (0..50).map(|_| std::thread::spawn(move || get(address, "/metrics"))).collect();
    gate.wait_for_metric("weir_http_connections", "51");
    target.wait_until(|seen| seen.n_active == 1);
    latch.open();
    let texts: BTreeSet<_> =
        askers.into_iter().map(|asker| asker.join().unwrap().text().to_owned()).collect();
    // A connection may be open before its request was read, and then begin the next scrape.
    assert!(texts.len() <= 2, "{texts:?}");
    assert_eq!(target.seen().n_active_max, 1);
    assert_eq!(gate.get("/metrics").text(), format!("nth {}\n", texts.len()));
}

/// FIX-H6: the scrape ends when the last client that waits for it goes away.
#[test]
fn fix_h6_a_client_that_goes_away_ends_its_scrape() {
    let target = FakeTarget::start(|peer| match peer.nth {
        0 => peer.hang(),
        _ => peer.ok("a 1\n"),
    });
    let gate = TestGate::new(&target.url(), "");
    let mut first = TcpStream::connect(gate.address).unwrap();
    let mut second = first.try_clone().and_then(|_| TcpStream::connect(gate.address)).unwrap();
    for client in [&mut first, &mut second] {
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: weir\r\n\r\n").unwrap();
    }
    target.wait_until(|seen| seen.n_active == 1);
    gate.wait_for_metric("weir_scrapes_shared_total", "0");
    drop(first);
    drop(second);
    target.wait_until(|seen| seen.n_gone == 1);
    gate.wait_for_metric("weir_scrapes_cancelled_total", "1");
    // The next request is not held up by what was given up.
    assert_eq!(gate.get("/metrics").text(), "a 1\n");
}

/// FIX-H6: the asker's time, less a margin, bounds the scrape.
#[test]
fn fix_h6_the_askers_time_bounds_the_scrape() {
    let target = FakeTarget::start(Peer::hang);
    let gate = TestGate::new(&target.url(), "");
    let reply = gate.ask("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.5\r\n");
    assert_eq!(reply.status, 504);
    assert!(reply.text().contains("timed out after 0.5 s"), "{}", reply.text());
    assert!(target.seen().heads[0].contains("x-prometheus-scrape-timeout-seconds: 0.4"));
    target.wait_until(|seen| seen.n_gone == 1);
}

/// FIX-F4: without a word from the asker it is `--scrape-timeout`.
#[test]
fn fix_f4_the_flag_bounds_the_scrape() {
    let target = FakeTarget::start(Peer::hang);
    let gate = TestGate::start(&Options {
        upstreams: vec![target.url()],
        scrape_timeout: Some(Duration::from_millis(300)),
        ..Options::default()
    });
    assert_eq!(gate.get("/metrics").status, 504);
    let reply = gate.ask("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 30\r\n");
    assert_eq!(reply.status, 504);
}

/// Series of each body in the test of many clients.
const N_SERIES: usize = 2000;

/// All series of one generation: one value in all, and the tenth that is new with it.
#[track_caller]
fn check_whole(text: &str) {
    let samples: Vec<_> = text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    assert_eq!(samples.len(), N_SERIES);
    let generation = samples[0].1;
    assert!(samples.iter().all(|(_, value)| *value == generation), "two generations in one body");
    let pod = format!("pod=\"{generation}\"");
    let n_new = samples.iter().filter(|(series, _)| series.contains(&pod)).count();
    assert_eq!(n_new, if generation == "0" { N_SERIES } else { N_SERIES / 10 });
}

/// The sum of one generation, which is a multiple of the number of series.
#[track_caller]
fn check_sum(text: &str) {
    let value: f64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    assert!((value % 2000.0).abs() < 1e-9, "{text}");
}

/// FIX-E9: two hundred clients during churn see only whole and consistent bodies.
#[test]
fn fix_e9_two_hundred_clients_see_only_whole_bodies() {
    const N_CLIENTS: usize = 200;
    // Each body holds one generation: other series, and one value in all of them.
    let target = FakeTarget::start(|peer| {
        let generation = peer.nth;
        let lines = (0..N_SERIES).map(|n| {
            let churned = if n % 10 == 0 { generation } else { 0 };
            format!("m{{n=\"{n}\",pod=\"{churned}\"}} {generation}\n")
        });
        peer.ok(lines.collect::<String>());
    });
    let gate = TestGate::new(
        &target.url(),
        "{metric_relabel_configs: [], sum: [{action: labeldrop, regex: n|pod}]}",
    );
    assert_eq!(gate.get("/metrics").status, 200);
    let address = gate.address;
    let clients: Vec<_> = (0..N_CLIENTS)
        .map(|nth| {
            std::thread::spawn(move || {
                for _ in 0..3 {
                    match nth % 4 {
                        0 => check_sum(get(address, "/metrics/sum").text()),
                        _ => check_whole(get(address, "/metrics").text()),
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(target.seen().n_active_max, 1);
}

/// FIX-H8: what is under way is finished, new connections are not taken, and the end is clean.
#[test]
fn fix_h8_requests_under_way_are_finished() {
    let (target, latch) = held_back();
    let mut gate = TestGate::new(&target.url(), "");
    let address = gate.address;
    let asker = std::thread::spawn(move || get(address, "/metrics"));
    let mut idle = TcpStream::connect(address).unwrap();
    idle.set_read_timeout(Some(PATIENCE)).unwrap();
    // One that was not accepted yet would be reset.
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: weir\r\n\r\n").unwrap();
    idle.read_exact(&mut [0; 15]).unwrap();
    target.wait_until(|seen| seen.n_active == 1);
    gate.begin_stop();
    // An idle connection is closed at once, which tells that the drain has begun.
    idle.read_to_end(&mut Vec::new()).unwrap();
    assert!(TcpStream::connect(address).is_err());
    latch.open();
    assert_eq!(asker.join().unwrap().text(), "nth 0\n");
    assert_eq!(gate.stop(), Drain::Complete);
}

/// FIX-H8: half a request is nobody's answer, and holds up nothing.
#[test]
fn fix_h8_half_a_head_does_not_hold_the_drain() {
    let (target, latch) = held_back();
    let mut gate = TestGate::new(&target.url(), "");
    let address = gate.address;
    let mut fresh = TcpStream::connect(address).unwrap();
    fresh.write_all(b"GET /metrics HT").unwrap();
    let mut kept = TcpStream::connect(address).unwrap();
    kept.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: weir\r\n\r\n").unwrap();
    kept.read_exact(&mut [0; 15]).unwrap();
    kept.write_all(b"GET /metrics HT").unwrap();
    // Behind a request that is being answered stands half of another.
    let mut asker = TcpStream::connect(address).unwrap();
    asker.write_all(b"GET /metrics HTTP/1.1\r\nHost: weir\r\n\r\nGET /-/he").unwrap();
    target.wait_until(|seen| seen.n_active == 1);
    gate.begin_stop();
    for mut half in [fresh, kept] {
        half.set_read_timeout(Some(PATIENCE / 3)).unwrap();
        // Closed with bytes unread, which some systems tell with a reset.
        match half.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    latch.open();
    assert_eq!(crate::support::read_reply(&mut asker).text(), "nth 0\n");
    assert_eq!(gate.stop(), Drain::Complete);
}

/// FIX-H8: an answer that is on its way when the drain begins comes whole.
#[test]
fn fix_h8_an_answer_being_sent_is_finished() {
    const N_SERIES: usize = 200_000;
    let lines = (0..N_SERIES).map(|n| format!("m{{n=\"{n}\"}} {n}\n")).collect::<Vec<_>>().concat();
    let target = FakeTarget::start(move |peer| peer.ok(&lines));
    let mut gate = TestGate::new(&target.url(), "");
    let mut slow = TcpStream::connect(gate.address).unwrap();
    let mut idle = TcpStream::connect(gate.address).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: weir\r\n\r\n").unwrap();
    let mut begun = [0; 15];
    slow.read_exact(&mut begun).unwrap();
    gate.begin_stop();
    assert_eq!(idle.read(&mut [0; 16]).unwrap(), 0);
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the last chunk is missing");
    assert_eq!(gate.stop(), Drain::Complete);
}

#[test]
fn fix_h8_the_drain_has_an_end() {
    let target = FakeTarget::start(Peer::hang);
    let mut gate = TestGate::start(&Options {
        upstreams: vec![target.url()],
        limits: Limits { drain_time_max: Duration::from_millis(100), ..Limits::default() },
        ..Options::default()
    });
    let mut client = TcpStream::connect(gate.address).unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: weir\r\n\r\n").unwrap();
    target.wait_until(|seen| seen.n_active == 1);
    gate.begin_stop();
    assert_eq!(gate.stop(), Drain::OutOfTime { n_connections: 1 });
}

/// FIX-H9: connections have a limit, and who comes too many is told.
#[test]
fn fix_h9_connections_are_limited() {
    let target = FakeTarget::text("a 1\n");
    let gate = TestGate::start(&Options {
        upstreams: vec![target.url()],
        limits: Limits { connections_max: 2, ..Limits::default() },
        ..Options::default()
    });
    let mut kept: Vec<_> = (0..2).map(|_| TcpStream::connect(gate.address).unwrap()).collect();
    // An answer on both: they are accepted.
    for client in &mut kept {
        client.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: weir\r\n\r\n").unwrap();
        client.read_exact(&mut [0; 15]).unwrap();
    }
    let mut third = TcpStream::connect(gate.address).unwrap();
    let reply = crate::support::read_reply(&mut third);
    assert_eq!((reply.status, reply.text()), (503, "too many connections\n"));
    drop(kept);
    // Places come free again.
    while request_is_refused(&gate) {
        std::thread::yield_now();
    }
    assert_ne!(gate.own_metric("weir_limit_refusals_total{limit=\"connections\"}"), "0");
}

fn request_is_refused(gate: &TestGate) -> bool {
    let mut client = TcpStream::connect(gate.address).unwrap();
    drop(client.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"));
    let mut answer = String::new();
    client.read_to_string(&mut answer).is_err() || !answer.starts_with("HTTP/1.1 200")
}

/// FIX-H9: a client that does not finish its request is cut off, and counted.
#[test]
fn fix_h9_slow_requests_are_cut_off() {
    let target = FakeTarget::text("a 1\n");
    let gate = TestGate::start(&Options {
        upstreams: vec![target.url()],
        limits: Limits { header_time_max: Duration::from_millis(100), ..Limits::default() },
        ..Options::default()
    });
    let mut client = TcpStream::connect(gate.address).unwrap();
    client.write_all(b"GET /metrics HT").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    gate.wait_for_metric("weir_limit_refusals_total{limit=\"header_time\"}", "1");
    // An idle connection is closed as well, but is nobody's fault.
    let mut idle = TcpStream::connect(gate.address).unwrap();
    idle.set_read_timeout(Some(PATIENCE)).unwrap();
    idle.read_to_end(&mut answer).unwrap();
    assert_eq!(gate.own_metric("weir_limit_refusals_total{limit=\"header_time\"}"), "1");
}

#[test]
fn a_huge_request_head_is_refused() {
    let target = FakeTarget::text("a 1\n");
    let gate = TestGate::new(&target.url(), "");
    let mut client = TcpStream::connect(gate.address).unwrap();
    let head = format!("GET /metrics HTTP/1.1\r\nHost: weir\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    drop(client.write_all(head.as_bytes()));
    let mut answer = Vec::new();
    drop(client.read_to_end(&mut answer));
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(request(gate.address, "GET", "/-/healthy", "").status, 200);
}
