//! Tests of the whole way from bytes to text, against a naive gate.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::aggregate::choice::Merging;
use crate::aggregate::merge::{Counters, MergePolicy};
use crate::model::LabelSet;
use crate::parse::{Entry, Parser, check_labels, unescape};
use crate::relabel::{Action, NameScheme, Rule, RuleSpec, Scratch, Verdict};
use crate::render::{RenderOptions, Renderer};

pub(crate) const LIMITS: ReadLimits =
    ReadLimits { line_bytes_max: 1 << 20, series_max: 1 << 20, labels_max: 128 };

fn labeldrop(regex: &str) -> Rules {
    let spec =
        RuleSpec { action: Action::LabelDrop, regex: Some(regex.into()), ..RuleSpec::default() };
    Rules::new(vec![Rule::compile(&spec, NameScheme::Utf8).unwrap()])
}

fn engine(rules: Vec<Rules>, policy: MergePolicy) -> Engine {
    let mut state = 1_u64;
    let key = FingerprintKey::new(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(7);
        state
    });
    let n_outputs = rules.len();
    let merging = Merging { policy, ..Merging::default() };
    let config = EngineConfig { n_outputs, limits: LIMITS, merging };
    let mut engine = Engine::new(&config, key);
    engine.add_target(&TargetConfig::new(rules));
    engine
}

fn read(engine: &mut Engine, body: &[u8], chunk_bytes: usize) -> Result<ReadStats, String> {
    let mut reader = engine.reader(0, Format::Text);
    for chunk in body.chunks(chunk_bytes) {
        reader.push(chunk).map_err(|e| e.to_string())?;
    }
    let read = reader.finish().map_err(|e| e.to_string())?;
    Ok(engine.commit(0, read))
}

fn render(published: &Published) -> String {
    let options =
        RenderOptions { escaping: crate::model::Escaping::AllowUtf8, ..RenderOptions::default() };
    let mut renderer = Renderer::new(Arc::clone(&published.snapshot), options);
    let mut out = Vec::new();
    while renderer.fill(&mut out, 64) {}
    String::from_utf8(out).unwrap()
}

fn gate(engine: &mut Engine, body: &str) -> String {
    read(engine, body.as_bytes(), 7).unwrap();
    render(&engine.publish()[0])
}

#[test]
fn a_known_body_is_only_compared() {
    let mut engine = engine(vec![labeldrop("path")], MergePolicy::Typed);
    let body = |n: u32| {
        let lines: Vec<String> = (0..500)
            .map(|i| format!("m_total{{a=\"{}\",path=\"/{i}\"}} {}\n", i / 10, i + n))
            .collect();
        format!("# TYPE m_total counter\n{}", lines.concat())
    };
    for n in 0..4 {
        let stats = read(&mut engine, body(n).as_bytes(), 1000).unwrap();
        assert_eq!(stats.n_cold, if n == 0 { 500 } else { 0 }, "scrape {n}");
        let published = engine.publish();
        assert_eq!(published[0].stats.n_series, 50);
        let first = render(&published[0]).lines().nth(1).unwrap().to_owned();
        assert_eq!(first, format!("m_total{{a=\"0\"}} {}", 45 + 10 * n));
    }
}

#[test]
fn a_refused_body_changes_nothing() {
    let mut engine = engine(vec![Rules::default()], MergePolicy::Typed);
    assert_eq!(gate(&mut engine, "a 1\nb 2\n"), "a 1\nb 2\n");
    for bad in [
        "a 7\nb 8\nc",
        "a 7\nb{x=\"1\",x=\"2\"} 8\n",
        "a 9\nb 1e400\n",
        "a 5\nb 6 \r\n",
        "a 5\n\0b 6\n",
        "\0",
    ] {
        assert!(read(&mut engine, bad.as_bytes(), 3).is_err(), "{bad:?}");
        assert_eq!(render(&engine.publish()[0]), "a 1\nb 2\n");
    }
}

#[test]
fn errors_say_where() {
    let mut engine = engine(vec![Rules::default()], MergePolicy::Typed);
    gate(&mut engine, "a 1\nb 2\n");
    let error = read(&mut engine, b"a 1\nb{c=\"d\" 2\n", 100).unwrap_err();
    assert!(error.starts_with("line 2, column 9: expected"), "{error}");
}

