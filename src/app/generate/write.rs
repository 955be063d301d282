//! Files that are whole or not there, and pages written to one.

use crate::generate::generator::Generator;
use crate::model::Format;
use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Text is made in pieces of about this size.
pub(super) const PIECE_BYTES: usize = 256 * 1024;

/// A file that appears under its name once it is complete. Dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: PathBuf,
    /// Where it is written meanwhile; `None` for what is no file of its own, such as a device.
    meanwhile: Option<PathBuf>,
}

impl Draft {
    /// Begin to write a file.
    ///
    /// # Errors
    ///
    /// It cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let is_special = fs::metadata(path).is_ok_and(|found| !found.is_file());
        if is_special {
            let file = File::options().write(true).open(path)?;
            return Ok(Self { file, path: path.to_owned(), meanwhile: None });
        }
        let mut name = OsString::from(".");
        name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        name.push(format!(".{}.tmp", std::process::id()));
        let draft = path.with_file_name(name);
        let file = File::create(&draft)?;
        Ok(Self { file, path: path.to_owned(), meanwhile: Some(draft) })
    }

    /// Append.
    ///
    /// # Errors
    ///
    /// Writing failed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Give it its name.
    ///
    /// # Errors
    ///
    /// What was written did not reach the disk, or the name cannot be given.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(draft) = &self.meanwhile else { return self.file.flush() };
        self.file.sync_all()?;
        fs::rename(draft, &self.path)?;
        self.meanwhile = None;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(draft) = &self.meanwhile {
            // There is nobody to tell, and the reason to drop it has been told.
            fs::remove_file(draft).ok();
        }
    }
}

/// How often progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Tells on a terminal how far it has come; elsewhere it says nothing.
#[derive(Debug)]
pub struct Progress<W> {
    out: W,
    is_terminal: bool,
    told: Instant,
}

impl<W: Write> Progress<W> {
    /// Tell to `out`, if that is a terminal.
    pub fn new(out: W, is_terminal: bool) -> Self {
        Self { out, is_terminal, told: Instant::now() }
    }

    /// Show how far it is, unless that was done just now.
    pub fn tell(&mut self, how_far: impl FnOnce() -> String) {
        if self.is_terminal && self.told.elapsed() >= PROGRESS_INTERVAL {
            self.told = Instant::now();
            // A terminal that is gone does not keep anything from being written.
            write!(self.out, "\r{} ", how_far()).ok();
        }
    }

    /// Take back what was shown.
    pub fn end(&mut self) {
        if self.is_terminal {
            write!(self.out, "\r\x1b[K").ok();
        }
    }
}

/// Write the page of an instant.
///
/// # Errors
///
/// Writing failed.
pub fn write_page(
    generator: &Generator,
    target: u32,
    time_ms: i64,
    format: Format,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut page = generator.page(target, time_ms, format);
    let mut piece = Vec::with_capacity(PIECE_BYTES * 2);
    loop {
        piece.clear();
        let is_more = page.fill(&mut piece, PIECE_BYTES);
        sink(&piece)?;
        if !is_more {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.txt");
        fs::write(&path, "old").unwrap();
        let mut draft = Draft::create(&path).unwrap();
        draft.write(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut draft = Draft::create(&path).unwrap();
        draft.write(b"new").unwrap();
        draft.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn progress_is_for_terminals() {
        for (is_terminal, expected) in [(true, "\r1 MiB \r\x1b[K"), (false, "")] {
            let mut progress = Progress::new(Vec::new(), is_terminal);
            // However slow the machine is: a moment that is yet to come.
            progress.told = Instant::now() + Duration::from_hours(1);
            progress.tell(|| unreachable!("it is too early"));
            progress.told = Instant::now().checked_sub(PROGRESS_INTERVAL).unwrap();
            progress.tell(|| "1 MiB".to_owned());
            progress.end();
            assert_eq!(String::from_utf8(progress.out).unwrap(), expected);
        }
    }

    #[test]
    fn a_device_is_written_to_as_it_is() {
        let mut draft = Draft::create(Path::new("/dev/full")).unwrap();
        assert_eq!(draft.write(b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
        Draft::create(Path::new("/dev/null")).unwrap().finish().unwrap();
    }
}
