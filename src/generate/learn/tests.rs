use super::*;
use crate::generate::spec::DataSpec;
use crate::generate::spec::SignalSpec;

fn learned(text: &str) -> Learned {
    learn(text.as_bytes(), None, Format::Text).unwrap()
}

/// The labels of the only family, as `label[n values]` or `label<driver[n values]`.
#[track_caller]
fn check_labels(text: &str, expect: &str) {
    let learned = learned(text);
    let [family] = &learned.spec.families[..] else { panic!("{learned:?}") };
    let labels = family.dimensions.iter().map(|dimension| {
        let ValuesSpec::List(list) = &dimension.values else { panic!("{dimension:?}") };
        let of = dimension.of.as_ref().map(|of| format!("<{of}")).unwrap_or_default();
        format!("{}{of}[{}]", dimension.label, list.len())
    });
    assert_eq!(labels.collect::<Vec<_>>().join(" "), expect);
}

#[test]
fn a_product_is_told_by_its_labels() {
    check_labels("a{x=\"1\",y=\"1\"} 1\na{x=\"1\",y=\"2\"} 1\n", "x[1] y[2]");
    check_labels("a 1\n", "");
}

#[test]
fn labels_that_another_decides_are_derived() {
    let text = "a{pod=\"p\",uid=\"1\"} 1\na{pod=\"q\",uid=\"2\"} 1\na{pod=\"r\",uid=\"3\"} 1\n";
    check_labels(text, "pod[3] uid<pod[3]");
}

#[test]
fn what_is_no_product_is_a_table() {
    let text = "a{x=\"1\",y=\"1\"} 1\na{x=\"1\",y=\"2\"} 1\na{x=\"2\",y=\"1\"} 1\n";
    check_labels(text, "x[3] y<x[3]");
}

#[test]
fn an_absent_label_is_an_empty_one() {
    check_labels("a{x=\"1\"} 1\na 1\n", "x[2]");
}

#[test]
fn two_scrapes_give_rates_and_one_a_guess() {
    let (first, second) =
        ("# TYPE a_total counter\na_total 100\n", "# TYPE a_total counter\na_total 130\n");
    let rate = |second: Option<Second<'_>>| {
        let learned = learn(first.as_bytes(), second, Format::Text).unwrap();
        let Some(DataSpec::Counter(counter)) = &learned.spec.families[0].data else {
            panic!("{learned:?}")
        };
        assert!(counter.integers);
        counter.source.clone()
    };
    let expect = |rate: f64| crate::generate::spec::CounterSource::Rate(SignalSpec::Const(rate));
    let second = Second { text: second.as_bytes(), after_seconds: 15.0 };
    assert_eq!(rate(Some(second)), expect(2.0));
    assert_eq!(rate(None), expect(100.0 / ASSUMED_SECONDS));
    let same_instant = Second { after_seconds: 0.0, ..second };
    assert_eq!(rate(Some(same_instant)), expect(100.0 / ASSUMED_SECONDS));
}

#[test]
fn a_histogram_without_a_sum_is_taken_apart_and_noted() {
    let learned =
        learned("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1\n");
    let names: Vec<&str> = learned.spec.families.iter().map(|family| &*family.name).collect();
    assert_eq!(names, ["h_bucket", "h_count"]);
    assert!(learned.notes[0].contains("sum or count is missing"), "{:?}", learned.notes);
}

#[test]
fn a_fitted_distribution_has_the_median_that_was_seen() {
    let text = "# TYPE h histogram\nh_bucket{le=\"1\"} 50\nh_bucket{le=\"10\"} 90\n\
                h_bucket{le=\"+Inf\"} 100\nh_sum 400\nh_count 100\n";
    let learned = learned(text);
    let Some(DataSpec::Histogram(histogram)) = &learned.spec.families[0].data else {
        panic!("{learned:?}")
    };
    let crate::generate::spec::DistributionSpec::LogNormal { mu, sigma } = histogram.distribution
    else {
        panic!("{histogram:?}")
    };
    assert!(mu.abs() < 1e-9 && (sigma - 10_f64.ln() / 1.281_551_565_5).abs() < 1e-6);
}
