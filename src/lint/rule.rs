//! The rules by name, and sets of them.

use std::fmt;
use std::str::FromStr;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Allowed, but against a convention.
    Warning,
    /// Wrong: Prometheus or a query would make something else of it than was meant.
    Error,
}

impl Level {
    /// `warning` or `error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident, $name:literal, $level:ident, $text:literal;)+) => {
        /// One thing the linter looks for.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)+
        }

        impl Rule {
            /// All of them; promlint's come first.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)+];

            /// The name it is chosen and silenced by.
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)+ }
            }

            /// How bad its findings are.
            pub fn level(self) -> Level {
                match self { $(Self::$rule => Level::$level,)+ }
            }

            /// What its findings say behind the metric name; of [`Rule::UnitBase`],
            /// [`Rule::UnitBaseMebi`] and [`Rule::TypeInName`] the start of it.
            pub fn text(self) -> &'static str {
                match self { $(Self::$rule => $text,)+ }
            }
        }
    };
}

rules! {
    /// No HELP line, or one without text.
    HelpMissing, "help-missing", Warning, "no help text";
    /// The name holds a unit that is not a base unit.
    UnitBase, "unit-base", Warning, "use base unit";
    /// A counter's name does not end in `_total`.
    CounterTotalSuffix, "counter-total-suffix", Warning,
        r#"counter metrics should have "_total" suffix"#;
    /// The name of something else ends in `_total`.
    NonCounterTotalSuffix, "non-counter-total-suffix", Warning,
        r#"non-counter metrics should not have "_total" suffix"#;
    /// The name of what is no histogram ends in `_bucket`.
    ReservedBucketSuffix, "reserved-bucket-suffix", Warning,
        r#"non-histogram metrics should not have "_bucket" suffix"#;
    /// The name of what is neither histogram nor summary ends in `_count`.
    ReservedCountSuffix, "reserved-count-suffix", Warning,
        r#"non-histogram and non-summary metrics should not have "_count" suffix"#;
    /// The name of what is neither histogram nor summary ends in `_sum`.
    ReservedSumSuffix, "reserved-sum-suffix", Warning,
        r#"non-histogram and non-summary metrics should not have "_sum" suffix"#;
    /// A series of what is no histogram carries `le`.
    ReservedLeLabel, "reserved-le-label", Warning,
        r#"non-histogram metrics should not have "le" label"#;
    /// A series of what is no summary carries `quantile`.
    ReservedQuantileLabel, "reserved-quantile-label", Warning,
        r#"non-summary metrics should not have "quantile" label"#;
    /// The name says what the TYPE line says.
    TypeInName, "type-in-name", Warning, "metric name should not include type";
    /// The name holds a colon, which is for recording rules.
    ColonInName, "colon-in-name", Warning, "metric names should not contain ':'";
    /// The metric name is in camelCase.
    CamelCaseMetric, "camel-case-metric", Warning,
        "metric names should be written in 'snake_case' not 'camelCase'";
    /// A label name is in camelCase.
    CamelCaseLabel, "camel-case-label", Warning,
        "label names should be written in 'snake_case' not 'camelCase'";
    /// The name holds an abbreviated unit.
    UnitAbbreviation, "unit-abbreviation", Warning,
        "metric names should not contain abbreviated units";
    /// A series is there twice, its labels in the same order.
    DuplicateMetric, "duplicate-metric", Error, "metric not unique";

    /// A counter below 0.
    CounterNegative, "counter-negative", Error, "counter value is negative";
    /// A counter that is NaN.
    CounterNan, "counter-nan", Error, "counter value is NaN";
    /// A histogram with buckets, but not the one that holds everything.
    HistogramNoInf, "histogram-no-inf", Error, r#"histogram has no bucket le="+Inf""#;
    /// A bucket that counts less than one with a smaller bound.
    HistogramNotMonotonic, "histogram-not-monotonic", Error,
        "histogram buckets fall while le grows";
    /// One bound twice in a histogram, compared as numbers.
    HistogramDuplicateLe, "histogram-duplicate-le", Error, "histogram has the same le twice";
    /// `_count` is not what the bucket `+Inf` says.
    HistogramCountMismatch, "histogram-count-mismatch", Error,
        r#"histogram count differs from the bucket le="+Inf""#;
    /// `_count` or `_sum` of one histogram or summary twice.
    HistogramLineRepeated, "histogram-line-repeated", Error,
        "count or sum is given twice for one series";
    /// A histogram without buckets, or a histogram or summary without `_count` or `_sum`.
    HistogramMissingParts, "histogram-missing-parts", Warning,
        "histogram or summary lacks its buckets, sum or count";
    /// A series is there twice, its labels in any order, those without a value left out.
    DuplicateSeries, "duplicate-series", Error, "series is there twice, its labels in any order";
    /// Lines of another family stand between those of this one.
    FamilySplit, "family-split", Warning, "lines of the family are not in one piece";
    /// HELP stands behind samples of its family.
    HelpAfterSample, "help-after-sample", Warning, "help text stands behind samples";
    /// A label name starts with two underscores, which are Prometheus' own.
    LabelReservedPrefix, "label-reserved-prefix", Error,
        r#"label names should not start with "__""#;
    /// A label without a value, which for Prometheus is no label.
    LabelEmptyValue, "label-empty-value", Warning, "label has an empty value";
    /// No TYPE line.
    TypeMissing, "type-missing", Warning, "no type";
    /// A sample with a timestamp, which a Pushgateway refuses and Prometheus seldom wants.
    TimestampPresent, "timestamp-present", Warning, "sample has a timestamp";
    /// As [`Rule::UnitBase`] with the prefix `mebi`, which promlint misspells.
    UnitBaseMebi, "unit-base-mebi", Warning, "use base unit";
}

