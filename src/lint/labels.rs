//! The labels of one sample, and what they have in common with those of the sample before.
//!
//! The text of the labels is kept in one canonical spelling, `a="1",b="2"`: no blanks, no quoted
//! names, escapes as written (there is only one way to escape). If a line spells them so itself, as
//! exporters do, the next line is compared with that text, and the labels both start with are not
//! read again.

use crate::model::Span;
use hashbrown::HashSet;

/// Up to this many labels are compared pair by pair.
const PAIRWISE_MAX: usize = 24;

/// Which label of a family is not part of a series' identity.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Special {
    /// None.
    #[default]
    None,
    /// `le`, in histograms.
    Le,
    /// `quantile`, in summaries.
    Quantile,
}

impl Special {
    fn name(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Le => b"le",
            Self::Quantile => b"quantile",
        }
    }
}

/// What rules want to know of a label.
pub(super) mod flag {
    /// It is `le`.
    pub(crate) const LE: u8 = 1;
    /// It is `quantile`.
    pub(crate) const QUANTILE: u8 = 2;
    /// Its name is in camelCase.
    pub(crate) const CAMEL: u8 = 4;
    /// Its name starts with `__`.
    pub(crate) const RESERVED: u8 = 8;
    /// It has no value.
    pub(crate) const EMPTY: u8 = 16;
}

/// One label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    name: Span,
    value: Span,
    /// Behind the closing quote.
    end: usize,
    /// Of a label that is part of the identity.
    pub(super) flags: u8,
    /// Of the special label: its value as a number.
    bound: Option<f64>,
}

impl Pair {
    fn is_special(&self) -> bool {
        self.bound.is_some()
    }
}

/// The labels of one sample.
#[derive(Debug, Default)]
pub(super) struct Labels {
    text: Vec<u8>,
    pairs: Vec<Pair>,
    special: Special,
    /// The line spelled its labels as `text` does.
    is_verbatim: bool,
    /// Labels that are not special; of the sample before, until this one is complete.
    n_own: Option<usize>,
    /// Whether the labels but for the special one are those of the sample before.
    is_same_series: bool,
    /// Labels this sample shares with the one before, from the first on.
    n_kept: usize,
    n_own_before: Option<usize>,
    /// The names, once there are many.
    many: HashSet<Vec<u8>>,
    scratch: Vec<u8>,
}

impl Labels {
    /// Start a sample of which `rest` stands behind the opening brace. Gives how many bytes of it
    /// are known: labels up to a closing quote.
    pub(super) fn start(&mut self, rest: &[u8], special: Special) -> usize {
        self.n_own_before = self.n_own;
        let can_keep = self.is_verbatim && self.special == special;
        let n_common = if can_keep { common_prefix(&self.text, rest) } else { 0 };
        let n_kept = self.pairs.partition_point(|pair| pair.end <= n_common);
        self.pairs.truncate(n_kept);
        self.text.truncate(self.pairs.last().map_or(0, |pair| pair.end));
        self.n_kept = n_kept;
        self.special = special;
        self.many.clear();
        self.text.len()
    }

    /// Start a sample that shares nothing with the one before.
    pub(super) fn start_afresh(&mut self) {
        self.is_verbatim = false;
        self.start(&[], Special::None);
    }

    /// The special label from here on; those that are there already are looked at again.
    ///
    /// `bound` reads the value of a special label.
    ///
    /// # Errors
    ///
    /// What `bound` answers.
    pub(super) fn set_special<E>(
        &mut self,
        special: Special,
        mut bound: impl FnMut(&[u8]) -> Result<f64, E>,
    ) -> Result<(), E> {
        self.special = special;
        let is_special = |name: &[u8]| special != Special::None && name == special.name();
        for pair in &mut self.pairs {
            if is_special(pair.name.of(&self.text)) {
                pair.flags = 0;
                pair.bound = Some(bound(pair.value.of(&self.text))?);
            }
        }
        Ok(())
    }

    /// Which label is special.
    pub(super) fn special(&self) -> Special {
        self.special
    }

    /// Whether a label of this name is the special one.
    pub(super) fn is_special(&self, name: &[u8]) -> bool {
        self.special != Special::None && name == self.special.name()
    }

    /// Whether there is a label of this name, the special one apart.
    pub(super) fn has(&mut self, name: &[u8]) -> bool {
        if self.pairs.len() <= PAIRWISE_MAX {
            return self.pairs.iter().any(|p| !p.is_special() && p.name.of(&self.text) == name);
        }
        if self.many.is_empty() {
            let own = self.pairs.iter().filter(|pair| !pair.is_special());
            self.many.extend(own.map(|pair| pair.name.of(&self.text).to_vec()));
        }
        self.many.contains(name)
    }

