#![expect(clippy::float_cmp, reason = "constant rates are counted exactly")]

use proptest::prelude::*;

use super::*;
use crate::generate::overrides::{Hold, Pause, Reset, Selector, Spike};
use crate::generate::sample::Reading;
use crate::generate::spec::*;
use crate::model::MetricType;
use crate::parse::{Parser, check_labels};

const DAY_MS: i64 = 86_400_000;

fn dimension(label: &str, values: ValuesSpec) -> DimensionSpec {
    let label = label.to_owned();
    DimensionSpec { label, values, weights: None, of: None, per_target: false }
}

fn list(label: &str, values: &[&str]) -> DimensionSpec {
    let values = values.iter().map(|&value| value.to_owned()).collect();
    dimension(label, ValuesSpec::List(values))
}

fn template(label: &str, template: &str, count: u64) -> DimensionSpec {
    dimension(label, ValuesSpec::Template { template: template.to_owned(), count })
}

fn of(driver: &str, dimension: DimensionSpec) -> DimensionSpec {
    DimensionSpec { of: Some(driver.to_owned()), ..dimension }
}

fn gauge(name: &str, value: f64) -> FamilySpec {
    let data = DataSpec::Gauge(ValueSpec::new(SignalSpec::Const(value)));
    FamilySpec::new(name, MetricType::Gauge, data)
}

fn counter(name: &str, rate: f64) -> FamilySpec {
    let data = DataSpec::Counter(CounterSpec::new(SignalSpec::Const(rate)));
    FamilySpec::new(name, MetricType::Counter, data)
}

fn histogram(name: &str) -> FamilySpec {
    let data = DataSpec::Histogram(HistogramSpec {
        observations: CounterSpec { integers: true, ..CounterSpec::new(SignalSpec::Const(2.0)) },
        distribution: DistributionSpec::Exponential { mean: 0.1 },
        buckets: BucketSpec::List(vec![0.1, 1.0]),
        native: None,
        window_ms: None,
    });
    FamilySpec::new(name, MetricType::Histogram, data)
}

fn with(family: FamilySpec, dimensions: Vec<DimensionSpec>) -> FamilySpec {
    FamilySpec { dimensions, ..family }
}

fn generator(families: Vec<FamilySpec>) -> Generator {
    compile(&Spec { families, ..Spec::default() })
}

#[track_caller]
fn compile(spec: &Spec) -> Generator {
    Generator::new(spec, &Limits::default()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn page(generator: &Generator, time_ms: i64, format: Format) -> String {
    page_in_pieces(generator, 0, time_ms, format, 1 << 20)
}

fn page_in_pieces(
    generator: &Generator,
    target: u32,
    time_ms: i64,
    format: Format,
    n_bytes: usize,
) -> String {
    let mut out = Vec::new();
    let mut page = generator.page(target, time_ms, format);
    let mut n_before = 0;
    while page.fill(&mut out, n_bytes) {
        assert!(out.len() > n_before, "a call that promises more has to bring some");
        n_before = out.len();
    }
    assert!(!page.fill(&mut out, n_bytes));
    String::from_utf8(out).unwrap()
}

/// Series, as written, and values.
fn series(text: &str) -> Vec<(String, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let split = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    });
    split.collect()
}

#[track_caller]
fn value(generator: &Generator, series_name: &str, time_ms: i64) -> f64 {
    let all = series(&page(generator, time_ms, Format::Text));
    let found = all.iter().find(|(series, _)| series == series_name);
    found.unwrap_or_else(|| panic!("no {series_name} in {all:?}")).1
}

