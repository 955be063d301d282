//! The linter against promtool: shared and committed vectors, real expositions, random documents;
//! and `weir lint` as a command.
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use weir::app::exit::Exit;
use weir::app::lint::{self, Options};
use weir::lint::{Rule, RuleSet};
use weir::model::Format;

use crate::servers::find_or_skip;
use crate::support::FakeTarget;

const WEIR: &str = env!("CARGO_BIN_EXE_weir");

/// What a linter said of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Said {
    code: u8,
    out: String,
    err: String,
}

/// weir, in this process.
fn weir(input: &[u8], options: &Options) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let fetch = |_: &str| panic!("there is no URL");
    let exit = lint::run(options, input, fetch, || 4, &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: exit.code(), out: text(out), err: text(err) }
}

fn extended() -> Options {
    Options { format: Some(Format::Text), extended: true, ..Options::default() }
}

/// A program with this standard input.
fn pipe(command: &mut Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // What stops reading early closes the pipe.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    })
}

/// A promtool that has today's rules; one older than `--lint` has not.
fn find_promtool() -> Option<PathBuf> {
    let program = find_or_skip("promtool")?;
    let help = Command::new(&program).args(["check", "metrics", "--help"]).output().unwrap();
    let is_new = String::from_utf8_lossy(&help.stdout).contains("--lint")
        || String::from_utf8_lossy(&help.stderr).contains("--lint");
    if !is_new {
        println!("skipped: {} is too old", program.display());
    }
    is_new.then_some(program)
}

fn promtool(program: &Path, input: &[u8]) -> Option<Said> {
    let output = pipe(Command::new(program).args(["check", "metrics", "--extended"]), input);
    let code = u8::try_from(output.status.code().unwrap()).unwrap();
    // A crash of it is no answer.
    (code != 2).then(|| Said {
        code,
        out: sorted_table(&String::from_utf8(output.stdout).unwrap()),
        err: String::from_utf8(output.stderr).unwrap(),
    })
}

/// promtool leaves the order of rows with equal counts to chance.
fn sorted_table(table: &str) -> String {
    let mut lines: Vec<&str> = table.lines().collect();
    if let [_, rows @ .., _] = &mut lines[..] {
        rows.sort_by_key(|row| {
            let mut words = row.split_whitespace();
            let name = words.next();
            (std::cmp::Reverse(words.next().and_then(|n| n.parse::<u64>().ok())), name)
        });
    }
    lines.iter().fold(String::new(), |table, line| table + line + "\n")
}

fn shared(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path)
}

fn cases(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"=== ") {
            cases.push((String::from_utf8(name.trim_ascii_end().to_vec()).unwrap(), Vec::new()));
        } else {
            cases.last_mut().unwrap().1.extend_from_slice(line);
        }
    }
    cases
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

#[test]
fn shared_vectors_give_what_promlint_gave() {
    let (Ok(bodies), Ok(golden)) = (
        std::fs::read(shared("vectors/promlint/cases.txt")),
        std::fs::read(shared("vectors/promlint/golden.txt")),
    ) else {
        println!("skipped: no vectors at {}", shared("vectors/promlint").display());
        return;
    };
    let (bodies, golden) = (cases(&bodies), cases(&golden));
    assert_eq!(bodies.len(), golden.len());
    assert!(bodies.len() >= 55, "{} cases", bodies.len());
    for ((name, body), (same_name, expect)) in bodies.into_iter().zip(golden) {
        assert_eq!(name, same_name);
        let body = replace(&replace(&body, b"<NOEOL>\n", b""), b"<CR>", b"\r");
        let expect = String::from_utf8(expect).unwrap();
        let (code, expect) = match expect.strip_prefix("ERR ") {
            Some(error) => (1, format!("error while linting: {error}")),
            None if expect == "OK\n" => (0, String::new()),
            None => (3, expect),
        };
        let expect = Said { code, out: String::new(), err: expect };
        assert_eq!(weir(&body, &Options::default()), expect, "{name}");
    }
}

