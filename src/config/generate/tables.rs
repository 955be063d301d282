//! The shapes of a generator's file.

use crate::config::generate::shape::Field;
use crate::config::generate::shape::Shape;
use crate::config::generate::shape::Type;
use crate::config::generate::shape::Type::AnyDuration;
use crate::config::generate::shape::Type::Bool;
use crate::config::generate::shape::Type::Choice;
use crate::config::generate::shape::Type::Distribution;
use crate::config::generate::shape::Type::Duration;
use crate::config::generate::shape::Type::Either;
use crate::config::generate::shape::Type::Extent;
use crate::config::generate::shape::Type::Integer;
use crate::config::generate::shape::Type::List;
use crate::config::generate::shape::Type::Map;
use crate::config::generate::shape::Type::Number;
use crate::config::generate::shape::Type::Object;
use crate::config::generate::shape::Type::OneOf;
use crate::config::generate::shape::Type::Sample;
use crate::config::generate::shape::Type::Scalar;
use crate::config::generate::shape::Type::Signal;
use crate::config::generate::shape::Type::Text;
use crate::config::generate::shape::Type::Time;
use crate::config::generate::shape::Type::Value;
use crate::config::generate::shape::Type::Whole;
use crate::config::generate::shape::Type::Word;

/// A field that may be left out. Only as a macro: what a function is given does not live on.
macro_rules! may {
    ($name:expr, $holds:expr, $about:expr $(,)?) => {
        Field { name: $name, required: false, holds: $holds, about: $about }
    };
}
/// A field that has to be there.
macro_rules! must {
    ($name:expr, $holds:expr, $about:expr $(,)?) => {
        Field { name: $name, required: true, holds: $holds, about: $about }
    };
}

/// A file of today's shape, or of the older one.
pub(super) static ANY_FILE: Type = Choice(&[&FILE, &seed::FILE]);

/// A whole file.
pub(super) static FILE: Shape = Shape {
    name: "file",
    fields: &[&[
        must!("families", List(&Type::ByWord(FAMILIES)), "Metric families, in order."),
        may!("seed", Whole, "What makes two generators of one file differ; default 0."),
        may!("start", Time, "Time 0 of every signal; default 1970-01-01T00:00:00Z."),
        may!("interval", Duration, "How long a point of a discrete signal lasts; default 15s."),
        may!("parameters", Map(&Scalar), "Values for ${name} and ${a * b}; --set changes them."),
        may!("targets", Whole, "Virtual targets at /targets/N/metrics; default 1."),
        may!("constant_labels", Map(&Text), "Labels on every series."),
    ]],
    needs: &[],
};

const COMMON: &[Field] = &[
    must!("name", Text, "The name, as on sample lines: with _total if a counter has it."),
    may!("help", Text, "The HELP text."),
    may!("unit", Text, "The UNIT of OpenMetrics."),
    may!(
        "labels",
        Map(&Either(&[List(&Text), Choice(DIMENSIONS)])),
        "Labels and their values; the series are their product, the last varies fastest.",
    ),
    may!("keep", Number, "The share of the product that exists; default 1."),
    may!(
        "churn",
        Either(&[Choice(CHURNS), List(&Choice(CHURNS))]),
        "What comes and goes; one or a list.",
    ),
    may!("spread", Number, "Series differ by a factor from 1 - spread to 1 + spread; default 0."),
    may!("exemplars", Object(&EXEMPLARS), "Exemplars on counters and buckets (OpenMetrics)."),
];

const COUNTER: &[Field] = &[
    may!("rate", Signal, "Units a second; the counter is its integral."),
    may!("value", Signal, "The counter's own values, instead of a rate."),
    may!("end", END, "What follows when `value` has ended; default stale."),
    may!("resets", List(&Choice(RESETS)), "When it starts again at 0."),
    may!("integers", Bool, "Whether it is rounded down; default false."),
];

const GAUGE: &[Field] = &[
    may!("value", Signal, "The values."),
    may!("end", END, "What follows when the signal has ended; default stale."),
];

