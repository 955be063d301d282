//! The families of a document, and which of them a name belongs to.

use crate::lint::labels::Special;
use crate::lint::rule::Rule;
use crate::model::FingerprintKey;
use crate::model::Format;
use crate::model::MetricType;
use hashbrown::HashTable;

/// What the line of a sample says of its metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// A value, a bucket or a quantile.
    Plain,
    /// The number of observations.
    Count,
    /// Their sum.
    Sum,
    /// A counter, by its name in OpenMetrics.
    Total,
    /// When it was created (OpenMetrics).
    Created,
}

/// A family by number, and what a name stands for in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) family: u32,
    pub(super) role: Role,
}

/// How often a rule was broken in a family, and where first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) rule: Rule,
    pub(super) line: usize,
    pub(super) n: u64,
}

/// One family.
#[derive(Debug)]
pub(super) struct Family {
    /// Its name, as a number of [`Families`].
    name: u32,
    /// The line that first named it.
    pub(super) line: usize,
    /// What its TYPE line says.
    pub(super) metric_type: Option<MetricType>,
    pub(super) has_help: bool,
    pub(super) has_samples: bool,
    /// Its samples are written with `_total`, which its name in OpenMetrics lacks.
    pub(super) has_total: bool,
    /// Series; of histograms and summaries, sets of labels.
    pub(super) n_metrics: u64,
    /// Buckets or quantiles of the first of its metrics.
    pub(super) n_first_bounds: u64,
    pub(super) first_metric: u32,
    /// What is wrong with its lines.
    pub(super) hits: Vec<Hit>,
}

impl Family {
    /// The type in force.
    pub(super) fn metric_type(&self) -> MetricType {
        self.metric_type.unwrap_or_default()
    }

    /// The label that its samples carry besides those of their series.
    pub(super) fn special(&self) -> Special {
        match self.metric_type() {
            MetricType::Histogram | MetricType::GaugeHistogram => Special::Le,
            MetricType::Summary => Special::Quantile,
            _ => Special::None,
        }
    }

    /// Note that a line breaks a rule.
    pub(super) fn hit(&mut self, rule: Rule, line: usize, n: u64) {
        match self.hits.iter_mut().find(|hit| hit.rule == rule) {
            Some(hit) => {
                hit.n += n;
                hit.line = hit.line.min(line);
            }
            None => self.hits.push(Hit { rule, line, n }),
        }
    }
}

/// A name that was used, and what for.
#[derive(Debug)]
struct Name {
    text: Box<[u8]>,
    member: Member,
}

/// All families, by every name that was used for them.
#[derive(Debug)]
pub(super) struct Families {
    format: Format,
    key: FingerprintKey,
    index: HashTable<u32>,
    names: Vec<Name>,
    all: Vec<Family>,
    /// The last name that was looked up.
    last: Option<u32>,
}

impl Families {
    pub(super) fn new(format: Format, key: FingerprintKey) -> Self {
        Self {
            format,
            key,
            index: HashTable::new(),
            names: Vec::new(),
            all: Vec::new(),
            last: None,
        }
    }

    pub(super) fn key(&self) -> &FingerprintKey {
        &self.key
    }

    pub(super) fn all(&self) -> &[Family] {
        &self.all
    }

