//! One label set that can be changed: what relabelling reads and writes.

use crate::model::Span;
use memchr::arch::all::is_equal;

/// The label that holds the metric name.
pub const METRIC_NAME: &[u8] = b"__name__";

/// One label of a [`LabelSet`].
#[derive(Clone, Copy, Debug)]
struct Pair {
    name: Span,
    value: Span,
    /// 0 for a label as it was read; otherwise when a rule first set it (1, 2, …).
    set_at: u32,
    /// The text holds `name="value"` in one piece, as an exposition would spell it.
    is_verbatim: bool,
}

/// Sets of up to this many labels are sorted by keys.
const KEYS: usize = 32;

/// The first eight bytes of a name, as a number that sorts as they do.
#[inline]
fn sort_key(text: &[u8], name: Span) -> u64 {
    let start = name.start as usize;
    let n_bytes = name.of(text).len().min(8);
    match text.get(start..).and_then(|text| text.first_chunk::<8>()) {
        // What stands behind a short name is shifted out.
        Some(bytes) if n_bytes > 0 => {
            let n_unused = 64 - 8 * n_bytes;
            u64::from_be_bytes(*bytes) >> n_unused << n_unused
        }
        _ => {
            let mut bytes = [0; 8];
            bytes[..n_bytes].copy_from_slice(&name.of(text)[..n_bytes]);
            u64::from_be_bytes(bytes)
        }
    }
}

/// A set of labels, `__name__` among them, sorted by the bytes of their names.
///
/// All text lives in one buffer which is reused from series to series, so that a series costs no
/// allocation. Names and values are decoded (no escapes). An empty value is an absent label: it is
/// never stored. Text is UTF-8 if what was put in is.
#[derive(Clone, Debug, Default)]
pub struct LabelSet {
    text: Vec<u8>,
    pairs: Vec<Pair>,
    n_set: u32,
}

