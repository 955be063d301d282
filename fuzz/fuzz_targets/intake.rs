//! A request of any bytes, judged, put through rules and written: what goes on can be read, is as
//! much as was counted, and is the same once the outcome of the rules is remembered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;
use weir::config::file;
use weir::intake::{Intake, IntakeLimits, Plan, WayReport};
use weir::model::FingerprintKey;
use weir::relabel::Rules;
use weir::wire::snappy::Snappy;
use weir::wire::{Decoder, Limits, Version};

#[path = "../../tests/it/receive/message_writer.rs"]
mod message_writer;

use message_writer::MessageWriter;

const RULES: &str = "metric_relabel_configs:
- {action: drop, source_labels: [__name__], regex: 'd.*'}
- {action: labeldrop, regex: 'l.*'}
- {source_labels: [a, b], regex: '(.*);(.*)', target_label: c, replacement: '$2$1'}
- {action: labelmap, regex: 'm(.*)', replacement: '$1'}
- {source_labels: [x], regex: 'n.*', target_label: __name__, replacement: ''}
- {action: hashmod, source_labels: [__name__], target_label: h, modulus: 3}
";
const NOW_MS: i64 = 1_700_000_000_000;

static OF_FILE: LazyLock<Rules> = LazyLock::new(|| {
    file::parse("weir.yaml", RULES, Path::new("/")).expect("it is in order").main.rules
});

/// Where a request goes: behind no rules and behind some, in either version.
const WAYS: [Version; 4] = [Version::V1, Version::V1, Version::V2, Version::V2];

/// What goes on behind no rules, as it came where it may; where that is what happens, whole series
/// are skipped. The same is counted and refused as where each of them is written anew.
fn check_whole(limits: IntakeLimits, version: Version, body: &[u8]) {
    let plan = Plan::new(vec![Rules::default()], limits, FingerprintKey::new(|| 7));
    let [whole, written] = [true, false].map(|takes_whole| {
        let mut writers = [MessageWriter::new(version, takes_whole)];
        Intake::new(&plan).take(&plan, &mut writers, version, body, NOW_MS)
    });
    let (Ok(whole), Ok(written)) = (&whole, &written) else {
        return assert!(whole.is_err() && written.is_err(), "refused one way only");
    };
    assert_eq!(whole.written, written.written);
    assert_eq!(whole.refusals, written.refusals);
    assert_eq!(whole.ways[0].counts, written.ways[0].counts);
}

fn take(plan: &Plan, version: Version, body: &[u8]) -> Option<Vec<(WayReport, Vec<u8>)>> {
    let mut writers = WAYS.map(|version| MessageWriter::new(version, true));
    let taken = Intake::new(plan).take(plan, &mut writers, version, body, NOW_MS).ok()?;
    let messages = writers.map(|mut writer| writer.take().unwrap_or_default());
    Some(taken.ways.into_iter().zip(messages).collect())
}

/// What was written is as much as was counted, and in order.
fn check(version: Version, report: &WayReport, message: &[u8]) {
    let mut decoder = Decoder::new(Limits::default());
    let mut request = decoder.open(version, message).expect("what is written can be read");
    let (mut n_series, mut n_samples) = (0, 0);
    while let Some(series) = request.next_series().expect("what is written can be read") {
        n_series += 1;
        n_samples += series.samples().len() as u64;
        let names: Vec<_> = series.labels().iter().map(|(name, _)| name.to_vec()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "labels out of order: {names:?}");
    }
    if report.is_whole {
        assert!(message.is_empty() || n_series == 0, "written, and whole");
        return;
    }
    assert_eq!(n_samples, report.counts.points.n_samples);
    // 1.0 has no place for some histograms, and so not for their series.
    assert!(n_series <= report.counts.n_series);
    assert!(version == Version::V1 || n_series == report.counts.n_series);
}

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (is_v2, message) = input;
    let version = if is_v2 { Version::V2 } else { Version::V1 };
    let mut body = Vec::new();
    Snappy::new().compress(&message, &mut body).expect("it is short");
    let rules = [Rules::default(), OF_FILE.clone(), Rules::default(), OF_FILE.clone()];
    let limits = IntakeLimits {
        decoded_bytes_max: 1 << 20,
        series_max: 1000,
        cached_series_max: 100,
        cached_bytes_max: 1 << 16,
        ..file::receive::ReceiveSettings::default().intake
    };
    let plan = Plan::new(rules.into(), limits, FingerprintKey::new(|| 7));
    let first = take(&plan, version, &body);
    assert!(take(&plan, version, &body) == first, "what is remembered changes the outcome");
    check_whole(limits, version, &body);
    // The body as it came, which is hardly ever snappy.
    take(&plan, version, &message);
    for ((report, message), version) in first.iter().flatten().zip(WAYS) {
        check(version, report, message);
    }
});