const OBSERVED: &[Field] = &[
    may!("rate", Signal, "Observations a second; default 1."),
    may!("distribution", Distribution, "Of the observed values."),
    may!("resets", List(&Choice(RESETS)), "When it starts again at 0."),
    may!("integers", Bool, "Whether counts are whole numbers; default true."),
];

const BUCKETED: &[Field] = &[
    may!(
        "buckets",
        Either(&[List(&Number), OneOf(&BUCKETS)]),
        "Upper bounds; +Inf is implied. Default: those of client_golang, or none beside `native`.",
    ),
    may!("native", Object(&NATIVE), "Native buckets, for outputs that carry them."),
];

const QUANTILES: &[Field] = &[may!("quantiles", List(&Number), "Default 0.5, 0.9, 0.99.")];

const WINDOW: &[Field] = &[may!("window", Duration, "How far back observations count.")];

const STATES: &[Field] = &[
    may!("states", List(&Text), "One series a state, of which one is 1 at a time."),
    may!("every", Duration, "How long a state lasts; default 1h."),
];

const LABELS: &[Field] = &[must!("labels", Map(&Text), "The labels of this one series.")];

/// The families by the word under `type`.
pub(super) static FAMILIES: &[&Shape] = &[
    &COUNTER_FAMILY,
    &GAUGE_FAMILY,
    &UNKNOWN_FAMILY,
    &HISTOGRAM_FAMILY,
    &GAUGE_HISTOGRAM_FAMILY,
    &SUMMARY_FAMILY,
    &INFO_FAMILY,
    &STATE_SET_FAMILY,
];

/// A family shape and the shape of the series one may list in it.
macro_rules! family {
    ($family:ident, $series:ident, $word:literal, $name:literal, [$($needs:literal),+], $($data:ident),*) => {
        static $family: Shape = Shape {
            name: $name,
            fields: &[
                &[must!("type", Word(&[$word]), "The metric type.")],
                COMMON,
                $($data,)*
                &[may!("series", List(&Object(&$series)), "Series with data of their own.")],
            ],
            needs: &[$($needs,)+ "series"],
        };
        /// One series of such a family.
        static $series: Shape = Shape {
            name: concat!("series of a ", $word),
            fields: &[LABELS, $($data,)*],
            needs: &[$($needs),+],
        };
    };
}

family!(COUNTER_FAMILY, COUNTER_SERIES, "counter", "a counter", ["rate", "value"], COUNTER);
family!(GAUGE_FAMILY, GAUGE_SERIES, "gauge", "a gauge", ["value"], GAUGE);
family!(UNKNOWN_FAMILY, UNKNOWN_SERIES, "unknown", "an unknown", ["value"], GAUGE);
family!(
    HISTOGRAM_FAMILY,
    HISTOGRAM_SERIES,
    "histogram",
    "a histogram",
    ["distribution"],
    OBSERVED,
    BUCKETED
);
family!(
    GAUGE_HISTOGRAM_FAMILY,
    GAUGE_HISTOGRAM_SERIES,
    "gaugehistogram",
    "a gaugehistogram",
    ["distribution"],
    OBSERVED,
    BUCKETED,
    WINDOW
);
family!(
    SUMMARY_FAMILY,
    SUMMARY_SERIES,
    "summary",
    "a summary",
    ["distribution"],
    OBSERVED,
    QUANTILES
);
static INFO_FAMILY: Shape = Shape {
    name: "an info",
    fields: &[
        &[must!("type", Word(&["info"]), "The metric type.")],
        COMMON,
        &[may!("series", List(&Object(&INFO_SERIES)), "Series of its own.")],
    ],
    needs: &[],
};
static INFO_SERIES: Shape = Shape { name: "series of an info", fields: &[LABELS], needs: &[] };
family!(STATE_SET_FAMILY, STATE_SET_SERIES, "stateset", "a stateset", ["states"], STATES);

