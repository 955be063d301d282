//! Nodes of the tree, with what Go's limits need to know about each.

use regex_syntax::hir::Capture;
use regex_syntax::hir::Class;
use regex_syntax::hir::ClassUnicode;
use regex_syntax::hir::ClassUnicodeRange;
use regex_syntax::hir::Hir;
use regex_syntax::hir::Repetition;

/// The deepest nesting (Go's `maxHeight`).
pub(super) const HEIGHT_MAX: u32 = 1000;
/// The largest program, in Go's instructions of 40 bytes (Go's `maxSize`).
pub(super) const SIZE_MAX: u64 = (128 << 20) / 40;

/// One node of the tree.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) hir: Hir,
    /// Levels of nodes, this one included.
    pub(super) height: u32,
    /// Instructions of the program Go would make of it.
    pub(super) size: u64,
    /// The highest product of counts nested in each other, this one's included.
    pub(super) repeats: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Literal { fold: bool },
    Concat,
    Alternate,
    Other,
}

impl Node {
    /// A node without children.
    pub(super) fn one(hir: Hir) -> Self {
        Self { hir, height: 1, size: 1, repeats: 1, kind: Kind::Other }
    }

    /// A set of characters.
    pub(super) fn class(set: ClassUnicode) -> Self {
        Self::one(Hir::class(Class::Unicode(set)))
    }

    /// One character; a surrogate, which Go takes, matches nothing.
    pub(super) fn literal(code: u32, fold: bool) -> Self {
        let kind = Kind::Literal { fold };
        let Some(c) = char::from_u32(code) else {
            return Self { kind, ..Self::one(Hir::fail()) };
        };
        let hir = if fold {
            let mut set = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
            set.case_fold_simple();
            Hir::class(Class::Unicode(set))
        } else {
            Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())
        };
        Self { kind, ..Self::one(hir) }
    }

    /// One node after the other. Neighbouring literals are one node to Go, and a sequence in a
    /// sequence is no level of its own.
    pub(super) fn concat(mut nodes: Vec<Self>) -> Self {
        if nodes.len() <= 1 {
            return nodes.pop().unwrap_or_else(|| Self::one(Hir::empty()));
        }
        let is_one_literal = matches!(nodes[0].kind, Kind::Literal { .. })
            && nodes.iter().all(|node| node.kind == nodes[0].kind);
        let size = nodes.iter().fold(0, |sum: u64, node| sum.saturating_add(node.size));
        let repeats = nodes.iter().map(|node| node.repeats).max().unwrap_or(1);
        let (height, kind) = if is_one_literal {
            (1, nodes[0].kind)
        } else {
            (1 + children_height(&nodes, Kind::Concat), Kind::Concat)
        };
        let hir = Hir::concat(nodes.into_iter().map(|node| node.hir).collect());
        Self { hir, height, size, repeats, kind }
    }

    /// One node or another.
    pub(super) fn alternate(mut nodes: Vec<Self>) -> Self {
        if nodes.len() <= 1 {
            return nodes.pop().unwrap_or_else(|| Self::one(Hir::empty()));
        }
        let bars = nodes.len() as u64 - 1;
        let size = nodes.iter().fold(bars, |sum, node| sum.saturating_add(node.size));
        let repeats = nodes.iter().map(|node| node.repeats).max().unwrap_or(1);
        let height = 1 + children_height(&nodes, Kind::Alternate);
        let hir = Hir::alternation(nodes.into_iter().map(|node| node.hir).collect());
        Self { hir, height, size, repeats, kind: Kind::Alternate }
    }

    /// A group that captures.
    pub(super) fn capture(self, number: u32) -> Self {
        let Self { hir, height, size, repeats, .. } = self;
        Self {
            hir: Hir::capture(Capture { index: number, name: None, sub: Box::new(hir) }),
            height: height + 1,
            size: size.saturating_add(2),
            repeats,
            kind: Kind::Other,
        }
    }

    /// The node again and again. Only counts in braces count as counts.
    pub(super) fn repeat(self, min: u32, max: Option<u32>, greedy: bool, is_counted: bool) -> Self {
        let Self { hir, height, size, repeats, .. } = self;
        let (low, high) = (u64::from(min), max.map(u64::from));
        let size = match high {
            _ if !is_counted => size.saturating_add(if min == 0 && max.is_none() { 2 } else { 1 }),
            None if min == 0 => size.saturating_add(2),
            None => size.saturating_mul(low).saturating_add(1),
            Some(high) => size.saturating_mul(high).saturating_add(high - low),
        };
        let repeats = match high {
            _ if !is_counted => repeats,
            // What is repeated no times is not looked into.
            Some(0) => 0,
            Some(high) => repeats.saturating_mul(high),
            None => repeats.saturating_mul(low.max(1)),
        };
        let hir = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(hir) });
        Self { hir, height: height + 1, size: size.max(1), repeats, kind: Kind::Other }
    }
}

/// The height of the highest node, those of `flat` kind being taken apart.
fn children_height(nodes: &[Node], flat: Kind) -> u32 {
    let height = |node: &Node| node.height - u32::from(node.kind == flat);
    nodes.iter().map(height).max().unwrap_or(0)
}
