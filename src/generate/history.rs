//! All samples of a span of time, label set by label set, as a backfill wants them.

use crate::generate::churn::Life;
use crate::generate::data::Frame;
use crate::generate::data::Presence;
use crate::generate::data::Row;
use crate::generate::family::Block;
use crate::generate::family::Family;
use crate::generate::generator::Generator;
use crate::generate::page::SetWriter;
use crate::generate::page::write_header;
use crate::generate::space::Place;
use crate::generate::walk::At;
use crate::generate::walk::read;
use crate::model::Format;

/// Instants whose frames are kept; those behind are computed for each label set again.
const N_FRAMES_MAX: usize = 10_000;

/// OpenMetrics with a timestamp on every sample, ending in `# EOF`.
#[derive(Debug)]
pub struct History {
    generator: Generator,
    target: u32,
    from_ms: i64,
    to_ms: i64,
    step_ms: i64,
    family: usize,
    block: usize,
    copy: u64,
    id: u64,
    has_header: bool,
    is_done: bool,
    row: Row,
    /// What the series of the block at hand have in common at each instant, if there is room.
    frames: Vec<Frame>,
    lives: [Life; 2],
    labels: Vec<u8>,
    prefix: Vec<u8>,
}

impl History {
    pub(super) fn new(
        generator: Generator,
        target: u32,
        from_ms: i64,
        to_ms: i64,
        step_ms: i64,
    ) -> Self {
        Self {
            generator,
            target,
            from_ms,
            to_ms,
            step_ms: step_ms.max(1),
            family: 0,
            block: 0,
            copy: 0,
            id: 0,
            has_header: false,
            is_done: false,
            row: Row::default(),
            frames: Vec::new(),
            lives: Default::default(),
            labels: Vec::new(),
            prefix: Vec::new(),
        }
    }

    /// Append about `n_bytes` bytes; `false` once everything has been written.
    ///
    /// A call ends with a label set, so it may append all instants of one set more than asked for.
    pub fn fill(&mut self, out: &mut Vec<u8>, n_bytes: usize) -> bool {
        if self.is_done {
            return false;
        }
        let end = out.len() + n_bytes.max(1);
        let generator = self.generator.clone();
        while let Some(family) = generator.family(self.family) {
            let Some(block) = family.blocks.get(self.block) else {
                self.family += 1;
                self.block = 0;
                self.has_header = false;
                continue;
            };
            if self.frames.is_empty() {
                self.frames.extend(
                    self.instants()
                        .take(N_FRAMES_MAX)
                        .map(|time_ms| block.data.frame(generator.overrides().shown_ms(time_ms))),
                );
            }
            while self.copy < block.churns.n_copies_max() {
                while self.id < block.space.n_ids() {
                    if out.len() >= end {
                        return true;
                    }
                    let place = Place { id: self.id, target: self.target };
                    self.id += 1;
                    if block.space.has(place.id) {
                        self.write_set(&generator, family, block, place, out);
                    }
                }
                self.id = 0;
                self.copy += 1;
            }
            self.copy = 0;
            self.block += 1;
            self.frames.clear();
        }
        out.extend_from_slice(b"# EOF\n");
        self.is_done = true;
        false
    }

    fn instants(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { from_ms, to_ms, step_ms, .. } = *self;
        let next = move |time_ms: &i64| time_ms.checked_add(step_ms);
        std::iter::successors(Some(from_ms), next).take_while(move |&time_ms| time_ms <= to_ms)
    }

    fn write_set(
        &mut self,
        generator: &Generator,
        family: &Family,
        block: &Block,
        place: Place,
        out: &mut Vec<u8>,
    ) {
        let overrides = generator.overrides();
        let changes = overrides.touches(&family.name).then_some(generator);
        let mut key = 0;
        let mut has_labels = false;
        for (nth, time_ms) in self.instants().enumerate() {
            let own_frame;
            let frame = if let Some(frame) = self.frames.get(nth) {
                frame
            } else {
                own_frame = block.data.frame(overrides.shown_ms(time_ms));
                &own_frame
            };
            let at = At { family, block, frame, place, copy: self.copy };
            let is_there = self.copy < block.churns.n_copies(frame.time_ms())
                && generator.is_up(self.target, time_ms)
                && read(&at, changes, &mut self.lives[1], &mut self.row, &mut key)
                && self.row.presence == Presence::Here;
            if !is_there {
                continue;
            }
            if !self.has_header {
                write_header(family, Format::OpenMetrics, out);
                self.has_header = true;
            }
            if !has_labels || self.lives[0] != self.lives[1] {
                self.lives.swap(0, 1);
                self.labels.clear();
                let life = &self.lives[0];
                block.layout.write_labels(&block.space, place, life, &mut self.labels);
                has_labels = true;
            }
            let format = Format::OpenMetrics;
            let timestamp_ms = Some(time_ms);
            let writer = SetWriter { family, block, format, labels: &self.labels, timestamp_ms };
            writer.write(&self.row, None, &mut self.prefix, out);
        }
    }
}
