//! An answer to a scrape or a push of any bytes: read or refused, and the same in whatever pieces it
//! comes.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use weir::http::h1::read_answer;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (step, bytes) = input;
    let step = usize::from(step) + 1;
    let whole = read_answer([Bytes::copy_from_slice(&bytes)]);
    let cut = read_answer(bytes.chunks(step).map(Bytes::copy_from_slice));
    assert_eq!(whole.as_ref().ok(), cut.as_ref().ok(), "pieces of {step} make a difference");
    // No body is longer than what came, and nothing is made of a head alone.
    let body = whole.map(|(_, body, _)| body).unwrap_or_default();
    assert!(body.len() < bytes.len().max(1));
});
