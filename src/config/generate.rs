//! Files of the generator: YAML in, a [`Spec`] out, or every error with its place.
//!
//! A [`Document`] is the tree of a file with its parameters filled in. The live interface changes
//! documents, not specs: what can be changed is what can be written, and what is read back is what
//! was written. The names a file may use are in `tables`; decoder and JSON schema both read them.
//!
//! Nothing is read but what is given: files named in a document come through a function.

mod edit;
mod family;
mod parameters;
mod schema;
mod seed;
mod shape;
mod signal;
mod tables;
mod text;
mod values;

use crate::config::decode;
use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::config::error::ConfigErrors;
use crate::config::error::Position;
use crate::config::generate::parameters::Parameters;
use crate::config::generate::shape::Record;
use crate::config::generate::shape::list;
use crate::config::node;
use crate::config::node::Kind;
use crate::config::node::Node;
use crate::generate::spec::Spec;
use crate::generate::spec::SpecError;

pub use edit::EditError;
pub use schema::family_schemas;
pub use schema::file_schema;
pub use values::parse_duration_ms;
pub use values::parse_time_ms;
pub use values::write_duration_ms;
pub use values::write_time_ms;

/// Reads a file named in a document; the error says why it cannot.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// A file of the generator as a tree: parameters filled in, files read, today's shape.
#[derive(Clone, Debug)]
pub struct Document {
    name: String,
    root: Node,
}

impl Document {
    /// Read a file; `name` is what to call it in messages, `set` goes over its parameters.
    ///
    /// # Errors
    /// Everything that is wrong with it, other than what only [`crate::generate`] knows.
    pub fn read(
        name: &str,
        text: &str,
        set: &[(String, String)],
        read_file: ReadFile<'_>,
    ) -> Result<(Self, Spec), ConfigErrors> {
        let mut report = Report::new(name);
        let root = match node::parse(text) {
            Ok(root) => prepared(root, set, read_file, &mut report),
            Err(fault) => {
                let remedy = fault.remedy.map(str::to_owned);
                report.error_with_remedy(fault.at, &Path::default(), fault.message, remedy);
                None
            }
        };
        let spec = root.as_ref().and_then(|root| spec(root, &mut report));
        report.finish()?;
        match (root, spec) {
            (Some(root), Some(spec)) => {
                Ok((Self { name: name.to_owned(), root: resolved(&root) }, spec))
            }
            // Without an error there is a spec; this is for the compiler.
            _ => Err(ConfigErrors::new(Vec::new())),
        }
    }

    /// What the document says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn spec(&self) -> Result<Spec, ConfigErrors> {
        let mut report = Report::new(&self.name);
        let spec = spec(&self.root, &mut report);
        report.finish()?;
        spec.ok_or_else(|| ConfigErrors::new(Vec::new()))
    }

    /// Give what compiling complained about its line: that of the longest part of its path that
    /// is in the document.
    pub fn place(&self, errors: &[SpecError]) -> ConfigErrors {
        let mut report = Report::new(&self.name);
        for error in errors {
            let at = locate(&self.root, &error.path);
            report.error(at, &Path::from(error.path.as_str()), error.message.clone());
        }
        report.finish().err().unwrap_or_else(|| ConfigErrors::new(Vec::new()))
    }

    /// The document as YAML, with parameters filled in and files read.
    pub fn to_yaml(&self) -> String {
        text::to_yaml(&self.root)
    }
}

/// Fill in parameters and files, and translate what has the older shape.
fn prepared(
    mut root: Node,
    set: &[(String, String)],
    read_file: ReadFile<'_>,
    report: &mut Report,
) -> Option<Node> {
    let top = Path::default();
    let fields = decode::fields(&root, "a configuration of the generator", &top, report)?;
    let written = fields.iter().find(|entry| entry.name == "parameters").map(|entry| entry.value);
    let parameters = Parameters::read(written, set, report);
    if let Kind::Map(pairs) = &mut root.kind {
        pairs.retain(|(key, _)| key.as_scalar().is_none_or(|key| key.text != "parameters"));
    }
    let n_errors = report.errors.len();
    parameters.replace(&mut root, &top, report);
    read_files(&mut root, &top, read_file, report);
    // What could not be filled in would only be complained about once more.
    if report.errors.len() > n_errors {
        return None;
    }
    let is_old = match &root.kind {
        Kind::Map(pairs) => {
            pairs.iter().any(|(key, _)| key.as_scalar().is_some_and(|key| key.text == "metrics"))
        }
        _ => false,
    };
    if is_old { seed::translate(&root, report) } else { Some(root) }
}

