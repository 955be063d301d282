//! What a scalar stands for, as `yaml.v2` of Go (YAML 1.1 with its own limits) reads it.
//!
//! Prometheus and metric-gate read their files with it, so a value must mean here what it means
//! there: `yes` as a label name is the text `yes`, `0x10` as a number is 16.

/// A scalar as it stands in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Scalar {
    /// Its text, quotes and escapes resolved.
    pub(super) text: String,
    /// Whether it was written without quotes.
    pub(super) is_plain: bool,
    /// The tag, `!!` in front if it is one of YAML's own.
    pub(super) tag: Option<String>,
}

impl Scalar {
    /// Whether it stands for no value at all.
    pub(super) fn is_null(&self) -> bool {
        match self.tag.as_deref() {
            None => self.is_plain && is_null_word(&self.text),
            Some(tag) => tag == "!!null" && is_null_word(&self.text),
        }
    }

    /// The type YAML gives it.
    pub(super) fn tag(&self) -> &str {
        match &self.tag {
            Some(tag) => tag,
            None if !self.is_plain => "!!str",
            None if is_null_word(&self.text) => "!!null",
            None if is_bool_word(&self.text) => "!!bool",
            None => match number(&self.text) {
                Some(Number::Whole(_) | Number::Negative) => "!!int",
                Some(Number::Float(_)) => "!!float",
                None => "!!str",
            },
        }
    }

    /// The text, where text is wanted: what was written, whatever type it looks like.
    ///
    /// # Errors
    /// A tag that does not fit what it is on.
    pub(super) fn text(&self) -> Result<String, String> {
        let text = &self.text;
        let fits = match self.tag.as_deref() {
            Some("!!int") => matches!(number(text), Some(Number::Whole(_) | Number::Negative)),
            Some("!!float") => number(text).is_some(),
            Some("!!bool") => is_bool_word(text),
            Some("!!null") => is_null_word(text),
            Some("!!binary") => {
                let bytes = base64(text).ok_or("!!binary value contains invalid base64 data")?;
                return String::from_utf8(bytes)
                    .map_err(|_| "!!binary value is not UTF-8 text".to_owned());
            }
            _ => true,
        };
        match &self.tag {
            Some(tag) if !fits => Err(format!("cannot decode !!str `{}` as a {tag}", cut(text))),
            _ => Ok(text.clone()),
        }
    }

    /// The truth value it stands for, if it does.
    pub(super) fn truth(&self) -> Option<bool> {
        let is_bool = self.tag() == "!!bool" && is_bool_word(&self.text);
        let is_true =
            |text: &str| text.eq_ignore_ascii_case("on") || text.starts_with(['y', 'Y', 't', 'T']);
        is_bool.then(|| is_true(&self.text))
    }

    /// The number, where an unsigned one is wanted.
    ///
    /// # Errors
    /// It is not a number, not a whole one, negative, or beyond 64 bits.
    pub(super) fn unsigned(&self) -> Result<u64, String> {
        // From 2^53 on neighbouring whole numbers look the same to a float.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        let is_number = self.tag() == "!!int" || self.tag() == "!!float";
        match number(&self.text).filter(|_| is_number) {
            Some(Number::Whole(number)) => Ok(number),
            Some(Number::Float(number)) if number >= 0.0 && number.is_finite() => {
                if number.fract() > 0.0 {
                    return Err(format!("{} is not a whole number", cut(&self.text)));
                }
                if number > EXACT_MAX {
                    return Err(format!("{} does not fit into 64 bits", cut(&self.text)));
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole, not negative and below 2^53"
                )]
                Ok(number as u64)
            }
            _ => Err(format!("cannot unmarshal {} `{}` into uint64", self.tag(), cut(&self.text))),
        }
    }
}

impl Scalar {
    /// The number, where any is wanted: infinities and NaN included, as YAML writes them.
    ///
    /// # Errors
    /// It is not a number.
    pub(super) fn float(&self) -> Result<f64, String> {
        let is_number = self.tag() == "!!int" || self.tag() == "!!float";
        let value = match number(&self.text).filter(|_| is_number) {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is meant")]
            Some(Number::Whole(number)) => Some(number as f64),
            Some(Number::Float(number)) => Some(number),
            Some(Number::Negative) => self.signed().map(
                #[expect(clippy::cast_precision_loss, reason = "the nearest double is meant")]
                |number| number as f64,
            ),
            None => None,
        };
        value.ok_or_else(|| {
            format!("cannot unmarshal {} `{}` into float64", self.tag(), cut(&self.text))
        })
    }

    /// The number, if it is a whole one that fits into 64 bits with a sign.
    pub(super) fn signed(&self) -> Option<i64> {
        if self.tag() != "!!int" {
            return None;
        }
        let plain = self.text.replace('_', "");
        match plain.strip_prefix('-') {
            Some(digits) => 0_i64.checked_sub_unsigned(whole(digits)?),
            None => i64::try_from(whole(plain.strip_prefix('+').unwrap_or(&plain))?).ok(),
        }
    }
}

