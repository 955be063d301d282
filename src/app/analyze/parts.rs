//! A large file read in parts at the same time.
//!
//! A part starts behind a newline, where most likely an entry starts; a newline in quotes is no
//! such place. Whether it was one is known when the part before has been read: if that ends between
//! two entries, the guess was right. If not, what follows is read again, in one go.

use super::{AnalyzeError, Plan, READ_BYTES, push_all};
use crate::analyze::Analyzer;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::ops::Range;
use std::path::Path;
use std::thread;

/// Below this it is not worth a thread.
const PART_BYTES_MIN: u64 = 4 << 20;
/// More threads than this find nothing to do but wait for memory.
const PARTS_MAX: u64 = 8;

/// Analyze a file; the answer is yet to be finished.
pub(super) fn read(plan: &Plan, path: &Path, file: &File) -> Result<Analyzer, AnalyzeError> {
    let n_bytes = file.metadata()?.len();
    let n_threads = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let n_parts = n_threads.min(PARTS_MAX).min(n_bytes / PART_BYTES_MIN).max(1);
    let parts = split(path, n_bytes, n_parts)?;
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            parts.iter().map(|part| scope.spawn(|| read_part(plan, path, part))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    join(plan, path, &parts, results)
}

/// Put the parts together as far as they were read rightly, and read the rest.
fn join(
    plan: &Plan,
    path: &Path,
    parts: &[Range<u64>],
    results: Vec<Result<Analyzer, AnalyzeError>>,
) -> Result<Analyzer, AnalyzeError> {
    let mut whole = plan.analyzer();
    for (part, result) in parts.iter().zip(results) {
        if !whole.is_between_entries() {
            push_all(&mut whole, open_at(path, part.start)?)?;
            break;
        }
        match result {
            Ok(analyzer) => whole.append(analyzer),
            Err(AnalyzeError::Parse(mut error)) => {
                error.line += whole.n_lines();
                return Err(error.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(whole)
}

/// Stretches of a file of about the same size; all but the first start behind a newline.
fn split(path: &Path, n_bytes: u64, n_parts: u64) -> io::Result<Vec<Range<u64>>> {
    let mut starts = vec![0];
    for part in 1..n_parts {
        let start = behind_newline(path, n_bytes / n_parts * part)?;
        if start < n_bytes && starts.last().is_some_and(|&last| start > last) {
            starts.push(start);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([n_bytes]);
    Ok(starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect())
}

/// Where the first line starts that starts behind `at`; the end of the file if there is none.
fn behind_newline(path: &Path, at: u64) -> io::Result<u64> {
    let mut file = open_at(path, at)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut n_before = at;
    loop {
        let n_bytes = file.read(&mut buffer)?;
        if let Some(newline) = memchr::memchr(b'\n', &buffer[..n_bytes]) {
            return Ok(n_before + newline as u64 + 1);
        }
        n_before += n_bytes as u64;
        if n_bytes == 0 {
            return Ok(n_before);
        }
    }
}

fn read_part(plan: &Plan, path: &Path, part: &Range<u64>) -> Result<Analyzer, AnalyzeError> {
    let mut analyzer = plan.analyzer();
    push_all(&mut analyzer, open_at(path, part.start)?.take(part.end - part.start))?;
    Ok(analyzer)
}

fn open_at(path: &Path, at: u64) -> io::Result<File> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::Extent;
    use crate::model::Format;
    use std::io::Write as _;

    fn report(text: &str, n_parts: u64) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let plan = Plan {
            format: Format::Text,
            extent: Extent::Counts,
            rules: None,
            line_bytes_max: 1000,
            key: [1, 2],
        };
        let parts = split(file.path(), text.len() as u64, n_parts).unwrap();
        let results = parts.iter().map(|part| read_part(&plan, file.path(), part)).collect();
        let whole = join(&plan, file.path(), &parts, results).map_err(|e| e.to_string())?;
        let mut out = Vec::new();
        whole.finish().map_err(|e| e.to_string())?.write_text(&mut out).unwrap();
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn any_number_of_parts_gives_the_same_report() {
        let lines: Vec<String> = (0..40).map(|n| format!("a{{b=\"{n}\"}} {n}\nc 1\n")).collect();
        let quoted = "d{e=\"\n\n\nf 1\n\n\ng 1\nh\n\n\"} 1\n".repeat(10);
        let ended = format!("{}\0{{{{\n{{{{\n", lines.concat());
        let bad = format!("{}x{{\n{}", lines.concat(), lines.concat());
        for text in [String::new(), lines.concat(), quoted, ended, bad] {
            let whole = report(&text, 1);
            for n_parts in 2..30 {
                assert_eq!(report(&text, n_parts), whole, "{n_parts} parts of {text:?}");
            }
        }
    }
}
