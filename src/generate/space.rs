//! The series of a family, by number: label values from an id by mixed-radix arithmetic.
//!
//! A [`Space`] is the product of the dimensions, in the order in which they are written, of which
//! the last varies fastest. Nothing is kept for a series: its labels are computed from its id, and
//! memory grows with what the configuration spells out (lists, pools), not with the product.
//!
//! ```text
//! id  = ((d0 × n1 + d1) × n2 + d2) …        ; the digits of a number whose places have n0, n1, … values
//! ```
//!
//! A dimension decided by another one (`of`) has no place in the id and adds no series. One that is
//! `per: target` counts on from one virtual target to the next, so that no two share a value.
//!
//! This module must not know of time or of values: only of labels.

use crate::generate::hash;

/// Entries of a zipf-weighted pool, all told.
pub const POOL_MAX: u64 = 1_000_000;

/// Where a label's value comes from, before it is known which one.
#[derive(Clone, Debug)]
pub enum Values {
    /// These, in this order.
    List(Vec<Text>),
    /// Text around a number.
    Template(Template),
}

/// A label value, as it is and as an exposition writes it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Text {
    raw: Box<str>,
    /// With backslash, quote and newline escaped; `None` where that is the same.
    escaped: Option<Box<str>>,
}

impl Text {
    /// Escape it once.
    pub fn new(raw: &str) -> Self {
        let mut escaped = Vec::new();
        write_escaped(&mut escaped, raw.as_bytes());
        let escaped = String::from_utf8(escaped).ok().filter(|text| text != raw);
        Self { raw: raw.into(), escaped: escaped.map(Into::into) }
    }

    fn get(&self, is_escaped: bool) -> &[u8] {
        match &self.escaped {
            Some(escaped) if is_escaped => escaped.as_bytes(),
            _ => self.raw.as_bytes(),
        }
    }
}

/// Append `text` with backslash, quote and newline escaped.
pub(crate) fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            byte => out.push(byte),
        }
    }
}

/// `web-{n:03}`: text around a number that counts from `start`.
///
/// The number may occur any number of times; `{n}` is plain, `{n:03}` has leading zeros.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
    /// The number of the first value.
    start: i64,
    /// After how many values it starts over; `None`: never.
    count: Option<u64>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Text),
    Number {
        width: usize,
    },
    /// Five characters that look like the end of a pod's name, other ones for each number.
    Hash,
}

/// A template's braces hold something else than `n`, `n:03` or `hash`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("template {template:?}: expected `{{n}}`, `{{n:03}}` or `{{hash}}`, found {found:?}")]
pub struct TemplateError {
    /// The whole template.
    pub template: String,
    /// What stands there.
    pub found: String,
}

/// Digits a number is padded to at most.
const WIDTH_MAX: usize = 20;

impl Template {
    /// Read a template; one without braces gives the same text for every number.
    ///
    /// # Errors
    ///
    /// When the braces hold something else.
    pub fn new(template: &str, start: i64, count: Option<u64>) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            parts.push(Part::Text(Text::new(before)));
            let error = |found: &str| TemplateError {
                template: template.to_owned(),
                found: found.chars().take(20).collect(),
            };
            let (word, behind) = after.split_once('}').ok_or_else(|| error(after))?;
            parts.push(match word.split_once(':') {
                None if word == "n" => Part::Number { width: 0 },
                None if word == "hash" => Part::Hash,
                Some(("n", width)) => {
                    let width = width.parse().ok().filter(|&width| width <= WIDTH_MAX);
                    Part::Number { width: width.ok_or_else(|| error(word))? }
                }
                _ => return Err(error(word)),
            });
            rest = behind;
        }
        parts.push(Part::Text(Text::new(rest)));
        Ok(Self { parts, start, count })
    }

    fn has_number(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Text(_)))
    }

    fn write(&self, index: u64, is_escaped: bool, out: &mut Vec<u8>) {
        let index = self.count.map_or(index, |count| index % count.max(1));
        let number = self.start.wrapping_add_unsigned(index);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.get(is_escaped)),
                Part::Number { width } => write_number(out, number, *width),
                Part::Hash => write_pod_suffix(out, hash::mix(POD_KEY, number.cast_unsigned())),
            }
        }
    }
}

fn write_number(out: &mut Vec<u8>, number: i64, width: usize) {
    if number < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number.unsigned_abs()).as_bytes();
    for _ in digits.len()..width {
        out.push(b'0');
    }
    out.extend_from_slice(digits);
}

/// What names that are made up differ by from other random numbers.
const POD_KEY: u64 = 0x706f_6421;
/// Kubernetes leaves vowels and look-alikes out of the names it makes up.
const POD_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

