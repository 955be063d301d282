//! Files of relabelling rules: Prometheus' own fields, in named sets.
//!
//! ```yaml
//! metric_relabel_configs:        # the rules of /metrics: needed as soon as there is any set
//! - {action: labeldrop, regex: pod}
//! requests:                      # the rules of /metrics/requests
//! - {action: keep, source_labels: [__name__], regex: http_requests_total}
//! ```

mod warnings;

use super::decode;
use super::decode::Entry;
use super::decode::Path;
use super::decode::Report;
use super::error::ConfigErrors;
use super::error::Finding;
use super::error::Position;
use super::nearest;
use super::node;
use super::node::Node;
use crate::relabel::Action;
use crate::relabel::Field;
use crate::relabel::NameScheme;
use crate::relabel::Rule;
use crate::relabel::RuleError;
use crate::relabel::RuleSpec;
use crate::relabel::Rules;

/// The key of the rules of the main output.
pub const MAIN_KEY: &str = "metric_relabel_configs";

/// The fields of a rule.
pub(super) const FIELDS: [&str; 7] =
    ["action", "source_labels", "separator", "regex", "modulus", "target_label", "replacement"];

/// Rules, and what they were made of. Two sets are equal if they were written alike.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// The rules.
    pub rules: Rules,
    specs: Vec<RuleSpec>,
}

impl PartialEq for RuleSet {
    fn eq(&self, other: &Self) -> bool {
        self.specs == other.specs
    }
}

impl RuleSet {
    /// One rule.
    pub(super) fn compile(spec: RuleSpec) -> Result<Self, RuleError> {
        let rule = Rule::compile(&spec, NameScheme::Utf8)?;
        Ok(Self { rules: Rules::new(vec![rule]), specs: vec![spec] })
    }

    /// What they were made of: the same text for the same rules.
    pub fn text(&self) -> String {
        format!("{:?}", self.specs)
    }

    /// These rules, and after them others.
    #[must_use]
    pub fn followed_by(&self, next: &Self) -> Self {
        let rules = self.rules.iter().chain(next.rules.iter()).cloned().collect();
        Self { rules: Rules::new(rules), specs: [&*self.specs, &*next.specs].concat() }
    }
}

/// The rules of a file.
#[derive(Clone, Debug, Default)]
pub struct RelabelFile {
    /// The rules of the main output.
    pub main: RuleSet,
    /// The rules of each subset, sorted by name.
    pub subsets: Vec<(String, RuleSet)>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Finding>,
}

/// The rules of a bare list.
#[derive(Clone, Debug, Default)]
pub struct RuleList {
    /// The rules.
    pub rules: Rules,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Finding>,
}

/// Read a file of named rule sets; `name` is what to call it in messages.
///
/// An empty file is one without rules. Any other needs the key [`MAIN_KEY`], and not as a null.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_relabel_file(name: &str, text: &str) -> Result<RelabelFile, ConfigErrors> {
    load(name, text, |root, report| {
        if root.is_null() {
            return RelabelFile::default();
        }
        rule_sets(root, report)
    })
    .map(|(file, warnings)| RelabelFile { warnings, ..file })
}

/// Read a list of rules that stands on its own; `name` is what to call it in messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_rules_list(name: &str, text: &str) -> Result<RuleList, ConfigErrors> {
    load(name, text, |root, report| rules(root, &Path::default(), report).rules)
        .map(|(rules, warnings)| RuleList { rules, warnings })
}

/// Read a file whose tree `decode` makes a value of.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn load<T>(
    name: &str,
    text: &str,
    decode: impl FnOnce(&Node, &mut Report) -> T,
) -> Result<(T, Vec<Finding>), ConfigErrors> {
    let mut report = Report::new(name);
    match node::parse(text) {
        Ok(root) => {
            let value = decode(&root, &mut report);
            report.finish().map(|warnings| (value, warnings))
        }
        Err(fault) => {
            let remedy = fault.remedy.map(str::to_owned);
            report.error_with_remedy(fault.at, &Path::default(), fault.message, remedy);
            Err(report.finish().err().unwrap_or_else(|| ConfigErrors::new(Vec::new())))
        }
    }
}

fn rule_sets(root: &Node, report: &mut Report) -> RelabelFile {
    let mut file = RelabelFile::default();
    let top = Path::default();
    let Some(sets) = decode::fields(root, "a map of rule sets", &top, report) else {
        return file;
    };
    let main = sets.iter().find(|entry| entry.name == MAIN_KEY);
    if !sets.is_empty() && main.is_none_or(|entry| entry.value.is_null()) {
        let at = main.map_or(root.at, |entry| entry.at);
        let message = format!("relabel config key `{MAIN_KEY}` is not defined");
        let remedy = format!("write `{MAIN_KEY}: []` for no rules");
        report.error_with_remedy(at, &top, message, Some(remedy));
    }
    for entry in sets {
        let rules = rules(entry.value, &top.field(&entry.name), report);
        if entry.name == MAIN_KEY {
            file.main = rules;
        } else {
            if entry.name.is_empty() {
                report.error(entry.at, &top, "a subset needs a name");
            }
            file.subsets.push((entry.name, rules));
        }
    }
    file.subsets.sort_by(|(a, _), (b, _)| a.cmp(b));
    file
}

