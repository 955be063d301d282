//! `weir explain`: show what each rule does to a series.
//!
//! A series is written `metric{label="value"}`; names beyond the legacy set stand in quotes, and
//! the metric name may stand among the labels. Without one, label sets are read from a reader, as
//! JSON objects of names and values, one a line; each gets one line of answer, a bad line one that
//! says what is wrong with it.
//!
//! The text for one series tells every step; for many, what is left of each.
//!
//! With `--json` an answer is `{"keep":…,"labels":{…},"steps":[…]}`, labels being what the rules
//! leave, or nothing if the series was dropped.
//!
//! Where the rules remove the metric name, the gate puts it back. The text shows the series with it;
//! in JSON `"kept_name":"…"` is added, and `labels` are without, as in Prometheus.

use crate::app::check;
use crate::app::exit::Exit;
use crate::config::RelabelFile;
use crate::config::parse_relabel_file;
use crate::model::Format;
use crate::model::LabelSet;
use crate::model::Span;
use crate::model::label::METRIC_NAME;
use crate::parse::Entry;
use crate::parse::ParseErrorKind;
use crate::parse::SampleTokens;
use crate::parse::parse_entry;
use crate::parse::unescape;
use crate::relabel::Change;
use crate::relabel::Rules;
use crate::relabel::Step;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::borrow::Cow;
use std::io;
use std::io::BufRead;
use std::io::Read as _;
use std::io::Write;
use std::path::PathBuf;

/// What to explain.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file of rules.
    pub relabel_file: PathBuf,
    /// Whose rules to show: those of this subset, or else of the main output.
    pub subset: Option<String>,
    /// The series; without one, label sets are read from the input.
    pub series: Option<String>,
    /// Answer in JSON.
    pub json: bool,
}

/// Explain, as `options` say, to `out`; what is wrong goes to `err`.
///
/// # Errors
/// Reading the input or writing failed.
pub fn run(
    options: &Options,
    input: impl BufRead,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Options { relabel_file, subset, series, json } = options;
    let name = relabel_file.display().to_string();
    let text = match check::read_text(relabel_file) {
        Ok(text) => text,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(Exit::BadInput);
        }
    };
    let file = match parse_relabel_file(&name, &text) {
        Ok(file) => file,
        Err(errors) => {
            writeln!(err, "{errors}")?;
            return Ok(Exit::BadInput);
        }
    };
    let rules = match rules_of(&file, subset.as_deref()) {
        Ok(rules) => rules,
        Err(message) => {
            writeln!(err, "{message}")?;
            return Ok(Exit::BadInput);
        }
    };
    match series {
        Some(series) => one_series(rules, series, *json, out, err),
        None => lines(rules, input, *json, out),
    }
}

/// The rules to explain: those of the main output, or of a subset.
///
/// The error names the subsets there are.
pub(super) fn rules_of<'f>(
    file: &'f RelabelFile,
    subset: Option<&str>,
) -> Result<&'f Rules, String> {
    let Some(subset) = subset else { return Ok(&file.main.rules) };
    let mut sets = file.subsets.iter();
    let found = sets.find(|(name, _)| name == subset).map(|(_, set)| &set.rules);
    found.ok_or_else(|| {
        let names: Vec<_> = file.subsets.iter().map(|(name, _)| format!("{name:?}")).collect();
        if names.is_empty() {
            return format!("no subset {subset:?}, the file has none");
        }
        format!("no subset {subset:?}, use one of {}", names.join(", "))
    })
}

/// The longest line of label sets.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Show what `rules` do to one series.
fn one_series(
    rules: &Rules,
    series: &str,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match parse_series(series) {
        Err(message) => {
            writeln!(err, "cannot read series {series:?}: {message}")?;
            Ok(Exit::BadInput)
        }
        Ok(labels) => {
            let steps = rules.trace(&labels);
            if json {
                writeln!(out, "{}", answer_json(&labels, &steps))?;
            } else {
                tell_steps(&labels, &steps, out)?;
            }
            Ok(Exit::Clean)
        }
    }
}

