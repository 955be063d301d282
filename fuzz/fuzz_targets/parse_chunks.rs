//! Wherever a document is cut, its entries are the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::model::Format;
use weir::parse::{Entry, ParseError, Parser, SampleTokens};

type Found = (Vec<String>, Result<usize, ParseError>);

fuzz_target!(|input: (bool, Vec<u8>, Vec<u8>)| {
    let (is_text, sizes, document) = input;
    let format = if is_text { Format::Text } else { Format::OpenMetrics };
    let whole = read(format, &document, &[usize::MAX]);
    let sizes: Vec<usize> = sizes.iter().map(|&size| usize::from(size)).collect();
    assert_eq!(read(format, &document, &sizes), whole);
    assert_eq!(read(format, &document, &[1]), whole);
});

fn read(format: Format, mut document: &[u8], sizes: &[usize]) -> Found {
    let mut found = Vec::new();
    let mut visit = |line: &[u8], entry: Entry<'_>, tokens: &SampleTokens| {
        match entry {
            Entry::Blank => {}
            Entry::Sample => {
                let labels = (&tokens.name, &tokens.labels, &tokens.exemplar);
                let value = (tokens.value.to_bits(), tokens.timestamp_ms);
                found.push(format!("{} {labels:?} {value:?}", line.escape_ascii()));
            }
            _ => found.push(format!("{entry:?}")),
        }
        Ok(())
    };
    let mut parser = Parser::new(format);
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(1 << 20));
    while !document.is_empty() {
        let (chunk, rest) = document.split_at(sizes.next().unwrap_or(1).clamp(1, document.len()));
        document = rest;
        if let Err(error) = parser.push(chunk, &mut visit) {
            return (found, Err(error));
        }
    }
    let stats = parser.finish(&mut visit).map(|stats| stats.n_samples);
    (found, stats)
}
