//! Reading one body: lines in, staged rows out.
//!
//! Bytes are read where they lie. Only what a chunk cuts apart is copied: the unfinished line, and
//! in the middle of a block some lines on both sides of the cut, since rows are compared with up to
//! 16 lines before.

mod lines;

use std::sync::Arc;

use crate::ledger::block::{BACK_MAX, Block, BlockBuilder, Decoded};
use crate::ledger::cold::{Cold, Found};
use crate::ledger::commit::Base;
use crate::ledger::predict::{Prediction, Stop};
use crate::ledger::recent::Recent;
use crate::ledger::resync::Index;
use crate::ledger::staged::{Origin, Staged};
use crate::ledger::unordered::Known;
use crate::model::{FingerprintKey, Format};
use crate::parse::{Document, ParseError, ParseErrorKind, SampleTokens};

/// Bytes of a chunk that are copied behind what was left of the one before, at first. As soon as the
/// lines still needed are all among them, the chunk is read where it lies.
const TOP_UP_BYTES: usize = 8 << 10;
/// A new block with fewer rows than this is not closed at the end of an old one.
const FEW_ROWS: usize = 16;

/// Bounds on one body. Each is refused with an error that names it.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Bytes in a line.
    pub line_bytes_max: usize,
    /// Samples in a body.
    pub series_max: usize,
    /// Labels of a series.
    pub labels_max: usize,
}

/// Why a body was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A line Prometheus would refuse, or one beyond the limit of its length.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// More samples than allowed.
    #[error("line {line}: more than {max} series (--max-series)")]
    TooManySeries {
        /// One-based line.
        line: usize,
        /// The limit.
        max: usize,
    },
    /// A series with more labels than allowed.
    #[error("line {line}: {n_labels} labels, more than {max} (--max-labels)")]
    TooManyLabels {
        /// One-based line.
        line: usize,
        /// How many labels.
        n_labels: usize,
        /// The limit.
        max: usize,
    },
}

impl ReadError {
    /// A word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Parse(error) if error.kind == ParseErrorKind::LineTooLong => "line_too_long",
            Self::Parse(_) => "parse",
            Self::TooManySeries { .. } => "too_many_series",
            Self::TooManyLabels { .. } => "too_many_labels",
        }
    }
}

/// Where the walk through the rows of the last scrape is.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Lines are compared with the rows of this block.
    Predicting(usize, Prediction),
    /// Lines are looked for among the written-out rows of this block, the next of which is given.
    Resyncing(usize, usize),
    /// No old row is expected.
    Lost,
}

/// One body being read.
#[derive(Debug)]
pub struct Reader {
    base: Arc<Base>,
    limits: ReadLimits,
    document: Document,
    /// The document has seen the start of an entry of which the end has not come.
    is_mid_entry: bool,
    tokens: SampleTokens,
    cold: Cold,
    mode: Mode,
    /// Blocks of `base` that the walk has been to.
    is_used: Vec<bool>,
    decoded: Decoded,
    index: Option<Index>,
    /// Lines in a row that were not found among the old rows.
    n_missed: usize,
    /// New blank lines and comments.
    n_idle: usize,
    builder: BlockBuilder,
    recent: Recent,
    /// The distance beyond 1 at which a line could be derived last.
    good_back: usize,
    /// The series of a target that keeps no order; such a body is read without prediction.
    known: Option<Known>,
    slots: Vec<u32>,
    read: Staged,
    carry: Vec<u8>,
    /// Where in `carry` the next line starts.
    carry_at: usize,
}

/// A body that ended cleanly, to be committed.
#[derive(Debug)]
pub struct CleanRead {
    pub(super) format: Format,
    pub(super) staged: Staged,
    pub(super) found: Vec<Found>,
    pub(super) n_lines: usize,
    pub(super) n_nameless: u64,
    /// The rows are those of the last scrape, one for one.
    pub(super) is_unchanged: bool,
    pub(super) known: Option<Known>,
    pub(super) key: Arc<FingerprintKey>,
}

impl Reader {
    pub(super) fn new(
        base: Arc<Base>,
        cold: Cold,
        limits: ReadLimits,
        format: Format,
        mut values: Vec<f64>,
        mut known: Option<Known>,
    ) -> Self {
        values.clear();
        values.reserve_exact(base.n_samples());
        let is_predicted = known.is_none();
        if let Some(known) = &mut known {
            known.begin();
        }
        let mut reader = Self {
            limits,
            document: Document::new(format).with_line_bytes_max(limits.line_bytes_max),
            is_mid_entry: false,
            tokens: SampleTokens::default(),
            cold,
            mode: Mode::Lost,
            is_used: vec![false; base.blocks.len()],
            decoded: Decoded::default(),
            index: None,
            n_missed: 0,
            n_idle: 0,
            builder: BlockBuilder::new(),
            recent: Recent::default(),
            good_back: 0,
            known,
            slots: Vec::new(),
            read: Staged {
                values,
                blocks: Vec::with_capacity(base.blocks.len() + 1),
                metas: Arc::clone(&base.metas),
                ..Staged::default()
            },
            carry: Vec::new(),
            carry_at: 0,
            base,
        };
        if is_predicted {
            reader.enter(0);
        }
        reader
    }

