use super::*;
use crate::model::LabelSet;
use crate::relabel::Scratch;
use crate::relabel::Verdict;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// All errors of a file, one a line.
#[track_caller]
fn check_errors(text: &str, want: &str) {
    let errors = parse_relabel_file("r.yaml", text).expect_err(text).to_string();
    assert_eq!(errors, want, "{text}");
}

/// All warnings of a list of rules, one a line.
#[track_caller]
fn check_warnings(text: &str, want: &[&str]) {
    let list = parse_rules_list("r.yaml", text).unwrap();
    let told: Vec<_> = list.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told, want, "{text}");
}

type Labels = BTreeMap<String, String>;

/// What the rules make of the labels; `None` if they drop them.
fn apply(rules: &Rules, labels: &Labels) -> Option<Labels> {
    let mut set = LabelSet::new();
    for (name, value) in labels {
        set.push(name.as_bytes(), value.as_bytes());
    }
    set.sort();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match rules.apply(&mut set, &mut Scratch::default()) {
        Verdict::Drop { .. } => None,
        Verdict::Keep => Some(set.iter().map(|(name, value)| (text(name), text(value))).collect()),
    }
}

#[test]
fn every_vector_of_the_reference_holds() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/relabel/vectors.jsonl");
    let Ok(text) = std::fs::read_to_string(vectors) else {
        println!("skipped: no vectors.jsonl");
        return;
    };
    let mut faults = Vec::new();
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let written = case["rules"].as_str().unwrap();
        let bare = parse_rules_list("bare", written).map(|list| list.rules);
        let indented: String = format!("  {}", written.replace('\n', "\n  "));
        let under_key = format!("\n metric_relabel_configs:\n{indented}");
        let whole = parse_relabel_file("file", &under_key).map(|file| file.main.rules);
        // Under the key a null is refused, as metric-gate refuses it; alone it is no rules.
        let is_null = bare.as_ref().is_ok_and(Rules::is_empty) && whole.is_err();
        for rules in if is_null { vec![bare] } else { vec![bare, whole] } {
            if let Some(fault) = fault(&case, rules) {
                faults.push(format!("{line}\n  {fault}"));
            }
        }
    }
    println!("{} vectors", text.lines().count());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn fault(case: &serde_json::Value, rules: Result<Rules, ConfigErrors>) -> Option<String> {
    let want = &case["want"];
    let rules = match (rules, want["error"].as_bool()) {
        (Err(_), Some(true)) => return None,
        (Err(errors), _) => return Some(format!("refused: {errors}")),
        (Ok(_), Some(true)) => return Some("accepted".to_owned()),
        (Ok(rules), _) => rules,
    };
    let labels: Labels = serde_json::from_value(case["labels"].clone()).unwrap();
    let mut labels_wanted: Labels = serde_json::from_value(want["labels"].clone()).unwrap();
    // Prometheus would refuse the scrape because of an empty name.
    labels_wanted.remove("");
    let found = apply(&rules, &labels);
    let wanted = want["keep"].as_bool().unwrap().then_some(labels_wanted);
    (found != wanted).then(|| format!("got {found:?}"))
}

#[test]
fn rule_sets_have_names_and_the_main_one_must_be_there() {
    let file = parse_relabel_file(
        "r.yaml",
        "
  z: []
  metric_relabel_configs:
  - {action: drop, source_labels: [a], regex: b}
  'we ird/x':
  - {action: drop, source_labels: [a], regex: c}
  - {action: keep, source_labels: [a], regex: d}
  none:
",
    )
    .unwrap();
    assert_eq!(file.main.rules.len(), 1);
    let subsets: Vec<_> =
        file.subsets.iter().map(|(name, set)| (&**name, set.rules.len())).collect();
    assert_eq!(subsets, [("none", 0), ("we ird/x", 2), ("z", 0)]);
    for empty in ["", "\n", "# nothing\n", "---\n", "~", "{}"] {
        assert!(parse_relabel_file("r.yaml", empty).unwrap().main.rules.is_empty(), "{empty:?}");
    }
    let missing = "relabel config key `metric_relabel_configs` is not defined, \
                   write `metric_relabel_configs: []` for no rules";
    check_errors("a: []", &format!("r.yaml:1:1: {missing}"));
    check_errors("a: []\nmetric_relabel_configs:\n", &format!("r.yaml:2:1: {missing}"));
    check_errors("[]", "r.yaml:1:1: cannot unmarshal !!seq into a map of rule sets");
}

