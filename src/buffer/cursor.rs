//! The file that says up to which record all is acknowledged. The documentation of the module above
//! has its layout.

use std::io;

use super::dir::{Dir, DirFile};
use super::error::OpenError;
use super::format::{CURSOR_FILE_BYTES, CURSORS_BYTES_MAX, Cursor, NewerVersion, SLOTS_AT};
use super::whole::{start_of, write_all};

pub(super) const CURSOR: &str = "cursor";
pub(super) const CURSOR_TMP: &str = "cursor.tmp";

/// The highest whole cursor there is, in whatever file a program has left.
pub(super) fn read<D: Dir>(dir: &D) -> Result<Option<Cursor>, OpenError> {
    let bytes = start_of(dir, CURSOR, CURSORS_BYTES_MAX).unwrap_or_default();
    Cursor::decode_file(&bytes)
        .map_err(|NewerVersion(version)| OpenError::Version { file: CURSOR.to_owned(), version })
}

/// The file, as this process has it.
#[derive(Debug, Default)]
pub(super) enum CursorFile<D: Dir> {
    /// Not looked at: what a process before has left may do.
    #[default]
    Untouched,
    /// With room for both slots.
    Open(Slots<D::File>),
    /// What is in it is not known: a new one has to be made.
    Doubtful,
}

#[derive(Debug)]
pub(super) struct Slots<F> {
    file: F,
    /// The one that is durable, and not written.
    durable: usize,
}

impl<D: Dir> CursorFile<D> {
    /// See to it that nothing is needed to note what is acknowledged.
    pub(super) fn reserve(&mut self, dir: &D, now: Cursor) -> io::Result<()> {
        *self = match self {
            Self::Open(_) => return Ok(()),
            Self::Untouched => match take_over(dir, now.salt) {
                Some(slots) => Self::Open(slots),
                None => Self::Open(make(dir, now)?),
            },
            Self::Doubtful => Self::Open(make(dir, now)?),
        };
        Ok(())
    }

    /// Write a cursor; without `is_durable` it need not survive the machine.
    pub(super) fn put(&mut self, dir: &D, now: Cursor, is_durable: bool) -> io::Result<()> {
        self.reserve(dir, now)?;
        let Self::Open(slots) = self else { return Err(io::ErrorKind::NotFound.into()) };
        let put = slots.put(now, is_durable);
        if put.is_err() {
            *self = Self::Doubtful;
        }
        put
    }
}

impl<F: DirFile> Slots<F> {
    fn put(&mut self, now: Cursor, is_durable: bool) -> io::Result<()> {
        let other = 1 - self.durable;
        write_all(&mut self.file, SLOTS_AT[other], &now.encode())?;
        if is_durable {
            self.file.sync()?;
            self.durable = other;
        }
        Ok(())
    }
}

/// The file of a process before, if it is whole. Errors are left to who makes a new one.
fn take_over<D: Dir>(dir: &D, salt: u64) -> Option<Slots<D::File>> {
    let mut file = dir.open_to_write(CURSOR).ok()?;
    // What was only noted, and the name if that was all that was missing, are durable from here on.
    file.sync().and_then(|()| dir.sync()).ok()?;
    let bytes = start_of(dir, CURSOR, CURSORS_BYTES_MAX).ok()?;
    let [first, second] = Cursor::decode_slots(&bytes).ok()?;
    let highest = first.max(second)?;
    let is_whole = bytes.len() == CURSOR_FILE_BYTES && highest.salt == salt;
    is_whole.then(|| Slots { file, durable: usize::from(second == Some(highest)) })
}

/// A new file, in the place of any there is.
fn make<D: Dir>(dir: &D, now: Cursor) -> io::Result<Slots<D::File>> {
    match dir.remove(CURSOR_TMP) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = dir.create(CURSOR_TMP)?;
    for at in SLOTS_AT {
        write_all(&mut file, at, &now.encode())?;
    }
    file.sync()?;
    dir.rename(CURSOR_TMP, CURSOR)?;
    dir.sync()?;
    Ok(Slots { file, durable: 0 })
}
