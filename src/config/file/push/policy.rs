//! `push.policies`: what pushes have to look like, and what becomes of them.

use super::super::super::decode;
use super::super::super::decode::Path;
use super::super::super::decode::Report;
use super::super::super::node::Node;
use super::super::super::relabel;
use super::super::super::relabel::RuleSet;
use super::super::limits::set;
use super::super::outputs;
use super::super::shape;
use super::super::shape::Key;
use super::super::shape::Object;
use super::super::shape::Shape;
use super::super::value;
use super::pattern;
use super::pattern::Pattern;
use crate::model::MetricType;
use crate::push::Gauges;
use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::path::PathBuf;
use std::time::Duration;

const TYPES: [(&str, MetricType); 5] = [
    ("counter", MetricType::Counter),
    ("gauge", MetricType::Gauge),
    ("histogram", MetricType::Histogram),
    ("summary", MetricType::Summary),
    ("untyped", MetricType::Unknown),
];

/// One item of `policies`.
pub(super) static POLICY: Object = Object {
    wanted: "a policy",
    keys: &[
        Key {
            name: "identity",
            shape: Shape::Text,
            about: "A regular expression for the name of who pushes; default any",
        },
        Key {
            name: "job",
            shape: Shape::Text,
            about: "A regular expression for the job; default any",
        },
        Key {
            name: "lint",
            shape: Shape::Word(&["off", "warn", "enforce"]),
            about: "Whether findings of the linter are looked for, told, refused; default off",
        },
        Key {
            name: "lint_rules",
            shape: Shape::Text,
            about: "The rules, as weir lint --rules has them; default promlint",
        },
        Key {
            name: "required_labels",
            shape: Shape::List(&Shape::Text),
            about: "Labels every series has to have, with a value",
        },
        Key {
            name: "forbidden_labels",
            shape: Shape::List(&Shape::Text),
            about: "Labels no series may have",
        },
        Key {
            name: "metric_names",
            shape: Shape::Text,
            about: "A regular expression for the whole name of every family",
        },
        Key {
            name: "schema",
            shape: Shape::MapOf(&Shape::Object(&FAMILY)),
            about: "The families that may be pushed, by name; absent: any",
        },
        Key {
            name: "schema_example",
            shape: Shape::Text,
            about: "A file with an example of a push, whose families, types and labels are added to the schema; read at the start",
        },
        Key {
            name: "metric_relabel_configs",
            shape: outputs::RULES,
            about: "Rules for the series that are pushed",
        },
        Key {
            name: "aggregate",
            shape: Shape::Word(&["last", "max", "min"]),
            about: "Add counters and histograms to what is stored; gauges are the last, greatest or least",
        },
        Key {
            name: "time_to_live",
            shape: Shape::Duration,
            about: "How long a group stays after the last push to it",
        },
        Key {
            name: "dry_run",
            shape: Shape::Bool,
            about: "Whether what would be refused is only counted and told; default false",
        },
    ],
    inline: &[],
    required: &[],
};

static FAMILY: Object = Object {
    wanted: "what a family has to be",
    keys: &[
        Key {
            name: "type",
            shape: Shape::Word(&["counter", "gauge", "histogram", "summary", "untyped"]),
            about: "Its type",
        },
        Key {
            name: "unit",
            shape: Shape::Text,
            about: "The unit its name has to end in, before _total",
        },
        Key {
            name: "labels",
            shape: Shape::List(&Shape::Text),
            about: "Labels it may have besides those of the group; absent: any",
        },
    ],
    inline: &[],
    required: &[],
};

/// What is done about findings of the linter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LintLevel {
    /// Nothing is looked for.
    #[default]
    Off,
    /// They are told.
    Warn,
    /// They are refused.
    Enforce,
}

/// What a family has to be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FamilyRule {
    /// Its type.
    pub metric_type: Option<MetricType>,
    /// Its unit.
    pub unit: Option<String>,
    /// Labels it may have.
    pub labels: Option<Vec<String>>,
}

