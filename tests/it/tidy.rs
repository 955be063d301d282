//! House rules, as tests: who may import whom, which crate is named where, what is left lying.
#![expect(clippy::string_slice, reason = "offsets come from searching for ASCII text")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of weir each module may name. Whatever is not listed here fails the test.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // 0: the words
    ("model", &[]),
    // 1: pure stages: bytes and values in, values and bytes out
    ("parse", &["model"]),
    ("relabel", &["model"]),
    ("aggregate", &["model", "relabel"]), // a choice selects as a rule does
    ("render", &["model", "aggregate"]),  // writes the output tables, which are aggregate's
    ("ledger", &["model", "parse", "relabel", "aggregate"]), // its cold path is those three
    ("engine", &["model", "parse", "relabel", "ledger", "aggregate", "render"]), // one scrape
    ("analyze", &["model", "parse", "relabel"]),
    ("lint", &["model", "parse"]),
    ("wire", &["model"]),
    ("buffer", &[]),
    // judges texts as promtool does, changes labels as scraping does
    ("push", &["model", "parse", "relabel", "lint"]),
    ("generate", &["model", "parse"]),
    ("intake", &["model", "relabel", "wire", "stream"]), // rules and aggregation on messages
    ("stream", &["model", "relabel", "wire"]),
    // 2: edges
    ("telemetry", &["model"]),
    ("http", &["model", "telemetry"]),
    ("source", &["model", "http", "telemetry"]),
    ("discovery", &["model", "http", "source"]), // finds what source scrapes
    ("disk", &["buffer"]),                       // the real directory of a queue
    ("remote_write", &["model", "wire", "buffer", "disk", "http", "telemetry"]), // sends
    // 3: composition
    // its values are the settings of what it configures
    (
        "config",
        &[
            "model",
            "relabel",
            "aggregate",
            "generate",
            "lint",
            "push",
            "wire",
            "intake",
            "buffer",
            "stream",
            "http",
            "source",
            "discovery",
            "wire",
            "buffer",
            "remote_write",
            "telemetry",
        ],
    ),
    ("app", EVERYTHING_BELOW_APP),
    ("cli", &["model", "generate", "discovery", "config", "app", "telemetry"]),
    ("main", &["app", "cli", "telemetry"]),
];

const EVERYTHING_BELOW_APP: &[&str] = &[
    "model",
    "parse",
    "relabel",
    "aggregate",
    "render",
    "ledger",
    "engine",
    "analyze",
    "generate",
    "lint",
    "wire",
    "buffer",
    "disk",
    "push",
    "intake",
    "stream",
    "telemetry",
    "http",
    "source",
    "discovery",
    "remote_write",
    "config",
];

/// Crates (and parts of `std`) that only some modules may name.
const ONLY_IN: &[(&[&str], &[&str])] = &[
    (
        &["tokio", "tokio_rustls", "hyper", "hyper_util", "http_body", "http_body_util", "rustls"],
        &["http", "source", "discovery", "remote_write", "app", "main"],
    ),
    (&["hickory_resolver"], &["discovery"]),
    (
        &["tracing", "tracing_subscriber"],
        &["telemetry", "http", "source", "remote_write", "app", "main"],
    ),
    (&["serde", "serde_json", "saphyr_parser"], &["config", "app"]),
    (&["clap"], &["cli", "main"]),
    (&["anyhow"], &["app", "main"]),
    (&["prometheus_client"], &["telemetry"]),
    (&["std::fs", "std::net", "std::env", "std::process"], &EDGES),
];

const EDGES: [&str; 9] =
    ["disk", "telemetry", "http", "source", "discovery", "config", "app", "cli", "main"];

const LINES_MAX: usize = 700;