/// Show what `rules` do to each label set of `input`, a line each. A bad line gets its answer, the
/// run goes on and ends as a failure.
fn lines(
    rules: &Rules,
    mut input: impl BufRead,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let mut worst = Exit::Clean;
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(worst);
        }
        let is_cut = line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n');
        if is_cut {
            skip_line(&mut input)?;
        } else if line.trim_ascii().is_empty() {
            continue;
        }
        let labels = if is_cut {
            Err(format!("line is longer than {LINE_BYTES_MAX} bytes"))
        } else {
            parse_object(&line)
        };
        match labels {
            Ok(labels) if json => {
                let steps = rules.trace(&labels);
                writeln!(out, "{}", answer_json(&labels, &steps))?;
            }
            Ok(labels) => {
                let steps = rules.trace(&labels);
                writeln!(out, "{}", outcome(&labels, &steps))?;
            }
            Err(message) => {
                worst = Exit::Failure;
                if json {
                    writeln!(out, "{}", json!({"error": message}))?;
                } else {
                    writeln!(out, "error: {message}")?;
                }
            }
        }
        // Who asks line by line wants each answer before the next question.
        out.flush()?;
    }
}

/// Skip the rest of a line that is too long to keep.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let chunk = input.fill_buf()?;
        let end = memchr::memchr(b'\n', chunk);
        let n_bytes = end.map_or(chunk.len(), |end| end + 1);
        input.consume(n_bytes);
        if end.is_some() || n_bytes == 0 {
            return Ok(());
        }
    }
}

/// Read `metric{a="b"}`, or a whole sample: somebody pasted a line of an exposition.
///
/// A series without a metric name, or with `__name__` among its labels, is read too: rules see
/// such label sets, expositions have none.
pub(super) fn parse_series(text: &str) -> Result<LabelSet, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    match parse_sample(text) {
        Ok(labels) => Ok(labels),
        // To the parser a series comes with a value.
        Err(_) => parse_sample(&format!("{text} 0")),
    }
}

fn parse_sample(text: &str) -> Result<LabelSet, String> {
    const STAND_IN: &str = "x";
    let mut tokens = SampleTokens::default();
    let mut line = text.to_owned();
    let mut entry = parse_entry(Format::Text, line.as_bytes(), &mut tokens);
    if entry.is_err_and(|error| error.kind == ParseErrorKind::NoName) {
        line = format!("{STAND_IN}{text}");
        entry = parse_entry(Format::Text, line.as_bytes(), &mut tokens);
        tokens.name = Span::default();
    }
    match entry {
        Ok(Entry::Sample) => label_set(line.as_bytes(), &tokens),
        Ok(_) => Err("it is no series".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn label_set(line: &[u8], tokens: &SampleTokens) -> Result<LabelSet, String> {
    let decoded = |span: Span, is_escaped| {
        let mut text = Vec::new();
        if is_escaped {
            unescape(span.of(line), &mut text);
        } else {
            text.extend_from_slice(span.of(line));
        }
        text
    };
    let mut labels = LabelSet::new();
    labels.push(METRIC_NAME, &decoded(tokens.name, tokens.name_escaped));
    for label in &tokens.labels {
        let name = decoded(label.name, label.name_escaped);
        labels.push(&name, &decoded(label.value, label.value_escaped));
    }
    labels.sort();
    check_names(&labels)?;
    Ok(labels)
}

fn check_names(labels: &LabelSet) -> Result<(), String> {
    if let Some(name) = labels.duplicate() {
        return Err(format!("label {:?} occurs twice", text(name)));
    }
    match labels.iter().next() {
        Some((b"", _)) => Err("a label has no name".to_owned()),
        _ => Ok(()),
    }
}

fn parse_object(line: &[u8]) -> Result<LabelSet, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let Value::Object(object) = value else {
        return Err("not an object of label names and values".to_owned());
    };
    let mut labels = LabelSet::new();
    for (name, value) in &object {
        let Value::String(value) = value else {
            return Err(format!("value of label {name:?} is not a string"));
        };
        labels.push(name.as_bytes(), value.as_bytes());
    }
    labels.sort();
    check_names(&labels)?;
    Ok(labels)
}

/// What is left: the labels after the last step, unless that dropped the series.
fn left<'s>(labels: &'s LabelSet, steps: &'s [Step]) -> Result<&'s LabelSet, usize> {
    match steps.last() {
        None => Ok(labels),
        Some(step) if step.kept => Ok(&step.labels),
        Some(step) => Err(step.rule),
    }
}

/// The name the gate puts back, if the rules keep the series and remove its name.
fn kept_name<'s>(labels: &'s LabelSet, left: &LabelSet) -> Option<&'s [u8]> {
    let name = labels.metric_name();
    (left.metric_name().is_empty() && !name.is_empty()).then_some(name)
}

