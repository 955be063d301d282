//! A scrape by families and label sets.

use std::collections::HashMap;

use crate::generate::histogram::N_BOUNDS_MAX;
use crate::model::Format;
use crate::model::MetricType;
use crate::model::Span;
use crate::parse::Entry;
use crate::parse::ParseError;
use crate::parse::Parser;
use crate::parse::SampleTokens;
use crate::parse::unescape;
use crate::parse::unescape_help;

/// What was read of a scrape.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    pub(super) families: Vec<ScrapedFamily>,
    by_name: HashMap<String, usize>,
    pub(super) notes: Vec<String>,
}

/// A family that can be generated.
#[derive(Clone, Debug, Default)]
pub(super) struct ScrapedFamily {
    /// As a spec has it.
    pub(super) name: String,
    pub(super) metric_type: MetricType,
    pub(super) help: String,
    pub(super) unit: String,
    /// The names of all labels, bounds not among them.
    pub(super) labels: Vec<String>,
    pub(super) sets: Vec<LabelSet>,
    by_labels: HashMap<Vec<(String, String)>, usize>,
    /// Upper bounds, quantiles or states, in the order of the first set.
    pub(super) bounds: Vec<f64>,
    pub(super) states: Vec<String>,
    /// Whether there are lines of its name that fit its type in no way.
    has_odd_lines: bool,
}

/// The samples of one choice of labels.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSet {
    /// Values in the order of the family's labels; those behind the end are empty.
    cells: Vec<String>,
    /// With their bounds, quantiles or (as text) states.
    pub(super) parts: Vec<(String, f64)>,
    pub(super) sum: Option<f64>,
    pub(super) count: Option<f64>,
    pub(super) value: Option<f64>,
}

impl LabelSet {
    pub(super) fn cell(&self, at: usize) -> &str {
        self.cells.get(at).map_or("", |cell| cell)
    }
}

/// What `# TYPE` and its like said of a name.
#[derive(Clone, Debug, Default)]
struct Meta {
    metric_type: MetricType,
    help: String,
    unit: String,
    has_samples: bool,
}

/// A sample, by its parts.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// What a sample is within its family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Value,
    Bound,
    Sum,
    Count,
    Created,
}

impl Scrape {
    pub(super) fn family(&self, name: &str) -> Option<&ScrapedFamily> {
        self.by_name.get(name).and_then(|&at| self.families.get(at))
    }

    /// Read a whole exposition.
    pub(super) fn read(text: &[u8], format: Format) -> Result<Self, ParseError> {
        let mut metas: HashMap<String, Meta> = HashMap::new();
        let mut order = Vec::new();
        let mut samples = Vec::new();
        let mut parser = Parser::new(format);
        let mut visit = |line: &[u8], entry: Entry<'_>, tokens: &SampleTokens| {
            let name = match entry {
                Entry::Help { name, .. } | Entry::Type { name, .. } | Entry::Unit { name, .. } => {
                    decode(name)
                }
                Entry::Sample => {
                    samples.push(sample(line, tokens));
                    return Ok(());
                }
                _ => return Ok(()),
            };
            if !metas.contains_key(&name) {
                order.push(name.clone());
            }
            let meta: &mut Meta = metas.entry(name).or_default();
            match entry {
                Entry::Help { text, .. } => {
                    let mut help = Vec::new();
                    unescape_help(format, text, &mut help);
                    meta.help = String::from_utf8_lossy(&help).into_owned();
                }
                Entry::Type { metric_type, .. } => meta.metric_type = metric_type,
                Entry::Unit { unit, .. } => {
                    meta.unit = String::from_utf8_lossy(unit).into_owned();
                }
                _ => {}
            }
            Ok(())
        };
        parser.push(text, &mut visit)?;
        parser.finish(&mut visit)?;
        let mut scrape = Self::default();
        let mut odd = scrape.sort_in(&samples, &mut metas, format);
        scrape.break_up_misshapen(&mut odd);
        for sample in &odd {
            let meta = Meta::default();
            scrape.put(&sample.name, &meta, sample, Part::Value);
        }
        for name in order.iter().filter(|name| metas.get(*name).is_some_and(|m| !m.has_samples)) {
            scrape.notes.push(format!("{name}: has no samples and is left out"));
        }
        scrape.families.retain(|family| !family.sets.is_empty());
        scrape.by_name.clear();
        for (at, family) in scrape.families.iter().enumerate() {
            scrape.by_name.insert(family.name.clone(), at);
        }
        Ok(scrape)
    }

    /// Give every sample to its family; those that fit none are given back.
    fn sort_in(
        &mut self,
        samples: &[Sample],
        metas: &mut HashMap<String, Meta>,
        format: Format,
    ) -> Vec<Sample> {
        let mut odd = Vec::new();
        for sample in samples {
            let Some((base, part)) = find_family(sample, metas, format) else {
                odd.push(sample.clone());
                continue;
            };
            let meta = metas.entry(base.to_owned()).or_default();
            meta.has_samples = true;
            if part == Part::Created {
                continue;
            }
            let name = match meta.metric_type {
                MetricType::Counter | MetricType::Info => &sample.name,
                _ => base,
            };
            let meta = meta.clone();
            self.put(name, &meta, sample, part);
        }
        odd
    }

    fn put(&mut self, name: &str, meta: &Meta, sample: &Sample, part: Part) {
        let Self { families, by_name, notes } = self;
        let at = *by_name.entry(name.to_owned()).or_insert_with(|| {
            families.push(ScrapedFamily {
                name: name.to_owned(),
                metric_type: meta.metric_type,
                help: meta.help.clone(),
                unit: meta.unit.clone(),
                ..ScrapedFamily::default()
            });
            families.len() - 1
        });
        if !families[at].put(sample, part) {
            notes.push(format!("{}: a series occurs twice; the last one counts", sample.name));
        }
    }

    /// Histograms and summaries that lack a part, or differ in bounds, are taken apart again.
    fn break_up_misshapen(&mut self, odd: &mut Vec<Sample>) {
        for sample in odd.iter() {
            if let Some(&at) = self.by_name.get(&sample.name) {
                self.families[at].has_odd_lines = true;
            }
        }
        for family in &mut self.families {
            let Err(why) = family.check_shape() else { continue };
            self.by_name.remove(&family.name);
            let word = family.metric_type.open_metrics_word();
            self.notes.push(format!("{}: no {word} that could be generated ({why}); its lines become families of unknown type", family.name));
            odd.extend(family.take_apart());
            family.sets.clear();
        }
    }
}

