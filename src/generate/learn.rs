//! What a real scrape looks like, as a spec: the same families, types, label sets and cardinalities,
//! values in the range that was seen.
//!
//! With a second scrape of the same target, counters get the rates seen between the two; with one,
//! they are taken to have counted for a day.
//!
//! Labels are described in the shortest way that gives the same number of series and of values:
//!
//! 1. the product of all labels, if that is how many label sets there are;
//! 2. the product of some, by which the others are decided (`pod` decides `uid` and `node`);
//! 3. a table: one label lists its value for every label set, the others are read in step.
//!
//! This module must not know of YAML files beyond [`Learned::yaml`], nor of where a scrape came from.

mod fit;
mod scrape;
mod yaml;

use crate::generate::learn::scrape::Scrape;
use crate::generate::learn::scrape::ScrapedFamily;
use crate::generate::spec::DimensionSpec;
use crate::generate::spec::FamilySpec;
use crate::generate::spec::Spec;
use crate::generate::spec::ValuesSpec;
use crate::model::Format;
use crate::parse::ParseError;

/// How long counters are taken to have counted where there is one scrape only.
pub const ASSUMED_SECONDS: f64 = 86_400.0;

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// The generator that looks like the scrape.
    pub spec: Spec,
    /// What of the scrape could not be kept, and why.
    pub notes: Vec<String>,
}

/// A later scrape of the same target.
#[derive(Clone, Copy, Debug)]
pub struct Second<'a> {
    /// The exposition, in the same format.
    pub text: &'a [u8],
    /// How many seconds after the first.
    pub after_seconds: f64,
}

/// Learn from one scrape, or two.
///
/// # Errors
///
/// Where a scrape is none.
pub fn learn(
    first: &[u8],
    second: Option<Second<'_>>,
    format: Format,
) -> Result<Learned, ParseError> {
    let first = Scrape::read(first, format)?;
    let later = match second {
        Some(second) => Some((Scrape::read(second.text, format)?, second.after_seconds)),
        None => None,
    };
    let later = later.as_ref().filter(|(_, seconds)| seconds.is_finite() && *seconds > 0.0);
    let mut notes = first.notes.clone();
    let mut families = Vec::new();
    for family in &first.families {
        let then = later.and_then(|(scrape, seconds)| {
            Some(Then { family: scrape.family(&family.name)?, seconds: *seconds })
        });
        families.push(learn_family(family, then, &mut notes));
    }
    let spec = Spec { families, ..Spec::default() };
    Ok(Learned { spec, notes })
}

/// The same family, later.
#[derive(Clone, Copy, Debug)]
struct Then<'a> {
    family: &'a ScrapedFamily,
    seconds: f64,
}

fn learn_family(
    family: &ScrapedFamily,
    then: Option<Then<'_>>,
    notes: &mut Vec<String>,
) -> FamilySpec {
    let (data, spread) = fit::data(family, then, notes);
    let mut spec = FamilySpec::new(&family.name, family.metric_type, data);
    spec.help.clone_from(&family.help);
    spec.unit.clone_from(&family.unit);
    spec.spread = spread;
    spec.dimensions = dimensions(family);
    spec
}

/// One label, as a column: for each label set the index of its value.
#[derive(Debug)]
struct Column<'a> {
    label: &'a str,
    /// The different values, as they first occur.
    values: Vec<&'a str>,
    codes: Vec<usize>,
}

impl<'a> Column<'a> {
    fn new(label: &'a str, cells: impl Iterator<Item = &'a str>) -> Self {
        let mut known = std::collections::HashMap::new();
        let mut values = Vec::new();
        let codes = cells.map(|cell| {
            *known.entry(cell).or_insert_with(|| {
                values.push(cell);
                values.len() - 1
            })
        });
        let codes = codes.collect();
        Self { label, values, codes }
    }

    /// For each value of this column the one of `other` that stands beside it; `None` if that
    /// differs from row to row.
    fn decides(&self, other: &Self) -> Option<Vec<usize>> {
        let mut beside = vec![usize::MAX; self.values.len()];
        for (&mine, &code) in self.codes.iter().zip(&other.codes) {
            if beside[mine] == usize::MAX {
                beside[mine] = code;
            } else if beside[mine] != code {
                return None;
            }
        }
        Some(beside)
    }

    fn own(&self) -> DimensionSpec {
        let list = self.values.iter().map(|&value| value.to_owned()).collect();
        self.dimension(ValuesSpec::List(list), None)
    }

    fn of(&self, driver: &str, codes: &[usize]) -> DimensionSpec {
        let list = codes.iter().map(|&code| self.values[code].to_owned()).collect();
        self.dimension(ValuesSpec::List(list), Some(driver.to_owned()))
    }

    fn dimension(&self, values: ValuesSpec, of: Option<String>) -> DimensionSpec {
        let label = self.label.to_owned();
        DimensionSpec { label, values, weights: None, of, per_target: false }
    }
}

/// How many label sets the product of these labels has.
fn n_products<'c>(mut columns: impl Iterator<Item = &'c Column<'c>>) -> Option<usize> {
    columns.try_fold(1_usize, |product, column| product.checked_mul(column.values.len()))
}

fn dimensions(family: &ScrapedFamily) -> Vec<DimensionSpec> {
    let n_rows = family.sets.len();
    let columns: Vec<Column<'_>> = family
        .labels
        .iter()
        .enumerate()
        .map(|(at, label)| Column::new(label, family.sets.iter().map(move |set| set.cell(at))))
        .collect();
    if n_products(columns.iter()) == Some(n_rows) {
        return columns.iter().map(Column::own).collect();
    }
    // Labels with many values come first: they decide the others more often than not.
    let mut by_size: Vec<&Column<'_>> = columns.iter().collect();
    by_size.sort_by_key(|column| std::cmp::Reverse(column.values.len()));
    let mut drivers: Vec<&Column<'_>> = Vec::new();
    let mut dimensions = Vec::new();
    for column in by_size {
        let decided = drivers.iter().find_map(|driver| Some((*driver, driver.decides(column)?)));
        if let Some((driver, codes)) = decided {
            dimensions.push(column.of(driver.label, &codes));
        } else {
            drivers.push(column);
            dimensions.push(column.own());
        }
    }
    if n_products(drivers.iter().copied()) == Some(n_rows) {
        return dimensions;
    }
    let Some(first) = columns.first() else { return Vec::new() };
    let table = columns.iter().enumerate().map(|(at, column)| {
        let mut dimension = column.of(first.label, &column.codes);
        if at == 0 {
            dimension.of = None;
        }
        dimension
    });
    table.collect()
}

#[cfg(test)]
mod tests;
