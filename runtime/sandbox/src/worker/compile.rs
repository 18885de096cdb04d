//! One compilation, from the daemon's side.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use poai_meter::{Refused, StaticRule, StaticRules};
use poai_objects::Program;

use super::cancel::Cancel;
use super::channel::{ChannelError, Patience};
use super::config::WorkersLimits;
use super::error::RunError;
use super::protocol::{FromWorker, ToWorker};
use super::spawn::Process;
use crate::fault::CompileLimit;
use crate::guest_text::one_line;
use crate::sealed::{SealedFile, SealedWriter};
use crate::{BlockFile, Content, Fault, Node};

/// Bytes copied at once.
const COPY_BYTES: usize = 256 << 10;

/// Reads a program's component into memory that nobody can change.
pub(super) fn gather(program: &Program, content: &dyn Content) -> Result<SealedFile, RunError> {
    let Node::File(layout) = content.open(&program.component)? else {
        return Err(RunError::Refused {
            rule: StaticRule::Component.to_string(),
            message: "the program is a folder, not a component".into(),
        });
    };
    let limit = StaticRules::default().component_bytes;
    if layout.size_bytes > limit {
        let refused = Refused::OverLimit { rule: StaticRule::ComponentBytes, found: layout.size_bytes, limit };
        return Err(RunError::Refused { rule: refused.rule().to_string(), message: refused.to_string() });
    }
    let mut component = SealedWriter::new("poai-component").map_err(host_memory)?;
    for chunk in &layout.chunks {
        copy(&content.block(&chunk.cid)?, &mut component)?;
    }
    let component = component.seal().map_err(host_memory)?;
    if component.bytes() != layout.size_bytes {
        return Err(
            Fault::Content { reason: format!("{} is not as long as its layout says", program.component) }.into()
        );
    }
    Ok(component)
}

fn copy(block: &BlockFile, out: &mut impl Write) -> Result<(), Fault> {
    let mut piece = vec![0; COPY_BYTES];
    let mut done = 0;
    while done < block.bytes {
        let length = usize::try_from(block.bytes - done).unwrap_or(usize::MAX).min(COPY_BYTES);
        block
            .file
            .read_exact_at(&mut piece[..length], block.offset + done)
            .map_err(|error| Fault::Content { reason: error.to_string() })?;
        out.write_all(&piece[..length]).map_err(host_memory)?;
        done += length as u64;
    }
    Ok(())
}

fn host_memory(error: std::io::Error) -> Fault {
    Fault::HostMemory { reason: format!("a program's bytes: {error}") }
}

/// Has a worker compile, and uses it up. Time, memory and size of the code are this host's limits.
pub(super) fn compile(
    mut worker: Process,
    program: &Program,
    component: &SealedFile,
    limits: &WorkersLimits,
    cancels: &[&Cancel],
) -> Result<Vec<u8>, RunError> {
    let memory_bytes = limits.compile_memory_bytes.min(limits.worker_memory_bytes);
    worker
        .limit_memory(memory_bytes)
        .map_err(|error| Fault::WorkerDied { reason: format!("its memory cannot be limited: {error}") })?;
    let patience = Patience { deadline: Some(Instant::now() + limits.compile_time), cancels };
    let out_of_memory = || RunError::Fault(Fault::Compile { limit: CompileLimit::Memory, allowed: memory_bytes });
    match exchange(&mut worker, program, component, limits.code_bytes, &patience) {
        Ok(code) => Ok(code),
        Err(Stop::Run(RunError::Fault(Fault::HostMemory { .. }))) => Err(out_of_memory()),
        Err(Stop::Run(error)) => Err(error),
        Err(Stop::Channel(ChannelError::Deadline)) => {
            Err(Fault::Compile { limit: CompileLimit::Time, allowed: milliseconds(limits.compile_time) }.into())
        }
        Err(Stop::Channel(ChannelError::Cancelled)) => Err(Fault::Cancelled.into()),
        Err(Stop::Channel(error)) => {
            let death = worker.death(&error);
            Err(if death.out_of_memory { out_of_memory() } else { Fault::WorkerDied { reason: death.reason }.into() })
        }
    }
}

enum Stop {
    Run(RunError),
    Channel(ChannelError),
}

impl From<ChannelError> for Stop {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

fn exchange(
    worker: &mut Process,
    program: &Program,
    component: &SealedFile,
    code_bytes: u64,
    patience: &Patience<'_>,
) -> Result<Vec<u8>, Stop> {
    let order = ToWorker::Compile { program: program.clone(), component_bytes: component.bytes() };
    worker.channel.send(&order, Some(component.as_fd()), patience)?;
    let mut code = Vec::new();
    loop {
        match worker.channel.receive(patience)?.0 {
            FromWorker::Code(piece) if (code.len() + piece.len()) as u64 > code_bytes => {
                return Err(Stop::Run(Fault::Compile { limit: CompileLimit::Code, allowed: code_bytes }.into()));
            }
            FromWorker::Code(piece) => code.extend_from_slice(&piece),
            FromWorker::Compiled { code_bytes } if code_bytes == code.len() as u64 => return Ok(code),
            FromWorker::Refused { rule, message } => {
                return Err(Stop::Run(RunError::Refused { rule: one_line(&rule), message: one_line(&message) }));
            }
            FromWorker::Faulted(fault) => return Err(Stop::Run(fault.one_line().into())),
            _ => {
                let reason = "a compile worker sent what none sends".into();
                return Err(Stop::Run(Fault::WorkerDied { reason }.into()));
            }
        }
    }
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
