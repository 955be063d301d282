//! Documents for the comparisons: grammatical, soup, and mutated. The same seed gives the same
//! document.

use weir::model::Format;

/// splitmix64: small, and the same on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n as u64)).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// Pieces that mean something somewhere, for soup and for mutations.
const PIECES: &[&[u8]] = &[
    b" ",
    b"  ",
    b"\t",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\0\0",
    b"{",
    b"}",
    b"{}",
    b"=",
    b",",
    b",,",
    b"\"",
    b"\"\"",
    b"\\",
    b"\\\\",
    b"\\\"",
    b"\\n",
    b"\\t",
    b"#",
    b"# ",
    b"#\t",
    b"# HELP ",
    b"# TYPE ",
    b"# UNIT ",
    b"# EOF",
    b"# EOF\n",
    b"#HELP ",
    b"HELP",
    b" # {",
    b" # {} 1",
    b"a",
    b"foo",
    b"foo_bytes",
    b"bytes",
    b"le",
    b"__name__",
    b"a:b",
    b"counter",
    b"gauge",
    b"histogram",
    b"summary",
    b"untyped",
    b"unknown",
    b"info",
    b"stateset",
    b"gaugehistogram",
    b"0",
    b"1",
    b"-1",
    b"+1",
    b"1.5",
    b".5",
    b"1e5",
    b"1e400",
    b"0x1p4",
    b"1_0",
    b"NaN",
    b"nan",
    b"+NaN",
    b"-Inf",
    b"+Inf",
    b"infinity",
    b"1751041454000",
    b"1751041454.5",
    b"99999999999999999999",
    b"a=\"b\"",
    b"{a=\"b\"}",
    b"{\"x.y\"}",
    b"\"x.y\",",
    b"foo 1\n",
    b"foo{a=\"b\"} 1\n",
    b"\xff",
    b"\xef\xbb\xbf",
    "é".as_bytes(),
    b"-",
    b".",
    b":",
    b"_",
    b";",
    b"'",
    b"/",
];

const NAMES: &[&str] =
    &["a", "foo", "foo_total", "http_requests_total", "a:b", "_x", "foo_bytes", "x9"];
const LABEL_NAMES: &[&str] = &["a", "b", "le", "quantile", "host", "__name__", "_", "status_code"];
const VALUES: &[&str] = &[
    "",
    "b",
    "200",
    "/api/v1",
    "é",
    "x y",
    "{}",
    ",",
    "a=\\\"b\\\"",
    "C:\\\\",
    "line\\nbreak",
    "\\t",
    "#",
    "0.005",
    "+Inf",
    "a very long value that is longer than a block of sixteen bytes",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "3.5",
    "-2",
    "+1",
    "1e+06",
    "1.5e-9",
    "NaN",
    "+Inf",
    "-Inf",
    "12345678901234567890",
    "1.",
];
const TYPES: &[&str] = &["counter", "gauge", "histogram", "summary", "untyped", "unknown", "info"];

/// A document that is nearly, and often entirely, right.
pub(super) fn document(format: Format, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..random.below(6) {
        if random.one_in(3) {
            neighbour(random, &mut out);
        } else {
            entry(format, random, &mut out);
        }
    }
    if format == Format::OpenMetrics && !random.one_in(8) {
        out.extend_from_slice(b"# EOF");
    }
    if !random.one_in(4) {
        out.push(b'\n');
    }
    out
}

/// The last line again, with a small change somewhere: samples come in rows of such lines.
fn neighbour(random: &mut Random, out: &mut Vec<u8>) {
    let mut lines = out.split_inclusive(|&byte| byte == b'\n');
    let mut line = lines.next_back().unwrap_or_default().to_vec();
    let at = random.below(line.len() + 1);
    let n_bytes = random.below(3).min(line.len() - at);
    let new: &[u8] =
        random.pick(&[&b""[..], b"x", b"y_", b"0", b"\",z=\"", b"=", "é".as_bytes(), b"\xff"]);
    line.splice(at..at + n_bytes, new.iter().copied());
    out.extend_from_slice(&line);
}

