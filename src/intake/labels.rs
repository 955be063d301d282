//! Whether the labels of a pushed series are in order, and putting them in order.

use std::fmt;

use crate::model::LabelSet;
use crate::model::Span;
use crate::model::label::METRIC_NAME;
use crate::wire::Labels;
use crate::wire::NotedNames;

/// Bytes of labels that are shown in an error.
const SHOWN_BYTES_MAX: usize = 512;

/// How labels can be used.
#[derive(Debug)]
pub(super) enum Form<'c> {
    /// As they stand there: sorted, each name once, no value empty.
    AsTheyAre,
    /// Sorted, and without those that have no value.
    Sorted(&'c LabelSet),
}

/// What is wrong with labels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LabelFault {
    /// No name, an empty one, or text that is not UTF-8.
    Invalid,
    /// A name that occurs twice.
    Duplicate,
    /// More of them than is allowed.
    TooMany,
}

/// Judges labels. It remembers the names of the series before, since most have the same.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// Names that are UTF-8 and in order, one behind the other.
    names: Vec<u8>,
    spans: Vec<Span>,
    /// Whether one of them is that of the metric.
    has_metric_name: bool,
    /// Names that were in order: by reference, where the text of the request is known to be UTF-8,
    /// and as 1.0 writes them.
    noted: NotedNames,
    set: LabelSet,
}

impl Checker {
    /// Judge labels of at most `labels_max`. `is_utf8`: their text is known to be that.
    #[inline]
    pub(super) fn check(
        &mut self,
        labels: &Labels<'_>,
        is_utf8: bool,
        labels_max: usize,
    ) -> Result<Form<'_>, LabelFault> {
        if labels.len() > labels_max {
            return Err(LabelFault::TooMany);
        }
        if is_utf8 && self.has_metric_name && self.noted.are_of(labels) {
            return Ok(Form::AsTheyAre);
        }
        let is_known = self.is_known_order(labels, is_utf8);
        if is_known || self.is_in_order(labels, is_utf8) {
            if !is_known {
                self.noted.note(labels.iter().map(|(name, _)| name));
            }
            self.noted.note_refs(labels);
            return Ok(Form::AsTheyAre);
        }
        self.sort(labels)
    }

    /// Names that are in order wherever they stand, that of a metric among them.
    pub(super) fn noted(&self) -> &NotedNames {
        &self.noted
    }

    /// Whether the names are those of the series before, and the values in order.
    #[inline]
    fn is_known_order(&self, labels: &Labels<'_>, is_utf8: bool) -> bool {
        if !self.has_metric_name || labels.len() != self.spans.len() {
            return false;
        }
        let mut is_known = true;
        for ((name, value), known) in labels.iter().zip(&self.spans) {
            is_known &= name == known.of(&self.names);
            is_known &= !value.is_empty() && (is_utf8 || is_text(value));
        }
        is_known
    }

    /// Whether labels are in order; their names are remembered then.
    fn is_in_order(&mut self, labels: &Labels<'_>, is_utf8: bool) -> bool {
        self.names.clear();
        self.spans.clear();
        self.has_metric_name = false;
        let mut last: &[u8] = &[];
        for (name, value) in labels {
            // The empty name sorts before all others and is not in order either.
            if name <= last || value.is_empty() || !(is_utf8 || is_text(name) && is_text(value)) {
                self.has_metric_name = false;
                return false;
            }
            self.has_metric_name |= name == METRIC_NAME;
            let start = self.names.len();
            self.names.extend_from_slice(name);
            self.spans.push(Span::new(start, self.names.len()));
            last = name;
        }
        self.has_metric_name
    }

    #[cold]
    fn sort(&mut self, labels: &Labels<'_>) -> Result<Form<'_>, LabelFault> {
        let is_valid = |(name, value): (&[u8], &[u8])| {
            value.is_empty() || !name.is_empty() && is_text(name) && is_text(value)
        };
        if !labels.iter().all(is_valid) {
            return Err(LabelFault::Invalid);
        }
        labels.copy_to(&mut self.set);
        if self.set.metric_name().is_empty() {
            return Err(LabelFault::Invalid);
        }
        if self.set.duplicate().is_some() {
            return Err(LabelFault::Duplicate);
        }
        Ok(Form::Sorted(&self.set))
    }
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

/// Labels as the reference receiver shows them: `{__name__="up", job="node"}`, sorted.
pub(super) struct Shown<'a>(pub(super) &'a Labels<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut labels: Vec<_> = self.0.iter().collect();
        labels.sort_unstable();
        let mut n_bytes = 0;
        f.write_str("{")?;
        for (at, (name, value)) in labels.into_iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            n_bytes += name.len() + value.len();
            if n_bytes > SHOWN_BYTES_MAX {
                f.write_str("...")?;
                break;
            }
            if is_plain_name(name) {
                write!(f, "{}", String::from_utf8_lossy(name))?;
            } else {
                quote(f, name)?;
            }
            f.write_str("=")?;
            quote(f, value)?;
        }
        f.write_str("}")
    }
}

fn is_plain_name(name: &[u8]) -> bool {
    let is_plain = |(at, byte): (usize, &u8)| {
        byte.is_ascii_alphabetic() || *byte == b'_' || at > 0 && byte.is_ascii_digit()
    };
    !name.is_empty() && name.iter().enumerate().all(is_plain)
}