#[test]
fn every_error_of_a_file_is_told_with_its_place_and_remedy() {
    check_errors(
        "
metric_relabel_configs:
- action: dorp
  source_lables: [a]
  regex: (
- target_label: ''
  regex: '*'
-
- {action: keep, regex: x, regex: y}
sub:
- action: hashmod
  source_labels: a
  target_label: b
  modulus: 1.5
- source_labels: [a, '', [b]]
- 5
",
        r#"r.yaml:3:11: metric_relabel_configs[0].action: unknown relabel action "dorp", did you mean "drop"
r.yaml:4:3: metric_relabel_configs[0]: unknown field "source_lables", did you mean "source_labels"
r.yaml:5:10: metric_relabel_configs[0].regex: error parsing regexp: missing closing ): `^(?s:()$`
r.yaml:6:17: metric_relabel_configs[1].target_label: relabel configuration for replace action requires 'target_label' value
r.yaml:7:10: metric_relabel_configs[1].regex: error parsing regexp: missing argument to repetition operator: `*`
r.yaml:8:2: metric_relabel_configs[2]: empty or null metric relabeling rule, remove the `-`, or write a rule behind it
r.yaml:9:28: metric_relabel_configs[3]: field "regex" already set in line 9, remove one of them
r.yaml:12:18: sub[0].source_labels: cannot unmarshal !!str `a` into model.LabelNames, write a list: [a]
r.yaml:14:12: sub[0].modulus: 1.5 is not a whole number
r.yaml:15:22: sub[1].source_labels[1]: "" is not a valid label name
r.yaml:15:26: sub[1].source_labels[2]: cannot unmarshal !!seq into string
r.yaml:16:3: sub[2]: cannot unmarshal !!int `5` into relabel.Config"#,
    );
}

#[test]
fn text_that_is_no_yaml_is_refused_where_it_goes_wrong() {
    check_errors(
        "metric_relabel_configs: []\n---\nmetric_relabel_configs: []\n",
        "r.yaml:2:1: a second document would be ignored, put it into its own file",
    );
    check_errors(
        "metric_relabel_configs:\n- replacement: \"a\n\n    \\/b\"\n",
        "r.yaml:4:6: found unknown escape character",
    );
    check_errors("a: b\u{7}", "r.yaml:1:5: control characters are not allowed");
    let deep = "[".repeat(70);
    check_errors(&deep, "r.yaml:1:65: values are nested more than 64 deep");
}

#[test]
fn aliases_cannot_blow_up() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in "bcdefghij".chars().zip("abcdefghi".chars()) {
        let aliases = vec![format!("*{before}"); 9].join(", ");
        bomb.extend([name, ':', ' ', '&', name, ' ', '[']);
        bomb.push_str(&aliases);
        bomb.push_str("]\n");
    }
    let errors = parse_relabel_file("r.yaml", &bomb).unwrap_err().to_string();
    assert!(errors.contains("more than 200000 values"), "{errors}");
    check_errors("a: &a [*a]", "r.yaml:1:8: anchor contains itself");
}

#[test]
fn merged_fields_are_checked_once_and_the_last_written_counts() {
    check_errors(
        "metric_relabel_configs:\n- &r {target_label: b, replcement: x}\n- <<: *r\n- <<: [*r]\n",
        "r.yaml:2:24: metric_relabel_configs[0]: unknown field \"replcement\", \
         did you mean \"replacement\"",
    );
    let list = "- &a {target_label: a, replacement: x}\n- &b {target_label: b, regex: ''}\n\
                - {<<: [*a, *b], separator: ','}\n";
    let rules = parse_rules_list("r.yaml", list).unwrap().rules;
    assert_eq!(apply(&rules, &Labels::new()), Some([("a".to_owned(), "x".to_owned())].into()));
}

