//! What must not work, and what it gets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use weir::app::receive::destination::AppendError;
use weir::config::file::receive::ReceiveSettings;
use weir::relabel::Rules;
use weir::wire::{Sample, Version};

use super::support::{Keeper, TestReceiver, compress, config, content_type};
use crate::support::PATIENCE;
use crate::wire::owned::{OwnedHistogram, OwnedMessage, OwnedSeries};

fn series(labels: &[(&str, &str)]) -> OwnedSeries {
    let bytes =
        |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let sample = Sample { value: 1.0, timestamp_ms: 1_763_726_400_000, start_timestamp_ms: 0 };
    OwnedSeries {
        labels: labels.iter().map(bytes).collect(),
        samples: vec![sample],
        ..OwnedSeries::default()
    }
}

fn message(series: &[OwnedSeries]) -> OwnedMessage {
    OwnedMessage { series: series.to_vec(), metadata: Vec::new() }
}

fn up() -> OwnedSeries {
    series(&[("__name__", "up"), ("job", "node")])
}

fn refused(receiver: &TestReceiver, reason: &str) -> String {
    receiver.metric(&format!("weir_receive_refused_requests_total{{reason=\"{reason}\"}}"))
}

fn refused_series(receiver: &TestReceiver, reason: &str) -> String {
    receiver.metric(&format!("weir_receive_refused_series_total{{reason=\"{reason}\"}}"))
}

#[test]
fn bodies_that_are_no_snappy_are_refused() {
    let receiver = TestReceiver::new(Version::V2);
    let good = compress(&message(&[up()]).encode(Version::V2));
    let v2 = content_type(Version::V2);
    let cases: [&[u8]; 6] = [
        b"",
        b"plain text",
        &good[..good.len() - 1],
        // A kilobyte that says it is 4 GiB, one that says 32 MiB and one byte.
        &[&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 1000]].concat(),
        &[&[0x81, 0x80, 0x80, 0x10][..], &[0; 1000]].concat(),
        &[0xff; 11],
    ];
    for body in cases {
        let reply = receiver.post(v2, "snappy", body);
        assert_eq!((reply.status, reply.written()), (400, [0; 3]), "{body:x?}: {}", reply.body);
    }
    assert_eq!(refused(&receiver, "decoded_bytes"), "2");
    assert_eq!(refused(&receiver, "snappy"), "4");
    // It goes on.
    assert_eq!(receiver.post(v2, "snappy", &good).status, 204);
}

#[test]
fn messages_that_are_none_are_refused() {
    let receiver = TestReceiver::new(Version::V2);
    for version in [Version::V1, Version::V2] {
        let reply = receiver.send(version, b"no message at all");
        assert_eq!(reply.status, 400, "{}", reply.body);
        let other = if version == Version::V1 { Version::V2 } else { Version::V1 };
        let reply = receiver.send(other, &message(&[up()]).encode(version));
        assert_eq!(reply.status, 400);
        assert!(reply.body.contains("other version"), "{}", reply.body);
    }
    assert_eq!(refused(&receiver, "protobuf"), "2");
    assert_eq!(refused(&receiver, "other_version"), "2");
    // Nothing at all is well-formed, and holds nothing.
    assert_eq!(receiver.send(Version::V2, b"").status, 204);
    assert!(receiver.keeper().kept().is_empty());
}

