//! `weir check FILE…`: say what is wrong with files of rules and of configuration, without
//! starting anything. Which of the two a file is shows by its keys.
//!
//! Every error of every file is one line, `file:line:column: path.to.field: message, remedy`; so is
//! every warning, marked as one. With `--json` there is one object a file instead:
//! `{"file":…,"ok":…,"rules":…,"sets":…,"errors":[…],"warnings":[…]}`, with `"upstreams":…` for a
//! configuration.
//!
//! A file that cannot be read is as wrong as one whose rules are.

use crate::app::exit::Exit;
use crate::app::options::directory_of;
use crate::config::ConfigErrors;
use crate::config::Finding;
use crate::config::RuleSet;
use crate::config::file;
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
            Err(TextError::Encoding(finding)) => Outcome::Bad(vec![finding]),
            Err(error) => Outcome::Unreadable(error.to_string()),
            Ok(text) => match read(path, &name, &text) {
                Ok(good) => Outcome::Good(good),
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

/// Why a file gives no text.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// There is none, it may not be read, or it is too large.
    #[error("cannot read {file:?}: {source}")]
    Unreadable {
        /// The file, as it was called.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// It is in another encoding than UTF-8.
    #[error("{0}")]
    Encoding(Finding),
}

/// Print the JSON schema of configuration files.
///
/// # Errors
/// Writing failed.
pub fn schema(out: &mut impl Write) -> io::Result<Exit> {
    writeln!(out, "{:#}", file::schema())?;
    Ok(Exit::Clean)
}

/// Read a file of UTF-8 text, up to a limit.
///
/// # Errors
/// It cannot be read, is too large, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, TextError> {
    let file = || path.display().to_string();
    let bytes =
        read_bytes(path).map_err(|source| TextError::Unreadable { file: file(), source })?;
    String::from_utf8(bytes).map_err(|error| {
        let n_good = error.utf8_error().valid_up_to();
        TextError::Encoding(not_utf8(file(), error.as_bytes(), n_good))
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Name the first byte that is not UTF-8, behind `n_good` that are.
fn not_utf8(file: String, bytes: &[u8], n_good: usize) -> Finding {
    let (good, bad) = bytes.split_at(n_good);
    let good = String::from_utf8_lossy(good);
    let byte = bad.first().copied().unwrap_or_default();
    Finding {
        file,
        line: good.matches('\n').count() + 1,
        column: good.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
        path: String::new(),
        message: format!("byte 0x{byte:02x} is not UTF-8"),
        remedy: Some("save the file as UTF-8".to_owned()),
    }
}

/// What a good file holds.
struct Good {
    n_rules: usize,
    n_sets: usize,
    /// Only a configuration has any.
    n_upstreams: Option<usize>,
    warnings: Vec<Finding>,
}

fn read(path: &Path, name: &str, text: &str) -> Result<Good, ConfigErrors> {
    let count = |main: &RuleSet, subsets: &[(String, RuleSet)]| {
        let of_subsets = subsets.iter().map(|(_, set)| set.rules.len());
        (main.rules.len() + of_subsets.sum::<usize>(), 1 + subsets.len())
    };
    if file::is_config(text) {
        let config = file::parse(name, text, directory_of(path))?;
        let (n_rules, n_sets) = count(&config.main, &config.subsets);
        let of_upstreams = config.upstreams.iter().map(|upstream| upstream.rules.rules.len());
        let n_rules = n_rules + of_upstreams.sum::<usize>();
        let n_upstreams = Some(config.upstreams.len());
        return Ok(Good { n_rules, n_sets, n_upstreams, warnings: config.warnings });
    }
    let file = parse_relabel_file(name, text)?;
    let (n_rules, n_sets) = count(&file.main, &file.subsets);
    Ok(Good { n_rules, n_sets, n_upstreams: None, warnings: file.warnings })
}

/// What came of one file.
enum Outcome {
    Good(Good),
    Bad(Vec<Finding>),
    Unreadable(String),
}

impl Outcome {
    fn exit(&self) -> Exit {
        match self {
            Self::Good(file) if file.warnings.is_empty() => Exit::Clean,
            Self::Good(_) => Exit::Findings,
            Self::Bad(_) | Self::Unreadable(_) => Exit::BadInput,
        }
    }

    fn tell(&self, name: &str, out: &mut impl Write, err: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Unreadable(error) => writeln!(err, "{error}"),
            Self::Bad(errors) => errors.iter().try_for_each(|error| writeln!(err, "{error}")),
            Self::Good(file) => {
                let mut warnings = file.warnings.iter();
                warnings.try_for_each(|warning| writeln!(err, "warning: {warning}"))?;
                let counted =
                    |n: usize, word| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
                let upstreams = file.n_upstreams.map(|n| counted(n, "upstream") + ", ");
                let (upstreams, rules) =
                    (upstreams.unwrap_or_default(), counted(file.n_rules, "rule"));
                writeln!(out, "{name}: ok, {upstreams}{rules} in {}", counted(file.n_sets, "set"))
            }
        }
    }

    fn json(&self, name: &str) -> Value {
        match self {
            Self::Good(file) => {
                let warnings: Vec<_> = file.warnings.iter().map(finding_json).collect();
                let mut object = json!({
                    "file": name, "ok": true, "rules": file.n_rules, "sets": file.n_sets,
                    "errors": [], "warnings": warnings,
                });
                if let (Some(n_upstreams), Value::Object(object)) = (file.n_upstreams, &mut object)
                {
                    object.insert("upstreams".to_owned(), n_upstreams.into());
                }
                object
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
    fn a_configuration_is_told_from_rules() {
        let config = "upstreams: [{url: h, metric_relabel_configs: [{action: drop, regex: x}]}]\n\
                      subsets: {a: {metric_relabel_configs: []}}\n";
        let (code, out, err) = check(&[config], false);
        assert_eq!(
            (code, out.as_str()),
            (3, "0.yaml: ok, 1 upstream, 1 rule in 2 sets\n"),
            "{err}"
        );
        let (code, _, err) = check(&["upstream: h\n"], false);
        assert_eq!(code, 2);
        assert!(err.contains("did you mean \"upstreams\""), "{err}");
        let (_, out, _) = check(&["listen_address: :81\n"], true);
        let read: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&read["ok"], &read["upstreams"]), (&json!(true), &json!(0)));
    }

    #[test]
    fn the_schema_is_json() {
        let mut out = Vec::new();
        assert_eq!(schema(&mut out).unwrap(), Exit::Clean);
        let schema: Value = serde_json::from_slice(&out).unwrap();
        assert!(schema["properties"]["upstreams"]["items"]["properties"]["url"].is_object());
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
        assert_eq!(exit.code(), 2);
        assert!(err.starts_with("cannot read \"no/such/file.yaml\": "), "{err}");
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_told_with_the_place() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"metric_relabel_configs:\n- {regex: \xc3\xa9\xe9}\n").unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let files = [file.path().to_owned()];
        assert_eq!(run(&files, false, &mut out, &mut err).unwrap(), Exit::BadInput);
        let told = "2:12: byte 0xe9 is not UTF-8, save the file as UTF-8";
        let told = format!("{}:{told}\n", file.path().display());
        assert_eq!(String::from_utf8(err).unwrap(), told);
        assert_eq!(run(&files, true, &mut out, &mut Vec::new()).unwrap(), Exit::BadInput);
        let json: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (&json["errors"][0]["line"], &json["errors"][0]["column"]),
            (&2.into(), &12.into())
        );
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