impl ScrapedFamily {
    /// `false` if the sample was there already.
    fn put(&mut self, sample: &Sample, part: Part) -> bool {
        let bound_label = self.bound_label();
        let mut labels = sample.labels.clone();
        let mut bound = String::new();
        if part == Part::Bound {
            labels.retain(|(name, value)| {
                let is_bound = *name == bound_label;
                if is_bound {
                    bound.clone_from(value);
                }
                !is_bound
            });
        }
        // An empty label is an absent one.
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort();
        let at = if let Some(&at) = self.by_labels.get(&labels) {
            at
        } else {
            let set = LabelSet { cells: self.cells(&labels), ..LabelSet::default() };
            self.sets.push(set);
            self.by_labels.insert(labels, self.sets.len() - 1);
            self.sets.len() - 1
        };
        let set = &mut self.sets[at];
        match part {
            Part::Bound => {
                if let Some((_, value)) = set.parts.iter_mut().find(|(known, _)| *known == bound) {
                    *value = sample.value;
                    false
                } else {
                    set.parts.push((bound, sample.value));
                    true
                }
            }
            Part::Sum => set.sum.replace(sample.value).is_none(),
            Part::Count => set.count.replace(sample.value).is_none(),
            Part::Value | Part::Created => set.value.replace(sample.value).is_none(),
        }
    }

    fn cells(&mut self, labels: &[(String, String)]) -> Vec<String> {
        let mut cells = vec![String::new(); self.labels.len()];
        for (name, value) in labels {
            if let Some(at) = self.labels.iter().position(|known| known == name) {
                cells[at].clone_from(value);
            } else {
                self.labels.push(name.clone());
                cells.push(value.clone());
            }
        }
        cells
    }

    fn bound_label(&self) -> String {
        match self.metric_type {
            MetricType::Summary => "quantile".to_owned(),
            MetricType::StateSet => self.name.clone(),
            _ => "le".to_owned(),
        }
    }