#[test]
fn the_rest_of_a_bad_request_is_written() {
    for version in [Version::V1, Version::V2] {
        let receiver = TestReceiver::new(version);
        let other = series(&[("a", "1"), ("__name__", "other")]);
        let many: Vec<_> = (0..300).map(|n| (format!("l{n:03}"), "x".to_owned())).collect();
        let mut many: Vec<_> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        many.push(("__name__", "many"));
        let bad = [
            (series(&[("job", "x")]), "invalid metric name or labels, got {job=\"x\"}"),
            (series(&[("__name__", "a"), ("", "x")]), "invalid metric name or labels"),
            (
                series(&[("__name__", "a"), ("b", "1"), ("b", "2")]),
                "invalid labels for series, labels {__name__=\"a\", b=\"1\", b=\"2\"}, duplicated label b",
            ),
            (series(&many), "301 labels, more than the limit of 256"),
        ];
        let mut all = vec![up()];
        all.extend(bad.iter().map(|(series, _)| series.clone()));
        all.push(other.clone());
        let reply = receiver.send(version, &message(&all).encode(version));
        assert_eq!(reply.status, 400);
        for (_, text) in &bad {
            assert!(reply.body.contains(text), "{text}: {}", reply.body);
        }
        let sorted = series(&[("__name__", "other"), ("a", "1")]);
        assert_eq!(receiver.keeper().series(), [up(), sorted]);
        let told = if version == Version::V2 { [2, 0, 0] } else { [0; 3] };
        assert_eq!(reply.written(), told);
        assert_eq!(receiver.metric("weir_receive_samples_total"), "2");
        assert_eq!(refused_series(&receiver, "invalid_labels"), "2");
        assert_eq!(refused_series(&receiver, "duplicate_label"), "1");
        assert_eq!(refused_series(&receiver, "too_many_labels"), "1");
    }
}

#[test]
fn many_refusals_are_told_in_few_lines() {
    let receiver = TestReceiver::new(Version::V2);
    let bad = vec![series(&[("job", "x")]); 2000];
    let reply = receiver.send(Version::V2, &message(&bad).encode(Version::V2));
    assert_eq!((reply.status, reply.body.lines().count()), (400, 11));
    assert!(reply.body.ends_with("\nand 1990 more\n"), "{}", reply.body);
}

/// A field of bytes, as protobuf has it.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let n_bytes = u8::try_from(bytes.len()).unwrap();
    [&[number << 3 | 2, n_bytes], bytes].concat()
}

#[test]
fn references_that_lead_nowhere_cost_their_series() {
    let receiver = TestReceiver::new(Version::V2);
    let symbols = [&b""[..], b"__name__", b"up"].map(|symbol| field(4, symbol)).concat();
    let sample = field(2, &[0x10, 5]);
    let exemplar = field(4, &field(1, &[1, 9]));
    let of = |refs: &[u8], more: &[u8]| field(5, &[&field(1, refs), &sample[..], more].concat());
    let good = of(&[1, 2], &[]);
    for (bad, text, reason, n_written) in [
        (of(&[1, 2, 1], &[]), "invalid labelRefs length 3", "invalid_references", 1),
        (of(&[1, 9], &[]), "outside of symbols table (size 3)", "invalid_references", 1),
        (of(&[1, 2], &exemplar), "parsing exemplar for series", "invalid_exemplar", 2),
    ] {
        let reply = receiver.send(Version::V2, &[&symbols[..], &bad, &good].concat());
        assert_eq!((reply.status, reply.written()), (400, [n_written, 0, 0]), "{}", reply.body);
        assert!(reply.body.contains(text), "{}", reply.body);
        assert_ne!(refused_series(&receiver, reason), "0");
    }
    // Without the empty symbol in front nothing means what it should.
    let reply = receiver.send(Version::V2, &[field(4, b"x"), good].concat());
    assert_eq!((reply.status, reply.written()), (400, [0; 3]), "{}", reply.body);
}

