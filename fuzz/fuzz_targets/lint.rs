//! The linter on any bytes, in both formats: it ends, says where, and says the same however the
//! bytes are cut; promlint's rules find the same with and without the others.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::lint::{LintConfig, LintError, Linter, Report, RuleSet};
use weir::model::Format;

fn lint<'a>(
    format: Format,
    rules: RuleSet,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Report, LintError> {
    let mut word = 1_u64;
    let random = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        word
    };
    let mut linter = Linter::new(
        LintConfig { format, rules, utf8_names: rules.is_empty(), ..LintConfig::default() },
        random,
    );
    chunks.into_iter().try_for_each(|chunk| linter.push(chunk))?;
    linter.finish()
}

fuzz_target!(|input: &[u8]| {
    let Some((first, input)) = input.split_first() else { return };
    let format = if first & 1 == 0 { Format::Text } else { Format::OpenMetrics };
    let n_bytes = usize::from(first >> 1) + 1;
    let whole = lint(format, RuleSet::all(), [input]);
    let cut = lint(format, RuleSet::all(), input.chunks(n_bytes));
    match (&whole, &cut) {
        // Behind the end, column and quotation depend on how much of the rest is there.
        (Err(LintError::OpenMetrics(one)), Err(LintError::OpenMetrics(other))) => {
            assert_eq!((one.line, one.kind), (other.line, other.kind));
        }
        _ => assert_eq!(whole, cut),
    }
    let promlint = lint(format, RuleSet::promlint(), [input]);
    let n_lines = input.split(|&byte| byte == b'\n').count();
    match (whole, promlint) {
        (Ok(mut whole), Ok(promlint)) => {
            assert!(whole.findings.iter().all(|found| (1..=n_lines).contains(&found.line)));
            whole.findings.retain(|found| found.rule.is_promlint());
            assert_eq!(whole, promlint);
        }
        (Err(whole), Err(promlint)) => {
            assert!((1..=n_lines).contains(&whole.line()), "{whole}");
            assert_eq!(whole, promlint);
        }
        (whole, promlint) => panic!("{whole:?}\n{promlint:?}"),
    }
});
