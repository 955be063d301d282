//! What goes one way, as one message. Used by fuzzing, too.

use weir::intake::{Counts, SeriesWriter};
use weir::wire::{MetricMetadata, Series, V2Encoder, Version, put_metadata_v1, put_series_v1};

/// Writes whole messages of one version.
#[derive(Debug)]
pub(crate) struct MessageWriter {
    version: Version,
    v1: Vec<u8>,
    v2: V2Encoder,
    takes_whole: bool,
}

impl MessageWriter {
    pub(crate) fn new(version: Version, takes_whole: bool) -> Self {
        let (v1, v2) = (Vec::new(), V2Encoder::new());
        Self { version, v1, v2, takes_whole }
    }

    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let mut message = std::mem::take(&mut self.v1);
        if self.version == Version::V2 && self.v2.n_series() > 0 {
            self.v2.finish(&mut message);
        }
        (!message.is_empty()).then_some(message)
    }
}

impl SeriesWriter for MessageWriter {
    fn takes_whole(&self, version: Version, _: &Counts) -> bool {
        self.takes_whole && version == self.version
    }

    fn push(&mut self, series: &Series<'_>) {
        // What a version cannot carry is counted elsewhere.
        match self.version {
            Version::V1 => drop(put_series_v1(&mut self.v1, series)),
            Version::V2 => drop(self.v2.push(series)),
        }
    }

    fn push_metadata(&mut self, metric: &MetricMetadata<'_>) {
        if self.version == Version::V1 {
            put_metadata_v1(&mut self.v1, metric);
        }
    }

    fn clear(&mut self) {
        self.v1.clear();
        self.v2.clear();
    }
}
