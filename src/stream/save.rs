//! Keeping what has come in over a restart.
//!
//! All numbers are little endian; texts and lists have their length in front, as u32.
//!
//! ```text
//! "weiragg" version:u8 random:u64*68 rule* check:u128
//! rule   = identity closed:i64 began:i64 group* input* window*
//! group  = number:u32 labels total:f64 buckets:u64*
//! input  = fingerprint:u128 group:u32 has_value:u8 value:f64 timestamp:i64 seen:i64
//! window = end:i64 (group:u32 n:u64 sum min max last:f64 last_ms:i64 increase:f64
//!                   buckets:u64* (step:i32 n:u64)*)*
//! ```
//!
//! The random words are the key of the fingerprints, by which series are known: the file has to be
//! kept as a secret. A rule whose last window is a day away from now begins anew: nobody waits for
//! what it would tell, and one that is ahead would stand still. The check is a fingerprint of all bytes before it: a file that is not whole,
//! or was changed, is refused as a whole.

use super::group::Group;
use super::rule::Rule;
use super::state::Aggregator;
use super::state::Input;
use super::state::RuleState;
use super::window::More;
use super::window::Sketch;
use super::window::Window;
use crate::model::Fingerprint;
use crate::model::FingerprintKey;
use crate::model::fingerprint::KEY_WORDS;

const MAGIC: &[u8; 8] = b"weiragg\x01";
const CHECK_BYTES: usize = 16;
/// What is counted in one window, at most: sums of it fit.
const WINDOW_COUNT_MAX: u64 = 1 << 40;
/// What is counted in a group since it began, at most.
const GROUP_COUNT_MAX: u64 = 1 << 60;
/// How far from now the last window of a state may be.
const APART_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Why a state was not taken over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// It is none, or of another version.
    #[error("not a state of aggregation of this version")]
    Format,
    /// It is not whole, or was changed.
    #[error("the state of aggregation is damaged")]
    Damaged,
}

impl Aggregator {
    /// Write all there is. `random` are the words the key of the fingerprints was made of.
    pub fn save(&self, random: &[u64; KEY_WORDS]) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        for word in random {
            out.u64(*word);
        }
        out.count(self.rules.len());
        for state in &self.rules {
            state.save(&mut out);
        }
        let check = key_of(random).of(&out.0);
        out.fingerprint(check);
        out.0
    }

    /// Begin with these rules, and what was saved of them. Also gives the random words.
    ///
    /// # Errors
    ///
    /// When there is nothing to be trusted in what was saved.
    pub fn restore(
        rules: Vec<Rule>,
        saved: &[u8],
        now_ms: i64,
    ) -> Result<(Self, [u64; KEY_WORDS]), RestoreError> {
        let (body, check) = saved
            .len()
            .checked_sub(CHECK_BYTES)
            .and_then(|at| saved.split_at_checked(at))
            .ok_or(RestoreError::Format)?;
        let mut rest = Reader(body.strip_prefix(MAGIC).ok_or(RestoreError::Format)?);
        let mut random = [0; KEY_WORDS];
        for word in &mut random {
            *word = rest.u64().ok_or(RestoreError::Damaged)?;
        }
        let is_whole = Reader(check).fingerprint() == Some(key_of(&random).of(body));
        if !is_whole {
            return Err(RestoreError::Damaged);
        }
        let mut aggregator = Self::new(rules, now_ms);
        let n_rules = rest.u32().ok_or(RestoreError::Damaged)?;
        for _ in 0..n_rules {
            let identity = rest.bytes().ok_or(RestoreError::Damaged)?;
            let state = RuleState::restore(&mut rest).ok_or(RestoreError::Damaged)?;
            let mut wanted = aggregator.rules.iter_mut();
            let same = wanted.find(|wanted| wanted.rule.identity().as_bytes() == identity);
            if let Some(wanted) = same {
                wanted.go_on_with(state, now_ms);
            }
        }
        Ok((aggregator, random))
    }
}

fn key_of(random: &[u64; KEY_WORDS]) -> FingerprintKey {
    let mut words = random.iter();
    FingerprintKey::new(|| words.next().copied().unwrap_or_default())
}

/// What was saved of a rule.
struct Saved {
    closed_ms: i64,
    began_ms: i64,
    groups: Vec<(u32, Group)>,
    inputs: Vec<Input>,
    windows: Vec<(i64, Vec<(u32, Window)>)>,
}

impl RuleState {
    fn save(&self, out: &mut Writer) {
        out.bytes(self.rule.identity().as_bytes());
        out.i64(self.closed_ms);
        out.i64(self.began_ms);
        let numbers = self.groups.numbers();
        out.count(numbers.len());
        for number in &numbers {
            let empty = Group::default();
            let group = self.groups.all.get(*number as usize).unwrap_or(&empty);
            out.u32(*number);
            out.bytes(&group.labels);
            out.u64(group.total.to_bits());
            out.u64s(&group.buckets);
            out.u8(u8::from(group.is_told));
        }
        let inputs = self.table.iter().filter_map(|(f, n)| Some((f, self.input(*n)?)));
        out.count(inputs.clone().count());
        for (fingerprint, input) in inputs {
            out.fingerprint(*fingerprint);
            out.u32(input.group);
            out.u8(u8::from(input.has_value));
            out.u64(input.value.to_bits());
            out.i64(input.timestamp_ms);
            out.i64(input.seen_ms);
        }
        out.count(self.windows.len());
        for (end_ms, windows) in &self.windows {
            out.i64(*end_ms);
            let filled = windows.iter().enumerate().filter(|(_, window)| !window.is_empty());
            out.count(filled.clone().count());
            for (number, window) in filled {
                out.count(number);
                window.save(out);
            }
        }
    }