/// A list of rules.
pub(super) fn rules(node: &Node, path: &Path, report: &mut Report) -> RuleSet {
    let remedy = Some("write a list of rules, each beginning with `- `");
    let items = decode::items(node, "[]*relabel.Config", remedy, path, report);
    let items = items.unwrap_or_default().iter().enumerate();
    let made = items.filter_map(|(index, item)| rule(item, &path.item(index), report));
    let (rules, specs) = made.unzip();
    RuleSet { rules: Rules::new(rules), specs }
}

fn rule(node: &Node, path: &Path, report: &mut Report) -> Option<(Rule, RuleSpec)> {
    if node.is_null() {
        let remedy = Some("remove the `-`, or write a rule behind it".to_owned());
        report.error_with_remedy(node.at, path, "empty or null metric relabeling rule", remedy);
        return None;
    }
    let n_errors = report.errors.len();
    let written = Written::decode(node, path, report)?;
    if report.errors.len() > n_errors {
        // Of fields that are in doubt only the one that stands for itself can be checked.
        written.report_problems(|field| field == Field::Regex, path, report);
        return None;
    }
    match Rule::compile(&written.spec, NameScheme::Utf8) {
        Ok(rule) => {
            warnings::add(&written, &rule, path, report);
            Some((rule, written.spec))
        }
        Err(first) => {
            written.report_problems(|_| true, path, report);
            // Whatever makes compiling fail is told even if looking again does not find it.
            if report.errors.len() == n_errors {
                report.error(written.at, path, first.message);
            }
            None
        }
    }
}

/// A rule as written, and where each field stands.
struct Written {
    spec: RuleSpec,
    at: Position,
    places: Vec<(Field, Position, bool)>,
}

impl Written {
    fn decode(node: &Node, path: &Path, report: &mut Report) -> Option<Self> {
        let mut written = Self { spec: RuleSpec::default(), at: node.at, places: Vec::new() };
        for entry in decode::fields(node, "relabel.Config", path, report)? {
            written.field(&entry, path, report);
        }
        Some(written)
    }

    fn field(&mut self, entry: &Entry<'_>, path: &Path, report: &mut Report) {
        let value = entry.value;
        let inner = path.field(&entry.name);
        let spec = &mut self.spec;
        // A null is the empty text here, not the default, as in Prometheus.
        let field = match &*entry.name {
            "action" => {
                if let Some(action) = action(value, &inner, report) {
                    spec.action = action;
                }
                Field::Action
            }
            "source_labels" => {
                spec.source_labels = source_labels(value, &inner, report);
                Field::SourceLabels
            }
            "modulus" => {
                spec.modulus = decode::unsigned(value, &inner, report);
                Field::Modulus
            }
            "separator" => {
                spec.separator = Some(decode::text(value, &inner, report).unwrap_or_default());
                Field::Separator
            }
            "regex" => {
                spec.regex = Some(decode::text(value, &inner, report).unwrap_or_default());
                Field::Regex
            }
            "target_label" => {
                spec.target_label = Some(decode::text(value, &inner, report).unwrap_or_default());
                Field::TargetLabel
            }
            "replacement" => {
                spec.replacement = Some(decode::text(value, &inner, report).unwrap_or_default());
                Field::Replacement
            }
            _ => return decode::unknown_field(entry, &FIELDS, path, report),
        };
        self.places.push((field, value.at, value.is_null()));
    }

    /// Report what is wrong with the fields `concerns` accepts.
    fn report_problems(&self, concerns: fn(Field) -> bool, path: &Path, report: &mut Report) {
        for problem in self.spec.problems(NameScheme::Utf8) {
            if concerns(problem.field) {
                let path = path.field(problem.field.word());
                report.error(self.position(problem.field), &path, problem.message);
            }
        }
    }

    /// Where a field stands; where the rule does if it is missing.
    fn position(&self, field: Field) -> Position {
        self.place(field).map_or(self.at, |(at, _)| at)
    }

    /// Where a field stands and whether it is a null, if it was written.
    fn place(&self, field: Field) -> Option<(Position, bool)> {
        let mut places = self.places.iter();
        places.find(|(other, ..)| *other == field).map(|(_, at, is_null)| (*at, *is_null))
    }
}

fn action(node: &Node, path: &Path, report: &mut Report) -> Option<Action> {
    if node.is_null() {
        report.error(node.at, path, "relabel action cannot be empty");
        return None;
    }
    match decode::text(node, path, report)?.parse() {
        Ok(action) => Some(action),
        Err(error) => {
            let valid = Action::ALL.map(Action::word);
            let crate::relabel::UnknownAction(word) = &error;
            let remedy = nearest::remedy(word, &valid);
            let word = super::scalar::cut(word);
            let message = format!("unknown relabel action {word:?}");
            report.error_with_remedy(node.at, path, message, Some(remedy));
            None
        }
    }
}

fn source_labels(node: &Node, path: &Path, report: &mut Report) -> Option<Vec<String>> {
    let remedy = node.as_scalar().map(|scalar| format!("write a list: [{}]", scalar.text));
    let items = decode::items(node, "model.LabelNames", remedy.as_deref(), path, report)?;
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = path.item(index);
        if item.is_null() {
            let remedy = Some("quote it if the label is called so");
            report.warn(item.at, &path, "a null is no label and reads as empty", remedy);
            names.push(String::new());
            continue;
        }
        match decode::text(item, &path, report) {
            Some(name) if name.is_empty() => {
                report.error(item.at, &path, "\"\" is not a valid label name");
            }
            name => names.extend(name),
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests;
