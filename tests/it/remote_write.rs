//! From an append to the destination, through the queue, whatever happens on the way.

mod compliance;
mod forward;
pub(crate) mod receiver;
mod reload;
mod through;

use crate::wire::OwnedMessage;
use crate::wire::OwnedSeries;
use receiver::Got;
use receiver::Receiver;
use receiver::Reply;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use weir::app::clock;
use weir::buffer::WhenFull;
use weir::http::Url;
use weir::http::proxy::ProxyRules;
use weir::remote_write::AppendError;
use weir::remote_write::Batch;
use weir::remote_write::Counts;
use weir::remote_write::Destination;
use weir::remote_write::Destinations;
use weir::remote_write::Settings;
use weir::remote_write::StartError;
use weir::remote_write::Surroundings;
use weir::wire::Sample;
use weir::wire::Version;
use weir::wire::snappy::Snappy;

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(20);

/// Settings that wait for nothing.
fn settings(url: Url) -> Settings {
    let mut settings = Settings::new(url);
    settings.queue.batch_send_deadline = SOON;
    settings.queue.max_backoff = SOON;
    settings
}

async fn try_start(dir: &Path, settings: Vec<Settings>) -> Result<Arc<Destinations>, StartError> {
    let surroundings = Surroundings {
        data_dir: dir.to_owned(),
        proxies: ProxyRules::default(),
        now_ms: clock::system_time_ms,
        random: || 100,
    };
    Destinations::start(settings, surroundings).await
}

async fn start(dir: &Path, settings: Vec<Settings>) -> Arc<Destinations> {
    try_start(dir, settings).await.unwrap()
}

fn series(name: &str, value: f64) -> OwnedSeries {
    OwnedSeries {
        labels: vec![(b"__name__".to_vec(), name.as_bytes().to_vec())],
        samples: vec![Sample { value, timestamp_ms: 1_700_000_000_000, start_timestamp_ms: 0 }],
        ..OwnedSeries::default()
    }
}

/// Write series as a destination wants them.
fn batches(destination: &Destination, all: &[OwnedSeries]) -> Vec<Batch> {
    let mut writer = destination.writer();
    for one in all {
        one.borrow(|series| writer.push(series));
    }
    writer.finish()
}

async fn append(destination: &Destination, all: &[OwnedSeries]) {
    destination.append(batches(destination, all)).await.unwrap();
}

