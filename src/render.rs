//! Snapshots to exposition text, a piece at a time.
//!
//! In: a [`Snapshot`], the format and how odd names are written. Out: text that Prometheus accepts,
//! the same bytes for the same snapshot: families by name, HELP and TYPE before their samples,
//! groups by labels, buckets ascending.
//!
//! This module must not know where the snapshot comes from or who reads the text.

pub mod escape;

use std::borrow::Cow;
use std::sync::Arc;

use crate::aggregate::family::Suffix;
use crate::aggregate::layout::{Family, Group, Sample};
use crate::aggregate::merge::is_absent;
use crate::aggregate::series::{Bound, BoundLabel, canonical_bound, write_escaped};
use crate::aggregate::snapshot::Snapshot;
use crate::model::{Escaping, Format, MetricType, number};
use crate::render::escape::{escape_label_names, escape_name};

/// How a snapshot is rendered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RenderOptions {
    /// The text format.
    pub format: Format,
    /// How names outside the legacy set are written.
    pub escaping: Escaping,
    /// A timestamp in ms for the samples that have none of their own.
    pub default_timestamp_ms: Option<i64>,
}

/// A snapshot being rendered.
#[derive(Debug)]
pub struct Renderer {
    snapshot: Arc<Snapshot>,
    options: RenderOptions,
    /// The next family and the next group in it.
    family: usize,
    group: usize,
    /// Whether the header of this family has been written.
    has_header: bool,
    is_done: bool,
}

impl Renderer {
    /// Start at the beginning.
    pub fn new(snapshot: Arc<Snapshot>, options: RenderOptions) -> Self {
        Self { snapshot, options, family: 0, group: 0, has_header: false, is_done: false }
    }

    /// Append about `about` bytes of text; `false` once everything has been written.
    pub fn fill(&mut self, out: &mut Vec<u8>, about: usize) -> bool {
        if self.is_done {
            return false;
        }
        let end = out.len() + about;
        let snapshot = Arc::clone(&self.snapshot);
        while let Some(family) = snapshot.families.get(self.family) {
            let writer = FamilyWriter::new(&snapshot, family, self.options);
            while let Some(group) = family.groups.get(self.group) {
                if out.len() >= end {
                    return true;
                }
                self.write_group(&writer, group, out);
                self.group += 1;
            }
            self.family += 1;
            self.group = 0;
            self.has_header = false;
        }
        if self.options.format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        self.is_done = true;
        false
    }

    fn write_group(&mut self, writer: &FamilyWriter<'_>, group: &Group, out: &mut Vec<u8>) {
        let labels = writer.labels(group);
        for sample in &group.samples {
            let Some(&value) = writer.snapshot.values.get(sample.slot as usize) else { continue };
            if is_absent(value) {
                continue;
            }
            if !self.has_header {
                writer.write_header(group, out);
                self.has_header = true;
            }
            writer.write_sample(sample, &labels, value, out);
        }
        if let Some(began) = &writer.snapshot.began {
            writer.write_created(group, &labels, began, out);
        }
    }
}

/// What is the same for all samples of a family.
struct FamilyWriter<'a> {
    snapshot: &'a Snapshot,
    family: &'a Family,
    options: RenderOptions,
    /// The name as it is written, unless it goes into quotes.
    name: Cow<'a, [u8]>,
    /// The name goes into quotes, inside the braces.
    is_quoted: bool,
}

impl<'a> FamilyWriter<'a> {
    fn new(snapshot: &'a Snapshot, family: &'a Family, options: RenderOptions) -> Self {
        let is_quoted = !family.is_legacy_name && options.escaping == Escaping::AllowUtf8;
        let name = if family.is_legacy_name || is_quoted {
            Cow::Borrowed(&*family.name)
        } else {
            Cow::Owned(escape_name(&family.name, options.escaping))
        };
        Self { snapshot, family, options, name, is_quoted }
    }