pub(crate) fn write_pod_suffix(out: &mut Vec<u8>, bits: u64) {
    let mut bits = bits;
    for _ in 0..5 {
        out.push(POD_ALPHABET[usize::try_from(bits % 27).unwrap_or_default()]);
        bits /= 27;
    }
}

impl Values {
    /// Append the value of this index; lists start over at their end.
    fn write(&self, index: u64, is_escaped: bool, out: &mut Vec<u8>) {
        match self {
            Self::List(texts) => {
                // An empty list was refused; a remainder by its length is an index.
                let at = usize::try_from(index % texts.len().max(1) as u64).unwrap_or_default();
                out.extend_from_slice(texts.get(at).map_or(&[], |text| text.get(is_escaped)));
            }
            Self::Template(template) => template.write(index, is_escaped, out),
        }
    }

    /// How many different values there are among the first `n_indices`.
    fn cardinality(&self, n_indices: u64) -> u64 {
        match self {
            Self::List(texts) => n_indices.min(texts.len() as u64),
            Self::Template(template) => {
                let count = template.count.unwrap_or(u64::MAX);
                if template.has_number() { n_indices.min(count) } else { 1 }
            }
        }
    }
}

/// What decides which of its values a dimension takes.
#[derive(Clone, Debug)]
pub enum Source {
    /// A place of its own in the id: the family has `count` times the series.
    Own {
        /// How many values.
        count: u64,
    },
    /// Another dimension: the same index, modulo the number of values.
    Of(usize),
    /// `count` places, filled for each series of the dimensions before it with other entries of a
    /// pool, popular ones for most of them.
    Pool(Pool),
}

/// A pool whose entry of rank r is drawn with weight 1 / (r + 1)^exponent.
///
/// The pool is cut into `count` runs of about the same weight, and each place takes its entry from
/// its own run: so no two places of a series have the same, and any place is found without the
/// others.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The sums of the weights up to and including each entry.
    reached: Vec<f64>,
    /// Where each run starts, and the end of the last.
    starts: Vec<u32>,
}

impl Pool {
    /// A pool of `n_entries`, of which each series takes `count`.
    ///
    /// `None` unless `0 < count <= n_entries <= POOL_MAX` and the exponent is finite and not
    /// negative.
    pub fn new(n_entries: u64, count: u64, exponent: f64) -> Option<Self> {
        let is_good = count > 0 && count <= n_entries && n_entries <= POOL_MAX;
        if !is_good || !exponent.is_finite() || exponent < 0.0 {
            return None;
        }
        let n_entries = u32::try_from(n_entries).ok()?;
        let count = u32::try_from(count).ok()?;
        let mut total = 0.0;
        let weights = (0..n_entries).map(|rank| (f64::from(rank) + 1.0).powf(-exponent));
        let reached: Vec<f64> = weights
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        let mut starts = vec![0];
        for place in 1..count {
            let share = total * f64::from(place) / f64::from(count);
            let at = reached.partition_point(|&sum| sum < share);
            let at = u32::try_from(at).unwrap_or(n_entries);
            // Every place has at least one entry, and leaves one for each of those behind it.
            let least = starts.last().copied().unwrap_or_default() + 1;
            starts.push(at.clamp(least, n_entries - (count - place)));
        }
        starts.push(n_entries);
        Some(Self { reached, starts })
    }

    /// The entry at a place, for a series of which `bits` are random.
    fn entry(&self, place: u64, bits: u64) -> u64 {
        let place = usize::try_from(place).unwrap_or_default();
        let [Some(&start), Some(&end)] = [self.starts.get(place), self.starts.get(place + 1)]
        else {
            return 0;
        };
        let (start, end) = (start as usize, end as usize);
        let before = if start == 0 { 0.0 } else { self.reached[start - 1] };
        let sum = before + hash::unit(bits) * (self.reached[end - 1] - before);
        let at = self.reached[start..end].partition_point(|&reached| reached <= sum);
        (start + at).min(end - 1) as u64
    }

    /// The weight of an entry, 1 on average over the pool.
    fn weight(&self, entry: u64) -> f64 {
        let at = usize::try_from(entry).unwrap_or_default().min(self.reached.len() - 1);
        let before = if at == 0 { 0.0 } else { self.reached[at - 1] };
        let n_entries = f64::from(u32::try_from(self.reached.len()).unwrap_or(u32::MAX));
        let mean = self.reached[self.reached.len() - 1] / n_entries;
        (self.reached[at] - before) / mean
    }

    fn count(&self) -> u64 {
        self.starts.len() as u64 - 1
    }

    fn n_entries(&self) -> u64 {
        self.reached.len() as u64
    }
}

