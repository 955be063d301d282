mod agreement;

use super::*;
use crate::generate::spec::DataSpec;
use crate::generate::spec::EndSpec;
use crate::generate::spec::Extent;
use crate::generate::spec::SignalSpec;
use crate::generate::spec::ValuesSpec;

fn no_files(name: &str) -> Result<String, String> {
    Err(format!("cannot read {name:?}"))
}

fn read(text: &str) -> Result<(Document, Spec), ConfigErrors> {
    Document::read("f.yaml", text, &[], &no_files)
}

#[track_caller]
fn spec(text: &str) -> Spec {
    read(text).unwrap_or_else(|errors| panic!("{errors}")).1
}

/// The errors of a file are these, a line each.
#[track_caller]
fn check_errors(text: &str, want: &[&str]) {
    let errors = read(text).expect_err("errors").to_string();
    assert_eq!(errors.lines().collect::<Vec<_>>(), want);
}

const EXAMPLE: &str = "\
seed: 42
start: 2026-01-01T00:00:00Z
interval: 30s
parameters: {pods: 3}
targets: 2
constant_labels: {cluster: demo}
families:
- name: http_requests_total
  type: counter
  help: Requests.
  labels:
    method: [GET, POST]
    pod: {template: 'web-{n}', count: '${pods * 2}'}
    shard: {range: [0, 9]}
    path: {zipf: {template: '/p/{n}', pool: 1000}, count: 10}
    zone: {of: pod, list: [a, b, c]}
    code: {list: ['200', 404], weights: [9, 1]}
  keep: 0.5
  churn: {share: 0.01, every: 1h}
  rate: 5
  resets: [{every: 1d}, {at: 2026-01-02}, {per_hour: 0.5}]
  exemplars: {labels: {trace_id: 16}, share: 0.1}
- name: latency_seconds
  type: histogram
  rate: {sine: {mean: 10, amplitude: 3, period: 1h}}
  distribution: {lognormal: {mu: -3, sigma: 1}}
- name: queue_depth
  type: gauge
  series:
  - labels: {queue: mail}
    end: {value: 0}
    value: {notation: '0+10x100 _x5 stale'}
";

#[test]
fn a_file_is_read() {
    let spec = spec(EXAMPLE);
    assert_eq!((spec.seed, spec.interval_ms, spec.n_targets), (42, 30_000, 2));
    let [requests, latency, queue] = spec.families.as_slice() else { panic!("{spec:#?}") };
    assert_eq!(requests.dimensions.len(), 6);
    let values = ValuesSpec::Template { template: "web-{n}".to_owned(), count: 6 };
    assert_eq!(requests.dimensions[1].values, values);
    assert_eq!(requests.dimensions[5].values, ValuesSpec::List(vec!["200".into(), "404".into()]));
    let Some(DataSpec::Histogram(histogram)) = &latency.data else { panic!("{latency:#?}") };
    assert!(histogram.observations.integers);
    assert_eq!(queue.data, None);
    let DataSpec::Gauge(value) = &queue.series[0].data else { panic!("{queue:#?}") };
    assert_eq!(value.end, EndSpec::Value(0.0));
}

#[test]
fn every_error_is_told_with_line_and_path() {
    check_errors(
        "seed: -1\nintervall: 5s\nfamilies:\n- name: a\n  type: gauge\n  value: {sinus: {period: 1h}}\n- type: counter\n  rate: {sine: {amplitude: .nan, period: 0s}}\n- {name: b, type: gage}\n- {name: c, type: gauge}\n",
        &[
            "f.yaml:1:7: seed: \"-1\" is not a whole number of at least 0",
            "f.yaml:2:1: unknown field \"intervall\", did you mean \"interval\"",
            "f.yaml:6:11: families[0].value: unknown field \"sinus\", did you mean \"sine\"",
            "f.yaml:7:3: families[1]: the field \"name\" is missing",
            "f.yaml:8:28: families[1].rate.sine.amplitude: \".nan\" is not finite",
            "f.yaml:8:42: families[1].rate.sine.period: the duration has to be positive",
            "f.yaml:9:19: families[2].type: unknown metric type \"gage\", did you mean \"gauge\"",
            "f.yaml:10:3: families[3]: one of the fields value, series is needed",
        ],
    );
    check_errors(
        "",
        &["f.yaml:1:1: cannot unmarshal !!null `` into a configuration of the generator"],
    );
    check_errors(
        "parameters: {n: 2}\nfamilies: ['${m}']\n",
        &["f.yaml:2:12: families[0]: `${m}`: there is no parameter \"m\", use one of n"],
    );
}

