//! `weir check FILE…`: say what is wrong with rule files, without starting anything.
//!
//! Every error of every file is one line, `file:line:column: path.to.field: message, remedy`; so is
//! every warning, marked as one. With `--json` there is one object a file instead:
//! `{"file":…,"ok":…,"rules":…,"sets":…,"errors":[…],"warnings":[…]}`.

use crate::app::exit::Exit;
use crate::config::Finding;
use crate::config::RelabelFile;
use crate::config::parse_relabel_file;
use serde_json::Value;
use serde_json::json;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

/// The largest file that is read; rules are far smaller, what is larger is something else.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// Check `files`; results go to `out`, or to `err` what is wrong, and all to `out` with `json`.
///
/// # Errors
/// Writing failed.
pub fn run(
    files: &[PathBuf],
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let mut worst = Exit::Clean;
    for path in files {
        let name = path.display().to_string();
        let outcome = match read_text(path) {
            Err(error) => Outcome::Unreadable(error.to_string()),
            Ok(text) => match parse_relabel_file(&name, &text) {
                Ok(file) => Outcome::Good(file),
                Err(errors) => Outcome::Bad(errors.iter().cloned().collect()),
            },
        };
        if json {
            writeln!(out, "{}", outcome.json(&name))?;
        } else {
            outcome.tell(&name, out, err)?;
        }
        worst = worst.max(outcome.exit());
    }
    Ok(worst)
}

/// Read a file of UTF-8 text, up to a limit.
///
/// # Errors
/// It cannot be read, is too large, or is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// What came of one file.
enum Outcome {
    Good(RelabelFile),
    Bad(Vec<Finding>),
    Unreadable(String),
}

impl Outcome {
    fn exit(&self) -> Exit {
        match self {
            Self::Good(file) if file.warnings.is_empty() => Exit::Clean,
            Self::Good(_) => Exit::Findings,
            Self::Bad(_) => Exit::BadInput,
            Self::Unreadable(_) => Exit::Failure,
        }
    }

    fn tell(&self, name: &str, out: &mut impl Write, err: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Unreadable(error) => writeln!(err, "cannot read {name:?}: {error}"),
            Self::Bad(errors) => errors.iter().try_for_each(|error| writeln!(err, "{error}")),
            Self::Good(file) => {
                let mut warnings = file.warnings.iter();
                warnings.try_for_each(|warning| writeln!(err, "warning: {warning}"))?;
                let (rules, sets) = counts(file);
                let plural = |n| if n == 1 { "" } else { "s" };
                let (of_rules, of_sets) = (plural(rules), plural(sets));
                writeln!(out, "{name}: ok, {rules} rule{of_rules} in {sets} set{of_sets}")
            }
        }
    }

    fn json(&self, name: &str) -> Value {
        match self {
            Self::Good(file) => {
                let (rules, sets) = counts(file);
                let warnings: Vec<_> = file.warnings.iter().map(finding_json).collect();
                json!({
                    "file": name, "ok": true, "rules": rules, "sets": sets,
                    "errors": [], "warnings": warnings,
                })
            }
            Self::Bad(errors) => {
                let errors: Vec<_> = errors.iter().map(finding_json).collect();
                json!({"file": name, "ok": false, "errors": errors, "warnings": []})
            }
            Self::Unreadable(error) => {
                json!({"file": name, "ok": false, "errors": [{"message": error}], "warnings": []})
            }
        }
    }
}

/// How many rules in how many sets.
fn counts(file: &RelabelFile) -> (usize, usize) {
    let subsets = file.subsets.iter().map(|(_, rules)| rules.len());
    (file.main.len() + subsets.sum::<usize>(), 1 + file.subsets.len())
}

fn finding_json(finding: &Finding) -> Value {
    let Finding { line, column, path, message, remedy, .. } = finding;
    json!({"line": line, "column": column, "path": path, "message": message, "remedy": remedy})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check files of these texts; gives the exit code and both outputs, directories removed.
    fn check(texts: &[&str], json: bool) -> (u8, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> =
            (0..texts.len()).map(|index| dir.path().join(format!("{index}.yaml"))).collect();
        for (path, text) in paths.iter().zip(texts) {
            std::fs::write(path, text).unwrap();
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(&paths, json, &mut out, &mut err).unwrap();
        let prefix = format!("{}/", dir.path().display());
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&prefix, "");
        (exit.code(), text(out), text(err))
    }

    const GOOD: &str = "metric_relabel_configs: [{action: labeldrop, regex: pod}]\nsub: []\n";
    const ODD: &str = "metric_relabel_configs: [{action: keep}]\n";
    const BAD: &str = "metric_relabel_configs:\n- {action: kepp}\n- {regex: '('}\n";

    #[test]
    fn a_good_file_is_counted() {
        let ok = |line: &str| (0, format!("0.yaml: ok, {line}\n"), String::new());
        assert_eq!(check(&[GOOD], false), ok("1 rule in 2 sets"));
        assert_eq!(check(&[""], false), ok("0 rules in 1 set"));
    }

    #[test]
    fn a_warning_is_a_finding() {
        let warning = "warning: 0.yaml:1:26: metric_relabel_configs[0]: never drops a series, \
                       state a regex\n";
        let ok = "0.yaml: ok, 1 rule in 1 set\n";
        assert_eq!(check(&[ODD], false), (3, ok.into(), warning.into()));
    }

    #[test]
    fn every_error_of_every_file_is_told_and_the_worst_counts() {
        let (code, out, err) = check(&[BAD, GOOD, ODD], false);
        assert_eq!((code, out.lines().count(), err.lines().count()), (2, 2, 4), "{err}");
        let file = PathBuf::from("no/such/file.yaml");
        let mut err = Vec::new();
        let exit = run(&[file], false, &mut Vec::new(), &mut err).unwrap();
        let err = String::from_utf8(err).unwrap();
        assert_eq!(exit.code(), 1);
        assert!(err.starts_with("cannot read \"no/such/file.yaml\": "), "{err}");
    }

    #[test]
    fn json_has_one_object_a_file() {
        let (code, out, err) = check(&[BAD, ODD], true);
        assert_eq!((code, err.as_str()), (2, ""));
        let files: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(files[0]["errors"][0]["line"], 2);
        assert_eq!(files[0]["errors"][0]["remedy"], "did you mean \"keep\"");
        assert_eq!(files[1]["ok"], true);
        assert_eq!(files[1]["warnings"][0]["column"], 26);
    }
}
