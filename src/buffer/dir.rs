//! The disk as the queue sees it.

use std::io;

/// A directory that belongs to one queue.
pub trait Dir {
    /// A file of it.
    type File: DirFile;

    /// The names of the files there are.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Make a file that does not exist.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Open a file for reading.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Open a file that is there, to write in it as well.
    fn open_to_write(&self, name: &str) -> io::Result<Self::File>;
    /// Delete a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Give a file another name, replacing whatever had that.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Make durable which files there are. Their contents are not part of it.
    fn sync(&self) -> io::Result<()>;
}

/// A file of a [`Dir`].
pub trait DirFile {
    /// Its length.
    fn n_bytes(&self) -> io::Result<u64>;
    /// Read from an offset; may read less than asked for, and nothing only at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Write from an offset, over what is there or behind the end; may write a part only.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Cut off what is beyond a length.
    fn truncate(&mut self, n_bytes: u64) -> io::Result<()>;
    /// Make the contents durable.
    fn sync(&mut self) -> io::Result<()>;
}
