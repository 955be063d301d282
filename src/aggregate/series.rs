//! The text of one output series, and the store of those an exposition brought that were not
//! known before.

use hashbrown::HashTable;

use crate::model::fingerprint::Digest;
use crate::model::label::METRIC_NAME;
use crate::model::number;
use crate::model::{Fingerprint, FingerprintKey, LabelSet, Span};

/// Which label of a series holds a number that is compared as a number.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum BoundLabel {
    /// None does.
    #[default]
    None,
    /// `quantile`, of a summary.
    Quantile,
    /// `le`, of a bucket.
    Le,
}

impl BoundLabel {
    /// The label's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Quantile => "quantile",
            Self::Le => "le",
        }
    }
}

/// The number in a `le` or `quantile` label.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bound {
    /// Which label holds it.
    pub label: BoundLabel,
    /// The number; 0 where there is none.
    pub value: f64,
    /// Offset into the text of the other labels at which the label belongs.
    pub at: u32,
}

/// One series in the form in which the output table knows it. Its buffers are reused.
///
/// `labels` is `name="value",…` sorted by name, values escaped, names outside the legacy set
/// quoted, without `__name__` and without the bound's label: the series of one histogram share it.
#[derive(Clone, Debug, Default)]
pub struct SeriesText {
    /// The metric name, as it is.
    pub name: Vec<u8>,
    /// The other labels.
    pub labels: Vec<u8>,
    /// The bound.
    pub bound: Bound,
    /// The bound as the source spelt it.
    pub bound_text: Vec<u8>,
}

impl SeriesText {
    /// Take the text of a sorted label set.
    pub fn load(&mut self, set: &LabelSet) {
        self.name.clear();
        self.labels.clear();
        self.bound = Bound::default();
        self.bound_text.clear();
        self.name.extend_from_slice(set.metric_name());
        let is_bucket = self.name.ends_with(b"_bucket");
        // Neighbours that stand side by side in the source are copied in one piece.
        let mut run: Option<Span> = None;
        for (name, value, spelling) in set.spellings() {
            let bound = match name {
                METRIC_NAME => continue,
                b"le" if is_bucket => BoundLabel::Le,
                b"quantile" if !is_bucket => BoundLabel::Quantile,
                _ => BoundLabel::None,
            };
            if bound != BoundLabel::None {
                self.end_run(set.text(), run.take());
                if self.take_bound(bound, value) {
                    continue;
                }
            }
            match (&mut run, spelling) {
                (Some(run), Some(next)) if is_next(set.text(), *run, next) => run.end = next.end,
                (_, spelling) => {
                    self.end_run(set.text(), run.take());
                    run = spelling;
                    if spelling.is_none() {
                        write_label(&mut self.labels, name, value);
                    }
                }
            }
        }
        self.end_run(set.text(), run);
    }

    fn end_run(&mut self, text: &[u8], run: Option<Span>) {
        let Some(run) = run else { return };
        if !self.labels.is_empty() {
            self.labels.push(b',');
        }
        self.labels.extend_from_slice(run.of(text));
    }

    fn take_bound(&mut self, label: BoundLabel, text: &[u8]) -> bool {
        let Some(value) = number::parse_value(text).filter(|value| !value.is_nan()) else {
            return false;
        };
        let at = u32::try_from(self.labels.len()).unwrap_or(u32::MAX);
        // The addition turns -0 into 0.
        self.bound = Bound { label, value: value + 0.0, at };
        self.bound_text.extend_from_slice(text);
        true
    }
}

/// Whether only a comma parts one label's spelling from the next.
#[inline]
fn is_next(text: &[u8], run: Span, next: Span) -> bool {
    run.end + 1 == next.start && text.get(run.end as usize) == Some(&b',')
}

/// Append `name="value"`, after a comma unless it is the first.
fn write_label(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if !out.is_empty() {
        out.push(b',');
    }
    if is_legacy_label_name(name) {
        out.extend_from_slice(name);
    } else {
        out.push(b'"');
        write_escaped(out, name);
        out.push(b'"');
    }
    out.extend_from_slice(b"=\"");
    write_escaped(out, value);
    out.push(b'"');
}

/// Append `text` with backslash, quote and newline escaped.
#[inline]
pub fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    // A loop over short texts beats a search for three bytes.
    if text.iter().any(|b| matches!(b, b'\\' | b'"' | b'\n')) {
        for &byte in text {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'"' => out.extend_from_slice(b"\\\""),
                b'\n' => out.extend_from_slice(b"\\n"),
                byte => out.push(byte),
            }
        }
    } else {
        out.extend_from_slice(text);
    }
}

