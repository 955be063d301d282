//! A whole exposition: entries, line numbers, the rules about its end, limits.

use crate::model::Format;
use crate::parse::error::{EntryError, ParseError, ParseErrorKind};
use crate::parse::fast;
use crate::parse::parse_first;
use crate::parse::scan::EntryScan;
use crate::parse::token::{Entry, SampleTokens};

/// The longest entry if the caller names no other limit. Prometheus has none but that of the body.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// What was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ParseStats {
    /// Lines, the unfinished last one included.
    pub n_lines: usize,
    /// Samples.
    pub n_samples: usize,
}

/// Where in a document a reader is; holds no bytes.
///
/// For readers with a buffer of their own. Others use [`Parser`].
#[derive(Clone, Debug)]
pub struct Document {
    format: Format,
    line_bytes_max: usize,
    scan: EntryScan,
    stats: ParseStats,
    place: Place,
    /// The bytes of the entry before, if it was a plain sample: the next one is mostly like it.
    n_plain_bytes: usize,
}

/// What may come next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Any entry.
    Body,
    /// The same; and NUL bytes are skipped (they belong to the HELP line just read).
    BehindHelp,
    /// In OpenMetrics nothing, in text anything, which is ignored.
    BehindEof,
}

impl Document {
    /// The start of a document.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            line_bytes_max: LINE_BYTES_MAX,
            scan: EntryScan::default(),
            stats: ParseStats::default(),
            place: Place::Body,
            n_plain_bytes: 0,
        }
    }

    /// Refuse entries of more than `bytes` bytes.
    #[must_use]
    pub fn with_line_bytes_max(mut self, bytes: usize) -> Self {
        self.line_bytes_max = bytes;
        self
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Lines and samples read so far.
    pub fn stats(&self) -> ParseStats {
        self.stats
    }

    /// Whether the end was seen, after which no line may be taken for an entry.
    pub fn is_ended(&self) -> bool {
        self.place == Place::BehindEof
    }

    /// Count lines of one sample each which the caller recognised without parsing them.
    ///
    /// Only where an entry starts (no call of [`Document::next`] has asked for more bytes since)
    /// and the document has not ended.
    #[inline]
    pub fn pass_samples(&mut self, n_samples: usize) {
        self.stats.n_lines += n_samples;
        self.stats.n_samples += n_samples;
        if n_samples > 0 {
            self.place = Place::Body;
            self.n_plain_bytes = 0;
        }
    }

    /// Parse the entry `input` starts with; gives it and the number of bytes it takes.
    ///
    /// `None`: more bytes are needed (or, with `last`, there are none left). Call again with the
    /// same bytes and more behind them. `last`: no more will come. Sample offsets count from the
    /// start of `input`. A blank entry may stand for bytes that are skipped.
    ///
    /// # Errors
    ///
    /// Where Prometheus refuses the document, and at lines beyond the limit.
    #[inline]
    pub fn next<'a>(
        &mut self,
        input: &'a [u8],
        last: bool,
        tokens: &mut SampleTokens,
    ) -> Result<Option<(Entry<'a>, usize)>, ParseError> {
        self.next_at(input, 0, last, tokens)
    }

    /// Parse the entry that starts at `at`: as [`Document::next`] with what follows, but quicker
    /// where an entry is like the one before it.
    ///
    /// `buffer` is a stretch of the document, so what stands before `at` is what came before; it
    /// need not reach back far. `tokens` are the same at every call.
    ///
    /// # Errors
    ///
    /// As [`Document::next`].
    #[inline]
    pub fn next_at<'a>(
        &mut self,
        buffer: &'a [u8],
        at: usize,
        last: bool,
        tokens: &mut SampleTokens,
    ) -> Result<Option<(Entry<'a>, usize)>, ParseError> {
        let (before, input) = buffer.split_at(at);
        if self.place != Place::Body
            && let Some(n_bytes) = self.skip(input)?
        {
            return Ok((n_bytes > 0).then_some((Entry::Blank, n_bytes)));
        }
        if self.scan.is_fresh()
            && let Some(n_bytes) = self.plain_sample(before, input, tokens)
        {
            self.check_length(input, n_bytes)?;
            self.pass_samples(1);
            self.n_plain_bytes = n_bytes;
            return Ok(Some((Entry::Sample, n_bytes)));
        }
        self.n_plain_bytes = 0;
        self.next_by_grammar(input, last, tokens)
    }

    #[inline]
    fn plain_sample(
        &self,
        before: &[u8],
        input: &[u8],
        tokens: &mut SampleTokens,
    ) -> Option<usize> {
        let line_start = before.len().checked_sub(self.n_plain_bytes);
        match line_start {
            Some(start) if self.n_plain_bytes > 0 => {
                fast::sample_after(self.format, &before[start..], input, tokens)
            }
            _ => fast::sample(self.format, input, false, tokens),
        }
    }

    /// Any entry, in no hurry.
    #[inline(never)]
    fn next_by_grammar<'a>(
        &mut self,
        input: &'a [u8],
        last: bool,
        tokens: &mut SampleTokens,
    ) -> Result<Option<(Entry<'a>, usize)>, ParseError> {
        let n_bytes = match self.scan.find(self.format, input) {
            Some(n_bytes) => n_bytes,
            None if last && !input.is_empty() => input.len(),
            None => return self.check_length(input, input.len()).map(|()| None),
        };
        self.check_length(input, n_bytes)?;
        let line = &input[..n_bytes];
        let (entry, n_bytes) =
            parse_first(self.format, line, tokens).map_err(|error| self.locate(error, line))?;
        self.advance(&line[..n_bytes], entry);
        Ok(Some((entry, n_bytes)))
    }

    /// End the document. `Ok` if it may end here.
    ///
    /// # Errors
    ///
    /// When an OpenMetrics document has no `# EOF`.
    pub fn finish(&self) -> Result<ParseStats, ParseError> {
        if self.format == Format::OpenMetrics && !self.is_ended() {
            return Err(self.locate(EntryError { column: 1, kind: ParseErrorKind::NoEof }, &[]));
        }
        Ok(self.stats)
    }

    /// Place an error of the entry at hand, which is not counted yet.
    fn locate(&self, error: EntryError, line: &[u8]) -> ParseError {
        error.locate(self.stats.n_lines + 1, line)
    }

    /// Place an error found in the entry [`Document::next`] gave last, of which `line` is the text.
    ///
    /// For checks beyond the parser's, such as [`crate::parse::check_labels`].
    pub fn locate_last(&self, error: EntryError, line: &[u8]) -> ParseError {
        error.locate(self.stats.n_lines + 1 - count_lines(line), line)
    }

    fn advance(&mut self, line: &[u8], entry: Entry<'_>) {
        self.stats.n_lines += count_lines(line);
        self.stats.n_samples += usize::from(entry == Entry::Sample);
        self.place = match (entry, self.format) {
            (Entry::Eof, _) => Place::BehindEof,
            (Entry::Help { .. }, Format::OpenMetrics) => Place::BehindHelp,
            _ => Place::Body,
        };
    }

    /// How many bytes to skip in places other than the body; `None`: an entry comes.
    fn skip(&mut self, input: &[u8]) -> Result<Option<usize>, ParseError> {
        let n_nuls = input.iter().take_while(|&&byte| byte == 0).count();
        match (self.place, self.format) {
            (Place::BehindEof, Format::OpenMetrics) if n_nuls < input.len() => {
                let error = EntryError { column: n_nuls + 1, kind: ParseErrorKind::DataAfterEof };
                Err(self.locate(error, input))
            }
            (Place::BehindEof, _) => Ok(Some(input.len())),
            _ => Ok((n_nuls > 0 || input.is_empty()).then_some(n_nuls)),
        }
    }

    fn check_length(&self, input: &[u8], n_bytes: usize) -> Result<(), ParseError> {
        if n_bytes <= self.line_bytes_max {
            return Ok(());
        }
        Err(self.locate(EntryError { column: 1, kind: ParseErrorKind::LineTooLong }, input))
    }
}

