//! Documents that list targets, as `file_sd_configs` and `http_sd_configs` of Prometheus read them:
//! `[{targets: [HOST:PORT, …], labels: {NAME: VALUE, …}}, …]`, in JSON or YAML, strict.

use super::decode;
use super::decode::Path;
use super::decode::Report;
use super::error::ConfigErrors;
use super::node::Node;
use super::relabel;
use crate::discovery::Syntax;
use crate::discovery::TargetGroup;
use crate::relabel::NameScheme;
use serde::Deserialize;
use std::collections::BTreeMap;

const FIELDS: [&str; 2] = ["targets", "labels"];

/// Read a document of target groups; `name` is what to call it in messages.
///
/// # Errors
/// What is wrong with it, on one line.
pub fn parse_target_groups(
    name: &str,
    text: &str,
    syntax: Syntax,
) -> Result<Vec<TargetGroup>, String> {
    match syntax {
        Syntax::Json => parse_json(text).map_err(|e| format!("{name}: {e}")),
        Syntax::Yaml => parse_yaml(name, text).map_err(|errors| {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            lines.join("; ")
        }),
    }
}

/// A group as JSON has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonGroup {
    #[serde(default)]
    targets: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

fn parse_json(text: &str) -> Result<Vec<TargetGroup>, String> {
    let groups: Option<Vec<Option<JsonGroup>>> =
        serde_json::from_str(text).map_err(|e| e.to_string())?;
    let mut read = Vec::new();
    for (index, group) in groups.unwrap_or_default().into_iter().enumerate() {
        let group = group.ok_or_else(|| format!("nil target group item found (index {index})"))?;
        let labels: Vec<_> = group.labels.unwrap_or_default().into_iter().collect();
        if let Some((name, _)) = labels.iter().find(|(name, _)| !is_label(name)) {
            return Err(format!("{name:?} is not a valid label name"));
        }
        read.push(TargetGroup { targets: group.targets.unwrap_or_default(), labels });
    }
    Ok(read)
}

fn parse_yaml(name: &str, text: &str) -> Result<Vec<TargetGroup>, ConfigErrors> {
    relabel::load(name, text, |root, report| {
        let top = Path::default();
        let items = decode::items(root, "[]*targetgroup.Group", None, &top, report);
        let items = items.unwrap_or_default().iter().enumerate();
        items.filter_map(|(at, item)| yaml_group(item, &top.item(at), report)).collect()
    })
    .map(|(groups, _)| groups)
}

fn yaml_group(node: &Node, path: &Path, report: &mut Report) -> Option<TargetGroup> {
    if node.is_null() {
        report.error(node.at, path, "nil target group item found");
        return None;
    }
    let mut group = TargetGroup::default();
    for entry in decode::fields(node, "targetgroup.Group", path, report)? {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "targets" => {
                let items = decode::items(value, "[]string", None, inner, report);
                for (index, item) in items.unwrap_or_default().iter().enumerate() {
                    group.targets.extend(decode::text(item, &inner.item(index), report));
                }
            }
            "labels" if value.is_null() => {}
            "labels" => group.labels = yaml_labels(value, inner, report),
            _ => decode::unknown_field(&entry, &FIELDS, path, report),
        }
    }
    Some(group)
}

fn yaml_labels(node: &Node, path: &Path, report: &mut Report) -> Vec<(String, String)> {
    let entries = decode::fields(node, "model.LabelSet", path, report).unwrap_or_default();
    let mut labels = Vec::with_capacity(entries.len());
    for entry in entries {
        if !is_label(&entry.name) {
            report.error(entry.at, path, format!("{:?} is not a valid label name", entry.name));
        }
        let value = decode::text(entry.value, &path.field(&entry.name), report);
        labels.push((entry.name, value.unwrap_or_default()));
    }
    labels.sort();
    labels
}

fn is_label(name: &str) -> bool {
    NameScheme::Utf8.accepts(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(targets: &[&str], labels: &[(&str, &str)]) -> TargetGroup {
        let text = |text: &&str| (*text).to_owned();
        let label = |(name, value): &(&str, &str)| (text(name), text(value));
        TargetGroup {
            targets: targets.iter().map(text).collect(),
            labels: labels.iter().map(label).collect(),
        }
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let groups =
            [group(&["a:1", "[::1]:2"], &[("__scheme__", "https"), ("job", "x")]), group(&[], &[])];
        let json = r#"[{"targets": ["a:1", "[::1]:2"], "labels": {"job": "x", "__scheme__": "https"}}, {}]"#;
        let yaml =
            "- targets: ['a:1', '[::1]:2']\n  labels: {job: x, __scheme__: https}\n- targets:\n";
        for (text, syntax) in [(json, Syntax::Json), (yaml, Syntax::Yaml)] {
            assert_eq!(parse_target_groups("f", text, syntax).unwrap(), groups);
        }
        // Numbers are text in YAML, as for Prometheus, and an error in JSON.
        let yaml = "- {targets: [h], labels: {shard: 1}}";
        let read = parse_target_groups("f", yaml, Syntax::Yaml).unwrap();
        assert_eq!(read, [group(&["h"], &[("shard", "1")])]);
        for empty in ["[]", "null"] {
            assert!(parse_target_groups("f", empty, Syntax::Json).unwrap().is_empty());
        }
    }

    #[track_caller]
    fn check_error(text: &str, syntax: Syntax, part: &str) {
        let error = parse_target_groups("f", text, syntax).unwrap_err();
        assert!(error.starts_with('f') && error.contains(part), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn other_documents_are_refused() {
        check_error(r#"[{"targets": ["a"], "label": {}}]"#, Syntax::Json, "label");
        check_error(r#"[{"labels": {"a": 1}}]"#, Syntax::Json, "integer");
        check_error("[null]", Syntax::Json, "nil target group");
        check_error("{}", Syntax::Json, "line 1");
        check_error("", Syntax::Json, "EOF");
        check_error(r#"[{"labels": {"": "x"}}]"#, Syntax::Json, "label name");
        check_error("- {target: [a]}", Syntax::Yaml, "did you mean \"targets\"");
        check_error("- null", Syntax::Yaml, "nil target group");
        check_error("- {targets: a}", Syntax::Yaml, "[]string");
        check_error("- {labels: {'': x}}", Syntax::Yaml, "label name");
        check_error("- {targets: [a]}\n- ]", Syntax::Yaml, ":2:");
    }
}
