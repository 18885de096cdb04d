//! A worker's life: confine, say hello, serve one program, end.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread;

use poai_objects::{EngineName, Program};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SocketType, sockopt::socket_type};

use super::channel::{Channel, ChannelError};
use super::confine::{Profile, confine_around, forbid_new_code_of};
use super::protocol::{FromWorker, PROTOCOL_VERSION, ToWorker};
use super::remote::{Line, RemoteContent, RemoteSink};
use crate::layers::Layer;
use crate::{
    Accelerator, Artefact, Engine, EngineConfig, Fault, Finished, LoadError, Loaded, Numerics, OptLevel, Stage,
    prepare, prepare_kernels,
};

/// Why a worker ended other than by the daemon's going away.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Standard input is not the daemon's socket.
    #[error("a worker is started by poai itself, with a socket as its standard input")]
    NotAWorker,
    /// The daemon's messages cannot be understood, or the worker's not be sent.
    #[error("{0}")]
    Channel(String),
    /// The machine has no thread or descriptor for it.
    #[error("a worker cannot start: {0}")]
    System(#[from] io::Error),
    /// The device that is to compute models does not open.
    #[error("the accelerator does not open: {0}")]
    Accelerator(String),
    /// The engine cannot be made.
    #[error(transparent)]
    Engine(#[from] Fault),
}

impl From<ChannelError> for ServeError {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error.to_string())
    }
}

/// Opens the device that computes models, or tells why it does not open. Everything is loaded, opened and compiled that
/// the device will need: afterwards, the worker can do no such thing.
pub type OpenAccelerator = Box<dyn FnOnce() -> Result<Arc<dyn Accelerator>, String>>;