#[test]
fn imports_only_go_down() {
    let mut wrong = Vec::new();
    for file in Source::all() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == file.module) else {
            wrong.push(format!("{}: module {:?} is not in MAY_IMPORT", file.name, file.module));
            continue;
        };
        for (line, text) in &file.lines {
            if text.contains("use crate::{") || text.contains("use weir::{") {
                wrong.push(format!("{}:{line}: one module a line, not `use crate::{{`", file.name));
            }
            for named in after_any(text, &["crate::", "weir::"]) {
                let known = MAY_IMPORT.iter().any(|(name, _)| *name == named);
                if known && named != file.module && !allowed.contains(&named) {
                    wrong.push(format!("{}:{line}: {} names {named}", file.name, file.module));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn crates_are_named_only_where_they_belong() {
    let mut wrong = Vec::new();
    for file in Source::all() {
        for (line, text) in &file.lines {
            for (names, modules) in ONLY_IN {
                let named = names.iter().find(|name| starts_a_path(text, name));
                if let Some(name) = named
                    && !modules.contains(&file.module.as_str())
                {
                    wrong.push(format!("{}:{line}: {} names {name}", file.name, file.module));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    for path in rust_files() {
        let n_lines = read(&path).lines().count();
        assert!(n_lines <= LINES_MAX, "{} has {n_lines} lines", path.display());
    }
}

#[test]
fn what_is_left_to_do_names_its_issue() {
    let word = concat!("TO", "DO");
    for path in text_files() {
        for (at, line) in read(&path).lines().enumerate() {
            let named = line.split_once(word).is_none_or(|(_, rest)| rest.starts_with("(#"));
            assert!(named, "{}:{}: write {word}(#n): …", path.display(), at + 1);
        }
    }
}

#[test]
fn nothing_speaks_of_the_machine_it_was_written_on() {
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    for path in text_files() {
        for (at, line) in read(&path).lines().enumerate() {
            let found = paths.iter().find(|word| line.contains(*word));
            assert!(found.is_none(), "{}:{}: {line}", path.display(), at + 1);
        }
    }
}

#[test]
fn every_test_vector_is_used() {
    let sources: String = rust_files().iter().map(|path| read(path)).collect();
    for path in files_below(&root().join("tests/data")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap().strip_prefix(root().join("tests/data")).unwrap();
        // A test either names the file or reads the whole folder.
        let used = sources.contains(name)
            || sources.contains(&format!("tests/data/{}", folder.display()))
            || sources.contains(&format!("data/{}\"", folder.display()));
        assert!(used, "no test names {}", path.display());
    }
}

#[test]
fn the_map_shows_every_module() {
    let map = read(&root().join("ARCHITECTURE.md"));
    for (module, _) in MAY_IMPORT {
        assert!(map.contains(&format!("`{module}`")), "ARCHITECTURE.md does not know {module}");
    }
}

#[test]
fn the_rules_of_this_file_notice_what_they_should() {
    let named = |text| after_any(text, &["crate::", "weir::"]).collect::<Vec<_>>();
    assert_eq!(named("use crate::parse::text; x(weir::model)"), ["parse", "model"]);
    assert_eq!(named("use mycrate::parse;"), [""; 0]);
    assert!(starts_a_path("let x = tokio::spawn(y);", "tokio"));
    assert!(starts_a_path("#[tokio::test]", "tokio"));
    assert!(!starts_a_path("use crate::tokio::x;", "tokio"));
    assert!(!starts_a_path("my_tokio::x", "tokio"));
    let code = "a\n#[cfg(test)]\nmod naive;\nb\n#[cfg(test)]\nmod tests {\n    c\n}\n// d\ne\n";
    let kept: Vec<_> = shipped_lines(code).into_iter().map(|(_, text)| text).collect();
    assert_eq!(kept, ["a", "b", "e"]);
}

/// One file of `src`, without its comments and its tests.
struct Source {
    name: String,
    module: String,
    lines: Vec<(usize, String)>,
}

impl Source {
    fn all() -> Vec<Self> {
        let src = root().join("src");
        let files = files_below(&src).into_iter().filter(|path| is_rust(path) && !is_test(path));
        files
            .filter(|path| path.file_name().unwrap() != "lib.rs")
            .map(|path| {
                let name = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
                let first = name.split('/').next().unwrap();
                let module = first.trim_end_matches(".rs").to_owned();
                Self { lines: shipped_lines(&read(&path)), module, name }
            })
            .collect()
    }
}

/// The lines of a file that are neither comments nor test code, with their numbers.
fn shipped_lines(text: &str) -> Vec<(usize, String)> {
    let mut kept = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line == "#[cfg(test)]" {
            let in_braces = lines.next().is_some_and(|(_, line)| line.ends_with('{'));
            while in_braces && lines.next().is_some_and(|(_, line)| line != "}") {}
        } else if !line.trim_start().starts_with("//") {
            kept.push((at + 1, line.to_owned()));
        }
    }
    kept
}

/// The identifier behind each occurrence of one of `prefixes` that is a path of its own.
fn after_any<'a>(text: &'a str, prefixes: &'a [&str]) -> impl Iterator<Item = &'a str> {
    prefixes.iter().flat_map(move |prefix| {
        text.match_indices(prefix).filter(|(at, _)| stands_alone(text, *at)).map(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        })
    })
}

/// Whether a path in `text` begins with `name::`.
fn starts_a_path(text: &str, name: &str) -> bool {
    let path = format!("{name}::");
    text.match_indices(&path).any(|(at, _)| stands_alone(text, at))
}

fn stands_alone(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Test code in files of its own: `foo/tests.rs`, `foo/tests/*.rs`, `foo/naive.rs`.
fn is_test(path: &Path) -> bool {
    let stem = path.file_stem().unwrap();
    stem == "tests" || stem == "naive" || path.parent().unwrap().ends_with("tests")
}

/// Every Rust file of the project.
fn rust_files() -> Vec<PathBuf> {
    let folders = ["src", "tests/it", "benches", "examples", "fuzz"];
    folders
        .iter()
        .flat_map(|folder| files_below(&root().join(folder)))
        .filter(|path| is_rust(path))
        .collect()
}

/// Every text people write: code, documents, configuration.
fn text_files() -> Vec<PathBuf> {
    let mut files = rust_files();
    for folder in [".ci", "charts", "examples", "tests/servers"] {
        files.extend(files_below(&root().join(folder)));
    }
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    files.extend(top.filter(|path| path.is_file() && !path.ends_with("Cargo.lock")));
    files.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return files };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if !path.is_dir() {
            files.push(path);
        } else if !path.ends_with("target") && !path.ends_with("corpus") {
            files.extend(files_below(&path));
        }
    }
    files.sort();
    files
}

#[track_caller]
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
