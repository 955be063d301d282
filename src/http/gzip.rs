//! gzip as a stream, both ways: pieces in, pieces out, nothing held whole.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// zlib-rs is both faster and smaller at level 2 than at level 1 on expositions.
const LEVEL: u32 = 2;
/// The largest window, which every decoder must know (RFC 1951).
const WINDOW_BITS: u8 = 15;
/// Decoded bytes are handed on in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// Why decoding stopped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DecodeError<E> {
    /// The bytes are not gzip, or a checksum does not match.
    #[error("the gzip stream is corrupt")]
    Corrupt,
    /// The stream ended inside a member.
    #[error("the gzip stream is cut short")]
    Truncated,
    /// The sink refused a piece.
    #[error(transparent)]
    Sink(E),
}

/// Decodes gzip of any number of members (RFC 1952, section 2.2), piece by piece.
#[derive(Debug)]
pub struct Decoder {
    inflate: Decompress,
    piece: Vec<u8>,
    /// Whether a member has begun and not ended.
    is_inside: bool,
    n_members: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new() -> Self {
        Self {
            inflate: Decompress::new_gzip(WINDOW_BITS),
            piece: vec![0; PIECE_BYTES],
            is_inside: false,
            n_members: 0,
        }
    }

    /// Decode `input` and hand the result to `sink`, in pieces of bounded size.
    pub fn push<E>(
        &mut self,
        mut input: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), DecodeError<E>> {
        loop {
            if !self.is_inside {
                if input.is_empty() {
                    return Ok(());
                }
                if self.n_members > 0 {
                    self.inflate = Decompress::new_gzip(WINDOW_BITS);
                }
                self.n_members += 1;
                self.is_inside = true;
            }
            let (n_in, n_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, &mut self.piece, FlushDecompress::None)
                .map_err(|_| DecodeError::Corrupt)?;
            let n_in = usize::try_from(self.inflate.total_in() - n_in).unwrap_or(input.len());
            let n_out = usize::try_from(self.inflate.total_out() - n_out).unwrap_or(PIECE_BYTES);
            input = &input[n_in..];
            if n_out > 0 {
                sink(&self.piece[..n_out]).map_err(DecodeError::Sink)?;
            }
            match status {
                Status::StreamEnd => self.is_inside = false,
                // No progress is possible without more input.
                Status::Ok | Status::BufError if n_in == 0 && n_out == 0 => return Ok(()),
                Status::Ok | Status::BufError => {}
            }
        }
    }

    /// Say whether the stream was complete.
    pub fn finish<E>(&self) -> Result<(), DecodeError<E>> {
        if self.is_inside || self.n_members == 0 { Err(DecodeError::Truncated) } else { Ok(()) }
    }
}

/// Encodes one gzip member, piece by piece.
#[derive(Debug)]
pub struct Encoder {
    deflate: Compress,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder at the level that suits expositions.
    pub fn new() -> Self {
        Self { deflate: Compress::new_gzip(Compression::new(LEVEL), WINDOW_BITS) }
    }

    /// Encode `input`, appending to `out` whatever is ready.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        self.run(input, out, FlushCompress::None);
    }

    /// Append the rest and the checksum to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.run(&[], out, FlushCompress::Finish);
    }

    fn run(&mut self, mut input: &[u8], out: &mut Vec<u8>, flush: FlushCompress) {
        loop {
            out.reserve(input.len() / 16 + 4096);
            let n_in = self.deflate.total_in();
            // The only error is a wrong order of calls.
            let status = self.deflate.compress_vec(input, out, flush).unwrap_or(Status::StreamEnd);
            let n_in = usize::try_from(self.deflate.total_in() - n_in).unwrap_or(input.len());
            input = &input[n_in..];
            let has_room = out.len() < out.capacity();
            match (status, flush) {
                (Status::StreamEnd, _) => return,
                (_, FlushCompress::None) if input.is_empty() && has_room => return,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::new(), Vec::new());
        for piece in text.chunks(1000) {
            encoder.push(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    fn gunzip(bytes: &[u8], chunk: usize) -> Result<Vec<u8>, DecodeError<Infallible>> {
        let (mut decoder, mut out) = (Decoder::new(), Vec::new());
        for piece in bytes.chunks(chunk) {
            decoder.push(piece, |piece| {
                out.extend_from_slice(piece);
                Ok(())
            })?;
        }
        decoder.finish()?;
        Ok(out)
    }

    fn exposition(n: usize) -> Vec<u8> {
        (0..n).flat_map(|i| format!("metric{{a=\"{i}\"}} {}\n", i * 7919).into_bytes()).collect()
    }

    #[test]
    fn what_was_encoded_decodes_in_chunks_of_any_size() {
        for n in [0, 1, 20_000] {
            let text = exposition(n);
            let bytes = gzip(&text);
            for chunk in [1, 7, 4096, 1 << 20] {
                assert_eq!(gunzip(&bytes, chunk).unwrap(), text);
            }
        }
    }

    #[test]
    fn several_members_are_one_text() {
        let bytes = [gzip(b"a 1\n"), gzip(b""), gzip(b"b 2\n")].concat();
        for chunk in [1, 5, 1000] {
            assert_eq!(gunzip(&bytes, chunk).unwrap(), b"a 1\nb 2\n");
        }
    }

    #[test]
    fn a_cut_stream_is_an_error_wherever_it_is_cut() {
        let bytes = gzip(&exposition(100));
        for end in 0..bytes.len() {
            assert_eq!(gunzip(&bytes[..end], 64).unwrap_err(), DecodeError::Truncated, "{end}");
        }
    }

    #[test]
    fn garbage_and_wrong_checksums_are_corrupt() {
        assert_eq!(gunzip(b"not gzip at all", 4).unwrap_err(), DecodeError::Corrupt);
        let mut bytes = gzip(b"a 1\n");
        let trailing = [bytes.as_slice(), b"trailing garbage"].concat();
        assert_eq!(gunzip(&trailing, 1000).unwrap_err(), DecodeError::Corrupt);
        let crc_at = bytes.len() - 8;
        bytes[crc_at] ^= 1;
        assert_eq!(gunzip(&bytes, 1000).unwrap_err(), DecodeError::Corrupt);
    }

    #[test]
    fn a_bomb_is_handed_on_in_pieces_and_stopped_by_the_sink() {
        let bomb = gzip(&vec![b' '; 50 << 20]);
        let mut n_bytes = 0;
        let stopped = Decoder::new().push(&bomb, |piece| {
            assert!(piece.len() <= PIECE_BYTES);
            n_bytes += piece.len();
            if n_bytes > 1 << 20 { Err("too much") } else { Ok(()) }
        });
        assert_eq!(stopped.unwrap_err(), DecodeError::Sink("too much"));
        assert!(n_bytes <= (1 << 20) + PIECE_BYTES);
    }
}
