//! The linter again, slow and simple, for documents that can be read: it splits lines as one would
//! by hand, keeps everything, and compares every two series.

use crate::lint::Rule;
use crate::lint::names::{self, Named};
use crate::model::MetricType;
use crate::model::number::parse_value;

type Labels = Vec<(String, String)>;

struct Sample {
    name: String,
    labels: Labels,
    value: f64,
    has_timestamp: bool,
}

#[derive(Default)]
struct Family {
    name: String,
    metric_type: Option<MetricType>,
    has_help: bool,
    n_split: u64,
    n_late_help: u64,
    samples: Vec<Sample>,
}

/// Metric, rule, and how often.
pub(super) fn lint(text: &str) -> Vec<(String, Rule, u64)> {
    let mut families: Vec<Family> = Vec::new();
    let mut last = None;
    for line in text.lines().map(|line| line.trim_start_matches([' ', '\t'])) {
        let Some((name, line)) = named(line) else { continue };
        let (at, is_new) = family(&mut families, &name);
        if last.is_some_and(|last| last != at) && !is_new {
            families[at].n_split += 1;
        }
        last = Some(at);
        let family = &mut families[at];
        match line {
            Line::Nothing => {}
            Line::Help => {
                family.has_help = true;
                family.n_late_help += u64::from(!family.samples.is_empty());
            }
            Line::Type(word) => family.metric_type = Some(type_of(&word)),
            Line::Sample(sample) => family.samples.push(sample),
        }
    }
    let mut found = Vec::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let mut tell = |rule: Rule, n: usize| {
            if n > 0 {
                found.push((family.name.clone(), rule, n as u64));
            }
        };
        judge(family, &mut tell);
    }
    found.sort();
    found
}

enum Line {
    Nothing,
    Help,
    Type(String),
    Sample(Sample),
}

fn named(line: &str) -> Option<(String, Line)> {
    let Some(comment) = line.strip_prefix('#') else { return sample(line) };
    let blank = [' ', '\t'];
    let (keyword, rest) = comment.trim_start_matches(blank).split_once(blank)?;
    let (name, text) = rest.trim_start_matches(blank).split_once(blank)?;
    let text = text.trim_start_matches(blank);
    match keyword {
        "HELP" | "TYPE" if text.is_empty() => Some((name.to_owned(), Line::Nothing)),
        "HELP" => Some((name.to_owned(), Line::Help)),
        "TYPE" => Some((name.to_owned(), Line::Type(text.to_owned()))),
        _ => None,
    }
}

fn sample(line: &str) -> Option<(String, Line)> {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')?;
    let (name, rest) = line.split_at(end);
    let mut rest = rest.trim_start().chars().peekable();
    let mut labels = Labels::new();
    if rest.next_if_eq(&'{').is_some() {
        loop {
            let name: String = rest.by_ref().take_while(|c| *c != '=' && *c != '}').collect();
            let name = name.trim_matches([' ', '\t', ',']).to_owned();
            if name.is_empty() {
                break;
            }
            while rest.next() != Some('"') {}
            let mut value = String::new();
            while let Some(c) = rest.next_if(|c| *c != '"') {
                value.push(c);
                if c == '\\' {
                    value.extend(rest.next());
                }
            }
            rest.next();
            labels.push((name, value));
        }
    }
    let rest: String = rest.collect();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let value = parse_value(words[0].as_bytes()).unwrap();
    let has_timestamp = words.len() > 1;
    let sample = Sample { name: name.to_owned(), labels, value, has_timestamp };
    Some((name.to_owned(), Line::Sample(sample)))
}

/// Which family a name belongs to, and whether it is a new one.
fn family(families: &mut Vec<Family>, name: &str) -> (usize, bool) {
    use MetricType::{GaugeHistogram, Histogram, Summary};
    let find = |name: &str| families.iter().position(|family| family.name == name);
    if let Some(at) = find(name) {
        return (at, false);
    }
    for suffix in ["_count", "_sum", "_bucket"] {
        let at = name.strip_suffix(suffix).filter(|base| !base.is_empty()).and_then(find);
        let fits = |at: &usize| match families[*at].metric_type {
            Some(Summary) => suffix != "_bucket",
            Some(Histogram | GaugeHistogram) => true,
            _ => false,
        };
        if let Some(at) = at.filter(fits) {
            return (at, false);
        }
    }
    families.push(Family { name: name.to_owned(), ..Family::default() });
    (families.len() - 1, true)
}

fn type_of(word: &str) -> MetricType {
    match word.to_ascii_lowercase().as_str() {
        "counter" => MetricType::Counter,
        "gauge" => MetricType::Gauge,
        "summary" => MetricType::Summary,
        "histogram" => MetricType::Histogram,
        "untyped" => MetricType::Unknown,
        "gaugehistogram" | "gauge_histogram" => MetricType::GaugeHistogram,
        _ => unreachable!("the document can be read"),
    }
}

