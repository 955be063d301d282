//! A directory in memory that loses what was not synced, and fails when told to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use super::dir::{Dir, DirFile};

/// A directory in memory. Clones are the same directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDir(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    /// Names as they are now, and as they would be after a crash.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    files: Vec<Content>,
    faults: Faults,
    /// Calls so far.
    n_calls: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { n_bytes: usize },
}

impl Content {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
    }

    /// Lose what was not synced, but for these of the bytes that were written since.
    fn crash(&mut self, kept: Range<usize>) {
        self.bytes.clone_from(&self.durable);
        let mut n_before = 0;
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Write { at, bytes } => {
                    let n_bytes = bytes.len();
                    let of_it = |place: usize| place.saturating_sub(n_before).min(n_bytes);
                    let part = of_it(kept.start)..of_it(kept.end);
                    if !part.is_empty() {
                        self.write(at + part.start, &bytes[part]);
                    }
                    n_before += n_bytes;
                }
                Change::Truncate { n_bytes } if kept.contains(&n_before) => {
                    self.bytes.truncate(n_bytes);
                }
                Change::Truncate { .. } => {}
            }
        }
        self.durable.clone_from(&self.bytes);
    }
}

/// What goes wrong from now on.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Bytes there is space for, in all files; no limit if `None`.
    pub space: Option<usize>,
    /// Syncing files fails; what was written since the last sync may be lost later.
    pub sync_fails: bool,
    /// Syncing the directory fails.
    pub dir_sync_fails: bool,
    /// Reading fails.
    pub read_fails: bool,
    /// Truncating and deleting fail.
    pub cleaning_fails: bool,
    /// Most bytes one call writes; no limit if `None`.
    pub write_bytes_max: Option<usize>,
    /// The call of this number fails in this way, whatever it is; see [`MemoryDir::n_calls`].
    pub call_fails: Option<(u64, io::ErrorKind)>,
    /// From the call of this number on nothing is done: the process is dead.
    pub dead_from: Option<u64>,
}

impl MemoryDir {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Let things go wrong, or no longer.
    pub fn set_faults(&self, faults: Faults) {
        self.0.borrow_mut().faults = faults;
    }

    /// How many calls there were, of all kinds.
    pub fn n_calls(&self) -> u64 {
        self.0.borrow().n_calls
    }

    /// Count a call, which may be the one to fail.
    fn call(&self) -> io::Result<()> {
        let state = &mut *self.0.borrow_mut();
        let n_calls = state.n_calls;
        state.n_calls += 1;
        if state.faults.dead_from.is_some_and(|at| at <= n_calls) {
            return Err(broken());
        }
        match state.faults.call_fails {
            Some((at, kind)) if at == n_calls => Err(kind.into()),
            _ => Ok(()),
        }
    }

    /// Lose power: what was not synced is gone, but for the first `n_kept` bytes of what was
    /// written to each file since.
    pub fn crash(&self, n_kept: usize) {
        self.crash_keeping(0..n_kept);
    }

    /// The same where others than the first have reached the disk, as blocks do in any order.
    pub fn crash_keeping(&self, kept: Range<usize>) {
        let state = &mut *self.0.borrow_mut();
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            file.crash(kept.clone());
        }
    }

    /// Bytes of all files.
    pub fn n_bytes(&self) -> usize {
        let state = self.0.borrow();
        state.names.values().filter_map(|&at| state.files.get(at)).map(|f| f.bytes.len()).sum()
    }

    /// The names of its files.
    pub fn names(&self) -> Vec<String> {
        self.0.borrow().names.keys().cloned().collect()
    }

    /// What a file holds.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        state.names.get(name).and_then(|&at| state.files.get(at)).map(|file| file.bytes.clone())
    }

    /// Make a file hold something else, durably.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let state = &mut *self.0.borrow_mut();
        let at = state.files.len();
        let (bytes, durable) = (bytes.to_vec(), bytes.to_vec());
        state.files.push(Content { bytes, durable, unsynced: Vec::new() });
        state.names.insert(name.to_owned(), at);
        state.durable_names.insert(name.to_owned(), at);
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        let state = self.0.borrow();
        state.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn broken() -> io::Error {
    io::Error::other("input/output error")
}

impl Dir for MemoryDir {
    type File = MemoryFile;

    fn list(&self) -> io::Result<Vec<String>> {
        self.call()?;
        Ok(self.names())
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        self.call()?;
        let state = &mut *self.0.borrow_mut();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.faults.space == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let at = state.files.len();
        state.files.push(Content::default());
        state.names.insert(name.to_owned(), at);
        Ok(MemoryFile { dir: self.clone(), at })
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        self.call()?;
        self.find(name).map(|at| MemoryFile { dir: self.clone(), at })
    }

    fn open_to_write(&self, name: &str) -> io::Result<MemoryFile> {
        self.open(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call()?;
        self.find(name)?;
        let state = &mut *self.0.borrow_mut();
        if state.faults.cleaning_fails {
            return Err(broken());
        }
        state.names.remove(name);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call()?;
        let at = self.find(from)?;
        let state = &mut *self.0.borrow_mut();
        state.names.remove(from);
        state.names.insert(to.to_owned(), at);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.call()?;
        let state = &mut *self.0.borrow_mut();
        if state.faults.dir_sync_fails {
            return Err(broken());
        }
        state.durable_names = state.names.clone();
        Ok(())
    }
}

/// A file of a [`MemoryDir`].
#[derive(Clone, Debug)]
pub struct MemoryFile {
    dir: MemoryDir,
    at: usize,
}

impl MemoryFile {
    fn with<R>(&self, run: impl FnOnce(&mut Content, Faults) -> io::Result<R>) -> io::Result<R> {
        self.dir.call()?;
        let state = &mut *self.dir.0.borrow_mut();
        let faults = state.faults;
        state.files.get_mut(self.at).map_or_else(|| Err(broken()), |file| run(file, faults))
    }
}

impl DirFile for MemoryFile {
    fn n_bytes(&self) -> io::Result<u64> {
        self.with(|file, _| Ok(file.bytes.len() as u64))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|file, faults| {
            if faults.read_fails {
                return Err(broken());
            }
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let rest = file.bytes.get(offset..).unwrap_or_default();
            let n_bytes = rest.len().min(buffer.len());
            buffer[..n_bytes].copy_from_slice(&rest[..n_bytes]);
            Ok(n_bytes)
        })
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let used = self.dir.n_bytes();
        self.with(|file, faults| {
            let at = usize::try_from(offset).unwrap_or(usize::MAX);
            let space = faults.space.map_or(usize::MAX, |space| space.saturating_sub(used));
            // What lies over what is there needs no space.
            let fits = file.bytes.len().saturating_add(space).saturating_sub(at);
            let n_bytes = bytes.len().min(fits).min(faults.write_bytes_max.unwrap_or(usize::MAX));
            if n_bytes == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let bytes = bytes[..n_bytes].to_vec();
            file.write(at, &bytes);
            file.unsynced.push(Change::Write { at, bytes });
            Ok(n_bytes)
        })
    }

    fn truncate(&mut self, n_bytes: u64) -> io::Result<()> {
        self.with(|file, faults| {
            if faults.cleaning_fails {
                return Err(broken());
            }
            let n_bytes = usize::try_from(n_bytes).unwrap_or(usize::MAX);
            file.bytes.truncate(n_bytes);
            file.unsynced.push(Change::Truncate { n_bytes });
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|file, faults| {
            if faults.sync_fails {
                return Err(broken());
            }
            file.durable.clone_from(&file.bytes);
            file.unsynced.clear();
            Ok(())
        })
    }
}
