//! Tests of the output table.

use super::*;
use crate::aggregate::choice::Merging;
use crate::aggregate::merge::is_absent;
use crate::aggregate::series::SeriesHasher;
use crate::model::{FingerprintKey, LabelSet};

#[derive(Default)]
struct Listed(Vec<(u32, f64)>);

impl Rows for Listed {
    fn for_each_held(&self, _: impl FnMut(u32, Held)) {}
    fn for_each(&self, _: Slots<'_>, mut visit: impl FnMut(u32, f64)) {
        self.0.iter().for_each(|&(slot, value)| visit(slot, value));
    }
    fn for_each_timestamp(&self, _: impl FnMut(u32, i64)) {}
    fn for_each_exemplar(&self, _: impl FnMut(u32, &[u8])) {}
}

/// `name{a="b",…}` without escapes, as a label set.
fn labels_of(series: &str) -> LabelSet {
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let mut set = LabelSet::new();
    set.push(b"__name__", name.as_bytes());
    for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once('=').unwrap();
        set.push(name.as_bytes(), value.trim_matches('"').as_bytes());
    }
    set.sort();
    set
}

struct Fixture {
    table: Table,
    key: FingerprintKey,
}

impl Fixture {
    fn new(types: &[(&str, MetricType)]) -> Self {
        let mut table = Table::new(Merging::default());
        table.set_metadata(metadata(types));
        Self { table, key: FingerprintKey::new(|| 9) }
    }

    /// The rows of an exposition: (series before the rules, series after, value).
    fn rows(&mut self, lines: &[(&str, &str, f64)]) -> Listed {
        let mut rows = Vec::new();
        for (input, output, value) in lines {
            let mut series = SeriesText::default();
            series.load(&labels_of(output));
            let fingerprint = SeriesHasher::default().fingerprint(&self.key, &series);
            let slot = self.table.find(fingerprint).unwrap_or_else(|| {
                let mut new = NewSeries::default();
                new.intern(fingerprint, &series, input.split('{').next().unwrap().as_bytes());
                self.table.intern(&new)[0]
            });
            rows.push((slot, *value));
        }
        Listed(rows)
    }

    fn publish(&mut self, lines: &[(&str, f64)]) -> (String, PublishStats) {
        let lines: Vec<_> = lines.iter().map(|&(series, value)| (series, series, value)).collect();
        let rows = self.rows(&lines);
        let (snapshot, stats) = self.table.publish(&rows, None);
        (show(&snapshot), stats)
    }
}

fn metadata(types: &[(&str, MetricType)]) -> Arc<Metadata> {
    let meta = |t| FamilyMeta { metric_type: Some(t), ..FamilyMeta::default() };
    Arc::new(types.iter().map(|&(name, t)| (name.as_bytes().into(), meta(t))).collect())
}

/// One line a sample: `family+suffix {labels} bound value`.
fn show(snapshot: &Snapshot) -> String {
    let mut lines = Vec::new();
    for family in &snapshot.families {
        for group in &family.groups {
            for sample in &group.samples {
                let value = snapshot.values[sample.slot as usize];
                if !is_absent(value) {
                    lines.push(format!(
                        "{}+{} {{{}}} {} {value}",
                        String::from_utf8_lossy(&family.name),
                        sample.suffix.text(),
                        String::from_utf8_lossy(&group.labels),
                        String::from_utf8_lossy(&snapshot.bound_texts[sample.bound_text as usize]),
                    ));
                }
            }
        }
    }
    lines.join("\n")
}

