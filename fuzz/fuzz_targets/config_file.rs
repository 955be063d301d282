//! A configuration of any bytes is refused, with places that lie in it, or loaded; so is a web
//! configuration, and a document of targets, in either syntax.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use weir::config::file;
use weir::config::parse_target_groups;
use weir::discovery::Syntax;

/// As YAML counts them: a carriage return alone ends a line as well.
fn n_lines(text: &str) -> usize {
    text.replace("\r\n", "\n").split(['\r', '\n']).count()
}

fuzz_target!(|text: &str| {
    if let Err(errors) = file::parse("weir.yaml", text, Path::new("/etc/weir")) {
        for error in &errors {
            assert!(error.line <= n_lines(text) + 1, "beyond the file: {error}");
        }
    }
    let _is_either = file::is_config(text) || file::web::is_web(text);
    if let Err(errors) = file::web::parse("web.yml", text, Path::new("/etc/weir")) {
        for error in &errors {
            assert!(error.line <= n_lines(text) + 1, "beyond the file: {error}");
        }
    }
    for syntax in [Syntax::Json, Syntax::Yaml] {
        if let Ok(groups) = parse_target_groups("targets", text, syntax) {
            let mut labels = groups.iter().flat_map(|group| &group.labels);
            assert!(labels.all(|(name, _)| !name.is_empty()), "a label without a name");
        }
    }
});
