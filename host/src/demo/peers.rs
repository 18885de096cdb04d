//! The daemons of the story: started, greeted, and ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;

use super::program::{Program, read};
use super::stage::Stage;
use super::tether::Tethered;
use crate::errors::{Failure, Kind, plain};

/// How long a daemon may take until it listens. Four start at once, with workers of their own: on a machine that
/// does much else, that is far from the second that it takes alone.
const READY: Duration = Duration::from_secs(120);
/// Where the peers listen: nobody but this machine reaches them.
const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

/// The commands that make a daemon. The first is every user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conduct {
    /// `poai host`
    Honest,
    /// The same with [`cheat`](super::cheat) between the guests and the store.
    Cheating,
}

/// Who is to be started, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) name: &'static str,
    pub(super) conduct: Conduct,
    /// The code that computes its models: a name of `poai host --kernels`.
    pub(super) kernels: &'a str,
    /// The device that computes them too, if one is to: all products, however small.
    pub(super) device: Option<&'a str>,
    /// Whose runs it takes.
    pub(super) accept: &'a [String],
    /// The peers that it knows.
    pub(super) peers: &'a [String],
}

/// A daemon in a process of its own.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) home: PathBuf,
    pub(super) id: String,
    /// Where it can be dialled, as multiaddrs that end in its id.
    pub(super) addresses: Vec<String>,
    process: Tethered,
    // Kept open: a daemon may go on writing there.
    _stdout: Lines<BufReader<ChildStdout>>,
}

/// What a daemon says when it is ready.
#[derive(Deserialize)]
struct Ready {
    peer: String,
    addresses: Vec<String>,
}

impl Peer {
    /// Starts a daemon, and waits until it is ready.
    pub(super) async fn start(program: &Program, stage: &Stage, part: Part<'_>) -> Result<Self, Failure> {
        let Part { name, conduct, kernels, device, accept, peers } = part;
        let home = stage.home(name);
        let log_path = stage.log(name);
        let log = File::create(&log_path).map_err(|error| Failure::file("write", &log_path, &error))?;
        let mut command = program.command(&home);
        match conduct {
            Conduct::Honest => command.arg("host"),
            Conduct::Cheating => command.args(["demo", "cheating-host"]),
        };
        command.args(["--listen", LOOPBACK, "--no-mdns", "--kernels", kernels]).stderr(Stdio::from(log));
        if let Some(device) = device {
            command.args(["--device", device, "--device-from", "0"]);
        }
        for (flag, values) in [("--accept", accept), ("--peer", peers)] {
            command.args(values.iter().flat_map(|value| [flag, value]));
        }
        let mut process = Tethered::spawn(&mut command)
            .map_err(|error| Failure::new(Kind::HostFault, format!("{name} cannot be started: {}", plain(&error))))?;
        let mut stdout = BufReader::new(process.child.stdout.take().expect("stdout is piped")).lines();
        let ready: Ready = tokio::time::timeout(READY, stdout.next_line())
            .await
            .map_err(|_| Failure::new(Kind::TimedOut, format!("{name} was not ready within {} s", READY.as_secs())))?
            .map_err(|error| Failure::new(Kind::HostFault, format!("{name} cannot be heard: {}", plain(&error))))?
            .map_or_else(|| Err(silent_end(&log_path)), |line| read(&line))
            .map_err(|failure| Failure { message: format!("{name}: {}", failure.message), ..failure })?;
        let addresses = ready.addresses.iter().map(|address| with_id(address, &ready.peer)).collect();
        Ok(Self { name, home, id: ready.peer, addresses, process, _stdout: stdout })
    }

    /// Where it can be dialled.
    pub(super) fn address(&self) -> Result<&str, Failure> {
        let first = self.addresses.first().map(String::as_str);
        first.ok_or_else(|| Failure::new(Kind::Bug, format!("{} listens nowhere", self.name)))
    }

    /// Asks it to end, and sees to it that it does.
    pub(super) async fn stop(self) {
        self.process.stop().await;
    }
}

/// A daemon that ended without a word has left some in its log.
fn silent_end(log: &Path) -> Failure {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let last = text.lines().last().unwrap_or("its log is empty");
    Failure::new(Kind::HostFault, format!("it ended before it was ready: {last}"))
}

/// An address that says whom one expects there.
fn with_id(address: &str, peer: &str) -> String {
    if address.contains("/p2p/") { address.to_owned() } else { format!("{address}/p2p/{peer}") }
}
