//! Families: from nodes to what `generate` takes.

use crate::config::decode;
use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::config::generate::shape::Record;
use crate::config::generate::shape::Shape;
use crate::config::generate::shape::Type;
use crate::config::generate::shape::list;
use crate::config::generate::signal::distribution;
use crate::config::generate::signal::signal;
use crate::config::generate::tables;
use crate::config::generate::values;
use crate::config::nearest;
use crate::config::node::Kind;
use crate::config::node::Node;
use crate::generate::spec::BucketSpec;
use crate::generate::spec::ChurnSpec;
use crate::generate::spec::CounterSource;
use crate::generate::spec::CounterSpec;
use crate::generate::spec::DataSpec;
use crate::generate::spec::DimensionSpec;
use crate::generate::spec::DistributionSpec;
use crate::generate::spec::EndSpec;
use crate::generate::spec::ExemplarSpec;
use crate::generate::spec::FamilySpec;
use crate::generate::spec::HistogramSpec;
use crate::generate::spec::NativeSpec;
use crate::generate::spec::ResetSpec;
use crate::generate::spec::SeriesSpec;
use crate::generate::spec::SignalSpec;
use crate::generate::spec::SummarySpec;
use crate::generate::spec::ValueSpec;
use crate::generate::spec::ValuesSpec;
use crate::model::MetricType;

/// The bounds client_golang uses where none are given.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
const NATIVE_SCHEMA: i64 = 3;
/// client_golang's, 2^-128.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;
const STATE_MS: i64 = 3_600_000;

/// A family.
pub(super) fn family(node: &Node, path: &Path, report: &mut Report) -> Option<FamilySpec> {
    let (shape, series_shape, metric_type) = shape_of(node, path, report)?;
    let record = Record::open(node, shape, path, report)?;
    let data = has_data(&record, metric_type).then(|| data(&record, metric_type, report));
    let one_series = |node: &Node, path: &Path, report: &mut Report| {
        let record = Record::open(node, series_shape, path, report)?;
        let labels = record.read("labels", report, labels).unwrap_or_default();
        Some(SeriesSpec { labels, data: data_of_series(&record, metric_type, report)? })
    };
    let series = |node: &Node, path: &Path, report: &mut Report| {
        list(node, "series", path, report, one_series)
    };
    Some(FamilySpec {
        name: record.text("name", report),
        metric_type,
        help: record.text("help", report),
        unit: record.text("unit", report),
        dimensions: record.read("labels", report, dimensions).unwrap_or_default(),
        keep: record.number("keep", 1.0, report),
        churn: record.read("churn", report, churns).unwrap_or_default(),
        data: data.flatten(),
        spread: record.number("spread", 0.0, report),
        exemplars: record.read("exemplars", report, exemplars),
        series: record.read("series", report, series).unwrap_or_default(),
    })
}

/// The shapes of a family and its series, by the word under `type`.
fn shape_of(
    node: &Node,
    path: &Path,
    report: &mut Report,
) -> Option<(&'static Shape, &'static Shape, MetricType)> {
    const TYPES: [MetricType; 8] = [
        MetricType::Counter,
        MetricType::Gauge,
        MetricType::Unknown,
        MetricType::Histogram,
        MetricType::GaugeHistogram,
        MetricType::Summary,
        MetricType::Info,
        MetricType::StateSet,
    ];
    let words = TYPES.map(MetricType::open_metrics_word);
    let entries = decode::fields(node, "a family", path, report)?;
    let Some(entry) = entries.iter().find(|entry| entry.name == "type") else {
        let remedy = format!("it is one of {}", words.join(", "));
        report.error_with_remedy(node.at, path, "the field \"type\" is missing", Some(remedy));
        return None;
    };
    let path = path.field("type");
    let word = values::text(entry.value, &path, report)?;
    let Some(index) = words.iter().position(|known| *known == word) else {
        let remedy = nearest::remedy(&word, &words);
        let message = format!("unknown metric type {:?}", crate::config::scalar::cut(&word));
        report.error_with_remedy(entry.value.at, &path, message, Some(remedy));
        return None;
    };
    // The tables list the shapes in the same order; a test holds it.
    let shape = tables::FAMILIES[index];
    let series = shape.all().find_map(|field| match (field.name, &field.holds) {
        ("series", Type::List(Type::Object(series))) => Some(*series),
        _ => None,
    })?;
    Some((shape, series, TYPES[index]))
}

