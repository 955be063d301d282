//! Text 0.0.4 as `promtool check metrics` reads it: `expfmt`'s `TextParser`, with its verdicts and
//! its messages. [`crate::parse`] follows Prometheus' other parser, which is more lenient.
//!
//! Every entry is one line, so lines are read one at a time:
//!
//! ```text
//! line    = [blanks] [ "#" comment / sample ] LF
//! comment = [blanks] ("HELP" / "TYPE") blanks name blanks text / ANY text
//! sample  = name [blanks] [ "{" labels "}" ] [blanks] value [ blanks timestamp ]
//!         / "{" labels "}" [blanks] value [ blanks timestamp ]     ; the name is among the labels
//! labels  = [ label *( "," label ) [","] ]
//! label   = label-name "=" quoted / [quoted] name                  ; blanks around everything
//! ```
//!
//! Four corners of `expfmt` are left out, since they are mistakes of it: labels in braces without a
//! name are no sample of whatever family was named last; a name that has quotes in its middle is none; the labels
//! before a name in braces are judged by the family of that name; and a histogram whose name is in
//! braces is one, whatever was named on the line before (there `expfmt` loses series or crashes).

use crate::lint::core::{Core, Sample};
use crate::lint::cursor::{Cursor, NameKind, is_blank, unescape};
use crate::lint::error::TextErrorKind;
use crate::lint::families::{Family, Member, Role};
use crate::lint::labels::{Labels, Special};
use crate::model::MetricType;
use crate::model::label::METRIC_NAME;
use crate::model::number::parse_value;

/// Which names are good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Names {
    /// Those of Prometheus 2: letters, digits, underscores, in metric names colons.
    Legacy,
    /// Any in UTF-8.
    Utf8,
}

/// Reads lines.
#[derive(Debug)]
pub(super) struct TextReader {
    names: Names,
    labels: Labels,
}

impl TextReader {
    pub(super) fn new(names: Names) -> Self {
        Self { names, labels: Labels::default() }
    }

    /// Read one line, which ends in a newline unless it is the last; `number` is its number.
    pub(super) fn line(
        &mut self,
        core: &mut Core,
        line: &[u8],
        number: usize,
    ) -> Result<(), TextErrorKind> {
        let mut cursor = Cursor::new(line);
        match cursor.skip_blanks_or_end() {
            None | Some(b'\n') => Ok(()),
            Some(b'#') => self.comment(core, cursor, number),
            Some(b'{') => {
                self.labels.start_afresh();
                let member = self.labels(core, &mut cursor, None, number)?;
                self.value(core, cursor, member, number)
            }
            Some(_) => {
                let name = cursor.name(NameKind::Metric)?;
                if name.text.is_empty() {
                    return Err(TextErrorKind::NoName);
                }
                let member = self.member(core, &name.text, number)?;
                if name.is_mixed {
                    return Err(TextErrorKind::NoName);
                }
                if cursor.skip_blanks()? == b'{' {
                    self.labels(core, &mut cursor, Some(member), number)?;
                } else {
                    self.labels.start_afresh();
                    self.labels.finish(0);
                }
                self.value(core, cursor, member, number)
            }
        }
    }

    /// The family of a metric name.
    fn member(&self, core: &mut Core, name: &[u8], number: usize) -> Result<Member, TextErrorKind> {
        if !self.is_good(name, NameKind::Metric) {
            return Err(TextErrorKind::MetricName(name.into()));
        }
        Ok(core.name(name, number))
    }

    fn is_good(&self, name: &[u8], kind: NameKind) -> bool {
        let is_legacy = |byte: &u8| {
            byte.is_ascii_alphanumeric()
                || *byte == b'_'
                || kind == NameKind::Metric && *byte == b':'
        };
        match (self.names, name.first()) {
            (_, None) => false,
            (Names::Legacy, Some(first)) => !first.is_ascii_digit() && name.iter().all(is_legacy),
            (Names::Utf8, Some(_)) => std::str::from_utf8(name).is_ok(),
        }
    }

    /// A line that starts with `#`.
    fn comment(
        &self,
        core: &mut Core,
        mut cursor: Cursor<'_>,
        number: usize,
    ) -> Result<(), TextErrorKind> {
        cursor.at += 1;
        if cursor.skip_blanks()? == b'\n' {
            return Ok(());
        }
        let keyword = cursor.word()?;
        let is_help = keyword == b"HELP";
        if !is_help && keyword != b"TYPE" {
            return cursor.until_newline().map(|_| ());
        }
        if cursor.skip_blanks()? == b'\n' {
            return Ok(());
        }
        let name = cursor.name(NameKind::Metric)?;
        match cursor.byte()? {
            b'\n' => return Ok(()),
            byte if !is_blank(byte) => return Err(TextErrorKind::NameInComment),
            _ => {}
        }
        let member = self.member(core, &name.text, number)?;
        if name.is_mixed {
            return Err(TextErrorKind::NameInComment);
        }
        if cursor.skip_blanks()? == b'\n' {
            return Ok(());
        }
        if is_help {
            help(core, &mut cursor, member, number)
        } else {
            metric_type(core, &mut cursor, member)
        }
    }

