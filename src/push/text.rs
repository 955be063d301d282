//! Bodies in text 0.0.4 and OpenMetrics.
//!
//! The verdict is the linter's, whose parser is that of the Pushgateway; then the text is read once
//! more for what it says: comments in that parser's way, which takes `#HELP` and `COUNTER`, samples
//! in Prometheus'. In OpenMetrics, types that text 0.0.4 does not know become those it
//! knows: info and stateset are gauges, parts of a gauge histogram have no type, `_created` is a
//! gauge of its own, as clients write it in text.

use crate::lint::{Comment, LintConfig, Linter, Report, RuleSet, name_in_braces, read_comment};
use crate::model::Format;
use crate::model::MetricType;
use crate::model::number::parse_value;
use crate::parse::{Document, Entry, EntryError, ParseErrorKind, Parser, SampleTokens};
use crate::parse::{parse_entry, unescape, unescape_help};
use crate::push::body::{BodyError, Builder, Families, ReadConfig};
use crate::push::conflict::Conflict;
use crate::push::family::Value;
use crate::push::names::LabelNames;
use crate::push::path::GroupingKey;
use std::borrow::Cow;
use std::collections::HashMap;

/// What a sample is of its family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Plain,
    Bucket,
    Sum,
    Count,
}

/// Which family a sample name belongs to.
#[derive(Clone, Debug)]
struct Member {
    family: String,
    metric_type: MetricType,
    role: Role,
}

/// Name and value of a label.
type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// What HELP and TYPE lines say of a name.
#[derive(Clone, Debug, Default)]
struct Meta {
    metric_type: Option<MetricType>,
    help: String,
}

/// Read a text, and say what the linter finds in it.
///
/// # Errors
///
/// Whatever the Pushgateway would refuse before it looks at what else it has.
pub fn read_text(
    format: Format,
    body: &[u8],
    key: &GroupingKey,
    config: ReadConfig,
    rules: RuleSet,
    random: impl FnMut() -> u64,
) -> Result<(Families, Report), BodyError> {
    let lint = LintConfig {
        format,
        rules,
        line_bytes_max: config.line_bytes_max,
        utf8_names: config.names == LabelNames::Utf8,
    };
    let mut linter = Linter::new(lint, random);
    linter.push(body)?;
    let report = linter.finish()?;
    let mut reader = Reader {
        format,
        builder: Builder::new(key, config),
        metas: HashMap::new(),
        last: None,
        refused: None,
    };
    match format {
        Format::Text => reader.text(body)?,
        Format::OpenMetrics => reader.open_metrics(body, config.line_bytes_max)?,
    }
    Ok((reader.finish()?, report))
}

struct Reader<'k> {
    format: Format,
    builder: Builder<'k>,
    metas: HashMap<String, Meta>,
    /// The sample name before, and what it is.
    last: Option<(Vec<u8>, Member)>,
    refused: Option<BodyError>,
}

/// Stops the parser; why is told elsewhere.
const STOP: EntryError = EntryError { column: 1, kind: ParseErrorKind::EntryStart };