#[test]
fn rules_that_hardly_do_what_was_meant_are_warned_of() {
    check_warnings("- {action: drop, source_labels: [a], regex: b}", &[]);
    check_warnings("- {target_label: a, replacement: x}", &[]);
    check_warnings(
        "- {action: drop, source_labels: [a]}",
        &["r.yaml:1:3: [0]: drops every series, state a regex"],
    );
    check_warnings("- {action: keep}", &["r.yaml:1:3: [0]: never drops a series, state a regex"]);
    check_warnings(
        "- {action: drop, regex: ''}",
        &["r.yaml:1:3: [0]: drops every series: without source_labels the value is empty, \
         state source_labels"],
    );
    check_warnings(
        "- {target_label: b}",
        &["r.yaml:1:3: [0]: deletes the target label: without source_labels the value is empty, \
         state source_labels, or replacement: '' if that is meant"],
    );
    check_warnings(
        "- {target_label: b, replacement: x, regex: '(.+)'}",
        &[
            "r.yaml:1:3: [0]: does nothing: without source_labels the value is empty, and the regex \
         does not match it, state source_labels",
        ],
    );
    check_warnings(
        "- {action: labeldrop}",
        &["r.yaml:1:3: [0]: deletes every label, state a regex"],
    );
    check_warnings(
        "- {action: labelkeep, regex: 'a|b'}",
        &["r.yaml:1:3: [0]: deletes the metric name, Prometheus would refuse the scrape, weir \
         keeps the series under its old name"],
    );
    check_warnings(
        "- {action: drop, source_labels: [a], regex: }",
        &[
            "r.yaml:1:43: [0].regex: a null regex matches only the empty value, write '' if that is \
         meant",
        ],
    );
    check_warnings(
        "- {action: lowercase, source_labels: [~], target_label: b, regex: c}",
        &[
            "r.yaml:1:39: [0].source_labels[0]: a null is no label and reads as empty, quote it if \
         the label is called so",
            "r.yaml:1:67: [0].regex: has no effect on action lowercase, remove it",
        ],
    );
}

/// Pieces files are made of, in no order.
fn scrap() -> impl Strategy<Value = String> {
    let pieces = [
        "metric_relabel_configs:",
        "- ",
        "\n",
        "\n  ",
        " ",
        "action: ",
        "drop",
        "regex: ",
        "'",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "&a ",
        "*a",
        "<<: ",
        "!!binary ",
        "!!int ",
        "!x ",
        "---\n",
        "...",
        "|\n",
        ">-\n",
        "# c",
        "%TAG ! x",
        "? ",
        "\\",
        "\\x41",
        "(a|b)*",
        "$1",
        "source_labels: ",
        "é",
        "\t",
        "\r\n",
        "\u{feff}",
        "\0",
        "~",
        "0x1",
        "modulus: ",
        "labelmap",
        "replacement: ",
        "target_label: a",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..24)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever a file holds, reading it ends, and what it is refused for lies in it.
    #[test]
    fn any_text_is_read_or_refused(text in scrap()) {
        let labels: Labels = [("a".to_owned(), "b".to_owned())].into();
        let list = parse_rules_list("r.yaml", &text).map(|list| list.rules);
        let file = parse_relabel_file("r.yaml", &text).map(|file| file.main.rules);
        for rules in [list, file] {
            match rules {
                Ok(rules) => {
                    apply(&rules, &labels);
                }
                Err(errors) => {
                    prop_assert!(errors.iter().next().is_some());
                    for error in &errors {
                        prop_assert!(error.line >= 1 && error.line <= text.lines().count() + 1);
                        prop_assert!(error.column >= 1);
                    }
                }
            }
        }
    }
}
