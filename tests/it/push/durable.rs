//! What was acknowledged is there again: after an orderly end, after `kill -9`, after a snapshot.

use crate::push::beside::Weir;
use crate::push::proxy::{TestProxy, send};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Clients that push at the same time.
const N_CLIENTS: usize = 8;
/// How often weir is killed, if the environment does not say otherwise.
const N_ROUNDS: usize = 2;

#[test]
fn what_was_pushed_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "{utf8_names: true, policies: [{job: sum, aggregate: last}, {job: short, time_to_live: 1h}]}";
    let before = {
        let proxy = TestProxy::start_in(Some(directory.path()), settings);
        proxy.check("PUT", "/metrics/job/x/instance/i", "a 1\nb{l=\"q\\\"\\\\\\n\"} 2\n", 200, "");
        proxy.check(
            "POST",
            "/metrics/job/x/instance/i",
            "# HELP b h\n# TYPE b gauge\nb 3\n",
            200,
            "",
        );
        proxy.check("POST", "/metrics/job/sum", "# TYPE c counter\nc 2\n", 200, "");
        proxy.check("POST", "/metrics/job/sum", "# TYPE c counter\nc 3\n", 200, "");
        proxy.check("PUT", "/metrics/job/gone", "g 1\n", 200, "");
        proxy.check("DELETE", "/metrics/job/gone", "", 202, "");
        proxy.check("PUT", "/metrics/job/short/U__a_2e_b/v", "{\"s.t\"} 1\n", 200, "");
        proxy.check("PUT", "/metrics/job/bad", "g 1 5\n", 400, "");
        let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 3\nh_count 4\n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n";
        proxy.check("PUT", "/metrics/job/h", body, 200, "");
        proxy.get("/api/v1/metrics").text().to_owned()
    };
    assert!(before.contains("\"c\":{") && before.contains("s.t"), "{before}");
    for _ in 0..2 {
        let proxy = TestProxy::start_in(Some(directory.path()), settings);
        assert_eq!(proxy.get("/api/v1/metrics").text(), before);
    }
}

#[test]
fn a_directory_has_one_weir() {
    let directory = tempfile::tempdir().unwrap();
    let _proxy = TestProxy::start_in(Some(directory.path()), "{}");
    let error = TestProxy::try_start(Some(directory.path()), "{}").map(|_| ()).unwrap_err();
    assert!(error[0].contains("another process has this queue"), "{error:?}");
}

/// A weir of its own process; when it is dropped it gets a SIGKILL.
fn weir_in(data_dir: &Path) -> Weir {
    Weir::start(data_dir, &format!("data_dir: {}\npush: {{}}\n", data_dir.display()))
}

/// Push rising numbers to groups of one's own until weir is gone; gives the last acknowledged.
fn push_until_gone(address: SocketAddr, client: usize, from: u64, is_over: &AtomicBool) -> u64 {
    let path = format!("/metrics/job/k/client/{client}");
    let mut last = from;
    while !is_over.load(Ordering::Relaxed) {
        let body = format!("n {}\n", last + 1);
        match send(address, "PUT", &path, "", body.as_bytes()) {
            Some(reply) if reply.status == 200 => last += 1,
            Some(reply) => panic!("{}: {}", reply.status, reply.text()),
            None => break,
        }
    }
    last
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let n_rounds = std::env::var_os("WEIR_KILL9_ROUNDS").and_then(|n| n.to_str()?.parse().ok());
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; N_CLIENTS];
    for round in 0..n_rounds.unwrap_or(N_ROUNDS) {
        let weir = weir_in(directory.path());
        let (address, is_over) = (weir.address, Arc::new(AtomicBool::new(false)));
        let clients: Vec<_> = (0..N_CLIENTS)
            .map(|client| {
                let (from, is_over) = (acknowledged[client], Arc::clone(&is_over));
                std::thread::spawn(move || push_until_gone(address, client, from, &is_over))
            })
            .collect();
        // Not for synchronisation: some work has to be under way when the end comes.
        std::thread::sleep(Duration::from_millis(100 + 97 * (round as u64 % 7)));
        drop(weir);
        is_over.store(true, Ordering::Relaxed);
        for (client, thread) in clients.into_iter().enumerate() {
            acknowledged[client] = thread.join().unwrap();
        }
        let again = weir_in(directory.path());
        let text = send(again.address, "GET", "/metrics", "", b"").unwrap();
        for (client, number) in acknowledged.iter_mut().enumerate() {
            let series = format!("n{{client=\"{client}\",instance=\"\",job=\"k\"}} ");
            let value = text.text().lines().find_map(|line| line.strip_prefix(&series));
            let is: u64 = value.unwrap_or("0").parse().unwrap();
            // What was not answered may be there as well.
            assert!(is == *number || is == *number + 1, "{client}: {is} of {number}");
            *number = is;
        }
    }
    assert!(acknowledged.iter().sum::<u64>() > 0);
}
