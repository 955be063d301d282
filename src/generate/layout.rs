//! How the lines of a label set are written: what is the same for all of them is put together once.
//!
//! A label set (one choice of values for the dimensions) has one line, or for histograms and
//! summaries several. A line is
//!
//! ```text
//! line   = head labels tail value
//! head   = name suffix                    ; or, for a name that needs quotes, `{"` name suffix `"`
//! labels = `{a="` value `",b="` value `"`  ; composed once for all lines of a set
//! tail   = `,le="0.5"} ` / `} ` / ` `
//! ```
//!
//! This module must not know of time or of values.

use crate::generate::churn::Life;
use crate::generate::space::Place;
use crate::generate::space::Space;
use crate::generate::space::write_escaped;
use crate::model::Format;
use crate::model::MetricType;
use crate::model::number;

/// What one line of a set is, whatever the set.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What stands behind the family's base name.
    pub(super) suffix: &'static str,
    /// The label only this line has.
    pub(super) bound: Option<Bound>,
}

/// The label that tells the lines of a set apart.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    /// `le`, `quantile`, or the name of a state set.
    pub(super) label: String,
    /// Its value, as text 0.0.4 has it.
    pub(super) text: String,
    /// Its value, as OpenMetrics has it.
    pub(super) open_metrics: String,
    /// The number; NaN for states.
    pub(super) value: f64,
}

impl Bound {
    /// A bound that is a number.
    pub(super) fn number(label: &str, value: f64) -> Self {
        let text = |write: fn(&mut Vec<u8>, f64)| {
            let mut out = Vec::new();
            write(&mut out, value);
            String::from_utf8(out).unwrap_or_default()
        };
        Self {
            label: label.to_owned(),
            text: text(number::write_value),
            open_metrics: text(number::write_value_open_metrics),
            value,
        }
    }

    /// A bound that is a word.
    pub(super) fn word(label: &str, word: &str) -> Self {
        let word = word.to_owned();
        Self { label: label.to_owned(), text: word.clone(), open_metrics: word, value: f64::NAN }
    }
}

/// The names of a family: which is written where.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// In front of the suffixes of the lines.
    pub(super) base: String,
    /// On the HELP and TYPE lines of text 0.0.4.
    pub(super) text_header: String,
    /// The same in OpenMetrics.
    pub(super) open_metrics_header: String,
    /// The type as OpenMetrics may state it.
    pub(super) open_metrics_type: MetricType,
}

impl Names {
    /// The names of a family that a spec calls `name`.
    ///
    /// In OpenMetrics the family of a counter is named without `_total`, that of an info without
    /// `_info`; a counter without `_total` is none there and becomes `unknown`, as in
    /// `client_golang`. `is_taken` says whether another family has a name already.
    pub(super) fn new(
        name: &str,
        metric_type: MetricType,
        is_taken: impl Fn(&str) -> bool,
    ) -> Self {
        let mut open_metrics_header = name.to_owned();
        let mut open_metrics_type = metric_type;
        let mut base = name.to_owned();
        match metric_type {
            MetricType::Counter => match name.strip_suffix("_total") {
                Some(stem) if !stem.is_empty() && !is_taken(stem) => {
                    stem.clone_into(&mut open_metrics_header);
                }
                _ => open_metrics_type = MetricType::Unknown,
            },
            MetricType::Info => {
                let stem = name.strip_suffix("_info").filter(|stem| !stem.is_empty());
                let stem = stem.unwrap_or(name);
                base = format!("{stem}_info");
                stem.clone_into(&mut open_metrics_header);
                if stem != name && is_taken(stem) {
                    open_metrics_header.clone_from(&base);
                    open_metrics_type = MetricType::Gauge;
                }
            }
            _ => {}
        }
        Self { text_header: base.clone(), base, open_metrics_header, open_metrics_type }
    }

    /// The name of the `_created` line.
    pub(super) fn created(&self) -> String {
        format!("{}_created", self.open_metrics_header)
    }
}

/// Whether a metric name may stand without quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub(super) fn is_legacy_name(name: &str) -> bool {
    let is_legacy = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':');
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(is_legacy)
}

