//! `wasi:cli`: what the run says, and no terminal.

use poai_objects::World;
use wasmtime::component::Resource;

use super::super::bindings::wasi::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin,
    terminal_stdout,
};
use super::super::inputs::Place;
use super::super::meter::cost;
use super::super::stop::Stop;
use super::super::words::Source;
use super::super::{Guest, STDIN};
use super::{InputStream, OutputStream};

/// What a plain program finds as its own name.
const PROGRAM_NAME: &str = "task";
/// The working directory, always.
const WORKING_DIRECTORY: &str = "/";

impl environment::Host for Guest {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let bytes: usize = self.run.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.meter.charge(cost::ENTRY * self.run.env.len() as u64)?;
        self.meter.charge_bytes(bytes as u64)?;
        Ok(self.run.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        let bytes: usize = self.run.args.iter().map(String::len).sum();
        self.meter.charge(cost::ENTRY * self.run.args.len() as u64)?;
        self.meter.charge_bytes(bytes as u64)?;
        Ok([PROGRAM_NAME.to_owned()].into_iter().chain(self.run.args.iter().cloned()).collect())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(Some(WORKING_DIRECTORY.into()))
    }
}

impl exit::Host for Guest {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(Stop::Exit { status: u8::from(status.is_err()) }.into())
    }

    fn exit_with_code(&mut self, status: u8) -> wasmtime::Result<()> {
        Err(Stop::Exit { status }.into())
    }
}

impl stdin::Host for Guest {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<InputStream>> {
        self.meter.charge(cost::OPEN)?;
        let stream = match self.inputs.look_up(&self.host, &mut self.meter, [STDIN].into_iter())? {
            Ok(Place::File(file)) => {
                InputStream::Input { file: self.inputs.hold(file).ok_or(Stop::MemoryLimit)?, offset: 0 }
            }
            Ok(Place::Root | Place::Folder(_)) | Err(_) => InputStream::Empty,
        };
        Ok(self.handles.push(stream)?)
    }
}

impl stdout::Host for Guest {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        let stream = match self.world {
            World::Task => OutputStream::Log(Source::Stdout),
            World::Command => OutputStream::Stdout,
        };
        Ok(self.handles.push(stream)?)
    }
}

impl stderr::Host for Guest {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        Ok(self.handles.push(OutputStream::Log(Source::Stderr))?)
    }
}

// No function ever gives out a terminal, so nothing can be dropped either.
const NO_TERMINAL: Stop = Stop::Abi { rule: "a run has no terminal" };

impl terminal_input::Host for Guest {}

impl terminal_input::HostTerminalInput for Guest {
    fn drop(&mut self, _: Resource<terminal_input::TerminalInput>) -> wasmtime::Result<()> {
        Err(NO_TERMINAL.into())
    }
}

impl terminal_output::Host for Guest {}

impl terminal_output::HostTerminalOutput for Guest {
    fn drop(&mut self, _: Resource<terminal_output::TerminalOutput>) -> wasmtime::Result<()> {
        Err(NO_TERMINAL.into())
    }
}

impl terminal_stdin::Host for Guest {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for Guest {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for Guest {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}