    pub(super) fn get(&self, number: u32) -> Option<&Family> {
        self.all.get(number as usize)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Family> {
        self.all.get_mut(number as usize)
    }

    /// The name of a family; empty if there is no such family.
    pub(super) fn name_of(&self, number: u32) -> &[u8] {
        let name = self.get(number).and_then(|family| self.names.get(family.name as usize));
        name.map(|name| &*name.text).unwrap_or_default()
    }

    /// Which family a name belongs to, as things are: one of this name, or one of which it is a
    /// part; or else a new one. What was once decided stays, since a family that has a type keeps
    /// it.
    pub(super) fn resolve(&mut self, text: &[u8], line: usize) -> Member {
        if let Some(name) = self.last.and_then(|last| self.names.get(last as usize))
            && *name.text == *text
        {
            return name.member;
        }
        if let Some(number) = self.find(text) {
            self.last = Some(number);
            return self.names[number as usize].member;
        }
        let number = narrow(self.names.len());
        let member = self.part_of_another(text).unwrap_or_else(|| {
            let member = Member { family: narrow(self.all.len()), role: Role::Plain };
            self.all.push(Family {
                name: number,
                line,
                metric_type: None,
                has_help: false,
                has_samples: false,
                has_total: false,
                n_metrics: 0,
                n_first_bounds: 0,
                first_metric: 0,
                hits: Vec::new(),
            });
            member
        });
        self.names.push(Name { text: text.into(), member });
        let Self { index, names, key, .. } = self;
        let hash = |number: &u32| {
            key.of(names.get(*number as usize).map(|name| &*name.text).unwrap_or_default())
                .table_hash()
        };
        index.insert_unique(hash(&number), number, hash);
        self.last = Some(number);
        member
    }

    fn find(&self, text: &[u8]) -> Option<u32> {
        let hash = self.key.of(text).table_hash();
        let is_it =
            |number: &u32| self.names.get(*number as usize).is_some_and(|name| *name.text == *text);
        self.index.find(hash, is_it).copied()
    }

    fn part_of_another(&self, text: &[u8]) -> Option<Member> {
        parts(self.format).iter().find_map(|&(suffix, role, types)| {
            // The suffix alone is no part of anything.
            let base = text.strip_suffix(suffix.as_bytes()).filter(|base| !base.is_empty())?;
            let number = self.find(base)?;
            let family = self.names[number as usize].member.family;
            let found = self.get(family)?;
            let fits = found.name == number && types.contains(&found.metric_type());
            fits.then_some(Member { family, role })
        })
    }
}

fn narrow(number: usize) -> u32 {
    // Lines are at least two bytes long: this would be a document of 8 GiB.
    u32::try_from(number).unwrap_or(u32::MAX)
}

type Part = (&'static str, Role, &'static [MetricType]);

/// Which suffixes stand for a part of a family, and of which types.
fn parts(format: Format) -> &'static [Part] {
    use MetricType::{Counter, GaugeHistogram, Histogram, Summary};
    match format {
        Format::Text => &[
            ("_count", Role::Count, &[Summary, Histogram, GaugeHistogram]),
            ("_sum", Role::Sum, &[Summary, Histogram, GaugeHistogram]),
            ("_bucket", Role::Plain, &[Histogram, GaugeHistogram]),
        ],
        Format::OpenMetrics => &[
            ("_total", Role::Total, &[Counter]),
            ("_count", Role::Count, &[Summary, Histogram]),
            ("_sum", Role::Sum, &[Summary, Histogram]),
            ("_gcount", Role::Count, &[GaugeHistogram]),
            ("_gsum", Role::Sum, &[GaugeHistogram]),
            ("_bucket", Role::Plain, &[Histogram, GaugeHistogram]),
            ("_created", Role::Created, &[Counter, Summary, Histogram]),
            ("_info", Role::Plain, &[MetricType::Info]),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families(format: Format) -> Families {
        let mut state = 1_u64;
        let random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state
        };
        Families::new(format, FingerprintKey::new(random))
    }

    /// Declare families, then resolve a name: gives the family's name.
    #[track_caller]
    fn check(format: Format, declared: &[(&str, MetricType)], name: &str, expect: &str) {
        let mut families = families(format);
        for (name, metric_type) in declared {
            let member = families.resolve(name.as_bytes(), 1);
            families.get_mut(member.family).unwrap().metric_type = Some(*metric_type);
        }
        let first = families.resolve(name.as_bytes(), 1);
        assert_eq!(families.name_of(first.family), expect.as_bytes(), "{name}");
        assert_eq!(families.resolve(name.as_bytes(), 1).family, first.family);
    }

    #[test]
    fn parts_belong_to_families_declared_before() {
        use MetricType::{Counter, GaugeHistogram, Histogram, Summary};
        let text = Format::Text;
        check(text, &[("h", Histogram)], "h_bucket", "h");
        check(text, &[("h", GaugeHistogram)], "h_sum", "h");
        check(text, &[("s", Summary)], "s_count", "s");
        check(text, &[("s", Summary)], "s_bucket", "s_bucket");
        check(text, &[("h_count", Counter), ("h", Histogram)], "h_count", "h_count");
        check(text, &[("h", Histogram), ("h_count", Counter)], "h_count_sum", "h_count_sum");
        check(text, &[("a", Counter)], "a_total", "a_total");
        check(text, &[("h", GaugeHistogram)], "h_gsum", "h_gsum");
        check(text, &[("h", Histogram)], "_count", "_count");
        let open_metrics = Format::OpenMetrics;
        check(open_metrics, &[("a", Counter)], "a_total", "a");
        check(open_metrics, &[("h", GaugeHistogram)], "h_gsum", "h");
        check(open_metrics, &[("h", GaugeHistogram)], "h_sum", "h_sum");
        check(open_metrics, &[("i", MetricType::Info)], "i_info", "i");
    }
}
