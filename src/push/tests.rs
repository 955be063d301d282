use super::*;
use crate::push::base64;
use proptest::prelude::*;

#[track_caller]
fn check(path: &str, expect: Result<&str, PathError>) {
    let key = GroupingKey::from_path(path, LabelNames::Legacy);
    assert_eq!(key.map(|key| key.to_path(LabelNames::Legacy)), expect.map(str::to_owned), "{path}");
}

#[test]
fn paths_are_written_in_one_way() {
    check("/metrics/job/x/b/2/a/1", Ok("/metrics/job/x/a/1/b/2"));
    check("/metrics/job/a+b/c%64/e%20f", Ok("/metrics/job/a%2Bb/cd/e%20f"));
    check("/metrics/job@base64/Li4/a@base64/L2E=", Ok("/metrics/job@base64/Li4/a@base64/L2E"));
    check("/metrics/job/x/a/", Ok("/metrics/job/x/a@base64/="));
    check("/metrics/job/K%C3%B6ln/job/y", Ok("/metrics/job/K%C3%B6ln"));
}

#[test]
fn what_a_pushgateway_would_redirect_or_misread_is_refused() {
    check("/metrics/job/x//a", Err(PathError::EmptyComponent));
    check("/metrics/job//a/b", Err(PathError::EmptyComponent));
    check("/metrics/job/x/../y", Err(PathError::DotComponent("..")));
    check("/metrics/job/", Err(PathError::NoJob));
    check("/metrics/job/x/a/b%2fc%2Fd", Err(PathError::EncodedSlash));
    check("/metrics/job/x%2Fa%2Fb", Err(PathError::EncodedSlash));
    check("/metrics/job", Err(PathError::NotAPush));
    check("metrics/job/x", Err(PathError::NotAPush));
    check("/metrics/job/x/a/%4", Err(PathError::Escape(b"%4"[..].into())));
    check("/metrics/job/x/a/%FF", Err(PathError::NotUtf8(b"\xff"[..].into())));
}

