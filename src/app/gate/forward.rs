//! `scrape_interval` with `remote_write`: weir scrapes on its own clock, and appends what the main
//! output holds to every destination.
//!
//! As Prometheus does it: at an offset of its own in the interval, so that many do not scrape at
//! once; samples at the time at which the scrape began, unless they have one; `job` and `instance`
//! on all series, what comes with labels of these names under `exported_job` and
//! `exported_instance`; `up` and the other series about the scrape; a stale marker where a series
//! has gone or the scrape has failed, none when weir ends. What `_created` says of a counter, a
//! histogram or a summary is its start timestamp, too, where 2.0 is sent.

use crate::aggregate::family::Suffix;
use crate::aggregate::layout::Family;
use crate::aggregate::merge::is_absent;
use crate::aggregate::series::BoundLabel;
use crate::aggregate::series::LabelTexts;
use crate::aggregate::series::canonical_bound;
use crate::aggregate::snapshot::Snapshot;
use crate::app::clock::Clock;
use crate::app::gate::scrapes::Scrapes;
use crate::app::scraped::Alive;
use crate::app::scraped::attach;
use crate::app::scraped::stale;
use crate::config::file::Config;
use crate::discovery::Source;
use crate::model::LabelSet;
use crate::relabel::Rules;
use crate::relabel::Scratch;
use crate::relabel::Verdict;
use crate::remote_write::Destination;
use crate::remote_write::Destinations;
use crate::remote_write::Writer;
use crate::wire::Labels;
use crate::wire::Metadata;
use crate::wire::Sample;
use crate::wire::Series;
use crate::wire::Version;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;

/// As Prometheus', if the interval is not shorter.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// The `job` of what weir scrapes, and its `instance` where there are several targets.
const JOB: &[u8] = b"weir";
/// How long an append may take; what comes with the next scrape is newer.
const APPEND_TIME_MAX: Duration = Duration::from_secs(5);

/// Where words come from that nobody can foresee.
type Random = fn() -> u64;

/// When to scrape, and what to make of it.
#[derive(Clone, Debug)]
pub struct ForwardPlan {
    interval: Duration,
    time_max: Duration,
    instance: Vec<u8>,
    /// The rules of each destination.
    rules: Vec<Rules>,
}

impl ForwardPlan {
    /// What a configuration asks for; nothing without `scrape_interval`.
    pub fn of(config: &Config) -> Option<Self> {
        let interval = config.scrape_interval?;
        if config.upstreams.is_empty() {
            return None;
        }
        let instance = match &config.upstreams[..] {
            [one] => match &one.targets.sources[..] {
                [Source::Fixed(target)] => target.instance().into_bytes(),
                _ => JOB.to_vec(),
            },
            _ => JOB.to_vec(),
        };
        Some(Self {
            interval,
            time_max: config.scrape_timeout.unwrap_or(SCRAPE_TIMEOUT.min(interval)),
            instance,
            rules: config.remote_write.iter().map(|one| one.write_relabel.rules.clone()).collect(),
        })
    }
}

/// A plan, and where it sends to: as many destinations as it has rules.
#[derive(Debug)]
pub(super) struct Forwarding {
    plan: ForwardPlan,
    destinations: Arc<Vec<Arc<Destination>>>,
}

impl Forwarding {
    /// A plan for these destinations.
    pub(super) fn new(plan: ForwardPlan, destinations: &Destinations) -> Self {
        Self { plan, destinations: destinations.list() }
    }

    /// An outlet for each destination; those of before have what they know.
    fn outlets(&self, mut before: Vec<Outlet>) -> Vec<Outlet> {
        let all = self.destinations.iter().zip(&self.plan.rules);
        let make = |(destination, rules): (&Arc<Destination>, &Rules)| {
            let mut outlet = Outlet::new(destination, rules, &self.plan.instance);
            let is_same = |old: &Outlet| old.destination.name() == destination.name();
            if let Some(at) = before.iter().position(is_same) {
                // What a rule drops from now on is ended by a stale marker, too.
                outlet.alive = before.swap_remove(at).alive;
            }
            outlet
        };
        all.map(make).collect()
    }
}

