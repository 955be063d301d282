//! Sample values and timestamps: text to number and back, as Go and Prometheus do it.
//!
//! Reading follows `parseFloat` of Prometheus' `model/textparse`: Go's `strconv.ParseFloat` after
//! refusing `p`, `P` and `_`. Writing follows client_golang: `strconv.AppendFloat(v, 'g', -1)`.

/// Prometheus' ordinary NaN (`model/value`), as opposed to the stale marker.
const NORMAL_NAN: u64 = 0x7ff8_0000_0000_0001;

/// Read a sample value; `None` where Prometheus refuses the text.
///
/// Refused are a signed NaN, hexadecimal, underscores and numbers beyond the range of a double.
pub fn parse_value(text: &[u8]) -> Option<f64> {
    match text.first()? {
        b'0'..=b'9' | b'.' => parse_decimal(text),
        b'+' | b'-' => match text.get(1)? {
            b'0'..=b'9' | b'.' => parse_decimal(text),
            _ => parse_infinity(text),
        },
        _ if text.eq_ignore_ascii_case(b"nan") => Some(f64::from_bits(NORMAL_NAN)),
        _ => parse_infinity(text),
    }
}

fn parse_decimal(text: &[u8]) -> Option<f64> {
    let value: f64 = fast_float2::parse(text).ok()?;
    value.is_finite().then_some(value)
}

fn parse_infinity(text: &[u8]) -> Option<f64> {
    let (negative, word) = match text {
        [b'-', word @ ..] => (true, word),
        [b'+', word @ ..] | word => (false, word),
    };
    let known = word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity");
    known.then_some(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
}

/// Integers below this are written plainly, from it on with an exponent.
const PLAIN_LIMIT: f64 = 1e6;
/// Every integer up to 2^53 is exact in a double.
const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0;

/// Append `value` as client_golang writes it: `1`, `0.25`, `1e+06`, `NaN`, `+Inf`.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "guarded by the limits just tested")]
#[expect(clippy::float_cmp, reason = "asks whether the value is exactly an integer")]
pub fn write_value(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    if magnitude < PLAIN_LIMIT {
        let integer = value as i32;
        if f64::from(integer) == value && (integer != 0 || value.is_sign_positive()) {
            out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
            return;
        }
    } else if magnitude < EXACT_LIMIT {
        let integer = value as i64;
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        if integer as f64 == value {
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(integer.unsigned_abs()).as_bytes();
            write_exponent_form(out, value.is_sign_negative(), digits, digits.len() - 1);
            return;
        }
    }
    write_general(out, value);
}

/// Append `value` as OpenMetrics wants a float: like [`write_value`], but `1.0` for `1`.
pub fn write_value_open_metrics(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    write_value(out, value);
    if out[start..].iter().all(|b| b.is_ascii_digit() || *b == b'-') {
        out.extend_from_slice(b".0");
    }
}

/// Append a timestamp in ms as seconds, as OpenMetrics wants it: `1520879607.789`.
pub fn write_seconds(out: &mut Vec<u8>, timestamp_ms: i64) {
    if timestamp_ms < 0 {
        out.push(b'-');
    }
    let (seconds, ms) = (timestamp_ms.unsigned_abs() / 1000, timestamp_ms.unsigned_abs() % 1000);
    out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    if ms > 0 {
        out.push(b'.');
        let digit = |n: u64| b'0' + u8::try_from(n % 10).unwrap_or_default();
        let digits = [digit(ms / 100), digit(ms / 10), digit(ms)];
        let n_digits = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |at| at + 1);
        out.extend_from_slice(&digits[..n_digits]);
    }
}

/// `digits` is an integer's decimal text, `exponent` its decimal exponent (6 or more).
fn write_exponent_form(out: &mut Vec<u8>, negative: bool, digits: &[u8], exponent: usize) {
    let n_digits = digits.iter().rposition(|&d| d != b'0').map_or(1, |at| at + 1);
    if negative {
        out.push(b'-');
    }
    out.push(digits[0]);
    if n_digits > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..n_digits]);
    }
    out.extend_from_slice(b"e+");
    if exponent < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

#[cold]
fn write_non_finite(out: &mut Vec<u8>, value: f64) {
    let text: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"+Inf"
    } else {
        b"-Inf"
    };
    out.extend_from_slice(text);
}

/// Any double: shortest digits from zmij, laid out as Go does.
fn write_general(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        return write_non_finite(out, value);
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = Digits::read(buffer.format_finite(value.abs()).as_bytes());
    if value.is_sign_negative() {
        out.push(b'-');
    }
    shortest.write(out);
}

/// A decimal number `0.d1d2d3… × 10^point`.
struct Digits {
    text: [u8; 24],
    len: usize,
    point: i32,
}

