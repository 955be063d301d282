use super::*;
use crate::lint::naive;
use crate::lint::text::Names;
use proptest::prelude::*;

fn linter(rules: RuleSet) -> Linter {
    let mut state = 1_u64;
    let random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state
    };
    Linter::new(LintConfig { rules, utf8_names: rules.is_empty(), ..LintConfig::default() }, random)
}

fn lint(text: &[u8]) -> Result<Report, LintError> {
    let mut linter = linter(RuleSet::all());
    linter.push(text)?;
    linter.finish()
}

/// The same, with nothing remembered from line to line but what the lines said.
fn lint_line_by_line(text: &[u8]) -> Result<Report, LintError> {
    let mut core = linter(RuleSet::all()).core;
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let mut reader = TextReader::new(Names::Legacy);
        let read = reader.line(&mut core, line, at + 1);
        read.map_err(|kind| TextError { line: at + 1, kind })?;
    }
    Ok(Report::new(core))
}

const NAMES: [&str; 14] = [
    "a",
    "a_total",
    "h",
    "h_bucket",
    "h_sum",
    "h_count",
    "s",
    "s_sum",
    "s_count",
    "x_ms_kb",
    "fooBar",
    "a:b",
    "h_gauge",
    "x_mebibytes",
];
const TYPES: [&str; 6] = ["counter", "gauge", "histogram", "summary", "untyped", "Gauge_Histogram"];
const LABELS: [&str; 7] = ["le", "quantile", "x", "y", "fooBar", "__a", "le2"];
const LABEL_VALUES: [&str; 9] = ["1", "2.5", "+Inf", "", "0.5", "1.0", "a\\\\b", "\\n", "NaN"];
const VALUES: [&str; 8] = ["1", "2", "3", "3.0", "0", "-1", "NaN", "+Inf"];

fn pick(from: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(from)
}

/// A line as exporters write it, mostly.
fn line() -> impl Strategy<Value = String> {
    let label = (pick(&LABELS), pick(&LABEL_VALUES)).prop_map(|(n, v)| format!("{n}=\"{v}\""));
    let labels = prop_oneof![
        Just(String::new()),
        (proptest::collection::vec(label, 0..4), pick(&[",", ", ", " ,"]), pick(&["", ","]))
            .prop_map(|(labels, comma, last)| {
                let last = if labels.is_empty() { "" } else { last };
                format!("{{{}{last}}}", labels.join(comma))
            }),
    ];
    let sample = (pick(&NAMES), labels, pick(&VALUES), pick(&["", "", "", " 5"]))
        .prop_map(|(name, labels, value, end)| format!("{name}{labels} {value}{end}\n"));
    prop_oneof![
        6 => sample,
        1 => pick(&NAMES).prop_map(|name| format!("# HELP {name} x\n")),
        1 => (pick(&NAMES), pick(&TYPES)).prop_map(|(name, t)| format!("# TYPE {name} {t}\n")),
    ]
}

fn lines() -> impl Strategy<Value = String> {
    proptest::collection::vec(line(), 1..16).prop_map(|lines| lines.concat())
}

/// What was found, without places.
fn told(report: &Report) -> Vec<(String, Rule, u64)> {
    let findings = report.findings.iter();
    let mut told: Vec<_> =
        findings.map(|finding| (finding.metric.clone(), finding.rule, finding.n)).collect();
    told.sort();
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What a line has in common with the one before it changes nothing.
    #[test]
    fn lines_are_read_as_if_each_were_alone(text in lines()) {
        prop_assert_eq!(lint(text.as_bytes()), lint_line_by_line(text.as_bytes()));
    }

    /// The same for bytes no exporter writes; and nothing panics.
    #[test]
    fn damaged_lines_are_too(
        text in lines(),
        at in any::<proptest::sample::Index>(),
        byte in proptest::sample::select(&b"\\\"{},=# \t\n\r\xff\xc3\0a1:_."[..]),
        cut in any::<bool>(),
    ) {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        prop_assert_eq!(lint(&text), lint_line_by_line(&text));
    }

    /// What can be read is judged as the slow way judges it.
    #[test]
    fn findings_are_those_of_the_slow_way(text in lines()) {
        if let Ok(report) = lint(text.as_bytes()) {
            prop_assert_eq!(told(&report), naive::lint(&text), "{}", text);
        }
    }

    /// Chunks may end anywhere.
    #[test]
    fn chunks_make_no_difference(text in lines(), n_bytes in 1_usize..40) {
        let mut linter = linter(RuleSet::all());
        let pushed = text.as_bytes().chunks(n_bytes).try_for_each(|chunk| linter.push(chunk));
        let chunked = pushed.and_then(|()| linter.finish());
        prop_assert_eq!(chunked, lint(text.as_bytes()));
    }

    /// Neither the order of families nor that of series in them makes a difference to what promlint
    /// finds, as long as TYPE comes first.
    #[test]
    fn order_makes_no_difference(samples in proptest::collection::vec(line(), 1..12), seed: u64) {
        let is_sample = |line: &&String| !line.starts_with('#');
        let samples: Vec<&String> = samples.iter().filter(is_sample).collect();
        let head = "# TYPE h histogram\n# TYPE s summary\n# TYPE a_total counter\n";
        let mut shuffled = samples.clone();
        shuffled.sort_by_cached_key(|line| {
            let bytes = line.bytes().map(u64::from);
            bytes.fold(seed, |hash, byte| (hash ^ byte).wrapping_mul(0x0100_0000_01b3))
        });
        let lint = |samples: &[&String]| {
            let text: String = samples.iter().map(|line| line.as_str()).collect();
            let mut linter = linter(RuleSet::promlint());
            linter.push(head.as_bytes())?;
            linter.push(text.as_bytes())?;
            linter.finish()
        };
        if let (Ok(one), Ok(other)) = (lint(&samples), lint(&shuffled)) {
            prop_assert_eq!(told(&one), told(&other));
        }
    }
}

