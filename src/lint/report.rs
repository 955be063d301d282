//! What was found.

use crate::lint::core::Core;
use crate::lint::families::Family;
use crate::lint::histogram::Metric;
use crate::lint::names::{self, Named};
use crate::lint::rule::Rule;
use crate::lint::silence::Silences;
use crate::model::MetricType;
use std::borrow::Cow;
use std::fmt;

/// One rule that one family breaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The family.
    pub metric: String,
    /// What is to be said of it; in the words of promlint, where promlint says it.
    pub text: Cow<'static, str>,
    /// The first line that breaks the rule, or that names the family; from 1.
    pub line: usize,
    /// How often the rule is broken: promlint says so as many times.
    pub n: u64,
}

/// How promtool writes it; and where it stands and how often, if promtool would say nothing.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, metric, text, line, n } = self;
        write!(f, "{metric} {text}")?;
        match n {
            _ if rule.is_promlint() => Ok(()),
            1 => write!(f, " (line {line})"),
            _ => write!(f, " (line {line}, the first of {n})"),
        }
    }
}

/// How many series a family has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cardinality {
    /// The family.
    pub metric: String,
    /// Series as `promtool check metrics --extended` counts them: of histograms and summaries, all
    /// metrics are taken to have as many buckets or quantiles as the first.
    pub n_series: u64,
}

/// What a document was found to be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// By metric and text.
    pub findings: Vec<Finding>,
    /// Findings left out since they are silenced.
    pub n_silenced: usize,
    /// By series, most first, then by name.
    pub cardinality: Vec<Cardinality>,
    /// Samples read.
    pub n_samples: u64,
}

impl Report {
    pub(super) fn new(mut core: Core) -> Self {
        let rules = core.rules;
        for metric in std::mem::take(&mut core.metrics) {
            Metric::check(metric, &mut core.families, rules);
        }
        let mut report = Self { n_samples: core.n_samples, ..Self::default() };
        for (number, family) in (0..).zip(core.families.all()) {
            if family.n_metrics > 0 {
                report.family(&core, core.families.name_of(number), family);
            }
        }
        report.findings.sort_by(|a, b| (&a.metric, &a.text).cmp(&(&b.metric, &b.text)));
        let by_name = |a: &Cardinality, b: &Cardinality| a.metric.cmp(&b.metric);
        report.cardinality.sort_by(|a, b| b.n_series.cmp(&a.n_series).then(by_name(a, b)));
        report
    }

    fn family(&mut self, core: &Core, name: &[u8], family: &Family) {
        let suffix: &[u8] = if family.has_total { b"_total" } else { b"" };
        let name = [name, suffix].concat();
        let metric = String::from_utf8_lossy(&name).into_owned();
        let n_lines = match family.metric_type() {
            MetricType::Histogram | MetricType::Summary => 2 + family.n_first_bounds,
            _ => 1,
        };
        let n_series = family.n_metrics.saturating_mul(n_lines);
        let mut found: Vec<(Rule, Cow<'static, str>, usize, u64)> = Vec::new();
        let named = Named {
            name: &name,
            metric_type: family.metric_type(),
            has_help: family.has_help,
            has_type: family.metric_type.is_some(),
        };
        names::check(named, |rule, text| match found.last_mut() {
            _ if !core.rules.contains(rule) => {}
            Some((last, _, _, n)) if *last == rule => *n += 1,
            _ => found.push((rule, text, family.line, 1)),
        });
        let hits = family.hits.iter();
        found.extend(hits.map(|hit| (hit.rule, hit.rule.text().into(), hit.line, hit.n)));
        self.findings.extend(found.into_iter().map(|(rule, text, line, n)| Finding {
            rule,
            metric: metric.clone(),
            text,
            line,
            n,
        }));
        self.cardinality.push(Cardinality { metric, n_series });
    }

    /// Leave out what is silenced.
    pub fn silence(&mut self, silences: &Silences) {
        let n_before = self.findings.len();
        self.findings.retain(|finding| !silences.covers(finding));
        self.n_silenced += n_before - self.findings.len();
    }

    /// Series of all families.
    pub fn n_series(&self) -> u64 {
        self.cardinality.iter().fold(0, |sum, row| sum.saturating_add(row.n_series))
    }
}
