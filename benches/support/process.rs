//! What `/proc` says of a process: its CPU time; and of the machine.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::collections::HashMap;
use std::fs;

/// CPU time each thread of a process has used, in nanoseconds.
///
/// The scheduler's own account is exact, where `utime` and `stime` count ticks of 10 ms.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuTime(HashMap<String, u64>);

impl CpuTime {
    /// Read it now; empty if the process is gone.
    pub(crate) fn of(pid: &str) -> Self {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Self::default() };
        let ran = tasks.filter_map(|task| {
            let path = task.ok()?.path();
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            let ns = text.split_whitespace().next()?.parse().ok()?;
            Some((path.file_name()?.to_str()?.to_owned(), ns))
        });
        Self(ran.collect())
    }

    /// Milliseconds used since `before`; a thread that ended in between is not counted.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of minutes fit a double")]
    pub(crate) fn ms_since(&self, before: &Self) -> f64 {
        let of = |(thread, ns): (&String, &u64)| ns - before.0.get(thread).unwrap_or(&0).min(ns);
        self.0.iter().map(of).sum::<u64>() as f64 / 1e6
    }
}

/// CPU time in milliseconds of all children of this process that have ended, in steps of 10 ms.
pub(crate) fn children_cpu_ms() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let behind_name = stat.rsplit_once(") ").expect("the name is in parentheses").1;
    let ticks = |field: usize| behind_name.split(' ').nth(field).and_then(|t| t.parse().ok());
    // Fields 16 and 17 of proc(5), counted from `state`, which is field 3.
    10.0 * (ticks(13).unwrap_or(0.0) + ticks(14).unwrap_or(0.0))
}

/// The processor, the number of cores and the kernel.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("CPU");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('-').next().unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

/// Which libc an executable was linked with.
pub(crate) fn libc_of(executable: &str) -> &'static str {
    let bytes = fs::read(executable).unwrap_or_default();
    let head = &bytes[..bytes.len().min(8192)];
    let names = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    if names(b"ld-linux") {
        "glibc"
    } else if names(b"ld-musl") {
        "musl, dynamic"
    } else {
        "static (musl)"
    }
}
