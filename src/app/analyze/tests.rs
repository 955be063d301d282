use super::*;
use tempfile::NamedTempFile;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn run_on(options: &Options, stdin: &str) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let fetch = |url: &str| {
        assert_eq!(url, "http://localhost/metrics");
        let body = Box::new(&b"a 1 1.5\n# EOF\n"[..]);
        Ok(Fetched { format: Format::OpenMetrics, body })
    };
    let exit = run(options, stdin.as_bytes(), fetch, || 7, &mut out, &mut err).unwrap();
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

const DOCUMENT: &str = "# HELP g A \\\"gauge\\\".\n# TYPE g gauge\n\
    g{x=\"1\",y=\"1\"} 1\ng{x=\"2\",y=\"1\"} 1\nh{y=\"1\"} 1\n";

#[test]
fn the_text_is_that_of_metric_gate_and_a_newline() {
    let (exit, out, err) = run_on(&Options::default(), DOCUMENT);
    assert_eq!(exit, Exit::Clean);
    assert_eq!(out, "\n2 g\n  2 x [1, 2]\n  1 y [1]\n\n1 h\n  1 y [1]\n\n");
    assert_eq!(err, "");
    assert_eq!(run_on(&Options::default(), "").1, "\n");
}

#[test]
fn a_file_of_openmetrics_is_known_by_its_end_and_a_url_by_its_content_type() {
    let open_metrics = file("a 1 1.5\n# EOF\n");
    let input = open_metrics.path().display().to_string();
    for input in [input, "http://localhost/metrics".to_owned()] {
        let options = Options { input, ..Options::default() };
        assert_eq!(run_on(&options, ""), (Exit::Clean, "\n1 a\n\n".to_owned(), String::new()));
    }
}

#[test]
fn savings_and_rules_are_told_behind_the_report() {
    let rules = file("metric_relabel_configs: [{action: labeldrop, regex: x}]\n");
    let relabel_file = Some(rules.path().to_owned());
    let options = Options { savings: true, relabel_file, ..Options::default() };
    let (exit, out, err) = run_on(&options, DOCUMENT);
    assert_eq!(exit, Exit::Clean);
    let behind = out.split_once("1 h\n  1 y [1]\n").unwrap().1;
    assert_eq!(
        behind,
        "\n3 series in 3 samples, 2 metrics, 2 labels; without the label there are\n\
         \x20 2 x\n  3 y\n\n\
         The rules make 2 series of 3 samples; 0 are dropped, 0 keep a name the rules remove.\n\
         \n1 g\n  1 y [1]\n\n1 h\n  1 y [1]\n\n\
         2 series in 2 samples, 2 metrics, 1 labels; without the label there are\n\
         \x20 2 y\n\n"
    );
    assert!(err.starts_with("warning: the rules merge series of the gauge \"g\" into 1 fewer"));
}

#[test]
fn json_says_all_of_it() {
    let options = Options { json: true, ..Options::default() };
    let (_, out, _) = run_on(&options, DOCUMENT);
    let json: Value = serde_json::from_str(&out).unwrap();
    let y = json!({"name": "y", "values": 1, "listed": ["1"], "series_without": 2});
    let x = json!({"name": "x", "values": 2, "listed": ["1", "2"], "series_without": 1});
    let h = json!({"name": "y", "values": 1, "listed": ["1"], "series_without": 1});
    assert_eq!(
        json["metrics"],
        json!([
            {"name": "g", "type": "gauge", "help": "A \\\"gauge\\\".", "samples": 2, "series": 2,
             "labels": [x, y]},
            {"name": "h", "type": null, "help": null, "samples": 1, "series": 1, "labels": [h]},
        ])
    );
    let totals = json!({"samples": 3, "series": 3, "metrics": 2, "labels": 2});
    assert_eq!(json["totals"], totals);
    assert_eq!(json["labels"][0]["series_without"], 2);
}

#[test]
fn what_cannot_be_analyzed_is_said_with_its_place() {
    let (exit, out, err) = run_on(&Options::default(), "a 1\nb{\n");
    assert_eq!((exit, out), (Exit::Failure, String::new()));
    assert_eq!(
        err,
        "cannot analyze \"-\": line 2, column 3: expected a label name or `}`, found \"\"\n"
    );
    let missing = Options { input: "no such file".to_owned(), ..Options::default() };
    let (exit, _, err) = run_on(&missing, "");
    assert_eq!(exit, Exit::Failure);
    assert!(err.starts_with("cannot analyze \"no such file\": "), "{err}");
}

/// What the rules leave is told in full, and nothing is escaped twice.
#[test]
fn json_has_savings_behind_the_rules_and_values_as_they_are() {
    let rules = file("metric_relabel_configs: [{action: labeldrop, regex: x}]\n");
    let relabel_file = Some(rules.path().to_owned());
    let options = Options { json: true, relabel_file, ..Options::default() };
    let document =
        "a{x=\"1\",y=\"q\\\"\\\\\\n\",z=\"1\"} 1\na{x=\"2\",y=\"q\\\"\\\\\\n\",z=\"2\"} 1\n";
    let json: Value = serde_json::from_str(&run_on(&options, document).1).unwrap();
    let y = json!({"name": "y", "values": 1, "listed": ["q\"\\\n"], "series_without": 2});
    let z = json!({"name": "z", "values": 2, "listed": ["1", "2"], "series_without": 1});
    let after = &json["after_rules"];
    assert_eq!(after["labels"], json!([z, y]));
    assert_eq!(after["metrics"][0]["labels"], json!([z, y]));
    assert_eq!(
        (&after["metrics"][0]["series"], &after["totals"]["series"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(json["metrics"][0]["labels"][2]["listed"], json!(["q\"\\\n"]));
}

/// FIX-A7: the preview keeps a name the rules remove, as the gate does.
#[test]
fn the_preview_keeps_a_name_the_rules_remove() {
    let rules = file("metric_relabel_configs: [{action: labelkeep, regex: x}]\n");
    let relabel_file = Some(rules.path().to_owned());
    let (_, out, _) = run_on(&Options { relabel_file, ..Options::default() }, DOCUMENT);
    let behind = out.split_once("The rules make ").unwrap().1;
    assert_eq!(
        behind,
        "3 series of 3 samples; 0 are dropped, 3 keep a name the rules remove.\n\
         \n2 g\n  2 x [1, 2]\n\n1 h\n\n"
    );
}

/// A file of rules that cannot be read is bad input, as everywhere.
#[test]
fn bad_rules_end_with_2() {
    let missing = Some("no such file".into());
    let (exit, _, err) = run_on(&Options { relabel_file: missing, ..Options::default() }, DOCUMENT);
    assert_eq!(exit, Exit::BadInput);
    assert!(err.starts_with("cannot read \"no such file\": "), "{err}");
    let wrong = file("metric_relabel_configs: 5\n");
    let relabel_file = Some(wrong.path().to_owned());
    let (exit, _, _) = run_on(&Options { relabel_file, ..Options::default() }, DOCUMENT);
    assert_eq!(exit, Exit::BadInput);
}
