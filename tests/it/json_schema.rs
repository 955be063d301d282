//! JSON Schema as far as weir writes it: enough to say whether a value fits.

use regex_automata::meta::Regex;
use serde_json::Value;

/// Why `value` does not fit `schema`, a part of `root`; `None` if it does.
///
/// # Panics
///
/// For a keyword that is not known here: nothing may be taken for checked that is not.
pub(crate) fn misfit(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let Some(keywords) = schema.as_object() else {
        return (schema == &Value::Bool(false)).then(|| format!("{value} is not allowed"));
    };
    let mut keywords = keywords.iter();
    keywords.find_map(|(keyword, wanted)| {
        let fits = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                let target = root.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
                return misfit(root, target, value);
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|wanted| has_type(wanted, value)),
                wanted => has_type(wanted, value),
            },
            "const" => wanted == value,
            "enum" => wanted.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= wanted.as_f64().unwrap()),
            "pattern" => value
                .as_str()
                .is_none_or(|text| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
            "minItems" => {
                value.as_array().is_none_or(|a| a.len() as u64 >= wanted.as_u64().unwrap())
            }
            "minProperties" => {
                value.as_object().is_none_or(|o| o.len() as u64 >= wanted.as_u64().unwrap())
            }
            "maxProperties" => {
                value.as_object().is_none_or(|o| o.len() as u64 <= wanted.as_u64().unwrap())
            }
            "required" => value.as_object().is_none_or(|object| {
                let mut names = wanted.as_array().unwrap().iter();
                names.all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "anyOf" => {
                let mut choices = wanted.as_array().unwrap().iter();
                choices.any(|choice| misfit(root, choice, value).is_none())
            }
            "items" => {
                let mut items = value.as_array().into_iter().flatten();
                return items.find_map(|item| misfit(root, wanted, item));
            }
            "properties" => {
                let mut fields = value.as_object().into_iter().flatten();
                return fields.find_map(|(name, field)| {
                    misfit(root, wanted.get(name)?, field).map(|why| format!("{name}: {why}"))
                });
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                let mut fields = value.as_object().into_iter().flatten();
                return fields.find_map(|(name, field)| {
                    let is_known = known.is_some_and(|known| known.get(name).is_some());
                    let why = if is_known { None } else { misfit(root, wanted, field) };
                    why.map(|why| format!("{name}: {why}"))
                });
            }
            other => panic!("the keyword {other} is not known to this test"),
        };
        (!fits).then(|| format!("{value} does not fit {keyword} {wanted}"))
    })
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}
