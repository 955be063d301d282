//! Log lines on standard error: logfmt, or JSON for machines.
//!
//! logfmt is `ts=… level=info msg="…" key=value …`, as metric-gate and Prometheus write it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// `key=value`.
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// Set logging up for the whole process.
///
/// A level that is not known logs at `info` and says so: metric-gate accepts any text, and a gate
/// that does not start is worse than one that logs too much.
pub fn init(format: LogFormat, level: &str) {
    let known = LevelFilter::from_str(level).ok().filter(|_| !level.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_max_level(known.unwrap_or(LevelFilter::INFO))
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Logfmt => builder.event_format(Logfmt).init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_target(false).with_current_span(false).init();
        }
    }
    if known.is_none() {
        tracing::warn!(level, "Unknown log level, using info: known are debug, info, warn, error.");
    }
}

/// Formats events as logfmt.
#[derive(Clone, Copy, Debug)]
struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        out.write_str("ts=")?;
        SystemTime.format_time(&mut out)?;
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut line = Line::default();
        event.record(&mut line);
        writeln!(out, " level={level} msg={}{}", quoted(&line.message), line.fields)
    }
}

/// One event: the sentence, and ` key=value` for each field.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn add(&mut self, name: &str, text: &str) {
        if name == "message" {
            text.clone_into(&mut self.message);
            return;
        }
        for part in [" ", name, "=", &quoted(text)] {
            self.fields.push_str(part);
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}"));
    }
}

/// A value, in quotes where it needs them. No line break ever gets through.
fn quoted(text: &str) -> Cow<'_, str> {
    let is_bare = |c: char| !c.is_control() && !matches!(c, ' ' | '=' | '"');
    if !text.is_empty() && text.chars().all(is_bare) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn events_are_one_logfmt_line_each() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .event_format(Logfmt)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(port = 8080, url = "a b", odd = %"x\ny", empty = "", "Two words.");
        });
        let line = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let (ts, rest) = line.split_once(' ').unwrap();
        assert!(ts.starts_with("ts=2"), "{line}");
        assert_eq!(
            rest,
            "level=warn msg=\"Two words.\" port=8080 url=\"a b\" odd=\"x\\ny\" empty=\"\"\n"
        );
    }
}
