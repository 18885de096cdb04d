//! Processes that end when this one lets go of them, also when it is killed.
//!
//! A tethered process is called with [`FLAG`], and has one end of a socket pair as its standard input: a pipe
//! would be taken for an input of a run. Nothing is ever said over it. Its other end closes with this process,
//! however that ends, and [`hold`] makes the other one end then.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};
use tokio::process::{Child, Command};

/// The hidden flag of a process that is to end with the one that started it.
pub(crate) const FLAG: &str = "--tethered";
/// How long a process may take to end after it was asked to.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a killed process may take to be gone.
const BURIAL: Duration = Duration::from_secs(2);
/// How often one looks whether it is.
const PAUSE: Duration = Duration::from_millis(2);

/// A process in a group of its own: a Ctrl-C on the terminal does not reach it, and whatever it started
/// ends with it.
pub(super) struct Tethered {
    pub(super) child: Child,
    group: Option<Pid>,
    // Closed last, or by the death of this process.
    _tether: UnixStream,
}

impl Tethered {
    /// Starts a command that was given [`FLAG`].
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).process_group(0).spawn()?;
        // The command would keep its copy of the other end, for a child that it may start again.
        command.stdin(Stdio::null());
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group, _tether: ours })
    }

    /// Waits for its end. Whatever it left behind in its group ends too.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to end, and waits; then ends it.
    pub(super) async fn stop(mut self) {
        if let Some(process) = self.group
            && self.child.try_wait().is_ok_and(|ended| ended.is_none())
        {
            ignore_gone(kill_process(process, Signal::TERM));
            // Whatever is left after that time ends when this is dropped.
            let _ = tokio::time::timeout(FAREWELL, self.child.wait()).await;
        }
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        // The group's number cannot have been given to another one before its leader was waited for.
        if let Some(group) = self.group
            && self.child.id().is_some()
        {
            ignore_gone(kill_process_group(group, Signal::KILL));
            self.bury();
        }
    }
}

impl Tethered {
    /// Waits until a killed process is gone: what it had open can be removed then.
    fn bury(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < BURIAL && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Has this process end, with whatever it started, once whoever holds the tether's other end is gone.
pub(crate) fn hold() -> io::Result<()> {
    let watch = || {
        // Nothing comes: what ends this is the other end's close, or an error, which says as much.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // Only a group of this process's own, as every tethered one has, is led by its number.
        let own = getpid();
        ignore_gone(kill_process_group(own, Signal::TERM));
        std::thread::sleep(FAREWELL);
        ignore_gone(kill_process_group(own, Signal::KILL));
        ignore_gone(kill_process(own, Signal::KILL));
    };
    std::thread::Builder::new().name("tether".into()).spawn(watch).map(drop)
}

fn ignore_gone(killed: rustix::io::Result<()>) {
    if let Err(error) = killed {
        tracing::debug!(%error, "a process had ended already");
    }
}