/// Comparing every two of them would take hours.
#[test]
fn a_large_family_takes_no_longer_than_its_bytes() {
    let mut linter = linter(RuleSet::all());
    for n in 0..100_000 {
        linter.push(format!("a{{y=\"{n}\",x=\"{n}\"}} 1\n").as_bytes()).unwrap();
    }
    let report = linter.finish().unwrap();
    assert_eq!(report.cardinality[0].n_series, 100_000);
    assert_eq!(told(&report).len(), 2, "{:?}", report.findings);
}

/// As many labels as fit into a line: what compares them must not compare every two.
#[test]
fn a_line_of_many_labels_takes_no_longer_than_its_bytes() {
    let labels: Vec<String> = (0..200_000).rev().map(|n| format!("l{n}=\"\"")).collect();
    let line = format!("a{{{}}} 1\n", labels.join(","));
    let report = lint([line.as_bytes(), line.as_bytes()].concat().as_slice()).unwrap();
    let empty = report.findings.iter().find(|finding| finding.rule == Rule::LabelEmptyValue);
    assert_eq!(empty.unwrap().n, 400_000);
    let twice = line.replace("l0=", "l199999=");
    let error = lint(twice.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        error,
        r#"text format parsing error in line 1: duplicate label names for metric "a""#
    );
}

#[test]
fn a_line_beyond_the_limit_is_refused() {
    let config = LintConfig { line_bytes_max: 10, ..LintConfig::default() };
    for chunks in
        [&["a 1\naaaaaaaa 1\n", ""][..], &["a 1\naaaa", "aaaaaaaa"], &["a 1\naaaa", "aaaaaa\n"]]
    {
        let mut linter = Linter::new(config, || 4);
        linter
            .push(chunks[0].as_bytes())
            .and_then(|()| linter.push(chunks[1].as_bytes()))
            .unwrap_err();
    }
    let mut linter = Linter::new(config, || 4);
    linter.push(b"a 1\naaaa").unwrap();
    let error = linter.push(b"aaaaaaaa").unwrap_err();
    let expect =
        "text format parsing error in line 2: line is longer than 10 bytes, which is the limit";
    assert_eq!(error.to_string(), expect);
}

#[track_caller]
fn check_open_metrics(text: &str, expect: &[&str]) {
    let config =
        LintConfig { format: Format::OpenMetrics, rules: RuleSet::all(), ..LintConfig::default() };
    let mut linter = Linter::new(config, || 4);
    linter.push(text.as_bytes()).unwrap();
    let report = linter.finish().unwrap();
    let said: Vec<_> = report.findings.iter().map(Finding::to_string).collect();
    assert_eq!(said, expect);
}

#[test]
fn open_metrics_is_judged_by_the_names_of_its_samples() {
    check_open_metrics(
        "# TYPE a counter\n# HELP a x\na_total 1 # {t=\"1\"} 1\na_created 1\n# EOF\n",
        &[],
    );
    check_open_metrics(
        "# TYPE a_ms counter\na_ms_total{l=\"\"} -1\na_ms_total -1\n# EOF\n",
        &[
            "a_ms_total counter value is negative (line 2, the first of 2)",
            "a_ms_total label has an empty value (line 2)",
            "a_ms_total metric names should not contain abbreviated units",
            "a_ms_total no help text",
            "a_ms_total series is there twice, its labels in any order (line 3)",
        ],
    );
    check_open_metrics(
        "# HELP h x\n# TYPE h gaugehistogram\nh_bucket{le=\"1.0\"} 3\nh_bucket{le=\"+Inf\"} 2\n\
         h_gcount 4\nh_gsum 1\n# TYPE i info\n# HELP i x\ni_info{v=\"1\"} 1\n# EOF\n",
        &[
            "h histogram buckets fall while le grows (line 4)",
            "h histogram count differs from the bucket le=\"+Inf\" (line 3)",
        ],
    );
}

#[test]
fn open_metrics_is_refused_where_prometheus_refuses_it() {
    let config = LintConfig { format: Format::OpenMetrics, ..LintConfig::default() };
    for (text, expect) in [
        ("a 1\n", "line 2, column 1: expected `# EOF` at the end of the document, found \"\""),
        ("a{x=\"1\",x=\"2\"} 1\n# EOF\n", "line 1, column 9: label name occurs twice, found "),
    ] {
        let mut linter = Linter::new(config, || 4);
        let pushed = linter.push(text.as_bytes());
        let error = pushed.and_then(|()| linter.finish()).unwrap_err();
        assert!(error.to_string().starts_with(expect), "{error}");
    }
}
