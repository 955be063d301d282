//! What `/proc` says of the memory of a process.
#![allow(dead_code, reason = "each bench uses its own part")]

/// The most memory a process has held so far, in MiB.
pub(crate) fn peak_mib(pid: u32) -> f64 {
    kib_of(pid, "VmHWM:") / 1024.0
}

/// The memory a process holds now, in bytes.
pub(crate) fn rss_bytes(pid: u32) -> f64 {
    kib_of(pid, "VmRSS:") * 1024.0
}

fn kib_of(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0)
}