fn entry(format: Format, random: &mut Random, out: &mut Vec<u8>) {
    match random.below(10) {
        0 => meta(format, "HELP", VALUES, random, out),
        1 => meta(format, "TYPE", TYPES, random, out),
        2 => meta(format, "UNIT", &["bytes", "total", "", "s"], random, out),
        3 if format == Format::Text => {
            out.extend_from_slice(random.pick(&[&b"\n"[..], b"# comment\n", b"#\n", b"  \t\n"]));
        }
        _ => sample(format, random, out),
    }
}

fn meta(format: Format, word: &str, texts: &[&str], random: &mut Random, out: &mut Vec<u8>) {
    out.push(b'#');
    blank(format, random, out);
    out.extend_from_slice(word.as_bytes());
    blank(format, random, out);
    if random.one_in(6) {
        quoted(random, out);
    } else {
        out.extend_from_slice(random.pick(NAMES).as_bytes());
    }
    blank(format, random, out);
    out.extend_from_slice(random.pick(texts).as_bytes());
    out.push(b'\n');
}

fn sample(format: Format, random: &mut Random, out: &mut Vec<u8>) {
    let named = !random.one_in(6);
    if named {
        out.extend_from_slice(random.pick(NAMES).as_bytes());
        maybe_blank(format, random, out);
    }
    if !named || !random.one_in(4) {
        out.push(b'{');
        labels(format, named, random, out);
        out.push(b'}');
    }
    blank(format, random, out);
    out.extend_from_slice(random.pick(NUMBERS).as_bytes());
    if random.one_in(4) {
        blank(format, random, out);
        out.extend_from_slice(random.pick(&[&b"0"[..], b"1751041454000", b"-5", b"1.5"]));
    }
    if format == Format::OpenMetrics && random.one_in(5) {
        out.extend_from_slice(b" # {");
        labels(format, true, random, out);
        out.extend_from_slice(b"} ");
        out.extend_from_slice(random.pick(NUMBERS).as_bytes());
        if random.one_in(3) {
            out.extend_from_slice(b" 1.5");
        }
    }
    out.push(b'\n');
}

fn labels(format: Format, named: bool, random: &mut Random, out: &mut Vec<u8>) {
    let n_labels = random.below(5);
    let name_at = if named { usize::MAX } else { random.below(n_labels + 1) };
    for at in 0..=n_labels {
        if at == name_at {
            quoted(random, out);
            out.push(b',');
        }
        if at == n_labels {
            break;
        }
        maybe_blank(format, random, out);
        if random.one_in(6) {
            quoted(random, out);
        } else {
            out.extend_from_slice(random.pick(LABEL_NAMES).as_bytes());
        }
        maybe_blank(format, random, out);
        out.push(b'=');
        maybe_blank(format, random, out);
        out.push(b'"');
        out.extend_from_slice(random.pick(VALUES).as_bytes());
        out.push(b'"');
        maybe_blank(format, random, out);
        if at + 1 < n_labels || random.one_in(4) {
            out.push(b',');
        }
    }
}

fn quoted(random: &mut Random, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(random.pick(VALUES).as_bytes());
    out.push(b'"');
}

fn blank(format: Format, random: &mut Random, out: &mut Vec<u8>) {
    let odd = format == Format::Text && random.one_in(6);
    out.extend_from_slice(if odd { random.pick(&[&b"\t"[..], b"  ", b" \t "]) } else { b" " });
}

fn maybe_blank(format: Format, random: &mut Random, out: &mut Vec<u8>) {
    if format == Format::Text && random.one_in(10) {
        blank(format, random, out);
    }
}

/// A document of pieces without any order.
pub(super) fn soup(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..random.below(14) {
        out.extend_from_slice(random.pick(PIECES));
    }
    out
}

/// Change a few bytes: remove, insert, replace, repeat, cut.
pub(super) fn mutate(document: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let from = random.below(document.len() + 1);
        let n_bytes = random.below(4).min(document.len() - from);
        match random.below(6) {
            0 => drop(document.drain(from..from + n_bytes)),
            1 => drop(document.splice(from..from, random.pick(PIECES).iter().copied())),
            2 => drop(document.splice(from..from + n_bytes, random.pick(PIECES).iter().copied())),
            3 if from < document.len() => document[from] = random.next().to_le_bytes()[0],
            4 => {
                let again = random.below(30).min(document.len() - from);
                let part = document[from..from + again].to_vec();
                drop(document.splice(from..from, part));
            }
            _ if random.one_in(4) => document.truncate(from),
            _ => {}
        }
    }
}
