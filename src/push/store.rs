//! Groups of pushed metrics, and whether a push fits what is there.
//!
//! The Pushgateway gathers everything it has for every push. Here an index knows of every family
//! its type and who has it, and of every metric by a fingerprint which group it is in; so a push
//! costs what it holds and what it replaces, however much is stored.
//!
//! Times are milliseconds since the epoch and come from the caller.

mod check;
mod expose;

use crate::model::MetricType;
use crate::model::{Fingerprint, FingerprintKey};
use crate::push::body::Families;
use crate::push::conflict::Conflicts;
use crate::push::family::{Family, Gauges};
use crate::push::labels::Labels;
use crate::push::path::GroupingKey;
use hashbrown::HashTable;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use expose::{FamilyPage, time_families, time_family};

/// When a group last changed.
pub const PUSH_TIME: &str = "push_time_seconds";
/// When a push to a group was last refused.
pub const PUSH_FAILURE_TIME: &str = "push_failure_time_seconds";

const INSTANCE: &str = "instance";

/// What a push does to its group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// PUT: the group is what is pushed.
    Replace,
    /// POST: families of the same name are.
    Update,
    /// What is pushed is added to what is there; gauges are as this says.
    Aggregate(Gauges),
}

/// Who pushes, and how much of it may be stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pusher<'a> {
    /// Groups are counted for whoever pushed to them last.
    pub name: &'a str,
    /// Series of one group.
    pub group_series_max: usize,
    /// Series of all its groups.
    pub series_max: usize,
}

/// How much may be stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoreLimits {
    /// Series (lines of text) of one group.
    pub group_series_max: usize,
    /// Series of all groups.
    pub series_max: usize,
    /// Groups.
    pub groups_max: usize,
}

/// Why a push is not stored.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It does not fit what is there, or what it holds itself.
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// There would be too much of something.
    #[error(
        "not accepting a push of {pushed} series: it would overfill the {what}, whose limit is {max}"
    )]
    Full {
        /// Of what.
        what: &'static str,
        /// How much that may be.
        max: usize,
        /// Series pushed.
        pushed: usize,
    },
}

/// One family of one group.
#[derive(Clone, Debug)]
pub struct GroupFamily {
    /// What was pushed.
    pub family: Family,
    /// When.
    pub pushed_ms: i64,
}

/// What is known of a group besides its families.
#[derive(Clone, Debug)]
pub struct Group {
    /// When a push was last taken; 0: never.
    pub pushed_ms: i64,
    /// When one was last refused; 0: never.
    pub failed_ms: i64,
    /// Whether the last push was taken. Both may have been in one millisecond.
    pub is_last_good: bool,
    /// When it is forgotten.
    pub expires_ms: Option<i64>,
    /// Series in it.
    pub n_series: usize,
    /// Who pushed to it last.
    pub owner: Arc<str>,
    families: BTreeSet<Arc<str>>,
}

/// Everybody's family of one name.
#[derive(Debug)]
struct Shared {
    metric_type: MetricType,
    by_group: BTreeMap<Arc<GroupingKey>, Arc<GroupFamily>>,
}

/// Where a metric is.
#[derive(Debug)]
struct Owner {
    metric: Fingerprint,
    group: Arc<GroupingKey>,
}

/// Groups in memory.
#[derive(Debug)]
pub struct Store {
    secret: FingerprintKey,
    limits: StoreLimits,
    groups: BTreeMap<Arc<GroupingKey>, Group>,
    families: BTreeMap<Arc<str>, Shared>,
    owners: HashTable<Owner>,
    /// Groups that are to be forgotten, by when.
    expiries: BTreeSet<(i64, Arc<GroupingKey>)>,
    n_series: usize,
    /// Series of the groups of each owner.
    by_owner: BTreeMap<Arc<str>, usize>,
}

/// Say whether a push fits by itself, whatever else is stored.
///
/// # Errors
///
/// Families that cannot be pushed together.
pub fn check_alone(
    key: &GroupingKey,
    families: &Families,
    random: impl FnMut() -> u64,
) -> Result<(), StoreError> {
    const MAX: usize = usize::MAX;
    let limits = StoreLimits { group_series_max: MAX, series_max: MAX, groups_max: MAX };
    let pusher = Pusher { name: "", group_series_max: MAX, series_max: MAX };
    Store::new(limits, random).check(key, families, Change::Replace, pusher)
}

impl Store {
    /// Nothing yet. `random` must be unpredictable to whoever pushes.
    pub fn new(limits: StoreLimits, random: impl FnMut() -> u64) -> Self {
        Self {
            secret: FingerprintKey::new(random),
            limits,
            groups: BTreeMap::new(),
            families: BTreeMap::new(),
            owners: HashTable::new(),
            expiries: BTreeSet::new(),
            n_series: 0,
            by_owner: BTreeMap::new(),
        }
    }