/// The documents of `tests/data/lint/promtool.txt` (where `<XX>` is a byte, and `<EOF>` the end
/// without a newline), with what promtool says of each.
fn promtool_vectors() -> Vec<(String, Vec<u8>, Said)> {
    let file = include_bytes!("../data/lint/promtool.txt");
    let vectors = cases(file).into_iter().map(|(name, text)| {
        let text = String::from_utf8(text).unwrap();
        let (body, rest) = text.split_once("--- exit ").unwrap();
        let (code, said) = rest.split_once('\n').unwrap();
        let (err, out) = said.split_once("--- table\n").unwrap_or((said, ""));
        let said = Said { code: code.parse().unwrap(), out: out.to_owned(), err: err.to_owned() };
        (name, bytes(&body.replace("<EOF>\n", "")), said)
    });
    vectors.collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split('<');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_once('>').unwrap();
        bytes.push(u8::from_str_radix(hex, 16).unwrap());
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

#[test]
fn vectors_give_what_promtool_gave() {
    for (name, body, said) in promtool_vectors() {
        assert_eq!(weir(&body, &extended()), said, "{name}");
    }
}

#[test]
fn promtool_still_says_what_the_vectors_say() {
    let Some(program) = find_promtool() else { return };
    let vectors = promtool_vectors();
    at_the_same_time(vectors.len(), |at| {
        let (name, body, said) = &vectors[at];
        assert_eq!(promtool(&program, body).as_ref(), Some(said), "{name}");
    });
}

/// The rules promlint does not have; the second part of each case are the rules, the third what is
/// said.
#[test]
fn rules_find_what_they_are_for() {
    for (name, text) in cases(include_bytes!("../data/lint/rules.txt")) {
        let text = String::from_utf8(text).unwrap();
        let (body, rest) = text.split_once("--- ").unwrap();
        let (rules, expect) = rest.split_once('\n').unwrap();
        let options = Options { rules: rules.to_owned(), ..Options::default() };
        let said = weir(body.as_bytes(), &options);
        assert_eq!(said.err, expect, "{name}");
        assert_eq!(said.code, if expect.is_empty() { 0 } else { 3 }, "{name}");
    }
}

/// Call `check` for 0 to `n` on a few threads, since promtool takes its time to start.
fn at_the_same_time(n: usize, check: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= n {
                        break;
                    }
                    check(at);
                }
            });
        }
    });
}

#[test]
fn real_expositions_get_what_promtool_says() {
    let Some(program) = find_promtool() else { return };
    let Ok(index) = std::fs::read_to_string(shared("corpus/INDEX.tsv")) else {
        println!("skipped: no corpus at {}", shared("corpus").display());
        return;
    };
    let files: Vec<&str> =
        index.lines().skip(1).map(|row| row.split('\t').next().unwrap()).collect();
    assert!(files.len() > 300, "{} files", files.len());
    at_the_same_time(files.len(), |at| {
        let body = std::fs::read(shared("corpus").join(files[at])).unwrap();
        assert_eq!(Some(weir(&body, &extended())), promtool(&program, &body), "{}", files[at]);
    });
}