    /// The labels of a group, with their names as this reader wants them.
    fn labels<'g>(&self, group: &'g Group) -> Labels<'g> {
        if self.options.escaping == Escaping::AllowUtf8 {
            return Labels { text: Cow::Borrowed(&group.labels), is_escaped: false };
        }
        match escape_label_names(&group.labels, self.options.escaping) {
            Some(escaped) => Labels { text: Cow::Owned(escaped), is_escaped: true },
            None => Labels { text: Cow::Borrowed(&group.labels), is_escaped: false },
        }
    }

    /// The name of the family as its header has it, and its type, which depend on the format.
    fn base(&self, first: &Group) -> (Vec<u8>, Option<MetricType>) {
        let is_open_metrics = self.options.format == Format::OpenMetrics;
        let mut name = self.name.clone().into_owned();
        let mut metric_type = self.family.meta.metric_type;
        let has_suffix = |suffix| first.samples.iter().any(|sample| sample.suffix == suffix);
        match (is_open_metrics, metric_type) {
            // In OpenMetrics a counter's family has the name without `_total`, and a sample
            // without `_total` is no counter's (prometheus/common does the same).
            (true, Some(MetricType::Counter)) if !has_suffix(Suffix::Total) => {
                match name.strip_suffix(b"_total") {
                    Some(base) if !self.is_taken(base) => name = base.to_vec(),
                    _ => metric_type = Some(MetricType::Unknown),
                }
            }
            (false, Some(MetricType::Counter)) if has_suffix(Suffix::Total) => {
                name.extend_from_slice(b"_total");
            }
            (false, Some(MetricType::Info)) if has_suffix(Suffix::Info) => {
                name.extend_from_slice(b"_info");
            }
            _ => {}
        }
        (name, metric_type)
    }

    /// Tell when the totals of a group began, in the format that can.
    fn write_created(
        &self,
        group: &Group,
        labels: &Labels<'_>,
        began: &[Option<i64>],
        out: &mut Vec<u8>,
    ) {
        if self.options.format != Format::OpenMetrics {
            return;
        }
        let (base, metric_type) = self.base(group);
        let tells = |sample: &&Sample| match metric_type {
            Some(MetricType::Counter) => true,
            Some(MetricType::Histogram | MetricType::Summary) => sample.suffix == Suffix::Count,
            _ => false,
        };
        let shown = |sample: &&Sample| {
            let value = self.snapshot.values.get(sample.slot as usize);
            value.is_some_and(|&value| !is_absent(value))
        };
        let telling = group.samples.iter().filter(tells).find(shown);
        let Some(since_ms) = telling.and_then(|sample| began.get(sample.slot as usize).copied()?)
        else {
            return;
        };
        // Clients that write text have families of that name of their own.
        if self.is_taken(&[&base, Suffix::Created.text().as_bytes()].concat()) {
            return;
        }
        let writer = FamilyWriter { name: Cow::Owned(base), ..*self };
        let created = Sample {
            slot: u32::MAX,
            bound_text: 0,
            suffix: Suffix::Created,
            bound: Bound::default(),
        };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
        let seconds = since_ms as f64 / 1000.0;
        writer.write_sample(&created, labels, seconds, out);
    }

    fn write_header(&self, first: &Group, out: &mut Vec<u8>) {
        let meta = &self.family.meta;
        let is_open_metrics = self.options.format == Format::OpenMetrics;
        let (base, metric_type) = self.base(first);
        let name = self.header_name(&base);
        if let Some(help) = &meta.help {
            for part in [b"# HELP ", &name[..], b" "] {
                out.extend_from_slice(part);
            }
            write_help(out, help, is_open_metrics);
            out.push(b'\n');
        }
        if let Some(metric_type) = metric_type {
            let word = if is_open_metrics {
                metric_type.open_metrics_word()
            } else {
                text_word(metric_type)
            };
            for part in [b"# TYPE ", &name[..], b" ", word.as_bytes(), b"\n"] {
                out.extend_from_slice(part);
            }
        }
        // Prometheus refuses a unit the family's name does not end in; a rename may have cut it.
        if let (true, Some(unit)) = (is_open_metrics, &meta.unit)
            && base.strip_suffix(&**unit).is_some_and(|name| name.ends_with(b"_"))
        {
            for part in [b"# UNIT ", &name[..], b" ", unit, b"\n"] {
                out.extend_from_slice(part);
            }
        }
    }

    /// Whether a family has this name, so that no other may have it: Go's runtime metrics have
    /// both `go_memstats_alloc_bytes` and `go_memstats_alloc_bytes_total`.
    fn is_taken(&self, name: &[u8]) -> bool {
        self.snapshot.families.binary_search_by(|family| (*family.name).cmp(name)).is_ok()
    }

    fn header_name(&self, name: &[u8]) -> Vec<u8> {
        if !self.is_quoted {
            return name.to_vec();
        }
        let mut quoted = vec![b'"'];
        write_escaped(&mut quoted, name);
        quoted.push(b'"');
        quoted
    }

    #[inline]
    fn write_sample(&self, sample: &Sample, labels: &Labels<'_>, value: f64, out: &mut Vec<u8>) {
        let has_braces =
            self.is_quoted || !labels.text.is_empty() || sample.bound.label != BoundLabel::None;
        if self.is_quoted {
            out.extend_from_slice(b"{\"");
            write_escaped(out, &self.name);
            out.extend_from_slice(sample.suffix.text().as_bytes());
            out.push(b'"');
            if !labels.text.is_empty() || sample.bound.label != BoundLabel::None {
                out.push(b',');
            }
        } else {
            out.extend_from_slice(&self.name);
            out.extend_from_slice(sample.suffix.text().as_bytes());
            if has_braces {
                out.push(b'{');
            }
        }
        if sample.bound.label == BoundLabel::None {
            out.extend_from_slice(&labels.text);
        } else {
            self.write_labels_with_bound(sample, labels, out);
        }
        out.extend_from_slice(if has_braces { b"} " } else { b" " });
        self.write_value(sample, value, out);
    }

    #[inline]
    fn write_labels_with_bound(&self, sample: &Sample, labels: &Labels<'_>, out: &mut Vec<u8>) {
        // Escaped names have other lengths; there the bound goes last.
        let at = if labels.is_escaped { labels.text.len() } else { sample.bound.at as usize };
        let (before, after) = labels.text.split_at_checked(at).unwrap_or((&labels.text, &[]));
        out.extend_from_slice(before);
        if !before.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(sample.bound.label.name().as_bytes());
        out.extend_from_slice(b"=\"");
        match self.snapshot.bound_texts.get(sample.bound_text as usize) {
            Some(text) => out.extend_from_slice(text),
            None => out.extend_from_slice(&canonical_bound(sample.bound.value)),
        }
        out.push(b'"');
        if before.is_empty() && !after.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(after);
    }

    #[inline]
    fn write_value(&self, sample: &Sample, value: f64, out: &mut Vec<u8>) {
        let slot = sample.slot as usize;
        let own = self.snapshot.timestamps.as_ref().and_then(|all| all.get(slot).copied()?);
        // 0 and what is before mean none: text has no way to write them.
        let own = own.filter(|&timestamp| timestamp > 0);
        let timestamp = own.or(self.options.default_timestamp_ms);
        if self.options.format == Format::OpenMetrics {
            self.write_value_open_metrics(sample, value, timestamp, out);
            return;
        }
        number::write_value(out, value);
        if let Some(timestamp) = timestamp {
            out.push(b' ');
            out.extend_from_slice(itoa::Buffer::new().format(timestamp).as_bytes());
        }
        out.push(b'\n');
    }

    fn write_value_open_metrics(
        &self,
        sample: &Sample,
        value: f64,
        timestamp: Option<i64>,
        out: &mut Vec<u8>,
    ) {
        number::write_value_open_metrics(out, value);
        if let Some(timestamp) = timestamp {
            out.push(b' ');
            number::write_seconds(out, timestamp);
        }
        if let Some(exemplar) = self.snapshot.exemplars.get(&sample.slot) {
            out.extend_from_slice(b" # ");
            out.extend_from_slice(exemplar);
        }
        out.push(b'\n');
    }
}

/// The label text of a group as it is written.
struct Labels<'g> {
    text: Cow<'g, [u8]>,
    /// Names were changed, so that offsets into the group's text do not hold.
    is_escaped: bool,
}

/// The word text 0.0.4 has for a type; it knows fewer than OpenMetrics.
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
fn write_help(out: &mut Vec<u8>, help: &[u8], is_open_metrics: bool) {
    for &byte in help {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if is_open_metrics => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests;