#[test]
fn values_of_a_series_are_judged() {
    let histogram = |count: u64| OwnedHistogram {
        count: Some(weir::wire::Count::Int(count)),
        ..OwnedHistogram::default()
    };
    let receiver = TestReceiver::new(Version::V2);
    let mixed = OwnedSeries { histograms: vec![histogram(0)], ..up() };
    let empty = OwnedSeries { samples: Vec::new(), ..up() };
    let half = OwnedSeries { histograms: vec![histogram(3), histogram(0)], ..empty.clone() };
    // The encoder would split it.
    let symbols = [&b""[..], b"__name__", b"up"].map(|symbol| field(4, symbol)).concat();
    let both = field(5, &[field(1, &[1, 2]), field(2, &[0x10, 5]), field(3, &[])].concat());
    let reply = receiver.send(Version::V2, &[symbols, both].concat());
    assert_eq!((reply.status, reply.written()), (400, [0; 3]));
    assert!(reply.body.contains("not both, for series {__name__=\"up\"}"), "{}", reply.body);
    for (series, text, written) in [
        (&empty, "must contain at least one sample or histogram for series", [0; 3]),
        (&half, "histogram's observation count should equal", [0, 1, 0]),
    ] {
        let body = message(std::slice::from_ref(series)).encode(Version::V2);
        let reply = receiver.send(Version::V2, &body);
        assert_eq!((reply.status, reply.written()), (400, written), "{}", reply.body);
        assert!(reply.body.contains(text), "{}", reply.body);
    }
    // 1.0 allows both in one series, and neither.
    let reply = receiver.send(Version::V1, &message(&[mixed, empty]).encode(Version::V1));
    assert_eq!(reply.status, 204, "{}", reply.body);
    for reason in ["mixed_series", "empty_series", "invalid_histogram"] {
        assert_eq!(refused_series(&receiver, reason), "1", "{reason}");
    }
}

#[test]
fn long_bodies_and_many_series_are_refused() {
    let mut settings = ReceiveSettings { body_bytes_max: 1000, ..ReceiveSettings::default() };
    settings.intake.series_max = 5;
    settings.intake.decoded_bytes_max = 2000;
    let keepers = vec![Keeper::new(Version::V1)];
    let receiver = TestReceiver::start(settings, Rules::default(), keepers);
    let v1 = content_type(Version::V1);
    assert_eq!(receiver.post(v1, "snappy", &[0; 1001]).status, 413);
    // Without a length it is noticed while it is read.
    let chunk = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600));
    let head = "POST /api/v1/write HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let reply = receiver.raw(format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes());
    assert_eq!(reply.status, 413);
    assert_eq!(refused(&receiver, "body_bytes"), "2");
    let reply = receiver.send(Version::V1, &message(&vec![up(); 6]).encode(Version::V1));
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("more than 5 series; send smaller requests"), "{}", reply.body);
    assert_eq!(refused(&receiver, "too_many"), "1");
    let reply = receiver.send(Version::V1, &[0; 3000]);
    assert!(reply.body.contains("more than the limit of 2000"), "{}", reply.body);
    assert_eq!(
        receiver.send(Version::V1, &message(&vec![up(); 5]).encode(Version::V1)).status,
        204
    );
}

