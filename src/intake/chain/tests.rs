use super::*;
use crate::model::FingerprintKey;
use crate::relabel::Action;
use crate::relabel::NameScheme;
use crate::relabel::Rule;
use crate::relabel::RuleSpec;
use proptest::collection::vec;
use proptest::prelude::*;

type Owned = Vec<(String, String)>;

fn key() -> FingerprintKey {
    let mut state = 7_u64;
    FingerprintKey::new(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state
    })
}

fn set(labels: &Owned) -> LabelSet {
    let mut set = LabelSet::new();
    for (name, value) in labels {
        set.push(name.as_bytes(), value.as_bytes());
    }
    set.sort();
    set
}

fn owned<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Owned {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    labels.map(|(name, value)| (text(name), text(value))).collect()
}

fn compile(specs: Vec<RuleSpec>) -> Rules {
    Rules::new(specs.into_iter().map(|s| Rule::compile(&s, NameScheme::Utf8).unwrap()).collect())
}

/// What the rules make of labels, without any memory: new labels, or the rule that dropped them.
fn naive(rules: &Rules, labels: &Owned) -> Result<Owned, Option<u32>> {
    let mut set = set(labels);
    match rules.apply(&mut set, &mut Scratch::default()) {
        Verdict::Drop { rule } => Err(Some(u32::try_from(rule).unwrap())),
        Verdict::Keep if set.metric_name().is_empty() => Err(None),
        Verdict::Keep => Ok(owned(set.iter())),
    }
}

/// The same by way of the chain, in both spellings.
fn cached(
    chain: &Chain,
    key: &FingerprintKey,
    labels: &Owned,
    expected: &mut Expected,
) -> Result<Owned, Option<u32>> {
    let set = set(labels);
    let old = owned(set.iter());
    let mut bytes = Vec::new();
    for (name, value) in set.iter() {
        put_label_v1(&mut bytes, name, value);
    }
    let mut scratch = DecideScratch::default();
    let (fingerprint, labels) = (key.of(&bytes), Labels::of_set(&set));
    chain.decide(fingerprint, &labels, expected, &mut scratch, |outcome| match outcome {
        Outcome::Unchanged => Ok(old.clone()),
        Outcome::Dropped { rule } => Err(Some(*rule)),
        Outcome::Nameless => Err(None),
        Outcome::Rewritten(rewrite) => {
            let mut new = Vec::new();
            for piece in rewrite.pieces() {
                match piece {
                    Piece::Copied(range) => new.extend_from_slice(&old[range]),
                    Piece::New { name, value, .. } => {
                        new.extend(owned(std::iter::once((name, value))));
                    }
                }
            }
            let mut spelled = Vec::new();
            super::super::way::spell(&mut spelled, rewrite, &bytes);
            let mut want = Vec::new();
            for (name, value) in &new {
                put_label_v1(&mut want, name.as_bytes(), value.as_bytes());
            }
            assert_eq!(spelled, want);
            Ok(new)
        }
    })
}

fn labels() -> impl Strategy<Value = Owned> {
    let name = prop::sample::select(vec!["__name__", "a", "b", "c", "pod", "zone", "zz"]);
    let value = prop_oneof!["[ab1]{0,3}", Just("x".repeat(200)), Just("ü.x".to_owned())];
    prop::collection::btree_map(name, value, 0..6)
        .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn rule() -> impl Strategy<Value = RuleSpec> {
    let label = prop::sample::select(vec!["__name__", "a", "b", "pod", "new", "zone"]);
    let regex = prop::sample::select(vec!["(.*)", "a.*", "(.)(.*)", "b|1", "pod|zone", "x+", ""]);
    let action = prop::sample::select(vec![
        Action::Replace,
        Action::Keep,
        Action::Drop,
        Action::LabelDrop,
        Action::LabelKeep,
        Action::LabelMap,
        Action::HashMod,
        Action::Lowercase,
    ]);
    let replacement = prop::sample::select(vec!["$1", "${2}x", "", "fixed"]);
    (label.clone(), label, regex, action, replacement).prop_map(
        |(source, target, regex, action, replacement)| {
            let reads = !matches!(action, Action::LabelDrop | Action::LabelKeep | Action::LabelMap);
            let writes = matches!(action, Action::Replace | Action::HashMod | Action::Lowercase);
            let has_regex = !matches!(action, Action::HashMod | Action::Lowercase);
            let replaces = matches!(action, Action::Replace | Action::LabelMap);
            RuleSpec {
                action,
                source_labels: reads.then(|| vec![source.to_owned()]),
                target_label: writes.then(|| target.to_owned()),
                regex: has_regex.then(|| regex.to_owned()),
                modulus: (action == Action::HashMod).then_some(3),
                replacement: replaces.then(|| replacement.to_owned()),
                ..RuleSpec::default()
            }
        },
    )
}

proptest! {
    /// Remembered outcomes are those of the rules, whether there is room to remember or not.
    #[test]
    fn the_memory_changes_no_outcome(
        specs in vec(rule(), 1..4),
        series in vec(labels(), 1..20),
        room in prop::sample::select(vec![1, 64, 1000]),
    ) {
        let compiled: Result<Vec<_>, _> =
            specs.iter().map(|spec| Rule::compile(spec, NameScheme::Utf8)).collect();
        prop_assume!(compiled.is_ok());
        let rules = Rules::new(compiled.unwrap());
        let chain = Chain::new(rules.clone(), room, CACHED_BYTES_MAX);
        let key = key();
        let mut expected = Expected::default();
        for labels in series.iter().chain(&series) {
            let told = cached(&chain, &key, labels, &mut expected);
            prop_assert_eq!(told, naive(&rules, labels), "{:?}", labels);
        }
    }
}

#[test]
fn memory_is_bounded_by_series_and_by_bytes() {
    let rules = || {
        compile(vec![RuleSpec {
            source_labels: Some(vec!["a".to_owned()]),
            target_label: Some("b".to_owned()),
            ..RuleSpec::default()
        }])
    };
    let labels = |n: usize| {
        vec![("__name__".to_owned(), "m".to_owned()), ("a".to_owned(), format!("{n:0100}"))]
    };
    let (key, by_series, by_bytes) =
        (key(), Chain::new(rules(), 640, 1 << 30), Chain::new(rules(), 1 << 30, 64_000));
    for n in 0..10_000 {
        for chain in [&by_series, &by_bytes] {
            let told = cached(chain, &key, &labels(n), &mut Expected::default());
            assert_eq!(told, naive(&rules(), &labels(n)));
        }
    }
    assert!(by_series.n_remembered() <= 640, "{}", by_series.n_remembered());
    assert!(by_bytes.n_remembered() <= 640, "{}", by_bytes.n_remembered());
}

#[test]
fn a_chain_without_rules_remembers_nothing() {
    let chain = Chain::new(Rules::default(), 10, 10);
    let labels = vec![("__name__".to_owned(), "m".to_owned())];
    assert_eq!(cached(&chain, &key(), &labels, &mut Expected::default()), Ok(labels.clone()));
    assert!(chain.is_identity());
    assert_eq!(chain.n_remembered(), 0);
}
