//! Runs of series that are like the one before: the same names, one sample each, nothing else.
//!
//! Nearly all series of nearly all requests are such. Once names were found to be in order, what
//! is left to check of a series is that it has these names again, and values; its text is not
//! taken apart for that. A run is skipped where nothing but its size has to be known of it; of 1.0
//! its series can also be had one by one, cut behind their labels, which is what remembered rules
//! need. It ends at whatever is not exactly so: that is read like any series
//! ([`Request::next_series`]), which is what judges it. So this may miss a series that is alike,
//! and must never take one that is not.
//!
//! ```text
//! 1.0   0a LENGTH  0a LENGTH 0a LENGTH name 12 LENGTH value  …  12 LENGTH 09 value 10 timestamp
//!                  └─────── names: compared ────┘ └ not empty, ASCII ┘
//! 2.0   2a LENGTH  0a LENGTH name value …                       12 LENGTH 09 value 10 timestamp
//!                            └ references: compared, checked    2a LENGTH metadata, if any
//! ```
//!
//! [`Request::next_series`]: super::Request::next_series

use super::cursor::varint_in;
use super::labels::{Labels, Symbols};
use super::series::Sample;

/// Names that were found to be in order, the metric's among them: what a run is recognised by.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotedNames {
    /// Whose references they are; no request is 0.
    request: u64,
    refs: Vec<u32>,
    heads: Vec<Head>,
    /// The heads that are longer than a window.
    text: Vec<u8>,
}

/// What stands in front of a value in 1.0: the name, and the keys around it.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// The first bytes, and which of the bits there belong to it.
    word: u128,
    mask: u128,
    n_bytes: usize,
    /// Where the text of a long one begins.
    text_at: usize,
}

/// Bytes of a head that are compared at once.
const WINDOW_BYTES: usize = 16;

/// Series that were skipped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Run {
    /// How many, a sample each.
    pub(crate) n_series: u64,
    /// The newest timestamp of them, in milliseconds since 1970; the least of all if there is none.
    pub(crate) newest_ms: i64,
}

/// A series of 1.0 that is like the one before, as it stands in a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alike {
    /// Where its message begins, …
    pub(super) start: usize,
    /// … where its labels end, each in the fewest bytes, …
    pub(super) labels_end: usize,
    /// … and where it ends.
    pub(super) end: usize,
    pub(super) sample: Sample,
}

