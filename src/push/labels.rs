//! The labels of a pushed series, in as few bytes as will do.

use std::fmt;

/// Stands behind every name and every value: no byte of UTF-8.
const END: u8 = 0xff;

/// Labels, sorted by name, in one piece of text. Those without a value are kept.
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Labels(Box<[u8]>);

impl Labels {
    /// Labels in any order.
    ///
    /// # Errors
    ///
    /// The name that occurs twice.
    pub fn new<'a>(pairs: &mut [(&'a [u8], &'a [u8])]) -> Result<Self, &'a [u8]> {
        pairs.sort_unstable_by_key(|(name, _)| *name);
        if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(twice[0].0);
        }
        let n_bytes = pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut text = Vec::with_capacity(n_bytes);
        for (name, value) in pairs {
            text.extend_from_slice(name);
            text.push(END);
            text.extend_from_slice(value);
            text.push(END);
        }
        Ok(Self(text.into_boxed_slice()))
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut parts = self.0.split(|byte| *byte == END);
        std::iter::from_fn(move || {
            let name = parts.next().filter(|name| !name.is_empty())?;
            Some((name, parts.next().unwrap_or_default()))
        })
    }

    /// The value of a label, if it is there.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All of it, equal where the labels are equal.
    pub(super) fn text(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}
