//! The slow half of reading: lines that were not predicted.

use super::{Mode, Next, ReadError, Reader};
use crate::ledger::block::{Block, RowKind};
use crate::ledger::compare::same;
use crate::ledger::meta::{MetaLines, NOTHING};
use crate::ledger::predict::{ValuePart, sample_value};
use crate::ledger::recent::Derived;
use crate::ledger::resync::Index;
use crate::ledger::unordered::Known;
use crate::model::Format;
use crate::model::number;
use crate::parse::{Entry, EntryError, ParseErrorKind, check_labels};
use std::sync::Arc;

/// Blank lines and comments that are rows; a body of nothing else must not fill the memory.
const IDLE_ROWS_MAX: usize = 10_000;
/// After this many lines in a row that were not found, only each 16th is searched for in the block.
const SEARCHES: usize = 8;

impl Reader {
    /// Read a line that should be one of the written-out rows of a block, most likely `row`.
    pub(super) fn resync(
        &mut self,
        block_at: usize,
        row: usize,
        buffer: &[u8],
        at: usize,
        last: bool,
    ) -> Result<Next, ReadError> {
        if row >= self.decoded.len() {
            self.leave_decoded(block_at);
            return Ok(Next::At(at));
        }
        let base = Arc::clone(&self.base);
        let block = &base.blocks[block_at];
        match self.match_decoded(block, row, buffer, at) {
            Some(part) => {
                self.document.pass_samples(1);
                self.take_row(block_at, block, row, Some((part, buffer, at)));
                self.check_n_series()?;
                Ok(Next::At(part.end))
            }
            None => self.read_line(buffer, at, last),
        }
    }

    /// The value of the line at `at`, if the line is this row.
    fn match_decoded(
        &self,
        block: &Block,
        row: usize,
        buffer: &[u8],
        at: usize,
    ) -> Option<ValuePart> {
        if block.heads[row].kind != RowKind::Sample || self.is_mid_entry || self.document.is_ended()
        {
            return None;
        }
        let text = self.decoded.text(row);
        let line = buffer.get(at..at + text.len())?;
        if !same(line, text) {
            return None;
        }
        let part = sample_value(self.document.format(), buffer, at + text.len()).ok()?;
        (part.end - at <= self.limits.line_bytes_max).then_some(part)
    }

    /// Take over an old row. For a sample its value is in the buffer or, parsed, in the tokens.
    fn take_row(
        &mut self,
        block_at: usize,
        block: &Block,
        row: usize,
        read: Option<(ValuePart, &[u8], usize)>,
    ) {
        self.n_missed = 0;
        if self.builder.is_full() {
            self.close_block();
        }
        let text = self.decoded.text(row);
        let n_metas = block.n_metas_before(row);
        if block.heads[row].kind == RowKind::Meta {
            let number = block.metas[n_metas];
            self.read.meta_numbers.push(number);
            self.builder.push_meta(text, number, &mut self.recent);
        } else {
            let n_outputs = self.cold.n_outputs();
            let first = (row - n_metas) * n_outputs;
            if let Some((part, buffer, at)) = read {
                self.read.push(&part, buffer, at + text.len());
            }
            let slots = &block.slots[first..first + n_outputs];
            self.builder.push_sample(text, slots, None, &mut self.recent);
            self.builder.set_origin(self.base.first_samples[block_at] + row - n_metas);
        }
        self.mode = Mode::Resyncing(block_at, row + 1);
    }

    /// Read a line and find out what it is.
    pub(super) fn read_line(
        &mut self,
        buffer: &[u8],
        at: usize,
        last: bool,
    ) -> Result<Next, ReadError> {
        let rest = &buffer[at..];
        let is_behind_end = self.document.is_ended();
        let is_fresh = !self.is_mid_entry && !is_behind_end;
        if self.known.is_some() {
            if is_fresh && let Some(next) = self.pass_known(rest)? {
                return Ok(Next::At(at + next));
            }
        } else if is_fresh && let Some((derived, part)) = self.derive(buffer, at) {
            self.document.pass_samples(1);
            self.derived(&derived, &part, buffer, at)?;
            return Ok(Next::At(part.end));
        }
        let Some((entry, n_bytes)) = self.document.next(rest, last, &mut self.tokens)? else {
            self.is_mid_entry = true;
            return Ok(Next::NeedMore(at));
        };
        self.is_mid_entry = false;
        let line = &rest[..n_bytes];
        match entry {
            Entry::Sample => self.sample(line)?,
            _ if is_behind_end => {}
            // Prometheus stops reading there and calls it a success; what stands behind is lost.
            Entry::Eof if self.document.format() == Format::Text => {
                let nul = line.iter().position(|&byte| byte == 0).unwrap_or(0);
                let error = EntryError { column: nul + 1, kind: ParseErrorKind::NulByte };
                return Err(self.document.locate_last(error, line).into());
            }
            entry => {
                self.meta(line, entry);
                self.check_n_series()?;
            }
        }
        Ok(Next::At(at + n_bytes))
    }

