//! A destination that does what it is told and remembers what it got.

use crate::support::FakeTarget;
use crate::support::PATIENCE;
use crate::support::Peer;
use crate::wire::OwnedMessage;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use weir::http::Url;
use weir::wire::Version;
use weir::wire::snappy::DECODED_BYTES_MAX;
use weir::wire::snappy::Snappy;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) version: Version,
    pub(crate) attempt: u32,
    /// As it was sent.
    pub(crate) body: Vec<u8>,
    pub(crate) message: OwnedMessage,
    /// Whether it was answered 2xx.
    pub(crate) is_accepted: bool,
}

impl Got {
    /// Name and value of each sample, in order.
    pub(crate) fn samples(&self) -> Vec<(String, f64)> {
        let mut samples = Vec::new();
        for series in &self.message.series {
            let name = String::from_utf8(series.labels[0].1.clone()).unwrap();
            samples.extend(series.samples.iter().map(|sample| (name.clone(), sample.value)));
        }
        samples
    }
}

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// 204, and all of it written.
    Accept,
    /// 204, saying nothing about what was written.
    AcceptSilently,
    Status(&'static str, &'static str),
    /// Break the connection off.
    Reset,
    /// Say nothing.
    Hang,
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    changed: Condvar,
}

/// A destination.
pub(crate) struct Receiver {
    target: FakeTarget,
    shared: Arc<Shared>,
}

impl Receiver {
    /// `script` is told how many requests came before, and what this one is.
    pub(crate) fn start(script: impl Fn(usize, &Got) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let of_target = Arc::clone(&shared);
        let target = FakeTarget::start(move |peer| receive(peer, &script, &of_target));
        Self { target, shared }
    }

    pub(crate) fn accepting() -> Self {
        Self::start(|_, _| Reply::Accept)
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/api/v1/write", self.target.address)).unwrap()
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// The samples of all requests that were answered well, in order of arrival.
    pub(crate) fn accepted(&self) -> Vec<(String, f64)> {
        accepted(&self.got())
    }

    /// Wait until what came satisfies `condition`.
    #[track_caller]
    pub(crate) fn wait_until(&self, condition: impl Fn(&[Got]) -> bool) {
        let got = self.shared.got.lock().unwrap();
        let wait = self.shared.changed.wait_timeout_while(got, PATIENCE, |got| !condition(got));
        let (got, wait) = wait.unwrap();
        assert!(!wait.timed_out(), "came: {:?}", got.iter().map(Got::samples).collect::<Vec<_>>());
    }

    /// Wait for so many samples.
    #[track_caller]
    pub(crate) fn wait_for(&self, n_samples: usize) {
        self.wait_until(|got| accepted(got).len() >= n_samples);
    }
}

fn accepted(got: &[Got]) -> Vec<(String, f64)> {
    got.iter().filter(|got| got.is_accepted).flat_map(Got::samples).collect()
}

fn receive(peer: &mut Peer, script: &impl Fn(usize, &Got) -> Reply, shared: &Shared) {
    assert!(peer.head.starts_with("POST /api/v1/write HTTP/1.1\r\n"), "{}", peer.head);
    assert_eq!(peer.header("content-encoding"), Some("snappy"));
    assert!(peer.header("user-agent").unwrap().starts_with("weir/"));
    let (version, spoken) = match peer.header("content-type") {
        Some("application/x-protobuf") => (Version::V1, "0.1.0"),
        Some("application/x-protobuf;proto=io.prometheus.write.v2.Request") => {
            (Version::V2, "2.0.0")
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(peer.header("x-prometheus-remote-write-version"), Some(spoken));
    let body = peer.body();
    if body.is_empty() {
        return;
    }
    let mut snappy = Snappy::new();
    let decoded = snappy.decompress(&body, DECODED_BYTES_MAX).unwrap();
    let message = OwnedMessage::decode(version, decoded).unwrap();
    let attempt = peer.header("retry-attempt").map_or(0, |text| text.parse().unwrap());
    let mut got = Got { version, attempt, body, message, is_accepted: false };
    let reply = script(peer.nth, &got);
    got.is_accepted = matches!(reply, Reply::Accept | Reply::AcceptSilently);
    let count =
        |n: fn(&crate::wire::OwnedSeries) -> usize| got.message.series.iter().map(n).sum::<usize>();
    let written = format!(
        "X-Prometheus-Remote-Write-Samples-Written: {}\r\n\
         X-Prometheus-Remote-Write-Histograms-Written: {}\r\n\
         X-Prometheus-Remote-Write-Exemplars-Written: {}\r\n",
        count(|series| series.samples.len()),
        count(|series| series.histograms.len()),
        count(|series| series.exemplars.len())
    );
    shared.got.lock().unwrap().push(got);
    shared.changed.notify_all();
    match reply {
        Reply::Accept if version == Version::V2 => peer.answer("204 No Content", &written, ""),
        Reply::Accept | Reply::AcceptSilently => peer.answer("204 No Content", "", ""),
        Reply::Status(status, headers) => peer.answer(status, headers, "because"),
        Reply::Reset => peer.reset(),
        Reply::Hang => peer.hang(),
    }
}
