//! The shapes of the seed's files: `metrics`, `timeseries`, `data`.

use crate::config::generate::shape::Field;
use crate::config::generate::shape::Shape;
use crate::config::generate::shape::Type::Duration;
use crate::config::generate::shape::Type::Either;
use crate::config::generate::shape::Type::List;
use crate::config::generate::shape::Type::Map;
use crate::config::generate::shape::Type::Number;
use crate::config::generate::shape::Type::Object;
use crate::config::generate::shape::Type::Sample;
use crate::config::generate::shape::Type::SeedNode;
use crate::config::generate::shape::Type::Text;
use crate::config::generate::shape::Type::Time;
use crate::config::generate::shape::Type::Value;
use crate::config::generate::shape::Type::Whole;
use crate::config::generate::shape::Type::Word;

/// A whole file.
pub(in crate::config::generate) static FILE: Shape = Shape {
    name: "a file of the older shape",
    fields: &[&[
        must!("metrics", List(&Object(&METRIC)), "Metric families."),
        may!("remoteWriter", Object(&WRITER), "Where its interval and start come from."),
    ]],
    needs: &[],
};

/// Its `remoteWriter`.
pub(in crate::config::generate) static WRITER: Shape = Shape {
    name: "remoteWriter",
    fields: &[&[
        may!("host", Text, "A receiver; not used."),
        may!("scraper", Object(&SCRAPER), "Interval and start."),
    ]],
    needs: &[],
};

/// Its `scraper`.
pub(in crate::config::generate) static SCRAPER: Shape = Shape {
    name: "scraper",
    fields: &[&[
        may!("scrapeInterval", Duration, "How long a point lasts."),
        may!("startTime", Time, "The first sample."),
        may!("scrapesCount", Whole, "Not used: see --start and --end."),
    ]],
    needs: &[],
};

/// One of its `metrics`.
pub(in crate::config::generate) static METRIC: Shape = Shape {
    name: "a metric",
    fields: &[&[
        must!("name", Text, "The name."),
        may!("help", Text, "The HELP text."),
        must!("type", Word(&["counter", "gauge"]), "The metric type."),
        may!("labels", List(&Text), "The label names of each series."),
        must!("timeseries", List(&Object(&SERIES)), "The series."),
    ]],
    needs: &[],
};

/// The end strategies of the seed.
pub(in crate::config::generate) const ENDS: &[&str] =
    &["loop", "send_last_value", "send_custom_value", "remove_time_series"];

/// One of its `timeseries`.
pub(in crate::config::generate) static SERIES: Shape = Shape {
    name: "a time series",
    fields: &[&[
        may!("labels", Map(&Text), "A value for each label name."),
        may!("endStrategy", Word(ENDS), "What follows the data; default remove_time_series."),
        may!("endValue", Value, "For send_custom_value; default 0."),
        must!("data", List(&SeedNode), "One after the other."),
    ]],
    needs: &[],
};

/// A piece of `data`.
pub(in crate::config::generate) static NODE: Shape = Shape {
    name: "a node",
    fields: &[&[
        may!("LinearSegment", Object(&LINEAR), "From one value to another."),
        may!("CustomValues", Object(&VALUES), "One value after another."),
        may!("Random", Object(&RANDOM), "Uniform noise."),
        may!("Void", Object(&VOID), "Nothing."),
        may!("Join", Object(&JOIN), "One after the other."),
        may!("Loop", Object(&LOOP), "The same again and again."),
    ]],
    needs: &[],
};

const DATA: &[Field] =
    &[must!("data", Either(&[SeedNode, List(&SeedNode)]), "One node or a list.")];

signal!(
    LINEAR,
    "LinearSegment",
    &[],
    &[
        must!("iterationCount", Whole, "How many points."),
        must!("amplitudeStart", Number, "At the beginning."),
        must!("amplitudeEnd", Number, "At the end."),
    ]
);
signal!(VALUES, "CustomValues", &[], &[must!("values", List(&Sample), "The values.")]);
signal!(
    RANDOM,
    "Random",
    &[],
    &[
        must!("iterationCount", Whole, "How many points."),
        must!("amplitudeMin", Number, "The least value."),
        must!("amplitudeMax", Number, "Above it."),
    ]
);
signal!(VOID, "Void", &[], &[must!("count", Whole, "How many points.")]);
signal!(JOIN, "Join", &[], DATA);
signal!(LOOP, "Loop", &[], &[must!("count", Whole, "How often.")], DATA);
