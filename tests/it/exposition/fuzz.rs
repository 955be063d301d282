//! Inputs on which fuzzing once found a fault: `tests/data/fuzz/parse_*`.

use std::fs;
use std::path::Path;

use weir::model::Format;

use super::properties::check_naive;
use super::read;

#[test]
fn inputs_that_once_broke_the_parser_do_so_no_more() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    let targets = ["parse_text", "parse_openmetrics", "parse_chunks"];
    let files = targets.iter().filter_map(|target| fs::read_dir(dir.join(target)).ok()).flatten();
    for file in files {
        let input = fs::read(file.unwrap().path()).unwrap();
        for format in [Format::Text, Format::OpenMetrics] {
            check_naive(format, &input);
            assert_eq!(read(format, &input, &[1]), read(format, &input, &[]));
        }
    }
}
