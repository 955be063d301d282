//! The bytes of headers, records and cursors. The layout is in the documentation of the module
//! above.

use crc32c::{crc32c, crc32c_append};

pub(super) const HEADER_BYTES: usize = 36;
pub(super) const HEAD_BYTES: usize = 36;
const CURSOR_BYTES: usize = 28;
/// Where the cursors of a file begin: a block of the disk each.
pub(super) const SLOTS_AT: [u64; 2] = [0, 4096];
/// The length of a file with both.
pub(super) const CURSOR_FILE_BYTES: usize = 4096 + CURSOR_BYTES;
/// The most cursors programs before wrote behind each other.
const CURSORS_MAX: usize = 1000;
/// What is read of a file of cursors.
pub(super) const CURSORS_BYTES_MAX: usize = CURSORS_MAX * CURSOR_BYTES;
pub(super) const RECORD_MAGIC: [u8; 4] = *b"wREC";
const SEGMENT_MAGIC: [u8; 7] = *b"weirseg";
const CURSOR_MAGIC: [u8; 7] = *b"weircur";
const VERSION: u8 = 1;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub(super) number: u64,
    pub(super) salt: u64,
    pub(super) first_sequence: u64,
}

/// What a record says of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) length: u32,
    pub(super) sequence: u64,
    pub(super) time_ms: i64,
    pub(super) kind: u32,
    pub(super) payload_crc: u32,
}

/// What the cursor says. Of two, that with more acknowledged is the greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Cursor {
    pub(super) acked: u64,
    pub(super) salt: u64,
}

/// A file of a version this program does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NewerVersion(pub(super) u8);

/// Takes numbers from the front of bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// The bytes without their checksum, if that is right.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (rest, crc) = bytes.split_last_chunk::<4>()?;
    (crc32c(rest) == u32::from_le_bytes(*crc)).then_some(rest)
}

/// The fields behind magic and version; `Ok(None)` for what is damaged.
fn versioned(bytes: &[u8], magic: [u8; 7]) -> Result<Option<Fields<'_>>, NewerVersion> {
    let Some(rest) = checked(bytes) else { return Ok(None) };
    let mut fields = Fields(rest);
    if fields.take() != Some(magic) {
        return Ok(None);
    }
    match fields.take() {
        Some([VERSION]) => Ok(Some(fields)),
        Some([version]) => Err(NewerVersion(version)),
        None => Ok(None),
    }
}

fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = SEGMENT_MAGIC.to_vec();
        bytes.push(VERSION);
        for number in [self.number, self.salt, self.first_sequence] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        seal(bytes)
    }

    /// Read either of the two headers at the start of a segment.
    pub(super) fn decode(start: &[u8]) -> Result<Option<Self>, NewerVersion> {
        for copy in start.chunks_exact(HEADER_BYTES).take(2) {
            if let Some(mut fields) = versioned(copy, SEGMENT_MAGIC)? {
                let mut read = || {
                    let (number, salt) = (fields.u64()?, fields.u64()?);
                    Some(Self { number, salt, first_sequence: fields.u64()? })
                };
                return Ok(read());
            }
        }
        Ok(None)
    }
}

impl Cursor {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = CURSOR_MAGIC.to_vec();
        bytes.push(VERSION);
        for number in [self.salt, self.acked] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        seal(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Option<Self>, NewerVersion> {
        let Some(mut fields) = versioned(bytes, CURSOR_MAGIC)? else { return Ok(None) };
        let mut read = || Some(Self { salt: fields.u64()?, acked: fields.u64()? });
        Ok(read())
    }

    /// The cursors of both slots of a file, as far as they are whole.
    pub(super) fn decode_slots(file: &[u8]) -> Result<[Option<Self>; 2], NewerVersion> {
        let (first, second) = file.split_at_checked(4096).unwrap_or((file, &[]));
        let slot = |block: &[u8]| block.get(..CURSOR_BYTES).map_or(Ok(None), Self::decode);
        Ok([slot(first)?, slot(second)?])
    }

    /// Of all cursors in a file of whatever shape, the one with most acknowledged.
    pub(super) fn decode_file(file: &[u8]) -> Result<Option<Self>, NewerVersion> {
        let [first, second] = Self::decode_slots(file)?;
        let mut highest = first.max(second);
        for bytes in file.chunks_exact(CURSOR_BYTES).take(CURSORS_MAX) {
            highest = highest.max(Self::decode(bytes)?);
        }
        Ok(highest)
    }
}

fn head_crc(salt: u64, head: &[u8]) -> u32 {
    crc32c_append(crc32c(&salt.to_le_bytes()), head)
}

impl Head {
    /// Read a head, if it is one of this salt.
    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let (head, crc) = bytes.get(..HEAD_BYTES)?.split_last_chunk::<4>()?;
        let mut fields = Fields(head);
        if fields.take() != Some(RECORD_MAGIC) || head_crc(salt, head) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (length, sequence) = (fields.u32()?, fields.u64()?);
        let time_ms = fields.take().map(i64::from_le_bytes)?;
        Some(Self { length, sequence, time_ms, kind: fields.u32()?, payload_crc: fields.u32()? })
    }

    pub(super) fn matches(&self, payload: &[u8]) -> bool {
        crc32c(payload) == self.payload_crc
    }
}

/// Write a record, whose payload may come in parts. It is shorter than 4 GiB.
pub(super) fn put_record(
    out: &mut Vec<u8>,
    salt: u64,
    (sequence, time_ms, kind): (u64, i64, u32),
    payload: &[&[u8]],
) {
    let at = out.len();
    let length: usize = payload.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let payload_crc = payload.iter().fold(0, |crc, part| crc32c_append(crc, part));
    out.extend_from_slice(&RECORD_MAGIC);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&time_ms.to_le_bytes());
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&payload_crc.to_le_bytes());
    let crc = head_crc(salt, out.get(at..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
    for part in payload {
        out.extend_from_slice(part);
    }
}

/// The name of a segment.
pub(super) fn segment_name(number: u64) -> String {
    format!("{number:016x}.seg")
}

/// The number of a segment, if that is what the name names.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name.strip_suffix(".seg")?, 16).ok()?;
    (segment_name(number) == name).then_some(number)
}
