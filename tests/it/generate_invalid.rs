//! Expositions that are wrong on purpose are wrong for `promtool` too, each for its own reason.

use std::io::Write;
use std::process::{Command, Stdio};

use weir::generate::invalid::{CASES, Case, Fault};
use weir::model::Format;

use crate::servers::find_or_skip;

fn check_metrics(promtool: &std::path::Path, case: &Case) -> (Option<i32>, String) {
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(case.text).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn promtool_complains_of_each_lint_case_in_the_words_stated() {
    let Some(promtool) = find_or_skip("promtool") else { return };
    let mut wrong = Vec::new();
    for case in CASES {
        let Fault::Lint(complaint) = case.fault else { continue };
        let (code, said) = check_metrics(&promtool, case);
        if code != Some(3) || !said.contains(complaint) || said.lines().count() != 1 {
            wrong.push(format!("{}: {code:?} {said}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the parser of `promtool check metrics`, which is not the one scrapes go through, takes
/// all the same.
const TAKEN_BY_PROMTOOL: &[&str] = &["meta-name", "meta-text", "help-not-utf8"];

#[test]
fn promtool_refuses_what_is_wrong_in_text() {
    let Some(promtool) = find_or_skip("promtool") else { return };
    let mut wrong = Vec::new();
    for case in CASES.iter().filter(|case| case.format == Format::Text) {
        if matches!(case.fault, Fault::Lint(_)) {
            continue;
        }
        let (code, said) = check_metrics(&promtool, case);
        if (code == Some(1)) == TAKEN_BY_PROMTOOL.contains(&case.name) {
            wrong.push(format!("{}: {code:?} {said}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