    /// Add a label; the value as written. `bound`: the special one's value as a number.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8], bound: Option<f64>) {
        if !self.pairs.is_empty() {
            self.text.push(b',');
        }
        let name_start = self.text.len();
        self.text.extend_from_slice(name);
        let name_span = Span::new(name_start, self.text.len());
        self.text.extend_from_slice(b"=\"");
        let value_start = self.text.len();
        self.text.extend_from_slice(value);
        let value_span = Span::new(value_start, self.text.len());
        self.text.push(b'"');
        let flags = if bound.is_some() { 0 } else { flags(name, value) };
        if !self.many.is_empty() && bound.is_none() {
            self.many.insert(name.to_vec());
        }
        self.pairs.push(Pair {
            name: name_span,
            value: value_span,
            end: self.text.len(),
            flags,
            bound,
        });
    }

    /// The sample has no more labels; `n_bytes` of its line were they, to the last closing quote.
    pub(super) fn finish(&mut self, n_bytes: usize) {
        // What is spelled otherwise is longer: blanks, or names in quotes.
        self.is_verbatim = n_bytes == self.text.len();
        self.n_own = Some(self.pairs.iter().filter(|pair| !pair.is_special()).count());
        let kept = self.pairs.get(..self.n_kept).unwrap_or_default();
        let n_own_kept = Some(kept.iter().filter(|pair| !pair.is_special()).count());
        self.is_same_series = n_own_kept == self.n_own && n_own_kept == self.n_own_before;
    }

    /// Whether the labels but for the special one are those of the sample before, in its order.
    pub(super) fn is_same_series(&self) -> bool {
        self.is_same_series
    }

    /// The last value as written.
    pub(super) fn last_value(&self) -> &[u8] {
        self.pairs.last().map(|pair| pair.value.of(&self.text)).unwrap_or_default()
    }

    /// The special label as a number; NaN without one.
    pub(super) fn bound(&self) -> f64 {
        self.pairs.iter().rev().find_map(|pair| pair.bound).unwrap_or(f64::NAN)
    }

    /// All labels.
    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// All labels in the order in which they stand.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The labels but for the special one, by name; on request also without those that are empty.
    pub(super) fn sorted(&mut self, without_empty: bool) -> &[u8] {
        let Self { text, pairs, scratch, .. } = self;
        let n_own = pairs.iter().position(Pair::is_special).unwrap_or(pairs.len());
        let own = &pairs[..n_own];
        let is_sorted = own.is_sorted_by(|a, b| a.name.of(text) <= b.name.of(text))
            && pairs[n_own..].iter().all(Pair::is_special)
            && (!without_empty || own.iter().all(|pair| !pair.value.is_empty()));
        if is_sorted {
            return &text[..own.last().map_or(0, |pair| pair.end)];
        }
        let wanted = |p: &&Pair| !p.is_special() && (!without_empty || !p.value.is_empty());
        let mut order: Vec<&Pair> = pairs.iter().filter(wanted).collect();
        order.sort_by(|a, b| a.name.of(text).cmp(b.name.of(text)));
        scratch.clear();
        for pair in order {
            if !scratch.is_empty() {
                scratch.push(b',');
            }
            scratch.extend_from_slice(&text[pair.name.start as usize..pair.end]);
        }
        scratch
    }
}

fn flags(name: &[u8], value: &[u8]) -> u8 {
    let when = |holds: bool, flag: u8| if holds { flag } else { 0 };
    when(name == b"le", flag::LE)
        | when(name == b"quantile", flag::QUANTILE)
        | when(is_camel_case(name), flag::CAMEL)
        | when(name.starts_with(b"__"), flag::RESERVED)
        | when(value.is_empty(), flag::EMPTY)
}

/// Whether a small letter stands right before a capital one.
pub(super) fn is_camel_case(name: &[u8]) -> bool {
    name.windows(2).any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase())
}

/// How many bytes two texts have in common at their start.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const WORD: usize = 16;
    let (words_a, words_b) = (a.as_chunks::<WORD>().0, b.as_chunks::<WORD>().0);
    let n_words = words_a.iter().zip(words_b).take_while(|(a, b)| a == b).count();
    let rest = a.iter().zip(b).skip(n_words * WORD);
    n_words * WORD + rest.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Words or bytes, it comes to the same.
        #[test]
        fn common_prefixes_are_found(a in "[ab]{0,60}", n in 0_usize..60, tail in "[ab]{0,40}") {
            let b = [&a.as_bytes()[..n.min(a.len())], tail.as_bytes()].concat();
            let expect = a.bytes().zip(b.iter().copied()).take_while(|(a, b)| a == b).count();
            proptest::prop_assert_eq!(common_prefix(a.as_bytes(), &b), expect);
        }
    }

    #[test]
    fn what_is_kept_ends_with_a_quote() {
        let mut labels = Labels::default();
        assert_eq!(labels.start(b"a=\"1\",b=\"23\"} 1", Special::None), 0);
        labels.push(b"a", b"1", None);
        labels.push(b"b", b"23", None);
        labels.finish(12);
        assert!(!labels.is_same_series());
        assert_eq!(labels.start(b"a=\"1\",b=\"24\"} 1", Special::None), 5);
        labels.push(b"b", b"24", None);
        labels.finish(12);
        assert!(!labels.is_same_series());
        assert_eq!(labels.start(b"a=\"1\",b=\"24\"} 1", Special::None), 12);
        labels.finish(12);
        assert!(labels.is_same_series());
        // A label of the one before is missing.
        assert_eq!(labels.start(b"a=\"1\"} 1", Special::None), 5);
        labels.finish(5);
        assert!(!labels.is_same_series());
    }

    #[test]
    fn the_special_label_is_no_part_of_the_series() {
        let mut labels = Labels::default();
        labels.start(b"", Special::Le);
        labels.push(b"z", b"1", None);
        labels.push(b"le", b"5", Some(5.0));
        labels.push(b"a", b"", None);
        labels.finish(0);
        assert_eq!(labels.sorted(false), b"a=\"\",z=\"1\"");
        assert_eq!(labels.sorted(true), b"z=\"1\"");
        assert!(labels.bound() > 4.9 && !labels.has(b"le") && labels.has(b"z"));
    }

    #[test]
    fn many_names_are_still_compared() {
        let mut labels = Labels::default();
        labels.start(b"", Special::None);
        for n in 0..100 {
            let name = format!("l{n}");
            assert!(!labels.has(name.as_bytes()));
            labels.push(name.as_bytes(), b"", None);
        }
        assert!(labels.has(b"l7") && labels.has(b"l99") && !labels.has(b"l100"));
    }
}
