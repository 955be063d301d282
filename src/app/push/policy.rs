//! What pushes have to look like: labels, names, schema, the linter; and rules for their series.

use crate::app::push::refusal::Refusal;
use crate::config::file::push::FamilyRule;
use crate::config::file::push::LintLevel;
use crate::config::file::push::Policy;
use crate::lint::Report;
use crate::lint::RuleSet;
use crate::model::LabelSet;
use crate::push::Family;
use crate::push::GroupingKey;
use crate::push::Labels;
use crate::push::body::Families;
use crate::push::type_name;
use crate::relabel::Scratch;
use crate::relabel::Verdict;
use http::StatusCode;

/// More lines are counted, not told.
const LINES_MAX: usize = 50;
const METRIC_NAME: &[u8] = b"__name__";

/// The first policy for what somebody pushes for a job.
pub(super) fn find<'p>(policies: &'p [Policy], who: &str, job: &str) -> Option<&'p Policy> {
    policies.iter().find(|policy| {
        policy.identity.as_ref().is_none_or(|pattern| pattern.matches(who))
            && policy.job.as_ref().is_none_or(|pattern| pattern.matches(job))
    })
}

/// What the linter is to look for.
pub(super) fn lint_rules(policy: Option<&Policy>) -> RuleSet {
    match policy {
        Some(policy) if policy.lint != LintLevel::Off => policy.lint_rules,
        _ => RuleSet::NONE,
    }
}

/// What was found: what is refused, and what is only told.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// Reason and lines of what is refused.
    pub(super) refusal: Option<Refusal>,
    /// Reason and lines of what is told.
    pub(super) warning: Option<Refusal>,
}

/// Hold families against a policy.
pub(super) fn judge(
    policy: &Policy,
    key: &GroupingKey,
    families: &Families,
    report: &Report,
) -> Judgement {
    let mut lines = Lines::default();
    for (name, family) in families {
        check_family(policy, key, name, family, &mut lines);
    }
    let broken = lines.finish("policy", "the push is against the policy:");
    let mut found = Lines::default();
    report.findings.iter().for_each(|finding| found.push(|| finding.to_string()));
    let found = found.finish("lint", "the push has lint findings:");
    let mut judgement = Judgement::default();
    let is_enforced = policy.lint == LintLevel::Enforce;
    for (refusal, is_hard) in [(broken, true), (found, is_enforced)] {
        let Some(refusal) = refusal else { continue };
        let slot = if is_hard && !policy.dry_run {
            &mut judgement.refusal
        } else {
            &mut judgement.warning
        };
        match slot {
            Some(other) => other.lines.extend(refusal.lines),
            None => *slot = Some(refusal),
        }
    }
    judgement
}

/// What is wrong, up to a limit.
#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    n_more: usize,
}

impl Lines {
    fn push(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(line());
        } else {
            self.n_more += 1;
        }
    }

    fn finish(mut self, reason: &'static str, title: &str) -> Option<Refusal> {
        if self.lines.is_empty() {
            return None;
        }
        if self.n_more > 0 {
            self.lines.push(format!("and {} more", self.n_more));
        }
        self.lines.insert(0, title.to_owned());
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, reason, String::new());
        Some(Refusal { lines: self.lines, ..refusal })
    }
}