/// Serves the daemon at the other end of standard input, until it goes away or has compiled something.
///
/// How hard the compiler tries and how models are computed changes no claim; all workers of a home must try equally
/// hard.
///
/// To be called first of all in a process that has one thread: it closes every descriptor that it
/// was not meant to have, and restricts the process for good.
///
/// # Errors
/// If the process was not started as a worker, or cannot go on.
pub fn serve(opt_level: OptLevel, numerics: Numerics, accelerator: Option<OpenAccelerator>) -> Result<(), ServeError> {
    let stdin = io::stdin();
    if stdin.is_terminal() || socket_type(stdin.as_fd()).ok() != Some(SocketType::STREAM) {
        return Err(ServeError::NotAWorker);
    }
    // The kernel is asked for the large registers of the fastest kernels: later, the filter would not let it.
    prepare_kernels();
    let profile = if accelerator.is_some() { Profile::Driver } else { Profile::Processor };
    let open = || accelerator.map(|open| open()).transpose();
    let (layers, accelerator) = confine_around(&BTreeSet::from(Layer::ALL), profile, open);
    let accelerator = accelerator.map_err(ServeError::Accelerator)?;
    let socket = stdin.as_fd().try_clone_to_owned()?;
    end_with_the_daemon(socket.try_clone()?)?;
    let line = Line::new(Channel::new(socket));
    let engine = Engine::new(&EngineConfig { opt_level, ..EngineConfig::default() })?;
    line.say(&FromWorker::Hello {
        protocol: PROTOCOL_VERSION,
        engine: EngineName::CURRENT,
        code_identity: engine.compatibility(),
        layers: layers.clone(),
    })?;
    match line.receive() {
        Ok((ToWorker::Compile { program, component_bytes }, Some(component))) => {
            Ok(line.say(&compile(&engine, &line, &program, &component, component_bytes)?)?)
        }
        Ok((ToWorker::Load { program, code_bytes }, Some(code))) => {
            let Some(loaded) = load(&engine, &line, &program, &code, code_bytes)? else { return Ok(()) };
            if !accelerator.as_ref().is_some_and(|accelerator| accelerator.makes_code()) {
                forbid_new_code_of(profile, &layers)?;
            }
            let stage = Stage::with(numerics, accelerator)?;
            line.say(&FromWorker::Loaded)?;
            serve_runs(&line, &loaded, stage)
        }
        Ok(_) => Err(ServeError::Channel("the first order is neither to compile nor to load".into())),
        // The daemon had no use for this worker.
        Err(ChannelError::Closed) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn compile(
    engine: &Engine,
    line: &Line,
    program: &Program,
    component: &File,
    component_bytes: u64,
) -> Result<FromWorker, ChannelError> {
    let bytes = match read_whole(component, component_bytes) {
        Ok(bytes) => bytes,
        Err(fault) => return Ok(FromWorker::Faulted(fault)),
    };
    let compiled =
        prepare(&bytes, program.world).map_err(LoadError::from).and_then(|prepared| engine.compile(&prepared));
    match compiled {
        Ok(artefact) => {
            line.say_in_pieces(artefact.code(), FromWorker::Code)?;
            Ok(FromWorker::Compiled { code_bytes: artefact.code().len() as u64 })
        }
        Err(error) => Ok(no_use(error)),
    }
}

/// Loads compiled code. If it cannot be loaded, the daemon is told.
fn load(
    engine: &Engine,
    line: &Line,
    program: &Program,
    code: &File,
    code_bytes: u64,
) -> Result<Option<Loaded>, ChannelError> {
    // The descriptor holds sealed bytes that the daemon compiled or authenticated: this is where that is relied on.
    let loaded = read_whole(code, code_bytes)
        .map_err(LoadError::from)
        .and_then(|code| engine.load(&Artefact::authenticated(program.world, code)))
        .map(|loaded| loaded.with_models(program.models.clone()));
    match loaded {
        Ok(loaded) => Ok(Some(loaded)),
        Err(error) => line.say(&no_use(error)).map(|()| None),
    }
}

fn serve_runs(line: &Line, loaded: &Loaded, mut stage: Stage) -> Result<(), ServeError> {
    loop {
        let (run, tensor_bytes, is_replay) = match line.receive() {
            Ok((ToWorker::Start { run, tensor_bytes, is_replay }, None)) => (run, tensor_bytes, is_replay),
            Ok(_) => return Err(ServeError::Channel("a loaded worker can only be told to start a run".into())),
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let content = RemoteContent::new(line, is_replay);
        let mut sink = RemoteSink::new(line, tensor_bytes);
        let finished =
            stage.execute(loaded, &run, &content, &mut sink).and_then(|finished| sink.flush().map(|()| finished));
        line.say(&match finished {
            Ok(Finished { outcome, fuel, outputs, trace, first_difference, guest_us, accelerated }) => {
                FromWorker::Done { outcome, fuel, outputs, trace, first_difference, guest_us, accelerated }
            }
            Err(fault) => FromWorker::Faulted(fault),
        })?;
    }
}

fn no_use(error: LoadError) -> FromWorker {
    match error {
        LoadError::Refused(refusal) => {
            FromWorker::Refused { rule: refusal.rule().into(), message: refusal.to_string() }
        }
        LoadError::Fault(fault) => FromWorker::Faulted(fault),
    }
}

fn read_whole(file: &File, bytes: u64) -> Result<Vec<u8>, Fault> {
    let memory = |reason: String| Fault::HostMemory { reason };
    let length = usize::try_from(bytes).map_err(|error| memory(error.to_string()))?;
    let mut whole = Vec::new();
    whole.try_reserve_exact(length).map_err(|error| memory(format!("{bytes} bytes of a program: {error}")))?;
    whole.resize(length, 0);
    file.read_exact_at(&mut whole, 0).map_err(|error| Fault::Content { reason: error.to_string() })?;
    Ok(whole)
}

/// Ends this process when the daemon is gone, whatever a guest is doing: a killed daemon leaves nobody behind.
fn end_with_the_daemon(socket: OwnedFd) -> io::Result<()> {
    let watch = move || {
        loop {
            // Nothing is asked for: only the other side's end wakes this.
            let mut socket = [PollFd::new(&socket, PollFlags::empty())];
            if poll(&mut socket, None).is_ok() && socket[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
                std::process::exit(0);
            }
        }
    };
    thread::Builder::new().name("watch".into()).stack_size(64 << 10).spawn(watch)?;
    Ok(())
}
