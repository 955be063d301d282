//! Values as people write them on the command line: Go durations, sizes with units.

use clap::builder::{OsStringValueParser, TypedValueParser};
use std::path::PathBuf;
use std::time::Duration;

/// Units of Go's `time.ParseDuration`, in nanoseconds.
const DURATION_UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Go's longest, 292 years; moments so far ahead can still be reckoned with.
const DURATION_MAX: Duration = Duration::from_nanos(i64::MAX as u64);

/// As in the configuration file, `MB` is `MiB`.
const SIZE_UNITS: [(&str, u64); 14] = [
    ("", 1),
    ("B", 1),
    ("k", 1000),
    ("K", 1 << 10),
    ("KB", 1 << 10),
    ("KiB", 1 << 10),
    ("M", 1 << 20),
    ("MB", 1 << 20),
    ("MiB", 1 << 20),
    ("G", 1 << 30),
    ("GB", 1 << 30),
    ("GiB", 1 << 30),
    ("TB", 1 << 40),
    ("TiB", 1 << 40),
];

/// Take a path, an empty one too: with metric-gate that is no file.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Read a duration as Go does (`1m30s`, `500ms`); it has to be positive.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut nanos = 0.0;
    if rest.is_empty() {
        return Err("not a duration, write for example 15s, 1m30s or 500ms".to_owned());
    }
    while !rest.is_empty() && rest != "0" {
        let (number, unit, tail) = split_quantity(rest);
        let unit = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
        match (number.parse::<f64>(), unit) {
            (Ok(number), Some((_, scale))) => nanos += number * scale,
            (_, None) if !number.is_empty() => {
                return Err("the unit is missing or unknown, write for example 15s".to_owned());
            }
            _ => return Err("not a duration, write for example 15s, 1m30s or 500ms".to_owned()),
        }
        rest = tail;
    }
    let duration = Duration::try_from_secs_f64(nanos / 1e9)
        .ok()
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| "the duration is out of range".to_owned())?;
    if duration.is_zero() || text.starts_with('-') {
        return Err("the duration has to be positive".to_owned());
    }
    Ok(duration)
}

/// Split `1.5msrest` into number, unit and rest.
fn split_quantity(text: &str) -> (&str, &str, &str) {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let number_end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
    let (number, rest) = text.split_at(number_end);
    let unit_end = rest.find(is_digit).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    (number, unit, rest)
}

/// Read a number of things; it has to be positive.
pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "not a positive number".to_owned())
}

/// Read a number of bytes: `1048576`, `64KiB`, `1G`. It has to be positive.
pub(super) fn size<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let (number, unit, rest) = split_quantity(text);
    let unit = SIZE_UNITS.iter().find(|(name, _)| *name == unit.trim());
    let bytes = match (number.parse::<u64>(), unit) {
        (Ok(number), Some((_, scale))) if rest.is_empty() => number.checked_mul(*scale),
        _ => return Err("not a size, write for example 1048576, 64KiB or 1GiB".to_owned()),
    };
    let bytes = bytes.filter(|bytes| *bytes > 0).and_then(|bytes| N::try_from(bytes).ok());
    bytes.ok_or_else(|| "the size is zero or out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("15s", 15_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("1h0m0s", 3_600_000),
            ("+2s", 2_000),
            (".5s", 500),
            ("1500000us", 1500),
            ("2000µs", 2),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_durations_are_refused() {
        for text in [
            "",
            "0",
            "0s",
            "-5s",
            "15",
            "s",
            "5 s",
            "5x",
            "1m30",
            "five",
            "1e400s",
            "--",
            "1.2.3s",
            "2562048h",
            "5000000000000000h",
        ] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("1048576", 1 << 20),
            ("1MiB", 1 << 20),
            ("64K", 65_536),
            ("1GiB", 1 << 30),
            ("5B", 5),
            ("64MB", 64 << 20),
        ] {
            assert_eq!(size::<u64>(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "-1", "1.5GiB", "1XB", "99999999999TiB", "1K1K"] {
            assert!(size::<u64>(text).is_err(), "{text}");
        }
    }
}
