//! dnsmasq, a DNS server of the real world, run for a test with a file of hosts that changes.

use crate::servers::eventually;
use crate::servers::find_or_skip;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// How often it is started, as somebody else may take its port first.
const TRIES_MAX: usize = 20;

/// A dnsmasq that knows the names of its file, and of others under `test` that there are none.
pub(super) struct Dnsmasq {
    pub(super) address: SocketAddr,
    running: Running,
    folder: TempDir,
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Dnsmasq {
    /// Start it with these lines of a hosts file, and more flags; `None` where there is none.
    pub(super) fn start(hosts: &str, flags: &[&str]) -> Option<Self> {
        // Where Debian has it, which is not in everybody's path.
        let usual = Path::new("/usr/sbin/dnsmasq");
        let program = if usual.is_file() { usual.to_owned() } else { find_or_skip("dnsmasq")? };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        std::fs::write(&path, hosts).unwrap();
        for _ in 0..TRIES_MAX {
            let address = free_address();
            let mut running = Running(command(&program, &path, address, flags).spawn().unwrap());
            let is_up = eventually("dnsmasq answers, or has ended", || {
                let has_ended = running.0.try_wait().unwrap().is_some();
                if has_ended { Some(false) } else { TcpStream::connect(address).ok().map(|_| true) }
            });
            if is_up {
                return Some(Self { address, running, folder });
            }
        }
        panic!("dnsmasq does not start");
    }

    /// Write other lines of hosts, and have them read.
    pub(super) fn rewrite(&self, hosts: &str) {
        std::fs::write(self.folder.path().join("hosts"), hosts).unwrap();
        let pid = self.running.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "HUP", &pid]).status().unwrap().success());
    }

    /// End it.
    pub(super) fn stop(&mut self) {
        self.running.0.kill().unwrap();
        self.running.0.wait().unwrap();
    }
}

fn command(program: &Path, hosts: &Path, address: SocketAddr, flags: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--local=/test/"])
        .args(["--conf-file=/dev/null", "--pid-file=", "--log-facility=-"])
        .args(["--listen-address=127.0.0.1", "--bind-interfaces"])
        .arg(format!("--port={}", address.port()))
        .arg(format!("--addn-hosts={}", hosts.display()))
        .args(flags)
        .stderr(Stdio::null());
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    if user == b"0\n" {
        // It would become somebody who may not read the file.
        command.arg("--user=root");
    }
    command
}

/// An address that is free for UDP and TCP at this moment.
fn free_address() -> SocketAddr {
    for _ in 0..TRIES_MAX {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free for both UDP and TCP");
}