#[test]
fn a_page_in_text() {
    let mut requests = with(
        counter("http_requests_total", 1.0),
        vec![list("method", &["GET", "PUT"]), template("pod", "web-{n:02}", 2)],
    );
    requests.help = "All \\ \"requests\".\nHonestly.".to_owned();
    let spec = Spec {
        constant_labels: vec![("cluster".to_owned(), "a\"b".to_owned())],
        families: vec![requests, gauge("up", 1.0), histogram("wait_seconds")],
        ..Spec::default()
    };
    let expect = "\
# HELP http_requests_total All \\\\ \"requests\".\\nHonestly.
# TYPE http_requests_total counter
http_requests_total{cluster=\"a\\\"b\",method=\"GET\",pod=\"web-00\"} 100
http_requests_total{cluster=\"a\\\"b\",method=\"GET\",pod=\"web-01\"} 100
http_requests_total{cluster=\"a\\\"b\",method=\"PUT\",pod=\"web-00\"} 100
http_requests_total{cluster=\"a\\\"b\",method=\"PUT\",pod=\"web-01\"} 100
# TYPE up gauge
up{cluster=\"a\\\"b\"} 1
# TYPE wait_seconds histogram
wait_seconds_bucket{cluster=\"a\\\"b\",le=\"0.1\"} 126
wait_seconds_bucket{cluster=\"a\\\"b\",le=\"1\"} 199
wait_seconds_bucket{cluster=\"a\\\"b\",le=\"+Inf\"} 200
wait_seconds_sum{cluster=\"a\\\"b\"} 20
wait_seconds_count{cluster=\"a\\\"b\"} 200
";
    assert_eq!(page(&compile(&spec), 100_000, Format::Text), expect);
}

#[test]
fn a_page_in_open_metrics() {
    let info = FamilySpec::new("build", MetricType::Info, DataSpec::Info);
    let states =
        DataSpec::StateSet { states: vec!["on".to_owned(), "off".to_owned()], every_ms: 1000 };
    let mut sent = counter("sent_bytes_total", 1.0);
    sent.unit = "bytes".to_owned();
    let generator = generator(vec![
        with(info, vec![list("version", &["1"])]),
        FamilySpec::new("light", MetricType::StateSet, states),
        sent,
        counter("bare", 0.5),
        histogram("wait_seconds"),
    ]);
    let text = page(&generator, 100_000, Format::OpenMetrics);
    let (on, off) =
        if text.contains("light=\"on\"} 1.0") { ("1.0", "0.0") } else { ("0.0", "1.0") };
    let expect = format!(
        "\
# TYPE build info
build_info{{version=\"1\"}} 1.0
# TYPE light stateset
light{{light=\"on\"}} {on}
light{{light=\"off\"}} {off}
# TYPE sent_bytes counter
# UNIT sent_bytes bytes
sent_bytes_total 100.0
sent_bytes_created 0.0
# TYPE bare unknown
bare 50.0
# TYPE wait_seconds histogram
wait_seconds_bucket{{le=\"0.1\"}} 126.0
wait_seconds_bucket{{le=\"1.0\"}} 199.0
wait_seconds_bucket{{le=\"+Inf\"}} 200.0
wait_seconds_sum 20.0
wait_seconds_count 200.0
wait_seconds_created 0.0
# EOF
"
    );
    assert_eq!(text, expect);
}

#[test]
fn names_outside_the_legacy_set_are_quoted() {
    let family = with(gauge("http.requests", 1.0), vec![list("k8s.pod", &["a"])]);
    let text = page(&generator(vec![family, histogram("a.b")]), 0, Format::Text);
    assert!(
        text.contains("# TYPE \"http.requests\" gauge\n{\"http.requests\",\"k8s.pod\"=\"a\"} 1\n")
    );
    assert!(text.contains("{\"a.b_bucket\",le=\"0.1\"} 0\n") && text.contains("{\"a.b_sum\"} 0\n"));
}

#[test]
fn derived_labels_add_no_series() {
    let family = with(
        gauge("pod_info", 1.0),
        vec![
            of("pod", list("zone", &["a", "b"])),
            template("pod", "web-{n}", 3),
            of("pod", template("host", "h{n:02}", 0)),
        ],
    );
    let generator = generator(vec![family]);
    assert_eq!(generator.n_series(), 3);
    let cardinality = |name: &str, n: u64| (name.to_owned(), n);
    let expect = [cardinality("host", 3), cardinality("pod", 3), cardinality("zone", 2)];
    assert_eq!(generator.families()[0].cardinalities(), expect);
    let text = page(&generator, 0, Format::Text);
    assert!(text.contains("pod_info{host=\"h02\",pod=\"web-2\",zone=\"a\"} 1\n"), "{text}");
}

#[test]
fn targets_have_values_of_their_own_where_told_to() {
    let instance = DimensionSpec { per_target: true, ..template("instance", "node-{n}", 2) };
    let families = vec![with(gauge("up", 1.0), vec![instance])];
    let generator = compile(&Spec { n_targets: 3, families, ..Spec::default() });
    let text = page_in_pieces(&generator, 2, 0, Format::Text, 100);
    assert_eq!(text, "# TYPE up gauge\nup{instance=\"node-4\"} 1\nup{instance=\"node-5\"} 1\n");
    assert_eq!(generator.n_series(), 6);
}

#[test]
fn a_pool_gives_each_series_different_values_popular_ones_more_often() {
    let pool = ValuesSpec::Zipf { template: "/{n}".to_owned(), pool: 100, exponent: 1.0, count: 5 };
    let family = with(gauge("a", 1.0), vec![template("pod", "{n}", 50), dimension("path", pool)]);
    let generator = generator(vec![family]);
    let all = series(&page(&generator, 0, Format::Text));
    let unique: std::collections::BTreeSet<&String> = all.iter().map(|(name, _)| name).collect();
    assert_eq!((all.len(), unique.len()), (250, 250));
    let count = |path: &str| all.iter().filter(|(name, _)| name.contains(path)).count();
    assert!(count("path=\"/0\"") > 5 * count("path=\"/99\"").max(1), "{}", count("path=\"/0\""));
}

#[test]
fn a_share_of_the_product_is_kept() {
    let family = with(gauge("a", 1.0), vec![template("pod", "{n}", 10_000)]);
    let generator = generator(vec![FamilySpec { keep: 0.25, ..family }]);
    let n_lines = series(&page(&generator, 0, Format::Text)).len();
    assert_eq!(n_lines as u64, generator.n_series());
    assert!((2300..2700).contains(&n_lines), "{n_lines}");
}

#[test]
fn nothing_is_kept_where_the_share_is_none() {
    let family = with(gauge("a", 1.0), vec![template("pod", "{n}", 10)]);
    let generator = generator(vec![FamilySpec { keep: 0.0, ..family }, gauge("b", 1.0)]);
    assert_eq!(page(&generator, 0, Format::Text), "# TYPE b gauge\nb 1\n");
}

#[test]
fn weights_keep_the_mean() {
    let code = DimensionSpec { weights: Some(vec![9.0, 1.0]), ..list("code", &["200", "500"]) };
    let generator = generator(vec![with(counter("a_total", 1.0), vec![code])]);
    assert!((value(&generator, "a_total{code=\"200\"}", 100_000) - 180.0).abs() < 1e-9);
    assert!((value(&generator, "a_total{code=\"500\"}", 100_000) - 20.0).abs() < 1e-9);
}

#[test]
fn a_share_is_replaced_at_every_interval_and_starts_at_nought() {
    let churn = ChurnSpec::Share { share: 0.1, every_ms: 60_000, label: None };
    let family = with(counter("a_total", 1.0), vec![template("pod", "p{n}", 1000)]);
    let generator = generator(vec![FamilySpec { churn: vec![churn], ..family }]);
    let at = |minutes: i64| series(&page(&generator, minutes * 60_000, Format::Text));
    let (before, after) = (at(100), at(101));
    assert_eq!((before.len(), after.len()), (1000, 1000));
    let old: std::collections::BTreeSet<_> = before.iter().map(|(name, _)| name).collect();
    let new: Vec<f64> =
        after.iter().filter(|(name, _)| !old.contains(name)).map(|(_, value)| *value).collect();
    assert!((60..140).contains(&new.len()), "{}", new.len());
    assert!(new.iter().all(|value| *value == 0.0));
    assert!(after.iter().all(|(_, value)| *value <= 600.0), "nobody lives longer than ten minutes");
}

#[test]
fn a_rollout_replaces_all_within_its_time() {
    let churn = ChurnSpec::Rollout { label: "pod".to_owned(), every_ms: DAY_MS, over_ms: 600_000 };
    let family = with(counter("a_total", 1.0), vec![template("pod", "p{n}", 100)]);
    let generator = generator(vec![FamilySpec { churn: vec![churn], ..family }]);
    let n_new = |time_ms: i64, ending: &str| {
        let all = series(&page(&generator, time_ms, Format::Text));
        assert_eq!(all.len(), 100);
        all.iter().filter(|(name, _)| name.ends_with(ending)).count()
    };
    assert_eq!(n_new(DAY_MS - 1, "-1\"}"), 0);
    assert!((20..80).contains(&n_new(DAY_MS + 300_000, "-1\"}")));
    assert_eq!(n_new(DAY_MS + 600_000, "-1\"}"), 100);
    assert_eq!(n_new(3 * DAY_MS - 1, "-2\"}"), 100);
}

#[test]
fn an_explosion_multiplies_the_series_for_its_time() {
    let label = "path".to_owned();
    let churn = ChurnSpec::Explosion { at_ms: 60_000, for_ms: 60_000, factor: 5, label };
    let family = with(counter("a_total", 1.0), vec![template("path", "/{n}", 10)]);
    let family = FamilySpec { churn: vec![churn], ..family };
    let n_lines =
        |generator: &Generator, time_ms| series(&page(generator, time_ms, Format::Text)).len();
    let generator = generator(vec![family.clone()]);
    assert_eq!(
        [59_999, 60_000, 119_999, 120_000].map(|t| n_lines(&generator, t)),
        [10, 50, 50, 10]
    );
    assert!(value(&generator, "a_total{path=\"/3-x4\"}", 90_000) <= 30.0);
    let spec = Spec { families: vec![family], ..Spec::default() };
    let errors = Generator::new(&spec, &Limits { n_series_max: 49 }).unwrap_err();
    assert!(errors[0].to_string().contains("have 50 series"), "{errors:?}");
}

#[test]
fn series_and_targets_are_away_for_their_share() {
    let flap = ChurnSpec::Flap { share: 0.2, every_ms: 15_000 };
    let missing = ChurnSpec::Missing { share: 0.1, every_ms: 15_000 };
    let family = with(gauge("a", 1.0), vec![template("pod", "{n}", 1000)]);
    let generator = generator(vec![FamilySpec { churn: vec![flap, missing], ..family }]);
    let n_lines = series(&page(&generator, 90_000, Format::Text)).len();
    assert!((740..860).contains(&n_lines), "{n_lines}");
    let n_up = (0..1000).filter(|nth| generator.is_up(0, nth * 15_000)).count();
    assert!((860..940).contains(&n_up), "{n_up}");
}

#[test]
fn too_many_series_are_refused_with_their_number() {
    let huge = vec![template("a", "{n}", 1_000_000), template("b", "{n}", 1_000_000)];
    let spec = Spec { families: vec![with(gauge("a", 1.0), huge)], ..Spec::default() };
    let errors = Generator::new(&spec, &Limits::default()).unwrap_err();
    let text = errors[0].to_string();
    assert!(text.starts_with("families[0].labels: the labels make 1000000000000 series"), "{text}");
}

#[track_caller]
fn check_refused(family: FamilySpec, expect: &str) {
    let spec = Spec { families: vec![family], ..Spec::default() };
    let errors = Generator::new(&spec, &Limits::default()).unwrap_err();
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(all.join("; "), expect);
}

#[test]
fn what_makes_no_sense_is_refused_in_place() {
    let a = || gauge("a", 1.0);
    let x = || list("x", &["1", "2"]);
    check_refused(with(a(), vec![x(), x()]), "families[0].labels: label \"x\" occurs twice");
    check_refused(with(a(), vec![list("x", &[])]), "families[0].labels: label \"x\" has no values");
    check_refused(
        with(a(), vec![of("x", x())]),
        "families[0].labels: label \"x\" is decided by itself",
    );
    check_refused(
        with(a(), vec![of("y", x())]),
        "families[0].labels.x.of: there is no label \"y\"",
    );
    check_refused(
        with(a(), vec![template("x", "{m}", 1)]),
        "families[0].labels.x.template: template \"{m}\": expected `{n}`, `{n:03}` or `{hash}`, found \"m\"",
    );
    check_refused(
        with(a(), vec![DimensionSpec { weights: Some(vec![1.0]), ..x() }]),
        "families[0].labels.x.weights: needs 2 numbers from 0 up, not all 0",
    );
    check_refused(
        with(histogram("h"), vec![list("le", &["1"])]),
        "families[0].labels.le: a histogram makes this label",
    );
    check_refused(
        FamilySpec { keep: f64::NAN, ..a() },
        "families[0].keep: keep is NaN, not a share between 0 and 1",
    );
    check_refused(FamilySpec { spread: 2.0, ..a() }, "families[0].spread: must be from 0 to 1");
    check_refused(
        FamilySpec { metric_type: MetricType::Counter, ..a() },
        "families[0].type: the values given are not those of a counter",
    );
    check_refused(
        FamilySpec { unit: "bytes".to_owned(), ..a() },
        "families[0].unit: the family's name must end in `_` and the unit",
    );
    for (churn, expect) in [
        (ChurnSpec::Flap { share: 1.5, every_ms: 1 }, "share: must be from 0 to 1"),
        (ChurnSpec::Flap { share: 0.5, every_ms: 0 }, "every: must be above 0"),
        (ChurnSpec::Missing { share: f64::NAN, every_ms: 1 }, "share: must be from 0 to 1"),
        (
            ChurnSpec::Share { share: 0.1, every_ms: 1, label: None },
            "label: the family has no labels to tell series by",
        ),
        (
            ChurnSpec::Rollout { label: "x".to_owned(), every_ms: 1, over_ms: 2 },
            "over: must be from 0 to `every`",
        ),
        (
            ChurnSpec::Explosion { at_ms: 0, for_ms: 1, factor: 2, label: "x".to_owned() },
            "label: there is no label \"x\"",
        ),
    ] {
        let family = FamilySpec { churn: vec![churn], ..a() };
        check_refused(family, &format!("families[0].churn[0].{expect}"));
    }
}

#[test]
fn errors_of_signals_say_below_which_key_they_stand() {
    let empty =
        SignalSpec::Loop { signal: Box::new(SignalSpec::Void(Extent::Points(0))), times: None };
    let value = DataSpec::Gauge(ValueSpec::new(empty.clone()));
    let rate = DataSpec::Counter(CounterSpec::new(SignalSpec::Const(-1.0)));
    for (data, metric_type, expect) in [
        (value, MetricType::Gauge, "families[0].value.loop"),
        (rate, MetricType::Counter, "families[0].rate"),
    ] {
        let spec =
            Spec { families: vec![FamilySpec::new("a", metric_type, data)], ..Spec::default() };
        let errors = Generator::new(&spec, &Limits::default()).unwrap_err();
        assert!(errors[0].path.starts_with(expect), "{errors:?}");
    }
}

#[test]
fn two_families_of_one_name_are_refused() {
    let spec = Spec { families: vec![gauge("a", 1.0), gauge("a", 2.0)], ..Spec::default() };
    let errors = Generator::new(&spec, &Limits::default()).unwrap_err();
    assert_eq!(errors[0].to_string(), "families[1].name: there is a family \"a\" already");
}

fn selector(family: &str, labels: &[(&str, &str)]) -> Selector {
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    Selector { family: family.to_owned(), labels: labels.iter().map(own).collect() }
}

#[test]
fn a_hold_is_for_the_series_it_names_and_its_time() {
    let generator = generator(vec![with(gauge("a", 1.0), vec![list("x", &["1", "2"])])]);
    let selector = selector("a", &[("x", "2")]);
    let hold = Hold { selector, value: 9.0, from_ms: 100, until_ms: 200 };
    let generator =
        generator.with_overrides(Overrides { holds: vec![hold], ..Overrides::default() });
    let shown = |time_ms| value(&generator, "a{x=\"2\"}", time_ms);
    assert_eq!([99, 100, 199, 200].map(shown), [1.0, 9.0, 9.0, 1.0]);
    assert_eq!(value(&generator, "a{x=\"1\"}", 150), 1.0);
}

#[test]
fn a_reset_counts_from_its_instant() {
    let resets = vec![Reset { selector: selector("a_total", &[]), at_ms: 60_000 }];
    let generator = generator(vec![counter("a_total", 1.0)]);
    let generator = generator.with_overrides(Overrides { resets, ..Overrides::default() });
    let at = |time_ms| value(&generator, "a_total", time_ms);
    assert_eq!([59_000, 60_000, 70_000].map(at), [59.0, 0.0, 10.0]);
    let text = page(&generator, 70_000, Format::OpenMetrics);
    assert!(text.contains("a_created 60.0\n"), "{text}");
}

#[test]
fn a_spike_counts_faster_and_keeps_what_it_counted() {
    let spike = Spike {
        selector: selector("a_total", &[]),
        factor: 3.0,
        from_ms: 10_000,
        until_ms: 20_000,
    };
    let generator = generator(vec![counter("a_total", 1.0)]);
    let generator =
        generator.with_overrides(Overrides { spikes: vec![spike], ..Overrides::default() });
    let at = |time_ms| value(&generator, "a_total", time_ms);
    assert_eq!([10_000, 15_000, 20_000, 30_000].map(at), [10.0, 25.0, 40.0, 50.0]);
}

#[test]
fn a_pause_stops_time_until_it_ends() {
    let pauses = vec![Pause { at_ms: 10_000, until_ms: Some(20_000) }];
    let generator = generator(vec![counter("a_total", 1.0)]);
    let generator = generator.with_overrides(Overrides { pauses, ..Overrides::default() });
    let at = |time_ms| value(&generator, "a_total", time_ms);
    assert_eq!([9_000, 10_000, 19_000, 20_000].map(at), [9.0, 10.0, 10.0, 20.0]);
}

#[test]
fn exemplars_stand_on_buckets_they_belong_to() {
    let exemplars = ExemplarSpec { labels: vec![("trace_id".to_owned(), 16)], share: 1.0 };
    let family = FamilySpec { exemplars: Some(exemplars), ..histogram("a_seconds") };
    let generator = generator(vec![family]);
    let text = page(&generator, 100_000, Format::OpenMetrics);
    let exemplars: Vec<(&str, f64)> = text
        .lines()
        .filter_map(|line| {
            let (series, exemplar) = line.split_once(" # ")?;
            Some((series, exemplar.split(' ').nth(1)?.parse().unwrap()))
        })
        .collect();
    let [(first, low), (second, middle), (third, high)] = exemplars[..] else { panic!("{text}") };
    assert!(
        first.contains("le=\"0.1\"") && second.contains("le=\"1.0\"") && third.contains("+Inf")
    );
    assert!((0.0..=0.1).contains(&low) && (0.1..=1.0).contains(&middle) && high >= 1.0);
    assert!(!page(&generator, 100_000, Format::Text).contains(" # "));
}

#[test]
fn samples_are_those_of_the_page() {
    let generator = generator(mixed());
    let mut from_page: Vec<u64> = series(&page(&generator, DAY_MS, Format::Text))
        .iter()
        .map(|(_, value)| value.to_bits())
        .collect();
    let mut seen = Vec::new();
    generator.for_each_sample(0, DAY_MS, &mut |sample| {
        let Reading::Value(value) = sample.reading else { return };
        assert!(sample.labels.is_sorted() && !sample.label(b"__name__").is_empty());
        seen.push(value.to_bits());
    });
    assert_eq!(seen.len(), from_page.len());
    seen.sort_unstable();
    from_page.sort_unstable();
    assert_eq!(seen, from_page);
}

#[test]
fn a_history_is_its_pages_label_set_by_label_set() {
    let generator = generator(mixed());
    let mut out = Vec::new();
    let mut history = generator.history(0, DAY_MS, DAY_MS + 45_000, 15_000);
    while history.fill(&mut out, 100) {}
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("# EOF\n"));
    let mut expect = Vec::new();
    for nth in 0..4 {
        let time_ms = DAY_MS + nth * 15_000;
        let lines = page(&generator, time_ms, Format::OpenMetrics);
        let samples =
            lines.lines().filter(|line| !line.starts_with('#') && !line.contains("_created"));
        expect.extend(samples.map(|line| format!("{line} {}", time_ms / 1000)));
    }
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    expect.sort_unstable();
    assert_eq!(lines, expect);
}

/// Some of everything.
fn mixed() -> Vec<FamilySpec> {
    let noise = SignalSpec::Noise(NoiseSpec {
        distribution: DistributionSpec::Uniform { min: 0.0, max: 3.0 },
        every: Extent::Points(1),
    });
    let irregular = DataSpec::Counter(CounterSpec {
        resets: vec![ResetSpec::PerHour(0.5)],
        ..CounterSpec::new(noise.clone())
    });
    let pods = || template("pod", "web-{n}", 7);
    let share = ChurnSpec::Share { share: 0.3, every_ms: 60_000, label: Some("pod".to_owned()) };
    let flap = ChurnSpec::Flap { share: 0.1, every_ms: 30_000 };
    let wave = DataSpec::Gauge(ValueSpec::new(noise));
    vec![
        FamilySpec {
            churn: vec![share, flap],
            spread: 0.3,
            ..with(FamilySpec::new("noisy_total", MetricType::Counter, irregular), vec![pods()])
        },
        FamilySpec {
            keep: 0.5,
            ..with(FamilySpec::new("wave", MetricType::Gauge, wave), vec![pods()])
        },
        FamilySpec {
            spread: 0.5,
            ..with(histogram("wait_seconds"), vec![list("a", &["x", "y"]), pods()])
        },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two generators of one spec, asked in any order and in pieces of any size, give the same bytes.
    #[test]
    fn the_same_question_has_the_same_answer(
        seed: u64,
        mut times in proptest::collection::vec(0_i64..400 * DAY_MS, 1..4),
        n_bytes in 1_usize..5000,
    ) {
        let spec = Spec { seed, families: mixed(), ..Spec::default() };
        let (one, other) = (compile(&spec), compile(&spec));
        let ask = |generator: &Generator, time_ms: i64, n_bytes: usize| {
            page_in_pieces(generator, 0, time_ms, Format::OpenMetrics, n_bytes)
        };
        let forwards: Vec<String> = times.iter().map(|&time_ms| ask(&one, time_ms, 1 << 20)).collect();
        times.reverse();
        let mut backwards: Vec<String> =
            times.iter().map(|&time_ms| ask(&other, time_ms, n_bytes)).collect();
        backwards.reverse();
        prop_assert_eq!(forwards, backwards);
    }

    /// Whatever is written can be read, and no series occurs twice.
    #[test]
    fn what_is_written_can_be_read(seed: u64, time_ms in 0_i64..400 * DAY_MS) {
        let generator = compile(&Spec { seed, families: mixed(), ..Spec::default() });
        for format in [Format::Text, Format::OpenMetrics] {
            let text = page(&generator, time_ms, format);
            let mut parser = Parser::new(format);
            let mut visit = |line: &[u8], entry: crate::parse::Entry<'_>, tokens: &_| {
                match entry {
                    crate::parse::Entry::Sample => check_labels(line, tokens),
                    _ => Ok(()),
                }
            };
            prop_assert!(parser.push(text.as_bytes(), &mut visit).is_ok());
            prop_assert!(parser.finish(&mut visit).is_ok());
            let all = series(&text);
            let unique: std::collections::BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
            prop_assert_eq!(all.len(), unique.len());
        }
    }
}
