//! A file for the generator of any bytes is refused, with places that lie in it, or gives pages at
//! any instant, in bounded time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::config::generate::Document;
use weir::generate::generator::Generator;
use weir::generate::generator::Limits;
use weir::model::Format;

fuzz_target!(|input: (&str, i64)| {
    let (text, time_ms) = input;
    let no_files = |path: &str| Err(format!("{path} is not there"));
    let (_, spec) = match Document::read("generate.yaml", text, &[], &no_files) {
        Ok(read) => read,
        Err(errors) => {
            for error in &errors {
                assert!(error.line <= text.lines().count() + 1, "beyond the file: {error}");
            }
            return;
        }
    };
    let Ok(generator) = Generator::new(&spec, &Limits { n_series_max: 10_000 }) else { return };
    for format in [Format::Text, Format::OpenMetrics] {
        let mut page = Vec::new();
        generator.page(0, time_ms, format).fill(&mut page, 1 << 16);
    }
    generator.history(0, time_ms, time_ms.saturating_add(10), 1).fill(&mut Vec::new(), 1 << 16);
});