/// Scrape and append, for ever: what `current` says at the time, at the interval it had first.
pub(super) async fn run(
    current: &ArcSwapOption<Forwarding>,
    scrapes: Arc<Scrapes>,
    (now_ms, random): (Clock, Random),
) {
    let Some(mut forwarding) = current.load_full() else { return };
    let ForwardPlan { interval, time_max, .. } = forwarding.plan;
    let mut outlets = forwarding.outlets(Vec::new());
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    sleep(Duration::from_millis(random() % interval_ms)).await;
    let mut next = Instant::now();
    loop {
        if let Some(new) = current.load_full().filter(|new| !Arc::ptr_eq(new, &forwarding)) {
            outlets = new.outlets(outlets);
            forwarding = new;
        }
        // A reload may bring somebody to send to.
        if !outlets.is_empty() {
            let (began, started_ms) = (Instant::now(), now_ms());
            let outcome = scrapes.scrape(began + time_max).await;
            let snapshot = outcome.as_ref().ok().and_then(|scraped| scraped.main());
            let took = began.elapsed().as_secs_f64();
            for outlet in &mut outlets {
                outlet.take(snapshot.as_deref(), started_ms, took);
                outlet.send().await;
            }
        }
        // A scrape that took longer than the interval leaves out those it has missed.
        let now = Instant::now();
        while next <= now {
            next += interval;
        }
        sleep(next - now).await;
    }
}

/// A destination, and what it knows.
struct Outlet {
    destination: Arc<Destination>,
    rules: Rules,
    instance: Vec<u8>,
    writer: Writer,
    scratch: Scratch,
    /// Series it has got with the last scrape.
    alive: Alive,
    n_added: usize,
    n_kept: usize,
}

impl Outlet {
    fn new(destination: &Arc<Destination>, rules: &Rules, instance: &[u8]) -> Self {
        Self {
            destination: Arc::clone(destination),
            rules: rules.clone(),
            instance: instance.to_vec(),
            writer: destination.writer(),
            scratch: Scratch::default(),
            alive: Alive::default(),
            n_added: 0,
            n_kept: 0,
        }
    }

    /// Write what a scrape has brought; nothing if it failed.
    fn take(&mut self, snapshot: Option<&Snapshot>, started_ms: i64, took: f64) {
        self.alive.begin();
        (self.n_added, self.n_kept) = (0, 0);
        if let Some(snapshot) = snapshot {
            let has_starts = self.destination.settings().version == Version::V2;
            for_each_series(snapshot, |labels, visited| {
                attach(labels, JOB, &self.instance);
                let mut sample = sample(visited.value, visited.timestamp_ms.unwrap_or(started_ms));
                let began =
                    visited.created_ms.filter(|began| (1..=sample.timestamp_ms).contains(began));
                sample.start_timestamp_ms = began.filter(|_| has_starts).unwrap_or(0);
                // Prometheus does not track series that bring their own time.
                self.write(labels, sample, Some(visited.family), visited.timestamp_ms.is_none());
            });
        }
        self.end_gone(started_ms);
        let n_series = snapshot.map_or(0, |snapshot| snapshot.n_series);
        let about = [
            ("up", if snapshot.is_some() { 1.0 } else { 0.0 }),
            ("scrape_duration_seconds", took),
            ("scrape_samples_scraped", to_f64(n_series)),
            ("scrape_samples_post_metric_relabeling", to_f64(self.n_kept)),
            ("scrape_series_added", to_f64(self.n_added)),
        ];
        for (name, value) in about {
            let mut labels = LabelSet::new();
            labels.set(b"__name__", name.as_bytes());
            attach(&mut labels, JOB, &self.instance);
            self.write(&mut labels, sample(value, started_ms), None, false);
        }
    }

