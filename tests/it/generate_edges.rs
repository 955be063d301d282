//! `weir generate` from outside: the command line, the server, its live interface, files for a
//! backfill, and a real Prometheus behind all that.

mod api;
mod backfill;
mod command;
mod prometheus;
mod remote_write;
mod served;

use crate::servers::Server;
use crate::support::Reply;
use crate::support::read_reply;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::process::ChildStderr;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use tempfile::TempDir;

fn weir(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("generate").args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    weir(args).output().unwrap()
}

/// The standard output of a run that ends well.
#[track_caller]
fn said(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A configuration in a folder of its own.
struct Config {
    _folder: TempDir,
    path: PathBuf,
}

impl Config {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generate.yaml");
        std::fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// A generator of its own process, listening on a free port.
pub(crate) struct Generator {
    child: Child,
    address: SocketAddr,
    config: Config,
    log: BufReader<ChildStderr>,
}

impl Generator {
    pub(crate) fn start(config: &str, flags: &[&str]) -> Self {
        let config = Config::new(config);
        let mut child = weir(&[config.name(), "--listen-address", "127.0.0.1:0"])
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let address = line.split("address=").nth(1).unwrap_or_else(|| panic!("{line}"));
        let address = address.split(' ').next().unwrap().parse().unwrap();
        Self { child, address, config, log }
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "", "")
    }

    /// Send a request with a body and read the whole answer.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}",
            self.address
        )
        .unwrap();
        read_reply(&mut stream)
    }

    /// The same, for a Prometheus to scrape.
    pub(crate) fn as_server(&self) -> Server {
        Server::at(self.address.to_string())
    }

    /// Ask for a page; head and body as they came, however the answer ends.
    fn raw(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // A reset is one of the ways in which an answer may end here.
        stream.read_to_end(&mut answer).ok();
        answer
    }

    /// End it with a signal; its exit code and the rest of its log.
    fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

/// A failed test leaves no process behind.
impl Drop for Generator {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The value of a sample line that begins with `series`.
#[track_caller]
fn value_of(page: &str, series: &str) -> f64 {
    let mut lines = page.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap()
}