#[test]
fn everything_about_a_line_may_change() {
    let mut engine = engine(vec![Rules::default()], MergePolicy::Typed);
    let bodies = [
        "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2 1000\nb 3\n",
        "# TYPE a gauge\na{x=\"1\"} 1 5\na{x=\"2\"} 2\nb 3",
        "# TYPE a gauge\na{x=\"2\"} 4\na{x=\"1\"} 3\nb NaN\n",
        "# TYPE a gauge\nb 3\na{x=\"3\"} 4\na{x=\"1\"}    3\n",
        "# TYPE a gauge\n# some comment\nb 3\n\n  \na{x=\"3\"} 4\na{x=\"1\"}    3\n",
        "a{x=\"1\"}1\n",
        "",
        "# HELP a first\n# TYPE a counter\na 1.5\n",
    ];
    let expect = [
        "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2 1000\nb 3\n",
        "# TYPE a gauge\na{x=\"1\"} 1 5\na{x=\"2\"} 2\nb 3\n",
        "# TYPE a gauge\na{x=\"1\"} 3\na{x=\"2\"} 4\nb NaN\n",
        "# TYPE a gauge\na{x=\"1\"} 3\na{x=\"3\"} 4\nb 3\n",
        "# TYPE a gauge\na{x=\"1\"} 3\na{x=\"3\"} 4\nb 3\n",
        "a{x=\"1\"} 1\n",
        "",
        "# HELP a first\n# TYPE a counter\na 1.5\n",
    ];
    for _ in 0..2 {
        for (body, expect) in bodies.iter().zip(expect) {
            assert_eq!(gate(&mut engine, body), expect, "{body}");
            assert_eq!(gate(&mut engine, body), expect, "{body} again");
        }
    }
}

#[test]
fn a_value_with_a_newline_is_one_line() {
    let mut engine = engine(vec![Rules::default()], MergePolicy::Typed);
    for _ in 0..3 {
        let out = gate(&mut engine, "a 1\nb{x=\"1\n2\"} 5\nc 1\n");
        assert_eq!(out, "a 1\nb{x=\"1\\n2\"} 5\nc 1\n");
    }
}

#[test]
fn a_target_without_order_is_read_right_and_soon_without_parsing() {
    let mut engine = engine(vec![labeldrop("path")], MergePolicy::Typed);
    let mut n_cold = Vec::new();
    for scrape in 0..70_usize {
        let n = 400 + scrape % 3;
        let line = |i: usize| {
            let i = (i * 7919 + scrape * 31) % n;
            let stamp = if i.is_multiple_of(50) { " 1000" } else { "" };
            format!("m{{a=\"{}\",path=\"/{i}\"}} {}{stamp}\n", i % 5, i + scrape)
        };
        let body = format!("# TYPE m gauge\n{}", (0..n).map(line).collect::<String>());
        n_cold.push(read(&mut engine, body.as_bytes(), 333).unwrap().n_cold);
        let expect: usize = (0..n).filter(|i| i % 5 == 0).map(|i| i + scrape).sum();
        let mut expect_line = String::from("m{a=\"0\"} ");
        let mut number = Vec::new();
        crate::model::number::write_value(&mut number, f64::from(u32::try_from(expect).unwrap()));
        expect_line.push_str(std::str::from_utf8(&number).unwrap());
        let text = render(&engine.publish()[0]);
        assert_eq!(text.lines().nth(1).unwrap(), expect_line, "scrape {scrape}");
        assert_eq!(text.lines().count(), 6);
    }
    assert!(n_cold[10..50].iter().all(|&n| n <= 2), "{n_cold:?}");
}

fn rule(spec: &RuleSpec) -> Rule {
    Rule::compile(spec, NameScheme::Utf8).unwrap()
}

