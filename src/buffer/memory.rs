//! A directory in memory that loses what was not synced, and fails when told to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
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
        match state.faults.call_fails {
            Some((at, kind)) if at == n_calls => Err(kind.into()),
            _ => Ok(()),
        }
    }

    /// Lose power: what was not synced is gone, but for the first `n_kept` bytes of what was
    /// written to each file since.
    pub fn crash(&self, n_kept: usize) {
        let state = &mut *self.0.borrow_mut();
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            let n_bytes = file.bytes.len().min(file.durable.len() + n_kept);
            if file.bytes.starts_with(&file.durable) {
                file.bytes.truncate(n_bytes);
            } else {
                file.bytes.clone_from(&file.durable);
            }
            file.durable.clone_from(&file.bytes);
        }
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
        state.files.push(Content { bytes: bytes.to_vec(), durable: bytes.to_vec() });
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

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let used: usize = {
            let state = self.dir.0.borrow();
            state.names.values().filter_map(|&at| state.files.get(at)).map(|f| f.bytes.len()).sum()
        };
        self.with(|file, faults| {
            let space = faults.space.map_or(usize::MAX, |space| space.saturating_sub(used));
            let n_bytes = bytes.len().min(space).min(faults.write_bytes_max.unwrap_or(usize::MAX));
            if n_bytes == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            file.bytes.extend_from_slice(&bytes[..n_bytes]);
            Ok(n_bytes)
        })
    }

    fn truncate(&mut self, n_bytes: u64) -> io::Result<()> {
        self.with(|file, faults| {
            if faults.cleaning_fails {
                return Err(broken());
            }
            file.bytes.truncate(usize::try_from(n_bytes).unwrap_or(usize::MAX));
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|file, faults| {
            if faults.sync_fails {
                return Err(broken());
            }
            file.durable.clone_from(&file.bytes);
            Ok(())
        })
    }
}
