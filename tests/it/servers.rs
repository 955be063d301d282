//! Servers of other projects, run for a test: Prometheus, node_exporter; and weir as a process.
//!
//! `make servers` puts pinned ones into `target/servers`; those of the system serve as well. Where
//! there is none a test says so and passes, but under `CI=true` it fails.
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// How long a server may take until it listens, and a condition until it holds.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Where a server's program is: built from `tests/servers`, or installed under one of its names.
#[must_use]
pub(crate) fn find_or_skip(name: &str) -> Option<PathBuf> {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let packaged = format!("prometheus-{}", name.replace('_', "-"));
    let installed = std::env::split_paths(&path)
        .flat_map(|folder| [folder.join(name), folder.join(&packaged)].into_iter());
    let found = std::iter::once(built).chain(installed).find(|program| program.is_file());
    if found.is_none() {
        let in_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!in_ci, "no {name}: `make servers` gets it, and CI must have it");
        println!("skipped: no {name} here, `make servers` gets it");
    }
    found
}

/// The Python that has the official client, where the package index could be reached.
#[must_use]
pub(crate) fn python_or_skip() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers/python");
    let entries = std::fs::read_dir(&folder).ok().into_iter().flatten().map_while(Result::ok);
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let has_client = names.any(|name| name.starts_with("has-prometheus_client"));
    if !has_client {
        println!("skipped: no Python client here, `make servers` gets it");
    }
    has_client.then(|| folder.join("bin/python3"))
}

/// What starts one of the Java clients by the name of its class; its arguments are to be added.
pub(crate) fn java_or_skip(class: &str) -> Option<Command> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers/java");
    if !folder.join(class).with_extension("class").is_file() {
        let in_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!in_ci, "no Java client: `make servers` gets it, and CI must have it");
        println!("skipped: no Java client here, `make servers` gets it where there is a JDK");
        return None;
    }
    let program = find_or_skip("java")?;
    let mut command = Command::new(program);
    let folders = std::env::join_paths([folder.join("jars/*"), folder]).unwrap();
    command.arg("-cp").arg(folders).arg(class);
    Some(command)
}

/// The same for a program that not every system has: no test has to have it.
#[must_use]
pub(crate) fn find_rare_or_skip(name: &str) -> Option<PathBuf> {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/servers").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = std::iter::once(built).chain(installed).find(|program| program.is_file());
    if found.is_none() {
        println!("skipped: no {name} here, `make servers` gets it where it is packaged");
    }
    found
}

/// A process that listens on a loopback port, killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Option<Child>,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
}

