//! A compressed body of any bytes: decoded within the limit or refused; and any bytes survive
//! being compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::wire::snappy::Snappy;

const MAX: usize = 1 << 20;

fuzz_target!(|body: &[u8]| {
    let mut snappy = Snappy::new();
    if let Ok(decoded) = snappy.decompress(body, MAX) {
        assert!(decoded.len() <= MAX);
    }
    let mut compressed = Vec::new();
    snappy.compress(body, &mut compressed).expect("it is far below 4 GiB");
    assert!(snappy.decompress(&compressed, body.len()) == Ok(body));
});
