//! From nodes to typed fields, collecting every error on the way.

use super::error::ConfigErrors;
use super::error::Finding;
use super::error::Position;
use super::nearest;
use super::node::Kind;
use super::node::Node;
use super::scalar::cut;
use std::collections::HashMap;
use std::collections::HashSet;

/// Where in the file a value belongs: `metric_relabel_configs[2].regex`.
#[derive(Clone, Debug, Default)]
pub(super) struct Path(String);

impl Path {
    /// The path of a field of the map at this path.
    pub(super) fn field(&self, name: &str) -> Self {
        let is_plain =
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-<".contains(c));
        let name = if is_plain { name.to_owned() } else { format!("{:?}", cut(name)) };
        Self(if self.0.is_empty() { name } else { format!("{}.{name}", self.0) })
    }

    /// The path of an item of the list at this path.
    pub(super) fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl From<&str> for Path {
    /// A path as somebody else spelt it.
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

/// What has been found so far in one file.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    /// Line, column and message of what has been found: a merged map is seen once for each map
    /// that merges it, but its errors are told once.
    seen: HashSet<(usize, usize, String)>,
    pub(super) errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Report {
    /// Nothing found yet in a file of this name.
    pub(super) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            seen: HashSet::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The warnings in the order of the lines, or the errors, if there are any.
    pub(super) fn finish(self) -> Result<Vec<Finding>, ConfigErrors> {
        let Self { mut errors, mut warnings, .. } = self;
        let place = |finding: &Finding| (finding.line, finding.column);
        errors.sort_by_key(place);
        warnings.sort_by_key(place);
        if errors.is_empty() { Ok(warnings) } else { Err(ConfigErrors::new(errors)) }
    }

    pub(super) fn error(&mut self, at: Position, path: &Path, message: impl Into<String>) {
        self.error_with_remedy(at, path, message, None);
    }

    pub(super) fn error_with_remedy(
        &mut self,
        at: Position,
        path: &Path,
        message: impl Into<String>,
        remedy: Option<String>,
    ) {
        let error = self.finding(at, path, message.into(), remedy);
        self.errors.extend(error);
    }

    pub(super) fn warn(
        &mut self,
        at: Position,
        path: &Path,
        message: impl Into<String>,
        remedy: Option<&str>,
    ) {
        let warning = self.finding(at, path, message.into(), remedy.map(str::to_owned));
        self.warnings.extend(warning);
    }

    fn finding(
        &mut self,
        at: Position,
        path: &Path,
        message: String,
        remedy: Option<String>,
    ) -> Option<Finding> {
        let Position { line, column } = at;
        let is_new = self.seen.insert((line, column, message.clone()));
        let (file, path) = (self.file.clone(), path.0.clone());
        is_new.then_some(Finding { file, line, column, path, message, remedy })
    }
}

/// One field of a map.
#[derive(Clone, Debug)]
pub(super) struct Entry<'n> {
    /// The key.
    pub(super) name: String,
    /// Where the key stands.
    pub(super) at: Position,
    /// The value.
    pub(super) value: &'n Node,
}

/// The fields of a map, each name once, merge keys resolved, in the order of the file.
///
/// `None`, and an error, if `node` is not a map; `wanted` says what should be there.
pub(super) fn fields<'n>(
    node: &'n Node,
    wanted: &str,
    path: &Path,
    report: &mut Report,
) -> Option<Vec<Entry<'n>>> {
    let mut fields = Fields::default();
    fields.collect(node, wanted, path, report).then_some(fields.entries)
}

#[derive(Default)]
struct Fields<'n> {
    entries: Vec<Entry<'n>>,
    /// Where in `entries` a name is.
    index: HashMap<String, usize>,
}

