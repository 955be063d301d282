use super::rule::{BUCKETS, SERIES_MAX};
use super::*;
use crate::model::Fingerprint;
use crate::model::FingerprintKey;
use crate::model::LabelSet;
use crate::model::fingerprint::KEY_WORDS;
use crate::relabel::Action;
use crate::relabel::NameScheme;
use crate::relabel::Rule as RelabelRule;
use crate::relabel::RuleSpec;
use crate::relabel::Rules;
use crate::wire::Labels;
use crate::wire::STALE_MARKER_BITS;
use crate::wire::Sample;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

const INTERVAL_MS: i64 = 10_000;
/// A whole number of intervals after the epoch.
const START_MS: i64 = 1_763_726_400_000;
const WORDS: [u64; KEY_WORDS] = [0x9e37_79b9_7f4a_7c15; KEY_WORDS];

fn key() -> FingerprintKey {
    FingerprintKey::new(|| WORDS[0])
}

fn parts(outputs: &[Output]) -> RuleParts {
    let keep = RuleSpec {
        action: Action::Keep,
        source_labels: Some(vec!["__name__".to_owned()]),
        regex: Some("m.*".to_owned()),
        ..RuleSpec::default()
    };
    RuleParts {
        selector: Rules::new(vec![RelabelRule::compile(&keep, NameScheme::Utf8).unwrap()]),
        selector_text: "m.*".to_owned(),
        interval_ms: INTERVAL_MS,
        interval_text: "10s".to_owned(),
        grouping: Grouping::Without(vec!["pod".to_owned()]),
        outputs: outputs.to_vec(),
        quantiles: vec![0.5],
        buckets: vec![1.0, 10.0],
        delay_ms: 0,
        staleness_ms: 60_000,
        keep_input: false,
        series_max: SERIES_MAX,
    }
}

fn set(labels: &[(&str, &str)]) -> LabelSet {
    let mut set = LabelSet::new();
    for (name, value) in labels {
        set.push(name.as_bytes(), value.as_bytes());
    }
    set.sort();
    set
}

/// Seconds after the start.
fn at(seconds: i64) -> i64 {
    START_MS + seconds * 1000
}

struct Test {
    aggregator: Aggregator,
    staged: Staged,
}

/// What is told: `name{labels} value @seconds`.
type Told = Vec<String>;

impl Test {
    fn new(parts: Vec<RuleParts>) -> Self {
        let rules = parts.into_iter().map(Rule::new).collect();
        Self { aggregator: Aggregator::new(rules, START_MS), staged: Staged::default() }
    }

    fn of(outputs: &[Output]) -> Self {
        Self::new(vec![parts(outputs)])
    }

    /// Push samples `(seconds, value)` of `m{pod, code}` at a time; says whether they go on.
    fn push_as(&mut self, now_s: i64, labels: &[(&str, &str)], samples: &[Sample]) -> bool {
        let set = set(labels);
        let mut bytes = Vec::new();
        set.iter().for_each(|(name, value)| crate::wire::put_label_v1(&mut bytes, name, value));
        let (labels, fingerprint): (_, Fingerprint) = (Labels::of_set(&set), key().of(&bytes));
        let Self { aggregator, staged } = self;
        let goes_on = aggregator.stage(fingerprint, &labels, samples, at(now_s), staged);
        assert_eq!(aggregator.commit(staged, at(now_s)), 0);
        goes_on
    }

    fn push(&mut self, pod: &str, samples: &[(i64, f64)]) {
        let now_s = samples.iter().map(|(seconds, _)| *seconds).max().unwrap_or(0);
        self.push_late(now_s, pod, samples);
    }

    fn push_late(&mut self, now_s: i64, pod: &str, samples: &[(i64, f64)]) {
        let sample = |(seconds, value): &(i64, f64)| Sample {
            value: *value,
            timestamp_ms: at(*seconds),
            start_timestamp_ms: 0,
        };
        let samples: Vec<_> = samples.iter().map(sample).collect();
        let labels = [("__name__", "m"), ("pod", pod), ("code", "200")];
        assert!(!self.push_as(now_s, &labels, &samples));
    }

