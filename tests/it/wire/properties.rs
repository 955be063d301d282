//! Laws of the wire formats.

use proptest::prelude::*;
use weir::wire::{Decoder, Limits, Lost, V2Encoder, Version, put_series_v1};

use super::generate::{message, odd_bytes};
use super::naive;
use super::owned::{OwnedMessage, OwnedMetadata};

/// Every series of a body, written by version: the message, and what was lost.
fn translate(from: Version, body: &[u8], to: Version) -> (Vec<u8>, Lost) {
    let mut decoder = Decoder::new(Limits::default());
    let mut request = decoder.open(from, body).unwrap();
    let (mut out, mut encoder, mut lost) = (Vec::new(), V2Encoder::new(), Lost::default());
    while let Some(series) = request.next_series().unwrap() {
        lost += match to {
            Version::V1 => put_series_v1(&mut out, &series),
            Version::V2 => encoder.push(&series),
        };
    }
    if to == Version::V2 {
        encoder.finish(&mut out);
    }
    (out, lost)
}

fn agree(version: Version, body: &[u8]) -> Result<(), TestCaseError> {
    let fast = OwnedMessage::decode(version, body);
    if let Err(error) = &fast {
        prop_assert!(error.offset <= body.len(), "{error}");
    }
    prop_assert_eq!(fast.ok(), naive::decode(version, body));
    Ok(())
}

fn changed(mut body: Vec<u8>, changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (at, what, byte) in changes {
        if body.is_empty() {
            break;
        }
        let at = at.index(body.len());
        match what % 4 {
            0 => body[at] = *byte,
            1 => body.truncate(at),
            2 => body.insert(at, *byte),
            _ => {
                body.remove(at);
            }
        }
    }
    body
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8, u8)>(), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What is written is read back, every bit of it, by the walk and by its naive twin.
    #[test]
    fn v1_round_trip(message in message(Version::V1)) {
        let body = message.encode(Version::V1);
        prop_assert_eq!(&OwnedMessage::decode(Version::V1, &body).unwrap(), &message);
        prop_assert_eq!(naive::decode(Version::V1, &body), Some(message));
    }

    #[test]
    fn v2_round_trip(mut message in message(Version::V2)) {
        message.metadata.clear();
        let body = message.encode(Version::V2);
        prop_assert_eq!(&OwnedMessage::decode(Version::V2, &body).unwrap(), &message);
        prop_assert_eq!(naive::decode(Version::V2, &body), Some(message));
    }

    /// To the same version everything goes through; the bytes of what was canonical stay.
    #[test]
    fn translation_to_the_same_version_changes_nothing(
        mut message in message(Version::V1), mut message_v2 in message(Version::V2)
    ) {
        message.metadata.clear();
        message_v2.metadata.clear();
        for (message, version) in [(message, Version::V1), (message_v2, Version::V2)] {
            let body = message.encode(version);
            prop_assert_eq!(translate(version, &body, version), (body, Lost::default()));
        }
    }

    /// To 2.0 nothing is lost, and back from there neither.
    #[test]
    fn v1_through_v2_comes_back(mut message in message(Version::V1)) {
        message.metadata.clear();
        let body = message.encode(Version::V1);
        let (through, lost) = translate(Version::V1, &body, Version::V2);
        prop_assert_eq!(lost, Lost::default());
        prop_assert_eq!(&OwnedMessage::decode(Version::V2, &through).unwrap(), &message);
        prop_assert_eq!(translate(Version::V2, &through, Version::V1), (body, Lost::default()));
    }

    /// To 1.0 exactly what is counted is lost.
    #[test]
    fn v2_to_v1_loses_what_it_counts(message in message(Version::V2)) {
        let (through, lost) = translate(Version::V2, &message.encode(Version::V2), Version::V1);
        let mut want = OwnedMessage { series: message.series, ..OwnedMessage::default() };
        let mut count = Lost::default();
        for series in &mut want.series {
            series.metadata = OwnedMetadata::default();
            let n_before = series.histograms.len();
            series.histograms.retain(|histogram| histogram.schema != -53);
            count.n_custom_bucket_histograms += n_before - series.histograms.len();
            let histograms = series.histograms.iter_mut().map(|h| &mut h.start_timestamp_ms);
            let samples = series.samples.iter_mut().map(|s| &mut s.start_timestamp_ms);
            for start in samples.chain(histograms) {
                count.n_start_timestamps += usize::from(*start != 0);
                *start = 0;
            }
            if n_before > 0 && series.histograms.is_empty() {
                count.n_exemplars += series.exemplars.len();
                series.labels = vec![(b"gone".to_vec(), Vec::new())];
            }
        }
        want.series.retain(|series| series.labels != [(b"gone".to_vec(), Vec::new())]);
        prop_assert_eq!(OwnedMessage::decode(Version::V1, &through).unwrap(), want);
        prop_assert_eq!(lost, count);
    }

    /// A damaged message is read or refused as its naive twin does.
    #[test]
    fn damage_is_judged_as_by_the_naive_twin(
        v1 in message(Version::V1), v2 in message(Version::V2), changes in changes()
    ) {
        agree(Version::V1, &changed(v1.encode(Version::V1), &changes))?;
        agree(Version::V2, &changed(v2.encode(Version::V2), &changes))?;
    }

    /// So are bytes that were never a message.
    #[test]
    fn odd_bytes_are_judged_as_by_the_naive_twin(bytes in odd_bytes(), v2 in message(Version::V2)) {
        agree(Version::V1, &bytes)?;
        agree(Version::V2, &bytes)?;
        // Behind a table of symbols more of them are series.
        agree(Version::V2, &[v2.encode(Version::V2), bytes].concat())?;
    }
}
