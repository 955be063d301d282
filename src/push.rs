//! What a client of a Pushgateway sends, and a store for it.
//!
//! A push is a path that names a group ([`GroupingKey`]) and a body with families. Bodies are read
//! into one model whatever they are written in, and are written again in one way ([`canonical`]);
//! what is checked is what is stored or sent on. The [`store`] keeps groups, and knows without
//! looking at all of them whether a push fits.
//!
//! Nothing here knows of HTTP, of files or of who pushes.

mod base64;
pub mod body;
pub mod canonical;
mod conflict;
mod family;
mod labels;
mod names;
mod path;
mod protobuf;
pub mod store;
mod text;

pub use base64::decode_standard;
pub use conflict::{Conflict, Conflicts, type_name};
pub use family::{Family, Gauges, Histogram, Summary, Value};
pub use labels::Labels;
pub use names::LabelNames;
pub use path::{GroupingKey, PathError};
pub use protobuf::{ProtobufError, ProtobufErrorKind, read_protobuf};
pub use text::read_text;

#[cfg(test)]
mod tests;
