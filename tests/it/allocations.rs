//! What a scrape of known series allocates: nothing a line.

use allocation_counter::measure;
use weir::aggregate::choice::Merging;
use weir::aggregate::merge::{Counters, MergePolicy};
use weir::engine::{Engine, EngineConfig, TargetConfig};
use weir::ledger::ReadLimits;
use weir::model::{FingerprintKey, Format};
use weir::relabel::Rules;

use crate::nginx_body as nginx;

/// Allocations a scrape may make, however many lines it has.
const PER_SCRAPE_MAX: u64 = 40;

fn engine() -> Engine {
    let limits = ReadLimits { line_bytes_max: 1 << 20, series_max: 1 << 30, labels_max: 128 };
    let config = EngineConfig {
        n_outputs: 1,
        limits,
        merging: Merging {
            policy: MergePolicy::Typed,
            counters: Counters::Raw,
            ..Merging::default()
        },
    };
    let mut engine = Engine::new(&config, FingerprintKey::new(|| 11));
    engine.add_target(&TargetConfig::new(vec![Rules::default()]));
    engine
}

/// Allocations of one scrape, in pieces as the network gives them.
fn allocations(engine: &mut Engine, body: &[u8]) -> u64 {
    let counted = measure(|| {
        let mut reader = engine.reader(0, Format::Text);
        for chunk in body.chunks(64 << 10) {
            reader.push(chunk).unwrap();
        }
        let read = reader.finish().unwrap();
        engine.commit(0, read);
    });
    counted.count_total
}

#[test]
fn a_known_line_allocates_nothing() {
    for n_ingresses in [1, 20] {
        let body = |scrape| nginx::Body::new(n_ingresses, 3).scrape_no(scrape).bytes();
        let mut engine = engine();
        let cold = allocations(&mut engine, &body(0));
        assert!(cold > PER_SCRAPE_MAX, "the counter counts: {cold}");
        allocations(&mut engine, &body(1));
        let warm = allocations(&mut engine, &body(2));
        let n_lines = n_ingresses * nginx::N_PER_INGRESS;
        assert!(warm <= PER_SCRAPE_MAX, "{warm} allocations for {n_lines} known lines");
    }
}
