//! What a record of a queue holds: one message as it is sent, and what is in it.

use crate::wire::Version;
use bytes::Bytes;

/// The `kind` of the queue's records that hold a batch.
pub(super) const KIND: u32 = 1;
/// Version of the head below.
const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 32;

/// What a message holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Series.
    pub n_series: u32,
    /// Samples.
    pub n_samples: u32,
    /// Histograms.
    pub n_histograms: u32,
    /// Exemplars.
    pub n_exemplars: u32,
    /// Metadata of families, beside the series.
    pub n_metadata: u32,
    /// The newest timestamp, in milliseconds since 1970; 0 if there is none.
    pub newest_ms: i64,
}

impl Counts {
    /// Samples and histograms: what limits count.
    pub fn n_points(&self) -> usize {
        self.n_samples as usize + self.n_histograms as usize
    }

    /// Add what another message holds.
    pub fn add(&mut self, other: &Self) {
        self.n_series += other.n_series;
        self.n_samples += other.n_samples;
        self.n_histograms += other.n_histograms;
        self.n_exemplars += other.n_exemplars;
        self.n_metadata += other.n_metadata;
        self.newest_ms = self.newest_ms.max(other.newest_ms);
    }
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Which message it is.
    pub version: Version,
    /// What it holds.
    pub counts: Counts,
    /// The message, compressed with snappy.
    pub body: Bytes,
    /// To which URL of the destination it goes.
    pub queue: usize,
}

impl Batch {
    /// A body that came in, untouched.
    pub fn whole(version: Version, counts: Counts, body: Bytes) -> Self {
        Self { version, counts, body, queue: 0 }
    }

    /// What stands before the body in the payload of a record.
    pub(super) fn head(&self) -> [u8; HEAD_BYTES] {
        let version = match self.version {
            Version::V1 => 1,
            Version::V2 => 2,
        };
        let mut head = [0; HEAD_BYTES];
        let mut rest = &mut head[..];
        let mut put = |bytes: &[u8]| {
            if let Some((place, after)) =
                std::mem::take(&mut rest).split_at_mut_checked(bytes.len())
            {
                place.copy_from_slice(bytes);
                rest = after;
            }
        };
        put(&[FORMAT, version, 0, 0]);
        let Counts { n_series, n_samples, n_histograms, n_exemplars, n_metadata, newest_ms } =
            self.counts;
        for n in [n_series, n_samples, n_histograms, n_exemplars, n_metadata] {
            put(&n.to_le_bytes());
        }
        put(&newest_ms.to_le_bytes());
        head
    }

    /// Read a payload; nothing if it is none of this format.
    pub(super) fn decode(payload: Vec<u8>) -> Option<Self> {
        let (head, _) = payload.split_first_chunk::<HEAD_BYTES>()?;
        let [FORMAT, version, ..] = *head else { return None };
        let version = match version {
            1 => Version::V1,
            2 => Version::V2,
            _ => return None,
        };
        let mut rest = &head[4..];
        let mut next = || {
            let (bytes, after) = rest.split_first_chunk::<4>()?;
            rest = after;
            Some(u32::from_le_bytes(*bytes))
        };
        let (n_series, n_samples) = (next()?, next()?);
        let (n_histograms, n_exemplars, n_metadata) = (next()?, next()?, next()?);
        let newest_ms = i64::from_le_bytes(*rest.first_chunk()?);
        let counts =
            Counts { n_series, n_samples, n_histograms, n_exemplars, n_metadata, newest_ms };
        let body = Bytes::from(payload).slice(HEAD_BYTES..);
        Some(Self { version, counts, body, queue: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_as_it_was_written() {
        for version in [Version::V1, Version::V2] {
            let counts = Counts {
                n_series: 1,
                n_samples: 2,
                n_histograms: 3,
                n_exemplars: 4,
                n_metadata: u32::MAX,
                newest_ms: -6,
            };
            let batch = Batch::whole(version, counts, Bytes::from_static(b"body"));
            let payload = [&batch.head()[..], &batch.body].concat();
            assert_eq!(Batch::decode(payload.clone()), Some(batch));
            for n_bytes in 0..HEAD_BYTES {
                assert_eq!(Batch::decode(payload[..n_bytes].to_vec()), None);
            }
        }
        let mut other = Batch::whole(Version::V1, Counts::default(), Bytes::new()).head();
        other[0] = 2;
        assert_eq!(Batch::decode(other.to_vec()), None);
    }
}
