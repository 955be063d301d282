//! Reading a request and writing it, for two targets.

use weir::wire::{Decoder, Labels, Limits, V2Encoder, Version, put_metadata_v1, put_series_v1};

/// The body, written as `to`; `None` if it cannot be read.
///
/// Through a label set, so that nothing is copied verbatim.
fn rewrite(from: Version, body: &[u8], to: Version) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(Limits::default());
    let mut request = decoder.open(from, body).ok()?;
    let (mut out, mut encoder) = (Vec::new(), V2Encoder::new());
    loop {
        match request.next_series() {
            Ok(None) => break,
            Ok(Some(series)) => {
                let labels: Vec<_> = series.labels().iter().collect();
                let series = series.with_labels(Labels::of_pairs(&labels));
                match to {
                    Version::V1 => put_series_v1(&mut out, &series),
                    Version::V2 => encoder.push(&series),
                };
            }
            Err(error) => {
                assert!(error.offset <= body.len(), "{error}");
                if !error.is_of_one_series() {
                    return None;
                }
            }
        }
    }
    match to {
        Version::V1 => request.metadata().for_each(|metric| put_metadata_v1(&mut out, &metric)),
        Version::V2 => encoder.finish(&mut out),
    }
    Some(out)
}

pub fn check(from: Version, body: &[u8]) {
    for to in [Version::V1, Version::V2] {
        let Some(written) = rewrite(from, body, to) else { return };
        let again = rewrite(to, &written, to).expect("what is written can be read");
        assert!(again == written, "{to:?}: written {written:x?}, then {again:x?}");
    }
}
