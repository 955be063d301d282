//! weir scrapes on its own clock and sends what it finds.

use super::receiver::Got;
use super::receiver::Receiver;
use super::start;
use crate::cli::Process;
use crate::support::FakeTarget;
use crate::wire::OwnedSeries;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use weir::app::gate;
use weir::app::gate::GateConfig;
use weir::config::file;
use weir::http::proxy::ProxySettings;
use weir::wire::STALE_MARKER_BITS;

fn name(series: &OwnedSeries) -> &[u8] {
    label(series, "__name__")
}

fn label<'a>(series: &'a OwnedSeries, name: &str) -> &'a [u8] {
    let found = series.labels.iter().find(|(known, _)| known == name.as_bytes());
    found.map_or(b"", |(_, value)| value)
}

/// The values of a series in order of arrival, as bits.
fn values(got: &[Got], wanted: &str) -> Vec<u64> {
    let all = got.iter().flat_map(|got| &got.message.series);
    let found = all.filter(|series| name(series) == wanted.as_bytes());
    found.flat_map(|series| series.samples.iter().map(|s| s.value.to_bits())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_scraped_is_sent_and_ends_with_stale_markers() {
    let target = FakeTarget::start(|peer| match peer.nth {
        0 | 1 => peer.ok(
            "# HELP kept It stays.\n# TYPE kept counter\nkept{job=\"theirs\",x=\"a\\\"b\"} 5\n\
             gone 7\nown 1 1600000000000\nsecret 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\n\
             h_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n",
        ),
        2 => peer.ok("# TYPE kept counter\nkept{job=\"theirs\",x=\"a\\\"b\"} 6\n"),
        _ => peer.answer("500 Internal Server Error", "", "broken"),
    });
    let receiver = Receiver::accepting();
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "data_dir: {}\nscrape_interval: 100ms\nscrape_timeout: 10s\n\
         upstreams: [{{url: '{}'}}]\nremote_write:\n- url: '{}'\n\
         \x20 protobuf_message: io.prometheus.write.v2.Request\n\
         \x20 write_relabel_configs: [{{action: drop, source_labels: [__name__], regex: secret}}]\n\
         \x20 queue_config: {{batch_send_deadline: 20ms}}\n",
        dir.path().display(),
        target.url(),
        receiver.url()
    );
    let config = file::parse("weir.yaml", &text, Path::new("/")).unwrap();
    let settings = config.remote_write.iter().map(|one| one.settings.clone()).collect();
    let all = start(dir.path(), settings).await;
    let mut gate = GateConfig::new(&config, &ProxySettings::default()).unwrap();
    gate.destinations = Some(Arc::clone(&all));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(gate::run(gate, listener, async { drop(stopped.await) }));
    let down = 0_f64.to_bits();
    tokio::task::spawn_blocking(move || {
        receiver.wait_until(|got| values(got, "up").contains(&down));
        receiver.got()
    })
    .await
    .map(|got| check(&got, &target.address.to_string()))
    .unwrap();
    stop.send(()).unwrap();
    running.await.unwrap();
    all.drain(Duration::from_secs(20)).await;
}

/// The start timestamps that arrive, by name of the series, of what one scrape brings.
fn starts(page: &'static str, message: &str) -> BTreeMap<String, i64> {
    let head = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    let target = FakeTarget::start(move |peer| peer.answer("200 OK", head, page));
    let receiver = Receiver::accepting();
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "listen_address: 127.0.0.1:0\ndata_dir: {}\nscrape_interval: 200ms\n\
         upstreams: [{{url: '{}'}}]\nremote_write:\n- url: '{}'\n  protobuf_message: {message}\n\
         \x20 queue_config: {{batch_send_deadline: 20ms}}\n",
        dir.path().display(),
        target.url(),
        receiver.url()
    );
    let file = dir.path().join("weir.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let _weir = Process::start(command.arg("--config").arg(&file));
    receiver.wait_until(|got| values(got, "up").len() > 1);
    let got = receiver.got();
    let all = got.iter().flat_map(|got| &got.message.series);
    let of = |series: &OwnedSeries| {
        let name = String::from_utf8(name(series).to_vec()).unwrap();
        (name, series.samples[0].start_timestamp_ms)
    };
    all.map(of).filter(|(_, start)| *start != 0).collect()
}

#[test]
fn what_created_says_is_the_start() {
    const PAGE: &str = "# TYPE c counter\nc_total{a=\"1\"} 5\nc_created{a=\"1\"} 1600000000.25\n\
        c_total{a=\"2\"} 5\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_count 3\nh_sum 4\n\
        h_created 1600000000\n# TYPE never counter\nnever_total 1\nnever_created 0\n\
        # TYPE later counter\nlater_total 1\nlater_created 9e15\n# TYPE g gauge\ng 1\n# EOF\n";
    let found = starts(PAGE, "io.prometheus.write.v2.Request");
    let want = [
        ("c_total", 1_600_000_000_250),
        ("h_bucket", 1_600_000_000_000),
        ("h_count", 1_600_000_000_000),
        ("h_sum", 1_600_000_000_000),
    ];
    assert_eq!(found, want.map(|(name, start)| (name.to_owned(), start)).into());
    assert_eq!(starts(PAGE, "prometheus.WriteRequest"), BTreeMap::new());
}

fn check(got: &[Got], instance: &str) {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let stale = f64::from_bits(STALE_MARKER_BITS);
    assert_eq!(values(got, "kept"), bits(&[5.0, 5.0, 6.0, stale]));
    assert_eq!(values(got, "gone"), bits(&[7.0, 7.0, stale]));
    assert_eq!(values(got, "own"), bits(&[1.0, 1.0]), "it brings its own time");
    assert_eq!(values(got, "secret"), [0; 0]);
    assert_eq!(values(got, "h_sum"), bits(&[4.0, 4.0, stale]));
    assert_eq!(values(got, "up")[..4], bits(&[1.0, 1.0, 1.0, 0.0]));
    let all: Vec<_> = got.iter().flat_map(|got| &got.message.series).collect();
    let bounds: Vec<_> = all.iter().filter(|series| name(series) == b"h_bucket").collect();
    assert_eq!(label(bounds[0], "le"), b"1");
    assert!(bounds.iter().any(|series| label(series, "le") == b"+Inf"));
    for series in &all {
        assert_eq!(label(series, "job"), b"weir");
        assert_eq!(label(series, "instance"), instance.as_bytes());
        assert!(series.labels.is_sorted());
    }
    let kept = all.iter().find(|series| name(series) == b"kept").unwrap();
    assert_eq!((label(kept, "exported_job"), label(kept, "x")), (&b"theirs"[..], &b"a\"b"[..]));
    assert_eq!(kept.metadata.help, b"It stays.");
    let own = all.iter().find(|series| name(series) == b"own").unwrap();
    assert_eq!(own.samples[0].timestamp_ms, 1_600_000_000_000);
}
