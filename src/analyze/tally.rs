//! Counting: metrics, labels, values.
//!
//! Labels and values are numbered once for the whole document, and each metric notes which numbers
//! it has seen. Neighbouring samples share most labels: the parser says how many, and those are not
//! looked at again.

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::analyze::savings::Rows;
use crate::analyze::texts::{Numbers, Texts};
use crate::model::LabelSet;
use crate::model::label::METRIC_NAME;
use crate::parse::{EntryError, SampleTokens, check_labels, unescape};

/// Up to this many labels of a metric are searched one by one.
const SEARCHED_MAX: usize = 24;

/// Everything counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) n_samples: usize,
    pub(super) metric_names: Texts,
    /// By the numbers of `metric_names`.
    pub(super) metrics: Vec<Metric>,
    pub(super) label_names: Texts,
    /// By the numbers of `label_names`.
    pub(super) labels: Vec<Label>,
    keep_rows: bool,
    current: Current,
}

/// The sample before, for what the next one has in common with it.
#[derive(Debug, Default)]
struct Current {
    metric: Option<u32>,
    /// Its labels; behind them may be those of longer samples before it.
    row: Vec<Cell>,
    /// The first labels of `row` of which the names are known to be good together.
    n_checked: usize,
}

/// A label and its value, as numbers.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Cell {
    pub(super) label: u32,
    pub(super) value: u32,
}

/// A label name and its values, in whatever metric.
#[derive(Debug, Default)]
pub(super) struct Label {
    pub(super) values: Texts,
    /// Which value followed each value last: it mostly does so again.
    successors: Vec<u32>,
    last: u32,
}

/// One metric.
#[derive(Debug, Default)]
pub(super) struct Metric {
    pub(super) n_samples: usize,
    pub(super) columns: Vec<Column>,
    /// Where in `columns` a label is, once there are many.
    by_label: HashMap<u32, usize>,
    pub(super) rows: Rows,
}

/// A label of a metric.
#[derive(Debug, Default)]
pub(super) struct Column {
    pub(super) label: u32,
    pub(super) values: Numbers,
    last: Option<u32>,
}

impl Tally {
    pub(super) fn new(keep_rows: bool) -> Self {
        Self { keep_rows, ..Self::default() }
    }

    /// Whether the samples themselves are known.
    pub(super) fn has_rows(&self) -> bool {
        self.keep_rows
    }

    /// Count a sample.
    ///
    /// Fails where Prometheus refuses its labels.
    #[inline]
    pub(super) fn sample(&mut self, line: &[u8], tokens: &SampleTokens) -> Result<(), EntryError> {
        let n_labels = tokens.labels.len();
        let n_kept = tokens.n_kept.min(self.current.row.len());
        let mut is_checked = n_labels <= self.current.n_checked && !tokens.has_quoted_name;
        for (at, token) in tokens.labels.iter().enumerate().skip(n_kept) {
            let name = decoded(token.name.of(line), token.name_escaped);
            let value = decoded(token.value.of(line), token.value_escaped);
            is_checked &= self.cell(at, &name, &value);
        }
        if !is_checked {
            self.check(line, tokens)?;
        }
        let name = decoded(tokens.name.of(line), tokens.name_escaped);
        let is_same_metric = self.metric(&name);
        self.count(if is_same_metric { n_kept } else { 0 }, n_labels);
        Ok(())
    }