/// Replace `csv: {file: …}` by `csv: {text: …}` wherever it stands.
fn read_files(node: &mut Node, path: &Path, read_file: ReadFile<'_>, report: &mut Report) {
    match &mut node.kind {
        Kind::Scalar(_) => {}
        Kind::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                read_files(item, &path.item(index), read_file, report);
            }
        }
        Kind::Map(pairs) => {
            for (key, value) in pairs {
                let name = key.as_scalar().map_or("", |key| key.text.as_str());
                let path = path.field(name);
                if name == "csv" {
                    read_csv(value, &path, read_file, report);
                } else {
                    read_files(value, &path, read_file, report);
                }
            }
        }
    }
}

fn read_csv(node: &mut Node, path: &Path, read_file: ReadFile<'_>, report: &mut Report) {
    let Kind::Map(pairs) = &mut node.kind else { return };
    for (key, value) in pairs {
        let file = value.as_scalar().filter(|file| !file.is_null()).map(|file| file.text.clone());
        let is_file = key.as_scalar().is_some_and(|key| key.text == "file");
        let Some(file) = file.filter(|_| is_file) else { continue };
        match read_file(&file) {
            Ok(content) => {
                *key = text::plain(key.at, "text");
                *value = text::quoted(value.at, &content);
            }
            Err(message) => report.error(value.at, &path.field("file"), message),
        }
    }
}

/// The same tree with merge keys followed and each name once.
fn resolved(node: &Node) -> Node {
    let kind = match &node.kind {
        Kind::Scalar(scalar) => Kind::Scalar(scalar.clone()),
        Kind::List(items) => Kind::List(items.iter().map(resolved).collect()),
        Kind::Map(_) => {
            let mut nobody = Report::new("");
            let entries = decode::fields(node, "", &Path::default(), &mut nobody);
            let pairs = entries.unwrap_or_default().into_iter();
            let pairs =
                pairs.map(|entry| (text::quoted(entry.at, &entry.name), resolved(entry.value)));
            Kind::Map(pairs.collect())
        }
    };
    Node::made(node.at, kind)
}

fn spec(root: &Node, report: &mut Report) -> Option<Spec> {
    let record = Record::open(root, &tables::FILE, &Path::default(), report)?;
    let families = |node: &Node, path: &Path, report: &mut Report| {
        list(node, "families", path, report, family::family)
    };
    let default = Spec::default();
    let n_targets = record.whole("targets", 1, report);
    Some(Spec {
        seed: record.whole("seed", default.seed, report),
        start_ms: record.read("start", report, values::time_ms).unwrap_or(default.start_ms),
        interval_ms: record.duration_ms("interval", default.interval_ms, report),
        // What does not fit is refused where the number is checked.
        n_targets: u32::try_from(n_targets).unwrap_or(u32::MAX),
        constant_labels: record.read("constant_labels", report, family::labels).unwrap_or_default(),
        families: record.read("families", report, families).unwrap_or_default(),
    })
}

/// Where a path leads, as far as it can be followed.
fn locate(root: &Node, path: &str) -> Position {
    let (mut node, mut rest, mut at) = (root, path, root.at);
    loop {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let next = match &node.kind {
            Kind::Scalar(_) => None,
            Kind::List(items) => rest.strip_prefix('[').and_then(|inner| {
                let (index, behind) = inner.split_once(']')?;
                let item = items.get(index.parse::<usize>().ok()?)?;
                Some((item, item.at, behind))
            }),
            Kind::Map(pairs) => pairs.iter().find_map(|(key, value)| {
                let name = &key.as_scalar()?.text;
                let spelt = [name.clone(), format!("{name:?}")];
                let behind = spelt.iter().find_map(|name| rest.strip_prefix(name.as_str()))?;
                let ends = behind.is_empty() || behind.starts_with(['.', '[']);
                ends.then_some((value, key.at, behind))
            }),
        };
        match next {
            Some(found) => (node, at, rest) = found,
            None => return at,
        }
    }
}

#[cfg(test)]
mod tests;
