//! Series that are like the one before are taken on short ways. A body that goes on as it came is
//! judged as one whose series are all written anew, and series that go through rules together come
//! out as they do one by one.

use std::path::Path;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use weir::config::file;
use weir::config::file::receive::ReceiveSettings;
use weir::intake::{Intake, Plan, Points, Taken};
use weir::model::FingerprintKey;
use weir::relabel::Rules;
use weir::wire::snappy::Snappy;
use weir::wire::{Sample, Version};

use super::message_writer::MessageWriter;
use crate::support::NOW_MS;
use crate::wire::owned::{OwnedExemplar, OwnedMessage, OwnedMetadata, OwnedSeries};

/// Names and values of which some are as they should be, and most series are alike.
fn labels() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let value = select(vec![&b"x"[..], b"yy", b"a longer value", "ü".as_bytes()]);
    let odd = select(vec![&b""[..], b"\xff", b"x"]);
    let names = select(vec![
        &["__name__", "a", "instance", "job"][..],
        &["__name__", "a", "instance", "job"],
        &["__name__", "a", "instance", "job"],
        &["__name__", "a"],
        &["a", "__name__"],
        &["a", "b"],
        &["__name__", "a", "a"],
        &["__name__", "a_name_that_is_longer_than_sixteen_bytes"],
    ]);
    (names, vec(value, 4), option::weighted(0.05, odd)).prop_map(|(names, values, odd)| {
        let mut labels: Vec<_> =
            names.iter().zip(&values).map(|(n, v)| (n.as_bytes(), *v)).collect();
        if let (Some(odd), Some(last)) = (odd, labels.last_mut()) {
            last.1 = odd;
        }
        labels.into_iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    })
}

fn series(version: Version) -> impl Strategy<Value = OwnedSeries> {
    let sample = (any::<u64>(), -1_i64..1 << 42, option::weighted(0.05, 1_i64..9));
    let sample = sample.prop_map(move |(bits, timestamp_ms, start)| Sample {
        value: f64::from_bits(bits),
        timestamp_ms,
        start_timestamp_ms: start.filter(|_| version == Version::V2).unwrap_or(0),
    });
    let samples = prop_oneof![9 => vec(sample.clone(), 1), 1 => vec(sample, 0..3)];
    let unit = select(vec![&b""[..], b"seconds"]);
    (labels(), samples, any::<bool>(), unit).prop_map(move |(labels, samples, is_rich, unit)| {
        let has_exemplar = is_rich && samples.len() == 2;
        let metadata = OwnedMetadata { unit: unit.to_vec(), ..OwnedMetadata::default() };
        OwnedSeries {
            labels,
            samples,
            exemplars: vec![OwnedExemplar::default(); usize::from(has_exemplar)],
            metadata: if version == Version::V2 { metadata } else { OwnedMetadata::default() },
            ..OwnedSeries::default()
        }
    })
}

fn take(version: Version, body: &[u8], takes_whole: bool) -> (Taken, Option<Vec<u8>>) {
    let limits = ReceiveSettings::default().intake;
    let plan = Plan::new(vec![Rules::default()], limits, FingerprintKey::new(|| 7));
    let mut writers = [MessageWriter::new(version, takes_whole)];
    let mut intake = Intake::new(&plan);
    // Twice: of the first time it has the names.
    intake.take(&plan, &mut writers, version, body, NOW_MS).expect("it is a message");
    writers[0].take();
    let taken = intake.take(&plan, &mut writers, version, body, NOW_MS).expect("it is a message");
    let [mut writer] = writers;
    (taken, writer.take())
}

fn check(version: Version, series: Vec<OwnedSeries>) -> Result<(), TestCaseError> {
    let message = OwnedMessage { series, metadata: Vec::new() }.encode(version);
    let mut body = Vec::new();
    Snappy::new().compress(&message, &mut body).expect("it is short");
    let ((whole, as_whole), (written, anew)) =
        (take(version, &body, true), take(version, &body, false));
    prop_assert_eq!(whole.written, written.written);
    prop_assert_eq!(whole.refusals, written.refusals);
    prop_assert_eq!(&whole.ways[0].counts, &written.ways[0].counts);
    if whole.ways[0].is_whole {
        let read = |message| OwnedMessage::decode(version, message);
        prop_assert_eq!(read(&message), read(&anew.unwrap_or_default()));
    } else {
        prop_assert_eq!(as_whole, anew);
    }
    Ok(())
}