    /// The labels, from the opening brace to the value. Gives the family, whose name may stand
    /// among them.
    fn labels(
        &mut self,
        core: &mut Core,
        cursor: &mut Cursor<'_>,
        named: Option<Member>,
        number: usize,
    ) -> Result<Member, TextErrorKind> {
        cursor.at += 1;
        let start = cursor.at;
        let mut member = named;
        if named.is_some() {
            cursor.at += self.labels.start(cursor.rest(), special(core, named));
        }
        let mut end = cursor.at;
        let mut is_behind_value = end > start;
        loop {
            let byte = cursor.skip_blanks()?;
            match byte {
                b'}' => break,
                b',' if is_behind_value => {
                    cursor.at += 1;
                    is_behind_value = false;
                }
                _ if is_behind_value => {
                    let value = unescape(self.labels.last_value());
                    return Err(TextErrorKind::EndOfLabelValue((&*value).into()));
                }
                _ => {
                    let name = cursor.name(NameKind::Label)?.text;
                    if name.is_empty() {
                        return Err(TextErrorKind::NoLabelName(core.current_name().into()));
                    }
                    let byte = cursor.skip_blanks()?;
                    if byte == b'=' {
                        self.label(core, cursor, &name)?;
                        end = cursor.at;
                        is_behind_value = true;
                        continue;
                    }
                    if named.is_some() {
                        return Err(TextErrorKind::Equals(byte.into()));
                    }
                    if member.is_some() {
                        return Err(TextErrorKind::SecondName(core.current_name().into()));
                    }
                    if byte != b',' && byte != b'}' {
                        return Err(TextErrorKind::EndOfName(byte.into()));
                    }
                    member = Some(self.member(core, &name, number)?);
                    let special = special(core, member);
                    self.labels.set_special(special, |value| bound(special, value))?;
                    cursor.at += usize::from(byte == b',');
                }
            }
        }
        let member = member.ok_or(TextErrorKind::NoName)?;
        cursor.at += 1;
        cursor.skip_blanks()?;
        self.labels.finish(end - start);
        Ok(member)
    }

    /// One label, from behind its name to behind its value.
    fn label(
        &mut self,
        core: &Core,
        cursor: &mut Cursor<'_>,
        name: &[u8],
    ) -> Result<(), TextErrorKind> {
        if name == METRIC_NAME {
            return Err(TextErrorKind::ReservedLabel);
        }
        if !self.is_good(name, NameKind::Label) {
            return Err(TextErrorKind::LabelName(name.into()));
        }
        let is_special = self.labels.is_special(name);
        if !is_special && self.labels.has(name) {
            return Err(TextErrorKind::DuplicateLabel(core.current_name().into()));
        }
        cursor.at += 1;
        let byte = cursor.skip_blanks()?;
        if byte != b'"' {
            return Err(TextErrorKind::OpeningQuote(byte.into()));
        }
        cursor.at += 1;
        let value = cursor.label_value()?;
        let special = if is_special { self.labels.special() } else { Special::None };
        let bound = if is_special { Some(bound(special, value)?) } else { None };
        self.labels.push(name, value, bound);
        Ok(())
    }

    /// The value and the timestamp of a sample.
    fn value(
        &mut self,
        core: &mut Core,
        mut cursor: Cursor<'_>,
        member: Member,
        number: usize,
    ) -> Result<(), TextErrorKind> {
        let word = cursor.word()?;
        let value = parse_value(word).ok_or_else(|| TextErrorKind::Value(word.into()))?;
        let family = core.families.get(member.family);
        if value < 0.0 && family.is_some_and(|family| family.special() == Special::Le) {
            let name = core.families.name_of(member.family);
            match member.role {
                Role::Count => return Err(TextErrorKind::NegativeCount(name.into())),
                Role::Plain if !self.labels.bound().is_nan() => {
                    return Err(TextErrorKind::NegativeBucket(name.into()));
                }
                _ => {}
            }
        }
        let has_timestamp = cursor.byte()? != b'\n';
        if has_timestamp {
            timestamp(&mut cursor)?;
        }
        let sample = Sample { line: number, member, value, has_timestamp };
        core.sample(sample, &mut self.labels);
        Ok(())
    }
}

/// What a comment says of a metric.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Comment {
    /// Its HELP, without escapes.
    Help(Vec<u8>),
    /// Its type.
    Type(MetricType),
}