/// Whether the fields of a family say how the series of its labels come about.
fn has_data(record: &Record<'_>, metric_type: MetricType) -> bool {
    match metric_type {
        MetricType::Info => !record.has("series"),
        MetricType::Counter => record.has("rate") || record.has("value"),
        MetricType::StateSet => record.has("states"),
        MetricType::Gauge | MetricType::Unknown => record.has("value"),
        _ => record.has("distribution"),
    }
}

fn data_of_series(
    record: &Record<'_>,
    metric_type: MetricType,
    report: &mut Report,
) -> Option<DataSpec> {
    // What is missing was told when the record was opened.
    let is_whole = metric_type == MetricType::Info || has_data(record, metric_type);
    if is_whole { data(record, metric_type, report) } else { None }
}

fn data(record: &Record<'_>, metric_type: MetricType, report: &mut Report) -> Option<DataSpec> {
    Some(match metric_type {
        MetricType::Counter => DataSpec::Counter(counter(record, report)?),
        MetricType::Gauge | MetricType::Unknown => DataSpec::Gauge(value(record, report)?),
        MetricType::Histogram | MetricType::GaugeHistogram => {
            DataSpec::Histogram(histogram(record, metric_type, report)?)
        }
        MetricType::Summary => DataSpec::Summary(SummarySpec {
            observations: observations(record, report)?,
            distribution: observed(record, report)?,
            quantiles: record
                .read("quantiles", report, numbers)
                .unwrap_or_else(|| QUANTILES.to_vec()),
        }),
        MetricType::Info => DataSpec::Info,
        MetricType::StateSet => DataSpec::StateSet {
            states: record.read("states", report, texts).unwrap_or_default(),
            every_ms: record.duration_ms("every", STATE_MS, report),
        },
    })
}

fn value(record: &Record<'_>, report: &mut Report) -> Option<ValueSpec> {
    let end = record.read("end", report, end);
    let signal = record.read("value", report, signal)?;
    Some(ValueSpec { signal, end: end.unwrap_or_default() })
}

fn end(node: &Node, path: &Path, report: &mut Report) -> Option<EndSpec> {
    if matches!(node.kind, Kind::Map(_)) {
        let record = Record::open(node, &tables::END_VALUE, path, report)?;
        return record.read("value", report, values::any_number).map(EndSpec::Value);
    }
    Some(match values::word(node, tables::END_WORDS, path, report)? {
        "loop" => EndSpec::Loop,
        "last" => EndSpec::Last,
        "missing" => EndSpec::Missing,
        _ => EndSpec::Stale,
    })
}

fn counter(record: &Record<'_>, report: &mut Report) -> Option<CounterSpec> {
    if record.has("rate") && record.has("value") {
        report.error(record.at, &record.path, "rate and value: give one of them");
    }
    if record.has("end") && !record.has("value") {
        report.error(record.at, &record.path, "end says what follows value: a rate has none");
    }
    let resets = record.read("resets", report, resets).unwrap_or_default();
    let integers = record.boolean("integers", false, report);
    let source = if record.has("value") {
        CounterSource::Value(value(record, report)?)
    } else {
        CounterSource::Rate(record.read("rate", report, signal)?)
    };
    Some(CounterSpec { source, resets, integers })
}

fn observations(record: &Record<'_>, report: &mut Report) -> Option<CounterSpec> {
    let resets = record.read("resets", report, resets).unwrap_or_default();
    let integers = record.boolean("integers", true, report);
    let rate = if record.has("rate") {
        record.read("rate", report, signal)?
    } else {
        SignalSpec::Const(1.0)
    };
    Some(CounterSpec { source: CounterSource::Rate(rate), resets, integers })
}

fn observed(record: &Record<'_>, report: &mut Report) -> Option<DistributionSpec> {
    record.read("distribution", report, distribution)
}

fn histogram(
    record: &Record<'_>,
    metric_type: MetricType,
    report: &mut Report,
) -> Option<HistogramSpec> {
    let native = record.read("native", report, native);
    let buckets = record.read("buckets", report, buckets).unwrap_or_else(|| {
        BucketSpec::List(if native.is_some() { Vec::new() } else { BUCKETS.to_vec() })
    });
    let window_ms = match metric_type {
        // As long as Prometheus looks back.
        MetricType::GaugeHistogram => Some(record.duration_ms("window", 300_000, report)),
        _ => None,
    };
    let (observations, distribution) = (observations(record, report), observed(record, report));
    Some(HistogramSpec {
        observations: observations?,
        distribution: distribution?,
        buckets,
        native,
        window_ms,
    })
}

