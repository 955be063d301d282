//! The label sets of a target at an instant, one after another, with their values.

use crate::generate::churn::Life;
use crate::generate::data::Frame;
use crate::generate::data::Presence;
use crate::generate::data::Row;
use crate::generate::data::SeriesAt;
use crate::generate::family::Block;
use crate::generate::family::Family;
use crate::generate::generator::Generator;
use crate::generate::overrides::Selector;
use crate::generate::space::Place;

/// Where a walk is.
#[derive(Debug)]
pub(super) struct Walk {
    generator: Generator,
    target: u32,
    /// The instant whose values are shown; before that of the scrape while time stands still.
    time_ms: i64,
    family: usize,
    block: usize,
    copy: u64,
    id: u64,
    /// Whether anything of the family at hand was changed by hand.
    is_touched: bool,
    /// What the series of the block at hand have in common.
    frame: Option<Frame>,
    /// The label set at hand.
    pub(super) place: Place,
    pub(super) key: u64,
    pub(super) life: Life,
    pub(super) row: Row,
}

impl Walk {
    pub(super) fn new(generator: Generator, target: u32, time_ms: i64) -> Self {
        let time_ms = generator.overrides().shown_ms(time_ms);
        let mut walk = Self {
            generator,
            target,
            time_ms,
            family: 0,
            block: 0,
            copy: 0,
            id: 0,
            is_touched: false,
            frame: None,
            place: Place { id: 0, target },
            key: 0,
            life: Life::default(),
            row: Row::default(),
        };
        walk.enter_family();
        walk
    }

    pub(super) fn time_ms(&self) -> i64 {
        self.time_ms
    }

    pub(super) fn generator(&self) -> &Generator {
        &self.generator
    }

    fn enter_family(&mut self) {
        let overrides = self.generator.overrides();
        let family = self.generator.families().get(self.family);
        self.is_touched = family.is_some_and(|family| overrides.touches(&family.name));
    }

    /// Go to the next label set that has samples or has just ended; gives its family and block.
    pub(super) fn next(&mut self) -> Option<(usize, usize)> {
        loop {
            let family = self.generator.family(self.family)?;
            let Some(block) = family.blocks.get(self.block) else {
                self.family += 1;
                self.block = 0;
                self.enter_family();
                continue;
            };
            let n_ids = block.space.n_ids();
            let frame = self.frame.get_or_insert_with(|| block.data.frame(self.time_ms));
            while self.copy < block.churns.n_copies(self.time_ms) {
                while self.id < n_ids {
                    let place = Place { id: self.id, target: self.target };
                    self.id += 1;
                    if !block.space.has(place.id) {
                        continue;
                    }
                    self.place = place;
                    let at = At { family, block, frame, place, copy: self.copy };
                    let changes = self.is_touched.then_some(&self.generator);
                    let is_here = read(&at, changes, &mut self.life, &mut self.row, &mut self.key);
                    if is_here {
                        return Some((self.family, self.block));
                    }
                }
                self.id = 0;
                self.copy += 1;
            }
            self.copy = 0;
            self.block += 1;
            self.frame = None;
        }
    }
}

/// One label set at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) family: &'a Family,
    pub(super) block: &'a Block,
    pub(super) frame: &'a Frame,
    pub(super) place: Place,
    pub(super) copy: u64,
}

/// Read who lives in a slot and what its values are; `false`: there is nothing.
#[inline]
pub(super) fn read(
    at: &At<'_>,
    changes: Option<&Generator>,
    life: &mut Life,
    row: &mut Row,
    key: &mut u64,
) -> bool {
    let At { block, frame, place, copy, .. } = *at;
    let time_ms = frame.time_ms();
    if !block.churns.is_empty() && !block.churns.life(&block.space, place, copy, time_ms, life) {
        return false;
    }
    if block.churns.is_empty() {
        *life = Life::default();
    }
    *key = block.series_key(place, copy);
    let change = changes.and_then(|generator| {
        let overrides = generator.overrides();
        overrides.change(time_ms, |selector| at.is_meant(selector, life))
    });
    let series = SeriesAt {
        key: *key,
        factor: block.factor(place, *key),
        born_ms: life.born_ms,
        change: change.as_ref(),
    };
    block.data.read(frame, series, row);
    row.presence != Presence::Missing
}

impl At<'_> {
    /// Whether a selector means this label set.
    fn is_meant(&self, selector: &Selector, life: &Life) -> bool {
        let space = &self.block.space;
        selector.family == self.family.name
            && selector.labels.iter().all(|(name, wanted)| {
                let mut value = Vec::new();
                let found = space.dimensions().iter().position(|d| d.name == *name);
                if let Some(dimension) = found {
                    space.write_value(dimension, self.place, false, &mut value);
                    life.write_marks(dimension, &mut value);
                }
                value == wanted.as_bytes()
            })
    }
}
