//! vmagent, for comparison: the one of `target/servers`, if there is one.

use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use crate::Proxy;
use crate::push_load;
use crate::push_load::Sink;

/// How often it is looked whether it listens.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// vmagent, running, with its queue in a folder of its own.
pub(crate) struct Vmagent {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Vmagent {
    fn program() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers/vmagent")
    }

    pub(crate) fn is_here() -> bool {
        Self::program().exists()
    }

    /// Start it; `config` holds rules as weir has them.
    pub(crate) fn start(config: &str, sink: &Sink) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let mut command = Command::new(Self::program());
        if let Some((_, rules)) = config.split_once("metric_relabel_configs:\n") {
            let file = dir.path().join("rules.yaml");
            std::fs::write(&file, rules).expect("room");
            command.arg(format!("-remoteWrite.relabelConfig={}", file.display()));
        }
        // It does not say which port it was given, so it is given one that was free.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("loopback has a free port").to_string();
        let child = command
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-remoteWrite.url=http://{}/", sink.address))
            .arg(format!("-remoteWrite.tmpDataPath={}", dir.path().join("data").display()))
            .stderr(Stdio::null())
            .spawn()
            .expect("vmagent starts");
        let listens = |_: &u32| {
            std::thread::sleep(PAUSE);
            TcpStream::connect(&address).is_ok()
        };
        assert!((0..TRIES).any(|nth| listens(&nth)), "vmagent does not listen");
        Self { child, address, _dir: dir }
    }
}

impl Drop for Vmagent {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Proxy for Vmagent {
    fn address(&self) -> &str {
        &self.address
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// It sends what it holds every second; then nothing is pending.
    fn wait_until_sent(&self) {
        let mut n_empty = 0;
        while n_empty < 15 {
            std::thread::sleep(PAUSE);
            let metrics = push_load::get(&self.address, "/metrics");
            let pending = metrics.lines().filter(|line| line.contains("pending_data_bytes{"));
            let is_empty =
                pending.clone().count() > 0 && pending.clone().all(|line| line.ends_with(" 0"));
            n_empty = if is_empty { n_empty + 1 } else { 0 };
        }
    }
}
