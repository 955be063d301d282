//! Reading and writing as much as was meant, whatever one call does.

use std::io;

use super::dir::{Dir, DirFile};
use super::scan::Window;

/// Write all of it from an offset.
pub(super) fn write_all(file: &mut impl DirFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = offset + (bytes.len() - rest.len()) as u64;
        match file.write_at(at, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n_bytes) => rest = rest.get(n_bytes..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Up to `n_bytes` from the start of a file.
pub(super) fn start_of<D: Dir>(dir: &D, name: &str, n_bytes: usize) -> io::Result<Vec<u8>> {
    let file = dir.open(name)?;
    let mut window = Window::default();
    let bytes = window.view(&file, 0, n_bytes, n_bytes as u64)?;
    Ok(bytes.to_vec())
}
