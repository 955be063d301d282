//! Generators for benches: presets with parameters of their own, and small configurations.
#![allow(dead_code, reason = "each bench uses its own part")]

use weir::config::generate::Document;
use weir::generate::generator::Generator;
use weir::generate::generator::Limits;
use weir::generate::presets;
use weir::model::Format;

/// Bytes of a piece, as the server makes them.
const PIECE_BYTES: usize = 64 << 10;

/// A preset, some of its parameters set.
pub(crate) fn preset(name: &str, set: &[(&str, usize)]) -> Generator {
    compile(presets::text(name).expect("there is this preset"), set)
}

/// What a configuration says.
pub(crate) fn compile(text: &str, set: &[(&str, usize)]) -> Generator {
    let set: Vec<(String, String)> =
        set.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    let no_files = |path: &str| Err(format!("{path} is not there"));
    let read = Document::read("bench", text, &set, &no_files);
    let (_, spec) = read.unwrap_or_else(|errors| panic!("{errors}"));
    Generator::new(&spec, &Limits::default()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// Make the text of a page, a piece at a time, and hand each on.
pub(crate) fn for_each_piece(
    generator: &Generator,
    time_ms: i64,
    piece: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]),
) {
    let mut page = generator.page(0, time_ms, Format::Text);
    let mut is_more = true;
    while is_more {
        piece.clear();
        is_more = page.fill(piece, PIECE_BYTES);
        take(piece);
    }
}

/// A page in one piece.
pub(crate) fn page(generator: &Generator, time_ms: i64) -> Vec<u8> {
    let mut text = Vec::new();
    for_each_piece(generator, time_ms, &mut Vec::new(), |piece| text.extend_from_slice(piece));
    text
}
