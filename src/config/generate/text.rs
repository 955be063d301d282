//! Nodes as YAML and JSON, and JSON as nodes.

use crate::config::error::Position;
use crate::config::node::Kind;
use crate::config::node::Node;
use crate::config::scalar::Scalar;
use serde_json::Map;
use serde_json::Number;
use serde_json::Value;

/// The place of what stands in no file.
const NOWHERE: Position = Position { line: 1, column: 1 };

/// A scalar as if it had been written without quotes.
pub(super) fn plain(at: Position, text: &str) -> Node {
    let scalar = Scalar { text: text.to_owned(), is_plain: true, tag: None };
    Node::made(at, Kind::Scalar(scalar))
}

/// A scalar as if it had been written in quotes.
pub(super) fn quoted(at: Position, text: &str) -> Node {
    let scalar = Scalar { text: text.to_owned(), is_plain: false, tag: None };
    Node::made(at, Kind::Scalar(scalar))
}

/// A map.
pub(super) fn map(at: Position, pairs: Vec<(&str, Node)>) -> Node {
    let pairs = pairs.into_iter().map(|(key, value)| (plain(value.at, key), value));
    Node::made(at, Kind::Map(pairs.collect()))
}

/// A JSON value as a node. Strings are text, whatever they look like.
pub(super) fn from_json(value: &Value) -> Node {
    match value {
        Value::Null => plain(NOWHERE, "null"),
        Value::Bool(value) => plain(NOWHERE, if *value { "true" } else { "false" }),
        Value::Number(number) => plain(NOWHERE, &number.to_string()),
        Value::String(text) => quoted(NOWHERE, text),
        Value::Array(items) => {
            Node::made(NOWHERE, Kind::List(items.iter().map(from_json).collect()))
        }
        Value::Object(fields) => {
            let pairs =
                fields.iter().map(|(name, value)| (quoted(NOWHERE, name), from_json(value)));
            Node::made(NOWHERE, Kind::Map(pairs.collect()))
        }
    }
}

/// A node as JSON.
pub(super) fn to_json(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(scalar) => scalar_to_json(scalar),
        Kind::List(items) => Value::Array(items.iter().map(to_json).collect()),
        Kind::Map(pairs) => {
            let pairs = pairs
                .iter()
                .filter_map(|(key, value)| Some((key.as_scalar()?.text.clone(), to_json(value))));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

fn scalar_to_json(scalar: &Scalar) -> Value {
    let text = || Value::String(scalar.text.clone());
    match scalar.tag() {
        "!!null" => Value::Null,
        "!!bool" if scalar.text == "true" => Value::Bool(true),
        "!!bool" if scalar.text == "false" => Value::Bool(false),
        // What JSON would write otherwise (007, 0x10) may be text that only looks like a number.
        "!!int" => match scalar.signed().filter(|number| number.to_string() == scalar.text) {
            Some(number) => Value::Number(number.into()),
            None => match scalar.text.parse::<u64>() {
                Ok(number) if number.to_string() == scalar.text => Value::Number(number.into()),
                _ => text(),
            },
        },
        "!!float" => match scalar.float() {
            Ok(number) if number.is_nan() => Value::String("NaN".to_owned()),
            Ok(number) if number.is_infinite() => {
                Value::String(if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned())
            }
            Ok(number) => Number::from_f64(number).map_or_else(text, Value::Number),
            Err(_) => text(),
        },
        _ => text(),
    }
}

/// A node as a YAML document that reads as the same node.
pub(super) fn to_yaml(node: &Node) -> String {
    let mut out = String::new();
    write_node(&mut out, node, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Write a node behind `key:` or `-`; maps and lists begin where the cursor is if `out` is at the
/// beginning of a line.
fn write_node(out: &mut String, node: &Node, indent: usize) {
    match &node.kind {
        Kind::Scalar(scalar) => write_scalar(out, scalar, false),
        Kind::List(items) if items.iter().all(|item| item.as_scalar().is_some()) => {
            out.push('[');
            for (index, item) in items.iter().filter_map(Node::as_scalar).enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_scalar(out, item, true);
            }
            out.push(']');
        }
        Kind::Map(pairs) if pairs.is_empty() => out.push_str("{}"),
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                begin_line(out, indent, index == 0);
                out.push_str("- ");
                write_node(out, item, indent + 2);
            }
        }
        Kind::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                begin_line(out, indent, index == 0);
                write_node(out, key, indent);
                out.push(':');
                if is_block(value) {
                    out.push('\n');
                    // A list may stand as far left as its key.
                    let inner =
                        if matches!(value.kind, Kind::List(_)) { indent } else { indent + 2 };
                    out.push_str(&" ".repeat(inner));
                    write_node(out, value, inner);
                } else {
                    out.push(' ');
                    write_node(out, value, indent);
                }
            }
        }
    }
}