impl Digits {
    /// Take a finite, unsigned number apart, whatever its layout.
    fn read(text: &[u8]) -> Self {
        let mut this = Self { text: [b'0'; 24], len: 0, point: 0 };
        let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&text[..at], read_exponent(&text[at + 1..])),
            None => (text, 0),
        };
        let mut seen_point = false;
        for &byte in mantissa {
            match byte {
                b'.' => seen_point = true,
                b'0' if this.len == 0 => this.point -= i32::from(seen_point),
                digit => {
                    this.text[this.len] = digit;
                    this.len += 1;
                    this.point += i32::from(!seen_point);
                }
            }
        }
        this.point += exponent;
        while this.len > 0 && this.text[this.len - 1] == b'0' {
            this.len -= 1;
        }
        this
    }

    /// Go's `%g` with the shortest precision: exponents below -4 and from 6 up.
    fn write(&self, out: &mut Vec<u8>) {
        let digits = &self.text[..self.len];
        if digits.is_empty() {
            out.push(b'0');
            return;
        }
        let exponent = self.point - 1;
        if !(-4..6).contains(&exponent) {
            out.push(digits[0]);
            if digits.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
            let exponent = exponent.unsigned_abs();
            if exponent < 10 {
                out.push(b'0');
            }
            out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
        } else if self.point <= 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', self.point.unsigned_abs() as usize));
            out.extend_from_slice(digits);
        } else {
            let point = self.point.unsigned_abs() as usize;
            if digits.len() <= point {
                out.extend_from_slice(digits);
                out.extend(std::iter::repeat_n(b'0', point - digits.len()));
            } else {
                out.extend_from_slice(&digits[..point]);
                out.push(b'.');
                out.extend_from_slice(&digits[point..]);
            }
        }
    }
}

fn read_exponent(text: &[u8]) -> i32 {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    sign * digits.iter().fold(0, |sum, d| sum * 10 + i32::from(d - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_write(value: f64, expect: &str) {
        let mut out = Vec::new();
        write_value(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), expect, "{value:e}");
    }

    #[test]
    fn values_are_written_as_go_writes_them() {
        for (value, expect) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (100_000.0, "100000"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (-1e6, "-1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (1_048_576.0, "1.048576e+06"),
            (123_456.789, "123456.789"),
            (1.234_567_89e8, "1.23456789e+08"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.000_123_45, "0.00012345"),
            (0.00001, "1e-05"),
            (5e-324, "5e-324"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (0.5, "0.5"),
            (-2.25, "-2.25"),
            (9_007_199_254_740_992.0, "9.007199254740992e+15"),
            (1e15, "1e+15"),
            (1_234_567.5, "1.2345675e+06"),
        ] {
            check_write(value, expect);
        }
    }

    #[test]
    fn open_metrics_floats_always_look_like_floats() {
        for (value, expect) in [(1.0, "1.0"), (-3.0, "-3.0"), (0.5, "0.5"), (1e6, "1e+06")] {
            let mut out = Vec::new();
            write_value_open_metrics(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
        let mut out = Vec::new();
        write_value_open_metrics(&mut out, f64::NAN);
        assert_eq!(out, b"NaN");
    }

    #[test]
    fn timestamps_are_written_in_seconds() {
        for (ms, expect) in [
            (0, "0"),
            (1000, "1"),
            (1_520_879_607_789, "1520879607.789"),
            (-1500, "-1.5"),
            (7, "0.007"),
        ] {
            let mut out = Vec::new();
            write_seconds(&mut out, ms);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
    }

    #[test]
    fn values_are_refused_as_prometheus_refuses_them() {
        for text in [
            "", "+", "-", ".", "+NaN", "-NaN", "+nan", "1e400", "-1e999", "0x1p4", "0x10", "1_000",
            "1f", "1e", "1e+", "--1", "in", "infi", "nanx", "1 ", " 1", "e5", "１",
        ] {
            assert_eq!(parse_value(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn values_are_accepted_as_prometheus_accepts_them() {
        for (text, expect) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("+5", 5.0),
            ("1e5", 1e5),
            ("1E5", 1e5),
            ("5e-324", 5e-324),
            ("1e-400", 0.0),
            ("123456789012345678", 123_456_789_012_345_680.0),
            ("+Inf", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
            ("inf", f64::INFINITY),
            ("INFINITY", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
        ] {
            let value = parse_value(text.as_bytes()).unwrap();
            assert_eq!(value.to_bits(), expect.to_bits(), "{text:?}");
        }
        for text in ["NaN", "nan", "NAN"] {
            assert_eq!(parse_value(text.as_bytes()).unwrap().to_bits(), NORMAL_NAN, "{text:?}");
        }
    }

    proptest::proptest! {
        /// What is written reads back as the same double.
        #[test]
        fn written_values_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            let mut out = Vec::new();
            write_value(&mut out, value);
            let back = parse_value(&out).unwrap();
            proptest::prop_assert!(back.to_bits() == bits || (back.is_nan() && value.is_nan()));
        }
    }
}
