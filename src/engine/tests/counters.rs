//! Counters of several targets: what they count, with numbers worked out by hand.

#![expect(clippy::float_cmp, reason = "sums of small integers are exact")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{LIMITS, labeldrop};
use crate::aggregate::choice::Merging;
use crate::aggregate::merge::{Counters, MergePolicy, is_absent};
use crate::engine::{Engine, EngineConfig, TargetConfig};
use crate::model::{FingerprintKey, Format};

/// Replicas scraped every 15 seconds, `pod` dropped.
struct Gate {
    engine: Engine,
    now_ms: i64,
}

impl Gate {
    fn new(n_targets: usize) -> Self {
        let mut state = 1_u64;
        let key = FingerprintKey::new(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
            state
        });
        let counters = Counters::ResetSafe;
        let policy = MergePolicy::Typed;
        let config = EngineConfig {
            n_outputs: 1,
            limits: LIMITS,
            merging: Merging { policy, counters, ..Merging::default() },
        };
        let mut engine = Engine::new(&config, key);
        for _ in 0..n_targets {
            engine.add_target(&TargetConfig::new(vec![labeldrop("pod")]));
        }
        Self { engine, now_ms: 1_000_000 }
    }

    /// One round: what each target answers, `None` where it fails. Gives value by series.
    fn round(&mut self, bodies: &[Option<&str>]) -> BTreeMap<String, f64> {
        self.now_ms += 15_000;
        self.engine.begin_round(self.now_ms);
        let readers = bodies.iter().enumerate().filter_map(|(target, body)| {
            Some((target, self.engine.reader(target, Format::Text), (*body)?))
        });
        // Side by side, and committed in the order in which they end.
        let readers: Vec<_> = readers.collect();
        for (target, mut reader, body) in readers.into_iter().rev() {
            reader.push(body.as_bytes()).unwrap();
            let read = reader.finish().unwrap();
            self.engine.commit(target, read);
        }
        let snapshot = &self.engine.publish()[0].snapshot;
        let mut values = BTreeMap::new();
        for family in &snapshot.families {
            for group in &family.groups {
                for sample in &group.samples {
                    let value = snapshot.values[sample.slot as usize];
                    let name = String::from_utf8_lossy(&family.name).into_owned();
                    let labels = String::from_utf8_lossy(&group.labels).into_owned();
                    let bound = &snapshot.bound_texts[sample.bound_text as usize];
                    let bound = String::from_utf8_lossy(bound).into_owned();
                    if !is_absent(value) {
                        let key = format!("{name}{}{{{labels}}}{bound}", sample.suffix.text());
                        values.insert(key, value);
                    }
                }
            }
        }
        values
    }

    #[track_caller]
    fn check(&mut self, bodies: &[Option<&str>], expect: &[(&str, f64)]) {
        let values = self.round(bodies);
        let expect: BTreeMap<String, f64> =
            expect.iter().map(|&(series, value)| (series.to_owned(), value)).collect();
        assert_eq!(values, expect);
    }
}

const A: &str = "# TYPE a_total counter\na_total{pod=\"1\"} ";

fn a(value: f64) -> String {
    format!("{A}{value}\n")
}

#[track_caller]
fn check_totals(n_targets: usize, rounds: &[(&[Option<f64>], f64)]) {
    let mut gate = Gate::new(n_targets);
    for (at, (values, expect)) in rounds.iter().enumerate() {
        let bodies: Vec<_> = values.iter().map(|value| value.map(a)).collect();
        let bodies: Vec<_> = bodies.iter().map(|body| body.as_deref()).collect();
        let total = gate.round(&bodies).get("a_total{}").copied();
        assert_eq!(total, Some(*expect), "round {at}");
    }
}

#[test]
fn counting_starts_with_weir() {
    check_totals(2, &[(&[Some(100.0), Some(50.0)], 0.0), (&[Some(103.0), Some(54.0)], 7.0)]);
}

#[test]
fn a_replica_restarts() {
    check_totals(
        2,
        &[
            (&[Some(100.0), Some(50.0)], 0.0),
            (&[Some(110.0), Some(60.0)], 20.0),
            (&[Some(4.0), Some(65.0)], 29.0),
            (&[Some(9.0), Some(65.0)], 34.0),
        ],
    );
}

