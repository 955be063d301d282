//! The JSON schema of a generator's file, printed from the tables the decoder reads.

use crate::config::generate::shape::Field;
use crate::config::generate::shape::Shape;
use crate::config::generate::shape::Type;
use crate::config::generate::tables;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Roughly a Prometheus duration: order of the units and being above 0 are beyond a pattern.
const DURATION: &str = "^([0-9]+(ms|[ywdhms]))+$";
const ANY_DURATION: &str = "^(0|([0-9]+(ms|[ywdhms]))+)$";
/// RFC 3339, or a date; whether there is such a day is beyond a pattern.
const TIME: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$";
/// Something with a parameter in it, which may become anything.
const PARAMETER: &str = "\\$\\{";

/// The schema of a whole file, JSON Schema 2020-12.
pub fn file_schema() -> Value {
    let mut definitions = Definitions::default();
    let file = definitions.of(&tables::ANY_FILE);
    definitions.finish(
        "https://json-schema.org/draft/2020-12/schema",
        "A configuration of weir generate.",
        file,
    )
}

/// The schema of one family, and those of the definitions it refers to under `prefix`.
pub fn family_schemas(prefix: &'static str) -> (Value, Map<String, Value>) {
    let mut definitions = Definitions { prefix, ..Definitions::default() };
    let family = definitions.of(&Type::ByWord(tables::FAMILIES));
    (family, definitions.done)
}

struct Definitions {
    prefix: &'static str,
    done: Map<String, Value>,
}

impl Default for Definitions {
    fn default() -> Self {
        Self { prefix: "#/$defs/", done: Map::new() }
    }
}

impl Definitions {
    fn finish(self, dialect: &str, about: &str, root: Value) -> Value {
        let mut schema =
            json!({ "$schema": dialect, "title": "weir generate", "description": about });
        if let (Value::Object(schema), Value::Object(root)) = (&mut schema, root) {
            schema.extend(root);
            schema.insert("$defs".to_owned(), Value::Object(self.done));
        }
        schema
    }

    fn of(&mut self, holds: &Type) -> Value {
        match holds {
            // YAML's numbers and words are text where text is wanted.
            Type::Text | Type::Scalar => json!({ "type": ["string", "number", "boolean"] }),
            Type::Word(words) => json!({ "enum": words }),
            Type::Number => or_parameter(json!({ "type": "number" })),
            Type::Value => or_parameter(value()),
            Type::Sample => or_parameter(json!({ "anyOf": [value(), { "type": "null" }] })),
            Type::Whole => or_parameter(json!({ "type": "integer", "minimum": 0 })),
            Type::Integer => or_parameter(json!({ "type": "integer" })),
            Type::Bool => or_parameter(json!({ "type": "boolean" })),
            Type::Duration => or_parameter(json!({ "type": "string", "pattern": DURATION })),
            Type::AnyDuration => or_parameter(json!({
                "anyOf": [{ "type": "string", "pattern": ANY_DURATION }, { "const": 0 }]
            })),
            Type::Time => or_parameter(json!({
                "anyOf": [{ "type": "string", "pattern": TIME }, { "type": "number" }]
            })),
            Type::Extent => or_parameter(json!({
                "anyOf": [
                    { "type": "string", "pattern": DURATION },
                    { "type": "integer", "minimum": 0 }
                ]
            })),
            Type::Signal => {
                let named = self.of(&Type::OneOf(&tables::SIGNAL));
                or_parameter(json!({ "anyOf": [{ "type": "number" }, named] }))
            }
            Type::Distribution => self.of(&Type::OneOf(&tables::DISTRIBUTION)),
            Type::SeedNode => self.of(&Type::OneOf(&tables::seed::NODE)),
            Type::List(item) => json!({ "type": "array", "items": self.of(item) }),
            Type::Map(value) => json!({ "type": "object", "additionalProperties": self.of(value) }),
            Type::Object(shape) => self.reference(shape, |_| {}),
            Type::OneOf(shape) => self.reference(shape, |schema| {
                schema.insert("minProperties".to_owned(), json!(1));
                schema.insert("maxProperties".to_owned(), json!(1));
            }),
            Type::Choice(shapes) | Type::ByWord(shapes) => {
                let shapes: Vec<_> = shapes.iter().map(|s| self.reference(s, |_| {})).collect();
                json!({ "anyOf": shapes })
            }
            Type::Either(types) => {
                let types: Vec<_> = types.iter().map(|holds| self.of(holds)).collect();
                json!({ "anyOf": types })
            }
        }
    }

    /// A reference to a shape, which is defined when it is met first.
    fn reference(&mut self, shape: &Shape, adjust: fn(&mut Map<String, Value>)) -> Value {
        let name = shape.name.replace(' ', "_");
        if !self.done.contains_key(&name) {
            // Shapes refer to themselves.
            self.done.insert(name.clone(), Value::Null);
            let mut schema = self.object(shape);
            adjust(&mut schema);
            self.done.insert(name.clone(), Value::Object(schema));
        }
        json!({ "$ref": format!("{}{name}", self.prefix) })
    }

    fn object(&mut self, shape: &Shape) -> Map<String, Value> {
        let mut properties = Map::new();
        for field in shape.all() {
            properties.insert(field.name.to_owned(), self.field(field));
        }
        let required: Vec<_> =
            shape.all().filter(|field| field.required).map(|field| field.name).collect();
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("additionalProperties".to_owned(), json!(false));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if !shape.needs.is_empty() {
            let needs: Vec<_> =
                shape.needs.iter().map(|name| json!({ "required": [name] })).collect();
            schema.insert("anyOf".to_owned(), json!(needs));
        }
        schema
    }

    fn field(&mut self, field: &Field) -> Value {
        let mut schema = self.of(&field.holds);
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(field.about));
        }
        schema
    }
}

fn value() -> Value {
    json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Inf", "+Inf", "-Inf"] }] })
}

fn or_parameter(schema: Value) -> Value {
    let parameter = json!({ "type": "string", "pattern": PARAMETER });
    Value::Object(Map::from_iter([("anyOf".to_owned(), Value::Array(vec![schema, parameter]))]))
}
