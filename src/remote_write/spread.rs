//! Which URL, and which request of several, a series goes to.

use crate::wire::Labels;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Spreads series over the URLs of a destination, the same way in every process: a URL that comes
/// or goes moves only the series it takes or leaves.
#[derive(Debug)]
pub(super) struct Spread {
    /// A number for each URL.
    urls: Vec<u64>,
    /// By which labels; all if there is none.
    labels: Vec<Vec<u8>>,
}

impl Spread {
    pub(super) fn new(urls: &[String], labels: &[String]) -> Self {
        let number = |url: &String| {
            let mut hasher = SipHasher13::new();
            hasher.write(url.as_bytes());
            hasher.finish()
        };
        Self {
            urls: urls.iter().map(number).collect(),
            labels: labels.iter().map(|name| name.clone().into_bytes()).collect(),
        }
    }

    pub(super) fn n_queues(&self) -> usize {
        self.urls.len()
    }

    pub(super) fn queue_of(&self, labels: Labels<'_>) -> usize {
        if self.urls.len() <= 1 {
            return 0;
        }
        let of_series = hash_of(labels, &self.labels);
        let scores = self.urls.iter().enumerate().map(|(at, url)| (mix(url ^ of_series), at));
        scores.max().map_or(0, |(_, at)| at)
    }
}

/// The request of `n` that a series goes to.
pub(super) fn shard_of(labels: Labels<'_>, n: usize) -> usize {
    let hash = hash_of(labels, &[]);
    usize::try_from(hash % n.max(1) as u64).unwrap_or(0)
}

/// A number for the labels of a series, whatever their order; for some of them if `only` says so.
fn hash_of(labels: Labels<'_>, only: &[Vec<u8>]) -> u64 {
    let mut sum = 0_u64;
    for (name, value) in &labels {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            let mut hasher = SipHasher13::new();
            hasher.write(name);
            hasher.write_u8(0xff);
            hasher.write(value);
            sum = sum.wrapping_add(hasher.finish());
        }
    }
    mix(sum)
}

/// Every bit of the result depends on every bit of the argument (`splitmix64`).
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(n: usize) -> Vec<String> {
        (0..n).map(|at| format!("http://h{at}/")).collect()
    }

    fn queue_of(spread: &Spread, pod: usize, node: &str) -> usize {
        let pod = pod.to_string();
        let pairs: [(&[u8], &[u8]); 3] =
            [(b"__name__", b"up"), (b"node", node.as_bytes()), (b"pod", pod.as_bytes())];
        spread.queue_of(Labels::of_pairs(&pairs))
    }

    #[test]
    fn series_are_spread_evenly_and_few_move() {
        let (four, five) = (Spread::new(&urls(4), &[]), Spread::new(&urls(5), &[]));
        let mut counts = [0; 4];
        let mut n_moved = 0;
        for pod in 0..4000 {
            let (old, new) = (queue_of(&four, pod, "a"), queue_of(&five, pod, "a"));
            counts[old] += 1;
            n_moved += usize::from(old != new);
            assert!(old == new || new == 4, "it moves to the new one only");
        }
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
        assert!((650..950).contains(&n_moved), "{n_moved}");
    }

    #[test]
    fn only_the_named_labels_count() {
        let spread = Spread::new(&urls(4), &["node".to_owned()]);
        let first = queue_of(&spread, 0, "a");
        assert!((0..100).all(|pod| queue_of(&spread, pod, "a") == first));
        let nodes = (0..100).map(|node| queue_of(&spread, 0, &node.to_string()));
        assert_eq!(nodes.collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