#[test]
fn what_only_compiling_finds_gets_its_line() {
    let (document, _) = read(EXAMPLE).unwrap();
    let place = |path: &str| document.place(&[SpecError::new(path, "wrong")]).to_string();
    assert_eq!(place("interval"), "f.yaml:3:1: interval: wrong");
    assert_eq!(
        place("families[0].labels.pod.count"),
        "f.yaml:13:32: families[0].labels.pod.count: wrong"
    );
    assert!(place("families[1].rate.sine.periods").starts_with("f.yaml:25:10: "));
    assert!(place("").starts_with("f.yaml:1:1: "));
}

#[test]
fn parameters_can_be_set() {
    let set = [("pods".to_owned(), "5".to_owned())];
    let (_, spec) = Document::read("f", EXAMPLE, &set, &no_files).unwrap();
    let values = ValuesSpec::Template { template: "web-{n}".to_owned(), count: 10 };
    assert_eq!(spec.families[0].dimensions[1].values, values);
    let set = [("pod".to_owned(), "5".to_owned())];
    let errors = Document::read("f", EXAMPLE, &set, &no_files).unwrap_err().to_string();
    assert_eq!(
        errors,
        "f:4:13: parameters: --set pod: there is no such parameter, did you mean \"pods\""
    );
}

#[test]
fn csv_files_are_read_at_the_start_only() {
    let text = "families:\n- {name: a, type: gauge, value: {csv: {file: x.csv, column: v}}}\n";
    check_errors(text, &["f.yaml:2:46: families[0].value.csv.file: cannot read \"x.csv\""]);
    let read_file = |name: &str| Ok(format!("v\n1\n{}\n", name.len()));
    let (document, spec) = Document::read("f", text, &[], &read_file).unwrap();
    let Some(DataSpec::Gauge(value)) = &spec.families[0].data else { panic!() };
    let text = "v\n1\n5\n".to_owned();
    let want = SignalSpec::Csv { text, column: "v".into(), every: Extent::Points(1) };
    assert_eq!(value.signal, want);
    assert!(document.to_yaml().contains(r#"text: "v\n1\n5\n""#), "{}", document.to_yaml());
    let family = serde_json::json!({
        "name": "b", "type": "gauge", "value": {"csv": {"file": "/etc/passwd", "column": "0"}}
    });
    let errors = document.with_family(&family).unwrap().spec().unwrap_err().to_string();
    assert!(errors.contains("files are read only at the start"), "{errors}");
}

#[test]
fn a_document_as_yaml_says_the_same() {
    let (document, spec) = read(EXAMPLE).unwrap();
    let yaml = document.to_yaml();
    assert_eq!(self::spec(&yaml), spec, "{yaml}");
    let merged = "families:\n- &a {name: a, type: gauge, value: 1}\n- {<<: *a, name: b}\n";
    let (document, spec) = read(merged).unwrap();
    assert_eq!(self::spec(&document.to_yaml()), spec);
}

#[test]
fn the_older_shape_is_read() {
    let text = include_str!("../../../tests/data/generate/seed.yaml");
    let spec = spec(text);
    assert_eq!((spec.start_ms, spec.interval_ms), (1_767_225_600_000, 30_000));
    let series = &spec.families[0].series[0];
    assert_eq!(series.labels, [("queue".to_owned(), "mail".to_owned())]);
    let DataSpec::Gauge(value) = &series.data else { panic!("{series:#?}") };
    assert_eq!(value.end, EndSpec::Loop);
    let linear = SignalSpec::Linear {
        from: 0.0,
        to: 70.0,
        over: Extent::Points(8),
        left_open: false,
        right_open: false,
    };
    let void = SignalSpec::Void(Extent::Points(2));
    let again = SignalSpec::Loop { signal: Box::new(SignalSpec::Join(vec![void])), times: Some(3) };
    let SignalSpec::Join(pieces) = &value.signal else { panic!("{value:#?}") };
    assert_eq!(pieces[..2], [linear, again]);
    assert_eq!(pieces.len(), 5, "{pieces:#?}");
}

#[test]
fn errors_in_the_older_shape_have_its_paths() {
    check_errors(
        "metrics:\n- name: a\n  type: gauge\n  labels: [x]\n  timeseries:\n  - labels: {y: b}\n    data:\n    - LinearSegment: {iterationCount: 8, amplitudeStart: 0}\n    - Vod: {count: 1}\n",
        &[
            "f.yaml:6:5: metrics[0].timeseries[0].labels: label mismatch: \"x\" has no value",
            "f.yaml:6:5: metrics[0].timeseries[0].labels: label mismatch: \"y\" is not among the labels of the metric",
            "f.yaml:8:22: metrics[0].timeseries[0].data[0].LinearSegment: the field \"amplitudeEnd\" is missing",
            "f.yaml:9:7: metrics[0].timeseries[0].data[1]: unknown field \"Vod\", did you mean \"Void\"",
        ],
    );
}

#[test]
fn families_and_series_are_created_changed_and_deleted() {
    use serde_json::json;
    let (document, _) = read(EXAMPLE).unwrap();
    let family = json!({ "name": "up", "type": "gauge", "value": 1 });
    let document = document.with_family(&family).unwrap();
    assert_eq!(document.family("up"), Some(family.clone()));
    assert!(matches!(document.with_family(&family), Err(EditError::Exists(_))));
    let document =
        document.with_family_changed("up", &json!({ "name": "down", "type": "gauge", "value": 2 }));
    let document = document.unwrap();
    assert_eq!((document.family("up"), document.families().len()), (None, 4));
    let document = document.without_family("down").unwrap();
    assert!(matches!(document.without_family("down"), Err(EditError::Missing(_))));

    let series = json!({ "labels": { "queue": "fax" }, "value": 3 });
    let document = document.with_series("queue_depth", &series).unwrap();
    assert_eq!(document.series("queue_depth").unwrap().len(), 2);
    assert!(matches!(document.with_series("queue_depth", &series), Err(EditError::Exists(_))));
    let labels = Labels::from([("queue".to_owned(), "fax".to_owned())]);
    let changed = json!({ "labels": { "queue": "fax" }, "value": 4 });
    let document = document.with_series_changed("queue_depth", &labels, &changed).unwrap();
    assert_eq!(document.series("queue_depth").unwrap()[1], changed);
    let document = document.without_series("queue_depth", &labels).unwrap();
    assert!(document.without_series("queue_depth", &labels).is_err());
    assert_eq!(document.spec().unwrap(), spec(EXAMPLE));
}

#[test]
fn the_shapes_of_families_stand_in_the_order_of_their_types() {
    for shape in tables::FAMILIES {
        let word = shape.name.split(' ').nth(1).unwrap();
        let text = format!("families:\n- {{name: a, type: {word}, nonsense: 1}}\n");
        let errors = read(&text).unwrap_err().to_string();
        assert!(errors.contains("unknown field \"nonsense\""), "{errors}");
        let known = shape.names();
        assert_eq!(known.contains(&"quantiles"), word == "summary");
        assert_eq!(known.contains(&"buckets"), word.ends_with("histogram"));
        assert_eq!(known.contains(&"states"), word == "stateset");
    }
}

type Labels = std::collections::BTreeMap<String, String>;