/// What follows when a signal has ended.
pub(super) const END_WORDS: &[&str] = &["loop", "last", "missing", "stale"];
const END: Type = Either(&[Word(END_WORDS), Object(&END_VALUE)]);
/// `end: {value: 0}`.
pub(super) static END_VALUE: Shape = Shape {
    name: "an end",
    fields: &[&[must!("value", Value, "This value for ever.")]],
    needs: &[],
};

const DIMENSION: &[Field] = &[
    may!("weights", List(&Number), "As many as values: they scale the rate or value of a series."),
    may!("of", Text, "Another label, whose value decides this one; adds no series."),
    may!("per", Word(&["target"]), "Values differ between targets."),
];

/// The ways to give the values of a label.
pub(super) static DIMENSIONS: &[&Shape] = &[
    &Shape {
        name: "a list of values",
        fields: &[
            &[
                must!("list", List(&Text), "The values."),
                may!("count", Whole, "How many of them, from the first; default all."),
            ],
            DIMENSION,
        ],
        needs: &[],
    },
    &Shape {
        name: "a range of values",
        fields: &[
            &[must!("range", List(&Integer), "First and last value, both included.")],
            DIMENSION,
        ],
        needs: &[],
    },
    &Shape {
        name: "values from a template",
        fields: &[
            &[
                must!("template", Text, "Text with {n} or {n:03}, numbered from 0, or {hash}."),
                may!(
                    "count",
                    Whole,
                    "How many values; without it, beside `of`, as many as are asked for."
                ),
            ],
            DIMENSION,
        ],
        needs: &[],
    },
    &Shape {
        name: "values by Zipf's law",
        fields: &[
            &[
                must!("zipf", Object(&ZIPF), "The pool they are drawn from."),
                must!("count", Whole, "How many values at a time."),
            ],
            DIMENSION,
        ],
        needs: &[],
    },
];

/// A pool of values.
pub(super) static ZIPF: Shape = Shape {
    name: "a pool",
    fields: &[&[
        must!("template", Text, "Text with {n} or {n:03}, numbered from 0, or {hash}."),
        must!("pool", Whole, "How many values there might be."),
        may!("exponent", Number, "Of Zipf's law; default 1."),
    ]],
    needs: &[],
};

/// The kinds of churn.
pub(super) static CHURNS: &[&Shape] = &[
    &Shape {
        name: "a share of churn",
        fields: &[&[
            must!("share", Number, "The share of the series that is replaced."),
            must!("every", Duration, "How often."),
            may!("label", Text, "Which carries the generation; default: the first template."),
        ]],
        needs: &[],
    },
    &Shape {
        name: "a rollout of churn",
        fields: &[&[must!("rollout", Object(&ROLLOUT), "All values of a label are replaced.")]],
        needs: &[],
    },
    &Shape {
        name: "an explosion of churn",
        fields: &[&[must!("explosion", Object(&EXPLOSION), "Many more series for a while.")]],
        needs: &[],
    },
    &Shape {
        name: "a flap of churn",
        fields: &[&[must!("flap", Object(&OUTAGE), "Series are gone now and then.")]],
        needs: &[],
    },
    &Shape {
        name: "missing scrapes",
        fields: &[&[must!("missing", Object(&OUTAGE), "Whole scrapes fail now and then.")]],
        needs: &[],
    },
];

/// A rollout.
pub(super) static ROLLOUT: Shape = Shape {
    name: "a rollout",
    fields: &[&[
        must!("label", Text, "Which carries the generation."),
        must!("every", Duration, "How often."),
        may!("over", AnyDuration, "How long it takes; default 0: at once."),
    ]],
    needs: &[],
};

/// A cardinality explosion.
pub(super) static EXPLOSION: Shape = Shape {
    name: "an explosion",
    fields: &[&[
        must!("at", Time, "From when."),
        must!("for", Duration, "For how long."),
        must!("factor", Whole, "How many times as many series."),
        must!("label", Text, "Which explodes."),
    ]],
    needs: &[],
};

/// Times without data.
pub(super) static OUTAGE: Shape = Shape {
    name: "an outage",
    fields: &[&[
        must!("share", Number, "The share of the time, from 0 to 1."),
        must!("every", Duration, "How long one outage lasts."),
    ]],
    needs: &[],
};