    fn flush(&mut self, now_s: i64) -> Told {
        let mut told = Vec::new();
        self.aggregator.flush(at(now_s), |labels, sample| told.push(show(labels, &sample)));
        told
    }

    fn counts(&mut self) -> StreamCounts {
        self.aggregator.take_counts().next().unwrap()
    }
}

fn show(labels: &LabelSet, sample: &Sample) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let rest: Vec<_> = labels
        .iter()
        .filter(|(name, _)| *name != b"__name__")
        .map(|(name, value)| format!("{}={}", text(name), text(value)))
        .collect();
    let is_stale = sample.value.to_bits() == STALE_MARKER_BITS;
    let value = if is_stale { "stale".to_owned() } else { sample.value.to_string() };
    let seconds = (sample.timestamp_ms - START_MS) / 1000;
    format!("{}{{{}}} {value} @{seconds}", text(labels.metric_name()), rest.join(","))
}

#[test]
fn every_output_is_told_at_the_end_of_its_window() {
    let outputs = Output::ALL.map(|(_, output)| output);
    let mut test = Test::of(&outputs);
    test.push("a", &[(1, 2.0), (10, 4.0)]);
    test.push("b", &[(5, 12.0)]);
    // This one is of the next window.
    test.push("b", &[(11, 20.0)]);
    let name = |word: &str| format!("m:10s_without_pod_{word}{{code=200}}");
    let bucket = |le: &str, n: u32| {
        format!("m:10s_without_pod_histogram_bucket{{code=200,le={le}}} {n} @10")
    };
    let mut told = test.flush(10);
    let quantile = told.pop().unwrap();
    assert_eq!(
        told,
        [
            name("sum_samples") + " 18 @10",
            name("count_samples") + " 3 @10",
            name("last") + " 4 @10",
            name("min") + " 2 @10",
            name("max") + " 12 @10",
            name("avg") + " 6 @10",
            name("total") + " 2 @10",
            name("increase") + " 2 @10",
            bucket("1", 0),
            bucket("10", 2),
            bucket("+Inf", 3),
        ]
    );
    let quantile = quantile.strip_prefix("m:10s_without_pod_quantiles{code=200,quantile=0.5} ");
    let quantile: f64 = quantile.and_then(|q| q.strip_suffix(" @10")).unwrap().parse().unwrap();
    assert!((quantile - 4.0).abs() <= 0.04, "{quantile}");
    assert_eq!(test.flush(10), [""; 0]);
    let told = test.flush(20);
    assert!(told.contains(&(name("total") + " 10 @20")), "{told:?}");
    assert!(told.contains(&(name("count_samples") + " 1 @20")), "{told:?}");
}

#[test]
fn groups_are_made_by_or_without_labels_and_never_across_names() {
    let mut by = parts(&[Output::SumSamples]);
    by.grouping = Grouping::By(vec!["code".to_owned(), "path".to_owned()]);
    let mut test = Test::new(vec![by]);
    for (name, pod, code) in
        [("m", "a", "200"), ("m", "b", "200"), ("m", "a", "500"), ("m2", "a", "200")]
    {
        let sample = Sample { value: 1.0, timestamp_ms: at(1), start_timestamp_ms: 0 };
        test.push_as(1, &[("__name__", name), ("pod", pod), ("code", code)], &[sample]);
    }
    assert_eq!(
        test.flush(10),
        [
            "m:10s_by_code_path_sum_samples{code=200} 2 @10",
            "m:10s_by_code_path_sum_samples{code=500} 1 @10",
            "m2:10s_by_code_path_sum_samples{code=200} 1 @10",
        ]
    );
}

#[test]
fn series_that_are_not_meant_go_on() {
    let mut test = Test::of(&[Output::Total]);
    let sample = Sample { value: 1.0, timestamp_ms: at(1), start_timestamp_ms: 0 };
    for _ in 0..2 {
        assert!(test.push_as(1, &[("__name__", "other")], &[sample]));
    }
    assert_eq!(test.flush(100), [""; 0]);
    let mut keeping = parts(&[Output::CountSamples]);
    keeping.keep_input = true;
    let mut test = Test::new(vec![keeping]);
    assert!(test.push_as(1, &[("__name__", "m")], &[sample]));
    assert_eq!(test.flush(10), ["m:10s_without_pod_count_samples{} 1 @10"]);
}

