//! How a run comes by a worker that has its program loaded.

use std::os::fd::AsFd;
use std::time::Instant;

use poai_objects::{Program, ProgramId};
use tracing::warn;

use super::{CANCEL_POLL, Loaded, Pool, UNPOISONED, is_cancelled};
use crate::code_cache::{CodeKey, Found};
use crate::guest_text::one_line;
use crate::sealed::SealedFile;
use crate::worker::cancel::Cancel;
use crate::worker::channel::{ChannelError, Patience};
use crate::worker::compile::{compile, gather};
use crate::worker::error::{RunError, WorkersError};
use crate::worker::pool::Attempt;
use crate::worker::protocol::{FromWorker, ToWorker};
use crate::worker::spawn::Process;
use crate::{Content, Fault};

/// Programs remembered as more than this host compiles; the one longest known makes room.
const GIVEN_UP_LIMIT: usize = 1024;

impl Pool {
    /// A worker with the program loaded, and whether it was so already.
    pub(super) fn ready_worker(
        &self,
        attempt: &Attempt<'_>,
        content: &dyn Content,
        cancels: &[&Cancel],
    ) -> Result<(Loaded, bool), RunError> {
        if let Some(worker) = self.take_warm(attempt.run.program) {
            return Ok((worker, true));
        }
        let code = self.code(attempt, content, cancels)?;
        let worker = self.load(attempt.program, attempt.run.program, &code, cancels)?;
        Ok((worker, false))
    }

    fn take_warm(&self, program: ProgramId) -> Option<Loaded> {
        let mut gone = Vec::new();
        let mut state = self.lock();
        let found = loop {
            // The one last used is the likeliest to have its memory at hand.
            let Some(index) = state.warm.iter().rposition(|worker| worker.program == program) else { break None };
            match state.warm.remove(index) {
                Some(worker) if worker.process.channel.is_quiet() => break Some(worker),
                // Somebody killed it while it was idle.
                dead => gone.extend(dead),
            }
        };
        drop(state);
        drop(gone);
        found
    }

    fn take_blank(&self, cancels: &[&Cancel]) -> Result<Process, WorkersError> {
        loop {
            let Some(blank) = self.lock().blank.pop() else { return self.spawn(cancels) };
            self.changed.notify_all();
            if blank.channel.is_quiet() {
                return Ok(blank);
            }
        }
    }

    pub(super) fn spawn(&self, cancels: &[&Cancel]) -> Result<Process, WorkersError> {
        let (process, greeting) = Process::spawn(&self.config, cancels)?;
        self.lock().status.spawned += 1;
        if greeting.identity != self.identity {
            return Err(WorkersError::NoWorker { reason: "the executable was replaced by another build".into() });
        }
        Ok(process)
    }

    /// The program's code, from the cache or a compile worker. Whoever wants the same code waits for the first.
    fn code(&self, attempt: &Attempt<'_>, content: &dyn Content, cancels: &[&Cancel]) -> Result<SealedFile, RunError> {
        let id = attempt.run.program;
        let mut state = self.lock();
        while state.compiling.contains(&id) {
            if is_cancelled(cancels) {
                return Err(Fault::Cancelled.into());
            }
            state = self.changed.wait_timeout(state, CANCEL_POLL).expect(UNPOISONED).0;
        }
        let now = Instant::now();
        state.given_up.retain(|(.., until)| *until > now);
        let known = state.given_up.iter().find(|(program, ..)| *program == id);
        if let Some(fault) = known.map(|(_, fault, _)| fault.clone()) {
            state.status.turned_away += 1;
            return Err(fault.into());
        }
        state.compiling.insert(id);
        drop(state);
        let code = match self.cached(id) {
            Some(code) => Ok(code),
            None => self.compile(attempt, content, cancels),
        };
        let mut state = self.lock();
        state.compiling.remove(&id);
        if let Err(RunError::Fault(fault @ Fault::Compile { .. })) = &code {
            state.given_up.push_back((id, fault.clone(), Instant::now() + self.config.limits.compile_again));
            if state.given_up.len() > GIVEN_UP_LIMIT {
                state.given_up.pop_front();
            }
        }
        drop(state);
        self.changed.notify_all();
        code
    }

    pub(super) fn cached(&self, program: ProgramId) -> Option<SealedFile> {
        match self.cache.get(&CodeKey { program, identity: self.identity }) {
            Ok(Found::Code(code)) => {
                self.lock().status.cache_hits += 1;
                Some(code)
            }
            Ok(Found::Nothing) => None,
            Ok(Found::Rejected { reason }) => {
                warn!(%program, "an entry of the compiled-code cache was rejected: {reason}");
                self.lock().status.cache_rejected += 1;
                None
            }
            Err(error) => {
                warn!(%program, "the compiled-code cache cannot be read: {error}");
                None
            }
        }
    }

    fn compile(
        &self,
        attempt: &Attempt<'_>,
        content: &dyn Content,
        cancels: &[&Cancel],
    ) -> Result<SealedFile, RunError> {
        let component = gather(attempt.program, content)?;
        let worker = self.take_blank(cancels).map_err(cannot_start)?;
        let code = compile(worker, attempt.program, &component, &self.config.limits, cancels)?;
        self.lock().status.compiled += 1;
        let program = attempt.run.program;
        if let Err(error) = self.cache.put(&CodeKey { program, identity: self.identity }, &code) {
            warn!(%program, "compiled code was not kept: {error}");
        }
        SealedFile::from_bytes("poai-code", &code)
            .map_err(|error| Fault::HostMemory { reason: format!("compiled code: {error}") }.into())
    }

    pub(super) fn load(
        &self,
        program: &Program,
        id: ProgramId,
        code: &SealedFile,
        cancels: &[&Cancel],
    ) -> Result<Loaded, RunError> {
        let mut process = self.take_blank(cancels).map_err(cannot_start)?;
        let patience = Patience { deadline: Some(Instant::now() + self.config.limits.load_time), cancels };
        let order = ToWorker::Load { program: program.clone(), code_bytes: code.bytes() };
        let answer = process
            .channel
            .send(&order, Some(code.as_fd()), &patience)
            .and_then(|()| process.channel.receive(&patience));
        match answer {
            Ok((FromWorker::Loaded, _)) => Ok(Loaded { process, program: id, runs: 0 }),
            Ok((FromWorker::Refused { rule, message }, _)) => {
                Err(RunError::Refused { rule: one_line(&rule), message: one_line(&message) })
            }
            Ok((FromWorker::Faulted(fault), _)) => Err(fault.one_line().into()),
            Ok(_) => Err(self.lose(process, &ChannelError::Conduct("sent what no loading worker sends")).into()),
            Err(error) => Err(self.lose(process, &error).into()),
        }
    }
}

pub(super) fn cannot_start(error: WorkersError) -> RunError {
    if matches!(error, WorkersError::Cancelled) {
        return Fault::Cancelled.into();
    }
    Fault::WorkerDied { reason: format!("none can be started: {error}") }.into()
}
