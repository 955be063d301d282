//! Whatever is learned can be written, read again and generated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::config::generate::Document;
use weir::generate::generator::Generator;
use weir::generate::generator::Limits;
use weir::generate::learn::Second;
use weir::generate::learn::learn;
use weir::model::Format;

fuzz_target!(|input: (bool, &[u8], Option<&[u8]>)| {
    let (is_text, first, second) = input;
    let format = if is_text { Format::Text } else { Format::OpenMetrics };
    let second = second.map(|text| Second { text, after_seconds: 15.0 });
    let Ok(learned) = learn(first, second, format) else { return };
    let no_files = |path: &str| Err(format!("{path} is not there"));
    let (_, spec) = Document::read("learned", &learned.yaml(0), &[], &no_files)
        .unwrap_or_else(|errors| panic!("{errors}"));
    assert!(spec == learned.spec, "the file says something else");
    // It may be larger than the limit.
    Generator::new(&spec, &Limits::default()).ok();
});
