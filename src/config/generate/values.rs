//! Values as a generator's file writes them: durations, instants, numbers, words.

use crate::config::decode::Path;
use crate::config::decode::Report;
use crate::config::nearest;
use crate::config::node::Node;
use crate::config::scalar::Scalar;
use crate::config::scalar::cut;

/// Units of a Prometheus duration, in milliseconds, in the order in which they have to stand.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Read a Prometheus duration (`1h30m`, `15s`, `250ms`) as milliseconds; `None` if it is none.
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total, mut units) = (text, 0_i64, UNITS.iter());
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, tail) = rest.split_at(digits_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        // Units come in order, each at most once: looking goes on behind the last one found.
        let (_, scale) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(digits.parse::<i64>().ok()?.checked_mul(*scale)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// Write milliseconds as a Prometheus duration.
pub fn write_duration_ms(mut ms: i64) -> String {
    if ms <= 0 {
        return "0".to_owned();
    }
    let mut text = String::new();
    for (unit, scale) in UNITS.iter().skip(2) {
        if ms >= *scale {
            text.extend([&(ms / scale).to_string(), *unit]);
            ms %= scale;
        }
    }
    text
}

/// Read an instant, RFC 3339 or seconds since the epoch, as milliseconds since the epoch.
pub fn parse_time_ms(text: &str) -> Option<i64> {
    parse_rfc3339_ms(text).or_else(|| parse_seconds_ms(text))
}

fn parse_seconds_ms(text: &str) -> Option<i64> {
    // Beyond this (the year 9999 and then some) it is milliseconds by mistake.
    const SECONDS_MAX: f64 = 1e11;
    let is_decimal = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let seconds: f64 = Some(text).filter(|text| text.chars().all(is_decimal))?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    (seconds.abs() <= SECONDS_MAX).then(|| (seconds * 1000.0).round() as i64)
}

/// `2026-01-01T00:00:00Z`, with fractions and offsets (RFC 3339, section 5.6); a bare date is
/// midnight UTC.
fn parse_rfc3339_ms(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00Z"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let offset_minutes = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, zone) => {
            let [hours, minutes] = numbers(zone, ':', [2, 2])?;
            let minutes = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
            if sign == "-" { -minutes } else { minutes }
        }
    };
    let is_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let millis: i64 = format!("{fraction:0<3}").get(..3).filter(|_| is_digits)?.parse().ok()?;
    let days = days_since_epoch(year, month, day)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + millis)
}

fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut out = [0; N];
    let mut parts = text.split(separator);
    for (number, width) in out.iter_mut().zip(widths) {
        let part = parts.next()?;
        let is_digits = part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_digits && part.len() == width)?;
    }
    parts.next().is_none().then_some(out)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` if there is no such date.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month - 1).ok().filter(|before| *before < 12)?;
    if day < 1 || day > lengths[before] {
        return None;
    }
    let years = year - 1;
    // Days before the year, counted from the (proleptic) year 1, less those before 1970.
    let days = years * 365 + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    Some(days - 719_162 + lengths[..before].iter().sum::<i64>() + day - 1)
}

/// Write an instant as RFC 3339 in UTC, with milliseconds only where there are any.
pub fn write_time_ms(time_ms: i64) -> String {
    let (seconds, millis) = (time_ms.div_euclid(1000), time_ms.rem_euclid(1000));
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The year is found from above: the estimate is never too low.
    let mut year = 1971 + days.div_euclid(365).max(days.div_euclid(366));
    while days_since_epoch(year, 1, 1).is_some_and(|first| first > days) {
        year -= 1;
    }
    let first = days_since_epoch(year, 1, 1).unwrap_or(days);
    let mut month = 12;
    while month > 1 && days_since_epoch(year, month, 1).is_none_or(|first| first > days) {
        month -= 1;
    }
    let day = days - days_since_epoch(year, month, 1).unwrap_or(first) + 1;
    let (hour, minute, second) =
        (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// A duration of at least a millisecond.
pub(super) fn duration_ms(node: &Node, path: &Path, report: &mut Report) -> Option<i64> {
    let ms = any_duration_ms(node, path, report)?;
    if ms > 0 {
        return Some(ms);
    }
    report.error(node.at, path, "the duration has to be positive");
    None
}

/// A duration, zero included.
pub(super) fn any_duration_ms(node: &Node, path: &Path, report: &mut Report) -> Option<i64> {
    let parsed = node.as_scalar().and_then(|scalar| parse_duration_ms(&scalar.text));
    if parsed.is_none() {
        let message = format!("{} is not a duration", shown(node));
        let remedy = Some("write for example 15s, 1h30m or 250ms".to_owned());
        report.error_with_remedy(node.at, path, message, remedy);
    }
    parsed
}

/// An instant.
pub(super) fn time_ms(node: &Node, path: &Path, report: &mut Report) -> Option<i64> {
    let parsed = node.as_scalar().and_then(|scalar| parse_time_ms(&scalar.text));
    if parsed.is_none() {
        let message = format!("{} is not a time", shown(node));
        let remedy = "write 2026-01-01T00:00:00Z or seconds since 1970".to_owned();
        report.error_with_remedy(node.at, path, message, Some(remedy));
    }
    parsed
}

/// A finite number.
pub(super) fn number(node: &Node, path: &Path, report: &mut Report) -> Option<f64> {
    let number = any_number(node, path, report)?;
    if number.is_finite() {
        return Some(number);
    }
    report.error(node.at, path, format!("{} is not finite", shown(node)));
    None
}

/// A number, infinities and NaN included, also in Prometheus' spelling.
pub(super) fn any_number(node: &Node, path: &Path, report: &mut Report) -> Option<f64> {
    let word = node.as_scalar().and_then(|scalar| match scalar.text.as_str() {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        _ => None,
    });
    let read = word.or_else(|| node.as_scalar().and_then(|scalar| scalar.float().ok()));
    if read.is_none() {
        report.error(node.at, path, format!("{} is not a number", shown(node)));
    }
    read
}

/// A whole number, not negative.
pub(super) fn whole(node: &Node, path: &Path, report: &mut Report) -> Option<u64> {
    let read = node.as_scalar().and_then(|scalar| scalar.unsigned().ok());
    if read.is_none() {
        let message = format!("{} is not a whole number of at least 0", shown(node));
        report.error(node.at, path, message);
    }
    read
}

/// A whole number, negative ones included.
pub(super) fn integer(node: &Node, path: &Path, report: &mut Report) -> Option<i64> {
    let read = node.as_scalar().and_then(Scalar::signed);
    if read.is_none() {
        report.error(node.at, path, format!("{} is not a whole number", shown(node)));
    }
    read
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node, path: &Path, report: &mut Report) -> Option<bool> {
    let read = node.as_scalar().and_then(Scalar::truth);
    if read.is_none() {
        report.error(node.at, path, format!("{} is neither true nor false", shown(node)));
    }
    read
}

/// One word of a few.
pub(super) fn word(
    node: &Node,
    words: &'static [&'static str],
    path: &Path,
    report: &mut Report,
) -> Option<&'static str> {
    let text = text(node, path, report)?;
    let known = words.iter().find(|word| **word == text);
    if known.is_none() {
        let remedy = nearest::remedy(&text, words);
        report.error_with_remedy(
            node.at,
            path,
            format!("unknown word {:?}", cut(&text)),
            Some(remedy),
        );
    }
    known.copied()
}

/// Text; a number or a word of YAML's own is text as it is written.
pub(super) fn text(node: &Node, path: &Path, report: &mut Report) -> Option<String> {
    if node.is_null() {
        report.error(node.at, path, "there is nothing where text is wanted");
        return None;
    }
    crate::config::decode::text(node, path, report)
}

fn shown(node: &Node) -> String {
    match node.as_scalar() {
        Some(scalar) => format!("{:?}", cut(&scalar.text)),
        None => format!("a {}", if node.describe() == "!!seq" { "list" } else { "map" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_prometheus() {
        for (text, ms) in [
            ("15s", 15_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1d", 86_400_000),
            ("1y1w1d1h1m1s1ms", 32_230_861_001),
            ("0", 0),
        ] {
            assert_eq!(parse_duration_ms(text), Some(ms), "{text}");
        }
        for text in ["", "15", "s", "1m1h", "1s1s", "-5s", "1.5h", "99999999999999999y", "5 s"] {
            assert_eq!(parse_duration_ms(text), None, "{text}");
        }
        for ms in [1, 999, 1000, 61_000, 86_400_000, 90_061_001] {
            assert_eq!(parse_duration_ms(&write_duration_ms(ms)), Some(ms));
        }
    }

    #[test]
    fn times_are_rfc_3339_or_seconds() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("2026-01-01", 1_767_225_600_000),
            ("2026-01-01T01:30:00+01:30", 1_767_225_600_000),
            ("2024-02-29T12:00:00.25Z", 1_709_208_000_250),
            ("1969-12-31T23:59:59Z", -1000),
            ("1767225600", 1_767_225_600_000),
            ("1.5", 1500),
        ] {
            assert_eq!(parse_time_ms(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "now",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "1767225600000",
            "2026-1-1",
            "NaN",
            "inf",
        ] {
            assert_eq!(parse_time_ms(text), None, "{text}");
        }
    }

    proptest::proptest! {
        /// An instant survives being written.
        #[test]
        fn times_survive_a_round_trip(ms in -62_135_596_800_000_i64..253_402_300_800_000) {
            proptest::prop_assert_eq!(parse_rfc3339_ms(&write_time_ms(ms)), Some(ms));
        }
    }
}
