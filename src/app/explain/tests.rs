use super::*;

const RULES: &str = r"
metric_relabel_configs:
- {action: labeldrop, regex: pod}
- {source_labels: [code], regex: '(.).*', target_label: class, replacement: '${1}xx'}
- {action: drop, source_labels: [class], regex: 5xx}
small:
- {action: keep, source_labels: [__name__], regex: up}
";

fn rules(subset: Option<&str>) -> Rules {
    rules_of(&parse_relabel_file("r.yaml", RULES).unwrap(), subset).unwrap().clone()
}

#[track_caller]
fn check(text: &str, want: &str) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = one_series(&rules(None), text, false, &mut out, &mut err).unwrap();
    let told = String::from_utf8(if exit == Exit::Clean { out } else { err }).unwrap();
    assert_eq!(told, want, "{text}");
}

#[track_caller]
fn check_read(text: &str, want: Result<&str, &str>) {
    let found = parse_series(text).map(|labels| written(&labels));
    assert_eq!(found.as_deref().map_err(|message| &**message), want, "{text}");
}

#[test]
fn every_step_is_told() {
    check(
        "http_total{pod=\"a\",code=\"200\"}",
        "http_total{code=\"200\",pod=\"a\"}\n\
         rule 0 labeldrop: matched\n  - pod=\"a\"\n\
         rule 1 replace: matched\n  + class=\"2xx\"\n\
         rule 2 drop: no match, nothing changed\n\
         result: http_total{class=\"2xx\",code=\"200\"}\n",
    );
    check(
        "http_total{code=\"503\",class=\"x\"}",
        "http_total{class=\"x\",code=\"503\"}\n\
         rule 0 labeldrop: no match, nothing changed\n\
         rule 1 replace: matched\n  ~ class=\"x\" -> \"5xx\"\n\
         rule 2 drop: matched, dropped\n\
         result: dropped by rule 2\n",
    );
    check("a{", "cannot read series \"a{\": column 4: expected a label name or `}`\n");
}

#[test]
fn series_are_read_in_all_their_spellings() {
    check_read("up", Ok("up"));
    check_read(" up{} ", Ok("up"));
    check_read("up{a=\"b\",} 5 123", Ok("up{a=\"b\"}"));
    check_read(r#"{__name__="up",a="b\"\\\n"}"#, Ok(r#"up{a="b\"\\\n"}"#));
    check_read(r#"{"a.b","c d"="é"}"#, Ok(r#"{"a.b","c d"="é"}"#));
    check_read(r#"{a="b"}"#, Ok(r#"{a="b"}"#));
    check_read("{}", Ok("{}"));
    check_read("a:b{c=\"\"}", Ok("a:b"));
    check_read("up{a=\"1\",a=\"2\"}", Err("label \"a\" occurs twice"));
    check_read("up{__name__=\"down\"}", Err("label \"__name__\" occurs twice"));
    check_read("# HELP up x", Err("it is no series"));
    check_read("", Err("it is empty"));
}

#[test]
fn a_json_answer_has_the_labels_that_are_left_and_the_steps() {
    let mut out = Vec::new();
    let exit = one_series(&rules(Some("small")), "up{a=\"b\"}", true, &mut out, &mut Vec::new());
    assert_eq!(exit.unwrap(), Exit::Clean);
    let answer: Value = serde_json::from_slice(&out).unwrap();
    let labels = json!({"__name__": "up", "a": "b"});
    let step = json!({
        "rule": 0, "action": "keep", "matched": true, "keep": true, "changes": [], "labels": labels,
    });
    assert_eq!(answer, json!({"keep": true, "labels": labels, "steps": [step]}));
    let mut out = Vec::new();
    let exit = one_series(&rules(Some("small")), "down", true, &mut out, &mut Vec::new());
    assert_eq!(exit.unwrap(), Exit::Clean);
    let answer: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&answer["keep"], &answer["labels"]), (&json!(false), &json!({})));
}

/// FIX-A7: the gate keeps a name the rules remove, and explaining it says so.
#[test]
fn a_name_the_rules_remove_is_kept() {
    let file = "metric_relabel_configs: [{action: labelkeep, regex: a}]";
    let rules = parse_relabel_file("r.yaml", file).unwrap().main.rules;
    let explain = |text: &str, json| {
        let mut out = Vec::new();
        one_series(&rules, text, json, &mut out, &mut Vec::new()).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        explain("up{a=\"1\",b=\"2\"}", false),
        "up{a=\"1\",b=\"2\"}\nrule 0 labelkeep: matched\n  - __name__=\"up\"\n  - b=\"2\"\n\
         the rules remove the name, the gate keeps it\nresult: up{a=\"1\"}\n",
    );
    let answer: Value = serde_json::from_str(&explain("up{a=\"1\"}", true)).unwrap();
    assert_eq!((&answer["labels"], &answer["kept_name"]), (&json!({"a": "1"}), &json!("up")));
    // A label set that never had a name has none to keep.
    let answer: Value = serde_json::from_str(&explain("{a=\"1\"}", true)).unwrap();
    assert_eq!((&answer["labels"], answer.get("kept_name")), (&json!({"a": "1"}), None));
    let input = &b"{\"__name__\":\"up\",\"a\":\"1\"}"[..];
    let mut out = Vec::new();
    lines(&rules, input, false, &mut out).unwrap();
    assert_eq!(out, b"up{a=\"1\"}\n");
}

#[test]
fn label_sets_are_answered_line_by_line_and_a_bad_one_fails_the_run_at_its_end() {
    let input = "{\"__name__\":\"a\",\"code\":\"200\"}\n\n[1]\n{\"a\":1}\n{\"code\":\"500\"}";
    let mut out = Vec::new();
    let exit = lines(&rules(None), input.as_bytes(), false, &mut out).unwrap();
    assert_eq!(exit, Exit::Failure);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "a{class=\"2xx\",code=\"200\"}\n\
         error: not an object of label names and values\n\
         error: value of label \"a\" is not a string\n\
         dropped by rule 2\n",
    );
    let mut out = Vec::new();
    let exit = lines(&rules(None), &b"{\"code\":\"1\"}\nx\n"[..], true, &mut out).unwrap();
    assert_eq!(exit, Exit::Failure);
    let answers: Vec<Value> = out
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    assert_eq!(answers[0]["labels"], json!({"class": "1xx", "code": "1"}));
    assert!(answers[1]["error"].is_string());
}