/// Lines an entry takes, an unfinished one included.
fn count_lines(line: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', line).count() + usize::from(!line.ends_with(b"\n"))
}

/// A document that comes in chunks of any size, cut anywhere.
///
/// Bytes of an unfinished entry are kept, so at most one line and one chunk are held.
///
/// ```
/// use weir::model::Format;
/// use weir::parse::{Entry, Parser};
///
/// let mut samples = Vec::new();
/// let mut parser = Parser::new(Format::Text);
/// for chunk in [&b"up{job=\"a"[..], b"\"} 1\nup{job=\"b\"} ", b"0"] {
///     parser.push(chunk, |line, entry, tokens| {
///         if entry == Entry::Sample {
///             samples.push((line[..tokens.value_start].to_vec(), tokens.value));
///         }
///         Ok(())
///     })?;
/// }
/// let stats = parser.finish(|_, _, tokens| {
///     assert_eq!(tokens.value, 0.0);
///     Ok(())
/// })?;
/// assert_eq!(samples, [(b"up{job=\"a\"} ".to_vec(), 1.0)]);
/// assert_eq!(stats.n_samples, 2);
/// # Ok::<(), weir::parse::ParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parser {
    document: Document,
    tokens: SampleTokens,
    rest: Vec<u8>,
}

impl Parser {
    /// The start of a document.
    pub fn new(format: Format) -> Self {
        Self::of(Document::new(format))
    }