fn quote(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    f.write_str("\"")?;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if u32::from(c) < 0x20 || c == '\x7f' => write!(f, "\\x{:02x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Decoder;
    use crate::wire::Sample;
    use crate::wire::Series;
    use crate::wire::V2Encoder;
    use crate::wire::Version;
    use crate::wire::put_series_v1;
    use proptest::collection::vec;
    use proptest::prelude::*;

    type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

    fn pairs<'a>(labels: &[(&'a str, &'a str)]) -> Pairs<'a> {
        labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }

    /// `None`: as they are; otherwise the sorted labels, or what is wrong.
    #[track_caller]
    fn check(labels: &[(&str, &str)], want: Option<Result<&str, LabelFault>>) {
        let labels = pairs(labels);
        let labels = Labels::of_pairs(&labels);
        let mut checker = Checker::default();
        // The second time names are known.
        for _ in 0..2 {
            let told = match checker.check(&labels, false, 4) {
                Ok(Form::AsTheyAre) => None,
                Ok(Form::Sorted(set)) => Some(Ok(Shown(&Labels::of_set(set)).to_string())),
                Err(fault) => Some(Err(fault)),
            };
            assert_eq!(told, want.map(|want| want.map(str::to_owned)));
        }
    }

    #[test]
    fn labels_are_judged() {
        let up = ("__name__", "up");
        check(&[up], None);
        check(&[up, ("a", "1"), ("b", "2")], None);
        check(&[up, ("a.b c", "ü")], None);
        check(&[("Z", "1"), up], None);
        check(&[("a", "1"), up], Some(Ok(r#"{__name__="up", a="1"}"#)));
        check(&[up, ("a", ""), ("b", "2")], Some(Ok(r#"{__name__="up", b="2"}"#)));
        check(&[], Some(Err(LabelFault::Invalid)));
        check(&[("a", "1")], Some(Err(LabelFault::Invalid)));
        check(&[("__name__", ""), ("a", "1")], Some(Err(LabelFault::Invalid)));
        check(&[("", "x"), up], Some(Err(LabelFault::Invalid)));
        check(&[up, ("a", "1"), ("a", "1")], Some(Err(LabelFault::Duplicate)));
        check(&[up, ("b", "1"), ("a", "1"), ("b", "2")], Some(Err(LabelFault::Duplicate)));
        check(
            &[up, ("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")],
            Some(Err(LabelFault::TooMany)),
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let labels: Pairs<'_> = vec![(b"__name__", b"up"), (b"a", b"\xff\n")];
        let labels = Labels::of_pairs(&labels);
        let told = Checker::default().check(&labels, false, 9).err();
        assert_eq!(told, Some(LabelFault::Invalid));
        assert_eq!(Shown(&labels).to_string(), r#"{__name__="up", a="\xff\n"}"#);
    }

    #[test]
    fn names_that_are_remembered_do_not_excuse_values() {
        let mut checker = Checker::default();
        let good = pairs(&[("__name__", "up"), ("a", "1")]);
        assert!(matches!(checker.check(&Labels::of_pairs(&good), false, 9), Ok(Form::AsTheyAre)));
        let bad: Pairs<'_> = vec![(b"__name__", b"up"), (b"a", b"\xff")];
        assert!(checker.check(&Labels::of_pairs(&bad), false, 9).is_err());
        let empty = pairs(&[("__name__", "up"), ("a", "")]);
        let told = checker.check(&Labels::of_pairs(&empty), false, 9);
        assert!(matches!(told, Ok(Form::Sorted(_))), "{told:?}");
    }

    /// What a checker says of labels, in words.
    fn told(checker: &mut Checker, labels: &Labels<'_>, is_utf8: bool) -> String {
        match checker.check(labels, is_utf8, 9) {
            Ok(Form::Sorted(set)) => format!("sorted {}", Shown(&Labels::of_set(set))),
            other => format!("{other:?}"),
        }
    }

    proptest! {
        /// What is remembered of the series before changes no verdict, of either version.
        #[test]
        fn memory_changes_no_verdict(
            all in vec(vec((0_usize..4, 0_usize..3), 1..4), 1..30),
            is_v2: bool,
        ) {
            let mut message = Vec::new();
            let mut encoder = V2Encoder::new();
            for one in &all {
                let names = [&b"__name__"[..], b"a", b"b", b"c"];
                let values = [&b""[..], b"x", b"y"];
                let pairs: Vec<_> = one.iter().map(|(n, v)| (names[*n], values[*v])).collect();
                let samples = [Sample::default()];
                let series = Series::new(Labels::of_pairs(&pairs)).with_samples(&samples);
                if is_v2 {
                    encoder.push(&series);
                } else {
                    put_series_v1(&mut message, &series);
                }
            }
            let version = if is_v2 { Version::V2 } else { Version::V1 };
            if is_v2 {
                encoder.finish(&mut message);
            }
            let mut decoder = Decoder::default();
            let mut request = decoder.open(version, &message).unwrap();
            let mut checker = Checker::default();
            while let Some(series) = request.next_series().unwrap() {
                let labels = series.labels();
                let by_memory = told(&mut checker, &labels, true);
                prop_assert_eq!(by_memory, told(&mut Checker::default(), &labels, false));
            }
        }
    }
}
