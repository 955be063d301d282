use super::*;
use crate::relabel::{Action, NameScheme, Rule, RuleSpec};
use proptest::prelude::proptest;
use std::collections::{BTreeMap, BTreeSet};

fn seeded() -> impl FnMut() -> u64 {
    let mut state = 7_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state
    }
}

fn analyze(document: &str, extent: Extent) -> Report {
    let mut analyzer = Analyzer::new(Document::new(Format::Text), extent, seeded());
    analyzer.push(document.as_bytes()).unwrap();
    analyzer.finish().unwrap()
}

fn text(report: &Report) -> String {
    let mut out = Vec::new();
    report.write_text(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(document: &str, expect: &str) {
    assert_eq!(text(&analyze(document, Extent::Counts)), expect, "{document}");
}

#[test]
fn metrics_come_by_samples_and_labels_by_values() {
    check("", "");
    check("# HELP a b\n\n", "");
    check("b 1\na 1\nb 2\n", "\n2 b\n\n1 a\n");
    check("a{y=\"1\",x=\"1\"} 1\n", "\n1 a\n  1 x [1]\n  1 y [1]\n");
    let samples: Vec<String> =
        (0..7).map(|n| format!("a{{x=\"{n}\",y=\"{}\"}} 1\n", n % 3)).collect();
    let document = format!("c{{z=\"q\\\"uote\"}} 1\nb 1\nb 2\n{}", samples.concat());
    let expect = "\n7 a\n  7 x\n  3 y [0, 1, 2]\n\n2 b\n\n1 c\n  1 z [q\\\"uote]\n";
    check(&document, expect);
}

#[test]
fn values_are_told_apart_decoded_and_shown_escaped() {
    check(
        "a{b=\"\\t\"} 1\na{b=\"\\\\t\"} 1\na{b=\"\\n\"} 1\na{b=\"\n\"} 1\na{b=\"\"} 1\n",
        "\n5 a\n  3 b [, \\n, \\\\t]\n",
    );
}

#[test]
fn what_prometheus_refuses_is_refused() {
    for (document, line) in [
        ("a 1\nb{ 1\n", 2),
        ("a{b=\"1\"} 1\na{b=\"1\",c=\"2\",b=\"3\"} 1\n", 2),
        ("a{b=\"1\",c=\"2\"} 1\na{b=\"1\",b=\"2\"} 1\n", 2),
        ("a{b=\"1\"} 1\na{__name__=\"1\"} 1\n", 2),
        ("a{b=\"1\"} 1\n{\"\"} 1\n", 2),
        ("a 1\n\0\nb 1\n", 2),
        ("{\"x\",b=\"1\"} 1\n{\"\",b=\"1\"} 1\n", 2),
        ("a{b=\"\",b=\"1\"} 1\na{b=\"1\",b=\"1\"} 1\n", 2),
    ] {
        let mut analyzer = Analyzer::new(Document::new(Format::Text), Extent::Counts, seeded());
        assert_eq!(analyzer.push(document.as_bytes()).unwrap_err().line, line, "{document}");
    }
}

#[test]
fn what_is_left_without_a_label_is_counted_by_series() {
    let report = analyze(
        "a{x=\"1\",y=\"1\"} 1\na{x=\"1\",y=\"2\"} 1\na{x=\"2\",y=\"1\"} 1\na{x=\"1\",y=\"1\"} 5\n\
         a{x=\"1\"} 1\nb{x=\"\"} 1\nb 1\n",
        Extent::Savings,
    );
    assert_eq!(report.totals.n_samples, 7);
    assert_eq!(report.totals.n_series, Some(5));
    let a = &report.metrics[0];
    assert_eq!((a.n_samples, a.n_series), (5, Some(4)));
    let without: Vec<_> = a.labels.iter().map(|l| (l.name.as_str(), l.n_series_without)).collect();
    assert_eq!(without, [("x", Some(3)), ("y", Some(2))]);
    let all: Vec<_> = report.labels.iter().map(|l| (l.name.as_str(), l.n_series_without)).collect();
    assert_eq!(all, [("y", Some(3)), ("x", Some(4))]);
}

fn rule(action: Action, regex: &str) -> Rules {
    let spec = RuleSpec { action, regex: Some(regex.to_owned()), ..RuleSpec::default() };
    Rules::new(vec![Rule::compile(&spec, NameScheme::Utf8).unwrap()])
}

#[test]
fn rules_show_what_they_leave_and_which_gauges_they_merge() {
    let document = "# TYPE g gauge\n# TYPE c counter\n\
        g{x=\"1\",y=\"1\"} 1\ng{x=\"2\",y=\"1\"} 1\nc{x=\"1\"} 1\nc{x=\"2\"} 1\n";
    let analyzer = Analyzer::new(Document::new(Format::Text), Extent::Counts, seeded());
    let mut analyzer = analyzer.with_rules(rule(Action::LabelDrop, "x"));
    analyzer.push(document.as_bytes()).unwrap();
    let report = analyzer.finish().unwrap();
    assert_eq!(report.totals.n_samples, 4);
    let preview = report.preview.unwrap();
    assert_eq!(text(&preview.report), "\n1 c\n\n1 g\n  1 y [1]\n");
    assert_eq!(preview.merged_gauges, [("g".to_owned(), 1)]);
    assert_eq!((preview.n_dropped, preview.n_nameless), (0, 0));
}

/// A sample per number: one of two metrics, labels and values by its bits.
fn document(samples: &[u16]) -> Vec<String> {
    let line = |&bits: &u16| {
        let labels = (0..5).filter(|label| (bits >> label) % 2 == 1);
        let pair = |label| format!("l{label}=\"{}\"", (bits >> (5 + 2 * label)) % 4_u16);
        let labels: Vec<String> = labels.map(pair).collect();
        format!("m{}{{{}}} 1\n", bits >> 15, labels.join(","))
    };
    samples.iter().map(line).collect()
}

type Series = BTreeMap<String, String>;

/// The same by sets of whole series.
fn naive(lines: &[String]) -> BTreeMap<String, (usize, BTreeSet<Series>)> {
    let mut metrics = BTreeMap::new();
    for line in lines {
        let (name, labels) = line.trim_end_matches("} 1\n").split_once('{').unwrap();
        let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
        let series = pairs.map(|(n, v)| (n.to_owned(), v.trim_matches('"').to_owned())).collect();
        let (n, all): &mut (usize, BTreeSet<Series>) = metrics.entry(name.to_owned()).or_default();
        *n += 1;
        all.insert(series);
    }
    metrics
}

#[track_caller]
fn check_naive(report: &Report, lines: &[String]) {
    let expect = naive(lines);
    assert_eq!(report.metrics.len(), expect.len());
    for metric in &report.metrics {
        let (n_samples, series) = &expect[&metric.name];
        assert_eq!((metric.n_samples, metric.n_series), (*n_samples, Some(series.len())));
        let names: BTreeSet<_> = series.iter().flat_map(BTreeMap::keys).collect();
        assert_eq!(metric.labels.len(), names.len());
        for label in &metric.labels {
            let values: BTreeSet<_> = series.iter().filter_map(|s| s.get(&label.name)).collect();
            assert_eq!(label.n_values, values.len(), "{}", label.name);
            assert!(label.values.iter().eq(values), "{}", label.name);
            let rest: BTreeSet<Series> = series
                .iter()
                .cloned()
                .map(|mut series| {
                    series.remove(&label.name);
                    series
                })
                .collect();
            assert_eq!(label.n_series_without, Some(rest.len()), "{}", label.name);
        }
    }
}

proptest! {
    /// Counts are those of sets of whole series, however the document is cut and wherever a second
    /// analyzer takes over.
    #[test]
    fn counts_are_those_of_sets(samples: Vec<u16>, cut: usize, chunk_bytes in 1_usize..100) {
        let lines = document(&samples);
        let whole = lines.concat();
        check_naive(&analyze(&whole, Extent::Savings), &lines);

        let cut = cut % (lines.len() + 1);
        let new = || Analyzer::new(Document::new(Format::Text), Extent::Savings, seeded());
        let (mut first, mut second) = (new(), new());
        for (analyzer, part) in [(&mut first, &lines[..cut]), (&mut second, &lines[cut..])] {
            for chunk in part.concat().as_bytes().chunks(chunk_bytes) {
                analyzer.push(chunk).unwrap();
            }
        }
        assert!(first.is_between_entries());
        first.append(second);
        first.push(whole.as_bytes()).unwrap();
        let twice = [&lines[..], &lines[..]].concat();
        check_naive(&first.finish().unwrap(), &twice);
    }
}

#[test]
fn many_labels_of_many_samples_cost_little_more_than_each() {
    let label = |n: usize| format!("l{n}=\"{n}\"");
    let all: Vec<String> = (0..100_000).map(label).collect();
    let one = format!("a{{{}}} 1\n", all.join(","));
    let each: Vec<String> = all[..50_000].iter().map(|label| format!("a{{{label}}} 1\n")).collect();
    let each = each.concat();
    let report = analyze(&format!("{one}{each}"), Extent::Savings);
    assert_eq!(report.metrics[0].labels.len(), 100_000);
    assert_eq!(report.totals.n_series, Some(50_001));
    assert_eq!(report.labels[0].n_series_without, Some(50_001));
}