/// The name a comment is about, and what it says, if it says anything; the comment is known to be
/// good.
pub fn read_comment(line: &[u8]) -> Option<(Vec<u8>, Comment)> {
    let mut cursor = Cursor::new(line);
    cursor.skip_blanks().ok().filter(|byte| *byte == b'#')?;
    cursor.at += 1;
    cursor.skip_blanks().ok()?;
    let keyword = cursor.word().ok()?;
    cursor.skip_blanks().ok()?;
    let name = cursor.name(NameKind::Metric).ok()?.text.into_owned();
    let is_text = cursor.skip_blanks().ok()? != b'\n';
    let text = cursor.until_newline().ok().filter(|_| is_text)?;
    match keyword {
        b"HELP" => Some((name, Comment::Help(unescape(text).into_owned()))),
        b"TYPE" => Some((name, Comment::Type(type_of(&without_backslashes(text))?))),
        _ => None,
    }
}

/// A sample whose name stands in quotes before its braces, which only `expfmt` takes, with the name
/// in braces; the sample is known to be good.
pub fn name_in_braces(line: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(line);
    cursor.skip_blanks().ok().filter(|byte| *byte == b'"')?;
    let start = cursor.at;
    cursor.name(NameKind::Metric).ok()?;
    let name = line.get(start..cursor.at)?;
    let rest = match cursor.skip_blanks().ok()? {
        b'{' => [b",", cursor.rest().get(1..)?].concat(),
        _ => [b"}", cursor.rest()].concat(),
    };
    Some([b"{", name, &rest].concat())
}

/// Which label of a family is special.
fn special(core: &Core, member: Option<Member>) -> Special {
    let family = member.and_then(|member| core.families.get(member.family));
    family.map(Family::special).unwrap_or_default()
}

/// The value of `le` or `quantile` as a number.
fn bound(special: Special, value: &[u8]) -> Result<f64, TextErrorKind> {
    let value = unescape(value);
    parse_value(&value).ok_or_else(|| match special {
        Special::Quantile => TextErrorKind::Quantile((&*value).into()),
        Special::Le | Special::None => TextErrorKind::Le((&*value).into()),
    })
}

fn help(
    core: &mut Core,
    cursor: &mut Cursor<'_>,
    member: Member,
    number: usize,
) -> Result<(), TextErrorKind> {
    if core.families.get(member.family).is_some_and(|family| family.has_help) {
        return Err(TextErrorKind::SecondHelp(core.current_name().into()));
    }
    cursor.help_text()?;
    core.help(member.family, number);
    Ok(())
}

fn metric_type(
    core: &mut Core,
    cursor: &mut Cursor<'_>,
    member: Member,
) -> Result<(), TextErrorKind> {
    let is_known = |family: &Family| family.metric_type.is_some() || family.has_samples;
    if core.families.get(member.family).is_some_and(is_known) {
        return Err(TextErrorKind::SecondType(core.current_name().into()));
    }
    let word = without_backslashes(cursor.until_newline()?);
    let metric_type =
        type_of(&word).ok_or_else(|| TextErrorKind::MetricType(word.as_slice().into()))?;
    if let Some(family) = core.families.get_mut(member.family) {
        family.metric_type = Some(metric_type);
    }
    Ok(())
}

/// `expfmt` takes any backslash for the start of an escape, but lets anything follow.
fn without_backslashes(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| *byte != b'\\').collect()
}

fn type_of(word: &[u8]) -> Option<MetricType> {
    // Go's capital letters: those of a character that has one of its own.
    let word = std::str::from_utf8(word).ok()?;
    let capital = |c: char| {
        let mut upper = c.to_uppercase();
        if upper.len() == 1 { upper.next().unwrap_or(c) } else { c }
    };
    let upper: String = word.chars().map(capital).collect();
    match upper.as_str() {
        "COUNTER" => Some(MetricType::Counter),
        "GAUGE" => Some(MetricType::Gauge),
        "SUMMARY" => Some(MetricType::Summary),
        "UNTYPED" => Some(MetricType::Unknown),
        "HISTOGRAM" => Some(MetricType::Histogram),
        "GAUGE_HISTOGRAM" | "GAUGEHISTOGRAM" => Some(MetricType::GaugeHistogram),
        _ => None,
    }
}

fn timestamp(cursor: &mut Cursor<'_>) -> Result<(), TextErrorKind> {
    cursor.skip_blanks()?;
    let word = cursor.word()?;
    let is_integer = std::str::from_utf8(word).is_ok_and(|word| word.parse::<i64>().is_ok());
    if !is_integer {
        return Err(TextErrorKind::Timestamp(word.into()));
    }
    let rest = without_backslashes(cursor.until_newline()?);
    if rest.is_empty() {
        Ok(())
    } else {
        Err(TextErrorKind::BehindTimestamp(rest.as_slice().into()))
    }
}