#[test]
fn a_reset_is_that_of_one_series() {
    let mut test = Test::of(&[Output::Total]);
    test.push("a", &[(1, 100.0)]);
    test.push("b", &[(1, 1000.0)]);
    test.push("a", &[(5, 110.0)]);
    test.push("b", &[(5, 1001.0)]);
    assert_eq!(test.flush(10), ["m:10s_without_pod_total{code=200} 11 @10"]);
    // One restarts and counts from 0.
    test.push("a", &[(15, 3.0)]);
    test.push("b", &[(15, 1002.0)]);
    assert_eq!(test.flush(20), ["m:10s_without_pod_total{code=200} 15 @20"]);
    assert_eq!(test.counts().n_resets, 1);
    // A pause: what was counted stays.
    assert_eq!(test.flush(30), ["m:10s_without_pod_total{code=200} 15 @30"]);
}

#[test]
fn new_series_count_from_the_start_if_they_are_known_to_be_new() {
    let labels = |pod| [("__name__", "m"), ("pod", pod)];
    let sample = |value, seconds, start_s| Sample {
        value,
        timestamp_ms: at(seconds),
        start_timestamp_ms: at(start_s),
    };
    let mut test = Test::of(&[Output::Total]);
    test.push_as(3, &labels("old"), &[sample(1000.0, 3, -100)]);
    test.push_as(3, &labels("new"), &[sample(7.0, 3, 2)]);
    assert_eq!(test.flush(10), ["m:10s_without_pod_total{} 7 @10"]);
    // A start after the last sample is a reset, whatever the value.
    test.push_as(15, &labels("old"), &[sample(1001.0, 15, 12)]);
    assert_eq!(test.flush(20), ["m:10s_without_pod_total{} 1008 @20"]);
    // Without a start: new, as the rule has run for long.
    let unknown = Sample { value: 5.0, timestamp_ms: at(65), start_timestamp_ms: 0 };
    test.push_as(65, &labels("c"), &[unknown]);
    assert_eq!(test.flush(70).last().unwrap(), "m:10s_without_pod_total{} 1013 @70");
}

#[test]
fn late_and_out_of_order_samples_go_by_their_time() {
    let outputs = [Output::SumSamples, Output::Increase];
    let mut delayed = parts(&outputs);
    delayed.delay_ms = 5000;
    let mut test = Test::new(vec![delayed]);
    test.push("a", &[(2, 10.0)]);
    test.push_late(12, "a", &[(12, 14.0)]);
    // Its window is open still, and it is older than the newest.
    test.push_late(13, "a", &[(8, 11.0)]);
    assert_eq!(test.flush(14), [""; 0]);
    assert_eq!(
        test.flush(15),
        [
            "m:10s_without_pod_sum_samples{code=200} 21 @10",
            "m:10s_without_pod_increase{code=200} 0 @10",
        ]
    );
    // Too late, and older than the newest: of no use at all.
    test.push_late(16, "a", &[(9, 12.0)]);
    // Too late, but the newest of its series: what it grew by is told with the next window.
    test.push("b", &[(3, 100.0)]);
    test.push_late(17, "b", &[(10, 103.0)]);
    assert_eq!(
        test.flush(25),
        [
            "m:10s_without_pod_sum_samples{code=200} 14 @20",
            "m:10s_without_pod_increase{code=200} 7 @20",
        ]
    );
    let counts = test.counts();
    assert_eq!((counts.n_late, counts.n_out_of_order), (3, 2));
}

#[test]
fn what_is_no_use_is_counted() {
    let mut test = Test::of(&[Output::CountSamples]);
    test.push("a", &[(1, 1.0), (1, 1.0), (2, f64::NAN)]);
    test.push_late(2, "a", &[(700, 1.0)]);
    let counts = test.counts();
    assert_eq!((counts.n_samples, counts.n_duplicate, counts.n_nan, counts.n_future), (1, 1, 1, 1));
    assert_eq!(test.flush(10), ["m:10s_without_pod_count_samples{code=200} 1 @10"]);
}

