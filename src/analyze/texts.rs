//! Distinct texts, numbered in the order in which they came.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use hashbrown::HashTable;

/// A set of texts, each with a number.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a number; empty if there is no such number.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &[u8] {
        text(&self.bytes, &self.ends, number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..).map(|number| self.get(number)).take(self.len())
    }

    /// The number of a text, a new one if it is new.
    #[inline]
    pub(super) fn intern(&mut self, wanted: &[u8]) -> u32 {
        let Self { bytes, ends, table, hasher } = self;
        let hash = hasher.hash_one(wanted);
        if let Some(&number) = table.find(hash, |&number| text(bytes, ends, number) == wanted) {
            return number;
        }
        let number = u32::try_from(ends.len()).expect("there is no memory for 2^32 texts");
        bytes.extend_from_slice(wanted);
        ends.push(bytes.len());
        table.insert_unique(hash, number, |&n| hasher.hash_one(text(bytes, ends, n)));
        number
    }
}

#[inline]
fn text<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let at = number as usize;
    let start = at.checked_sub(1).map_or(0, |before| ends[before]);
    ends.get(at).map_or(&[], |&end| &bytes[start..end])
}

/// A set of numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    table: HashTable<u32>,
}

impl Numbers {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub(super) fn insert(&mut self, number: u32) {
        let spread = |&n: &u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.table.entry(spread(&number), |&n| n == number, spread).or_insert(number);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.table.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_number() {
        let mut texts = Texts::default();
        assert_eq!([texts.intern(b"a"), texts.intern(b""), texts.intern(b"a")], [0, 1, 0]);
        assert_eq!((texts.get(0), texts.get(1), texts.get(2)), (&b"a"[..], &b""[..], &b""[..]));
        assert_eq!(texts.len(), 2);
        for n in 0..1000_u32 {
            assert_eq!(texts.intern(format!("text {n}").as_bytes()), n + 2);
        }
        assert_eq!(texts.iter().nth(500), Some(&b"text 498"[..]));
    }
}
