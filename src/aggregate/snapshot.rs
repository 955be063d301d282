//! One output as it was at one moment: what is rendered.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::aggregate::layout::Family;

/// The series and values of one output after a commit. It never changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Sorted by name.
    pub families: Vec<Arc<Family>>,
    /// By slot; [`ABSENT`](crate::aggregate::merge::ABSENT) where a series is left out.
    pub values: Vec<f64>,
    /// By slot, in ms; `None` if no sample has one.
    pub timestamps: Option<Vec<Option<i64>>>,
    /// By slot, in ms: when a total of weir's own began; `None` if there are none.
    pub began: Option<Vec<Option<i64>>>,
    /// Slot → exemplar, its text from `{` on.
    pub exemplars: BTreeMap<u32, Box<[u8]>>,
    /// Spellings of bounds, by number.
    pub bound_texts: Arc<Vec<Box<[u8]>>>,
    /// Series that are rendered.
    pub n_series: usize,
}
