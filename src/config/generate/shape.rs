//! What a file may hold, as tables: the decoder looks up names in them, the JSON schema prints them.
//!
//! One table a kind of map keeps decoder, error messages and schema from telling different stories.

use crate::config::decode;
use crate::config::decode::Entry;
use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::config::error::Position;
use crate::config::generate::values;
use crate::config::node::Kind;
use crate::config::node::Node;

/// What a field may hold.
#[derive(Debug)]
pub(super) enum Type {
    /// Any text.
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// A finite number.
    Number,
    /// A number, `NaN` and `+Inf` included.
    Value,
    /// A whole number from 0.
    Whole,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Bool,
    /// A duration above 0.
    Duration,
    /// A duration, 0 included.
    AnyDuration,
    /// An instant.
    Time,
    /// A duration, or a number of points.
    Extent,
    /// A value, or nothing.
    Sample,
    /// Whatever a parameter may be.
    Scalar,
    /// A signal, which may hold others.
    Signal,
    /// A distribution, which may hold others.
    Distribution,
    /// A node of the older shape, which may hold others.
    SeedNode,
    /// A list of something.
    List(&'static Type),
    /// Names of the user's choice to something.
    Map(&'static Type),
    /// A map with known fields.
    Object(&'static Shape),
    /// A map with exactly one of these fields.
    OneOf(&'static Shape),
    /// A map that is one of several, told apart by which has its first field.
    Choice(&'static [&'static Shape]),
    /// A map that is one of several, told apart by the word in its first field.
    ByWord(&'static [&'static Shape]),
    /// One of several kinds of values.
    Either(&'static [Type]),
}

/// A field of a map.
#[derive(Debug)]
pub(super) struct Field {
    /// Its key.
    pub(super) name: &'static str,
    /// Whether it has to be there.
    pub(super) required: bool,
    /// What it holds.
    pub(super) holds: Type,
    /// A sentence for readers of the schema.
    pub(super) about: &'static str,
}

/// A kind of map.
#[derive(Debug)]
pub(super) struct Shape {
    /// What it is called in the schema and in messages.
    pub(super) name: &'static str,
    /// Its fields, in groups that shapes may share.
    pub(super) fields: &'static [&'static [Field]],
    /// At least one of these has to be there; nothing is asked for where it is empty.
    pub(super) needs: &'static [&'static str],
}

impl Shape {
    /// All fields.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields.iter().flat_map(|group| group.iter())
    }

    /// The names of all fields.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.all().map(|field| field.name).collect()
    }

    /// The first field, by which a [`Type::Choice`] knows this shape.
    pub(super) fn key(&self) -> &'static str {
        self.all().next().map_or("", |field| field.name)
    }
}

/// A map whose fields are known to be those of a shape.
#[derive(Debug)]
pub(super) struct Record<'n> {
    /// Where it stands.
    pub(super) at: Position,
    /// What it is called.
    pub(super) path: Path,
    entries: Vec<Entry<'n>>,
}

impl<'n> Record<'n> {
    /// Read a map, reporting fields that are unknown, missing or empty.
    pub(super) fn open(
        node: &'n Node,
        shape: &Shape,
        path: &Path,
        report: &mut Report,
    ) -> Option<Self> {
        let entries = decode::fields(node, shape.name, path, report)?;
        let names = shape.names();
        let mut known = Vec::with_capacity(entries.len());
        for entry in entries {
            if !names.contains(&entry.name.as_str()) {
                decode::unknown_field(&entry, &names, path, report);
            } else if entry.value.is_null() {
                let remedy = Some("write a value or leave the key out".to_owned());
                let path = path.field(&entry.name);
                report.error_with_remedy(entry.at, &path, "there is no value", remedy);
            } else {
                known.push(entry);
            }
        }
        let record = Self { at: node.at, path: path.clone(), entries: known };
        for field in shape.all().filter(|field| field.required && !record.has(field.name)) {
            // A null was told already.
            if !mentions(node, field.name) {
                report.error(node.at, path, format!("the field {:?} is missing", field.name));
            }
        }
        if !shape.needs.is_empty() && !shape.needs.iter().any(|name| mentions(node, name)) {
            let message = format!("one of the fields {} is needed", shape.needs.join(", "));
            report.error(node.at, path, message);
        }
        Some(record)
    }

