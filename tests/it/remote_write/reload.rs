//! Destinations come, go and change by a reload, and nothing acknowledged is lost on the way.

use super::append;
use super::batches;
use super::pairs;
use super::receiver::Got;
use super::receiver::Receiver;
use super::receiver::Reply;
use super::series;
use super::settings;
use super::start;
use crate::cli::Process;
use crate::receive::support::push;
use crate::support::FakeTarget;
use crate::support::request;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use weir::http::Url;
use weir::remote_write::AppendError;
use weir::remote_write::Destinations;
use weir::remote_write::Settings;
use weir::remote_write::StartError;
use weir::wire::Version;

fn named(name: &str, url: Url) -> Settings {
    Settings { name: Some(name.to_owned()), ..settings(url) }
}

async fn reload(all: &Destinations, settings: Vec<Settings>) {
    let before = all.reload(settings).await.unwrap();
    all.dismiss(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_same_goes_on_undisturbed() {
    let dir = tempfile::tempdir().unwrap();
    let receivers = [Receiver::accepting(), Receiver::accepting()];
    let kept = named("kept", receivers[0].url());
    let all = start(dir.path(), vec![kept.clone()]).await;
    let before = Arc::clone(&all.list()[0]);
    append(&before, &[series("a", 1.0)]).await;
    reload(&all, vec![named("new", receivers[1].url()), kept]).await;
    let names: Vec<_> = all.list().iter().map(|one| one.name().to_owned()).collect();
    assert_eq!(names, ["new", "kept"]);
    assert!(Arc::ptr_eq(&before, &all.list()[1]));
    append(&before, &[series("a", 2.0)]).await;
    append(&all.list()[0], &[series("b", 3.0)]).await;
    tokio::task::spawn_blocking(move || {
        receivers[0].wait_for(2);
        receivers[1].wait_for(1);
        assert_eq!(receivers[0].accepted(), pairs(&[("a", 1.0), ("a", 2.0)]));
        assert_eq!(receivers[1].accepted(), pairs(&[("b", 3.0)]));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_goes_on_with_the_same_queue() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Receiver::start(|_, _| Reply::Status("503 Service Unavailable", ""));
    let well = Receiver::accepting();
    let all = start(dir.path(), vec![named("moved", broken.url())]).await;
    let before = Arc::clone(&all.list()[0]);
    for value in [1.0, 2.0] {
        append(&before, &[series("a", value)]).await;
    }
    let broken = tokio::task::spawn_blocking(move || {
        broken.wait_until(|got| !got.is_empty());
        broken
    });
    let broken = broken.await.unwrap();
    reload(&all, vec![named("moved", well.url())]).await;
    // Who still has the one before appends to the same queue.
    append(&before, &[series("a", 3.0)]).await;
    append(&all.list()[0], &[series("a", 4.0)]).await;
    let (accepted, n_tried) = tokio::task::spawn_blocking(move || {
        well.wait_for(4);
        (well.accepted(), broken.got().len())
    })
    .await
    .unwrap();
    assert_eq!(accepted, pairs(&[("a", 1.0), ("a", 2.0), ("a", 3.0), ("a", 4.0)]));
    assert!(n_tried >= 1);
    let status = all.status();
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].last_error, None);
    let metrics = all.metrics().encode();
    let shown = metrics.lines().filter(|line| line.starts_with("weir_remote_storage_shards{"));
    assert_eq!(shown.count(), 1, "{metrics}");
    all.drain(Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_keeps_its_queue_and_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Receiver::start(|_, _| Reply::Status("503 Service Unavailable", ""));
    let all = start(dir.path(), vec![named("gone", broken.url())]).await;
    let before = Arc::clone(&all.list()[0]);
    append(&before, &[series("a", 1.0)]).await;
    reload(&all, Vec::new()).await;
    assert!(all.list().is_empty() && all.status().is_empty());
    let closed = before.append(batches(&before, &[series("a", 2.0)])).await;
    assert_eq!(closed, Err(AppendError::Closed));
    let well = Receiver::accepting();
    // Once whoever had the queue has left it.
    reload(&all, vec![named("gone", well.url())]).await;
    append(&all.list()[0], &[series("a", 3.0)]).await;
    tokio::task::spawn_blocking(move || {
        well.wait_for(2);
        assert_eq!(well.accepted(), pairs(&[("a", 1.0), ("a", 3.0)]));
    })
    .await
    .unwrap();
    let metrics = all.metrics().encode();
    let shown = metrics.lines().filter(|line| line.starts_with("weir_remote_storage_shards{"));
    assert_eq!(shown.count(), 1, "what is gone is shown no more: {metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::accepting();
    let kept = named("kept", receiver.url());
    let all = start(dir.path(), vec![kept.clone()]).await;
    let before = Arc::clone(&all.list()[0]);
    let changed = Settings { send_exemplars: true, ..kept };
    std::fs::write(dir.path().join("queues/blocked"), "no folder").unwrap();
    let blocked = named("blocked", receiver.url());
    let refused = all.reload(vec![changed.clone(), blocked]).await;
    assert!(matches!(refused, Err(StartError::Directory { .. })), "{refused:?}");
    let refused = all.reload(vec![changed.clone(), changed]).await;
    assert!(matches!(refused, Err(StartError::SameName { .. })), "{refused:?}");
    assert!(Arc::ptr_eq(&before, &all.list()[0]));
    append(&before, &[series("a", 1.0)]).await;
    tokio::task::spawn_blocking(move || receiver.wait_for(1)).await.unwrap();
}

/// A weir whose configuration is written anew.
struct Reloading {
    folder: tempfile::TempDir,
    weir: Process,
}

fn write(folder: &Path, config: &str) {
    let data = folder.join("data");
    let config = format!(
        "listen_address: 127.0.0.1:0\nenable_reload: true\ndata_dir: {}\n{config}",
        data.display()
    );
    std::fs::write(folder.join("weir.yaml"), config).unwrap();
}

impl Reloading {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        let weir = Process::start(command.arg("--config").arg(folder.path().join("weir.yaml")));
        Self { folder, weir }
    }

    /// Write another configuration; the status of the reload.
    fn reload(&self, config: &str) -> u16 {
        write(self.folder.path(), config);
        request(self.weir.address, "POST", "/-/reload", "").status
    }
}

/// A block of `remote_write`.
fn block(to: &Receiver, more: &str) -> String {
    format!("- {{url: '{}', queue_config: {{batch_send_deadline: 20ms}}{more}}}\n", to.url())
}

const DROP_A: &str =
    ", write_relabel_configs: [{action: drop, source_labels: [__name__], regex: a}]";

#[test]
fn what_is_received_goes_where_the_new_configuration_says() {
    let [first, second] = [Receiver::accepting(), Receiver::accepting()];
    let head = "receive: {remote_write: {}}\nremote_write:\n";
    let reloading = Reloading::start(&format!("{head}{}", block(&first, "")));
    let send = |value: f64| {
        let all = [series("a", value), series("b", value)];
        assert_eq!(push(reloading.weir.address, Version::V1, &all, "").status, 204);
    };
    send(1.0);
    first.wait_for(2);
    // The first gets other rules, a second comes.
    let config = format!("{head}{}{}", block(&first, DROP_A), block(&second, ""));
    assert_eq!(reloading.reload(&config), 200);
    send(2.0);
    first.wait_for(3);
    second.wait_for(2);
    // The first goes.
    assert_eq!(reloading.reload(&format!("{head}{}", block(&second, ""))), 200);
    send(3.0);
    second.wait_for(4);
    assert_eq!(first.accepted(), pairs(&[("a", 1.0), ("b", 1.0), ("b", 2.0)]));
    assert_eq!(second.accepted(), pairs(&[("a", 2.0), ("b", 2.0), ("a", 3.0), ("b", 3.0)]));
    // What cannot be had is refused as a whole.
    std::fs::write(reloading.folder.path().join("data/queues/blocked"), "").unwrap();
    let blocked = block(&first, ", name: blocked");
    assert_eq!(reloading.reload(&format!("{head}{}{blocked}", block(&second, DROP_A))), 500);
    send(4.0);
    second.wait_for(6);
    assert_eq!(second.accepted()[4..], pairs(&[("a", 4.0), ("b", 4.0)]));
}

#[test]
fn what_is_scraped_goes_where_the_new_configuration_says() {
    let target = FakeTarget::start(|peer| peer.ok("a 1\nb 1\n"));
    let [first, second] = [Receiver::accepting(), Receiver::accepting()];
    let head = format!("scrape_interval: 100ms\nupstreams: [{{url: '{}'}}]\n", target.url());
    let reloading = Reloading::start(&head);
    // Nobody to send to yet; then one, then one with rules beside another.
    let with = |blocks: &[String]| format!("{head}remote_write:\n{}", blocks.concat());
    assert_eq!(reloading.reload(&with(&[block(&first, "")])), 200);
    first.wait_for(8);
    assert_eq!(reloading.reload(&with(&[block(&first, DROP_A), block(&second, "")])), 200);
    second.wait_for(8);
    first.wait_until(|got| {
        got.iter().flat_map(Got::samples).any(|(name, value)| name == "a" && value.is_nan())
    });
    let came: Vec<_> = first.accepted().into_iter().filter(|(name, _)| name == "a").collect();
    assert!(came[came.len() - 1].1.is_nan(), "a stale marker is the last of it: {came:?}");
}
