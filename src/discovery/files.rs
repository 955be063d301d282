//! `file_sd_configs`: files that list targets, looked at before each scrape.
//!
//! A file is read when it looks different from the last time (another inode, size or time of
//! change, through symbolic links), and after the refresh interval in any case. What a file listed
//! when it was last good counts until it is good again; a file that is gone lists nothing.

use crate::discovery::ParseGroups;
use crate::discovery::Problem;
use crate::discovery::Syntax;
use crate::discovery::TargetGroup;
use crate::discovery::spec::FileSource;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::time::Instant;

/// The largest document; a hundred thousand targets with labels.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// The most files that patterns may stand for.
const FILES_MAX: usize = 1000;

/// The files of one source, and what they listed.
#[derive(Debug)]
pub(super) struct FileLists {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    source: FileSource,
    parse: ParseGroups,
    known: Mutex<BTreeMap<PathBuf, Known>>,
}

/// What is known of a file.
#[derive(Debug)]
struct Known {
    stamp: Option<Stamp>,
    read_at: Instant,
    /// Since when `groups` is what the file says.
    good_at: Instant,
    groups: Vec<TargetGroup>,
    problem: Option<String>,
}

/// How a file looks from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    n_bytes: u64,
    changed: (i64, i64),
}

impl FileLists {
    pub(super) fn new(source: FileSource, parse: ParseGroups) -> Self {
        Self { shared: Arc::new(Shared { source, parse, known: Mutex::default() }) }
    }

    /// What the files list now.
    pub(super) async fn groups(&self, problems: &mut Vec<Problem>) -> Vec<TargetGroup> {
        let shared = Arc::clone(&self.shared);
        // Files may be on a disk that takes its time.
        match tokio::task::spawn_blocking(move || shared.look()).await {
            Ok((groups, mut found)) => {
                problems.append(&mut found);
                groups
            }
            Err(error) => {
                let source = self.shared.source.files.join(", ");
                let message = error.to_string();
                problems.push(Problem { source, reason: "file", message, kept: None });
                Vec::new()
            }
        }
    }
}

impl Shared {
    fn look(&self) -> (Vec<TargetGroup>, Vec<Problem>) {
        let (mut groups, mut problems) = (Vec::new(), Vec::new());
        let mut paths = Vec::new();
        for pattern in &self.source.files {
            match expand(pattern) {
                Ok(found) => paths.extend(found),
                Err(e) => problems.push(problem(pattern, e.to_string(), None)),
            }
        }
        paths.sort();
        paths.dedup();
        if paths.len() > FILES_MAX {
            let message = format!("{} files, of which only {FILES_MAX} are read", paths.len());
            problems.push(problem(&self.source.files.join(", "), message, None));
            paths.truncate(FILES_MAX);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|path, _| paths.contains(path));
        for path in paths {
            self.look_at(&path, &mut known);
            let Some(file) = known.get(&path) else { continue };
            groups.extend(file.groups.iter().cloned());
            if let Some(message) = &file.problem {
                let kept = (!file.groups.is_empty()).then(|| file.good_at.elapsed());
                problems.push(problem(&path.display().to_string(), message.clone(), kept));
            }
        }
        (groups, problems)
    }

    fn look_at(&self, path: &Path, known: &mut BTreeMap<PathBuf, Known>) {
        let stamp = fs::metadata(path).ok().map(|metadata| Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            n_bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        });
        let now = Instant::now();
        if let Some(file) = known.get(path)
            && file.stamp == stamp
            && now < file.read_at + self.source.refresh_interval
        {
            return;
        }
        let read = self.read(path);
        let entry = known.entry(path.to_owned()).or_insert_with(|| Known {
            stamp,
            read_at: now,
            good_at: now,
            groups: Vec::new(),
            problem: None,
        });
        (entry.stamp, entry.read_at) = (stamp, now);
        match read {
            Ok(groups) => (entry.groups, entry.good_at, entry.problem) = (groups, now, None),
            Err(message) => entry.problem = Some(message),
        }
    }

    fn read(&self, path: &Path) -> Result<Vec<TargetGroup>, String> {
        let name = path.display().to_string();
        let text = read_text(path).map_err(|e| format!("cannot read {name:?}: {e}"))?;
        let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let syntax = if is_json { Syntax::Json } else { Syntax::Yaml };
        let mut groups = (self.parse)(&name, &text, syntax)?;
        for group in &mut groups {
            group.labels.retain(|(label, _)| label != "__meta_filepath");
            group.labels.push(("__meta_filepath".to_owned(), name.clone()));
        }
        Ok(groups)
    }
}

fn problem(source: &str, message: String, kept: Option<std::time::Duration>) -> Problem {
    Problem { source: source.to_owned(), reason: "file", message, kept }
}

fn read_text(path: &Path) -> io::Result<String> {
    // Asked first: to open a pipe nobody writes to would block for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// The files a pattern stands for: itself, or what a `*` in its last part matches.
fn expand(pattern: &str) -> io::Result<Vec<PathBuf>> {
    let path = Path::new(pattern);
    let last = path.file_name().unwrap_or_default().to_string_lossy();
    let Some((before, behind)) = last.split_once('*') else {
        // Asked here so that a file that is gone takes its targets with it.
        return fs::metadata(path).map(|_| vec![path.to_owned()]);
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_long = name.len() >= before.len() + behind.len();
        if is_long && name.starts_with(before) && name.ends_with(behind) {
            found.push(path.with_file_name(name));
        }
    }
    Ok(found)
}