    /// Count a series by its labels, the metric name among them.
    pub(super) fn series(&mut self, labels: &LabelSet) {
        let mut n_labels = 0;
        for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
            self.cell(n_labels, name, value);
            n_labels += 1;
        }
        self.current.n_checked = 0;
        self.metric(labels.metric_name());
        self.count(0, n_labels);
    }

    /// Put a label into the row; whether its name is the one that was there.
    #[inline]
    fn cell(&mut self, at: usize, name: &[u8], value: &[u8]) -> bool {
        let before = self.current.row.get(at);
        let same = before.is_some_and(|cell| self.label_names.get(cell.label) == name);
        let label = match before {
            Some(cell) if same => cell.label,
            _ => self.label(name),
        };
        let value = self.labels[label as usize].value(value);
        let cell = Cell { label, value };
        match self.current.row.get_mut(at) {
            Some(before) => *before = cell,
            None => self.current.row.push(cell),
        }
        same
    }

    fn label(&mut self, name: &[u8]) -> u32 {
        let label = self.label_names.intern(name);
        if label as usize == self.labels.len() {
            self.labels.push(Label::default());
        }
        label
    }

    /// Make `name` the current metric; whether it was already.
    #[inline]
    fn metric(&mut self, name: &[u8]) -> bool {
        let before = self.current.metric;
        if before.is_some_and(|number| self.metric_names.get(number) == name) {
            return true;
        }
        let number = self.metric_names.intern(name);
        if number as usize == self.metrics.len() {
            self.metrics.push(Metric::default());
        }
        self.current.metric = Some(number);
        false
    }

    /// Count the row for the current metric, which has seen the first `n_seen` cells before.
    #[inline]
    fn count(&mut self, n_seen: usize, n_labels: usize) {
        let Some(number) = self.current.metric else { return };
        let metric = &mut self.metrics[number as usize];
        let row = &self.current.row[..n_labels];
        self.n_samples += 1;
        metric.n_samples += 1;
        for (at, &cell) in row.iter().enumerate().skip(n_seen) {
            metric.column(at, cell.label).see(cell.value);
        }
        if self.keep_rows {
            metric.rows.push(row);
        }
    }

    /// Check the names of a row that is not known to be good.
    #[cold]
    fn check(&mut self, line: &[u8], tokens: &SampleTokens) -> Result<(), EntryError> {
        check_labels(line, tokens)?;
        let row = &self.current.row[..tokens.labels.len()];
        let mut labels: Vec<u32> = row.iter().map(|cell| cell.label).collect();
        labels.sort_unstable();
        // A label may occur twice if one of its values is empty; that must be asked every time.
        let is_good = labels.is_sorted_by(|a, b| a < b) && !tokens.has_quoted_name;
        self.current.n_checked = if is_good { row.len() } else { 0 };
        Ok(())
    }

    /// Add what another tally has counted.
    pub(super) fn append(&mut self, other: Self) {
        let labels: Vec<Vec<u32>> = other
            .label_names
            .iter()
            .zip(&other.labels)
            .map(|(name, label)| {
                let number = self.label(name);
                let values = &mut self.labels[number as usize].values;
                std::iter::once(number)
                    .chain(label.values.iter().map(|value| values.intern(value)))
                    .collect()
            })
            .collect();
        // The numbers of `other` in those of this tally.
        let translate = |cell: Cell| {
            let numbers = &labels[cell.label as usize];
            Cell { label: numbers[0], value: numbers[cell.value as usize + 1] }
        };
        for (name, metric) in other.metric_names.iter().zip(other.metrics) {
            self.metric(name);
            let Some(number) = self.current.metric else { continue };
            self.metrics[number as usize].append(metric, translate);
        }
        self.n_samples += other.n_samples;
        self.current = Current::default();
    }
}

impl Label {
    /// The number of a value.
    #[inline]
    fn value(&mut self, value: &[u8]) -> u32 {
        let expected = self.successors.get(self.last as usize).copied().unwrap_or(self.last);
        if self.values.get(expected) == value && (expected as usize) < self.values.len() {
            self.last = expected;
            return expected;
        }
        let number = self.values.intern(value);
        let last = self.last as usize;
        if self.successors.len() <= last {
            self.successors.resize(last + 1, 0);
        }
        self.successors[last] = number;
        self.last = number;
        number
    }
}

impl Metric {
    /// The column of a label, which is most likely at `at`.
    #[inline]
    fn column(&mut self, at: usize, label: u32) -> &mut Column {
        let at = match self.columns.get(at) {
            Some(column) if column.label == label => at,
            _ => self.find_column(label),
        };
        &mut self.columns[at]
    }

    fn find_column(&mut self, label: u32) -> usize {
        let n_columns = self.columns.len();
        let found = if n_columns <= SEARCHED_MAX {
            self.columns.iter().position(|column| column.label == label)
        } else {
            self.by_label.get(&label).copied()
        };
        found.unwrap_or_else(|| {
            self.columns.push(Column { label, ..Column::default() });
            self.by_label.insert(label, n_columns);
            n_columns
        })
    }

    fn append(&mut self, other: Self, translate: impl Fn(Cell) -> Cell) {
        self.n_samples += other.n_samples;
        for column in other.columns {
            for value in column.values.iter() {
                let cell = translate(Cell { label: column.label, value });
                self.column(usize::MAX, cell.label).see(cell.value);
            }
        }
        self.rows.append(&other.rows, translate);
    }
}

impl Column {
    #[inline]
    fn see(&mut self, value: u32) {
        if self.last != Some(value) {
            self.last = Some(value);
            self.values.insert(value);
        }
    }
}

/// A name or value without escapes.
#[inline]
fn decoded(raw: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    if !escaped {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    unescape(raw, &mut out);
    Cow::Owned(out)
}
