//! Panics are bugs: each is logged and counted, and costs no more than the work it happened in.

use std::sync::atomic::{AtomicU64, Ordering};

static N_PANICS: AtomicU64 = AtomicU64::new(0);

/// Log and count panics from now on.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        N_PANICS.fetch_add(1, Ordering::Relaxed);
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        let error = info.payload_as_str().unwrap_or_default();
        tracing::error!(location, error, "Panicked. This is a bug in weir, please report it.");
    }));
}

/// How many there were.
pub fn count() -> u64 {
    N_PANICS.load(Ordering::Relaxed)
}