    /// Whether the line is a recent one with another value in one label; and its own value.
    fn derive(&mut self, buffer: &[u8], at: usize) -> Option<(Derived, ValuePart)> {
        let input = &buffer[at..];
        let backs = [self.good_back, 1, self.builder.last_back()];
        let derived = backs.into_iter().find_map(|back| self.recent.derive(back, input))?;
        if derived.likeness.back > 1 {
            self.good_back = derived.likeness.back;
        }
        let part = sample_value(self.document.format(), buffer, at + derived.len).ok()?;
        (part.end - at <= self.limits.line_bytes_max).then_some((derived, part))
    }

    fn derived(
        &mut self,
        derived: &Derived,
        part: &ValuePart,
        buffer: &[u8],
        at: usize,
    ) -> Result<(), ReadError> {
        let text = &buffer[at..at + derived.len];
        self.read.push(part, buffer, at + derived.len);
        if let Some((block_at, row)) = self.find(text, RowKind::Sample) {
            let base = Arc::clone(&self.base);
            self.take_row(block_at, &base.blocks[block_at], row, None);
        } else if self.cold.ignores(self.recent.label_name(derived)) {
            if self.builder.is_full() {
                self.close_block();
            }
            self.slots.clear();
            self.slots.extend_from_slice(self.recent.slots(derived));
            self.builder.push_sample(text, &self.slots, Some(derived), &mut self.recent);
            self.recent.decide_derived(derived);
            self.read.n_cold += 1;
        } else {
            self.recent.write_tokens(derived, &mut self.tokens);
            self.slots.clear();
            self.cold.decide(text, &self.tokens, &mut self.slots);
            self.add_row(text, Some(derived));
        }
        self.check_n_series()
    }

    fn sample(&mut self, line: &[u8]) -> Result<(), ReadError> {
        let text = &line[..self.tokens.value_start];
        if self.known.is_some() {
            return self.unordered_sample(line);
        }
        if let Some((block_at, row)) = self.find(text, RowKind::Sample) {
            let base = Arc::clone(&self.base);
            self.stage(line);
            self.take_row(block_at, &base.blocks[block_at], row, None);
            return self.check_n_series();
        }
        self.check_labels(line)?;
        self.slots.clear();
        self.cold.decide(line, &self.tokens, &mut self.slots);
        self.stage(line);
        self.add_row(text, None);
        self.check_n_series()
    }

    /// Take a line of a known series and a plain value, without parsing it; gives where it ends.
    ///
    /// What stands before the last blank is compared with what has been parsed before; so what
    /// follows is the value, if it reads as one.
    fn pass_known(&mut self, rest: &[u8]) -> Result<Option<usize>, ReadError> {
        let (Some(known), Some(end)) = (&mut self.known, memchr::memchr(b'\n', rest)) else {
            return Ok(None);
        };
        if end > self.limits.line_bytes_max {
            return Ok(None);
        }
        let Some(blank) = memchr::memrchr(b' ', &rest[..end]) else { return Ok(None) };
        let (text, value) = rest[..end].split_at(blank + 1);
        let Some(value) = number::parse_value(value) else { return Ok(None) };
        let fingerprint = Known::fingerprint(self.cold.key(), text);
        let Some(slots) = known.find(fingerprint, self.cold.n_outputs()) else { return Ok(None) };
        if self.builder.is_full() {
            self.read.push_block(self.builder.close());
        }
        self.builder.push_opaque(slots, &mut self.recent);
        self.read.known_rows.push(known.last_row());
        self.read.values.push(value);
        self.document.pass_samples(1);
        self.check_n_series().map(|()| Some(end + 1))
    }

