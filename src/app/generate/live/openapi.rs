//! The description of the live interface: a file, with the schemas of families put in.

use crate::config::generate::family_schemas;
use serde_json::Value;
use serde_json::json;

const DESCRIPTION: &str = include_str!("openapi.json");

/// `OpenAPI` 3.1.
pub(super) fn description() -> Value {
    // A test reads the same file, so it is JSON.
    let mut description: Value = serde_json::from_str(DESCRIPTION).unwrap_or_default();
    let (family, schemas) = family_schemas("#/components/schemas/");
    let version = json!(env!("CARGO_PKG_VERSION"));
    if let Some(info) = description.get_mut("info").and_then(Value::as_object_mut) {
        info.insert("version".to_owned(), version);
    }
    let place = description.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    if let Some(known) = place {
        known.insert("FamilyConfig".to_owned(), family);
        known.extend(schemas);
    }
    description
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                Value::Object(fields) => {
                    for (name, value) in fields {
                        match value.as_str() {
                            Some(to) if name == "$ref" => found.push(to.to_owned()),
                            _ => references(value, found),
                        }
                    }
                }
                _ => {}
            }
        }
        let description = description();
        let mut found = Vec::new();
        references(&description, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(description.pointer(pointer).is_some(), "{reference}");
        }
    }
}
