//! Real files, and what Prometheus says of them.

use std::fs;
use std::path::PathBuf;

use weir::model::Format;

use super::naive;
use super::read;

/// A file of the corpus and Prometheus' verdict in both formats.
pub(super) struct CorpusFile {
    pub name: String,
    pub content: Vec<u8>,
    text_ok: bool,
    open_metrics_ok: bool,
}

/// The files, if the corpus is at hand.
#[expect(clippy::print_stdout, reason = "a skip is said")]
pub(super) fn load() -> Option<Vec<CorpusFile>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(index) = fs::read_to_string(root.join("INDEX.tsv")) else {
        println!("skipped: no corpus at {}", root.display());
        return None;
    };
    let mut lines = index.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|found| *found == name).unwrap();
    let (file, text, open_metrics) = (column("file"), column("prom_text"), column("prom_om"));
    let files = lines.map(|row| CorpusFile {
        name: row[file].to_owned(),
        content: fs::read(root.join(row[file])).unwrap(),
        text_ok: row[text] == "pass",
        open_metrics_ok: row[open_metrics] == "pass",
    });
    Some(files.collect())
}

#[test]
fn every_file_of_the_corpus_is_judged_as_prometheus_judges_it() {
    let Some(files) = load() else { return };
    let mut n_agreed = 0;
    for file in &files {
        for (format, expect) in
            [(Format::Text, file.text_ok), (Format::OpenMetrics, file.open_metrics_ok)]
        {
            let found = read(format, &file.content, &[]);
            assert_eq!(found.ok, expect, "{} as {format:?}", file.name);
            assert_eq!(found, naive::read(format, &file.content), "{} as {format:?}", file.name);
            assert_eq!(found, read(format, &file.content, &[97]), "{} in chunks", file.name);
            n_agreed += 1;
        }
    }
    println!("agreed with Prometheus {n_agreed} times on {} files", files.len());
}