impl LabelSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forget everything but the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.pairs.clear();
        self.n_set = 0;
    }

    /// Become a copy of another set, in the memory this one has.
    pub fn copy_from(&mut self, other: &Self) {
        self.text.clone_from(&other.text);
        self.pairs.clone_from(&other.pairs);
        self.n_set = other.n_set;
    }

    /// Add a label as read from a source. Call [`LabelSet::sort`] after the last one.
    ///
    /// A label with an empty value is left out. The caller rules out names that occur twice.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let (name, value) = (self.store(name), self.store(value));
        self.pairs.push(Pair { name, value, set_at: 0, is_verbatim: false });
    }

    /// Take over `text` as the buffer in which spans given to [`LabelSet::push_span`] lie.
    ///
    /// The set must be empty. One copy of a line is cheaper than one copy a label.
    pub fn load_text(&mut self, text: &[u8]) {
        debug_assert!(self.pairs.is_empty() && self.text.is_empty());
        self.text.extend_from_slice(text);
    }

    /// Add a label whose name and value lie in the text given to [`LabelSet::load_text`].
    #[inline]
    pub fn push_span(&mut self, name: Span, value: Span) {
        if !value.is_empty() {
            self.pairs.push(Pair { name, value, set_at: 0, is_verbatim: false });
        }
    }

    /// The same for a label that stands there as `name="value"`, neither part in need of quotes or
    /// escapes when it is written.
    #[inline]
    pub fn push_verbatim(&mut self, name: Span, value: Span) {
        debug_assert_eq!(name.end + 2, value.start);
        if !value.is_empty() {
            self.pairs.push(Pair { name, value, set_at: 0, is_verbatim: true });
        }
    }

    /// Put `bytes` into the buffer and say where, for [`LabelSet::push_span`].
    pub fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        Span::new(start, self.text.len())
    }

    /// Order the labels by the bytes of their names. Cheap if most are in order already.
    pub fn sort(&mut self) {
        let Self { text, pairs, .. } = self;
        if pairs.len() > KEYS {
            pairs.sort_by(|a, b| a.name.of(text).cmp(b.name.of(text)));
            return;
        }
        // Insertion, by the first bytes of the names where these differ: exporters sort their
        // labels, but for `le`, which comes last.
        let mut keys = [0_u64; KEYS];
        for at in 0..pairs.len() {
            let pair = pairs[at];
            let key = sort_key(text, pair.name);
            let is_before = |other: u64, pair_of_other: &Pair| {
                key < other || key == other && pair.name.of(text) < pair_of_other.name.of(text)
            };
            let mut to = at;
            while to > 0 && is_before(keys[to - 1], &pairs[to - 1]) {
                pairs[to] = pairs[to - 1];
                keys[to] = keys[to - 1];
                to -= 1;
            }
            pairs[to] = pair;
            keys[to] = key;
        }
    }

    /// A name that occurs twice, if one does. The set must be sorted.
    pub fn duplicate(&self) -> Option<&[u8]> {
        self.pairs
            .windows(2)
            .map(|w| (w[0].name.of(&self.text), w[1].name.of(&self.text)))
            .find(|(a, b)| a == b)
            .map(|(a, _)| a)
    }

    /// How many labels there are, the metric name included.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The value of a label; empty if it is absent.
    #[inline]
    pub fn get(&self, name: &[u8]) -> &[u8] {
        match self.position(name) {
            Some(at) => self.pairs[at].value.of(&self.text),
            None => &[],
        }
    }

    /// The metric name; empty if there is none.
    pub fn metric_name(&self) -> &[u8] {
        self.get(METRIC_NAME)
    }

    /// All labels, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.pairs.iter().map(|pair| (pair.name.of(&self.text), pair.value.of(&self.text)))
    }

    /// The label at a place in the order of names.
    pub fn at(&self, at: usize) -> Option<(&[u8], &[u8])> {
        self.pairs.get(at).map(|pair| (pair.name.of(&self.text), pair.value.of(&self.text)))
    }

    /// All labels, sorted by name, each with its spelling `name="value"` if the text holds that.
    pub fn spellings(&self) -> impl Iterator<Item = (&[u8], &[u8], Option<Span>)> {
        self.pairs.iter().map(|pair| {
            let spelling =
                pair.is_verbatim.then(|| Span { start: pair.name.start, end: pair.value.end + 1 });
            (pair.name.of(&self.text), pair.value.of(&self.text), spelling)
        })
    }

    /// The text that the spans of [`LabelSet::spellings`] lie in.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Set a label; an empty value deletes it.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        if value.is_empty() {
            self.delete(name);
            return;
        }
        let value = self.store(value);
        self.n_set += 1;
        let set_at = self.n_set;
        if let Some(at) = self.position(name) {
            let pair = &mut self.pairs[at];
            pair.value = value;
            pair.is_verbatim = false;
            if pair.set_at == 0 {
                pair.set_at = set_at;
            }
            return;
        }
        let at = self.pairs.partition_point(|pair| pair.name.of(&self.text) < name);
        let name = self.store(name);
        self.pairs.insert(at, Pair { name, value, set_at, is_verbatim: false });
    }

    /// Delete a label, if it is there.
    pub fn delete(&mut self, name: &[u8]) {
        if let Some(at) = self.position(name) {
            self.pairs.remove(at);
        }
    }

    /// Keep only the labels whose name `keep` accepts.
    pub fn retain_names(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let Self { text, pairs, .. } = self;
        pairs.retain(|pair| keep(pair.name.of(text)));
    }

    /// Visit the labels in the order in which `labelmap` does: those no rule has set, by name; then
    /// those rules have set, in the order in which they were first set.
    pub fn visit_in_map_order(&self, mut visit: impl FnMut(&[u8], &[u8])) {
        let mut visit = |pair: &Pair| visit(pair.name.of(&self.text), pair.value.of(&self.text));
        self.pairs.iter().filter(|pair| pair.set_at == 0).for_each(&mut visit);
        // Rules set few labels: looking for the next one each time beats sorting.
        let mut last = 0;
        let next = |last| {
            let later = self.pairs.iter().filter(move |pair| pair.set_at > last);
            later.min_by_key(|pair| pair.set_at)
        };
        while let Some(pair) = next(last) {
            visit(pair);
            last = pair.set_at;
        }
    }

    #[inline]
    fn position(&self, name: &[u8]) -> Option<usize> {
        // Names are short: most differ in length, and comparing the rest in place beats calling
        // the C library.
        self.pairs.iter().position(|pair| is_equal(pair.name.of(&self.text), name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: &[(&str, &str)]) -> LabelSet {
        let mut set = LabelSet::new();
        for (name, value) in labels {
            set.push(name.as_bytes(), value.as_bytes());
        }
        set.sort();
        set
    }

    fn text(set: &LabelSet) -> Vec<(String, String)> {
        set.iter()
            .map(|(n, v)| {
                (String::from_utf8(n.to_vec()).unwrap(), String::from_utf8(v.to_vec()).unwrap())
            })
            .collect()
    }

    #[test]
    fn labels_are_sorted_and_empty_values_left_out() {
        let set = set(&[("b", "2"), ("a", "1"), ("c", "")]);
        assert_eq!(text(&set), [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert_eq!(set.get(b"c"), b"");
    }

    #[test]
    fn setting_to_nothing_deletes() {
        let mut set = set(&[("a", "1"), ("b", "2")]);
        set.set(b"a", b"");
        set.set(b"z", b"");
        assert_eq!(text(&set), [("b".into(), "2".into())]);
    }

    proptest::proptest! {
        /// Labels come out in the order of their names' bytes.
        #[test]
        fn sorting_sorts(names in proptest::collection::vec("[ab\u{e9}\u{0}]{1,10}", 0..40)) {
            let names: std::collections::BTreeSet<String> = names.into_iter().collect();
            let mut shuffled: Vec<&str> = names.iter().map(String::as_str).collect();
            shuffled.sort_by_key(|name| name.bytes().rev().collect::<Vec<_>>());
            let pairs: Vec<(&str, &str)> = shuffled.iter().map(|&name| (name, "v")).collect();
            let sorted: Vec<String> = text(&set(&pairs)).into_iter().map(|(name, _)| name).collect();
            proptest::prop_assert_eq!(sorted, names.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn labels_set_by_rules_are_visited_last() {
        let mut set = set(&[("a", "1"), ("b", "2")]);
        set.set(b"a", b"1");
        let mut seen = Vec::new();
        set.set(b"c", b"3");
        set.set(b"a", b"4");
        set.visit_in_map_order(|name, _| seen.push(name.to_vec()));
        assert_eq!(seen, [b"b", b"a", b"c"]);
    }

    #[test]
    fn a_duplicate_name_is_found() {
        assert_eq!(set(&[("a", "1"), ("b", "2"), ("a", "2")]).duplicate(), Some(&b"a"[..]));
        assert_eq!(set(&[("a", "1"), ("b", "2")]).duplicate(), None);
    }
}
