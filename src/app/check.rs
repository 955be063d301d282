//! `weir check FILE…`: say what is wrong with files of rules, of configuration and of web
//! configuration, without starting anything. Which of them a file is shows by its keys.
//!
//! Every error of every file is one line, `file:line:column: path.to.field: message, remedy`; so is
//! every warning, marked as one. With `--json` there is one object a file instead:
//! `{"file":…,"ok":…,"rules":…,"sets":…,"errors":[…],"warnings":[…]}`, with `"upstreams":…` and
//! `"destinations":…` for a configuration; for a web configuration `"tls":…` and `"users":…` stand
//! in the place of rules and sets, and the certificates it names are read too.
//!
//! A file that cannot be read is as wrong as one whose rules are.

use crate::app::exit::Exit;
use crate::app::gate::config::GateConfig;
use crate::app::options::directory_of;
use crate::app::web;
use crate::config::Finding;
use crate::config::RuleSet;
use crate::config::file;
use crate::config::file::Config;
use crate::config::file::upstream::Upstream;
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
            Ok(text) => read(path, &name, &text),
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
    /// In words.
    summary: String,
    /// In numbers, by name.
    counts: Vec<(&'static str, Value)>,
    warnings: Vec<Finding>,
}

impl Good {
    fn new(
        main: &RuleSet,
        subsets: &[(String, RuleSet)],
        of_config: Option<(&[Upstream], usize)>,
        warnings: Vec<Finding>,
    ) -> Self {
        let (upstreams, n_destinations) = of_config.unwrap_or_default();
        let own = upstreams.iter().map(|upstream| &upstream.rules);
        let outputs = std::iter::once(main).chain(subsets.iter().map(|(_, set)| set));
        let n_rules: usize = outputs.chain(own).map(|set| set.rules.len()).sum();
        let n_sets = 1 + subsets.len();
        let rules = format!("{} in {}", counted(n_rules, "rule"), counted(n_sets, "set"));
        let mut counts = vec![("rules", n_rules.into()), ("sets", n_sets.into())];
        let mut summary = rules;
        if of_config.is_some() {
            counts.push(("upstreams", upstreams.len().into()));
            counts.push(("destinations", n_destinations.into()));
            if n_destinations > 0 {
                summary = format!("{}, {summary}", counted(n_destinations, "destination"));
            }
            summary = format!("{}, {summary}", counted(upstreams.len(), "upstream"));
        }
        Self { summary, counts, warnings }
    }
}

fn counted(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// Read a file by what its keys say it is.
fn read(path: &Path, name: &str, text: &str) -> Outcome {
    if file::web::is_web(text) {
        return read_web(path, name, text);
    }
    let read = if file::is_config(text) {
        file::parse(name, text, directory_of(path)).map(|config| {
            let impossible = GateConfig::impossible(&config);
            let Config { main, subsets, upstreams, remote_write, warnings, .. } = config;
            let sizes = (&upstreams[..], remote_write.len());
            (Good::new(&main, &subsets, Some(sizes), warnings), impossible)
        })
    } else {
        let read = parse_relabel_file(name, text);
        read.map(|file| (Good::new(&file.main, &file.subsets, None, file.warnings), Vec::new()))
    };
    match read {
        Ok((good, impossible)) if impossible.is_empty() => Outcome::Good(good),
        Ok((_, impossible)) => {
            let of_file = |message| Finding {
                file: name.to_owned(),
                line: 1,
                column: 1,
                path: String::new(),
                message,
                remedy: None,
            };
            Outcome::Bad(impossible.into_iter().map(of_file).collect())
        }
        Err(errors) => Outcome::Bad(errors.iter().cloned().collect()),
    }
}

/// Read a web configuration file, and what it names.
fn read_web(path: &Path, name: &str, text: &str) -> Outcome {
    let (settings, warnings) = match file::web::parse(name, text, directory_of(path)) {
        Ok(read) => read,
        Err(errors) => return Outcome::Bad(errors.iter().cloned().collect()),
    };
    let (has_tls, n_users) = (settings.tls.is_some(), settings.users.len());
    if let Err(error) = web::try_out(settings) {
        return Outcome::Unreadable(format!("{name}: {error}"));
    }
    let tls = if has_tls { "TLS" } else { "plain HTTP" };
    let summary = format!("{tls}, {}", counted(n_users, "user"));
    Outcome::Good(Good {
        summary,
        counts: vec![("tls", has_tls.into()), ("users", n_users.into())],
        warnings,
    })
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
                writeln!(out, "{name}: ok, {}", file.summary)
            }
        }
    }

    fn json(&self, name: &str) -> Value {
        match self {
            Self::Good(file) => {
                let warnings: Vec<_> = file.warnings.iter().map(finding_json).collect();
                let mut object = json!({
                    "file": name, "ok": true, "errors": [], "warnings": warnings,
                });
                if let Value::Object(object) = &mut object {
                    let counts = file.counts.iter().cloned();
                    object.extend(counts.map(|(name, count)| (name.to_owned(), count)));
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
        let both = "upstreams: [{url: h}]\ndata_dir: d\nremote_write: [{url: 'http://h/w'}]\n";
        let (_, out, _) = check(&[both], true);
        let read: Value = serde_json::from_str(&out).unwrap();
        let counts = (&read["upstreams"], &read["destinations"]);
        assert_eq!((&read["ok"], counts), (&json!(true), (&json!(1), &json!(1))));
        let (_, out, _) = check(&[both], false);
        assert_eq!(out, "0.yaml: ok, 1 upstream, 1 destination, 0 rules in 1 set\n");
    }

    #[test]
    fn what_the_gate_would_refuse_is_no_good_file() {
        let refused = |line: &str| (2, String::new(), format!("0.yaml:1:1: {line}\n"));
        assert_eq!(
            check(&["listen_address: :81\n"], false),
            refused("there is nothing to do: give upstreams, or receive")
        );
        assert_eq!(
            check(&["receive: {remote_write: {}}\n"], false),
            refused("receive: there is no remote_write to send on to, give it a url")
        );
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
