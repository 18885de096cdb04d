//! `wasi:io/streams` and `wasi:io/error`: how much a read gives depends on nothing but what was asked and what is left.

use std::rc::Rc;

use wasmtime::component::Resource;

use super::super::bindings::wasi::filesystem::types::ErrorCode;
use super::super::bindings::wasi::io::{error, streams};
use super::super::disk::DiskFile;
use super::super::inputs::HeldFile;
use super::super::words::Source;
use super::super::{Guest, stdout_name};
use super::{Pollable, StreamFailure};

/// Bytes of one read, and what a stream says it takes of one write.
const PIECE_BYTES: u64 = 64 << 10;

/// Bytes to read in order.
#[derive(Clone)]
pub enum InputStream {
    /// No standard input.
    Empty,
    /// A file of an input.
    Input { file: HeldFile, offset: u64 },
    /// A file under `/out`.
    Disk { file: Rc<DiskFile>, offset: u64 },
}

/// Where bytes go in order.
#[derive(Clone)]
pub enum OutputStream {
    /// The output `stdout`.
    Stdout,
    /// Log lines.
    Log(Source),
    /// A file under `/out`, from an offset.
    DiskAt { file: Rc<DiskFile>, offset: u64 },
    /// A file under `/out`, at its end.
    DiskEnd { file: Rc<DiskFile> },
}

/// Why a stream failed, as a guest may look at it.
#[derive(Clone, Copy, Debug)]
pub struct IoError(pub(crate) ErrorCode);

type Read<T> = Result<T, StreamFailure>;

impl InputStream {
    fn left_bytes(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Input { file, offset } => file.size_bytes.saturating_sub(*offset),
            Self::Disk { file, offset } => file.size_bytes().saturating_sub(*offset),
        }
    }

    fn advance(&mut self, bytes: u64) {
        match self {
            Self::Empty => {}
            Self::Input { offset, .. } | Self::Disk { offset, .. } => *offset += bytes,
        }
    }
}

impl Guest {
    /// How many bytes a read of `length` gives. Reading at the end says that it is the end.
    fn readable(stream: &InputStream, length: u64) -> Read<u64> {
        match stream.left_bytes() {
            0 if length > 0 => Err(StreamFailure::Closed),
            left => Ok(length.min(left).min(PIECE_BYTES)),
        }
    }

    fn read_stream(&mut self, handle: &Resource<InputStream>, length: u64) -> Read<Vec<u8>> {
        let stream = self.handles.get(handle)?.clone();
        let length = Self::readable(&stream, length)?;
        self.meter.charge_bytes(length)?;
        let bytes = match &stream {
            InputStream::Empty => Vec::new(),
            InputStream::Input { file, offset } => {
                self.inputs.read(&self.host, &mut self.meter, file, *offset, length)?
            }
            InputStream::Disk { file, offset } => file.read(*offset, length),
        };
        self.handles.get_mut(handle)?.advance(length);
        Ok(bytes)
    }

    fn skip_stream(&mut self, handle: &Resource<InputStream>, length: u64) -> Read<u64> {
        let stream = self.handles.get_mut(handle)?;
        let length = Self::readable(stream, length)?;
        stream.advance(length);
        Ok(length)
    }

    fn write_stream(&mut self, handle: &Resource<OutputStream>, bytes: &[u8]) -> Read<()> {
        self.meter.charge_bytes(bytes.len() as u64)?;
        match self.handles.get_mut(handle)? {
            OutputStream::Stdout => self.outputs.append(&self.host, &stdout_name(), bytes)?,
            OutputStream::Log(source) => self.words.write(&self.host, *source, bytes)?,
            OutputStream::DiskEnd { file } => file.write(file.size_bytes(), bytes)?,
            OutputStream::DiskAt { file, offset } => {
                file.write(*offset, bytes)?;
                *offset += bytes.len() as u64;
            }
        }
        Ok(())
    }

