//! Expositions, a piece at a time: text 0.0.4 and OpenMetrics 1.0.
//!
//! In memory are one label set and what the caller has not yet taken, whatever the number of
//! series. The labels of a set are put together once and copied for each of its lines.

use crate::generate::data::Presence;
use crate::generate::data::Row;
use crate::generate::exemplar;
use crate::generate::exemplar::ExemplarAt;
use crate::generate::family::Block;
use crate::generate::family::Family;
use crate::generate::generator::Generator;
use crate::generate::layout::is_legacy_name;
use crate::generate::layout::write_name;
use crate::generate::walk::Walk;
use crate::model::Format;
use crate::model::MetricType;
use crate::model::number;

/// The exposition of one target at one instant.
#[derive(Debug)]
pub struct Page {
    walk: Walk,
    format: Format,
    /// The family whose header was written last.
    family: Option<usize>,
    /// Head and labels of the line at hand.
    prefix: Vec<u8>,
    labels: Vec<u8>,
    is_done: bool,
}

impl Page {
    pub(super) fn new(generator: Generator, target: u32, time_ms: i64, format: Format) -> Self {
        Self {
            walk: Walk::new(generator, target, time_ms),
            format,
            family: None,
            prefix: Vec::new(),
            labels: Vec::new(),
            is_done: false,
        }
    }

    /// Append about `n_bytes` bytes, at least one; `false` once everything has been written.
    ///
    /// A call ends with a label set, so it may append the lines of one set more than asked for.
    pub fn fill(&mut self, out: &mut Vec<u8>, n_bytes: usize) -> bool {
        if self.is_done {
            return false;
        }
        let end = out.len() + n_bytes.max(1);
        while out.len() < end {
            let Some((family, block)) = self.walk.next() else {
                if self.format == Format::OpenMetrics {
                    out.extend_from_slice(b"# EOF\n");
                }
                self.is_done = true;
                return false;
            };
            if self.walk.row.presence == Presence::Here {
                self.write_set(family, block, out);
            }
        }
        true
    }

    fn write_set(&mut self, family_at: usize, block_at: usize, out: &mut Vec<u8>) {
        let Self { walk, format, family: header, prefix, labels, .. } = self;
        let Some(family) = walk.generator().family(family_at) else { return };
        let Some(block) = family.blocks.get(block_at) else { return };
        if *header != Some(family_at) {
            *header = Some(family_at);
            write_header(family, *format, out);
        }
        labels.clear();
        block.layout.write_labels(&block.space, walk.place, &walk.life, labels);
        let writer = SetWriter { family, block, format: *format, labels, timestamp_ms: None };
        let exemplars = family.exemplars.as_ref().filter(|_| *format == Format::OpenMetrics);
        let exemplars = exemplars.map(|spec| ExemplarAt {
            spec,
            key: walk.key,
            time_ms: walk.time_ms(),
            interval_ms: walk.generator().interval_ms(),
        });
        writer.write(&walk.row, exemplars, prefix, out);
    }
}

/// Writes the lines of one label set.
pub(super) struct SetWriter<'a> {
    pub(super) family: &'a Family,
    pub(super) block: &'a Block,
    pub(super) format: Format,
    pub(super) labels: &'a [u8],
    /// Put behind every sample; then creation times are left out, which promtool would take for
    /// series of their own.
    pub(super) timestamp_ms: Option<i64>,
}

impl SetWriter<'_> {
    /// Append the lines; `prefix` is memory to work in.
    #[inline]
    pub(super) fn write(
        &self,
        row: &Row,
        exemplars: Option<ExemplarAt<'_>>,
        prefix: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        let is_open_metrics = self.format == Format::OpenMetrics;
        for (at, edges) in self.block.layout.edges(self.format).iter().enumerate() {
            let Some(&value) = row.values.get(at) else { break };
            if !edges.has_same_head {
                prefix.clear();
                prefix.extend_from_slice(&edges.head);
                prefix.extend_from_slice(self.labels);
            }
            out.reserve(prefix.len() + edges.tail.len() + 64);
            out.extend_from_slice(prefix);
            out.extend_from_slice(&edges.tail);
            if is_open_metrics {
                number::write_value_open_metrics(out, value);
            } else {
                number::write_value(out, value);
            }
            if let Some(timestamp_ms) = self.timestamp_ms {
                out.push(b' ');
                number::write_seconds(out, timestamp_ms);
            }
            if let Some(exemplars) = &exemplars {
                exemplar::write(exemplars, self.family, self.block, row, at, out);
            }
            out.push(b'\n');
        }
        if is_open_metrics
            && self.timestamp_ms.is_none()
            && self.block.has_created
            && let Some(created_ms) = row.created_ms
        {
            let edges = self.block.layout.created();
            for part in [&edges.head, self.labels, &edges.tail] {
                out.extend_from_slice(part);
            }
            let start = out.len();
            number::write_seconds(out, created_ms);
            if !out[start..].contains(&b'.') {
                out.extend_from_slice(b".0");
            }
            out.push(b'\n');
        }
    }
}

/// Append what stands before a family's samples.
pub(super) fn write_header(family: &Family, format: Format, out: &mut Vec<u8>) {
    let is_open_metrics = format == Format::OpenMetrics;
    let (name, metric_type) = if is_open_metrics {
        (&family.names.open_metrics_header, family.names.open_metrics_type)
    } else {
        (&family.names.text_header, family.metric_type)
    };
    let is_legacy = is_legacy_name(name);
    if !family.help.is_empty() {
        out.extend_from_slice(b"# HELP ");
        write_name(out, name, is_legacy);
        out.push(b' ');
        write_help(out, &family.help, is_open_metrics);
        out.push(b'\n');
    }
    out.extend_from_slice(b"# TYPE ");
    write_name(out, name, is_legacy);
    out.push(b' ');
    let word =
        if is_open_metrics { metric_type.open_metrics_word() } else { text_word(metric_type) };
    out.extend_from_slice(word.as_bytes());
    out.push(b'\n');
    let has_unit = name.strip_suffix(&*family.unit).is_some_and(|stem| stem.ends_with('_'));
    if is_open_metrics && !family.unit.is_empty() && has_unit {
        out.extend_from_slice(b"# UNIT ");
        write_name(out, name, is_legacy);
        out.push(b' ');
        out.extend_from_slice(family.unit.as_bytes());
        out.push(b'\n');
    }
}

/// The word text 0.0.4 has for a type.
fn text_word(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Counter => "counter",
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => "gauge",
        MetricType::Histogram => "histogram",
        MetricType::Summary => "summary",
        MetricType::Unknown | MetricType::GaugeHistogram => "untyped",
    }
}

/// Help text: backslash and newline are escaped, in OpenMetrics quotes too.
fn write_help(out: &mut Vec<u8>, help: &str, is_open_metrics: bool) {
    for byte in help.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if is_open_metrics => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}