    /// Read the next bytes of the body, cut anywhere.
    ///
    /// # Errors
    ///
    /// At the first line that is wrong; the reader is of no use then.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        let mut at = 0;
        let mut top_up = TOP_UP_BYTES;
        while !self.carry.is_empty() {
            let end = chunk.len().min(at + top_up);
            top_up *= 2;
            self.carry.extend_from_slice(&chunk[at..end]);
            at = end;
            let carry = std::mem::take(&mut self.carry);
            let walked = self.walk(&carry, self.carry_at, false);
            self.carry = carry;
            self.carry_at = walked?;
            // Bytes of `carry` that are not those of `chunk`.
            let n_before = self.carry.len() - at;
            if self.keep_from(self.carry_at) >= n_before {
                at = self.carry_at - n_before;
                self.shift(n_before);
                self.carry.clear();
            } else if at == chunk.len() {
                let from = self.keep_from(self.carry_at);
                self.carry.drain(..from);
                self.carry_at -= from;
                self.shift(from);
                return Ok(());
            }
        }
        let at = self.walk(chunk, at, false)?;
        let from = self.keep_from(at);
        self.carry.extend_from_slice(&chunk[from..]);
        self.carry_at = at - from;
        self.shift(from);
        Ok(())
    }

    /// End the body.
    ///
    /// # Errors
    ///
    /// When the last line is wrong or the document may not end here.
    pub fn finish(mut self) -> Result<CleanRead, ReadError> {
        let carry = std::mem::take(&mut self.carry);
        self.walk(&carry, self.carry_at, true)?;
        let n_lines = self.document.finish()?.n_lines;
        if let Mode::Predicting(block_at, Prediction { row: row @ 1.., .. }) = self.mode {
            let base = Arc::clone(&self.base);
            self.leave(block_at, &base.blocks[block_at], row);
        }
        self.close_block();
        let (new, old) = (&self.read.blocks, &self.base.blocks);
        let is_unchanged = self.base.format == Some(self.document.format())
            && new.len() == old.len()
            && new.iter().zip(old).all(|(a, b)| Arc::ptr_eq(a, b));
        Ok(CleanRead {
            format: self.document.format(),
            staged: self.read,
            n_nameless: self.cold.n_nameless,
            key: Arc::clone(self.cold.key()),
            found: self.cold.finish(),
            n_lines,
            is_unchanged,
            known: self.known,
        })
    }

    /// From where on the next lines need what has been read, the first of them being at `at`.
    fn keep_from(&self, at: usize) -> usize {
        match &self.mode {
            Mode::Predicting(_, prediction) => prediction.keep_from(at),
            _ => at,
        }
    }

    /// What has been read now starts `n_bytes` bytes later.
    fn shift(&mut self, n_bytes: usize) {
        if let Mode::Predicting(_, prediction) = &mut self.mode {
            prediction.shift(n_bytes);
        }
    }

    /// Read lines from `buffer[at..]`; gives where the first line starts that is not complete.
    fn walk(&mut self, buffer: &[u8], mut at: usize, last: bool) -> Result<usize, ReadError> {
        while at < buffer.len() {
            let next = match self.mode {
                Mode::Predicting(block, prediction) => {
                    self.predict(block, prediction, buffer, at, last)?
                }
                Mode::Resyncing(block, row) => self.resync(block, row, buffer, at, last)?,
                Mode::Lost => self.read_line(buffer, at, last)?,
            };
            match next {
                Next::At(next) => at = next,
                Next::NeedMore(next) => return Ok(next),
            }
        }
        Ok(at)
    }

    /// Go on through a block whose rows the lines have matched so far.
    fn predict(
        &mut self,
        block_at: usize,
        mut prediction: Prediction,
        buffer: &[u8],
        at: usize,
        last: bool,
    ) -> Result<Next, ReadError> {
        let base = Arc::clone(&self.base);
        let block = &base.blocks[block_at];
        if self.document.is_ended() {
            self.leave(block_at, block, prediction.row);
            return Ok(Next::At(at));
        }
        let (format, n_before) = (self.document.format(), self.read.values.len());
        let line_bytes_max = self.limits.line_bytes_max;
        let read = &mut self.read;
        let (at, stop) = prediction.walk(format, line_bytes_max, block, buffer, at, read);
        self.document.pass_samples(self.read.values.len() - n_before);
        self.check_n_series()?;
        self.mode = Mode::Predicting(block_at, prediction);
        match stop {
            Stop::BlockEnd => self.end_block(block_at, block),
            Stop::NeedMore if !last && !self.is_too_long(buffer, at) => {
                return Ok(Next::NeedMore(at));
            }
            Stop::Meta => return self.predict_meta(block_at, prediction, buffer, at, last),
            Stop::NeedMore | Stop::Mismatch => self.leave(block_at, block, prediction.row),
        }
        Ok(Next::At(at))
    }

    /// A line other than a sample is expected: it is compared, and parsed all the same.
    fn predict_meta(
        &mut self,
        block_at: usize,
        mut prediction: Prediction,
        buffer: &[u8],
        at: usize,
        last: bool,
    ) -> Result<Next, ReadError> {
        let base = Arc::clone(&self.base);
        let block = &base.blocks[block_at];
        let rest = &buffer[at..];
        if !last && memchr::memchr(b'\n', rest).is_none() && !self.is_too_long(buffer, at) {
            return Ok(Next::NeedMore(at));
        }
        let len = prediction.matches(block, buffer, at).unwrap_or(0);
        let is_expected = (len > 0 || block.heads[prediction.row].is_blank_line())
            && matches!(rest.get(len), None | Some(b'\n'));
        if !is_expected {
            self.leave(block_at, block, prediction.row);
            return Ok(Next::At(at));
        }
        let Some((_, n_bytes)) = self.document.next(rest, last, &mut self.tokens)? else {
            self.is_mid_entry = true;
            return Ok(Next::NeedMore(at));
        };
        self.is_mid_entry = false;
        self.read.meta_numbers.push(block.metas[block.n_metas_before(prediction.row)]);
        prediction.advance(block, at);
        self.mode = Mode::Predicting(block_at, prediction);
        if prediction.row == block.heads.len() {
            self.end_block(block_at, block);
        }
        Ok(Next::At(at + n_bytes))
    }

    /// All rows of a block have been matched: the new ledger shares it.
    fn end_block(&mut self, block_at: usize, block: &Arc<Block>) {
        self.read.blocks.push(Arc::clone(block));
        self.read.origins.push(Origin::Block(block_at));
        self.enter(block_at + 1);
    }

    /// Predict the rows of a block, if it is there and has not been used.
    fn enter(&mut self, block_at: usize) {
        self.mode = match self.is_used.get_mut(block_at) {
            Some(is_used) if !*is_used => {
                *is_used = true;
                Mode::Predicting(block_at, Prediction::default())
            }
            _ => Mode::Lost,
        };
    }

    /// Stop predicting: the rows matched go into a new block, the others are searched.
    fn leave(&mut self, block_at: usize, block: &Block, n_matched: usize) {
        self.decoded.load(block);
        let origin = self.base.first_samples[block_at];
        self.builder.resume(block, n_matched, self.cold.n_outputs(), origin);
        for row in n_matched.saturating_sub(BACK_MAX)..n_matched {
            self.recent.push_text(self.decoded.text(row));
        }
        self.mode = Mode::Resyncing(block_at, n_matched);
    }

    /// Write out a block and look for lines in it from its first row on.
    fn enter_decoded(&mut self, block_at: usize) {
        self.is_used[block_at] = true;
        self.decoded.load(&self.base.blocks[block_at]);
        self.mode = Mode::Resyncing(block_at, 0);
    }

    /// The old block at hand has no rows left: go on with the next.
    ///
    /// A new block of only a few rows takes in more, else churn would grind the ledger to dust.
    fn leave_decoded(&mut self, block_at: usize) {
        let next = block_at + 1;
        let is_free = self.is_used.get(next) == Some(&false);
        if is_free && !self.builder.is_empty() && self.builder.len() < FEW_ROWS {
            self.enter_decoded(next);
        } else {
            if is_free {
                self.close_block();
            }
            self.enter(next);
        }
    }

    fn close_block(&mut self) {
        if !self.builder.is_empty() {
            self.read.push_block(self.builder.close());
        }
    }

    /// Whether the unfinished line at `at` is beyond the limit already: it is read as any other,
    /// and refused.
    fn is_too_long(&self, buffer: &[u8], at: usize) -> bool {
        buffer.len() - at > self.limits.line_bytes_max
    }

    fn check_n_series(&self) -> Result<(), ReadError> {
        let max = self.limits.series_max;
        // Lines that are no samples are remembered too.
        if self.read.values.len() <= max && self.read.meta_numbers.len() <= max {
            return Ok(());
        }
        Err(ReadError::TooManySeries { line: self.document.stats().n_lines, max })
    }
}

/// Where reading goes on.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// At this offset.
    At(usize),
    /// At this offset, once there are more bytes.
    NeedMore(usize),
}
