//! Rules Prometheus takes but which hardly do what was meant (spec: consequences of the defaults).

use super::Written;
use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::model::label::METRIC_NAME;
use crate::relabel::Action;
use crate::relabel::Field;
use crate::relabel::Rule;

const NAME_IS_KEPT: &str =
    "Prometheus would refuse the scrape, weir keeps the series under its old name";

/// Warn of what `rule`, compiled from `written`, probably does not mean.
pub(super) fn add(written: &Written, rule: &Rule, path: &Path, report: &mut Report) {
    let spec = &written.spec;
    let action = spec.action;
    if let Some((at, true)) = written.place(Field::Regex) {
        let message = "a null regex matches only the empty value";
        report.warn(at, &path.field("regex"), message, Some("write '' if that is meant"));
    }
    let has_regex = spec.regex.is_some();
    let has_source = spec.source_labels.as_ref().is_some_and(|labels| !labels.is_empty());
    let matches_nothing_given = rule.matches_empty();
    let (message, remedy) = match action {
        Action::Drop if !has_regex => ("drops every series", "state a regex"),
        Action::Keep if !has_regex => ("never drops a series", "state a regex"),
        Action::Drop if !has_source && matches_nothing_given => {
            ("drops every series: without source_labels the value is empty", "state source_labels")
        }
        Action::Keep if !has_source && !matches_nothing_given => {
            ("drops every series: without source_labels the value is empty", "state source_labels")
        }
        Action::Keep | Action::Drop if !has_source => (
            "never drops a series: without source_labels the value is empty",
            "state source_labels",
        ),
        Action::Replace if !has_source && !matches_nothing_given => (
            "does nothing: without source_labels the value is empty, and the regex does not match it",
            "state source_labels",
        ),
        Action::Replace if !has_source && spec.replacement.is_none() => (
            "deletes the target label: without source_labels the value is empty",
            "state source_labels, or replacement: '' if that is meant",
        ),
        Action::LabelDrop if !has_regex => ("deletes every label", "state a regex"),
        Action::LabelKeep if !has_regex => ("never deletes a label", "state a regex"),
        Action::LabelDrop | Action::LabelKeep if rule.deletes(METRIC_NAME) => {
            ("deletes the metric name", NAME_IS_KEPT)
        }
        _ => return add_ignored(written, path, report),
    };
    report.warn(written.at, path, message, Some(remedy));
    add_ignored(written, path, report);
}

/// Fields the action does not look at.
fn add_ignored(written: &Written, path: &Path, report: &mut Report) {
    let action = written.spec.action;
    let ignored: &[Field] = match action {
        Action::Replace => &[Field::Modulus],
        Action::Keep | Action::Drop => &[Field::TargetLabel, Field::Replacement, Field::Modulus],
        Action::Lowercase | Action::Uppercase => &[Field::Regex, Field::Modulus],
        Action::HashMod => &[Field::Regex, Field::Replacement],
        Action::LabelMap => {
            &[Field::SourceLabels, Field::Separator, Field::TargetLabel, Field::Modulus]
        }
        // Elsewhere such fields are errors.
        Action::KeepEqual | Action::DropEqual | Action::LabelDrop | Action::LabelKeep => &[],
    };
    for field in ignored {
        if let Some((at, false)) = written.place(*field) {
            let message = format!("has no effect on action {action}");
            report.warn(at, &path.field(field.word()), message, Some("remove it"));
        }
    }
}