#[test]
fn only_summaries_have_quantiles_that_cannot_be_merged() {
    let body = |t: &str| {
        format!("{t}m{{path=\"1\",quantile=\"0.5\"}} 2\nm{{path=\"2\",quantile=\"0.5\"}} 3\n")
    };
    let mut engine = engine(vec![labeldrop("path")], MergePolicy::Typed);
    let text = gate(&mut engine, &body("# TYPE m counter\n"));
    assert_eq!(text, "# TYPE m counter\nm{quantile=\"0.5\"} 5\n");
    assert_eq!(gate(&mut engine, &body("# TYPE m summary\n")), "");
    assert_eq!(gate(&mut engine, &body("")), "");
}

/// Rules that overwrite, copy, map and change labels that are there.
fn overwriting() -> Rules {
    let to = |action, source: &str, target: &str| {
        rule(&RuleSpec {
            action,
            source_labels: Some(vec![source.into()]),
            target_label: Some(target.into()),
            ..RuleSpec::default()
        })
    };
    Rules::new(vec![
        to(Action::Replace, "z", "a"),
        to(Action::Uppercase, "path", "path"),
        to(Action::Lowercase, "path", "new"),
    ])
}

#[test]
fn overwritten_labels_have_their_new_values() {
    let rules = Rules::new(vec![rule(&RuleSpec {
        target_label: Some("instance".into()),
        replacement: Some("y\"".into()),
        ..RuleSpec::default()
    })]);
    let mut engine = engine(vec![rules], MergePolicy::Typed);
    for _ in 0..2 {
        let text = gate(&mut engine, "a{instance=\"x\"} 1\nb{instance=\"x\",k=\"v\"} 2\n");
        assert_eq!(text, "a{instance=\"y\\\"\"} 1\nb{instance=\"y\\\"\",k=\"v\"} 2\n");
    }
}

#[test]
fn lines_too_long_to_keep_are_read_every_time() {
    let mut engine = engine(vec![labeldrop("path")], MergePolicy::Typed);
    let long = "x".repeat(70_000);
    let near = "y".repeat(65_480);
    let body = format!(
        "# HELP a {long}\n# TYPE a gauge\na 1\nb{{path=\"{near}\"}} 1\n\
         b{{path=\"{long}\"}} 2\nb{{path=\"s\"}} 3\nb{{path=\"t\"}} 4\n"
    );
    let expect = format!("# HELP a {long}\n# TYPE a gauge\na 1\nb 10\n");
    for _ in 0..4 {
        assert!(gate(&mut engine, &body) == expect);
    }
    assert_eq!(
        gate(&mut engine, "# TYPE a gauge\na 1\nb{path=\"t\"} 4\n"),
        "# TYPE a gauge\na 1\nb 4\n"
    );
}

#[test]
fn an_empty_body_of_another_format_leaves_no_rows() {
    let mut engine = engine(vec![Rules::default()], MergePolicy::Typed);
    let read = |engine: &mut Engine, body: &[u8], format| {
        let mut reader = engine.reader(0, format);
        reader.push(body).unwrap();
        let read = reader.finish().unwrap();
        engine.commit(0, read);
        render(&engine.publish()[0])
    };
    assert_eq!(read(&mut engine, b"a 1\n# EOF\n", Format::OpenMetrics), "a 1\n");
    assert_eq!(read(&mut engine, b"", Format::Text), "");
    assert_eq!(read(&mut engine, b"a 2\nb 3\n# EOF\n", Format::OpenMetrics), "a 2\nb 3\n");
}

#[test]
fn known_lines_have_their_limit_too() {
    let mut engine = engine(vec![Rules::default()], MergePolicy::Typed);
    gate(&mut engine, "# HELP a x\na 1\n");
    let zeros = "0".repeat(LIMITS.line_bytes_max);
    for body in [format!("# HELP a x\na {zeros}\n"), format!("# HELP a x{zeros}")] {
        let mut reader = engine.reader(0, Format::Text);
        let error = body.as_bytes().chunks(9999).find_map(|chunk| reader.push(chunk).err());
        assert_eq!(error.expect("it is too long").reason(), "line_too_long");
    }
}