/// One label.
#[derive(Clone, Debug)]
pub struct Dimension {
    /// The label's name.
    pub name: String,
    /// Its values.
    pub values: Values,
    /// What picks one.
    pub source: Source,
    /// How much more than the mean the series of each value get; empty: all the same.
    pub weights: Vec<f64>,
    /// Whether values count on from target to target.
    pub per_target: bool,
}

/// The labels of a family.
#[derive(Clone, Debug)]
pub struct Space {
    dimensions: Vec<Dimension>,
    /// How many ids one step of each dimension is; 0 for those without a place of their own.
    strides: Vec<u64>,
    n_ids: u64,
    /// Dimensions by label name: the order in which labels are written.
    by_name: Vec<usize>,
    keep: Option<Keep>,
    has_weights: bool,
    /// Dimensions whose values get a number behind them as series come and go.
    marked: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Keep {
    key: u64,
    below: f64,
    n_kept: u64,
}

/// Why dimensions make no space.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpaceError {
    /// More series than allowed.
    #[error(
        "the labels make {0} series, more than the limit of {1}; lower a count or raise the limit"
    )]
    TooLarge(u128, u64),
    /// A dimension without values would leave no series.
    #[error("label {0:?} has no values")]
    Empty(String),
    /// Two dimensions for one label.
    #[error("label {0:?} occurs twice")]
    Twice(String),
    /// A dimension that nothing decides.
    #[error("label {0:?} is decided by itself")]
    Circle(String),
    /// A share that is none.
    #[error("keep is {0}, not a share between 0 and 1")]
    Keep(f64),
}

impl SpaceError {
    /// Whether the share is at fault, not the labels.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep(_))
    }
}

/// The series being looked at: which of all the ids, of which virtual target.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The id within the family.
    pub id: u64,
    /// The virtual target.
    pub target: u32,
}

impl Space {
    /// Multiply the dimensions out.
    ///
    /// `keep` is the share of the product that exists, decided by `key` for each id.
    ///
    /// # Errors
    ///
    /// When there are more than `n_series_max` ids, or a dimension is empty or occurs twice.
    pub fn new(
        dimensions: Vec<Dimension>,
        keep: Option<f64>,
        key: u64,
        n_series_max: u64,
    ) -> Result<Self, SpaceError> {
        let mut by_name: Vec<usize> = (0..dimensions.len()).collect();
        by_name.sort_by(|&a, &b| dimensions[a].name.cmp(&dimensions[b].name));
        for pair in by_name.windows(2) {
            if dimensions[pair[0]].name == dimensions[pair[1]].name {
                return Err(SpaceError::Twice(dimensions[pair[0]].name.clone()));
            }
        }
        check_circles(&dimensions)?;
        let mut n_ids = 1_u128;
        for dimension in &dimensions {
            let is_empty = matches!(&dimension.values, Values::List(texts) if texts.is_empty());
            if is_empty || dimension.own_count() == Some(0) {
                return Err(SpaceError::Empty(dimension.name.clone()));
            }
            n_ids = n_ids.saturating_mul(u128::from(dimension.own_count().unwrap_or(1)));
        }
        let n_ids = match u64::try_from(n_ids) {
            Ok(n_ids) if n_ids <= n_series_max => n_ids,
            _ => return Err(SpaceError::TooLarge(n_ids, n_series_max)),
        };
        let mut strides = vec![0; dimensions.len()];
        let mut stride = 1;
        for (at, dimension) in dimensions.iter().enumerate().rev() {
            if let Some(count) = dimension.own_count() {
                strides[at] = stride;
                stride *= count;
            }
        }
        let has_weights = dimensions
            .iter()
            .any(|dimension| !dimension.weights.is_empty() || dimension.pool().is_some());
        let keep = match keep {
            Some(share) if !(0.0..=1.0).contains(&share) => return Err(SpaceError::Keep(share)),
            Some(share) if share < 1.0 => Some(Keep::new(key, share, n_ids)),
            _ => None,
        };
        Ok(Self { dimensions, strides, n_ids, by_name, keep, has_weights, marked: Vec::new() })
    }

    /// Say that a dimension's value changes as series come and go.
    pub fn mark(&mut self, dimension: usize) {
        self.marked.push(dimension);
    }

    /// Whether a dimension's value changes as series come and go.
    pub fn is_marked(&self, dimension: usize) -> bool {
        self.marked.contains(&dimension)
    }

    /// One more than the greatest id.
    pub fn n_ids(&self) -> u64 {
        self.n_ids
    }

    /// How many series there are: ids less those left out.
    pub fn n_series(&self) -> u64 {
        self.keep.map_or(self.n_ids, |keep| keep.n_kept)
    }

    /// Whether the series of an id exists.
    #[inline]
    pub fn has(&self, id: u64) -> bool {
        self.keep.is_none_or(|keep| keep.has(id))
    }

