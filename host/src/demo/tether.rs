//! Processes that end when this one lets go of them.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

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
}

impl Tethered {
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group })
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

fn ignore_gone(killed: rustix::io::Result<()>) {
    if let Err(error) = killed {
        tracing::debug!(%error, "a process had ended already");
    }
}