#[test]
fn a_replica_vanishes_for_good() {
    check_totals(
        2,
        &[
            (&[Some(100.0), Some(50.0)], 0.0),
            (&[Some(110.0), Some(60.0)], 20.0),
            (&[Some(115.0), None], 25.0),
            (&[Some(120.0), None], 30.0),
        ],
    );
}

#[test]
fn a_replica_is_late_for_one_scrape_and_returns_unreset() {
    check_totals(
        2,
        &[
            (&[Some(100.0), Some(50.0)], 0.0),
            (&[Some(110.0), None], 10.0),
            (&[Some(110.0), Some(58.0)], 18.0),
            // Nobody answers: the counter stands still.
            (&[None, None], 18.0),
            (&[Some(111.0), Some(59.0)], 20.0),
        ],
    );
}

#[test]
fn a_new_replica_with_history_is_a_baseline() {
    let mut gate = Gate::new(2);
    gate.check(&[Some(&a(100.0)), None], &[("a_total{}", 0.0)]);
    gate.check(&[Some(&a(101.0)), Some(&a(5000.0))], &[("a_total{}", 1.0)]);
    gate.check(&[Some(&a(102.0)), Some(&a(5003.0))], &[("a_total{}", 5.0)]);
}

#[test]
fn a_new_replica_without_history_counts_in_full() {
    let mut gate = Gate::new(2);
    let start = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds ";
    let body = |value: f64, started: f64| format!("{}{start}{started}\n", a(value));
    // Rounds are at 1015, 1030, … seconds.
    let started = [("process_start_time_seconds{}", 3.0)];
    gate.check(&[Some(&body(100.0, 3.0)), None], &[("a_total{}", 0.0), started[0]]);
    let both = [Some(body(101.0, 3.0)), Some(body(7.0, 1020.0))];
    let both: Vec<_> = both.iter().map(|body| body.as_deref()).collect();
    gate.check(&both, &[("a_total{}", 8.0), started[0]]);
}

#[test]
fn a_restart_that_overtakes_the_old_value_is_told_by_the_process() {
    let mut gate = Gate::new(1);
    let start = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds ";
    let body = |value: f64, started: f64| format!("{}{start}{started}\n", a(value));
    gate.round(&[Some(&body(100.0, 3.0))]);
    assert_eq!(gate.round(&[Some(&body(110.0, 3.2))])["a_total{}"], 10.0);
    assert_eq!(gate.round(&[Some(&body(150.0, 1035.0))])["a_total{}"], 160.0);
    assert_eq!(gate.round(&[Some(&body(151.0, 1035.0))])["a_total{}"], 161.0);
}

#[test]
fn a_series_that_overtakes_its_old_value_is_told_by_its_creation() {
    let mut gate = Gate::new(1);
    let body = |value: f64, created: f64, other: f64| {
        format!(
            "# TYPE a_total counter\na_total{{x=\"1\",pod=\"1\"}} {value}\na_total{{x=\"2\",pod=\"1\"}} \
             {other}\n# TYPE a_created gauge\na_created{{pod=\"1\",x=\"1\"}} {created}\n\
             a_created{{pod=\"1\",x=\"2\"}} 5\n"
        )
    };
    gate.round(&[Some(&body(100.0, 5.0, 10.0))]);
    gate.round(&[Some(&body(110.0, 5.0, 11.0))]);
    let values = gate.round(&[Some(&body(150.0, 1040.0, 12.0))]);
    assert_eq!(values["a_total{x=\"1\"}"], 160.0);
    assert_eq!(values["a_total{x=\"2\"}"], 2.0);
}

