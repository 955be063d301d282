//! What an exposition is made of: series by metric, values by label, and what could be saved.
//!
//! An [`Analyzer`] reads a document in chunks, as a scrape would (what that refuses ends the
//! analysis), and makes a [`Report`]. Time is linear in the bytes. Memory is that of the
//! distinct label values; with [`Extent::Savings`] also four bytes a label of each sample, and with
//! rules a fingerprint a series.
//!
//! Halves of a document can be read at the same time and put together: [`Analyzer::append`].
//!
//! Nothing here knows of files, of HTTP or of JSON.

mod preview;
mod report;
mod savings;
mod tally;
mod texts;

pub use report::{LabelReport, MetricReport, PreviewReport, Report, Totals, escaped};

use crate::analyze::preview::Preview;
use crate::analyze::report::Families;
use crate::analyze::savings::HashKey;
use crate::analyze::tally::Tally;
use crate::model::Format;
use crate::parse::{Document, Entry, EntryError, ParseError, ParseErrorKind, Parser, SampleTokens};
use crate::relabel::Rules;

/// How much to find out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Extent {
    /// Series by metric and values by label.
    #[default]
    Counts,
    /// Also how many series would remain without each label. Counts exactly (128-bit keyed
    /// hashes), and counts a series that is there twice once.
    Savings,
}

/// Reads a document and counts.
#[derive(Debug)]
pub struct Analyzer {
    parser: Parser,
    count: Count,
    /// Lines of the document that others have read before.
    n_lines_before: usize,
}

/// What has been counted.
#[derive(Debug)]
struct Count {
    format: Format,
    tally: Tally,
    families: Families,
    preview: Option<Preview>,
    key: HashKey,
}

impl Analyzer {
    /// The start of a document. `random` must be unpredictable to whoever names series.
    pub fn new(document: Document, extent: Extent, mut random: impl FnMut() -> u64) -> Self {
        let key = HashKey([random(), random()]);
        let count = Count {
            format: document.format(),
            tally: Tally::new(extent == Extent::Savings),
            families: Families::default(),
            preview: None,
            key,
        };
        Self { parser: Parser::of(document), count, n_lines_before: 0 }
    }

    /// Also find out what `rules` would leave.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        let is_with_savings = self.count.tally.has_rows();
        self.count.preview = Some(Preview::new(rules, self.count.key, is_with_savings));
        self
    }

    /// Read the next bytes of the document, cut anywhere.
    ///
    /// # Errors
    ///
    /// Where a scrape refuses the document.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), ParseError> {
        let Self { parser, count, n_lines_before } = self;
        parser
            .push(chunk, |line, entry, tokens| count.entry(line, entry, tokens))
            .map_err(|error| ParseError { line: error.line + *n_lines_before, ..error })
    }

    /// Whether all bytes so far are whole entries, so that another analyzer can have read on from
    /// here.
    pub fn is_between_entries(&self) -> bool {
        self.parser.is_between_entries()
    }

    /// Lines read so far.
    pub fn n_lines(&self) -> usize {
        self.n_lines_before + self.parser.stats().n_lines
    }

    /// Add what `behind` has read of the same document: its bytes started where those of this one
    /// ended, between two entries. What comes next comes behind both.
    ///
    /// Rules are not appended: neither may have any.
    pub fn append(&mut self, behind: Self) {
        debug_assert!(self.count.preview.is_none() && behind.count.preview.is_none());
        self.n_lines_before = self.n_lines();
        self.count.tally.append(behind.count.tally);
        self.count.families.append(behind.count.families);
        self.parser = behind.parser;
    }

    /// End the document, and go on with another one: a report covers all of them.
    ///
    /// # Errors
    ///
    /// As [`Analyzer::finish`].
    pub fn begin(&mut self, document: Document) -> Result<(), ParseError> {
        let format = document.format();
        let parser = std::mem::replace(&mut self.parser, Parser::of(document));
        let Self { count, n_lines_before, .. } = self;
        parser
            .finish(|line, entry, tokens| count.entry(line, entry, tokens))
            .map_err(|error| ParseError { line: error.line + *n_lines_before, ..error })?;
        (count.format, *n_lines_before) = (format, 0);
        Ok(())
    }

    /// End the document.
    ///
    /// # Errors
    ///
    /// When the last line is wrong or the document may not end here.
    pub fn finish(self) -> Result<Report, ParseError> {
        let Self { parser, mut count, n_lines_before } = self;
        parser
            .finish(|line, entry, tokens| count.entry(line, entry, tokens))
            .map_err(|error| ParseError { line: error.line + n_lines_before, ..error })?;
        let Count { tally, families, preview, key, format: _ } = count;
        let preview = preview.map(|preview| preview.report(&families));
        Ok(Report { preview, ..Report::new(&tally, &families, key) })
    }
}

impl Count {
    fn entry(
        &mut self,
        line: &[u8],
        entry: Entry<'_>,
        tokens: &SampleTokens,
    ) -> Result<(), EntryError> {
        match entry {
            Entry::Sample => {
                self.tally.sample(line, tokens)?;
                if let Some(preview) = &mut self.preview {
                    preview.sample(line, tokens);
                }
            }
            Entry::Help { name, text, .. } => self.families.help(name, text),
            Entry::Type { name, metric_type, .. } => self.families.metric_type(name, metric_type),
            Entry::Eof if self.format == Format::Text => {
                // What stands behind would be lost; a scrape refuses it as well.
                let nul = line.iter().position(|&byte| byte == 0).unwrap_or(0);
                return Err(EntryError { column: nul + 1, kind: ParseErrorKind::NulByte });
            }
            Entry::Blank | Entry::Comment | Entry::Unit { .. } | Entry::Eof => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
