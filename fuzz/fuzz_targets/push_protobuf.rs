//! Bodies of pushes in protobuf: what is read is written as text that is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::lint::RuleSet;
use weir::model::Format;
use weir::push::body::{Families, ReadConfig};
use weir::push::canonical::write_families;
use weir::push::{GroupingKey, LabelNames, read_protobuf, read_text};

fn write(families: &Families) -> Vec<u8> {
    write_families(families.iter().map(|(name, family)| (&**name, family)))
}

fuzz_target!(|input: &[u8]| {
    let names = LabelNames::Utf8;
    let config = ReadConfig { names, series_max: 10_000, line_bytes_max: 1 << 20 };
    let Ok(key) = GroupingKey::from_path("/metrics/job/x", names) else { return };
    let Ok(families) = read_protobuf(input, &key, config) else { return };
    let text = write(&families);
    // Two families may be one in text, as `a_sum` beside a summary `a`; the store refuses those.
    if let Ok((again, _)) = read_text(Format::Text, &text, &key, config, RuleSet::NONE, || 4) {
        assert!(again.len() <= families.len());
    }
});