fn check_family(
    policy: &Policy,
    key: &GroupingKey,
    name: &str,
    family: &Family,
    lines: &mut Lines,
) {
    if let Some(pattern) = policy.metric_names.as_ref().filter(|names| !names.matches(name)) {
        lines.push(|| format!("{name}: the name does not match {}", pattern.as_str()));
    }
    let rule = policy.schema.as_ref().map(|schema| schema.get(name));
    match rule {
        Some(None) => lines.push(|| format!("{name}: the schema has no such family")),
        Some(Some(rule)) => check_schema(rule, name, family, lines),
        None => {}
    }
    let labels_allowed = rule.flatten().and_then(|rule| rule.labels.as_ref());
    for labels in family.metrics.keys() {
        for required in &policy.required_labels {
            if labels.get(required.as_bytes()).is_none_or(<[u8]>::is_empty) {
                lines.push(|| format!("{name}: a series has no label {required:?}"));
            }
        }
        for forbidden in &policy.forbidden_labels {
            if labels.get(forbidden.as_bytes()).is_some_and(|value| !value.is_empty()) {
                lines.push(|| format!("{name}: a series has the forbidden label {forbidden:?}"));
            }
        }
        let Some(allowed) = labels_allowed else { continue };
        for (label, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            let label = String::from_utf8_lossy(label);
            let is_good = key.get(&label).is_some() || allowed.iter().any(|good| *good == label);
            if !is_good {
                let value = String::from_utf8_lossy(value);
                lines.push(|| format!("{name}: the schema has no label {label}={value:?}"));
            }
        }
    }
}

fn check_schema(rule: &FamilyRule, name: &str, family: &Family, lines: &mut Lines) {
    if let Some(wanted) = rule.metric_type.filter(|wanted| *wanted != family.metric_type) {
        let (is, wanted) = (type_name(family.metric_type), type_name(wanted));
        lines.push(|| format!("{name}: the type is {is}, the schema says {wanted}"));
    }
    if let Some(unit) = &rule.unit {
        let base = name.strip_suffix("_total").unwrap_or(name);
        if base.strip_suffix(&**unit).is_none_or(|before| !before.ends_with('_')) {
            lines.push(|| format!("{name}: the name does not end in the unit {unit}"));
        }
    }
}

/// Apply rules to the series of a push. Those that become equal are refused later, as any that are.
///
/// # Errors
///
/// A rule makes of a series something that cannot be pushed.
pub(super) fn relabel(
    policy: &Policy,
    key: &GroupingKey,
    families: Families,
) -> Result<Families, Refusal> {
    let rules = &policy.rules.rules;
    if rules.is_empty() {
        return Ok(families);
    }
    let (mut labels_of, mut scratch) = (LabelSet::new(), Scratch::default());
    let mut out = Families::new();
    for (name, family) in families {
        for (labels, value) in family.metrics {
            labels_of.clear();
            labels_of.push(METRIC_NAME, name.as_bytes());
            labels.iter().for_each(|(label, value)| labels_of.push(label, value));
            labels_of.sort();
            if rules.apply(&mut labels_of, &mut scratch) != Verdict::Keep {
                continue;
            }
            let new_name = String::from_utf8_lossy(labels_of.metric_name()).into_owned();
            if new_name.is_empty() {
                return Err(Refusal::bad("relabel", format!("{name}: the rules leave no name")));
            }
            let labels = in_group(key, &labels_of);
            let target = out.entry(new_name).or_insert_with(|| Family {
                metric_type: family.metric_type,
                help: family.help.clone(),
                metrics: std::collections::BTreeMap::new(),
            });
            if target.metric_type != family.metric_type || target.metrics.contains_key(&labels) {
                let line = format!("{name}: the rules make two series equal, or of two types");
                return Err(Refusal::bad("relabel", line));
            }
            target.metrics.insert(labels, value);
        }
    }
    Ok(out)
}

/// The labels rules have left, those of the group as they have to be.
fn in_group(key: &GroupingKey, labels: &LabelSet) -> Labels {
    let is_free = |name: &[u8]| {
        name != METRIC_NAME && std::str::from_utf8(name).is_ok_and(|name| key.get(name).is_none())
    };
    let mut pairs: Vec<_> = labels.iter().filter(|(name, _)| is_free(name)).collect();
    pairs.extend(key.labels().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    if !pairs.iter().any(|(name, _)| *name == b"instance") {
        pairs.push((b"instance", b""));
    }
    // Both are maps, and they have nothing in common.
    Labels::new(&mut pairs).unwrap_or_default()
}