#[test]
fn an_unordered_target_with_several_families_is_looked_at_again() {
    let mut engine = engine(vec![Rules::default()], MergePolicy::Typed);
    for scrape in 0..140_usize {
        let line =
            |name: &str, i: usize| format!("{name}{{a=\"{}\"}} 1\n", (i * 7 + scrape * 5) % 20);
        let family = |name: &str| {
            let lines: String = (0..20).map(|i| line(name, i)).collect();
            format!("# TYPE {name} gauge\n{lines}")
        };
        let body = format!("{}{}", family("first"), family("second_one"));
        read(&mut engine, body.as_bytes(), 100).unwrap();
        assert_eq!(engine.publish()[0].stats.n_series, 40, "scrape {scrape}");
    }
}

#[test]
fn types_that_come_late_reach_renamed_and_suffixed_series() {
    let rename = RuleSpec {
        source_labels: Some(vec!["__name__".into()]),
        regex: Some("h(.*)".into()),
        target_label: Some("__name__".into()),
        replacement: Some("new$1".into()),
        ..RuleSpec::default()
    };
    let mut engine = engine(vec![Rules::new(vec![rule(&rename)])], MergePolicy::Typed);
    gate(&mut engine, "h_bucket{le=\"1\"} 1\nh_count 1\n");
    let text = gate(&mut engine, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\n");
    assert_eq!(text, "# TYPE new histogram\nnew_bucket{le=\"1\"} 1\nnew_count 1\n");
    let text = gate(&mut engine, "# TYPE h histogram\n# TYPE h_count gauge\nh_count 1\n");
    assert_eq!(text, "# TYPE new_count gauge\nnew_count 1\n");
}

type Labels = Vec<(Vec<u8>, Vec<u8>)>;
type Series = BTreeMap<Labels, f64>;

/// What the gate should give: (series, value), worked out line by line without any memory.
fn naive(body: &[u8], rules: &Rules) -> Option<Series> {
    let mut out: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
    let mut take = |line: &[u8], entry: Entry<'_>, tokens: &crate::parse::SampleTokens| {
        if entry != Entry::Sample {
            return Ok(());
        }
        check_labels(line, tokens)?;
        let decode = |span: crate::model::Span| {
            let mut text = Vec::new();
            unescape(span.of(line), &mut text);
            text
        };
        let mut set = LabelSet::new();
        set.push(b"__name__", &decode(tokens.name));
        for label in &tokens.labels {
            set.push(&decode(label.name), &decode(label.value));
        }
        set.sort();
        if rules.apply(&mut set, &mut Scratch::default()) == Verdict::Keep {
            let key = set.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            out.entry(key).or_default().push(tokens.value);
        }
        Ok(())
    };
    let mut parser = Parser::new(Format::Text);
    parser.push(body, &mut take).ok()?;
    parser.finish(&mut take).ok()?;
    Some(
        out.into_iter().map(|(k, mut v)| (k, crate::aggregate::exact::exact_sum(&mut v))).collect(),
    )
}

/// The series and values of a text, by the naive gate without rules.
fn series_of(text: &str) -> Series {
    naive(text.as_bytes(), &Rules::default()).expect("rendered text parses")
}

/// The series that differ, readably.
fn differences(a: &Series, b: &Series) -> Vec<String> {
    let bits = |v: Option<&f64>| v.map(|v| if *v == 0.0 { 0 } else { v.to_bits() });
    let show = |key: &Vec<(Vec<u8>, Vec<u8>)>| {
        let text = String::from_utf8_lossy;
        let labels: Vec<String> =
            key.iter().map(|(n, v)| format!("{}={:?}", text(n), text(v))).collect();
        format!("{} {:?} {:?}", labels.join(","), a.get(key), b.get(key))
    };
    a.keys().chain(b.keys()).filter(|k| bits(a.get(*k)) != bits(b.get(*k))).map(show).collect()
}

