//! What is learned from a real scrape, generated again, has its families, types, series and labels.
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use weir::config::generate::Document;
use weir::generate::generator::{Generator, Limits};
use weir::generate::learn::{Learned, learn};
use weir::model::{Format, MetricType, Span};
use weir::parse::{Entry, Parser, SampleTokens, unescape};

/// Of each sample name how many series there are, and how many values each label has.
type Shape = BTreeMap<String, (usize, BTreeMap<String, usize>)>;

#[derive(Debug, Default)]
struct Seen {
    series: BTreeSet<(String, Vec<(String, String)>)>,
    types: BTreeMap<String, MetricType>,
}

/// Read an exposition without any notion of families: another way than `learn` goes.
fn read(text: &[u8], format: Format) -> Seen {
    let decode = |raw: &[u8]| {
        let mut text = Vec::new();
        unescape(raw, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let mut seen = Seen::default();
    let mut parser = Parser::new(format);
    let mut visit = |line: &[u8], entry: Entry<'_>, tokens: &SampleTokens| {
        match entry {
            Entry::Type { name, metric_type, .. } => {
                seen.types.insert(decode(name), metric_type);
            }
            Entry::Sample => {
                let text = |span: Span| decode(span.of(line));
                let bounds = ["le", "quantile"];
                let mut labels: Vec<(String, String)> = tokens
                    .labels
                    .iter()
                    .map(|label| (text(label.name), text(label.value)))
                    .filter(|(_, value)| !value.is_empty())
                    .map(|(name, value)| match value.parse::<f64>() {
                        Ok(number) if bounds.contains(&&*name) => (name, number.to_string()),
                        _ => (name, value),
                    })
                    .collect();
                labels.sort();
                seen.series.insert((text(tokens.name), labels));
            }
            _ => {}
        }
        Ok(())
    };
    parser.push(text, &mut visit).unwrap();
    parser.finish(&mut visit).unwrap();
    seen
}

impl Seen {
    fn shape(&self, format: Format) -> Shape {
        let mut values: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        let mut shape = Shape::new();
        for (name, labels) in &self.series {
            let is_created = format == Format::OpenMetrics && name.ends_with("_created");
            if is_created {
                continue;
            }
            shape.entry(name.clone()).or_default().0 += 1;
            for (label, value) in labels {
                values.entry(name).or_default().entry(label).or_default().insert(value);
            }
        }
        for (name, labels) in values {
            let counts = labels.iter().map(|(label, values)| ((*label).to_owned(), values.len()));
            shape.get_mut(name).unwrap().1 = counts.collect();
        }
        shape
    }
}

fn page(learned: &Learned, format: Format) -> Vec<u8> {
    let generator = Generator::new(&learned.spec, &Limits::default())
        .unwrap_or_else(|errors| panic!("{errors:?}\n{}", learned.yaml(0)));
    let mut out = Vec::new();
    let mut page = generator.page(0, 86_400_000, format);
    while page.fill(&mut out, 4096) {}
    out
}

/// Check one file; gives how many families had to be taken apart, or that it is none Prometheus 3
/// reads.
#[track_caller]
fn check(path: &PathBuf, format: Format) -> Option<usize> {
    let text = std::fs::read(path).unwrap();
    let learned = learn(&text, None, format).ok()?;
    let again = page(&learned, format);
    // The file that is written says the same as what was learned.
    let no_files = |path: &str| Err(format!("{path} is not there"));
    let (_, spec) = Document::read("learned", &learned.yaml(0), &[], &no_files)
        .unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
    assert!(spec == learned.spec, "{}", path.display());
    let (before, after) = (read(&text, format), read(&again, format));
    let (shape, shape_after) = (before.shape(format), after.shape(format));
    for (name, expect) in &shape {
        assert_eq!(shape_after.get(name), Some(expect), "{}: {name}", path.display());
    }
    assert_eq!(shape.len(), shape_after.len(), "{}", path.display());
    let noted = |name: &str| {
        learned
            .notes
            .iter()
            .any(|note| note.strip_prefix(name).is_some_and(|n| n.starts_with(": ")))
    };
    for (name, metric_type) in &before.types {
        if !noted(name) && *metric_type != MetricType::Unknown {
            assert_eq!(after.types.get(name), Some(metric_type), "{}: {name}", path.display());
        }
    }
    Some(learned.notes.iter().filter(|note| note.contains("that could be generated")).count())
}

/// Files another parser than Prometheus' own takes for valid.
const N_REFUSED_MAX: usize = 3;

fn check_folder(folder: &str, format: Format) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus").join(folder);
    let Ok(entries) = std::fs::read_dir(&root) else {
        println!("skipped: {folder} is not there");
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let checked: Vec<usize> = paths.iter().filter_map(|path| check(path, format)).collect();
    let n_misshapen: usize = checked.iter().sum();
    println!(
        "{folder}: {} of {} files, {n_misshapen} families taken apart",
        checked.len(),
        paths.len()
    );
    assert!(checked.len() + N_REFUSED_MAX >= paths.len(), "{} files were learned", checked.len());
}

#[test]
fn real_scrapes_in_text_come_back() {
    check_folder("valid-text", Format::Text);
}

#[test]
fn real_scrapes_in_open_metrics_come_back() {
    check_folder("valid-openmetrics", Format::OpenMetrics);
}