#[test]
fn a_histogram_is_one_group_in_order() {
    let mut fixture = Fixture::new(&[("h", MetricType::Histogram)]);
    let (shown, _) = fixture.publish(&[
        (r#"h_count{a="1"}"#, 4.0),
        (r#"h_bucket{a="1",le="+Inf"}"#, 4.0),
        (r#"h_bucket{a="1",le="10"}"#, 3.0),
        (r#"h_sum{a="1"}"#, 12.0),
        (r#"h_bucket{a="1",le="2"}"#, 1.0),
        (r#"a{z="1"}"#, 7.0),
    ]);
    assert_eq!(
        shown,
        "a+ {z=\"1\"}  7\n\
         h+_bucket {a=\"1\"} 2 1\n\
         h+_bucket {a=\"1\"} 10 3\n\
         h+_bucket {a=\"1\"} +Inf 4\n\
         h+_sum {a=\"1\"}  12\n\
         h+_count {a=\"1\"}  4"
    );
}

#[test]
fn rows_of_one_series_are_summed_and_gone_ones_forgotten() {
    let mut fixture = Fixture::new(&[]);
    assert_eq!(fixture.publish(&[("a", 1.0), ("a", 2.0), ("b", 5.0)]).0, "a+ {}  3\nb+ {}  5");
    assert_eq!(fixture.publish(&[("b", 6.0)]).0, "b+ {}  6");
    assert_eq!(fixture.publish(&[("b", 6.0), ("c", 1.0)]).0, "b+ {}  6\nc+ {}  1");
    assert_eq!(fixture.table.fingerprints.len(), 2, "the slot of a is used again");
}

#[test]
fn a_type_that_comes_late_or_goes_regroups() {
    let mut fixture = Fixture::new(&[]);
    let lines = [("h_sum", 1.0), ("h_count", 2.0), (r#"h_bucket{le="1"}"#, 2.0)];
    assert_eq!(fixture.publish(&lines).0, "h_bucket+ {} 1 2\nh_count+ {}  2\nh_sum+ {}  1");
    fixture.table.set_metadata(metadata(&[("h", MetricType::Histogram)]));
    assert_eq!(fixture.publish(&lines).0, "h+_bucket {} 1 2\nh+_sum {}  1\nh+_count {}  2");
    fixture.table.set_metadata(metadata(&[("h", MetricType::Gauge)]));
    assert_eq!(fixture.publish(&lines).0, "h_bucket+ {} 1 2\nh_count+ {}  2\nh_sum+ {}  1");
}

#[test]
fn quantiles_of_several_inputs_are_left_out() {
    let mut fixture = Fixture::new(&[("s", MetricType::Summary)]);
    let (shown, stats) = fixture.publish(&[
        (r#"s{a="1",quantile="0.5"}"#, 1.0),
        (r#"s{quantile="0.5"}"#, 1.0),
        (r#"s{quantile="0.5"}"#, 3.0),
        ("s_sum", 1.0),
        ("s_sum", 3.0),
    ]);
    assert_eq!(shown, "s+_sum {}  4\ns+ {a=\"1\"} 0.5 1");
    assert_eq!((stats.n_quantiles_dropped, stats.n_series), (1, 2));
}

#[test]
fn buckets_not_every_input_has_are_left_out() {
    let mut fixture = Fixture::new(&[("h", MetricType::Histogram)]);
    let (shown, stats) = fixture.publish(&[
        (r#"h_bucket{le="1"}"#, 1.0),
        (r#"h_bucket{le="5"}"#, 2.0),
        (r#"h_bucket{le="+Inf"}"#, 3.0),
        (r#"h_bucket{le="1"}"#, 10.0),
        (r#"h_bucket{le="+Inf"}"#, 30.0),
    ]);
    assert_eq!(shown, "h+_bucket {} 1 11\nh+_bucket {} +Inf 33");
    assert_eq!(stats.n_buckets_dropped, 1);
}

#[test]
fn a_line_that_comes_twice_costs_no_other_bucket() {
    let mut fixture = Fixture::new(&[("h", MetricType::Histogram)]);
    let (shown, stats) = fixture.publish(&[
        (r#"h_bucket{le="1"}"#, 1.0),
        (r#"h_bucket{le="1"}"#, 1.0),
        (r#"h_bucket{le="+Inf"}"#, 3.0),
        ("h_count", 3.0),
    ]);
    assert_eq!(shown, "h+_bucket {} 1 2\nh+_bucket {} +Inf 3\nh+_count {}  3");
    assert_eq!(stats.n_buckets_dropped, 0);
}

#[test]
fn buckets_without_a_last_one_are_held_against_the_count() {
    let mut fixture = Fixture::new(&[("h", MetricType::Histogram)]);
    let (shown, stats) = fixture.publish(&[
        (r#"h_bucket{le="1"}"#, 1.0),
        ("h_count", 3.0),
        (r#"h_bucket{le="2"}"#, 1.0),
        ("h_count", 3.0),
    ]);
    assert_eq!(shown, "h+_count {}  6");
    assert_eq!(stats.n_buckets_dropped, 2);
}

#[test]
fn metadata_follows_a_rename() {
    let mut fixture = Fixture::new(&[("h", MetricType::Histogram), ("g", MetricType::Gauge)]);
    let rows = fixture.rows(&[
        (r#"h_bucket{le="1"}"#, r#"new_bucket{le="1"}"#, 1.0),
        ("h_count", "new_count", 1.0),
        ("g", "other", 2.0),
    ]);
    let (snapshot, _) = fixture.table.publish(&rows, None);
    assert_eq!(show(&snapshot), "new+_bucket {} 1 1\nnew+_count {}  1\nother+ {}  2");
    let types: Vec<_> = snapshot.families.iter().map(|f| f.meta.metric_type).collect();
    assert_eq!(types, [Some(MetricType::Histogram), Some(MetricType::Gauge)]);
}

#[test]
fn a_bound_spelt_two_ways_is_printed_canonically() {
    let mut fixture = Fixture::new(&[]);
    fixture.publish(&[(r#"h_bucket{le="1"}"#, 1.0)]);
    let mut series = SeriesText::default();
    series.load(&labels_of(r#"h_bucket{le="1.0"}"#));
    assert!(fixture.table.is_respelt(0, &series));
    fixture.table.respell(&[(0, 1.0)]);
    assert!(!fixture.table.is_respelt(0, &series));
    assert_eq!(fixture.publish(&[(r#"h_bucket{le="1"}"#, 1.0)]).0, "h_bucket+ {} 1.0 1");
}

#[test]
fn a_snapshot_does_not_change() {
    let mut fixture = Fixture::new(&[]);
    let rows = fixture.rows(&[("a", "a", 1.0)]);
    let (snapshot, _) = fixture.table.publish(&rows, None);
    fixture.publish(&[("a", 5.0), (r#"a{x="1"}"#, 7.0)]);
    assert_eq!(show(&snapshot), "a+ {}  1");
}
