//! What is stored, a family at a time: whoever exposes it holds the store for one family only.

use crate::model::MetricType;
use crate::push::canonical::{write_head, write_metric};
use crate::push::family::{Family, Value};
use crate::push::labels::Labels;
use crate::push::path::GroupingKey;
use crate::push::store::{Group, GroupFamily, PUSH_FAILURE_TIME, PUSH_TIME, Store};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// HELP of the times of pushes, as the Pushgateway has it.
const PUSH_TIME_HELP: &str =
    "Last Unix time when changing this group in the Pushgateway succeeded.";
const PUSH_FAILURE_TIME_HELP: &str =
    "Last Unix time when changing this group in the Pushgateway failed.";

/// One family, with what everybody has of it.
#[derive(Clone, Debug)]
pub struct FamilyPage {
    name: Arc<str>,
    parts: Vec<Arc<GroupFamily>>,
    next: usize,
}

impl Store {
    /// The family behind `name` in the order of names; the first one for `None`.
    pub fn family_after(&self, name: Option<&str>) -> Option<(Arc<str>, FamilyPage)> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let (name, shared) = self.families.range::<str, _>((from, Bound::Unbounded)).next()?;
        let parts = shared.by_group.values().map(Arc::clone).collect();
        Some((Arc::clone(name), FamilyPage { name: Arc::clone(name), parts, next: 0 }))
    }

    /// Every group, when it was pushed to, and when a push was refused; by the labels.
    pub fn times(&self) -> Vec<(Arc<GroupingKey>, i64, i64)> {
        let groups = self.groups.iter();
        groups.map(|(key, group)| (Arc::clone(key), group.pushed_ms, group.failed_ms)).collect()
    }
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "below 2^53 for a long time")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

impl FamilyPage {
    /// Write the next lines of the family, about as many bytes as asked for; `false` at its end.
    pub fn write(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> bool {
        let n_before = out.len();
        if self.next == 0 {
            let helped = self.parts.iter().find(|part| !part.family.help.is_empty());
            if let Some(first) = helped.or(self.parts.first()) {
                write_head(out, &self.name, &first.family);
            }
        }
        while let Some(part) = self.parts.get(self.next) {
            self.next += 1;
            for (labels, value) in &part.family.metrics {
                write_metric(out, &self.name, labels, value);
            }
            if out.len() - n_before >= bytes_max {
                break;
            }
        }
        self.next < self.parts.len()
    }
}

/// The two families that tell when a group was pushed, as the Pushgateway has them in the group.
pub fn time_families(key: &GroupingKey, group: &Group) -> [(&'static str, Family); 2] {
    [
        (PUSH_FAILURE_TIME, time_family(PUSH_FAILURE_TIME, [(key, group.failed_ms)])),
        (PUSH_TIME, time_family(PUSH_TIME, [(key, group.pushed_ms)])),
    ]
}

/// One of the families that tell when groups were pushed.
pub fn time_family<'a>(
    name: &str,
    times: impl IntoIterator<Item = (&'a GroupingKey, i64)>,
) -> Family {
    let help = if name == PUSH_TIME { PUSH_TIME_HELP } else { PUSH_FAILURE_TIME_HELP };
    let metrics: BTreeMap<Labels, Value> = times
        .into_iter()
        .map(|(key, time)| (group_labels(key), Value::Number(seconds(time))))
        .collect();
    Family { metric_type: MetricType::Gauge, help: help.to_owned(), metrics }
}

fn group_labels(key: &GroupingKey) -> Labels {
    let of_group = key.labels().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut pairs: Vec<_> = of_group.collect();
    if key.get("instance").is_none() {
        pairs.push((b"instance", b""));
    }
    // The labels of a group are a map.
    Labels::new(&mut pairs).unwrap_or_default()
}
