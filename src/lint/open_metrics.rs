//! OpenMetrics 1.0, by [`crate::parse`]: what it accepts is told to the linter.
//!
//! promlint knows nothing of OpenMetrics. Names are judged as in text 0.0.4; a counter's is that of
//! its samples, with `_total`.

use crate::lint::core::{Core, Sample};
use crate::lint::families::Family;
use crate::lint::labels::{Labels, Special};
use crate::model::Format;
use crate::model::number::parse_value;
use crate::parse::{
    Document, Entry, EntryError, LINE_BYTES_MAX, ParseError, Parser, SampleTokens, check_labels,
    unescape,
};

/// Reads a document in chunks.
#[derive(Debug)]
pub(super) struct OpenMetricsReader {
    parser: Parser,
    rest: Rest,
}

/// What is behind the parser.
#[derive(Debug, Default)]
struct Rest {
    labels: Labels,
    n_lines: usize,
    name: Vec<u8>,
}

impl OpenMetricsReader {
    pub(super) fn new(line_bytes_max: usize) -> Self {
        let document = Document::new(Format::OpenMetrics);
        let document = document.with_line_bytes_max(line_bytes_max.min(LINE_BYTES_MAX));
        Self { parser: Parser::of(document), rest: Rest::default() }
    }

    pub(super) fn push(&mut self, core: &mut Core, chunk: &[u8]) -> Result<(), ParseError> {
        let Self { parser, rest } = self;
        parser.push(chunk, |line, entry, tokens| rest.entry(core, line, entry, tokens))
    }

    pub(super) fn finish(self, core: &mut Core) -> Result<(), ParseError> {
        let Self { parser, mut rest } = self;
        parser.finish(|line, entry, tokens| rest.entry(core, line, entry, tokens)).map(|_| ())
    }
}

impl Rest {
    fn entry(
        &mut self,
        core: &mut Core,
        line: &[u8],
        entry: Entry<'_>,
        tokens: &SampleTokens,
    ) -> Result<(), EntryError> {
        let number = self.n_lines + 1;
        self.n_lines += memchr::memchr_iter(b'\n', line).count();
        match entry {
            Entry::Help { name, text, .. } => {
                let member = core.name(self.decode(name), number);
                if !text.is_empty() {
                    core.help(member.family, number);
                }
            }
            Entry::Type { name, metric_type, .. } => {
                let member = core.name(self.decode(name), number);
                if let Some(family) = core.families.get_mut(member.family) {
                    family.metric_type = Some(metric_type);
                }
            }
            Entry::Unit { name, .. } => {
                core.name(self.decode(name), number);
            }
            Entry::Sample => {
                check_labels(line, tokens)?;
                self.sample(core, line, tokens, number);
            }
            Entry::Blank | Entry::Comment | Entry::Eof => {}
        }
        Ok(())
    }

    fn decode(&mut self, name: &[u8]) -> &[u8] {
        self.name.clear();
        unescape(name, &mut self.name);
        &self.name
    }

    fn sample(&mut self, core: &mut Core, line: &[u8], tokens: &SampleTokens, number: usize) {
        let member = core.name(self.decode(tokens.name.of(line)), number);
        let family = core.families.get(member.family);
        let special = family.map(Family::special).unwrap_or_default();
        self.labels.start(&[], special);
        for label in &tokens.labels {
            let (name, value) = (label.name.of(line), label.value.of(line));
            let is_special = special != Special::None && self.labels.is_special(name);
            let bound = is_special.then(|| parse_value(value).unwrap_or(f64::NAN));
            if label.name_escaped {
                self.name.clear();
                unescape(name, &mut self.name);
                self.labels.push(&self.name, value, bound);
            } else {
                self.labels.push(name, value, bound);
            }
        }
        self.labels.finish(0);
        let has_timestamp = tokens.timestamp_ms.is_some();
        let sample = Sample { line: number, member, value: tokens.value, has_timestamp };
        core.sample(sample, &mut self.labels);
    }
}
