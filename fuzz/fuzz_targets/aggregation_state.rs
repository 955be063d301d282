//! A state of aggregation with any bytes in the place of some: it is refused, or what was read is
//! saved as the same, and goes on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;
use weir::config::file;
use weir::model::FingerprintKey;
use weir::model::fingerprint::KEY_WORDS;
use weir::stream::{Aggregator, Rule, Staged};
use weir::wire::{Labels, Sample};

const CONFIG: &str = "aggregate:
- match: m.*
  interval: 1m
  without: [pod]
  outputs: [sum_samples, count_samples, last, min, max, avg, total, increase]
- {match: h.*, interval: 30s, by: [job], outputs: [histogram_bucket], buckets: [1, 5]}
- {match: q.*, interval: 30s, by: [job], outputs: [quantiles], quantiles: [0.5, 0.99]}
";
const NOW_MS: i64 = 1_700_000_000_000;
const RANDOM: [u64; KEY_WORDS] = [3; KEY_WORDS];
/// Magic, version and the random words.
const HEAD_BYTES: usize = 8 + 8 * KEY_WORDS;
const CHECK_BYTES: usize = 16;

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    file::parse("weir.yaml", CONFIG, Path::new("/")).expect("it is in order").streams
});

fn key() -> FingerprintKey {
    FingerprintKey::new(|| 3)
}

/// Push a sample of two series of each name.
fn push(aggregator: &mut Aggregator, value: f64, now_ms: i64) {
    let mut staged = Staged::default();
    for name in ["m", "h", "q"] {
        for pod in ["a", "b"] {
            let labels: [(&[u8], &[u8]); 3] =
                [(b"__name__", name.as_bytes()), (b"job", b"j"), (b"pod", pod.as_bytes())];
            let fingerprint = key().of([name, pod].concat().as_bytes());
            let sample = Sample { value, timestamp_ms: now_ms, start_timestamp_ms: 0 };
            let labels = Labels::of_pairs(&labels);
            let _goes_on = aggregator.stage(fingerprint, &labels, &[sample], now_ms, &mut staged);
        }
    }
    aggregator.commit(&mut staged, now_ms);
}

/// A state with something of everything.
fn state() -> Vec<u8> {
    let mut aggregator = Aggregator::new(RULES.clone(), NOW_MS - 120_000);
    for (value, before_ms) in [(1.0, 100_000), (3.0, 90_000), (2.0, 20_000), (7.5, 1000)] {
        push(&mut aggregator, value, NOW_MS - before_ms);
    }
    aggregator.flush(NOW_MS - 30_000, |_, _| {});
    aggregator.save(&RANDOM)
}

static STATE: LazyLock<Vec<u8>> = LazyLock::new(state);

fuzz_target!(|input: (u16, u8, Vec<u8>)| {
    let (at, n_gone, bytes) = input;
    let mut state = STATE.clone();
    state.truncate(state.len() - CHECK_BYTES);
    let at = HEAD_BYTES + usize::from(at) % (state.len() - HEAD_BYTES + 1);
    let end = (at + usize::from(n_gone)).min(state.len());
    state.splice(at..end, bytes);
    for word in key().of(&state).words() {
        state.extend_from_slice(&word.to_le_bytes());
    }
    let Ok((mut aggregator, random)) = Aggregator::restore(RULES.clone(), &state, NOW_MS) else {
        return;
    };
    assert_eq!(random, RANDOM);
    let saved = aggregator.save(&random);
    let (again, _) =
        Aggregator::restore(RULES.clone(), &saved, NOW_MS).expect("what is saved can be restored");
    // Series come in any order.
    assert_eq!(again.save(&random).len(), saved.len());
    push(&mut aggregator, 9.0, NOW_MS);
    for now_ms in [NOW_MS, NOW_MS + 300_000] {
        aggregator.flush(now_ms, |labels, _| assert!(!labels.metric_name().is_empty()));
    }
    push(&mut aggregator, 1.0, NOW_MS + 300_001);
    aggregator.save(&random);
});
