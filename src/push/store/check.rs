//! Whether a push fits: the Pushgateway's checks, each answered by the index.

use crate::model::MetricType;
use crate::push::body::Families;
use crate::push::conflict::{Conflict, Conflicts, describe, type_name};
use crate::push::family::{Family, Value};
use crate::push::names::LabelNames;
use crate::push::path::GroupingKey;
use crate::push::store::time_family;
use crate::push::store::{Change, PUSH_FAILURE_TIME, PUSH_TIME, Pusher, Store, StoreError};

/// Suffixes of what a summary is made of …
const SUMMARY_PARTS: [&str; 2] = ["_count", "_sum"];
/// … and a histogram.
const HISTOGRAM_PARTS: [&str; 3] = ["_count", "_sum", "_bucket"];

pub(super) fn check(
    store: &Store,
    key: &GroupingKey,
    families: &Families,
    change: Change,
    pusher: Pusher<'_>,
) -> Result<(), StoreError> {
    let check = Check { store, key, families, change };
    check.limits(pusher)?;
    let mut conflicts = Conflicts::default();
    if let Some(twin) = store.twin(key) {
        let (name, times) = (PUSH_TIME, time_family(PUSH_TIME, [(key, 0)]));
        let metric = first_metric(name, &times);
        let owner = Some(twin.to_path(LabelNames::Utf8));
        conflicts.push(Conflict::Duplicate { metric, owner });
    }
    for (name, family) in families {
        if conflicts.is_full() {
            break;
        }
        if name == PUSH_TIME || name == PUSH_FAILURE_TIME {
            continue;
        }
        check.types(name, family, &mut conflicts);
        check.owners(name, family, &mut conflicts);
        check.parts(name, family.metric_type, &mut conflicts);
    }
    if conflicts.is_empty() { Ok(()) } else { Err(conflicts.into()) }
}

struct Check<'a> {
    store: &'a Store,
    key: &'a GroupingKey,
    families: &'a Families,
    change: Change,
}

impl Check<'_> {
    fn limits(&self, who: Pusher<'_>) -> Result<(), StoreError> {
        let limits = self.store.limits;
        let pushed = self.families.values().map(Family::n_series).sum::<usize>();
        let full = |what, max| Err(StoreError::Full { what, max, pushed });
        let group = self.store.groups.get(self.key);
        if group.is_none() && self.store.groups.len() >= limits.groups_max {
            return full("store, in groups", limits.groups_max);
        }
        let in_group = group.map_or(0, |group| group.n_series);
        let kept = match self.change {
            Change::Replace => 0,
            Change::Update => in_group.saturating_sub(self.replaced()),
            Change::Aggregate(_) => in_group.saturating_sub(self.aggregated()),
        };
        let group_series_max = limits.group_series_max.min(who.group_series_max);
        if kept + pushed > group_series_max {
            return full("group", group_series_max);
        }
        let owned = self.store.by_owner.get(who.name).copied().unwrap_or_default();
        let is_own = group.is_some_and(|group| &*group.owner == who.name);
        let others = owned - if is_own { in_group.min(owned) } else { 0 };
        if others + kept + pushed > who.series_max {
            return full("share of the store", who.series_max);
        }
        if self.store.n_series - in_group + kept + pushed > limits.series_max {
            return full("store", limits.series_max);
        }
        Ok(())
    }

    /// Series of families of the group that the push replaces.
    fn replaced(&self) -> usize {
        let old = self.families.keys().filter_map(|name| self.old(name));
        old.map(Family::n_series).sum()
    }

    /// Series of metrics of the group that the push changes.
    fn aggregated(&self) -> usize {
        let pushed = self.families.iter().filter_map(|(name, new)| Some((self.old(name)?, new)));
        let old =
            pushed.flat_map(|(old, new)| new.metrics.keys().map(|labels| old.metrics.get(labels)));
        old.flatten().map(Value::n_series).sum()
    }

    fn old(&self, name: &str) -> Option<&Family> {
        Some(&self.store.families.get(name)?.by_group.get(self.key)?.family)
    }

    /// Everybody has to have a family with the same type.
    fn types(&self, name: &str, family: &Family, conflicts: &mut Conflicts) {
        let Some(there) = self.store.families.get(name) else { return };
        let is_replaced = !matches!(self.change, Change::Aggregate(_));
        let is_others = !is_replaced
            || there.by_group.len() > usize::from(there.by_group.contains_key(self.key));
        if is_others && there.metric_type != family.metric_type {
            let metric = first_metric(name, family);
            conflicts.push(Conflict::Type { metric, wanted: type_name(there.metric_type) });
        }
    }

    /// No other group may have one of the metrics.
    fn owners(&self, name: &str, family: &Family, conflicts: &mut Conflicts) {
        for (labels, value) in &family.metrics {
            let metric = self.store.metric(name, labels);
            let owner = self.store.owners.find(metric.table_hash(), |owner| owner.metric == metric);
            let Some(owner) = owner.filter(|owner| *owner.group != *self.key) else { continue };
            let metric = describe(name, labels, family.metric_type, value);
            let owner = Some(owner.group.to_path(LabelNames::Utf8));
            conflicts.push(Conflict::Duplicate { metric, owner });
            if conflicts.is_full() {
                return;
            }
        }
    }

    /// Names of summaries, histograms and their parts are for them.
    fn parts(&self, name: &str, metric_type: MetricType, conflicts: &mut Conflicts) {
        let of_histogram = HISTOGRAM_PARTS.iter().filter_map(|suffix| name.strip_suffix(suffix));
        for base in of_histogram {
            let is_part_of_summary = SUMMARY_PARTS.iter().any(|suffix| name.ends_with(suffix));
            let word = match self.type_afterwards(base) {
                Some(MetricType::Histogram) => "histogram",
                Some(MetricType::Summary) if is_part_of_summary => "summary",
                _ => continue,
            };
            let (name, base) = (name.to_owned(), base.to_owned());
            conflicts.push(Conflict::PartOf { name, word, base });
        }
        let (parts, word): (&[&str], _) = match metric_type {
            MetricType::Summary => (&SUMMARY_PARTS, "histogram or summary"),
            MetricType::Histogram => (&HISTOGRAM_PARTS, "histogram or summary"),
            _ => return,
        };
        for suffix in parts {
            let part = format!("{name}{suffix}");
            // One of the push itself is told when its turn comes.
            if !self.families.contains_key(&part) && self.type_afterwards(&part).is_some() {
                let word = if *suffix == "_bucket" { "histogram" } else { word };
                conflicts.push(Conflict::HasPart { name: part, word, base: name.to_owned() });
            }
        }
    }

    /// The type of a family once the push is taken; `None` if nobody has it then.
    fn type_afterwards(&self, name: &str) -> Option<MetricType> {
        if let Some(family) = self.families.get(name) {
            return Some(family.metric_type);
        }
        let there = self.store.families.get(name)?;
        let is_own_removed =
            self.change == Change::Replace && there.by_group.contains_key(self.key);
        (there.by_group.len() > usize::from(is_own_removed)).then_some(there.metric_type)
    }
}

fn first_metric(name: &str, family: &Family) -> String {
    let first = family.metrics.first_key_value();
    let told = first.map(|(labels, value)| describe(name, labels, family.metric_type, value));
    told.unwrap_or_default()
}