    /// The dimensions, as they were given.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The positions of the dimensions in the order in which labels are written: by name.
    pub fn by_name(&self) -> &[usize] {
        &self.by_name
    }

    /// How many values a label can have in one target.
    pub fn cardinality(&self, dimension: usize) -> u64 {
        let Some(this) = self.dimensions.get(dimension) else { return 0 };
        match &this.source {
            Source::Own { count } => this.values.cardinality(*count),
            Source::Pool(pool) => this.values.cardinality(pool.n_entries().min(self.n_ids)),
            Source::Of(other) => this.values.cardinality(self.n_indices(*other)),
        }
    }

    fn n_indices(&self, dimension: usize) -> u64 {
        match &self.dimensions[dimension].source {
            Source::Own { count } => *count,
            Source::Pool(pool) => pool.n_entries(),
            Source::Of(other) => self.n_indices(*other),
        }
    }

    /// Which of its values a dimension has in a series.
    #[inline]
    pub fn index(&self, dimension: usize, place: Place) -> u64 {
        let mut dimension = dimension;
        // That no dimension is decided by itself was checked, so this ends.
        loop {
            match &self.dimensions[dimension].source {
                Source::Own { count } => return place.id / self.strides[dimension] % count,
                Source::Pool(pool) => {
                    let stride = self.strides[dimension];
                    let parent = place.id / stride / pool.count();
                    let bits = hash::mix(parent, place.id / stride % pool.count());
                    return pool.entry(place.id / stride % pool.count(), bits);
                }
                Source::Of(other) => dimension = *other,
            }
        }
    }

    /// Append a dimension's value in a series, escaped for an exposition or as it is.
    #[inline]
    pub fn write_value(&self, dimension: usize, place: Place, is_escaped: bool, out: &mut Vec<u8>) {
        let mut index = self.index(dimension, place);
        if self.dimensions[dimension].per_target {
            let n_values = self.n_indices(dimension);
            index = index.saturating_add(n_values.saturating_mul(u64::from(place.target)));
        }
        self.dimensions[dimension].values.write(index, is_escaped, out);
    }

    /// How much more than the mean of the family this series gets, by the weights of its labels.
    #[inline]
    pub fn weight(&self, place: Place) -> f64 {
        if !self.has_weights {
            return 1.0;
        }
        let mut weight = 1.0;
        for (at, dimension) in self.dimensions.iter().enumerate() {
            if let Some(pool) = dimension.pool() {
                weight *= pool.weight(self.index(at, place));
            } else if !dimension.weights.is_empty() {
                let index = self.index(at, place) % dimension.weights.len() as u64;
                weight *= dimension.weights[usize::try_from(index).unwrap_or_default()];
            }
        }
        weight
    }
}

/// Refuse dimensions that are decided by each other.
fn check_circles(dimensions: &[Dimension]) -> Result<(), SpaceError> {
    for (start, dimension) in dimensions.iter().enumerate() {
        let mut at = start;
        for _ in 0..=dimensions.len() {
            match dimensions.get(at).map(|dimension| &dimension.source) {
                Some(Source::Of(other)) => at = *other,
                Some(_) => break,
                None => at = start,
            }
        }
        if dimensions.get(at).is_none_or(|end| matches!(end.source, Source::Of(_))) {
            return Err(SpaceError::Circle(dimension.name.clone()));
        }
    }
    Ok(())
}

impl Dimension {
    /// A label with the same value everywhere.
    pub fn constant(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            values: Values::List(vec![Text::new(value)]),
            source: Source::Own { count: 1 },
            weights: Vec::new(),
            per_target: false,
        }
    }

    /// How many places it has in the id.
    fn own_count(&self) -> Option<u64> {
        match &self.source {
            Source::Own { count } => Some(*count),
            Source::Pool(pool) => Some(pool.count()),
            Source::Of(_) => None,
        }
    }

    fn pool(&self) -> Option<&Pool> {
        match &self.source {
            Source::Pool(pool) => Some(pool),
            _ => None,
        }
    }

    /// Whether it has one value whatever the series.
    pub fn is_constant(&self) -> bool {
        match (&self.source, &self.values) {
            (Source::Own { count: 1 }, _) => !self.per_target,
            (_, Values::List(texts)) => texts.len() == 1,
            _ => false,
        }
    }
}

impl Keep {
    fn new(key: u64, share: f64, n_ids: u64) -> Self {
        let mut this = Self { key, below: share, n_kept: 0 };
        this.n_kept = (0..n_ids).filter(|&id| this.has(id)).count() as u64;
        this
    }

    #[inline]
    fn has(self, id: u64) -> bool {
        hash::unit(hash::mix(self.key, id)) < self.below
    }
}
