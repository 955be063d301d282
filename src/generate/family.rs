//! A family, compiled: its series, its numbers, and how its lines are written.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::generate::churn::Churn;
use crate::generate::churn::Churns;
use crate::generate::churn::fixed_share;
use crate::generate::data::Data;
use crate::generate::hash;
use crate::generate::layout::Layout;
use crate::generate::layout::Line;
use crate::generate::layout::Names;
use crate::generate::space::Dimension;
use crate::generate::space::Place;
use crate::generate::space::Pool;
use crate::generate::space::Source;
use crate::generate::space::Space;
use crate::generate::space::Template;
use crate::generate::space::Text;
use crate::generate::space::Values;
use crate::generate::spec::ChurnSpec;
use crate::generate::spec::ClockSpec;
use crate::generate::spec::DataSpec;
use crate::generate::spec::DimensionSpec;
use crate::generate::spec::ExemplarSpec;
use crate::generate::spec::FamilySpec;
use crate::generate::spec::SpecError;
use crate::generate::spec::ValuesSpec;
use crate::model::MetricType;

/// A metric family and all its series.
#[derive(Debug)]
pub struct Family {
    pub(super) name: String,
    pub(super) metric_type: MetricType,
    pub(super) help: String,
    pub(super) unit: String,
    pub(super) names: Names,
    pub(super) exemplars: Option<ExemplarSpec>,
    pub(super) blocks: Vec<Block>,
    cardinalities: Vec<(String, u64)>,
}

/// Series whose values come about in the same way: the product of the dimensions, or one series
/// that was written out.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) space: Space,
    pub(super) churns: Churns,
    pub(super) data: Data,
    pub(super) lines: Vec<Line>,
    pub(super) layout: Layout,
    pub(super) has_created: bool,
    key: u64,
    spread: f64,
}

/// What else decides about a family than its own spec.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) seed: u64,
    pub(super) clock: ClockSpec,
    pub(super) constant_labels: &'a [(String, String)],
    pub(super) n_series_max: u64,
    /// All families' names, sorted.
    pub(super) taken: &'a [&'a str],
}

impl Family {
    /// Check and compile.
    pub(super) fn new(
        spec: &FamilySpec,
        around: &Surroundings<'_>,
    ) -> Result<Self, Vec<SpecError>> {
        let mut errors = check_texts(spec);
        let is_taken = |name: &str| around.taken.binary_search(&name).is_ok();
        let names = Names::new(&spec.name, spec.metric_type, is_taken);
        let mut blocks = Vec::new();
        if let Some(data) = &spec.data {
            let dimensions = dimensions(&spec.dimensions, around.constant_labels);
            match dimensions
                .and_then(|dimensions| Block::new(spec, data, dimensions, &names, around, 0))
            {
                Ok(block) => blocks.push(block),
                Err(found) => errors.extend(found),
            }
        }
        for (nth, series) in spec.series.iter().enumerate() {
            let constants = series.labels.iter().chain(around.constant_labels);
            let dimensions = constants.map(|(name, value)| Dimension::constant(name, value));
            let within = |error: SpecError| error.within(&format!("series[{nth}]"));
            match Block::new(spec, &series.data, dimensions.collect(), &names, around, nth + 1) {
                Ok(block) => blocks.push(block),
                Err(found) => errors.extend(found.into_iter().map(within)),
            }
        }
        if spec.data.is_none() && spec.series.is_empty() {
            errors.push(SpecError::new("", "the family has neither values nor series"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            name: spec.name.clone(),
            metric_type: spec.metric_type,
            help: spec.help.clone(),
            unit: spec.unit.clone(),
            cardinalities: cardinalities(&blocks),
            exemplars: spec.exemplars.clone().filter(|exemplars| exemplars.share > 0.0),
            names,
            blocks,
        })
    }

    /// As the spec has it: of a counter, with `_total`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What `# TYPE` says.
    pub fn metric_type(&self) -> MetricType {
        self.metric_type
    }

    /// What `# HELP` says, unescaped.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// What `# UNIT` says; may be empty.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Sample lines of one target, `_created` not counted, as long as nothing comes or goes.
    pub fn n_series(&self) -> u64 {
        self.blocks.iter().map(|block| block.space.n_series() * block.lines.len() as u64).sum()
    }

    /// Label sets of one target: for a histogram, those without `le`.
    pub fn n_label_sets(&self) -> u64 {
        self.blocks.iter().map(|block| block.space.n_series()).sum()
    }

    /// How many values each label may have in one target, by name.
    pub fn cardinalities(&self) -> &[(String, u64)] {
        &self.cardinalities
    }

    /// Sample lines of one target at the height of what makes them more.
    pub(super) fn n_series_max(&self) -> u64 {
        let most = |block: &Block| {
            let n_sets = block.space.n_series().saturating_mul(block.churns.n_copies_max());
            n_sets.saturating_mul(block.lines.len() as u64)
        };
        self.blocks.iter().map(most).fold(0, u64::saturating_add)
    }
}

impl Block {
    fn new(
        family: &FamilySpec,
        data_spec: &DataSpec,
        dimensions: Vec<Dimension>,
        names: &Names,
        around: &Surroundings<'_>,
        nth: usize,
    ) -> Result<Self, Vec<SpecError>> {
        let key = hash::family_key(around.seed, &family.name);
        let key = if nth == 0 { key } else { hash::mix(key, nth as u64 ^ SERIES) };
        let keep = (nth == 0 && family.keep < 1.0 || family.keep.is_nan()).then_some(family.keep);
        let data = Data::new(data_spec, family.metric_type, &around.clock)?;
        let lines = data.lines(data_spec, &family.name, family.metric_type);
        for line in &lines {
            let bound = line.bound.as_ref();
            let twice = bound.filter(|bound| dimensions.iter().any(|d| d.name == bound.label));
            if let Some(bound) = twice {
                let message =
                    format!("a {} makes this label", family.metric_type.open_metrics_word());
                return Err(vec![SpecError::new(&format!("labels.{}", bound.label), message)]);
            }
        }
        let space = Space::new(dimensions, keep, hash::mix(key, KEEP), around.n_series_max);
        let mut space = space.map_err(|error| {
            let place = if error.is_keep() { "keep" } else { "labels" };
            vec![SpecError::new(place, error.to_string())]
        })?;
        let churn = if nth == 0 { &family.churn[..] } else { &[] };
        let churns = churns(churn, &space, around)?;
        for dimension in churns.dimensions() {
            space.mark(dimension);
        }
        let layout = Layout::new(names, &space, &lines);
        let counts = [MetricType::Counter, MetricType::Histogram, MetricType::Summary];
        let has_created = counts.contains(&names.open_metrics_type);
        Ok(Self { space, churns, data, lines, layout, has_created, key, spread: family.spread })
    }

