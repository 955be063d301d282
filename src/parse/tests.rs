use super::*;
use crate::model::MetricType;

#[test]
fn placeholder() {
    let mut tokens = SampleTokens::default();
    let entry = parse_entry(Format::Text, b"# TYPE a counter\n", &mut tokens).unwrap();
    assert_eq!(
        entry,
        Entry::Type { name: b"a", name_escaped: false, metric_type: MetricType::Counter }
    );
}
