//! `weir generate --dry-run`: what would be generated, before anything starts.

use crate::generate::family::Family;
use crate::generate::generator::Generator;
use crate::model::Format;
use memchr::memchr_iter;
use std::io;
use std::io::Write;

/// Larger pages are measured up to here and the rest is reckoned.
const MEASURED_BYTES_MAX: u64 = 256 << 20;
const PIECE_BYTES: usize = 256 * 1024;

/// What a page amounts to.
#[derive(Clone, Copy, Debug)]
struct PageSize {
    n_bytes: f64,
    is_exact: bool,
}

/// Print families, series, bytes, samples a second and label cardinalities.
///
/// # Errors
///
/// Writing failed.
pub fn run(
    generator: &Generator,
    format: Format,
    time_ms: i64,
    out: &mut impl Write,
) -> io::Result<()> {
    let n_targets = u64::from(generator.n_targets());
    let n_series = generator.n_series();
    let page = page_size(generator, format, time_ms);
    let interval_ms = generator.interval_ms();
    // A parameter may have switched others off.
    let families = || generator.families().iter().filter(|family| family.n_series() > 0);
    writeln!(out, "families             {}", families().count())?;
    writeln!(out, "series               {n_series}")?;
    if n_targets > 1 {
        writeln!(out, "targets              {n_targets}, {} series each", n_series / n_targets)?;
    }
    let about = if page.is_exact { "" } else { "about " };
    writeln!(out, "bytes a page         {about}{:.0}", page.n_bytes)?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let samples_a_second = n_series as f64 * 1000.0 / interval_ms.max(1) as f64;
    let interval = crate::config::generate::write_duration_ms(interval_ms);
    writeln!(out, "samples a second     {samples_a_second:.1} at an interval of {interval}")?;
    writeln!(out, "\n{:>12}  {:14}  family", "series", "type")?;
    for family in families() {
        let word = family.metric_type().open_metrics_word();
        writeln!(out, "{:>12}  {word:14}  {}", family.n_series(), family.name())?;
    }
    let mut labels: Vec<(String, u64)> = Vec::new();
    for (label, cardinality) in families().flat_map(Family::cardinalities) {
        match labels.iter_mut().find(|(known, _)| known == label) {
            Some((_, most)) => *most = (*most).max(*cardinality),
            None => labels.push((label.clone(), *cardinality)),
        }
    }
    labels.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    writeln!(out, "\n{:>12}  label", "values")?;
    for (label, cardinality) in labels {
        writeln!(out, "{cardinality:>12}  {label}")?;
    }
    Ok(())
}

fn page_size(generator: &Generator, format: Format, time_ms: i64) -> PageSize {
    let mut page = generator.page(0, time_ms, format);
    let mut piece = Vec::with_capacity(PIECE_BYTES * 2);
    let (mut n_bytes, mut n_lines) = (0_u64, 0_u64);
    let is_exact = loop {
        piece.clear();
        let is_more = page.fill(&mut piece, PIECE_BYTES);
        n_bytes += piece.len() as u64;
        n_lines += memchr_iter(b'\n', &piece).count() as u64;
        if !is_more {
            break true;
        }
        if n_bytes > MEASURED_BYTES_MAX {
            break false;
        }
    };
    let n_series = generator.n_series() / u64::from(generator.n_targets()).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let n_bytes = if is_exact {
        n_bytes as f64
    } else {
        n_bytes as f64 * (n_series as f64 / n_lines.max(1) as f64).max(1.0)
    };
    PageSize { n_bytes, is_exact }
}