const RULES: &str = "metric_relabel_configs:
- {source_labels: [a], regex: 'x(.*)', target_label: b, replacement: '1$1'}
- {action: labeldrop, regex: 'inst.*'}
- {action: drop, source_labels: [job], regex: 'yy'}
";

/// What rules leave of a request, in either version.
fn through_rules(
    intake: &mut Intake,
    plan: &Plan,
    series: &[OwnedSeries],
) -> (Taken, [Vec<OwnedSeries>; 2]) {
    let message = OwnedMessage { series: series.to_vec(), metadata: Vec::new() };
    let mut body = Vec::new();
    Snappy::new().compress(&message.encode(Version::V1), &mut body).expect("it is short");
    let mut writers = [Version::V1, Version::V2].map(|to| MessageWriter::new(to, true));
    let taken = intake.take(plan, &mut writers, Version::V1, &body, NOW_MS);
    let [mut v1, mut v2] = writers;
    let read = |version, message: Option<Vec<u8>>| {
        OwnedMessage::decode(version, &message.unwrap_or_default()).expect("it can be read").series
    };
    let out = [read(Version::V1, v1.take()), read(Version::V2, v2.take())];
    (taken.expect("it is a message"), out)
}

fn check_rules(series: &[OwnedSeries]) -> Result<(), TestCaseError> {
    let limits = ReceiveSettings::default().intake;
    let rules = file::parse("weir.yaml", RULES, Path::new("/")).expect("it is in order").main.rules;
    let plan = || Plan::new(vec![rules.clone(); 2], limits, FingerprintKey::new(|| 7));
    let (together, mut intake) = (plan(), Intake::new(&plan()));
    let mut apart = (Points::default(), [0; 2], [Vec::new(), Vec::new()]);
    for one in series {
        let plan = plan();
        let (taken, out) = through_rules(&mut Intake::new(&plan), &plan, std::slice::from_ref(one));
        apart.0 += taken.written;
        for (way, n) in taken.ways.iter().zip(&mut apart.1) {
            *n += way.dropped.iter().sum::<u64>();
        }
        for (all, more) in apart.2.iter_mut().zip(out) {
            all.extend(more);
        }
    }
    // The second time outcomes and names are remembered.
    for _ in 0..2 {
        let (taken, out) = through_rules(&mut intake, &together, series);
        let n_dropped = [0, 1].map(|way| taken.ways[way].dropped.iter().sum::<u64>());
        prop_assert_eq!((taken.written, n_dropped, &out), (apart.0, apart.1, &apart.2));
    }
    Ok(())
}

proptest! {
    #[test]
    fn series_go_through_rules_together_as_one_by_one(all in vec(series(Version::V1), 1..40)) {
        check_rules(&all)?;
    }

    #[test]
    fn a_whole_body_of_1_0_is_judged_as_its_series(all in vec(series(Version::V1), 1..40)) {
        check(Version::V1, all)?;
    }

    #[test]
    fn a_whole_body_of_2_0_is_judged_as_its_series(all in vec(series(Version::V2), 1..40)) {
        check(Version::V2, all)?;
    }

    /// Nothing in it is odd, so that all but a few of its series are skipped.
    #[test]
    fn runs_are_judged_as_their_series(
        all in vec(("[a-z]{1,9}", "[a-z]{1,130}", 0_i64..1 << 44), 1..60),
        is_v2: bool,
    ) {
        let version = if is_v2 { Version::V2 } else { Version::V1 };
        let series = all.into_iter().map(|(name, value, timestamp_ms)| OwnedSeries {
            labels: vec![
                (b"__name__".to_vec(), name.into_bytes()),
                (b"a".to_vec(), value.into_bytes()),
            ],
            samples: vec![Sample { value: 1.0, timestamp_ms, start_timestamp_ms: 0 }],
            ..OwnedSeries::default()
        });
        check(version, series.collect())?;
    }
}