fn is_block(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(_) => false,
        Kind::List(items) => !items.iter().all(|item| item.as_scalar().is_some()),
        Kind::Map(pairs) => !pairs.is_empty(),
    }
}

fn begin_line(out: &mut String, indent: usize, is_first: bool) {
    if is_first {
        return;
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(&" ".repeat(indent));
}

fn write_scalar(out: &mut String, scalar: &Scalar, in_flow: bool) {
    // A tag that makes text of something is what quotes do; others say what is plain anyway.
    let is_text = !scalar.is_plain || scalar.tag.as_deref() == Some("!!str");
    let looks_like_text = Scalar { is_plain: true, tag: None, ..scalar.clone() }.tag() == "!!str";
    let text = scalar.text.replace("${", "$${");
    if is_safe(&text, in_flow) && (!is_text || looks_like_text) {
        out.push_str(&text);
    } else {
        // Escapes of JSON are escapes of YAML, but for `\/`, which is not written.
        out.push_str(&Value::String(text).to_string());
    }
}

/// Whether text means itself without quotes.
fn is_safe(text: &str, in_flow: bool) -> bool {
    let is_inner = |c: char| {
        c.is_ascii_alphanumeric() || "_./+-()%*=<>@^~ $:".contains(c) || (!in_flow && c == ',')
    };
    let first_fits = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "_./+(".contains(c))
        || text
            .strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
    let is_ambiguous = text.contains(": ")
        || text.ends_with([':', ' '])
        || (in_flow && text.contains(':'))
        || text.starts_with("...")
        || text.contains("  ");
    first_fits && !is_ambiguous && text.chars().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::node::parse;

    fn same(a: &Node, b: &Node) -> bool {
        match (&a.kind, &b.kind) {
            (Kind::Scalar(a), Kind::Scalar(b)) => {
                a.text == b.text.replace("$${", "${") && (a.tag() == b.tag())
            }
            (Kind::List(a), Kind::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Kind::Map(a), Kind::Map(b)) => {
                let pairs = a.iter().zip(b);
                a.len() == b.len()
                    && pairs.into_iter().all(|(a, b)| same(&a.0, &b.0) && same(&a.1, &b.1))
            }
            _ => false,
        }
    }

    #[track_caller]
    fn check(node: &Node) {
        let yaml = to_yaml(node);
        let read = parse(&yaml).unwrap_or_else(|fault| panic!("{fault:?}\n{yaml}"));
        assert!(same(node, &read), "{node:#?}\n{yaml}\n{read:#?}");
    }

    #[test]
    fn a_document_reads_as_it_was() {
        let text = "a: 1\nb: [x, 'y, z', \"5\", 0.5, null]\nc: {}\nd: []\ne:\n- f: g\n  h: {i: [{j: k}]}\n- [1, [2, 3]]\n- - - l\nm: 'true'\nn: {\"o p\": 'a: b', q: \"${r}\\n\"}\n? - s\n: t\n";
        // A list as a key is no configuration, but no reason to fail either.
        let text = text.split("? ").next().unwrap();
        check(&parse(text).unwrap());
        assert_eq!(
            to_yaml(&parse("a: {b: [1, two]}\nc:\n- d: e").unwrap()),
            "a:\n  b: [1, two]\nc:\n- d: e\n"
        );
    }

    #[test]
    fn json_and_back_is_the_same() {
        let text = r#"{"a":[1,-2.5,"x",null,true,18446744073709551615],"b":{"c":"5","d":"NaN"}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(to_json(&from_json(&value)), value);
        let infinite = parse("[.inf, -.inf, .nan, 007, 0x10]").unwrap();
        assert_eq!(to_json(&infinite).to_string(), r#"["+Inf","-Inf","NaN","007","0x10"]"#);
    }

    fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|n| Value::Number(n.into())),
            (-1e9..1e9_f64).prop_map(|n| serde_json::json!(n)),
            "[ -~é\n\t]{0,12}".prop_map(Value::String),
            r"[$ {}:,#\[\]a1.-]{0,6}".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::vec(("[a-z#:{ -]{1,6}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        /// What is written as YAML reads as what it was.
        #[test]
        fn yaml_survives_a_round_trip(value in any_json()) {
            check(&from_json(&value));
        }
    }
}