/// The kinds of resets.
pub(super) static RESETS: &[&Shape] = &[
    &Shape { name: "a reset at a time", fields: &[&[must!("at", Time, "Once.")]], needs: &[] },
    &Shape {
        name: "a regular reset",
        fields: &[&[must!("every", Duration, "Again and again, counted from the start.")]],
        needs: &[],
    },
    &Shape {
        name: "a random reset",
        fields: &[&[must!("per_hour", Number, "The probability for each hour.")]],
        needs: &[],
    },
];

/// Exemplars.
pub(super) static EXEMPLARS: Shape = Shape {
    name: "exemplars",
    fields: &[&[
        must!("labels", Map(&Whole), "Label names, and hexadecimal digits of each value."),
        may!("share", Number, "The share of the lines that carry one; default 1."),
    ]],
    needs: &[],
};

/// Bounds of buckets by rule.
pub(super) static BUCKETS: Shape = Shape {
    name: "buckets",
    fields: &[&[
        may!("exponential", Object(&EXPONENTIAL_BUCKETS), "Each bound a multiple of the last."),
        may!("linear", Object(&LINEAR_BUCKETS), "Bounds at equal distances."),
    ]],
    needs: &[],
};

/// `start`, `start * factor`, …
pub(super) static EXPONENTIAL_BUCKETS: Shape = Shape {
    name: "exponential buckets",
    fields: &[&[
        must!("start", Number, "The first bound, above 0."),
        must!("factor", Number, "Above 1."),
        must!("count", Whole, "How many."),
    ]],
    needs: &[],
};

/// `start`, `start + width`, …
pub(super) static LINEAR_BUCKETS: Shape = Shape {
    name: "linear buckets",
    fields: &[&[
        must!("start", Number, "The first bound."),
        must!("width", Number, "Above 0."),
        must!("count", Whole, "How many."),
    ]],
    needs: &[],
};

/// Native buckets.
pub(super) static NATIVE: Shape = Shape {
    name: "native buckets",
    fields: &[&[
        may!("schema", Integer, "From -4 to 8; default 3."),
        may!("zero_threshold", Number, "Default 2^-128."),
    ]],
    needs: &[],
};

/// Distributions, by name.
pub(super) static DISTRIBUTION: Shape =
    Shape { name: "a distribution", fields: &[DISTRIBUTIONS, DRIFTING], needs: &[] };

const DISTRIBUTIONS: &[Field] = &[
    may!("uniform", Object(&UNIFORM), "Every value alike."),
    may!("exponential", Object(&EXPONENTIAL), "Waiting times."),
    may!("normal", Object(&NORMAL), "The bell."),
    may!("lognormal", Object(&LOG_NORMAL), "Latencies."),
    may!("pareto", Object(&PARETO), "Sizes: a heavy tail."),
    may!("mixture", List(&Object(&MIXTURE_PART)), "Several at once."),
];
const DRIFTING: &[Field] = &[may!("drift", Object(&DRIFT), "One that turns into another.")];

/// Parameters of a distribution.
macro_rules! distribution {
    ($shape:ident, $name:literal, $($field:expr),*) => {
        /// Parameters of a distribution.
        pub(super) static $shape: Shape =
            Shape { name: $name, fields: &[&[$($field),*]], needs: &[] };
    };
}
distribution!(
    UNIFORM,
    "a uniform distribution",
    must!("min", Number, "The least value."),
    must!("max", Number, "Above `min`.")
);
distribution!(EXPONENTIAL, "an exponential distribution", must!("mean", Number, "Above 0."));
distribution!(
    NORMAL,
    "a normal distribution",
    must!("mean", Number, "The middle."),
    must!("stddev", Number, "Above 0.")
);
distribution!(
    LOG_NORMAL,
    "a lognormal distribution",
    must!("mu", Number, "The logarithm of the median."),
    must!("sigma", Number, "The logarithm's standard deviation, above 0.")
);
distribution!(
    PARETO,
    "a pareto distribution",
    must!("scale", Number, "The least value, above 0."),
    must!("shape", Number, "Above 1.")
);
distribution!(
    MIXTURE_PART,
    "a part of a mixture",
    must!("weight", Number, "Above 0."),
    must!("distribution", Distribution, "What this part looks like.")
);
distribution!(
    DRIFT,
    "a drift",
    must!("from", Distribution, "At share 0."),
    must!("to", Distribution, "At share 1."),
    must!("share", Signal, "The share of observations that follow `to`.")
);

