//! What both readers tell the linter, and what it makes of each line at once.

use crate::lint::families::{Families, Member, Role};
use crate::lint::histogram::{Bucket, Metric};
use crate::lint::labels::{Labels, flag};
use crate::lint::rule::{Rule, RuleSet};
use crate::model::fingerprint::Digest;
use crate::model::{Fingerprint, FingerprintKey, Format, MetricType};
use hashbrown::HashTable;

/// Rules that are about labels: what of a label breaks them.
const LABEL_RULES: [(u8, Rule); 5] = [
    (flag::LE, Rule::ReservedLeLabel),
    (flag::QUANTILE, Rule::ReservedQuantileLabel),
    (flag::CAMEL, Rule::CamelCaseLabel),
    (flag::RESERVED, Rule::LabelReservedPrefix),
    (flag::EMPTY, Rule::LabelEmptyValue),
];

/// Rules that need the buckets of every histogram.
const HISTOGRAM_RULES: [Rule; 7] = [
    Rule::HistogramNoInf,
    Rule::HistogramNotMonotonic,
    Rule::HistogramDuplicateLe,
    Rule::HistogramCountMismatch,
    Rule::HistogramLineRepeated,
    Rule::HistogramMissingParts,
    Rule::DuplicateSeries,
];

/// Everything known of a document so far.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) families: Families,
    pub(super) rules: RuleSet,
    /// The family that was named last.
    pub(super) current: Option<u32>,
    /// Series, as they stand.
    series: HashTable<Fingerprint>,
    /// Series, labels sorted and empty ones left out.
    series_sorted: HashTable<Fingerprint>,
    /// Metrics of histograms and summaries.
    index: HashTable<(Fingerprint, u32)>,
    /// The same, if their parts are wanted.
    pub(super) metrics: Vec<Metric>,
    keeps_metrics: bool,
    /// Family and metric of the sample before.
    run: Option<(u32, u32)>,
    pub(super) n_samples: u64,
}

/// One sample, its labels apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) line: usize,
    pub(super) member: Member,
    pub(super) value: f64,
    pub(super) has_timestamp: bool,
}

impl Core {
    pub(super) fn new(format: Format, rules: RuleSet, key: FingerprintKey) -> Self {
        Self {
            families: Families::new(format, key),
            rules,
            current: None,
            series: HashTable::new(),
            series_sorted: HashTable::new(),
            index: HashTable::new(),
            metrics: Vec::new(),
            keeps_metrics: rules.contains_any(&HISTOGRAM_RULES),
            run: None,
            n_samples: 0,
        }
    }

    /// A line names a metric: which family is it of?
    pub(super) fn name(&mut self, text: &[u8], line: usize) -> Member {
        let member = self.families.resolve(text, line);
        if self.current != Some(member.family) {
            let is_back = self.current.is_some()
                && self.families.get(member.family).is_some_and(|family| family.line < line);
            if is_back {
                self.hit(member.family, Rule::FamilySplit, line, 1);
            }
            self.current = Some(member.family);
        }
        member
    }

    /// The name of the family that was named last.
    pub(super) fn current_name(&self) -> &[u8] {
        self.current.map(|current| self.families.name_of(current)).unwrap_or_default()
    }

    /// A HELP line with a text; the caller refuses a second one.
    pub(super) fn help(&mut self, number: u32, line: usize) {
        let Some(family) = self.families.get_mut(number) else { return };
        family.has_help = true;
        if family.has_samples {
            self.hit(number, Rule::HelpAfterSample, line, 1);
        }
    }

    /// A sample.
    pub(super) fn sample(&mut self, sample: Sample, labels: &mut Labels) {
        self.n_samples += 1;
        let number = sample.member.family;
        if sample.has_timestamp {
            self.hit(number, Rule::TimestampPresent, sample.line, 1);
        }
        let Some(family) = self.families.get_mut(number) else { return };
        family.has_samples = true;
        match family.metric_type() {
            MetricType::Histogram | MetricType::GaugeHistogram | MetricType::Summary => {
                self.part(sample, labels);
                return;
            }
            MetricType::Counter if sample.member.role != Role::Created => {
                family.has_total |= sample.member.role == Role::Total;
                if sample.value < 0.0 {
                    self.hit(number, Rule::CounterNegative, sample.line, 1);
                } else if sample.value.is_nan() {
                    self.hit(number, Rule::CounterNan, sample.line, 1);
                }
            }
            _ => {}
        }
        self.run = None;
        if sample.member.role == Role::Created {
            return;
        }
        self.new_metric(number, sample.line, labels);
        self.twice(sample, labels);
    }

