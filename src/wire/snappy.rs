//! Bodies of requests are compressed with snappy, in its block format, never in the framed one.

use std::fmt;

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// Default of the limit of [`Snappy::decompress`], as Prometheus has it.
pub const DECODED_BYTES_MAX: usize = 32 << 20;

/// What one compressed byte can become at most: a copy of 64 bytes takes three.
const RATIO_MAX: usize = 22;

/// A body that is more than this part of what it stands for, in percent, is compressed in name only.
const POOR_PERCENT: usize = 50;

/// Memory that is kept for a compressed body.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Why a compressed body was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SnappyError {
    /// The body says it is longer than the limit. Nothing was decoded.
    #[error("snappy: {n_bytes} bytes when decoded, more than the limit of {max}")]
    TooLong {
        /// What the body says.
        n_bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The body says it is longer than anything its bytes could stand for. Nothing was decoded.
    #[error("snappy: {compressed} bytes cannot stand for {n_bytes}")]
    Impossible {
        /// How long the body is.
        compressed: usize,
        /// What it says.
        n_bytes: usize,
    },
    /// It is no snappy block, or not all of one.
    #[error("snappy: {0}")]
    Corrupt(snap::Error),
}

/// Compresses and decompresses, in memory it keeps.
pub struct Snappy {
    encoder: Encoder,
    decoder: Decoder,
    /// As long as the longest body so far, so that it need not be filled with zeros each time.
    decoded: Vec<u8>,
    /// As long as the longest body might have become, for the same reason.
    encoded: Vec<u8>,
}

impl Default for Snappy {
    fn default() -> Self {
        let (encoder, decoder) = (Encoder::new(), Decoder::new());
        Self { encoder, decoder, decoded: Vec::new(), encoded: Vec::new() }
    }
}

impl fmt::Debug for Snappy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snappy").field("decoded_bytes", &self.decoded.len()).finish_non_exhaustive()
    }
}

impl Snappy {
    /// With nothing kept so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decompress a body that is at most `max` bytes long then.
    ///
    /// # Errors
    ///
    /// See [`SnappyError`]. Lengths are judged before any memory is taken for them.
    pub fn decompress(&mut self, body: &[u8], max: usize) -> Result<&[u8], SnappyError> {
        let n_bytes = decompress_len(body).map_err(SnappyError::Corrupt)?;
        if n_bytes > max {
            return Err(SnappyError::TooLong { n_bytes, max });
        }
        if n_bytes > body.len().saturating_mul(RATIO_MAX) {
            return Err(SnappyError::Impossible { compressed: body.len(), n_bytes });
        }
        if self.decoded.len() < n_bytes {
            self.decoded.resize(n_bytes, 0);
        }
        let decoded = self.decoded.get_mut(..n_bytes).unwrap_or_default();
        let n = self.decoder.decompress(body, decoded).map_err(SnappyError::Corrupt)?;
        Ok(decoded.get(..n).unwrap_or_default())
    }

    /// Compress `body`, which was decompressed last, once more, if it is compressed in name only and
    /// that makes it much shorter. Senders that save themselves the work make ten times the bytes.
    ///
    /// # Errors
    ///
    /// None that a body which was decompressed can bring about.
    pub fn improve(&mut self, body: &[u8]) -> Result<Option<&[u8]>, SnappyError> {
        let n_bytes = decompress_len(body).map_err(SnappyError::Corrupt)?;
        let poor = |n_bytes: usize| n_bytes.saturating_mul(POOR_PERCENT) / 100;
        let Some(decoded) = self.decoded.get(..n_bytes) else { return Ok(None) };
        if body.len() <= poor(n_bytes) {
            return Ok(None);
        }
        let better = encode(&mut self.encoder, decoded, &mut self.encoded)?;
        Ok(Some(better).filter(|better| better.len() <= poor(body.len())))
    }

    /// Write `body`, compressed, into `out`, which is as long as that then.
    ///
    /// # Errors
    ///
    /// When the body is longer than 4 GiB.
    pub fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), SnappyError> {
        out.clear();
        out.extend_from_slice(encode(&mut self.encoder, body, &mut self.encoded)?);
        self.encoded.truncate(KEPT_BYTES_MAX);
        self.encoded.shrink_to(KEPT_BYTES_MAX);
        Ok(())
    }

    /// Give back memory beyond what bodies of `n_bytes` need.
    pub fn shrink_to(&mut self, n_bytes: usize) {
        for kept in [&mut self.decoded, &mut self.encoded] {
            kept.truncate(n_bytes);
            kept.shrink_to(n_bytes);
        }
    }
}

/// Compress into memory that is kept.
fn encode<'a>(
    encoder: &mut Encoder,
    body: &[u8],
    kept: &'a mut Vec<u8>,
) -> Result<&'a [u8], SnappyError> {
    let max = max_compress_len(body.len());
    if kept.len() < max {
        kept.resize(max, 0);
    }
    let n = encoder.compress(body, kept).map_err(SnappyError::Corrupt)?;
    Ok(kept.get(..n).unwrap_or_default())
}

/// How long a compressed body says it is when decoded; 0 if it is none.
pub fn decoded_len(body: &[u8]) -> usize {
    decompress_len(body).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Snappy of one literal.
    fn literal(body: &[u8]) -> Vec<u8> {
        assert!((1 << 7..1 << 14).contains(&body.len()));
        let n = u16::try_from(body.len()).unwrap();
        let mut out = vec![n.to_le_bytes()[0] | 0x80, (n >> 7).to_le_bytes()[0], 61 << 2];
        out.extend_from_slice(&(n - 1).to_le_bytes());
        out.extend_from_slice(body);
        out
    }

    #[track_caller]
    fn check(body: &[u8], is_better: bool) {
        let mut snappy = Snappy::new();
        let decoded = snappy.decompress(body, DECODED_BYTES_MAX).unwrap().to_vec();
        let better = snappy.improve(body).unwrap().map(<[u8]>::to_vec);
        assert_eq!(better.is_some(), is_better);
        let Some(better) = better else { return };
        assert!(better.len() <= body.len() / 2, "{} of {}", better.len(), body.len());
        assert_eq!(snappy.decompress(&better, DECODED_BYTES_MAX).unwrap(), decoded);
    }

    #[test]
    fn what_is_compressed_in_name_only_is_compressed() {
        let text = b"metric_1_total{job=\"a\"}".repeat(50);
        check(&literal(&text), true);
        let mut packed = Vec::new();
        Snappy::new().compress(&text, &mut packed).unwrap();
        check(&packed, false);
        // There is nothing to be won.
        let mut word = 1_u32;
        let noise = (0..1200).map(|_| {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            word.to_le_bytes()[3]
        });
        check(&literal(&noise.collect::<Vec<_>>()), false);
    }
}
