//! Tests of rendering.

use super::*;
use crate::aggregate::choice::Merging;
use crate::aggregate::family::{FamilyMeta, Metadata};
use crate::aggregate::merge::{Held, Rows, Slots};
use crate::aggregate::series::{NewSeries, SeriesHasher, SeriesText};
use crate::aggregate::table::Table;
use crate::model::{FingerprintKey, LabelSet};

struct Listed(Vec<f64>);

impl Rows for Listed {
    fn for_each_held(&self, _: impl FnMut(u32, Held)) {}
    fn for_each(&self, _: Slots<'_>, mut visit: impl FnMut(u32, f64)) {
        (0..).zip(&self.0).for_each(|(slot, &value)| visit(slot, value));
    }
    fn for_each_timestamp(&self, mut visit: impl FnMut(u32, i64)) {
        visit(0, 1_500);
    }
    fn for_each_exemplar(&self, mut visit: impl FnMut(u32, &[u8])) {
        visit(0, b"{trace_id=\"x\"} 0.5");
    }
}

fn snapshot(types: &[(&str, MetricType)], series: &[&[(&str, &str)]]) -> Arc<Snapshot> {
    let mut table = Table::new(Merging::default());
    let meta = |t| FamilyMeta {
        metric_type: Some(t),
        help: Some(b"a \"b\" \\ c\nd".to_vec().into()),
        unit: None,
    };
    let metadata: Metadata =
        types.iter().map(|&(name, t)| (name.as_bytes().into(), meta(t))).collect();
    table.set_metadata(Arc::new(metadata));
    let key = FingerprintKey::new(|| 3);
    let mut new = NewSeries::default();
    for labels in series {
        let mut set = LabelSet::new();
        for (name, value) in *labels {
            set.push(name.as_bytes(), value.as_bytes());
        }
        set.sort();
        let mut text = SeriesText::default();
        text.load(&set);
        let fingerprint = SeriesHasher::default().fingerprint(&key, &text);
        let name = text.name.clone();
        new.intern(fingerprint, &text, &name);
    }
    table.intern(&new);
    let values = (1..).map(f64::from).take(series.len()).collect();
    Arc::new(table.publish(&Listed(values), None).0)
}

/// Render in pieces of every size from 1; all must be the same text.
#[track_caller]
fn check(snapshot: &Arc<Snapshot>, options: RenderOptions, expect: &str) {
    for about in [1, 7, 100, 1 << 20] {
        let mut renderer = Renderer::new(Arc::clone(snapshot), options);
        let mut out = Vec::new();
        while renderer.fill(&mut out, about) {}
        assert!(!renderer.fill(&mut out, about), "nothing comes after the end");
        assert_eq!(String::from_utf8(out).unwrap(), expect, "pieces of {about}");
    }
}

const TEXT: RenderOptions = RenderOptions {
    format: Format::Text,
    escaping: Escaping::AllowUtf8,
    default_timestamp_ms: None,
};
const OPEN_METRICS: RenderOptions = RenderOptions { format: Format::OpenMetrics, ..TEXT };

#[test]
fn a_histogram_and_a_counter_in_both_formats() {
    let snapshot = snapshot(
        &[("h", MetricType::Histogram), ("c_total", MetricType::Counter)],
        &[
            &[("__name__", "c_total")],
            &[("__name__", "h_bucket"), ("a", "x"), ("le", "1"), ("z", "y")],
            &[("__name__", "h_bucket"), ("a", "x"), ("le", "+Inf"), ("z", "y")],
            &[("__name__", "h_count"), ("a", "x"), ("z", "y")],
            &[("__name__", "u")],
        ],
    );
    check(
        &snapshot,
        TEXT,
        "# HELP c_total a \"b\" \\\\ c\\nd\n\
         # TYPE c_total counter\n\
         c_total 1 1500\n\
         # HELP h a \"b\" \\\\ c\\nd\n\
         # TYPE h histogram\n\
         h_bucket{a=\"x\",le=\"1\",z=\"y\"} 2\n\
         h_bucket{a=\"x\",le=\"+Inf\",z=\"y\"} 3\n\
         h_count{a=\"x\",z=\"y\"} 4\n\
         u 5\n",
    );
    check(
        &snapshot,
        OPEN_METRICS,
        "# HELP c a \\\"b\\\" \\\\ c\\nd\n\
         # TYPE c counter\n\
         c_total 1.0 1.5 # {trace_id=\"x\"} 0.5\n\
         # HELP h a \\\"b\\\" \\\\ c\\nd\n\
         # TYPE h histogram\n\
         h_bucket{a=\"x\",le=\"1\",z=\"y\"} 2.0\n\
         h_bucket{a=\"x\",le=\"+Inf\",z=\"y\"} 3.0\n\
         h_count{a=\"x\",z=\"y\"} 4.0\n\
         u 5.0\n\
         # EOF\n",
    );
}