/// A series out of a small world, so that the same ones come again in another order.
fn series() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..4_u8, 0..5_u8, 0..12_u8).prop_map(|(name, a, path)| {
            format!("metric_{name}_with_a_long_name{{a=\"value {a}\",path=\"/p/{path}\",z=\"tail\"}}")
        }),
        2 => (0..3_u8, 0..3_u8).prop_map(|(a, b)| format!("m{{a=\"{a}\\\"x\\\\\", b = \"\\n{b}\",}}")),
        1 => (0..3_u8).prop_map(|a| format!("{{\"my.metric\",\"a.b\"=\"{a}\"}}")),
        1 => (0..3_u8).prop_map(|a| format!("bare_{a}")),
        1 => (0..3_u8).prop_map(|a| format!("n{{a=\"x\n{a}\"}}")),
        1 => (0..2_u8).prop_map(|a| format!("\tm {{a=\"{a}\",empty=\"\"}}")),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        6 => (0..10_000_000_u32).prop_map(|v| v.to_string()),
        2 => any::<i16>().prop_map(|v| (f64::from(v) / 7.0).to_string()),
        1 => Just("NaN".to_owned()),
        1 => Just("+Inf".to_owned()),
        1 => Just("1.5e+07".to_owned()),
    ];
    prop_oneof![
        20 => (series(), value).prop_map(|(series, value)| format!("{series} {value}\n")),
        1 => Just("# HELP m text\n".to_owned()),
        1 => Just("# a comment\n".to_owned()),
        1 => Just("\n".to_owned()),
    ]
}

/// How one body becomes the next.
#[derive(Clone, Debug)]
enum Edit {
    Insert(prop::sample::Index, Vec<String>),
    Remove(prop::sample::Index, usize),
    Move(prop::sample::Index, usize, prop::sample::Index),
    Values,
    Break(prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (index(), proptest::collection::vec(line(), 1..30)).prop_map(|(i, l)| Edit::Insert(i, l)),
        3 => (index(), 1..90_usize).prop_map(|(i, n)| Edit::Remove(i, n)),
        2 => (index(), 1..90_usize, index()).prop_map(|(i, n, j)| Edit::Move(i, n, j)),
        2 => Just(Edit::Values),
        1 => index().prop_map(Edit::Break),
    ]
}

