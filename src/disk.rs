//! A directory of the file system, for a queue.
//!
//! The other side of [`crate::buffer::Dir`]. Calls block; they belong on a thread of their own.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::buffer::Dir;
use crate::buffer::DirFile;

const LOCK: &str = "lock";
/// Who had a directory may be ending: a process that was killed goes when the system gets to it.
/// So often it is looked again …
const LOCK_TRIES: u32 = 100;
/// … after so long.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A directory that this process has for itself while the value lives.
#[derive(Debug)]
pub struct DiskDir {
    path: PathBuf,
    /// The directory itself, to be synced.
    handle: File,
    /// Locked until it is closed, also by the end of the process.
    _lock: File,
}

impl DiskDir {
    /// Take a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made or opened, or another process has it, and is not just ending.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let lock = OpenOptions::new().create(true).append(true).open(path.join(LOCK))?;
        let mut n_tried = 0;
        while let Err(error) = lock.try_lock() {
            match error {
                TryLockError::Error(error) => return Err(error),
                TryLockError::WouldBlock if n_tried < LOCK_TRIES => {
                    n_tried += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                TryLockError::WouldBlock => {
                    return Err(io::Error::new(
                        io::ErrorKind::ResourceBusy,
                        "another process has this queue; give each its own directory",
                    ));
                }
            }
        }
        Ok(Self { path: path.to_owned(), handle: File::open(path)?, _lock: lock })
    }
}

impl Dir for DiskDir {
    type File = DiskFile;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // Names that are not UTF-8 are none of ours.
            if let Ok(name) = entry?.file_name().into_string()
                && name != LOCK
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<DiskFile> {
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(DiskFile(file))
    }

    fn open(&self, name: &str) -> io::Result<DiskFile> {
        File::open(self.path.join(name)).map(DiskFile)
    }

    fn open_to_write(&self, name: &str) -> io::Result<DiskFile> {
        let path = self.path.join(name);
        OpenOptions::new().read(true).write(true).open(path).map(DiskFile)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

/// A file of a [`DiskDir`].
#[derive(Debug)]
pub struct DiskFile(File);

impl DirFile for DiskFile {
    fn n_bytes(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn truncate(&mut self, n_bytes: u64) -> io::Result<()> {
        self.0.set_len(n_bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