    /// Go on with `document`, which is where its limits come from.
    pub fn of(document: Document) -> Self {
        Self { document, tokens: SampleTokens::default(), rest: Vec::new() }
    }

    /// Take the next bytes, and hand every entry that ends in them to `visit`, with its text and,
    /// if it is a sample, its parts.
    ///
    /// # Errors
    ///
    /// Where the document is refused, or `visit` refuses an entry. The parser is then done for.
    pub fn push(
        &mut self,
        chunk: &[u8],
        mut visit: impl FnMut(&[u8], Entry<'_>, &SampleTokens) -> Result<(), EntryError>,
    ) -> Result<(), ParseError> {
        let mut chunk = chunk;
        while !self.rest.is_empty() && !chunk.is_empty() {
            // Only as much as may end the entry is copied to what was left of the last chunk.
            let n_bytes = memchr::memchr(b'\n', chunk).map_or(chunk.len(), |at| at + 1);
            let (top_up, behind) = chunk.split_at(n_bytes);
            chunk = behind;
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(top_up);
            let n_bytes = self.read(&rest, false, &mut visit)?;
            rest.drain(..n_bytes);
            self.rest = rest;
        }
        if !chunk.is_empty() {
            let n_bytes = self.read(chunk, false, &mut visit)?;
            self.rest.extend_from_slice(&chunk[n_bytes..]);
        }
        Ok(())
    }

    /// Whether all bytes so far are entries, and the next one can be read without them.
    pub fn is_between_entries(&self) -> bool {
        self.rest.is_empty() && self.document.place == Place::Body
    }

    /// Lines and samples read so far.
    pub fn stats(&self) -> ParseStats {
        self.document.stats()
    }

    /// Read what is left, and end the document.
    ///
    /// # Errors
    ///
    /// As [`Parser::push`], and where the document may not end.
    pub fn finish(
        mut self,
        mut visit: impl FnMut(&[u8], Entry<'_>, &SampleTokens) -> Result<(), EntryError>,
    ) -> Result<ParseStats, ParseError> {
        let rest = std::mem::take(&mut self.rest);
        self.read(&rest, true, &mut visit)?;
        self.document.finish()
    }

    /// Visit the entries of `input`; gives the number of bytes they take.
    fn read(
        &mut self,
        input: &[u8],
        last: bool,
        visit: &mut impl FnMut(&[u8], Entry<'_>, &SampleTokens) -> Result<(), EntryError>,
    ) -> Result<usize, ParseError> {
        let mut at = 0;
        while let Some((entry, n_bytes)) =
            self.document.next_at(input, at, last, &mut self.tokens)?
        {
            let line = &input[at..at + n_bytes];
            visit(line, entry, &self.tokens)
                .map_err(|error| self.document.locate_last(error, line))?;
            at += n_bytes;
        }
        Ok(at)
    }
}
