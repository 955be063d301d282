//! The README tells the truth: its commands run, its files load, its tables are complete.
//!
//! Blocks say by their first line what they are: `console` is run, `sh` is only looked at for flags
//! that do not exist, `yaml rules` and `yaml config` go through `weir check`, `yaml prometheus` and
//! `yaml web` through promtool.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use crate::servers::find_or_skip;

const WEIR: &str = env!("CARGO_BIN_EXE_weir");

#[test]
fn its_commands_do_what_it_shows() {
    let blocks = blocks("console");
    assert!(!blocks.is_empty());
    for block in blocks {
        for step in block.split("$ ").filter(|step| !step.is_empty()) {
            let (command, expected) = step.split_once('\n').unwrap();
            let output = shell(command);
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{command}: {output:?}");
            assert!(matches(expected, &said), "{command} says\n{said}\nnot\n{expected}");
        }
    }
}

#[test]
fn its_rules_and_those_of_the_examples_are_right() {
    let mut files = Vec::new();
    for block in blocks("yaml rules").into_iter().chain(blocks("yaml config")) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(block.as_bytes()).unwrap();
        files.push(file);
    }
    assert!(!files.is_empty());
    let examples = std::fs::read_dir(root().join("examples/rules")).unwrap();
    let examples = examples.map(|entry| entry.unwrap().path());
    for path in files.iter().map(|file| file.path().to_owned()).chain(examples) {
        let output = Command::new(WEIR).arg("check").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", path.display());
    }
}

#[test]
fn prometheus_accepts_its_configuration() {
    let Some(promtool) = find_or_skip("promtool") else { return };
    for block in blocks("yaml prometheus") {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(block.as_bytes()).unwrap();
        let output =
            Command::new(&promtool).args(["check", "config"]).arg(file.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // An older promtool does not know newer fields.
        let unknown = said.contains("not found in type");
        assert!(output.status.success() || unknown, "{said}");
    }
}

#[test]
fn it_names_no_flag_that_does_not_exist() {
    let known: BTreeSet<String> = helps().iter().flat_map(|help| flags_in(help)).collect();
    for block in blocks("sh").into_iter().chain(blocks("console")) {
        for line in block.lines().filter(|line| line.contains("weir ") && !line.contains("helm")) {
            let (_, arguments) = line.split_once("weir ").unwrap();
            let docker = ["--rm".to_owned()];
            for flag in flags_in(arguments).iter().filter(|flag| !docker.contains(flag)) {
                assert!(known.contains(flag), "{line}: there is no {flag}");
            }
        }
    }
}

#[test]
fn its_tables_name_every_flag_and_variable() {
    let readme = readme();
    for help in helps() {
        for flag in flags_in(&help) {
            assert!(readme.contains(&format!("`{flag}`")) || readme.contains(&flag), "{flag}");
        }
        for variable in
            help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next())
        {
            assert!(readme.contains(&format!("`{variable}`")), "{variable}");
        }
    }
}

#[test]
fn its_table_names_every_own_metric() {
    let files = std::fs::read_dir(root().join("src/telemetry")).unwrap();
    let source: String =
        files.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let names = source.split("(\"weir_").skip(1).filter_map(|rest| rest.split('"').next());
    // In tests of the code the names stand with labels.
    let names = names.filter(|name| !name.contains('{'));
    let readme = readme();
    let mut n_names = 0;
    for name in names {
        n_names += 1;
        assert!(readme.contains(&format!("`weir_{name}`")), "weir_{name}");
    }
    assert!(n_names > 5, "{n_names}");
}

#[test]
fn it_quotes_only_figures_that_were_kept() {
    let readme = readme();
    let (_, chapter) = readme.split_once("## How fast, how much memory").unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let results = std::fs::read_dir(root().join("benches/results")).unwrap();
    let results: String =
        results.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let rows: Vec<_> = chapter.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 5, "{rows:?}");
    for row in rows {
        assert!(results.contains(row), "no file in benches/results has the row {row}");
    }
}

/// Whether `said` is what `expected` shows, in which a line `…` stands for any lines.
fn matches(expected: &str, said: &str) -> bool {
    let (mut expected, mut said) = (expected.lines(), said.lines().peekable());
    while let Some(line) = expected.next() {
        if line == "…" {
            let Some(next) = expected.next() else { return true };
            if !said.by_ref().any(|line| line == next) {
                return false;
            }
        } else if said.next() != Some(line) {
            return false;
        }
    }
    said.all(str::is_empty)
}

#[test]
fn an_ellipsis_stands_for_any_lines() {
    assert!(matches("a\n…\nd\n", "a\nb\nc\nd\n"));
    assert!(matches("…\n", "a\nb\n"));
    assert!(!matches("a\n…\ne\n", "a\nb\nc\nd\n"));
    assert!(!matches("a\n", "a\nb\n"));
}

/// Run a line of shell where the README would, with weir at hand.
fn shell(command: &str) -> Output {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = Path::new(WEIR).parent().map(Path::to_owned).into_iter();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
    Command::new("sh").args(["-c", command]).current_dir(root()).env("PATH", path).output().unwrap()
}

/// The help of weir, of each of its subcommands, and of theirs.
fn helps() -> Vec<String> {
    let help = |words: &[String]| {
        let output = Command::new(WEIR).args(words).arg("--help").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut to_ask = vec![Vec::new()];
    let mut helps = Vec::new();
    while let Some(words) = to_ask.pop() {
        let help = help(&words);
        let commands = help.split_once("Commands:\n").map_or("", |(_, commands)| commands);
        let commands = commands.lines().take_while(|line| !line.is_empty());
        let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let names = names.filter(|name| !name.is_empty() && *name != "help");
        to_ask.extend(names.map(|name| [&words[..], &[name.to_owned()]].concat()));
        helps.push(help);
    }
    assert!(helps.len() > 5, "{helps:?}");
    helps
}

/// Each `--word` in a text.
fn flags_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.');
    let flags = words.filter(|word| word.starts_with("--") && word.len() > 3);
    flags.map(|word| word.trim_end_matches('.').to_owned()).collect()
}

/// The contents of all fenced blocks with this first line.
fn blocks(kind: &str) -> Vec<String> {
    let readme = readme();
    let fenced = readme.split("\n```").skip(1).step_by(2);
    let blocks = fenced.filter_map(|block| block.split_once('\n'));
    blocks.filter(|(first, _)| *first == kind).map(|(_, text)| format!("{text}\n")).collect()
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