impl NotedNames {
    /// Note names, in their order.
    pub(crate) fn note<'a>(&mut self, names: impl Iterator<Item = &'a [u8]>) {
        self.heads.clear();
        self.text.clear();
        for name in names {
            // Longer ones do not have their length in one byte.
            let Some(length) = u8::try_from(name.len()).ok().filter(|n| *n < 0x80) else {
                self.heads.clear();
                return;
            };
            let text_at = self.text.len();
            self.text.extend_from_slice(&[0x0a, length]);
            self.text.extend_from_slice(name);
            self.text.push(0x12);
            self.heads.push(Head::of(&self.text, text_at));
        }
    }

    /// Note the references of these names, if they stand in a body of 2.0.
    pub(crate) fn note_refs(&mut self, labels: &Labels<'_>) {
        self.refs.clear();
        self.request = 0;
        if let Some((symbols, refs)) = labels.refs() {
            self.request = symbols.request;
            self.refs.extend(refs.iter().step_by(2));
        }
    }

    /// Whether the names of labels are those noted, of the same request, and no value is empty. No
    /// text is looked at.
    #[inline]
    pub(crate) fn are_of(&self, labels: &Labels<'_>) -> bool {
        let Some((symbols, refs)) = labels.refs() else { return false };
        self.request == symbols.request
            && refs.len() == self.refs.len() * 2
            && refs
                .chunks_exact(2)
                .zip(&self.refs)
                .all(|(pair, name)| pair[0] == *name && !symbols.text(pair[1]).is_empty())
    }

    /// The run `rest` of a body of 1.0 begins with, and its length in bytes.
    pub(super) fn run_v1(&self, rest: &[u8]) -> (Run, usize) {
        run(rest, |rest, at| {
            let found = self.series_v1(rest, at)?;
            Some((found.sample.timestamp_ms, found.end))
        })
    }

    /// The run `rest` of a body of 2.0 begins with, and its length in bytes.
    pub(super) fn run_v2(&self, rest: &[u8], symbols: &Symbols<'_>) -> (Run, usize) {
        let n_symbols = u32::try_from(symbols.spans.len()).unwrap_or(u32::MAX);
        let is_noted = self.request == symbols.request && !self.refs.is_empty();
        if !is_noted || symbols.has_empty || n_symbols == 0 {
            return (Run::default(), 0);
        }
        run(rest, |rest, at| self.series_v2(rest, at, n_symbols))
    }

    /// The series of 1.0 at `at`, if it is alike.
    #[inline]
    pub(super) fn series_v1(&self, rest: &[u8], at: usize) -> Option<Alike> {
        if self.heads.is_empty() {
            return None;
        }
        let (start, end) = message(rest, at, 0x0a)?;
        let mut at = start;
        for head in &self.heads {
            at = self.label_behind(rest, at, head)?;
        }
        let (sample, behind) = sample(rest, at)?;
        // Values are text; what is not ASCII is looked at closely elsewhere.
        let is_alike = behind == end && rest.get(start..at)?.is_ascii();
        is_alike.then_some(Alike { start, labels_end: at, end, sample })
    }

    /// Where the label at `at` ends, if it has this head and a value.
    #[inline]
    fn label_behind(&self, rest: &[u8], at: usize, head: &Head) -> Option<usize> {
        let window = rest.get(at..)?.first_chunk::<{ 2 + WINDOW_BYTES }>()?;
        let [key, length, window @ ..] = window;
        if *key != 0x0a || u128::from_le_bytes(*window) & head.mask != head.word {
            return None;
        }
        if head.n_bytes > WINDOW_BYTES {
            let text = self.text.get(head.text_at..head.text_at + head.n_bytes)?;
            if !rest.get(at + 2..)?.starts_with(text) {
                return None;
            }
        }
        let value = *rest.get(at + 2 + head.n_bytes)?;
        let n_bytes = head.n_bytes + 1 + usize::from(value);
        // Lengths of one byte each: no more than 127.
        let is_short = n_bytes < 0x80 && usize::from(*length) == n_bytes;
        (value > 0 && is_short).then_some(at + 2 + n_bytes)
    }

    /// The timestamp of the series of 2.0 at `at`, if it is alike, and where it ends.
    #[inline]
    fn series_v2(&self, rest: &[u8], at: usize, n_symbols: u32) -> Option<(i64, usize)> {
        let (start, end) = message(rest, at, 0x2a)?;
        let (mut at, refs_end) = message(rest, start, 0x0a)?;
        for noted in &self.refs {
            let (name, behind) = reference(rest, at)?;
            let (value, behind) = reference(rest, behind)?;
            // The first symbol is the empty one, and the only one.
            if name != *noted || value.wrapping_sub(1) >= n_symbols - 1 {
                return None;
            }
            at = behind;
        }
        if at != refs_end {
            return None;
        }
        let (sample, mut at) = sample(rest, at)?;
        if at < end {
            let (start, metadata_end) = message(rest, at, 0x2a)?;
            at = start;
            while at < metadata_end {
                let (number, behind) = reference(rest, at + 1)?;
                match rest.get(at)? {
                    0x08 => {}
                    0x18 | 0x20 if number < n_symbols => {}
                    _ => return None,
                }
                at = behind;
            }
            if at != metadata_end {
                return None;
            }
        }
        (at == end).then_some((sample.timestamp_ms, end))
    }
}

impl Head {
    /// The head that is the end of a text.
    fn of(text: &[u8], text_at: usize) -> Self {
        let bytes = text.get(text_at..).unwrap_or_default();
        let (mut word, mut mask) = ([0; WINDOW_BYTES], [0; WINDOW_BYTES]);
        for ((word, mask), byte) in word.iter_mut().zip(&mut mask).zip(bytes) {
            (*word, *mask) = (*byte, 0xff);
        }
        let (word, mask) = (u128::from_le_bytes(word), u128::from_le_bytes(mask));
        Self { word, mask, n_bytes: bytes.len(), text_at }
    }
}

/// Take series for as long as they are alike.
#[inline]
fn run(rest: &[u8], alike: impl Fn(&[u8], usize) -> Option<(i64, usize)>) -> (Run, usize) {
    let (mut run, mut at) = (Run { n_series: 0, newest_ms: i64::MIN }, 0);
    while let Some((timestamp_ms, end)) = alike(rest, at) {
        run.n_series += 1;
        run.newest_ms = run.newest_ms.max(timestamp_ms);
        at = end;
    }
    (run, at)
}