#[test]
fn a_group_ends_with_its_last_series() {
    let mut test = Test::of(&[Output::Total, Output::Last]);
    let stale = f64::from_bits(STALE_MARKER_BITS);
    test.push("a", &[(1, 1.0)]);
    test.push("b", &[(1, 1.0)]);
    assert_eq!(test.flush(10).len(), 2);
    test.push("a", &[(11, stale)]);
    assert_eq!(test.flush(20), ["m:10s_without_pod_total{code=200} 0 @20"]);
    assert_eq!(test.aggregator.sizes().next(), Some((1, 1)));
    // The other one pauses for too long.
    for seconds in [30, 40, 50, 60] {
        assert_eq!(test.flush(seconds).len(), 1);
    }
    test.flush(70);
    assert_eq!(
        test.flush(80),
        [
            "m:10s_without_pod_total{code=200} stale @80",
            "m:10s_without_pod_last{code=200} stale @80",
        ]
    );
    assert_eq!(test.aggregator.sizes().next(), Some((0, 0)));
    assert_eq!(test.flush(1_000_000), [""; 0]);
    // It comes back, and counts from nothing.
    test.push("b", &[(1_000_001, 3.0)]);
    assert_eq!(test.flush(1_000_010)[0], "m:10s_without_pod_total{code=200} 3 @1000010");
}

#[test]
fn the_number_of_series_is_bounded() {
    let mut small = parts(&[Output::CountSamples]);
    small.series_max = 2;
    let mut test = Test::new(vec![small]);
    let sample = Sample { value: 1.0, timestamp_ms: at(1), start_timestamp_ms: 0 };
    let pods = ["a", "b", "c"];
    let went_on = pods.map(|pod| test.push_as(1, &[("__name__", "m"), ("pod", pod)], &[sample]));
    assert_eq!(went_on, [false, false, true]);
    assert_eq!(test.counts().n_refused_series, 1);
    assert_eq!(test.flush(10), ["m:10s_without_pod_count_samples{} 2 @10"]);
}

#[test]
fn nothing_counts_before_it_is_committed() {
    let mut test = Test::of(&[Output::CountSamples]);
    let (set, mut staged) = (set(&[("__name__", "m")]), Staged::default());
    let sample = Sample { value: 1.0, timestamp_ms: at(1), start_timestamp_ms: 0 };
    let (labels, fingerprint) = (Labels::of_set(&set), key().of(b"m"));
    for _ in 0..3 {
        staged.clear();
        let goes_on = test.aggregator.stage(fingerprint, &labels, &[sample], at(1), &mut staged);
        assert!(!goes_on);
    }
    assert_eq!(test.aggregator.commit(&mut staged, at(1)), 0);
    assert_eq!(test.flush(10), ["m:10s_without_pod_count_samples{} 1 @10"]);
    // Rules were replaced in between.
    assert!(!test.aggregator.stage(fingerprint, &labels, &[sample], at(11), &mut staged));
    test.aggregator.reload(Vec::new(), at(11));
    assert_eq!(test.aggregator.commit(&mut staged, at(11)), 1);
}

#[test]
fn a_reload_keeps_what_it_does_not_touch() {
    let other = || {
        let mut other = parts(&[Output::Max]);
        other.grouping = Grouping::By(Vec::new());
        other
    };
    let mut test = Test::new(vec![parts(&[Output::Total]), other()]);
    test.push("a", &[(1, 1.0), (2, 5.0)]);
    let mut kept = parts(&[Output::Total]);
    kept.keep_input = true;
    test.aggregator.reload(vec![other(), Rule::new(kept).parts].map_rules(), at(3));
    assert_eq!(test.flush(10), ["m:10s_max{} 5 @10", "m:10s_without_pod_total{code=200} 4 @10"]);
    let mut touched = parts(&[Output::Total]);
    touched.staleness_ms += 1;
    test.aggregator.reload(vec![Rule::new(touched)], at(11));
    assert_eq!(test.flush(20), [""; 0]);
}

