//! Bodies of pushes to families: text 0.0.4, OpenMetrics, or delimited protobuf.
//!
//! What comes out is what is checked, forwarded and stored: labels of the group stand in every
//! metric in place of the client's, and `instance` is there even if it is empty, so that whoever
//! scrapes does not put another in its place.

use crate::lint::LintError;
use crate::model::MetricType;
use crate::parse::ParseError;
use crate::push::canonical::is_legacy;
use crate::push::conflict::{Conflict, Conflicts, describe};
use crate::push::family::{Family, Value};
use crate::push::labels::Labels;
use crate::push::names::LabelNames;
use crate::push::path::GroupingKey;
use crate::push::protobuf::ProtobufError;
use crate::push::text::empty_part;
use std::collections::BTreeMap;

/// The label that is always there.
const INSTANCE: &[u8] = b"instance";

/// Families by name.
pub type Families = BTreeMap<String, Family>;

/// Why a body is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It is no text 0.0.4, or no OpenMetrics, as the Pushgateway would say it.
    #[error(transparent)]
    Text(#[from] LintError),
    /// The same, for what only Prometheus refuses.
    #[error("text format parsing error: {0}")]
    Parse(#[from] ParseError),
    /// It is no protobuf.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// It is all of that, and makes no sense.
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// More series than one push may have.
    #[error("the push has more than {0} series, which is the limit")]
    TooManySeries(usize),
}

/// How bodies are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadConfig {
    /// Which names are good.
    pub names: LabelNames,
    /// Lines a push may have, once it is text.
    pub series_max: usize,
    /// Bytes a line may have.
    pub line_bytes_max: usize,
}

/// Puts families together, with the labels of their group.
#[derive(Debug)]
pub(super) struct Builder<'k> {
    key: &'k GroupingKey,
    config: ReadConfig,
    families: Families,
    conflicts: Conflicts,
    n_series: usize,
}

impl<'k> Builder<'k> {
    pub(super) fn new(key: &'k GroupingKey, config: ReadConfig) -> Self {
        let (families, conflicts) = (Families::new(), Conflicts::default());
        Self { key, config, families, conflicts, n_series: 0 }
    }

    /// Note a conflict; whether there are enough of them.
    pub(super) fn conflict(&mut self, conflict: Conflict) {
        self.conflicts.push(conflict);
    }

    /// A family that is about to get metrics; one of the same name is forgotten.
    pub(super) fn family(&mut self, name: &str, metric_type: MetricType, help: String) {
        if !self.is_good_name(name.as_bytes(), true) {
            self.conflict(Conflict::MetricName { name: name.to_owned() });
        }
        let family = Family { metric_type, help, metrics: BTreeMap::new() };
        self.families.insert(name.to_owned(), family);
    }

    pub(super) fn has_family(&self, name: &str) -> bool {
        self.families.contains_key(name)
    }

    /// Say what a family is for, if it is there.
    pub(super) fn set_help(&mut self, name: &str, help: &str) {
        if let Some(family) = self.families.get_mut(name) {
            help.clone_into(&mut family.help);
        }
    }

    /// The labels a metric has in the group.
    pub(super) fn labels<'a>(
        &mut self,
        name: &str,
        pushed: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Labels
    where
        'k: 'a,
    {
        let mut pairs: Vec<(&[u8], &[u8])> = Vec::with_capacity(8);
        let of_group = self.key.labels().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let is_of_group =
            |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| self.key.get(name).is_some());
        pairs.extend(pushed.filter(|(name, _)| !is_of_group(name)));
        pairs.extend(of_group);
        if !pairs.iter().any(|(name, _)| *name == INSTANCE) {
            pairs.push((INSTANCE, b""));
        }
        let is_bad = |name: &[u8]| name.starts_with(b"__") || !self.is_good_name(name, false);
        let bad = pairs.iter().find(|(name, _)| is_bad(name));
        let bad = bad.map(|(label, _)| String::from_utf8_lossy(label).into_owned());
        if let Some(label) = bad {
            let metric = format!("{name:?}");
            self.conflict(Conflict::LabelName { metric, label });
        }
        match Labels::new(&mut pairs) {
            Ok(labels) => labels,
            Err(twice) => {
                let (metric, label) = (format!("{name:?}"), String::from_utf8_lossy(twice));
                self.conflict(Conflict::LabelTwice { metric, label: label.into_owned() });
                Labels::default()
            }
        }
    }

    fn is_good_name(&self, name: &[u8], is_metric: bool) -> bool {
        match self.config.names {
            LabelNames::Legacy => is_legacy(name, is_metric),
            LabelNames::Utf8 => !name.is_empty() && std::str::from_utf8(name).is_ok(),
        }
    }

    /// Add a metric to a family that is there.
    pub(super) fn metric(
        &mut self,
        name: &str,
        labels: Labels,
        value: Value,
    ) -> Result<(), BodyError> {
        self.count(value.n_series())?;
        let Some(family) = self.families.get_mut(name) else { return Ok(()) };
        if let Value::Summary(_) = &value
            && labels.get(b"quantile").is_some()
        {
            let metric = describe(name, &labels, family.metric_type, &value);
            self.conflicts.push(Conflict::Quantile { metric });
            return Ok(());
        }
        if family.metrics.contains_key(&labels) {
            let metric = describe(name, &labels, family.metric_type, &value);
            self.conflicts.push(Conflict::Duplicate { metric, owner: None });
            return Ok(());
        }
        family.metrics.insert(labels, value);
        Ok(())
    }

    /// Change a summary or a histogram, which comes line by line.
    pub(super) fn part(
        &mut self,
        name: &str,
        labels: Labels,
        metric_type: MetricType,
        change: impl FnOnce(&mut Value),
    ) -> Result<(), BodyError> {
        self.count(1)?;
        if let Some(family) = self.families.get_mut(name) {
            change(family.metrics.entry(labels).or_insert_with(|| empty_part(metric_type)));
        }
        Ok(())
    }

    fn count(&mut self, n_series: usize) -> Result<(), BodyError> {
        self.n_series += n_series;
        if self.n_series > self.config.series_max {
            return Err(BodyError::TooManySeries(self.config.series_max));
        }
        Ok(())
    }

    /// The families that have metrics, if nothing is wrong with them.
    pub(super) fn finish(self) -> Result<Families, BodyError> {
        if !self.conflicts.is_empty() {
            return Err(self.conflicts.into());
        }
        let mut families = self.families;
        families.retain(|_, family| !family.metrics.is_empty());
        for value in families.values_mut().flat_map(|family| family.metrics.values_mut()) {
            value.normalize();
        }
        Ok(families)
    }
}
