//! A weir of its own process.

use crate::Error;
use crate::SAMPLES_PER_SEND;
use crate::SHARDS;
use std::io::BufRead;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;

/// What weir makes of what comes.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// It goes on as 1.0, as it came if it was that.
    V1,
    /// As 2.0.
    V2,
    /// A rule rewrites all of it.
    Rewritten,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::V1, Self::V2, Self::Rewritten];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::V1 => "is sent 1.0",
            Self::V2 => "is sent 2.0",
            Self::Rewritten => "is sent 1.0 that a rule rewrites",
        }
    }
}

/// It.
pub(crate) struct Weir {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Weir {
    /// Start it on the queue of this folder, and wait until it listens.
    pub(crate) fn start(folder: &Path, destination: SocketAddr, way: Way) -> Result<Self, Error> {
        let file = folder.join("weir.yaml");
        if !file.exists() {
            std::fs::write(&file, config(folder, destination, way))?;
        }
        let mut child =
            Command::new(program()?).arg("--config").arg(file).stderr(Stdio::piped()).spawn()?;
        let mut log = BufReader::new(child.stderr.take().ok_or("it is piped")?);
        let mut line = String::new();
        let address = loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err("weir has ended before it listened".into());
            }
            if let Some((_, rest)) = line.split_once(" address=") {
                break rest.split_whitespace().next().ok_or("no address")?.parse()?;
            }
        };
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains("panicked") {
                    println!("{line}");
                }
            }
        });
        Ok(Self { child, address })
    }

    /// Kill it with SIGKILL.
    pub(crate) fn kill(mut self) -> Result<(), Error> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("weir has ended by itself: {status}").into());
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

fn config(folder: &Path, destination: SocketAddr, way: Way) -> String {
    let message = match way {
        Way::V1 | Way::Rewritten => "prometheus.WriteRequest",
        Way::V2 => "io.prometheus.write.v2.Request",
    };
    let rules = match way {
        Way::Rewritten => "metric_relabel_configs:\n- {action: labeldrop, regex: sender}\n",
        Way::V1 | Way::V2 => "",
    };
    format!(
        "listen_address: 127.0.0.1:0\ndata_dir: {}\nreceive: {{remote_write: {{}}}}\n{rules}\
         remote_write:\n- url: http://{destination}/write\n  name: killed\n\
         \x20 protobuf_message: {message}\n\
         \x20 queue_config: {{min_shards: {SHARDS}, max_shards: {SHARDS}, \
         max_samples_per_send: {SAMPLES_PER_SEND}, batch_send_deadline: 50ms, max_backoff: 200ms}}\n",
        folder.join("data").display()
    )
}

/// The program: as WEIR says, or the one that was built beside this.
#[expect(clippy::disallowed_methods, reason = "a program of its own, which has no flags")]
fn program() -> Result<PathBuf, Error> {
    if let Ok(path) = std::env::var("WEIR") {
        return Ok(path.into());
    }
    let this = std::env::current_exe()?;
    Ok(this.parent().and_then(Path::parent).ok_or("no folder")?.join("weir"))
}