/// Where the message of the field at `at` begins and ends, if it has this key and its length is of
/// one byte or two.
#[inline]
fn message(rest: &[u8], at: usize, key: u8) -> Option<(usize, usize)> {
    let (length, start) = reference(rest, at + 1)?;
    let end = start + length as usize;
    (*rest.get(at)? == key && end <= rest.len()).then_some((start, end))
}

/// The sample at `at`, and where it ends: a value, a timestamp, nothing else.
#[inline]
fn sample(rest: &[u8], at: usize) -> Option<(Sample, usize)> {
    let (head, rest) = rest.get(at..)?.split_first_chunk::<3>()?;
    let (value, rest) = rest.split_first_chunk::<8>()?;
    let (key, rest) = rest.split_first()?;
    let (timestamp, n_bytes) = varint_in(u64::from_le_bytes(*rest.first_chunk()?))?;
    let length = u8::try_from(10 + n_bytes).ok()?;
    let sample = Sample {
        value: f64::from_bits(u64::from_le_bytes(*value)),
        timestamp_ms: timestamp.cast_signed(),
        start_timestamp_ms: 0,
    };
    (*head == [0x12, length, 0x09] && *key == 0x10).then_some((sample, at + 12 + n_bytes))
}

/// The number of up to three bytes at `at`, and where it ends.
#[inline]
fn reference(rest: &[u8], at: usize) -> Option<(u32, usize)> {
    let [low, high] = *rest.get(at..)?.first_chunk::<2>()?;
    // Whether there is a second byte is hard to foresee, and a third one rare.
    let n_more = low >> 7;
    let number = u32::from(low & 0x7f) | u32::from(high & 0x7f & n_more.wrapping_neg()) << 7;
    if n_more & (high >> 7) == 0 {
        return Some((number, at + 1 + usize::from(n_more)));
    }
    let last = *rest.get(at + 2)?;
    (last < 0x80).then_some((number | u32::from(last) << 14, at + 3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Decoder;
    use crate::wire::Request;
    use crate::wire::Series;
    use crate::wire::V2Encoder;
    use crate::wire::Version;
    use crate::wire::put_series_v1;
    use proptest::collection::vec;
    use proptest::prelude::*;

    type Pair = (&'static [u8], &'static [u8]);

    /// A series: its labels, and the timestamps of its samples.
    type One = (Vec<Pair>, Vec<i64>);

    fn message_of(version: Version, all: &[One]) -> Vec<u8> {
        let (mut message, mut encoder) = (Vec::new(), V2Encoder::new());
        for (labels, timestamps) in all {
            let sample = |&timestamp_ms| Sample { value: 1.5, timestamp_ms, start_timestamp_ms: 0 };
            let samples: Vec<_> = timestamps.iter().map(sample).collect();
            let series = Series::new(Labels::of_pairs(labels)).with_samples(&samples);
            match version {
                Version::V1 => drop(put_series_v1(&mut message, &series)),
                Version::V2 => drop(encoder.push(&series)),
            }
        }
        if version == Version::V2 {
            encoder.finish(&mut message);
        }
        message
    }

    /// Note the names of the next series, and skip what is like it.
    fn skip_behind_next(request: &mut Request<'_>) -> Run {
        let mut noted = NotedNames::default();
        let series = request.next_series().unwrap().unwrap();
        let labels = series.labels();
        noted.note(labels.iter().map(|(name, _)| name));
        noted.note_refs(&labels);
        request.skip_alike(&noted)
    }

    /// How long the run behind the first series is.
    #[track_caller]
    fn check(all: &[One], want: u64) {
        for version in [Version::V1, Version::V2] {
            let mut message = message_of(version, all);
            // So that windows at the end find something: an unknown field.
            message.extend_from_slice(&[0x7a, 20]);
            message.extend_from_slice(&[0; 20]);
            let mut decoder = Decoder::default();
            let mut request = decoder.open(version, &message).unwrap();
            assert_eq!(skip_behind_next(&mut request).n_series, want, "{version:?}");
        }
    }

    const UP: Pair = (b"__name__", b"up");
    const LONG: Pair = (b"a_name_that_is_longer_than_a_window", b"x");
    const OTHER: Pair = (b"a_name_that_is_longer_than_a_widow", b"xx");

    #[test]
    fn a_run_ends_at_what_is_not_alike() {
        let one = |labels: &[Pair]| -> One { (labels.to_vec(), vec![1_700_000_000_000]) };
        let a = one(&[UP, (b"a", b"1")]);
        let b = one(&[(b"__name__", b"down"), (b"a", b"other")]);
        check(std::slice::from_ref(&a), 0);
        check(&[a.clone(), b.clone(), a.clone()], 2);
        check(&[a.clone(), b.clone(), one(&[UP]), a.clone()], 1);
        check(&[a.clone(), one(&[UP, (b"b", b"1")])], 0);
        check(&[a.clone(), one(&[UP, (b"a", b"1"), (b"b", b"1")])], 0);
        check(&[a.clone(), one(&[UP, (b"a", b"")])], 0);
        check(&[a.clone(), (b.0.clone(), vec![1, 2])], 0);
        check(&[a.clone(), (b.0.clone(), vec![])], 0);
        check(&[a.clone(), (b.0.clone(), vec![7]), (b.0, vec![1 << 40])], 2);
        // Timestamps of ten bytes are read elsewhere.
        check(&[a.clone(), (a.0.clone(), vec![-1]), a], 0);
        check(&[one(&[UP, LONG]), one(&[UP, LONG]), one(&[UP, OTHER])], 1);
        check(&[one(&[]), one(&[])], 0);
    }

    #[test]
    fn text_that_is_not_ascii_is_looked_at_elsewhere() {
        let all = [(vec![UP], vec![1]), (vec![(&b"__name__"[..], &b"\xff"[..])], vec![1])];
        let mut message = message_of(Version::V1, &all);
        message.extend_from_slice(&[0x7a, 20]);
        message.extend_from_slice(&[0; 20]);
        let mut decoder = Decoder::default();
        let mut request = decoder.open(Version::V1, &message).unwrap();
        assert_eq!(skip_behind_next(&mut request).n_series, 0);
    }

    #[test]
    fn numbers_are_of_up_to_three_bytes() {
        for (bytes, want) in [
            (&[5, 0xff][..], Some((5, 1))),
            (&[0x80, 1, 0xff], Some((128, 2))),
            (&[0xff, 0xff, 0x7f], Some(((1 << 21) - 1, 3))),
            (&[0xff, 0xff, 0x80, 1], None),
            (&[0xff, 0xff], None),
            (&[1], None),
        ] {
            assert_eq!(reference(bytes, 0), want, "{bytes:x?}");
        }
    }

    proptest! {
        /// What is skipped has the names that were noted, values, and one sample; the walk goes on
        /// behind it.
        #[test]
        fn a_run_is_of_series_that_are_alike(
            all in vec((vec((0_usize..4, 0_usize..4), 1..4), vec(-2_i64..1 << 44, 0..3)), 1..40),
            is_v2: bool,
        ) {
            let names = [&b"__name__"[..], b"a", b"b", LONG.0];
            let values = [&b""[..], b"x", b"yy", "ü".as_bytes()];
            let all: Vec<One> = all
                .into_iter()
                .map(|(labels, timestamps)| {
                    (labels.iter().map(|(n, v)| (names[*n], values[*v])).collect(), timestamps)
                })
                .collect();
            let version = if is_v2 { Version::V2 } else { Version::V1 };
            let message = message_of(version, &all);
            let mut decoder = Decoder::default();
            let mut request = decoder.open(version, &message).unwrap();
            let mut rest = &all[..];
            while let [first, behind @ ..] = rest {
                let run = skip_behind_next(&mut request);
                let (run_of, left) = behind.split_at(usize::try_from(run.n_series).unwrap());
                let names_of = |one: &One| one.0.iter().map(|(name, _)| *name).collect::<Vec<_>>();
                for one in run_of {
                    prop_assert_eq!(names_of(one), names_of(first));
                    prop_assert!(one.0.iter().all(|(_, value)| !value.is_empty()));
                    prop_assert_eq!(one.1.len(), 1);
                }
                let newest = run_of.iter().map(|one| one.1[0]).max();
                prop_assert_eq!(Some(run.newest_ms).filter(|_| run.n_series > 0), newest);
                rest = left;
            }
            prop_assert!(request.next_series().unwrap().is_none());
        }
    }
}
