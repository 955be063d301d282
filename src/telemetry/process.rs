//! The `process_*` metrics every Prometheus client has, read from `/proc` when they are asked for.

use crate::telemetry::panic;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::fs;

/// Ticks a second in `/proc` (`USER_HZ`), the same on every architecture weir is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time used.
pub const PROCESS_CPU: (&str, &str) =
    ("process_cpu_seconds_total", "Total user and system CPU time spent in seconds");
/// Memory in use.
pub const PROCESS_MEMORY: (&str, &str) =
    ("process_resident_memory_bytes", "Resident memory size in bytes");
/// Open files and sockets.
pub const PROCESS_FDS: (&str, &str) = ("process_open_fds", "Number of open file descriptors");
/// When weir started.
pub const PROCESS_START: (&str, &str) =
    ("process_start_time_seconds", "Start time of the process since unix epoch in seconds");
/// Bugs that showed.
pub const PANICS: (&str, &str) = ("weir_panics_total", "Panics, each a bug in weir");

/// Reads the process' own figures. What the system does not tell is left out.
#[derive(Debug)]
pub struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        counter(&mut encoder, PANICS, to_f64(panic::count()))?;
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if let Some(seconds) = cpu_seconds(&stat) {
            counter(&mut encoder, PROCESS_CPU, seconds)?;
        }
        if let Some(seconds) = start_seconds(&stat) {
            gauge(&mut encoder, PROCESS_START, seconds)?;
        }
        if let Some(bytes) = resident_bytes() {
            gauge(&mut encoder, PROCESS_MEMORY, bytes)?;
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            gauge(&mut encoder, PROCESS_FDS, to_f64(entries.count() as u64))?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn to_f64(n: u64) -> f64 {
    n as f64
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: (&str, &str), value: f64) -> fmt::Result {
    let counter = ConstCounter::new(value);
    let kind = prometheus_client::metrics::MetricType::Counter;
    let base = name.0.trim_end_matches("_total");
    counter.encode(encoder.encode_descriptor(base, name.1, None, kind)?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: (&str, &str), value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    let kind = prometheus_client::metrics::MetricType::Gauge;
    gauge.encode(encoder.encode_descriptor(name.0, name.1, None, kind)?)
}

/// Field `nth` of `/proc/self/stat`, counted from 1 as `proc(5)` does.
fn field(stat: &str, nth: usize) -> Option<f64> {
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(nth - 3)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS_PER_SECOND)
}

fn start_seconds(stat: &str) -> Option<f64> {
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 =
        system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + field(stat, 22)? / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0 123400 1 2";
        assert!((cpu_seconds(stat).unwrap() - 3.0).abs() < 1e-9);
        assert!((field(stat, 22).unwrap() - 123_400.0).abs() < 1e-9);
        assert_eq!(cpu_seconds(""), None);
    }
}
