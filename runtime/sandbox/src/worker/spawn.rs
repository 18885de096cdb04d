use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use poai_objects::EngineName;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::cancel::Cancel;
use super::channel::{Channel, ChannelError, Patience};
use super::config::WorkersConfig;
use super::error::WorkersError;
use super::protocol::{FromWorker, PROTOCOL_VERSION};
use crate::code_cache::CodeIdentity;
use crate::guest_text::one_line;
use crate::layers::{Layer, LayerState, Layers};

/// Bytes of a dead worker's last words that are kept.
const LAST_WORDS_BYTES: u64 = 2_048;
/// What the runtime says when it gets no memory, before it aborts.
const OUT_OF_MEMORY: &str = "memory allocation of";

/// A worker process, from the daemon's side. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    stderr: PipeReader,
    // What the process had set aside when it said hello, bytes: most of it is never touched, and all of it counts.
    own_memory: u64,
    pub(super) channel: Channel,
}

/// What a worker said of itself.
#[derive(Clone, Debug)]
pub(super) struct Greeting {
    pub(super) identity: CodeIdentity,
    pub(super) layers: Layers,
}

/// How a worker ended.
#[derive(Debug)]
pub(super) struct Death {
    /// For people.
    pub(super) reason: String,
    /// Whether it ended because it got no memory.
    pub(super) out_of_memory: bool,
}

impl Process {
    /// Starts a worker, and waits until it has confined itself and says hello.
    pub(super) fn spawn(config: &WorkersConfig, cancels: &[&Cancel]) -> Result<(Self, Greeting), WorkersError> {
        let mut process = Self::start(config)
            .map_err(|source| WorkersError::Spawn { executable: config.executable.clone(), source })?;
        let patience = Patience { deadline: Some(Instant::now() + config.limits.hello_time), cancels };
        let hello = process.channel.receive::<FromWorker>(&patience);
        let (engine, identity, layers) = match hello {
            Ok((FromWorker::Hello { protocol: PROTOCOL_VERSION, engine, code_identity, layers }, _)) => {
                (engine, code_identity, layers.completed())
            }
            Ok((FromWorker::Hello { protocol, .. }, _)) => {
                return Err(WorkersError::OtherProtocol { found: protocol, known: PROTOCOL_VERSION });
            }
            Ok(_) => return Err(WorkersError::NoWorker { reason: "it did not say hello first".into() }),
            Err(ChannelError::Cancelled) => return Err(WorkersError::Cancelled),
            Err(error) => return Err(WorkersError::NoWorker { reason: process.death(&error).reason }),
        };
        if engine != EngineName::CURRENT {
            return Err(WorkersError::OtherEngine { found: engine, known: EngineName::CURRENT });
        }
        let limited = process.note_own_memory().and_then(|()| process.limit_memory(config.limits.worker_memory_bytes));
        let layers = match limited {
            Ok(()) => layers,
            Err(error) => {
                layers.with(Layer::Limits, LayerState::Absent { why: format!("its memory cannot be limited: {error}") })
            }
        };
        if let Some((layer, state)) = layers.absent().find(|(layer, _)| config.require.contains(layer)) {
            return Err(WorkersError::LayerMissing { layer, state: state.clone() });
        }
        Ok((process, Greeting { identity: CodeIdentity(identity), layers }))
    }

    fn start(config: &WorkersConfig) -> io::Result<Self> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let (stderr, their_stderr) = io::pipe()?;
        // Neither side ever waits for the other to write or read last words.
        for end in [OwnedFd::from(stderr.try_clone()?), OwnedFd::from(their_stderr.try_clone()?)] {
            fcntl_setfl(&end, fcntl_getfl(&end)? | OFlags::NONBLOCK)?;
        }
        let child = Command::new(&config.executable)
            .args(&config.args)
            .env_clear()
            .envs(config.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::from(their_stderr))
            .spawn()?;
        Ok(Self { child, stderr, own_memory: 0, channel: Channel::new(ours) })
    }

    /// The process's id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    fn note_own_memory(&mut self) -> io::Result<()> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmData:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        self.own_memory = kibibytes.ok_or_else(|| io::Error::other("the kernel does not tell how much it has"))? << 10;
        Ok(())
    }

    /// Limits the private memory that the process may use, beyond what it had when it said hello.
    pub(super) fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        let pid = Pid::from_child(&self.child);
        let most = Some(self.own_memory.saturating_add(bytes));
        prlimit(Some(pid), Resource::Data, Rlimit { current: most, maximum: most })?;
        Ok(())
    }

    /// Ends the process, and says how it ended, given what its channel came to.
    pub(super) fn death(&mut self, error: &ChannelError) -> Death {
        // Whoever closed the socket may be about to die of its own; everyone else is killed now.
        let dying = matches!(error, ChannelError::Closed);
        let status = if dying { self.child.wait() } else { self.kill() };
        let mut words = Vec::new();
        // Whatever can be read of them; the pipe is never waited for.
        (&mut self.stderr).take(LAST_WORDS_BYTES).read_to_end(&mut words).ok();
        let words = one_line(&String::from_utf8_lossy(&words));
        let ended = match &status {
            Ok(status) if dying => describe(*status),
            Ok(_) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let killed_from_outside = dying && status.as_ref().is_ok_and(|status| status.signal() == Some(libc::SIGKILL));
        let out_of_memory = words.contains(OUT_OF_MEMORY);
        let reason = match (words.is_empty(), killed_from_outside) {
            (false, _) => format!("{ended}: {words}"),
            (true, true) => format!("{ended}, perhaps because memory ended"),
            (true, false) => ended,
        };
        Death { reason, out_of_memory }
    }

    fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It is either gone already or cannot refuse.
        self.kill().ok();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with status {code}"),
        (None, Some(libc::SIGSYS)) => "it made a system call that no worker makes, and was killed for it".into(),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".into(),
    }
}

#[cfg(test)]
mod tests;
