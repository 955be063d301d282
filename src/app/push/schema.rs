//! A schema learned from an example of a push.

use crate::config::file::push::FamilyRule;
use crate::config::file::push::Policy;
use crate::lint::RuleSet;
use crate::model::Format;
use crate::model::MetricType;
use crate::push::GroupingKey;
use crate::push::LabelNames;
use crate::push::Labels;
use crate::push::body::Families;
use crate::push::body::ReadConfig;
use crate::push::read_text;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// An example of more bytes is none.
const EXAMPLE_BYTES_MAX: u64 = 16 << 20;
const LINE_BYTES_MAX: usize = 1 << 20;
/// The group of the example: any would do, since its labels are not learned.
const GROUP: &str = "/metrics/job/example";

/// Give a policy the schema of its example. What the policy says itself counts more.
///
/// # Errors
///
/// The example cannot be read.
pub(super) fn learn(policy: &mut Policy, random: fn() -> u64) -> Result<(), String> {
    let Some(path) = &policy.schema_example else { return Ok(()) };
    let learned =
        read(path, random).map_err(|e| format!("schema_example: {}: {e}", path.display()))?;
    let schema = policy.schema.get_or_insert_default();
    for (name, rule) in learned {
        schema.entry(name).or_insert(rule);
    }
    Ok(())
}

fn read(path: &Path, random: fn() -> u64) -> Result<BTreeMap<String, FamilyRule>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(EXAMPLE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > EXAMPLE_BYTES_MAX {
        return Err(format!("it has more than {EXAMPLE_BYTES_MAX} bytes"));
    }
    let key = GroupingKey::from_path(GROUP, LabelNames::Utf8).map_err(|e| e.to_string())?;
    let config = ReadConfig {
        names: LabelNames::Utf8,
        series_max: usize::MAX,
        line_bytes_max: LINE_BYTES_MAX,
    };
    let format = Format::guess(&bytes);
    let read = read_text(format, &bytes, &key, config, RuleSet::NONE, random);
    let (families, _) = read.map_err(|e| e.to_string())?;
    Ok(schema_of(&key, &families))
}

fn schema_of(key: &GroupingKey, families: &Families) -> BTreeMap<String, FamilyRule> {
    let rules = families.iter().map(|(name, family)| {
        let labels = family.metrics.keys().flat_map(Labels::iter);
        let labels = labels.filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(label, _)| String::from_utf8_lossy(label).into_owned());
        let labels: BTreeSet<String> = labels.filter(|label| key.get(label).is_none()).collect();
        let rule = FamilyRule {
            // An example without a type leaves it open.
            metric_type: Some(family.metric_type).filter(|is| *is != MetricType::Unknown),
            unit: None,
            labels: Some(labels.into_iter().collect()),
        };
        (name.clone(), rule)
    });
    rules.collect()
}
