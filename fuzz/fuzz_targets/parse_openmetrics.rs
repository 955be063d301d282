//! OpenMetrics of any bytes: what is accepted ends in `# EOF`, and each of its samples is one line
//! that is accepted alone and as text, but for timestamps and exemplars.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::model::Format;
use weir::parse::{Document, Entry, SampleTokens, parse_entry, parse_value_part};

fuzz_target!(|input: &[u8]| {
    let mut document = Document::new(Format::OpenMetrics);
    let (mut tokens, mut again) = (SampleTokens::default(), SampleTokens::default());
    let mut at = 0;
    while at < input.len() {
        let Ok(Some((entry, n_bytes))) = document.next_at(input, at, true, &mut tokens) else {
            return;
        };
        let line = &input[at..at + n_bytes];
        if entry == Entry::Sample {
            assert_eq!(parse_entry(Format::OpenMetrics, line, &mut again), Ok(Entry::Sample));
            assert_eq!(again.labels, tokens.labels);
            let part = parse_value_part(Format::OpenMetrics, &line[tokens.value_start..]);
            let (value, timestamp_ms, exemplar) = part.expect("it was read before");
            assert_eq!(value.to_bits(), tokens.value.to_bits());
            assert_eq!(timestamp_ms, tokens.timestamp_ms);
            if timestamp_ms.is_none() && exemplar.is_none() {
                assert_eq!(parse_entry(Format::Text, line, &mut again), Ok(Entry::Sample));
                assert_eq!(again.labels, tokens.labels);
            }
        }
        at += n_bytes;
    }
    if document.finish().is_ok() {
        let letters = input.iter().rev().filter(|&&byte| byte != 0 && byte != b'\n');
        assert!(letters.copied().take(5).eq(*b"FOE #"));
    }
});