#[test]
fn reserved_names_cannot_be_smuggled_in() {
    let path = "/metrics/job/x/U______name____/y";
    let error = GroupingKey::from_path(path, LabelNames::Utf8).unwrap_err();
    assert_eq!(error, PathError::LabelName(b"U______name____"[..].into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is written is read again as it was.
    #[test]
    fn written_paths_are_read(
        job in ".{1,8}",
        labels in proptest::collection::btree_map("(U__)?[a-zé._:/ U@\u{100000}]{1,6}", ".{0,8}|[./]{0,3}", 0..4),
    ) {
        let mut path = format!("/metrics/job@base64/{}", base64::encode(job.as_bytes()));
        for (name, value) in &labels {
            path.extend(["/", &LabelNames::Utf8.write(name), "@base64/"]);
            path += &base64::encode(value.as_bytes());
        }
        // Reserved names, and names that end as if their values were in base64 when unescaped.
        if let Ok(key) = GroupingKey::from_path(&path, LabelNames::Utf8) {
            prop_assert_eq!(key.job(), &job);
            for (name, value) in &labels {
                prop_assert!(key.labels().any(|label| label == (name, value)), "{}", path);
            }
            let again = GroupingKey::from_path(&key.to_path(LabelNames::Utf8), LabelNames::Utf8);
            prop_assert_eq!(again, Ok(key));
        } else {
            prop_assert!(labels.keys().any(|name| name.starts_with("__")), "{}", path);
        }
    }

    /// Any text: no panic; and what is read has a path that is read the same.
    #[test]
    fn any_path_is_read_or_refused(
        tail in "([a-c_U2e.@/%=\u{100000}]|%2[FfEe0]|@base64|//|job|é|U__|_2e_){0,20}",
        base64 in any::<bool>(),
        utf8 in any::<bool>(),
    ) {
        let names = if utf8 { LabelNames::Utf8 } else { LabelNames::Legacy };
        let suffix = if base64 { "@base64" } else { "" };
        if let Ok(key) = GroupingKey::from_path(&format!("/metrics/job{suffix}/{tail}"), names) {
            prop_assert_eq!(GroupingKey::from_path(&key.to_path(names), names), Ok(key));
        }
    }

    /// Base64 comes back, padded or not.
    #[test]
    fn base64_comes_back(bytes: Vec<u8>, n_padding in 0_usize..5) {
        let text = base64::encode(&bytes) + &"=".repeat(n_padding);
        prop_assert_eq!(base64::decode(text.as_bytes()), Ok(bytes));
    }
}

/// One field of protobuf that has a length.
fn message(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 0x80);
    [&[number << 3 | 2, length][..], bytes].concat()
}

fn double(number: u8, value: f64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

fn label(name: &str, value: &str) -> Vec<u8> {
    message(1, &[message(1, name.as_bytes()), message(2, value.as_bytes())].concat())
}

/// A family behind its length.
fn family(name: &str, metric_type: u8, metrics: &[Vec<u8>]) -> Vec<u8> {
    let metrics: Vec<u8> = metrics.iter().flat_map(|metric| message(4, metric)).collect();
    let parts =
        [message(1, name.as_bytes()), message(2, b"help"), vec![3 << 3, metric_type], metrics];
    let bytes = parts.concat();
    [vec![u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn read(body: &[u8]) -> Result<String, body::BodyError> {
    let key = GroupingKey::from_path("/metrics/job/x", LabelNames::Legacy).unwrap();
    let families = read_protobuf(body, &key, CONFIG)?;
    let text = canonical::write_families(families.iter().map(|(name, family)| (&**name, family)));
    Ok(String::from_utf8(text).unwrap())
}

const CONFIG: body::ReadConfig =
    body::ReadConfig { names: LabelNames::Legacy, series_max: 100, line_bytes_max: 1000 };

#[test]
fn families_in_protobuf_are_read() {
    let counter = family("c", 0, &[[label("l", "1"), message(3, &double(1, 2.5))].concat()]);
    let bucket = [vec![1 << 3, 2], double(2, 0.5)].concat();
    let histogram = [vec![1 << 3, 3], double(2, 9.0), message(3, &bucket)].concat();
    let histogram = family("h", 4, &[message(7, &histogram)]);
    let quantile = [double(1, 0.5), double(2, 7.0)].concat();
    let summary = [vec![1 << 3, 3], double(2, 9.0), message(3, &quantile)].concat();
    let summary = family("s", 2, &[message(4, &summary)]);
    let body = [counter, histogram, summary].concat();
    let expect = "# HELP c help\n# TYPE c counter\nc{instance=\"\",job=\"x\",l=\"1\"} 2.5\n\
        # HELP h help\n# TYPE h histogram\nh_bucket{instance=\"\",job=\"x\",le=\"0.5\"} 2\n\
        h_bucket{instance=\"\",job=\"x\",le=\"+Inf\"} 3\nh_sum{instance=\"\",job=\"x\"} 9\n\
        h_count{instance=\"\",job=\"x\"} 3\n# HELP s help\n# TYPE s summary\n\
        s{instance=\"\",job=\"x\",quantile=\"0.5\"} 7\ns_sum{instance=\"\",job=\"x\"} 9\n\
        s_count{instance=\"\",job=\"x\"} 3\n";
    assert_eq!(read(&body).unwrap(), expect);
    for end in 0..body.len() {
        // Cut between two families it is a body of its own; everywhere else it is none.
        match read(&body[..end]) {
            Ok(text) => assert!(expect.starts_with(&text), "{end}: {text}"),
            Err(error) => assert!(matches!(error, body::BodyError::Protobuf(_)), "{end}: {error}"),
        }
    }
}

#[test]
fn protobuf_that_makes_no_sense_is_refused() {
    let check = |body: &[u8], told: &str| {
        let error = read(body).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    };
    check(&[0x0a, 0x00], "protobuf parsing error at byte 1: unexpected end of the message");
    check(&[0xff; 20], "unexpected end of the message");
    check(&[2, 0x0b, 0], "unknown wire type");
    check(&[2, 0x00, 0], "illegal field number");
    let gauge = message(2, &double(1, 1.0));
    check(&family("c", 0, std::slice::from_ref(&gauge)), "is not a COUNTER");
    check(&family("9", 1, std::slice::from_ref(&gauge)), "invalid metric name \"9\"");
    let timed = [gauge.clone(), vec![6 << 3, 1]].concat();
    check(&family("g", 1, &[timed]), "pushed metrics must not have timestamps");
    check(&family("g", 1, &[gauge.clone(), gauge.clone()]), "was collected before");
    let twice = [label("l", "1"), label("l", "2"), gauge.clone()].concat();
    check(&family("g", 1, &[twice]), "two or more labels with the same name: l");
    let native = message(7, &[vec![1 << 3, 3], vec![5 << 3, 2]].concat());
    check(&family("h", 4, &[native]), "native histogram without classic buckets");
    let not_utf8 = message(1, b"\xff");
    let bytes = [vec![u8::try_from(not_utf8.len()).unwrap()], not_utf8].concat();
    check(&bytes, "a string is not UTF-8");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What is written is read again as it was, and written again as it was, unless a family is
    /// called as a part of another one, which is refused.
    #[test]
    fn canonical_text_is_read_as_it_was(
        lines in "(# TYPE [abc] (counter|gauge|histogram|summary)\n|# HELP [ab] [x\\\\é ]{0,3}\n|[abc](_sum|_count|_bucket|)(\\{((le|quantile|l)=\"(0.5|1|\\\\\\\\|\\\\n)\",?){0,2}\\}|) [0-9.e]{1,3}\n){0,8}",
    ) {
        let key = GroupingKey::from_path("/metrics/job/x/l/y%20z", LabelNames::Legacy).unwrap();
        let read = |text: &[u8]| {
            let rules = crate::lint::RuleSet::NONE;
            read_text(crate::model::Format::Text, text, &key, CONFIG, rules, || 4).map(|(families, _)| families)
        };
        if let Ok(families) = read(lines.as_bytes())
            && store::check_alone(&key, &families, || 4).is_ok()
        {
            let write = |families: &body::Families| {
                canonical::write_families(families.iter().map(|(name, family)| (&**name, family)))
            };
            let text = write(&families);
            let again = read(&text);
            prop_assert!(again.is_ok(), "{}\n{}\n{:?}", lines, String::from_utf8_lossy(&text), again);
            prop_assert_eq!(write(&again.unwrap()), text);
        }
    }

    /// Any bytes are protobuf or refused.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0_u8..40], 0..60)) {
        read(&bytes).ok();
    }
}