impl<'n> Fields<'n> {
    fn collect(&mut self, node: &'n Node, wanted: &str, path: &Path, report: &mut Report) -> bool {
        let Kind::Map(pairs) = &node.kind else {
            let message = format!("cannot unmarshal {} into {wanted}", node.describe());
            report.error(node.at, path, message);
            return false;
        };
        // The names of this map itself: only among those is a second one an error.
        let mut own: HashMap<String, Position> = HashMap::new();
        for (key, value) in pairs {
            let Some(name) = key_text(key, path, report) else { continue };
            if is_merge(key) {
                self.merge(value, &path.field(&name), report);
                continue;
            }
            if let Some(first) = own.insert(name.clone(), key.at) {
                let message = format!("field {:?} already set in line {}", cut(&name), first.line);
                let remedy = Some("remove one of them".to_owned());
                report.error_with_remedy(key.at, path, message, remedy);
                continue;
            }
            self.set(Entry { name, at: key.at, value });
        }
        true
    }

    /// A merged field gives way to a later one of the map itself, and the other way round: the
    /// last one written counts, as in Prometheus.
    fn set(&mut self, entry: Entry<'n>) {
        if let Some(at) = self.index.get(&entry.name) {
            self.entries[*at] = entry;
        } else {
            self.index.insert(entry.name.clone(), self.entries.len());
            self.entries.push(entry);
        }
    }

    /// Merge a map, or several, of which the first counts most.
    fn merge(&mut self, value: &'n Node, path: &Path, report: &mut Report) {
        const WANTED: &str = "a map to merge";
        match &value.kind {
            Kind::List(maps) => {
                for map in maps.iter().rev() {
                    self.collect(map, WANTED, path, report);
                }
            }
            _ => {
                self.collect(value, WANTED, path, report);
            }
        }
    }
}

fn is_merge(key: &Node) -> bool {
    key.as_scalar().is_some_and(|key| match key.tag.as_deref() {
        None => key.is_plain && key.text == "<<",
        Some(tag) => tag == "!!merge",
    })
}

fn key_text(key: &Node, path: &Path, report: &mut Report) -> Option<String> {
    match key.as_scalar() {
        Some(scalar) if !scalar.is_null() => match scalar.text() {
            Ok(text) => Some(text),
            Err(message) => {
                report.error(key.at, path, message);
                None
            }
        },
        _ => {
            let message = format!("{} cannot be the name of a field", key.describe());
            report.error(key.at, path, message);
            None
        }
    }
}

/// Report a field nobody asked for.
pub(super) fn unknown_field(entry: &Entry<'_>, valid: &[&str], path: &Path, report: &mut Report) {
    let message = format!("unknown field {:?}", cut(&entry.name));
    let remedy = nearest::remedy(&entry.name, valid);
    report.error_with_remedy(entry.at, path, message, Some(remedy));
}

/// Text; a null is `None`. An error is reported and is `None` too.
pub(super) fn text(node: &Node, path: &Path, report: &mut Report) -> Option<String> {
    match node.as_scalar() {
        Some(scalar) if scalar.is_null() => None,
        Some(scalar) => match scalar.text() {
            Ok(text) => Some(text),
            Err(message) => {
                report.error(node.at, path, message);
                None
            }
        },
        None => {
            report.error(
                node.at,
                path,
                format!("cannot unmarshal {} into string", node.describe()),
            );
            None
        }
    }
}

/// An unsigned number; a null is `None`. An error is reported and is `None` too.
pub(super) fn unsigned(node: &Node, path: &Path, report: &mut Report) -> Option<u64> {
    let Some(scalar) = node.as_scalar() else {
        report.error(node.at, path, format!("cannot unmarshal {} into uint64", node.describe()));
        return None;
    };
    if scalar.is_null() {
        return None;
    }
    match scalar.unsigned() {
        Ok(number) => Some(number),
        Err(message) => {
            report.error(node.at, path, message);
            None
        }
    }
}

/// The items of a list; a null is `None`. `wanted` says what should be there. An error is reported
/// and is `None` too.
pub(super) fn items<'n>(
    node: &'n Node,
    wanted: &str,
    remedy: Option<&str>,
    path: &Path,
    report: &mut Report,
) -> Option<&'n [Node]> {
    match &node.kind {
        Kind::List(items) => Some(items),
        _ if node.is_null() => None,
        _ => {
            let message = format!("cannot unmarshal {} into {wanted}", node.describe());
            report.error_with_remedy(node.at, path, message, remedy.map(str::to_owned));
            None
        }
    }
}
