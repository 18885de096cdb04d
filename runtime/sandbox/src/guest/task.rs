//! The interfaces of `poai:task`.

use poai_objects::OutputName;
use wasmtime::component::Resource;

use super::Guest;
use super::bindings::poai::task::{inputs, job, outputs, telemetry};
use super::inputs::{HeldFile, Listed, Missing, Place};
use super::meter::cost;
use super::stop::Stop;
use crate::Level;

/// Bytes of one read, as `wit/task.wit` says.
const READ_BYTES: u64 = 1 << 20;

/// An input file that a task has open.
pub struct OpenInput(HeldFile);

/// An output that a task may append to.
pub struct OpenOutput(OutputName);

impl Guest {
    fn find_input(&mut self, path: &str) -> Result<Result<Place, inputs::Error>, Stop> {
        let parts = if path.is_empty() { 0 } else { path.split('/').count() as u64 };
        self.meter.charge_bytes(path.len() as u64)?;
        self.meter.charge(cost::OPEN + cost::PATH_PART * parts)?;
        if parts > 0 && path.split('/').any(|part| matches!(part, "" | "." | "..") || part.contains('\0')) {
            return Ok(Err(inputs::Error::InvalidPath));
        }
        let place = self.inputs.look_up(
            &self.host,
            &mut self.meter,
            path.split('/').take(usize::try_from(parts).unwrap_or(usize::MAX)),
        )?;
        Ok(place.map_err(|missing| match missing {
            Missing::NoEntry | Missing::NotFolder => inputs::Error::NotFound,
        }))
    }
}

impl inputs::Host for Guest {
    fn list(&mut self, path: String) -> wasmtime::Result<Result<Vec<inputs::Entry>, inputs::Error>> {
        let place = match self.find_input(&path)? {
            Ok(place) => place,
            Err(error) => return Ok(Err(error)),
        };
        let Some(listed) = self.inputs.list(&self.host, &mut self.meter, &place)? else {
            return Ok(Err(inputs::Error::IsFile));
        };
        let name_bytes: usize = listed.iter().map(|entry| entry.name.len()).sum();
        self.meter.charge(cost::ENTRY.saturating_mul(listed.len() as u64))?;
        self.meter.charge_bytes(name_bytes as u64)?;
        Ok(Ok(listed.into_iter().map(Into::into).collect()))
    }

    fn stat(&mut self, path: String) -> wasmtime::Result<Result<inputs::Entry, inputs::Error>> {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let place = self.find_input(&path)?;
        Ok(place.map(|place| Listed::of(name, &place).into()))
    }

    fn open(&mut self, path: String) -> wasmtime::Result<Result<Resource<OpenInput>, inputs::Error>> {
        match self.find_input(&path)? {
            Ok(Place::File(file)) => {
                let file = self.inputs.hold(file).ok_or(Stop::MemoryLimit)?;
                Ok(Ok(self.handles.push(OpenInput(file))?))
            }
            Ok(Place::Root | Place::Folder(_)) => Ok(Err(inputs::Error::IsFolder)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl inputs::HostFile for Guest {
    fn size(&mut self, file: Resource<OpenInput>) -> wasmtime::Result<u64> {
        Ok(self.handles.get(&file)?.0.size_bytes)
    }

    fn read(&mut self, file: Resource<OpenInput>, offset: u64, length: u32) -> wasmtime::Result<Vec<u8>> {
        let file = self.handles.get(&file)?.0.clone();
        let length = u64::from(length).min(READ_BYTES).min(file.size_bytes.saturating_sub(offset));
        self.meter.charge_bytes(length)?;
        Ok(self.inputs.read(&self.host, &mut self.meter, &file, offset, length)?)
    }

    fn drop(&mut self, file: Resource<OpenInput>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(file)?)
    }
}

impl From<Listed> for inputs::Entry {
    fn from(listed: Listed) -> Self {
        let kind = if listed.is_folder { inputs::Kind::Folder } else { inputs::Kind::File };
        Self { name: listed.name, kind, size: listed.size_bytes }
    }
}

impl outputs::Host for Guest {
    fn create(&mut self, name: String) -> wasmtime::Result<Result<Resource<OpenOutput>, outputs::Error>> {
        self.meter.charge_bytes(name.len() as u64)?;
        self.meter.charge(cost::OPEN)?;
        let Ok(name) = OutputName::try_from(name) else { return Ok(Err(outputs::Error::InvalidName)) };
        if self.outputs.conflicts(name.as_str()) || self.disk.conflicts(name.as_str()) {
            return Ok(Err(outputs::Error::AlreadyExists));
        }
        self.outputs.create(&self.host, &name)?;
        Ok(Ok(self.handles.push(OpenOutput(name))?))
    }
}

impl outputs::HostOutput for Guest {
    fn append(&mut self, output: Resource<OpenOutput>, bytes: Vec<u8>) -> wasmtime::Result<()> {
        self.meter.charge_bytes(bytes.len() as u64)?;
        let OpenOutput(name) = self.handles.get(&output)?;
        Ok(self.outputs.append(&self.host, name, &bytes)?)
    }

    fn drop(&mut self, output: Resource<OpenOutput>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(output)?)
    }
}

impl job::Host for Guest {
    fn params(&mut self) -> wasmtime::Result<String> {
        let params = self.run.params.as_str().to_owned();
        self.meter.charge_bytes(params.len() as u64)?;
        Ok(params)
    }

    fn seed(&mut self) -> wasmtime::Result<u64> {
        Ok(self.run.seed)
    }

    fn get_limits(&mut self) -> wasmtime::Result<job::Limits> {
        let limits = &self.run.limits;
        Ok(job::Limits {
            fuel: limits.fuel.0,
            memory_bytes: limits.memory_bytes,
            stack_units: limits.stack_units,
            output_bytes: limits.output_bytes,
            output_count: limits.output_count,
        })
    }
}

impl telemetry::Host for Guest {
    fn log(&mut self, level: telemetry::Level, message: String) -> wasmtime::Result<()> {
        self.meter.charge_bytes(message.len() as u64)?;
        let level = match level {
            telemetry::Level::Trace => Level::Trace,
            telemetry::Level::Debug => Level::Debug,
            telemetry::Level::Info => Level::Info,
            telemetry::Level::Warn => Level::Warn,
            telemetry::Level::Error => Level::Error,
        };
        Ok(self.words.log(&self.host, level, &message)?)
    }

    fn progress(&mut self, done: u64, total: Option<u64>, what: String) -> wasmtime::Result<()> {
        self.meter.charge_bytes(what.len() as u64)?;
        Ok(self.words.progress(&self.host, done, total, &what)?)
    }
}
