//! YAML text as a tree whose nodes know where they stand.
//!
//! Anchors are followed here, so that nothing above sees an alias. A file may hold one document.
//! Both the depth and the number of nodes are bounded, copies made by aliases included.

use super::error::Position;
use super::scalar::Scalar;
use saphyr_parser::Event;
use saphyr_parser::Marker;
use saphyr_parser::Parser;
use saphyr_parser::ScalarStyle;
use saphyr_parser::Tag;
use std::borrow::Cow;
use std::collections::HashMap;

/// The deepest nesting. Nothing weir reads is deeper than ten.
const DEPTH_MAX: usize = 64;
/// The most nodes of a file, about ten thousand rules' worth.
const NODES_MAX: usize = 200_000;

/// A node and all below it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) at: Position,
    /// What it is.
    pub(super) kind: Kind,
    n_nodes: usize,
    depth: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    /// Keys and values in the order of the file, repeated keys included.
    Map(Vec<(Node, Node)>),
}

impl Node {
    fn scalar(at: Position, scalar: Scalar) -> Self {
        Self { at, kind: Kind::Scalar(scalar), n_nodes: 1, depth: 1 }
    }

    /// A node made by other means than reading text.
    pub(super) fn made(at: Position, kind: Kind) -> Self {
        let (n_nodes, depth) = match &kind {
            Kind::Scalar(_) => (1, 1),
            Kind::List(items) => extent(items.iter()),
            Kind::Map(pairs) => extent(pairs.iter().flat_map(|(key, value)| [key, value])),
        };
        Self { at, kind, n_nodes, depth }
    }

    /// The scalar it is, if it is one.
    pub(super) fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Whether it stands for no value.
    pub(super) fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// How `yaml.v2` calls it in messages: the type, and the text of a scalar.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar(scalar) => {
                format!("{} `{}`", scalar.tag(), super::scalar::cut(&scalar.text))
            }
            Kind::List(_) => "!!seq".to_owned(),
            Kind::Map(_) => "!!map".to_owned(),
        }
    }
}

/// Why text is no tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) at: Position,
    pub(super) message: String,
    pub(super) remedy: Option<&'static str>,
}

/// Read the one document of `text`; a text without one is a null.
///
/// # Errors
/// The first fault: behind it nothing can be told.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    check_characters(text)?;
    let mut builder = Builder { lines: text.lines().collect(), ..Builder::default() };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.take(event, span.start)?,
            Err(error) => return Err(fault(position(*error.marker()), error.info().to_owned())),
        }
    }
    let null = Scalar { text: String::new(), is_plain: true, tag: None };
    let start = Position { line: 1, column: 1 };
    Ok(builder.root.unwrap_or_else(|| Node::scalar(start, null)))
}

fn fault(at: Position, message: String) -> Fault {
    Fault { at, message, remedy: None }
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// YAML 1.1 has no control characters but tab and line breaks.
fn check_characters(text: &str) -> Result<(), Fault> {
    let is_control = |c: char| matches!(c, '\0'..='\x08' | '\x0B'..='\x0C' | '\x0E'..='\x1F' | '\x7F'..='\u{84}' | '\u{86}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}');
    for (index, line) in text.lines().enumerate() {
        if let Some(column) = line.chars().position(is_control) {
            let at = Position { line: index + 1, column: column + 1 };
            return Err(fault(at, "control characters are not allowed".to_owned()));
        }
    }
    Ok(())
}

/// A list or map that is being read.
struct Open {
    at: Position,
    anchor: usize,
    children: Vec<Node>,
    is_map: bool,
}

#[derive(Default)]
struct Builder<'t> {
    lines: Vec<&'t str>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    n_nodes: usize,
    n_documents: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, start: Marker) -> Result<(), Fault> {
        let at = position(start);
        match event {
            Event::DocumentStart(_) => {
                self.n_documents += 1;
                if self.n_documents > 1 {
                    let message = "a second document would be ignored".to_owned();
                    return Err(Fault { at, message, remedy: Some("put it into its own file") });
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::DoubleQuoted {
                    self.check_escapes(at)?;
                }
                let is_plain = style == ScalarStyle::Plain;
                let scalar = Scalar { text: text.into_owned(), is_plain, tag: short(tag) };
                self.count(1, at)?;
                self.add(Node::scalar(at, scalar), anchor, at)?;
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(fault(at, "anchor contains itself".to_owned()));
                };
                self.count(node.n_nodes, at)?;
                self.add(node, 0, at)?;
            }
            Event::SequenceStart(anchor, _) => self.begin(at, anchor, false)?,
            Event::MappingStart(anchor, _) => self.begin(at, anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Position, anchor: usize, is_map: bool) -> Result<(), Fault> {
        self.count(1, at)?;
        check_depth(self.open.len() + 1, at)?;
        self.open.push(Open { at, anchor, children: Vec::new(), is_map });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(Open { at, anchor, children, is_map }) = self.open.pop() else { return Ok(()) };
        let (n_nodes, depth) = extent(children.iter());
        let kind = if is_map { Kind::Map(pairs(children)) } else { Kind::List(children) };
        self.add(Node { at, kind, n_nodes, depth }, anchor, at)
    }

    fn add(&mut self, node: Node, anchor: usize, at: Position) -> Result<(), Fault> {
        check_depth(self.open.len() + node.depth, at)?;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    fn count(&mut self, n_nodes: usize, at: Position) -> Result<(), Fault> {
        self.n_nodes += n_nodes;
        if self.n_nodes <= NODES_MAX {
            return Ok(());
        }
        Err(fault(
            at,
            format!("the file has more than {NODES_MAX} values, aliases counted in full"),
        ))
    }

    /// YAML 1.2 has an escape that 1.1, and so Prometheus, has not: `\/`.
    fn check_escapes(&self, at: Position) -> Result<(), Fault> {
        let rest = self.lines.iter().skip(at.line - 1).zip(at.line..);
        let mut column = at.column;
        for (line, line_number) in rest {
            let mut chars = line.chars().zip(1..).skip(column);
            column = 0;
            while let Some((c, _)) = chars.next() {
                match c {
                    '"' => return Ok(()),
                    '\\' => {
                        if let Some(('/', column)) = chars.next() {
                            let at = Position { line: line_number, column };
                            return Err(fault(at, "found unknown escape character".to_owned()));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// The number of nodes and the depth of a node with these below it.
fn extent<'n>(children: impl Iterator<Item = &'n Node>) -> (usize, usize) {
    children.fold((1, 1), |(n_nodes, depth), child| {
        (n_nodes + child.n_nodes, depth.max(child.depth + 1))
    })
}

fn check_depth(depth: usize, at: Position) -> Result<(), Fault> {
    if depth <= DEPTH_MAX {
        return Ok(());
    }
    Err(fault(at, format!("values are nested more than {DEPTH_MAX} deep")))
}

/// The parser gives keys and values in turn.
fn pairs(children: Vec<Node>) -> Vec<(Node, Node)> {
    let mut pairs = Vec::with_capacity(children.len() / 2);
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn short(tag: Option<Cow<'_, Tag>>) -> Option<String> {
    let tag = tag?;
    let prefix = if tag.is_yaml_core_schema() { "!!" } else { &*tag.handle };
    Some(format!("{prefix}{}", tag.suffix))
}
