//! Where the body of an answer ends, and which of the bytes on the connection are the body's.

use crate::http::connect::Io;
use crate::http::h1::buffers::poll_read_some;
use bytes::Bytes;
use std::task::{Context, Poll, ready};

/// What may stand in a chunked body beside its data: extensions and trailers, in bytes.
const ASIDE_BYTES_MAX: usize = 16 << 10;

/// How the end of a body is told.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks, each with its length.
    Chunked(Chunks),
    /// It ends with the connection.
    Close,
}

/// The body of an answer on its way in.
#[derive(Debug)]
pub(in crate::http) struct Incoming {
    framing: Framing,
    /// What was read together with the head.
    rest: Bytes,
    /// There was something behind the end.
    is_overrun: bool,
}

impl Incoming {
    pub(super) fn new(framing: Framing, rest: Bytes) -> Self {
        Self { framing, rest, is_overrun: false }
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    ///
    /// What is wrong with the connection or the chunks, for people.
    pub(in crate::http) fn poll_piece(
        &mut self,
        io: &mut dyn Io,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, String>> {
        while !self.is_ended() {
            let piece = if self.rest.is_empty() {
                let (mut n_read, mut kept) = (0, Ok(0));
                let piece = ready!(poll_read_some(io, cx, |read| {
                    n_read = read.len();
                    kept = self.keep(read);
                    kept.unwrap_or_default()
                }));
                let piece = piece.map_err(|e| e.to_string())?;
                if n_read == 0 {
                    return Poll::Ready(match self.framing {
                        Framing::Close => Ok(None),
                        _ => Err("the connection was closed before the body had come".to_owned()),
                    });
                }
                kept?;
                piece
            } else {
                self.take_rest()?
            };
            if !piece.is_empty() {
                return Poll::Ready(Ok(Some(piece)));
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Whether all has come and nothing else, so that another answer may follow.
    pub(in crate::http) fn is_clean(&self) -> bool {
        self.is_ended() && self.rest.is_empty() && !self.is_overrun
    }

    fn is_ended(&self) -> bool {
        match &self.framing {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(chunks) => chunks.at == At::End,
            Framing::Close => false,
        }
    }

    /// What is of the body in what was read together with the head.
    fn take_rest(&mut self) -> Result<Bytes, &'static str> {
        let mut rest = std::mem::take(&mut self.rest);
        if let Framing::Chunked(_) = self.framing {
            let mut read = Vec::from(rest);
            let n_kept = self.keep(&mut read)?;
            read.truncate(n_kept);
            return Ok(read.into());
        }
        let n_kept = self.n_kept(rest.len());
        rest.truncate(n_kept);
        Ok(rest)
    }

    /// Move what is of the body to the start of what was read; gives how much that is.
    fn keep(&mut self, read: &mut [u8]) -> Result<usize, &'static str> {
        let Framing::Chunked(chunks) = &mut self.framing else {
            return Ok(self.n_kept(read.len()));
        };
        let (n_passed, n_data) = chunks.join(read)?;
        self.is_overrun |= n_passed < read.len();
        Ok(n_data)
    }

    /// How many of the bytes that were read are of a body that is not chunked.
    fn n_kept(&mut self, n_read: usize) -> usize {
        let Framing::Length(left) = &mut self.framing else { return n_read };
        let n_bytes = n_read.min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= n_bytes as u64;
        self.is_overrun |= n_bytes < n_read;
        n_bytes
    }
}

/// A chunked body (RFC 9112, section 7.1).
///
/// Go's servers send chunks of 4 KiB; readers like what follows each other to lie together.
#[derive(Debug, Default)]
pub(super) struct Chunks {
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
    /// Move the data of all chunks together, to the start; gives how many bytes were passed, and how
    /// many of them are data.
    fn join(&mut self, read: &mut [u8]) -> Result<(usize, usize), &'static str> {
        let (mut at, mut n_data) = (0, 0);
        while at < read.len() {
            match self.at {
                At::End => break,
                At::Data => {
                    let left = usize::try_from(self.left).unwrap_or(usize::MAX);
                    let n_bytes = left.min(read.len() - at);
                    read.copy_within(at..at + n_bytes, n_data);
                    (at, n_data) = (at + n_bytes, n_data + n_bytes);
                    self.left -= n_bytes as u64;
                    if self.left == 0 {
                        self.at = At::DataCr;
                    }
                }
                _ => {
                    self.at = self.pass(read[at])?;
                    at += 1;
                }
            }
        }
        Ok((at, n_data))
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
            (At::Size | At::Blank, b';') | (At::Extension, 0x20..=0xff | b'\t') => {
                self.aside(At::Extension)?
            }
            (At::Size | At::Blank | At::Extension, b'\r') => At::SizeLf,
            (At::SizeLf, b'\n') if self.left == 0 => At::Line,
            (At::SizeLf, b'\n') => At::Data,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::First,
            (At::Line, b'\r') => At::EndLf,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerLf, b'\n') => At::Line,
            (At::EndLf, b'\n') => At::End,
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