    /// From now on so much may be stored; what is there stays.
    pub fn set_limits(&mut self, limits: StoreLimits) {
        self.limits = limits;
    }

    /// Series of all groups, without the times of pushes.
    pub fn n_series(&self) -> usize {
        self.n_series
    }

    /// How many groups there are.
    pub fn n_groups(&self) -> usize {
        self.groups.len()
    }

    /// The groups, by their labels.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<GroupingKey>, &Group)> {
        self.groups.iter()
    }

    /// One group.
    pub fn group_of(&self, key: &GroupingKey) -> Option<&Group> {
        self.groups.get(key)
    }

    /// The families of a group, by name.
    pub fn families_of<'a>(
        &'a self,
        key: &'a GroupingKey,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<GroupFamily>)> {
        let names = self.groups.get(key).into_iter().flat_map(|group| &group.families);
        names.filter_map(move |name| Some((&**name, self.families.get(name)?.by_group.get(key)?)))
    }

    /// Say whether a push would be taken, and change nothing.
    ///
    /// # Errors
    ///
    /// Everything that does not fit.
    pub fn check(
        &self,
        key: &GroupingKey,
        families: &Families,
        change: Change,
        pusher: Pusher<'_>,
    ) -> Result<(), StoreError> {
        check::check(self, key, families, change, pusher)
    }

    /// Take a push that [`Store::check`] has found good.
    ///
    /// A family called as one of the times of pushes is left out. `time_to_live_ms`: how long the
    /// group stays from now on.
    pub fn apply(
        &mut self,
        key: &GroupingKey,
        families: Families,
        change: Change,
        owner: &str,
        now_ms: i64,
        time_to_live_ms: Option<i64>,
    ) {
        let key = self.group(key);
        self.disown(&key);
        if change == Change::Replace {
            let names = self.groups.get(&*key).map(|group| group.families.clone());
            for name in names.unwrap_or_default() {
                if !families.contains_key(&*name) {
                    self.remove_family(&key, &name);
                }
            }
        }
        for (name, family) in families {
            if name == PUSH_TIME || name == PUSH_FAILURE_TIME {
                continue;
            }
            if let Change::Aggregate(gauges) = change {
                self.aggregate(&key, &name, family, gauges, now_ms);
            } else {
                self.remove_family(&key, &name);
                self.insert_family(&key, &name, family, now_ms);
            }
        }
        let expires_ms = time_to_live_ms.map(|time| now_ms.saturating_add(time));
        let known = self.by_owner.get_key_value(owner).map(|(owner, _)| Arc::clone(owner));
        let owner = known.unwrap_or_else(|| Arc::from(owner));
        let Some(group) = self.groups.get_mut(&*key) else { return };
        *self.by_owner.entry(Arc::clone(&owner)).or_default() += group.n_series;
        group.owner = owner;
        group.pushed_ms = now_ms;
        group.is_last_good = true;
        if let Some(old) = std::mem::replace(&mut group.expires_ms, expires_ms) {
            self.expiries.remove(&(old, Arc::clone(&key)));
        }
        if let Some(expires_ms) = expires_ms {
            self.expiries.insert((expires_ms, key));
        }
    }

    /// Note when a family of a group was pushed, if it is there.
    pub fn set_pushed(&mut self, key: &GroupingKey, name: &str, pushed_ms: i64) {
        let shared = self.families.get_mut(name);
        if let Some(family) = shared.and_then(|shared| shared.by_group.get_mut(key)) {
            Arc::make_mut(family).pushed_ms = pushed_ms;
        }
    }

    /// Note that a push was refused; the group is there from now on, if it can be.
    pub fn fail(&mut self, key: &GroupingKey, now_ms: i64) {
        let can_be = self.groups.len() < self.limits.groups_max && self.twin(key).is_none();
        if !can_be && !self.groups.contains_key(key) {
            return;
        }
        let key = self.group(key);
        if let Some(group) = self.groups.get_mut(&*key) {
            group.failed_ms = now_ms;
            group.is_last_good = false;
        }
    }

    /// Forget a group; whether it was there.
    pub fn delete(&mut self, key: &GroupingKey) -> bool {
        let Some((key, _)) = self.groups.get_key_value(key) else { return false };
        let key = Arc::clone(key);
        self.disown(&key);
        let names = self.groups.get(&*key).map(|group| group.families.clone());
        for name in names.unwrap_or_default() {
            self.remove_family(&key, &name);
        }
        if let Some(expires_ms) = self.groups.remove(&*key).and_then(|group| group.expires_ms) {
            self.expiries.remove(&(expires_ms, key));
        }
        true
    }

    /// The groups that `is_wanted` wants.
    pub fn find(&self, is_wanted: impl Fn(&GroupingKey) -> bool) -> Vec<Arc<GroupingKey>> {
        self.groups.keys().filter(|key| is_wanted(key)).map(Arc::clone).collect()
    }

    /// The groups whose time is over.
    pub fn expired(&self, now_ms: i64) -> Vec<Arc<GroupingKey>> {
        let over = self.expiries.iter().take_while(|(expires_ms, _)| *expires_ms <= now_ms);
        over.map(|(_, key)| Arc::clone(key)).collect()
    }

    /// The group whose times of pushes would be those of this one: an `instance` without a value is
    /// none.
    fn twin(&self, key: &GroupingKey) -> Option<&Arc<GroupingKey>> {
        let twin = key.with_other_empty(INSTANCE)?;
        self.groups.get_key_value(&twin).map(|(twin, _)| twin)
    }

    fn group(&mut self, key: &GroupingKey) -> Arc<GroupingKey> {
        if let Some((key, _)) = self.groups.get_key_value(key) {
            return Arc::clone(key);
        }
        let key = Arc::new(key.clone());
        let group = Group {
            pushed_ms: 0,
            failed_ms: 0,
            is_last_good: false,
            expires_ms: None,
            n_series: 0,
            owner: Arc::from(""),
            families: BTreeSet::new(),
        };
        self.groups.insert(Arc::clone(&key), group);
        key
    }

    /// Count a group for nobody.
    fn disown(&mut self, key: &GroupingKey) {
        let Some(group) = self.groups.get(key) else { return };
        if let Some(n_series) = self.by_owner.get_mut(&group.owner) {
            *n_series -= group.n_series.min(*n_series);
        }
    }

    fn insert_family(&mut self, key: &Arc<GroupingKey>, name: &str, family: Family, now_ms: i64) {
        for labels in family.metrics.keys() {
            self.own(key, name, labels);
        }
        let n_series = family.n_series();
        self.n_series += n_series;
        let shared = self.families.get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = shared.unwrap_or_else(|| Arc::from(name));
        let new = Shared { metric_type: family.metric_type, by_group: BTreeMap::new() };
        let shared = self.families.entry(Arc::clone(&name)).or_insert(new);
        shared.metric_type = family.metric_type;
        let family = Arc::new(GroupFamily { family, pushed_ms: now_ms });
        shared.by_group.insert(Arc::clone(key), family);
        if let Some(group) = self.groups.get_mut(&**key) {
            group.n_series += n_series;
            group.families.insert(name);
        }
    }

    fn remove_family(&mut self, key: &GroupingKey, name: &str) {
        let Some(shared) = self.families.get_mut(name) else { return };
        let Some(old) = shared.by_group.remove(key) else { return };
        if shared.by_group.is_empty() {
            self.families.remove(name);
        }
        for labels in old.family.metrics.keys() {
            let metric = self.metric(name, labels);
            if let Ok(found) =
                self.owners.find_entry(metric.table_hash(), |owner| owner.metric == metric)
            {
                found.remove();
            }
        }
        let n_series = old.family.n_series();
        self.n_series -= n_series;
        if let Some(group) = self.groups.get_mut(key) {
            group.n_series -= n_series;
            group.families.remove(name);
        }
    }

    fn aggregate(
        &mut self,
        key: &Arc<GroupingKey>,
        name: &str,
        pushed: Family,
        gauges: Gauges,
        now_ms: i64,
    ) {
        let old = self.families.get_mut(name).and_then(|shared| shared.by_group.get_mut(key));
        let Some(old) = old else { return self.insert_family(key, name, pushed, now_ms) };
        // Copied only while somebody reads it.
        let old = Arc::make_mut(old);
        old.pushed_ms = now_ms;
        if !pushed.help.is_empty() {
            old.family.help = pushed.help;
        }
        let (mut n_before, mut n_after, mut new) = (0, 0, Vec::new());
        for (labels, value) in pushed.metrics {
            if let Some(old) = old.family.metrics.get_mut(&labels) {
                n_before += old.n_series();
                old.add(value, pushed.metric_type, gauges);
                n_after += old.n_series();
            } else {
                n_after += value.n_series();
                new.push(labels.clone());
                old.family.metrics.insert(labels, value);
            }
        }
        self.n_series = self.n_series + n_after - n_before;
        if let Some(group) = self.groups.get_mut(&**key) {
            group.n_series = group.n_series + n_after - n_before;
        }
        for labels in &new {
            self.own(key, name, labels);
        }
    }

    fn own(&mut self, key: &Arc<GroupingKey>, name: &str, labels: &Labels) {
        let owner = Owner { metric: self.metric(name, labels), group: Arc::clone(key) };
        let hash = owner.metric.table_hash();
        self.owners.insert_unique(hash, owner, |owner| owner.metric.table_hash());
    }

    fn metric(&self, name: &str, labels: &Labels) -> Fingerprint {
        let digests = [self.secret.digest(name.as_bytes()), self.secret.digest(labels.text())];
        self.secret.fingerprint(digests, [0; 2])
    }
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