impl Reader<'_> {
    fn text(&mut self, body: &[u8]) -> Result<(), BodyError> {
        let mut tokens = SampleTokens::default();
        for (at, line) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let blank = |byte: &&u8| matches!(**byte, b' ' | b'\t');
            match line.iter().find(|byte| !blank(byte)) {
                None | Some(b'\n') => {}
                Some(b'#') => self.comment(line),
                Some(first) => {
                    let changed = if *first == b'"' { name_in_braces(line) } else { None };
                    let line = changed.as_deref().unwrap_or(line);
                    let read = parse_entry(Format::Text, line, &mut tokens);
                    if read.map_err(|error| error.locate(at + 1, line))? == Entry::Sample {
                        self.sample(line, &tokens)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn comment(&mut self, line: &[u8]) {
        let Some((name, comment)) = read_comment(line) else { return };
        self.last = None;
        // HELP of a part is that of its family.
        let family = self.member(&String::from_utf8_lossy(&name)).family;
        let meta = self.metas.entry(family).or_default();
        match comment {
            Comment::Help(text) => meta.help = String::from_utf8_lossy(&text).into_owned(),
            // There is no way to say it of what is pushed.
            Comment::Type(MetricType::GaugeHistogram) => {
                meta.metric_type = Some(MetricType::Unknown);
            }
            Comment::Type(metric_type) => meta.metric_type = Some(metric_type),
        }
    }

    fn open_metrics(&mut self, body: &[u8], line_bytes_max: usize) -> Result<(), BodyError> {
        let document = Document::new(Format::OpenMetrics).with_line_bytes_max(line_bytes_max);
        let mut parser = Parser::of(document);
        let pushed = parser.push(body, |line, entry, tokens| self.entry(line, entry, tokens));
        let read = pushed
            .and_then(|()| parser.finish(|line, entry, tokens| self.entry(line, entry, tokens)));
        // Where the reader itself gave up, that is the reason.
        match (self.refused.take(), read) {
            (Some(refused), _) => Err(refused),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(_)) => Ok(()),
        }
    }

    /// An entry of OpenMetrics.
    fn entry(
        &mut self,
        line: &[u8],
        entry: Entry<'_>,
        tokens: &SampleTokens,
    ) -> Result<(), EntryError> {
        match entry {
            Entry::Help { name, name_escaped, text } => {
                let mut help = Vec::new();
                unescape_help(Format::OpenMetrics, text, &mut help);
                let help = String::from_utf8_lossy(&help).into_owned();
                self.meta(name, name_escaped).help = help;
            }
            Entry::Type { name, name_escaped, metric_type } => {
                self.meta(name, name_escaped).metric_type = Some(metric_type);
            }
            Entry::Sample => {
                if let Err(refused) = self.sample(line, tokens) {
                    self.refused = Some(refused);
                    return Err(STOP);
                }
            }
            Entry::Blank | Entry::Comment | Entry::Unit { .. } | Entry::Eof => {}
        }
        Ok(())
    }

    fn meta(&mut self, name: &[u8], is_escaped: bool) -> &mut Meta {
        self.last = None;
        let name = String::from_utf8_lossy(&decoded(name, is_escaped)).into_owned();
        self.metas.entry(name).or_default()
    }

    fn sample(&mut self, line: &[u8], tokens: &SampleTokens) -> Result<(), BodyError> {
        if tokens.timestamp_ms.is_some() {
            return Err(BodyError::Conflicts(Conflict::Timestamp.into()));
        }
        let name = decoded(tokens.name.of(line), tokens.name_escaped);
        let member = match self.last.take() {
            Some((last, member)) if *last == *name => member,
            _ => {
                let member = self.member(&String::from_utf8_lossy(&name));
                if self.format == Format::Text {
                    // From now on the name is that of a family, whatever is said of others.
                    self.metas.entry(member.family.clone()).or_default();
                }
                member
            }
        };
        let pairs: Vec<Pair<'_>> = tokens
            .labels
            .iter()
            .map(|label| {
                let name = decoded(label.name.of(line), label.name_escaped);
                (name, decoded(label.value.of(line), label.value_escaped))
            })
            .collect();
        let read = self.metric(&member, &pairs, tokens.value);
        self.last = Some((name.into_owned(), member));
        read
    }

    fn metric(&mut self, member: &Member, pairs: &[Pair<'_>], value: f64) -> Result<(), BodyError> {
        let Member { family, metric_type, role } = member;
        // Wherever it stands in such a family, it is no label of the metric.
        let bound_label: &[u8] = match metric_type {
            MetricType::Histogram => b"le",
            MetricType::Summary => b"quantile",
            _ => b"",
        };
        let bound = pairs.iter().find(|(name, _)| **name == *bound_label);
        let bound = bound.and_then(|(_, value)| parse_value(value)).filter(|bound| !bound.is_nan());
        let pushed = pairs.iter().filter(|(name, _)| **name != *bound_label);
        let labels = self.builder.labels(family, pushed.map(|(name, value)| (&**name, &**value)));
        if !self.builder.has_family(family) {
            self.builder.family(family, *metric_type, String::new());
        }
        match metric_type {
            MetricType::Histogram | MetricType::Summary => {
                self.builder.part(family, labels, *metric_type, |old| {
                    set_part(old, *role, bound, value);
                })
            }
            _ => self.builder.metric(family, labels, Value::Number(value)),
        }
    }

    /// Which family a sample is of.
    fn member(&self, name: &str) -> Member {
        let meta = |name: &str| self.metas.get(name);
        match self.format {
            Format::Text => {
                text_member(name, |n| Some(meta(n)?.metric_type.unwrap_or(MetricType::Unknown)))
            }
            Format::OpenMetrics => open_metrics_member(name, |n| meta(n)?.metric_type),
        }
    }

    fn finish(mut self) -> Result<Families, BodyError> {
        for (name, meta) in self.metas {
            let total = format!("{name}_total");
            let is_total = self.format == Format::OpenMetrics;
            let names = [Some(name), is_total.then_some(total)];
            names.iter().flatten().for_each(|name| self.builder.set_help(name, &meta.help));
        }
        self.builder.finish()
    }
}

/// As `expfmt` finds it: a family of that name, else a summary or histogram it is a part of.
fn text_member(name: &str, type_of: impl Fn(&str) -> Option<MetricType>) -> Member {
    let plain = |metric_type| Member { family: name.to_owned(), metric_type, role: Role::Plain };
    if let Some(metric_type) = type_of(name) {
        return plain(metric_type);
    }
    let parts = [("_bucket", Role::Bucket), ("_sum", Role::Sum), ("_count", Role::Count)];
    for (suffix, role) in parts {
        let Some(base) = name.strip_suffix(suffix) else { continue };
        let metric_type = type_of(base).filter(|metric_type| {
            *metric_type == MetricType::Histogram
                || *metric_type == MetricType::Summary && role != Role::Bucket
        });
        if let Some(metric_type) = metric_type {
            return Member { family: base.to_owned(), metric_type, role };
        }
    }
    plain(MetricType::Unknown)
}

fn open_metrics_member(name: &str, type_of: impl Fn(&str) -> Option<MetricType>) -> Member {
    let member =
        |family: &str, metric_type, role| Member { family: family.to_owned(), metric_type, role };
    let base_of = |suffix: &str| {
        let base = name.strip_suffix(suffix)?;
        Some((base, type_of(base)?))
    };
    if let Some((_, MetricType::Counter)) = base_of("_total") {
        return member(name, MetricType::Counter, Role::Plain);
    }
    if base_of("_created").is_some() || matches!(base_of("_info"), Some((_, MetricType::Info))) {
        return member(name, MetricType::Gauge, Role::Plain);
    }
    match text_member(name, &type_of) {
        Member { metric_type: MetricType::StateSet | MetricType::Info, .. } => {
            member(name, MetricType::Gauge, Role::Plain)
        }
        // A counter's own name without `_total`.
        Member { metric_type: MetricType::GaugeHistogram | MetricType::Counter, .. } => {
            member(name, MetricType::Unknown, Role::Plain)
        }
        other => other,
    }
}

fn set_part(old: &mut Value, role: Role, bound: Option<f64>, value: f64) {
    match (old, role, bound) {
        (Value::Histogram(histogram), Role::Bucket | Role::Plain, Some(bound)) => {
            histogram.buckets.push((bound, as_count(value)));
        }
        (Value::Summary(summary), Role::Plain, Some(quantile)) => {
            summary.quantiles.push((quantile, value));
        }
        (Value::Histogram(histogram), Role::Sum, _) => histogram.sum = value,
        (Value::Histogram(histogram), Role::Count, _) => histogram.count = as_count(value),
        (Value::Summary(summary), Role::Sum, _) => summary.sum = value,
        (Value::Summary(summary), Role::Count, _) => summary.count = as_count(value),
        // A bucket without `le`, a quantile without `quantile`: an empty metric, as for `expfmt`.
        _ => {}
    }
}

/// Go's conversion to an integer, where that is defined; what is negative is nothing.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn as_count(value: f64) -> u64 {
    value as u64
}

fn decoded(text: &[u8], is_escaped: bool) -> Cow<'_, [u8]> {
    if !is_escaped {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    unescape(text, &mut out);
    Cow::Owned(out)
}

/// An empty summary or histogram.
pub(super) fn empty_part(metric_type: MetricType) -> Value {
    match metric_type {
        MetricType::Summary => Value::Summary(Box::default()),
        _ => Value::Histogram(Box::default()),
    }
}
