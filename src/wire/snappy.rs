//! Bodies of requests are compressed with snappy, in its block format, never in the framed one.

use std::fmt;

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// Default of the limit of [`Snappy::decompress`], as Prometheus has it.
pub const DECODED_BYTES_MAX: usize = 32 << 20;

/// What one compressed byte can become at most: a copy of 64 bytes takes three.
const RATIO_MAX: usize = 22;

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
}

impl Default for Snappy {
    fn default() -> Self {
        Self { encoder: Encoder::new(), decoder: Decoder::new(), decoded: Vec::new() }
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

    /// Write `body`, compressed, into `out`, which is as long as that then.
    ///
    /// # Errors
    ///
    /// When the body is longer than 4 GiB.
    pub fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), SnappyError> {
        out.resize(max_compress_len(body.len()), 0);
        let n_bytes = self.encoder.compress(body, out).map_err(SnappyError::Corrupt)?;
        out.truncate(n_bytes);
        Ok(())
    }

    /// Give back memory beyond what bodies of `n_bytes` need.
    pub fn shrink_to(&mut self, n_bytes: usize) {
        self.decoded.truncate(n_bytes);
        self.decoded.shrink_to(n_bytes);
    }
}

/// How long a compressed body says it is when decoded; 0 if it is none.
pub fn decoded_len(body: &[u8]) -> usize {
    decompress_len(body).unwrap_or(0)
}
