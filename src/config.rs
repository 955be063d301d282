//! Configuration files: YAML text in, validated values out, or every error with its place.
//!
//! Text becomes a tree of nodes that know their line and column; `decode` turns nodes into
//! typed fields and collects what is wrong; `relabel` does so for relabelling rules. A further
//! kind of file is a further module beside it. Loading is strict: an unknown or repeated field is
//! an error, and so is whatever Prometheus refuses.
//!
//! This module reads no files and starts nothing; text and its name are arguments.

mod decode;
mod error;
pub mod file;
pub mod generate;
mod nearest;
mod node;
mod relabel;
mod scalar;
mod target_groups;

pub use error::ConfigErrors;
pub use error::Finding;
pub use relabel::MAIN_KEY;
pub use relabel::RelabelFile;
pub use relabel::RuleList;
pub use relabel::RuleSet;
pub use relabel::parse_relabel_file;
pub use relabel::parse_rules_list;
pub use target_groups::parse_target_groups;