    /// The key of a series' randomness.
    pub(super) fn series_key(&self, place: Place, copy: u64) -> u64 {
        let mut key = hash::mix(self.key, place.id);
        if place.target > 0 {
            key = hash::mix(key, TARGET ^ u64::from(place.target));
        }
        if copy > 0 {
            key = hash::mix(key, COPY ^ copy);
        }
        key
    }

    /// What a series' rate or value is multiplied by.
    pub(super) fn factor(&self, place: Place, key: u64) -> f64 {
        let mut factor = self.space.weight(place);
        if self.spread != 0.0 {
            let unit = hash::unit(hash::mix(key, SPREAD));
            factor *= 1.0 + self.spread * (2.0 * unit - 1.0);
        }
        factor
    }
}

/// What keeps random numbers for different purposes apart.
const SERIES: u64 = 0x7365_7269_6573_0000;
const KEEP: u64 = 0x6b65_6570;
const TARGET: u64 = 0x7461_7267_0000_0000;
const COPY: u64 = 0x636f_7079_0000_0000;
const SPREAD: u64 = 0x7370_7265_6164;
const CHURN: u64 = 0x6368_7572_6e00;

fn check_texts(spec: &FamilySpec) -> Vec<SpecError> {
    let mut errors = Vec::new();
    let mut refuse = |place: &str, message: &str| errors.push(SpecError::new(place, message));
    if spec.name.is_empty() {
        refuse("name", "must not be empty");
    }
    if !(0.0..=1.0).contains(&spec.spread) {
        refuse("spread", "must be from 0 to 1");
    }
    let names = spec.dimensions.iter().map(|dimension| &dimension.label);
    let explicit = spec.series.iter().flat_map(|series| series.labels.iter().map(|(name, _)| name));
    for name in names.chain(explicit) {
        if name.is_empty() || name == "__name__" {
            refuse("labels", "a label name must not be empty, nor `__name__`");
        }
    }
    let stem = spec.name.strip_suffix("_total").unwrap_or(&spec.name);
    let has_unit = stem.strip_suffix(&*spec.unit).is_some_and(|stem| stem.ends_with('_'));
    if !spec.unit.is_empty() && !has_unit {
        refuse("unit", "the family's name must end in `_` and the unit");
    }
    if let Some(exemplars) = &spec.exemplars {
        if !(0.0..=1.0).contains(&exemplars.share) {
            refuse("exemplars.share", "must be from 0 to 1");
        }
        let n_characters: u64 = exemplars
            .labels
            .iter()
            .map(|(name, digits)| name.chars().count() as u64 + u64::from(*digits))
            .sum();
        if n_characters > EXEMPLAR_CHARACTERS_MAX {
            refuse("exemplars.labels", "names and values have more than 128 characters");
        }
    }
    errors
}

/// Names and values of an exemplar's labels, all told (OpenMetrics 1.0).
const EXEMPLAR_CHARACTERS_MAX: u64 = 128;

fn dimensions(
    specs: &[DimensionSpec],
    constants: &[(String, String)],
) -> Result<Vec<Dimension>, Vec<SpecError>> {
    let mut errors = Vec::new();
    let mut dimensions = Vec::new();
    for spec in specs {
        match dimension(spec, specs) {
            Ok(dimension) => dimensions.push(dimension),
            Err(error) => errors.push(error.within(&spec.label).within("labels")),
        }
    }
    dimensions.extend(constants.iter().map(|(name, value)| Dimension::constant(name, value)));
    if errors.is_empty() { Ok(dimensions) } else { Err(errors) }
}

fn dimension(spec: &DimensionSpec, all: &[DimensionSpec]) -> Result<Dimension, SpecError> {
    let of = match &spec.of {
        None => None,
        Some(label) => match all.iter().position(|other| other.label == *label) {
            Some(other) => Some(other),
            None => return Err(SpecError::new("of", format!("there is no label {label:?}"))),
        },
    };
    let read = |template: &str, start, count| {
        let template = Template::new(template, start, count);
        template.map_err(|error| SpecError::new("template", error.to_string()))
    };
    let (values, count) = match &spec.values {
        ValuesSpec::List(list) => {
            (Values::List(list.iter().map(|value| Text::new(value)).collect()), list.len() as u64)
        }
        ValuesSpec::Range(first, last) => {
            let count = i128::from(*last) - i128::from(*first) + 1;
            let Ok(count) = u64::try_from(count) else {
                return Err(SpecError::new("range", "ends before it starts"));
            };
            (Values::Template(read("{n}", *first, of.map(|_| count))?), count)
        }
        // A derived template without a count follows the other label without end.
        ValuesSpec::Template { template, count } => {
            let wrap = of.and(Some(*count)).filter(|&count| count > 0);
            (Values::Template(read(template, 0, wrap)?), *count)
        }
        ValuesSpec::Zipf { template, pool, exponent, count } => {
            if of.is_some() {
                return Err(SpecError::new("zipf", "a label drawn from a pool decides itself"));
            }
            let values = Values::Template(read(template, 0, None)?);
            let pool = Pool::new(*pool, *count, *exponent).ok_or_else(|| {
                let message = "needs 1 <= count <= pool <= 1000000 and an exponent from 0 up";
                SpecError::new("zipf", message)
            })?;
            return finish(spec, values, Source::Pool(pool), *count);
        }
    };
    let source = of.map_or(Source::Own { count }, Source::Of);
    finish(spec, values, source, count)
}

fn finish(
    spec: &DimensionSpec,
    values: Values,
    source: Source,
    count: u64,
) -> Result<Dimension, SpecError> {
    let mut weights = spec.weights.clone().unwrap_or_default();
    if !weights.is_empty() {
        let is_good = |weight: &f64| weight.is_finite() && *weight >= 0.0;
        let n_weights = u32::try_from(weights.len()).unwrap_or(u32::MAX);
        let mean = weights.iter().sum::<f64>() / f64::from(n_weights);
        if weights.len() as u64 != count || !weights.iter().all(is_good) || mean <= 0.0 {
            let message = format!("needs {count} numbers from 0 up, not all 0");
            return Err(SpecError::new("weights", message));
        }
        for weight in &mut weights {
            *weight /= mean;
        }
    }
    Ok(Dimension { name: spec.label.clone(), values, source, weights, per_target: spec.per_target })
}

/// Compile what comes and goes, but for whole targets.
fn churns(
    specs: &[ChurnSpec],
    space: &Space,
    around: &Surroundings<'_>,
) -> Result<Churns, Vec<SpecError>> {
    let mut ways = Vec::new();
    let mut errors = Vec::new();
    for (nth, spec) in specs.iter().enumerate() {
        match churn(spec, space, around.seed) {
            Ok(way) => ways.extend(way),
            Err(error) => errors.push(error.within(&format!("churn[{nth}]"))),
        }
    }
    if errors.is_empty() { Ok(Churns::new(ways, around.clock.start_ms)) } else { Err(errors) }
}

fn churn(spec: &ChurnSpec, space: &Space, seed: u64) -> Result<Option<Churn>, SpecError> {
    let find = |label: &str| {
        let found = space.dimensions().iter().position(|dimension| dimension.name == label);
        found.ok_or_else(|| SpecError::new("label", format!("there is no label {label:?}")))
    };
    let key = |label: &str| hash::family_key(hash::mix(seed, CHURN), label);
    match spec {
        ChurnSpec::Share { share, every_ms, label } => {
            let share = check_share(*share)?;
            let every_ms = check_every(*every_ms)?;
            let dimension = match label {
                Some(label) => find(label)?,
                None => default_dimension(space)?,
            };
            let key = key(label.as_deref().unwrap_or_default());
            let is_by_value = label.is_some();
            let churn = |share| Churn::Share { dimension, is_by_value, share, every_ms, key };
            Ok(share.map(churn))
        }
        ChurnSpec::Rollout { label, every_ms, over_ms } => {
            let every_ms = check_every(*every_ms)?;
            if !(0..=every_ms).contains(over_ms) {
                return Err(SpecError::new("over", "must be from 0 to `every`"));
            }
            let dimension = find(label)?;
            Ok(Some(Churn::Rollout { dimension, every_ms, over_ms: *over_ms, key: key(label) }))
        }
        ChurnSpec::Explosion { at_ms, for_ms, factor, label } => {
            if *for_ms <= 0 || *factor == 0 {
                return Err(SpecError::new("for", "`for` and `factor` must be above 0"));
            }
            Ok(Some(Churn::Explosion {
                dimension: find(label)?,
                from_ms: *at_ms,
                to_ms: at_ms.saturating_add(*for_ms),
                factor: *factor,
            }))
        }
        ChurnSpec::Flap { share, every_ms } => {
            let share = check_share(*share)?;
            let every_ms = check_every(*every_ms)?;
            Ok(share.map(|share| Churn::Flap { share, every_ms, key: key("") }))
        }
        ChurnSpec::Missing { share, every_ms } => {
            check_share(*share)?;
            check_every(*every_ms)?;
            Ok(None)
        }
    }
}

/// `None`: nothing ever happens.
fn check_share(share: f64) -> Result<Option<u64>, SpecError> {
    if share.abs() < f64::MIN_POSITIVE {
        return Ok(None);
    }
    let fixed = fixed_share(share);
    fixed.map(Some).ok_or_else(|| SpecError::new("share", "must be from 0 to 1"))
}

fn check_every(every_ms: i64) -> Result<i64, SpecError> {
    if every_ms > 0 { Ok(every_ms) } else { Err(SpecError::new("every", "must be above 0")) }
}

/// The first label with a template, else the last.
fn default_dimension(space: &Space) -> Result<usize, SpecError> {
    let has_template = |dimension: &Dimension| matches!(dimension.values, Values::Template(_));
    let first = space.dimensions().iter().position(has_template);
    let dimension = first.or(space.dimensions().len().checked_sub(1));
    dimension.ok_or_else(|| SpecError::new("label", "the family has no labels to tell series by"))
}

/// Of all blocks: the product's labels, and the different values of explicit series.
fn cardinalities(blocks: &[Block]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut explicit: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for block in blocks {
        for (at, dimension) in block.space.dimensions().iter().enumerate() {
            if block.space.n_ids() == 1 {
                let mut value = Vec::new();
                block.space.write_value(at, Place { id: 0, target: 0 }, false, &mut value);
                explicit.entry(dimension.name.clone()).or_default().insert(value);
            } else {
                let count = counts.entry(dimension.name.clone()).or_default();
                *count += block.space.cardinality(at);
            }
        }
        for bound in block.lines.iter().filter_map(|line| line.bound.as_ref()) {
            let values = explicit.entry(bound.label.clone()).or_default();
            values.insert(bound.text.clone().into_bytes());
        }
    }
    for (name, values) in explicit {
        let count = counts.entry(name).or_default();
        *count = (*count).max(values.len() as u64);
    }
    counts.into_iter().collect()
}
