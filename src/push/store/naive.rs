//! The store as the Pushgateway has it: for every push, everything is looked at.

use crate::model::MetricType;
use crate::push::body::Families;
use crate::push::family::{Family, Value};
use crate::push::path::GroupingKey;
use crate::push::store::{Change, PUSH_FAILURE_TIME, PUSH_TIME};
use std::collections::{BTreeMap, BTreeSet};

type Groups = BTreeMap<GroupingKey, BTreeMap<String, Family>>;

#[derive(Debug, Default)]
pub(super) struct Naive {
    pub(super) groups: Groups,
}

impl Naive {
    /// Whether a push fits; then it is taken.
    pub(super) fn push(&mut self, key: &GroupingKey, families: Families, change: Change) -> bool {
        let mut groups = self.groups.clone();
        let group = groups.entry(key.clone()).or_default();
        if change == Change::Replace {
            group.clear();
        }
        for (name, family) in families {
            if name == PUSH_TIME || name == PUSH_FAILURE_TIME {
                continue;
            }
            match (change, group.get_mut(&name)) {
                (Change::Aggregate(gauges), Some(old)) => {
                    if old.metric_type != family.metric_type {
                        return false;
                    }
                    for (labels, value) in family.metrics {
                        match old.metrics.get_mut(&labels) {
                            Some(old) => old.add(value, family.metric_type, gauges),
                            None => drop(old.metrics.insert(labels, value)),
                        }
                    }
                }
                _ => drop(group.insert(name, family)),
            }
        }
        let fits = is_consistent(&groups);
        if fits {
            self.groups = groups;
        }
        fits
    }

    pub(super) fn delete(&mut self, key: &GroupingKey) -> bool {
        self.groups.remove(key).is_some()
    }
}

fn is_consistent(groups: &Groups) -> bool {
    let (mut types, mut series) = (BTreeMap::new(), BTreeSet::new());
    let mut times = BTreeSet::new();
    for (key, families) in groups {
        let labels = key.labels().filter(|label| *label != ("instance", ""));
        if !times.insert(labels.collect::<Vec<_>>()) {
            return false;
        }
        for (name, family) in families {
            if *types.entry(name.as_str()).or_insert(family.metric_type) != family.metric_type {
                return false;
            }
            for (labels, value) in &family.metrics {
                let is_summary = matches!(value, Value::Summary(_));
                if !series.insert((name, labels)) || is_summary && labels.get(b"quantile").is_some()
                {
                    return false;
                }
            }
        }
    }
    types.iter().all(|(name, metric_type)| {
        let parts: &[&str] = match metric_type {
            MetricType::Summary => &["_sum", "_count"],
            MetricType::Histogram => &["_sum", "_count", "_bucket"],
            _ => &[],
        };
        !parts.iter().any(|part| types.contains_key(&*format!("{name}{part}")))
    })
}
