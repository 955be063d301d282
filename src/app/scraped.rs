//! What whoever scrapes and sends adds to series: where they are from, and stale markers when they
//! have gone. As Prometheus does it.

use crate::model::LabelSet;
use crate::wire::STALE_MARKER_BITS;
use crate::wire::Sample;
use std::collections::HashMap;

/// Add `job` and `instance`. What comes with labels of these names keeps them as `exported_job`
/// and `exported_instance`.
pub(super) fn attach(labels: &mut LabelSet, job: &[u8], instance: &[u8]) {
    let own: [(&[u8], &[u8]); 2] = [(b"job", job), (b"instance", instance)];
    for (name, value) in own {
        let theirs = labels.get(name).to_vec();
        if !theirs.is_empty() {
            let mut exported = [b"exported_", name].concat();
            while !labels.get(&exported).is_empty() {
                exported.splice(..0, *b"exported_");
            }
            labels.set(&exported, &theirs);
        }
        labels.set(name, value);
    }
}

/// The end of a series.
pub(super) fn stale(timestamp_ms: i64) -> Sample {
    Sample { value: f64::from_bits(STALE_MARKER_BITS), timestamp_ms, ..Sample::default() }
}

/// The series of the last scrape.
#[derive(Debug, Default)]
pub(super) struct Alive {
    /// Each with the number of the scrape that had it last.
    series: HashMap<Box<[u8]>, u64>,
    nth: u64,
    key: Vec<u8>,
}

impl Alive {
    /// The next scrape begins.
    pub(super) fn begin(&mut self) {
        self.nth += 1;
    }

    /// A scrape has a series; says whether the one before had it not.
    pub(super) fn is_new<'l>(
        &mut self,
        labels: impl Iterator<Item = (&'l [u8], &'l [u8])>,
    ) -> bool {
        write_key(labels, &mut self.key);
        if let Some(seen) = self.series.get_mut(&self.key[..]) {
            *seen = self.nth;
            return false;
        }
        self.series.insert(self.key.clone().into(), self.nth);
        true
    }

    /// Forget, and hand over, the series this scrape did not have.
    pub(super) fn end_gone(&mut self, mut ended: impl FnMut(&[(&[u8], &[u8])])) {
        let nth = self.nth;
        self.series.retain(|key, seen| {
            if *seen == nth {
                return true;
            }
            ended(&read_key(key));
            false
        });
    }
}

/// Labels as bytes that no other labels have: lengths in front.
fn write_key<'l>(labels: impl Iterator<Item = (&'l [u8], &'l [u8])>, key: &mut Vec<u8>) {
    key.clear();
    for (name, value) in labels {
        for text in [name, value] {
            key.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            key.extend_from_slice(text);
        }
    }
}

/// The labels of a key.
fn read_key(key: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut rest = key;
    let mut next = || {
        let (n_bytes, after) = rest.split_first_chunk::<4>()?;
        let (text, after) = after.split_at_checked(u32::from_le_bytes(*n_bytes) as usize)?;
        rest = after;
        Some(text)
    };
    std::iter::from_fn(|| Some((next()?, next()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: &[(&str, &str)]) -> LabelSet {
        let mut set = LabelSet::new();
        for (name, value) in labels {
            set.set(name.as_bytes(), value.as_bytes());
        }
        set
    }

    #[test]
    fn what_comes_with_labels_of_the_same_names_keeps_them() {
        let mut labels = set(&[("job", "a"), ("exported_job", "b"), ("instance", "c")]);
        attach(&mut labels, b"j", b"i");
        let want = set(&[
            ("exported_exported_job", "a"),
            ("exported_instance", "c"),
            ("exported_job", "b"),
            ("instance", "i"),
            ("job", "j"),
        ]);
        assert!(labels.iter().eq(want.iter()), "{labels:?}");
    }

    #[test]
    fn series_end_once() {
        let mut alive = Alive::default();
        let (a, b) = (set(&[("__name__", "a"), ("x", "\"1")]), set(&[("__name__", "b")]));
        let ended = |alive: &mut Alive| {
            let mut all = Vec::new();
            alive.end_gone(|labels| {
                let labels = labels.iter().map(|(n, v)| (n.to_vec(), v.to_vec()));
                all.push(labels.collect::<Vec<_>>());
            });
            all
        };
        alive.begin();
        assert!(alive.is_new(a.iter()) && alive.is_new(b.iter()) && !alive.is_new(a.iter()));
        assert_eq!(ended(&mut alive).len(), 0);
        alive.begin();
        assert!(!alive.is_new(b.iter()));
        let gone: Vec<_> = a.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
        assert_eq!(ended(&mut alive), [gone]);
        assert_eq!(ended(&mut alive).len(), 0);
        alive.begin();
        assert!(alive.is_new(a.iter()), "it comes back");
        assert_eq!(ended(&mut alive).len(), 1);
    }
}
