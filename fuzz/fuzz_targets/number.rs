//! A value that is read can be written, and reads back as the same number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::model::number::{parse_value, write_value};

fuzz_target!(|text: &[u8]| {
    let Some(value) = parse_value(text) else { return };
    let mut written = Vec::new();
    write_value(&mut written, value);
    let back = parse_value(&written).expect("what is written can be read");
    assert_eq!(back.to_bits(), value.to_bits(), "{text:?} became {written:?}");
});