#[test]
fn own_timestamps_win_over_the_default() {
    let snapshot = snapshot(&[], &[&[("__name__", "a")], &[("__name__", "b"), ("le", "1")]]);
    let options = RenderOptions { default_timestamp_ms: Some(9), ..TEXT };
    check(&snapshot, options, "a 1 1500\nb{le=\"1\"} 2 9\n");
}

#[test]
fn odd_names_are_quoted_or_escaped() {
    let snapshot = snapshot(
        &[],
        &[
            &[("__name__", "my.h_bucket"), ("le", "1")],
            &[("__name__", "my.metric"), ("a.b", "x")],
            &[("__name__", "my.metric")],
        ],
    );
    check(
        &snapshot,
        TEXT,
        "{\"my.h_bucket\",le=\"1\"} 1 1500\n\
         {\"my.metric\"} 3\n\
         {\"my.metric\",\"a.b\"=\"x\"} 2\n",
    );
    let options = RenderOptions { escaping: Escaping::Underscores, ..TEXT };
    check(
        &snapshot,
        options,
        "my_h_bucket{le=\"1\"} 1 1500\nmy_metric 3\nmy_metric{a_b=\"x\"} 2\n",
    );
}

#[test]
fn open_metrics_types_have_their_words_in_text() {
    let snapshot = snapshot(
        &[("i", MetricType::Info), ("c", MetricType::Counter), ("s", MetricType::StateSet)],
        &[&[("__name__", "c_total")], &[("__name__", "i_info")], &[("__name__", "s"), ("s", "x")]],
    );
    let mut out = Vec::new();
    Renderer::new(Arc::clone(&snapshot), TEXT).fill(&mut out, 1 << 20);
    let types: Vec<_> =
        std::str::from_utf8(&out).unwrap().lines().filter(|line| line.starts_with("# T")).collect();
    assert_eq!(types, ["# TYPE c_total counter", "# TYPE i_info gauge", "# TYPE s gauge"]);
    let mut out = Vec::new();
    Renderer::new(snapshot, OPEN_METRICS).fill(&mut out, 1 << 20);
    let types: Vec<_> =
        std::str::from_utf8(&out).unwrap().lines().filter(|line| line.starts_with("# T")).collect();
    assert_eq!(types, ["# TYPE c counter", "# TYPE i info", "# TYPE s stateset"]);
}

#[test]
fn a_counter_without_total_is_unknown_to_open_metrics() {
    let snapshot = snapshot(&[("c", MetricType::Counter)], &[&[("__name__", "c")]]);
    let mut out = Vec::new();
    Renderer::new(snapshot, OPEN_METRICS).fill(&mut out, 1 << 20);
    assert!(String::from_utf8(out).unwrap().contains("# TYPE c unknown\nc 1.0"));
}

#[test]
fn two_families_never_share_a_name_in_open_metrics() {
    let snapshot = snapshot(
        &[("a", MetricType::Gauge), ("a_total", MetricType::Counter)],
        &[&[("__name__", "a")], &[("__name__", "a_total")]],
    );
    let mut out = Vec::new();
    Renderer::new(snapshot, OPEN_METRICS).fill(&mut out, 1 << 20);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("# TYPE a gauge\na 1.0"), "{text}");
    assert!(text.contains("# TYPE a_total unknown\na_total 2.0"), "{text}");
}