impl Server {
    /// Start a program that says in its log where it listens, as all Prometheus tools do.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        // Read to the end, so that the server never waits for its log to be read.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some(address) = bound_address(&line) {
                    sender.send(Ok(address)).ok();
                }
                sender.send(Err(line)).ok();
            }
        });
        let mut log = Vec::new();
        loop {
            match receiver.recv_timeout(PATIENCE) {
                Ok(Ok(address)) => return Self { child: Some(child), address },
                Ok(Err(line)) => log.push(line),
                Err(mpsc::RecvTimeoutError::Timeout | mpsc::RecvTimeoutError::Disconnected) => {
                    panic!("{command:?} does not listen:\n{}", log.join("\n"))
                }
            }
        }
    }

    /// Start weir as the gate in front of `upstream`.
    pub(crate) fn weir(upstream: &str, flags: &[&str]) -> Self {
        Self::gate("127.0.0.1:0", &[&["--upstream", upstream], flags].concat())
    }

    /// Start weir at an address, of which the port may be 0.
    pub(crate) fn gate(address: &str, flags: &[&str]) -> Self {
        Self::start(
            Command::new(env!("CARGO_BIN_EXE_weir"))
                .args(["--listen-address", address, "--log-level", "info"])
                .args(flags),
        )
    }

    /// End it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Start a vmagent that works in `folder`, scrapes as `config` says and sends to `url`. Nobody
    /// asks it anything.
    pub(crate) fn vmagent(program: PathBuf, folder: &Path, config: &str, url: &str) -> Self {
        let file = folder.join("scrape.yml");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(program)
            .args(["-httpListenAddr=127.0.0.1:0", "-remoteWrite.flushInterval=200ms"])
            .arg(format!("-promscrape.config={}", file.display()))
            .arg(format!("-remoteWrite.tmpDataPath={}", folder.join("data").display()))
            .arg(format!("-remoteWrite.url={url}"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child: Some(child), address: String::new() }
    }

    /// Start a VictoriaMetrics that keeps its data in `folder`.
    pub(crate) fn victoria_metrics(program: PathBuf, folder: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let child = Command::new(program)
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-storageDataPath={}", folder.display()))
            .arg("-retentionPeriod=100y")
            .arg("-loggerLevel=ERROR")
            .spawn()
            .unwrap();
        let server = Self { child: Some(child), address };
        eventually("VictoriaMetrics listens", || TcpStream::connect(&server.address).ok());
        server
    }

    /// Something that listens already, not ended by this.
    pub(crate) fn at(address: String) -> Self {
        Self { child: None, address }
    }

    /// Start a Pushgateway; also whether it takes any names in UTF-8.
    pub(crate) fn pushgateway(program: PathBuf) -> (Self, bool) {
        let help = Command::new(&program).arg("--help").output().unwrap();
        let help = [help.stdout, help.stderr].concat();
        let flag = "--push.enable-utf8-names";
        // The one of Debian 12 does not.
        let is_utf8 = String::from_utf8_lossy(&help).contains("push.enable-utf8-names");
        let mut command = Command::new(program);
        command.arg("--web.listen-address=127.0.0.1:0").args(is_utf8.then_some(flag));
        (Self::start(&mut command), is_utf8)
    }

    /// Start a node_exporter.
    pub(crate) fn node_exporter(program: PathBuf) -> Self {
        Self::start(Command::new(program).arg("--web.listen-address=127.0.0.1:0"))
    }

    /// The body of `GET path`, which must answer 200.
    pub(crate) fn get(&self, path: &str) -> String {
        let (head, body) = self.get_with(path, "");
        assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
        body
    }

    /// Head and body of `GET path` with further header lines.
    pub(crate) fn get_with(&self, path: &str, headers: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // HTTP/1.0: the answer ends with the connection and is never in chunks.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n{headers}\r\n", self.address).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The address in `msg="Listening on" … address=127.0.0.1:1234`; weir says "Starting server.".
fn bound_address(line: &str) -> Option<String> {
    let said = ["msg=\"Listening on\"", "msg=\"Starting server.\""];
    let (_, rest) = said.iter().find_map(|said| line.split_once(said))?;
    let (_, address) = rest.split_once("address=")?;
    Some(address.split_whitespace().next()?.trim_matches('"').to_owned())
}

/// A Prometheus that scrapes what its configuration says.
#[derive(Debug)]
pub(crate) struct Prometheus {
    server: Server,
    _folder: TempDir,
}

impl Prometheus {
    /// Start it with these `scrape_configs`, each `job_name: (address, further lines)`.
    pub(crate) fn scraping(program: PathBuf, jobs: &[(&str, &Server, &str)]) -> Self {
        Self::with_config(program, jobs, "")
    }

    /// The same with more at the end of its configuration.
    pub(crate) fn with_config(
        program: PathBuf,
        jobs: &[(&str, &Server, &str)],
        more_config: &str,
    ) -> Self {
        let mut config =
            "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n".to_owned();
        for (name, server, more) in jobs {
            let targets = format!("static_configs: [{{targets: [\"{}\"]}}]", server.address);
            config.extend(["- job_name: ", name, "\n  ", &targets, "\n  ", more, "\n"]);
        }
        config.push_str(more_config);
        Self::configured(program, &config)
    }

    /// Start it with this configuration.
    pub(crate) fn configured(program: PathBuf, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self::start(program, folder, &data, config, &[])
    }

    /// Start one that scrapes as `scrape_configs` says, takes remote write, and keeps exemplars.
    pub(crate) fn with_remote_write(program: PathBuf, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let flags = ["--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage"];
        Self::start(program, folder, &data, config, &flags)
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        &self.server.address
    }

    /// Every sample, histogram and exemplar of the last hour, `labels time value`.
    pub(crate) fn points(&self) -> std::collections::BTreeSet<String> {
        let all = weir::http::percent::encode_segment("{__name__=~\".+\"}");
        let samples = self.api(&format!("query?query={all}%5B1h%5D"));
        let mut points = std::collections::BTreeSet::new();
        for series in samples["data"]["result"].as_array().into_iter().flatten() {
            for key in ["values", "histograms"] {
                for point in series[key].as_array().into_iter().flatten() {
                    let labels = spell_labels(&series["metric"]);
                    points.insert(format!("{labels} {} {}", point[0], point[1]));
                }
            }
        }
        let until = weir::app::clock::system_time_ms() / 1000 + 60;
        let since = until - 3600;
        let path = format!("query_exemplars?query={all}&start={since}&end={until}");
        for series in self.api(&path)["data"].as_array().into_iter().flatten() {
            for exemplar in series["exemplars"].as_array().into_iter().flatten() {
                points.insert(format!("{} {exemplar}", spell_labels(&series["seriesLabels"])));
            }
        }
        points
    }

    /// Start it on the blocks in `data`, a folder below `folder`, with nothing to scrape.
    pub(crate) fn on_blocks(program: PathBuf, folder: TempDir, data: &Path) -> Self {
        let flags = ["--storage.tsdb.retention.time=100y"];
        Self::start(program, folder, data, "scrape_configs: []\n", &flags)
    }

    /// Start it with a configuration that is written into `folder`, and further flags.
    fn start(program: PathBuf, folder: TempDir, data: &Path, config: &str, flags: &[&str]) -> Self {
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let server = Server::start(
            Command::new(program)
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.tsdb.path={}", data.display()))
                .arg("--web.listen-address=127.0.0.1:0")
                .args(flags),
        );
        Self { server, _folder: folder }
    }

    /// The value of the one series a query gives, at a time or now; waits until it can be asked.
    pub(crate) fn value(&self, query: &str, time: Option<&str>) -> Option<f64> {
        let query = weir::http::percent::encode_segment(query);
        let time = time.map(|time| format!("&time={time}")).unwrap_or_default();
        let path = format!("query?query={query}{time}");
        let answer = eventually("Prometheus answers", || {
            Some(self.api(&path)).filter(|answer| !answer.is_null())
        });
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// The values of the one series a query gives, a step a second, up to now.
    pub(crate) fn values(&self, query: &str, n_seconds: usize) -> Vec<f64> {
        let query = weir::http::percent::encode_segment(query);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let start = now - n_seconds as u64;
        let answer = self.api(&format!("query_range?query={query}&start={start}&end={now}&step=1"));
        assert_eq!(answer["status"], "success", "{answer}");
        let values = answer["data"]["result"][0]["values"].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(|value| value[1].as_str()?.parse().ok()).collect()
    }

    /// The answer of its API at `/api/v1/…`.
    fn api(&self, path: &str) -> serde_json::Value {
        let (_, body) = self.server.get_with(&format!("/api/v1/{path}"), "");
        // While it starts it answers 503 in plain words.
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// Every series of a job as its newest scrape left it, `labels → value`, without what
    /// Prometheus adds; waits for `up`.
    pub(crate) fn series_of(&self, job: &str) -> std::collections::BTreeMap<String, String> {
        eventually(&format!("{job} is up"), || {
            let up = self.api(&format!("query?query=up%7Bjob%3D%22{job}%22%7D"));
            if up["data"]["result"][0]["value"][1] == "1" {
                return Some(());
            }
            let targets = self.api("targets?state=active");
            for target in targets["data"]["activeTargets"].as_array().into_iter().flatten() {
                let error = target["lastError"].as_str().unwrap_or_default();
                assert!(
                    target["labels"]["job"] != job || error.is_empty(),
                    "Prometheus cannot scrape {job}: {error}"
                );
            }
            None
        });
        let all = self.api(&format!("query?query=%7Bjob%3D%22{job}%22%7D"));
        all["data"]["result"].as_array().unwrap().iter().filter_map(series_and_value).collect()
    }

    /// `(metric, type, help)` of a job, sorted.
    pub(crate) fn metadata_of(&self, job: &str) -> std::collections::BTreeSet<String> {
        let all = self.api(&format!("targets/metadata?match_target=%7Bjob%3D%22{job}%22%7D"));
        let entries = all["data"].as_array().unwrap().iter();
        entries.map(|m| format!("{} {} {}", m["metric"], m["type"], m["help"])).collect()
    }
}

/// Labels of JSON in one spelling, whatever order they are in.
pub(crate) fn spell_labels(labels: &serde_json::Value) -> String {
    let labels = labels.as_object().unwrap();
    let labels: std::collections::BTreeMap<_, _> = labels.iter().collect();
    serde_json::to_string(&labels).unwrap()
}

/// What one target's own scrape is called in Prometheus; these differ between targets.
const ADDED: [&str; 6] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_body_size_bytes",
];

fn series_and_value(result: &serde_json::Value) -> Option<(String, String)> {
    let labels = result["metric"].as_object().unwrap();
    let name = labels.get("__name__").and_then(|name| name.as_str()).unwrap_or_default();
    if ADDED.contains(&name) {
        return None;
    }
    let mut own: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != "job" && *name != "instance")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    own.sort();
    Some((own.join(","), result["value"][1].to_string()))
}

/// Wait until `condition` gives something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let n_tries = PATIENCE.as_millis() / PAUSE.as_millis();
    for _ in 0..n_tries {
        if let Some(found) = condition() {
            return found;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("waited {PATIENCE:?} in vain until {what}");
}

/// A server of one unchanging exposition, in this process.
#[derive(Debug)]
pub(crate) struct StaticServer {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
}

impl StaticServer {
    /// Serve `body` with `content_type` at every path until the test process ends.
    pub(crate) fn start(content_type: &'static str, body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away is its own affair.
                Self::answer(stream, content_type, &body).ok();
            }
        });
        Self { address }
    }

    /// The same, to be used like a process.
    pub(crate) fn as_server(&self) -> Server {
        Server { child: None, address: self.address.clone() }
    }

    fn answer(mut stream: TcpStream, content_type: &str, body: &[u8]) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)
    }
}
