//! The file in which the state of aggregation waits for the next start.
//!
//! It holds the key of fingerprints, and is readable for its owner alone. It is removed once it has
//! been read: after a crash there is none, rather than an old one that would count things again.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use tokio::task::spawn_blocking;

/// Read the file and remove it; `None` if there is none.
pub(in crate::app) async fn take(path: PathBuf) -> Option<Vec<u8>> {
    let read = spawn_blocking(move || match fs::read(&path) {
        Ok(state) => fs::remove_file(&path).map(|()| Some(state)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    });
    let read = read.await.map_err(io::Error::other).flatten();
    read.unwrap_or_else(|error| {
        let error = error.to_string();
        tracing::error!(error, "The state of aggregation cannot be read, beginning anew.");
        None
    })
}

/// Write the file: all of it, or nothing.
pub(in crate::app) async fn put(path: PathBuf, state: Vec<u8>) -> io::Result<()> {
    spawn_blocking(move || {
        let new = path.with_extension("tmp");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&state)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()
    })
    .await
    .map_err(io::Error::other)
    .flatten()
}