fn apply(lines: &mut Vec<String>, edit: &Edit) {
    match edit {
        Edit::Insert(at, new) => {
            let at = at.index(lines.len() + 1);
            lines.splice(at..at, new.iter().cloned());
        }
        Edit::Remove(at, n) => {
            let at = at.index(lines.len() + 1);
            lines.drain(at..(at + n).min(lines.len()));
        }
        Edit::Move(from, n, to) => {
            let from = from.index(lines.len() + 1);
            let moved: Vec<String> = lines.drain(from..(from + n).min(lines.len())).collect();
            let to = to.index(lines.len() + 1);
            lines.splice(to..to, moved);
        }
        Edit::Values => {
            for line in lines.iter_mut().filter(|line| line.ends_with("0\n")) {
                line.truncate(line.len() - 2);
                line.push_str("1\n");
            }
        }
        Edit::Break(at) => {
            if !lines.is_empty() {
                let at = at.index(lines.len());
                lines[at].insert(0, '}');
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever a target does from scrape to scrape, and wherever its bodies are cut, the gate
    /// gives what a gate without memory gives, and refuses what that refuses.
    #[test]
    fn the_ledger_changes_nothing_but_the_cost(
        lines in proptest::collection::vec(line(), 0..250),
        edits in proptest::collection::vec(edit(), 0..8),
        chunk_bytes in prop_oneof![1..50_usize, 50..5000_usize, Just(1 << 20)],
    ) {
        let rules = || vec![labeldrop("path|b"), Rules::default(), overwriting()];
        let mut engine = engine(rules(), MergePolicy::Sum);
        let mut lines = lines;
        let mut last = vec![BTreeMap::new(); 3];
        for edit in std::iter::once(&Edit::Values).chain(&edits) {
            apply(&mut lines, edit);
            let body = lines.concat().into_bytes();
            let expect: Option<Vec<_>> = rules().iter().map(|rules| naive(&body, rules)).collect();
            let read = read(&mut engine, &body, chunk_bytes);
            prop_assert_eq!(read.is_ok(), expect.is_some(), "{:?}", read);
            last = expect.unwrap_or(last);
            for (published, expect) in engine.publish().iter().zip(&last) {
                let wrong = differences(&series_of(&render(published)), expect);
                prop_assert!(wrong.is_empty(), "{:#?}", wrong);
            }
            if let Edit::Break(_) = edit {
                lines.retain(|line| !line.starts_with('}'));
            }
        }
    }

    /// What targets have in common is kept once, and no target sees what becomes of another.
    #[test]
    fn replicas_do_not_disturb_each_other(
        lines in proptest::collection::vec(line(), 0..250),
        edits in proptest::collection::vec((0..3_usize, edit()), 0..8),
    ) {
        let rules = || vec![labeldrop("path|b"), Rules::default(), overwriting()];
        let mut engine = engine(rules(), MergePolicy::Sum);
        for _ in 1..3 {
            engine.add_target(&TargetConfig::new(rules()));
        }
        let mut targets = vec![lines; 3];
        let mut bodies = vec![Vec::new(); 3];
        for (target, edit) in std::iter::once(&(0, Edit::Values)).chain(&edits) {
            apply(&mut targets[*target], edit);
            for (number, lines) in targets.iter_mut().enumerate() {
                let body = lines.concat().into_bytes();
                let mut reader = engine.reader(number, Format::Text);
                let read = reader.push(&body).and_then(|()| reader.finish());
                if let Ok(read) = read {
                    engine.commit(number, read);
                    bodies[number] = body;
                }
                lines.retain(|line| !line.starts_with('}'));
            }
            for (published, rules) in engine.publish().iter().zip(&rules()) {
                let expect = naive(&bodies.concat(), rules).expect("each of them was taken");
                let wrong = differences(&series_of(&render(published)), &expect);
                prop_assert!(wrong.is_empty(), "{:#?}", wrong);
            }
        }
    }

    /// The same lines in another order give the same bytes.
    #[test]
    fn the_order_of_lines_does_not_matter(
        lines in proptest::collection::vec(line(), 0..100).prop_shuffle(),
        other in any::<u64>(),
    ) {
        let mut shuffled = lines.clone();
        let mut state = other;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let out = |lines: &[String]| {
            let mut engine = engine(vec![labeldrop("path")], MergePolicy::Typed);
            gate(&mut engine, &lines.concat())
        };
        prop_assert_eq!(out(&lines), out(&shuffled));
    }
}

mod counters;

#[test]
fn rules_see_labels_of_the_target_which_vanish() {
    let keep = RuleSpec {
        source_labels: Some(vec!["__address__".into()]),
        target_label: Some("instance".into()),
        ..RuleSpec::default()
    };
    let rename = RuleSpec {
        source_labels: Some(vec!["job".into()]),
        target_label: Some("job".into()),
        replacement: Some("new-$1".into()),
        ..RuleSpec::default()
    };
    let rules = [keep, rename].map(|spec| Rule::compile(&spec, NameScheme::Utf8).unwrap());
    let rules = Rules::new(rules.into());
    let limits = LIMITS;
    let (policy, counters) = (MergePolicy::Typed, Counters::Raw);
    let mut engine = Engine::new(
        &EngineConfig {
            n_outputs: 2,
            limits,
            merging: Merging { policy, counters, ..Merging::default() },
        },
        FingerprintKey::new(|| 1),
    );
    for (number, instance) in ["a:1", "b:1"].into_iter().enumerate() {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = [
            label("__address__", instance),
            label("__scheme__", "http"),
            label("job", "x"),
            label("zone", "z"),
        ];
        let rules = [rules.clone(), Rules::default()].into();
        engine.add_target(&TargetConfig { rules, labels: labels.into() });
        let mut reader = engine.reader(number, Format::Text);
        reader.push(b"m 1\nm{job=\"own\",zone=\"y\"} 2\n").unwrap();
        let read = reader.finish().unwrap();
        engine.commit(number, read);
    }
    let published = engine.publish();
    let text = render(&published[0]);
    assert!(text.contains("m{instance=\"a:1\",job=\"new-own\",zone=\"y\"} 2\n"), "{text}");
    assert!(text.contains("m{instance=\"b:1\",job=\"new-x\"} 1\n"), "{text}");
    assert_eq!(text.matches("\nm").count() + usize::from(text.starts_with('m')), 4, "{text}");
    let text = render(&published[1]);
    assert!(text.contains("m 2\n") && text.contains("m{job=\"own\",zone=\"y\"} 4\n"), "{text}");
}
