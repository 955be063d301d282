//! Samples one by one, for outputs that are no text.

use crate::generate::data::Presence;
use crate::generate::exemplar;
use crate::generate::exemplar::Exemplar;
use crate::generate::exemplar::ExemplarAt;
use crate::generate::family::Block;
use crate::generate::family::Family;
use crate::generate::layout::Line;
use crate::generate::native::NativeHistogram;
use crate::generate::walk::Walk;
use crate::model::MetricType;

/// What a series has at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// A value; NaN where [`SampleView::native`] is the value.
    Value(f64),
    /// The series has ended.
    Stale,
}

/// One sample.
#[derive(Debug)]
pub struct SampleView<'a> {
    /// The labels, `__name__` among them, by name; none is empty.
    pub labels: &'a [(Vec<u8>, Vec<u8>)],
    /// The value.
    pub reading: Reading,
    /// Since when it counts; `None` where that has no meaning.
    pub created_ms: Option<i64>,
    /// The family's type.
    pub metric_type: MetricType,
    /// An exemplar.
    pub exemplar: Option<Exemplar>,
    /// The value, where it is a native histogram.
    pub native: Option<&'a NativeHistogram>,
}

impl SampleView<'_> {
    /// The value of a label; empty if there is none.
    pub fn label(&self, name: &[u8]) -> &[u8] {
        let found = self.labels.iter().find(|(other, _)| other == name);
        found.map_or(&[], |(_, value)| value)
    }
}

/// Hand over the samples of the label set a walk is at; `labels` is memory to work in.
///
/// Lines come first; a native histogram is one sample more, without a suffix.
pub(super) fn visit_set(
    family: &Family,
    block: &Block,
    walk: &Walk,
    labels: &mut Vec<(Vec<u8>, Vec<u8>)>,
    visit: &mut dyn FnMut(&SampleView<'_>),
) {
    let row = &walk.row;
    let is_here = row.presence == Presence::Here;
    let exemplars = family.exemplars.as_ref().filter(|_| is_here).map(|spec| ExemplarAt {
        spec,
        key: walk.key,
        time_ms: walk.time_ms(),
        interval_ms: walk.generator().interval_ms(),
    });
    let created_ms = row.created_ms;
    let metric_type = family.metric_type;
    for (at, line) in block.lines.iter().enumerate() {
        let reading = match row.values.get(at) {
            Some(&value) if is_here => Reading::Value(value),
            _ if row.presence == Presence::Stale => Reading::Stale,
            _ => break,
        };
        write_labels(family, block, walk, Some(line), labels);
        let exemplar = exemplars.and_then(|of| exemplar::exemplar(&of, family, block, row, at));
        visit(&SampleView { labels, reading, created_ms, metric_type, exemplar, native: None });
    }
    if is_here && row.native.is_some() {
        write_labels(family, block, walk, None, labels);
        let reading = Reading::Value(f64::NAN);
        let native = row.native.as_ref();
        visit(&SampleView { labels, reading, created_ms, metric_type, exemplar: None, native });
    }
}

fn write_labels(
    family: &Family,
    block: &Block,
    walk: &Walk,
    line: Option<&Line>,
    labels: &mut Vec<(Vec<u8>, Vec<u8>)>,
) {
    labels.clear();
    let suffix = line.map_or("", |line| line.suffix);
    labels.push((b"__name__".to_vec(), format!("{}{suffix}", family.names.base).into_bytes()));
    for &dimension in block.space.by_name() {
        let mut value = Vec::new();
        block.space.write_value(dimension, walk.place, false, &mut value);
        walk.life.write_marks(dimension, &mut value);
        if !value.is_empty() {
            labels.push((block.space.dimensions()[dimension].name.clone().into(), value));
        }
    }
    if let Some(bound) = line.and_then(|line| line.bound.as_ref()) {
        labels.push((bound.label.clone().into(), bound.open_metrics.clone().into()));
    }
    labels.sort_unstable();
}
