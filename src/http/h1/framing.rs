//! Where the body of an answer ends, and which of the bytes on the connection are the body's.

use bytes::{Buf as _, Bytes};

/// What may stand in a chunked body beside its data: extensions and trailers, in bytes.
const ASIDE_BYTES_MAX: usize = 16 << 10;

/// How the end of a body is told.
#[derive(Debug)]
pub(in crate::http) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks, each with its length.
    Chunked(Chunks),
    /// It ends with the connection.
    Close,
}

/// What to do next.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::http) enum Step {
    /// Take this; there may be more.
    Piece(Bytes),
    /// Read on.
    Read,
    /// That was all.
    End,
}

impl Framing {
    /// Take the next piece of the body off what was read.
    ///
    /// # Errors
    ///
    /// What is wrong with the chunks.
    pub(in crate::http) fn next(&mut self, read: &mut Bytes) -> Result<Step, &'static str> {
        match self {
            Self::Length(0) => Ok(Step::End),
            Self::Length(left) => Ok(take(left, read)),
            Self::Close if read.is_empty() => Ok(Step::Read),
            Self::Close => Ok(Step::Piece(std::mem::take(read))),
            Self::Chunked(chunks) => chunks.next(read),
        }
    }
}

/// As many of the bytes that are there as belong to what is left of the body or chunk.
fn take(left: &mut u64, read: &mut Bytes) -> Step {
    if read.is_empty() {
        return Step::Read;
    }
    let n_bytes = read.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= n_bytes as u64;
    Step::Piece(read.split_to(n_bytes))
}

/// A chunked body (RFC 9112, section 7.1).
#[derive(Debug, Default)]
pub(in crate::http) struct Chunks {
    at: At,
    /// Bytes left of the chunk.
    left: u64,
    /// Bytes of extensions and trailers so far.
    n_aside: usize,
}

/// What stands next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum At {
    /// The first digit of a chunk's size.
    #[default]
    First,
    Size,
    /// Blanks behind it, which some write.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A trailer, or the empty line at the end.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

impl Chunks {
    fn next(&mut self, read: &mut Bytes) -> Result<Step, &'static str> {
        loop {
            match self.at {
                At::End => return Ok(Step::End),
                At::Data if self.left == 0 => self.at = At::DataCr,
                At::Data => return Ok(take(&mut self.left, read)),
                _ if read.is_empty() => return Ok(Step::Read),
                _ => {
                    self.at = self.pass(read[0])?;
                    read.advance(1);
                }
            }
        }
    }

    /// What stands behind a byte that is no data.
    fn pass(&mut self, byte: u8) -> Result<At, &'static str> {
        Ok(match (self.at, byte) {
            (At::First | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let left = if self.at == At::First { 0 } else { self.left };
                let left = left.checked_mul(16).ok_or("a chunk is too large")?;
                self.left = left + u64::from(digit);
                At::Size
            }
            (At::Size | At::Blank, b' ' | b'\t') => self.aside(At::Blank)?,
            (At::Size | At::Blank, b';') => self.aside(At::Extension)?,
            (At::Size | At::Blank | At::Extension, b'\r') => At::SizeLf,
            (At::SizeLf, b'\n') if self.left == 0 => At::Line,
            (At::SizeLf, b'\n') => At::Data,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::First,
            (At::Line, b'\r') => At::EndLf,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerLf, b'\n') => At::Line,
            (At::EndLf, b'\n') => At::End,
            (At::Extension, 0x20..=0xff | b'\t') => self.aside(At::Extension)?,
            (At::Line | At::Trailer, 0x20..=0xff | b'\t') => self.aside(At::Trailer)?,
            _ => return Err("the chunks of the body are malformed"),
        })
    }

    fn aside(&mut self, at: At) -> Result<At, &'static str> {
        self.n_aside += 1;
        if self.n_aside > ASIDE_BYTES_MAX {
            return Err("the body has too many chunk extensions or trailers");
        }
        Ok(at)
    }
}
