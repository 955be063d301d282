//! Durations, sizes, words and numbers, as Prometheus writes them in its files.

use super::super::decode;
use super::super::decode::Path;
use super::super::decode::Report;
use super::super::nearest;
use super::super::node::Node;
use super::super::scalar::cut;
use std::time::Duration;

/// Units of a duration, the largest first, in milliseconds.
const DURATION_UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];
/// Go counts nanoseconds in a signed word; nothing longer can be written in a Prometheus file.
const MILLIS_MAX: u64 = 9_223_372_036_854;
const SIZE_UNITS: [(&str, u32); 7] =
    [("B", 0), ("KB", 10), ("MB", 20), ("GB", 30), ("TB", 40), ("PB", 50), ("EB", 60)];

/// A duration that is longer than nothing.
pub(super) fn duration(node: &Node, path: &Path, report: &mut Report) -> Option<Duration> {
    let duration = duration_or_zero(node, path, report)?;
    if duration.is_zero() {
        report.error(node.at, path, "the duration has to be positive");
        return None;
    }
    Some(duration)
}

/// A duration, which may be 0.
pub(super) fn duration_or_zero(node: &Node, path: &Path, report: &mut Report) -> Option<Duration> {
    let text = decode::text(node, path, report)?;
    match read_duration(&text) {
        Ok(duration) => Some(duration),
        Err(message) => {
            report.error(node.at, path, message);
            None
        }
    }
}

/// Read a duration as Prometheus does: units from large to small, each once, whole numbers.
pub(super) fn read_duration(text: &str) -> Result<Duration, String> {
    let not_one =
        || format!("not a valid duration string: {:?}, write for example 15s or 1m30s", cut(text));
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut millis, mut units) = (text, 0_u64, DURATION_UNITS.iter());
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(digits_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (_, scale) = units.find(|(name, _)| *name == unit).ok_or_else(not_one)?;
        if digits.is_empty() {
            return Err(not_one());
        }
        let part = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
        millis = part
            .and_then(|part| millis.checked_add(part))
            .filter(|millis| *millis <= MILLIS_MAX)
            .ok_or("duration out of range")?;
        rest = tail;
    }
    if text.is_empty() { Err(not_one()) } else { Ok(Duration::from_millis(millis)) }
}

/// A number of bytes, one or more.
pub(super) fn size(node: &Node, path: &Path, report: &mut Report) -> Option<u64> {
    let text = decode::text(node, path, report)?;
    let read = read_size(&text);
    if read.is_none() {
        let message = format!("not a size: {:?}", cut(&text));
        let remedy = Some("write for example 512KB, 64MB or 1GB".to_owned());
        report.error_with_remedy(node.at, path, message, remedy);
    }
    read
}

/// Read a size as Prometheus does, with units of 1024: `1GB` and `1GiB` are the same. A bare number
/// is bytes.
pub(super) fn read_size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let is_unit = |name: &str| match unit.strip_suffix("iB") {
        Some(prefix) => !prefix.is_empty() && name.strip_suffix('B') == Some(prefix),
        None => name == unit || (unit.is_empty() && name == "B"),
    };
    let (_, shift) = SIZE_UNITS.iter().find(|(name, _)| is_unit(name))?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || number.ends_with('.') {
        return None;
    }
    let scale = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let digits = format!("{whole}{part}").parse::<u128>().ok()?;
    let bytes = u64::try_from(digits.checked_mul(1 << shift)? / scale).ok()?;
    (bytes > 0).then_some(bytes)
}

/// A size that fits into memory.
pub(super) fn size_in_memory(node: &Node, path: &Path, report: &mut Report) -> Option<usize> {
    fit(size(node, path, report)?, node, path, report)
}

/// A number of things, one or more.
pub(super) fn count(node: &Node, path: &Path, report: &mut Report) -> Option<usize> {
    let number = decode::unsigned(node, path, report)?;
    if number == 0 {
        report.error(node.at, path, "the number has to be positive");
        return None;
    }
    fit(number, node, path, report)
}

fn fit(number: u64, node: &Node, path: &Path, report: &mut Report) -> Option<usize> {
    let fitting = usize::try_from(number).ok();
    if fitting.is_none() {
        report.error(node.at, path, format!("{number} is out of range"));
    }
    fitting
}

/// `true` or `false`, as `yaml.v2` reads them.
pub(super) fn truth(node: &Node, path: &Path, report: &mut Report) -> Option<bool> {
    let truth = node.as_scalar().and_then(super::super::scalar::Scalar::truth);
    if truth.is_none() {
        let message = format!("cannot unmarshal {} into bool", node.describe());
        report.error(node.at, path, message);
    }
    truth
}

/// One of a closed set of words, each with what it stands for.
pub(super) fn word<T: Clone>(
    node: &Node,
    words: &[(&'static str, T)],
    path: &Path,
    report: &mut Report,
) -> Option<T> {
    let text = decode::text(node, path, report)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(value.clone());
    }
    let valid: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    let remedy = nearest::remedy(&text, &valid);
    report.error_with_remedy(node.at, path, format!("unknown word {:?}", cut(&text)), Some(remedy));
    None
}

/// A list of texts.
pub(super) fn texts(node: &Node, path: &Path, report: &mut Report) -> Vec<String> {
    let remedy = node.as_scalar().map(|scalar| format!("write a list: [{}]", scalar.text));
    let items = decode::items(node, "a list of strings", remedy.as_deref(), path, report);
    let items = items.unwrap_or_default().iter().enumerate();
    items.filter_map(|(index, item)| decode::text(item, &path.item(index), report)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("15s", 15_000),
            ("1m30s", 90_000),
            ("250ms", 250),
            ("1d12h", 129_600_000),
            ("2w", 1_209_600_000),
            ("1y", 31_536_000_000),
            ("4w3d", 2_678_400_000),
        ] {
            assert_eq!(read_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "1", "30s1m", "1.5h", "-1s", "1s1s", "s", "1 s", "1µs", "300y", "99999999999999y"]
        {
            assert!(read_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_as_prometheus_reads_them() {
        for (text, bytes) in [
            ("1GB", 1 << 30),
            ("1GiB", 1 << 30),
            ("64KB", 65_536),
            ("512B", 512),
            ("512", 512),
            ("1.5KiB", 1536),
        ] {
            assert_eq!(read_size(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "0",
            "0B",
            "-1B",
            "1XB",
            "GB",
            "1.GB",
            ".5GB",
            "1KB1",
            "99999999EB",
            "1Bi",
            "1iB",
            "1KiiB",
        ] {
            assert_eq!(read_size(text), None, "{text:?}");
        }
    }
}