fn buckets(node: &Node, path: &Path, report: &mut Report) -> Option<BucketSpec> {
    if matches!(node.kind, Kind::List(_)) {
        return numbers(node, path, report).map(BucketSpec::List);
    }
    let (name, node, path) = Record::single(node, &tables::BUCKETS, path, report)?;
    let shape = match name {
        "exponential" => &tables::EXPONENTIAL_BUCKETS,
        _ => &tables::LINEAR_BUCKETS,
    };
    let record = Record::open(node, shape, &path, report)?;
    let start = record.number("start", 1.0, report);
    let count = u32::try_from(record.whole("count", 1, report)).unwrap_or(u32::MAX);
    Some(match name {
        "exponential" => {
            let factor = record.number("factor", 2.0, report);
            BucketSpec::Exponential { start, factor, count }
        }
        _ => BucketSpec::Linear { start, width: record.number("width", 1.0, report), count },
    })
}

fn native(node: &Node, path: &Path, report: &mut Report) -> Option<NativeSpec> {
    let record = Record::open(node, &tables::NATIVE, path, report)?;
    let schema = record.read("schema", report, values::integer).unwrap_or(NATIVE_SCHEMA);
    Some(NativeSpec {
        // What does not fit is out of range for whoever checks it, too.
        schema: i8::try_from(schema).unwrap_or(i8::MAX),
        zero_threshold: record.number("zero_threshold", ZERO_THRESHOLD, report),
    })
}

fn resets(node: &Node, path: &Path, report: &mut Report) -> Option<Vec<ResetSpec>> {
    list(node, "resets", path, report, |node, path, report| {
        let (shape, record) = Record::choose(node, tables::RESETS, "a reset", path, report)?;
        Some(match shape.key() {
            "at" => ResetSpec::At(record.read("at", report, values::time_ms)?),
            "every" => ResetSpec::Every(record.duration_ms("every", 1, report)),
            _ => ResetSpec::PerHour(record.number("per_hour", 0.0, report)),
        })
    })
}

fn numbers(node: &Node, path: &Path, report: &mut Report) -> Option<Vec<f64>> {
    list(node, "numbers", path, report, values::number)
}

fn texts(node: &Node, path: &Path, report: &mut Report) -> Option<Vec<String>> {
    list(node, "texts", path, report, values::text)
}

/// Names and values.
pub(super) fn labels(
    node: &Node,
    path: &Path,
    report: &mut Report,
) -> Option<Vec<(String, String)>> {
    let entries = decode::fields(node, "a map of labels", path, report)?;
    let pairs = entries.into_iter().filter_map(|entry| {
        let value = values::text(entry.value, &path.field(&entry.name), report)?;
        Some((entry.name, value))
    });
    Some(pairs.collect())
}

fn dimensions(node: &Node, path: &Path, report: &mut Report) -> Option<Vec<DimensionSpec>> {
    let entries = decode::fields(node, "a map of labels", path, report)?;
    let dimensions = entries
        .into_iter()
        .filter_map(|entry| dimension(entry.value, entry.name.clone(), path, report));
    Some(dimensions.collect())
}

fn dimension(
    node: &Node,
    label: String,
    path: &Path,
    report: &mut Report,
) -> Option<DimensionSpec> {
    let path = path.field(&label);
    if matches!(node.kind, Kind::List(_)) {
        let values = ValuesSpec::List(texts(node, &path, report)?);
        return Some(DimensionSpec { label, values, weights: None, of: None, per_target: false });
    }
    let (shape, record) =
        Record::choose(node, tables::DIMENSIONS, "a list or a map of values", &path, report)?;
    let count = |report: &mut Report| record.whole("count", 1, report);
    let values = match shape.key() {
        "list" => listed(&record, report)?,
        "range" => range(&record, report)?,
        "template" => {
            let template = record.text("template", report);
            if !record.has("count") && !record.has("of") {
                report.error(record.at, &path, "the field \"count\" is missing");
            }
            ValuesSpec::Template { template, count: record.whole("count", 0, report) }
        }
        _ => {
            let (node, path) = record.get("zipf")?;
            let pool = Record::open(node, &tables::ZIPF, &path, report)?;
            ValuesSpec::Zipf {
                template: pool.text("template", report),
                pool: pool.whole("pool", 1, report),
                exponent: pool.number("exponent", 1.0, report),
                count: count(report),
            }
        }
    };
    let per = |node: &Node, path: &Path, report: &mut Report| {
        values::word(node, &["target"], path, report)
    };
    Some(DimensionSpec {
        label,
        values,
        weights: record.read("weights", report, numbers),
        of: record.read("of", report, values::text),
        per_target: record.read("per", report, per).is_some(),
    })
}