    /// A parsed sample of a target that keeps no order.
    fn unordered_sample(&mut self, line: &[u8]) -> Result<(), ReadError> {
        let text = &line[..self.tokens.value_start];
        let fingerprint = Known::fingerprint(self.cold.key(), text);
        let n_outputs = self.cold.n_outputs();
        self.slots.clear();
        let known = self.known.as_mut().and_then(|known| known.find(fingerprint, n_outputs));
        if let Some(slots) = known {
            self.slots.extend_from_slice(slots);
        } else {
            self.check_labels(line)?;
            self.cold.decide(line, &self.tokens, &mut self.slots);
            if let Some(known) = &mut self.known {
                known.insert(fingerprint, &self.slots);
            }
            self.read.n_cold += 1;
        }
        if self.builder.is_full() {
            self.close_block();
        }
        self.builder.push_opaque(&self.slots, &mut self.recent);
        self.read.known_rows.extend(self.known.as_ref().map(Known::last_row));
        self.stage(line);
        self.check_n_series()
    }

    /// Add a new row, of which the parts are in `tokens` and the slots in `slots`.
    fn add_row(&mut self, text: &[u8], derived: Option<&Derived>) {
        if self.builder.is_full() {
            self.close_block();
        }
        self.builder.push_sample(text, &self.slots, derived, &mut self.recent);
        self.recent.decide(&self.tokens, &self.slots);
        self.read.n_cold += 1;
    }

    fn check_labels(&self, line: &[u8]) -> Result<(), ReadError> {
        let (n_labels, max) = (self.tokens.labels.len(), self.limits.labels_max);
        if n_labels > max {
            let line = self.document.stats().n_lines;
            return Err(ReadError::TooManyLabels { line, n_labels, max });
        }
        check_labels(line, &self.tokens)
            .map_err(|error| self.document.locate_last(error, line).into())
    }

    /// Stage the sample in the tokens.
    fn stage(&mut self, line: &[u8]) {
        let Self { tokens, read, .. } = self;
        if tokens.timestamp_ms.is_some() || tokens.exemplar.is_some() {
            read.note(tokens.timestamp_ms, tokens.exemplar.map(|span| span.of(line)));
        }
        read.values.push(tokens.value);
    }

    fn meta(&mut self, line: &[u8], entry: Entry<'_>) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if self.known.is_none()
            && let Some((block_at, row)) = self.find(text, RowKind::Meta)
        {
            let base = Arc::clone(&self.base);
            self.take_row(block_at, &base.blocks[block_at], row, None);
            return;
        }
        let format = self.document.format();
        let number = MetaLines::number(&mut self.read.metas, format, text, entry);
        if number == NOTHING {
            self.n_idle += 1;
            if self.n_idle > IDLE_ROWS_MAX {
                return;
            }
        }
        self.read.meta_numbers.push(number);
        if self.builder.is_full() {
            self.close_block();
        }
        self.builder.push_meta(text, number, &mut self.recent);
    }

    /// Find a line among the old rows: in the rest of the block at hand, or at the start of any.
    fn find(&mut self, text: &[u8], kind: RowKind) -> Option<(usize, usize)> {
        if self.base.blocks.is_empty() || text.is_empty() {
            return None;
        }
        let base = Arc::clone(&self.base);
        self.n_missed += 1;
        if let Mode::Resyncing(block_at, next) = self.mode
            && (self.n_missed <= SEARCHES || self.n_missed.is_multiple_of(16))
        {
            let heads = &base.blocks[block_at].heads;
            let is_it =
                |row: &usize| heads[*row].kind == kind && same(self.decoded.text(*row), text);
            if let Some(row) = (next..self.decoded.len()).find(is_it) {
                return Some((block_at, row));
            }
        }
        let index = self.index.get_or_insert_with(|| Index::new(&base.blocks));
        let block_at = index.find(&base.blocks, text)?;
        if self.is_used[block_at] || base.blocks[block_at].heads[0].kind != kind {
            return None;
        }
        self.enter_decoded(block_at);
        Some((block_at, 0))
    }
}