    /// Read a map that is one of several shapes; which one, and its fields.
    pub(super) fn choose(
        node: &'n Node,
        shapes: &[&'static Shape],
        wanted: &str,
        path: &Path,
        report: &mut Report,
    ) -> Option<(&'static Shape, Self)> {
        let mut found = shapes.iter().filter(|shape| mentions(node, shape.key()));
        if let Some(shape) = found.next() {
            return Self::open(node, shape, path, report).map(|record| (*shape, record));
        }
        let entries = decode::fields(node, wanted, path, report)?;
        let keys: Vec<_> = shapes.iter().map(|shape| shape.key()).collect();
        for entry in &entries {
            // A slip of the finger in the one word that decides gets its own remedy.
            decode::unknown_field(entry, &keys, path, report);
        }
        if entries.is_empty() {
            let message = format!("one of the fields {} is needed", keys.join(", "));
            report.error(node.at, path, message);
        }
        None
    }

    /// Read a map that has exactly one of a shape's fields; that field.
    pub(super) fn single(
        node: &'n Node,
        shape: &Shape,
        path: &Path,
        report: &mut Report,
    ) -> Option<(&'static str, &'n Node, Path)> {
        let record = Self::open(node, shape, path, report)?;
        if let [entry] = record.entries.as_slice() {
            let name = shape.names().into_iter().find(|name| *name == entry.name)?;
            return Some((name, entry.value, path.field(name)));
        }
        if record.entries.len() > 1 || matches!(&node.kind, Kind::Map(pairs) if pairs.is_empty()) {
            let names: Vec<_> = record.entries.iter().map(|entry| entry.name.as_str()).collect();
            let message = match names.as_slice() {
                [] => format!("{} has exactly one key, here is none", shape.name),
                names => format!("{} has exactly one key, not {}", shape.name, names.join(", ")),
            };
            report.error(node.at, path, message);
        }
        None
    }

    /// Whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }

    /// A field and its path.
    pub(super) fn get(&self, name: &str) -> Option<(&'n Node, Path)> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        Some((entry.value, self.path.field(name)))
    }

    /// A field by some reader; `None` also where it was reported.
    pub(super) fn read<T>(
        &self,
        name: &str,
        report: &mut Report,
        read: impl FnOnce(&'n Node, &Path, &mut Report) -> Option<T>,
    ) -> Option<T> {
        let (node, path) = self.get(name)?;
        read(node, &path, report)
    }

    /// A finite number.
    pub(super) fn number(&self, name: &str, default: f64, report: &mut Report) -> f64 {
        self.read(name, report, values::number).unwrap_or(default)
    }

    /// A whole number.
    pub(super) fn whole(&self, name: &str, default: u64, report: &mut Report) -> u64 {
        self.read(name, report, values::whole).unwrap_or(default)
    }

    /// Text.
    pub(super) fn text(&self, name: &str, report: &mut Report) -> String {
        self.read(name, report, values::text).unwrap_or_default()
    }

    /// A duration above 0.
    pub(super) fn duration_ms(&self, name: &str, default: i64, report: &mut Report) -> i64 {
        self.read(name, report, values::duration_ms).unwrap_or(default)
    }

    /// A truth value.
    pub(super) fn boolean(&self, name: &str, default: bool, report: &mut Report) -> bool {
        self.read(name, report, values::boolean).unwrap_or(default)
    }
}

/// Whether a map has a field, merged ones included, whatever it holds.
fn mentions(node: &Node, name: &str) -> bool {
    let mut nobody = Report::new("");
    let entries = decode::fields(node, "", &Path::default(), &mut nobody).unwrap_or_default();
    entries.iter().any(|entry| entry.name == name)
}

/// The items of a list, each by `read`; `wanted` says what the list is of.
pub(super) fn list<T>(
    node: &Node,
    wanted: &str,
    path: &Path,
    report: &mut Report,
    mut read: impl FnMut(&Node, &Path, &mut Report) -> Option<T>,
) -> Option<Vec<T>> {
    let Kind::List(items) = &node.kind else {
        let message = format!("a list of {wanted} is needed, not {}", node.describe());
        report.error(node.at, path, message);
        return None;
    };
    let items = items.iter().enumerate();
    Some(items.filter_map(|(index, item)| read(item, &path.item(index), report)).collect())
}
