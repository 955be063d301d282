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
