//! The table of one end-to-end run.
#![allow(dead_code, reason = "each bench uses its own part")]

use std::fmt;
use std::process::Command;

use crate::process;

/// What one request cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// From connecting to the last byte, seen by the client.
    pub(crate) wall_ms: f64,
    /// CPU of the process measured: the gate, or the plain client.
    pub(crate) cpu_ms: f64,
    /// What came back, as it was sent.
    pub(crate) n_bytes: usize,
}

fn wall(run: &Run) -> f64 {
    run.wall_ms
}

fn cpu(run: &Run) -> f64 {
    run.cpu_ms
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    name: &'static str,
    must: &'static str,
    runs: Vec<Run>,
    /// Peak memory of the gate after its third scrape.
    pub(crate) peak_mib: Option<f64>,
}

impl Case {
    pub(crate) fn new(name: &'static str, must: &'static str) -> Self {
        Self { name, must, runs: Vec::new(), peak_mib: None }
    }

    /// Take one run; how many bytes it moved.
    pub(crate) fn add(&mut self, run: Run) -> usize {
        self.runs.push(run);
        run.n_bytes
    }

    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(&self.runs.iter().map(of).collect::<Vec<_>>())
    }

    fn min(&self, of: impl Fn(&Run) -> f64) -> f64 {
        self.runs.iter().map(of).fold(f64::INFINITY, f64::min)
    }

    fn write_row(&self, out: &mut fmt::Formatter<'_>, plain: Option<&Self>) -> fmt::Result {
        let cell = |of: fn(&Run) -> f64| format!("{:.0} ({:.0})", self.median(of), self.min(of));
        let ratio = |of: fn(&Run) -> f64| {
            plain.map_or("1".to_owned(), |plain| {
                format!("{:.2}", self.median(of) / plain.median(of))
            })
        };
        let peak = self.peak_mib.map_or("–".to_owned(), |mib| format!("{mib:.0}"));
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {peak} | {} |",
            self.name,
            cell(wall),
            ratio(wall),
            cell(cpu),
            ratio(cpu),
            self.must
        )
    }
}

/// Everything of one run: each yardstick with the cases that are measured against it.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) weir: String,
    pub(crate) n_rounds: usize,
    pub(crate) n_series: usize,
    pub(crate) n_folded: usize,
    pub(crate) groups: Vec<(Case, Vec<Case>)>,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body_bytes = self.groups[0].0.runs[0].n_bytes;
        writeln!(
            out,
            "{} samples, {body_bytes} bytes; `labeldrop: path` leaves {}. {} rounds, median (min).\n",
            self.n_series, self.n_folded, self.n_rounds
        )?;
        writeln!(out, "| case | wall ms | × plain | CPU ms | × plain | peak MiB | must |")?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---|")?;
        for (plain, cases) in &self.groups {
            plain.write_row(out, None)?;
            for case in cases {
                case.write_row(out, Some(plain))?;
            }
        }
        Ok(())
    }
}

/// The middle one of some values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Write a table under `benches/results`, with where and how it was made.
pub(crate) fn save(weir: &str, made_by: &str, title: &str, name: &str, table: &str) {
    let machine = process::machine();
    let libc = process::libc_of(weir);
    let commit = said(&["git", "describe", "--always", "--dirty", "--abbrev=10"]);
    let date = said(&["date", "-u", "+%Y-%m-%d"]);
    let text = format!(
        "# {title}, {date}\n\n- machine: {machine}\n- weir: commit {commit}, {libc}\n\
         - command: `{made_by}`\n\n{table}"
    );
    let processor = machine.split(',').next().unwrap_or_default();
    let words = processor
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && !["R", "TM", "Processor", "CPU"].contains(word))
        .map(str::to_lowercase);
    let mut parts = vec![date];
    parts.extend(Some(name.to_owned()).filter(|name| !name.is_empty()));
    parts.extend(words);
    parts.extend((libc != "glibc").then(|| "musl".to_owned()));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/results");
    std::fs::create_dir_all(folder).expect("the folder can be made");
    std::fs::write(format!("{folder}/{}.md", parts.join("-")), text)
        .expect("the file can be written");
}

/// What a command prints, or `unknown`.
fn said(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output();
    output.map_or("unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}