/// One line: the series that the gate shows, or which rule dropped it.
fn outcome(labels: &LabelSet, steps: &[Step]) -> String {
    match left(labels, steps) {
        Ok(left) => match kept_name(labels, left) {
            None => written(left),
            Some(name) => {
                let mut left = left.clone();
                left.set(METRIC_NAME, name);
                written(&left)
            }
        },
        Err(rule) => format!("dropped by rule {rule}"),
    }
}

fn tell_steps(labels: &LabelSet, steps: &[Step], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", written(labels))?;
    for step in steps {
        let Step { rule, action, matched, kept, changes, .. } = step;
        let matched = if *matched { "matched" } else { "no match" };
        let effect = match (kept, changes.is_empty()) {
            (false, _) => ", dropped",
            (true, true) => ", nothing changed",
            (true, false) => "",
        };
        writeln!(out, "rule {rule} {action}: {matched}{effect}")?;
        for change in changes {
            writeln!(out, "  {}", tell_change(change))?;
        }
    }
    if left(labels, steps).is_ok_and(|left| kept_name(labels, left).is_some()) {
        writeln!(out, "the rules remove the name, the gate keeps it")?;
    }
    writeln!(out, "result: {}", outcome(labels, steps))
}

fn tell_change(change: &Change) -> String {
    let name = written_name(&change.name);
    let value = |value: &[u8]| written_value(value);
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("~ {name}={} -> {}", value(old), value(new)),
        (Some(old), None) => format!("- {name}={}", value(old)),
        (None, Some(new)) => format!("+ {name}={}", value(new)),
        // A change that is none is not made.
        (None, None) => name,
    }
}

/// A label set as an exposition would have it.
fn written(labels: &LabelSet) -> String {
    let name = labels.metric_name();
    let is_plain = is_legacy(name, b":");
    let others = labels.iter().filter(|(label, _)| *label != METRIC_NAME);
    let mut parts: Vec<_> = others
        .map(|(label, value)| format!("{}={}", written_name(label), written_value(value)))
        .collect();
    if is_plain && parts.is_empty() {
        return text(name).into_owned();
    }
    if !is_plain && !name.is_empty() {
        parts.insert(0, written_value(name));
    }
    let name = if is_plain { text(name) } else { Cow::Borrowed("") };
    format!("{name}{{{}}}", parts.join(","))
}

fn written_name(name: &[u8]) -> String {
    if is_legacy(name, b"") { text(name).into_owned() } else { written_value(name) }
}

fn written_value(value: &[u8]) -> String {
    let value = text(value).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{value}\"")
}

/// Whether a name needs no quotes: letters, digits and `_`, or what else is `allowed`.
fn is_legacy(name: &[u8], allowed: &[u8]) -> bool {
    let is_fine =
        |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || allowed.contains(byte);
    name.first().is_some_and(|byte| !byte.is_ascii_digit()) && name.iter().all(is_fine)
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn answer_json(labels: &LabelSet, steps: &[Step]) -> Value {
    let left = left(labels, steps);
    let kept_name = left.ok().and_then(|left| kept_name(labels, left));
    let steps: Vec<_> = steps.iter().map(step_json).collect();
    let labels = left.map_or_else(|_| Value::Object(Map::new()), labels_json);
    let mut answer = json!({"keep": left.is_ok(), "labels": labels, "steps": steps});
    if let Some(name) = kept_name {
        answer["kept_name"] = text(name).into();
    }
    answer
}

fn step_json(step: &Step) -> Value {
    let Step { rule, action, matched, kept, changes, labels } = step;
    let changes: Vec<_> = changes
        .iter()
        .map(|change| {
            json!({
                "label": text(&change.name),
                "old": change.old.as_deref().map(text),
                "new": change.new.as_deref().map(text),
            })
        })
        .collect();
    json!({
        "rule": rule,
        "action": action.word(),
        "matched": matched,
        "keep": kept,
        "changes": changes,
        "labels": labels_json(labels),
    })
}

fn labels_json(labels: &LabelSet) -> Value {
    let pairs = labels.iter();
    let pairs = pairs.map(|(name, value)| (text(name).into_owned(), Value::from(text(value))));
    Value::Object(pairs.collect())
}

#[cfg(test)]
mod tests;
