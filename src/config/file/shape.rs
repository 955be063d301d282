//! What a configuration file may hold, as tables: the decoder and the JSON schema read the same.
//!
//! An [`Object`] names its keys once. A key that is in no table is an error of the file; a key that
//! is in a table and that no decoder knows fails a test.

use super::super::decode;
use super::super::decode::Entry;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::node::Node;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Durations as Prometheus writes them.
const DURATION_PATTERN: &str =
    "^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$";
/// Sizes as Prometheus writes them; all units are powers of 1024.
const SIZE_PATTERN: &str = "^[0-9]+(\\.[0-9]+)?([KMGTPE]i?)?B$";

/// One key of a map.
#[derive(Debug)]
pub(super) struct Key {
    /// As it is written.
    pub(super) name: &'static str,
    /// What may stand behind it.
    pub(super) shape: Shape,
    /// What it is for, in a sentence.
    pub(super) about: &'static str,
}

/// What may stand behind a key.
#[derive(Debug)]
pub(super) enum Shape {
    /// Text.
    Text,
    /// Text that may look like something else.
    Scalar,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number, one or more.
    Count,
    /// A duration.
    Duration,
    /// A number of bytes.
    Size,
    /// A list of such values.
    List(&'static Self),
    /// A map of names nobody knows beforehand.
    MapOf(&'static Self),
    /// A map of known keys.
    Object(&'static Object),
    /// One of these.
    Either(&'static [Self]),
}

/// A map of known keys.
#[derive(Debug)]
pub(super) struct Object {
    /// What to call it when something else stands there.
    pub(super) wanted: &'static str,
    /// Its own keys.
    pub(super) keys: &'static [Key],
    /// Objects whose keys stand among its own.
    pub(super) inline: &'static [&'static Self],
    /// Keys that may not be left out.
    pub(super) required: &'static [&'static str],
}

impl Object {
    /// Every key, inlined ones included.
    pub(super) fn all_keys(&self) -> Vec<&'static Key> {
        let inlined = self.inline.iter().flat_map(|object| object.all_keys());
        self.keys.iter().chain(inlined).collect()
    }

    /// The fields of a map that are known and hold something; whatever else is there is reported.
    ///
    /// A null is as good as nothing, as for Prometheus.
    pub(super) fn fields<'n>(
        &self,
        node: &'n Node,
        path: &Path,
        report: &mut Report,
    ) -> Vec<Entry<'n>> {
        let entries = decode::fields(node, self.wanted, path, report);
        let Some(mut entries) = entries else { return Vec::new() };
        let names: Vec<_> = self.all_keys().iter().map(|key| key.name).collect();
        entries.retain(|entry| {
            let is_known = names.contains(&&*entry.name);
            if !is_known {
                decode::unknown_field(entry, &names, path, report);
            }
            is_known && !entry.value.is_null()
        });
        for name in self.required {
            if !entries.iter().any(|entry| entry.name == *name) {
                report.error(node.at, path, format!("{name} is missing"));
            }
        }
        entries
    }

    fn schema(&self) -> Value {
        let mut properties = Map::new();
        for key in self.all_keys() {
            let mut schema = key.shape.schema();
            if let Value::Object(schema) = &mut schema {
                schema.insert("description".to_owned(), key.about.into());
            }
            properties.insert(key.name.to_owned(), schema);
        }
        let mut schema = json!({
            "type": "object", "additionalProperties": false, "properties": properties,
        });
        if let (false, Value::Object(schema)) = (self.required.is_empty(), &mut schema) {
            schema.insert("required".to_owned(), json!(self.required));
        }
        schema
    }
}

/// Report a key that is in a table and that the decoder does not know.
pub(super) fn forgotten(entry: &Entry<'_>, path: &Path, report: &mut Report) {
    report.error(entry.at, path, format!("{:?} is not decoded", entry.name));
}

impl Shape {
    fn schema(&self) -> Value {
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Scalar => json!({"type": ["string", "number", "boolean", "null"]}),
            Self::Word(words) => json!({"enum": words}),
            Self::Bool => json!({"type": "boolean"}),
            Self::Count => json!({"type": "integer", "minimum": 1}),
            Self::Duration => json!({"type": ["string", "integer"], "pattern": DURATION_PATTERN}),
            Self::Size => json!({"type": ["string", "integer"], "pattern": SIZE_PATTERN}),
            Self::List(items) => json!({"type": "array", "items": items.schema()}),
            Self::MapOf(values) => {
                json!({"type": "object", "additionalProperties": values.schema()})
            }
            Self::Object(object) => object.schema(),
            Self::Either(shapes) => {
                json!({"anyOf": shapes.iter().map(Self::schema).collect::<Vec<_>>()})
            }
        }
    }
}

/// The JSON schema (draft 2020-12) of a file whose top is `top`.
pub(super) fn schema(top: &Object, title: &str) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), title.into());
    if let Value::Object(rest) = top.schema() {
        schema.extend(rest);
    }
    Value::Object(schema)
}