/// Signals, by name.
pub(super) static SIGNAL: Shape = Shape {
    name: "a signal",
    fields: &[&[
        may!("const", Value, "The same value for ever; a bare number is short for it."),
        may!("linear", Object(&LINEAR), "From one value to another, then the end."),
        may!("ramp", Object(&WAY), "From one value to another, which it keeps."),
        may!("sawtooth", Object(&WAVE), "Up, then back at once."),
        may!("triangle", Object(&WAVE), "Up and down."),
        may!("square", Object(&SQUARE), "High, then low."),
        may!("sine", Object(&SINE), "mean + amplitude * sin(2π t / period)."),
        may!("cosine", Object(&SINE), "mean + amplitude * cos(2π t / period)."),
        may!("tangent", Object(&TANGENT), "mean + amplitude * tan(π t / period), clamped."),
        may!("exponential", Object(&WAY), "By equal factors, then the end."),
        may!("logarithm", Object(&WAY), "Fast at first, then slower, then the end."),
        may!("steps", List(&Object(&STEP)), "Each value for its own while, then the end."),
        may!(
            "values",
            Either(&[List(&Sample), Object(&VALUES)]),
            "One value after another, null for a missing one, then the end.",
        ),
        may!("csv", Choice(CSVS), "The same from a column of a CSV."),
        may!("noise", Object(&NOISE), "Independent values, one a cell of time."),
        may!("random_walk", Object(&RANDOM_WALK), "Steps up and down."),
        may!("diurnal", Object(&DIURNAL), "A day."),
        may!("weekly", Object(&WEEKLY), "A week."),
        may!("notation", Text, "promtool's series notation: 0+10x100 _x5 stale."),
        may!("void", Extent, "Nothing for a while."),
        may!("join", List(&Signal), "One after the other."),
        may!("loop", Object(&LOOP), "The same again and again."),
        may!("add", List(&Signal), "All added up; missing where one is."),
        may!("sub", List(&Signal), "The first less the others."),
        may!("mul", List(&Signal), "All multiplied."),
        may!("div", List(&Signal), "The first divided by the others."),
        may!("mod", List(&Signal), "The remainder."),
        may!("pow", List(&Signal), "The first to the power of the next."),
        may!("min", List(&Signal), "The least."),
        may!("max", List(&Signal), "The greatest."),
        may!("sum", List(&Signal), "Those that are there added up."),
        may!("clamp", Object(&CLAMP), "Kept between two bounds."),
        may!("delay", Object(&DELAY), "Later."),
        may!("scale", Object(&SCALE), "Multiplied by a number."),
        may!("take", Object(&TAKE), "Its beginning, then the end: the way to end waves and noise."),
        may!("quantise", Object(&QUANTISE), "Rounded to multiples."),
    ]],
    needs: &[],
};

const OVER: &[Field] = &[
    may!("over", Extent, "How long it takes, or how many points."),
    may!("points", Whole, "How many points, instead of `over`."),
];
const FROM_TO: &[Field] =
    &[must!("from", Number, "At the beginning."), must!("to", Number, "At the end.")];
const LOW_HIGH: &[Field] = &[
    may!("low", Number, "Default 0."),
    may!("high", Number, "Default 1."),
    must!("period", Extent, "How long it takes, or how many points."),
];
const SINE_FIELDS: &[Field] = &[
    may!("mean", Number, "The middle; default 0."),
    may!("amplitude", Number, "Half the height; default 1."),
    must!("period", Extent, "How long it takes, or how many points."),
];
const EVERY: &[Field] =
    &[may!("every", Extent, "How long one lasts, or how many points; default one point.")];
