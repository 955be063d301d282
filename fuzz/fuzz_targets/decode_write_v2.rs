//! A request of 2.0 of any bytes: what can be read can be written in both versions, and what was
//! written reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::wire::Version;

#[path = "../support/rewrite.rs"]
mod rewrite;

fuzz_target!(|body: &[u8]| rewrite::check(Version::V2, body));
