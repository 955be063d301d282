//! A rules file of any bytes is refused or loaded, and what is loaded can be applied.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::config::parse_relabel_file;
use weir::model::LabelSet;
use weir::relabel::{Scratch, Verdict};

fuzz_target!(|text: &str| {
    let Ok(file) = parse_relabel_file("rules.yaml", text) else { return };
    let mut scratch = Scratch::default();
    for set in [&file.main].into_iter().chain(file.subsets.iter().map(|(_, set)| set)) {
        let mut labels = LabelSet::new();
        labels.push(b"__name__", b"http_requests_total");
        labels.push(b"code", b"200");
        labels.push(b"path", "/\u{e9}\"\\\n".as_bytes());
        labels.sort();
        if set.rules.apply(&mut labels, &mut scratch) != Verdict::Keep {
            continue;
        }
        assert!(labels.duplicate().is_none(), "a label twice");
        assert!(labels.iter().is_sorted_by_key(|(name, _)| name), "labels out of order");
        assert!(labels.iter().all(|(_, value)| !value.is_empty()), "an empty label kept");
    }
});
