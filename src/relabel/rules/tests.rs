use super::*;
use crate::relabel::Action;
use crate::relabel::NameScheme;
use crate::relabel::RuleSpec;

fn set(labels: &[(&str, &str)]) -> LabelSet {
    let mut set = LabelSet::new();
    for (name, value) in labels {
        set.push(name.as_bytes(), value.as_bytes());
    }
    set.sort();
    set
}

fn rules(specs: &[RuleSpec]) -> Rules {
    let compile = |spec| Rule::compile(spec, NameScheme::Utf8).unwrap();
    Rules::new(specs.iter().map(compile).collect())
}

fn drop_if(label: &str, regex: &str) -> RuleSpec {
    RuleSpec {
        action: Action::Drop,
        source_labels: Some(vec![label.to_owned()]),
        regex: Some(regex.to_owned()),
        ..RuleSpec::default()
    }
}

#[test]
fn the_default_is_no_rules() {
    let mut labels = set(&[("a", "1")]);
    assert!(Rules::default().is_empty());
    let verdict = Rules::default().apply(&mut labels, &mut Scratch::default());
    assert_eq!(verdict, Verdict::Keep);
}

#[test]
fn the_verdict_says_which_rule_dropped() {
    let rules = rules(&[drop_if("a", "x"), drop_if("b", "y|z"), drop_if("a", ".*")]);
    let mut labels = set(&[("a", "1"), ("b", "z")]);
    let verdict = rules.apply(&mut labels, &mut Scratch::default());
    assert_eq!(verdict, Verdict::Drop { rule: 1 });
}

#[test]
fn a_trace_tells_what_each_rule_changed_and_ends_where_the_series_does() {
    let rename = RuleSpec {
        target_label: Some("a".into()),
        replacement: Some("2".into()),
        ..RuleSpec::default()
    };
    let forget =
        RuleSpec { action: Action::LabelDrop, regex: Some("b".into()), ..RuleSpec::default() };
    let rules = rules(&[rename, drop_if("c", ".+"), forget, drop_if("a", "2"), drop_if("a", "2")]);
    let steps = rules.trace(&set(&[("a", "1"), ("b", "z")]));
    let told: Vec<_> =
        steps.iter().map(|step| (step.rule, step.matched, step.kept, step.changes.len())).collect();
    assert_eq!(
        told,
        [(0, true, true, 1), (1, false, true, 0), (2, true, true, 1), (3, true, false, 0)]
    );
    assert_eq!(steps[0].changes[0].old.as_deref(), Some(&b"1"[..]));
    assert_eq!(steps[0].changes[0].new.as_deref(), Some(&b"2"[..]));
    assert_eq!(steps[2].changes[0].new, None);
}