impl Rule {
    /// Whether `promtool check metrics` has it too.
    pub fn is_promlint(self) -> bool {
        self <= Self::DuplicateMetric
    }
}

/// A set of rules.
///
/// ```
/// use weir::lint::{Rule, RuleSet};
/// let rules: RuleSet = "all,-family-split".parse().unwrap();
/// assert!(rules.contains(Rule::HelpMissing) && !rules.contains(Rule::FamilySplit));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RuleSet(u64);

impl RuleSet {
    /// No rule: only what cannot be read is found.
    pub const NONE: Self = Self(0);

    /// The rules of promlint, and so of `promtool check metrics`.
    pub fn promlint() -> Self {
        Self::all_where(Rule::is_promlint)
    }

    /// Every rule.
    pub fn all() -> Self {
        Self::all_where(|_| true)
    }

    fn all_where(wanted: impl Fn(Rule) -> bool) -> Self {
        Self(Rule::ALL.iter().filter(|rule| wanted(**rule)).fold(0, |set, rule| set | bit(*rule)))
    }

    /// Whether the rule is in it.
    #[inline]
    pub fn contains(self, rule: Rule) -> bool {
        self.0 & bit(rule) != 0
    }

    /// Whether one of the rules is in it.
    pub(super) fn contains_any(self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| self.contains(*rule))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

impl Default for RuleSet {
    fn default() -> Self {
        Self::promlint()
    }
}

fn bit(rule: Rule) -> u64 {
    1 << rule as u8
}

/// A word that is no rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown rule {word:?}: it is none of promlint, all, none, {}", Names)]
pub struct UnknownRule {
    /// The word.
    pub word: String,
}

/// All names, for people.
struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        f.write_str(&names.join(", "))
    }
}

impl FromStr for RuleSet {
    type Err = UnknownRule;

    /// Names of rules and of sets (`promlint`, `all`, `none`) between commas, put together; those
    /// behind a `-` are taken out again.
    fn from_str(list: &str) -> Result<Self, UnknownRule> {
        let (mut rules, mut without) = (0, 0);
        for word in list.split(',').map(str::trim) {
            match word.strip_prefix('-') {
                Some(word) => without |= named(word)?,
                None => rules |= named(word)?,
            }
        }
        // Only words to take out: out of what there would be without them.
        if list.split(',').all(|word| word.trim().starts_with('-')) {
            rules = Self::default().0;
        }
        Ok(Self(rules & !without))
    }
}

fn named(word: &str) -> Result<u64, UnknownRule> {
    let rule = |name: &str| Rule::ALL.iter().find(|rule| rule.name() == name);
    match word {
        "promlint" => Ok(RuleSet::promlint().0),
        "all" => Ok(RuleSet::all().0),
        "none" => Ok(0),
        _ => rule(word).map(|rule| bit(*rule)).ok_or(UnknownRule { word: word.to_owned() }),
    }
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(word: &str) -> Result<Self, UnknownRule> {
        let found = Self::ALL.iter().find(|rule| rule.name() == word);
        found.copied().ok_or(UnknownRule { word: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, with: &[Rule], without: &[Rule]) {
        let set: RuleSet = list.parse().unwrap();
        assert!(with.iter().all(|rule| set.contains(*rule)), "{list}: {set:?}");
        assert!(!set.contains_any(without), "{list}: {set:?}");
    }

    #[test]
    fn lists_of_rules_are_put_together() {
        use Rule::{CounterNan, DuplicateMetric, FamilySplit, HelpMissing};
        check("promlint", &[HelpMissing, DuplicateMetric], &[CounterNan, FamilySplit]);
        check("promlint,counter-nan", &[HelpMissing, CounterNan], &[FamilySplit]);
        check("all, -family-split", &[HelpMissing, CounterNan], &[FamilySplit]);
        check("-help-missing", &[DuplicateMetric], &[HelpMissing, CounterNan]);
        check("counter-nan", &[CounterNan], &[HelpMissing, FamilySplit]);
        assert!("none".parse::<RuleSet>().unwrap().is_empty());
        assert_eq!("everything".parse::<RuleSet>().unwrap_err().word, "everything");
    }

    #[test]
    fn names_are_unique_and_promlints_come_first() {
        let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rule::ALL.len());
        assert_eq!(Rule::ALL.iter().filter(|rule| rule.is_promlint()).count(), 15);
    }
}