#[test]
fn other_methods_are_refused() {
    let receiver = TestReceiver::new(Version::V1);
    let reply = receiver.raw(b"GET /api/v1/write HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("post")));
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let settings =
        ReceiveSettings { read_time_max: Duration::from_millis(50), ..ReceiveSettings::default() };
    let keepers = vec![Keeper::new(Version::V1)];
    let receiver = TestReceiver::start(settings, Rules::default(), keepers);
    let mut stream = TcpStream::connect(receiver.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /api/v1/write HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(refused(&receiver, "read_time"), "1");
}

#[test]
fn too_much_at_a_time_is_put_off() {
    let settings = ReceiveSettings { in_flight_bytes_max: 10, ..ReceiveSettings::default() };
    let keepers = vec![Keeper::new(Version::V1)];
    let receiver = TestReceiver::start(settings, Rules::default(), keepers);
    let reply = receiver.send(Version::V1, &message(&[up()]).encode(Version::V1));
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(refused(&receiver, "in_flight_bytes"), "1");
    // What was counted as in flight no longer is.
    assert_eq!(receiver.send(Version::V1, b"").status, 204);
}

#[test]
fn a_queue_that_takes_nothing_is_told_and_nothing_counts_as_written() {
    let receiver = TestReceiver::new(Version::V2);
    let body = message(&[up()]).encode(Version::V2);
    for (error, status, retry_after, reason) in [
        (
            AppendError::Full { retry_after: Duration::from_millis(2500) },
            429,
            Some("3"),
            "queue_full",
        ),
        (AppendError::Full { retry_after: Duration::ZERO }, 429, Some("1"), "queue_full"),
        (AppendError::Closed, 503, Some("5"), "draining"),
        (AppendError::Disk("no space left".to_owned()), 503, Some("1"), "disk"),
        (AppendError::TooLong, 413, None, "record_bytes"),
    ] {
        *receiver.keeper().fails.lock().unwrap() = Some(error);
        let reply = receiver.send(Version::V2, &body);
        assert_eq!((reply.status, reply.header("retry-after")), (status, retry_after));
        assert_eq!(reply.written(), [0; 3]);
        assert_ne!(refused(&receiver, reason), "0");
    }
    assert_eq!(receiver.metric("weir_receive_samples_total"), "0");
    *receiver.keeper().fails.lock().unwrap() = None;
    assert_eq!(receiver.send(Version::V2, &body).status, 204);
}

#[test]
fn the_worst_of_several_destinations_is_told() {
    let keepers = vec![Keeper::new(Version::V2), Keeper::new(Version::V1)];
    let receiver = TestReceiver::start(ReceiveSettings::default(), Rules::default(), keepers);
    let body = message(&[up()]).encode(Version::V2);
    *receiver.keepers[0].fails.lock().unwrap() = Some(AppendError::TooLong);
    *receiver.keepers[1].fails.lock().unwrap() = Some(AppendError::Disk("full".to_owned()));
    assert_eq!(receiver.send(Version::V2, &body).status, 503);
    *receiver.keepers[0].fails.lock().unwrap() = None;
    assert_eq!(receiver.send(Version::V2, &body).status, 503);
    *receiver.keepers[1].fails.lock().unwrap() = None;
    assert_eq!(receiver.send(Version::V2, &body).status, 204);
    assert_eq!(receiver.keepers[1].series(), [up()]);
}

#[test]
fn a_full_queue_does_not_fill_the_others() {
    let keepers =
        vec![Keeper::new(Version::V2), Keeper::new(Version::V1), Keeper::new(Version::V2)];
    let receiver = TestReceiver::start(ReceiveSettings::default(), Rules::default(), keepers);
    let body = message(&[up()]).encode(Version::V2);
    let kept = || receiver.keepers.iter().map(|keeper| keeper.series().len()).collect::<Vec<_>>();
    let full = AppendError::Full { retry_after: Duration::ZERO };
    *receiver.keepers[1].fails.lock().unwrap() = Some(full);
    // What is sent again and again is queued once by those that take it.
    for _ in 0..5 {
        assert_eq!(receiver.send(Version::V2, &body).status, 429);
        assert_eq!(kept(), [1, 0, 1]);
    }
    *receiver.keepers[1].fails.lock().unwrap() = None;
    assert_eq!(receiver.send(Version::V2, &body).status, 204);
    assert_eq!(kept(), [2, 1, 2]);
    // Two that refuse by turns.
    let disk = || Some(AppendError::Disk("no space left".to_owned()));
    *receiver.keepers[0].fails.lock().unwrap() = disk();
    *receiver.keepers[2].fails.lock().unwrap() = disk();
    assert_eq!(receiver.send(Version::V2, &body).status, 503);
    *receiver.keepers[0].fails.lock().unwrap() = None;
    for _ in 0..5 {
        assert_eq!(receiver.send(Version::V2, &body).status, 503);
    }
    assert_eq!(kept(), [3, 2, 2]);
}

#[test]
fn who_drains_takes_nothing() {
    let receiver = TestReceiver::new(Version::V1);
    receiver.receiver.drain();
    let reply = receiver.send(Version::V1, &message(&[up()]).encode(Version::V1));
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
    assert_eq!(refused(&receiver, "draining"), "1");
}

#[test]
fn a_reload_takes_other_rules_and_paths() {
    let receiver = TestReceiver::new(Version::V1);
    let settings = ReceiveSettings { path: "/w".to_owned(), ..ReceiveSettings::default() };
    assert!(receiver.receiver.is_at("/api/v1/write"));
    receiver.receiver.reload(config(settings, Rules::default(), &receiver.keepers));
    assert!(receiver.receiver.is_at("/w") && !receiver.receiver.is_at("/api/v1/write"));
    assert_eq!(receiver.send(Version::V1, &message(&[up()]).encode(Version::V1)).status, 204);
}