fn pairs(samples: &[(&str, f64)]) -> Vec<(String, f64)> {
    samples.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_arrives() {
    for version in [Version::V1, Version::V2] {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::accepting();
        let all = start(dir.path(), vec![Settings { version, ..settings(receiver.url()) }]).await;
        append(&all.list()[0], &[series("a", 1.0), series("b", 2.0)]).await;
        receiver.wait_for(2);
        assert_eq!(receiver.accepted(), pairs(&[("a", 1.0), ("b", 2.0)]));
        assert_eq!(receiver.got()[0].version, version);
        all.drain(LONG).await;
        let status = &all.status()[0];
        assert_eq!((status.n_sent, status.n_failed, status.n_records), (2, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_taken_whole_is_sent_as_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::accepting();
    let all = start(dir.path(), vec![settings(receiver.url())]).await;
    let message = OwnedMessage { series: vec![series("a", 1.0)], ..OwnedMessage::default() };
    let mut body = Vec::new();
    Snappy::new().compress(&message.encode(Version::V1), &mut body).unwrap();
    let counts = Counts { n_series: 1, n_samples: 1, ..Counts::default() };
    let destination = &all.list()[0];
    assert!(destination.takes_whole(Version::V1, &counts));
    assert!(!destination.takes_whole(Version::V2, &counts));
    assert!(!destination.takes_whole(Version::V1, &Counts { n_exemplars: 1, ..counts }));
    assert!(!destination.takes_whole(Version::V1, &Counts { n_histograms: 1, ..counts }));
    assert!(!destination.takes_whole(Version::V1, &Counts { n_samples: 2001, ..counts }));
    destination.append(vec![Batch::whole(Version::V1, counts, body.clone().into())]).await.unwrap();
    receiver.wait_for(1);
    assert_eq!(receiver.got()[0].body, body);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_batches_are_sent_together_and_large_ones_apart() {
    for version in [Version::V1, Version::V2] {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(|nth, _| if nth == 0 { Reply::Hang } else { Reply::Accept });
        let mut one = Settings { version, ..settings(receiver.url()) };
        one.queue.samples_per_send_max = 4;
        one.queue.batch_send_deadline = Duration::from_millis(300);
        one.remote_timeout = Duration::from_millis(200);
        let all = start(dir.path(), vec![one]).await;
        let destination = &all.list()[0];
        let many: Vec<_> = (0..11_u32).map(|n| series("many", f64::from(n))).collect();
        // Cut by the writer.
        let cut = batches(destination, &many);
        assert_eq!(cut.iter().map(|batch| batch.counts.n_points()).collect::<Vec<_>>(), [4, 4, 3]);
        destination.append(cut).await.unwrap();
        // Merged by the sender.
        append(destination, &[series("few", 1.0)]).await;
        append(destination, &[series("few", 2.0)]).await;
        receiver.wait_for(13);
        let got = receiver.got();
        let sizes: Vec<_> = got[1..].iter().map(|got| got.samples().len()).collect();
        assert!(sizes.iter().all(|n| *n <= 4), "{sizes:?}");
        assert!(sizes.len() <= 6, "{sizes:?}");
        let many = receiver.accepted().into_iter().filter(|(name, _)| name == "many");
        assert!(many.is_sorted_by(|(_, a), (_, b)| a < b));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_succeed_later_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|nth, _| match nth {
        0 => Reply::Status("500 Internal Server Error", ""),
        1 => Reply::Status("429 Too Many Requests", "Retry-After: 1\r\n"),
        2 => Reply::Reset,
        3 => Reply::Status("503 Service Unavailable", "Retry-After: soon\r\n"),
        _ => Reply::Accept,
    });
    let all = start(dir.path(), vec![settings(receiver.url())]).await;
    let began = tokio::time::Instant::now();
    append(&all.list()[0], &[series("a", 1.0)]).await;
    append(&all.list()[0], &[series("b", 2.0)]).await;
    receiver.wait_for(2);
    assert!(began.elapsed() >= Duration::from_secs(1), "Retry-After was not honoured");
    let attempts: Vec<u32> = receiver.got().iter().map(|got| got.attempt).collect();
    assert_eq!(attempts[..5], [0, 1, 2, 3, 4]);
    assert_eq!(receiver.accepted(), pairs(&[("a", 1.0), ("b", 2.0)]));
    all.drain(LONG).await;
    assert_eq!(all.status()[0].n_failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_not_sent_again() {
    for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found", "413 Too Large", "999 X"]
    {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(move |nth, _| match nth {
            0 => Reply::Status(status, ""),
            _ => Reply::Accept,
        });
        let all = start(dir.path(), vec![settings(receiver.url())]).await;
        append(&all.list()[0], &[series("bad", 1.0)]).await;
        receiver.wait_until(|got| got.len() == 1);
        append(&all.list()[0], &[series("good", 2.0)]).await;
        receiver.wait_for(1);
        all.drain(LONG).await;
        assert_eq!(receiver.accepted(), pairs(&[("good", 2.0)]), "{status}");
        assert_eq!(receiver.got().len(), 2, "{status}");
        let told = &all.status()[0];
        assert_eq!((told.n_sent, told.n_failed), (2, 1), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_final_if_so_set() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| Reply::Status("429 Too Many Requests", ""));
    let mut one = settings(receiver.url());
    one.queue.retry_on_http_429 = false;
    let all = start(dir.path(), vec![one]).await;
    append(&all.list()[0], &[series("a", 1.0)]).await;
    receiver.wait_until(|got| got.len() == 1);
    all.drain(LONG).await;
    assert_eq!((receiver.got().len(), all.status()[0].n_failed), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_series_are_isolated_if_asked_for() {
    for version in [Version::V1, Version::V2] {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(|_, got| {
            let is_bad = got.samples().iter().any(|sample| *sample == ("m".to_owned(), 700.0));
            if is_bad { Reply::Status("400 Bad Request", "") } else { Reply::Accept }
        });
        let one = settings(receiver.url());
        let all = start(dir.path(), vec![Settings { version, isolate_refused: true, ..one }]).await;
        let many: Vec<_> = (0..2000_u32).map(|n| series("m", f64::from(n))).collect();
        append(&all.list()[0], &many).await;
        receiver.wait_for(1999);
        all.drain(LONG).await;
        let mut values: Vec<_> = receiver.accepted().into_iter().map(|(_, value)| value).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        assert_eq!(values.len(), 1999);
        assert!(!values.contains(&700.0));
        let told = &all.status()[0];
        assert_eq!((told.n_sent, told.n_failed), (2000, 1));
        assert!(receiver.got().len() <= 23, "{}", receiver.got().len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_knows_1_0_only_gets_that() {
    let silent: fn(&Got) -> Reply = |_| Reply::AcceptSilently;
    let refusing: fn(&Got) -> Reply = |got| match got.version {
        Version::V1 => Reply::Accept,
        Version::V2 => Reply::Status("415 Unsupported Media Type", ""),
    };
    for answer in [silent, refusing] {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(move |_, got| answer(got));
        let one = Settings { version: Version::V2, ..settings(receiver.url()) };
        let all = start(dir.path(), vec![one]).await;
        append(&all.list()[0], &[series("a", 1.0)]).await;
        receiver.wait_until(|got| got.len() == 2);
        append(&all.list()[0], &[series("b", 2.0)]).await;
        receiver.wait_until(|got| got.len() == 3);
        all.drain(LONG).await;
        let got = receiver.got();
        let versions: Vec<_> = got.iter().map(|got| got.version).collect();
        assert_eq!(versions, [Version::V2, Version::V1, Version::V1]);
        assert_eq!(got[1].samples(), pairs(&[("a", 1.0)]));
        assert_eq!(got[2].samples(), pairs(&[("b", 2.0)]));
        assert_eq!(all.status()[0].n_failed, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_start_goes_on_where_the_last_one_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|nth, _| match nth {
        1 => Reply::Status("503 Service Unavailable", ""),
        _ => Reply::Accept,
    });
    let one = Settings { name: Some("one".to_owned()), ..settings(receiver.url()) };
    let all = start(dir.path(), vec![one.clone()]).await;
    append(&all.list()[0], &[series("a", 1.0)]).await;
    receiver.wait_for(1);
    let mut slow = one.clone();
    slow.queue.min_backoff = LONG;
    slow.queue.max_backoff = LONG;
    all.drain(LONG).await;
    drop(all);
    // It fails, and is not tried again before the end.
    let all = start(dir.path(), vec![slow]).await;
    append(&all.list()[0], &[series("b", 2.0)]).await;
    receiver.wait_until(|got| got.len() == 2);
    append(&all.list()[0], &[series("c", 3.0)]).await;
    all.drain(LONG).await;
    let closed = all.list()[0].append(batches(&all.list()[0], &[series("d", 4.0)])).await;
    assert_eq!(closed, Err(AppendError::Closed));
    drop(all);
    let all = start(dir.path(), vec![one]).await;
    receiver.wait_for(3);
    all.drain(LONG).await;
    assert_eq!(receiver.accepted(), pairs(&[("a", 1.0), ("b", 2.0), ("c", 3.0)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_sends_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::accepting();
    let mut one = settings(receiver.url());
    one.queue.batch_send_deadline = Duration::from_hours(1);
    let all = start(dir.path(), vec![one]).await;
    for value in 0..5_u32 {
        append(&all.list()[0], &[series("a", f64::from(value))]).await;
    }
    all.drain(LONG).await;
    assert_eq!(receiver.accepted().len(), 5);
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_does_not_wait_for_a_destination_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| Reply::Hang);
    let all = start(dir.path(), vec![settings(receiver.url())]).await;
    append(&all.list()[0], &[series("a", 1.0)]).await;
    receiver.wait_until(|got| got.len() == 1);
    let began = tokio::time::Instant::now();
    all.drain(SOON).await;
    assert!(began.elapsed() < LONG);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_or_drops_the_oldest() {
    let many: Vec<_> = (0..100_u32).map(|n| series("m", f64::from(n))).collect();
    for when_full in [WhenFull::Refuse, WhenFull::DropOldest] {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(|_, _| Reply::Status("503 Service Unavailable", ""));
        let mut one = settings(receiver.url());
        one.queue.bytes_max = 4000;
        one.queue.when_full = when_full;
        let all = start(dir.path(), vec![one]).await;
        let mut last = Ok(());
        for _ in 0..100 {
            last = all.list()[0].append(batches(&all.list()[0], &many)).await;
            if last.is_err() {
                break;
            }
        }
        let is_refused = matches!(last, Err(AppendError::Full { .. }));
        assert_eq!(is_refused, when_full == WhenFull::Refuse, "{last:?}");
        all.drain(SOON).await;
        let text = all.metrics().encode();
        let has = |name: &str| text.lines().any(|l| l.starts_with(name) && !l.ends_with(" 0"));
        assert_eq!(has("weir_remote_storage_queue_refused_total{"), is_refused, "{text}");
        let dropped = "weir_remote_storage_queue_records_dropped_total{";
        let full = text.lines().filter(|l| l.starts_with(dropped) && l.contains("\"full\""));
        assert_eq!(full.into_iter().any(|l| !l.ends_with(" 0")), !is_refused, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_requests_at_a_time_keep_the_order_of_each_series() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|nth, _| match nth % 5 {
        2 => Reply::Status("503 Service Unavailable", ""),
        _ => Reply::Accept,
    });
    let mut one = settings(receiver.url());
    one.queue.shards_min = 4;
    one.queue.samples_per_send_max = 10;
    let all = start(dir.path(), vec![one]).await;
    for round in 0..40_u32 {
        let names = (0..7).map(|name| series(&format!("s{name}"), f64::from(round)));
        append(&all.list()[0], &names.collect::<Vec<_>>()).await;
    }
    receiver.wait_for(280);
    all.drain(LONG).await;
    let mut by_series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in receiver.accepted() {
        by_series.entry(name).or_default().push(value);
    }
    let want: Vec<f64> = (0..40_u32).map(f64::from).collect();
    assert!(by_series.values().all(|values| *values == want), "{by_series:?}");
    assert_eq!(by_series.len(), 7);
    assert!(receiver.got().iter().all(|got| got.samples().len() <= 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn series_are_spread_over_urls() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Receiver::accepting(), Receiver::accepting());
    let both = Settings { urls: vec![one.url(), two.url()], ..settings(one.url()) };
    let all = start(dir.path(), vec![both]).await;
    let destination = &all.list()[0];
    assert!(!destination.takes_whole(Version::V1, &Counts::default()));
    for round in 0..2_u32 {
        let names = (0..50).map(|name| series(&format!("s{name}"), f64::from(round)));
        append(destination, &names.collect::<Vec<_>>()).await;
    }
    all.drain(LONG).await;
    let (of_one, of_two) = (one.accepted(), two.accepted());
    assert_eq!(of_one.len() + of_two.len(), 100);
    assert!(of_one.len() > 20 && of_two.len() > 20);
    assert!(of_one.iter().all(|(name, _)| of_two.iter().all(|(other, _)| other != name)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_destination_that_hangs_does_not_hold_up_another() {
    let dir = tempfile::tempdir().unwrap();
    let (bad, good) = (Receiver::start(|_, _| Reply::Hang), Receiver::accepting());
    let all = start(dir.path(), vec![settings(bad.url()), settings(good.url())]).await;
    for value in 0..10_u32 {
        for destination in all.list().iter() {
            append(destination, &[series("a", f64::from(value))]).await;
        }
    }
    good.wait_for(10);
    all.drain(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_blocks_may_not_share_a_queue() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::accepting();
    let twice = vec![settings(receiver.url()), settings(receiver.url())];
    let error = try_start(dir.path(), twice).await.unwrap_err();
    assert!(matches!(error, StartError::SameName { .. }), "{error}");
    let running = start(dir.path(), vec![settings(receiver.url())]).await;
    let error = try_start(dir.path(), vec![settings(receiver.url())]).await.unwrap_err();
    assert!(matches!(error, StartError::Directory { .. }), "{error}");
    drop(running);
}