/// One label of [`SeriesText::labels`], as it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LabelText<'t> {
    name: &'t [u8],
    /// The name stands in quotes.
    pub is_name_quoted: bool,
    /// The value, escaped.
    pub value: &'t [u8],
}

impl LabelText<'_> {
    /// The name as it is.
    pub fn name(&self) -> Vec<u8> {
        if self.is_name_quoted { unescape(self.name) } else { self.name.to_vec() }
    }

    /// The value as it is.
    pub fn unescaped_value(&self) -> Vec<u8> {
        unescape(self.value)
    }
}

/// The labels of [`SeriesText::labels`], one by one.
#[derive(Clone, Debug)]
pub struct LabelTexts<'t>(&'t [u8]);

impl<'t> LabelTexts<'t> {
    /// Walk a text of the form `name="value",…`.
    pub fn of(labels: &'t [u8]) -> Self {
        Self(labels)
    }
}

impl<'t> Iterator for LabelTexts<'t> {
    type Item = LabelText<'t>;

    fn next(&mut self) -> Option<LabelText<'t>> {
        if self.0.is_empty() {
            return None;
        }
        let unquoted = self.0.strip_prefix(b"\"");
        let (name, rest) = if let Some(text) = unquoted {
            let end = closing_quote(text);
            (&text[..end], text.get(end + 1..).unwrap_or_default())
        } else {
            let end = self.0.iter().position(|&b| b == b'=').unwrap_or(self.0.len());
            self.0.split_at(end)
        };
        let rest = rest.get(b"=\"".len()..).unwrap_or_default();
        let (value, rest) = rest.split_at(closing_quote(rest));
        self.0 = rest.get(b"\",".len()..).unwrap_or_default();
        Some(LabelText { name, is_name_quoted: unquoted.is_some(), value })
    }
}

/// Where the quote is that ends an escaped text.
fn closing_quote(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// The opposite of [`write_escaped`].
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(&other) => out.push(other),
                None => {}
            },
            byte => out.push(byte),
        }
    }
    out
}

/// Whether a label name may stand without quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[inline]
pub fn is_legacy_label_name(name: &[u8]) -> bool {
    is_legacy_metric_name(name) && !name.contains(&b':')
}

/// Whether a metric name may stand without quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[inline]
pub fn is_legacy_metric_name(name: &[u8]) -> bool {
    let is_legacy = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':');
    name.first().is_some_and(|b| !b.is_ascii_digit()) && name.iter().all(is_legacy)
}

/// The canonical spelling of a bound: as Prometheus 3 stores it, `1.0` for `1`.
pub fn canonical_bound(value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    number::write_value_open_metrics(&mut out, value);
    out
}

/// A series of an exposition that is in no output table yet.
#[derive(Clone, Copy, Debug)]
pub struct NewOne {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// Its metric name, in the store's text.
    pub name: Span,
    /// Its other labels, in the store's text.
    pub labels: Span,
    /// Its bound.
    pub bound: Bound,
    /// The bound as spelt, in the store's text.
    pub bound_text: Span,
    /// The metric name it had before the rules, if they changed it.
    pub renamed_from: Option<Span>,
}

/// Series an exposition brought for one output that its table does not know yet.
#[derive(Debug, Default)]
pub struct NewSeries {
    text: Vec<u8>,
    all: Vec<NewOne>,
    index: HashTable<u32>,
}

impl NewSeries {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The text spans point into.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// All, in the order in which they came.
    pub fn all(&self) -> &[NewOne] {
        &self.all
    }

    /// The number of a series, which is put in if it is not there yet.
    pub fn intern(
        &mut self,
        fingerprint: Fingerprint,
        series: &SeriesText,
        input_name: &[u8],
    ) -> u32 {
        let Self { all, index, .. } = self;
        let found =
            index.find(fingerprint.table_hash(), |&at| all[at as usize].fingerprint == fingerprint);
        if let Some(&at) = found {
            self.unify_spelling(at as usize, series);
            return at;
        }
        self.insert(fingerprint, series, input_name)
    }

