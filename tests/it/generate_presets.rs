//! The presets compile, have the size they speak of, and read like the real exporters.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use weir::config::generate::Document;
use weir::generate::generator::{Generator, Limits};
use weir::generate::presets;
use weir::model::Format;
use weir::parse::Parser;

use crate::servers::{Server, find_or_skip};

const TIME_MS: i64 = 1_767_225_600_000;

fn preset(name: &str, set: &[(&str, &str)]) -> Generator {
    let set: Vec<(String, String)> =
        set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let text = presets::text(name).unwrap();
    let no_files = |path: &str| Err(format!("{path} is not there"));
    let (document, spec) = Document::read(name, text, &set, &no_files).unwrap();
    Generator::new(&spec, &Limits::default())
        .unwrap_or_else(|errors| panic!("{}", document.place(&errors)))
}

fn page(generator: &Generator, format: Format) -> String {
    let mut out = Vec::new();
    let mut page = generator.page(0, TIME_MS, format);
    while page.fill(&mut out, 1 << 16) {}
    String::from_utf8(out).unwrap()
}

fn n_lines(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn every_preset_can_be_read_in_both_formats_and_has_no_series_twice() {
    for name in presets::NAMES {
        let few = [("ingresses", "20")];
        let set = if *name == "ingress-nginx" { &few[..] } else { &[] };
        let generator = preset(name, set);
        for format in [Format::Text, Format::OpenMetrics] {
            let text = page(&generator, format);
            let mut parser = Parser::new(format);
            parser.push(text.as_bytes(), |_, _, _| Ok(())).unwrap();
            parser.finish(|_, _, _| Ok(())).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let series: BTreeSet<&str> = lines
                .map(|line| line.split(" # ").next().unwrap().rsplit_once(' ').unwrap().0)
                .collect();
            assert_eq!(series.len(), n_lines(&text), "{name} as {format:?}");
            if format == Format::Text {
                assert_eq!(n_lines(&text) as u64, generator.n_series(), "{name}");
            }
        }
    }
}

#[test]
fn promtool_reads_every_preset() {
    let Some(promtool) = find_or_skip("promtool") else { return };
    for name in presets::NAMES {
        let few = [("ingresses", "5"), ("all", "1"), ("upstream_latency", "1")];
        let set = if *name == "ingress-nginx" { &few[..] } else { &[] };
        let text = page(&preset(name, set), Format::Text);
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // 3 is its code for questions of taste, in which real exporters err too.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{name}: {said}");
    }
}

#[test]
fn the_ingress_preset_has_the_size_it_is_known_for() {
    let generator = preset("ingress-nginx", &[]);
    assert_eq!(generator.n_series(), 840_000);
    let text = page(&preset("ingress-nginx", &[("ingresses", "10")]), Format::Text);
    let n_buckets = text.lines().filter(|line| line.contains("_bucket{")).count();
    assert_eq!((n_buckets, n_lines(&text)), (7_200, 8_400));
    let bytes = text.len() / n_lines(&text);
    assert!((330..400).contains(&bytes), "{bytes} bytes a line");
}

#[test]
fn the_ingress_preset_has_all_of_the_controllers_lines_if_asked() {
    let full = [("ingresses", "3"), ("paths", "2"), ("methods", "2"), ("statuses", "2")];
    let all = [("all", "1"), ("size_buckets", "10")];
    let generator = preset("ingress-nginx", &[&full[..], &all].concat());
    assert_eq!(generator.n_series(), 3 * 2 * 2 * 2 * 93);
    let with_latency = [&full[..], &all, &[("upstream_latency", "1")]].concat();
    assert_eq!(preset("ingress-nginx", &with_latency).n_series(), 3 * 2 * 2 * 2 * 93 + 3 * 5);
}

#[test]
fn the_node_preset_is_about_as_large_as_a_server() {
    let n_series = preset("node-exporter", &[]).n_series();
    assert!((1150..=1300).contains(&n_series), "{n_series}");
}

#[test]
fn the_node_preset_has_the_names_types_and_texts_of_the_real_exporter() {
    let Some(exporter) = find_or_skip("node_exporter") else { return };
    let real = Server::node_exporter(exporter).get("/metrics");
    let text = page(&preset("node-exporter", &[]), Format::Text);
    let ours: BTreeSet<&str> = text.lines().filter(|line| line.starts_with("# ")).collect();
    let names =
        |line: &&str| ours.iter().any(|our| our.split(' ').nth(2) == line.split(' ').nth(2));
    // Versions and machines differ in what they have; what both have is the same.
    let common: Vec<&str> =
        real.lines().filter(|line| line.starts_with("# ")).filter(names).collect();
    assert!(common.len() > 300, "{} lines", common.len());
    let other: Vec<&&str> = common.iter().filter(|line| !ours.contains(**line)).collect();
    assert!(other.len() * 20 < common.len(), "{other:#?}");
}
