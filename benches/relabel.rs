//! What one rule costs on one series: 13 labels, as ingress-nginx has them.

use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;
use std::hint::black_box;
use weir::config::parse_rules_list;
use weir::model::LabelSet;
use weir::relabel::Rules;
use weir::relabel::Scratch;
use weir::relabel::Verdict;

const LABELS: [(&str, &str); 13] = [
    ("__name__", "nginx_ingress_controller_request_duration_seconds_bucket"),
    ("canary", "none"),
    ("controller_class", "k8s.io/ingress-nginx"),
    ("controller_namespace", "ingress-nginx"),
    ("controller_pod", "ingress-nginx-controller-7d4f8c9b6d-x2x7k"),
    ("host", "shop.example.com"),
    ("ingress", "shop"),
    ("le", "0.005"),
    ("method", "GET"),
    ("namespace", "shop"),
    ("path", "/api/v1/orders"),
    ("service", "shop-backend"),
    ("status", "200"),
];

/// A name, the rule, and what it does to the series: nothing, drop it, or change it.
const RULES: [(&str, &str, Effect); 13] = [
    ("labeldrop_word_miss", "{action: labeldrop, regex: pod}", Effect::Nothing),
    ("labeldrop_word_hit", "{action: labeldrop, regex: path}", Effect::Change),
    ("labeldrop_words_miss", "{action: labeldrop, regex: pod|container|node}", Effect::Nothing),
    ("labelkeep_words_all", KEEP_ALL, Effect::Nothing),
    (
        "drop_two_labels_choice",
        "{action: drop, source_labels: [__name__, status], \
         regex: 'nginx_ingress_controller_(requests|request_duration_seconds_count);(404|499)'}",
        Effect::Nothing,
    ),
    (
        "drop_two_labels_gap_hit",
        "{action: drop, source_labels: [status, __name__], regex: '[^4]..;nginx_.*_bucket'}",
        Effect::Drop,
    ),
    (
        "drop_class_of_status",
        "{action: drop, source_labels: [status], regex: '[45]..'}",
        Effect::Nothing,
    ),
    (
        "keep_prefix",
        "{action: keep, source_labels: [__name__], regex: 'nginx_ingress_controller_.*'}",
        Effect::Nothing,
    ),
    (
        "replace_fixed",
        "{source_labels: [path], regex: '/api/.*', target_label: path, replacement: /api}",
        Effect::Change,
    ),
    (
        "replace_copy",
        "{source_labels: [controller_namespace], target_label: namespace}",
        Effect::Change,
    ),
    (
        "replace_groups",
        "{source_labels: [path], regex: '/([a-z]+)/(v[0-9]+)/.*', target_label: path, \
         replacement: /$1/$2}",
        Effect::Change,
    ),
    ("labelmap_prefix", "{action: labelmap, regex: 'controller_(.+)'}", Effect::Change),
    (
        "hashmod",
        "{action: hashmod, source_labels: [controller_pod], target_label: shard, modulus: 8}",
        Effect::Change,
    ),
];

const KEEP_ALL: &str = "{action: labelkeep, regex: '__name__|canary|controller_(class|namespace|\
                        pod)|host|ingress|le|method|namespace|path|service|status'}";

#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Nothing,
    Change,
    Drop,
}

fn load(labels: &mut LabelSet) {
    labels.clear();
    for (name, value) in LABELS {
        labels.push(name.as_bytes(), value.as_bytes());
    }
}

/// Whether the rule does what the table says.
fn check(rules: &Rules, effect: Effect) {
    let mut labels = LabelSet::new();
    load(&mut labels);
    let before = pairs(&labels);
    let verdict = rules.apply(&mut labels, &mut Scratch::default());
    assert_eq!(verdict == Verdict::Keep, effect != Effect::Drop);
    assert_eq!(pairs(&labels) != before, effect == Effect::Change);
}

fn pairs(labels: &LabelSet) -> Vec<(Vec<u8>, Vec<u8>)> {
    labels.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn rule(c: &mut Criterion) {
    let mut group = c.benchmark_group("relabel");
    let (mut labels, mut scratch) = (LabelSet::new(), Scratch::default());
    group.bench_function("load_alone", |b| b.iter(|| load(black_box(&mut labels))));
    for (name, text, effect) in RULES {
        let rules = parse_rules_list(name, &format!("- {text}")).expect(name).rules;
        check(&rules, effect);
        load(&mut labels);
        // A rule that changes labels needs fresh ones: subtract `load_alone`.
        let is_changing = effect == Effect::Change;
        let name = if is_changing { format!("load_and_{name}") } else { name.to_owned() };
        group.bench_function(name, |b| {
            b.iter(|| {
                if is_changing {
                    load(&mut labels);
                }
                rules.apply(black_box(&mut labels), &mut scratch)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rule);
criterion_main!(benches);
