//! `weir generate learn`: a configuration from real scrapes.
//!
//! A body goes in; what comes out is a file for `weir generate`, which says in comments what could
//! not be kept.

use crate::app::analyze::Fetched;
use crate::app::exit::Exit;
use crate::app::generate::one;
use crate::app::generate::printed;
use crate::app::serve::Failure;
use crate::generate::learn::ASSUMED_SECONDS;
use crate::generate::learn::Second;
use crate::generate::learn::learn;
use crate::model::Format;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::time::Duration;

/// Bytes of a scrape that is learned from; it is held whole.
const BODY_BYTES_MAX: u64 = 1 << 30;

/// What to learn from.
#[derive(Clone, Debug)]
pub struct Learn {
    /// A file or a URL.
    pub first: String,
    /// A later scrape of the same.
    pub second: Option<String>,
    /// How much later.
    pub after: Duration,
    /// The format of both; by default what the content type or the end of a file says.
    pub format: Option<Format>,
}

/// Read, learn, and print a configuration that at `now_ms` shows what was read.
///
/// # Errors
///
/// A scrape that cannot be had or read, or writing failed. A URL that is asked a second time is
/// asked `after` later.
pub fn run(
    options: &Learn,
    fetch: impl Fn(&str) -> io::Result<Fetched>,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (text, found) = body(&options.first, &fetch)?;
    let format = options.format.unwrap_or(found);
    let later = match &options.second {
        None => None,
        Some(second) => {
            if is_url(&options.first) && is_url(second) {
                std::thread::sleep(options.after);
            }
            Some(body(second, &fetch)?.0)
        }
    };
    let second =
        later.as_deref().map(|text| Second { text, after_seconds: options.after.as_secs_f64() });
    let learned = learn(&text, second, format).map_err(|error| {
        let exit = Exit::Failure;
        Failure { exit, lines: vec![format!("{:?} is no exposition: {error}", options.first)] }
    })?;
    // Counters that were seen once are taken to have counted for so long.
    let counted = Duration::from_secs_f64(ASSUMED_SECONDS);
    let start_ms = now_ms - i64::try_from(counted.as_millis()).unwrap_or(0);
    printed(out.write_all(learned.yaml(start_ms).as_bytes()))
}

fn is_url(input: &str) -> bool {
    input.starts_with("http://") || input.starts_with("https://")
}

fn body(
    input: &str,
    fetch: impl Fn(&str) -> io::Result<Fetched>,
) -> Result<(Vec<u8>, Format), Failure> {
    let unreadable = |e: io::Error| {
        let lines = vec![format!("cannot read {}: {e}", crate::app::options::shown(input))];
        Failure { exit: Exit::Failure, lines }
    };
    let (format, reader): (Option<Format>, Box<dyn Read>) = if is_url(input) {
        let Fetched { format, body } = fetch(input).map_err(unreadable)?;
        (Some(format), body)
    } else {
        (None, Box::new(File::open(input).map_err(unreadable)?))
    };
    let mut text = Vec::new();
    reader.take(BODY_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > BODY_BYTES_MAX {
        return Err(one(&format!("{input:?} is larger than {BODY_BYTES_MAX} bytes")));
    }
    let is_open_metrics = text.trim_ascii_end().ends_with(b"# EOF");
    let by_end = if is_open_metrics { Format::OpenMetrics } else { Format::Text };
    Ok((text, format.unwrap_or(by_end)))
}
