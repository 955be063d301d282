//! What a client of a Pushgateway sends: so far, the path that names a group.
//!
//! Nothing here knows of HTTP, of bodies or of where a push goes.

mod base64;
mod names;
mod path;

pub use names::LabelNames;
pub use path::{GroupingKey, PathError};

#[cfg(test)]
mod tests;