/// Append a name, in quotes if it needs them.
pub(super) fn write_name(out: &mut Vec<u8>, name: &str, is_legacy: bool) {
    if is_legacy {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'"');
        write_escaped(out, name.as_bytes());
        out.push(b'"');
    }
}

/// The lines of a set, ready to be put together.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pieces: Vec<Piece>,
    /// Text and OpenMetrics.
    edges: [Vec<Edges>; 2],
    /// Head and tail of the `_created` line.
    created: Edges,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Vec<u8>),
    Value(usize),
}

/// What stands before and behind the labels.
#[derive(Clone, Debug)]
pub(super) struct Edges {
    /// Before.
    pub(super) head: Vec<u8>,
    /// Behind.
    pub(super) tail: Vec<u8>,
    /// Whether the line before has the same head.
    pub(super) has_same_head: bool,
}

impl Layout {
    /// Put together what all sets of a space share.
    pub(super) fn new(names: &Names, space: &Space, lines: &[Line]) -> Self {
        let is_quoted = !is_legacy_name(&names.base);
        let has_labels = !space.by_name().is_empty();
        let edges = |format| -> Vec<Edges> {
            let mut all: Vec<Edges> = Vec::with_capacity(lines.len());
            for line in lines {
                let name = format!("{}{}", names.base, line.suffix);
                let bound = line.bound.as_ref().map(|bound| {
                    let value = match format {
                        Format::Text => &bound.text,
                        Format::OpenMetrics => &bound.open_metrics,
                    };
                    (&*bound.label, &**value)
                });
                let mut edges = Edges::new(&name, is_quoted, has_labels, bound);
                edges.has_same_head = all.last().is_some_and(|last| last.head == edges.head);
                all.push(edges);
            }
            all
        };
        Self {
            pieces: pieces(space, is_quoted),
            edges: [edges(Format::Text), edges(Format::OpenMetrics)],
            created: Edges::new(&names.created(), is_quoted, has_labels, None),
        }
    }

    /// Heads and tails, one for each line.
    pub(super) fn edges(&self, format: Format) -> &[Edges] {
        match format {
            Format::Text => &self.edges[0],
            Format::OpenMetrics => &self.edges[1],
        }
    }

    /// Head and tail of the `_created` line.
    pub(super) fn created(&self) -> &Edges {
        &self.created
    }

    /// Append the labels of a set.
    #[inline]
    pub(super) fn write_labels(&self, space: &Space, place: Place, life: &Life, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Value(dimension) => {
                    space.write_value(*dimension, place, true, out);
                    life.write_marks(*dimension, out);
                }
            }
        }
    }
}

impl Edges {
    fn new(name: &str, is_quoted: bool, has_labels: bool, bound: Option<(&str, &str)>) -> Self {
        let mut head = Vec::new();
        if is_quoted {
            head.push(b'{');
        }
        write_name(&mut head, name, !is_quoted);
        let mut tail = Vec::new();
        let is_open = has_labels || is_quoted;
        if let Some((label, value)) = bound {
            tail.push(if is_open { b',' } else { b'{' });
            write_name(&mut tail, label, is_legacy_name(label) && !label.contains(':'));
            tail.extend_from_slice(b"=\"");
            write_escaped(&mut tail, value.as_bytes());
            tail.extend_from_slice(b"\"} ");
        } else {
            tail.extend_from_slice(if is_open { b"} " } else { b" " });
        }
        Self { head, tail, has_same_head: false }
    }
}

/// The labels by name; what does not change from set to set is part of the text between.
fn pieces(space: &Space, is_quoted: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = Vec::new();
    for (nth, &dimension) in space.by_name().iter().enumerate() {
        let this = &space.dimensions()[dimension];
        text.push(if nth == 0 && !is_quoted { b'{' } else { b',' });
        write_name(&mut text, &this.name, is_legacy_name(&this.name) && !this.name.contains(':'));
        text.extend_from_slice(b"=\"");
        if this.is_constant() && !space.is_marked(dimension) {
            space.write_value(dimension, Place { id: 0, target: 0 }, true, &mut text);
        } else {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
            pieces.push(Piece::Value(dimension));
        }
        text.push(b'"');
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}
