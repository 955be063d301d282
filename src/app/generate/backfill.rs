//! `weir generate backfill`: history as OpenMetrics, for `promtool tsdb create-blocks-from`.
//!
//! promtool reads a file once for each block of two hours it makes, so a file holds one such
//! window, aligned as blocks are: `out-<seconds>.om`. Within a file all samples of a series stand
//! together. A file appears when it is complete; whatever stops the work leaves whole files only.

use crate::app::exit::Exit;
use crate::app::generate::Loaded;
use crate::app::generate::one;
use crate::app::generate::output_failed;
use crate::app::generate::write::Draft;
use crate::app::generate::write::PIECE_BYTES;
use crate::app::generate::write::Progress;
use crate::app::serve::Failure;
use crate::generate::generator::Generator;
use std::fs;
use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// Blocks of Prometheus are this long, and begin at multiples of it.
const WINDOW_MS: i64 = 2 * 3_600_000;
/// More instants than this are a mistake: three years every second.
const INSTANTS_MAX: i64 = 100_000_000;
/// What a file without samples holds.
const EMPTY: &[u8] = b"# EOF\n";

/// What to write.
#[derive(Clone, Debug)]
pub struct Backfill {
    /// The first instant.
    pub start_ms: i64,
    /// The last instant, if the steps meet it.
    pub end_ms: i64,
    /// From instant to instant.
    pub step_ms: i64,
    /// Which target.
    pub target: u32,
    /// Where the files go; it is created.
    pub output_dir: PathBuf,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Written {
    /// Files.
    pub n_files: usize,
    /// Bytes in them.
    pub n_bytes: u64,
}

/// Write all windows, telling of `progress`.
///
/// # Errors
///
/// A span that makes no sense, or a file that cannot be written.
pub fn run(
    loaded: &Loaded,
    backfill: &Backfill,
    stop: &AtomicBool,
    progress: &mut Progress<impl Write>,
) -> Result<Written, Failure> {
    let &Backfill { start_ms, end_ms, step_ms, target, .. } = backfill;
    if end_ms < start_ms {
        return Err(one("--end is before --start"));
    }
    if (end_ms - start_ms) / step_ms.max(1) > INSTANTS_MAX {
        return Err(one(&format!("more than {INSTANTS_MAX} instants: use a longer --step")));
    }
    let n_targets = loaded.generator.n_targets();
    if target >= n_targets {
        return Err(one(&format!("--target {target}: there are {n_targets}, counted from 0")));
    }
    let folder = &backfill.output_dir;
    fs::create_dir_all(folder).map_err(|e| output_failed(&folder.display().to_string(), &e))?;
    let windows = windows(backfill);
    let mut written = Written::default();
    let n_windows = windows.len();
    for (nth, window) in windows.iter().enumerate() {
        let mut tell = |n_bytes| {
            let n_bytes = written.n_bytes + n_bytes;
            progress.tell(|| format!("{nth} of {n_windows} files, {} MiB", n_bytes >> 20));
            !stop.load(Ordering::Relaxed)
        };
        let path = folder.join(format!("out-{}.om", window.name_secs));
        match write_window(&loaded.generator, target, *window, step_ms, &path, &mut tell) {
            Ok(0) => {}
            Ok(n_bytes) => {
                written.n_files += 1;
                written.n_bytes += n_bytes;
            }
            Err(e) => {
                progress.end();
                if e.kind() == io::ErrorKind::Interrupted {
                    let line = format!("stopped after {} whole files", written.n_files);
                    return Err(Failure { exit: Exit::Failure, lines: vec![line] });
                }
                return Err(output_failed(&path.display().to_string(), &e));
            }
        }
    }
    progress.end();
    Ok(written)
}

/// The instants of one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Window {
    name_secs: i64,
    from_ms: i64,
    to_ms: i64,
}

/// The windows of a span, those without an instant left out.
fn windows(backfill: &Backfill) -> Vec<Window> {
    let &Backfill { start_ms, end_ms, step_ms, .. } = backfill;
    let step_ms = step_ms.max(1);
    let mut windows = Vec::new();
    let mut from_ms = start_ms;
    while from_ms <= end_ms {
        let begin_ms = from_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
        let last_ms = end_ms.min(begin_ms + WINDOW_MS - 1);
        let to_ms = from_ms + (last_ms - from_ms) / step_ms * step_ms;
        windows.push(Window { name_secs: begin_ms / 1000, from_ms, to_ms });
        from_ms = to_ms.saturating_add(step_ms);
    }
    windows
}

/// Write one file, unless it would be empty; how many bytes. `go_on` is asked now and then.
fn write_window(
    generator: &Generator,
    target: u32,
    window: Window,
    step_ms: i64,
    path: &std::path::Path,
    go_on: &mut dyn FnMut(u64) -> bool,
) -> io::Result<u64> {
    let mut history = generator.history(target, window.from_ms, window.to_ms, step_ms);
    let mut draft = Draft::create(path)?;
    let mut piece = Vec::with_capacity(PIECE_BYTES * 2);
    let (mut n_bytes, mut is_more) = (0, true);
    while is_more {
        piece.clear();
        is_more = history.fill(&mut piece, PIECE_BYTES);
        if n_bytes == 0 && !is_more && piece == EMPTY {
            return Ok(0);
        }
        draft.write(&piece)?;
        n_bytes += piece.len() as u64;
        if !go_on(n_bytes) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    draft.finish()?;
    Ok(n_bytes)
}

/// Something that is set when a signal asks to stop.
///
/// # Errors
///
/// Signals cannot be listened to.
pub fn stop_on_signal() -> io::Result<Arc<AtomicBool>> {
    use tokio::signal::unix::SignalKind;
    use tokio::signal::unix::signal;
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let flag = Arc::clone(&stop);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        flag.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_blocks() {
        let backfill = Backfill {
            start_ms: 7_000_000,
            end_ms: 15_000_000,
            step_ms: 1_000_000,
            target: 0,
            output_dir: PathBuf::new(),
        };
        let window = |name_secs, from_ms, to_ms| Window { name_secs, from_ms, to_ms };
        assert_eq!(
            windows(&backfill),
            [
                window(0, 7_000_000, 7_000_000),
                window(7200, 8_000_000, 14_000_000),
                window(14_400, 15_000_000, 15_000_000)
            ]
        );
        let sparse = Backfill { step_ms: 3 * WINDOW_MS, end_ms: 4 * WINDOW_MS, ..backfill };
        assert_eq!(windows(&sparse).len(), 2);
    }
}
