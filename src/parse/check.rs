//! What Prometheus checks only when it appends a sample.

use crate::model::Span;
use crate::model::label::METRIC_NAME;
use crate::parse::error::{EntryError, ParseErrorKind};
use crate::parse::escape::unescape;
use crate::parse::token::{LabelToken, SampleTokens};

/// Up to this many labels are compared pair by pair.
const PAIRWISE_MAX: usize = 24;

/// Check what makes Prometheus refuse a scrape although it can read the line: a label that occurs
/// twice, `__name__` among the labels of a metric that has a name, and quoted names that are empty
/// or not UTF-8.
///
/// A label whose value is empty is an absent one; as in Prometheus it may occur again.
///
/// # Errors
///
/// At the name that is wrong, or the second of the two that are equal.
pub fn check_labels(line: &[u8], tokens: &SampleTokens) -> Result<(), EntryError> {
    if tokens.has_quoted_name {
        check_name(line, tokens.name)?;
        tokens
            .labels
            .iter()
            .filter(|label| !label.value.is_empty())
            .try_for_each(|label| check_name(line, label.name))?;
    }
    let Some(twice) = find_duplicate(line, tokens) else {
        return Ok(());
    };
    Err(EntryError { column: twice.start as usize + 1, kind: ParseErrorKind::DuplicateLabel })
}

fn check_name(line: &[u8], name: Span) -> Result<(), EntryError> {
    let kind = if name.is_empty() {
        ParseErrorKind::EmptyName
    } else if std::str::from_utf8(name.of(line)).is_err() {
        ParseErrorKind::NameNotUtf8
    } else {
        return Ok(());
    };
    Err(EntryError { column: name.start as usize + 1, kind })
}

fn find_duplicate(line: &[u8], tokens: &SampleTokens) -> Option<Span> {
    let labels = &tokens.labels;
    if labels.len() > PAIRWISE_MAX || labels.iter().any(|label| label.name_escaped) {
        return find_duplicate_sorted(line, labels);
    }
    let mut keys = [0_u64; PAIRWISE_MAX];
    for (at, label) in labels.iter().enumerate() {
        let name = label.name.of(line);
        if name == METRIC_NAME {
            return Some(label.name);
        }
        let key = short_key(name);
        if keys[..at].contains(&key) {
            let same = |other: &&LabelToken| other.name.of(line) == name;
            let earlier = labels[..at].iter().find(same);
            if earlier.is_some() && !has_empty_value(labels, line, name) {
                return Some(label.name);
            }
        }
        keys[at] = key;
    }
    None
}

/// The first bytes and the length of a name: equal names have equal keys.
fn short_key(name: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let n_bytes = name.len().min(7);
    bytes[..n_bytes].copy_from_slice(&name[..n_bytes]);
    bytes[7] = name.len().to_le_bytes()[0];
    u64::from_le_bytes(bytes)
}

fn has_empty_value(labels: &[LabelToken], line: &[u8], name: &[u8]) -> bool {
    labels.iter().any(|label| label.value.is_empty() && label.name.of(line) == name)
}

/// The same for many labels or names with escapes: sorts decoded names.
#[cold]
fn find_duplicate_sorted(line: &[u8], labels: &[LabelToken]) -> Option<Span> {
    let mut names: Vec<(Vec<u8>, &LabelToken)> = labels
        .iter()
        .map(|label| {
            let mut name = Vec::new();
            unescape(label.name.of(line), &mut name);
            (name, label)
        })
        .collect();
    names.sort_by(|(a, at_a), (b, at_b)| (a, at_a.name.start).cmp(&(b, at_b.name.start)));
    let metric_name = names.iter().find(|(name, _)| name == METRIC_NAME);
    let twice = names
        .chunk_by(|(a, _), (b, _)| a == b)
        .find(|same| same.len() > 1 && same.iter().all(|(_, label)| !label.value.is_empty()));
    metric_name.or(twice.map(|same| &same[1])).map(|(_, label)| label.name)
}