#[test]
fn a_line_without_end_is_not_kept() {
    let mut input = vec![b'x'; 3 << 20];
    input.extend_from_slice(b"\n{\"a\":\"b\"}\n");
    let mut out = Vec::new();
    let exit = lines(&rules(None), &*input, false, &mut out).unwrap();
    assert_eq!(exit, Exit::Failure);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "error: line is longer than 1048576 bytes\n{a=\"b\"}\n",
    );
}

#[test]
fn an_unknown_subset_is_answered_with_those_there_are() {
    let file = parse_relabel_file("r.yaml", RULES).unwrap();
    let message = rules_of(&file, Some("big")).unwrap_err();
    assert_eq!(message, "no subset \"big\", use one of \"small\"");
}

#[test]
fn a_run_ends_as_its_rule_file_allows() {
    let dir = tempfile::tempdir().unwrap();
    let relabel_file = dir.path().join("r.yaml");
    let mut options = Options { relabel_file, ..Options::default() };
    let explain = |options: &Options| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(options, &b"{\"a\":\"b\"}"[..], &mut out, &mut err).unwrap();
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    };
    let (exit, out, err) = explain(&options);
    assert_eq!((exit, &*out, err.starts_with("cannot read ")), (Exit::BadInput, "", true), "{err}");
    std::fs::write(&options.relabel_file, "metric_relabel_configs: 5").unwrap();
    let (exit, out, err) = explain(&options);
    assert_eq!((exit, &*out, err.lines().count()), (Exit::BadInput, "", 1), "{err}");
    std::fs::write(&options.relabel_file, RULES).unwrap();
    assert_eq!(explain(&options), (Exit::Clean, "{a=\"b\"}\n".into(), String::new()));
    options.series = Some("up".into());
    options.subset = Some("small".into());
    let told = "up\nrule 0 keep: matched, nothing changed\nresult: up\n";
    assert_eq!(explain(&options), (Exit::Clean, told.into(), String::new()));
    options.subset = Some("big".into());
    let (exit, _, err) = explain(&options);
    assert_eq!((exit, &*err), (Exit::BadInput, "no subset \"big\", use one of \"small\"\n"));
}