fn judge(family: &Family, tell: &mut impl FnMut(Rule, usize)) {
    let metric_type = family.metric_type.unwrap_or_default();
    let mut said: Vec<Rule> = Vec::new();
    let named = Named {
        name: family.name.as_bytes(),
        metric_type,
        has_help: family.has_help,
        has_type: family.metric_type.is_some(),
    };
    names::check(named, |rule, _| said.push(rule));
    for rule in Rule::ALL {
        tell(*rule, said.iter().filter(|said| *said == rule).count());
    }
    let n = |holds: fn(&Sample) -> bool| family.samples.iter().filter(|s| holds(s)).count();
    tell(Rule::FamilySplit, usize::try_from(family.n_split).unwrap());
    tell(Rule::HelpAfterSample, usize::try_from(family.n_late_help).unwrap());
    tell(Rule::TimestampPresent, n(|sample| sample.has_timestamp));
    if metric_type == MetricType::Counter {
        tell(Rule::CounterNegative, n(|sample| sample.value < 0.0));
        tell(Rule::CounterNan, n(|sample| sample.value.is_nan()));
    }
    let special = match metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => "le",
        MetricType::Summary => "quantile",
        _ => "",
    };
    if special.is_empty() {
        let series: Vec<&Labels> = family.samples.iter().map(|sample| &sample.labels).collect();
        tell(Rule::DuplicateMetric, n_again(&series));
        let sets: Vec<Labels> = series.iter().map(|labels| set(labels, true)).collect();
        tell(Rule::DuplicateSeries, n_again(&sets));
        label_rules(metric_type, &series, tell);
    } else {
        parts(family, special, tell);
    }
}

/// How many of a list were there before.
fn n_again<T: PartialEq>(list: &[T]) -> usize {
    (0..list.len()).filter(|&at| list[..at].contains(&list[at])).count()
}

fn set(labels: &Labels, without_empty: bool) -> Labels {
    let mut set = labels.clone();
    set.retain(|(_, value)| !without_empty || !value.is_empty());
    set.sort();
    set
}

fn label_rules(metric_type: MetricType, series: &[&Labels], tell: &mut impl FnMut(Rule, usize)) {
    use MetricType::{Histogram, Summary, Unknown};
    let n = |holds: &dyn Fn(&str, &str) -> bool| {
        series.iter().flat_map(|labels| labels.iter()).filter(|(n, v)| holds(n, v)).count()
    };
    let is_camel = |name: &str| {
        let pairs = name.chars().zip(name.chars().skip(1));
        pairs.into_iter().any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase())
    };
    tell(Rule::CamelCaseLabel, n(&|name, _| is_camel(name)));
    tell(Rule::LabelReservedPrefix, n(&|name, _| name.starts_with("__")));
    tell(Rule::LabelEmptyValue, n(&|_, value| value.is_empty()));
    if ![Unknown, Histogram].contains(&metric_type) {
        tell(Rule::ReservedLeLabel, n(&|name, _| name == "le"));
    }
    if ![Unknown, Summary].contains(&metric_type) {
        tell(Rule::ReservedQuantileLabel, n(&|name, _| name == "quantile"));
    }
}

/// Histograms and summaries.
fn parts(family: &Family, special: &str, tell: &mut impl FnMut(Rule, usize)) {
    let own = |sample: &Sample| -> Labels {
        sample.labels.iter().filter(|(name, _)| name != special).cloned().collect()
    };
    let mut first: Vec<Labels> = Vec::new();
    for sample in &family.samples {
        let labels = own(sample);
        if !first.iter().any(|other| set(other, false) == set(&labels, false)) {
            first.push(labels);
        }
    }
    label_rules(family.metric_type.unwrap_or_default(), &first.iter().collect::<Vec<_>>(), tell);
    let is_summary = family.metric_type == Some(MetricType::Summary);
    let mut n = [0; 6];
    for metric in &first {
        let of_it = family.samples.iter().filter(|s| set(&own(s), false) == set(metric, false));
        let is = |sample: &Sample, suffix: &str| sample.name == format!("{}{suffix}", family.name);
        let (mut bounds, mut counts, mut n_sums) = (Vec::new(), Vec::new(), 0);
        for sample in of_it {
            let bound = sample.labels.iter().rfind(|(name, _)| name == special);
            let bound = bound.map_or(f64::NAN, |(_, v)| parse_value(v.as_bytes()).unwrap());
            if is(sample, "_count") {
                counts.push(sample.value);
            } else if is(sample, "_sum") {
                n_sums += 1;
            } else if !bound.is_nan() {
                bounds.push((bound, sample.value));
            }
        }
        n[0] += counts.len().saturating_sub(1) + usize::saturating_sub(n_sums, 1);
        n[1] += usize::from(counts.is_empty() || n_sums == 0 || !is_summary && bounds.is_empty());
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let equal = |a: f64, b: f64| a.to_bits() == b.to_bits();
        n[2] += bounds.windows(2).filter(|two| equal(two[0].0, two[1].0)).count();
        if is_summary || bounds.is_empty() {
            continue;
        }
        let falls = |two: &&[(f64, f64)]| !equal(two[0].0, two[1].0) && two[1].1 < two[0].1;
        n[3] += bounds.windows(2).filter(falls).count();
        let last = bounds[bounds.len() - 1];
        n[4] += usize::from(last.0 < f64::INFINITY);
        let differs = |count: &f64| !equal(*count, last.1);
        n[5] += usize::from(last.0 > f64::MAX && counts.last().is_some_and(differs));
    }
    tell(Rule::HistogramLineRepeated, n[0]);
    tell(Rule::HistogramMissingParts, n[1]);
    let twice = if is_summary { Rule::DuplicateSeries } else { Rule::HistogramDuplicateLe };
    tell(twice, n[2]);
    tell(Rule::HistogramNotMonotonic, n[3]);
    tell(Rule::HistogramNoInf, n[4]);
    tell(Rule::HistogramCountMismatch, n[5]);
}