trait MapRules {
    fn map_rules(self) -> Vec<Rule>;
}

impl MapRules for Vec<RuleParts> {
    fn map_rules(self) -> Vec<Rule> {
        self.into_iter().map(Rule::new).collect()
    }
}

#[test]
fn a_state_that_is_not_whole_is_refused() {
    let mut test = Test::of(&[Output::Total, Output::Quantiles]);
    test.push("a", &[(1, 1.0), (2, 5.0)]);
    let saved = test.aggregator.save(&WORDS);
    let restore = |bytes: &[u8]| {
        let rules = vec![Rule::new(parts(&[Output::Total, Output::Quantiles]))];
        Aggregator::restore(rules, bytes, at(3)).map(|(aggregator, words)| {
            assert_eq!(words, WORDS);
            aggregator.sizes().next()
        })
    };
    assert_eq!(restore(&saved), Ok(Some((1, 1))));
    for n_bytes in 0..saved.len() {
        assert!(restore(&saved[..n_bytes]).is_err(), "{n_bytes}");
    }
    for at in 0..saved.len() {
        let mut changed = saved.clone();
        changed[at] ^= 1;
        assert!(restore(&changed).is_err(), "{at}");
    }
    // Other rules begin anew.
    let rules = vec![Rule::new(parts(&[Output::Max]))];
    let (other, _) = Aggregator::restore(rules, &saved, at(3)).unwrap();
    assert_eq!(other.sizes().next(), Some((0, 0)));
    // So do all where the time is another.
    for (seconds, is_kept) in [(3, true), (86_000, true), (87_000, false), (-87_000, false)] {
        let rules = vec![Rule::new(parts(&[Output::Total, Output::Quantiles]))];
        let (later, _) = Aggregator::restore(rules, &saved, at(seconds)).unwrap();
        assert_eq!(later.sizes().next() == Some((1, 1)), is_kept, "{seconds}");
    }
    assert_eq!(BUCKETS.len(), 11);
}

/// Something that happens to one of three series, at a second.
type Event = (i64, usize, f64);

/// What windows should tell, from all samples at once: by window end, `(n, sum, min, max,
/// increase)`. Every series begins with a baseline.
fn naive(events: &[Event]) -> BTreeMap<i64, (u32, f64, f64, f64, f64)> {
    let mut told: BTreeMap<i64, (u32, f64, f64, f64, f64)> = BTreeMap::new();
    for pod in 0..3 {
        let mut own: Vec<_> = events.iter().filter(|(_, of, _)| *of == pod).collect();
        own.sort_by_key(|(seconds, ..)| *seconds);
        let mut last = None;
        for (seconds, _, value) in own {
            let end = (seconds + 9) / 10 * 10;
            let empty = (0, 0.0, f64::INFINITY, f64::NEG_INFINITY, 0.0);
            let (n, sum, min, max, increase) = told.entry(end).or_insert(empty);
            *n += 1;
            *sum += value;
            *min = min.min(*value);
            *max = max.max(*value);
            *increase += match last {
                None => 0.0,
                Some(last) if *value < last => *value,
                Some(last) => value - last,
            };
            last = Some(*value);
        }
    }
    told
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Whole numbers: their sums are exact in any order.
    let one = (1_i64..55, 0_usize..3, (0_i32..50).prop_map(f64::from));
    vec(one, 1..40).prop_map(|mut events| {
        events.sort_by_key(|(seconds, pod, _)| (*seconds, *pod));
        events.dedup_by_key(|(seconds, pod, _)| (*seconds, *pod));
        events
    })
}

/// Feed events in order, flushing as time passes; `restart` saves and restores before each event,
/// `twice` sends each event twice.
fn run(events: &[Event], restart: bool, twice: bool) -> Told {
    let outputs =
        [Output::CountSamples, Output::SumSamples, Output::Min, Output::Max, Output::Increase];
    let mut test = Test::of(&outputs);
    let mut told = Vec::new();
    for (seconds, pod, value) in events {
        told.extend(test.flush(seconds - 1));
        if restart {
            let saved = test.aggregator.save(&WORDS);
            let rules = vec![Rule::new(parts(&outputs))];
            test.aggregator = Aggregator::restore(rules, &saved, at(*seconds)).unwrap().0;
        }
        for _ in 0..=usize::from(twice) {
            test.push(["a", "b", "c"][*pod], &[(*seconds, *value)]);
        }
    }
    told.extend(test.flush(60));
    told
}