#[test]
fn a_series_that_disappears_and_returns_goes_on() {
    let mut gate = Gate::new(1);
    let body = |values: &[(&str, f64)]| {
        let lines =
            values.iter().map(|(x, value)| format!("a_total{{pod=\"1\",x=\"{x}\"}} {value}\n"));
        std::iter::once("# TYPE a_total counter\n".to_owned()).chain(lines).collect::<String>()
    };
    gate.round(&[Some(&body(&[("1", 100.0), ("2", 50.0)]))]);
    gate.round(&[Some(&body(&[("1", 101.0), ("2", 51.0)]))]);
    let values = gate.round(&[Some(&body(&[("1", 102.0)]))]);
    assert_eq!(values.get("a_total{x=\"2\"}"), None);
    let values = gate.round(&[Some(&body(&[("0", 9.0), ("2", 53.0), ("1", 103.0)]))]);
    assert_eq!(values["a_total{x=\"2\"}"], 3.0);
    assert_eq!(values["a_total{x=\"1\"}"], 3.0);
    // It was not there before, on a target that was: all of it is new.
    assert_eq!(values["a_total{x=\"0\"}"], 9.0);
}

#[test]
fn a_histogram_is_reset_as_a_whole() {
    let mut gate = Gate::new(1);
    let body = |[low, high, inf]: [u32; 3]| {
        format!(
            "# TYPE h histogram\nh_bucket{{pod=\"1\",le=\"1\"}} {low}\nh_bucket{{pod=\"1\",le=\"5\"}} {high}\n\
             h_bucket{{pod=\"1\",le=\"+Inf\"}} {inf}\nh_sum{{pod=\"1\"}} {inf}\nh_count{{pod=\"1\"}} {inf}\n"
        )
    };
    gate.round(&[Some(&body([10, 10, 10]))]);
    // The first bucket fell, the others did not: without the rest it would count more than they.
    let values = gate.round(&[Some(&body([9, 12, 12]))]);
    for (series, expect) in
        [("h_bucket{}1", 9.0), ("h_bucket{}5", 12.0), ("h_bucket{}+Inf", 12.0), ("h_count{}", 12.0)]
    {
        assert_eq!(values[series], expect, "{series}: {values:?}");
    }
}

#[test]
fn gauges_of_a_target_that_fails_are_left_out() {
    let mut gate = Gate::new(2);
    let body = |value: u32| format!("# TYPE g gauge\ng{{pod=\"1\"}} {value}\n");
    gate.check(&[Some(&body(3)), Some(&body(4))], &[("g{}", 7.0)]);
    gate.check(&[Some(&body(3)), None], &[("g{}", 3.0)]);
    gate.check(&[None, None], &[]);
    gate.check(&[None, Some(&body(5))], &[("g{}", 5.0)]);
}

/// What one replica does between two scrapes.
#[derive(Clone, Debug)]
enum Step {
    Count(u32),
    Restart(u32),
    Miss(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..50_u32).prop_map(Step::Count),
        1 => (0..5_u32).prop_map(Step::Restart),
        1 => (0..50_u32).prop_map(Step::Miss),
    ]
}

proptest! {
    /// The counter never falls and counts exactly what the replicas counted, as far as their
    /// values tell: a restart is seen where the value falls.
    #[test]
    fn the_total_is_what_the_replicas_counted(
        schedule in proptest::collection::vec(proptest::collection::vec(step(), 3), 2..20),
    ) {
        let mut gate = Gate::new(3);
        let mut values = [1000.0_f64, 2000.0, 3000.0];
        let mut seen: [Option<f64>; 3] = [None; 3];
        let (mut expect, mut last) = (0.0, 0.0);
        for steps in schedule {
            let mut bodies = Vec::new();
            for (replica, step) in steps.iter().enumerate() {
                match step {
                    Step::Count(n) | Step::Miss(n) => values[replica] += f64::from(*n),
                    Step::Restart(n) => values[replica] = f64::from(*n),
                }
                let value = values[replica];
                bodies.push((!matches!(step, Step::Miss(_))).then(|| a(value)));
                if !matches!(step, Step::Miss(_)) {
                    let before = seen[replica].replace(value);
                    expect += before.map_or(0.0, |b| if value >= b { value - b } else { value });
                }
            }
            let bodies: Vec<_> = bodies.iter().map(|body| body.as_deref()).collect();
            let total = gate.round(&bodies).get("a_total{}").copied();
            if seen.iter().any(Option::is_some) {
                let total = total.unwrap();
                prop_assert_eq!(total, expect);
                prop_assert!(total >= last);
                last = total;
            }
        }
    }
}
