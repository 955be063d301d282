//! The decoder and the JSON schema accept and refuse the same.

use super::super::prepared;
use super::super::spec;
use super::super::text::from_json;
use crate::config::decode::Report;
use crate::config::generate::file_schema;
use serde_json::Value;
use serde_json::json;
use std::collections::HashSet;

#[path = "../../../../tests/it/json_schema.rs"]
mod json_schema;
use json_schema::misfit;

/// What a schema cannot say, or would say at great length: parts of the decoder's messages.
const BEYOND_A_SCHEMA: [&str; 10] = [
    "give one of them",
    "the field \"count\" is missing",
    "a rate has none",
    "label mismatch",
    "endValue belongs to",
    "a range has two ends",
    "the duration has to be positive",
    "the list has",
    "is not a time", // a day that is none
    "is not a duration",
];

/// Which variants of a schema are made: how often a definition may hold itself.
struct Variants<'s> {
    root: &'s Value,
    inside: Vec<&'s str>,
}

impl<'s> Variants<'s> {
    /// One value that fits.
    fn example(&mut self, schema: &'s Value) -> Value {
        if let Some(target) = self.target(schema) {
            return self.example(target);
        }
        if let Some(choices) = schema.get("anyOf").filter(|_| schema.get("type").is_none()) {
            return self.example(&choices[0]);
        }
        if let Some(words) = schema.get("enum") {
            return words[0].clone();
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        let kind = &schema["type"];
        match kind.as_str().unwrap_or_else(|| kind[0].as_str().unwrap()) {
            "object" => self.object(schema),
            "array" => json!([self.example(&schema["items"])]),
            "string" => ["15s", "2026-01-01", "${x}", "x"]
                .map(|text| json!(text))
                .into_iter()
                .find(|text| misfit(self.root, schema, text).is_none())
                .unwrap(),
            "null" => Value::Null,
            "boolean" => json!(true),
            _ => json!(1),
        }
    }

    fn object(&mut self, schema: &'s Value) -> Value {
        let mut object = serde_json::Map::new();
        let needs = schema.get("anyOf").map(|needs| &needs[0]["required"]);
        let required = [schema.get("required"), needs].into_iter().flatten();
        let names: Vec<_> = required.filter_map(Value::as_array).flatten().collect();
        for name in names {
            let name = name.as_str().unwrap();
            object.insert(name.to_owned(), self.example(&schema["properties"][name]));
        }
        if schema.get("minProperties").is_some() {
            let properties = schema["properties"].as_object().unwrap();
            // A signal or a distribution that holds no other.
            let (name, property) = properties.iter().next().unwrap();
            object.insert(name.clone(), self.example(property));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|more| more.is_object()) {
            object.insert("x".to_owned(), self.example(values));
        }
        Value::Object(object)
    }

    fn target(&self, schema: &'s Value) -> Option<&'s Value> {
        let pointer = schema.get("$ref")?.as_str()?.trim_start_matches('#');
        Some(self.root.pointer(pointer).unwrap())
    }

    /// Values that between them have every field and every choice below here.
    fn all(&mut self, schema: &'s Value) -> Vec<Value> {
        if let Some(target) = self.target(schema) {
            let name = schema["$ref"].as_str().unwrap();
            if self.inside.contains(&name) {
                return vec![self.example(target)];
            }
            self.inside.push(name);
            let all = self.all(target);
            self.inside.pop();
            return all;
        }
        if let Some(choices) = schema.get("anyOf").filter(|_| schema.get("type").is_none()) {
            // A parameter is filled in before anything is decoded.
            let choices = choices.as_array().unwrap().iter();
            let choices = choices.filter(|choice| choice.get("pattern") != Some(&json!("\\$\\{")));
            return choices.flat_map(|choice| self.all(choice)).collect();
        }
        if let Some(words) = schema.get("enum") {
            return words.as_array().unwrap().clone();
        }
        match schema["type"].as_str() {
            Some("array") => {
                self.all(&schema["items"]).into_iter().map(|item| json!([item])).collect()
            }
            Some("object") => self.objects(schema),
            _ => vec![self.example(schema)],
        }
    }

    fn objects(&mut self, schema: &'s Value) -> Vec<Value> {
        let base = self.object(schema);
        let is_single = schema.get("maxProperties").is_some();
        let mut all = vec![base.clone()];
        for (name, property) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            for value in self.all(property) {
                let mut object = if is_single { json!({}) } else { base.clone() };
                object[name.as_str()] = value;
                all.push(object);
            }
        }
        if let Some(values) = schema.get("additionalProperties").filter(|more| more.is_object()) {
            all.extend(self.all(values).into_iter().map(|value| json!({ "x": value })));
        }
        all
    }
}

/// What the decoder has against a file; nothing if it is right.
fn refusals(file: &Value) -> Vec<String> {
    let mut report = Report::new("");
    let read_file = |_: &str| Ok("v\n1\n".to_owned());
    let root = prepared(from_json(file), &[], &read_file, &mut report);
    root.and_then(|root| spec(&root, &mut report));
    match report.finish() {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn check(schema: &Value, file: &Value) -> bool {
    let (misfit, refusals) = (misfit(schema, schema, file), refusals(file));
    if let Some(why) = &misfit {
        assert!(!refusals.is_empty(), "only the schema refuses {file}: {why}");
    } else {
        let known = |error: &String| BEYOND_A_SCHEMA.iter().any(|part| error.contains(part));
        assert!(refusals.iter().all(known), "only the decoder refuses {file}: {refusals:#?}");
    }
    refusals.is_empty()
}

#[test]
fn what_fits_the_schema_is_decoded() {
    let schema = file_schema();
    let all = Variants { root: &schema, inside: Vec::new() }.all(&schema);
    let n_right = all.iter().filter(|file| check(&schema, file)).count();
    assert!(n_right > 3000 && n_right * 4 > all.len() * 3, "{n_right} of {}", all.len());
}

/// Every single change of a value: a field too many, a field too few, something else.
fn changed(value: &Value) -> Vec<Value> {
    let mut all = vec![json!("nonsense"), json!(-1.5), json!([]), json!({}), Value::Null];
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                all.extend(changed(item).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[at] = item;
                    Value::Array(items)
                }));
            }
        }
        Value::Object(fields) => {
            let mut more = fields.clone();
            more.insert("nonsense".to_owned(), json!(1));
            all.push(Value::Object(more));
            for (name, field) in fields {
                let mut fewer = fields.clone();
                fewer.remove(name);
                all.push(Value::Object(fewer));
                all.extend(changed(field).into_iter().map(|field| {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), field);
                    Value::Object(fields)
                }));
            }
        }
        _ => {}
    }
    all
}

#[test]
fn what_does_not_fit_the_schema_is_refused() {
    let schema = file_schema();
    let all = Variants { root: &schema, inside: Vec::new() }.all(&schema);
    let mut seen = HashSet::new();
    let mut n_refused = 0;
    // Neighbours in the list differ little: of so many each kind of field has some.
    for file in all.iter().step_by(31).flat_map(changed) {
        if seen.insert(file.to_string()) && !check(&schema, &file) {
            n_refused += 1;
        }
    }
    assert!(n_refused > 1000, "{n_refused}");
}