/// OpenMetrics is known by its end; what Prometheus reads is linted, what it refuses is refused.
#[test]
fn real_open_metrics_is_read_as_prometheus_reads_it() {
    let Ok(index) = std::fs::read_to_string(shared("corpus/INDEX.tsv")) else {
        println!("skipped: no corpus at {}", shared("corpus").display());
        return;
    };
    let mut n_files = 0;
    for row in index.lines().skip(1).filter(|row| row.starts_with("valid-openmetrics/")) {
        let fields: Vec<&str> = row.split('\t').collect();
        let input = shared("corpus").join(fields[0]).to_str().unwrap().to_owned();
        let options = Options { input, rules: "all".to_owned(), ..Options::default() };
        let said = weir(b"", &options);
        assert_eq!(said.code != 1, fields[12] == "pass", "{}: {said:?}", fields[0]);
        n_files += 1;
    }
    assert!(n_files > 30, "{n_files} files");
}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A document of a few lines that mostly belong together, then damaged or not.
    fn document(&mut self) -> Vec<u8> {
        let names = [
            "a",
            "a_total",
            "h",
            "h_bucket",
            "h_sum",
            "h_count",
            "s",
            "s_sum",
            "s_count",
            "g_ms",
            "fooBar",
            "a:b",
            "g_gauge",
            "gh_bucket",
            "gh_count",
            "gh",
            "x_kilobytes_count",
        ];
        let types = ["counter", "gauge", "histogram", "summary", "untyped", "gaugehistogram", "x"];
        let labels = ["le", "quantile", "x", "y", "fooBar", "__a", "x", "__name__"];
        let values = ["1", "2.5", "+Inf", "", "0.5", "NaN", "a\\\\b", "a\\nb", "é", "x"];
        let numbers = ["1", "2", "3", "0", "1", "2", "-1", "1.5", "NaN", "+Inf", "-0", "0x1"];
        let mut text = String::new();
        for _ in 0..=self.below(9) {
            let name = self.pick(&names);
            match self.below(6) {
                0 => writeln!(text, "# HELP {name} {}", self.pick(&["x", "x", "\\\"", ""])),
                1 => writeln!(text, "# TYPE {name} {}", self.pick(&types)),
                _ => {
                    let n_labels = self.below(4);
                    let labels: Vec<String> = (0..n_labels)
                        .map(|_| format!("{}=\"{}\"", self.pick(&labels), self.pick(&values)))
                        .collect();
                    let labels = labels.join(self.pick(&[",", ",", ",", " ,\t"]));
                    let labels = if n_labels > 0 { format!("{{{labels}}}") } else { labels };
                    let end = self.pick(&["", "", "", "", " 5", " x", " 5 "]);
                    writeln!(text, "{name}{labels} {}{end}", self.pick(&numbers))
                }
            }
            .unwrap();
        }
        let mut text = text.into_bytes();
        for _ in 0..self.below(3) {
            let at = self.below(text.len());
            let odd = b"\\\"{},=# \t\n\r\xff\xc3\0a1:_.";
            match self.below(7) {
                0..3 => text[at] = odd[self.below(odd.len())],
                3..5 => text.insert(at, odd[self.below(odd.len())]),
                5 => drop(text.remove(at)),
                _ => text.truncate(at.max(1)),
            }
        }
        text
    }
}

/// What weir refuses on purpose, and promtool accepts or refuses elsewhere: names with quotes in
/// their middle, and labels without a name; and metrics whose names stand in braces.
fn is_corner(document: &[u8]) -> bool {
    document.split(|byte| *byte == b'\n').any(|line| {
        let name = line.split(|byte| b" \t{".contains(byte)).find(|word| {
            !word.is_empty() && !b"#HELP".starts_with(word) && !b"#TYPE".starts_with(word)
        });
        let in_braces = line.trim_ascii_start().starts_with(b"{");
        in_braces || name.is_some_and(|name| !name.starts_with(b"\"") && name.contains(&b'"'))
    })
}