/// What some pushes have to look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Of whom.
    pub identity: Option<Pattern>,
    /// For which jobs.
    pub job: Option<Pattern>,
    /// What is done about findings.
    pub lint: LintLevel,
    /// What is looked for.
    pub lint_rules: crate::lint::RuleSet,
    /// Labels there have to be.
    pub required_labels: Vec<String>,
    /// Labels there may not be.
    pub forbidden_labels: Vec<String>,
    /// Names of families.
    pub metric_names: Option<Pattern>,
    /// Families that may be pushed.
    pub schema: Option<BTreeMap<String, FamilyRule>>,
    /// A file with an example of a push.
    pub schema_example: Option<PathBuf>,
    /// Rules for series.
    pub rules: RuleSet,
    /// How pushes are added to what is stored, if they are.
    pub aggregate: Option<Gauges>,
    /// How long a group stays.
    pub time_to_live: Option<Duration>,
    /// Whether what would be refused is only told.
    pub dry_run: bool,
}

pub(super) fn decode(
    node: &Node,
    directory: &FilePath,
    path: &Path,
    report: &mut Report,
) -> Vec<Policy> {
    let items = decode::items(node, "a list of policies", None, path, report);
    let items = items.unwrap_or_default().iter().enumerate();
    items.map(|(at, item)| policy(item, directory, &path.item(at), report)).collect()
}

fn policy(node: &Node, directory: &FilePath, path: &Path, report: &mut Report) -> Policy {
    let mut policy = Policy::default();
    for entry in POLICY.fields(node, path, report) {
        let (value, inner) = (entry.value, &path.field(&entry.name));
        match &*entry.name {
            "identity" => policy.identity = pattern::decode(value, inner, report),
            "job" => policy.job = pattern::decode(value, inner, report),
            "lint" => {
                let words = [
                    ("off", LintLevel::Off),
                    ("warn", LintLevel::Warn),
                    ("enforce", LintLevel::Enforce),
                ];
                set(&mut policy.lint, value::word(value, &words, inner, report));
            }
            "lint_rules" => {
                let rules = decode::text(value, inner, report).map(|text| text.parse());
                match rules {
                    Some(Ok(rules)) => policy.lint_rules = rules,
                    Some(Err(wrong)) => {
                        let wrong: crate::lint::UnknownRule = wrong;
                        report.error(value.at, inner, wrong.to_string());
                    }
                    None => {}
                }
            }
            "required_labels" => policy.required_labels = value::texts(value, inner, report),
            "forbidden_labels" => policy.forbidden_labels = value::texts(value, inner, report),
            "metric_names" => policy.metric_names = pattern::decode(value, inner, report),
            "schema" => policy.schema = Some(schema(value, inner, report)),
            "schema_example" => {
                let name = decode::text(value, inner, report);
                policy.schema_example = name.map(|name| directory.join(name));
            }
            "metric_relabel_configs" => policy.rules = relabel::rules(value, inner, report),
            "aggregate" => {
                let words = [("last", Gauges::Last), ("max", Gauges::Max), ("min", Gauges::Min)];
                policy.aggregate = value::word(value, &words, inner, report);
            }
            "time_to_live" => policy.time_to_live = value::duration(value, inner, report),
            "dry_run" => set(&mut policy.dry_run, value::truth(value, inner, report)),
            _ => shape::forgotten(&entry, path, report),
        }
    }
    policy
}

fn schema(node: &Node, path: &Path, report: &mut Report) -> BTreeMap<String, FamilyRule> {
    let entries = decode::fields(node, "a map of families", path, report).unwrap_or_default();
    let mut families = BTreeMap::new();
    for entry in entries {
        let path = path.field(&entry.name);
        let mut family = FamilyRule::default();
        for field in FAMILY.fields(entry.value, &path, report) {
            let (value, inner) = (field.value, &path.field(&field.name));
            match &*field.name {
                "type" => family.metric_type = value::word(value, &TYPES, inner, report),
                "unit" => family.unit = decode::text(value, inner, report),
                "labels" => family.labels = Some(value::texts(value, inner, report)),
                _ => shape::forgotten(&field, &path, report),
            }
        }
        families.insert(entry.name, family);
    }
    families
}
