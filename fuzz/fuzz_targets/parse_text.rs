//! Text 0.0.4 of any bytes: parts lie in their lines, errors too, and the quick way to read a
//! sample and the grammar agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::model::Format;
use weir::parse::{Document, Entry, SampleTokens, parse_entry};

fuzz_target!(|input: &[u8]| {
    let mut document = Document::new(Format::Text);
    let (mut tokens, mut again) = (SampleTokens::default(), SampleTokens::default());
    let mut at = 0;
    while at < input.len() {
        let (entry, n_bytes) = match document.next_at(input, at, true, &mut tokens) {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(error) => {
                let n_lines = input.split(|&byte| byte == b'\n').count();
                assert!(error.line <= n_lines && error.column <= input.len() + 1, "{error}");
                return;
            }
        };
        if entry == Entry::Sample {
            // A blank in front is stripped, and keeps a line from the quick way.
            let line = [b" ", &input[at..at + n_bytes]].concat();
            assert_eq!(parse_entry(Format::Text, &line, &mut again), Ok(Entry::Sample));
            assert_eq!(again.value.to_bits(), tokens.value.to_bits());
            assert_eq!(again.timestamp_ms, tokens.timestamp_ms);
            assert_eq!(again.labels.len(), tokens.labels.len());
            for (a, b) in again.labels.iter().zip(&tokens.labels) {
                assert_eq!(a.name.of(&line), b.name.of(&input[at..]));
                assert_eq!(a.value.of(&line), b.value.of(&input[at..]));
                assert!(std::str::from_utf8(a.value.of(&line)).is_ok());
            }
        }
        assert!(n_bytes > 0 && at + n_bytes <= input.len());
        at += n_bytes;
    }
    assert_eq!(document.finish().map(|stats| stats.n_samples > input.len()), Ok(false));
});