#[test]
fn random_documents_get_what_promtool_says() {
    const N_DOCUMENTS: usize = 250;
    let Some(program) = find_promtool() else { return };
    let n_compared = AtomicUsize::new(0);
    at_the_same_time(N_DOCUMENTS, |seed| {
        let document = Random(seed as u64).document();
        let said = promtool(&program, &document);
        let shown = String::from_utf8_lossy(&document);
        if !is_corner(&document) {
            assert_eq!(Some(weir(&document, &extended())), said, "seed {seed}:\n{shown}");
            n_compared.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(n_compared.into_inner() > N_DOCUMENTS / 2);
}

/// Where promtool takes labels without a name for a sample of whatever came before, crashes, or
/// loses track, and weir does not.
#[test]
fn corners_of_promtool_are_left_out() {
    let refused = |line: usize, message: &str| {
        format!("error while linting: text format parsing error in line {line}: {message}\n")
    };
    for (text, expect) in [
        ("a 1\n{x=\"1\"} 2\n", refused(2, "invalid metric name")),
        ("a 1\n{} 2\n", refused(2, "invalid metric name")),
        ("a\"b\" 1\n", refused(1, "invalid metric name")),
        ("# HELP a\"b\" x\n", refused(1, "invalid metric name in comment")),
        (
            "# HELP h x\n# TYPE h histogram\n# HELP b x\nb 1\n{\"h\",x=\"1\",le=\"1\"} 1\n\
             {\"h\",x=\"1\",le=\"+Inf\"} 1\nb{x=\"1\"} 1\n{le=\"2\",x=\"1\",\"h_bucket\"} 1\n",
            String::new(),
        ),
        (
            "# TYPE h histogram\na 1\n{le=\"y\",\"h\"} 1\n",
            refused(3, "expected float as value for 'le' label, got \"y\""),
        ),
    ] {
        assert_eq!(weir(text.as_bytes(), &Options::default()).err, expect, "{text}");
    }
}

#[test]
fn names_may_be_any_where_nothing_is_linted() {
    let text = "{\"a.b\"} 1\n{\"é\",\"x y\"=\"1\"} 1\na 1\n";
    let none = Options { rules: "none".to_owned(), ..extended() };
    let said = weir(text.as_bytes(), &none);
    let rows = ["Metric", "a", "a.b", "é", "Total"];
    let names: Vec<_> = said.out.lines().map(|row| row.split(' ').next().unwrap()).collect();
    assert_eq!((said.code, &names[..]), (0, &rows[..]));
    let said = weir(b"a foo\n", &none);
    let expect = "error while parsing text to metric families: text format parsing error in line 1: \
                  expected float as value, got \"foo\"\n";
    assert_eq!((said.code, &*said.err), (1, expect));
    let Some(program) = find_promtool() else { return };
    let mut command = Command::new(program);
    let output =
        pipe(command.args(["check", "metrics", "--extended", "--lint=none"]), text.as_bytes());
    let table = sorted_table(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(table, weir(text.as_bytes(), &none).out);
}

#[test]
fn the_readme_names_every_rule() {
    let readme = include_str!("../../README.md");
    for rule in Rule::ALL {
        assert!(readme.contains(&format!("`{}`", rule.name())), "{}", rule.name());
    }
}

/// Run the command with a file named `metrics.txt` and one of silences.
fn run(text: &str, silences: &str, args: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("metrics.txt"), text).unwrap();
    std::fs::write(folder.path().join("silences"), silences).unwrap();
    let mut command = Command::new(WEIR);
    let output = pipe(command.arg("lint").args(args).current_dir(folder.path()), text.as_bytes());
    Said {
        code: u8::try_from(output.status.code().unwrap()).unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn check_run(text: &str, silences: &str, args: &[&str], exit: Exit, out: &str, err: &str) {
    let expect = Said { code: exit.code(), out: out.to_owned(), err: err.to_owned() };
    assert_eq!(run(text, silences, args), expect, "{args:?}");
}

#[test]
fn the_command_ends_as_promtool_does() {
    let file = &["metrics.txt"][..];
    check_run("# HELP a x\na 1\n", "", file, Exit::Clean, "", "");
    check_run("a 1\n", "", file, Exit::Findings, "", "a no help text\n");
    check_run("a 1\n", "", &["-"], Exit::Findings, "", "a no help text\n");
    let error = "error while linting: text format parsing error in line 1: \
                 unexpected end of input stream\n";
    check_run("a 1", "", file, Exit::Failure, "", error);
    check_run("a 1\n", "help-missing *\n", &["--silence", "silences", "-"], Exit::Clean, "", "");
    let error = "cannot read \"nosuch\": No such file or directory (os error 2)\n";
    check_run("a 1\n", "", &["--silence", "nosuch", "-"], Exit::Failure, "", error);
    let error = "silences:1: expected a rule and a metric name, such as: help-missing go_*\n";
    check_run("a 1\n", "x\n", &["--silence", "silences", "-"], Exit::BadInput, "", error);
    let error = "nothing to do: there are no --rules and no --extended\n";
    check_run("a 1\n", "", &["--rules", "none", "-"], Exit::BadInput, "", error);
    let said = run("a 1\n", "", &["absent.txt"]);
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("cannot lint \"absent.txt\": No such file"), "{said:?}");
    let said = run("a 1\n", "", &["--rules", "help", "-"]);
    assert!(said.code == 2 && said.err.starts_with("--rules \"help\": unknown rule"), "{said:?}");
    assert_eq!(run("", "", &["--json", "--github", "-"]).code, 2);
}

#[test]
fn the_end_of_a_file_tells_its_format() {
    let text = "# TYPE a counter\n# HELP a x\na_total 1 # {x=\"1\"} 1\n# EOF\n";
    check_run(text, "", &["metrics.txt"], Exit::Clean, "", "");
    let exemplar = "error while linting: text format parsing error in line 3: \
                    expected integer as timestamp, got \"#\"\n";
    check_run(text, "", &["-"], Exit::Failure, "", exemplar);
    check_run(text, "", &["--format", "text", "metrics.txt"], Exit::Failure, "", exemplar);
    check_run(text, "", &["--format", "openmetrics", "-"], Exit::Clean, "", "");
}

#[test]
fn machines_read_json_and_github_reads_annotations() {
    let text = "# TYPE a_total counter\na_total{fooBar=\"1\"} -1\na_total{fooBar=\"2\"} 1\n";
    let said = run(text, "help-missing a_*", &["--json", "--rules=all", "--silence=silences", "-"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let expect = serde_json::json!({
        "input": "-", "error": null, "samples": 2, "series": 2, "silenced": 1,
        "findings": [
            {"rule": "counter-negative", "level": "error", "metric": "a_total",
             "text": "counter value is negative", "line": 2, "count": 1},
            {"rule": "camel-case-label", "level": "warning", "metric": "a_total",
             "text": "label names should be written in 'snake_case' not 'camelCase'",
             "line": 2, "count": 2},
        ],
        "cardinality": [{"metric": "a_total", "series": 2}],
    });
    assert_eq!((said.code, &*said.err, json), (3, "", expect));
    let said = run("a 1\na foo\n", "", &["--json", "-"]);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &json["error"]["line"]), (1, &serde_json::json!(2)));
    let github = "::warning file=metrics.txt,line=1,title=help-missing::a no help text\n";
    check_run("a 1\n", "", &["--github", "metrics.txt"], Exit::Findings, github, "");
    let github = "::error file=metrics.txt,line=1,title=parse-error::text format parsing error in \
                  line 1: expected float as value, got \"foo%2525\"\n"
        .replace("%2525", "%25");
    check_run("a foo%\n", "", &["--github", "metrics.txt"], Exit::Failure, &github, "");
}

#[test]
fn a_url_is_linted_in_the_format_it_says() {
    let target = FakeTarget::text("a_ms 1\n");
    check_run(
        "",
        "",
        &[&target.url()],
        Exit::Findings,
        "",
        "a_ms metric names should not contain \
                abbreviated units\na_ms no help text\n",
    );
}

#[test]
fn the_set_of_promlint_is_the_default() {
    assert_eq!(Options::default().rules.parse(), Ok(RuleSet::promlint()));
}
