//! A comparison with Prometheus itself, as `tests/servers/promparse` runs it.
//!
//! `WEIR_PROMPARSE` names the built program; without it the test is skipped.
//! `WEIR_PROMPARSE_DOCUMENTS` says how many documents to compare, `WEIR_PROMPARSE_SEED` where to
//! start.

use std::io::BufRead;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Write;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;
use weir::model::Format;
use weir::parse::Document;
use weir::parse::Entry;
use weir::parse::SampleTokens;
use weir::parse::check_labels;

use super::corpus;
use super::generate::Random;
use super::generate::document;
use super::generate::mutate;
use super::generate::soup;
use super::read;

const N_DOCUMENTS: usize = 2_000;

#[test]
fn prometheus_agrees_on_random_documents() {
    let Some(program) = setting("WEIR_PROMPARSE") else {
        println!("skipped: WEIR_PROMPARSE does not name the promparse program");
        return;
    };
    let number = |name| setting(name).map(|text| text.parse::<usize>().unwrap());
    let n_documents = number("WEIR_PROMPARSE_DOCUMENTS").unwrap_or(N_DOCUMENTS);
    let first_seed = number("WEIR_PROMPARSE_SEED").unwrap_or(0);
    let corpus: Vec<Vec<u8>> =
        corpus::load().unwrap_or_default().into_iter().map(|file| file.content).collect();
    let input = move |seed: usize| random_input(&corpus, seed as u64);
    let seeds = first_seed..first_seed + n_documents;

    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut to_child = BufWriter::new(child.stdin.take().unwrap());
    let answers = BufReader::new(child.stdout.take().unwrap());
    let (feed, fed_seeds) = (input.clone(), seeds.clone());
    let feeder = std::thread::spawn(move || {
        for seed in fed_seeds {
            let (format, document) = feed(seed);
            let letter = if format == Format::Text { b't' } else { b'o' };
            to_child.write_all(&[letter]).unwrap();
            to_child.write_all(&u32::try_from(document.len()).unwrap().to_le_bytes()).unwrap();
            to_child.write_all(&document).unwrap();
        }
    });
    let mut n_accepted = 0;
    for (seed, answer) in seeds.zip(answers.lines()) {
        let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
        let (format, document) = input(seed);
        if let Err(difference) = compare(format, &document, &answer) {
            panic!("seed {seed}, {format:?}: {difference}\n{}", document.escape_ascii());
        }
        n_accepted += usize::from(answer["ok"] == json!(true));
    }
    feeder.join().unwrap();
    assert!(child.wait().unwrap().success());
    println!("agreed on {n_documents} documents, of which {n_accepted} are accepted");
}

#[expect(clippy::disallowed_methods, reason = "a switch for this one test")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A third each: generated, pieces of real files, soup; most of them mutated.
fn random_input(corpus: &[Vec<u8>], seed: u64) -> (Format, Vec<u8>) {
    let mut random = Random::new(seed);
    let format = if random.below(2) == 0 { Format::Text } else { Format::OpenMetrics };
    let mut input = match random.below(5) {
        0 => soup(&mut random),
        1 | 2 if !corpus.is_empty() => excerpt(corpus, format, &mut random),
        _ => document(format, &mut random),
    };
    if random.below(4) > 0 {
        mutate(&mut input, &mut random);
    }
    (format, input)
}

/// A few lines of a file.
fn excerpt(corpus: &[Vec<u8>], format: Format, random: &mut Random) -> Vec<u8> {
    let file = &corpus[random.below(corpus.len())];
    let from = random.below(file.len() + 1);
    let lines = file[from..].split_inclusive(|&byte| byte == b'\n');
    let skip = usize::from(random.below(8) > 0);
    let mut out = lines.skip(skip).take(1 + random.below(5)).flatten().copied().collect::<Vec<_>>();
    out.truncate(2_000);
    if format == Format::OpenMetrics && !out.ends_with(b"# EOF\n") {
        out.extend_from_slice(b"# EOF\n");
    }
    out
}

/// Compare weir's reading with Prometheus' answer.
pub(super) fn compare(format: Format, document: &[u8], answer: &Value) -> Result<(), String> {
    let found = read(format, document, &[]);
    let expect_ok = answer["ok"] == json!(true);
    if found.ok != expect_ok {
        return Err(format!("accepted is {}, not {expect_ok}: {answer}", found.ok));
    }
    let found: Vec<Value> = found.items.iter().map(super::Item::to_json).collect();
    let expect = answer["entries"].as_array().unwrap();
    for (found, expect) in found.iter().zip(expect) {
        if found != expect && !is_known_difference(found, expect) {
            return Err(format!("{found}, not {expect}"));
        }
    }
    // Of an OpenMetrics document that is refused, Prometheus hands out a sample before it looks at
    // what follows the value; and weir a TYPE before it has seen NUL bytes behind it.
    let slack = usize::from(!expect_ok && format == Format::OpenMetrics);
    if found.len().abs_diff(expect.len()) > slack {
        return Err(format!("{} entries, not {}: {answer}", found.len(), expect.len()));
    }
    if expect_ok { compare_append(format, document, answer) } else { Ok(()) }
}

/// What weir makes otherwise on purpose.
fn is_known_difference(found: &Value, expect: &Value) -> bool {
    let same_but = |at: usize, is_same: &dyn Fn(&Value, &Value) -> bool| {
        let (Some(found), Some(expect)) = (found.as_array(), expect.as_array()) else {
            return false;
        };
        found.len() == expect.len()
            && (0..found.len())
                .all(|i| found[i] == expect[i] || (i == at && is_same(&found[i], &expect[i])))
    };
    match found[0].as_str() {
        // Blanks before a name are no part of it.
        Some("sample") => {
            same_but(1, &|found, expect| {
                let (Some(found), Some(expect)) = (found.as_str(), expect.as_str()) else {
                    return false;
                };
                expect.trim_start_matches([' ', '\t']) == found
            }) || same_but(4, &|found, expect| {
                // A time no 64-bit number of milliseconds holds: Go's answer is the processor's.
                found.as_i64().is_some_and(|ms| ms == i64::MAX || ms == i64::MIN)
                    && expect.as_i64() == Some(i64::MIN)
            })
        }
        // NUL bytes behind a HELP line of OpenMetrics are no part of its text.
        Some("help") => same_but(2, &|found, expect| {
            let (Some(found), Some(expect)) = (found.as_str(), expect.as_str()) else {
                return false;
            };
            expect.trim_end_matches(['\n', '\0']) == found.trim_end_matches(['\n', '\0'])
        }),
        _ => false,
    }
}

/// Whether the checks at append refuse the same documents.
fn compare_append(format: Format, input: &[u8], answer: &Value) -> Result<(), String> {
    let found = first_append_error(format, input);
    let expect = answer.get("append").and_then(Value::as_str);
    if found.is_some() == expect.is_some() {
        return Ok(());
    }
    Err(format!("at append: {found:?}, not {expect:?}"))
}

fn first_append_error(format: Format, input: &[u8]) -> Option<String> {
    let mut document = Document::new(format);
    let mut tokens = SampleTokens::default();
    let mut at = 0;
    while let Ok(Some((entry, n_bytes))) = document.next(&input[at..], true, &mut tokens) {
        let line = &input[at..at + n_bytes];
        if entry == Entry::Sample
            && let Err(error) = check_labels(line, &tokens)
        {
            return Some(document.locate_last(error, line).to_string());
        }
        at += n_bytes;
    }
    None
}