/// A state of all outputs, saved while a window is open.
fn saved_state(outputs: &[Output]) -> Vec<u8> {
    let mut test = Test::of(outputs);
    for (pod, seconds, value) in [("a", 1, 1.0), ("b", 4, 7.0), ("a", 11, 3.0), ("b", 22, 9.0)] {
        test.push(pod, &[(seconds, value)]);
    }
    test.flush(20);
    test.aggregator.save(&WORDS)
}

proptest! {
    /// A state in which something stands that was never saved, signed all the same, is refused or
    /// gone on with: without a panic, and without an end of it.
    #[test]
    fn what_is_forged_does_no_harm(
        place in any::<prop::sample::Index>(),
        n_gone in 0_usize..40,
        bytes in prop_oneof![
            vec(any::<u8>(), 0..40),
            (any::<u8>(), 0_usize..40).prop_map(|(byte, n)| vec![byte; n]),
        ],
    ) {
        let outputs = [
            Output::Total, Output::Increase, Output::HistogramBucket, Output::Quantiles,
            Output::SumSamples, Output::Avg,
        ];
        let mut state = saved_state(&outputs);
        state.truncate(state.len() - 16);
        let head = 8 + 8 * KEY_WORDS;
        let at = head + place.index(state.len() - head + 1);
        let end = (at + n_gone).min(state.len());
        state.splice(at..end, bytes);
        for word in key().of(&state).words() {
            state.extend_from_slice(&word.to_le_bytes());
        }
        let rules = || vec![Rule::new(parts(&outputs))];
        if let Ok((aggregator, _)) = Aggregator::restore(rules(), &state, START_MS + 23_000) {
            let saved = aggregator.save(&WORDS);
            let again = Aggregator::restore(rules(), &saved, START_MS + 23_000).unwrap().0;
            prop_assert_eq!(again.save(&WORDS).len(), saved.len());
            let mut test = Test::of(&outputs);
            test.aggregator = aggregator;
            test.push("a", &[(24, 2.0)]);
            // Labels may be of any bytes then.
            test.aggregator.flush(START_MS + 400_000, |_, _| {});
            test.push("c", &[(401, 5.0)]);
            test.aggregator.flush(START_MS + 420_000, |_, _| {});
        }
    }

    /// Samples in order give what the definition says.
    #[test]
    fn windows_are_what_the_definition_says(events in events()) {
        let mut want = Vec::new();
        for (end, (n, sum, min, max, increase)) in naive(&events) {
            for (word, value) in [("count_samples", f64::from(n)), ("sum_samples", sum), ("min", min), ("max", max), ("increase", increase)] {
                want.push(format!("m:10s_without_pod_{word}{{code=200}} {value} @{end}"));
            }
        }
        // A window without samples tells an increase of 0.
        let told: Vec<_> = run(&events, false, false);
        let with_samples = |line: &&String| want.contains(line) || !line.contains("increase{code=200} 0 ");
        let told: Vec<_> = told.iter().filter(with_samples).cloned().collect();
        prop_assert_eq!(told, want);
    }

    /// Neither a restart at any moment nor sending everything twice changes what is told.
    #[test]
    fn restarts_and_repetitions_change_nothing(events in events()) {
        let want = run(&events, false, false);
        prop_assert_eq!(&run(&events, true, false), &want);
        prop_assert_eq!(&run(&events, false, true), &want);
    }

    /// No bytes make a state, a panic or much memory.
    #[test]
    fn any_bytes_can_be_refused(bytes in vec(any::<u8>(), 0..2000)) {
        let with_magic = [&b"weiragg\x01"[..], &bytes].concat();
        for bytes in [bytes, with_magic] {
            prop_assert!(Aggregator::restore(Vec::new(), &bytes, 0).is_err());
        }
    }
}