const OF: &[Field] = &[must!("signal", Signal, "Of what.")];
const DAY: &[Field] = &[
    may!("low", Number, "By night; default 0."),
    may!("high", Number, "At the peak; default 1."),
    may!("peak", AnyDuration, "From midnight UTC; default 14h."),
];

/// Parameters of a signal.
macro_rules! signal {
    ($shape:ident, $name:literal, $needs:expr, $($group:expr),*) => {
        /// Parameters of a signal.
        pub(in crate::config::generate) static $shape: Shape = Shape { name: $name, fields: &[$($group),*], needs: $needs };
    };
}
signal!(
    LINEAR,
    "linear",
    &["over", "points"],
    FROM_TO,
    OVER,
    &[
        may!("left_open", Bool, "Whether the first instant is left out."),
        may!("right_open", Bool, "Whether the last instant is left out."),
    ]
);
signal!(WAY, "a way", &["over", "points"], FROM_TO, OVER);
signal!(WAVE, "a wave", &[], LOW_HIGH);
signal!(
    SQUARE,
    "a square wave",
    &[],
    LOW_HIGH,
    &[may!("duty", Number, "The share of the period it is high; default 0.5.")]
);
signal!(SINE, "a sine wave", &[], SINE_FIELDS);
signal!(
    TANGENT,
    "a tangent",
    &[],
    SINE_FIELDS,
    &[may!("clamp", Number, "The tangent is kept within ±clamp; default 10.")]
);
signal!(
    STEP,
    "a step",
    &[],
    &[must!("value", Value, "The value."), must!("for", Extent, "How long, or how many points."),]
);
signal!(
    VALUES,
    "values",
    &[],
    &[
        must!("list", List(&Sample), "The values."),
        may!("interpolate", Bool, "Straight ways from value to value; default false."),
    ],
    EVERY
);
signal!(
    NOISE,
    "noise",
    &["uniform", "exponential", "normal", "lognormal", "pareto", "mixture"],
    DISTRIBUTIONS,
    EVERY
);
signal!(
    RANDOM_WALK,
    "a random walk",
    &[],
    &[
        may!("start", Number, "Default: the middle of the bounds."),
        must!("step", Number, "How far it goes in one cell."),
        may!("min", Number, "The least value."),
        may!("max", Number, "The greatest value."),
    ],
    EVERY
);
signal!(DIURNAL, "a day", &[], DAY);
signal!(
    WEEKLY,
    "a week",
    &[],
    DAY,
    &[may!("weekend", Number, "The factor of Saturday and Sunday; default 0.5.")]
);
signal!(LOOP, "a loop", &[], OF, &[may!("times", Whole, "How often; for ever without it.")]);
signal!(
    CLAMP,
    "a clamp",
    &["min", "max"],
    OF,
    &[may!("min", Number, "The least value."), may!("max", Number, "The greatest value.")]
);
signal!(DELAY, "a delay", &[], OF, &[must!("by", Extent, "By how much.")]);
signal!(SCALE, "a scale", &[], OF, &[must!("by", Number, "The factor.")]);
signal!(TAKE, "a take", &["over", "points"], OF, OVER);
signal!(QUANTISE, "a quantise", &[], OF, &[must!("step", Number, "Above 0.")]);

const COLUMN: &[Field] =
    &[must!("column", Text, "Its name in the first line, or its number from 0.")];

/// Values from CSV.
pub(super) static CSVS: &[&Shape] = &[
    &Shape {
        name: "a CSV",
        fields: &[&[must!("text", Text, "The CSV itself.")], COLUMN, EVERY],
        needs: &[],
    },
    &Shape {
        name: "a CSV file",
        fields: &[
            &[must!("file", Text, "A file beside this one; read at the start.")],
            COLUMN,
            EVERY,
        ],
        needs: &[],
    },
];

// Behind the macros it uses.
pub(super) mod seed;