    fn write_zeros(&mut self, handle: &Resource<OutputStream>, length: u64) -> Read<()> {
        const ZEROS: [u8; 4_096] = [0; 4_096];
        let mut left = length;
        while left > 0 {
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            self.write_stream(handle, &ZEROS[..piece])?;
            left -= piece as u64;
        }
        Ok(())
    }
}

impl error::Host for Guest {}

impl error::HostError for Guest {
    fn to_debug_string(&mut self, error: Resource<IoError>) -> wasmtime::Result<String> {
        let IoError(code) = self.handles.get(&error)?;
        Ok(code.name().to_owned())
    }

    fn drop(&mut self, error: Resource<IoError>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(error)?)
    }
}

impl streams::Host for Guest {
    fn convert_stream_error(&mut self, failure: StreamFailure) -> wasmtime::Result<streams::StreamError> {
        match failure {
            StreamFailure::Closed => Ok(streams::StreamError::Closed),
            StreamFailure::Failed(code) => {
                Ok(streams::StreamError::LastOperationFailed(self.handles.push(IoError(code))?))
            }
            StreamFailure::Stop(stop) => Err(stop.into()),
        }
    }
}

impl streams::HostInputStream for Guest {
    fn read(&mut self, stream: Resource<InputStream>, length: u64) -> Read<Vec<u8>> {
        self.read_stream(&stream, length)
    }

    fn blocking_read(&mut self, stream: Resource<InputStream>, length: u64) -> Read<Vec<u8>> {
        self.read_stream(&stream, length)
    }

    fn skip(&mut self, stream: Resource<InputStream>, length: u64) -> Read<u64> {
        self.skip_stream(&stream, length)
    }

    fn blocking_skip(&mut self, stream: Resource<InputStream>, length: u64) -> Read<u64> {
        self.skip_stream(&stream, length)
    }

    fn subscribe(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.handles.get(&stream)?;
        Ok(self.handles.push(Pollable::Ready)?)
    }

    fn drop(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(stream)?)
    }
}

impl streams::HostOutputStream for Guest {
    fn check_write(&mut self, stream: Resource<OutputStream>) -> Read<u64> {
        self.handles.get(&stream)?;
        Ok(PIECE_BYTES)
    }

    fn write(&mut self, stream: Resource<OutputStream>, bytes: Vec<u8>) -> Read<()> {
        self.write_stream(&stream, &bytes)
    }

    fn blocking_write_and_flush(&mut self, stream: Resource<OutputStream>, bytes: Vec<u8>) -> Read<()> {
        self.write_stream(&stream, &bytes)
    }

    fn flush(&mut self, stream: Resource<OutputStream>) -> Read<()> {
        self.handles.get(&stream)?;
        Ok(())
    }

    fn blocking_flush(&mut self, stream: Resource<OutputStream>) -> Read<()> {
        self.handles.get(&stream)?;
        Ok(())
    }

    fn subscribe(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.handles.get(&stream)?;
        Ok(self.handles.push(Pollable::Ready)?)
    }

    fn write_zeroes(&mut self, stream: Resource<OutputStream>, length: u64) -> Read<()> {
        self.write_zeros(&stream, length)
    }

    fn blocking_write_zeroes_and_flush(&mut self, stream: Resource<OutputStream>, length: u64) -> Read<()> {
        self.write_zeros(&stream, length)
    }

    fn splice(&mut self, to: Resource<OutputStream>, from: Resource<InputStream>, length: u64) -> Read<u64> {
        let bytes = self.read_stream(&from, length)?;
        self.write_stream(&to, &bytes)?;
        Ok(bytes.len() as u64)
    }

    fn blocking_splice(&mut self, to: Resource<OutputStream>, from: Resource<InputStream>, length: u64) -> Read<u64> {
        self.splice(to, from, length)
    }

    fn drop(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(stream)?)
    }
}
