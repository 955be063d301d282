//! The symbols of a request of 2.0 while it is written.

use std::hash::BuildHasher as _;

use hashbrown::DefaultHashBuilder;
use hashbrown::HashTable;

use super::encode::put_bytes;
use super::labels::Symbols;
use crate::model::Span;

/// Texts, each once, numbered in the order in which they were first asked for. The first is empty.
#[derive(Clone, Debug)]
pub(super) struct SymbolTable {
    /// The field `symbols` of the message, as often as there are symbols.
    encoded: Vec<u8>,
    /// Where each text is in `encoded`.
    spans: Vec<Span>,
    index: HashTable<u32>,
    /// Seeded for each process, so that texts that collide cannot be prepared. Equality is exact.
    hasher: DefaultHashBuilder,
    /// The request whose symbols `known` speaks of.
    request: u64,
    /// For each symbol of that request its number here, or 0 for one not asked for so far.
    known: Vec<u32>,
}

impl Default for SymbolTable {
    fn default() -> Self {
        let mut table = Self {
            encoded: Vec::new(),
            spans: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            request: 0,
            known: Vec::new(),
        };
        table.clear();
        table
    }
}

impl SymbolTable {
    /// Forget all but the empty symbol, and keep the memory.
    pub(super) fn clear(&mut self) {
        self.encoded.clear();
        self.spans.clear();
        self.index.clear();
        self.known.clear();
        self.request = 0;
        put_bytes(&mut self.encoded, 4, &[]);
        self.spans.push(Span::default());
    }

    /// The field `symbols` of the message.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    #[inline]
    fn text(&self, number: u32) -> &[u8] {
        self.spans.get(number as usize).copied().unwrap_or_default().of(&self.encoded)
    }

    /// The number of a text, which is likely to be `guess`.
    #[inline]
    pub(super) fn number_near(&mut self, text: &[u8], guess: u32) -> u32 {
        if self.text(guess) == text { guess } else { self.number(text) }
    }

    /// The number of a text.
    pub(super) fn number(&mut self, text: &[u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let Self { encoded, spans, index, hasher, .. } = self;
        let of = |number: u32| spans.get(number as usize).copied().unwrap_or_default().of(encoded);
        let hash = hasher.hash_one(text);
        if let Some(number) = index.find(hash, |&number| of(number) == text) {
            return *number;
        }
        let number = u32::try_from(spans.len()).unwrap_or(u32::MAX);
        put_bytes(encoded, 4, text);
        spans.push(Span::new(encoded.len() - text.len(), encoded.len()));
        let of = |number: u32| spans.get(number as usize).copied().unwrap_or_default().of(encoded);
        index.insert_unique(hash, number, |&number| hasher.hash_one(of(number)));
        number
    }

    /// The number of a symbol of a request that is being read.
    #[inline]
    pub(super) fn number_of(&mut self, symbols: Symbols<'_>, reference: u32) -> u32 {
        if reference == 0 {
            return 0;
        }
        if self.request != symbols.request {
            self.request = symbols.request;
            self.known.clear();
            self.known.resize(symbols.spans.len(), 0);
        }
        match self.known.get(reference as usize) {
            Some(&number) if number != 0 => number,
            _ => {
                let number = self.number(symbols.text(reference));
                if let Some(known) = self.known.get_mut(reference as usize) {
                    *known = number;
                }
                number
            }
        }
    }
}