    fn insert(&mut self, fingerprint: Fingerprint, series: &SeriesText, input_name: &[u8]) -> u32 {
        // Neighbours share their texts: the lines of one histogram have the same labels.
        let last = self.all.last().copied();
        let mut share = |last: Option<Span>, text: &[u8]| match last {
            Some(span) if span.of(&self.text) == text => span,
            _ => {
                let start = self.text.len();
                self.text.extend_from_slice(text);
                Span::new(start, self.text.len())
            }
        };
        let name = share(last.map(|one| one.name), &series.name);
        let labels = share(last.map(|one| one.labels), &series.labels);
        let bound_text = share(last.map(|one| one.bound_text), &series.bound_text);
        let renamed_from = (input_name != series.name)
            .then(|| share(last.and_then(|one| one.renamed_from), input_name));
        let at = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let bound = series.bound;
        self.all.push(NewOne { fingerprint, name, labels, bound, bound_text, renamed_from });
        let Self { all, index, .. } = self;
        index.insert_unique(fingerprint.table_hash(), at, |&at| {
            all[at as usize].fingerprint.table_hash()
        });
        at
    }

    /// Two spellings of one bound become the canonical one.
    fn unify_spelling(&mut self, at: usize, series: &SeriesText) {
        let known = self.all[at].bound_text.of(&self.text);
        if known == series.bound_text {
            return;
        }
        let canonical = canonical_bound(series.bound.value);
        if known != canonical {
            let start = self.text.len();
            self.text.extend_from_slice(&canonical);
            self.all[at].bound_text = Span::new(start, self.text.len());
        }
    }
}

/// Fingerprints of output series. Neighbours share their labels, whose digest is kept.
#[derive(Debug, Default)]
pub struct SeriesHasher {
    labels: Vec<u8>,
    labels_digest: Digest,
    name: Vec<u8>,
    name_digest: Digest,
}

impl SeriesHasher {
    /// The fingerprint of a series.
    pub fn fingerprint(&mut self, key: &FingerprintKey, series: &SeriesText) -> Fingerprint {
        if self.labels != series.labels || self.labels.is_empty() {
            self.labels.clone_from(&series.labels);
            self.labels_digest = key.digest(&self.labels);
        }
        if self.name != series.name || self.name.is_empty() {
            self.name.clone_from(&series.name);
            self.name_digest = key.digest(&self.name);
        }
        let Bound { label, value, .. } = series.bound;
        key.fingerprint([self.name_digest, self.labels_digest], [label as u64, value.to_bits()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(labels: &[(&str, &str)]) -> SeriesText {
        let mut set = LabelSet::new();
        for (name, value) in labels {
            set.push(name.as_bytes(), value.as_bytes());
        }
        set.sort();
        let mut series = SeriesText::default();
        series.load(&set);
        series
    }

    #[test]
    fn a_bucket_keeps_its_bound_apart() {
        let series = text_of(&[("__name__", "h_bucket"), ("a", "1"), ("le", "0.5"), ("z", "2")]);
        assert_eq!(series.labels, br#"a="1",z="2""#);
        assert_eq!(series.bound, Bound { label: BoundLabel::Le, value: 0.5, at: 5 });
        assert_eq!(series.bound_text, b"0.5");
    }

    #[test]
    fn only_a_bucket_has_a_numeric_le() {
        assert_eq!(text_of(&[("__name__", "h"), ("le", "1")]).labels, br#"le="1""#);
        assert_eq!(text_of(&[("__name__", "h_bucket"), ("le", "x")]).labels, br#"le="x""#);
    }

    #[test]
    fn text_is_escaped_and_names_are_quoted() {
        let series = text_of(&[("__name__", "m"), ("a.b", "x\"y\\z\n"), ("c:d", "é")]);
        assert_eq!(String::from_utf8(series.labels).unwrap(), r#""a.b"="x\"y\\z\n","c:d"="é""#);
    }

    #[test]
    fn equal_bounds_are_one_series_however_spelt() {
        let key = FingerprintKey::new(|| 42);
        let mut hasher = SeriesHasher::default();
        let mut new = NewSeries::default();
        let mut add = |le: &str| {
            let series = text_of(&[("__name__", "h_bucket"), ("le", le)]);
            let fingerprint = hasher.fingerprint(&key, &series);
            new.intern(fingerprint, &series, b"h_bucket")
        };
        assert_eq!([add("1"), add("2"), add("1.0"), add("1")], [0, 1, 0, 0]);
        let one = new.all()[0];
        assert_eq!(one.bound_text.of(new.text()), b"1.0");
    }
}