/// At most about a hundred bytes of a bad value.
pub(super) fn cut(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn is_null_word(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_bool_word(text: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "yes", "true", "on", "n", "no", "false", "off"];
    let is_cased = |word: &&str| {
        let (first, rest) = word.split_at(1);
        text == *word
            || text == word.to_ascii_uppercase()
            || text == format!("{}{rest}", first.to_ascii_uppercase())
    };
    WORDS.iter().any(is_cased)
}

enum Number {
    Whole(u64),
    /// A whole number below zero.
    Negative,
    /// Anything else, whole numbers beyond 64 bits included.
    Float(f64),
}

fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Some(Number::Float(f64::INFINITY));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Some(Number::Float(f64::NEG_INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return Some(Number::Float(f64::NAN)),
        _ => {}
    }
    let plain = text.replace('_', "");
    let (is_negative, digits) = match plain.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    match whole(digits) {
        Some(0) => Some(Number::Whole(0)),
        Some(_) if is_negative => Some(Number::Negative),
        Some(number) => Some(Number::Whole(number)),
        None if is_float(digits) => plain.parse().ok().map(Number::Float),
        None => None,
    }
}

/// Decimal, or with a prefix for the base; a leading zero alone is octal.
fn whole(digits: &str) -> Option<u64> {
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &*lower)
    } else {
        (10, &*lower)
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, and an exponent.
fn is_float(text: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    !(before.is_empty() && behind.is_empty())
        && is_digits(before)
        && is_digits(behind)
        && exponent.is_none_or(|digits| !digits.is_empty() && is_digits(digits))
}

/// Standard base64 with padding; line breaks are skipped.
fn base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !b"\r\n".contains(byte)).collect();
    if !symbols.len().is_multiple_of(4) {
        return None;
    }
    let n_padding = symbols.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = symbols.get(..symbols.len() - n_padding)?;
    if n_padding > 2 {
        return None;
    }
    let (mut bits, mut n_bits, mut bytes) = (0_u32, 0, Vec::new());
    for symbol in body {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, n_bits) = (bits << 6 | u32::from(value), n_bits + 6);
        if n_bits >= 8 {
            n_bits -= 8;
            let [.., low] = (bits >> n_bits).to_be_bytes();
            bytes.push(low);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.to_owned(), is_plain: true, tag: None }
    }

    #[track_caller]
    fn check_unsigned(text: &str, want: Result<u64, &str>) {
        assert_eq!(plain(text).unsigned(), want.map_err(str::to_owned), "{text:?}");
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        check_unsigned("8", Ok(8));
        check_unsigned("0x10", Ok(16));
        check_unsigned("0o17", Ok(15));
        check_unsigned("017", Ok(15));
        check_unsigned("0b101", Ok(5));
        check_unsigned("1_000", Ok(1000));
        check_unsigned("+7", Ok(7));
        check_unsigned("-0", Ok(0));
        check_unsigned("8.0", Ok(8));
        check_unsigned("1e3", Ok(1000));
        check_unsigned("18446744073709551615", Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_unsigned_number_is_refused() {
        check_unsigned("-1", Err("cannot unmarshal !!int `-1` into uint64"));
        check_unsigned("true", Err("cannot unmarshal !!bool `true` into uint64"));
        check_unsigned("abc", Err("cannot unmarshal !!str `abc` into uint64"));
        check_unsigned(".inf", Err("cannot unmarshal !!float `.inf` into uint64"));
        check_unsigned("1.5", Err("1.5 is not a whole number"));
        check_unsigned(
            "18446744073709551616",
            Err("18446744073709551616 does not fit into 64 bits"),
        );
        let quoted = Scalar { is_plain: false, ..plain("8") };
        assert_eq!(quoted.unsigned(), Err("cannot unmarshal !!str `8` into uint64".to_owned()));
    }

    #[test]
    fn binary_is_decoded_and_tags_must_fit() {
        let tagged = |tag: &str, text| Scalar { tag: Some(tag.to_owned()), ..plain(text) };
        assert_eq!(tagged("!!binary", "aGk=").text(), Ok("hi".to_owned()));
        assert_eq!(tagged("!!binary", "aGkh\nIQ==").text(), Ok("hi!!".to_owned()));
        assert!(tagged("!!binary", "a").text().is_err());
        assert!(tagged("!!binary", "/w==").text().is_err());
        assert!(tagged("!!int", "abc").text().is_err());
        assert_eq!(tagged("!!int", "5").text(), Ok("5".to_owned()));
        assert_eq!(tagged("!!str", "null").text(), Ok("null".to_owned()));
        assert!(!tagged("!!str", "null").is_null());
    }
}
