//! What weir is shipped with: the examples load, the chart renders what it should, and Kubernetes'
//! own types can read both.

use crate::servers::find_or_skip;
use clap::Parser as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use tempfile::TempDir;
use weir::app::options::Options;
use weir::cli::Cli;

const WEIR: &str = env!("CARGO_BIN_EXE_weir");
/// What the chart is rendered for.
const KUBERNETES: &str = "1.34.0";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder whose names end so, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder}");
    paths
}

/// The texts that stand in a manifest as `NAME.yaml: |` or `NAME.yml: |`, written into a folder.
fn embedded(manifest: &str) -> (TempDir, Vec<PathBuf>) {
    let (dir, mut paths) = (tempfile::tempdir().unwrap(), Vec::new());
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = manifest.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_suffix(": |") else { continue };
        let mut text = String::new();
        while let Some(inner) =
            lines.next_if(|inner| inner.trim().is_empty() || indent(inner) > indent(line))
        {
            text.extend([inner.get(indent(line) + 2..).unwrap_or_default(), "\n"]);
        }
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        paths.push(path);
    }
    (dir, paths)
}

#[track_caller]
fn check(path: &Path) {
    let output = Command::new(WEIR).arg("check").arg(path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// The flags that stand as items of a list.
fn flags(manifest: &str) -> Vec<Vec<String>> {
    let mut runs = vec![Vec::new()];
    for line in manifest.lines() {
        match line.trim().strip_prefix("- --") {
            Some(flag) => runs.last_mut().unwrap().push(format!("--{}", flag.trim_matches('"'))),
            None if line.trim().starts_with('#') => {}
            None if !runs.last().unwrap().is_empty() => runs.push(Vec::new()),
            None => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Whether weir would start with these flags, with files out of `folder`.
#[track_caller]
fn check_flags(run: &[String], folder: &Path) {
    let folder = format!("{}/", folder.display());
    let args = run.iter().map(|flag| flag.replace("/etc/weir/", &folder));
    let cli = Cli::try_parse_from(std::iter::once("weir".to_owned()).chain(args)).unwrap();
    let options = Options::from(cli.gate);
    if let Err(errors) = options.config() {
        panic!("{run:?}: {errors:?}");
    }
}

/// Let Kubernetes' types read manifests, where there is a program that has them.
#[track_caller]
fn kubernetes_reads(manifests: &str) {
    let Some(program) = find_or_skip("kubecheck") else { return };
    let mut command = Command::new(program);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_manifests_of_the_examples_are_right() {
    for path in files("examples/kubernetes", ".yaml") {
        let manifest = std::fs::read_to_string(&path).unwrap();
        let (folder, configs) = embedded(&manifest);
        assert!(!configs.is_empty(), "{}", path.display());
        for config in &configs {
            check(config);
        }
        let runs = flags(&manifest);
        assert!(!runs.is_empty(), "{}", path.display());
        for run in &runs {
            check_flags(run, folder.path());
        }
        kubernetes_reads(&manifest);
    }
}

#[test]
fn the_composition_of_the_examples_is_right() {
    let folder = root().join("examples/docker-compose");
    check(&folder.join("weir.yaml"));
    let text = std::fs::read_to_string(folder.join("compose.yaml")).unwrap();
    let runs = flags(&text);
    assert_eq!(runs.len(), 1);
    check_flags(&runs[0], &folder);
    // What is mounted is there.
    for mounted in text.lines().filter_map(|line| line.trim().strip_prefix("- ./")) {
        let (name, _) = mounted.split_once(':').unwrap();
        assert!(folder.join(name).is_file(), "{name}");
    }
    let Some(promtool) = find_or_skip("promtool") else { return };
    let path = folder.join("prometheus.yaml");
    let output = Command::new(promtool).args(["check", "config"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The image holds weir and nothing that could run anything else.
#[test]
fn the_image_has_no_shell_and_no_root() {
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let (_, last) = dockerfile.rsplit_once("\nFROM ").unwrap();
    assert!(last.starts_with("scratch\n"), "{last}");
    let user = last.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    let ids: Vec<u32> = user.split(':').map(|id| id.parse().unwrap()).collect();
    assert!(ids.iter().all(|id| *id > 0) && ids.len() == 2, "{user}");
    assert!(last.contains("\nENTRYPOINT [\"/weir\"]"), "{last}");
    assert!(!last.lines().any(|line| line.starts_with("RUN ")), "{last}");
}

fn helm(program: &Path, args: &[&str]) -> (bool, String, String) {
    let nowhere = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .envs(["CACHE", "CONFIG", "DATA"].map(|kind| (format!("HELM_{kind}_HOME"), nowhere.path())))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// What the chart makes of the defaults and of each file of values is kept in `tests/data/chart`;
/// with `BLESS=1` it is written anew.
#[test]
fn the_chart_renders_what_it_should() {
    let Some(program) = find_or_skip("helm") else { return };
    let mut cases = vec![("defaults".to_owned(), PathBuf::new())];
    for values in files("charts/weir/ci", "-values.yaml") {
        let name = values.file_name().unwrap().to_str().unwrap().replace("-values.yaml", "");
        cases.push((name, values));
    }
    for (name, values) in cases {
        let mut args =
            vec!["template", "gate", "charts/weir", "--kube-version", KUBERNETES, "-n", "metrics"];
        if name != "defaults" {
            args.extend(["-f", values.to_str().unwrap()]);
        }
        let (is_good, rendered, told) = helm(&program, &args);
        assert!(is_good, "{name}: {told}");
        let kept = root().join(format!("tests/data/chart/{name}.yaml"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&kept, &rendered).unwrap();
        }
        let expected = std::fs::read_to_string(&kept).unwrap();
        assert_eq!(rendered, expected, "{name}: run the test with BLESS=1 if this is meant");
        check_rendered(&rendered);
    }
}

/// Files in rendered manifests are right, and Kubernetes can read what there is.
fn check_rendered(rendered: &str) {
    let (folder, configs) = embedded(rendered);
    for config in &configs {
        let name = config.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(config).unwrap();
        match name {
            "sidecar.yaml" => {
                let head = "apiVersion: v1\nkind: Pod\nmetadata: {name: exporter}\n";
                kubernetes_reads(&format!("{head}{text}"));
                for run in flags(&text) {
                    check_flags(&run, folder.path());
                }
            }
            // The certificate it names is nowhere.
            "web.yml" => {
                let settings = weir::config::file::web::parse(name, &text, folder.path());
                assert!(settings.unwrap().1.is_empty());
            }
            _ => check(config),
        }
    }
    kubernetes_reads(rendered);
}

#[test]
fn the_chart_is_without_faults_to_helm() {
    let Some(program) = find_or_skip("helm") else { return };
    let args = ["lint", "--strict", "--kube-version", KUBERNETES, "charts/weir"];
    let (is_good, told, _) = helm(&program, &args);
    assert!(is_good, "{told}");
    assert!(!told.contains("[WARNING]") && !told.contains("[INFO]"), "{told}");
}

/// The schema of the values knows what cannot be.
#[test]
fn the_chart_refuses_wrong_values() {
    let Some(program) = find_or_skip("helm") else { return };
    for (value, part) in [
        ("mode=both", "mode"),
        ("config.upstreams=null", "upstreams"),
        ("config.listen_address=:81", "listen_address"),
        ("replica=2", "replica"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.digest=latest", "digest"),
        ("service.port=0", "port"),
        ("webConfig.users=x", "users"),
        ("podMonitor.interval=often", "interval"),
        ("mode=sidecar,podMonitor.enabled=true", "sidecar.podLabels"),
    ] {
        let args =
            ["template", "gate", "charts/weir", "--kube-version", KUBERNETES, "--set", value];
        let (is_good, _, told) = helm(&program, &args);
        assert!(!is_good && told.contains(part), "{value}: {told}");
    }
}
