//! Paths of pushes: what is read is written so that it is read again as the same group.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::push::{GroupingKey, LabelNames};

fuzz_target!(|input: &str| {
    for names in [LabelNames::Legacy, LabelNames::Utf8] {
        for path in [input.to_owned(), format!("/metrics/job/x/{input}")] {
            if let Ok(key) = GroupingKey::from_path(&path, names) {
                assert!(!key.job().is_empty());
                assert_eq!(GroupingKey::from_path(&key.to_path(names), names), Ok(key));
            }
        }
    }
});
