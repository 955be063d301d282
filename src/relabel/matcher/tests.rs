use super::*;
use proptest::prelude::*;
use std::path::Path;

fn groups_of(regex: &str, value: &str) -> Option<Vec<Option<String>>> {
    let matcher = Matcher::new(regex, true).unwrap();
    let mut slots = Vec::new();
    let found = matcher.find(value.as_bytes(), 0, &mut slots);
    assert_eq!(found, matcher.is_match(value.as_bytes()), "{regex:?} on {value:?}");
    found.then(|| {
        let text = |pair: &[Option<NonMaxUsize>]| {
            value.get(pair[0]?.get()..pair[1]?.get()).map(str::to_owned)
        };
        slots.chunks(2).map(text).collect()
    })
}

#[track_caller]
fn check(regex: &str, value: &str, want: bool) {
    assert_eq!(groups_of(regex, value).is_some(), want, "{regex:?} on {value:?}");
}

#[track_caller]
fn check_shape(regex: &str, is_shape: bool) {
    let matcher = Matcher::new(regex, false).unwrap();
    assert_eq!(matches!(matcher.way, Way::Shape(_)), is_shape, "{regex:?}: {:?}", matcher.way);
}

#[test]
fn common_expressions_need_no_automaton() {
    for regex in [
        "",
        "nginx_ingress_controller_.*",
        "path",
        "(.*)",
        ".+",
        "go_.*",
        ".*_total",
        "(go|process)_.*",
        "(test|prod|stage);metric",
        "(?:get|put)",
        "[45]xx",
        "a?b",
        ".*error.*",
        "http_(.+)_bucket",
        "go_.*_(sum|count)",
    ] {
        check_shape(regex, true);
    }
    for regex in ["5..", "[a-z]+", "(?i)methods.*[0-9]", "a|b.*", "a)|(b", "^a", "(?-s).*", "\\d+"]
    {
        check_shape(regex, false);
    }
}

#[test]
fn gaps_take_what_is_left() {
    check("go_.*", "go_", true);
    check("go_.+", "go_", false);
    check("ab.*ba", "aba", false);
    check("ab.*ba", "abba", true);
    check(".*a.+a.*", "aa", false);
    check(".*a.+a.*", "aba", true);
    check("(a|ab).*(c|bc)", "abc", true);
    check(".+.*", "", false);
    check(".*x.*y.*", "yx", false);
    check(".+é", "é", false);
}

#[test]
fn anchors_are_pasted_around_the_text() {
    check("a|b", "ab", false);
    assert_eq!(groups_of("a)|(b", "xxb").unwrap()[0].as_deref(), Some("b"));
    assert_eq!(groups_of("a)|(b", "axx").unwrap()[0].as_deref(), Some("a"));
    check("a)|(b", "xax", false);
}

#[test]
fn every_vector_of_the_reference_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/relabel/regex.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: no regex.jsonl");
        return;
    };
    let mut faults = Vec::new();
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| case[name].as_str().unwrap();
        let found = found(word("pattern"), word("subject"));
        if found != case["want"] {
            faults.push(format!("{line}\n  got {found}"));
        }
    }
    println!("{} vectors", text.lines().count());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn found(regex: &str, value: &str) -> serde_json::Value {
    let Ok(matcher) = Matcher::new(regex, true) else {
        return serde_json::json!({"valid": false});
    };
    let Some(groups) = groups_of(regex, value) else {
        return serde_json::json!({"valid": true, "match": false});
    };
    let mut want = serde_json::json!({"valid": true, "match": true, "groups": groups});
    if matcher.names().iter().any(Option::is_some) {
        let names = matcher.names().iter().map(|name| name.clone().unwrap_or_default());
        want["names"] = names.collect();
    }
    want
}

/// Expressions of the kinds people write in rules, shapes and others.
fn expression() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(".*".to_owned()),
        Just(".+".to_owned()),
        Just("(.*)".to_owned()),
        Just("(a|bc)".to_owned()),
        Just("(?:|é)".to_owned()),
        Just("[ab]".to_owned()),
        Just("b?".to_owned()),
        Just("c*".to_owned()),
        Just(".".to_owned()),
        "[abcé]{1,3}",
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// A shape decides exactly as an automaton does.
    #[test]
    fn shapes_and_engines_agree(regex in expression(), value in "[abcé\n]{0,8}") {
        let matcher = Matcher::new(&regex, true).unwrap();
        let pattern = go_regex::parse(&format!("^(?s:{regex})$")).unwrap();
        let general = Engine::with_groups(&pattern.hir).unwrap();
        let mut want = vec![None; 2 * pattern.names.len()];
        let is_match = general.find(value.as_bytes(), 0, &mut want);
        prop_assert_eq!(matcher.is_match(value.as_bytes()), is_match, "{}", matcher.way.name());
        let mut slots = Vec::new();
        prop_assert_eq!(matcher.find(value.as_bytes(), 0, &mut slots), is_match);
        if is_match {
            prop_assert_eq!(slots, want);
        }
    }

    /// Values fed one by one match as they do joined.
    #[test]
    fn pieces_and_the_whole_agree(
        regex in expression(),
        values in proptest::collection::vec("[abcé;]{0,3}", 1..4),
    ) {
        let pattern = go_regex::parse(&format!("^(?s:{regex})$")).unwrap();
        let engine = Engine::new(&pattern.hir).unwrap();
        let pieces = values.iter().map(String::as_bytes);
        let joined = values.join(";");
        if let Some(found) = engine.is_match_joined(pieces, b";") {
            prop_assert_eq!(found, engine.is_match(joined.as_bytes()));
        }
    }
}

impl Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Shape(_) => "shape",
            Self::Engine(_) => "engine",
        }
    }
}