    /// A series of which this is the first line.
    fn new_metric(&mut self, number: u32, line: usize, labels: &Labels) {
        if let Some(family) = self.families.get_mut(number) {
            family.n_metrics += 1;
        }
        let all = labels.pairs().iter().fold(0, |all, pair| all | pair.flags);
        for (flag, rule) in LABEL_RULES.into_iter().filter(|(flag, _)| all & flag != 0) {
            let n = labels.pairs().iter().filter(|pair| pair.flags & flag != 0).count();
            self.hit(number, rule, line, n as u64);
        }
    }

    fn twice(&mut self, sample: Sample, labels: &mut Labels) {
        let words = [u64::from(sample.member.family), 0];
        if self.rules.contains(Rule::DuplicateMetric) {
            let seen = fingerprint(self.families.key(), labels.text(), words);
            if !insert(&mut self.series, seen) {
                self.hit(sample.member.family, Rule::DuplicateMetric, sample.line, 1);
            }
        }
        if self.rules.contains(Rule::DuplicateSeries) {
            let seen = fingerprint(self.families.key(), labels.sorted(true), words);
            if !insert(&mut self.series_sorted, seen) {
                self.hit(sample.member.family, Rule::DuplicateSeries, sample.line, 1);
            }
        }
    }

    /// One line of a histogram or summary.
    fn part(&mut self, sample: Sample, labels: &mut Labels) {
        let number = sample.member.family;
        let metric = match self.run {
            Some((family, metric)) if family == number && labels.is_same_series() => metric,
            _ => self.metric(sample, labels),
        };
        self.run = Some((number, metric));
        let bound = labels.bound();
        let is_bound = sample.member.role == Role::Plain && !bound.is_nan();
        if is_bound
            && let Some(family) = self.families.get_mut(number)
            && family.first_metric == metric
        {
            family.n_first_bounds += 1;
        }
        if let Some(metric) = self.metrics.get_mut(metric as usize) {
            let repeated = match sample.member.role {
                Role::Count => metric.count.replace(sample.value).is_some(),
                Role::Sum => std::mem::replace(&mut metric.has_sum, true),
                Role::Plain if is_bound => {
                    metric.push(Bucket { bound, value: sample.value, line: sample.line });
                    false
                }
                Role::Plain | Role::Total | Role::Created => false,
            };
            if repeated {
                self.hit(number, Rule::HistogramLineRepeated, sample.line, 1);
            }
        }
    }

    /// The metric of a line that does not simply continue the one before.
    fn metric(&mut self, sample: Sample, labels: &mut Labels) -> u32 {
        let number = sample.member.family;
        let words = [u64::from(number), 1];
        let seen = fingerprint(self.families.key(), labels.sorted(false), words);
        let hash = seen.table_hash();
        if let Some((_, metric)) = self.index.find(hash, |(other, _)| *other == seen) {
            return *metric;
        }
        let metric = u32::try_from(self.index.len()).unwrap_or(u32::MAX);
        self.index.insert_unique(hash, (seen, metric), |(other, _)| other.table_hash());
        if let Some(family) = self.families.get_mut(number).filter(|f| f.n_metrics == 0) {
            family.first_metric = metric;
        }
        self.new_metric(number, sample.line, labels);
        if self.keeps_metrics {
            self.metrics.push(Metric::new(number, sample.line));
        }
        metric
    }

    /// Note that a line breaks a rule, if that rule is chosen.
    pub(super) fn hit(&mut self, number: u32, rule: Rule, line: usize, n: u64) {
        let family = self.families.get_mut(number).filter(|_| self.rules.contains(rule));
        let Some(family) = family else { return };
        let is_right = match rule {
            Rule::ReservedLeLabel => {
                matches!(family.metric_type(), MetricType::Unknown | MetricType::Histogram)
            }
            Rule::ReservedQuantileLabel => {
                matches!(family.metric_type(), MetricType::Unknown | MetricType::Summary)
            }
            _ => false,
        };
        if !is_right {
            family.hit(rule, line, n);
        }
    }
}

fn fingerprint(key: &FingerprintKey, labels: &[u8], words: [u64; 2]) -> Fingerprint {
    key.fingerprint([key.digest(labels), Digest::default()], words)
}

/// Whether it was not there.
fn insert(set: &mut HashTable<Fingerprint>, seen: Fingerprint) -> bool {
    let hash = seen.table_hash();
    let is_new = set.find(hash, |other| *other == seen).is_none();
    if is_new {
        set.insert_unique(hash, seen, |other| other.table_hash());
    }
    is_new
}