    fn write(
        &mut self,
        labels: &mut LabelSet,
        sample: Sample,
        family: Option<&Family>,
        is_tracked: bool,
    ) {
        let verdict = self.rules.apply(labels, &mut self.scratch);
        if verdict != Verdict::Keep || labels.metric_name().is_empty() {
            return;
        }
        self.n_kept += 1;
        let samples = [sample];
        let mut series = Series::new(Labels::of_set(labels)).with_samples(&samples);
        if let Some(meta) = family.map(|family| &family.meta) {
            series = series.with_metadata(Metadata {
                metric_type: meta.metric_type.unwrap_or_default(),
                help: meta.help.as_deref().unwrap_or_default(),
                unit: meta.unit.as_deref().unwrap_or_default(),
            });
        }
        self.writer.push(&series);
        if is_tracked && self.alive.is_new(labels.iter()) {
            self.n_added += 1;
        }
    }

    /// Write stale markers for series the last scrape had and this one has not.
    fn end_gone(&mut self, started_ms: i64) {
        let (writer, ended) = (&mut self.writer, [stale(started_ms)]);
        self.alive.end_gone(|labels| {
            writer.push(&Series::new(Labels::of_pairs(labels)).with_samples(&ended));
        });
    }

    async fn send(&mut self) {
        let batches = self.writer.finish();
        self.destination.note_left_out(&mut self.writer);
        let appended = timeout(APPEND_TIME_MAX, self.destination.append(batches)).await;
        let error = match appended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the disk is too slow".to_owned(),
        };
        let remote_name = self.destination.name();
        tracing::error!(remote_name, error, "The samples of a scrape are lost.");
    }
}

fn sample(value: f64, timestamp_ms: i64) -> Sample {
    Sample { value, timestamp_ms, start_timestamp_ms: 0 }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn to_f64(n: usize) -> f64 {
    n as f64
}

/// A series of a snapshot.
struct Visited<'a> {
    value: f64,
    /// Its own, if it has one.
    timestamp_ms: Option<i64>,
    /// When it began, if `_created` beside it says so.
    created_ms: Option<i64>,
    family: &'a Family,
}

/// Visit the series of a snapshot, with their labels.
fn for_each_series(snapshot: &Snapshot, mut visit: impl FnMut(&mut LabelSet, Visited<'_>)) {
    let value_at = |slot: u32| {
        let value = snapshot.values.get(slot as usize).copied();
        value.filter(|value| !is_absent(*value))
    };
    let mut labels = LabelSet::new();
    for family in &snapshot.families {
        for group in &family.groups {
            let shared = read_labels(&group.labels);
            let created = group.samples.iter().find(|sample| sample.suffix == Suffix::Created);
            let created_ms = created.and_then(|sample| value_at(sample.slot)).map(to_ms);
            for sample in &group.samples {
                let Some(value) = value_at(sample.slot) else { continue };
                labels.clear();
                let name = [&family.name, sample.suffix.text().as_bytes()].concat();
                labels.push(b"__name__", &name);
                for (name, value) in &shared {
                    labels.push(name, value);
                }
                if sample.bound.label != BoundLabel::None {
                    let text = snapshot.bound_texts.get(sample.bound_text as usize);
                    let text = text
                        .map_or_else(|| canonical_bound(sample.bound.value), |text| text.to_vec());
                    labels.push(sample.bound.label.name().as_bytes(), &text);
                }
                labels.sort();
                let own = snapshot.timestamps.as_ref();
                let timestamp_ms = own.and_then(|all| all.get(sample.slot as usize).copied()?);
                let created_ms = created_ms.filter(|_| sample.suffix != Suffix::Created);
                visit(&mut labels, Visited { value, timestamp_ms, created_ms, family });
            }
        }
    }
}

/// Seconds since 1970 as milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "what is no time becomes none that is used")]
fn to_ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// The labels of a group, which are written `name="value",…`.
fn read_labels(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    LabelTexts::of(text).map(|label| (label.name(), label.unescaped_value())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_group_are_read_as_they_were_written() {
        let text = br#"a="1","b.c"="x\"y\\z\nw",d="""#;
        let want: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b.c", b"x\"y\\z\nw"), (b"d", b"")];
        let read = read_labels(text);
        let read: Vec<(&[u8], &[u8])> = read.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        assert_eq!(read, want);
        assert_eq!(read_labels(b""), []);
    }
}
