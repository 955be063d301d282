//! What is known of families, and which family a sample name belongs to.

use std::collections::BTreeMap;

use crate::model::MetricType;

/// What the metadata lines of an exposition say of one family.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FamilyMeta {
    /// From `# TYPE`.
    pub metric_type: Option<MetricType>,
    /// From `# HELP`, decoded.
    pub help: Option<Box<[u8]>>,
    /// From `# UNIT`.
    pub unit: Option<Box<[u8]>>,
}

/// Families by name.
pub type Metadata = BTreeMap<Box<[u8]>, FamilyMeta>;

/// What a sample's name adds to the name of its family.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Suffix {
    /// Nothing: the sample has the family's name.
    #[default]
    None,
    /// `_bucket` of a histogram.
    Bucket,
    /// `_sum` of a histogram or summary.
    Sum,
    /// `_gsum` of a gauge histogram.
    GaugeSum,
    /// `_count` of a histogram or summary.
    Count,
    /// `_gcount` of a gauge histogram.
    GaugeCount,
    /// `_total` of an OpenMetrics counter.
    Total,
    /// `_info` of an OpenMetrics info.
    Info,
    /// `_created` of an OpenMetrics counter, histogram or summary.
    Created,
}

impl Suffix {
    const ALL: [Self; 8] = [
        Self::Bucket,
        Self::Sum,
        Self::GaugeSum,
        Self::Count,
        Self::GaugeCount,
        Self::Total,
        Self::Info,
        Self::Created,
    ];

    /// The text it stands for.
    pub fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bucket => "_bucket",
            Self::Sum => "_sum",
            Self::GaugeSum => "_gsum",
            Self::Count => "_count",
            Self::GaugeCount => "_gcount",
            Self::Total => "_total",
            Self::Info => "_info",
            Self::Created => "_created",
        }
    }

    /// Whether samples of a family of this type carry it (OpenMetrics 1.0, "Suffixes").
    fn belongs_to(self, metric_type: MetricType) -> bool {
        use MetricType as T;
        match self {
            Self::None => true,
            Self::Bucket => matches!(metric_type, T::Histogram | T::GaugeHistogram),
            Self::Sum | Self::Count => matches!(metric_type, T::Histogram | T::Summary),
            Self::GaugeSum | Self::GaugeCount => metric_type == T::GaugeHistogram,
            Self::Total => metric_type == T::Counter,
            Self::Info => metric_type == T::Info,
            Self::Created => matches!(metric_type, T::Counter | T::Histogram | T::Summary),
        }
    }
}

/// Split a sample name into the name of its family and what it adds to it.
///
/// A family of the sample's own name wins if it has a type; a name no typed family claims is a
/// family of its own.
pub fn resolve(name: &[u8], type_of: impl Fn(&[u8]) -> Option<MetricType>) -> (&[u8], Suffix) {
    if type_of(name).is_some() {
        return (name, Suffix::None);
    }
    for suffix in Suffix::ALL {
        if let Some(family) = name.strip_suffix(suffix.text().as_bytes())
            && type_of(family).is_some_and(|metric_type| suffix.belongs_to(metric_type))
        {
            return (family, suffix);
        }
    }
    (name, Suffix::None)
}

/// Every way to split a sample name into a family's and a suffix, whatever types are declared.
pub fn split_names(name: &[u8]) -> impl Iterator<Item = (&[u8], Suffix)> {
    let split = |suffix: Suffix| Some((name.strip_suffix(suffix.text().as_bytes())?, suffix));
    std::iter::once((name, Suffix::None)).chain(Suffix::ALL.into_iter().filter_map(split))
}

/// Every family name a sample of this name could belong to.
pub fn possible_families(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_names(name).map(|(family, _)| family)
}

/// Every name with a suffix that a sample of this family could have.
pub fn sample_names(family: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    Suffix::ALL.into_iter().map(move |suffix| [family, suffix.text().as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, types: &[(&str, MetricType)], expect: (&str, Suffix)) {
        let type_of = |family: &[u8]| {
            types.iter().find(|(name, _)| name.as_bytes() == family).map(|(_, t)| *t)
        };
        let (family, suffix) = resolve(name.as_bytes(), type_of);
        assert_eq!((std::str::from_utf8(family).unwrap(), suffix), expect, "{name}");
    }

    #[test]
    fn samples_find_their_family() {
        let h = [("h", MetricType::Histogram)];
        check("h_bucket", &h, ("h", Suffix::Bucket));
        check("h_sum", &h, ("h", Suffix::Sum));
        check("h_count", &h, ("h", Suffix::Count));
        check("h", &h, ("h", Suffix::None));
        check("h_total", &h, ("h_total", Suffix::None));
        check("s_bucket", &[("s", MetricType::Summary)], ("s_bucket", Suffix::None));
        check("c_total", &[("c", MetricType::Counter)], ("c", Suffix::Total));
        check("c_total", &[("c_total", MetricType::Counter)], ("c_total", Suffix::None));
        check("x_sum", &[], ("x_sum", Suffix::None));
    }

    #[test]
    fn a_type_of_its_own_comes_first() {
        let types = [("h", MetricType::Histogram), ("h_count", MetricType::Gauge)];
        check("h_count", &types, ("h_count", Suffix::None));
    }
}