/// The first `count` values of a list, or all.
fn listed(record: &Record<'_>, report: &mut Report) -> Option<ValuesSpec> {
    let mut values = record.read("list", report, texts)?;
    if let Some(count) = record.read("count", report, values::whole) {
        match usize::try_from(count) {
            Ok(count) if count <= values.len() => values.truncate(count),
            _ => {
                let message = format!("the list has {} values, not {count}", values.len());
                report.error(record.at, &record.path.field("count"), message);
            }
        }
    }
    Some(ValuesSpec::List(values))
}

fn range(record: &Record<'_>, report: &mut Report) -> Option<ValuesSpec> {
    let (node, path) = record.get("range")?;
    let ends = list(node, "two whole numbers", &path, report, values::integer)?;
    if let [first, last] = ends.as_slice() {
        return Some(ValuesSpec::Range(*first, *last));
    }
    report.error(node.at, &path, "a range has two ends: [first, last]");
    None
}

fn churns(node: &Node, path: &Path, report: &mut Report) -> Option<Vec<ChurnSpec>> {
    match node.kind {
        Kind::List(_) => list(node, "kinds of churn", path, report, churn),
        _ => churn(node, path, report).map(|churn| vec![churn]),
    }
}

fn churn(node: &Node, path: &Path, report: &mut Report) -> Option<ChurnSpec> {
    let (chosen, record) =
        Record::choose(node, tables::CHURNS, "a map of what comes and goes", path, report)?;
    if chosen.key() == "share" {
        return Some(ChurnSpec::Share {
            share: record.number("share", 0.0, report),
            every_ms: record.duration_ms("every", 1, report),
            label: record.read("label", report, values::text),
        });
    }
    let (node, path) = record.get(chosen.key())?;
    let open = |shape: &Shape, report: &mut Report| Record::open(node, shape, &path, report);
    Some(match chosen.key() {
        "rollout" => {
            let record = open(&tables::ROLLOUT, report)?;
            ChurnSpec::Rollout {
                label: record.text("label", report),
                every_ms: record.duration_ms("every", 1, report),
                over_ms: record.read("over", report, values::any_duration_ms).unwrap_or(0),
            }
        }
        "explosion" => {
            let record = open(&tables::EXPLOSION, report)?;
            ChurnSpec::Explosion {
                at_ms: record.read("at", report, values::time_ms).unwrap_or(0),
                for_ms: record.duration_ms("for", 1, report),
                factor: record.whole("factor", 1, report),
                label: record.text("label", report),
            }
        }
        kind => {
            let outage = open(&tables::OUTAGE, report)?;
            let share = outage.number("share", 0.0, report);
            let every_ms = outage.duration_ms("every", 1, report);
            match kind {
                "flap" => ChurnSpec::Flap { share, every_ms },
                _ => ChurnSpec::Missing { share, every_ms },
            }
        }
    })
}

fn exemplars(node: &Node, path: &Path, report: &mut Report) -> Option<ExemplarSpec> {
    let record = Record::open(node, &tables::EXEMPLARS, path, report)?;
    let digits = |node: &Node, path: &Path, report: &mut Report| {
        let entries = decode::fields(node, "a map of labels", path, report)?;
        let labels = entries.into_iter().filter_map(|entry| {
            let digits = values::whole(entry.value, &path.field(&entry.name), report)?;
            Some((entry.name, u32::try_from(digits).unwrap_or(u32::MAX)))
        });
        Some(labels.collect())
    };
    Some(ExemplarSpec {
        labels: record.read("labels", report, digits).unwrap_or_default(),
        share: record.number("share", 1.0, report),
    })
}