    /// Whether all sets have the parts their type asks for, and the same bounds; takes them over.
    fn check_shape(&mut self) -> Result<(), &'static str> {
        if self.has_odd_lines {
            return Err("a line of its name does not fit the type");
        }
        match self.metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram | MetricType::Summary => {}
            MetricType::StateSet => return self.check_states(),
            MetricType::Info => {
                let is_one =
                    |set: &LabelSet| set.value.is_some_and(|value| (value - 1.0).abs() < 1e-9);
                return if self.sets.iter().all(is_one) { Ok(()) } else { Err("a value is not 1") };
            }
            _ => return Ok(()),
        }
        let is_summary = self.metric_type == MetricType::Summary;
        let mut bounds: Option<Vec<f64>> = None;
        for set in &mut self.sets {
            if set.sum.is_none() || set.count.is_none() {
                return Err("sum or count is missing");
            }
            let read = |(text, value): &(String, f64)| Some((text.parse::<f64>().ok()?, *value));
            let Some(mut parts) = set.parts.iter().map(read).collect::<Option<Vec<_>>>() else {
                return Err("a bound is no number");
            };
            parts.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            let these: Vec<f64> = parts.iter().map(|(bound, _)| *bound).collect();
            if is_summary {
                let is_good = these.iter().all(|quantile| (0.0..=1.0).contains(quantile));
                if !is_good {
                    return Err("a quantile is not from 0 to 1");
                }
            } else if these.last() != Some(&f64::INFINITY) || these.len() < 2 {
                return Err("the bucket `+Inf` or all others are missing");
            }
            if these.windows(2).any(|pair| pair[0] >= pair[1]) || these.iter().any(|b| b.is_nan()) {
                return Err("a bound occurs twice");
            }
            match &bounds {
                None => bounds = Some(these),
                Some(bounds) if *bounds != these => return Err("bounds differ between label sets"),
                Some(_) => {}
            }
            set.parts =
                parts.into_iter().map(|(bound, value)| (bound.to_string(), value)).collect();
        }
        self.bounds = bounds.unwrap_or_default();
        if self.bounds.len() > N_BOUNDS_MAX {
            return Err("there are more than 1000 bounds");
        }
        if !is_summary {
            self.bounds.pop();
            if self.bounds.iter().any(|bound| !bound.is_finite()) {
                return Err("a bound is not finite");
            }
        }
        Ok(())
    }

    fn check_states(&mut self) -> Result<(), &'static str> {
        let states = |set: &LabelSet| -> Vec<String> {
            let mut states: Vec<String> =
                set.parts.iter().map(|(state, _)| state.clone()).collect();
            states.sort();
            states
        };
        let first = self.sets.first().map(states).unwrap_or_default();
        if first.is_empty() || self.sets.iter().any(|set| states(set) != first) {
            return Err("states differ between label sets");
        }
        self.states = first;
        Ok(())
    }

    /// All lines again, each by itself.
    fn take_apart(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        let (sum, count) = match self.metric_type {
            MetricType::GaugeHistogram => ("_gsum", "_gcount"),
            _ => ("_sum", "_count"),
        };
        let bucket = match self.metric_type {
            MetricType::Histogram | MetricType::GaugeHistogram => "_bucket",
            _ => "",
        };
        for set in &self.sets {
            let labels = |bound: Option<&str>| {
                let cells = self.labels.iter().cloned().zip(set.cells.iter().cloned());
                let mut labels: Vec<(String, String)> = cells.collect();
                labels.extend(bound.map(|bound| (self.bound_label(), bound.to_owned())));
                labels
            };
            let mut add = |suffix: &str, bound: Option<&str>, value: f64| {
                let name = format!("{}{suffix}", self.name);
                samples.push(Sample { name, labels: labels(bound), value });
            };
            for (bound, value) in &set.parts {
                add(bucket, Some(bound), *value);
            }
            for (suffix, value) in [(sum, set.sum), (count, set.count), ("", set.value)] {
                if let Some(value) = value {
                    add(suffix, None, value);
                }
            }
        }
        samples
    }
}

fn decode(raw: &[u8]) -> String {
    let mut text = Vec::new();
    unescape(raw, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn sample(line: &[u8], tokens: &SampleTokens) -> Sample {
    let text = |span: Span| decode(span.of(line));
    let labels = tokens.labels.iter().map(|label| (text(label.name), text(label.value)));
    Sample { name: text(tokens.name), labels: labels.collect(), value: tokens.value }
}

/// The family a sample belongs to, by the types that were stated, and what it is there.
fn find_family<'s>(
    sample: &'s Sample,
    metas: &HashMap<String, Meta>,
    format: Format,
) -> Option<(&'s str, Part)> {
    const SUFFIXES: [(&str, Part); 9] = [
        ("", Part::Value),
        ("_bucket", Part::Bound),
        ("_sum", Part::Sum),
        ("_count", Part::Count),
        ("_gsum", Part::Sum),
        ("_gcount", Part::Count),
        ("_total", Part::Value),
        ("_created", Part::Created),
        ("_info", Part::Value),
    ];
    // Only OpenMetrics has parts that text 0.0.4 would take for families of their own.
    let n_suffixes = if format == Format::OpenMetrics { SUFFIXES.len() } else { 4 };
    for &(suffix, part) in &SUFFIXES[..n_suffixes] {
        let Some(base) = sample.name.strip_suffix(suffix) else { continue };
        let Some(meta) = metas.get(base) else { continue };
        if let Some(part) = fits(sample, base, meta.metric_type, suffix, part) {
            return Some((base, part));
        }
    }
    // A name nobody said anything of is a family of its own.
    (!metas.contains_key(&sample.name)).then_some((&*sample.name, Part::Value))
}

fn fits(
    sample: &Sample,
    base: &str,
    metric_type: MetricType,
    suffix: &str,
    part: Part,
) -> Option<Part> {
    use MetricType as T;
    let has = |label: &str| sample.labels.iter().any(|(name, _)| name == label);
    let is_legal = match (metric_type, suffix) {
        (T::Histogram | T::GaugeHistogram, "_bucket") => has("le"),
        (T::Summary, "") => return has("quantile").then_some(Part::Bound),
        (T::StateSet, "") => return has(base).then_some(Part::Bound),
        (T::Histogram | T::Summary, "_sum" | "_count" | "_created")
        | (T::GaugeHistogram, "_gsum" | "_gcount")
        | (T::Counter, "" | "_total" | "_created")
        | (T::Info, "_info")
        | (T::Gauge | T::Unknown, "") => true,
        _ => false,
    };
    is_legal.then_some(part)
}