    fn restore(rest: &mut Reader<'_>) -> Option<Saved> {
        let (closed_ms, began_ms) = (rest.i64()?, rest.i64()?);
        let groups = rest.list(|rest| {
            let number = rest.u32()?;
            let labels = rest.bytes()?.into();
            let total = f64::from_bits(rest.u64()?);
            let buckets = rest.list(|rest| rest.count(GROUP_COUNT_MAX))?;
            let is_told = rest.u8()? != 0;
            Some((number, Group { labels, n_inputs: 0, total, buckets, is_told }))
        })?;
        let inputs = rest.list(|rest| {
            let fingerprint = rest.fingerprint()?;
            let group = rest.u32()?;
            let has_value = rest.u8()? != 0;
            let value = f64::from_bits(rest.u64()?);
            let (timestamp_ms, seen_ms) = (rest.i64()?, rest.i64()?);
            Some(Input { fingerprint, group, has_value, value, timestamp_ms, seen_ms })
        })?;
        let windows = rest.list(|rest| {
            let end_ms = rest.i64()?;
            Some((end_ms, rest.list(|rest| Some((rest.u32()?, Window::restore(rest)?)))?))
        })?;
        Some(Saved { closed_ms, began_ms, groups, inputs, windows })
    }

    /// Take over what was saved; groups get other numbers.
    fn go_on_with(&mut self, saved: Saved, now_ms: i64) {
        let Saved { closed_ms, began_ms, groups, inputs, windows } = saved;
        let interval_ms = self.rule.parts.interval_ms;
        if closed_ms.abs_diff(now_ms) > APART_MS_MAX || closed_ms.rem_euclid(interval_ms) != 0 {
            return;
        }
        (self.closed_ms, self.began_ms) = (closed_ms, began_ms);
        let numbers: std::collections::HashMap<u32, u32> =
            groups.into_iter().map(|(old, group)| (old, self.groups.add(group))).collect();
        for input in inputs {
            if let Some(group) = numbers.get(&input.group) {
                let seen_ms = input.seen_ms.min(now_ms);
                self.add_input(Input { group: *group, seen_ms, ..input });
            }
        }
        let is_open = |end_ms: i64| end_ms > closed_ms && end_ms.rem_euclid(interval_ms) == 0;
        for (end_ms, filled) in windows.into_iter().filter(|(end_ms, _)| is_open(*end_ms)) {
            let mut open = Vec::new();
            open.resize_with(self.groups.all.len(), Window::default);
            for (old, window) in filled {
                let place = numbers.get(&old).and_then(|number| open.get_mut(*number as usize));
                if let Some(place) = place {
                    *place = window;
                }
            }
            self.windows.insert(end_ms, open);
        }
    }
}

impl Window {
    fn save(&self, out: &mut Writer) {
        out.u64(self.n);
        for value in [self.sum, self.min, self.max, self.last, self.increase] {
            out.u64(value.to_bits());
        }
        out.i64(self.last_ms);
        let empty = More::default();
        let more = self.more.as_deref().unwrap_or(&empty);
        out.u64s(&more.buckets);
        out.count(more.sketch.counts.len());
        for (step, n) in &more.sketch.counts {
            out.i64(i64::from(*step));
            out.u64(*n);
        }
    }

    fn restore(rest: &mut Reader<'_>) -> Option<Self> {
        let n = rest.count(WINDOW_COUNT_MAX)?;
        let mut value = || rest.u64().map(f64::from_bits);
        let (sum, min, max) = (value()?, value()?, value()?);
        let (last, increase) = (value()?, value()?);
        let last_ms = rest.i64()?;
        let buckets = rest.list(|rest| rest.count(WINDOW_COUNT_MAX))?;
        let counts = rest.list(|rest| {
            let step = i32::try_from(rest.i64()?).ok()?;
            Some((step, rest.count(WINDOW_COUNT_MAX)?))
        })?;
        let sketch = Sketch { counts: counts.into_iter().collect() };
        let more = More { buckets, sketch };
        let more = (more != More::default()).then(|| Box::new(more));
        Some(Self { n, sum, min, max, last, last_ms, increase, more })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, n: u8) {
        self.0.push(n);
    }

    fn u32(&mut self, n: u32) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    fn u64(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    fn i64(&mut self, n: i64) {
        self.u64(n.cast_unsigned());
    }

    fn count(&mut self, n: usize) {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn u64s(&mut self, numbers: &[u64]) {
        self.count(numbers.len());
        for n in numbers {
            self.u64(*n);
        }
    }

    fn fingerprint(&mut self, fingerprint: Fingerprint) {
        fingerprint.words().into_iter().for_each(|word| self.u64(word));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.chunk().map(i64::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n_bytes = self.u32()? as usize;
        let (bytes, rest) = self.0.split_at_checked(n_bytes)?;
        self.0 = rest;
        Some(bytes)
    }

    fn fingerprint(&mut self) -> Option<Fingerprint> {
        Some(Fingerprint::of_words([self.u64()?, self.u64()?]))
    }

    /// A number of something, of which there cannot be more than this.
    fn count(&mut self, max: u64) -> Option<u64> {
        self.u64().filter(|n| *n <= max)
    }

    /// A list; memory is taken as items come, whatever is said of their number.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.u32()?;
        (0..n).map(|_| item(self)).collect()
    }
}
